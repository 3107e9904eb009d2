"""The table of a network: its shapes, parameters and multiply-adds, and no trace left behind."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from chainrule import nn
from chainrule.errors import ShapeError


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, groups=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(24, 10),
    )


def test_multiply_adds_are_those_of_the_definition():
    table = network().summary((2, 1, 12, 12))
    by_name = {line.layer: line for line in table.lines}
    assert [line.result for line in table.lines] == [
        (2, 10), (2, 4, 12, 12), (2, 4, 12, 12), (2, 4, 12, 12), (2, 4, 6, 6), (2, 6, 2, 2), (2, 24), (2, 24), (2, 10),
    ]  # fmt: skip
    assert by_name["0"].multiply_adds == 2 * 4 * 12 * 12 * 9
    assert by_name["4"].multiply_adds == 2 * 6 * 2 * 2 * (2 * 9)
    assert by_name["7"].multiply_adds == 2 * 24 * 10
    assert table.multiply_adds == sum(by_name[name].multiply_adds for name in "047")
    assert table.parameters == sum(p.size for p in network().parameters()) == 40 + 8 + 108 + 250


def test_attention_counts_all_its_products():
    batch, time, width = 2, 5, 8
    table = nn.MultiheadAttention(width, 2).summary((batch, time, width))
    # Four square matrices at every place, and two products of every place with every other.
    assert table.multiply_adds == batch * time * 4 * width**2 + 2 * batch * time**2 * width
    assert table.parameters == 4 * width**2 + 4 * width


def test_shared_and_unused_modules():
    class Twice(nn.Module):
        def __init__(self):
            self.first = nn.Linear(3, 3)
            self.unused = nn.Linear(3, 3)
            self.tied = nn.Linear(3, 3)
            self.tied.weight = self.first.weight

        def forward(self, x):
            return self.tied(self.first(self.first(x)))

    table = Twice().summary(np.ones((1, 3), np.float32))
    first, unused, tied = table.lines[1:]
    assert (first.parameters, first.multiply_adds, first.result) == (12, 18, (1, 3))
    assert (unused.multiply_adds, unused.result) == (0, None)
    assert (tied.parameters, tied.multiply_adds) == (3, 9)
    assert table.parameters == sum(p.size for p in Twice().parameters())


def test_a_summary_leaves_no_trace():
    net = network()
    net[2].eval()
    modes = [module.training for module in net.modules()]
    before = {name: saved.numpy() for name, saved in net.state_dict().items()}
    held = [{*vars(module)} | {"training"} for module in net.modules()]
    net.summary((1, 1, 12, 12))
    with pytest.raises(ShapeError):
        net.summary((1, 2, 12, 12))
    assert [module.training for module in net.modules()] == modes
    assert [{*vars(module)} for module in net.modules()] == held
    for name, saved in net.state_dict().items():
        np.testing.assert_array_equal(saved.data, before[name])


def test_it_prints_as_plain_text_and_with_rich():
    table = network().summary((2, 1, 12, 12))
    text = repr(table)
    assert text.splitlines()[0].split() == ["layer", "kind", "result", "parameters", "multiply-adds"]
    assert text.splitlines()[-1].split() == ["total", "406", f"{table.multiply_adds:,}"]
    page = io.StringIO()
    Console(file=page, width=120).print(table)
    for line in table.lines:
        assert line.kind in text
        assert line.kind in page.getvalue()


def test_a_summary_needs_an_input():
    with pytest.raises(ShapeError, match="summary needs what Sequential takes"):
        network().summary()

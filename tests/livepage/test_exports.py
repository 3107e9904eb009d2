"""A script that is taken along records what the page shows, whatever operations it is of."""

from __future__ import annotations

import numpy as np
import pytest
from tests.livepage.test_numbers import random_graph
from tests.rules.calls import CALLS

import chainrule as cr
from chainrule import nn
from chainrule.livepage.exports import python_of
from chainrule.livepage.subject import Subject, subject_of


def assert_runs(output) -> None:
    """The script of a result, with the numbers that it was recorded at, gives its value and its gradients."""
    subject = subject_of(output)
    text = "".join(
        [x if isinstance(x, str) else repr(np.asarray(subject.leaves[x[1]]).tolist()) for x in python_of(subject)]
    )
    found: dict[str, object] = {"nan": np.nan, "inf": np.inf}
    exec(text, found)
    subject.output.backward()
    held = [x for x in found.values() if isinstance(x, cr.Value | cr.Tensor)]
    top = held[-1]
    np.testing.assert_allclose(top.data, subject.output.data, rtol=1e-12, err_msg=text)
    for step, node in zip(subject.program.steps, subject.live.lifted.nodes, strict=True):
        if step.op is None and step.requires_grad:
            name = python_names(subject)[step]
            ours, theirs = [0.0 if x.grad is None else getattr(x.grad, "data", x.grad) for x in (node, found[name])]
            np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-300, err_msg=text)


def python_names(subject: Subject):
    from chainrule.livepage.passes import identifiers

    return identifiers(subject)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_function_of_arrays(name, capsys):
    random = np.random.default_rng(0)
    for f, shapes in CALLS[name]:
        inputs = [cr.Tensor(random.uniform(0.2, 0.8, shape), dtype=float, requires_grad=True) for shape in shapes]
        out = f(*inputs)
        if isinstance(out, cr.Tensor) and out.requires_grad and out.dtype.kind == "f":
            assert_runs((out * random.uniform(0.5, 1.0, out.shape)).sum())


def test_random_programs(capsys):
    graphs = [graph for seed in range(60) if (graph := random_graph(seed)) is not None]
    assert len(graphs) > 20
    for graph in graphs:
        assert_runs(graph)


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(1, 2, 2, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        (nn.Flatten(), nn.Linear(25, 3, rng=0), nn.LayerNorm(3), nn.GELU()),
    ],
    ids=["convolution", "norm"],
)
def test_layers(layers, capsys):
    assert_runs(
        (nn.Sequential(*layers)(np.random.default_rng(0).normal(size=(2, 1, 5, 5)).astype(np.float32)) ** 2).sum()
    )


def test_a_number_below_0_and_one_that_is_infinite_stay_what_they_are(capsys):
    x = cr.Value(2.0, label="x")
    assert_runs((-2.0) ** x - -1.5)
    y = cr.Tensor([1.0, -3.0], requires_grad=True, label="y", dtype=float)
    assert_runs(cr.clip(y, -2.0, np.inf).sum())

"""All paths through a computation: their number, the largest, their sum; and what real nudges do."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.derivation.dialects import paths
from chainrule.derivation.record import Equation, Heading, Note, Paragraph, Table
from chainrule.derivation.request import Request
from chainrule.derivation.scalars.graph import ScalarGraph
from chainrule.derivation.scalars.paths import count_of_paths, largest_paths, nudged, total_count
from chainrule.derivation.tape.tape import Tape
from latex_oracle.value import value_of

from .spelled import spelled

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text(encoding="utf-8"))


def entries_of(_output, _wrt, place=()):
    return ScalarGraph(Tape(_output, [_wrt]), _wrt, place)


def told(_output, _wrt, place=None, **asked):
    return paths.tell(Tape(_output, [_wrt] if _wrt is not None else []), Request(_wrt, place, **asked))


def tables(story):
    return [block for block in story if isinstance(block, Table)]


def equations(story):
    """Every equation of a story, also those in tables."""
    for block in story:
        if isinstance(block, Equation):
            yield block
        elif isinstance(block, Table):
            yield from (cell for row in block.rows for cell in row if isinstance(cell, Equation))


def walked(entries, k=0):
    """Every way from an entry to the output, one by one."""
    if k == entries.last:
        return [()]
    return [(edge, *rest) for edge in entries.departures[k] for rest in walked(entries, edge.target)]


def product(way):
    return math.prod(edge.slope for edge in way)


steps = st.lists(st.tuples(st.sampled_from("+*-"), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=9)


@settings(derandomize=True, database=None, deadline=None, max_examples=80)
@given(steps, st.integers(1, 7))
def test_counts_and_largest_ways_are_those_of_walking_them_all(program, count):
    leaf = Value(1.3)
    held = [leaf, Value(-0.7)]
    for sign, i, j in program:
        x, y = held[i % len(held)], held[j % len(held)]
        held.append(x + y if sign == "+" else x * y if sign == "*" else x - 0.5 * y)
    out = held[-1] * leaf
    entries = entries_of(out, leaf)
    every = walked(entries)
    assert count_of_paths(entries) == len(every)
    found = largest_paths(entries, count)
    assert len(found) == min(count, len(every))
    sizes = [abs(product(way)) for way in found]
    assert sizes == pytest.approx(sorted([abs(product(way)) for way in every], reverse=True)[:count], rel=1e-12)
    assert len({tuple(way) for way in found}) == len(found)
    assert {tuple(way) for way in found} <= set(every)
    assert math.fsum(map(product, every)) == pytest.approx(entries.gradients[0], rel=1e-12, abs=1e-12)
    leaf.grad = 0.0
    out.backward()
    assert entries.gradients[0] == pytest.approx(leaf.grad, rel=1e-12, abs=1e-12)


def test_more_ways_than_a_number_holds():
    x = Value(1.0)
    out = x
    for _ in range(3000):
        out = (out + out) * 0.5
    entries = entries_of(out, x)
    assert count_of_paths(entries) == pytest.approx(3000 * math.log10(2), rel=1e-12)
    assert entries.gradients[0] == 1.0
    story = told(out, x).story
    sentence = next(
        spelled(block.text) for block in story if isinstance(block, Paragraph) and "contributes" in spelled(block.text)
    )
    assert sentence.startswith("About 10^903 paths lead")
    assert count_of_paths(entries_of((x + x) * (x + x), x)) == 4


def test_counts_add_up_where_they_become_powers():
    assert total_count([10**18, 0]) == 10**18
    assert total_count([10**18, 1]) == pytest.approx(18.0)
    assert total_count([20.0, 20.0]) == pytest.approx(20 + math.log10(2), rel=1e-15)
    assert total_count([20.0, 10**18]) == pytest.approx(math.log10(1.01e20), rel=1e-12)


def test_products_that_no_number_holds_are_still_in_order():
    x = Value(1.0)
    small = large = x
    for _ in range(200):
        small, large = small * 0.001, large * 1000.0
    entries = entries_of(small + large * 0.0, x)
    first, second = largest_paths(entries, 2)
    assert product(first) == pytest.approx(0.0, abs=1e-300)
    assert first[-1].slot == 0
    assert second[-2].slope == 0.0


def test_nan_and_infinity_are_told():
    x = Value(0.0)
    out = cr.log(x) * 2.0 + x
    story = told(out, x).story
    assert any("finite" in spelled(equation.note) for equation in equations(story))
    y = Value(-1.0)
    assert any("finite" in spelled(equation.note) for equation in equations(told(cr.sqrt(y) + y, y).story))


CHAIN = FACTS["3b1b_chain"]


def chain_3b1b():
    """One neuron in each of three layers, sigmoids, and the squared error."""
    numbers = {"w1": 0.7, "w2": -1.2, "w3": 1.5, "b1": 0.1, "b2": 0.4, "b3": -0.3}
    leaves = {name: Value(number) for name, number in numbers.items()}
    a = 0.6
    for layer in "123":
        a = cr.sigmoid(leaves[f"w{layer}"] * a + leaves[f"b{layer}"])
    return leaves, (a - 1.0) ** 2


@pytest.mark.parametrize("name", ["w1", "b1", "w2", "b2", "w3", "b3"])
def test_nudges_of_the_3b1b_chain(name):
    leaves, cost = chain_3b1b()
    facts = CHAIN["nudges"][name]
    entries = entries_of(cost, leaves[name])
    nudge, _ = nudged(entries, 0.01)
    assert nudge.after == pytest.approx(facts["C_new"], rel=1e-12)
    # The change is a difference of two numbers near 0.18, so it keeps 1e-12 of itself at best.
    assert nudge.ratio == pytest.approx(facts["ratio_dC/0.01"], rel=1e-11)
    layer = CHAIN["layers"][name[1]]
    gradient = layer["dC/dw" if name[0] == "w" else "dC/db"]
    assert entries.gradients[0] == pytest.approx(gradient, rel=1e-12)
    assert nudge.linear == pytest.approx(0.01 * gradient, rel=1e-12)
    assert nudge.remainder == pytest.approx(facts["C_new"] - CHAIN["C"] - 0.01 * gradient, rel=1e-6)
    shown = tables(told(cost, leaves[name]).story)[0].rows[0]
    ratio = shown[2]
    assert float(ratio.parts[-1]) == pytest.approx(facts["ratio_dC/0.01"], rel=1e-5)


def simple_net():
    x, w1, w2, y = Value(2.0), Value(2.0), Value(0.5), Value(20.0)
    h = x * w1
    h.label = "h"
    yhat = h * w2
    yhat.label = "yhat"
    return w1, w2, 0.5 * (yhat - y) ** 2


def test_a_nudge_of_the_simple_net():
    _, w2, cost = simple_net()
    facts = FACTS["simple_net"]["nudge_of_w2"]
    nudge, moved = nudged(entries_of(cost, w2), 0.1)
    assert nudge.linear == pytest.approx(facts["predicted"], rel=1e-12)
    assert nudge.change == pytest.approx(facts["actual"], rel=1e-12)
    assert moved[cost] == nudge.after
    assert cost.data == 162.0
    assert w2.data == 0.5
    story = told(cost, w2, nudge=0.1).story
    first = tables(story)[0].rows[0]
    assert [cell.parts[-1] for cell in first] == ["0.1", "-7.12", "-71.2", "-7.2", "0.08"]
    assert any("a hundred times smaller" in spelled(block.text) for block in story if isinstance(block, Paragraph))


def test_the_nudge_travels_link_by_link():
    w1, _, cost = simple_net()
    _, travel, _ = tables(told(cost, w1).story)
    assert [cell.parts[-1] for row in travel.rows for cell in row[1:]] == ["2", "2", "0.5", "0.5", "-17.995", "-18"]


def test_words_for_lines_kinks_and_flat_places():
    x = Value(2.0)
    linear = told(3.0 * x + 1.0, x).story
    assert any("in exact proportion" in spelled(block.text) for block in linear if isinstance(block, Paragraph | Note))
    kinked = Value(0.0)
    story = told(cr.abs(kinked), kinked).story
    assert any("a kink lies here" in spelled(block.text) for block in story if isinstance(block, Note))
    dead = Value(-1.0)
    flat = told(cr.relu(dead) * 2.0, dead).story
    assert any("does not move at all" in spelled(block.text) for block in flat if isinstance(block, Paragraph))


def test_a_nudge_asks_conditions_again():
    x = Tensor(0.005, requires_grad=True, label="x")
    f = cr.where(x > 0, x**2, 3 * x)
    nudge, moved = nudged(ScalarGraph(Tape(f, [x]), x), -0.01)
    assert nudge.after == moved[f] == pytest.approx(-0.015, rel=1e-12)


def test_the_ways_and_the_rest_add_up_to_the_gradient():
    w = Tensor(np.linspace(-1.0, 1.0, 6).reshape(2, 3), requires_grad=True)
    out = cr.sum(cr.square(cr.softmax(cr.tanh(w @ w.T) @ w)))
    answer = told(out, w, (1, 2), top=4)
    *_, largest, total = answer.story
    assert len(largest.rows) == 4
    entries = entries_of(out, w, (1, 2))
    number = count_of_paths(entries)
    assert answer.counts == {"entries": len(entries), "paths": number}
    assert spelled(total.note) == f"the last term is what the other paths contribute, {number:,} less 4"
    shown = [value_of(row[2].parts[-1]) for row in largest.rows]
    assert value_of(total.parts[-1]) == pytest.approx(entries.gradients[0], rel=1e-5)
    rest = entries.gradients[0] - math.fsum(shown)
    other = math.fsum([product(way) for way in walked(entries)]) - math.fsum(shown)
    assert rest == pytest.approx(other, rel=1e-9, abs=1e-9)
    sizes = list(map(abs, shown))
    assert sizes == sorted(sizes, reverse=True)


def test_every_printed_way_names_its_entries_and_multiplies_out():
    a, b = Value(-2.0), Value(3.0)
    d = a * b
    s = a + b
    f = d * s
    assert f.data == -6.0
    story = told(f, a).story
    paths = tables(story)[-1]
    assert [spelled(row[1]) for row in paths.rows] == ["a → s → f", "a → d → f"]
    assert [spelled(row[2].sides[0]) for row in paths.rows] == ["d", "s · b"]
    assert [row[2].parts[-1] for row in paths.rows] == ["-6", "3"]
    assert story[-1].parts[-1] == "-3"
    for equation in equations(story):
        for part in equation.parts[-equation.numbers :]:
            assert value_of(part) == pytest.approx(value_of(equation.parts[-1]), rel=1e-4, abs=1e-9)


def test_a_very_long_way_is_shown_by_its_ends():
    x = Value(0.5)
    out = x
    for _ in range(2000):
        out = cr.sin(out * 1.001)
    story = told(out, x).story
    (row,) = tables(story)[-1].rows
    assert spelled(row[1]).count("→") == 12
    assert spelled(row[2].note) == "the factor in the middle is the product of 3,988"
    x.grad = 0.0
    out.backward()
    assert value_of(story[-1].parts[-1]) == pytest.approx(x.grad, rel=1e-5)


def test_of_an_array_the_largest_entry_and_of_everything_the_leaves():
    w = Tensor([1.0, -3.0, 2.0], requires_grad=True)
    note = told(cr.sum(w**2), w).story[0]
    assert re.search(r"has 3 entries.*w\[1\]", spelled(note.text))
    x, y = Value(1.0), Value(2.0)
    headings = [
        spelled(block.text) for block in told(x * y, None).story if isinstance(block, Heading) and block.level == 2
    ]
    assert headings == ["In x", "In y"]
    many = [Value(float(i)) for i in range(9)]
    story = told(cr.sum([v * v for v in many]), None, top=2).story
    assert "the 2 with the largest gradients of 9" in story[0].text
    headings = [spelled(block.text) for block in story if isinstance(block, Heading) and block.level == 2]
    assert headings == ["In many[8]", "In many[7]"]


def test_nothing_made_from_it():
    w = Tensor([1.0, 2.0], requires_grad=True)
    (note,) = told(cr.sum(w[1:] ** 2), w, (0,)).story
    assert "does not move with w[0]" in spelled(note.text)


@pytest.mark.parametrize("seed", range(4))
def test_only_what_pooling_takes_has_a_path_whatever_it_is(seed):
    """Not the entries that other numbers would take; and of a convolution and a loss also what moves nothing here."""
    numbers = np.random.default_rng(seed).permutation(np.arange(16.0)).reshape(1, 1, 4, 4)
    x = cr.Tensor(numbers, requires_grad=True, label="x")
    output = cr.sum(cr.max_pool2d(x, 2) ** 2)
    largest = numbers.reshape(2, 2, 2, 2).max(axis=(1, 3))
    for place in np.ndindex(4, 4):
        counts = cr.explain(output, x[(0, 0, *place)], "paths").counts
        assert ("paths" in counts) == (numbers[(0, 0, *place)] in largest)
    hit = cr.Tensor([0.0, 1.0], requires_grad=True, label="z")
    assert cr.explain(cr.squared_error(hit, np.array([0.0, 0.5]), scale=0.5), hit[0], "paths").counts["paths"] >= 1

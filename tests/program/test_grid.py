"""Local derivatives of single entries, in letters: those of every rule that is not pointwise, against its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import Operation, Pointwise, book
from chainrule.core.state import Quiet
from chainrule.core.term import Term, forward_order, replay, symbol
from chainrule.maths import plain
from chainrule.maths.of_terms import tree_of_term
from chainrule.program.grid import derivatives_of_entry, grid_of

RULES = sorted(
    name for name, rule in book.items() if not isinstance(rule, Pointwise) and rule.__module__.startswith("chainrule.")
)


def given_to(operation: Operation) -> list[Any]:
    draw = np.random.default_rng(0)
    numbers = [draw.uniform(0.5, 1.5, shape) for shape in operation.shapes]
    return [prepare(x) if prepare else x for x, prepare in zip(numbers, operation.prepare, strict=True)]


def letters(name: str, numbers: Any) -> Any:
    return grid_of(numbers, lambda place: symbol(f"{name}{list(place)}")) if numbers.dtype.kind == "f" else numbers


def cases(name: str) -> Iterator[tuple[Operation, dict[str, Any], list[Any], Any, int]]:
    operation = book[name]
    for example in operation.examples:
        settings, inputs = operation.complete(example), given_to(operation)
        out = np.asarray(operation.compute(inputs, settings))
        if out.dtype.kind == "f":
            for slot in range(len(inputs)):
                if operation.differentiable(slot):
                    yield operation, settings, inputs, out, slot


@pytest.mark.parametrize("name", RULES)
def test_an_entry_of_every_rule_moves_in_letters_as_it_does_in_numbers(name: str) -> None:
    for operation, settings, inputs, out, slot in cases(name):
        grids = [letters(f"x{i}", x) for i, x in enumerate(inputs)]
        known = {f"x{i}{list(at)}": x[at] for i, x in enumerate(inputs) for at in np.ndindex(*x.shape)}
        known |= {f"y{list(at)}": out[at] for at in np.ndindex(*out.shape)}
        place = tuple(n // 2 for n in out.shape)
        cotangent = np.zeros(out.shape)
        cotangent[place] = 1.0
        with Quiet():
            right = np.asarray(operation.pull(slot, cotangent, out, inputs, settings))
            found = derivatives_of_entry(operation, slot, place, letters("y", out), grids, settings)
            numbers, terms = np.zeros(right.shape), np.zeros(right.shape)
            for at, cell in found.items():
                symbols = [x for x in forward_order([cell.term]) if x.op is None and x.number is None]
                numbers[at] = terms[at] = cell.number
                if isinstance(cell.term, Term) and all(x.label in known for x in symbols):
                    terms[at] = replay([cell.term], {x: float(known[x.label]) for x in symbols})[0]
        np.testing.assert_allclose(numbers, right, rtol=1e-9, atol=1e-12, err_msg=f"{name} {settings}")
        np.testing.assert_allclose(terms, right, rtol=1e-9, atol=1e-12, err_msg=f"{name} {settings}")


@pytest.mark.parametrize(
    ("name", "place", "inputs", "expected"),
    [
        ("softmax", (0,), [[0.0, 1.0]], ["(1 - y0)*y0", "-y0*y1"]),
        ("log_softmax", (1,), [[0.0, 1.0]], ["-exp(y0)", "1 - exp(y1)"]),
        ("matmul", (0, 0), [[[1.0, 2.0]], [[3.0], [4.0]]], ["b00", "b10"]),
        ("largest", (), [[1.0, 5.0, 2.0]], ["1.0"]),
    ],
)
def test_a_person_would_write_it_so(name: str, place: Any, inputs: list[Any], expected: list[str]) -> None:
    operation = book[name]
    arrays = [np.array(x) for x in inputs]
    settings = operation.complete({})
    out = np.asarray(operation.compute(arrays, settings))

    def named(letter: str, numbers: Any) -> Any:
        return grid_of(numbers, lambda at: symbol(letter + "".join(map(str, at))))

    grids = [named(letter, x) for letter, x in zip("ab", arrays, strict=False)]
    found = derivatives_of_entry(operation, 0, place, named("y", out), grids, settings)
    assert [
        plain(tree_of_term(x.term)) if isinstance(x.term, Term) else str(x.term) for x in found.values()
    ] == expected


def test_a_rule_of_the_users_own_needs_nothing_more() -> None:
    @cr.differential(r"{x} \, {x}", differential=(lambda dx, out, x: dx @ x + x @ dx,), shapes=((2, 2),))
    def twice_by_itself(x):
        """A matrix times itself moves with both factors."""
        return np.matmul(x, x)

    try:
        x = grid_of(np.array([[1.0, 2.0], [3.0, 4.0]]), lambda at: symbol("abcd"[2 * at[0] + at[1]]))
        out = grid_of(x.numbers @ x.numbers, lambda at: symbol(f"y{list(at)}"))
        found = derivatives_of_entry(book["twice_by_itself"], 0, (0, 0), out, [x], {})
        assert {at: cell.number for at, cell in found.items()} == {(0, 0): 2.0, (0, 1): 3.0, (1, 0): 2.0}
    finally:
        del book["twice_by_itself"]

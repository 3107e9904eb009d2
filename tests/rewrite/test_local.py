"""Local derivatives in letters, of every rule that is not pointwise: of single entries, whole, and as Jacobians."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import Linear, Operation, Pointwise, book
from chainrule.core.state import Quiet
from chainrule.core.term import Term, constant, replay, symbol
from chainrule.errors import UNFIT, GraphError
from chainrule.maths import Symbol, plain
from chainrule.maths.of_terms import tree_of_term
from chainrule.maths.values import value
from chainrule.rewrite.entry_formulas import EntryFormulas, one_hot
from chainrule.rewrite.local import handed_back, jacobian, of_entry

RULES = sorted(
    name for name, rule in book.items() if not isinstance(rule, Pointwise) and rule.__module__.startswith("chainrule.")
)
WITHOUT = {
    *("cholesky", "cofactors", "cross_entropy", "det", "eigenvectors", "eigvalsh", "left_vectors", "logabsdet"),
    *("logsumexp", "orthogonal_factor", "right_vectors", "self_attention", "solve", "svdvals", "triangular_factor"),
    *("add_along_axis", "prod", "take_along_axis"),
}
"""Rules of which some entry has no formula of its own: what they call on the way is read of whole arrays alone."""


class Case(NamedTuple):
    operation: Operation
    settings: dict[str, Any]
    inputs: list[Any]
    letters: list[Any]
    """A symbol in place of each input that has a derivative."""
    out: Any
    slot: int

    @property
    def result(self) -> Term:
        return symbol("y", self.out.shape)

    @property
    def numbers(self) -> dict[Term, Any]:
        held = {x: y for x, y in zip(self.letters, self.inputs, strict=True) if isinstance(x, Term)}
        return {**held, self.result: self.out}

    def row(self, place: tuple[int, ...]) -> Any:
        cotangent = one_hot(self.out.shape, place)
        return np.asarray(self.operation.pull(self.slot, cotangent, self.out, self.inputs, self.settings))


def cases(name: str) -> Iterator[Case]:
    operation = book[name]
    for example in operation.examples:
        settings, draw = operation.complete(example), np.random.default_rng(0)
        numbers = [draw.uniform(0.5, 1.5, shape) for shape in operation.shapes]
        inputs = [prepare(x) if prepare else x for x, prepare in zip(numbers, operation.prepare, strict=True)]
        moving = [i not in operation.flat and x.dtype.kind == "f" for i, x in enumerate(inputs)]
        letters = [
            symbol(f"x{i}", x.shape) if yes else x for i, (x, yes) in enumerate(zip(inputs, moving, strict=True))
        ]
        out = np.asarray(operation.compute(inputs, settings))
        if out.dtype.kind == "f":
            yield from [Case(operation, settings, inputs, letters, out, i) for i, yes in enumerate(moving) if yes]


@pytest.mark.parametrize("name", RULES)
def test_an_entry_of_every_rule_moves_in_letters_as_it_does_in_numbers(name: str) -> None:
    for case in cases(name):
        known: dict[Term, float] = {}

        def letter(x: Term, place: Any, known: Any = known, numbers: Any = case.numbers) -> Term:
            found = symbol(f"{x.label}{list(place)}")
            known[found] = float(numbers[x][place])
            return found

        op, settings, _, letters, out, slot = case
        entries = EntryFormulas(letter, case.numbers)
        place = tuple(n // 2 for n in out.shape)
        with Quiet():
            right = case.row(place)
            for here in np.ndindex(*right.shape):
                try:
                    found = of_entry(op, slot, place, here, case.result, letters, settings, entries)
                except UNFIT:
                    assert name in WITHOUT, (name, settings)
                    break
                ours = replay([found], known)[0]
                np.testing.assert_allclose(ours, right[here], rtol=1e-9, atol=1e-12, err_msg=f"{name} {settings}")


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_hands_back_in_letters_is_what_it_hands_back_in_numbers(name: str) -> None:
    for case in cases(name):
        op, settings, inputs, letters, out, slot = case
        g, arrives = symbol("g", out.shape), np.random.default_rng(1).normal(size=out.shape)
        with Quiet():
            right = np.asarray(op.pull(slot, arrives, out, inputs, settings))
            found = handed_back(op, slot, g, case.result, letters, settings)
            ours = np.asarray(replay([found], {**case.numbers, g: arrives})[0])
        np.testing.assert_allclose(ours, right, rtol=1e-8, atol=1e-10, err_msg=f"{name} {settings}")


@pytest.mark.parametrize("name", RULES)
def test_a_jacobian_in_letters_is_that_of_the_numbers(name: str) -> None:
    for case in cases(name):
        op, settings, inputs, letters, out, slot = case
        trees = [Symbol(x.label, shape=x.shape) if isinstance(x, Term) else x for x in letters]
        tree = jacobian(op, slot, Symbol("y", shape=out.shape), trees, [np.shape(x) for x in inputs], settings)
        if tree is None:
            continue
        right = np.array([np.ravel(case.row(place)) for place in np.ndindex(*out.shape)])
        known = {x: y for x, y in zip(trees, inputs, strict=True) if isinstance(x, Symbol)}
        ours = np.asarray(value(tree, {**known, Symbol("y", shape=out.shape): out}), float)
        np.testing.assert_allclose(ours.reshape(right.shape), right, rtol=1e-9, atol=1e-12, err_msg=plain(tree))


POINTWISE = sorted(
    name
    for name, rule in book.items()
    if isinstance(rule, Pointwise) and not rule.variadic and rule.__module__.startswith("chainrule.")
)


@pytest.mark.parametrize("name", POINTWISE)
def test_the_jacobian_of_a_function_of_every_entry_is_a_diagonal(name: str) -> None:
    operation, draw = book[name], np.random.default_rng(0)
    low, high = operation.domain
    for example in operation.examples:
        settings = operation.complete(example)
        numbers = [low + (high - low) * draw.uniform(0.1, 0.9, 3) for _ in operation.inputs]
        trees = [Symbol(f"x{i}", shape=(3,)) for i in range(len(numbers))]
        out = np.asarray(operation.compute(numbers, settings), dtype=float)
        for slot in [i for i in range(len(numbers)) if operation.differentiable(i)]:
            tree = jacobian(operation, slot, Symbol("y", shape=(3,)), trees, [(3,)] * len(trees), settings)
            with Quiet():
                right = np.diag(np.broadcast_to(np.asarray(operation.partial(slot, out, numbers, settings), float), 3))
            if tree is not None:
                known = {**dict(zip(trees, numbers, strict=True)), Symbol("y", shape=(3,)): out}
                np.testing.assert_allclose(value(tree, known), right, rtol=1e-9, atol=1e-12, err_msg=plain(tree))


@pytest.mark.parametrize(
    ("name", "slot", "shapes", "settings", "expected"),
    [
        ("matmul", 0, [(2, 3), (3, 4)], {}, "kron(eye(2), b.T)"),
        ("matmul", 1, [(2, 3), (3, 4)], {}, "kron(a, eye(4))"),
        ("matmul", 1, [(2, 3), (3, 1)], {}, "a"),
        ("outer", 0, [(2,), (3,)], {}, "kron(eye(2), reshape(b, shape=(3, 1)))"),
        ("outer", 1, [(2,), (3,)], {}, "kron(reshape(a, shape=(2, 1)), eye(3))"),
        ("affine", 1, [(1, 3), (2, 3), (2,)], {}, "kron(eye(2), a)"),
        ("affine", 0, [(4, 3), (2, 3), (2,)], {}, "kron(eye(4), b)"),
        ("inv", 0, [(3, 3)], {}, "-kron(y, y.T)"),
        ("einsum", 1, [(2, 3), (3, 4)], {"subscripts": "ij,jk->ik"}, "kron(a, eye(4))"),
        ("einsum", 0, [(2, 3), (4, 3)], {"subscripts": "ij,kj->ik"}, "kron(eye(2), b)"),
        ("einsum", 1, [(3,), (3, 2)], {"subscripts": "j,jk->k"}, "kron(reshape(a, shape=(1, 3)), eye(2))"),
        ("softmax", 0, [(3,)], {"axis": -1}, None),
        ("tanh", 0, [(3,)], {}, "diag(1 - y**2)"),
        ("mul", 0, [(3,), (3,)], {}, "diag(b)"),
        ("sub", 1, [(3,), (3,)], {}, "-eye(3)"),
    ],
)
def test_jacobians_as_a_book_has_them(name: str, slot: int, shapes: Any, settings: Any, expected: Any) -> None:
    operation = book[name]
    trees = [Symbol(letter, shape=shape) for letter, shape in zip("abc", shapes, strict=False)]
    out = operation.shape_of_result(shapes, operation.complete(settings)) if name != "inv" else shapes[0]
    tree = jacobian(operation, slot, Symbol("y", shape=out), trees, shapes, operation.complete(settings))
    assert (None if tree is None else plain(tree)) == expected


@pytest.mark.parametrize(
    ("name", "there", "heres", "shapes", "expected"),
    [
        ("softmax", (0,), [(0,), (1,)], [(2,)], ["(1 - y0)*y0", "-y0*y1"]),
        ("log_softmax", (1,), [(0,), (1,)], [(2,)], ["-exp(y0)", "1 - exp(y1)"]),
        ("matmul", (0, 0), [(0, 0), (0, 1)], [(1, 2), (2, 1)], ["b00", "b10"]),
    ],
)
def test_a_person_would_write_it_so(name: str, there: Any, heres: Any, shapes: Any, expected: list[str]) -> None:
    operation = book[name]
    settings = operation.complete({})
    letters = [symbol(letter, shape) for letter, shape in zip("ab", shapes, strict=False)]
    numbers = {x: np.linspace(0.5, 1.0, x.size).reshape(x.shape) for x in letters}
    out = np.asarray(operation.compute(list(numbers.values()), settings))
    y = symbol("y", out.shape)
    entries = EntryFormulas(lambda x, at: symbol(x.label + "".join(map(str, at))), {**numbers, y: out})
    found = [of_entry(operation, 0, there, here, y, letters, settings, entries) for here in heres]
    assert [plain(tree_of_term(x)) for x in found] == expected


def test_an_entry_of_a_product_of_three_is_a_sum_of_products() -> None:
    a, b, c = symbol("a", (2, 2)), symbol("b", (2, 2)), symbol("c", (2,))
    numbers = {a: np.zeros((2, 2)), b: np.ones((2, 2)), c: np.ones(2)}
    entries = EntryFormulas(lambda x, at: symbol(x.label + "".join(map(str, at))), numbers)
    found = of_entry(book["einsum"], 2, (0,), (1,), symbol("y", (2,)), [a, b, c], {"subscripts": "ij,jk,k->i"}, entries)
    assert plain(tree_of_term(found)) == "a00*b01 + a01*b11"


def test_a_rule_of_the_users_own_needs_nothing_more() -> None:
    @cr.differential(r"{x} \, {x}", differential=(lambda dx, out, x: dx @ x + x @ dx,), shapes=((2, 2),))
    def twice_by_itself(x):
        """A matrix times itself moves with both factors."""
        return np.matmul(x, x)

    try:
        x, y = symbol("x", (2, 2)), symbol("y", (2, 2))
        entries = EntryFormulas(lambda x, at: symbol(x.label + "".join(map(str, at))), {x: np.eye(2), y: np.eye(2)})
        found = {at: of_entry(book["twice_by_itself"], 0, (0, 0), at, y, [x], {}, entries) for at in np.ndindex(2, 2)}
        assert {at: plain(tree_of_term(term)) for at, term in found.items()} == {
            (0, 0): "x00 + x00",
            (0, 1): "x10",
            (1, 0): "x01",
            (1, 1): "0",
        }
    finally:
        del book["twice_by_itself"]


def test_an_entry_that_is_made_of_too_many_is_refused_and_the_next_one_told() -> None:
    a = symbol("a", (60, 60))
    entries = EntryFormulas(lambda x, at: symbol(f"{x.label}{at}"), {a: np.ones((60, 60))})
    with pytest.raises(GraphError, match="more than 2,000 others"):
        entries.at(book["sum"](a), ())
    assert entries.at(a.T, (1, 2)) is symbol("a(2, 1)")


def test_what_reads_its_own_input_is_not_taken_for_linear_in_it() -> None:
    square = book["cofactors"]
    assert isinstance(square, Linear)
    x, h = symbol("x", (3, 3)), symbol("h", (3, 3))
    entries = EntryFormulas(lambda x, at: symbol(x.label), {x: np.eye(3), h: np.eye(3)})
    with pytest.raises(GraphError, match="no formula of its own"):
        entries.at(square(x, constant(np.eye(3))), (0, 0))

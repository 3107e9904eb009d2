"""Every number of an explanation is worked out again from its text alone, by Python's own parser."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.explain import NEAREST, explain
from chainrule.derivation.record import Derivation, Equation, Steps, Table
from chainrule.errors import GraphError
from chainrule.expression.maths.as_ascii import ascii_of

SIGNS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
}
CALLS = {
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0.0),
    "sum": np.sum,
    "norm": lambda x: np.sqrt(np.sum(np.square(x))),
}


DIGITS = 6
"""Those of printed results, where nothing else is asked."""


def work_out(text: str) -> Any:
    """The number or matrix that a line of plain text comes to, read by Python's own parser."""

    def value(node: Any) -> Any:
        if isinstance(node, ast.Constant):
            return float(node.value)
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand) if isinstance(node.op, ast.USub) else value(node.operand)
        if isinstance(node, ast.BinOp):
            return SIGNS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Compare):
            return float(SIGNS[type(node.ops[0])](value(node.left), value(node.comparators[0])))
        if isinstance(node, ast.List):
            return np.array([value(entry) for entry in node.elts], dtype=float)
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return np.transpose(value(node.value))
        if isinstance(node, ast.Call):
            return CALLS[node.func.id](*map(value, node.args))  # type: ignore[attr-defined]
        raise AssertionError(f"{text!r} has {ast.dump(node)}")

    return value(ast.parse(text, mode="eval").body)


def equations(told: Derivation) -> Iterator[Equation]:
    """Every equation of a story."""
    for block in told.story:
        if isinstance(block, Equation):
            yield block
        elif isinstance(block, Steps):
            yield from (line for line in block.lines if isinstance(line, Equation))
        elif isinstance(block, Table):
            yield from (cell for row in block.rows for cell in row if isinstance(cell, Equation))


def check(told: Derivation) -> int:
    """Work out each numeric side; all must give the last one, within one in its last place."""
    count = 0
    for equation in equations(told):
        if equation.numbers < 2 or any(sign != "=" for sign in equation.signs):
            continue
        *sides, result = [ascii_of(part) for part in equation.parts[-equation.numbers :]]
        shown = np.squeeze(np.asarray(work_out(result), dtype=float))
        if not np.isfinite(shown).all():
            continue
        size = np.floor(np.log10(np.where(shown == 0, 1.0, np.abs(shown))))
        place = 10.0 ** (size - DIGITS + 1)
        for side in sides:
            found = np.squeeze(np.asarray(work_out(side), dtype=float))
            assert np.all(np.abs(found - shown) <= place * 1.001), (equation.latex, found, shown)
            count += 1
    return count


def check_text(text: str) -> int:
    """Find every chain of equal things in a plain text; all of its sides that are numbers must be the same number."""
    count = 0
    for cell in re.split(r"\n|\s{2,}", text):
        sides = [work_out_if_numbers(side) for side in cell.split(" = ")]
        numbers = [np.squeeze(side) for side in sides if side is not None and np.isfinite(side).all()]
        for found in numbers[:-1]:
            shown = numbers[-1]
            size = np.floor(np.log10(np.where(shown == 0, 1.0, np.abs(shown))))
            assert np.all(np.abs(found - shown) <= 10.0 ** (size - DIGITS + 1) * 1.001), cell
            count += 1
    return count


def work_out_if_numbers(side: str) -> Any:
    """What a side of an equation comes to; None where it is made of letters."""
    try:
        return np.asarray(work_out(side), dtype=float)
    except (AssertionError, SyntaxError, AttributeError, KeyError, TypeError, ValueError):
        return None


def in_every_dialect(output: Any, wrt: Any) -> int:
    """How many printed equations were worked out again, as they are recorded and as they stand in the text."""
    count = 0
    for dialect in NEAREST:
        told = if_it_applies(output, wrt, dialect)
        if told is not None:
            recorded = check(told)
            assert check_text(told.plain(detail="full")) >= recorded, (
                f"the text of {dialect} shows less than was recorded"
            )
            count += recorded
    return count


def if_it_applies(output: Any, wrt: Any, dialect: str) -> Derivation | None:
    """An explanation, or None where the dialect does not apply."""
    try:
        return explain(output, wrt, dialect)
    except GraphError as error:
        if "does not apply" not in str(error):
            raise
        return None


@pytest.mark.parametrize("seed", range(4))
def test_random_nets_of_values(seed):
    rng = np.random.default_rng(seed)
    net = cr.micrograd.nn.MLP(2, [2, 1])
    for p in net.parameters():
        p.data = float(np.round(rng.normal(), 3))
    x = [cr.Value(float(v)) for v in np.round(rng.normal(size=2), 2)]
    w = net.parameters()[seed]
    yhat = net(x).tanh()
    loss = 0.5 * (yhat - 0.3) ** 2
    assert in_every_dialect(loss, w) > 10


@pytest.mark.parametrize("seed", range(4))
def test_random_nets_of_tensors(seed):
    rng = np.random.default_rng(seed)
    kind = [cr.nn.Tanh, cr.nn.Sigmoid, cr.nn.ReLU][seed % 3]
    net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=seed), kind(), cr.nn.Linear(3, 2, rng=seed + 9), cr.nn.Sigmoid())
    batch = 1 + seed
    loss = cr.nn.MSELoss(["half_sum", "sum", "mean"][seed % 3])(
        net(rng.normal(size=(batch, 2))), rng.uniform(size=(batch, 2))
    )
    assert in_every_dialect(loss, net[0].weight[1, 0]) > 5
    assert in_every_dialect(loss, net[2].weight) > 5


def test_a_wrong_number_would_be_found():
    a = cr.Value(3.0, label="a")
    told = explain(a * 2.0 + a * a, a, "graph")
    assert check(told) > 3
    broken = Equation(("y", r"2 \cdot 3", "6.001"), numbers=2)
    object.__setattr__(told, "story", (broken,))
    with pytest.raises(AssertionError):
        check(told)
    text = told.plain(detail="full")
    assert check_text(text.replace("6.001", "6")) > 0
    with pytest.raises(AssertionError):
        check_text(text)

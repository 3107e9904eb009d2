"""A derivation made by hand, with every kind of block in it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from chainrule.derivation.equations import in_a_row
from chainrule.derivation.record import (
    Accumulation,
    Arrow,
    Convention,
    Derivation,
    Equation,
    Heading,
    Known,
    Large,
    Meaning,
    Node,
    Note,
    Paragraph,
    Steps,
    Table,
)
from chainrule.derivation.words import said
from chainrule.maths import Derivative as Slope
from chainrule.maths import Symbol, Unknown, numeral
from chainrule.maths.tree import applied, equation, matrix

number = numeral


L, YHAT, Y, H, X = Symbol("L"), Symbol("y", mark="hat"), Symbol("y"), Symbol("h"), Symbol("x")
W1, W2 = Symbol("w", ("1",)), Symbol("w", ("2",))


def made_by_hand() -> Derivation:
    """Every block, with mathematics in all of them."""
    links = in_a_row("mul", [Slope(x, y) for x, y in pairwise((L, YHAT, H, W1))])
    chain = Equation(
        (Slope(L, W1), links, (YHAT - Y) * W2 * X, number(-18) * number(0.5) * number(2), number(-18)), numbers=2
    )
    weights, errors = Symbol("W", layer="2", shape=(2, 2)), Symbol("δ", layer="2", shape=(2, 1))
    z = Symbol("z", layer="1", shape=(2, 1))
    product = Equation(
        (
            Symbol("δ", layer="1", shape=(2, 1)),
            (weights.T @ errors) * Unknown(Symbol("σ", primes=1), (z,), (2, 1)),
            matrix([[0.5, -1], [2, 1.5e-5]], numeral) @ matrix([[2], [4]], numeral),
            matrix([[-3], [4.00006]], numeral),
        ),
        numbers=2,
        note=said("all of ", Symbol("σ", primes=1), " is 1 here"),
    )
    positive = applied("greater", Symbol("z"), 0)
    story = (
        Paragraph(said("The loss moves with ", W1, " through ", H, " and ", YHAT, "; a coffee costs $2 & 50%.")),
        chain,
        Heading("In vectors"),
        product,
        Note(said("the kink of relu at ", equation(Symbol("z"), 0), " counts as flat"), "warning"),
        Table(
            ("link", "value"),
            (
                (said(Slope(L, YHAT)), Equation((YHAT - Y, number(2) - number(20), number(-18)), numbers=2)),
                (said("a | bar, ", applied("abs", X)), Equation((positive, number(1)), note="awake")),
            ),
            "The links of the chain",
        ),
        Steps(("forward", Equation((W1, number(2) + number(0.01) * number(18), number(2.18)), numbers=2)), "One step"),
        Note(said("overwriting gives ", number(-6)), "wrong"),
    )
    leaf = Node(0, W1, "", None, (), 2.0, -18.0)
    out = Node(
        1,
        L,
        "squared_error",
        applied("squared_error", YHAT, Y, scale=0.5),
        (),
        162.0,
        1.0,
        (Arrow(0, (YHAT - Y) * W2 * X, -18.0, -18.0),),
    )
    big = Node(2, Symbol("W", shape=(30, 784)), "", None, (30, 784), Large((30, 784), -1.5, 2.0, 7, float("inf")), None)
    return Derivation(
        dialect="chain",
        title=said(Slope(L, W1), " as a chain"),
        output=1,
        wrt=(0,),
        entry=None,
        value=162.0,
        gradient=((1.0, float("nan")), (float("-inf"), 0.1)),
        notation="course",
        digits=6,
        conventions=(Convention("cost", said(number(0.5), " of the sum of squares")),),
        symbols=(
            Meaning(YHAT, "what the network says", (), (("nielsen", Symbol("a", layer="L")),)),
            Meaning(Symbol("W", layer="1"), "the weights of a layer", (30, 784)),
        ),
        counts={"nodes": 3, "paths": 1},
        nodes=(leaf, out, big),
        log=(Accumulation(1, 0, 1, -18.0, -18.0),),
        story=story,
        known=(Known(W1, 2.0), Known(Slope(L, W1), -18.0)),
    )


@pytest.fixture
def derivation() -> Derivation:
    return made_by_hand()


@pytest.fixture
def make():
    return made_by_hand

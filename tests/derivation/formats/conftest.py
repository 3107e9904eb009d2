"""A derivation made by hand, with every kind of block in it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from chainrule.derivation.record import (
    Accumulation,
    Arrow,
    Convention,
    Derivation,
    Equation,
    Heading,
    Large,
    Meaning,
    Node,
    Note,
    Paragraph,
    Steps,
    Table,
)


def made_by_hand() -> Derivation:
    names = ("L", r"\hat{y}", "h", "w_{1}")
    links = r" \cdot ".join([rf"\frac{{\partial {x}}}{{\partial {y}}}" for x, y in pairwise(names)])
    chain = Equation(
        (
            r"\frac{\partial L}{\partial w_{1}}",
            links,
            r"\left(\hat{y} - y\right) \cdot w_{2} \cdot x",
            r"\left(-18\right) \cdot 0.5 \cdot 2",
            "-18",
        ),
        numbers=2,
    )
    product = Equation(
        (
            r"\delta^{{1}}",
            r"\left(W^{{2}}\right)^{\top} \, \delta^{{2}} \odot \sigma'\left(z^{{1}}\right)",
            r"\begin{pmatrix} 0.5 & -1 \\ 2 & 1.5 \cdot 10^{-5} \end{pmatrix} \, \begin{pmatrix} 2 \\ 4 \end{pmatrix}",
            r"\begin{pmatrix} -3 \\ 4.00006 \end{pmatrix}",
        ),
        numbers=2,
        note="all of $\\sigma'$ is 1 here",
    )
    story = (
        Paragraph(r"The loss moves with $w_{1}$ through $h$ and $\hat{y}$; a coffee costs \$2 & 50%."),
        chain,
        Heading("In vectors"),
        product,
        Note("the kink of $\\operatorname{relu}$ at $z = 0$ counts as flat", "warning"),
        Table(
            ("link", "value"),
            (
                (r"$\frac{\partial L}{\partial \hat{y}}$", Equation((r"\hat{y} - y", r"2 - 20", "-18"), numbers=2)),
                ("a | bar, $\\left|x\\right|$", Equation((r"\left[z > 0\right]", "1"), note="awake")),
            ),
            "The links of the chain",
        ),
        Steps(("forward", Equation(("w_{1}", r"2 + 0.01 \cdot 18", "2.18"), numbers=2)), "One step"),
        Note("overwriting gives $-6$", "wrong"),
    )
    leaf = Node(0, "w_{1}", "", "", (), 2.0, -18.0)
    out = Node(
        1,
        "L",
        "squared_error",
        r"\frac{1}{2} \left\lVert \hat{y} - y \right\rVert^{2}",
        (),
        162.0,
        1.0,
        (Arrow(0, r"\left(\hat{y} - y\right) \cdot w_{2} \cdot x", -18.0, -18.0),),
    )
    big = Node(2, "W", "", "", (30, 784), Large((30, 784), -1.5, 2.0, 7, float("inf")), None)
    return Derivation(
        dialect="chain",
        title=r"$\frac{\partial L}{\partial w_{1}}$ as a chain",
        output=1,
        wrt=(0,),
        entry=None,
        value=162.0,
        gradient=((1.0, float("nan")), (float("-inf"), 0.1)),
        notation="course",
        digits=6,
        conventions=(Convention("cost", r"$\frac{1}{2}$ of the sum of squares"),),
        symbols=(
            Meaning(r"\hat{y}", "what the network says", (), (("nielsen", "a^{{L}}"),)),
            Meaning("W^{{1}}", "the weights of a layer", (30, 784)),
        ),
        counts={"nodes": 3, "paths": 1},
        nodes=(leaf, out, big),
        log=(Accumulation(1, 0, 1, -18.0, -18.0),),
        story=story,
    )


@pytest.fixture
def derivation() -> Derivation:
    return made_by_hand()


@pytest.fixture
def make():
    return made_by_hand

"""Every side of every equation of an explanation, letters included, is run as NumPy from its plain text alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import book, compositions
from chainrule.core.state import Quiet
from chainrule.derivation.explain import NEAREST, explain
from chainrule.derivation.record import Derivation, Equation, Large, Steps, Table
from chainrule.errors import GraphError
from chainrule.maths import Change, Derivative, Number, Symbol, Tree, Unknown, plain
from chainrule.maths.tree import equation, parts

FUNCTIONS = {name: getattr(cr, name) for name in (*book, *compositions) if hasattr(cr, name)} | {
    "array": np.array,
    "sum": lambda x, **settings: np.sum(np.asarray(x), **settings),
    "range": range,
}


def equations(told: Derivation) -> Iterator[Equation]:
    """Every equation of the story and the short answer."""
    for block in (*told.story, *told.short):
        cells = block.rows if isinstance(block, Table) else (block.lines,) if isinstance(block, Steps) else ((block,),)
        yield from [cell for row in cells for cell in row if isinstance(cell, Equation)]


class Names:
    """The letters of a page as names that Python can look up, whatever path or entry each of them is."""

    def __init__(self, told: Derivation) -> None:
        self.values = {known.symbol: known.value for known in told.known}
        self.names: dict[str, Any] = {}

    def text(self, tree: Tree) -> str:
        """A side as text, with a plain name for each path through objects."""
        written = plain(tree)
        for symbol in sorted(set(letters(tree)), key=lambda x: -len(plain(x))):
            whole = plain(symbol.whole if isinstance(symbol, Symbol) else symbol)
            name = "n" + "".join(c if c.isalnum() else f"_{ord(c)}_" for c in whole)
            written = written.replace(whole, name) if not whole.isidentifier() else written
            self.names[name if not whole.isidentifier() else whole] = symbol
        return written

    def run(self, tree: Tree) -> Any:
        """What NumPy makes of a side; None for a law, or for what is too large to be known."""
        text = self.text(tree)
        namespace: dict[str, Any] = {**FUNCTIONS, "__builtins__": {}}
        for name, symbol in self.names.items():
            value = self.values.get(symbol.whole if isinstance(symbol, Symbol) else symbol)
            if value is None or isinstance(value, Large):
                return None
            namespace[name] = np.asarray(value, dtype=float)[()]
        with Quiet():
            try:
                return np.asarray(eval(text, namespace), dtype=float)  # noqa: S307 - text of this package
            except NameError as missing:
                if missing.name not in ("i", "j", "k"):
                    raise
                return None  # a law for every example or neuron


def letters(tree: Tree) -> Iterator[Any]:
    """What stands for a number that is not printed."""
    if isinstance(tree, Symbol | Derivative | Change | Unknown):
        yield tree
    else:
        for part in parts(tree):
            yield from letters(part)


def check(told: Derivation) -> int:
    """Run every side of every equation; all of one equation must be the same. How many sides were run."""
    count = 0
    for part in equations(told):
        start = len(part.between) - part.between[::-1].index(":") if ":" in part.between else 0
        found = [x for x in (Names(told).run(side) for side in part.sides[start:]) if x is not None]
        for ours in found[:-1]:
            shown = np.reshape(found[-1], ours.shape) if ours.size == found[-1].size else found[-1]
            size = np.floor(np.log10(np.where(shown == 0, 1.0, np.abs(shown))))
            allowed = 10.0 ** (size - part.digits + 1) * 1.001 + 1e-9 * np.max(np.abs(ours), initial=0.0)
            assert np.all(np.abs(ours - shown) <= allowed), plain(part.tree)
        count += len(found) if len(found) > 1 else 0
    return count


def in_every_dialect(output: Any, wrt: Any, **options: Any) -> int:
    """How many sides were run in all dialects that apply."""
    return sum([check(told) for dialect in NEAREST for told in if_it_applies(output, wrt, dialect, **options)])


def if_it_applies(output: Any, wrt: Any, dialect: str, **options: Any) -> list[Derivation]:
    """An explanation, or nothing where the dialect does not apply."""
    try:
        return [explain(output, wrt, dialect, whole=True, **options)]
    except GraphError as error:
        if "does not apply" not in str(error):
            raise
        return []


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
    assert in_every_dialect(loss, w) > 100


@pytest.mark.parametrize("notation", ["nielsen", "course", "goodfellow", "parr-howard"])
@pytest.mark.parametrize("seed", range(3))
def test_random_nets_of_tensors(seed, notation):
    rng = np.random.default_rng(seed)
    kind = [cr.nn.Tanh, cr.nn.Sigmoid, cr.nn.ReLU][seed % 3]
    net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=seed), kind(), cr.nn.Linear(3, 2, rng=seed + 9), cr.nn.Sigmoid())
    batch = 1 + seed
    loss = cr.nn.MSELoss(["half_sum", "sum", "mean"][seed % 3])(
        net(rng.normal(size=(batch, 2))), rng.uniform(size=(batch, 2))
    )
    layout = ["numerator", "denominator"][seed % 2]
    assert in_every_dialect(loss, net[0].weight[1, 0], notation=notation, layout=layout) > 60
    assert in_every_dialect(loss, net[2].weight, notation=notation, layout=layout) > 60


def test_a_wrong_number_would_be_found():
    a = cr.Value(3.0, label="a")
    told = explain(a * 2.0 + a * a, a, "graph")
    assert check(told) > 3
    for wrong in (equation(Number("2") * Number("3"), Number("6.001")), equation(Symbol("a") * 2, Number("6.001"))):
        object.__setattr__(told, "story", (Equation(wrong.sides),))
        with pytest.raises(AssertionError):
            check(told)

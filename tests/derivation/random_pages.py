"""Random formulas, graphs and nets, explained in every dialect, and all that is wrong on their pages.

``page(seed)`` is the same for ever, so a seed is all that a report needs: ``.venv/bin/python -m
tests.derivation.random_pages SEED`` prints what it was and what was wrong.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

import chainrule as cr
from chainrule.core.operation import Pointwise, book
from chainrule.derivation.explain import NEAREST, explain
from chainrule.derivation.formats import FORMATS, markdown, write
from chainrule.derivation.formats import latex as as_latex
from chainrule.derivation.formats.json import from_json
from chainrule.derivation.formats.page import page as page_of
from chainrule.derivation.notation import NOTATIONS
from chainrule.derivation.record import Derivation, Equation, Large, trees_in
from chainrule.derivation.typed.answer import Answer, Options
from chainrule.derivation.typed.formula import read_formula
from chainrule.errors import ChainruleError
from chainrule.expression.typed.functions import look_up
from chainrule.maths import Symbol, Tree, latex, mathml, plain, unicode
from chainrule.maths.tree import has_letters, parts
from chainrule.maths.values import value

from .many_digits import many_digits
from .run_as_numpy import check, equations, equations_in

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "laws")]
from random_programs import ours, program

from latex_oracle.value import compute, number_of, read

LAYOUTS = ("numerator", "denominator")
NOT_FINITE = re.compile(r"(?<![=<>]) = (nan|[−-]?∞|-?inf)(?= =|   |$)|(nan|∞|inf) = ")
POINTWISE = sorted(
    name
    for name, rule in book.items()
    if isinstance(rule, Pointwise) and len(rule.inputs) == 1 and rule.differentiable(0)
    if (known := look_up(name)) is not None and not known.required
)
NUMERALS = ("0", "1", "2", "3", "0.5", "-1", "1/3", "10", "1e-3", "2.5")
PRINTERS = {
    "terminal": unicode,
    "plain": plain,
    "markdown": lambda x: markdown.maths(latex(x)),
    "latex": lambda x: as_latex.maths(latex(x)),
    "html": mathml,
}
"""How each format spells one side of an equation."""
WRITERS: tuple[Callable[[Tree], str], ...] = (latex, unicode, plain, mathml)
TAG, ALIGNED = re.compile(r"<[^>]*>"), re.compile(r"[&\\$]|\\quad")
EDGES = (0.0, 1.0, -1.0, 2.0, 1000.0, 1e-9, 1e8, 1e16, -745.0)


class Asked(NamedTuple):
    """What was asked, in words, and each of the ways to ask it."""

    words: str
    ways: tuple[tuple[str, Callable[[], Derivation]], ...]


class Writer:
    """Writes formulas as they are typed, over numbers, vectors of three and square matrices."""

    NAMES = ("x", "y", "w1", "x_1", "v1", "c1", "sigma", "L"), ("u", "a", "b1"), ("A", "W", "I1")

    def __init__(self, rng: np.random.Generator, edges: Sequence[float] = EDGES) -> None:
        self.rng = rng
        self.edges = edges
        self.arrays = bool(rng.random() < 0.5)
        self.names: dict[str, int] = {}

    def one(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def name(self, axes: int) -> str:
        chosen = self.one(*self.NAMES[axes][: 4 - axes if self.rng.random() < 0.7 else None])
        self.names[chosen] = axes
        return chosen

    def text(self, axes: int, depth: int) -> str:
        """A formula that comes to so many axes."""
        if depth <= 0 or self.rng.random() < 0.1:
            return self.one(*NUMERALS) if not axes and self.rng.random() < 0.25 else self.name(axes)
        kind = self.rng.random()
        if kind < 0.4:
            left, right = self.text(axes, depth - 1), self.text(self.one(axes, axes, 0), depth - 1)
            return f"({left}) {self.one('+', '-', '*', '*', '/')} ({right})"
        if kind < 0.55:
            return f"{self.one(*POINTWISE)}({self.text(axes, depth - 1)})"
        if kind < 0.65:
            return f"({self.text(axes, depth - 1)})**{self.one('2', '3', '-1', '0.5', '2')}"
        if kind < 0.7:
            low, high = self.text(axes, depth - 1), self.text(axes, depth - 1)
            return self.one(f"where({low} > 0, {high}, {low})", f"maximum({low}, {high})", f"({high})*({low} > 0)")
        if not self.arrays:
            return f"({self.text(0, depth - 1)})*({self.text(0, depth - 1)})"
        return (self.number, self.vector, self.matrix)[axes](depth - 1)

    def number(self, depth: int) -> str:
        vector, matrix = self.text(1, depth), self.text(2, depth)
        return self.one(
            f"sum({vector})",
            f"norm({vector})",
            f"max({vector})",
            f"logsumexp({vector})",
            f"({vector}) @ ({self.text(1, depth)})",
            f"({vector})[{self.one('0', '-1')}]",
            f"trace({matrix})",
            f"mean({matrix})",
            f"det({matrix})",
            f"norm({matrix})**2",
        )

    def vector(self, depth: int) -> str:
        vector, matrix = self.text(1, depth), self.text(2, depth)
        return self.one(
            f"({matrix}) @ ({vector})",
            f"({vector}) @ ({matrix})",
            f"softmax({vector})",
            f"cumsum({vector})",
            f"sum({matrix}, axis={self.one('0', '1')})",
            f"logsumexp({matrix}, axis={self.one('0', '1')})",
            f"({matrix})[{self.one('0', ':, 1')}]",
            f"solve({matrix}, {vector})",
            f"roll({vector}, shift=1, axis=0)",
        )

    def matrix(self, depth: int) -> str:
        matrix = self.text(2, depth)
        return self.one(
            f"({matrix}) @ ({self.text(2, depth)})",
            f"outer({self.text(1, depth)}, {self.text(1, depth)})",
            f"({matrix}).T",
            f"softmax({matrix}, axis={self.one('0', '1')})",
            f"inv({matrix})",
            f"flip({matrix}, axis={self.one('0', '1')})",
        )

    def value(self, axes: int, edgy: bool) -> Any:
        """A number, or an array of them."""
        shape = (3,) * axes
        found = np.round(self.rng.normal(size=shape), 2) + (2.0 * np.eye(3) if axes == 2 else 0.0)
        if edgy:
            found = np.where(self.rng.random(shape) < 0.5, self.rng.choice(self.edges, shape), found)
        return found.tolist()


def typed(seed: int) -> Asked:
    """A formula with values, or several assignments, as `chainrule grad` answers them."""
    rng = np.random.default_rng(seed)
    writer = Writer(rng)
    text = writer.text(0, int(rng.integers(1, 4)))
    if rng.random() < 0.3:
        parts = [f"h{k} = {writer.text(0, 2)}" for k in range(int(rng.integers(1, 3)))]
        text = "; ".join([*parts, f"f = ({text}) * " + " + ".join(f"h{k}" for k in range(len(parts)))])
    edgy = bool(rng.random() < 0.25)
    used = {name: axes for name, axes in writer.names.items() if re.search(rf"\b{name}\b", text)}
    given = [f"{name}={writer.value(axes, edgy)}" for name, axes in used.items()]
    wrt = str(rng.choice([*used])) if used and rng.random() < 0.5 else ""
    layout = writer.one(None, *LAYOUTS)
    digits = int(rng.choice([3, 6, 6, 17]))

    def answer(dialect: str | None, order: int = 1) -> Derivation:
        telling = Options(dialect=dialect, layout=layout, digits=digits, order=order)
        return Answer(read_formula(text, given, wrt), telling).derivation

    dialects = (None, str(rng.choice([*NEAREST])))
    ways = [(str(dialect), lambda dialect=dialect: answer(dialect)) for dialect in dialects]
    if rng.random() < 0.3:
        ways.append(("order 2", lambda: answer(None, 2)))
    return Asked(f"chainrule grad {text!r} {' '.join(map(repr, given))} --wrt {wrt!r} {layout} {digits}", tuple(ways))


def graph(seed: int) -> Asked:
    """A random program of the laws, recorded with Values or Tensors, some of them named."""
    made = program(seed)
    rng = np.random.default_rng(seed)
    leaves = list(made.leaves)
    scalar = made.scalar and rng.random() < 0.7
    for k in made.moving:
        leaves[k] = cr.Value(float(leaves[k])) if scalar else cr.Tensor(leaves[k], requires_grad=True)
    held = made.run(ours, leaves)
    chosen = str(rng.choice(["xyzuvw", "abcdef", "vvcczw"]))
    for k, x in enumerate(held):
        if isinstance(x, cr.Value | cr.Tensor) and rng.random() < 0.6:
            x.label = f"{chosen[k % 6]}{k}" if rng.random() < 0.8 else f"n.w[{k}]"
    output, moving = held[-1], [held[k] for k in made.moving]
    wrt: Any = moving[int(rng.integers(len(moving)))]
    if isinstance(wrt, cr.Tensor) and wrt.ndim and wrt.size and rng.random() < 0.5:
        wrt = wrt[np.unravel_index(int(rng.integers(wrt.size)), wrt.shape)]
    elif rng.random() < 0.2:
        wrt = None
    return Asked(str(made), told_in(rng, lambda: (output, wrt)))


def net(seed: int) -> Asked:
    """A feed-forward net of Values or Tensors, of a few layers, with a loss."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, int(rng.integers(2, 5))).tolist()
    batch = int(rng.integers(1, 4))
    x, y = np.round(rng.normal(size=(batch, sizes[0])), 2), np.round(rng.uniform(size=(batch, sizes[-1])), 2)
    words = f"net {sizes} on {batch}, seed {seed}"
    if rng.random() < 0.3:
        # As in micrograd a layer of one neuron gives a number, and no layer can follow it.
        sizes = [sizes[0], *[max(2, n) for n in sizes[1:-1]], sizes[-1]]
        mlp = cr.micrograd.nn.MLP(sizes[0], sizes[1:])
        for p in mlp.parameters():
            p.data = round(float(rng.normal()), 2)
        rows = [mlp([cr.Value(v) for v in row]) for row in x.tolist()]
        outs = [out if isinstance(out, list) else [out] for out in rows]
        loss = sum(
            [(a - b) ** 2 for row, right in zip(outs, y.tolist(), strict=True) for a, b in zip(row, right, strict=True)]
        )
        return Asked(words, told_in(rng, lambda: (loss, mlp.parameters()[seed % len(mlp.parameters())])))
    layers: list[Any] = []
    for k, (fed, out) in enumerate(pairwise(sizes)):
        layers.append(cr.nn.Linear(fed, out, bias=bool(rng.random() < 0.8), rng=seed + k, dtype=np.float64))
        layers += rng.choice(
            [cr.nn.ReLU, cr.nn.Tanh, cr.nn.Sigmoid, cr.nn.GELU, cr.nn.LeakyReLU], int(rng.integers(2))
        ).tolist()
    layers = [layer() if isinstance(layer, type) else layer for layer in layers]
    whole = cr.nn.Sequential(*layers)
    if rng.random() < 0.3 and sizes[-1] > 1:
        loss = cr.cross_entropy(whole(x), rng.integers(0, sizes[-1], batch))
    else:
        loss = cr.nn.MSELoss(str(rng.choice(["half_sum", "sum", "mean"])))(whole(x), y)
    weights = [layer.weight for layer in layers if hasattr(layer, "weight")]
    wrt = weights[int(rng.integers(len(weights)))]
    entry = tuple(int(rng.integers(n)) for n in wrt.shape)
    return Asked(words, told_in(rng, lambda: (loss, wrt[entry] if rng.random() < 0.5 else wrt)))


def told_in(rng: np.random.Generator, asked: Callable[[], tuple[Any, Any]]) -> tuple[Any, ...]:
    """Every dialect, each with options of its own."""
    ways = []
    output, wrt = asked()
    for dialect in NEAREST:
        options = {
            "notation": [None, *NOTATIONS][int(rng.integers(len(NOTATIONS) + 1))],
            "layout": LAYOUTS[int(rng.integers(2))],
            "digits": int(rng.choice([2, 6, 6, 17])),
            "top": int(rng.choice([1, 5, 40])),
            "whole": bool(rng.random() < 0.5),
        }
        words = f"{dialect} {options}"
        ways.append((words, lambda dialect=dialect, options=options: explain(output, wrt, dialect, **options)))
    return tuple(ways)


FAMILIES = (typed, graph, typed, graph, net)


def page(seed: int) -> Asked:
    """What is asked at a seed."""
    with np.errstate(all="ignore"):
        return FAMILIES[seed % len(FAMILIES)](seed)


def faults(seed: int) -> Iterator[str]:
    """All that is wrong with the pages of a seed, each with what was asked."""
    return faults_of(page, seed)


def faults_of(page: Callable[[int], Asked], seed: int, *, by_turns: bool = False) -> Iterator[str]:
    """The same of any pages that a seed gives; `by_turns` asked in one way and written in one format."""
    try:
        asked = page(seed)
    except ChainruleError as error:
        if "internal error" in str(error):
            yield f"{seed}: {error}"
        return
    for k, (words, way) in enumerate(asked.ways):
        if by_turns and k != turn(seed, 1) % len(asked.ways):
            continue
        try:
            told = way()
        except ChainruleError as error:
            if "internal error" in str(error):
                yield f"{seed}: {asked.words}\n  {words}: {error}"
            continue
        except Exception as error:  # noqa: BLE001 - whatever a user would see as a traceback
            yield f"{seed}: {asked.words}\n  {words}: {type(error).__name__}: {error}"
            continue
        for fault in on_the_page(told, seed + k, by_turns=by_turns):
            yield f"{seed}: {asked.words}\n  {words}: {fault}"


def turn(seed: int, round: int) -> int:
    """A number for each of several rounds, so that what is chosen by turns meets in all ways."""
    return int(np.random.default_rng((seed, round)).integers(1 << 30))


def on_the_page(told: Derivation, seed: int, *, by_turns: bool = False) -> Iterator[str]:
    """What is wrong in the equations of a page, in its letters, and in two of its formats, or one of them by turns."""
    try:
        check(told)
    except Exception as error:  # noqa: BLE001 - text that does not run is a fault like a wrong number
        yield f"{type(error).__name__}: {error}"
    yield from alike(told, WRITERS[seed % len(WRITERS) :][:1] if by_turns else WRITERS)
    names = sorted(FORMATS)
    written = ((names[seed % len(names)], "full"), (names[(seed // 7) % len(names)], "short"))
    for name, detail in written[seed % 2 :][:1] if by_turns else written:
        width = {"width": (40, 80, 120)[seed % 3]} if name in ("terminal", "plain") else {}
        options = {} if name == "json" else {"detail": detail, **width}
        try:
            text = write(told, name, **options)
        except Exception as error:  # noqa: BLE001
            yield f"{name}: {type(error).__name__}: {error}"
            continue
        if name != "json":
            yield from [f"{name}: {line}" for line in text.splitlines() if NOT_FINITE.search(line)]
        yield from [f"{name}, {detail}: {fault}" for fault in read_back(told, name, detail, text)]
        if width.get("width", 0) >= 80 and detail == "short" and len(text.rstrip().splitlines()) > 12:
            yield f"{name}, {width}: {len(text.rstrip().splitlines())} lines\n{text}"


def read_back(told: Derivation, name: str, detail: str, text: str) -> Iterator[str]:
    """What of a page is not in what a format wrote of it: sides of equations, in their order, and all of JSON."""
    if name == "json":
        again = from_json(text)
        if write(again, "latex") != write(told, "latex") or [*trees_in(again)] != [*trees_in(told)]:
            yield "the page is another one when it is read back"
        try:
            check(again)
        except Exception as error:  # noqa: BLE001
            yield f"read back: {type(error).__name__}: {error}"
        return
    shown, place = squeezed(text, name), 0
    for side in [side for part in shown_by(told, name, detail) for side in part.sides]:
        written = squeezed(PRINTERS[name](side), name)
        found = shown.find(written, place)
        if found < 0:
            yield f"{plain(side)} is not there"
        else:
            place = found + len(written)
        if name == "latex":
            yield from differs(side)


def shown_by(told: Derivation, name: str, detail: str) -> Iterator[Equation]:
    """The equations of a page that a format writes in one piece; a terminal has matrices and tables in lines."""
    for block in page_of(told, detail):
        if isinstance(block, Equation):
            parts_shown = [x for side in block.sides for x in all_parts(side)]
            if name != "terminal" or not any([x.looks.kind in ("matrix", "cases") for x in parts_shown]):
                yield block
        elif name in ("html", "latex", "markdown"):
            yield from equations_in(block)


def squeezed(text: str, name: str) -> str:
    """Text without what only says where it stands: tags, spaces, ends of lines, and in LaTeX the signs that align."""
    text = unescape(TAG.sub("", text)) if name == "html" else text
    return "".join((ALIGNED.sub("", text) if name in ("latex", "markdown") else text).split())


def differs(side: Tree) -> Iterator[str]:
    """A side whose LaTeX cannot be read, or, where it has numbers alone, comes to another number than its tree."""
    text = latex(side)
    try:
        tree = read(text)
        # 𝟏 and 𝐈 take their sizes from what stands beside them.
        if has_letters(side) or r"\mathbf" in text or r"\ldots" in text:
            return
        ours, theirs = np.squeeze(compute(tree)), np.squeeze(value(side, {}))
        if np.any(np.isinf(ours)) and np.all(np.isfinite(theirs)):
            # ln(eˣ + eʸ) as it is written is too large on its way, where the operation is not.
            ours = np.squeeze(copy_context().run(without_overflow, tree))
    except Exception as error:  # noqa: BLE001
        yield f"{text}: {type(error).__name__}: {error}"
        return
    # A matrix without entries has no shape to be read.
    if (ours.size or theirs.size) and not np.allclose(ours, theirs, rtol=1e-9, atol=1e-300, equal_nan=True):
        yield f"{text} is {ours} and {theirs}"


def without_overflow(tree: Any) -> Any:
    """What a formula of LaTeX comes to where no number is too large on the way."""
    number_of.set(many_digits)
    return np.asarray(compute(tree), dtype=float)


def all_parts(tree: Tree) -> Iterator[Tree]:
    """A formula and all that is in it."""
    yield tree
    for part in parts(tree):
        yield from all_parts(part)


def alike(told: Derivation, writers: Sequence[Callable[[Tree], str]] = WRITERS) -> Iterator[str]:
    """Letters that print alike and stand for different numbers."""
    letters = [*[(entry.symbol, entry.value) for entry in told.known], *entries_shown(told)]
    for writer in writers:
        printed: dict[str, Any] = {}
        for symbol, number in letters:
            text = writer(symbol)
            if writer is mathml:
                ElementTree.fromstring(text)
            other = printed.setdefault(text, number)
            if isinstance(other, Large) or isinstance(number, Large):
                continue
            # The same numbers may be a vector here and a row there.
            found, kept = np.ravel(np.asarray(number)), np.ravel(np.asarray(other))
            if found.shape != kept.shape or not np.allclose(found, kept, rtol=1e-12, atol=1e-300, equal_nan=True):
                yield f"{text} is {other} and {number}"


def entries_shown(told: Derivation) -> list[tuple[Tree, Any]]:
    """The entries of known arrays that equations speak of, as x₁ of x, which a name x1 may print like."""
    known = {entry.symbol: entry.value for entry in told.known if not isinstance(entry.value, Large)}
    found: dict[Tree, Any] = {}
    for part in [part for shown in equations(told) for side in shown.sides for part in all_parts(side)]:
        if isinstance(part, Symbol) and part.at and all([isinstance(k, int) for k in part.at]):
            array = np.asarray(known.get(part.whole, ()))
            if array.ndim == len(part.at):
                found[part] = array[tuple([int(k) - 1 for k in part.at])]
    return list(found.items())


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(page(int(given)).words)
        for fault in faults(int(given)):
            print(fault)

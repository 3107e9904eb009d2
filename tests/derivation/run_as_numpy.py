"""Every side of every equation of an explanation, letters included, run as NumPy from its plain text alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.core.operation import Linear, book, compositions
from chainrule.core.state import Quiet
from chainrule.core.term import as_places
from chainrule.derivation.explain import NEAREST, explain
from chainrule.derivation.record import Derivation, Equation, Large, Steps, Table
from chainrule.derivation.words import pieces
from chainrule.errors import GraphError
from chainrule.maths import Change, Derivative, Symbol, Tree, Unknown, plain
from chainrule.maths.tree import parts

from .many_digits import many_digits, of_many_digits

SMALLEST = np.finfo(float).tiny
"""Smaller doubles have fewer digits."""
NUMERAL = re.compile(r"\d+\.?\d*(?:e-?\d+)?")


def with_places(rule: Any) -> Any:
    """A rule that takes the places of entries, which are whole numbers though every number of a page is a double."""
    if not isinstance(rule, Linear) or not rule.flat:
        return rule
    return lambda *xs, **settings: rule(*[as_places(x) if i in rule.flat else x for i, x in enumerate(xs)], **settings)


RULES = {name: with_places(rule) for name, rule in book.items()}
FUNCTIONS = RULES | {
    **{name: getattr(cr, name) for name in compositions if hasattr(cr, name)},
    "array": np.array,
    "sum": lambda x, **settings: np.sum(np.asarray(x), **settings),
    "max": np.max,
    "min": np.min,
    "dot": np.dot,
    "range": range,
    "zeros": np.zeros,
    "float64": np.float64,
    "int": int,
    "slice": slice,
    "Ellipsis": Ellipsis,
    "inf": np.inf,
    "pi": np.pi,
    "nan": np.nan,
}
ELIMINATIONS = ("inv", "solve", "det")
IN_MANY_DIGITS = (
    FUNCTIONS
    | {name: of_many_digits(name, rule) for name, rule in RULES.items() if FUNCTIONS[name] is rule}
    | {"float64": many_digits}
)
"""The same on numbers of many more digits than a double has."""


def equations(told: Derivation) -> Iterator[Equation]:
    """Every equation of the story and the short answer."""
    for block in (*told.story, *told.short):
        yield from equations_in(block)


def equations_in(block: Any) -> list[Equation]:
    """An equation, or those in the cells of a table and the lines of steps."""
    cells = block.rows if isinstance(block, Table) else (block.lines,) if isinstance(block, Steps) else ((block,),)
    return [cell for row in cells for cell in row if isinstance(cell, Equation)]


class Names:
    """The letters of a page as names that Python can look up, whatever path or entry each of them is."""

    def __init__(self, values: dict[Tree, Any], *, in_many_digits: bool = False) -> None:
        self.values = values
        self.in_many_digits = in_many_digits

    def text(self, tree: Tree) -> tuple[str, dict[str, Any]]:
        """A side as text, with a plain name for each path through objects; and the names with what they stand for."""
        written, names = plain(tree), {}
        for symbol in sorted(set(letters(tree)), key=lambda x: -len(plain(x))):
            whole = plain(symbol.whole if isinstance(symbol, Symbol) else symbol)
            name = "n" + "".join(c if c.isalnum() else f"_{ord(c)}_" for c in whole)
            written = written.replace(whole, name) if not whole.isidentifier() else written
            names[name if not whole.isidentifier() else whole] = symbol
        return written, names

    def moved_by_rounding(self, sides: Sequence[Tree]) -> float:
        """How far sides move where each of their letters is the next number: terms that cancel out are larger."""
        moved = 0.0
        for symbol in {x for side in sides for x in letters(side)}:
            name = symbol.whole if isinstance(symbol, Symbol) else symbol
            if (value := self.values.get(name)) is None or isinstance(value, Large):
                continue
            near = np.asarray(value, dtype=float)
            # Without many digits an elimination of rows is looked at: it mixes entries, and rounds each as the largest.
            near = np.nextafter(near, np.inf) if self.in_many_digits else near + np.spacing(np.max(np.abs(near)))
            nudged = Names({**self.values, name: near}, in_many_digits=self.in_many_digits)
            for side in sides:
                if (ours := self.run(side)) is not None and ours.size:
                    moved += float(np.max(np.abs(ours - nudged.run(side))))
        return moved

    def run(self, tree: Tree) -> Any:
        """What NumPy makes of a side; None for a law, or for what is too large to be known."""
        text, names = self.text(tree)
        namespace: dict[str, Any] = {**(IN_MANY_DIGITS if self.in_many_digits else FUNCTIONS), "__builtins__": {}}
        for name, symbol in names.items():
            value = self.values.get(symbol.whole if isinstance(symbol, Symbol) else symbol)
            if value is None or isinstance(value, Large) or not np.size(value):
                return None
            # Where a page takes arrays for vectors, row by row, its Jacobians go by the names of gradients.
            is_whole = not getattr(symbol, "at", ()) and np.size(value) == np.prod(symbol.shape)
            shape = symbol.shape if is_whole else np.shape(value)
            numbers = np.reshape(np.asarray(value, dtype=float), shape)[()]
            namespace[name] = many_digits(numbers) if self.in_many_digits else numbers
        number = None if self.in_many_digits else float
        with Quiet():
            try:
                found = eval(of_numpy(text, self.in_many_digits), namespace)  # noqa: S307 - text of this package
                return np.asarray(found, dtype=number)
            except NameError as missing:
                if missing.name not in ("i", "j", "k"):
                    raise
                return None  # a law for every example or neuron
            except ZeroDivisionError:
                return np.asarray(np.inf)  # of two numerals, which Python divides and not NumPy


class Powers(ast.NodeTransformer):
    """Powers of numerals as NumPy's: Python gives a root of a negative number that is complex."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow) and not {type(x) for x in ast.walk(node.left)} & {ast.Name, ast.Call}:
            node.left = ast.Call(ast.Name("float64", ast.Load()), [node.left], [])
        return node


class Numerals(Powers):
    """All numerals as such numbers; what is whole may be a place, unless it is divided."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        left = node.left
        if isinstance(node.op, ast.Div) and isinstance(left, ast.Constant) and isinstance(left.value, int):
            left.value = float(left.value)
        return super().visit_BinOp(node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Call(ast.Name("float64", ast.Load()), [node], []) if isinstance(node.value, float) else node


def of_numpy(text: str, in_many_digits: bool = False) -> Any:
    """Text as it runs where its numerals are numbers of NumPy, or have many more digits."""
    tree = (Numerals if in_many_digits else Powers)().visit(ast.parse(text, mode="eval"))
    return compile(ast.fix_missing_locations(tree), "<page>", "eval")


def letters(tree: Tree) -> Iterator[Any]:
    """What stands for a number that is not printed."""
    if isinstance(tree, Symbol | Derivative | Change | Unknown):
        yield tree
    else:
        for part in parts(tree):
            yield from letters(part)


def check(told: Derivation) -> int:
    """Run every side of every equation; all of one equation must be the same. How many sides were run.

    Where one is not finite, no number stands beside it.
    """
    count, names = 0, Names({known.symbol: known.value for known in told.known})
    largest = largest_numerals(told)
    for part in equations(told):
        start = len(part.between) - part.between[::-1].index(":") if ":" in part.between else 0
        sides = part.sides[start:]
        found = [x for x in (names.run(side) for side in sides) if x is not None]
        if not all(np.all(np.isfinite(x)) for x in found):
            assert all(any(True for _ in letters(side)) for side in sides) or len(sides) == 1, (
                f"{plain(part.tree)}: {found}"
            )
            continue
        note = "".join([x for x in pieces(part.note) if isinstance(x, str)])
        if "rounding leaves too few digits" in note or "rounding decides" in note:
            continue
        # Of terms that cancel out the page has a 0, and its note what the computer has.
        written = " ".join([plain(part.tree), *[plain(x) for x in pieces(part.note) if not isinstance(x, str)]])
        terms = [abs(float(x)) for x in NUMERAL.findall(written)] if "up to rounding" in note else []
        # Those terms were computed themselves, in many steps.
        rounding = 1e-14 * max(terms, default=0.0)
        rounding = max(rounding, SMALLEST, 2.0**-52 * max([largest[x] for x in sides if x in largest], default=0.0))
        if "the computer has numbers up to" in note:
            in_note = " ".join([plain(x) for x in pieces(part.note) if not isinstance(x, str)])
            rounding = max(rounding, 1.01 * max([float(x) for x in NUMERAL.findall(in_note)]))
        try:
            agree(part, sides, found, rounding)
        except AssertionError:
            # Terms may have cancelled out in the doubles of this reader alone.
            reader = names
            if not any(f"{name}(" in plain(part.tree) for name in ELIMINATIONS):
                reader = Names(names.values, in_many_digits=True)
                found = [x for x in map(reader.run, sides) if x is not None]
            agree(part, sides, found, rounding, reader)
        count += len(found) if len(found) > 1 else 0
    return count


def largest_numerals(told: Derivation) -> dict[Tree, float]:
    """The largest numeral that anything on a page is equal to a formula of: it is a double that was computed itself."""
    found: dict[Tree, float] = {}
    for part in equations(told):
        most = max([float(x) for side in part.sides for x in NUMERAL.findall(plain(side))], default=0.0)
        found |= {side: max(most, found.get(side, 0.0)) for side in part.sides}
    return found


def agree(
    part: Equation, sides: Sequence[Tree], found: Sequence[Any], rounding: float, near: Names | None = None
) -> None:
    """What sides came to is the same, in the digits shown, or but for what the next double to each letter does."""
    *others, last = found or [None]
    for ours in others:
        shown = np.reshape(last, ours.shape) if ours.size == last.size else last
        size = np.floor(np.log10(np.where(shown == 0, 1.0, np.abs(shown)).astype(float)))
        allowed = 10.0 ** (size - part.digits + 1) * 1.001 + 1e-9 * np.max(np.abs(ours), initial=0.0) + rounding
        apart = np.abs(ours - shown) > allowed
        if near is not None and np.any(apart):
            apart = np.abs(ours - shown) > allowed + near.moved_by_rounding(sides)
        assert not np.any(apart), f"{plain(part.tree)}: {ours} and {shown}"


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

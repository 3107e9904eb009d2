"""A derivation as one row of blocks: its title, its story, the conventions in force, the table of symbols."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.derivation.record import Block, Derivation, Equation, Heading, Table
from chainrule.derivation.words import Words
from chainrule.errors import FormatError
from chainrule.maths import Derivative, Tree
from chainrule.maths.tree import all_parts

DETAILS = ("short", "full")
"""The answer alone, or the whole story."""
MOST_NAMED = 3
"""Gradients without room that are named."""


def page(derivation: Derivation, detail: str) -> tuple[Block, ...]:
    """What a format has to show, in order; a derivation without a short answer is told in full."""
    if detail not in DETAILS:
        raise FormatError(f"there is no detail {detail!r}: choose {' or '.join(DETAILS)}")
    if is_short(derivation, detail):
        return (Heading(derivation.title, 1), *derivation.short)
    blocks: list[Block] = [Heading(derivation.title, 1), *derivation.story]
    if derivation.conventions:
        rows = tuple([(convention.subject, convention.holds) for convention in derivation.conventions])
        blocks += [Heading("Conventions"), Table(("What books do differently", "Here"), rows)]
    if derivation.symbols:
        blocks += [Heading("Symbols"), symbols(derivation)]
    return tuple(blocks)


def is_short(derivation: Derivation, detail: str) -> bool:
    """Whether what is shown is the short answer, which has no empty lines inside."""
    return detail == "short" and bool(derivation.short)


def left_out(derivation: Derivation) -> list[Tree]:
    """The gradients that formulas of the short answer are made of, and that have no room there themselves."""
    equations = [block for block in derivation.short if isinstance(block, Equation)]
    told = {x.sides[0] for x in equations}
    outputs = {x.above for x in told if isinstance(x, Derivative)}
    # A product of links is followed by their numbers.
    formulas = [x.sides[len(x.sides) - x.numbers - 1] for x in equations if x.numbers < min(2, len(x.sides))]
    used = [part for formula in formulas for part in all_parts(formula) if isinstance(part, Derivative)]
    return list(dict.fromkeys([x for x in used if x.above in outputs and x not in told]))


def every_step(derivation: Derivation, written: Callable[[Tree], str]) -> str:
    """What the whole story has beside the short answer, with the first gradients that had no room."""
    missing = ", ".join([written(x) for x in left_out(derivation)[:MOST_NAMED]])
    return f"Every step, as {missing}" if missing else "Every step"


def symbols(derivation: Derivation) -> Table:
    """The table of symbols; a column that would be empty is left out."""
    notations = list(dict.fromkeys([name for meaning in derivation.symbols for name, _ in meaning.elsewhere]))
    shaped = any([meaning.shape for meaning in derivation.symbols])
    rows: list[tuple[Words, ...]] = []
    for meaning in derivation.symbols:
        shape = [str(meaning.shape) if meaning.shape else ""] if shaped else []
        elsewhere = dict(meaning.elsewhere)
        others = [(elsewhere[name],) if name in elsewhere else "" for name in notations]
        rows.append(((meaning.symbol,), meaning.meaning, *shape, *others))
    return Table(("Symbol", "Meaning", *(["Shape"] if shaped else []), *notations), tuple(rows))

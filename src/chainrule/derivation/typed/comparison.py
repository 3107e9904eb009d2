"""The derivatives of a typed formula beside differences: what the comparison found, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.derivation.record import Block, Heading, Note, Paragraph, Table
from chainrule.derivation.scalars.graph import Place, placed
from chainrule.derivation.typed.formula import TypedFormula
from chainrule.derivation.typed.quotients import Compared, compared, distance
from chainrule.derivation.words import Words, said
from chainrule.maths import Symbol, Tree, Unknown, numeral

MOST_COMPARED = 200
"""Entries that are compared, of some thirty runs each; of more, so many spread evenly."""

MOST_REMARKS = 2
"""Derivatives that do not agree of which a short answer tells."""

F, X, H = Symbol("f"), Symbol("x"), Symbol("h")
CENTRAL = (Unknown(F, (X + H,)) - Unknown(F, (X - H,))) / (2 * H)
COMPLEX = Unknown(Symbol("Im"), (Unknown(F, (X + Symbol("i") * H,)),)) / H

SIZE_DIGITS = 2
"""Of an error, whose size alone says something."""

TALLY = {
    "differs": "Not in agreement",
    "no number": "Without a number",
    "undecided": "Undecided",
    "kink": "At a kink",
    "agrees": "In agreement",
}
"""Verdicts, in the order in which a reader must see them."""


class Comparison(NamedTuple):
    """What a comparison with differences shows: in full, in a few lines, and whether every derivative agrees."""

    story: list[Block]
    short: list[Block]
    passed: bool


def compare_with_differences(typed: TypedFormula, slopes: Mapping[str, Any], digits: int, top: int) -> Comparison:
    """The comparison of every derivative with differences, or of so many of them spread evenly."""
    places = chosen_places(typed)
    at = {name: (typed.values_at(name), typed.term_in(name)) for name in typed.wrt}
    found: list[Compared] = []
    for name, place in places:
        slope = slopes[name][(..., *place)] if np.ndim(slopes[name]) else slopes[name]
        values, term = at[name]
        found.append(compared(typed.parsed.run, values, name, place, slope, term))
    found.sort(key=lambda c: ([*TALLY].index(c.verdict), -error_of(c)))
    every = sum(map(typed.size, typed.wrt)) if typed.entry is None else 1
    count = f"{len(found):,} of {every:,} entries" + (", spread evenly" if len(found) < every else "")
    verdicts = [c.verdict for c in found]
    tally = ", ".join([f"{TALLY[x]}: {verdicts.count(x):,}" for x in reversed(TALLY) if x in verdicts])
    story: list[Block] = [
        Heading("Compared with differences"),
        Paragraph(said("A central difference, ", CENTRAL, f", needs no derivative. Compared: {count}. {tally}.")),
        entries_table(typed, found[:top], digits),
        steps_table(typed, found[0], digits),
    ]
    if any([c.complex_step is not None for c in found]):
        exact = ", takes no difference: nothing cancels, so it is exact to the last digits."
        story.append(Paragraph(said("A complex step, ", COMPLEX, exact)))
    remarks = [remark(typed, c, digits) for c in found[:top] if c.verdict != "agrees"]
    words = said(f"Compared with differences: {count}. {tally}.", worst(typed, found[0], digits))
    passed = not {"differs", "no number"}.intersection(verdicts)
    return Comparison([*story, *remarks], [Paragraph(words), *remarks[:MOST_REMARKS]], passed)


def worst(typed: TypedFormula, c: Compared, digits: int) -> Words:
    """The derivative that is farthest from its quotient, beside it."""
    if not np.isfinite(c.worst.off):
        return ""
    ours, theirs = [numeral(x, digits) for x in (c.worst.given, c.worst.differences)]
    error = numeral(c.worst.off, SIZE_DIGITS)
    return said(" The largest error, ", error, ", is in ", entry_name(typed, c), ": ", ours, " beside ", theirs, ".")


def chosen_places(typed: TypedFormula) -> list[tuple[str, Place]]:
    """The entries to compare: all, or so many of them spread evenly."""
    if typed.entry is not None:
        return [(typed.wrt[0], typed.entry)]
    every = [(name, k) for name in typed.wrt for k in evenly(typed.size(name), MOST_COMPARED // len(typed.wrt))]
    return [(name, tuple(map(int, np.unravel_index(k, typed.shapes[name])))) for name, k in every]


def evenly(count: int, most: int) -> list[int]:
    """All numbers below `count`, or about `most` of them, the first and the last among them."""
    return list(range(count)) if count <= most else sorted({round(x) for x in np.linspace(0, count - 1, max(most, 2))})


def error_of(c: Compared) -> float:
    """How far the best quotient is off."""
    return c.worst.off if np.isfinite(c.worst.off) else np.inf


def entries_table(typed: TypedFormula, found: list[Compared], digits: int) -> Table:
    """The derivatives beside the quotients that are nearest to them."""
    columns = ("In", "chainrule", "Difference", said("Step ", H), "Error", "Complex step", "Comparison")
    rows = tuple([entry_row(typed, c, digits) for c in found])
    return Table(columns, rows, "Each with the step that comes nearest, the worst first")


def entry_row(typed: TypedFormula, c: Compared, digits: int) -> tuple[Words, ...]:
    """One derivative; of several outputs the one that must be seen first."""
    best = None
    if c.steps is not None and np.isfinite(c.worst.off):
        best = c.steps.steps[c.steps.errors[:, c.worst.output].argmin()]
    imaginary: Words = "does not apply"
    if c.complex_step is not None:
        imaginary = said("off by ", numeral(distance(c.complex_step, c.derivative), SIZE_DIGITS))
    return (
        said(entry_name(typed, c)),
        said(numeral(c.worst.given, digits)),
        "no number" if best is None else said(numeral(c.worst.differences, digits)),
        "" if best is None else said(numeral(float(best), SIZE_DIGITS)),
        "" if best is None else said(numeral(c.worst.off, SIZE_DIGITS)),
        imaginary,
        "no number to compare" if c.verdict == "no number" else c.verdict,
    )


def entry_name(typed: TypedFormula, c: Compared) -> Tree:
    return placed(typed.symbol(c.name), c.place)


def steps_table(typed: TypedFormula, c: Compared, digits: int) -> Table:
    """One entry with every step: the error falls with the step's square, then rises as rounding takes over."""
    quotients = [] if c.steps is None else c.steps.quotients(c.worst.output, c.worst.given)
    rows = [
        (said(numeral(step, SIZE_DIGITS)), said(numeral(value, digits)), said(numeral(error, SIZE_DIGITS)))
        for step, value, error in quotients
        if np.isfinite(error)
    ]
    caption = said(entry_name(typed, c), " with every step")
    return Table((said("Step ", H), "Difference", "Error"), tuple(rows), caption)


def remark(typed: TypedFormula, c: Compared, digits: int) -> Note:
    """Why a derivative does not simply agree."""
    name = entry_name(typed, c)
    if c.verdict == "kink" and c.worst.sides is not None:
        left, right = (numeral(side, digits) for side in c.worst.sides)
        taken = (
            " on the right, so there is no derivative; chainrule takes the one of its convention, which lies between."
        )
        return Note(said("At a kink in ", name, ": the slope is ", left, " on the left and ", right, taken))
    if c.verdict == "no number":
        return Note(
            said("In ", name, " there is no number to compare: the derivative or the function is not finite."),
            "warning",
        )
    if c.verdict == "undecided":
        return Note(said("In ", name, " rounding leaves too little of the differences to compare the derivative with."))
    return Note(said("In ", name, " the derivative is not what differences give."), "wrong")

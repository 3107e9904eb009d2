"""The end of `chainrule grad --check`: what the comparison with differences found, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.cli.compare import Compared, compared, distance
from chainrule.cli.question import Question
from chainrule.derivation.entries.entries import Place
from chainrule.derivation.proof import number
from chainrule.derivation.record import Block, Heading, Note, Paragraph, Table

MOST_COMPARED = 200
"""Entries that are compared, of some thirty runs each; of more, so many spread evenly."""

CENTRAL = r"\frac{\operatorname{f}\left(x + h\right) - \operatorname{f}\left(x - h\right)}{2 \, h}"
COMPLEX = r"\frac{\operatorname{Im}\left(\operatorname{f}\left(x + i \, h\right)\right)}{h}"

SIZE_DIGITS = 2
"""Of an error, whose size alone says something."""

TALLY = {"agrees": "In agreement", "differs": "Not in agreement", "kink": "At a kink", "no number": "Without a number"}

VERDICTS = {
    "agrees": "agrees",
    "differs": "differs",
    "kink": "kink",
    "no number": "no number to compare",
}


def check_story(question: Question, slopes: Mapping[str, Any], digits: int, top: int) -> tuple[list[Block], bool]:
    """What a comparison with differences shows, and whether every derivative agrees."""
    places = chosen_places(question)
    at = {name: (question.values_at(name), question.term_in(name)) for name in question.wrt}
    found: list[Compared] = []
    for name, place in places:
        slope = slopes[name][(..., *place)] if np.ndim(slopes[name]) else slopes[name]
        values, term = at[name]
        found.append(compared(question.parsed.run, values, name, place, slope, term))
    found.sort(key=lambda c: (order_of(c), -worst_error(c)))
    every = sum(map(question.size, question.wrt)) if question.entry is None else 1
    count = f"{len(found):,} of {every:,} entries" + (", spread evenly" if len(found) < every else "")
    verdicts = [c.verdict for c in found]
    tally = ", ".join([f"{words}: {verdicts.count(x):,}" for x, words in TALLY.items() if x in verdicts])
    story: list[Block] = [
        Heading("Compared with differences"),
        Paragraph(f"A central difference, ${CENTRAL}$, needs no derivative. Compared: {count}. {tally}."),
        entries_table(question, found[:top], digits),
        steps_table(question, found[0], digits),
    ]
    if any([c.complex_step is not None for c in found]):
        story.append(
            Paragraph(
                f"A complex step, ${COMPLEX}$, takes no difference: nothing cancels, so it is exact to the last digits."
            )
        )
    story += [remark(question, c, digits) for c in found[:top] if c.verdict != "agrees"]
    return story, all([c.verdict in ("agrees", "kink") for c in found])


def chosen_places(question: Question) -> list[tuple[str, Place]]:
    """The entries to compare: all, or so many of them spread evenly."""
    if question.entry is not None:
        return [(question.wrt[0], question.entry)]
    every = [
        (name, k) for name in question.wrt for k in evenly(question.size(name), MOST_COMPARED // len(question.wrt))
    ]
    return [(name, tuple(map(int, np.unravel_index(k, question.shapes[name])))) for name, k in every]


def evenly(count: int, most: int) -> list[int]:
    """All numbers below `count`, or about `most` of them, the first and the last among them."""
    return list(range(count)) if count <= most else sorted({round(x) for x in np.linspace(0, count - 1, max(most, 2))})


def order_of(c: Compared) -> int:
    """What a reader must see first."""
    return ("differs", "no number", "kink", "agrees").index(c.verdict)


def worst_error(c: Compared) -> float:
    """How far the best quotient is off."""
    return float("inf") if c.best is None else c.best.error


def entries_table(question: Question, found: list[Compared], digits: int) -> Table:
    """The derivatives beside the quotients that are nearest to them."""
    columns = ("In", "chainrule", "Difference", "Step $h$", "Error", "Complex step", "Verdict")
    rows = tuple([entry_row(question, c, digits) for c in found])
    return Table(columns, rows, "Each with the step that comes nearest, the worst first")


def entry_row(question: Question, c: Compared, digits: int) -> tuple[str, ...]:
    """One derivative; of several outputs the one with the largest error."""
    spot = telling_output(c)
    best = c.best
    imaginary = "does not apply"
    if c.complex_step is not None:
        imaginary = f"off by ${number(distance(c.complex_step, c.derivative), SIZE_DIGITS)}$"
    return (
        f"${entry_name(question, c)}$",
        f"${number(float(c.derivative[spot]), digits)}$",
        f"${number(float(best.value[spot]), digits)}$" if best else "no number",
        f"${number(best.step, SIZE_DIGITS)}$" if best else "",
        f"${number(best.error, SIZE_DIGITS)}$" if best else "",
        imaginary,
        VERDICTS[c.verdict],
    )


def telling_output(c: Compared) -> Place:
    """Which output is farthest from its quotient."""
    if c.best is None or not np.ndim(c.derivative):
        return (0,) * np.ndim(c.derivative)
    gap = np.abs(c.best.value - c.derivative)
    return tuple(map(int, np.unravel_index(np.argmax(gap), gap.shape)))


def entry_name(question: Question, c: Compared) -> str:
    """An entry in LaTeX."""
    symbol = question.symbol(c.name)
    return f"{symbol}[{', '.join(map(str, c.place))}]" if c.place else symbol


def steps_table(question: Question, c: Compared, digits: int) -> Table:
    """One entry with every step: the error falls with the step's square, then rises as rounding takes over."""
    spot = telling_output(c)
    rows = [
        (
            f"${number(q.step, SIZE_DIGITS)}$",
            f"${number(float(q.value[spot]), digits)}$",
            f"${number(q.error, SIZE_DIGITS)}$",
        )
        for q in sorted(c.quotients, key=lambda q: -q.step)
    ]
    return Table(("Step $h$", "Difference", "Error"), tuple(rows), f"${entry_name(question, c)}$ with every step")


def remark(question: Question, c: Compared, digits: int) -> Note:
    """Why a derivative does not simply agree."""
    name = entry_name(question, c)
    if c.verdict == "kink" and c.sides is not None:
        left, right = (f"${number(float(side[telling_output(c)]), digits)}$" for side in c.sides)
        return Note(
            f"At a kink in ${name}$: the slope is {left} on the left and {right} on the right, so there is no "
            "derivative; chainrule takes the one of its convention, which lies between."
        )
    if c.verdict == "no number":
        return Note(
            f"In ${name}$ there is no number to compare: the derivative or the function is not finite.", "warning"
        )
    return Note(f"In ${name}$ the derivative is not what differences give.", "wrong")

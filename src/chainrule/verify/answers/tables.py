"""A hand calculation line by line: each number recomputed from the printed ones before it, and from full precision."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import FormulaError
from chainrule.program import Step
from chainrule.verify.answers.formula import ERRORS, Letters
from chainrule.verify.answers.numbers import (
    CONSTANTS,
    Printed,
    number_of,
    of_number,
    rate_of_update,
    slips_of_the_pen,
    walk_at,
)
from chainrule.verify.marking.marked import Grade, Mistake, number, three_hints, told
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.updates import RATES, updates
from chainrule.verify.marking.walk import Walk, forward

LINE = re.compile(r"\s*\|?\s*([^=,;\t:≈|]+?)\s*[=,;\t:≈|]\s*(.+?)\s*\|?\s*")
AFTER = re.compile(
    r"(\w+?)\s*(?:_?after|_?new|_?next|_?updated|_?upd|_?plus|\(new\)|\+|⁺|\*|′|')|(?:new|updated)[ _](\w+)"
)
"""A parameter after its update, as learners call it: ``w1_new``, ``w1+``, ``new w1``."""


@dataclass(frozen=True)
class Row:
    """A line of the table: its name, the number that was written, and what it should be, by two ways."""

    name: str
    printed: Printed
    exact: Any
    from_printed: Any
    step: Step
    of: str
    """Whether it is a value, a gradient or an update."""
    rough: Walk | None = None
    """Of a gradient, the pass on the printed numbers."""

    @property
    def follows_others(self) -> bool:
        """Whether it is made rightly of printed numbers that are more than rounded."""
        return self.printed.is_(self.from_printed) and self.printed.tells_apart(self.from_printed, self.exact)


def is_table(text: str, problem: Problem) -> bool:
    """Whether a text is a table: lines of names with plain numbers, none of them a formula; a head may stand above."""
    rows = rows_of(text)
    if in_two_rows(rows):
        return True
    numbers = [None if (match := LINE.fullmatch(line)) is None else number_of(last_side(match[2])) for line in rows]
    return len(rows) > 1 and all(n is not None for n in numbers[1:]) and (numbers[0] is not None or len(rows) > 2)


def last_side(text: str) -> str:
    """What stands behind the last sign of an equation, as the 0.1 of ``0.5·1 − 0.3·2 + 0.2 = 0.1``."""
    return re.split("[=≈]", text)[-1]


def rows_of(text: str) -> list[str]:
    """The lines of a table without empty ones, comments and rules."""
    return [
        line
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#") and line.strip("|-: \t")
    ]


def in_two_rows(rows: list[str]) -> list[tuple[str, str]]:
    """Names with their numbers, where those stand in one line and these in the next, with commas; else nothing."""
    if len(rows) != 2:
        return []
    names, numbers = [next(csv.reader(io.StringIO(row))) for row in rows]
    fit = len(names) == len(numbers) > 1 and all(map(number_of, numbers)) and not any(map(number_of, names))
    return list(zip(names, numbers, strict=True)) if fit else []


def lines_of(table: str | Mapping[str, Any]) -> Iterator[tuple[str, Printed]]:
    """The names and the numbers of a table: a mapping, ``name = number`` lines, or CSV with two columns or two rows."""
    if isinstance(table, Mapping):
        for name, x in table.items():
            printed = number_of(x)
            if printed is None:
                raise FormulaError(f"the line {name} holds no number: {x!r}")
            yield str(name), printed
        return
    rows = rows_of(table)
    pairs = in_two_rows(rows)
    for name, text in pairs:
        printed = number_of(text)
        assert printed is not None
        yield name.strip(), printed
    if pairs:
        return
    for row in rows:
        match = LINE.fullmatch(row)
        printed = None if match is None else number_of(last_side(match[2]))
        if match is not None and printed is not None:
            yield match[1], printed
        elif row is not rows[0]:
            raise FormulaError(f"a line of a table is a name and a number, as z = 0.25, and this is {row.strip()!r}")


def grade_table(
    problem: Problem,
    table: str | Mapping[str, Any],
    asked: Sequence[str],
    values: Mapping[str, Any],
    rate: float | None,
) -> Grade:
    """Grade every line; the first bad one comes first. Without a rate, that of the first update that is right."""
    given = list(lines_of(table))
    # Of two lines of one name the first has what is given, and the other may be its update.
    leaves = {name: p.value for name, p in reversed(given) if name in problem.leaves and name not in values}
    walk = walk_at(problem, {**values, **leaves})
    rows = [row for row in read_rows(problem, walk, given, rate) if row.name not in leaves or row.of == "update"]
    notes: list[str] = []
    mistakes: list[Mistake] = []
    for row in rows:
        if row.printed.is_(row.exact):
            continue
        if any([m.name != "rounding" for m in mistakes]) and row.follows_others:
            notes.append(
                f"{row.name} = {number(row.printed.value)}: right for the lines before it, of which one is wrong"
            )
            continue
        mistakes.append(found := of_row(problem, walk, row, asked, rate))
        if found.name == "rounding":
            notes.append(f"{row.name} = {number(row.printed.value)}: {found.says} ({found.shows})")
    wrong = [m for m in mistakes if m.name != "rounding"]
    ordered = [*wrong, *[m for m in mistakes if m.name == "rounding"]]
    return Grade(not wrong, tuple(ordered), three_hints(ordered) if ordered else (), tuple(notes))


def read_rows(problem: Problem, walk: Walk, given: list[tuple[str, Printed]], rate: float | None) -> Iterator[Row]:
    """Each line with what it should be: from full precision, and from the printed numbers that it is made of."""
    letters = Letters(problem, {})
    values: dict[Step, Any] = {}
    backward: dict[Step, Any] = {}
    found: list[tuple[str, Printed, Step, str]] = []
    tops: dict[str, Step] = {}
    for name, printed in given:
        link = link_of(problem, letters, name)
        if link is not None:
            tops[name] = link[0]
            found.append((name, printed, link[1], "link"))
            continue
        step, kind = meaning(problem, letters, name)
        if kind == "value" and step.op is None and step in backward and not printed.is_(walk.numbers[step]):
            # Behind the line with its gradient a parameter is what the update made of it.
            kind = "update"
        found.append((name, printed, step, kind))
        if kind == "value":
            values[step] = printed.value.reshape(step.shape)
        elif kind == "gradient":
            backward[step] = printed.value.reshape(step.shape)
    numbers, used = forward(
        problem.program, walk.numbers, lambda step, x: x if step.op is None else values.get(step, x)
    )
    rough = Walk(problem, used)
    for name, printed, step, kind in found:
        if kind == "link":
            top = tops[name]
            exact, near = [w.handed_down(top, np.ones(top.shape)[()], step) for w in (walk, rough)]
            yield Row(name, printed, exact, near, step, kind)
        elif kind == "value":
            yield Row(name, printed, walk.numbers[step], numbers[step], step, kind)
        elif kind == "error":
            # Either way round is an error.
            turn = -1.0 if printed.is_(-walk.numbers[step]) else 1.0
            yield Row(name, printed, turn * walk.numbers[step], turn * numbers[step], step, "value")
        elif kind == "gradient":
            at = on_printed(rough, step, backward)
            yield Row(name, printed, walk.right[step], at.right[step], step, kind, at)
        else:
            by = rate_of_update(walk, step, printed, rate) or rate or RATES[0]
            exact, near = [
                walk.numbers[step] - by * np.asarray(g)
                for g in (walk.right[step], backward.get(step, walk.right[step]))
            ]
            yield Row(name, printed, exact, near, step, kind)


def updates_of_row(
    problem: Problem, walk: Walk, row: Row, asked: Sequence[str], rate: float | None
) -> Iterator[tuple[str, str]]:
    """The mistakes of an update that give a line: a new value, or a gradient after other parameters have moved."""
    moving = dict.fromkeys([*asked, *problem.leaves])
    for used in RATES if rate is None else (rate,):
        for kind, says, value in updates(problem, row.step, list(moving), used):
            by = value(walk)
            if by is None or (row.of == "gradient") != (kind == "new-weights"):
                continue
            expected = by if kind == "new-weights" else walk.numbers[row.step] - used * np.asarray(by)
            if row.printed.is_(expected) and row.printed.tells_apart(expected, row.exact):
                yield kind, says


def link_of(problem: Problem, letters: Letters, name: str) -> tuple[Step, Step] | None:
    """The two steps of a local derivative such as ``dh1_dz1`` or ``∂ŷ/∂z2``; the result's own are gradients."""
    link = letters.link(name.replace(" ", ""))
    return None if link is None or link[0] is problem.output or link[0].size > 1 else link


def meaning(problem: Problem, letters: Letters, name: str) -> tuple[Step, str]:
    """What a line's name stands for."""
    spelled = letters.spellings
    if name in spelled:
        return problem.named[spelled[name]], "value"
    plain = re.sub(r"\W", "", name.replace("/", "_"))
    step = letters.gradient_name(plain.replace("∂", "d"))
    if step is not None:
        return step, "gradient"
    difference = letters.difference() if name in ERRORS else None
    if difference is not None:
        return difference, "error"
    after = AFTER.fullmatch(name)
    if after is not None and (after[1] or after[2]) in spelled:
        return problem.named[spelled[after[1] or after[2]]], "update"
    raise FormulaError(f"the line {name} is none of the problem's: {', '.join(problem.named)}, and d before a name")


def on_printed(rough: Walk, wrt: Step, printed: Mapping[Step, Any]) -> Walk:
    """The pass down to a step on the printed gradients above it, and the printed values."""
    above = {step: g for step, g in printed.items() if step not in (rough.problem.output, wrt)}
    found = rough.backward(shares=lambda step, edges, g: rough.shares(step, edges, above.get(step, g)))
    walk = Walk(rough.problem, rough.numbers)
    walk.right = {**found, **above, wrt: found.get(wrt, np.zeros(wrt.shape))}
    return walk


def of_row(problem: Problem, walk: Walk, row: Row, asked: Sequence[str], rate: float | None) -> Mistake:
    """What is wrong with a line: its digits, its arithmetic, or its derivative."""
    place = f"the line {row.name} = {number(row.printed.value)}" + (
        f", {problem.where(row.step)}" if row.of == "value" else ""
    )
    shows = f"from the printed numbers {number(row.from_printed)}, at full precision {number(row.exact)}"

    def wrong(kind: str, says: str) -> Mistake:
        return told(kind, place, says, shows)

    if row.printed.is_(row.from_printed):
        return wrong("rounding", "it follows from the printed numbers, and full precision gives another last digit")
    if row.printed.is_cut(row.from_printed) or row.printed.is_cut(row.exact):
        return wrong(
            "truncation",
            f"the right rounding is {row.exact:.{row.printed.decimals}f}" if np.size(row.exact) == 1 else "",
        )
    off = np.max(np.abs(np.ravel(row.printed.value) - np.ravel(row.exact)), initial=0.0)
    if off <= 3 * row.printed.half and row.printed.decimals:
        return wrong("rounding", "the last digit is off: digits were lost on the way")
    if row.of == "gradient":
        for at, right in ((walk, row.exact), (row.rough or walk, row.from_printed)):
            found = of_number(problem, at, row.printed, row.step, right, rate)
            if found and found[0].name not in ("unclassified", "arithmetic"):
                return Mistake(found[0].name, f"{place}, {found[0].place}", found[0].says, shows)
    if row.of in ("gradient", "update"):
        for kind, says in updates_of_row(problem, walk, row, asked, rate):
            return wrong(kind, says)
    for c in CONSTANTS if row.of == "value" and not row.printed.is_coarse else ():
        comes_to = [c * np.asarray(x) for x in (row.from_printed, row.exact) if np.any(x)]
        if any(map(row.printed.is_, comes_to)):
            return wrong("sign" if c < 0 else "factor", f"this is {c:g} times what it comes to")
    near = slips_of_the_pen(row.printed, row.from_printed) or slips_of_the_pen(row.printed, row.exact)
    kind = "arithmetic" if near else "unclassified"
    return wrong(kind, near or "neither the printed numbers nor full precision give it")

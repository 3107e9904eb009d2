"""A number that somebody worked out by hand: right to its digits, rounded on the way, cut, or what a mistake gives."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.errors import GraphError
from chainrule.program import Step
from chainrule.verify.marking.fingerprints import COMMON, what_mistakes_give
from chainrule.verify.marking.marked import Grade, Mistake, number, three_hints, told
from chainrule.verify.marking.problem import Problem, gradient_in, probes_of
from chainrule.verify.marking.updates import RATES
from chainrule.verify.marking.walk import Walk, forward

NUMERAL = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
FRACTION = re.compile(r"([-+]?)\(?([-+]?\d+)/(\d+)\)?")
POWER = re.compile(r"(?<=\d)[×·x*]10(?:\^|\*\*)?\(?([-+]?\d+)\)?")
DECIMAL_COMMA = re.compile(r"(\d),(\d)")
EXACT = 12
"""Decimals of a fraction: nothing was rounded."""

MOST_DIGITS = 6
"""Decimals to which people round on the way."""


MOST_DECIMALS = 100
"""Further decimals say nothing of a number that anybody is asked for, and their unit may be no double."""

TELLING = 20
"""Numbers that differ by fewer half units of the last digit are not told apart: others are as near."""

FEWEST_DIGITS = 4
"""With fewer digits one that is left out gives nearly any number."""

COARSE = 100
"""A number of fewer units in its last digit tells little."""

CONSTANTS = (-1.0, 2.0, 0.5)
"""What an answer may be off by, alone or beside another mistake: a sign, a 2 that did or did not come down."""

FINE = 1e-6
"""Half a unit of the last digit, as a share of a number: one that is not wider is met by two mistakes at once
through no accident."""

RARE = (
    "extra-factor", "local-derivative-of-another", "wrong-local-derivative", "gradient-for-value",
    "added-for-multiplied", "activation-derivative-of-another",
)  # fmt: skip
"""Mistakes of which there are many; a coarse number that one of them gives is more likely a chance."""


class Printed:
    """A number, or an array of numbers, with the decimals that were written."""

    def __init__(self, value: Any, decimals: int) -> None:
        self.value = np.asarray(value, np.float64)
        self.decimals = min(decimals, MOST_DECIMALS)

        self.size = float(np.max(np.abs(self.value), initial=0.0, where=np.isfinite(self.value)))
        """That of its largest entry."""

    @property
    def half(self) -> float:
        """Half a unit of the last digit, and what a double rounds."""
        # A whole number below 10 is meant as it stands: it has too few digits to be a rounded one.
        unit = 10.0**-self.decimals if self.decimals or self.size >= 10 else 0.0
        return 0.5 * unit * (1 + 1e-9) + 1e-9 * self.size + 1e-12

    @property
    def is_coarse(self) -> bool:
        """Whether it was rounded to so few digits that one mistake in a hundred would give it by chance."""
        return self.decimals > 0 and self.value.size == 1 and self.size * 10.0**self.decimals < COARSE

    @property
    def is_fine(self) -> bool:
        """Whether it has so many digits that two mistakes at once may be told by them."""
        return self.decimals > 0 and self.half <= FINE * self.size

    def is_(self, x: Any) -> bool:
        """Whether it is a number to the digits that were written."""
        x, ours = np.asarray(x, np.float64).ravel(), self.value.ravel()
        if x.size != ours.size:
            return False
        with np.errstate(invalid="ignore"):
            return bool(np.all((x == ours) | (np.abs(x - ours) <= self.half)))

    def tells_apart(self, x: Any, y: Any) -> bool:
        """Whether two numbers differ by so much more than a digit that one is not met by chance near the other."""
        return bool(np.max(np.abs(np.ravel(x) - np.ravel(y)), initial=0.0) > TELLING * self.half)

    def is_cut(self, x: Any) -> bool:
        """Whether it is a number with its further digits cut."""
        with np.errstate(over="ignore", invalid="ignore"):
            cut = np.trunc(np.ravel(np.asarray(x, np.float64)) * 10.0**self.decimals) / 10.0**self.decimals
        return cut.size == self.value.size and bool(
            np.allclose(cut, self.value.ravel(), rtol=1e-12, atol=0.01 * self.half)
        )


def number_of(answer: Any) -> Printed | None:
    """A number, an array, or the text of a number; None of anything else."""
    if isinstance(answer, str):
        return numeral(answer)
    if isinstance(answer, bool) or callable(answer) or isinstance(answer, Mapping):
        return None
    try:
        value = np.asarray(answer, np.float64)
    except (TypeError, ValueError):
        return None
    flat = value.ravel()
    return Printed(value, max((decimals_of(repr(float(x))) for x in flat[:100]), default=0))


def numeral(typed: str) -> Printed | None:
    """A number as people write it: ``−0,25``, ``≈ 1.2·10⁻³``, ``12.5 %``, ``3/16``; None of anything else.

    >>> from chainrule.verify.answers.numbers import numeral
    >>> [float(numeral(text).value) for text in ("−0,25", "≈ 1.5·10⁻³", "12.5 %", "3/16")]
    [-0.25, 0.0015, 0.125, 0.1875]
    """
    text = re.sub("⁻(?=[⁰¹²³⁴⁵⁶⁷⁸⁹])|[⁰¹²³⁴⁵⁶⁷⁸⁹]", lambda found: unicodedata.normalize("NFKC", found[0]), typed)
    text = re.sub(r"\s", "", text.replace("−", "-")).lstrip("=≈~")
    if text.count(",") == 1 and "." not in text:
        text = DECIMAL_COMMA.sub(r"\1.\2", text)
    text = POWER.sub(r"e\1", text)
    if found := FRACTION.fullmatch(text):
        top, bottom = int(found[2]), int(found[3])
        return Printed((-1 if found[1] == "-" else 1) * top / bottom, EXACT) if bottom else None
    plain = text.removesuffix("%")
    if not NUMERAL.fullmatch(plain):
        return None
    share = plain != text
    return Printed(float(plain) / (100 if share else 1), decimals_of(plain) + 2 * share)


def decimals_of(text: str) -> int:
    """The decimals of a numeral as it is written; a whole number in floating point has none."""
    from decimal import Decimal

    exponent = Decimal(text).as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    return 0 if decimals == 1 and text.rstrip().endswith(".0") else decimals


def walk_at(problem: Problem, values: Mapping[str, Any]) -> Walk:
    """The problem at the numbers that were given; a recorded one at its own."""
    known = {
        problem.names[s]: problem.recorded[s]
        for s in problem.program.leaves
        if s in problem.recorded and s in problem.names
    }
    known.update(values)
    missing = [name for name in problem.leaves if name not in known]
    if missing:
        raise GraphError(f"a number is compared at given values, and {', '.join(missing)} has none: add it to values")
    return Walk(problem, probes_of(problem, known, 1)[0])


def grade_number(
    problem: Problem, printed: Printed, asked: Sequence[str], values: Mapping[str, Any], rate: float | None = None
) -> Grade:
    if len(asked) != 1:
        raise GraphError("a number answers for one parameter: ask with wrt of one name, or give a table by name")
    walk = walk_at(problem, values)
    found = of_number(problem, walk, printed, problem.named[asked[0]], walk.right[problem.named[asked[0]]], rate)
    if not found:
        return Grade(True, (), ())
    hints = three_hints(found)
    if found[0].name == "unclassified":
        from chainrule.verify.marking.links import looked_at

        hints = looked_at(problem, problem.named[asked[0]], [walk]).hints
    elif len(found) > 1:
        hints = (
            hints[0],
            f"{len(found)} mistakes give this number here: write the formula, which tells them apart",
            hints[2],
        )
    return Grade(False, tuple(found), hints, (), found[0].place if found[0].name == "unclassified" else "")


def of_number(
    problem: Problem, walk: Walk, printed: Printed, wrt: Step, right: Any, rate: float | None = None
) -> list[Mistake]:
    """Every mistake that gives a number; nothing if it is right."""
    if printed.is_(right):
        return []
    name = problem.name(wrt)
    where = gradient_in(name)
    shows = f"yours {number(printed.value)}, right {number(right)}"
    found: dict[str, Mistake] = {}

    def add(kind: str, place: str, says: str) -> None:
        found.setdefault(kind, told(kind, place, says, shows))

    if printed.decimals and printed.is_cut(right):
        add("truncation", where, f"{number(right)} is cut after {printed.decimals} decimals")
    elif digits := rounded_on_the_way(walk, wrt, printed):
        add("rounding", where, f"this comes out when every step is rounded to {digits} decimals")
    if found:
        return list(found.values())
    for kind, place, says in mistakes_that_give(walk, wrt, printed):
        add(kind, place, says)
    if not found and (used := rate_of_update(walk, wrt, printed, rate)):
        add("wrong-update", where, f"this is {name} after an update with the rate {used:g}, and no gradient")
    if not found:
        near = slips_of_the_pen(printed, right)
        kind = "arithmetic" if near else "unclassified"
        add(kind, where, near or f"{number(printed.value)} is none of the known mistakes")
    return list(found.values())


def mistakes_that_give(walk: Walk, wrt: Step, printed: Printed) -> Iterator[tuple[str, str, str]]:
    """The mistakes that give a number: single ones and constants, or else one beside a constant, if digits tell."""
    problem, right = walk.problem, walk.right[wrt]
    where = gradient_in(problem.name(wrt))
    with Quiet():
        given = [(change, numbers[0]) for change, numbers in what_mistakes_give(problem, wrt, [walk])]
        single = [c for c, g in given if printed.is_(g) and not (printed.is_coarse and c.name in RARE)]
        yield from ((c.name, c.place, c.says) for c in single)
        constants = [c for c in CONSTANTS if printed.is_(c * np.asarray(right))]
        yield from (("sign" if c < 0 else "factor", where, f"{c:g} times the right one") for c in constants)
        lengths = [n for n in problem.lengths if printed.is_(right * n) or printed.is_(right / n)]
        for n in lengths:
            yield "wrong-average", f"the average over the batch, in {where}", f"off by the factor {n:g}"
        if single or constants or lengths or not printed.is_fine:
            return
        for c, (change, g) in product(CONSTANTS, given):
            if change.name in COMMON and printed.is_(c * np.asarray(g)):
                yield change.name, change.place, change.says
                yield "sign" if c < 0 else "factor", where, f"and {c:g} times what that gives"


def rounded_on_the_way(walk: Walk, wrt: Step, printed: Printed) -> int:
    """The decimals to which every step was rounded, if that gives the number; 0 if none does."""
    for digits in range(min(MOST_DIGITS, printed.decimals + 1), 0, -1) if printed.decimals else ():

        def rounded(step: Step, x: Any, digits: int = digits) -> Any:
            return x if step.op is None else np.round(np.asarray(x, np.float64), digits)

        _, numbers = forward(walk.problem.program, walk.numbers, rounded)
        with Quiet():
            rough = Walk(walk.problem, numbers)
            for gradient in (rough.right[wrt], rounded_gradient(rough, wrt, digits)):
                if gradient is not None and printed.is_(gradient):
                    return digits
    return 0


def rounded_gradient(walk: Walk, wrt: Step, digits: int) -> Any:
    """A gradient by a backward pass in which every gradient is rounded before it is handed on."""
    found = walk.backward(shares=lambda step, edges, g: walk.shares(step, edges, np.round(g, digits)))
    gradient = found.get(wrt)
    return None if gradient is None else np.asarray(np.round(gradient, digits), np.float64)


def rate_of_update(walk: Walk, wrt: Step, printed: Printed, rate: float | None) -> float:
    """The rate with which a number is the parameter after its update; 0 if it is none, or the update is too small."""
    before, g = np.asarray(walk.numbers[wrt]), np.asarray(walk.right[wrt])
    if printed.value.size == 1 and printed.size < COARSE * 10.0**-printed.decimals:
        return 0.0
    for used in RATES if rate is None else (rate,):
        if printed.is_(before - used * g) and printed.tells_apart(before - used * g, before):
            return used
    return 0.0


def slips_of_the_pen(printed: Printed, right: Any) -> str:
    """What a number has to do with the right one: a digit, their order, the point; nothing if it is far off."""
    if printed.value.size != 1 or np.size(right) != 1:
        return ""
    ours, theirs = float(np.ravel(right)[0]), float(printed.value.ravel()[0])
    unit = 10.0**-printed.decimals
    other = digits_of(theirs, printed.decimals)
    digits = other.strip("0")
    if len(digits) > 1 and f"{abs(ours):.{len(digits) - 1}e}".split("e")[0].replace(".", "") == digits:
        return "the point stands elsewhere"
    for x in (ours, np.trunc(ours / unit) * unit):
        if slip := slip_between(digits_of(x, printed.decimals), other):
            return slip
    if ours and abs(theirs - ours) <= 0.05 * abs(ours):
        return "the number is a little off"
    return ""


def slip_between(one: str, other: str) -> str:
    """What was done to some digits to give others, if it is one slip."""
    if len(one) == len(other):
        differ = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
        if len(differ) == 1:
            return "one digit is off"
        if len(differ) == 2 and sorted(one[i] for i in differ) == sorted(other[i] for i in differ):
            return "two digits are exchanged"
    one, other = one.strip("0"), other.strip("0")
    if len(one) >= FEWEST_DIGITS and other in [one[:i] + one[i + 1 :] for i in range(len(one))]:
        return "a digit is left out"
    if len(one) >= FEWEST_DIGITS and one in [other[:i] + other[i + 1 :] for i in range(len(other))]:
        return "a digit stands there twice, or does not belong"
    return ""


def digits_of(x: float, decimals: int) -> str:
    return f"{abs(x):.{decimals}f}".replace(".", "")

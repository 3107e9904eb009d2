"""The numbers of an exercise: put in their places in its text, and drawn anew so that they hide no mistake.

An exercise is written once, with formulas of its numbers between double braces. Other numbers then make another
exercise, with its own answer and its own prepared mistakes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.expression.typed.parse import parse
from chainrule.maths import numeral
from chainrule.verify.answers.numbers import walk_at
from chainrule.verify.degenerate import degenerate, friendly
from chainrule.verify.marking.problem import Problem, read_problem

OPENS, CLOSES = "{{", "}}"
ARITHMETIC = frozenset({"add", "sub", "mul", "div", "pow", "square", "neg", "reciprocal", "sum_of", "dot_of"})
"""Operations that give short numbers for short numbers."""
DRAWS = 60
"""So many draws are looked at before an exercise is given up."""
SMALL = 1e-3
"""Below this an answer is all zeros."""

Values = Mapping[str, float]


def in_places(text: str, place: Callable[[str], str]) -> str:
    """Text with something else for what stands between double braces."""
    pieces: list[str] = []
    rest = text
    while OPENS in rest:
        before, _, after = rest.partition(OPENS)
        inside, _, rest = after.partition(CLOSES)
        pieces += [before, place(inside.strip())]
    return "".join([*pieces, rest])


def worked_out(formula: Any, values: Values) -> float:
    """A typed formula, or a plain number, on some numbers."""
    return float(parse(formula).run(dict(values))) if isinstance(formula, str) else float(formula)


def typed_out(text: str, values: Values) -> str:
    """Text that is read by the machine, with its numbers in place."""
    return in_places(text, lambda formula: numeral(worked_out(formula, values), 9).text)


def printed_out(text: str, values: Values) -> str:
    """Text that is read by a person, with its numbers in place; a negative one keeps its brackets."""

    def place(formula: str) -> str:
        number = in_print(worked_out(formula, values))
        return f"({number})" if formula.startswith("(") and formula.endswith(")") and number[0] == "−" else number

    return in_places(text, place)


def in_print(x: float) -> str:
    """A number as it stands in a sentence."""
    written = f"{x:,.0f}" if x == round(x) and 10_000 <= abs(x) < 1e12 else numeral(x).text
    return written.replace("-", "−")


def letters_of(problem: str, shapes: Mapping[str, Any]) -> Problem:
    """A typed problem as the marker reads it."""
    return read_problem(problem, {name: tuple(shape) for name, shape in shapes.items()} or None, None)


def slope_in(problem: str, wrt: str, values: Values) -> float:
    """The right number of a problem's derivative in one of its names."""
    read = read_problem(problem, None, values)
    return float(walk_at(read, values).right[read.named[wrt]])


def numbers_for(problem: str) -> dict[str, float]:
    """Numbers of the kind that a problem of single numbers is asked at; to be drawn anew before they are shown.

    There are none for arrays, and none where a branch is chosen: one number cannot show whether the choice was seen.
    """
    read = letters_of(problem, {})
    operations = [step.op for step in read.program.steps if step.op is not None]
    if any([step.shape for step in read.program.steps]) or any([getattr(op, "selects", False) for op in operations]):
        return {}
    plain = all([op.name in ARITHMETIC for op in operations])
    return dict.fromkeys(read.leaves, 2.0 if plain else 0.5)


def drawn(
    exercise_id: str,
    seed: int,
    values: Values,
    choices: Mapping[str, Sequence[float]],
    signs: bool,
    hides: Callable[[dict[str, float]], bool],
) -> dict[str, float]:
    """Numbers of the same kind as others, the same for the same seed, of which `hides` says that they hide nothing.

    `choices` are the numbers that a name may have; any other is drawn near its own, of its own sign unless `signs`
    says that it may turn. Raises ChainruleError where no draw will do.
    """
    random = np.random.default_rng([seed, zlib.crc32(exercise_id.encode())])
    for tried in range(DRAWS):
        new = {name: one_of(x, choices.get(name, ()), random, 6 + tried // 6, signs) for name, x in values.items()}
        with suppress(ChainruleError):  # a number that is not finite shows nothing
            if are_apart(new) and not hides(new):
                return new
    raise ChainruleError(f"exercise {exercise_id}: no numbers were found that hide no mistake")


def one_of(old: float, choices: Sequence[float], random: np.random.Generator, largest: int, signs: bool) -> float:
    if choices:
        return float(random.choice(np.asarray(choices, dtype=float)))
    new = float(friendly(old, random, largest))
    return -new if signs and random.random() < 0.3 else new


def are_apart(values: Values) -> bool:
    """Whether no two numbers are alike, and none is 1 or 0, which hide what they are multiplied with or added to."""
    sizes = [round(abs(x), 9) for x in values.values()]
    return len({*sizes, 0.0, 1.0}) == len(sizes) + 2


def slope_hides(problem: str, wrt: str, values: Values) -> bool:
    """Whether some known mistake gives the right derivative at these numbers, or it is too small to write down."""
    return abs(slope_in(problem, wrt, values)) < SMALL or bool(degenerate(problem, values, wrt=wrt).hidden)


def formulas_hide(formulas: Iterable[Any], values: Values) -> bool:
    """Whether a slip with one of the numbers gives the right results at these numbers, and not at others.

    The slips: a number forgotten where it is multiplied or added, its sign turned, two exchanged.
    """
    formulas = [formula for formula in formulas if isinstance(formula, str)]
    elsewhere = {name: x * (1.37 + 0.29 * i) + 0.01 for i, (name, x) in enumerate(values.items())}
    for formula in formulas:
        right, generic = worked_out(formula, values), worked_out(formula, elsewhere)
        if not np.isfinite(right):
            return True
        for (_, here), (_, there) in zip(slips(values), slips(elsewhere), strict=True):
            slipped = worked_out(formula, there)
            if np.isfinite(slipped) and same(worked_out(formula, here), right) and not same(slipped, generic):
                return True
    return False


def slip_that_gives(formulas: Sequence[Any], answer: Sequence[float], values: Values) -> str:
    """What was done with one of the numbers, where that gives this very answer; nothing where nothing does."""
    found = [
        said
        for said, slipped in slips(values)
        if all([same(worked_out(formula, slipped), x) for formula, x in zip(formulas, answer, strict=True)])
    ]
    return f"That comes out if {', or '.join(dict.fromkeys(found))}." if found else ""


def slips(values: Values) -> Iterator[tuple[str, Values]]:
    """The same numbers with one forgotten or turned, or two exchanged, and this in words."""
    said = {name: in_print(x) for name, x in values.items()}
    for name, x in values.items():
        for wrong in (0.0, 1.0):
            yield f"the {said[name]} is left out", {**values, name: wrong}
        yield f"the sign of {said[name]} is turned", {**values, name: -x}
    for one, other in combinations(values, 2):
        exchanged = {**values, one: values[other], other: values[one]}
        yield f"{said[one]} and {said[other]} change places", exchanged


def same(one: float, other: float, near: float = 1e-6) -> bool:
    """Whether two numbers cannot be told apart on paper."""
    return bool(np.isclose(one, other, rtol=near, atol=1e-9))

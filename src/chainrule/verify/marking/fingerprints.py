"""An answer's fingerprint: what it gives on generic probes, compared with the right gradient and with each mistake."""

# Arrays hold numbers of any type.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.program import Step
from chainrule.verify.marking.changes import Change, changes
from chainrule.verify.marking.matrix_changes import squeezed
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.mistakes import rank

RTOL = 1e-7
"""Two ways to compute the same number differ by rounding alone, some 1e-14; a mistake that changes less is none."""

NOTHING = 1e-12
"""What is left by rounding of numbers around 1 that cancel."""

SMALLEST_FACTOR = 1e-6
"""A smaller multiple is none: nobody's factor is off by a million."""

Values = Sequence[Any]
"""One answer at each probe; None where it could not be computed."""


def agrees(answer: Any, value: Any, loose: bool = False) -> bool:
    """Whether two results are the same up to rounding; a row, a column and a vector are one.

    With `loose` a matrix may also be the transpose of the other.
    """
    if answer is None or value is None:
        return False
    if not getattr(answer, "shape", ()) and not getattr(value, "shape", ()):
        a, v = float(answer), float(value)
        return math.isfinite(a) and abs(a - v) <= RTOL * max(abs(a), abs(v)) + NOTHING
    answer, value = np.asarray(answer, float), np.asarray(value, float)
    if answer.shape != value.shape:
        if loose and answer.ndim == 2 and answer.shape == value.T.shape:
            value = value.T
        elif squeezed(answer.shape) == squeezed(value.shape):
            value = value.reshape(answer.shape)
        else:
            return False
    scale = max(np.max(np.abs(value), initial=0.0), np.max(np.abs(answer), initial=0.0))
    return bool(np.all(np.isfinite(answer)) and np.all(np.abs(answer - value) <= RTOL * scale + NOTHING))


def agrees_everywhere(answers: Values, values: Any, loose: bool = False) -> bool:
    """Whether that holds at every probe; `values` are asked for one by one, for most fail at the first."""
    return all(agrees(answer, value, loose) for answer, value in zip(answers, values, strict=True))


def ratio_everywhere(answers: Values, values: Any) -> float | None:
    """The one number by which the answer is larger than something, at every probe and entry."""
    found: float | None = None
    for answer, value in zip(answers, values, strict=True):
        if answer is None or value is None:
            return None
        a, v = np.asarray(answer, float), np.asarray(value, float)
        if squeezed(a.shape) != squeezed(v.shape):
            return None
        v = v.reshape(a.shape)
        if not np.any(v):
            if np.any(a):
                return None
            continue
        if found is None:
            at = np.unravel_index(np.argmax(np.abs(v)), v.shape) if v.ndim else ()
            found = float(a[at] / v[at])
            # An answer of nothing is no multiple: its rounding would be taken for a factor.
            if not np.isfinite(found) or abs(found) < SMALLEST_FACTOR:
                return None
        if not agrees(a, found * v):
            return None
    return found


def is_credible(problem: Problem, c: float) -> bool:
    """Whether somebody may be off by that factor beside another mistake: a sign, a 2, a length, a number of the text.

    Any other number is more likely the trace of something else.
    """
    lengths = {float(n) for step in problem.program.steps for n in (*step.shape, step.size)}
    return any(
        math.isclose(abs(c), k, rel_tol=1e-9)
        for n in {1.0, 2.0, 4.0} | lengths | problem.literals
        if n
        for k in (n, 1 / n)
    )


COMMON = (
    "sign", "factor", "wrong-average", "missing-factor", "missing-path", "swapped-operands", "transposed",
    "activation-derivative-missing", "activation-derivative-at-output", "activation-derivative-at-input",
    "activation-for-derivative", "relu-mask-wrong", "softmax-diagonal", "prediction-for-error", "no-incoming-gradient",
)  # fmt: skip
"""Mistakes that are looked for two at a time; two of the rarer ones together give too many things by chance."""

MOST_PAIRS = 3_000
"""Pairs that are made for one answer."""


class Fingerprint:
    """What was answered for one parameter, at every probe."""

    def __init__(self, problem: Problem, walks: Sequence[Walk], wrt: Step, answers: Values, again: Any = None) -> None:
        self.problem = problem
        self.walks = walks
        self.wrt = wrt
        self.answers = answers
        self.again = again
        self.of_program = False
        self._changes: list[Change] | None = None

    def is_right(self) -> bool:
        """Whether it is the gradient, in its layout or as a row for a column."""
        return agrees_everywhere(self.answers, (walk.right[self.wrt] for walk in self.walks))

    def is_defined(self) -> bool:
        """Whether it is a number at every probe, or at none."""
        finite = [a is not None and bool(np.all(np.isfinite(a))) for a in self.answers]
        return all(finite) or not any(finite)

    def ratio(self) -> float | None:
        """The constant factor by which it is off, if it is off by one."""
        return ratio_everywhere(self.answers, (walk.right[self.wrt] for walk in self.walks))

    @property
    def changes(self) -> list[Change]:
        """Every single mistake on the way."""
        if self._changes is None:
            self._changes = list(changes(self.problem, self.wrt, self.walks))
        return self._changes

    def singles(self) -> list[Change]:
        """The single mistakes that give this answer at every probe, the more telling first; each name once."""
        with Quiet():
            found = [change for change in self.changes if self.fits(change)]
        return sorted(found, key=lambda change: rank(change.name, self.of_program))

    def fits(self, change: Change) -> bool:
        """Whether a change gives the answer."""
        return agrees_everywhere(self.answers, (given(change, walk) for walk in self.walks), change.loose)

    def scaled(self) -> list[tuple[Change, float]]:
        """Mistakes that give the answer up to a constant factor or sign: two at once."""
        found: dict[str, tuple[Change, float]] = {}
        for change in self.changes:
            if change.name in ("factor", "sign", "wrong-average") or change.name in found:
                continue
            c = ratio_everywhere(self.answers, (given(change, walk) for walk in self.walks))
            if c is not None and c != 1 and is_credible(self.problem, c):
                found[change.name] = (change, c)
        return sorted(found.values(), key=lambda pair: rank(pair[0].name))

    def pairs(self) -> list[tuple[Change, Change]]:
        """Two links that are both changed."""
        return self.pairs_of_numbers() or self.pairs_of_edges()

    def pairs_of_edges(self) -> list[tuple[Change, Change]]:
        """The same of arrays, or on two ways: each pair of the commoner mistakes is made, and compared."""
        edges = [c for c in self.changes if c.edge is not None and c.name in COMMON]
        tried = 0
        for one, other in combinations(edges, 2):
            if one.edge is None or other.edge is None or one.edge[:2] == other.edge[:2]:
                continue
            tried += 1
            if tried > MOST_PAIRS:
                break
            both = {edge[:2]: edge[2] for edge in (one.edge, other.edge)}
            with Quiet():
                if all(
                    agrees(a, given_by_both(both, walk, self.wrt))
                    for a, walk in zip(self.answers, self.walks, strict=True)
                ):
                    return [(one, other)]
        return []

    def pairs_of_numbers(self) -> list[tuple[Change, Change]]:
        """Two links of one way between numbers: their ratios to the right gradient multiply."""
        if any(np.size(answer) != 1 for answer in self.answers):
            return []
        right = np.array([float(np.ravel(walk.right[self.wrt])[0]) for walk in self.walks])
        answer = np.array([float(np.ravel(a)[0]) for a in self.answers])
        if not np.all(right) or not np.all(answer):
            return []
        wanted = answer / right
        ratios: list[tuple[Change, Any]] = []
        for change in self.changes:
            if change.name not in COMMON:
                continue
            gives = [given(change, walk) for walk in self.walks]
            if all(g is not None and np.size(g) == 1 for g in gives):
                r = np.array([float(np.ravel(g)[0]) for g in gives]) / right
                if np.all(np.isfinite(r)) and np.all(r) and not np.allclose(r, 1):
                    ratios.append((change, r))
        table = {np.round(r[0], 9): (change, r) for change, r in reversed(ratios)}
        found: list[tuple[Change, Change]] = []
        for change, r in ratios:
            other = table.get(np.round(wanted[0] / r[0], 9))
            if other is not None and other[0].place != change.place and np.allclose(r * other[1], wanted, rtol=RTOL):
                found.append((change, other[0]))
        return found[:1]


def given_by_both(both: Mapping[tuple[Step, int], Any], walk: Walk, wrt: Step) -> Any:
    """What two changed edges give at a probe; None where their shapes do not fit."""
    try:
        return walk.with_changes(both, wrt)
    except (ValueError, IndexError):
        return None


def given(change: Change, walk: Walk) -> Any:
    """What a change gives at a probe; None where its shapes do not fit."""
    try:
        with Quiet():
            return change.gives(walk)
    except (ValueError, IndexError):
        return None

"""Difference quotients along one number, compared with a derivative: the step is chosen by its error, never by hand.

A quotient is off by the formula (which falls with the step's square) and by rounding (which grows as the step shrinks).
Quotients with some twenty steps show both, so that for each the largest error is known, and the best is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.state import Quiet

Array = NDArray[np.float64]
Along = Callable[[float], tuple[Any, float]]
"""The outputs after a shift, in a row, and how far the shift really went: x + h is rounded."""

EPS = float(np.finfo(float).eps)
LEVELS = 10
"""Steps from a tenth of the scale down, each a tenth of the one before."""
FINER = 4
"""Of an entry nearer to 0 than 1, so many steps more in proportion to it, since its scale may be its own size."""
LEAST = 8 * EPS
"""Of an entry's size: a smaller step would be mostly rounding."""

LAST_DIGITS = 1e-10
"""Of a derivative, the digits that its own rounding may take."""
SURE = 3.0
"""A derivative that is farther off than so many times what the quotient may be off is wrong."""
FINE, COARSE = 1e-4, 0.05
"""Quotients known better than `FINE` confirm a derivative; those known worse than `COARSE` decide nothing."""
SEEN = 20.0
"""What is so many times the noise is no noise."""

SAMPLES = 13
"""Runs from which a function's noise is read."""
APART = 2.0**-20
"""Their distance: so near that all but the lowest derivatives vanish in noise, and exact in binary."""
LOWEST, HIGHEST = 5, 7
"""Orders of the differences of these runs that are looked at."""
BESIDE_A_KINK = 100.0
"""Noise that is so many times that of the other side is none."""
NOISY = 1e-5
"""No rounding, of float32 either, is a larger share of what a function gives."""
SHORTER, TINY = 2.0**-13, 2.0**-30
"""What looks like more noise is looked at over a shorter scale, down to a tiny one."""
NEARBY = 3
"""So many of the largest steps say how steep a function is around."""


@dataclass(frozen=True)
class Ladder:
    """The outputs on both sides with steps from large to small; arrays have a row for each step."""

    steps: Array
    here: Array
    above: Array
    below: Array
    right_steps: Array
    left_steps: Array
    noise: Array
    """Of each output, the rounding of one run."""

    @cached_property
    def right(self) -> Array:
        """The slopes on the right."""
        return (self.above - self.here) / self.right_steps[:, None]

    @cached_property
    def left(self) -> Array:
        """The slopes on the left."""
        return (self.here - self.below) / self.left_steps[:, None]

    @cached_property
    def central(self) -> Array:
        """The quotients over both sides; over one where the function ends at the other."""
        both = (self.above - self.below) / (self.right_steps + self.left_steps)[:, None]
        ends = ~np.isfinite(self.below).any(0), ~np.isfinite(self.above).any(0)
        return np.where(ends[1], self.left, np.where(ends[0], self.right, both))

    @cached_property
    def rounding(self) -> Array:
        """How far a quotient is off by rounding at most."""
        size = np.fmax(np.abs(self.above), np.abs(self.below))
        once = np.fmax(self.noise, EPS * np.nan_to_num(size, posinf=0.0, neginf=0.0))
        return 4 * once / np.minimum(self.right_steps, self.left_steps)[:, None]

    @cached_property
    def errors(self) -> Array:
        """How far a quotient is off at most: its own rounding, and what it differs from those with other steps.

        Of a smooth function a quotient with a tenth of the step is nearer by a factor of 100 (of 10 at an edge). One
        that a smaller step contradicts by more than that one's rounding is off by the difference.
        """
        count = len(self.steps)
        errors = np.full(self.central.shape, np.inf)
        for k in range(1, count):
            shrink = self.steps[k - 1] / self.steps[k]
            formula = np.nan_to_num(3 * np.abs(self.central[k] - self.central[k - 1]) / (shrink - 1), nan=np.inf)
            apart = np.abs(self.central[k] - self.central[k + 1 :]) - self.rounding[k + 1 :]
            errors[k] = self.rounding[k] + np.fmax(formula, np.nan_to_num(apart, nan=0.0).max(0, initial=0.0))
        return np.where(np.isfinite(errors + self.central), errors, np.inf)

    @cached_property
    def best(self) -> tuple[Array, Array, Array]:
        """Of each output the quotient that is known best, how far it is off at most, and its rounding."""
        at: Any = (self.errors.argmin(0), np.arange(self.errors.shape[1]))
        return self.central[at], self.errors[at], self.rounding[at]

    @cached_property
    def kink(self) -> Array:
        """Where the slopes on both sides stay apart as the step shrinks, down to the smallest that shows anything.

        Of a smooth function they near each other in proportion to the step. Where a smaller step, of little rounding,
        sees one slope alone, there is a kink nearby and none here.
        """
        apart = np.abs(self.right - self.left)
        floor = SEEN * self.rounding
        found = np.zeros(apart.shape[1], bool)
        for j in range(apart.shape[1]):
            seen = np.flatnonzero(apart[:, j] > floor[:, j])
            if not seen.size or seen[-1] == 0:
                continue
            k = seen[-1]
            stays = apart[k, j] > apart[k - 1, j] / 2
            found[j] = stays and not (floor[k + 1 :, j] < apart[k, j] / 2).any()
        return found

    def sides(self, j: int) -> tuple[float, float]:
        """The slopes of an output on the left and on the right, with the smallest step that shows them apart."""
        apart = np.abs(self.right[:, j] - self.left[:, j])
        k = np.flatnonzero(apart > SEEN * self.rounding[:, j])[-1]
        return float(self.left[k, j]), float(self.right[k, j])

    def quotients(self, j: int, derivative: float) -> list[tuple[float, float, float]]:
        """Each step with the quotient of an output, and how far that is from a derivative."""
        found = zip(self.steps.tolist(), self.central[:, j].tolist(), strict=True)
        return [(step, value, abs(value - derivative)) for step, value in found]

    def order(self, derivative: Array) -> float | None:
        """How fast what Taylor's first two terms leave over shrinks: with the step's square where both are right.

        A wrong derivative leaves something in proportion to the step: order 1. None where all is rounding, as of a
        linear function. It is the order of all outputs together, and needs no step to be chosen (Griewank and Walther,
        Evaluating Derivatives, 2008).
        """
        predicted = self.right_steps[:, None] * derivative
        left_over = np.abs(self.above - self.here - predicted).sum(1)
        size = (np.abs(self.above) + np.abs(predicted)) * EPS
        floor = SEEN * (np.fmax(self.noise, size)).sum(1)
        seen = np.flatnonzero((left_over > floor) & np.isfinite(left_over))
        if seen.size < 2 or seen[-1] != seen[-2] + 1:
            return None
        k = seen[-1]
        if k + 1 < len(self.steps):
            shrink = self.right_steps[k + 1] / self.right_steps[k]
            if left_over[k] * shrink**2 > SEEN * floor[k + 1]:
                return None  # it is gone at once, as within one side of a kink
        return float(np.log(left_over[k - 1] / left_over[k]) / np.log(self.right_steps[k - 1] / self.right_steps[k]))


def steps_for(entry: float, scale: float) -> list[float]:
    """Steps from large to small for an entry of some size, in a function that changes over some scale."""
    scale = max(scale, abs(entry))
    steps = {scale * 10.0**-k for k in range(1, LEVELS + 1)}
    if scale > 1:
        steps |= {10.0**-k for k in range(1, LEVELS + 1)}
    if 0 < abs(entry) < scale:
        steps |= {abs(entry) * 10.0**-k for k in range(1, FINER + 1)}
    kept: list[float] = []
    for step in sorted(steps, reverse=True):
        # Steps that nearly agree would see each other as confirmed.
        if step > LEAST * abs(entry) and (not kept or step < kept[-1] / 2):
            kept.append(step)
    return kept


def ladder(along: Along, steps: list[float], noise: Any = 0.0) -> Ladder:
    """Run a function on both sides with every step: two runs for each, and one."""
    with Quiet():
        here = row(along(0.0)[0])
        ups, downs = [along(step) for step in steps], [along(-step) for step in steps]
        kept = [k for k, (up, down) in enumerate(zip(ups, downs, strict=True)) if up[1] > 0 > down[1]]
        return Ladder(
            np.array([(ups[k][1] - downs[k][1]) / 2 for k in kept]),
            here,
            np.array([row(ups[k][0]) for k in kept]).reshape(len(kept), here.size),
            np.array([row(downs[k][0]) for k in kept]).reshape(len(kept), here.size),
            np.array([ups[k][1] for k in kept]),
            np.array([-downs[k][1] for k in kept]),
            np.broadcast_to(np.asarray(noise, float), here.shape),
        )


def row(x: Any) -> Array:
    return np.asarray(x, dtype=float).ravel().copy()


def noise_of(along: Along, scale: float = 1.0) -> Array:
    """The rounding of one run of a function that changes over some scale, from runs at neighbouring places.

    Differences of high order leave nothing of a smooth function, and its noise alone (Moré and Wild, Estimating
    Computational Noise, 2011). A kink would pass for noise, so places on either side are asked; 26 runs. A number for
    each output.
    """
    found: list[Array] = []
    apart = APART * 2.0 ** round(math.log2(scale))
    largest = np.zeros(())
    with Quiet():
        for side in (1, -1):
            table = np.array([row(along(side * j * apart)[0]) for j in range(SAMPLES)])
            largest = np.fmax(largest, np.abs(table).max(0))
            levels: list[Array] = []
            for k in range(LOWEST, HIGHEST + 1):
                differences = np.diff(table, n=k, axis=0)
                levels.append(np.sqrt(np.square(differences).mean(0) / math.comb(2 * k, k)))
            found.append(np.max(levels, axis=0))
    less, more = np.fmin(found[0], found[1]), np.fmax(found[0], found[1])
    noise = np.where(more > BESIDE_A_KINK * np.fmax(less, EPS * largest), less, more)
    if scale > TINY and (noise > NOISY * largest).any():
        return noise_of(along, scale * SHORTER)  # it changes over less than this scale, as the sine of a large number
    return np.nan_to_num(np.fmax(noise, EPS / 2 * largest), posinf=0.0)


@dataclass(frozen=True, slots=True)
class Compared:
    """A derivative of one output beside what differences say: the verdict, and how sure it is."""

    verdict: str
    """``right``; ``rounding`` or ``truncation`` where it agrees as far as these let the quotients see; ``kink``;
    ``bug``; ``undecided``; ``no number``."""
    given: float
    differences: float
    error: float
    """How far the quotient is off at most."""
    sides: tuple[float, float] | None = None
    output: int = 0

    @property
    def off(self) -> float:
        """How far the derivative is from the quotient."""
        return abs(self.given - self.differences)


ORDER = ("bug", "no number", "undecided", "kink", "truncation", "rounding", "right")
"""What a reader must see first."""


def rank(outcome: Any) -> tuple[int, float]:
    """By its verdict and how far it is off: what must be seen first is least."""
    return ORDER.index(outcome.verdict), -outcome.off


def compared(found: Ladder, derivative: Any, typical: float = 0.0, allowed: float = 0.0) -> Compared:
    """The derivative of every output against the quotients: the comparison of the one that is worst.

    `typical` is the size of derivatives around, beside which a smaller one counts as 0; `allowed` is what the
    derivative's own rounding may take.
    """
    given = row(derivative)
    outcomes = [compared_one(found, j, float(given[j]), typical, allowed) for j in range(given.size)]
    return min(outcomes, key=rank)


def compared_one(found: Ladder, j: int, given: float, typical: float, allowed: float) -> Compared:
    """The comparison of one output's derivative."""
    if not len(found.steps):
        return Compared("no number", given, np.nan, np.inf, None, j)
    best, error, rounding = (float(part[j]) for part in found.best)
    if not np.isfinite([given, best, error]).all():
        return Compared("no number", given, best, error, None, j)
    allowed += LAST_DIGITS * abs(given)
    if found.kink[j]:
        sides = found.sides(j)
        between = min(sides) - allowed - FINE * typical <= given <= max(sides) + allowed + FINE * typical
        return Compared("kink" if between else "bug", given, best, error, sides, j)
    around = np.abs(found.central[:NEARBY, j])
    size = max(abs(given), abs(best), typical, float(around[np.isfinite(around)].max(initial=0.0)))
    if abs(given - best) > SURE * error + allowed:
        return Compared("bug", given, best, error, None, j)
    if error <= FINE * size or size == 0:
        verdict = "right"
    elif error > COARSE * size:
        verdict = "undecided"
    else:
        verdict = "rounding" if rounding > error / 2 else "truncation"
    return Compared(verdict, given, best, error, None, j)

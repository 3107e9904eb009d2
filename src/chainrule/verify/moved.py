"""One input of a function moved, as a whole along a direction or entry by entry, beside what the gradient foretells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.differences import (
    EPS,
    FINE,
    Along,
    Array,
    Compared,
    Ladder,
    compared,
    ladder,
    noise_of,
    rank,
    steps_for,
)
from chainrule.verify.subject import Leaf, Subject, holding

CLOSE = 300
"""Entries of one input that are looked at with every step."""
ENOUGH = 20
"""Wrong entries after which no more are looked at closely, where there are many."""
NEAR = 1e-6
"""A quotient with one step that is within so much of the derivative settles an entry,"""
BESIDE = 1e-8
"""or within so much of the input's other derivatives,"""
CLEAR = 1e-3
"""where its rounding is less than so much of either."""
FLOAT32 = 2e-5
"""What float32 may cost a gradient, relative to its size."""
MATTERS = 1e-3
"""A derivative that moves the outputs by so much less than others do, or than their own size, may be rounding."""
ORDINARY = 1e-13
"""The share of rounding in a run in float64; more is worth telling."""
SHARPENED = ("right", "rounding", "truncation", "undecided")
"""Verdicts of differences that a complex step may make surer, or overrule."""
AGREES, CONTRADICTS = 1e-9, 1e-6
"""Of a derivative's size: within the one a complex step confirms it, and beyond the other it is wrong."""
UNITS = 64.0
"""Units in the last place that sums of some thousand terms leave where they cancel."""
SHIFTED = (0.05, 0.15)
"""By which shares of them numbers are moved to see whether a factor is the same elsewhere."""
EIGHT = 8.0
"""A quotient is off by so many times a run's noise over its step at most."""


@dataclass
class Found:
    """What the entries of one input have shown so far."""

    right: Array
    """What differences give, nan where nothing was looked at."""
    worst: Compared | None = None
    index: tuple[int, ...] = ()
    ladder: Ladder | None = None
    entries: int = 0
    wrong: int = 0
    unsettled: int = 0
    """Entries that one step did not settle, and that were not looked at with every step."""

    def take(self, outcome: Compared, index: tuple[int, ...], steps: Ladder | None = None) -> None:
        self.right[index] = outcome.differences
        self.wrong += outcome.verdict == "bug"
        if self.worst is None or rank(outcome) < rank(self.worst):
            self.worst, self.index, self.ladder = outcome, index, steps


class Mover:
    """Moves the inputs of a subject and looks at ``u · outputs``; `runs` counts."""

    def __init__(self, subject: Subject, rng: np.random.Generator) -> None:
        self.subject = subject
        self.rng = rng
        self.count = subject.run().size
        self.u: Array = np.ones(1) if self.count == 1 else rng.normal(size=self.count)
        self.runs = 1
        self.matters = 0.0
        self.share = 0.0
        """Of what the function gives, its rounding."""
        self.analytic: set[str] = set()
        """Inputs along which a complex step is right."""
        self.small = 0
        """Entries that were asked for by a complex step alone."""

    def output(self) -> float:
        """The outputs in the weights u at the inputs' present numbers."""
        self.runs += 1
        return float(self.subject.safe_run(self.count) @ self.u)

    def resolution(self, leaf: Leaf) -> float:
        """The rounding of the numbers that the function really takes."""
        return EPS if self.subject.wide else float(np.finfo(leaf.dtype).eps)

    def allowed(self, typical: float) -> float:
        """What the gradient's own rounding may take."""
        return 0.0 if self.subject.wide else FLOAT32 * typical

    def typical(self, leaf: Leaf, given: Array) -> float:
        """The size of a derivative in this input that matters: beside a smaller one, rounding counts as 0."""
        own = length(given) / max(given.size, 1) ** 0.5
        return max(own, self.matters / scale_of(leaf.array))

    def learn_sizes(self, gradients: Sequence[Array]) -> None:
        """See what the function and its derivatives amount to, all inputs together."""
        pairs = zip(self.subject.leaves, gradients, strict=True)
        moves = [scale_of(leaf.array) * length(g) / max(g.size, 1) ** 0.5 for leaf, g in pairs]
        size = max(abs(self.output()), self.subject.size)
        self.matters = MATTERS * max([MATTERS * size, *moves])
        noise = max([self.noise(leaf) for leaf in self.subject.leaves[:1] if leaf.array.size], default=0.0)
        self.share = noise / size if size else 0.0

    def along(self, leaf: Leaf) -> tuple[Array, Along]:
        """A random direction of one input, and the outputs along it."""
        before = leaf.array.copy()
        way = self.rng.normal(size=before.shape)

        def moved(shift: float) -> tuple[float, float]:
            with holding([leaf], [before + shift * way]):
                return self.output(), shift

        return way, moved

    def direction(self, leaf: Leaf, given: Array) -> tuple[Compared, Ladder]:
        """The derivative along a random direction of one input."""
        way, along = self.along(leaf)
        scale = scale_of(leaf.array)
        # Each entry is rounded once it is moved, by its own size.
        rounding = self.resolution(leaf) * length(given * leaf.array)
        noise = np.fmax(noise_of(along, scale), EPS * self.subject.size)
        steps = ladder(along, steps_for(scale, scale), noise + rounding)
        typical = max(length(given * way), self.typical(leaf, given) * leaf.array.size**0.5)
        outcome = compared(steps, float((given * way).sum()), typical, self.allowed(typical))
        return self.sharpened(outcome, leaf, way, length(given * way)), steps

    def sharpened(self, outcome: Compared, leaf: Leaf, way: Array, terms: float) -> Compared:
        """The same by a complex step, where one can be made and differences agree with it: it is known to rounding.

        `terms` is the size of what the derivative adds up.
        """
        slope = self.complex_slope(leaf, way) if outcome.verdict in SHARPENED else None
        if slope is None or not abs(slope - outcome.differences) <= outcome.error:
            return outcome
        size = max(abs(outcome.given), abs(slope), terms)
        off = abs(outcome.given - slope)
        if off <= AGREES * size:
            note = f"{leaf.name}: a complex step agrees to {max(off / size if size else 0.0, EPS):.0e} of its size"
            self.subject.notes += [note] if outcome.verdict != "right" else []
            self.analytic.add(leaf.name)
            return replace(outcome, verdict="right", differences=slope, error=AGREES * size)
        return self.contradicted(outcome, leaf, slope, size) if off > CONTRADICTS * size else outcome

    def beneath_rounding(self, outcome: Compared, leaf: Leaf, i: int, typical: float) -> Compared:
        """An entry so small beside the others that differences show rounding alone, by a complex step for it alone.

        What that leaves of sums that cancel is some units in the last place of an ordinary entry. It is asked only
        where a complex step was right along a random direction, of a function without absolute values and the like.
        """
        if leaf.name not in self.analytic or self.small >= CLOSE or not self.subject.is_analytic:
            return outcome
        self.small += 1
        way = np.zeros_like(leaf.array)
        way.reshape(-1)[i] = 1.0
        slope = self.complex_slope(leaf, way)
        if slope is None:
            return outcome
        size = max(abs(outcome.given), abs(slope))
        off = abs(outcome.given - slope)
        if off > CONTRADICTS * size + UNITS * EPS * typical:
            return self.contradicted(outcome, leaf, slope, size)
        return replace(outcome, verdict="right", differences=slope, error=off)

    def complex_slope(self, leaf: Leaf, way: Array) -> float | None:
        """The derivative along a way of one input by a complex step, where one can be made."""
        with Quiet():
            return self.subject.complex_slope(leaf, way, self.u)

    def contradicted(self, outcome: Compared, leaf: Leaf, slope: float, size: float) -> Compared:
        """A derivative that a complex step shows to be wrong."""
        self.subject.notes.append(f"{leaf.name}: differences see no mistake, and a complex step does")
        return replace(outcome, verdict="bug", differences=slope, error=AGREES * size)

    def entries(self, leaf: Leaf, given: Array, found: Found, places: Sequence[int]) -> None:
        """Compare entries one by one: most are settled by one step, the others are looked at with every step."""
        typical = self.typical(leaf, given)
        doubtful: list[tuple[float, int]] = []
        for i, quotient, rounding in self.quotients(leaf, places):
            foretold = float(given.reshape(-1)[i])
            gap = abs(quotient - foretold)
            settled = gap <= NEAR * abs(foretold) + BESIDE * typical + self.allowed(typical) + rounding
            size = max(abs(foretold), abs(quotient), typical)
            if settled and rounding <= CLEAR * size:
                verdict = "right" if rounding <= FINE * size or self.share < ORDINARY else "rounding"
                outcome = Compared(verdict, foretold, quotient, gap + rounding)
                if rounding > CLEAR * abs(foretold):
                    outcome = self.beneath_rounding(outcome, leaf, i, typical)
                found.take(outcome, place_of(i, given.shape))
            else:
                found.right.reshape(-1)[i] = quotient
                doubtful.append((-gap if np.isfinite(gap) else -np.inf, i))
            found.entries += 1
        self.look_closely(leaf, given, found, [i for _, i in sorted(doubtful)], typical)

    def quotients(self, leaf: Leaf, places: Sequence[int]) -> Iterator[tuple[int, float, float]]:
        """Of each entry the central difference with one step, and how far rounding may put it off."""
        flat = leaf.array.reshape(-1)
        here = max(abs(self.output()), self.subject.size)
        noise = self.noise(leaf)
        share = max(noise / here if here else 0.0, self.resolution(leaf))
        step = scale_of(leaf.array) * float(np.cbrt(3 * share))
        with Quiet():
            for i in places:
                before = float(flat[i])
                flat[i] = before + step
                above, high = self.output(), float(flat[i])
                flat[i] = before - step
                below, low = self.output(), float(flat[i])
                flat[i] = before
                once = max(noise, EPS * max(abs(above), abs(below)))
                yield i, (above - below) / (high - low), EIGHT * once / step

    def factor_elsewhere(self, leaf: Leaf) -> float:
        """By which factor the gradient in an input is off in its largest entry where all numbers are a little other."""
        leaves = self.subject.leaves
        with holding(leaves, [x.array * (1 + self.rng.uniform(*SHIFTED, x.array.shape)) for x in leaves]):
            given = self.subject.pull(self.u)[leaves.index(leaf)].reshape(-1)
            ((i, quotient, _),) = self.quotients(leaf, [int(np.abs(given).argmax())])
            return float(given[i]) / quotient if quotient else np.nan

    def noise(self, leaf: Leaf) -> float:
        """The rounding of one run, seen along a random direction of one input."""
        return max(float(noise_of(self.along(leaf)[1], scale_of(leaf.array)).max()), EPS * self.subject.size)

    def look_closely(self, leaf: Leaf, given: Array, found: Found, doubtful: Sequence[int], typical: float) -> None:
        """Look at entries with every step, the most doubtful first."""
        flat = leaf.array.reshape(-1)
        noise = self.noise(leaf) if doubtful else 0.0
        wide = self.subject.wide
        for done, i in enumerate(doubtful):
            if done >= CLOSE or (found.wrong >= ENOUGH and given.size > CLOSE):
                found.unsettled = len(doubtful) - done
                return
            before = float(flat[i])

            def along(shift: float, i: int = i, before: float = before) -> tuple[float, float]:
                flat[i] = before + shift
                moved = float(flat[i]) - before if wide else float(np.float32(flat[i])) - float(np.float32(before))
                try:
                    return self.output(), moved
                finally:
                    flat[i] = before

            steps = ladder(along, steps_for(before, scale_of(leaf.array)), noise)
            outcome = compared(steps, float(given.reshape(-1)[i]), typical, self.allowed(typical))
            found.take(outcome, place_of(i, given.shape), steps)


def place_of(i: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([int(k) for k in np.unravel_index(i, shape)]) if shape else ()


def length(x: Any) -> float:
    """The Euclidean norm of what is finite."""
    numbers = np.asarray(x, float)
    return float(np.sqrt(np.square(numbers[np.isfinite(numbers)]).sum()))


def scale_of(x: Array) -> float:
    """Over what an array's entries may be moved: their size, or 1 where all are 0."""
    return length(x) / max(x.size, 1) ** 0.5 or 1.0

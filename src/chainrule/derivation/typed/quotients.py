"""Derivatives beside difference quotients with several steps, and beside complex steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.core.term import Term, forward_order
from chainrule.differences import Ladder, Quotient, ladder, noise_of, steps_for
from chainrule.errors import ChainruleError

Array = Any
Place = tuple[int, ...]

RELATIVE = 1e-6
"""The best of the quotients of a smooth function is within 1e-10 or so; a missing factor is far outside."""
NEARBY = 1e-2
"""Where a derivative is 0, the slope this far away says what is small."""
ROUNDING = 1e-9
"""Of the function's own size: its rounding (1e-16) over the larger steps, of which one is always among the best."""

SHORT = 1e-5
"""A step for differences of one operation: the errors of the formula and of rounding are then near 1e-10."""
IMAGINARY = 2.0**-100
"""No difference is taken, so a complex step can be as small as one likes (Squire and Trapp, 1998)."""
COARSE = 1e-3
"""An operation without a complex form is wrong by its whole slope, and the differences that tell are good to 1e-8."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The derivative of every output in one entry, beside its difference quotients."""

    name: str
    place: Place
    derivative: Array
    quotients: tuple[Quotient, ...]
    """With every step that gives numbers."""
    sides: tuple[Array, Array] | None
    """At a kink, the slopes on the left and on the right."""
    complex_step: Array | None
    """What a complex step gives; None where an operation has no complex form."""
    allowed: float

    @property
    def best(self) -> Quotient | None:
        """The quotient that is nearest to the derivative."""
        return min(self.quotients, key=lambda q: q.error, default=None)

    @property
    def verdict(self) -> str:
        """``agrees``, ``differs``, ``kink`` where a derivative is chosen by convention, or ``no number``."""
        if self.best is None or not np.isfinite(self.derivative).all():
            return "no number"
        if self.sides is not None:
            low, high = np.minimum(*self.sides), np.maximum(*self.sides)
            between = (low - self.allowed <= self.derivative) & (self.derivative <= high + self.allowed)
            return "kink" if np.all(between) else "differs"
        found = [self.best.error]
        if self.complex_step is not None:
            found.append(distance(self.complex_step, self.derivative))
        return "agrees" if max(found) <= self.allowed else "differs"


def compared(
    function: Callable[[Mapping[str, Any]], Any],
    values: Mapping[str, Any],
    name: str,
    place: Place,
    derivative: Array,
    term: Term,
) -> Compared:
    """The derivative of `function` in one entry beside its quotients; some fifty runs of it."""

    def along(shift: float) -> tuple[Array, float]:
        x = np.array(values[name], dtype=float)
        before = float(x[place])
        x[place] = before + shift
        return function({**values, name: x if x.ndim else float(x)}), float(x[place]) - before

    entry = abs(float(np.asarray(values[name], dtype=float)[place]))
    derivative = np.asarray(derivative, dtype=float)
    if not np.isfinite(entry):
        return Compared(name, place, derivative, (), None, None, 0.0)
    with Quiet():
        scale = max(entry, 1.0)
        steps = steps_for(entry, scale)
        found = ladder(along, steps, noise_of(along, entry or scale))
        slopes = (found.above - found.below) / (found.right_steps + found.left_steps)[:, None]
        quotients = [
            Quotient(step, value, distance(value, derivative))
            for step, value in zip(steps, slopes.reshape(-1, *derivative.shape), strict=True)
        ]
        nearby = min(quotients, key=lambda q: abs(q.step - NEARBY * scale)).value
        steep = float(np.max(np.abs(nearby), initial=0.0, where=np.isfinite(nearby)))
        size = float(np.abs(found.here).max(initial=0.0))
        allowed = RELATIVE * float(np.abs(derivative).max(initial=0.0) + steep) + ROUNDING * size / scale
        sides = sides_of_kink(found, derivative.shape)
        return Compared(
            name,
            place,
            derivative,
            tuple([q for q in quotients if np.isfinite(q.error)]),
            sides,
            None if sides is not None else complex_step(term, values, name, place),
            allowed,
        )


def sides_of_kink(found: Ladder, shape: Place) -> tuple[Array, Array] | None:
    """The slopes on both sides where they stay apart however small the step is; None where they do not.

    An output without a kink has its derivative on either side.
    """
    if not found.kink.any():
        return None
    best = found.best[0]
    pairs = [found.sides(j) if kink else (best[j], best[j]) for j, kink in enumerate(found.kink)]
    left, right = (np.reshape([pair[side] for pair in pairs], shape) for side in (0, 1))
    return left, right


def distance(x: Array, y: Array) -> float:
    """The largest difference between two arrays."""
    return float(np.abs(np.asarray(x) - np.asarray(y)).max(initial=0.0))


def complex_step(output: Term, values: Mapping[str, Any], name: str, place: Place) -> Array | None:
    """The imaginary part that an imaginary step of one entry gives, over the step: no difference, so no cancellation.

    None where an operation on the way has no complex form, as ``abs`` has none. O(one run).
    """
    found: dict[Any, Any] = {}
    with Quiet():
        for term in forward_order([output]):
            if term.op is not None:
                found[term] = stepped(term, [found.get(x, x) if isinstance(x, Term) else x for x in term.inputs])
                if found[term] is None:
                    return None
            elif term.number is not None:
                found[term] = term.number
            else:
                x = np.array(values[term.label], dtype=complex if term.label == name else float)
                if term.label == name:
                    x[place] += IMAGINARY * 1j
                found[term] = x
        slopes = np.imag(found[output]) / IMAGINARY
    return slopes if np.isfinite(slopes).all() else None


def stepped(term: Term, inputs: list[Any]) -> Any:
    """An operation on complex numbers; None where its imaginary part is not its slope, seen beside differences."""
    assert term.op is not None
    moves = [np.imag(x) / IMAGINARY for x in inputs]
    if not any([np.any(move) and term.op.differentiable(i) for i, move in enumerate(moves)]):
        return term.op.compute([np.real(x) for x in inputs], term.settings)
    inputs = [x if term.op.differentiable(i) else np.real(x) for i, x in enumerate(inputs)]
    try:
        with warnings.catch_warnings(action="error", category=np.exceptions.ComplexWarning):
            out = np.asarray(term.op.compute(inputs, term.settings))
        largest = max([float(np.abs(move).max(initial=0.0)) for move in moves])
        step = SHORT / largest
        ahead, behind = (
            np.asarray(
                term.op.compute(
                    [np.real(x) + sign * step * m for x, m in zip(inputs, moves, strict=True)], term.settings
                )
            )
            for sign in (1, -1)
        )
    except (ChainruleError, TypeError, ValueError, ArithmeticError, np.exceptions.ComplexWarning):
        return None
    slope, difference = np.imag(out) / IMAGINARY, (ahead - behind) / (2 * step)
    rounding = ROUNDING * largest * (1 + np.abs(np.real(out)))
    near = np.abs(slope - difference) <= COARSE * (np.abs(difference) + np.abs(slope)) + rounding
    return out if np.all(near) else None

"""Derivatives beside difference quotients with several steps, and beside complex steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import differences
from chainrule.core.state import Quiet
from chainrule.core.term import Term, forward_order
from chainrule.differences import Ladder, ladder, noise_of, steps_for
from chainrule.errors import ChainruleError

Array = Any
Place = tuple[int, ...]

RELATIVE = 1e-6
"""Of a derivative: what rounding may take of it, or of a complex step; no factor is so near 1."""
ROUNDING = 1e-9
"""Of an operation's result: its rounding (1e-16) over the step."""
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
    steps: Ladder | None
    """None where the entry is no number."""
    worst: differences.Compared
    """What differences say of the output that is to be seen first."""
    complex_step: Array | None
    """What a complex step gives; None where an operation has no complex form."""

    @property
    def verdict(self) -> str:
        """``agrees``, ``differs``, ``kink`` (a derivative is chosen by convention), ``undecided`` or ``no number``."""
        said = {"bug": "differs", "rounding": "agrees", "truncation": "agrees", "right": "agrees"}
        found = said.get(self.worst.verdict, self.worst.verdict)
        if self.complex_step is None or found not in ("agrees", "undecided"):
            return found
        off = distance(self.complex_step, self.derivative) - RELATIVE * size_of(self.derivative)
        return "agrees" if off <= 0 else "differs" if off > self.worst.error else found


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
        nothing = differences.Compared("no number", float(derivative.flat[0]), np.nan, np.inf)
        return Compared(name, place, derivative, None, nothing, None)
    with Quiet():
        scale = max(entry, 1.0)
        steps = ladder(along, steps_for(entry, scale), noise_of(along, entry or scale))
        worst = differences.compared(steps, derivative, allowed=RELATIVE * size_of(derivative))
        imaginary = None if worst.sides is not None else complex_step(term, values, name, place)
        return Compared(name, place, derivative, steps, worst, imaginary)


def distance(x: Array, y: Array) -> float:
    """The largest difference between two arrays."""
    return size_of(np.asarray(x) - np.asarray(y))


def size_of(x: Array) -> float:
    return float(np.abs(x).max(initial=0.0))


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

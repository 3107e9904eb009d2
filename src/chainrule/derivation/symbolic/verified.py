"""A symbolic derivative on numbers: compared with the engine's and with differences before anybody sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.core.term import Shape, Term, replay
from chainrule.errors import ChainruleError, GraphError
from chainrule.maths.check import moved_by_rounding
from chainrule.transforms import grad, hessian, jacobian, jvp

RANGES = ((0.3, 1.2), (-1.5, 1.5), (0.05, 0.95), (1.5, 3.0), (3.0, 9.0), (-0.4, 0.4), (-9.0, -3.0))
"""Where points are drawn; a formula with logarithms or roots has numbers in some of these only."""

POINTS = 2
AGREEMENT = 1e-8
"""Both come from the same rules in another order: some thousand roundings, which small systems amplify."""
STEP = 6e-6
"""The cube root of the rounding unit, where the errors of a central difference balance."""
DIFFERENCES = 1e-5
"""A central difference is off by about the step squared times a third derivative, which may be large."""
BEND = 1e-3
"""Where a function is smooth on the scale of the step, its slopes on both sides differ by less than this."""

Run = Callable[[Mapping[str, Any]], Any]


def verify(
    run: Run,
    symbols: Mapping[str, Term],
    variable: Term,
    result: Term,
    shape: Shape,
    order: int,
    values: Mapping[str, Any],
) -> None:
    """Raise where a symbolic derivative differs from the engine's or from differences, at random points."""
    checked = 0
    with Quiet():
        for point in points(symbols, values):
            if checked == POINTS:
                break
            checked += agrees_at(run, symbols, variable, result, shape, order, point)
    if not checked:
        raise GraphError(
            "no point was found where this formula and its derivative have numbers to check it by: give values={…}"
        )


def points(symbols: Mapping[str, Term], values: Mapping[str, Any]) -> Any:
    """The given values if all are there, then random points; square matrices have a heavy diagonal."""
    if symbols and all(name in values for name in symbols):
        yield {name: np.asarray(values[name], dtype=float) for name in symbols}
    random = np.random.default_rng(0)
    for low, high in RANGES:
        for _ in range(POINTS):
            point = {name: random.uniform(low, high, term.shape) for name, term in symbols.items()}
            for x in point.values():
                if x.ndim >= 2 and x.shape[-1] == x.shape[-2]:
                    x += 2 * x.shape[-1] * np.eye(x.shape[-1])
            yield point


def agrees_at(
    run: Run,
    symbols: Mapping[str, Term],
    variable: Term,
    result: Term,
    shape: Shape,
    order: int,
    point: dict[str, Any],
) -> bool:
    """Whether the point has numbers to compare; raises where they disagree."""
    name = variable.label
    at = point[name] if variable.shape else float(point[name])

    def function(x: Any) -> Any:
        return run({**point, name: x})

    found = np.asarray(replay([result], {term: point[key] for key, term in symbols.items()})[0], dtype=float)
    derived = engine(function, shape, order)
    expected = np.asarray(derived(at), dtype=float)
    if not all(np.isfinite(x).all() for x in (function(at), expected, found)):
        return False
    # What cancels out leaves the rounding of terms as large as the function.
    value = np.abs(function(at)).max(initial=0.0)
    size = 1 + value + np.abs(expected).max(initial=0.0)
    if found.size != expected.size:
        raise internal_error(result, "the engine's", found, expected)
    apart = np.abs(found.ravel() - expected.ravel()).max(initial=0.0)
    if apart > AGREEMENT * size:
        # Beside a matrix that is nearly singular the engine's own digits are rounding, and tell nothing.
        near = moved_by_rounding(lambda at, _: engine(lambda x: run({**at, name: x}), shape, order)(at[name]), point)
        if apart <= near:
            return False
        raise internal_error(result, "the engine's", found, expected)
    below = function if order == 1 else engine(function, shape, order - 1)
    direction = np.random.default_rng(1).choice([-1.0, 1.0], np.shape(at)) if variable.shape else 1.0
    ahead, behind = (np.asarray(below(at + sign * STEP * direction), dtype=float) for sign in (1, -1))
    here = np.asarray(below(at), dtype=float)
    slope = (ahead - behind) / (2 * STEP)
    whole = expected.reshape((*np.shape(slope), *np.shape(at)))
    along = np.sum(whole * direction, axis=tuple(range(np.ndim(slope), whole.ndim)))
    size = 1 + value + np.abs(expected).sum() + np.abs(ahead).max(initial=0.0)
    # At a kink, and where a function bends sharply within the step, differences tell nothing.
    bend = np.abs(ahead - 2 * here + behind).max(initial=0.0) / STEP
    telling = np.isfinite(slope).all() and bend <= BEND * size
    if telling and np.abs(slope - along).max(initial=0.0) > DIFFERENCES * size:
        raise internal_error(result, "that of differences", along, slope)
    return True


def moves_so(run: Run, symbols: Mapping[str, Term], variable: Term, moving: Term, moved: Term) -> bool:
    """Whether a result moves as the engine says where a variable does by so much, at random points with numbers."""
    name, checked = variable.label, 0
    direction = np.random.default_rng(1).normal(size=variable.shape)
    with Quiet():
        for point in points(symbols, {}):
            numbers = {term: point[key] for key, term in symbols.items()}
            found = np.asarray(replay([moved], {**numbers, moving: direction})[0], dtype=float)
            _, expected = jvp(lambda x, at=point: run({**at, name: x}), (point[name],), (direction,))
            if not np.all(np.isfinite(found)) or not np.all(np.isfinite(expected)):
                continue
            if not np.allclose(found, expected, rtol=AGREEMENT, atol=AGREEMENT * (1 + np.max(np.abs(expected)))):
                raise internal_error(moved, "the engine's", found, np.asarray(expected))
            checked += 1
            if checked == POINTS:
                break
    return checked > 0


def engine(function: Callable[[Any], Any], shape: Shape, order: int) -> Callable[[Any], Any]:
    """The engine's own derivative of the computation as it was given."""
    if order == 1:
        return grad(function) if shape == () else jacobian(function)
    if order == 2 and shape == ():
        return hessian(function)
    return jacobian(engine(function, shape, order - 1))


def internal_error(result: Term, whose: str, found: Any, expected: Any) -> ChainruleError:
    """The error that nobody should ever see."""
    return ChainruleError(
        f"internal error, please report it: the symbolic derivative {result!r} gives {found.tolist()}, and {whose} "
        f"value is {expected.tolist()}"
    )

"""Points in the plane that show what a network can bend around: generated, with a seed.

Each gives ``(x, y)``: points of shape (count, 2), float32, in a shuffled order, and their classes of shape (count,),
int64. `noise` is the standard deviation of what is added to every coordinate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError

Points = tuple[NDArray[Any], NDArray[Any]]


def make_moons(count: int = 200, *, noise: float = 0.0, seed: int = 0) -> Points:
    """Two half circles that reach into each other: the upper is class 0, the lower class 1.

    The upper runs over (cos t, sin t), the lower over (1 − cos t, ½ − sin t), t evenly from 0 to π; with an odd `count`
    the lower has one point more. Fewer than two points or a negative noise raise `DataError`.

    Source: F. Pedregosa et al., Scikit-learn: Machine Learning in Python, 2011, ``make_moons``.

    >>> import chainrule as cr
    >>> x, y = cr.data.make_moons(200, noise=0.1, seed=1)
    >>> x.shape, y.sum().item()
    ((200, 2), 100)
    """
    _check("make_moons", count, 2, noise)
    upper, lower = (np.linspace(0, np.pi, part) for part in (count // 2, count - count // 2))
    curves = [_points(np.cos(upper), np.sin(upper)), _points(1 - np.cos(lower), 0.5 - np.sin(lower))]
    return _mixed(curves, noise, seed)


def make_circles(count: int = 200, *, factor: float = 0.8, noise: float = 0.0, seed: int = 0) -> Points:
    """A circle of radius 1, class 0, around one of radius `factor`, class 1: no line separates them.

    With an odd `count` the inner has one point more. A factor outside 0 to 1, fewer than two points or a negative noise
    raise `DataError`.

    Source: F. Pedregosa et al., Scikit-learn: Machine Learning in Python, 2011, ``make_circles``.

    >>> import chainrule as cr
    >>> x, y = cr.data.make_circles(100, factor=0.5)
    >>> sorted({round(float(radius), 3) for radius in (x**2).sum(axis=1) ** 0.5})
    [0.5, 1.0]
    """
    _check("make_circles", count, 2, noise)
    if not 0 <= factor < 1:
        raise DataError(f"make_circles: factor, the inner radius, is at least 0 and below 1, not {factor}")
    curves: list[NDArray[Any]] = []
    for radius, part in ((1.0, count // 2), (factor, count - count // 2)):
        turn = np.linspace(0, 2 * np.pi, part, endpoint=False)
        curves.append(_points(radius * np.cos(turn), radius * np.sin(turn)))
    return _mixed(curves, noise, seed)


def make_spirals(count: int = 200, *, arms: int = 2, turns: float = 1.5, noise: float = 0.0, seed: int = 0) -> Points:
    """Spiral arms wound around each other, one class each: hard for a network, easy for the eye.

    Arm k holds the points at radius r and angle 2π(`turns`·r + k / `arms`), r evenly from near 0 to 1; the first arms
    have one point more where `count` does not divide. Fewer points than arms, or a negative noise, raise `DataError`.

    Source: K. Lang and M. Witbrock, Learning to tell two spirals apart, 1988 (three turns there).

    >>> import chainrule as cr
    >>> x, y = cr.data.make_spirals(150, arms=3)
    >>> [int((y == arm).sum()) for arm in range(3)]
    [50, 50, 50]
    """
    if arms < 1:
        raise DataError(f"make_spirals: there is at least one arm, not {arms}")
    _check("make_spirals", count, arms, noise)
    curves: list[NDArray[Any]] = []
    for arm in range(arms):
        part = len(range(arm, count, arms))
        radius = np.arange(1, part + 1) / part
        angle = 2 * np.pi * (turns * radius + arm / arms)
        curves.append(_points(radius * np.cos(angle), radius * np.sin(angle)))
    return _mixed(curves, noise, seed)


def make_xor(count: int = 4, *, noise: float = 0.0, seed: int = 0) -> Points:
    """The corners of a square, with class 1 where exactly one coordinate is 1: the least that one layer cannot learn.

    The corners (0,0), (0,1), (1,0), (1,1) follow each other again and again, unshuffled, so that four points are the
    truth table. Fewer than one point or a negative noise raise `DataError`.

    Source: M. Minsky and S. Papert, Perceptrons, 1969.

    >>> import chainrule as cr
    >>> x, y = cr.data.make_xor()
    >>> x.tolist(), y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    _check("make_xor", count, 1, noise)
    corner = np.arange(count) % 4
    first, second = corner // 2, corner % 2
    x = _points(first, second) + np.random.default_rng(seed).normal(0.0, noise, (count, 2))
    return x.astype(np.float32), first ^ second


def _check(name: str, count: int, least: int, noise: float) -> None:
    if count < least:
        raise DataError(f"{name}: count is at least {least}, not {count}")
    if not noise >= 0:
        raise DataError(f"{name}: noise is a standard deviation, at least 0, not {noise}")


def _points(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    return np.stack([first, second], axis=1)


def _mixed(curves: Sequence[NDArray[Any]], noise: float, seed: int) -> Points:
    """All curves in one, numbered, shuffled and shaken."""
    rng = np.random.default_rng(seed)
    x = np.concatenate(curves)
    y = np.repeat(np.arange(len(curves)), [len(curve) for curve in curves])
    order = rng.permutation(len(x))
    return (x[order] + rng.normal(0.0, noise, x.shape)).astype(np.float32), y[order]

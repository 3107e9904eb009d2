"""mpmath as the last judge of a step: what it gives in hundreds of digits, where its function is smooth.

The other judges compute with doubles, and where numbers are huge or tiny their formulas run over although the answer is
an ordinary number. Asked for are the steps whose functions are known here: pointwise rules, products, lengths and
deviations, and what selects. Entries about which nothing can be said, such as those at a kink, come out masked.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from in_mpmath import function_of, mp
from random_programs import LISTS, POINTWISE, Step

from chainrule.core.state import quietly

if TYPE_CHECKING:
    from agreement import Case

Array = np.ndarray[Any, Any]
UNKNOWN = None
FAR = "1e40"
"""What stands for infinity: there every function of the book has come as near to its limit as a double can tell."""

SELECTING = {"max": (1,), "min": (-1,), "ptp": (1, -1), "max_of_list": (1,), "min_of_list": (-1,)}
"""What takes the largest (1) and the smallest (-1); the spread takes both."""
LENGTHS = ("norm", "std")
PRODUCTS = ("prod", "cumprod", "prod_of_list")


def answers(step: Step, case: Case, wanted: dict[tuple[str, int], Any]) -> dict[str, list[Any]]:
    """What is right, aspect by aspect, as the other judges say it; nothing where the function is not known here.

    `wanted` are masks of the entries that are asked for, by aspect and place; of pointwise rules the others are masked.
    """
    if step.name in POINTWISE and function_of(step.name) is not None:
        found = quietly(pointwise, step, case, wanted)
    elif step.name in (*PRODUCTS, *LENGTHS, *SELECTING) and step.settings.get("ord") in (None, "fro"):
        found = quietly(along_axes, step, case)
    else:
        return {}
    kinds = {"value": [np.asarray(case.found["value"][0][0]).dtype]}
    return {
        aspect: [in_doubles(x, kind) for x, kind in zip(parts, kinds.get(aspect, own_types(case)), strict=True)]
        for aspect, parts in found.items()
    }


def own_types(case: Case) -> list[Any]:
    return [x.dtype for x in case.xs]


def in_doubles(x: Any, kind: Any) -> Any:
    """Numbers of mpmath rounded to a type, and masked where they are unknown."""
    x = np.asarray(x, object)
    unknown = np.array([e is UNKNOWN for e in x.ravel()], bool).reshape(x.shape)
    numbers = np.array([0.0 if e is UNKNOWN else double(e) for e in x.ravel()], float).reshape(x.shape)
    return np.ma.masked_array(quietly(numbers.astype, kind), unknown)


def double(x: Any) -> float:
    x = mp.mpc(x)
    return float("nan") if x.imag else float(x.real)


# Pointwise rules


def pointwise(step: Step, case: Case, wanted: dict[tuple[str, int], Any]) -> dict[str, list[Any]]:
    """Local derivatives by differences at so many digits that nothing is lost, times what came back or moves."""
    rule = POINTWISE[step.name]
    settings = tuple(step.settings.items())
    shape = np.broadcast_shapes(*[np.shape(x) for x in case.leaves])
    numbers = [np.broadcast_to(np.asarray(x, float), shape) for x in case.leaves]
    points = list(zip(*[x.ravel().tolist() for x in numbers], strict=True))
    g = np.broadcast_to(np.asarray(case.g, float), shape)
    tangents = {k: np.broadcast_to(t, shape) for k, t in zip(case.moving, case.tangents, strict=True)}
    count = len(case.leaves)

    def local(aspect: str, k: int, *orders: int) -> Array:
        asked = np.broadcast_to(wanted.get((aspect, k), False), shape).ravel()
        found = [
            slope(step.name, settings, point, orders) if now else UNKNOWN
            for point, now in zip(points, asked, strict=True)
        ]
        return np.array(found, object).reshape(shape)

    unit = np.eye(count, dtype=int)
    passed = taken if rule.selects else times
    shares = [passed(g, local("gradient", n, *unit[k])) for n, k in enumerate(case.moving)]
    curved = [
        plus(passed(tangents[j], local("second order", n, *(unit[k] + unit[j]))) for j in case.moving)
        for n, k in enumerate(case.moving)
    ]
    shapes = [x.shape for x in case.xs]
    return {
        "value": [local("value", 0, *[0] * count)],
        "gradient": [onto(x, s) for x, s in zip(shares, shapes, strict=True)],
        "second order": [onto(x, s) for x, s in zip(curved, shapes, strict=True)],
    }


@cache
def slope(name: str, settings: Any, point: tuple[float, ...], orders: tuple[int, ...]) -> Any:
    """A derivative at a point, or the value; None where there is none, or where it is not the same on all sides.

    At the end of a domain the sides are those within. The same are numbers whose difference is nothing beside what a
    function of this size has for a derivative where it changes within the least of the inputs.
    """
    if any(np.isnan(point)) or sum(map(np.isinf, point)) > bool(sum(orders)):
        return UNKNOWN
    function = function_of(name)
    given = [mp.mpf(x) if type(x) is float else x for _, x in settings]
    sizes = [abs(x) for x in point if x and np.isfinite(x)]
    span = mp.log10(max([1.0, *sizes])) - mp.log10(min([1.0, *sizes])) + (40 if np.isinf(point).any() else 0)
    with mp.workdps(int(120 + 4 * span)):
        at = [mp.sign(x) * mp.mpf(FAR) if np.isinf(x) else mp.mpf(x) for x in point]
        order, unit = sum(orders), min([mp.mpf(1), *[mp.mpf(x) for x in sizes]])
        step = unit * mp.mpf("1e-30")
        if not order:
            return tried(lambda: function(*at, *given))

        def beside(sides: tuple[int, ...], far: int) -> Any:
            place = tuple([x + far * side * step for x, side in zip(at, sides, strict=True)])
            return tried(lambda: mp.diff(lambda *xs: function(*xs, *given), place, orders, h=step))

        sides = list(itertools.product((-1, 1), repeat=len(at)))
        around = [beside(side, 10) for side in sides]
        if UNKNOWN in around:  # the end of a domain, if there is a limit from within
            within = [side for side, x in zip(sides, around, strict=True) if x is not UNKNOWN]
            around = [x for side in within for x in (beside(side, 10), beside(side, 1000))]
        if not around or any(x is UNKNOWN or not mp.isfinite(x) for x in around):
            return UNKNOWN
        value = tried(lambda: function(*at, *given))
        natural = (
            max([1, *map(abs, around)]) if value is UNKNOWN else max(1, *map(abs, around), abs(value / unit**order))
        )

        def same(x: Any) -> bool:
            return x is not UNKNOWN and abs(x - around[0]) <= natural * mp.mpf("1e-9")

        here = beside((0,) * len(at), 0)  # beside a branch cut it is no derivative, though both sides have the same
        return UNKNOWN if not all(map(same, around)) else here if same(here) else around[0]


def tried(function: Any) -> Any:
    """A real number of mpmath, or None where there is none."""
    try:
        found = mp.mpc(function())
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        return UNKNOWN
    return UNKNOWN if found.imag else found.real


def known(function: Any) -> Any:
    """An elementwise function of mpmath's numbers that gives None where an argument is None."""
    return np.frompyfunc(lambda *xs: UNKNOWN if any(x is UNKNOWN for x in xs) else function(*xs), 2, 1)


times = known(lambda g, d: mp.mpf(double(g)) * mp.mpf(double(d)))
taken = known(lambda g, d: mp.mpf(0) if d == 0 else mp.mpf(double(g)) * mp.mpf(double(d)))
sums = known(lambda x, y: x + y)


def plus(parts: Iterator[Array]) -> Array:
    total: Any = None
    for part in parts:
        total = part if total is None else sums(total, part)
    return np.asarray(total, object)


def onto(x: Any, shape: tuple[int, ...]) -> Array:
    """The sum over what was repeated."""
    x = np.asarray(x, object)
    while x.ndim > len(shape):
        x = added(x, 0)
    for axis, n in enumerate(shape):
        if n == 1 and x.shape[axis] != 1:
            x = np.expand_dims(added(x, axis), axis)
    return x


def added(x: Array, axis: int) -> Array:
    parts = list(np.moveaxis(x, axis, 0))
    return plus(iter(parts)) if parts else np.full(np.delete(x.shape, axis), mp.mpf(0), object)


# What runs along axes


def along_axes(step: Step, case: Case) -> dict[str, list[Any]]:
    """Every row of what is reduced by itself."""
    listed = step.name in LISTS
    x = np.stack([np.asarray(e, float) for e in case.leaves]) if listed else np.asarray(case.leaves[0], float)
    t = np.zeros(x.shape)
    if listed:
        for k, tangent in zip(case.moving, case.tangents, strict=True):
            t[k] += tangent
    else:
        t = np.asarray(case.tangents[0], float)
    axis = step.settings.get("axis")
    axes = tuple(range(x.ndim)) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)
    rest = [k for k in range(x.ndim) if k not in axes]
    there = (*rest, *axes)
    row = int(np.prod([x.shape[k] for k in axes]))
    shape = tuple(x.shape[k] for k in there)
    whole = step.name == "cumprod"

    def in_rows(a: Any) -> Array:
        return np.transpose(a, there).reshape(-1, row)

    def back(rows: list[Any]) -> Array:
        return np.transpose(np.array(rows, object).reshape(shape), np.argsort(there))

    ends = in_rows(case.g) if whole else np.asarray(case.g, float).reshape(-1, 1)
    with mp.workdps(1500):
        found = [by_row(step.name, *map(list, rows)) for rows in zip(in_rows(x), ends, in_rows(t), strict=True)]
    values, shares, curved = ([part[k] for part in found] for k in range(3))
    value = back(values) if whole else np.array(values, object).reshape(np.shape(case.found["value"][0][0]))
    gradient, second = back(shares), back(curved)
    if listed:
        gradient, second = [list(gradient[list(case.moving)]), list(second[list(case.moving)])]
        return {"value": [value], "gradient": gradient, "second order": second}
    return {"value": [value], "gradient": [gradient], "second order": [second]}


def by_row(name: str, x: Any, g: Any, t: Any) -> tuple[Any, Any, Any]:
    """The value, the gradient of what came back, and how the gradient of ones moves, of one row."""
    if name in SELECTING:
        found = [selected(np.array(x) * sign, sign, g[0]) for sign in SELECTING[name]]
        if len(found) == 1:
            return found[0]
        (largest, there, flat), (smallest, here, _) = found
        return (largest - smallest, [p - q for p, q in zip(there, here, strict=True)], flat)
    unknown = [UNKNOWN] * len(x)
    if not np.isfinite(x).all():
        return (unknown if name == "cumprod" else UNKNOWN), unknown, unknown
    if not np.isfinite(g).all():
        value, _, curved = by_row(name, x, [0.0] * len(g), t)
        return value, unknown, curved
    x, g, t = ([mp.mpf(float(e)) for e in part] for part in (x, g, t))
    if name in LENGTHS:
        return of_length(x, g[0], t, name == "std")
    ends = [*range(len(x))] if name == "cumprod" else [len(x) - 1]
    g = dict(zip(ends, g, strict=True))

    def product(upto: int, *without: int) -> Any:
        return mp.fprod([e for k, e in enumerate(x[: upto + 1]) if k not in without])

    values = [product(k) for k in ends]
    shares = [mp.fsum(g[k] * product(k, i) for k in ends if k >= i) for i in range(len(x))]
    curved = [
        mp.fsum(t[j] * product(k, i, j) for k in ends for j in range(k + 1) if k >= i and j != i) for i in range(len(x))
    ]
    return ((values if name == "cumprod" else values[0] if values else mp.mpf(1)), shares, curved)


def selected(x: Array, sign: int, g: Any) -> tuple[Any, Any, Any]:
    """The largest entries share; where one is nan, those do. What is not taken has 0 of anything."""
    largest = np.max(x) if x.size else np.nan
    there = np.isnan(x) if np.isnan(largest) else x == largest
    share = mp.mpf(float(g)) / int(there.sum()) if there.any() else UNKNOWN
    return (mp.mpf(float(sign * largest)), [share if e else mp.mpf(0) for e in there], [mp.mpf(0)] * len(x))


def of_length(x: Any, g: Any, t: Any, centred: bool) -> tuple[Any, Any, Any]:
    """A norm, or a standard deviation; at 0 there is a kink."""
    count = len(x) if centred else 1
    if centred and x:
        x, t = ([e - mp.fsum(part) / count for e in part] for part in (x, t))
    length = mp.sqrt(mp.fsum(e * e for e in x) / max(count, 1))
    if not length:
        return length, [UNKNOWN] * len(x), [UNKNOWN] * len(x)
    inner = mp.fsum(e * s for e, s in zip(x, t, strict=True)) / count
    shares = [g * e / (length * count) for e in x]
    return (length, shares, [(s - e * inner / length**2) / (length * count) for e, s in zip(x, t, strict=True)])

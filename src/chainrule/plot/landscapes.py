"""Functions of two numbers, and descent on them: gradients on contours, loss surfaces, paths, and rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.core.graph import gradients_of
from chainrule.core.labels import find_labels
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, FormulaError, ShapeError
from chainrule.kinds import what_is
from chainrule.plot.arguments import above, numbers, whole
from chainrule.plot.curves import in_order
from chainrule.plot.functions import Function, finite_part, in_pieces, letters, range_of, shown
from chainrule.plot.style import DASHES, for_lines, headed, in_space, key_below, themed

SIDE = 81
LEVELS = 14
Factory = Callable[[Sequence[Any]], Any]


def gradient(f: Any, at: Sequence[float], *, span: float = 2.0, theme: str = "light") -> list[Any]:
    """The gradient as an arrow across the contours, the slices whose slopes are its parts, and the tangent plane.

    `f` is a formula or a function of two numbers, `at` the point. Returns three axes: contours, slices, and in 3-d the
    surface with its tangent plane. Where the function or a slope is not finite, arrow, tangents and plane are left out.
    FormulaError where it is finite nowhere around.

    >>> import chainrule as cr
    >>> contours, slices, space = cr.plot.gradient("x**2 + 3*x*y", (1.0, 2.0))
    >>> contours.get_title()
    '∇f = (8, 3), length 8.544, across the contours'
    """
    x0, y0 = numbers(at, "the point", 2)
    span = above(span, "span")
    f2 = Function(f, ("x", "y"))
    value, (gx, gy) = f2.at(x0, y0)
    x, y = np.linspace(x0 - span, x0 + span, SIDE), np.linspace(y0 - span, y0 + span, SIDE)
    grid = np.meshgrid(x, y)
    z = f2.values(*grid)
    bottom, top = range_of(z)
    z = finite_part(np.clip(z, bottom, top))
    is_smooth = bool(np.isfinite([value, gx, gy]).all())
    first, second = f2.names
    with themed(theme) as (plt, inks):
        figure = plt.figure(figsize=(13.0, 4.2))
        contours, slices = figure.add_subplot(1, 3, 1), figure.add_subplot(1, 3, 2)
        space = in_space(figure, 3, 3, inks)
        drawn = contours.contour(x, y, z, LEVELS, cmap=for_lines(plt, theme), linewidths=1.0)
        contours.clabel(drawn, fontsize=7)
        length = float(np.hypot(gx, gy))
        scale = 0.45 * span / length if np.isfinite(length) and length > 0 else 0.0
        if is_smooth:
            along = {"angles": "xy", "scale_units": "xy", "scale": 1.0}
            contours.quiver([x0], [y0], [gx * scale], [gy * scale], **along, width=0.012, color=inks["grad"])
        contours.plot([x0], [y0], "o", color=inks["grad"])
        title = f"∇f = ({shown(gx)}, {shown(gy)})"
        if not is_smooth:
            title = f"no gradient at ({shown(x0)}, {shown(y0)}), where f is {shown(value)}"
        elif length:
            title = f"{title}, length {shown(length)}, across the contours"
        contours.set(xlabel=first, ylabel=second, aspect="equal")
        headed(contours, title)
        offsets = np.linspace(-span, span, SIDE)
        for n, (name, slope, (run, slopes)) in enumerate(
            ((first, gx, f2.with_slopes(x0 + offsets, y0)), (second, gy, f2.with_slopes(x0, y0 + offsets)))
        ):
            if not np.isfinite(run).any():
                continue
            (line,) = slices.plot(
                *in_pieces(offsets, run, slopes[n]),
                linestyle=DASHES[n],
                linewidth=2.0,
                label=f"along {name}, slope {shown(slope)}",
            )
            if is_smooth:
                tangent, ink = value + slope * offsets, line.get_color()
                slices.plot(offsets, tangent, ":", color=ink, linewidth=1.3, label=f"its tangent in {name}")
        slices.set(xlabel="step from the point", ylabel=f2.head())
        headed(slices, f"slices through ({shown(x0)}, {shown(y0)})")
        slices.legend()
        space.plot_surface(*grid, z, cmap="viridis", alpha=0.75, linewidth=0)
        near = np.meshgrid(x[SIDE // 4 : -(SIDE // 4)], y[SIDE // 4 : -(SIDE // 4)])
        if is_smooth:
            plane = value + gx * (near[0] - x0) + gy * (near[1] - y0)
            space.plot_surface(*near, plane, color=inks["grad"], alpha=0.45, linewidth=0)
        title = "the tangent plane" if is_smooth else f"no tangent plane where f is {shown(value)}"
        space.set(xlabel=first, ylabel=second, title=title)
        figure.suptitle(f2.titled())
    return [contours, slices, space]


class Landscape:
    """A loss over two numbers: a function of them, or a program's loss over two entries of its weights."""

    def __init__(self, f: Any, weights: Sequence[Any] | None) -> None:
        self.weights = None if weights is None else [entry_of(weight) for weight in weights]
        if self.weights is None:
            self.f = Function(f, ("x", "y"))
            self.names: tuple[str, ...] = self.f.names
            self.title = self.f.titled()
        else:
            if len(self.weights) != 2 or not callable(f):
                raise DtypeError(
                    "surface over weights takes a function that computes the loss, and two entries of weights"
                )
            (first, place, _), (second, other, _) = self.weights
            if first is second and place == other:
                raise DtypeError("surface over weights takes two entries, and these are one and the same")
            self.loss = f
            self.names = tuple([f"{name or 'w'}[{', '.join(map(str, place))}]" for _, place, name in self.weights])
            self.title = f"the loss over {' and '.join(self.names)}"

    def here(self) -> tuple[float, float]:
        """Where the two weights are now."""
        assert self.weights is not None
        first, second = [float(parameter.data[place]) for parameter, place, _ in self.weights]
        return first, second

    def values(self, x: Any, y: Any) -> Any:
        """The loss at each pair; the weights are put back."""
        if self.weights is None:
            return self.f.values(x, y)
        start = self.here()
        try:
            with cr.no_grad():
                return np.vectorize(lambda a, b: float(self.run(a, b).data), otypes=[float])(x, y)
        finally:
            self.put(*start)

    def at(self, x: float, y: float) -> tuple[float, Any]:
        """The loss at a pair, and its gradient there."""
        if self.weights is None:
            value, slopes = self.f.at(x, y)
            return value, np.array(slopes)
        out = self.run(x, y)
        parameters = list(dict.fromkeys([parameter for parameter, _, _ in self.weights]))
        found = gradients_of([out], [np.ones(out.shape, out.dtype)], parameters, record=False)
        by = dict(zip(parameters, found, strict=True))
        parts = [0.0 if by[p] is None else float(by[p][place]) for p, place, _ in self.weights]
        return float(out.data), np.array(parts)

    def run(self, x: float, y: float) -> Any:
        """The program's loss with these two weights."""
        self.put(x, y)
        out = self.loss()
        if not isinstance(out, Tensor) or out.shape:
            given = f"shape {out.shape}" if isinstance(out, Tensor) else what_is(out)
            raise ShapeError(f"a loss that is drawn is one Tensor of shape (), and this function gives {given}")
        return out

    def put(self, x: float, y: float) -> None:
        """Give the two weights these numbers."""
        assert self.weights is not None
        with cr.no_grad():
            for (parameter, place, _), number in zip(self.weights, (x, y), strict=True):
                parameter[place] = number

    def path(self, factory: Factory, start: Sequence[float], steps: int) -> tuple[Any, Any]:
        """The points that an optimizer visits, and the losses there."""
        knobs = [Tensor(float(x), dtype=float, requires_grad=True) for x in start]
        optimizer = factory(knobs)
        points, losses = list[Any](), list[float]()
        for _ in range(steps + 1):
            point = [float(knob.data) for knob in knobs]
            value, slopes = self.at(*point)
            points.append(point)
            losses.append(value)
            if not np.isfinite(value):
                break
            for knob, slope in zip(knobs, slopes, strict=True):
                knob.grad = Tensor(slope, dtype=float)
            optimizer.step()
        return np.array(points), np.array(losses)


def entry_of(weight: Any) -> tuple[Any, tuple[int, ...], str]:
    """An entry of a parameter: a pair of it and a place, with its name."""
    parameter, place = weight if isinstance(weight, Sequence) and len(weight) == 2 else (weight, ())
    place = tuple(place) if isinstance(place, Sequence) else (place,)
    are_whole = all([isinstance(i, int | np.integer) for i in place])
    if not isinstance(parameter, Tensor) or len(place) != parameter.ndim or not are_whole:
        raise ShapeError("an entry of weights is a pair of a parameter and a place in it, as (net[0].weight, (0, 1))")
    if not all([-size <= i < size for i, size in zip(place, parameter.shape, strict=True)]):
        raise ShapeError(f"a parameter of shape {parameter.shape} has no entry {list(place)}, counted from 0")
    place = tuple([i % size for i, size in zip(place, parameter.shape, strict=True)])
    return parameter, place, find_labels([parameter]).get(id(parameter), "")


OPTIMIZERS: dict[str, Factory] = {
    "SGD": lambda knobs: cr.optim.SGD(knobs, lr=0.02),
    "momentum": lambda knobs: cr.optim.SGD(knobs, lr=0.02, momentum=0.8),
    "RMSprop": lambda knobs: cr.optim.RMSprop(knobs, lr=0.08),
    "Adam": lambda knobs: cr.optim.Adam(knobs, lr=0.15),
}
"""Those that are compared where none are given."""


def surface(
    f: Any,
    weights: Sequence[Any] | None = None,
    *,
    start: Sequence[float] | None = None,
    optimizers: Mapping[str, Factory] | None = None,
    steps: int = 40,
    span: float = 3.0,
    theme: str = "light",
) -> list[Any]:
    """A loss over two numbers, in 3-d and as contours, with the paths of several optimizers from one start.

    `f` is a formula or a function of two numbers; or a function without arguments that computes a program's loss, with
    two `weights`, pairs of a parameter and a place in it, which are put back. `optimizers` makes an optimizer of two
    numbers by name. Returns two axes: the surface in 3-d, and the contours. Raises FormulaError where the start is no
    finite number, DtypeError or ShapeError for what are no two entries.

    >>> import chainrule as cr
    >>> space, contours = cr.plot.surface("x**2 + 10*y**2", start=(2.0, 1.0), steps=5)
    >>> [line.get_label().partition(":")[0] for line in contours.lines[:4]]
    ['SGD', 'momentum', 'RMSprop', 'Adam']
    """
    land = Landscape(f, weights)
    first = land.here() if weights is not None else (1.5, 1.0)
    start = numbers(first if start is None else start, "the start", 2)
    steps, span = whole(steps, "steps", least=0), above(span, "span")
    paths = {name: land.path(make, start, steps) for name, make in (optimizers or OPTIMIZERS).items()}
    if weights is not None:
        land.put(*first)
    points = np.concatenate([path[np.isfinite(path).all(1)] for path, _ in paths.values()])
    near = points[np.all(np.abs(points - np.array(start)) <= 3 * span, axis=1)]
    low, high = near.min(0), near.max(0)
    middle, reach = (low + high) / 2, np.maximum((high - low) / 2 * 1.25, span / 3)
    side = SIDE if weights is None else SIDE // 2
    x, y = [np.linspace(m - r, m + r, side) for m, r in zip(middle, reach, strict=True)]
    z = land.values(*np.meshgrid(x, y))
    low, high = range_of(z)
    z = finite_part(np.clip(z, low, high))
    with themed(theme) as (plt, inks):
        figure = plt.figure(figsize=(11.0, 4.8))
        space, contours = in_space(figure, 1, 2, inks), figure.add_subplot(1, 2, 2)
        space.plot_surface(*np.meshgrid(x, y), z, cmap="viridis", alpha=0.7, linewidth=0)
        spaced = np.nanquantile(z, np.linspace(0, 1, LEVELS + 2)[1:-1])
        levels = np.unique(spaced)
        contours.contour(x, y, z, levels if len(levels) > 1 else LEVELS, cmap=for_lines(plt, theme), linewidths=0.8)
        for n, (name, (path, losses)) in enumerate(paths.items()):
            told = f"{name}: {shown(losses[-1], 3)} after {len(path) - 1} steps"
            (line,) = contours.plot(
                *path.T, marker=MARKERS[n % len(MARKERS)], markersize=3, linestyle=DASHES[n % len(DASHES)], label=told
            )
            space.plot(
                *path.T, finite_part(losses), color=line.get_color(), linestyle=DASHES[n % len(DASHES)], zorder=9
            )
        contours.plot(*np.array([start]).T, "*", color=inks["ink"], markersize=12, label="_start")
        contours.set(xlabel=land.names[0], ylabel=land.names[1], title="paths from one start ★")
        contours.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        key_below(contours)
        space.set(xlabel=land.names[0], ylabel=land.names[1], title="the surface")
        space.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), zlim=(low, high))
        figure.suptitle(land.title)
    return [space, in_order(contours)]


FEW = 7
"""Ticks of an axis on which there would be too many."""
SHARES = (0.05, 0.25, 0.5, 0.95, 1.05)
"""Rates that are tried, as parts of the limit."""
MARKERS = ("o", "s", "^", "D", "v", "P")


def rates(
    f: Any, start: Any, rates: Sequence[float] | None = None, *, steps: int = 30, theme: str = "light"
) -> list[Any]:
    """Loss curves of plain descent over a sweep of rates, and where the limit lies: 2/λ, with λ the largest curvature.

    `f` is a formula of one or two numbers, or a function of one array, `start` where descent begins. Beyond 2/λ, λ
    being the largest eigenvalue of the Hessian at the minimum, steps lead away from it. Returns two axes: the loss by
    step, and the last loss by rate, on which the limit is marked; raises FormulaError where loss or curvature is not
    finite.

    >>> import chainrule as cr
    >>> curves, limit = cr.plot.rates("x**2 + 5*y**2", (1.0, 1.0), [0.05, 0.15, 0.25], steps=10)
    >>> limit.get_title()
    'the limit is 2/λ = 0.2'
    """
    begin = np.array(numbers(np.atleast_1d(start), "the start"))
    run = f if callable(f) else on_one_array(f, len(begin))
    steps = whole(steps, "steps")
    first = float(np.asarray(run(begin)))
    if not np.isfinite(first):
        raise FormulaError(f"descent begins at a finite loss, and it is {shown(first)} at the start: choose another")
    least = minimum(run, begin)
    bend = np.atleast_2d(cr.hessian(run)(least))
    if not np.isfinite(bend).all():
        raise FormulaError(
            f"where descent ends, at {shown_point(least)}, the curvature is not finite: there is no limit"
        )
    bends = np.linalg.eigvalsh(bend)
    # Where it bends down there is no minimum, and descent never ends, whatever the rate.
    is_lowest = bool(bends[0] >= -1e-8 * np.abs(bends).max())
    edge = 2 / float(bends[-1]) if is_lowest and bends[-1] > 0 else np.inf
    size = edge if np.isfinite(edge) else 1.0
    swept = sorted([size * share for share in SHARES] if rates is None else numbers(rates, "rates"))
    if not swept or swept[0] <= 0:
        raise FormulaError("descent is drawn for rates above 0: give at least one, as [0.05, 0.1]")
    found = {rate: descended(run, begin, rate, steps) for rate in swept}
    with themed(theme) as (plt, inks):
        figure = plt.figure(figsize=(11.0, 4.4))
        curves, limit = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
        for n, (rate, losses) in enumerate(found.items()):
            beyond = " > 2/λ" if rate > edge else ""
            curves.plot(
                losses,
                linestyle=DASHES[n % len(DASHES)],
                marker=MARKERS[n % len(MARKERS)],
                markersize=3,
                label=f"rate {shown(rate, 3)}{beyond}",
            )
        last = [losses[-1] for losses in found.values()]
        ends = range_of(np.concatenate([*found.values()]), share=0.0)
        scale = "log" if ends[0] > 0 else "linear" if ends[1] <= 2 * abs(first) else "symlog"
        curves.set(xlabel="step", ylabel="loss", title="plain descent")
        curves.legend()
        limit.plot(swept, last, "o-", label="loss at the end")
        if np.isfinite(edge):
            limit.axvline(edge, color=inks["wrong"], linestyle="--", label="2/λ")
        limit.set(
            xlabel="rate",
            ylabel=f"loss after {steps} steps",
            title=f"the limit is 2/λ = {shown(edge, 4)}"
            if np.isfinite(edge)
            else f"no {'curvature' if is_lowest else 'minimum'}, and so no limit",
        )
        for axes in (curves, limit):
            # Near 0, where a logarithm has no place, the axis is straight.
            smallest = np.abs(np.concatenate([*found.values()]))
            near = {"linthresh": max(float(np.min(smallest[smallest > 0], initial=1.0)), 1e-16)}
            axes.set_yscale(scale, **(near if scale == "symlog" else {}))
            if scale == "symlog" and ends[0] >= 0:
                axes.set_ylim(bottom=0.0)
                axes.yaxis.get_major_locator().set_params(numticks=FEW)
        limit.locator_params(axis="x", nbins=6)
        limit.legend()
        figure.suptitle(Function(f, letters(len(begin))).titled() if isinstance(f, str) else "")
    return [curves, limit]


def shown_point(point: Any) -> str:
    """A point, or the one number that it is."""
    parts = ", ".join([shown(float(x)) for x in point])
    return f"({parts})" if len(point) > 1 else parts


def on_one_array(text: str, count: int) -> Callable[[Any], Any]:
    """A formula of some numbers as a function of one array."""
    f = Function(text, letters(count))
    return lambda point: f.call(*[point[i] for i in range(count)])


def descended(f: Callable[[Any], Any], start: Any, rate: float, steps: int) -> list[float]:
    """The losses of plain descent; it ends where they are no numbers."""
    both = cr.value_and_grad(f)
    point = np.array(start, dtype=float)
    losses: list[float] = []
    for _ in range(steps + 1):
        value, slope = both(point)
        if not np.isfinite(value):
            break
        losses.append(float(value))
        point = point - rate * slope
    return losses


def minimum(f: Callable[[Any], Any], start: Any, steps: int = 200) -> Any:
    """A point near the minimum: Newton's steps while they lower the loss, else a short way down the slope."""
    both, bend = cr.value_and_grad(f), cr.hessian(f)
    point = np.array(start, dtype=float)
    value, slope = both(point)
    for _ in range(steps):
        curvature = np.atleast_2d(bend(point))
        if not (np.isfinite(curvature).all() and np.isfinite(slope).all()):
            return point
        step = np.linalg.lstsq(curvature, slope, rcond=None)[0]
        for way in (step, 0.1 * step, slope, 0.1 * slope, 0.01 * slope, 1e-4 * slope):
            lower, next_slope = both(point - way)
            if np.isfinite(lower) and lower < value:
                point, value, slope = point - way, lower, next_slope
                break
        else:
            return point
    return point

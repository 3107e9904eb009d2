"""Networks seen from outside and inside: what they decide, what layers do, how gradients fare, what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn.layers import Linear
from chainrule.nn.module import Module
from chainrule.plot.arguments import above, as_images, finite_rows, whole
from chainrule.plot.functions import finite_part, range_of
from chainrule.plot.style import CYCLES, for_signs, headed, key_below, one_axes, several, themed
from chainrule.table import Table

MARKERS = ("o", "^", "s", "D", "v", "P")
SIDE = 160
MOST_UPRIGHT = 8
"""Layers whose names have room beside each other."""


def outputs_of(net: Any, x: Any) -> Any:
    """What a network or a function gives for some rows, as an array."""
    with cr.no_grad():
        out = net(np.asarray(x, dtype=dtype_of(net)))
    return np.asarray(getattr(out, "data", out))


def dtype_of(net: Any) -> Any:
    """The type of a network's numbers."""
    first: Any = next(iter(net.parameters()), None) if isinstance(net, Module) else None
    return np.float64 if first is None else first.dtype


def boundary(net: Any, x: Any, y: Any, *, ax: Any = None, theme: str = "light") -> Any:
    """What a network says over the plane of its two inputs, with the points it learned from.

    `net` is a module or a function that gives a score for each row (above 0 the second class is said) or one for each
    class; `x` has two columns, `y` a class for each row. Returns the axes.

    >>> import chainrule as cr, numpy as np
    >>> x = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> axes = cr.plot.boundary(lambda rows: rows.sum(1) - 1.0, x, [0, 1])
    >>> [points.get_label() for points in axes.collections[-2:]]
    ['0', '1']
    """
    x, classes = np.asarray(x, dtype=float), np.asarray(y).ravel()
    if x.ndim != 2 or x.shape[1] != 2 or len(x) != len(classes):
        raise ShapeError(f"a boundary is drawn over two inputs: x has shape {x.shape} and y {classes.shape}")
    if not len(x):
        raise ShapeError("a boundary is drawn around points: give at least one")
    finite_rows(x, "x")
    finite_rows(classes, "y")
    known = np.unique(classes)
    low, high = x.min(0), x.max(0)
    rim = 0.15 * np.where(high > low, high - low, 1.0)
    first, second = [np.linspace(a, b, SIDE) for a, b in zip(low - rim, high + rim, strict=True)]
    grid = np.stack(np.meshgrid(first, second), -1)
    scores = outputs_of(net, grid.reshape(-1, 2)).reshape(SIDE, SIDE, -1)
    with themed(theme) as (plt, inks):
        ax = one_axes(plt, ax, theme, (5.6, 4.8))
        colours = CYCLES[theme]
        if scores.shape[-1] == 1:
            score = finite_part(scores[..., 0])
            low, high = range_of(scores[..., 0])
            reach = max(abs(low), abs(high))
            shades = ax.pcolormesh(
                first, second, score, cmap=for_signs(plt, theme), vmin=-reach, vmax=reach, alpha=0.6, shading="auto"
            )
            ax.figure.colorbar(shades, ax=ax, label="score", shrink=0.7)
            if low < 0 < high:
                ax.contour(first, second, score, [0.0], colors=[inks["ink"]], linewidths=1.6)
        else:
            for n in range(scores.shape[-1]):
                # Where a class leads the best of the others it is said; where neither leads the boundary is.
                lead = scores[..., n] - np.delete(scores, n, -1).max(-1)
                if not np.nanmin(lead) < 0 < np.nanmax(lead):
                    continue
                ax.contourf(
                    first, second, lead, [0.0, np.inf], colors=[colours[n % len(colours)]], alpha=0.25, extend="neither"
                )
                ax.contour(first, second, lead, [0.0], colors=[inks["ink"]], linewidths=1.2)
        for n, name in enumerate(known):
            rows = x[classes == name]
            # Of one score the shades are purple and orange, and so are the points.
            colour = colours[(3, 1)[n % 2] if scores.shape[-1] == 1 else n % len(colours)]
            ax.scatter(
                *rows.T,
                marker=MARKERS[(n + n // len(colours)) % len(MARKERS)],
                color=colour,
                edgecolors=inks["ink"],
                linewidths=0.6,
                label=f"{name:g}" if isinstance(name, float) else str(name),
                zorder=3,
            )
        ax.set(xlabel="x₁", ylabel="x₂")
        blank = "" if np.isfinite(scores).all() else ", blank where that is no finite number"
        headed(ax, f"what the network says{blank}")
        ax.grid(visible=False)
        key_below(ax, len(known), "class")
    return ax


def layers(net: Any, *, span: float = 1.5, lines: int = 13, theme: str = "light") -> list[Any]:
    """What each layer does to a grid of the plane, for a network whose layers are two wide.

    Linear layers that follow each other collapse: the panel of the later one shows, dashed, the one linear map that
    does what both do. Raises ShapeError where a layer has another width. Returns a panel for the inputs and one for
    each layer.

    >>> import chainrule as cr
    >>> net = cr.nn.Sequential(cr.nn.Linear(2, 2, rng=0), cr.nn.Tanh())
    >>> [panel.get_title() for panel in cr.plot.layers(net)]
    ['inputs', 'Linear(2, 2)', 'Tanh()']
    """
    span, lines = above(span, "span"), whole(lines, "lines")
    along = np.linspace(-span, span, 61)
    at = np.linspace(-span, span, lines)
    grid = np.array(
        [np.stack([np.full_like(along, c), along], -1) for c in at]
        + [np.stack([along, np.full_like(along, c)], -1) for c in at]
    )
    steps = list(net) if hasattr(net, "__iter__") else [net]
    pictures: list[tuple[str, Any, Any]] = [("inputs", grid, None)]
    now, before = grid, None
    for n, step in enumerate(steps):
        try:
            now = outputs_of(step, now.reshape(-1, 2)).reshape(*now.shape[:2], -1)
        except ShapeError as error:
            raise ShapeError(
                f"layer {n}, {step!r}, does not take 2 numbers, and a grid is drawn of 2: {error}"
            ) from error
        if now.shape[-1] != 2:
            raise ShapeError(
                f"layer {n}, {step!r}, gives {now.shape[-1]} numbers: a grid is drawn of layers that give 2"
            )
        joined = None
        if isinstance(step, Linear):
            own = np.asarray(step.weight.data), 0.0 if step.bias is None else np.asarray(step.bias.data)
            if before is not None:
                weight, bias, start = before
                own = own[0] @ weight, own[0] @ bias + own[1]
                joined = start @ own[0].T + own[1]
                before = *own, start
            else:
                before = *own, pictures[-1][1]
        else:
            before = None
        name = f"Linear{step.weight.shape[::-1]}" if isinstance(step, Linear) else repr(step)
        pictures.append((name if joined is None else f"{name}, dotted:\nlinear layers so far as one map", now, joined))
    with themed(theme) as (plt, inks):
        panels = several(plt, len(pictures), 2.9, 5)
        for panel, (title, points, joined) in zip(panels, pictures, strict=True):
            for k, line in enumerate(points):
                panel.plot(*line.T, color=CYCLES[theme][k // lines], linewidth=0.9)
            for line in () if joined is None else joined[:: max(lines // 3, 1)]:
                panel.plot(*line.T, color=inks["ink"], linestyle=":", linewidth=1.8)
            panel.set_title(title, fontsize="small")
            panel.set_aspect("equal", adjustable="datalim")
    return panels


def flow(table: Table, *, theme: str = "light") -> list[Any]:
    """How large the gradient is at each layer, and which units are idle: the table of `training.gradient_flow`.

    Returns two axes: ‖δ‖ and ‖∂L/∂W‖ by layer, and the share of dead and of saturated units.

    >>> import chainrule as cr
    >>> net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0), cr.nn.ReLU(), cr.nn.Linear(3, 1, rng=1))
    >>> table = cr.training.gradient_flow(net, [[1.0, 2.0]], [[1.0]], loss=cr.nn.MSELoss())
    >>> sizes, idle = cr.plot.flow(table)
    >>> [bars.get_label() for bars in sizes.containers]
    ['‖δ‖', '‖∂L/∂W‖']
    """
    if not isinstance(table, Table) or "delta" not in table.columns:
        raise DtypeError("the flow is drawn of the table that cr.training.gradient_flow(net, x, y, loss=...) gives")
    kinds = set(table["kind"])
    of = f"{min(kinds)} layer" if len(kinds) == 1 else "layer"
    named = zip(table["layer"], table["kind"], strict=True)
    names = [str(name) if len(kinds) == 1 else f"{name}\n{kind}" for name, kind in named]
    place = np.arange(len(names))
    units = np.array(table["units"], dtype=float)
    with themed(theme) as (plt, inks):
        figure = plt.figure(figsize=(10.0, 4.0))
        sizes, idle = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
        for n, (column, label) in enumerate((("delta", "‖δ‖"), ("gradient", "‖∂L/∂W‖"))):
            sizes.bar(
                place + 0.4 * n - 0.2,
                numbers(table[column]),
                0.38,
                label=label,
                hatch=("", "//")[n],
                edgecolor=inks["paper"],
            )
        for n, column in enumerate(("dead", "saturated")):
            share = 100 * numbers(table[column]) / units
            idle.bar(place + 0.4 * n - 0.2, share, 0.38, label=column, hatch=("", "//")[n], edgecolor=inks["paper"])
        for axes, title in ((sizes, "size of the gradient"), (idle, "idle units, %")):
            crowded = len(kinds) > 1 and len(names) > MOST_UPRIGHT
            axes.set_xticks(place, names, rotation=45 if crowded else 0, fontsize="small" if crowded else None)
            axes.set(xlabel=f"{of}, from the inputs", title=title)
            axes.legend()
        if np.any(numbers(table["delta"]) > 0):
            sizes.set_yscale("log")
        idle.set_ylim(0, 100)
        figure.suptitle(table.note, fontsize="small", wrap=True)
    return [sizes, idle]


def numbers(column: Sequence[Any]) -> Any:
    """A column as numbers; what is not said is 0."""
    return np.array([0.0 if x is None or x == "" else float(x) for x in column])


def weights(weight: Any, shape: tuple[int, int] | None = None, *, most: int = 16, theme: str = "light") -> list[Any]:
    """The weights of each unit as an image: what it looks for, in orange where it weighs for and purple where against.

    `weight` has a row for each unit, or is the row of one; `shape` is that of the inputs, square without it. Returns
    the panels, at most `most` of them; numbers that are not finite stay blank.

    >>> import chainrule as cr
    >>> panels = cr.plot.weights(cr.nn.Linear(16, 3, rng=0).weight)
    >>> len(panels), panels[0].images[0].get_array().shape
    (3, (4, 4))
    """
    images = as_images(getattr(weight, "data", weight), shape)[: whole(most, "most")]
    drawn = finite_part(images)
    reach = float(np.nanmax(np.abs(drawn), initial=0.0)) or 1.0
    with themed(theme) as (plt, inks):
        panels = several(plt, len(drawn), 1.7, 6)
        for n, (panel, row) in enumerate(zip(panels, drawn, strict=True)):
            image = panel.imshow(row, cmap=for_signs(plt, theme), vmin=-reach, vmax=reach)
            bare(panel, f"unit {n}" if np.isfinite(images[n]).all() else f"unit {n}, not finite", inks["faint"])
        panels[0].figure.colorbar(image, ax=panels, shrink=0.7, label="weight")
    return panels


def mistakes(
    net: Any,
    x: Any,
    y: Any,
    shape: tuple[int, int] | None = None,
    *,
    classes: Sequence[str] | None = None,
    most: int = 12,
    theme: str = "light",
) -> list[Any]:
    """The images that a classifier gets wrong, the surest mistakes first, with what it says and what is true.

    `x` has an image in each row (or axes of height and width), `y` the class of each, a whole number, and
    `classes` what they are called. Returns the panels, none where everything is right.

    >>> import chainrule as cr, numpy as np
    >>> panels = cr.plot.mistakes(lambda rows: np.eye(2)[[0, 0]], np.zeros((2, 4)), [0, 1])
    >>> [panel.get_title() for panel in panels]
    ['says 0, is 1']
    """
    images, truth = np.asarray(getattr(x, "data", x), dtype=float), np.asarray(y).ravel()
    scores = outputs_of(net, images)
    if scores.ndim != 2 or len(scores) != len(truth):
        raise DtypeError(f"mistakes need a score for each class of each row, and these have shape {scores.shape}")
    if not len(truth):
        return []
    if truth.dtype.kind not in "iuf" or not np.isin(truth, range(scores.shape[1])).all():
        raise DtypeError(f"y holds the class of each row, a whole number from 0 to {scores.shape[1] - 1}")
    truth = truth.astype(int)
    names: Any = np.arange(scores.shape[1]) if classes is None else np.array(classes)
    if len(names) != scores.shape[1]:
        raise ShapeError(f"{scores.shape[1]} classes have a name each, and {len(names)} were given")
    said = scores.argmax(1)
    is_nan = np.isnan(scores).any(1)
    wrong = np.flatnonzero((said != truth) | is_nan)
    lead = np.where(is_nan[wrong], np.inf, scores[wrong, said[wrong]] - scores[wrong, truth[wrong]])
    shown = wrong[np.argsort(-lead, kind="stable")][: whole(most, "most")]
    if not len(shown):
        return []
    pictures = as_images(images, shape)
    with themed(theme) as (plt, inks):
        panels = several(plt, len(shown), 1.7, 6)
        for panel, n in zip(panels, shown, strict=True):
            panel.imshow(pictures[n], cmap="gray" if theme == "dark" else "gray_r")
            bare(panel, f"says {'nan' if is_nan[n] else names[said[n]]}, is {names[truth[n]]}", inks["faint"])
        panels[0].figure.suptitle(f"{len(wrong):,} of {len(truth):,} wrong, the surest first")
    return panels


def bare(panel: Any, title: str, ink: str) -> None:
    """An image without ticks, in a thin frame."""
    panel.spines[:].set(visible=True, color=ink)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.grid(visible=False)
    panel.set_title(title, fontsize="small")

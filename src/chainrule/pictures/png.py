"""Drawings as PNG, through Matplotlib, without touching the figures that a program has open."""

# Matplotlib says little of its types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
from typing import Any

from chainrule.errors import MissingExtra
from chainrule.pictures.ink import LIGHT, THEMES, Block, Drawing, Line, Shape, Words
from chainrule.pictures.svg import bends, head

INCH = 100.0
"""Pixels of a drawing to an inch of a figure."""
FAMILY = ["DejaVu Sans", "STIXGeneral"]
"""The second, which comes with Matplotlib too, has the signs of mathematics that the first lacks."""
MOST_PIXELS = 20_000
"""Along one side; a larger picture is made smaller."""


def png(drawing: Drawing, theme: str = "light", scale: float = 2.0) -> bytes:
    """A drawing as the bytes of a PNG file, with `scale` pixels for each of the drawing's own."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "plot") from None
    colours = THEMES.get(theme, LIGHT)
    scale = min(scale, MOST_PIXELS / max(drawing.width, drawing.height))
    figure = Figure(figsize=(drawing.width / INCH, drawing.height / INCH), facecolor=colours["paper"])
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    axes.axis("off")
    groups = [shapes for _, shapes in (*drawing.arrows, *drawing.boxes)]
    for n, shape in enumerate([*drawing.behind, *[s for shapes in groups for s in shapes], *drawing.words]):
        put(axes, shape, colours, n)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=INCH * scale, facecolor=colours["paper"])
    return out.getvalue()


def put(axes: Any, shape: Shape, colours: dict[str, str], order: int) -> None:
    """One shape, over those before it."""
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon

    points = 72 / INCH
    match shape:
        case Block():
            r, radius = shape.rect, min(shape.radius, shape.rect.h / 2)
            style = f"round,pad=0,rounding_size={radius}" if radius else "square,pad=0"
            fill = colours.get(shape.fill, "none")
            dash = (0, tuple([float(x) for x in shape.dash.split()])) if shape.dash else "solid"
            axes.add_patch(
                FancyBboxPatch(
                    (r.x, r.y),
                    r.w,
                    r.h,
                    boxstyle=style,
                    facecolor=fill,
                    edgecolor=colours.get(shape.stroke, "none"),
                    linewidth=shape.thick * points,
                    linestyle=dash,
                    zorder=order,
                )
            )
        case Line():
            dash = (0, tuple([float(x) for x in shape.dash.split()])) if shape.dash else "solid"
            axes.add_patch(
                PathPatch(
                    bent(shape),
                    fill=False,
                    edgecolor=colours[shape.ink],
                    linewidth=shape.thick * points,
                    linestyle=dash,
                    capstyle="butt",
                    zorder=order,
                )
            )
            axes.add_patch(Polygon(list(head(shape)), color=colours[shape.ink], linewidth=0, zorder=order))
        case Words():
            where = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            axes.text(
                shape.x,
                shape.y,
                shape.text,
                color=colours[shape.ink],
                ha=where,
                va="baseline",
                zorder=order,
                fontsize=shape.size * points,
                weight="bold" if shape.bold else "normal",
                family=FAMILY,
                parse_math=False,
            )


def bent(shape: Line) -> Any:
    """The same path as an SVG has."""
    from matplotlib.path import Path

    (_, _, start), *rest = bends(shape)
    corners = [start, *[point for curve in rest for point in curve]]
    return Path(corners, [Path.MOVETO, *[Path.CURVE4] * (len(corners) - 1)])

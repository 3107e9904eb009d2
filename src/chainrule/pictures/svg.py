"""Drawings as SVG: one element that needs nothing beside it, light, dark, or as the reader's screen is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from chainrule.pictures.ink import DARK, LIGHT, THEMES, Block, Drawing, Line, Shape, Words
from chainrule.pictures.layout import HEAD, Point
from chainrule.pictures.widths import FONTS

AUTO = "auto"


def svg(drawing: Drawing, theme: str = AUTO) -> str:
    """A drawing as one SVG element.

    With the theme ``auto`` it is light, and dark where the reader's screen is dark; every text is escaped.
    """
    colours = THEMES.get(theme, LIGHT)
    w, h = f"{drawing.width:.0f}", f"{drawing.height:.0f}"
    size = f'viewBox="0 0 {w} {h}" width="{w}" height="{h}"'
    told = f'role="img" aria-label={quoteattr(drawing.title)}'
    font = f'class="chainrule-{theme}" font-family={quoteattr(FONTS)}'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {told} {font}>',
        f"<title>{escape(drawing.title)}</title>",
    ]
    if theme == AUTO:
        lines.append(f"<style>@media (prefers-color-scheme: dark){{{''.join(dark_rules())}}}</style>")
    lines.append(f'<rect width="{w}" height="{h}" rx="10" {paint("fill", "paper", colours)}/>')
    lines += [element(shape, colours) for shape in drawing.behind]
    for kind, groups in (("arrow", drawing.arrows), ("box", drawing.boxes)):
        for n, shapes in groups:
            lines.append(f'<g data-{kind}="{n}">')
            lines += [element(shape, colours) for shape in shapes]
            lines.append("</g>")
    lines += [element(shape, colours) for shape in drawing.words]
    return "\n".join([*lines, "</svg>"]) + "\n"


def dark_rules() -> Iterator[str]:
    """What the inks are on a dark screen."""
    for name, colour in DARK.items():
        yield f".chainrule-auto .f-{name}{{fill:{colour}}}.chainrule-auto .s-{name}{{stroke:{colour}}}"


def paint(*inks: str | dict[str, str]) -> str:
    """The attributes of a fill and a stroke, as colours and as classes: ``paint("fill", "ink", colours)``."""
    *pairs, colours = inks
    assert isinstance(colours, dict)
    names = list(zip(pairs[::2], pairs[1::2], strict=True))
    attributes = [f'{kind}="{colours.get(str(ink), "none")}"' for kind, ink in names]
    classes = " ".join([f"{str(kind)[0]}-{ink}" for kind, ink in names])
    return " ".join([*attributes, f'class="{classes}"'])


def element(shape: Shape, colours: dict[str, str]) -> str:
    match shape:
        case Block():
            r = shape.rect
            dash = f' stroke-dasharray="{shape.dash}"' if shape.dash else ""
            return (
                f'<rect x="{r.x:.1f}" y="{r.y:.1f}" width="{r.w:.1f}" height="{r.h:.1f}" rx="{shape.radius:g}" '
                f'stroke-width="{shape.thick:g}"{dash} {paint("fill", shape.fill, "stroke", shape.stroke, colours)}/>'
            )
        case Line():
            return "".join(line(shape, colours))
        case Words():
            weight = ' font-weight="bold"' if shape.bold else ""
            return (
                f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}"'
                f"{weight} {paint('fill', shape.ink, colours)}>{escape(shape.text)}</text>"
            )


def line(shape: Line, colours: dict[str, str]) -> Iterator[str]:
    """A line with its head, which stays as large however thick the line is."""
    dash = f' stroke-dasharray="{shape.dash}"' if shape.dash else ""
    painted = paint("fill", "none", "stroke", shape.ink, colours)
    yield f'<path d="{path(shape)}" stroke-width="{shape.thick:.2f}"{dash} {painted}/>'
    tip = " ".join([f"{x:.1f},{y:.1f}" for x, y in head(shape)])
    yield f'<polygon points="{tip}" {paint("fill", shape.ink, colours)}/>'


def head(shape: Line) -> Iterable[Point]:
    """The corners of an arrow's head."""
    x, y = shape.points[-1]
    half = 3.5 + shape.thick / 2
    if shape.down:
        return (x, y), (x - half, y - HEAD), (x + half, y - HEAD)
    return (x, y), (x - HEAD, y - half), (x - HEAD, y + half)


def bends(shape: Line) -> Iterator[tuple[Point, Point, Point]]:
    """The stretches of a line as curves that leave and arrive level: two points that pull, and the next point.

    The first is the start; the line ends inside its head.
    """
    *most, (x, y) = shape.points
    (x, y), *rest = [*most, (x, y - HEAD + 1.0) if shape.down else (x - HEAD + 1.0, y)]
    yield (x, y), (x, y), (x, y)
    for x2, y2 in rest:
        middle = (y + y2) / 2 if shape.down else (x + x2) / 2
        yield ((x, middle), (x2, middle), (x2, y2)) if shape.down else ((middle, y), (middle, y2), (x2, y2))
        x, y = x2, y2


def path(shape: Line) -> str:
    (_, _, (x, y)), *rest = bends(shape)
    told = [f"M{x:.1f} {y:.1f}"]
    for (x1, y1), (x2, y2), (x3, y3) in rest:
        straight = abs((x3 - x) if shape.down else (y3 - y)) < 0.05
        told.append(f"L{x3:.1f} {y3:.1f}" if straight else f"C{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f} {x3:.1f} {y3:.1f}")
        x, y = x3, y3
    return "".join(told)

"""A placed sketch as shapes: rectangles, lines and words, in inks that a printer has a colour for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chainrule.pictures.layout import AUTO, HEAD, LINE, PAD, SIZE, SMALL, TITLE, Point, Rect, placed, thickness
from chainrule.pictures.sketch import Arrow, Box, Look, Sketch
from chainrule.pictures.widths import width_of

LIGHT = {
    "paper": "#ffffff",
    "card": "#f6f8fa",
    "frame": "#eef3f8",
    "ink": "#1f2328",
    "muted": "#57606a",
    "line": "#57606a",
    "faint": "#b6bec7",
    "pale": "#7b858f",
    "factor": "#0a5a96",
    "grad": "#a63c00",
    "lit": "#a63c00",
    "wrong": "#9b1d6e",
}
DARK = {
    "paper": "#0d1117",
    "card": "#1c232c",
    "frame": "#141b24",
    "ink": "#e6edf3",
    "muted": "#9ba6b2",
    "line": "#8b96a3",
    "faint": "#434c57",
    "pale": "#76808b",
    "factor": "#79c0ff",
    "grad": "#ffa657",
    "lit": "#ffa657",
    "wrong": "#ff9bd2",
}
"""Blue, orange and purple stay apart for eyes that take red for green; nothing is told by colour alone."""
THEMES = {"light": LIGHT, "dark": DARK}

MARGIN = 18.0
NOTE_SIZE = 11.5
DASHED, DOTTED = "6 4", "2 3"


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle with round corners."""

    rect: Rect
    fill: str
    stroke: str
    thick: float = 1.0
    dash: str = ""
    radius: float = 8.0


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow through points: straight along the columns, bent between them; the head is at its end."""

    points: tuple[Point, ...]
    ink: str
    thick: float
    dash: str = ""
    down: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text: `x` is its start, its middle or its end, by the anchor; `width` what it needs at most."""

    x: float
    y: float
    text: str
    size: float
    ink: str
    anchor: str = "start"
    bold: bool = False

    @property
    def width(self) -> float:
        return width_of(self.text, self.size, bold=self.bold)


Shape = Block | Line | Words


@dataclass(frozen=True, slots=True)
class Drawing:
    """All shapes, those behind first, on a sheet of a size; the groups are those of a box, by its number."""

    title: str
    width: float
    height: float
    behind: tuple[Shape, ...]
    boxes: tuple[tuple[int, tuple[Shape, ...]], ...]
    arrows: tuple[tuple[int, tuple[Shape, ...]], ...]
    words: tuple[Shape, ...]


def drawn(sketch: Sketch, direction: str = AUTO) -> Drawing:
    where = placed(sketch, direction)
    notes = wrapped(sketch.notes, max(where.width, 420.0))
    title = sketch.title
    top = MARGIN + (LINE + 6.0 if title else 0.0)
    widest = max([where.width, *[width_of(line, NOTE_SIZE) for line in notes], width_of(title, SIZE, bold=True)])
    height = top + where.height + MARGIN + (len(notes) * LINE + 4.0 if notes else 0.0)
    dx, dy = MARGIN + (widest - where.width) / 2, top
    largest = max([x.carries for x in sketch.arrows if x.carries is not None and math.isfinite(x.carries)], default=0.0)
    words: list[Shape] = [Words(MARGIN, MARGIN + SIZE - 2.0, title, SIZE, "ink", bold=True)] if title else []
    foot = top + where.height + MARGIN
    words += [Words(MARGIN, foot + (n + 0.6) * LINE, line, NOTE_SIZE, "muted") for n, line in enumerate(notes)]
    frames = [shape for _, rect in where.frames for shape in framed(rect.moved(dx, dy))]
    titles = [shape for frame, rect in where.frames for shape in frame_title(frame.title, rect.moved(dx, dy))]
    arrows = [
        (k, tuple(arrow_shapes(sketch.arrows[k], [(x + dx, y + dy) for x, y in where.arrows[k]], largest, where.down)))
        for k in sorted(where.arrows, key=lambda k: (sketch.arrows[k].lit, -sketch.arrows[k].faint))
    ]
    boxes = [(i, tuple(box_shapes(sketch.boxes[i], where.boxes[i].moved(dx, dy)))) for i in sorted(where.boxes)]
    return Drawing(title, widest + 2 * MARGIN, height, tuple(frames), tuple(boxes), tuple(arrows), (*titles, *words))


def wrapped(notes: Sequence[str], width: float) -> list[str]:
    """Sentences in lines that fit the width; a word that is wider stands alone."""
    lines: list[str] = []
    for note in notes:
        line = ""
        for word in note.split():
            longer = f"{line} {word}" if line else word
            if line and width_of(longer, NOTE_SIZE) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def framed(rect: Rect) -> Iterator[Shape]:
    """An open module."""
    yield Block(rect, "frame", "faint", 1.0, radius=10.0)


def frame_title(title: str, rect: Rect) -> Iterator[Shape]:
    """The title of an open module, before arrows that pass."""
    words = Words(rect.x + PAD, rect.y + TITLE - 9.0, title, SMALL, "muted", bold=True)
    yield Block(
        Rect(words.x - 3.0, rect.y + 3.0, min(words.width, rect.w - PAD - 2.0) + 4.0, TITLE - 7.0),
        "frame",
        "none",
        radius=3.0,
    )
    yield words


def box_shapes(box: Box, rect: Rect) -> Iterator[Shape]:
    """A box with its lines; its outline is thick for a parameter, square and dashed for data, double for the output."""
    stroke = "lit" if box.lit else "wrong" if box.wrong else "faint" if box.faint else "line"
    thick = 2.2 if box.look is Look.PARAMETER or box.lit or box.wrong else 1.2
    square = box.look is Look.DATA
    if box.look is Look.SEVERAL:
        yield Block(rect.moved(4.0, 4.0), "card", stroke, 1.0)
    yield Block(rect, "card", stroke, thick, DASHED if square else "", 0.0 if square else 8.0)
    if box.look is Look.OUTPUT:
        yield Block(Rect(rect.x + 3, rect.y + 3, rect.w - 6, rect.h - 6), "none", stroke, 1.0, radius=6.0)
    lines = box.lines()
    top = rect.y + (rect.h - LINE * len(lines)) / 2
    for n, (role, text) in enumerate(lines):
        ink = "pale" if box.faint else {"title": "ink", "data": "ink"}.get(role, role)
        size = SIZE if role == "title" else SMALL
        yield Words(rect.x + rect.w / 2, top + (n + 0.73) * LINE, text, size, ink, "middle", role == "title")


def arrow_shapes(arrow: Arrow, points: list[Point], largest: float, down: bool) -> Iterator[Shape]:
    """An arrow, and the local derivative at its last stretch."""
    ink = "lit" if arrow.lit else "wrong" if arrow.wrong else "faint" if arrow.faint else "line"
    dash = DOTTED if arrow.data else DASHED if arrow.carries == 0 or arrow.wrong else ""
    yield Line(tuple(points), ink, thickness(arrow.carries, largest), dash, down)
    if arrow.factor:
        x, y = points[-1]
        colour = "pale" if arrow.faint else "wrong" if arrow.wrong else "factor"
        place = (x + 7.0, y - HEAD - 1.0) if down else (x - HEAD - 3.0, y - 4.0)
        yield Words(*place, arrow.factor, SMALL, colour, "start" if down else "end")


def stacked(drawings: Sequence[Drawing]) -> Drawing:
    """Several drawings as one: side by side where they are narrow, else under each other."""
    if len(drawings) == 1:
        return drawings[0]
    beside = sum([x.width for x in drawings]) <= WIDE
    x = y = 0.0
    boxes: list[tuple[int, tuple[Shape, ...]]] = []
    arrows: list[tuple[int, tuple[Shape, ...]]] = []
    behind: list[Shape] = []
    words: list[Shape] = []
    for one in drawings:
        behind += [shifted(shape, x, y) for shape in one.behind]
        boxes += [(i, tuple([shifted(shape, x, y) for shape in shapes])) for i, shapes in one.boxes]
        arrows += [(k, tuple([shifted(shape, x, y) for shape in shapes])) for k, shapes in one.arrows]
        words += [shifted(shape, x, y) for shape in one.words]
        x, y = (x + one.width, 0.0) if beside else (0.0, y + one.height)
    width = sum([d.width for d in drawings]) if beside else max([d.width for d in drawings])
    height = max([d.height for d in drawings]) if beside else sum([d.height for d in drawings])
    title = "; ".join([one.title for one in drawings])
    return Drawing(title, width, height, tuple(behind), tuple(boxes), tuple(arrows), tuple(words))


WIDE = 1400.0
"""As much as stands side by side."""


def shifted(shape: Shape, dx: float, dy: float) -> Shape:
    match shape:
        case Block():
            return replace(shape, rect=shape.rect.moved(dx, dy))
        case Line():
            return replace(shape, points=tuple([(x + dx, y + dy) for x, y in shape.points]))
        case Words():
            return replace(shape, x=shape.x + dx, y=shape.y + dy)

"""Where everything stands: columns from the inputs to the output, each box clear of every other.

The order within the columns, with few crossings, is fast-sugiyama's. The places are our own, since boxes differ in
size: each column is as wide as its widest box, and the rows are drawn towards their neighbours as far as the order
leaves room (Sugiyama, Tagawa and Toda, 1981; the room by isotonic regression). A frame is laid out by itself and is
then one box of its surroundings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from chainrule.core.walk import finished_first
from chainrule.errors import MissingExtra
from chainrule.pictures.sketch import Box, Frame, Sketch
from chainrule.pictures.widths import width_of

SIZE, SMALL = 13.0, 11.0
"""The font's size of a title, and of all else, in pixels."""
LINE = 18.0
"""From one line of text to the next, and from one arrowhead to the next."""
PAD, GAP = 10.0, 22.0
"""Around the text in a box; between two boxes of a column."""
BEND, HEAD = 40.0, 9.0
"""The least room for an arrow to turn in, and for its head."""
TITLE = 24.0
"""The room of a frame's title."""
LANE = 12.0
"""The height that an arrow takes where it passes a column."""
PAGE = 760.0
"""How wide a picture may be that leads to the right, if nothing was said."""
DIRECTIONS = AUTO, RIGHT, DOWN = "auto", "right", "down"
SWEEPS = 15
"""How often the rows are drawn towards their neighbours."""

Point = tuple[float, float]


@dataclass(slots=True)
class Rect:
    """A place: the upper left corner, the width and the height."""

    x: float
    y: float
    w: float
    h: float

    def moved(self, dx: float, dy: float) -> Rect:
        return Rect(self.x + dx, self.y + dy, self.w, self.h)


@dataclass(slots=True)
class Placed:
    """A sketch with places: of the boxes, the frames (outer before inner) and the arrows, and the extent of all."""

    boxes: dict[int, Rect] = field(default_factory=dict[int, Rect])
    frames: list[tuple[Frame, Rect]] = field(default_factory=list[tuple[Frame, Rect]])
    arrows: dict[int, list[Point]] = field(default_factory=dict[int, list[Point]])
    """The points that an arrow passes, from left to right: between the second and the third it bends, and so on."""
    width: float = 0.0
    height: float = 0.0
    down: bool = False


@dataclass(slots=True)
class Item:
    """Something that has a place in a column: a box, a frame that is laid out already, or the lane of an arrow.

    `x` and `w` are along the arrows, `y` and `h` across; `y` is its middle.
    """

    w: float
    h: float
    box: int = -1
    inner: Placed | None = None
    frame: Frame | None = None
    x: float = 0.0
    y: float = 0.0
    rank: int = 0


@dataclass(slots=True)
class Link:
    """An arrow between two items, or between an item and the edge of the frame (None)."""

    arrow: int
    source: int | None
    target: int | None
    label: float
    """The room of its label along the arrow, before the head."""
    slot: float
    """Its room across, where it arrives."""
    lanes: list[int] = field(default_factory=list[int])


def placed(sketch: Sketch, direction: str = AUTO) -> Placed:
    """Every box, frame and arrow in its place; MissingExtra without fast-sugiyama.

    Arrows lead to the ``right`` or ``down``; without a choice down, where that fits a page better.
    """
    inside = {i for frame in sketch.frames for i in frame.members()}
    free = [i for i in range(len(sketch.boxes)) if i not in inside]

    def led(down: bool) -> Placed:
        return Level(sketch, free, sketch.frames, range(len(sketch.arrows)), down).place()

    right = Placed() if direction == DOWN else led(False)
    if direction == RIGHT or (direction == AUTO and right.width <= PAGE):
        return right
    down = turned(led(True))
    return down if direction == DOWN or down.width < right.width else right


def turned(out: Placed) -> Placed:
    """What was laid out from left to right, from top to bottom."""
    return Placed(
        {i: Rect(r.y, r.x, r.h, r.w) for i, r in out.boxes.items()},
        [(frame, Rect(r.y, r.x, r.h, r.w)) for frame, r in out.frames],
        {k: [(y, x) for x, y in points] for k, points in out.arrows.items()},
        out.height,
        out.width,
        down=True,
    )


def size_of(box: Box) -> tuple[float, float]:
    """The width and height that the lines of a box need."""
    texts = [width_of(text, SIZE if role == "title" else SMALL, bold=role == "title") for role, text in box.lines()]
    return 2 * PAD + max([40.0, *texts]), PAD + LINE * len(texts)


class Level:
    """One level of frames: its items, what links them, and where they go."""

    def __init__(
        self, sketch: Sketch, boxes: Sequence[int], frames: Sequence[Frame], arrows: Sequence[int], down: bool
    ) -> None:
        self.sketch = sketch
        self.down = down
        self.between = GAP
        self.items: list[Item] = []
        self.links: list[Link] = []
        self.at: dict[int, int] = {}
        """The item that each box of this level or of a frame in it belongs to."""
        for i in boxes:
            self.at[i] = len(self.items)
            self.items.append(self.item_of_box(i))
        for frame in frames:
            members = set(frame.members())
            own = [k for k in arrows if sketch.arrows[k].source in members or sketch.arrows[k].target in members]
            self.at.update(dict.fromkeys(members, len(self.items)))
            self.items.append(self.item_of_frame(frame, Level(sketch, frame.boxes, frame.inner, own, down).place()))
        for k in arrows:
            arrow = sketch.arrows[k]
            source, target = self.at.get(arrow.source), self.at.get(arrow.target)
            if source is None or target is None or source != target:
                self.links.append(Link(k, source, target, *self.room_of(k)))

    def room_of(self, k: int) -> tuple[float, float]:
        """The room of an arrow's label along it and across."""
        factor = self.sketch.arrows[k].factor
        wide = width_of(factor, SMALL) + 6.0 if factor else 0.0
        if not self.down:
            return wide, LINE
        # One arrow alone arrives in the middle, with its label on one side.
        alone = len(self.sketch.arriving[self.sketch.arrows[k].target]) == 1
        return (LINE if factor else 0.0), max(LINE, 2 * wide + 16.0 if alone else wide + 8.0)

    def item_of_box(self, i: int) -> Item:
        """A box, with room for an arrowhead to each of its inputs."""
        w, h = size_of(self.sketch.boxes[i])
        along, across = (h, w) if self.down else (w, h)
        slots = [self.room_of(k)[1] for k in self.sketch.arriving.get(i, ())]
        return Item(along, max(across, sum(slots) + PAD), box=i)

    def item_of_frame(self, frame: Frame, inner: Placed) -> Item:
        """A frame around what is laid out in it, with its title above."""
        title = width_of(frame.title, SMALL, bold=True)
        if self.down:
            inner.height = max(inner.height, title)
            return Item(inner.width + TITLE + PAD, inner.height + 2 * PAD, inner=inner, frame=frame)
        inner.width = max(inner.width, title)
        return Item(inner.width + 2 * PAD, inner.height + TITLE + PAD, inner=inner, frame=frame)

    def place(self) -> Placed:
        """All items of this level in columns."""
        if not self.items:
            return Placed()
        self.rank()
        self.add_lanes()
        columns = self.order()
        widths = [max([self.items[i].w for i in column]) for column in columns]
        self.settle(columns)
        x = self.first_gap()
        starts: list[float] = []
        for r, column in enumerate(columns):
            starts.append(x)
            for i in column:
                item = self.items[i]
                item.x = x if item.box < 0 and item.inner is None else x + (widths[r] - item.w) / 2
            x += widths[r] + (self.gap(r + 1) if r + 1 < len(columns) else 0.0)
        return self.collected(starts, widths, x)

    def rank(self) -> None:
        """The column of every item: after all of its inputs; what has none stands close to its first use."""
        into: list[list[int]] = [[] for _ in self.items]
        uses: list[list[int]] = [[] for _ in self.items]
        for link in self.links:
            if link.source is not None and link.target is not None:
                into[link.target].append(link.source)
                uses[link.source].append(link.target)
        inputs_first: list[int] = finished_first(range(len(self.items)), into.__getitem__)
        for i in inputs_first:
            self.items[i].rank = max([self.items[j].rank + 1 for j in into[i]], default=0)
        entered = {link.target for link in self.links if link.source is None}
        for i, item in enumerate(self.items):
            if not into[i] and uses[i] and i not in entered:
                item.rank = min([self.items[j].rank for j in uses[i]]) - 1

    def add_lanes(self) -> None:
        """A lane in every column that an arrow passes on its way."""
        last = max([item.rank for item in self.items])
        shared: dict[tuple[int, int], int] = {}
        for link in self.links:
            start = -1 if link.source is None else self.items[link.source].rank
            stop = last + 1 if link.target is None else self.items[link.target].rank
            for rank in range(start + 1, stop):
                # Arrows from one box to several share a lane as long as they go together.
                key = (-1 - self.sketch.arrows[link.arrow].source if link.source is None else link.source, rank)
                if key not in shared:
                    shared[key] = len(self.items)
                    self.items.append(Item(0.0, LANE, rank=rank))
                link.lanes.append(shared[key])

    def chains(self) -> list[list[int]]:
        """For each link the items that it passes, its ends included."""
        ends = [([] if x.source is None else [x.source], [] if x.target is None else [x.target]) for x in self.links]
        return [[*first, *link.lanes, *last] for link, (first, last) in zip(self.links, ends, strict=True)]

    def order(self) -> list[list[int]]:
        """The items of each column from top to bottom, with few crossings."""
        pairs = list(dict.fromkeys([pair for chain in self.chains() for pair in pairwise(chain)]))
        place = {i: float(i) for i in range(len(self.items))}
        if len(pairs) > 1:
            left = 0.0
            for positions, width, *_ in sugiyama()(pairs, vertex_spacing=10, crossing_minimization="median"):
                place.update({i: left + x for i, (x, _) in positions})
                left += width + 1000.0
        columns: list[list[int]] = [[] for _ in range(1 + max([item.rank for item in self.items]))]
        for i in sorted(range(len(self.items)), key=lambda i: (place[i], i)):
            columns[self.items[i].rank].append(i)
        return columns

    def settle(self, columns: Sequence[Sequence[int]]) -> None:
        """The heights: each item as near to its neighbours as the order of its column allows."""
        around: list[list[tuple[int, int]]] = [[] for _ in self.items]
        for chain in self.chains():
            for i, j in pairwise(chain):
                around[i].append((j, 1))
                around[j].append((i, -1))
        for column in columns:
            top = 0.0
            for i in column:
                self.items[i].y = top + self.items[i].h / 2
                top += self.items[i].h + self.between
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            sides = (-1,) if forward else (1,)
            if sweep >= SWEEPS - 2:
                sides = (-1, 1)
            for column in columns if forward else reversed(columns):
                wanted: list[tuple[float, float]] = []
                for i in column:
                    near = [self.items[j].y for j, side in around[i] if side in sides]
                    lane = self.items[i].box < 0 and self.items[i].inner is None
                    wanted.append((sum(near) / len(near), 8.0 if lane else 1.0) if near else (self.items[i].y, 0.05))
                for i, y in zip(column, apart([self.items[i].h for i in column], wanted, self.between), strict=True):
                    self.items[i].y = y
        top = min([item.y - item.h / 2 for item in self.items])
        for item in self.items:
            item.y -= top

    def first_gap(self) -> float:
        """The room before the first column: for what enters a frame there."""
        return self.widest_label(0) + 2 * HEAD if any([link.source is None for link in self.links]) else 0.0

    def gap(self, rank: int) -> float:
        """The room before a column: for arrows to turn, for the widest label, and for the heads."""
        arriving = [x for x in self.links if x.target is not None and self.items[x.target].rank == rank]
        passing = {i for x in self.links for i in x.lanes if self.items[i].rank == rank}
        return BEND + min(4.0 * (len(arriving) + len(passing)), 80.0) + HEAD + self.widest_label(rank)

    def widest_label(self, rank: int) -> float:
        """The most room that a label before a column takes."""
        targets = [(x.label, self.items[x.target]) for x in self.links if x.target is not None]
        return max([label for label, item in targets if item.box >= 0 and item.rank == rank], default=0.0)

    def collected(self, starts: Sequence[float], widths: Sequence[float], width: float) -> Placed:
        """The places of boxes and frames, and the points of the arrows, which bend between two columns alone."""
        out = Placed(width=width, height=max([item.y + item.h / 2 for item in self.items]))
        parts: dict[tuple[int | None, int], list[Point]] = {}
        for n, item in enumerate(self.items):
            rect = Rect(item.x, item.y - item.h / 2, item.w, item.h)
            if item.box >= 0:
                out.boxes[item.box] = rect
            elif item.inner is not None and item.frame is not None:
                dx, dy = (rect.x + TITLE, rect.y + PAD) if self.down else (rect.x + PAD, rect.y + TITLE)
                out.frames.append((item.frame, rect))
                out.frames += [(frame, inside.moved(dx, dy)) for frame, inside in item.inner.frames]
                out.boxes.update({i: inside.moved(dx, dy) for i, inside in item.inner.boxes.items()})
                for k, points in item.inner.arrows.items():
                    out.arrows[k] = parts[n, k] = [(x + dx, y + dy) for x, y in points]
        turns = [start - HEAD - self.widest_label(r) for r, start in enumerate(starts)]
        slots = self.slots()
        for link in self.links:
            before, after = parts.get((link.source, link.arrow), []), parts.get((link.target, link.arrow), [])
            own: list[Point] = []
            if link.source is not None:
                item = self.items[link.source]
                y = before[-1][1] if before else item.y
                own += [(item.x + item.w, y), (starts[item.rank] + widths[item.rank], y)]
            for lane in link.lanes:
                item = self.items[lane]
                own += [(turns[item.rank], item.y), (starts[item.rank] + widths[item.rank], item.y)]
            if link.target is not None:
                item = self.items[link.target]
                y = after[0][1] if after else slots[link.arrow]
                own += [(turns[item.rank], y), (item.x, y)]
            out.arrows[link.arrow] = [*before, *own, *after]
        return out

    def slots(self) -> dict[int, float]:
        """The height at which each arrow arrives: side by side at a box, those from above on top."""
        found: dict[int, float] = {}
        arriving: dict[int, list[tuple[float, Link]]] = {}
        for link in self.links:
            if link.target is not None and self.items[link.target].box >= 0:
                before = link.lanes[-1] if link.lanes else link.source
                height = self.items[before].y if before is not None else 0.0
                arriving.setdefault(link.target, []).append((height, link))
        for target, links in arriving.items():
            edge = self.items[target].y - sum([link.slot for _, link in links]) / 2
            for _, link in sorted(links, key=lambda pair: (pair[0], pair[1].arrow)):
                # A label stands above an arrow that leads to the right, and beside one that leads down.
                middle = link.slot / 2 if not self.down or len(links) == 1 or link.slot == LINE else 6.0
                found[link.arrow] = edge + middle
                edge += link.slot
        return found


def apart(heights: Sequence[float], wanted: Sequence[tuple[float, float]], gap: float) -> list[float]:
    """Middles as near to the wanted ones as their order and the gaps between them allow, in the sense of least squares.

    `wanted` has a place and a weight for each. Neighbours that would meet become one block, which stands at its mean.
    """
    offsets = [0.0]
    for above, below in pairwise(heights):
        between = gap if min(above, below) > LANE else gap / 2
        offsets.append(offsets[-1] + (above + below) / 2 + between)
    blocks: list[tuple[float, float, int]] = []
    for (place, weight), offset in zip(wanted, offsets, strict=True):
        mean, total, count = place - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, heavy, many = blocks.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, count = total + heavy, count + many
        blocks.append((mean, total, count))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def thickness(carries: float | None, largest: float) -> float:
    """How thick an arrow is, by the gradient it carries beside the largest in the picture."""
    if carries is None or not largest > 0 or not math.isfinite(carries):
        return 1.3
    return 0.8 + 3.7 * math.sqrt(min(carries / largest, 1.0))


def sugiyama() -> Any:
    """fast-sugiyama's function, an extra."""
    try:
        from fast_sugiyama import from_edges
    except ImportError:
        raise MissingExtra("fast-sugiyama", "draw") from None
    return from_edges

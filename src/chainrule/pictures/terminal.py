"""A graph in a terminal: boxes and lines from top to bottom, without colour, in ASCII where there is no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest

from rich.cells import cell_len

from chainrule.pictures.layout import Item, Level, Link
from chainrule.pictures.sketch import Arrow, Box, Sketch
from chainrule.printable import spelled

MOST = 15
"""Boxes; a larger graph is no help in a terminal."""
BETWEEN = 2
"""Signs between two pictures side by side."""
UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
SIGNS = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"
"""A line by the sides that it reaches, added up."""
FLAT = {"│": "|", "─": "-", "▼": "v", "╵": "|", "╷": "|", "╴": "-", "╶": "-"}
TYPED = {"·10": "e", "⁻": "-", **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)), "ᵀ": ".T"}
"""What a program reads where a typewriter would raise a sign; a longer one comes before those that it begins with."""


def text(sketch: Sketch, width: int = 80, ascii: bool = False) -> str:  # noqa: A002 - what the signs are called
    """A sketch in boxes and lines; where it has too many for that, or is too wide, a list or the way to a picture."""
    title = typed(sketch.title) if ascii else sketch.title
    if len(sketch.boxes) > MOST:
        counted = f"{len(sketch.boxes)} boxes are too many for a terminal, which has room for {MOST}"
        return f"{title}: {counted}. As a picture: .save('graph.svg'), or --out graph.svg on the command line"
    if not sketch.boxes:
        return title
    drawn = Screen(sketch, ascii).lines()
    legend = ["Beside each arrow: the local derivative"] if sketch.arrows else []
    if max(map(cell_len, drawn)) > width:
        drawn, legend = listed(sketch, ascii), []
    notes = [note for note in sketch.notes if "arrow" not in note]
    return "\n".join([title, "", *drawn, "", *legend, *(map(typed, notes) if ascii else notes)])


def beside(texts: Sequence[str], width: int) -> str:
    """Texts side by side where that fits, else under each other."""
    blocks = [text.split("\n") for text in texts]
    wide = [max(map(cell_len, lines)) for lines in blocks]
    if sum(wide) + BETWEEN * (len(wide) - 1) > width:
        return "\n\n".join(texts)
    rows = zip_longest(*blocks, fillvalue="")
    padded = ([x + " " * (w + BETWEEN - cell_len(x)) for x, w in zip(row, wide, strict=True)] for row in rows)
    return "\n".join(["".join(row).rstrip() for row in padded])


def listed(sketch: Sketch, ascii: bool) -> list[str]:  # noqa: A002
    """One line for each box, where the boxes have no room beside each other."""
    return ["   ".join(lines_of(box, ascii)) for box in sketch.boxes]


def lines_of(box: Box, ascii: bool) -> list[str]:  # noqa: A002
    first, *rest = [line for _, line in box.lines()]
    if ascii:
        return [typed(box.typed or first), *map(typed, rest)]
    return [box.whole or first, *rest]


def typed(line: str) -> str:
    for sign, signs in TYPED.items():
        line = line.replace(sign, signs)
    return spelled(line)


@dataclass(slots=True)
class Net:
    """All arrows between two rows that leave one box: where they leave, and where each arrives."""

    start: int
    stops: list[int] = field(default_factory=list[int])

    def span(self) -> tuple[int, int]:
        """The columns that its horizontal line reaches."""
        return min([self.start, *self.stops]), max([self.start, *self.stops])


class Screen:
    """The lines of a picture in signs: rows of boxes, and between two rows a channel for the arrows."""

    def __init__(self, sketch: Sketch, ascii: bool) -> None:  # noqa: A002
        self.ascii = ascii
        self.texts = [lines_of(box, ascii) for box in sketch.boxes]
        flat = replace(sketch, frames=(), arrows=tuple([self.arrow(arrow) for arrow in sketch.arrows]))
        self.sketch = flat
        level = self.level = Level(flat, range(len(flat.boxes)), (), range(len(flat.arrows)), True)
        level.between = 2.0
        for link in level.links:
            link.slot = cell_len(flat.arrows[link.arrow].factor) + 3.0
        arriving: dict[int, float] = {}
        for link in level.links:
            if link.target is not None:
                arriving[link.target] = arriving.get(link.target, 0.0) + link.slot
        for n, item in enumerate(level.items):
            item.h = max([*map(cell_len, self.texts[item.box]), arriving.get(n, 0.0)]) + 4.0
        level.rank()
        level.add_lanes()
        self.rows = level.order()
        for item in level.items:
            item.h = 1.0 if item.box < 0 else item.h
        level.settle(self.rows)
        self.left = [round(item.y - item.h / 2) for item in level.items]
        self.cells: list[dict[int, str]] = []
        """A sign by line and column."""

    def arrow(self, arrow: Arrow) -> Arrow:
        """An arrow with its label in the signs that there are."""
        return replace(arrow, factor=typed(arrow.factor)) if self.ascii else arrow

    def lines(self) -> list[str]:
        for n, row in enumerate(self.rows):
            if n:
                self.channel(n)
            self.row(row)
        return [self.written(cells) for cells in self.cells]

    def written(self, cells: dict[int, str]) -> str:
        """A line of signs as text."""
        line, column = "", 0
        for place in sorted(cells):
            if place >= column:
                line += " " * (place - column) + cells[place]
                column = place + cell_len(cells[place])
        return "".join([FLAT.get(sign, "+" if sign in SIGNS[1:] else sign) for sign in line]) if self.ascii else line

    def row(self, row: list[int]) -> None:
        """The boxes of a row, and the lines that pass between them."""
        boxes = [self.level.items[i] for i in row if self.level.items[i].box >= 0]
        tall = max([len(self.texts[item.box]) for item in boxes], default=1) + 2
        block: list[dict[int, str]] = [{} for _ in range(tall)]
        for i in row:
            item = self.level.items[i]
            if item.box < 0:
                for cells in block:
                    cells[self.left[i]] = "│"
            else:
                self.box(item, self.left[i], block)
        self.cells += block

    def box(self, item: Item, left: int, block: list[dict[int, str]]) -> None:
        """One box; below a shorter one the line goes on to the next channel."""
        lines, wide = self.texts[item.box], int(item.h)
        block[0][left] = "┌" + "─" * (wide - 2) + "┐"
        for n, line in enumerate(lines, 1):
            room = wide - 2 - cell_len(line)
            block[n][left] = "│" + " " * (room // 2) + line + " " * (room - room // 2) + "│"
        block[len(lines) + 1][left] = "└" + "─" * (wide - 2) + "┘"
        used = any([link.source is not None and self.level.items[link.source] is item for link in self.level.links])
        for cells in block[len(lines) + 2 :] if used else ():
            cells[left + wide // 2] = "│"

    def middle(self, i: int) -> int:
        """The column in which a line leaves a box, or passes a row."""
        item = self.level.items[i]
        return self.left[i] + (int(item.h) // 2 if item.box >= 0 else 0)

    def channel(self, n: int) -> None:
        """The arrows between a row and the one before it."""
        nets: dict[int, Net] = {}
        labels: dict[int, str] = {}
        heads: set[int] = set()
        ports = self.ports(n)
        for link in self.level.links:
            chain = [*([] if link.source is None else [link.source]), *link.lanes]
            chain += [] if link.target is None else [link.target]
            for source, target in pairwise(chain):
                if self.level.items[target].rank != n:
                    continue
                net = nets.setdefault(source, Net(self.middle(source)))
                if self.level.items[target].box < 0:
                    stop = self.middle(target)
                else:
                    stop = ports[link.arrow]
                    heads.add(stop)
                    labels[stop] = self.sketch.arrows[link.arrow].factor
                if stop not in net.stops:
                    net.stops.append(stop)
        self.cells += list(routed(list(nets.values())))
        last: dict[int, str] = {stop: "│" for net in nets.values() for stop in net.stops}
        last.update({stop: f"▼ {labels[stop]}".rstrip() for stop in heads})
        self.cells.append(last)

    def ports(self, n: int) -> dict[int, int]:
        """The column in which each arrow arrives at a box of a row; none is one in which another leaves."""
        leaving = {self.middle(i) for i in self.rows[n - 1]}
        found: dict[int, int] = {}
        for i in self.rows[n]:
            arriving = [link for link in self.level.links if link.target == i]
            arriving.sort(key=lambda link: self.middle(link.lanes[-1] if link.lanes else link.source or 0))
            if len(arriving) == 1 and self.middle(i) in map(self.middle, self.sources(arriving[0])):
                found[arriving[0].arrow] = self.middle(i)
                continue
            column = self.left[i] + 2 + int(self.level.items[i].h - 4 - sum([x.slot for x in arriving])) // 2
            for link in arriving:
                own = set(map(self.middle, self.sources(link)))
                found[link.arrow] = column + 1 if column in leaving - own else column
                column += int(link.slot)
        return found

    def sources(self, link: Link) -> list[int]:
        """The item above from which a link comes."""
        return link.lanes[-1:] or ([] if link.source is None else [link.source])


def routed(nets: list[Net]) -> Iterator[dict[int, str]]:
    """The lines of a channel: each net has a horizontal line of its own, shorter ones above, and crosses others."""
    tracks: list[Net] = sorted(
        [net for net in nets if net.span()[0] < net.span()[1]], key=lambda net: net.span()[1] - net.span()[0]
    )
    for now in range(len(tracks) or 1):
        cells: dict[int, int] = {}
        for net in nets:
            place = tracks.index(net) if net in tracks else -1
            straight = place < 0
            for column in {net.start} if place > now else set(net.stops) if straight or place < now else ():
                cells[column] = UP | DOWN
        if tracks:
            net = tracks[now]
            low, high = net.span()
            for column in range(low, high + 1):
                sides = (LEFT if column > low else 0) | (RIGHT if column < high else 0)
                sides |= (UP if column == net.start else 0) | (DOWN if column in net.stops else 0)
                # A line that another net takes downwards passes over this one.
                if cells.get(column) != UP | DOWN or column in (net.start, *net.stops):
                    cells[column] = sides
        yield {column: SIGNS[sides] for column, sides in cells.items()}

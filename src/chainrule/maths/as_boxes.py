"""Looks for a terminal, with matrices in several lines.

A piece of a formula is a `Box`: lines of text, and the line that stands on the writing line.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.maths.as_unicode import CLOSING, RELATIONS, Unicode
from chainrule.maths.looks import Binds, Looks, all_in, has_settings
from chainrule.maths.notation import lay
from chainrule.maths.tree import Tree
from chainrule.maths.writer import Writer
from chainrule.printable import columns

TALL = {"(": "⎛⎜⎝", ")": "⎞⎟⎠", "[": "⎡⎢⎣", "]": "⎤⎥⎦", "|": "│││", "‖": "‖‖‖"}
"""The upper corner, the middle and the lower corner of a delimiter."""
ROWS = ("matrix", "cases")
"""Forms with a line for each row."""


@dataclass(frozen=True, slots=True)
class Box:
    """Lines of equal width; `base` is the one on the writing line."""

    lines: tuple[str, ...]
    base: int = 0

    @property
    def width(self) -> int:
        return columns(self.lines[0])


def boxes(tree: Tree) -> Box:
    r"""A tree with its matrices in lines.

    >>> from chainrule.maths import Symbol, numeral
    >>> from chainrule.maths.as_boxes import boxes
    >>> from chainrule.maths.tree import matrix
    >>> print("\n".join(boxes(Symbol("c") * matrix([[1, 2], [3, 40]], numeral)).lines))
    c ⎡1   2⎤
      ⎣3  40⎦
    """
    return Boxes.once(tree)


def line(text: str) -> Box:
    return Box((text,))


def beside(*parts: Box) -> Box:
    """Boxes in a row, on one writing line."""
    if all([len(box.lines) == 1 for box in parts]):
        return line("".join([box.lines[0] for box in parts]))
    above = max([box.base for box in parts])
    below = max([len(box.lines) - box.base for box in parts])
    rows: list[str] = []
    for row in range(-above, below):
        cells = [
            box.lines[row + box.base] if 0 <= row + box.base < len(box.lines) else " " * box.width for box in parts
        ]
        rows.append("".join(cells))
    return Box(tuple(rows), above)


def tall_in(x: Looks) -> set[int]:
    """The forms in which there is a matrix of several rows, or cases, by their identity."""
    found: set[int] = set()
    for form in reversed(all_in(x)):
        has_rows = form.kind in ROWS and (form.kind == "cases" or len(form.parts) > 1)
        if has_rows or any([id(part) in found for part in form.parts]):
            found.add(id(form))
    return found


class Boxes(Writer[Box]):
    """One line for what has no matrix in it, and rows for matrices."""

    line = True

    def __init__(self) -> None:
        super().__init__()
        self.in_line = Unicode()
        self.tall: set[int] = set()
        """What needs several lines."""

    def of(self, x: Tree | Looks) -> Box:
        self.tall = tall_in(x if isinstance(x, Looks) else lay(x))
        return super().of(x) if self.tall else line(Unicode.once(x))

    def inside(self, x: Looks) -> tuple[Looks, ...]:
        # Entries stand in one line, whatever is in them.
        return x.parts if x.kind not in ROWS and self.needs_lines(x) else ()

    def ink(self, x: Looks) -> Box:
        return super().ink(x) if self.needs_lines(x) else line(self.in_line.write(x))

    def needs_lines(self, x: Looks) -> bool:
        """Whether a form is written in several lines."""
        return id(x) in self.tall and hasattr(self, f"{x.kind}_")

    def needs(self, x: Looks, i: int) -> Binds:
        return self.in_line.needs(x, i)

    def between(self, opening: str, inner: Box, closing: str, *of: Looks) -> Box:
        if len(inner.lines) == 1:
            return beside(line(opening), inner, line(closing))
        middle = len(inner.lines) - 2
        sides = [
            Box((top, *([between] * middle), bottom), inner.base)
            for top, between, bottom in (TALL[opening], TALL[closing])
        ]
        return beside(sides[0], inner, sides[1])

    def joined(self, parts: list[Box], *signs: str) -> Box:
        """Boxes with a sign before each but the first."""
        found = parts[:1]
        for sign, part in zip(signs, parts[1:], strict=True):
            found += [line(sign), part]
        return beside(*found)

    def sum_(self, x: Looks) -> Box:
        signs = [" + " if sign > 0 else " − " for sign in x.word[1:]]
        whole = self.joined(self.parts(x), *signs)
        return beside(line("−"), whole) if x.word[0] < 0 else whole

    def prod_(self, x: Looks) -> Box:
        return self.joined(self.parts(x), *[f" {x.word} "] * (len(x.parts) - 1))

    def beside_(self, x: Looks) -> Box:
        return self.joined(self.parts(x), *" " * (len(x.parts) - 1))

    def neg_(self, x: Looks) -> Box:
        return beside(line("−"), self.part(x, 0))

    def raised_(self, x: Looks) -> Box:
        return self.cornered(self.part(x, 0), self.in_line.write(x.parts[1]))

    def pow_(self, x: Looks) -> Box:
        # What stands above is what the line of a power has behind its base.
        base = Looks("pow", (Looks("id", (), ""), x.parts[1]), x.word)
        return self.cornered(self.part(x, 0), self.in_line.write(base))

    def cornered(self, base: Box, above: str) -> Box:
        """A power or a transpose at the upper corner of what it is taken of."""
        rest = (" " * columns(above),) * (len(base.lines) - 1)
        return beside(base, Box((above, *rest), base.base))

    def call_(self, x: Looks) -> Box:
        if has_settings(x):
            *parts, settings = map(self.write, (*x.parts[1:], x.parts[0]))
            return beside(line(x.word), self.between("(", self.joined([*parts, settings], *[", "] * len(parts)), ")"))
        inside = self.joined(list(map(self.write, x.parts[1:])), *[", "] * (len(x.parts) - 2))
        name = self.in_line.write(Looks("call", (x.parts[0], Looks("none")), x.word)).removesuffix("()")
        return beside(line(name), inside if self.is_bracketed(x) else self.between("(", inside, ")"))

    def fence_(self, x: Looks) -> Box:
        inside = self.joined(list(map(self.write, x.parts)), *[", "] * (len(x.parts) - 1))
        return self.between(x.word, inside, CLOSING[x.word])

    def big_(self, x: Looks) -> Box:
        below = self.in_line.write(Looks("big", (x.parts[0], Looks("none")), x.word))
        return beside(line(below.rstrip() + " "), self.part(x, 1))

    def matrix_(self, x: Looks) -> Box:
        cells = [[self.in_line.write(entry) for entry in row.parts] for row in x.parts]
        widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join([" " * (w - columns(cell)) + cell for w, cell in zip(widths, row, strict=True)]) for row in cells
        ]
        return self.between("[", Box(tuple(lines), (len(lines) - 1) // 2), "]")

    def cases_(self, x: Looks) -> Box:
        value, condition, otherwise = map(self.in_line.write, x.parts)
        width = max(columns(value), columns(otherwise))
        values = [cell + " " * (width - columns(cell)) for cell in (value, otherwise)]
        ends = [f"if {condition}", "else".ljust(columns(condition) + len("if "))]
        # Room behind it: a sign that follows belongs to the whole, and not to the condition.
        return Box(tuple([f"{sign} {cell}  {end}  " for sign, cell, end in zip("⎧⎩", values, ends, strict=True)]))

    def rel_(self, x: Looks) -> Box:
        return self.joined(self.parts(x), *[f" {RELATIONS.get(sign, sign)} " for sign in x.word])

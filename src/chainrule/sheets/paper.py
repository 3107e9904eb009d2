"""A worksheet on paper: the pages of a PDF, with a line to write on for every blank, through Matplotlib."""

# Matplotlib says little of its types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

from chainrule.errors import MissingExtra
from chainrule.pictures.png import FAMILY
from chainrule.sheets.plan import Plan, Row

WIDE, HIGH = 8.27, 11.69
"""A4, in inches."""
LINES = 34
"""Rows of a page."""
FEW = 4
"""Rows below a heading with which it may stand at the end of a page."""
TOP, STEP = 0.885, 0.0242
"""The first row's height on the page, and from one to the next, as shares of it."""
WHAT, HOW, NUMBER, RIGHT = 0.09, (0.27, 0.42), 0.69, 0.91
"""Where the columns begin and end, as shares of the page; the second between two places, as names have need of."""
SIGN = 0.0009
"""How wide a sign is for each point of its size, as a share of the page."""
SMALLEST = 5
"""Points of the smallest writing."""


def paper(plan: Plan, teacher: bool) -> bytes:
    """The bytes of a PDF file; the teacher's copy has every answer, and how it is found."""
    try:
        from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
    except ImportError:
        raise MissingExtra("matplotlib", "plot") from None
    out = io.BytesIO()
    # Without a date the same sheet is written in the same bytes.
    with PdfPages(out, metadata={"Title": plan.titled(teacher), "CreationDate": None}) as file:
        for figure in figures(plan, teacher):
            FigureCanvasPdf(figure)
            file.savefig(figure)
    return out.getvalue()


def figures(plan: Plan, teacher: bool) -> Iterator[Any]:
    from matplotlib.figure import Figure

    pages = list(cut(plan.rows))
    longest = max([len(row.name) for row in plan.rows if row.kind != "head"])
    for n, rows in enumerate(pages, 1):
        figure = Figure(figsize=(WIDE, HIGH))
        put_in(figure, WHAT, 0.84, plan.titled(teacher), size=15, weight="bold")
        put(figure, RIGHT, 0.94, f"{n} / {len(pages)}", size=9, ha="right")
        rule(figure, 0.925)
        lines(figure, rows, teacher, min(max(HOW[0], WHAT + 10 * SIGN * (longest + 1)), HOW[1]))
        yield figure


def cut(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows page by page; no heading stands at the end of one with less than a few rows below it."""
    while len(rows) > LINES:
        heads = [n for n in range(LINES - FEW, LINES) if rows[n].kind == "head"]
        end = heads[0] if heads else LINES
        yield rows[:end]
        rows = rows[end:]
    yield rows


def lines(figure: Any, rows: Sequence[Row], teacher: bool, how: float) -> None:
    """The rows of one page, with where the second column begins."""
    for n, row in enumerate(rows):
        y = TOP - n * STEP
        if row.kind == "head":
            put(figure, WHAT, y, row.name, size=11, weight="bold")
            continue
        put_in(figure, WHAT, how, row.name, y, size=10)
        put_in(figure, how, NUMBER, row.how if teacher else row.told, y, size=9, color="#57606a")
        if row.blank and not teacher:
            rule(figure, y - 0.004, NUMBER)
            continue
        put(figure, NUMBER, y, row.shown, size=10)


def put_in(figure: Any, x: float, end: float, text: str, y: float = 0.94, *, size: float, **how: Any) -> None:
    """A text between two places: smaller where it is long, then on two lines, and cut where those have no room."""
    room = (end - x) / SIGN - SMALLEST
    parts = wrap(text, max(int(room / SMALLEST), 2), max_lines=2, placeholder=" …") or [""]
    fits = room / max([len(part) for part in parts] + [1])
    put(figure, x, y - 0.004 * (len(parts) - 1), "\n".join(parts), size=min(size, fits), linespacing=1.1, **how)


def put(figure: Any, x: float, y: float, text: str, **how: Any) -> None:
    """A line of text; no sign in it is taken for mathematics."""
    figure.text(x, y, text, fontfamily=FAMILY, parse_math=False, **how)


def rule(figure: Any, y: float, start: float = WHAT) -> None:
    """A line across the page, or across the column of numbers."""
    from matplotlib.lines import Line2D

    figure.add_artist(Line2D([start, RIGHT], [y, y], linewidth=0.7, color="#57606a"))

"""A worksheet as an Excel workbook: cells with formulas, blanks that turn green, and a teacher's copy."""

# XlsxWriter says little of its types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from chainrule.errors import MissingExtra
from chainrule.sheets.plan import COLUMN, EARLY, ENOUGH, FIRST, NEAR, NONE, ROUNDED, SHARE, Plan, Row

WORK, ANSWERS = "work", "answers"
WIDTHS = {"A": 24, "B": 38, "C": 18, "D": 44}
"""How wide the columns are, in signs."""
AS_GIVEN = "$E$1"
"""Where the sheet of answers says whether the given numbers are those of the start."""
ASKED = f"Yellow cells are yours: they turn green when right. {ENOUGH}"
CHANGE = "Change a number in blue: all others follow."
FOLLOWS = "Numbers follow those given on the sheet of work."
A4 = 9
"""A sheet of paper, as spreadsheets count them."""
LINE = 15
"""The height of a row with one line, in points."""


def workbook(plan: Plan, teacher: bool, filled: Mapping[str, float]) -> bytes:
    """The bytes of an .xlsx file; the sheet of answers is hidden but in the teacher's copy."""
    try:
        import xlsxwriter
    except ImportError:
        raise MissingExtra("xlsxwriter", "worksheet") from None
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    looks = {
        "head": book.add_format({"bold": True, "font_size": 12, "top": 1}),
        "title": book.add_format({"bold": True, "font_size": 15}),
        "number": book.add_format({"num_format": "General", "align": "left"}),
        "given": book.add_format({"num_format": "General", "align": "left", "bg_color": "#E8F1FA"}),
        "blank": book.add_format({"bg_color": "#FFF6D6", "border": 1, "border_color": "#B8860B", "align": "left"}),
        "right": book.add_format({"bg_color": "#BFE8C5", "font_color": "#0B5A1E"}),
        "wrong": book.add_format({"bg_color": "#F6C9C0"}),
        "said": book.add_format({"italic": True, "font_color": "#57606A", "text_wrap": True}),
        "note": book.add_format({"italic": True, "font_color": "#57606A"}),
    }
    work, answers = book.add_worksheet(WORK), book.add_worksheet(ANSWERS)
    for sheet, key in ((work, False), (answers, True)):
        for column, width in WIDTHS.items():
            sheet.set_column(f"{column}:{column}", width)
        sheet.set_paper(A4)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(3)
        sheet.freeze_panes(4, 0)
        sheet.write_string("A1", plan.titled(key or teacher), looks["title"])
        sheet.print_area(f"A1:D{FIRST + len(plan.rows) - 1}")
        sheet.write_string("A2", FOLLOWS if key else CHANGE if teacher else ASKED, looks["note"])
        sheet.write_row("A4", ["what", "how", "number", ""], looks["head"])
    given = [f"{WORK}!{row.cell}={row.value!r}" for row in plan.rows if row.kind == "given"]
    answers.write_formula(AS_GIVEN.replace("$", ""), f"=AND({','.join(given)})", looks["number"], True)
    answers.set_column("E:E", None, None, {"hidden": True})
    answers.write_string("F4", "known wrong numbers", looks["head"])
    for line, row in enumerate(plan.rows, FIRST):
        for sheet, key in ((work, False), (answers, True)):
            write_row(sheet, row, line, key, teacher, looks)
        if row.blank and not teacher:
            if row.name in filled:
                work.write_number(f"{COLUMN}{line}", filled[row.name], looks["blank"])
            checked(work, row, line, looks)
    if not teacher:
        answers.very_hidden()
    work.activate()
    book.close()
    return out.getvalue()


def write_row(sheet: Any, row: Row, line: int, key: bool, teacher: bool, looks: dict[str, Any]) -> None:
    """A row on the sheet of work, or on that of answers."""
    if row.kind == "head":
        sheet.write_string(f"A{line}", row.name, looks["head"])
        for column in "BCD":
            sheet.write_blank(f"{column}{line}", None, looks["head"])
        return
    sheet.write_string(f"A{line}", row.name)
    cell = f"{COLUMN}{line}"
    if row.kind == "given":
        if key:
            sheet.write_formula(cell, f"={WORK}!{cell}", looks["number"], row.value)
        else:
            sheet.write_number(cell, row.value, looks["given"])
        return
    hidden = row.blank and not key and not teacher
    told = row.told if hidden else row.how
    sheet.write_string(f"B{line}", told, looks["said"])
    if len(told) > WIDTHS["B"]:
        sheet.set_row(line - 1, LINE * len(wrap(told, WIDTHS["B"])))
    if not hidden:
        sheet.write_formula(cell, f"={row.formula}", looks["number"], row.value)
    else:
        sheet.write_blank(cell, None, looks["blank"])
    if key:
        for n, (number, _) in enumerate(row.mistakes):
            sheet.write_formula(line - 1, 5 + n, f"={followed(row, number, cell)}", looks["number"], number)


def followed(row: Row, number: float, cell: str) -> str:
    """A wrong number in the words of a spreadsheet: a multiple of the right one follows what is given.

    What any other mistake gives is known at the numbers of the start alone; elsewhere it is out of reach.
    """
    for times, text in ((-1.0, "-{}"), (2.0, "2*{}"), (0.5, "{}/2")):
        if number == times * row.value:
            return text.format(cell)
    return f"IF({AS_GIVEN},{number!r},1E+300)"


def checked(sheet: Any, row: Row, line: int, looks: dict[str, Any]) -> None:
    """A blank that is compared with its answer, and a sentence beside it; known wrong numbers say what was done."""
    cell, right = f"{COLUMN}{line}", f"{ANSWERS}!{COLUMN}{line}"
    is_right = near(cell, right)
    sheet.conditional_format(
        cell, {"type": "formula", "criteria": f"=AND(ISNUMBER({cell}),{is_right})", "format": looks["right"]}
    )
    sheet.conditional_format(
        cell, {"type": "formula", "criteria": f"=AND(NOT(ISBLANK({cell})),NOT({is_right}))", "format": looks["wrong"]}
    )
    rounded = ",".join([f"ROUND({right},{n})={cell}" for n in ROUNDED])
    said = f'IF(AND({cell}<>0,OR({rounded})),"{EARLY}","not yet")'
    for n, (_, words) in reversed(list(enumerate(row.mistakes))):
        place = f"{ANSWERS}!${chr(ord('F') + n)}${line}"
        told = words.replace('"', '""')
        said = f'IF({near(cell, place)},"{told}",{said})'
    sheet.write_formula(f"D{line}", f'=IF(ISBLANK({cell}),"",IF({is_right},"right",{said}))', looks["said"], "")


def near(cell: str, other: str) -> str:
    """Whether two cells hold the same number, as far as a hand writes it."""
    size = f"ABS({other})"
    return f"ABS({cell}-{other})<=MAX({NONE:G},MIN({NEAR:G}*MAX(1,{size}),{SHARE:G}*{size}))"

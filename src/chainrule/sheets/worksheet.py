"""`worksheet`: a sheet on which a net is worked by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, FormatError, GraphError
from chainrule.expression import read_assignments
from chainrule.expression.arguments import values_of
from chainrule.files import suffix_among, write_whole
from chainrule.sheets.plan import Plan, Row

SUFFIXES = (".xlsx", ".html", ".pdf")


@dataclass(frozen=True, repr=False)
class Worksheet:
    """A sheet with its rows; `save` writes it."""

    plan: Plan

    @property
    def rows(self) -> tuple[Row, ...]:
        """The lines, the headings of the parts among them."""
        return tuple(self.plan.rows)

    @property
    def blanks(self) -> tuple[Row, ...]:
        return tuple([row for row in self.plan.rows if row.blank])

    def save(self, path: str | Path, *, teacher: bool = False, filled: Mapping[str, float] | None = None) -> None:
        """Write it to a file: .xlsx (with formulas), .html, or .pdf to print; the teacher's copy has every answer.

        `filled` are numbers to put into blanks of an .xlsx file, by the row's name, as if they were typed.
        GraphError for a name that no blank has.
        """
        path = Path(path)
        suffix = check_suffix(path)
        asked = [row.name for row in self.blanks]
        for name, x in (filled or {}).items():
            if name not in asked:
                raise GraphError(f"no blank is called {name!r}: there are {', '.join(asked) or 'none'}")
            if np.ndim(x) or not isinstance(x, int | float | np.number):
                raise DtypeError(f"a number is put into {name!r}, not {x!r}")
        if suffix == ".xlsx":
            from chainrule.sheets.workbook import workbook

            write_whole(path, workbook(self.plan, teacher, filled or {}), error=FormatError)
        elif suffix == ".pdf":
            from chainrule.sheets.paper import paper

            write_whole(path, paper(self.plan, teacher), error=FormatError)
        else:
            from chainrule.sheets.page import page

            write_whole(path, page(self.plan, teacher), error=FormatError)

    def _repr_html_(self) -> str:
        """What a notebook shows: the page in a frame."""
        from chainrule.sheets.page import page
        from chainrule.webpage import framed

        return framed(page(self.plan, False), "36rem")

    def __repr__(self) -> str:
        return f"<worksheet of {len(self.plan.live.steps)} numbers with {len(self.blanks)} blanks>"


def worksheet(
    problem: Any, values: Mapping[str, float] | None = None, *, blanks: str | Collection[str] = "gradients"
) -> Worksheet:
    """A by-hand sheet of a small net: given numbers, the forward, local derivatives and gradients, some of them blank.

    `problem` is a text of assignments with `values` for its names, or a recorded Value. `blanks` are ``gradients`` (and
    the local derivatives), ``forward``, ``all``, ``none``, or names of rows. A blank turns green when right; a known
    wrong number says which mistake gives it. Numbers that are given can be changed: the answers follow.

    Raises DtypeError for arrays, and ChainruleError for an operation that a spreadsheet has no word for.

    >>> import chainrule as cr
    >>> sheet = cr.worksheet("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", {"w1": 2, "x": 2, "w2": 0.5, "y": 20})
    >>> [(row.name, row.formula, row.value) for row in sheet.rows if row.name == "∂L/∂w₂"]
    [('∂L/∂w₂', 'C30*C21', -72.0)]
    """
    if isinstance(problem, str):
        given = values_of(values)
        for name, x in given.items():
            if np.ndim(x):
                raise DtypeError(f"values[{name!r}] has shape {np.shape(x)}, and a worksheet is made of single numbers")
        _, problem = read_assignments(problem).record(given)
    return Worksheet(Plan(problem, blanks))


def check_suffix(path: Path) -> str:
    """The suffix of a worksheet's file; refused where none is written so."""
    return suffix_among(path, SUFFIXES, "a worksheet")

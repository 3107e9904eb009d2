"""What a plot is asked for, read once: numbers, points, lengths and counts, or a sentence that says what would do."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DataError, FormulaError, ShapeError
from chainrule.kinds import is_whole


def number(x: Any, what: str) -> float:
    try:
        found = float(x)
    except (TypeError, ValueError):
        raise FormulaError(f"{what} is a number, as 2.0, not {x!r}") from None
    if not np.isfinite(found):
        raise FormulaError(f"{what} is a finite number, not {found}")
    return found


def numbers(given: Any, what: str, count: int | None = None) -> list[float]:
    """Finite numbers, so many if a count is said."""
    if np.ndim(given) != 1 or count not in (None, len(given)):
        raise FormulaError(f"{what} takes {count or 'some'} numbers, as {[2.0] * (count or 2)}, not {given!r}")
    return [number(x, f"each number of {what}") for x in given]


def above(x: Any, what: str) -> float:
    """A finite number above 0, as a length is."""
    found = number(x, what)
    if found <= 0:
        raise FormulaError(f"{what} is above 0, not {found:g}")
    return found


def whole(x: Any, what: str, least: int = 1) -> int:
    if not is_whole(x, least):
        raise FormulaError(f"{what} is a whole number from {least} on, not {x!r}")
    return int(x)


def finite_rows(x: Any, what: str) -> None:
    """Refuse data of which a row is not finite, and name it."""
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row = int(np.argmin(np.isfinite(x).reshape(len(x), -1).all(1)))
        raise DataError(f"row {row} of {what} is not finite ({x[row]}): leave such rows out, or put numbers there")


def as_images(rows: Any, shape: tuple[int, int] | None) -> Any:
    """Rows of numbers as images of a height and a width, square ones without them."""
    rows = np.asarray(rows, dtype=float)
    if not rows.size or not rows.ndim:
        raise ShapeError(f"images are made of rows of numbers, and this has shape {rows.shape}")
    rows = np.atleast_2d(rows)
    rows = rows.reshape(len(rows), -1)
    side = int(np.sqrt(rows.shape[1]))
    shape = (side, side) if shape is None else shape
    if shape[0] * shape[1] != rows.shape[1]:
        raise ShapeError(
            f"{rows.shape[1]} numbers in a row are no image of {shape[0]} × {shape[1]}: give shape=(height, width)"
        )
    return rows.reshape(-1, *shape)

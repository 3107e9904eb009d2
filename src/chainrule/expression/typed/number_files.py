"""Arrays in files: NumPy's own format, and tables of numbers as text. Nothing in them is ever run."""

from __future__ import annotations

import math
import re
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from chainrule.errors import FormulaError
from chainrule.expression.typed.tokens import NUMBER
from chainrule.files import any_header

MOST_ENTRIES = 10_000_000
"""Entries of an array: 80 MB in double precision."""
MOST_BYTES = 25 * MOST_ENTRIES
"""Of a text: a number in full precision with its comma takes 25."""

MALFORMED = (ValueError, TypeError, ArithmeticError, LookupError, SyntaxError, RecursionError, MemoryError, TokenError)
"""What NumPy raises for a header that is none."""

SIGNED = re.compile(rf"([-+−]?)\s*({NUMBER.pattern}|nan|inf)")


def plain_number(text: str) -> float | None:
    """The number that the text is, or None; nan and inf only where they are spelled so."""
    match = SIGNED.fullmatch(text.strip())
    if match is None:
        return None
    number = float(match[2])
    if math.isinf(number) and match[2] != "inf":
        return None
    return -number if match[1] in ("-", "−") else number


def array_in(path: Path) -> Any:
    """The numbers of a ``.npy`` or ``.csv`` file as an array of float64; O(size of the file)."""
    readers = {".npy": numpy_array, ".csv": table}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FormulaError(f"{path}: a file of numbers ends in .npy or .csv")
    if not path.is_file():
        raise FormulaError(f"{path}: there is no such file; the path is taken from {Path.cwd()}")
    try:
        with any_header():
            return reader(path)
    except FormulaError:
        raise
    except OSError as error:
        raise FormulaError(f"{path} cannot be read: {error.strerror or error}") from error
    except MALFORMED as error:
        raise FormulaError(f"{path} cannot be read as {path.suffix}: {error}") from error


def numpy_array(path: Path) -> Any:
    """What ``np.save`` wrote; mapped first, so that a header cannot ask for more memory than the file has bytes."""
    array = np.lib.format.open_memmap(path, mode="r")
    if array.dtype.kind not in "fiub":
        raise FormulaError(f"{path} holds no plain numbers: save an array of them with np.save")
    if not 0 < array.size <= MOST_ENTRIES:
        raise FormulaError(f"{path} has {array.size:,} entries: from 1 to {MOST_ENTRIES:,} are read")
    return np.array(array, dtype=np.float64)


def table(path: Path) -> Any:
    """The rows of a text, with commas, semicolons or tabs between numbers; a single row or column is a vector."""
    if path.stat().st_size > MOST_BYTES:
        raise FormulaError(f"{path} is larger than {MOST_BYTES:,} bytes: save the array with np.save")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    filled = [(k, line) for k, line in enumerate(lines, start=1) if line.strip()]
    if not filled:
        raise FormulaError(f"{path} has no numbers in it")
    first = filled[0][1]
    between = next((sign for sign in "\t;" if sign in first), ",")
    rows: list[list[float]] = []
    for k, line in filled:
        row = row_of(path, k, line.split(between), is_first=not rows)
        if rows and len(row) != len(rows[0]):
            where = f"{path}, line {k}"
            raise FormulaError(f"{where}: ragged: {len(row)} numbers, and the lines before have {len(rows[0])}")
        rows.append(row)
    array = np.array(rows, dtype=np.float64)
    if array.size > MOST_ENTRIES:
        raise FormulaError(f"{path} has {array.size:,} entries: at most {MOST_ENTRIES:,} are read")
    return array.reshape(-1) if 1 in array.shape else array


def row_of(path: Path, k: int, fields: list[str], is_first: bool) -> list[float]:
    numbers = list(map(plain_number, fields))
    if is_first and all(number is None for number in numbers) and any(re.search("[A-Za-z]", x) for x in fields):
        raise FormulaError(f"{path}, line {k}: this is a header: delete the line, for a matrix has numbers alone")
    for column, (number, text) in enumerate(zip(numbers, fields, strict=True), start=1):
        if number is None:
            what = f"{text.strip()[:30]!r} is no number" if text.strip() else "there is no number"
            hint = ": write 1.5 for 1,5" if "," in text else ""
            raise FormulaError(f"{path}, line {k}, column {column}: {what}{hint}")
    return [number for number in numbers if number is not None]

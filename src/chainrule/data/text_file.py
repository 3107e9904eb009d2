"""CSV and TSV files as columns of text: what is wrong with one is found here, and told with its row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.block import stacked
from chainrule.data.encode import listing, polars
from chainrule.data.files import PathLike, existing, reading
from chainrule.data.numerals import number_in
from chainrule.data.spelling import Spelling
from chainrule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = ",;\t|"
HUGE = 2**31
"""Bytes of a file from which on it is said that all of it goes into memory."""

BYTE_ORDERS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""What a file in one of these begins with, longer marks first."""

ENCODING = "encoding= names the one that it is in, as encoding='latin-1'"
SAMPLE, FEWEST, LONG = 20, 3, 1 << 16
"""Lines by which it is seen what separates, and so few where they have more bytes than this."""

PORTION = 1 << 20
"""Bytes looked at in one go."""

PACKED = {b"PK": "a zip archive or a spreadsheet: save the sheet as CSV", b"\x1f\x8b": "packed with gzip: unpack it"}
"""What files that are not text begin with."""


COMMENTS = ("#", "//", "%", "--")
"""What a line begins with that is probably a comment."""

ANOTHER = "another separator is named with separator="

MISPLACED = 'a quotation mark inside a field in quotation marks is written twice, as in "5"" pipe", and not after a \\'
"""What to do where text follows a quotation mark that seemed to end its field."""


@dataclass(frozen=True)
class Source:
    """A file, and what is read of it where that is not simply its bytes: in UTF-8, and without comments."""

    path: Path
    content: bytes | None = None
    dropped: tuple[int, ...] = ()
    """The lines of the file that are comments, from 1."""

    def open(self) -> IO[bytes]:
        """What is read, from its beginning."""
        return self.path.open("rb") if self.content is None else io.BytesIO(self.content)

    def line(self, number: int) -> int:
        """The line of the file where this line of what is read stands."""
        for dropped in self.dropped:
            number += dropped <= number
        return number


@dataclass(frozen=True)
class TextFile:
    """A file of text whose first line has been read; `most` is how many rows are wanted, None all."""

    source: Source
    separator: str
    headers: list[str]
    unnamed: list[str]
    """Those of the headers that only tell a column's place."""
    has_header: bool
    most: int | None

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.source.path

    def numbered(self) -> Iterator[tuple[int, int, list[str]]]:
        """The fields of each row that is wanted, with its number and its line, as Python's reader sees them."""
        for row, (line, cells) in enumerate(_records(self.source, self.separator), 0 if self.has_header else 1):
            if self.most is not None and row > self.most:
                return
            yield row, line, cells


def read_texts(
    path: PathLike, *, spelling: Spelling, names: Sequence[str] | None, most: int | None, learning: bool
) -> tuple[pl.DataFrame, NDArray[Any], list[str]]:
    """The file's columns as text, the number of each row that is not blank (from 1), and notes on how it was read.

    To learn from, it needs two columns at least; to predict, one may be all that a network knows.
    """
    if most is not None and most < 1:
        raise DataError(f"rows says how many are read, at least 1, not {most}")
    found, library = existing(path), polars()
    source = _source(found, spelling)
    file = _opened(source, spelling, names, most)
    if learning:
        _refuse_single(file)
    quotes = _count_of_quotes(source)
    if quotes % 2:
        # Some versions of polars take the rest of the file for one cell then, without a word.
        _explain_refusal(file)
        raise DataError(f"{found} has an odd number of quotation marks, so one of them is not closed")
    try:
        frame: pl.DataFrame = library.read_csv(
            found if source.content is None else source.open(),
            separator=file.separator,
            has_header=file.has_header,
            new_columns=file.headers,
            # No types are guessed: every column is read as text, and judged as a whole afterwards.
            infer_schema_length=0,
            n_rows=most,
        )
    except (library.exceptions.PolarsError, OSError) as error:
        _explain_refusal(file)
        raise DataError(f"{found} cannot be read: {str(error).splitlines()[0]}") from error
    if quotes:
        _refuse_lost_rows(file, frame.height)
    if frame.height and frame[file.headers[-1]].null_count():
        # polars fills short rows up without a word; their last column is empty then.
        _refuse_ragged(file)
    blank = _blank_rows(frame)
    rows = np.flatnonzero(~blank)
    if not len(rows):
        raise DataError(f"{found} has headers and no rows")
    notes = _notes_on_size(found, most)
    notes += [f"{name} has no header and is left out; names= would give it one" for name in file.unnamed]
    frame = frame.drop(file.unnamed) if file.unnamed else frame
    return frame[rows] if blank.any() else frame, rows + 1, notes


def _blank_rows(frame: pl.DataFrame) -> NDArray[Any]:
    """Which rows have nothing in them."""
    first, last = frame.to_series(0), frame.to_series(-1)
    if not (first.null_count() and last.null_count()):
        return np.zeros(frame.height, bool)
    blank = (first.is_null() & last.is_null()).to_numpy().copy()
    if maybe := np.flatnonzero(blank).tolist():
        full = stacked(frame[maybe].get_columns()).is_not_null().to_numpy().reshape(frame.width, -1)
        blank[maybe] = ~np.any(full, axis=0)
    return blank


def _source(path: Path, spelling: Spelling) -> Source:
    """What is read of a file: its own bytes, if they are UTF-8 as it is and have no comments."""
    with reading(path), path.open("rb") as file:
        begin = file.read(4)
    if begin[:2] in PACKED:
        raise DataError(f"{path} is {PACKED[begin[:2]]}")
    encoding = next((name for mark, name in BYTE_ORDERS.items() if begin.startswith(mark)), spelling.encoding)
    if encoding is None and spelling.comment is None:
        return Source(path)
    with reading(path):
        content = path.read_bytes()
    text, dropped = _decoded(path, content, encoding or "utf-8-sig"), tuple[int, ...]()
    if spelling.comment is not None:
        text, dropped = _without_comments(text, spelling.comment)
    return Source(path, text.encode(), dropped)


def _without_comments(text: str, comment: str) -> tuple[str, tuple[int, ...]]:
    """The text without lines that begin so, and their numbers; inside of quotation marks they belong to a field."""
    kept: list[str] = []
    dropped: list[int] = []
    within = False
    for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
        if not within and line.startswith(comment):
            dropped.append(number)
        else:
            within ^= line.count('"') % 2 == 1
            kept.append(line)
    return "".join(kept), tuple(dropped)


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    """The text of a file in an encoding; bytes that are none of it are told of with their line."""
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise DataError(f"there is no encoding {encoding!r}: there are utf-8, latin-1, cp1252, utf-16, …") from None
    except UnicodeError as error:
        place = getattr(error, "start", 0)
        line = content[:place].count(b"\n") + 1
        byte = f"the byte {content[place]:#04x}" if place < len(content) else "its end"
        raise DataError(f"{path}, line {line}: {byte} is not {encoding} text: another {ENCODING}") from None


def _opened(source: Source, spelling: Spelling, names: Sequence[str] | None, most: int | None) -> TextFile:
    """What the first line tells, checked."""
    path = source.path
    with reading(path), source.open() as file:
        begin = file.read(PORTION)
    if b"\0" in begin:
        raise DataError(
            f"{path} has zero bytes in it, as UTF-16 has: encoding='utf-16-le' or 'utf-16-be' would read that"
        )
    if b"\r" in begin and b"\n" not in begin:
        raise DataError(f"{path} ends its lines as old Macs did, with CR alone: save it with the ends LF or CRLF")
    separator = spelling.separator or _separator(path, begin, spelling.decimal)
    nothing: list[str] = []
    _, first = next(_records(source, separator), (0, nothing))
    if not any(cell.strip() for cell in first):
        raise DataError(f"{path} begins with an empty line, where the headers should be")
    if names is not None and len(names) != len(first):
        raise DataError(f"{path} has {len(first)} columns where {separator!r} separates, and names= gives {len(names)}")
    given = [name.strip() for name in (first if names is None else names)]
    headers = [name or f"column {place}" for place, name in enumerate(given, 1)]
    _refuse_headers(path, headers)
    unnamed = [header for header, name in zip(headers, given, strict=True) if not name]
    return TextFile(source, separator, headers, unnamed, names is None, most)


def _refuse_single(file: TextFile) -> None:
    if len(file.headers) < 2:
        sign = next((sign for sign in COMMENTS if file.headers[0].startswith(sign)), "")
        cure = f"lines that begin with {sign!r} are left out with comment={sign!r}" if sign else ANOTHER
        raise DataError(
            f"{file.path} has a single column, {file.headers[0]!r}, where {file.separator!r} separates: a target and a "
            f"feature are needed; {cure}"
        )


def _refuse_headers(path: Path, headers: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for place, name in enumerate(headers, 1):
        if first.setdefault(name, place) != place:
            raise DataError(f"{path}: the columns {first[name]} and {place} are both called {name!r}: rename one")
    if not any(math.isnan(number_in(name)) for name in headers):
        raise DataError(f"{path} begins with numbers, {listing(headers, 4)}, not with headers: give them with names=")


def _separator(path: Path, begin: bytes, decimal: str) -> str:
    """Tabs for TSV, else what parts all of the first lines into equally many fields, and the most of them.

    Where nothing does, it is what parts the first line into most.
    """
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    lines = _first_lines(begin)
    widths: dict[str, list[int]] = {}
    for sign in SEPARATORS:
        if sign != decimal:
            widths[sign] = [0]
            # What separates nothing leaves a field longer than Python's reader takes.
            with suppress(csv.Error):
                widths[sign] = [len(cells) for cells in csv.reader(lines, delimiter=sign) if cells] or [0]
    steady = [sign for sign, counts in widths.items() if counts[0] > 1 and len(set(counts)) == 1]
    return max(steady or widths, key=lambda sign: widths[sign][0])


def _first_lines(begin: bytes) -> list[str]:
    """A few whole lines of what a file begins with; of very long ones fewer."""
    lines: list[bytes] = []
    for line in io.BytesIO(begin):
        if len(lines) == SAMPLE or (len(lines) >= FEWEST and sum(map(len, lines)) > LONG):
            break
        lines.append(line)
    if len(lines) > 1 and not lines[-1].endswith(b"\n") and len(begin) == PORTION:
        lines.pop()
    return [line.decode("utf-8-sig", "replace") for line in lines]


def _records(source: Source, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The file's records with their first lines, as Python's own reader sees them; slow, and it can point."""
    path = source.path
    with _as_text(path), io.TextIOWrapper(source.open(), encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        line = 1
        try:
            for cells in reader:
                yield source.line(line), cells
                line = reader.line_num + 1
        except csv.Error as error:
            misplaced = "expected after" in str(error)
            why = MISPLACED if misplaced else f"{error}; a quotation mark further up may not be closed"
            raise DataError(f"{path}, line {source.line(reader.line_num)}: {why}") from None


@contextmanager
def _as_text(path: Path) -> Generator[None]:
    """Tells of bytes that are no text by their line, and of what the system has against reading."""
    try:
        with reading(path):
            yield
    except UnicodeDecodeError as error:
        with path.open("rb") as file:
            for line, content in enumerate(file, 1):
                try:
                    content.decode("utf-8")
                except UnicodeDecodeError as wrong:
                    raise DataError(
                        f"{path}, line {line}: the byte {content[wrong.start]:#04x} is not UTF-8 text: {ENCODING}, or "
                        "save the file as UTF-8 (in a spreadsheet, the format is called CSV UTF-8)"
                    ) from None
        raise DataError(f"{path} is not UTF-8 text: {error.reason}") from None


def _notes_on_size(path: Path, most: int | None) -> list[str]:
    size = path.stat().st_size
    if size < HUGE or most is not None:
        return []
    return [f"{size / 1e9:.1f} GB are read into memory, and rows= would read fewer rows"]


def _count_of_quotes(source: Source) -> int:
    with reading(source.path), source.open() as file:
        portions = iter(lambda: file.read(PORTION), b"")
        # To find that there is none takes far less time than to count.
        return sum(portion.count(b'"') for portion in portions if b'"' in portion)


def _refuse_lost_rows(file: TextFile, count: int) -> None:
    """Python's strict reader must see as many rows: polars takes all between two misplaced quotation marks for one."""
    seen = 0
    for seen, _, _ in file.numbered():  # noqa: B007 - the last number is what counts
        pass
    if seen != count:
        _explain_refusal(file)
        raise DataError(
            f"{file.path} has {seen:,} rows, of which {count:,} can be told apart: mend its quotation marks"
        )


def _refuse_ragged(file: TextFile) -> None:
    width = len(file.headers)
    for row, line, cells in file.numbered():
        if cells and len(cells) != width:
            raise DataError(
                f"{file.path}, line {line}: row {row} has {len(cells)} field{'s' * (len(cells) != 1)}, and there are "
                f"{width} columns: it begins with {file.separator.join(cells)[:40]!r}"
            )


def _explain_refusal(file: TextFile) -> None:
    """Find what polars stumbled over, if Python's reader can."""
    _refuse_ragged(file)
    for row, line, cells in file.numbered():
        for name, cell in zip(file.headers, cells, strict=False):
            if '"' in cell:
                raise DataError(
                    f"{file.path}, line {line}: row {row}, column {name!r}: a quotation mark in the middle, "
                    f"{cell[:40]!r}"
                )

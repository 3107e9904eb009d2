"""CSV and TSV files as columns of text: what is wrong with one is found here, and told with its row."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.block import stacked
from chainrule.data.encode import listing, polars, tidy, where
from chainrule.data.files import PathLike, existing, reading
from chainrule.data.notes import Note
from chainrule.data.numerals import number_in
from chainrule.data.scan import are_quotes_regular, has_padded_numbers, is_even
from chainrule.data.spelling import Spelling
from chainrule.errors import DataError
from chainrule.printable import several

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = ",;\t|"
HUGE = 2**31
"""Bytes of a file from which on it is said that all of it goes into memory."""

BYTE_ORDERS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""What a file in one of these begins with, longer marks first."""

UNNAMED = "have no header and are left out; names= would give them one"
ENCODING = "encoding= names the one that it is in, as encoding='latin-1'"
SAMPLE, FEWEST, LONG = 20, 3, 1 << 16
"""Lines by which it is seen what separates, and so few where they have more bytes than this."""

SAMPLED, FEWEST_ROWS = 500, 5
"""About so many cells, and so many rows, are looked at to see which columns may be numbers."""

PORTION = 1 << 20
"""Bytes among which the first lines are looked for."""

PACKED = {
    b"PK": "a zip archive or a spreadsheet: save the sheet as CSV",
    b"\x1f\x8b": "packed with gzip: unpack it",
    b"(\xb5/\xfd": "packed with zstd: unpack it",
    b"\xfd7zXZ": "packed with xz: unpack it",
    b"x\x9c": "packed with zlib: unpack it",
    b"x\xda": "packed with zlib: unpack it",
}
"""What files that are not text begin with."""


COMMENTS = ("#", "//", "%", "--")
"""What a line begins with that is probably a comment."""

ANOTHER = "another separator is named with separator="

MISPLACED = 'a quotation mark inside a field in quotation marks is written twice, as in "5"" pipe", and not after a \\'
"""What to do where text follows a quotation mark that seemed to end its field."""


@dataclass(frozen=True)
class Source:
    """A file, and what is read of it: its bytes, in UTF-8 without a mark of their order, and without comments."""

    path: Path
    content: bytes
    dropped: tuple[int, ...] = ()
    """The lines of the file that are comments, from 1."""

    def line(self, number: int) -> int:
        """The line of the file where this line of what is read stands."""
        for dropped in self.dropped:
            number += dropped <= number
        return number


@dataclass(frozen=True)
class TextFile:
    """A file of text whose first lines have been read; `most` is how many rows are wanted, None all."""

    source: Source
    separator: str
    headers: list[str]
    unnamed: list[str]
    """Those of the headers that only tell a column's place."""
    has_header: bool
    most: int | None
    sample: list[list[str]]
    """The fields of a few rows."""

    @property
    def path(self) -> Path:
        return self.source.path

    def numbered(self) -> Iterator[tuple[int, int, list[str]]]:
        """The fields of each row that is wanted, with its number and its line, as Python's reader sees them."""
        for row, (line, cells) in enumerate(_records(self.source, self.separator), 0 if self.has_header else 1):
            if self.most is not None and row > self.most:
                return
            yield row, line, cells

    def read(
        self, numbers: Collection[str] = (), words: Sequence[str] = (), only: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """The columns, or `only` some, as text or `numbers`; empty fields and those with one of `words` are null.

        A cell among the numbers that is none raises what polars raises.
        """
        library = polars()
        chosen = self.headers if only is None else only
        content = self.source.content
        # What begins as "x^2" polars takes for packed; behind a mark of the order of bytes it is text.
        frame: pl.DataFrame = library.read_csv(
            codecs.BOM_UTF8 + content if content.startswith(b"x") else content,
            separator=self.separator,
            has_header=self.has_header,
            # No types are guessed: every other column is read as text, and judged as a whole afterwards.
            infer_schema_length=0,
            schema_overrides=[library.Float64 if name in numbers else library.String for name in self.headers],
            columns=None if only is None else [self.headers.index(name) for name in only],
            n_rows=self.most,
            null_values=[*words] or None,
        )
        frame.columns = [*chosen]
        return frame

    def numbers_among(self, names: Sequence[str], words: Collection[str]) -> tuple[list[str], list[str]]:
        """Of some columns those that are numbers in the first rows, and those that have nothing there."""
        wanted = set(names)
        columns = zip(self.headers, zip(*self.sample, strict=False), strict=False)
        found = {name: _are_numbers(cells, words) for name, cells in columns if name in wanted}
        return [name for name, are in found.items() if are], [name for name, are in found.items() if are is None]


@dataclass(frozen=True)
class Written:
    """What some rows of a file say, as it is written: columns of numbers are read again when they are asked for."""

    texts: pl.DataFrame
    """The columns of text, of these rows, tidy."""
    file: TextFile | None = None
    """Where all other columns are."""
    places: NDArray[Any] = field(default_factory=lambda: np.empty(0, int))
    """The rows, as polars counts them."""
    missing: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        file = self.file
        return self.texts.columns if file is None else [name for name in file.headers if name not in file.unnamed]

    def __getitem__(self, name: str) -> pl.Series:
        if self.file is None or name in self.texts.columns:
            return self.texts[name]
        return tidy(self.file.read(only=[name]), self.missing).to_series()[self.places]

    def part(self, places: NDArray[Any]) -> Written:
        """The same of some of the rows."""
        texts = self.texts[places] if self.texts.width else self.texts
        return Written(texts, self.file, self.places[places] if len(self.places) else self.places, self.missing)


@dataclass(frozen=True)
class Read:
    """The columns of a file, as text or as numbers, the number of each row that is not blank (from 1), and notes."""

    file: TextFile
    frame: pl.DataFrame
    rows: NDArray[Any]
    notes: list[str]
    unknown: list[str]
    """The columns of text that may be of numbers alone."""

    def texts_of(self, names: Sequence[str]) -> list[pl.Series]:
        """Columns that were read as numbers, as text."""
        return self.file.read(only=names)[self.rows - 1].get_columns() if names else []


def read_texts(
    path: PathLike, *, spelling: Spelling, names: Sequence[str] | None, most: int | None, learning: bool
) -> tuple[pl.DataFrame, NDArray[Any], list[str]]:
    """The file's columns as text, the number of each row that is not blank (from 1), and notes on how it was read."""
    read = read_columns(path, spelling=spelling, names=names, most=most, learning=learning)
    return read.frame, read.rows, read.notes


def read_columns(
    path: PathLike,
    *,
    spelling: Spelling,
    names: Sequence[str] | None,
    most: int | None,
    learning: bool,
    missing: Sequence[str] = (),
    maybe_numbers: Callable[[str], bool] = lambda _: False,
) -> Read:
    """The file's columns: those of `maybe_numbers` where every cell is one as such, all others as text.

    To learn from, it needs two columns at least; to predict, one may be all that a network knows.
    """
    if most is not None and most < 1:
        raise DataError(f"rows says how many are read, at least 1, not {most}")
    found = existing(path)
    source = _source(found, spelling)
    file = _opened(source, spelling, names, most)
    if learning:
        _refuse_single(file)
    # To find that there is none takes far less time than to count.
    quotes = source.content.count(b'"') if b'"' in source.content else 0
    if quotes % 2:
        # Some versions of polars take the rest of the file for one cell then, without a word.
        _explain_refusal(file)
        raise DataError(f"{found} has an odd number of quotation marks, so one of them is not closed")
    maybe = [name for name in file.headers if name not in file.unnamed and maybe_numbers(name)]
    numbers, unknown = file.numbers_among(maybe, missing)
    # A number among them is looked for in the numbers themselves.
    words = [word for word in missing if math.isnan(number_in(word)) and _occurs(word.encode(), source.content)]
    frame = _numbers_read(file, numbers, words) if numbers else None
    if frame is None:
        frame, unknown = _texts_read(file), maybe
    if quotes and not are_quotes_regular(source.content, file.separator):
        _refuse_lost_rows(file, frame.height)
    if frame.height and frame[file.headers[-1]].null_count():
        # polars fills short rows up without a word; their last column is empty then.
        _refuse_ragged(file)
    blank = _blank_rows(frame)
    rows = np.flatnonzero(~blank)
    if not len(rows):
        raise DataError(f"{found} has headers and no rows")
    notes = [*_notes_on_size(found, most), *_notes_on_blank(file, blank)]
    notes += [
        Note(f"{name} has no header and is left out; names= would give it one", name, UNNAMED) for name in file.unnamed
    ]
    frame = frame.drop(file.unnamed) if file.unnamed else frame
    return Read(file, frame[rows] if blank.any() else frame, rows + 1, notes, unknown)


def _occurs(word: bytes, content: bytes) -> bool:
    """Whether a word is in a content: a sign that is not there at all is found out much sooner."""
    return all(word[i : i + 1] in content for i in range(len(word))) and word in content


def _are_numbers(cells: Sequence[str], words: Collection[str]) -> bool | None:
    """Whether some cells are numbers, but for those that are missing; None where all are."""
    try:
        return math.isfinite(sum(map(float, cells)))
    except ValueError:
        given = [cell for cell in cells if cell and cell not in words]
        return all(math.isfinite(number_in(cell)) for cell in given) if given else None


def _numbers_read(file: TextFile, numbers: Sequence[str], words: Sequence[str]) -> pl.DataFrame | None:
    """The columns with some as numbers, or nothing where a cell of those is none, or another look is needed."""
    try:
        frame = file.read(set(numbers), words)
    except (polars().exceptions.PolarsError, OSError):
        return None
    # A row of nothing but such words is one; and what begins with a zero may be a code.
    is_doubtful = (words and _blank_rows(frame).any()) or has_padded_numbers(file.source.content, file.separator)
    return None if is_doubtful else frame


def _texts_read(file: TextFile) -> pl.DataFrame:
    """All columns as text; what polars cannot read raises `DataError`."""
    try:
        return file.read()
    except (polars().exceptions.PolarsError, OSError) as error:
        _explain_refusal(file)
        raise DataError(f"{file.path} cannot be read: {str(error).splitlines()[0]}") from error


def _blank_rows(frame: pl.DataFrame) -> NDArray[Any]:
    first, last = frame.to_series(0), frame.to_series(-1)
    if not (first.null_count() and last.null_count()):
        return np.zeros(frame.height, bool)
    blank = (first.is_null() & last.is_null()).to_numpy().copy()
    if maybe := np.flatnonzero(blank).tolist():
        columns = frame[maybe].get_columns()
        for dtype in set(frame.dtypes):
            alike = stacked([series for series in columns if series.dtype == dtype])
            blank[maybe] &= alike.is_null().to_numpy().reshape(-1, len(maybe)).all(axis=0)
    return blank


def _notes_on_blank(file: TextFile, blank: NDArray[Any]) -> list[str]:
    """That rows are left out which have separators and nothing else; of empty lines nobody needs to be told."""
    sign = re.escape(file.separator.encode())
    if not blank.any() or not re.search(rb"(?m)^ *" + sign + rb"(?: |" + sign + rb")*\r?$", file.source.content):
        return []
    places = np.flatnonzero(blank)
    return [f"{where(places, np.arange(1, len(blank) + 1))}: left out, as no column has anything there"]


def _source(path: Path, spelling: Spelling) -> Source:
    """What is read of a file: its own bytes, if they are UTF-8 as it is and have no comments."""
    with reading(path):
        content = path.read_bytes()
    for mark, packed in PACKED.items():
        if content.startswith(mark):
            raise DataError(f"{path} is {packed}")
    encoding = next((name for mark, name in BYTE_ORDERS.items() if content.startswith(mark)), spelling.encoding)
    if encoding is None and spelling.comment is None:
        return Source(path, content.removeprefix(codecs.BOM_UTF8))
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
    path, begin = source.path, source.content[:PORTION]
    if b"\0" in begin:
        raise DataError(
            f"{path} has zero bytes in it, as UTF-16 has: encoding='utf-16-le' or 'utf-16-be' would read that"
        )
    if b"\r" in begin and b"\n" not in begin:
        raise DataError(f"{path} ends its lines as old Macs did, with CR alone: save it with the ends LF or CRLF")
    separator = spelling.separator or _separator(path, begin, spelling.decimal)
    nothing: list[str] = []
    records = _records(source, separator)
    _, first = next(records, (0, nothing))
    if not any(cell.strip() for cell in first):
        raise DataError(f"{path} begins with an empty line, where the headers should be")
    if names is not None and len(names) != len(first):
        raise DataError(f"{path} has {len(first)} columns where {separator!r} separates, and names= gives {len(names)}")
    given = [name.strip() for name in (first if names is None else names)]
    headers = [name or f"column {place}" for place, name in enumerate(given, 1)]
    _refuse_headers(path, headers)
    unnamed = [header for header, name in zip(headers, given, strict=True) if not name]
    sample = [] if names is None else [first]
    with suppress(DataError):
        # What is wrong there is told when all of the file is looked at.
        sample += [cells for _, cells in islice(records, max(FEWEST_ROWS, SAMPLED // len(headers))) if cells]
    return TextFile(source, separator, headers, unnamed, names is None, most, sample)


def _refuse_single(file: TextFile) -> None:
    if len(file.headers) < 2:
        sign = next((sign for sign in COMMENTS if file.headers[0].startswith(sign)), "")
        cure = f"lines that begin with {sign!r} are left out with comment={sign!r}" if sign else ANOTHER
        if not sign and (most := max(map(len, file.sample), default=0)) > 1:
            cure = f"lines below it have up to {most} fields: if it is a title, take out all that is above the headers"
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
    with _as_text(path), io.TextIOWrapper(io.BytesIO(source.content), encoding="utf-8-sig", newline="") as file:
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
    if b'"' not in file.source.content and is_even(file.source.content, file.separator):
        return
    width = len(file.headers)
    for row, line, cells in file.numbered():
        if cells and len(cells) != width:
            raise DataError(
                f"{file.path}, line {line}: row {row} has {several(len(cells), 'field')}, and there are "
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

"""What DATA stands for on the command line: a CSV or TSV file, the shipped digits, or MNIST's files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.cli.telling import say
from chainrule.data import Table, load_mnist, read_table
from chainrule.data.encode import listing
from chainrule.data.files import checksum_of, is_folder
from chainrule.data.pictures import digits_held_out, table_of_digits, table_of_pictures
from chainrule.data.spelling import Spelling
from chainrule.data.text_file import read_texts
from chainrule.errors import DataError, DataWarning, DivergenceWarning
from chainrule.kinds import Array
from chainrule.printable import several

if TYPE_CHECKING:
    from chainrule.training import Model

DIGITS, MNIST = "digits", "mnist"
MOST_NOTES = 3
"""Notes that are printed without being asked for."""
SPELLED = (
    (r"; names= would give (it|them) one", ""),
    (r"give them with names=", "write them in a first line"),
    (r"max_categories=", "--max-categories "),
    (r"task='classification'", "--task classification"),
    (r"dates=True", "--dates"),
    (r"hashed=64", "--hash"),
    (r"embedded=True", "--embed"),
    (r"log_target=", "--log-target"),
    (r"\bbalanced=True", "--class-weight balanced"),
    (r"\bthreshold='auto'", "--threshold auto"),
    (r"\b(decimal|thousands|encoding|comment)='([^']*)'", r"--\1 '\2'"),
    (r"\b(missing|thousands)=\"", r'--\1 "'),
    (r"\b(separator|ignore|missing|categorical|keep|encoding)=", r"--\1"),
    (r", or hold gradients with clip_norm", ""),
    (r"a smaller lr$", "a smaller --lr"),
)
"""What errors say to programs, and what they say to someone at a command line."""


@dataclass(frozen=True)
class Examples:
    """Examples as a network takes them, and what they are in words."""

    table: Table
    name: str

    def __len__(self) -> int:
        return len(self.table)

    @property
    def targets(self) -> Array:
        """The targets as a loss takes them; `DataError` where the file does not tell."""
        if self.table.y is None:
            raise DataError(
                f"{self.name} have no targets to compare with: add the column {self.table.columns.target.name!r}, or "
                "use chainrule predict"
            )
        return self.table.y


@dataclass(frozen=True)
class Lesson:
    """A table to learn from, `held` rows that judge where they come apart from it, and where all of it came from."""

    table: Table
    held: Table | None
    name: str
    held_name: str
    source: dict[str, Any]


@contextmanager
def notes_as_lines(command: str = "", most: int | None = None, *, each: bool = False) -> Generator[None]:
    """Warnings on data become lines on standard error, and errors name the options of the command line.

    `command` is the one that has those options, where it is another than that which runs. What holds of many columns is
    one line, or one for `each` of them. Of more than `most` lines the rest is counted, and all come at the end, those
    on columns that are left out after the others.
    """
    usual = warnings.showwarning
    waiting: list[tuple[str, int]] = []

    def tell(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if not isinstance(message, DataWarning):
            usual(message, category, *place, **more)
            return
        lines = [(note, 1) for note in message.notes] if each else [(str(message), len(message.notes))]
        for line, count in lines:
            if most is None:
                say(f"chainrule: note: {spelled(line, command)}", err=True)
            else:
                waiting.append((spelled(line, command), count))

    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        # That a run diverged is told as its error.
        warnings.simplefilter("ignore", DivergenceWarning)
        warnings.showwarning = tell
        try:
            yield
        except DataError as error:
            raise DataError(spelled(str(error), command)) from error
        finally:
            waiting.sort(key=lambda line: " left out" in line[0])
            for note, _ in waiting[:most]:
                say(f"chainrule: note: {note}", err=True)
            if rest := sum(count for _, count in waiting[most or 0 :]):
                say(f"chainrule: {several(rest, 'more note')} (--detail full)", err=True)


def spelled(message: str, command: str = "") -> str:
    """A message that names options as they are typed, after the command that has them."""
    for pattern, typed in SPELLED:
        message = re.sub(pattern, typed.replace("--", f"{command} --".lstrip()), message)
    return message


def lesson_of(data: str, path: Path | None, reading: Mapping[str, Any]) -> Lesson:
    """What is learned from, a table as `read_table` is told to read it; MNIST brings pictures to be judged by."""
    if data == MNIST and path is not None:
        x, y, x_test, y_test = load_mnist(path)
        if y.min() == y.max():
            raise DataError(f"{path}: every picture to train on has the label {y[0]}, so there is nothing to learn")
        classes = int(max(y.max(), y_test.max())) + 1
        pictures, held = table_of_pictures(x, y, classes), table_of_pictures(x_test, y_test, classes)
        return Lesson(pictures, held, f"pictures of {path}", f"test pictures of {path}", {"name": MNIST})
    if data == DIGITS:
        return Lesson(table_of_digits(), None, "of the shipped digits", "held-out digits", {"name": DIGITS})
    table = read_table(data, **reading)
    source = {"name": Path(data).name, "checksum": checksum_of(Path(data))}
    return Lesson(table, None, f"rows of {data}", f"held-out rows of {data}", source)


def headers_of(data: str, spelling: Spelling) -> str:
    """The names of a file's columns, for someone who has to choose one."""
    frame, _, _ = read_texts(data, spelling=spelling, names=None, most=1, learning=True)
    return listing(frame.columns, 20)


def examples_of(
    data: str, model: Model, *, whole: bool = False, dtype: Any = np.float32, targets: bool = True
) -> Examples:
    """What a trained network is to be used on.

    Of the digits it is those that it has not seen, or, where `whole` or where it has seen all, all; of MNIST the test
    pictures; of a table every row, or, with `targets`, every row that has one.
    """
    source = model.about.get("source", {})
    if data == DIGITS:
        table, what = table_of_digits(), "the {:,} shipped digits"
        if not whole and source.get("name") == DIGITS and not source.get("refitted"):
            table, what = digits_held_out(source["share"], source["seed"]), "{:,} held-out digits"
    elif is_folder(data) or Path(data).suffix == ".npz":
        _, _, x, y = load_mnist(data)
        table, what = table_of_pictures(x, y, int(y.max()) + 1), f"the {{:,}} test pictures of {data}"
    else:
        table = model.read(data, targets=targets, dtype=dtype)
        return Examples(table, f"{len(table):,} rows of {data}")
    fits = (model.columns.features, table.y is None or int(table.y.max()) < len(model.columns.classes))
    if fits != (table.columns.features, True):
        raise DataError(
            f"{model.path} learned {model.columns.target.name!r} from {len(model.columns.names)} features, "
            f"{listing(model.columns.names, 3)}, and {data} has {table.x.shape[1]} pixels: give data of the same kind"
        )
    return Examples(replace(table, x=table.x.astype(dtype), columns=model.columns), what.format(len(table)))

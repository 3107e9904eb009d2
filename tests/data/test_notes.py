"""What holds of many columns is told in one line, and of each in the notes of its table."""

import numpy as np
import pytest

from chainrule.data import read_table
from chainrule.errors import DataWarning

ROWS = 60
TEXTS = ["tea", "ink", "oak", "elm", "ash"]


def cells(kind, row, column):
    """A cell of a column of which one thing is to be told."""
    return {
        "gaps": "" if (row + column) % 9 == 0 else f"{(row * 7 + column) % 23}.5",
        "no category": "" if (row + column) % 9 == 0 else TEXTS[(row * 3 + column) % 5],
        "constant": f"{column}",
        "empty": "",
        "counter": f"{row + column}",
        "id": f"N{column}-{row * 37 % ROWS}",
        "dates": f"2024-{1 + row % 12:02}-{1 + (row + column) % 28:02}",
        "times": f"{row % 24:02}:{(row + column) % 60:02}",
        "texts": f"text {row % 55} of {column}",
        "capitals": TEXTS[row % 5].title() if row % 7 == 0 else TEXTS[row % 5],
        "stand-ins": "-999" if (row + column) % 8 == 0 else f"{(row * 5 + column) % 17}",
        "odd cells": "x" if row in (9, 30) else f"{(row + column) % 11}",
    }[kind]


LINES = {
    "gaps": "miss values, and the mean of each stands in",
    "no category": "miss values, and all their features are 0 there",
    "constant": "do not vary and are left out",
    "empty": "are empty and left out",
    "counter": "only count the rows and are left out; keep= would use them",
    "id": "are ids and left out; keep= would use them",
    "dates": "are dates and left out; dates=True would use their parts",
    "times": "are times and left out; dates=True would use their parts",
    "texts": "have very many different texts and are left out; hashed=64 or embedded=True would use them",
    "capitals": "have texts that differ in capitals alone, and count as different",
    "stand-ins": (
        "have a usual stand-in for a missing value far from all others; missing= with it would take it for one"
    ),
    "odd cells": "have a few cells that are no numbers, as their others are, and are read as categories; "
    'missing="x" would take all such words of the file for it',
}


def write(path, kinds):
    """A column that is a number and tells nothing, so many of each kind, and a target."""
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(len(kinds))]
    lines = [",".join(["a", *names, "y"])]
    for row in range(ROWS):
        made = [cells(kind, row, i) for i, kind in enumerate(kinds)]
        lines.append(",".join([f"{rng.normal():.3f}", *made, "pq"[row % 2]]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("kind", LINES)
def test_what_holds_of_many_columns_is_one_line(tmp_path, kind):
    write(tmp_path / "t.csv", [kind] * 6)
    with pytest.warns(DataWarning) as told:
        table = read_table(tmp_path / "t.csv", target="y")
    assert [str(one.message).partition("t.csv: ")[2] for one in told] == [
        f"6 columns {LINES[kind]}: c0, c1, c2 and 3 more"
    ]
    each = [note for note in table.notes if "column 'c" in note]
    assert [note.split("'")[1] for note in each] == [f"c{i}" for i in range(6)]
    assert [note.partition("t.csv: ")[2] for note in told[0].message.notes] == each


def test_few_columns_are_told_of_one_by_one(tmp_path):
    write(tmp_path / "t.csv", ["gaps", "constant", "gaps", "constant", "gaps", "constant"])
    with pytest.warns(DataWarning) as told:
        table = read_table(tmp_path / "t.csv", target="y")
    assert [str(one.message).partition("t.csv: ")[2] for one in told] == list(table.notes[1:])


def test_rows_held_back_have_one_line_too(tmp_path):
    lines = [",".join([f"a{i}" for i in range(8)] + ["b", "y"])]
    lines += [
        ",".join([*(["new" if row == 3 else TEXTS[(row + i) % 5] for i in range(8)]), f"{row % 7}", "pq"[row % 2]])
        for row in range(ROWS)
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    table = read_table(tmp_path / "t.csv", target="y")
    with pytest.warns(DataWarning) as told:
        table.parts(np.array([i for i in range(ROWS) if i != 3]), np.array([3]))
    (line,) = [str(one.message) for one in told]
    assert line.startswith("the rows held back: 8 columns have values unseen in training, for which all their features")
    assert line.endswith(" are 0: a0, a1, a2 and 5 more")
    with pytest.warns(DataWarning, match="^encode: 5 columns were not there in training and are ignored: p, q, r and"):
        table.columns.encode({**{f"a{i}": ["tea"] for i in range(8)}, "b": [1], **{name: [1] for name in "pqrst"}})

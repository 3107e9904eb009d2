"""What is probably not meant as it stands is told, and read as it stands."""

import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import read_table
from chainrule.errors import DataWarning


def table(path, heads, rows, **settings):
    path.write_text("\n".join([heads, *rows]) + "\n", encoding="utf-8")
    with pytest.warns(DataWarning) as told:
        found = read_table(path, target="y", **settings)
    return found, [str(one.message) for one in told]


@pytest.mark.parametrize("stand_in", ["-999", "-99", "9999", "-9999.0"])
def test_numbers_that_stand_for_missing_ones_are_told(tmp_path, stand_in):
    rng = np.random.default_rng(0)
    rows = [f"{stand_in if i % 6 == 0 else f'{1 + rng.normal():.2f}'},{i % 2},{'ab'[i % 2]}" for i in range(60)]
    found, told = table(tmp_path / "t.csv", "pressure,same,y", rows)
    number = f"{float(stand_in):.6g}"
    assert len(told) == 1
    assert f"column 'pressure': {number} stands in 10 rows, far from all others" in told[0]
    assert told[0].endswith(f'missing="{number}" would take it for a missing value')
    assert found.x.shape[1] == 2
    mended, told = table(tmp_path / "t.csv", "pressure,same,y", rows, missing=(stand_in,))
    assert "'pressure' misses 10 of 60 values" in told[0]
    assert mended.x.shape[1] == 3


@pytest.mark.parametrize(
    "rows",
    [
        # It lies among the others, stands in two rows alone, or is all that there is beside one number.
        [f"{i * 20 - 999},{'ab'[i % 2]}" for i in range(60)],
        [f"{-999 if i < 2 else i % 7},{'ab'[i % 2]}" for i in range(60)],
        [f"{7 * i % 100},{'ab'[i % 2]}" for i in range(60)],
    ],
)
def test_numbers_that_may_be_meant_are_not(tmp_path, recwarn, rows):
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows]) + "\n", encoding="utf-8")
    read_table(tmp_path / "t.csv", target="y")
    assert [str(one.message) for one in recwarn] == []


def test_words_that_differ_in_capitals_alone_are_told(tmp_path):
    rows = [f"{['OK', 'ok', 'bad', 'Ok'][i % 4]},{i % 5},{['Yes', 'no', 'yes'][i % 3]}" for i in range(60)]
    found, told = table(tmp_path / "t.csv", "status,x,y", rows)
    assert [one.partition(": ")[2] for one in told] == [
        "column 'status': 'OK' and 'Ok' and 'ok' differ in capitals alone, and count as different",
        "column 'y': 'Yes' and 'yes' differ in capitals alone, and count as different",
    ]
    assert found.columns.classes == ("Yes", "no", "yes")


def test_codes_that_are_all_different_are_ids(tmp_path):
    rows = [f"{i:06},{i % 7},{'ab'[i % 2]}" for i in range(60)]
    found, told = table(tmp_path / "t.csv", "sku,x,y", rows)
    assert found.columns.names == ("x",)
    assert "column 'sku' is left out: it is an id, codes, all different, as '000000'; keep= would use it" in told[0]


LEAVE = "ignore= would leave it out"


def fitted_notes(path, heads, rows, target):
    """What is told when a network learns from a table, beside what was told when it was read."""
    path.write_text("\n".join([heads, *rows]) + "\n", encoding="utf-8")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", DataWarning)
        table = read_table(path, target=target)
        read = len(told)
        cr.training.fit_table(table, cr.training.Recipe(epochs=1))
    return [str(one.message).partition(": ")[2] for one in told[read:]]


def test_columns_that_say_the_same_and_one_that_tells_the_target_are_told(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(80):
        number, left = int(rng.integers(1000)), i % 3 == 0
        rows.append(f"{number},{-2 * number / 7:.4f},{number / 10} %,{'moved' if left else ''},{'ny'[left]}")
    notes = fitted_notes(tmp_path / "t.csv", "a,b,c,reason,y", rows, "y")
    assert notes == [
        "column 'a' says the same as 'b', 'c', but for its scale; ignore= would leave one out",
        f"column 'reason' alone tells 'y': if it is known only after that, no judgement here holds; {LEAVE}",
    ]
    rows = [f"{i % 7},{i % 11},{3 * (i % 7) + 0.5}" for i in range(80)]
    assert [note[:25] for note in fitted_notes(tmp_path / "t.csv", "a,b,y", rows, "y")] == ["column 'a' alone tells 'y"]


@pytest.mark.parametrize(
    "row",
    [
        # One class of three alone is told, nearly all of it, or there is no other column.
        lambda i: f"{i % 7},{'u' if i % 3 else 'v'},{'abc'[i % 3]}",
        lambda i: f"{i % 7},{'uv'[i % 2]},{'ab'[i % 2 if i else 1]}",
        lambda i: f"{i % 7},{i % 7 + (i % 9 == 0)},{'abc'[i % 3]}",
        lambda i: f"1,{'uv'[i % 2]},{'ab'[i % 2]}",
    ],
)
def test_what_is_alike_in_most_rows_alone_is_no_news(tmp_path, row):
    assert fitted_notes(tmp_path / "t.csv", "a,b,y", [row(i) for i in range(80)], "y") == []


def sheet(path, rows, last):
    path.write_text("\n".join(["shop,sales,costs,y", *[",".join(map(str, row)) for row in rows], last]) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return [note for note in read_table(path, target="y", task="regression").notes if "sum of all rows" in note]


@pytest.mark.parametrize("count", [6, 9, 40, 400])
def test_a_total_below_the_rows_is_told(tmp_path, count):
    rng = np.random.default_rng(count)
    rows = [(f"s{i % 3}", rng.integers(1, 99), round(rng.uniform(1, 9), 2), i % 7 + 0.5) for i in range(count)]
    sums = [sum(row[i] for row in rows) for i in (1, 2, 3)]
    whole = f"row {count + 1} has the sum of all rows above it in 'sales', 'costs', 'y': if it is a total, take it out"
    (note,) = sheet(tmp_path / "t.csv", rows, f"Total,{sums[0]},{sums[1]:.2f},{sums[2]}")
    assert note.startswith(whole)
    (note,) = sheet(tmp_path / "t.csv", rows, f"Total,{sums[0]},,1.5")
    assert "above it in 'sales': if" in note
    assert not sheet(tmp_path / "t.csv", rows, f"s1,{sums[0] + 1},{sums[1] / 2:.2f},3.5")


def test_numbers_around_zero_have_no_total(tmp_path):
    rows = [("s", value, 0 if i else 5, i % 7 + 0.5) for i, value in enumerate([1, -1, 2, -2, 3, -3, 4, -4])]
    assert not sheet(tmp_path / "t.csv", rows, "s,0,5,3.5")

"""What is found for many columns together is, to the bit, what is found for each alone."""

import math
import sys
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import block, encode, learn, read_table, text_file, words
from chainrule.data.block import Block, block_of, means_and_scales, numbers_where_all_are
from chainrule.data.kinds import evident_kinds, kind_of_numbers
from chainrule.errors import DataError, DataWarning

number = st.one_of(
    st.integers(-3, 3).map(float), st.floats(-1e300, 1e300), st.sampled_from([20240131.0, 19991231.0, 0.5, 0.0, 1.0])
)
table = st.integers(2, 14).flatmap(
    lambda rows: st.lists(
        st.lists(st.one_of(number, number, st.just(math.nan)), min_size=rows, max_size=rows).filter(
            lambda column: not all(map(math.isnan, column))
        ),
        min_size=1,
        max_size=6,
    )
)


@settings(max_examples=200, deadline=None)
@given(columns=table)
def test_kinds_that_are_evident_are_those_of_each_column(columns):
    count = range(len(columns[0]))
    columns = [*columns, [*count], [*count[:-1], math.nan], [1.5, *columns[0][1:]]]
    names = [f"c{i}" for i in range(len(columns))] + ["row_id"]
    block = Block(tuple(names), np.array([*columns, columns[-2]]).T)
    for name, kind in evident_kinds(block).items():
        column = [*columns, columns[-2]][names.index(name)]
        assert kind == kind_of_numbers(pl.Series(name, column, pl.Float64).fill_nan(None))


@settings(max_examples=200, deadline=None)
@given(columns=table)
def test_means_and_deviations_are_those_of_each_column(columns):
    together = np.array(means_and_scales(np.array(columns).T))
    alone = np.array([means_and_scales(np.array(column)[:, None]) for column in columns])[:, :, 0].T
    assert together.tobytes() == alone.tobytes()
    values = np.array(columns).T
    with np.errstate(all="ignore"):
        expected = np.nanstd(values, axis=0)
    sizes = np.nanmax(np.abs(values), axis=0)
    usable = np.isfinite(expected) & (sizes > 1e-100)
    # Two orders of summing differ by about a rounding for each row, of the numbers themselves where they hardly differ.
    off = np.abs(together[1] - expected)[usable]
    assert (off <= 1e-9 * expected[usable] + len(values) * np.finfo(float).eps * sizes[usable]).all()
    assert (together[1] == 0)[np.nanmin(values, axis=0) == np.nanmax(values, axis=0)].all()


def test_columns_of_texts_infinities_or_nothing_are_left_for_a_closer_look():
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [1.0, None], "c": ["x", "y"], "d": [np.inf, 1.0], "e": [3, 4]})
    frame = frame.with_columns(f=pl.lit(None, pl.Float64))
    found = block_of(frame)
    assert found.names == ("a", "b", "e")
    np.testing.assert_array_equal(found.values, [[1, 1, 3], [2, np.nan, 4]])
    np.testing.assert_array_equal(found.ends, [[1, 1, 3], [2, 1, 4]])
    assert block_of(frame.select("c")).values.shape == (2, 0)


def test_texts_become_numbers_where_every_cell_is_one():
    frame = pl.DataFrame({"a": ["1", None, "2.5"], "b": ["1", "x", "2"], "c": [None] * 3, "d": ["1", "2", "3"]})
    frame = frame.with_columns(pl.col("c").cast(pl.String))
    assert numbers_where_all_are(frame).dtypes == [pl.Float64, pl.String, pl.Float64, pl.Float64]
    assert numbers_where_all_are(frame, {"a"}).dtypes == [pl.Float64, pl.String, pl.String, pl.String]


KINDS = ("numbers", "categories")
CELLS = [
    *["1", "2.5", "-3e4", "", "x", "007", "00", "1e300", "20240131", "9007199254740993", "0", "12345"],
    *[" 4 ", "nan", "inf", "-99", "-99.0", "5 €", "+6", "07.5", "40", "41"],
    *["yes", "no", "Yes", "low", "high", "2024-01-31", "10:30", "May 5", "10-19", "1,5", "k1", ":"],
]


@pytest.mark.parametrize("seed", [*range(24), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(24, 240))])
def test_a_table_is_read_as_if_each_of_its_columns_were_looked_at_alone(tmp_path, monkeypatch, seed):
    """With the short ways closed, every column goes through the long one: notes, arrays and columns are the same."""
    rng = np.random.default_rng(seed)
    lines = [",".join([f"c{i}" for i in range(12)] + ["y"])]
    kinds = [rng.choice(CELLS, size=rng.integers(1, 4)) for _ in range(12)]
    quotes = ['"' if is_quoted else "" for is_quoted in rng.random(12) < seed % 3 / 2]
    bare = [cell for cell in CELLS if "," not in cell]
    kinds = [kind if quote else rng.choice(bare, len(kind)) for kind, quote in zip(kinds, quotes, strict=True)]
    # In some columns what the first rows have is not what comes later.
    late = {*rng.integers(0, 12, 20 * (seed % 2)).tolist()}
    for row in range(20):
        cells = [rng.choice(kind) if row > 7 or i not in late else "3" for i, kind in enumerate(kinds)]
        lines.append(",".join([*[f"{q}{cell}{q}" for cell, q in zip(cells, quotes, strict=True)], "ab"[row % 2]]))
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")

    def outcome():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                whole = read_table(
                    tmp_path / "t.csv", target="y", missing=("nan", "-99"), keep=("c0",), categorical=("c1",)
                )
                parts = (whole, *whole.hold_out(seed=seed))
                news = read_table(tmp_path / "t.csv", columns=parts[1].columns)
            except DataError as error:
                return str(error)
        written = [[part.texts(f"c{i}") for i in range(12)] for part in (*parts, news)]
        return [(part.x.tobytes(), part.columns, part.notes) for part in (*parts, news)], written

    quick = outcome()
    short_ways = (learn, "_evident"), (learn, "_fit_together"), *((encode, f"_write_{kind}_together") for kind in KINDS)
    for module, name in short_ways:
        monkeypatch.setattr(module, name, lambda *_, **__: {})
    monkeypatch.setattr(sys.modules["chainrule.data.table"], "evident_numbers", lambda *_: [])
    monkeypatch.setattr(text_file, "_numbers_read", lambda *_: None)
    monkeypatch.setattr(text_file, "are_quotes_regular", lambda *_: False)
    monkeypatch.setattr(text_file, "is_even", lambda *_: False)
    monkeypatch.setattr(words, "_coded", lambda *_: None)
    assert outcome() == quick


def test_a_wide_table_needs_no_call_for_each_column(tmp_path, monkeypatch):
    """Numbers and categories, complete and with gaps: none is looked at alone, here or when it is used."""
    names = ",".join(f"g{i}" for i in range(400))
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 400))
    there, words = rng.random((30, 400)) > 0.1, rng.choice(["low", "mid", "high"], (30, 400))
    lines = []
    for row in range(30):
        cells = [words[row, i] if i % 4 > 1 else str(rows[row, i]) for i in range(400)]
        lines.append(
            ",".join([cell if i % 2 or there[row, i] else "" for i, cell in enumerate(cells)] + ["ab"[row % 2]])
        )
    (tmp_path / "t.csv").write_text(f"{names},y\n" + "\n".join(lines) + "\n")
    calls = []
    for module, name in ((learn, "_found"), (learn, "fit_column"), (encode, "_write"), (encode, "numbers_of")):
        usual = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, usual=usual, **more: calls.append(1) or usual(*given, **more))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        table, held = read_table(tmp_path / "t.csv", target="y").hold_out()
    assert calls == []
    kept = np.where(there, rows, np.nan)[table.rows - 1, ::4]
    expected = np.nan_to_num((kept - np.nanmean(kept, axis=0)) / np.nanstd(kept, axis=0))
    places = {name: i for i, name in enumerate(table.columns.names)}
    found = table.x[:, [places[f"g{i}"] for i in range(0, 400, 4)]]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    kept = words[table.rows - 1, 3]
    np.testing.assert_array_equal(table.x[:, places["g3=mid"]], kept == "mid")
    assert held.x.shape == (6, table.x.shape[1])
    assert block.any_by_column(pl.Series([True, None, False, False]), 2) == [True, False]

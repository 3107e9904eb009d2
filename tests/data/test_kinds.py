"""What a column is taken for, what that makes of it, and that nothing is learned from rows held back."""

import itertools
import json
import re
import warnings

import numpy as np
import pytest

from chainrule.data import Columns, kinds, read_table
from chainrule.errors import DataError, DataWarning

DAYS = [f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}" for i in range(60)]


@pytest.fixture
def read(tmp_path):
    """Reads a table of the given columns, beside which stands a quantity, with a target."""

    def table(settings=None, **columns):
        rng = np.random.default_rng(0)
        count = len(next(iter(columns.values())))
        columns = {**columns, "size": rng.normal(5, 2, count).round(3), "y": rng.normal(0, 1, count).round(3)}
        lines = [
            ",".join(columns),
            *[",".join(f'"{cell}"' for cell in row) for row in zip(*columns.values(), strict=True)],
        ]
        (tmp_path / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_table(tmp_path / "table.csv", target="y", **(settings or {}))

    return table


def decision(table, column="c"):
    return next(one for one in table.columns.decisions if one.column == column)


COLUMNS = [
    ("quantity", [i * 0.5 + (i % 7) for i in range(60)], "every value is a number", "one feature"),
    ("quantity", [1990 + i % 30 for i in range(60)], "every value is a number", "one feature"),
    # Equal steps in fewer than a dozen rows may be chance.
    ("quantity", list(range(1, 9)), "every value is a number", "one feature"),
    ("categories", ["a", "b", "c"] * 20, "3 different texts", "a feature for each of 3"),
    ("yes/no", ["yes", "no"] * 30, "'no' and 'yes'", "a feature for each of 2"),
    ("yes/no", ["TRUE", "FALSE"] * 30, "'FALSE' and 'TRUE'", "a feature for each of 2"),
    ("yes/no", [0, 1, 1] * 20, "0 and 1", "one feature"),
    ("yes/no", ["x", ""] * 30, "'x' or nothing", "a feature for each of 1, and whether it is missing"),
    ("yes/no", [1, ""] * 30, "1 or nothing", "a feature for each of 1"),
    ("row counter", list(range(1, 61)), "in equal steps of 1", "left out"),
    ("row counter", [(7 * i) % 60 * 5 + 100 for i in range(60)], "in equal steps of 5", "left out"),
    ("id", [f"n{i}" for i in range(60)], "60 different texts in 60 rows, as 'n0'", "left out"),
    ("id", [f"n{i}" for i in range(20)], "20 different texts in 20 rows, as 'n0'", "left out"),
    ("code", [f"{1000 + i % 9:05d}" for i in range(60)], "leading zeros, as '01000'", "a feature for each of 9"),
    ("code", ["007", "12", "100"] * 20, "leading zeros, as '007'", "a feature for each of 3"),
    ("text", [f"n{i // 2}" for i in range(120)], "60 different texts, as 'n0'", "left out"),
    # Names among numbers, as on tickets: too many and too different to be slips.
    ("text", [f"PC {i}" if i % 5 == 0 else 113781 + i // 2 for i in range(120)], "texts, as 'PC 0'", "left out"),
    ("constant", [7] * 60, "7 in every row", "left out"),
    ("constant", ["same"] * 60, "'same' in every row", "left out"),
    ("empty", [""] * 60, "no row has a value", "left out"),
    ("date", DAYS, "written like '2024-01-01'", "left out"),
    ("date", [int(day.replace("-", "")) for day in DAYS], "days written like 20240101", "left out"),
    ("date", [f"{day}T10:30:00Z" for day in DAYS], "written like '2024-01-01T10:30:00Z'", "left out"),
    ("date", [f"{day} 10:30" for day in DAYS], "written like '2024-01-01 10:30'", "left out"),
    ("date", ["/".join(day.split("-")[::-1]) for day in DAYS], "written like '01/01/2024'", "left out"),
    ("date", [f"{i % 28 + 1} {m} 2023" for i, m in enumerate(["Jan", "Feb", "Mar"] * 20)], "'1 Jan 2023'", "left out"),
    ("date", [day[:7] for day in DAYS], "written like '2024-01'", "left out"),
    ("date", [f"{m}-{20 + i % 4}" for i, m in enumerate(["Jan", "Feb", "Dec"] * 20)], "like 'Jan-20'", "left out"),
    ("date", [f"{m}-{2020 + i % 4}" for i, m in enumerate(["Jan", "Jun"] * 30)], "like 'Jan-2020'", "left out"),
    ("date", [f"{m} {2020 + i % 4}" for i, m in enumerate(["Jan", "May"] * 30)], "like 'Jan 2020'", "left out"),
    ("date", [f"{m} {2020 + i % 4}" for i, m in enumerate(["January", "May"] * 30)], "'January 2020'", "left out"),
    ("date", [f"{m}-{2020 + i % 4}" for i, m in enumerate(["June", "May"] * 30)], "like 'June-2020'", "left out"),
    ("date", [f"{i % 12 + 1:02d}/{2020 + i % 4}" for i in range(60)], "written like '01/2020'", "left out"),
    # What begins as such a date does and is none.
    ("categories", [f"lot-{20 + i % 4}" for i in range(60)], "4 different texts", "a feature for each of 4"),
    ("categories", [f"may-{i % 4}" for i in range(60)], "4 different texts", "a feature for each of 4"),
    ("categories", [f"Mar {i % 4}" for i in range(60)], "4 different texts", "a feature for each of 4"),
    ("time", [f"{i % 24}:{i % 60:02d}" for i in range(60)], "written like '0:00'", "left out"),
]


@pytest.mark.parametrize(("kind", "cells", "why", "done"), COLUMNS)
@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
def test_a_column_is_taken_for_what_it_is_and_that_is_said(read, kind, cells, why, done):
    table = read(c=cells)
    found = decision(table)
    assert (found.kind, found.done.startswith(done)) == (kind, True)
    assert why in found.why
    assert found.used == ("c" not in table.columns.left_out) == (done != "left out")
    shown = next(line for line in repr(table.columns).splitlines() if line.startswith("c "))
    assert shown.split("  ")[0] == "c"
    assert kind in shown
    assert why in shown
    # What is left out is told, and where it is told, what would use it.
    told = [note for note in table.notes if "column 'c' is left out" in note]
    assert len(told) == (done == "left out")
    assert Columns.from_dict(json.loads(json.dumps(table.columns.to_dict()))) == table.columns


@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
@pytest.mark.parametrize("left_out", [[0], [59], [3, 10, 17], range(50)])
@pytest.mark.parametrize(
    "cells",
    [
        range(1, 61),
        range(60, 0, -1),
        [(7 * i) % 60 * 5 + 100 for i in range(60)],
        [f"{i}.0 kg" for i in range(60)],
    ],
)
def test_rows_without_a_target_make_no_quantity_of_a_row_counter(tmp_path, cells, left_out):
    rows = [f"{c},{i * 7 % 11},{'' if i in left_out else i * 13 % 60 / 4}" for i, c in enumerate(cells)]
    (tmp_path / "t.csv").write_text("c,x,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    found = decision(read_table(tmp_path / "t.csv", target="y"))
    assert (found.kind, found.used) == ("row counter", False)
    kept = decision(read_table(tmp_path / "t.csv", target="y", keep=["c"]))
    assert (kept.kind, kept.used) == ("row counter", True)


CODES = ["store_id", "ProductId", "postcode", "zip", "country code", "key"]


@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
@pytest.mark.parametrize("name", CODES)
def test_whole_numbers_that_repeat_under_the_name_of_a_code_are_no_quantity(read, name):
    cells = [101 + 7 * (i % 4) for i in range(60)]
    found = decision(read(**{name: cells}), name)
    assert (found.kind, found.done) == ("code", "a feature for each of 4")
    assert f"under the name {name!r}" in found.why
    many = decision(read(**{name: [101 + 7 * (i % 55) for i in range(120)]}), name)
    assert (many.kind, many.used) == ("code", False)
    assert decision(read({"keep": [name]}, **{name: cells}), name).kind == "quantity"
    assert decision(read(**{name: [i / 2 for i in cells]}), name).kind == "quantity"


@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
@pytest.mark.parametrize("name", [*CODES, "customer_number", "InvoiceNo", "Account Nr", "id"])
def test_whole_numbers_that_all_differ_under_the_name_of_an_id_are_left_out(read, name):
    found = decision(read(**{name: [(7919 * i) % 10007 for i in range(60)]}), name)
    assert (found.kind, found.used) == ("id", False)
    assert decision(read({"keep": [name]}, **{name: [(7919 * i) % 10007 for i in range(60)]}), name).used


@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
@pytest.mark.parametrize("name", ["paid", "solid", "rooms", "humid", "unicode", "bid", "Casino", "monkey"])
def test_names_that_only_sound_alike_hold_quantities(read, name):
    assert decision(read(**{name: [(7919 * i) % 10007 for i in range(60)]}), name).kind == "quantity"


@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
def test_what_is_left_out_is_used_when_it_is_to_be_kept(read):
    count, keep = list(range(60)), {"keep": ["c"]}
    assert read(keep, c=count).columns.names == ("c", "size")
    assert read(keep, c=[f"n{i}" for i in count]).columns.names[:2] == ("c=n0", "c=n1")
    assert read(keep, c=[f"{i:03d}" for i in count]).columns.names == ("c", "size")
    assert read(keep, c=DAYS).columns.names == ("c month", "c day", "c weekday", "c days", "size")
    assert len(read({**keep, "hashed": 8}, c=[f"n{i}" for i in count]).columns.names) <= 9
    with pytest.raises(DataError, match="keep names a column 'd' that is not there"):
        read({"keep": ["d"]}, c=count)


def test_a_count_of_the_rows_is_used_where_there_is_no_other_column(tmp_path):
    (tmp_path / "curve.csv").write_text("x,y\n" + "".join(f"{i},{i * i / 7}\n" for i in range(30)))
    table = read_table(tmp_path / "curve.csv", target="y")
    assert table.columns.names == ("x",)
    assert decision(table, "x").why.endswith("used as there is no other")


def test_dates_become_numbers_in_the_order_of_time(read):
    when = ["2023-12-31 06:30", "2024-02-29 18:00", "2024-01-01 00:00"] * 4
    table = read({"dates": True, "standardize": False, "dtype": float}, c=when)
    assert table.columns.names == ("c year", "c month", "c day", "c weekday", "c days", "c hour", "size")
    # 31 December 2023 was a Sunday, 29 February 2024 a Thursday.
    assert table.x[:3, :6].tolist() == [
        [2023, 12, 31, 7, 6.5 / 24, 6.5],
        [2024, 2, 29, 4, 60.75, 18],
        [2024, 1, 1, 1, 1, 0],
    ]
    with pytest.warns(DataWarning) as told:
        x = table.columns.encode({"c": ["soon"], "size": [1]})
    assert "column 'c', row 1: 'soon' is no date as the others are, and counts as missing" in str(told[0].message)
    np.testing.assert_allclose(x[0, :6], table.x[:, :6].mean(axis=0), rtol=1e-6)


def test_day_and_month_that_could_be_swapped_are_told(read):
    with pytest.warns(DataWarning, match="'03/04/2024' is read as 2024-04-03, and could be 2024-03-04"):
        read({"dates": True}, c=["03/04/2024", "05/06/2024", "07/08/2024"] * 4)


@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
def test_texts_of_very_many_kinds_share_features_on_request(read):
    cells = [f"n{i // 2}" for i in range(120)]
    table = read({"hashed": 16}, c=cells)
    features = [name for name in table.columns.names if name.startswith("c#")]
    assert 8 < len(features) <= 16
    assert table.x[:, : len(features)].sum(axis=1).tolist() == [1] * 120
    # The same text falls into the same drawer, here and in a file that comes later.
    assert np.array_equal(table.x[::2, : len(features)], table.x[1::2, : len(features)])
    again = table.columns.encode({"c": cells, "size": [1] * 120})
    assert np.array_equal(again[:, : len(features)], table.x[:, : len(features)])


def test_where_much_is_missing_a_feature_says_so(read):
    with pytest.warns(DataWarning, match=r"'c' misses 6 of 60 values .* stands in, and a feature says so"):
        table = read(c=["" if i % 10 == 0 else i % 7 for i in range(60)])
    place = table.columns.names.index("c missing")
    assert table.x[:, place].tolist() == [float(i % 10 == 0) for i in range(60)]
    with pytest.warns(DataWarning, match="misses 2 of 60 values .* stands in$"):
        assert "c missing" not in read(c=["" if i < 2 else i % 7 for i in range(60)]).columns.names


# Nothing that only rows held back show is learned

LAST = 12
ONLY_IN_THE_LAST = {
    "category": (["p", "q"] * 24 + ["r"] * LAST, ("c=p", "c=q"), "unseen in training, as 'r'"),
    "every category": (["p"] * 48 + ["q", "r"] * 6, (), "it is constant, 'p' in every row"),
    "number": ([5] * 48 + list(range(LAST)), (), "it is constant, 5 in every row that has it"),
    "flag": ([i % 7 for i in range(48)] + [""] * LAST, ("c",), None),
    "presence": ([""] * 48 + list(range(LAST)), (), "it is empty"),
    "text or nothing": ([""] * 48 + ["x"] * LAST, (), "it is empty"),
    "year": ([f"2024-01-{i % 28 + 1:02d}" for i in range(48)] + ["2025-03-01"] * LAST, None, None),
    "dates": (["2024-01-01"] * 48 + DAYS[:LAST], (), "the same date"),
    "drawer": ([f"n{i // 3}" for i in range(48)] + [f"m{i // 3}" for i in range(LAST)], None, None),
}


@pytest.mark.parametrize("what", ONLY_IN_THE_LAST)
@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
def test_what_varies_in_rows_held_back_alone_teaches_nothing(read, what):
    cells, names, said = ONLY_IN_THE_LAST[what]
    settings = {"dates": True, "hashed": 64, "max_categories": 12}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train, held = read(settings, c=cells).hold_out(by="time")
    assert len(held) == LAST
    if names is not None:
        assert tuple(name for name in train.columns.names if name != "size") == names
    if said:
        assert any(said in str(note.message) for note in told)
    # Every feature varies in the rows that are learned from, so none has a weight that stays as it was drawn.
    assert (np.ptp(train.x, axis=0) > 0).all()
    # The encoding is what these rows alone would have made of it.
    assert train.columns.features == read({**settings, "rows": 48}, c=cells).columns.features


@pytest.mark.parametrize("by", ["", "time", "time:when", "group:team"])
@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
def test_folds_encode_by_their_own_rows(read, by):
    rare = ["rare" if i == 50 else "pq"[i % 2] for i in range(60)]
    table = read({}, c=rare, when=DAYS[::-1], team=[f"t{i % 6}" for i in range(60)], code=["x", "y"] * 30)
    seen = []
    for train, held in table.folds(4, by=by):
        seen += held.rows.tolist()
        assert not set(train.rows) & set(held.rows)
        assert ("c=rare" in train.columns.names) == (51 in train.rows)
        assert train.columns == held.columns
        if by == "time":
            assert train.rows.max() < held.rows.min()
        if by == "time:when":
            assert max(train.texts("when")) < min(held.texts("when"))
        if by.startswith("group"):
            assert not set(train.texts("team")) & set(held.texts("team"))
            assert "team" in train.columns.left_out
        numbers = train.x[:, train.columns.names.index("size")]
        # A mean of some forty numbers in float32.
        assert abs(numbers.mean()) < 1e-6
        assert abs(numbers.std() - 1) < 1e-6
    assert len(seen) == len(set(seen))
    assert len(seen) == 60 if not by.startswith("time") else len(seen) >= 40


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("space", "split by time, time:COLUMN or group:COLUMN, not 'space'"),
        ("group", "not 'group'"),
        ("group:tem", "there is no column 'tem': did you mean team"),
        ("time:team", "column 'team', row 1: 't0' is neither a date nor a number"),
        ("group:gap", "column 'gap', row 1: a split by it needs a value in each row"),
    ],
)
@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
def test_a_split_that_cannot_be_made_is_told(read, by, said):
    table = read({}, team=[f"t{i % 6}" for i in range(60)], gap=["", "b"] * 30)
    with pytest.raises(DataError, match=said):
        table.hold_out(by=by)


def test_rows_keep_the_texts_of_the_file(tmp_path):
    (tmp_path / "a.csv").write_text("name,a,y\n" + "".join(f"n{i % 3},{i * i},43.{i}0\n" for i in range(12)))
    table = read_table(tmp_path / "a.csv", target="y")
    assert table.actual[:2] == ("43.00", "43.10")
    assert table.texts("name")[:2] == ("n0", "n1")
    assert table.targets[1] == 43.1
    _, held = table.hold_out(seed=1)
    assert held.actual == tuple(f"43.{row - 1}0" for row in held.rows)
    with pytest.raises(DataError, match="there is no column 'nam': did you mean name"):
        table.texts("nam")


def test_dates_to_be_predicted_are_said_to_be_taken_for_classes(tmp_path):
    lines = "".join(f"{i % 7},{day}\n" for i, day in enumerate(DAYS * 2))
    (tmp_path / "t.csv").write_text("a,y\n" + lines)
    with pytest.warns(DataWarning, match="column 'y': its dates are taken for classes"):
        assert len(read_table(tmp_path / "t.csv", target="y").columns.classes) == len(set(DAYS))


@pytest.mark.parametrize("pair", [pair.split() for pair in kinds.YES_AND_NO.split(",")], ids="-".join)
@pytest.mark.parametrize("case", [str, str.upper, str.title], ids=["as it is", "upper", "title"])
def test_yes_and_no_are_known_in_many_languages(tmp_path, pair, case):
    rows = [f"{case(pair[i % 3 > 0])},{i % 5},{'pq'[i % 2]}" for i in range(30)]
    (tmp_path / "t.csv").write_text("asked,a,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    decisions = read_table(tmp_path / "t.csv", target="y").columns.decisions
    assert decisions[0].kind == "yes/no"


WAYS = ["2024-01-{:02}", "{:02}.02.2024", "3/{}/2024", "{} May 2024", "2024/06/{:02} 12:30"]


@pytest.mark.parametrize(("first", "second"), [*itertools.combinations(WAYS, 2)])
@pytest.mark.parametrize("dates", [False, True])
def test_dates_written_in_several_ways_are_dates_and_left_out(tmp_path, first, second, dates):
    days = [(first, second)[i % 2].format(i % 28 + 1) for i in range(60)]
    rows = [f"{day},{i % 5},{'pq'[i % 2]}" for i, day in enumerate(days)]
    (tmp_path / "t.csv").write_text("day,a,y\n" + "\n".join(rows) + "\n")
    why = f"written in several ways, as {days[0]!r} and {days[1]!r}"
    with pytest.warns(DataWarning, match=re.escape(f"column 'day' is left out: it has dates, {why}: write all in one")):
        columns = read_table(tmp_path / "t.csv", target="y", dates=dates).columns
    assert [(one.kind, one.why, one.used) for one in columns.decisions[:1]] == [("date", why, False)]


@pytest.mark.parametrize(
    "texts", [["10-19", "20-29", "30+"], ["1.2", "1.10.3", "2.0.1"], ["a 1", "b 2"], ["1/2", "3/4"]]
)
def test_what_only_looks_like_dates_are_categories(tmp_path, texts):
    rows = [f"{texts[i % len(texts)]},{i % 5},{'pq'[i % 2]}" for i in range(30)]
    (tmp_path / "t.csv").write_text("c,a,y\n" + "\n".join(rows) + "\n")
    assert read_table(tmp_path / "t.csv", target="y").columns.decisions[0].kind == "categories"

"""Files that cannot be learned from: each is refused by name, with its column and row."""

import errno
import gzip
import lzma
import os
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import read_table, text_file
from chainrule.errors import DataError, DataWarning

MANY = "".join(f"{i},{i / 2}\n" for i in range(60))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty"),
        (b"\n\na,y\n1,2\n", "begins with an empty line"),
        (b" , \n1,2\n", "begins with an empty line"),
        (b"a,y\n", "has headers and no rows"),
        (b"a,y\n\n\n", "has headers and no rows"),
        (b"a,y\n1,2,3\n4,5\n", r"row 1 has 3 fields, and there are 2 columns: it begins with '1,2,3'"),
        (b"a,y\n1,2\n4\n4,5\n", r"row 2 has 1 field, and there are 2 columns"),
        (b"a,y\n1,2\n\n4\n", r"row 3 has 1 field"),
        (b"a y\n1 2\n3 4\n", r"has a single column, 'a y', where ',' separates"),
        (
            b"Sales of 2024\n\na,y\n1,2\n3,4\n",
            r"single column, 'Sales of 2024'.*; lines below it have up to 2 fields: if it",
        ),
        (b"a,b,a\n1,2,3\n", r"columns 1 and 3 are both called 'a'"),
        (b"a,b, a\n1,2,3\n", r"columns 1 and 3 are both called 'a'"),
        (b"1,2\n3,4\n", r"begins with numbers, 1, 2, not with headers: give them with names="),
        (b'a,y\n1,"2\n3,4\n', r"line 3: unexpected end of data; a quotation mark"),
        (b'a,y\n1,2\n3,x"y\n4,"5"\n', r"row 2, column 'y': a quotation mark in the middle, 'x\"y'"),
        (b'a,y\n1,"5\\" pipe"\n2,b\n3,"6\\" pipe"\n', r"line 2: a quotation mark inside .* is written twice"),
        (b'a,y\n1,"ab" c\n2,"d"\n', r"line 2: a quotation mark inside"),
        (b'a,y\n1,2\n3,x"u\n4,5\n6,z"u\n', r"row 2, column 'y': a quotation mark in the middle, 'x\"u'"),
        (b"a,y\n1,2\nd\xe9,3\n", r"line 3: the byte 0xe9 is not UTF-8"),
        ("a,y\n1,2\n".encode("utf-16-le"), r"has zero bytes in it, as UTF-16 has: encoding='utf-16-le'"),
        ("a,y\n1,2\n".encode("utf-16")[:-1], r"line 2: .* is not utf-16 text: another encoding= names"),
        (b"a,y\r1,2\r3,4\r", "ends its lines as old Macs did, with CR alone"),
        (b"PK\x03\x04", "a zip archive or a spreadsheet: save the sheet as CSV"),
        (b"\x1f\x8b\x08", "packed with gzip: unpack it"),
        (b"a,y\n1,2\ninf,3\n", r"column 'a', row 2: 'inf' is infinite"),
        (b"a,y\n1,2\n1e999,3\n", r"column 'a', row 2: 'inf' is infinite"),
        (b"a,y\n1,2.5\n3,-inf\n", r"column 'y', row 2: '-inf' is infinite"),
        (b"a,y\n1,x\n2,x\n", r"the target 'y' is 'x' in every row"),
        (b"a,y\n1,3\n2,3.0\n", r"the target 'y' is 3.0 in every row"),
        (b"a,y\n1,0.5\n1,2\n", r"no column is left to learn 'y' from: column 'a' is left out: it is constant, 1 "),
        (("a,y\n" + MANY + "about 7,3\n").encode(), r"column 'a', row 61: 'about 7' is not a number; .* missing="),
        (("a,y\nx,3\ny,3\n" + MANY).encode(), r"column 'a', row 1: 'x' is not a number \(and 1 more\)"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.csv.*{message}"):
        read_table(path, target="y")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "Y"}, r"target names a column 'Y' that is not there: did you mean y\?"),
        ({"target": "z"}, r"target names a column 'z' that is not there: there are a, k, y"),
        ({"target": "y", "ignore": ["b"]}, "ignore names a column 'b'"),
        ({"target": "y", "categorical": ["b"]}, "categorical names a column 'b'"),
        ({"target": "y", "ignore": ["y"]}, "ignore names the target"),
        ({"target": "y", "ignore": ["a", "k"]}, "no column is left to learn 'y' from: there is no other"),
        ({"target": "k", "task": "regression"}, r"column 'k', row 1: 'u' is not a number \(and 1 more\)"),
        ({"target": "y", "names": ["a", "b"]}, "has 3 columns where ',' separates, and names= gives 2"),
        ({"target": "y", "separator": ";"}, "has a single column, 'a,k,y', where ';' separates"),
        *(
            ({"target": "y", "separator": sign}, "separator is one ASCII sign, as ';'")
            for sign in ("||", "§", '"', "", "\n")
        ),
        ({"target": "y", "rows": -1}, "rows says how many are read, at least 1, not -1"),
        ({"target": "y", "rows": 0}, "at least 1, not 0"),
        ({}, "a target to learn, or the columns"),
        ({"target": "y", "task": "clustering"}, "not 'clustering'"),
        ({"target": "y", "dtype": int}, "float32 or float64, not int64"),
    ],
)
def test_bad_wishes_are_refused(tmp_path, settings, message):
    (tmp_path / "a.csv").write_text("a,k,y\n1,u,2.5\n2,v,3\n")
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "a.csv", **settings)


def test_quotation_marks_that_do_not_pair_are_told_beyond_the_rows_that_are_read_too(tmp_path):
    (tmp_path / "a.csv").write_text('a,y\n1,2.5\n2,3\n3,"4\n')
    with pytest.raises(DataError, match=r"a\.csv.*odd number of quotation marks"):
        read_table(tmp_path / "a.csv", target="y", rows=1)


def test_missing_files_and_folders_are_named(tmp_path):
    (tmp_path / "houses.csv").write_text("a,y\n1,2\n")
    with pytest.raises(DataError, match=r"there is no file .*house\.csv: did you mean houses\.csv\?"):
        read_table(tmp_path / "house.csv", target="y")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path, target="y")


@pytest.mark.parametrize("times", range(2))
def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch, times):
    """When it is looked for, or when it is read: rights and disks change."""
    opened = iter(range(2))
    usual = Path.open

    def refused(path, *settings, **more):
        if next(opened) == times:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return usual(path, *settings, **more)

    (tmp_path / "a.csv").write_text('a,y\n1,"x"\n2,"z"\n1,"x"\n2,"z"\n')
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(DataError, match=r"a\.csv cannot be read: Permission denied$"):
        read_table(tmp_path / "a.csv", target="y")


@pytest.mark.skipif(os.name != "posix", reason="a folder holds no pipes there")
def test_a_pipe_is_told_from_an_empty_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        DataError, match="pipe is a pipe or a device, and is read more than once: save it to a file first"
    ):
        read_table(tmp_path / "pipe", target="y")


def test_columns_without_a_header_are_left_out_and_told(tmp_path):
    (tmp_path / "a.csv").write_text(",a,y,\n0,1,2.5,\n1,2,3,\n")
    with pytest.warns(DataWarning) as told:
        table = read_table(tmp_path / "a.csv", target="y")
    assert [str(note.message).split(": ")[1] for note in told] == [
        "column 1 has no header and is left out; names= would give it one",
        "column 4 has no header and is left out; names= would give it one",
    ]
    assert table.columns.names == ("a",)


def test_a_class_with_one_row_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,u\n2,u\n3,v\n4,u\n")
    with pytest.warns(DataWarning, match=r"column 'y', row 3: a class that has no other row"):
        read_table(tmp_path / "a.csv", target="y")


def test_a_huge_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(text_file, "HUGE", 8)
    (tmp_path / "a.csv").write_text("a,y\n1,2\n2,3.5\n")
    with pytest.warns(DataWarning, match=r"a\.csv: 0\.0 GB are read into memory, and rows= would read fewer"):
        read_table(tmp_path / "a.csv", target="y")
    assert len(read_table(tmp_path / "a.csv", target="y", rows=2)) == 2


def test_numbers_that_round_to_infinity_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("a,y\n1,2.5\n1e39,3\n")
    with pytest.raises(DataError, match=r"column 'a', row 2: '1e\+?39' is infinite or too large for float32"):
        read_table(tmp_path / "a.csv", target="y", standardize=False)
    assert np.isfinite(read_table(tmp_path / "a.csv", target="y", standardize=False, dtype=np.float64).x).all()


def test_rows_between_quotation_marks_that_pair_by_accident_are_not_lost(tmp_path):
    """polars takes the 6 rows from the first misplaced quotation mark to the second for one."""
    rows = [f"{i},a{i % 3},{i % 2}" for i in range(14)]
    rows[3], rows[8] = '3,"5\\" pipe",1', '8,"5\\" pipe",0'
    (tmp_path / "a.csv").write_text("i,k,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.csv, line 5: a quotation mark inside"):
        read_table(tmp_path / "a.csv", target="y")


def test_quotation_marks_in_their_places_are_read(tmp_path):
    (tmp_path / "a.csv").write_text(
        'a,k\n1,"5"" pipe"\n\n2,"two\nlines"\n3,"5"" pipe"\n4,"two\nlines"\n', encoding="utf-8"
    )
    table = read_table(tmp_path / "a.csv", target="k")
    assert table.columns.classes == ('5" pipe', "two\nlines")
    assert table.rows.tolist() == [1, 3, 4, 5]
    with pytest.warns(DataWarning, match="no other row"):
        assert read_table(tmp_path / "a.csv", target="k", rows=4).rows.tolist() == [1, 3, 4]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_of_separators_alone_are_left_out_and_told(tmp_path, sign, end):
    path, rows = tmp_path / "a.csv", ["a,b,y", "1,2,u", ",,", "2,3,v", "", "3,5,u", "4,1,v", ",,"]
    path.write_text(end.join(rows).replace(",", sign) + end, encoding="utf-8", newline="")
    with pytest.warns(DataWarning, match="rows 2, 4, 7: left out, as no column") as told:
        assert read_table(path, target="y").rows.tolist() == [1, 3, 5, 6]
    assert len(told) == 1
    path.write_text(end.join(row for row in rows if row.strip(" ,")).replace(",", sign) + end + end, newline="")
    assert read_table(path, target="y").rows.tolist() == [1, 2, 3, 4]


AGES = [str(20 + i % 40) for i in range(200)]
MISSING = "texts that stand for a missing value can be named with missing="
COMMA = "it looks like one with a decimal comma or marks for thousands: write numbers as 1234.5"


def changed(cells, cell, every=None):
    """The same cells with the eighth, or each that `every` says, in another spelling."""
    return [cell.format(old) if i == 7 or (every and i % every == 0) else old for i, old in enumerate(cells)]


@pytest.mark.parametrize(
    ("ages", "said"),
    [
        (changed(AGES, "3O"), f"row 8: '3O' is not a number, so the column is read as 41 categories; {MISSING}"),
        (changed(AGES, "{},5"), f"row 8: '27,5' is not a number, so the column is read as 41 categories; {COMMA}"),
        (
            changed(AGES, "{},5", 1),
            f"row 1: '20,5' is not a number (and 199 more), so the column is read as .*; {COMMA}",
        ),
        (changed(AGES, "1,0{}"), f"row 8: '1,027' is not a number, so .*; {COMMA}"),
        (changed(AGES, "{}%"), "row 8: '27%' is not a number, so .*; it looks like one with a percent sign: write"),
        (changed(AGES, "${}"), "row 8: '[$]27' is not a number, so .*; it looks like one with a currency sign: write"),
        (changed(AGES, "1 0{} €"), "row 8: '1 027 €' is not a number, so .*; it looks like one with a currency sign"),
    ],
)
def test_categories_that_were_probably_meant_for_numbers_are_told(tmp_path, ages, said):
    lines = "".join(f'"{age}";{i};{"ab"[i % 2]}\n' for i, age in enumerate(ages))
    (tmp_path / "a.csv").write_text("age;i;y\n" + lines, encoding="utf-8")
    with pytest.warns(DataWarning, match=f"column 'age', {said}".replace("(", r"\(").replace(")", r"\)")):
        table = read_table(tmp_path / "a.csv", target="y", keep=["i"])
    assert len(table.columns.names) == len(set(ages)) + 1
    # Who says that it is categories is not told so.
    same = read_table(tmp_path / "a.csv", target="y", keep=["i"], categorical=["age"]).columns
    assert same.features == table.columns.features


def test_texts_with_a_few_numbers_among_them_are_no_news(tmp_path):
    (tmp_path / "a.csv").write_text(
        "size,y\n" + "".join(f"{['S', 'M', 'L', '42'][i % 4]},{i % 2}\n" for i in range(20))
    )
    assert len(read_table(tmp_path / "a.csv", target="y").columns.names) == 4


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (changed([str(1000 + 7 * i) for i in range(100)], "oops"), f"row 8: 'oops' is not a number, .*; {MISSING}"),
        (changed([str(i % 2) for i in range(100)], "O"), "row 8: 'O' is not a number, "),
        ([f"{i % 4},5" for i in range(100)], rf"row 1: '0,5' is not a number \(and 99 more\), .*; {COMMA}"),
        ([f"{i}{'%' * (i % 9 > 0)}" for i in range(100)], "row 2: '1%' .*; it looks like one with a percent sign"),
    ],
)
def test_a_target_that_is_mostly_numbers_is_no_set_of_classes_by_itself(tmp_path, prices, said):
    (tmp_path / "a.csv").write_text("i;price\n" + "".join(f"{i};{price}\n" for i, price in enumerate(prices)))
    with pytest.raises(DataError, match=f"a.csv: column 'price', {said}") as refused:
        read_table(tmp_path / "a.csv", target="price")
    assert "(task='classification' takes each different text for a class)" in str(refused.value)
    with pytest.raises(DataError, match="is not a number"):
        read_table(tmp_path / "a.csv", target="price", task="regression")


@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
def test_a_target_that_is_mostly_numbers_can_be_said_to_be_classes(tmp_path):
    (tmp_path / "a.csv").write_text("i,y\n" + "".join(f"{i},{1000 + i}\n" for i in range(20)) + "20,oops\n")
    for settings in ({"task": "classification"}, {"categorical": ["y"]}):
        assert len(read_table(tmp_path / "a.csv", target="y", **settings).columns.classes) == 21


def test_a_column_of_many_categories_that_was_said_to_be_one_is_left_out(tmp_path):
    (tmp_path / "a.csv").write_text("i,code,y\n" + "".join(f"{i},{i},{i % 2}\n" for i in range(60)) + "60,6O,1\n")
    with pytest.warns(DataWarning, match="column 'code' is left out: it has 61 different texts"):
        assert read_table(tmp_path / "a.csv", target="y", categorical=["code"]).columns.names == ("i",)
    with pytest.raises(DataError, match="column 'code', row 61: '6O' is not a number"):
        read_table(tmp_path / "a.csv", target="y")


@pytest.mark.parametrize("numbers", [[10**17 + i % 3 for i in range(60)], [2**53 + i % 3 for i in range(60)]])
def test_whole_numbers_that_rounding_would_make_equal_are_categories(tmp_path, numbers):
    path = tmp_path / "a.csv"
    path.write_text("i,x,y\n" + "".join(f"{i},{x},{i % 2}\n" for i, x in enumerate(numbers)))
    said = (
        rf"column 'x': whole numbers above 2\*\*53, as {numbers[0]}, cannot be told apart as numbers, so the column is"
    )
    with pytest.warns(DataWarning, match=said):
        table = read_table(path, target="y", keep=["i"])
    assert table.columns.names == ("i", *[f"x={number}" for number in sorted(set(numbers))])
    assert table.columns.encode({"i": [0], "x": [numbers[1]]})[0, 1:].tolist() == [0, 1, 0]
    with pytest.warns(
        DataWarning, match=r"'x' is left out: whole numbers above 2\*\*53, .*, and it has 3 different texts"
    ):
        assert read_table(path, target="y", keep=["i"], max_categories=2).columns.names == ("i",)
    # As a target three such numbers are classes, and no quantity.
    assert read_table(path, target="x", keep=["i"]).columns.classes == tuple(map(str, sorted(set(numbers))))
    with pytest.raises(
        DataError, match=r"column 'x': whole numbers above 2\*\*53, .*: take off what they have in common"
    ):
        read_table(path, target="x", keep=["i"], task="regression")


def test_whole_numbers_that_stay_apart_are_numbers(tmp_path):
    lines = "".join(f"{10**18 + 10**9 * i},{'+0' * (i == 0)}{i},{i % 2}\n" for i in range(60))
    (tmp_path / "a.csv").write_text("nanoseconds,x,y\n" + lines)
    table = read_table(tmp_path / "a.csv", target="y")
    assert table.columns.names == ("nanoseconds", "x")
    assert abs(table.x[:, 0].std() - 1) < 1e-6


def test_a_target_of_long_numbers_is_no_quantity_and_its_classes_stay_as_they_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("i,y\n" + "".join(f"{i},{10**17 + i}\n" for i in range(60)))
    with pytest.raises(DataError, match=r"column 'y': whole numbers above .*, or say task='classification'"):
        read_table(path, target="y")
    path.write_text("i,y\n" + "".join(f"{i},{10**17 + 50 * (i % 2)}\n" for i in range(60)))
    with pytest.raises(DataError, match=r"the class 100000000000000048 is above .* categorical= to keep its classes"):
        read_table(path, target="y")
    columns = read_table(path, target="y", categorical=["y"]).columns
    assert columns.classes == ("100000000000000000", "100000000000000050")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("cells", [("1", "2"), ("k", "2"), ("1", '"x"')])
def test_blank_lines_anywhere_are_no_rows(tmp_path, end, cells):
    """Behind the headers, among the rows and at the end; the rows are numbered by their lines."""
    lines = ["a,b,y", "", *[f"{cells[0]}{i % 3},{cells[1]},{'uv'[i % 2]}" for i in range(6)], "", "", "13,2,u", "", ""]
    (tmp_path / "t.csv").write_text(end.join(lines), newline="")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        table = read_table(tmp_path / "t.csv", target="y", keep=["a"])
    assert table.rows.tolist() == [2, 3, 4, 5, 6, 7, 10]
    assert table.actual == ("u", "v", "u", "v", "u", "v", "u")


def test_thousands_need_not_be_said_where_the_decimal_comma_is(tmp_path):
    rows = [f"{i % 9 + 1}.{100 + i},5;{i},25;{'uv'[i % 2]}" for i in range(40)]
    (tmp_path / "t.csv").write_text("a;b;y\n" + "\n".join(rows) + "\n")
    table = read_table(tmp_path / "t.csv", target="y", decimal=",", standardize=False, dtype=float)
    assert table.x.tolist() == [[(i % 9 + 1) * 1000 + 100 + i + 0.5, i + 0.25] for i in range(40)]


def test_what_is_unseen_in_rows_that_watch_and_rows_that_judge_is_told_once(tmp_path):
    rows = [f"{'new' if i in (3, 7) else 'ab'[i % 2]},{i % 5},{'uv'[i % 2]}" for i in range(20)]
    (tmp_path / "t.csv").write_text("c,a,y\n" + "\n".join(rows) + "\n")
    table = read_table(tmp_path / "t.csv", target="y")
    others = [i for i in range(20) if i not in (3, 7)]
    with pytest.warns(DataWarning, match="the rows held back: column 'c', rows 4, 8: unseen in training") as told:
        parts = table.parts(np.array(others), np.array([3]), np.array([7]))
    assert len(told) == 1
    assert [part.rows.tolist() for part in parts[1:]] == [[4], [8]]
    assert [part.x[:, :2].tolist() for part in parts[1:]] == [[[0, 0]], [[0, 0]]]


@pytest.mark.parametrize("begin", ["x^2", "x", "x\x01", '"x^2"', "BZh9", "PAR1", "ARROW1", "\ufeffx^2"])
def test_a_header_that_looks_packed_is_text(tmp_path, begin):
    rows = [f"{i % 7},{'uv'[i % 2]}" for i in range(20)]
    (tmp_path / "t.csv").write_text(f"{begin},y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    table = read_table(tmp_path / "t.csv", target="y")
    assert table.columns.names == (begin.strip('"\ufeff'),)
    assert table.texts(table.columns.names[0])[:3] == ("0", "1", "2")


@pytest.mark.parametrize(
    ("pack", "how"),
    [
        (gzip.compress, "gzip"),
        (lzma.compress, "xz"),
        (zlib.compress, "zlib"),
        (lambda raw: zlib.compress(raw, 9), "zlib"),
        (lambda raw: b"\x28\xb5\x2f\xfd" + raw, "zstd"),
    ],
)
def test_a_packed_file_is_not_unpacked_but_told(tmp_path, pack, how):
    (tmp_path / "t.csv").write_bytes(pack(b"a,y\n" + b"1,u\n2,v\n" * 20))
    with pytest.raises(DataError, match=rf"t\.csv is packed with {how}: unpack it$"):
        read_table(tmp_path / "t.csv", target="y")

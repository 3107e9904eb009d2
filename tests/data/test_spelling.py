"""Tables as offices write them: decimal commas, thousands, units, encodings, comments, words for what is missing."""

import json
import warnings
from dataclasses import asdict

import numpy as np
import pytest

from chainrule.data import Columns, read_table
from chainrule.data.spelling import Form, Spelling
from chainrule.data.table import MISSING
from chainrule.data.text_file import read_texts
from chainrule.errors import DataError, DataWarning

AMOUNTS = [1200.5, 950.25, 12.0, 1234567.75, 0.5, 3.25, 88.125, 1000.0]


def written(number, decimal, thousands):
    """A number as this dialect writes it, with as many decimals as it has."""
    whole, _, rest = f"{number:,}".partition(".")
    return whole.replace(",", thousands) + (decimal + rest if rest not in ("", "0") else "")


def table(path, cells, separator=";", encoding="utf-8"):
    lines = [separator.join([cell, "ab"[i % 2]]) for i, cell in enumerate(cells)]
    path.write_text(separator.join(["price", "y"]) + "\n" + "\n".join(lines) + "\n", encoding=encoding)
    return path


def column(read):
    return read.x[:, 0].astype(float)


@pytest.mark.parametrize("thousands", ["", ".", " ", "'", "\u00a0", "\u202f"])
def test_decimal_commas_and_thousands_are_read_as_was_said(tmp_path, thousands):
    path = table(tmp_path / "t.csv", [written(number, ",", thousands) for number in AMOUNTS])
    said = {"": "", "\u00a0": " ", "\u202f": " "}.get(thousands, thousands)
    read = read_table(path, target="y", decimal=",", thousands=said, standardize=False, dtype=float)
    assert column(read).tolist() == AMOUNTS
    # Thousands are seen where the decimal comma leaves no doubt of them.
    if said in ("", ".", " "):
        read = read_table(path, target="y", decimal=",", standardize=False, dtype=float)
        assert column(read).tolist() == AMOUNTS


def test_points_between_thousands_are_no_decimals_where_that_was_said(tmp_path):
    path = table(tmp_path / "t.csv", ["1.234", "2.500", "1.000.000", "12"])
    read = read_table(path, target="y", decimal=",", thousands=".", standardize=False, dtype=float)
    assert column(read).tolist() == [1234, 2500, 1000000, 12]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["12 %", "3.5%", "100 %", "7%"], [12, 3.5, 100, 7]),
        (["12,5 %", "3,25%", "100 %", "7%"], [12.5, 3.25, 100, 7]),
        (["$1,200.50", "$950", "$1,000,000", "-$3.25"], [1200.5, 950, 1e6, -3.25]),
        (["$ 1,200", "$ 2,950", "$ 3,000", "$ 14,100"], [1200, 2950, 3000, 14100]),
        (["1.200,50 €", "950,25 €", "12 €", "1.000.000 €"], [1200.5, 950.25, 12, 1e6]),
        (["1.200 €", "2.950 €", "12.000 €", "1.000 €"], [1200, 2950, 12000, 1000]),
        (["1 200,50 €", "950,25 €", "12 €", "3,5 €"], [1200.5, 950.25, 12, 3.5]),
        (["£5", "£6.50", "£-7", "£1e3"], [5, 6.5, -7, 1000]),
        (["12 kg", "3.5kg", "-4 kg", "1e2 kg"], [12, 3.5, -4, 100]),
        (["1.234,5 km/h", "7 km/h", "8,25 km/h", "9 km/h"], [1234.5, 7, 8.25, 9]),
        (["3 m²", "4.5 m²", "5 m²", "6 m²"], [3, 4.5, 5, 6]),
        (["20 sq ft", "30 sq ft", "40.5 sq ft", "5 sq ft"], [20, 30, 40.5, 5]),
        (["-3 °C", "21.5 °C", "0 °C", "+4 °C"], [-3, 21.5, 0, 4]),
        (["36 months", "60 months", "36 months", "12 months"], [36, 60, 36, 12]),
        (["USD 1,200", "USD 950", "USD 12,000", "USD 1"], [1200, 950, 12000, 1]),
        (["CHF 1'200.50", "CHF 950", "CHF -3", "CHF 7"], [1200.5, 950, -3, 7]),
        (["1 200 EUR", "950 EUR", "12 EUR", "7 EUR"], [1200, 950, 12, 7]),
        (["($1,234.50)", "$2", "$(3)", "-$4"], [-1234.5, 2, -3, -4]),
        (["(12 kg)", "3 kg", "4 kg", "5 kg"], [-12, 3, 4, 5]),
        (["−3 °C", "21.5 °C", "−0.5 °C", "4 °C"], [-3, 21.5, -0.5, 4]),
    ],
)
def test_units_on_which_a_whole_column_agrees_are_understood_and_said(tmp_path, cells, numbers):
    path = table(tmp_path / "t.csv", cells)
    with pytest.warns(DataWarning, match=r"column 'price': numbers with .* beside them.*; .* is read as") as told:
        read = read_table(path, target="y", standardize=False, dtype=float)
    assert column(read).tolist() == numbers
    assert len([note for note in told if "beside them" in str(note.message)]) == 1
    # The same columns read the same file, other cells of its kind, and examples from a program.
    again = read_table(path, columns=Columns.from_dict(json.loads(json.dumps(read.columns.to_dict()))), dtype=float)
    assert column(again).tolist() == numbers
    assert read.columns.encode({"price": cells})[:, 0].tolist() == np.float32(numbers).tolist()
    assert read.columns.encode({"price": [4.5]})[:, 0].tolist() == [4.5]


@pytest.mark.parametrize(
    ("cells", "numbers", "words"),
    [
        (["(1,234.50)", "2", "(3)", "4.25"], [-1234.5, 2, -3, 4.25], r"thousands=','\) and brackets"),
        (["(5)", "2", "3", "4"], [-5, 2, 3, 4], "brackets around those below 0"),
        (["−5", "2.5", "−1e2", "4"], [-5, 2.5, -100, 4], "'−' for a minus"),
        (["–5", "2", "3", "4"], [-5, 2, 3, 4], "'–' for a minus"),
        (["1 200", "12", "3", "1 000 000"], [1200, 12, 3, 1e6], r"thousands=' '\)"),
        (["1\u202f200,5", "12", "3", "4"], [1200.5, 12, 3, 4], r"a decimal comma .* and ' ' between"),
        (["1\u2009200", "12", "3", "4"], [1200, 12, 3, 4], "' ' between thousands"),
        (["1,234,567", "950", "3,000", "12"], [1234567, 950, 3000, 12], "',' between thousands"),
        (["1'200.5", "12", "3", "1’000"], [1200.5, 12, 3, 1000], "between thousands"),
        (["1.200,5", "12", "3", "1.000"], [1200.5, 12, 3, 1000], r"a decimal comma .* and '\.' between"),
        (["12,34,567.5", "1,00,000", "3", "4"], [1234567.5, 100000, 3, 4], "',' between thousands"),
    ],
)
def test_marks_that_leave_no_doubt_are_understood_and_said(tmp_path, cells, numbers, words):
    path = table(tmp_path / "t.csv", cells)
    with pytest.warns(DataWarning, match=rf"column 'price': numbers with .*{words}.*; .* is read as"):
        read = read_table(path, target="y", standardize=False, dtype=float)
    assert column(read).tolist() == numbers
    again = read_table(path, columns=Columns.from_dict(json.loads(json.dumps(read.columns.to_dict()))), dtype=float)
    assert column(again).tolist() == numbers


AMOUNTS_IN_WORDS = [
    (lambda i: f"{i}.5 {'kg' if i % 2 else 'lb'}", "numbers with kg, lb beside them stay texts"),
    (lambda i: f"{i}.5 kg" if i % 2 else f"{i}.5", "numbers with kg or nothing beside them stay texts"),
    (lambda i: f"{i}.5{'kM'[i % 2]}", "numbers with M, k beside them stay texts"),
    (lambda i: f"{100 + i},{500 + i} km", "'100,500 km' may be read in more than one way, so it stays text"),
]


@pytest.mark.parametrize(("cell", "words"), AMOUNTS_IN_WORDS)
def test_amounts_in_several_units_or_with_doubtful_marks_stay_texts_and_that_is_said(tmp_path, cell, words):
    with pytest.warns(DataWarning, match=f"column 'price': {words}"):
        read = read_table(table(tmp_path / "t.csv", [cell(i) for i in range(30)]), target="y", keep=["price"])
    assert read.columns.spelling.columns == ()
    assert read.x.shape[1] == 30


@pytest.mark.parametrize("word", ["Room {}", "Q{}", "k{}", "{}-{}", "{} x 3", "A{}B", "{}/4", "v1.{}", "{}:30", "#{}"])
def test_names_with_numbers_in_them_stay_texts_without_a_word(tmp_path, word):
    cells = [word.format(i % 4 + 1, i % 4 + 5) for i in range(24)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        read = read_table(table(tmp_path / "t.csv", cells), target="y", keep=["price"])
    assert read.columns.spelling.columns == ()


def test_a_cell_without_a_number_among_amounts_is_named_and_can_be_taken_for_missing(tmp_path):
    cells = [f"{i}.5 kg" for i in range(60)]
    cells[7] = "n/k"
    path = table(tmp_path / "t.csv", cells)
    with pytest.raises(DataError, match=r"column 'price', row 8: 'n/k' is not a number.*missing=\"n/k\" would take"):
        read_table(path, target="y", max_categories=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        read = read_table(path, target="y", missing=["n/k"], standardize=False, dtype=float)
    assert any("misses 1 of 60" in note for note in read.notes)
    assert column(read)[8] == 8.5


@pytest.mark.parametrize(
    "cells",
    [
        ["12 %", "3.5", "100 %", "7%"],
        ["$1", "€2", "$3", "$4"],
        ["$1.2.3", "$2", "$3", "$4"],
        ["1,234.5 €", "1.234,5 €", "2 €", "3 €"],
        ["1,5", "2,5", "3,5", "4,25"],
        ["1,234", "2,345", "3,456", "4,567"],
    ],
)
def test_where_a_column_does_not_agree_or_a_comma_can_be_either_nothing_is_guessed(tmp_path, cells):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        read = read_table(table(tmp_path / "t.csv", cells), target="y")
    assert read.columns.spelling.columns == ()
    assert read.x.shape[1] == 4


def test_a_comma_that_is_not_understood_names_the_way_out(tmp_path):
    path = table(tmp_path / "t.csv", [f"{i},5" for i in range(60)])
    with pytest.raises(DataError, match=r"write numbers as 1234\.5, or say decimal=',' or thousands=','"):
        read_table(path, target="price")


def test_a_cell_that_is_no_number_in_a_column_of_commas_is_named_with_its_row(tmp_path):
    cells = [f"{i},5" for i in range(60)]
    cells[7] = "soon"
    with pytest.raises(DataError, match="column 'price', row 8: 'soon' is not a number"):
        read_table(table(tmp_path / "t.csv", cells), target="y", decimal=",", max_categories=20)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decimal": ";"}, "decimal is '.' or ','"),
        ({"decimal": ""}, "decimal is"),
        ({"thousands": "x"}, "thousands is one of"),
        ({"decimal": ",", "thousands": ","}, "one sign cannot be both"),
        ({"decimal": ",", "separator": ","}, "one sign cannot be both"),
        ({"comment": ""}, "comment is what a line begins with"),
        ({"comment": '"'}, "comment is"),
        ({"encoding": "klingon"}, "there is no encoding 'klingon'"),
        ({"encoding": "hex"}, "there is no encoding 'hex'"),
    ],
)
def test_signs_that_no_table_has_are_refused(tmp_path, settings, message):
    with pytest.raises(DataError, match=message):
        read_table(table(tmp_path / "t.csv", ["1", "2", "3"]), target="y", **settings)


TOWNS = ["Zürich", "Genève", "Köln", "Malmö"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "utf-16-be", "cp437"]
)
def test_text_in_every_encoding_is_read_and_what_its_first_bytes_say_needs_no_word(tmp_path, encoding):
    path = table(tmp_path / "t.csv", TOWNS * 4, encoding=encoding)
    own = encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    read = read_table(path, target="y", **({} if own else {"encoding": encoding}))
    assert read.columns.names == tuple(f"price={town}" for town in sorted(TOWNS))
    assert read_table(path, columns=read.columns).x.tolist() == read.x.tolist()
    # Another file says by its first bytes that it is written in another way.
    other = table(tmp_path / "o.csv", TOWNS * 4, encoding="utf-16")
    assert read_table(other, columns=read.columns).x.tolist() == read.x.tolist()


def test_bytes_that_are_no_text_are_named_with_their_line_and_the_way_out(tmp_path):
    path = table(tmp_path / "t.csv", ["a", "b", "é"], encoding="latin-1")
    with pytest.raises(
        DataError, match=r"t\.csv, line 4: the byte 0xe9 is not UTF-8 text: encoding= names .*'latin-1'"
    ):
        read_table(path, target="y")
    with pytest.raises(DataError, match=r"t\.csv, line 4: the byte 0xe9 is not ascii text: another encoding="):
        read_table(path, target="y", encoding="ascii")


def test_comments_are_left_out_and_rows_and_lines_stay_those_of_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        '# from the lab\na,k,y\n1,u,p\n# half-time\n2,"x\n# y",q\n3,u,p\n4,"x\n# y",q\n#end\n', encoding="utf-8"
    )
    read = read_table(path, target="y", comment="#")
    assert (read.x.shape, read.rows.tolist()) == ((4, 3), [1, 2, 3, 4])
    assert read.columns.names == ("a", "k=u", "k=x\n# y")
    path.write_text("# one\na,y\n1,2\n# two\n\n3,4,5\n6,7\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.csv, line 6: row 3 has 3 fields, and there are 2 columns"):
        read_table(path, target="y", comment="#")
    path.write_text('# one\na,y\n1,2\n# two\n"3"x,4\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.csv, line 5: a quotation mark inside"):
        read_table(path, target="y", comment="#")


def test_a_row_of_another_width_is_named_with_its_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,y\n"two\nlines",2\n3\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.csv, line 4: row 2 has 1 field"):
        read_table(path, target="y")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a;b;y\n1,5;2,5;u\n2,5;3,5;v\n", ("a", "b", "y")),
        ("a\tb\ty\n1,5\t2,5\tu\n2,5\t3,5\tv\n", ("a", "b", "y")),
        ("a|b|y\n1|2|u\n2|3|v\n", ("a", "b", "y")),
        ("name; size,y\nx; 1,u\nz,v\n", ("name; size", "y")),
        ("last, first;y\nx, z;1\nq;2\n", ("last, first", "y")),
        ('"a;b;c",y\n1,2\n3,4\n', ("a;b;c", "y")),
    ],
)
def test_what_separates_is_seen_in_all_of_the_first_lines(tmp_path, text, names):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    frame, _, _ = read_texts(tmp_path / "t.csv", spelling=Spelling(), names=None, most=None, learning=True)
    assert tuple(frame.columns) == names


def test_headers_longer_than_any_field_may_be_are_read(tmp_path):
    names = [f"a column with a rather long name, number {i}".replace(",", "") for i in range(4000)]
    rows = [",".join([*["1.5", "2.5"][i % 2 : i % 2 + 1] * len(names), "pq"[i % 2]]) for i in range(8)]
    (tmp_path / "t.csv").write_text("\n".join([",".join([*names, "y"]), *rows]) + "\n")
    assert read_table(tmp_path / "t.csv", target="y").x.shape == (8, 4000)


def test_all_words_for_what_is_missing_are_found_in_one_run(tmp_path):
    lines = [f"{i},{i * 7 % 90},{i / 2},{'ab'[i % 2]}" for i in range(80)]
    for row, line in {3: "n/a,5,-,a", 9: "-,NA,1,b", 20: "4,none,2,a", 33: "7,.,?,b"}.items():
        lines[row] = line
    (tmp_path / "t.csv").write_text("p,q,r,y\n" + "\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r'missing="NA,\?,n/a,-,none,\." would take all such words') as refused:
        read_table(tmp_path / "t.csv", target="y", max_categories=20)
    words = str(refused.value).split('missing="')[1].split('"')[0]
    with pytest.warns(DataWarning, match="misses"):
        read = read_table(tmp_path / "t.csv", target="y", missing=words)
    assert {column.name for column in read.columns.features} == {"p", "q", "r"}
    assert read.columns.missing == tuple(words.split(","))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_notes_on_words_that_make_categories_of_numbers_tell_them_all(tmp_path, count):
    words = ["unk", "n/a", "-", "lost", "none"]
    names = [f"p{i}" for i in range(count)]
    rows = [[words[k] if i % 9 == k else str((i + k) % 5) for k in range(count)] + ["ab"[i % 2]] for i in range(80)]
    (tmp_path / "t.csv").write_text("\n".join(",".join(row) for row in [[*names, "y"], *rows]) + "\n")
    all_of_them = f'; missing="{",".join(words[:count])}" would take all such words of the file for it'
    with pytest.warns(DataWarning) as told:
        table = read_table(tmp_path / "t.csv", target="y")
    assert sum(all_of_them in str(one.message) for one in told) == (1 if count > 3 else count)
    assert sum(all_of_them in note for note in table.notes) == count
    with pytest.warns(DataWarning, match="misses|miss values"):
        read = read_table(tmp_path / "t.csv", target="y", missing=words[:count])
    assert {one.kind for one in read.columns.decisions} == {"quantity", "classes"}


def test_a_form_is_plain_data_that_comes_back():
    spelling = Spelling(";", "cp1252", "#", ",", ".", (Form("a", ",", ".", "€"),))
    assert Spelling.from_dict(json.loads(json.dumps(asdict(spelling)))) == spelling


@pytest.mark.parametrize("word", MISSING)
def test_the_words_that_spreadsheets_and_programs_write_for_missing_values_are_known(tmp_path, word):
    path = table(tmp_path / "t.csv", ["1.5", "2", f'"{word}"', "4"] * 5)
    with pytest.warns(DataWarning, match="column 'price' misses 5 of 20 values"):
        read = read_table(path, target="y", standardize=False, dtype=float)
    assert read.x[:, 1].tolist() == [0, 0, 1, 0] * 5

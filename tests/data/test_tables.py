"""CSV and TSV files as features and targets, the columns that remember how, and the split of a table."""

import builtins
import csv
import io
import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.data import Columns, read_table
from chainrule.data.columns import Categories, Numbers
from chainrule.data.split import split_places
from chainrule.errors import DataError, DataWarning, MissingExtra, ShapeError

ZEROS = "all its features are 0 there"
CARS = "colour,tons,price\nred,1,9500\nblue,2,11000.5\nblue,1,15000\nred,2,9000\n"


@pytest.fixture
def file(tmp_path):
    """Writes a file and gives its path."""

    def write(text, name="cars.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_numbers_are_scaled_and_categories_one_hot(file):
    table = read_table(file(CARS), target="price")
    assert table.columns.names == ("colour=blue", "colour=red", "tons")
    assert (table.x.dtype, table.y.dtype, table.y.shape) == (np.float32, np.float32, (4, 1))
    np.testing.assert_array_equal(table.x, [[0, 1, -1], [1, 0, 1], [1, 0, -1], [0, 1, 1]])
    price = np.array([9500, 11000.5, 15000, 9000])
    # float32 keeps about 7 digits.
    np.testing.assert_allclose(table.y[:, 0], (price - price.mean()) / price.std(), rtol=1e-6)
    np.testing.assert_allclose(table.columns.decode(table.y), price, rtol=1e-6)
    assert table.rows.tolist() == [1, 2, 3, 4]
    assert repr(table) == "Table(4 rows, 3 features, regression of 'price')"


def test_numbers_can_keep_their_units_and_their_precision(file):
    table = read_table(file(CARS), target="price", standardize=False, dtype=np.float64)
    assert table.x[:, 2].tolist() == [1, 2, 1, 2]
    assert table.y[:, 0].tolist() == table.columns.decode(table.y).tolist() == [9500, 11000.5, 15000, 9000]
    with pytest.warns(DataWarning, match="'tons' misses 1 of 1"):
        assert table.columns.encode({"tons": [None], "colour": ["red"]}).tolist() == [[0, 1, 1.5]]


@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a"] * 3, "classification", ("a", "b")),
        (["true", "false"] * 3, "classification", ("false", "true")),
        (["2", "0"] * 3, "classification", (0, 2)),
        (["2", "0", "x"] * 3, "classification", ("0", "2", "x")),
        (["2", "0.5"] * 3, "regression", ()),
        (["1", "2", "3", "4", "5", "6"], "regression", ()),
        ([str(i % 20) for i in range(60)], "classification", tuple(range(20))),
        ([str(i % 21) for i in range(63)], "regression", ()),
        ([str(i % 20) for i in range(59)], "regression", ()),
    ],
)
def test_the_task_follows_the_documented_rule_and_can_be_forced(file, values, task, classes):
    path = file("x,y\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values)))
    table = read_table(path, target="y")
    assert (table.columns.task, table.columns.classes) == (task, classes)
    assert table.notes[0].startswith(f"target 'y': {task}")
    if task == "classification":
        assert table.y.dtype == np.int64
        np.testing.assert_array_equal(table.columns.decode(table.y).astype(str), values)
    if task == "regression" or classes == (0, 2):
        assert read_table(path, target="y", task="regression").columns.task == "regression"
        forced = read_table(path, target="y", task="classification")
        np.testing.assert_array_equal(forced.columns.decode(forced.y).astype(float), np.array(values, float))


def test_missing_values_are_filled_and_told(file):
    path = file("a,k,y\n1,u,0.5\n,v,1\n3,NA,2\nNaN,?,3\n")
    with pytest.warns(DataWarning) as told:
        table = read_table(path, target="y")
    np.testing.assert_array_equal(table.x, [[-1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]])
    assert [str(note.message) for note in told] == [
        f"{path}: column 'a' misses 2 of 4 values (rows 2, 4): the mean, 2, stands in",
        f"{path}: column 'k' misses 2 of 4 values (rows 3, 4): {ZEROS}",
    ]
    assert [f"{path}: {note}" for note in table.notes[1:]] == [str(note.message) for note in told]
    assert {note.filename for note in told} == {__file__}


def test_what_stands_for_missing_can_be_said(file):
    path = file("a,k,y\n1,NA,0.5\n-,NA,1\n3,u,2\n")
    with pytest.warns(DataWarning, match=r"'a' misses 1 of 3 values \(row 2\)"):
        table = read_table(path, target="y", missing=["-"])
    assert table.columns.names == ("a", "k=NA", "k=u")
    with pytest.warns(DataWarning, match="'a' misses 1 of 1"):
        assert table.columns.encode({"a": ["-"], "k": ["NA"]}).tolist() == [[0, 1, 0]]


def test_columns_without_use_are_left_out_and_told(file):
    lines = "".join(f"{i},7,same,,name{i},{i % 2},{i / 2}\n" for i in range(60))
    path = file("a,constant,same,empty,name,b,y\n" + lines)
    with pytest.warns(DataWarning) as told:
        table = read_table(path, target="y", ignore=["b"])
    assert table.columns.names == ("a",)
    assert table.columns.left_out == ("b", "constant", "same", "empty", "name")
    for note, words in zip(
        told,
        [
            "column 'constant' is left out: it is constant, 7",
            "column 'same' is left out: it is constant, 'same'",
            "column 'empty' is left out: it is empty",
            "column 'name' is left out: it is an id, 60 different texts in 60 rows, as 'name0'; keep= would",
        ],
        strict=True,
    ):
        assert words in str(note.message)
    with pytest.warns(DataWarning):
        assert len(read_table(path, target="y", keep=["a", "name"]).columns.names) == 62
    # A file that is read the same way has them too, and that is no news.
    assert read_table(file("a,constant,name\n3,1,x\n", "new.csv"), columns=table.columns).x.shape == (1, 1)


@pytest.mark.parametrize("size", ["1e300", "1e-300", "1.7e308", "5e-324"])
def test_numbers_of_any_size_are_scaled(file, size):
    table = read_table(file(f"a,y\n{size},{size}\n-{size},-{size}\n"), target="y")
    assert table.x.tolist() == table.y.tolist() == [[1], [-1]]


def test_columns_may_have_the_names_that_polars_uses(file):
    table = read_table(file("code,literal,count\nx,1,u\ny,2,v\nx,1,u\ny,2,v\n"), target="count")
    assert table.columns.names == ("code=x", "code=y", "literal")


def test_numbers_can_be_categories(file):
    path = file("code,y\n01,0.5\n2,1\n01,2\n")
    assert read_table(path, target="y", categorical=["code"]).columns.names == ("code=01", "code=2")


def test_rows_without_a_target_are_left_out_and_told(file):
    with pytest.warns(DataWarning, match=r"column 'y', rows 1, 3: 2 of 4 rows have no target"):
        table = read_table(file("a,y\n1,\n2,1\n3,NA\n4,3\n"), target="y")
    assert table.rows.tolist() == [2, 4]
    with pytest.raises(DataError, match=r"the target 'y' is empty"):
        read_table(file("a,y\n1,\n2,\n"), target="y")


def test_blank_lines_are_passed_over_and_counted(file):
    table = read_table(file("a,y\n1,1.5\n\n2,2\n\n"), target="y")
    assert table.rows.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("name", "text", "settings"),
    [
        ("a.csv", "a;b;y\n1;x,5;3\n2;z,5;u,5\n", {}),
        ("a.csv", "a|b|y\n1|x|3\n2|z|u,5\n", {}),
        ("a.tsv", "a,1\tb\ty\n1\tx\t3\n2\tz\tu,5\n", {}),
        ("a.csv", '"a,1,2,3"\tb\ty\n1\tx\t3\n2\tz\tu,5\n', {}),
        ("a.csv", "a b y\n1 x 3\n2 z u,5\n", {"separator": " "}),
        ("a.csv", "\ufeffa,b,y\r\n1,x,3\r\n2,z,4_5\r\n", {}),
        ("a.csv", 'a , b,"y"\n1,"x, ""q""\nand more",3\n 2 ,z , 4_5\n', {}),
        ("a.csv", "1,x,3\n2,z,4_5\n", {"names": ["a", "b", "y"]}),
    ],
)
def test_files_are_read_in_their_many_forms(file, name, text, settings):
    with pytest.warns(DataWarning, match="no other row"):
        table = read_table(file(text, name), target="y", **settings)
    assert len(table.columns.names) == 3
    assert table.x[:, 0].tolist() == [-1, 1]
    assert table.x[:, 1:].tolist() == [[1, 0], [0, 1]]
    assert len(table.columns.classes) == 2


def test_only_the_first_rows_can_be_read(file):
    table = read_table(file("a,y\n1,0.5\n2,2\n3,4\n4\n"), target="y", rows=3)
    assert table.rows.tolist() == [1, 2, 3]


# Python counts the four separators of ASCII as spaces, Unicode does not; neither do we.
CELLS = st.one_of(
    st.floats(-1e9, 1e9).map(repr),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\x1c\x1d\x1e\x1f"), max_size=6),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["p", "q"])), max_size=8))
@pytest.mark.filterwarnings("ignore::chainrule.errors.DataWarning")
def test_any_table_of_texts_and_numbers_is_read_as_pythons_reader_reads_it(file, cells):
    """Whatever stands in the cells, a one-hot feature is 1 exactly where the text is its category."""
    cells = [("u", "v", "p"), ("w", "x", "q"), *cells]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b", "y"), *cells])
    path = file("", "any.csv")
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    table = read_table(path, target="y", missing=[], categorical=["a", "b"])
    assert table.columns.decode(table.y).tolist() == [row[2] for row in cells]
    for column, name in enumerate(["a", "b"]):
        tidy = [row[column].strip() for row in cells]
        for feature, category in enumerate(table.columns.names):
            if category.startswith(f"{name}="):
                expected = [value == category[2:] for value in tidy]
                np.testing.assert_array_equal(table.x[:, feature], expected)


@pytest.fixture
def table(file):
    return read_table(file(CARS), target="price")


def test_new_files_are_read_as_the_old_one_was(file, table):
    new = read_table(file("tons,colour\n4,blue\n", "new.csv"), columns=table.columns)
    assert new.x.tolist() == [[1, 0, 5]]
    assert new.y is None
    with pytest.raises(DataError, match="needs a table with targets"):
        new.hold_out()
    empty = read_table(file("price,tons,colour\n,4,blue\n", "new.csv"), columns=table.columns)
    assert empty.y is None
    assert len(empty) == 1
    judged = read_table(file("price,tons,colour\n11125.125,4,blue\n", "new.csv"), columns=table.columns)
    np.testing.assert_allclose(judged.y, [[0]], atol=1e-6)


def test_a_file_of_the_one_column_that_was_learned_is_read(file):
    columns = read_table(file("a,y\n1,0.5\n3,2\n"), target="y").columns
    new = read_table(file("a\n5\n\n1\n", "new.csv"), columns=columns)
    assert (new.x.tolist(), new.rows.tolist()) == ([[3], [-1]], [1, 3])
    with pytest.raises(DataError, match=r"new\.csv: the column 'a' is missing: did you mean A\?$"):
        read_table(file("A\n5\n", "new.csv"), columns=columns)


def test_unseen_categories_and_extra_columns_are_told(file, table):
    path = file("colour,tons,doors\npink,2,3\nred,1,3\nlime,1,3\n", "new.csv")
    with pytest.warns(DataWarning) as told:
        new = read_table(path, columns=table.columns)
    assert [str(note.message) for note in told] == [
        f"{path}: column 'doors' was not there in training and is ignored",
        f"{path}: column 'colour', rows 1, 3: unseen in training, as 'pink' (known are blue, red); {ZEROS}",
    ]
    assert new.x.tolist() == [[0, 0, 1], [0, 1, -1], [0, 0, -1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Colour,tons\nred,1\n", r"the column 'colour' is missing: did you mean Colour\?"),
        ("colour\nred\n", "the column 'tons' is missing"),
        ("colour,price\nred,1\n", "the column 'tons' is missing"),
        ("colour,tons\nred,1\nred,heavy\n", "column 'tons', row 2: 'heavy' is not a number"),
        ("colour,tons\nred,-inf\n", "column 'tons', row 1: '-inf' is infinite"),
        ("colour,tons\nred,1e300\n", "column 'tons', row 1: '1e300' is infinite or too large for float32"),
        ("colour,tons,price\nred,1,dear\n", "column 'price', row 1: 'dear' is not a number"),
    ],
)
def test_new_files_that_cannot_be_used_are_refused(file, table, text, message):
    with pytest.raises(DataError, match=rf"new\.csv.*{message}"):
        read_table(file(text, "new.csv"), columns=table.columns)


@pytest.mark.parametrize(
    ("old", "new", "shown"), [("cat dog", "cow", "cat, dog"), ("1 2", "3", "1, 2"), ("1 2", "x", "1, 2")]
)
def test_a_class_that_was_not_learned_is_refused(file, old, new, shown):
    lines = "".join(f"{i},{label}\n" for i in range(3) for label in old.split())
    columns = read_table(file(f"a,y\n{lines}"), target="y").columns
    with pytest.raises(DataError, match=rf"column 'y', row 2: '{new}' is none of the classes {shown}"):
        read_table(file(f"a,y\n1,{old.split()[0]}\n1,{new}\n", "new.csv"), columns=columns)


def test_examples_can_be_given_by_hand(table):
    assert table.columns.encode({"tons": [4], "colour": ["red"]}).tolist() == [[0, 1, 5]]
    assert table.columns.encode(pl.DataFrame({"tons": ["4"], "colour": ["red"]})).tolist() == [[0, 1, 5]]
    with pytest.warns(DataWarning, match=r"column 'tons' misses 1 of 2 values \(row 2\)"):
        assert table.columns.encode({"tons": [4, np.nan], "colour": ["red", "blue"]}).tolist() == [[0, 1, 5], [1, 0, 0]]
    for wrong in ({"tons": [4, 5], "colour": ["red"] * 3}, 7):
        with pytest.raises(DataError, match="lists of one length by name"):
            table.columns.encode(wrong)


@pytest.mark.parametrize("words", ["True False", "true false", "TRUE FALSE"])
def test_truths_are_spelled_as_in_the_table(file, words):
    yes, no = words.split()
    columns = read_table(file("b,n,y\n" + f"{yes},1,u\n{no},0,v\n" * 3), target="y").columns
    assert columns.names == (f"b={no}", f"b={yes}", "n")
    for data in ({"b": [True, False], "n": [True, False]}, pl.DataFrame({"b": [True, False], "n": [1, 0]})):
        assert columns.encode(data).tolist() == [[0, 1, 1], [1, 0, -1]]
    with pytest.warns(DataWarning, match=r"column 'b' misses 1 of 2 values \(row 2\)"):
        assert columns.encode({"b": [True, None], "n": [1, 0]}).tolist() == [[0, 1, 1], [0, 0, -1]]


@pytest.mark.parametrize(
    ("tons", "said"),
    [
        ([[1]], r"column 'tons' holds List\(Int64\): each example has one number or one text"),
        ([object()], "column 'tons' holds Object: each example"),
        ([{"a": 1}], "column 'tons' holds Struct.*: each example"),
        ([10**400], "column 'tons', row 1: this int is too large for a number"),
        ([b"\xff"], "column 'tons' holds Binary: each example"),
    ],
)
def test_examples_that_are_no_numbers_and_no_texts_are_refused(table, tons, said):
    with pytest.raises(DataError, match=f"^{said}"):
        table.columns.encode({"tons": tons, "colour": ["red"]})
    with pytest.raises(DataError, match=r"^column 'tons', row 2: this int is too large"):
        table.columns.encode({"tons": [1.5, 10**400], "colour": ["red", "blue"]})


def test_outputs_become_words_and_units(file, table):
    mean, scale = table.columns.target.mean, table.columns.target.scale
    assert table.columns.decode(cr.Tensor([[0.0], [2.0]])).tolist() == [mean, 2 * scale + mean]
    with pytest.raises(ShapeError, match=r"takes shape \(rows, 1\), not \(2, 2\)"):
        table.columns.decode(np.zeros((2, 2)))
    pets = read_table(file("a,y\n" + "1,cat\n2,dog\n3,eel\n" * 3, "pets.csv"), target="y").columns
    assert pets.decode([[0.1, 0.9, 0.0], [3.0, 2.0, 1.0]]).tolist() == ["dog", "cat"]
    assert pets.decode(np.array([2, 0])).tolist() == ["eel", "cat"]
    for wrong in (np.zeros((2, 2)), np.array([3]), np.array([0.5]), np.zeros((1, 1, 3))):
        with pytest.raises(ShapeError, match="a score for each of 3 classes"):
            pets.decode(wrong)


NAMES = st.text(max_size=5)
NUMBERS = st.builds(Numbers, NAMES, st.floats(allow_nan=False, allow_infinity=False), st.floats(0.1, 1e300))
TEXTS = st.lists(NAMES, max_size=4).map(tuple)
COLUMN = st.one_of(
    NUMBERS, st.builds(Categories, NAMES, st.one_of(TEXTS, st.lists(st.integers(), max_size=3).map(tuple)))
)


@given(st.builds(Columns, st.lists(COLUMN, max_size=4).map(tuple), COLUMN, TEXTS, TEXTS, st.booleans()))
def test_columns_come_back_from_json_exactly(columns):
    plain = columns.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert Columns.from_dict(json.loads(json.dumps(plain))) == columns


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "of version 2, and this chainrule reads version 1"),
        ({"features": 3}, r"not what Columns.to_dict\(\) gave"),
        ({"features": [{"name": "a"}]}, "KeyError 'mean'"),
        ({"features": [{"name": "a", "categories": [1, "b"]}]}, "neither texts nor numbers"),
        ({"target": {"name": "a", "mean": "much", "scale": 1}}, "could not convert"),
        ({"left_out": "abc"}, "'abc' is not a list"),
    ],
)
def test_what_is_not_columns_is_refused(table, change, message):
    with pytest.raises(DataError, match=message):
        Columns.from_dict({**table.columns.to_dict(), **change})
    with pytest.raises(DataError, match="version None"):
        Columns.from_dict({})


def test_a_table_holds_rows_back_and_measures_the_others_alone(file):
    rng = np.random.default_rng(0)
    lines = "".join(f"{rng.normal(5, 3)},{rng.choice(['u', 'v'])},{'ab'[i % 5 == 0]}\n" for i in range(50))
    table = read_table(file("x,k,y\n" + lines), target="y", dtype=np.float64)
    train, held = table.hold_out(share=0.2, seed=3)
    assert (len(train), len(held)) == (40, 10)
    assert [np.bincount(part.y).tolist() for part in (train, held)] == [[32, 8], [8, 2]]
    assert sorted([*train.rows, *held.rows]) == list(range(1, 51))
    # The mean and deviation of 40 float64: a few roundings.
    assert abs(train.x[:, 0].mean()) < 1e-14
    assert abs(train.x[:, 0].std() - 1) < 1e-14
    assert held.columns == train.columns != table.columns
    np.testing.assert_allclose(
        held.x, read_table(file("x,k,y\n" + lines), columns=train.columns, dtype=float).x[held.rows - 1]
    )
    assert np.array_equal(table.hold_out(share=0.2, seed=3)[1].rows, held.rows)
    assert not np.array_equal(table.hold_out(share=0.2, seed=4)[1].rows, held.rows)


def test_a_regression_table_is_held_back_too(file):
    text = "a,y\n" + "".join(f"{i},{i / 2}\n" for i in range(9)) + "9,\n"
    with pytest.warns(DataWarning, match="no target"):
        train, held = read_table(file(text), target="y").hold_out(share=1 / 3)
    assert abs(float(train.y.mean())) < 1e-6
    np.testing.assert_allclose(held.columns.decode(held.y), (held.rows - 1) / 2, rtol=1e-6)


def test_a_column_that_varies_in_rows_held_back_alone_is_left_out(file):
    """Its weight would stay as it was drawn at random, and multiply a million."""
    text = "a,r,y\n" + "".join(f"{i},{0 if i != 7 else 1000000},{i / 2}\n" for i in range(60))
    table = read_table(file(text), target="y", keep=["a"])
    seed = next(seed for seed in range(99) if 7 in split_places(60, share=0.2, seed=seed)[1])
    with pytest.warns(DataWarning) as told:
        train, held = table.hold_out(seed=seed)
    assert [str(note.message) for note in told] == [
        "the rows that are not held back: column 'r' is left out: it is constant, 0 in every row that has it"
    ]
    assert train.columns == held.columns
    assert (train.columns.names, train.columns.left_out) == (("a",), ("r",))
    assert train.x.shape[1] == held.x.shape[1] == 1
    assert train.notes[-1] == held.notes[-1] == str(told[0].message).partition(": ")[2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{odd},{i}", "no column is left to learn 'y' from: column 'a' is left out: it is constant, 0"),
        ("{i},{odd}.5", "the target 'y' is 0.5 in every row"),
    ],
)
def test_training_rows_that_leave_nothing_to_learn_are_refused(file, line, said):
    table = read_table(
        file("a,y\n" + "".join(line.format(i=i, odd=int(i == 7)) + "\n" for i in range(60))),
        target="y",
        task="regression",
    )
    seed = next(seed for seed in range(99) if 7 in split_places(60, share=0.2, seed=seed)[1])
    with pytest.raises(DataError, match=f"{said}.*; another share or seed would hold other rows back"):
        table.hold_out(seed=seed)


def test_a_network_learns_from_a_table(file):
    lines = "".join(f"{k},{a},{3 * a + (k == 'u')}\n" for a in range(10) for k in "uv")
    table = read_table(file("k,a,y\n" + lines), target="y")
    net = cr.nn.Linear(len(table.columns.names), 1, rng=0)
    optimizer = cr.optim.SGD(net.parameters(), lr=0.3)
    for _ in range(100):
        optimizer.zero_grad()
        loss = cr.nn.MSELoss()(net(table.x), table.y)
        loss.backward()
        optimizer.step()
    # The data is a line, so descent ends at rounding: 0.01 of values up to 28 is far above that.
    new = table.columns.encode({"k": ["u", "v"], "a": [2.5, 4]})
    np.testing.assert_allclose(table.columns.decode(net(new)), [8.5, 12], atol=0.01)


def test_polars_is_loaded_when_used_and_its_absence_is_one_line(file, monkeypatch):
    code = "import sys, chainrule as cr; cr.data.DataLoader; print('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    original = builtins.__import__

    def without(name, *arguments, **settings):
        if name == "polars":
            raise ImportError(name)
        return original(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"^polars is not installed: pip install '\.\[data\]'$"):
        read_table(file(CARS), target="price")

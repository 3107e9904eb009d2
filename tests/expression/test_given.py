"""Values and shapes as they are typed: read as meant, or refused with the place or the line."""

from __future__ import annotations

import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.errors import FormulaError
from chainrule.expression import read_given
from chainrule.expression.typed.number_files import plain_number

READ = {
    "x=2": 2.0,
    " x = -2.5e-3 ": -2.5e-3,
    "x=−3": -3.0,
    "x=1/3": 1 / 3,
    "x=2**10": 1024.0,
    "t=pi/4": math.pi / 4,
    "x=inf": math.inf,
    "x=-inf": -math.inf,
    "x=nan": math.nan,
    "e=3": 3.0,
    "W=[[1,2],[3,4]]": [[1.0, 2.0], [3.0, 4.0]],
    "W = [ [1 , -2.5] ,\n [+3e2, .5] ]": [[1.0, -2.5], [300.0, 0.5]],
    "x=[nan, -inf]": [math.nan, -math.inf],
    "x=[5]": [5.0],
    "x=[[[1, 2]], [[3, 4]]]": [[[1.0, 2.0]], [[3.0, 4.0]]],
}


@pytest.mark.parametrize("item", READ)
def test_values_are_floats_and_arrays_of_floats(item):
    (value,) = read_given([item]).values.values()
    assert type(value) is (np.ndarray if isinstance(READ[item], list) else float)
    np.testing.assert_array_equal(value, READ[item])
    assert np.asarray(value).dtype == np.float64


def test_names_and_shapes():
    found = read_given(["W:3x2", "x:2", "b : 3 × 1", "s:scalar", "y₁=1", "T:2,3,4"])
    assert found.shapes == {"W": (3, 2), "x": (2,), "b": (3, 1), "s": (), "T": (2, 3, 4)}
    assert found.values == {"y1": 1.0}


# «» marks where the carets must stand.
REFUSED = {
    "«»": "nothing here",
    "x«»": "= or : is missing",
    "«=»2": "a name is missing",
    "«3»=x": "a name is missing",
    "«lambda»=2": "word of Python",
    "«__x__»=2": "not allowed",
    "«sum»=2": "name of a function",
    "«input»=2": "name of a function",
    "x=«»": "nothing here",
    "x=«y» + 1": "the number itself",
    "x=«2 3»": "2*3",
    "x=9«**»9**9": "1024",
    "x=«1e999»": "1.8e308",
    'x=«"»2"': "quotes",
    "x=«__import__»('os')": "not allowed",
    "x=«[]»": "empty",
    "x=[«[]»]": "empty",
    "x=«[»1, 2": "never closed",
    "x=[1, 2]«]»": "has ended",
    "x=[1]«+»[2]": "has ended",
    "x=[1 «2»]": "comma",
    "x=[1, «,» 2]": "number or a list is missing",
    "x=[1, 2,«]»": "number or a list is missing",
    "x=[«1;2»]": "plain numbers",
    "x=[«1e999»]": "plain numbers",
    "x=[1, «one»]": "plain numbers",
    "x=[«1_000»]": "plain numbers",
    "W=[[1, 2], «[3]»]": "this row has length 1, and those before it have 2",
    "W=[[1, 2], «[»": "never closed",
    "x=«[»[1, 2]": "never closed",
    "W=[1, «[»2]]": "a list stands here",
    "W=[[1], «2»]": "a number stands here",
    "W=[[[1]], [«2»]]": "a number stands here",
    "W=[[1], [«[»2]]]": "a list stands here",
    "x=[[[[[[[[«[»1]]]]]]]]]": "at most 8 axes",
    "x:«0»": "whole numbers",
    "x:«»": "whole numbers",
    "x:«-1»": "whole numbers",
    "x:«2x»": "whole numbers",
    "x:«1e3»": "whole numbers",
    "x:«99999999999999»": "whole numbers",
    "W:«100000x100000»": "10,000,000 entries",
    "W:«1x1x1x1x1x1x1x1x1»": "8 axes",
}


@pytest.mark.parametrize("marked", REFUSED)
def test_refused_with_the_exact_place(marked):
    before, place, _ = re.split("[«»]", marked)
    with pytest.raises(FormulaError) as caught:
        read_given([re.sub("[«»]", "", marked)])
    problem, line, carets = str(caught.value).rsplit("\n", 2)
    assert REFUSED[marked] in problem
    assert line == "  " + re.sub("[«»]", "", marked)
    assert carets == "  " + " " * len(before) + "^" * max(len(place), 1)


def test_a_name_is_given_once():
    with pytest.raises(FormulaError, match="x is given twice"):
        read_given(["x=1", "x:2"])


def test_numpy_files(tmp_path):
    for array in (np.arange(6).reshape(2, 3), np.float32([1.5]), np.array([True, False]), np.array(3.0)):
        np.save(tmp_path / "a.npy", array)
        value = read_given([f"x=@{tmp_path / 'a.npy'}"]).values["x"]
        np.testing.assert_array_equal(value, array)
        assert value.dtype == np.float64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("\ufeff1;2\r\n3;-4e1\r\n\r\n", [[1, 2], [3, -40]]),
        ("1\t2\n", [1, 2]),
        ("1\n2\n3", [1, 2, 3]),
        (" 1 , nan \n inf, -inf", [[1, math.nan], [math.inf, -math.inf]]),
    ],
)
def test_tables(tmp_path, text, expected):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    np.testing.assert_array_equal(read_given([f"x=@{tmp_path / 'a.csv'}"]).values["x"], expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no numbers"),
        (b"height,width\n1,2\n", "line 1: this is a header: delete the line"),
        (b"1,2\n\n3\n", "line 3: ragged: 1 numbers, and the lines before have 2"),
        (b"1,2\n3,four\n", "line 2, column 2: 'four'"),
        (b"1,,2\n", "line 1, column 2: there is no number"),
        (b"1,5;2\n", "line 1, column 1: '1,5' is no number: write 1.5"),
        (b"1,1e999\n", "line 1, column 2"),
        (b"\xff\xfe1", "cannot be read as .csv"),
    ],
)
def test_tables_are_refused_with_the_line(tmp_path, text, words):
    (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(FormulaError, match=re.escape(words)):
        read_given([f"x=@{tmp_path / 'a.csv'}"])


class Trap:
    """An object that leaves a trace when it is unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


def test_nothing_in_a_file_is_run(tmp_path, capsys):
    np.save(tmp_path / "object.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Trap()))
    for name in ("object.npy", "pickle.npy"):
        with pytest.raises(FormulaError, match="cannot be read"):
            read_given([f"x=@{tmp_path / name}"])
    assert not capsys.readouterr().out


def test_files_that_hold_no_array_of_numbers(tmp_path):
    np.save(tmp_path / "text.npy", np.array(["a"]))
    np.save(tmp_path / "empty.npy", np.zeros((0, 2)))
    np.savez(tmp_path / "many", np.ones(2))
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    (tmp_path / "folder.npy").mkdir()
    for name in (
        "text.npy",
        "empty.npy",
        "many.npy",
        "folder.npy",
        "absent.npy",
        "absent.csv",
        "absent.txt",
        "a\0.csv",
    ):
        with pytest.raises(FormulaError):
            read_given([f"x=@{tmp_path / name}"])


def test_a_header_cannot_ask_for_more_memory_than_its_file_has(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((100,)))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data.replace(b"(100,), }        ", b"(10000000000,), }"))
    with pytest.raises(FormulaError, match="cannot be read"):
        read_given([f"x=@{tmp_path / 'a.npy'}"])


@pytest.mark.filterwarnings("ignore")  # NumPy and Python warn of headers that are nearly right, before they refuse them
@settings(max_examples=300, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 140), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=3))
def test_a_damaged_file_is_read_or_refused(tmp_path, damages):
    path = tmp_path / "damaged.npy"
    np.save(path, np.arange(4.0))
    data = path.read_bytes()
    for at, new, count in damages:
        data = data[:at] + new + data[at + count :]
    path.write_bytes(data)
    read_or_refused(f"x=@{path}")


def read_or_refused(item):
    """The value or shape, or a FormulaError that says something."""
    try:
        return read_given([item])
    except FormulaError as error:
        return str(error).encode()


PIECES = ["x", "W", "=", ":", "@", "[", "]", ",", "1", "-2.5", "e", "nan", "inf", "3x2", "scalar", ".npy", ".csv", " "]


@settings(max_examples=500, deadline=5000)
@given(
    st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text().map("x=[{}]".format)
)
def test_any_text_is_read_or_refused(item):
    assert read_or_refused(item)


NESTED = st.recursive(st.floats() | st.integers(-9, 9), lambda inner: st.lists(inner, max_size=3), max_leaves=8)


@settings(max_examples=300, deadline=5000)
@given(NESTED)
def test_nested_lists_agree_with_numpy(nested):
    found = read_or_refused(f"x={nested}")
    try:
        expected = np.array(nested, dtype=np.float64)
    except ValueError:
        expected = None
    if expected is None or not expected.size:
        assert isinstance(found, bytes)
    else:
        np.testing.assert_array_equal(found.values["x"], expected)


@given(st.floats())
def test_numbers_are_read_back_exactly(number):
    again = plain_number(repr(number))
    assert again == number or (math.isnan(number) and math.isnan(again))

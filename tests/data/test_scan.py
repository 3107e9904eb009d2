"""What is seen in the bytes of a table is what readers see that part them into fields."""

import csv
import io
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data import scan
from chainrule.data.scan import are_quotes_regular, has_padded_numbers, is_even

lines = st.lists(st.text('007a1,;"\r\t ', max_size=8), max_size=7).map("\n".join)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch):
    """A few lines are more than one portion."""
    monkeypatch.setattr(scan, "PORTION", 12)


@settings(max_examples=300, deadline=None)
@given(text=lines, separator=st.sampled_from(",;\t"))
def test_padded_numbers_are_those_of_whole_fields(text, separator):
    fields = re.split(f'["\n\r{separator}]', text)
    padded = any(re.fullmatch("0[0-9]+", field) for field in fields)
    # Behind a space it may be part of a text, and is looked at again.
    perhaps = any(re.search("[ \t]0[0-9]+$", field) for field in fields)
    assert padded <= has_padded_numbers(text.encode(), separator) <= (padded or perhaps)


@settings(max_examples=300, deadline=None)
@given(text=lines.map(lambda text: text.replace('"', "").replace("\r", "")), separator=st.sampled_from(",;"))
def test_lines_are_even_where_pythons_reader_sees_rows_of_one_length(text, separator):
    widths = {len(cells) for cells in csv.reader(io.StringIO(text), delimiter=separator) if cells}
    assert is_even(text.encode(), separator) == (len(widths) < 2)


@settings(max_examples=800, deadline=None)
@given(
    cells=st.lists(
        st.one_of(st.sampled_from(['"x"', '"a""b"', '""', '"p,q"', '"p\nq"', "5", ""]), st.text('"a', max_size=4)),
        min_size=2,
        max_size=8,
    )
)
def test_readers_agree_on_rows_where_quotation_marks_are_regular(cells):
    cells = cells[: len(cells) // 2 * 2]
    text = "".join(f"z{a},{b}\n" if i % 2 else f"{a},{b}\n" for i, (a, b) in enumerate(zip(*[iter(cells)] * 2)))  # noqa: B905
    if not are_quotes_regular(text.encode(), ","):
        return
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    if {len(row) for row in rows} != {2}:
        return
    frame = pl.read_csv(text.encode(), has_header=False, schema={"a": pl.String, "b": pl.String})
    assert frame.fill_null("").rows() == [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("text", "regular"),
    [
        ('a,b\n"x","y"\n', True),
        ('a,b\n"x""y",1\n', True),
        ('a,b\n"",1\n', True),
        ('a\n"""x"""', True),
        ('a\n"x\ny"\r\n', True),
        ('a,b\n5" pipe,6" pipe\n', False),
        ('a\n"x"y\n', False),
        ('a\n"x\n', False),
    ],
)
def test_regular_quotation_marks(text, regular):
    assert are_quotes_regular(text.encode(), ",") is regular

"""Texts of others cannot steer a terminal."""

import copy
import sys
import unicodedata

import pytest
from rich.cells import cell_len

from chainrule import errors
from chainrule.printable import SPELLED, columns, disturbs, in_columns, printable, spelled
from chainrule.table import Table

HOSTILE = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "a\rb",
    "a\x08\x08b",
    "\x9b2J",
    "\x7f",
    "\u202eder",
    "\u2066x\u2069",
    "\u200b",
    "\u2028",
    "\ud800",
    "\0",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_would_steer_a_terminal_is_shown_as_its_code(text):
    shown = printable(text)
    assert not any(map(disturbs, shown))
    assert shown.isprintable()
    assert shown.encode()
    assert shown.encode().decode("unicode_escape") == text
    assert printable(shown) == shown


def test_everything_that_is_meant_to_be_read_stays():
    for text in ("", "Zürich 42 €", "∂²f/∂x², 中文, עברית, العربية", "1\u00a0200", "[bold]x[/bold]", r"C:\new"):
        assert printable(text) == text


def test_every_control_character_of_unicode_is_known():
    wrong = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) == "Cc" and not disturbs(c)]
    assert wrong == []
    assert all(map(disturbs, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", [errors.DataError, errors.CheckpointError, errors.FormulaError, errors.GraphError])
def test_no_message_of_ours_steers_a_terminal(kind, text):
    error = kind(f"column {text} of\nfile")
    assert not any(map(disturbs, str(error).replace("\n", "")))
    # A formula is pointed at in a line of its own; a file's name must not be able to add a line.
    assert ("\n" in str(error)) == kind.lines
    assert str(copy.copy(error)) == str(error)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("∂L/∂ŷ = (ŷ − y)·w₁₂", "dL/dyhat = (yhat - y)*w_12"),
        ("δ⁽²⁾ = (W⁽³⁾)ᵀ δ⁽³⁾ ⊙ σ′(z)", "delta^(2) = (W^(3))^T delta^(3) (*) sigma'(z)"),
        ("x³ − ½ … ¼ Δx Ω", "x^3 - 1/2 ... 1/4 Deltax Omega"),
        ("e⁻ᶻ", "e^(-z)"),
        ("é 𝟏 → ≠", "e 1 -> !="),
        ("plain", "plain"),
        ("漢", "?"),
    ],
)
def test_what_a_terminal_lacks_is_spelled_out(text, typed):
    assert spelled(text) == typed
    assert text.encode("ascii", errors=SPELLED).decode() == typed


def test_every_sign_of_the_product_can_be_spelled():
    from chainrule.lessons import chapters
    from chainrule.lessons.chapter import Prose

    prose = "".join([block.text for chapter in chapters() for block in chapter.blocks if isinstance(block, Prose)])
    assert sorted({sign for sign in prose if spelled(sign) == "?" and sign != "?"}) == []


WIDE = ["gradient", "梯度", "y\u0302", "ŷ̂x", "Ελλάδα", "ｆｕｌｌ", "한글", ""]


@pytest.mark.parametrize("text", WIDE)
def test_a_text_is_as_wide_as_terminals_show_it(text):
    assert columns(text) == cell_len(text)


def test_columns_stand_below_themselves_whatever_is_in_them():
    lines = in_columns([("name", "n"), *[(text, str(i)) for i, text in enumerate(WIDE)]], right=[1])
    assert len({columns(line) for line in lines}) == 1
    table = repr(Table(("列名", "b"), (("数据", 1.0), ("abc", 2.5), ("ŷ", 3.0)))).splitlines()
    assert [columns(line) for line in table] == [9, 9, 9, 9]

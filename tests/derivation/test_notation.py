"""The table of symbols: complete in every notation, and all of it readable."""

from __future__ import annotations

from dataclasses import fields

import pytest

from chainrule.derivation.notation import (
    NOTATIONS,
    ROLES,
    Notation,
    Symbols,
    entry,
    is_numbered,
    is_path,
    transposed,
    written,
)
from chainrule.errors import ChainruleError
from chainrule.expression.maths.value import read


def test_every_role_is_explained():
    assert set(ROLES) == {role.name for role in fields(Notation)}


@pytest.mark.parametrize("name", NOTATIONS)
def test_every_symbol_can_be_read_back(name):
    symbols = Symbols(name, 3)
    for row in symbols.meanings():
        if row.meaning != ROLES["elementwise_product"]:
            read(row.symbol)
        assert {book for book, symbol in row.elsewhere if (book, symbol) != (name, r"\otimes")} == set(NOTATIONS) - {
            name
        }
    for latex in (symbols.w(2, 3, 1), symbols.error(2, 1), symbols.error("l", "j"), symbols.slope(1), symbols.a(0, 2)):
        read(latex)
        read(transposed(latex))


@pytest.mark.parametrize("name", NOTATIONS)
def test_layers_and_entries_are_told_apart(name):
    symbols = Symbols(name, 3)
    each = [symbols.z(1), symbols.z(2), symbols.z(1, 1), symbols.z(1, 2), symbols.a(1), symbols.a(3), symbols.a(0)]
    assert len(set(each)) == len(each)


def test_symbols_of_the_books():
    assert written("weight", "nielsen") == "w^{{l}}_{jk}"
    assert written("prediction", "nielsen") == "a^{{L}}"
    assert written("error", "goodfellow") == r"\frac{\partial J}{\partial a^{(l)}}"
    assert Symbols("lecture", 2).error(1) == r"\mathtt{n1.grad}"
    assert Symbols("course", 2).a(2) == r"\hat{y}"
    product = next(row for row in Symbols("parr-howard", 2).meanings() if row.meaning == ROLES["elementwise_product"])
    assert (product.symbol, dict(product.elsewhere)["parr-howard"]) == (r"\odot", r"\otimes")


def test_entries():
    assert entry("z^{{1}}", 2) == "z^{{1}}_{2}"
    assert entry("z_{1}", 2) == "z_{1,2}"
    assert entry("w^{{1}}", 12, 3) == "w^{{1}}_{12,3}"
    assert entry("y") == "y"


def test_own_names_are_those_of_the_user():
    names = ["v_{3}", r"\mathtt{net[0].weight}", "w", "v"]
    assert [is_numbered(name) for name in names] == [True, False, False, False]
    assert [is_path(name) for name in names] == [False, True, False, False]


def test_an_unknown_notation_is_refused():
    with pytest.raises(ChainruleError, match="nielsen, course, lecture"):
        Symbols("goethe", 1)

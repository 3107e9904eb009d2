"""The table of symbols: complete in every notation, and no two things alike."""

from __future__ import annotations

from dataclasses import fields

import pytest

from chainrule.derivation.notation import NOTATIONS, ROLES, Notation, Symbols, written
from chainrule.errors import ChainruleError
from chainrule.maths import latex, unicode
from latex_oracle.reader import read


def test_every_role_is_explained():
    assert set(ROLES) == {role.name for role in fields(Notation)}


@pytest.mark.parametrize("name", NOTATIONS)
def test_every_symbol_can_be_read_back(name):
    symbols = Symbols(name, 3)
    for row in symbols.meanings():
        if row.meaning != ROLES["elementwise_product"]:
            read(latex(row.symbol))
        assert {book for book, symbol in row.elsewhere if (book, unicode(symbol)) != (name, "⊗")} == set(NOTATIONS) - {
            name
        }
    for tree in (symbols.w(2, 3, 1), symbols.error(2, 1), symbols.error("l", "j"), symbols.slope(1), symbols.a(0, 2)):
        read(latex(tree))
    read(latex(symbols.weights(2).T))


@pytest.mark.parametrize("name", NOTATIONS)
@pytest.mark.parametrize("writer", [latex, unicode])
def test_layers_and_entries_are_told_apart(name, writer):
    symbols = Symbols(name, 3)
    each = [symbols.z(1), symbols.z(2), symbols.z(1, 1), symbols.z(1, 2), symbols.a(1), symbols.a(3), symbols.a(0)]
    assert len(set(map(writer, each))) == len(each)


def test_symbols_of_the_books():
    assert latex(written("weight", "nielsen")) == "w^{(l)}_{j, k}"
    assert latex(written("prediction", "nielsen")) == "a^{(L)}"
    assert latex(written("error", "goodfellow")) == r"\frac{\partial J}{\partial a^{(l)}}"
    assert latex(Symbols("lecture", 2).error(1)) == r"\mathtt{n1.grad}"
    assert latex(Symbols("course", 2).a(2)) == r"\hat{y}"
    assert latex(Symbols("parr-howard", 2).z(1)) == r"\mathbf{z}_{1}"
    product = next(row for row in Symbols("parr-howard", 2).meanings() if row.meaning == ROLES["elementwise_product"])
    assert (unicode(product.symbol), unicode(dict(product.elsewhere)["parr-howard"])) == ("⊙", "⊗")


def test_entries_stand_below_after_what_is_part_of_the_name():
    assert unicode(Symbols("nielsen", 3).z(1, 2)) == "z⁽¹⁾₂"
    assert unicode(Symbols("course", 3).z(1, 2)) == "z₁,₂"
    assert unicode(Symbols("nielsen", 3).w(1, 12, 3)) == "w⁽¹⁾₁₂,₃"


def test_an_unknown_notation_is_refused():
    with pytest.raises(ChainruleError, match="nielsen, course, lecture"):
        Symbols("goethe", 1)

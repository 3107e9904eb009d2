"""Random formulas, graphs and nets in every dialect, format and notation; make soak tells of a hundred thousand.

Every side of every equation comes to the same number when its plain text is run as NumPy, distinct things print apart,
and nothing ends in an internal error.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

import chainrule as cr
from chainrule.derivation.record import Equation
from chainrule.errors import ChainruleError
from chainrule.maths import Number, Symbol, plain

from . import many_pages, wider_pages
from .random_pages import alike, faults, on_the_page, page
from .run_as_numpy import check

CHUNK = 20
FOUND = (217, 312, 577, 700025, 700124, 700162, 700384, 700412, 700861, 700870, 700907, 700926, 701313, 701443, 702197)
FOUND += (702207, 702480, 702785, 703303, 703343, 70607, 81383, 701311, 703962, 704208, 704231, 704417, 709716, 710113)
FOUND += (39, 279, 351, 409, 413, 710380, 711937, 712052, 712083, 712419, 712613, 712817, 70465, 709668, 710232, 81145)
"""Draws that were wrong once; each is of a kind that has a test of its own in test_faults."""
MET = (1000592, 1001180, 1001474, 1002643, 1002703, 1003365, 1005358, 1005674, 1006950, 1015355, 1015638)
MET += (1001826, 1018058, 1027023, 1027553, 1029329, 1029514, 1030281, 1103715, 1105298, 1106104)
MET += (1109778, 1110218, 1112567, 1120053, 1400095, 1409198, 1421437, 1436940, 1471747, 1533584)
MET += (2019256, 2093636, 2115277, 3000221, 3103748, 1606412, 1607262, 1614607, 1622386, 1665992)
MET += (2128997, 3201571, 3203310, 3306699, 7000379, 8100233)
"""The same of the many."""
WIDER = (831071, 831074, 831131, 831149, 831257, 832071, 832163)
"""The same of vectors, directions and modules."""
SUITE, SOAK, MANY = range(0, 40, CHUNK), range(1_000_000, 1_100_000, 1_000), 1_000
WHOLE = range(1_000, 6_000, 1_000)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("start", SUITE)
def test_nothing_is_wrong_on_random_pages(start, record_property):
    found = [fault for seed in range(start, start + CHUNK) for fault in faults(seed)]
    record_property("random pages", (CHUNK, len(found)))
    assert not found, "\n".join(found)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", FOUND)
def test_what_was_wrong_once_is_not(seed):
    assert not list(faults(seed))


def test_most_of_them_are_explained_in_several_dialects():
    told = 0
    for seed in range(10):
        for _, way in page(seed).ways:
            with suppress(ChainruleError):
                told += bool(way().story)
    assert told > 15


def test_a_wrong_number_and_two_things_alike_would_be_found():
    a, b = cr.Value(2.0, label="a"), cr.Value(3.0, label="b")
    told = cr.explain(a * b, a)
    assert not list(on_the_page(told, 0))
    known = {plain(x.symbol): x for x in told.known}
    object.__setattr__(known["a"], "value", 2.5)
    assert list(on_the_page(told, 0))
    object.__setattr__(known["b"], "symbol", known["a"].symbol)
    assert list(alike(told))


@pytest.mark.parametrize("wrong", ["-100", "1e-9"])
def test_a_false_number_is_found_where_doubles_have_none(wrong):
    """The terms of a formula come to 3e-9, and in doubles to 0."""
    x, y = Symbol("x"), Symbol("y")
    told = cr.explain("3*x + y", values={"x": 1e-9, "y": 1e18})
    right, false = [replace(told, story=(Equation((3 * (y + x - y), Number(n)), 1),)) for n in ("3e-9", wrong)]
    check(right)
    with pytest.raises(AssertionError):
        check(false)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("start", SOAK)
def test_nothing_is_wrong_on_many_random_pages(start, record_property):
    found = [fault for seed in range(start, start + MANY) for fault in many_pages.faults(seed)]
    record_property("random pages", (MANY, len(found)))
    assert not found, "\n".join(found[:20])


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("start", WHOLE)
def test_nothing_is_wrong_on_many_random_pages_in_every_dialect(start, record_property):
    found = [fault for seed in range(start, start + MANY) for fault in faults(seed)]
    record_property("random pages", (MANY, len(found)))
    assert not found, "\n".join(found[:20])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", MET)
def test_what_was_wrong_once_on_many_pages_is_not(seed):
    assert not list(many_pages.faults(seed))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", WIDER)
def test_what_was_wrong_once_on_wider_pages_is_not(seed):
    assert not list(wider_pages.faults(seed))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_is_wrong_on_random_pages_of_vectors_ties_and_modules(record_property):
    found = [fault for seed in range(CHUNK) for fault in wider_pages.faults(seed)]
    record_property("random pages", (CHUNK, len(found)))
    assert not found, "\n".join(found)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("start", WHOLE)
def test_nothing_is_wrong_on_many_random_pages_of_vectors_ties_and_modules(start, record_property):
    found = [fault for seed in range(start, start + MANY) for fault in wider_pages.faults(seed)]
    record_property("random pages", (MANY, len(found)))
    assert not found, "\n".join(found[:20])

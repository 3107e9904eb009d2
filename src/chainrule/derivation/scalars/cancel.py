"""What cancels between two factors: one divides by letters that the other multiplies by."""

from __future__ import annotations

from typing import Any

from chainrule.core.term import Term, forward_order, name_of, symbols_in
from chainrule.derivation.scalars.slopes import added, multiplied, size_of
from chainrule.rewrite import simplify
from chainrule.rewrite.algebra import sum_of
from chainrule.rewrite.rewriting import Rewriting, as_term, plain
from chainrule.rewrite.simplify import forms

MOST_PARTS = 40
"""Formulas of more operations and letters than this say less than their numbers, and take long to simplify."""

MOST_TO_CANCEL = 24
"""Two factors with more operations and letters than this are not searched for what cancels."""


def simplified(term: Any) -> Any:
    """A term or number in its shortest form; None for none, and for what is too long to be read."""
    return None if term is None or len(forward_order([term])) > MOST_PARTS else simplify(term)


def cancelled(x: Any, y: Any) -> Any:
    """The product of two terms where a division drops out of it and it is shorter for that; else None."""
    if not may_cancel(x, y):
        return None
    term = shortest_product(x, y)
    fewer = divisions(term) < divisions(x) + divisions(y)
    return term if fewer and size_of(term) < size_of(x) + size_of(y) else None


def shortest_product(x: Any, y: Any) -> Any:
    """A product in its shortest form: of the factors as they are, the second written out, or term by term."""
    found = [simplify(multiplied(x, form)) for form in same_as(y)]
    terms = [as_term(plain(number)) * unit for unit, number in sum_of(x, Rewriting()).items()]
    found.append(simplify(added([simplify(multiplied(term, y)) for term in terms])))
    return min(found, key=size_of)


def may_cancel(x: Any, y: Any) -> bool:
    """Whether two terms can shorten one another: one divides by letters that the other has too."""
    if len(forward_order([x])) + len(forward_order([y])) > MOST_TO_CANCEL:
        return False
    return any(not below.isdisjoint(symbols_in(other)) for below, other in ((divisors(x), y), (divisors(y), x)))


def divisors(x: Any) -> set[Term]:
    return {letter for below in denominators(x) for letter in symbols_in(below)}


def divisions(x: Any) -> int:
    """How often a term divides by something with letters in it."""
    return sum([bool(symbols_in(below)) for below in denominators(x)])


def denominators(x: Any) -> list[Term]:
    """What the operations of a term divide by, numbers aside."""
    return [below for term in forward_order([x]) if isinstance(below := denominator(term), Term)]


def denominator(term: Term) -> Any:
    """What the last operation of a term divides by; 1 for any other operation."""
    name = name_of(term)
    if name == "div":
        return term.inputs[1]
    if name == "pow" and not isinstance(term.inputs[1], Term) and term.inputs[1] < 0:
        return term.inputs[0]
    return term.inputs[0] if name == "reciprocal" else 1


def same_as(x: Any) -> list[Any]:
    """A term and the equal forms that the rewriter has for it."""
    return list(dict.fromkeys([x, *[form.term for form in forms(x)]]))

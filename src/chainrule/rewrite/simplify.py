"""The rewriter: a term's normal form, and the cheapest of the forms that are equal to it.

One pass goes over a term from its symbols up and builds every node from inputs that are in normal form already; passes
repeat until nothing changes. A pass either leaves products of sums as they are or writes them out, and either takes out
common factors or does not; the cheapest of the four results is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from chainrule.core.term import Term, forward_order, name_of
from chainrule.rewrite.collect import collect
from chainrule.rewrite.cost import Operations, operations
from chainrule.rewrite.nodes import SUMS, as_shaped, built_from, fitting
from chainrule.rewrite.rewriting import LAWS, NO_NUMBER, Rewriting, as_number, exact, plain
from chainrule.rewrite.shaped import repeat

MOST_PASSES = 8
HUGE = 2_000
"""Terms of more nodes are not searched for common factors."""

LARGE = 100
"""Terms of more nodes are not written out in every form: it would take long, and read no better."""


class Form(NamedTuple):
    """A term in some form, what it costs, and the laws that led to it."""

    term: Any
    cost: Operations
    laws: tuple[str, ...]


WAYS = [
    frozenset(options.split())
    for options in ("", "collect", "expand", "expand collect", "collect fractions", "expand collect fractions")
]
"""The options of the rewritings that are compared; one that none of its terms asks for changes nothing."""


def simplify(term: Any) -> Any:
    """An equal term that costs no more: like terms collected, matrix products bracketed well, constants worked out.

    Equal wherever the given one is defined, in real numbers; one that is defined nowhere, as 1/(0x), stays as it is.
    Rounding may differ. Shapes stay. O(nodes) for a bounded number of passes; products are searched for common factors
    up to a fixed size.

    >>> from chainrule.core.term import symbol
    >>> from chainrule.rewrite import simplify
    >>> from chainrule.maths import plain
    >>> from chainrule.maths.of_terms import tree_of_term
    >>> x = symbol("x")
    >>> plain(tree_of_term(simplify(3 * x * x - x * 6 + 2 + 0 * x)))
    '3*x**2 - 6*x + 2'
    """
    if not isinstance(term, Term):
        return term
    own = operations(term)
    allowed = [form for form in forms(term) if all(a <= b for a, b in zip(form.cost, own, strict=True))]
    return min(allowed, key=price).term if allowed else term


def shortest(term: Any, order: tuple[str, ...] = ()) -> Form:
    """The form with the fewest operations; among those the one with the fewest multiply-adds.

    Factors and terms are written with their symbols in this `order`, others behind them by name.
    """
    return min(forms(term, order), key=price)


def price(form: Form) -> tuple[int, ...]:
    """Fewer operations first, a minus before all of it aside, then fewer multiply-adds, signs on paper, and nodes."""
    order = forward_order([form.term])
    signs: dict[Any, int] = {}
    fractions: set[Any] = set()
    for x in order:
        # What is added to an array of another shape is written with ones; a factor stands bare.
        ones = sum([name_of(y) == "broadcast_to" for y in x.inputs]) if name_of(x) in SUMS else 0
        # A fraction within a fraction is written larger than it is: (p - y)/(p (1 - p)) and not (1 - y/p)/(1 - p).
        within = name_of(x) in ("add", "sub", "mul", "neg", "div") and not fractions.isdisjoint(x.inputs)
        is_fraction = name_of(x) == "div" and isinstance(x.inputs[1], Term)
        if within or is_fraction:
            fractions.add(x)
        signs[x] = 1 + ones + 2 * (within and is_fraction) + sum([signs[y] for y in x.inputs if isinstance(y, Term)])
    turned = name_of(form.term) == "neg"
    return (form.cost.count - turned, form.cost.multiply_adds, signs.get(form.term, 0), len(order))


def forms(term: Any, order: tuple[str, ...] = ()) -> Sequence[Form]:
    """Equal forms of a term, its plain normal form first."""
    return forms_of(term, order) if isinstance(term, Term) else (Form(term, Operations(0, 0), ()),)


@lru_cache(maxsize=256)
def forms_of(term: Term, order: tuple[str, ...]) -> Sequence[Form]:
    """The same of a term that is not a mere number; a story that is told again asks for the same ones soon after."""
    places = {label: i for i, label in enumerate(order)}
    found: dict[Any, Form] = {}
    nodes = len(forward_order([term]))
    asked: dict[frozenset[str], set[str]] = {}
    for options in WAYS[: 1 if nodes > HUGE else 2 if nodes > LARGE else None]:
        fewer = [options - {option} for option in options if option not in asked.get(options - {option}, {option})]
        if fewer:
            asked[options] = asked[fewer[0]]
            continue
        way = Rewriting(options, collect, places)
        settled = normal(term, way)
        if NO_NUMBER in way.used:
            return (Form(term, operations(term), ()),)
        asked[options] = way.asked
        if not options <= {"collect"}:
            settled = normal(settled, Rewriting(options & {"collect"}, collect, places))
        if settled not in found:
            found[settled] = Form(settled, operations(settled), tuple(LAWS.get(law, law) for law in way.used))
    return tuple(found.values())


def normal(term: Term, way: Rewriting) -> Any:
    """The normal form of a term, of the same shape."""
    for _ in range(MOST_PASSES):
        before, term = term, as_shaped(one_pass(term, way), term.shape)
        if term is before:
            break
    return term


def one_pass(output: Term, way: Rewriting) -> Any:
    """Every node built anew, in normal form, from the symbols up."""
    order = forward_order([output])
    later = deferred(order)
    below = denominators(order) if way.takes("expand") else set[Term]()
    built: dict[Any, Any] = {}
    for term in order:
        if term.op is None:
            number = as_number(term)
            built[term] = term if number is None else repeat(plain(number), term.shape)
            continue
        inputs = [built[x] if isinstance(x, Term) else x for x in term.inputs]
        if term in later:
            raw = term.op(*fitting(inputs, term), **term.settings)
            built[term] = raw if isinstance(raw, Term) else plain(exact(raw))
            continue
        way.keeps_products = term in below
        built[term] = built_from(term, inputs, way)
    return built[output]


def denominators(order: Sequence[Term]) -> set[Term]:
    """Products that are divided by, and nothing else: they stay products, p(1 - p) and not p - p²."""
    below: set[Term] = set()
    elsewhere: set[Term] = set()
    for term in order:
        for place, x in enumerate(term.inputs):
            if name_of(x) == "mul":
                (below if place == 1 and name_of(term) == "div" else elsewhere).add(x)
    return below - elsewhere


def deferred(order: Sequence[Term]) -> set[Term]:
    """Parts of a sum or product that nothing else uses: the whole is built at once, so a long sum takes linear time."""
    uses: dict[Term, int] = {}
    user: dict[Term, Term] = {}
    for term in order:
        for x in term.inputs:
            if isinstance(x, Term):
                uses[x] = uses.get(x, 0) + 1
                user[x] = term
    return {
        x
        for x, count in uses.items()
        if count == 1 and any(name_of(x) in family and name_of(user[x]) in family for family in (SUMS, {"mul"}))
    }

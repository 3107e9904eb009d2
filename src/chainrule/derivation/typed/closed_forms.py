"""What needs no numbers: derivatives as formulas, and the rule used at each step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.forward import tangents_of
from chainrule.core.operation import Pointwise, book
from chainrule.core.term import Term, constant, forward_order, symbol, symbols_in
from chainrule.derivation.equations import once, proved
from chainrule.derivation.products import WRITTEN
from chainrule.derivation.record import Block, Equation, Heading, Note, Paragraph, Table
from chainrule.derivation.symbolic.derivative import Derivative, Step, derivative, has_rule
from chainrule.derivation.symbolic.verified import moves_so
from chainrule.derivation.tape.ties import untied
from chainrule.derivation.typed.formula import TypedFormula
from chainrule.derivation.words import Words, listed, said
from chainrule.errors import UNFIT, GraphError
from chainrule.maths import Symbol, Tree, plain
from chainrule.maths.of_terms import DEEPEST
from chainrule.rewrite import shortest
from chainrule.rewrite.order import symbols_in_order

MOST_ENTRIES = 1_000_000
"""A formula is compared with the engine's gradient before it is shown; larger arrays would make that slow."""
MOST_IN_MATRIX = 250_000
"""Entries of a Jacobian or Hessian that is compared."""
MOST_STEPS = 3_000
"""Steps of a formula, times the names asked for, of which a derivative in symbols is looked for."""
MOST_WRITTEN = 40_000
"""Parts of a formula in which every shared part is written out wherever it is used."""
FLAT = tuple([book[name] for name in ("add", "sub", "neg")])
MOST_FACTORS = 50
"""Factors of one product: each has a term of its own in the derivative."""
MOST_ROWS = 40
"""Steps that are listed."""
MOST_PARTS = 40
"""Parts of a formula for how a result moves."""
LONGEST = 160
"""Characters of a formula in a cell; what is longer says less than three dots."""


class ClosedForms:
    """The derivatives of a typed as formulas, as far as there are closed forms."""

    def __init__(self, typed: TypedFormula, term: Term, no_formula: str = "") -> None:
        self.typed = typed
        self.term = term
        self.found: dict[str, Derivative] = {}
        self.reasons: dict[str, str] = {}
        """Why there is no formula."""
        self.has_term = not no_formula
        if no_formula:
            self.reasons = dict.fromkeys(typed.wrt, no_formula)
            return
        reason = too_long(term, len(typed.wrt))
        if reason:
            self.reasons = dict.fromkeys(typed.wrt, reason)
            return
        for name in typed.wrt:
            try:
                self.found[name] = self.derivative(self.of(name), name)
            except GraphError as reason:
                self.reasons[name] = str(reason)

    def of(self, name: str) -> Any:
        """What is differentiated in a name: the text of a formula, or the term in which the name is a symbol."""
        parsed = self.typed.parsed
        return self.typed.term_in(name) if parsed.computed else parsed.text

    def derivative(self, of: Any, name: str, order: int = 1) -> Derivative:
        """The derivative of the formula, or of another term, in a name; GraphError where there is no closed form."""
        typed = self.typed
        above = of.shape if isinstance(of, Term) else self.term.shape
        axes = len(above) + order * len(typed.shapes[name])
        if axes > 2:
            raise GraphError(f"the derivative in {name} has {axes} indices: it is no matrix, so it has no formula here")
        size = max(map(typed.size, typed.names))
        in_matrix = math.prod(above) * typed.size(name) ** order
        if size > MOST_ENTRIES or (axes > 1 and in_matrix > MOST_IN_MATRIX and (above or order > 1)):
            raise GraphError(f"the arrays are too large for a formula in {name} to be checked: give smaller shapes")
        try:
            found = derivative(of, name, shapes=typed.shapes, order=order)
        except GraphError as reason:
            raise GraphError(str(reason).partition(": take cr.")[0]) from reason
        if typed.missing:
            return found
        known = typed.values_at(name)
        numbers = {x: known[x.label] for x in typed.letters if x.label in known}
        term = untied(found.term, numbers)
        return found if term is found.term else replace(found, term=shortest(term, symbols_in_order(self.term)).term)

    def differential(self, name: str) -> tuple[Term, Term] | None:
        """What an array moves by, and how the result moves with it to first order; None where no formula is short.

        It says what a derivative with more than two indices does (Magnus and Neudecker, 2019).
        """
        typed = self.typed
        letter = f"d{name}"
        if (
            name in self.found
            or not self.has_term
            or typed.parsed.computed
            or letter in typed.shapes
            or too_long(self.term, 1)
        ):
            return None
        if len(self.term.shape) + len(typed.shapes[name]) < 3:
            return None
        variable, moving = symbol(name, typed.shapes[name]), symbol(letter, typed.shapes[name])
        try:
            tangent = tangents_of([variable], [moving], [self.term], record=True)[0]
            found = shortest(tangent, symbols_in_order(self.term)).term
        except UNFIT:
            return None
        is_short = isinstance(found, Term) and len(forward_order([found])) <= MOST_PARTS
        symbols = {x.label: x for x in symbols_in(self.term)}
        return (moving, found) if is_short and moves_so(typed.parsed.run, symbols, variable, moving, found) else None

    def second(self, first: str, other: str) -> Term:
        """The second derivative in two names as a formula; GraphError where there is no closed form."""
        if first == other:
            return self.derivative(self.of(first), first, order=2).term
        if first not in self.found:
            raise GraphError(self.reasons[first])
        slope = self.found[first].term
        if other not in {term.label for term in symbols_in(slope)}:
            sizes = [self.typed.shapes[name] for name in (first, other)]
            return constant(np.zeros(sizes[0] + sizes[1]))
        return self.derivative(slope, other).term


def too_long(term: Term, names: int) -> str:
    """Why no formula of the derivative is looked for: nobody would read it, and it would take long to be found."""
    steps = forward_order([term])
    if len(steps) * names > MOST_STEPS:
        return f"the formula has {len(steps):,} steps and {names:,} names: too many for its derivative to be read"
    factors: dict[Term, int] = {}
    written: dict[Term, int] = {}
    depth: dict[Term, int] = {}
    for x in steps:
        inside = [y for y in x.inputs if isinstance(y, Term)] if x.op is not None else []
        factors[x] = sum([factors[y] for y in inside]) if x.op in (book["mul"], book["div"]) else 1
        written[x] = 1 + sum([written[y] for y in inside])
        # Sums and multiples of one thing are collected, however deep they lie.
        moving = [y for y in inside if y.number is None]
        is_multiple = len(moving) < 2 and (x.op is book["mul"] or (x.op is book["div"] and moving == [x.inputs[0]]))
        depth[x] = max([depth[y] for y in inside], default=0) + (x.op not in FLAT and not is_multiple)
    most = max(factors.values())
    if most > MOST_FACTORS:
        return f"a product of {most:,} factors has a derivative that is too long to be read"
    if max(depth.values()) > DEEPEST:
        return f"the formula is nested {max(depth.values()):,} deep: its derivative is too long to be read"
    if max(written.values()) > MOST_WRITTEN:
        return "written out without its shared parts the formula is so long that nobody would read its derivative"
    return ""


def shown(symbols: Sequence[Tree | None], number: Any, digits: int) -> Equation:
    """An equation in symbols, with the engine's number at its end where it has one that can be written."""
    sides = [side for side in symbols if side is not None]
    if number is None or np.ndim(number) > 2 or np.size(number) > WRITTEN:
        return Equation(tuple(sides))
    return once(proved(sides, None, number, digits=digits))


def rules_story(closed: ClosedForms) -> list[Block]:
    """The rule used at each step, from the result back to the names, and the laws that made the formula short."""
    found = [closed.found[name] for name in closed.typed.wrt if name in closed.found]
    nodes = list(dict.fromkeys([node for derivative in found for node in derivative.path if has_rule(node)]))
    laws = list(dict.fromkeys([law for derivative in found for law in derivative.laws]))
    if not nodes:
        return []
    # Of thousands of steps only those that are listed are worked out: each writes out all that it is made of.
    shown = nodes[:MOST_ROWS]
    rules = merged([x.step(node) for x in found for node in shown if node in x.path])
    rows: list[tuple[Words | Equation, ...]] = [
        (cell([step.part]), step.rule, cell(step.formulas), step.intuition) for step in rules
    ]
    story: list[Block] = [Heading("The rule at each step")]
    if not all([isinstance(node.op, Pointwise) for node in nodes]):
        arrives = said(
            "From the result back. Here ", Symbol("g"), " is the gradient that arrives from the step before."
        )
        story.append(Paragraph(arrives))
    story.append(Table(("Part", "Rule", "Its derivative", "In words"), tuple(rows)))
    if len(nodes) > MOST_ROWS:
        story.append(Note(f"{len(nodes) - MOST_ROWS:,} more steps are not listed."))
    if laws:
        story.append(Paragraph("Then simplified: " + " ".join(laws)))
    return story


def merged(steps: Iterable[Step]) -> list[Step]:
    """Steps of several derivatives, each part once, with the derivative in each of its inputs."""
    found: dict[tuple[str, Tree | None], Step] = {}
    for step in steps:
        same = found.setdefault((step.rule, step.part), step)
        more = tuple([formula for formula in step.formulas if formula not in same.formulas])
        found[step.rule, step.part] = replace(same, formulas=(*same.formulas, *more))
    return list(found.values())


def cell(formulas: Sequence[Tree | None]) -> Words:
    return listed(["…" if x is None or len(plain(x)) > LONGEST else said(x) for x in formulas], ",  ")

"""Derivatives as formulas: the book's backward pass run on symbols, made short by the rewriter, proved on numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core.forward import tangents_of
from chainrule.core.graph import between, gradients_of
from chainrule.core.operation import book
from chainrule.core.term import Shape, Term, constant, forward_order, replay, symbol, symbols_in, with_others
from chainrule.derivation.symbolic.linear_map import matrix_of
from chainrule.derivation.symbolic.verified import verify
from chainrule.errors import UNFIT, DtypeError, GraphError, ShapeError
from chainrule.expression.arguments import numbers_in, shapes_of, values_of, whole_number
from chainrule.expression.typed.assignments import read_assignments
from chainrule.kinds import what_is
from chainrule.maths import Symbol, Tree, latex, plain
from chainrule.maths.of_terms import own_names, readable, tree_of_term
from chainrule.rewrite import Operations, operations, shortest
from chainrule.rewrite.entry_formulas import EntryFormulas, one_hot
from chainrule.rewrite.local import handed_back_or_slope
from chainrule.rewrite.order import symbols_in_order
from chainrule.rewrite.rewriting import as_term
from chainrule.rewrite.simplify import Form, forms, price

MOST_PARTS = 100
"""A local derivative of more parts is not read, and takes long to be made short."""
MOST_INPUTS = 40
"""Inputs of one operation, as of a list, whose derivatives are written out."""
MOST_ENTRIES = 36
"""Entries of a matrix that are written out one by one, where it has no other formula."""
DRAWS = 3
"""How often numbers are drawn, to see whether the formulas of entries are the same for all."""
LAYOUTS = ("gradient", "numerator")


@dataclass(frozen=True)
class Step:
    """One rule at work: the operation, what it was applied to, its local derivative, and its intuition.

    For an operation on single numbers `formulas` are the local derivatives; for one on whole arrays, what becomes of a
    gradient ``g`` that arrives. A step whose rule is "simplification" has the law as its intuition.
    """

    rule: str
    part: Tree | None
    """What it was applied to, down to names; None where that is too long to be read."""
    formulas: tuple[Tree | None, ...]
    """One for each input that moves."""
    intuition: str

    @property
    def of(self) -> str:
        """The part in LaTeX; empty where it is too long."""
        return "" if self.part is None else latex(self.part)

    @property
    def formula(self) -> str:
        """The formulas in LaTeX."""
        return ", ".join([latex(x) for x in self.formulas if x is not None])


@dataclass(frozen=True)
class Derivative:
    """A derivative as a formula; calling it with values computes it.

    >>> import numpy as np
    >>> from chainrule.derivation.symbolic.derivative import derivative
    >>> slope = derivative("x**3 - 3*x**2 + 2*x + 1", "x")
    >>> str(slope), slope(x=2.0)
    ('3*x**2 - 6*x + 2', 2.0)
    """

    term: Term
    """The formula, on symbols."""
    forward: Term
    """What was differentiated."""
    wrt: Term
    """The symbol it was differentiated in."""
    order: int
    layout: str
    laws: tuple[str, ...]
    """The laws of the simplification, in order."""
    values: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def tree(self) -> Tree:
        return tree_of_term(self.term, self.letters)

    @cached_property
    def letters(self) -> dict[Term, Tree]:
        """The symbols of all that is unknown, so that no two names look alike in any part of it."""
        return own_names(self.forward, self.term)

    @cached_property
    def text(self) -> str:
        """The formula as it is typed; NumPy runs it."""
        return plain(self.tree)

    @cached_property
    def latex(self) -> str:
        """The formula in LaTeX; vectors are columns."""
        return latex(self.tree)

    @cached_property
    def operations(self) -> Operations:
        return operations(self.term)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The rule of every operation that was differentiated, in backward order, then the laws that simplified."""
        found = [self.step(node) for node in self.path if has_rule(node)]
        return (*found, *[Step("simplification", None, (), law) for law in self.laws])

    @cached_property
    def path(self) -> dict[Term, None]:
        """What lies between the symbol and the result, both included, from the result back."""
        return dict.fromkeys(between([self.wrt], [self.forward]))

    def step(self, node: Term) -> Step:
        return step_at(node, self.path, self.letters)

    def __call__(self, **values: Any) -> Any:
        """The derivative at these values: a float or an array."""
        given = {**self.values, **{name: numbers_in(name, x) for name, x in values.items()}}
        symbols = {term.label: term for term in symbols_in(self.forward, self.term)}
        for name, term in symbols.items():
            if name not in given:
                raise GraphError(f"{name} has no value: write {name}=… with shape {term.shape}")
            if np.shape(given[name]) != term.shape:
                raise ShapeError(f"{name} has shape {term.shape} here, and its value {np.shape(given[name])}")
        at = {term: np.asarray(given[name]) for name, term in symbols.items()}
        found = replay([self.term], at)[0]
        return float(found) if not self.term.shape else np.asarray(found)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<derivative in {self.wrt.label}: {self.text}>"

    def _repr_latex_(self) -> str:
        return f"${self.latex}$"


def derivative(
    expression: str | Term | Callable[..., Any],
    wrt: str | Term,
    *,
    shapes: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    order: int = 1,
    layout: str = "gradient",
) -> Derivative:
    """The derivative of a formula as a formula, made short, and compared with the engine and with differences.

    `expression` is text as `parse` reads it, a term, or a function of named arguments. Names without a shape in
    `shapes` or a value in `values` are numbers. A number's derivative has the shape of `wrt`, or with
    ``layout="numerator"`` that of its transpose (a row for a vector). That of an array in a number has the array's
    shape, that of a vector in a vector is the Jacobian, a row for each entry of the output. ``order=2`` gives a
    number's second derivative, or its Hessian in a vector.

    Raises FormulaError for text that cannot be read, and GraphError where no closed form is known. Costs O(nodes), and
    more for the sums and products that it rearranges. Source: Magnus and Neudecker, Matrix Differential Calculus, 2019.

    >>> from chainrule.derivation.symbolic.derivative import derivative
    >>> shapes = {"W": (3, 2), "x": (2,), "b": (3,), "y": (3,)}
    >>> str(derivative("sum((W @ x + b - y)**2)", "W", shapes=shapes))
    '2*outer(W @ x + b - y, x)'
    >>> str(derivative("x @ A @ x", "x", shapes={"A": (3, 3), "x": (3,)}, order=2))
    'A + A.T'
    """
    if layout not in LAYOUTS:
        raise GraphError(f"layout is 'gradient' or 'numerator', not {layout!r}")
    order = whole_number("order", order, 1)
    values = values_of(values)
    known = {name: tuple(np.shape(value)) for name, value in values.items()} | shapes_of(shapes)
    run, symbols = read(expression, known)
    variable = find(wrt, symbols)
    forward = run(symbols)
    if not isinstance(forward, Term):
        forward = constant(forward)
    form = in_closed_form(forward, variable, order)
    verify(run, symbols, variable, form.term, forward.shape, order, values)
    term = in_layout(form.term, forward, variable, order, layout)
    return Derivative(term, forward, variable, order, layout, form.laws, values)


def read(expression: Any, shapes: Mapping[str, Shape]) -> tuple[Callable[[Mapping[str, Any]], Any], dict[str, Term]]:
    """How to run what was given on values by name, and its symbols."""
    if isinstance(expression, str):
        parsed = read_assignments(expression)
        names = [*parsed.names, *[name for name in parsed.constants if name in shapes]]
        return parsed.run, {name: symbol(name, shapes.get(name, ())) for name in names}
    if isinstance(expression, Term):
        found = {term.label: term for term in symbols_in(expression)}
        return lambda values: replay([expression], {found[name]: values[name] for name in found})[0], found
    if not callable(expression):
        raise GraphError(f"derivative takes text, a term or a function, not {type(expression).__name__}")
    names = list(inspect.signature(expression).parameters)
    symbols = {name: symbol(name, shapes.get(name, ())) for name in names}
    return lambda values: expression(*[values[name] for name in names]), symbols


def find(wrt: Any, symbols: Mapping[str, Term]) -> Term:
    if isinstance(wrt, Term) and wrt in symbols.values():
        return wrt
    if isinstance(wrt, str) and wrt in symbols:
        return symbols[wrt]
    if not isinstance(wrt, str | Term):
        raise DtypeError(f"wrt is one name, such as 'x', and {wrt!r} is {what_is(wrt)}")
    name = wrt.label if isinstance(wrt, Term) else wrt
    raise GraphError(f"{name} does not occur in the formula; its names are {', '.join(symbols) or 'none'}")


def in_closed_form(forward: Term, variable: Term, order: int) -> Form:
    """The shortest form of the derivative that was found, with its symbols in the order that the formula has."""
    written = symbols_in_order(forward)
    if forward.shape and forward.size > 1 and not variable.shape:
        form = Form(forward, operations(forward), ())
        for _ in range(order):
            tangent = tangents_of([variable], [constant(1.0)], [form.term], record=True)[0]
            form = short(tangent, forward.shape, form.laws, written)
        return form
    if forward.size > 1:
        if order > 1 or forward.ndim != 1 or variable.ndim != 1:
            raise no_array_for(forward, variable, order)
        return jacobian_of(forward, variable, (), written)
    form = Form(forward, operations(forward), ())
    for k in range(order):
        if k and variable.shape:
            if k > 1 or variable.ndim != 1:
                raise no_array_for(forward, variable, order)
            return jacobian_of(form.term, variable, form.laws, written)
        one = constant(np.ones(form.term.shape))
        gradient = gradients_of([form.term], [one], [variable], record=True)[0]
        form = short(gradient, variable.shape, form.laws, written)
    return form


def no_array_for(forward: Term, variable: Term, order: int) -> GraphError:
    what = "hessian" if not forward.shape and order == 2 else "jacobian"
    return GraphError(
        f"the derivative of order {order} of shape {forward.shape} in {variable.label} of shape {variable.shape} is no "
        f"vector or matrix: take cr.{what}(f)(…) for its numbers, or the derivative of an entry or a sum"
    )


def short(x: Any, shape: Shape, laws: tuple[str, ...], written: tuple[str, ...]) -> Form:
    """The shortest form of a derivative; nothing at all is zeros."""
    if not isinstance(x, Term):
        x = constant(np.zeros(shape) if x is None else np.broadcast_to(x, shape))
    form = shortest(x, written)
    return Form(form.term, form.cost, tuple(dict.fromkeys((*laws, *form.laws))))


def jacobian_of(forward: Term, variable: Term, laws: tuple[str, ...], written: tuple[str, ...]) -> Form:
    """The Jacobian of a vector in a vector, read off its symbolic tangent."""
    moving = variable.alias()
    tangent = tangents_of([variable], [moving], [forward], record=True)[0]
    if tangent is None:
        return short(None, (forward.size, variable.size), laws, written)
    found: list[Form] = []
    for form in forms(tangent, written):
        try:
            matrix = matrix_of(form.term, moving)
        except GraphError:
            continue
        found.append(short(matrix, (forward.size, variable.size), (*laws, *form.laws), written))
    has_formula = any([not picks_by_table(form.term) for form in found])
    if not has_formula and (matrix := entry_by_entry(forward, variable)) is not None:
        return Form(matrix, operations(matrix), laws)
    if not found:
        raise GraphError(
            f"no closed form of the Jacobian in {variable.label} was found: take cr.jacobian(f)(…) for its numbers"
        )
    return min(found, key=price)


def picks_by_table(term: Any) -> bool:
    """Whether a formula has a table of places in it, which nobody reads."""
    picked = [x.settings["key"] for x in forward_order([term]) if x.op is not None and x.op.name == "index"]
    return any([np.ndim(part) > 1 for key in picked for part in (key if isinstance(key, tuple) else (key,))])


def entry_by_entry(forward: Term, variable: Term) -> Term | None:
    """The Jacobian of a vector in a vector with a formula for each entry; None where there are many, or one has none.

    So has what multiplies all entries but two, the rest of a product, a matrix of such products. None too where the
    formulas hang on the numbers, as those through the larger one of two things do.
    """
    if forward.size * variable.size > MOST_ENTRIES:
        return None
    found = {entries_at(forward, variable, np.random.default_rng(seed)) for seed in range(DRAWS)}
    return found.pop() if len(found) == 1 else None


def entries_at(forward: Term, variable: Term, draw: np.random.Generator) -> Term | None:
    """The formulas of a Jacobian's entries where the letters have numbers that were drawn."""
    letters = dict[Term, Term]()
    numbers = {x: draw.uniform(0.5, 1.5, x.shape) for x in symbols_in(forward)}

    def letter(x: Term, place: tuple[int, ...]) -> Term:
        # In the order of their names, places of many digits stand in the order of the places.
        own = symbol(f"{x.label}[{', '.join([f'{i:06}' for i in place])}]") if place else x
        letters[own] = book["index"](x, key=place[0] if len(place) == 1 else place) if place else x
        return own

    rows: list[list[Any]] = [[] for _ in range(forward.size)]
    try:
        for place in range(variable.size):
            moved = tangents_of([variable], [constant(one_hot(variable.shape, (place,)))], [forward], record=True)[0]
            entries = EntryFormulas(letter, numbers)
            for i, row in enumerate(rows):
                row.append(as_term(with_others(shortest(entries.at(moved, (i,))).term, letters)))
    except UNFIT:
        return None
    return book["stack"](*[book["stack"](*row, axis=0) for row in rows], axis=0)


def in_layout(term: Term, forward: Term, variable: Term, order: int, layout: str) -> Term:
    """A number's gradient as a row, or as the transpose of the matrix's shape, in numerator layout."""
    if layout == "gradient" or order > 1 or forward.shape or not variable.shape:
        return term
    return turned(term, forward)


def turned(term: Term, forward: Term) -> Term:
    """A vector as a row, a matrix transposed; symbols stand in the order of what was differentiated."""
    return term.reshape(shape=(1, term.size)) if term.ndim == 1 else shortest(term.T, symbols_in_order(forward)).term


def has_rule(node: Term) -> bool:
    """Whether a step is told of: another shape of the same entries is none."""
    return node.op is not None and node.op.name != "reshape"


def step_at(node: Term, path: Container[Term], letters: Mapping[Term, Tree]) -> Step:
    """What the rule of one operation says at its place; None where a formula is too long or the inputs are too many."""
    assert node.op is not None
    g = symbol("g", node.shape)
    letters = {**letters, g: Symbol("g", shape=node.shape)}
    shown: list[Tree | None] = []
    for i, x in node.edges:
        if x not in path:
            continue
        if len(shown) == MOST_INPUTS:
            shown.append(None)
            break
        local = handed_back_or_slope(node.op, i, g, node, node.inputs, node.settings)
        if isinstance(local, Term) and len(forward_order([local])) <= MOST_PARTS:
            local = shortest(local, symbols_in_order(node)).term
        shown.append(readable(local, letters))
    return Step(node.op.name, readable(node, letters), tuple(shown), node.op.intuition)

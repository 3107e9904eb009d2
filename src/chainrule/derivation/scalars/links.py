"""One entry's gradient as a product of named links, as plain data.

A link is the derivative of one number that every path passes in the one before it. Where the paths fan out between the
two, the link is the sum over them; each path is a product of links again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice, pairwise
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise, book
from chainrule.core.state import Quiet
from chainrule.core.term import name_of
from chainrule.derivation.checked import words_of
from chainrule.derivation.choices import chosen
from chainrule.derivation.computed import computed_by
from chainrule.derivation.equations import in_a_row
from chainrule.derivation.matrix.between import is_same_entries
from chainrule.derivation.notation import derivative
from chainrule.derivation.scalars.cancel import cancelled, simplified
from chainrule.derivation.scalars.graph import Edge, Node, NotReached, ScalarGraph
from chainrule.derivation.scalars.probabilities import Probabilities, SoftmaxLoss
from chainrule.derivation.scalars.slopes import FAR, Slopes, added, multiplied, nameless, product_of
from chainrule.derivation.tape.tape import Tape, where_defined
from chainrule.derivation.words import Words, listed, said
from chainrule.maths import Derivative, Number, Symbol, Tree, numeral, plain
from chainrule.maths.check import Undefined, inputs_of, lost_below
from chainrule.maths.numerals import FULL
from chainrule.maths.tree import COMPARISONS, Applied, Computed, all_parts, equation
from chainrule.maths.values import Values

MOST_STEPS = 8
"""Unnamed steps are made one link up to this many; between more of them each is a link of its own."""

MOST_TERMS = 3
"""A sum over more paths than this has no formula of its own."""

MOST_INNER = 2
"""Of cancellations that happen alike in many places so many are shown."""

MOST_HELD = 3
"""So many things that are held are named below a link; they tell it from the others well enough."""

NESTED = 2
"""How many fans within fans are followed, each along its largest path."""


@dataclass(frozen=True, slots=True)
class Link:
    """How fast `above` moves with `below`, as a number and where it is short as a formula."""

    above: Tree
    below: Tree
    value: float
    size: float = 0.0
    """What it would be if nothing cancelled: of a sum that cancels out, rounding is a small share of it."""
    formula: Tree | None = None
    held: tuple[Tree, ...] = ()
    """What it does not go through, where there is another path from `below` to `above`."""
    operation: str = ""
    """The rule between the two; several names, or empty, where many lie between them."""
    intuition: str = ""
    """The rule in one sentence."""
    why: Words = ""
    """Of a link that is 0, what makes it so."""
    steps: tuple[Link, ...] = ()
    """The unnamed steps that the link stands for, the nearest to the output first."""
    paths: tuple[Path, ...] = ()
    """Where it is a sum: the largest paths of it."""
    others: int = 0
    """How many paths are not listed."""
    rest: float = 0.0
    """What those add up to."""

    @property
    def name(self) -> Derivative:
        """The link in Leibniz's notation, ∂L/∂w."""
        return derivative(self.above, self.below, *self.held)


@dataclass(frozen=True, slots=True)
class Path:
    """One of several paths: the number that it leads through first, and its links, the nearest to the output first."""

    through: Tree
    links: tuple[Link, ...]
    value: float

    @property
    def size(self) -> float:
        """What it would contribute if nothing cancelled in its links."""
        return math.prod([link.size for link in self.links])


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Neighbouring links whose product is simpler than they are: what it is, and that as a number."""

    links: tuple[Link, ...]
    product: Tree
    """The formulas of the links, multiplied."""
    simpler: Tree
    value: float
    term: Any = field(repr=False, compare=False, default=None)


@dataclass(frozen=True, slots=True)
class Chain:
    """The gradient of `output` in `entry` as links from the output (first) to the entry (last)."""

    output: Tree
    value: float
    """The output."""
    entry: Tree
    gradient: float
    links: tuple[Link, ...]
    cancellations: tuple[Cancellation, ...]
    meanings: tuple[tuple[Tree, Words], ...] = ()
    """Letters that the user did not give, and what they stand for."""
    environment: dict[Tree, Any] = field(default_factory=dict[Tree, Any])
    """What the links, and letters that are of no node, stand for."""


def chain_of(graph: ScalarGraph, *, top: int = 5) -> Chain:
    """The links from the output to the entry; O(edges), and for each listed path O(edges of it).

    >>> import chainrule as cr
    >>> from chainrule.derivation.scalars.graph import ScalarGraph
    >>> from chainrule.derivation.scalars.links import chain_of
    >>> from chainrule.derivation.tape.tape import Tape
    >>> from chainrule.maths import unicode
    >>> w = cr.Value(2.0, label="w")
    >>> h = 3.0 * w
    >>> h.label = "h"
    >>> chain = chain_of(ScalarGraph(Tape(cr.square(h), [w]), w))
    >>> [(unicode(link.formula), link.value) for link in chain.links], chain.gradient
    ([('2h', 12.0), ('3', 3.0)], 36.0)
    """
    maker = Maker(graph, top)
    pairs = maker.named_pairs(graph.cuts())
    made = [maker.link(low, high, NESTED) for low, high in pairs]
    links = tuple([link for link, _ in made])
    return Chain(
        output=graph.symbol(graph.last),
        value=graph.value(graph.last),
        entry=graph.symbol(0),
        gradient=graph.gradients[0],
        links=links,
        cancellations=(*maker.cancellations(made), *maker.inner[:MOST_INNER]),
        meanings=tuple(maker.meanings.items()),
        environment=maker.environment,
    )


class Maker:
    """Makes links between entries, with the terms of their formulas beside them."""

    def __init__(self, graph: ScalarGraph, top: int, slopes: Slopes | None = None) -> None:
        self.graph = graph
        self.tape: Tape = graph.tape
        self.slopes = Slopes(graph) if slopes is None else slopes
        self.top = top
        self.opened = cache(partial(SoftmaxLoss, self.tape))
        """A cross-entropy with its probabilities, by its node."""
        self.inner: list[Cancellation] = []
        """What cancels within a link: on a path, between unnamed steps, inside a fused operation."""
        self.meanings: dict[Tree, Words] = {}
        """What the letters stand for that the user did not give."""
        self.environment: dict[Tree, Any] = {}
        """The numbers of links, and of letters that are of no node."""

    def named_pairs(self, cuts: Sequence[int]) -> list[tuple[int, int]]:
        """Neighbours among the entries that all paths pass, the nearest to the output first; unnamed ones left out.

        All that are steps are kept where none between the ends has a name, and in a stretch of unnamed ones that is too
        long.
        """
        named = [k for k in cuts if k in (cuts[0], cuts[-1]) or not nameless(self.tape, self.graph.entries[k].node)]
        stops = named
        if len(named) == 2:
            stops = [cuts[0], *[k for k in cuts[1:-1] if not self.passes_on(k)], cuts[-1]]
        pairs: list[tuple[int, int]] = []
        places = {k: i for i, k in enumerate(cuts)}
        for low, high in pairwise(stops):
            between = cuts[places[low] : places[high] + 1]
            if len(between) - 1 > MOST_STEPS:
                pairs += pairwise(between)
            else:
                pairs.append((low, high))
        return self.shortened(pairs[::-1])

    def passes_on(self, k: int) -> bool:
        """Whether an entry is no step from another: the same at another place, or a fixed distance from it."""
        node, edges = self.graph.entries[k].node, self.graph.arrivals[k]
        return self.is_moved(k) or (len(edges) == 1 and edges[0].slope == 1 and node.op.name in ("add", "sub"))

    def is_moved(self, k: int) -> bool:
        """Whether an entry is one of another array, in another shape or turned."""
        node = self.graph.entries[k].node
        return is_same_entries(node) or name_of(node) == "transpose"

    def shortened(self, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """A very long chain with its middle as one link."""
        shown = max(self.top, 1)
        if len(pairs) <= max(4 * shown, MOST_STEPS):
            return pairs
        return [*pairs[:shown], (pairs[-shown][1], pairs[shown][1]), *pairs[-shown:]]

    def link(self, low: int, high: int, depth: int, among: set[int] | None = None) -> tuple[Link, Any]:
        """The link between two entries, and the term of its formula or None."""
        edges = [e for e in self.graph.departures[low] if among is None or e.target in among]
        inner = self.graph.cuts(low, high, among)
        if all(e.target == high for e in edges):
            return self.direct(low, high, edges)
        if len(inner) > 2:
            return self.several(low, high, inner, depth, among)
        return self.fan(low, high, edges, depth, among)

    def direct(self, low: int, high: int, edges: Sequence[Edge]) -> tuple[Link, Any]:
        """A link that is one operation; its slopes add up where it reads the same entry more than once."""
        op = self.graph.entries[high].node.op
        term = added([self.slopes.of(e) for e in edges])
        if term is None and op is book["cross_entropy"]:
            with suppress(NotReached):  # A probability that has become 0 moves with nothing: the slope stands alone.
                return self.through_probabilities(low, high)
        term = self.shortest(term)
        link = self.written(low, high, sum([e.slope for e in edges]), term, self.beside(low, high, edges))
        why = self.why_zero(link, edges) if link.value == 0 else ""
        return replace(link, operation=op.name, intuition=op.intuition, why=why), term

    def shortest(self, term: Any) -> Any:
        """A term in its shortest form; as it is where that is for other numbers, as xˣ of x · xˣ⁻¹, which is 0 at 0."""
        short = simplified(term)
        return short if short is None or self.is_same_here(short, term) else term

    def is_same_here(self, short: Any, term: Any) -> bool:
        """Whether a shorter form has the number of a term: at a 0, or for the sign of one, a law may have another."""
        ours, own = self.slopes.number(short), self.slopes.number(term)
        return bool(np.isclose(ours, own, rtol=FAR, atol=FAR, equal_nan=True))

    def why_zero(self, link: Link, edges: Sequence[Edge]) -> Words:
        """What makes the slope of one operation 0: a branch, a factor, a flat piece, a tail that rounding made flat."""
        edge = edges[0]
        node, op = self.graph.entries[edge.target].node, self.graph.entries[edge.target].node.op
        known = not nameless(self.tape, self.graph.entries[edge.source].node)
        if op.selects and op.flat:
            return said("the branch with ", link.below, " was not taken") if known else "that branch was not taken"
        if op.name == "mul" and len(edges) == 1:
            factor = [] if link.formula is None else [" ", link.formula]
            zero = ", which is 0" if factor and not isinstance(link.formula, Number) else ""
            return said(link.below if known else "it", " is multiplied by", *factor, zero) if factor else ""
        if link.formula is not None and (small := too_small(link.formula, self.tape.environment)) is not None:
            return words_of(small)
        at, name = self.graph.value(edge.source), op.name.replace("_", " ")
        of_one = isinstance(op, Pointwise) and len(node.edges) == len(edges)
        if of_one and len(edges) > 1 and link.formula == Number("0"):
            return (
                said(link.above, " is the same for every ", link.below) if known else "that is the same for every one"
            )
        if of_one and (link.formula is None or isinstance(link.formula, Number) or compares(link.formula)):
            return said(f"{name} is flat at ", numeral(at))
        if of_one and len(node.inputs) == 1 and is_tail(op, node.settings, at):
            return said(f"{name} is saturated at ", numeral(at), ": its slope there is too small to be told from 0")
        if of_one and link.formula is not None and not math.isfinite(Values(self.tape.environment).of(link.formula)):
            return said(link.formula, " has no number here, and 0 stands for it by convention")
        if of_one and known and link.formula is not None:
            return said(link.formula, " is 0 at ", equation(link.below, numeral(at)))
        zero = next((x for x in factors_of(link.formula) if self.tape.environment.get(x) == 0), None)
        return "" if zero is None else said(equation(zero, 0))

    def through_probabilities(self, low: int, high: int) -> tuple[Link, Any]:
        """A cross-entropy's link in a logit, by way of the probabilities, whose slope cancels that of the logarithm."""
        node = self.graph.entries[high].node
        opened = self.opened(node)
        probabilities = Probabilities(opened, self.graph.entries[low].place)
        maker = Maker(probabilities.graph, self.top, probabilities.slopes)
        made = [maker.link(a, b, 1) for a, b in maker.named_pairs(probabilities.graph.cuts())]
        found = maker.cancellations(made)
        self.inner += found
        self.meanings[opened.letter] = said("the softmax of ", self.tape.symbols[opened.source], ": its probabilities")
        self.environment.update({**maker.environment, opened.letter: opened.node.data})
        term = found[0].term if found else product_of([step for _, step in made])
        term = self.slopes.adopted(term, probabilities.slopes, opened.owners)
        link = self.written(low, high, probabilities.graph.gradients[0], term)
        # The steps alone: what lies within them is of no graph that the reader knows.
        steps = tuple([replace(step, steps=(), paths=()) for step, _ in made])
        return replace(link, steps=steps, operation=node.op.name, intuition=node.op.intuition), term

    def beside(self, low: int, high: int, edges: Sequence[Edge]) -> tuple[Tree, ...]:
        """What else reads the lower entry and reaches the upper one: those edges leave it as it is."""
        taken = set(edges)
        if any([e.target == high and e not in taken for e in self.graph.departures[low]]):
            # The operation takes it in at other places too: the place tells the links apart.
            return (Number(str(edges[0].slot + 1)),)
        others = dict.fromkeys([e.target for e in self.graph.departures[low] if e not in taken and e.target < high])
        reaching = self.graph.reaching(low, high)
        return tuple([self.named(k) for k in islice(filter(reaching.__contains__, others), MOST_HELD)])

    def named(self, k: int) -> Tree:
        """The symbol of an entry; of one that the user has no name for, what it is made of is remembered."""
        node = self.graph.entries[k].node
        if nameless(self.tape, node):
            self.meanings[self.tape.symbols[node]] = made_of(self.tape, node)
        return self.graph.symbol(k)

    def several(self, low: int, high: int, cuts: Sequence[int], depth: int, among: set[int] | None) -> tuple[Link, Any]:
        """A link that stands for a few steps one after the other, or for a very long row of them."""
        value = self.graph.derivative(low, high)
        if len(cuts) - 1 > MOST_STEPS:
            return self.written(low, high, value, None), None
        pairs = list(pairwise(cuts))[::-1]
        made = [self.link(a, b, depth, among and {k for k in among if a <= k <= b}) for a, b in pairs]
        self.inner += self.cancellations(made)
        term = self.shortest(product_of([step for _, step in made]))
        link = replace(self.written(low, high, value, term), size=math.prod([step.size for step, _ in made]))
        moved = [self.is_moved(b) for _, b in pairs]
        steps = tuple([step for (step, _), same in zip(made, moved, strict=True) if not same or all(moved)])
        if len(steps) == 1:
            return replace(steps[0], above=link.above, below=link.below, held=(), formula=link.formula), term
        names = list(dict.fromkeys([step.operation for step in steps if step.operation]))
        return replace(link, steps=steps, operation=", ".join(names)), term

    def fan(self, low: int, high: int, edges: Sequence[Edge], depth: int, among: set[int] | None) -> tuple[Link, Any]:
        """A link that is a sum over paths."""
        found = self.graph.derivatives(low, high)
        written = self.graph.written_out(found, high)

        def made_of(edge: Edge) -> Tree:
            return self.graph.shared(edge, written(edge.target))

        carried = {e: computed_by(self.graph.carried(e, found[e.target]), partial(made_of, e)) for e in edges}
        order = sorted(range(len(edges)), key=lambda n: (-abs(carried[edges[n]]), edges[n].target, edges[n].slot))
        edges = [edges[n] for n in chosen(order, lambda earlier: len(earlier) == len(order))]
        values = [carried[e] for e in edges]
        listed = edges if len(edges) <= self.top + 1 else edges[: max(self.top, 1)]
        made = (
            [self.path(e, values[i], high, depth - (i > 0), among) for i, e in enumerate(listed)] if depth > 0 else []
        )
        term = None
        if len(made) == len(edges) <= MOST_TERMS:
            term = self.shortest(added([t for _, t in made]))
        rest = values[len(made) :] if made else []
        size = sum([path.size for path, _ in made] + [abs(x) for x in values[len(made) :]])
        link = self.written(low, high, computed_by(exact_sum(values), lambda: sum_of(values)), term, size=size)
        return replace(
            link,
            paths=tuple([path for path, _ in made]),
            others=len(rest),
            rest=computed_by(exact_sum(rest), lambda: sum_of(rest)),
        ), term

    def path(self, first: Edge, value: float, high: int, depth: int, among: set[int] | None) -> tuple[Path, Any]:
        """One path of a fan, by the link that leaves first, and what the path contributes."""
        through = first.target
        first_link, first_term = self.direct(first.source, through, [first])
        if through == high:
            return Path(first_link.above, (first_link,), value), first_term
        reached = self.graph.reachable(through, high) & (among or set(range(through, high + 1)))
        cuts = self.graph.cuts(through, high, reached)
        pairs = list(pairwise(cuts))[::-1]
        if len(pairs) > 2 * MOST_STEPS:
            made = [(self.written(through, high, self.graph.derivative(through, high), None), None)]
        else:
            made = [self.link(a, b, depth - 1, {k for k in reached if a <= k <= b}) for a, b in pairs]
        made.append((first_link, first_term))
        self.inner += self.cancellations(made)
        links = tuple([link for link, _ in made])
        return Path(self.graph.symbol(through), links, value), product_of([term for _, term in made])

    def written(
        self, low: int, high: int, value: float, term: Any, held: tuple[Tree, ...] = (), size: float = 0.0
    ) -> Link:
        size = max(size, abs(value))
        formula = self.formula(term, value, size)
        if formula is not None and not isinstance(value, Computed):
            value = computed_by(float(value), lambda: self.slopes.in_numbers(term))
        link = Link(self.named(high), self.named(low), value, size, formula, held)
        self.environment[link.name] = where_defined(link.value, self.graph.value(high))
        return link

    def formula(self, term: Any, value: float, size: float = 0.0) -> Tree | None:
        """A term as it is printed, where it is the engine's number, a sum of parts of this size."""
        return None if term is None or not self.slopes.agrees(term, value, size) else self.slopes.formula(term)

    def formula_of(self, edge: Edge) -> Tree | None:
        """The slope of an edge in letters, of which it is remembered what they stand for."""
        term = self.slopes.of(edge)
        if term is None:
            return self.direct(edge.source, edge.target, [edge])[0].formula
        for k in (edge.target, edge.source):
            self.named(k)
        return self.formula(self.shortest(term), edge.slope)

    def cancellations(self, made: Sequence[tuple[Link, Any]]) -> list[Cancellation]:
        """Neighbours of which one divides by what the other multiplies by, so that the product is shorter."""
        found: list[Cancellation] = []
        for (left, x), (right, y) in pairwise(made):
            term = None if x is None or y is None else cancelled(x, y)
            value = left.value * right.value
            if term is not None and self.is_same_here(term, multiplied(x, y)) and self.slopes.agrees(term, value):
                product, simpler = self.slopes.formula(multiplied(x, y)), self.slopes.formula(term)
                if product is not None and simpler is not None:
                    found.append(Cancellation((left, right), product, simpler, value, term))
        return found


NEARER = (0.5, 0.2, 0.1, 0.05, 0.01)
"""Shares of a number at which a function that is flat far out still has a slope."""


def is_tail(op: Pointwise, settings: dict[str, Any], at: float) -> bool:
    """Whether a function of one number has a slope nearer to 0, so that the slope 0 far out is rounding's."""

    def slope(x: float) -> float:
        with Quiet():
            return float(op.partial(0, op.compute([x], settings), [x], settings))

    return at != 0 and any([slope(at * share) for share in NEARER])


def too_small(formula: Tree, environment: Mapping[Tree, Any]) -> Undefined | None:
    """The innermost part of a formula that is too small a number, and none of the zeros of mathematics."""
    values = Values(environment)
    found = (lost_below(x, values) for x in all_parts(formula, inputs_of))
    return next((x for x in found if x is not None), None)


def factors_of(formula: Tree | None) -> Iterator[Symbol]:
    """The letters that make a formula 0 where they are 0."""
    if isinstance(formula, Symbol):
        yield formula
    elif isinstance(formula, Applied) and formula.name in ("mul", "neg", "div", "square"):
        for x in formula.inputs[: 1 if formula.name == "div" else None]:
            yield from factors_of(x)


def compares(formula: Tree) -> bool:
    """Whether a formula has one piece here and another there."""
    return any(isinstance(x, Applied) and x.name in COMPARISONS for x in all_parts(formula))


SHORT = 60
"""Characters of a formula that says what a letter stands for."""


def made_of(tape: Tape, node: Node) -> Words:
    """How a value without a name came to be, in words with mathematics."""
    formula = tape.formula(node)
    if isinstance(node.op, Pointwise) or len(plain(formula)) <= SHORT:
        return said(formula)
    return said(f"{node.op.name} of ", listed([said(tape.symbols[x]) for _, x in node.edges], " and "))


def sum_of(numbers: Sequence[float]) -> Tree:
    """Numbers added up, each with what it is computed from."""
    return in_a_row("add", [numeral(x, FULL) for x in numbers])


def exact_sum(values: Sequence[float]) -> float:
    """A sum that is rounded once; where it has no finite value, or not on the way, as the additions give it."""
    with suppress(OverflowError):
        if finite(values):
            return math.fsum(values)
    return sum(values)


def finite(values: Sequence[float]) -> bool:
    """Whether no number is nan or infinite, as an exact sum needs them."""
    return all([math.isfinite(x) for x in values])

"""Symbolic local derivatives of single entries, as terms over the letters that a reader knows.

Nothing here states a derivative: each is what its rule says, run on letters (rewrite/local.py), and every term is
worked out and compared with the engine's slope before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import add
from typing import Any

import numpy as np

from chainrule.core.differential import Differential
from chainrule.core.operation import Linear, Pointwise
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.core.term import Term, forward_order, replay, symbol, symbols_in
from chainrule.derivation.scalars.graph import Edge, Node, Place, ScalarGraph, placed
from chainrule.derivation.tape.tape import Tape, has_nan, without_casts
from chainrule.derivation.tape.ties import untied
from chainrule.errors import UNFIT, ChainruleError
from chainrule.maths import Tree, numeral
from chainrule.maths.check import rounding_of
from chainrule.maths.numerals import FULL
from chainrule.maths.of_terms import readable, tree_of_term
from chainrule.maths.values import Values
from chainrule.rewrite.entry_formulas import EntryFormulas, spots
from chainrule.rewrite.local import of_entry

EXACT = 1e-9
"""How far a formula may be from the engine's slope, relative to its parts: rounding of a few operations."""

FAR = 1e-4
"""What is so far off is another number, and no rounding."""

MOST_OPERATIONS = 12
"""What one entry of a result does with many others, as in a normalisation, says less than its number."""

DEEPEST = 3
"""So many unnamed steps are written out within a formula; more would make it longer than the steps."""


class Slopes:
    """The local derivatives of a graph of entries in symbols.

    With `named_alone`, values without a name of the user's are written out by their inputs, and not as v₁, v₂, …
    """

    def __init__(self, graph: ScalarGraph, *, named_alone: bool = True) -> None:
        self.entries = graph.entries
        graph.slopes = self
        self._depth = DEEPEST if named_alone else 0
        self.tape: Tape = graph.tape
        self._letters: dict[Term, tuple[Tree, float, Node, Place]] = {}
        """How each letter is printed, its number, and the entry that it is of."""
        self._wholes: dict[Node, Whole] = {}
        self._serial: dict[Node, int] = {}
        self._slopes: dict[Edge, Any] = {}

    def of(self, edge: Edge) -> Any:
        """The slope of an edge: a term or a number, or None where it has no short formula."""
        if edge not in self._slopes:
            self._slopes[edge] = self._agreed(edge)
        return self._slopes[edge]

    def _agreed(self, edge: Edge) -> Any:
        node, there = self.entries[edge.target]
        with Quiet():
            if isinstance(node.op, Pointwise):
                found = self._partial(node, there, edge.slot)
            elif isinstance(node.op, Linear | Differential):
                found = self.of_entry(node, edge.slot, self.entries[edge.source].place, there)
            else:
                found = None
            if found is None or not is_finite(found) or not self.agrees(found, edge.slope):
                return None
            return untied(found, {x: self._letters[x][1] for x in symbols_in(found)})

    def agrees(self, term: Any, slope: float, size: float = 0.0) -> bool:
        """Whether a term gives the engine's slope, and that it must where every part of it is finite.

        `size` is that of the parts which the engine added up, of which a term may have none left that cancel out.
        """
        ours = self.number(term)
        if np.isclose(ours, slope, rtol=EXACT, atol=EXACT, equal_nan=True):
            return True
        are_numbers = np.isfinite(ours) and np.isfinite(slope)
        is_far = are_numbers and not np.isclose(ours, slope, rtol=FAR, atol=FAR + EXACT * size)
        if is_far and not self.is_excused(term, slope - ours):
            raise ChainruleError(
                f"internal error, please report it: the slope {term!r} is {ours!r}, and the engine's {slope!r}"
            )
        return False

    def is_excused(self, term: Any, apart: float) -> bool:
        """Whether a term may be so far off by the rounding of its own steps, or is one of what is no number."""
        if any(map(has_nan, self.tape.numbers.values())):
            return True
        formula = self.formula(term)
        if formula is None:
            return False
        letters = {self._letters[x][0]: self._letters[x][1] for x in symbols_in(term)}
        with Quiet():
            return abs(apart) <= float(rounding_of(formula, Values(letters)))

    def number(self, term: Any) -> float:
        """What a term comes to with the numbers of this computation."""
        with Quiet():
            numbers = {x: self._letters[x][1] for x in symbols_in(term)}
            return float(replay([term], numbers)[0])

    def formula(self, term: Any) -> Tree | None:
        """A term as it is printed; None for none, for what is too long to be read, and where a number is infinite."""
        if term is None or not is_finite(term):
            return None
        return readable(term, {x: self._letters[x][0] for x in symbols_in(term)})

    def in_numbers(self, term: Any) -> Tree | None:
        """A term with the numbers of this computation in place of its letters; None for none, and for one letter."""
        if not isinstance(term, Term) or term.op is None:
            return None
        return tree_of_term(term, {x: numeral(self._letters[x][1], FULL) for x in symbols_in(term)})

    def letter(self, node: Node, place: Place, name: Tree | None = None) -> Term:
        """The letter of an entry, under its own name or another one."""
        serial = self._serial.setdefault(node, len(self._serial))
        found = symbol(f"{serial}{list(place)}")
        if found not in self._letters:
            number = self.tape.number_of(node)
            shown = self.tape.symbols[node] if name is None else name
            self._letters[found] = placed(shown, place), float(number[place] if place else number), node, place
        return found

    def expression(self, node: Node, place: Place, depth: int | None = None) -> Any:
        """The letter of an entry; without a name, how it is made from entries that have one."""
        depth = self._depth if depth is None else depth
        if not depth or not nameless(self.tape, node):
            return self.letter(node, place)
        if isinstance(node.op, Pointwise):
            return node.op(*self._inputs(node, place, depth - 1), **node.settings)
        slots = [slot for slot, _ in node.edges]
        if isinstance(node.op, Linear) and node.op.composition is None and len(slots) == len(node.inputs) == 1:
            row = self.tape.row(node, slots[0], place)
            here = spots(row != 0)
            if len(here) == 1 and row[here[0]] == 1:
                return self.expression(node.inputs[0], here[0], depth)
        return self.letter(node, place)

    def _inputs(self, node: Node, place: Place, depth: int | None = None) -> list[Any]:
        """The inputs of one entry of a pointwise operation: letters, and numbers for what has no name."""
        edges = dict(node.edges)
        numbers = self.tape.inputs(node)
        given: list[Any] = []
        for slot, x in enumerate(node.inputs):
            if slot in edges:
                given.append(self.expression(edges[slot], place, depth))
            elif isinstance(x, Tensor):
                given.append(self._datum(x, numbers[slot], before_repeating(place, x)))
            else:
                number = np.broadcast_to(numbers[slot], node.shape)[place]
                given.append(x if isinstance(x, int | float) else float(number))
        return given

    def input(self, x: Tensor, numbers: Any, place: Place) -> Any:
        """An entry of an input: what it is made of, or an entry of data."""
        return self.expression(x, place) if x in self.tape.numbers else self._datum(x, numbers, place)

    def _datum(self, x: Tensor, numbers: Any, place: Place) -> Any:
        """The letter of an entry of data that has a name, else its number."""
        return float(numbers[place]) if self.tape.own_name(x) is None else self.letter(x, place)

    def _partial(self, node: Node, place: Place, slot: int) -> Any:
        """A pointwise rule's partial, run on letters."""
        out = self.expression(node, place) if nameless(self.tape, node) else self.letter(node, place)
        partial = node.op.partial(slot, out, self._inputs(node, place), node.settings)
        return partial if isinstance(partial, Term) else float(partial)

    def of_entry(self, node: Tensor, slot: int, here: Place, there: Place) -> Any:
        """The derivative of one entry in another: what the rule hands back of a single 1, run on letters."""
        if self.tape.is_constant(node, slot):
            return float(self.tape.row(node, slot, there)[here])
        if node not in self._wholes:
            self._wholes[node] = Whole(self, node)
        whole = self._wholes[node]
        try:
            found = of_entry(node.op, slot, there, here, whole.out, whole.inputs, whole.settings, whole.formulas)
        except UNFIT:
            return None
        return found if size_of(found) <= MOST_OPERATIONS else None

    def adopted(self, term: Any, inner: Slopes, owners: Mapping[Node, tuple[Node, Tree | None]]) -> Any:
        """A term over the letters of another graph, over this one's instead; None where a letter has no owner.

        `owners` has what each node stands for here: a node of this graph, or a tensor outside it and its name.
        """
        exchanged: dict[Term, Any] = {}
        for x in symbols_in(term):
            *_, of, place = inner._letters[x]
            node, name = owners.get(of, (None, None))
            if node is None:
                return None
            if node in self.tape.numbers:
                exchanged[x] = self.expression(node, place)
            else:
                exchanged[x] = float(node.data[place]) if name is None else self.letter(node, place, name)
        return replay([term], exchanged)[0] if isinstance(term, Term) else term


class Whole:
    """An operation on arrays in letters: a symbol for each array, of which every entry has its own expression."""

    def __init__(self, slopes: Slopes, node: Tensor) -> None:
        tape = slopes.tape
        numbers = tape.inputs(node)
        self.settings = without_casts(node)
        self.out = symbol("out", node.shape)
        self.inputs = list(numbers)
        given = {self.out: tape.numbers[node]}
        self.formulas = EntryFormulas(lambda x, place: letters[x](place), given)
        letters: dict[Term, Callable[[Place], Any]] = {self.out: lambda place: slopes.letter(node, place)}
        for i, x in enumerate(node.inputs):
            if i not in node.op.flat and isinstance(x, Tensor):
                self.inputs[i] = letter = symbol(f"{i}", np.shape(numbers[i]))
                self.formulas.numbers[letter] = numbers[i]
                letters[letter] = partial(slopes.input, x, numbers[i])


def before_repeating(place: Place, x: Tensor) -> Place:
    """The place in data of an entry of what it is repeated to."""
    own = place[len(place) - x.ndim :] if x.ndim <= len(place) else place
    return tuple([0 if n == 1 else i for i, n in zip(own, x.shape, strict=True)])


def nameless(tape: Tape, node: Node) -> bool:
    """Whether a computed node goes by a number (v₁, v₂, …), since the user has no name for it."""
    return node.op is not None and node in tape.numbered


def is_finite(term: Any) -> bool:
    """Whether no number in it is infinite or undefined: such a formula says nothing."""
    steps = forward_order([term]) if isinstance(term, Term) else []
    given = [x for step in steps for x in (step.number, *(step.inputs if step.op else ()))] if steps else [term]
    return all([x is None or isinstance(x, Term) or bool(np.all(np.isfinite(x))) for x in given])


def size_of(term: Any) -> int:
    """How many operations a term writes down; a change of sign is none."""
    if not isinstance(term, Term):
        return 0
    return sum([x.op is not None and x.op.name != "neg" for x in forward_order([term])])


def multiplied(x: Any, y: Any) -> Any:
    """A product of terms and numbers without the factors 1."""
    for factor, other in ((x, y), (y, x)):
        if not isinstance(factor, Term) and factor == 1:
            return other
    # A number stands in front.
    return y * x if isinstance(x, Term) and not isinstance(y, Term) else x * y


def product_of(terms: Sequence[Any]) -> Any:
    """The product of several terms and numbers, or None where one is missing."""
    return None if any([x is None for x in terms]) else reduce(multiplied, terms, 1)


def added(terms: Sequence[Any]) -> Any:
    """The sum of several terms and numbers, 0 of none, or None where one is missing."""
    return None if any([x is None for x in terms]) else reduce(add, terms) if terms else 0.0

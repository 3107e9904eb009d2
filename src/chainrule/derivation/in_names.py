"""A computation in the names that its reader knows: what each named step is made of, and how its gradient comes about.

What has no name is written out by its inputs, so that a reader meets his own names alone. The gradient in a named step
is said in those of the named steps that use it: one link of the chain rule for each, whatever lies between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from chainrule.core.graph import gradients_of
from chainrule.core.operation import Pointwise
from chainrule.core.term import Term, constant, forward_order, name_of, symbol, with_others
from chainrule.custom import CustomRule
from chainrule.derivation.scalars.cancel import divisions
from chainrule.derivation.scalars.slopes import added, is_finite
from chainrule.derivation.tape.gates import parts_of
from chainrule.derivation.tape.marks import with_marks
from chainrule.derivation.tape.standardized import Standardized, standardized
from chainrule.derivation.tape.tape import MOST_WRITTEN, Tape
from chainrule.derivation.tape.ties import at_its_places, by_rank, unguarded, untied
from chainrule.derivation.words import Words, said
from chainrule.errors import UNFIT, GraphError
from chainrule.maths import Tree, numeral, plain
from chainrule.maths.of_terms import tree_of_term
from chainrule.maths.tree import has_letters
from chainrule.program import Kind, Lifted, Step, term_of
from chainrule.rewrite import operations, shortest
from chainrule.rewrite.algebra import build_product, product_of
from chainrule.rewrite.rewriting import Rewriting
from chainrule.rewrite.simplify import price

MOST_PARTS = 100
"""Steps between two names: a formula of more is not read, and takes long to simplify."""
MOST_OPERATIONS = 12
"""Operations of a gradient with all that arrives written out, from which shorter ones are looked for."""
MOST_SHARES = 12
"""Shares of a gradient that are each made short before they are added up."""
FARTHEST = 12
"""Gradients between the output and one that may be told without them: those farther back are shorter with them."""
MANY = 2
"""A gradient of more operations is told in as many others where these are shorter."""
REPEATING = ("broadcast_to", "reshape", "expand_dims", "squeeze")
"""Operations that leave one entry as it is."""
LONGEST = 60
"""Characters of what stands for a step without a name in a sentence."""

Node = Any


def in_names(tape: Tape, *, lent: bool = True, numbered: bool = False) -> InNames | None:
    """The computation in names; None where too many steps lie between two of them, or a large leaf has none.

    Without `lent` the letters that a book has for the parts of a net are no names; with `numbered` those of a page, as
    v₁, are names where a reader would stop: at what mixes entries, and at the argument of a function.
    """
    if numbered and len(tape.path) > MOST_PARTS:
        return None
    named = {x for x in tape.symbols if (lent or id(x) in tape.labels) and tape.own_name(x) is not None}
    if numbered:
        named |= {x for x in tape.numbered if (np.ndim(x.data) > 0 if x.op is None else mixes_entries(x.op))}
        named |= {x for node in tape.path if (x := argument(node)) in tape.numbered}
        gates = tape.gates.keys() & tape.numbered
        named = (named - (parts_of(gates) & tape.numbered)) | gates
    # Looked at before anything is lifted: a graph of many steps without names has no formula to show.
    if is_long(tape, named):
        return None
    lifted = tape.taken_apart if numbered else tape.lifted
    node_of = dict(zip(lifted.program.steps, lifted.nodes, strict=True))
    normal: dict[Step, Standardized] = {}
    for step in lifted.program.steps:
        how = standardized(step)
        if how is not None and not any([id(node_of[x]) in tape.labels for x in how.steps if isinstance(x, Step)]):
            normal[step] = how
            if numbered:
                inside = {node_of[x] for x in how.steps if isinstance(x, Step)}
                named = (named - inside) | {node_of[step], node_of[how.spread]}
    letters: dict[Step, Any] = {}
    for step, node in zip(lifted.program.steps, lifted.nodes, strict=True):
        if node in named:
            letters[step] = symbol(f"{step.place}", step.shape)
        elif step.op is None and is_large(node):
            return None
        elif step.op is None:
            letters[step] = constant(node.data) if step.shape else float(node.data)
    data = [x for x in lifted.program.leaves if x.kind is Kind.DATA and x.dtype.kind == "f" and x.size > 1]
    for step in data:
        # Classes y, and those that are not, 1 - y; a constant may be 1 less anything.
        node = lifted.nodes[step.place]
        if id(node) not in tape.labels and np.ptp(node.data):
            known = (x for x in data if id(lifted.nodes[x.place]) in tape.labels and x.shape == step.shape)
            of = next((x for x in known if np.array_equal(1 - lifted.nodes[x.place].data, node.data)), None)
            letters[step] = letters[step] if of is None else 1 - letters[of]
    return InNames(tape, lifted, letters, normal)


def is_long(tape: Tape, named: set[Node]) -> bool:
    """Whether more steps than a line has room for lie between the output and what has a name."""
    found: set[Node] = set()
    stack = [tape.output]
    while stack and len(found) <= MOST_PARTS:
        node = stack.pop()
        if node not in found and (node is tape.output or node not in named):
            found.add(node)
            stack.extend([x for _, x in node.edges])
    return len(found) > MOST_PARTS


def is_large(node: Node) -> bool:
    """Whether an array is too large to be written out in a formula."""
    return np.size(node.data) > MOST_WRITTEN


def mixes_entries(operation: Any) -> bool:
    """Whether an entry of its result is made from several: a product, a mean, a norm; and no copy, and no function."""
    return not isinstance(operation, Pointwise) and operation.name not in (*REPEATING, "transpose")


def argument(node: Node) -> Node:
    """What a function of one thing is taken of, if that was made of several; else None."""
    inside = [x for _, x in node.edges]
    is_function = isinstance(node.op, Pointwise) and len(inside) == 1
    return inside[0] if is_function and len(inside[0].edges) > 1 else None


def is_plain_quotient(term: Any) -> bool:
    """Whether a term is a quotient of numbers, or one whose sides have no letter in common, as that of shares has."""
    if name_of(term) != "div" or not term.shape:
        return name_of(term) == "div"
    above, below = [{x for x in forward_order([side]) if is_symbol(x)} for side in term.inputs]
    return above.isdisjoint(below)


def is_symbol(x: Any) -> bool:
    """Whether a letter is one, and no number."""
    return isinstance(x, Term) and x.op is None and x.number is None


def is_repeated_number(tree: Tree) -> bool:
    """Whether a formula is a number in all places of more axes than a page has, which is said better in numbers."""
    return tree.ndim > 2 and not has_letters(tree)


def with_exponential(term: Term, letter: Term, share: Any) -> Any:
    """A share in which a step that is so many times an exponential stands for that: a · (x − m) of a = c · e^(…)."""
    factors = product_of(term)
    power = next((x for x, exponent in factors.powers.items() if name_of(x) == "exp" and exponent == 1), None)
    if power is None or len(factors.powers) < 2 or not isinstance(share, Term) or power not in forward_order([share]):
        return share
    rest = product_of(term)
    rest.times(power, Fraction(-1))
    told = with_others(share, {power: letter / build_product(rest, term.shape, Rewriting())})
    forms = [shortest(x) for x in (share, told)]
    # What it would be divided by may be 0.
    is_shorter = price(forms[1]) < price(forms[0]) and divisions(forms[1].term) <= divisions(forms[0].term)
    return told if is_shorter else share


class InNames:
    """The named steps of a program as terms over each other, and their gradients."""

    def __init__(
        self,
        tape: Tape,
        lifted: Lifted,
        letters: dict[Step, Any],
        normal: Mapping[Step, Standardized],
        names: Mapping[Node, Tree] | None = None,
    ) -> None:
        self.tape = tape
        self.lifted = lifted
        self.letters = letters
        self.normal = normal
        """The steps that are normalisations."""
        self._short: dict[Node, Any] = {}
        self._whole: dict[Node, Any] = {}
        self.as_in_books: set[Node] = set()
        """The nodes whose gradients have their form from a book, and not from the rewriter."""
        self.shares: dict[Term, list[Any]] = {}
        """What the gradient in a letter adds up from, where it arrives from several steps."""
        self.gradient_of: dict[Term, Node] = {}
        """The nodes of the letters that stand for gradients."""
        names = tape.symbols if names is None else names
        self.trees: dict[Term, Tree] = {x: names[self.node(step)] for step, x in letters.items() if is_symbol(x)}
        self.numbers = {x: tape.number_of(self.node(step)) for step, x in letters.items() if is_symbol(x)}

    def node(self, step: Step) -> Node:
        return self.lifted.nodes[step.place]

    @cached_property
    def named(self) -> list[Step]:
        """The computed steps with a name, and the output, in the order of the forward."""
        found = [step for step in self.lifted.program.steps if step.op is not None and step in self.letters]
        output = self.lifted.program.output
        return found if output in found or output.op is None else [*found, output]

    def term(self, step: Step) -> Any:
        """A step down to what has a name; None where it has no formula."""
        own = self.letters.pop(step, None)
        try:
            found = unguarded(term_of(step, self.letters), self.numbers)
            # A backward pass of the user's own is not run on symbols.
            return None if any([isinstance(x.op, CustomRule) for x in forward_order([found])]) else found
        except UNFIT:
            return None
        finally:
            if own is not None:
                self.letters[step] = own

    def tree(self, term: Any) -> Tree | None:
        """A term as it is printed; None where it has too much in it to be read."""
        try:
            if term is None or not is_finite(term):
                return None
            self.trees.update(with_marks(self.tape, [x for x in forward_order([term]) if x not in self.trees]))
            return self.trees[term] if term in self.trees else tree_of_term(term, self.trees)
        except (GraphError, TypeError, KeyError):
            return None

    @cached_property
    def formulas(self) -> list[tuple[Node, Tree]]:
        """How each named step was computed."""
        found = [(self.node(step), self.tree(self.term(step))) for step in self.named]
        return [(node, formula) for node, formula in found if formula is not None]

    def written(self, node: Node) -> Tree | None:
        """A node by its name, or written out in those of what it was computed from; None where that is too long."""
        letter: Any = self.letters.get(self.lifted.step[node])
        return self.trees[letter] if is_symbol(letter) else self.written_out(node)

    def written_out(self, node: Node) -> Tree | None:
        """A node in the names of what it was computed from; None where that is too long."""
        found = self.tree(self.term(self.lifted.step[node]))
        return None if found is None or len(plain(found)) > LONGEST else found

    def normalised(self, node: Node) -> Words:
        """What was normalised to give a node, or the spread that it was divided by, in words; empty for any other."""
        step = self.lifted.step.get(node)
        for normal, how in self.normal.items():
            x, spread = [self.tree(self.letters.get(y)) for y in (how.x, how.spread)]
            if x is not None and spread is not None and step is normal:
                return said(x, f" less its mean{how.along}, over ", spread)
            if x is not None and step is how.spread:
                plus = (" plus ", numeral(how.eps)) if how.eps else ()
                return said("the root of the variance of ", x, how.along, *plus)
        return ""

    @property
    def longest(self) -> int:
        """Characters of the longest formula."""
        return max([len(plain(formula)) for _, formula in self.formulas], default=0)

    def gradient(self, node: Node) -> tuple[Tree, ...]:
        """The gradient in a node, in those of the steps that use it, and without these where that is shorter.

        Nothing where it has no formula.
        """
        total = self.short(node)
        formula = self.tree(total)
        if formula is None or is_repeated_number(formula):
            return ()
        whole = self.without_gradients(node) if self.arriving(total) else None
        closed = self.tree(whole)
        if closed is None or is_repeated_number(closed) or len(plain(closed)) >= len(plain(formula)):
            return (formula,)
        before, after = operations(total).count, operations(whole).count
        on_the_way = sum([operations(self.without_gradients(self.gradient_of[x])).count for x in self.arriving(total)])
        # What is half of all that it was made of has cancelled out: p − y of a cross-entropy's softmax.
        is_less = after < before or (after == before and before > MANY) or 2 * after <= before + on_the_way
        return (formula, closed) if is_less else (formula,)

    def short(self, node: Node) -> Any:
        """The gradient in a node as a term with few operations; None where it has none."""
        if node not in self._short:
            total = self.totals.get(node)
            found = total if total is None or node in self.as_in_books else self.shortened(node, total)
            for term, letter in self.called_by_the_book if found is not None else ():
                found = with_others(found, {term: letter})
            self._short[node] = found
        return self._short[node]

    def shortened(self, node: Node, total: Any) -> Any:
        """A sum of shares in its shortest form: made short as a whole, or each share before they are added."""
        shares = self.shares.get(self.letters[self.lifted.step[node]], [])
        found = [shortest(total)]
        if 0 < len(shares) <= MOST_SHARES:
            found.append(shortest(added([shortest(share).term for share in shares])))
        term = min(found, key=price).term
        told = at_its_places(by_rank(term, self.numbers), self.numbers)
        return term if told is term else shortest(told).term

    def arriving(self, term: Any) -> list[Term]:
        """The gradients that a term is made of."""
        return [x for x in forward_order([term]) if x in self.gradient_of] if isinstance(term, Term) else []

    def without_gradients(self, node: Node) -> Any:
        """The gradient in a node in the named steps alone; None where that is long."""
        if node not in self._whole:
            total = self.short(node) if node in self.nearest else None
            arriving = self.arriving(total)
            wholes = [self.without_gradients(self.gradient_of[x]) for x in arriving]
            if total is None or any([x is None for x in wholes]):
                self._whole[node] = None
                return None
            found = self.in_shares(shortest(with_others(total, dict(zip(arriving, wholes, strict=True)))).term)
            self._whole[node] = found if operations(found).count <= MOST_OPERATIONS else None
        return self._whole[node]

    def in_shares(self, term: Any) -> Any:
        """A term in which shares stand for what they are shares of: with p = a/s, a/s − y is p − y."""
        for share, part, whole in self.shares_of_a_whole:
            hidden = symbol(" whole", whole.shape)
            told = shortest(with_others(with_others(term, {whole: hidden}), {part: share * hidden}))
            kept = forward_order([told.term])
            if hidden not in kept and price(told) < price(shortest(term)):
                term = told.term
        return term

    @cached_property
    def shares_of_a_whole(self) -> list[tuple[Term, Term, Term]]:
        """Named quotients of a named step and what is made of it, which is divided by; with both."""
        found: list[tuple[Term, Term, Term]] = []
        for step in self.named:
            term, own = self.term(step), self.letters.get(step)
            if not is_symbol(own) or name_of(term) != "div" or is_plain_quotient(term):
                continue
            quotient: Any = shortest(term).term
            if name_of(quotient) == "div" and is_symbol(quotient.inputs[0]):
                part, whole = quotient.inputs
                found.append((own, part, whole.inputs[0] if name_of(whole) == "broadcast_to" else whole))  # type: ignore[arg-type]
        return found

    @cached_property
    def nearest(self) -> set[Node]:
        """The nodes with a gradient that are nearest to the output."""
        return set(islice(self.totals, FARTHEST))

    @cached_property
    def called_by_the_book(self) -> list[tuple[Term, Term]]:
        """Named steps that the book has under a name as well: 1/(1 + e⁻ᶻ) is σ(z) in derivatives, and here p."""
        found: list[tuple[Term, Term]] = []
        for step in self.named:
            term: Any = self.term(step)
            letter: Any = self.letters.get(step)
            if is_symbol(letter) and name_of(term) == "div":
                known = shortest(term).term
                found += [(known, letter)] if isinstance(known, Term) and name_of(known) != "div" else []
        return found

    @cached_property
    def totals(self) -> dict[Node, Any]:
        """The gradient in everything that has a name, as the shares add up, not yet made short; consumers first."""
        output = self.lifted.program.output
        held: dict[Term, Any] = {}
        on_the_way = {step: x for step, x in self.letters.items() if self.node(step) in self.tape.gradients}
        step_of = {x: step for step, x in on_the_way.items() if is_symbol(x)}
        found: dict[Node, Any] = {}
        for step in reversed(self.named):
            node, own = self.node(step), self.letters.get(step)
            if node not in self.tape.gradients or (is_symbol(own) and own not in held and step is not output):
                continue
            g = constant(np.ones(step.shape)) if step is output else self.settled(node, own, held, found)
            term = self.term(step)
            if term is None:
                # What enters it gets a share that has no formula.
                held.update(dict.fromkeys([x for x, other in step_of.items() if other.place < step.place]))
                continue
            how = self.normal.get(step) if is_symbol(own) else None
            if how is not None:
                term, spread = [self.letters[x] if x in self.letters else self.term(x) for x in (how.x, how.spread)]
                g = how.gradient(g, own, spread)
            moving = [x for x in forward_order([term]) if x in step_of]
            try:
                shares = gradients_of([term], [g], moving, record=True)
            except UNFIT:
                shares = [None] * len(moving)
            if own is not None and is_symbol(own) and not is_plain_quotient(term) and how is None:
                # 1 − a² in place of 1 − tanh(z)²; of a quotient a/b the slope in b is −a/b² for every reader.
                shares = [with_exponential(term, own, with_others(share, {term: own})) for share in shares]
            shares = [untied(share, self.numbers) for share in shares]
            for x, share in zip(moving, shares, strict=True):
                if how is not None and x not in held and operations(term).count == 0:
                    self.as_in_books.add(self.node(step_of[x]))
                else:
                    self.as_in_books.discard(self.node(step_of[x]))
                if x in held:
                    self.shares.setdefault(x, [held[x]]).append(share)
                held[x] = share if x not in held else None if held[x] is None or share is None else held[x] + share
        for x in held:
            self.settled(self.node(step_of[x]), x, held, found)
        return found

    def settled(self, node: Node, letter: Any, held: dict[Term, Any], found: dict[Node, Any]) -> Term:
        """Remember the gradient in a node, and give its letter."""
        found.setdefault(node, held.get(letter))
        # What arrives is the first factor: a space sorts before the places of names.
        own = symbol(f" gradient {len(self.trees)}", tuple(node.shape))
        self.trees[own] = self.tape.gradient(node)
        self.gradient_of[own] = node
        return own

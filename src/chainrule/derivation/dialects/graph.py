"""The graph dialect: one line a node in backward order, as in micrograd (Karpathy, 2020).

What a node is, what gradient arrives there, and what it hands back to each of its inputs: the local derivative times
what arrived. Where a node is used several times its gradients add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.core.tensor import Tensor
from chainrule.core.term import name_of
from chainrule.derivation.arrays import described, fits
from chainrule.derivation.equations import Show, cell, comes_out, given, is_residue, not_finite, proved
from chainrule.derivation.meaning import RESULTS, intuition_of_sign
from chainrule.derivation.notation import derivative
from chainrule.derivation.record import Block, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.scalars.graph import entry_symbol
from chainrule.derivation.tape.tape import Arrival, Tape, in_float64, size_of, where_defined
from chainrule.derivation.words import Words, listed, said
from chainrule.maths import Number, Tree
from chainrule.maths.tree import equation, made

MOST_NODES = 60
"""A longer path is summed up by operation, and only its largest gradients are told."""

MOST_GIVEN = 12

Node = Any


def applies(tape: Tape, request: Request) -> Words:
    """Every graph can be told node by node."""
    return ""


def tell(tape: Tape, request: Request) -> Explanation:
    """The forward, the backward with its accumulations, the log, and the gradients of the leaves."""
    teller = Teller(tape, request)
    long = len(tape.path) > MOST_NODES
    story = teller.summary() if long else [*teller.forward(), *teller.backward(), *teller.log()]
    shared = sum(1 for users in teller.uses.values() if len(users) > 1)
    blocks = (*story, *teller.leaves())
    return Explanation(blocks, counts={"nodes used several times": shared}, environment=teller.environment)


class Teller:
    """Writes the blocks of one story."""

    def __init__(self, tape: Tape, request: Request) -> None:
        self.tape = tape
        self.digits = request.digits
        self.top = request.top
        self.environment: dict[Tree, Any] = {}
        """The numbers of the local derivatives."""
        self.entry = None if request.entry is None else (request.wrt, request.entry)
        self.uses: dict[Node, list[Arrival]] = {}
        for arrival in tape.arrivals:
            self.uses.setdefault(arrival.node, []).append(arrival)

    def forward(self) -> list[Block]:
        """How every node was computed, in the order of the forward."""
        leaves = self.given()
        blocks: list[Block] = [Heading("Forward")]
        if leaves:
            more = ", …" if len(leaves) > MOST_GIVEN else ""
            named = listed([self.value(node).tree for node in leaves[:MOST_GIVEN]])
            blocks.append(Paragraph(said("Given: ", named, f"{more}.")))
        made = [node for node in reversed(self.tape.path) if node.op is not None]
        if any([node.shape for node in made]):
            return [*blocks, *[replace(self.value(node), note=intuition(node)) for node in made]]
        rows = tuple([(self.value(node), intuition(node)) for node in made])
        return [*blocks, Table(("node", "what the operation does"), rows)] if rows else blocks

    def given(self) -> list[Node]:
        """What the nodes on the way are made of and no gradient is told of, and the leaves."""
        on_path = set(self.tape.path)
        found: dict[Node, None] = {}
        for node in reversed(self.tape.path):
            if node.op is None:
                found[node] = None
            named = [x for x in node.inputs if isinstance(x, Value | Tensor) and x not in on_path]
            found.update(dict.fromkeys([x for x in named if isinstance(x, Value) or x.shape]))
        return list(found)

    def value(self, node: Node) -> Equation:
        """A node, how it was computed in symbols and in numbers, and its value."""
        tape = self.tape
        value = tape.numbers[node] if node in tape.numbers else in_float64(node)
        symbol = tape.symbols[node]
        operation = node.op if node in tape.gradients else None
        formula = () if operation is None else (tape.formula(node),)
        if not fits(value):
            return Equation((symbol, *formula), note=described(value))
        inputs = () if operation is None else tape.inputs(node)

        def numbers(show: Show) -> list[Tree]:
            return [made(node.op, [show(x) for x in inputs], node.settings, ())]

        small = operation is not None and not value.shape and not any([np.ndim(x) > 1 for x in inputs])
        return proved(
            (symbol, *formula), numbers if small and comes_out(numbers, value) else None, value, digits=self.digits
        )

    def backward(self) -> list[Block]:
        """Every node in backward order: what arrives, and what it hands to each input."""
        begin = self.tape.gradient(self.tape.output)
        self.environment[begin] = 1.0
        words = (
            "Each node waits until all of its consumers have reported; then it hands to each input its local "
            "derivative times the gradient that arrived. It begins with "
        )
        blocks: list[Block] = [
            Heading("Backward"),
            Paragraph(said(words, equation(begin, 1), ".")),
        ]
        rows: list[tuple[Words | Equation, ...]] = []
        for node in self.tape.path:
            for slot, x, share in self.tape.handed_by.get(node, []):
                if isinstance(node, Value) or not (np.ndim(share) or node.shape):
                    rows.append(self.scalar_row(node, slot, x, share))
                else:
                    blocks += self.rows_as_table(rows)
                    rows = []
                    blocks.append(self.array_line(node, slot, x, share))
        return [*blocks, *self.rows_as_table(rows), *self.accumulations()]

    def rows_as_table(self, rows: Sequence[tuple[Words | Equation, ...]]) -> list[Block]:
        return [Table(("node", "local derivative", "times what arrived", "goes to"), tuple(rows))] if rows else []

    def scalar_row(self, node: Node, slot: int, x: Node, share: Any) -> tuple[Words | Equation, ...]:
        tape, g = self.tape, float(self.tape.gradients[node])
        symbol, below = tape.symbols[node], tape.symbols[x]
        twice = len([i for i, other in node.edges if other is x]) > 1
        place = f" (input {slot + 1})" if twice else ""
        slope = float(tape.slope(node, slot)) if isinstance(node.op, Pointwise) else None
        if slope is None:
            arrow = Equation((self.tape.gradient(node),), note=f"by {node.op.name}")
            return said(symbol), arrow, cell([], None, share, digits=self.digits), said(below, place)
        local = local_equation(tape, node, slot, self.environment, self.digits)
        product = proved(
            (local.sides[0] * tape.gradient(node),), lambda show: [show.product([slope, g])], share, digits=self.digits
        )
        return said(symbol), local, product, said(below, place)

    def array_line(self, node: Node, slot: int, x: Node, share: Any) -> Equation:
        """One arrow between arrays: the adjoint in symbols, and in numbers where they fit on paper."""
        tape, g = self.tape, self.tape.gradient(node)
        formula = tape.contribution_formula(node, slot, g)
        # A share of a gradient has no symbol of its own.
        parts = [] if len(self.uses[x]) > 1 else [self.tape.gradient(x)]
        parts += [] if formula is None else [formula]
        note = said("from ", tape.symbols[node], f", by {node.op.name}")
        if len(self.uses[x]) > 1:
            note = said("to ", tape.symbols[x], " ", note)
        if not fits(share):
            return Equation(tuple(parts) or (self.tape.gradient(x),), note=said(note, ": ", described(share)))
        if not parts and not np.all(np.isfinite(share)):
            return Equation((self.tape.gradient(x),), note=said(note, ": ", not_finite(share)))

        def numbers(show: Show) -> list[Tree]:
            return [show.product([tape.slope(node, slot), tape.gradients[node]])]

        telling = isinstance(node.op, Pointwise) and formula is not None and formula not in (g, -g)
        is_written = telling and fits(tape.gradients[node]) and comes_out(numbers, share)
        return proved(parts, numbers if is_written else None, share, digits=self.digits, note=note)

    def accumulations(self) -> list[Block]:
        """The sums at nodes that are used several times."""
        lines: list[Block] = []
        for node in self.tape.path:
            arrivals = self.uses.get(node, [])
            if len(arrivals) > 1 and fits(arrivals[-1].total):
                lines.append(self.accumulation(node, arrivals))
        if not lines:
            return []
        return [
            Paragraph("A node that is used several times gets a gradient from each use, and they add up:"),
            *lines,
        ]

    def accumulation(self, node: Node, arrivals: Sequence[Arrival]) -> Equation:
        """0 plus what each use hands back; of many the largest, and the others as one number."""
        total = arrivals[-1].total
        shown, rest = list(arrivals), []
        if len(arrivals) > self.top + 1:
            shown = sorted(arrivals, key=lambda arrival: -size_of(arrival.contribution))[: self.top]
            kept = set(map(id, shown))
            rest = [arrival for arrival in arrivals if id(arrival) not in kept]
        shares = [arrival.contribution for arrival in shown]
        if rest:
            shares.append(np.sum([arrival.contribution for arrival in rest], axis=0))
        sources = listed([said(self.tape.symbols[arrival.source]) for arrival in shown])
        others = f"; the other {len(rest):,} together" if rest else ""
        start = [] if np.ndim(total) else [0.0]
        return proved(
            (self.tape.gradient(node),),
            lambda show: [show.sum([*start, *shares])],
            total,
            digits=self.digits,
            note=said("from ", sources, others),
        )

    def log(self) -> list[Block]:
        """Every accumulation in the order in which it happens: what was there, what arrives, what is there then."""
        lines: list[Words | Equation] = []
        before: dict[Node, Any] = {}
        for arrival in self.tape.arrivals:
            if np.ndim(arrival.contribution) == 0:
                lines.append(self.log_line(arrival, before.get(arrival.node, 0.0)))
            before[arrival.node] = arrival.total
        return [Heading("The log"), Steps(tuple(lines), "each gradient starts at 0")] if lines else []

    def log_line(self, arrival: Arrival, before: Any) -> Equation:
        """One line of the log; a gradient that is not complete yet has no equals sign."""
        note = said("from ", self.tape.symbols[arrival.source])
        complete = arrival.total is self.uses[arrival.node][-1].total
        shown = proved(
            (self.tape.gradient(arrival.node),),
            lambda show: [show.sum([before, arrival.contribution])],
            arrival.total,
            digits=self.digits,
            note=note,
        )
        return (
            shown if complete or len(shown.sides) < 2 else replace(shown, signs=(":", *["="] * (len(shown.sides) - 2)))
        )

    def leaves(self) -> list[Block]:
        asked = self.tape.wrt or [node for node in self.tape.order if node.op is None]
        shown = asked
        if len(asked) > MOST_NODES:
            shown = sorted(asked, key=lambda x: -size_of(self.tape.gradients.get(x, 0.0)))[: self.top]
        rows = [(self.result(node), self.so(self.total(node))) for node in shown if node in self.tape.gradients]
        if self.entry is not None:
            rows.append(self.entry_row(*self.entry))
        left = len(asked) - len(shown)
        caption = f"the {len(shown)} with the largest gradients of {len(asked):,}" if left else ""
        return [Heading("Result"), Table(RESULTS, tuple(rows), caption)]

    def entry_row(self, node: Node, place: tuple[int, ...]) -> tuple[Equation, str]:
        value = self.tape.gradients[node][place]
        symbol = derivative(self.tape.symbols[self.tape.output], entry_symbol(self.tape, node, place))
        self.environment[symbol] = value
        return given(symbol, value, digits=self.digits), self.so(value)

    def so(self, gradient: Any) -> str:
        """What a gradient says to do; nothing, where the output has no value that a small change could keep."""
        return intuition_of_sign(where_defined(gradient, self.tape.numbers[self.tape.output]))

    def total(self, node: Node) -> Any:
        """A gradient; 0 where rounding alone is left of shares that cancel out."""
        gradient = self.tape.gradients[node]
        return 0.0 if np.ndim(gradient) == 0 and is_residue(gradient, self.largest_share(node)) else gradient

    def largest_share(self, node: Node) -> float:
        """The size of the largest share of a gradient that adds up of several."""
        shares = [arrival.contribution for arrival in self.uses.get(node, [])]
        return max(map(size_of, shares)) if len(shares) > 1 else 0.0

    def result(self, node: Node) -> Equation:
        value, largest = self.tape.gradients[node], self.largest_share(node)
        if fits(value):
            return given(self.tape.gradient(node), value, digits=self.digits, size=largest)
        return Equation((self.tape.gradient(node),), note=described(value))

    def summary(self) -> list[Block]:
        """A large graph: how many nodes of each operation, and the nodes with the largest gradients."""
        tape = self.tape
        kinds = Counter([name_of(node) or "leaf" for node in tape.path])
        counted = tuple([(name, f"{count:,}") for name, count in kinds.most_common()])
        inner = [node for node in tape.path if node.op is not None]
        largest = sorted(inner, key=lambda node: -size_of(tape.gradients[node]))[: self.top]
        rows = tuple([(self.value(node), self.result(node)) for node in largest])
        uses = sorted(self.uses.items(), key=lambda pair: -len(pair[1]))[: self.top]
        shared = [self.accumulation(x, found) for x, found in uses if len(found) > 1 and fits(found[-1].total)]
        return [
            Note(f"{len(tape.path):,} nodes are on the way: too many to tell of each, so here is a summary."),
            Table(("operation", "nodes"), counted),
            Heading("The largest gradients"),
            Table(("node", "gradient"), rows, f"of {len(inner):,} computed nodes"),
            *([Heading("The nodes with the most uses"), *shared] if shared else []),
        ]


def local_equation(tape: Tape, node: Node, slot: int, environment: dict[Tree, Any], digits: int) -> Equation:
    """A local derivative with its formula and its number, which the environment has from now on."""
    name, formula, slope = tape.local(node, slot), tape.slope_formula(node, slot), tape.slope(node, slot)
    environment[name] = where_defined(slope, tape.numbers[node])
    sides: list[Tree] = [name] if formula is None or isinstance(formula, Number) else [name, formula]
    if not fits(slope):
        return Equation(tuple(sides), note=described(slope))
    return proved(sides, None, slope, digits=digits)


def intuition(node: Node) -> str:
    """The rule's docstring: its first sentence."""
    return node.op.intuition or node.op.name

"""What if the backward pass were wrong: the well-known mistakes, run on the reader's own graph beside the right one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.derivation.arrays import described, fits
from chainrule.derivation.dialects.graph import local_equation
from chainrule.derivation.equations import Show, proved
from chainrule.derivation.explain import assembled
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.tape.resolve import resolve
from chainrule.derivation.tape.tape import Tape, require_one_number
from chainrule.derivation.words import Words, listed, said
from chainrule.derivation.wrong import mistakes
from chainrule.derivation.wrong.mistakes import Attempt, Event, differs
from chainrule.errors import GraphError
from chainrule.maths import Symbol, Tree, plain
from chainrule.maths.numerals import DIGITS

MOST_EVENTS = 40
"""Lines of a log."""

MOST_EDGES = 200
"""Edges that are tried one by one; of a larger graph one edge is asked for."""

Node = Any


def what_if(
    output: Any,
    mistake: str,
    wrt: Any = None,
    *,
    edge: tuple[Any, Any] | None = None,
    digits: int = DIGITS,
    top: int = 5,
) -> Derivation:
    """What a wrong backward pass gives on the graph of `output`, beside the right one, with every step on record.

    The mistakes: ``overwrite`` (= in place of +=, in both orders), ``order`` (nodes that do not wait for all of their
    consumers, and a recursion that counts twice), ``zero_grad`` (a second pass on the gradients of the first), and
    ``forgotten`` (a local derivative left out: on one `edge`, a pair of a node and its input, or on each in turn, with
    whether these numbers can show it); their names in docs/mistakes.md do as well. `wrt` chooses the nodes that are
    reported; all leaves without it.

    The wrong programs are run on stand-ins: `grad` of the user's nodes is not touched. O(edges) for each run.

    >>> import chainrule as cr
    >>> a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    >>> told = cr.what_if((a * b) * (a + b), "overwrite")
    >>> told.dialect, told.counts["wrong gradients"]
    ('what if', 4)
    """
    require_one_number(output)
    mistake = mistakes.key_of(mistake)
    known = mistakes.mistake_of(mistake)
    if edge is not None and mistake != "forgotten":
        raise GraphError(f"edge belongs to the mistake 'forgotten', and this is {mistake!r}")
    nodes, entry = resolve(output, wrt)
    tape = Tape(output)
    asked = list(nodes) or [x for x in tape.order if x.op is None]
    request = Request(nodes[0] if len(nodes) == 1 else None, entry, digits=digits, top=top)
    with Quiet():
        teller = Teller(tape, asked, request)
        story = teller.forgotten(edge) if mistake == "forgotten" else teller.attempted(known.attempts(tape))
        why = known.why
        if mistake == "overwrite" and not mistakes.used_several_times(tape, tape.order):
            why += " In this graph every node is used once, so the mistake cannot be seen."
        counts = {"wrong gradients": teller.wrong, "right by chance": teller.unseen}
        symbol = tape.symbols[output]
        title = said(f"{known.title}: the gradient of ", symbol, ", wrong and right")
        answer = Explanation((Paragraph(why), *story), counts=counts, environment=teller.environment)
        return assembled(tape, request, "what if", title, answer)


class Teller:
    """Writes the story of one mistake."""

    def __init__(self, tape: Tape, asked: Sequence[Node], request: Request) -> None:
        self.tape = tape
        self.wrt = [x for x in asked if x in tape.gradients]
        self.digits = request.digits
        self.show = Show(request.digits)
        self.environment: dict[Tree, Any] = {}
        """What a wrong program keeps in a variable is no one number."""
        self.wrong = 0
        self.unseen = 0

    def attempted(self, attempts: Sequence[Attempt]) -> list[Block]:
        """The right program, each wrong one with its log, and the gradients of all beside each other."""
        # Where shares overwrite one another, the log is of the nodes that get several.
        is_overwriting = attempts[0].code == mistakes.OVERWRITING
        watched = mistakes.used_several_times(self.tape, self.tape.order) if is_overwriting else self.tape.order
        blocks: list[Block] = [Heading("The right program", 3), Steps(mistakes.RIGHT)]
        code: tuple[str, ...] = ()
        for attempt in attempts:
            if attempt.code != code:
                code = attempt.code
                blocks += [Heading("The wrong program", 3), Steps(code)]
            blocks += self.log(attempt, set(watched))
        return [*blocks, *self.comparison(attempts)]

    def log(self, attempt: Attempt, watched: set[Node]) -> list[Block]:
        """What arrives where, and what is there then."""
        events = [event for event in attempt.events if event.node in watched]
        lines = [self.line(event) for event in events[:MOST_EVENTS] if not np.ndim(event.share)]
        if not lines:
            return []
        more = f"; {len(events) - MOST_EVENTS:,} more lines follow" if len(events) > MOST_EVENTS else ""
        return [Steps(tuple(lines), f"{attempt.name}{more}")]

    def line(self, event: Event) -> Equation:
        """One arrival; a share that replaces what was there stands alone."""
        added = not differs(event.before + event.share, event.after)
        lost = not added and event.before != 0
        gone = [", and ", self.show(event.before), " is lost"] if lost else []
        return proved(
            (self.kept(event.node),),
            (lambda show: [show.sum([event.before, event.share])]) if added else None,
            event.after,
            digits=self.digits,
            note=said("from ", self.tape.symbols[event.source], *gone),
        )

    def kept(self, node: Node) -> Symbol:
        """The variable in which a program keeps a gradient, right or wrong."""
        found = Symbol(f"{plain(self.tape.symbols[node])}.grad")
        self.environment[found] = None
        return found

    def comparison(self, attempts: Sequence[Attempt]) -> list[Block]:
        done = [attempt for attempt in attempts if attempt.finished]
        rows = [
            (said(self.kept(x)), *[self.cell(x, g) for g in (self.tape.gradients[x], *self.values(done, x))])
            for x in self.wrt[:MOST_EVENTS]
        ]
        for x in self.wrt:
            for value in self.values(done, x):
                self.count(differs(value, self.tape.gradients[x]))
        blocks: list[Block] = [
            Heading("Right and wrong"),
            Table(("gradient", "right", *[attempt.name for attempt in done]), tuple(rows)),
        ]
        blocks += [
            Note(f"{attempt.name}: stopped after {len(attempt.events):,} steps; it walks every path by itself", "wrong")
            for attempt in attempts
            if not attempt.finished
        ]
        return [*blocks, self.conclusion()]

    def values(self, attempts: Sequence[Attempt], x: Node) -> list[Any]:
        """What each attempt leaves in a node."""
        return [attempt.gradients.get(x, np.zeros(x.shape)[()]) for attempt in attempts]

    def cell(self, x: Node, value: Any) -> Words:
        """A gradient in a table; a wrong one is marked."""
        shown = self.show(value) if fits(value) else described(value)
        return said(shown, " ✗" if differs(value, self.tape.gradients[x]) else "")

    def count(self, seen: bool) -> None:
        self.wrong += seen
        self.unseen += not seen

    def conclusion(self) -> Note:
        """Whether these numbers show the mistake."""
        if not self.wrong:
            return Note("Every gradient comes out right: this graph cannot show the mistake.", "warning")
        right = f"; {self.unseen} right by chance" if self.unseen else ""
        return Note(f"Wrong gradients: {self.wrong} of {self.wrong + self.unseen}{right}.", "wrong")

    def forgotten(self, edge: tuple[Any, Any] | None) -> list[Block]:
        """A local derivative left out, on one edge or on each in turn."""
        edges = self.edges(edge)
        rows: list[tuple[Words | Equation, ...]] = []
        for node, slot, _ in edges:
            attempt = mistakes.forgetting(self.tape, (node, slot))
            wrong = [w for w in self.wrt if differs(attempt.gradients[w], self.tape.gradients[w])]
            self.count(bool(wrong))
            factor = local_equation(self.tape, node, slot, self.environment, self.digits)
            rows.append((factor, *self.effect(attempt, wrong)))
        rows += [] if edge is not None else self.hidden_pairs(edges)
        table = Table(("forgotten", "gives", "so"), tuple(rows))
        found = "Each of them can be seen."
        hidden = Note(f"Forgotten factors that change nothing here: {self.unseen} of {len(edges)}.", "warning")
        program = [Heading("The wrong program", 3), Steps(mistakes.FORGETTING)]
        return [*program, table, hidden if self.unseen else Note(found)]

    def hidden_pairs(self, edges: Sequence[tuple[Node, int, Node]]) -> list[tuple[Words | Equation, ...]]:
        """Two factors in a row whose product is 1 though neither is: whoever takes them for one link may forget it."""
        rows: list[tuple[Words | Equation, ...]] = []
        for node, slot, x in edges:
            for inner, inner_slot, _ in edges:
                slopes = [self.tape.slope(node, slot), self.tape.slope(inner, inner_slot)] if inner is x else []
                if not slopes or any(map(np.ndim, slopes)) or x in self.wrt or len(self.tape.consumers[x]) > 1:
                    continue
                if slopes[0] != 1 and np.isclose(slopes[0] * slopes[1], 1.0, rtol=1e-12, atol=0.0):
                    both = self.tape.local(node, slot) * self.tape.local(inner, inner_slot)
                    product = proved(
                        [both], lambda show, slopes=slopes: [show.product(slopes)], 1.0, digits=self.digits
                    )
                    rows.append((product, "the same", "both at once cannot be seen with these numbers"))
        return rows

    def edges(self, edge: tuple[Any, Any] | None) -> list[tuple[Node, int, Node]]:
        """The edges to try: with a factor that could be forgotten, or the one that was asked for."""
        found = [(node, slot, x) for node in self.tape.order[::-1] for slot, x in node.edges]
        if edge is None:
            # A factor on no way to what is asked for changes nothing there, whatever the numbers are.
            found = [one for one in found if any([self.tape.depends_on(one[2], w) for w in self.wrt])]
        if edge is not None:
            found = [(node, slot, x) for node, slot, x in found if node is edge[0] and x is edge[1]]
            if not found:
                raise GraphError("edge is a pair of a node and one of its inputs, such as edge=(yhat, h)")
        elif len(found) > MOST_EDGES:
            raise GraphError(
                f"this graph has {len(found):,} edges, too many to try each: name one with edge=(node, input)"
            )
        kept = [(node, slot, x) for node, slot, x in found if mistakes.can_be_forgotten(self.tape, node, slot)]
        if edge is not None and not kept:
            raise GraphError(f"{edge[0].op.name} has no factor of its own there that could be forgotten")
        return kept

    def effect(self, attempt: Attempt, wrong: Sequence[Node]) -> tuple[Words, str]:
        """What comes out, and whether the reader could notice."""
        if not wrong:
            return "the same", "cannot be seen with these numbers"
        effects: list[Words] = []
        for x in wrong[:MOST_WRONG]:
            ours, theirs = [self.cell(x, gradients[x]) for gradients in (attempt.gradients, self.tape.gradients)]
            effects.append(said(self.tape.gradient(x), ": ", ours, " in place of ", theirs))
        more = f", and {len(wrong) - MOST_WRONG} more" if len(wrong) > MOST_WRONG else ""
        return said(listed(effects), more), f"wrong gradients: {len(wrong)} of {len(self.wrt)}"


MOST_WRONG = 3
"""Wrong gradients that are named for each forgotten factor."""

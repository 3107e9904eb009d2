"""The forward, the backward, and wrong backward passes of a page, as functions that the code writer prints.

Each is the program run on stand-ins, with the walk of `what_if` behind it, so the page computes what the engine does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.codegen.as_javascript import javascript_source
from chainrule.codegen.identifiers import Names
from chainrule.codegen.laws import LAWS
from chainrule.codegen.simplified import reached, simplified
from chainrule.core.operation import Fused, Linear, Pointwise
from chainrule.derivation.wrong import mistakes
from chainrule.derivation.wrong.mistakes import Attempt
from chainrule.livepage.subject import Subject
from chainrule.maths import Number, Symbol
from chainrule.program import Program, Step, Trace
from chainrule.program.run import record, record_step
from chainrule.program.trace import traced_again
from chainrule.rewrite.entry_formulas import one_hot
from chainrule.rewrite.local import in_trees
from chainrule.rules.composed import softmax
from chainrule.verify.agreement import broadcasts

MOST_FORGOTTEN = 60
"""Edges up to which each has a switch that forgets its factor."""
MOST_IN_ROWS = 2_500
"""Entries of a Jacobian up to which a story may name them."""
MOST_NAIVE = 400
"""Shares after which a recursion that walks every path is not written out."""


def printed(f: Callable[..., Any], example: Sequence[Any], names: Sequence[str]) -> str:
    """A function of leaves in JavaScript, traced on an example: the function, and the names of its results in order."""
    source = javascript_source(shortened(f, example, names), "computed").partition("\nif (typeof module")[0]
    return f"(() => {{\n{source}\nreturn {{ run: computed, results }};\n}})()"


def shortened(f: Callable[..., Any], example: Sequence[Any], names: Sequence[str]) -> Trace:
    """A function of leaves as `compile` writes it out, without what runs that here."""

    def computed(leaves: Any) -> Any:
        return f(list(leaves.values()))

    return simplified(traced_again(computed, dict(zip(names, example, strict=True))), LAWS)[0]


class Recorded:
    """A program on stand-ins, as the walks of `what_if` take a graph: its order, and what an edge hands back.

    `forgotten` has for each edge 1 where its factor is left out, and 0 elsewhere.
    """

    def __init__(self, program: Program, numbers: Sequence[Any], forgotten: Mapping[int, Any] | None = None) -> None:
        self.output = program.output
        self.order = list(program.steps)
        self.numbers = numbers
        self.edges = edges_of(program)
        self.forgotten = forgotten or {}

    def number(self, step: Step) -> Any:
        return self.numbers[step.place]

    def share(self, step: Step, slot: int, g: Any) -> Any:
        """What an edge hands back, with its factor or, where that is forgotten, without."""
        assert step.op is not None
        if step.op.name == "astype":
            return g
        inputs, settings = step.given(self.number)
        share = self.pulled(step, slot, g, inputs, settings)
        forgotten = self.forgotten.get(self.edges[step, slot])
        if forgotten is None:
            return share
        if mistakes.factors_of(step.op, slot, len(inputs)) is None:
            without = cr.broadcast_to(g, step.inputs[slot].shape)
        else:
            without = self.pulled(step, slot, g, mistakes.without_factors(step.op, slot, inputs), settings)
        return cr.where(forgotten > 0.5, without, share)

    def pulled(self, step: Step, slot: int, g: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """The share of an input; of several operations in one, by the rules of what it is composed of."""
        assert step.op is not None
        if not isinstance(step.op, Fused):
            return step.op.pull(slot, g, self.number(step), inputs, settings)

        def moved(x: Any) -> Any:
            return step.op(*inputs[:slot], x, *inputs[slot + 1 :], **settings)  # type: ignore[misc]  # it has an operation

        return cr.vjp(moved, inputs[slot])[1](g)[0]

    def probabilities(self, step: Step) -> Any:
        """The softmax inside a cross-entropy that has one; None of any other step."""
        return softmax(self.number(step.inputs[0]), axis=-1) if step.operation == "cross_entropy" else None

    def rows(self, step: Step, slot: int) -> Any:
        """The Jacobian of an edge that has one of its own; None of any other."""
        if not has_rows(step, slot):
            return None
        rows = [self.share(step, slot, one_hot(step.shape, at)) for at in np.ndindex(step.shape)]
        return np.stack([np.reshape(row, step.inputs[slot].size) for row in rows])

    def local(self, step: Step, slot: int) -> Any:
        """The local derivative of an edge; None for an operation on arrays, whose Jacobian nobody stores."""
        if step.op is None:
            return None
        if not isinstance(step.op, Pointwise):
            x = step.inputs[slot]
            return self.share(step, slot, np.float64(1.0)) if not step.shape and not x.shape else None
        return step.op.partial(slot, self.number(step), step.given(self.number)[0], step.settings)


def edges_of(program: Program) -> dict[tuple[Step, int], int]:
    """A number for every edge: those of the last step first."""
    pairs = [(step, slot) for step in reversed(program.steps) for slot, _ in step.edges]
    return {pair: n for n, pair in enumerate(pairs)}


def can_be_forgotten(step: Step, slot: int) -> bool:
    """Whether an edge has a factor that is not 1 whatever the numbers are, and a gradient that can pass without it."""
    assert step.op is not None
    if isinstance(step.op, Pointwise):
        letters = [Symbol(f"x{i}") if isinstance(x, Step) else x for i, x in enumerate(step.inputs)]
        return in_trees(step.op, slot, Symbol("out"), letters, step.settings) != Number("1")
    factors = mistakes.factors_of(step.op, slot, len(step.inputs))
    return broadcasts(step.shape, step.inputs[slot].shape) if factors is None else bool(factors)


def has_rows(step: Step, slot: int) -> bool:
    """Whether an edge is neither entry by entry nor linear, and its Jacobian small enough to be looked at."""
    sizes = step.size, step.inputs[slot].size
    if step.op is None or isinstance(step.op, Pointwise) or min(sizes) == 1 or sizes[0] * sizes[1] > MOST_IN_ROWS:
        return False
    if not isinstance(step.op, Linear):
        return True
    # Several operations in one are linear in what their adjoint does not read.
    of_result, of_inputs = step.op.reads(slot, len(step.inputs))
    return isinstance(step.op, Fused) and (of_result or slot in of_inputs)


@dataclass(frozen=True)
class Pass:
    """A backward pass that the page can be switched to."""

    kind: str
    says: str
    run: Callable[[Any], Attempt]
    forgets: tuple[int, ...] = ()
    """The edges of which one factor is left out."""


def right(graph: Any) -> Attempt:
    """The pass as it should be: every step after all that use it."""
    return mistakes.sweep(graph, reversed(graph.order))


def passes_of(subject: Subject) -> list[Pass]:
    """The right pass, and the wrong ones that fit a program of this size."""
    shared = any([len(uses) > 1 for uses in subject.program.consumers])
    found = [
        Pass("right", "as it should be", right),
        *(passes_of_shared(subject.program) if shared else []),
        Pass("zero_grad", "twice without zero_grad, leaves keep theirs", lambda g: mistakes.not_zeroed(g)[0]),
        Pass("zero_grad", "twice without zero_grad, every node keeps its own", lambda g: mistakes.not_zeroed(g)[1]),
    ]
    edges = edges_of(subject.program)
    forgets = tuple([n for edge, n in edges.items() if can_be_forgotten(*edge)]) if len(edges) <= MOST_FORGOTTEN else ()
    if forgets:
        found.append(Pass("forgotten", "a local derivative left out", right, forgets))
    return found


def passes_of_shared(program: Program) -> Iterator[Pass]:
    """What goes wrong where a value is used more than once."""
    graph: Any = Recorded(program, ())
    for n, (told, _) in enumerate(mistakes.orders(graph)):
        yield Pass("overwrite", f"= in place of +=, {told}", lambda g, n=n: mistakes.overwriting(g)[n])
    for back, way in ((False, "order"), (True, "reverse")):
        says = f"hands on too early, inputs in {way}"
        yield Pass("order", says, lambda g, back=back: mistakes.depth_first(g, back))
    if ways_in(program) <= MOST_NAIVE:
        yield Pass("order", "hands on whatever arrives, again", lambda g: mistakes.naive_recursion(g, False))


def ways_in(program: Program) -> int:
    """How many edges a recursion along every path crosses."""
    count: dict[Step, int] = {}
    for step in program.steps:
        count[step] = sum([1 + count[x] for _, x in step.edges])
    return count[program.output]


def identifiers(subject: Subject) -> dict[Step, str]:
    """What each step is called in written source: like its own name, of letters, digits and underscores alone."""
    names = Names(["cr", "np", "book", "forgotten", "counted", "handed"])
    return {
        step: names.new(re.sub(r"\W+", "_", subject.names[step]).strip("_") or "x") for step in subject.program.steps
    }


def leaf_names(subject: Subject) -> list[str]:
    names = identifiers(subject)
    return [names[step] for step in subject.program.leaves]


def all_names(subject: Subject) -> list[str]:
    """The names of the steps in source, by place."""
    return list(identifiers(subject).values())


@dataclass(frozen=True)
class PrintedPass:
    """A pass in JavaScript, and what goes with it."""

    source: str
    keys: list[Any]
    """What each of its results is: a kind, and a number."""
    arrivals: list[tuple[int, int]]
    """From which step to which, in order."""
    code: list[str]
    """The lines of the backward pass as a learner has them."""


def print_pass(subject: Subject, which: Pass) -> PrintedPass:
    """A pass as JavaScript; it gives gradients and arrivals, the right one values and local derivatives too."""
    program, names = subject.program, all_names(subject)
    arrivals: list[tuple[int, int]] = []
    keys: list[Any] = []
    code: list[str] = []

    def computed(leaves: list[Any]) -> list[Any]:
        own, forgotten = (leaves[:-1], leaves[-1]) if which.forgets else (leaves, ())
        numbers = record(program, own, names)
        graph = Recorded(program, numbers, {edge: forgotten[i] for i, edge in enumerate(which.forgets)})
        attempt = which.run(graph)
        keys.clear()
        forgetting = mistakes.FORGETTING if subject.is_scalar else mistakes.FORGETTING_AN_ARRAY
        code[:] = forgetting if which.forgets else attempt.code
        results: list[Any] = []
        if which.kind == "right":
            put(keys, results, "value", numbers)
            put(keys, results, "local", [graph.local(step, slot) for step, slot in graph.edges])
            put(keys, results, "softmax", list(map(graph.probabilities, program.steps)))
        put(keys, results, "gradient", [attempt.gradients.get(step) for step in program.steps])
        events = [event for event in attempt.events if event.node.requires_grad]
        arrivals[:] = [(event.source.place, event.node.place) for event in events]
        put(keys, results, "share", [event.share for event in events])
        put(keys, results, "total", [event.after for event in events])
        return results

    example: list[Any] = list(subject.leaves)
    given = leaf_names(subject)
    if which.forgets:
        example.append(np.zeros(len(which.forgets)))
        given.append("forgotten")
    return PrintedPass(printed(computed, example, given), keys, arrivals, code)


def put(keys: list[Any], results: list[Any], kind: str, found: Sequence[Any]) -> None:
    """Add results of a kind, each with its number; None is left out."""
    for n, x in enumerate(found):
        if x is not None:
            keys.append([kind, n])
            results.append(x)


def print_loss(subject: Subject) -> str:
    program, names = subject.program, all_names(subject)
    return printed(
        lambda leaves: [record(program, leaves, names)[program.output.place]], subject.leaves, leaf_names(subject)
    )


def print_rows(subject: Subject) -> dict[int, str]:
    """For each edge that has rows, what it hands back of a gradient that is the last argument: of one entry a row."""
    program, names = subject.program, all_names(subject)

    def of(step: Step, slot: int) -> str:
        def handed_back(given: list[Any]) -> list[Any]:
            *leaves, g = given
            return [Recorded(program, record(program, leaves, names)).share(step, slot, g)]

        return printed(handed_back, [*subject.leaves, np.ones(step.shape)], [*leaf_names(subject), "handed"])

    return {n: of(step, slot) for (step, slot), n in edges_of(program).items() if has_rows(step, slot)}


GRID = 36
"""Places on the plane along each side at which a net is asked."""


def print_says(subject: Subject) -> tuple[str, list[int]] | None:
    """What a net says on a grid of places, which stands for the points; beside it the leaves that it takes."""
    points = subject.points
    if points is None:
        return None
    program, names = subject.program, all_names(subject)
    score = program.steps[points.score]
    needed = reached([score])
    leaves = [step for step in needed if step.op is None]
    grid = np.linspace(-1.0, 1.0, 2 * GRID * GRID).reshape(GRID * GRID, 2)
    held = dict(zip(program.leaves, subject.leaves, strict=True))
    example = [grid if step.place == points.x else held[step] for step in leaves]

    def says(given: list[Any]) -> list[Any]:
        found: dict[Step, Any] = dict(zip(leaves, given, strict=True))
        for step in needed:
            if step.op is not None:
                found[step] = record_step(step, found.__getitem__)
        return [found[score]]

    source = printed(says, example, [names[step.place] for step in leaves])
    return source, [program.leaves.index(step) for step in leaves]

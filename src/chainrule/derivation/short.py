"""The answer in a dozen lines: how the result was computed, its derivative, the chain with numbers, what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.term import Term, symbol
from chainrule.derivation.checked import checked
from chainrule.derivation.equations import Show, given, proved
from chainrule.derivation.notation import derivative
from chainrule.derivation.pitfalls import invariance, is_invariant
from chainrule.derivation.record import Block, Equation, Paragraph
from chainrule.derivation.request import Request
from chainrule.derivation.scalars.graph import entry_symbol
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import Words, said
from chainrule.errors import GraphError
from chainrule.maths import Tree, numeral, plain
from chainrule.maths.of_terms import tree_of_term
from chainrule.program import Lifted, Step, lift, term_of

MOST_STEPS = 4
"""Named steps of the forward that are shown."""
MOST_GRADIENTS = 5
"""Gradients that are listed where several were asked for."""
WRITTEN = 6
"""Entries of an array that is written out."""
MOST_PARTS = 100
"""Steps of one formula: each is at least two characters."""
LONGEST = 120
"""Characters of an equation that fits a line or two."""


def short_story(
    opened: Tape,
    request: Request,
    story: Sequence[Block],
    warnings: Sequence[Block],
    environment: Mapping[Tree, Any],
) -> tuple[Block, ...]:
    """The short answer, of which every equation is worked out; those of the story were. A number has warnings too."""
    blocks: list[Block] = [*checked([*forward(opened, request.digits)], opened.environment)]
    if request.wrt is None or (request.entry is None and np.ndim(opened.gradients[request.wrt])):
        blocks += checked(gradients(opened, request), opened.environment)
    else:
        product = next((x for x in story if isinstance(x, Equation) and len(x.sides) > 1), None)
        gradient = opened.gradients[request.wrt]
        entry = float(gradient if request.entry is None else gradient[request.entry])
        name = entry_symbol(opened, request.wrt, request.entry or ())
        own = given(derivative(opened.symbols[opened.output], name), entry, digits=request.digits)
        blocks += checked([own], environment) if product is None or length(product) > 2 * LONGEST else [product]
        blocks += warnings
        place = request.entry or ()
        if np.isfinite(entry) and is_invariant(opened, request.wrt, place):
            blocks.append(Paragraph(invariance(opened.symbols[opened.output], name, entry)))
        else:
            blocks.append(meaning(opened, name, entry, request.nudge))
    return tuple(blocks)


def forward(opened: Tape, digits: int) -> Iterator[Equation]:
    """How the steps with a name, and the output, were computed, in the names that the user gave."""
    # Looked at before anything is lifted: a graph of many steps without names has no formula to show.
    if any([node.op is None and id(node) not in opened.labels for node in opened.order]) or is_long(opened):
        return
    lifted = lift(opened.output)
    letters = letters_of(lifted, opened)
    if letters is None:
        return
    names: dict[Term, Tree] = {x: opened.symbols[lifted.nodes[step.place]] for step, x in letters.items()}
    named = [step for step in lifted.program.steps if step.op is not None and step in letters]
    if lifted.program.output not in named and lifted.program.output.op is not None:
        named.append(lifted.program.output)
    for step in named[-MOST_STEPS:]:
        node = lifted.nodes[step.place]
        formula = formula_of(step, letters, names)
        if formula is not None and len(plain(formula)) <= LONGEST:
            numbers, symbols = opened.numbers[node], (opened.symbols[node], formula)
            written = np.size(numbers) <= WRITTEN and np.ndim(numbers) < 3
            yield proved(symbols, None, numbers, digits=digits) if written else Equation(symbols)


def is_long(opened: Tape) -> bool:
    """Whether more steps than a line has room for lie between the output and what has a name."""
    found: set[Any] = set()
    stack = [opened.output]
    while stack and len(found) <= MOST_PARTS:
        node = stack.pop()
        if node not in found and (node is opened.output or id(node) not in opened.labels):
            found.add(node)
            stack.extend([x for _, x in node.edges])
    return len(found) > MOST_PARTS


def letters_of(lifted: Lifted, opened: Tape) -> dict[Step, Term] | None:
    """A letter for each leaf and each named step; None where a leaf has no name of the user's."""
    letters: dict[Step, Term] = {}
    for step, node in zip(lifted.program.steps, lifted.nodes, strict=True):
        label = opened.labels.get(id(node), "")
        if label:
            letters[step] = symbol(f"{step.place} {label}", step.shape)
        elif step.op is None:
            return None
    return letters


def formula_of(step: Step, letters: dict[Step, Term], names: dict[Term, Tree]) -> Tree | None:
    """The formula of a step down to what has a name; None where it has none that can be read."""
    try:
        term = term_of(step, {other: x for other, x in letters.items() if other is not step})
        return tree_of_term(term, names)
    except (GraphError, TypeError):
        return None


def length(part: Equation) -> int:
    """How many characters an equation has."""
    return sum([len(plain(side)) for side in part.sides])


def gradients(opened: Tape, request: Request) -> list[Block]:
    """The gradient in each of the nodes that were asked for: numbers, short arrays, or the length of a long one."""
    blocks: list[Block] = []
    for x in opened.wrt[:MOST_GRADIENTS] if request.wrt is None else [request.wrt]:
        gradient = opened.gradients[x]
        name = derivative(opened.symbols[opened.output], opened.symbols[x])
        if np.size(gradient) <= WRITTEN and np.ndim(gradient) < 3:
            blocks.append(given(name, gradient, digits=request.digits))
        else:
            blocks.append(Paragraph(described(name, np.asarray(gradient), request.digits)))
    left = len(opened.wrt) - MOST_GRADIENTS if request.wrt is None else 0
    if left > 0:
        blocks.append(Paragraph(f"and {left:,} more."))
    return blocks


def described(name: Tree, gradient: Any, digits: int) -> Words:
    """A long gradient in words: its shape, its length, and where it is largest."""
    show = Show(digits)
    where = np.unravel_index(int(np.argmax(np.abs(gradient))), gradient.shape)
    shape = " × ".join(map(str, gradient.shape))
    place = ", ".join(map(str, where))
    return said(
        name,
        f" has {shape} entries: as an arrow its length is ",
        show(np.linalg.norm(gradient)),
        f"; its largest entry, at [{place}], is ",
        show(gradient[where]),
        ".",
    )


def meaning(opened: Tape, name: Tree, gradient: float, nudge: float) -> Paragraph:
    """What one derivative says of a small step."""
    output = opened.symbols[opened.output]
    if not np.isfinite(opened.numbers[opened.output]):
        return Paragraph(said(output, " has no finite value here, and so no slope in ", name, "."))
    if not np.isfinite(gradient):
        return Paragraph(said(output, " has no finite slope in ", name, " here."))
    if gradient == 0:
        return Paragraph(said("To first order ", output, " does not move with ", name, " here."))
    verb = "raises" if gradient * nudge > 0 else "lowers"
    step = ("Raising ", name, f" by {nudge:g}") if nudge > 0 else ("Lowering ", name, f" by {-nudge:g}")
    return Paragraph(said(*step, f" {verb} ", output, " by about ", numeral(abs(gradient * nudge), 3), "."))

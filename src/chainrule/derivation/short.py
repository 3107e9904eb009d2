"""The answer in a dozen lines: how the result was computed, its derivative, the chain with numbers, what it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.labels import find_labels
from chainrule.core.term import Term, symbol
from chainrule.derivation.entries.entries import entry_symbol
from chainrule.derivation.notation import derivative
from chainrule.derivation.opened.opened import Opened
from chainrule.derivation.proof import Show
from chainrule.derivation.record import Block, Equation, Paragraph
from chainrule.derivation.request import Request
from chainrule.errors import GraphError
from chainrule.maths import latex
from chainrule.maths.names import symbols_for
from chainrule.maths.of_terms import tree_of_term
from chainrule.program import Lifted, Step, lift, term_of

MOST_STEPS = 4
"""Named steps of the forward that are shown."""
MOST_GRADIENTS = 5
"""Gradients that are listed where several were asked for."""
WRITTEN = 6
"""Entries of an array that is written out."""
LONGEST = 240
"""Characters of LaTeX of an equation that fits a line or two."""


def short_story(opened: Opened, request: Request, story: Sequence[Block]) -> tuple[Block, ...]:
    """The short answer; empty where the story is short itself."""
    blocks: list[Block] = [*forward(opened, request.digits)]
    if request.wrt is None or (request.entry is None and np.ndim(opened.gradients[request.wrt])):
        blocks += gradients(opened, request)
    else:
        product = next((x for x in story if isinstance(x, Equation) and len(set(x.parts)) > 1), None)
        gradient = opened.gradients[request.wrt]
        entry = float(gradient if request.entry is None else gradient[request.entry])
        name = entry_symbol(opened, request.wrt, request.entry or ())
        own = Equation((derivative(opened.symbols[opened.output], name), Show(request.digits)(entry)), 1)
        blocks.append(own if product is None or len(product.latex) > 2 * LONGEST else product)
        blocks.append(meaning(opened.symbols[opened.output], name, entry, request.nudge))
    return tuple(blocks)


def forward(opened: Opened, digits: int) -> Iterator[Equation]:
    """How the steps with a name, and the output, were computed, in the names that the user gave."""
    lifted = lift(opened.output)
    letters = letters_of(lifted, opened)
    if letters is None:
        return
    named = [step for step in lifted.program.steps if step.op is not None and step in letters]
    if lifted.program.output not in named and lifted.program.output.op is not None:
        named.append(lifted.program.output)
    for step in named[-MOST_STEPS:]:
        node = lifted.nodes[step.place]
        formula = formula_of(step, letters, lifted, opened)
        if formula and len(formula) <= LONGEST:
            numbers = opened.numbers[node]
            shown = [Show(digits)(numbers)] if np.size(numbers) <= WRITTEN and np.ndim(numbers) < 3 else []
            yield Equation((opened.symbols[node], formula, *shown), len(shown))


def letters_of(lifted: Lifted, opened: Opened) -> dict[Step, Term] | None:
    """A letter for each leaf and each named step; None where a leaf has no name of the user's."""
    labels = find_labels(lifted.nodes)
    letters: dict[Step, Term] = {}
    for step, node in zip(lifted.program.steps, lifted.nodes, strict=True):
        label = labels.get(id(node), "")
        if label:
            letters[step] = symbol(label, step.shape)
        elif step.op is None:
            return None
    return letters


def formula_of(step: Step, letters: dict[Step, Term], lifted: Lifted, opened: Opened) -> str:
    """The formula of a step down to what has a name; empty where its letters are not those of the page."""
    try:
        term = term_of(step, {other: term for other, term in letters.items() if other is not step})
        names = symbols_for({x.label: x.shape for x in letters.values()})
        for other, x in letters.items():
            node = lifted.nodes[other.place]
            if opened.symbols.get(node, latex(names[x.label])) != latex(names[x.label]):
                return ""
        return latex(tree_of_term(term, {x: names[x.label] for x in letters.values()}))
    except (GraphError, TypeError):
        return ""


def gradients(opened: Opened, request: Request) -> list[Block]:
    """The gradient in each of the nodes that were asked for: numbers, short arrays, or the length of a long one."""
    blocks: list[Block] = []
    for x in opened.wrt[:MOST_GRADIENTS] if request.wrt is None else [request.wrt]:
        gradient = opened.gradients[x]
        name = derivative(opened.symbols[opened.output], opened.symbols[x])
        if np.size(gradient) <= WRITTEN and np.ndim(gradient) < 3:
            blocks.append(Equation((name, Show(request.digits)(gradient)), 1))
        else:
            blocks.append(Paragraph(described(name, np.asarray(gradient), request.digits)))
    left = len(opened.wrt) - MOST_GRADIENTS if request.wrt is None else 0
    if left > 0:
        blocks.append(Paragraph(f"and {left:,} more."))
    return blocks


def described(name: str, gradient: Any, digits: int) -> str:
    """A long gradient in words: its shape, its length, and where it is largest."""
    show = Show(digits)
    where = np.unravel_index(int(np.argmax(np.abs(gradient))), gradient.shape)
    largest = f"its largest entry, at [{', '.join(map(str, where))}], is ${show(gradient[where])}$"
    shape = " × ".join(map(str, gradient.shape))
    return f"${name}$ has {shape} entries: as an arrow its length is ${show(np.linalg.norm(gradient))}$; {largest}."


def meaning(output: str, name: str, gradient: float, nudge: float) -> Paragraph:
    """What one derivative says of a small step."""
    if not np.isfinite(gradient):
        return Paragraph(f"${output}$ has no finite slope in ${name}$ here.")
    if gradient == 0:
        return Paragraph(f"To first order ${output}$ does not move with ${name}$ here.")
    verb = "raises" if gradient * nudge > 0 else "lowers"
    step = f"Raising ${name}$ by {nudge:g}" if nudge > 0 else f"Lowering ${name}$ by {-nudge:g}"
    return Paragraph(f"{step} {verb} ${output}$ by about ${Show(3)(abs(gradient * nudge))}$.")

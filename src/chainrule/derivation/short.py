"""The answer in a dozen lines: how the result was computed, its derivative, the chain with numbers, what it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.term import Term, symbol
from chainrule.derivation.entries.entries import entry_symbol
from chainrule.derivation.notation import derivative
from chainrule.derivation.opened.opened import Opened
from chainrule.derivation.proof import Show
from chainrule.derivation.record import Block, Equation, Paragraph
from chainrule.derivation.request import Request
from chainrule.errors import GraphError
from chainrule.maths import Symbol, Tree, latex
from chainrule.maths.names import symbols_for
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
    # Looked at before anything is lifted: a graph of many steps without names has no formula to show.
    if any([node.op is None and id(node) not in opened.labels for node in opened.order]) or is_long(opened):
        return
    lifted = lift(opened.output)
    letters = letters_of(lifted, opened)
    if letters is None:
        return
    symbols = symbols_for({x.label: x.shape for x in letters.values()})
    if not all([on_page(lifted.nodes[step.place], symbols[x.label], opened) for step, x in letters.items()]):
        return
    names: dict[Term, Tree] = {x: symbols[x.label] for x in letters.values()}
    named = [step for step in lifted.program.steps if step.op is not None and step in letters]
    if lifted.program.output not in named and lifted.program.output.op is not None:
        named.append(lifted.program.output)
    for step in named[-MOST_STEPS:]:
        node = lifted.nodes[step.place]
        formula = formula_of(step, letters, names)
        if formula and len(formula) <= LONGEST:
            numbers = opened.numbers[node]
            shown = [Show(digits)(numbers)] if np.size(numbers) <= WRITTEN and np.ndim(numbers) < 3 else []
            yield Equation((opened.symbols[node], formula, *shown), len(shown))


def is_long(opened: Opened) -> bool:
    """Whether more steps than a line has room for lie between the output and what has a name."""
    found: set[Any] = set()
    stack = [opened.output]
    while stack and len(found) <= MOST_PARTS:
        node = stack.pop()
        if node not in found and (node is opened.output or id(node) not in opened.labels):
            found.add(node)
            stack.extend([x for _, x in node.edges])
    return len(found) > MOST_PARTS


def letters_of(lifted: Lifted, opened: Opened) -> dict[Step, Term] | None:
    """A letter for each leaf and each named step; None where a leaf has no name of the user's."""
    letters: dict[Step, Term] = {}
    for step, node in zip(lifted.program.steps, lifted.nodes, strict=True):
        label = opened.labels.get(id(node), "")
        if label:
            letters[step] = symbol(label, step.shape)
        elif step.op is None:
            return None
    return letters


def on_page(node: Any, symbol: Symbol, opened: Opened) -> bool:
    """Whether the page writes a node as its own name is written; in a net a book's letter may stand there."""
    written = latex(symbol)
    return opened.symbols.get(node, written) == written


def formula_of(step: Step, letters: dict[Step, Term], names: dict[Term, Tree]) -> str:
    """The formula of a step down to what has a name; empty where it has none that can be read."""
    try:
        term = term_of(step, {other: x for other, x in letters.items() if other is not step})
        return latex(tree_of_term(term, names))
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

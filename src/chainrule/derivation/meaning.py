"""What a derivative means in words: what a small step does, where a gradient points, what is undefined, and kinks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.derivation.arrays import WRITTEN
from chainrule.derivation.checked import symbols_in, words_of
from chainrule.derivation.in_names import InNames
from chainrule.derivation.pitfalls import RESIDUE, invariance, is_invariant, is_left_over
from chainrule.derivation.record import Block, Convention, Heading, Paragraph
from chainrule.derivation.request import Request
from chainrule.derivation.scalars.graph import entry_symbol
from chainrule.derivation.scalars.paths import output_after
from chainrule.derivation.scalars.slopes import nameless
from chainrule.derivation.scalars.targets import gradient_of
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import Words, listed, pieces, said
from chainrule.maths import Tree, numeral
from chainrule.maths.check import undefined
from chainrule.maths.tree import made
from chainrule.maths.values import Values
from chainrule.rewrite.local import in_trees

MOST_ALONG = 4
"""Numbers of an arrow that is written out."""
ARROW_DIGITS = 3
"""Of a direction."""
RESULTS = ("gradient", "so")
"""The columns of a table of gradients and what each says to do."""
NUDGES = Heading("Nudges", 3)
"""What stands above what real nudges do."""
MOST_TRIED = 20_000
"""Steps of a computation that is run again to see how far its slope holds; without that it is said to first order."""


def meaning(tape: Tape, named: InNames | None, request: Request) -> list[Block]:
    """What the derivative says of a small step, in words."""
    output = tape.symbols[tape.output]
    if not np.isfinite(tape.numbers[tape.output]):
        return [Paragraph(said(output, " has no finite value here, and so no slope", reason(tape, named), "."))]
    if request.wrt is None:
        return as_arrow(tape, request)
    name, gradient = entry_symbol(tape, request.wrt, request.entry or ()), gradient_of(tape, request)
    if not np.all(np.isfinite(gradient)):
        return [Paragraph(said(output, " has no finite slope in ", name, " here", steep(tape, named), "."))]
    if is_rounding(tape, request):
        entries = np.ravel(gradient)
        return [Paragraph(invariance(output, name, float(entries[np.argmax(np.abs(entries))])))]
    if np.size(gradient) == 1:
        slope = np.asarray(gradient).item()
        if not np.ndim(gradient) and is_left_over(tape, request.wrt, request.entry or ()):
            left = said(": ", numeral(slope, 3), " is what rounding left.")
            return [Paragraph(said("To first order ", output, " does not move with ", name, " here", left))]
        if slope == 0 and leaves_at_once(tape, request):
            return [Paragraph(said(output, " leaves at once as ", name, " moves: its slope is 0 by convention alone."))]
        return [Paragraph(of_a_step(output, name, slope, request.nudge, is_bent=bends(tape, request, slope)))]
    return [Paragraph(direction(output, gradient, request.digits))]


SMALLER = 1e-2
"""A step of this share leaves a square so much less of itself."""
MOST_BENT = 0.5
"""A step that moves the output by so much more or less than its slope says moves it by about what it says."""


def bends(tape: Tape, request: Request, gradient: float) -> bool:
    """Whether a step of this size leads, or may lead, where the output is nowhere near what its slope says.

    O(one forward); of a long computation it is not tried.
    """
    if len(tape.path) > MOST_TRIED:
        return True
    after = output_after(tape, request.wrt, request.entry or (), request.nudge)
    change = after - float(tape.numbers[tape.output])
    return gradient != 0 and not abs(change - gradient * request.nudge) <= MOST_BENT * abs(gradient * request.nudge)


def leaves_at_once(tape: Tape, request: Request) -> bool:
    """Whether a slope of 0 is none: a step that is so much smaller moves the output by as much of itself."""
    if np.ndim(gradient_of(tape, request)) or len(tape.path) > MOST_TRIED:
        return False
    here, steps = float(tape.numbers[tape.output]), (request.nudge * SMALLER, request.nudge * SMALLER**2)
    small, smaller = [abs(output_after(tape, request.wrt, request.entry or (), step) - here) / step for step in steps]
    return small > 0 and smaller >= small / 2


def reason(tape: Tape, named: InNames | None) -> Words:
    """The first step that is not defined where its inputs are."""
    for node in tape.order:
        if node.op is not None and not np.all(np.isfinite(tape.numbers[node])):
            formula = made(node.op, spelled_out(tape, named, node), node.settings, tuple(node.shape))
            found = undefined(formula, Values(tape.environment))
            return "" if found is None else said(": ", words_of(found))
    return ""


def spelled_out(tape: Tape, named: InNames | None, node: Any) -> list[Any]:
    """The inputs of a node in names that the page has."""
    edges = dict(node.edges)
    return [
        on_page(tape, named, edges[i]) if i in edges and edges[i].op is not None else x
        for i, x in enumerate(tape.letters(node))
    ]


def steep(tape: Tape, named: InNames | None) -> Words:
    """The first local derivative, from the output back, that is not finite where its inputs are."""
    for node in tape.path:
        for slot, _ in node.edges if np.all(np.isfinite(tape.numbers[node])) else ():
            given = spelled_out(tape, named, node)
            out = made(node.op, given, node.settings, tuple(node.shape))
            formula = in_trees(node.op, slot, out, given, node.settings)
            found = None if formula is None else undefined(formula, Values(tape.environment))
            if found is not None:
                return said(": ", words_of(found))
    return ""


def of_a_step(output: Tree, name: Tree, gradient: float, nudge: float, *, is_bent: bool) -> Words:
    if gradient == 0:
        return said("To first order ", output, " does not move with ", name, " here.")
    verb = "raises" if gradient * nudge > 0 else "lowers"
    raising = "raising " if nudge > 0 else "lowering "
    step = (f"To first order, {raising}" if is_bent else raising.capitalize(), name, f" by {abs(nudge):g}")
    return said(*step, f" {verb} ", output, " by about ", numeral(abs(gradient * nudge), 3), ".")


def as_arrow(tape: Tape, request: Request) -> list[Block]:
    """Several numbers that were asked for, as one arrow."""
    asked = list(tape.wrt) or [x for x in tape.order if x.op is None and x in tape.gradients]
    gradients = [tape.gradients[x] for x in asked]
    if not 1 < len(asked) <= WRITTEN or any(map(np.ndim, gradients)):
        return []
    if not np.all(np.isfinite(gradients)):
        return [Paragraph(said(tape.symbols[tape.output], " has no finite slope here", steep(tape, None), "."))]
    slopes = np.array([0.0 if is_left_over(tape, x, ()) else g for x, g in zip(asked, gradients, strict=True)])
    return [Paragraph(said("Together: ", direction(tape.symbols[tape.output], slopes, request.digits)))]


def direction(output: Tree, gradient: Any, digits: int) -> Words:
    """A gradient as an arrow: its length, and for a short one where it points."""
    length = float(np.linalg.norm(np.ravel(gradient)))
    if not 0 < length < np.inf:
        return (
            said(output, " does not move to first order.") if length == 0 else said(output, " is too steep to measure.")
        )
    unit = np.ravel(gradient) / length
    # What rounding leaves of a slope points nowhere.
    arrow = [numeral(0.0 if abs(x) < RESIDUE else float(x), ARROW_DIGITS) for x in unit]
    points = np.ndim(gradient) == 1 and len(arrow) <= MOST_ALONG
    along = said("along (", listed([said(x) for x in arrow]), ")") if points else "along its gradient"
    rise = numeral(length, digits)
    return said(output, " rises fastest ", along, ", by ", rise, " for each unit of length.")


def is_rounding(tape: Tape, request: Request) -> bool:
    """Whether the gradient is 0 whatever the numbers are, in all entries, and what there is of it is rounding."""
    place: Any = ... if np.ndim(gradient_of(tape, request)) else request.entry or ()
    return bool(np.size(tape.gradients[request.wrt])) and is_invariant(tape, request.wrt, place)


def on_kinks(tape: Tape, named: InNames | None, conventions: Sequence[Convention]) -> list[Paragraph]:
    """Which slope was taken where a function has none; what has no name on the page is written out."""

    def said_of(part: Any, begins: bool) -> Any:
        node = tape.node_of.get(part) if isinstance(part, Tree) else None
        return part if node is None or node.op is None else told_of(tape, named, node, begins)

    found: list[Paragraph] = []
    for c in [c for c in conventions if c.subject.startswith("kink")][:2]:
        words = [said_of(x, i == 0) for i, x in enumerate(pieces(c.holds))]
        found.append(Paragraph(said(*words, ", by convention.")))
    return found


def told_of(tape: Tape, named: InNames | None, node: Any, is_first: bool) -> Words:
    """A node on the page, or where it is made of what has no name there, what it does."""
    tree = on_page(tape, named, node)
    nodes = [tape.node_of.get(x.whole) for x in symbols_in(tree)]
    if not any([x is not None and nameless(tape, x) for x in nodes]):
        return said(tree)
    return f"{'A' if is_first else 'a'} step on the way ({node.op.name.replace('_', ' ')})"


def on_page(tape: Tape, named: InNames | None, node: Any) -> Tree:
    """A node by a name that the page has, or as it was made of what has one."""
    written = None if named is None or node is tape.output else named.written(node)
    if written is not None:
        return written
    # Nobody knows the letter of a result without a name.
    return tape.formula(node) if nameless(tape, node) else tape.symbols[node]


def intuition_of_sign(gradient: Any) -> str:
    """What a gradient says to do, in words."""
    if np.ndim(gradient):
        return f"shape {tuple(np.shape(gradient))}"
    if not np.isfinite(gradient):
        return "not a finite number: look for the node where it arose"
    if gradient == 0:
        return "a small change makes no difference here"
    return "raising it raises the output" if gradient > 0 else "raising it lowers the output"

"""The graph of a derivation as a picture beside its words, where it is small enough to be taken in."""

from __future__ import annotations

from chainrule.derivation.record import Arrow as Recorded
from chainrule.derivation.record import Derivation, Large, Node, Numbers
from chainrule.errors import MissingExtra
from chainrule.maths import Symbol, unicode
from chainrule.pictures.live import LONGEST_FACTOR, LONGEST_FORMULA, LONGEST_NAME
from chainrule.pictures.numbers import NONE, number, rounded, shown, size
from chainrule.pictures.picture import Picture
from chainrule.pictures.sketch import Arrow, Box, Look, Sketch, legend
from chainrule.pictures.widths import fitted

MOST = 40
"""Nodes of a picture in a page."""
DIGITS = 4


def figure(derivation: Derivation) -> str:
    """The nodes on the way as SVG; nothing for one node, for more than some, and without fast-sugiyama."""
    if not 1 < len(derivation.nodes) <= MOST or derivation.counts.get("nodes not listed"):
        return ""
    at = {node.id: n for n, node in enumerate(derivation.nodes)}
    boxes = tuple([box_of(node, derivation.output) for node in derivation.nodes])
    found = [arrow_of(x, at, n) for n, node in enumerate(derivation.nodes) for x in node.inputs]
    arrows = tuple([x for x in found if x is not None])
    sketch = Sketch("The graph", boxes, arrows, notes=(legend(arrows),))
    try:
        return Picture((sketch,)).svg()
    except MissingExtra:
        return ""


def box_of(node: Node, output: int) -> Box:
    name = fitted(unicode(node.symbol), LONGEST_NAME)
    formula = "" if node.formula is None else unicode(rounded(node.formula, DIGITS))
    if formula and len(formula) > LONGEST_FORMULA:
        formula = node.operation
    elif isinstance(node.formula, Symbol):  # only its shape is another
        formula = f"{node.operation}({formula})"
    look = Look.OUTPUT if node.id == output else Look.RESULT if node.operation else Look.PARAMETER
    grad = NONE if node.gradient is None else in_short(node.gradient)
    return Box(f"{name} = {formula}" if formula else name, look, in_short(node.value), grad)


def arrow_of(arrow: Recorded, at: dict[int, int], target: int) -> Arrow | None:
    """One input of a node; None where that is not listed."""
    if arrow.source not in at:
        return None
    factor = "" if arrow.derivative is None else unicode(arrow.derivative)
    factor = factor if arrow.value is None else in_short(arrow.value)
    carries = arrow.contribution
    largest = max(abs(carries.smallest), abs(carries.largest)) if isinstance(carries, Large) else size(carries)
    return Arrow(at[arrow.source], target, factor if len(factor) <= LONGEST_FACTOR else "", largest)


def in_short(numbers: Numbers) -> str:
    """A number, a short array, or the extent of a long one."""
    if not isinstance(numbers, Large):
        return shown(numbers, DIGITS)
    low, high = number(numbers.smallest, DIGITS), number(numbers.largest, DIGITS)
    return f"{'×'.join(map(str, numbers.shape))}, {low} to {high}"

"""What a derivative does to a direction, and what weights of a vector make of its Jacobian: J v and uᵀ J."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from chainrule.derivation.equations import Show, in_a_row, proved
from chainrule.derivation.notation import derivative
from chainrule.derivation.record import Block, Equation, Paragraph
from chainrule.derivation.words import listed, said
from chainrule.errors import ShapeError
from chainrule.maths import Symbol, Tree, numeral
from chainrule.maths.tree import applied

WRITTEN = 36
"""Entries of an array that is written out."""
ARROWS = ("v", "u", "d", "direction")
"""Letters for a direction; the first that is not taken."""


class Moved(NamedTuple):
    """A name that is moved: its symbol, how far along the direction, and the output's derivative in it."""

    symbol: Tree
    by: Any
    slope: Any


def along(
    output: Tree, moved: Sequence[Moved], digits: int, taken: Iterable[Tree] = ()
) -> tuple[list[Block], dict[Tree, Any]]:
    """How an output moves along a direction, the gradient's product with it, and what its letters stand for.

    Slopes have the output's axes first and then the name's. Raises ShapeError for a direction of another shape.

    >>> from chainrule.derivation.products import Moved, along
    >>> from chainrule.maths import Symbol, unicode
    >>> blocks, _ = along(Symbol("f"), [Moved(Symbol("x"), 3.0, 4.0), Moved(Symbol("y"), 4.0, 1.0)], 6)
    >>> unicode(blocks[1].tree)
    '∂f/∂v = ∂f/∂x · 3 + ∂f/∂y · 4 = 4 · 3 + 1 · 4 = 16'
    """
    for x in moved:
        if np.shape(x.by) != x.symbol.shape:
            raise ShapeError(f"a direction has the shape of what it moves, {x.symbol.shape}, and not {np.shape(x.by)}")
    arrow = letter_beside([*taken, output, *[x.symbol for x in moved]])
    name = derivative(output, arrow)
    result = sum([product(x.slope, x.by) for x in moved])
    length = float(np.sqrt(sum([np.sum(np.square(x.by)) for x in moved])))
    known: dict[Tree, Any] = {name: result, **{derivative(output, x.symbol): x.slope for x in moved}}
    written = [x for x in moved if np.size(x.by) <= WRITTEN and np.ndim(x.by) < 3]
    parts = [said(Show(digits)(x.by), " in ", x.symbol) for x in written]
    blocks: list[Block] = [Paragraph(said("Along the direction ", listed([arrow, *parts]), ":"))]
    terms = [in_symbols(slope_of(output, x.symbol, x.slope), x, digits) for x in moved]
    fits = np.size(result) <= WRITTEN and all([np.size(x.slope) <= WRITTEN for x in moved])
    if any([term is None for term in terms]) or not fits:
        blocks.append(proved([name], None, result, digits=digits) if np.size(result) <= WRITTEN else Equation((name,)))
    else:
        sides = [name, in_a_row("add", [term for term in terms if term is not None])]
        blocks.append(proved(sides, lambda show: numbers_of(moved, show), result, digits=digits))
    if not np.shape(result) and length not in (0.0, 1.0) and np.isfinite(result):
        each = numeral(float(result) / length, digits)
        words = said(arrow, " has length ", numeral(length, digits), "; for each unit of it ", output, " moves by ")
        blocks.append(Paragraph(said(words, each, ".")))
    return blocks, known


def slope_of(output: Tree, symbol: Tree, slope: Any) -> Tree:
    """A derivative with the axes of its numbers: the output's, then the name's."""
    return replace(derivative(output, symbol), shape=np.shape(slope))


def letter_beside(taken: Iterable[Tree]) -> Symbol:
    """A letter for a direction that stands for nothing else."""
    held = set(taken)
    return next((letter for letter in map(Symbol, ARROWS) if letter not in held), Symbol(ARROWS[-1]))


def product(slope: Any, by: Any) -> Any:
    """A derivative times a direction: what is left are the output's axes."""
    return np.tensordot(slope, by, axes=np.ndim(by)) if np.ndim(by) else np.asarray(slope) * by


def in_symbols(slope: Tree, moved: Moved, digits: int) -> Tree | None:
    """One name's share of the product; None for what no sign is short for."""
    if not np.ndim(moved.by):
        return applied("mul", slope, numeral(float(moved.by), digits))
    if np.ndim(moved.by) == 1 and np.ndim(moved.slope) <= 2:
        return applied("matmul", slope, Show(digits)(moved.by))
    return None


def numbers_of(moved: Sequence[Moved], show: Show) -> list[Tree]:
    signs = ["matmul" if np.ndim(x.by) else "mul" for x in moved]
    return [in_a_row("add", [applied(s, show(x.slope), show(x.by)) for s, x in zip(signs, moved, strict=True)])]


def weighted(output: Tree, moved: Mapping[Tree, Any], weights: Any, digits: int) -> list[Equation]:
    """What weights of a vector's entries make of its Jacobians: uᵀ J for each name, in one backward pass.

    >>> from chainrule.derivation.products import weighted
    >>> from chainrule.maths import Symbol, unicode
    >>> unicode(weighted(Symbol("f", shape=(2,)), {Symbol("x"): [4.0, 1.0]}, [1.0, 2.0], 6)[0].tree)
    '[1, 2] ∂f/∂x = [1, 2] [4; 1] = 6'
    """
    weights = np.asarray(weights, dtype=float)
    if weights.shape != output.shape:
        raise ShapeError(f"weights have the shape of the outputs, {output.shape}, and not {weights.shape}")
    found: list[Equation] = []
    for symbol, slope in moved.items():
        slope = np.asarray(slope, dtype=float)
        result = np.tensordot(weights, slope, axes=weights.ndim)
        jacobian, weighed = slope_of(output, symbol, slope), Show(digits)(weights)
        # Weights of a derivative with three indices or more have a sum over the outputs, and no product of matrices.
        is_product = slope.ndim <= weights.ndim + 1
        letters = "ijklmn"[: slope.ndim]
        summed = {} if is_product else {"subscripts": f"i,{letters}->{letters[1:]}"}
        sides = [applied("matmul" if is_product else "einsum", weighed, jacobian, **summed)]
        fits = slope.ndim <= 2 and slope.size <= WRITTEN
        numbers = (lambda show, s=slope: [applied("matmul", show(weights), show(s))]) if fits else None
        found.append(proved(sides, numbers, result, digits=digits))
    return found

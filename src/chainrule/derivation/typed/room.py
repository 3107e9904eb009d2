"""A short answer in the lines that it has: what is said in fewer words first, and what goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.derivation.fitting import Version, blocks_of, fit, piece_of, result_alone
from chainrule.derivation.formats.displayed import MOST_LINES
from chainrule.derivation.record import Block, Equation, Paragraph, trees_in
from chainrule.derivation.short import MOST_GRADIENTS
from chainrule.maths import Applied, Derivative, Matrix, Tree, plain

LONGEST_OF_SEVERAL = 80
"""Characters of one derivative where several are asked for."""

MOST_READ = 240
"""Characters of a formula that is shown in short where there is a number to show."""


def in_room(
    opening: Sequence[Block], kept: Sequence[Block], products: Sequence[Block], output: Tree, slopes: set[Tree]
) -> list[Block]:
    """The opening of a short answer, what is kept as it is, and products with the derivative, in a dozen lines.

    `slopes` are the derivatives in whole names: they, and the formula of the output, go when nothing else can be said
    shorter. Those that are told nowhere then are counted.
    """
    asked = [x for x in equations_in(opening) if x.sides[0] in slopes]
    late = set(map(id, asked[MOST_GRADIENTS:] if len(asked) > MOST_LINES else ()))
    first = [x for x in opening if id(x) not in late]
    may_go = [piece_of(versions(x, {output, *slopes}), i) for i, x in enumerate(reversed(first))][::-1]
    multiplied = [piece_of(of_product(x), len(first) + i) for i, x in enumerate(reversed(products))][::-1]
    pieces = [*may_go, *[piece_of([(x,)], 0) for x in kept], *multiplied]

    def more() -> tuple[list[Block], list[Block]]:
        """Words for the derivatives and for the products that have gone."""
        told = set(map(moved_by, trees_in(blocks_of(pieces))))
        untold = [x for x in asked if moved_by(x.sides[0]) not in told]
        gone = len(equations_in(products)) - len(equations_in(blocks_of(multiplied)))
        return counted(len(untold), len(asked)), counted(gone, len(equations_in(products)))

    fit(pieces, MOST_LINES - bool(late))
    if sum([piece.lines for piece in pieces]) > MOST_LINES - bool(late):
        for piece in (*may_go, *multiplied[1:]):
            piece.versions.append(Version(()))
        fit(pieces, MOST_LINES)
        fit(pieces, MOST_LINES - sum(map(len, more())))
    more_derivatives, more_products = more()
    return [*blocks_of(may_go), *more_derivatives, *kept, *blocks_of(multiplied), *more_products]


def moved_by(tree: Tree) -> Tree | None:
    """What a derivative, or the transpose of one, is in."""
    inner = tree.inputs[0] if isinstance(tree, Applied) and tree.name == "transpose" else tree
    return inner.below if isinstance(inner, Derivative) else None


def counted(gone: int, of: int) -> list[Block]:
    """Words for what is not told of several things, where some of them are."""
    return [Paragraph(f"and {gone:,} more.")] if 0 < gone < of else []


def equations_in(blocks: Sequence[Block]) -> list[Equation]:
    return [x for x in blocks if isinstance(x, Equation)]


def versions(block: Block, firm: set[Tree]) -> list[tuple[Block, ...]]:
    """A block of the opening, and how it is said shorter: an equation for what is firm stays, at least its result."""
    if not isinstance(block, Equation) or block.sides[0] not in firm:
        return [(block,), ()]
    if block.numbers and sum([len(plain(side)) for side in block.sides[1:-1]]) > MOST_READ:
        return [(result_alone(block),)]
    shorter = [in_a_line(block), result_alone(block)]
    return [(block,), *[(x,) for x in shorter if x != block]]


def of_product(block: Block) -> list[tuple[Block, ...]]:
    """A product with the derivative, and how it is said shorter: without its numbers, then without its symbols."""
    if not isinstance(block, Equation) or block.numbers < 2:
        return [(block,)]
    *symbols, last = block.sides[: len(block.sides) - block.numbers] + block.sides[-1:]
    without = [replace(block, sides=(*names, last), numbers=1, signs=()) for names in (symbols, symbols[:1])]
    return [(block,), *[(x,) for x in without]]


def as_one_of_several(block: Block) -> Block:
    """A block among several; an equation that ends in an array is said shorter only where it has no room."""
    if not isinstance(block, Equation) or isinstance(block.sides[-1], Matrix):
        return block
    return in_a_line(block)


def in_a_line(equation: Equation) -> Equation:
    """An equation among several: without the array that ends it, or without the symbols where they are long."""
    *symbols, last = equation.sides
    if equation.numbers and isinstance(last, Matrix) and symbols[1:]:
        return Equation(tuple(symbols))
    if equation.numbers and sum([len(plain(side)) for side in equation.sides]) > LONGEST_OF_SEVERAL:
        return result_alone(equation)
    return equation

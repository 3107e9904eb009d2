"""The answer in a dozen lines: how the result was computed, its derivative, the chain with numbers, what it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from chainrule.derivation.arrays import is_written, largest
from chainrule.derivation.checked import Checking, left_in_entries
from chainrule.derivation.equations import NOT_FINITE, TELLING, Show, given, once, proved, with_places
from chainrule.derivation.fitting import Piece, Version, blocks_of, fit, piece_of
from chainrule.derivation.formats.displayed import MOST_LINES, lines_of
from chainrule.derivation.in_names import InNames, in_names
from chainrule.derivation.legend import letters, plain_text
from chainrule.derivation.meaning import is_rounding, meaning, on_kinks
from chainrule.derivation.record import Block, Convention, Equation, Paragraph
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.scalars.targets import gradient_of, name_of
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import Words, said
from chainrule.maths import Derivative, Matrix, Number, Tree, plain, unicode
from chainrule.maths.check import ROUNDING, as_written
from chainrule.maths.tree import all_parts, parts
from chainrule.maths.values import Values

MOST_GRADIENTS = 5
"""Gradients that are listed where several were asked for."""
LONGEST = 120
"""Characters of an equation that fits a line or two on a terminal."""
WHOLE = ("delta", "jacobian")
"""Dialects that tell of whole arrays in their own way; the others tell of one entry."""
LONG = 60
"""Characters of a formula in the user's names above which a book's letters are taken in."""
RESULT = 50
"""The weight of the equation that gives what was asked for."""
ASKED = 60
"""The weight of what was asked for."""


def short_story(
    tape: Tape,
    request: Request,
    dialect: str,
    answer: Explanation,
    warnings: Sequence[Block],
    conventions: Sequence[Convention],
    checking: Checking,
) -> tuple[Block, ...]:
    """The short answer, of which every equation is worked out, what is in the story with what is known from there."""
    named = in_names(tape, lent=False)
    # In the letters of the errors the examples are columns, and here they are rows, as in the program.
    if dialect != "delta" and (named is None or named.longest > LONG):
        named = in_names(tape)
    if dialect != "delta" and not has_formulas(tape, named):
        named = in_names(tape, numbered=True) or named
    # What has no value has no kink either.
    kinks = on_kinks(tape, named, conventions) if np.isfinite(tape.numbers[tape.output]) else []
    is_flat = bool(kinks) or (request.wrt is not None and is_rounding(tape, request))
    last = [
        *warnings,
        *kinks,
        *(() if is_flat else answer.remarks[:1]),
        *(() if kinks else meaning(tape, named, request)),
    ]
    count = sum(map(lines_of, last))
    own = checking.among(tape.environment)
    found = [checked_piece(x, own) for x in forward(tape, named, request.digits)]
    found += telling(tape, named, request, dialect, answer, own, checking)
    shown: list[Block] = []
    explained: list[Block] = []
    # With fewer equations there are fewer letters: so many lines as they take at first may be too many.
    for kept in range(MOST_LINES):
        # What explains the letters takes room itself, and what has no room needs no explanation.
        pieces = [replace(piece, versions=[*piece.versions]) for piece in found]
        fit(pieces, MOST_LINES - count - kept)
        shown = blocks_of(pieces)
        explained = letters(tape, named, answer.symbols, shown, request.digits)
        if sum(map(lines_of, explained)) <= kept:
            break
    return (*with_places(shown), *checking.of(explained), *last)


def has_formulas(tape: Tape, named: InNames | None) -> bool:
    """Whether the named steps, and the gradients that were asked for, have formulas in these names that have room."""
    if named is None or any([len(unicode(formula)) > LONGEST for _, formula in named.formulas]):
        return False
    found = [named.gradient(x) for x in tape.wrt[:MOST_GRADIENTS]]
    return all([x and has_room(x[0]) for x in found])


def has_room(formula: Tree) -> bool:
    """Whether a formula fits a line or two; in plain text, where its names are longer, a line or two more."""
    return len(plain(formula)) <= 2 * LONGEST and len(unicode(formula)) <= LONGEST


def checked_piece(piece: Piece, checking: Checking) -> Piece:
    """A piece of which every equation is worked out; of a bare name that has no number nothing is said."""
    versions = [checking.of(version.blocks) for version in piece.versions]
    return replace(piece, versions=[Version(tuple([x for x in blocks if not is_bare(x)])) for blocks in versions])


def is_bare(block: Block) -> bool:
    """Whether an equation says of a name that it has no number, and no more."""
    if not isinstance(block, Equation) or len(block.sides) > 1 or block.numbers:
        return False
    return plain_text(block.note) in NOT_FINITE


def forward(tape: Tape, named: InNames | None, digits: int) -> Iterator[Piece]:
    """How the steps with a name, and the output, were computed, in the names that the user gave."""
    found = [] if named is None else named.formulas
    # What goes by how it was made, as an order of entries, would be said to be itself.
    made = [pair for pair in found if has_room(pair[1]) and tape.symbols[pair[0]] != pair[1]]
    # Of many steps only the last have room; the others are not worked out.
    for place, (node, formula) in list(enumerate(made))[-MOST_LINES - 1 :]:
        numbers, symbols = tape.number_of(node), (tape.symbols[node], formula)
        bare: tuple[Block, ...] = (Equation(symbols),)
        whole = (proved(symbols, None, numbers, digits=digits),) if is_written(numbers) else bare
        yield piece_of([whole, bare, ()] if np.ndim(numbers) else [whole, ()], 19 if place == len(made) - 1 else place)


def telling(
    tape: Tape,
    named: InNames | None,
    request: Request,
    dialect: str,
    answer: Explanation,
    own: Checking,
    checking: Checking,
) -> list[Piece]:
    """The derivative as the dialect tells it: the equations on which the result rests, then the result."""
    asked = tape.wrt if request.wrt is None else (request.wrt,)
    is_whole = request.wrt is None or (request.entry is None and np.ndim(tape.gradients[request.wrt]) > 0)
    *first, last = answer.short or (None,)
    found: list[Piece] = []
    if isinstance(last, Equation) and ((dialect in WHOLE and len(last.sides) > 2) or not is_whole):
        for i, x in enumerate(first):
            # Of equations the last are nearest to the result; of paths the first is the largest.
            is_equation = isinstance(x, Equation)
            found.append(shortened(x, 20 + i) if is_equation else piece_of([(x,), ()], 20 + len(first) - i))
        found += the_result(tape, request, last, checking.values)
    elif is_whole or dialect == "graph":
        # A Jacobian has rows where a gradient has the shape of an array.
        return [checked_piece(x, own) for x in swept(tape, named, asked, request)]
    else:
        product = product_in(answer.story, name_of(tape, request))
        symbols = [] if product is None else product.sides[1 : len(product.sides) - product.numbers]
        has_formula = not all([any(isinstance(x, Derivative) for x in all_parts(side)) for side in symbols])
        whole = () if has_formula or named is None else named.gradient(request.wrt)
        # A formula that is a number says less than the result, which has what rounding left of it.
        if named is not None and whole and not isinstance(whole[0], Number) and dialect not in WHOLE:
            # Of an entry with many paths the formulas are those of whole arrays.
            found += on_the_way_back(tape, named, [request.wrt], request)
            found.append(gradient_piece(tape, request.wrt, whole, request, weight=RESULT - 1))
            if product is not None and any([len(plain(side)) > LONG for side in symbols]):
                product = replace(product, sides=(product.sides[0], *product.sides[-product.numbers :]))
        found += the_result(tape, request, product, checking.values)
    return [checked_piece(x, checking) for x in found]


def product_in(story: Sequence[Block], name: Tree) -> Equation | None:
    """The equation of a story that says most of how a derivative comes about."""
    found = [x for x in story if isinstance(x, Equation) and x.sides[0] == name and len(x.sides) > 1]
    return max(found, key=lambda x: (x.numbers > 0, len(x.sides)), default=None)


def the_result(tape: Tape, request: Request, product: Equation | None, values: Values) -> Iterator[Piece]:
    """What was asked for, by the equation that gives it; without the names of the links where these leave no room."""
    if request.wrt is None:
        if product is not None:
            yield shortened(product, RESULT)
        return
    name, gradient = name_of(tape, request), gradient_of(tape, request)
    number = np.zeros_like(gradient) if is_rounding(tape, request) else gradient
    bare = (given(name, number, digits=request.digits),) if is_written(number) else ()
    if product is None:
        yield piece_of([bare], 90)
        return
    first = product.sides[0]
    if first != name and first.shape == name.shape and not product.note and alike(values.of(first), gradient):
        # A net's gradient goes by the book's letter, and the page by the user's; of x @ W a book has the transpose.
        product = replace(product, sides=(name, *product.sides))
    last = () if product.sides[0] == name else bare
    those = [version.blocks for version in shortened(product, 0).versions]
    versions = [(*blocks, *last) for blocks in those if blocks and has_result(blocks)]
    # An array that is too large to be written is told in words where its product has no room.
    least: tuple[Block, ...] = bare or (Paragraph(described(name, np.asarray(number), request.digits)),)
    yield piece_of([*versions, least], RESULT, is_firm=not np.ndim(number))


def alike(x: Any, y: Any) -> bool:
    """Whether a derivative has the numbers of another one up to rounding."""
    return bool(np.allclose(x, y, rtol=ROUNDING, atol=ROUNDING * np.max(np.abs(y), initial=0.0), equal_nan=True))


def has_result(version: Sequence[Block]) -> bool:
    return all([isinstance(x, Equation) and x.numbers > 0 for x in version])


def shortened(part: Equation, weight: int) -> Piece:
    """An equation that may lose its numbers but for the result, then the names of its links, then go."""
    whole = replace(part, note="") if not part.numbers else part
    count = len(whole.sides) - whole.numbers
    versions: list[tuple[Block, ...]] = [(whole,)]
    is_tall = any([isinstance(x, Matrix) for side in whole.sides[count:] for x in [side, *parts(side)]])
    if whole.numbers > 1 and is_tall:
        versions.append((replace(whole, sides=(*whole.sides[:count], whole.sides[-1]), numbers=1),))
    if count > 2 and not is_tall:
        versions.append((replace(whole, sides=(whole.sides[0], *whole.sides[2:])),))
    if whole.numbers and count > 1 and is_tall:
        versions.append((Equation(whole.sides[:count]),))
    return piece_of([*versions, ()], weight)


def swept(tape: Tape, named: InNames | None, asked: Sequence[Any], request: Request) -> Iterator[Piece]:
    """The gradients on the way back from the output, each in those of the steps that use it, and those asked for."""
    shown = list(asked) or [x for x in tape.order if x.op is None and x in tape.gradients]
    last = shown[:MOST_GRADIENTS]
    yield from on_the_way_back(tape, named, last, request)
    for node in last:
        formulas = () if named is None else named.gradient(node)
        yield gradient_piece(tape, node, formulas, request, weight=ASKED, several=len(shown) > 1)
    left = len(shown) - len(last)
    if left > 0:
        yield piece_of([(Paragraph(f"and {left:,} more."),)], 70)


def on_the_way_back(tape: Tape, named: InNames | None, asked: Sequence[Any], request: Request) -> list[Piece]:
    """The gradients between the output and what was asked for, in those of the steps that use them."""
    if named is None:
        return []
    between = [x for x in named.totals if x is not tape.output and all([x is not y for y in asked])]
    # Of many only those nearest to what was asked for have room; the formulas of the others are not looked for.
    weighed = reversed(list(enumerate(between, 20)))
    near = (gradient_piece(tape, node, named.gradient(node), request, weight=weight) for weight, node in weighed)
    return list(islice((piece for piece in near if piece.lines), MOST_LINES + 1))[::-1]


def gradient_piece(
    tape: Tape, node: Any, formulas: Sequence[Tree], request: Request, *, weight: int, several: bool = False
) -> Piece:
    """The gradient in one node: the formulas and the numbers, these, or for what was asked the numbers alone."""
    gradient = as_written(formulas[0], tape.gradients[node], tape.environment) if formulas else tape.gradients[node]
    note: Words = ""
    if weight == ASKED and node is request.wrt and is_rounding(tape, request):
        place = ... if request.entry is None else request.entry
        left, gradient = np.array(gradient)[place], np.array(gradient)
        gradient[place] = 0.0
        note = left_in_entries(left) if np.max(np.abs(left)) > TELLING else ""
    name = tape.gradient(node)
    symbols = [name, *[x for x in formulas if has_room(x)]]
    bare = (Equation(tuple(symbols)),) if len(symbols) > 1 else ()
    if weight != ASKED and formulas and not bare:
        return piece_of([(Paragraph(said(name, " has no short formula.")),), ()], weight)
    if not is_written(gradient):
        words = (Paragraph(described(name, np.asarray(gradient), request.digits)),)
        return piece_of([(*bare, *words), words] if weight == ASKED else [bare, ()], weight)
    whole = (once(proved(symbols, None, gradient, digits=request.digits, note=note)),)
    alone = (given(name, gradient, digits=request.digits, note=note),)
    if weight != ASKED:
        return piece_of([*([whole] if bare else []), bare, ()], weight)
    versions: list[tuple[Block, ...]] = [whole, *([bare] if several and bare else []), alone]
    if several and np.ndim(gradient):
        # A column of its own for each of many arrays is too tall.
        versions.append((Paragraph(described(name, np.asarray(gradient), request.digits)),))
    return piece_of(versions, weight, is_firm=not np.ndim(gradient))


def described(name: Tree, gradient: Any, digits: int) -> Words:
    """A long gradient in words: its shape, its length, and where it is largest."""
    show = Show(digits)
    shape = " × ".join(map(str, gradient.shape))
    if not gradient.size:
        return said(name, f" is {shape}: it has no entries.")
    if not np.all(np.isfinite(gradient)):
        return said(name, f" has {shape} entries, and not all of them are finite numbers.")
    if not np.any(gradient):
        return said(name, f" has {shape} entries, and all of them are 0.")
    where = largest(gradient)
    place = ", ".join(map(str, where))
    return said(name, f" has {shape} entries; the largest, at [{place}], is ", show(gradient[where]), ".")

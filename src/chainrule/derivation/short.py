"""The answer in a dozen lines: how the result was computed, its derivative, the chain with numbers, what it means."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from chainrule.derivation.arrays import largest
from chainrule.derivation.checked import Checking, symbols_in, words_of
from chainrule.derivation.equations import NOT_FINITE, Show, given, once, proved, with_places
from chainrule.derivation.formats.displayed import MOST_LINES, WIDTH, lines_of
from chainrule.derivation.in_names import InNames, in_names
from chainrule.derivation.notation import LAYER
from chainrule.derivation.pitfalls import RESIDUE, invariance, is_invariant, is_left_over
from chainrule.derivation.record import Block, Convention, Equation, Meaning, Paragraph, trees_in
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.scalars.graph import entry_symbol
from chainrule.derivation.scalars.paths import output_after
from chainrule.derivation.scalars.slopes import nameless
from chainrule.derivation.scalars.targets import gradient_of, name_of
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import Words, listed, pieces, said, together_in_words
from chainrule.maths import Derivative, Matrix, Symbol, Tree, numeral, plain
from chainrule.maths.check import ROUNDING, as_written, undefined
from chainrule.maths.tree import Values, all_parts, equation, made, parts
from chainrule.rewrite.local import in_trees

MOST_LETTERS = 5
"""Lines of the sentence on what letters stand for that may say how each of them was computed."""
LEAST = len("v1=x; ")
"""Characters of what is said of a letter."""
MOST_GRADIENTS = 5
"""Gradients that are listed where several were asked for."""
WRITTEN = 6
"""Entries of an array that is written out."""
LONGEST = 120
"""Characters of an equation that fits a line or two."""
MOST_ALONG = 4
"""Numbers of an arrow that is written out."""
ARROW_DIGITS = 3
"""Of a direction."""
ANY = ("l", "L")
"""What stands for any layer, and for the last."""
WHOLE = ("delta", "jacobian")
"""Dialects that tell of whole arrays in their own way; the others tell of one entry."""
LONG = 60
"""Characters of a formula in the user's names above which a book's letters are taken in."""
RESULT = 50
"""The weight of the equation that gives what was asked for."""
ASKED = 60
"""The weight of what was asked for."""


@dataclass
class Version:
    """One way to say something."""

    blocks: tuple[Block, ...]

    @cached_property
    def lines(self) -> int:
        return sum(map(lines_of, self.blocks))

    @property
    def formulas(self) -> int:
        """How many of its equations have a formula."""
        return sum([isinstance(x, Equation) and len(x.sides) - x.numbers > 1 for x in self.blocks])


@dataclass
class Piece:
    """A block that may be said shorter: its versions, the longest first, the empty one last where it may go."""

    versions: list[Version]
    weight: int
    """What weighs least is shortened first."""
    is_firm: bool = False
    """Whether it is shortened last of all."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The version that is left."""
        return self.versions[0].blocks

    @property
    def turn(self) -> tuple[bool, bool, int]:
        """What comes first is shortened first; what is left without a formula, or goes, comes after that."""
        now, then = self.versions[:2]
        return self.is_firm, not then.blocks or then.formulas < now.formulas, self.weight

    @property
    def lines(self) -> int:
        return self.versions[0].lines


def piece_of(versions: Iterable[tuple[Block, ...]], weight: int, *, is_firm: bool = False) -> Piece:
    return Piece([Version(blocks) for blocks in versions], weight, is_firm)


def blocks_of(pieces: Iterable[Piece]) -> list[Block]:
    """What is left to be said."""
    return [block for piece in pieces for block in piece.blocks]


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
    kinks = on_kinks(tape, named, conventions)
    is_flat = bool(kinks) or (request.wrt is not None and is_rounding(tape, request))
    last = [
        *warnings,
        *kinks,
        *(() if is_flat else answer.remarks[:1]),
        *(() if kinks else meaning(tape, named, request)),
    ]
    count = sum(map(lines_of, last))
    own = Checking(tape.environment, checking.floor, request.digits, checking.rounding_of, checking.left_over)
    found = [checked_piece(x, own) for x in forward(tape, named, request.digits)]
    found += telling(tape, named, request, dialect, answer, own, checking)
    shown: list[Block] = []
    explained: list[Block] = []
    kept = 0
    for _ in range(MOST_LINES):
        # What explains the letters takes room itself, and what has no room needs no explanation.
        pieces = [replace(piece, versions=[*piece.versions]) for piece in found]
        fit(pieces, MOST_LINES - count - kept)
        shown = blocks_of(pieces)
        explained = letters(tape, named, answer.symbols, shown, request.digits)
        if (lines := sum(map(lines_of, explained))) <= kept:
            break
        kept = lines
    return (*with_places(shown), *checking.of(explained), *last)


def has_formulas(tape: Tape, named: InNames | None) -> bool:
    """Whether the named steps, and the gradients that were asked for, have formulas in these names that have room."""
    if named is None or named.longest > LONGEST:
        return False
    found = [named.gradient(x) for x in tape.wrt[:MOST_GRADIENTS]]
    return all([x and len(plain(x[0])) <= LONGEST for x in found])


def checked_piece(piece: Piece, checking: Checking) -> Piece:
    """A piece of which every equation is worked out; of a bare name that has no number nothing is said."""
    versions = [checking.of(version.blocks) for version in piece.versions]
    return replace(piece, versions=[Version(tuple([x for x in blocks if not is_bare(x)])) for blocks in versions])


def is_bare(block: Block) -> bool:
    """Whether an equation says of a name that it has no number, and no more."""
    if not isinstance(block, Equation) or len(block.sides) > 1 or block.numbers:
        return False
    return plain_text(block.note) in NOT_FINITE


def fit(found: Sequence[Piece], room: int) -> None:
    """Say things in fewer lines until all have room: arrays in symbols alone, then what weighs least not at all."""
    lines = sum([piece.lines for piece in found])
    more = lines_on_places(found)
    if lines + more <= room:
        return
    for piece in found:
        piece.versions = those_that_save(piece.versions)
    heap = [(piece.turn, i) for i, piece in enumerate(found) if len(piece.versions) > 1]
    heapq.heapify(heap)
    while lines + more > room and heap:
        _, i = heapq.heappop(heap)
        piece = found[i]
        lines -= piece.lines
        piece.versions.pop(0)
        lines += piece.lines
        more = more and lines_on_places(found)
        if len(piece.versions) > 1:
            heapq.heappush(heap, (piece.turn, i))


def lines_on_places(pieces: Sequence[Piece]) -> int:
    """The lines that will say which entries the unit vectors of all pieces pick."""
    blocks = blocks_of(pieces)
    both = zip(with_places(blocks), blocks, strict=True)
    return sum([lines_of(new) - lines_of(old) for new, old in both if new is not old])


def those_that_save(versions: list[Version]) -> list[Version]:
    """The first version, and of the others those that take fewer lines than all before them."""
    kept = versions[:1]
    for version in versions[1:]:
        if version.lines < kept[-1].lines:
            kept.append(version)
    return kept


# What was computed


def forward(tape: Tape, named: InNames | None, digits: int) -> Iterator[Piece]:
    """How the steps with a name, and the output, were computed, in the names that the user gave."""
    made = [] if named is None else [pair for pair in named.formulas if len(plain(pair[1])) <= LONGEST]
    # Of many steps only the last have room; the others are not worked out.
    for place, (node, formula) in list(enumerate(made))[-MOST_LINES - 1 :]:
        numbers, symbols = tape.number_of(node), (tape.symbols[node], formula)
        bare: tuple[Block, ...] = (Equation(symbols),)
        whole = (proved(symbols, None, numbers, digits=digits),) if is_written(numbers) else bare
        yield piece_of([whole, bare, ()] if np.ndim(numbers) else [whole, ()], 19 if place == len(made) - 1 else place)


def is_written(numbers: Any) -> bool:
    return np.size(numbers) <= WRITTEN and np.ndim(numbers) < 3


# The derivative


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
        if named is not None and whole and dialect not in WHOLE:
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
    if weight == ASKED and node is request.wrt and is_rounding(tape, request):
        gradient = np.array(gradient)
        gradient[... if request.entry is None else request.entry] = 0.0
    name = tape.gradient(node)
    symbols = [name, *[x for x in formulas if len(plain(x)) <= LONGEST]]
    bare = (Equation(tuple(symbols)),) if len(symbols) > 1 else ()
    if not is_written(gradient):
        words = (Paragraph(described(name, np.asarray(gradient), request.digits)),)
        return piece_of([(*bare, *words), words] if weight == ASKED else [bare, ()], weight)
    whole = (once(proved(symbols, None, gradient, digits=request.digits)),)
    alone = (given(name, gradient, digits=request.digits),)
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


# What it means


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
        return [Paragraph(of_a_step(output, name, slope, request.nudge, is_bent=bends(tape, request, slope)))]
    return [Paragraph(direction(output, gradient, request))]


MOST_BENT = 0.5
"""A step that moves the output by so much more or less than its slope says moves it by about what it says."""


def bends(tape: Tape, request: Request, gradient: float) -> bool:
    """Whether a step of this size leads where the output is nowhere near what its slope says. O(one forward)."""
    after = output_after(tape, request.wrt, request.entry or (), request.nudge)
    change = after - float(tape.numbers[tape.output])
    return gradient != 0 and not abs(change - gradient * request.nudge) <= MOST_BENT * abs(gradient * request.nudge)


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
    if not 1 < len(asked) <= WRITTEN or any(map(np.ndim, gradients)) or not np.all(np.isfinite(gradients)):
        return []
    return [Paragraph(said("Together: ", direction(tape.symbols[tape.output], np.array(gradients), request)))]


def direction(output: Tree, gradient: Any, request: Request) -> Words:
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
    rise = numeral(length, request.digits)
    return said(output, " rises fastest ", along, ", by ", rise, " for each unit of length.")


def is_rounding(tape: Tape, request: Request) -> bool:
    """Whether the gradient is 0 whatever the numbers are, in all entries, and what there is of it is rounding."""
    place: Any = ... if np.ndim(gradient_of(tape, request)) else request.entry or ()
    return bool(np.size(tape.gradients[request.wrt])) and is_invariant(tape, request.wrt, place)


# What must be said besides


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


def letters(
    tape: Tape, named: InNames | None, rows: Sequence[Meaning], shown: Sequence[Block], digits: int
) -> list[Block]:
    """What the letters stand for that are neither the user's nor computed on the page.

    How each was computed where that is soon said, down to what has a name; else its number.
    """
    whole = meanings_of(tape, named, rows, shown, digits, all_the_way=True)
    if whole is not None and sum(map(lines_of, whole)) <= MOST_LETTERS:
        return whole
    return meanings_of(tape, named, rows, shown, digits, all_the_way=False) or []


def meanings_of(
    tape: Tape,
    named: InNames | None,
    rows: Sequence[Meaning],
    shown: Sequence[Block],
    digits: int,
    *,
    all_the_way: bool,
) -> list[Block] | None:
    """A sentence on the letters of a page, and all the way on those that it has itself; None where that is too long."""
    own = tape.labelled | {x.sides[0] for x in shown if isinstance(x, Equation)}
    meanings: dict[Tree, Words] = {}
    waiting = [x.whole for x in foreign(shown)]
    ordered = sorted(rows, key=lambda row: "L" in [x.layer for x in symbols_in(row.symbol)])
    for letter in waiting:
        if all_the_way and len(meanings) > MOST_LETTERS * WIDTH // LEAST:
            return None
        numbered = tape.node_of.get(letter)
        numbered = numbered if numbered in tape.numbered else None
        written = (
            None if named is None or not all_the_way else in_known_names(tape, named, numbered, own.union(waiting))
        )
        if written is not None and letter not in own:
            own.add(letter)
            meanings[letter] = said(written)
            waiting += [x.whole for x in symbols_in(written)]
            continue
        is_number = numbered is not None and not all_the_way
        for row in () if letter in own or is_number else ordered:
            first = next(symbols_in(row.symbol), None)
            if first is not None and is_of(letter, first) and row.symbol not in own:
                own |= {row.symbol, letter}
                meanings[row.symbol] = in_short(row.meaning)
                # What a meaning has in it needs one too.
                waiting += [x.whole for x in foreign([Paragraph(row.meaning)])]
                break
        else:
            is_known = letter in own or numbered is None
            words = "" if is_known else as_computed(tape, numbered, digits, all_the_way)
            if words:
                own.add(letter)
                meanings[letter] = words
                waiting += [x.whole for x in foreign([Paragraph(words)])] if all_the_way else []
    return [Paragraph(said("Here ", listed(grouped(meanings), "; "), "."))] if meanings else []


def in_known_names(tape: Tape, named: InNames | None, node: Any, known: Collection[Tree]) -> Tree | None:
    """A result without a name down to what has one, where its own formula has letters that nobody has met."""
    if named is None or node is None or node.op is None:
        return None
    return None if all([x.whole in known for x in symbols_in(tape.formula(node))]) else named.written_out(node)


def as_computed(tape: Tape, node: Any, digits: int, all_the_way: bool) -> Words:
    """How a result without a name was computed, the numbers of what is small, or the shape of other data."""
    numbers = tape.number_of(node)
    if node.op is not None and (all_the_way or not is_written(numbers)):
        return said(tape.formula(node))
    shape = " × ".join(map(str, np.shape(numbers)))
    return said(Show(digits)(numbers)) if is_written(numbers) else f"an array of {shape} numbers that has no name"


def grouped(meanings: Mapping[Tree, Words]) -> list[Words]:
    """What several letters stand for, those of any one layer together."""
    of_layers = {x: said(*words[:-1]) for x, words in meanings.items() if len(words) == 2 and words[-1] == LAYER}
    formulas = {x: words[0] for x, words in meanings.items() if len(words) == 1 and isinstance(words[0], Tree)}
    found: list[Words] = [said(equation(x, tree)) for x, tree in formulas.items()]
    found += [said(x, " is ", words) for x, words in meanings.items() if x not in of_layers and x not in formulas]
    if of_layers:
        names = [plain_text(words) for words in of_layers.values()]
        roles = together_in_words([name.removesuffix(" of layer ").removesuffix(" into layer ") for name in names])
        is_are = " is " if len(of_layers) == 1 else " are "
        found.append(said(together_in_words([*of_layers]), is_are, roles, " of layer ", LAYER))
    return found


def plain_text(words: Words) -> str:
    return "".join([part for part in pieces(words) if isinstance(part, str)])


def is_of(x: Symbol, general: Symbol) -> bool:
    """Whether a symbol is another, or that of one layer where the other is of any."""
    same = (x.base, x.mark) == (general.base, general.mark)
    at_layer = general.layer == x.layer or (general.layer in ANY and x.layer)
    below = general.below == x.below or (general.below[:1] and general.below[0] in ANY and x.below)
    return bool(same and at_layer and below)


def in_short(words: Words) -> Words:
    """The first part of a sentence."""
    first, *rest = pieces(words)
    if not isinstance(first, str):
        return words
    for place, part in enumerate([first, *rest]):
        if (
            isinstance(part, str)
            and (cut := min([part.find(sign) for sign in (",", ":") if sign in part], default=-1)) >= 0
        ):
            return said(*[first, *rest][:place], part[:cut])
    return words


def foreign(shown: Sequence[Block]) -> Iterator[Symbol]:
    """Every symbol of some blocks, those of derivatives too."""
    for tree in trees_in(shown):
        yield from symbols_in(tree)

"""A page with the numbers that formulas give, and the digits that these have, where the engine's have fewer."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.forward import tangents_of
from chainrule.core.graph import gradients_of
from chainrule.core.operation import book
from chainrule.core.state import Quiet
from chainrule.core.term import constant, symbol
from chainrule.derivation.checked import CANCELLED, Checking, symbols_in, without_numbers
from chainrule.derivation.equations import TOO_FEW_DIGITS, Show, once, proved
from chainrule.derivation.fitting import blocks_of, fit, piece_of, result_alone
from chainrule.derivation.formats.displayed import MOST_LINES, lines_of
from chainrule.derivation.meaning import NUDGES, RESULTS, direction, intuition_of_sign, of_a_step
from chainrule.derivation.notation import derivative
from chainrule.derivation.pitfalls import is_invariant
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Known, Note, Paragraph, Table, rebuilt
from chainrule.derivation.request import Request
from chainrule.derivation.scalars.graph import entry_symbol
from chainrule.derivation.tape.nodes import numbers_of
from chainrule.derivation.tape.rounding import moved_in
from chainrule.derivation.tape.tape import Tape, size_of
from chainrule.derivation.tape.ties import untied
from chainrule.derivation.words import ZERO, Words, pieces, said, text_of
from chainrule.errors import UNFIT
from chainrule.maths import Derivative, Number, Relation, Tree
from chainrule.maths.check import ADDS, AMPLIFIED, EPSILON, LEFT, NEARLY, ROUNDING, as_written, loose, place_shown
from chainrule.maths.of_terms import readable
from chainrule.maths.tree import equation, has_letters
from chainrule.maths.values import Values, value
from chainrule.program import term_of
from chainrule.rewrite import shortest

MOST_ENTRIES = 12
"""Entries of an array, each of which gets a letter where the derivative in one of them is looked for."""
UNKNOWN = "rounding leaves too few digits to say what a small change does"
"""What a result says to do of which nothing is left."""
MOST_STEPS = 100
"""Steps of a computation of which a derivative in symbols is looked for where terms cancel out."""


def with_own_digits(
    tape: Tape, request: Request, found: Derivation, checking_of: Callable[[Mapping[Tree, Any]], Checking]
) -> Derivation:
    """A page on which a derivative is what its formula gives, where terms of the engine's cancel out."""
    if not cancels(tape):
        return found
    asked = [(request.wrt, request.entry or ())] if request.wrt is not None else [(x, ()) for x in asked_for(tape)]
    # Of a number that is 0 by invariance it is known what there is of it.
    if any([np.ndim(gradient_at(tape, *x)) or is_invariant(tape, *x) for x in asked]):
        return found
    names = [derivative(tape.symbols[tape.output], entry_symbol(tape, *x)) for x in asked]
    formulas = [x for x in [in_leaves(tape, *x) for x in asked] if x is not None]
    if len(formulas) < len(asked):
        return found
    output, digits = tape.symbols[tape.output], request.digits
    engines, slopes, openings = dict[Tree, Any](), dict[Tree, Any](), dict[Tree, Sequence[Block]]()
    for name, (node, place), formula in zip(names, asked, formulas, strict=True):
        engines[name] = gradient_at(tape, node, place)
        rounding = partial(moved_in, tape.lifted, node)
        slopes[name] = settled(formula, engines[name], tape.environment, largest_share(tape), rounding)
    checking = checking_of(ChainMap[Tree, Any](slopes, tape.environment))
    own = with_numbers_of_formulas(found, output, engines, slopes, digits, request.nudge)
    for name, formula in zip(names, formulas, strict=True):
        openings[name] = checking.of([once(proved([name, formula], None, slopes[name], digits=digits))])
        own = with_digits_of(openings[name], name, own)
    if (own.title, own.short, own.story) == (found.title, found.short, found.story):
        return found
    known = tuple([Known(x.symbol, numbers_of(slopes[x.symbol])) if x.symbol in slopes else x for x in own.known])
    opening = [x for blocks in openings.values() for x in blocks]
    return replace(own, short=opened_by(opening, own.short), story=(*opening, *own.story), known=known)


def asked_for(tape: Tape) -> list[Any]:
    """What the derivatives of a page are in that is asked for in several at once."""
    return list(tape.wrt) or [x for x in tape.order if x.op is None and x in tape.gradients]


def opened_by(opening: Sequence[Block], short: Sequence[Block]) -> tuple[Block, ...]:
    """A short answer with the formulas of derivatives in place of other equations of them, as far as there is room."""
    names = {x.sides[0] for x in opening if isinstance(x, Equation)}
    told = [x for x in short if isinstance(x, Equation) and x.sides[0] not in names]
    letters = {letter for x in told for side in x.sides for letter in symbols_in(side)}
    words = [x for x in short if not isinstance(x, Equation) and (not is_legend(x) or letters & letters_of(x))]
    shown = [piece_of([(x,), ()], i) for i, x in enumerate(told)]
    shown += [piece_of([(x,), (result_alone(x),)], len(told), is_firm=True) for x in opening if isinstance(x, Equation)]
    fit(shown, MOST_LINES - sum(map(lines_of, words)))
    return (*blocks_of(shown), *words)


def letters_of(legend: Block) -> set[Tree]:
    """The letters that words say the meaning of."""
    assert isinstance(legend, Paragraph)
    return {x.sides[0] for x in pieces(legend.text) if isinstance(x, Relation)}


def gradient_at(tape: Tape, node: Any, place: tuple[int, ...]) -> Any:
    """The gradient in an entry of a node."""
    return np.asarray(tape.gradients[node])[place]


def cancels(tape: Tape) -> bool:
    """Whether terms nearly cancel out, of a short computation or of what is handed back in it. O(entries)."""
    if len(tape.order) > MOST_STEPS:
        return False
    added = [node for node in tape.path if node.op is not None and node.op.name in ADDS]
    sums = [(tape.numbers[node], tape.inputs(node)) for node in added]
    shares: dict[Any, list[Any]] = {}
    for arrival in tape.arrivals:
        shares.setdefault(arrival.node, []).append(arrival.contribution)
    sums += [(tape.gradients[node], terms) for node, terms in shares.items() if len(terms) > 1]
    with Quiet():
        return any([np.any(np.abs(x) * NEARLY < largest_term(terms)) for x, terms in sums])


def largest_term(terms: Sequence[Any]) -> Any:
    """The size of the largest of some terms, entry by entry."""
    return np.max(np.abs(np.stack(np.broadcast_arrays(*terms))), axis=0)


def largest_share(tape: Tape) -> float:
    """The largest of the engine's contributions, which may cancel out but for rounding."""
    return max(filter(np.isfinite, [size_of(x.contribution) for x in tape.arrivals]), default=0.0)


def in_leaves(tape: Tape, node: Any, place: tuple[int, ...]) -> Tree | None:
    """The derivative in an entry of a node as a formula of what the computation starts from; None where it has none."""
    if place and np.size(tape.numbers[node]) > MOST_ENTRIES:
        return None
    lifted, trees, numbers = tape.lifted, dict[Any, Tree](), dict[Any, Any]()

    def letter(x: Any, at: tuple[int, ...]) -> Any:
        """A letter for all of a node, or for one of its entries."""
        found = symbol(f"{lifted.step[x].place}{list(at)}", () if at else np.shape(tape.number_of(x)))
        trees[found], numbers[found] = entry_symbol(tape, x, at), np.asarray(tape.number_of(x))[at]
        return found

    letters = dict[Any, Any]()
    for step, x in zip(lifted.program.steps, lifted.nodes, strict=True):
        if x is node and place:
            entries = [letter(x, at) for at in np.ndindex(step.shape)]
            letters[step] = book["reshape"](book["stack"](*entries, axis=0), shape=step.shape)
        elif x is node or (step.op is None and tape.own_name(x) is not None):
            letters[step] = letter(x, ())
        elif step.op is None:
            letters[step] = constant(x.data) if step.shape else float(x.data)
    try:
        term = term_of(lifted.program.output, letters)
        if place:
            slope = tangents_of([letter(node, place)], [constant(1.0)], [term], record=True)[0]
        else:
            slope = gradients_of([term], [constant(1.0)], [letter(node, place)], record=True)[0]
        return readable(shortest(untied(slope, numbers)).term, trees)
    except UNFIT:
        return None


def settled(
    formula: Tree,
    number: Any,
    environment: Mapping[Tree, Any],
    largest: float,
    rounding: Callable[[], float] | None,
) -> Any:
    """The engine's number of a derivative, or the formula's own, where the engine's is what rounding left.

    Without a `rounding`, entries of a gradient are compared with what the graph says of each of them.
    """
    number = as_written(formula, number, environment)
    with Quiet():
        values = Values(environment)
        ours = values.array(formula)
        is_compared = rounding is None and np.ndim(number)
        if is_compared or ours.size != np.size(number) or not np.all(np.isfinite(ours)):
            return number
        ours = ours.reshape(np.shape(number))
        apart = np.abs(ours - number)
        # The engine's terms may cancel out where those of the formula do not.
        is_off = apart > loose(formula, ours, values)
        residue = AMPLIFIED * EPSILON * largest
        if not np.any(is_off) or np.max(apart) > max(residue, 0.0 if rounding is None else rounding()):
            return number
    return np.where(is_off, ours, number)[()]


def with_numbers_of_formulas(
    base: Derivation,
    output: Tree,
    engines: Mapping[Any, Any],
    settled: Mapping[Any, Any],
    digits: int,
    nudge: float,
) -> Derivation:
    """A page on which derivatives have the numbers of their formulas alone, where others have fewer digits."""
    only = next(iter(settled)) if len(settled) == 1 else None
    if only is not None and not np.ndim(settled[only]):
        base = replace(base, gradient=float(settled[only]))

    def seen(x: Any) -> Any:
        if not isinstance(x, Equation | Relation) or not isinstance(name := x.sides[0], Derivative):
            return None
        # What is added up there line by line is none yet.
        is_sum = isinstance(x, Equation) and ":" in x.between
        if is_sum or name not in settled:
            return x
        if has_letters(last := x.sides[-1]):
            # Its letters stand for what the engine has.
            if isinstance(x, Relation) or not is_off(engines[name], settled[name]):
                return x
            return without_numbers(x, TOO_FEW_DIGITS) if x.numbers or not x.note else x
        if is_shown(last, settled[name], x.digits if isinstance(x, Equation) else digits):
            return x
        if not np.any(value(last, {})) and np.array_equal(engines[name], settled[name]):
            return x  # It is said there that rounding left what the computer has.
        if isinstance(x, Relation):
            return name if np.ndim(settled[name]) else equation(name, Show(digits)(settled[name]))
        return without_numbers(replace(x, note="") if x.sides[-1] == Number("0") else x, TOO_FEW_DIGITS)

    title, story, short = rebuilt((base.title, base.story, base.short), seen)
    is_no_0 = any([not np.ndim(slope) and slope and not engines[name] for name, slope in settled.items()])
    if (title, short) == (base.title, base.short) and not is_no_0:
        return replace(base, story=story)
    story, short = without_nudges(without_zero(story)), without_zero(short)
    # What the engine's number would say of a step is another thing.
    short = without_steps(short)
    for name, slope in settled.items():
        story = with_intuition(story, name, intuition_of_sign(slope))
    if only is not None:
        short = (*short, Paragraph(meaning_of(output, only.below, settled[only], digits, nudge)))
    return replace(base, title=title, story=story, short=short)


def meaning_of(output: Tree, below: Tree, slope: Any, digits: int, nudge: float) -> Words:
    """What a derivative says of a small step."""
    if np.ndim(slope):
        return direction(output, slope, digits)
    return of_a_step(output, below, float(slope), nudge, is_bent=True)


def with_digits_of(opening: Sequence[Block], name: Tree, base: Derivation) -> Derivation:
    """A page whose title has the digits that a derivative has; where it has none, nothing is made of its number."""
    told = next((x for x in opening if isinstance(x, Equation) and x.sides[0] == name), None)
    if told is None:
        return base
    is_lost = not told.numbers and any([words in text_of(told.note) for words in (CANCELLED, TOO_FEW_DIGITS)])

    def seen(x: Any) -> Any:
        if not isinstance(x, Relation) or x.sides[0] != name or not (told.numbers or is_lost):
            return None
        return name if is_lost else equation(name, told.sides[-1])

    base = replace(base, title=rebuilt(base.title, seen))
    if not is_lost:
        return base
    words = said("Rounding leaves too few digits of ", name, " to say what a step does.")
    short = (*without_steps(without_zero(base.short)), Paragraph(words))
    story = rebuilt(without_nudges(without_zero(base.story)), partial(without_number_of, name))
    story = with_intuition(story, name, UNKNOWN)
    return replace(base, story=story, short=short)


def without_number_of(name: Tree, x: Any) -> Any:
    """An equation that says the number of a derivative without it; None for what an equation may be in."""
    if not isinstance(x, Equation):
        return None
    is_said = x.numbers and x.sides[0] == name and ":" not in x.between
    return without_numbers(x, TOO_FEW_DIGITS) if is_said else x


def with_intuition(story: Any, name: Tree, words: str) -> Any:
    """A story in which the result of a derivative says something else to do."""

    def row_of(row: tuple[Words | Equation, ...]) -> tuple[Words | Equation, ...]:
        return (row[0], words) if isinstance(row[0], Equation) and row[0].sides[0] == name else row

    def seen(x: Any) -> Any:
        if isinstance(x, Equation | Tree):
            return x
        return replace(x, rows=tuple(map(row_of, x.rows))) if isinstance(x, Table) and x.columns == RESULTS else None

    return rebuilt(story, seen)


def is_off(engine: Any, slope: Any) -> bool:
    """Whether the engine has other digits of a derivative than its formula, by more than a page says nothing of."""
    with Quiet():
        return bool(np.any(np.abs(engine - slope) > unsaid(slope)))


def is_shown(shown: Tree, slope: Any, digits: int) -> bool:
    """Whether the result of an equation is this derivative in the digits that it shows."""
    number = np.asarray(value(shown, {}), dtype=float)
    if number.size != np.size(slope) or (number.size == 1 and bool(np.any(number)) != bool(np.any(slope))):
        return False
    allowed = place_shown(shown, digits) * (1 + ROUNDING) + unsaid(slope)
    # It may stand there in either layout.
    turned = [np.reshape(x, number.shape) for x in (slope, np.transpose(slope))]
    with Quiet():
        near = [np.all((np.abs(number - x) <= allowed) | (number == x)) or np.any(np.isnan(x)) for x in turned]
    return any(near)


def unsaid(slope: Any) -> Any:
    """How far a derivative may be off without a word."""
    return ROUNDING * np.max(np.abs(slope), initial=0.0) + LEFT


def without_steps(short: Sequence[Block]) -> tuple[Block, ...]:
    """A short answer that says nothing of what a step does."""
    return tuple([x for x in short if not isinstance(x, Paragraph) or is_legend(x)])


def without_zero(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Blocks that do not say why a gradient is 0 which is not."""
    return tuple([x for x in blocks if not (isinstance(x, Note) and text_of(x.text).startswith(ZERO))])


def without_nudges(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Blocks that do not compare what nudges change with a derivative that the engine does not have."""
    found, is_left_out = list[Block](), False
    for x in blocks:
        if isinstance(x, Heading):
            is_left_out = x == NUDGES
            found += [
                x,
                Note("Rounding leaves too few digits here to compare nudges with the derivative."),
            ] * is_left_out
        if not is_left_out:
            found.append(x)
    return tuple(found)


def is_legend(block: Block) -> bool:
    """Whether words say what letters stand for."""
    return isinstance(block, Paragraph) and block.text[0] == "Here "

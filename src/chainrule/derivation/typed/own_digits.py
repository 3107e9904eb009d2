"""A typed page with the numbers that formulas give, and the digits that these have, where the engine's have fewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.derivation.checked import CANCELLED, without_numbers
from chainrule.derivation.equations import TOO_FEW_DIGITS, Show
from chainrule.derivation.meaning import direction, of_a_step
from chainrule.derivation.record import Block, Derivation, Equation, Note, Paragraph, rebuilt
from chainrule.derivation.words import ZERO, Words, said, text_of
from chainrule.maths import Derivative, Number, Relation, Tree
from chainrule.maths.check import LEFT, ROUNDING, place_shown
from chainrule.maths.tree import equation, has_letters
from chainrule.maths.values import value


def with_numbers_of_formulas(
    base: Derivation,
    output: Tree,
    engines: Mapping[Derivative, Any],
    settled: Mapping[Derivative, Any],
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
            return without_numbers(x, TOO_FEW_DIGITS)
        if is_shown(last, settled[name], x.digits if isinstance(x, Equation) else digits):
            return x
        if not np.any(value(last, {})) and np.array_equal(engines[name], settled[name]):
            return x  # It is said there that rounding left what the computer has.
        if isinstance(x, Relation):
            return name if np.ndim(settled[name]) else equation(name, Show(digits)(settled[name]))
        return without_numbers(replace(x, note="") if x.sides[-1] == Number("0") else x, TOO_FEW_DIGITS)

    title, story, short = rebuilt((base.title, base.story, base.short), seen)
    is_no_zero = only is not None and not np.ndim(settled[only]) and settled[only] and not engines[only]
    if (title, short) == (base.title, base.short) and not is_no_zero:
        return replace(base, story=story)
    story, short = without_zero(story), without_zero(short)
    # What the engine's number would say of a step is another thing.
    short = without_steps(short)
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
    return replace(base, story=without_zero(base.story), short=short)


def is_off(engine: Any, slope: Any) -> bool:
    """Whether the engine has other digits of a derivative than its formula, by more than a page says nothing of."""
    with Quiet():
        return bool(np.any(np.abs(engine - slope) > unsaid(slope)))


def is_shown(shown: Tree, slope: Any, digits: int) -> bool:
    """Whether the result of an equation is this derivative in the digits that it shows."""
    number = np.asarray(value(shown, {}), dtype=float)
    if number.size != np.size(slope):
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


def is_legend(block: Block) -> bool:
    """Whether words say what letters stand for."""
    return isinstance(block, Paragraph) and block.text[0] == "Here "

"""What the letters of a short answer stand for that are neither the user's nor computed there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.derivation.arrays import is_written
from chainrule.derivation.checked import symbols_in
from chainrule.derivation.equations import Show
from chainrule.derivation.formats.displayed import WIDTH, lines_of
from chainrule.derivation.in_names import InNames
from chainrule.derivation.notation import LAYER
from chainrule.derivation.record import Block, Equation, Meaning, Paragraph, trees_in
from chainrule.derivation.tape.marks import places_of
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import Words, listed, pieces, said, together_in_words
from chainrule.maths import Symbol, Tree
from chainrule.maths.tree import equation

MOST_LETTERS = 5
"""Lines of the sentence on what letters stand for that may say how each of them was computed."""
LEAST = len("v1=x; ")
"""Characters of what is said of a letter."""
ANY = ("l", "L")
"""What stands for any layer, and for the last."""


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
        if numbered in tape.gates and letter not in own:
            own.add(letter)
            meanings[letter] = said(tape.gates[numbered])
            continue
        normalised = "" if named is None or numbered is None or letter in own else named.normalised(numbered)
        if normalised:
            own.add(letter)
            meanings[letter] = normalised
            waiting += [x.whole for x in foreign([Paragraph(normalised)])]
            continue
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
    if node in tape.marks:
        return places_of(numbers)
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

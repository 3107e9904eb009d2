"""A formula that was typed, what is given beside it, and what it is differentiated in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.term import Term, symbol
from chainrule.errors import FormulaError, closest
from chainrule.expression import Assignments, output_name, read_assignments, read_given
from chainrule.expression.arguments import names_of as wrt_of
from chainrule.expression.arguments import shapes_of, values_of
from chainrule.expression.typed.caret import error_at
from chainrule.expression.typed.given import Given, name_of
from chainrule.expression.typed.parsed import Step
from chainrule.maths import Symbol, Tree
from chainrule.maths.names import symbols_for
from chainrule.printable import in_words

Shape = tuple[int, ...]
ENTRY = re.compile(r"\s*(?P<name>[^\[\],\s]+)\s*\[(?P<place>[^\[\]]*)\]\s*")
ENTRY_OF_SEVERAL = re.compile(r"[^\[\],\s]+\s*\[[^\[\]]*\]")


@dataclass(frozen=True)
class TypedFormula:
    """A formula, or several assignments, with values and shapes, and the names it is differentiated in."""

    parsed: Assignments
    names: tuple[str, ...]
    """What is given; names that lines compute are not among them."""
    values: dict[str, Any]
    """Floats and arrays, by name."""
    shapes: dict[str, Shape]
    """Of every name, computed ones too; one without a value and a shape is a number."""
    wrt: tuple[str, ...]
    entry: Shape | None
    """The place of the one entry that was asked for."""
    how: Callable[[Sequence[str]], str]
    """What to do to give names a value, where the formula was given."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The names without a value."""
        return tuple([name for name in self.names if name not in self.values])

    @property
    def wanted(self) -> str:
        """What to do to give those a value."""
        return self.how(self.missing)

    def require_numbers(self, reason: str) -> None:
        """Refuse a name without a value; `reason` says what needs one."""
        if self.missing:
            has = "has" if len(self.missing) == 1 else "have"
            raise self.wrong(f"{reason}, and {in_words(self.missing)} {has} none: {self.wanted}")

    @property
    def output(self) -> str:
        """A name for the result: its own, or a letter."""
        return self.parsed.output or output_name(self.names)

    def size(self, name: str) -> int:
        return math.prod(self.shapes[name])

    @cached_property
    def symbols(self) -> dict[str, Symbol]:
        """All names of the page as symbols, the result's among them: no two look alike."""
        return symbols_for({**self.shapes, self.output: ()})

    def symbol(self, name: str) -> Symbol:
        """A name as the explanation writes it."""
        return self.symbols[name]

    @cached_property
    def letters(self) -> dict[Term, Tree]:
        """The symbol of each unknown of a formula."""
        return {symbol(name, shape): self.symbols[name] for name, shape in self.shapes.items()}

    def values_at(self, name: str) -> dict[str, Any]:
        """The values, and that of a name that a line computes: it then stands in the line's place."""
        return (
            self.values if name in self.values else {**self.values, name: dict(self.parsed.results(self.values))[name]}
        )

    def term_in(self, name: str) -> Any:
        """The result on symbols, of which the name is one though a line computes it."""
        *_, term = self.terms(*[name] if name in self.parsed.computed else []).values()
        return term

    def terms(self, *free: str) -> dict[str, Any]:
        """What each line computes, on symbols; names that are `free` are symbols too, though a line computes them."""
        letters = {name: symbol(name, self.shapes[name]) for name in (*self.names, *free)}
        return dict(self.parsed.results(letters))

    def check_direction(self, direction: Mapping[str, Any], items: Mapping[str, Item]) -> None:
        """Refuse a direction in other names or other shapes; `items` are how each was given."""
        for name, moved in direction.items():
            item, at = items[name]
            if name not in self.names and name not in self.parsed.computed:
                raise not_there(item, at, name, self.wrt)
            if name not in self.wrt:
                problem = f"the derivative is in {in_words(self.wrt)}, and a direction in {name} moves none of these"
                raise error_at(item, 0, len(item), problem)
            if moved is None or np.shape(moved) != self.shapes[name]:
                given = "no numbers" if moved is None else np.shape(moved) or "a number"
                problem = f"a direction in {name} has its shape, {self.shapes[name] or 'a number'}, and not {given}"
                raise error_at(item, 0, len(item), problem)

    def read_direction(self, text: str) -> dict[str, Any]:
        """The values of a direction, by name, as ``x=1 y=[0, 2]``; names that are not moved may be left out."""
        items = {name_of(item)[0]: Item(item, 0) for item in split_items(text)}
        given = read_given([item.text for item in items.values()])
        direction = {name: given.values.get(name) for name in items}
        self.check_direction(direction, items)
        return direction

    def wrong(self, problem: str) -> FormulaError:
        """The error for the formula as a whole."""
        return error_at(self.parsed.text, 0, len(self.parsed.text), problem)


def read_formula(text: str, items: Sequence[str], wrt: str) -> TypedFormula:
    """Read what was typed; FormulaError, with a caret under the place, for what cannot be meant.

    >>> from chainrule.derivation.typed.formula import read_formula
    >>> typed = read_formula("sum(W @ x)", ["W:3x2", "x=[1, 2]"], "W[2, 1]")
    >>> typed.missing, typed.shapes, typed.wrt, typed.entry
    (('W',), {'W': (3, 2), 'x': (2,)}, ('W',), (2, 1))
    """
    parsed = read_assignments(text)
    names = names_of(parsed, {name_of(item)[0]: Item(item, len(item) - len(item.lstrip())) for item in items})
    return typed_formula(parsed, names, read_given(items), wrt, as_items)


def formula_from(text: str, values: Any, shapes: Any, wrt: Any) -> TypedFormula:
    """What a program gives: a formula as text, mappings from its names, and a name, an entry or several names.

    >>> from chainrule.derivation.typed.formula import formula_from
    >>> typed = formula_from("sum(W @ x)", {"x": [1, 2]}, {"W": (3, 2)}, ["W", "x"])
    >>> typed.missing, typed.shapes, typed.wrt, typed.wanted
    (('W',), {'W': (3, 2), 'x': (2,)}, ('W', 'x'), 'add W to values')
    """
    parsed = read_assignments(text)
    given = Given(values_of(values), shapes_of(shapes))
    items = {**items_of("shapes", given.shapes), **items_of("values", given.values)}
    for name in given.shapes:
        if name in given.values:
            item = items[name].text
            raise error_at(item, 0, len(item), f"{name} is given twice, by a value and by a shape")
    return typed_formula(parsed, names_of(parsed, items), given, ", ".join(wrt_of("wrt", wrt)), as_arguments)


class Item(NamedTuple):
    """How something was given for a name: the text that an error shows, and where the name stands in it."""

    text: str
    at: int


def items_of(argument: str, given: Iterable[str]) -> dict[str, Item]:
    """What a program gives by name in one argument, as it is written in Python."""
    return {name: Item(f"{argument}[{name!r}]", len(argument) + 2) for name in given}


def as_items(names: Sequence[str]) -> str:
    """How names get a value on the command line."""
    return f"add {' '.join([f'{name}=…' for name in names])}"


def as_arguments(names: Sequence[str]) -> str:
    """How names get a value in a program."""
    return f"add {in_words(names)} to values"


def names_of(parsed: Assignments, given: Mapping[str, Item]) -> tuple[str, ...]:
    """The names of a formula as they come in it; refused where it has none, or not those that are `given`."""
    own = {*parsed.names, *[name for name in parsed.constants if name in given]}
    names = tuple(dict.fromkeys([x.name for line in parsed.lines for x in line.formula.steps if x.name in own]))
    if not names:
        problem = "nothing to differentiate in: the formula has numbers alone, and no name"
        raise error_at(parsed.text, 0, len(parsed.text), problem)
    for name, (item, at) in given.items():
        if name in parsed.computed:
            raise error_at(item, 0, len(item), f"{name} is computed by a line: leave its value out")
        if name not in names:
            raise not_there(item, at, name, names)
    return names


def typed_formula(
    parsed: Assignments, names: tuple[str, ...], given: Given, wrt: str, how: Callable[[Sequence[str]], str]
) -> TypedFormula:
    """A formula with the values and shapes of its names, differentiated in those that `wrt` tells, or in all."""
    shapes = {name: tuple(np.shape(given.values.get(name, 0.0))) for name in names} | given.shapes
    steps = parsed.computed[:-1] if parsed.output else parsed.computed
    if steps:
        try:
            found = dict(parsed.results({name: symbol(name, shapes[name]) for name in names}))
        except FormulaError:
            if any([name not in given.values for name in parsed.names]):
                raise
            found = dict(parsed.results(given.values))
        shapes |= {name: tuple(getattr(found[name], "shape", ())) for name in steps}
    if ".T" in parsed.text:
        refuse_turned_vectors(parsed, {name: symbol(name, shapes[name]) for name in names})
    chosen, entry = chosen_from(wrt, (*names, *steps), shapes) if wrt.strip() else (names, None)
    return TypedFormula(parsed, names, given.values, shapes, chosen, entry, how)


def refuse_turned_vectors(parsed: Assignments, letters: dict[str, Any]) -> None:
    """Refuse the transpose of a vector on the right of a product: it is the vector itself, and x @ x.T no matrix."""
    for line in parsed.lines:
        found = line.formula.results(letters)
        letters = {**letters, line.name: found[-1]}
        for step in line.formula.steps:
            turned = line.formula.steps[step.inputs[1]] if called(step) == "matmul" else None
            if (
                turned is None
                or called(turned) != "transpose"
                or len(getattr(found[turned.inputs[0]], "shape", ())) != 1
            ):
                continue
            left, right = [line.formula.source(line.formula.steps[i]) for i in (step.inputs[0], turned.inputs[0])]
            problem = f"{right} is a vector, and {right}.T is {right} itself, so this is one number: "
            problem += f"write outer({left}, {right}) for the matrix of all products, or {left} @ {right} for their sum"
            raise line.formula.error(turned, problem)


def called(step: Step) -> str:
    """The name of a step's function."""
    return getattr(step.function, "__name__", "")


def split_items(text: str) -> list[str]:
    """``x=1 y=[0, 2]`` as its parts: a space ends one, outside of brackets."""
    found, depth = [""], 0
    for sign in text.strip():
        depth += (sign in "([") - (sign in ")]")
        if depth <= 0 and sign.isspace():
            found += [""] if found[-1] else []
        else:
            found[-1] += sign
    return found


def read_weights(text: str) -> Any:
    """The weights of a vector's entries, as ``[1, 2]``."""
    return read_given([f"weights={text.strip()}"]).values["weights"]


def not_there(text: str, start: int, name: str, names: Sequence[str]) -> FormulaError:
    """The error for a name that the formula does not have."""
    near = closest(name, names)
    hint = f"did you mean {near}?" if near else f"it has {', '.join(names)}"
    return error_at(text, start, start + len(name), f"the formula has no {name}: {hint}")


def chosen_from(wrt: str, names: Sequence[str], shapes: dict[str, Shape]) -> tuple[tuple[str, ...], Shape | None]:
    """The names in ``x``, ``x, y`` or ``W[0, 1]``, and the place of the entry."""
    entry = ENTRY.fullmatch(wrt)
    if entry:
        name = entry["name"]
        if name not in names:
            raise not_there(wrt, entry.start("name"), name, names)
        return (name,), place_in(wrt, entry, shapes[name])
    if several := ENTRY_OF_SEVERAL.search(wrt):
        problem = "an entry is asked for alone: ask for this one, or for whole names"
        raise error_at(wrt, *several.span(), problem)
    chosen: list[str] = []
    for part in re.finditer(r"[^,\s]+", wrt):
        if part[0] not in names:
            raise not_there(wrt, part.start(), part[0], names)
        chosen.append(part[0])
    if not chosen:
        raise error_at(wrt, 0, len(wrt), f"a name is missing: the formula has {', '.join(names)}")
    return tuple(dict.fromkeys(chosen)), None


def place_in(wrt: str, entry: re.Match[str], shape: Shape) -> Shape:
    """The place of an entry; negative numbers count from the end."""
    start, stop = entry.span("place")
    if not re.fullmatch(r"\s*-?\d{1,9}\s*(,\s*-?\d{1,9}\s*)*", entry["place"]):
        raise error_at(wrt, start, stop, "an entry has whole numbers with commas between, as W[0, 1]")
    place = [int(part) for part in entry["place"].split(",")]
    if not shape:
        raise error_at(wrt, start - 1, stop + 1, f"{entry['name']} is a number: it has no entries")
    if len(place) != len(shape) or not all(-n <= i < n for i, n in zip(place, shape, strict=True)):
        raise error_at(wrt, start, stop, f"{entry['name']} has shape {shape}, and no such entry; places count from 0")
    return tuple([i % n for i, n in zip(place, shape, strict=True)])

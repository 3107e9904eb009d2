"""Several assignments, typed one after the other: ``h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.graph import backward_order
from chainrule.core.operation import book, is_node
from chainrule.core.tensor import Tensor
from chainrule.expression.typed.caret import error_at
from chainrule.expression.typed.functions import in_a_list
from chainrule.expression.typed.given import name_of
from chainrule.expression.typed.parse import read
from chainrule.expression.typed.parsed import Parsed
from chainrule.maths.tree import COMPARISONS

OUTPUTS = ("f", "F", "g", "G", "output")
"""Letters for a result without a name; the first that the formula does not use."""

COMPARED = frozenset([book[name] for name in COMPARISONS])


@dataclass(frozen=True, slots=True)
class Line:
    """A formula and the name of its result; the last line of all may have none."""

    name: str
    formula: Parsed


@dataclass(frozen=True, slots=True)
class Assignments:
    """Lines in the order in which they run; the last is the result. A formula alone is one line without a name."""

    text: str
    lines: tuple[Line, ...]
    names: tuple[str, ...]
    """What no line computes, in order of appearance."""
    constants: tuple[str, ...]
    """The names among ``pi``, ``π`` and ``e`` that occur."""

    @property
    def computed(self) -> tuple[str, ...]:
        """The names that lines compute, the result's too if it has one."""
        return tuple([line.name for line in self.lines if line.name])

    @property
    def output(self) -> str:
        """The name of the result, or nothing."""
        return self.lines[-1].name

    @property
    def has_lists(self) -> bool:
        """Whether a line has a list in it, and so arrays where all that is given are numbers."""
        return any([step.function is in_a_list for line in self.lines for step in line.formula.steps])

    @property
    def compares(self) -> bool:
        """Whether a line has a comparison: of Values it is plain truth, and of Tensors a step that is recorded."""
        return any([step.function in COMPARED for line in self.lines for step in line.formula.steps])

    def results(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """What each line gives; a value that is given for a line's name stands in its place."""
        known = dict(values)
        for line in self.lines:
            if line.name not in values:
                known[line.name] = line.formula.run(known)
            yield line.name, known[line.name]

    def run(self, values: Mapping[str, Any]) -> Any:
        """The result with these values, of whatever kind they are.

        >>> from chainrule.expression import read_assignments
        >>> read_assignments("h = w*x; h**2").run({"w": 2.0, "x": 3.0})
        36.0
        """
        *_, (_, result) = self.results(values)
        return result

    def record(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """The names and lines as labelled nodes, and the result: Values where all are numbers, and else Tensors.

        Equal parts are one node, but for those that two lines give names. O(length).

        >>> from chainrule.expression import read_assignments
        >>> nodes, result = read_assignments("c = a*b; d = a*b; c + 2*d").record({"a": 2.0, "b": 3.0})
        >>> result.data, nodes["c"].label, nodes["d"].label
        (18.0, 'c', 'd')
        """
        scalar = not (self.has_lists or self.compares or any(map(np.ndim, values.values())))
        nodes, result = self.recorded(values, scalar)
        # A function of the book may compare too, as one that jumps is made of: what it chose by is recorded then.
        return self.recorded(values, False) if scalar and chooses(result) else (nodes, result)

    def recorded(self, values: Mapping[str, Any], scalar: bool) -> tuple[dict[str, Any], Any]:
        """The same as Values, or as Tensors."""
        nodes: dict[str, Any] = {
            name: Value(values[name], label=name)
            if scalar
            else Tensor(values[name], dtype=float, requires_grad=True, label=name)
            for name in (*self.names, *self.constants)
            if name in values
        }
        shared, result = dict[Any, Any](), None
        for line in self.lines:
            found = line.formula.results(nodes, shared)
            result = found[-1]
            if is_node(result) and result.label:
                # One thing under two names is two: a formula of one name alone hands that on.
                alone = line.formula.steps[-1].function is None
                result = book["identity"](result) if alone else line.formula.last(found)
            if is_node(result) and not result.label:
                result.label = line.name or output_name(self.names)
            nodes[line.name] = result
        return nodes, result


def chooses(result: Any) -> bool:
    """Whether something on the way to a result was chosen between two."""
    return is_node(result) and any([x.op is book["where"] for x in backward_order([result])])


def read_assignments(text: str, *, own_names: bool = False) -> Assignments:
    """Read lines, or parts between semicolons, of the form ``name = formula``; the last may be a formula alone.

    With `own_names` a result may be called as a function is that no line calls, such as ``var``. Raises FormulaError,
    with a caret under the place, for what cannot be read, for a name that is computed twice, and for one that is used
    before it is computed. O(length).

    >>> from chainrule.expression import read_assignments
    >>> lines = read_assignments("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2")
    >>> lines.names, lines.computed, lines.output
    (('w1', 'x', 'w2', 'y'), ('h', 'yhat', 'L'), 'L')
    """
    pieces = [piece.strip() for piece in split(text) if piece.strip()] or [text]
    lines: list[Line] = []
    names: dict[str, None] = {}
    constants: dict[str, None] = {}
    computed: set[str] = set()
    own = names_for_functions(text, pieces) if own_names else set[str]()
    for piece in pieces:
        line = read_line(piece, own)
        if not line.name and piece is not pieces[-1]:
            raise error_at(piece, 0, len(piece), "a line before the last needs a name for its result, as h = w*x")
        if line.name in computed:
            raise error_at(piece, 0, len(piece), f"{line.name} is computed twice: give the second another name")
        if line.name in names:
            raise error_at(piece, 0, len(piece), f"{line.name} is used before it is computed: put this line first")
        names.update(dict.fromkeys([name for name in line.formula.names if name not in computed]))
        if line.name in names:
            raise error_at(piece, 0, len(piece), f"{line.name} is computed from itself: give the result another name")
        constants.update(dict.fromkeys(line.formula.constants))
        computed.add(line.name)
        lines.append(line)
    return Assignments(text, tuple(lines), tuple(names), tuple([name for name in constants if name not in computed]))


def output_name(taken: Collection[str]) -> str:
    """A name for a result that the text gives none."""
    return next(name for name in (*OUTPUTS, "_".join((*OUTPUTS, *taken))) if name not in taken)


def names_for_functions(text: str, pieces: Collection[str]) -> set[str]:
    """The names before = that functions have and that no line calls."""
    before = {piece[: equals_sign(piece)].strip() for piece in pieces if equals_sign(piece) > 0}
    return {name for name in before if name.isidentifier() and f"{name}(" not in text.replace(" ", "")}


def read_line(piece: str, own: Collection[str] = ()) -> Line:
    """``name = formula``, or a formula alone."""
    at = equals_sign(piece)
    if at < 0:
        return Line("", read(piece, 0, own=own))
    name, sign = name_of(piece[: at + 1], own)
    if sign != at:
        raise error_at(piece, sign, at, f"one name stands before =, and here more follows {name}")
    return Line(name, read(piece[at + 1 :].strip(), 0, own=own))


def split(text: str) -> Iterator[str]:
    """The parts between semicolons and line ends; a line goes on while a bracket is open."""
    start = depth = 0
    for i, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if sign == ";" or (sign == "\n" and depth <= 0):
            yield text[start:i]
            start, depth = i + 1, 0
    yield text[start:]


def equals_sign(piece: str) -> int:
    """Where the sign of an assignment stands; -1 for a formula alone. Inside brackets = belongs to a setting."""
    depth = 0
    for i, sign in enumerate(piece):
        depth += (sign in "([") - (sign in ")]")
        if sign == "=" and depth == 0:
            beside = piece[max(i - 1, 0) : i] + piece[i + 1 : i + 2]
            return -1 if set(beside) & set("<>=!:") else i
    return -1

"""A formula that was read: steps that run on whatever operations run on, and know where they stand in the text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chainrule.core.operation import book
from chainrule.errors import UNFIT, FormulaError, ShapeError, closest
from chainrule.expression.typed.caret import error_at

CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e}
"""Names that stand for a number where no value of that name is given."""


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a formula: a number, a name, or a function of earlier steps.

    The part reaches from `start` to `stop` in the text; `place` is where its sign or the name of its function stands.
    """

    start: int
    stop: int
    place: tuple[int, int]
    number: float | None = None
    name: str = ""
    function: Callable[..., Any] | None = None
    inputs: tuple[int, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A formula that was read: its text, its free names in order of appearance, and its steps, the result last."""

    text: str
    names: tuple[str, ...]
    constants: tuple[str, ...]
    """The names among ``pi``, ``π`` and ``e`` that occur; a value given for one goes before."""
    steps: tuple[Step, ...]

    def run(self, values: Mapping[str, Any]) -> Any:
        """The result with these values: of floats a float, of arrays an array, of Values, Tensors or terms a node.

        Raises FormulaError, with a caret under the place, for a name without a value and for shapes that do not fit.

        >>> from chainrule.expression import parse
        >>> parse("x**3 - 3*x**2 + 2*x + 1").run({"x": 2.0})
        1.0
        """
        return self.results(values)[-1]

    def results(self, values: Mapping[str, Any], shared: dict[Any, Any] | None = None) -> list[Any]:
        """What each step gives; with `shared`, which remembers what was made, equal parts give one and the same."""
        found: list[Any] = []
        for step in self.steps:
            if step.function is not None:
                inputs = [found[i] for i in step.inputs]
                found.append(self.applied(step, inputs) if shared is None else self.once(step, inputs, shared))
            elif step.number is not None:
                found.append(step.number)
            else:
                found.append(self.value_of(step, values))
        return found

    def last(self, found: Sequence[Any]) -> Any:
        """The result made once more of what the steps before it gave."""
        *_, step = self.steps
        return self.applied(step, [found[i] for i in step.inputs])

    def value_of(self, step: Step, values: Mapping[str, Any]) -> Any:
        """What is given for a name, or the constant of that name."""
        if step.name in values:
            return values[step.name]
        if step.name in CONSTANTS:
            return CONSTANTS[step.name]
        near = closest(step.name, values)
        hint = f": {near} has one" if near else f": write {step.name}=… beside the formula"
        raise self.error(step, f"{step.name} has no value{hint}")

    def applied(self, step: Step, inputs: Sequence[Any]) -> Any:
        """A step's function on its inputs; what it complains about gets the place and the shapes."""
        assert step.function is not None
        try:
            if step.function is book["pow"] and inputs[0] is CONSTANTS["e"]:
                return book["exp"](inputs[1])  # eˣ is written so, and its derivative has no logarithm of e in it
            return step.function(*inputs, **step.settings)
        except (*UNFIT, MemoryError) as e:
            said = str(e) or type(e).__name__
            known = self.shapes(step, inputs, numbers_too=isinstance(e, ShapeError))
            raise self.error(step, f"{said}; here {' and '.join(known)}" if known else said) from e

    def shapes(self, step: Step, inputs: Sequence[Any], *, numbers_too: bool) -> list[str]:
        """What is known of a step's inputs: the shapes of arrays, and where they matter which names are numbers."""
        given = [(self.steps[i], getattr(x, "shape", ())) for i, x in zip(step.inputs, inputs, strict=True)]
        said = [f"{self.source(x)} has shape {tuple(shape)}" for x, shape in given if shape]
        numbers = list(dict.fromkeys([x.name for x, shape in given if x.name and not shape])) if numbers_too else []
        if numbers:
            are = "is a number" if len(numbers) == 1 else "are numbers"
            said.append(f"{' and '.join(numbers)} {are}: give a shape to what is an array, as {numbers[0]}:3x2")
        return said

    def once(self, step: Step, inputs: Sequence[Any], shared: dict[Any, Any]) -> Any:
        """A step's function on its inputs, or what it made of the same ones before."""
        key = (step.function, *[x if type(x) in (int, float) else id(x) for x in inputs], repr(step.settings))
        if key not in shared:
            # What is remembered by its identity must not be replaced by another in the same place.
            shared[key] = self.applied(step, inputs), inputs
        return shared[key][0]

    def source(self, step: Step) -> str:
        return self.text[step.start : step.stop]

    def error(self, step: Step, problem: str) -> FormulaError:
        """The error for a step, with a caret under its sign, its function or its name."""
        return error_at(self.text, *step.place, problem)

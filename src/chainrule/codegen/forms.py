"""What the kernel machine does for one operation of the rule book on single numbers, and for its local derivatives.

The forward and the derivatives are run on traced numbers, taken apart into what the machine has words for, and made
shorter by the laws. So the machine knows no derivative.
"""

# What settings hold is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.codegen.laws import LAWS
from chainrule.codegen.native import word_and_inputs
from chainrule.codegen.primitive import lowered
from chainrule.codegen.simplified import simplified
from chainrule.core.instructions import OPERATION
from chainrule.core.operation import Operation, Pointwise
from chainrule.core.term import frozen
from chainrule.errors import ChainruleError
from chainrule.program import Step
from chainrule.program.trace import traced_again

WORDS = {name: code for name, code in OPERATION.items() if code < OPERATION["load"]}
"""What a tape can do with single numbers."""

TRUTH, DOUBLE = np.dtype(np.bool_), np.dtype(np.float64)


class Input(NamedTuple):
    """An input of the operation as an operand; past the last one stands its output."""

    place: int


class Made(NamedTuple):
    """What an earlier instruction made, as an operand."""

    place: int


class Instruction(NamedTuple):
    """A word of the machine, and its operands: inputs, what was made before, and numbers."""

    word: str
    operands: tuple[Any, ...]


class Local(NamedTuple):
    """The local derivatives of an operation: instructions, and the operand that each derivative is.

    That is None for an input that no gradient passes. `selects` says that a 0 is a branch that was not taken.
    """

    instructions: tuple[Instruction, ...]
    slopes: tuple[Any, ...]
    selects: bool


class NoForm(Exception):
    """The machine has no instructions for an operation: its name."""


known: dict[Any, Any] = {}
"""What was asked for before."""


def once(make: Callable[..., Any]) -> Callable[..., Any]:
    """The same from an operation, its settings and which inputs are fixed numbers or move, without making it again.

    Raises NoForm where the operation cannot be taken apart.
    """

    def remembered(operation: Operation, settings: dict[str, Any], *inputs: tuple[Any, ...]) -> Any:
        key = make, operation, frozen(settings), inputs
        if key not in known:
            try:
                known[key] = make(operation, settings, *inputs)
            except (ChainruleError, TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
                raise NoForm(operation.name) from error
        return known[key]

    return remembered


@once
def forward_of(operation: Operation, settings: dict[str, Any], fixed: tuple[float | None, ...]) -> Any:
    """The instructions for the result of an operation, of which some inputs are fixed numbers."""
    if not any([x is not None for x in fixed]):
        found = known_forward(operation, len(fixed), settings)
        if found is not None:
            return found
    free = [i for i, x in enumerate(fixed) if x is None]
    found, (out,), _ = traced(lambda *given: (operation(*filled(fixed, given), **settings),), free)
    return found if out == Made(len(found) - 1) else (*found, Instruction("identity", (out,)))


@once
def local_of(
    operation: Operation, settings: dict[str, Any], fixed: tuple[float | None, ...], moves: tuple[bool, ...]
) -> Any:
    """The local derivatives of an operation, of which some inputs are fixed numbers and some move."""
    if operation.late:
        raise NoForm(operation.name)
    free = [i for i, x in enumerate(fixed) if x is None]
    moving = [i for i, x in enumerate(moves) if x and operation.differentiable(i)]
    if not moving:
        return Local((), (None,) * len(fixed), False)

    def derivatives(*given: Any) -> tuple[Any, ...]:
        inputs, out = filled(fixed, given[:-1]), given[-1]
        if isinstance(operation, Pointwise):
            return tuple([operation.partial(i, out, inputs, settings) for i in moving])
        return tuple([operation.pull(i, 1.0, out, inputs, settings) for i in moving])

    instructions, found, truths = traced(derivatives, [*free, len(fixed)])
    slopes = dict(zip(moving, found, strict=True))
    selects = isinstance(operation, Pointwise) and (operation.selects or truths[-1])
    return Local(instructions, tuple([slopes.get(i) for i in range(len(fixed))]), selects)


def filled(fixed: Sequence[float | None], given: Sequence[Any]) -> list[Any]:
    """All inputs: numbers where these are fixed, and what is given for the others."""
    rest = iter(given)
    return [next(rest) if x is None else x for x in fixed]


def known_forward(operation: Operation, count: int, settings: Any) -> tuple[Instruction, ...] | None:
    """An operation that is a word of the machine, or a sum of many."""
    every = [Input(i) for i in range(count)]
    if operation.name == "sum_of" and count > 1:
        return summed(every)
    if operation.name == "dot_of" and count > 2:
        half = count // 2
        products = [Instruction("mul", (every[i], every[half + i])) for i in range(half)]
        return (*products, *summed([Made(i) for i in range(half)], half))
    if operation.name in WORDS and not settings:
        return (Instruction(operation.name, tuple(every)),)
    return None


def summed(terms: Sequence[Any], before: int = 0) -> tuple[Instruction, ...]:
    """Two or more terms, one added after the other; so many instructions come before."""
    firsts = [terms[0], *[Made(before + i) for i in range(len(terms) - 2)]]
    return tuple([Instruction("add", (x, y)) for x, y in zip(firsts, terms[1:], strict=True)])


def traced(f: Callable[..., Any], inputs: Sequence[int]) -> tuple[tuple[Instruction, ...], list[Any], list[bool]]:
    """What a function of single numbers does, its results as operands, and which of these are truth values."""
    examples = [np.float64(0.3 + 0.1 * k) for k in range(len(inputs))]
    short, _ = simplified(lowered(traced_again(f, *examples), WORDS.__contains__, "a tape"), LAWS)
    operand: dict[Any, Any] = {x: Input(i) for x, i in zip(short.given, inputs, strict=True) if x is not None}
    instructions: list[Instruction] = []
    for step in short.program.steps:
        if step in operand:
            continue
        if step.shape or step.dtype not in (TRUTH, DOUBLE):
            raise ValueError(f"{step} is no number of double precision")
        if step.op is None:
            operand[step] = float(short.numbers[step])
            continue
        word, given = word_and_inputs(step)
        if word not in WORDS or (step.settings and word != "identity"):
            raise ValueError(f"{step} is no word of the machine")
        operand[step] = Made(len(instructions))
        instructions.append(Instruction(word, tuple([operand[x] if isinstance(x, Step) else float(x) for x in given])))
    outputs = [operand[x] if isinstance(x, Step) else float(x) for x in short.outputs]
    truths = [x.dtype == TRUTH if isinstance(x, Step) else isinstance(x, bool | np.bool_) for x in short.outputs]
    return tuple(instructions), outputs, truths

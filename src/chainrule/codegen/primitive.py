"""A program by few operations: what a target has no word for is taken apart by running the rule's own forward.

The forward runs on traced nodes, as a user's function does, so what a language must know is a table of primitives and
nothing about rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.codegen.otherwise import OTHERWISE
from chainrule.codegen.simplified import reached, with_all_after
from chainrule.core.operation import Linear, Operation, Pointwise, book
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.state import Quiet
from chainrule.core.traced import Recording, Traced
from chainrule.errors import ChainruleError, GraphError
from chainrule.program import Kind, Program, Step, Trace
from chainrule.program.steps import replaced, steps_in

ROUNDED = ("float16", "float32")
"""The types to which a cast rounds."""

LEFT_OF_WHOLE = {"fmod": "fmod of whole numbers", "remainder": "remainder of whole numbers"}

AT_DATA = frozenset({"index at data", "scatter at data"})
AMONG_SLICES = frozenset({"index among slices", "scatter among slices"})

CASTS = (*ROUNDED, "float64", "int64", "bool")
"""The types to which a cast is called by the type."""

EXACTLY = frozenset([*CASTS, *LEFT_OF_WHOLE.values(), *AT_DATA, *AMONG_SLICES])
"""What `word_of` calls operations that a language with NumPy's types says by their own names."""

HasWord = Callable[[str], bool]
"""Whether a target has a word for an operation, by name."""

DEEPEST = 8
"""Rules that are taken apart again and again stop here."""

MOST_ENTRIES = 1 << 22
"""Linear operations on more entries are not looked at entry by entry."""


def lowered(trace: Trace, has_word: HasWord, target: str) -> Trace:
    """The same program by operations that a target has words for; moves and sums of entries are left as they are.

    Raises ChainruleError for an operation that cannot be taken apart, by name.
    """
    made: dict[Step, Step] = {}
    numbers = dict(trace.numbers)
    order: list[Step] = []
    for step in trace.program.steps:
        if step.op is None:
            made[step] = step
            order.append(step)
            continue
        inputs, settings = step.given(made.__getitem__)
        now = Step(Kind.RESULT, step.shape, step.dtype, op=step.op, inputs=inputs, settings=settings)
        numbers[now] = trace.numbers[step]
        made[step] = taken_apart(now, has_word, target, numbers, order, DEEPEST)
    needed = set(reached([made[x] for x in trace.program.outputs]))
    order = [x for x in order if x.op is None or x in needed]
    return trace.made_anew(made, order, numbers)._replace(backward=backward_steps(trace, made, order))


def backward_steps(trace: Trace, made: dict[Step, Step], order: list[Step]) -> frozenset[Step]:
    """The steps of backward passes among new ones: a step that was taken apart hands it to its parts."""
    found = {made[x] for x in trace.backward if x in made}
    forward = {made[x] for x in made if x not in trace.backward}
    for step in reversed(order):
        if step in found:
            found.update([x for x in step.needs if x not in forward and x not in made.values()])
    return with_all_after(found, Program(order, []))


def taken_apart(
    step: Step, has_word: HasWord, target: str, numbers: dict[Step, Any], order: list[Step], depth: int
) -> Step:
    """A step by operations that have words; its parts are added to the order."""
    operation = step.op
    assert operation is not None
    other = OTHERWISE.get(word_of(step)) or OTHERWISE.get(operation.name)
    if has_word(word_of(step)) or (other is None and is_move_or_sum(step)):
        order.append(step)
        return step
    if not depth:
        raise no_word(operation, target)
    leaves, recording, out = traced_forward(step, operation, other, target, numbers)
    made: dict[Traced, Any] = dict(leaves)
    for node in recording.steps:
        if node.op is None:
            made[node] = Step(Kind.FROZEN, node.shape, node.dtype)
            numbers[made[node]] = node.number
            order.append(made[node])
            continue
        inputs, settings = [replaced(x, lambda x: made[x.step], Traced) for x in (node.inputs, node.settings)]
        part = Step(Kind.RESULT, node.shape, node.dtype, op=node.op, inputs=inputs, settings=settings)
        word = word_of(part)
        if word == word_of(step) and not has_word(word) and part.size >= step.size:
            raise no_word(operation, target)
        numbers[part] = node.number
        made[node] = taken_apart(part, has_word, target, numbers, order, depth - 1)
    found = made[out.step]
    cast = Step(Kind.RESULT, step.shape, step.dtype, op=book["astype"], inputs=(found,), settings={"dtype": step.dtype})
    if found.dtype == step.dtype or not has_word(word_of(cast)):
        return found
    numbers[cast] = numbers[step]
    order.append(cast)
    return cast


def word_of(step: Step) -> str:
    """The name of a step's operation, or what it is more exactly.

    What is picked from where it is largest itself is the largest. A cast is called by its type. What is left of whole
    numbers is a word of its own, since in floating point it is nan where they are divided by 0. An index whose places
    are data, alone or beside slices, says so.
    """
    assert step.op is not None
    name = step.op.name
    if name == "pick_at_largest" and step.inputs[0] is step.inputs[1]:
        return "max_pool2d"
    if name == "astype" and step.dtype.name in CASTS:
        return step.dtype.name
    if name in ("index", "scatter") and steps_in(step.settings):
        key = step.settings["key"]
        parts = key if isinstance(key, tuple) else (key,)
        return f"{name} {'at data' if all(map(is_place, parts)) else 'among slices'}"
    return LEFT_OF_WHOLE.get(name, name) if step.dtype.kind in "iu" else name


def is_place(part: Any) -> bool:
    """Whether a part of an index is one place or several, and no slice."""
    return not isinstance(part, slice | type(None) | type(Ellipsis) | bool)


def traced_forward(
    step: Step, operation: Operation, other: Any, target: str, numbers: dict[Step, Any]
) -> tuple[dict[Traced, Any], Recording, Traced]:
    leaves: dict[Traced, Any] = {}

    def leaf(x: Step) -> Traced:
        node = Traced(None, (), NO_SETTINGS, numbers[x])
        leaves[node] = x
        return node

    inputs, settings = step.given(leaf)
    with Recording() as recording, Quiet():
        try:
            out = (other or operation.function)(*inputs, **settings)
        except (GraphError, ValueError, TypeError, AttributeError) as error:
            raise no_word(operation, target) from error
    if not isinstance(out, Traced):
        raise no_word(operation, target)
    return leaves, recording, out


def no_word(operation: Operation, target: str) -> ChainruleError:
    """The error for an operation that a target cannot say."""
    return ChainruleError(
        f"{operation.name} cannot be written in {target}: it has no word there, and its forward is not made of "
        "operations that have; the targets numpy and jax have it"
    )


def is_move_or_sum(step: Step) -> bool:
    """Whether a step only moves entries of its one input, or adds them up."""
    return isinstance(step.op, Linear) and (gathers(step) is not None or adds(step) is not None)


def one_input(step: Step) -> Step | None:
    """The one array that a linear operation without data in its settings takes."""
    arrays = step.input_steps
    if not isinstance(step.op, Linear) or isinstance(step.op, Pointwise) or len(step.needs) != 1:
        return None
    if word_of(step) in ROUNDED:
        return None
    return (
        arrays[0] if len(arrays) == len(step.inputs) == 1 and max(step.size, arrays[0].size) <= MOST_ENTRIES else None
    )


def gathers(step: Step) -> np.ndarray[Any, Any] | None:
    """For each entry of the output the place in the input that it comes from, −1 for a zero; None where it is no move.

    Found by running the operation on the places themselves, and then on random numbers, which no average meets.
    """
    x = one_input(step)
    if x is None:
        return None
    return places_by(lambda coding: coded(step, coding.reshape(x.shape)), x.size)


def adds(step: Step) -> np.ndarray[Any, Any] | None:
    """For each entry of the input the place in the output that it is added to, −1 for none; None where it is no sum."""
    x = one_input(step)
    if x is None:
        return None
    return places_by(lambda coding: pulled_back(step, x, coding.reshape(step.shape)), step.size)


def places_by(move: Callable[[Any], Any], size: int) -> np.ndarray[Any, Any] | None:
    """Which entry of its input a map gives at each place; None for one that does anything but move entries."""
    first = move(np.arange(1.0, size + 1))
    if first is None or not np.array_equal(first, np.round(first)) or np.any(first < 0) or np.any(first > size):
        return None
    places = first.astype(np.int64) - 1
    random = np.append(np.random.default_rng(0).random(size), 0.0)
    return places if np.array_equal(random[places], move(random[:-1])) else None


def coded(step: Step, coding: Any) -> Any:
    """What an operation makes of a coding of its input's places."""
    with Quiet():
        return np.asarray(rule_of(step).fitting([coding], [coding], step.settings), dtype=float)


def pulled_back(step: Step, x: Step, coding: Any) -> Any:
    """What reaches the input of a coding of the output's places."""
    with Quiet():
        try:
            share = rule_of(step).pull(0, coding[()], np.zeros(step.shape), (np.zeros(x.shape),), step.settings)
        except (ValueError, TypeError, IndexError):
            return None
    return np.broadcast_to(np.asarray(share, dtype=float), x.shape)


def rule_of(step: Step) -> Operation:
    assert step.op is not None
    return step.op

"""A program made shorter by laws: equal steps become one, dead ones go, and each step is made by the laws that fit it.

The laws (codegen/laws.py) keep the numbers up to rounding, entry by entry, special values included; formulas have a
rewriter of their own, which works in real numbers and orders sums and products as books do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from chainrule.core.operation import Operation, Pointwise, book
from chainrule.core.state import Quiet
from chainrule.core.term import frozen
from chainrule.core.traced import as_plain_as
from chainrule.core.walk import finished_first
from chainrule.program import Kind, Program, Step, Trace
from chainrule.program.steps import replaced
from chainrule.program.trace import made_of

MOST_PASSES = 12
MOST_LAST_PASSES = 4
MOST_FOLDED = 4096
"""Constants of more entries are not worked out when the program is made."""

Law = Callable[["Builder", "Step"], Any]
EVERY = (None, True)
"""The scope of a law for every step: else the operations that it is for, by name, and if for all pointwise ones."""


class Builder:
    """Makes the steps of a program anew, each by the laws.

    `numbers` are those of the example, of constants the numbers that they are; `fired` counts the laws that did
    something. It stays through all passes: what was made, and what no law fits, is so in the next pass too.
    """

    def __init__(self, laws: Sequence[tuple[str, Law]], numbers: dict[Step, Any]) -> None:
        self.laws = laws
        self.numbers = numbers
        self.fired: Counter[str] = Counter()
        self.known: dict[Any, Step] = {}
        self.met: dict[Step, None] = {}
        """What was made, or asked for again, in this pass."""
        self.settled: set[Step] = set()
        """Steps that no law fits, whatever else there is."""
        self.by_operation: dict[str, tuple[list[tuple[str, Law]], bool]] = {}
        """The laws that may fit an operation, and whether none of them looks around."""
        self.readers: Counter[Step] = Counter()
        """How often each step of the program is read, given back or named; none that was made in this pass."""
        self.program: Sequence[Step] = ()
        self.noted: dict[str, Any] = {}
        """What the last laws found out about the program."""

    def begin_again(self, laws: Sequence[tuple[str, Law]], trace: Trace) -> None:
        """Go on with other laws, which may note what they find out about the program as it is now."""
        self.laws, self.settled, self.by_operation, self.fired = laws, set(), {}, Counter()
        self.program, self.noted = trace.program.steps, {}

    def step(self, op: Operation | str, *inputs: Any, **settings: Any) -> Step:
        """A step of an operation on steps and plain numbers, or what the laws have in its place."""
        op = book[op] if isinstance(op, str) else op
        settings = op.complete(settings) if settings or op.needs_settings else op.defaults
        return self.lawful(self.plain(op, inputs, settings))

    def plain(self, op: Operation, inputs: Sequence[Any], settings: dict[str, Any], number: Any = None) -> Step:
        """A step as it is, and one for all that are equal; its `number` in the example, where that is known."""
        key = key_of(op, inputs, settings)
        found = self.known.get(key)
        if found is None:
            number = self.computed(op, inputs, settings) if number is None else number
            found = Step(
                Kind.RESULT, np.shape(number), np.asarray(number).dtype, op=op, inputs=tuple(inputs), settings=settings
            )
            self.numbers[found] = number
            self.known[key] = found
        self.met.setdefault(found)
        return found

    def computed(self, op: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        plain, set_to = [replaced(x, self.numbers.__getitem__) for x in (list(inputs), dict(settings))]
        # What works on whole arrays asks them for their axes.
        given = plain if op.broadcasts else [np.float64(x) if type(x) is float else x for x in plain]
        with Quiet():
            return as_plain_as(plain, op, op.fitting(given, given, set_to))

    def lawful(self, step: Step) -> Step:
        """What the first law that fits makes of a step; the step itself where none does."""
        if step in self.settled:
            return step
        laws, settles = self.laws_for(step)
        for name, law in laws:
            made = law(self, step)
            if made is None or made is step:
                continue
            if not isinstance(made, Step):
                made = self.constant(made, step.dtype)
            if made.shape == step.shape and made.dtype == step.dtype:
                self.fired[name] += 1
                return made
        if settles:
            self.settled.add(step)
        return step

    def laws_for(self, step: Step) -> tuple[Sequence[tuple[str, Law]], bool]:
        """The laws that may fit a step, those for its operation and those for all; and whether none looks around."""
        op = step.op
        name = "" if op is None else op.name
        found = self.by_operation.get(name)
        if found is None:
            each = isinstance(op, Pointwise)
            fit: list[tuple[str, Law]] = []
            for known in self.laws:
                operations, pointwise = getattr(known[1], "scope", EVERY)
                if operations is None or name in operations or (each and pointwise):
                    fit.append(known)
            found = self.by_operation[name] = fit, not any([getattr(law, "around", False) for _, law in fit])
        return found

    def constant(self, number: Any, dtype: Any = np.float64) -> Step:
        """A leaf with a number or an array that the program contains."""
        array = np.asarray(number, dtype)
        key = ("constant", array.shape, array.dtype.str, array.tobytes())
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = Step(Kind.FROZEN, array.shape, array.dtype)
            self.numbers[found] = array[()]
        self.met.setdefault(found)
        return found

    def number(self, x: Any) -> Any:
        """The one number that a constant is; None of anything else."""
        if isinstance(x, float | int):
            return x
        return self.numbers[x] if is_constant(x) and not x.shape else None


def is_constant(x: Any) -> bool:
    """Whether a step holds numbers of the program's own."""
    return isinstance(x, Step) and x.kind is Kind.FROZEN


def key_of(op: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """What equal steps have in common."""
    return op, tuple([identity(x) for x in inputs]), frozen(replaced(settings, lambda x: ("step", id(x))))


def identity(x: Any) -> Any:
    """What tells one input from another."""
    return ("step", id(x)) if isinstance(x, Step) else (type(x).__name__, repr(x))


def simplified(
    trace: Trace, laws: Sequence[tuple[str, Law]], last: Sequence[tuple[str, Law]] = ()
) -> tuple[Trace, Counter[str]]:
    """The same function by fewer and cheaper steps, and how often each law did something; O(steps) a pass.

    The `last` laws are tried when no other one fits any more: they may turn back what these did.
    """
    fired: Counter[str] = Counter()
    builder = Builder(laws, {})
    for _ in range(MOST_PASSES):
        trace = one_pass(trace, builder)
        found, builder.fired = builder.fired, Counter()
        fired += found
        if not found:
            break
    for _ in range(MOST_LAST_PASSES if last else 0):
        builder.begin_again(last, trace)
        trace = one_pass(trace, builder)
        fired += builder.fired
        if not builder.fired:
            break
    return trace, fired


def one_pass(trace: Trace, builder: Builder) -> Trace:
    """Every step that some output needs, made anew from the leaves up; the same trace where nothing is new."""
    builder.met.clear()
    builder.readers = Counter([x for step in trace.program.steps for x in step.needs])
    builder.readers.update([x for x in trace.outputs if isinstance(x, Step)])
    builder.readers.update(trace.names.keys())
    made: dict[Step, Step] = {}
    needed = reached(trace.program.outputs)
    known = {step for step in trace.given if step is not None} | trace.held.keys()
    for step in trace.program.steps:
        if step.op is None and (step in needed or step in known):
            made[step] = leaf(builder, step, trace, step in known)
        elif step in needed and step in builder.settled and all([made[x] is x for x in step.needs]):
            builder.met.setdefault(step)
            made[step] = step
        elif step in needed:
            inputs, settings = step.given(made.__getitem__)
            # NumPy's own numbers have a type that meets others: 0.5 leaves float32 as it is, np.float64(0.5) does not.
            inputs = tuple([builder.constant(x, x.dtype) if isinstance(x, np.generic) else x for x in inputs])
            before = len(builder.met)
            # What is made of the very numbers that it was made of before has the numbers that it had. (Not of equal
            # ones in other memory: planning asks which results are views.)
            same = all([builder.numbers[made[x]] is trace.numbers[x] for x in step.needs])
            number = trace.numbers[step] if same else None
            made[step] = builder.lawful(builder.plain(step.op, inputs, settings, number))  # type: ignore[arg-type]
            if len(builder.met) == before and made[step].op is step.op:
                builder.fired["equal lines are one"] += 1
    if not builder.fired and len(made) == len(trace.program.steps) and all([now is x for x, now in made.items()]):
        return trace
    return renewed(trace, made, builder)


def leaf(builder: Builder, step: Step, trace: Trace, known: bool) -> Step:
    """A leaf as it was; a constant once for all that are equal, and one number for an array that repeats it."""
    if not known and step.kind is Kind.FROZEN:
        numbers = np.asarray(trace.numbers[step])
        if numbers.size > 1 and (numbers == numbers.flat[0]).all():
            return builder.step("broadcast_to", builder.constant(numbers.flat[0], step.dtype), shape=step.shape)
        return builder.constant(numbers, step.dtype)
    builder.numbers[step] = trace.numbers[step]
    return step


def renewed(trace: Trace, made: dict[Step, Step], builder: Builder) -> Trace:
    """What a trace knows, of the steps that were made."""
    outputs = tuple([made[x] if isinstance(x, Step) else x for x in trace.outputs])
    results = [x for x in outputs if isinstance(x, Step)]
    given = tuple([None if x is None else made[x] for x in trace.given])
    needed = reached(results)
    for x in [*given, *trace.held]:
        if x is not None:
            needed.setdefault(x)
    after = with_all_after(set(trace.backward), trace.program)
    others = [x for x, of in zip_longest(trace.outputs, trace.gradients) if of is None and isinstance(x, Step)]
    forward = reached([made[x] for x in (*others, *trace.names) if x in made and x not in after])
    backward = {x for x in needed if x.op is not None and x not in forward}
    names: dict[Step, str] = {}
    of: dict[Step, Step] = {}
    for old, now in made.items():
        if old in trace.names:
            names.setdefault(now, trace.names[old])
        if old in trace.gradient_of and trace.gradient_of[old] in made and now not in forward:
            target = made[trace.gradient_of[old]]
            if now not in of or of[now] not in names:
                of[now] = target
    program = Program(in_order(needed), results)
    numbers = {step: builder.numbers[step] for step in needed}
    held = {made.get(step, step): source for step, source in trace.held.items()}
    gradients = tuple([None if x is None else made.get(x) for x in trace.gradients])
    losses = frozenset([made.get(x, x) for x in trace.losses])
    after = frozenset(backward)
    already = made_of(trace.already, made)
    return Trace(program, given, held, names, numbers, of, after, outputs, trace.structure, gradients, losses, already)


def with_all_after(backward: set[Step], program: Program) -> frozenset[Step]:
    """The steps of backward passes, and all that depend on one: they cannot stand before it."""
    for step in program.steps:
        if any([x in backward for x in step.needs]):
            backward.add(step)
    return frozenset(backward)


def with_numbers(trace: Trace, these: Collection[Step] | None = None) -> Trace:
    """The same function with the arrays from outside, or `these` of them, as they are now for numbers of its own."""
    made: dict[Step, Step] = {}
    numbers, held = dict(trace.numbers), dict(trace.held)
    for step in trace.program.steps:
        if step in trace.held and (these is None or step in these):
            source = held.pop(step)
            made[step] = Step(Kind.FROZEN, step.shape, step.dtype)
            numbers[made[step]] = np.array(getattr(source, "data", source) if hasattr(source, "edges") else source)
        elif step.op is None:
            made[step] = step
        else:
            inputs, settings = step.given(made.__getitem__)
            made[step] = Step(Kind.RESULT, step.shape, step.dtype, op=step.op, inputs=inputs, settings=settings)
            numbers[made[step]] = numbers[step]
    return trace.made_anew(made, list(made.values()), numbers)._replace(held=held)


def reached(outputs: Sequence[Step]) -> dict[Step, None]:
    """All steps that the outputs need, each after what it needs itself."""
    return dict.fromkeys(finished_first(outputs, lambda step: step.needs))


def in_order(needed: dict[Step, None]) -> list[Step]:
    """Leaves first, then the rest, each after what it needs."""
    return [x for x in needed if x.op is None] + [x for x in needed if x.op is not None]

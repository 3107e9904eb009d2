"""A program for the kernel machine: where everything lies, and in which order which kernels run.

Nothing here knows a derivative: the steps come from the program, after its laws. A step that moves entries is a place
with other strides; elementwise steps that follow each other are chains; a step without a kernel is a line of NumPy, and
is told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.codegen.native_kernels import KERNELS
from chainrule.codegen.simplified import reached, simplified
from chainrule.core.instructions import (
    FIRST_INPUT,
    FLOATS,
    NEAR_BYTES,
    OPERATION,
    REGISTERS,
    TYPES,
    WORKSPACE,
    Chain,
    Full,
    Plan,
    Slot,
    bits,
)
from chainrule.core.place import Place, steps_of
from chainrule.core.walk import finished_first
from chainrule.program import Step, Trace
from chainrule.program.steps import axes_along, steps_in

if TYPE_CHECKING:
    from chainrule.codegen.in_turns import Within

try:
    machine: Any = import_module("chainrule.core._machine")
except ImportError:
    machine = None

TAKEN_APART = frozenset({
    "affine", "clip", "cross_entropy", "elu", "gelu", "gelu_tanh", "hardtanh", "layer_norm", "leaky_relu",
    "log_sigmoid", "logaddexp2", "mish", "outer", "silu", "softplus", "squared_error",
})  # fmt: skip
"""Operations that are made of others, as the rule's own forward makes them."""

VIEWS: dict[str, Callable[..., Any]] = {
    "broadcast_to": np.broadcast_to,
    "expand_dims": np.expand_dims,
    "flip": np.flip,
    "index": lambda x, key: x[key if has_ellipsis(key) else (*key, ...) if isinstance(key, tuple) else (key, ...)],
    "squeeze": np.squeeze,
    "swap": lambda x: np.swapaxes(x, -1, -2),
    "transpose": np.transpose,
}
"""Steps that only say where entries lie, as NumPy does on an array of that layout."""

MOST_TOGETHER = 100
"""A chain takes in no more steps beside the one for which it runs."""

MOST_MISSING, NUMBERS_BEFORE = 12, 8
"""What it lacks for such a step may be so many steps, and the numbers among them come about in so many."""

TRUTH = np.dtype(np.bool_)


class NotPlanned(Exception):
    """The machine has nothing for a program as a whole: why."""


class Planner:
    """Plans a program, or a part of one `within` the plan of another.

    `found` says where each step lies, `left` how many steps still read what a step owns, `numpy` which operations have
    no kernel, and `called` which steps.
    """

    def __init__(self, trace: Trace, within: Within | None = None) -> None:
        if within is None and any([step.operation in TAKEN_APART for step in trace.program.steps]):
            from chainrule.codegen.primitive import lowered  # not for programs that every kernel knows

            # Parts of what is taken apart are computed once for both passes.
            trace = simplified(lowered(trace, lambda name: name not in TAKEN_APART, "native"), ())[0]
        self.trace = trace
        needed = reached(self.trace.program.outputs)
        self.steps = [step for step in self.trace.program.steps if step in needed]
        if any([not step.size or step.dtype.kind not in "fbiu" for step in self.steps]):
            raise NotPlanned("an array without entries, or of a type that is not a number's")
        self.arguments = [x for x in [*self.trace.given, *self.trace.held] if x is not None]
        self.results = [x for x in self.trace.outputs if isinstance(x, Step)]
        self.plan = self.empty_plan() if within is None else within.plan
        self.weak = {x for x in self.steps if type(self.trace.numbers[x]) in (float, int)}
        """Python numbers, which take on the type of what they meet."""
        self.found: dict[Step, Place] = self.leaves() if within is None else dict(within.leaves)
        self.numpy: Counter[str] = Counter()
        self.called: set[Step] = set()
        self.done: set[Step] = set(self.found)
        self.types: dict[Step, np.dtype[Any] | None] = {}
        self.borrowed: list[tuple[int, int]] = []
        self.views: dict[Step, Step] = {}
        self.owners()
        self.ends = self.own_ends() if within is None else list(within.results.items())
        """Every result, and where it is to lie."""
        self.outputs: dict[Step, Place] = {}
        for x, place in self.ends:
            if x not in self.found and x not in self.views:
                self.outputs.setdefault(x, place)
        self.readers: dict[Step, list[Step]] = {step: [] for step in self.steps}
        for step in self.steps:
            if step not in self.views:
                for owner in dict.fromkeys([self.owner(x) for x in step.needs]):
                    self.readers[owner].append(step)
        self.kept = {self.owner(x) for x, _ in self.ends} | self.found.keys()
        self.left = Counter({owner: len(readers) for owner, readers in self.readers.items()})

    def empty_plan(self) -> Plan:
        """A plan without instructions for these arguments and results."""
        pieces = [*self.arguments, *self.results]
        return Plan({FIRST_INPUT + i: x.size * x.dtype.itemsize for i, x in enumerate(pieces)})

    def leaves(self, plan: Plan | None = None) -> dict[Step, Place]:
        """Where leaves lie: arguments in their pieces, constants among the plan's own."""
        plan = plan or self.plan
        found = {step: Place(FIRST_INPUT + i, 0, *self.like(step)) for i, step in enumerate(self.arguments)}
        for step in self.steps:
            if step.op is None and step not in found:
                found[step] = plan.constant(np.asarray(self.trace.numbers[step], step.dtype))
        return found

    def own_ends(self) -> list[tuple[Step, Place]]:
        """The results, in pieces of their own."""
        first = FIRST_INPUT + len(self.arguments)
        return [(x, Place(first + i, 0, *self.like(x))) for i, x in enumerate(self.results)]

    def owners(self) -> None:
        """Which steps are views, and of what: known from strides alone, before anything has a place."""
        layout: dict[Step, tuple[int, tuple[int, ...]]] = {}
        for step in self.steps:
            view = None
            if step.op is not None and step.inputs and isinstance(step.inputs[0], Step):
                base = step.inputs[0]
                view = layout_of(step, base, *layout[base])
            if view is None:
                layout[step] = (0, steps_of(step.shape))
            else:
                layout[step] = view
                self.views[step] = self.owner(step.inputs[0])
        self.layout = layout

    def owner(self, x: Step) -> Step:
        """The step whose memory a step lies in."""
        return self.views.get(x, x)

    def is_there(self, x: Step) -> bool:
        """Whether entries lie in memory now: some never do, and those that all their readers have read are lost."""
        owner = self.owner(x)
        if owner not in self.done or owner not in self.found:
            return False
        return self.found[owner].memory != WORKSPACE or self.left[owner] > 0 or owner in self.kept

    def place(self, x: Step) -> Place:
        """Where the entries of a step lie; what it is a view of has been computed."""
        base = self.found[self.owner(x)]
        offset, strides = self.layout[x]
        return Place(base.memory, base.offset + offset * x.dtype.itemsize, x.shape, strides, x.dtype)

    def take(self, step: Step) -> Place:
        """A place for a step's result: the output's own memory, or some of the workspace."""
        place = self.outputs.get(step)
        if place is None:
            place = Place(WORKSPACE, self.plan.workspace.take(step.size * step.dtype.itemsize), *self.like(step))
        self.found[step] = place
        return place

    def like(self, step: Step) -> tuple[Any, Any, Any]:
        """The extents, strides and type of a step's result."""
        return step.shape, steps_of(step.shape), step.dtype

    def scratch(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Place:
        """Room that is free again after the next instruction."""
        size = math.prod(shape) * dtype.itemsize
        place = Place(WORKSPACE, self.plan.workspace.take(size), shape, steps_of(shape), dtype)
        self.borrowed.append((place.offset, size))
        return place

    def straight(self, x: Step) -> Place:
        """The entries of a step, one after the other: where they lie, or a copy."""
        place = self.place(x)
        if place.contiguous:
            return Place(place.memory, place.offset, *self.like(x))
        out = self.scratch(x.shape, x.dtype)
        self.plan.copy(place, out)
        return out

    def finish(self, steps: Sequence[Step]) -> None:
        """These steps are computed: what only they read is free again."""
        self.done.update(steps)
        for step in steps:
            for owner in dict.fromkeys([self.owner(x) for x in step.needs]):
                self.left[owner] -= 1
                place = self.found.get(owner)
                if not self.left[owner] and place is not None and place.memory == WORKSPACE and owner not in self.kept:
                    self.plan.workspace.give_back(place.offset, place.size * place.dtype.itemsize)
        for start, size in self.borrowed:
            self.plan.workspace.give_back(start, size)
        self.borrowed = []

    def write(self) -> None:
        for step in self.steps:
            if step not in self.done and step not in self.views and self.is_anchor(step):
                self.compute(step)
        for x, place in self.ends:
            if self.outputs.get(x) != place:
                self.plan.copy(self.place(x), place)

    def planned(self) -> Any:
        """The program that the machine runs."""
        self.write()
        if self.plan.workspace.most > NEAR_BYTES:
            from chainrule.codegen.in_turns import planned_in_turns  # small programs need none of it

            self.plan = planned_in_turns(self) or self.plan
        self.plan.check()
        plan = self.plan
        words, single = (
            np.array(plan.words, np.int64),
            all([x.dtype != np.float64 or x in self.weak for x in self.steps]),
        )
        kinds = [tuple([(x.dtype.num, x.shape) for x in group]) for group in (self.arguments, self.results)]
        return machine.Program(words, plan.constants, plan.workspace.size, *kinds, tuple(plan.calls), single, plan.work)

    def is_anchor(self, step: Step) -> bool:
        """Whether a step is computed when its turn comes, and not only when a chain needs it."""
        if self.chain_type(step) is None or step in self.kept:
            return True
        return any([self.chain_type(reader) is None for reader in self.readers[step]])

    def compute(self, step: Step) -> None:
        """Emit what computes a step; what it needs has been computed, but for elementwise steps of a chain."""
        if self.chain_type(step) is not None:
            self.chain(step)
            return
        assert step.op is not None
        kernel = KERNELS.get(step.op.name)
        ended = kernel(self, step) if kernel is not None else None
        if ended is None:
            self.call(step)
            ended = [step]
        self.finish(ended)

    def call(self, step: Step) -> None:
        """A line of NumPy."""
        operation = step.op
        assert operation is not None
        needs, weak = list(dict.fromkeys(step.needs)), self.weak
        self.numpy[operation.name] += 1
        self.called.add(step)

        def line(*arrays: Any) -> Any:
            given = {x: a.item() if x in weak else a for x, a in zip(needs, arrays, strict=True)}
            inputs, settings = step.given(given.__getitem__)
            return operation.fitting(inputs, inputs, settings)

        self.plan.call(line, [self.place(x) for x in needs], self.take(step))

    # Chains

    def chain_type(self, step: Step) -> np.dtype[Any] | None:
        """The type in which a chain computes a step; None for what no chain does."""
        if step not in self.types:
            self.types[step] = type_in_chain(step, self.weak)
        return self.types[step]

    def kind_of_chain(self, step: Step) -> Any:
        """What the steps of one chain have in common: the type, and the extents without axes of length 1."""
        dtype = self.chain_type(step)
        return None if dtype is None else (dtype, tuple([n for n in step.shape if n != 1]))

    def closure(self, step: Step, kind: Any) -> list[Step]:
        """A step after the elementwise steps of its kind that it needs and that are not computed; others are now."""

        def lacking(x: Step) -> list[Step]:
            found: list[Step] = []
            for y in x.needs if x not in self.done else ():
                owner = self.owner(y)
                if owner in self.done:
                    continue
                if self.kind_of_chain(owner) == kind and self.in_order(y):
                    found.append(owner)
                else:
                    self.compute(owner)
            return found

        return [x for x in finished_first([step], lacking) if x not in self.done]

    def in_order(self, x: Step) -> bool:
        """Whether the entries of a step are those of its owner, in the same order."""
        owner = self.owner(x)
        return x is owner or (x.size == owner.size and Place(0, 0, x.shape, self.layout[x][1], x.dtype).contiguous)

    def chain(self, step: Step) -> None:
        """One chain of a step, of what it needs, and of what can be computed beside it."""
        kind = self.kind_of_chain(step)
        members = self.closure(step, kind)
        if step in self.done:
            return
        members += self.beside(members, kind)
        while True:
            try:
                chain = ChainWriter(self, members, kind)
                break
            except Full:
                members = members[: max(1, len(members) // 2)]
        chain.written()
        self.finish(chain.members)
        if step not in self.done:
            self.chain(step)

    def beside(self, members: Sequence[Step], kind: Any) -> list[Step]:
        """Steps that read what a chain computes and can be computed with it: all else that they need is there."""
        inside = dict.fromkeys(members)
        waiting = [r for x in members for r in self.readers[x]]
        for step in sorted(set(waiting), key=lambda x: x.place):
            self.join(step, kind, inside)
        return list(inside)[len(members) :]

    def join(self, step: Step, kind: Any, inside: dict[Step, None]) -> None:
        """Take a step into a chain if it can be, and then what reads it."""
        total = is_total(step) and self.kind_of_chain(self.owner(step.inputs[0])) == kind
        if step in inside or step in self.done or len(inside) > MOST_TOGETHER:
            return
        if not total and (self.kind_of_chain(step) != kind or not self.demanded(step)):
            return
        found = self.missing(step, kind, inside)
        if found is None:
            return
        steps, numbers = found
        for number in numbers:
            self.compute(number)
        inside.update(dict.fromkeys(steps))
        for reader in sorted(self.readers[step], key=lambda x: x.place):
            self.join(reader, kind, inside)

    def missing(self, step: Step, kind: Any, inside: Collection[Step]) -> tuple[list[Step], list[Step]] | None:
        """A step after all that a chain lacks for it, and the numbers to compute before; None where it cannot join."""
        order: list[Step] = []
        numbers: list[Step] = []
        seen: set[Step] = set()
        stack = [(step, False)]
        while stack:
            x, ready = stack.pop()
            if ready:
                order.append(x)
                continue
            if x in seen:
                continue
            seen.add(x)
            if len(seen) > MOST_MISSING:
                return None
            stack.append((x, True))
            for y in reversed(x.needs):
                owner = self.owner(y)
                if owner in self.done or (owner in inside and self.in_order(y) and not is_total(owner)):
                    continue
                if kind[1] and self.is_number_apart(owner, inside, NUMBERS_BEFORE):
                    numbers.append(owner)
                elif owner not in inside and self.kind_of_chain(owner) == kind and self.in_order(y):
                    stack.append((owner, False))
                else:
                    return None
        return order, numbers

    def is_number_apart(self, x: Step, inside: Collection[Step], depth: int) -> bool:
        """Whether one number can be computed before a chain, as what an optimizer divides its moments by."""
        if x in self.done:
            return True
        if not depth or x in inside or x.size != 1 or self.chain_type(x) is None:
            return False
        return all([self.is_number_apart(self.owner(y), inside, depth - 1) for y in x.needs])

    def demanded(self, step: Step) -> bool:
        """Whether a result is worth its memory now: truth values are computed where they are used."""
        return step.dtype != TRUTH or step in self.kept


class ChainWriter:
    """Writes the operations of one chain, and finds a register or a slot for each operand."""

    def __init__(self, planner: Planner, members: Sequence[Step], kind: Any) -> None:
        self.planner = planner
        self.members = list(members)
        inside = set(members)
        self.dtype, shape = kind
        self.chain = Chain(self.dtype, shape)
        self.operand: dict[Step, int] = {}
        self.loaded: dict[Any, int] = {}
        self.stored = {x for x in members if x in planner.kept or any([r not in inside for r in planner.readers[x]])}
        self.left = Counter([planner.owner(y) for x in members for y in dict.fromkeys(x.needs)])
        self.places: dict[Step, Place] = {}
        before = planner.plan.workspace.state
        try:
            for step in self.members:
                self.step(step)
        except Full:
            planner.plan.workspace.state = before
            for step in self.places:
                del planner.found[step]
            raise

    def written(self) -> None:
        self.chain.written(self.planner.plan)

    def result(self, step: Step) -> Place:
        """The place of a result that is kept."""
        place = self.planner.take(step)
        self.places[step] = place
        return place

    def step(self, step: Step) -> None:
        assert step.op is not None
        if is_total(step):
            operand = self.read(step.inputs[0], step)
            place = self.chain.slot(Slot.RESULT, self.result(step))
            count = step.inputs[0].size if step.op.name == "mean" else 1
            self.chain.operate("total", place, operand, bits(count))
            self.release(step)
            return
        name, given = word_and_inputs(step)
        operands = [self.read(x, step) for x in given]
        self.release(step)
        if step in self.stored and step.dtype != TRUTH:
            place = self.result(step)
            into = self.chain.slot(Slot.STREAM, place)
        else:
            into = self.chain.register()
        self.chain.operate(name, into, *operands)
        self.operand[step] = into
        if step in self.stored and step.dtype == TRUTH:
            truth = self.chain.slot(Slot.RESULT, self.result(step))
            self.chain.operate("store_truth", truth, into)
        if not self.left[step] and into < REGISTERS:
            self.chain.free.append(into)

    def release(self, step: Step) -> None:
        """Registers that no later step reads are free."""
        for owner in dict.fromkeys([self.planner.owner(y) for y in step.needs]):
            self.left[owner] -= 1
            if not self.left[owner] and self.operand.get(owner, REGISTERS) < REGISTERS:
                self.chain.free.append(self.operand.pop(owner))

    def read(self, x: Any, step: Step) -> int:
        """The operand of an input, as it is broadcast for the step."""
        chain, planner = self.chain, self.planner
        if not isinstance(x, Step):
            return chain.slot(Slot.ONE, planner.plan.number(x, self.dtype))
        owner = planner.owner(x)
        if owner in self.operand:
            return self.operand[owner]
        place = planner.place(x)
        whole = step.inputs[0].shape if is_total(step) else step.shape
        strides = broadcast_strides(place, whole)
        if all([s == 0 for s in strides]):
            return chain.slot(Slot.ONE, place)
        kept = tuple([s for s, n in zip(strides, whole, strict=True) if n != 1])
        place = Place(place.memory, place.offset, chain.shape, kept, place.dtype)
        if place.contiguous and place.dtype == self.dtype:
            return chain.slot(Slot.STREAM, place)
        if place not in self.loaded:
            slot = chain.slot(Slot.STRIDED, place)
            self.loaded[place] = chain.register()
            chain.operate("load", self.loaded[place], slot)
        return self.loaded[place]


def broadcast_strides(place: Place, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides by which an array fills a larger shape."""
    lead = len(shape) - len(place.shape)
    own = [0 if n == 1 else s for n, s in zip(place.shape, place.strides, strict=True)]
    return (*[0] * lead, *own)


def word_and_inputs(step: Step) -> tuple[str, list[Any]]:
    """What a step is called in a chain, and what it reads."""
    assert step.op is not None
    name, inputs = step.op.name, list(step.inputs)
    if name == "pow" and type(inputs[1]) in (int, float) and inputs[1] == 2:
        return "square", inputs[:1]
    return "identity" if name == "astype" else name, inputs


def type_in_chain(step: Step, weak: Collection[Step]) -> np.dtype[Any] | None:
    """The type in which a chain computes a step; None for what no chain does."""
    if step.op is None or (step.settings and step.op.name != "astype"):
        return None
    if step.op.name != "astype" and OPERATION.get(step.op.name, OPERATION["load"]) >= OPERATION["load"]:
        return None
    kinds = {x.dtype for x in step.inputs if isinstance(x, Step) and x not in weak}
    if not kinds <= TYPES.keys():
        return None
    if step.dtype in FLOATS:
        fits = step.op.name == "astype" or kinds <= ({step.dtype, TRUTH} if step.dtype == np.float32 else TYPES.keys())
        return step.dtype if fits else None
    if step.dtype != TRUTH or step.op.name == "astype" or not kinds <= {*FLOATS, TRUTH}:
        return None
    floats = [kind for kind in kinds if kind in FLOATS]
    return max(floats, key=lambda kind: kind.itemsize) if floats else FLOATS[1]


def is_total(step: Step) -> bool:
    """Whether a step adds up all entries of an array of floats."""
    if step.op is None or step.op.name not in ("sum", "mean") or step.dtype not in FLOATS:
        return False
    x, axes = step.inputs[0], axes_along(step)
    return x.dtype == step.dtype and all([x.shape[a] == 1 or a in axes for a in range(x.ndim)]) and x.ndim > 0


def layout_of(step: Step, base: Step, offset: int, strides: tuple[int, ...]) -> tuple[int, tuple[int, ...]] | None:
    """Offset and strides, in entries, of a step that only says where entries lie; None where it does more."""
    assert step.op is not None
    name = step.op.name
    if step.dtype != base.dtype or steps_in(list(step.settings.values())):
        return None
    if name == "reshape":
        return reshaped(base.shape, strides, step.shape, offset)
    if name not in VIEWS or (name == "index" and not is_basic(step.settings["key"])):
        return None
    size = step.dtype.itemsize
    ground = np.empty(1, step.dtype)
    looks = np.lib.stride_tricks.as_strided(ground, base.shape, [s * size for s in strides])
    seen = VIEWS[name](looks, **step.settings)
    if not isinstance(seen, np.ndarray):
        return None
    moved = seen.__array_interface__["data"][0] - ground.__array_interface__["data"][0]
    return offset + moved // size, tuple([s // size for s in seen.strides])


def reshaped(
    shape: tuple[int, ...], strides: tuple[int, ...], wanted: tuple[int, ...], offset: int
) -> tuple[int, tuple[int, ...]] | None:
    """Another shape of the same entries, where strides can say it."""
    if Place(0, 0, shape, strides, TRUTH).contiguous:
        return offset, steps_of(wanted)
    long = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    if [n for n, _ in long] != [n for n in wanted if n != 1]:
        return None
    rest = iter([s for _, s in long])
    return offset, tuple([next(rest) if n != 1 else 0 for n in wanted])


def has_ellipsis(key: Any) -> bool:
    """Whether an index has a place for all other axes."""
    return key is Ellipsis or (isinstance(key, tuple) and any([part is Ellipsis for part in key]))


def is_basic(key: Any) -> bool:
    """Whether an index is made of whole numbers, slices and new axes."""
    parts = key if isinstance(key, tuple) else (key,)
    return all([part is None or part is Ellipsis or type(part) in (int, slice) for part in parts])

"""Nodes that remember everything that was done: a function run once on them leaves its whole program behind.

A `Traced` takes operations over like every other node. Beside what a gradient passes through it remembers what it does
not (comparisons, places, data), so nothing that depends on an argument is frozen into the program in silence. It holds
the numbers of an example, for shapes and dtypes; whoever asks for one of these numbers is refused, since the program
would hold for that example alone.
"""

# What a user hands over is known only when it runs, and isinstance narrows it to containers of unknown things.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import numpy as np

from chainrule.core.graph import Node
from chainrule.core.labels import is_users, users_line
from chainrule.core.leaving import branches
from chainrule.core.mapped import Mapped
from chainrule.core.numpy_calls import called, operation_of
from chainrule.core.operation import NUMBERS, Operation, book, compositions, kernels, refuse_masked
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.stand_in import Argument, Shape
from chainrule.core.state import Quiet, count_unusual, switches
from chainrule.errors import DtypeError, GraphError
from chainrule.threads import Local


class Recording:
    """One run of a function on traced arguments: what it took in from outside, and the names it gave to things.

    `steps` are all nodes in the order in which they came about. `held` are the arrays and Tensors from outside, which
    an argument did not give, by identity; `made` are Tensors without a gradient that are made of these. `outside` is
    the frame that began it: names are looked for inside. `refused` are truth values that make the numbers unfit, for
    whoever looks at them whenever the program runs; None where nobody does. `unmoved` are gradients that are plain
    zeros, as nothing leads there, by identity, each with what it is the gradient of. Where nobody asks for names, to
    look for none takes half the time.
    """

    def __init__(self, named: bool = True) -> None:
        self.named = named
        self.steps: list[Traced] = []
        self.refused: list[Traced] | None = None
        self.held: dict[int, tuple[Any, Traced]] = {}
        self.made: dict[int, tuple[Node, Operation, Any, Any]] = {}
        self.unmoved: dict[int, tuple[Any, Traced]] = {}
        self.outside: FrameType = sys._getframe(1)

    def __enter__(self) -> Recording:
        active.recordings.append(self)
        self.followed, switches.follow = switches.follow, self.follow
        count_unusual(1)
        self.profiler = sys.getprofile()
        if self.named:
            sys.setprofile(self.returned)
        return self

    def __exit__(self, *_: object) -> None:
        if not self.named:
            pass
        elif callable(self.profiler):
            sys.setprofile(self.profiler)
        else:  # one that is written in C, as cProfile's, starts itself
            sys.setprofile(None)
            getattr(self.profiler, "enable", nothing)()
        active.recordings.pop()
        switches.follow = self.followed
        count_unusual(-1)
        del self.outside

    def target_of(self, x: Any) -> Traced | None:
        """What a result is the gradient of, where it knows."""
        if isinstance(x, Traced):
            return x.of[0] if x.step is not x and x.of else None
        return self.unmoved[id(x)][1] if id(x) in self.unmoved else None

    def follow(self, out: Node, operation: Operation, inputs: Any, settings: Any) -> None:
        """Remember how a Tensor came about that the program may read."""
        self.made[id(out)] = out, operation, inputs, settings

    def has_made(self, x: Any) -> bool:
        """Whether something is the result of an operation on what is outside."""
        return isinstance(x, Node) and (x.op is not None or id(x) in self.made)

    def returned(self, frame: FrameType, event: str, _: Any) -> None:
        """When a function of the user's returns, its last results have their names."""
        if event == "return" and is_users(frame):
            name_locals(frame)

    def names(self) -> None:
        """Give nodes the names by which the user's functions hold them just now."""
        frame: FrameType | None = sys._getframe(1) if self.named else None
        while frame is not None and frame is not self.outside:
            if is_users(frame):
                name_locals(frame)
            frame = frame.f_back


def nothing() -> None:
    """What no profiler has to do."""


class Active(Local):
    """What runs in this thread, the innermost last: recordings, and what they were asked by NumPy."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []
        self.asking: list[Any] = []
        """Functions of NumPy's whose rule is at work: one that asks NumPy in its turn needs numbers."""


active = Active()


def name_locals(frame: FrameType) -> None:
    """The names of a frame's variables for the nodes in them that have none yet."""
    for name, held in list(frame.f_locals.items()):
        if type(held) is Traced:
            held.named(name)
        elif type(held) in (list, tuple) and len(held) <= 64:
            for i, part in enumerate(held):
                if type(part) is Traced:
                    part.named(f"{name}_{i}")
        elif type(held) is dict and len(held) <= 64:
            for key, part in list(held.items()):
                if type(part) is Traced and type(key) is str:
                    part.named(f"{name}_{key}")


class Traced(Argument):
    """What a traced function sees of an array: an example of it, and how it came about.

    `settings` and `inputs` may hold others. `edges` are the pairs ``(slot, input)`` through which a gradient passes.
    `of` are the nodes whose gradient this one is, `backward` says whether it depends on a cotangent, and `source` is
    the array or Tensor from outside that a leaf stands for.
    """

    __slots__ = (
        "__weakref__",
        "backward",
        "edges",
        "inputs",
        "label",
        "number",
        "of",
        "op",
        "requires_grad",
        "settings",
        "source",
        "step",
    )
    op: Operation | None
    inputs: tuple[Any, ...]
    settings: dict[str, Any]
    edges: tuple[tuple[int, Any], ...]
    number: Any
    label: str
    requires_grad: bool
    backward: bool
    of: list[Traced]
    source: Any
    step: Traced
    """The node itself; of a detached one the node that it was detached from."""

    unknown = "while a function is traced there is no"

    def __init__(
        self, op: Operation | None, inputs: tuple[Any, ...], settings: dict[str, Any], number: Any, label: str = ""
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.settings = settings
        self.number = number
        self.label = label
        self.step = self
        self.of = []
        self.source = None
        self.backward = any([isinstance(x, Traced) and x.backward for x in inputs])
        floating = type(number) is float or np.asarray(number).dtype.kind == "f"
        flat = () if op is None else op.flat
        self.edges = tuple(
            [(i, x) for i, x in enumerate(inputs) if isinstance(x, Traced) and x.requires_grad and i not in flat]
            if floating
            else []
        )
        self.requires_grad = floating and (op is None or bool(self.edges))

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        settings = dict(settings)
        if "key" in settings:
            refuse_masks(settings["key"])
        if any([isinstance(x, Mapped) for x in (*inputs, *settings.values())]):
            return Mapped.__apply__(operation, inputs, settings)
        if operation.composition is not None:
            return operation.composition(*inputs, **settings)
        if not active.recordings:
            raise GraphError(
                "a number from inside a compiled function was kept and used outside: let the function give it back"
            )
        recording = active.recordings[-1]
        recording.names()
        ready = [as_input(x, operation) for x in inputs]
        if operation.broadcasts:
            shape = operation.shape_of_result([shape_of(x) for x in ready], plain(settings))
            ready = [repeated(x, shape) for x in ready]
        return recorded(operation, tuple(ready), settings)

    @staticmethod
    def __kernel__(name: str, x: Any, *rest: Any, **settings: Any) -> Any:
        """A kernel by the rule of its name, where there is one, and else what it does."""
        operation = book.get(name)
        if operation is not None and len(operation.inputs) == 1 + len(rest):
            return operation(x, *rest, **settings)
        return kernels[name](x, *rest, **settings)

    @property
    def shape(self) -> Shape:
        """The length along each axis."""
        return np.shape(self.number)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.asarray(self.number).dtype

    def detach(self) -> Traced:
        """The same numbers outside the graph: no gradient passes."""
        out = Traced(None, (), NO_SETTINGS, self.number, self.label)
        out.step, out.requires_grad, out.backward = self.step, False, self.backward
        return out

    def alias(self) -> Any:
        """A node of its own with the same numbers, for telling two uses apart."""
        return book["identity"](self)

    def named(self, name: str) -> None:
        """Take a name, if there is none yet; gradients are named after what they are gradients of."""
        if not self.step.label and self.op is not None and self.op is not book["identity"]:
            self.step.label = name

    def arrived(self, g: Any) -> Any:
        """Take notice of one's own gradient, which is given back as one that knows whose it is."""
        if not isinstance(g, Traced):
            return g
        if g.step is not self.step:
            g.step.of.append(self.step)
        own = Traced(None, (), NO_SETTINGS, g.number)
        own.step, own.requires_grad, own.backward, own.of = g.step, g.requires_grad, g.backward, [self.step]
        return own

    def check_unchanged(self, edges: Any) -> None:
        """What is traced does not change."""

    def __bool__(self) -> bool:
        raise branches("cr.where(condition, x, y)", "compiled")

    def refuse_number(self, *_: Any, **__: Any) -> Any:
        raise GraphError(
            f"a number is taken out of the program at {users_line()}: it would hold for this example alone. Stay with "
            "the functions of chainrule (cr.index(x, key=i) picks by an argument), or do this outside the compiled "
            "function"
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        raise GraphError(
            f"an array is written in place at {users_line()}: a program's arrays stay as they are. Make a new one with "
            "cr.where(condition, x, y) or cr.concatenate, or write in place outside the compiled function"
        )

    __float__ = __int__ = __index__ = __complex__ = __array__ = item = tolist = numpy = refuse_number
    __round__ = __trunc__ = __floor__ = __ceil__ = refuse_number

    def refuse_where_set(self, needed: bool = True) -> None:
        """These make a run's numbers unfit: a program at which nobody looks is refused, if to look is `needed`."""
        refused = active.recordings[-1].refused if active.recordings else None
        if refused is not None:
            refused.append(self)
        elif needed:
            bool(self)

    def __repr__(self) -> str:
        return f"<traced {self.label or (self.op.name if self.op is not None else 'number')} {self.shape}>"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        operation = operation_of(ufunc)
        if method == "reduce" and ufunc in REDUCTIONS and set(settings) <= {"axis", "keepdims"}:
            return compositions[REDUCTIONS[ufunc]](inputs[0], **{"axis": 0, **settings})
        if operation is None or settings:
            raise DtypeError(f"np.{ufunc.__name__} as it is called here has no rule: use a function of chainrule")
        if method != "__call__":
            raise DtypeError(f"np.{ufunc.__name__}.{method} has no rule: use a function of chainrule")
        return operation(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in (np.shape, np.ndim, np.size):
            return getattr(args[0], function.__name__)
        if function.__name__ in TELLING or function in active.asking:
            return self.refuse_number()
        active.asking.append(function)
        try:
            return called(function, args, kwargs, plain)
        finally:
            active.asking.pop()


def refuse_masks(key: Any) -> None:
    """How many entries truth values pick is no matter of shapes: a program would hold for this example alone."""
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, Traced) and part.dtype == np.bool_:
            raise GraphError(
                f"how many entries are picked depends on the data at {users_line()}: the program would hold for this "
                "example alone. Choose with cr.where(condition, x, 0), or pick outside the compiled function"
            )


TELLING = {"array2string", "array_repr", "array_str", "save", "savetxt", "savez", "savez_compressed"}
"""Functions of NumPy that write numbers down; others that only ask about a type are answered."""

REDUCTIONS = {np.add: "sum", np.maximum: "max", np.minimum: "min", np.multiply: "prod"}
"""NumPy's reductions along axes, by the function that is repeated, and what they are called here."""


def watched_refusals() -> list[Traced]:
    """The truth values, from now on, that make a run's numbers unfit: who calls this looks at them in every run."""
    refused: list[Traced] = []
    active.recordings[-1].refused = refused
    return refused


def recorded(operation: Operation, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Traced:
    """A step of the running recording, computed on its example."""
    numbers = [x.number if isinstance(x, Traced) else x for x in inputs]
    with Quiet():
        number = operation.fitting(numbers, numbers, plain(settings))
    if isinstance(number, np.ndarray | np.generic) and number.dtype.kind == "c":
        raise DtypeError(f"{operation.name} gave {number.dtype}, and a program computes with real numbers")
    if isinstance(number, np.ndarray | np.generic) and number.dtype == np.bool_:
        if operation is book["add"]:  # NumPy adds truth values up to a truth value
            operation = book["logical_or"]
        elif operation in (book["matmul"], book["einsum"]):
            whole = [book["astype"](x, dtype=np.dtype(np.int64)) for x in inputs]
            return book["not_equal"](operation(*whole, **settings), 0)
    out = Traced(operation, inputs, settings, as_plain_as(numbers, operation, number))
    active.recordings[-1].steps.append(out)
    return out


def as_plain_as(numbers: Sequence[Any], operation: Operation, number: Any) -> Any:
    """What is computed of Python numbers alone is one too, and takes on the type of what it meets."""
    plain_ones = numbers and all([type(x) in (float, int) for x in numbers]) and operation is not book["identity"]
    return float(number) if plain_ones and type(number) is np.float64 else number


def seed(number: Any) -> Traced:
    """A cotangent or tangent to start from, a constant of the program."""
    out = Traced(None, (), NO_SETTINGS, np.asarray(number)[()])
    out.backward = True
    active.recordings[-1].steps.append(out)
    return out


def note_unmoved(x: Any, g: Any) -> None:
    """Remember of a gradient of plain zeros what it is the gradient of."""
    if isinstance(x, Traced) and not isinstance(g, Traced):
        active.recordings[-1].unmoved[id(g)] = g, x.step


def is_tracing() -> bool:
    """Whether a function is traced in this thread."""
    return bool(active.recordings)


def leaf_from_outside(x: Any) -> Traced:
    """A leaf of the running recording for an array or a Tensor that no argument gave."""
    recording = active.recordings[-1]
    refuse_masked(x, "a compiled function")
    if id(x) not in recording.held:
        leaf = Traced(None, (), NO_SETTINGS, x.data if isinstance(x, Node) else np.asarray(x), getattr(x, "label", ""))
        leaf.source = x
        recording.held[id(x)] = x, leaf
        recording.steps.append(leaf)
    return recording.held[id(x)][1]


def as_input(x: Any, operation: Operation) -> Any:
    """A traced node, a plain Python number, or a leaf for what comes from outside."""
    if isinstance(x, Traced) or type(x) in (float, int):
        return x.step if isinstance(x, Traced) and x.step is not x and x.requires_grad else x
    if isinstance(x, NUMBERS):
        return x
    recording = active.recordings[-1]
    if id(x) in recording.held:
        return recording.held[id(x)][1]
    if isinstance(x, Node):
        return of_recorded(x, operation) if recording.has_made(x) else leaf_from_outside(x)
    elif isinstance(x, list | tuple):
        parts = [as_input(part, operation) for part in x]
        return compositions["stack"](parts) if any(isinstance(part, Traced) for part in parts) else np.asarray(x)
    elif hasattr(type(x), "__apply__"):
        raise DtypeError(f"{operation.name} cannot mix traced arrays and {type(x).__name__}: use one kind of node")
    return leaf_from_outside(x)


def of_recorded(x: Any, operation: Operation) -> Any:
    """A Tensor that the function recorded from others outside, as steps of the program."""
    recording = active.recordings[-1]
    waiting = [x]
    while waiting:
        node = waiting[-1]
        made, inputs, settings = (node.op, node.inputs, node.settings) if node.op else recording.made[id(node)][1:]
        before = [y for y in inputs if recording.has_made(y) and id(y) not in recording.held]
        waiting += before
        if not before:
            waiting.pop()
            out = Traced.__apply__(made, [as_input(y, operation) for y in inputs], settings)
            recording.held[id(node)] = node, out
    return recording.held[id(x)][1]


def plain(x: Any) -> Any:
    """Settings with the examples' numbers in place of what is traced."""
    if isinstance(x, Traced):
        return x.number
    if isinstance(x, dict):
        return {name: plain(part) for name, part in x.items()}
    if isinstance(x, list | tuple):
        return type(x)([plain(part) for part in x])
    return x


def shape_of(x: Any) -> Shape:
    return x.shape if isinstance(x, Traced) else ()


def repeated(x: Any, shape: Shape) -> Any:
    """An input of a pointwise operation, repeated to the shape of the result; plain numbers fit as they are.

    An argument that is a Python number stays one, and takes the type of what it meets: whoever differentiates in it
    differentiates in an alias, which is an array.
    """
    if not isinstance(x, Traced) or x.shape == shape or type(x.number) is float:
        return x
    return book["broadcast_to"](x, shape=shape)

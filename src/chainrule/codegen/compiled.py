"""Functions compiled: traced once for each kind of arguments, made shorter by laws, written out, and run as written."""

# What a user's function takes and gives is known only when it runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import update_wrapper
from importlib import import_module
from types import MethodType
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from chainrule.codegen.copied import made_again
from chainrule.codegen.laws import shortened
from chainrule.codegen.simplified import with_numbers
from chainrule.codegen.version import RUNS, Version, default_target, plain
from chainrule.collector import without_collector
from chainrule.core import Value
from chainrule.core.graph import Node, from_array
from chainrule.core.mapped import running
from chainrule.core.operation import kernels, refuse_masked
from chainrule.core.state import Quiet, switches
from chainrule.core.traced import is_tracing
from chainrule.core.tree import flatten, unflatten
from chainrule.custom import CustomRule
from chainrule.errors import ChainruleError, DtypeError, GraphError
from chainrule.kinds import what_is
from chainrule.program import Kind, Step, Trace, trace
from chainrule.program.trace import is_data, leaf_of, names_of_arguments, traced_again
from chainrule.threads import RLock

if TYPE_CHECKING:
    from pathlib import Path

    from chainrule.files import PathLike
    from chainrule.nn.module import Module
    from chainrule.optim.optimizer import Optimizer
    from chainrule.program.around import Around
    from chainrule.training.step import TrainingStep

MOST_VERSIONS = 64
"""Kinds of arguments for which a compiled function keeps a program."""


class Compiled:
    """A function that runs as NumPy written by hand would; what `chainrule.compile` gives.

    Called like the function it was made of, it gives what that gives. `source` shows what runs, `explain` what was made
    shorter. For arguments of another shape or type, or other settings, it traces again.
    """

    __name__: str

    def __init__(self, f: Callable[..., Any], target: str | None = None) -> None:
        if not callable(f):
            raise DtypeError(f"compile takes a function, and got {what_is(f)}")
        self.target = target or default_target()
        if self.target not in RUNS:
            raise DtypeError(f"a compiled function runs on {' or '.join(RUNS)}, not on {target!r}")
        update_wrapper(self, f, updated=())
        self.f = f
        self.name = getattr(f, "__name__", type(f).__name__.lower())
        self.versions: dict[Hashable, Version] = {}
        self.of_arrays: dict[Hashable, Version] = {}
        """Those for arrays alone, whose results need no second look."""
        self.latest: Version | None = None
        self.around: Around | None = None
        """What the function read around it when it was traced."""
        self.objects: list[Any] = []
        """Arguments that are no data, of all programs."""
        self.anew: Counter[str] = Counter()
        """Why it was traced anew: what around it became another thing, by name."""
        self.lock = RLock()

    def __repr__(self) -> str:
        made = [version.made_for for version in self.versions.values()]
        return f"<compiled {self.name}{': ' if made else ''}{'; '.join(made)}>"

    def __reduce__(self) -> Any:
        """Its function, and what it runs on: programs are made where a copy is called."""
        return made_again(self, self.target)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method of a class: the object is a setting, whose attributes are watched."""
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        around = self.around
        if around is not None and (around.copies or not around.is_as_it_was()):
            self.forget_if_changed()
        if not settings and not switches.anomaly:
            latest = self.latest
            out = NotImplemented if latest is None or latest.attempt is None else latest.attempt(args)
            if out is not NotImplemented:
                return out
            known = self.of_arrays.get(tuple([(x.shape, x.dtype) if type(x) is np.ndarray else None for x in args]))
            if known is not None:
                self.latest = known
                with Quiet():
                    return known.filled(known.run(*args))
        leaves, structure = flatten((args, settings))
        if is_followed(leaves):
            return self.f(*args, **settings)
        version = self.version_for(leaves, structure, args, settings)
        known_numbers, places = version.trace.numbers, version.trace.given
        given = [taken(x, known_numbers[step]) for x, step in zip(leaves, places, strict=True) if step is not None]
        held = [plain(x) for x in version.trace.held.values()]
        with Quiet():
            results = list(version.run(*given, *held))
        tensors = any(isinstance(x, Node) for x in leaves)
        return unflatten(version.trace.structure, own_memory(results, [*given, *held], leaves, tensors))

    def scan(self, carry: Any, each: Any = None, *, steps: int | None = None) -> tuple[Any, Any]:
        """Many steps in one call, as `jax.lax.scan`: the function takes ``(carry, x)`` and gives ``(carry, y)``.

        Each step gets the carry that the last one left, and its own row of every array in `each`; the result is the
        last carry, and the steps' y stacked along a first axis. Without `each`, `steps` says how many. On kernels all
        of it is one call, and batches that a step picks, as ``cr.index(x, key=rows)``, are gathered inside. The carry
        is data: floats and arrays in lists, tuples and dicts, of the same shapes and types after each step; ShapeError
        else.

        >>> import chainrule as cr, numpy as np
        >>> data = np.arange(6.0)
        >>> @cr.compile
        ... def step(w, rows):
        ...     x = cr.index(data, key=rows)
        ...     value, slope = cr.value_and_grad(lambda w: cr.mean((w * x - 2 * x) ** 2))(w)
        ...     return w - 0.02 * slope, value
        >>> w, losses = step.scan(0.0, np.arange(6).reshape(1, 6).repeat(50, axis=0))
        >>> round(float(w), 6), losses.shape
        (2.0, (50,))
        """
        if is_followed(flatten((carry, each))[0]):
            raise GraphError(f"scan of {self.name} has no derivative, and is no part of a program: loop over the steps")
        from chainrule.codegen.scanned import scan  # most functions are called step by step

        self.forget_if_changed()
        return scan(self, carry, each, steps)

    def version_for(self, leaves: Sequence[Any], structure: Any, args: Any, settings: Any) -> Version:
        """The program for arguments of this kind, made now if there is none."""
        key = (structure, tuple(map(kind_of, leaves)))
        version = self.versions.get(key)
        if version is None or any([not fits(step, x) for step, x in version.trace.held.items()]):
            from chainrule.program.around import Around  # not for the steps of nets, where all code is ours

            with self.lock:
                version = self.make(args, settings)
                known = zip(leaves, version.trace.given, strict=True)
                self.objects += [x for x, step in known if step is None and hasattr(x, "__dict__")]
                self.around = Around(self.f, [*version.trace.held.values()], self.objects) or None
                while len(self.versions) >= MOST_VERSIONS:
                    del self.versions[next(iter(self.versions))]
                    self.of_arrays.clear()
                self.versions[key] = version
                if not settings and all([type(x) is np.ndarray for x in args]) and version.is_plain:
                    self.of_arrays[tuple([(x.shape, x.dtype) for x in args])] = version
        self.latest = version
        return version

    def forget_if_changed(self) -> None:
        """Forget all programs where something around the function is no longer what it was."""
        name = "" if self.around is None else self.around.changed()
        if name:
            with self.lock:
                self.anew[name] += 1
                self.versions, self.of_arrays, self.latest, self.around = {}, {}, None, None
                self.objects = []

    @without_collector()
    def make(self, args: tuple[Any, ...], settings: dict[str, Any]) -> Version:
        """Trace, differentiate, shorten, write out."""
        try:
            whole, again = trace(self.f, *args, **settings), traced_again(self.f, *args, **settings)
        except (ChainruleError, ValueError, TypeError, IndexError) as error:
            for made_for in dict.fromkeys([version.made_for for version in self.versions.values()]):
                error.add_note(f"compiled {self.name} was made for {made_for}")
            raise
        made_for = described(self.f, args, settings)
        given = None if settings else flatten(args)[1]
        whole = with_numbers(whole, refuse_if_different(self.name, whole, again))
        shorter, fired = shortened(whole)
        return Version(shorter, whole, fired, made_for, identifier(self.name), self.target, given)

    def needs_version(self) -> Version:
        """The version that ran last; an error where none was made yet."""
        if self.latest is None:
            raise GraphError(
                f"{self.name} was not called yet, so its shapes are not known: call it once with an example of its "
                "arguments, and then ask again"
            )
        return self.latest

    def source(self, target: str = "numpy", *, planned: bool = False, numbers: bool = False) -> str:
        """The program of the latest call as a module that runs without this package.

        `target` is "numpy", "jax", "javascript" or "c". The function takes the arguments' arrays one by one, and gives
        the results' arrays; how in JavaScript says codegen/as_javascript.py, how in C the first lines. With `planned`
        each line of NumPy has one operation, and results go to buffers that are used again: this is what runs, with
        buffers of its own in each thread. With `numbers` the arrays from outside, as a network's weights, are in the
        source. Raises ChainruleError for an operation that a target cannot say.
        """
        return self.needs_version().written(identifier(self.name), target, planned=planned, numbers=numbers)

    def write(self, path: PathLike, target: str | None = None) -> list[Path]:
        """Write the program with all its numbers to a file, and give the files that were written.

        The ending says which language: .py (NumPy), .js, .c (with its header beside it) or .onnx, which needs the extra
        ``onnx``; `target` says otherwise. Files are written whole or not at all.
        """
        return self.needs_version().write(path, identifier(self.name), target)

    def explain(self) -> str:
        """What was made, for which arguments, by which laws, and what runs."""
        version = self.needs_version()
        lines = [f"{self.name}, made for {version.made_for}"]
        if len(self.versions) > 1:
            lines.append(f"It was traced {len(self.versions)} times, for arguments of other shapes, types or settings:")
            lines += [f"  {other.made_for}" for other in self.versions.values()]
        if self.anew:
            lines.append(f"It was traced anew, as other things stood around it: {', '.join(self.anew)}")
        if self.around is not None and self.around.left <= 0:
            lines.append(f"More stands around it than the {self.around.most} places that are watched")
        return "\n".join([*lines, *version.shortened(), *version.told()])


@overload
def compile(f: Callable[..., Any], *, target: str | None = None) -> Compiled: ...
@overload
def compile(
    f: Module,
    *,
    target: str | None = None,
    loss: Callable[..., Any],
    optimizer: Optimizer,
    clip_norm: float | None = None,
) -> TrainingStep: ...
def compile(
    f: Any,
    *unnamed: Any,
    target: str | None = None,
    loss: Callable[..., Any] | None = None,
    optimizer: Any = None,
    clip_norm: float | None = None,
) -> Any:
    """A function that does what f does: traced once, differentiated, made shorter by laws, and run by kernels or NumPy.

    f is any function of floats, arrays, Tensors, or nested lists, tuples and dicts of these; what `grad`,
    `value_and_grad` and the other transforms give too. Whole numbers, truth values and words are settings: for other
    ones, and for other shapes and types, it is traced again. Arrays and Tensors from outside are read at each call.
    Results have memory of their own. Inside a transform, a map or another compiled function, for Tensors whose gradient
    is wanted, and where `detect_anomaly` looks for nan, f itself runs. Raises GraphError where a branch depends on the
    data, or where two traces differ, as with random numbers. Tracing runs f twice on its first arguments. `target` is
    "native", the kernels that were compiled with the package, or "numpy"; without one it is "native" where the kernels
    were built.

    With a `loss` and an `optimizer`, f is a Module, and what is made is a whole training step: see
    `chainrule.training.TrainingStep`. `clip_norm` then bounds the norm of all gradients together.

    >>> import chainrule as cr, numpy as np
    >>> def loss(w, x, y):
    ...     error = x @ w - y
    ...     return cr.mean(error**2)
    >>> step = cr.compile(cr.value_and_grad(loss))
    >>> x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.0])
    >>> value, gradient = step(np.array([0.5, 1.0]), x, y)
    >>> float(value), gradient.tolist()
    (16.25, [18.0, 25.0])
    >>> print(step.source())  # doctest: +ELLIPSIS
    def loss(w, x, y):
        ...
        # forward
        error = x @ w - y  # error = x w − y  (2,)
        value = (error**2).mean()  # value = mean(error⊙²)
    <BLANKLINE>
        # backward
        dw = x.T @ error  # ∂value/∂w = xᵀ error  (2,)
        return value, dw
    <BLANKLINE>
    """
    if unnamed:
        raise DtypeError(
            f"compile takes one argument without a name, the function or the network, and got {what_is(unnamed[0])} "
            'behind it: write cr.compile(f, target="numpy"), or cr.compile(net, loss=cr.nn.MSELoss(), '
            "optimizer=cr.optim.SGD(net.parameters(), lr=0.1))"
        )
    if loss is None and optimizer is None and clip_norm is None:
        return Compiled(f, target)
    if loss is None or optimizer is None:
        raise DtypeError("compile of a training step takes a module with both loss= and optimizer=")
    # It stands on a floor above this one, and is there as soon as someone asks.
    step = import_module("chainrule.training").TrainingStep
    return step(f, loss, optimizer, clip_norm=clip_norm, target=target)


NUMBERS = frozenset((np.ndarray, float, int, bool))
"""What has no gradient, by its type."""


def is_followed(leaves: Sequence[Any]) -> bool:
    """Whether a transform, a graph, a map, another program or a search for nan follows what is computed of `leaves`.

    Then functions run as they are.
    """
    if switches.transforms or running.levels or is_tracing() or switches.anomaly:
        return True
    if not switches.recording or NUMBERS.issuperset(map(type, leaves)):
        return False
    return any([isinstance(x, Node | Value) and x.requires_grad for x in leaves])


def kind_of(x: Any) -> Hashable:
    """What tells arguments apart for which another program is needed."""
    if isinstance(x, np.ndarray):
        refuse_masked(x, "a compiled function")
        return x.shape, x.dtype.str
    if isinstance(x, Node):
        return "tensor", x.shape, x.dtype.str
    if type(x) is float or isinstance(x, Value):
        return type(x)
    if isinstance(x, np.generic) and is_data(x):
        return (), x.dtype.str
    try:
        hash(x)
    except TypeError:
        raise DtypeError(
            f"a compiled function takes numbers, arrays, Tensors and settings that stay as they are, not a "
            f"{type(x).__name__}"
        ) from None
    return (type(x), x) if type(x) in (bool, int, str) else (type(x), x, told_apart(x))


class Itself:
    """A thing, equal to none but itself, whatever it says of that; it lives as long as someone compares with it."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and other.x is self.x

    def __hash__(self) -> int:
        return id(self.x)


def told_apart(x: Any) -> Hashable:
    """What tells a setting from one that calls itself equal: as 1 does to True in a set, or by an `__eq__` of its own.

    That of a user's class may leave out what the function reads. What cannot be compared stands for itself.
    """
    from chainrule.program.around import PLAIN, is_users

    if isinstance(x, PLAIN):
        return type(x), repr(x)
    if type(x) in (tuple, frozenset):
        return type(x)(map(told_apart, x))
    if type(x).__hash__ is None or not is_users(type(x)):
        return (type(x), x) if type(x).__hash__ else Itself(x)
    slots = [name for kind in type(x).__mro__ for name in vars(kind).get("__slots__", ())]
    held = {name: getattr(x, name, None) for name in slots} | getattr(x, "__dict__", {})
    own = type(x).__eq__ is not object.__eq__
    return type(x), tuple([(name, told_apart(part)) for name, part in held.items()]) if own else Itself(x)


def fits(step: Step, x: Any) -> bool:
    """Whether an array or Tensor from outside is still what the program was made for."""
    return x.shape == step.shape and x.dtype == step.dtype


def taken(x: Any, number: Any) -> Any:
    """The numbers of an argument; a Python number as an array's, where the program takes it for one."""
    return np.float64(x) if type(x) is float and type(number) is np.float64 else plain(x)


def own_memory(results: list[Any], inputs: Sequence[Any], leaves: Sequence[Any], tensors: bool) -> list[Any]:
    """Results that share memory with nothing, in the kind of the arguments."""
    taken = {id(root_of(x)) for x in inputs if isinstance(x, np.ndarray)}
    floats = not any([isinstance(x, np.ndarray | np.generic | Node) for x in leaves])
    values = any([isinstance(x, Value) for x in leaves])
    ready: list[Any] = []
    x: Any
    for x in results:
        if isinstance(x, np.ndarray) and x.ndim:
            root = id(root_of(x))
            if root in taken or not x.flags.writeable:
                x = x.copy()
            taken.add(root)
        elif isinstance(x, np.ndarray | np.generic):
            x = np.asarray(x)[()]
        if tensors:
            x = from_array(np.asarray(plain(x)))
        elif values and not np.ndim(x):
            x = Value(float(x))
        ready.append(x.item() if floats and not np.ndim(x) and isinstance(x, np.floating | np.bool_) else x)
    return ready


def root_of(x: Any) -> Any:
    """The array whose memory another lies in."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def made_inside(one: Trace, other: Trace) -> set[Step]:
    """The arrays and Tensors that a function makes anew in each run, by two traces of it: nobody outside has them."""
    pairs = zip(one.program.steps, other.program.steps, strict=True)
    return {x for x, y in pairs if x in one.held and other.held.get(y) is not one.held[x]}


def refuse_if_different(name: str, one: Trace, other: Trace) -> set[Step]:
    """Two traces of a function on the same arguments must be one program: else something in it is not an argument.

    Gives the arrays and Tensors that it makes anew in each run.
    """
    own = next((x.op for x in one.program.steps if isinstance(x.op, CustomRule)), None)
    if own is not None:
        raise GraphError(
            f"{own.name} has a backward pass of its own, which is Python and cannot be written out in {name}: compile "
            "what comes before and behind it, or declare it as an operation with @cr.pointwise"
        )
    if len(one.program) != len(other.program):
        raise GraphError(f"{name} did other things when it ran twice on the same arguments: {EXPLICIT}")
    inside = made_inside(one, other)
    for x, y in zip(one.program.steps, other.program.steps, strict=True):
        if x.op is not y.op or x.shape != y.shape or x.dtype != y.dtype:
            raise GraphError(f"{name} did other things when it ran twice on the same arguments: {EXPLICIT}")
        own_numbers = x.kind is Kind.FROZEN or x in inside
        if own_numbers and not np.array_equal(one.numbers[x], other.numbers[y], equal_nan=True):
            raise GraphError(f"{name} used other numbers when it ran twice on the same arguments: {EXPLICIT}")
        if not same_numbers((x.inputs, x.settings), (y.inputs, y.settings)):
            raise GraphError(f"{name} used other numbers when it ran twice on the same arguments: {EXPLICIT}")
    if not same_numbers(one.outputs, other.outputs):
        raise GraphError(f"{name} gave other numbers when it ran twice on the same arguments: {EXPLICIT}")
    return inside


def same_numbers(x: Any, y: Any) -> bool:
    """Whether the numbers in two operations' inputs and settings are the same; steps are looked at by themselves."""
    if isinstance(x, Step) or isinstance(y, Step):
        return isinstance(x, Step) and isinstance(y, Step)
    if isinstance(x, tuple | list) and isinstance(y, tuple | list):
        return len(x) == len(y) and all(map(same_numbers, x, y))
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and all([same_numbers(part, y[key]) for key, part in x.items()])
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        one, other = np.asarray(x), np.asarray(y)
        return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    return bool(x == y) or (x != x and y != y)  # noqa: PLR0124  (a nan is the same as a nan here)


EXPLICIT = "give random numbers, counters and running statistics as arguments, and give back what they become"


def described(f: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> str:
    """The arguments that a program is made for, by name: ``w (2, 3) float64, n=5``."""
    leaves, _ = flatten((args, settings))
    parts: list[str] = []
    for name, x in zip(names_of_arguments(f, args, settings), leaves, strict=True):
        node = leaf_of(x, name)
        parts.append(f"{name}={x!r}" if node is None else f"{name} {node.shape or 'number'} {node.dtype}")
    return ", ".join(parts) or "no arguments"


def identifier(name: str) -> str:
    """A function's name in written Python."""
    from chainrule.codegen.identifiers import function_name  # not for steps, whose name is known

    return function_name(name, ["work", "workspace", *kernels])

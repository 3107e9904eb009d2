"""What is checked: a function with its inputs as arrays that can be moved, its outputs in a row, and its derivatives.

The function runs in float64 where it can, on copies; parameters of modules among its inputs are inputs too. What a run
changes (buffers, generators of random numbers, inputs that are written into) is as before at the next.
"""

# What a user's function takes and gives is not known before it has run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import math
import random
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.core import Value, graph
from chainrule.core.forward import tangents_of
from chainrule.core.graph import from_array
from chainrule.core.operation import is_node
from chainrule.core.state import Quiet, Transforming, enable_grad, no_grad
from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import UNFIT, ChainruleError, DtypeError, GraphError
from chainrule.nn.module import Module
from chainrule.program.trace import paths
from chainrule.transforms import output_node
from chainrule.verify.parts import wrong_operation

Array = NDArray[np.float64]
Function = Callable[..., Any]

REAL = ("float32", "float64")
SAME = 1e-12
"""Two runs on the same inputs that differ by less differ by rounding, as where threads add up in another order."""


class BackwardError(ChainruleError, RuntimeError):
    """A backward pass that fails, or gives something that is no gradient; the message says what."""


@dataclass(eq=False)
class Leaf:
    """An array that can be moved: an input or a part of one, or a parameter."""

    name: str
    array: Array
    given: Any
    """What stood there: a number, an array, a Value, a Tensor or a parameter."""
    dtype: np.dtype[Any]


class Chances:
    """The generators of random numbers that everybody shares, which can be wound back."""

    def __init__(self) -> None:
        self.numpy = np.random.get_state()
        self.python = random.getstate()
        self.drawn = True
        """Whether anybody draws from them; to put them back costs as much as a small function."""

    def wind_back(self) -> None:
        if self.drawn:
            np.random.set_state(self.numpy)
            random.setstate(self.python)

    def look(self) -> bool:
        """Whether somebody has drawn since."""
        now: Any = np.random.get_state()
        before: Any = self.numpy
        self.drawn = now[2] != before[2] or not np.array_equal(now[1], before[1]) or random.getstate() != self.python
        return self.drawn


class Subject:
    """The contract between a function that is checked and the check; subclasses know how theirs is run.

    `run` gives the outputs at the leaves' present numbers; `back` the gradients of ``u · outputs`` in the leaves, from
    what `forward_pass` kept. Parameters of modules of the class `modules_are` are leaves behind the inputs.
    """

    modules_are: Any = ()
    wide = True
    """Whether it runs in float64; otherwise in the types that were given."""
    size = 0.0
    """How large the numbers are of which the outputs are made, where they may cancel."""
    copies = False
    """Whether the inputs are copied for each run, because a run writes into them."""
    differentiated: type[Subject] | None = None
    """What its gradient is checked as, for second order."""
    u: Array
    """Of a gradient, the weights of the outputs that are differentiated."""

    def __init__(self, f: Function, inputs: Sequence[Any], loss: Function | None = None) -> None:
        self.f = self.call = f
        self.inputs = inputs
        self.loss = loss
        self.title = name_of(f)
        self.notes: list[str] = []
        self.chances = Chances()
        self.flat, self.structure = flatten(tuple(inputs))
        self.names = names_of_inputs(f, inputs)
        self.modules: list[Any] = [x for x in (f, loss, *self.flat) if isinstance(x, self.modules_are)]
        target = len(flatten(inputs[-1])[0]) if loss is not None else 0
        self.places = moving_places(self.flat, bool(self.modules), target)
        self.own = [leaf_of(name, owned) for name, owned in parameters_of(self.modules)]
        self.before = [(leaf.given, leaf.given.data) for leaf in self.own]
        self.leaves = [*[leaf_of(self.names[k], self.flat[k]) for k in self.places], *self.own]
        if not self.leaves:
            raise DtypeError(f"{self.title} was given no number, array, Value, Tensor or Module that could be moved")

    def __enter__(self) -> Self:
        try:
            settle(self)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Leave everything as it was."""
        for owned, data in self.before:
            owned.data = data

    def run(self) -> Array:
        raise NotImplementedError

    def forward_pass(self) -> Any:
        """One run that can be gone back through: whatever `back` needs of it."""
        raise NotImplementedError

    def back(self, passed: Any, u: Array) -> list[Array]:
        """The backward pass of one forward pass: the gradient of ``u · outputs`` in every leaf."""
        raise NotImplementedError

    def filled(self, moved: Sequence[Any], flat: Sequence[Any] | None = None) -> list[Any]:
        """The arguments with other things in place of the inputs that are moved."""
        flat = list(self.flat if flat is None else flat)
        for k, x in zip(self.places, moved, strict=False):
            flat[k] = x
        return list(unflatten(self.structure, flat))

    def called(self, arguments: list[Any]) -> list[Any]:
        """The leaves of what the function gives, or of the loss of that and of the last argument."""
        if self.loss is None:
            return flatten(self.call(*arguments))[0]
        *others, target = arguments
        return flatten(self.loss(self.call(*others), target))[0]

    def as_arrays(self, gradients: Sequence[Any]) -> list[Array]:
        """Gradients in float64, zeros where there is none."""
        pairs = zip(self.leaves, gradients, strict=True)
        return [np.zeros(leaf.array.shape) if g is None else np.array(array_of(g), float) for leaf, g in pairs]

    def runs_elsewhere(self) -> bool:
        """Whether the function may run at other numbers between a forward pass and the way back.

        Parameters are the same in every run, so that a run elsewhere would make the first one stale.
        """
        return not self.own

    def pull(self, u: Array) -> list[Array]:
        """The gradient of ``u · outputs`` in every leaf."""
        return self.back(self.forward_pass(), u)

    def pull_late(self, u: Array) -> tuple[list[Array], list[Array]]:
        """The same where the function ran elsewhere between forward and backward; and once more from the same run."""
        passed = self.forward_pass()
        if self.runs_elsewhere():
            with holding(self.leaves, [0.5 * leaf.array + 0.25 for leaf in self.leaves]):
                self.forward_pass()
        return self.back(passed, u), self.back(passed, u)

    def push(self, tangents: Sequence[Array]) -> Array | None:
        """The outputs' tangents; None where there is no forward mode."""
        return None

    def recorded(self) -> tuple[Any, dict[Any, str]] | None:
        """What it gives, computed again on Tensors, and the names of its leaves among them; None where it cannot be."""
        return None

    @cached_property
    def is_analytic(self) -> bool:
        """Whether a complex step through it is known to see every part of it."""
        return False

    def complex_slope(self, leaf: Leaf, way: Array, u: Array) -> float | None:
        """The derivative of ``u · outputs`` along a way of one input, by a complex step; None where there is none."""
        return None

    def pull_as_given(self, u: Array) -> list[Array] | None:
        """The gradient in the types that were given, where they are not float64."""
        if not self.wide or all(leaf.dtype == np.float64 for leaf in self.leaves):
            return None
        self.wide = False
        try:
            return self.pull(u)
        finally:
            self.wide = True

    def derivative(self, u: Array) -> Subject:
        """The gradient of ``u · outputs`` as a function of the same inputs."""
        if self.differentiated is None:
            raise GraphError(f"second order is not known of {self.title}: its backward pass is on plain numbers")
        found = self.differentiated(self.f, self.inputs, self.loss)
        found.u = u
        found.title = f"the gradient of {self.title}"
        # What it is made of, though that may cancel to nothing: the outputs over the inputs.
        inputs = np.sqrt(np.mean(np.square(joined([leaf.array for leaf in self.leaves]))))
        found.size = float(np.abs(self.run() * u).sum() / (inputs or 1.0))
        return found

    def guilty(self) -> str:
        """Which of its parts is wrong, in a sentence; nothing where that cannot be told."""
        return ""

    def safe_run(self, count: int) -> Array:
        """The outputs, or nan for each where the function does not exist."""
        try:
            out = self.run()
        except (ArithmeticError, ValueError):
            return np.full(count, np.nan)
        return out if out.size == count else np.full(count, np.nan)


class Recorded(Subject):
    """A function that chainrule differentiates: of floats, arrays, Values, Tensors, containers of these and Modules."""

    modules_are = Module

    def __enter__(self) -> Self:
        for leaf in self.own:
            leaf.given.data = leaf.array
            leaf.array = leaf.given.data  # which is moved in place
        self.kept = Kept(self.modules)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.kept.put_back()

    def node(self, leaf: Leaf, record: bool) -> Any:
        """A node for a leaf, at its present numbers; a parameter is its own."""
        array = leaf.array if self.wide else leaf.array.astype(leaf.dtype)
        if leaf in self.own:
            owned = leaf.given
            if self.copies or not self.wide:
                owned.data = array
            elif owned.data is not array:
                owned.data = array
                leaf.array = owned.data
            return owned
        if isinstance(leaf.given, Value):
            return Value(float(array))
        node = from_array(array.copy() if self.copies or record else array)
        node.requires_grad = record
        return node

    def outputs(self, record: bool) -> tuple[list[Any], list[Any]]:
        """One run: the leaves' nodes and the outputs' nodes that hold real numbers."""
        self.kept.put_back()
        self.chances.wind_back()
        nodes = [self.node(leaf, record) for leaf in self.leaves]
        with enable_grad() if record else no_grad(), Transforming():
            found = [output_node(x) for x in self.called(self.filled(nodes))]
        return nodes, [x for x in found if isinstance(x, Value) or x.dtype.kind == "f"]

    def run(self) -> Array:
        return joined([x.data for x in self.outputs(False)[1]])

    def forward_pass(self) -> tuple[list[Any], list[Any]]:
        return self.outputs(True)

    def back(self, passed: tuple[list[Any], list[Any]], u: Array) -> list[Array]:
        """A walk back over what a run recorded."""
        nodes, outputs = passed
        try:
            found = graph.gradients_of(outputs, cotangents(u, outputs), nodes, record=False)
        except UNFIT as error:
            raise BackwardError(f"the backward pass fails: {error}") from error
        return self.as_arrays(found)

    def runs_elsewhere(self) -> bool:
        return not self.modules

    def push(self, tangents: Sequence[Array]) -> Array | None:
        nodes, outputs = self.outputs(True)
        try:
            ready = [
                float(t) if isinstance(x, Value) else np.asarray(t, x.dtype)
                for x, t in zip(nodes, tangents, strict=True)
            ]
            moved = tangents_of(nodes, ready, outputs, record=False)
        except GraphError:
            return None
        return joined([
            np.zeros(x.shape) if t is None else array_of(t) for x, t in zip(outputs, moved, strict=True)
        ])  # fmt: skip

    def guilty(self) -> str:
        return wrong_operation(*self.outputs(True))


class Gradient(Recorded):
    """The gradient of ``u · outputs`` of a recorded function, itself a function of the same inputs."""

    def outputs(self, record: bool) -> tuple[list[Any], list[Any]]:
        nodes, outputs = super().outputs(True)
        given = [Value(g) if isinstance(g, float) else from_array(g) for g in cotangents(self.u, outputs)]
        with enable_grad():
            found = graph.gradients_of(outputs, given, nodes, record=True)
        return nodes, [from_array(np.zeros(x.shape)) if g is None else g for x, g in zip(nodes, found, strict=True)]


Recorded.differentiated = Gradient


class Kept:
    """What modules change while they run: buffers, and their own generators of random numbers."""

    def __init__(self, modules: Sequence[Module]) -> None:
        inside = {id(part): part for module in modules for part in module.modules()}.values()
        self.buffers = [(b, b.data.copy()) for module in modules for _, b in module.named_buffers()]
        held = [x for module in inside for x in vars(module).values() if isinstance(x, np.random.Generator)]
        self.generators = [(x, x.bit_generator.state) for x in held]

    def put_back(self) -> None:
        for buffer, numbers in self.buffers:
            buffer.data[...] = numbers
        for generator, state in self.generators:
            generator.bit_generator.state = state


def settle(subject: Subject) -> None:
    """Find out how a subject has to be run: in float64 or as given, on copies or not, and whether it repeats itself."""
    before = [leaf.array.copy() for leaf in subject.leaves]
    try:
        first = subject.run()
    except Exception:
        if all(leaf.dtype == np.float64 for leaf in subject.leaves):
            raise
        subject.wide = False
        first = subject.run()
        subject.notes.append("it runs in float32 alone, so only four digits or so can be confirmed")
    if first.size == 0 and any(leaf.array.size for leaf in subject.leaves):
        raise GraphError(f"{subject.title} gave no real numbers: return the loss, or the outputs to be differentiated")
    if subject.chances.look():
        subject.notes.append("it draws random numbers from a shared generator: every run here was given the same ones")
    if any(not np.array_equal(x, leaf.array, equal_nan=True) for x, leaf in zip(before, subject.leaves, strict=True)):
        subject.copies = True
        subject.notes.append("it writes into its inputs: every run here was given a copy")
        for x, leaf in zip(before, subject.leaves, strict=True):
            leaf.array[...] = x
    again = subject.run()
    with Quiet():
        size = np.abs(first).max(initial=0.0)
        if again.shape != first.shape or (np.abs(again - first) > SAME * size).any():
            raise Unsteady(float(first[0]), float(again[0]) if again.size else np.nan, subject.title)


class Unsteady(ChainruleError, RuntimeError):
    """A function that gives something else each time."""

    def __init__(self, first: float, again: float, title: str) -> None:
        super().__init__(
            f"{title} gives something else each time on the same inputs ({first:.6g}, then {again:.6g}), so that no "
            "difference says anything: give its random numbers a fixed seed inside, or make them an input"
        )


@contextmanager
def holding(leaves: Sequence[Leaf], numbers: Sequence[Any]) -> Generator[None]:
    """A block in which leaves hold other numbers."""
    before = [leaf.array.copy() for leaf in leaves]
    try:
        for leaf, x in zip(leaves, numbers, strict=True):
            leaf.array[...] = x
        yield
    finally:
        for leaf, x in zip(leaves, before, strict=True):
            leaf.array[...] = x


def array_of(x: Any) -> Any:
    """What a node, a tensor of PyTorch's or a number holds, in its own type."""
    return np.asarray(x.detach().cpu().numpy() if is_tensor(x) else x.data if is_node(x) else x)


def is_tensor(x: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def leaf_of(name: str, x: Any) -> Leaf:
    """A number or array that can be moved, on a copy in float64."""
    given = array_of(x)
    return Leaf(
        name, np.array(given, np.float64, order="C"), x, given.dtype if given.dtype.kind == "f" else np.dtype(float)
    )


def moving_places(flat: Sequence[Any], modules: bool, target: int) -> list[int]:
    """Which inputs are differentiated: real numbers and arrays of them, but not the target of a loss.

    Whole numbers are counts and classes, unless all inputs are plain numbers: ``f(3)`` is meant as ``f(3.0)``.
    """
    among = range(len(flat) - target)
    real = [k for k in among if is_real(flat[k])]
    if real or modules:
        return real
    return [k for k in among if type(flat[k]) is int]


def is_real(x: Any) -> bool:
    """Whether x is a real number, or an array, Value or Tensor of them, PyTorch's too."""
    if isinstance(x, Value | float):
        return True
    if is_tensor(x):
        return x.is_floating_point()
    return isinstance(x, Tensor | np.ndarray | np.floating) and np.dtype(x.dtype).name in REAL


def parameters_of(modules: Sequence[Any]) -> list[tuple[str, Any]]:
    """Every parameter of modules, chainrule's or PyTorch's, that is trained, each once, with its name."""
    found: dict[int, tuple[str, Any]] = {}
    for module in modules:
        for name, owned in module.named_parameters():
            if owned.requires_grad:
                found.setdefault(id(owned), (name, owned))
    return list(found.values())


def names_of_inputs(f: Any, inputs: Sequence[Any]) -> list[str]:
    """A name for each leaf of the inputs: that of f's parameter, and the way into it.

    An ``autograd.Function`` of PyTorch's, which is a class, has its context in front.
    """
    given = [None, *inputs] if isinstance(f, type) else inputs
    called = parameter_names(f, len(given))
    return [path for name, x in zip(called, given, strict=True) for path in paths(name, x)]


def parameter_names(f: Any, count: int) -> list[str]:
    """What f calls its first arguments, as far as it says."""
    function = getattr(f, "forward", f)
    try:
        found = [
            p.name
            for p in inspect.signature(function).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        found = []
    first = int(isinstance(f, type))  # behind a context
    return [found[k] if k < len(found) else f"input {k - first}" for k in range(count)]


def name_of(f: Any) -> str:
    name = getattr(f, "__name__", "") or type(f).__name__
    return "the function" if name == "<lambda>" else name


def joined(parts: Sequence[Any]) -> Array:
    """Numbers of several arrays in a row."""
    return np.concatenate([np.zeros(0), *[np.asarray(part, float).ravel() for part in parts]])


def pieces(u: Array, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """A row of numbers, cut into arrays of these shapes."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(u, ends), shapes, strict=False)]


def cotangents(u: Array, outputs: Sequence[Any]) -> list[Any]:
    """A row of numbers as what arrives at nodes."""
    cut = pieces(u, [out.shape for out in outputs])
    return [float(g) if isinstance(x, Value) else g.astype(x.dtype) for g, x in zip(cut, outputs, strict=True)]

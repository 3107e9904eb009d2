"""The tensor engine: an array that records what is computed with it, after PyTorch's conventions."""

# The functions below the class are its own: they set up and read its private parts.
# pyright: reportPrivateUsage=false
# What a user hands over is known only when it runs, and isinstance narrows it to containers of unknown things.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.anomaly import check_share
from chainrule.core.array_methods import ArrayMethods
from chainrule.core.graph import (
    CUT,
    Node,
    from_array,
    frozen,
    give,
    note_differentiated,
    pullback,
    record,
    record_result,
    require_differentiable,
    set_up,
)
from chainrule.core.handles import RemovableHandle
from chainrule.core.labels import find_labels
from chainrule.core.leaving import give_array, give_copy, give_explicitly, give_number
from chainrule.core.numpy_calls import called, operation_of, refused
from chainrule.core.operation import as_array, book, compositions, named
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.registry import rooms
from chainrule.core.state import quietly, switches
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.kinds import Array

Double = float
"""Python's own type, by a name that no method of a Tensor takes."""


class Tensor(Node, ArrayMethods):
    """An array with a memory: operations on it are recorded, and `backward()` gives gradients.

    `data` is any number, nested list or array; it is copied. Arrays keep their dtype, Python numbers become float64.
    With ``requires_grad=True`` (float32 and float64 only) operations record, and `grad` is filled by `backward`.
    Operators, NumPy's functions and the functions of the rule book, as ``x.exp()`` or ``cr.exp(x)``, all record.

    >>> import chainrule as cr
    >>> x = cr.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4., 6.])
    """

    __slots__ = ()
    _data: Array
    _grad: Tensor | None
    _keep_grad: bool
    arrays: Sequence[Any]
    edges: Sequence[tuple[int, Tensor]]
    hooks: list[tuple[Callable[[Any], Any]]] | None
    inputs: tuple[Any, ...]
    line: str
    op: Any
    origin: Any
    requires_grad: bool
    settings: dict[str, Any]
    view_of: Tensor | None

    def __init__(self, data: Any, *, dtype: Any = None, requires_grad: bool = False, label: str = "") -> None:
        if isinstance(data, Tensor):
            if data.requires_grad:
                give_copy(data)
            data = data._data
        array = as_array(data, "Tensor")
        if dtype is None and array.dtype.kind in "iu" and isinstance(data, int | list | tuple):
            dtype = np.float64
        array = np.array(array, dtype=dtype)
        if requires_grad:
            require_differentiable(array)
        set_up(self, array)
        self.requires_grad = requires_grad
        self.label = label

    # What it is

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by hand and not by a recorded operation."""
        return self.op is None

    def item(self) -> Any:
        """The one entry as a Python number."""
        if self.requires_grad:
            give_explicitly(self, "item")
        return self._only_entry("item()")

    def _only_entry(self, wanted: str) -> Any:
        if self._data.size != 1:
            raise ShapeError(f"{wanted} needs exactly one entry, and {self.describe()} has {self._data.size}")
        return self._data.item()

    def _number(self, wanted: str) -> Any:
        if self.requires_grad:
            give_number(self)
        return self._only_entry(wanted)

    def numpy(self) -> Array:
        """A copy of the numbers as a NumPy array."""
        if self.requires_grad:
            give_explicitly(self, "numpy")
        return self._data.copy()

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        if self.requires_grad:
            give_explicitly(self, "tolist")
        return self._data.tolist()

    def describe(self) -> str:
        """What to call it in a message: its label or the user's name for it, and its shape."""
        label = find_labels([self]).get(id(self), "")
        kind = "a Tensor" if self.op is None else f"the result of {self.op.name}"
        return f"{label or kind} {self.shape}"

    def __repr__(self) -> str:
        numbers = np.array2string(self._data, separator=", ", prefix="Tensor(")
        parts = [numbers]
        if self._data.dtype != np.float64:
            parts.append(f"dtype={self._data.dtype}")
        if self.op is not None:
            parts.append(f"op={self.op.name}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        if self.label:
            parts.append(f"label={self.label!r}")
        return f"Tensor({', '.join(parts)})"

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("a Tensor without axes cannot be iterated")
        return (self[i] for i in range(len(self._data)))

    def __reversed__(self) -> Iterator[Any]:
        return iter(self[::-1])

    def __float__(self) -> Double:
        return float(self._number("float()"))

    def __int__(self) -> int:
        return int(self._number("int()"))

    __trunc__ = __int__

    def __complex__(self) -> complex:
        return complex(self._number("complex()"))

    def __round__(self, ndigits: int | None = None) -> Any:
        return round(self._only_entry("round()"), ndigits)

    def __format__(self, spec: str) -> str:
        return format(self._only_entry(f"the format {spec!r}"), spec) if spec else str(self)

    def __index__(self) -> int:
        return self._data.__index__()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ShapeError(f"whether {self.describe()} is true is not clear: use .any() or .all() on its .data")
        return bool(self._data)

    # Leaving the graph

    def detach(self) -> Tensor:
        """The same numbers outside the graph: no gradient passes."""
        cut = self.requires_grad or self.origin is not None
        return frozen(self._data.copy()) if cut else from_array(self._data.copy())

    def alias(self) -> Tensor:
        """A node of its own with the same numbers, for telling two uses apart."""
        out = record_result(book["identity"], (self,), [self._data], NO_SETTINGS, self._data, [(0, self)])
        out.view_of = self
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            give_array(self)
        if copy or (dtype is not None and dtype != self._data.dtype):
            return self._data.astype(dtype or self._data.dtype, copy=True)
        view = self._data.view()
        view.flags.writeable = False
        return view

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        function, arguments = self.__reduce__()
        copied: Tensor = function(*arguments)
        copied._data = self._data.copy()
        copied._grad = None if self._grad is None else from_array(self._grad._data.copy())
        return copied

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        if self.op is not None:
            raise GraphError(
                "only a Tensor without inputs can be copied or pickled: take x.detach(), or save the leaves and "
                "compute again"
            )
        if self.requires_grad:
            give_explicitly(self, "copy")
        return _restore, (type(self), self._data, self.requires_grad, self.label, self._grad)

    # Gradients

    def backward(self, gradient: Any = None, *, create_graph: bool = False) -> None:
        """Fill `grad` in every leaf that led here, adding to what it holds; O(one forward), without recursion.

        `gradient` is the cotangent to start from, of this tensor's shape; a single number needs none. With
        `create_graph` the gradients are nodes themselves and can be differentiated again.
        """
        if not self.requires_grad:
            raise GraphError(
                f"{self.describe()} does not depend on anything with requires_grad=True (or was computed under no_grad)"
            )
        if gradient is None:
            if self._data.size != 1:
                raise GraphError(
                    f"backward() starts from a single number, and {self.describe()} has {self._data.size}: sum it to "
                    f"a loss first, or give backward(gradient) of shape {self.shape}"
                )
            seed = np.array(1, self._data.dtype).reshape(self._data.shape)
        else:
            seed = np.array(as_array(getattr(gradient, "_data", gradient), "backward"), dtype=self._data.dtype)
            if seed.shape != self.shape:
                raise ShapeError(f"a gradient of shape {seed.shape} does not fit {self.describe()}")
        start: Any = seed
        if create_graph:
            start = gradient if isinstance(gradient, Tensor) else from_array(seed)
        pullback([self], [start], record=create_graph)
        note_differentiated(self)

    def draw(self, **how: Any) -> Any:
        """The graph behind this tensor as a picture, as `draw` of the package has it."""
        # It stands on a floor above this one, and is there as soon as someone asks.
        return import_module("chainrule.pictures.draw").draw(self, **how)

    def retain_grad(self) -> None:
        """Keep `grad` on this tensor too, although it is not a leaf."""
        self._keep_grad = True

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(gradient)`` when this tensor's gradient has come in `backward()`; what it gives stands for it.

        The gradient is complete, a Tensor of this shape, and is then kept and handed on. Hooks are called in the order
        they came, and ``handle.remove()`` ends one. On a leaf it is the gradient of this pass alone, before it is added
        to `grad`. A tensor that requires no gradient raises `GraphError`; a gradient of another shape `ShapeError`.

        >>> import chainrule as cr
        >>> x = cr.Tensor([1.0, -2.0], requires_grad=True)
        >>> y = x * x
        >>> handle = y.register_hook(lambda g: cr.clip(g, -1.0, 1.0))
        >>> (3 * y).sum().backward()
        >>> x.grad
        Tensor([ 2., -4.])
        """
        if not self.requires_grad:
            raise GraphError(f"{self.describe()} requires no gradient, so no hook would ever be called")
        if not callable(hook):
            raise DtypeError(f"a hook is a function of a gradient, not {type(hook).__name__}")
        if self.hooks is None:
            self.hooks = []
        entry = (hook,)  # a thing of its own: one hook may be registered twice
        self.hooks.append(entry)
        return RemovableHandle(self.hooks, entry)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Switch `requires_grad` on a leaf, in place."""
        if self.op is not None:
            raise GraphError("requires_grad can be changed on leaves alone: take x.detach() first")
        if requires_grad:
            require_differentiable(self._data)
        self.requires_grad = requires_grad
        return self

    # What graph.py asks of a node

    def check_share(self, i: int, g: Any, share: Any) -> None:
        """Under detect_anomaly: stop where a finite gradient turns into nan or infinity."""
        check_share(self.op.name, i, g, share, self.arrays, self.line)

    # Reading and writing entries

    def _picked(self, key: Any) -> Any:
        kind = type(key)
        if kind is np.ndarray:
            if not self.requires_grad and self.origin is None and key.dtype.kind in "iu" and key.ndim and self.ndim:
                try:
                    return from_array(self._data.take(key, 0))
                except (IndexError, ValueError):  # the rule says it in the user's words
                    pass
            key = key.copy()  # the backward pass reads it again
        elif kind is not int and kind is not slice:
            if is_remembered(key):
                return self._taken(key if isinstance(key, tuple) else (key,))
            key = plain_key(key)
        return book["index"](self, key=key)

    def _taken(self, places: tuple[Any, ...]) -> Any:
        """The entries at places that were computed from what moves: an input, so that the program holds elsewhere."""
        whole = all(isinstance(x, Tensor | np.ndarray) and x.dtype.kind in "iu" for x in places)
        if not whole:  # yes and no, or slices among them: how many are picked depends on the numbers of this run
            out = book["index"](self, key=plain_key(places))
            out.origin = (CUT,) if out.requires_grad else CUT
            return out
        rest = self.shape[len(places) :]
        flat: Any = 0
        for x, n in zip(places, self.shape, strict=False):
            flat = flat * n + x + n * (x < 0) if len(places) > 1 else x
        return compositions["take"](self.reshape(-1, *rest) if len(places) > 1 else self, flat, axis=0)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._refuse_in_place(value)
        self._write(plain_key(key), value._data if isinstance(value, Tensor) else value)

    def _refuse_in_place(self, value: Any) -> None:
        tracked = self.requires_grad or (isinstance(value, Tensor) and value.requires_grad)
        if switches.recording and tracked:
            raise GraphError(
                f"{self.describe()} takes part in differentiation and cannot be changed in place: "
                "do it under `with cr.no_grad():`, or make a new tensor"
            )

    def _write(self, key: Any, numbers: Any) -> None:
        if self.view_of is not None:
            self._data = self._data.copy()
            self.view_of = None
        self._data[key] = numbers
        self.mark_changed()

    def _in_place(self, name: str, other: Any) -> Any:
        if self.op is None and self.requires_grad:
            self._refuse_in_place(other)
        out = book[name](self, other)
        if out.requires_grad:
            return out
        if out.shape != self.shape:
            raise ShapeError(f"{name} in place would change the shape of {self.describe()} to {out.shape}")
        if not np.can_cast(out.dtype, self.dtype, "same_kind"):
            raise DtypeError(
                f"{name} in place would round {out.dtype} results to the {self.dtype} of {self.describe()}: "
                "make a new tensor, or use x.astype(float)"
            )
        self._write(..., out._data)
        return self

    def __iadd__(self, other: Any) -> Any:
        return self._in_place("add", other)

    def __isub__(self, other: Any) -> Any:
        return self._in_place("sub", other)

    def __imul__(self, other: Any) -> Any:
        return self._in_place("mul", other)

    def __itruediv__(self, other: Any) -> Any:
        return self._in_place("div", other)

    if TYPE_CHECKING:  # the functions of the rule book; see `take_up`

        def __getattr__(self, name: str) -> Any: ...

    # NumPy's side

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        operation = operation_of(ufunc)
        if method == "__call__" and operation is not None and not settings:
            return operation(*inputs)
        flat = all(signature.endswith("->?") for signature in ufunc.types)
        into = settings.get("out", ())
        lost = not flat and any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
        if lost or any(isinstance(x, Tensor) for x in into):
            raise refused(ufunc, method, settings)
        settings = {name: numbers_of(x) for name, x in settings.items()}
        plain = [x._data if isinstance(x, Tensor) else x for x in inputs]
        return quietly(getattr(ufunc, method), *plain, **settings)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return called(function, args, kwargs, numbers_of)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The functions of the array API standard, for programs that are written for any library's arrays."""
        # It stands on a floor above this one, and is there as soon as someone asks.
        return import_module("chainrule.array_api")

    def __dlpack__(self, **asked: Any) -> Any:
        """The numbers for another library; a Tensor with a gradient is detached first."""
        if self.requires_grad:
            raise GraphError(f"{self.describe()} leaves the graph with its numbers: take .detach() first")
        return self._data.__dlpack__(**asked)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._data.__dlpack_device__()

    __apply__ = staticmethod(record)


give(Tensor)


OWN = frozenset(dir(Tensor))


def take_up(name: str, function: Any) -> None:
    """Make a function of the rule book a method, unless tensors have one of their own by that name.

    Methods found by ``__getattr__``, as other kinds of node find theirs, would make every look at an attribute of a
    tensor take four times as long.
    """
    if name in OWN or rooms.get(name, function.__module__) != function.__module__:
        return
    if compositions.declared(name) not in (None, function):
        return

    itself = getattr(function, "__wrapped__", function)  # operations on a Tensor are silent without more ado

    def method(self: Tensor, *inputs: Any, **settings: Any) -> Any:
        return itself(self, *inputs, **settings)

    method.__name__, method.__qualname__, method.__doc__ = name, f"Tensor.{name}", function.__doc__
    setattr(Tensor, name, method)


named.append(take_up)  # no rule is declared before this module is there


class Awaited:
    """A method that a room of the rule book declares which is closed: to ask for it opens the room."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, node: Tensor | None, kind: type[Tensor]) -> Any:
        import_module(rooms[self.name])  # takes up the method in this one's place
        return getattr(kind if node is None else node, self.name)


def await_rooms(closed: Mapping[str, Sequence[str]]) -> None:
    """Leave rooms of the rule book closed until one of the names is asked for that each, by its module, declares."""
    rooms.update({name: room for room, names in closed.items() for name in names})
    for name in rooms:
        if name not in OWN:
            setattr(Tensor, name, Awaited(name))


def _restore(kind: type[Tensor], array: Array, requires_grad: bool, label: str, grad: Tensor | None) -> Tensor:
    out = kind.__new__(kind)
    set_up(out, array)
    out.requires_grad = requires_grad
    out.label = label
    out._grad = grad
    return out


def numbers_of(x: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return x._data if isinstance(x, Tensor) else x


def is_remembered(key: Any) -> bool:
    """Whether an index was computed from something that moves."""
    if type(key) is tuple:
        return any([is_remembered(part) for part in key])
    return isinstance(key, Tensor) and key.origin is not None and not key.requires_grad


def plain_key(key: Any) -> Any:
    """An index with Tensors in it as NumPy takes it, in memory of its own: the backward pass reads it again."""
    if isinstance(key, tuple):
        return tuple([plain_key(part) for part in key])
    copied = isinstance(key, Tensor | np.ndarray) or (isinstance(key, list) and key)
    return np.array(key) if copied else key

"""Nodes without numbers: a computation as symbols that know their shapes alone.

A `Term` takes operations over like every other node and ends in the same graph functions, so a symbolic gradient is the
book's own backward pass with ``record=True``. Equal terms are one object: to compare two is to ask whether they are the
same, and a part that is used twice is there once.

Since a term remembers operations and not numbers, it runs on anything that operations run on: on arrays it computes, on
Tensors it records, on formulas it prints (`replay`).
"""

# What settings hold is known only when a program runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.numpy_calls import operation_of, sorted_out
from chainrule.core.operation import NUMBERS, Operation, book, is_node
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.stand_in import Shape, StandIn
from chainrule.core.state import Quiet
from chainrule.errors import DtypeError, GraphError

known: weakref.WeakValueDictionary[Any, Term] = weakref.WeakValueDictionary()
"""Every term in use, by what it is made of."""


class Term(StandIn):
    """A symbol, a constant array, or an operation on terms and plain numbers; its shape is all it knows of its value.

    >>> import chainrule as cr
    >>> from chainrule.core.term import symbol
    >>> w, x = symbol("W", (2, 3)), symbol("x", (3,))
    >>> (w @ x).shape
    (2,)
    >>> w @ x is w @ x
    True
    """

    __slots__ = ("__weakref__", "edges", "inputs", "label", "number", "op", "settings", "shape")
    op: Operation | None
    inputs: tuple[Any, ...]
    settings: dict[str, Any]
    shape: Shape
    label: str
    """A symbol's name; empty for anything else."""
    number: Any
    """A constant's number or array; None for anything else."""
    edges: tuple[tuple[int, Term], ...]

    unknown = "a term has no"
    is_symbolic = True

    def __init__(
        self,
        op: Operation | None,
        inputs: tuple[Any, ...],
        settings: dict[str, Any],
        shape: Shape,
        label: str = "",
        number: Any = None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.settings = settings
        self.shape = shape
        self.label = label
        self.number = number
        flat = () if op is None else op.flat
        self.edges = tuple([(i, x) for i, x in enumerate(inputs) if isinstance(x, Term) and i not in flat])

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        if operation.composition is not None:
            return operation.composition(*inputs, **settings)
        ready = [as_input(x, operation) for x in inputs]
        shape = None
        if operation.broadcasts:
            shape = operation.shape_of_result([shape_of(x) for x in ready], settings)
            ready = [repeated(x, shape) for x in ready]
        key = (operation, tuple([identity(x) for x in ready]), frozen(settings))
        found = known.get(key)
        if found is None:
            if shape is None:
                shape = operation.shape_of_result([shape_of(x) for x in ready], settings)
            found = known[key] = Term(operation, tuple(ready), settings, shape)
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        """Symbols stand for real numbers of double precision."""
        return np.dtype(np.float64)

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient may pass: a constant has none."""
        return self.number is None

    def alias(self) -> Term:
        """A symbol of its own with this one's shape, for telling two uses apart."""
        return Term(None, (), NO_SETTINGS, self.shape, self.label or "alias")

    def check_unchanged(self, edges: Any) -> None:
        """Symbols do not change."""

    def __bool__(self) -> bool:
        raise GraphError("a formula has no number to branch on: use where(condition, x, y)")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        operation = operation_of(function)
        if operation is None:
            return NotImplemented
        positional, settings = sorted_out(function, operation, args, kwargs)
        return operation(*positional, **settings)

    def __repr__(self) -> str:
        what = self.label or (self.op.name if self.op is not None else repr(self.number))
        return f"<term {what} {self.shape}>"


def symbol(name: str, shape: Shape = ()) -> Term:
    """A named unknown of a shape; the same name and shape are the same symbol."""
    return interned(("symbol", name, shape), lambda: Term(None, (), NO_SETTINGS, shape, label=name))


def constant(number: Any) -> Term:
    """A number or array as a term, where a plain number will not do."""
    array = np.asarray(number, dtype=np.float64)
    key = ("constant", array.shape, array.tobytes())
    return interned(key, lambda: Term(None, (), NO_SETTINGS, array.shape, number=array))


def replay(outputs: Sequence[Any], values: Mapping[Term, Any]) -> list[Any]:
    """The outputs with something else in place of some terms: arrays, Tensors, formulas, other terms."""
    found: dict[Any, Any] = dict(values)
    with Quiet():
        for term in forward_order(outputs, found):
            if term.op is None:
                if term.number is None:
                    raise GraphError(f"the symbol {term.label} has no value")
                found[term] = plain_number(term)
            else:
                inputs = [found[x] if isinstance(x, Term) else x for x in term.inputs]
                if not term.op.broadcasts:
                    for i in [i for i in term.op.flat if isinstance(inputs[i], np.ndarray)]:
                        inputs[i] = as_places(inputs[i])
                found[term] = counted(term.op(*inputs, **term.settings))
    return [found[out] if isinstance(out, Term) else out for out in outputs]


def as_places(x: Any) -> Any:
    """Whole numbers as such; what has others tells of no places."""
    numbers = np.asarray(x, dtype=float)
    return numbers.astype(np.intp) if np.all(np.abs(numbers) < 2**53) and np.all(numbers % 1 == 0) else x


def part_of_axis(shape: Shape, key: Any) -> tuple[int, int, int] | None:
    """The axis of which a key of slices picks a part, and where that begins and ends; None for another key."""
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > len(shape) or not all([isinstance(part, slice) for part in keys]):
        return None
    ranges = [range(n)[part] for n, part in zip(shape, keys, strict=False)]
    found = [(axis, part) for axis, part in enumerate(ranges) if len(part) != shape[axis]]
    if len(found) != 1 or found[0][1].step != 1:
        return None
    ((axis, part),) = found
    return axis, part.start, part.stop


def cover(ranges: Sequence[tuple[int, int]], size: int) -> bool:
    """Whether ranges in their order lie one behind the other, and are all of an axis of this size."""
    ends = [0, *[stop for _, stop in ranges]]
    return [start for start, _ in ranges] == ends[:-1] and ends[-1] == size


def with_others(term: Any, others: Mapping[Term, Any]) -> Any:
    """A term, or a number, with others in place of some parts."""
    kept = {x: x for x in forward_order([term], others) if x.op is None}
    return replay([term], {**kept, **others})[0] if others else term


def counted(x: Any) -> Any:
    """A condition as the 1 or 0 that it counts as in a formula: NumPy's sum of two truths is a truth."""
    return x + 0.0 if getattr(x, "dtype", None) == np.bool_ else x


def forward_order(outputs: Iterable[Any], known_already: Iterable[Any] = ()) -> list[Term]:
    """Every term that the outputs are made of, each after its inputs; those known already are not opened."""
    done = set(known_already)
    order: list[Term] = []
    stack: list[tuple[Any, bool]] = [(out, False) for out in reversed(list(outputs))]
    while stack:
        term, inputs_are_done = stack.pop()
        if not isinstance(term, Term) or term in done:
            continue
        if inputs_are_done:
            done.add(term)
            order.append(term)
        else:
            stack.append((term, True))
            stack.extend((x, False) for x in reversed(term.inputs))
    return order


def symbols_in(*outputs: Any) -> list[Term]:
    """The unknowns that terms are made of, in the order of the forward."""
    return [x for x in forward_order(outputs) if x.op is None and x.number is None]


def interned(key: Any, make: Any) -> Term:
    found = known.get(key)
    if found is None:
        found = known[key] = make()
    return found


def as_input(x: Any, operation: Operation) -> Any:
    """A term, a plain Python number, or an array as a constant."""
    if isinstance(x, Term) or type(x) in (float, int):
        return x
    if is_node(x):
        raise DtypeError(f"{operation.name} cannot mix Term and {type(x).__name__}: use one kind of node")
    if isinstance(x, NUMBERS):
        return float(x)
    return constant(x)


def identity(x: Any) -> Any:
    """What tells one input from another; 2 and 2.0 print alike and are told apart."""
    return x if isinstance(x, Term) else (type(x).__name__, repr(x))


def frozen(setting: Any) -> Any:
    """Settings as something that can be looked up."""
    if isinstance(setting, dict):
        return tuple([(name, frozen(setting[name])) for name in sorted(setting)])
    if isinstance(setting, list | tuple):
        return (type(setting).__name__, *map(frozen, setting))
    if isinstance(setting, np.ndarray):
        return (setting.shape, setting.dtype.str, setting.tobytes())
    if isinstance(setting, slice):
        return ("slice", setting.start, setting.stop, setting.step)
    return (type(setting).__name__, repr(setting))


def plain_number(x: Any) -> Any:
    """A constant's number or array; a plain number as it is."""
    if not isinstance(x, Term):
        return x
    return x.number if x.number.ndim else float(x.number)


def name_of(x: Any) -> str:
    """The name of the operation that made a node; empty for what none made, as symbols and numbers."""
    op = getattr(x, "op", None)
    return "" if op is None else op.name


def shape_of(x: Any) -> Shape:
    """The shape of a term; a number has none."""
    return x.shape if isinstance(x, Term) else ()


def repeated(x: Any, shape: Shape) -> Any:
    """An input of a pointwise operation, repeated to the shape of the result; plain numbers fit as they are."""
    return book["broadcast_to"](x, shape=shape) if isinstance(x, Term) and x.shape != shape else x

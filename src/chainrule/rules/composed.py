"""Functions made of operations. They have no rule: the chain rule through their parts is their derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core import Value, add_all
from chainrule.core.graph import frozen
from chainrule.core.labels import find_labels
from chainrule.core.operation import NUMBERS, composed, is_node, refuse_masked, takes_over
from chainrule.core.tensor import Tensor
from chainrule.core.term import Term
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.rules import gates, linear, multiplication, pointwise, reductions
from chainrule.rules.linear import reshape
from chainrule.rules.pointwise import sqrt, square

Axis = int | tuple[int, ...] | None
OF_ONE_NUMBER = (*NUMBERS, Value)
SEQUENCES = (list, tuple)
PYTHONS = (int, float, bool)
"""Python's own kinds of number, which have no type of array."""
LEAST_LOGARITHM = -100.0
LEAST_PROBABILITY = float(np.exp(LEAST_LOGARITHM))
"""Probabilities below have the surprise of this one, as in PyTorch's BCELoss: it is finite at 0."""


@composed
def sum(
    x: Any, axis: Axis = None, keepdims: bool = False, dtype: Any = None, initial: Any = None, where: Any = None
) -> Any:
    """Add up the entries, all or along axes; of a list of Values, one node for the whole sum.

    The sum starts from `initial`, and entries for which `where` does not hold are left out.

    >>> import chainrule as cr
    >>> cr.sum([cr.Value(1.0), cr.Value(2.0), 3.0]).data
    6.0
    """
    if issubclass(type(x), SEQUENCES) and any(type(part) is Value for part in x):
        if axis not in (None, 0, -1):
            raise ShapeError(f"a list of Values has one axis, and axis={axis} asks for another")
        return add_all(x)
    x = gathered(x)
    if dtype is not None:
        x = linear.astype(x, dtype=np.dtype(dtype))
    if where is not None:
        x = pointwise.where(where, x, 0)
    out = linear.sum(x, axis=axis, keepdims=keepdims)
    return out if initial is None else pointwise.add(out, beginning(initial, out))


@composed
def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    """Arrays end to end along an axis that they have; with None all their entries, row by row.

    >>> import chainrule as cr, numpy as np
    >>> cr.concatenate([np.ones(2), np.zeros(1)])
    array([1., 1., 0.])
    """
    parts = together("concatenate", arrays)
    if axis is None:
        return linear.concatenate(*[reshape(part, shape=(-1,)) for part in parts], axis=0)
    return linear.concatenate(*parts, axis=axis)


@composed
def stack(arrays: Any, axis: int = 0) -> Any:
    """Arrays of one shape along a new axis.

    >>> import chainrule as cr, numpy as np
    >>> cr.stack([np.ones(2), np.zeros(2)], axis=1)
    array([[1., 0.],
           [1., 0.]])
    """
    return linear.stack(*together("stack", arrays), axis=axis)


@composed
def max(x: Any, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = None) -> Any:
    """The largest entry, all over or along axes; equals share the gradient evenly.

    It is no less than `initial`, which stands for entries for which `where` does not hold.

    >>> import chainrule as cr, numpy as np
    >>> cr.max(np.array([[1.0, 5.0], [3.0, 2.0]]), axis=0)
    array([3., 5.])
    """
    return extreme("max", x, axis, keepdims, initial, where)


@composed
def min(x: Any, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = None) -> Any:
    """The smallest entry, all over or along axes; equals share the gradient evenly.

    It is no more than `initial`, which stands for entries for which `where` does not hold.

    >>> import chainrule as cr, numpy as np
    >>> cr.min(np.array([[1.0, 5.0], [3.0, 2.0]]), axis=0)
    array([1., 2.])
    """
    return extreme("min", x, axis, keepdims, initial, where)


def extreme(name: str, x: Any, axis: Axis, keepdims: bool, initial: Any, where: Any) -> Any:
    """The largest or smallest entry, with NumPy's keywords."""
    reduce, between = {
        "max": (reductions.largest, pointwise.maximum),
        "min": (reductions.smallest, pointwise.minimum),
    }[name]
    x = with_numbers(x)
    initial = beginning(initial, x)
    if where is not None:
        if initial is None:
            raise ShapeError(f"{name} with where= needs initial=, which it is where nothing is left")
        x = pointwise.where(where, x, initial)
    if initial is None:
        return reduce(x, axis=axis, keepdims=keepdims)
    if not linear.count(shape_of(x), axis):
        return pointwise.add(linear.sum(x, axis=axis, keepdims=keepdims), initial)
    return between(reduce(x, axis=axis, keepdims=keepdims), initial)


def beginning(initial: Any, x: Any) -> Any:
    """What a reduction of x starts from, in its type as in NumPy; a node stays what it is."""
    kind = getattr(x, "dtype", None)
    if initial is None or kind is None or is_node(initial):
        return initial
    try:
        return np.asarray(initial, kind)[()]
    except (OverflowError, ValueError) as error:
        raise DtypeError(f"initial={initial!r} is no {kind}, and whole numbers start from one of their type") from error


@composed
def softmax(x: Any, axis: Axis = -1) -> Any:
    """Positive shares that add up to 1, in proportion to e^x; stable at any size of x.

    >>> import chainrule as cr, numpy as np
    >>> cr.softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    return reductions.softmax(gathered(x), axis=axis)


@composed
def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """The logarithm of `softmax`, exact where the softmax itself is 0 in floating point.

    >>> import chainrule as cr, numpy as np
    >>> cr.log_softmax(np.array([1000.0, 0.0]))
    array([    0., -1000.])
    """
    return reductions.log_softmax(gathered(x), axis=axis)


def bounded_log(x: Any) -> Any:
    """The logarithm, flat where it would be below -100."""
    small = pointwise.less_equal(x, LEAST_PROBABILITY)
    return pointwise.where(small, LEAST_LOGARITHM, pointwise.log(pointwise.where(small, 1.0, x)))


@composed
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """ln of the sum of e^x, a smooth maximum; stable at any size of x.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.logsumexp(np.array([1000.0, 0.0])))
    1000.0
    """
    return reductions.logsumexp(gathered(x), axis=axis, keepdims=keepdims)


@composed
def var(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The mean squared distance from the mean; the sum is divided by the count minus `ddof`.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.var(np.array([1.0, 5.0])))
    4.0
    """
    x = gathered(x)
    away = x - linear.mean(x, axis=axis, keepdims=True)
    total, count = linear.sum(square(away), axis=axis, keepdims=keepdims), linear.count(shape_of(x), axis) - ddof
    if count > 0:
        return total / float(count)
    # Nothing is left to divide by: a 0 that hangs on the entries has no derivative that is a number, of any order.
    return total / (0.0 + linear.sum(0.0 * away, axis=axis, keepdims=keepdims))


@composed
def std(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The square root of `var`; its gradient where all entries are equal is 0.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.std(np.array([1.0, 5.0])))
    2.0
    """
    x = gathered(x)
    if without_numbers(x):
        return sqrt(var(x, axis, ddof, keepdims))
    away = x - linear.mean(x, axis=axis, keepdims=True)
    entries = linear.count(shape_of(x), axis)
    if entries == 1 and not ddof:
        return linear.sum(away, axis=axis, keepdims=keepdims)  # nothing else to differ from: flat, and no kink
    count = float(np.maximum(entries - ddof, 0))
    return reductions.length(away, axis=axis, keepdims=keepdims, count=count)


def away_over_spread(x: Any, axes: Axis, eps: float) -> Any:
    """How far entries are from their mean along axes, over the root of their variance plus `eps`."""
    away = x - linear.mean(x, axis=axes, keepdims=True)
    return away / sqrt(linear.mean(square(away), axis=axes, keepdims=True) + eps)


def length(x: Any, axis: Axis, keepdims: bool) -> Any:
    """The root of the sum of squares, of all entries or along axes; its gradient at 0 is 0."""
    if without_numbers(x):
        return sqrt(linear.sum(square(x), axis=axis, keepdims=keepdims))
    return reductions.length(x, axis=axis, keepdims=keepdims)


@composed
def prod(
    x: Any, axis: Axis = None, keepdims: bool = False, dtype: Any = None, initial: Any = None, where: Any = None
) -> Any:
    """The product of the entries; exact gradients where entries are 0, in O(n).

    It overflows or vanishes where the whole does, whatever the order of the factors. It starts from `initial`, and
    entries for which `where` does not hold are left out.

    >>> import chainrule as cr, numpy as np
    >>> cr.grad(cr.prod)(np.array([2.0, 3.0, 0.0]))
    array([0., 0., 6.])
    """
    x = gathered(x)
    kind = np.dtype(dtype) if dtype is not None else multiplied(getattr(x, "dtype", None))
    if kind is not None:
        x = linear.astype(x, dtype=kind)
    if where is not None:
        x = pointwise.where(where, x, 1)
    if initial is not None:
        return pointwise.mul(prod(x, axis, keepdims), beginning(initial, x))
    if isinstance(x, OF_ONE_NUMBER):
        np.lib.array_utils.normalize_axis_tuple(() if axis in (None, 0, -1) else axis, 0)
        return x
    return multiplication.prod(x, axis=axis if shape_of(x) or axis not in (0, -1) else None, keepdims=keepdims)


def multiplied(kind: Any) -> Any:
    """The type that NumPy multiplies small whole numbers in, so that products do not run over; None of others."""
    if kind is None or kind.kind not in "biu" or kind.itemsize >= np.dtype(int).itemsize:
        return None
    return np.dtype(np.uint if kind.kind == "u" else int)


@composed
def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the normal distribution's share below x; ``approximate="tanh"`` is the cheaper form.

    >>> import chainrule as cr
    >>> round(cr.gelu(2.0), 4), round(cr.gelu(2.0, approximate="tanh"), 4)
    (1.9545, 1.9546)
    """
    if approximate not in ("none", "tanh"):
        raise DtypeError(f"gelu has approximate='none' and 'tanh', not {approximate!r}")
    return gates.gelu_tanh(x) if approximate == "tanh" else gates.gelu(x)


def named(operands: Any) -> str:
    """The shapes of some operands for a message, each with the user's name for it where there is one."""
    labels = find_labels(operands)
    return " and ".join(f"{labels.get(id(x), '')} {shape_of(x)}".strip() for x in operands)


def gathered(x: Any) -> Any:
    """One array or node; a list of nodes is stacked."""
    if issubclass(type(x), SEQUENCES):
        return linear.stack(*x, axis=0) if any(is_node(part) for part in x) else np.asarray(x)
    return x


def in_real_numbers(x: Any) -> Any:
    """The same with whole numbers and truths as float64, for what NumPy takes none of."""
    x = gathered(x)
    whole = getattr(getattr(x, "dtype", None), "kind", "f") in "biu"
    return linear.astype(x, dtype=np.dtype(float)) if whole else x


def together(name: str, arrays: Any) -> Any:
    """A list of arrays or nodes, not empty; a plain number takes the type that adding it to the others would give."""
    if type(arrays) is not list and type(arrays) is not tuple:
        if is_node(arrays) or isinstance(arrays, NUMBERS) or getattr(arrays, "ndim", 1) == 0:
            raise ShapeError(f"{name} takes a list of at least one array")
        arrays = list(arrays)
    if not arrays:
        raise ShapeError(f"{name} takes a list of at least one array")
    for x in arrays:
        if type(x) in PYTHONS:
            return beside_arrays(arrays)
    return arrays


def beside_arrays(parts: Any) -> list[Any]:
    """Python's numbers among arrays in the type that adding them to the arrays would give."""
    kinds = [x.dtype for x in parts if hasattr(x, "dtype")]
    return [np.asarray(x, np.result_type(*kinds, x)) if kinds and type(x) in PYTHONS else x for x in parts]


def without_numbers(x: Any) -> bool:
    """Whether it is a symbol, or made of symbols: what only protects numbers is left out for those."""
    return isinstance(x, Term)


def require_numbers(x: Any, what: str, instead: str = "") -> None:
    """Refuse a symbol where what is computed depends on its numbers."""
    if without_numbers(x):
        raise GraphError(f"a symbol has no numbers, and {what} depends on them: give numbers{instead}")


def numbers_of(x: Any) -> Any:
    """The plain numbers of an array or node, which carry no gradient."""
    instead = ", compare two things with maximum or minimum, or take the smooth logsumexp"
    require_numbers(x, "which entry is the largest or smallest", instead)
    refuse_masked(x, "a function of numbers")
    return x.detach() if takes_over(x) else np.asarray(x.data if is_node(x) else x)


def array_of(x: Any) -> Any:
    """The plain numbers as one array, for what depends on all of them; inside vmap there is none, and that is said."""
    numbers = numbers_of(x)
    return numbers.refuse_number() if takes_over(numbers) else numbers


def with_numbers(x: Any) -> Any:
    """One array or node with numbers; a symbol is refused."""
    x = gathered(x)
    if without_numbers(x):
        numbers_of(x)
    return x


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, a node or a number."""
    return getattr(x, "shape", ())


def alike(x: Any, array: Any) -> Any:
    """A plain array as the kind of node that x is; what was made of numbers that move is frozen."""
    if isinstance(x, Tensor):
        return frozen(array) if x.requires_grad or x.origin is not None else Tensor(array, dtype=array.dtype)
    return type(x)(array) if is_node(x) else array

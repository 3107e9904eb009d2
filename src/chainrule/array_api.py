"""The namespace of the Python array API standard, for programs that ask a Tensor for it: ``x.__array_namespace__()``.

Most functions are those of `chainrule` under the standard's names. Creation gives Tensors here, and a few functions
have another form in the standard. docs/array_api.md says what is there and what is not.

>>> import chainrule as cr
>>> xp = cr.Tensor([1.0, 2.0]).__array_namespace__()
>>> xp.sum(xp.asarray([1, 2, 3]))
Tensor(6, dtype=int64)
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.numpy_names import OTHER_NAMES
from chainrule.core.operation import book, compositions
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError

__array_api_version__ = "2024.12"

e, inf, nan, pi, newaxis = np.e, np.inf, np.nan, np.pi, None

bool = np.bool_  # noqa: A001  (the standard's name)
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float32, float64 = np.float32, np.float64

AS_THEY_ARE = (
    *("abs", "acos", "acosh", "add", "all", "any", "argmax", "argmin", "argsort", "asin", "asinh", "atan"),
    *("atan2", "atanh", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift"),
    *("bitwise_xor", "broadcast_arrays", "broadcast_to", "ceil", "clip", "concat", "conj", "copysign", "cos", "cosh"),
    *("count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "divide", "equal", "exp", "expm1", "flip"),
    *("floor", "floor_divide", "greater", "greater_equal", "hypot", "isfinite", "isinf", "isnan", "less"),
    *("less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or"),
    *("logical_xor", "matmul", "matrix_transpose", "max", "maximum", "mean", "meshgrid", "min", "minimum", "moveaxis"),
    *("multiply", "negative", "nonzero", "not_equal", "permute_dims", "positive", "pow"),
    *("reciprocal", "remainder", "repeat", "roll", "round", "searchsorted", "sign", "signbit", "sin", "sinh", "sort"),
    *("sqrt", "square", "squeeze", "stack", "subtract", "sum", "take", "take_along_axis", "tan", "tanh"),
    *("tensordot", "tile", "tril", "triu", "trunc", "unstack", "vecdot", "where"),
)
"""The standard's functions that `chainrule` has in its form, under one of its names."""

WITHOUT_TENSORS = ("broadcast_shapes", "isdtype")
"""Functions of types and shapes alone: NumPy's own."""


def named(name: str) -> Any:
    """The function of `chainrule` with one of NumPy's names."""
    ours = OTHER_NAMES.get(name, name)
    return compositions.get(ours) or book[ours]


globals().update({name: named(name) for name in AS_THEY_ARE})
globals().update({name: getattr(np, name) for name in WITHOUT_TENSORS})

# Creation


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Tensor:
    """A Tensor of numbers, lists or arrays; a Tensor itself comes back unless a copy or another type is asked for."""
    only_cpu(device)
    if isinstance(obj, Tensor):
        if dtype is not None and obj.dtype != dtype:
            return obj.astype(dtype)
        return obj.clone() if copy else obj
    array = np.asarray(obj)
    return Tensor(array, dtype=array.dtype if dtype is None else dtype)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A Tensor of zeros."""
    return asarray(np.zeros(shape, dtype or float64), device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A Tensor of ones."""
    return asarray(np.ones(shape, dtype or float64), device=device)


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A Tensor of whatever numbers, here zeros."""
    return zeros(shape, dtype=dtype, device=device)


def zeros_like(x: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A Tensor of zeros with the shape and type of x."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A Tensor of ones with the shape and type of x."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A Tensor of whatever numbers with the shape and type of x, here zeros."""
    return full_like(x, 0, dtype=dtype, device=device)


def full_like(x: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """A Tensor of one number with the shape and type of x."""
    only_cpu(device)
    return named("full_like")(x, fill_value, dtype)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A Tensor filled with one number."""
    return asarray(np.full(shape, fill_value, dtype), device=device)


def arange(start: Any, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Numbers in equal steps, the end left out."""
    first, end = (0, start) if stop is None else (start, stop)
    return asarray(np.arange(first, end, step, dtype=dtype), device=device)


def linspace(start: Any, stop: Any, num: int, *, dtype: Any = None, device: Any = None, endpoint: Any = True) -> Tensor:
    """Numbers in equal steps, both ends included."""
    return asarray(np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype), device=device)


def eye(n_rows: int, n_cols: int | None = None, *, k: int = 0, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones on a diagonal."""
    return asarray(np.eye(n_rows, n_cols, k, dtype or float64), device=device)


def from_dlpack(x: Any, *, device: Any = None, copy: Any = None) -> Tensor:
    """A Tensor with the numbers of another library's array, always a copy."""
    return asarray(np.from_dlpack(x), device=device)


# What the standard calls otherwise


def astype(x: Any, dtype: Any, *, copy: Any = True, device: Any = None) -> Any:
    """The same numbers in another type; without `copy` a Tensor of that type itself."""
    only_cpu(device)
    return x if not copy and x.dtype == dtype else x.astype(dtype)


def expand_dims(x: Any, axis: int = 0) -> Any:
    """A new axis of length 1."""
    return named("expand_dims")(x, axis=axis)


def reshape(x: Any, shape: Any, *, copy: Any = None) -> Any:
    """The same entries in another shape, in memory of their own if asked for."""
    out = named("reshape")(x, shape=shape)
    return out.clone() if copy else out


def prod(x: Any, *, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    """The product; small whole numbers give the type that their sum has."""
    kind = np.prod(np.ones(0, x.dtype)).dtype if dtype is None else np.dtype(dtype)
    return named("prod")(x if x.dtype == kind else x.astype(kind), axis=axis, keepdims=keepdims)


def std(x: Any, *, axis: Any = None, correction: Any = 0.0, keepdims: Any = False) -> Any:
    """The standard deviation; the count is lessened by the correction."""
    return named("std")(x, axis, correction, keepdims)


def var(x: Any, *, axis: Any = None, correction: Any = 0.0, keepdims: Any = False) -> Any:
    """The variance; the count is lessened by the correction."""
    return named("var")(x, axis, correction, keepdims)


class UniqueAll(NamedTuple):
    """What `unique_all` gives, with the standard's names."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any) -> UniqueAll:
    """The different entries, their first places, the places that rebuild x, and how often each stands there."""
    values, first, inverse, counts = named("unique")(x, True, True, True)
    return UniqueAll(values, asarray(first), asarray(inverse), asarray(counts))


def unique_counts(x: Any) -> UniqueCounts:
    """The different entries, and how often each stands there."""
    return UniqueCounts(*unique_all(x)[::3])


def unique_inverse(x: Any) -> UniqueInverse:
    """The different entries, and the places that rebuild x."""
    return UniqueInverse(*unique_all(x)[::2])


def unique_values(x: Any) -> Any:
    """The different entries."""
    return named("unique")(x)


def isin(x1: Any, x2: Any, *, invert: Any = False) -> Tensor:
    """Whether entries are among those of another Tensor."""
    return asarray(np.isin(plain(x1), plain(x2), invert=invert))


def nextafter(x1: Any, x2: Any) -> Tensor:
    """The next number that a floating-point type has, in the direction of another; without a gradient."""
    return asarray(np.nextafter(plain(x1), plain(x2)))


def can_cast(from_: Any, to: Any) -> Any:
    """Whether a type turns into another without loss."""
    return np.can_cast(type_of(from_), to)


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The type that a computation with these gives."""
    return np.result_type(*map(plain, arrays_and_dtypes))


def finfo(type: Any) -> Any:  # noqa: A002  (the standard's name)
    """What a floating-point type can hold."""
    return np.finfo(type_of(type))


def iinfo(type: Any) -> Any:  # noqa: A002  (the standard's name)
    """What a type of whole numbers can hold."""
    return np.iinfo(type_of(type))


def plain(x: Any) -> Any:
    """The array of a Tensor, anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def type_of(x: Any) -> Any:
    """The type of a Tensor's entries, or a type itself."""
    return x.dtype if isinstance(x, Tensor) else x


def only_cpu(device: Any) -> None:
    """There is one device, "cpu"."""
    if device not in (None, "cpu"):
        raise DtypeError(f"Tensors live on the device 'cpu', and there is no {device!r}")


class Info:
    """What `__array_namespace_info__` gives: the types and the device of this namespace."""

    def capabilities(self) -> dict[str, Any]:
        """Masks as indices and shapes that depend on data are there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The one device there is."""
        return "cpu"

    def devices(self) -> list[str]:
        """All devices."""
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """The types of new Tensors."""
        only_cpu(device)
        return {"real floating": np.dtype(float64), "integral": np.dtype(int64), "indexing": np.dtype(int64)}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """All types by name, or those of a kind."""
        only_cpu(device)
        names = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
        found = {name: np.dtype(name) for name in names}
        kinds = kind if isinstance(kind, tuple) else (kind,)
        return {name: kept for name, kept in found.items() if kind is None or np.isdtype(kept, kinds)}


def __array_namespace_info__() -> Info:  # noqa: N807  (the standard's name)
    """What this namespace can do."""
    return Info()


# Linear algebra


def diagonal_of_last(x: Any, *, offset: int = 0) -> Any:
    """The diagonals of the matrices in the last two axes."""
    return named("diagonal")(x, offset, -2, -1)


def trace_of_last(x: Any, *, offset: int = 0, dtype: Any = None) -> Any:
    """The traces of the matrices in the last two axes."""
    return named("trace")(x, offset, -2, -1, dtype)


def vector_norm(x: Any, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:  # noqa: A002
    """The lengths of vectors along an axis, or of all entries as one vector."""
    if axis is None and not keepdims:
        x = named("ravel")(x)
    return named("norm")(x, ord, axis, keepdims)


IN_LINALG = ("cholesky", "cross", "det", "inv", "matmul", "matrix_transpose", "outer", "slogdet", "solve", "tensordot")

linalg = SimpleNamespace(
    **{name: named(name) for name in (*IN_LINALG, "vecdot")},
    diagonal=diagonal_of_last,
    trace=trace_of_last,
    vector_norm=vector_norm,
)
"""The part of the extension for linear algebra that is there."""

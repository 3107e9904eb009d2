"""Rules for linear (and multilinear) operations on arrays: one adjoint for each input.

The forward mode of such a rule is the operation itself. An adjoint takes the cotangent `g` of the result back to the
shape of its input.
"""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from math import prod

import numpy as np

from chainrule.core.operation import is_mask, linear
from chainrule.rules import kernels

WIDE = {"e": np.float32, **dict.fromkeys("bhilqBHILQ", np.float64)}
"""In what a mean of small or whole numbers is added up, as in NumPy: their sum may run over."""

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What axes are called by; the module `string` has them too, and takes long to load."""


@linear(r"{x}", adjoint=(lambda g, x: g,), batches=True)
def identity(x):
    """The same again: the gradient passes unchanged."""
    return np.array(x) if is_mask(x) else np.positive(x)


@linear(
    r"{x}", adjoint=(lambda g, x, dtype: astype(g, dtype=x.dtype),), examples=({"dtype": np.float64},), batches=True
)
def astype(x, *, dtype):
    """The same numbers in another type; the gradient is turned back into the type that came."""
    return x.astype(dtype)


@linear(
    r"\operatorname{broadcast}\left({x}\right)",
    adjoint=(lambda g, x, shape: sum_to(g, shape=x.shape),),
    shapes=((2, 1),),
    examples=({"shape": (2, 3)}, {"shape": (4, 2, 3)}),
    mapped=lambda n, x, shape: broadcast_to(among(x, len(lengths(shape))), shape=(n, *lengths(shape))),
)
def broadcast_to(x, *, shape):
    """Repeats entries to fill a shape; the gradients of all copies add up."""
    return kernels.repeat_to(x, shape)


@linear(
    r"\operatorname{sum\,to}\left({x}\right)",
    adjoint=(lambda g, x, shape: broadcast_to(g, shape=x.shape),),
    examples=({"shape": (3,)}, {"shape": (2, 1)}, {"shape": ()}),
    mapped=lambda n, x, shape: reshape(sum_to(x, shape=(n, *leading_ones(x, shape), *shape)), shape=(n, *shape)),
)
def sum_to(x, *, shape):
    """Adds up what broadcasting had repeated; each copy gets the gradient of the sum."""
    return kernels.sum_to(x, shape)


@linear(
    r"\sum {x}",
    adjoint=(lambda g, x, axis, keepdims: spread(g, x.shape, axis),),
    examples=({}, {"keepdims": True}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)}),
    mapped=lambda n, x, axis, keepdims: sum(x, axis=behind(axis, x.ndim), keepdims=keepdims),
)
def sum(x, *, axis=None, keepdims=False):
    """A sum hands its gradient to every term."""
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


@linear(
    r"\operatorname{mean}\left({x}\right)",
    adjoint=(lambda g, x, axis, keepdims: spread(g / count(x.shape, axis), x.shape, axis),),
    examples=({}, {"axis": 0}, {"axis": -1, "keepdims": True}),
    mapped=lambda n, x, axis, keepdims: mean(x, axis=behind(axis, x.ndim), keepdims=keepdims),
)
def mean(x, *, axis=None, keepdims=False):
    """A mean hands every entry an equal share of its gradient."""
    wide = WIDE.get(x.dtype.char)
    if wide is None:
        return np.add.reduce(x, axis=axis, keepdims=keepdims) / count(x.shape, axis)
    out = np.add.reduce(x, axis=axis, dtype=wide, keepdims=keepdims) / count(x.shape, axis)
    return out.astype(np.float16) if x.dtype == np.float16 else out


@linear(
    r"\operatorname{reshape}\left({x}\right)",
    adjoint=(lambda g, x, shape: reshape(g, shape=x.shape),),
    examples=({"shape": (3, 2)}, {"shape": -1}),
    mapped=lambda n, x, shape: reshape(x, shape=(n, *told(x.shape[1:], shape))),
)
def reshape(x, *, shape):
    """The same entries in another shape; the gradient is shaped back."""
    return np.reshape(x, shape)


@linear(
    r"{x}^{\top}",
    adjoint=(lambda g, x, axes: transpose(g, axes=None if axes is None else inverse(axes)),),
    shapes=((2, 3, 4),),
    examples=({}, {"axes": (1, 2, 0)}),
    mapped=lambda n, x, axes: transpose(
        x, axes=(0, *behind(range(x.ndim - 1)[::-1] if axes is None else axes, x.ndim))
    ),
)
def transpose(x, *, axes=None):
    """Exchanges axes; the gradient's axes are exchanged back."""
    return np.transpose(x, axes)


@linear(
    r"\operatorname{expand}\left({x}\right)",
    adjoint=(lambda g, x, axis: reshape(g, shape=x.shape),),
    examples=({"axis": 0}, {"axis": (1, 3)}),
    mapped=lambda n, x, axis: expand_dims(x, axis=behind(axis, x.ndim + (len(axis) if isinstance(axis, tuple) else 1))),
)
def expand_dims(x, *, axis):
    """Adds axes of length 1."""
    return np.expand_dims(x, axis)


@linear(
    r"\operatorname{squeeze}\left({x}\right)",
    adjoint=(lambda g, x, axis: reshape(g, shape=x.shape),),
    shapes=((2, 1, 3, 1),),
    examples=({}, {"axis": 1}),
    mapped=lambda n, x, axis: reshape(x, shape=(n, *np.empty(x.shape[1:], bool).squeeze(axis).shape)),
)
def squeeze(x, *, axis=None):
    """Drops axes of length 1."""
    return np.squeeze(x, axis)


@linear(
    r"{x}_{key}",
    adjoint=(lambda g, x, key: scatter(g, key=key, shape=x.shape),),
    shapes=((4, 3),),
    examples=({"key": 1}, {"key": (slice(None), slice(0, 2))}, {"key": [0, 2, 0]}, {"key": ([0, 0, 3], [1, 1, 2])}),
    mapped=lambda n, x, key: index(x, key=behind_all(key)) if side_by_side(key) else NotImplemented,
)
def index(x, *, key):
    """Picks entries; the gradient goes to the places they came from, adding up where one was picked twice."""
    return kernels.owned(x[key if type(key) in (int, slice) else kernels.settled(key)])


@linear(
    r"\operatorname{scatter}\left({x}\right)",
    adjoint=(lambda g, x, key, shape: index(g, key=key),),
    shapes=((3,),),
    examples=({"key": [0, 2, 0], "shape": (4,)}, {"key": slice(1, 4), "shape": (5,)}),
    mapped=lambda n, x, key, shape: (
        scatter(x, key=behind_all(key), shape=(n, *shape)) if side_by_side(key) else NotImplemented
    ),
)
def scatter(x, *, key, shape):
    """Puts entries into an array of zeros, adding up where a place is met twice; the transpose of indexing."""
    return kernels.add_at(x, key, shape)


@linear(
    r"\left[{arrays}\right]",
    adjoint=lambda g, i, *arrays, axis: index(g, key=stretch([x.shape for x in arrays], i, axis)),
    shapes=((2, 3), (1, 3), (4, 3)),
    examples=({"axis": 0},),
    mapped=lambda n, *arrays, axis: concatenate(*arrays, axis=behind(axis, arrays[0].ndim)),
)
def concatenate(*arrays, axis):
    """Arrays end to end; each gets its own stretch of the gradient."""
    return np.concatenate(arrays, axis=axis)


@linear(
    r"\left[{arrays}\right]",
    adjoint=lambda g, i, *arrays, axis: index(g, key=layer(axis, g.ndim, i)),
    shapes=((2, 3), (2, 3)),
    examples=({"axis": 0}, {"axis": -1}),
    mapped=lambda n, *arrays, axis: stack(*arrays, axis=behind(axis, arrays[0].ndim + 1)),
)
def stack(*arrays, axis):
    """Arrays of one shape along a new axis; each gets its own layer of the gradient."""
    return np.stack(arrays, axis=axis)


@linear(
    r"\operatorname{pad}\left({x}\right)",
    adjoint=(lambda g, x, pad_width: index(g, key=inside(pad_width, x.shape)),),
    examples=({"pad_width": 1}, {"pad_width": ((1, 0), (0, 2))}),
    mapped=lambda n, x, pad_width: pad(x, pad_width=((0, 0), *widths(pad_width, x.ndim - 1))),
)
def pad(x, *, pad_width):
    """Zeros around the edges; the gradient inside passes, that of the zeros is lost."""
    return np.pad(x, pad_width)


@linear(
    r"\operatorname{flip}\left({x}\right)",
    adjoint=(lambda g, x, axis: flip(g, axis=axis),),
    examples=({}, {"axis": 1}),
    mapped=lambda n, x, axis: flip(x, axis=behind(axis, x.ndim)),
)
def flip(x, *, axis=None):
    """The entries in reverse; the gradient too."""
    return np.flip(x, axis)


@linear(
    r"\operatorname{roll}\left({x}\right)",
    adjoint=(lambda g, x, shift, axis: roll(g, shift=opposite(shift), axis=axis),),
    examples=({"shift": 1}, {"shift": 2, "axis": 1}, {"shift": (1, 2), "axis": (0, 1)}),
    mapped=lambda n, x, shift, axis: (
        NotImplemented if axis is None else roll(x, shift=shift, axis=behind(axis, x.ndim))
    ),
)
def roll(x, *, shift, axis=None):
    """The entries moved round in a circle; the gradient is moved back."""
    return np.roll(x, shift, axis)


@linear(
    r"\operatorname{cumsum}\left({x}\right)",
    adjoint=(
        lambda g, x, axis: reshape(
            flip(cumsum(flip(g, axis=axis or 0), axis=axis or 0), axis=axis or 0), shape=x.shape
        ),
    ),
    examples=({}, {"axis": 0}, {"axis": 1}, {"axis": -1}),
    mapped=lambda n, x, axis: (
        cumsum(reshape(x, shape=(n, -1)), axis=1) if axis is None else cumsum(x, axis=behind(axis, x.ndim))
    ),
)
def cumsum(x, *, axis=None):
    """Running sums; an entry counts in all sums from its own on, so the gradient is summed from the end."""
    return np.cumsum(x, axis)


@linear(
    r"{x} \, {y}",
    adjoint=(lambda g, x, y: matmul(g, swap(y)), lambda g, x, y: matmul(swap(x), g)),
    shapes=((2, 3), (3, 4)),
    symbol="@",
    batches=True,
)
def matmul(x, y):
    """A matrix product swaps too, with the other factor transposed."""
    return np.matmul(x, y)


@linear(
    r"{x}^{\top}",
    adjoint=(lambda g, x: swap(g),),
    shapes=((2, 3, 4),),
    batches=True,
)
def swap(x):
    """The transpose of each matrix in a batch: the last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


@linear(
    r"{x} \otimes {y}",
    adjoint=(
        lambda g, x, y: reshape(matmul(g, reshape(y, shape=(-1, 1))), shape=x.shape),
        lambda g, x, y: reshape(matmul(reshape(x, shape=(1, -1)), g), shape=y.shape),
    ),
    shapes=((3,), (4,)),
    mapped=lambda n, x, y: matmul(reshape(x, shape=(n, -1, 1)), reshape(y, shape=(n, 1, -1))),
)
def outer(x, y):
    """Every entry of x times every entry of y; each side's gradient is weighted by the other."""
    return np.outer(x, y)


@linear(
    r"\operatorname{tril}_{k}\left({x}\right)",
    adjoint=(lambda g, x, k: tril(g, k=k),),
    shapes=((3, 4),),
    examples=({}, {"k": -1}, {"k": 1}),
    batches=True,
)
def tril(x, *, k=0):
    """The lower triangle, up to the k-th diagonal above the main one; no gradient passes to what it drops."""
    if not np.ndim(x):
        raise ValueError("a triangle is that of a matrix")
    return np.tril(x, k)


@linear(
    r"\operatorname{triu}_{k}\left({x}\right)",
    adjoint=(lambda g, x, k: triu(g, k=k),),
    shapes=((3, 4),),
    examples=({}, {"k": -1}, {"k": 1}),
    batches=True,
)
def triu(x, *, k=0):
    """The upper triangle, from the k-th diagonal above the main one; no gradient passes to what it drops."""
    if not np.ndim(x):
        raise ValueError("a triangle is that of a matrix")
    return np.triu(x, k)


@linear(
    r"\Phi\left({x}\right)",
    adjoint=(lambda g, x: lower_half(g),),
    shapes=((3, 3),),
    batches=True,
)
def lower_half(x):
    """All below the diagonal and half of the diagonal: the triangle whose sum with its transpose is a symmetric x."""
    return kernels.lower_half(x)


@linear(
    r"\operatorname{sym}\left({x}\right)",
    adjoint=(lambda g, x: symmetric(g),),
    shapes=((3, 3),),
    batches=True,
)
def symmetric(x):
    """The symmetric part of a square matrix: the mean of it and its transpose, for the gradient too."""
    return kernels.symmetric_part(x)


@linear(
    r"\operatorname{einsum}_{subscripts}\left({operands}\right)",
    adjoint=lambda g, i, *operands, subscripts: einsum(
        g, *operands[:i], *operands[i + 1 :], subscripts=solved_for(subscripts, i)
    ),
    shapes=((2, 3), (3, 4)),
    examples=({"subscripts": "ij,jk->ik"},),
    multilinear=True,
    mapped=lambda n, *operands, subscripts: einsum(*operands, subscripts=with_letter(subscripts)),
)
def einsum(*operands, subscripts):
    """Products summed over the letters that the result leaves out; a factor's gradient is such a sum with the rest."""
    # rules/einsum.py has seen to it that a letter stands once in an operand, and again in another or in the result. So
    # every letter of a gradient comes with the result or with the other operands, and the form is closed.
    return np.einsum(subscripts, *operands, optimize=True)


def solved_for(subscripts, i):
    """The subscripts of an operand's gradient: the result's letters first, then the other operands'."""
    given, result = subscripts.split("->")
    letters = given.split(",")
    wanted = letters.pop(i)
    return ",".join([result, *letters]) + "->" + wanted


def spread(g, shape, axis):
    """The gradient of a reduction, repeated over the axes that it summed."""
    if axis is not None:
        before = kept(shape, axis)
        g = g if g.shape == before else reshape(g, shape=before)
    return broadcast_to(g, shape=shape)


def kept(shape, axis):
    """The shape of a reduction that keeps the axes it sums over, with length 1; all of them for None."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple([1 if i in axes or i - len(shape) in axes else n for i, n in enumerate(shape)])


def count(shape, axis):
    """How many entries a reduction adds up."""
    if axis is None:
        return prod(shape)
    return prod([shape[i] for i in axis]) if isinstance(axis, tuple) else shape[axis]


def inverse(axes):
    """The order of axes that undoes another."""
    return tuple([int(i) for i in np.argsort([a % len(axes) for a in axes])])


def opposite(shift):
    """A shift back."""
    return tuple([-s for s in shift]) if np.ndim(shift) else -shift


def stretch(shapes, i, axis):
    """Where the i-th of several joined arrays lies."""
    axis %= len(shapes[0])
    start = 0
    for shape in shapes[:i]:
        start += shape[axis]
    return (slice(None),) * axis + (slice(start, start + shapes[i][axis]),)


def layer(axis, ndim, i):
    """Where the i-th of several piled arrays lies."""
    return (slice(None),) * (axis % ndim) + (i,)


def inside(pad_width, shape):
    """Where an array lies inside its padding."""
    return tuple(
        [slice(before, before + n) for (before, _), n in zip(widths(pad_width, len(shape)), shape, strict=True)]
    )


def widths(pad_width, axes):
    """The zeros before and after each axis."""
    return [(int(before), int(after)) for before, after in np.broadcast_to(pad_width, (axes, 2))]


def behind(axis, ndim):
    """An axis, or several, of an example, where `ndim` counts the axis of the examples in front too."""
    if axis is None:
        return tuple(range(1, ndim))
    if isinstance(axis, int | np.integer):
        return np.lib.array_utils.normalize_axis_index(int(axis), ndim - 1) + 1
    return tuple([behind(a, ndim) for a in axis])


def lengths(shape):
    """A shape as a tuple; one length alone is one too."""
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)


def among(x, axes):
    """Examples with axes of length 1 before their own, so that each has so many."""
    return reshape(x, shape=(x.shape[0], *(1,) * (axes + 1 - x.ndim), *x.shape[1:]))


def leading_ones(x, shape):
    """The axes of an example before those that a shape has, as length 1."""
    return (1,) * (x.ndim - 1 - len(shape))


def told(own, shape):
    """A shape with its -1 worked out."""
    return np.empty(own, bool).reshape(shape).shape


def behind_all(key):
    """An index of an example as one of all examples."""
    return (slice(None), *(key if isinstance(key, tuple) else (key,)))


def along_axes(key, axes):
    """An index as a list with a part for each axis: all of those that an ellipsis stands for, or that are left out."""
    parts = list(key) if isinstance(key, tuple) else [key]
    used = len([part for part in parts if part is not None and part is not Ellipsis])
    every = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    parts[every : every + 1] = [slice(None)] * (axes - used)
    return parts


def side_by_side(key):
    """Whether the places that an index lists stand side by side: else NumPy puts their axes first."""
    parts = key if isinstance(key, tuple) else (key,)
    listed = [not isinstance(part, slice | type(None) | type(Ellipsis)) for part in parts]
    if not any(isinstance(part, list | np.ndarray | bool | np.bool_) for part in parts):
        return True
    first = listed.index(True)
    return all(listed[first : first + listed.count(True)]) and not any(
        isinstance(part, bool | np.bool_) for part in parts
    )


def with_letter(subscripts):
    """The subscripts with a letter of the examples in front of each operand and of the result."""
    given, result = subscripts.split("->")
    letter = next(letter for letter in LETTERS if letter not in subscripts)
    return ",".join([letter + own for own in given.split(",")]) + "->" + letter + result

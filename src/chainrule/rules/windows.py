"""Convolution and pooling with PyTorch's names and settings, composed of the rules in rules/convolution.py.

One row of numbers is an image of height 1, and an edge that differs from side to side is padded before the window
slides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import composed
from chainrule.errors import ShapeError
from chainrule.rules import convolution as rules
from chainrule.rules import slides
from chainrule.rules.composed import gathered, named, shape_of
from chainrule.rules.linear import pad, reshape

Edge = int | tuple[int, int]


@composed
def conv2d(x: Any, w: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    """Slides weights over images and multiplies: a cross-correlation, channels first, as PyTorch's.

    x is (images, channels, height, width), w (results, channels / groups, rows, columns), and the result (images,
    results, …). `stride` and `dilation` are whole numbers or pairs for height and width. `padding` is one too, or a
    pair of pairs ``((top, bottom), (left, right))``, ``"valid"`` for none, or ``"same"`` for a result of the images'
    size (stride 1; of an odd number of zeros the last side gets one more). Raises ShapeError where shapes do not fit.

    >>> import chainrule as cr, numpy as np
    >>> cr.conv2d(np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[10.0, 1.0]]]]), padding=((0, 0), (1, 0)))
    array([[[[ 1., 12., 23.]]]])
    """
    x, w = gathered(x), gathered(w)
    padding = around_axes("conv2d", padding, shape_of(w)[2:], stride, dilation, 2)
    x, padding = padded_where_uneven(x, padding)
    return rules.conv2d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)


@composed
def conv1d(x: Any, w: Any, stride: int = 1, padding: Any = 0, dilation: int = 1, groups: int = 1) -> Any:
    """Slides weights along rows of numbers and multiplies: a cross-correlation, channels first, as PyTorch's.

    x is (rows, channels, length), w (results, channels / groups, width), and the result (rows, results, …). `padding`
    is a whole number, a pair (before, after), ``"valid"`` or ``"same"``, as of `conv2d`. Zeros before alone,
    ``padding=(width - 1, 0)``, make it causal. Raises ShapeError where shapes do not fit.

    >>> import chainrule as cr, numpy as np
    >>> cr.conv1d(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[10.0, 1.0]]]), padding=(1, 0))
    array([[[ 1., 12., 23.]]])
    """
    x, w = gathered(x), gathered(w)
    along = {"stride": stride, "dilation": dilation}
    operands = (x, w)
    if len(shape_of(x)) != 3 or len(shape_of(w)) != 3:
        raise ShapeError(
            f"conv1d takes x of shape (rows, channels, length) and w of shape (results, channels, width), and got "
            f"{named(operands)}: add an axis to a single row with x[None]"
        )
    before_and_after = around_axes("conv1d", padding, shape_of(w)[2:], stride, dilation, 1)
    x, _ = padded_where_uneven(flat_image(x), ((0, 0), *before_and_after), always=True)
    out = rules.conv2d(x, flat_image(w), groups=groups, **{name: (1, n) for name, n in along.items()})
    return as_row(out)


@composed
def avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of every window of images (images, channels, height, width): a convolution with equal weights.

    Settings are whole numbers or pairs for height and width; `stride` is `kernel_size` unless given. Zeros of the
    padding count, as in PyTorch. Raises ShapeError where a window does not fit.

    >>> import chainrule as cr, numpy as np
    >>> cr.avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    x = gathered(x)
    shape = shape_of(x)
    try:
        (down, across), steps, *_ = slides.slide(shape, kernel_size, stride, padding, 1)
    except ValueError as error:
        raise ShapeError(f"avg_pool2d does not fit {named((x,))}, kernel_size={kernel_size!r} ({error})") from error
    images, channels, *size = shape
    weights = np.full((1, 1, down, across), 1 / (down * across), np.result_type(x.dtype, np.float32))
    out = rules.conv2d(reshape(x, shape=(images * channels, 1, *size)), weights, stride=steps, padding=padding)
    return reshape(out, shape=(images, channels, *shape_of(out)[2:]))


@composed
def avg_pool1d(x: Any, kernel_size: int, stride: int | None = None, padding: int = 0) -> Any:
    """The mean of every window of rows (rows, channels, length); settings as of `avg_pool2d`.

    >>> import chainrule as cr, numpy as np
    >>> cr.avg_pool1d(np.array([[[1.0, 3.0, 5.0, 7.0]]]), 2)
    array([[[2., 6.]]])
    """
    return as_row(avg_pool2d(row_for_pool("avg_pool1d", x), **across(kernel_size, stride, padding)))


@composed
def max_pool1d(x: Any, kernel_size: int, stride: int | None = None, padding: int = 0, dilation: int = 1) -> Any:
    """The largest entry of every window of rows (rows, channels, length); settings as of `max_pool2d`.

    >>> import chainrule as cr, numpy as np
    >>> cr.max_pool1d(np.array([[[1.0, 3.0, 7.0, 5.0]]]), 2)
    array([[[3., 7.]]])
    """
    row = row_for_pool("max_pool1d", x)
    return as_row(rules.max_pool2d(row, **across(kernel_size, stride, padding), dilation=(1, dilation)))


def around_axes(name: str, padding: Any, size: Any, stride: Any, dilation: Any, axes: int) -> tuple[Edge, ...]:
    """A padding as one entry for each of the last axes: a whole number, or what comes before and after."""
    if isinstance(padding, str):
        return around_axes_in_words(name, padding, size, stride, dilation, axes)
    if not isinstance(padding, list | tuple):
        return (padding,) * axes
    if axes == 1 and len(padding) == 2 and not any(isinstance(part, list | tuple) for part in padding):
        return (before_and_after(name, padding),)
    if len(padding) != axes:
        raise ShapeError(f"{name}: padding={padding!r} has {len(padding)} entries, and {axes} axes can be padded")
    return tuple([before_and_after(name, part) if isinstance(part, list | tuple) else part for part in padding])


def around_axes_in_words(name: str, padding: str, size: Any, stride: Any, dilation: Any, axes: int) -> tuple[Edge, ...]:
    """The same for "same" and "valid"."""
    if padding == "valid":
        return (0,) * axes
    if padding != "same":
        raise ShapeError(f"{name} has padding='same' and padding='valid', whole numbers and pairs, not {padding!r}")
    steps, gaps = (n if isinstance(n, list | tuple) else (n,) * axes for n in (stride, dilation))
    if any(step != 1 for step in steps):
        raise ShapeError(f"{name}: padding='same' keeps the size, which stride={stride!r} does not: give the numbers")
    reach = [int(gap) * (int(n) - 1) for n, gap in zip(size, gaps, strict=False)]
    return tuple([n // 2 if n % 2 == 0 else (n // 2, n - n // 2) for n in reach])


def before_and_after(name: str, pair: Any) -> Edge:
    """The padding of one axis; equal on both sides is one number."""
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) and n >= 0 for n in pair):
        raise ShapeError(f"{name}: the padding of an axis is a pair of whole numbers of at least 0, not {pair!r}")
    before, after = map(int, pair)
    return before if before == after else (before, after)


def padded_where_uneven(x: Any, padding: tuple[Edge, ...], always: bool = False) -> tuple[Any, tuple[Any, ...]]:
    """Images with the zeros around them that no rule adds, and the padding that is left for the rule."""
    if not always and not any(isinstance(edge, tuple) for edge in padding):
        return x, padding
    edges = [edge if isinstance(edge, tuple) else (edge, edge) for edge in padding]
    return pad(x, pad_width=((0, 0), (0, 0), *edges)), (0,) * len(padding)


def flat_image(x: Any) -> Any:
    """Rows of numbers as images of height 1."""
    rows, channels, length = shape_of(x)
    return reshape(x, shape=(rows, channels, 1, length))


def as_row(x: Any) -> Any:
    """Images of height 1 as rows of numbers."""
    rows, channels, _, length = shape_of(x)
    return reshape(x, shape=(rows, channels, length))


def row_for_pool(name: str, x: Any) -> Any:
    """Rows to be pooled, as images of height 1."""
    x = gathered(x)
    if len(shape_of(x)) != 3:
        operands = (x,)
        raise ShapeError(f"{name} takes rows of shape (rows, channels, length), and got {named(operands)}")
    return flat_image(x)


def across(kernel_size: Any, stride: Any, padding: Any) -> dict[str, Any]:
    """The settings of a pool of rows as those of a pool of images of height 1."""
    return {"kernel_size": (1, kernel_size), "stride": None if stride is None else (1, stride), "padding": (0, padding)}

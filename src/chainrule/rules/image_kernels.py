"""Plain NumPy functions that slide a window over images of shape (images, channels, height, width).

A convolution is one matrix product for each image: the windows are laid out as columns (Chellapilla, Puri and Simard,
High performance convolutional neural networks for document processing, 2006). The columns of a few images at a time are
made and thrown away, so they stay in the processor's cache and cost no memory. Where the kernel machine was compiled it
is asked first (image_plans.py): it needs no columns.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from chainrule.core.operation import kernel
from chainrule.rules import image_plans as plans
from chainrule.rules.kernels import plus
from chainrule.rules.slides import slide_of_pool, slide_of_weights

WORKSPACE = 1 << 20
"""How many bytes of columns are laid out at a time, unless one image alone needs more."""


@kernel
def padded(x, around, value):
    """Images with an edge of one value around them."""
    high, wide = around
    if not high and not wide:
        return x
    n, channels, height, width = x.shape
    out = np.full((n, channels, height + 2 * high, width + 2 * wide), value, x.dtype)
    out[:, :, high : high + height, wide : wide + width] = x
    return out


@kernel
def seen_from(x, i, j, steps, spread, fits):
    """A view of what entry (i, j) of the window meets at each place of the window."""
    top, left = i * spread[0], j * spread[1]
    return x[:, :, top : top + steps[0] * fits[0] : steps[0], left : left + steps[1] * fits[1] : steps[1]]


@kernel
def columns(x, groups, size, steps, around, spread, fits):
    """Every window as a column, for each image and group: (images, groups, entries of a window, places)."""
    x = padded(x, around, 0)
    n, channels = x.shape[:2]
    image, channel, down, right = x.strides
    shape = (n, channels, *size, *fits)
    strides = (image, channel, down * spread[0], right * spread[1], down * steps[0], right * steps[1])
    windows = np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
    return windows.reshape(n, groups, channels // groups * size[0] * size[1], fits[0] * fits[1])


@kernel
def few_at_a_time(images, bytes_of_one):
    """Slices of the images whose columns fill the workspace."""
    count = max(1, WORKSPACE // max(1, bytes_of_one))
    return [slice(start, start + count) for start in range(0, images, count)]


@partial(kernel, quick=plans.convolve)
def convolve(x, w, stride, padding, dilation, groups):
    """The products of every window with the weights, summed: (images, results, places down, places across)."""
    return convolved(x, w, groups, *slide_of_weights(np.shape(x), np.shape(w), stride, padding, dilation, groups))


@kernel
def convolved(x, w, groups, size, steps, around, spread, fits):
    """The same for a plan: as products of matrices, a few images at a time."""
    (n, channels), results = x.shape[:2], len(w)
    flat = w.reshape(groups, results // groups, w.shape[1] * size[0] * size[1])
    out = np.empty((n, groups, results // groups, fits[0] * fits[1]), np.result_type(x, w))
    for some in few_at_a_time(n, channels * size[0] * size[1] * fits[0] * fits[1] * x.itemsize):
        np.matmul(flat, columns(x[some], groups, size, steps, around, spread, fits), out=out[some])
    return out.reshape(n, results, *fits)


@partial(kernel, quick=plans.convolve_back)
def convolve_back(g, w, shape, stride, padding, dilation, groups):
    """What each window got, weighted and added up where windows overlap: images of a shape."""
    plan = slide_of_weights(shape, w.shape, stride, padding, dilation, groups)
    if g.shape != (shape[0], len(w), *plan[-1]):
        raise ValueError(f"a convolution of images {tuple(shape)} gives {(shape[0], len(w), *plan[-1])}")
    return convolved_back(g, w, shape, groups, *plan)


@kernel
def convolved_back(g, w, shape, groups, size, steps, around, spread, fits):
    """The same for a plan."""
    (n, channels, height, width), (top, left), results, places = shape, around, len(w), fits[0] * fits[1]
    flat = w.reshape(groups, results // groups, w.shape[1] * size[0] * size[1]).swapaxes(1, 2)
    g = g.reshape(n, groups, results // groups, places)
    out = np.empty(shape, np.result_type(g, w))
    for some in few_at_a_time(n, channels * size[0] * size[1] * places * out.itemsize):
        shares = np.matmul(flat, g[some])
        shares = shares.reshape(len(shares), channels, *size, *fits)
        whole = np.zeros((len(shares), channels, height + 2 * top, width + 2 * left), out.dtype)
        for i in range(size[0]):
            for j in range(size[1]):
                target = seen_from(whole, i, j, steps, spread, fits)
                np.add(target, shares[:, :, i, j], out=target)
        out[some] = whole[:, :, top : top + height, left : left + width]
    return out


@partial(kernel, quick=plans.convolve_weights)
def convolve_weights(g, x, shape, stride, padding, dilation, groups):
    """The products of what each window got with what it saw, summed over all windows: weights of a shape."""
    plan = slide_of_weights(x.shape, shape, stride, padding, dilation, groups)
    if g.shape != (len(x), shape[0], *plan[-1]):
        raise ValueError(f"a convolution with weights {tuple(shape)} gives {(len(x), shape[0], *plan[-1])}")
    return convolved_weights(g, x, shape, groups, *plan)


@kernel
def convolved_weights(g, x, shape, groups, size, steps, around, spread, fits):
    """The same for a plan."""
    (n, channels), results, places, entries = x.shape[:2], shape[0], fits[0] * fits[1], shape[1] * size[0] * size[1]
    g = g.reshape(n, groups, results // groups, places)
    out = np.zeros((groups, entries, results // groups), np.result_type(g, x))
    for some in few_at_a_time(n, channels * size[0] * size[1] * places * x.itemsize):
        # This order of the factors is half again as fast as the other.
        seen = columns(x[some], groups, size, steps, around, spread, fits)
        out += np.matmul(seen, g[some].swapaxes(2, 3)).sum(0)
    return out.swapaxes(1, 2).reshape(shape)


@kernel
def plus_for_channels(x, b):
    return plus(x, b.reshape(-1, 1, 1))


@kernel
def some_images(x):
    """Slices of a few images at a time."""
    return few_at_a_time(len(x), x.nbytes // max(1, len(x)))


@kernel
def with_edge_that_never_wins(x, around):
    """Images with minus infinity around them, in a type that has it."""
    return padded(x if x.dtype.kind in "fc" else x.astype(np.float64), around, -np.inf)


@kernel
def largest_seen(x, size, steps, spread, fits):
    """The largest entry of every window: of every column of it first, then of those."""
    down = seen_from(x, 0, 0, (steps[0], 1), spread, (fits[0], x.shape[3]))
    for i in range(1, size[0]):
        down = np.maximum(down, seen_from(x, i, 0, (steps[0], 1), spread, (fits[0], x.shape[3])))
    out = seen_from(down, 0, 0, (1, steps[1]), spread, fits)
    for j in range(1, size[1]):
        out = np.maximum(out, seen_from(down, 0, j, (1, steps[1]), spread, fits))
    return out


@kernel
def first_largest(x, size, steps, around, spread, fits):
    """For each entry (i, j) of the window in turn: where it is the largest, or nan, and none before it was."""
    within = padded(np.ones((1, 1, *x.shape[2:]), bool), around, False)
    x = with_edge_that_never_wins(x, around)
    largest = largest_seen(x, size, steps, spread, fits)
    edge_is_as_large = bool(np.isneginf(largest).any())
    waiting, some_nan = np.ones(largest.shape, bool), np.isnan(largest).any()
    for i in range(size[0]):
        for j in range(size[1]):
            seen = seen_from(x, i, j, steps, spread, fits)
            here = waiting & ((seen == largest) | np.isnan(seen)) if some_nan else waiting > (seen < largest)
            if edge_is_as_large:
                here &= seen_from(within, i, j, steps, spread, fits)
            yield i, j, here
            waiting ^= here


@partial(kernel, quick=plans.largest_in_windows)
def largest_in_windows(x, kernel_size, stride, padding, dilation):
    """The largest entry of every window."""
    size, steps, around, spread, fits = slide_of_pool(np.shape(x), kernel_size, stride, padding, dilation)
    out = np.empty((*x.shape[:2], *fits), x.dtype)
    for some in some_images(x):
        out[some] = largest_seen(with_edge_that_never_wins(x[some], around), size, steps, spread, fits)
    return out


@partial(kernel, quick=plans.pick_at_largest)
def pick_at_largest(y, x, kernel_size, stride, padding, dilation):
    """Of every window, the entry of y where x is largest; of equals the first."""
    plan = slide_of_pool(np.shape(x), kernel_size, stride, padding, dilation)
    _, steps, around, spread, fits = plan
    out = np.zeros((*x.shape[:2], *fits), y.dtype)
    for some in some_images(x):
        given = padded(y[some], around, 0)
        for i, j, here in first_largest(x[some], *plan):
            np.copyto(out[some], seen_from(given, i, j, steps, spread, fits), where=here)
    return out


@partial(kernel, quick=plans.put_at_largest)
def put_at_largest(g, x, kernel_size, stride, padding, dilation):
    """Zeros in the shape of x, with g added where x is largest in each window; of equals at the first."""
    plan = slide_of_pool(np.shape(x), kernel_size, stride, padding, dilation)
    (size, steps, (top, left), spread, fits), (n, channels, height, width) = plan, x.shape
    if g.shape != (n, channels, *fits):
        raise ValueError(f"pooling gives {(n, channels, *fits)}")
    out = np.zeros((n, channels, height + 2 * top, width + 2 * left), g.dtype)
    # Where windows do not overlap nothing meets, and to write once is faster than to add.
    apart = all(step > gap * (k - 1) for step, gap, k in zip(steps, spread, size, strict=True))
    for some in some_images(x):
        for i, j, here in first_largest(x[some], *plan):
            target = seen_from(out[some], i, j, steps, spread, fits)
            np.copyto(target, g[some], where=here) if apart else np.add(target, g[some], out=target, where=here)
    # All of it is better than a view of all of it: memory that is nobody else's can be computed in.
    return out[:, :, top : top + height, left : left + width] if top or left else out

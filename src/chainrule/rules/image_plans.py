"""Convolutions and pools on the kernel machine, for the eager engine: one instruction, planned once for each layout.

These are asked before the kernels of the same names in image_kernels.py. `NotImplemented` leaves arrays of other types,
without entries or in another number, and settings that are refused, to those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.core.compiled import machine
from chainrule.core.instructions import FIRST_INPUT, FLOATS, Convolution, Plan, Pool
from chainrule.core.place import Place, steps_of
from chainrule.rules.slides import height_and_width, slide_of_pool, slide_of_weights, windows_that_see_nothing

Shape = tuple[int, ...]
Pair = tuple[int, int]

LAYOUTS = 256
"""So many plans are kept."""

MOST_PAIRS = 128 * 128
"""Of a channel and a result in one group; more are quicker as products of matrices, and so are windows of one entry."""

LONGEST = 1 << 16
"""Of a side of an image with its padding."""


def convolve(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """What windows see, times weights."""
    return convolution(Convolution.RESULTS, (x, w), None, stride, padding, dilation, groups)


def convolve_back(g: Any, w: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """What each window got, back at the images."""
    return convolution(Convolution.IMAGES, (g, w), shape, stride, padding, dilation, groups)


def convolve_weights(g: Any, x: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """What each window got, times what it saw."""
    return convolution(Convolution.WEIGHTS, (g, x), shape, stride, padding, dilation, groups)


def largest_in_windows(x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The largest entry of every window."""
    return pool(Pool.PICK_LARGEST, (x, x), kernel_size, stride, padding, dilation)


def pick_at_largest(y: Any, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Of every window, the entry of y where x is largest."""
    return pool(Pool.PICK_LARGEST, (y, x), kernel_size, stride, padding, dilation)


def put_at_largest(g: Any, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Zeros, with g added where x is largest in each window."""
    return pool(Pool.PUT_LARGEST, (g, x), kernel_size, stride, padding, dilation)


def are_images(x: Any, y: Any) -> bool:
    """Whether the machine computes with these arrays."""
    return (
        machine is not None
        and type(x) is type(y) is np.ndarray
        and x.ndim == y.ndim == 4
        and x.dtype == y.dtype
        and x.dtype in FLOATS
        and x.size > 0 < y.size
    )


def pairs(stride: Any, padding: Any, dilation: Any) -> tuple[Pair, Pair, Pair]:
    """Settings for height and width."""
    return (
        height_and_width(stride, "stride", 1),
        height_and_width(padding, "padding", 0),
        height_and_width(dilation, "dilation", 1),
    )


def convolution(
    what: int, given: tuple[Any, Any], shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """The result for two arrays; `shape` is that of what they give, where it does not follow."""
    if not are_images(*given) or type(groups) is not int:
        return NotImplemented
    x, y = given
    shape = None if shape is None else tuple(shape)
    program = plan_of_convolution(what, x.dtype, x.shape, y.shape, shape, pairs(stride, padding, dilation), groups)
    return NotImplemented if program is None else program(x, y)[0]


@lru_cache(LAYOUTS)
def plan_of_convolution(
    what: int,
    dtype: np.dtype[Any],
    first: Shape,
    second: Shape,
    shape: Shape | None,
    settings: tuple[Pair, Pair, Pair],
    groups: int,
) -> Any:
    """A program for arrays of two shapes; None where it would not fit them, or is slower than products of matrices."""
    images, weights = {
        Convolution.RESULTS: (first, second),
        Convolution.IMAGES: (shape, second),
        Convolution.WEIGHTS: (second, shape),
    }[what]
    assert images is not None
    assert weights is not None
    slide = slide_of_weights(images, weights, *settings, groups)
    results = (images[0], weights[0], *slide[-1])
    met = weights[1] * weights[0] // groups
    if not 0 < met <= MOST_PAIRS or (slide[0] == (1, 1) and met > 1) or not all(images):
        return None
    if too_long(images, settings[1]) or (what is not Convolution.RESULTS and first != results):
        return None
    given, out, order = {
        Convolution.RESULTS: ((images, weights), results, (0, 1, 2)),
        Convolution.IMAGES: ((results, weights), images, (2, 1, 0)),
        Convolution.WEIGHTS: ((results, images), weights, (1, 2, 0)),
    }[what]

    def write(plan: Plan, at: list[Place]) -> None:
        images, weights, results = [at[i] for i in order]
        plan.convolve(what, images, weights, results, groups, slide)

    return planned(dtype, given, out, write)


def pool(what: int, given: tuple[Any, Any], kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The result for what is picked or put, and for the images in which it is looked for."""
    if not are_images(*given):
        return NotImplemented
    size = height_and_width(kernel_size, "kernel_size", 1)
    settings = pairs(size if stride is None else stride, padding, dilation)
    x, y = given
    program = plan_of_pool(what, x.dtype, x.shape, y.shape, x is y, size, settings)
    return NotImplemented if program is None else program(x, y)[0]


@lru_cache(LAYOUTS)
def plan_of_pool(
    what: int,
    dtype: np.dtype[Any],
    given: Shape,
    images: Shape,
    same: bool,
    size: Pair,
    settings: tuple[Pair, Pair, Pair],
) -> Any:
    """A program for arrays of two shapes; None where it would not fit them.

    Of an image itself it does not say what is largest for a window that sees nothing.
    """
    slide = slide_of_pool(images, size, *settings)
    results = (*images[:2], *slide[-1])
    out = images if what == Pool.PUT_LARGEST else results
    blind = same and bool(windows_that_see_nothing(images, size, *settings).any())
    if blind or too_long(images, settings[1]) or given != (results if what == Pool.PUT_LARGEST else images):
        return None

    def write(plan: Plan, at: list[Place]) -> None:
        picked, looked_at, into = at
        plan.pool(what, picked, looked_at, into, slide)

    return planned(dtype, (given, images), out, write)


def too_long(images: Shape, padding: Pair) -> bool:
    """Whether padding makes images larger than anybody's."""
    return any([n + 2 * edge > LONGEST for n, edge in zip(images[2:], padding, strict=True)])


def planned(
    dtype: np.dtype[Any], given: Sequence[Shape], out: Shape, write: Callable[[Plan, list[Place]], None]
) -> Any:
    """The program of one instruction, which is written for the places of what is given and of the result."""
    at = [Place(FIRST_INPUT + i, 0, shape, steps_of(shape), dtype) for i, shape in enumerate((*given, out))]
    plan = Plan({place.memory: place.size * dtype.itemsize for place in at})
    write(plan, at)
    plan.check()
    kinds = tuple([(dtype.num, shape) for shape in given]), ((dtype.num, out),)
    single = dtype == np.float32
    words = np.array(plan.words, np.int64)
    return machine.Program(words, plan.constants, plan.workspace.size, *kinds, (), single, plan.work, True)

"""How windows slide over images, by shapes and settings alone: kernels, so that written source can carry them."""

from __future__ import annotations

import numpy as np

from chainrule.core.operation import kernel


@kernel
def height_and_width(setting, name, least):
    """A setting for both directions: one whole number, or two of them."""
    pair = tuple(setting) if isinstance(setting, (tuple, list)) else (setting, setting)
    whole = [isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= least for n in pair]
    if len(pair) != 2 or not all(whole):
        raise ValueError(f"{name} is a whole number of at least {least}, or two of them, not {setting!r}")
    return int(pair[0]), int(pair[1])


@kernel
def slide(shape, kernel_size, stride, padding, dilation):
    """How a window slides over images of a shape: its size, steps, padding, spread, and how often it fits each way."""
    if len(shape) != 4:
        raise ValueError(
            "images have shape (images, channels, height, width): add an axis to a single one with x[None]"
        )
    size = height_and_width(kernel_size, "kernel_size", 1)
    steps = height_and_width(size if stride is None else stride, "stride", 1)
    around = height_and_width(padding, "padding", 0)
    spread = height_and_width(dilation, "dilation", 1)
    fits = []
    for length, k, step, edge, gap in zip(shape[2:], size, steps, around, spread, strict=True):
        reach = gap * (k - 1) + 1
        if length + 2 * edge < reach:
            raise ValueError(f"a window that reaches over {reach} does not fit into {length} + 2 * {edge} of padding")
        fits.append((length + 2 * edge - reach) // step + 1)
    return size, steps, around, spread, tuple(fits)


@kernel
def slide_of_weights(shape, weights, stride, padding, dilation, groups):
    """The same for a convolution, whose weights have shape (results, channels of a group, height, width)."""
    if len(weights) != 4:
        raise ValueError("the weights have shape (results, channels, height, width)")
    if not isinstance(groups, (int, np.integer)) or groups < 1 or weights[0] % groups:
        raise ValueError(f"groups is a whole number that divides the {weights[0]} results, not {groups!r}")
    plan = slide(shape, weights[2:], stride, padding, dilation)
    if shape[1] != weights[1] * groups:
        raise ValueError(f"the images have {shape[1]} channels, and the weights are for {weights[1] * groups}")
    return plan


@kernel
def slide_of_pool(shape, kernel_size, stride, padding, dilation):
    """The same for a pool, whose padding leaves every window something else to see."""
    plan = slide(shape, kernel_size, stride, padding, dilation)
    size, _, around, spread, _ = plan
    if any(2 * edge > gap * (k - 1) + 1 for k, edge, gap in zip(size, around, spread, strict=True)):
        raise ValueError("padding is at most half of the window: some window would see nothing else")
    return plan


@kernel
def windows_that_see_nothing(shape, kernel_size, stride=None, padding=0, dilation=1):
    """Which windows meet the edge alone, as those that are spread out can: (places down, places across)."""
    size, steps, around, spread, fits = slide(shape, kernel_size, stride, padding, dilation)
    seeing = []
    for length, k, step, edge, gap, fit in zip(shape[2:], size, steps, around, spread, fits, strict=True):
        met = np.arange(fit)[:, None] * step + np.arange(k) * gap - edge
        seeing.append(((met >= 0) & (met < length)).any(1))
    return ~(seeing[0][:, None] & seeing[1])

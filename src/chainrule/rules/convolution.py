"""Rules that slide a window over images, channels first, with PyTorch's meaning and names of settings.

A convolution is linear in the images and in the weights, and its two adjoints are linear again: each of the three is an
adjoint of the other two, so the derivatives of any order stay among them.
"""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import numpy as np

from chainrule.core.operation import fused, linear
from chainrule.rules import image_kernels as kernels
from chainrule.rules import slides
from chainrule.rules.derivatives import convolution as derivatives
from chainrule.rules.linear import reshape
from chainrule.rules.pointwise import where

IMAGES, WEIGHTS, RESULTS = (2, 2, 5, 4), (3, 2, 3, 2), (2, 3, 3, 3)
SLIDES = ({}, {"stride": 2, "padding": 1}, {"padding": (1, 0), "dilation": (2, 1)})
POOLS = ({"kernel_size": 2}, {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1}, {"kernel_size": 2, "dilation": 2})


@linear(
    r"\operatorname{conv}\left({x}, {w}\right)",
    adjoint=(
        lambda g, x, w, **slide: conv2d_input(g, w, shape=x.shape, **slide),
        lambda g, x, w, **slide: conv2d_weight(g, x, shape=w.shape, **slide),
    ),
    shapes=(IMAGES, WEIGHTS),
    examples=SLIDES,
)
def conv2d(x, w, *, stride=1, padding=0, dilation=1, groups=1):
    """Slides weights over images and multiplies: a weight's gradient meets all it saw, a pixel's all that saw it."""
    return kernels.convolve(x, w, stride, padding, dilation, groups)


@linear(
    r"\operatorname{conv\,input}\left({g}, {w}\right)",
    adjoint=(
        lambda h, g, w, shape, **slide: conv2d(h, w, **slide),
        lambda h, g, w, shape, **slide: conv2d_weight(g, h, shape=w.shape, **slide),
    ),
    shapes=(RESULTS, WEIGHTS),
    examples=tuple([{"shape": IMAGES, **slide} for slide in SLIDES]),
)
def conv2d_input(g, w, *, shape, stride=1, padding=0, dilation=1, groups=1):
    """Hands results back to the images of a shape, through the weights: a convolution's adjoint in its images."""
    return kernels.convolve_back(g, w, shape, stride, padding, dilation, groups)


@linear(
    r"\operatorname{conv\,weight}\left({g}, {x}\right)",
    adjoint=(
        lambda h, g, x, shape, **slide: conv2d(x, h, **slide),
        lambda h, g, x, shape, **slide: conv2d_input(g, h, shape=x.shape, **slide),
    ),
    shapes=(RESULTS, IMAGES),
    examples=tuple([{"shape": WEIGHTS, **slide} for slide in SLIDES]),
)
def conv2d_weight(g, x, *, shape, stride=1, padding=0, dilation=1, groups=1):
    """Gathers what each weight of a shape saw, times what came of it: a convolution's adjoint in its weights."""
    return kernels.convolve_weights(g, x, shape, stride, padding, dilation, groups)


@fused(
    r"\operatorname{conv}\left({x}, {w}\right) + {b}",
    of=lambda x, w, b, **slide: conv2d(x, w, **slide) + reshape(b, shape=(-1, 1, 1)),
    adjoint=derivatives,
    reason="one node in place of four, and one array of the results' size in place of two",
    shapes=(IMAGES, WEIGHTS, (3,)),
    examples=SLIDES,
)
def conv2d_plus(x, w, b, *, stride=1, padding=0, dilation=1, groups=1):
    """A layer of convolution: every window against every kernel's weights, plus its bias."""
    return kernels.plus_for_channels(kernels.convolve(x, w, stride, padding, dilation, groups), b)


@linear(
    r"\operatorname{pick}\left({y}, {x}\right)",
    adjoint=(lambda g, y, x, **slide: put_at_largest(g, x, **slide), None),
    shapes=(IMAGES, IMAGES),
    examples=POOLS,
)
def pick_at_largest(y, x, *, kernel_size, stride=None, padding=0, dilation=1):
    """Of every window the entry of y where x is largest; the gradient goes back there."""
    return kernels.pick_at_largest(y, x, kernel_size, stride, padding, dilation)


@linear(
    r"\operatorname{put\,at\,largest}\left({g}, {x}\right)",
    adjoint=(lambda h, g, x, **slide: pick_at_largest(h, x, **slide), None),
    shapes=((2, 2, 2, 2), IMAGES),
    examples=(POOLS[0], {"kernel_size": (3, 2), "stride": (3, 2), "padding": (1, 0)}),
)
def put_at_largest(g, x, *, kernel_size, stride=None, padding=0, dilation=1):
    """Puts the entry of every window where x is largest in it, adding up where windows share a place."""
    return kernels.put_at_largest(g, x, kernel_size, stride, padding, dilation)


def picked_from_itself(x, **slide):
    """What is picked where x itself is largest; a window that sees nothing has nothing above minus infinity."""
    picked, blind = pick_at_largest(x, x, **slide), slides.windows_that_see_nothing(x.shape, **slide)
    return where(blind, -np.inf, picked) if blind.any() else picked


@fused(
    r"\operatorname{max\,pool}\left({x}\right)",
    of=picked_from_itself,
    adjoint=derivatives,
    reason="the largest entry alone is found 5 times faster than its place, which the gradient needs",
    shapes=(IMAGES,),
    examples=POOLS,
)
def max_pool2d(x, *, kernel_size, stride=None, padding=0, dilation=1):
    """The largest entry of every window moves the result, and it alone; of equals the first."""
    return kernels.largest_in_windows(x, kernel_size, stride, padding, dilation)

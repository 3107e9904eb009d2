"""Convolutions and pools on the kernel machine beside the NumPy that says what they compute; what is left to that."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core import compiled
from chainrule.core.operation import kernels
from chainrule.core.state import Quiet
from chainrule.rules import image_kernels, image_plans, slides

CONVOLUTIONS = ("convolve", "convolve_back", "convolve_weights")
POOLS = ("largest_in_windows", "pick_at_largest", "put_at_largest")
needs_machine = pytest.mark.skipif(compiled.machine is None, reason="the kernels are not compiled here")


def calls(name, shape, dtype, draw, slide):
    """Arguments of a kernel for small images; the slide has its stride, padding, dilation and groups."""
    stride, padding, dilation, groups = slide
    images = draw.normal(size=(2, 4, *shape)).astype(dtype)
    if name in POOLS:
        settings = ((2, 3), stride, padding, dilation)
        fits = slides.slide(images.shape, *settings)[-1]
        return {
            "largest_in_windows": (images, *settings),
            "pick_at_largest": (draw.normal(size=images.shape).astype(dtype), images, *settings),
            "put_at_largest": (draw.normal(size=(2, 4, *fits)).astype(dtype), images, *settings),
        }[name]
    weights = draw.normal(size=(6, 4 // groups, 2, 3)).astype(dtype)
    fits = slides.slide_of_weights(images.shape, weights.shape, *slide)[-1]
    came = draw.normal(size=(2, 6, *fits)).astype(dtype)
    return {
        "convolve": (images, weights, *slide),
        "convolve_back": (came, weights, images.shape, *slide),
        "convolve_weights": (came, images, weights.shape, *slide),
    }[name]


def random_slide(draw, name):
    """Steps, edges and spreads of both axes, which need not be alike; the edges so wide that the window fits."""
    spread = draw.integers(1, 5, 2)
    around = [int(n) for n in (draw.integers(2 * spread, 2 * spread + 4) if name in CONVOLUTIONS else (1, 1))]
    stride = tuple(map(int, draw.integers(1, 5, 2)))
    return stride, tuple(around), tuple(map(int, spread)), int(draw.choice([1, 2]))


@needs_machine
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CONVOLUTIONS + POOLS)
def test_every_step_edge_and_spread_gives_what_the_kernel_gives(name, dtype):
    draw = np.random.default_rng(0)
    close = {"rtol": 1e-3, "atol": 1e-3} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    planned = 0
    for _ in range(120):
        shape = tuple(map(int, draw.integers(9, 16, 2) if name in POOLS else draw.integers(2, 14, 2)))
        slide = random_slide(draw, name)
        if draw.random() < 0.3:
            slide = (slide[0], 0, 1, slide[3])
        try:
            given = calls(name, shape, dtype, draw, slide)
        except ValueError:  # a window that does not fit
            continue
        before = [x.copy() for x in given[:2] if isinstance(x, np.ndarray)]
        out, right = getattr(image_plans, name)(*given), kernels[name](*given)
        if out is NotImplemented:
            continue
        planned += 1
        assert out.shape == right.shape
        assert out.dtype == right.dtype == dtype
        np.testing.assert_allclose(out, right, **close, err_msg=f"{shape} {slide}")
        for x, kept in zip(given, before, strict=False):
            np.testing.assert_array_equal(x, kept)
    assert planned > 60


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", CONVOLUTIONS + POOLS)
def test_nan_and_infinity_reach_only_what_they_are_part_of(name, odd):
    for place in (0, 1) if name != "largest_in_windows" else (0,):
        for entry in (0, -1):
            slide = ((1, 2), (1, 0), (1, 1), 2) if name in CONVOLUTIONS else ((1, 2), (1, 0), (1, 1), 1)
            given = list(calls(name, (5, 7), np.float64, np.random.default_rng(0), slide))
            given[place].flat[entry] = odd
            with Quiet():
                out, right = getattr(image_kernels, name)(*given), kernels[name](*given)
            np.testing.assert_allclose(out, right, rtol=1e-12, atol=1e-12)


@needs_machine
@pytest.mark.parametrize(
    "layout", [np.asfortranarray, lambda x: x[::-1].copy()[::-1], lambda x: np.repeat(x, 2, 3)[..., ::2]]
)
@pytest.mark.parametrize("name", CONVOLUTIONS + POOLS)
def test_what_lies_otherwise_in_memory_is_read_right(name, layout):
    given = calls(name, (6, 7), np.float64, np.random.default_rng(0), (1, 1, 1, 1))
    turned = [layout(x) if isinstance(x, np.ndarray) else x for x in given]
    np.testing.assert_allclose(getattr(image_plans, name)(*turned), kernels[name](*given), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CONVOLUTIONS + POOLS)
def test_other_arrays_are_left_to_numpy(name):
    given = calls(name, (6, 7), np.float64, np.random.default_rng(0), (1, 1, 1, 1))
    whole = [x.astype(int) if isinstance(x, np.ndarray) else x for x in given]
    mixed = [given[0].astype(np.float32), *given[1:]]
    for other in (whole, mixed) if isinstance(given[1], np.ndarray) else (whole,):
        assert getattr(image_plans, name)(*other) is NotImplemented
        right = kernels[name](*other)
        out = getattr(image_kernels, name)(*other)
        assert out.dtype == right.dtype
        np.testing.assert_array_equal(out, right)
    assert getattr(image_plans, name)([1.0], *given[1:]) is NotImplemented


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_settings_that_do_not_go_together_are_refused_in_words(name):
    """Also after settings that are equal in Python and mean something else were planned."""
    given = list(calls(name, (6, 7), np.float64, np.random.default_rng(0), (1, 1, 1, 1)))
    getattr(image_kernels, name)(*given)
    at = len(given) - 4
    for place, wrong in [
        (0, 0),
        (0, True),
        (0, (True, 1)),
        (1, -1),
        (1, (1, 1.0)),
        (2, 0),
        (3, 0),
        (3, 4),
        (3, True + 1.0),
    ]:
        with pytest.raises(ValueError, match="whole number"):
            getattr(image_kernels, name)(*given[: at + place], wrong, *given[at + place + 1 :])
    with pytest.raises(ValueError, match="does not fit"):
        getattr(image_kernels, name)(*given[: at + 2], 1 << 40, given[-1])


def test_results_of_another_shape_are_refused():
    images, weights = (1, 1, 4, 4), (1, 1, 2, 2)
    for g in (np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3)), np.ones((1, 2, 3, 3))):
        with pytest.raises(ValueError, match="a convolution"):
            image_kernels.convolve_back(g, np.ones(weights), images, 1, 0, 1, 1)
        with pytest.raises(ValueError, match="a convolution"):
            image_kernels.convolve_weights(g, np.ones(images), weights, 1, 0, 1, 1)
        with pytest.raises(ValueError, match="pooling gives"):
            image_kernels.put_at_largest(g, np.ones(images), 2, 1, 0, 1)
    with pytest.raises(ValueError, match="half of the window"):
        image_kernels.largest_in_windows(np.ones(images), 2, 1, 2, 1)


def test_a_window_that_sees_nothing_has_minus_infinity():
    x = np.ones((1, 1, 2, 2))
    np.testing.assert_array_equal(
        cr.max_pool2d(x, 2, 3, padding=1, dilation=3).ravel(), kernels["largest_in_windows"](x, 2, 3, 1, 3).ravel()
    )


@needs_machine
def test_products_of_many_channels_and_single_entries_are_left_to_matrices():
    draw = np.random.default_rng(0)
    for channels, window in ((129, 3), (8, 1)):
        x, w = draw.normal(size=(1, channels, 6, 6)), draw.normal(size=(channels, channels, window, window))
        assert image_plans.convolve(x, w, 1, 0, 1, 1) is NotImplemented
    for x in (np.ones((0, 1, 4, 4)), np.ones((1, 0, 4, 4))):
        assert image_plans.largest_in_windows(x, 2, 1, 0, 1) is NotImplemented

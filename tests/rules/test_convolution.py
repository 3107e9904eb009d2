"""Convolution and pooling at many shapes and settings against plain loops and PyTorch; what they refuse, and say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import close

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.rules import image_kernels
from chainrule.rules.convolution import conv2d_input, conv2d_weight, pick_at_largest

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def slides(draw):
    """Settings of a convolution, and images that its window fits into."""
    kernel, stride, dilation = draw(SIZES), draw(SIZES), draw(SIZES)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    groups, channels, results = (draw(st.integers(1, 3)) for _ in range(3))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(1, r - 2 * p) + draw(st.integers(0, 4)) for r, p in zip(reach, padding, strict=True)]
    images = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    x = rng.normal(size=(images, groups * channels, *size))
    w = rng.normal(size=(groups * results, channels, *kernel))
    return x, w, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def by_loops(x, w, stride, padding, dilation, groups):
    """A convolution as its definition: one sum for each entry of the result."""
    x = np.pad(x, ((0, 0), (0, 0), *[(p, p) for p in padding]))
    reach = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    rows, columns = ((n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride, strict=True))
    out = np.zeros((len(x), len(w), rows, columns))
    for n, o, i, j in np.ndindex(*out.shape):
        first = o // (len(w) // groups) * w.shape[1]
        top, left = i * stride[0], j * stride[1]
        seen = x[
            n,
            first : first + w.shape[1],
            top : top + reach[0] : dilation[0],
            left : left + reach[1] : dilation[1],
        ]
        out[n, o, i, j] = (seen * w[o]).sum()
    return out


@given(slides())
@settings(max_examples=60, deadline=None)
def test_convolution_is_its_definition_and_its_adjoints_are_transposes(case):
    x, w, slide = case
    out = cr.conv2d(x, w, **slide)
    close(out, by_loops(x, w, **slide), 1e-13, "conv2d")
    rng = np.random.default_rng(1)
    g, t, u = rng.normal(size=out.shape), rng.normal(size=x.shape), rng.normal(size=w.shape)
    # The definition of an adjoint, with the tangents from the definition of a convolution.
    images = conv2d_input(g, w, shape=x.shape, **slide)
    close(np.vdot(images, t), np.vdot(g, by_loops(t, w, **slide)), 1e-12, "conv2d_input")
    weights = conv2d_weight(g, x, shape=w.shape, **slide)
    close(np.vdot(weights, u), np.vdot(g, by_loops(x, u, **slide)), 1e-12, "conv2d_weight")


@given(slides())
@settings(max_examples=40, deadline=None)
def test_convolution_against_pytorch(case):
    torch = pytest.importorskip("torch")
    x, w, slide = case
    a, b = (torch.tensor(numbers, requires_grad=True) for numbers in (x, w))
    right = torch.nn.functional.conv2d(a, b, **slide)
    mine, weights = cr.Tensor(x, requires_grad=True), cr.Tensor(w, requires_grad=True)
    out = cr.conv2d(mine, weights, **slide)
    close(out.data, right.detach().numpy(), 1e-13, "conv2d")
    (out * out).sum().backward()
    (right * right).sum().backward()
    close(mine.grad.data, a.grad.numpy(), 1e-12, "the gradient of the images")
    close(weights.grad.data, b.grad.numpy(), 1e-12, "the gradient of the weights")


EDGES = ("same", "valid", ((1, 2), (0, 1)), (2, (0, 3)), ((1, 1), 0))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("dilation", [1, (2, 1), (1, 3)])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 2)])
@pytest.mark.parametrize("padding", EDGES, ids=str)
def test_an_uneven_edge_is_padding_before_the_convolution(padding, size, dilation):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 4, 9, 8)), rng.normal(size=(6, 2, *size))
    a, b = (torch.tensor(numbers, requires_grad=True) for numbers in (x, w))
    if isinstance(padding, str):
        right = torch.nn.functional.conv2d(a, b, padding=padding, dilation=dilation, groups=2)
    else:
        (top, bottom), (left, end) = (edge if isinstance(edge, tuple) else (edge, edge) for edge in padding)
        around = torch.nn.functional.pad(a, (left, end, top, bottom))
        right = torch.nn.functional.conv2d(around, b, dilation=dilation, groups=2)
    mine, weights = cr.Tensor(x, requires_grad=True), cr.Tensor(w, requires_grad=True)
    out = cr.conv2d(mine, weights, padding=padding, dilation=dilation, groups=2)
    close(out.data, right.detach().numpy(), 1e-13, "conv2d")
    (out * out).sum().backward()
    (right * right).sum().backward()
    close(mine.grad.data, a.grad.numpy(), 1e-12, "the gradient of the images")
    close(weights.grad.data, b.grad.numpy(), 1e-12, "the gradient of the weights")


ROWS = (
    {},
    {"stride": 2, "padding": 1},
    {"padding": "same", "dilation": 2},
    {"padding": "valid", "dilation": 3},
    {"stride": 3, "padding": 2, "groups": 2},
)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("slide", ROWS, ids=str)
@pytest.mark.parametrize("width", [1, 2, 3])
def test_convolution_of_rows_against_pytorch(slide, width):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 4, 9)), rng.normal(size=(6, 4 // slide.get("groups", 1), width))
    a, b = (torch.tensor(numbers, requires_grad=True) for numbers in (x, w))
    right = torch.nn.functional.conv1d(a, b, **slide)
    mine, weights = cr.Tensor(x, requires_grad=True), cr.Tensor(w, requires_grad=True)
    out = cr.conv1d(mine, weights, **slide)
    close(out.data, right.detach().numpy(), 1e-13, "conv1d")
    close(cr.conv1d(x, w, **slide), out.data, 0.0, "conv1d of arrays")
    (out * out).sum().backward()
    (right * right).sum().backward()
    close(mine.grad.data, a.grad.numpy(), 1e-12, "the gradient of the rows")
    close(weights.grad.data, b.grad.numpy(), 1e-12, "the gradient of the weights")


def test_zeros_before_alone_make_a_convolution_causal():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 2, 7)), rng.normal(size=(3, 2, 3))
    for padding in ((2, 0), ((2, 0),), [2, 0]):
        out = cr.conv1d(x, w, padding=padding)
        later = cr.conv1d(np.where(np.arange(7) > 3, 100.0, x), w, padding=padding)
        assert out.shape == (1, 3, 7)
        np.testing.assert_array_equal(out[:, :, :4], later[:, :, :4])


@pytest.mark.parametrize("slide", [{}, {"stride": 1}, {"stride": 2, "padding": 1}], ids=str)
@pytest.mark.parametrize("name", ["max_pool1d", "avg_pool1d"])
def test_pools_of_rows_against_pytorch(name, slide):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 8)).astype(float)
    a = torch.tensor(x, requires_grad=True)
    right = getattr(torch.nn.functional, name)(a, 3, **slide)
    mine = cr.Tensor(x, requires_grad=True)
    out = getattr(cr, name)(mine, 3, **slide)
    close(out.data, right.detach().numpy(), 1e-14, name)
    (out * out).sum().backward()
    (right * right).sum().backward()
    close(mine.grad.data, a.grad.numpy(), 1e-13, f"the gradient of {name}")


@st.composite
def pools(draw):
    """Settings of a pooling, and images with many equal entries that its window fits into."""
    kernel, stride, dilation = draw(SIZES), draw(SIZES), draw(SIZES)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [r + draw(st.integers(0, 4)) for r in reach]
    x = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 3, (2, 2, *size)).astype(float)
    return x, {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}


@given(pools())
@settings(max_examples=60, deadline=None)
def test_max_pooling_against_pytorch_at_ties(case):
    torch = pytest.importorskip("torch")
    x, slide = case
    a = torch.tensor(x, requires_grad=True)
    right = torch.nn.functional.max_pool2d(a, **slide)
    g = np.random.default_rng(2).normal(size=right.shape)
    right.backward(torch.tensor(g))
    mine = cr.Tensor(x, requires_grad=True)
    out = cr.max_pool2d(mine, **slide)
    np.testing.assert_array_equal(out.data, right.detach().numpy())
    out.backward(g)
    # Sums of a few shares, in another order.
    close(mine.grad.data, a.grad.numpy(), 1e-14, "the gradient of max_pool2d")


@pytest.mark.parametrize("target", ["native", "numpy"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_window_that_sees_nothing_gives_minus_infinity_on_every_way(target, dtype):
    x = np.arange(1.0, 13).reshape(1, 2, 2, 3).astype(dtype)
    slide = {"kernel_size": (2, 1), "stride": (3, 1), "padding": (2, 0), "dilation": (3, 1)}
    seen = np.full((1, 2, 1, 3), -np.inf)
    seen[0, :, 0] = x[0, :, 1]
    np.testing.assert_array_equal(cr.max_pool2d(x, **slide), seen)
    blind = {**slide, "dilation": (4, 1), "kernel_size": (2, 1)}
    for settings_ in (slide, blind):
        eager = cr.max_pool2d(x, **settings_)
        compiled = cr.compile(lambda x, s=settings_: cr.max_pool2d(x, **s), target=target)(x)
        np.testing.assert_array_equal(compiled, eager)
        assert compiled.dtype == dtype
        slope = cr.grad(lambda x, s=settings_: cr.sum(cr.exp(cr.max_pool2d(x, **s))))
        close(cr.compile(slope, target=target)(x), slope(x), 1e-6 if dtype == np.float32 else 1e-14, "the gradient")
    assert np.isneginf(cr.max_pool2d(x, **blind)).all()


@pytest.mark.parametrize("target", ["native", "numpy"])
@pytest.mark.parametrize(
    "slide", [{"kernel_size": 3, "stride": 1, "padding": 1}, {"kernel_size": (2, 3), "padding": 1}]
)
def test_an_edge_is_never_the_largest_beside_minus_infinity(slide, target):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 5))
    x[0, 0], x[0, 1, :2] = -np.inf, -np.inf
    a = torch.tensor(x, requires_grad=True)
    right = torch.nn.functional.max_pool2d(a, **slide)
    right.sum().backward()
    slope = cr.grad(lambda x: cr.sum(cr.max_pool2d(x, **slide)))
    for found in (cr.max_pool2d(x, **slide), cr.compile(lambda x: cr.max_pool2d(x, **slide), target=target)(x)):
        np.testing.assert_array_equal(found, right.detach().numpy())
    for found in (slope(x), cr.compile(slope, target=target)(x)):
        np.testing.assert_array_equal(found, a.grad.numpy())


@given(pools())
@settings(max_examples=40, deadline=None)
def test_average_pooling_against_pytorch(case):
    torch = pytest.importorskip("torch")
    x, slide = case
    del slide["dilation"]
    a = torch.tensor(x, requires_grad=True)
    right = torch.nn.functional.avg_pool2d(a, **slide)
    g = np.random.default_rng(2).normal(size=right.shape)
    right.backward(torch.tensor(g))
    mine = cr.Tensor(x, requires_grad=True)
    out = cr.avg_pool2d(mine, **slide)
    close(out.data, right.detach().numpy(), 1e-14, "avg_pool2d")
    out.backward(g)
    close(mine.grad.data, a.grad.numpy(), 1e-14, "the gradient of avg_pool2d")


def test_of_equals_the_first_gets_the_whole_gradient():
    x = np.array([[[[1.0, 5.0], [5.0, 5.0]]]])
    grad = cr.grad(lambda x: cr.max_pool2d(x, 2).sum())(x)
    np.testing.assert_array_equal(grad, [[[[0.0, 1.0], [0.0, 0.0]]]])


def test_nan_and_infinity_pass_the_pool():
    x = np.array([[[[1.0, np.nan, -np.inf, -np.inf]]]])
    np.testing.assert_array_equal(cr.max_pool2d(x, (1, 2)), [[[[np.nan, -np.inf]]]])
    grad = cr.grad(lambda x: cr.max_pool2d(x, (1, 2)).sum())(x)
    np.testing.assert_array_equal(grad.sum(), 2.0)


def test_a_pool_of_one_pixel_gives_a_copy():
    x = cr.Tensor(np.ones((1, 1, 2, 2)))
    out = cr.max_pool2d(x, 1)
    x[0, 0, 0, 0] = 5.0
    np.testing.assert_array_equal(out.data, np.ones((1, 1, 2, 2)))


@pytest.mark.parametrize("workspace", [1, 3000, 1 << 30])
def test_the_workspace_changes_no_number(monkeypatch, workspace):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(7, 4, 6, 5)), rng.normal(size=(6, 2, 3, 2))
    slide = {"stride": (1, 2), "padding": 1, "groups": 2}
    g = rng.normal(size=cr.conv2d(x, w, **slide).shape)

    def all_three():
        images = conv2d_input(g, w, shape=x.shape, **slide)
        return cr.conv2d(x, w, **slide), images, conv2d_weight(g, x, shape=w.shape, **slide)

    usual = all_three()
    monkeypatch.setattr(image_kernels, "WORKSPACE", workspace)
    for found, right in zip(all_three(), usual, strict=True):
        close(found, right, 1e-13, f"with {workspace} bytes")


def test_settings_may_follow_by_position():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 2, 5, 5)), rng.normal(size=(2, 1, 3, 3))
    np.testing.assert_array_equal(
        cr.conv2d(x, w, 2, 1, 1, 2), cr.conv2d(x, w, stride=2, padding=1, dilation=1, groups=2)
    )


def test_whole_numbers_go_through():
    x, w = np.arange(16).reshape(1, 1, 4, 4), np.ones((1, 1, 2, 2), int)
    np.testing.assert_array_equal(cr.conv2d(x, w, stride=2), [[[[10, 18], [42, 50]]]])
    np.testing.assert_array_equal(cr.max_pool2d(x, 2), [[[[5, 7], [13, 15]]]])
    np.testing.assert_array_equal(cr.avg_pool2d(x, 2), [[[[2.5, 4.5], [10.5, 12.5]]]])


def test_a_symbolic_convolution_has_a_symbolic_gradient():
    from chainrule.core import graph
    from chainrule.core.term import constant, replay, symbol

    x, w = symbol("x", (2, 1, 4, 4)), symbol("w", (3, 1, 2, 2))
    loss = cr.max_pool2d(cr.conv2d(x, w), 2).sum()
    share = graph.gradients_of([loss], [constant(1.0)], [w], record=True)[0]
    rng = np.random.default_rng(0)
    values = {x: rng.normal(size=x.shape), w: rng.normal(size=w.shape)}
    right = cr.grad(lambda w: cr.max_pool2d(cr.conv2d(values[x], w), 2).sum())(values[w])
    np.testing.assert_allclose(replay([share], values)[0], right, rtol=1e-14)


IMAGES, WEIGHTS = np.ones((2, 3, 8, 8)), np.ones((4, 3, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: cr.conv2d(x, np.ones((4, 2, 3, 3))), "images have 3 channels, and the weights are for 2"),
        (lambda x: cr.conv2d(x, WEIGHTS, groups=3), "groups is a whole number that divides the 4 results, not 3"),
        (lambda x: cr.conv2d(x, WEIGHTS, groups=0), "groups is a whole number"),
        (lambda x: cr.conv2d(x, WEIGHTS, stride=0), "stride is a whole number of at least 1, or two of them, not 0"),
        (lambda x: cr.conv2d(x, WEIGHTS, stride=(1, 1, 1)), "two of them"),
        (lambda x: cr.conv2d(x, WEIGHTS, padding="full"), "padding='same' and padding='valid'.*not 'full'"),
        (lambda x: cr.conv2d(x, WEIGHTS, padding="same", stride=2), "keeps the size, which stride=2 does not"),
        (lambda x: cr.conv2d(x, WEIGHTS, padding=(1, 2, 3)), "has 3 entries, and 2 axes can be padded"),
        (lambda x: cr.conv2d(x, WEIGHTS, padding=((1, -2), 0)), "pair of whole numbers of at least 0, not"),
        (lambda x: cr.conv2d(x, WEIGHTS, padding=1.5), "padding is a whole number of at least 0.*not"),
        (lambda x: cr.conv1d(x, WEIGHTS[0]), r"conv1d takes x of shape \(rows, channels, length\).*x\[None\]"),
        (lambda x: cr.conv1d(x[0], WEIGHTS[0, :, :1]), "8 channels, and the weights are for 1"),
        (lambda x: cr.conv1d(x[0], np.ones((2, 8, 9))), "reaches over 9 does not fit"),
        (lambda x: cr.max_pool1d(x, 2), r"max_pool1d takes rows of shape \(rows, channels, length\)"),
        (lambda x: cr.avg_pool1d(x[0], 0), "kernel_size is a whole number"),
        (lambda x: cr.conv2d(x, WEIGHTS, dilation=1.5), "dilation is a whole number"),
        (lambda x: cr.conv2d(x, WEIGHTS, dilation=4), "reaches over 9 does not fit into 8"),
        (lambda x: cr.conv2d(x[0], WEIGHTS), r"\(images, channels, height, width\): add an axis .* x\[None\]"),
        (lambda x: cr.conv2d(x, WEIGHTS[0]), "the weights have shape"),
        (lambda x: cr.conv2d(2.0, WEIGHTS), "images have shape"),
        (lambda x: conv2d_input(x, WEIGHTS, shape=(2, 3, 8, 8)), r"gives \(2, 4, 6, 6\)"),
        (lambda x: conv2d_weight(x, x, shape=(4, 3, 3, 3)), r"gives \(2, 4, 6, 6\)"),
        (lambda x: cr.max_pool2d(x, 9), "reaches over 9 does not fit into 8"),
        (lambda x: cr.max_pool2d(x, 2, padding=2), "padding is at most half"),
        (lambda x: pick_at_largest(x, x, kernel_size=True), "kernel_size is a whole number"),
        (lambda x: cr.avg_pool2d(x, 0), "avg_pool2d does not fit .*kernel_size is a whole number"),
        (lambda x: cr.avg_pool2d(x[0], 2), r"avg_pool2d does not fit \(3, 8, 8\).*x\[None\]"),
    ],
)
def test_misfits_are_named(call, message):
    pixels = cr.Tensor(IMAGES, requires_grad=True)
    with pytest.raises(ShapeError, match=message):
        call(pixels)


def test_every_window_is_seen_once_by_a_kernel_of_ones():
    for k, s in itertools.product((1, 2, 3), (1, 2)):
        x = np.ones((1, 1, 6, 6))
        shares = cr.grad(lambda x, k=k, s=s: cr.conv2d(x, np.ones((1, 1, k, k)), stride=s).sum())(x)
        assert shares.sum() == cr.conv2d(x, np.ones((1, 1, k, k)), stride=s).sum()

"""Every rule that PyTorch has too: values and gradients, at random points and at the kinks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from oracles import RULES, Case, Recorded, cases, close, places, random_like

import chainrule as cr
from chainrule.core.operation import Pointwise

torch = pytest.importorskip("torch")
functional = torch.nn.functional


def multiplied(x, axis, keepdims):
    """The product over any axes; PyTorch's own takes one."""
    for k in sorted(axis if isinstance(axis, tuple) else range(x.ndim) if axis is None else (axis,), reverse=True):
        x = x.prod(k, keepdim=keepdims)
    return x


TORCH = {
    **{name: getattr(torch, name) for name in RULES if hasattr(torch, name)},
    "add_along_axis": lambda x, indices, shape, axis: torch.zeros(shape, dtype=x.dtype).scatter_add(axis, indices, x),
    "affine": functional.linear,
    "all": lambda x, axis, keepdims: reduced(torch.all, x, axis, keepdims),
    "any": lambda x, axis, keepdims: reduced(torch.any, x, axis, keepdims),
    "argmax": lambda x, axis, keepdims: torch.argmax(x, axis, keepdims),
    "argmin": lambda x, axis, keepdims: torch.argmin(x, axis, keepdims),
    "argsort": lambda x, axis, descending, stable: sorting_places(x, axis, descending),
    "astype": lambda x, dtype: x.to(torch.float64),
    "bitwise_invert": torch.bitwise_not,
    "broadcast_to": lambda x, shape: x.expand(shape),
    "chosen": lambda x, weight: torch.where(weight == 0, 0, x * weight),
    "cbrt": lambda x: x.sign() * x.abs() ** (1 / 3),
    "cholesky": lambda x: torch.linalg.cholesky((x + x.mT) / 2),
    "clip": lambda x, a_min, a_max: torch.clamp(x, a_min, a_max),
    "conv2d": functional.conv2d,
    "conv2d_input": lambda g, w, shape, **slide: torch.nn.grad.conv2d_input(shape, w, g, **slide),
    "conv2d_plus": functional.conv2d,
    "conv2d_weight": lambda g, x, shape, **slide: torch.nn.grad.conv2d_weight(x, shape, g, **slide),
    "binary_cross_entropy": lambda x, y, at_one, at_zero: functional.binary_cross_entropy_with_logits(
        x, y, torch.as_tensor(at_zero), reduction="sum", pos_weight=torch.as_tensor(at_one / at_zero)
    ),
    "count_nonzero": lambda x, axis, keepdims: reduced(torch.sum, x != 0, axis, keepdims),
    "cross_entropy": lambda x, target: functional.cross_entropy(x, torch.from_numpy(target)),
    "cumsum": lambda x, axis: x.flatten().cumsum(0) if axis is None else x.cumsum(axis),
    "eigenvectors": lambda x: torch.linalg.eigh((x + x.mT) / 2)[1],
    "eigvalsh": lambda x: torch.linalg.eigvalsh((x + x.mT) / 2),
    "einsum": lambda *operands, subscripts: torch.einsum(subscripts, *operands),
    "elu": functional.elu,
    "equal": torch.eq,
    "expand_dims": lambda x, axis: expanded(x, axis),
    "flip": lambda x, axis: x.flip(tuple(range(x.ndim)) if axis is None else axis),
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "hardtanh": functional.hardtanh,
    "hypot": lambda x, y: torch.linalg.vector_norm(torch.stack(torch.broadcast_tensors(x, y)), dim=0),
    "identity": torch.clone,
    "index": lambda x, key: x[key],
    "inv": torch.linalg.inv,
    "direction": torch.div,
    "largest": lambda x, axis, keepdims: torch.amax(x, () if axis is None else axis, keepdims),
    "length": lambda x, axis, keepdims, count: torch.linalg.vector_norm(x, dim=axis, keepdim=keepdims) / count**0.5,
    "log_softmax": lambda x, axis: x - torch.logsumexp(x, axis, True),
    "logsumexp": lambda x, axis, keepdims: torch.logsumexp(x, tuple(range(x.ndim)) if axis is None else axis, keepdims),
    "power_and_log": lambda x, y, count, settled: x**y * torch.log(x) ** count,
    "shares_of_largest": lambda x, axis: (x == torch.amax(x, () if axis is None else axis, True)).double(),
    "shares_of_smallest": lambda x, axis: (x == torch.amin(x, () if axis is None else axis, True)).double(),
    "share": lambda part, power: torch.where(power == 0, 0, part),
    "softmax": lambda x, axis: torch.exp(x - torch.logsumexp(x, axis, True)),
    "smallest": lambda x, axis, keepdims: torch.amin(x, () if axis is None else axis, keepdims),
    "cofactors": lambda x, h: torch.autograd.functional.jvp(
        lambda x: torch.linalg.det(x) * torch.linalg.inv(x).mT, x, h, create_graph=True
    )[1],
    "concatenate": lambda *arrays, axis: torch.cat(arrays, axis),
    "layer_norm": lambda x, w, b, eps: functional.layer_norm(x, w.shape, w, b, eps),
    "leaky_relu": lambda x, slope: functional.leaky_relu(x, slope),
    "log_sigmoid": functional.logsigmoid,
    "logabsdet": lambda x: torch.linalg.slogdet(x)[1],
    "lower_half": lambda x: (x.tril() + x.tril(-1)) / 2,
    "matmul": torch.matmul,
    "max_pool2d": lambda x, **slide: functional.max_pool2d(x, **slide),
    "mean": lambda x, axis, keepdims: torch.mean(x, axis, keepdims),
    "mish": functional.mish,
    "pick_at_largest": lambda y, x, **slide: picked(y, x, slide),
    "put_at_largest": lambda g, x, **slide: torch.autograd.functional.vjp(
        lambda y: picked(y, x, slide), torch.zeros(x.shape, dtype=g.dtype), g, create_graph=True
    )[1],
    "one_hot": lambda x, num_classes: functional.one_hot(x, num_classes or -1).double(),
    "orthogonal_factor": lambda x: torch.linalg.qr(x)[0],
    "pinv": torch.linalg.pinv,
    "svdvals": torch.linalg.svdvals,
    "triangular_factor": lambda x: torch.linalg.qr(x)[1],
    "pad": lambda x, pad_width: functional.pad(x, [int(n) for n in np.broadcast_to(pad_width, (2, 2))[::-1].flat]),
    "stack": lambda *arrays, axis: torch.stack(arrays, axis),
    "relu": torch.relu,
    "prod": multiplied,
    "product_of_others": lambda x, axis: multiplied(x, axis, True) / x,
    "reshape": lambda x, shape: x.reshape(shape),
    "rint": torch.round,
    "roll": lambda x, shift, axis: torch.roll(x, shift, axis),
    "scatter": lambda x, key, shape: scattered(x, key, shape),
    "round": lambda x, decimals: torch.round(x, decimals=decimals),
    "searchsorted": lambda a, v, side: torch.searchsorted(a, v, side=side),
    "self_attention": lambda x, mask, heads, scale: attended(x, mask, heads, scale),
    "sign_of_det": lambda x: torch.linalg.slogdet(x)[0],
    "silu": functional.silu,
    "solve": torch.linalg.solve,
    "sinc_slope": lambda x, order: sinc_slope(x, order),
    "softplus": lambda x: functional.softplus(x, threshold=100),
    "squared_error": lambda x, y, scale: scale * functional.mse_loss(x, y, reduction="sum"),
    "squeeze": lambda x, axis: torch.squeeze(x) if axis is None else torch.squeeze(x, axis),
    "sum": lambda x, axis, keepdims: torch.sum(x, axis, keepdims),
    "sum_of": lambda *terms: torch.stack(terms).sum(0),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "swap": lambda x: x.mT,
    "symmetric": lambda x: (x + x.mT) / 2,
    "take_along_axis": lambda x, indices, axis: torch.take_along_dim(x, indices, axis),
    "tril": lambda x, k: x.tril(k),
    "triu": lambda x, k: x.triu(k),
    "transpose": lambda x, axes: x.permute(tuple(range(x.ndim))[::-1] if axes is None else axes),
}
"""Each rule in PyTorch's words; where both have one name, that is taken."""

NOT_IN_TORCH = {"beyond_rounding", "dot_of", "reciprocal_gaps"}
NOT_IN_TORCH |= {"left_vectors", "right_vectors"}  # whose signs are free: see test_decompositions.py


def reduced(function, x, axis, keepdims):
    axes = tuple(range(x.ndim)) if axis is None else axis
    return function(x, axes, keepdims)


def sorting_places(x, axis, descending):
    x, axis = (x.flatten(), 0) if axis is None else (x, axis)
    return torch.argsort(x, dim=axis, descending=descending, stable=True)


def sinc_slope(x, order):
    """By automatic differentiation of PyTorch's own sinc, which is exact away from 0."""
    x = x if x.requires_grad else x.clone().requires_grad_()
    out = torch.sinc(x)
    for _ in range(order):
        (out,) = torch.autograd.grad(out, x, torch.ones_like(out), create_graph=True)
    return out


def expanded(x, axis):
    for a in sorted(axis if isinstance(axis, tuple) else (axis,)):
        x = x.unsqueeze(a)
    return x


def picked(y, x, slide):
    places = functional.max_pool2d(x.double(), **slide, return_indices=True)[1]
    return y.flatten(2).gather(2, places.flatten(2)).reshape(places.shape)


def attended(x, mask, heads, scale):
    parts = x.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return functional.scaled_dot_product_attention(*parts, attn_mask=mask, scale=scale).transpose(1, 2).flatten(2)


def scattered(x, key, shape):
    places = torch.arange(shape[0])[key]
    return torch.zeros(shape, dtype=x.dtype).index_add(0, places, x)


def compare(operation, case):
    given = [torch.tensor(x, requires_grad=i in places(operation)) for i, x in enumerate(case.inputs)]
    right = TORCH[operation.name](*given, **case.settings)
    recorded = Recorded(operation, case)
    close(recorded.out.data, right.detach().numpy(), 1e-14, f"{operation.name} against PyTorch")
    if places(operation):
        g = random_like(recorded.out, np.random.default_rng(8))
        right.backward(torch.tensor(g))
        for i, found in zip(places(operation), recorded.gradients(g), strict=True):
            expected = given[i].grad
            close(found, expected.numpy(), 1e-13, f"gradient {i} of {operation.name} against PyTorch")


@pytest.mark.parametrize("name", sorted({*RULES} - NOT_IN_TORCH))
def test_values_and_gradients(name):
    operation = cr.book[name]
    assert name in TORCH, f"say what {name} is called in PyTorch, or put it into NOT_IN_TORCH"
    for seed in range(3):
        for case in cases(operation, seed):
            compare(operation, case)


OTHER_KINKS = {"hypot": "PyTorch has nan at (0, 0), and 0 for the norm of the two; here both are 0"}


@pytest.mark.parametrize("name", [name for name in RULES if cr.book[name].at_kink and name not in OTHER_KINKS])
def test_kinks(name):
    operation = cr.book[name]
    for settings, point in itertools.product(map(operation.complete, operation.examples), operation.at_kink):
        compare(operation, Case(settings, tuple(np.array(x) for x in point)))


@pytest.mark.parametrize("base", [-2.0, -0.0, 0.0, 1.0, 3.0])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 4.0, 0.5, -1.0])
def test_powers_at_the_corners(base, exponent):
    x, y = torch.tensor(base, dtype=torch.float64, requires_grad=True), torch.tensor(exponent, dtype=torch.float64)
    (x**y).backward()
    t = cr.Tensor(base, requires_grad=True)
    (t**exponent).backward()
    np.testing.assert_array_equal(t.grad.data, x.grad.numpy())
    v = cr.Value(base)
    (v**exponent).backward()
    np.testing.assert_array_equal(v.grad, x.grad.numpy())


@pytest.mark.parametrize("base", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.5])
def test_exponents_at_the_corners(base, exponent):
    x = torch.tensor(base, dtype=torch.float64)
    y = torch.tensor(exponent, dtype=torch.float64, requires_grad=True)
    (x**y).backward()
    t = cr.Tensor(exponent, requires_grad=True)
    (base**t).backward()
    np.testing.assert_allclose(t.grad.data, y.grad.numpy(), rtol=1e-15)


EXTREME = np.array([-np.inf, -1e300, -1000.0, -50.0, -1e-300, -0.0, 0.0, 1e-300, 50.0, 1000.0, 1e300, np.inf])


ONE_NUMBER = [n for n in RULES if isinstance(cr.book[n], Pointwise) and len(cr.book[n].shapes) == 1]


@pytest.mark.parametrize("name", ONE_NUMBER)
def test_extreme_numbers(name):
    """At huge, tiny and infinite numbers rules give what PyTorch gives, or a number where PyTorch has nan."""
    operation = cr.book[name]
    settings = operation.complete(operation.examples[0])
    x = torch.tensor(EXTREME, requires_grad=True)
    right = TORCH[name](x, **settings)
    found = Recorded(operation, Case(settings, (EXTREME,)))
    np.testing.assert_allclose(found.out.data, right.detach().numpy(), rtol=1e-12, atol=1e-299)
    if places(operation):
        right.sum().backward()
        share, expected = found.gradients(np.ones(EXTREME.shape))[0], x.grad.numpy()
        known = ~np.isnan(expected)
        np.testing.assert_allclose(share[known], expected[known], rtol=1e-12, atol=1e-299)

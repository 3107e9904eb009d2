"""Functions that compiled programs are tried on, with their arguments: nets, losses, transforms; and what runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.native import machine

rng = np.random.default_rng(0)

RUNS = ["numpy", pytest.param("native", marks=pytest.mark.skipif(not machine, reason="the kernels were not built"))]
"""What a compiled function can run on."""


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Call ``work(k)`` in so many threads at once; an error in one of them is raised."""
    start = threading.Barrier(count)

    def run(k: int) -> None:
        start.wait(60)
        work(k)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))


def classifier(w1, b1, w2, b2, x, y):
    h = cr.tanh(x @ w1 + b1)
    z = h @ w2 + b2
    surprise = -cr.mean(cr.log_softmax(z)[np.arange(len(y)), y])
    return surprise  # noqa: RET504  (its name is looked for)


def perceptron(params, x, y):
    h = cr.relu(x @ params["W"] + params["b"])
    error = h @ params["v"] - y
    return cr.mean(error**2)


WEIGHTS = (rng.normal(size=(2, 8)), rng.normal(size=8), rng.normal(size=(8, 3)), rng.normal(size=3))
BATCH = (rng.normal(size=(5, 2)), np.array([0, 2, 1, 1, 0]))
PARAMS = {"W": rng.normal(size=(2, 4)), "b": rng.normal(size=4), "v": rng.normal(size=4)}
TARGETS = rng.normal(size=5)
step_of_classifier = cr.value_and_grad(classifier, argnums=(0, 1, 2, 3))
VECTOR = np.array([0.5, -1.0, 2.0])


def descended(params, x, y, lr):
    value, gradient = cr.value_and_grad(perceptron)(params, x, y)
    return value, {name: params[name] - lr * gradient[name] for name in params}


def cubes(x):
    return cr.sum(x**3) * x[0] + cr.prod(x)


def in_list(layers, x):
    for w, b in layers:
        x = cr.sigmoid(x @ w + b)
    return cr.sum(x)


def one_entry(x, y):
    first = x[1]
    return first * y


def of_nothing(x, y):
    empty = cr.sum(x[:0] * y[:0])
    return empty + x * y, cr.mean(x[:0])


def both_alike(x, y):
    alike = cr.sum(x) == cr.sum(y)
    return cr.where(alike == 0, x, y) + cr.where(alike != 0, x, y)


PROGRAMS: dict[str, Any] = {
    "classifier": (step_of_classifier, (*WEIGHTS, *BATCH)),
    "perceptron": (cr.value_and_grad(perceptron), (PARAMS, BATCH[0], TARGETS)),
    "a multiple that is read twice": (
        cr.value_and_grad(lambda w, b, x: cr.sum(cr.tanh(w * x + b) ** 2), argnums=(0, 1)),
        (VECTOR, VECTOR[::-1].copy(), 2 * VECTOR),
    ),
    "a step of descent": (descended, (PARAMS, BATCH[0], TARGETS, 0.1)),
    "one entry on a line of its own": (one_entry, (VECTOR, VECTOR)),
    "the sum of nothing": (of_nothing, (VECTOR, VECTOR)),
    "a truth compared with a number": (both_alike, (VECTOR, 2 * VECTOR)),
    "a number spread over a shape": (lambda x: cr.sum(cr.broadcast_to(cr.sum(x) * 0 + 1.0, (3,)) * x), (VECTOR,)),
    "an array with more axes": (
        cr.grad(lambda b: cr.sum(cr.sin(b[:, None] * b[None] + b[None, :, None]) * 2)),
        (VECTOR,),
    ),
    "the largest size": (
        cr.grad(lambda x, y: 0.1 * cr.max(cr.abs(x)) - 0.2 * cr.min(y), argnums=(0, 1)),
        (np.array([1.0, -2.0, 0.0, 2.0]), np.array([3.0, 1.0, 1.0])),
    ),
    "gates of one array": (
        cr.value_and_grad(
            lambda z, y: (
                cr.sum(cr.tanh(z[:2]) * cr.sigmoid(z[2:4]) * cr.exp(z[-2:]))
                + cr.sum(y[:, 1:3] * cr.sin(y[:, :1]) * y[:, 3:])
            ),
            argnums=(0, 1),
        ),
        (np.linspace(-1, 1, 6), np.linspace(-1, 2, 12).reshape(3, 4)),
    ),
    "layers of one array": (
        cr.value_and_grad(lambda x: cr.sum(cr.tanh(x[0]) * x[-1] @ x[1].T)),
        (np.linspace(-1.0, 2.0, 18).reshape(3, 2, 3),),
    ),
    "arrays end to end": (
        lambda x, y: (
            cr.concatenate([x.T, y]),
            cr.stack([x, y.T]),
            cr.concatenate([x, y.T], axis=1),
            cr.stack([x[0, 0], 2.0]),
        ),
        (np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2) - 7.0),
    ),
    "grad": (cr.grad(cubes), (VECTOR,)),
    "hessian": (cr.hessian(cubes), (VECTOR,)),
    "jacobian": (cr.jacobian(lambda x: cr.sin(x) * x[0]), (VECTOR,)),
    "jvp": (lambda x, t: cr.jvp(cubes, (x,), (t,)), (VECTOR, VECTOR)),
    "hvp": (lambda x, t: cr.hvp(cubes, (x,), (t,)), (VECTOR, VECTOR)),
    "vjp": (lambda x, g: cr.vjp(lambda x: cr.exp(x), x)[1](g), (VECTOR, VECTOR)),
    "linearize": (lambda x, t: cr.linearize(cubes, x)[1](t), (VECTOR, VECTOR)),
    "vmap of grad": (cr.vmap(cr.grad(cubes)), (np.stack([VECTOR, 2 * VECTOR]),)),
    "grad of grad": (cr.grad(cr.grad(lambda x: cr.sin(x) * x)), (0.7,)),
    "has_aux": (cr.value_and_grad(lambda x: (cr.sum(x * x), x + 1), has_aux=True), (VECTOR,)),
    "cross_entropy": (
        cr.value_and_grad(lambda z, y: cr.cross_entropy(z, target=y)),
        (rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])),
    ),
    "probabilities": (
        cr.value_and_grad(lambda z, y: -cr.mean(cr.sum(y * cr.log_softmax(z), axis=1))),
        (rng.normal(size=(4, 3)), np.eye(3)[[0, 2, 1, 1]]),
    ),
    "squared_error": (cr.value_and_grad(lambda p, y: cr.squared_error(p, y, scale=0.25)), (VECTOR, VECTOR + 1)),
    "binary": (
        cr.value_and_grad(lambda x, y: cr.binary_cross_entropy(x, y, at_one=0.5, at_zero=0.25)),
        (VECTOR, np.array([0.0, 1.0, 0.5])),
    ),
    "layers": (cr.value_and_grad(in_list), ([[*WEIGHTS[:2]], [*WEIGHTS[2:]]], BATCH[0])),
    "normalised": (
        cr.grad(lambda x: cr.sum(cr.softmax(cr.book["layer_norm"](x, np.ones(3), np.ones(3), eps=1e-5)) ** 2)),
        (rng.normal(size=(2, 3)),),
    ),
    "truth values": (
        lambda a, x: (x * ((x > 0) + a), (a[:, None] @ a[None] + a) * x, cr.einsum("i,i->", a, a) * x),
        (np.array([True, True, False]), VECTOR),
    ),
    "masks of data": (cr.grad(lambda x, y: cr.sum(cr.where(y > 0, x, x * x))), (VECTOR, VECTOR[::-1].copy())),
    "max and sort": (cr.grad(lambda x: cr.max(x) * cr.sort(x)[1] + cr.logsumexp(x) + cr.norm(x)), (VECTOR,)),
    "picked by data": (cr.grad(lambda x, i: cr.sum(x[i] ** 2)), (VECTOR, np.array([0, 2, 2]))),
    "convolution": (
        cr.grad(lambda x, w: cr.sum(cr.conv2d(x, w, padding=1) ** 2), argnums=(0, 1)),
        (rng.normal(size=(1, 2, 4, 4)), rng.normal(size=(3, 2, 3, 3))),
    ),
    "pooled": (
        cr.value_and_grad(lambda x, b: cr.sum(cr.max_pool2d(cr.relu(x + b), kernel_size=2) ** 2), argnums=(0, 1)),
        (rng.normal(size=(2, 3, 6, 6)), rng.normal(size=(3, 1, 1)) - 1),
    ),
    "linear algebra": (
        cr.grad(lambda a: cr.slogdet(a)[1] + cr.sum(cr.inv(a))),
        (np.eye(3) + 0.1 * rng.normal(size=(3, 3)),),
    ),
    "python numbers": (lambda x, y: (x * y + 1, x > y), (2.0, 3.0)),
    "single precision": (
        cr.value_and_grad(perceptron),
        ({k: v.astype(np.float32) for k, v in PARAMS.items()}, BATCH[0].astype(np.float32), TARGETS.astype(np.float32)),
    ),
    "weak numbers": (lambda w, lr: w - lr * w, (np.ones(3, np.float32), 0.1)),
    "constant result": (lambda x: (x, 3.0, np.ones(2)), (VECTOR,)),
    "copies": (cr.grad(lambda x: cr.sum(cr.broadcast_to(x[0] * x[1], shape=(2, 3))) + 0.0), (VECTOR,)),
    "shapes": (
        cr.value_and_grad(
            lambda x: cr.sum(
                cr.reshape(x, shape=(3, 1)) ** 2 + cr.sum(cr.reshape(x, shape=(3, 1)), axis=1, keepdims=True)
            )
        ),
        (VECTOR,),
    ),
    "doubled": (cr.value_and_grad(lambda x: cr.sum(x * x) + cr.sum(cr.sum(cr.outer(x, x), axis=0))), (VECTOR,)),
    "a number and arrays": (cr.value_and_grad(lambda x, s: cr.mean(cr.tanh(x) * s), argnums=(0, 1)), (VECTOR, 0.5)),
    "arrays and constants": (lambda x: (np.ones(3), cr.exp(x), np.zeros(2)), (VECTOR,)),
    "a view that is read again": (
        cr.value_and_grad(
            lambda m, v, s: cr.mean((cr.mean(m, axis=0, keepdims=True) + s) * cr.tanh(v) ** s), argnums=(0, 1, 2)
        ),
        (np.ones((3, 1)), np.array([0.5, 0.25, 0.75, 0.1]), 1.5),
    ),
    "nothing to add": (lambda x: (x + 0.0 - 0.0, 0.0 + x), (VECTOR,)),
    "to the power of 0": (lambda x: (x**0.0 + x, cr.sum(x) ** 0.0 * x), (VECTOR,)),
    "nothing moves": (cr.grad(lambda x: cr.sum(cr.sign(x))), (VECTOR,)),
    "tensors": (cr.grad(lambda x: (x * x).sum()), (cr.Tensor(VECTOR),)),
}

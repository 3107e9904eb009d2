"""What the machine's kernels on arrays are called with in tests, and the NumPy that says what each computes."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

import chainrule.optim.adam
import chainrule.optim.sgd  # noqa: F401  (two of the kernels are theirs, and load with them)
from chainrule.core import compiled
from chainrule.core.operation import Fused, book, kernels

import_module("chainrule.optim")  # whose steps are kernels too
machine = compiled.machine

ADJOINTS = {
    f"{rule.name}_{x}": adjoint
    for rule in book.values()
    if isinstance(rule, Fused)
    for x, adjoint in zip(rule.inputs, rule.adjoint, strict=True)
}
"""Those of fused rules, by the names of their kernels."""


def definition(name):
    """The NumPy of a machine's kernel: a kernel, a rule, an adjoint, or a slope times a gradient."""
    rule = book.get(name.removesuffix("_back"))
    if name in ADJOINTS:
        return ADJOINTS[name]
    if name in kernels:
        return kernels[name]
    if name in book:
        return book[name].function
    return lambda g, out, x: np.multiply(g, rule.partial(0, out, (x,), {}), out=g)


def found():
    """Every kernel that is asked before NumPy, those for a gradient as ``name_back``."""
    if machine is None:
        return {}
    quick = {name: getattr(machine, name) for name in compiled.DIRECT}
    quick |= {name: compiled.chain(definition(name), roles) for name, roles in compiled.ROLES.items()}
    back = {f"{name}_back": compiled.chain_back(name) for name in compiled.BACKWARD}
    return dict(sorted((quick | back).items()))


quick = found()
needs_machine = pytest.mark.skipif(machine is None, reason="the kernels are not compiled here")


def calls(name, shape, dtype, draw):
    """Arguments for a kernel and its NumPy; arrays that are computed in are told apart by `copies`."""
    x, y = (draw.normal(size=shape).astype(dtype) for _ in range(2))
    work, one, row = np.empty_like(x), np.array(0.3, dtype), y.reshape(-1)[: shape[-1]].copy()
    rows, weights = x.reshape(-1, shape[-1])[:16], draw.normal(size=(7, shape[-1])).astype(dtype)
    places = draw.integers(0, shape[-1], len(x))
    return {
        "add_to_rows": (
            np.zeros_like(x),
            draw.integers(-len(x), len(x), (5, 2)),
            draw.normal(size=(5, 2, *shape[1:])).astype(dtype),
        ),
        "adam_step": (x, y, 0.1 * y, y * y, 0.9, 0.999, 1e-8, 1e-3, work),
        "binary_cross_entropy_x": (one, 5 * x, np.clip(y, 0, 1), 0.5, 2.0),
        "column_sums": (x,),
        "cross_entropy_x": (one, x, places),
        "layer_norm_w": (y, x, row, row, 1e-5),
        "layer_norm_x": (y, x, row, row, 1e-5),
        "squared_error_x": (one, x, y, 2.0),
        "squared_error_y": (one, x, y, 2.0),
        "descent_step": (x, y, 0.1, work),
        "erf": (3 * x,),
        "erf_back": (y, x, 2 * x),
        "erfc": (3 * x,),
        "erfc_back": (y, x, 2 * x),
        "gelu": (3 * x,),
        "gelu_back": (y, x, 3 * x),
        "logistic": (3 * x,),
        "negative_log_likelihood": (x, places),
        "normalized": (x, 1e-5),
        "outer_sum": (rows[:, :7].copy(), rows),
        "softmax_rows": (x,),
        "softmax_rows_backward": (x, np.abs(y)),
        "relu": (x,),
        "relu_back": (y, np.maximum(x, 0), x),
        "silu": (3 * x,),
        "silu_back": (y, x, 3 * x),
        "sigmoid_back": (y, 1 / (1 + np.exp(-x)), x),
        "tanh_back": (y, np.tanh(x), x),
        "plus": (x, row),
        "squared_distance": (x, y),
        "bce_with_logits": (5 * x, np.clip(y, 0, 1), 0.5, 2.0),
        "weighted": (rows, weights, weights[:, 0].copy()),
    }[name]


def copies(arguments):
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]

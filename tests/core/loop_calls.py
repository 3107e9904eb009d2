"""What the loops are called with in tests, and what each is the twin of."""

from __future__ import annotations

import numpy as np

import chainrule.optim.adam
import chainrule.optim.sgd  # noqa: F401  (two of the kernels are theirs, and load with them)
from chainrule.core import compiled
from chainrule.core.operation import Fused, book, kernels

loops = compiled.loops

ADJOINTS = {
    f"{rule.name}_{x}": adjoint
    for rule in book.values()
    if isinstance(rule, Fused)
    for x, adjoint in zip(rule.inputs, rule.adjoint, strict=True)
}
"""Those of fused rules, by the names of their loops."""


def names():
    return [] if loops is None else sorted(name for name, held in vars(loops).items() if type(held).__name__[0] == "c")


def calls(name, shape, dtype, draw):
    """Arguments for both twins; arrays that are computed in are told apart by `copies`."""
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
        "descent_step": (x, y, 0.1, work),
        "erf": (3 * x,),
        "erf_back": (y, x, 2 * x),
        "erfc": (3 * x,),
        "erfc_back": (y, x, 2 * x),
        "gelu": (3 * x,),
        "gelu_back": (y, x, 3 * x),
        "layer_norm_w": (y, x, row, row, 1e-5),
        "layer_norm_x": (y, x, row, row, 1e-5),
        "logistic": (3 * x,),
        "negative_log_likelihood": (x, places),
        "normalized": (x, 1e-5),
        "outer_sum": (rows[:, :7].copy(), rows),
        "soften": (x,),
        "soften_back": (x, np.abs(y)),
        "relu": (x,),
        "relu_back": (y, np.maximum(x, 0), x),
        "silu": (3 * x,),
        "silu_back": (y, x, 3 * x),
        "sigmoid_back": (y, 1 / (1 + np.exp(-x)), x),
        "tanh_back": (y, np.tanh(x), x),
        "plus": (x, row),
        "squared_distance": (x, y),
        "squared_error_x": (one, x, y, 2.0),
        "squared_error_y": (one, x, y, 2.0),
        "surprise_at_answers": (5 * x, np.clip(y, 0, 1), 0.5, 2.0),
        "weighted": (rows, weights, weights[:, 0].copy()),
    }[name]


def copies(arguments):
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]


def definition(name):
    """What a loop is the twin of: a kernel, a rule, an adjoint, or a slope times a gradient, in its place."""
    rule = book.get(name.removesuffix("_back"))
    if name in kernels:
        return kernels[name]
    if name in book:
        return book[name].function
    if name in ADJOINTS:
        return ADJOINTS[name]
    return lambda g, out, x: np.multiply(g, rule.partial(0, out, (x,), {}), out=g)

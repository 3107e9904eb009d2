"""What the loops are called with in tests, and what each is the twin of."""

from __future__ import annotations

import numpy as np

from chainrule.core import compiled
from chainrule.core.operation import book, kernels

loops = compiled.loops


def names():
    return [] if loops is None else sorted(name for name, held in vars(loops).items() if type(held).__name__[0] == "c")


def calls(name, shape, dtype, draw):
    """Arguments for both twins; arrays that are computed in are told apart by `copies`."""
    x, y = (draw.normal(size=shape).astype(dtype) for _ in range(2))
    work = np.empty_like(x)
    rows, weights = x.reshape(-1, shape[-1])[:16], draw.normal(size=(7, shape[-1])).astype(dtype)
    places = draw.integers(0, shape[-1], len(x))
    return {
        "add_to_rows": (
            np.zeros_like(x),
            draw.integers(-len(x), len(x), (5, 2)),
            draw.normal(size=(5, 2, *shape[1:])).astype(dtype),
        ),
        "apart": (x, y, np.array(0.3, dtype), 2.0),
        "adam_step": (x, y, 0.1 * y, y * y, 0.9, 0.999, 1e-8, 1e-3, work),
        "column_sums": (x,),
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
        "normalized_back": (x, y, 1e-5),
        "outer_sum": (rows[:, :7].copy(), rows),
        "soften": (x,),
        "soften_back": (x, np.abs(y)),
        "relu": (x,),
        "relu_back": (y, np.maximum(x, 0), x),
        "silu": (3 * x,),
        "silu_back": (y, x, 3 * x),
        "sigmoid_back": (y, 1 / (1 + np.exp(-x)), x),
        "tanh_back": (y, np.tanh(x), x),
        "plus": (x, y.reshape(-1)[: shape[-1]].copy()),
        "shares_minus_answers": (5 * x, np.clip(y, 0, 1), 0.5, 2.0),
        "softmax_minus_one_hot": (x, places),
        "squared_distance": (x, y),
        "surprise_at_answers": (5 * x, np.clip(y, 0, 1), 0.5, 2.0),
        "weighted": (rows, weights, weights[:, 0].copy()),
    }[name]


def copies(arguments):
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]


def definition(name):
    """What a loop is the twin of: a kernel, a rule, or its local derivative, times a gradient, in its place."""
    rule = book.get(name.removesuffix("_back"))
    if name in kernels:
        return kernels[name]
    if name in book:
        return book[name].function
    return lambda g, out, x: np.multiply(g, rule.partial(0, out, (x,), {}), out=g)

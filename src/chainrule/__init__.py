"""chainrule: automatic differentiation and neural networks in a glass box.

>>> import chainrule as cr
>>> x = cr.Value(2.0, label="x")
>>> y = x**3 - 3 * x**2 + 2 * x + 1
>>> y.backward()
>>> y.data, x.grad
(1.0, 2.0)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from chainrule.core import Value
from chainrule.core.differential import differential
from chainrule.core.operation import book, fused, kernel, linear, pointwise
from chainrule.core.state import detect_anomaly, enable_grad, no_grad
from chainrule.core.tensor import Tensor
from chainrule.custom import custom_vjp
from chainrule.mapping import vmap
from chainrule.rules.activations import celu, glu, hardsigmoid, hardswish, hardtanh, log_sigmoid, mish, relu6, selu
from chainrule.rules.algebra import dot, matmul, slogdet, solve
from chainrule.rules.composed import (
    concatenate,
    diag,
    eye,
    gelu,
    log_softmax,
    logsumexp,
    max,
    min,
    norm,
    pad,
    prod,
    softmax,
    stack,
    std,
    sum,
    trace,
    var,
)
from chainrule.rules.convolution import max_pool2d
from chainrule.rules.einsum import einsum
from chainrule.rules.fused import affine, binary_cross_entropy, cross_entropy, squared_error
from chainrule.rules.linear import (
    astype,
    broadcast_to,
    cumsum,
    expand_dims,
    flip,
    identity,
    index,
    mean,
    outer,
    reshape,
    roll,
    scatter,
    squeeze,
    transpose,
    tril,
    triu,
)
from chainrule.rules.matrix import cholesky, det, inv, logabsdet
from chainrule.rules.pointwise import (
    abs,
    acos,
    add,
    asin,
    atan,
    atan2,
    clip,
    cos,
    cosh,
    div,
    elu,
    equal,
    erf,
    erfc,
    exp,
    expm1,
    greater,
    greater_equal,
    leaky_relu,
    less,
    less_equal,
    log,
    log1p,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    pow,
    reciprocal,
    relu,
    sigmoid,
    sign,
    silu,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    sub,
    tan,
    tanh,
    where,
)
from chainrule.rules.windows import avg_pool1d, avg_pool2d, conv1d, conv2d, max_pool1d
from chainrule.transforms import (
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    stop_gradient,
    value_and_grad,
    vjp,
)

if TYPE_CHECKING:
    from chainrule import data, micrograd, nn, optim, training
    from chainrule import sklearn as sklearn  # not in __all__: it needs scikit-learn
    from chainrule.derivation.explain import explain
    from chainrule.derivation.symbolic.derivative import derivative
    from chainrule.derivation.wrong.what_if import what_if

__version__ = "0.1.0"

LATER = {
    "data": "",
    "derivative": "derivation.symbolic.derivative",
    "explain": "derivation.explain",
    "micrograd": "",
    "nn": "",
    "optim": "",
    "sklearn": "",
    "training": "",
    "what_if": "derivation.wrong.what_if",
}
"""Parts that load when they are first used: packages, and functions with the module that holds them."""


def __getattr__(name: str) -> Any:
    if name not in LATER:
        raise AttributeError(f"chainrule has no {name!r}")
    module = importlib.import_module(f"chainrule.{LATER[name] or name}")
    return getattr(module, name) if LATER[name] else module


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER})


__all__ = [
    "Tensor",
    "Value",
    "abs",
    "acos",
    "add",
    "affine",
    "asin",
    "astype",
    "atan",
    "atan2",
    "avg_pool1d",
    "avg_pool2d",
    "binary_cross_entropy",
    "book",
    "broadcast_to",
    "celu",
    "cholesky",
    "clip",
    "concatenate",
    "conv1d",
    "conv2d",
    "cos",
    "cosh",
    "cross_entropy",
    "cumsum",
    "custom_vjp",
    "data",
    "derivative",
    "det",
    "detect_anomaly",
    "diag",
    "differential",
    "div",
    "dot",
    "einsum",
    "elu",
    "enable_grad",
    "equal",
    "erf",
    "erfc",
    "exp",
    "expand_dims",
    "explain",
    "expm1",
    "eye",
    "flip",
    "fused",
    "gelu",
    "glu",
    "grad",
    "greater",
    "greater_equal",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hessian",
    "hvp",
    "identity",
    "index",
    "inv",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "kernel",
    "leaky_relu",
    "less",
    "less_equal",
    "linear",
    "linearize",
    "log",
    "log1p",
    "log_sigmoid",
    "log_softmax",
    "logabsdet",
    "logsumexp",
    "matmul",
    "max",
    "max_pool1d",
    "max_pool2d",
    "maximum",
    "mean",
    "micrograd",
    "min",
    "minimum",
    "mish",
    "mul",
    "neg",
    "nn",
    "no_grad",
    "norm",
    "not_equal",
    "optim",
    "outer",
    "pad",
    "pointwise",
    "pow",
    "prod",
    "reciprocal",
    "relu",
    "relu6",
    "reshape",
    "roll",
    "scatter",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "slogdet",
    "softmax",
    "softplus",
    "solve",
    "sqrt",
    "square",
    "squared_error",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "sub",
    "sum",
    "tan",
    "tanh",
    "trace",
    "training",
    "transpose",
    "tril",
    "triu",
    "value_and_grad",
    "var",
    "vjp",
    "vmap",
    "what_if",
    "where",
]

"""A recorded graph run again by PyTorch, operation by operation, so that each of its numbers has a second opinion."""

# PyTorch is optional, and nothing of its types is known where it is not installed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core import graph
from chainrule.core.operation import is_node
from chainrule.errors import GraphError
from chainrule.torch.library import pytorch

SAME_NAME = (
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "cos", "cosh", "det", "div",
    "erf",
    "erfc", "exp", "exp2", "expm1", "floor", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "matmul",
    "maximum", "minimum", "mul", "neg", "outer", "pow", "reciprocal", "relu", "remainder", "sigmoid", "sign", "sin",
    "sinc", "sinh", "sqrt", "square", "sub", "tan", "tanh", "trunc", "where",
)  # fmt: skip
"""Operations of one name and meaning here and there."""


def calls(torch: Any) -> dict[str, Callable[..., Any]]:
    """PyTorch's words for the operations of the book."""
    functional = torch.nn.functional

    def all_axes(x: Any, axis: Any) -> Any:
        return tuple(range(x.ndim)) if axis is None else axis

    return {
        **{name: getattr(torch, name) for name in SAME_NAME},
        "affine": functional.linear,
        "astype": lambda x, dtype: x,
        "broadcast_to": lambda x, shape: x.expand(shape),
        "clip": lambda x, a_min, a_max: torch.clamp(x, min=a_min, max=a_max),
        "concatenate": lambda *arrays, axis: torch.cat(arrays, axis),
        "conv2d": functional.conv2d,
        "conv2d_plus": functional.conv2d,
        "cross_entropy": lambda x, target: functional.cross_entropy(x, torch.as_tensor(np.asarray(target))),
        "einsum": lambda *operands, subscripts: torch.einsum(subscripts, *operands),
        "elu": functional.elu,
        "equal": torch.eq,
        "expand_dims": lambda x, axis: x.unsqueeze(axis),
        "gelu": functional.gelu,
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "greater": torch.gt,
        "greater_equal": torch.ge,
        "identity": torch.clone,
        "index": lambda x, key: x[key],
        "inv": torch.linalg.inv,
        "largest": lambda x, axis, keepdims: torch.amax(x, all_axes(x, axis), keepdims),
        "layer_norm": lambda x, w, b, eps: functional.layer_norm(x, w.shape, w, b, eps),
        "leaky_relu": lambda x, slope: functional.leaky_relu(x, negative_slope=slope),
        "less": torch.lt,
        "less_equal": torch.le,
        "log_sigmoid": functional.logsigmoid,
        "log_softmax": lambda x, axis: functional.log_softmax(x, dim=axis),
        "logsumexp": lambda x, axis, keepdims: torch.logsumexp(x, all_axes(x, axis), keepdims),
        "max_pool2d": functional.max_pool2d,
        "mean": lambda x, axis, keepdims: torch.mean(x, all_axes(x, axis), keepdims),
        "mish": functional.mish,
        "not_equal": torch.ne,
        "reshape": lambda x, shape: x.reshape(shape),
        "silu": functional.silu,
        "smallest": lambda x, axis, keepdims: torch.amin(x, all_axes(x, axis), keepdims),
        "softmax": lambda x, axis: torch.softmax(x, dim=axis),
        "softplus": lambda x: functional.softplus(x, threshold=100),
        "solve": torch.linalg.solve,
        "squared_error": lambda x, y, scale: scale * functional.mse_loss(x, y, reduction="sum"),
        "squeeze": lambda x, axis: x.squeeze() if axis is None else x.squeeze(axis),
        "stack": lambda *arrays, axis: torch.stack(arrays, axis),
        "sum": lambda x, axis, keepdims: torch.sum(x, all_axes(x, axis), keepdims),
        "sum_of": lambda *terms: sum(terms),
        "sum_to": lambda x, shape: x.sum_to_size(shape),
        "swap": lambda x: x.mT,
        "transpose": lambda x, axes: x.permute(tuple(range(x.ndim))[::-1] if axes is None else axes),
        "tril": lambda x, k: x.tril(k),
        "triu": lambda x, k: x.triu(k),
    }


def replayed(outputs: Sequence[Any]) -> dict[Any, Any]:
    """PyTorch's tensor for every node that the outputs depend on, in float64, with gradients kept everywhere.

    An operation that PyTorch has no word for raises `GraphError`. O(nodes).
    """
    torch = pytorch()
    known = calls(torch)
    found: dict[Any, Any] = {}
    for node in reversed(graph.backward_order(outputs)):
        if node.op is None:
            found[node] = torch.tensor(
                np.asarray(node.data), dtype=torch.float64, requires_grad=bool(node.requires_grad)
            )
            continue
        if node.op.name not in known:
            raise GraphError(
                f"PyTorch's word for {node.op.name} is not known here, so its number has no second opinion"
            )
        inputs = [found[x] if is_node(x) and x in found else constant(torch, x) for x in node.inputs]
        found[node] = known[node.op.name](*inputs, **node.settings)
        if found[node].requires_grad:
            found[node].retain_grad()
    return found


def constant(torch: Any, x: Any) -> Any:
    """A number, array or node without gradient, as a tensor."""
    array = np.asarray(x.data if is_node(x) else x)
    return torch.tensor(array, dtype=torch.float64 if array.dtype.kind == "f" else None)

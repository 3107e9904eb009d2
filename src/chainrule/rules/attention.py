"""Self-attention as one node: its weights are made anew on the way back, and never stay in memory.

The weights of a batch are (batch, heads, time, time), by far the largest arrays of a language model, and a forward
made of single operations keeps six of them (Rabe and Staats, Self-attention does not need O(n²) memory, 2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import fused, kernel
from chainrule.rules.algebra import matmul
from chainrule.rules.composed import softmax
from chainrule.rules.derivatives import attention as derivatives
from chainrule.rules.image_kernels import few_at_a_time
from chainrule.rules.kernels import softmax_rows
from chainrule.rules.linear import index, reshape, swap, transpose


@kernel
def not_before(dtype, time):
    """Minus infinity where a place would see what comes after it, 0 elsewhere."""
    return np.triu(np.full((time, time), -np.inf, dtype), 1)


@kernel
def all_seen(dtype, time):
    """Zeros: each place sees every other."""
    return np.zeros((time, time), dtype)


def attended(x: Any, mask: Any, heads: int, scale: float, weigh: Any = softmax) -> Any:
    """Self-attention in single operations; `weigh` turns what fits into weights."""
    batch, time, width = x.shape[0], x.shape[1], x.shape[2] // 3
    apart = transpose(reshape(x, shape=(batch, time, 3, heads, width // heads)), axes=(2, 0, 3, 1, 4))
    questions, keys, values = index(apart, key=0), index(apart, key=1), index(apart, key=2)
    gathered = matmul(weigh(matmul(questions * scale, swap(keys)) + mask), values)
    return reshape(transpose(gathered, axes=(0, 2, 1, 3)), shape=(batch, time, width))


@kernel
def heads_apart(x, parts, heads):
    """A view of (batch, time, parts · width) as parts of shape (batch, heads, time, width / heads)."""
    batch, time, width = x.shape
    return x.reshape(batch, time, parts, heads, width // (parts * heads)).transpose(2, 0, 3, 1, 4)


@kernel
def few_sequences(x, heads):
    """Slices of the sequences of which four arrays like the weights fill the workspace."""
    return few_at_a_time(len(x), 4 * heads * x.shape[1] ** 2 * x.itemsize)


@kernel
def attend(x, mask, heads, scale):
    """What every place gathers, of shape (batch, time, width)."""
    out = np.empty((*x.shape[:2], x.shape[2] // 3), x.dtype)
    for some in few_sequences(x, heads):
        questions, keys, values = heads_apart(x[some], 3, heads)
        fit = np.matmul(questions * scale, keys.swapaxes(-1, -2))
        fit += mask
        heads_apart(out[some], 1, heads)[0] = np.matmul(softmax_rows(fit), values)
    return out


self_attention_x = kernel(derivatives.self_attention_x)
self_attention_mask = kernel(derivatives.self_attention_mask)


@kernel
def attend_back(g, x, mask, heads, scale):
    """The gradient of questions, keys and values, few sequences at a time."""
    out = np.empty(x.shape, np.result_type(g, x))
    for some in few_sequences(x, heads):
        out[some] = self_attention_x(g[some], x[some], mask, heads, scale)
    return out


@kernel
def mask_back(g, x, mask, heads, scale):
    """The gradient of the mask, added up over the sequences."""
    out = np.zeros(mask.shape, np.result_type(g, x))
    for some in few_sequences(x, heads):
        out += self_attention_mask(g[some], x[some], mask, heads, scale)
    return out


@fused(
    r"\operatorname{attention}_{heads}\left({x}, {mask}, {scale}\right)",
    of=attended,
    adjoint=(attend_back, mask_back),
    reason="a block of GPT takes a third of the memory and less time: of the weights nothing is kept",
    shapes=((5, 3, 24), (3, 3)),
    examples=({"heads": 2, "scale": 0.5}, {"heads": 4, "scale": 0.25}),
)
def self_attention(x, mask, *, heads, scale):
    """Each place gathers the values of places whose keys fit its question; x holds questions, keys, values in a row."""
    return attend(x, mask, heads, scale)

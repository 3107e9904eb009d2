"""Self-attention as one node: its weights are made anew on the way back, and never stay in memory.

The weights of a batch are (batch, heads, time, time), by far the largest arrays of a language model, and a forward
made of single operations keeps six of them (Rabe and Staats, Self-attention does not need O(n²) memory, 2021).

Its adjoint is written by hand, and alone in that. What the writer of derivatives (codegen/derivatives.py) makes of the
composition is right, and takes 1.3 to 1.5 times as long, on 16 sequences of 64 places in float32: it joins the shares
of questions, keys and values where this one writes each to its place, and goes over the weights more often.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import fused, kernel
from chainrule.rules.algebra import matmul
from chainrule.rules.composed import softmax
from chainrule.rules.image_kernels import few_at_a_time
from chainrule.rules.kernels import soften, soften_back
from chainrule.rules.linear import index, reshape, swap, transpose


@kernel
def not_before(dtype, time):
    """Minus infinity where a place would see what comes after it, 0 elsewhere."""
    return np.triu(np.full((time, time), -np.inf, dtype), 1)


def attended(x: Any, heads: int, is_causal: bool, weigh: Any = softmax) -> Any:
    """Self-attention in single operations; `weigh` turns what fits into weights."""
    batch, time, width = x.shape[0], x.shape[1], x.shape[2] // 3
    apart = transpose(reshape(x, shape=(batch, time, 3, heads, width // heads)), axes=(2, 0, 3, 1, 4))
    questions, keys, values = index(apart, key=0), index(apart, key=1), index(apart, key=2)
    fit = matmul(questions, swap(keys)) / float(np.sqrt(width // heads))
    if is_causal:
        fit = fit + not_before(fit.dtype, time)
    gathered = matmul(weigh(fit), values)
    return reshape(transpose(gathered, axes=(0, 2, 1, 3)), shape=(batch, time, width))


@kernel
def heads_apart(x, parts, heads):
    """A view of (batch, time, parts · width) as parts of shape (batch, heads, time, width / heads)."""
    batch, time, width = x.shape
    return x.reshape(batch, time, parts, heads, width // (parts * heads)).transpose(2, 0, 3, 1, 4)


@kernel
def weights_of(questions, keys, is_causal):
    """How much each place takes from each other: the softmax of what fits, divided by the root of the size."""
    fit = np.matmul(questions, keys.swapaxes(-1, -2))
    fit *= questions.shape[-1] ** -0.5
    if is_causal:
        fit += not_before(fit.dtype, fit.shape[-1])
    return soften(fit)


@kernel
def few_sequences(x, heads):
    """Slices of the sequences whose weights fill the workspace."""
    return few_at_a_time(len(x), heads * x.shape[1] ** 2 * x.itemsize)


@kernel
def attend(x, heads, is_causal):
    """What every place gathers, of shape (batch, time, width)."""
    out = np.empty((*x.shape[:2], x.shape[2] // 3), x.dtype)
    for some in few_sequences(x, heads):
        questions, keys, values = heads_apart(x[some], 3, heads)
        heads_apart(out[some], 1, heads)[0] = np.matmul(weights_of(questions, keys, is_causal), values)
    return out


@kernel
def attend_back(g, x, heads, is_causal):
    """The gradient of questions, keys and values, from that of what was gathered."""
    out = np.empty(x.shape, np.result_type(g, x))
    for some in few_sequences(x, heads):
        questions, keys, values = heads_apart(x[some], 3, heads)
        to_questions, to_keys, to_values = heads_apart(out[some], 3, heads)
        weights, arrived = weights_of(questions, keys, is_causal), heads_apart(g[some], 1, heads)[0]
        to_values[...] = np.matmul(weights.swapaxes(-1, -2), arrived)
        fit = soften_back(np.matmul(arrived, values.swapaxes(-1, -2)), weights)
        fit *= questions.shape[-1] ** -0.5
        to_questions[...] = np.matmul(fit, keys)
        to_keys[...] = np.matmul(fit.swapaxes(-1, -2), questions)
    return out


@fused(
    r"\operatorname{attention}_{heads}\left({x}\right)",
    of=attended,
    adjoint=(attend_back,),
    reason="a block of GPT takes a third of the memory and less time: of the weights nothing is kept",
    shapes=((2, 3, 12),),
    examples=({"heads": 2, "is_causal": True}, {"heads": 1, "is_causal": False}),
)
def self_attention(x, *, heads, is_causal):
    """Each place gathers the values of places whose keys fit its question; x holds questions, keys, values in a row."""
    return attend(x, heads, is_causal)

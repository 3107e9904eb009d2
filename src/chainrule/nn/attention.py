"""Layers of language models: a table of vectors, attention over what came before, and the block that GPT repeats."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.mapped import core, on_core
from chainrule.core.operation import as_array, takes_over
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn import init
from chainrule.nn.activations import GELU
from chainrule.nn.layers import Dropout, Linear
from chainrule.nn.module import Layer, Module, Parameter, as_input, check_dtype, check_share, check_size, named
from chainrule.nn.normalization import LayerNorm
from chainrule.rules.algebra import matmul
from chainrule.rules.attention import all_seen, attended, not_before, self_attention
from chainrule.rules.composed import softmax
from chainrule.rules.fused import affine
from chainrule.rules.linear import astype, expand_dims, index, reshape, transpose
from chainrule.rules.logic import logical_or
from chainrule.rules.pointwise import equal, not_equal, where

Seed = np.random.Generator | int | None


class Embedding(Layer):
    """A table with one vector for each of `num_embeddings` symbols: whole numbers in, their vectors out.

    `x` holds whole numbers from 0 in any shape (…), and the result has shape (…, embedding_dim); `weight` is
    (num_embeddings, embedding_dim) and starts normal, as PyTorch's. A vector's gradient is the sum over its uses. Other
    numbers raise `ShapeError` or `DtypeError`, and the message names the first. The symbol `padding_idx`, counted from
    the end if negative, fills sequences up: its vector starts as zeros and never gets a gradient.

    >>> import chainrule as cr
    >>> cr.nn.Embedding(5, 3, rng=0)([[0, 4], [1, 1]]).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: Any = np.float32,
        rng: Seed = None,
    ) -> None:
        check_size("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        check_dtype("Embedding", dtype)
        self.num_embeddings = int(num_embeddings)
        self.embedding_dim = int(embedding_dim)
        draw = np.random.default_rng(rng)
        vectors = draw.standard_normal((num_embeddings, embedding_dim))
        if padding_idx is not None:
            check_size("Embedding", least=-num_embeddings, padding_idx=padding_idx)
            if padding_idx >= num_embeddings:
                raise ShapeError(f"Embedding: padding_idx={padding_idx} is not among {num_embeddings} symbols")
            padding_idx %= num_embeddings
            vectors[padding_idx] = 0
        self.padding_idx = padding_idx
        self.weight = Parameter(vectors, dtype=dtype)

    def forward(self, x: Any) -> Any:
        """The vectors of the symbols."""
        symbols = x.data if isinstance(x, Tensor) or takes_over(x) else as_array(x, "Embedding")
        numbers = core(symbols)  # inside vmap those of all examples
        if takes_over(numbers):
            # A program of which every call brings others: what is no symbol is sent behind the last.
            whole = symbols if numbers.dtype.kind in "iu" else astype(symbols, dtype=np.dtype(np.int64))
            outside = whole < 0 if whole is symbols else logical_or(whole < 0, not_equal(whole, symbols))
            symbols = where(outside, self.num_embeddings, whole)
        elif numbers.dtype.kind not in "iu":
            whole = numbers.astype(np.int64)
            if not np.array_equal(whole, numbers):
                raise DtypeError(f"{self!r} takes whole numbers, and got {numbers.dtype} with {_first(numbers, whole)}")
            symbols, numbers = on_core(symbols, lambda _: whole), whole
        if not takes_over(numbers):
            outside = (numbers < 0) | (numbers >= self.num_embeddings)
            if outside.any():
                known = f"symbols 0 to {self.num_embeddings - 1}"
                raise ShapeError(f"{self!r} knows {known}, and got {numbers[outside][0]}")
        vectors = index(self.weight, key=symbols)
        if self.padding_idx is None:
            return vectors
        padding = expand_dims(equal(symbols, self.padding_idx), axis=-1)
        return where(padding, self.weight.data[self.padding_idx], vectors)


class MultiheadAttention(Layer):
    """Self-attention: each place of a sequence gathers from the places before it (and itself) what fits its question.

    `x` and the result have shape (batch, time, embed_dim). Questions, keys and values are linear in x; `num_heads`
    heads of embed_dim / num_heads numbers each take the mean of values with weights softmax(question · key / √size),
    and ``out_proj`` joins the heads. With ``is_causal=False`` a place sees the whole sequence. `dropout` is for the
    weights, while training. Names and starting values of the parameters are PyTorch's; unlike there the batch comes
    first and one sequence is all three inputs. Shapes that do not fit raise `ShapeError`. A call costs
    batch × time × (4 embed_dim² + 2 time × embed_dim) multiplications. (Vaswani and others, Attention is all you need,
    2017.)

    >>> import chainrule as cr, numpy as np
    >>> cr.nn.MultiheadAttention(8, 2, rng=0)(np.zeros((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        is_causal: bool = True,
        dtype: Any = np.float32,
        rng: Seed = None,
    ) -> None:
        check_size("MultiheadAttention", embed_dim=embed_dim, num_heads=num_heads)
        check_dtype("MultiheadAttention", dtype)
        if embed_dim % num_heads:
            raise ShapeError(f"MultiheadAttention: {num_heads} heads cannot share {embed_dim} numbers evenly")
        draw = np.random.default_rng(rng)
        self.embed_dim = int(embed_dim)
        self.num_heads = int(num_heads)
        self.is_causal = is_causal
        self.in_proj_weight = Parameter(np.zeros((3 * embed_dim, embed_dim)), dtype=dtype)
        init.xavier_uniform_(self.in_proj_weight, rng=draw)
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim), dtype=dtype) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype, rng=draw)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)
        self.dropout = Dropout(check_share("MultiheadAttention", dropout), rng=draw)

    def forward(self, x: Any) -> Any:
        """What every place has gathered."""
        x = as_input(x, "MultiheadAttention")
        _check_sequences(self, x, self.embed_dim)
        together = self._projected(x)
        mask = (not_before if self.is_causal else all_seen)(together.dtype, x.shape[1])
        scale = (self.embed_dim // self.num_heads) ** -0.5
        if self.training and self.dropout.p:
            gathered = attended(together, mask, self.num_heads, scale, self._weights)
        else:
            gathered = self_attention(together, mask, heads=self.num_heads, scale=scale)
        return self.out_proj(gathered)

    def _weights(self, fit: Any) -> Any:
        return self.dropout(softmax(fit))

    def _projected(self, x: Any) -> Any:
        """Questions, keys and values side by side, of shape (batch, time, 3 embed_dim)."""
        batch, time, width = x.shape
        rows = reshape(x, shape=(batch * time, width))
        if self.in_proj_bias is None:
            together = matmul(rows, transpose(self.in_proj_weight))
        else:
            together = affine(rows, self.in_proj_weight, self.in_proj_bias)
        return reshape(together, shape=(batch, time, 3 * width))

    def multiply_adds(self, taken: tuple[int, ...], given: tuple[int, ...]) -> int:
        """Those of the first projection, of the weights and of the means; the last projection counts its own."""
        batch, time, width = taken
        return batch * time * (3 * width * width + 2 * time * width)

    def settings_shown(self) -> dict[str, Any]:
        return {"bias": self.in_proj_bias, "dropout": self.dropout.p}


class TransformerBlock(Module):
    """A block of GPT: x plus attention over its normalised self, then that plus a small network at every place.

    `x` and the result have shape (batch, time, d_model). The network is ``linear1``, GELU, ``linear2``, with
    `dim_feedforward` numbers between (4 · d_model unless given). Normalising comes first (Xiong and others, On layer
    normalization in the transformer architecture, 2020), so x itself passes straight through. Parameters are named as
    in PyTorch's TransformerEncoderLayer, whose saved state fits. `dropout` is used three times, while training.

    >>> import chainrule as cr, numpy as np
    >>> cr.nn.TransformerBlock(8, 2, rng=0)(np.zeros((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int | None = None,
        dropout: float = 0.0,
        *,
        is_causal: bool = True,
        dtype: Any = np.float32,
        rng: Seed = None,
    ) -> None:
        draw = np.random.default_rng(rng)
        between = 4 * d_model if dim_feedforward is None else dim_feedforward
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, is_causal=is_causal, dtype=dtype, rng=draw)
        self.linear1 = Linear(d_model, between, dtype=dtype, rng=draw)
        self.linear2 = Linear(between, d_model, dtype=dtype, rng=draw)
        self.norm1 = LayerNorm(d_model, dtype=dtype)
        self.norm2 = LayerNorm(d_model, dtype=dtype)
        self.activation = GELU()
        self.dropout = Dropout(dropout, rng=draw)

    def forward(self, x: Any) -> Any:
        """The sequence with what its places gathered and made of it."""
        x = as_input(x, "TransformerBlock")
        _check_sequences(self, x, self.self_attn.embed_dim)
        x = x + self.dropout(self.self_attn(self.norm1(x)))
        between = self.dropout(self.activation(self.linear1(self.norm2(x))))
        return x + self.dropout(self.linear2(between))

    def __repr__(self) -> str:
        attention = self.self_attn
        return f"TransformerBlock({attention.embed_dim}, {attention.num_heads}, {self.linear1.out_features})"


def _check_sequences(layer: Module, x: Any, width: int) -> None:
    if x.ndim != 3 or x.shape[-1] != width:
        single = ": add an axis to a single sequence with x[None]" if x.ndim == 2 else ""
        raise ShapeError(f"{layer!r} takes sequences of shape (batch, time, {width}), and got {named(x)}{single}")


def _first(symbols: Any, whole: Any) -> Any:
    return symbols[symbols != whole].flat[0]

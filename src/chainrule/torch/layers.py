"""Layers of PyTorch as layers of chainrule, with the same numbers in them; what has no layer here is written out."""

# PyTorch is optional, and nothing of its types is known where it is not installed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnknownParameterType=false

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.errors import GraphError


def numbers(tensor: Any) -> np.ndarray[Any, Any]:
    """A tensor's numbers, in memory of their own."""
    return np.array(tensor.detach().cpu().numpy())


def loaded(made: nn.Module, part: Any) -> nn.Module:
    """A layer with the numbers of PyTorch's, in their dtype."""
    theirs = {**dict(part.named_parameters()), **dict(part.named_buffers())}
    for name, owned in {**dict(made.named_parameters()), **dict(made.named_buffers())}.items():
        if name in theirs:
            owned.data = numbers(theirs[name])
            owned.requires_grad = bool(theirs[name].requires_grad) and owned.requires_grad
    return made


def layer_of(torch: Any, part: Any) -> nn.Module | None:
    """chainrule's layer for one of PyTorch's; None for a container, or where there is none."""
    make = makers(torch).get(type(part))
    return None if make is None else loaded(make(part), part).train(part.training)


@cache
def makers(torch: Any) -> dict[type, Callable[[Any], nn.Module]]:
    """How each kind of PyTorch's layers is made here."""
    kinds = torch.nn
    return {
        kinds.Linear: lambda p: nn.Linear(p.in_features, p.out_features, p.bias is not None),
        kinds.Conv2d: lambda p: nn.Conv2d(
            p.in_channels, p.out_channels, p.kernel_size, p.stride, p.padding, p.dilation, p.groups, p.bias is not None
        ),
        kinds.Conv1d: lambda p: nn.Conv1d(
            p.in_channels, p.out_channels, p.kernel_size[0], p.stride[0], one_of(p.padding), p.dilation[0], p.groups,
            p.bias is not None,
        ),
        kinds.BatchNorm1d: lambda p: nn.BatchNorm1d(p.num_features, p.eps, p.momentum, p.affine, p.track_running_stats),
        kinds.BatchNorm2d: lambda p: nn.BatchNorm2d(p.num_features, p.eps, p.momentum, p.affine, p.track_running_stats),
        kinds.LayerNorm: lambda p: nn.LayerNorm(
            p.normalized_shape, p.eps, p.elementwise_affine, getattr(p, "bias", None) is not None
        ),
        kinds.GroupNorm: lambda p: nn.GroupNorm(p.num_groups, p.num_channels, p.eps, p.affine),
        kinds.RMSNorm: RMSNorm,
        kinds.Embedding: lambda p: nn.Embedding(p.num_embeddings, p.embedding_dim, p.padding_idx),
        kinds.MaxPool2d: lambda p: nn.MaxPool2d(p.kernel_size, p.stride, p.padding, p.dilation),
        kinds.AvgPool2d: lambda p: nn.AvgPool2d(p.kernel_size, p.stride, p.padding),
        kinds.AdaptiveAvgPool2d: lambda p: nn.AdaptiveAvgPool2d(p.output_size),
        kinds.Flatten: lambda p: nn.Flatten(p.start_dim, p.end_dim),
        kinds.Dropout: lambda p: nn.Dropout(p.p),
        kinds.Identity: lambda p: nn.Identity(),
        kinds.GELU: lambda p: Applied(cr.gelu, approximate=p.approximate),
        kinds.LeakyReLU: lambda p: nn.LeakyReLU(p.negative_slope),
        kinds.ELU: lambda p: nn.ELU(p.alpha),
        kinds.CELU: lambda p: Applied(celu, alpha=p.alpha),
        kinds.PReLU: PReLU,
        kinds.Hardtanh: lambda p: Applied(between, low=p.min_val, high=p.max_val),
        kinds.Softsign: lambda p: Applied(softsign),
        kinds.Tanhshrink: lambda p: Applied(tanhshrink),
        kinds.GLU: lambda p: Applied(gated, axis=p.dim),
        kinds.Softmax: lambda p: nn.Softmax(-1 if p.dim is None else p.dim),
        kinds.LogSoftmax: lambda p: Applied(cr.log_softmax, axis=-1 if p.dim is None else p.dim),
        kinds.MultiheadAttention: Attention,
        kinds.TransformerEncoderLayer: lambda p: EncoderLayer(torch, p),
        **{getattr(kinds, name): lambda p, name=name: getattr(nn, name)() for name in PLAIN},
    }  # fmt: skip


PLAIN = ("ReLU", "Tanh", "Sigmoid", "SiLU", "Softplus", "LogSigmoid", "Mish", "ReLU6", "SELU", "Hardsigmoid",
         "Hardswish")  # fmt: skip
"""Layers without settings, of one name here and there."""


def one_of(x: Any) -> Any:
    """The one number of a tuple; words as they are."""
    return x[0] if isinstance(x, tuple) else x


class Applied(nn.Module):
    """A layer without numbers of its own: a function with its settings."""

    def __init__(self, function: Callable[..., Any], **settings: Any) -> None:
        self.function = function
        self.settings = settings

    def forward(self, x: Any) -> Any:
        return self.function(x, **self.settings)


class PReLU(nn.Module):
    """PyTorch's PReLU: below 0 a slope that is learned, one for all or one for each channel."""

    def __init__(self, part: Any) -> None:
        self.weight = nn.Parameter(numbers(part.weight))

    def forward(self, x: Any) -> Any:
        slope = self.weight if x.ndim < 2 else cr.reshape(self.weight, (-1, *[1] * (x.ndim - 2)))
        return cr.where(x > 0, x, slope * x)


class RMSNorm(nn.Module):
    """PyTorch's RMSNorm: over the root of the mean square (Zhang and Sennrich, 2019)."""

    def __init__(self, part: Any) -> None:
        self.axes = tuple(range(-len(part.normalized_shape), 0))
        self.eps = part.eps
        if part.weight is not None:
            self.weight = nn.Parameter(numbers(part.weight))

    def forward(self, x: Any) -> Any:
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        y = x / cr.sqrt(cr.mean(cr.square(x), axis=self.axes, keepdims=True) + eps)
        return y * self.weight if hasattr(self, "weight") else y


def celu(x: Any, alpha: float = 1.0) -> Any:
    """PyTorch's CELU."""
    return cr.elu(x / alpha) * alpha


def between(x: Any, low: float, high: float) -> Any:
    """PyTorch's Hardtanh."""
    return cr.clip(x, low, high)


def softsign(x: Any) -> Any:
    return x / (1 + cr.abs(x))


def tanhshrink(x: Any) -> Any:
    return x - cr.tanh(x)


def gated(x: Any, axis: int = -1) -> Any:
    """PyTorch's GLU: one half, through the gate that the other opens."""
    half, gate = cr.chunk(x, 2, axis=axis)
    return half * cr.sigmoid(gate)


class Attention(nn.Module):
    """PyTorch's MultiheadAttention, written out: three projections in one matrix, heads side by side."""

    def __init__(self, part: Any) -> None:
        if part.in_proj_weight is None or part.bias_k is not None or part.add_zero_attn:
            raise GraphError("MultiheadAttention with kdim, vdim, add_bias_kv or add_zero_attn has no counterpart")
        self.heads = part.num_heads
        self.batch_first = part.batch_first
        self.in_proj_weight = nn.Parameter(numbers(part.in_proj_weight))
        if part.in_proj_bias is not None:
            self.in_proj_bias = nn.Parameter(numbers(part.in_proj_bias))
        self.out_proj = loaded(nn.Linear(part.embed_dim, part.embed_dim, part.out_proj.bias is not None), part.out_proj)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """What PyTorch gives: the result and, where asked for, the weights averaged over the heads."""
        if key_padding_mask is not None:
            raise GraphError("key_padding_mask has no counterpart: give the mask as attn_mask")
        width = self.in_proj_weight.shape[1]
        parts = [self.split(x, i, width) for i, x in enumerate((query, key, value))]
        q, k, v = parts
        scores = q @ cr.swapaxes(k, -1, -2) / float(np.sqrt(width // self.heads))
        if attn_mask is not None:
            scores = masked(scores, attn_mask, takes_part=False)
        weights = cr.softmax(scores, axis=-1)
        mixed = cr.moveaxis(weights @ v, 1, 2)
        out = self.out_proj(cr.reshape(mixed, (*mixed.shape[:2], width)))
        if not self.batch_first:
            out = cr.swapaxes(out, 0, 1)
        shown = (cr.mean(weights, axis=1) if average_attn_weights else weights) if need_weights else None
        return out, shown

    def split(self, x: Any, i: int, width: int) -> Any:
        """The i-th projection, shape (batch, heads, length, width of a head)."""
        x = x if self.batch_first else cr.swapaxes(x, 0, 1)
        weight = self.in_proj_weight[i * width : (i + 1) * width]
        y = x @ weight.T
        if hasattr(self, "in_proj_bias"):
            y = y + self.in_proj_bias[i * width : (i + 1) * width]
        return cr.moveaxis(cr.reshape(y, (*y.shape[:2], self.heads, width // self.heads)), 2, 1)


class EncoderLayer(nn.Module):
    """PyTorch's TransformerEncoderLayer, written out: attention and two layers, each added to what came in."""

    def __init__(self, torch: Any, part: Any) -> None:
        self.norm_first = part.norm_first
        self.self_attn = layer_of(torch, part.self_attn)
        for name in ("linear1", "linear2", "norm1", "norm2", "dropout", "dropout1", "dropout2"):
            setattr(self, name, layer_of(torch, getattr(part, name)))
        known = {torch.nn.functional.relu: cr.relu, torch.nn.functional.gelu: cr.gelu}
        if part.activation not in known and layer_of(torch, part.activation) is None:
            raise GraphError("the activation of this TransformerEncoderLayer has no counterpart")
        self.activation = known.get(part.activation) or layer_of(torch, part.activation)

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """The same for a sequence of vectors."""
        parts: Any = self
        x = src

        def attended(y: Any) -> Any:
            mixed, _ = parts.self_attn(y, y, y, src_key_padding_mask, False, src_mask)
            return parts.dropout1(mixed)

        def fed(y: Any) -> Any:
            return parts.dropout2(parts.linear2(parts.dropout(parts.activation(parts.linear1(y)))))

        if self.norm_first:
            x = x + attended(parts.norm1(x))
            return x + fed(parts.norm2(x))
        x = parts.norm1(x + attended(x))
        return parts.norm2(x + fed(x))


def masked(scores: Any, mask: Any, *, takes_part: bool) -> Any:
    """Scores under a mask. Numbers are added; what True means of a place, two functions of PyTorch say differently."""
    held = mask.data if isinstance(mask, cr.Tensor) else np.asarray(mask)
    if held.dtype != bool:
        return scores + mask
    return cr.where(~held if takes_part else held, -np.inf, scores)

"""A module of PyTorch as a module of chainrule: the same layers by the same names, with the same numbers in them.

``torch.fx`` writes down what the module calls; layers become those of `chainrule.nn`, functions and methods those of
chainrule. What has no counterpart is named, never left out.
"""

# PyTorch is optional, and nothing of its types is known where it is not installed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnknownParameterType=false

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.errors import GraphError
from chainrule.torch.library import pytorch

Call = Callable[..., Any]


class Part(nn.Module):
    """A container of PyTorch's, with its parts under their names."""

    def forward(self, x: Any) -> Any:
        raise GraphError("this part of a module from PyTorch is run by the whole of it")


class FromTorch(nn.Module):
    """A module from PyTorch: `forward` goes through the calls that ``torch.fx`` wrote down.

    `source` is the program in PyTorch's words.
    """

    def __init__(self, source: str, inputs: Sequence[str], steps: Sequence[Step], result: Any) -> None:
        self.source = source
        self.inputs = tuple(inputs)
        self.steps = tuple(steps)
        self.result = result

    def forward(self, *inputs: Any) -> Any:
        if len(inputs) != len(self.inputs):
            raise GraphError(f"the module takes {', '.join(self.inputs)}: {len(inputs)} inputs were given")
        known: dict[str, Any] = {
            name: x if isinstance(x, cr.Tensor) else cr.Tensor(x) for name, x in zip(self.inputs, inputs, strict=True)
        }
        for step in self.steps:
            known[step.name] = step.run(self, known)
        return filled(self.result, known)


class Named:
    """The result of an earlier step, where an argument stands for it."""

    def __init__(self, name: str) -> None:
        self.name = name


class Step:
    """One call: of a part of the module, of a function, or a parameter that is looked up."""

    def __init__(self, name: str, call: Call | None, path: str, args: Any, settings: Any) -> None:
        self.name = name
        self.call = call
        self.path = path
        self.args = args
        self.settings = settings

    def run(self, module: nn.Module, known: Mapping[str, Any]) -> Any:
        """The step's result, from those before it."""
        if self.call is None and self.args is None:
            return found_at(module, self.path)
        call = self.call if self.call is not None else found_at(module, self.path)
        return call(*filled(self.args, known), **filled(self.settings, known))


def filled(x: Any, known: Mapping[str, Any]) -> Any:
    """Arguments with results in the places of their names."""
    if isinstance(x, Named):
        return known[x.name]
    if isinstance(x, tuple | list):
        return type(x)([filled(part, known) for part in x])
    if isinstance(x, dict):
        return {name: filled(part, known) for name, part in x.items()}
    if isinstance(x, slice):
        return slice(filled(x.start, known), filled(x.stop, known), filled(x.step, known))
    return x


def found_at(module: Any, path: str) -> Any:
    """The part of a module by its name, as ``layers.2.weight``."""
    for name in path.split("."):
        module = getattr(module, name)
    return module


def from_module(module: Any) -> nn.Module:
    """A PyTorch module as one of chainrule's, with the same numbers: to be explained, checked or trained here.

    Layers and activations of ``torch.nn`` become those of `chainrule.nn`; attention and whole transformer layers are
    written out. Parameters have the names of PyTorch's ``state_dict``, and their own memory. The module is read with
    ``torch.fx``, so its `forward` must not branch on data. What has no counterpart raises `GraphError` and is named.

    >>> import pytest; torch = pytest.importorskip("torch")
    >>> import chainrule.torch, numpy as np
    >>> theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    >>> ours = chainrule.torch.from_module(theirs)
    >>> x = np.ones((2, 3))
    >>> np.allclose(ours(x).data, theirs(torch.tensor(x)).detach())
    True
    >>> [name for name, _ in ours.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    torch = pytorch()
    if not isinstance(module, torch.nn.Module):
        raise GraphError(f"from_module takes a module of PyTorch's, not a {type(module).__name__}")
    whole = layer_of(torch, module)
    if whole is not None:
        return whole.train(module.training)
    try:
        traced = torch.fx.symbolic_trace(module)
    except Exception as error:
        raise GraphError(f"torch.fx cannot read {type(module).__name__}: {error}") from error
    net = program_of(torch, traced)
    for path, part in traced.named_modules():
        made = layer_of(torch, part) if path else None
        if made is not None:
            place(net, path, made)
        elif path and not any(True for _ in part.named_children()):
            raise GraphError(f"{path} is a {type(part).__name__}, and chainrule has no such layer")
    for path, owned in module.named_parameters():
        if not has(net, path):
            place(net, path, nn.Parameter(numbers(owned), requires_grad=owned.requires_grad))
    for path, owned in module.named_buffers():
        if not has(net, path):
            place(net, path, nn.Buffer(numbers(owned)))
    return net.train(module.training)


def program_of(torch: Any, traced: Any) -> FromTorch:
    """What ``torch.fx`` wrote down, in chainrule's calls; its parts are still to be put in their places."""
    steps: list[Step] = []
    inputs: list[str] = []
    result: Any = None
    for node in traced.graph.nodes:
        args, settings = named(node.args), named(node.kwargs)
        if node.op == "placeholder":
            inputs.append(node.name)
        elif node.op == "output":
            result = args[0]
        elif node.op == "call_module":
            steps.append(Step(node.name, None, node.target, args, settings))
        elif node.op == "get_attr":
            steps.append(Step(node.name, None, node.target, None, {}))
        else:
            steps.append(Step(node.name, call_of(torch, node), "", args, settings))
    return FromTorch(traced.code, inputs, steps, result)


def named(x: Any) -> Any:
    """Arguments with names in the places of nodes."""
    if hasattr(x, "op") and hasattr(x, "target"):
        return Named(x.name)
    if isinstance(x, tuple | list):
        return type(x)([named(part) for part in x]) if type(x) in (tuple, list) else tuple([named(part) for part in x])
    if isinstance(x, Mapping):
        return {name: named(part) for name, part in x.items()}
    if isinstance(x, slice):
        return slice(named(x.start), named(x.stop), named(x.step))
    return x


def place(net: nn.Module, path: str, made: Any) -> None:
    """Put a part under its name, in containers that are made where they are missing."""
    *above, last = path.split(".")
    holder: Any = net
    for name in above:
        if name not in vars(holder):
            setattr(holder, name, Part())
        holder = vars(holder)[name]
    if last not in vars(holder):
        setattr(holder, last, made)


def has(net: Any, path: str) -> bool:
    """Whether a part is there already."""
    for name in path.split("."):
        if name not in vars(net):
            return False
        net = vars(net)[name]
    return True


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
    kinds = torch.nn
    p = part
    makers: dict[Any, Callable[[], nn.Module]] = {
        kinds.Linear: lambda: nn.Linear(p.in_features, p.out_features, p.bias is not None),
        kinds.Conv2d: lambda: nn.Conv2d(
            p.in_channels, p.out_channels, p.kernel_size, p.stride, p.padding, p.dilation, p.groups, p.bias is not None
        ),
        kinds.Conv1d: lambda: nn.Conv1d(
            p.in_channels, p.out_channels, p.kernel_size[0], p.stride[0], one_of(p.padding), p.dilation[0], p.groups,
            p.bias is not None,
        ),
        kinds.BatchNorm1d: lambda: nn.BatchNorm1d(p.num_features, p.eps, p.momentum, p.affine, p.track_running_stats),
        kinds.BatchNorm2d: lambda: nn.BatchNorm2d(p.num_features, p.eps, p.momentum, p.affine, p.track_running_stats),
        kinds.LayerNorm: lambda: nn.LayerNorm(
            p.normalized_shape, p.eps, p.elementwise_affine, getattr(p, "bias", None) is not None
        ),
        kinds.GroupNorm: lambda: nn.GroupNorm(p.num_groups, p.num_channels, p.eps, p.affine),
        kinds.Embedding: lambda: nn.Embedding(p.num_embeddings, p.embedding_dim, p.padding_idx),
        kinds.MaxPool2d: lambda: nn.MaxPool2d(p.kernel_size, p.stride, p.padding, p.dilation),
        kinds.AvgPool2d: lambda: nn.AvgPool2d(p.kernel_size, p.stride, p.padding),
        kinds.AdaptiveAvgPool2d: lambda: nn.AdaptiveAvgPool2d(p.output_size),
        kinds.Flatten: lambda: nn.Flatten(p.start_dim, p.end_dim),
        kinds.Dropout: lambda: nn.Dropout(p.p),
        kinds.Identity: nn.Identity,
        kinds.GELU: lambda: nn.GELU() if p.approximate == "none" else Tanhlike(),
        kinds.LeakyReLU: lambda: nn.LeakyReLU(p.negative_slope),
        kinds.ELU: lambda: nn.ELU(p.alpha),
        kinds.Softmax: lambda: nn.Softmax(-1 if p.dim is None else p.dim),
        kinds.MultiheadAttention: lambda: Attention(p),
        kinds.TransformerEncoderLayer: lambda: EncoderLayer(torch, p),
        **{getattr(kinds, name): getattr(nn, name) for name in PLAIN},
    }  # fmt: skip
    make = makers.get(type(part))
    return None if make is None else loaded(make(), part).train(part.training)


PLAIN = ("ReLU", "Tanh", "Sigmoid", "SiLU", "Softplus", "LogSigmoid", "Mish", "ReLU6", "SELU", "Hardsigmoid",
         "Hardswish")  # fmt: skip
"""Layers without settings, of one name here and there."""


def one_of(x: Any) -> Any:
    """The one number of a tuple; words as they are."""
    return x[0] if isinstance(x, tuple) else x


class Tanhlike(nn.Module):
    """PyTorch's GELU with ``approximate="tanh"``."""

    def forward(self, x: Any) -> Any:
        return cr.gelu(x, approximate="tanh")


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


def axis_of(dim: Any) -> Any:
    """PyTorch's `dim` as NumPy's `axis`."""
    return tuple(dim) if isinstance(dim, list) else dim


METHODS: dict[str, Call] = {
    **{
        name: getattr(cr, name)
        for name in ("relu", "tanh", "sigmoid", "exp", "log", "sqrt", "abs", "square", "sin", "cos")
    },
    "view": lambda x, *shape: cr.reshape(x, sizes(shape)),
    "reshape": lambda x, *shape: cr.reshape(x, sizes(shape)),
    "flatten": lambda x, start_dim=0, end_dim=-1: nn.Flatten(start_dim, end_dim)(x),
    "permute": lambda x, *dims: cr.transpose(x, sizes(dims)),
    "transpose": cr.swapaxes,
    "t": lambda x: x.T,
    "contiguous": lambda x: x,
    "size": lambda x, dim=None: x.shape if dim is None else x.shape[dim],
    "dim": lambda x: x.ndim,
    "mean": lambda x, dim=None, keepdim=False: cr.mean(x, axis=axis_of(dim), keepdims=keepdim),
    "sum": lambda x, dim=None, keepdim=False: cr.sum(x, axis=axis_of(dim), keepdims=keepdim),
    "softmax": lambda x, dim=-1: cr.softmax(x, axis=dim),
    "log_softmax": lambda x, dim=-1: cr.log_softmax(x, axis=dim),
    "squeeze": lambda x, dim=None: cr.squeeze(x, axis=dim),
    "unsqueeze": lambda x, dim: cr.expand_dims(x, axis=dim),
    "matmul": cr.matmul,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": operator.neg,
    "chunk": lambda x, chunks, dim=0: cr.chunk(x, chunks, axis=dim),
    "detach": lambda x: x.detach(),
    "masked_fill": lambda x, mask, value: cr.where(mask, value, x),
}
"""What PyTorch's tensors can be asked for, in chainrule's words."""


def sizes(given: Sequence[Any]) -> tuple[Any, ...]:
    """A shape, given as one sequence or as several numbers."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else tuple(given)


def call_of(torch: Any, node: Any) -> Call:
    """chainrule's function for a call of one of PyTorch's, or of one of its tensors' methods."""
    if node.op == "call_method":
        if node.target in METHODS:
            return METHODS[node.target]
        raise GraphError(f"the method {node.target} of PyTorch's tensors has no counterpart")
    if getattr(node.target, "__module__", "") == "_operator" or node.target is getattr:
        return node.target
    functional = torch.nn.functional
    functions: dict[Any, Call] = {
        **{getattr(torch, name): call for name, call in METHODS.items() if hasattr(torch, name)},
        **{getattr(functional, name): getattr(cr, name) for name in ("softplus", "tanh", "sigmoid")},
        **{getattr(functional, name): in_place(getattr(cr, name)) for name in ("relu", "silu", "mish")},
        functional.gelu: lambda x, approximate="none": cr.gelu(x, approximate=approximate),
        functional.leaky_relu: lambda x, negative_slope=0.01, inplace=False: cr.leaky_relu(x, slope=negative_slope),
        functional.softmax: lambda x, dim=-1, **_: cr.softmax(x, axis=dim),
        functional.log_softmax: lambda x, dim=-1, **_: cr.log_softmax(x, axis=dim),
        functional.linear: lambda x, weight, bias=None: x @ weight.T if bias is None else cr.affine(x, weight, bias),
        functional.max_pool2d: lambda x, kernel_size, stride=None, padding=0, **_: cr.max_pool2d(
            x, kernel_size, stride=stride, padding=padding
        ),
        functional.scaled_dot_product_attention: scaled_attention,
        torch.cat: lambda tensors, dim=0: cr.concatenate(tensors, axis=dim),
        torch.stack: lambda tensors, dim=0: cr.stack(tensors, axis=dim),
        torch.bmm: cr.matmul,
        torch.einsum: cr.einsum,
    }
    if node.target in functions:
        return functions[node.target]
    raise GraphError(f"the function {getattr(node.target, '__name__', node.target)} of PyTorch has no counterpart")


def in_place(function: Call) -> Call:
    """A function that may be asked to write into its input, which makes no difference here."""
    return lambda x, inplace=False: function(x)


def scaled_attention(
    q: Any, k: Any, v: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False
) -> Any:
    """Attention with the scores over the root of the width (Vaswani et al., 2017)."""
    if dropout_p:
        raise GraphError("dropout inside attention draws anew in each run: bring the module over in eval()")
    scores = q @ cr.swapaxes(k, -1, -2) / float(np.sqrt(q.shape[-1]))
    if is_causal:
        ahead = np.triu(np.ones(scores.shape[-2:], bool), 1)
        scores = cr.where(ahead, -np.inf, scores)
    if attn_mask is not None:
        scores = masked(scores, attn_mask, takes_part=True)
    return cr.softmax(scores, axis=-1) @ v


def masked(scores: Any, mask: Any, *, takes_part: bool) -> Any:
    """Scores under a mask. Numbers are added; what True means of a place, two functions of PyTorch say differently."""
    held = mask.data if isinstance(mask, cr.Tensor) else np.asarray(mask)
    if held.dtype != bool:
        return scores + mask
    return cr.where(~held if takes_part else held, -np.inf, scores)

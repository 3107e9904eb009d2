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
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.errors import GraphError
from chainrule.kinds import what_is
from chainrule.torch.layers import layer_of, makers, masked, numbers
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
        return self.run([x if isinstance(x, cr.Tensor) else cr.Tensor(x) for x in inputs])

    def run(self, inputs: Sequence[Any]) -> Any:
        """What the steps make of the inputs, whatever they are."""
        known = dict(zip(self.inputs, inputs, strict=True))
        for step in self.steps:
            known[step.name] = step.run(self, known)
        return filled(self.result, known)


@dataclass(eq=False)
class Named:
    """The result of an earlier step, where an argument stands for it."""

    name: str


@dataclass(eq=False)
class Step:
    """One call: of a part of the module, of a function, or a parameter that is looked up."""

    name: str
    call: Call | None
    path: str
    args: Any
    settings: Any

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
        raise GraphError(f"from_module takes a module of PyTorch's, not {what_is(module)}")
    whole = layer_of(torch, module)
    if whole is not None:
        return whole.train(module.training)
    if type(module).__module__.startswith("torch.nn.modules.") and not any(True for _ in module.children()):
        raise GraphError(f"it is {what_is(module)}, and chainrule has no such layer")
    traced = read(torch, module)
    net = program_of(torch, traced)
    whole_paths: list[str] = []
    for path, part in traced.named_modules():
        if not path or any(path.startswith(f"{above}.") for above in whole_paths):
            continue
        made = layer_of(torch, part)
        if made is not None:
            place(net, path, made)
            whole_paths.append(path)
        elif not any(True for _ in part.named_children()):
            raise GraphError(f"{path} is {what_is(part)}, and chainrule has no such layer")
    first: dict[int, Any] = {}
    for path, owned in module.named_parameters(remove_duplicate=False):
        if id(owned) in first:
            place(net, path, first[id(owned)], tied=True)
        elif not has(net, path):
            place(net, path, nn.Parameter(numbers(owned), requires_grad=owned.requires_grad))
        first.setdefault(id(owned), found_at(net, path))
    for path, owned in module.named_buffers():
        if not has(net, path):
            place(net, path, nn.Buffer(numbers(owned)))
    return net.train(module.training)


def recorded_call(
    call: Call, inputs: Sequence[cr.Tensor], modules: Sequence[Any]
) -> tuple[Any, list[tuple[Any, nn.Parameter]]]:
    """What a function of PyTorch's tensors gives of chainrule's, recorded; and each parameter, theirs and ours.

    An ``autograd.Function`` in it is followed through its forward pass, which is all that its derivative depends on.
    """
    torch = pytorch()

    class Whole(torch.nn.Module):
        """The function with the modules that it calls, of which ``torch.fx`` wants to be told."""

        def __init__(self) -> None:
            super().__init__()
            self.called = torch.nn.ModuleList(modules)

        def forward(self, given: Any) -> Any:
            return call([given[k] for k in range(len(inputs))])

    theirs = Whole()
    ours = cast("FromTorch", from_module(theirs))
    pairs = [(owned, found_at(ours, path)) for path, owned in theirs.named_parameters()]
    return ours.run([list(inputs)]), pairs


def read(torch: Any, module: Any) -> Any:
    """What ``torch.fx`` writes down of a module, layers that chainrule has as one call each."""
    known = makers(torch)

    class Proxy(torch.fx.Proxy):
        """As PyTorch's, but that ``+=`` writes into what it is asked of, and does not make a new result."""

    for sign in IN_PLACE:
        call = getattr(operator, sign)
        setattr(Proxy, f"__{sign}__", lambda x, y, call=call: x.tracer.create_proxy("call_function", call, (x, y), {}))

    class Tracer(torch.fx.Tracer):
        """As PyTorch's, but that masks and other buffers may be cut to the length of an input."""

        proxy_buffer_attributes = True
        at = ""

        def proxy(self, node: Any) -> Any:
            return Proxy(node, self)

        def is_leaf_module(self, part: Any, path: str) -> bool:
            return type(part) in known or super().is_leaf_module(part, path)

        def call_module(self, part: Any, forward: Any, args: Any, kwargs: Any) -> Any:
            before, self.at = self.at, self.path_of_module(part)
            given = super().call_module(part, forward, args, kwargs)
            self.at = before  # where it fails, the path stays that of the part that did
            return given

    tracer = Tracer()
    try:
        graph = tracer.trace(module)
    except Exception as error:
        at = f"{tracer.at} ({what_is(found_at(module, tracer.at))})" if tracer.at else type(module).__name__
        raise GraphError(f"torch.fx cannot read {at}: {error}") from error
    return torch.fx.GraphModule(module, graph)


def program_of(torch: Any, traced: Any) -> FromTorch:
    """What ``torch.fx`` wrote down, in chainrule's calls; its parts are still to be put in their places."""
    steps: list[Step] = []
    inputs: list[str] = []
    result: Any = None
    stands_for: dict[str, str] = {}
    """Of what was written into since, the step that has its numbers now."""

    def named(x: Any) -> Any:
        """Arguments with names in the places of nodes."""
        if isinstance(x, torch.fx.Node):
            name = str(x.name)
            return Named(stands_for.get(name, name))
        if isinstance(x, tuple | list):
            return [named(part) for part in x] if isinstance(x, list) else tuple([named(part) for part in x])
        if isinstance(x, Mapping):
            return {name: named(part) for name, part in x.items()}
        if isinstance(x, slice):
            return slice(named(x.start), named(x.stop), named(x.step))
        return x

    for node in traced.graph.nodes:
        args, settings = named(node.args), named(node.kwargs)
        target = written_into(torch, traced, node)
        if target is not None:
            refuse_views(node, target)
            now = named(target).name
            same = [name for name, held in stands_for.items() if held == now]
            stands_for.update({name: str(node.name) for name in (str(target.name), now, *same)})
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


VIEWS = frozenset({
    "view", "reshape", "flatten", "permute", "transpose", "t", "squeeze", "unsqueeze", "chunk", "split", "contiguous",
    "detach", "getitem", "expand", "swapaxes", "movedim", "unbind",
})  # fmt: skip
"""What may give other names to the same memory."""


def written_into(torch: Any, traced: Any, node: Any) -> Any:
    """The node whose numbers a call changes where they are; None where it changes none."""
    if not node.args or not isinstance(node.args[0], torch.fx.Node):
        return None
    if node.op == "call_module":
        return node.args[0] if getattr(found_at(traced, node.target), "inplace", False) else None
    name = name_of(node)
    module = getattr(node.target, "__module__", "")
    in_place = name in IN_PLACE if module == "_operator" else name.endswith("_") and not name.endswith("__")
    return node.args[0] if in_place or node.kwargs.get("inplace") is True else None


def refuse_views(node: Any, target: Any) -> None:
    """Refuse to write into numbers that have another name which is still used: they would change there too."""
    family = {target, *[x for x in target.all_input_nodes if name_of(target) in VIEWS]}
    waiting = list(family)
    while waiting:
        more = [x for x in waiting.pop().users if name_of(x) in VIEWS and x not in family and x < node]
        family.update(more)
        waiting += more
    other = next((x for x in family - {target} if any(user is not node and user > node for user in x.users)), None)
    if other is not None:
        raise GraphError(
            f"{where(node)}{name_of(node)} writes into {target.name}, which {other.name} shares: give the result a new "
            "name, by the same call without an underscore or without inplace"
        )


def name_of(node: Any) -> str:
    """What a call is called."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


def where(node: Any) -> str:
    """The part of the module in which a call stands, before what is said of it."""
    stack = list(node.meta.get("nn_module_stack", {}))
    return f"in {stack[-1]}: " if stack and stack[-1] else ""


def place(net: nn.Module, path: str, made: Any, tied: bool = False) -> None:
    """Put a part under its name, in containers that are made where missing; what is there stays, unless it is tied."""
    *above, last = path.split(".")
    taken = next((name for name in (*above, last) if hasattr(nn.Module, name)), "")
    if taken:
        raise GraphError(f"{path} has a part called {taken}, which is a method of modules here: call it otherwise")
    holder: Any = net
    for name in above:
        if name not in vars(holder):
            setattr(holder, name, Part())
        holder = vars(holder)[name]
    if tied or last not in vars(holder):
        setattr(holder, last, made)


def has(net: Any, path: str) -> bool:
    """Whether a part is there already."""
    for name in path.split("."):
        if name not in vars(net):
            return False
        net = vars(net)[name]
    return True


def axis_of(dim: Any) -> Any:
    """PyTorch's `dim` as NumPy's `axis`."""
    return tuple(dim) if isinstance(dim, list) else dim


def split(x: Any, size: Any, dim: int = 0) -> list[Any]:
    """Pieces of one length, the last may be shorter, or of several."""
    whole = x.shape[dim]
    lengths = [min(size, whole - start) for start in range(0, whole, size)] if isinstance(size, int) else list(size)
    ends = np.cumsum([0, *lengths])
    at: list[Any] = [slice(None)] * x.ndim
    pieces: list[Any] = []
    for start, end in pairwise(ends):
        at[dim] = slice(int(start), int(end))
        pieces.append(x[tuple(at)])
    return pieces


def expanded(x: Any, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape that is meant, where −1 leaves a length as it is."""
    own = (1,) * (len(shape) - x.ndim) + tuple(x.shape)
    return tuple([n if size == -1 else size for size, n in zip(shape, own, strict=True)])


def clamped(x: Any, min: float | None = None, max: float | None = None) -> Any:  # noqa: A002  # PyTorch's names
    """Numbers between two ends; above 0 alone it is a ReLU."""
    return cr.relu(x) if (min, max) == (0, None) else cr.clip(x, min, max)


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
    "split": split,
    "clamp": clamped,
    "clamp_min": clamped,
    "log1p": cr.log1p,
    "rsqrt": lambda x: 1 / cr.sqrt(x),
    "expand": lambda x, *shape: cr.broadcast_to(x, expanded(x, sizes(shape))),
    "var": lambda x, dim=None, unbiased=True, keepdim=False, correction=None: cr.var(
        x, axis=axis_of(dim), ddof=int(unbiased) if correction is None else correction, keepdims=keepdim
    ),
    "eq": cr.equal,
    "float": lambda x: x,
    "chunk": lambda x, chunks, dim=0: cr.chunk(x, chunks, axis=dim),
    "detach": lambda x: x.detach(),
    "masked_fill": lambda x, mask, value: cr.where(mask, value, x),
}
"""What PyTorch's tensors can be asked for, in chainrule's words."""

IN_PLACE: dict[str, Call] = {
    "iadd": operator.add, "isub": operator.sub, "imul": operator.mul, "itruediv": operator.truediv,
    "ipow": operator.pow, "imatmul": operator.matmul,
}  # fmt: skip
COMPARISONS: dict[str, Call] = {"eq": cr.equal, "ne": cr.not_equal}
"""Python's operators that write into their first operand, and those that mean identity here."""


def sizes(given: Sequence[Any]) -> tuple[Any, ...]:
    """A shape, given as one sequence or as several numbers."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else tuple(given)


def call_of(torch: Any, node: Any) -> Call:
    """chainrule's function for a call of one of PyTorch's, or of one of its tensors' methods."""
    if node.op == "call_method":
        if node.target in METHODS:
            return METHODS[node.target]
        if node.target.endswith("_") and node.target[:-1] in METHODS:
            return METHODS[node.target[:-1]]
        raise GraphError(f"{where(node)}the method {node.target} of PyTorch's tensors has no counterpart")
    if getattr(node.target, "__module__", "") == "_operator" or node.target is getattr:
        return IN_PLACE.get(name_of(node)) or COMPARISONS.get(name_of(node)) or node.target
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
        torch.addmm: lambda b, x, y, beta=1, alpha=1: beta * b + alpha * (x @ y),
        functional.hardtanh: lambda x, min_val=-1.0, max_val=1.0, inplace=False: cr.clip(x, min_val, max_val),
        torch.einsum: cr.einsum,
    }
    if node.target in functions:
        return functions[node.target]
    raise GraphError(f"{where(node)}the function {name_of(node) or node.target} of PyTorch has no counterpart")


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

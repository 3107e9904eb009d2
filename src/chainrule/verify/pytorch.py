"""Functions, modules and ``autograd.Function``s of PyTorch as what is checked, where the program has loaded PyTorch."""

# PyTorch is optional, and nothing of its types is known where it is not installed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import is_node
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import GraphError
from chainrule.verify.subject import (
    Array,
    BackwardError,
    Leaf,
    Subject,
    is_real,
    joined,
    name_of,
    names_of_inputs,
    parameters_of,
    settle,
    size_of_gradient,
)


def loaded() -> Any:
    """PyTorch if the program has loaded it: only then can anything be of its kinds."""
    return sys.modules.get("torch")


def is_torch(f: Any, inputs: Sequence[Any]) -> bool:
    """Whether a function or one of its inputs is PyTorch's."""
    torch = loaded()
    if torch is None:
        return False
    if isinstance(f, type):
        return issubclass(f, torch.autograd.Function)
    kinds = (torch.nn.Module, torch.Tensor)
    return isinstance(f, torch.nn.Module) or any(isinstance(x, kinds) for x in flatten(tuple(inputs))[0])


class InTorch(Subject):
    """A function of PyTorch tensors, differentiated by PyTorch."""

    def __init__(self, f: Any, inputs: Sequence[Any], loss: Callable[..., Any] | None = None) -> None:
        super().__init__()
        torch = self.torch = loaded()
        self.f = f.apply if isinstance(f, type) else f
        self.loss = loss
        self.title = name_of(f)
        self.flat, self.structure = flatten(tuple(inputs))
        target = len(flatten(inputs[-1])[0]) if loss is not None else 0
        self.modules: list[Any] = [x for x in (f, loss, *self.flat) if isinstance(x, torch.nn.Module)]
        self.places = [k for k in range(len(self.flat) - target) if self.moves(self.flat[k])]
        names = argument_names(f, inputs)
        self.leaves = [self.leaf(names[k], self.flat[k]) for k in self.places]
        parameters = parameters_of(self.modules)
        self.owned = [owned for _, owned in parameters]
        self.leaves += [self.leaf(name, owned) for name, owned in parameters]
        if not self.leaves:
            raise GraphError(f"{self.title} was given no tensor of real numbers that could be moved")

    def moves(self, x: Any) -> bool:
        """Whether x holds real numbers."""
        return x.is_floating_point() if isinstance(x, self.torch.Tensor) else is_real(x)

    def leaf(self, name: str, x: Any) -> Leaf:
        """A tensor or array on a copy in float64."""
        numbers = (
            x.detach().cpu().numpy() if isinstance(x, self.torch.Tensor) else np.asarray(x.data if is_node(x) else x)
        )
        return Leaf(name, np.array(numbers, float, order="C"), x, numbers.dtype)

    def __enter__(self) -> InTorch:
        self.before = [(owned, owned.data) for owned in self.owned]
        self.buffers = [(b, b.data, b.data.clone()) for module in self.modules for b in module.buffers()]
        self.torch_chances = self.torch.get_rng_state()
        try:
            settle(self)
        except BaseException:
            self.__exit__()
            raise
        if not self.torch.equal(self.torch_chances, self.torch.get_rng_state()):
            self.notes.append(
                "it draws random numbers from PyTorch's generator: every run here was given the same ones"
            )
        return self

    def __exit__(self, *_: object) -> None:
        for tensor, data in self.before:
            tensor.data = data
        for tensor, data, numbers in self.buffers:
            data.copy_(numbers)
            tensor.data = data

    def tensors(self) -> list[Any]:
        """A tensor for each leaf, at its present numbers."""
        torch = self.torch
        found: list[Any] = []
        for place, leaf in enumerate(self.leaves):
            kind = torch.float64 if self.wide else getattr(torch, leaf.dtype.name)
            tensor = torch.tensor(leaf.array, dtype=kind)
            if place >= len(self.places):
                owned = self.owned[place - len(self.places)]
                owned.data = tensor
                found.append(owned)
            else:
                found.append(tensor.requires_grad_())
        return found

    def outputs(self) -> tuple[list[Any], list[Any]]:
        """One run: the leaves' tensors, and the outputs that hold real numbers."""
        torch = self.torch
        self.chances.wind_back()
        torch.set_rng_state(self.torch_chances)
        for tensor, _, numbers in self.buffers:
            copy = numbers.clone()
            tensor.data = copy.double() if self.wide and copy.is_floating_point() else copy
        tensors = self.tensors()
        flat = list(self.flat)
        for k, tensor in zip(self.places, tensors, strict=False):
            flat[k] = tensor
        arguments = [self.widened(x) for x in unflatten(self.structure, flat)]
        target = [arguments.pop()] if self.loss is not None else []
        out = self.f(*arguments)
        if self.loss is not None:
            out = self.loss(out, *target)
        leaves = [x if isinstance(x, torch.Tensor) else torch.tensor(x) for x in flatten(out)[0]]
        return tensors, [x for x in leaves if x.is_floating_point()]

    def widened(self, x: Any) -> Any:
        """A target of real numbers in the type that everything is computed in."""
        real = isinstance(x, self.torch.Tensor) and x.is_floating_point() and not x.requires_grad
        return x.double() if real and self.wide else x

    def run(self) -> Array:
        with self.torch.no_grad():
            return joined([x.detach().numpy() for x in self.outputs()[1]])

    def forward_pass(self) -> tuple[list[Any], list[Any]]:
        return self.outputs()

    def back(self, passed: tuple[list[Any], list[Any]], u: Array) -> list[Array]:
        """PyTorch's walk back; the graph stays."""
        torch = self.torch
        tensors, outputs = passed
        pieces: list[Any] = []
        start = 0
        for out in outputs:
            piece = u[start : start + out.numel()].reshape(tuple(out.shape))
            pieces.append(torch.tensor(piece, dtype=out.dtype))
            start += out.numel()
        reached = [(out, piece) for out, piece in zip(outputs, pieces, strict=True) if out.requires_grad]
        if not reached:
            return [np.zeros(leaf.array.shape) for leaf in self.leaves]
        try:
            found = torch.autograd.grad(
                [out for out, _ in reached],
                tensors,
                [piece for _, piece in reached],
                retain_graph=True,
                allow_unused=True,
            )
        except Exception as error:  # a backward pass of the user's may raise anything
            raise BackwardError(f"the backward pass fails: {type(error).__name__}: {error}") from error
        return [
            np.zeros(leaf.array.shape) if g is None else g.detach().numpy().astype(float)
            for leaf, g in zip(self.leaves, found, strict=True)
        ]

    def runs_elsewhere(self) -> bool:
        # A run elsewhere would put other numbers into the parameters, which PyTorch refuses to go back through.
        return not self.owned

    def derivative(self, u: Array) -> Subject:
        """Its gradient, by PyTorch with ``create_graph``."""
        return TorchGradient(self, u)


class TorchGradient(InTorch):
    """The gradient of ``u · outputs`` of a PyTorch function, itself a function of the same inputs."""

    def __init__(self, inner: InTorch, u: Array) -> None:
        super().__init__(inner.f, unflatten(inner.structure, inner.flat), inner.loss)
        self.u = u
        self.title = f"the gradient of {inner.title}"
        self.size = size_of_gradient(inner, u)

    def run(self) -> Array:
        return joined([x.detach().numpy() for x in self.outputs()[1]])

    def outputs(self) -> tuple[list[Any], list[Any]]:
        torch = self.torch
        tensors, outputs = super().outputs()
        row = torch.cat([out.reshape(-1) for out in outputs])
        whole = (row * torch.tensor(self.u, dtype=row.dtype)).sum()
        found = torch.autograd.grad(whole, tensors, create_graph=True, allow_unused=True)
        pairs = zip(tensors, found, strict=True)
        return tensors, [torch.zeros_like(x) if g is None else g for x, g in pairs]


def argument_names(f: Any, inputs: Sequence[Any]) -> list[str]:
    """The names that the inputs have in the function; an ``autograd.Function`` has its context in front."""
    return names_of_inputs(f, [None, *inputs] if isinstance(f, type) else inputs)

"""Functions, modules and ``autograd.Function``s of PyTorch as what is checked, where the program has loaded PyTorch."""

# PyTorch is optional, and nothing of its types is known where it is not installed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Self

from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten
from chainrule.verify.subject import Array, BackwardError, Leaf, Subject, is_tensor, joined, pieces


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
        self.torch = loaded()
        self.modules_are = self.torch.nn.Module
        owner = getattr(f, "__self__", None)
        if isinstance(owner, type) and issubclass(owner, self.torch.autograd.Function):
            f = owner  # its `apply` was given, which has no names for the inputs
        super().__init__(f, inputs, loss)
        self.call = f.apply if isinstance(f, type) else f

    def __enter__(self) -> Self:
        self.buffers = [(b, b.data, b.data.clone()) for module in self.modules for b in module.buffers()]
        self.torch_chances = self.torch.get_rng_state()
        super().__enter__()
        if not self.torch.equal(self.torch_chances, self.torch.get_rng_state()):
            self.notes.append(
                "it draws random numbers from PyTorch's generator: every run here was given the same ones"
            )
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for tensor, data, numbers in self.buffers:
            data.copy_(numbers)
            tensor.data = data

    def tensor(self, leaf: Leaf) -> Any:
        """A tensor for a leaf, at its present numbers; a parameter is its own."""
        kind = self.torch.float64 if self.wide else getattr(self.torch, leaf.dtype.name)
        tensor = self.torch.tensor(leaf.array, dtype=kind)
        if leaf not in self.own:
            return tensor.requires_grad_()
        leaf.given.data = tensor
        return leaf.given

    def outputs(self) -> tuple[list[Any], list[Any]]:
        """One run: the leaves' tensors, and the outputs that hold real numbers."""
        torch = self.torch
        self.chances.wind_back()
        torch.set_rng_state(self.torch_chances)
        for tensor, _, numbers in self.buffers:
            copy = numbers.clone()
            tensor.data = copy.double() if self.wide and copy.is_floating_point() else copy
        tensors = [self.tensor(leaf) for leaf in self.leaves]
        found = self.called(self.filled(tensors, [self.widened(x) for x in self.flat]))
        made = [x if is_tensor(x) else torch.tensor(x) for x in found]
        return tensors, [x for x in made if x.is_floating_point()]

    def widened(self, x: Any) -> Any:
        """A target of real numbers in the type that everything is computed in."""
        return x.double() if is_tensor(x) and x.is_floating_point() and not x.requires_grad and self.wide else x

    def recorded(self) -> tuple[Any, dict[Any, str]] | None:
        from chainrule.torch.modules import recorded_call

        moved = [leaf for leaf in self.leaves if leaf not in self.own]
        given = [Tensor(leaf.array.copy(), requires_grad=True) for leaf in moved]

        def call(tensors: list[Any]) -> list[Any]:
            return self.called(self.filled(tensors))

        outputs, parameters = recorded_call(call, given, self.modules)
        if len(outputs) != 1:
            return None
        name_of = {id(leaf.given): leaf.name for leaf in self.own}
        owned = {ours: name_of[id(theirs)] for theirs, ours in parameters if id(theirs) in name_of}
        return outputs[0], {**{x: leaf.name for x, leaf in zip(given, moved, strict=True)}, **owned}

    def run(self) -> Array:
        with self.torch.no_grad():
            return joined([x.detach() for x in self.outputs()[1]])

    def forward_pass(self) -> tuple[list[Any], list[Any]]:
        return self.outputs()

    def back(self, passed: tuple[list[Any], list[Any]], u: Array) -> list[Array]:
        """PyTorch's walk back; the graph stays."""
        torch = self.torch
        tensors, outputs = passed
        cut = pieces(u, [tuple(out.shape) for out in outputs])
        reached = [(out, torch.tensor(g, dtype=out.dtype)) for out, g in zip(outputs, cut, strict=True)]
        reached = [(out, g) for out, g in reached if out.requires_grad]
        if not reached:
            return self.as_arrays([None] * len(tensors))
        try:
            found = torch.autograd.grad(
                [out for out, _ in reached], tensors, [g for _, g in reached], retain_graph=True, allow_unused=True
            )
        except Exception as error:  # a backward pass of the user's may raise anything
            raise BackwardError(f"the backward pass fails: {type(error).__name__}: {error}") from error
        return self.as_arrays(found)


class TorchGradient(InTorch):
    """The gradient of ``u · outputs`` of a PyTorch function, by ``create_graph``, itself a function of its inputs."""

    def outputs(self) -> tuple[list[Any], list[Any]]:
        torch = self.torch
        with torch.enable_grad():
            tensors, outputs = super().outputs()
            row = torch.cat([out.reshape(-1) for out in outputs])
            whole = (row * torch.tensor(self.u, dtype=row.dtype)).sum()
            found = torch.autograd.grad(whole, tensors, create_graph=True, allow_unused=True)
        pairs = zip(tensors, found, strict=True)
        return tensors, [torch.zeros_like(x) if g is None else g for x, g in pairs]


InTorch.differentiated = TorchGradient

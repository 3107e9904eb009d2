"""How the gradient fares in a live PyTorch model: hooks note it layer by layer, while the model trains as ever."""

# PyTorch is optional, and nothing of its types is known where it is not installed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from typing import Any, Self

from chainrule.errors import GraphError
from chainrule.kinds import what_is
from chainrule.table import Table
from chainrule.torch.library import pytorch
from chainrule.training.flow import Found, counted, flow_of


class Watch:
    """The hooks on a model, and what they noted of the last backward pass: `flow()`, or print it.

    A block (``with``) or `remove` ends it; the model is then as it was.
    """

    def __init__(self, module: Any) -> None:
        torch = self.torch = pytorch()
        if not isinstance(module, torch.nn.Module):
            raise GraphError(f"watch takes a module of PyTorch's, not {what_is(module)}")
        self.module = module
        self.calls: list[dict[str, Any]] = []
        self.writes = any(getattr(part, "inplace", False) for part in module.modules())
        """Whether an activation writes over what it was given."""
        self.handles = [module.register_forward_pre_hook(lambda *_: self.calls.clear())]
        self.handles += [
            part.register_forward_hook(self.noting(name or type(part).__name__))
            for name, part in module.named_modules()
            if not any(True for _ in part.children()) or self.matrices(part)
        ]

    def matrices(self, part: Any) -> list[Any]:
        """The weights of a module itself, without vectors."""
        return [weight for weight in part.parameters(recurse=False) if weight.ndim > 1]

    def noting(self, name: str) -> Any:
        """A hook that notes a call, and asks for the gradients in what went in and what came out."""

        def note(part: Any, inputs: tuple[Any, ...], out: Any) -> None:
            out = out[0] if isinstance(out, tuple) else out
            if not isinstance(out, self.torch.Tensor) or not out.requires_grad:
                return
            given = inputs[0] if inputs else None
            z = out.detach().clone() if self.writes and self.matrices(part) else out.detach()
            call = {"name": name, "part": part, "input": given, "out": out, "z": z, "gradient": None}
            self.calls.append(call)
            out.register_hook(lambda g: call.update(gradient=g.detach()))

        return note

    def flow(self) -> Table:
        """A row for each layer with weights, as `chainrule.training.gradient_flow` has them, and the verdict below."""
        layers = [call for call in self.calls if self.matrices(call["part"]) and call["gradient"] is not None]
        if not layers:
            raise GraphError(
                "nothing has come back yet: run the model, and backward() of its loss, then ask for the flow"
            )
        found: list[Found] = []
        for call in layers:
            after = next(
                (other for other in self.calls if other["input"] is call["out"] and is_activation(other)), None
            )
            delta = norm(call["gradient"])
            arriving = None if after is None else delta if after["gradient"] is None else norm(after["gradient"])
            weights = [weight.grad for weight in self.matrices(call["part"]) if weight.grad is not None]
            gradient = math.hypot(*[norm(g) for g in weights])
            units = int(call["out"].shape[1 if call["out"].ndim == 4 else -1])
            kind = type(call["part"]).__name__
            found.append((call["name"], kind, units, delta, gradient, arriving, *idle(call, after)))
        return flow_of(found)

    def __repr__(self) -> str:
        return repr(self.flow()) if self.calls else f"a watch on {type(self.module).__name__}, which has not run yet"

    def remove(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def watch(module: Any) -> Watch:
    """Watch a live PyTorch model by hooks: after ``loss.backward()``, `flow()` tells where the gradient fades or grows.

    Columns and verdict are those of `chainrule.training.gradient_flow`: the norm of δ = ∂L/∂z at each layer with
    weights, the factor of the slope behind it (where that is a module) and of the next layer's weights, dead and
    saturated units. The model trains as before; the hooks cost one norm a layer when `flow()` is called.

    >>> import pytest; torch = pytest.importorskip("torch")
    >>> import chainrule.torch
    >>> layers = [part for _ in range(6) for part in (torch.nn.Linear(8, 8), torch.nn.Sigmoid())]
    >>> model = torch.nn.Sequential(*layers)
    >>> with chainrule.torch.watch(model) as watched:
    ...     model(torch.ones(4, 8)).square().mean().backward()
    ...     print(watched.flow().note)
    the gradient vanishes: ...
    """
    return Watch(module)


def norm(g: Any) -> float:
    return float(g.double().norm())


def is_activation(call: dict[str, Any]) -> bool:
    """Whether a module is a function of each entry: it has no weights, and keeps the shape."""
    part = call["part"]
    plain = type(part).__module__ == "torch.nn.modules.activation"
    return plain and call["input"].shape == call["out"].shape and not any(True for _ in part.parameters())


def idle(call: dict[str, Any], after: dict[str, Any] | None) -> tuple[int | None, int | None]:
    """How many units of the layer are dead and how many saturated; None without an activation."""
    if after is None:
        return None, None
    torch, function = pytorch(), after["part"].forward  # which calls no hooks
    with torch.enable_grad():
        z = call["z"].clone().requires_grad_()
        zero = torch.zeros((), dtype=z.dtype, requires_grad=True)
        (slope,) = torch.autograd.grad(function(z.clone()).sum(), z)
        (at_zero,) = torch.autograd.grad(function(zero.clone()), zero)
    units = slope.abs().movedim(1, -1) if slope.ndim == 4 else slope.abs()
    mean = units.reshape(-1, units.shape[-1]).mean(0)
    return counted(mean, float(at_zero.abs()))

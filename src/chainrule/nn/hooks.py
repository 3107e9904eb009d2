"""Functions that are told when a module runs, and when a gradient has come back through it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chainrule.core.graph import from_array
from chainrule.core.handles import RemovableHandle
from chainrule.core.operation import is_node
from chainrule.core.state import no_grad
from chainrule.core.tensor import Tensor
from chainrule.custom import custom_vjp
from chainrule.errors import DtypeError
from chainrule.rules.composed import concatenate
from chainrule.rules.linear import identity, index, reshape

if TYPE_CHECKING:
    from chainrule.nn.module import Module

Hook = Callable[..., Any]


@contextmanager
def in_use(model: Module) -> Generator[None]:
    """The model as it is used: in evaluation mode, without recording; afterwards every module is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def calls_told(model: Module, told: Callable[[str, Module, tuple[Any, ...], Any], None]) -> Generator[None]:
    """Have a function told of every module inside a model when it has run: name, module, inputs and result."""

    def telling(name: str, module: Module) -> Any:
        forward = module.forward

        def run(*inputs: Any, **settings: Any) -> Any:
            out = forward(*inputs, **settings)
            told(name, module, inputs, out)
            return out

        return run

    modules = list(model.named_modules())
    try:
        for name, module in modules:
            vars(module)["forward"] = telling(name, module)
        yield
    finally:
        for _, module in modules:
            vars(module).pop("forward", None)


class Hooks:
    """The hooks of one module, each kind in the order of their calls, and how it runs with them."""

    def __init__(self) -> None:
        self.before: list[tuple[Hook, bool]] = []
        self.after: list[tuple[Hook, bool]] = []
        self.backward: list[tuple[Hook, bool]] = []

    def add(self, kind: str, hook: Any, prepend: bool, with_kwargs: bool = False) -> RemovableHandle:
        """Take in a hook, as the last of its kind or the first."""
        if not callable(hook):
            raise DtypeError(f"a hook is a function, not {type(hook).__name__}")
        hooks: list[tuple[Hook, bool]] = getattr(self, kind)
        entry = (hook, with_kwargs)
        hooks.insert(0 if prepend else len(hooks), entry)
        return RemovableHandle(hooks, entry)

    def run(self, module: Module, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """The module's result, with every hook told."""
        for hook, with_kwargs in list(self.before):
            changed = hook(module, inputs, settings) if with_kwargs else hook(module, inputs)
            if with_kwargs and changed is not None:
                inputs, settings = changed
            elif changed is not None:
                inputs = cast("tuple[Any, ...]", changed) if isinstance(changed, tuple) else (changed,)
        returning = Returning(module, [hook for hook, _ in self.backward]) if self.backward else None
        if returning is not None:
            inputs = returning.from_inputs(inputs)
        out = module.forward(*inputs, **settings)
        for hook, with_kwargs in list(self.after):
            changed = hook(module, inputs, settings, out) if with_kwargs else hook(module, inputs, out)
            out = out if changed is None else changed
        return out if returning is None else returning.from_outputs(out)


class Returning:
    """One call of a module, and the gradients that come back through it.

    The results and the inputs each pass a node that changes nothing, and whose backward pass is told the gradient.
    Several inputs pass one node side by side, so that all of their gradients are complete at once.
    """

    def __init__(self, module: Module, hooks: list[Hook]) -> None:
        self.module, self.hooks = module, hooks
        self.places: list[int] = []
        self.inputs = 0
        self.at_outputs: tuple[Any, ...] = ()

    def from_inputs(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs as the module gets them."""
        self.inputs = len(inputs)
        self.places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
        watched = [inputs[i] for i in self.places]
        if not watched:
            return inputs
        passed = list(inputs)
        if len(watched) == 1:
            passed[self.places[0]] = told(watched[0], self.at_inputs)
            return tuple(passed)
        row = told(
            concatenate([reshape(x, shape=(x.size,)) for x in watched]), self.at_joined([x.shape for x in watched])
        )
        ends = np.cumsum([0, *(x.size for x in watched)]).tolist()
        for i, (start, end), x in zip(self.places, pairwise(ends), watched, strict=True):
            passed[i] = reshape(index(row, key=slice(start, end)), shape=x.shape)
        return tuple(passed)

    def from_outputs(self, out: Any) -> Any:
        """The results as the program gets them."""
        several = isinstance(out, tuple)
        outputs: list[Any] = list(cast("tuple[Any, ...]", out)) if several else [out]
        self.at_outputs = (None,) * len(outputs)
        for i, part in enumerate(outputs):
            if isinstance(part, Tensor) and part.requires_grad:
                outputs[i] = told(part, self.at_output(i))
        return tuple(outputs) if several else outputs[0]

    def at_output(self, place: int) -> Hook:
        """What happens to the gradient of one result."""

        def arrived(g: Any) -> Any:
            self.at_outputs = (*self.at_outputs[:place], shown(g), *self.at_outputs[place + 1 :])
            if not self.places:
                for hook in self.hooks:
                    hook(self.module, (None,) * self.inputs, self.at_outputs)
            return g

        return arrived

    def at_inputs(self, g: Any) -> Any:
        """What happens to the gradient of the one input that has any."""
        return self.asked([g])[0]

    def at_joined(self, shapes: list[tuple[int, ...]]) -> Hook:
        """What happens to the gradients of several inputs, which arrive as one row."""
        ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)]).tolist()

        def arrived(row: Any) -> Any:
            parts = zip(pairwise(ends), shapes, strict=True)
            gradients = self.asked([reshape(row[start:end], shape=shape) for (start, end), shape in parts])
            return concatenate([reshape(g, shape=(g.size,)) for g in gradients])

        return arrived

    def asked(self, gradients: list[Any]) -> list[Any]:
        """The gradients of the inputs, as the hooks leave them."""
        for hook in self.hooks:
            whole: list[Any] = [None] * self.inputs
            for i, g in zip(self.places, gradients, strict=True):
                whole[i] = shown(g)
            changed = hook(self.module, tuple(whole), self.at_outputs)
            if changed is not None:
                given = cast("tuple[Any, ...]", changed) if isinstance(changed, tuple) else (changed,)
                if len(given) != self.inputs:
                    raise DtypeError(
                        f"a backward hook of {self.module!r} gave {len(given)} gradients for {self.inputs} inputs: "
                        "give a tuple with one for each, or None to leave them"
                    )
                gradients = [hidden(given[i], g) for i, g in zip(self.places, gradients, strict=True)]
        return gradients


def told(x: Tensor, arrived: Hook) -> Any:
    """The same tensor, whose gradient passes through a function on its way back."""

    @custom_vjp
    def hook(x: Any) -> Any:
        return identity(x)

    def forward(x: Any) -> tuple[Any, None]:
        return identity(x), None

    def backward(_: None, g: Any) -> tuple[Any]:
        return (arrived(g),)

    hook.defvjp(forward, backward)
    return hook(x)


def shown(g: Any) -> Tensor:
    """A gradient as a hook gets it: a Tensor that it may keep."""
    return g if is_node(g) else from_array(np.array(g))


def hidden(given: Any, g: Any) -> Any:
    """A gradient that a hook gave, as the backward pass computes with it."""
    return given.data.astype(g.dtype) if isinstance(given, Tensor) and not is_node(g) else given

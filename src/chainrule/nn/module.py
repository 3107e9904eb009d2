"""What every layer is: something callable that owns parameters."""

# What a user's attributes hold is not known before the program runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self, cast

import numpy as np

from chainrule.core.operation import as_array, is_node
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError, DtypeError, ShapeError
from chainrule.rules.composed import gathered


class Parameter(Tensor):
    """A Tensor that a module owns and an optimizer changes; it requires a gradient unless told otherwise.

    `data` is a number, nested list, array or Tensor, of any shape; it is copied. Arrays and Tensors keep their dtype,
    Python numbers become float32. Other dtypes than float32 and float64 raise `DtypeError`.

    >>> import chainrule as cr
    >>> cr.nn.Parameter([1.0, 2.0])
    Parameter([1., 2.], dtype=float32, requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, *, dtype: Any = None, requires_grad: bool = True, label: str = "") -> None:
        if dtype is None and not isinstance(data, Tensor | np.ndarray | np.generic):
            dtype = np.float32
        super().__init__(data, dtype=dtype, requires_grad=requires_grad, label=label)

    def __repr__(self) -> str:
        return "Parameter" + super().__repr__().removeprefix("Tensor").replace("\n ", "\n    ")


class Module:
    """The base of layers and networks: assign parameters and modules as attributes, and write `forward`.

    Parameters and modules are found in the attributes, and in lists, tuples and dicts held there, in the order they
    were assigned; each counts once, however often it is held. Calling a module runs `forward`.

    >>> import chainrule as cr
    >>> class Scale(cr.nn.Module):
    ...     def __init__(self):
    ...         self.factor = cr.nn.Parameter(2.0)
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> net = Scale()
    >>> net([1.0, 2.0])
    Tensor([2., 4.], op=mul)
    >>> dict(net.named_parameters())
    {'factor': Parameter(2., dtype=float32, requires_grad=True)}
    """

    training = True
    """Whether the module is being trained, for layers that behave differently then; set by `train` and `eval`."""

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """The computation; every module writes its own."""
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(self, x) that computes its result")

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        with Quiet():
            return self.forward(*inputs, **settings)

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Each parameter and module held directly: its name in a state dict, its path in a program, and itself."""
        for name, held in vars(self).items():
            yield from _found(name, f".{name}", held)

    def named_parts(self) -> Iterator[tuple[str, Any]]:
        """Each parameter and module held directly, with the path a program would write, as ``[0]`` or ``.weight``."""
        return ((path, part) for _, path, part in self.parts())

    def modules(self) -> Iterator[Module]:
        """This module and every module inside it, each once; outer before inner."""
        return (module for _, module in self._named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Each parameter once, with its name as in PyTorch: ``0.weight``, ``layers.2.bias``."""
        seen: set[int] = set()
        for prefix, module in self._named_modules():
            for name, _, part in module.parts():
                if isinstance(part, Parameter) and id(part) not in seen:
                    seen.add(id(part))
                    yield prefix + name, part

    def parameters(self) -> Iterator[Parameter]:
        """Each parameter once, in the order of `named_parameters`: what an optimizer takes."""
        return (parameter for _, parameter in self.named_parameters())

    def _named_modules(self) -> Iterator[tuple[str, Module]]:
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            prefix, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield prefix, module
            inner = [(f"{prefix}{name}.", part) for name, _, part in module.parts() if isinstance(part, Module)]
            waiting.extend(reversed(inner))

    def zero_grad(self) -> None:
        """Forget every parameter's gradient."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, training: bool = True) -> Self:
        """Tell this module and all inside it that they are being trained (or, with False, used)."""
        for module in self.modules():
            module.training = training
        return self

    def eval(self) -> Self:
        """Tell this module and all inside it that they are being used; the same as ``train(False)``."""
        return self.train(False)

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of every parameter's numbers, by name; later training does not change it.

        >>> import chainrule as cr
        >>> net = cr.nn.Sequential(cr.nn.Linear(3, 2))
        >>> {name: saved.shape for name, saved in net.state_dict().items()}
        {'0.weight': (2, 3), '0.bias': (2,)}
        """
        return {name: Tensor(parameter.data) for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy saved numbers (Tensors or arrays, by name) into the parameters, which keep their dtype.

        Names and shapes must agree exactly: otherwise `ChainruleError` lists every difference and nothing is changed.
        """
        own = dict(self.named_parameters())
        arrays = {
            name: as_array(getattr(saved, "data", saved) if isinstance(saved, Tensor) else saved, name)
            for name, saved in state.items()
        }
        wrong = [f"{name} is missing" for name in own.keys() - arrays.keys()]
        wrong += [f"{name} is not a parameter of this module" for name in arrays.keys() - own.keys()]
        for name in own.keys() & arrays.keys():
            if arrays[name].shape != own[name].shape:
                wrong.append(f"{name} has shape {arrays[name].shape}, and the module's has {own[name].shape}")
            if arrays[name].dtype.kind == "c":
                wrong.append(f"{name} is complex")
        if wrong:
            raise ChainruleError(f"the saved state does not fit {type(self).__name__}: {'; '.join(sorted(wrong))}")
        for name, parameter in own.items():
            parameter.data[...] = arrays[name]
            parameter.mark_changed()

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={part!r}" for name, _, part in self.parts() if isinstance(part, Module))
        return f"{type(self).__name__}({inside})"


def _found(name: str, path: str, held: Any) -> Iterator[tuple[str, str, Any]]:
    """The parameters and modules in an attribute, looking into lists, tuples and dicts."""
    if isinstance(held, Parameter | Module):
        yield name, path, held
    elif isinstance(held, list | tuple):
        for i, part in enumerate(held):
            yield from _found(f"{name}.{i}", f"{path}[{i}]", part)
    elif isinstance(held, dict):
        for key, part in held.items():
            yield from _found(f"{name}.{key}", f"{path}[{key!r}]", part)


def check_size(owner: str, **sizes: Any) -> None:
    """Refuse a number of features that is not a whole number of at least 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int | np.integer):
            raise DtypeError(f"{owner}: {name} is a whole number, not {size!r}")
        if size < 1:
            raise ShapeError(f"{owner}: {name} is at least 1, not {size}")


def as_input(x: Any, owner: str) -> Any:
    """What a module computes with: a Tensor as it is, a list of Tensors stacked, anything else as an array."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, list | tuple) and any(is_node(part) for part in cast("list[Any]", x)):
        return gathered(x)
    return as_array(x, owner)

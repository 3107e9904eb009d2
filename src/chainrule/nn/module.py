"""What every layer is: something callable that owns parameters."""

# What a user's attributes hold is not known before the program runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import numpy as np

from chainrule.core.graph import DIFFERENTIABLE
from chainrule.core.operation import as_array, is_node, takes_over
from chainrule.core.state import SILENCE, noise, quietly
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError, DtypeError, ShapeError
from chainrule.kinds import is_real, is_whole
from chainrule.rules.composed import gathered

if TYPE_CHECKING:
    from chainrule.core.handles import RemovableHandle
    from chainrule.nn.hooks import Hooks
    from chainrule.nn.summary import Summary

Owned = TypeVar("Owned", bound=Tensor)


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


class Buffer(Tensor):
    """A Tensor that a module owns and keeps up to date by itself: it is saved with the module, and never optimised.

    `data` is a number, nested list, array or Tensor, of any shape and dtype; it is copied. Python numbers become
    float32.

    >>> import chainrule as cr
    >>> cr.nn.Buffer([0.0, 0.0])
    Buffer([0., 0.], dtype=float32)
    """

    __slots__ = ()

    def __init__(self, data: Any, *, dtype: Any = None, label: str = "") -> None:
        if dtype is None and not isinstance(data, Tensor | np.ndarray | np.generic):
            dtype = np.float32
        super().__init__(data, dtype=dtype, label=label)

    def __repr__(self) -> str:
        return "Buffer" + super().__repr__().removeprefix("Tensor")


class Module:
    """The base of layers and networks: assign parameters and modules as attributes, and write `forward`.

    Parameters, buffers and modules are found in the attributes, and in lists, tuples and dicts held there, in the order
    they were assigned; each counts once, however often it is held. Calling a module runs `forward`.

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

    watchers: Hooks | None = None
    """The hooks that were registered."""

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """The computation; every module writes its own."""
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(self, x) that computes its result")

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        if self.watchers is not None:
            return quietly(self.watchers.run, self, inputs, settings)
        if noise.get() is SILENCE:  # inside another module
            return self.forward(*inputs, **settings)
        return quietly(self.forward, *inputs, **settings)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, inputs)`` before each run; what it gives, if anything, are the inputs instead.

        `inputs` is a tuple. With `with_kwargs` the hook gets the keyword arguments too, and gives both. A later hook
        comes after, or with `prepend` before. ``handle.remove()`` ends it.

        >>> import chainrule as cr
        >>> net = cr.nn.ReLU()
        >>> handle = net.register_forward_pre_hook(lambda module, inputs: (-inputs[0],))
        >>> net(cr.Tensor([-1.0, 2.0]))
        Tensor([1., 0.])
        """
        return self._hooked().add("before", hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, inputs, out)`` after each run; what it gives, if anything, is the result instead.

        >>> import chainrule as cr
        >>> net, seen = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0), cr.nn.Tanh()), []
        >>> handle = net[0].register_forward_hook(lambda module, inputs, out: seen.append(out.shape))
        >>> _ = net([[1.0, 2.0]])
        >>> handle.remove()
        >>> seen
        [(1, 3)]
        """
        return self._hooked().add("after", hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when a gradient has come back through the module.

        Both are tuples with a Tensor for each input and each result, None where there is no gradient; what the hook
        gives, if anything, are the gradients of the inputs instead.

        >>> import chainrule as cr
        >>> net = cr.nn.Tanh()
        >>> handle = net.register_full_backward_hook(lambda module, grad_input, grad_output: (0.5 * grad_input[0],))
        >>> x = cr.Tensor([0.0], requires_grad=True)
        >>> net(x).sum().backward()
        >>> x.grad
        Tensor([0.5])
        """
        return self._hooked().add("backward", hook, prepend)

    def _hooked(self) -> Hooks:
        if self.watchers is None:
            from chainrule.nn.hooks import Hooks  # few modules are watched

            self.watchers = Hooks()
        return self.watchers

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Each parameter, buffer and module held directly: its name in a state dict, its path in a program, itself."""
        for name, held in vars(self).items():
            if isinstance(held, OWN):
                yield name, f".{name}", held
            elif isinstance(held, MAY_HOLD):
                yield from _found(name, f".{name}", held)

    def named_parts(self) -> Iterator[tuple[str, Any]]:
        """Each part held directly, with the path a program would write, as ``[0]`` or ``.weight``."""
        return ((path, part) for _, path, part in self.parts())

    def modules(self) -> Iterator[Module]:
        """This module and every module inside it, each once; outer before inner."""
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Each parameter once, with its name as in PyTorch: ``0.weight``, ``layers.2.bias``."""
        return self._named(Parameter)

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Each buffer once, with its name as in PyTorch: ``1.running_mean``."""
        return self._named(Buffer)

    def parameters(self) -> Iterator[Parameter]:
        """Each parameter once, in the order of `named_parameters`: what an optimizer takes."""
        return (parameter for _, parameter in self.named_parameters())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module, by the name "", and every module inside it, each once: ``layers.2``; outer before inner."""
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            path, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            prefix = path and f"{path}."
            inner = [(prefix + name, part) for name, _, part in module.parts() if isinstance(part, Module)]
            waiting.extend(reversed(inner))

    def _named(self, kind: type[Owned]) -> Iterator[tuple[str, Owned]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, _, part in module.parts():
                if isinstance(part, kind) and id(part) not in seen:
                    seen.add(id(part))
                    yield f"{path}.{name}" if path else name, part

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
        """A copy of the numbers of every parameter and buffer, by name; later training does not change it.

        >>> import chainrule as cr
        >>> net = cr.nn.Sequential(cr.nn.Linear(3, 2))
        >>> {name: saved.shape for name, saved in net.state_dict().items()}
        {'0.weight': (2, 3), '0.bias': (2,)}
        """
        return {name: Tensor(owned.data) for name, owned in self._owned().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy saved numbers (Tensors or arrays, by name) into the parameters and buffers, which keep their dtype.

        Names and shapes must agree exactly: otherwise `ChainruleError` lists every difference and nothing is changed.
        """
        if not isinstance(state, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DtypeError(
                f"{type(self).__name__}.load_state_dict takes numbers by name, a dict as state_dict() gives, not "
                f"{type(state).__name__}"
            )
        own = self._owned()
        arrays = {
            name: as_array(getattr(saved, "data", saved) if isinstance(saved, Tensor) else saved, name)
            for name, saved in state.items()
        }
        wrong = [f"{name} is missing" for name in own.keys() - arrays.keys()]
        wrong += [f"{name} is not a parameter or buffer of this module" for name in arrays.keys() - own.keys()]
        for name in own.keys() & arrays.keys():
            if arrays[name].shape != own[name].shape:
                wrong.append(f"{name} has shape {arrays[name].shape}, and the module's has {own[name].shape}")
            if arrays[name].dtype.kind == "c":
                wrong.append(f"{name} is complex")
        if wrong:
            raise ChainruleError(f"the saved state does not fit {type(self).__name__}: {'; '.join(sorted(wrong))}")
        for name, owned in own.items():
            owned.data[...] = arrays[name]
            owned.mark_changed()

    def _owned(self) -> dict[str, Tensor]:
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def multiply_adds(self, taken: tuple[int, ...], given: tuple[int, ...]) -> int:
        """How many products it adds up by itself, on the way from an input of one shape to a result of another.

        Modules inside it count their own. A layer that has some says so by writing this method. See `summary`.
        """
        return 0

    def summary(self, *inputs: Any) -> Summary:
        """A table of every layer: shape of its result, parameters, multiply-adds, for inputs (or one shape).

        Runs the module once as it is used (not trained), and leaves no trace. See `Summary`.

        >>> import chainrule as cr
        >>> cr.nn.Sequential(cr.nn.Linear(3, 2), cr.nn.ReLU()).summary((5, 3))
        layer  kind          result  parameters  multiply-adds
               Sequential    (5, 2)
        0      Linear(3, 2)  (5, 2)           8             30
        1      ReLU()        (5, 2)
        total                                 8             30
        """
        from chainrule.nn.summary import summarise

        return summarise(self, inputs)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={part!r}" for name, _, part in self.parts() if isinstance(part, Module))
        return f"{type(self).__name__}({inside})"


class Layer(Module):
    """A module that is shown as the call that makes it: what has to be given, and settings that are not the usual."""

    def settings_shown(self) -> dict[str, Any]:
        """The settings that are not held by an attribute of their own name."""
        return {}

    def __repr__(self) -> str:
        held = {"rng": None, "dtype": next((part.dtype for part in self.parameters()), np.float32)}
        held |= {**vars(self), **self.settings_shown()}
        said: list[str] = []
        for name, argument in signature(type(self)).parameters.items():
            value = held.get(name, argument.default)
            value = value.tolist() if isinstance(value, np.ndarray) else value
            if isinstance(argument.default, bool):
                value = value is not None and value is not False
            if argument.default is argument.empty:
                said.append(repr(value))
            elif value != argument.default:
                said.append(f"{name}={value if name == 'dtype' else repr(value)}")
        return f"{type(self).__name__}({', '.join(said)})"


OWN = (Parameter, Buffer, Module)
MAY_HOLD = (list, tuple, dict)
"""What is a part of a module, and what parts are looked for in."""


def _found(name: str, path: str, held: Any) -> Iterator[tuple[str, str, Any]]:
    """The parameters, buffers and modules in an attribute, looking into lists, tuples and dicts."""
    if isinstance(held, OWN):
        yield name, path, held
    elif isinstance(held, list | tuple):
        for i, part in enumerate(held):
            yield from _found(f"{name}.{i}", f"{path}[{i}]", part)
    elif isinstance(held, dict):
        for key, part in held.items():
            yield from _found(f"{name}.{key}", f"{path}[{key!r}]", part)


def check_size(owner: str, *, least: int = 1, **sizes: Any) -> None:
    """Refuse a size that is not a whole number of at least 1, or another least number."""
    for name, size in sizes.items():
        if not is_whole(size):
            raise DtypeError(f"{owner}: {name} is a whole number, not {size!r}")
        if size < least:
            raise ShapeError(f"{owner}: {name} is at least {least}, not {size}")


def check_dtype(owner: str, dtype: Any) -> None:
    """Refuse parameters of a type that has no derivatives."""
    if np.dtype(dtype) not in DIFFERENTIABLE:
        raise DtypeError(f"{owner}: dtype is float32 or float64, not {np.dtype(dtype)}")


def check_share(owner: str, share: Any) -> float:
    """Refuse a probability of dropping that is not from 0 to 1."""
    if not is_real(share) or not 0 <= share <= 1:
        raise ChainruleError(f"{owner}: the share that is dropped is from 0 to 1, not {share!r}")
    return float(share)


NUMBERED = "number the classes with classes, y = np.unique(y, return_inverse=True)"


def as_input(x: Any, owner: str) -> Any:
    """What a module computes with: a Tensor as it is, a list of Tensors stacked, anything else as an array."""
    if isinstance(x, Tensor) or takes_over(x):
        return x
    if isinstance(x, list | tuple) and any(is_node(part) for part in cast("list[Any]", x)):
        return gathered(x)
    return as_array(x, owner)


def named(x: Any) -> str:
    """An input as a message names it."""
    return x.describe() if isinstance(x, Tensor) else f"an array {x.shape}"


def refuse_texts(x: Any, owner: str, cure: str = NUMBERED) -> None:
    """Refuse texts, and say what to do: labels are numbered."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "fiubc":
        return
    first: Any = x
    while isinstance(first, list | tuple | np.ndarray) and np.ndim(first) and len(first):
        first = first[0]
    if isinstance(first, str | bytes):
        raise DtypeError(f"{owner} takes numbers, and got texts, as {str(first)!r}: {cure}")


def brackets(given: Any) -> str:
    """The advice for a class where a module is wanted."""
    return ": write it with brackets, as in ReLU()" if isinstance(given, type) else ""

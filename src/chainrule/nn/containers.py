"""Lists and dicts of modules and parameters, whose members count as a module's own."""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn.module import Module, Parameter, brackets


class ModuleList(Module):
    """A list of modules: their parameters count, and the module that holds it says how they are used.

    A plain Python list in an attribute does as well; this one is a module, so lists of lists can be named and saved.

    >>> import chainrule as cr
    >>> layers = cr.nn.ModuleList([cr.nn.Linear(2, 2), cr.nn.ReLU()])
    >>> layers.append(cr.nn.Linear(2, 1))
    ModuleList(Linear(2, 2), ReLU(), Linear(2, 1))
    >>> len(list(layers.parameters()))
    4
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.held: list[Module] = []
        self.extend(modules)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        if not isinstance(module, Module):
            raise DtypeError(f"ModuleList takes modules, and got {module!r}{brackets(module)}")
        self.held.append(module)
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add several at the end."""
        for module in modules:
            self.append(module)
        return self

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Each module with its place as its name."""
        return ((str(i), f"[{i}]", module) for i, module in enumerate(self.held))

    @overload
    def __getitem__(self, place: int) -> Module: ...
    @overload
    def __getitem__(self, place: slice) -> ModuleList: ...
    def __getitem__(self, place: int | slice) -> Any:
        return ModuleList(self.held[place]) if isinstance(place, slice) else self.held[place]

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.held)

    def __repr__(self) -> str:
        return f"ModuleList({', '.join(map(repr, self.held))})"


class ModuleDict(Module):
    """Modules by name: their parameters count, and the module that holds it says how they are used.

    Names are texts without a dot. It is used as a dict: ``layers["first"]``, ``in``, `keys`, `values`, `items`,
    `update`, `pop`, ``del``.

    >>> import chainrule as cr
    >>> heads = cr.nn.ModuleDict({"price": cr.nn.Linear(4, 1), "kind": cr.nn.Linear(4, 3)})
    >>> [name for name, _ in heads.named_parameters()]
    ['price.weight', 'price.bias', 'kind.weight', 'kind.bias']
    >>> heads["kind"](cr.zeros((2, 4))).shape
    (2, 3)
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        self.held: dict[str, Module] = {}
        self.update(modules)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add several, by name; one that has the name of another takes its place."""
        for name, module in dict(modules).items():
            self[name] = module

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Each module with its name."""
        return ((name, f"[{name!r}]", module) for name, module in self.held.items())

    def keys(self) -> Iterable[str]:
        """The names."""
        return self.held.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self.held.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self.held.items()

    def pop(self, name: str) -> Module:
        """Take a module out."""
        module = self[name]
        del self.held[name]
        return module

    def __getitem__(self, name: str) -> Module:
        if name not in self.held:
            raise KeyError(f"ModuleDict has no {name!r}; it has {', '.join(self.held) or 'nothing'}")
        return self.held[name]

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise DtypeError(f"ModuleDict: a name is a text without a dot, not {name!r}")
        if not isinstance(module, Module):
            raise DtypeError(f"ModuleDict takes modules, and {name!r} is {module!r}{brackets(module)}")
        self.held[name] = module

    def __delitem__(self, name: str) -> None:
        self.pop(name)

    def __contains__(self, name: object) -> bool:
        return name in self.held

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __repr__(self) -> str:
        return f"ModuleDict({{{', '.join(f'{name!r}: {module!r}' for name, module in self.held.items())}}})"


class ParameterList(Module):
    """A list of parameters that a module owns; Tensors and arrays become parameters, as of `Parameter`.

    >>> import chainrule as cr
    >>> factors = cr.nn.ParameterList([cr.nn.Parameter([1.0]), [2.0, 3.0]])
    >>> [(name, owned.shape) for name, owned in factors.named_parameters()]
    [('0', (1,)), ('1', (2,))]
    """

    def __init__(self, parameters: Iterable[Any] = ()) -> None:
        self.held: list[Parameter] = []
        if isinstance(parameters, Tensor):
            raise ShapeError("ParameterList takes parameters one by one: write [parameter]")
        self.extend(parameters)

    def append(self, parameter: Any) -> ParameterList:
        """Add one at the end."""
        self.held.append(parameter if isinstance(parameter, Parameter) else Parameter(parameter))
        return self

    def extend(self, parameters: Iterable[Any]) -> ParameterList:
        """Add several at the end."""
        for parameter in parameters:
            self.append(parameter)
        return self

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Each parameter with its place as its name."""
        return ((str(i), f"[{i}]", parameter) for i, parameter in enumerate(self.held))

    def __getitem__(self, place: int) -> Parameter:
        return self.held[place]

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.held)

    def __repr__(self) -> str:
        return f"ParameterList({', '.join(map(repr, self.held))})"

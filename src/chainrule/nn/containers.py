"""Lists and dicts of modules and parameters, whose members count as a module's own."""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Self, overload

from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn.module import Module, Parameter, brackets


class _Members(Module):
    """The base of lists: members of one kind, named by their places."""

    def __init__(self, members: Iterable[Any]) -> None:
        self.held: list[Any] = []
        self.extend(members)

    def append(self, member: Any) -> Self:
        """Add one at the end."""
        self.held.append(self._fit(member))
        return self

    def _fit(self, member: Any) -> Any:
        raise NotImplementedError

    def extend(self, members: Iterable[Any]) -> Self:
        """Add several at the end."""
        for member in members:
            self.append(member)
        return self

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Each member with its place as its name."""
        return ((str(i), f"[{i}]", member) for i, member in enumerate(self.held))

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.held)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.held))})"


class ModuleList(_Members):
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
        super().__init__(modules)

    def _fit(self, member: Module) -> Module:
        if not isinstance(member, Module):
            raise DtypeError(f"ModuleList takes modules, and got {member!r}{brackets(member)}")
        return member

    @overload
    def __getitem__(self, place: int) -> Module: ...
    @overload
    def __getitem__(self, place: slice) -> ModuleList: ...
    def __getitem__(self, place: int | slice) -> Any:
        return ModuleList(self.held[place]) if isinstance(place, slice) else self.held[place]


class ModuleDict(Module, MutableMapping[str, Module]):
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

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Each module with its name."""
        return ((name, f"[{name!r}]", module) for name, module in self.held.items())

    def _known(self, name: str) -> str:
        if name not in self.held:
            raise KeyError(f"ModuleDict has no {name!r}; it has {', '.join(self.held) or 'nothing'}")
        return name

    def __getitem__(self, name: str) -> Module:
        return self.held[self._known(name)]

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise DtypeError(f"ModuleDict: a name is a text without a dot, not {name!r}")
        if not isinstance(module, Module):
            raise DtypeError(f"ModuleDict takes modules, and {name!r} is {module!r}{brackets(module)}")
        self.held[name] = module

    def __delitem__(self, name: str) -> None:
        del self.held[self._known(name)]

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    __eq__ = object.__eq__
    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return f"ModuleDict({{{', '.join(f'{name!r}: {module!r}' for name, module in self.held.items())}}})"


class ParameterList(_Members):
    """A list of parameters that a module owns; Tensors and arrays become parameters, as of `Parameter`.

    >>> import chainrule as cr
    >>> factors = cr.nn.ParameterList([cr.nn.Parameter([1.0]), [2.0, 3.0]])
    >>> [(name, owned.shape) for name, owned in factors.named_parameters()]
    [('0', (1,)), ('1', (2,))]
    """

    def __init__(self, parameters: Iterable[Any] = ()) -> None:
        if isinstance(parameters, Tensor):
            raise ShapeError("ParameterList takes parameters one by one: write [parameter]")
        super().__init__(parameters)

    def _fit(self, member: Any) -> Parameter:
        return member if isinstance(member, Parameter) else Parameter(member)

    def __getitem__(self, place: int) -> Parameter:
        return self.held[place]

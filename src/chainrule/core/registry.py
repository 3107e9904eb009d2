"""Functions by their names, among them those of rooms that no program has asked for yet.

The rule book has many rooms, and most programs pass through few. A closed room opens, which is to say that its module
is loaded, when a name that it declares is looked up; whoever walks a registry opens all.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from importlib import import_module
from typing import Any, TypeVar

Entry = TypeVar("Entry")

rooms: dict[str, str] = {}
"""The modules of rooms that are closed at first, by the names that they declare; `chainrule.rules` fills it."""


def open_all() -> None:
    """Load every room."""
    for room in dict.fromkeys(rooms.values()):
        import_module(room)


class Registry(dict[str, Entry]):
    """What is declared, by name: to look a name up opens its room, and what needs all of them opens every room.

    Where rooms are not told by the names of a registry, it is not `indexed`, and a name that it has not opens them all.
    """

    def __init__(self, *, indexed: bool = True) -> None:
        super().__init__()
        self.indexed = indexed

    def declared(self, name: str) -> Entry | None:
        """What stands under a name already, or None: no room opens, as none can while another is being loaded."""
        return super().get(name)

    def get(self, name: str, default: Any = None) -> Any:
        """What stands under a name, or `default`."""
        found = super().get(name)
        if found is None and self.opens(name):
            found = super().get(name)
        return default if found is None else found

    def opens(self, name: Any) -> bool:
        """Load the room that declares a name; False where there is none."""
        if not self.indexed:
            open_all()
        elif name in rooms:
            import_module(rooms[name])
        else:
            return False
        return True

    def __missing__(self, name: str) -> Entry:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (self.opens(name) and super().__contains__(name))

    def __iter__(self) -> Iterator[str]:
        open_all()
        return super().__iter__()

    def __len__(self) -> int:
        open_all()
        return super().__len__()

    def keys(self) -> KeysView[str]:  # type: ignore[override]  (a dict's own views have no name in typing)
        open_all()
        return super().keys()

    def values(self) -> ValuesView[Entry]:  # type: ignore[override]
        open_all()
        return super().values()

    def items(self) -> ItemsView[str, Entry]:  # type: ignore[override]
        """All names with what stands under them."""
        open_all()
        return super().items()

    def copy(self) -> dict[str, Entry]:
        """All of it as a plain dict."""
        return dict(self.items())

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __eq__(self, other: object) -> bool:
        return self.copy() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.copy())

"""Packages whose public names load when they are first used: who trains a network waits for no table."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

from chainrule.collector import without_collector


def found(module: ModuleType, name: str) -> Any:
    """What a package has under a name, which is loaded now and kept."""
    if name not in module.__dict__["rooms"]:
        raise AttributeError(f"{module.__name__} has no {name!r}")
    room, own_name = module.__dict__["rooms"][name]
    with without_collector():
        loaded = importlib.import_module(room)
    module.__dict__[name] = getattr(loaded, own_name) if own_name else loaded
    return module.__dict__[name]


def listed(module: ModuleType) -> list[str]:
    """All names of a package, loaded or not."""
    return sorted({*module.__dict__, *module.__dict__["rooms"]})


class Later(ModuleType):
    """A package in which a function may be called as the file is that it stands in."""

    def __getattr__(self, name: str) -> Any:
        return found(self, name)

    def __dir__(self) -> list[str]:
        return listed(self)

    def __setattr__(self, name: str, held: Any) -> None:
        # Python binds a file that is loaded to its name in the package, where the function of that name is meant.
        if not (isinstance(held, ModuleType) and self.__dict__["rooms"].get(name, ("", ""))[1]):
            super().__setattr__(name, held)

    def __reduce__(self) -> Any:
        # As any module: a function that a notebook defines goes to another process with the packages that it uses.
        return importlib.import_module, (self.__name__,)


def load_later(package: str, files: Mapping[str, str], beside: Mapping[str, str] | None = None) -> None:
    """Let the names in a package's files, as ``{"file": "Name other"}``, load when they are first used.

    These are its ``__all__``. Files that are public themselves stand under the empty name, and one of another package
    goes by its whole name. `beside` has further names, each for one that is there or for a module.
    """
    module = sys.modules[package]
    rooms: dict[str, tuple[str, str]] = {}
    for file, names in files.items():
        room = file if file.startswith("chainrule.") else f"{package}.{file}"
        rooms |= {name: (room, name) if file else (room + name, "") for name in names.split()}
    public = sorted(rooms)
    rooms |= {name: rooms.get(own, (own, "")) for name, own in (beside or {}).items() if own in rooms or "." in own}
    module.__dict__.update(rooms=rooms, __all__=public)
    if any([name in names.split() for name, names in files.items()]):
        module.__class__ = Later
    else:
        # A module of Python's own class is read in a sixth of the time.
        module.__dict__.update(__getattr__=partial(found, module), __dir__=partial(listed, module))

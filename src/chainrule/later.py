"""Packages whose public names load when they are first used: who trains a network waits for no table."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any


class Later(ModuleType):
    """A package that knows which of its files has a name, and loads it when someone asks."""

    def __getattr__(self, name: str) -> Any:
        room = self.__dict__["rooms"].get(name)
        if room is None:
            raise AttributeError(f"{self.__name__} has no {name!r}")
        module = importlib.import_module(room)
        is_file = room == f"{self.__name__}.{name}" and not hasattr(module, name)
        found = module if is_file else getattr(module, name)
        self.__dict__[name] = found
        return found

    def __setattr__(self, name: str, held: Any) -> None:
        # Python binds a file that is loaded to its name in the package, where a function of that name may be meant.
        if not (isinstance(held, ModuleType) and name in self.__dict__["rooms"]):
            super().__setattr__(name, held)

    def __reduce__(self) -> Any:
        # As any module: a function that a notebook defines goes to another process with the packages that it uses.
        return importlib.import_module, (self.__name__,)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__dict__["rooms"]})


def load_later(package: str, files: Mapping[str, str]) -> None:
    """Let the names in a package's files, as ``{"file": "Name other"}``, load when they are first used.

    A file of another package goes by its whole name, and a file that is public itself has its own among its names.
    """
    module = sys.modules[package]
    rooms = {file if "." in file else f"{package}.{file}": names.split() for file, names in files.items()}
    module.__dict__["rooms"] = {name: room for room, names in rooms.items() for name in names}
    module.__class__ = Later

"""Write the stubs of the packages whose names load when they are used: the same names, as type checkers read them."""

from __future__ import annotations

from pathlib import Path

import chainrule as cr
from chainrule import codegen, program

PACKAGES = (cr, codegen, cr.data, cr.nn, cr.optim, program, cr.training)
HEAD = "# Written by docs/write_stubs.py from what the package loads when a name in it is used.\n\n"
OWN = "\n__all__: list[str]\n__version__: str\n"
"""What the whole package has besides."""


def stubs() -> dict[Path, str]:
    """The text of every stub, by its place; another name for what has one already is for those who know NumPy's."""
    found: dict[Path, str] = {}
    for package in PACKAGES:
        rooms: dict[str, tuple[str, str]] = vars(package)["rooms"]
        names = [(room if own else room.rpartition(".")[0], name) for name, (room, own) in rooms.items()]
        named = sorted(pair for pair in names if rooms[pair[1]][1] in ("", pair[1]))
        lines = [f"from {room} import {name} as {name}\n" for room, name in named]
        text = "".join([HEAD, *lines, OWN * (package is cr)])
        found[Path(package.__file__ or "").with_suffix(".pyi")] = text
    return found


if __name__ == "__main__":
    for place, written in stubs().items():
        place.write_text(written, encoding="utf-8")

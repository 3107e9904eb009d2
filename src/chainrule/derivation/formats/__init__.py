"""The formats: each writes the blocks of a derivation, and computes nothing.

A format is a module here with a function ``write(derivation, **options) -> str``.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from chainrule.derivation.record import Derivation
from chainrule.errors import FormatError, meant
from chainrule.files import write_whole

FORMATS: dict[str, tuple[str, ...]] = {
    "terminal": (),
    "plain": (".txt",),
    "markdown": (".md", ".markdown"),
    "latex": (".tex",),
    "html": (".html", ".htm"),
    "json": (".json",),
}
"""Every format, and the suffixes of its files."""


def write(derivation: Derivation, format: str, **options: Any) -> str:  # noqa: A002 - the word of the command line
    """A derivation in a format.

    Options: `width` for terminal and plain, `color` for terminal, `fragment` for latex and html.
    Raises FormatError for an unknown format.
    """
    if format not in FORMATS:
        hint = meant(format, FORMATS) or ":"
        raise FormatError(f"there is no format {format!r}{hint} there are {', '.join(FORMATS)}")
    return importlib.import_module(f"{__name__}.{format}").write(derivation, **options)


def format_of(path: Path) -> str:
    """The format that a file's suffix asks for."""
    for name, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return name
    known = ", ".join([suffix for suffixes in FORMATS.values() for suffix in suffixes])
    said = f"the suffix {path.suffix}" if path.suffix else "no suffix"
    raise FormatError(f"{path.name!r} has {said}, so its format is unknown: give it one of {known}")


def save(derivation: Derivation, path: str | Path, **options: Any) -> None:
    """Write a derivation to a file, in the format of its suffix; a file that was there stays whole if this fails."""
    path = Path(path)
    text = write(derivation, format_of(path), **options)
    if not path.parent.is_dir():
        raise FormatError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    write_whole(path, text, error=FormatError)

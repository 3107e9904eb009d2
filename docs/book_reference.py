"""The reference of the book: the public names of a module with what their docstrings say."""

from __future__ import annotations

import contextlib
import inspect
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def page_of_module(title: str, module: ModuleType) -> str:
    """The public names of a module with what their docstrings say."""
    names = [name for name in getattr(module, "__all__", dir(module)) if not name.startswith("_")]
    parts = [part for name in sorted(names, key=str.lower) for part in entry_of(name, getattr(module, name))]
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def entry_of(name: str, thing: Any) -> Iterator[str]:
    """A heading, the signature and the docstring."""
    text = inspect.getdoc(thing)
    if not text or isinstance(thing, ModuleType):
        return
    yield f"## {name}"
    with contextlib.suppress(TypeError, ValueError):
        yield f"```python\n{name}{without_annotations(inspect.signature(thing))}\n```"
    yield as_markdown(text)


def without_annotations(signature: inspect.Signature) -> inspect.Signature:
    """The names and defaults alone: shapes and types are in the words."""
    bare = [x.replace(annotation=inspect.Parameter.empty) for x in signature.parameters.values()]
    return signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)


def as_markdown(docstring: str) -> str:
    """A docstring as Markdown: examples fenced, double backquotes single."""
    pieces: list[str] = []
    for paragraph in docstring.replace("``", "`").split("\n\n"):
        is_example = paragraph.lstrip().startswith(">>>")
        pieces.append(f"```pycon\n{textwrap.dedent(paragraph)}\n```" if is_example else paragraph.replace("<", "&lt;"))
    return "\n\n".join(pieces)

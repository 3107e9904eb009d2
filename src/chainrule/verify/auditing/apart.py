"""An audit in a process of its own, where statements that are not read are run, if that is allowed."""

# What a program holds is known only when it has run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from chainrule.verify.answers.traced import Traced, bare
from chainrule.verify.audit import audit_source
from chainrule.verify.auditing.reader import Reader
from chainrule.verify.auditing.source import read_source
from chainrule.verify.auditing.values import Scope, on_tape


class Runner:
    """Runs single statements of a program, and puts the numbers that they give where the reader looks for them."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"__name__": "__main__"}

    def __call__(self, node: ast.stmt, reader: Reader) -> None:
        for name, value in reader.scope.names.items():
            if isinstance(value, Traced | list | int | float):
                self.space[name] = bare(value)
        before = {name: id(value) for name, value in self.space.items()}
        module = ast.Module([node], [])
        try:
            exec(compile(module, "<the program>", "exec"), self.space)  # noqa: S102  (--run-code, in a process of its own)
        except Exception as error:  # noqa: BLE001  (it is the user's program)
            reader.unread.append(f"{reader.line_of(node)} ({type(error).__name__}: {error})")
            return
        for name, value in self.space.items():
            if before.get(name) != id(value) and isinstance(value, np.ndarray | int | float):
                put(reader, reader.scope, name, value)


def put(reader: Reader, scope: Scope, name: str, value: Any) -> None:
    """Give a name of the reader a number or an array that was computed elsewhere."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "fiub":
        return
    scope.names[name] = on_tape(reader.tape, value, name)


def audit_code(path: str) -> dict[str, Any]:
    """The audit of a file as data, with what is not read run."""
    source = read_source(path)
    found = audit_source(source, path, Reader(source, really=Runner()))
    return {**found.as_dict(), "text": str(found)}

"""Audit somebody's notebook or script: find its backward passes by reading, and say which lines are wrong and why."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from chainrule.verify.auditing.assumed import assuming
from chainrule.verify.auditing.auditor import NEVER_CALLED, audited
from chainrule.verify.auditing.clock import Clock
from chainrule.verify.auditing.entries import entries
from chainrule.verify.auditing.reader import Reader
from chainrule.verify.auditing.report import Audit
from chainrule.verify.auditing.source import Source, read_source

SECONDS = 8.0
"""How long a file is read and checked."""


def audit(path: str | Path) -> Audit:
    r"""Read a .py or .ipynb file, and check every backward pass in NumPy that is found there; nothing is run.

    Loops, functions, classes and cells are followed as Python would, one round of each training loop. What parameters
    move by, or what is named a gradient, is compared with the gradient of the loss that the program computes, at
    generic numbers, and a mistake is named as `grade` names it. Gradients that are all off by the same positive factor
    are right: the rate, or the loss as it is printed, takes it up. Raises FileError for what is no such file.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> text = "w, b, x, y = 0.5, 0.1, 2.0, 1.0\nfor i in range(9):\n    e = w*x + b - y\n    loss = e**2\n"
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "line.py")
    ...     _ = file.write_text(text + "    w -= 0.1*2*e*x\n    b -= 0.1*2*e*x\n")
    ...     print(cr.audit(file).mistakes[0].name)
    wrong-update
    """
    return audit_source(read_source(path), Path(path).name)


def audit_source(source: Source, name: str, reader: Reader | None = None) -> Audit:
    """The same of statements that are read already."""
    clock = Clock(SECONDS)
    reader = reader or Reader(source)
    reader.clock = clock
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # as of the mean of nothing
        found = looked_through(source, name, reader, clock)
    return found if found.checked else replace(found, unread=(*foreign(reader), *found.unread))


def looked_through(source: Source, name: str, reader: Reader, clock: Clock) -> Audit:
    """The audit of what a program says, or else of what it says with shapes for what it reads from elsewhere.

    Where nothing is checked so, functions that nothing calls are followed one by one.
    """
    reader.read()
    found = audited(reader, name, clock)
    if found.checked or reader.really is not None or not reader.foreign.keys() <= {"sklearn"}:
        return found
    if reader.met:
        found = assuming(source, name, found, reader, clock)
    if found.checked:
        return found
    followed: set[str] = set()
    for entry in entries(reader):
        one = assuming(source, name, Audit(name, (), (), ()), reader, clock, entry)
        followed |= set(entry) if one.checked else set[str]()
        unread = [text for text in one.unread if not text.endswith(NEVER_CALLED)]
        found = Audit(name, (*found.checked, *one.checked), (*found.remarks, *one.remarks), (*found.unread, *unread))
    return replace(found, unread=tuple([x for x in found.unread if x.removesuffix(NEVER_CALLED) not in followed]))


def foreign(reader: Reader) -> list[str]:
    """Why nothing is said of a program that computes with other libraries."""
    if not reader.foreign:
        return []
    lines = "; ".join(map(str, dict.fromkeys(reader.foreign.values())))
    return [f"what {', '.join(reader.foreign)} computes: gradients are looked at where they stand in NumPy ({lines})"]

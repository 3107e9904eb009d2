"""Shapes for what a program reads from elsewhere, or what its functions take: those with which its arrays fit."""

# Arrays hold numbers of any type.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.state import Quiet
from chainrule.verify.auditing.auditor import audited
from chainrule.verify.auditing.clock import Clock
from chainrule.verify.auditing.entries import follow
from chainrule.verify.auditing.reader import ERRORS, Reader
from chainrule.verify.auditing.report import Audit
from chainrule.verify.auditing.source import Source
from chainrule.verify.auditing.values import Stop

MOST_ASSUMED = 6
"""Variables that are read from elsewhere, for which shapes are tried."""

MOST_TRIES = 800
"""Readings of one program with other shapes."""

ENOUGH = 4
"""Readings that are compared where shapes fit in several ways."""

EXAMPLES = 6
"""Rows of data that are assumed."""


def assuming(
    source: Source, name: str, blank: Audit, reader: Reader, clock: Clock, entry: tuple[str, ...] = ()
) -> Audit:
    """The audit with shapes for what is read from elsewhere; a mistake has to show with every shape that fits."""
    found: list[Audit] = []
    axes: list[list[int]] = []
    tried = 0
    missing: list[str] = []
    waiting: list[dict[str, Assumed]] = [{}]
    while waiting and len(found) < ENOUGH and tried < MOST_TRIES and not clock.is_late():
        assumed = waiting.pop()
        random = np.random.default_rng(0)
        again = Reader(source, {key: one.drawn(random) for key, one in assumed.items()}, entry=entry)
        again.clock = clock
        again.read()
        with Quiet(), suppress(Stop, *ERRORS):
            follow(again)
        tried += 1
        if assumed and (again.misfits > reader.misfits or spreads(again)):
            continue
        one = audited(again, name, clock)
        missing = missing or again.roots()[:MOST_ASSUMED]
        if one.checked:
            told = ", ".join(f"{key} {one.shape}" for key, one in assumed.items())
            found.append(replace(one, remarks=(*one.remarks, f"read from elsewhere, and taken to be of shape: {told}")))
            axes.append([len(kind.shape) for kind in assumed.values()])
            if not one.mistakes and all(x.verdict == "right" for x in one.checked):
                return found[-1]
            continue
        more = [key for key in again.roots() if key not in assumed]
        if more and len(assumed) < MOST_ASSUMED:
            waiting += [{**assumed, more[0]: one} for one in reversed(kinds_of_array(reader, more[0], entry))]
    if not found:
        told = [f"of {', '.join(missing)} no shape is known: give numbers for a few examples"] if missing else []
        return replace(blank, unread=(*blank.unread, *told))
    # Tables where there were lists are another program.
    names = [{m.name for m in one.mistakes} for one, count in zip(found, axes, strict=True) if count == axes[0]]
    agreed = set.intersection(*names)
    if all(names) and agreed:
        return found[0]
    unclear = tuple([replace(x, verdict="unclear", mistakes=()) for x in found[0].checked])
    return replace(found[0], checked=unclear, unread=blank.unread)


def spreads(reader: Reader) -> bool:
    """Whether two arrays make a table of one with the other somewhere, as a column and a row do that were both data."""
    notes = reader.tape.notes
    return any(
        np.size(note.value) > max(np.size(notes[x].value) for x in note.inputs)
        for note in notes
        if len(note.inputs) == 2 and note.operation in ("add", "sub", "mul", "div")
    )


class Assumed(NamedTuple):
    """What is assumed of a variable: its shape, and whether it has whole numbers, as labels are."""

    shape: tuple[int, ...]
    whole: bool = False

    def drawn(self, random: np.random.Generator) -> Any:
        return random.integers(0, 2, self.shape) if self.whole else random.uniform(0.3, 1.3, self.shape)


def kinds_of_array(reader: Reader, name: str, entry: Sequence[str]) -> list[Assumed]:
    """What data and parameters may be: examples in rows or columns, as wide as the program's own arrays."""
    sizes = {n for note in reader.tape.notes for n in np.shape(note.value) if 1 <= n <= MOST_WIDE}
    widths = INNER if entry else sorted(sizes | {1, 3})
    tables = [Assumed((EXAMPLES, n)) for n in widths] + [Assumed((n, EXAMPLES)) for n in widths]
    matrices = [Assumed((n, m)) for n in INNER for m in INNER if n != m]
    vectors = [Assumed((n,)) for n in INNER]
    rows = [Assumed((EXAMPLES,)), Assumed((EXAMPLES, 1)), Assumed((1, EXAMPLES))]
    number = [Assumed(())]
    if not entry:
        return [*tables, rows[0], *number] if name[:1].isupper() else [*rows, *number, *tables]
    labels = [Assumed((EXAMPLES,), True)]
    if re.match(r"b\d*$|beta|gamma|bias", name):
        return [*vectors, *number * (len(entry) == 1), *matrices]
    if re.match(r"w|theta", name, re.IGNORECASE):
        return [*matrices, *vectors, *number]
    if re.match(r"y|t$|labels?$|targets?", name):
        return [*labels, *rows, *tables, *number]
    return [*tables, *rows, *vectors, *matrices, *number]


INNER = (3, 4, 2)
"""Widths of layers that are assumed of a function's arguments; with 1 a sum too many would be none."""

MOST_WIDE = 1_000

"""What is probably not meant as it stands in a table: it is read as it is, and told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.block import Block

Array = NDArray[Any]
STAND_INS = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0)
"""Numbers that many programs write where they have none."""
FEWEST_STAND_INS = 3
FAR = 5.0
"""A number that stands for a missing one is so many times as far from all others as they are spread."""
LISTED = 3


def notes_on_stand_ins(block: Block) -> dict[str, str]:
    """By column, that its smallest or largest number occurs often, lies far from all others, and is a usual one."""
    if not block.values.size:
        return {}
    ends = np.stack(block.ends)
    found: dict[str, str] = {}
    for place in np.flatnonzero(np.isin(ends, STAND_INS).any(axis=0)).tolist():
        name = block.names[place]
        notes = [note for end in ends[:, place].tolist() if (note := _stand_in(name, block.values[:, place], end))]
        if notes:
            found[name] = "; ".join(notes)
    return found


def _stand_in(name: str, values: Array, end: float) -> str:
    given = values[~np.isnan(values)]
    others = given[given != end]
    count = len(given) - len(others)
    if end not in STAND_INS or count < FEWEST_STAND_INS or len(others) < FEWEST_STAND_INS:
        return ""
    least, most = float(others.min()), float(others.max())
    if min(abs(end - least), abs(end - most)) <= FAR * (most - least):
        return ""
    return (
        f"column {name!r}: {end:.6g} stands in {count:,} rows, far from all others, {least:.6g} to {most:.6g}; "
        f'missing="{end:.6g}" would take it for a missing value'
    )


def notes_on_capitals(name: str, words: Sequence[str]) -> Iterator[str]:
    """Words of a column that differ in capitals alone, and so count as different."""
    alike: dict[str, list[str]] = {}
    for word in words:
        alike.setdefault(word.casefold(), []).append(word)
    groups = [" and ".join(map(repr, group)) for group in alike.values() if len(group) > 1]
    if groups:
        more = f", and so do {len(groups) - LISTED:,} more" if len(groups) > LISTED else ""
        yield f"column {name!r}: {', '.join(groups[:LISTED])} differ in capitals alone{more}, and count as different"

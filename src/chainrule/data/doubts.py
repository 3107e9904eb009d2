"""What is probably not meant as it stands in a table: it is taken as it is, and told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.data.block import Block
from chainrule.data.columns import Columns, Numbers
from chainrule.data.notes import Note
from chainrule.kinds import Array

STAND_INS = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0)
"""Numbers that many programs write where they have none."""
FEWEST_STAND_INS = 3
FAR = 5.0
"""A number that stands for a missing one is so many times as far from all others as they are spread."""
LISTED = 3
STOOD_IN = "have a usual stand-in for a missing value far from all others; missing= with it would take it for one"
COPIES = "say the same as other columns, but for their scale; ignore= would leave some out"
CAPITALS = "have texts that differ in capitals alone, and count as different"
"""What is told of many columns at once."""

FEWEST_ALIKE, MOST_LOOKED_AT = 20, 20_000_000
"""Rows below which columns may agree by chance, and entries above which none are compared."""

FEWEST_SUMMED, SUMMED, SUMMED_UP = 6, 1e-9, 1.5
"""Rows from which on a last one may be a total, the rounding of its sum, and how many deviations it is at least."""

ALL_BUT_ROUNDING, DIGITS_ALIKE = 1 - 1e-6, 5
"""A correlation that is 1 but for rounding, and the digits to which numbers of float32 agree."""


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
            found[name] = Note("; ".join(notes), name, STOOD_IN)
    return found


def notes_on_totals(block: Block, rows: Array) -> list[str]:
    """That numbers of the last row are sums of all above, as below a sheet of accounts; `rows` has their numbers."""
    if len(block.values) < FEWEST_SUMMED:
        return []
    found, last = block.measures, block.values[-1]
    above = found.means * (len(block.values) - found.gaps) - last
    # Where numbers are around 0, so is their sum.
    is_sum = np.isclose(last, above, rtol=SUMMED, atol=0) & (np.abs(last) > SUMMED_UP * found.scales)
    # A number and zeros have a sum too.
    several = [i for i in np.flatnonzero(is_sum).tolist() if np.count_nonzero(np.nan_to_num(block.values[:-1, i])) > 1]
    names = [repr(block.names[i]) for i in several]
    if not names:
        return []
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    where = f"row {rows[-1]} has the sum of all rows above it in {', '.join(names[:LISTED])}{more}"
    return [f"{where}: if it is a total, take it out of the file"]


def notes_on_features(x: Array, targets: Array, columns: Columns) -> list[str]:
    """That columns of numbers say the same, and that one alone tells the target, of which it may be a consequence.

    `x` has shape (rows, features) and `targets` (rows,): class numbers or numbers.
    """
    sources = [(column, i) for column in columns.features for i in range(len(column.feature_names))]
    if len(columns.features) < 2 or len(x) < FEWEST_ALIKE or x.size > MOST_LOOKED_AT:
        return []
    centred = x - x.mean(axis=0, dtype=float)
    sizes = np.sqrt(np.square(centred).sum(axis=0))
    varies = sizes > 0
    unit = np.divide(centred, sizes, out=np.zeros_like(centred), where=varies)
    alike: dict[bytes, list[str]] = {}
    for i, (column, part) in enumerate(sources):
        if isinstance(column, Numbers) and not part and varies[i]:
            signed: Array = unit[:, i] * np.sign(unit[np.abs(unit[:, i]).argmax(), i])
            alike.setdefault((np.round(signed, DIGITS_ALIKE) + 0.0).tobytes(), []).append(column.name)
    notes: list[str] = [Note(_on_copies(names), names[0], COPIES) for names in alike.values() if len(names) > 1]
    telling = (
        f"each alone tell {columns.target.name!r}: if they are known only after that, no judgement here holds, and "
        "ignore= would leave them out"
    )
    goal = np.eye(len(columns.classes))[targets] if columns.classes else targets[:, None].astype(float)
    goal = goal - goal.mean(axis=0)
    lengths = np.sqrt(np.square(goal).sum(axis=0))
    strength = np.abs(unit.T @ goal) / np.where(lengths > 0, lengths, 1.0)
    strong = strength > ALL_BUT_ROUNDING
    end = 0
    for column in columns.features:
        begin, end = end, end + len(column.feature_names)
        if (strong[begin:end].any(axis=0) | (lengths == 0)).all():
            notes.append(Note(_on_telling(column.name, columns.target.name), column.name, telling))
    return notes


def _on_copies(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1 - LISTED:,} more" if len(names) - 1 > LISTED else ""
    copies = ", ".join(map(repr, names[1 : 1 + LISTED]))
    return f"column {names[0]!r} says the same as {copies}{more}, but for its scale; ignore= would leave one out"


def _on_telling(name: str, target: str) -> str:
    return (
        f"column {name!r} alone tells {target!r}: if it is known only after that, no judgement here holds; ignore= "
        "would leave it out"
    )


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
        told = f"column {name!r}: {', '.join(groups[:LISTED])} differ in capitals alone{more}, and count as different"
        yield Note(told, name, CAPITALS)

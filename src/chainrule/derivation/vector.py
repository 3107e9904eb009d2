"""Several outputs at once: a Jacobian with a row for each of them, and how each row comes about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.tensor import Tensor
from chainrule.derivation.checked import Checking
from chainrule.derivation.equations import proved
from chainrule.derivation.formats.displayed import MOST_LINES, lines_of
from chainrule.derivation.record import Block, Derivation, Equation, Heading
from chainrule.derivation.words import said
from chainrule.errors import GraphError
from chainrule.maths import Symbol

MOST_ROWS = 6
"""Outputs that are told of one by one."""
MOST_COLUMNS = 6
"""Columns of a Jacobian that is written out."""

JACOBIAN = Symbol("J")


def outputs_of(output: Any) -> list[Any] | None:
    """The numbers that a vector or a list consists of; None for what is one number, or no node at all."""
    if isinstance(output, list | tuple):
        return list(output)
    if isinstance(output, Tensor) and output.ndim == 1:
        rows = [output[i] for i in range(output.size)]
        for i, row in enumerate(rows, 1):
            row.label = f"{output.label or 'f'}{i}"
        return rows
    return None


def row_by_row(parts: Sequence[Any], explain: Callable[[Any], Derivation]) -> Derivation:
    """The explanation of several numbers, by that of each; GraphError for more than have room on a page."""
    if not parts:
        raise GraphError("an explanation starts from at least one number, and this is an empty list")
    if len(parts) > MOST_ROWS:
        raise GraphError(
            f"a Jacobian is explained row by row for up to {MOST_ROWS} outputs, and here are {len(parts):,}: take some "
            "of them, as output[:3], or cr.jacobian(f)(…) for its numbers"
        )
    if not all([isinstance(part, Value | Tensor) for part in parts]):
        raise GraphError("a list of outputs has Values and Tensors of one number each")
    rows = [explain(part) for part in parts]
    matrix = as_matrix(rows)
    story: list[Block] = [] if matrix is None else [matrix]
    for i, row in enumerate(rows, 1):
        story += [Heading(said(f"Row {i}: ", row.title)), *row.story]
    last = rows[-1]
    gradients = [row.gradient for row in rows]
    return replace(
        last,
        title=said(f"The Jacobian of {len(rows)} outputs, a row for each"),
        value=tuple([row.value for row in rows if row.value is not None]),
        gradient=None if any([x is None for x in gradients]) else tuple([x for x in gradients if x is not None]),
        story=tuple(story),
        short=tuple(short(rows, matrix)),
        known=tuple(dict.fromkeys([known for row in rows for known in row.known])),
        nodes=(),
        log=(),
        counts={"rows": len(rows)},
    )


def as_matrix(rows: Sequence[Derivation]) -> Equation | None:
    """The whole Jacobian in numbers; None where it has no room, or the rows are of several names."""
    gradients = [
        np.ravel(np.asarray(row.gradient, dtype=float)) for row in rows if isinstance(row.gradient, float | tuple)
    ]
    if len(gradients) < len(rows) or gradients[0].size > MOST_COLUMNS or not np.all(np.isfinite(gradients)):
        return None
    numbers = np.array(gradients)
    whole = replace(JACOBIAN, shape=numbers.shape)
    (found,) = Checking({whole: numbers}).of([proved([whole], None, numbers, digits=rows[0].digits)])
    assert isinstance(found, Equation)
    return replace(found, note="a row for each output")


def short(rows: Sequence[Derivation], matrix: Equation | None) -> Iterator[Block]:
    """What each row is made of, as far as a dozen lines go, and the whole in numbers."""
    left = MOST_LINES - (0 if matrix is None else lines_of(matrix))
    seen: set[Any] = set()
    for row in rows:
        for block in row.short:
            if isinstance(block, Equation) and block.sides[0] not in seen and lines_of(block) <= left:
                left -= lines_of(block)
                seen.add(block.sides[0])
                yield block
    if matrix is not None:
        yield matrix

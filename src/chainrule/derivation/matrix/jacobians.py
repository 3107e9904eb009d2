r"""The Jacobians of single operations: their numbers by the rule book's backward pass, their structure, their letters.

A row of a Jacobian is what one output hands back to all inputs. Small ones are built row by row; of large ones a few
rows are looked at, since nobody needs to store them. Entries of arrays are counted row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.derivation.choices import said_in_general
from chainrule.derivation.tape.tape import Tape, without_casts
from chainrule.kinds import Array
from chainrule.maths import Applied, Tree
from chainrule.maths.tree import applied, exact
from chainrule.rewrite.local import handed_back_in_trees, jacobian

Node = Any

MOST_ENTRIES = 4096
"""Larger Jacobians are not built; their structure is read off a few rows."""

ROWS_LOOKED_AT = 3


class Factor(NamedTuple):
    """How one node moves with another: a Jacobian with a row for each entry of the upper one."""

    upper: Any
    lower: Any
    slot: int
    operation: str
    rows: int
    columns: int
    matrix: Array | None
    """None where it is too large to be built, or not finite."""
    structure: str
    letters: Tree | None
    """The Jacobian in symbols; None where it has no short formula."""
    stored: int
    """How many numbers the rule keeps in its place."""


def factor_of(tape: Tape, node: Any, slot: int, names: Mapping[Any, Tree]) -> Factor:
    """The Jacobian of an operation in one of its inputs. O(outputs × one backward step) where it is built."""
    lower = dict(node.edges)[slot]
    rows, columns = int(np.size(node.data)), int(np.size(lower.data))
    with Quiet():
        matrix = finite(built(tape, node, slot)) if rows * columns <= MOST_ENTRIES else None
        structure = said_in_general(
            structure_of(matrix) if matrix is not None else structure_of_large(tape, node, slot)
        )
        letters = letters_of(tape, node, slot, matrix, names)
    return Factor(node, lower, slot, node.op.name, rows, columns, matrix, structure, letters, stored(tape, node, slot))


def finite(matrix: Array) -> Array | None:
    """A Jacobian that can be multiplied as a matrix: an infinite entry would make nan of the zeros that it meets."""
    return matrix if matrix.size == 1 or np.all(np.isfinite(matrix)) else None


def stored(tape: Tape, node: Any, slot: int) -> int:
    """How many numbers the rule's backward step reads."""
    inputs = tape.inputs(node)
    of_output, places = node.op.reads(slot, len(inputs))
    return int(np.size(node.data)) * of_output + sum(int(np.size(inputs[i])) for i in places)


def built(tape: Tape, node: Any, slot: int) -> Array:
    if isinstance(node, Value):
        return np.array([[float(tape.slope(node, slot))]])
    return np.array([tape.row(node, slot, place) for place in np.ndindex(node.shape)]).reshape(node.size, -1)


def structure_of(matrix: Array) -> str:
    """What a Jacobian looks like, in words.

    >>> import numpy as np
    >>> from chainrule.derivation.matrix.jacobians import structure_of
    >>> structure_of(np.diag([4.0, 5.0, 6.0])), structure_of(np.eye(3)), structure_of(np.ones((1, 3)))
    ('diagonal', 'identity', 'row of ones')
    """
    rows, columns = matrix.shape
    if rows == columns == 1:
        return "a number"
    if not np.any(matrix):
        return "zero"
    if rows == 1 or columns == 1:
        name = "row" if rows == 1 else "column"
        return f"{name} of ones" if np.all(matrix == 1) else name
    if rows == columns and np.array_equal(matrix, np.diag(np.diagonal(matrix))):
        first = matrix[0, 0]
        if np.all(np.diagonal(matrix) == first):
            return {1.0: "identity", -1.0: "minus the identity"}.get(float(first), "scaled identity")
        return "diagonal"
    if np.all((matrix == 0) | (matrix == 1)) and np.all(matrix.sum(axis=1) == 1):
        places = matrix.sum(axis=0)
        return "permutation" if np.all(places == 1) else "picks entries" if np.all(places <= 1) else "copies entries"
    return blocks_of(matrix) or ("sparse" if np.mean(matrix == 0) >= 0.5 else "dense")


def blocks_of(matrix: Array) -> str:
    """Whether it is made of equal blocks along the diagonal, or is a grid of scaled identities; else empty."""
    rows, columns = matrix.shape
    for count in range(min(rows, columns), 1, -1):
        if rows % count or columns % count:
            continue
        block = matrix[: rows // count, : columns // count]
        if np.array_equal(matrix, np.kron(np.eye(count), block)):
            return f"block diagonal: {count} equal blocks {block.shape[0]} × {block.shape[1]}"
        grid = matrix[::count, ::count]
        if np.array_equal(matrix, np.kron(grid, np.eye(count))):
            return f"a grid of scaled identities {count} × {count}"
    return ""


def structure_of_large(tape: Tape, node: Any, slot: int) -> str:
    """The same of a Jacobian that is not built: by the kind of its rule, and by a few of its rows."""
    if isinstance(node.op, Pointwise):
        return "diagonal"
    rows = node.size
    looked_at = sorted({0, rows // 2, rows - 1})[:ROWS_LOOKED_AT]
    found = [tape.row(node, slot, tuple(map(int, np.unravel_index(i, node.shape)))) for i in looked_at]
    if not all(map(np.all, map(np.isfinite, found))):
        return "with entries that are not finite"
    filled = list(map(np.count_nonzero, found))
    columns = int(np.size(dict(node.edges)[slot].data))
    if rows == 1:
        return "row"
    if columns == 1:
        return "column"
    if max(filled) == columns:
        return "dense"
    return f"sparse: {max(filled):,} of {columns:,} entries in a row are not zero"


def letters_of(tape: Tape, node: Any, slot: int, matrix: Array | None, names: Mapping[Any, Tree]) -> Tree | None:
    """A Jacobian in symbols; None where it has no short formula."""
    inputs, shapes, settings = tape.letters(node, names), list(map(np.shape, tape.inputs(node))), without_casts(node)
    if isinstance(node.op, Pointwise):
        if not has_letters(node, names):
            return None
    elif node is tape.output and node.op.composition is not None:
        found = handed_back_in_trees(node.op, slot, None, names[node], inputs, shapes, settings)
        return None if found is None or found.ndim > 1 else applied("reshape", found, shape=(1, found.size))
    elif matrix is None:
        return None
    elif tape.is_constant(node, slot):
        return letters_of_constant(matrix)
    return jacobian(node.op, slot, names[node], inputs, shapes, settings)


def has_letters(node: Any, names: Mapping[Any, Tree]) -> bool:
    """Whether all arrays that a node takes in have names."""
    return all([x in names if isinstance(x, Value | Tensor) else np.size(x) == 1 for x in node.inputs])


def letters_of_constant(matrix: Array) -> Tree | None:
    """A Jacobian of one repeated number: ones in a row or column, or an identity."""
    structure, first = structure_of(matrix), float(matrix.flat[0])
    if structure in ("identity", "minus the identity", "scaled identity"):
        identity = applied("eye", n=len(matrix))
        return identity if first == 1 else applied("neg", identity) if first == -1 else exact(first) * identity
    if structure.startswith(("row", "column")) and np.all(matrix == first):
        return applied("broadcast_to", exact(first), shape=matrix.shape)
    return None


def flipped(tree: Tree) -> Tree:
    """A Jacobian's transpose in symbols; that of a Kronecker product is the product of the transposes.

    >>> from chainrule.derivation.matrix.jacobians import flipped
    >>> from chainrule.maths import Symbol, unicode
    >>> from chainrule.maths.tree import applied
    >>> unicode(flipped(applied("kron", applied("eye", n=3), Symbol("W", shape=(2, 4)))))
    '𝐈₃ ⊗ Wᵀ'
    """
    name = tree.name if isinstance(tree, Applied) else ""
    if isinstance(tree, Applied):
        if name == "kron":
            return applied("kron", *map(flipped, tree.inputs))
        if name in ("eye", "diag"):
            return tree
        if name in ("neg", "mul"):
            return applied(name, *[flipped(x) if x.ndim == 2 else x for x in tree.inputs])
        if name == "broadcast_to":
            return applied(name, *tree.inputs, shape=tree.shape[::-1])
        if name == "transpose":
            return tree.inputs[0]
        if name == "reshape" and tree.ndim == 2 and 1 in tree.shape:
            return applied("reshape", *tree.inputs, shape=tree.shape[::-1])
    return applied("reshape", tree, shape=(1, tree.size)) if tree.ndim == 1 else tree.T

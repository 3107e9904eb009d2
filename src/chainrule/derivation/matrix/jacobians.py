r"""The Jacobians of single operations: their numbers by the rule book's backward pass, their structure, their letters.

A row of a Jacobian is what one output hands back to all inputs. Small ones are built row by row; of large ones a few
rows are looked at, since nobody needs to store them. Entries of arrays are counted row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.derivation.network.entrywise import entrywise
from chainrule.derivation.tape.contributions import slope_in_symbols
from chainrule.derivation.tape.tape import Tape, constant, without_casts
from chainrule.maths import Applied, Number, Tree
from chainrule.maths.tree import applied, exact

Array = np.ndarray[Any, Any]
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


def factor_of(opened: Tape, node: Any, slot: int, names: Mapping[Any, Tree]) -> Factor:
    """The Jacobian of an operation in one of its inputs. O(outputs × one backward step) where it is built."""
    lower = dict(node.edges)[slot]
    rows, columns = int(np.size(node.data)), int(np.size(lower.data))
    with Quiet():
        matrix = finite(built(opened, node, slot)) if rows * columns <= MOST_ENTRIES else None
        structure = structure_of(matrix) if matrix is not None else structure_of_large(opened, node, slot)
        letters = letters_of(opened, node, slot, matrix, names)
    return Factor(
        node, lower, slot, node.op.name, rows, columns, matrix, structure, letters, stored(opened, node, slot)
    )


def finite(matrix: Array) -> Array | None:
    """A Jacobian that can be multiplied as a matrix: an infinite entry would make nan of the zeros that it meets."""
    return matrix if matrix.size == 1 or np.all(np.isfinite(matrix)) else None


def stored(opened: Tape, node: Any, slot: int) -> int:
    """How many numbers the rule's backward step reads."""
    inputs = opened.inputs(node)
    of_output, places = node.op.reads(slot, len(inputs))
    return int(np.size(node.data)) * of_output + sum(int(np.size(inputs[i])) for i in places)


def built(opened: Tape, node: Any, slot: int) -> Array:
    """The whole Jacobian, row by row."""
    if isinstance(node, Value):
        return np.array([[float(opened.slope(node, slot))]])
    return np.array([row_of(opened, node, slot, i) for i in range(node.size)]).reshape(node.size, -1)


def row_of(opened: Tape, node: Any, slot: int, i: int, inputs: Sequence[Any] | None = None, out: Any = None) -> Array:
    """One row: what the i-th entry of the output hands back."""
    one = np.zeros(node.shape)
    one.flat[i] = 1.0
    given = opened.inputs(node) if inputs is None else list(inputs)
    out = opened.numbers[node] if out is None else out
    return np.ravel(np.asarray(node.op.pull(slot, one, out, given, without_casts(node)), dtype=float))


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


def structure_of_large(opened: Tape, node: Any, slot: int) -> str:
    """The same of a Jacobian that is not built: by the kind of its rule, and by a few of its rows."""
    if isinstance(node.op, Pointwise):
        return "diagonal"
    rows = node.size
    looked_at = sorted({0, rows // 2, rows - 1})[:ROWS_LOOKED_AT]
    if not all(np.all(np.isfinite(row_of(opened, node, slot, i))) for i in looked_at):
        return "with entries that are not finite"
    filled = [int(np.count_nonzero(row_of(opened, node, slot, i))) for i in looked_at]
    columns = int(np.size(dict(node.edges)[slot].data))
    if rows == 1:
        return "row"
    if columns == 1:
        return "column"
    if max(filled) == columns:
        return "dense"
    return f"sparse: {max(filled):,} of {columns:,} entries in a row are not zero"


def letters_of(opened: Tape, node: Any, slot: int, matrix: Array | None, names: Mapping[Any, Tree]) -> Tree | None:
    """A Jacobian in symbols; None where it has no short formula."""
    if isinstance(node.op, Pointwise):
        return letters_of_slope(node, slot, names)
    if node is opened.output and node.op.composition is not None:
        lower = dict(node.edges)[slot]
        found = entrywise(opened, lower, {x: names[x] for _, x in node.edges})
        return as_row(found, lower.size) if found is not None and np.ndim(lower.data) < 2 else None
    if matrix is None:
        return None
    found = letters_by_probing(opened, node, slot, matrix, names)
    return letters_of_constant(matrix) if found is None else found


def letters_of_slope(node: Any, slot: int, names: Mapping[Any, Tree]) -> Tree | None:
    """The diagonal of a pointwise rule's Jacobian, by its partial."""
    if not has_letters(node, names):
        return None
    inputs = [names[x] if isinstance(x, Value | Tensor) and x in names else constant(x) for x in node.inputs]
    slope = slope_in_symbols(node.op, slot, names[node], inputs, node.settings)
    count = int(np.size(node.data))
    if slope is None or count == 1:
        return slope
    identity = applied("eye", n=count)
    if isinstance(slope, Number):
        return identity if slope.text == "1" else applied("neg", identity) if slope.text == "-1" else slope * identity
    # Of a matrix the entries are counted row by row.
    return applied("diag", slope) if slope.ndim == 1 else None


def has_letters(node: Any, names: Mapping[Any, Tree]) -> bool:
    """Whether all arrays that a node takes in have names."""
    return all((isinstance(x, Value | Tensor) and x in names) or np.size(x) == 1 for x in node.inputs)


def letters_by_probing(opened: Tape, node: Any, slot: int, matrix: Array, names: Mapping[Any, Tree]) -> Tree | None:
    """Which of the other inputs a linear rule's Jacobian is made of.

    The rule is asked again with other numbers in the same places, so that no coincidence of this example's numbers is
    taken for the rule.
    """
    random = np.random.default_rng(0)
    given = opened.inputs(node)
    inputs = [x if i in node.op.flat else random.normal(size=np.shape(x)) for i, x in enumerate(given)]
    out = np.asarray(node.op.fitting(inputs, inputs, without_casts(node)))
    probe = np.array([row_of(opened, node, slot, i, inputs, out) for i in range(np.size(node.data))]).reshape(
        matrix.shape
    )
    for place, x in enumerate(node.inputs):
        if place == slot or not isinstance(x, Tensor) or x not in names or np.ndim(inputs[place]) not in (1, 2):
            continue
        array, name = np.atleast_2d(inputs[place]), names[x]
        if name.shape != x.shape:
            # It goes by the name of what has the same entries in another shape.
            name = applied("reshape", name, shape=x.shape)
        if np.ndim(inputs[place]) == 1:
            options = [(array, as_row(name, x.size)), (array.T, name)]
        else:
            options = [(array, name), (array.T, name.T)]
        for block, tree in options:
            found = made_of(probe, block, tree)
            if found is not None:
                return found
    return None


def as_row(tree: Tree, count: int) -> Tree:
    """A vector as a row."""
    return applied("reshape", tree, shape=(1, count))


def made_of(probe: Array, block: Array, tree: Tree) -> Tree | None:
    """A matrix that is a block, or a Kronecker product of it with an identity; None for any other."""
    rows, columns = probe.shape
    if rows % block.shape[0] or columns % block.shape[1]:
        return None
    count = rows // block.shape[0]
    if columns // block.shape[1] != count:
        return None
    if count == 1:
        return tree if np.allclose(probe, block, rtol=1e-12, atol=0) else None
    tree = applied("reshape", tree, shape=(tree.size, 1)) if tree.ndim == 1 else tree
    identity = applied("eye", n=count)
    if np.allclose(probe, np.kron(np.eye(count), block), rtol=1e-12, atol=0):
        return applied("kron", identity, tree)
    same = np.allclose(probe, np.kron(block, np.eye(count)), rtol=1e-12, atol=0)
    return applied("kron", tree, identity) if same else None


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

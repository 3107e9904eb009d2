"""The local derivative of an operation in one of its inputs, in symbols: whole, or of one entry in another.

No derivative is stated here, and none is guessed from numbers: each is what the rule of the book says, run on terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

from chainrule.core.differential import Differential, unknown
from chainrule.core.forward import tangents_of
from chainrule.core.graph import gradients_of
from chainrule.core.operation import Linear, Operation, Pointwise
from chainrule.core.stand_in import Shape
from chainrule.core.term import Term, constant, forward_order, frozen, name_of
from chainrule.errors import UNFIT, GraphError
from chainrule.maths import Applied, Number, Tree, plain, tree_of
from chainrule.maths.of_terms import tree_of_term
from chainrule.maths.tree import applied
from chainrule.rewrite.entry_formulas import EntryFormulas, Place, one_hot
from chainrule.rewrite.rearranging import reshaped, transposed
from chainrule.rewrite.simplify import simplify

LONGEST = 160
"""Characters of a formula; a longer one says less than a sentence."""

SAME_ENTRIES = ("reshape", "squeeze", "expand_dims", "identity", "astype")
"""Operations whose result holds the entries of their input in the same order."""

MOST_KEPT = 512

kept: dict[Any, Any] = {}
"""Partials that were simplified already, by operation, input, plain numbers and settings."""


def handed_back_or_slope(
    op: Operation, slot: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]
) -> Any:
    """The local derivative of a pointwise operation; of any other what it hands back of a gradient `g` that arrives."""
    if isinstance(op, Pointwise):
        return op.partial(slot, out, inputs, settings)
    return handed_back(op, slot, g, out, inputs, settings)


def handed_back(op: Operation, slot: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """What of a gradient reaches an input: the rule's backward pass; of a fused operation that of its composition.

    >>> from chainrule.core.operation import book
    >>> from chainrule.core.term import symbol
    >>> from chainrule.maths import plain
    >>> from chainrule.maths.of_terms import tree_of_term
    >>> from chainrule.rewrite import simplify
    >>> from chainrule.rewrite.local import handed_back
    >>> W, x, g = symbol("W", (2, 3)), symbol("x", (3, 1)), symbol("g", (2, 1))
    >>> plain(tree_of_term(simplify(handed_back(book["matmul"], 0, g, W @ x, [W, x], {}))))
    'g @ x.T'
    """
    require_rule(op)
    if op.composition is None:
        return op.pull(slot, g, out, inputs, settings)
    return gradients_of([op.composition(*inputs, **settings)], [g], [inputs[slot]], record=True)[0]


def handed_on(op: Operation, slot: int, t: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """How the output moves where an input moves by `t`: the rule's forward mode, of a fused one its composition's."""
    require_rule(op)
    if op.composition is None:
        return op.push([t if i == slot else None for i in range(len(inputs))], out, inputs, settings)
    return tangents_of([inputs[slot]], [t], [op.composition(*inputs, **settings)], record=True)[0]


def require_rule(op: Operation) -> None:
    """Refuse what is no rule of the book: a function of the user's own is not run on symbols."""
    if not isinstance(op, Pointwise | Linear | Differential):
        raise GraphError(f"{op.name} has a backward pass of the user's own, and no formula")


def of_entry(
    op: Operation,
    slot: int,
    there: Place,
    here: Place,
    out: Term,
    inputs: Sequence[Any],
    settings: dict[str, Any],
    entries: EntryFormulas,
) -> Any:
    """How the entry `there` of a result moves with the entry `here` of an input: a term, or a number.

    `out` and the inputs are symbols, or plain numbers and arrays where nothing has a letter. Raises GraphError where
    that has no formula. O(what the entry is made of).

    >>> import numpy as np
    >>> from chainrule.core.operation import book
    >>> from chainrule.core.term import symbol
    >>> from chainrule.maths import plain
    >>> from chainrule.maths.of_terms import tree_of_term
    >>> from chainrule.rewrite.entry_formulas import EntryFormulas
    >>> from chainrule.rewrite.local import of_entry
    >>> p, x = symbol("p", (2,)), symbol("x", (2,))
    >>> numbers = {p: np.array([0.2, 0.8]), x: np.array([0.0, 1.4])}
    >>> letters = EntryFormulas(lambda x, place: symbol(f"{x.label}{place[0]}"), numbers)
    >>> plain(tree_of_term(of_entry(book["softmax"], 0, (0,), (1,), p, [x], {"axis": -1}, letters)))
    '-p0*p1'
    """
    if isinstance(op, Pointwise):
        return entries.at(op.partial(slot, out, inputs, settings), there)
    return entries.at(handed_back(op, slot, constant(one_hot(out.shape, there)), out, inputs, settings), here)


def in_trees(op: Operation, slot: int, out: Tree, inputs: Sequence[Any], settings: dict[str, Any]) -> Tree | None:
    """The local derivative of a pointwise operation; its inputs are trees or plain numbers.

    None for any other operation, and where the rule needs numbers.

    >>> import chainrule as cr
    >>> from chainrule.maths import Symbol, unicode
    >>> from chainrule.rewrite.local import in_trees
    >>> unicode(in_trees(cr.pow, 0, Symbol("y"), [Symbol("x"), 2.0], {}))
    '2x'
    """
    if not isinstance(op, Pointwise):
        return None
    key = (op, slot, tuple([None if isinstance(x, Tree) else frozen(x) for x in inputs]), frozen(settings))
    if key not in kept:
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[key] = partial(op, slot, inputs, settings)
    try:
        if kept[key] is None:
            return tree_of(op.partial(slot, out, inputs, settings))
        term, symbols = kept[key]
        return tree_of_term(term, {x: tree for x, tree in zip(symbols, (out, *inputs), strict=True) if is_tree(tree)})
    except UNFIT:
        return None


def partial(op: Pointwise, slot: int, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """A partial as a short term, and the symbols in it: the output and the inputs; None where symbols do not do."""
    out, *terms = [unknown(name, ()) for name in ("out", *[f"x{i}" for i in range(len(inputs))])]
    given = [term if is_tree(x) else x for term, x in zip(terms, inputs, strict=True)]
    try:
        return simplify(op.partial(slot, out, given, settings)), (out, *terms)
    except UNFIT:
        return None


def handed_back_in_trees(
    op: Operation,
    slot: int,
    g: Tree | None,
    out: Tree,
    inputs: Sequence[Any],
    shapes: Sequence[Shape],
    settings: dict[str, Any],
) -> Tree | None:
    """What an operation hands back to an input of a gradient `g`, in trees; None where that has no short formula.

    The inputs are trees, or numbers and arrays, of these `shapes`. Without `g` it is the gradient of the result, a
    number.
    """
    if isinstance(op, Pointwise) and g is not None:
        slope = in_trees(op, slot, out, inputs, settings)
        if isinstance(slope, Number) and slope.text in ("1", "-1"):
            return g if slope.text == "1" else applied("neg", g)
        return None if slope is None else applied("mul", slope, g)
    letters = Letters(inputs, shapes)
    try:
        arriving = constant(1.0) if g is None else letters.new("g", out.shape, g)
        result = letters.new("out", out.shape, out)
        tree = tree_of_term(simplify(handed_back(op, slot, arriving, result, letters.terms, settings)), letters.trees)
        return tree if len(plain(tree)) <= LONGEST else None
    except UNFIT:
        return None


def jacobian(
    op: Operation, slot: int, out: Tree, inputs: Sequence[Any], shapes: Sequence[Shape], settings: dict[str, Any]
) -> Tree | None:
    """The Jacobian in an input, the entries of arrays counted row by row, in trees; None where it has no short formula.

    >>> from chainrule.core.operation import book
    >>> from chainrule.maths import Symbol, unicode
    >>> from chainrule.rewrite.local import jacobian
    >>> A, X, Y = Symbol("A", shape=(2, 3)), Symbol("X", shape=(3, 4)), Symbol("Y", shape=(2, 4))
    >>> unicode(jacobian(book["matmul"], 1, Y, [A, X], [(2, 3), (3, 4)], {}))
    'A ⊗ 𝐈₄'
    """
    if isinstance(op, Pointwise):
        return diagonal(in_trees(op, slot, out, inputs, settings), out.size)
    letters = Letters(inputs, shapes)
    moving = unknown("d", tuple(shapes[slot]))
    try:
        moved = handed_on(op, slot, moving, letters.new("out", out.shape, out), letters.terms, settings)
        return LinearMap(moving, letters.trees).matrix(moved)
    except UNFIT:
        return None


def diagonal(slope: Tree | None, count: int) -> Tree | None:
    """The matrix with the slopes of so many entries along its diagonal; None for those of a matrix."""
    if slope is None or count == 1:
        return slope
    identity = applied("eye", n=count)
    if isinstance(slope, Number):
        return identity if slope.text == "1" else applied("neg", identity) if slope.text == "-1" else slope * identity
    return applied("diag", slope) if slope.shape == (count,) else None


class LinearMap(NamedTuple):
    """The matrix of a term that is linear in an unknown array: rows for its entries, columns for those of the array."""

    moving: Term
    trees: Mapping[Term, Tree]

    def matrix(self, x: Any) -> Tree:
        """The matrix; GraphError where no sign is short for it."""
        name = name_of(x)
        if x is self.moving:
            return applied("eye", n=x.size)
        if name in SAME_ENTRIES or (name == "transpose" and 1 in x.shape):
            return self.matrix(x.inputs[0])
        if name == "neg":
            return applied("neg", self.matrix(x.inputs[0]))
        left, right = sides(x)
        if name_of(left if self.depends(left) else right) == "transpose" and 1 in (left.shape[0], right.shape[1]):
            # A row holds the same entries as the column that is its transpose.
            left, right = transposed(right), transposed(left)
        if self.depends(left):
            return self.after(left, self.tree(transposed(right)), left.shape[0], first=True)
        return self.after(right, self.tree(left), right.shape[1], first=False)

    def after(self, mover: Term, block: Tree, count: int, *, first: bool) -> Tree:
        """So many blocks along the diagonal, or a block of scaled identities, times the matrix of what moves."""
        inner = self.matrix(mover)
        if first and count > 1 and isinstance(inner, Applied) and inner.name == "kron":
            # The mixed product: (I ⊗ B)(A ⊗ I) = A ⊗ B.
            return applied("kron", inner.inputs[0], block)
        if count > 1:
            identity = applied("eye", n=count)
            block = applied("kron", *((identity, block) if first else (block, identity)))
        return block if isinstance(inner, Applied) and inner.name == "eye" else applied("matmul", block, inner)

    def tree(self, x: Any) -> Tree:
        """A factor that does not move."""
        return tree_of_term(x, self.trees)

    def depends(self, x: Any) -> bool:
        return isinstance(x, Term) and self.moving in forward_order([x])


def sides(x: Term) -> tuple[Term, Term]:
    """The two matrices that a term is the product of: of an outer product a column and a row."""
    name = name_of(x)
    if name == "matmul" and x.ndim == 2:
        return x.inputs[0], x.inputs[1]
    if name == "outer":
        left, right = x.inputs
        return reshaped(left, (left.size, 1)), reshaped(right, (1, right.size))
    if name == "einsum" and len(x.inputs) == 2:
        letters, _, out = x.settings["subscripts"].replace(" ", "").partition("->")
        for (left, rows), (right, columns) in permutations(zip(x.inputs, letters.split(","), strict=True)):
            found = contracted(left, rows, right, columns, out)
            if found is not None:
                return found
    raise GraphError(f"no sign is short for the Jacobian of {name}")


def contracted(left: Term, rows: str, right: Term, columns: str, out: str) -> tuple[Term, Term] | None:
    """Two arrays as matrices whose product sums over the one letter that they share; None for any other sum."""
    shared = [k for k in rows if k in columns]
    kept = [k for k in rows + columns if k not in shared]
    if len(shared) != 1 or "".join(kept) != out or max(len(rows), len(columns)) > 2:
        return None
    count = left.shape[rows.index(shared[0])]
    left = transposed(left) if rows[-1] != shared[0] else left
    right = transposed(right) if columns[0] != shared[0] else right
    return reshaped(left, (left.size // count, count)), reshaped(right, (count, right.size // count))


class Letters:
    """A symbol for each tree among some inputs, in the shape that the operation takes it in."""

    def __init__(self, inputs: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> None:
        self.trees: dict[Term, Tree] = {}
        self.terms = [
            self.new(f"x{i}", shape, x) if isinstance(x, Tree) else x
            for i, (x, shape) in enumerate(zip(inputs, shapes, strict=True))
        ]

    def new(self, name: str, shape: tuple[int, ...], tree: Tree) -> Term:
        """A symbol that stands for a tree; for one of another shape, as where names are seen through, reshaped."""
        symbol = unknown(name, tuple(shape))
        self.trees[symbol] = tree if tree.shape == symbol.shape else applied("reshape", tree, shape=symbol.shape)
        return symbol


def is_tree(x: Any) -> bool:
    return isinstance(x, Tree)

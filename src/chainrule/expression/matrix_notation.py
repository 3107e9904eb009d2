r"""Terms as LaTeX in matrix notation: from the rules' own templates, and here only what depends on shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operation import book
from chainrule.core.term import Term
from chainrule.expression.formula import Formula, as_formula, filled_in
from chainrule.expression.names import latex_name
from chainrule.expression.printing import number_text
from chainrule.expression.template import RELATION
from chainrule.expression.term_calls import Call, call_of, is_identity, name_of, shape_of, written_bottom_up


def latex_of(term: Any) -> str:
    r"""A term as LaTeX in matrix notation, where vectors are columns; O(length).

    Raises GraphError for a formula that is too long to read.

    >>> from chainrule.core.term import symbol
    >>> from chainrule.expression.matrix_notation import latex_of
    >>> A, x = symbol("A", (2, 2)), symbol("x", (2,))
    >>> latex_of((A + A.T) @ x)
    '\\left(A + A^{\\top}\\right) \\, x'
    """
    written: dict[Any, Formula] = {}

    def part(x: Any) -> Formula:
        return written[x] if isinstance(x, Term) else number_formula(x)

    def write(x: Term, call: Call | None) -> None:
        written[x] = leaf_formula(x) if call is None else call_formula(x, call, part)

    written_bottom_up(term, write, lambda x: len(written[x].latex))
    whole = part(term)
    return whole.enclosed() if whole.binds == RELATION else whole.latex


def leaf_formula(x: Term) -> Formula:
    """A symbol or a constant."""
    if x.number is None:
        return Formula(latex_name(x.label))
    return Formula("I") if is_identity(x.number) else number_formula(x.number) if not x.shape else as_formula(x.number)


def number_formula(x: Any) -> Formula:
    """A number; a short fraction as such."""
    text = number_text(float(x))[0] if np.ndim(x) == 0 else ""
    if "/" in text:
        above, below = text.split("/")
        if not above.startswith("-"):
            return filled_in(r"\frac{x}{y}", {"x": Formula(above), "y": Formula(below)})
    return as_formula(float(x))


NOTATION = {
    "juxtaposed": r"{x} \, {y}",
    "odot": r"{x} \odot {y}",
    "oslash": r"{x} \oslash {y}",
    "outer": r"{x} \, {y}^{\top}",
    "dot": r"{x}^{\top} \, {y}",
    "transpose": r"{x}^{\top}",
    "inverse transpose": r"{x}^{-\top}",
    "norm": r"\left\lVert {x} \right\rVert",
    "Frobenius": r"\left\lVert {x} \right\rVert_{\mathrm{F}}",
    "squared norm": r"\left\lVert {x} \right\rVert^{2}",
    "trace": r"\operatorname{tr}\left({x}\right)",
    "diag": r"\operatorname{diag}\left({x}\right)",
    "ones": r"\mathbf{1}",
    "softmax": r"\operatorname{softmax}\left({x}\right)",
    "logsumexp": r"\operatorname{logsumexp}\left({x}\right)",
}
"""What matrix notation adds to the book: signs that depend on the shapes, and names of composed functions."""


def written(kind: str, x: Any, y: Any = None) -> Formula:
    """One of the notations with its parts in place."""
    return filled_in(NOTATION[kind], {"x": x} if y is None else {"x": x, "y": y})


def call_formula(term: Term, call: Call, part: Callable[[Any], Formula]) -> Formula:
    """A call in matrix notation; by the rule's template where shapes do not matter."""
    parts = [part(x) for x in call.inputs]
    if call.name != "where":
        parts = [Formula(x.enclosed()) if x.binds == RELATION else x for x in parts]
    parts = [
        Formula(x.enclosed()) if is_ambiguous(y, term, call) else x for x, y in zip(parts, call.inputs, strict=True)
    ]
    special = FORMULAS.get(call.name)
    found = None if special is None else special(term, call, parts, part)
    if found is not None:
        return found
    if call.name in NOTATION and len(parts) == 1:
        return written(call.name, parts[0])
    if call.name in ("reshape", "broadcast_to", "expand_dims", "squeeze") and is_only_shape(term):
        return parts[0]
    return book[call.name](*[as_formula(x) for x in parts], **(call.settings if call.name in book else {}))


def is_ambiguous(part: Any, term: Term, call: Call) -> bool:
    """Whether a product inside another needs parentheses: A (x ⊙ y) is not (A x) ⊙ y, and (xᵀy) x is no xᵀ(y x)."""
    if not isinstance(part, Term) or part.number is not None:
        return False
    outside, inside = kind_of(term, call), kind_of(part, call_of(part))
    if outside == "dot":
        outside = "matrix"
    while inside == "scaled" and outside != "scaled":
        part = next(x for x in call_of(part).inputs if shape_of(x))  # type: ignore[union-attr]
        inside = kind_of(part, call_of(part))
    if outside == "scaled":
        return not part.shape and inside == "dot"
    return {outside, inside} == {"matrix", "entries"}


def kind_of(term: Term, call: Call | None) -> str:
    """What sort of product a term is: of matrices, entry by entry, of a number and an array, or a dot product."""
    if call is None or call.name not in ("matmul", "outer", "mul", "div"):
        return ""
    if call.name in ("matmul", "outer"):
        return "matrix" if term.shape else "" if call.inputs[0] is call.inputs[1] else "dot"
    left, right = (shape_of(x) for x in call.inputs)
    if left and right:
        return "entries" if left == right else "matrix"
    if call.name == "div":
        return ""
    if left or right:
        return "scaled"
    return "dot" if any(is_dot(x) for x in call.inputs) else ""


def is_dot(x: Any) -> bool:
    """Whether a number is a dot product of two vectors, or a product with one; not a squared length."""
    while isinstance(x, Term):
        call = call_of(x)
        if call is None or call.name not in ("matmul", "mul"):
            return False
        if call.name == "matmul":
            return call.inputs[0] is not call.inputs[1]
        last = call_of(call.inputs[1]) if isinstance(call.inputs[1], Term) else None
        if last is not None and last.name == "matmul":
            return last.inputs[0] is not last.inputs[1]
        x = call.inputs[0]
    return False


def is_only_shape(term: Term) -> bool:
    """Whether a reshaped vector is still that vector as a column, or a number still that number."""
    inner = term.inputs[0]
    return term.size == inner.size and (inner.size == 1 or term.shape[:1] == inner.shape[:1])


def product_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """Numbers before arrays stand side by side; arrays entry by entry have a sign of their own."""
    x, y = call.inputs
    left, right = shape_of(x), shape_of(y)
    if call.name == "div":
        return written("oslash", *parts) if right and term.ndim else None
    if left and right:
        for k, (scale, matrix) in enumerate(((x, y), (y, x))):
            if term.ndim == 2 and shape_of(matrix) == term.shape != shape_of(scale):
                diagonal = written("diag", parts[k])
                rows = shape_of(scale)[-1:] == (1,)
                return written("juxtaposed", *((diagonal, parts[1 - k]) if rows else (parts[1 - k], diagonal)))
        return written("odot", *parts)
    return written("juxtaposed", *parts) if (left or right) and not parts[1].latex[:1].isdigit() else None


def number_times(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """A number before a letter or a bracket needs no sign."""
    found = product_formula(term, call, parts, part)
    if found is not None or shape_of(call.inputs[0]) or shape_of(call.inputs[1]):
        return found
    if not isinstance(call.inputs[0], Term) and isinstance(call.inputs[1], Term):
        return written("juxtaposed", *parts)
    return None


def power_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """A power of an array is taken entry by entry; a power of a squared length is one of the length."""
    if not term.shape:
        length = length_in(call.inputs[0])
        if length is None or call.name == "square" or isinstance(call.inputs[1], Term):
            return None
        exponent = number_formula(2 * call.inputs[1])
        return filled_in(r"{x}^{y}", {"x": written("norm", part(length)), "y": exponent})
    exponent = as_formula(2) if call.name == "square" else parts[1]
    return filled_in(r"{x}^{\odot {y}}", {"x": parts[0], "y": exponent})


def matmul_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """A vector on the left of a product is a row; w.T there is w, and gets one sign of a transpose and not two."""
    x, y = call.inputs
    if isinstance(x, Term) and x.ndim == 1 and x.op is book["transpose"]:
        x = x.inputs[0]
        parts = [part(x), parts[1]]
    if shape_of(x) and len(shape_of(x)) == 1:
        if x is y:
            return written("squared norm", parts[0])
        return written("juxtaposed" if is_row(x) else "dot", *parts)
    return None


def is_row(x: Any) -> bool:
    """Whether a vector is written as a row already, as xᵀA is."""
    call = call_of(x) if isinstance(x, Term) else None
    return call is not None and call.name == "matmul" and len(shape_of(call.inputs[0])) == 1


def transpose_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """The transpose of an inverse."""
    inner = call.inputs[0]
    if name_of(inner) == "inv":
        return written("inverse transpose", part_of_inverse(inner, part))
    return None


def part_of_inverse(inverse: Term, part: Any) -> Formula:
    """What an inverse is taken of; it was written before the inverse was."""
    return part(inverse.inputs[0])


def sqrt_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """The root of a vector's product with itself is its length."""
    length = length_in(call.inputs[0])
    if length is not None:
        return written("norm", part(length))
    inner = call_of(call.inputs[0]) if isinstance(call.inputs[0], Term) else None
    if inner is not None and inner.name == "sum" and term.ndim == 0:
        squared = call_of(inner.inputs[0]) if isinstance(inner.inputs[0], Term) else None
        if squared is not None and (squared.name == "square" or is_second_power(squared)):
            base = squared.inputs[0]
            return written("Frobenius" if base.ndim == 2 else "norm", part(base))
    return None


def length_in(x: Any) -> Term | None:
    """The vector whose dot product with itself a term is."""
    call = call_of(x) if isinstance(x, Term) and not x.shape else None
    return call.inputs[0] if call is not None and call.name == "matmul" and call.inputs[0] is call.inputs[1] else None


def is_second_power(call: Call) -> bool:
    """Whether a call is a square."""
    return call.name == "pow" and not isinstance(call.inputs[1], Term) and float(call.inputs[1]) == 2


def norm_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """The length of a vector, or that of all entries of a matrix."""
    return written("Frobenius", parts[0]) if call.inputs[0].ndim == 2 else None


def sum_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """A matrix times ones adds up its rows, and its transpose its columns."""
    axis = call.settings.get("axis")
    if axis is None or call.inputs[0].ndim != 2 or isinstance(axis, tuple):
        return None
    rows = parts[0] if axis in (1, -1) else written("transpose", parts[0])
    return written("juxtaposed", rows, Formula(NOTATION["ones"]))


def outer_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    return written("outer", *parts)


def reshape_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """A vector as a row is its transpose."""
    inner = call.inputs[0]
    if inner.ndim != 1 or term.shape != (1, inner.size):
        return None
    if is_row(inner):
        return parts[0]
    return written("transpose", part(inner.inputs[0]) if inner.op is book["transpose"] else parts[0])


def scatter_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """A number in one place of a vector: that number times a unit vector."""
    key = call.settings["key"]
    if shape_of(call.inputs[0]) or not isinstance(key, int):
        return None
    return written("juxtaposed", parts[0], filled_in(r"\mathbf{e}_{x}", {"x": as_formula(key)}))


def broadcast_formula(term: Term, call: Call, parts: list[Formula], part: Any) -> Formula | None:
    """A number in every place: that number times ones."""
    if shape_of(call.inputs[0]):
        return None
    return written("ones", "") if parts[0].latex == "1" else written("juxtaposed", parts[0], Formula(NOTATION["ones"]))


FORMULAS: dict[str, Callable[[Term, Call, list[Formula], Any], Formula | None]] = {
    "mul": number_times,
    "div": product_formula,
    "pow": power_formula,
    "square": power_formula,
    "matmul": matmul_formula,
    "transpose": transpose_formula,
    "swap": transpose_formula,
    "sqrt": sqrt_formula,
    "norm": norm_formula,
    "outer": outer_formula,
    "sum": sum_formula,
    "reshape": reshape_formula,
    "scatter": scatter_formula,
    "broadcast_to": broadcast_formula,
}
"""Operations whose notation depends on the shapes."""

r"""Rules as LaTeX: run any rule, or any of its partials, on symbols instead of numbers.

A `Formula` takes over every operation it meets and answers with the rule's own template, so a formula is never written
twice: that of a rule stands in its declaration, and that of a derivative comes from running the partial.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.numpy_calls import operation_of
from chainrule.core.operation import Operation, Pointwise
from chainrule.core.operators import Operators
from chainrule.errors import GraphError
from chainrule.expression.template import ATOM, INDEXED, NEGATIVE, POWER, PRODUCT, RELATION, Slot, take_apart
from chainrule.maths.template import written_out


class Formula(Operators):
    r"""A piece of LaTeX that knows how tightly it binds, and so where it needs parentheses.

    Operators and all functions of the rule book work on it and give a Formula.

    >>> import chainrule as cr
    >>> from chainrule.expression import Formula
    >>> x, y = Formula("x"), Formula("y")
    >>> str((x + y) * cr.tanh(x))
    '\\left(x + y\\right) \\cdot \\tanh\\left(x\\right)'
    """

    __slots__ = ("binds", "latex")

    def __init__(self, latex: str, binds: int | None = None) -> None:
        self.latex = latex
        self.binds = tightness(latex) if binds is None else binds

    def __str__(self) -> str:
        return self.latex

    def __repr__(self) -> str:
        return f"Formula({self.latex!r})"

    def filled(self, slot: Slot) -> str:
        """This formula as it stands in a slot of a template."""
        if slot.argument:
            return "{" + self.latex + "}"
        fits = self.binds >= slot.needs or (slot.first and self.binds == NEGATIVE and slot.needs == PRODUCT)
        if not fits or (slot.after_sign and self.latex.startswith("-")):
            return self.enclosed()
        return self.latex

    def enclosed(self) -> str:
        """In parentheses; a relation in square brackets, which stand for 1 where it holds and 0 elsewhere (Iverson)."""
        left, right = "[]" if self.binds == RELATION else "()"
        return rf"\left{left}{self.latex}\right{right}"

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Formula:
        if operation.variadic:
            name = operation.inputs[-1]
            text = written_out(operation.formula, name, len(inputs))
            named = {f"{name}_{i}": x for i, x in enumerate(inputs)}
        else:
            text = operation.formula
            named = dict(zip(operation.inputs, inputs, strict=True))
        named.update(settings)
        return filled_in(text, named)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        operation = operation_of(ufunc)
        if method != "__call__" or settings or operation is None:
            return NotImplemented
        return operation(*inputs)


def filled_in(text: str, named: Mapping[str, Any]) -> Formula:
    """A template with its inputs and settings in place."""
    template = take_apart(text, frozenset(named))
    if len(template.parts) == 1 and isinstance(template.parts[0], Slot):
        return as_formula(named[template.parts[0].name])
    latex = "".join([part if isinstance(part, str) else in_slot(named[part.name], part) for part in template.parts])
    return Formula(latex, min(template.binds, NEGATIVE) if latex.startswith("-") else template.binds)


def formula_of(operation: Operation, *names: str, **settings: Any) -> str:
    r"""The LaTeX of a rule's forward; inputs are called by the rule's own names unless others are given.

    >>> import chainrule as cr
    >>> from chainrule.expression import formula_of
    >>> formula_of(cr.div, "a", "b")
    '\\frac{a}{b}'
    """
    return operation(*symbols(operation, names), **settings).latex


def derivative_of(operation: Operation, i: int, *names: str, **settings: Any) -> str:
    r"""The LaTeX of a pointwise rule's derivative in input `i`: its partial, run on symbols.

    >>> import chainrule as cr
    >>> from chainrule.expression import derivative_of
    >>> derivative_of(cr.tanh, 0)
    '1 - \\tanh\\left(x\\right) \\cdot \\tanh\\left(x\\right)'
    >>> derivative_of(cr.relu, 0, "z")
    '\\left[z > 0\\right]'
    """
    if not isinstance(operation, Pointwise):
        raise GraphError(f"{operation.name} works on whole arrays: the derivative of one entry has no short formula")
    if not operation.differentiable(i):
        return "0"
    inputs = symbols(operation, names)
    settings = operation.complete(settings)
    out = operation(*inputs, **settings)
    partial = as_formula(operation.partial(i, out, inputs, settings))
    return partial.enclosed() if partial.binds == RELATION else partial.latex


def symbols(operation: Operation, names: Sequence[str]) -> list[Formula]:
    """A symbol for each input."""
    if not names:
        names = ("x1", "x2", "y1", "y2") if operation.variadic else operation.inputs
    return [symbol(name) for name in names]


def symbol(name: str) -> Formula:
    """A name as a symbol: ``x``, ``x_{1}`` for x1, and words in one italic; LaTeX stays as it is."""
    numbered = re.fullmatch(r"([A-Za-z])_?(\d+)", name)
    if numbered:
        return Formula(f"{numbered[1]}_{{{numbered[2]}}}")
    return Formula(rf"\mathit{{{name}}}" if re.fullmatch(r"[A-Za-z]{2,}", name) else name)


def tightness(latex: str) -> int:
    """How tightly a symbol binds: with a superscript like a power, with an index more, alone like an atom."""
    if "^" not in latex and "_" not in latex:
        return ATOM
    outside = re.sub(r"\\.", "", latex)
    while "{" in outside and outside != (outside := re.sub(r"\{[^{}]*\}", "", outside)):
        continue
    return POWER if "^" in outside else INDEXED if "_" in outside or outside.endswith("]") else ATOM


def in_slot(x: Any, slot: Slot) -> str:
    """An input or a setting as it stands in a slot; a tuple in an index goes without its parentheses."""
    if slot.argument and isinstance(x, tuple):
        return "{" + ", ".join(as_formula(part).latex for part in x) + "}"
    return as_formula(x).filled(slot)


def as_formula(x: Any) -> Formula:
    """Anything that a rule may be given, as a formula; numbers in at most six digits."""
    if isinstance(x, Formula):
        return x
    if x is None or x is Ellipsis:
        return Formula(r"\ldots" if x is Ellipsis else r"\text{none}")
    if isinstance(x, bool | np.bool_):
        return Formula(str(int(x)))
    if isinstance(x, int | float | np.number):
        return number(float(x)) if not isinstance(x, int | np.integer) else signed(str(int(x)))
    if isinstance(x, np.ndarray):
        return as_formula(x.tolist() if x.ndim else x.item())
    if isinstance(x, slice):
        start, stop = ("" if end is None else str(end) for end in (x.start, x.stop))
        return Formula(f"{start}:{stop}" + (f":{x.step}" if x.step is not None else ""))
    if isinstance(x, list | tuple):
        inside = ", ".join(as_formula(part).latex for part in x)
        return Formula(rf"\left[{inside}\right]" if isinstance(x, list) else rf"\left({inside}\right)")
    return Formula(rf"\text{{{getattr(x, '__name__', x)}}}")


def number(x: float) -> Formula:
    """A number, short: six digits, and powers of ten as such."""
    if not np.isfinite(x):
        return Formula(r"\text{nan}") if np.isnan(x) else signed(r"\infty" if x > 0 else r"-\infty")
    text = f"{x:.6g}"
    digits, _, exponent = text.partition("e")
    if not exponent:
        return signed(text)
    power = f"10^{{{int(exponent)}}}"
    if digits in ("1", "-1"):
        return Formula(digits[:-1] + power, NEGATIVE if digits == "-1" else POWER)
    return Formula(rf"{digits} \cdot {power}", NEGATIVE if x < 0 else PRODUCT)


def signed(text: str) -> Formula:
    """A number with its sign."""
    return Formula(text, NEGATIVE if text.startswith("-") else ATOM)

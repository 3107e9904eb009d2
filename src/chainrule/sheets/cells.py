"""A formula as a spreadsheet reads it: what it calls the operations of the book, and nothing else about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.codegen.languages import PRODUCT, SIGN, SUM, Text, call, infix, negated
from chainrule.core.term import Term, forward_order
from chainrule.errors import ChainruleError


def compared(sign: str) -> Callable[[Text, Text], Text]:
    """A comparison as the number that it stands for."""
    return lambda x, y: Text(f"IF({x.text}{sign}{y.text},1,0)")


def over(x: Text, y: Text) -> Text:
    return infix("/", PRODUCT)(x, y)


ONE, MINUS_ONE = Text("1"), Text("-1", SIGN)

WORDS: dict[str, Callable[..., Text]] = {
    "abs": call("ABS"),
    "add": infix("+", SUM),
    "acos": call("ACOS"),
    "asin": call("ASIN"),
    "atan": call("ATAN"),
    "chosen": lambda x, weight: Text(f"IF({weight.text}=0,0,{x.inside(PRODUCT)}*{weight.inside(PRODUCT)})"),
    "cos": call("COS"),
    "cosh": call("COSH"),
    "div": infix("/", PRODUCT),
    "elu": lambda x, alpha=1.0: Text(f"IF({x.text}>0,{x.text},{alpha!r}*(EXP({x.text})-1))"),
    "equal": compared("="),
    "exp": call("EXP"),
    "expm1": lambda x: Text(f"EXP({x.text})-1", SUM),
    "greater": compared(">"),
    "greater_equal": compared(">="),
    "leaky_relu": lambda x, slope=0.01: Text(f"IF({x.text}>0,{x.text},{slope!r}*{x.inside(SIGN)})"),
    "less": compared("<"),
    "less_equal": compared("<="),
    "log": call("LN"),
    "log10": call("LOG10"),
    "log1p": lambda x: Text(f"LN(1+{x.inside(PRODUCT)})"),
    "log2": lambda x: Text(f"LOG({x.text},2)"),
    "maximum": call("MAX"),
    "minimum": call("MIN"),
    "mul": infix("*", PRODUCT),
    "neg": negated,
    "not_equal": compared("<>"),
    # A minus binds more tightly than ^ in a spreadsheet: powers are calls.
    "pow": call("POWER"),
    "power_and_log": lambda x, y, count, settled: Text(
        f"POWER({x.text},{y.text})*POWER(LN({x.text}),{count})", PRODUCT
    ),
    "reciprocal": lambda x: over(ONE, x),
    "relu": lambda x: Text(f"MAX(0,{x.text})"),
    "sigmoid": lambda x: Text(f"1/(1+EXP(-{x.inside(SIGN + 1)}))", PRODUCT),
    "sign": call("SIGN"),
    "silu": lambda x: Text(f"{x.inside(PRODUCT)}/(1+EXP(-{x.inside(SIGN + 1)}))", PRODUCT),
    "sin": call("SIN"),
    "sinh": call("SINH"),
    "softplus": lambda x: Text(f"LN(1+EXP({x.text}))"),
    "sqrt": call("SQRT"),
    "square": lambda x: Text(f"POWER({x.text},2)"),
    "sub": infix("-", SUM),
    "tan": call("TAN"),
    "tanh": call("TANH"),
    "where": lambda condition, x, y: Text(f"IF({condition.text}<>0,{x.text},{y.text})"),
}
"""The words of a spreadsheet, by the operation's name; they take the texts of the inputs, and settings."""


def number(x: float) -> Text:
    """A number with all its digits; what is none has no way to be written in a cell."""
    if x != x or x in (float("inf"), float("-inf")):  # noqa: PLR0124
        raise ChainruleError(f"a sheet has no cell for {x}: give numbers at which everything is finite")
    text = repr(float(x)).upper()
    return Text(text.removesuffix(".0"), SIGN if text.startswith("-") else ONE.binds)


def formula(term: Any, cells: Mapping[Term, str]) -> str:
    """A term as the formula of a cell, without its sign of equality; `cells` says where the symbols stand.

    Raises ChainruleError for an operation that a spreadsheet has no word for.

    >>> from chainrule.core.term import symbol
    >>> from chainrule.sheets.cells import formula
    >>> a, b = symbol("a"), symbol("b")
    >>> formula((a - b) ** 2 * 0.5, {a: "C4", b: "C5"})
    'POWER(C4-C5,2)*0.5'
    """
    if not isinstance(term, Term):
        return number(float(term)).text
    found: dict[Term, Text] = {}
    for x in forward_order([term]):
        if x in cells:
            found[x] = Text(cells[x])
        elif x.number is not None:
            found[x] = number(float(x.number))
        else:
            word = None if x.op is None else WORDS.get(x.op.name)
            if word is None or x.shape:
                name = "a symbol" if x.op is None else x.op.name
                raise ChainruleError(
                    f"{name} cannot be written in a cell: a sheet takes single numbers and these: {LISTED}"
                )
            inputs = [found[y] if isinstance(y, Term) else number(float(y)) for y in x.inputs]
            found[x] = word(*inputs, **x.settings)
    return found[term].text.replace(" ", "")


LISTED = ", ".join(sorted(WORDS))

"""Local derivatives that people write by mistake: each is a formula, which says what was written and what it gives."""

# Formulas give anything that operations do.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from chainrule.core.operation import book
from chainrule.expression.typed.parsed import Parsed
from chainrule.verify.answers.formula import AnswerReader
from chainrule.verify.spelling import typed

WRONG = "wrong-local-derivative"

FORMULAS: dict[str, str] = {
    "tanh": "−tanh²; 1 + tanh²; 1 − tanh; tanh²; (1 − tanh)²; tanh² − 1",
    "sigmoid": "1 − σ; σ²; σ(1 + σ); 1 − σ²; (1 − σ)²; σ + (1 − σ); e⁻ᶻ/(1 + e⁻ᶻ)",
    "exp": "its input: it is its output = x; x·eˣ⁻¹; x·eˣ; its logarithm = 1/eˣ",
    "log": "its input = x; 1/x²; 1/log; eˣ",
    "sqrt": "1/(2x); √x/2; 1/√x",
    "square": "2x²; x³/3",
    "sin": "−cos; −sin",
    "cos": "sin; −cos",
    "tan": "1/cos; 1 − tan²; −1/cos²; 1/sin²; tan²",
    "atan": "1/(1 − x²); 1/(1 + x); 1/tan²; 1/√(1 + x²)",
    "sinh": "−cosh; cos",
    "cosh": "−sinh; sin",
    "reciprocal": "1/x²; −1/x; log = log(abs(x))",
    "softplus": "1 − σ",
}
"""Of functions of x (or z), what is written for the slope; where words stand for it, with what they mean behind ``=``.

The name of a function alone is its value at x, and σ is the sigmoid's.
"""

TAKEN_WRONG: dict[str, tuple[tuple[str, str, str], ...]] = {
    "sqrt": (("missing-factor", "the ½ comes down, and 1/√ is left out", "1/2"),),
    "square": (("missing-factor", "the 2 comes down, and {own} is left out", "2"),),
    "div 0": ((WRONG, "multiplied where it divides", "y"),),
    "div 1": (
        (WRONG, "the minus of the quotient's derivative is lost, and the square", "x/y"),
        (WRONG, "the numerator is missing", "−1/y²"),
        (WRONG, "the square of the denominator is missing", "−x/y"),
        (WRONG, "the denominator alone", "1/y²"),
        (WRONG, "it is integrated", "x log(abs(y))"),
    ),
    "pow 0": (
        ("missing-factor", "the exponent comes down, and {own} is left out", "y"),
        (WRONG, "the exponent is not lowered", "y·xʸ"),
        (WRONG, "the power itself stands for its derivative", "xʸ"),
        ("factor", "the exponent does not come down", "xʸ⁻¹"),
        (WRONG, "it is integrated", "xʸ·x/(y + 1)"),
        (WRONG, "the exponent is lowered by two", "y·xʸ/x²"),
        (WRONG, "the lowered exponent comes down", "(y − 1)xʸ/x"),
        (WRONG, "the exponent is raised", "y·xʸ·x"),
    ),
    "pow 1": (
        (WRONG, "the rule for powers of x is used where x is the exponent", "y·xʸ/x"),
        ("missing-factor", "the logarithm of the base is left out", "xʸ"),
    ),
}
"""Rules that are taken wrong: the mistake, what is said, and what is written; of an operation on two by its slot."""


class WrongSlope(NamedTuple):
    """A local derivative as somebody writes it: the mistake's name, what is said of it, and the formula."""

    name: str
    says: str
    formula: str

    def __call__(self, x: Any, y: Any = None) -> Any:
        """What it gives at the inputs of the operation."""
        parsed = parsed_slope(self.formula)
        functions = {name: book["sigmoid" if name == "σ" else name](x) for name in parsed.names if name not in "xyz"}
        return parsed.run({"x": x, "z": x, "y": y, **functions})


@lru_cache(maxsize=256)
def parsed_slope(text: str) -> Parsed:
    """A formula as it is read in an answer; the names of functions are names."""
    text = typed(text, "xyz".__contains__)

    def is_name(word: str) -> bool:
        return word in ("x", "y", "z", "σ") or (word in book and f"{word}(" not in text)

    return AnswerReader(text, is_name, is_name).read()


def wrong_slopes(name: str, slot: int = -1) -> Iterator[WrongSlope]:
    """The wrong local derivatives of an operation, on two in one of its slots.

    >>> from chainrule.verify.marking.wrong_slopes import wrong_slopes
    >>> [(wrong.says, wrong(3.0)) for wrong in wrong_slopes("square")]
    [('the 2 comes down, and {own} is left out', 2), ('square′ is not 2x²', 18.0), ('square′ is not x³/3', 9.0)]
    """
    for row in TAKEN_WRONG.get(name if slot < 0 else f"{name} {slot}", ()):
        yield WrongSlope(*row)
    for written in FORMULAS[name].split("; ") if name in FORMULAS else ():
        words, _, formula = written.partition(" = ")
        yield WrongSlope(WRONG, f"{name}′ is not {words}", formula or words)

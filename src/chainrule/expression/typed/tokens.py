"""What was typed, in pieces: numbers, names and signs, each with its place; what is no piece of a formula is refused.

The signs of mathematics are read as Python's: × and · as ``*``, − as ``-``, x² as ``x**2``, Aᵀ as ``A.T``, x₁ as
``x1``.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from chainrule.errors import FormulaError
from chainrule.expression.typed.caret import error_at
from chainrule.expression.typed.functions import look_up

LONGEST = 10_000
"""Characters of a formula."""
DEEPEST = 100
"""Brackets inside each other."""
EXACT_DIGITS = 15
"""A whole number of so many digits is exact in double precision."""

NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
SIGN = re.compile(r"\*\*|//|<=|>=|==|!=|:=|[-+*/@().,\[\]:=<>]")
SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+")

SAME_SIGN = {
    "×": "*",
    "·": "*",
    "⋅": "*",
    "∙": "*",
    "⊙": "*",
    "÷": "/",
    "∕": "/",
    "−": "-",
    "–": "-",
    "≤": "<=",
    "≥": ">=",
}
"""Signs of mathematics that have one meaning here, and Python's for it."""

TRANSPOSE = "ᵀ⊤"

INSTEAD = {
    "^": "a power is written with **, as in x**2",
    "//": "a quotient is written with one /",
    "==": "write equal(x, y)",
    "!=": "write not_equal(x, y)",
    "≠": "write not_equal(x, y)",
    ":=": "a formula gives no values; they are given beside it, as x=2",
    "'": "a formula has no text in quotes; a transpose is written A.T",
    '"': "a formula has no text in quotes",
    "{": "write parentheses: ( and )",
    "}": "write parentheses: ( and )",
    "|": "write abs(x), or norm(x) for the length of a vector",
    "‖": "write norm(x)",
    "√": "write sqrt(x)",
    "∑": "write sum(x)",
    "∞": "infinity is written inf, and may stand in a setting, as in norm(x, ord=inf)",
    "%": "there is no remainder; a share of a hundred is written /100",
    "!": "there is no factorial",
    ";": "write one formula alone",
    "#": "a formula has no comments",
    "∂": "write the formula alone; its derivatives are what you get",
    "∇": "write the formula alone; its derivatives are what you get",
}

WORDS = {
    "if": "write where(condition, x, y)",
    "else": "write where(condition, x, y)",
    "and": "write condition * condition",
    "or": "write maximum(condition, condition)",
    "lambda": "write λ, or lam",
}

INFIX = frozenset({"*", "/", "**", "@", "<", "<=", ">", ">=", "."})
"""Signs that need something on both sides."""
BEFORE_OPERAND = INFIX | {"+", "-"}
"""Signs that need something after them."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a formula; `text` is Python's way to write it, `start` and `stop` are its place as typed."""

    kind: str
    text: str
    start: int
    stop: int

    @property
    def ends_operand(self) -> bool:
        """Whether something complete ends here, so that a sign must follow."""
        return self.kind != "sign" or self.text in (")", "]")


def tokens_of(text: str, start: int = 0) -> list[Token]:
    """The pieces of a formula from `start` on, checked as far as neighbours and brackets tell; O(length)."""
    if len(text) - start > LONGEST:
        raise error_at(text, start + LONGEST, len(text), f"a formula has at most {LONGEST} characters")
    tokens = [token for found in pieces_from(text, start) for token in found]
    if not tokens:
        raise error_at(text, len(text), len(text), "there is nothing here: write a formula, such as x**2 + 1")
    check_neighbours(text, tokens)
    check_brackets(text, tokens)
    return tokens


def pieces_at(text: str, at: int) -> list[Token]:
    """The piece that begins at `at`; a superscript is two."""
    if number := NUMBER.match(text, at):
        return [Token("number", number[0], at, number.end())]
    if power := SUPERSCRIPT.match(text, at):
        digits = unicodedata.normalize("NFKC", power[0])
        return [Token("sign", "**", at, power.end()), Token("number", digits, at, power.end())]
    if text[at] in TRANSPOSE:
        return [Token("sign", ".", at, at + 1), Token("name", "T", at, at + 1)]
    if sign := SIGN.match(text, at):
        if sign[0] in INSTEAD:
            raise error_at(text, at, sign.end(), f"a formula has no {sign[0]}: {INSTEAD[sign[0]]}")
        return [Token("sign", sign[0], at, sign.end())]
    if text[at] in SAME_SIGN:
        return [Token("sign", SAME_SIGN[text[at]], at, at + 1)]
    return [name_at(text, at)]


def pieces_from(
    text: str, start: int = 0, read: Callable[[str, int], list[Token]] = pieces_at
) -> Iterator[list[Token]]:
    """What is read at every place from `start` on that nothing before has taken, blanks aside."""
    at = start
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = read(text, at)
        yield found
        at = found[-1].stop


def name_at(text: str, at: int) -> Token:
    """The name that begins at `at`, written the one way Unicode calls compatible; no word of Python."""
    stop = at
    while stop < len(text) and in_name(text[stop], first=stop == at):
        stop += 1
    if stop == at:
        raise refused_character(text, at)
    name = unicodedata.normalize("NFKC", text[at:stop])
    if name in WORDS or (keyword.iskeyword(name) and name not in ("True", "False", "None")):
        instead = WORDS.get(name, "a formula has numbers, names, signs and functions")
        raise error_at(text, at, stop, f"{name} is a word of Python and has no place in a formula: {instead}")
    if name.startswith("_") or "__" in name:
        raise error_at(text, at, stop, f"the name {name} is not allowed: begin with a letter, without __")
    return Token("name", name, at, stop)


def in_name(character: str, first: bool) -> bool:
    """Whether a name may have the character; a subscript digit counts as the digit."""
    if character in SAME_SIGN or character in TRANSPOSE:
        return False
    form, _, code = unicodedata.decomposition(character).partition(" ")
    if form in ("<sub>", "<super>"):
        return form == "<sub>" and not first and chr(int(code, 16)).isdigit()
    normal = unicodedata.normalize("NFKC", character)
    return (normal if first else "x" + normal).isidentifier()


def refused_character(text: str, at: int) -> FormulaError:
    character = text[at]
    if character in INSTEAD:
        return error_at(text, at, at + 1, f"a formula has no {character}: {INSTEAD[character]}")
    form = unicodedata.decomposition(character).partition(" ")[0]
    if form == "<super>":
        return error_at(text, at, at + 1, "raised letters are not read: a power is written with **, as in x**n")
    if form == "<sub>":
        return error_at(text, at, at + 1, "lowered letters are not read: write an underscore, as in x_i")
    shown = character if character.isprintable() else unicodedata.name(character, f"U+{ord(character):04X}")
    return error_at(text, at, at + 1, f"a formula has no {shown}: it has numbers, names, signs and functions")


def check_neighbours(text: str, tokens: list[Token]) -> None:
    """Refuse two operands side by side, and a sign that lacks one."""
    if tokens[0].text in INFIX:
        raise lacks(text, tokens[0], "before")
    for before, token in pairwise(tokens):
        if before.ends_operand:
            called = before.kind == "name" and token.text == "("
            if token.kind != "sign" or (token.text == "(" and not called):
                raise side_by_side(text, before, token)
            if token.text == "**" and SUPERSCRIPT.match(text, before.start):
                raise error_at(text, token.start, token.stop, "which power comes first? Put parentheses")
        elif token.text in INFIX:
            raise lacks(text, token, "before")
        elif before.text in BEFORE_OPERAND and token.text in (")", "]", ",", ":", ".", "="):
            raise lacks(text, before, "after")
    if tokens[-1].text in BEFORE_OPERAND:
        raise lacks(text, tokens[-1], "after")


def lacks(text: str, sign: Token, side: str) -> FormulaError:
    return error_at(text, sign.start, sign.stop, f"something is missing {side} {sign.text}")


def side_by_side(text: str, before: Token, token: Token) -> FormulaError:
    """The error for two operands without a sign between them."""
    raised = SUPERSCRIPT.match(text, before.start)
    if raised and token.text == "(":
        problem = "the power of a function is written sin(x)**2, a product x**2*(…)"
        return error_at(text, before.start, token.stop, problem)
    if before.kind == "name" and token.kind in ("name", "number") and look_up(before.text) is not None:
        problem = f"what a function is of stands in brackets: write {before.text}({token.text})"
        return error_at(text, before.start, token.stop, problem)
    left = before.text if before.kind != "sign" and not raised else text[before.start : before.stop]
    right = "(…)" if token.text == "(" else token.text
    left = "(…)" if left == ")" else "[…]" if left == "]" else left
    hint = f", and one name {left}_{right}" if before.kind == token.kind == "name" else ""
    return error_at(text, before.start, token.stop, f"a sign is missing: a product is written {left}*{right}{hint}")


def check_brackets(text: str, tokens: list[Token]) -> None:
    """Refuse brackets that do not match or go too deep, and a = outside the parentheses of a function."""
    pairs = {")": "(", "]": "["}
    opened: list[Token] = []
    for token in tokens:
        if token.kind != "sign":
            continue
        if token.text in ("(", "["):
            opened.append(token)
            if len(opened) > DEEPEST:
                raise error_at(text, token.start, token.stop, f"more than {DEEPEST} brackets inside each other")
        elif token.text in pairs:
            if not opened:
                raise error_at(text, token.start, token.stop, f"no bracket is open that this {token.text} could close")
            if opened.pop().text != pairs[token.text]:
                raise error_at(text, token.start, token.stop, f"{token.text} closes another kind of bracket")
        elif token.text == "=" and (not opened or opened[-1].text != "("):
            raise error_at(text, token.start, token.stop, "a formula has no =: values are given beside it, as x=2")
    if opened:
        raise error_at(text, opened[-1].start, opened[-1].stop, f"this {opened[-1].text} is never closed")

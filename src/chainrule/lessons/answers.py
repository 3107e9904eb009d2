"""Answers as people type them: numbers with few digits, fractions, lists, words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from chainrule.errors import UNFIT
from chainrule.expression.typed.parse import parse
from chainrule.lessons.numbers import same
from chainrule.printable import spelled
from chainrule.verify.spelling import typed

EXACT = 15
"""The digits of what was typed as arithmetic."""
SHORT = 6
"""A number of no more digits is wanted with all of them."""


THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:[, \u00a0\u2009\u202f]\d{3})+(?!\d|,\d)")
BETWEEN = re.compile(r"[,;]|\band\b|\bby\b|(?<=\d)\s*[x×]\s*(?=\d)")
"""What stands between the numbers of a list or a shape."""
AROUND = re.compile(
    r"\\(?:begin|end)\{\w+\}|\b(?:\w+\.)?(?:as)?(?:array|matrix|tensor)\s*(?=\()|,\s*dtype=[\w.]+", re.IGNORECASE
)
"""What a program or LaTeX writes around the numbers of a matrix."""
ROWS = re.compile(r"[\])}]\s*,?\s*[\[({]|[\s,]*(?:[;\n]|\\\\)[\s,;]*")
"""Where one row of a matrix ends and the next begins."""
WORDS = re.compile(r"[^\W_]+|[^\w\s,;*]")
"""What of a choice is compared with what was typed; a space and a dot say no more than each other."""
WORKED = re.compile(r"[\d)]\s*[-+*/^·×−]|[¼½¾⅓⅔⅛]")
"""What shows that a number was typed as arithmetic."""


def numbers_in(answer: Any, *, count: int | None = None) -> Any:
    """The numbers that were typed or given, row by row, worked out where they are arithmetic; None for anything else.

    Where `count` tells how many there are, the reading is taken that leaves so many: a comma before three digits may
    part thousands, and a space may stand between two numbers.
    """
    if not isinstance(answer, str):
        try:
            given = np.asarray(answer, dtype=float)
        except (TypeError, ValueError):
            return None
        return (given.ravel() if given.size != 1 else given.ravel()[0]) if given.ndim <= 2 else None
    for parts in readings(answer):
        if not parts or (count is not None and len(parts) != count):
            continue
        found = [worked_out(part) for part in parts]
        if all([x is not None for x in found]):
            return np.asarray(found if len(found) > 1 else found[0], dtype=float)
    return None


def readings(text: str) -> list[list[str]]:
    """The numbers of a typed list, as texts: commas between two, or thousands parted by some, or a matrix."""
    plain = AROUND.sub(" ", text).rpartition("=")[2]
    kinds = [parts_of(plain), parts_of(THOUSANDS.sub(lambda found: re.sub(r"\D", "", found[0]), plain))]
    entries = parts_of(f"[{ROWS.sub(';', plain.strip()).replace('&', ',')}]")
    kinds += [entries, [entry for part in entries for entry in part.split()]]
    return [kind for i, kind in enumerate(kinds) if kind not in kinds[:i]]


def parts_of(text: str) -> list[str]:
    """What stands between commas, without the brackets of a list."""
    if re.match(r"\s*[\[{]", text) or ("," in text and re.fullmatch(r"\s*\(.*\)\s*", text)):
        text = re.sub(r"[\[\]{}]", " ", text).strip()
        while text.startswith("(") and text.endswith(")"):
            text = text[1:-1].strip()
    return [part.strip() for part in BETWEEN.split(text)]


def worked_out(text: str) -> float | None:
    """A number as it is typed, ``0.5``, or arithmetic, ``3*7 + 12``; None where names stand in it."""
    try:
        return float(text.replace("−", "-"))
    except ValueError:
        pass
    try:
        parsed = parse(typed(text, lambda _: False).replace("^", "**"))
        return None if parsed.names else float(parsed.run({}))
    except UNFIT:
        return None


def is_arithmetic(answer: Any) -> bool:
    """Whether a number was typed as what has to be worked out."""
    return isinstance(answer, str) and numbers_in(answer) is not None and bool(WORKED.search(answer))


def is_rounded(number: Any, expected: Any, answer: Any) -> bool:
    """Whether every number is the expected one, rounded to the digits that were typed.

    Of a short number all digits are wanted, of any other two at least.
    """
    size = np.size(expected)
    texts = [parts for parts in readings(answer) if len(parts) == size] if isinstance(answer, str) else []
    parts = texts[0] if texts else [repr(float(x)) for x in np.ravel(number)]
    return all(
        [
            abs(x - y) <= unit(y, max(2, significant(part), wanted(y))) / 2 * (1 + 1e-9) or same(x, y, 1e-9)
            for x, y, part in zip(np.ravel(number), np.ravel(expected), parts, strict=True)
        ]
    )


def wanted(x: float) -> int:
    """How many digits of a number have to be typed at least."""
    digits = significant(f"{x:.9g}".rstrip("0") if "." in f"{x:.9g}" else f"{x:.9g}")
    return digits if digits <= SHORT else 2


def significant(text: str) -> int:
    """How many digits of a typed number say something."""
    mantissa = text.strip().lower().partition("e")[0]
    if WORKED.search(mantissa):
        return EXACT
    return len("".join([sign for sign in mantissa if sign.isdigit()]).lstrip("0"))


def unit(x: float, digits: int) -> float:
    """One unit of the last of so many digits; nothing is rounded to 0."""
    return 10.0 ** (np.floor(np.log10(abs(x))) - digits + 1) if x else 0.0


def is_answer(answer: str, wrong: str) -> bool:
    """Whether what was typed is a prepared answer: the same number, rounded or not, or the same words."""
    y = numbers_in(wrong)
    if y is not None and (x := numbers_in(answer, count=y.size)) is not None:
        return x.shape == y.shape and is_rounded(x, y, answer)
    return "".join(answer.split()) == "".join(wrong.split())


def same_words(one: str, other: str) -> bool:
    """Whether two choices are the same in the signs of a typewriter, however they are spaced: delta*w is δ·w."""
    return WORDS.findall(spelled(one).lower()) == WORDS.findall(spelled(other).lower())


def same_answer(one: str, other: str) -> bool:
    """Whether two answers are the same number, or the same words."""
    x, y = numbers_in(one), numbers_in(other)
    if x is not None and y is not None:
        return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-9))
    return "".join(one.split()) == "".join(other.split())

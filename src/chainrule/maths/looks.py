"""What a formula looks like: some twenty forms, and one table of how tightly each holds what it is made of.

Everything for eyes reads this. A form is a word or a sign around parts: ``sum`` with its signs, ``frac``, ``pow``,
``call`` with a name. How tightly a form binds depends on where it is written: a fraction on paper needs no parentheses
where the same in one line does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NamedTuple


class Binds(IntEnum):
    """How tightly a form holds together, loosest first. Side by side (2x) is tighter than a sign between (2 · x)."""

    RELATION = 0
    SUM = 1
    PREFIX = 2
    PRODUCT = 3
    BESIDE = 4
    POWER = 5
    INDEXED = 6
    ATOM = 7


class Looks(NamedTuple):
    """A form, its parts, and the word or sign that belongs to it."""

    kind: str
    parts: tuple[Any, ...] = ()
    word: Any = ""


class Where(NamedTuple):
    """How tightly one form binds: on paper, in one line of a terminal, and as Python."""

    paper: Binds
    line: Binds
    python: Binds


PRECEDENCE = {
    "rel": Where(Binds.RELATION, Binds.RELATION, Binds.RELATION),
    "sum": Where(Binds.SUM, Binds.SUM, Binds.SUM),
    "cases": Where(Binds.SUM, Binds.SUM, Binds.ATOM),
    "neg": Where(Binds.PREFIX, Binds.PREFIX, Binds.BESIDE),
    "big": Where(Binds.PREFIX, Binds.PREFIX, Binds.ATOM),
    "prod": Where(Binds.PRODUCT, Binds.PRODUCT, Binds.PRODUCT),
    "beside": Where(Binds.BESIDE, Binds.BESIDE, Binds.PRODUCT),
    "frac": Where(Binds.POWER, Binds.PRODUCT, Binds.PRODUCT),
    "ratio": Where(Binds.POWER, Binds.POWER, Binds.ATOM),
    "pow": Where(Binds.POWER, Binds.POWER, Binds.POWER),
    "layer": Where(Binds.POWER, Binds.POWER, Binds.ATOM),
    "raised": Where(Binds.POWER, Binds.POWER, Binds.ATOM),
    "prime": Where(Binds.POWER, Binds.POWER, Binds.ATOM),
    "root": Where(Binds.ATOM, Binds.POWER, Binds.ATOM),
    "sub": Where(Binds.INDEXED, Binds.INDEXED, Binds.ATOM),
}
"""The forms that are not whole in themselves; in Python a minus holds tighter than a product, and ``@`` as ``*``."""

WHOLE = Where(Binds.ATOM, Binds.ATOM, Binds.ATOM)


def binds(x: Looks, *, line: bool) -> Binds:
    """How tightly a form holds together on paper, or in one line."""
    return Binds.PREFIX if begins_or_ends_loosely(x, line=line) else of_itself(x, line=line)


def begins_or_ends_loosely(x: Looks, *, line: bool) -> bool:
    """Whether the first or the last sign of a form is one that takes in what stands beside it."""
    while x.kind in ("prod", "beside") or (x.kind == "frac" and line):
        if x.parts[-1].kind == "big":
            return True
        x = x.parts[0]
    return x.kind != "big" and of_itself(x, line=line) == Binds.PREFIX


def of_itself(x: Looks, *, line: bool) -> Binds:
    """How tightly a form holds together whatever it begins and ends with."""
    if x.kind == "num":
        return number_binds(x.word, line=line)
    if x.kind == "sub" and x.parts[0].kind == "layer":
        return Binds.POWER
    where = PRECEDENCE.get(x.kind, WHOLE)
    return where.line if line else where.paper


def number_binds(text: str, *, line: bool) -> Binds:
    """A minus is a prefix, a power of ten a product; a fraction is whole on paper alone."""
    if text.startswith("-"):
        return Binds.PREFIX
    if "/" in text:
        return Binds.PRODUCT if line else Binds.POWER
    return Binds.PRODUCT if "e" in text else Binds.ATOM


def needed(x: Looks, i: int) -> Binds:
    """How tightly part i of a form must hold together, lest it get parentheses."""
    part: Looks = x.parts[i]
    match x.kind:
        case "rel":
            return Binds.SUM
        case "sum":
            # A sum sign takes in factors alone, so it ends before the next plus.
            return Binds.PREFIX if (i == 0 and x.word[0] > 0) or ends_in_sum(part) else Binds.PRODUCT
        case "neg" | "big":
            return Binds.PRODUCT
        case "prod" | "beside":
            return needed_factor(x, i, part)
        case "pow" | "raised":
            return Binds.INDEXED if i == 0 else Binds.RELATION
        case "layer":
            return Binds.ATOM if i == 0 else Binds.RELATION
        case "sub":
            return (Binds.POWER if part.kind == "layer" else Binds.ATOM) if i == 0 else Binds.RELATION
        case _:
            return Binds.RELATION


def ends_in_sum(x: Looks) -> bool:
    """Whether a form is a sum sign with what it takes in, or factors of which that is the last, without a minus."""
    if x.kind not in ("prod", "beside"):
        return x.kind == "big"
    return x.parts[-1].kind == "big" and of_itself(x.parts[0], line=True) != Binds.PREFIX


def needed_factor(x: Looks, i: int, part: Looks) -> Binds:
    """The same in a product; a sum sign may end it, and a minus begin it where a sign follows."""
    if part.kind == "big":
        return Binds.PREFIX if i == len(x.parts) - 1 else Binds.PRODUCT
    if i == 0:
        number = part.kind == "num" and "e" not in part.word
        if (x.kind == "prod" and x.word in ("·", "⊙", "⊘")) or number:
            return Binds.PREFIX
        return Binds.BESIDE if x.kind == "prod" else Binds.POWER
    return Binds.BESIDE if x.kind == "prod" else Binds.POWER


# Forms in which forms of the same kind are one row.


def add(*terms: tuple[int, Looks]) -> Looks:
    """A sum of terms with their signs; sums that are added are one row, and a leading minus is a sign of the row.

    What is taken away stays as it is: x − (y − 2) is not made into x − y + 2.
    """
    parts: list[Looks] = []
    signs: list[int] = []
    for sign, term in terms:
        if sign > 0 and term.kind == "sum":
            parts += term.parts
            signs += term.word
        elif sign > 0 and term.kind == "neg":
            parts.append(term.parts[0])
            signs.append(-1)
        else:
            parts.append(term)
            signs.append(sign)
    return Looks("sum", tuple(parts), tuple(signs))


def prod(sign: str, *factors: Looks) -> Looks:
    """Factors with a sign between them; a product of a product is one row where grouping makes no difference."""
    flat: list[Looks] = []
    for factor in factors:
        one_row = factor.kind == "prod" and factor.word == sign and sign in ("·", "⊙")
        flat += factor.parts if one_row else [factor]
    return Looks("prod", tuple(flat), sign)


def beside(*factors: Looks) -> Looks:
    flat: list[Looks] = []
    for factor in factors:
        flat += factor.parts if factor.kind == "beside" else [factor]
    return Looks("beside", tuple(flat))


def call(name: str, *inputs: Looks, below: Looks | None = None) -> Looks:
    """A function by its name, with what is set below it."""
    return Looks("call", (below or NOTHING, *inputs), name)


def has_settings(x: Looks) -> bool:
    """Whether what is set below a function has names: a line has them among the inputs, as a call of Python."""
    return x.parts[0].kind == "list" and all([part.kind == "rel" for part in x.parts[0].parts])


def listed(*parts: Looks) -> Looks:
    return Looks("list", parts)


def name(word: str) -> Looks:
    return Looks("id", (), word)


def digits(text: str) -> Looks:
    return Looks("num", (), text)


def text(words: str) -> Looks:
    return Looks("text", (), words)


def fenced(sign: str, *parts: Looks) -> Looks:
    """Between delimiters that mean something."""
    return Looks("fence", parts, sign)


def begins_with_digit(x: Looks) -> bool:
    """Whether its first sign is a digit, which must not stand directly behind another."""
    while x.kind in ("prod", "beside", "pow", "sub", "layer", "raised"):
        x = x.parts[0]
    return x.kind == "num"


PI = Looks("const", (), "π")
"""The number, which no letter of a user's stands for."""
E = Looks("const", (), "e")
NOTHING = Looks("none")
ONES = name("𝟏")
ZEROS = name("𝟎")
IDENTITY = name("𝐈")
TOP = Looks("top")
INVERSE_TOP = Looks("top", (), "-")
"""The transpose of the inverse."""


def all_in(x: Looks, inside: Callable[[Looks], Iterable[Looks]] = lambda x: x.parts) -> list[Looks]:
    """A form and all that is inside it, each before its own parts."""
    found = [x]
    for form in found:
        found += inside(form)
    return found


def turned(x: Looks) -> Looks:
    """The transpose; that of a transpose is the thing itself, and that of an inverse has one sign for both.

    A column of numbers becomes a row.
    """
    if x.kind == "matrix" and all([len(row.parts) == 1 for row in x.parts]):
        column = [row.parts[0] for row in x.parts]
        if all([is_number(part) or part.kind == "raised" for part in column]):
            row = [part if is_number(part) else turned(part) for part in column]
            return Looks("matrix", (Looks("row", tuple(row)),))
    if x.kind == "raised":
        return x.parts[0] if x.parts[1] == TOP else Looks("pow", (x.parts[0], digits("-1")))
    if x.kind == "pow" and not x.word and x.parts[1] == digits("-1"):
        return Looks("raised", (x.parts[0], INVERSE_TOP))
    return Looks("raised", (x, TOP))


def is_number(x: Looks) -> bool:
    return x.kind == "num" or (x.kind == "neg" and x.parts[0].kind == "num")

r"""How a rule's LaTeX template takes its inputs in: which of them need parentheses, and how tightly the whole binds.

A template such as ``{x} \cdot {y}`` holds names in braces. What stands around a name says what it is:

- directly after ``^``, ``_`` or a command (``\sqrt{x}``, ``\frac{x}{y}``) it is an argument and keeps its braces;
- alone between delimiters or commas, as in ``\left({x}, {y}\right)``, it stands free;
- anywhere else it is an operand, and needs parentheses where it binds more loosely than its neighbours.

In a rule with any number of inputs, dots stand for the terms between: ``{terms} + \cdots + {terms}``. A name that is
mentioned twice in one term, as in ``{factors} \cdot {factors} + \cdots``, takes the two halves of the inputs in step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

RELATION, SUM, NEGATIVE, PRODUCT, POWER, INDEXED, ATOM = range(7)
"""How tightly a formula binds, loosest first; a product that begins with a minus is negative, and w_{1} indexed."""

FREE = RELATION

BINDS = {
    "=": RELATION,
    "<": RELATION,
    ">": RELATION,
    r"\ge": RELATION,
    r"\le": RELATION,
    r"\ne": RELATION,
    "+": SUM,
    "-": SUM,
    r"\sum": SUM,
    r"\cdot": PRODUCT,
    r"\odot": PRODUCT,
    r"\oslash": PRODUCT,
    r"\,": PRODUCT,
    r"\otimes": PRODUCT,
}
"""The operators of templates, and how tightly each holds its operands."""

APART = {"", ",", ";", ":", "|", "^", "_", *BINDS}
"""What keeps a slot from being multiplied by its neighbour."""

WORDS = (r"\operatorname", r"\text", r"\mathit", r"\mathrm")
"""Commands whose argument is a word and never the name of an input."""

PIECE = re.compile(r"\\left\s*(?:\\[A-Za-z]+|\\?.)|\\right\s*(?:\\[A-Za-z]+|\\?.)|\\[A-Za-z]+|\\.|\s+|[A-Za-z0-9.]+|.")


@dataclass(frozen=True)
class Slot:
    """A name in a template: `argument` slots keep their braces, others need at least the tightness `needs`.

    `after_sign` tells that a plus or minus stands before it, so that a leading minus would meet it, and `first` that
    nothing does, so that a leading minus needs no parentheses.
    """

    name: str
    argument: bool
    needs: int
    after_sign: bool = False
    first: bool = False


@dataclass(frozen=True)
class Template:
    """A template taken apart: text and slots in order, and how tightly the whole binds."""

    parts: tuple[str | Slot, ...]
    binds: int


@lru_cache(maxsize=512)
def take_apart(formula: str, names: frozenset[str]) -> Template:
    """The text and the slots of a template; `names` are the inputs and settings that it may mention."""
    pieces = split(formula, names)
    parts: list[str | Slot] = []
    loosest = ATOM
    depth = 0
    for k, piece in enumerate(pieces):
        if is_slot(piece):
            slot = slot_at(pieces, k)
            parts.append(slot)
            if depth == 0 and not slot.argument and beside_factor(pieces, k):
                loosest = min(loosest, PRODUCT)
            continue
        parts.append(piece)
        opening, closing = opens(piece), closes(piece)
        depth += opening - closing
        if depth == 0 and not opening and not closing:
            binds = NEGATIVE if piece == "-" and not neighbour(pieces, k, -1) else BINDS.get(piece, ATOM)
            loosest = min(loosest, POWER if piece in ("^", r"\frac") else binds)
    return Template(tuple(parts), loosest)


def split(formula: str, names: frozenset[str]) -> list[str]:
    """The template's pieces; a name in braces is one piece."""
    pieces: list[str] = []
    start = 0
    for match in re.finditer(r"\{(\w+)\}", formula):
        before = formula[: match.start()]
        if match[1] in names and not before.endswith(WORDS):
            pieces += PIECE.findall(formula[start : match.start()])
            pieces.append(match[0])
            start = match.end()
    return pieces + PIECE.findall(formula[start:])


def is_slot(piece: str) -> bool:
    return len(piece) > 2 and piece[0] == "{" and piece[-1] == "}"


def opens(piece: str) -> bool:
    return piece in ("{", "(", "[") or piece.startswith(r"\left")


def closes(piece: str) -> bool:
    return piece in ("}", ")", "]") or (piece.startswith(r"\right") and not piece.startswith(r"\rightarrow"))


def is_argument(pieces: list[str], k: int) -> bool:
    """Whether the slot follows ``^``, ``_`` or a command directly, or is the second argument of a fraction."""
    if k == 0:
        return False
    before = pieces[k - 1]
    if before in ("^", "_"):
        return True
    if re.fullmatch(r"\\[A-Za-z]+", before):
        return before not in BINDS
    if is_slot(before):
        return k > 1 and pieces[k - 2] == r"\frac"
    return before == "}" and "{" in pieces[:k] and command_of(pieces, k - 1) == r"\frac"


def command_of(pieces: list[str], k: int) -> str:
    """What stands before the group in braces that closes at k."""
    depth = 0
    while k > 0:
        depth += (pieces[k] == "}") - (pieces[k] == "{")
        if not depth:
            break
        k -= 1
    return pieces[k - 1] if k else ""


def slot_at(pieces: list[str], k: int) -> Slot:
    name = pieces[k][1:-1]
    if is_argument(pieces, k):
        return Slot(name, True, FREE)
    before, after = neighbour(pieces, k, -1), neighbour(pieces, k, 1)
    if after in ("^", "_"):
        # LaTeX allows one script of each kind: z^{1} is raised, and w_{1} indexed, in parentheses.
        return Slot(name, False, INDEXED if after == "^" else ATOM)
    needs = FREE
    if before in ("-", r"\sum"):
        needs = PRODUCT
    elif before in BINDS:
        needs = max(needs, BINDS[before] + (BINDS[before] == RELATION))
    if after in BINDS:
        needs = max(needs, BINDS[after] + (BINDS[after] == RELATION))
    if beside_factor(pieces, k):
        needs = max(needs, PRODUCT)
    return Slot(name, False, needs, before in ("+", "-"), not before)


def neighbour(pieces: list[str], k: int, step: int) -> str:
    """The nearest piece that is not blank; nothing at the ends."""
    k += step
    while 0 <= k < len(pieces) and pieces[k].isspace():
        k += step
    return pieces[k] if 0 <= k < len(pieces) else ""


def beside_factor(pieces: list[str], k: int) -> bool:
    r"""Whether the slot is multiplied by what stands next to it without a sign, as in ``{scale} \left(…``."""
    before, after = neighbour(pieces, k, -1), neighbour(pieces, k, 1)
    return not (opens(before) or before in APART) or not (closes(after) or after in APART)

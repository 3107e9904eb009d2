"""JSON: the whole record, for programs, and back; ``derivation/schema.json`` describes it.

Every object says what it is in ``type``: ``node``, ``equation`` and so on. Tuples are arrays. Formulas are LaTeX, in
words between dollar signs; ``formulas`` has for each of them a text that NumPy runs, and its tree. Of formulas that
print alike, as 𝐈 of two sizes, the later ones end in ``{}``. The numbers that JSON does not have are the strings
``"nan"``, ``"inf"`` and ``"-inf"``, and stand where a number is expected.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from chainrule.derivation import record
from chainrule.derivation.record import Derivation, Equation
from chainrule.derivation.words import Words, text_of
from chainrule.errors import FormatError
from chainrule.maths import Tree, latex, plain
from chainrule.maths.as_data import data_of, tree_from

PIECE = re.compile(r"\$((?:[^$\\]|\\.)+)\$|\\([$\\])|([^$\\]+|.)", re.DOTALL)
"""A formula between dollar signs, a sign with a backslash before it, or words."""

CLASSES = {
    kind.__name__.lower(): kind
    for kind in vars(record).values()
    if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == record.__name__
}


def write(derivation: Derivation, *, detail: str = "full") -> str:
    """A derivation as JSON, two spaces for each level; all of it, whatever the detail."""
    encoder = Encoder()
    # Letters first: what only prints like one is not found by its LaTeX alone.
    encoder.encoded(derivation.known)
    data = encoder.encoded(derivation)
    formulas = {key: {"plain": plain(x), "tree": data_of(x)} for key, x in encoder.formulas.items()}
    return json.dumps({**data, "formulas": formulas}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


class Encoder:
    """Writes parts of a record as what JSON has, and keeps what each formula stands for."""

    def __init__(self) -> None:
        self.formulas: dict[str, Tree] = {}

    def key(self, x: Tree) -> str:
        """A formula's LaTeX; with something that does not print behind it where another one prints alike."""
        found = latex(x)
        while self.formulas.setdefault(found, x) != x:
            found += "{}"
        return found

    def encoded(self, x: Any) -> Any:
        """Any part of a record; formulas are LaTeX."""
        if isinstance(x, Tree):
            return self.key(x)
        if isinstance(x, Equation):
            return {
                "type": "equation",
                "parts": [self.key(side) for side in x.sides],
                "numbers": x.numbers,
                "signs": list(x.signs),
                "note": self.text(x.note),
                "digits": x.digits,
            }
        if is_dataclass(x) and not isinstance(x, type):
            values = {f.name: self.field(getattr(x, f.name), str(f.type)) for f in fields(x)}
            return {"type": type(x).__name__.lower(), **values}
        if isinstance(x, tuple | list):
            return [self.encoded(part) for part in x]
        if isinstance(x, dict):
            return {str(key): self.encoded(value) for key, value in x.items()}
        x = x.item() if isinstance(x, np.generic) else x
        if isinstance(x, float):
            return x if math.isfinite(x) else "nan" if math.isnan(x) else "inf" if x > 0 else "-inf"
        return x

    def field(self, x: Any, kind: str) -> Any:
        """A field of a record; words are a text, with LaTeX between dollar signs."""
        if kind == "Words":
            return self.text(x)
        if x is None and "Tree" in kind:
            return ""
        if "Words" in kind and isinstance(x, tuple):
            return [[self.cell(y) for y in part] if "tuple[tuple" in kind else self.cell(part) for part in x]
        return self.encoded(x)

    def cell(self, x: Any) -> Any:
        return self.encoded(x) if isinstance(x, Equation) else self.text(x)

    def text(self, words: Words) -> str:
        return text_of(words, self.key)


def from_json(text: str) -> Derivation:
    """The derivation that was written; FormatError for text that holds none, or one of another version."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise FormatError(f"this is not JSON: {error}") from error
    version = data.get("version") if isinstance(data, dict) else None
    if version != record.VERSION:
        raise FormatError(f"this is not a derivation of version {record.VERSION!r}, but {version!r}: explain it again")
    try:
        trees = {key: tree_from(formula["tree"]) for key, formula in data.pop("formulas").items()}
        found = Decoder(trees).record(data)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise FormatError(f"this JSON is no derivation: {error}") from error
    if not isinstance(found, Derivation):
        raise FormatError('this JSON is no derivation: its "type" is not "derivation"')
    return found


class Decoder:
    """Reads a record back, with the tree that each formula's LaTeX stands for."""

    def __init__(self, trees: dict[str, Tree]) -> None:
        self.trees = trees

    def record(self, x: Any) -> Any:
        if x["type"] == "equation":
            sides = tuple([self.trees[part] for part in x["parts"]])
            return Equation(sides, x["numbers"], tuple(x["signs"]), self.words(x["note"]), x["digits"])
        kind = CLASSES[x["type"]]
        return kind(**{f.name: self.field(x[f.name], str(f.type)) for f in fields(kind)})

    def field(self, x: Any, kind: str) -> Any:
        if kind == "Words":
            return self.words(x)
        if kind.startswith("Tree"):
            return self.trees[x] if x else None
        if "Words" in kind and isinstance(x, list):
            return tuple([tuple(map(self.cell, part)) if "tuple[tuple" in kind else self.cell(part) for part in x])
        if "Tree" in kind:
            return tuple([(name, self.trees[symbol]) for name, symbol in x])
        if "Numbers" in kind or kind == "float":
            return self.numbers(x)
        if isinstance(x, list):
            return tuple([self.record(part) if isinstance(part, dict) else part for part in x])
        return x

    def cell(self, x: Any) -> Any:
        return self.record(x) if isinstance(x, dict) else self.words(x)

    def numbers(self, x: Any) -> Any:
        """Numbers, of which some are strings; a summary of many."""
        if isinstance(x, dict):
            return self.record(x)
        if isinstance(x, list):
            return tuple([self.numbers(part) for part in x])
        return x if x is None else float(x)

    def words(self, text: str) -> Words:
        """A text taken apart at its dollar signs."""
        found: list[str | Tree] = []
        for formula, escaped, words in PIECE.findall(text):
            if formula:
                found.append(self.trees[formula])
            elif found and isinstance(found[-1], str):
                found[-1] += escaped + words
            else:
                found.append(escaped + words)
        return tuple(found) if any([isinstance(part, Tree) for part in found]) else "".join(map(str, found))

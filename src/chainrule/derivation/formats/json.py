"""JSON: the whole record, for programs, and back; ``derivation/schema.json`` describes it.

Every object says what it is in ``type``: ``node``, ``equation`` and so on. Tuples are arrays. The numbers that JSON
does not have are the strings ``"nan"``, ``"inf"`` and ``"-inf"``, and stand where a number is expected.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from chainrule.derivation import record
from chainrule.derivation.record import Derivation, Equation
from chainrule.derivation.words import text_of
from chainrule.errors import FormatError
from chainrule.maths import Tree, latex

CLASSES = {
    kind.__name__.lower(): kind
    for kind in vars(record).values()
    if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == record.__name__
}


def write(derivation: Derivation, *, detail: str = "full") -> str:
    """A derivation as JSON, two spaces for each level; all of it, whatever the detail."""
    return json.dumps(encoded(derivation), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


to_json = write


def encoded(x: Any) -> Any:
    """Any part of a record as what JSON has."""
    if isinstance(x, Tree):
        return latex(x)
    if isinstance(x, Equation):
        return {
            "type": "equation",
            "parts": list(x.parts),
            "numbers": x.numbers,
            "signs": list(x.signs),
            "note": text_of(x.note),
        }
    if is_dataclass(x) and not isinstance(x, type):
        return {
            "type": type(x).__name__.lower(),
            **{f.name: encoded_field(getattr(x, f.name), str(f.type)) for f in fields(x)},
        }
    if isinstance(x, tuple | list):
        return [encoded(part) for part in x]
    if isinstance(x, dict):
        return {str(key): encoded(value) for key, value in x.items()}
    x = x.item() if isinstance(x, np.generic) else x
    if isinstance(x, float):
        return x if math.isfinite(x) else "nan" if math.isnan(x) else "inf" if x > 0 else "-inf"
    return x


def encoded_field(x: Any, kind: str) -> Any:
    """A field of a record; words are a text, with LaTeX between dollar signs."""
    if kind == "Words":
        return text_of(x)
    if "Words" in kind and isinstance(x, tuple):
        return [[cell(y) for y in part] if "tuple[tuple" in kind else cell(part) for part in x]
    return encoded(x)


def cell(x: Any) -> Any:
    """A cell of a table or a line of steps."""
    return encoded(x) if isinstance(x, Equation) else text_of(x)


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
        found = decoded(data)
    except (TypeError, KeyError, ValueError) as error:
        raise FormatError(f"this JSON is no derivation: {error}") from error
    if not isinstance(found, Derivation):
        raise FormatError('this JSON is no derivation: its "type" is not "derivation"')
    return found


def decoded(x: Any, numeric: bool = False) -> Any:
    """Any part of a record; where numbers stand, strings are the numbers that JSON does not have."""
    if isinstance(x, dict) and "type" in x:
        kind = CLASSES[x["type"]]
        kinds = {f.name: str(f.type) for f in fields(kind)}
        given = {name: decoded(value, "Numbers" in kinds.get(name, "") or kinds.get(name) == "float")
                 for name, value in x.items() if name != "type"}  # fmt: skip
        if kind is Equation:
            given["sides"] = given.pop("parts")
        return kind(**given)
    if isinstance(x, dict):
        return {key: decoded(value) for key, value in x.items()}
    if isinstance(x, list):
        return tuple([decoded(part, numeric) for part in x])
    return float(x) if numeric and isinstance(x, str | int) else x

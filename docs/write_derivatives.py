"""Writes the modules of src/chainrule/rules/derivatives from what fused rules are made of; the tests compare them."""

from __future__ import annotations

from pathlib import Path

from chainrule.codegen.derivatives import module_text
from chainrule.core.operation import Fused, book

FOLDER = Path(__file__).parents[1] / "src" / "chainrule" / "rules" / "derivatives"
HEAD = "What of a gradient passes the fused rules of rules/{}, written by `docs/write_derivatives.py`."
BY_HAND = frozenset({"self_attention"})
"""Rules that state their adjoints, each with its reason there."""


def modules() -> dict[Path, str]:
    """The text of every module: one for each room of the rule book that has fused rules."""
    rooms: dict[str, list[Fused]] = {}
    for rule in book.values():
        if isinstance(rule, Fused) and rule.__module__.startswith("chainrule.") and rule.name not in BY_HAND:
            rooms.setdefault(rule.__module__.rpartition(".")[2] + ".py", []).append(rule)
    return {FOLDER / room: module_text(HEAD.format(room), rules) for room, rules in sorted(rooms.items())}


if __name__ == "__main__":
    for place, text in modules().items():
        place.write_text(text, encoding="utf-8")

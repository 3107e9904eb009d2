"""Writes the modules of src/chainrule/rules/derivatives from what rules are made of; the tests compare them.

A room of the rule book whose first rule this is begins with an empty module there.
"""

from __future__ import annotations

from pathlib import Path

from chainrule.codegen.derivatives import module_text
from chainrule.core.operation import Fused, Pointwise, book

FOLDER = Path(__file__).parents[1] / "src" / "chainrule" / "rules" / "derivatives"
HEAD = "Derivatives for rules/{}, written by `docs/write_derivatives.py` from what each rule is made of."


def modules() -> dict[Path, str]:
    """The text of every module: one for each room of the rule book that has such rules."""
    rooms: dict[str, list[Fused | Pointwise]] = {}
    for rule in book.values():
        made = isinstance(rule, Fused) or (isinstance(rule, Pointwise) and rule.made_of is not None)
        if made and rule.__module__.startswith("chainrule."):
            rooms.setdefault(rule.__module__.rpartition(".")[2] + ".py", []).append(rule)
    return {FOLDER / room: module_text(HEAD.format(room), rules) for room, rules in sorted(rooms.items())}


if __name__ == "__main__":
    for place, text in modules().items():
        place.write_text(text, encoding="utf-8")

"""Writes docs/rules.md from the rule book; the tests fail where the page is out of date."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chainrule.core.differential import Differential
from chainrule.core.flat import Flat
from chainrule.core.operation import Fused, Linear, Operation, Pointwise, book, compositions
from chainrule.core.registry import Registry

PAGE = Path(__file__).with_name("rules.md")
KINDS = (
    (Pointwise, "Pointwise", "A local derivative for each input, applied entry by entry."),
    (Linear, "Linear", "Linear in each input: forward mode is the operation itself, and reverse mode its adjoint."),
    (
        Differential,
        "Differential",
        "Neither of the two: how the output moves is a program, and reverse mode is its transpose, taken by machine.",
    ),
    (
        Flat,
        "Flat",
        "Places, counts and tests on whole arrays: they move in jumps or not at all, and no gradient passes.",
    ),
    (Fused, "Fused", "Several rules in one node, for speed; each equals its composition."),
)


def page() -> str:
    """The whole page as Markdown."""
    parts = ["# The rules", "Written by `docs/write_rules.py` from the book itself, `cr.book`."]
    for kind, title, words in KINDS:
        rows = (
            (f"`{name}`", f"${formula(rule)}$", str(rule.__doc__)) for name, rule in by_name(book) if type(rule) is kind
        )
        parts += [f"## {title}", words, table(("operation", "formula", "in words"), rows)]
    rows = ((f"`{name}`", first_sentence(function.__doc__)) for name, function in by_name(compositions))
    parts += [
        "## Composed",
        "Made of the rules above, so the chain rule is their derivative.",
        table(("function", "in words"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def by_name(registry: Registry[Any]) -> list[tuple[str, Any]]:
    """All that is declared: in which order depends on which rooms of the book were opened first."""
    return sorted(registry.items())


def formula(rule: Operation) -> str:
    """Its LaTeX, without the bar that would end a table's cell."""
    return rule.formula.replace("|", r"\vert ")


def first_sentence(text: str | None) -> str:
    """The first line of a docstring."""
    return (text or "").strip().splitlines()[0]


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

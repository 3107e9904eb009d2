r"""The functions that a formula may call: every rule whose template is a name with its inputs in parentheses.

``\operatorname{leaky\,relu}_{slope}\left({x}\right)`` in the book says that the rule `leaky_relu` is written so, with
its setting `slope` below the line; nothing is listed here a second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from chainrule.core.operation import Operation, book
from latex_oracle.signs import FUNCTIONS

CALL = re.compile(
    r"(?P<name>\\?[A-Za-z]+(?:\{[^{}]*\})?)(?:_\{(?P<below>\\?\w+)\})?\\left\((?P<slots>\{\w+\}(?:, \{\w+\})*)\\right\)"
)


@dataclass(frozen=True, slots=True)
class Written:
    """How a rule is written as a call: its inputs and settings in order, and the setting below the line."""

    rule: Operation
    slots: tuple[str, ...]
    setting: str


def written_as(function: str, below: str | None) -> Written | None:
    r"""The rule that is written with that name, and with that LaTeX below the line; None where the book has none.

    >>> from latex_oracle.calls import written_as
    >>> written_as(r"\sigma", None).rule.name, written_as(r"\operatorname{gelu}", r"\tanh").rule.name
    ('sigmoid', 'gelu_tanh')
    """
    # A word below a name is set as any word, whatever it is the name of.
    below = below and re.sub(r"\\mathit\{(\w+)\}", r"\\\1", below)
    calls = table(tuple(book.values()))
    return calls.get((function, below)) or calls.get((function, None if below is None else "*"))


def is_function(name: str) -> bool:
    """Whether parentheses after a name hold its arguments."""
    return (
        name.startswith((r"\operatorname", "\\mathrm"))
        or name[1:] in FUNCTIONS
        or any([written_as(name, below) for below in (None, "*")])
    )


@lru_cache(maxsize=4)
def table(rules: tuple[Operation, ...]) -> dict[tuple[str, str | None], Written]:
    """Each rule that is written as a call, by its name and what stands below it; ``*`` is any value of a setting."""
    found: dict[tuple[str, str | None], Written] = {}
    for rule in rules:
        match = CALL.fullmatch(rule.formula)
        if match:
            below = match["below"]
            setting = below if below in rule.defaults else ""
            slots = tuple(re.findall(r"\{(\w+)\}", match["slots"]))
            found.setdefault((match["name"], "*" if setting else below), Written(rule, slots, setting))
    return found

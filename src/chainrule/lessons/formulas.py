"""Displayed formulas: typed as a program has them, read to trees, and worked out on the chapter's own numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError
from chainrule.expression.typed.parse import parse
from chainrule.expression.typed.tokens import Token, tokens_of
from chainrule.maths import Derivative, Relation, Symbol, Tree, check, tree_of
from chainrule.maths.names import symbols_for
from chainrule.maths.tree import exact
from chainrule.training.descent import derivative

PLACEHOLDER = "ratio"
"""What stands in the text for a derivative while the formula around it is read; it is never shown."""


def displayed(line: str, namespace: Mapping[str, Any], *, is_total: bool = False) -> Relation:
    """A line of equations as a tree, checked: every side gives the same on the numbers of the namespace.

    ``dL/dw`` is a derivative, and so is ``d(x**2)/dx``. Its number is the engine's where ``L`` and ``w`` are nodes, or
    the variable ``dL_dw`` of the namespace. It is written with d where `is_total`, and else with ∂. Raises
    ChainruleError for sides that differ.
    """
    sides = list(sides_of(line))
    reader = Formulas([text for text, _ in sides], namespace, is_total)
    relation = Relation(tuple([reader.read(text) for text, _ in sides]), tuple([sign for _, sign in sides[:-1]]))
    wrong = check(relation, reader.environment)
    if wrong is not None:
        raise ChainruleError(f"{line}: {wrong}")
    return relation


def sides_of(line: str) -> Iterator[tuple[str, str]]:
    """The sides of a chain of equations, each with the sign after it; inside brackets a sign belongs to a setting."""
    start = depth = 0
    for i, sign in enumerate(line):
        depth += (sign in "([") - (sign in ")]")
        if depth == 0 and sign in "=≈" and line[i - 1 : i + 2].strip() == sign:
            yield line[start:i].strip(), {"≈": "~"}.get(sign, sign)
            start = i + 1
    yield line[start:].strip(), ""


class Formulas:
    """Reads sides of equations in the letters of one namespace, and remembers what the letters stand for."""

    def __init__(self, sides: list[str], namespace: Mapping[str, Any], is_total: bool) -> None:
        self.namespace = namespace
        self.is_total = is_total
        self.environment: dict[Any, Any] = {}
        names = [token.text for side in sides for token in tokens_of(side) if token.kind == "name"]
        used = dict.fromkeys([x for name in names for x in (name, name[1:]) if x in namespace])
        self.symbols = symbols_for({x: np.shape(number_of(namespace[x])) for x in used if is_number(namespace[x])})

    def read(self, side: str) -> Tree:
        """One side as a tree; its letters and derivatives join the environment."""
        text, derivatives = self.with_placeholders(side)
        parsed = parse(text, folds=False)
        trees: list[Any] = []
        for step in parsed.steps:
            if step.function is not None:
                trees.append(step.function(*[trees[i] for i in step.inputs], **step.settings))
            elif step.number is not None:
                trees.append(exact(step.number))
            else:
                trees.append(derivatives[step.name] if step.name in derivatives else self.letter(step.name))
        return tree_of(trees[-1])

    def letter(self, name: str) -> Symbol:
        if name not in self.symbols:
            raise ChainruleError(f"the chapter has no {name} that a formula could be checked on")
        symbol = self.symbols[name]
        self.environment[symbol] = number_of(self.namespace[name])
        return symbol

    def with_placeholders(self, side: str) -> tuple[str, dict[str, Derivative]]:
        """The side with a name in place of every derivative."""
        tokens = tokens_of(side)
        found: dict[str, Derivative] = {}
        pieces: list[str] = []
        at = 0
        while at < len(tokens):
            after = self.end_of_derivative(tokens, at)
            if after:
                name = f"{PLACEHOLDER}{len(found)}"
                found[name] = self.derivative(tokens[at:after])
                pieces.append(name)
                at = after
            else:
                pieces.append(tokens[at].text)
                at += 1
        return " ".join(pieces), found

    def end_of_derivative(self, tokens: list[Token], at: int) -> int:
        """Where ``dL/dw`` or ``d(x**2)/dx`` that begins here ends; 0 where none does."""
        end = at + 1
        if tokens[at].kind != "name" or not tokens[at].text.startswith("d"):
            return 0
        if tokens[at].text == "d" and end < len(tokens) and tokens[end].text == "(":
            depth = 0
            while end < len(tokens):
                depth += (tokens[end].text == "(") - (tokens[end].text == ")")
                end += 1
                if not depth:
                    break
        below = tokens[end : end + 2]
        if len(below) < 2 or below[0].text != "/" or below[1].kind != "name" or below[1].text[0] != "d":
            return 0
        # Where the chapter has nudges dy and dx, their quotient is a quotient.
        above, variable = tokens[at].text, f"{tokens[at].text}_{below[1].text}"
        return end + 2 if variable in self.namespace or above not in self.namespace else 0

    def derivative(self, tokens: list[Token]) -> Derivative:
        """The derivative that these tokens write, with its number in the environment."""
        below = self.letter(tokens[-1].text[1:])
        if tokens[0].text == "d":
            text = " ".join([token.text for token in tokens[2:-3]])
            tree = Derivative(self.read(text), below, below.shape, is_total=self.is_total)
            name = tokens[-1].text[1:]
            leaf = Tensor(number_of(self.namespace[name]), requires_grad=True)
            out = parse(text).run({**self.namespace, name: leaf})
            self.environment[tree] = gradient(out, leaf)
            return tree
        above = self.letter(tokens[0].text[1:])
        tree = Derivative(above, below, below.shape, is_total=self.is_total)
        self.environment[tree] = self.slope(above.name, below.name)
        return tree

    def slope(self, above: str, below: str) -> Any:
        """The number of a derivative: the chapter's own variable, or what the engine gives."""
        name = f"d{above}_d{below}"
        if name in self.namespace:
            return number_of(self.namespace[name])
        return gradient(self.namespace[above], self.namespace[below])


def gradient(output: Any, leaf: Any) -> Any:
    """How one number moves with a node that it was computed from; no stored gradient changes."""
    if not isinstance(output, Value | Tensor) or not isinstance(leaf, Value | Tensor):
        raise ChainruleError("a derivative in a formula is of nodes, or a variable such as dL_dw")
    return number_of(derivative(output, leaf))


def is_number(x: Any) -> bool:
    """Whether a formula can speak of it."""
    return isinstance(x, Value | Tensor | int | float | np.ndarray | np.number) and not isinstance(x, bool)


def number_of(x: Any) -> Any:
    """The numbers of anything that holds some."""
    return np.asarray(getattr(x, "data", x) if isinstance(x, Value | Tensor) else x, dtype=float)[()]

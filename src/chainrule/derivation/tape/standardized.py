"""Normalisations in a recorded computation: what is less its mean, over its spread, whoever wrote it.

Told step by step, the gradient runs through the mean twice and through the variance; what books give is what is left of
that, (g - mean(g) - x̂ mean(g x̂))/s (Ioffe and Szegedy, Batch Normalization, 2015, simplified).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.graph import gradients_of
from chainrule.core.operation import book
from chainrule.core.tensor import Tensor
from chainrule.core.term import name_of
from chainrule.core.walk import finished_first
from chainrule.maths import Symbol
from chainrule.maths.names import unlike
from chainrule.printable import in_words
from chainrule.program import Lifted, lift
from chainrule.program.run import record_step

Node = Any
"""A recorded node, or a step of a program."""
FUSED = "layer_norm"
"""A normalisation that is one operation."""
NORMAL = Symbol("x", mark="hat", name="xhat")
SPREAD = Symbol("s", name="s")


class Standardized(NamedTuple):
    """Entries `x` less their mean along an axis, over their `spread`; `steps` are what lies between these."""

    x: Node
    spread: Node
    axis: Any
    eps: float
    """What was added to the variance."""
    steps: frozenset[Node]

    @property
    def along(self) -> str:
        """The axes of the mean, in words."""
        if self.axis is None or self.x.ndim == 1:
            return ""
        axes = [str(i % self.x.ndim) for i in np.atleast_1d(self.axis)]
        return f" along ax{'i' if len(axes) == 1 else 'e'}s {in_words(axes)}"

    def gradient(self, g: Any, normal: Any, spread: Any) -> Any:
        """What reaches `x` of the gradient `g` in the normalised entries."""

        def average(x: Any) -> Any:
            return book["mean"](x, axis=self.axis, keepdims=self.axis is not None)

        return (g - average(g) - normal * average(g * normal)) / spread


def standardized(node: Node) -> Standardized | None:
    """How a node is a normalisation; None where it is none."""
    if name_of(node) != "div":
        return None
    away, spread = map(unrepeated, node.inputs)
    again, axis, eps = averaged_square(spread)
    if name_of(away) != "sub" or name_of(again) != "sub" or not isinstance(eps, float | int):
        return None
    x = away.inputs[0]
    for difference in (away, again):
        center = unrepeated(difference.inputs[1])
        of, along = average_of(center)
        if difference.inputs[0] is not x or of is not x or along != axis or not is_kept(center, x, axis):
            return None
    if not is_kept(spread, x, axis):
        return None
    inside = finished_first([node], lambda y: [z for z in y.inputs if z is not x and name_of(z)])
    return Standardized(x, spread, axis, float(eps), frozenset({*inside} - {node, spread}))


def averaged_square(spread: Any) -> tuple[Any, Any, Any]:
    """Of what, along which axes, something is the root of the mean square, and what was added to that; else nothing."""
    if name_of(spread) == "length":
        x, count = spread.inputs[0], spread.settings["count"]
        is_mean = count * math.prod(spread.shape) == math.prod(x.shape)
        return (x, spread.settings["axis"], 0.0) if is_mean else (None, None, None)
    total: Any = spread.inputs[0] if name_of(spread) == "sqrt" else None
    variance, eps = total.inputs if name_of(total) == "add" else (total, 0.0)
    squares, axis = average_of(variance)
    power: Any = squares.inputs[1] if name_of(squares) == "pow" else None
    is_square = name_of(squares) == "square" or (isinstance(power, float | int) and power == 2)
    return (squares.inputs[0], axis, eps) if is_square else (None, None, None)


def unrepeated(x: Any) -> Any:
    """What an array is repeated from."""
    return x.inputs[0] if name_of(x) == "broadcast_to" else x


def average_of(x: Any) -> tuple[Any, Any]:
    """What something is the mean of, and along which axes; nothing where it is no mean."""
    if name_of(x) == "mean":
        return x.inputs[0], x.settings["axis"]
    parts: tuple[Any, Any] = x.inputs if name_of(x) == "div" else (None, None)
    total, count = parts
    if name_of(total) == "sum" and isinstance(count, float | int):
        if count * math.prod(total.shape) == math.prod(total.inputs[0].shape):
            return total.inputs[0], total.settings["axis"]
    return None, None


def is_kept(average: Any, x: Any, axis: Any) -> bool:
    """Whether a mean stands in the axes that it was taken along, beside what it is the mean of."""
    gone = range(x.ndim) if axis is None else [i % x.ndim for i in np.atleast_1d(axis)]
    kept = tuple([1 if i in gone else n for i, n in enumerate(x.shape)])
    own = tuple(average.shape)
    return (1,) * (x.ndim - len(own)) + own == kept


def letters_of_normalisations(nodes: Iterable[Node], taken: set[Symbol]) -> dict[Node, Symbol]:
    """Letters for what normalisations give, and for their spreads; none of those that are taken."""
    found: dict[Node, Symbol] = {}
    for node in nodes:
        if (how := standardized(node)) is not None:
            for x, letter in ((how.spread, SPREAD), (node, NORMAL)):
                if x not in found:
                    found[x] = unlike(replace(letter, shape=tuple(x.shape)), taken)
    return found


def taken_apart(lifted: Lifted, number_of: Callable[[Node], Any]) -> tuple[Lifted, dict[Node, Any]]:
    """A program with the normalisations that are one operation taken apart, and the gradients in the normalised."""
    if not any([step.operation == FUSED for step in lifted.program.steps]):
        return lifted, {}
    found: list[Any] = []
    for step, node in zip(lifted.program.steps, lifted.nodes, strict=True):
        if step.op is None:
            found.append(Tensor(number_of(node), requires_grad=step.requires_grad))
        else:
            found.append(record_step(step, lambda x: found[x.place], apart=step.operation == FUSED))
    output = found[lifted.program.output.place]
    again, own = lift(output), dict(zip(found, lifted.nodes, strict=True))
    normal = [x for x in again.nodes if x not in own and standardized(x) is not None]
    gradients = {x: gradients_of([output], [np.ones(())], [x], record=False)[0] for x in normal}
    nodes = tuple([own.get(x, x) for x in again.nodes])
    step_of = dict(zip(nodes, again.program.steps, strict=True))
    return Lifted(again.program, again.numbers, nodes, step_of), gradients

"""`chainrule explain`: how the gradient of one example's loss came to be, in a network that was trained and saved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.cli.examples import Examples, examples_of
from chainrule.core.tensor import Tensor
from chainrule.derivation.explain import explain
from chainrule.derivation.record import Derivation
from chainrule.errors import DataError, FormulaError, meant
from chainrule.table import Table
from chainrule.training import Model, input_effects

WEIGHT = re.compile(r"\s*(?P<name>[\w.]+)\s*(\[(?P<place>[^\[\]]*)\])?\s*")


def explained(model: Model, example: str, weight: str, **telling: Any) -> Derivation:
    """The loss of one example, recorded in float64 with the letters of a program, and explained."""
    # What is asked is looked at before any data is read.
    if weight:
        asked_weight(dict(model.net.named_parameters()), weight)
    loss, weights = recorded_loss(model, example)
    return explain(loss, asked_weight(weights, weight) if weight else list(weights.values()), **telling)


def recorded_loss(model: Model, example: str) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of DATA:ROW, recorded in float64, and the weights by name, all with the names that a program has."""
    examples, place = found_example(model, example)
    return model.recorded(examples.table, place)


def effects_on(model: Model, example: str) -> Table:
    """Which inputs moved what the network says of DATA:ROW, whose target need not be known."""
    examples, place = found_example(model, example, targets=False)
    return input_effects(model.exact(), examples.table, place)


def found_example(model: Model, example: str, *, targets: bool = True) -> tuple[Examples, int]:
    """The data of DATA:ROW, and the place of the row in it."""
    data, colon, number = example.rpartition(":")
    if not colon or not data or not number.isdecimal():
        raise FormulaError(f"--example takes DATA:ROW, as flowers.csv:3 or digits:1, not {example!r}")
    examples = known_examples(data, model, targets=targets)
    place = np.flatnonzero(examples.table.rows == int(number))
    if not len(place):
        raise DataError(missing_row(data, int(number), examples))
    return examples, int(place[0])


def known_examples(data: str, model: Model, *, targets: bool = True) -> Examples:
    """All rows of data in float64; `DataError` where `targets` are asked for and the data have none."""
    examples = examples_of(data, model, whole=True, dtype=np.float64, targets=targets)
    if targets and examples.table.y is None:
        _ = examples.targets
    return examples


def missing_row(data: str, number: int, examples: Examples) -> str:
    first, last = int(examples.table.rows.min()), int(examples.table.rows.max())
    why = " with a target" if first <= number <= last else ""
    return f"{data} has no row {number}{why}: rows are counted from 1, and it has {first} to {last}"


def asked_weight(weights: Mapping[str, Tensor], weight: str) -> Any:
    """The parameter, or the entry of one, that a text names; what there is, where it names none."""
    name, place = asked_place(weights, weight, f"--weight {weight}")
    return weights[name] if place is None else weights[name][place]


def asked_place(weights: Mapping[str, Tensor], weight: str, said: str) -> tuple[str, tuple[int, ...] | None]:
    """The name of a parameter and the place of an entry, if one is named; errors begin with what was `said`."""
    there = "the network has " + ", ".join(f"{name} {list(held.shape)}" for name, held in weights.items())
    parts = WEIGHT.fullmatch(weight)
    if parts is None:
        raise FormulaError(f"{said}: a weight is written as 0.weight[3,1] or 0.bias; {there}")
    name, place = parts["name"], parts["place"]
    if name not in weights:
        raise FormulaError(f"there is no weight {name}{meant(name, weights)}; {there}")
    if place is None:
        return name, None
    shape = weights[name].shape
    try:
        key = tuple(int(i) for i in place.split(","))
    except ValueError:
        raise FormulaError(f"{said}: [{place}] is no place; {name} has shape {list(shape)}") from None
    if len(key) != len(shape) or not all(-size <= i < size for i, size in zip(key, shape, strict=True)):
        raise FormulaError(f"{said}: {name} has shape {list(shape)}, counted from 0, and no such entry")
    return name, key

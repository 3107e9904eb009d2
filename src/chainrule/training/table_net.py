"""The network for a table: linear layers, and before them a vector for each text of very many kinds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np

from chainrule import nn
from chainrule.core.tensor import Tensor
from chainrule.data.columns import Column, Columns, Embedded
from chainrule.errors import ShapeError
from chainrule.kinds import Array
from chainrule.rules.composed import concatenate
from chainrule.rules.linear import expand_dims

MOST_PARAMETERS = 100_000_000
COMMON = 64
"""Of texts that have vectors, so many have a feature of their own in a linear model."""


class Inputs(nn.Module):
    """What the first layer takes: numbers as they are, then the vectors of texts.

    Vectors start as zeros, so that a text of few rows moves little; that of a missing or unseen text stays 0.
    """

    def __init__(self, features: Sequence[Column], *, dtype: Any = np.float32) -> None:
        codes, others = places_of(features)
        self.codes, self.others = tuple(codes), tuple(others)
        self.vectors: list[nn.Embedding] = []
        for column in features:
            if isinstance(column, Embedded):
                table = nn.Embedding(len(column.texts) + 1, column.width, padding_idx=0, dtype=dtype, rng=0)
                table.weight.data[:] = 0
                self.vectors.append(table)

    def forward(self, x: Any) -> Any:
        """Features of shape (rows, features) as the layers take them, a vector in the place of each text's number."""
        parts = [x[:, list(self.others)]] if self.others else []
        for place, table in zip(self.codes, self.vectors, strict=True):
            numbers = x[:, place]
            vectors = table(numbers)
            if isinstance(x, Tensor) and x.requires_grad:
                # A factor of 1, so that gradient × input of a text's number is what its vector does.
                vectors = vectors * expand_dims(numbers / np.maximum(numbers.data, 1), 1)
            parts.append(vectors)
        return concatenate(parts, axis=1)

    def __repr__(self) -> str:
        return f"Inputs({len(self.others)} numbers, {len(self.codes)} texts)"


def places_of(features: Sequence[Column]) -> tuple[list[int], list[int]]:
    """The places of features that are numbers of texts, and of all others."""
    codes: list[int] = []
    end = 0
    for column in features:
        if isinstance(column, Embedded):
            codes.append(end)
        end += len(column.feature_names)
    return codes, np.setdiff1d(np.arange(end), codes).tolist()


def vectors_in(columns: Columns) -> list[Embedded]:
    return [column for column in columns.features if isinstance(column, Embedded)]


def network_of(
    sizes: Sequence[int],
    columns: Columns | None = None,
    *,
    rng: np.random.Generator | int = 0,
    dtype: Any = np.float32,
) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them, for columns with texts behind `Inputs`; `rng` draws."""
    draw = np.random.default_rng(rng)
    steps: list[nn.Module] = []
    for taken, given in pairwise(sizes):
        steps += [nn.Linear(taken, given, rng=draw, dtype=dtype), nn.ReLU()]
    steps = steps[:-1]
    if columns is not None and vectors_in(columns):
        steps.insert(0, Inputs(columns.features, dtype=dtype))
    return nn.Sequential(*steps)


def shapes_of(sizes: Any, columns: Columns) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of `network_of`, by name; none if these are no sizes."""
    if not isinstance(sizes, list):
        return {}
    widths = [size for size in cast("list[Any]", sizes) if type(size) is int and size > 0]
    if len(widths) != len(cast("list[Any]", sizes)):
        return {}
    shapes: dict[str, tuple[int, ...]] = {
        f"0.vectors.{i}.weight": (len(column.texts) + 1, column.width) for i, column in enumerate(vectors_in(columns))
    }
    first = 1 if shapes else 0
    for layer, (taken, given) in enumerate(pairwise(widths)):
        shapes |= {f"{first + 2 * layer}.weight": (given, taken), f"{first + 2 * layer}.bias": (given,)}
    return shapes


def width_of(columns: Columns) -> int:
    """How many numbers the first linear layer takes."""
    return len(columns.names) + sum(column.width - 1 for column in vectors_in(columns))


def usual_layers(rows: int) -> tuple[int, ...]:
    """Hidden layers by the number of rows: what few rows teach, few neurons hold."""
    return (16,) if rows < 500 else (32,) if rows < 5_000 else (64, 32) if rows < 50_000 else (100,)


def sizes_of(columns: Columns, rows: int, layers: Sequence[int] | None) -> tuple[int, ...]:
    """The width of every linear layer, from what the first takes to the outputs."""
    hidden = usual_layers(rows) if layers is None else layers
    sizes = (width_of(columns), *hidden, len(columns.classes) or 1)
    parameters = sum((taken + 1) * given for taken, given in pairwise(sizes))
    parameters += sum((len(column.texts) + 1) * column.width for column in vectors_in(columns))
    if parameters > MOST_PARAMETERS:
        raise ShapeError(
            f"a network {'-'.join(map(str, sizes))} has {parameters:,} parameters, and at most {MOST_PARAMETERS:,} are "
            "trained here: give fewer or smaller layers"
        )
    return sizes


def for_linear(x: Array, columns: Columns) -> Array:
    """Features as a linear model takes them: frequent texts have one each, all others of a column share one."""
    texts = vectors_in(columns)
    if not texts:
        return x
    codes, others = places_of(columns.features)
    parts = [x[:, others]]
    for place, column in zip(codes, texts, strict=True):
        most = min(len(column.texts), COMMON + 1)
        numbers = np.minimum(x[:, place].astype(int), most)
        parts.append((numbers[:, None] == np.arange(1, most + 1)).astype(x.dtype))
    return np.concatenate(parts, axis=1)

"""Recorded graphs of Values read into arrays: a hundred thousand nodes in a few hundredths of a second."""

# What a graph's operations and settings hold is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import Value, read_graph
from chainrule.core.operation import Operation, book
from chainrule.core.term import frozen
from chainrule.core.value import LAYOUTS, NAMES

Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]

MOST_EXPONENTS = 16
"""Of so many exponents each has a kind of its own, for a power of 2 is a product."""


class Column(NamedTuple):
    """One input of many nodes: the places of nodes, or numbers; `fixed` if it is one number for all."""

    places: Longs | None
    numbers: Doubles | None = None
    fixed: float | None = None


class Alike(NamedTuple):
    """Nodes that one operation made with the same settings, and their inputs."""

    operation: Operation
    settings: dict[str, Any]
    places: Longs
    columns: list[Column]

    @property
    def fixed(self) -> tuple[float | None, ...]:
        """The inputs that are one number for all."""
        return tuple([x.fixed for x in self.columns])

    @property
    def moves(self) -> tuple[bool, ...]:
        """Which inputs are nodes."""
        return tuple([x.places is not None for x in self.columns])


class Reading:
    """A graph as arrays, each node after its inputs, and which of its leaves were given."""

    def __init__(self, output: Value, given: Sequence[Value] = ()) -> None:
        self.nodes, kinds, firsts, seconds, numbers, self.many = read_graph(output)
        self.count = len(self.nodes)
        self.kinds, self.firsts, self.seconds = [np.array(x, np.int64) for x in (kinds, firsts, seconds)]
        self.numbers = np.array(numbers, float)
        self.is_leaf: NDArray[Any]
        self.is_many: NDArray[Any]
        self.is_leaf, self.is_many = [self.kinds % 8 == LAYOUTS.index(word) for word in ("leaf", "many")]
        leaves = np.flatnonzero(self.is_leaf).tolist()
        place = {id(self.nodes[k]): k for k in leaves}
        self.given = [place.get(id(x), -1) for x in given]
        """Where each of the given leaves was read, -1 where it is not used."""
        mine = set(self.given)
        self.others = [k for k in leaves if k not in mine]
        self.held: list[Value] = [self.nodes[k] for k in self.others]
        """The leaves that were not given."""

    def __len__(self) -> int:
        return self.count

    def equals(self, other: Reading) -> bool:
        """Whether both have one structure, and the same numbers in it; what was given may differ."""
        if self.count != other.count or self.given != other.given:
            return False
        stays = np.ones(self.count, bool)
        stays[[k for k in self.given if k >= 0]] = False
        arrays = [(x.kinds, x.firsts, x.seconds) for x in (self, other)]
        same = all([np.array_equal(x, y) for x, y in zip(*arrays, strict=True)])
        same = same and np.array_equal(self.numbers[stays], other.numbers[stays], equal_nan=True)
        return same and self.many == other.many

    def forget(self) -> None:
        """Let go of all but the number of nodes and the leaves that were not given."""
        self.nodes, self.many = [], []
        self.kinds = self.firsts = self.seconds = self.is_leaf = self.is_many = np.empty(0, np.int64)
        self.numbers = np.empty(0)

    def alike(self) -> Iterator[Alike]:
        """The nodes that are no leaves, kind by kind."""
        for kind in np.unique(self.kinds[~self.is_leaf & ~self.is_many]).tolist():
            places = np.flatnonzero(self.kinds == kind)
            name, layout = NAMES[kind // 8], LAYOUTS[kind % 8]
            exponents: list[float] = np.unique(self.numbers[places]).tolist() if name == "pow" else []
            if 0 < len(exponents) <= MOST_EXPONENTS and not any(map(math.isnan, exponents)):
                for exponent in exponents:
                    some = places[self.numbers[places] == exponent]
                    yield Alike(book[name], {}, some, [Column(self.firsts[some]), Column(None, fixed=exponent)])
                continue
            columns = [Column(self.firsts[places])]
            if layout == "two":
                columns.append(Column(self.seconds[places]))
            elif layout != "one":
                columns.insert(int(layout == "value and number"), Column(None, self.numbers[places]))
            yield Alike(book[name], {}, places, columns)
        yield from self.of_many()

    def of_many(self) -> Iterator[Alike]:
        """Those whose operation is not written out in the engine."""
        kinds: dict[Any, list[int]] = {}
        for k in np.flatnonzero(self.is_many).tolist():
            operation, settings, inputs = self.many[self.firsts[k]]
            key = operation, frozen(settings), tuple(map(type, inputs))
            kinds.setdefault(key, []).append(k)
        for places in kinds.values():
            operation, settings, inputs = self.many[self.firsts[places[0]]]
            rows = zip(*[self.many[self.firsts[k]][2] for k in places], strict=True)
            columns = [
                Column(np.array(row, np.int64)) if type(x) is int else Column(None, np.array(row, float))
                for x, row in zip(inputs, rows, strict=True)
            ]
            yield Alike(operation, settings, np.array(places), columns)

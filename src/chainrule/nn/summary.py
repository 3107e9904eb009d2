"""A table of a network: its layers, the shapes of their results, their parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.hooks import calls_told, in_use
from chainrule.nn.module import Module, Parameter
from chainrule.printable import in_columns

HEAD = ("layer", "kind", "result", "parameters", "multiply-adds")


class Line(NamedTuple):
    """One module: its name, what it is, the shape of its last result, and its own parameters and multiply-adds."""

    layer: str
    kind: str
    result: tuple[int, ...] | None
    parameters: int
    multiply_adds: int


class Summary:
    """What `Module.summary` gives: a line for each module, and the totals. It prints as a table, in colour with Rich.

    A module's line counts what it owns itself, and those inside it have lines of their own; a parameter that two share
    counts once. `result` is None for a module that was not called. Multiply-adds are those of the layers that say how
    many they have: Linear, Conv2d and MultiheadAttention here.

    >>> import chainrule as cr
    >>> table = cr.nn.Conv2d(1, 2, 3).summary((1, 1, 5, 5))
    >>> table.parameters, table.multiply_adds, table.lines[0].result
    (20, 162, (1, 2, 3, 3))
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = tuple(lines)

    @property
    def parameters(self) -> int:
        """How many numbers there are to learn, in all."""
        return sum(line.parameters for line in self.lines)

    @property
    def multiply_adds(self) -> int:
        """How many multiply-adds the inputs took, in all."""
        return sum(line.multiply_adds for line in self.lines)

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text, with the totals as its last row."""
        rows = [
            (line.layer, line.kind, str(line.result or ""), count(line.parameters), count(line.multiply_adds))
            for line in self.lines
        ]
        return [*rows, ("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}")]

    def __repr__(self) -> str:
        return "\n".join(in_columns([HEAD, *self.cells()], right=range(3, len(HEAD))))

    def __rich__(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(show_footer=True)
        *rows, total = self.cells()
        for i, (title, footer) in enumerate(zip(HEAD, total, strict=True)):
            table.add_column(title, footer, justify="right" if i > 2 else "left")
        for row in rows:
            table.add_row(*map(Text, row))
        return table


def count(number: int) -> str:
    """A number with its thousands apart; nothing for none."""
    return f"{number:,}" if number else ""


def summarise(net: Module, inputs: Sequence[Any]) -> Summary:
    """Run a module on inputs, or on zeros of one shape, and note every result inside it."""
    if len(inputs) == 1 and isinstance(inputs[0], tuple):
        dtype = next((p.dtype for p in net.parameters()), np.dtype(np.float32))
        inputs = (np.zeros(cast("tuple[int, ...]", inputs[0]), dtype),)
    if not inputs:
        raise ShapeError(f"summary needs what {type(net).__name__} takes: an input, or its shape as a tuple")
    named = list(net.named_modules())
    results: dict[int, tuple[int, ...]] = {}
    work = dict.fromkeys((id(module) for _, module in named), 0)

    def note(_: str, module: Module, taken: tuple[Any, ...], out: Any) -> None:
        # Of several results, as an LSTM gives, the first is shown.
        first: Any = cast("tuple[Any, ...]", out)[0] if isinstance(out, tuple) else out
        results[id(module)] = given = np.shape(first)
        work[id(module)] += module.multiply_adds(np.shape(taken[0]) if taken else (), given)

    with in_use(net), calls_told(net, note):
        net(*inputs)
    return Summary(list(lines_of(named, results, work)))


def lines_of(named: Sequence[tuple[str, Module]], results: dict[int, tuple[int, ...]], work: dict[int, int]) -> Any:
    """A line for each module; a parameter counts where it is met first."""
    seen: set[int] = set()
    for name, module in named:
        own = {id(part): part.size for _, _, part in module.parts() if isinstance(part, Parameter)}
        parameters = sum(size for key, size in own.items() if key not in seen)
        seen.update(own)
        inside = any(isinstance(part, Module) for _, _, part in module.parts())
        kind = type(module).__name__ if inside else repr(module)
        yield Line(name, kind, results.get(id(module)), parameters, work[id(module)])

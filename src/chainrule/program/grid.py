"""Arrays of letters: the rules of the book run on them entry by entry, so a derivative of one entry needs no guessing.

A rule for whole arrays states its derivative for whole arrays. Run on a grid with a single 1 among zeros, that same
statement gives what moves with one entry, in the letters of the others: zeros and ones vanish on the way, and what is
left is what a person would write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.differential import unknown
from chainrule.core.operation import Linear, Operation, Pointwise, book, kernels
from chainrule.core.stand_in import StandIn
from chainrule.core.tensor import Tensor
from chainrule.core.term import Term
from chainrule.core.walk import Edges, walk
from chainrule.program.lift import lift
from chainrule.program.steps import Step

Place = tuple[int, ...]
Array = np.ndarray[Any, Any]


class Cell:
    """One entry: a term or a plain number, and the number that it comes to here, which comparisons look at."""

    __slots__ = ("number", "term")
    term: Any
    number: Any

    def __init__(self, term: Any, number: Any) -> None:
        self.term = term
        self.number = number

    def __add__(self, other: Any) -> Cell:
        x = cell_of(other)
        if self.is_number(0) or x.is_number(0):
            return x if self.is_number(0) else self
        turned = isinstance(x.term, Term) and x.term.op is book["neg"]
        total = self.term - x.term.inputs[0] if turned else self.term + x.term
        return Cell(total, self.number + x.number)

    __radd__ = __add__

    def __neg__(self) -> Cell:
        return self if self.is_number(0) else Cell(-self.term, -self.number)

    def __sub__(self, other: Any) -> Cell:
        return self + -cell_of(other)

    def __rsub__(self, other: Any) -> Cell:
        return cell_of(other) - self

    def __mul__(self, other: Any) -> Cell:
        x = cell_of(other)
        if x.is_number(0) or self.is_number(0):
            return NOTHING
        for one, rest in ((self, x), (x, self)):
            if one.is_number(1) or one.is_number(-1):
                return rest if one.number == 1 else -rest
        return Cell(self.term * x.term, self.number * x.number)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Cell:
        x = cell_of(other)
        return self if self.is_number(0) or x.is_number(1) else Cell(self.term / x.term, self.number / x.number)

    def __rtruediv__(self, other: Any) -> Cell:
        return cell_of(other) / self

    def __float__(self) -> float:
        return float(self.number)

    def __lt__(self, other: Any) -> bool:
        return self.number < cell_of(other).number

    def __gt__(self, other: Any) -> bool:
        return self.number > cell_of(other).number

    def __le__(self, other: Any) -> bool:
        return self.number <= cell_of(other).number

    def __ge__(self, other: Any) -> bool:
        return self.number >= cell_of(other).number

    def is_number(self, number: float) -> bool:
        """Whether it is this very number, and no letter."""
        return not isinstance(self.term, Term) and self.term == number


def cell_of(x: Any) -> Cell:
    """A cell, or a plain number as one."""
    return x if isinstance(x, Cell) else Cell(float(x), float(x))


NOTHING = Cell(0.0, 0.0)
UNIT = Cell(1.0, 1.0)

ARITHMETIC: dict[str, Callable[..., Cell]] = {
    "add": Cell.__add__,
    "sub": Cell.__sub__,
    "mul": Cell.__mul__,
    "div": Cell.__truediv__,
    "neg": Cell.__neg__,
    "chosen": Cell.__mul__,
}
"""Operations that a cell does itself, so that zeros and ones vanish."""


class Grid(StandIn):
    """An array of cells, on which operations of the book act as on any array."""

    __slots__ = ("cells",)
    cells: Array

    unknown = "a grid has no"

    def __init__(self, cells: Any) -> None:
        self.cells = np.asarray(cells, object)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length along each axis."""
        return self.cells.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Letters stand for real numbers of double precision."""
        return np.dtype(np.float64)

    @property
    def requires_grad(self) -> bool:
        """Letters move."""
        return True

    @property
    def numbers(self) -> Array:
        """What the entries come to here."""
        return np.array([float(cell) for cell in self.cells.flat]).reshape(self.shape)

    @staticmethod
    def __kernel__(name: str, x: Any, *rest: Any, **settings: Any) -> Any:
        """A plain function of arrays, on the cells."""
        cells = [y.cells if isinstance(y, Grid) else y for y in (x, *rest)]
        return Grid(kernels[name](*cells, **settings))

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        if operation.composition is not None:
            return operation.composition(*inputs, **settings)
        if isinstance(operation, Pointwise):
            return entry_by_entry(operation, inputs, settings)
        if isinstance(operation, Linear):
            return Grid(operation.function(*cells_or_numbers(operation, inputs), **settings))
        numbers = [x.numbers if isinstance(x, Grid) else x for x in inputs]
        out = np.asarray(operation.compute(numbers, settings))
        if len(operation.flat) == len(operation.inputs):
            return out
        # What is neither pointwise nor linear has no formula for an entry, so its result has letters of its own.
        return grid_of(out, lambda place: unknown(f"{operation.name}{list(place)}", ()))


def entry_by_entry(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Grid:
    """A pointwise operation on each entry; of plain numbers, a plain number."""
    arrays = np.broadcast_arrays(*[x.cells if isinstance(x, Grid) else np.asarray(x, object) for x in inputs])
    out = np.empty(arrays[0].shape, object)
    arithmetic = ARITHMETIC.get(operation.name)
    for place in np.ndindex(*out.shape):
        cells = [cell_of(x[place]) for x in arrays]
        if arithmetic is not None:
            out[place] = arithmetic(*cells)
            continue
        number = operation(*[cell.number for cell in cells], **settings)
        letters = any([isinstance(cell.term, Term) for cell in cells])
        out[place] = Cell(operation(*[cell.term for cell in cells], **settings), number) if letters else cell_of(number)
    return Grid(out)


def cells_or_numbers(operation: Operation, inputs: Sequence[Any]) -> list[Any]:
    """The inputs of an operation on arrays as arrays: of cells, and of numbers where it has no derivative."""
    flat = [i in operation.flat for i in range(len(inputs))]
    return [
        x.numbers if isinstance(x, Grid) and still else x.cells if isinstance(x, Grid) else np.asarray(x)
        for x, still in zip(inputs, flat, strict=True)
    ]


def grid_of(numbers: Any, letter: Callable[[Place], Any]) -> Grid:
    """A grid of letters, or what else `letter` gives for a place, with the numbers that they stand for."""
    numbers = np.asarray(numbers, float)
    cells = np.empty(numbers.shape, object)
    for place in np.ndindex(*numbers.shape):
        cells[place] = Cell(letter(place), float(numbers[place]))
    return Grid(cells)


def single(shape: tuple[int, ...], place: Place) -> Grid:
    """A grid of zeros with a single 1."""
    cells = np.full(shape, NOTHING, object)
    cells[place] = UNIT
    return Grid(cells)


def derivatives_of_entry(
    operation: Operation, slot: int, place: Place, out: Any, inputs: Sequence[Any], settings: dict[str, Any]
) -> dict[Place, Cell]:
    """How one entry of a result moves with each entry of an input, where it moves at all: a term, and its number here.

    `inputs` and `out` are grids, and plain numbers or arrays where nothing has a letter. It is the rule's own backward
    pass, run on a single 1, so it costs what that costs on arrays of Python's objects. What a rule calls on the way and
    has no formula for an entry comes out as a letter of its own, as ``softmax[0, 1]`` in the derivative of a logsumexp.

    >>> import numpy as np
    >>> from chainrule.core.operation import book
    >>> from chainrule.core.term import symbol
    >>> from chainrule.maths.of_terms import tree_of_term
    >>> from chainrule.maths import plain
    >>> from chainrule.program.grid import derivatives_of_entry, grid_of
    >>> p = grid_of(np.array([0.2, 0.8]), lambda place: symbol(f"p{place[0]}"))
    >>> x = grid_of(np.array([0.0, 1.4]), lambda place: symbol(f"x{place[0]}"))
    >>> slopes = derivatives_of_entry(book["softmax"], 0, (0,), p, [x], {"axis": -1})
    >>> [plain(tree_of_term(slope.term)) for slope in slopes.values()]
    ['(1 - p0)*p0', '-p0*p1']
    """
    if operation.composition is not None:
        return through_composition(operation, slot, place, inputs, settings)
    return entries_of(operation.pull(slot, single(out.shape, place), out, inputs, settings))


def through_composition(
    operation: Operation, slot: int, place: Place, inputs: Sequence[Any], settings: dict[str, Any]
) -> dict[Place, Cell]:
    """The derivatives of an entry of a fused operation, by way of the operations that it stands for."""
    assert operation.composition is not None
    stand_ins: list[Any] = [
        Tensor(x.numbers, requires_grad=i == slot) if isinstance(x, Grid) else x for i, x in enumerate(inputs)
    ]
    program, _, _, step_of = lift(operation.composition(*stand_ins, **settings))
    found: dict[Step, Any] = {
        step_of[x]: y for x, y in zip(stand_ins, inputs, strict=True) if isinstance(x, Tensor) and x in step_of
    }
    for step, number in zip(program.steps, [node.data for node in step_of], strict=True):
        if step not in found:
            given = [found[x] if isinstance(x, Step) else x for x in step.inputs]
            found[step] = number if step.op is None else step.op(*given, **step.settings)
    start = step_of[stand_ins[slot]]

    def shares(step: Step, edges: Edges, g: Any) -> list[Any]:
        given = [found[x] if isinstance(x, Step) else x for x in step.inputs]
        op: Any = step.op
        return [op.pull(i, g, found[step], given, step.settings) for i, _ in edges]

    path = program.between([start])
    held = walk(path, {program.output: single(program.output.shape, place)}, shares, among=set(path))
    return entries_of(held[start]) if start in held else {}


def entries_of(grid: Any) -> dict[Place, Cell]:
    """The entries of a grid that are not 0."""
    cells = grid.cells if isinstance(grid, Grid) else np.asarray(grid, object)
    found = {place: cell_of(cells[place]) for place in np.ndindex(*cells.shape)}
    return {place: cell for place, cell in found.items() if not cell.is_number(0)}

"""Scalar programs as arrays: what is done alike for many numbers becomes lanes, and affine groups become products.

Steps are of one class when the same operations led to them, whatever leaves they began with: all neurons of a layer,
for all examples. A class is one array, computed by one operation on arrays; where its members lie in what they read is
taken from the program itself, so that a class found wrongly could cost time and no correctness. A sum of products over
a grid of rows and columns is a matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import book
from chainrule.core.term import frozen
from chainrule.program import Program, Step

Places = np.ndarray[Any, Any]


class Sum(NamedTuple):
    """Products and single terms that are added up."""

    products: tuple[tuple[Any, Any], ...]
    terms: tuple[Any, ...]


class Class(NamedTuple):
    """Steps that are computed alike, and how: an operation with its inputs, or a sum, for each of them."""

    key: Any
    members: list[Step]
    forms: list[Any]


class Lanes:
    """The classes of a program, in an order in which they can be computed, after those of its leaves.

    `leaf` gives for each leaf the number of its array and its place in it. Where there are more than `most` classes,
    `repeats` is not set, and the others are not looked for.
    """

    def __init__(self, program: Program, leaf: dict[Step, tuple[int, int]], most: int | None = None) -> None:
        self.most = len(program) if most is None else most
        self.repeats = True
        self.program = program
        self.leaf = leaf
        self.uses = [0] * len(program)
        for step in program.steps:
            for x in step.needs:
                self.uses[x.place] += 1
        self.class_of: dict[Step, int] = {}
        self.classes: list[Class] = []
        self.inside: set[Step] = set()
        self.sort()

    def sort(self) -> None:
        """Put every step that is no part of a sum into its class."""
        known: dict[Any, int] = {}
        # From the last step on, so that what is inside a sum is known before a sum of its own is looked for there.
        forms: dict[Step, Any] = {}
        for step in reversed(self.program.steps):
            if step.op is not None and step not in self.inside:
                forms[step] = self.form(step)
        for step in self.program.steps:
            if step.op is None or step in self.inside:
                continue
            form = forms[step]
            key = self.key_of(step, form)
            number = known.setdefault(key, len(known))
            if number == len(self.classes):
                if number == self.most:
                    self.repeats = False
                    return
                self.classes.append(Class(key, [], []))
            self.classes[number].members.append(step)
            self.classes[number].forms.append(form)
            self.class_of[step] = number

    def form(self, step: Step) -> Any:
        """A sum with its terms gathered from the whole chain of additions, or an operation's inputs."""
        if step.op is None or step.op.name not in ("add", "sum_of", "dot_of"):
            return step.inputs
        products: list[tuple[Any, Any]] = []
        terms: list[Any] = []
        stack: list[Any] = [step]
        while stack:
            x = stack.pop()
            own = x is step or (isinstance(x, Step) and x.op is not None and self.uses[x.place] == 1)
            name = x.op.name if own and isinstance(x, Step) and x.op is not None else ""
            if x is not step and name in ("add", "sum_of", "dot_of", "mul"):
                self.inside.add(x)
            if name in ("add", "sum_of"):
                stack.extend(reversed(x.inputs))
            elif name == "dot_of":
                half = len(x.inputs) // 2
                products += zip(x.inputs[:half], x.inputs[half:], strict=True)
            elif name == "mul":
                products.append((x.inputs[0], x.inputs[1]))
            else:
                terms.append(x)
        return Sum(tuple(products), tuple(terms))

    def key_of(self, step: Step, form: Any) -> Any:
        """What steps of one class have in common."""
        if isinstance(form, Sum):
            pairs = tuple([(self.kind(x), self.kind(y)) for x, y in form.products])
            return ("sum", pairs, tuple(map(self.kind, form.terms)))
        assert step.op is not None
        exact = step.op.name == "pow"
        kinds = [("is", x) if exact and not isinstance(x, Step) else self.kind(x) for x in form]
        return (step.op.name, frozen(step.settings) if step.settings else (), tuple(kinds))

    def kind(self, x: Any) -> Any:
        """The class of an input: of a step, of a leaf's array, or of plain numbers."""
        if not isinstance(x, Step):
            return "number"
        return ("leaf", self.leaf[x][0]) if x.op is None else self.class_of[x]

    @property
    def widest(self) -> int:
        """How many members the largest class has."""
        return max([len(one.members) for one in self.classes], default=0)


class Arrays:
    """Runs the classes on arrays of any kind: what each class comes to, and where its members lie in it.

    `groups` are the leaves that were read together, in their order and shape: each may be an array of its own.
    """

    def __init__(self, lanes: Lanes, leaves: Sequence[Any]) -> None:
        self.lanes = lanes
        self.values: list[Any] = []
        self.leaves = list(leaves)
        self.place: dict[Step, int] = {}
        self.groups: list[tuple[tuple[Step, ...], tuple[int, ...]]] = []
        for one in lanes.classes:
            self.values.append(self.computed(one))

    def output(self, step: Step) -> Any:
        """The one number that a step is."""
        return self.gathered([step], ())

    def computed(self, one: Class) -> Any:
        """The array of a class; its members are put where they lie in it."""
        if isinstance(one.forms[0], Sum):
            return self.added(one)
        order = sorted(range(len(one.members)), key=lambda k: self.first_place(one.forms[k]))
        self.put(one, order)
        columns = list(zip(*[one.forms[k] for k in order], strict=True))
        shape = self.shape_of_whole(columns) if len(order) > 1 else ()
        operands = [self.operand(column, shape) for column in columns]
        operation = one.members[0].op
        assert operation is not None
        return filled(operation(*operands, **one.members[0].settings), shape)

    def put(self, one: Class, order: Sequence[int]) -> None:
        """Say where the members of a class lie."""
        for place, k in enumerate(order):
            self.place[one.members[k]] = place

    def shape_of_whole(self, columns: Sequence[Sequence[Any]]) -> tuple[int, ...]:
        """The shape of an array that is read as a whole, in its own order; else that of a row."""
        for column in columns:
            first = column[0]
            if isinstance(first, Step):
                shape = self.array_of(first).shape
                places = [self.place_of(x) for x in column]
                if np.prod(shape, dtype=int) == len(column) and places == [*range(len(column))]:
                    return shape
        return (len(columns[0]),)

    def first_place(self, form: Any) -> int:
        """Where the first input of a member lies."""
        return next((self.place_of(x) for x in form if isinstance(x, Step)), 0)

    def place_of(self, x: Step) -> int:
        """Where a step lies in the array of its class."""
        return self.lanes.leaf[x][1] if x.op is None else self.place[x]

    def array_of(self, x: Step) -> Any:
        return self.leaves[self.lanes.leaf[x][0]] if x.op is None else self.values[self.lanes.class_of[x]]

    def added(self, one: Class) -> Any:
        """A class of sums: a matrix product where its members fill a grid, and else products entry by entry."""
        count = len(one.members)
        if count == 1:
            self.put(one, [0])
            return self.one_sum(one.forms[0])
        grid = self.grid(one)
        order, shape, total = [*range(count)], (count,), None
        if grid is not None:
            order, firsts, seconds = grid
            shape = (len(firsts), len(seconds))
            products = [one.forms[k].products for k in range(count)]
            depth = len(products[0])
            side = int(self.turned)
            a, b = [
                filled(self.operand([p[at] for k in along for p in products[k]], (n, depth)), (n, depth))
                for at, along, n in ((side, firsts, shape[0]), (1 - side, seconds, shape[1]))
            ]
            total = book["matmul"](a, book["transpose"](b))
        else:
            for j in range(len(one.forms[0].products)):
                a, b = [self.operand([form.products[j][side] for form in one.forms], shape) for side in (0, 1)]
                total = plus(total, book["mul"](a, b))
        self.put(one, order)
        for column in zip(*[one.forms[k].terms for k in order], strict=True):
            total = plus(total, self.term(column, shape))
        return filled(total, shape)

    def term(self, column: Sequence[Any], shape: tuple[int, ...]) -> Any:
        """A single term of all members: where it is the same in each row of a grid, one row of it."""
        if len(shape) == 2 and all([x is column[k % shape[1]] for k, x in enumerate(column)]):
            return self.operand(column[: shape[1]], (shape[1],))
        return self.operand(column, shape)

    def grid(self, one: Class) -> tuple[list[int], list[int], list[int]] | None:
        """The members in the order of a grid, those of its first column, and those of its first row; None without one.

        `turned` says that the rows are those of the second factors: the longer side stands first.
        """
        forms, count = one.forms, len(one.members)
        if not forms[0].products or not self.one_kind(forms[0].products):
            return None
        labels = [[tuple([label(pair[side]) for pair in form.products]) for form in forms] for side in (0, 1)]
        sides = [numbered(side) for side in labels]
        self.turned = len(set(sides[1])) > len(set(sides[0]))
        rows, columns = sides[::-1] if self.turned else sides
        height, width = len(set(rows)), len(set(columns))
        if height * width != count or len(set(zip(rows, columns, strict=True))) != count:
            return None
        order = sorted(range(count), key=lambda k: (rows[k], columns[k]))
        return order, order[::width], order[:width]

    def one_kind(self, products: Sequence[tuple[Any, Any]]) -> bool:
        """Whether all left factors lie in one array, and all right ones."""
        return len({self.lanes.kind(x) for x, _ in products}) == 1 == len({self.lanes.kind(y) for _, y in products})

    def one_sum(self, form: Sum) -> Any:
        """The one sum of its class: a dot product for each pair of arrays, and a total for each array."""
        total: Any = None
        pairs: dict[Any, list[tuple[Any, Any]]] = {}
        for x, y in form.products:
            pairs.setdefault((self.lanes.kind(x), self.lanes.kind(y)), []).append((x, y))
        for members in pairs.values():
            a, b = [self.operand([pair[side] for pair in members], (len(members),)) for side in (0, 1)]
            numbers = all([isinstance(x, float) or not x.shape for x in (a, b)])
            product = book["mul"](a, b)
            total = plus(total, book["mul"](product, float(len(members))) if numbers else book["sum"](product))
        kinds: dict[Any, list[Any]] = {}
        for x in form.terms:
            kinds.setdefault(self.lanes.kind(x), []).append(x)
        for members in kinds.values():
            if isinstance(members[0], Step):
                ordered = sorted(members, key=self.place_of)
                part = self.operand(ordered, (len(ordered),)) if len(ordered) > 1 else self.gathered(ordered, ())
                repeated = len(ordered) > 1 and not part.shape
                part = book["mul"](part, float(len(ordered))) if repeated else part
                total = plus(total, book["sum"](part) if part.shape else part)
            elif sum(members):
                total = plus(total, float(sum(members)))
        return total

    def operand(self, column: Sequence[Any], shape: tuple[int, ...]) -> Any:
        """An input of all members as one array, or one number where it is the same for all."""
        if not isinstance(column[0], Step):
            numbers = np.asarray(column, float)
            return float(numbers[0]) if np.all(numbers == numbers[0]) else numbers.reshape(shape)
        return self.gathered(column, shape)

    def gathered(self, column: Sequence[Step], shape: tuple[int, ...]) -> Any:
        """Members of one class, in this order and shape: the whole array, turned or in part, or picked one by one."""
        first = column[0]
        if first.op is None:
            self.groups.append((tuple(column), shape))
        whole = self.array_of(first)
        places = np.array([self.place_of(x) for x in column])
        size = math.prod(whole.shape)
        if np.all(places == places[0]) and (len(places) > 1 or not shape):
            return whole if not whole.shape else book["index"](flat(whole), key=int(places[0]))
        every = np.arange(size).reshape(whole.shape)
        if len(whole.shape) == 2 and np.array_equal(places, every.T.ravel()):
            return reshaped(book["transpose"](whole), shape)
        if np.array_equal(places, np.arange(places[0], places[0] + len(places))):
            part = whole
            if len(places) < size:
                part = book["index"](flat(whole), key=slice(int(places[0]), int(places[0]) + len(places)))
            return reshaped(part, shape)
        return reshaped(book["index"](flat(whole), key=places), shape)


def filled(x: Any, shape: tuple[int, ...]) -> Any:
    """An array of that shape; what is the same for all members of a class is repeated."""
    if getattr(x, "shape", ()) == shape:
        return x
    return book["broadcast_to"](x, shape=shape) if hasattr(x, "shape") else np.full(shape, x)


def plus(total: Any, part: Any) -> Any:
    """A sum with one more part."""
    return part if total is None else book["add"](total, part)


def reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else book["reshape"](x, shape=shape)


def label(x: Any) -> Any:
    """What tells one factor from another."""
    return x.place if isinstance(x, Step) else ("number", x)


def own_arrays(groups: Sequence[tuple[tuple[Step, ...], tuple[int, ...]]], leaves: Sequence[Step]) -> list[Any]:
    """The leaves as arrays: those that are read together first, and one for each kind of the rest."""
    free = dict.fromkeys(leaves)
    found: list[tuple[tuple[Step, ...], tuple[int, ...]]] = []
    for members, shape in groups:
        # What is read twice, as the row of a table, lies in the array once.
        own = tuple([x for x in dict.fromkeys(members) if x in free])
        if own:
            found.append((own, shape if len(own) == len(members) else (len(own),) if len(own) > 1 else ()))
            for x in own:
                del free[x]
    return found + [((x,), ()) for x in free]


def flat(x: Any) -> Any:
    return x if len(x.shape) == 1 else book["reshape"](x, shape=(-1,))


def numbered(labels: Sequence[Any]) -> list[int]:
    """Labels as numbers, in the order in which they first appear."""
    known: dict[Any, int] = {}
    return [known.setdefault(label, len(known)) for label in labels]

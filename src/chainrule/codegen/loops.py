"""A program as loops over flat arrays, for C and JavaScript: one function, its helpers, and the shapes of everything.

Where an entry comes from is worked out when the source is written: a step that moves entries (a transpose, a slice, a
repetition) is no loop but an index, and is found by running the operation on the places themselves. So each language
needs words for pointwise operations, products, extremes and look-ups, and no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.codegen.identifiers import Names, function_name
from chainrule.codegen.languages import PRODUCT, Language, Text, infix
from chainrule.codegen.primitive import AT_DATA, adds, gathers, lowered, word_of
from chainrule.codegen.statements import Statements, statements_of
from chainrule.core.operation import Pointwise
from chainrule.errors import ChainruleError
from chainrule.program import Kind, Step, Trace
from chainrule.program.steps import steps_in
from chainrule.rules.linear import kept

LETTERS = "ijklmnopqrstuvwxyz"
"""The letters that loops run, one inside the other."""

WHOLE = frozenset({"concatenate", "index", "largest", "matmul", "scatter", "smallest", "stack", *AT_DATA})
"""Operations that are loops of their own in every language, apart from sums."""

CAN_GO_ROUND = frozenset({"abs", "add", "matmul", "mul", "neg", "pow", "scatter", "sub"})
"""Operations that may give a number with more bits than those that it is made of."""

ROUNDS_NOTHING = frozenset(
    {"abs", "astype", "maximum", "minimum", "neg", "sign", "where", *WHOLE - {"matmul", "scatter"}}
)
"""Operations that give one of the numbers that they were given."""

START = {"largest": -np.inf, "smallest": np.inf}
TAKEN = {"largest": "maximum", "smallest": "minimum"}


class NotInOneLoop(Exception):
    """Entries do not lie so that one index runs through all of them."""


class Looks(NamedTuple):
    """What the lines of a language look like; `{}` is filled in order."""

    loop: str
    scalar: str
    running: str
    array: str
    refuse: str
    place: str
    comment: str = "// "


class Loops:
    """Writes the lines of a program.

    `tables` are arrays of places and constants that the source needs, by name.
    """

    def __init__(self, trace: Trace, name: str, language: Language, looks: Looks, taken: Sequence[str]) -> None:
        self.language = language
        self.looks = looks
        self.trace = lowered(trace, {*language.words, *WHOLE}.__contains__, language.name)
        self.moves: dict[Step, Any] = {}
        self.sums: dict[Step, Any] = {}
        self.look_at_moves()
        self.refuse_other_arithmetic()
        self.feeding = self.operands()
        around = [*language.reserved, *language.helpers, *taken]
        self.name = function_name(name, around)
        letters = self.letters()
        names = [self.name, *around, *letters, *[place_along(k) for k in range(len(letters))]]
        self.lines: Statements = statements_of(self.trace, names, self.apart, self.is_view)
        self.names = self.lines.names
        self.others = Names([*names, *self.names.values(), *self.lines.tables.values()])
        """Names of what is no step."""
        self.tables: dict[str, Any] = {}
        self.extents: tuple[int, ...] = ()
        self.one_loop = False

    def refuse_other_arithmetic(self) -> None:
        """Both languages compute in double precision, where few bits neither go round nor are rounded each time."""
        for step in self.trace.program.steps:
            if step.op is None or step in self.moves:
                continue
            if step.dtype == np.float16 and step.op.name not in ROUNDS_NOTHING:
                raise ChainruleError(
                    f"{step.op.name} of float16 is rounded to its few digits, and {self.language.name} computes in "
                    "double precision: take float32 or float64; the targets numpy and jax have it"
                )
            if step.op.name in CAN_GO_ROUND and step.dtype.kind in "iu" and step.dtype != np.int64:
                raise ChainruleError(
                    f"{step.op.name} of {step.dtype} goes round where its bits end, and {self.language.name} computes "
                    "in double precision: take int64 or floats; the targets numpy and jax have it"
                )

    def letters(self) -> str:
        """The letters that the loops of this program may run: one for each axis, and one for a product's sum."""
        depth = 1 + max([step.ndim for step in self.trace.program.steps], default=0)
        if depth > len(LETTERS):
            raise ChainruleError(
                f"an array of {depth - 1} axes cannot be written in {self.language.name}: {len(LETTERS) - 1} are the "
                "most; the targets numpy and jax have it"
            )
        return LETTERS[:depth]

    def look_at_moves(self) -> None:
        """Find out of every linear step where its entries come from, or go to."""
        for step in self.trace.program.steps:
            if step.op is not None and not isinstance(step.op, Pointwise):
                places = gathers(step)
                if places is not None:
                    self.moves[step] = places
                elif step.op.name not in WHOLE or step.op.name == "scatter":
                    places = adds(step)
                    if places is not None:
                        self.sums[step] = places

    def is_view(self, step: Step) -> bool:
        """Whether a step only moves entries, and leaves none empty."""
        return step in self.moves and not np.any(self.moves[step] < 0)

    def is_loop(self, step: Step) -> bool:
        """Whether a step needs loops of its own."""
        return step.op is not None and not isinstance(step.op, Pointwise) and not self.is_view(step)

    def operands(self) -> set[Step]:
        """The steps that a loop of another kind reads entry by entry and more than once, through views too."""
        found: set[Step] = set()
        for step in reversed(self.trace.program.steps):
            again = self.is_loop(step) and step not in self.sums and step not in self.moves
            if (again and step.operation in ("matmul", "index", "scatter")) or (step in found and self.is_view(step)):
                found.update(step.needs)
        return found

    def apart(self, step: Step) -> bool:
        """Whether a step stands on a line of its own, whoever uses it."""
        return self.is_loop(step) or (step in self.feeding and not self.is_view(step))

    # Expressions

    def entry(self, x: Any, places: Any) -> Text:
        """The entries of a step at these places, one for each round of the loops, as one expression."""
        if not isinstance(x, Step):
            return self.language.number(float(x))
        if x in self.names:
            return self.read(x, self.names[x] if not x.shape else f"{self.names[x]}[{self.index(places)}]")
        if x.kind is Kind.FROZEN:
            return self.constant(x, places)
        if x in self.moves:
            return self.entry(x.inputs[0], self.moves[x].ravel()[places])
        assert x.op is not None
        inputs = [self.entry(y, places if not isinstance(y, Step) else spread(y, x, places)) for y in x.inputs]
        return self.language.words[word_of(x)](*inputs)

    def constant(self, x: Step, places: Any) -> Text:
        """Numbers of the program's own: one number, or a table."""
        numbers = np.asarray(self.trace.numbers[x], dtype=float).ravel()
        used = numbers[places]
        if used.size and np.all(used == used.flat[0]):
            return self.language.number(float(used.flat[0]))
        return Text(f"{self.constants(x)}[{self.index(places)}]")

    def read(self, x: Step, text: str) -> Text:
        """An entry of what has a name, as a number to compute with."""
        return Text(text)

    def index(self, places: Any) -> str:
        """Places as an expression in the letters of the loops."""
        found = straight(places)
        if found is not None:
            return found.written(LETTERS)
        if self.one_loop:
            raise NotInOneLoop
        at = np.arange(places.size).reshape(places.shape)
        return f"{self.table(places, 'places')}[{self.index(at)}]"

    def constants(self, x: Step) -> str:
        """The name of an array of constants: that by which comments call it."""
        numbers = self.trace.numbers[x].astype(float)
        name = self.lines.tables.get(x)
        if name is None:
            return self.table(numbers, "numbers")
        self.tables[name] = numbers
        return name

    def table(self, numbers: Any, word: str) -> str:
        """The name of an array that the source holds."""
        array = np.asarray(numbers)
        for name, known in self.tables.items():
            if known.shape == array.shape and known.dtype == array.dtype and np.array_equal(known, array):
                return name
        name = self.others.free(word, f"{word}_1", "_")
        self.tables[name] = array
        return name

    # Lines

    def line(self, step: Step) -> list[str]:
        """The lines that compute a step, under a comment with its mathematics and shape."""
        shape = f" {step.shape}" if step.shape else ""
        formula = self.lines.formulas.get(step, self.names[step])
        return [f"{self.looks.comment}{formula} {shape}".rstrip(), *self.computed(step)]

    def computed(self, step: Step) -> list[str]:
        operation = step.op
        assert operation is not None
        if step in self.sums:
            return self.gathered(step, step.inputs[0], self.sums[step], 0.0, "add")
        if operation.name in TAKEN:
            x = step.inputs[0]
            before = kept(x.shape, step.settings["axis"])
            places = np.broadcast_to(np.arange(step.size).reshape(before), x.shape)
            return self.gathered(step, x, places, START[operation.name], TAKEN[operation.name])
        if operation.name == "matmul":
            return self.product(step)
        if operation.name in ("concatenate", "stack"):
            return self.joined(step)
        if operation.name in ("index", "scatter") and steps_in(step.settings):
            return self.looked_up(step)
        return self.pointwise(step)

    def pointwise(self, step: Step) -> list[str]:
        """One loop that computes an entry a round; entries that nothing is moved to are 0."""
        places = self.moves.get(step)
        places = np.arange(step.size).reshape(step.shape) if places is None else places
        source = step.inputs[0] if step in self.moves else step
        if np.any(places < 0) and not step.shape:
            zero = self.language.number(0.0).text
            return [self.looks.scalar.format(self.kind(step), self.names[step], zero)]
        if np.any(places < 0):
            inside = np.flatnonzero(places.ravel() >= 0)
            body = self.over((inside.size,), lambda: (inside, self.entry(source, places.ravel()[inside]).text))
            return [self.declared(step), *self.cleared(step), *self.rounds(body, self.names[step], "=")]
        if not step.shape:
            return [
                self.looks.scalar.format(self.kind(step), self.names[step], self.unnamed(step, np.arange(1)[0]).text)
            ]
        at = np.arange(step.size).reshape(step.shape)
        body = self.in_loops(step.shape, lambda shape: (at.reshape(shape), self.unnamed(step, at.reshape(shape)).text))
        return [self.declared(step), *self.rounds(body, self.names[step], "=")]

    def unnamed(self, step: Step, places: Any) -> Text:
        """What a line's right side says."""
        name = self.names.pop(step)
        try:
            return self.entry(step, places)
        finally:
            self.names[step] = name

    def gathered(self, step: Step, x: Any, places: Any, start: float, word: str) -> list[str]:
        """Every entry of x joined to the entry of the result that it belongs to."""
        name = self.names[step]
        taken = np.flatnonzero(places.ravel() >= 0)
        whole = taken.size == places.size
        first = self.language.number(start).text

        def body(shape: Any) -> Any:
            at = np.arange(x.size).reshape(shape) if whole else taken
            return places.ravel()[at], self.entry(x, at)

        found = self.in_loops(x.shape, body) if whole else self.over((taken.size,), lambda: body(None))
        target = f"{name}[{{}}]" if step.shape else name
        lines = self.opened(found.extents)
        inner = "  " * len(found.extents)
        at = target.format(found.place)
        if word == "add":
            lines.append(f"{inner}{at} += {found.value.text};")
        else:
            lines.append(f"{inner}{at} = {self.language.words[word](Text(at), found.value).text};")
        lines += self.closed(found.extents)
        if not step.shape:
            return [self.looks.running.format(self.kind(step), name, first), *lines]
        return [self.declared(step), *self.cleared(step, first), *lines]

    def product(self, step: Step) -> list[str]:
        """A matrix product: a running sum for each entry."""
        x, y = step.inputs
        letters, run = LETTERS[: step.ndim], LETTERS[step.ndim]
        batch = letters[: step.ndim - (x.ndim > 1) - (y.ndim > 1)]
        row, column = letters[len(batch) :][: x.ndim > 1], letters[step.ndim - (y.ndim > 1) :]
        term = infix("*", PRODUCT)(self.operand(x, batch + row + run), self.operand(y, batch + run + column)).text
        name = self.names[step]
        inner, zero = "  " * step.ndim, self.language.number(0.0).text
        loop = self.looks.loop.format(run, run, x.shape[-1], run)
        if not step.shape:
            return [self.looks.running.format(self.kind(step), name, zero), loop, f"  {name} += {term};", "}"]
        return [
            self.declared(step),
            *self.opened(step.shape),
            f"{inner}{self.looks.running.format('double', 'sum', zero)}",
            f"{inner}{loop}",
            f"{inner}  sum += {term};",
            f"{inner}}}",
            f"{inner}{name}[{Straight(0, strides_of(step.shape)).written(letters)}] = sum;",
            *self.closed(step.shape),
        ]

    def operand(self, x: Step, letters: str) -> Text:
        """An entry of a factor, whose indices are these letters."""
        base, places = x, np.arange(x.size).reshape(x.shape)
        while base not in self.names and base in self.moves:
            places = self.moves[base].ravel()[places]
            base = base.inputs[0]
        if not base.shape and base not in self.names:
            return self.language.number(float(self.trace.numbers[base]))
        named = base in self.names
        name = self.names[base] if named else self.constants(base)
        if not base.shape:
            return self.read(base, name)
        found = straight(places)
        at = found.written(letters) if found else Straight(0, strides_of(x.shape)).written(letters)
        return self.read(base, f"{name}[{at if found else self.table(places, 'places') + f'[{at}]'}]")

    def joined(self, step: Step) -> list[str]:
        """Arrays end to end, one loop after the other."""
        assert step.op is not None
        sizes = np.cumsum([0, *[x.size for x in step.inputs]])
        codes = [np.arange(a, b).reshape(x.shape) for a, b, x in zip(sizes, sizes[1:], step.inputs, strict=False)]
        order = np.asarray(step.op.function(*codes, **step.settings)).ravel()
        where = np.empty(order.size, int)
        where[order] = np.arange(order.size)
        lines = [self.declared(step)]
        for x, code in zip(step.inputs, codes, strict=True):

            def body(shape: Any, x: Step = x, code: Any = code) -> Any:
                return where[code].reshape(shape), self.entry(x, np.arange(x.size).reshape(shape)).text

            lines += self.rounds(self.in_loops(x.shape, body), self.names[step], "=")
        return lines

    def looked_up(self, step: Step) -> list[str]:
        """Entries at places that are data, or put there: each place is checked before it is used."""
        assert step.op is not None
        reads = step.op.name == "index"
        table, rows = (step.inputs[0], step) if reads else (step, step.inputs[0])
        self.extents, self.one_loop = tuple(rows.shape), False
        inner = "  " * rows.ndim
        checks, place = self.place_in(table, rows, step.settings["key"], inner)
        own = np.arange(rows.size).reshape(rows.shape)
        if not reads:
            action = f"{inner}{self.names[step]}[{place}] += {self.entry(rows, own).text};"
            return [
                self.declared(step), *self.cleared(step), *self.opened(rows.shape), *checks, action,
                *self.closed(rows.shape),
            ]  # fmt: skip
        name = self.names[table] if table in self.names else self.constants(table)
        if not step.shape:
            return [*checks, self.looks.scalar.format(self.kind(step), self.names[step], f"{name}[{place}]")]
        action = f"{inner}{self.names[step]}[{self.index(own)}] = {name}[{place}];"
        return [self.declared(step), *self.opened(rows.shape), *checks, action, *self.closed(rows.shape)]

    def place_in(self, table: Step, rows: Step, key: Any, inner: str) -> tuple[list[str], str]:
        """Lines that find and check the places along each axis, and the place in memory."""
        parts = list(key) if isinstance(key, tuple) else [key]
        shape = np.broadcast_shapes(*[part.shape if isinstance(part, Step) else np.shape(part) for part in parts])
        rest = table.shape[len(parts) :]
        checks: list[str] = []
        terms: list[str] = []

        def over_rows(places: Any) -> Any:
            return np.broadcast_to(np.broadcast_to(places, shape).reshape(*shape, *(1,) * len(rest)), rows.shape)

        for k, (part, length, stride) in enumerate(zip(parts, table.shape, strides_of(table.shape), strict=False)):
            if not isinstance(part, Step):
                terms.append(self.index(over_rows(np.asarray(part) % length * stride)))
                continue
            value = self.entry(part, over_rows(np.arange(part.size).reshape(part.shape))).text
            checks.append(
                f"{inner}{self.looks.scalar.format('int', place_along(k), self.looks.place.format(value, length))}"
            )
            checks.append(f"{inner}{self.looks.refuse.format(place_along(k), length)}")
            terms.append(place_along(k) if stride == 1 else f"{stride} * {place_along(k)}")
        count = math.prod(rest)
        terms.append(self.index(np.broadcast_to(np.arange(count).reshape(rest), rows.shape)))
        return checks, " + ".join([term for term in terms if term != "0"]) or "0"

    # Loops

    def in_loops(self, shape: tuple[int, ...], body: Any) -> Body:
        """A body in one loop over all entries if that can be written, and else in a loop for each axis."""
        flat = (math.prod(shape),)
        try:
            self.one_loop = True
            return self.over(flat if shape else (), lambda: body(flat if shape else ()))
        except NotInOneLoop:
            axes = tuple([n for n in shape if n != 1])
            self.one_loop = False
            return self.over(axes, lambda: body(axes))
        finally:
            self.one_loop = False

    def over(self, extents: tuple[int, ...], body: Any) -> Body:
        """What a body says inside loops of these lengths."""
        self.extents = extents
        place, value = body()
        return Body(extents, self.index(place), value if isinstance(value, Text) else Text(value))

    def rounds(self, body: Body, name: str, sign: str) -> list[str]:
        """Loops with one assignment inside."""
        inner = "  " * len(body.extents)
        return [
            *self.opened(body.extents),
            f"{inner}{name}[{body.place}] {sign} {body.value.text};",
            *self.closed(body.extents),
        ]

    def opened(self, extents: Sequence[int]) -> list[str]:
        """The heads of loops, one inside the other."""
        return [
            f"{'  ' * k}{self.looks.loop.format(c, c, n, c)}"
            for k, (c, n) in enumerate(zip(LETTERS, extents, strict=False))
        ]

    def closed(self, extents: Sequence[int]) -> list[str]:
        return ["  " * k + "}" for k in reversed(range(len(extents)))]

    def cleared(self, step: Step, first: str = "0") -> list[str]:
        """All entries set to a number."""
        return [self.looks.loop.format("i", "i", step.size, "i"), f"  {self.names[step]}[i] = {first};", "}"]

    def declared(self, step: Step) -> str:
        """The line that makes room for an array."""
        return self.looks.array.format(self.kind(step), self.names[step], step.size)

    def kind(self, step: Step) -> str:
        """The type of a step's numbers."""
        return "float" if step.dtype == np.float32 else "double"


def place_along(axis: int) -> str:
    """What a place along an axis that is looked up is called."""
    return f"at_{axis}"


class Straight(NamedTuple):
    """Places that lie at equal distances along each axis."""

    start: int
    strides: tuple[int, ...]

    def written(self, letters: str) -> str:
        """As an expression in the letters that run along the axes."""
        terms = [c if n == 1 else f"{n} * {c}" for c, n in zip(letters, self.strides, strict=False) if n]
        return " + ".join([*terms, *[str(self.start)] * (self.start != 0 or not terms)])


def straight(places: Any) -> Straight | None:
    """How places lie along their axes, if at equal distances."""
    if not places.size:
        return Straight(0, (0,) * places.ndim)
    start = int(places.flat[0])
    strides = tuple([int(np.take(places, 1, a).flat[0]) - start if n > 1 else 0 for a, n in enumerate(places.shape)])
    expected = np.full(places.shape, start)
    for axis, (n, stride) in enumerate(zip(places.shape, strides, strict=True)):
        expected += stride * np.arange(n).reshape([-1 if k == axis else 1 for k in range(places.ndim)])
    return Straight(start, strides) if np.array_equal(expected, places) else None


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """How far apart neighbours along each axis lie in memory; 0 along an axis of one."""
    return tuple([math.prod(shape[k + 1 :]) * (n > 1) for k, n in enumerate(shape)])


class Body(NamedTuple):
    """What stands inside loops: their lengths, where a round writes, and what."""

    extents: tuple[int, ...]
    place: str
    value: Text


def spread(y: Step, x: Step, places: Any) -> Any:
    """The places in an input that entries of a pointwise result come from."""
    if y.shape == x.shape:
        return places
    return np.broadcast_to(np.arange(y.size).reshape(y.shape), x.shape).ravel()[places]

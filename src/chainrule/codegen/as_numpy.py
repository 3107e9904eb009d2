"""A program as a NumPy function that reads like one written by hand, and runs without this package.

What a line says comes from running the rule's own forward on pieces of text (`Source`); the few operations that read
better in another spelling have it here, and tests hold it to the rule.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from chainrule.codegen.numpy_source import head_for
from chainrule.codegen.source import ATOM, POWER, SIGN, Source, call, enclosed, subscript, used, written
from chainrule.codegen.statements import Statements, statements_of, usual
from chainrule.codegen.written_images import IMAGES
from chainrule.core.operation import Operation, book, kernels
from chainrule.core.state import Quiet
from chainrule.program import Kind, Step, Trace
from chainrule.rules.kernels import half_power

WIDTH = 120
"""Lines are at most so long; a comment that does not fit stands above its line."""


def method(x: Any, name: str, value: Any, **settings: Any) -> Source:
    """A call of an array's method; settings that are as usual are not written."""
    usual = {"axis": None, "keepdims": False}
    given = ", ".join(
        [f"{key}={written(s)}" for key, s in settings.items() if isinstance(s, Source) or s != usual.get(key)]
    )
    return Source(f"{enclosed(x, ATOM)}.{name}({given})", value, ATOM, used([x]))


def reduction(name: str) -> Callable[..., Source]:
    """A reduction along axes, as a method."""

    def spelled(value: Any, x: Any, *, axis: Any, keepdims: Any) -> Source:
        return method(x, name, value, axis=axis, keepdims=keepdims)

    return spelled


def mean(value: Any, x: Any, *, axis: Any, keepdims: Any) -> Any:
    """NumPy's method, which warns where there is nothing to take a mean of."""
    return reduction("mean")(value, x, axis=axis, keepdims=keepdims) if x.size else NotImplemented


def power(value: Any, x: Any, y: Any) -> Any:
    """A power, of which whole ones of arrays are operators, and no case is left that cannot be."""
    kind = np.asarray(x.value if isinstance(x, Source) else x).dtype.kind
    if isinstance(y, Source):
        never_half = kind == "f" and (y.ndim or y.dtype.kind in "iu")
        return call(np.power, "np.power", (x, y), {}) if never_half else NotImplemented
    if type(y) is float and y == 0.5 and kind == "f":
        return half_power(x)
    if type(y) not in (int, float) or y not in (2, 3):
        return NotImplemented
    if kind == "b" and type(y) is int:  # of which NumPy makes the smallest whole numbers where it is written as **
        return NotImplemented
    text = enclosed(x, ATOM)
    if y == 3 and (kind == "f" or type(y) is int):
        return Source(f"{text} * {text} * {text}", value, 2, used([x])) if text.isidentifier() else NotImplemented
    tight = text.replace(".", "").isidentifier()
    exponent = written(int(y) if kind == "f" else y)
    return Source(f"{text}**{exponent}" if tight else f"{text} ** {exponent}", value, POWER, used([x]))


def joined(value: Any, *arrays: Any, axis: Any) -> Source:
    inside = f"[{', '.join(map(written, arrays))}]{f', axis={axis}' if axis else ''}"
    return Source(f"np.concatenate({inside})", value, ATOM, used(arrays))


def equals(value: Any, x: Any, y: Any) -> Any:
    """A comparison, that of truth values with 0 as what does not hold."""
    if isinstance(x, Source) and x.ndim and x.dtype == np.bool_ and type(y) in (int, float) and y == 0:
        return Source(f"~{enclosed(x, ATOM)}", value, SIGN, used([x]))
    return NotImplemented


def turned(value: Any, x: Any, *, axes: Any = None) -> Any:
    if axes is None:
        return Source(f"{enclosed(x, ATOM)}.T", value, ATOM, used([x]))
    return Source(f"{enclosed(x, ATOM)}.transpose({', '.join(map(str, axes))})", value, ATOM, used([x]))


def picked(value: Any, x: Any, *, key: Any) -> Any:
    """Entries, without the copies by which an engine guards itself."""
    return Source(f"{enclosed(x, ATOM)}[{subscript(key)}]", value, ATOM, used([x, key]))


def shaped(value: Any, x: Any, *, shape: Any) -> Any:
    inside = ", ".join(map(str, shape)) if shape else "()"
    return Source(f"{enclosed(x, ATOM)}.reshape({inside})", value, ATOM, used([x]))


def repeated(value: Any, x: Any, *, shape: Any) -> Any:
    return Source(f"np.broadcast_to({written(x)}, {written(tuple(shape))})", value, ATOM, used([x]))


SPELLED: dict[str, Callable[..., Any]] = {
    "broadcast_to": repeated,
    "concatenate": joined,
    "equal": equals,
    "identity": lambda value, x: x if isinstance(x, Source) else Source(written(x), value),
    "index": picked,
    "largest": reduction("max"),
    "mean": mean,
    "pow": power,
    "reshape": shaped,
    "smallest": reduction("min"),
    "sum": reduction("sum"),
    "transpose": turned,
}
"""Operations that NumPy's users spell in another way than the rule does."""


def numpy_source(trace: Trace, name: str, made_for: str = "") -> str:
    """The module of a program: one function of its arguments, and the kernels that it calls."""
    lines = statements_of(trace, [name, *kernels])
    printer = Printer(lines)
    body = printer.body()
    function = printer.function(name, body, made_for)
    head = head_for(printer.needed) + printer.tables()
    return f"{head}\n\n\n{function}\n" if "np." in head + function else f"{function}\n"


class Printer:
    """Writes the lines of a program; `spelled` are operations that do not say what their rule says."""

    spelled: ClassVar = {**SPELLED, **IMAGES}
    in_memory = False
    """Whether a line may show what lies in memory already, as a number that is seen many times."""

    def __init__(self, lines: Statements) -> None:
        self.lines = lines
        self.trace = lines.trace
        self.found: dict[Step, Any] = {}
        self.needed: list[Source] = []

    def function(self, name: str, body: Sequence[str], made_for: str) -> str:
        """The function with its arguments, what it is made for, and its lines."""
        text = "".join([c if c.isprintable() else " " for c in made_for]).replace("\\", "\\\\").replace('""', '\\"\\"')
        said = textwrap.wrap(f'"""{text}"""', WIDTH, initial_indent="    ", subsequent_indent="    ")
        return "\n".join([*wrapped(f"def {name}(", self.parameters(), "):"), *said, *body])

    def parameters(self) -> list[str]:
        return [self.lines.names[step] for step in self.lines.arguments]

    def tables(self) -> str:
        """The long arrays of constants, before the function."""
        return "".join(["\n\n" + long_array(name, self.trace.numbers[x]) for x, name in self.lines.tables.items()])

    def body(self) -> list[str]:
        """The lines inside the function."""
        for step in self.trace.program.steps:
            if step in self.lines.names and step.op is None:
                self.found[step] = Source(self.lines.names[step], self.trace.numbers[step])
        parts = {"forward": self.lines.forward, **self.lines.after_forward()}
        sections = [(title, [text for step in part for text in self.line(step)]) for title, part in parts.items()]
        titled = [[f"    # {title}", *text] for title, text in sections if text]
        if len(titled) == 1:
            titled[0].pop(0)
        return [*[line for k, lines in enumerate(titled) for line in ["", *lines][k == 0 :]], self.result()]

    def line(self, step: Step) -> list[str]:
        """The line of a step, with its mathematics and shape as a comment."""
        copies = self.copies(step)
        source = self.text(step) if copies is None else copies
        return self.assignment(step, self.lines.names[step], source, self.comment(step))

    def copies(self, step: Step) -> Source | None:
        """An array of copies of a number that is given back: in memory of its own."""
        number = step.inputs[0] if step.op is book["broadcast_to"] and step in self.trace.outputs else None
        if not isinstance(number, Step) or number.shape or type(self.trace.numbers[number]) is float:
            return None
        known = self.trace.numbers[number] if number.kind is Kind.FROZEN else None
        one = known.item() if isinstance(known, np.float64) else self.reading(number)  # what np.full makes of it
        text = f"np.full({written(step.shape)}, {written(one)})"
        return Source(text, self.trace.numbers[step], ATOM, used([self.reading(number)]))

    def comment(self, step: Step) -> str:
        """The mathematics and the shape of a step."""
        shape = f"{step.shape}" if step.shape else ""
        return "  ".join([part for part in (self.lines.formulas.get(step, ""), shape) if part])

    def assignment(self, step: Step, name: str, source: Source, comment: str) -> list[str]:
        """A step under a name from here on; the comment stands above a line that would be too long with it."""
        self.needed.append(source)
        self.found[step] = Source(name, self.trace.numbers[step])
        code = f"    {name} = {written(source)}"
        together = f"{code}  # {comment}" if comment else code
        return [together] if len(together) <= WIDTH else [f"    # {comment}"] * bool(comment) + broken(code)

    def result(self) -> str:
        """What the function gives: one array, or a tuple."""
        texts = [self.given_back(x) for x in self.trace.outputs]
        line = f"    return {', '.join(texts) or 'None'}"
        return line if len(line) <= WIDTH or len(texts) == 1 else "\n".join(broken(f"    return ({', '.join(texts)})"))

    def given_back(self, x: Any) -> str:
        """A result; what shares the memory of an argument is copied."""
        if not isinstance(x, Step):
            alike = isinstance(x, np.ndarray) and x.size > 1 and bool((x == x.flat[0]).all())
            return f"np.full({written(x.shape)}, {written(x.flat[0])})" if alike else written(x)
        text = written(self.reading(x))
        while x.op is book["identity"] and x.needs:
            x = x.needs[0]
        return f"{text}.copy()" if x.op is None and x.shape else text

    def reading(self, x: Any) -> Any:
        """A step where it is used: its name, its text, or its number."""
        if not isinstance(x, Step):
            return x
        if x not in self.found:
            self.found[x] = self.constant(x) if x.op is None else self.text(x)
        return self.found[x]

    def constant(self, x: Step) -> Source:
        """A number or an array of the program's own."""
        number = self.trace.numbers[x]
        if x in self.lines.tables:
            return Source(self.lines.tables[x], number)
        if usual(number) == "eye":
            kind = "" if x.dtype == np.float64 else f", dtype={written(x.dtype)}"
            return Source(f"np.eye({x.shape[0]}{kind})", number)
        if usual(number) == "arange":
            kind = "" if x.dtype == np.int64 else f", dtype={written(x.dtype)}"
            return Source(f"np.arange({x.size}{kind})", number)
        text = written(number)
        if not x.shape and x.dtype in (np.float64, np.int64):
            text = f"np.{x.dtype}({text})"
        return Source(text, number)

    def plainly(self, x: Any, source: Any, reader: Step) -> Any:
        """A number of the program's own as Python writes it, where all that is chosen from is of its type."""
        while isinstance(x, Step) and x.op is book["broadcast_to"]:
            x = x.inputs[0]
        if not isinstance(x, Step) or x.kind is not Kind.FROZEN or x.shape or source.text != self.reading(x).text:
            return source
        alike = all([y.dtype in (reader.dtype, np.bool_) for y in reader.needs])
        return Source(written(self.trace.numbers[x]), source.value) if alike else source

    def once(self, x: Any, source: Any) -> Any:
        """A matrix that is seen once for each one of a stack: a product of both sees to that itself."""
        swapped = isinstance(x, Step) and x.operation == "swap"
        seen = x.inputs[0] if swapped else x
        if not isinstance(seen, Step) or seen.op is not book["broadcast_to"] or seen in self.lines.names:
            return source
        own = seen.inputs[0]
        if not isinstance(own, Step) or own.ndim != 2 or own.shape != seen.shape[-2:] or x in self.lines.names:
            return source
        matrix = self.reading(own)
        return matrix.T if swapped else matrix

    def text(self, step: Step) -> Any:
        """What computes a step, from the names and texts of what it needs."""
        operation = step.op
        assert operation is not None
        if operation is book["broadcast_to"] and not self.in_memory and is_number(step.inputs[0], np.float64):
            return filled(step, self.trace.numbers[step.inputs[0]])
        inputs, settings = step.given(self.reading)
        if operation.name in ("where", "chosen"):  # which make the same of Python's numbers beside arrays of that type
            inputs = [self.plainly(x, one, step) for x, one in zip(step.inputs, inputs, strict=True)]
        if operation.name == "matmul":
            inputs = [self.once(x, one) for x, one in zip(step.inputs, inputs, strict=True)]
        settings = self.settings(settings)
        spelled = self.spelled.get(operation.name)
        if spelled is not None:
            source = spelled(self.trace.numbers[step], *inputs, **settings)
            if source is not NotImplemented:
                return source
        return by_rule(operation, inputs, settings)

    def settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {name: reread(setting) for name, setting in settings.items()}


def is_number(x: Any, dtype: Any) -> bool:
    """Whether it is a number of the program's own, of that type."""
    return isinstance(x, Step) and x.kind is Kind.FROZEN and not x.shape and x.dtype == dtype


def filled(step: Step, number: Any) -> Source:
    """An array of one number in double precision."""
    word = {0.0: "zeros", 1.0: "ones"}.get(float(number), "full")
    shape = written(step.shape[0] if len(step.shape) == 1 else step.shape)
    text = f"np.{word}({shape})" if word != "full" else f"np.full({shape}, {written(number)})"
    return Source(text, np.broadcast_to(number, step.shape), ATOM)


def by_rule(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """The text that an operation's own forward leaves."""
    with Quiet():
        return operation.function(*inputs, **settings)


def long_array(name: str, numbers: Any) -> str:
    """An array of constants over several lines, each number with the fewest digits that give it back."""
    array = np.asarray(numbers)
    shortest = array.astype(str).astype(float) if array.dtype == np.float32 else array
    entries = str(shortest.tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
    text = f"{name} = np.array({entries}, dtype={written(array.dtype)})"
    return "\n".join(
        textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    )


def reread(setting: Any) -> Any:
    """Settings as they are written: long arrays of places by how they are made."""
    if isinstance(setting, tuple):
        return tuple([reread(part) for part in setting])
    if isinstance(setting, np.ndarray) and setting.size > 2 and setting.dtype.kind == "i":
        long = max(setting.shape)
        if setting.size == long and np.array_equal(setting.reshape(-1), np.arange(long)):
            shape = "" if setting.ndim == 1 else f".reshape{setting.shape}"
            return Source(f"np.arange({long}){shape}", setting)
    return setting


def broken(line: str) -> list[str]:
    """A line that is too long, broken where its longest brackets open: what is in them goes part by part."""
    text = line.lstrip()
    indent, pairs = line[: -len(text)], brackets(text)
    if len(line) <= WIDTH or not pairs:
        return [line]
    start, end = max(pairs, key=lambda pair: pair[1] - pair[0])
    inside = text[start + 1 : end]
    deep = brackets(inside)

    def ends(mark: str) -> list[int]:
        found = [k for k in range(len(inside)) if inside.startswith(mark, k)]
        return [k for k in found if not any([a < k < b for a, b in deep])]

    if text[start] == "[":  # numbers fill the lines
        rows = textwrap.wrap(inside, WIDTH - len(indent) - 4, break_long_words=False, break_on_hyphens=False)
        return [f"{indent}{text[: start + 1]}", *[f"{indent}    {row}" for row in rows], f"{indent}{text[end:]}"]
    mark = next((mark for mark in (", ", " + ", " - ", " * ", " / ", " @ ") if ends(mark)), "")
    cuts = [0, *[k + (mark == ", ") for k in ends(mark)], len(inside)] if mark else [0, len(inside)]
    parts = [inside[a:b].strip() for a, b in pairwise(cuts)]
    last = "," if mark == ", " and not parts[-1].endswith(",") else ""
    lines = [row for k, part in enumerate(parts, 1) for row in broken(f"{indent}    {part}{last * (k == len(parts))}")]
    return [f"{indent}{text[: start + 1]}", *lines, *broken(f"{indent}{text[end:]}")]


def brackets(text: str) -> list[tuple[int, int]]:
    """Where the outermost brackets of a text open and close."""
    found: list[tuple[int, int]] = []
    opened: list[int] = []
    quoted = False
    for k, c in enumerate(text):
        quoted ^= c == "'"
        if quoted:
            continue
        if c in "([{":
            opened.append(k)
        elif c in ")]}" and opened:
            start = opened.pop()
            found += [(start, k)] * (not opened)
    return found


def wrapped(start: str, parts: Sequence[str], end: str) -> list[str]:
    """A call or definition on one line, or with a line for each part."""
    together = f"{start}{', '.join(parts)}{end}"
    if len(together) <= WIDTH:
        return [together]
    return [start, *[f"    {part}," for part in parts], end]

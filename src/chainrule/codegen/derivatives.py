"""The derivatives of rules that are declared by what they are made of, written as code (rules/derivatives/).

The composition is traced and differentiated on examples, made shorter by laws, and printed. What depends on an
example's lengths is written as ``len(x)`` or ``x.shape``; another example, of other lengths and settings, has to give
the very same text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chainrule.codegen.as_numpy import SPELLED, Printer, by_rule, shaped
from chainrule.codegen.derivative_laws import shortened
from chainrule.codegen.laws import is_only
from chainrule.codegen.simplified import Builder, is_constant, reached
from chainrule.codegen.source import ATOM, Source, enclosed, used, written
from chainrule.codegen.statements import Statements, statements_of
from chainrule.core.operation import Fused, Operation, Pointwise, kernels
from chainrule.errors import ChainruleError, ShapeError
from chainrule.program import Kind, Step, Trace
from chainrule.program.steps import replaced
from chainrule.program.trace import trace
from chainrule.rules.kernels import column_sums, less_one, outer_sum, softmax_rows, softmax_rows_backward
from chainrule.rules.linear import count
from chainrule.transforms import vjp

SLOPE = "How {} moves with {}"

TIMES = (3, 7)
"""The lengths in a rule's declaration are multiplied by these: no number that a law writes is one of them."""

MOST_WRITTEN = 3
"""A length in a shape up to this is the composition's own number, as the 3 of questions, keys and values."""

Example = tuple[dict[str, Any], dict[str, Any]]
"""The arrays of a rule, with its numbers among the settings, and the other settings, by name."""


WITH_SIGNS = frozenset({"add", "sub", "mul", "div", "neg"})
"""Operations that Python has a sign for."""


class Named(int):
    """A whole number among the settings, which knows its name."""

    name: str


class NamedPair(tuple[Any, ...]):
    """A tuple among the settings, which knows its name."""

    name: str


def module_text(head: str, rules: Iterable[Fused | Pointwise]) -> str:
    """A module with the derivatives of rules, under a docstring."""
    found = [written_derivative(rule, i) for rule in rules for i in moving_inputs(rule)]
    imports: dict[str, set[str]] = {}
    for module, name in frozenset().union(*[one.calls for one in found]):
        imports.setdefault(module, set()).add(name)
    lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(imports.items())]
    numpy = ["import numpy as np", ""] if any(["np." in one.text for one in found]) else []
    top = "\n".join([f'"""{head}"""', "", "from __future__ import annotations", "", *numpy, *lines])
    return "\n\n\n".join([top, *[one.text for one in found]]) + "\n"


def moving_inputs(rule: Operation) -> list[int]:
    """The places of the inputs in which a rule has a derivative."""
    return [i for i in range(len(rule.inputs)) if rule.differentiable(i)]


class Written(NamedTuple):
    """A function's source, and what it calls: pairs of a module and a name in it."""

    text: str
    calls: frozenset[tuple[str, str]]


def written_derivative(rule: Fused | Pointwise, i: int) -> Written:
    """The function that gives what of a gradient reaches input ``i``, or the local derivative in it.

    Raises ChainruleError where the examples do not agree on it.
    """
    found = {of_example(rule, i, *example) for times in TIMES for example in examples_of(rule, times)}
    if len(found) != 1:
        several = "\n\n".join(sorted([x.text for x in found]))
        raise ChainruleError(f"{rule.name}: its derivative in {rule.inputs[i]} depends on the example:\n\n{several}")
    return found.pop()


def examples_of(rule: Operation, times: int) -> Iterator[Example]:
    """Arrays and settings of a rule, each length so many times what is declared."""
    rng = np.random.default_rng(0)
    for settings in map(rule.complete, rule.examples):
        if any([x is None for x in settings.values()]):
            continue  # what the rule has in its place cannot be seen in a program
        arrays: dict[str, Any] = {
            name: rng.normal(size=[times * n for n in shape])
            for name, shape in zip(rule.inputs, rule.shapes, strict=True)
        }
        others: dict[str, Any] = {}
        for name, setting in settings.items():
            if isinstance(setting, float | np.ndarray):
                arrays[name] = np.tile(setting, (times,) * np.ndim(setting)) if np.ndim(setting) else setting
            else:
                others[name] = with_name(setting, name)
        try:
            cotangent(rule, arrays, others)
        except ShapeError:
            continue  # a window does not fit into every image
        yield arrays, others


def with_name(setting: Any, name: str) -> Any:
    """A setting that knows what it is called, where that can be."""
    if isinstance(setting, bool) or not isinstance(setting, int | tuple):
        return setting
    kept = Named(setting) if isinstance(setting, int) else NamedPair(setting)
    kept.name = name
    return kept


def of_example(rule: Fused | Pointwise, i: int, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Written:
    """The same for one example."""
    moving = rule.inputs[i]
    lengths = names_of_lengths([moving, *rule.inputs], arrays)
    given = {"g": cotangent(rule, arrays, settings), **arrays}
    traced = with_lengths(trace(pulled(rule, moving, arrays, settings), *given.values()), lengths)
    names = zip(traced.given, [*given, *lengths.values()], strict=True)
    named = {step: name for step, name in names if step is not None}
    numbers = [name for name in arrays if name not in rule.inputs]
    short = shortened(traced, named, ["g", *numbers, *rule.inputs])
    stacked = {x for step in short.program.steps if is_only(step, "stack") for x in step.inputs}
    taken = [*kernels, *given, *rule.inputs]
    lines = statements_of(short, taken, apart=stacked.__contains__, free=lambda step: False)
    lines.names.update(named)
    for k, step in enumerate([*lines.forward, *lines.backward]):
        lines.names[step] = f"t{k + 1}"
    shapes = {np.shape(arrays[name]): f"{name}.shape" for name in (*rule.inputs[::-1], moving)}
    counts = {int(n): n.name for n in settings.values() if isinstance(n, Named) and n > 1}
    printer = (RulePrinter if isinstance(rule, Fused) else PartialPrinter)(lines, lengths, shapes, counts)
    body = [line for line in printer.body() if line and "#" not in line]
    first, what = ("g", "What of the gradient of {} reaches {}") if isinstance(rule, Fused) else ("out", SLOPE)
    head = f"def {rule.name}_{moving}({', '.join([first, *rule.inputs, *rule.defaults])}):"
    text = "\n".join([head, f'    """{what.format(rule.name, moving)}."""', *body])
    return Written(text, frozenset(printer.calls()))


def cotangent(rule: Operation, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    inputs = [arrays[name] for name in rule.inputs]
    numbers = {name: x for name, x in arrays.items() if name not in rule.inputs}
    return np.random.default_rng(1).normal(size=np.shape(rule(*inputs, **numbers, **settings)))


def pulled(
    rule: Fused | Pointwise, moving: str, arrays: Mapping[str, Any], settings: Mapping[str, Any]
) -> Callable[..., Any]:
    """The function of a cotangent and the arrays that gives the share of one of them, by the composition.

    Of a pointwise rule it is the share of ones, which is the local derivative.
    """
    composition: Any = rule.composition if isinstance(rule, Fused) else rule.made_of

    def share(g: Any, *given: Any) -> Any:
        here = dict(zip(arrays, given, strict=True))

        def forward(x: Any) -> Any:
            now = {**here, moving: x}
            inputs = [now.pop(name) for name in rule.inputs]
            return composition(*inputs, **now, **settings)

        return vjp(forward, here[moving])[1](g if isinstance(rule, Fused) else np.ones(g.shape))[0]

    every = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("g", *arrays)]
    share.__signature__ = Signature(every)  # type: ignore[attr-defined]  (where a trace finds the names)
    return share


def names_of_lengths(names: Sequence[str], arrays: Mapping[str, Any]) -> dict[int, str]:
    """What each length of the example is in terms of some arrays, the first that have it."""
    found: dict[int, str] = {}
    for name in names:
        shape = np.shape(arrays[name])
        for axis, length in enumerate(shape):
            found.setdefault(length, f"len({name})" if axis == 0 else f"{name}.shape[{axis - len(shape)}]")
    return found


def with_lengths(traced: Trace, lengths: Mapping[int, str]) -> Trace:
    """A program in which the lengths are leaves, for laws to keep them as they are, and means are sums over them."""
    leaves: dict[float, Step] = {n: Step(Kind.DATA, (), np.float64) for n in lengths}
    b = Builder((), {**traced.numbers, **{step: float(n) for n, step in leaves.items()}})
    steps: dict[Step, Step] = {}

    def length_in(x: Any) -> Any:
        number: Any = b.numbers[x] if is_constant(x) and not x.shape else x
        return leaves.get(number, x) if isinstance(number, int | float) else x

    for step in traced.program.steps:
        if step.op is None:
            steps[step] = step
            continue
        inputs, settings = step.given(steps.__getitem__)
        inputs = [length_in(x) for x in inputs]
        along = count(step.inputs[0].shape, settings["axis"]) if is_only(step, "mean") else None
        if along in leaves:
            steps[step] = b.step("div", b.step("sum", *inputs, **settings), leaves[along])
        else:
            steps[step] = b.plain(step.op, inputs, settings, b.numbers[step])
    order = dict.fromkeys([*leaves.values(), *[x for x in steps if x.op is None], *reached([*steps.values()])])
    made = traced.made_anew(steps, list(order), b.numbers)
    return made._replace(given=(*[x and steps[x] for x in traced.given], *leaves.values()))


def shaped_alike(value: Any, x: Any, *, shape: Any) -> Source:
    """The shape of another array, or lengths by their names."""
    if not isinstance(shape, Source):
        return shaped(value, x, shape=[written(n) for n in shape])
    return Source(f"{enclosed(x, ATOM)}.reshape({shape.text})", value, ATOM, used([x]))


class RulePrinter(Printer):
    """Writes a derivative for arrays of any lengths."""

    spelled: ClassVar = {name: SPELLED[name] for name in ("index", "pow", "transpose")} | {"reshape": shaped_alike}

    def __init__(
        self,
        lines: Statements,
        lengths: Mapping[int, str],
        shapes: Mapping[tuple[int, ...], str],
        counts: Mapping[int, str],
    ) -> None:
        super().__init__(lines)
        self.lengths = lengths
        self.shapes = shapes
        self.counts = counts

    def assignment(self, step: Step, name: str, source: Source, comment: str) -> list[str]:
        """A step under a name, without the comment, where the example's lengths stand; the result as it is."""
        (out,) = self.trace.outputs
        found = super().assignment(step, name, source, "")
        return found if step is not out else [f"    return {written(source)}"]

    def result(self) -> str:
        """Nothing after the result, unless there is no line for it."""
        (out,) = self.trace.outputs
        return "" if out in self.lines.names and out.op is not None else super().result()

    def calls(self) -> set[tuple[str, str]]:
        """What the lines call: pairs of a module and a name in it."""
        return {(kernels[name].__module__, name) for source in self.needed for name in source.kernels}

    def settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings by their names; in a new shape also what a setting of the rule counts, and -1 for what is left."""
        found = {name: self.setting(setting) for name, setting in settings.items()}
        shape = found.get("shape")
        if type(shape) is tuple:
            lengths = [Source(self.counts[n], n) if type(n) is int and n in self.counts else n for n in shape]
            nameless = [i for i, n in enumerate(lengths) if type(n) is int and n > MOST_WRITTEN]
            if len(nameless) == 1:
                lengths[nameless[0]] = -1
            found["shape"] = tuple(lengths)
        return found

    def setting(self, setting: Any) -> Any:
        """Shapes, lengths and settings by their names."""
        if isinstance(setting, Named | NamedPair):
            return Source(setting.name, setting)
        if isinstance(setting, tuple):
            known = self.shapes.get(setting) if all([type(n) is int for n in setting]) else None
            return Source(known, setting) if known else tuple([self.setting(part) for part in setting])
        if type(setting) is int and setting in self.lengths:
            return Source(self.lengths[setting], setting)
        if isinstance(setting, np.ndarray) and np.array_equal(setting, np.arange(len(setting))):
            return Source(f"np.arange({self.lengths.get(len(setting), len(setting))})", setting)
        return setting

    def text(self, step: Step) -> Any:
        """What computes a step; products with a transpose, and sums of rows, by their kernels."""
        x: Any = step.inputs[0]
        if is_only(step, "matmul") and is_only(x, "transpose", "swap") and x.ndim == 2:
            return outer_sum(self.reading(x.inputs[0]), self.reading(step.inputs[1]))
        if is_only(step, "matmul") and step.ndim == 2:
            return np.dot(*map(self.reading, step.inputs))
        if is_only(step, "sub") and x not in self.lines.names and (places := self.places_of_ones(step.inputs[1])):
            return less_one(self.reading(x), self.setting(places))
        if is_only(step, "softmax") and step.settings["axis"] in (-1, step.ndim - 1) and self.is_fresh(x):
            return softmax_rows(self.reading(x))
        if (softened := self.behind_shares(step)) is not None:
            return softmax_rows_backward(*map(self.reading, softened))
        if is_only(step, "sum_to") and step.ndim == 1 and x.ndim > 1:
            return column_sums(self.reading(x))
        return super().text(step)

    def behind_shares(self, step: Step) -> tuple[Step, Step] | None:
        """The g and softmax s of (g − Σ g·s)·s, which a kernel computes in the place of g; None of anything else."""
        away: Any = step.inputs[0]
        if not is_only(step, "mul") or not is_only(away, "sub") or away in self.lines.names:
            return None
        s, (g, total) = step.inputs[1], away.inputs
        if not is_only(s, "softmax") or not is_only(total, "sum") or total in self.lines.names:
            return None
        along = (s.settings["axis"] % s.ndim, total.settings["axis"] % s.ndim, total.settings["keepdims"])
        product: Any = total.inputs[0]
        if along != (s.ndim - 1, s.ndim - 1, True) or not is_only(product, "mul") or set(product.inputs) != {g, s}:
            return None
        users = {x for x in self.trace.program.steps if g in x.needs}
        return (g, s) if g.op is not None and users == {away, product} else None

    def is_fresh(self, x: Any) -> bool:
        """Whether what computes a step stands inside a line, and leaves an array that is nobody else's."""
        return x not in self.lines.names and (isinstance(x.op, Pointwise) or is_only(x, "matmul"))

    def places_of_ones(self, x: Any) -> Any:
        """Where ones stand in an array of zeros, one in each row; None of any other array."""
        if not is_only(x, "scatter") or not is_only(x.inputs[0], "broadcast_to"):
            return None
        key, one = x.settings["key"], x.inputs[0].inputs[0]
        if not is_constant(one) or self.trace.numbers[one] != 1 or type(key) is not tuple or len(key) != 2:
            return None
        rows, places = [replaced(part, lambda y: self.trace.numbers[y]) for part in key]
        if x.ndim != 2 or np.ndim(places) != 1 or not np.array_equal(rows, np.arange(x.shape[0])):
            return None
        return rows, self.reading(key[1])


class PartialPrinter(RulePrinter):
    """Writes a local derivative in operations of the book, so that it runs on nodes of every kind."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.called: set[tuple[str, str]] = set()

    def calls(self) -> set[tuple[str, str]]:
        return self.called

    def text(self, step: Step) -> Any:
        """An operator, or the call of an operation by its name."""
        rule = step.op
        assert rule is not None
        if rule.name in WITH_SIGNS:
            return by_rule(rule, [self.reading(x) for x in step.inputs], {})
        self.called.add((rule.__module__, rule.name))
        inside = [written(self.reading(x)) for x in step.inputs]
        inside += [f"{name}={written(setting)}" for name, setting in step.settings.items()]
        return Source(f"{rule.name}({', '.join(inside)})", self.trace.numbers[step])

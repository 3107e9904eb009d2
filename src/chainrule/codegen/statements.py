"""Which steps of a program stand on a line of their own, what they are called there, and what the line means.

A step that is used once and has no name goes into the line that uses it. Names are the user's; a gradient is called
after what it is the gradient of. All of this is the same for every language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import numpy as np

from chainrule.codegen.identifiers import Names, as_read, told_apart
from chainrule.codegen.simplified import reached
from chainrule.codegen.source import subscript
from chainrule.core.operation import Pointwise, book
from chainrule.core.tree import unflatten
from chainrule.errors import UNFIT
from chainrule.maths import Derivative, Symbol, unicode
from chainrule.maths.names import symbols_for
from chainrule.maths.tree import Applied, applied, equation
from chainrule.program import Kind, Program, Step, Trace
from chainrule.program.steps import replaced, steps_in
from chainrule.program.trace import paths as names_of_leaves

VIEWS = frozenset({"transpose", "swap", "reshape", "broadcast_to", "expand_dims", "identity", "squeeze"})
"""Operations that cost nothing: they are written wherever they are used."""

MOST_ON_A_LINE = 6
"""Expressions of more operations are parted."""

SHORT = 12
"""Arrays of constants of more entries have a name."""

LONGEST = 100
"""A formula in a comment that is longer is left out."""


class Statements(NamedTuple):
    """The lines of a program: the steps that stand alone, and their names; the rest is written where it is used.

    `forward` and `backward` are in order. `names` are of leaves and lines alike. `alone` has every step with a name.
    """

    trace: Trace
    arguments: list[Step]
    forward: list[Step]
    backward: list[Step]
    names: dict[Step, str]
    formulas: dict[Step, str]
    tables: dict[Step, str]
    """Constant arrays that have a name of their own."""

    def after_forward(self) -> dict[str, list[Step]]:
        """The lines of the backward pass, and those of an update: what new numbers are made of, once gradients are."""
        trace = self.trace
        shapes = {x.shape for x in trace.gradient_of.values() if x.op is None}
        slopes = reached([x for x in trace.gradient_of if x in trace.backward])
        update = [step for step in self.backward if step not in slopes]
        new = [x for x in trace.outputs if isinstance(x, Step) and x in {*update}]
        if not any([x.shape in shapes for x in new]):
            return {"backward": self.backward}
        return {"backward": [step for step in self.backward if step in slopes], "update": update}

    @property
    def alone(self) -> Collection[Step]:
        """The steps that have a name."""
        return self.names.keys()


def is_cheap(step: Step) -> bool:
    """Whether a step costs NumPy nothing, so that it is written wherever it is used."""
    return step.operation in VIEWS


def not_apart(step: Step) -> bool:
    """No step stands alone for the sake of the language."""
    return False


def with_gradients_apart(trace: Trace) -> Trace:
    """The same program, where every gradient that is given back has a line and a name: some are equal, or an argument.

    One that is also the gradient of a named result, or of the argument before, is that again: ``db = dz``. That in what
    nothing depends on is 0.
    """
    numbers, of, backward = dict(trace.numbers), dict(trace.gradient_of), set(trace.backward)
    outputs, again, already = list(trace.outputs), list[Step](), dict(trace.already)

    def one_more(x: Any, number: Any, op: str = "identity", **settings: Any) -> Step:
        step = Step(
            Kind.RESULT, np.shape(number), np.asarray(number).dtype, op=book[op], inputs=(x,), settings=settings
        )
        numbers[step] = number
        again.append(step)
        return step

    taken = {x for x in trace.program.steps if x not in trace.backward}
    named = trace.names.keys() - {*trace.gradients}
    for k, (x, argument) in enumerate(zip(trace.outputs, trace.gradients, strict=False)):
        if argument is None:
            continue
        if not isinstance(x, Step) and np.ndim(x):
            few = np.ravel(x)[0] if np.size(x) and (x == np.ravel(x)[0]).all() else x
            leaf = Step(Kind.FROZEN, np.shape(few), few.dtype)
            numbers[leaf] = few
            again.append(leaf)
            x = one_more(leaf, x) if few is x else one_more(leaf, x, "broadcast_to", shape=np.shape(x))
        elif not isinstance(x, Step):
            x = one_more(x, x)
        elif x in taken or of.get(x) in named:
            before = already.get(x)
            x = one_more(x, numbers[x])
            already |= {} if before is None else {x: before}
        outputs[k], of[x] = x, argument
        taken.add(x)
        backward.add(x)
    program = Program([*trace.program.steps, *again], [x for x in outputs if isinstance(x, Step)])
    known = {"numbers": numbers, "gradient_of": of, "backward": frozenset(backward), "already": already}
    return trace._replace(program=program, outputs=tuple(outputs), **known)


def statements_of(
    trace: Trace,
    taken: Iterable[str] = (),
    apart: Callable[[Step], bool] = not_apart,
    free: Callable[[Step], bool] = is_cheap,
) -> Statements:
    """The lines of a program; `taken` are names that the language, or what is written around, needs itself.

    `apart` says which steps stand on a line whoever uses them, `free` which are written wherever they are used.
    """
    program = trace.program
    uses: dict[Step, list[Step]] = {step: [] for step in program.steps}
    for step in program.steps:
        for x in step.needs:
            uses[x].append(step)
    made = [step for step in program.steps if step.op is not None]
    alone = standing_alone(trace, uses, apart, free)
    arguments = list(dict.fromkeys([x for x in (*trace.given, *trace.held) if x is not None]))
    wanted = needed_forward(trace)
    forward = [step for step in made if step in alone and step not in trace.backward and step in wanted]
    backward = [step for step in made if step in alone and step not in forward]
    names = Names(taken)
    table = dict(zip(arguments, names.leaves([trace.names.get(step, "x") for step in arguments]), strict=True))
    results_by_key = keyed_results(trace)
    top = scalar_result(trace)
    results = {x for x in trace.outputs if isinstance(x, Step)}
    given = {*table.values()}
    new = {x: f"new_{name}" for x, name in trace.names.items() if x in results and as_read(name) in given}
    for step in forward:
        other = "value" if step is top else "out" if step in results else ""
        name = new.get(step) or trace.names.get(step) or results_by_key.get(step) or other
        table[step] = names.new(name) if name else names.numbered("t")
    called = set[Step]()
    for step in backward:
        name = new.get(step) or gradient_name(step, trace, uses, table) or results_by_key.get(step)
        table[step] = names.new(name) if name else names.numbered("g")
        if name and step in trace.gradient_of:
            called.add(step)
    constants = [step for step in program.steps if stands_apart(step, trace)]
    called_so = names.leaves([trace.names.get(step, "numbers") for step in constants])
    tables = dict(zip(constants, called_so, strict=True))
    return Statements(
        trace, arguments, forward, backward, table, formulas(trace, {**table, **tables}, alone, called), tables
    )


def stands_apart(step: Step, trace: Trace) -> bool:
    """Whether a step is an array of constants that nobody would write into a line: a long one, or one with a name."""
    short = 1 if step in trace.names else SHORT
    if step.kind is not Kind.FROZEN or step.size <= short or step not in trace.numbers:
        return False
    return usual(trace.numbers[step]) == ""


def usual(numbers: Any) -> str:
    """What NumPy calls an array: ``eye`` or ``arange``, or nothing."""
    if np.ndim(numbers) == 2 and np.array_equal(numbers, np.eye(len(numbers))):
        return "eye"
    is_range = np.ndim(numbers) == 1 and np.asarray(numbers).dtype.kind == "i"
    return "arange" if is_range and len(numbers) > 1 and np.array_equal(numbers, np.arange(len(numbers))) else ""


def needed_forward(trace: Trace) -> set[Step]:
    """What the results that are no gradients need, and everything that the user named."""
    results = [x for x in trace.outputs if isinstance(x, Step) and x not in trace.backward]
    own = [step for step in trace.program.steps if step in trace.names and step not in trace.backward]
    return set(reached([*results, *own]))


def standing_alone(
    trace: Trace, uses: dict[Step, list[Step]], apart: Callable[[Step], bool], free: Callable[[Step], bool]
) -> set[Step]:
    """The steps that get a line."""
    outputs = {x for x in trace.outputs if isinstance(x, Step)}
    forward = needed_forward(trace)
    alone: set[Step] = set()
    inside: dict[Step, int] = {}
    works: dict[Step, bool] = {}
    """Whether what is written for a step computes something, and does not only turn what has a name."""
    for step in trace.program.steps:
        if step.op is None:
            continue
        inside[step] = 1 + sum([inside.get(x, 0) for x in step.needs])
        once = len(uses[step]) == 1
        across = once and (step in forward) != (uses[step][0] in forward)
        view = free(step)
        called = step in trace.names or trace.gradient_of.get(step) in trace.names
        works[step] = not view or any([works.get(x, False) for x in step.needs])
        large = inside[step] > (MOST_ON_A_LINE if once else 2)
        again = not once and works[step]
        if step in outputs or called or apart(step) or again or large or (across and not view):
            alone.add(step)
            inside[step], works[step] = 0, False
    return alone


def gradient_name(step: Step, trace: Trace, uses: dict[Step, list[Step]], names: dict[Step, str]) -> str:
    """What a gradient is called: after what it is the gradient of, or after the named result that this leads to."""
    of = trace.gradient_of.get(step)
    if of is None:
        return trace.names.get(step, "")
    if of in names:
        by = [*trace.already.get(step, ()), of]
        return derivative_name(by, names) if names.keys() >= {*by} else ""
    later = next((names[x] for x in uses.get(of, ()) if x in names and x in trace.names), "")
    return f"d{later}_in" if later else ""


def derivative_name(by: list[Step], names: dict[Step, str]) -> str:
    """``dx``, ``d2x`` for the second derivative in x, ``ddx_dy`` for that of ``dx`` in y."""
    first = by[0]
    same = next((k for k, x in enumerate(by) if x is not first), len(by))
    name = f"d{same if same > 1 else ''}{names[first]}"
    return "_".join([f"d{name}" if same < len(by) else name, *[f"d{names[x]}" for x in by[same:]]])


def keyed_results(trace: Trace) -> dict[Step, str]:
    """Names for results that the function gives under a key, as new ones of what is called so."""
    paths = names_of_leaves("", unflatten(trace.structure, trace.outputs))
    keyed = [(path, x) for path, x in zip(paths, trace.outputs, strict=True) if re.search(r"[^\W\d]", path)]
    words = told_apart([path for path, _ in keyed])
    return {x: f"new_{found[0]}" for (_, x), found in zip(keyed, words, strict=True) if is_step(x)}


def is_step(x: Any) -> bool:
    return isinstance(x, Step)


def scalar_result(trace: Trace) -> Step | None:
    """The one number that the function gives first, which is the loss where one was differentiated."""
    numbers = [x for x in trace.outputs if isinstance(x, Step) and not x.shape and x not in trace.backward]
    return next((x for x in numbers if not trace.losses or x in trace.losses), None)


def formulas(
    trace: Trace, names: dict[Step, str], alone: Collection[Step], called: Collection[Step]
) -> dict[Step, str]:
    """For each line its mathematics: ``∂L/∂z = (p − y) / 5``. Gradients that are `called` after something are words."""
    shapes = {names[step]: step.shape for step in names if step not in called}
    symbols = symbols_for(shapes)
    symbols |= {name: Symbol(name, name=name, shape=shapes[name]) for name in shapes if name.startswith("new_")}
    top = scalar_result(trace)
    loss = symbols[names[top]] if top is not None and top in names else Symbol("L")
    loss = loss if len(trace.losses) < 2 else None  # a derivative of a derivative, or of one thing of several
    found: dict[Step, Any] = {}
    written: dict[Step, str] = {}
    lines = Counter([trace.gradient_of.get(step) for step in names])
    for step in trace.program.steps:
        only = lines[trace.gradient_of.get(step)] == 1
        symbol = letter(step, trace, names, symbols, loss if only else None)
        try:
            tree = tree_of_step(step, trace, found)
        except UNFIT:
            tree = None
        found[step] = symbol if symbol is not None else tree
        if step in alone and tree is not None and symbol is not None:
            text = unicode(equation(symbol, tree))
            if len(text) <= LONGEST:
                written[step] = text
    return written


def letter(step: Step, trace: Trace, names: dict[Step, str], symbols: dict[str, Symbol], loss: Symbol | None) -> Any:
    """What stands for a step in formulas: its symbol, or the derivative of the loss that it is."""
    if step not in names:
        return None
    of = trace.gradient_of.get(step)
    if loss is not None and step in trace.backward and of is not None and of in names and names[of] in symbols:
        return Derivative(loss, symbols[names[of]], shape=step.shape)
    return symbols.get(names[step], Symbol(names[step], shape=step.shape))


def tree_of_step(step: Step, trace: Trace, found: dict[Step, Any]) -> Any:
    """A step as a formula of what its line is made of; pointwise operations repeat their inputs by themselves."""
    if step.op is None:
        if step.kind is Kind.FROZEN and step in trace.numbers:
            number = trace.numbers[step]
            if usual(number) == "eye":
                return Symbol("I", shape=step.shape)
            return float(number) if not step.shape else None
        return None
    inputs = replaced(list(step.inputs), found.__getitem__)
    if any([x is None for x in inputs]):
        return None
    if isinstance(step.op, Pointwise):
        inputs = [x.inputs[0] if isinstance(x, Applied) and x.name == "broadcast_to" else x for x in inputs]
    if step.op.name == "index" and steps_in(step.settings):
        return looked_up(step, inputs[0], trace, found)
    return applied(step.op, *inputs, **replaced(step.settings, found.__getitem__))


def looked_up(step: Step, x: Any, trace: Trace, found: dict[Step, Any]) -> Any:
    """Entries at places that are data: the rows of the identity are one-hot. None where an index cannot be said."""
    key = step.settings["key"]
    if isinstance(key, Step) and unicode(x) == "I":
        return Symbol(f"onehot({unicode(found[key])})", shape=step.shape)
    places = [place_in_words(part, trace, found) for part in (key if isinstance(key, tuple) else (key,))]
    text = unicode(x) if isinstance(x, Symbol) else f"({unicode(x)})"
    return Symbol(f"{text}[{', '.join(places)}]", shape=step.shape) if all(places) else None


def place_in_words(part: Any, trace: Trace, found: dict[Step, Any]) -> str:
    """One part of an index: data by its name, all places in their order as i; nothing where it has no short word."""
    if isinstance(part, Step) and part.kind is not Kind.FROZEN:
        return unicode(found[part])
    numbers = trace.numbers[part] if isinstance(part, Step) else part
    if not isinstance(numbers, np.ndarray | np.integer):
        return subscript(numbers)
    if np.array_equal(np.ravel(numbers), np.arange(np.size(numbers))) and np.size(numbers) > 1:
        return "i"
    return str(np.ravel(numbers)[0]) if np.size(numbers) == 1 else ""

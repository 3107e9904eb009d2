"""The program of a function: run once on traced arguments, whatever it does with them is a step.

`lift` reads what the engine recorded of one run, where comparisons, places and data are numbers by then; here they are
steps too, so the program holds for other arguments of the same shapes and types.
"""

# What settings and functions hold is known only when they run, and isinstance narrows it to containers of unknown
# things.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from types import CodeType
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.graph import Node
from chainrule.core.labels import DEPTH, find_labels, parts
from chainrule.core.operation import NUMBERS, book, refuse_masked
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.state import Transforming
from chainrule.core.traced import Recording, Traced
from chainrule.core.tree import DICTS, flatten, unflatten
from chainrule.errors import DtypeError, GraphError
from chainrule.kinds import what_is
from chainrule.named import NamedTuple
from chainrule.program.steps import Kind, Program, Step, replaced

ARRAYS = (float, np.floating, np.ndarray)
REAL = "fbiu"
"""Kinds of arrays whose entries are real numbers."""


class Trace(NamedTuple):
    """A function as a program: its steps, and what the run knew beside them.

    `given` are the leaves of the arguments in their order, None where an argument is a setting that stays as it is.
    `held` are the arrays and Tensors from outside by their leaf, `names` what the user calls steps, `numbers` those of
    the example, `gradient_of` the step whose gradient a step is, and `backward` the steps of backward passes. `outputs`
    are steps, and constants as they are, in the structure `structure`; `gradients` has for each of them the argument
    whose gradient it is, or None. `losses` are the steps that a transform differentiated. `already` has for derivatives
    of a derivative the steps by which that had been differentiated before.
    """

    program: Program
    given: tuple[Step | None, ...]
    held: dict[Step, Any]
    names: dict[Step, str]
    numbers: dict[Step, Any]
    gradient_of: dict[Step, Step]
    backward: frozenset[Step]
    outputs: tuple[Any, ...]
    structure: Any
    gradients: tuple[Step | None, ...]
    losses: frozenset[Step]
    already: dict[Step, tuple[Step, ...]]

    def made_anew(self, made: Mapping[Step, Step], order: Sequence[Step], numbers: dict[Step, Any]) -> Trace:
        """The same function by other steps, in that order: each step of the program has one of them in its place.

        What was known of steps that are in no program any more is left out.
        """
        return self._replace(
            program=Program(order, [made[x] for x in self.program.outputs]),
            names={made[x]: name for x, name in self.names.items() if x in made},
            numbers=numbers,
            gradient_of={made[x]: made[of] for x, of in self.gradient_of.items() if x in made and of in made},
            backward=frozenset([made[x] for x in self.backward if x in made]),
            outputs=tuple([made[x] if isinstance(x, Step) else x for x in self.outputs]),
            gradients=tuple([None if of is None else made.get(of) for of in self.gradients]),
            losses=frozenset([made.get(x, x) for x in self.losses]),
            already=made_of(self.already, made),
        )


def made_of(already: dict[Step, tuple[Step, ...]], made: Mapping[Step, Step]) -> dict[Step, tuple[Step, ...]]:
    """Which derivatives are taken of a derivative, where other steps stand in their places."""
    return {made[x]: tuple([made.get(y, y) for y in before]) for x, before in already.items() if x in made}


def trace(f: Callable[..., Any], *args: Any, **settings: Any) -> Trace:
    """The program by which f computes its results from arguments of these shapes and types.

    Floats and arrays in the arguments, in nested lists, tuples and dicts too, are leaves; whole numbers, truth values,
    words and everything else are settings of the program. What transforms give is a function like any other. Raises
    GraphError where a branch depends on the data, or a number leaves the program. Costs one run of f on the example.

    >>> import chainrule as cr, numpy as np
    >>> from chainrule.program.trace import trace
    >>> traced = trace(cr.grad(lambda x: cr.sum(x * x)), np.ones(3))
    >>> traced.names[traced.given[0]], traced.outputs[0].shape
    ('x', (3,))
    """
    return traced(f, args, settings, named=True)


def traced_again(f: Callable[..., Any], *args: Any, **settings: Any) -> Trace:
    """The same without the names of its steps, in half the time."""
    return traced(f, args, settings, named=False)


def traced(f: Callable[..., Any], args: Any, settings: dict[str, Any], *, named: bool) -> Trace:
    """One run of f on traced arguments."""
    leaves, structure = flatten((args, settings))
    names = names_of_arguments(f, args, settings)
    with Recording(named) as recording, Transforming():
        given = [leaf_of(x, name) for x, name in zip(leaves, names, strict=True)]
        stand_ins = [x if node is None else node for x, node in zip(leaves, given, strict=True)]
        arguments, keywords = unflatten(structure, stand_ins)
        outputs, out_structure = flatten(f(*arguments, **keywords))
    held = [(source, node) for source, node in recording.held.values() if node.op is None]
    labels = labels_around(f, [source for source, _ in held])
    for source, node in held:
        node.label = node.label or labels.get(id(source), "")
    known = [(source, node) for source, node in held if isinstance(source, Node) or node.label]
    return as_trace(recording, given, known, outputs, out_structure)


def labels_around(f: Any, sources: Sequence[Any]) -> dict[int, str]:
    """The names by which a function, or the functions that it wraps, hold arrays and Tensors from outside."""
    wanted = {id(x) for x in sources}
    found: dict[int, str] = {}
    functions: list[Any] = [f]
    seen: set[int] = set()
    while functions and wanted:
        function = functions.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        level = variables_of(function)
        functions += [held for _, held in level if callable(held)]
        for _ in range(DEPTH):
            for name, held in level:
                if id(held) in wanted:
                    found.setdefault(id(held), name)
            level = [pair for name, held in level for pair in parts(name, held)]
    return {**find_labels(sources), **found}


def variables_of(function: Any) -> list[tuple[str, Any]]:
    """What a function reads from around it, by name; of another thing that can be called, what it holds."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return [] if isinstance(function, type) else list(parts("net", function)) or of_module(function)
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    globals_used = [(name, function.__globals__[name]) for name in code.co_names if name in function.__globals__]
    return [*[(name, held) for name, cell in cells for held in contents(cell)], *globals_used]


def contents(cell: Any) -> list[Any]:
    """What a variable around a function holds; nothing where it was not set yet, or deleted."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def of_module(function: Any) -> list[tuple[str, Any]]:
    return list(getattr(function, "__dict__", {}).items())


def is_data(x: Any) -> bool:
    """Whether an argument is data of a program, and no setting of it."""
    if isinstance(x, np.ndarray | np.generic) and x.dtype.kind not in REAL:
        return isinstance(x, np.ndarray)
    return isinstance(x, (*ARRAYS, np.integer, Node, Value))


def leaf_of(x: Any, name: str) -> Traced | None:
    """A traced leaf for an argument that is data; None for a setting."""
    if not is_data(x):
        return None
    x = x.data if isinstance(x, Node | Value) else x
    refuse_masked(x, name)
    if isinstance(x, np.ndarray) and x.dtype.kind not in REAL:
        raise DtypeError(
            f"a program computes with real numbers, and {name} is an array of {x.dtype}: give numbers that stand for "
            "its entries, or a tuple, which is a setting"
        )
    return Traced(None, (), NO_SETTINGS, float(x) if type(x) is float else np.array(x)[()], name)


def names_of_arguments(f: Callable[..., Any], args: Sequence[Any], settings: Mapping[str, Any]) -> list[str]:
    """A name for every leaf of the arguments: a parameter's, and the way to it in a container."""
    try:
        parameters = list(signature(getattr(f, "forward", f)).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for i, x in enumerate(args):
        if i < len(parameters) and parameters[i].kind is not Parameter.VAR_POSITIONAL:
            names += paths(parameters[i].name, x)
        else:
            star = next((p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL), "x")
            names += paths(f"{star}[{i}]", x)
    return names + [name for key, x in settings.items() for name in paths(key, x)]


def paths(name: str, x: Any) -> list[str]:
    """The names of all leaves of a container, as a program would write them."""
    if type(x) in DICTS:
        return [path for key, part in x.items() for path in paths(f"{name}[{key!r}]", part)]
    if isinstance(x, list | tuple):
        return [path for i, part in enumerate(x) for path in paths(f"{name}[{i}]", part)]
    return [] if x is None else [name]


def as_trace(
    recording: Recording, given: Sequence[Any], held: Sequence[Any], outputs: Sequence[Any], structure: Any
) -> Trace:
    """What a recording holds, as data without live nodes."""
    arrays_of_numbers(recording, given)
    step: dict[Traced, Step] = {}
    constants: dict[Step, Any] = {}
    for node in given:
        if node is not None:
            step[node] = Step(Kind.PARAMETER if node.requires_grad else Kind.DATA, node.shape, node.dtype)
    outside = {node: Kind.PARAMETER if isinstance(source, Node) else Kind.DATA for source, node in held}
    for node in recording.steps:
        if node.op is None:
            step[node] = Step(outside.get(node, Kind.FROZEN), node.shape, node.dtype)
    for node in recording.steps:
        if node.op is not None:
            inputs, settings = [replaced(x, lambda x: step[x.step], Traced) for x in (node.inputs, node.settings)]
            step[node] = Step(Kind.RESULT, node.shape, node.dtype, op=node.op, inputs=inputs, settings=settings)
    for source, node in held:
        constants[step[node]] = source
    results = [step[x.step] if isinstance(x, Traced) else as_constant(x) for x in outputs]
    every = list(step.items())
    return Trace(
        Program(list(step.values()), [x for x in results if isinstance(x, Step)]),
        tuple([None if x is None else step[x] for x in given]),
        constants,
        {now: node.label for node, now in every if node.label},
        {now: node.number for node, now in every},
        {now: step[min(map(without_aliases, node.of), key=lambda x: not x.label)] for node, now in every if node.of},
        frozenset([now for node, now in every if node.backward]),
        tuple(results),
        structure,
        tuple([None if of is None else step.get(without_aliases(of)) for of in map(recording.target_of, outputs)]),
        frozenset([step[x] for node in recording.steps if node.op is None and node.backward for x in node.of[:1]]),
        {step[x]: tuple([step[y] for y in before]) for x, before in of_derivatives(recording).items()},
    )


def of_derivatives(recording: Recording) -> dict[Traced, tuple[Traced, ...]]:
    """For each derivative of a derivative by what that had been differentiated before, the first first.

    A derivative is taken of what the last seed stands at that it depends on: backward passes that a later one goes
    through are older.
    """
    before: list[tuple[Traced, ...]] = []
    last: dict[Traced, int] = {}
    found: dict[Traced, tuple[Traced, ...]] = {}
    for node in recording.steps:
        if not node.backward:
            continue
        loss = node.of[0] if node.op is None and node.of else None
        if loss is not None:
            last[node] = len(before)
            ones = list(map(without_aliases, loss.of)) if loss.backward and not loss.shape else []
            of = min(ones, key=lambda x: x.op is not None, default=None)  # an argument rather than what equals it
            before.append(() if of is None else (*found.get(loss, ()), of))
            continue
        last[node] = max([last.get(x.step, -1) for x in node.inputs if isinstance(x, Traced)], default=-1)
        if node.of and last[node] >= 0 and before[last[node]]:
            found[node] = before[last[node]]
    return found


def without_aliases(x: Traced) -> Traced:
    """What a transform's stand-in stands for."""
    while x.op is book["identity"] and isinstance(x.inputs[0], Traced):
        x = x.inputs[0].step
    return x


def arrays_of_numbers(recording: Recording, given: Sequence[Any]) -> None:
    """Python numbers among the arguments that are only differentiated in are arrays, as they are for the engine."""
    met = {x for node in recording.steps if node.op is not book["identity"] for x in node.inputs if type(x) is Traced}
    for node in given:
        if node is not None and type(node.number) is float and node not in met:
            node.number = np.float64(node.number)


def as_constant(x: Any) -> Any:
    """A result that does not depend on any argument, as a plain number or array."""
    if isinstance(x, Node | Value):
        x = x.data
    if isinstance(x, (*NUMBERS, np.ndarray)):
        return x
    raise GraphError(f"the function gave {what_is(x)}: a program gives numbers, arrays and Tensors")

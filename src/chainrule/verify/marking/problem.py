"""What was to be differentiated, as one program with its names, and generic numbers on which answers are tried."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.labels import find_labels
from chainrule.core.operation import book
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.core.term import Term, symbol
from chainrule.errors import ChainruleError, FormulaError, GraphError
from chainrule.expression.arguments import shapes_of
from chainrule.expression.typed.assignments import Assignments, read_assignments
from chainrule.expression.typed.parsed import CONSTANTS
from chainrule.kinds import what_is
from chainrule.maths import Tree, plain
from chainrule.program import Kind, Program, Step, lift, run, term_of
from chainrule.verify.marking.whole import operation_for
from chainrule.verify.spelling import with_signs

PROBES = 5
"""Points at which answers are compared: one could agree by chance, where a unit is off or a product is 1."""

PROBES_OF_SWITCHES = 15
"""The same where an operation takes one of several branches: a mistake may show in the rarer one alone."""

SIZES = ("m", "n", "N", "B", "batch", "batch_size")
"""Names for a number of examples that an answer need not spell."""

LOGARITHMS = ("log", "logsumexp", "log_softmax", "log_sigmoid")
"""Operations whose results a cross-entropy weighs with labels."""

MOST_WRITTEN = 200
"""Steps of a recorded program that are written out; of a larger one the operations are named."""

LONGEST_TEXT = 80
"""Characters of a step that is written out."""

WHOLE = frozenset({"maximum", "where", "gelu", "gelu_tanh"})
"""Operations that are an activation where they stand alone, or one that has another form."""

BENDS = WHOLE | {"exp", "expm1", "tanh", "erf", "greater", "greater_equal", "less", "less_equal"}
"""Operations of which one is in every activation that is written out."""

TRIES = 60
"""Draws of numbers, until every step is finite and every unit that switches is on at some probes and off at others."""


class Problem:
    """A program with the learner's own names: leaves, computed lines, and the result that is differentiated.

    `text` has for each step how it was written, and `line` the assignment in which it stands.
    """

    def __init__(
        self,
        program: Program,
        named: Mapping[str, Step],
        text: Mapping[Step, str],
        line: Mapping[Step, str],
        recorded: Mapping[Step, Any] | None = None,
        step_of: Mapping[Any, Step] | None = None,
    ) -> None:
        self.source: tuple[str, dict[str, tuple[int, ...]]] | None = None
        """The text and the shapes that a typed problem was read from."""
        self.recorded = dict(recorded or {})
        """The numbers of a recorded problem."""
        self.given: dict[str, Any] = {}
        """The numbers that were given beside it."""
        self.step_of = dict(step_of or {})
        """The step of each recorded node."""
        self.program = program
        self.named = dict(named)
        self.names = {step: name for name, step in reversed(self.named.items())}
        self.text = dict(text)
        self.line = dict(line)
        self.output = program.output
        self.leaves = {self.names[step]: step for step in program.leaves if step in self.names}

    def weighs_a_logarithm(self, label: Step) -> bool:
        """Whether a step, or 1 minus it, is multiplied with a logarithm, as labels are in a cross-entropy.

        A difference with a logarithm is weighed too.
        """
        for step, slot in self.consumers(label):
            if step.operation in ("neg", "sub") and len(step.edges) == 1:
                if self.weighs_a_logarithm(step):
                    return True
            if step.operation == "mul":
                other = step.inputs[1 - slot]
                near = [other, *[x for x in getattr(other, "inputs", ()) if isinstance(x, Step)]]
                if any(isinstance(x, Step) and x.operation in LOGARITHMS for x in near):
                    return True
        return False

    def is_sign_of_a_margin(self, label: Step) -> bool:
        """Whether a step multiplies a prediction, and nothing else comes in on the way to the loss, as y in e^(−y z).

        Such a label is 1 or −1. A weight is no such thing: behind its product a target still comes in.
        """
        uses = self.consumers(label)
        while len(uses) == 1 and uses[0][0].operation == "neg":
            uses = self.consumers(uses[0][0])
        if len(uses) != 1 or uses[0][0].operation != "mul":
            return False
        step, slot = uses[0]
        above = self.program.between([step])
        outside = [x for s in above if s is not step for x in s.inputs if isinstance(x, Step) and x not in above]
        prediction = step.inputs[1 - slot]
        is_computed = isinstance(prediction, Step) and prediction.op is not None
        return is_computed and self.is_inside(step) and set(outside) <= self.counts

    def is_a_number(self, above: Step, below: Step) -> bool:
        """Whether the derivative of one step in another is a number at any values, as the ½ in front of a square."""
        links = [s for s in self.program.between([below], [above]) if s is not below]
        return all(
            s.operation in ("add", "sub", "neg", "sum", "mean")
            or (s.operation == "mul" and not all(isinstance(x, Step) for x in s.inputs))
            or (s.operation == "div" and not isinstance(s.inputs[1], Step))
            for s in links
        )

    @cached_property
    def is_scalar(self) -> bool:
        return not any(step.shape for step in self.program.steps)

    @cached_property
    def lengths(self) -> list[int]:
        """The lengths of axes, but for 1."""
        return sorted({n for step in self.program.steps for n in step.shape if n > 1})

    @cached_property
    def counts(self) -> set[Step]:
        """Single numbers that say how many examples there are, by their names, or as they were given."""
        # A 2 is more often a square's than a length.
        lengths = {n for n in self.lengths if n > 2}
        named = {name for name in SIZES if self.is_divisor(name)}
        given = {name for name, x in self.given.items() if np.ndim(x) == 0 and x in lengths and self.is_divisor(name)}
        leaves = {self.leaves[name] for name in named | given}
        return leaves | {step for leaf in leaves for step, _ in self.consumers(leaf) if is_multiple(step)}

    def is_divisor(self, name: str) -> bool:
        """Whether a name is a single number that does nothing but divide others, itself or doubled."""
        leaf = self.leaves.get(name)
        uses = list(() if leaf is None or leaf.shape else self.consumers(leaf))
        doubled = [step for step, _ in uses if is_multiple(step)]
        uses = [use for use in uses if use[0] not in doubled] + [
            use for step in doubled for use in self.consumers(step)
        ]
        return bool(uses) and all(step.operation == "div" and slot == 1 for step, slot in uses)

    def is_inside(self, step: Step) -> bool:
        """Whether a step is inside a function that bends it, as 3x is in exp(3x)."""
        inside = {*self.program.between([step])}
        return any(bends(s, slot) for s in inside - {step} for slot, x in s.edges if x in inside)

    @cached_property
    def has_several_ways(self) -> bool:
        """Whether some value is used several times, so that one of its ways can be left out."""
        return any(len(self.consumers(step)) > 1 for step in self.program.steps)

    @cached_property
    def literals(self) -> set[float]:
        """The numbers that stand in the problem itself, without their signs."""
        return {abs(float(x)) for step in self.program.steps for x in step.inputs if isinstance(x, int | float)}

    @cached_property
    def may_be_read_otherwise(self) -> bool:
        """Whether a typed problem may have an activation written out, or one that has two forms."""
        bends = [step for step in self.program.steps if step.operation in BENDS]
        # A tanh that is a line of its own is one step already.
        return self.source is not None and any(s.operation != "tanh" or s not in self.names for s in bends)

    def name(self, step: Step) -> str:
        """What the learner calls a step, or how it was written."""
        return self.names.get(step) or self.text.get(step) or step.operation or "a number"

    def where(self, step: Step) -> str:
        """The line in which a step is computed, or its name."""
        return self.line.get(step) or self.name(step)

    @cached_property
    def labels(self) -> dict[Step, int]:
        """Leaves that are multiplied with the logarithm of a softmax: shares that add up to 1, along that axis."""
        found: dict[Step, int] = {}
        for step in self.program.steps:
            if step.operation != "mul" or len(step.inputs) != 2:
                continue
            for leaf, other in (step.inputs, step.inputs[::-1]):
                if isinstance(leaf, Step) and leaf.op is None and leaf.ndim and isinstance(other, Step):
                    axis = axis_of_log_softmax(other)
                    if axis is not None and np.ndim(axis) == 0:
                        found[leaf] = axis
        return found

    def at(self, leaves: Mapping[Step, Any]) -> Numbers:
        """What every step comes to at some numbers of the leaves."""
        return dict(zip(self.program.steps, run(self.program, leaves), strict=True))

    def refuse_others(self, names: Sequence[str]) -> None:
        """Raise GraphError for a name that it has not."""
        for name in names:
            if name not in self.named:
                raise GraphError(f"the problem has no {name}: its names are {', '.join(self.named)}")

    def consumers(self, step: Step) -> tuple[tuple[Step, int], ...]:
        """The steps that take a step in, and in which slot."""
        return self.program.consumers[step.place]


def is_multiple(step: Step) -> bool:
    """Whether a step is a number times something, as 2m is."""
    return step.operation == "mul" and any(not isinstance(x, Step) for x in step.inputs)


def bends(step: Step, slot: int) -> bool:
    """Whether the slope in one input reads that input, or the result: no factor passes through."""
    assert step.op is not None
    of_result, read = step.op.reads(slot, len(step.inputs))
    return of_result or slot in read


def axis_of_log_softmax(step: Step) -> int | None:
    """The axis of a softmax whose logarithm a step is, in one call or two; None where it is none."""
    if step.operation == "log" and isinstance(step.inputs[0], Step):
        step = step.inputs[0]
        return step.settings.get("axis", -1) if step.operation == "softmax" else None
    return step.settings.get("axis", -1) if step.operation == "log_softmax" else None


def read_problem(
    problem: Any, shapes: Mapping[str, Any] | None = None, values: Mapping[str, Any] | None = None
) -> Problem:
    """A problem in any of its forms: typed assignments, a recorded result, or a function that is traced.

    Of a text or a function each name needs a shape, or a value that has one; without either it is a single number.

    >>> from chainrule.verify.marking.problem import read_problem
    >>> read_problem("h = w*x; L = (h - y)**2").leaves.keys()
    dict_keys(['w', 'x', 'y'])
    """
    if isinstance(problem, Problem):
        return problem
    known = {name: np.shape(value) for name, value in (values or {}).items()}
    known.update(shapes_of(shapes))
    if isinstance(problem, str):
        problem = with_signs(problem, known)
        found = typed_problem(read_assignments(problem, own_names=True), known)
        found.source = (problem, {name: found.named[name].shape for name in found.leaves})
        found.given = dict(values or {})
        return found
    if isinstance(problem, Value | Tensor):
        return recorded_problem(problem, {})
    if callable(problem):
        return traced_problem(problem, known)
    raise GraphError("a problem is a text of assignments, a recorded result (Value, Tensor) or a function")


def typed_problem(lines: Assignments, shapes: Mapping[str, tuple[int, ...]]) -> Problem:
    """Typed assignments: every sign and every function is one step, as a derivation by hand takes it."""
    for name in shapes:
        if name not in lines.names and name not in lines.constants:
            raise FormulaError(f"{name} has a shape or a value, and the problem has no such name")
    steps: list[Step] = []
    named: dict[str, Step | float] = {}
    text: dict[Step, str] = {}
    owner: dict[Step, str] = {}
    for name in (*lines.names, *[name for name in lines.constants if name in shapes]):
        step = Step(Kind.PARAMETER, shapes.get(name, ()))
        steps.append(step)
        named[name] = step
    for name in lines.constants:
        named.setdefault(name, CONSTANTS[name])
    for line in lines.lines:
        found: list[Any] = []
        for part in line.formula.steps:
            if part.function is None:
                found.append(part.number if part.number is not None else named[part.name])
                continue
            inputs = [found[i] for i in part.inputs]
            op = operation_for(part.function, part.settings, [getattr(x, "shape", ()) for x in inputs])
            if not any(isinstance(x, Step) for x in inputs):
                found.append(float(op.function(*inputs, **part.settings)))
                continue
            settings = op.complete(part.settings) if op.name in book and book[op.name] is op else part.settings
            with Quiet():
                ones = [np.full(x.shape, 0.5)[()] if isinstance(x, Step) else x for x in inputs]
                shape = np.shape(applied_with_place(line.formula, part, op, ones, settings))
            step = Step(Kind.RESULT, shape, op=op, inputs=tuple(inputs), settings=settings)
            steps.append(step)
            found.append(step)
            text[step] = line.formula.source(part)
            owner[step] = f"{line.name} = {line.formula.text}" if line.name else line.formula.text
        named[line.name] = found[-1]
    out = named[lines.lines[-1].name]
    if not isinstance(out, Step) or out.op is None:
        raise FormulaError("the last line computes nothing from a name: there is nothing to differentiate")
    return Problem(Program(steps, [out]), {n: s for n, s in named.items() if n and isinstance(s, Step)}, text, owner)


def applied_with_place(formula: Any, part: Any, op: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """A step run once for its shape; what it complains about gets its place in the text."""
    try:
        return op.fitting(inputs, inputs, settings)
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        shapes = [f"{formula.source(formula.steps[i])} {np.shape(x)}" for i, x in zip(part.inputs, inputs, strict=True)]
        raise formula.error(part, f"these shapes do not fit: {' and '.join(shapes)}") from error


def recorded_problem(output: Any, names: Mapping[Any, str]) -> Problem:
    """A graph that was recorded; names are the labels, or those of the user's variables."""
    lifted = lift(output)
    labels = find_labels(lifted.nodes)
    named: dict[str, Step] = {}
    for node in lifted.nodes:
        name = names.get(node) or labels.get(id(node), "")
        if name and name not in named:
            named[name] = lifted.step[node]
    text = texts_of(lifted.program, named)
    owner = {step: f"{name} = {text[step]}" for name, step in named.items() if step.op is not None}
    recorded = dict(zip(lifted.program.steps, lifted.numbers, strict=True))
    return Problem(lifted.program, named, text, owner, recorded, lifted.step)


def texts_of(program: Program, named: Mapping[str, Step], printer: Callable[[Tree], str] = plain) -> dict[Step, str]:
    """How each step of a recorded program is typed, down to what has a name; of a long one the operation's name.

    Another `printer` writes it as it is printed.
    """
    from chainrule.maths.of_terms import tree_of_term

    symbols = {step: symbol(name, step.shape) for name, step in named.items()}
    for step in program.leaves:
        symbols.setdefault(step, symbol(f"c{step.place}", step.shape))
    found: dict[Step, str] = {}
    for step in program.steps:
        if step.op is None:
            continue
        found[step] = f"{step.op.name}(…)"
        if len(program) <= MOST_WRITTEN:
            letters = {other: letter for other, letter in symbols.items() if other is not step}
            term = term_of(step, letters)
            written = printer(tree_of_term(term)) if isinstance(term, Term) else str(term)
            found[step] = written if len(written) <= LONGEST_TEXT else found[step]
    return found


def traced_problem(f: Callable[..., Any], shapes: Mapping[str, tuple[int, ...]]) -> Problem:
    """A function, run once on random tensors; its arguments are the names."""
    names = list(inspect.signature(f).parameters)
    random = np.random.default_rng(0)
    tensors = [Tensor(random.uniform(0.3, 1.2, shapes.get(name, ())), requires_grad=True) for name in names]
    output = f(*tensors)
    if not isinstance(output, Tensor):
        raise GraphError(f"the function gives {what_is(output)}: it has to compute with its arguments alone")
    return recorded_problem(output, dict(zip(tensors, names, strict=True)))


def resized(problem: Problem, n: int, other: int) -> Problem | None:
    """The same problem with another length wherever an axis has length n; None where its text holds that number."""
    if problem.source is None:
        return None
    text, shapes = problem.source
    factors = [s for s in problem.program.steps if s.operation in ("mul", "div")]
    literals = {float(x) for s in factors for x in s.inputs if isinstance(x, int | float)}
    # A 2 or ½ is the square's, not a size.
    if any(x not in (2, 0.5) and (x % n == 0 or x == 1 / n) for x in literals):
        return None
    shapes = {name: tuple([other if k == n else k for k in shape]) for name, shape in shapes.items()}
    try:
        return read_problem(text, shapes)
    except ChainruleError:
        return None


Numbers = dict[Step, Any]
"""What every step comes to at one probe."""


def probes_of(
    problem: Problem,
    fixed: Mapping[str, Any],
    count: int = 0,
    labels: Mapping[Step, int] | None = None,
    signs: Sequence[bool] = (False, True),
) -> list[Numbers]:
    """What every step comes to at several generic points, the first one with every switch on somewhere.

    Leaves in `fixed` keep their numbers, and where all are fixed a switch may be off. Labels, by the axis over which
    they are shares, add up to 1 along that. Of `signs` it is tried first with both, and then with positive numbers.
    """
    labels = problem.labels if labels is None else labels
    random = np.random.default_rng(zlib.crc32(repr([s.shape for s in problem.program.steps]).encode()))
    found: list[Numbers] = []
    switches = [s for s in problem.program.steps if getattr(s.op, "selects", False) or s.operation == "relu"]
    if all(problem.names.get(leaf, "") in fixed for leaf in problem.program.leaves):
        switches = []
    count = count or (PROBES_OF_SWITCHES if switches else PROBES)
    for positive in signs:
        for _ in range(TRIES):
            leaves = {s: drawn(problem, s, fixed, labels, random, positive) for s in problem.program.leaves}
            try:
                numbers = problem.at(leaves)
            except (ArithmeticError, ValueError):
                continue
            if all(np.all(np.isfinite(x)) for x in numbers.values()) and (found or all_alive(switches, numbers)):
                found.append(numbers)
            if len(found) == count:
                return found
    if not found:
        raise GraphError("the problem has no finite value at random numbers: give values inside its domain")
    return found


def all_alive(switches: Sequence[Step], numbers: Numbers) -> bool:
    """Whether some entry of each switch is on."""
    return all(np.any(np.asarray(numbers[s]) > 0) for s in switches)


def drawn(
    problem: Problem,
    step: Step,
    fixed: Mapping[str, Any],
    labels: Mapping[Step, int],
    random: np.random.Generator,
    positive: bool,
) -> Any:
    """Numbers for a leaf: away from 0 and from each other, of both signs if possible; of a count positive."""
    name = problem.names.get(step, "")
    if name in fixed:
        return np.asarray(fixed[name], np.float64)
    if step.kind is not Kind.PARAMETER and not name and step in problem.recorded:
        return problem.recorded[step]
    if step in labels:
        shares = random.uniform(0.1, 1.0, step.shape)
        return shares / shares.sum(axis=labels[step], keepdims=True)
    size = random.uniform(0.3, 1.3, step.shape)
    turned = size if positive else size * random.choice([-1.0, 1.0], step.shape)
    return size if step in problem.counts else turned


def edges_of(problem: Problem, wrt: Step) -> Iterator[tuple[Step, int, Step]]:
    """The edges on some way from the output down to a step: consumer, slot, input."""
    between = problem.program.between([wrt])
    inside = {*between, wrt}
    for step in between:
        for slot, x in step.edges:
            if x in inside:
                yield step, slot, x


def gradient_in(name: str) -> str:
    """The gradient that is asked, in words and as programs call it."""
    return f"the gradient of {name} (d{name})"

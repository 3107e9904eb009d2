"""The program of a training step: traced from the model, the loss and the optimizer as they are."""

# What a user's network and loss give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from chainrule.core.state import no_grad
from chainrule.core.traced import watched_refusals
from chainrule.core.tree import flatten
from chainrule.data.structure import mapped
from chainrule.errors import GraphError
from chainrule.named import NamedTuple
from chainrule.nn.module import Module
from chainrule.nn.stateless import Attributes, standing_in
from chainrule.optim.as_program import Cell, moved
from chainrule.optim.optimizer import Optimizer
from chainrule.program import Trace, trace
from chainrule.program.trace import traced_again
from chainrule.rules.linear import astype, reshape
from chainrule.rules.linear import index as picked
from chainrule.rules.linear import sum as total
from chainrule.rules.pointwise import sqrt, square, where
from chainrule.training.batches import Batch, as_given, output_of
from chainrule.training.cost import loss_of, weight_of
from chainrule.training.generators import generators_of
from chainrule.training.step_state import State, are_the_same, attributes_of, settings_with
from chainrule.transforms import value_and_grad


class Unready(GraphError):
    """The optimizer keeps nothing yet for a parameter: a step of the engine makes it."""


class Unmoved(Exception):
    """No gradient comes to some parameters; their names."""


class Draw(NamedTuple):
    """Random numbers that a step takes: from which generator, by which of its methods, with which arguments."""

    generator: np.random.Generator
    method: str
    args: tuple[Any, ...]
    settings: dict[str, Any]
    example: Any

    def again(self) -> Any:
        return getattr(self.generator, self.method)(*self.args, **self.settings)


class Witness:
    """A random generator of which a copy draws, and what is drawn is noted."""

    def __init__(self, generator: np.random.Generator, draws: list[Draw]) -> None:
        self.generator, self.draws = generator, draws
        from copy import deepcopy  # most models draw nothing

        self.copy = deepcopy(generator)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.copy, name)

        def draw(*args: Any, **settings: Any) -> Any:
            numbers = method(*args, **settings)
            self.draws.append(Draw(self.generator, name, args, settings, np.copy(numbers)))
            return numbers

        return draw if callable(method) else method


class Replay:
    """What stands for a random generator while a program is recorded: its numbers are arguments."""

    def __init__(self, generator: np.random.Generator, coming: Iterator[tuple[Draw, Any]]) -> None:
        self.generator, self.coming = generator, coming

    def __getattr__(self, name: str) -> Any:
        def draw(*args: Any, **settings: Any) -> Any:
            known, numbers = next(self.coming, (None, None))
            if known is None or known[:4] != (self.generator, name, args, settings):
                raise GraphError("what is drawn at random differs from step to step")
            return numbers

        return draw


class MadeOf(NamedTuple):
    """What a training step is made of."""

    model: Module
    loss: Callable[..., Any]
    optimizer: Optimizer
    clip_norm: float | None
    parts: Sequence[Module]

    def generators(self) -> list[np.random.Generator]:
        """All random generators that its modules hold, each once."""
        return list({id(g): g for part in self.parts for g in generators_of(part).values()}.values())


def parts_of(model: Module, loss: Any) -> list[Module]:
    """The modules that have parameters: the model, and a loss that is one."""
    return [model, loss] if isinstance(loss, Module) else [model]


class Example(NamedTuple):
    """A traced step: its program, and what its results are.

    The first is the loss. Then come those arrays of the state that a step replaces, whose places among all are
    `changed`; what the batch weighs if that is no plain `weight`; how many numbers are unfit; the predictions, in the
    structure `said`; and the gradients.
    """

    trace: Trace
    changed: tuple[int, ...]
    weight: float | None
    weighs: bool
    refuses: bool
    said: Any
    draws: list[Draw]


class Recorder:
    """Traces a step on batches of one kind; what its results are is noted by the way."""

    def __init__(self, made_of: MadeOf, state: State, structure: Any, draws: list[Draw], *, tells: bool) -> None:
        self.made_of, self.state, self.structure, self.draws, self.tells = made_of, state, structure, draws, tells
        self.weight: Any = None
        self.weighs = self.refuses = False
        self.changed: tuple[int, ...] = ()
        self.said: Any = None

    def traced(self, x: Any, y: Any, weight: Any, rows: Any, numbers: Sequence[float], *, named: bool) -> Trace:
        """The program on a batch, or on the examples of `rows`; `named` as the user's code names its steps."""

        def step(
            parameters: Any, kept: Any, counts: Any, buffers: Any, counting: Any, settings: Any,
            x: Any, y: Any, sample_weight: Any, rows: Any, draws: Any,
        ) -> Any:  # fmt: skip
            if rows is not None:
                x, y = mapped(lambda part: picked(part, key=rows), (x, y))
                sample_weight = None if sample_weight is None else picked(sample_weight, key=rows)
            old = parameters, kept, counts, buffers, counting
            return self.results(old, settings, x, y, sample_weight, draws)

        names = named_settings(self.structure, self.made_of.optimizer, numbers)
        examples = [draw.example for draw in self.draws]
        found = trace if named else traced_again
        return found(step, *self.state.tree(), names, x, y, weight, rows, examples)

    def results(self, old: Any, settings: Any, x: Any, y: Any, weight: Any, draws: Any) -> list[Any]:
        """What a step gives, in the order of `Example`."""
        parameters, _, _, buffers, counting = old
        refused = watched_refusals()
        made_of = self.made_of

        def of_batch(parameters: Mapping[str, Any]) -> tuple[Any, Any]:
            batch = Batch(x, y, weight, len(flatten(x)[0][0]))
            with self.with_other_numbers(parameters, {**buffers, **counting}, draws) as meanwhile:
                said = output_of(made_of.model, x)
                weighs = weight_of(made_of.loss, said, batch)
                value = loss_of(made_of.loss, said, batch)
                now = self.buffers_after(meanwhile, buffers | counting)
            return reshape(value, shape=()), (said, weighs, now)

        (value, (said, weighs, now)), gradients = value_and_grad(of_batch, has_aux=True)(parameters)
        unmoved = [name for name, g in gradients.items() if not getattr(g, "backward", False)]
        if unmoved:
            raise Unmoved(unmoved)
        if made_of.clip_norm is not None:
            gradients = clipped(gradients, made_of.clip_norm)
        new = self.moved(old, gradients, settings), now
        before, after = flatten(old)[0], flatten(new)[0]
        self.changed = tuple([i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a is not b])
        self.weighs = weighs is not None and not isinstance(weighs, float)
        self.weight = None if self.weighs else weighs
        self.refuses = bool(refused)
        wrong = [total(astype(x, dtype=np.float32)) for x in refused]
        self.said = flatten(said)[1]
        return [
            value,
            [after[i] for i in self.changed],
            weighs if self.weighs else None,
            added(wrong) if wrong else None,
            said if self.tells else None,
            [gradients[m.name] for m in self.state.members],
        ]

    def with_other_numbers(self, parameters: Mapping[str, Any], buffers: Mapping[str, Any], draws: Any) -> Any:
        """The modules with traced numbers in place of their own."""
        state = self.state
        instead: dict[int, Any] = {id(m.parameter): parameters[m.name] for m in state.members}
        for name, held in {**state.buffers, **state.counting}.items():
            instead[id(held)] = buffers[name]
        coming = iter(list(zip(self.draws, draws, strict=True)))
        instead |= {id(g): Replay(g, coming) for g in self.made_of.generators()}
        return standing_in(state.modules, instead)

    def buffers_after(self, meanwhile: Sequence[Attributes], before: Mapping[str, Any]) -> Any:
        """The running numbers as the modules left them; nothing else may have changed there."""
        names = {id(x): name for name, x in before.items()}
        now = dict(before)
        for module, attributes in meanwhile:
            for attribute, held in vars(module).items():
                was = attributes.get(attribute, held)
                if attribute in attributes and was is held:
                    continue
                if attribute not in attributes or id(was) not in names:
                    raise GraphError(f"{type(module).__name__} changes its {attribute} when it runs")
                now[names[id(was)]] = held
        return [{n: now[n] for n in self.state.buffers}, {n: now[n] for n in self.state.counting}]

    def moved(self, old: Any, gradients: Mapping[str, Any], settings: Any) -> Any:
        """Parameters, what is kept for them and counts after the optimizer's step."""
        parameters, kept, counts = dict(old[0]), {name: dict(held) for name, held in old[1].items()}, list(old[2])

        def number(name: str, place: int) -> Cell:
            return Cell(settings[place][name], known=name != "lr")

        groups = settings_with(self.made_of.optimizer, self.structure, number)
        place_of = {(id(memory), name): i for i, places in enumerate(self.state.counts) for memory, name in places}
        for member in self.state.members:
            memory = {
                name: kept[name][member.name] if name in kept and member.name in kept[name]
                else old[2][place_of[id(member.memory), name]]
                for name in member.memory
            }  # fmt: skip
            new, after = moved(
                self.made_of.optimizer, parameters[member.name], gradients[member.name], memory, groups[member.group]
            )
            if after.keys() != memory.keys():
                raise Unready("the optimizer keeps other things after a step than before it")
            parameters[member.name] = new
            for name, held in after.items():
                if name in kept and member.name in kept[name]:
                    kept[name][member.name] = held
                else:
                    counts[place_of[id(member.memory), name]] = held
        return parameters, kept, counts


def draws_of(made_of: MadeOf, x: Any) -> list[Draw]:
    """What one run of the model on a batch draws at random; the model and its generators stay as they are."""
    generators = made_of.generators()
    draws: list[Draw] = []
    if not generators:
        return draws
    buffers = [held for part in made_of.parts for _, held in part.named_buffers()]
    before = [held.data.copy() for held in buffers]
    modules = [module for part in made_of.parts for module in part.modules()]
    try:
        with standing_in(modules, {id(g): Witness(g, draws) for g in generators}), no_grad():
            output_of(made_of.model, mapped(as_given, x))
    finally:
        for held, numbers in zip(buffers, before, strict=True):
            held.data = numbers
    return draws


def named_settings(structure: Any, optimizer: Optimizer, numbers: Sequence[float]) -> list[dict[str, float]]:
    named: list[dict[str, float]] = [{} for _ in numbers]

    def note(name: str, place: int) -> float:
        named[place][name] = numbers[place]
        return numbers[place]

    settings_with(optimizer, structure, note)
    return named


def added(numbers: Sequence[Any]) -> Any:
    """The sum of some numbers, at least one."""
    return reduce(operator.add, numbers)


def clipped(gradients: Mapping[str, Any], most: float) -> dict[str, Any]:
    """Gradients whose common norm is `most` at most, as `clip_grad_norm_` has it."""
    squares = [total(square(astype(reshape(g, shape=(-1,)), dtype=np.float64))) for g in gradients.values()]
    norm = sqrt(added(squares))
    factor = most / (norm + 1e-6)
    factor = where(factor >= 1, 1.0, factor)
    return {name: g * astype(factor, dtype=g.dtype) for name, g in gradients.items()}


def with_names(traced: Trace, recorder: Recorder) -> Trace:
    """The program with the names of its state: ``net_0_weight``, ``net_0_weight_mean``, ``new_net_0_weight``."""
    state = recorder.state
    held = [*names_in_source(state)]
    given = {step: name for step, name in zip(traced.given, held, strict=False) if step is not None}
    new = ["loss", *[f"new_{held[i]}" for i in recorder.changed]]
    new += ["weight"] * recorder.weighs + ["unfit"] * recorder.refuses
    return traced._replace(names={**dict(zip(traced.outputs, new, strict=False)), **traced.names, **given})


def names_in_source(state: State) -> Iterator[str]:
    """What the arrays of the state are called in written source."""
    for member in state.members:
        yield variable(member.name)
    for name in state.kept:
        for member in state.members:
            if name in member.memory:
                yield f"{variable(member.name)}_{name}"
    for places in state.counts:
        yield places[0][1]
    for name in (*state.buffers, *state.counting):
        yield variable(name)


def variable(name: str) -> str:
    """A parameter's name as one word: ``0.weight`` as ``net_0_weight``."""
    return ("net_" if name[0].isdigit() else "") + name.replace(".", "_")


def example_of(
    made_of: MadeOf, structure: Any, numbers: Sequence[float], draws: list[Draw],
    x: Any, y: Any, weight: Any, rows: Any, *, tells: bool, twice: bool,
) -> tuple[State, Example, Trace | None]:  # fmt: skip
    """A step traced; a second time too, to tell what differs, where it has code of the user's own."""
    state = State(made_of.parts, made_of.optimizer)
    given = structure, numbers, draws, x, y, weight, rows
    try:
        return state, *of_state(made_of, state, *given, tells=tells, twice=twice)
    except Unmoved as names:
        state = State(made_of.parts, made_of.optimizer, names.args[0])
        return state, *of_state(made_of, state, *given, tells=tells, twice=twice)


def of_state(
    made_of: MadeOf, state: State, structure: Any, numbers: Sequence[float], draws: list[Draw],
    x: Any, y: Any, weight: Any, rows: Any, *, tells: bool, twice: bool,
) -> tuple[Example, Trace | None]:  # fmt: skip
    """A step that changes just this state, traced."""
    recorder = Recorder(made_of, state, structure, draws, tells=tells)
    before = attributes_of(state.modules)
    # Only a user's code has names of its own for what it computes.
    traced = recorder.traced(x, y, weight, rows, numbers, named=twice)
    again = recorder.traced(x, y, weight, rows, numbers, named=False) if twice else None
    if not are_the_same(before, attributes_of(state.modules)):
        raise GraphError("a module keeps something of each of its runs")
    noted = recorder.changed, recorder.weight, recorder.weighs, recorder.refuses, recorder.said, draws
    return Example(with_names(traced, recorder), *noted), again

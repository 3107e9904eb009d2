"""A whole training step as one program: forward, loss, backward, clipping, the optimizer's update.

The state stays where it is: parameters, what the optimizer keeps, running statistics. The program writes the new
numbers over the old ones where its plan allows it, and random numbers are drawn by the modules' own generators. So a
compiled step and an eager one may take turns.
"""

# What a user's network and loss give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.codegen.compiled import refuse_if_different
from chainrule.codegen.laws import shortened
from chainrule.codegen.version import ADVANCES, RUNS, STAYS, Version, default_target, plain
from chainrule.collector import without_collector
from chainrule.core.graph import from_array
from chainrule.core.instructions import FIRST_INPUT
from chainrule.core.parts import threads
from chainrule.core.state import Quiet, switches
from chainrule.core.tree import flatten, unflatten
from chainrule.data.structure import mapped
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.kinds import Array
from chainrule.named import NamedTuple
from chainrule.nn.module import Module
from chainrule.optim.optimizer import Optimizer
from chainrule.program import Step
from chainrule.program.trace import paths
from chainrule.threads import RLock
from chainrule.training.batches import Batch, arrays_of, as_given, dtype_of, output_of
from chainrule.training.cost import descend, loss_number, loss_of, refuse_cut_off, refuse_loss
from chainrule.training.step_cache import likeness, step_cache
from chainrule.training.step_program import Draw, Example, MadeOf, draws_of, example_of, parts_of
from chainrule.training.step_state import State, are_the_same, attributes_of, is_written_here, memory_key, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from chainrule.files import PathLike
    from chainrule.program.around import Around


class Outcome(NamedTuple):
    """What some steps gave: the loss of each, what each batch weighs (None: the loss is a sum), and the predictions."""

    losses: Array
    weights: Sequence[float | None]
    said: Any


class Prepared(NamedTuple):
    """A program for batches of one kind: what it changes, what modules held when it was made, and how it runs.

    `in_place` says whether new numbers may be written over old ones, `saves` whether a step may fail after it did.
    """

    version: Version
    example: Example
    state: State
    attributes: list[Any]
    in_place: bool
    saves: bool
    structure: Hashable
    """Of the settings."""
    kinds: tuple[Any, Any]
    """Of inputs and targets, where each is one array, and all that a batch is made of."""
    around: Around | None
    """What the user's own code reads; None where all of it is this package's."""

    def is_fit(self) -> bool:
        """Whether everything is still what the program was made for."""
        if not are_the_same(self.attributes, attributes_of(self.state.modules)):
            return False
        return self.around is None or not self.around.changed()


class TrainingStep:
    """A training step that runs as one program; what `compile` gives for a module, a loss and an optimizer.

    ``step(x, y)`` does what ``loss(model(x), y)``, ``backward()`` and ``optimizer.step()`` do, and gives the loss. All
    of it changes where it lies: parameters, their `grad`, the optimizer's memory, running statistics, generators. So
    learning rates and other settings may be changed between steps, states saved, and eager steps taken. The first batch
    of every kind runs eagerly, and then the program is made. `scan` makes many steps in one call. One thread at a time
    may use a step, as its model.

    >>> import chainrule as cr, numpy as np
    >>> net = cr.nn.Linear(2, 1, dtype=float, rng=0)
    >>> step = cr.compile(net, loss=cr.nn.MSELoss(), optimizer=cr.optim.SGD(net.parameters(), lr=0.01))
    >>> x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [0.0]])
    >>> losses = [step(x, y) for _ in range(3)]
    >>> losses[0] > losses[1] > losses[2]
    True
    >>> step
    <compiled step of Linear: x (2, 2) float64, y (2, 1) float64>
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Any],
        optimizer: Optimizer,
        *,
        clip_norm: float | None = None,
        target: str | None = None,
    ) -> None:
        if not isinstance(model, Module):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DtypeError(
                f"compile with a loss and an optimizer takes a module of cr.nn, not {type(model).__name__}"
            )
        refuse_loss("compile", loss)
        if not isinstance(optimizer, Optimizer):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DtypeError(f"compile takes an optimizer of cr.optim, not {type(optimizer).__name__}")
        self.target = target or default_target()
        if self.target not in RUNS:
            raise DtypeError(f"a compiled step runs on {' or '.join(RUNS)}, not on {target!r}")
        self.made_of = MadeOf(model, loss, optimizer, clip_norm, parts_of(model, loss))
        self.tells = False
        """Whether a program gives the predictions too."""
        self.programs: dict[Hashable, Prepared] = {}
        self.latest: Prepared | None = None
        self.traced = 0
        self.lock = RLock()
        """What a step reads it writes anew: one step at a time."""

    def __repr__(self) -> str:
        made = "; ".join([program.version.made_for for program in self.programs.values()])
        return f"<compiled step of {self.name}{': ' * bool(made)}{made}>"

    def __reduce__(self) -> Any:
        """The module with its loss and optimizer: programs are made where a copy is called."""
        model, loss, optimizer, clip_norm, _ = self.made_of
        return partial(TrainingStep, clip_norm=clip_norm, target=self.target), (model, loss, optimizer)

    @property
    def name(self) -> str:
        return type(self.made_of.model).__name__

    def __call__(self, x: Any, y: Any, sample_weight: Any = None) -> float:
        """One step on a batch, taken as by `fit`; the loss before it."""
        with self.lock:
            outcome = None if sample_weight is not None else self.once_more(x, y)
            data = (x, y, None) if outcome is not None else self.given(x, y, sample_weight)
            if outcome is None:
                program = self.program_for(data, None)
                if program is None:
                    return self.first(data, None)
                outcome = self.attempt(program, data, None)
            return self.eager(*data) if isinstance(outcome, int) else float(outcome.losses[0])

    def scan(self, x: Any, y: Any, rows: Any, sample_weight: Any = None) -> Array:
        """A step on each of many batches, in one call; the loss before every step.

        `rows`, of shape (steps, batch), says which examples of `x` and `y` a batch has: they are gathered inside.
        Places that there are not raise `ShapeError`.
        """
        data, rows = self.given(x, y, sample_weight), np.asarray(rows)
        examples = len(flatten(data[0])[0][0])
        if rows.size and rows.dtype.kind not in "iu":
            raise DtypeError(f"scan takes rows of whole numbers, the places of examples, and got {rows.dtype}")
        if rows.ndim != 2 or not rows.size:
            raise ShapeError(f"scan takes rows of shape (steps, batch), at least one, and got {rows.shape}")
        if rows.min() < 0 or rows.max() >= examples:
            outside = rows.min() if rows.min() < 0 else rows.max()
            raise ShapeError(f"scan takes places of examples, from 0 to {examples - 1}, and got {outside}")
        with self.lock:
            return self.steps_on(data, np.ascontiguousarray(rows, np.int64))

    def steps_on(self, data: tuple[Any, Any, Any], rows: Array) -> Array:
        """A step on the examples of every row; the losses."""
        losses: list[float] = []
        while len(losses) < len(rows):
            left = rows[len(losses) :]
            program = self.program_for(data, left)
            if program is None:
                losses.append(self.first(data, left))
                continue
            outcome = self.attempt(program, data, left)
            if isinstance(outcome, int) and outcome:
                outcome = self.attempt(program, data, left[:outcome])
            if isinstance(outcome, int):
                losses.append(self.eager(*rows_of(data, left[0])))
            else:
                losses += outcome.losses.tolist()
        return np.array(losses)

    def once_more(self, x: Any, y: Any) -> Outcome | int | None:
        """A step like the one before it, without asking more than whether it is like that; None where it is not."""
        program = self.latest
        if program is None or (kind_of(x), kind_of(y)) != program.kinds or switches.anomaly or not switches.recording:
            return None
        structure, numbers = settings_of(self.made_of.optimizer)
        if structure != program.structure or not program.state.is_as_it_was() or not program.is_fit():
            return None
        return self.attempt(program, (x, y, None), None, settings=numbers)

    def given(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """A batch as arrays, floating point in the dtype of the model."""
        dtype = dtype_of(self.made_of.model)
        weight = None if sample_weight is None else np.asarray(sample_weight)
        return arrays_of(x, dtype, "x", -1), arrays_of(y, dtype, "y", -1), weight

    def eager(self, x: Any, y: Any, weight: Any) -> float:
        made_of = self.made_of
        batch = Batch(mapped(as_given, x), y, weight, len(flatten(x)[0][0]))
        with as_it_was_if_refused(made_of):
            loss = loss_of(made_of.loss, output_of(made_of.model, batch.x), batch)
            number = loss_number(loss)
            refuse_cut_off(loss, made_of.model)
        descend(loss, made_of.optimizer, made_of.clip_norm)
        return number

    def first(self, data: tuple[Any, Any, Any], rows: Any) -> float:
        """The first step on a batch of its kind, by the engine, after which there is a program for the next."""
        number = self.eager(*(data if rows is None else rows_of(data, rows[0])))
        if not switches.anomaly and switches.recording:
            self.prepare(data, rows)
        return number

    # The program

    def key(self, data: tuple[Any, Any, Any], rows: Any) -> Hashable:
        """What tells batches, settings and states apart for which another program is needed."""
        leaves, structure = flatten(data)
        optimizer = self.made_of.optimizer
        kinds = tuple([(x.shape, x.dtype.num) for x in leaves])
        size = None if rows is None else rows.shape[1]
        return structure, kinds, size, settings_of(optimizer)[0], memory_key(optimizer), self.tells

    def program_for(self, data: tuple[Any, Any, Any], rows: Any) -> Prepared | None:
        """The program for a batch, if there is one already and it still says what modules hold."""
        if switches.anomaly or not switches.recording:
            return None
        program = self.programs.get(self.key(data, rows))
        return program if program is not None and program.is_fit() else None

    @without_collector()
    def prepare(self, data: tuple[Any, Any, Any], rows: Any) -> Prepared:
        """Trace, differentiate, shorten, plan; after an eager step, that has made what the optimizer keeps."""
        made_of = self.made_of
        refuse_hooks(made_of)
        draws = draws_of(made_of, (data if rows is None else rows_of(data, rows[0]))[0])
        structure, numbers = settings_of(made_of.optimizer)
        places = None if rows is None else np.ascontiguousarray(rows[0], np.int64)
        own = is_own(made_of)
        key = likeness(made_of, draws, self.key(data, rows), self.target, threads()) if own else None
        known = step_cache.get(key)
        if known is not None:
            version, example = known.version, known.example._replace(draws=draws)
            state = State(made_of.parts, made_of.optimizer, known.unmoved)
        else:
            with Quiet():
                state, example, again = example_of(
                    made_of, structure, numbers, draws, *data, places, tells=self.tells, twice=not own
                )
            if again is not None:
                refuse_if_different(self.name, example.trace, again)
            with without_collector():
                shorter, fired = shortened(example.trace)
                version = Version(shorter, example.trace, fired, described(data, places), "step", self.target)
            step_cache.keep(key, version, example, state.without)
        alone = rows is None and data[2] is None
        kinds = (kind_of(data[0]), kind_of(data[1])) if alone else (object(), object())
        held = attributes_of(state.modules)
        prepared = Prepared(
            version, example, state, held, *ways(version, example), structure, kinds,
            None if own else around_of(made_of, version),
        )  # fmt: skip
        self.programs[self.key(data, rows)] = self.latest = prepared
        self.traced += 1
        return prepared

    def attempt(
        self,
        program: Prepared,
        data: tuple[Any, Any, Any],
        rows: Any,
        numbers: Any = None,
        finite: bool = False,
        settings: list[Any] | None = None,
    ) -> Outcome | int:
        """The steps on all rows; or which of them cannot be made so, and then nothing has changed.

        That is one whose numbers are refused, or with `finite` one whose loss is infinite or nan: the engine says why.
        `settings` are those of all steps, or `numbers` those of each, where they differ.
        """
        self.latest = program
        example, state = program.example, program.state
        steps = 1 if rows is None else len(rows)
        arrays = state.arrays()
        saved = [arrays[i].copy() for i in example.changed] if steps > 1 or finite or program.saves else None
        generators = [(g, g.bit_generator.state) for g in self.made_of.generators()] if example.draws else []
        if settings is None:
            settings = settings_of(self.made_of.optimizer)[1] if numbers is None else list(np.transpose(numbers))
        leaves = [*arrays, *settings, *flatten(data)[0]]
        roles = [STAYS] * len(leaves)
        for k, i in enumerate(example.changed, 1):
            roles[i] = k
        if numbers is not None:
            roles[len(arrays) : len(arrays) + len(settings)] = [ADVANCES] * len(settings)
        if rows is not None:
            leaves.append(np.ascontiguousarray(rows, np.int64))
            roles.append(ADVANCES)
        drawn = draw_all(example.draws, steps)
        leaves += drawn
        roles += [ADVANCES] * len(drawn)
        try:
            results = self.run(program, steps, roles, leaves)
            bad = first_bad(results, example, finite)
        except BaseException as error:
            put_back(arrays, example.changed, saved, generators)
            if not isinstance(error, IndexError):
                raise
            return steps // 2
        if bad is not None:
            put_back(arrays, example.changed, saved, generators)
            return bad
        state.written(arrays)
        return self.outcome(program, results, steps)

    def run(self, program: Prepared, steps: int, roles: Sequence[int], leaves: Sequence[Any]) -> list[Any]:
        """All results; the state has its new numbers."""
        version, changed = program.version, program.example.changed
        outside = [plain(x) for x in version.trace.held.values()]
        if version.native is None:
            return step_by_step(program, steps, roles, leaves, outside)
        stacked = len(version.trace.outputs) - len(program.state.members)
        every = (*leaves, *outside)
        places = (*roles, *[STAYS] * len(outside))
        in_place = program.in_place and all([leaves[i].flags.carray for i in changed])
        results = list(version.native.scan(steps, places, every, stacked, in_place))
        if not in_place:
            for i, array in zip(changed, results[1:], strict=False):
                leaves[i][...] = array
        return results

    def outcome(self, program: Prepared, results: Sequence[Any], steps: int) -> Outcome:
        """What the steps gave; the parameters have the gradients of the last."""
        example, members = program.example, program.state.members
        at = 1 + len(example.changed)
        weights = results[at].tolist() if example.weighs else [example.weight] * steps
        for member, gradient in zip(members, results[len(results) - len(members) :], strict=True):
            member.parameter.grad = from_array(np.asarray(gradient))
        for parameter in program.state.unmoved:
            parameter.grad = None
        said = results[at + example.weighs + example.refuses : len(results) - len(members)]
        return Outcome(results[0], weights, unflatten(example.said, said) if self.tells else None)

    # What is told

    def needs_program(self) -> Prepared:
        """The program that ran last; an error where none was made yet."""
        if self.latest is None:
            raise GraphError(
                f"the step of {self.name} was not called yet, so its shapes are not known: call it once with a batch, "
                "and then ask again"
            )
        return self.latest

    def source(self, target: str = "numpy", *, planned: bool = False) -> str:
        """The program of the latest step as a module that runs without this package; with `planned` as it is planned.

        `target` is "numpy", "jax", "javascript" or "c", as for a compiled function. It takes the arrays of the state,
        settings and batch one by one, and gives the loss, the new state and the gradients: nothing is written in place
        there.
        """
        return self.needs_program().version.written("step", target, planned=planned)

    def write(self, path: PathLike, target: str | None = None) -> list[Path]:
        """Write that program to a file, and give the files that were written, as a compiled function does.

        The ending says which language: .py (NumPy), .js, .c (with its header beside it) or .onnx, which needs the extra
        ``onnx``; `target` says otherwise. The state is among what it takes and gives: a file trains on its own.
        """
        return self.needs_program().version.write(path, "step", target)

    def explain(self) -> str:
        """What was made, for which batches, by which laws, and what runs."""
        program = self.needs_program()
        version = program.version
        lines = [f"a training step of {self.name}, made for {version.made_for}"]
        if self.traced > 1:
            lines.append(f"It was traced {self.traced} times, for batches, settings or modules of other kinds:")
            lines += [f"  {other.version.made_for}" for other in self.programs.values()]
        lines += version.shortened()
        if version.native is not None:
            where = "written in place" if program.in_place else "written back after each call"
            lines.append(f"Parameters and what the optimizer keeps are {where}")
        return "\n".join([*lines, *version.told()])


def kind_of(x: Any) -> Any:
    """The shape and type of one array; of anything else what equals nothing."""
    return (x.shape, x.dtype) if type(x) is np.ndarray else object()


def rows_of(data: tuple[Any, Any, Any], places: Any) -> tuple[Any, Any, Any]:
    x, y, weight = data
    x, y = mapped(lambda part: part[places], (x, y))
    return x, y, None if weight is None else weight[places]


def described(data: tuple[Any, Any, Any], places: Any) -> str:
    """The batches that a program is made for: ``x (32, 64) float32, y (32,) int64``."""
    parts: list[str] = []
    for name, held in zip(("x", "y", "sample_weight"), data, strict=True):
        parts += [f"{path} {part.shape or 'number'} {part.dtype}" for path, part in named_leaves(name, held)]
    return ", ".join(parts) + (f", {len(places)} rows of them at a time" if places is not None else "")


def named_leaves(name: str, held: Any) -> list[tuple[str, Any]]:
    """The arrays in tuples and dicts, each with the way to it."""
    return list(zip(paths(name, held), flatten(held)[0], strict=True))


def refuse_hooks(made_of: MadeOf) -> None:
    """Hooks are told of each run and each gradient, and a program has none to tell of."""
    for part in made_of.parts:
        for name, module in part.named_modules():
            hooks = module.watchers
            if hooks is not None and (hooks.before or hooks.after or hooks.backward):
                raise GraphError(f"the module {name or type(module).__name__} has hooks, which only eager steps tell")
        for name, parameter in part.named_parameters():
            if parameter.hooks:
                raise GraphError(f"the parameter {name} has hooks, which only eager steps tell")


def is_own(made_of: MadeOf) -> bool:
    """Whether all code that a program is made of is this package's: that does the same things whenever it runs."""
    parts = [module for part in made_of.parts for module in part.modules()]
    steps = [step for part in parts for step in getattr(part, "steps", [])]
    return all([is_written_here(x) for x in [made_of.loss, made_of.optimizer, *parts, *steps]])


def around_of(made_of: MadeOf, version: Version) -> Around:
    """What the user's code of a step reads around it."""
    from chainrule.program.around import Around

    return Around(made_of.loss, version.trace.held.values(), made_of.parts)


def ways(version: Version, example: Example) -> tuple[bool, bool]:
    """Whether new numbers may be written over old ones, and whether a step may fail after some were."""
    if not all([isinstance(x, Step) for x in version.trace.outputs]):
        raise GraphError("a result of the step depends on nothing that changes")
    plan = version.plan
    if version.native is None or plan is None:
        return False, False
    given = [x for x in [*version.trace.given, *version.trace.held] if x is not None]
    first_result = FIRST_INPUT + len(given) + 1
    in_place = all([plan.in_place(FIRST_INPUT + i, first_result + k) for k, i in enumerate(example.changed)])
    written = [min(plan.touched.get(first_result + k, [plan.instructions])) for k in range(len(example.changed))]
    return in_place, example.refuses or (in_place and plan.may_fail >= min(written, default=plan.instructions))


def draw_all(draws: Sequence[Draw], steps: int) -> list[Array]:
    """The random numbers of every step, in the order in which the steps take them."""
    rows = [[draw.again() for draw in draws] for _ in range(steps)]
    return [np.stack(column) for column in zip(*rows, strict=True)]


@contextmanager
def as_it_was_if_refused(made_of: MadeOf) -> Generator[None]:
    """Running statistics and generators, which a forward pass moves on, stand as before where its batch is refused."""
    generators = [(g, g.bit_generator.state) for g in made_of.generators()]
    buffers = [(held, held.data.copy()) for part in made_of.parts for _, held in part.named_buffers()]
    try:
        yield
    except BaseException:
        put_back([held.data for held, _ in buffers], range(len(buffers)), [was for _, was in buffers], generators)
        raise


def put_back(
    arrays: Sequence[Array], changed: Sequence[int], saved: Sequence[Array] | None, generators: Sequence[Any]
) -> None:
    """The state as it was; without copies nothing was written yet."""
    for i, array in zip(changed, saved or (), strict=False):
        arrays[i][...] = array
    for generator, was in generators:
        generator.bit_generator.state = was


def first_bad(results: Sequence[Any], example: Example, finite: bool) -> int | None:
    """The first step whose numbers are refused, or whose loss is no finite number where that is asked for."""
    unfit = results[1 + len(example.changed) + example.weighs] if example.refuses else np.zeros(1)
    if not unfit.any() and not (finite and not np.isfinite(results[0]).all()):
        return None
    return int(np.argmax((unfit != 0) | ~(np.isfinite(results[0]) | (not finite))))


def step_by_step(
    program: Prepared, steps: int, roles: Sequence[int], leaves: Sequence[Any], outside: Sequence[Any]
) -> list[Any]:
    """A call for each step, by NumPy."""
    changed, rows = program.example.changed, []
    last: list[Any] = []
    stacked = len(program.version.trace.outputs) - len(program.state.members)
    for step in range(steps):
        given = [x[step] if role == ADVANCES else x for x, role in zip(leaves, roles, strict=True)]
        with Quiet():
            last = list(program.version.run(*given, *outside))
        for i, array in zip(changed, last[1:], strict=False):
            leaves[i][...] = array
        rows.append([np.copy(x) for x in (last[0], *last[1 + len(changed) : stacked])])
    first, *kept = [np.stack(column) for column in zip(*rows, strict=True)]
    return [first, *last[1 : 1 + len(changed)], *kept, *[np.array(x) for x in last[stacked:]]]

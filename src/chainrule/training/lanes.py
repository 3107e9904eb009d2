"""Many small networks of one kind trained by one program, side by side: each makes the steps of an epoch in its turn.

What a step computes is traced, differentiated and planned once, from the first network, as `TrainingStep` does it; the
program then runs on the parameters of every other one, and on what its optimizer keeps, where these lie. So a lane does
what `fit` would have done with its network alone.
"""

# What a user's network and loss give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.codegen.compiled import compile as compiled
from chainrule.codegen.scanned import ADVANCES, STAYS
from chainrule.codegen.version import plain
from chainrule.core.instructions import ALIGNED, rounded_up
from chainrule.core.state import Quiet
from chainrule.data.loader import order_of
from chainrule.errors import ChainruleError
from chainrule.nn.module import Module
from chainrule.nn.stateless import functional_call
from chainrule.optim.optimizer import Optimizer
from chainrule.training.batches import as_given
from chainrule.training.callbacks import out_of_patience
from chainrule.training.generators import generators_of
from chainrule.training.step import Prepared, TrainingStep, rows_of
from chainrule.training.step_state import State, settings_of

Array = NDArray[Any]


class Lane(NamedTuple):
    """A network to train: where it begins, on which rows, in which order, and what moves it."""

    model: Module
    rows: Array
    watched: tuple[Array, Array] | None
    """Inputs and targets by which it is seen when to stop."""
    seed: int
    optimizer: Callable[..., Optimizer]
    settings: tuple[tuple[str, Any], ...]
    """The optimizer's, sorted by name."""


class Plan(NamedTuple):
    """What all lanes share."""

    x: Array
    y: Array
    loss: Callable[..., Any]
    epochs: int
    batch_size: int | None
    patience: int | None
    """The epochs after which a lane whose watched loss has not got better stops, with its best weights."""


class Ended(NamedTuple):
    """How the training of a lane ended: the epoch whose weights it has, and why it stopped early, or ""."""

    epoch: int
    stopped: str
    diverged: bool


class Unsuited(ChainruleError):
    """Networks that cannot run as lanes; the message says why. Each is trained by itself then."""


def train_lanes(plan: Plan, lanes: Sequence[Lane], done: Callable[[int], None]) -> list[Ended]:
    """Train networks of one kind, on equally many rows each, in place.

    `done` is told of every epoch that a lane has finished. Raises Unsuited before any of them has finished one; some
    may have made a step by then.
    """
    refuse_unsuited(plan, lanes)
    seen: dict[Hashable, Examples] = {}
    nets: dict[Hashable, list[Net]] = {}
    programs: dict[Hashable, list[Prepared]] = {}
    every: list[Net] = []
    for lane in lanes:
        examples = Examples(plan, lane)
        net = Net(lane, plan.loss, seen.setdefault(examples.key, examples))
        if net.make not in programs:
            programs[net.make] = net.programs()
        nets.setdefault((net.make, examples.key), []).append(net)
        every.append(net)
    judge = compiled(loss_of(lanes[0].model, plan.loss))
    for together in nets.values():
        for net in together:
            net.begin()
            net.take(programs[net.make])
        train_together(plan, together, judge, done)
    return [net.end(plan) for net in every]


def train_together(plan: Plan, nets: Sequence[Net], judge: Callable[..., Any], done: Callable[[int], None]) -> None:
    """Train networks that see the same examples in the same order, epoch by epoch."""
    left = [net for net in nets if not (plan.patience is None and net.leaps(plan.epochs))]
    done(plan.epochs * (len(nets) - len(left)))
    for epoch in range(1, plan.epochs + 1):
        parts = nets[0].examples.batches(epoch)
        for net in left:
            net.epoch(epoch, parts)
            if plan.patience is not None and not net.diverged:
                net.watch(judge, plan.patience)
            done(plan.epochs - epoch + 1 if net.stopped else 1)
        left = [net for net in left if not net.stopped]


def refuse_unsuited(plan: Plan, lanes: Sequence[Lane]) -> None:
    """Refuse networks that keep numbers of their own, draw at random, or are not the first one's equals.

    The loss that each has at its start, alone and with its parameters in the first network, tells.
    """
    first = lanes[0].model
    if any(True for _ in first.named_buffers()):
        raise Unsuited("it keeps running numbers")
    if not all(x.requires_grad for x in first.parameters()):
        raise Unsuited("some of its parameters are frozen")
    if any([generators_of(lane.model) for lane in lanes]):
        raise Unsuited("it draws at random")
    size = plan.batch_size or len(lanes[0].rows)
    with Quiet():
        for lane in lanes:
            x, y = as_given(plan.x[lane.rows[:size]]), plan.y[lane.rows[:size]]
            parameters = {name: held.data for name, held in lane.model.named_parameters()}
            alone = np.asarray(plan.loss(lane.model(x), y).data)
            here = np.asarray(plan.loss(functional_call(first, parameters, (x,)), y).data)
            if alone.shape or not np.array_equal(alone, here, equal_nan=True):
                raise Unsuited("it draws at random, or differs from others with its settings")


def loss_of(model: Module, loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss of a batch as a function of the network's parameters."""

    def of_batch(parameters: dict[str, Array], x: Any, y: Any) -> Any:
        return loss(functional_call(model, parameters, (x,)), y)

    return of_batch


class Examples:
    """What networks see, and in which order; `key` is equal for those that see the same."""

    def __init__(self, plan: Plan, lane: Lane) -> None:
        self.rows, self.seed = lane.rows, lane.seed
        self.size = min(plan.batch_size or len(lane.rows), len(lane.rows))
        self.whole = self.size == len(lane.rows)
        """Whether all are one batch, which keeps its order."""
        self.key: Hashable = (id(lane.rows), None if self.whole else lane.seed)
        self.given = plan.x, plan.y

    @cached_property
    def data(self) -> tuple[Array, Array, None]:
        """Inputs, targets and no weights, of which the batches are parts."""
        x, y = self.given
        return (x[self.rows], y[self.rows], None) if self.whole else (x, y, None)

    def batches(self, epoch: int) -> list[Array | None]:
        """The places of an epoch's batches, those of equal size together, of shape (batches, size); None for all."""
        if self.whole:
            return [None]
        rows = self.rows[order_of(self.seed, epoch, len(self.rows))]
        full = len(rows) // self.size * self.size
        parts = rows[:full].reshape(-1, self.size), rows[full:].reshape(1, -1)
        return [np.ascontiguousarray(part, np.int64) for part in parts if part.size]


class Net:
    """A network in training, with its optimizer; those of one `make` run by the same programs."""

    def __init__(self, lane: Lane, loss: Callable[..., Any], examples: Examples) -> None:
        self.lane, self.examples = lane, examples
        self.parameters = dict(lane.model.named_parameters())
        self.optimizer = lane.optimizer([*self.parameters.values()], **dict(lane.settings))
        self.make: Hashable = (type(self.optimizer), settings_of(self.optimizer)[0])
        self.step = TrainingStep(lane.model, loss, self.optimizer)
        self.first: list[float] = []
        """The loss before its first step, which is the engine's, once it is made."""
        self.calls: list[Call] = []
        self.row: Row
        """The numbers that calls change, where there are some."""
        self.best, self.best_epoch = np.inf, 0
        self.best_numbers: dict[str, Array] = {}
        self.last_epoch = 0
        self.stopped, self.diverged = "", False

    def begin(self) -> None:
        """Make the first step, which makes what the optimizer keeps."""
        if not self.first:
            data, rows = self.examples.data, self.examples.batches(1)[0]
            self.first = [self.step.eager(*(data if rows is None else rows_of(data, rows[0])))]

    def programs(self) -> list[Prepared]:
        """The programs of the steps of all networks of its make, for full batches and the last of an epoch."""
        try:
            self.begin()
            return [self.step.prepare(self.examples.data, rows) for rows in self.examples.batches(1)]
        except Exception as error:  # a user's code may raise anything where it meets no numbers
            raise Unsuited(str(error).split("\n")[0]) from error

    def take(self, programs: Sequence[Prepared]) -> None:
        """Run by these from now on."""
        if all([program.version.native is not None and program.in_place for program in programs]):
            state = State(self.step.made_of.parts, self.optimizer, programs[0].state.without)
            self.row = Row(state)
            numbers = settings_of(self.optimizer)[1]
            self.calls = [Call(program, self.row, numbers, self.examples.data) for program in programs]

    def leaps(self, epochs: int) -> bool:
        """Make all steps at once, where each epoch is one; or none, where its numbers do not stay finite."""
        if not (self.examples.whole and self.calls and np.isfinite(self.first).all()):
            return False
        losses = self.calls[0].made(None, epochs - 1)
        if losses is None or not np.isfinite(losses).all() or not self.is_sound():
            self.row.take_back()
            return False
        self.last_epoch = epochs
        return True

    def epoch(self, epoch: int, parts: Sequence[Array | None]) -> None:
        losses: list[float] = []
        for i, rows in enumerate(parts):
            begun = epoch == 1 and not i
            losses += self.first * begun
            losses += self.made(i, rows if rows is None else rows[begun:], begun)
        self.last_epoch = epoch
        bad = next((i for i, x in enumerate(losses) if not isfinite(x)), None)
        if bad is not None:
            self.stopped = f"the loss became {losses[bad]} in epoch {epoch}, batch {bad + 1}"
        elif not self.is_sound():
            self.stopped = f"a parameter became infinite or nan in epoch {epoch}"
        self.diverged = bool(self.stopped)

    def made(self, program: int, rows: Array | None, begun: bool) -> list[float]:
        """The losses of a step on each of these batches, by a program."""
        if begun if rows is None else not len(rows):
            return []
        if self.calls:
            losses = self.calls[program].made(rows, 1 if rows is None else len(rows))
            if losses is not None:
                return losses.tolist()
            self.row.take_back()
            self.row.written()
            self.calls = []
        x, y, _ = self.examples.data
        return [self.step(x, y)] if rows is None else self.step.scan(x, y, rows).tolist()

    def is_sound(self) -> bool:
        numbers = self.row.parameters if self.calls else [held.data for held in self.parameters.values()]
        return all([np.isfinite(x).all() for x in numbers])

    def watch(self, judge: Callable[..., Any], patience: int) -> None:
        """Keep the weights if it got better, and stop it if its patience is out."""
        assert self.lane.watched is not None
        if self.calls:
            self.row.written()
        parameters = {name: held.data for name, held in self.parameters.items()}
        loss = float(judge(parameters, *self.lane.watched))
        if loss < self.best:
            self.best, self.best_epoch = loss, self.last_epoch
            self.best_numbers = {name: array.copy() for name, array in parameters.items()}
        if self.last_epoch - self.best_epoch >= patience:
            self.stopped = out_of_patience("val_loss", patience, self.best_epoch)

    def end(self, plan: Plan) -> Ended:
        """The network has the weights that are to stay, and nothing of its training."""
        if self.calls:
            self.row.written()
        self.optimizer.zero_grad()
        if self.best_numbers:
            self.lane.model.load_state_dict(self.best_numbers)
        epoch = plan.epochs if plan.patience is None else self.best_epoch
        return Ended(epoch, self.stopped, self.diverged)


class Row:
    """All that a network's steps change, side by side, so that it is kept, and looked at, in one go."""

    def __init__(self, state: State) -> None:
        self.state, self.own = state, state.arrays()
        ends = np.cumsum([0, *[rounded_up(x.nbytes) for x in self.own]]).tolist()
        self.numbers = np.zeros(ends[-1] + ALIGNED, np.uint8)
        self.numbers = self.numbers[-self.numbers.ctypes.data % ALIGNED :][: ends[-1]]
        places = zip(ends, self.own, strict=False)
        self.arrays = [self.numbers[start : start + x.nbytes].view(x.dtype).reshape(x.shape) for start, x in places]
        for x, own in zip(self.arrays, self.own, strict=True):
            np.copyto(x, own)
        count = len(state.members)
        self.parameters = self.arrays[:count]
        if len({x.dtype for x in self.parameters}) == 1:
            self.parameters = [self.numbers[: ends[count]].view(self.parameters[0].dtype)]
        self.kept = self.numbers.copy()

    def keep(self) -> None:
        np.copyto(self.kept, self.numbers)

    def take_back(self) -> None:
        np.copyto(self.numbers, self.kept)

    def written(self) -> None:
        """The network and its optimizer have these numbers."""
        for x, own in zip(self.arrays, self.own, strict=True):
            np.copyto(own, x)
        self.state.written(self.own)


class Call:
    """A program of steps and what it runs on, called again and again without asking more."""

    def __init__(self, program: Prepared, row: Row, numbers: Sequence[float], data: Any) -> None:
        self.program, self.row = program, row
        self.outside = [plain(x) for x in program.version.trace.held.values()]
        self.given = [*row.arrays, *numbers, *[part for part in data if part is not None]]
        roles = [STAYS] * len(self.given)
        for k, i in enumerate(program.example.changed, 1):
            roles[i] = k
        stay = (STAYS,) * len(self.outside)
        self.roles, self.roles_by_rows = (*roles, *stay), (*roles, ADVANCES, *stay)
        self.last_ones = len(program.version.trace.outputs) - len(row.state.members)

    def made(self, rows: Array | None, steps: int) -> Array | None:
        """The losses of some steps, on the batches of `rows` or on all examples; None where numbers are refused."""
        example = self.program.example
        self.row.keep()
        if not steps:
            return np.zeros(0)
        roles = self.roles if rows is None else self.roles_by_rows
        given = (*self.given, *(() if rows is None else (rows,)), *self.outside)
        try:
            results = self.program.version.native.scan(steps, roles, given, self.last_ones, True)
        except IndexError:
            return None
        unfit = results[1 + len(example.changed) + example.weighs] if example.refuses else None
        return None if unfit is not None and unfit.any() else results[0]

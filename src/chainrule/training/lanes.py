"""Many small networks of one kind trained by one program, side by side: each makes the steps of an epoch in its turn.

What a step computes is traced, differentiated and planned once, from the first network, as `TrainingStep` does it; the
program then runs on the parameters of every other one, and on what its optimizer keeps, where these lie. So a lane does
what `fit` would have done with its network alone.
"""

# What a user's network and loss give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property, reduce
from math import isfinite, prod
from typing import Any, NamedTuple

import numpy as np

from chainrule.codegen.compiled import compile as compiled
from chainrule.codegen.version import ADVANCES, STAYS, plain
from chainrule.collector import without_collector
from chainrule.core.instructions import aligned, rounded_up
from chainrule.core.state import Quiet
from chainrule.data.loader import order_of
from chainrule.errors import ChainruleError
from chainrule.kinds import Array
from chainrule.nn.module import Module, Parameter
from chainrule.nn.stateless import functional_call
from chainrule.optim.optimizer import Optimizer
from chainrule.training.batches import as_given
from chainrule.training.callbacks import out_of_patience
from chainrule.training.generators import generators_of
from chainrule.training.step import Prepared, TrainingStep, rows_of
from chainrule.training.step_program import parts_of
from chainrule.training.step_state import State, is_written_here, settings_of

GATHERED_BYTES, GATHERED_FOR = 2**22, 4
"""Examples that are small enough to be put in the order of an epoch at once, for so many networks and more."""
ORDERS_AT_ONCE = 10
"""Between two epochs of many networks, what draws an order has left the near caches: one takes as long as ten."""


class Lane(NamedTuple):
    """A network to train: where it begins, on which rows, in which order, and what moves it."""

    model: Module
    dtype: Any
    """Of its parameters; None where they have several."""
    rows: Array
    watched: tuple[Array, Array] | None
    """Inputs and targets by which it is seen when to stop."""
    seed: int
    optimizer: Callable[..., Optimizer]
    settings: tuple[tuple[str, Any], ...]
    """The optimizer's, sorted by name."""
    make: Hashable
    """What is equal for networks, with their losses, that compute the same; None where nobody knows."""


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
    with without_collector():
        for lane in lanes:
            examples = Examples(plan, lane)
            net = Net(lane, plan.loss, seen.setdefault(examples.key, examples))
            nets.setdefault((net.make, examples.key), []).append(net)
            every.append(net)
    gathered = plan.x.nbytes <= GATHERED_BYTES and len(seen) * GATHERED_FOR <= len(lanes)
    for examples in seen.values():
        examples.gathered = gathered
    for net in every:
        if net.make not in programs:
            programs[net.make] = net.programs()
    judge = compiled(loss_of(lanes[0].model, plan.loss))
    for together in nets.values():
        for net in together:
            net.begin()
        run_by(programs[together[0].make], together)
        train_together(plan, together, judge, done)
    return [net.end(plan) for net in every]


def run_by(programs: Sequence[Prepared], nets: Sequence[Net]) -> None:
    """Have networks of one make run by these programs, where those write in place."""
    if not all([program.version.native is not None and program.in_place for program in programs]):
        return
    rows = Rows([net.state(programs[0].state) for net in nets])
    settings = np.array([net.settings for net in nets])
    own = [*rows.columns, *[settings[:, k] for k in range(settings.shape[1])]]
    calls = [Call(program, len(rows.states[0].members), len(own)) for program in programs]
    for place, net in enumerate(nets):
        net.calls, net.rows, net.place = calls, rows, place
        net.own = tuple([column[place, ...] for column in own])


def train_together(plan: Plan, nets: Sequence[Net], judge: Callable[..., Any], done: Callable[[int], None]) -> None:
    """Train networks that see the same examples in the same order, epoch by epoch."""
    left = nets
    if plan.patience is None and nets[0].examples.whole:
        left = those_that_cannot_leap(nets, plan.epochs)
    done(plan.epochs * (len(nets) - len(left)))
    for epoch in range(1, plan.epochs + 1):
        batches = nets[0].examples.batches(epoch)
        for net, losses, sound in zip(left, *made_of(left, nets[0].left_of(epoch, batches)), strict=True):
            if sound and not (epoch == 1 and net.first):
                net.last_epoch = epoch
            else:
                net.epoch(epoch, batches, losses)
            if plan.patience is not None and not net.diverged:
                net.watch(judge, plan.patience)
            done(plan.epochs - epoch + 1 if net.stopped else 1)
        left = [net for net in left if not net.stopped]


def those_that_cannot_leap(nets: Sequence[Net], epochs: int) -> Sequence[Net]:
    """Make all steps at once, where each epoch is one; those are left whose numbers do not stay finite."""
    batches = nets[0].examples.batches(1)[0]._replace(steps=epochs - len(nets[0].first))
    left: list[Net] = []
    for net, sound in zip(nets, made_of(nets, [batches])[1], strict=True):
        if sound and np.isfinite(net.first).all():
            net.last_epoch = epochs
        else:
            left.append(net)
            if net.calls:
                net.rows.take_back(net.place)
    return left


def made_of(nets: Sequence[Net], batches: Sequence[EqualBatches]) -> tuple[Sequence[Array | None], Sequence[bool]]:
    """For each network the losses of a step on each batch, and whether these and its numbers then are finite.

    None where numbers are refused, or it has no program.
    """
    nothing: tuple[Sequence[None], Sequence[bool]] = [None] * len(nets), [False] * len(nets)
    by_program = [net for net in nets if net.calls]
    if not by_program:
        return nothing
    lanes = tuple([net.own for net in by_program])
    made = [call.made(part, lanes) for call, part in zip(by_program[0].calls, batches, strict=False)]
    known = [part for part in made if part is not None]
    if len(known) < len(made):
        return nothing
    losses = np.concatenate([part.losses for part in known], axis=1)
    refused = reduce(np.logical_or, [part.refused for part in known])
    sound = np.isfinite(losses).all(axis=1) & by_program[0].rows.are_sound()[[net.place for net in by_program]]
    found = iter(zip(losses, refused.tolist(), sound.tolist(), strict=True))
    each = [next(found) if net.calls else (None, True, False) for net in nets]
    return [None if bad else own for own, bad, _ in each], [fine and not bad for _, bad, fine in each]


def refuse_unsuited(plan: Plan, lanes: Sequence[Lane]) -> None:
    """Refuse networks that keep numbers of their own, draw at random, or are not the first one's equals.

    Where nobody knows whether they are alike, the loss that each has at its start, alone and with its parameters in the
    first network, tells.
    """
    first = lanes[0].model
    if any(True for _ in first.named_buffers()):
        raise Unsuited("it keeps running numbers")
    if not all(x.requires_grad for x in first.parameters()):
        raise Unsuited("some of its parameters are frozen")
    alike = lanes[0].make is not None and len({lane.make for lane in lanes}) == 1
    if any([generators_of(lane.model) for lane in lanes[: 1 if alike else None]]):
        raise Unsuited("it draws at random")
    size = plan.batch_size or len(lanes[0].rows)
    with Quiet():
        for lane in [] if alike else lanes:
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


class EqualBatches(NamedTuple):
    """Batches of equal size that follow each other: the places of their examples, and how a program is given them."""

    rows: Array | None
    """Of shape (batches, size); None where each is all examples."""
    steps: int
    given: tuple[Array, ...]
    roles: tuple[int, ...]

    def but_first(self) -> EqualBatches:
        """Those after the first."""
        given = [x[1:] if role == ADVANCES else x for x, role in zip(self.given, self.roles, strict=True)]
        return EqualBatches(None if self.rows is None else self.rows[1:], self.steps - 1, tuple(given), self.roles)


class Examples:
    """What networks see, and in which order; `key` is equal for those that see the same."""

    def __init__(self, plan: Plan, lane: Lane) -> None:
        self.x, self.y, self.rows, self.seed, self.epochs = plan.x, plan.y, lane.rows, lane.seed, plan.epochs
        self.orders: dict[int, Array] = {}
        self.size = min(plan.batch_size or len(lane.rows), len(lane.rows))
        self.whole = self.size == len(lane.rows)
        """Whether all are one batch, which keeps its order."""
        self.key: Hashable = (id(lane.rows), None if self.whole else lane.seed)
        self.gathered = False
        """Whether batches are put together once for all networks, and not by every step."""

    @cached_property
    def data(self) -> tuple[Array, Array, None]:
        """Inputs, targets and no weights, of which the batches are parts."""
        return (self.x[self.rows], self.y[self.rows], None) if self.whole else (self.x, self.y, None)

    def order(self, epoch: int) -> Array:
        """The rows in the order of an epoch, those of the next ones drawn with it."""
        if epoch not in self.orders:
            last = min(self.epochs, epoch + ORDERS_AT_ONCE - 1) if self.gathered else epoch
            self.orders = {k: self.rows[order_of(self.seed, k, len(self.rows))] for k in range(epoch, last + 1)}
        return self.orders[epoch]

    def batches(self, epoch: int) -> list[EqualBatches]:
        x, y, _ = self.data
        if self.whole:
            return [EqualBatches(None, 1, (x, y), (STAYS, STAYS))]
        order = self.order(epoch)
        full = len(order) // self.size * self.size
        found: list[EqualBatches] = []
        for part in order[:full].reshape(-1, self.size), order[full:].reshape(1, -1):
            rows = np.ascontiguousarray(part, np.int64)
            if self.gathered and rows.size:
                found.append(EqualBatches(rows, len(rows), (picked(x, rows), picked(y, rows)), (ADVANCES, ADVANCES)))
            elif rows.size:
                found.append(EqualBatches(rows, len(rows), (x, y, rows), (STAYS, STAYS, ADVANCES)))
        return found


def picked(x: Array, rows: Array) -> Array:
    """The examples of these rows side by side, from the beginning of a line of the cache on."""
    shape = (*rows.shape, *x.shape[1:])
    found = aligned(prod(shape) * x.itemsize).view(x.dtype).reshape(shape)
    # Rows of an order are there; where NumPy looks whether they are, it writes what is picked twice.
    return x.take(rows, axis=0, out=found, mode="clip")


class Net:
    """A network in training, with its optimizer; those of one `make` run by the same programs."""

    def __init__(self, lane: Lane, loss: Callable[..., Any], examples: Examples) -> None:
        self.lane, self.loss, self.examples = lane, loss, examples
        self.optimizer = lane.optimizer([*lane.model.parameters()], **dict(lane.settings))
        structure, self.settings = settings_of(self.optimizer)
        self.make: Hashable = type(self.optimizer), structure
        self.begun = False
        self.first: list[float] = []
        """The loss before its first step, where the engine made that."""
        self.calls: Sequence[Call] = ()
        self.rows: Rows
        """The numbers that calls change, where there are some: its own are in the row of its place."""
        self.place: int
        self.own: tuple[Array, ...]
        """What calls are given of this network alone: those numbers, and the optimizer's settings."""
        self.best, self.best_epoch = np.inf, 0
        self.best_numbers: dict[str, Array] = {}
        self.last_epoch = self.written_epoch = 0
        """The last one that was made, and the last one after which the network itself got the numbers."""
        self.stopped, self.diverged = "", False

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        return dict(self.lane.model.named_parameters())

    @cached_property
    def step(self) -> TrainingStep:
        return TrainingStep(self.lane.model, self.loss, self.optimizer)

    def begin(self) -> None:
        """Have the optimizer keep something: what it keeps at the start, or what the engine's first step leaves."""
        if not self.begun and not (is_written_here(self.optimizer) and self.optimizer.start()):
            rows = self.examples.batches(1)[0].rows
            data = self.examples.data
            self.first = [self.step.eager(*(data if rows is None else rows_of(data, rows[0])))]
        self.begun = True

    def programs(self) -> list[Prepared]:
        """The programs of the steps of all networks of its make, for full batches and the last of an epoch."""
        data = self.examples.data
        try:
            self.begin()
            return [
                self.step.prepare(rows_of(data, batches.rows[0]), None)
                if batches.rows is not None and self.examples.gathered
                else self.step.prepare(data, batches.rows)
                for batches in self.examples.batches(1)
            ]
        except Exception as error:  # a user's code may raise anything where it meets no numbers
            raise Unsuited(str(error).split("\n")[0]) from error

    def state(self, known: State) -> State:
        """All that its steps change, as that of another network whose program it runs by."""
        parts = parts_of(self.lane.model, self.loss)
        alike = self.lane.make is not None
        return known.of(parts, self.optimizer) if alike else State(parts, self.optimizer, known.without)

    def epoch(self, epoch: int, batches: Sequence[EqualBatches], made: Array | None) -> None:
        """An epoch is over in which the programs gave these losses; where they gave none, make its steps one by one."""
        if made is None:
            self.make_again(epoch)
            losses = [loss for part in self.left_of(epoch, batches) for loss in self.one_by_one(part)]
        else:
            losses = made.tolist()
        if epoch == 1:
            losses = self.first + losses
        self.last_epoch = epoch
        bad = next((i for i, x in enumerate(losses) if not isfinite(x)), None)
        if bad is not None:
            self.stopped = f"the loss became {losses[bad]} in epoch {epoch}, batch {bad + 1}"
        elif not self.is_sound():
            self.stopped = f"a parameter became infinite or nan in epoch {epoch}"
        self.diverged = bool(self.stopped)

    def left_of(self, epoch: int, batches: Sequence[EqualBatches]) -> Sequence[EqualBatches]:
        """The batches of an epoch that are left for programs."""
        return [batches[0].but_first(), *batches[1:]] if epoch == 1 and self.first else batches

    def make_again(self, until: int) -> None:
        """Where a program has refused numbers, make all epochs before that one again, step by step."""
        if self.calls:
            self.calls = ()
            for epoch in range(self.written_epoch + 1, until):
                for part in self.left_of(epoch, self.examples.batches(epoch)):
                    self.one_by_one(part)

    def one_by_one(self, batches: EqualBatches) -> list[float]:
        """The losses of a step on each of these batches, where each step is looked at."""
        x, y, _ = self.examples.data
        if batches.rows is None or not batches.steps:
            return [self.step(x, y) for _ in range(batches.steps)]
        return self.step.scan(x, y, batches.rows).tolist()

    def is_sound(self) -> bool:
        if self.calls:
            return self.rows.is_sound(self.place)
        return all([np.isfinite(held.data).all() for held in self.parameters.values()])

    def watch(self, judge: Callable[..., Any], patience: int) -> None:
        """Keep the weights if it got better, and stop it if its patience is out."""
        assert self.lane.watched is not None
        if self.calls:
            self.rows.written(self.place)
            self.written_epoch = self.last_epoch
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
            self.rows.give_parameters(self.place)
        self.optimizer.zero_grad()
        if self.best_numbers:
            self.lane.model.load_state_dict(self.best_numbers)
        epoch = plan.epochs if plan.patience is None else self.best_epoch
        return Ended(epoch, self.stopped, self.diverged)


class Rows:
    """All that the steps of some networks change, a row for each, so that it is kept, and looked at, in one go.

    `columns` has each array of the first one's state with those of the others, along a new first axis.
    """

    def __init__(self, states: Sequence[State]) -> None:
        self.states, count = states, len(states[0].members)
        first = states[0].arrays()
        ends = np.cumsum([0, *[rounded_up(x.nbytes) for x in first]]).tolist()
        numbers = aligned(len(states) * ends[-1]).reshape(len(states), ends[-1])
        numbers.fill(0)
        self.columns = [
            numbers[:, start : start + x.nbytes].view(x.dtype).reshape(len(states), *x.shape)
            for start, x in zip(ends, first, strict=False)
        ]
        self.parameters = [x.reshape(len(states), -1) for x in self.columns[:count]]
        if len({x.dtype for x in self.parameters}) == 1:
            self.parameters = [numbers[:, : ends[count]].view(first[0].dtype)]
        for place in range(len(states)):
            self.take_back(place)

    def take_back(self, place: int) -> None:
        """The numbers of a network are again those that it and its optimizer have."""
        for column, own in zip(self.columns, self.states[place].arrays(), strict=True):
            column[place] = own

    def written(self, place: int) -> None:
        """A network and its optimizer have its numbers."""
        own = self.states[place].arrays()
        for column, x in zip(self.columns, own, strict=True):
            np.copyto(x, column[place])
        self.states[place].written(own)

    def give_parameters(self, place: int) -> None:
        """A network has its numbers, and its optimizer, which is needed no more, what it had."""
        for column, member in zip(self.columns, self.states[place].members, strict=False):
            np.copyto(member.parameter.data, column[place])
            member.parameter.mark_changed()

    def are_sound(self) -> Array:
        """Whether all parameters of a network are finite, for each."""
        # The sum of their squares is sooner looked at than all numbers, and finite only where they are.
        with Quiet():
            sound = np.logical_and.reduce(np.isfinite([np.vecdot(x, x) for x in self.parameters]))
        for place in np.flatnonzero(~sound).tolist():
            sound[place] = self.is_sound(place)
        return sound

    def is_sound(self, place: int) -> bool:
        return all([np.isfinite(x[place]).all() for x in self.parameters])


class Made(NamedTuple):
    """The losses of steps, of shape (lanes, steps), and whether a lane's numbers are refused."""

    losses: Array
    refused: Array


class Call:
    """A program of steps, called again and again, for several lanes at a time, without asking more."""

    def __init__(self, program: Prepared, members: int, own: int) -> None:
        self.program = program
        roles = [STAYS] * own
        for k, i in enumerate(program.example.changed, 1):
            roles[i] = k
        self.roles = tuple(roles)
        self.outside = tuple([plain(x) for x in program.version.trace.held.values()])
        self.outside_roles = (STAYS,) * len(self.outside)
        self.last_ones = len(program.version.trace.outputs) - members

    def made(self, batches: EqualBatches, lanes: tuple[tuple[Array, ...], ...]) -> Made | None:
        """A step on each of these batches, for each lane; None where the examples are refused."""
        never = np.zeros(len(lanes), bool)
        if not batches.steps:
            return Made(np.zeros((len(lanes), 0)), never)
        example = self.program.example
        roles = (*self.roles, *batches.roles, *self.outside_roles)
        shared = (*batches.given, *self.outside)
        try:
            results = self.program.version.native.scan_lanes(batches.steps, roles, lanes, shared, self.last_ones)
        except IndexError:
            return None
        refused = results[1 + len(example.changed) + example.weighs].any(axis=1) if example.refuses else never
        return Made(results[0], refused)

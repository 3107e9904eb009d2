"""Many small networks of one kind trained side by side: their parameters stacked, one program for all of them.

What a step computes is traced from one network and mapped over all (`vmap`), and compiled. Optimizers are the ordinary
ones: each moves the parameters of the networks that have its settings, which are views of the stacks. So a lane does
what `fit` would have done with its network alone.
"""

# What a user's network and loss give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.codegen.compiled import compile as compiled
from chainrule.core.graph import from_array
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError, GraphError
from chainrule.mapping import vmap
from chainrule.nn.module import Module
from chainrule.nn.stateless import functional_call
from chainrule.optim.optimizer import Optimizer
from chainrule.program import trace
from chainrule.training.batches import as_given, order_of
from chainrule.training.callbacks import out_of_patience
from chainrule.transforms import value_and_grad

Array = NDArray[Any]
WORKSPACE_BYTES = 2**22
"""What the networks of a block compute with between two steps: more would wait for memory, less for Python."""
MOST_LANES = 256


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
    """What all lanes of a block share."""

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


def lanes_in_a_block(plan: Plan, lane: Lane) -> int:
    """How many networks to train side by side, so that what they compute with stays near the processor."""
    size = min(plan.batch_size or len(lane.rows), len(lane.rows))
    parameters = {name: held.data for name, held in lane.model.named_parameters()}
    steps = trace(
        value_and_grad(loss_of(lane.model, plan.loss)), parameters, plan.x[lane.rows[:size]], plan.y[lane.rows[:size]]
    )
    used = sum([np.prod(step.shape, dtype=int) * step.dtype.itemsize for step in steps.program.steps])
    return int(np.clip(WORKSPACE_BYTES // max(1, used), 8, MOST_LANES))


def loss_of(model: Module, loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss of a batch as a function of the network's parameters."""

    def of_batch(parameters: dict[str, Array], x: Any, y: Any) -> Any:
        return loss(functional_call(model, parameters, (x,)), y)

    return of_batch


def train_lanes(plan: Plan, lanes: Sequence[Lane], done: Callable[[int], None]) -> list[Ended]:
    """Train networks of one kind, on equally many rows each, in place.

    `done` is told of every epoch that a block has finished. Raises Unsuited before any of them has learned; what draws
    at random may have drawn by then.
    """
    refuse_unsuited(plan, lanes)
    ended: list[Ended] = []
    try:
        block = lanes_in_a_block(plan, lanes[0])
    except GraphError:
        raise Unsuited("what it computes depends on the numbers by a branch") from None
    loss = loss_of(lanes[0].model, plan.loss)
    step, judge = compiled(vmap(value_and_grad(loss))), compiled(vmap(loss))
    for start in range(0, len(lanes), block):
        ended += Block(plan, lanes[start : start + block], step, judge).train(done)
    return ended


def refuse_unsuited(plan: Plan, lanes: Sequence[Lane]) -> None:
    """Refuse networks that keep numbers of their own, draw at random, or are not the first one's equals.

    The loss that each has at its start, alone and with its parameters in the first network, tells.
    """
    first = lanes[0].model
    if any(True for _ in first.named_buffers()):
        raise Unsuited("it keeps running numbers")
    if not all(x.requires_grad for x in first.parameters()):
        raise Unsuited("some of its parameters are frozen")
    size = plan.batch_size or len(lanes[0].rows)
    with Quiet():
        for lane in lanes:
            x, y = as_given(plan.x[lane.rows[:size]]), plan.y[lane.rows[:size]]
            parameters = {name: held.data for name, held in lane.model.named_parameters()}
            alone = [np.asarray(plan.loss(lane.model(x), y).data) for _ in range(2)]
            here = np.asarray(plan.loss(functional_call(first, parameters, (x,)), y).data)
            if alone[0].shape or not all([np.array_equal(number, here, equal_nan=True) for number in alone]):
                raise Unsuited("it draws at random, or differs from others with its settings")


class Block:
    """Some lanes whose parameters are stacked, with an optimizer for those that share its settings."""

    def __init__(self, plan: Plan, lanes: Sequence[Lane], step: Callable[..., Any], judge: Callable[..., Any]) -> None:
        self.plan, self.lanes, self.step, self.judge = plan, lanes, step, judge
        own = [dict(lane.model.named_parameters()) for lane in lanes]
        self.stacks = {name: np.stack([held[name].data for held in own]) for name in own[0]}
        self.moved: list[tuple[slice, dict[str, Tensor], Optimizer]] = []
        start = 0
        for _, group in groupby(lanes, lambda lane: (lane.optimizer, lane.settings)):
            members = [*group]
            part = slice(start, start := start + len(members))
            held = {name: view_of(stack[part]) for name, stack in self.stacks.items()}
            optimizer = members[0].optimizer(list(held.values()), **dict(members[0].settings))
            self.moved.append((part, held, optimizer))
        self.best = np.full(len(lanes), np.inf)
        self.best_epoch = np.zeros(len(lanes), int)
        self.kept = self.stacks
        """The numbers that are given back: the last, or where somebody watches, those of each lane's best epoch."""
        watched = [lane.watched for lane in lanes if lane.watched is not None]
        if watched:
            self.watched = [np.stack(parts) for parts in zip(*watched, strict=True)]
            self.kept = {name: stack.copy() for name, stack in self.stacks.items()}
        self.stopped = [""] * len(lanes)
        self.diverged = np.zeros(len(lanes), bool)
        self.whole: tuple[Array, Array] | None = None
        """All examples of every lane, where they are one batch."""

    def train(self, done: Callable[[int], None]) -> list[Ended]:
        """All epochs; the numbers go back into the networks."""
        with Quiet():
            for epoch in range(1, self.plan.epochs + 1):
                for batch, (x, y) in enumerate(self.batches(epoch), 1):
                    losses, gradients = self.step(self.stacks, x, y)
                    self.note_diverged(losses, f"the loss became {{}} in epoch {epoch}, batch {batch}")
                    self.move(gradients)
                sound = [np.isfinite(stack).reshape(len(stack), -1).all(axis=1) for stack in self.stacks.values()]
                words = f"a parameter became infinite or nan in epoch {epoch}"
                self.note_diverged(np.where(np.all(sound, axis=0), 0.0, np.nan), words)
                if self.plan.patience is not None:
                    self.watch(epoch, self.plan.patience)
                done(len(self.lanes))
                if all(self.stopped):
                    done((self.plan.epochs - epoch) * len(self.lanes))
                    break
        for i, lane in enumerate(self.lanes):
            lane.model.load_state_dict({name: stack[i] for name, stack in self.kept.items()})
        epochs = self.best_epoch if self.plan.patience is not None else np.full(len(self.lanes), self.plan.epochs)
        return [Ended(int(a), b, bool(c)) for a, b, c in zip(epochs, self.stopped, self.diverged, strict=True)]

    def batches(self, epoch: int) -> Iterator[tuple[Array, Array]]:
        """The batches of an epoch, inputs and targets of every lane; a single one keeps its order."""
        examples = len(self.lanes[0].rows)
        size = min(self.plan.batch_size or examples, examples)
        if size == examples:
            self.whole = self.whole or self.taken([lane.rows for lane in self.lanes])
            yield self.whole
            return
        orders = {seed: order_of(seed, epoch, examples) for seed in {lane.seed for lane in self.lanes}}
        rows = [lane.rows[orders[lane.seed]] for lane in self.lanes]
        for start in range(0, examples, size):
            yield self.taken([own[start : start + size] for own in rows])

    def taken(self, rows: Sequence[Array]) -> tuple[Array, Array]:
        """The examples at these rows of every lane."""
        places = np.stack(rows)
        return np.take(self.plan.x, places, axis=0), np.take(self.plan.y, places, axis=0)

    def move(self, gradients: dict[str, Array]) -> None:
        """A step of every optimizer."""
        for part, held, optimizer in self.moved:
            for name, parameter in held.items():
                parameter.grad = from_array(gradients[name][part])
            optimizer.step()

    def watch(self, epoch: int, patience: int) -> None:
        """Keep the weights of the lanes that got better, and stop those whose patience is out."""
        losses = self.judge(self.stacks, *self.watched)
        better = (losses < self.best) & np.array([not words for words in self.stopped])
        self.best[better], self.best_epoch[better] = losses[better], epoch
        for name, kept in self.kept.items():
            kept[better] = self.stacks[name][better]
        for i in np.flatnonzero(epoch - self.best_epoch >= patience):
            self.stopped[i] = self.stopped[i] or out_of_patience("val_loss", patience, int(self.best_epoch[i]))

    def note_diverged(self, numbers: Array, words: str) -> None:
        """Note which lanes diverged: what they compute from here on is nobody's."""
        for i in np.flatnonzero(~np.isfinite(numbers)):
            if not self.stopped[i]:
                self.stopped[i], self.diverged[i] = words.format(float(numbers[i])), True


def view_of(array: Array) -> Tensor:
    """A leaf whose numbers are a part of a stack."""
    leaf = from_array(array)
    leaf.requires_grad = True
    return leaf

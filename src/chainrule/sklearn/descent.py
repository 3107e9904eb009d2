"""How a multilayer perceptron is trained: batch by batch, or by L-BFGS on all examples at once."""

# SciPy has no types here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule.codegen.compiled import Compiled
from chainrule.core.graph import from_array
from chainrule.errors import DivergenceError
from chainrule.kinds import Array
from chainrule.nn.stateless import standing_in
from chainrule.optim import Adam
from chainrule.optim.optimizer import Memory, Settings
from chainrule.training import compiled_steps
from chainrule.training.batches import Batch, Batches, OfArrays
from chainrule.training.callbacks import Callback
from chainrule.training.cost import loss_of
from chainrule.training.fit import train
from chainrule.training.history import History
from chainrule.training.run import Run
from chainrule.transforms import value_and_grad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chainrule.nn.layers import Sequential
    from chainrule.optim import Optimizer
    from chainrule.sklearn.multilayer import MultilayerPerceptron
    from chainrule.sklearn.objectives import Objective


LARGEST_BATCH = 200
"""What ``batch_size="auto"`` is at most."""
LEAST_RATE = 1e-6
"""Below it an adaptive rate is not divided any further."""
RATE_DIVISOR = 5.0


class Examples(NamedTuple):
    """Features, dense or sparse, targets, and how often each example counts."""

    x: Any
    y: Array
    weight: Array | None = None


class EarlyAdam(Adam):
    """Adam with `eps` added to the root of the running mean before that is corrected for its start, as in scikit-learn.

    That is the ε̂ of Kingma and Ba (2015, 2); PyTorch and this package's `Adam` add it after.
    """

    def move(self, data: Array, gradient: Array, memory: Memory, work: Array, settings: Settings) -> None:
        steps = memory.get("steps", 0) + 1
        eps = settings["eps"] / (1 - settings["betas"][1] ** steps) ** 0.5
        super().move(data, gradient, memory, work, {**settings, "eps": eps})


class InItsOrder(OfArrays):
    """Batches of arrays in the orders in which scikit-learn goes through them, each shuffled from the one before."""

    def __init__(self, examples: Examples, size: int, shuffled: Callable[[Array], Array]) -> None:
        settings: Any = {"shuffle": True, "seed": 0, "drop_last": False, "owner": "fit"}
        super().__init__(np.ascontiguousarray(examples.x), examples.y, examples.weight, size, **settings)
        self.places, self.shuffled = np.arange(len(examples.y)), shuffled

    def order(self, epoch: int) -> Array:
        """The places of the examples in the order of the next epoch."""
        self.places = self.shuffled(self.places)
        return self.places


class OfSparse(Batches):
    """Batches of the rows of a sparse matrix, of which only one is dense at a time."""

    uncompiled = "the features are sparse, and each batch is made dense by itself"

    def __init__(self, examples: Examples, size: int, shuffled: Callable[[Array], Array]) -> None:
        self.held, self.size, self.shuffled = examples, size, shuffled
        self.places = np.arange(len(examples.y))
        self.count, self.examples = -(-len(self.places) // size), len(self.places)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        self.places = self.shuffled(self.places)
        x, y, weight = self.held
        for start in range(skip * self.size, len(self.places), self.size):
            chosen = self.places[start : start + self.size]
            yield Batch(
                from_array(dense(x[chosen])), y[chosen], None if weight is None else weight[chosen], len(chosen)
            )


class Watch(Callback):
    """What the estimator notes of every epoch, and when it has enough."""

    def __init__(self, estimator: MultilayerPerceptron, validation: Examples | None, *, once: bool) -> None:
        self.estimator, self.validation, self.once = estimator, validation, once
        self.best = None if validation is None else estimator.net_.state_dict()

    def on_epoch_end(self, run: Run) -> None:
        """Note loss and score, change the rate, and stop where neither gets better."""
        estimator, loss = self.estimator, run.history.rows[-1]["loss"]
        note_epoch(estimator, run.epoch, loss, run.data.examples or 0)
        gained = note_loss(estimator, loss)
        if self.validation is not None:
            gained, is_best = note_score(estimator, self.validation)
            self.best = estimator.net_.state_dict() if is_best else self.best
        estimator.no_gain_ = 0 if gained else estimator.no_gain_ + 1
        change_rate(estimator)
        if estimator.no_gain_ > estimator.n_iter_no_change and not goes_on_slower(estimator):
            run.stop(f"no better for more than {estimator.n_iter_no_change} epochs")
        elif run.epoch == run.epochs and not self.once:
            still_getting_better(estimator)

    def on_end(self, run: Run) -> None:
        """Whatever ended the run, what it has learned is left, but no gradients."""
        self.estimator.history_ = run.history
        run.optimizer.zero_grad()


def descend(
    estimator: MultilayerPerceptron,
    objective: Objective,
    examples: Examples,
    validation: Examples | None,
    *,
    once: bool,
) -> None:
    """Train for at most ``max_iter`` epochs, or for one, as `chainrule.training.fit` does."""

    def shuffled(places: Array) -> Array:
        if not estimator.shuffle:
            return places
        # What sklearn.utils.shuffle does, with the same draws, without its checks.
        order = np.arange(len(places))
        estimator._random.shuffle(order)
        return places[order]

    size = batch_size_of(estimator, len(examples.y))
    batches = InItsOrder if isinstance(examples.x, np.ndarray) else OfSparse
    epochs = 1 if once else int(estimator.max_iter)
    data = batches(examples, size, shuffled)
    run = Run(estimator.net_, objective, estimator._optimizer, None, data, None, {}, epochs, None)
    watch = Watch(estimator, validation, once=once)
    run.callbacks = [watch]
    rate = f"scale the features (StandardScaler), or lower learning_rate_init={estimator.learning_rate_init:g}"
    with run.interrupts:
        train(run, run.callbacks, rate)
    if run.history.diverged:
        raise DivergenceError(f"{type(estimator).__name__}: {run.history.stopped}")
    if watch.best is not None:
        estimator.net_.load_state_dict(watch.best)


def batch_size_of(estimator: MultilayerPerceptron, examples: int) -> int:
    if estimator.batch_size == "auto":
        return min(LARGEST_BATCH, examples)
    if estimator.batch_size > examples:
        warnings.warn(
            f"batch_size={estimator.batch_size} is more than the {examples} examples: all are taken at once",
            stacklevel=2,
        )
    return min(int(estimator.batch_size), examples)


def note_epoch(estimator: MultilayerPerceptron, epoch: int, loss: float, examples: int) -> None:
    estimator.n_iter_, estimator.loss_ = epoch, loss
    estimator.t_ += examples
    estimator.loss_curve_.append(loss)
    if estimator.verbose:
        print(f"epoch {epoch}: loss {loss:.8f}")


def note_loss(estimator: MultilayerPerceptron, loss: float) -> bool:
    """Whether the loss got better by more than the tolerance; the best is kept."""
    best = estimator.best_loss_
    if best is None:
        return True
    estimator.best_loss_ = min(best, loss)
    return not loss > best - estimator.tol


def note_score(estimator: MultilayerPerceptron, validation: Examples) -> tuple[bool, bool]:
    """Whether the score of the validation examples got better by the tolerance, and whether it is the best so far."""
    score = estimator.score_of(*validation)
    if estimator.verbose:
        print(f"validation score {score:.6f}")
    # A net that was made without early stopping has neither of the two yet.
    scores, best = estimator.validation_scores_ or [], estimator.best_validation_score_
    best = -math.inf if best is None else best
    estimator.validation_scores_ = [*scores, score]
    estimator.best_validation_score_ = max(best, score)
    return not score < best + estimator.tol, score > best


def change_rate(estimator: MultilayerPerceptron) -> None:
    """The rate of the next epoch, where it falls with the number of examples that were seen."""
    if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
        set_rate(estimator._optimizer, estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t)


def goes_on_slower(estimator: MultilayerPerceptron) -> bool:
    """Whether training that stands still is given a smaller rate."""
    optimizer = estimator._optimizer
    if estimator.solver != "sgd" or estimator.learning_rate != "adaptive" or optimizer.lr <= LEAST_RATE:
        if estimator.verbose:
            print(f"no better for more than {estimator.n_iter_no_change} epochs")
        return False
    set_rate(optimizer, optimizer.lr / RATE_DIVISOR)
    estimator.no_gain_ = 0
    return True


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Change the rate of later gradients alone: the ball keeps the speed that it has.

    scikit-learn has the rate within the velocity, v ← μ v − lr g, this package and PyTorch outside, so that there the
    steps that are still to come of older gradients would change with it.
    """
    for memory in optimizer.memory:
        if "velocity" in memory:
            memory["velocity"] *= optimizer.lr / rate
    optimizer.lr = rate


def still_getting_better(estimator: MultilayerPerceptron) -> None:
    """Say that the epochs ran out before the loss stood still."""
    warnings.warn(
        f"{type(estimator).__name__} was still getting better after max_iter={estimator.max_iter}: raise it, or the "
        "rate learning_rate_init",
        ConvergenceWarning,
        stacklevel=4,
    )


class OfAll:
    """The loss of all examples and its gradient, as functions of all parameters in a row; `made_by` says what ran."""

    def __init__(self, net: Sequential, objective: Objective, examples: Examples) -> None:
        self.parameters = list(net.parameters())
        modules = [*net.modules(), objective]
        x, y, weight = np.ascontiguousarray(dense(examples.x)), examples.y, examples.weight
        batch = Batch(from_array(x), y, weight, len(y))

        def loss(parameters: Sequence[Any]) -> Any:
            with standing_in(modules, {id(p): q for p, q in zip(self.parameters, parameters, strict=True)}):
                return loss_of(objective, net(batch.x), batch)

        self.function: Callable[..., Any] = value_and_grad(loss)
        self.evaluated = 0
        self.made_by = f"The loss was computed by the engine, as the first {compiled_steps.EAGER_STEPS} times always."

    def __call__(self, flat: Array) -> tuple[float, Array]:
        """The loss with such parameters, and its gradient."""
        self.put(flat)
        if self.evaluated == compiled_steps.EAGER_STEPS:
            self.compile()
        self.evaluated += 1
        value, gradients = self.function([parameter.data for parameter in self.parameters])
        return float(value), joined(gradients)

    def compile(self) -> None:
        """From now on by a program, where that is faster."""
        program = Compiled(self.function)
        program([parameter.data for parameter in self.parameters])
        version = program.needs_version()
        reason = version.reason or compiled_steps.too_slow(version)
        if reason:
            self.made_by = f"The loss was computed by the engine: {reason}."
            return
        self.function = program
        first = (
            f"The loss was computed by the engine the first {compiled_steps.EAGER_STEPS} times, and then by a program."
        )
        self.made_by = f"{first}\n{program.explain()}"

    def put(self, flat: Array) -> None:
        """Give the net these numbers."""
        ends = np.cumsum([parameter.size for parameter in self.parameters])
        for parameter, part in zip(self.parameters, np.split(flat, ends[:-1]), strict=True):
            parameter.data[...] = part.reshape(parameter.shape)
            parameter.mark_changed()


def joined(arrays: Sequence[Array]) -> Array:
    """The numbers of several arrays in a row."""
    return np.concatenate([array.ravel() for array in arrays]).astype(float)


def minimise_at_once(estimator: MultilayerPerceptron, objective: Objective, examples: Examples) -> None:
    """Train on all examples at once by L-BFGS (Liu and Nocedal, 1989), as SciPy has it."""
    from scipy.optimize import minimize

    of_all = OfAll(estimator.net_, objective, examples)
    start = joined([parameter.data for parameter in of_all.parameters])
    limits = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
    found = minimize(of_all, start, jac=True, method="L-BFGS-B", options=limits)
    of_all.put(found.x)
    estimator.n_iter_, estimator.loss_ = min(int(found.nit), estimator.max_iter), float(found.fun)
    estimator.history_ = History()
    estimator.history_.made_by = of_all.made_by
    if not math.isfinite(estimator.loss_):
        raise DivergenceError(
            f"{type(estimator).__name__}: the loss became {estimator.loss_:.3g}: scale the features (StandardScaler)"
        )
    if found.status == 1:
        still_getting_better(estimator)


def dense(x: Any) -> Array:
    return x if isinstance(x, np.ndarray) else x.toarray()

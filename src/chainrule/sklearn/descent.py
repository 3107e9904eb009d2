"""How a multilayer perceptron is trained: batch by batch, or by L-BFGS on all examples at once."""

# SciPy has no types here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import shuffle

from chainrule.core.state import Quiet
from chainrule.errors import DivergenceError
from chainrule.sklearn.chain import Chain, Objective

if TYPE_CHECKING:
    from chainrule.optim import Optimizer
    from chainrule.sklearn.multilayer import MultilayerPerceptron

Array = NDArray[Any]

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


def descend(
    estimator: MultilayerPerceptron,
    chain: Chain,
    objective: Objective,
    examples: Examples,
    validation: Examples | None,
    *,
    once: bool,
) -> None:
    """Train for at most ``max_iter`` epochs, or for one, and note how it went in the estimator."""
    size = batch_size_of(estimator, len(examples.y))
    order: Any = np.arange(len(examples.y))
    best = None if validation is None else estimator.net_.state_dict()
    try:
        for epoch in range(1, 2 if once else estimator.max_iter + 1):
            if estimator.shuffle:
                order = shuffle(order, random_state=estimator._random)
            with Quiet():
                loss = one_epoch(estimator, chain, objective, examples, order, size)
            note_epoch(estimator, chain, epoch, loss, len(order))
            gained = note_loss(estimator, loss)
            if validation is not None:
                chain.hand_back()
                gained, is_best = note_score(estimator, validation)
                best = estimator.net_.state_dict() if is_best else best
            estimator.no_gain_ = 0 if gained else estimator.no_gain_ + 1
            change_rate(estimator)
            if estimator.no_gain_ > estimator.n_iter_no_change and not goes_on_slower(estimator):
                break
            if epoch == estimator.max_iter and not once:
                still_getting_better(estimator)
    finally:
        # Also a run that was interrupted leaves what it has learned.
        chain.finish()
    if best is not None:
        estimator.net_.load_state_dict(best)


def one_epoch(
    estimator: MultilayerPerceptron, chain: Chain, objective: Objective, examples: Examples, order: Array, size: int
) -> float:
    """One step for each batch; the mean loss, with the penalty of the weights."""
    x, y, weight = examples
    optimizer = estimator._optimizer
    decayed = optimizer.param_groups[0]
    sparse, shuffled = not isinstance(x, np.ndarray), estimator.shuffle
    total = 0.0
    for start in range(0, len(order), size):
        chosen = order[start : start + size] if shuffled else slice(start, start + size)
        batch = x[chosen].toarray() if sparse else x[chosen]
        shares = None if weight is None else weight[chosen]
        count = len(batch)
        counted = count if shares is None else float(shares.sum())
        if not counted:
            continue
        value, g = objective(chain.forward(batch), y[chosen], shares)
        chain.backward(g)
        decayed["weight_decay"] = estimator.alpha / counted
        total += (value + penalty(decayed)) * count
        if estimator.solver == "adam":
            add_epsilon_to_the_raw_root(estimator)
        optimizer.step()
    return total / len(order)


def add_epsilon_to_the_raw_root(estimator: MultilayerPerceptron) -> None:
    """Set Adam's `eps` for the next step to what scikit-learn's is.

    It adds ε to the root of the running mean before that is corrected for its start (the ε̂ of Kingma and Ba, 2015, 2),
    PyTorch and this package after.
    """
    optimizer = estimator._optimizer
    steps = optimizer.memory[0].get("steps", 0) + 1
    eps = estimator.epsilon / math.sqrt(1 - estimator.beta_2**steps)
    for group in optimizer.param_groups:
        group["eps"] = eps


def penalty(group: dict[str, Any]) -> float:
    """Half the squared weights, times their decay: what the optimizer's `weight_decay` is the derivative of."""
    decay = group["weight_decay"]
    return 0.5 * decay * sum(float(np.vdot(w.data, w.data)) for w in group["params"]) if decay else 0.0


def batch_size_of(estimator: MultilayerPerceptron, examples: int) -> int:
    """How many examples make a batch."""
    if estimator.batch_size == "auto":
        return min(LARGEST_BATCH, examples)
    if estimator.batch_size > examples:
        warnings.warn(
            f"batch_size={estimator.batch_size} is more than the {examples} examples: all are taken at once",
            stacklevel=2,
        )
    return min(int(estimator.batch_size), examples)


def note_epoch(estimator: MultilayerPerceptron, chain: Chain, epoch: int, loss: float, examples: int) -> None:
    """Write down the loss of an epoch, if the net is still of use."""
    estimator.n_iter_, estimator.loss_ = epoch, loss
    refuse_divergence(estimator, chain, loss)
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


def refuse_divergence(estimator: MultilayerPerceptron, chain: Chain, loss: float) -> None:
    """Refuse a net that has become useless."""
    if not math.isfinite(loss) or not all(np.isfinite(held.data).all() for held in chain.flat):
        raise DivergenceError(
            f"{type(estimator).__name__}: the loss became {loss:.3g} in epoch {estimator.n_iter_}: scale the features "
            f"(StandardScaler), or lower learning_rate_init={estimator.learning_rate_init:g}"
        )


def minimise_at_once(estimator: MultilayerPerceptron, chain: Chain, objective: Objective, examples: Examples) -> None:
    """Train on all examples at once by L-BFGS (Liu and Nocedal, 1989), as SciPy has it."""
    from scipy.optimize import minimize

    x, y, weight = dense(examples.x), examples.y, examples.weight
    counted = len(y) if weight is None else float(weight.sum())
    weights, biases = chain.flat
    group = {"weight_decay": estimator.alpha / counted, "params": [weights]}

    def put(flat: Array) -> None:
        weights.data[...], biases.data[...] = flat[: weights.size], flat[weights.size :]

    def value_and_gradient(flat: Array) -> tuple[float, Array]:
        put(flat)
        with Quiet():
            value, g = objective(chain.forward(x), y, weight)
            chain.backward(g)
        in_weights, in_biases = chain.gradients()
        decayed = in_weights + group["weight_decay"] * weights.data
        return value + penalty(group), np.concatenate([decayed, in_biases]).astype(float)

    start = np.concatenate([weights.data, biases.data]).astype(float)
    limits = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=limits)
    put(found.x)
    estimator.n_iter_, estimator.loss_ = min(int(found.nit), estimator.max_iter), float(found.fun)
    refuse_divergence(estimator, chain, estimator.loss_)
    chain.finish()
    if found.status == 1:
        still_getting_better(estimator)


def dense(x: Any) -> Array:
    """A part of the features as an array."""
    return x if isinstance(x, np.ndarray) else x.toarray()

"""Why a loss or a parameter became infinite or nan, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.state import Quiet
from chainrule.errors import ChainruleError
from chainrule.optim.sgd import SGD
from chainrule.training.checkpoint import put_back, states_of
from chainrule.training.curvature import curvature_of, descend
from chainrule.training.run import Diverged, Run

HALVINGS = 20
STEPS = 100
ADVICE = "take a smaller rate, or hold gradients with clip_norm"


def in_words(run: Run, diverged: Diverged, start: Mapping[str, Any], advice: str = ADVICE) -> str:
    """What happened, where, and why as far as it can be measured, and what to do; the model is left as it is.

    For plain gradient descent on all data at once the limit is that of the minimum to which smaller steps from the same
    start descend: 2/λ, with the largest curvature λ there. For every other way of training it is only a measure.
    """
    what = f"{diverged.what} became {diverged.number} in epoch {run.epoch}"
    if run.data.count != 1:
        what += f", batch {diverged.batch}"
    for name, part, held in (("x", "feature", diverged.x), ("y", "output", diverged.y)):
        numbers = np.asarray(getattr(held, "data", held))
        if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            place = [int(i) for i in np.argwhere(~np.isfinite(numbers))[0]]
            where = _place_in_words(place, part, run.data.last_examples())
            return f"{what}: {name} holds {numbers[tuple(place)]} {where}; mend or leave out that example"
    now = states_of(run.model)
    try:
        with Quiet():
            return f"{what}: {_why(run, diverged, start, advice)}"
    except ChainruleError:
        # A rule without a second derivative has no curvature to measure; what happened is worth saying all the same.
        return f"{what}: {advice}"
    finally:
        put_back(now, run.model)


def _place_in_words(place: list[int], part: str, examples: NDArray[Any] | None) -> str:
    """Where an entry of a batch stands: in the data, if it is known which examples the batch has."""
    if examples is None:
        return f"at {place} of the batch, counted from 0 (that loader does not say which examples a batch has)"
    row, *rest = place
    within = f", {part} {rest[0]}" if len(rest) == 1 else f", at {rest}" if rest else ""
    return f"in example {examples[row]}{within}, counted from 0"


def _why(run: Run, diverged: Diverged, start: Mapping[str, Any], advice: str) -> str:
    rates = [float(group["lr"]) for group in run.optimizer.param_groups]
    rate = max(rates)
    if _is_plain(run):
        for halvings in range(1, HALVINGS + 1):
            put_back(start, run.model)
            smaller = rate / 2**halvings
            if descend(run.model, diverged.x, diverged.y, run.loss, smaller, STEPS):
                curvature = curvature_of(run.model, diverged.x, diverged.y, run.loss)
                if curvature > 0 and rate > 2 / curvature:
                    return (
                        f"the step {rate:g} is above the limit {2 / curvature:.3g}, which is 2 / {curvature:.3g}, the "
                        f"largest curvature where descent with the step {smaller:g} leads; take a step below the limit"
                    )
                break
    put_back(start, run.model)
    curvature = curvature_of(run.model, diverged.x, diverged.y, run.loss)
    if not math.isfinite(curvature):
        return f"the loss and its slopes on that batch are not finite at the start either; {advice}"
    if curvature <= 0:
        return f"the rate is {rate:g}; {advice}"
    return (
        f"the largest curvature on that batch, at the weights that the run began with, is {curvature:.3g}; plain "
        f"descent there needs a step below {2 / curvature:.3g}, and the rate is {rate:g}; {advice}"
    )


def _is_plain(run: Run) -> bool:
    """Whether the run is gradient descent in its plainest form, on all data at once and with one rate."""
    groups = run.optimizer.param_groups
    return (
        type(run.optimizer) is SGD
        and run.data.count == 1
        and run.clip_norm is None
        and run.scheduler is None
        and all(not group["momentum"] and not group["weight_decay"] for group in groups)
        and len({group["lr"] for group in groups}) == 1
    )

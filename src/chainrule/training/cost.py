"""What a loss function gives for a batch: one number to learn from, how much it weighs beside others; a step down."""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, cast

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.kinds import what_is
from chainrule.nn.losses import Loss
from chainrule.nn.module import Module
from chainrule.optim.clip import clip_grad_norm_
from chainrule.optim.optimizer import Optimizer
from chainrule.training.batches import Batch


def refuse_loss(owner: str, loss: Any) -> None:
    """Refuse what cannot be called as a loss."""
    if not callable(loss):
        raise DtypeError(f"{owner} takes a loss, a function of prediction and target, not {what_is(loss)}")


def weight_of(loss: Callable[..., Any], out: Any, batch: Batch) -> float | None:
    """What a batch weighs in the mean of all; None for a sum.

    A loss of this package says so itself. Any other is taken for a mean over examples, or over their weights.
    """
    if isinstance(loss, Loss):
        return loss.weight_of(out, batch.y, batch.weight)
    return float(batch.examples) if batch.weight is None else float(np.add.reduce(batch.weight))


def loss_of(loss: Callable[..., Any], out: Any, batch: Batch) -> Any:
    return loss(out, batch.y) if batch.weight is None else loss(out, batch.y, sample_weight=batch.weight)


def takes_weights(function: Callable[..., Any]) -> bool:
    """Whether a loss or metric can be told how much each example counts."""
    try:
        known = signature(function.forward if isinstance(function, Module) else function).parameters
    except (TypeError, ValueError):
        return False
    return "sample_weight" in known or any(given.kind is Parameter.VAR_KEYWORD for given in known.values())


def loss_number(loss: Any, to_learn: bool = True) -> float:
    """The one number of a loss; what else a loss function gave is told."""
    if isinstance(loss, Tensor) and loss.size == 1:
        return float(loss.item())
    plain = isinstance(loss, float | int | np.ndarray | np.generic)
    shape: tuple[int, ...] = np.shape(cast("Any", loss)) if plain or isinstance(loss, Tensor) else ()
    if not to_learn and plain and math.prod(shape) == 1:
        return float(np.asarray(loss).item())
    if loss is None:
        raise DtypeError("the loss function gave None: does it lack a return?")
    if isinstance(loss, Tensor) or (shape and not to_learn):
        raise ShapeError(
            f"the loss has shape {shape}, and one number is needed: take its mean, with loss.mean() or reduction='mean'"
        )
    if plain:
        kind = f"an array of shape {shape}" if isinstance(loss, np.ndarray) else f"the plain number {loss!r}"
        raise DtypeError(
            f"the loss function gave {kind}, from which no way leads back to the parameters: compute it from the "
            "Tensor that the model gave, and give it back as it is, without .data, .item() or float()"
        )
    raise DtypeError(f"the loss function gave {type(loss).__name__}, and a Tensor with one number is needed")


def refuse_cut_off(loss: Tensor, model: Module) -> None:
    """Refuse a loss from which no gradient would reach a parameter."""
    if loss.requires_grad:
        return
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise GraphError(
            f"every parameter of this {type(model).__name__} is frozen, so there is nothing to train: switch some on "
            "with requires_grad_()"
        )
    raise GraphError(
        "the loss depends on no parameter that is trained: the way back was cut, by .data, detach(), no_grad or a new "
        "Tensor, between the model's result and the loss, or the layers that are not frozen are not used"
    )


def descend(loss: Tensor, optimizer: Optimizer, clip_norm: float | None) -> None:
    """The gradients of a loss, held to a common norm where one is given, and a step of the optimizer."""
    optimizer.zero_grad()
    loss.backward()
    if clip_norm is not None:
        clip_grad_norm_(optimizer.params, clip_norm)
    optimizer.step()

"""Losses: one number that says how far predictions are from what was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.operation import as_array
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn.module import Module, as_input
from chainrule.rules.fused import cross_entropy, squared_error

CONVENTIONS = ("mean", "sum", "half_sum")


class CrossEntropyLoss(Module):
    """The surprise at the right class, -log softmax(logits)[target], averaged over the batch.

    `logits` has shape (batch, classes): the network's raw results, without a softmax. `target` has shape (batch,): the
    right classes as whole numbers from 0. The result is a single number. A target that is out of range, not whole or
    of another length, and an empty batch, raise `ShapeError` or `DtypeError`. O(batch × classes).

    The gradient in the logits is (softmax - one-hot target) / batch (Bishop, Pattern Recognition and Machine Learning,
    2006, 4.3.4).

    >>> import chainrule as cr
    >>> loss = cr.nn.CrossEntropyLoss()
    >>> loss(cr.Tensor([[0.0, 0.0]]), [1]).item()
    0.6931471805599453
    """

    def forward(self, logits: Any, target: Any) -> Any:
        """The averaged loss of a batch."""
        logits = as_input(logits, "CrossEntropyLoss")
        shape = logits.shape
        if len(shape) != 2:
            raise ShapeError(
                f"CrossEntropyLoss takes logits of shape (batch, classes), not {shape}"
                + (f": reshape one example to (1, {shape[0]})" if len(shape) == 1 else "")
            )
        return cross_entropy(logits, target=_classes(target, *shape))


class MSELoss(Module):
    """The squared error (prediction - target)², under one of three conventions that courses mix up.

    ``mean`` divides the sum over all entries by their number (PyTorch's default), ``sum`` does not, and ``half_sum``
    halves the sum, so that the derivative has no factor 2. `prediction` and `target` have the same shape, any; the
    result is a single number. Shapes that differ and empty arrays raise `ShapeError`. O(entries).

    >>> import chainrule as cr
    >>> loss = cr.nn.MSELoss(convention="half_sum")
    >>> loss
    MSELoss(convention='half_sum')
    >>> loss(cr.Tensor([2.0]), [20.0]).item()
    162.0
    """

    def __init__(self, convention: str = "mean") -> None:
        if convention not in CONVENTIONS:
            raise ValueError(f"MSELoss: convention is one of {', '.join(CONVENTIONS)}, not {convention!r}")
        self.convention = convention

    def forward(self, prediction: Any, target: Any) -> Any:
        """The loss of all entries together."""
        prediction, target = as_input(prediction, "MSELoss"), as_input(target, "MSELoss")
        if prediction.shape != target.shape:
            raise ShapeError(
                f"MSELoss compares entry by entry, and the prediction has shape {prediction.shape} and the target "
                f"{target.shape}: reshape one to match the other"
            )
        size = prediction.size
        if not size:
            raise ShapeError(f"MSELoss of an empty batch {prediction.shape} has no value: give at least one example")
        scale = 1 / size if self.convention == "mean" else 1.0 if self.convention == "sum" else 0.5
        return squared_error(prediction, target, scale=scale)

    def __repr__(self) -> str:
        return f"MSELoss(convention={self.convention!r})"


def _classes(target: Any, batch: int, classes: int) -> NDArray[np.intp]:
    """The right classes as whole numbers, once they are known to fit."""
    raw: NDArray[Any] = target.data if isinstance(target, Tensor) else as_array(target, "CrossEntropyLoss")
    if raw.shape != (batch,):
        raise ShapeError(
            f"CrossEntropyLoss takes one class for each of the {batch} rows of logits, shape ({batch},), and got a "
            f"target of shape {raw.shape}" + (": give class numbers, not one-hot rows" if raw.ndim == 2 else "")
        )
    if not batch or not classes:
        raise ShapeError(f"CrossEntropyLoss of empty logits {(batch, classes)} has no value: give at least one example")
    if raw.dtype.kind not in "iu":
        raise DtypeError(f"CrossEntropyLoss takes classes as whole numbers, not {raw.dtype}: use target.astype(int)")
    target = raw.astype(np.intp, copy=False)
    # Seen as unsigned, a negative class is a huge one, so a single maximum finds both kinds out of range.
    if np.maximum.reduce(target.view(np.uintp)) >= classes:
        wrong = int(raw[(raw < 0) | (raw >= classes)][0])
        raise ShapeError(
            f"CrossEntropyLoss got the class {wrong}, and logits of shape {(batch, classes)} know the classes 0 to "
            f"{classes - 1}: number the classes from 0"
            + (f", or give the last layer at least {wrong + 1} outputs" if wrong > 0 else "")
        )
    return target

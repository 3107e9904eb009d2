"""Losses as they are called: what a right answer may be written as."""

from __future__ import annotations

from typing import Any

from chainrule.core.operation import composed, takes_over
from chainrule.errors import DtypeError, ShapeError
from chainrule.rules import fused
from chainrule.rules.composed import gathered, log_softmax, shape_of
from chainrule.rules.linear import index, reshape
from chainrule.rules.order import Places, whole_numbers


@composed
def cross_entropy(x: Any, target: Places) -> Any:
    """The surprise at the right classes, averaged over the rows of x.

    `x` has shape (..., classes): scores without a softmax, those of one example or of many. `target` has a whole number
    from 0 for each row, as a number, a list or an array; another shape raises ShapeError, probabilities DtypeError and
    a class that there is not IndexError. The gradient is (softmax - one-hot target) / rows (Bishop, Pattern Recognition
    and Machine Learning, 2006, 4.3.4). O(rows × classes).

    >>> import chainrule as cr
    >>> float(cr.cross_entropy([0.0, 0.0], 1))
    0.6931471805599453
    >>> cr.cross_entropy(cr.Tensor([[0.0, 0.0], [0.0, 0.0]]), [1, 0]).item()
    0.6931471805599453
    """
    x = gathered(x)
    shape = shape_of(x)
    is_known = not takes_over(target)
    if is_known:
        target = classes(target)
    if not shape or shape[:-1] != target.shape:
        raise ShapeError(f"cross_entropy takes a class for each row: x is {shape}, target {target.shape}")
    if len(shape) == 1 and is_known and 0 <= target < shape[0]:
        return -index(log_softmax(x), key=int(target))
    if len(shape) != 2:
        x, target = reshape(x, shape=(-1, shape[-1])), target.reshape(-1)
    return fused.cross_entropy(x, target=target)


def classes(target: Places) -> Any:
    """Right classes as plain whole numbers."""
    try:
        return whole_numbers(target)
    except IndexError as problem:
        raise DtypeError(f"classes are whole numbers: cr.nn.CrossEntropyLoss takes probabilities ({problem})") from None

"""Losses: one number that says how far predictions are from what was asked for."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from chainrule.core.operation import as_array, takes_over
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError, DtypeError, ShapeError
from chainrule.nn.module import Layer, Module, as_input, refuse_texts
from chainrule.rules import linear, pointwise
from chainrule.rules.composed import bounded_log, log_softmax
from chainrule.rules.fused import binary_cross_entropy, cross_entropy, squared_error
from chainrule.rules.pointwise import clip, relu, softplus, square, where

if TYPE_CHECKING:  # slow to load
    from numpy.typing import NDArray

CONVENTIONS = ("mean", "sum", "half_sum")
REDUCTIONS = ("mean", "sum", "none")


class Loss(Layer):
    """The base of losses of a batch: how its examples are joined, and how much the batch weighs beside others.

    Losses take ``loss(prediction, target, sample_weight=None)``. `sample_weight`, of shape (batch,), says how often
    each example counts: a mean is then divided by the weights, and whole numbers give what repeated rows would.

    >>> import chainrule as cr
    >>> loss, prediction = cr.nn.L1Loss(), cr.Tensor([1.0, 5.0])
    >>> isinstance(loss, cr.nn.Loss), loss(prediction, [0.0, 1.0], sample_weight=[3, 1]).item()
    (True, 1.75)
    """

    reduction = "mean"

    def weight_of(self, prediction: Any, target: Any, sample_weight: Any = None) -> float | None:
        """What the mean over a batch was divided by: batches weigh so much in the mean of all. None for a sum.

        >>> import chainrule as cr
        >>> loss = cr.nn.CrossEntropyLoss(weight=[1.0, 3.0])
        >>> loss.weight_of(cr.Tensor([[0.0, 0.0], [0.0, 0.0]]), [0, 1])
        4.0
        """
        if self.reduction != "mean":
            return None
        prediction = as_input(prediction, type(self).__name__)
        if sample_weight is None:
            return float(prediction.size)
        weight = _for_rows(type(self).__name__, sample_weight, prediction)
        return _number(_added(weight)) * prediction.size / prediction.shape[0]


class CrossEntropyLoss(Loss):
    """The surprise at the right class, -log softmax(logits)[target], averaged over the batch.

    `logits` has shape (batch, classes): the network's raw results, without a softmax. `target` has shape (batch,): the
    right classes as whole numbers from 0; or (batch, classes): the probability of each class, in floating point. The
    result is a single number; with ``reduction="none"`` it has shape (batch,). A target that is out of range, not whole
    or of another shape, and an empty batch, raise `ShapeError` or `DtypeError`. O(batch × classes).

    The gradient in the logits is (softmax - one-hot target) / batch (Bishop, Pattern Recognition and Machine Learning,
    2006, 4.3.4). `weight`, of shape (classes,), weighs the surprise at each class; the mean over class numbers is then
    divided by the sum of the right classes' weights. Rows whose class is `ignore_index` count for nothing, in the mean
    neither. `label_smoothing` ε takes the share ε from the target and spreads it evenly over all classes (Szegedy and
    others, 2016). The formulas are PyTorch's. `sample_weight` as in `Loss`.

    >>> import chainrule as cr
    >>> loss = cr.nn.CrossEntropyLoss()
    >>> loss(cr.Tensor([[0.0, 0.0]]), [1]).item()
    0.6931471805599453
    >>> loss(cr.Tensor([[0.0, 0.0]]), [[0.25, 0.75]]).item()
    0.6931471805599453
    """

    def __init__(
        self, weight: Any = None, reduction: str = "mean", label_smoothing: float = 0.0, ignore_index: int = -100
    ) -> None:
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyLoss: label_smoothing is from 0 to 1, not {label_smoothing}")
        self.weight = None if weight is None else _numbers(weight, "CrossEntropyLoss")
        if self.weight is not None and self.weight.ndim != 1:
            raise ShapeError(f"CrossEntropyLoss: weight has one number for each class, not shape {self.weight.shape}")
        self.reduction = _known(self, reduction)
        self.label_smoothing = label_smoothing
        self.ignore_index = index(ignore_index)
        # A class below 0 is found where the loss is computed; one that exists has to be looked for before.
        self._plain = self.weight is None and reduction == "mean" and not label_smoothing and ignore_index < 0

    def forward(self, logits: Any, target: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch."""
        logits, numbers = self._batch(logits, target)
        shape = logits.shape
        if _are_probabilities(numbers, shape):
            right = target if isinstance(target, Tensor) else numbers
            return self._from_probabilities(logits, right, sample_weight)
        if self._plain and sample_weight is None and numbers.shape == shape[:1] and numbers.dtype.kind in "iu":
            if takes_over(numbers):  # NumPy and the kernels count a class below 0 from the end
                _refuse_later(numbers.astype(np.float32) < 0, needed=False)
            try:
                if logits.size:
                    return cross_entropy(logits, target=numbers.astype(np.intp, copy=False))
            except IndexError:  # some class is ignored, or does not exist, which is told below
                pass
        classes, counts = self._counted(numbers, logits, sample_weight)
        surprise = self._surprise(logits)
        each = self._smoothed(_at_right(surprise, classes), surprise)
        if sample_weight is not None:
            each = each * _for_rows("CrossEntropyLoss", sample_weight, logits)[:, 0]
        kept = _comparable(numbers) != self.ignore_index
        each = each if _are_all(kept) else where(kept, each, 0.0)
        if takes_over(numbers):  # a class that there is not has no surprise
            each = where(_beyond(numbers, kept, shape[1]), np.nan, each)
        return _reduced(each, self.reduction, _added(counts))

    def weight_of(self, prediction: Any, target: Any, sample_weight: Any = None) -> float | None:
        """The weights of the right classes, without ignored rows; for probabilities, the number of rows."""
        if self.reduction != "mean":
            return None
        logits, numbers = self._batch(prediction, target)
        if self._plain and sample_weight is None and numbers.ndim == 1:
            # While a program is recorded every class is one that exists: others are refused when it runs.
            if takes_over(numbers) or np.minimum.reduce(numbers, initial=0) >= 0:
                return float(len(numbers))
        if not _are_probabilities(numbers, logits.shape):
            return _number(_added(self._counted(numbers, logits, sample_weight)[1]))
        if sample_weight is None:
            return float(len(numbers))
        return _number(_added(_for_rows("CrossEntropyLoss", sample_weight, logits)))

    def _batch(self, logits: Any, target: Any) -> tuple[Any, NDArray[Any]]:
        """The logits of a batch, and its targets as plain numbers."""
        logits = as_input(logits, "CrossEntropyLoss")
        shape = logits.shape
        if len(shape) != 2:
            raise ShapeError(
                f"CrossEntropyLoss takes logits of shape (batch, classes), not {shape}"
                + (f": reshape one example to (1, {shape[0]})" if len(shape) == 1 else "")
            )
        return logits, _numbers(target, "CrossEntropyLoss")

    def _counted(self, raw: NDArray[Any], logits: Any, sample_weight: Any) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """The right classes, 0 in ignored rows, and how much each row counts in a mean."""
        kept = _comparable(raw) != self.ignore_index
        if takes_over(raw):
            classes = _classes_later(raw, kept, *logits.shape)
        else:
            classes = _classes(raw if kept.all() else np.where(kept, raw, 0), *logits.shape)
        counts = kept.astype(logits.dtype)
        if self.weight is not None:
            counts = counts * _at_right(self._weights(logits), classes)
        if sample_weight is not None:
            counts = counts * _for_rows("CrossEntropyLoss", sample_weight, logits)[:, 0]
        return classes, counts

    def _from_probabilities(self, logits: Any, target: Any, sample_weight: Any) -> Any:
        if not logits.size:
            _refuse_empty("CrossEntropyLoss", logits.shape)
        surprise = self._surprise(logits)
        each = self._smoothed(linear.sum(target * surprise, axis=1), surprise)
        if sample_weight is None:
            return _reduced(each, self.reduction, len(logits))
        weight = _for_rows("CrossEntropyLoss", sample_weight, logits)[:, 0]
        return _reduced(each * weight, self.reduction, _added(weight))

    def _surprise(self, logits: Any) -> Any:
        """The weighed surprise at each class of each row."""
        surprise = -log_softmax(logits)
        return surprise if self.weight is None else surprise * self._weights(logits)

    def _weights(self, logits: Any) -> NDArray[Any]:
        """The weights of the classes in the dtype of the logits."""
        weight, classes = cast("NDArray[Any]", self.weight), logits.shape[1]
        if weight.shape != (classes,):
            raise ShapeError(
                f"CrossEntropyLoss has {weight.size} weights, and logits of shape {logits.shape} know {classes} "
                "classes: give one weight for each class"
            )
        return weight.astype(logits.dtype)

    def _smoothed(self, each: Any, surprise: Any) -> Any:
        smoothing = self.label_smoothing
        return (1 - smoothing) * each + smoothing * linear.mean(surprise, axis=1) if smoothing else each


class MSELoss(Loss):
    """The squared error (prediction - target)², under one of three conventions that courses mix up.

    ``mean`` divides the sum over all entries by their number (PyTorch's default), ``sum`` does not, and ``half_sum``
    halves the sum, so that the derivative has no factor 2. `reduction` is PyTorch's word for the first two, and
    ``none`` gives the error of every entry. `prediction` and `target` have the same shape, any; else the result is a
    single number. Shapes that differ and empty arrays raise `ShapeError`. `sample_weight` as in `Loss`. O(entries).

    >>> import chainrule as cr
    >>> loss = cr.nn.MSELoss(convention="half_sum")
    >>> loss
    MSELoss(convention='half_sum')
    >>> loss(cr.Tensor([2.0]), [20.0]).item()
    162.0
    """

    def __init__(self, convention: str = "mean", *, reduction: str | None = None) -> None:
        if reduction is not None and convention != "mean":
            raise ValueError(f"MSELoss takes a convention or a reduction, not {convention!r} and {reduction!r}")
        if convention not in CONVENTIONS:
            raise ValueError(f"MSELoss: convention is one of {', '.join(CONVENTIONS)}, not {convention!r}")
        self.convention = convention if reduction is None else _known(self, reduction)
        self.reduction = "sum" if convention == "half_sum" else self.convention

    def forward(self, prediction: Any, target: Any, sample_weight: Any = None) -> Any:
        """The loss of all entries together."""
        prediction, target = _matched("MSELoss", prediction, target)
        factor = 0.5 if self.convention == "half_sum" else 1.0
        if sample_weight is None and self.reduction != "none":
            scale = 1 / prediction.size if self.convention == "mean" else factor
            return squared_error(prediction, target, scale=scale)
        each = factor * square(prediction - target)
        if sample_weight is not None:
            each = each * _for_rows("MSELoss", sample_weight, prediction)
        return _reduced(each, self.reduction, self.weight_of(prediction, target, sample_weight))

    def __repr__(self) -> str:
        return f"MSELoss({'reduction' if self.convention == 'none' else 'convention'}={self.convention!r})"


class _LossOfEntries(Loss):
    """A loss of each entry by itself, `each`, and the mean or sum of them all.

    `prediction` and `target` have the same shape, any. The result is a single number, or of that shape with
    ``reduction="none"``. Shapes that differ and empty arrays raise `ShapeError`. O(entries).
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = _known(self, reduction)

    def forward(self, prediction: Any, target: Any, sample_weight: Any = None) -> Any:
        """The loss of all entries together, or of each."""
        name = type(self).__name__
        prediction, target = _matched(name, prediction, target)
        if target.dtype.kind == "b":
            target = _numbers(target, "target").astype(prediction.dtype)
        return self.joined(prediction, target, _weights(name, sample_weight, prediction))

    def joined(self, prediction: Any, target: Any, weight: Any) -> Any:
        """The losses of all entries, joined: `weight` is 1, or says how much the entries of each example count."""
        each = self.each(prediction, target)
        if weight is None:
            return _reduced(each, self.reduction, prediction.size)
        count = _added(weight) * (prediction.size / len(weight))
        return _reduced(each * weight, self.reduction, count)

    def each(self, prediction: Any, target: Any) -> Any:
        """The loss of every entry."""
        raise NotImplementedError(f"{type(self).__name__} needs a method each(self, prediction, target)")


class L1Loss(_LossOfEntries):
    """The distance |prediction - target|; its derivative is a sign, and 0 where they are equal.

    `prediction` and `target` have the same shape, any; `reduction` is mean, sum or none. Shapes that differ and empty
    arrays raise `ShapeError`. O(entries).

    >>> import chainrule as cr
    >>> cr.nn.L1Loss()(cr.Tensor([1.0, 4.0]), [2.0, 2.0]).item()
    1.5
    """

    def each(self, prediction: Any, target: Any) -> Any:
        """The distance of every entry."""
        return pointwise.abs(prediction - target)


class HuberLoss(_LossOfEntries):
    """Half the squared error up to a distance of `delta`, and from there on a straight line (Huber, 1964).

    Its derivative is the error, held between -`delta` and `delta`. Shapes and `reduction` as in `L1Loss`.

    >>> import chainrule as cr
    >>> cr.nn.HuberLoss(delta=2.0, reduction="none")(cr.Tensor([1.0, 5.0]), [0.0, 0.0])
    Tensor([0.5, 8. ])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta is above 0, not {delta}")
        self.delta = delta

    def each(self, prediction: Any, target: Any) -> Any:
        """The loss of every entry; the far error is never squared, so it cannot overflow."""
        error = prediction - target
        held = clip(error, a_min=-self.delta, a_max=self.delta)
        return held * (error - 0.5 * held)


class BCELoss(_LossOfEntries):
    """The surprise -y log p - (1 - y) log(1 - p) at an answer y that was given the probability p.

    `prediction` and `target` hold numbers from 0 to 1; others raise `ChainruleError`. Shapes and `reduction` as in
    `L1Loss`. A logarithm is never below -100, as in PyTorch, so a sure and wrong answer costs 100; there the loss is
    flat, and its derivative 0. `BCEWithLogitsLoss`, for the raw results of a network, is exact there too.

    >>> import chainrule as cr
    >>> cr.nn.BCELoss(reduction="none")(cr.Tensor([0.5, 0.0]), [1.0, 1.0])
    Tensor([  0.69314718, 100.        ])
    """

    def each(self, prediction: Any, target: Any) -> Any:
        """The surprise of every entry."""
        _refuse_beyond_0_to_1("BCELoss", "probabilities", prediction, ": use BCEWithLogitsLoss for raw results")
        _refuse_beyond_0_to_1("BCELoss", "targets", target)
        return -(target * bounded_log(prediction) + (1 - target) * bounded_log(1 - prediction))


class BCEWithLogitsLoss(_LossOfEntries):
    """`BCELoss` of the sigmoid of raw results, exact at any size of them.

    It is y softplus(-x) + (1 - y) softplus(x), so nothing cancels, and its gradient is σ(x) - y. `pos_weight` weighs
    the first part, for answers y = 1 that are rare; it is broadcast to the shape of the results, and a mean is not
    divided by it. Targets are from 0 to 1. Shapes and `reduction` as in `L1Loss`, `sample_weight` as in `Loss`. The
    formulas are PyTorch's.

    >>> import chainrule as cr
    >>> cr.nn.BCEWithLogitsLoss(reduction="none")(cr.Tensor([0.0, -1e4]), [1.0, 1.0])
    Tensor([6.93147181e-01, 1.00000000e+04])
    """

    def __init__(self, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.pos_weight = None if pos_weight is None else _numbers(pos_weight, "BCEWithLogitsLoss")

    def joined(self, prediction: Any, target: Any, weight: Any) -> Any:
        """The surprise of all entries as one node, unless that of each is asked for."""
        if self.reduction == "none":
            return super().joined(prediction, target, weight)
        _refuse_beyond_0_to_1("BCEWithLogitsLoss", "targets", target)
        at_zero: Any = 1.0 if weight is None else weight
        if self.reduction == "mean":
            size = prediction.size
            at_zero = at_zero / (size if weight is None else _added(weight) * (size / len(weight)))
        at_one = at_zero if self.pos_weight is None else self._weight(self.pos_weight, prediction) * at_zero
        return binary_cross_entropy(prediction, target, at_one=at_one, at_zero=at_zero)

    def each(self, prediction: Any, target: Any) -> Any:
        """The surprise of every entry."""
        _refuse_beyond_0_to_1("BCEWithLogitsLoss", "targets", target)
        at_one, at_zero = target * softplus(-prediction), (1 - target) * softplus(prediction)
        return at_zero + (at_one if self.pos_weight is None else at_one * self._weight(self.pos_weight, prediction))

    def _weight(self, weight: NDArray[Any], prediction: Any) -> NDArray[Any]:
        try:
            return np.broadcast_to(weight, prediction.shape).astype(prediction.dtype)
        except ValueError as error:
            raise ShapeError(
                f"BCEWithLogitsLoss has a pos_weight of shape {weight.shape}, which does not fit results "
                f"of shape {prediction.shape}: give one number, or one for each column"
            ) from error


class HingeLoss(_LossOfEntries):
    """How far a score falls short of a margin on its own side: max(0, `margin` - y score) (Cortes and Vapnik, 1995).

    `target` y holds the sides, -1 and 1; others raise `ChainruleError`. The derivative is -y inside the margin, and 0
    beyond it and on it. Shapes and `reduction` as in `L1Loss`.

    >>> import chainrule as cr
    >>> cr.nn.HingeLoss(reduction="none")(cr.Tensor([0.25, 3.0, 3.0]), [1, 1, -1])
    Tensor([0.75, 0.  , 4.  ])
    """

    def __init__(self, reduction: str = "mean", margin: float = 1.0) -> None:
        super().__init__(reduction)
        self.margin = margin

    def each(self, prediction: Any, target: Any) -> Any:
        """What every entry lacks."""
        numbers = _numbers(target, "HingeLoss")
        _refuse(np.abs(numbers) != 1, "HingeLoss takes the targets -1 and 1", numbers, ": from 0 and 1, 2 * target - 1")
        return relu(self.margin - target * prediction)


def _known(loss: Module, reduction: str) -> str:
    """A way to join the losses of entries or rows, once it is known to be one."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{type(loss).__name__}: reduction is one of {', '.join(REDUCTIONS)}, not {reduction!r}")
    return reduction


def _weights(owner: str, sample_weight: Any, prediction: Any) -> NDArray[Any] | None:
    """The weights of examples, or None."""
    return None if sample_weight is None else _for_rows(owner, sample_weight, prediction)


def _for_rows(owner: str, sample_weight: Any, prediction: Any) -> NDArray[Any]:
    """The weights of examples in the dtype of the prediction, with axes that fit its entries."""
    weight = _numbers(sample_weight, owner)
    shape = prediction.shape
    if not shape or weight.shape != shape[:1]:
        raise ShapeError(
            f"{owner} takes one sample_weight for each example of a prediction of shape {shape}, and got weights of "
            f"shape {weight.shape}"
        )
    _refuse(np.logical_not(weight >= 0), f"{owner} takes weights of examples from 0", weight)
    return weight.astype(prediction.dtype).reshape(-1, *[1] * (len(shape) - 1))


def _are_probabilities(numbers: NDArray[Any], shape: tuple[int, ...]) -> bool:
    """Whether targets are the probability of each class, and not class numbers."""
    return numbers.ndim == 2 and numbers.shape == shape and numbers.dtype.kind == "f"


def _reduced(each: Any, reduction: str, count: Any) -> Any:
    """The losses of entries or rows as they are, their sum, or that sum divided by their count or weight."""
    if reduction == "none":
        return each
    total = linear.sum(each)
    return total / count if reduction == "mean" else total


def _numbers(x: Any, owner: str) -> NDArray[Any]:
    """The plain numbers of a Tensor, array or list."""
    if isinstance(x, Tensor) or takes_over(x):
        return x.data
    refuse_texts(x, owner)
    return as_array(x, owner)


def _matched(owner: str, prediction: Any, target: Any) -> tuple[Any, Any]:
    """A prediction and a target of one shape, with at least one entry."""
    refuse_texts(target, owner)
    prediction, target = as_input(prediction, owner), as_input(target, owner)
    if prediction.shape != target.shape:
        raise ShapeError(
            f"{owner} compares entry by entry, and the prediction has shape {prediction.shape} and the target "
            f"{target.shape}: reshape one to match the other"
        )
    if not prediction.size:
        _refuse_empty(owner, prediction.shape)
    return prediction, target


def _refuse_empty(owner: str, shape: tuple[int, ...]) -> NoReturn:
    raise ShapeError(f"{owner} of an empty batch {shape} has no value: give at least one example")


def _refuse(wrong: NDArray[np.bool_], takes: str, numbers: NDArray[Any], advice: str = "") -> None:
    """Name the first entry that a loss cannot take."""
    if takes_over(wrong):
        _refuse_later(wrong)
    elif wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ChainruleError(f"{takes}, and got {numbers[place]} at {list(place)}{advice}")


def _refuse_beyond_0_to_1(owner: str, what: str, x: Any, advice: str = "") -> None:
    numbers = _numbers(x, owner)
    if takes_over(numbers) or np.minimum.reduce(numbers, axis=None) < 0 or np.maximum.reduce(numbers, axis=None) > 1:
        _refuse((numbers < 0) | (numbers > 1), f"{owner} takes {what} from 0 to 1", numbers, advice)


def _refuse_later(wrong: Any, needed: bool = True) -> None:
    """What stands for numbers that come later has none to name: they are looked at when they are there."""
    later = getattr(wrong, "refuse_where_set", None)
    if later is not None:
        later(needed)
    elif needed:
        bool(wrong)


def _are_all(kept: Any) -> bool:
    """Whether all of them are known to be set."""
    return not takes_over(kept) and bool(kept.all())


def _added(numbers: Any) -> Any:
    return linear.sum(numbers) if takes_over(numbers) else np.add.reduce(numbers, axis=None)


def _number(x: Any) -> Any:
    """A plain number; what stands for one that comes later as it is."""
    return x if takes_over(x) else float(x)


def _classes(raw: NDArray[Any], batch: int, classes: int) -> NDArray[np.intp]:
    """The right classes as whole numbers, once they are known to fit."""
    _refuse_no_classes(raw, batch, classes)
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


def _classes_later(raw: Any, kept: Any, batch: int, classes: int) -> Any:
    """For classes that come later: which one each row has, as truth values (batch, classes); none in ignored rows."""
    _refuse_no_classes(raw, batch, classes)
    _refuse_later(_beyond(raw, kept, classes), needed=False)
    return linear.reshape(_comparable(raw), shape=(batch, 1)) == np.arange(classes, dtype=np.float32)


def _beyond(raw: Any, kept: Any, classes: int) -> Any:
    """Where a class that counts is none that there is."""
    numbers = _comparable(raw)
    return kept & ((numbers < 0) | (numbers >= classes))


def _comparable(raw: Any) -> Any:
    """Class numbers to compare: those that come later in floating point, which kernels compare; it holds them all."""
    return raw.astype(np.float32) if takes_over(raw) else raw


def _at_right(each: Any, classes: Any) -> Any:
    """Of a number for each class, in rows or the same for all, that of the right one."""
    if takes_over(classes):
        return linear.sum(where(classes, each, 0.0), axis=1)
    return linear.index(each, key=(np.arange(len(classes)), classes) if each.ndim == 2 else classes)


def _refuse_no_classes(raw: Any, batch: int, classes: int) -> None:
    """Refuse targets that are no class numbers, one for each row."""
    if raw.shape != (batch,):
        raise ShapeError(
            f"CrossEntropyLoss takes one class for each of the {batch} rows of logits, shape ({batch},), and got a "
            f"target of shape {raw.shape}"
            + (
                f": give class numbers, not one-hot rows, or floats of shape {(batch, classes)}"
                if raw.ndim == 2
                else ""
            )
        )
    if not batch or not classes:
        _refuse_empty("CrossEntropyLoss", (batch, classes))
    if raw.dtype.kind not in "iu":
        raise DtypeError(f"CrossEntropyLoss takes classes as whole numbers, not {raw.dtype}: use target.astype(int)")

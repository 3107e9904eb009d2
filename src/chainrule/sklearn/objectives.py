"""What a multilayer perceptron minimises: the error of an example on average, and the squares of the weights."""

# What stands for numbers while a program is recorded is known only then.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.operation import takes_over
from chainrule.nn.losses import Loss
from chainrule.nn.module import Parameter
from chainrule.rules.linear import reshape
from chainrule.rules.linear import sum as total
from chainrule.rules.pointwise import exp, log, square, where


class Objective(Loss):
    """The mean of a loss over the examples of a batch, and ½ α of the squared weights, shared out among the examples.

    `error` is a mean over all entries, `outputs` how many of them an example has, whose losses are added up.

    >>> import chainrule as cr
    >>> from chainrule.sklearn.objectives import Objective
    >>> objective = Objective(cr.nn.MSELoss(), 2, [cr.nn.Parameter([3.0])], alpha=0.5)
    >>> objective(cr.Tensor([[1.0, 2.0]]), [[0.0, 0.0]]).item()
    7.25
    """

    def __init__(self, error: Loss, outputs: float, weights: Sequence[Parameter], alpha: float) -> None:
        self.error, self.outputs, self.weights, self.alpha = error, outputs, list(weights), alpha

    def forward(self, prediction: Any, target: Any, sample_weight: Any = None) -> Any:
        """What is minimised, of a batch."""
        error = self.error(prediction, target, sample_weight)
        if self.outputs != 1:
            error = self.outputs * error
        if not self.alpha:
            return error
        counted = prediction.shape[0] if sample_weight is None else total(sample_weight)
        squares = [total(square(weight)) for weight in self.weights]
        return error + 0.5 * self.alpha / counted * sum(squares[1:], squares[0])

    def weight_of(self, prediction: Any, target: Any, sample_weight: Any = None) -> float | None:
        """How many examples a batch has, whatever they count, as scikit-learn has it; 0 where none of them counts."""
        examples = float(prediction.shape[0])
        if sample_weight is None or takes_over(sample_weight):
            return examples  # in a program a batch of which none counts has a loss of 0/0, by which it is found
        return examples if sample_weight.any() else 0.0


class HalfPoissonDeviance(Loss):
    """Half the Poisson deviance of counts from the means e^z, over all entries on average.

    >>> import chainrule as cr
    >>> from chainrule.sklearn.objectives import HalfPoissonDeviance
    >>> HalfPoissonDeviance()(cr.Tensor([[0.0]]), cr.Tensor([[0.0]])).item()
    1.0
    """

    def forward(self, prediction: Any, target: Any, sample_weight: Any = None) -> Any:
        """The mean over a batch."""
        of_counts = target * log(where(target > 0, target, 1.0)) - target
        each = exp(prediction) - target * prediction + of_counts
        if sample_weight is None:
            return total(each) / prediction.size
        outputs = prediction.size / prediction.shape[0]
        return total(each * reshape(sample_weight, shape=(-1, 1))) / (total(sample_weight) * outputs)

"""The multilayer perceptron that predicts numbers."""

# scikit-learn has no types.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from chainrule.core.state import Quiet
from chainrule.errors import DataError
from chainrule.kinds import Array
from chainrule.nn.losses import Loss, MSELoss
from chainrule.sklearn.multilayer import MultilayerPerceptron
from chainrule.sklearn.objectives import HalfPoissonDeviance
from chainrule.sklearn.settings import Allowed, one_of, validated


@dataclass(eq=False, repr=False, match_args=False)
class MLPRegressor(RegressorMixin, MultilayerPerceptron):
    """A multilayer perceptron that predicts numbers, with scikit-learn's settings, attributes and results.

    Everything is as in `MLPClassifier`, but that targets are numbers of shape (examples,) or (examples, outputs).
    `loss` is half the squared error, or "poisson" for counts: half the deviance, of the exponential of the raw results.
    What is minimised and noted adds the outputs of an example up; scikit-learn notes their mean.

    >>> import chainrule.sklearn
    >>> x, y = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0]
    >>> net = chainrule.sklearn.MLPRegressor((), solver="lbfgs", alpha=0.0, tol=1e-9, random_state=0).fit(x, y)
    >>> net.predict([[10.0]]).round(3).tolist()
    [21.0]
    """

    allowed: ClassVar[dict[str, Allowed]] = {**MultilayerPerceptron.allowed, "loss": one_of("squared_error", "poisson")}

    loss: str = field(default="squared_error", kw_only=True)

    @property
    def out_activation_(self) -> str:
        """What makes predictions of the raw results."""
        return "exp" if self.loss == "poisson" else "identity"

    @available_if(lambda estimator: estimator._is_stochastic())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on some examples."""
        return self._fit(X, y, sample_weight, anew=not hasattr(self, "net_"), once=True)

    def predict(self, X: Any) -> Array:
        """The number predicted for each example, of shape (examples,) or (examples, outputs)."""
        return self._predicted(self._checked(X))

    def _predicted(self, x: Any) -> Array:
        raw = self._raw(x)
        with Quiet():
            found = np.exp(raw) if self.loss == "poisson" else raw
        return found.ravel() if self.n_outputs_ == 1 else found

    def _examples(self, X: Any, y: Any, anew: bool) -> tuple[Any, Array]:
        x, y = validated(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=True,
            dtype=self._dtypes(anew),
            reset=anew,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = y.reshape(len(y), -1)
        if self.loss == "poisson" and (y < 0).any():
            row, column = np.argwhere(y < 0)[0]
            raise DataError(
                f"{type(self).__name__}: loss='poisson' takes no negative target, as in row {row}: {y[row, column]:g}"
            )
        if not anew and y.shape[1] != self.n_outputs_:
            raise DataError(f"{type(self).__name__} was made for {self.n_outputs_} outputs, and y has {y.shape[1]}")
        return x, y.astype(x.dtype, copy=False)

    def _error(self) -> tuple[Loss, float]:
        poisson = self.loss == "poisson"
        return (HalfPoissonDeviance(), self.n_outputs_) if poisson else (MSELoss(), self.n_outputs_ / 2)

    def score_of(self, x: Any, y: Array, weight: Array | None) -> float:
        """The share of the variance that is explained."""
        said = self._predicted(x)
        return r2_score(y, said, sample_weight=weight) if np.isfinite(said).all() else float("nan")

"""Any module of this package as a scikit-learn estimator."""

# scikit-learn has no types.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d

from chainrule.core.state import no_grad
from chainrule.core.tensor import Tensor
from chainrule.errors import DataError, DivergenceError, DtypeError
from chainrule.kinds import Array, what_is
from chainrule.nn.losses import CrossEntropyLoss, MSELoss
from chainrule.nn.module import Module
from chainrule.optim import Adam, Optimizer
from chainrule.rules.composed import softmax
from chainrule.sklearn.settings import (
    Allowed,
    check_no_new_classes,
    check_same_classes,
    check_settings,
    number,
    parted,
    true_or_false,
    validated,
    whole,
)
from chainrule.training import EarlyStopping, History, fit

LARGEST_SEED = 2**31 - 1
ROWS_AT_ONCE = 4096
"""At prediction, so that the results of inner layers stay small."""


@dataclass(eq=False, repr=False, match_args=False)
class Settings(BaseEstimator):
    """The settings of both, and their usual values."""

    module: Any
    _: KW_ONLY
    loss: Callable[..., Any] | None = None
    optimizer: Callable[..., Optimizer] = Adam
    learning_rate: float = 0.001
    max_iter: int = 100
    batch_size: int = 32
    shuffle: bool = True
    random_state: Any = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    tol: float = 1e-4
    warm_start: bool = False
    verbose: bool = False


class ModuleEstimator(Settings):
    """The base of `ModuleClassifier` and `ModuleRegressor`."""

    allowed: ClassVar[dict[str, Allowed]] = {
        "learning_rate": number(above=True),
        "max_iter": whole(),
        "batch_size": whole(),
        "shuffle": true_or_false(),
        "early_stopping": true_or_false(),
        "validation_fraction": number(0, 1, above=True, below=True),
        "n_iter_no_change": whole(),
        "tol": number(),
        "warm_start": true_or_false(),
    }

    module_: Module
    history_: History

    @property
    def loss_curve_(self) -> list[float]:
        """The loss of each epoch, also of those before the last call where training went on."""
        return [*self._before, *(self.history_["loss"] if len(self.history_) else [])]

    @property
    def n_iter_(self) -> int:
        """How many epochs the last call of `fit` had."""
        return len(self.history_)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on the examples `X`, of shape (examples, …), and their targets `y`.

        `sample_weight`, of shape (examples,), says how often an example counts. With `warm_start` training goes on from
        the weights there are, and `loss_curve_` too.
        """
        anew = not (self.warm_start and hasattr(self, "module_"))
        return self._fit(X, y, sample_weight, anew=anew, known=not anew, epochs=self.max_iter)

    @abstractmethod
    def _targets(self, y: Array, known: bool) -> tuple[Array, int]:
        """The targets as the loss takes them, and how many results the module has to give.

        `known` says that the kind of target is settled: classes, or whether there are several outputs.
        """

    @abstractmethod
    def _usual_loss(self) -> Module:
        """What is minimised unless told otherwise."""

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, anew: bool, known: bool, epochs: int) -> Self:
        check_settings(self, self.allowed)
        if not isinstance(self.module, Module) and not callable(self.module):
            raise DtypeError(
                f"{type(self).__name__}: module is a module of cr.nn or a function (inputs, outputs, rng) that makes "
                f"one, not {type(self.module).__name__}"
            )
        x, y = validated(self, X, y, dtype=(np.float64, np.float32), multi_output=True, allow_nd=True, reset=anew)
        y, outputs = self._targets(column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y, known)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, x, dtype=x.dtype)
        if anew or not hasattr(self, "_random"):
            self._random = check_random_state(self.random_state)
        if anew:
            self.module_ = self._new_module(x.shape[1], outputs)
            self._optimizer = self.optimizer(self.module_.parameters(), lr=self.learning_rate)
        self._before: list[float] = [] if anew else self.loss_curve_
        learned, validation = self._split(x, y, weight)
        patience = int(self.n_iter_no_change)
        self.history_ = fit(
            self.module_,
            *learned[:2],
            sample_weight=learned[2] if weight is not None else None,
            loss=self.loss if self.loss is not None else self._usual_loss(),
            optimizer=self._optimizer,
            epochs=int(epochs),
            batch_size=int(self.batch_size),
            validation=validation,
            callbacks=[EarlyStopping(patience, least_gain=self.tol)] if validation is not None else [],
            seed=int(self._random.randint(LARGEST_SEED)),
            shuffle=self.shuffle,
            progress=bool(self.verbose),
        )
        self._optimizer.zero_grad()
        if self.history_.diverged:
            raise DivergenceError(f"{type(self).__name__}: {self.history_.stopped}")
        return self

    def _new_module(self, inputs: int, outputs: int) -> Module:
        """A copy of the module that was given, or one made to measure."""
        if isinstance(self.module, Module):
            return copy.deepcopy(self.module)
        made = self.module(inputs, outputs, np.random.default_rng(self._random.randint(LARGEST_SEED)))
        if not isinstance(made, Module):
            raise DtypeError(f"{type(self).__name__}: module= made {what_is(made)}, and not a module of cr.nn")
        return made

    def _split(self, x: Array, y: Array, weight: Array | None) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
        """Features, targets and weights, if any, of the examples to learn from, and of those that are watched."""
        columns = (x, y) if weight is None else (x, y, weight)
        if not self.early_stopping:
            return columns, None
        learned, watched = parted(self, columns, y if y.ndim == 1 and y.dtype.kind in "iu" else None)
        return tuple(learned), tuple(watched)

    def _raw(self, X: Any) -> Array:
        """The results of the module, of shape (examples, outputs)."""
        check_is_fitted(self)
        x = validated(self, X, dtype=(np.float64, np.float32), allow_nd=True, reset=False)
        dtypes = {parameter.dtype for parameter in self.module_.parameters()}
        if len(dtypes) == 1:
            x = x.astype(dtypes.pop(), copy=False)
        self.module_.eval()
        with no_grad():
            parts = [self.module_(Tensor(x[i : i + ROWS_AT_ONCE])).data for i in range(0, len(x), ROWS_AT_ONCE)]
        return np.concatenate(parts)


class ModuleClassifier(ClassifierMixin, ModuleEstimator):
    """Any module as a classifier: features of shape (examples, …) in, raw results of shape (examples, classes) out.

    `module` is a `chainrule.nn.Module`, of which every `fit` trains a copy from the weights it has; or a function
    ``make(inputs, outputs, rng)`` that makes one for the data at hand, from a NumPy Generator. `loss` takes results and
    the numbers of the classes (`CrossEntropyLoss` unless told otherwise), `optimizer` is a class of `chainrule.optim`
    or a function of ``(parameters, lr)``, and the rest is handed to `chainrule.training.fit`. With `early_stopping` a
    share of the examples is watched, and the weights of the best epoch are kept. After `fit` there are `module_`,
    `history_`, `classes_`, `loss_curve_` and `n_iter_`. A loss that becomes infinite raises `DivergenceError`.

    >>> import chainrule as cr, chainrule.sklearn
    >>> def make(inputs, outputs, rng):
    ...     return cr.nn.Sequential(cr.nn.Linear(inputs, 16, rng=rng), cr.nn.Tanh(), cr.nn.Linear(16, outputs, rng=rng))
    >>> x, y = cr.data.load_digits()
    >>> net = chainrule.sklearn.ModuleClassifier(make, learning_rate=0.01, max_iter=5, random_state=0)
    >>> net.fit(x[:1000], y[:1000]).score(x[1000:], y[1000:]) > 0.85
    True
    """

    classes_: Array

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on some examples; the first call is given all `classes` there will be."""
        anew = not hasattr(self, "module_")
        if anew:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit")
            self.classes_ = unique_labels(classes)
        else:
            check_same_classes(self.classes_, classes)
        return self._fit(X, y, sample_weight, anew=anew, known=True, epochs=1)

    def predict(self, X: Any) -> Array:
        """The class of each example."""
        places = self._raw(X).argmax(axis=1)
        return self.classes_[places]

    def predict_proba(self, X: Any) -> Array:
        """The softmax of the module's results: the probability of each class, of shape (examples, classes)."""
        return softmax(self._raw(X), axis=1)

    def _targets(self, y: Array, known: bool) -> tuple[Array, int]:
        check_classification_targets(y)
        if y.ndim != 1:
            raise DataError(f"{type(self).__name__} tells one class for each example, and y has shape {y.shape}")
        if not known:
            self.classes_ = unique_labels(y)
        check_no_new_classes(self, y)
        return np.searchsorted(self.classes_, y), len(self.classes_)

    def _usual_loss(self) -> Module:
        return CrossEntropyLoss()


class ModuleRegressor(RegressorMixin, ModuleEstimator):
    """Any module as a regressor: features of shape (examples, …) in, results of shape (examples, outputs) out.

    Everything is as in `ModuleClassifier`; targets are numbers of shape (examples,) or (examples, outputs), and the
    loss is `MSELoss` unless told otherwise.

    >>> import chainrule as cr, chainrule.sklearn
    >>> net = chainrule.sklearn.ModuleRegressor(cr.nn.Linear(1, 1, rng=0), learning_rate=0.1, max_iter=300)
    >>> net.fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).predict([[3.0]]).round(2).tolist()
    [7.0]
    """

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on some examples."""
        anew = not hasattr(self, "module_")
        return self._fit(X, y, sample_weight, anew=anew, known=not anew, epochs=1)

    def predict(self, X: Any) -> Array:
        """The module's results, of the shape that targets had."""
        found = self._raw(X)
        return found.ravel() if self._flat else found

    def _targets(self, y: Array, known: bool) -> tuple[Array, int]:
        y = y.astype(float)
        flat, y = y.ndim == 1, y.reshape(len(y), -1)
        if not known:
            self._flat, self._outputs = flat, y.shape[1]
        elif y.shape[1] != self._outputs:
            raise DataError(
                f"{type(self).__name__} was first fitted with {self._outputs} target"
                f"{'s' * (self._outputs != 1)} for each example, and y now has {y.shape[1]}"
            )
        return y, y.shape[1]

    def _usual_loss(self) -> Module:
        return MSELoss()

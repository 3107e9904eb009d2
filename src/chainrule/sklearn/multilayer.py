"""What both multilayer perceptrons share: their settings, their net and how it is trained."""

# scikit-learn has no types.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from chainrule.core.graph import from_array
from chainrule.core.state import no_grad
from chainrule.kinds import Array
from chainrule.nn.activations import ReLU, Sigmoid, Tanh
from chainrule.nn.layers import Linear, Sequential
from chainrule.nn.losses import Loss
from chainrule.nn.module import Module
from chainrule.optim import SGD, Optimizer
from chainrule.sklearn.descent import EarlyAdam, Examples, dense, descend, minimise_at_once
from chainrule.sklearn.objectives import Objective
from chainrule.sklearn.settings import (
    Allowed,
    check_settings,
    number,
    one_of,
    parted,
    precision,
    sizes,
    true_or_false,
    validated,
    whole,
)
from chainrule.training.history import History

ACTIVATIONS: dict[str, type[Module] | None] = {"identity": None, "logistic": Sigmoid, "tanh": Tanh, "relu": ReLU}
ROWS_AT_ONCE = 4096
"""Of a sparse matrix at prediction, so that it is never dense as a whole."""


@dataclass(eq=False, repr=False, match_args=False)
class Settings(BaseEstimator):
    """The settings of both, and their usual values."""

    hidden_layer_sizes: Any = (100,)
    activation: str = "relu"
    _: KW_ONLY
    solver: str = "adam"
    alpha: float = 0.0001
    batch_size: Any = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000
    dtype: Any = None


class MultilayerPerceptron(Settings):
    """The base of `MLPClassifier` and `MLPRegressor`."""

    allowed: ClassVar[dict[str, Allowed]] = {
        "hidden_layer_sizes": sizes(),
        "activation": one_of(*ACTIVATIONS),
        "solver": one_of("adam", "sgd", "lbfgs"),
        "alpha": number(),
        "batch_size": whole(words=("auto",)),
        "learning_rate": one_of("constant", "invscaling", "adaptive"),
        "learning_rate_init": number(above=True),
        "power_t": number(),
        "max_iter": whole(),
        "shuffle": true_or_false(),
        "tol": number(),
        "warm_start": true_or_false(),
        "momentum": number(0, 1),
        "nesterovs_momentum": true_or_false(),
        "early_stopping": true_or_false(),
        "validation_fraction": number(0, 1, below=True),
        "beta_1": number(0, 1, below=True),
        "beta_2": number(0, 1, below=True),
        "epsilon": number(above=True),
        "n_iter_no_change": whole(endless=True),
        "max_fun": whole(),
        "dtype": precision(),
    }

    net_: Sequential
    n_outputs_: int
    loss_: float
    history_: History

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, of shape (inputs, outputs)."""
        return [layer.weight.data.T for layer in self._layers()]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer."""
        return [layer.bias.data for layer in self._layers() if layer.bias is not None]

    @property
    def n_layers_(self) -> int:
        """How many layers there are, the inputs counted as one."""
        return len(self._layers()) + 1

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on the examples `X`, of shape (examples, features), dense or sparse, and the targets `y`.

        `sample_weight`, of shape (examples,), says how often an example counts.
        """
        return self._fit(X, y, sample_weight, anew=not (self.warm_start and hasattr(self, "net_")), once=False)

    @abstractmethod
    def _examples(self, X: Any, y: Any, anew: bool) -> tuple[Any, Array]:
        """Features and targets as they are learned from: targets of shape (examples,) or (examples, outputs)."""

    @abstractmethod
    def _error(self) -> tuple[Loss, float]:
        """The loss of an entry on average, and by what it is multiplied."""

    @abstractmethod
    def score_of(self, x: Any, y: Array, weight: Array | None) -> float:
        """The score that early stopping watches."""

    def _outputs_for(self, y: Array) -> int:
        """How many results the net has to give for such targets."""
        return 1 if y.ndim == 1 else y.shape[1]

    def _stratify(self, y: Array) -> Array | None:
        """What the shares of the validation examples are kept by."""
        return None

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, anew: bool, once: bool) -> Self:
        check_settings(self, self.allowed)
        if once and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True: it does not know the last epoch")
        x, targets = self._examples(X, y, anew)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, x, dtype=x.dtype)
        self._random = check_random_state(self.random_state)
        if anew:
            self._begin(x, targets)
        self.n_iter_ = 0
        objective = Objective(*self._error(), [layer.weight for layer in self._layers()], self.alpha)
        if self.solver == "lbfgs":
            minimise_at_once(self, objective, Examples(x, targets, weight))
            return self
        if not once or not hasattr(self, "_optimizer"):
            self._optimizer = self._new_optimizer()
        examples, validation = self._split(x, targets, weight)
        descend(self, objective, examples, validation, once=once)
        return self

    def _begin(self, x: Any, y: Array) -> None:
        """A new net, and nothing noted yet."""
        hidden = self.hidden_layer_sizes
        sizes = [x.shape[1], *(hidden if hasattr(hidden, "__iter__") else [hidden]), self._outputs_for(y)]
        self.n_outputs_ = sizes[-1]
        self.net_ = self._new_net([int(size) for size in sizes], x.dtype)
        self.t_ = 0
        self.loss_curve_: list[float] = []
        self.no_gain_ = 0
        self.best_loss_ = None if self.early_stopping else math.inf
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_ = -math.inf if self.early_stopping else None

    def _new_net(self, sizes: list[int], dtype: Any) -> Sequential:
        """Layers with weights drawn as scikit-learn draws them, from the same numbers (Glorot and Bengio, 2010)."""
        activation = ACTIVATIONS[self.activation]
        modules: list[Module] = []
        for taken, given in pairwise(sizes):
            if modules and activation is not None:
                modules.append(activation())
            layer = Linear(taken, given, dtype=dtype, rng=0)
            bound = math.sqrt((2 if self.activation == "logistic" else 6) / (taken + given))
            layer.load_state_dict(
                {
                    "weight": self._random.uniform(-bound, bound, (taken, given)).T,
                    "bias": self._random.uniform(-bound, bound, given),
                }
            )
            modules.append(layer)
        return Sequential(*modules).eval()

    def _new_optimizer(self) -> Optimizer:
        parameters, rate = self.net_.parameters(), self.learning_rate_init
        if self.solver == "adam":
            return EarlyAdam(parameters, rate, betas=(self.beta_1, self.beta_2), eps=self.epsilon)
        nesterov = bool(self.nesterovs_momentum and self.momentum)
        return SGD(parameters, rate, momentum=self.momentum, nesterov=nesterov)

    def _split(self, x: Any, y: Array, weight: Array | None) -> tuple[Examples, Examples | None]:
        """The examples to learn from, and those that early stopping watches."""
        if not self.early_stopping:
            return Examples(x, y, weight), None
        kept, watched = parted(self, [x, y] if weight is None else [x, y, weight], self._stratify(y))
        if watched[0].shape[0] < 2:
            raise ValueError(
                f"{type(self).__name__}: {watched[0].shape[0]} examples are too few to watch: raise "
                f"validation_fraction={self.validation_fraction} or give more examples"
            )
        return Examples(*kept), Examples(*watched)

    def _raw(self, x: Any) -> Array:
        """The raw results of the net for features that are known to be good."""
        with no_grad():
            if isinstance(x, np.ndarray):
                return self.net_(from_array(x)).data
            parts = [dense(x[start : start + ROWS_AT_ONCE]) for start in range(0, x.shape[0], ROWS_AT_ONCE)]
            return np.concatenate([self.net_(from_array(part)).data for part in parts])

    def _checked(self, X: Any) -> Any:
        """Features to predict from."""
        check_is_fitted(self)
        return validated(self, X, accept_sparse="csr", dtype=self._dtypes(anew=False), reset=False)

    def _dtypes(self, anew: bool) -> Any:
        """What features are taken in: that of the net there is, the one that was asked for, or their own."""
        if not anew:
            return self._layers()[0].weight.dtype
        return (np.float64, np.float32) if self.dtype is None else np.dtype(self.dtype)

    def _layers(self) -> list[Linear]:
        return [module for module in self.net_ if isinstance(module, Linear)]

    def _is_stochastic(self) -> bool:
        """Whether `partial_fit` makes sense."""
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit goes through batches, and lbfgs has none: use solver='adam' or 'sgd'")
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

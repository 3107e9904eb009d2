"""The multilayer perceptron that tells classes apart."""

# scikit-learn has no types.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from chainrule.core.state import Quiet
from chainrule.kinds import Array
from chainrule.nn.losses import BCEWithLogitsLoss, CrossEntropyLoss, Loss
from chainrule.rules.composed import softmax
from chainrule.rules.pointwise import sigmoid
from chainrule.sklearn.multilayer import MultilayerPerceptron
from chainrule.sklearn.settings import check_no_new_classes, check_same_classes, validated


class MLPClassifier(ClassifierMixin, MultilayerPerceptron):
    """A multilayer perceptron that tells classes apart, with scikit-learn's settings, attributes and results.

    Settings mean what they mean in ``sklearn.neural_network.MLPClassifier``, and the same `random_state` draws the same
    weights and batches, so that the two end with the same net but for rounding. Features have shape (examples,
    features), dense or sparse; targets have shape (examples,), or (examples, labels) of 0s and 1s where an example can
    have several labels. The one setting that scikit-learn has not is `dtype`: None computes in float32 for features in
    float32 and in float64 for all others, as scikit-learn does; "float32" computes in float32 always, which takes half
    the time in large nets. An epoch costs some 6 × examples × weights operations.

    After `fit`, `net_` is the trained `chainrule.nn.Sequential` that gives raw results, with which everything else of
    this package works, and `history_` what `chainrule.training.fit` gives: its `made_by` says how the steps were made.
    `coefs_`, `intercepts_`, `classes_`, `loss_curve_`, `n_iter_` and `out_activation_` are scikit-learn's. Settings
    that make no sense, classes that were not there, and a loss that becomes infinite (`DivergenceError`) raise
    ValueError.

    >>> import chainrule.sklearn
    >>> x, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["same", "other", "other", "same"]
    >>> net = chainrule.sklearn.MLPClassifier((8,), solver="lbfgs", random_state=1).fit(x, y)
    >>> net.predict([[0.0, 1.0], [1.0, 1.0]]).tolist()
    ['other', 'same']
    """

    @property
    def out_activation_(self) -> str:
        """What makes probabilities of the raw results: softmax of several classes, logistic of labels and of two."""
        return "softmax" if self._labels.y_type_ == "multiclass" else "logistic"

    @available_if(lambda estimator: estimator._is_stochastic())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on some examples; the first call is given all `classes` there will be."""
        if not hasattr(self, "classes_"):
            several = type_of_target(y).startswith("multilabel")
            if classes is None and not several:
                raise ValueError("classes must be passed on the first call to partial_fit")
            self._know(y if several else np.asarray(classes))
        else:
            check_same_classes(self.classes_, classes)
        return self._fit(X, y, sample_weight, anew=not hasattr(self, "net_"), once=True)

    def predict(self, X: Any) -> Array:
        """The class of each example, or 0s and 1s of shape (examples, labels)."""
        return self._named(self._raw(self._checked(X)))

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, of shape (examples, classes), or of each label."""
        shares = self._shares(self._raw(self._checked(X)))
        return np.column_stack([1 - shares, shares]) if self.n_outputs_ == 1 else shares

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`."""
        with Quiet():
            return np.log(self.predict_proba(X))

    def _shares(self, raw: Array) -> Array:
        return softmax(raw, axis=1) if self.out_activation_ == "softmax" else sigmoid(raw)

    def _named(self, raw: Array) -> Array:
        shares = self._shares(raw)
        found: Any = self._labels.inverse_transform(shares.ravel() if self.n_outputs_ == 1 else shares)
        return found

    def _know(self, y: Any) -> None:
        self._labels = LabelBinarizer().fit(y)
        self.classes_ = self._labels.classes_

    def _examples(self, X: Any, y: Any, anew: bool) -> tuple[Any, Array]:
        # The first call of partial_fit makes a net anew for classes that are known already.
        known = hasattr(self, "classes_") and (not anew or not hasattr(self, "net_"))
        x, y = validated(self, X, y, accept_sparse="csr", multi_output=True, dtype=self._dtypes(anew), reset=anew)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if known:
            check_no_new_classes(self, y)
        else:
            self._know(y)
        found = self._labels.transform(y)
        return x, found.argmax(axis=1) if self.out_activation_ == "softmax" else found.astype(x.dtype)

    def _outputs_for(self, y: Array) -> int:
        return len(self.classes_) if self.out_activation_ == "softmax" else y.shape[1]

    def _error(self) -> tuple[Loss, float]:
        several = self.out_activation_ == "softmax"
        return (CrossEntropyLoss(), 1) if several else (BCEWithLogitsLoss(), self.n_outputs_)

    def _stratify(self, y: Array) -> Array | None:
        return y if self.n_outputs_ == 1 else None

    def score_of(self, x: Any, y: Array, weight: Array | None) -> float:
        """The share of examples that are right."""
        several = self.out_activation_ == "softmax"
        right = self.classes_[y] if several else self._labels.inverse_transform(y)
        return accuracy_score(right, self._named(self._raw(x)), sample_weight=weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

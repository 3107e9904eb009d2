"""The estimators do what scikit-learn's own do, and everything that scikit-learn asks of an estimator."""

import pickle
import re
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import chainrule as cr
from chainrule import nn
from chainrule.codegen.version import default_target
from chainrule.errors import DataError, DivergenceError, DtypeError
from chainrule.sklearn import MLPClassifier, MLPRegressor, ModuleClassifier, ModuleRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5))
SCORES = X @ RNG.normal(size=(5, 3))
THREE = np.array(["ant", "bee", "cow"])[SCORES.argmax(1)]
TWO = np.where(SCORES[:, 0] > 0, "yes", "no")
LABELS = (SCORES > 0).astype(int)
NUMBERS = SCORES[:, 0] + np.sin(SCORES[:, 1])
WEIGHT = RNG.uniform(0.5, 2.0, 90)

SAME = 1e-10
"""Two programs that add in another order, over some 300 steps, differ by a few thousand roundings of 1e-16 at most."""


def make(inputs, outputs, rng, dtype=float):
    """A small net for any data; at the top of a file, so that it can be pickled."""
    layers = (nn.Linear(inputs, 16, rng=rng, dtype=dtype), nn.ReLU(), nn.Linear(16, outputs, rng=rng, dtype=dtype))
    return nn.Sequential(*layers)


def dropped(inputs, outputs, rng):
    return nn.Sequential(nn.Linear(inputs, outputs, rng=rng), nn.Dropout(0.5, rng=0))


def same_net(mine, theirs, tolerance=SAME):
    assert len(mine.coefs_) == len(theirs.coefs_) == mine.n_layers_ - 1
    for own, other in zip(mine.coefs_ + mine.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        assert own.shape == other.shape
        np.testing.assert_allclose(own, other, rtol=0, atol=tolerance)


# scikit-learn's own demands


@pytest.mark.parametrize(
    "estimator",
    [
        MLPClassifier(max_iter=40),
        MLPRegressor(max_iter=40),
        ModuleClassifier(make, learning_rate=0.02, max_iter=40),
        ModuleRegressor(make, learning_rate=0.02, max_iter=40),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_check_estimator_finds_nothing_and_skips_what_it_skips_for_its_own(estimator):
    found = check_estimator(estimator, on_fail=None, on_skip=None)
    assert {check["check_name"]: check["exception"] for check in found if check["status"] == "failed"} == {}
    assert sum(check["status"] == "passed" for check in found) > 45
    for check in found:
        if check["status"] == "skipped":
            # Not installed or switched on here; and scikit-learn's perceptron has no decision_function either.
            assert re.search("pandas|SCIPY_ARRAY_API|decision_function", str(check["exception"])), check["check_name"]


# The same net as scikit-learn's

CASES = {
    "adam": {},
    "in order": {"shuffle": False},
    "momentum": {"solver": "sgd", "learning_rate_init": 0.05},
    "plain steps": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    "no look ahead": {"solver": "sgd", "nesterovs_momentum": False, "activation": "tanh"},
    "early": {"early_stopping": True, "activation": "logistic", "n_iter_no_change": 3},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "two hidden layers": {"hidden_layer_sizes": [6, 4], "activation": "identity"},
    "strong penalty": {"alpha": 3.0, "batch_size": 25},
    "other means": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    "soon content": {"tol": 0.02, "n_iter_no_change": 2, "learning_rate_init": 0.02},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("mine", "theirs", "y"),
    [(MLPClassifier, TheirClassifier, THREE), (MLPRegressor, TheirRegressor, NUMBERS)],
    ids=["classes", "numbers"],
)
def test_the_net_is_the_one_that_scikit_learn_finds(mine, theirs, y, case):
    settings = {"hidden_layer_sizes": (8,), "batch_size": 16, "max_iter": 40, "random_state": 3, **CASES[case]}
    own, other = mine(**settings).fit(X, y), theirs(**settings).fit(X, y)
    same_net(own, other)
    assert own.n_iter_ == other.n_iter_
    np.testing.assert_allclose(own.loss_curve_, other.loss_curve_, rtol=0, atol=SAME)
    if settings.get("early_stopping"):
        np.testing.assert_allclose(own.validation_scores_, other.validation_scores_, rtol=0, atol=SAME)
    assert own.score(X, y) == pytest.approx(other.score(X, y), abs=SAME)


@pytest.mark.parametrize(("y", "out"), [(TWO, "logistic"), (LABELS, "logistic"), (THREE, "softmax")])
def test_probabilities_of_two_classes_of_labels_and_of_many(y, out):
    settings = {"max_iter": 30, "random_state": 1, "learning_rate_init": 0.01}
    own, other = MLPClassifier(**settings).fit(X, y), TheirClassifier(**settings).fit(X, y)
    assert own.out_activation_ == other.out_activation_ == out
    assert own.n_outputs_ == other.n_outputs_
    assert (own.predict(X) == other.predict(X)).all()
    assert (own.classes_ == other.classes_).all()
    np.testing.assert_allclose(own.predict_proba(X), other.predict_proba(X), rtol=0, atol=SAME)
    np.testing.assert_allclose(own.predict_log_proba(X), other.predict_log_proba(X), rtol=0, atol=1e-8)


@pytest.fixture
def soon(monkeypatch):
    """Compiled from the fourth step of a kind on."""
    monkeypatch.setattr("chainrule.training.compiled_steps.EAGER_STEPS", 3)


COMPILED = {
    **CASES,
    "L-BFGS": {"solver": "lbfgs", "max_iter": 15, "alpha": 0.1},
    "a falling rate": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "an adaptive rate": {
        "solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, "tol": 0.01, "n_iter_no_change": 2,
    },
}  # fmt: skip


@pytest.mark.skipif(default_target() != "native", reason="the kernels were not built")
@pytest.mark.parametrize("case", COMPILED)
@pytest.mark.parametrize(
    ("mine", "theirs", "y"),
    [
        (MLPClassifier, TheirClassifier, THREE),
        (MLPClassifier, TheirClassifier, LABELS),
        (MLPRegressor, TheirRegressor, NUMBERS / 4),
    ],
    ids=["classes", "labels", "numbers"],
)
def test_the_net_is_the_same_by_a_program(mine, theirs, y, case, soon):
    settings = {"hidden_layer_sizes": (8,), "batch_size": 16, "max_iter": 40, "random_state": 3, **COMPILED[case]}
    own, other = mine(**settings).fit(X, y), theirs(**settings).fit(X, y)
    assert "by a program" in own.history_.made_by
    # Line searches enlarge differences of rounding from step to step.
    same_net(own, other, 1e-6 if case == "L-BFGS" else SAME)
    assert own.n_iter_ == other.n_iter_


@pytest.mark.skipif(default_target() != "native", reason="the kernels were not built")
def test_examples_that_count_for_nothing_by_a_program(soon):
    weight = np.where(np.arange(90) < 32, 0.0, WEIGHT)
    settings = {"shuffle": False, "batch_size": 16, "max_iter": 20, "random_state": 0}
    for mine, y in ((MLPClassifier, TWO), (MLPClassifier, THREE), (MLPRegressor, SCORES)):
        own, without = mine(**settings).fit(X, y, weight), mine(**settings).fit(X[32:], y[32:], WEIGHT[32:])
        assert "by a program" in own.history_.made_by
        same_net(own, without)
        np.testing.assert_allclose(own.loss_curve_, without.loss_curve_, rtol=0, atol=SAME)


@pytest.mark.skipif(default_target() != "native", reason="the kernels were not built")
@pytest.mark.parametrize(
    ("own", "y", "tolerance"),
    [
        (MLPRegressor(max_iter=20, random_state=0, loss="poisson"), RNG.poisson(np.exp(NUMBERS / 3)), SAME),
        (MLPRegressor(max_iter=20, random_state=0), SCORES, SAME),
        # Single precision has 24 bits, and Adam's steps depend on each of them only as far as gradients do.
        (MLPClassifier(max_iter=20, random_state=0, dtype="float32"), THREE, 1e-4),
    ],
    ids=["counts", "outputs", "precision"],
)
def test_a_program_does_what_the_engine_does(own, y, tolerance, monkeypatch):
    by_the_engine = clone(own).fit(X, y)
    monkeypatch.setattr("chainrule.training.compiled_steps.EAGER_STEPS", 3)
    same_net(own.fit(X, y), by_the_engine, tolerance)
    assert "by a program" in own.history_.made_by
    assert "by a program" not in by_the_engine.history_.made_by


def test_it_says_what_made_its_steps(soon):
    sparse = MLPClassifier(max_iter=9, random_state=0).fit(scipy.sparse.csr_matrix(X), THREE)
    assert sparse.history_.made_by == (
        "All steps were made by the engine: the features are sparse, and each batch is made dense by itself."
    )
    few = MLPRegressor(max_iter=2, batch_size=90, random_state=0).fit(X, NUMBERS)
    assert few.history_.made_by == "All steps were made by the engine, as the first 3 always are."
    assert len(few.history_) == 2
    assert MLPRegressor(max_iter=2, solver="lbfgs").fit(X, NUMBERS).history_.made_by.endswith("first 3 times always.")


def test_several_outputs_are_added_up():
    settings = {"max_iter": 30, "random_state": 1, "alpha": 0.0, "tol": 0.0}
    own, other = MLPRegressor(**settings).fit(X, SCORES), TheirRegressor(**settings).fit(X, SCORES)
    same_net(own, other)
    np.testing.assert_allclose(np.array(own.loss_curve_) / 3, other.loss_curve_, rtol=0, atol=SAME)
    assert own.predict(X).shape == (90, 3)


@pytest.mark.parametrize("y", [TWO, THREE])
def test_lbfgs_finds_the_minimum_that_scikit_learn_finds(y):
    settings = {"hidden_layer_sizes": (4,), "solver": "lbfgs", "max_iter": 30, "random_state": 1, "alpha": 0.1}
    own, other = MLPClassifier(**settings).fit(X, y), TheirClassifier(**settings).fit(X, y)
    # Line searches enlarge differences of rounding from step to step.
    same_net(own, other, 1e-6)
    assert own.loss_ == pytest.approx(other.loss_, abs=1e-8)


@pytest.mark.parametrize("momentum", [{"momentum": 0.0}, {"momentum": 0.9}, {"nesterovs_momentum": False}], ids=str)
@pytest.mark.parametrize("schedule", ["invscaling", "adaptive"])
def test_schedules_of_the_rate(schedule, momentum):
    settings = {"solver": "sgd", "learning_rate": schedule, "random_state": 0, "tol": 0.01, "max_iter": 60}
    settings |= {"learning_rate_init": 0.2, "n_iter_no_change": 2, "power_t": 0.2, "hidden_layer_sizes": (6, 4)}
    for mine, theirs, y in ((MLPClassifier, TheirClassifier, THREE), (MLPRegressor, TheirRegressor, NUMBERS / 4)):
        own, other = mine(**settings, **momentum).fit(X, y), theirs(**settings, **momentum).fit(X, y)
        same_net(own, other)
        assert own.n_iter_ == other.n_iter_
        assert own._optimizer.lr == other._optimizer.learning_rate < 0.2
    own, other = MLPRegressor(**settings, **momentum), TheirRegressor(**settings, **momentum)
    for _ in range(5):
        same_net(own.partial_fit(X, NUMBERS / 4), other.partial_fit(X, NUMBERS / 4))


def weighs(estimator):
    """Whether this version of scikit-learn weighs examples."""
    from inspect import signature

    return "sample_weight" in signature(estimator.fit).parameters


@pytest.mark.skipif(not weighs(TheirRegressor), reason="scikit-learn weighs examples from 1.7 on")
@pytest.mark.parametrize("early", [False, True])
def test_weights_of_examples(early):
    settings = {"max_iter": 30, "random_state": 2, "early_stopping": early}
    for mine, theirs, y in (
        (MLPClassifier, TheirClassifier, THREE),
        (MLPClassifier, TheirClassifier, TWO),
        (MLPRegressor, TheirRegressor, NUMBERS),
    ):
        own = mine(**settings).fit(X, y, sample_weight=WEIGHT)
        same_net(own, theirs(**settings).fit(X, y, sample_weight=WEIGHT))
        other = mine(**settings).fit(X, y)
        assert abs(own.coefs_[0] - other.coefs_[0]).max() > 1e-4


@pytest.mark.skipif(not weighs(TheirRegressor), reason="scikit-learn knows the Poisson loss from 1.7 on")
def test_counts_by_the_poisson_deviance():
    counts = RNG.poisson(np.exp(NUMBERS / 3))
    settings = {"loss": "poisson", "max_iter": 30, "random_state": 2}
    own, other = MLPRegressor(**settings).fit(X, counts), TheirRegressor(**settings).fit(X, counts)
    same_net(own, other)
    np.testing.assert_allclose(own.predict(X), other.predict(X), rtol=1e-9)
    np.testing.assert_allclose(own.loss_curve_, other.loss_curve_, rtol=0, atol=SAME)
    with pytest.raises(DataError, match="no negative target, as in row 1: -2"):
        MLPRegressor(loss="poisson").fit(X[:3], [1, -2, 3])


def test_a_fit_goes_on_where_it_is_told_to():
    settings = {"max_iter": 5, "random_state": 2, "warm_start": True}
    own, other = MLPClassifier(**settings), TheirClassifier(**settings)
    for _ in range(3):
        same_net(own.fit(X, THREE), other.fit(X, THREE))
    assert len(own.loss_curve_) == 15
    with pytest.raises(ValueError, match=r"classes \['dog'\], which this MLPClassifier was not made for; it knows"):
        own.fit(X, ["dog", *THREE[1:]])


def test_partial_fit_goes_on_also_after_pickling():
    own, other = MLPClassifier(random_state=0), TheirClassifier(random_state=0)
    numbers, counterpart = MLPRegressor(random_state=0), TheirRegressor(random_state=0)
    for start in range(0, 90, 30):
        part = slice(start, start + 30)
        own.partial_fit(X[part], THREE[part], classes=["cow", "ant", "bee"])
        other.partial_fit(X[part], THREE[part], classes=["ant", "bee", "cow"])
        same_net(own, other)
        own = pickle.loads(pickle.dumps(own))  # noqa: S301 (its own)
        same_net(numbers.partial_fit(X[part], NUMBERS[part]), counterpart.partial_fit(X[part], NUMBERS[part]))
    assert own.n_iter_ == 1
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        MLPClassifier().partial_fit(X, THREE)
    with pytest.raises(ValueError, match="not the same as on the last call"):
        own.partial_fit(X, THREE, classes=["ant", "bee"])
    with pytest.raises(ValueError, match="does not support early_stopping"):
        MLPRegressor(early_stopping=True).partial_fit(X, NUMBERS)
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")


def test_partial_fit_starts_from_the_weights_that_the_net_has():
    own = MLPClassifier(random_state=0, learning_rate_init=0.001).partial_fit(X, THREE, classes=np.unique(THREE))
    own.net_.load_state_dict({name: np.zeros(held.shape) for name, held in own.net_.state_dict().items()})
    own.partial_fit(X, THREE)
    # One step of Adam goes no further than a few times its rate.
    assert 0 < max(abs(part).max() for part in own.coefs_ + own.intercepts_) < 0.01


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_matrix])
def test_sparse_features_give_the_same_net(kind):
    x = X * (abs(X) > 0.8)
    for solver in ("adam", "lbfgs"):
        own = MLPClassifier(max_iter=10, random_state=0, solver=solver)
        dense = clone(own).fit(x, THREE)
        same_net(own.fit(kind(x), THREE), dense, 0.0)
        assert (own.predict(kind(x)) == dense.predict(x)).all()


# What is its own


def test_the_trained_net_is_a_module():
    own = MLPClassifier((8,), max_iter=10, random_state=0).fit(X, THREE)
    assert repr(own.net_) == "Sequential(Linear(5, 8, dtype=float64), ReLU(), Linear(8, 3, dtype=float64))"
    assert (cr.softmax(own.net_(X)).data == own.predict_proba(X)).all()
    assert not own.net_.training
    assert all(parameter.grad is None for parameter in own.net_.parameters())


def test_precision():
    assert MLPClassifier(max_iter=2).fit(X.astype(np.float32), THREE).coefs_[0].dtype == np.float32
    assert MLPClassifier(max_iter=2).fit(X, THREE).coefs_[0].dtype == np.float64
    half = MLPClassifier(max_iter=20, random_state=0, dtype="float32").fit(X, THREE)
    assert half.coefs_[0].dtype == half.predict_proba(X).dtype == np.float32
    # Single precision has 24 bits, and Adam's steps depend on each of them only as far as gradients do.
    same_net(half, MLPClassifier(max_iter=20, random_state=0).fit(X, THREE), 1e-4)
    half.partial_fit(X, THREE)
    assert half.coefs_[0].dtype == np.float32


def test_the_result_depends_on_random_state_alone():
    first, again, other = (MLPClassifier(max_iter=5, random_state=seed).fit(X, THREE) for seed in (0, 0, 1))
    same_net(first, again, 0.0)
    assert abs(first.coefs_[0] - other.coefs_[0]).max() > 0.01
    generator = np.random.RandomState(0)
    same_net(first, MLPClassifier(max_iter=5, random_state=generator).fit(X, THREE), 0.0)
    one, two = (ModuleClassifier(make, max_iter=2, random_state=4).fit(X, THREE) for _ in range(2))
    assert (one.predict_proba(X) == two.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            {"hidden_layer_sizes": (3, 0)},
            r"hidden_layer_sizes is a whole number of at least 1, or .* not \(3, 0",
        ),
        ({"activation": "gelu"}, "activation is one of identity, logistic, tanh, relu, not 'gelu'"),
        ({"solver": "rmsprop"}, "solver is one of adam, sgd, lbfgs, not 'rmsprop'"),
        ({"alpha": -1}, "alpha is a number of at least 0, not -1"),
        ({"alpha": "a"}, "alpha is a number"),
        ({"batch_size": 0}, "batch_size is a whole number of at least 1 or 'auto', not 0"),
        ({"learning_rate_init": 0.0}, "learning_rate_init is a number above 0, not 0"),
        ({"beta_2": 1.0}, "beta_2 is a number of at least 0 and below 1, not 1"),
        ({"momentum": 1.5}, "momentum is a number of at least 0 and at most 1, not 1.5"),
        ({"max_iter": True}, "max_iter is a whole number of at least 1, not True"),
        ({"n_iter_no_change": 2.5}, "n_iter_no_change is a whole number of at least 1 or inf, not 2.5"),
        ({"shuffle": "yes"}, "shuffle is True or False, not 'yes'"),
        ({"dtype": "float16"}, "dtype is None, 'float32' or 'float64', not 'float16'"),
    ],
)
def test_settings_that_make_no_sense_are_named(setting, words):
    with pytest.raises(ValueError, match=f"MLPClassifier: {words}"):
        MLPClassifier(**setting).fit(X, THREE)


def test_what_goes_wrong_is_said():
    with pytest.raises(DivergenceError, match=r"MLPRegressor: the loss became .* in epoch \d+: .*; scale the f"):
        MLPRegressor(solver="sgd", learning_rate_init=10.0, max_iter=50).fit(X * 100, NUMBERS)
    with pytest.warns(ConvergenceWarning, match="MLPClassifier was still getting better after max_iter=2"):
        MLPClassifier(max_iter=2).fit(X, THREE)
    with pytest.warns(UserWarning, match="batch_size=1000 is more than the 90 examples"):
        MLPClassifier(max_iter=2, batch_size=1000).fit(X, THREE)
    with pytest.raises(ValueError, match="1 examples are too few to watch: raise validation_fraction"):
        MLPRegressor(early_stopping=True, validation_fraction=0.01).fit(X, NUMBERS)
    with pytest.raises(DataError, match="made for 1 outputs, and y has 3"):
        MLPRegressor(max_iter=2, warm_start=True).fit(X, NUMBERS).fit(X, SCORES)
    with pytest.raises(NotFittedError):
        MLPClassifier().predict(X)
    with pytest.raises(ValueError, match="has 4 features, but MLPClassifier is expecting 5"):
        MLPClassifier(max_iter=2).fit(X, THREE).predict(X[:, :4])
    with pytest.warns(DataConversionWarning):
        MLPRegressor(max_iter=2).fit(X, NUMBERS[:, None])


def test_what_is_not_finite_is_found():
    polars = pytest.importorskip("polars")
    wrong = X.copy()
    wrong[7, 3] = np.nan
    with pytest.raises(DataError, match=r"Input X contains NaN. First in row 7, column 3"):
        MLPClassifier().fit(wrong, THREE)
    frame = polars.DataFrame(np.where(np.isnan(wrong), np.inf, wrong), schema=list("abcde"))
    with pytest.raises(DataError, match=r"Input X contains infinity.* First in row 7, column d"):
        ModuleClassifier(make).fit(frame, THREE)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        MLPRegressor().fit(X, np.where(np.arange(90) == 2, np.nan, NUMBERS))
    named = MLPClassifier(max_iter=2).fit(frame.fill_null(0).with_columns(d=0.0), THREE)
    assert named.feature_names_in_.tolist() == list("abcde")


def test_it_tells_how_it_goes_if_asked(capsys):
    MLPClassifier(max_iter=2, random_state=0, verbose=True, early_stopping=True).fit(X, THREE)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "validation", "epoch", "validation"]
    MLPClassifier(max_iter=2, random_state=0).fit(X, THREE)
    assert not capsys.readouterr().out


def test_an_interrupted_fit_keeps_what_it_learned(monkeypatch):
    own = MLPClassifier(max_iter=50, random_state=0)
    monkeypatch.setattr("chainrule.sklearn.descent.still_getting_better", interrupt)
    with pytest.raises(KeyboardInterrupt):
        own.fit(X, THREE)
    monkeypatch.undo()
    same_net(own, clone(own).fit(X, THREE), 0.0)


def interrupt(estimator):
    raise KeyboardInterrupt


# In scikit-learn's machinery


def test_a_grid_search_over_a_pipeline_in_two_processes():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(max_iter=60, random_state=0, learning_rate_init=0.02))
    grid = {"mlpclassifier__hidden_layer_sizes": [(2,), (16,)]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, THREE)
        alone = GridSearchCV(pipeline, grid, cv=2).fit(X, THREE)
    assert search.best_score_ > 0.75
    assert (search.cv_results_["mean_test_score"] == alone.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (MLPClassifier(max_iter=5, random_state=0), THREE),
        (MLPRegressor(max_iter=5, random_state=0, solver="sgd"), NUMBERS),
        (ModuleClassifier(make, max_iter=5, random_state=0), THREE),
        (ModuleRegressor(nn.Linear(5, 1, rng=0), max_iter=5, random_state=0), NUMBERS),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_clones_and_pickles(estimator, y):
    fitted = estimator.fit(X, y)
    again = clone(fitted).fit(X, y)
    assert (again.predict(X) == fitted.predict(X)).all()
    restored = pickle.loads(pickle.dumps(fitted))  # noqa: S301 (its own)
    assert (restored.predict(X) == fitted.predict(X)).all()
    assert (restored.partial_fit(X, y).predict(X) == fitted.partial_fit(X, y).predict(X)).all()


# Any module


def test_a_module_is_trained_as_fit_trains_it():
    net = make(5, 3, 0)
    own = ModuleClassifier(net, learning_rate=0.02, max_iter=4, batch_size=16, random_state=9).fit(X, THREE)
    seed = np.random.RandomState(9).randint(2**31 - 1)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": cr.optim.Adam(net.parameters(), lr=0.02), "epochs": 4}
    untouched = net.state_dict()
    cr.training.fit(net, X, SCORES.argmax(1), **settings, batch_size=16, seed=seed, progress=False)
    assert (own.module_(X).data == net(X).data).all()
    assert (own.module_[0].weight.data != untouched["0.weight"].data).any()
    assert own.n_iter_ == len(own.loss_curve_) == 4
    np.testing.assert_allclose(own.predict_proba(X).sum(1), 1, atol=1e-12)


def test_modules_take_images_optimizers_losses_and_stop_early():
    images = RNG.normal(size=(60, 1, 6, 6)).astype(np.float32)
    images[::2, :, :3] += 2
    y = np.tile([1, 0], 30)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2, rng=1))
    own = ModuleClassifier(net, optimizer=partial(cr.optim.SGD, momentum=0.9), learning_rate=0.02, max_iter=15)
    assert own.fit(images, y).score(images, y) > 0.95
    early = ModuleRegressor(make, loss=nn.HuberLoss(), early_stopping=True, n_iter_no_change=2, tol=1.0, random_state=0)
    assert early.fit(X, SCORES).n_iter_ < 10
    assert early.predict(X).shape == (90, 3)


def test_modules_learn_bit_by_bit():
    own = ModuleClassifier(make, learning_rate=0.02, random_state=0)
    for _ in range(15):
        own.partial_fit(X[:45], THREE[:45], classes=["ant", "bee", "cow"]).partial_fit(X[45:], THREE[45:])
    assert own.score(X, THREE) > 0.8
    with pytest.raises(DataError, match=r"classes \['dog'\], which this ModuleClassifier was not made for"):
        own.partial_fit(X, np.where(THREE == "ant", "dog", THREE))
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        ModuleClassifier(make).partial_fit(X, THREE)
    with pytest.raises(ValueError, match="not the same as on the last call"):
        own.partial_fit(X, THREE, classes=["ant", "bee"])
    numbers = ModuleRegressor(make, random_state=0).partial_fit(X, NUMBERS)
    with pytest.raises(
        DataError, match="ModuleRegressor was first fitted with 1 target for each example, and y now has 3"
    ):
        numbers.partial_fit(X, SCORES)
    with pytest.raises(DataError, match="first fitted with 3 targets for each example, and y now has 1"):
        ModuleRegressor(make, max_iter=2, warm_start=True, random_state=0).fit(X, SCORES).fit(X, NUMBERS)
    warm = ModuleRegressor(make, max_iter=5, warm_start=True, random_state=0).fit(X, NUMBERS)
    first = warm.loss_curve_
    warm.fit(X, NUMBERS)
    assert warm.loss_curve_[:5] == first
    assert (len(warm.loss_curve_), warm.n_iter_) == (10, 5)
    assert warm.loss_curve_[5] < first[0]
    assert len(clone(warm).fit(X, NUMBERS).loss_curve_) == 5


@pytest.mark.parametrize("early", [False, True])
def test_modules_weigh_examples_as_repeated_rows(early):
    times = RNG.integers(0, 3, len(X))
    rows = np.repeat(np.arange(len(X)), times)
    how = {"max_iter": 8, "batch_size": 500, "learning_rate": 0.02, "random_state": 0}
    for kind, y in ((ModuleClassifier, THREE), (ModuleRegressor, NUMBERS), (ModuleRegressor, SCORES)):
        if early:
            own = kind(make, early_stopping=True, **how).fit(X, y, sample_weight=times)
            assert len(own.loss_curve_) <= 8
            continue
        own, other = kind(make, **how).fit(X, y, sample_weight=times), kind(make, **how).fit(X[rows], y[rows])
        np.testing.assert_allclose(own.loss_curve_, other.loss_curve_, rtol=1e-5)
        scores = own.score(X, y, sample_weight=times), other.score(X[rows], y[rows])
        assert scores[0] == pytest.approx(scores[1], abs=1e-3)
        again = kind(make, **how).partial_fit(X, y, **({"classes": THREE} if kind is ModuleClassifier else {}))
        again.partial_fit(X, y, sample_weight=times)
        assert len(again.loss_curve_) == 2


def test_modules_are_used_in_evaluation_mode():
    own = ModuleClassifier(dropped, max_iter=3, random_state=0).fit(X, THREE)
    assert (own.predict_proba(X) == own.predict_proba(X)).all()


def test_what_is_no_module_or_useless_is_refused():
    with pytest.raises(DtypeError, match=r"module is a module of cr.nn or a function .* not int"):
        ModuleClassifier(3).fit(X, THREE)
    with pytest.raises(DtypeError, match="made an int, and not a module"):
        ModuleClassifier(lambda inputs, outputs, rng: 3).fit(X, THREE)
    with pytest.raises(DataError, match=r"one class for each example, and y has shape \(90, 3\)"):
        ModuleClassifier(make).fit(X, LABELS)
    with pytest.raises(ValueError, match="ModuleClassifier: learning_rate is a number above 0"):
        ModuleClassifier(make, learning_rate=0).fit(X, THREE)
    with (
        pytest.warns(cr.errors.DivergenceWarning),
        pytest.raises(DivergenceError, match="ModuleRegressor: the loss became"),
    ):
        ModuleRegressor(make, optimizer=cr.optim.SGD, learning_rate=1e9, random_state=0).fit(X, NUMBERS)


def test_without_scikit_learn_one_line_says_what_to_install():
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import chainrule\n"
        "try: import chainrule.sklearn\n"
        "except chainrule.errors.MissingExtra as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "scikit-learn is not installed: pip install '.[sklearn]'"

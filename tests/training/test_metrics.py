"""Metrics equal scikit-learn's, on ties, classes that are missing and targets that do not vary too."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError

metrics = pytest.importorskip("sklearn.metrics")

CASES = {
    "two classes": (2, 200, None),
    "five classes": (5, 200, None),
    "one example": (3, 1, None),
    "a class that is not there": (4, 60, [0, 1, 3]),
    "one class alone": (3, 40, [1]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.UndefinedMetricWarning", "ignore:y_pred contains classes")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_classes_are_judged_as_by_scikit_learn(case):
    classes, count, only = CASES[case]
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(count, classes)).round(1)
    right = rng.choice(only or classes, count)
    said, labels = outputs.argmax(1), range(classes)
    assert cr.training.accuracy(outputs, right) == pytest.approx(metrics.accuracy_score(right, said), abs=1e-15)
    assert cr.training.balanced_accuracy(outputs, right) == pytest.approx(
        metrics.balanced_accuracy_score(right, said), abs=1e-15
    )
    assert np.array_equal(
        cr.training.confusion_matrix(outputs, right), metrics.confusion_matrix(right, said, labels=labels)
    )
    expected = metrics.precision_recall_fscore_support(right, said, labels=labels, zero_division=0)
    for ours, theirs in zip(cr.training.precision_recall_f1(outputs, right), expected, strict=False):
        np.testing.assert_allclose(ours, theirs, atol=1e-15)


@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_the_area_under_the_curve_counts_ties_half(decimals, share):
    rng = np.random.default_rng(1)
    right = (rng.uniform(size=300) < share).astype(int)
    right[:2] = 0, 1
    outputs = (rng.normal(size=(300, 2)) + right[:, None] * [0, 1]).round(decimals)
    scores = outputs[:, 1] - outputs[:, 0]
    assert cr.training.roc_auc(outputs, right) == pytest.approx(metrics.roc_auc_score(right, scores), abs=1e-14)
    assert cr.training.roc_auc(scores, right) + cr.training.roc_auc(-scores, right) == pytest.approx(1, abs=1e-14)
    assert cr.training.roc_auc(np.zeros(300), right) == 0.5


def test_the_area_under_the_curve_of_one_class_is_no_number():
    assert np.isnan(cr.training.roc_auc([0.2, 0.7], [1, 1]))
    assert np.isnan(cr.training.roc_auc([0.2], [0]))


@pytest.mark.parametrize("actual", [[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
@pytest.mark.parametrize("said", [[1.0, 2.0, 4.0], [3.0, 3.0, 3.0], [0.0, 5.0, 2.0]])
def test_numbers_are_judged_as_by_scikit_learn(actual, said):
    assert cr.training.r2(said, actual) == pytest.approx(metrics.r2_score(actual, said), abs=1e-15)
    assert cr.training.mean_absolute_error(said, actual) == metrics.mean_absolute_error(actual, said)


@pytest.mark.parametrize(
    "judge", [cr.training.confusion_matrix, cr.training.balanced_accuracy, cr.training.precision_recall_f1]
)
def test_targets_that_are_no_classes_are_refused(judge):
    for right in ([0, 3], [0, -1], [0.5, 1.0]):
        with pytest.raises(ShapeError, match="whole numbers from 0 to 2"):
            judge(np.eye(3)[:2], right)
    with pytest.raises(ShapeError, match="no examples"):
        judge(np.empty((0, 3)), np.empty(0, int))


def test_scores_without_a_target_each_are_refused():
    for scores, right in (([0.1, 0.2], [0]), ([0.1], [2]), (np.zeros((2, 3)), [0, 1])):
        with pytest.raises(ShapeError, match="roc_auc"):
            cr.training.roc_auc(scores, right)


def test_a_metric_that_writes_in_place_does_not_reach_the_users_data():
    def doubled(said, right):
        said *= 2
        return float(said.sum())

    x = np.ones((3, 2))
    found = cr.training.evaluate(cr.nn.Identity(), x, x, loss=None, metrics={"doubled": doubled})
    assert found["doubled"] == 12
    np.testing.assert_array_equal(x, np.ones((3, 2)))

"""Losses: their values, gradients and conventions, agreement with PyTorch, and clear refusals."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, DtypeError, ShapeError

LOGITS = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0], [1000.0, -1000.0, 0.0], [0.0, 0.0, 0.0]])
TARGET = np.array([1, 0, 2, 2])


def test_cross_entropy_by_hand():
    logits = cr.Tensor(LOGITS, requires_grad=True)
    loss = nn.CrossEntropyLoss()(logits, TARGET)
    shifted = LOGITS - LOGITS.max(1, keepdims=True)
    shares = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    each = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(4), TARGET]
    assert loss.item() == pytest.approx(each.mean(), rel=1e-14)
    loss.backward()
    np.testing.assert_allclose(logits.grad.data, (shares - np.eye(3)[TARGET]) / 4, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    "kind", [list, tuple, np.array, cr.Tensor, lambda t: t.astype(np.uint8), lambda t: t.astype("i4")]
)
def test_cross_entropy_takes_classes_of_any_whole_type(kind):
    loss = nn.CrossEntropyLoss()
    assert loss(LOGITS, kind(TARGET)) == pytest.approx(loss(cr.Tensor(LOGITS), TARGET).item(), rel=1e-15)


def test_cross_entropy_keeps_its_own_target():
    logits, target = cr.Tensor(LOGITS, requires_grad=True), TARGET.copy()
    loss = nn.CrossEntropyLoss()(logits, target)
    target[:] = 0
    loss.backward()
    again = cr.Tensor(LOGITS, requires_grad=True)
    nn.CrossEntropyLoss()(again, TARGET).backward()
    np.testing.assert_array_equal(logits.grad.data, again.grad.data)


@pytest.mark.parametrize(
    ("logits", "target", "error", "message"),
    [
        (LOGITS, [0, 1, 3, 2], ShapeError, "class 3, .* know the classes 0 to 2: .*at least 4 outputs"),
        (LOGITS, [0, -1, 1, 2], ShapeError, "class -1, .* number the classes from 0$"),
        (LOGITS, np.array([0, 300, 1, 2], np.uint16), ShapeError, "class 300"),
        (LOGITS, [0.0, 1.0, 1.0, 2.0], DtypeError, r"whole numbers, not float64: use target.astype\(int\)"),
        (LOGITS, [True, False, True, True], DtypeError, "whole numbers, not bool"),
        (LOGITS, ["a", "b", "c", "d"], DtypeError, "takes numbers"),
        (LOGITS, [0, 1], ShapeError, r"each of the 4 rows .* target of shape \(2,\)"),
        (LOGITS, np.eye(4, 3, dtype=int), ShapeError, "not one-hot rows"),
        (LOGITS, np.ones((4, 2)), ShapeError, r"or floats of shape \(4, 3\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), ShapeError, "at least one example"),
        (LOGITS[0], [1], ShapeError, r"not \(3,\): reshape one example to \(1, 3\)"),
        (LOGITS[None], [1], ShapeError, r"shape \(batch, classes\), not \(1, 4, 3\)"),
        (np.zeros((0, 3)), np.zeros(0, int), ShapeError, "at least one example"),
        (np.zeros((2, 0)), [0, 0], ShapeError, "has no value"),
    ],
)
def test_cross_entropy_refuses(logits, target, error, message):
    with pytest.raises(error, match=message):
        nn.CrossEntropyLoss()(cr.Tensor(logits, requires_grad=True), target)


def test_cross_entropy_of_nan_is_nan():
    assert np.isnan(nn.CrossEntropyLoss()(cr.Tensor([[np.nan, 0.0]]), [0]).item())


@pytest.mark.parametrize(
    ("convention", "value", "slope"), [("mean", 2.5, 1.0), ("sum", 5.0, 2.0), ("half_sum", 2.5, 1.0)]
)
def test_mse_conventions(convention, value, slope):
    prediction = cr.Tensor([[3.0], [4.0]], requires_grad=True)
    loss = nn.MSELoss(convention)(prediction, np.array([[2.0], [2.0]]))
    loss.backward()
    assert loss.item() == value
    np.testing.assert_allclose(prediction.grad.data, slope * np.array([[1.0], [2.0]]), rtol=1e-15)
    assert repr(nn.MSELoss(convention=convention)) == f"MSELoss(convention={convention!r})"


def test_mse_is_the_mean_unless_told_otherwise():
    assert repr(nn.MSELoss()) == "MSELoss(convention='mean')"
    assert nn.MSELoss()(cr.Tensor(np.ones((5, 2))), np.zeros((5, 2))).item() == 1.0


def test_mse_passes_gradients_of_the_target():
    target = cr.Tensor([1.0, 5.0], requires_grad=True)
    nn.MSELoss("sum")([2.0, 3.0], target).backward()
    assert target.grad.tolist() == [-2.0, 4.0]


@pytest.mark.parametrize(
    ("prediction", "target", "error", "message"),
    [
        (np.ones((3, 1)), np.ones(3), ShapeError, r"prediction has shape \(3, 1\) and the target \(3,\)"),
        (np.ones((0, 2)), np.ones((0, 2)), ShapeError, "at least one example"),
        (np.ones(2), ["a", "b"], DtypeError, "numbers"),
    ],
)
def test_mse_refuses(prediction, target, error, message):
    with pytest.raises(error, match=message):
        nn.MSELoss()(cr.Tensor(prediction, requires_grad=True), target)


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="one of mean, sum, half_sum, not 'average'"):
        nn.MSELoss("average")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_dtype(dtype):
    logits = cr.Tensor(LOGITS.astype(dtype), requires_grad=True)
    other, sides = LOGITS.astype(dtype) + 1, np.sign(LOGITS.astype(dtype) + 0.5)
    zero_one = (sides + 1) / 2
    for loss in (
        nn.CrossEntropyLoss()(logits, TARGET),
        nn.CrossEntropyLoss([1.0, 2.0, 3.0], label_smoothing=0.1)(logits, TARGET),
        nn.CrossEntropyLoss([1.0, 2.0, 3.0], label_smoothing=0.1)(logits, zero_one),
        nn.MSELoss()(logits, other),
        nn.L1Loss()(logits, other),
        nn.HuberLoss(delta=0.3)(logits, other),
        nn.BCELoss()(cr.sigmoid(logits), zero_one),
        nn.BCEWithLogitsLoss(pos_weight=2.0)(logits, zero_one),
        nn.BCEWithLogitsLoss(pos_weight=np.array([1.0, 2.0, 3.0]))(logits, zero_one > 0),
        nn.HingeLoss()(logits, sides),
    ):
        assert loss.dtype == dtype
        logits.zero_grad()
        loss.backward()
        assert logits.grad.dtype == dtype


def test_losses_agree_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pairs = [
        (nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss(), TARGET),
        (nn.MSELoss(), torch.nn.MSELoss(), LOGITS * 0.5 + 1),
        (nn.MSELoss("sum"), torch.nn.MSELoss(reduction="sum"), LOGITS * 0.5 + 1),
    ]
    for ours, theirs, target in pairs:
        mine = cr.Tensor(LOGITS, requires_grad=True)
        yours = torch.tensor(LOGITS, requires_grad=True)
        loss, expected = ours(mine, target), theirs(yours, torch.tensor(target))
        loss.backward()
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(mine.grad.data, yours.grad.numpy(), rtol=1e-12, atol=1e-12)


SIDES = np.sign(LOGITS + 0.5)
SHARES = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.1, 0.8, 0.1], [0.5, 0.75, 0.0]])
WEIGHT = np.array([0.5, 2.0, 1.25])
SMALL = LOGITS.clip(-3, 3)
OTHER = SMALL * 0.5 + 0.9
# A loss, its settings, where it is looked at, and the target.
EXAMPLES = [
    ("CrossEntropyLoss", {}, LOGITS, TARGET),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, LOGITS, TARGET),
    ("CrossEntropyLoss", {"weight": WEIGHT}, LOGITS, TARGET),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.3}, LOGITS, TARGET),
    ("CrossEntropyLoss", {}, LOGITS, SHARES),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.3}, LOGITS, SHARES),
    ("CrossEntropyLoss", {"ignore_index": 2}, LOGITS, TARGET),
    ("CrossEntropyLoss", {"ignore_index": 0, "weight": WEIGHT, "label_smoothing": 0.3}, LOGITS, TARGET),
    ("CrossEntropyLoss", {}, LOGITS, np.array([-100, 1, -100, 0])),
    ("CrossEntropyLoss", {"ignore_index": -1, "weight": WEIGHT}, LOGITS, np.array([-1, 1, -1, 0])),
    ("L1Loss", {}, SMALL, OTHER),
    ("HuberLoss", {}, SMALL, OTHER),
    ("HuberLoss", {"delta": 0.25}, SMALL, OTHER),
    ("BCELoss", {}, SHARES.clip(0.01, 0.9), SHARES),
    ("BCEWithLogitsLoss", {}, LOGITS, SHARES),
    ("BCEWithLogitsLoss", {"pos_weight": WEIGHT}, LOGITS, SHARES),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "settings", "x", "target"), EXAMPLES)
def test_every_reduction_agrees_with_pytorch(name, settings, x, target, reduction):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    arrays = {key: torch.tensor(given) if isinstance(given, np.ndarray) else given for key, given in settings.items()}
    ours = getattr(nn, name)(**settings, reduction=reduction)
    theirs = getattr(torch.nn, name)(**arrays, reduction=reduction)
    mine, yours = cr.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    loss, expected = ours(mine, target), theirs(yours, torch.tensor(target))
    seed = np.linspace(0.5, 2.0, loss.size).reshape(loss.shape)
    loss.backward(seed)
    expected.backward(torch.tensor(seed))
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mine.grad.data, yours.grad.numpy(), rtol=1e-12, atol=1e-12)


EVERY_LOSS = [
    *(getattr(nn, name)(**settings) for name, settings, *_ in EXAMPLES),
    *(nn.MSELoss(convention) for convention in ("mean", "sum", "half_sum")),
    *(nn.L1Loss("sum"), nn.CrossEntropyLoss(WEIGHT, "sum"), nn.BCEWithLogitsLoss("sum", WEIGHT), nn.HingeLoss()),
]
WHERE = [(x, target) for *_, x, target in EXAMPLES] + [(SMALL, OTHER)] * 4
WHERE += [(LOGITS, TARGET), (LOGITS, SHARES), (LOGITS, SIDES)]


def value_and_slope(loss, x, *rest):
    x = cr.Tensor(x, requires_grad=True)
    value = loss(x, *rest)
    value.backward()
    return value.item(), x.grad.data


@pytest.mark.parametrize(("loss", "where"), [*zip(EVERY_LOSS, WHERE, strict=True)])
def test_weights_of_examples_are_repeated_rows(loss, where):
    x, target = where
    times = np.array([2, 0, 3, 1])
    value, slope = value_and_slope(loss, x, target, times)
    rows = np.repeat(np.arange(4), times)
    right, slopes = value_and_slope(loss, x[rows], target[rows])
    np.testing.assert_allclose(value, right, rtol=1e-12)
    together = np.zeros_like(x)
    np.add.at(together, rows, slopes)
    np.testing.assert_allclose(slope, together, rtol=1e-12, atol=1e-12)
    if getattr(loss, "reduction", None) == "mean" and not np.isnan(value):
        assert value_and_slope(loss, x, target, 0.5 * times)[0] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("loss", "where"), [*zip(EVERY_LOSS, WHERE, strict=True)])
@pytest.mark.parametrize("weight", [None, np.array([0.5, 2.0, 0.0, 1.0])])
def test_batches_make_the_whole_by_what_they_weigh(loss, where, weight):
    x, target = where
    parts = []
    for rows in (slice(0, 1), slice(1, 4)):
        given = (x[rows], target[rows], None if weight is None else weight[rows])
        parts.append((loss(*given).item(), loss.weight_of(*given)))
    whole = loss(x, target, weight).item()
    if parts[0][1] is None:
        assert sum(value for value, _ in parts) == pytest.approx(whole, rel=1e-12)
        return
    counted = [(value, counts) for value, counts in parts if counts]
    total = sum(counts for _, counts in counted)
    mean = sum(value * counts for value, counts in counted) / total if total else np.nan
    assert mean == pytest.approx(whole, rel=1e-12, nan_ok=True)


def test_losses_of_each_example_are_weighed_too():
    for loss in (nn.L1Loss("none"), nn.BCEWithLogitsLoss("none")):
        weight = np.array([1.0, 2.0, 0.0, 0.5])
        np.testing.assert_allclose(
            loss(LOGITS, SHARES, weight), loss(LOGITS, SHARES) * weight[:, None], rtol=1e-15, atol=0
        )
    ignoring = nn.CrossEntropyLoss(reduction="none", ignore_index=0)
    found = ignoring(cr.Tensor(LOGITS), TARGET, [1.0, 2.0, 3.0, 4.0]).data
    plain = nn.CrossEntropyLoss(reduction="none")(cr.Tensor(LOGITS), TARGET).data
    np.testing.assert_allclose(found, np.where(TARGET == 0, 0, plain * [1.0, 2.0, 3.0, 4.0]), rtol=1e-15)


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        ([1.0], ShapeError, r"one sample_weight for each example .* \(4, 3\), and got weights of shape \(1,\)"),
        (np.ones((4, 3)), ShapeError, "one sample_weight for each example"),
        ([1.0, -1.0, 1.0, 1.0], ChainruleError, r"weights of examples from 0, and got -1.0 at \[1\]"),
        ([1.0, np.nan, 1.0, 1.0], ChainruleError, r"got nan at \[1\]"),
        (["a"] * 4, DtypeError, "got texts, as 'a'"),
    ],
)
def test_weights_that_make_no_sense_are_refused(weight, error, message):
    for loss, target in ((nn.CrossEntropyLoss(), TARGET), (nn.MSELoss(), LOGITS), (nn.L1Loss(), LOGITS)):
        with pytest.raises(error, match=message):
            loss(LOGITS, target, weight)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss(), nn.HingeLoss()])
@pytest.mark.parametrize("texts", [["cat", "dog"], np.array(["cat", "dog"]), np.array(["cat", "dog"], object)])
def test_texts_are_told_how_to_become_numbers(loss, texts):
    with pytest.raises(DtypeError, match=r"got texts, as 'cat': number the classes with classes, y = np.unique"):
        loss(cr.Tensor([[0.0, 1.0], [1.0, 0.0]]), texts)


def test_an_ignored_row_may_hold_anything():
    logits = cr.Tensor([[0.0, 1.0], [np.inf, np.nan]], requires_grad=True)
    loss = nn.CrossEntropyLoss()(logits, [1, -100])
    assert loss.item() == pytest.approx(np.log1p(np.exp(-1)))
    loss.backward()
    assert np.isfinite(logits.grad.data[0]).all()
    assert np.isnan(nn.CrossEntropyLoss()(LOGITS, np.full(4, -100)))
    assert nn.CrossEntropyLoss(reduction="sum")(LOGITS, np.full(4, -100)) == 0


def test_binary_losses_are_one_node():
    x = cr.Tensor(LOGITS, requires_grad=True)
    for loss in (nn.BCEWithLogitsLoss(), nn.BCEWithLogitsLoss("sum", pos_weight=WEIGHT)):
        assert loss(x, SHARES).inputs[0] is x
        assert loss(x, SHARES, [1, 2, 3, 4]).inputs[0] is x


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "BCELoss", "BCEWithLogitsLoss", "L1Loss", "HuberLoss"])
def test_the_gradient_of_a_target_agrees_with_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = SHARES.clip(0.01, 0.9)
    mine, yours = cr.Tensor(SHARES, requires_grad=True), torch.tensor(SHARES, requires_grad=True)
    getattr(nn, name)()(x, mine).backward()
    getattr(torch.nn, name)()(torch.tensor(x), yours).backward()
    np.testing.assert_allclose(mine.grad.data, yours.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "x", "target"),
    [
        *[(getattr(nn, name)(**settings), x.clip(-3, 3), target) for name, settings, x, target in EXAMPLES],
        (nn.MSELoss(), SMALL, OTHER),
        (nn.MSELoss("sum"), SMALL, OTHER),
        (nn.MSELoss("half_sum"), SMALL, OTHER),
        (nn.HingeLoss(), SMALL + 0.01, SIDES),
        (nn.HingeLoss("sum", margin=0.25), SMALL + 0.01, SIDES),
    ],
    ids=str,
)
def test_losses_agree_with_differences(loss, x, target):
    found = cr.grad(lambda prediction: loss(prediction, target))(x)
    forward = cr.jvp(lambda prediction: loss(prediction, target), (x,), (np.ones_like(x),))[1]
    assert forward == pytest.approx(found.sum(), rel=1e-12)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        difference = (loss(x + step, target) - loss(x - step, target)) / 2e-6
        # Central differences: rounding 1e-16 / 1e-6, times a loss of up to 30, and 1e-12 of curvature.
        assert found[place] == pytest.approx(difference, rel=1e-7, abs=1e-8)


def test_at_kinks():
    at_kink = {
        nn.L1Loss("none"): (2.0, 2.0, 0.0, 0.0),
        nn.HuberLoss("none", delta=0.5): (1.5, 1.0, 0.125, 0.5),
        nn.HingeLoss("none"): (-1.0, -1.0, 0.0, 0.0),
        nn.HingeLoss("none", margin=0.5): (0.5, 1.0, 0.0, 0.0),
        nn.BCELoss("none"): (0.0, 1.0, 100.0, 0.0),
    }
    for loss, (x, target, value, slope) in at_kink.items():
        prediction = cr.Tensor([x], requires_grad=True)
        found = loss(prediction, [target])
        found.backward()
        assert (found.item(), prediction.grad.item()) == (value, slope), loss


def test_a_certain_and_right_probability_costs_nothing_and_its_slope_is_that_of_the_logarithm():
    prediction = cr.Tensor([0.0, 1.0], requires_grad=True)
    loss = nn.BCELoss("sum")(prediction, [0.0, 1.0])
    loss.backward()
    assert loss.item() == 0.0
    assert prediction.grad.tolist() == [1.0, -1.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_inputs_stay_finite_and_right(dtype):
    far = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    for loss, target, values, slopes in (
        (nn.CrossEntropyLoss(reduction="none"), [0, 0], [0, 2e4 + np.log(2)], [[0, 0, 0], [-1, 0.5, 0.5]]),
        (
            nn.CrossEntropyLoss(reduction="none"),
            np.eye(3, dtype=dtype)[[1, 2]],
            [2e4, np.log(2)],
            [[1, -1, 0], [0, 0.5, -0.5]],
        ),
        (
            nn.BCEWithLogitsLoss("none"),
            np.array([[1, 1, 1], [0, 0, 1]], dtype),
            [[0, 1e4, np.log(2)], [0, 1e4, 0]],
            [[0, -1, -0.5], [0, 1, 0]],
        ),
        (
            nn.BCEWithLogitsLoss("none", pos_weight=2.0),
            np.array([[1, 1, 1], [0, 0, 1]], dtype),
            [[0, 2e4, 2 * np.log(2)], [0, 1e4, 0]],
            [[0, -2, -1], [0, 1, 0]],
        ),
        (nn.HuberLoss("none"), np.zeros((2, 3), dtype), [[9999.5, 9999.5, 0], [9999.5] * 3], [[1, -1, 0], [-1, 1, 1]]),
        (nn.HingeLoss("none"), np.ones((2, 3), dtype), [[0, 10001, 1], [10001, 0, 0]], [[0, -1, -1], [-1, 0, 0]]),
    ):
        logits = cr.Tensor(far, requires_grad=True)
        found = loss(logits, target)
        found.backward(np.ones_like(found.data))
        few = 4 * np.finfo(dtype).eps
        np.testing.assert_allclose(found.data, values, rtol=few)
        np.testing.assert_allclose(logits.grad.data, slopes, rtol=few)


def test_huber_keeps_every_digit_near_and_does_not_overflow_far_out():
    for error in (1e-300, 1e-10, 0.1):
        assert cr.grad(nn.HuberLoss())(error, 0.0) == error
        assert cr.grad(cr.grad(nn.HuberLoss()))(error, 0.0) == 1.0
    far = np.array([3e38, -3e38], np.float32)
    x = cr.Tensor(far, requires_grad=True)
    loss = nn.HuberLoss("none")(x, np.zeros(2, np.float32))
    loss.backward(np.ones(2))
    np.testing.assert_array_equal(loss.data, np.abs(far))
    assert x.grad.tolist() == [1.0, -1.0]


def test_small_losses_keep_their_digits():
    for x in (0.5, 5.0, 20.0, 40.0, 300.0, 700.0):
        exact = mpmath.log1p(mpmath.exp(-mpmath.mpf(x)))
        slope = -1 / (1 + mpmath.exp(mpmath.mpf(x)))
        logit = cr.Tensor([x], requires_grad=True)
        loss = nn.BCEWithLogitsLoss()(logit, [1.0])
        loss.backward()
        # The exponential of x rounds with a relative error of up to x units in the last place.
        assert loss.item() == pytest.approx(float(exact), rel=4e-16 * (1 + x))
        assert logit.grad.item() == pytest.approx(float(slope), rel=4e-16 * (1 + x))
        assert nn.BCEWithLogitsLoss()(-logit, [0.0]).item() == loss.item()


deterministic = settings(derandomize=True, database=None, deadline=None)
NUMBERS = st.floats(-30, 30)
ROWS = arrays(float, (3, 4), elements=NUMBERS)


@deterministic
@given(ROWS, arrays(int, 3, elements=st.integers(0, 3)), st.floats(0, 1), arrays(float, 4, elements=st.floats(0.1, 9)))
def test_class_numbers_are_one_hot_probabilities(logits, target, smoothing, weight):
    by_number = nn.CrossEntropyLoss(weight, "none", smoothing)(logits, target)
    by_share = nn.CrossEntropyLoss(weight, "none", smoothing)(logits, np.eye(4)[target])
    np.testing.assert_allclose(by_number, by_share, rtol=1e-13, atol=1e-13)
    mean = nn.CrossEntropyLoss(weight, label_smoothing=smoothing)(logits, target)
    assert mean == pytest.approx(np.sum(by_number) / weight[target].sum(), rel=1e-13)
    assert nn.CrossEntropyLoss()(logits, target) == pytest.approx(
        np.mean(nn.CrossEntropyLoss(reduction="none")(logits, target)), rel=1e-13, abs=1e-13
    )


@deterministic
@given(arrays(float, 5, elements=NUMBERS), arrays(float, 5, elements=st.floats(0, 1)))
def test_two_classes_are_one_logit(x, target):
    pairs = np.stack([np.zeros(5), x], axis=1)
    np.testing.assert_allclose(
        nn.BCEWithLogitsLoss("none")(x, target),
        nn.CrossEntropyLoss(reduction="none")(pairs, np.stack([1 - target, target], axis=1)),
        rtol=1e-13,
        atol=1e-14,
    )


@deterministic
@given(arrays(float, 5, elements=st.floats(-15, 15)), arrays(float, 5, elements=st.floats(0, 1)))
def test_logits_are_probabilities_behind_a_sigmoid(x, target):
    # 1 - sigmoid(15) = 3e-7 has lost seven digits of sixteen.
    np.testing.assert_allclose(
        nn.BCEWithLogitsLoss("none")(x, target), nn.BCELoss("none")(cr.sigmoid(x), target), rtol=1e-8, atol=1e-9
    )


@deterministic
@given(ROWS, ROWS, st.floats(0.1, 10))
def test_huber_lies_between_the_squared_error_and_the_distance(x, y, delta):
    huber = nn.HuberLoss("none", delta)(x, y)
    near = np.abs(x - y) <= delta
    np.testing.assert_allclose(huber[near], 0.5 * np.square(x - y)[near], rtol=1e-14)
    np.testing.assert_allclose(huber[~near], (delta * (np.abs(x - y) - delta / 2))[~near], rtol=1e-13)
    assert nn.HuberLoss("sum", 100.0)(x, y) == pytest.approx(nn.MSELoss("half_sum")(x, y), rel=1e-13)


@deterministic
@given(ROWS, arrays(float, (3, 4), elements=st.sampled_from([-1.0, 1.0])))
def test_hinge_is_the_shortfall_on_the_right_side(score, side):
    expected = np.where(side * score < 1, 1 - side * score, 0)
    np.testing.assert_array_equal(nn.HingeLoss("none")(score, side), expected)
    np.testing.assert_array_equal(nn.HingeLoss("none")(-score, -side), expected)


@deterministic
@given(ROWS)
def test_losses_of_what_was_asked_for_are_least(x):
    assert nn.L1Loss()(x, x) == nn.HuberLoss()(x, x) == nn.MSELoss()(x, x) == 0.0
    shares = cr.softmax(x)
    at_best = cr.grad(lambda logits: nn.CrossEntropyLoss()(logits, shares))(x)
    # Shares round to a few units in the last place, each at most 1.
    np.testing.assert_allclose(at_best, 0, atol=1e-15)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.L1Loss("average"), ValueError, "L1Loss: reduction is one of mean, sum, none, not 'average'"),
        (lambda: nn.CrossEntropyLoss(reduction="avg"), ValueError, "CrossEntropyLoss: reduction is one of"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=1.5), ValueError, "label_smoothing is from 0 to 1, not 1.5"),
        (lambda: nn.CrossEntropyLoss([[1.0]]), ShapeError, r"one number for each class, not shape \(1, 1\)"),
        (lambda: nn.CrossEntropyLoss([1.0])(LOGITS, TARGET), ShapeError, r"has 1 weights, .* \(4, 3\) know 3 classes"),
        (lambda: nn.HuberLoss(delta=0.0), ValueError, "delta is above 0, not 0.0"),
        (lambda: nn.L1Loss()(np.ones(2), np.ones((2, 1))), ShapeError, r"L1Loss compares .* \(2,\) and .* \(2, 1\)"),
        (lambda: nn.HuberLoss("none")(np.ones((0, 2)), np.ones((0, 2))), ShapeError, "HuberLoss of an empty batch"),
        (lambda: nn.BCELoss()([0.5, 1.5], [0.0, 1.0]), ChainruleError, r"from 0 to 1, and got 1.5 at \[1\]: use BCEW"),
        (
            lambda: nn.BCELoss()([[0.5]], [[2]]),
            ChainruleError,
            r"BCELoss takes targets from 0 to 1, and got 2 at \[0, 0",
        ),
        (lambda: nn.BCEWithLogitsLoss()([0.5], [-1.0]), ChainruleError, "BCEWithLogitsLoss takes targets from 0 to 1"),
        (
            lambda: nn.BCEWithLogitsLoss(pos_weight=[1.0, 2.0])([0.5], [1.0]),
            ShapeError,
            r"shape \(2,\), which does not",
        ),
        (
            lambda: nn.HingeLoss()([0.5, 1.0], [1, 0]),
            ChainruleError,
            r"-1 and 1, and got 0 at \[1\]: .* 2 \* target - 1",
        ),
        (lambda: nn.HingeLoss()([0.5], ["a"]), DtypeError, "numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["L1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss"])
def test_nan_stays_nan(name):
    assert np.isnan(getattr(nn, name)()(cr.Tensor([np.nan, 0.5]), [1.0, 0.0]).item())


def test_losses_are_modules_without_parameters():
    assert list(nn.CrossEntropyLoss(weight=[1.0, 2.0]).parameters()) == []
    assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss()"
    assert (
        repr(nn.CrossEntropyLoss([1, 2], label_smoothing=0.1)) == "CrossEntropyLoss(weight=[1, 2], label_smoothing=0.1)"
    )
    assert repr(nn.HuberLoss("sum", delta=2.0)) == "HuberLoss(reduction='sum', delta=2.0)"
    assert repr(nn.BCEWithLogitsLoss(pos_weight=3.0)) == "BCEWithLogitsLoss(pos_weight=3.0)"
    assert [repr(kind()) for kind in (nn.L1Loss, nn.BCELoss, nn.HingeLoss)] == ["L1Loss()", "BCELoss()", "HingeLoss()"]
    assert issubclass(ShapeError, ChainruleError)


def test_the_squared_error_knows_pytorch_s_word_for_its_reduction():
    prediction = cr.Tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    target, weight = np.array([[0.0, 2.0], [1.0, 1.0]]), [1.0, 3.0]
    each = nn.MSELoss(reduction="none")
    np.testing.assert_array_equal(each(prediction, target).data, [[1.0, 0.0], [4.0, 16.0]])
    np.testing.assert_array_equal(each(prediction, target, sample_weight=weight).data, [[1.0, 0.0], [12.0, 48.0]])
    assert nn.MSELoss(reduction="sum")(prediction, target).item() == nn.MSELoss("sum")(prediction, target).item() == 21
    assert nn.MSELoss(reduction="mean")(prediction, target).item() == 5.25
    assert repr(each) == "MSELoss(reduction='none')"
    cr.sum(each(prediction, target)).backward()
    np.testing.assert_array_equal(prediction.grad.data, 2 * (prediction.data - target))
    with pytest.raises(ValueError, match="reduction is one of mean, sum, none, not 'average'"):
        nn.MSELoss(reduction="average")
    with pytest.raises(ValueError, match="a convention or a reduction"):
        nn.MSELoss("half_sum", reduction="sum")

"""A network for a table: which rows do what, how it is judged, and which inputs mattered."""

import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import read_table
from chainrule.errors import DataError, DataWarning, ShapeError
from chainrule.training import Recipe, cross_validate, fit_linear, fit_table, judge
from chainrule.training.fit_table import class_weights
from chainrule.training.judge import Threshold, best_threshold, outputs_of, probabilities_of
from chainrule.training.table_net import network_of


def table_of(path, heads, rows, target="y", **settings):
    path.write_text("\n".join([heads, *rows]) + "\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return read_table(path, target=target, **settings)


@pytest.fixture
def numbers(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{k},{3 * a + (k == 'u') + rng.normal(0, 0.1):.2f}" for a, b, k in points(rng, 150)]
    return table_of(tmp_path / "n.csv", "a,b,k,y", rows)


@pytest.fixture
def rare(tmp_path):
    """A table with 8 % yes, which stands a little apart."""
    rng = np.random.default_rng(1)
    rows = [
        f"{rng.normal(1.5 * (i % 12 == 0)):.3f},{rng.normal():.3f},{'yes' if i % 12 == 0 else 'no'}" for i in range(480)
    ]
    return table_of(tmp_path / "r.csv", "a,b,y", rows)


@pytest.fixture
def noise(tmp_path):
    rng = np.random.default_rng(2)
    return table_of(tmp_path / "z.csv", "a,b,y", [f"{a:.3f},{b:.3f},{c:.3f}" for a, b, c in rng.normal(size=(120, 3))])


def points(rng, count):
    return [(rng.normal(), rng.normal(), "uv"[rng.integers(2)]) for _ in range(count)]


def test_what_is_said_of_rows_and_epochs_is_what_was_trained(numbers):
    fitted = fit_table(numbers, Recipe(epochs=60, rate=0.02))
    assert fitted.rows == {"trained": 100, "watched": 20, "held_out": 30}
    losses = fitted.history["val_loss"]
    assert fitted.kept_epoch == int(np.argmin(losses)) + 1
    # Training again for so many epochs on the same rows gives the very weights that were kept.
    kept, back = numbers.split().hold_out(share=0.2, seed=0)
    inner, watching = numbers.split().part(kept).hold_out(share=20 / 120, seed=0)
    train, _, held = numbers.parts(kept[inner], kept[watching], back)
    assert train.columns == fitted.columns
    net = network_of(fitted.sizes, rng=np.random.default_rng(0))
    adam = cr.optim.Adam(net.parameters(), lr=0.02)
    loss = cr.nn.MSELoss()
    cr.training.fit(
        net, train.x, train.y, loss=loss, optimizer=adam, epochs=fitted.kept_epoch, batch_size=32, progress=False
    )
    assert np.array_equal(outputs_of(net, held.x), outputs_of(fitted.net, held.x))


def test_a_small_table_stops_by_rows_that_only_watch(noise):
    fitted = fit_table(noise, Recipe(rate=0.02))
    assert fitted.rows["watched"] == 20
    assert fitted.history.stopped.startswith("val_loss did not get better")
    assert fitted.kept_epoch < len(fitted.history)


def test_what_is_no_better_than_a_constant_says_so_first(noise):
    found = fit_table(noise).judgement
    assert found.warning.startswith("no better than to say the mean every time: R² -")
    assert repr(found).startswith(found.warning)
    assert found.details["better_than_baseline"] is False


def test_what_is_better_does_not(numbers):
    found = fit_table(numbers, Recipe(rate=0.02)).judgement
    assert (found.warning, found.details["better_than_baseline"]) == ("", True)


def test_a_baseline_and_a_linear_model_stand_beside(numbers):
    fitted = fit_table(numbers, Recipe(rate=0.02))
    beside = fitted.judgement.details["baselines"]
    assert beside["constant"]["r2"] == 0
    # The target is a line.
    assert beside["linear"]["r2"] > 0.99
    assert fitted.judgement.measures[""] == ["network", "linear model", "always the mean"]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_linear_models_are_scikit_learns(classes):
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    for count, features in ((200, 4), (40, 90)):
        x, y = rng.normal(size=(count, features)), rng.integers(0, classes, count)
        theirs = linear_model.LogisticRegression(max_iter=9999, tol=1e-9).fit(x, y).decision_function(x)
        ours = fit_linear(x, y, classes=classes)(x)
        ours = ours[:, 1] - ours[:, 0] if classes == 2 else ours - ours.mean(axis=1, keepdims=True)
        # A cost that is 1e-12 above the least leaves scores that are off by about its root.
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        target = rng.normal(size=(count, 1))
        ridge = linear_model.Ridge().fit(x, target).predict(x).reshape(-1, 1)
        np.testing.assert_allclose(fit_linear(x, target)(x), ridge, atol=1e-10)


def hard_tables():
    """Features that are nearly one another's sums, of very unlike sizes, that part the classes, and very many rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 5))
    y = (x[:, 0] + 0.3 * rng.normal(size=500) > 0).astype(int)
    yield np.hstack([x, x @ rng.normal(size=(5, 20)) + 1e-4 * rng.normal(size=(500, 20))]), y
    yield x * np.array([1e-3, 1, 50, 1e3, 7]) + np.array([0, 3, 0, 500, 0]), y
    yield x, (x[:, 0] > 0).astype(int)
    many = rng.normal(size=(40_000, 12)) @ rng.normal(size=(12, 12))
    yield many, np.digitize(many[:, 0] + many[:, 1] + rng.normal(size=40_000), [-4, 0, 4])


@pytest.mark.parametrize(("x", "y"), list(hard_tables()), ids=["nearly sums", "unlike sizes", "parted", "many rows"])
def test_the_linear_model_of_classes_is_the_best_one(x, y):
    """At the least cost its slope is 0, by this package's own gradient of the cost."""
    found = fit_linear(x, y, classes=int(y.max()) + 1)
    assert found.converged
    half = 2 if y.max() == 1 else 1

    def cost(weight, bias):
        logits = cr.Tensor(x) @ weight + bias
        return cr.cross_entropy(logits, y) + half / (2 * len(x)) * cr.sum(weight**2)

    slopes = cr.grad(cost, argnums=(0, 1))(found.weight, found.bias)
    sizes = np.sqrt(np.square(x).mean(axis=0))[:, None]
    assert np.abs(np.asarray(slopes[0]) / sizes).max() < 2e-6
    assert np.abs(np.asarray(slopes[1])).max() < 2e-6


def test_a_linear_model_that_is_not_the_best_is_named_so(rare, monkeypatch):
    monkeypatch.setattr("chainrule.training.linear.WORK", 1e4)
    found = fit_table(rare, Recipe(epochs=2))
    assert not found.linear.converged
    assert found.judgement.measures[""][1] == "linear model (not converged)"
    assert found.judgement.plain()["linear_converged"] is False


def test_a_rare_class_is_found_when_classes_weigh_the_same(rare):
    plain, weighed = (fit_table(rare, Recipe(balanced=balanced)).judgement for balanced in (False, True))
    assert plain.details["imbalanced"] == ["yes"]
    recalls = [found.details["per_class"][1]["recall"] for found in (plain, weighed)]
    assert recalls[0] < 0.3 < recalls[1]
    assert weighed.numbers["balanced_accuracy"] > plain.numbers["balanced_accuracy"]
    if recalls[0] == 0:
        assert "'yes': 0 of 8 found" in plain.warning
    assert class_weights(rare).round(3).tolist() == [0.545, 6.0]


def test_a_threshold_decides_between_two_classes(rare):
    fitted = fit_table(rare, Recipe(threshold=0.15))
    assert fitted.threshold == Threshold(1, 0.15)
    _, held = rare.hold_out()
    share = probabilities_of(outputs_of(fitted.net, held.x))[:, 1]
    counts = np.array(fitted.judgement.details["confusion"])
    assert counts[:, 1].sum() == (share >= 0.15).sum()
    auto = fit_table(rare, Recipe(threshold="auto"))
    assert auto.threshold.positive == 1
    assert 0 < auto.threshold.least < 0.5
    with pytest.raises(DataError, match="a threshold parts two classes"):
        fit_table(three_classes(rare), Recipe(threshold=0.5))


def three_classes(table):
    columns = table.columns
    target = type(columns.target)("y", ("no", "yes", "maybe"))
    return cr.data.Table(table.x, table.y, type(columns)(columns.features, target), table.rows)


def test_the_best_threshold_is_the_best_of_all():
    rng = np.random.default_rng(3)
    right = np.array([0, 1] + [int(u < 0.2) for u in rng.uniform(size=98)])
    outputs = rng.normal(size=(100, 2)) + right[:, None] * [0, 1]
    found = best_threshold(outputs, right, 1)

    def reached(threshold):
        return cr.training.balanced_accuracy(np.eye(2)[threshold.classes(outputs)], right)

    assert reached(found) == max(reached(Threshold(1, least)) for least in np.linspace(0, 1, 2001))


def test_a_class_that_no_row_taught_is_never_predicted(tmp_path):
    rows = [f"{i % 9},{i % 4},{'late' if i >= 80 else 'ab'[i % 2]}" for i in range(100)]
    table = table_of(tmp_path / "t.csv", "a,b,y", rows)
    with pytest.warns(DataWarning, match="no row has the class 'late', so it is never predicted"):
        fitted = fit_table(table, Recipe(by="time", epochs=3))
    far = np.random.default_rng(0).normal(0, 1000, (500, len(fitted.columns.names))).astype(np.float32)
    place = fitted.columns.classes.index("late")
    assert not (outputs_of(fitted.net, far).argmax(axis=1) == place).any()
    assert fitted.judgement.details["per_class"][place]["recall"] == 0


@pytest.mark.parametrize("by", ["time", "time:when", "group:team"])
@pytest.mark.filterwarnings("ignore:.*rows are held back by it")
def test_rows_that_watch_are_held_apart_as_those_that_judge(tmp_path, by):
    rows = [f"{i * i % 17},t{i % 10},2024-{i // 28 + 1:02d}-{i % 28 + 1:02d},{i % 13}.5" for i in range(200)]
    table = table_of(tmp_path / "t.csv", "a,team,when,y", rows)
    seen = {}

    def spy(self, learned, *others, by=""):
        seen["places"] = (learned, *others)
        return original(self, learned, *others, by=by)

    original = cr.data.Table.parts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cr.data.Table, "parts", spy)
        fit_table(table, Recipe(by=by, epochs=2))
    train, watched, held = seen["places"]
    assert sorted([*train, *watched, *held]) == list(range(200))
    if by.startswith("time"):
        assert train.max() < watched.min() <= watched.max() < held.min()
    else:
        teams = [set(places % 10) for places in (train, watched, held)]
        assert sum(map(len, teams)) == 10
        assert set.union(*teams) == set(range(10))


def test_it_can_be_trained_again_on_all_rows(numbers):
    once, again = (fit_table(numbers, Recipe(epochs=30, rate=0.02, refit=refit)) for refit in (False, True))
    assert (once.refitted, again.refitted) == (0, 150)
    # What is said of it is what the network that had not seen the rows held back was worth.
    assert again.judgement == once.judgement
    assert again.columns.features[0].mean == pytest.approx(numbers.columns.features[0].mean)
    assert not np.array_equal(again.net[0].weight.data, once.net[0].weight.data)


def test_decay_and_dropout_change_what_is_learned(numbers):
    plain, decayed, dropped = (
        fit_table(numbers, Recipe(epochs=40, rate=0.02, **more))
        for more in ({}, {"weight_decay": 5.0}, {"dropout": 0.5})
    )
    size = [float(np.square(one.net[0].weight.data).sum()) for one in (plain, decayed)]
    assert size[1] < size[0]
    assert len(dropped.net) == len(plain.net) == 3
    assert not np.array_equal(dropped.net[0].weight.data, plain.net[0].weight.data)


def test_several_splits_give_mean_and_spread(numbers):
    found = cross_validate(numbers, Recipe(epochs=20, rate=0.02), folds=3, seeds=2)
    assert len(found.judgements) == 6
    values = [one.numbers["r2"] for one in found.judgements]
    plain = found.plain()["network"]["r2"]
    assert plain["mean"] == pytest.approx(np.mean(values))
    assert plain["spread"] == pytest.approx(np.std(values, ddof=1))
    assert (plain["least"], plain["largest"]) == (min(values), max(values))
    assert "over 6 splits" in repr(found)
    assert len(cross_validate(numbers, Recipe(epochs=2), seeds=3).judgements) == 3


def test_too_few_rows_to_watch(tmp_path):
    table = table_of(tmp_path / "t.csv", "a,y", [f"{i * i},{i * i}.5" for i in range(10)])
    assert fit_table(table, Recipe(epochs=3)).rows == {"trained": 8, "watched": 0, "held_out": 2}


# Which inputs mattered


def test_columns_of_no_use_lose_nothing_when_they_are_shuffled(numbers):
    fitted = fit_table(numbers, Recipe(rate=0.02))
    _, held = numbers.hold_out()
    found = cr.training.permutation_importance(fitted.net, held, seed=1)
    assert found["column"][0] == "a"
    assert found["loses"][0] > 0.5
    loses = dict(zip(found["column"], found["loses"], strict=True))
    assert abs(loses["b"]) < 0.05 < loses["k"] + 0.05
    # It is what scikit-learn finds, but for the draw.
    assert found["spread"][0] > 0
    with pytest.raises(ShapeError, match="repeats is at least 1"):
        cr.training.permutation_importance(fitted.net, held, repeats=0)


def test_effects_of_a_linear_network_add_up_to_its_prediction(numbers):
    net = cr.nn.Sequential(cr.nn.Linear(4, 1, rng=0, dtype=float))
    table = numbers.columns.names
    assert table == ("a", "b", "k=u", "k=v")
    found = cr.training.input_effects(net, numbers, 5)
    target = numbers.columns.target
    said = float(numbers.columns.decode(outputs_of(net, numbers.x[5:6]))[0])
    at_mean = net[0].bias.data[0] * target.scale + target.mean
    # Features are float32.
    assert sum(found["effect"]) == pytest.approx(said - at_mean, abs=1e-5)
    row = found.rows[found["column"].index("a")]
    assert row[1] == numbers.texts("a")[5]
    assert row[2] == pytest.approx(net[0].weight.data[0, 0] * target.scale / numbers.columns.features[0].scale)
    assert [abs(effect) for effect in found["effect"]] == sorted((abs(e) for e in found["effect"]), reverse=True)
    with pytest.raises(ShapeError, match="no row 150"):
        cr.training.input_effects(net, numbers, 150)


def test_effects_on_a_class_are_in_log_odds(rare):
    net = cr.nn.Sequential(cr.nn.Linear(2, 2, rng=0, dtype=float))
    found = cr.training.input_effects(net, rare, 0)
    weight = net[0].weight.data
    best = int(outputs_of(net, rare.x[:1])[0].argmax())
    slopes = dict(zip(found["column"], found["slope"], strict=True))
    for i, column in enumerate(rare.columns.features):
        assert slopes[column.name] == pytest.approx((weight[best, i] - weight[1 - best, i]) / column.scale)
    assert "in log-odds" in found.note


def test_targets_by_their_logarithm_are_judged_in_their_unit(tmp_path):
    rng = np.random.default_rng(4)
    rows = [f"{a:.3f},{b:.3f},{np.exp(2 * a):.5g}" for a, b in rng.normal(size=(200, 2))]
    fitted = fit_table(table_of(tmp_path / "t.csv", "a,b,y", rows, log_target=True), Recipe(rate=0.02))
    assert fitted.columns.target.log
    # The logarithm is a line, which the target itself is far from.
    assert fitted.judgement.details["baselines"]["linear"]["r2"] > 0.95
    assert fitted.judgement.numbers["r2"] > 0.8
    with pytest.raises(DataError, match="row 2: -1 has no logarithm"):
        table_of(tmp_path / "u.csv", "a,y", ["1,2", "2,-1", "3,5"], log_target=True)


@pytest.mark.parametrize("size", [1e-290, 1.0, 1e300])
def test_a_fit_is_judged_alike_whatever_the_size_of_its_target(size):
    columns = cr.data.Columns((), cr.data.columns.Numbers("y", 3 * size, size))
    right, outputs = np.array([[-1.0], [0.0], [1.0]]), np.array([[1.0], [0.5], [-1.0]])
    found = judge(lambda x: x, cr.data.Table(outputs, right, columns, np.arange(1, 4)))
    # 1 - (4 + 1/4 + 4) / 2, and the root of (4 + 1/4 + 4) / 3.
    assert found.numbers["r2"] == pytest.approx(-3.125)
    assert found.numbers["rmse"] == pytest.approx(np.sqrt(2.75) * size)
    assert found.numbers["mean_absolute_error"] == pytest.approx(1.5 * size)
    assert found.details["baseline"] == pytest.approx(np.sqrt(2 / 3) * size)


def test_trained_again_on_more_rows_it_is_the_network_that_was_judged(tmp_path, monkeypatch):
    """Rows that are held back make a smaller table, for which fewer neurons or smaller batches would be usual."""
    rng = np.random.default_rng(0)
    table = table_of(
        tmp_path / "t.csv", "a,b,y", [f"{a:.3f},{b:.3f},{a - b:.3f}" for a, b in rng.normal(size=(600, 2))]
    )
    monkeypatch.setitem(cr.training.fit_table.__globals__, "SMALL", 500)
    seen = []
    usual = cr.training.fit_table.__globals__["fit"]
    monkeypatch.setitem(
        cr.training.fit_table.__globals__, "fit", lambda *given, **how: seen.append(how) or usual(*given, **how)
    )
    fitted = fit_table(table, Recipe(epochs=2, refit=True))
    assert [layer.weight.shape for layer in (fitted.net[0], fitted.net[2])] == [(16, 2), (1, 16)]
    assert (fitted.sizes, fitted.refitted) == ((2, 16, 1), 600)
    assert [how["batch_size"] for how in seen] == [32, 32]
    cr.training.save_model(tmp_path / "m.safetensors", fitted)
    kept = cr.load_model(tmp_path / "m.safetensors")
    assert kept.predict(tmp_path / "t.csv").shape == (600,)


def test_equal_judgements_have_no_spread():
    from chainrule.training.fit_table import _four

    assert _four([0.1 + 0.2] * 3) == (pytest.approx(0.3), 0.0, 0.1 + 0.2, 0.1 + 0.2)

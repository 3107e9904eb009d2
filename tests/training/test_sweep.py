"""`sweep`: networks side by side are those that `fit` trains alone; what is tried, judged, ranked and refused."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, DtypeError, ShapeError
from chainrule.training import lanes
from chainrule.training.step_cache import make_of

X, Y = cr.data.make_moons(61, noise=0.2, seed=0)
NUMBERS = np.sin(X @ np.array([1.0, -2.0]))[:, None]


def net_of(rng, width=5, activation=nn.Tanh, out=2, dtype=np.float64):
    rng = np.random.default_rng(rng)
    return nn.Sequential(
        nn.Linear(2, width, rng=rng, dtype=dtype), activation(), nn.Linear(width, out, rng=rng, dtype=dtype)
    )


def alone(run, x, y, loss, optimizer, build=net_of, folds=None, epochs=4, **training):
    """The network of a run, trained by `fit`."""
    of_net = {name: run.settings[name] for name in ("width", "activation", "out") if name in run.settings}
    of_training = {name: run.settings[name] for name in ("batch_size", "epochs") if name in run.settings}
    known = {*of_net, *of_training, "optimizer", "loss"}
    net = build(run.seed, **of_net)
    optimizer = run.settings.get("optimizer", optimizer)
    moved = optimizer(net.parameters(), **{name: held for name, held in run.settings.items() if name not in known})
    rows = np.arange(len(y)) if run.fold is None else [*cr.data.k_folds(y, k=folds)][run.fold][0]
    cr.training.fit(
        net,
        x[rows],
        y[rows],
        loss=run.settings.get("loss", loss),
        optimizer=moved,
        seed=run.seed,
        progress=False,
        **{"epochs": epochs, **training, **of_training},
    )
    return net


def assert_alike(net, other, tolerance=1e-12):
    for (name, x), (_, y) in zip(net.named_parameters(), other.named_parameters(), strict=True):
        np.testing.assert_allclose(x.data, y.data, rtol=tolerance, atol=tolerance, err_msg=name)


OPTIMIZERS = (
    (cr.optim.SGD, {"lr": [0.05, 0.1], "momentum": [0.0, 0.9]}),
    (cr.optim.SGD, [{"lr": 0.1, "momentum": 0.5, "nesterov": True}, {"lr": 0.2, "weight_decay": 0.1}]),
    (cr.optim.Adam, {"lr": [0.01, 0.1], "betas": [(0.9, 0.99), (0.5, 0.9)]}),
    (cr.optim.AdamW, {"weight_decay": [0.0, 0.5]}),
    (cr.optim.RMSprop, {"lr": [0.01]}),
    (cr.optim.Adagrad, {"lr": [0.1]}),
)


@pytest.mark.parametrize(("optimizer", "grid"), OPTIMIZERS)
@pytest.mark.parametrize(("y", "out", "loss"), [(Y, 2, nn.CrossEntropyLoss()), (NUMBERS, 1, nn.MSELoss())])
def test_every_lane_ends_where_its_network_alone_ends(optimizer, grid, y, out, loss):
    grid = {**grid, "out": [out]} if isinstance(grid, dict) else [{**settings, "out": out} for settings in grid]
    found = cr.sweep(
        net_of, grid, (X, y), loss=loss, optimizer=optimizer, epochs=4, batch_size=16, seeds=2, folds=3, progress=False
    )
    assert not found.alone
    for run in found.runs:
        assert_alike(run.model, alone(run, X, y, loss, optimizer, folds=3, batch_size=16))


@pytest.mark.parametrize("activation", [nn.ReLU, nn.GELU, nn.Sigmoid, nn.Softplus])
def test_what_is_built_may_be_tried_too(activation):
    grid = {"width": [3, 7], "activation": [activation, nn.Tanh], "batch_size": [None, 20], "epochs": [2, 3]}
    loss = nn.CrossEntropyLoss()
    found = cr.sweep(net_of, grid, (X, Y), loss=loss, optimizer=cr.optim.SGD, progress=False)
    assert len(found.runs) == 16
    assert not found.alone
    for run in found.runs:
        assert_alike(run.model, alone(run, X, Y, loss, cr.optim.SGD))


def test_optimizers_and_losses_may_be_tried_too():
    grid = {"optimizer": [cr.optim.SGD, cr.optim.Adam], "loss": [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss()], "out": [1]}
    found = cr.sweep(net_of, grid, (X, NUMBERS), loss=None, epochs=4, progress=False)
    for run in found.runs:
        assert_alike(run.model, alone(run, X, NUMBERS, None, None))
    assert {row[0] for row in found.table().rows} == {"SGD", "Adam"}


def test_single_precision_agrees_to_its_digits():
    found = cr.sweep(
        lambda rng: net_of(rng, dtype=np.float32),
        {"lr": [0.01]},
        (X, Y),
        loss=nn.CrossEntropyLoss(),
        seeds=3,
        epochs=3,
        progress=False,
    )
    for run in found.runs:
        other = alone(
            run, X, Y, nn.CrossEntropyLoss(), cr.optim.Adam, build=lambda rng: net_of(rng, dtype=np.float32), epochs=3
        )
        assert_alike(run.model, other, tolerance=1e-5)


class Spare(nn.Module):
    """A network with a parameter that nothing reads."""

    def __init__(self, rng):
        self.net, self.spare = net_of(rng), nn.Parameter(np.ones(3))

    def forward(self, x):
        return self.net(x)


class ByLength(cr.optim.Optimizer):
    """Moves by the length of the whole gradient, so what belongs together must come together."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)

    def check_settings(self, settings):
        self.refuse_negative(settings, "lr")

    def move(self, data, gradient, memory, work, settings):
        data -= settings["lr"] * gradient / np.linalg.norm(gradient)


@pytest.mark.parametrize("batch_size", [None, 16, 61, 60])
@pytest.mark.parametrize(
    ("build", "optimizer", "grid"),
    [
        (Spare, cr.optim.AdamW, {"weight_decay": [0.0, 0.5]}),
        (Spare, cr.optim.SGD, {"lr": [0.1], "weight_decay": [0.1], "momentum": [0.9]}),
        (net_of, ByLength, {"lr": [0.1, 0.01]}),
        (net_of, cr.optim.Adam, {"lr": [0.1, 0.01], "epochs": [1, 3]}),
    ],
)
def test_lanes_share_no_more_than_fit_would(build, optimizer, grid, batch_size):
    loss = nn.CrossEntropyLoss()
    found = cr.sweep(
        build, grid, (X, Y), loss=loss, optimizer=optimizer, epochs=4, seeds=2, batch_size=batch_size, progress=False
    )
    for run in found.runs:
        assert_alike(run.model, alone(run, X, Y, loss, optimizer, build=build, batch_size=batch_size))


def test_orders_that_are_drawn_at_once_are_those_of_fit(monkeypatch):
    monkeypatch.setattr(lanes, "ORDERS_AT_ONCE", 2)
    loss, grid = nn.CrossEntropyLoss(), {"lr": [0.1, 0.03, 0.02, 0.01]}
    found = cr.sweep(net_of, grid, (X, Y), loss=loss, epochs=5, batch_size=16, progress=False)
    for run in found.runs:
        assert_alike(run.model, alone(run, X, Y, loss, cr.optim.Adam, epochs=5, batch_size=16))


def test_a_network_whose_squares_are_beyond_all_numbers_has_not_diverged():
    def build(rng):
        net = nn.Linear(2, 2, rng=rng, dtype=np.float64)
        net.bias.data[...] = 1e200
        return net

    loss, optimizer = nn.CrossEntropyLoss(), cr.optim.SGD
    found = cr.sweep(build, {"lr": [0.1, 0.2]}, (X, Y), loss=loss, optimizer=optimizer, batch_size=16, progress=False)
    assert [run.stopped for run in found.runs] == ["", ""]


def test_a_label_that_there_is_not_is_refused_in_the_words_of_the_loss():
    wrong = Y.copy()
    wrong[40] = 7
    for batch_size in (None, 16):
        with pytest.raises(Exception, match="7") as told:
            cr.sweep(
                net_of, {"lr": [0.1]}, (X, wrong), loss=nn.CrossEntropyLoss(), epochs=3, batch_size=batch_size,
                progress=False,
            )  # fmt: skip
        with pytest.raises(type(told.value)):
            nn.CrossEntropyLoss()(net_of(0)(X), wrong)


@pytest.mark.parametrize("patience", [None, 9])
def test_a_program_that_refuses_numbers_late_leaves_nothing_behind(patience, monkeypatch):
    """What was made by programs is made again step by step, from where the network itself stands."""
    calls = Counter[int]()
    made = lanes.Call.made

    def refusing(call, batches, of_lanes):
        calls[id(call)] += 1
        return None if calls[id(call)] == 3 else made(call, batches, of_lanes)

    watched = {} if patience is None else {"validation": (X, Y), "patience": patience}
    training = {"loss": nn.CrossEntropyLoss(), "epochs": 4, "batch_size": 16, "progress": False, **watched}
    right = cr.sweep(net_of, {"lr": [0.1, 0.01]}, (X, Y), **training)
    monkeypatch.setattr(lanes.Call, "made", refusing)
    found = cr.sweep(net_of, {"lr": [0.1, 0.01]}, (X, Y), **training)
    assert 3 in calls.values()
    for run, other in zip(found.runs, right.runs, strict=True):
        assert_alike(run.model, other.model)


class Noisy(nn.Module):
    def __init__(self, rng, kind):
        extra = {"dropout": nn.Dropout(0.5, rng=rng), "norm": nn.BatchNorm1d(5, dtype=np.float64)}[kind]
        rng = np.random.default_rng(rng)
        self.net = nn.Sequential(
            nn.Linear(2, 5, rng=rng, dtype=np.float64), extra, nn.ReLU(), nn.Linear(5, 2, rng=rng, dtype=np.float64)
        )

    def forward(self, x):
        return self.net(x)


@pytest.mark.parametrize(("kind", "reason"), [("dropout", "draws at random"), ("norm", "running numbers")])
def test_what_cannot_be_a_lane_is_trained_alone_and_said(kind, reason):
    found = cr.sweep(
        lambda rng: Noisy(rng, kind), {"lr": [0.01, 0.1]}, (X, Y), loss=nn.CrossEntropyLoss(), epochs=2, progress=False
    )
    assert [*found.alone.values()] == [2]
    assert reason in repr(found)


@pytest.mark.parametrize("kind", ["dropout", "norm"])
def test_what_is_trained_alone_is_what_fit_trains(kind):
    """Looking whether it can be a lane has drawn from nothing that its training draws from."""
    loss = nn.CrossEntropyLoss()
    found = cr.sweep(
        lambda rng: Noisy(rng, kind), {"lr": [0.01, 0.1]}, (X, Y), loss=loss, seeds=2, epochs=3, progress=False
    )
    for run in found.runs:
        assert_alike(run.model, alone(run, X, Y, loss, cr.optim.Adam, build=lambda rng: Noisy(rng, kind), epochs=3))


def test_frozen_parameters_stay():
    def half(rng):
        net = net_of(rng)
        net[0].weight.requires_grad = False
        return net

    found = cr.sweep(half, {"lr": [0.1]}, (X, Y), loss=nn.CrossEntropyLoss(), epochs=2, progress=False)
    np.testing.assert_array_equal(found.model[0].weight.data, net_of(0)[0].weight.data)


def test_networks_that_only_look_alike_are_not_mixed_up():
    class Secret(nn.Module):
        def __init__(self, rng):
            self.inner, self.sign = net_of(rng), 1.0 if rng == 0 else -1.0

        def forward(self, x):
            return self.sign * self.inner(x)

    found = cr.sweep(Secret, {"lr": [0.05]}, (X, Y), loss=nn.CrossEntropyLoss(), seeds=3, epochs=3, progress=False)
    for run in found.runs:
        net = Secret(run.seed)
        cr.training.fit(
            net,
            X,
            Y,
            loss=nn.CrossEntropyLoss(),
            optimizer=cr.optim.Adam(net.parameters(), lr=0.05),
            epochs=3,
            seed=run.seed,
            progress=False,
        )
        assert_alike(run.model, net)


def test_losses_that_only_look_alike_are_not_mixed_up():
    losses = [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.3), nn.CrossEntropyLoss([1.0, 5.0])]
    found = cr.sweep(net_of, {"loss": losses, "lr": [0.1, 0.05]}, (X, Y), loss=None, epochs=3, progress=False)
    for run in found.runs:
        assert_alike(run.model, alone(run, X, Y, None, cr.optim.Adam, epochs=3))


def test_only_networks_of_this_package_are_known_to_compute_the_same():
    class Scaled(nn.Sequential):
        """One that multiplies by a number that is no parameter."""

    loss = nn.CrossEntropyLoss()
    known = make_of(net_of(0), loss)
    assert known == make_of(net_of(1), loss)
    other = nn.Sequential(*net_of(0).steps)
    other.scale = cr.Tensor(2.0)
    foreign = Scaled(*net_of(0).steps)
    hooked = net_of(0)
    hooked[1].register_forward_hook(lambda module, inputs, out: 2 * out)
    for unknown in (other, foreign, hooked):
        assert make_of(unknown, loss) is None
    assert make_of(net_of(0), lambda out, y: loss(out, y)) is None
    different = [net_of(0, width=6), net_of(0, activation=nn.ReLU), net_of(0, dtype=np.float32)]
    assert known not in [make_of(net_of(0), nn.CrossEntropyLoss()), *[make_of(net, loss) for net in different]]


def test_a_lane_that_diverges_spoils_no_other_and_is_said():
    loss = nn.MSELoss()
    found = cr.sweep(
        net_of,
        {"lr": [0.05, 1e6], "out": [1], "activation": [nn.ReLU]},
        (X, NUMBERS),
        loss=loss,
        optimizer=cr.optim.SGD,
        epochs=30,
        progress=False,
    )
    good, bad = found.runs
    assert_alike(good.model, alone(good, X, NUMBERS, loss, cr.optim.SGD, epochs=30))
    assert not good.stopped
    assert bad.diverged
    assert bad.stopped
    assert found.best["lr"] == 0.05
    assert "1 of 2 networks diverged" in repr(found)


def test_numbers_are_those_of_evaluate():
    metrics = [cr.training.accuracy]
    found = cr.sweep(
        net_of,
        {"lr": [0.1, 0.01]},
        (X, Y),
        loss=nn.CrossEntropyLoss(),
        folds=4,
        stratify=True,
        metrics=metrics,
        epochs=3,
        progress=False,
    )
    folds = [*cr.data.k_folds(Y, k=4, stratify=True)]
    for run in found.runs:
        held = folds[run.fold][1]
        judged = cr.training.evaluate(run.model, X[held], Y[held], loss=nn.CrossEntropyLoss(), metrics=metrics)
        assert run.numbers["val_loss"] == judged["loss"]
        assert run.numbers["val_accuracy"] == judged["accuracy"]
    table = found.table()
    assert table.columns == (
        "lr", "loss", "±", "accuracy", "±", "val_loss", "±", "val_accuracy", "±",
    )  # fmt: skip
    best = [run.numbers["val_loss"] for run in found.runs if run.settings == found.best]
    assert table["val_loss"][0] == pytest.approx(np.mean(best), rel=1e-14)
    assert table.rows[0][6] == pytest.approx(np.std(best, ddof=1), rel=1e-12)


def test_a_metric_ranks_with_the_greatest_first():
    grid = {"lr": [1e-6, 0.1]}
    options = {"loss": nn.CrossEntropyLoss(), "metrics": [cr.training.accuracy], "epochs": 10, "progress": False}
    found = cr.sweep(net_of, grid, (X, Y), validation=(X, Y), by="val_accuracy", **options)
    assert found.best == {"lr": 0.1}
    upside_down = cr.sweep(net_of, grid, (X, Y), by="accuracy", least=True, **options)
    assert upside_down.best == {"lr": 1e-6}
    assert found.runs[1].model is found.model


def test_several_processes_find_the_same():
    pytest.importorskip("joblib", reason="joblib spreads a sweep over processes and is not installed")
    options = {"loss": nn.CrossEntropyLoss(), "seeds": [3, 5], "folds": 2, "epochs": 2, "progress": False}
    grid = {"lr": [0.1, 0.01], "width": [2, 3]}
    one, several = (cr.sweep(net_of, grid, (X, Y), n_jobs=n, **options) for n in (1, 2))
    for run, other in zip(one.runs, several.runs, strict=True):
        assert (run.settings, run.seed, run.fold) == (other.settings, other.seed, other.fold)
        assert_alike(run.model, other.model)
    assert several.best == one.best


def test_a_result_is_a_table_and_json():
    found = cr.sweep(
        net_of,
        {"lr": [0.1, 0.2], "activation": [nn.Tanh]},
        (X, Y),
        loss=nn.CrossEntropyLoss(),
        epochs=1,
        progress=False,
    )
    rows = json.loads(found.json())
    assert [row["activation"] for row in rows] == ["Tanh", "Tanh"]
    assert rows[0]["seed"] == 0
    assert len(repr(found).splitlines()) <= 12
    many = cr.sweep(
        net_of, {"lr": np.geomspace(1e-3, 1, 20)}, (X, Y), loss=nn.CrossEntropyLoss(), epochs=1, progress=False
    )
    assert "12 more: .table()" in repr(many)
    assert len(repr(many).splitlines()) <= 12
    assert len(many.table()) == 20


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"grid": {"wdith": [1]}}, ChainruleError, "wdith is neither an argument of net_of"),
        ({"grid": {"lr": 0.1}}, DtypeError, "a list of values for each setting, and lr is 0.1"),
        ({"grid": {"lr": []}}, ShapeError, "nothing to try"),
        ({"data": X}, DtypeError, "a pair"),
        ({"data": (X, Y[:-1])}, ShapeError, "as many targets as examples"),
        ({"folds": 2, "validation": (X, Y)}, ChainruleError, "not both"),
        ({"by": "accuracy"}, ChainruleError, "ranks by one of loss"),
        ({"grid": {"lr": [-1.0]}}, ValueError, "at least 0"),
        ({"folds": 1}, ShapeError, "folds"),
        ({"grid": 3}, DtypeError, "a dict of lists, or a list of settings, not 3"),
        ({"grid": {"epochs": [1, -1]}}, ValueError, "epochs is a whole number from 0, not -1"),
        ({"grid": {"epochs": [1.5]}}, ValueError, "not 1.5"),
        (
            {"grid": {"batch_size": [0]}},
            ShapeError,
            "batch_size is a whole number of at least 1, or None for all, not 0",
        ),
        ({"batch_size": 2.5}, ShapeError, "not 2.5"),
        ({"n_jobs": 0}, ChainruleError, "n_jobs=0: give how many processes"),
        ({"grid": [1]}, DtypeError, r"a list of settings, not \[1\]"),
        ({"loss": "mse"}, DtypeError, "sweep takes a loss, a function of prediction and target, not a text"),
        ({"metrics": ["accuracy"]}, DtypeError, "metrics are functions"),
        ({"build": lambda lr: None, "grid": {"lr": [1]}}, DtypeError, "build gives a module of cr.nn, not None"),
    ],
)
def test_bad_input_is_said(change, error, words):
    given = {"build": net_of, "grid": {"lr": [0.1]}, "data": (X, Y), "loss": nn.CrossEntropyLoss(), **change}
    with pytest.raises(error, match=words):
        cr.sweep(**given, epochs=1, progress=False)


def test_nothing_of_the_callers_changes():
    grid, x, y = {"lr": [0.1]}, X.copy(), Y.copy()
    cr.sweep(net_of, grid, (x, y), loss=nn.CrossEntropyLoss(), epochs=1, progress=False)
    assert grid == {"lr": [0.1]}
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_missing_values_are_not_hidden():
    x = X.copy()
    x[3, 0] = math.nan
    found = cr.sweep(net_of, {"lr": [0.1]}, (x, Y), loss=nn.CrossEntropyLoss(), epochs=1, progress=False)
    assert found.runs[0].diverged
    assert math.isnan(found.runs[0].numbers["loss"])


@pytest.mark.parametrize("build", [net_of, lambda rng: Noisy(rng, "norm")])
@pytest.mark.parametrize("folds", [3, None])
def test_patience_stops_each_where_early_stopping_would(build, folds):
    loss, patience = nn.CrossEntropyLoss(), 3
    judged = {"folds": folds} if folds else {"validation": (X[::3], Y[::3])}
    found = cr.sweep(
        build, {"lr": [0.03, 0.3, 0.001]}, (X, Y), loss=loss, epochs=25, patience=patience, progress=False, **judged
    )
    assert any(run.stopped for run in found.runs)
    for run in found.runs:
        rows, held = [*cr.data.k_folds(Y, k=3)][run.fold] if folds else (slice(None), slice(None, None, 3))
        net = build(run.seed)
        early = cr.training.EarlyStopping(patience)
        history = cr.training.fit(
            net,
            X[rows],
            Y[rows],
            validation=(X[held], Y[held]),
            loss=loss,
            optimizer=cr.optim.Adam(net.parameters(), **run.settings),
            epochs=25,
            callbacks=[early],
            progress=False,
        )
        assert_alike(run.model, net)
        assert run.epoch == early.best_epoch
        assert run.stopped == history.stopped
        assert not run.diverged


def test_patience_needs_something_to_watch():
    with pytest.raises(ChainruleError, match="give folds= or validation="):
        cr.sweep(net_of, {"lr": [0.1]}, (X, Y), loss=nn.CrossEntropyLoss(), patience=2)

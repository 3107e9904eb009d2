"""Weights of examples, exact losses, batches left out, schedules by step, and messages for what is surely not meant."""

import re
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader
from chainrule.errors import ChainruleError, CheckpointError, DtypeError, GraphError, ShapeError, TrainingWarning
from chainrule.training import EarlyStopping, accuracy, evaluate, fit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 3))
Y = RNG.integers(0, 3, 23)
TIMES = RNG.integers(0, 4, 23)
NUMBERS = X @ [[1.0], [2.0], [-1.0]]


def net(out=3, seed=0):
    return nn.Sequential(
        nn.Linear(3, 6, dtype=float, rng=seed), nn.Tanh(), nn.Linear(6, out, dtype=float, rng=seed + 1)
    )


def train(model, x=X, y=Y, **settings):
    usual = {"loss": nn.CrossEntropyLoss(), "epochs": 3, "progress": False, "batch_size": None}
    if "optimizer" not in settings:
        usual["optimizer"] = optim.SGD(model.parameters(), lr=0.1)
    return fit(model, x, y, **{**usual, **settings})


LOSSES = {
    "classes": (nn.CrossEntropyLoss(), 3, Y),
    "weighed classes": (nn.CrossEntropyLoss([0.5, 1.0, 3.0]), 3, Y),
    "ignored": (nn.CrossEntropyLoss([0.5, 1.0, 3.0], ignore_index=1), 3, Y),
    "squares": (nn.MSELoss(), 1, NUMBERS),
    "half sum": (nn.MSELoss("half_sum"), 1, NUMBERS),
    "sum": (nn.CrossEntropyLoss([0.5, 1.0, 3.0], "sum"), 3, Y),
    "binary": (nn.BCEWithLogitsLoss(pos_weight=2.0), 1, (NUMBERS > 0).astype(float)),
    "distances": (nn.L1Loss("sum"), 1, NUMBERS),
}


@pytest.mark.parametrize("name", LOSSES)
def test_weights_are_repeated_rows(name):
    loss, out, y = LOSSES[name]
    rows = np.repeat(np.arange(23), TIMES)
    weighed, repeated = net(out), net(out)
    optimizers = [optim.SGD(model.parameters(), lr=0.01) for model in (weighed, repeated)]
    first = train(weighed, y=y, loss=loss, sample_weight=TIMES, optimizer=optimizers[0], validation=(X, y, TIMES))
    second = train(repeated, X[rows], y[rows], loss=loss, optimizer=optimizers[1], validation=(X[rows], y[rows]))
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(first[column], second[column], rtol=1e-12)
    for one, other in zip(weighed.parameters(), repeated.parameters(), strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-10, atol=1e-13)
    right = evaluate(repeated, X[rows], y[rows], loss=loss)["loss"]
    found = evaluate(weighed, X, y, loss=loss, sample_weight=TIMES, batch_size=4)["loss"]
    assert found == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weight", [None, TIMES], ids=["plain", "weighed"])
def test_a_loss_does_not_depend_on_the_batches(name, weight):
    loss, out, y = LOSSES[name]
    model = net(out)
    whole = loss(model(X), y, weight).item()
    for size in (1, 4, 23, None):
        found = evaluate(model, X, y, loss=loss, batch_size=size, sample_weight=weight)["loss"]
        assert found == pytest.approx(whole, rel=1e-12)
        # With a rate of 0 an epoch of training is the same loss once more.
        still = optim.SGD(model.parameters(), lr=0.0)
        history = train(model, y=y, loss=loss, optimizer=still, epochs=1, batch_size=size, sample_weight=weight)
        assert history["loss"][0] == pytest.approx(whole, rel=1e-12)


def test_metrics_are_told_the_weights():
    model, rows = net(), np.repeat(np.arange(23), TIMES)
    means = {"accuracy": accuracy, "plain": lambda said, right: float(len(said))}
    found = evaluate(model, X, Y, metrics=means, sample_weight=TIMES, batch_size=5)
    assert found["accuracy"] == pytest.approx(evaluate(model, X[rows], Y[rows], metrics=[accuracy])["accuracy"])
    assert found["plain"] == 23
    said = NUMBERS + X[:, :1]
    for metric in (cr.training.r2, cr.training.mean_absolute_error):
        assert metric(said, NUMBERS, sample_weight=TIMES) == pytest.approx(metric(said[rows], NUMBERS[rows]), rel=1e-12)


def test_a_batch_that_does_not_count_makes_no_step():
    weight = np.ones(23)
    weight[4:8] = 0
    one, other = net(), net()
    optimizer = optim.Adam(one.parameters())
    train(one, sample_weight=weight, shuffle=False, batch_size=4, epochs=1, optimizer=optimizer)
    assert optimizer.memory[0]["steps"] == 5
    kept = weight > 0
    train(other, X[kept], Y[kept], shuffle=False, batch_size=4, epochs=1, optimizer=optim.Adam(other.parameters()))
    assert np.array_equal(one[0].weight.data, other[0].weight.data)
    ignored = np.full(23, -100)
    ignored[0] = 1
    history = train(net(), y=ignored, batch_size=4, shuffle=False)
    assert np.isfinite(history["loss"]).all()


def test_loaders_carry_weights():
    one, other = net(), net()
    train(one, sample_weight=TIMES, shuffle=False, batch_size=4)
    train(other, DataLoader(X, Y, sample_weight=TIMES, batch_size=4), None)
    assert np.array_equal(one[0].weight.data, other[0].weight.data)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"sample_weight": TIMES[:3]}, ShapeError, r"one sample_weight for each of the 23 examples, and got .* \(3,\)"),
        ({"sample_weight": -TIMES}, ChainruleError, "sample_weight is from 0, and -"),
        ({"sample_weight": np.full(23, np.nan)}, ChainruleError, r"and nan at \[0\]"),
        ({"sample_weight": np.zeros(23)}, ChainruleError, "every sample_weight is 0"),
        ({"sample_weight": ["a"] * 23}, DtypeError, "got texts, as 'a'"),
        ({"sample_weight": TIMES, "loss": lambda out, y: out.mean()}, DtypeError, "<lambda> takes no sample_weight"),
        ({"x": [(X, Y)], "y": None, "sample_weight": TIMES}, DtypeError, "DataLoader has"),
        ({"x": [(X, Y)], "y": None, "drop_last": True}, DtypeError, "DataLoader has"),
        ({"y": ["cat"] * 23}, DtypeError, "y takes numbers, and got texts, as 'cat': number the classes"),
        ({"y": np.array(["cat"] * 23, object)}, DtypeError, "got texts, as 'cat'"),
        ({"loss": lambda out, y: None}, DtypeError, "gave None: does it lack a return"),
        ({"loss": lambda out, y: 0.5}, DtypeError, "gave the plain number 0.5, from which no way leads back"),
        ({"loss": lambda out, y: out.mean().item()}, DtypeError, "gave the plain number"),
        ({"loss": lambda out, y: out.data.mean(1)}, DtypeError, r"gave an array of shape \(23,\), from which no way"),
        ({"loss": lambda out, y: out.mean(1)}, ShapeError, r"the loss has shape \(23,\), and one number is needed"),
        ({"loss": lambda out, y: "low"}, DtypeError, "gave str, and a Tensor with one number is needed"),
        ({"loss": lambda out, y: cr.Tensor(out.data).mean()}, GraphError, "the way back was cut, by .data, detach"),
        ({"loss": lambda out, y: out.detach().mean()}, GraphError, "the loss depends on no parameter"),
    ],
)
def test_what_is_not_meant_is_told(settings, error, message):
    with pytest.raises(error, match=message):
        train(net(), **settings)


def test_evaluating_takes_plain_numbers_and_tells_the_rest():
    model = net()
    assert evaluate(model, X, Y, loss=lambda out, y: 0.5, batch_size=4) == {"loss": pytest.approx(0.5)}
    for loss, error, message in (
        (lambda out, y: None, DtypeError, "gave None"),
        (lambda out, y: out.data, ShapeError, r"has shape \(23, 3\)"),
    ):
        with pytest.raises(error, match=message):
            evaluate(model, X, Y, loss=loss)


def test_an_optimizer_of_another_net_is_told_once():
    model, other = net(), net(seed=5)
    with pytest.warns(TrainingWarning, match="moves no parameter of this model") as told:
        train(model, optimizer=optim.SGD(other.parameters(), lr=0.1))
    assert len(told) == 1
    # One that moves some, or those of the loss, is meant.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(model, optimizer=optim.SGD(model[2].parameters(), lr=0.1))


def test_a_frozen_layer_stays_and_the_rest_is_trained():
    model = net()
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    before = [p.data.copy() for p in model.parameters()]
    history = train(model, optimizer=optim.Adam(model.parameters(), lr=0.1))
    after = [p.data for p in model.parameters()]
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, False, False]
    assert history["loss"][-1] < history["loss"][0]
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(GraphError, match="every parameter of this Sequential is frozen"):
        train(model, optimizer=optimizer)
    with pytest.raises(GraphError, match="switch requires_grad on"):
        optim.Adam(model.parameters())


def test_a_last_batch_of_one_is_told_and_can_be_left_out():
    def normed():
        return nn.Sequential(nn.Linear(3, 3, dtype=float, rng=0), nn.BatchNorm1d(3, dtype=float))

    with pytest.raises(ShapeError, match=r"leave a last batch of one example out \(drop_last=True\)"):
        train(normed(), batch_size=11)
    seen = []

    class See(cr.training.Callback):
        def on_epoch_end(self, run):
            seen.append((run.batch, run.examples, run.data.count))

        def on_batch_end(self, run):
            seen.append(run.tally.examples)

    train(normed(), batch_size=11, drop_last=True, epochs=1, callbacks=[See()])
    assert seen == [11, 22, (0, 22, 2)]
    train(normed(), batch_size=50, drop_last=True)
    with pytest.raises(ShapeError, match="no batch of 50"):
        DataLoader(X, Y, batch_size=50, drop_last=True)


def test_schedules_by_step_and_by_number():
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.OneCycleLR(optimizer, 0.1, total_steps=18, cycle_momentum=False)
    history = train(model, optimizer=optimizer, scheduler=schedule, batch_size=4)
    assert schedule.last_epoch == 18
    assert len(set(history["lr"])) == 3
    short = optim.OneCycleLR(optimizer, 0.1, total_steps=17, cycle_momentum=False)
    with pytest.raises(ChainruleError, match="fit makes 18 steps, and OneCycleLR was made for 17: give total_steps=18"):
        train(model, optimizer=optimizer, scheduler=short, batch_size=4)
    warm = optim.LinearLR(optimizer, total_iters=12)
    warm.by_step = True
    train(model, optimizer=optimizer, scheduler=warm, batch_size=4)
    assert warm.last_epoch == 18


@pytest.mark.parametrize(("watch", "validation"), [(None, None), (None, (X, Y)), ("accuracy", None)])
def test_a_plateau_follows_the_number_it_watches(watch, validation):
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    optimizer.lr = 0.5
    plateau = optim.ReduceLROnPlateau(
        optimizer, mode="max" if watch else "min", patience=0, factor=0.5, threshold=0.9, watch=watch
    )
    history = train(model, optimizer=optimizer, scheduler=plateau, validation=validation, metrics=[accuracy], epochs=4)
    assert history["lr"] == [0.5, 0.5, 0.25, 0.125]
    with pytest.raises(ShapeError, match="watches val_gain, and an epoch has"):
        train(model, optimizer=optimizer, scheduler=optim.ReduceLROnPlateau(optimizer, watch="val_gain"))


def test_plateau_and_cycle_are_resumed(tmp_path):
    makes = (
        lambda o: optim.ReduceLROnPlateau(o, patience=0, factor=0.5, threshold=0.5),
        lambda o: optim.OneCycleLR(o, 0.1, total_steps=30),
    )
    for i, make in enumerate(makes):

        def run(epochs, name, resume=False, make=make):
            model = net()
            optimizer = optim.Adam(model.parameters(), lr=0.1)
            how = {"optimizer": optimizer, "scheduler": make(optimizer), "batch_size": 5, "resume": resume}
            return train(model, epochs=epochs, checkpoint=tmp_path / name, **how)["loss"]

        whole = run(6, f"whole {i}")
        run(3, f"part {i}")
        assert run(6, f"part {i}", resume=True) == whole


def test_new_settings_of_the_optimizer_hold_in_a_resumed_run_and_are_told(tmp_path):
    def run(epochs, lr, betas=(0.9, 0.999), schedule=None, resume=True, **how):
        model = net()
        optimizer = optim.Adam(model.parameters(), lr=lr, betas=betas)
        scheduler = None if schedule is None else schedule(optimizer)
        return optimizer, train(
            model,
            optimizer=optimizer,
            scheduler=scheduler,
            epochs=epochs,
            checkpoint=tmp_path / "run",
            resume=resume,
            **how,
        )

    run(2, 0.1, resume=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(3, 0.1)
    with pytest.warns(TrainingWarning, match=re.escape("lr was 0.1 and is 0.01")) as told:
        optimizer, history = run(5, 0.01)
    assert len(told) == 1
    assert history["lr"] == [0.1, 0.1, 0.1, 0.01, 0.01]
    with pytest.warns(TrainingWarning, match=re.escape("betas was (0.9, 0.999) and is (0.8, 0.99)")):
        optimizer, _ = run(6, 0.01, betas=(0.8, 0.99))
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.99)

    def halves(optimizer):
        return optim.ExponentialLR(optimizer, 0.5)

    run(2, 0.8, schedule=halves, resume=False)
    with pytest.warns(TrainingWarning, match="lr was 0.8 and is 0.08"):
        _, history = run(4, 0.08, schedule=halves)
    assert history["lr"] == pytest.approx([0.8, 0.4, 0.02, 0.01], rel=1e-12)
    with pytest.raises(CheckpointError, match="gamma"):
        run(5, 0.08, schedule=lambda o: optim.ExponentialLR(o, 0.9))


def test_a_bar_never_begins_with_nan():
    import io

    from rich.console import Console

    from chainrule.training.progress import Bar

    screen = io.StringIO()
    bar = Bar(Console(file=screen, force_terminal=True, width=100))
    weight = np.ones(23)
    weight[:8] = 0
    history = train(net(), sample_weight=weight, shuffle=False, batch_size=4, callbacks=[bar, EarlyStopping(5)])
    assert "nan" not in screen.getvalue()
    assert len(history) == 3

"""`fit` does what the loop written out by hand does, to the last bit, and tells how it went."""

import io
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import CheckpointError, DtypeError, ShapeError
from chainrule.training import Callback, EarlyStopping, History, accuracy, evaluate, fit, mean_absolute_error, r2
from chainrule.training.progress import Bar

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)).astype(np.float32)
Y = (X.sum(1) > 0).astype(int)
REGRESSION = X @ np.array([[1.0], [2.0], [-1.0]], np.float32)


def net(seed=0, out=2):
    return nn.Sequential(nn.Linear(3, 8, rng=seed), nn.ReLU(), nn.Linear(8, out, rng=seed + 1))


def train(model, x=X, y=Y, *, lr=0.05, **settings):
    chosen = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(model.parameters(), lr=lr), "epochs": 3}
    return fit(model, x, y, **{**chosen, "progress": False, **settings})


def weights(model):
    return [p.data.copy() for p in model.parameters()]


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def test_it_is_the_loop_that_one_would_write():
    mine, theirs = net(), net()
    history = train(mine, batch_size=16, seed=7, clip_norm=0.5)
    optimizer, loss, expected = optim.Adam(theirs.parameters(), lr=0.05), nn.CrossEntropyLoss(), []
    for epoch in (1, 2, 3):
        order, total = np.random.default_rng([7, epoch]).permutation(50), 0.0
        for start in range(0, 50, 16):
            chosen = order[start : start + 16]
            value = loss(theirs(cr.Tensor(X[chosen])), Y[chosen])
            optimizer.zero_grad()
            value.backward()
            optim.clip_grad_norm_(theirs.parameters(), 0.5)
            optimizer.step()
            total += value.item() * len(chosen)
        expected.append(total / 50)
    assert same(weights(mine), weights(theirs))
    assert history["loss"] == expected
    assert history["epoch"] == [1, 2, 3]
    assert not mine.training


def test_the_result_depends_on_the_seed_alone():
    first, again, other, unshuffled = net(), net(), net(), net()
    train(first, seed=3)
    np.random.default_rng().random()
    train(again, seed=3)
    train(other, seed=4)
    train(unshuffled, seed=3, shuffle=False)
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))
    assert not same(weights(first), weights(unshuffled))


def test_a_loader_gives_what_arrays_give():
    class Loader:
        def set_epoch(self, epoch):
            self.order = np.random.default_rng([0, epoch]).permutation(50)

        def __iter__(self):
            return ((X[self.order[i : i + 16]], Y[self.order[i : i + 16]]) for i in range(0, 50, 16))

    mine, theirs = net(), net()
    cut = train(mine, batch_size=16)
    loaded = train(theirs, Loader(), None)
    assert same(weights(mine), weights(theirs))
    assert cut["loss"] == loaded["loss"]


def test_numbers_are_taken_in_the_dtype_of_the_model():
    narrow, wide = net(), net()
    train(narrow, X)
    train(wide, X.astype(np.float64))
    assert same(weights(narrow), weights(wide))


def test_validation_is_looked_at_and_not_learnt_from():
    seen, blind = net(), net()
    history = train(seen, validation=(X[:20], Y[:20]), metrics=[accuracy], epochs=5)
    plain = train(blind, epochs=5)
    assert same(weights(seen), weights(blind))
    assert history["loss"] == plain["loss"]
    assert list(history.rows[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"]
    judged = evaluate(seen, X[:20], Y[:20], loss=nn.CrossEntropyLoss(), metrics=[accuracy])
    assert judged == {"loss": history["val_loss"][-1], "accuracy": history["val_accuracy"][-1]}
    said = seen(cr.Tensor(X[:20])).data.argmax(1)
    assert judged["accuracy"] == (said == Y[:20]).mean()


def test_metrics_are_of_all_examples_together():
    model = net(out=1)
    found = evaluate(model, X, REGRESSION, metrics={"r2": r2, "off": mean_absolute_error}, batch_size=7)
    said = model(cr.Tensor(X)).data
    # Summed in batches of float32 predictions, the same numbers.
    assert found["r2"] == pytest.approx(r2(said, REGRESSION), rel=1e-6)
    assert found["off"] == pytest.approx(mean_absolute_error(said, REGRESSION), rel=1e-6)
    assert "loss" not in found


def test_metrics_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    right, said = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 3))
    assert r2(said, right) == pytest.approx(metrics.r2_score(right, said), rel=1e-12)
    assert mean_absolute_error(said, right) == pytest.approx(metrics.mean_absolute_error(right, said), rel=1e-12)
    classes = RNG.integers(0, 3, 40)
    assert accuracy(said, classes) == metrics.accuracy_score(classes, said.argmax(1))
    assert accuracy(said[:, 0], right[:, 0] > 0) == metrics.accuracy_score(right[:, 0] > 0, said[:, 0] > 0)
    assert accuracy(said, np.eye(3)[classes]) == metrics.accuracy_score(classes, said.argmax(1))


def test_metrics_refuse_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"accuracy got predictions of shape \(2, 3\).*\(3,\)"):
        accuracy(np.ones((2, 3)), [0, 1, 2])
    with pytest.raises(ShapeError, match="no examples"):
        r2([], [])
    assert r2([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert r2([1.0, 2.0], [1.0, 1.0]) == 0.0


def test_evaluating_leaves_modes_averages_and_graph_alone():
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.Dropout(0.5, rng=0), nn.Linear(4, 2, rng=1))
    model[1].eval()
    before, mask = model.state_dict(), model[2].rng.bit_generator.state
    first = evaluate(model, X, Y, loss=nn.CrossEntropyLoss())
    assert first == evaluate(model, X, Y, loss=nn.CrossEntropyLoss())
    assert [module.training for module in model.modules()] == [True, True, False, True, True]
    assert all((held.data == before[name].data).all() for name, held in model.state_dict().items())
    assert model[2].rng.bit_generator.state == mask


def test_the_schedule_moves_once_an_epoch():
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.4)
    schedule = optim.StepLR(optimizer, step_size=1, gamma=0.5)
    history = train(model, optimizer=optimizer, scheduler=schedule)
    assert history["lr"] == [0.4, 0.2, 0.1]


class Script(Callback):
    """Replaces the number that is watched, and notes the weights after every epoch."""

    def __init__(self, numbers):
        self.numbers, self.seen = numbers, []

    def on_epoch_end(self, run):
        run.history.rows[-1]["score"] = self.numbers[run.epoch - 1]
        self.seen.append(weights(run.model))


@pytest.mark.parametrize(("largest", "best"), [(False, 3), (True, 2)])
def test_early_stopping_brings_the_best_weights_back(largest, best):
    model, script = net(), Script([5.0, 9.0, 2.0, 3.0, 4.0, 1.0, 9.5])
    history = train(model, epochs=7, callbacks=[script, EarlyStopping(2, "score", largest=largest)])
    assert len(history) == best + 2
    assert history.stopped == f"score did not get better in 2 epochs; the weights are those of epoch {best}"
    assert same(weights(model), script.seen[best - 1])
    assert not same(weights(model), script.seen[-1])


def test_early_stopping_wants_a_gain_and_brings_the_best_back_at_the_end_too():
    model, script = net(), Script([1.0, 0.95, 0.5, 0.9])
    train(model, epochs=4, callbacks=[script, EarlyStopping(9, "score", least_gain=0.1)])
    assert same(weights(model), script.seen[2])
    with pytest.raises(ShapeError, match="watches val_loss, and an epoch has epoch, loss, lr, seconds"):
        train(net(), callbacks=[EarlyStopping(watch="val_loss")])
    with pytest.raises(ValueError, match="patience"):
        EarlyStopping(0)
    assert EarlyStopping(np.int64(2)).patience == 2


def test_early_stopping_never_takes_nan_for_the_best():
    model, script = net(), Script([math.nan, 2.0, math.nan, math.nan])
    history = train(model, epochs=4, callbacks=[script, EarlyStopping(2, "score")])
    assert history.stopped == "score did not get better in 2 epochs; the weights are those of epoch 2"
    assert same(weights(model), script.seen[1])
    history = train(net(), epochs=4, callbacks=[Script([math.nan] * 4), EarlyStopping(2, "score")])
    assert history.stopped == "score did not get better in 2 epochs"


def test_callbacks_are_told_in_order_and_can_stop():
    told = []

    class Teller(Callback):
        def on_start(self, run):
            told.append(("start", run.epochs))

        def on_batch_end(self, run):
            told.append(("batch", run.epoch, run.batch))
            assert math.isfinite(run.batch_loss)

        def on_epoch_end(self, run):
            told.append(("epoch", run.epoch))
            if run.epoch == 2:
                run.stop("enough")

        def on_end(self, run):
            told.append(("end", run.history.stopped))

    history = train(net(), callbacks=[Teller()], batch_size=25, epochs=9)
    epochs = [[("batch", n, 1), ("batch", n, 2), ("epoch", n)] for n in (1, 2)]
    assert told == [("start", 9), *epochs[0], *epochs[1], ("end", "enough")]
    assert len(history) == 2


def test_an_error_in_a_callback_still_ends_the_run_in_order():
    ended = []

    class Breaks(Callback):
        def on_epoch_end(self, run):
            raise KeyboardInterrupt

        def on_end(self, run):
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        train(net(), callbacks=[Breaks()])
    assert ended == [True]


def test_the_log_has_a_line_for_each_epoch_at_once(tmp_path):
    log, lines = tmp_path / "log.jsonl", []

    class Reader(Callback):
        def on_batch_end(self, run):
            lines.append(len(log.read_text().splitlines()))

    log.write_text("an older log\n")
    history = train(net(), log=log, callbacks=[Reader()], batch_size=None, validation=(X, Y))
    assert lines == [0, 1, 2]
    assert [json.loads(line) for line in log.read_text().splitlines()] == history.rows


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"log\.jsonl could not be written"):
        train(net(), log=tmp_path / "nowhere" / "log.jsonl")


def test_without_a_terminal_there_are_plain_lines(capfd):
    train(net(), progress=True, epochs=4, metrics=[accuracy], callbacks=[EarlyStopping(1, least_gain=9.0)])
    shown = capfd.readouterr()
    lines = shown.err.splitlines()
    assert not shown.out
    assert lines[0].startswith("epoch 1/4  loss ")
    assert lines[-2].startswith("epoch 2/4  loss ")
    assert "accuracy" in lines[-2]
    assert lines[-2].endswith("examples/s")
    assert lines[-1].startswith("loss did not get better")
    train(net(), progress=False)
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_bar():
    screen = io.StringIO()
    bar = Bar(Console(file=screen, force_terminal=True, width=120))
    train(net(), callbacks=[bar], batch_size=10, validation=(X, Y))
    assert "epoch 3/3" in screen.getvalue()
    assert "val_loss" in screen.getvalue()
    assert "examples/s" in screen.getvalue()
    (task,) = bar.bar.tasks
    assert (task.completed, task.total) == (15, 15)


class Looked(Callback):
    """The line of a bar as it stands after each epoch; fixed numbers stand in for those of the run."""

    def __init__(self, bar, width):
        self.bar, self.width, self.lines = bar, width, []

    def on_epoch_end(self, run):
        row = {"loss": 0.1, "f1[macro]": 0.97, "val_loss": 1 / 9, "val_accuracy": 0.96875, "lr": 0.1, "seconds": 1.0}
        run.history.rows[-1] = {"epoch": run.epoch, **row}
        run.examples = 161_472
        self.bar.on_epoch_end(run)
        screen = Console(file=io.StringIO(), width=self.width, color_system=None)
        screen.print(self.bar.bar.get_renderable())
        self.lines.append(screen.file.getvalue().rstrip("\n"))


@pytest.mark.parametrize(
    ("width", "numbers"),
    [
        (60, "loss 0.1000"),
        (80, "loss 0.1000  f1[macro] 0.9700"),
        (100, "loss 0.1000  f1[macro] 0.9700  val_loss 0.1111"),
        (120, "loss 0.1000  f1[macro] 0.9700  val_loss 0.1111  val_accuracy 0.9688"),
    ],
)
def test_in_a_narrow_terminal_the_bar_keeps_what_matters(width, numbers):
    bar = Bar(Console(file=io.StringIO(), force_terminal=True, width=width))
    looked = Looked(bar, width)
    train(net(), callbacks=[bar, looked], epochs=100)
    line = looked.lines[-1]
    assert line.startswith("epoch 100/100 ━━━━━")
    assert re.sub("━+", "", line) == f"epoch 100/100  {numbers}  161,472 examples/s 0:00:00"
    assert len(line) <= width


def test_history_is_a_table_and_json():
    history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": math.inf, "more": 1}])
    assert history["more"] == [None, 1]
    assert json.loads(history.json())["epochs"][1] == {"epoch": 2, "loss": "inf", "more": 1}
    assert repr(history.table()).splitlines() == [
        "epoch  loss  more",
        "    1   0.5",
        "    2   inf     1",
    ]
    with pytest.raises(ShapeError, match="no 'accuracy'; it has epoch, loss, more"):
        history["accuracy"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"y": Y[:10]}, r"x of shape \(50, 3\) and y of shape \(10,\)"),
        ({"y": None}, "ndarray without y"),
        ({"x": iter([(X, Y)]), "y": None}, "only once"),
        ({"x": [X, X, X], "y": None}, r"pairs \(x, y\), and got ndarray"),
        ({"x": [], "y": None}, "no batch in epoch 1"),
        ({"batch_size": 0}, "fit: batch_size is a whole number of at least 1, or None for all, not 0"),
        ({"validation": (X, Y[:3])}, "validation needs as many targets"),
        ({"model": len}, "module of cr.nn, not builtin"),
        ({"optimizer": "adam"}, "optimizer of cr.optim, not str"),
        ({"epochs": -1}, "whole number from 0"),
        ({"checkpoint": "run", "checkpoint_every": 1.5}, "checkpoint_every is a whole number of at least 1, not 1.5"),
        ({"loss": nn.L1Loss("none")}, "shape"),
    ],
)
def test_misuse_is_named(wrong, message):
    model = net()
    settings = {
        "model": model, "x": X, "y": Y, "loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(model.parameters()),
    }  # fmt: skip
    with pytest.raises((ShapeError, DtypeError, ValueError), match=message):
        fit(**{"epochs": 1, "progress": False, **settings, **wrong})


def test_importing_it_loads_no_library_of_its_own():
    loaded = "import sys, chainrule as cr; cr.training; print([m for m in ('rich', 'safetensors') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

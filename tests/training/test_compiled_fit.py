"""`fit` on compiled steps: the same as the engine up to rounding, and the same bytes from run to run."""

import contextlib
import os
import signal

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.version import default_target
from chainrule.training import compiled_steps
from chainrule.training.callbacks import Callback

pytestmark = pytest.mark.skipif(default_target() != "native", reason="the kernels were not built")
CLOSE = 1e-12
RNG = np.random.default_rng(0)
X, CLASSES, WEIGHT = RNG.normal(size=(200, 5)), RNG.integers(0, 4, 200), RNG.random(200)
WEIGHT[32:64] = 0  # in order, the third batch of 16 counts for nothing
NUMBERS = RNG.normal(size=(200, 4))


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Compiled from the fourth step on."""
    monkeypatch.setattr(compiled_steps, "EAGER_STEPS", 3)


def net(*between, dtype=float):
    return cr.nn.Sequential(
        cr.nn.Linear(5, 6, rng=0, dtype=dtype), *between, cr.nn.Tanh(), cr.nn.Linear(6, 4, rng=1, dtype=dtype)
    )


def trained(model, y=CLASSES, *, x=X, loss=None, optimizer=None, scheduler=None, epochs=3, batch_size=16, **how):
    optimizer = (optimizer or (lambda p: cr.optim.SGD(p, lr=0.1, momentum=0.9)))(model.parameters())
    return cr.training.fit(
        model, x, y, loss=loss or cr.nn.CrossEntropyLoss(), optimizer=optimizer, epochs=epochs, batch_size=batch_size,
        scheduler=scheduler and scheduler(optimizer), progress=False, **how,
    )  # fmt: skip


def numbers(model):
    return [x.data.copy() for x in [*model.parameters(), *[held for _, held in model.named_buffers()]]]


def by_the_engine(monkeypatch, *args, **how):
    with monkeypatch.context() as patched:
        patched.setattr(compiled_steps, "EAGER_STEPS", 10**9)
        return trained(*args, **how)


RUNS = {
    "plainly": {},
    "weighed examples": {"sample_weight": WEIGHT, "shuffle": False},
    "weighed classes": {"loss": cr.nn.CrossEntropyLoss(weight=[1, 2, 3, 4], ignore_index=0)},
    "without the last batch": {"drop_last": True},
    "all at once": {"batch_size": None, "epochs": 12},
    "metrics": {"metrics": [cr.training.accuracy], "validation": (X[:50], CLASSES[:50])},
    "weighed metrics": {"metrics": [cr.training.accuracy], "sample_weight": WEIGHT},
    "clipped": {"clip_norm": 0.1},
    "adam": {"optimizer": lambda p: cr.optim.Adam(p, lr=0.01)},
    "one cycle": {"scheduler": lambda o: cr.optim.OneCycleLR(o, max_lr=0.1, total_steps=39)},
    "a rate an epoch": {"scheduler": lambda o: cr.optim.StepLR(o, 1, 0.5)},
    "a rate for each plateau": {"scheduler": lambda o: cr.optim.ReduceLROnPlateau(o, patience=0), "epochs": 6},
    "early stopping": {
        "callbacks": [cr.training.EarlyStopping(patience=1)], "validation": (X[:50], CLASSES[:50]), "epochs": 8,
    },
    "a function": {"loss": lambda out, y: ((out - y) ** 2).mean(), "y": NUMBERS},
    "a sum": {"loss": cr.nn.MSELoss(convention="sum"), "y": NUMBERS, "optimizer": lambda p: cr.optim.SGD(p, lr=1e-3)},
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_the_engines_up_to_rounding(name, monkeypatch):
    model, other = net(), net()
    found, expected = trained(model, **RUNS[name]), by_the_engine(monkeypatch, other, **RUNS[name])
    assert "by a program" in found.made_by
    assert "as the first" in expected.made_by
    for one, two in zip(numbers(model), numbers(other), strict=True):
        np.testing.assert_allclose(one, two, atol=CLOSE)
    assert len(found) == len(expected)
    assert found.stopped == expected.stopped
    for row, twin in zip(found.rows, expected.rows, strict=True):
        for column in row.keys() - {"seconds"}:
            assert row[column] == pytest.approx(twin[column], abs=CLOSE), column


BETWEEN = {
    "nothing": list,
    "dropout": lambda: [cr.nn.Dropout(0.4, rng=2)],
    "batch norm": lambda: [cr.nn.BatchNorm1d(6, dtype=float)],
}


@pytest.mark.parametrize("name", BETWEEN)
def test_running_numbers_and_generators(name, monkeypatch):
    model, other = net(*BETWEEN[name]()), net(*BETWEEN[name]())
    assert "by a program" in trained(model).made_by
    by_the_engine(monkeypatch, other)
    for one, two in zip(numbers(model), numbers(other), strict=True):
        np.testing.assert_allclose(one, two, atol=CLOSE)


@pytest.mark.parametrize("name", BETWEEN)
def test_the_same_run_gives_the_same_bytes_however_many_steps_a_call_makes(name, monkeypatch):
    ends = []
    for least, most in ((8, 4096), (1, 1), (3, 3)):
        monkeypatch.setattr(compiled_steps, "LEAST_AT_ONCE", least)
        monkeypatch.setattr(compiled_steps, "MOST_AT_ONCE", most)
        model = net(*BETWEEN[name](), dtype=np.float32)
        history = trained(model, metrics=[cr.training.accuracy])
        ends.append(([x.tobytes() for x in numbers(model)], history["loss"], history["accuracy"]))
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("stopped", [3, 8, 19, 26])
def test_a_resumed_run_ends_with_the_same_bytes(stopped, tmp_path):
    class Stops(Exception):
        pass

    class Stop(Callback):
        def __init__(self):
            self.steps = 0

        def on_batch_end(self, run):
            self.steps += 1
            if self.steps == stopped:
                raise Stops

    def begin(callbacks, **how):
        model = net(cr.nn.Dropout(0.4, rng=2), cr.nn.BatchNorm1d(6, dtype=float))
        with contextlib.suppress(Stops):
            trained(model, metrics=[cr.training.accuracy], callbacks=callbacks, **how)
        return model

    whole = begin([], checkpoint=tmp_path / "whole.safetensors", checkpoint_every=3)
    begin([Stop()], checkpoint=tmp_path / "run.safetensors", checkpoint_every=1)
    saved = cr.training.load_checkpoint(tmp_path / "run.safetensors") if stopped > 1 else None
    assert saved is None or saved.position
    resumed = net(cr.nn.Dropout(0.4, rng=2), cr.nn.BatchNorm1d(6, dtype=float))
    stop = Stop()
    stop.steps = 10**6
    history = trained(
        resumed, metrics=[cr.training.accuracy], callbacks=[stop], checkpoint=tmp_path / "run.safetensors", resume=True
    )
    assert "by a program" in history.made_by
    for one, two in zip(numbers(whole), numbers(resumed), strict=True):
        assert one.tobytes() == two.tobytes()


def test_a_callback_is_told_of_each_step_and_finds_the_gradients(monkeypatch):
    class Watch(Callback):
        def __init__(self):
            self.seen = []

        def on_batch_end(self, run):
            slopes = [p.grad.data.copy() for p in run.model.parameters()]
            self.seen.append((run.epoch, run.batch, run.batch_loss, run.tally.examples, slopes))

    watch, other = Watch(), Watch()
    assert "by a program" in trained(net(), callbacks=[watch]).made_by
    by_the_engine(monkeypatch, net(), callbacks=[other])
    assert len(watch.seen) == len(other.seen) == 39
    for one, two in zip(watch.seen, other.seen, strict=True):
        assert one[:2] == two[:2]
        assert one[2:4] == pytest.approx(two[2:4], abs=CLOSE)
        for a, b in zip(one[4], two[4], strict=True):
            np.testing.assert_allclose(a, b, atol=CLOSE)


def test_what_a_callback_changes_holds_from_the_next_step_on(monkeypatch):
    class Anneal(Callback):
        def on_epoch_end(self, run):
            run.model[1].p = 0.1 * run.epoch
            run.optimizer.lr *= 0.5
            run.model[0].bias.requires_grad_(run.epoch != 1)

    model, other = net(cr.nn.Dropout(0.5, rng=2)), net(cr.nn.Dropout(0.5, rng=2))
    assert "by a program" in trained(model, callbacks=[Anneal()], epochs=4).made_by
    by_the_engine(monkeypatch, other, callbacks=[Anneal()], epochs=4)
    for one, two in zip(numbers(model), numbers(other), strict=True):
        np.testing.assert_allclose(one, two, atol=CLOSE)


def test_where_the_engine_makes_all_steps_it_is_said_why():
    model = net()
    assert "from a loader" in trained(model, y=None, x=cr.data.DataLoader(X, CLASSES, batch_size=16)).made_by
    with model[0].register_forward_hook(lambda module, inputs, out: None):
        assert "hooks" in trained(model).made_by
    assert (
        "a branch depends on the data"
        in trained(model, loss=lambda out, y: out.mean() if out.sum() else out.sum()).made_by
    )

    class Mine(Callback):
        pass

    own = trained(model, NUMBERS, loss=lambda out, y: ((out - y) ** 2).mean(), callbacks=[Mine()])
    assert "Mine may change" in own.made_by
    assert "no kernel for" in trained(net(cr.nn.Softplus(), cr.nn.Linear(6, 6, dtype=float), Sorted())).made_by
    assert "as the first" in trained(model, epochs=0).made_by


class Sorted(cr.nn.Module):
    def forward(self, x):
        return cr.sort(x, axis=1)


def test_a_loss_that_diverges_is_found_at_its_step(monkeypatch):
    y = NUMBERS.copy()
    y[77] = 1e300
    ends = []
    for run in (trained, lambda *args, **how: by_the_engine(monkeypatch, *args, **how)):
        model = net()
        with pytest.warns(cr.errors.DivergenceWarning):
            history = run(model, y, loss=cr.nn.MSELoss(), shuffle=False)
        assert "the loss became inf in epoch 1, batch 5" in history.stopped
        ends.append(numbers(model))
    for one, two in zip(*ends, strict=True):
        np.testing.assert_allclose(one, two, atol=CLOSE)


def test_a_target_that_there_is_not_raises_in_its_batch(monkeypatch):
    y = CLASSES.copy()
    y[150] = 9
    ends = []
    for run in (trained, lambda *args, **how: by_the_engine(monkeypatch, *args, **how)):
        model = net()
        with pytest.raises(cr.errors.ShapeError, match="class 9"):
            run(model, y, shuffle=False)
        ends.append(numbers(model))
    for one, two in zip(*ends, strict=True):
        np.testing.assert_allclose(one, two, atol=CLOSE)


def test_ctrl_c_ends_after_whole_steps(tmp_path):
    class Press(Callback):
        def on_batch_end(self, run):
            if run.batch == 9:
                os.kill(os.getpid(), signal.SIGINT)

    model = net()
    with pytest.raises(cr.training.Interrupted, match="in epoch 1, after 9 steps"):
        trained(model, callbacks=[Press()])
    assert all([np.isfinite(x).all() for x in numbers(model)])


def test_several_inputs(monkeypatch):
    class Pairs(cr.nn.Module):
        def __init__(self):
            self.left, self.right = [cr.nn.Linear(n, 4, rng=n, dtype=float) for n in (2, 3)]

        def forward(self, a, b):
            return self.left(a) * self.right(b)

    x = (X[:, :2], X[:, 2:])
    model, other = Pairs(), Pairs()
    assert "by a program" in trained(model, NUMBERS, x=x, loss=cr.nn.MSELoss()).made_by
    by_the_engine(monkeypatch, other, NUMBERS, x=x, loss=cr.nn.MSELoss())
    for one, two in zip(numbers(model), numbers(other), strict=True):
        np.testing.assert_allclose(one, two, atol=CLOSE)

"""A run that is killed again and again ends with the very weights, history and log of one that was never stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.data import DataLoader
from chainrule.errors import CheckpointError
from chainrule.training import Callback, EarlyStopping, accuracy, fit, load_checkpoint, save_checkpoint

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
EPOCHS, MANY = 3, 20
KILLS = 20


def run(folder: Path, *, epochs=EPOCHS, callbacks=(), **settings):
    """A run in which everything that can be random or remembered takes part."""
    net = nn.Sequential(
        nn.Linear(4, 6, rng=0), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3, rng=1), nn.Linear(6, 2, rng=2)
    )
    optimizer = optim.Adam(net.parameters(), lr=0.02)
    history = fit(
        net,
        X[:40],
        Y[:40],
        validation=(X[40:], Y[40:]),
        metrics=[accuracy],
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=optim.CosineAnnealingLR(optimizer, MANY),
        callbacks=[EarlyStopping(100), *callbacks],
        batch_size=8,
        epochs=epochs,
        seed=5,
        progress=False,
        log=folder / "log.jsonl",
        **{"checkpoint": folder / "run.safetensors", "checkpoint_every": 1, "resume": True, **settings},
    )
    return net, history


def outcome(folder, net, history):
    """All that a run leaves, but for the seconds."""
    rows = [{name: held for name, held in row.items() if name != "seconds"} for row in history.rows]
    logged = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert logged == history.rows
    return {name: held.data.tobytes() for name, held in net.state_dict().items()}, rows, history.stopped


def whole(folder, epochs):
    """What comes of a run that nobody stops, and that saves nothing."""
    return outcome(folder, *run(folder, epochs=epochs, checkpoint=None, checkpoint_every=None, resume=False))


class Stop(Callback):
    """Breaks the run off after some batch."""

    def __init__(self, epoch, batch):
        self.at = epoch, batch

    def on_batch_end(self, run):
        if (run.epoch, run.batch) == self.at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    return whole(tmp_path_factory.mktemp("whole"), EPOCHS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes that are killed are forks")
def test_killed_at_random_instants_it_ends_the_same(tmp_path):
    (tmp_path / "whole").mkdir()
    expected = whole(tmp_path / "whole", MANY)
    program = Path(__file__).with_name("killed_runs.py")
    done = subprocess.run(
        [sys.executable, program, tmp_path, str(KILLS)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] == KILLS
    # Kills that always hit at the same place would show little.
    assert len(set(report["positions"])) > KILLS // 2
    assert outcome(tmp_path, *run(tmp_path, epochs=MANY)) == expected
    assert not list(tmp_path.glob(".*.new"))


@pytest.mark.parametrize("every", [None, 1, 2])
@pytest.mark.parametrize("at", [(1, 1), (1, 5), (2, 3), (EPOCHS, 5)])
def test_broken_off_in_the_middle_it_ends_the_same(tmp_path, never_stopped, every, at):
    stop = Stop(*at)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, callbacks=[stop], checkpoint_every=every)
    stop.at = None
    net, history = run(tmp_path, callbacks=[stop], checkpoint_every=every)
    assert outcome(tmp_path, net, history) == never_stopped


class BySteps:
    """A loader as others write it: the order is settled by ``set_epoch``."""

    def set_epoch(self, epoch):
        self.order = np.random.default_rng([9, epoch]).permutation(len(X))

    def __iter__(self):
        return ((X[self.order[i : i + 8]], Y[self.order[i : i + 8]]) for i in range(0, len(X), 8))


def own_loader():
    return DataLoader(X, Y, batch_size=8, shuffle=True, rng=3)


@pytest.mark.parametrize("loader", [own_loader, BySteps])
@pytest.mark.parametrize("at", [(1, 1), (2, 3), (2, 8), (3, 1)])
def test_a_loader_goes_on_where_it_stood(tmp_path, loader, at):
    def final(callbacks, **settings):
        net = nn.Sequential(nn.Linear(4, 6, rng=0), nn.Dropout(0.3, rng=1), nn.Linear(6, 2, rng=2))
        optimizer = optim.Adam(net.parameters(), lr=0.02)
        settings = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "epochs": 3, "progress": False, **settings}
        history = fit(net, loader(), callbacks=callbacks, **settings)
        return [p.data.tobytes() for p in net.parameters()], history["loss"]

    stop = Stop(9, 9)
    expected = final([stop])
    kept = {"checkpoint": tmp_path / "run", "checkpoint_every": 1, "resume": True}
    stop.at = at
    with pytest.raises(KeyboardInterrupt):
        final([stop], **kept)
    stop.at = None
    assert final([stop], **kept) == expected


def test_a_finished_run_is_finished_and_a_longer_one_goes_on(tmp_path, never_stopped):
    run(tmp_path, epochs=2)
    net, history = run(tmp_path, epochs=2)
    assert len(history) == 2
    net, history = run(tmp_path)
    assert outcome(tmp_path, net, history) == never_stopped


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    class Enough(Callback):
        def on_epoch_end(self, run):
            if run.epoch == 2:
                run.stop("enough")

    first = outcome(tmp_path, *run(tmp_path, callbacks=[Enough()]))
    again = outcome(tmp_path, *run(tmp_path, callbacks=[Enough()]))
    assert first == again
    assert (len(first[1]), first[2]) == (2, "enough")


def test_without_resume_it_begins_anew(tmp_path, never_stopped):
    run(tmp_path, epochs=2)
    net, history = run(tmp_path, resume=False)
    assert outcome(tmp_path, net, history) == never_stopped


def test_another_run_is_not_resumed(tmp_path):
    run(tmp_path, epochs=2)
    before = (tmp_path / "run.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="callbacks were EarlyStopping, and are EarlyStopping, Stop"):
        run(tmp_path, callbacks=[Stop(9, 9)])
    net = nn.Linear(4, 2)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(net.parameters()), "epochs": 1, "resume": True}
    path = tmp_path / "run.safetensors"
    with pytest.raises(CheckpointError, match="examples was 40, and is 60; batch_size was 8, and is 32"):
        fit(net, X, Y, progress=False, checkpoint=path, callbacks=[EarlyStopping()], **settings)
    with pytest.raises(CheckpointError, match="one of the two goes through a DataLoader"):
        fit(net, own_loader(), progress=False, checkpoint=path, callbacks=[EarlyStopping()], **settings)
    assert path.read_bytes() == before
    for unsaid in (settings, {**settings, "resume": False, "checkpoint_every": 3}):
        with pytest.raises(CheckpointError, match="needs checkpoint="):
            fit(net, X, Y, progress=False, **unsaid)
    save_checkpoint(path, model=net)
    with pytest.raises(CheckpointError, match="holds no run of fit"):
        fit(net, X, Y, progress=False, checkpoint=path, **settings)


def test_the_checkpoint_says_where_the_run_stands(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, callbacks=[Stop(2, 3)])
    # Callbacks come before the checkpoint, so that what they remember of a batch is in it: batch 3 is not saved yet.
    assert load_checkpoint(tmp_path / "run.safetensors").position == {"epoch": 1, "batch": 2}

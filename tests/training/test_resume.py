"""A run that is killed again and again ends with the very weights, history and log of one that was never stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from chainrule import nn, optim
from chainrule.data import DataLoader
from chainrule.errors import CheckpointError
from chainrule.training import Callback, EarlyStopping, accuracy, checkpoint, fit, load_checkpoint, save_checkpoint

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

    def __init__(self, *at):
        self.at = at

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


GONE = object()


def small_run(folder, loader, stop=()):
    """A run of two epochs, short enough to be resumed many times."""
    net = nn.Sequential(nn.Linear(4, 2, rng=0), nn.Dropout(0.3, rng=1))
    data = (DataLoader(X, Y, batch_size=20, shuffle=True, rng=3),) if loader else (X, Y)
    callbacks = [EarlyStopping(9), Stop(*stop)]
    fit(
        net, *data, batch_size=20, epochs=2, metrics=[accuracy], callbacks=callbacks, loss=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(net.parameters(), lr=0.1, momentum=0.9), checkpoint=folder / "run", checkpoint_every=1,
        resume=True, progress=False,
    )  # fmt: skip


def broken_off(folder, loader):
    """What a checkpoint within the second epoch holds, and a way to change it that leaves the checksum right."""
    with pytest.raises(KeyboardInterrupt):
        small_run(folder, loader, stop=(2, 2))
    with safe_open(folder / "run", framework="np") as file:
        about, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    def put(place, wrong):
        state = json.loads(about["state"])
        holder = state
        for key in place[:-1]:
            holder = holder[key]
        if wrong is GONE:
            del holder[place[-1]]
        else:
            holder[place[-1]] = wrong
        text = json.dumps(state)
        save_file(arrays, folder / "run", {**about, "state": text, "check": checkpoint.check_of(arrays, text)})

    return json.loads(about["state"]), put


def places_in(held, place=()):
    """The way to every part of what a text holds."""
    if isinstance(held, dict | list):
        for key, part in held.items() if isinstance(held, dict) else enumerate(held):
            yield (*place, key)
            yield from places_in(part, (*place, key))


@pytest.mark.parametrize("loader", [False, True], ids=["arrays", "loader"])
@pytest.mark.filterwarnings("ignore::chainrule.errors.TrainingWarning")
def test_whatever_a_checkpoint_holds_it_is_taken_or_refused_in_words(tmp_path, loader):
    state, put = broken_off(tmp_path, loader)
    del state["optimizer"]  # its settings are for the optimizer itself to check
    refused = set()
    for place in places_in(state):
        for wrong in (GONE, None, "x", [1], -1.5):
            put(place, wrong)
            try:
                small_run(tmp_path, loader)
            except CheckpointError:
                refused.add((place, wrong is GONE))
    needed = [place for place in places_in(state) if place[0] in ("position", "extra") and len(place) == 2]
    assert len(needed) == 10
    assert {(place, True) for place in needed} <= refused


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (("position",), [1, 2], r"position is \[1, 2\], not a dict of names"),
        (("position", "batch"), GONE, r"made by hand: .* \('batch' is missing\); use another file"),
        (("position", "batch"), -1, "batch is -1, not a whole number from 0"),
        (("position", "batch"), 4, "position is epoch 1, batch 4; epochs in its history: 1; batches in an epoch: 3"),
        (("position", "epoch"), 5, "position is epoch 5, batch 1; epochs in its history: 1;"),
        (("extra",), GONE, r"\(extra is missing\)"),
        (("extra", "history"), {}, r"history is \{\}, not a list"),
        (("extra", "history", 0, "loss"), "low", "a loss of the history is 'low', not a number"),
        (("extra", "stopped"), None, "stopped is None, not a text"),
        (("extra", "seconds"), "1", "seconds is '1', not a number"),
        (("extra", "tally", "examples"), 3, "of 20 of 3 examples were saved, and metrics= need them"),
        (("extra", "tally", "said"), [], "of 0 of 20 examples were saved, and metrics= need them"),
        (("extra", "callbacks", 0), None, "'NoneType' object is not subscriptable"),
        (("extra", "callbacks", 0, "state", "best"), [], r"the best number is \[\], not a number"),
        (("extra", "callbacks", 0, "state", "best_state"), 1, "the state of the best epoch is 1, not a dict of names"),
    ],
)
def test_a_checkpoint_with_wrong_contents_says_what_is_wrong(tmp_path, place, wrong, message):
    _, put = broken_off(tmp_path, loader=False)
    put(place, wrong)
    with pytest.raises(CheckpointError, match=message):
        small_run(tmp_path, loader=False)


def test_the_checkpoint_says_where_the_run_stands(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, callbacks=[Stop(2, 3)])
    # Callbacks come before the checkpoint, so that what they remember of a batch is in it: batch 3 is not saved yet.
    assert load_checkpoint(tmp_path / "run.safetensors").position == {"epoch": 1, "batch": 2}

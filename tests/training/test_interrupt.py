"""Ctrl-C leaves a run between two steps: weights, optimizer and history belong together, and are said to be kept."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.training import Callback, EarlyStopping, Interrupted, fit

X = np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [2.0], [-1.0]], np.float32)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are others there")


class Pressing(optim.SGD):
    """An optimizer in whose step, half-way through the parameters, Ctrl-C is pressed."""

    def __init__(self, parameters, at, times=1):
        super().__init__(parameters, lr=0.05)
        self.left, self.times, self.moved = at, times, 0

    def step(self):
        self.left -= 1
        if self.left == 0:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
        super().step()
        self.moved += 1


def run(at, times=1, **more):
    net = nn.Linear(3, 1, rng=0)
    optimizer = Pressing(net.parameters(), at, times)
    settings = {"loss": nn.MSELoss(), "optimizer": optimizer, "epochs": 5, "batch_size": 8, "progress": False}
    return net, optimizer, lambda: fit(net, X, Y, **settings, **more)


def steps(count):
    """The weights after so many steps of a run that nobody stops."""
    net, optimizer, _ = run(at=-1)

    class Halt(Callback):
        def on_batch_end(self, run):
            if optimizer.moved == count:
                raise StopIteration

    settings = {"loss": nn.MSELoss(), "optimizer": optimizer, "epochs": 9, "batch_size": 8, "progress": False}
    with pytest.raises(StopIteration):
        fit(net, X, Y, callbacks=[Halt()], **settings)
    return net.weight.data.tobytes()


@pytest.mark.parametrize("at", [1, 2, 3, 4, 8])
def test_the_step_is_finished_and_the_next_does_not_begin(at):
    net, optimizer, go = run(at)
    with pytest.raises(Interrupted, match="stopped by Ctrl-C") as stopped:
        go()
    assert optimizer.moved == at
    assert net.weight.data.tobytes() == steps(at)
    # Three steps make an epoch; the last of one is noted before the epoch is told of.
    assert [row["epoch"] for row in stopped.value.history.rows] == list(range(1, (at - 1) // 3 + 1))
    assert not net.training
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_press_stops_at_once():
    _, optimizer, go = run(at=4, times=2)
    with pytest.raises(KeyboardInterrupt) as stopped:
        go()
    assert not isinstance(stopped.value, Interrupted)
    assert optimizer.moved == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_best_weights_come_back_and_a_checkpoint_goes_on(tmp_path):
    early = EarlyStopping(3)
    net, _, go = run(at=8, callbacks=[early], checkpoint=tmp_path / "c")
    with pytest.raises(Interrupted) as stopped:
        go()
    assert early.best_epoch == len(stopped.value.history) == 2
    assert net.weight.data.tobytes() == steps(6)
    assert cr.training.load_checkpoint(tmp_path / "c").position == {"epoch": 2, "batch": 0}


def test_a_press_while_an_epoch_is_judged_ends_the_run_after_it():
    class Judge(Callback):
        def on_epoch_end(self, run):
            if run.epoch == 2:
                signal.raise_signal(signal.SIGINT)

    _, _, go = run(at=-1, callbacks=[Judge()])
    with pytest.raises(Interrupted, match="stopped by Ctrl-C after epoch 2") as stopped:
        go()
    assert len(stopped.value.history) == 2


def test_a_program_with_a_way_of_its_own_and_other_threads_are_left_alone():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        _, _, go = run(at=2)
        assert len(go()) == 5
        assert pressed == [1]
    finally:
        signal.signal(signal.SIGINT, before)
    done = []
    _, _, go = run(at=-1)
    thread = threading.Thread(target=lambda: done.append(len(go())))
    thread.start()
    thread.join()
    assert done == [5]


LISTENING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
"""A process whose parent ignores Ctrl-C, as a shell's background jobs do, would ignore it too."""


@pytest.mark.parametrize("out", [True, False])
def test_the_command_says_in_a_line_what_was_kept(tmp_path, out):
    words = [
        "train",
        "digits",
        "--epochs",
        "100000",
        "--layers",
        "300",
        "--lr",  # so small that every epoch is better than the last: nothing but the signal ends this
        "0.000001",
        *(["--out", "kept.safetensors"] if out else []),
    ]
    program = (
        f"{LISTENING}; import sys; sys.argv = ['chainrule', *{words!r}]; from chainrule.cli.app import main; main()"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    first = process.stderr.readline()
    assert first.startswith("epoch 1/"), first
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    (line,) = [line for line in said.splitlines() if line.startswith("chainrule:")]
    assert "stopped by Ctrl-C" in line
    if out:
        assert "; wrote kept.safetensors with the weights of epoch " in line
        found = cr.training.load_checkpoint(tmp_path / "kept.safetensors").extra["about"]["training"]
        assert found["stopped"].startswith("stopped by Ctrl-C")
    else:
        assert "nothing was saved: --out FILE would keep the weights of epoch" in line
        assert list(tmp_path.iterdir()) == []

"""Ctrl-C in a training run: the step that has begun is finished, so that nothing is left half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from chainrule.training.history import History


class Interrupted(KeyboardInterrupt):
    """Ctrl-C between two steps of `fit`; `history` has the epochs that were finished.

    >>> import chainrule as cr, signal
    >>> net = cr.nn.Linear(1, 1, rng=0)
    >>> class Pressed(cr.training.Callback):
    ...     def on_batch_end(self, run):
    ...         if run.epoch == 3:
    ...             signal.raise_signal(signal.SIGINT)
    >>> settings = {"loss": cr.nn.MSELoss(), "optimizer": cr.optim.SGD(net.parameters()), "epochs": 9}
    >>> try:
    ...     cr.training.fit(net, [[1.0]], [[2.0]], callbacks=[Pressed()], progress=False, **settings)
    ... except cr.training.Interrupted as interrupted:
    ...     len(interrupted.history), interrupted.history.stopped
    (2, 'stopped by Ctrl-C in epoch 3, after 1 step of it')
    """

    def __init__(self, history: History) -> None:
        super().__init__(history.stopped)
        self.history = history


class Interrupts:
    """While it is entered, a first Ctrl-C is only noted, and a second one stops at once.

    Where a program has a way of its own with Ctrl-C, or trains outside the main thread, nothing changes.
    """

    def __init__(self) -> None:
        self.noted = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        self.noted = False
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if usual and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

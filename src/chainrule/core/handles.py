"""What registering a hook gives."""

from __future__ import annotations

from typing import Any


class RemovableHandle:
    """What registering a hook gives: `remove` takes the hook away; in a ``with`` block its end does.

    >>> import chainrule as cr
    >>> net = cr.nn.Linear(2, 1, rng=0)
    >>> with net.register_forward_hook(lambda module, inputs, out: print(out.shape)):
    ...     _ = net([[1.0, 2.0]])
    (1, 1)
    >>> _ = net([[1.0, 2.0]])
    """

    def __init__(self, hooks: list[Any], entry: Any) -> None:
        self._hooks, self._entry = hooks, entry

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._hooks[:] = [held for held in self._hooks if held is not self._entry]

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

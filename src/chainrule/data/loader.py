"""Batches in a seeded order, from a place that can be saved and found again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError, ShapeError

Array = NDArray[Any]


class DataLoader:
    """Gives the examples of `x`, or of `x` and `y` as pairs, in batches; each ``for`` loop over it is one epoch.

    `x` and `y` have one entry for each example along the first axis. The last batch is smaller where `batch_size` does
    not divide, or left out with `drop_last`. With `shuffle`, every epoch has an order of its own that depends on the
    seed and the epoch's number alone; `rng` is a seed or a NumPy Generator, without which the seed is drawn afresh.
    Shuffled batches are copies, others are views.

    ``state_dict()`` may be taken at any time, inside the loop too: a loader that loads it goes on with the batch that
    would have come next. A loop that was broken off is not resumed otherwise: the next one starts the next epoch.

    No examples, lengths that differ or a batch size that is no whole number of at least 1 raise `ShapeError`. O(count)
    for each shuffled epoch, and the copying of the batch.

    >>> import chainrule as cr, numpy as np
    >>> loader = cr.data.DataLoader(np.arange(5), batch_size=2, shuffle=True, rng=0)
    >>> [batch.tolist() for batch in loader]
    [[2, 4], [3, 0], [1]]
    """

    def __init__(
        self,
        x: ArrayLike | Tensor,
        y: ArrayLike | Tensor | None = None,
        *,
        batch_size: int = 32,
        shuffle: bool = False,
        rng: np.random.Generator | int | None = None,
        drop_last: bool = False,
    ) -> None:
        self.x, self.y = _array(x), None if y is None else _array(y)
        shape = self.x.shape
        if not shape or not shape[0]:
            raise ShapeError(f"DataLoader needs at least one example along the first axis, and x has shape {shape}")
        if self.y is not None and self.y.shape[:1] != shape[:1]:
            raise ShapeError(f"DataLoader needs as many targets as examples, and got shapes {shape} and {self.y.shape}")
        self.batch_size = checked_batch_size("DataLoader", batch_size)
        if drop_last and shape[0] < batch_size:
            raise ShapeError(f"DataLoader with drop_last gives no batch of {batch_size} from {shape[0]} examples")
        self.shuffle, self.drop_last = bool(shuffle), bool(drop_last)
        self.seed = int(rng) if isinstance(rng, int | np.integer) else _drawn(rng)
        if self.seed < 0:
            raise ChainruleError(f"DataLoader: a seed is a whole number from 0, not {rng}")
        self.epoch = 0
        """The number of the epoch that is under way, or comes next."""
        self._place = 0
        self._chosen: slice | Array = slice(0)
        self._resumed = False

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.x), self.batch_size)
        return whole + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """One epoch, or what is left of the one that was loaded."""
        if self._place and not self._resumed:
            self.epoch, self._place = self.epoch + 1, 0
        self._resumed = False
        x, y, size = self.x, self.y, self.batch_size
        order = self._order()
        for batch in range(self._place, len(self)):
            # Before the batch is handed out, so that a state saved in the loop's body counts it as done.
            self._place = batch + 1
            start = batch * size
            if order is None:
                self._chosen = chosen = slice(start, start + size)
                yield x[chosen] if y is None else (x[chosen], y[chosen])
            else:
                self._chosen = chosen = order[start : start + size]
                yield x.take(chosen, 0) if y is None else (x.take(chosen, 0), y.take(chosen, 0))
        self.epoch, self._place = self.epoch + 1, 0

    def last_examples(self) -> Array:
        """Which examples the last batch had: their places along the first axis of `x`, of shape (batch,).

        >>> import chainrule as cr
        >>> loader = cr.data.DataLoader([10, 11, 12, 13], batch_size=2, shuffle=True, rng=0)
        >>> [(batch.tolist(), loader.last_examples().tolist()) for batch in loader]
        [([12, 10], [2, 0]), ([11, 13], [1, 3])]
        """
        return np.arange(len(self.x))[self._chosen]

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, in plain numbers that JSON can hold; the examples are not in it.

        >>> import chainrule as cr, numpy as np
        >>> loader = cr.data.DataLoader(np.arange(6), batch_size=2, shuffle=True, rng=1)
        >>> batches = iter(loader)
        >>> state = next(batches) is not None and loader.state_dict()
        >>> state["epoch"], state["place"]
        (0, 1)
        """
        return {"epoch": self.epoch, "place": self._place, "seed": self.seed, **self._fixed()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where a saved loader stood; the next loop gives the rest of its epoch.

        Examples, batch size and shuffling must agree: otherwise `ChainruleError` lists what differs, nothing changes.

        >>> import chainrule as cr, numpy as np
        >>> first, second = (cr.data.DataLoader(np.arange(6), batch_size=2, shuffle=True, rng=i) for i in range(2))
        >>> for batch in first:
        ...     second.load_state_dict(first.state_dict())
        ...     break
        >>> batch.tolist(), [later.tolist() for later in second]
        ([3, 2], [[5, 4], [0, 1]])
        """
        wrong = [
            f"{name} is {state.get(name)}, and here {own}"
            for name, own in self._fixed().items()
            if state.get(name) != own
        ]
        counts = {name: state.get(name) for name in ("epoch", "place", "seed")}
        wrong += [
            f"{name} is {count!r}, not a whole number from 0"
            for name, count in counts.items()
            if type(count) is not int or count < 0
        ]
        wrong += [
            f"it has {name}, which is unknown" for name in sorted(state.keys() - counts.keys() - self._fixed().keys())
        ]
        if not wrong and state["place"] > len(self):
            wrong.append(f"place is {state['place']}, and an epoch has {len(self)} batches")
        if wrong:
            raise ChainruleError(f"the saved state does not fit this DataLoader: {'; '.join(wrong)}")
        self.epoch, self._place, self.seed = state["epoch"], state["place"], state["seed"]
        self._resumed = True

    def _fixed(self) -> dict[str, int | bool]:
        """What must be the same for a saved place to mean the same batch."""
        return {
            "examples": len(self.x),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def _order(self) -> Array | None:
        """This epoch's permutation, from numbers alone, so that a resumed run draws it again."""
        return np.random.default_rng((self.seed, self.epoch)).permutation(len(self.x)) if self.shuffle else None


def checked_batch_size(owner: str, batch_size: Any, otherwise: str = "") -> int:
    """How many examples make a batch; `otherwise` says in the error what else could be given."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ShapeError(f"{owner}: batch_size is a whole number of at least 1{otherwise}, not {batch_size!r}")
    return int(batch_size)  # pyright: ignore[reportUnknownArgumentType] - NumPy's integers are of any width


def _array(x: Any) -> Array:
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _drawn(rng: np.random.Generator | None) -> int:
    """A seed that the generator gives; below 2⁵³, so that every reader of JSON keeps it whole."""
    return int(np.random.default_rng(rng).integers(2**53))

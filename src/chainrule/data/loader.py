"""Batches in a seeded order, from a place that can be saved and found again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.data.structure import leaves, lengths, mapped, shapes, structured
from chainrule.errors import ChainruleError, ShapeError
from chainrule.kinds import Array, is_whole

if TYPE_CHECKING:  # slow to load
    from numpy.typing import ArrayLike, NDArray


class DataLoader:
    """Gives the examples of `x`, or of `x` and `y` as pairs, in batches; each ``for`` loop over it is one epoch.

    `x` and `y` have one entry for each example along the first axis; either may be several arrays in a tuple or dict,
    and a batch is then a tuple or dict too. With `sample_weight`, of shape (examples,), batches are triples. The last
    batch is smaller where `batch_size` does not divide, or left out with `drop_last`. With `shuffle`, every epoch has
    an order of its own that depends on the seed and the epoch's number alone; `rng` is a seed or a NumPy Generator,
    without which the seed is drawn afresh. Shuffled batches are copies, others are views.

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
        x: Any,
        y: Any = None,
        *,
        sample_weight: ArrayLike | Tensor | None = None,
        batch_size: int = 32,
        shuffle: bool = False,
        rng: np.random.Generator | int | None = None,
        drop_last: bool = False,
    ) -> None:
        self.y = None if y is None else structured(y, _array, "y")
        counts: set[int | None] = set() if y is None else lengths(self.y)
        self.x = structured(x, _array, "x", next(iter(counts)) if len(counts) == 1 else None)
        self.sample_weight = None if sample_weight is None else _array(sample_weight, "sample_weight")
        counts |= lengths(self.x)
        if counts <= {0, None} or not lengths(self.x) - {0, None}:
            raise ShapeError(
                f"DataLoader needs at least one example along the first axis, and x has shape {shapes(self.x)}"
            )
        if len(counts) > 1:
            given = f"{shapes(self.x)} and {shapes(self.y)}" if self.y is not None else shapes(self.x)
            raise ShapeError(f"DataLoader needs as many targets as examples, and got shapes {given}")
        self.examples = len(next(leaves(self.x)))
        if self.sample_weight is not None and (y is None or self.sample_weight.shape != (self.examples,)):
            raise ShapeError(
                f"DataLoader takes one sample_weight for each of the {self.examples} examples, beside y, and got shape "
                f"{self.sample_weight.shape}"
            )
        self.batch_size = checked_batch_size("DataLoader", batch_size)
        if drop_last and self.examples < batch_size:
            raise ShapeError(f"DataLoader with drop_last gives no batch of {batch_size} from {self.examples} examples")
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
        whole, rest = divmod(self.examples, self.batch_size)
        return whole + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """One epoch, or what is left of the one that was loaded."""
        if self._place and not self._resumed:
            self.epoch, self._place = self.epoch + 1, 0
        self._resumed = False
        size = self.batch_size
        order = order_of(self.seed, self.epoch, self.examples) if self.shuffle else None
        for batch in range(self._place, len(self)):
            # Before the batch is handed out, so that a state saved in the loop's body counts it as done.
            self._place = batch + 1
            start = batch * size
            self._chosen = slice(start, start + size) if order is None else order[start : start + size]
            yield self._batch(self._chosen)
        self.epoch, self._place = self.epoch + 1, 0

    def last_examples(self) -> Array:
        """Which examples the last batch had: their places along the first axis of `x`, of shape (batch,).

        >>> import chainrule as cr
        >>> loader = cr.data.DataLoader([10, 11, 12, 13], batch_size=2, shuffle=True, rng=0)
        >>> [(batch.tolist(), loader.last_examples().tolist()) for batch in loader]
        [([12, 10], [2, 0]), ([11, 13], [1, 3])]
        """
        return np.arange(self.examples)[self._chosen]

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

    def _batch(self, chosen: slice | Array) -> Any:
        """Some examples, with their targets and weights if there are any."""

        def part(array: Array) -> Array:
            return array[chosen] if isinstance(chosen, slice) else array.take(chosen, 0)

        x = mapped(part, self.x)
        if self.y is None:
            return x
        y = mapped(part, self.y)
        return (x, y) if self.sample_weight is None else (x, y, part(self.sample_weight))

    def _fixed(self) -> dict[str, int | bool]:
        """What must be the same for a saved place to mean the same batch."""
        return {
            "examples": self.examples,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }


def order_of(seed: int, epoch: int, examples: int) -> NDArray[np.intp]:
    """The order of the examples in an epoch, from numbers alone, so that a resumed run draws it again."""
    return np.random.default_rng([seed, epoch]).permutation(examples)


def checked_batch_size(owner: str, batch_size: Any, otherwise: str = "") -> int:
    """How many examples make a batch; `otherwise` says in the error what else could be given."""
    if not is_whole(batch_size, 1):
        raise ShapeError(f"{owner}: batch_size is a whole number of at least 1{otherwise}, not {batch_size!r}")
    return int(batch_size)  # pyright: ignore[reportUnknownArgumentType] - NumPy's integers are of any width


def _array(x: Any, name: str) -> Array:
    """What `structured` asks of each array; any type of entry is given out in batches."""
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _drawn(rng: np.random.Generator | None) -> int:
    """A seed that the generator gives; below 2⁵³, so that every reader of JSON keeps it whole."""
    return int(np.random.default_rng(rng).integers(2**53))

"""The data of a run, batch by batch: arrays in an order that depends on the seed and the epoch alone, or a loader."""

# What a loader gives is not known before the program runs, and isinstance narrows it to containers of unknown things.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.graph import DIFFERENTIABLE, from_array
from chainrule.core.operation import as_array
from chainrule.core.tensor import Tensor
from chainrule.data.loader import DataLoader, checked_batch_size
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn.module import Module

Batch = tuple[Any, Any, int]
"""Inputs, targets, and the number of examples."""


class Batches:
    """What `fit` goes through in each epoch; `count` batches and `examples` examples, where they are known."""

    count: int | None = None
    examples: int | None = None

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, counted from 1, without the first few."""
        raise NotImplementedError

    def last_examples(self) -> NDArray[Any] | None:
        """Which examples the last batch had, as places in the data; None where nobody knows."""
        return None

    def settings(self) -> dict[str, Any]:
        """What the order depends on: a resumed run has the same."""
        return {}

    def state(self) -> Any:
        """Where a loader stands that can tell."""
        return None

    def load(self, state: Any) -> None:
        """Bring such a loader there."""


class OfArrays(Batches):
    """Batches cut from arrays of examples; the order of an epoch is drawn from the seed and its number.

    So a resumed run needs no memory of the epochs before. A single batch of all examples keeps their order.
    """

    def __init__(
        self, x: NDArray[Any], y: NDArray[Any], batch_size: int | None, shuffle: bool, seed: int, owner: str
    ) -> None:
        if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
            raise ShapeError(
                f"{owner} needs as many targets as examples, at least one, along the first axis, and got x of shape "
                f"{x.shape} and y of shape {y.shape}"
            )
        self.x, self.y = x, y
        self.examples = len(x)
        given = self.examples if batch_size is None else checked_batch_size(owner, batch_size, ", or None for all")
        self.batch_size = min(given, self.examples)
        self.count = -(-self.examples // self.batch_size)
        self.shuffle = shuffle and self.count > 1
        self.seed = seed
        self.chosen: slice | NDArray[Any] = slice(0)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, without the first few."""
        size, examples = self.batch_size, len(self.x)
        order = np.random.default_rng([self.seed, epoch]).permutation(examples) if self.shuffle else None
        for start in range(skip * size, examples, size):
            self.chosen = chosen = slice(start, start + size) if order is None else order[start : start + size]
            x = self.x[chosen]
            yield as_given(x), self.y[chosen], len(x)

    def last_examples(self) -> NDArray[Any]:
        """Which examples the last batch had."""
        return np.arange(len(self.x))[self.chosen]

    def settings(self) -> dict[str, Any]:
        """What the order depends on."""
        return {
            "examples": self.examples,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
        }


class OfLoader(Batches):
    """Batches from anything that can be gone through again and again, and gives pairs of inputs and targets.

    One that shuffles can be resumed if it has `state_dict` and `load_state_dict`, as `DataLoader` has; or if it has a
    method ``set_epoch(epoch)``, as PyTorch's samplers have, that is called before each epoch and settles its order.
    """

    def __init__(self, loader: Iterable[Any], dtype: Any, owner: str) -> None:
        self.loader, self.dtype, self.owner = loader, dtype, owner
        self.count = len(cast("Any", loader)) if hasattr(loader, "__len__") else None
        self.knows_its_place = hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict")

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, without the first few."""
        if hasattr(self.loader, "set_epoch"):
            cast("Any", self.loader).set_epoch(epoch)
        for batch in islice(self.loader, 0 if self.knows_its_place else skip, None):
            if not isinstance(batch, list | tuple) or len(batch) != 2:
                raise DtypeError(
                    f"{self.owner} takes batches that are pairs (x, y), and got {type(batch).__name__}"
                    ": give y, or pairs"
                )
            x, y = as_numbers(batch[0], self.dtype, "x"), as_numbers(batch[1], self.dtype, "y")
            yield as_given(x), y, len(x)

    def last_examples(self) -> NDArray[Any] | None:
        """Which examples the last batch had, if the loader is this package's own; a subclass may cut otherwise."""
        return self.loader.last_examples() if type(self.loader) is DataLoader else None

    def state(self) -> Any:
        """Where the loader stands, if it can tell."""
        return cast("Any", self.loader).state_dict() if self.knows_its_place else None

    def load(self, state: Any) -> None:
        """Bring the loader there; from then on it leaves out by itself what was done."""
        if self.knows_its_place:
            cast("Any", self.loader).load_state_dict(state)


def batches_of(
    model: Module, x: Any, y: Any, *, batch_size: int | None, shuffle: bool, seed: int, owner: str
) -> Batches:
    """The data as it was handed over, made ready; numbers in floating point are taken in the model's own dtype."""
    dtypes = {parameter.dtype for parameter in model.parameters()}
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    if y is not None:
        x, y = as_numbers(x, dtype, "x"), as_numbers(y, dtype, "y")
        return OfArrays(x, y, batch_size, shuffle, seed, owner)
    if isinstance(x, np.ndarray | Tensor) or not isinstance(x, Iterable):
        raise DtypeError(f"{owner} takes x and y, or an iterable of pairs (x, y), and got {type(x).__name__} without y")
    if isinstance(x, Iterator):
        raise DtypeError(
            f"{owner} goes through its data once an epoch, and {type(x).__name__} can be gone through only once: give "
            "a list or a DataLoader"
        )
    return OfLoader(cast("Iterable[Any]", x), dtype, owner)


def as_numbers(x: Any, dtype: Any, name: str) -> NDArray[Any]:
    """An array as it is, but for floating point in the dtype of the model."""
    array = x.data if isinstance(x, Tensor) else as_array(x, name)
    return array.astype(dtype, copy=False) if dtype is not None and array.dtype.kind == "f" else array


def as_given(x: NDArray[Any]) -> Any:
    """What a model is called with: a Tensor of floating point, or whole numbers as an array."""
    return from_array(x) if x.dtype in DIFFERENTIABLE else x

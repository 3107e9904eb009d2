"""The data of a run, batch by batch: arrays in an order that depends on the seed and the epoch alone, or a loader."""

# What a loader gives is not known before the program runs, and isinstance narrows it to containers of unknown things.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from inspect import signature
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chainrule.core.graph import DIFFERENTIABLE, from_array
from chainrule.core.operation import as_array
from chainrule.core.tensor import Tensor
from chainrule.data.loader import DataLoader, checked_batch_size, order_of
from chainrule.data.structure import leaves, lengths, mapped, shapes, structured
from chainrule.errors import ChainruleError, DtypeError, ShapeError
from chainrule.named import NamedTuple
from chainrule.nn.module import NUMBERED, Module, refuse_texts

if TYPE_CHECKING:  # slow to load
    from numpy.typing import NDArray

ENCODED = "make a column of numbers for each category, or read the table with cr.data.read_table"


class Batch(NamedTuple):
    """Inputs and targets, each an array or several in tuples and dicts, how much each example counts, and how many."""

    x: Any
    y: Any
    weight: NDArray[Any] | None
    examples: int


class Batches:
    """What `fit` goes through in each epoch; `count` batches and `examples` examples, where they are known."""

    count: int | None = None
    examples: int | None = None
    uncompiled: str = "the batches come from a loader, which may cut others"
    """Why no step is compiled, where that is so whatever the model is."""

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

    uncompiled = ""

    def __init__(
        self,
        x: Any,
        y: Any,
        weight: NDArray[Any] | None,
        batch_size: int | None,
        *,
        shuffle: bool,
        seed: int,
        drop_last: bool,
        owner: str,
    ) -> None:
        counts = lengths(x, y)
        if len(counts) != 1 or not counts - {None, 0}:
            raise ShapeError(
                f"{owner} needs as many targets as examples, at least one, along the first axis, and got x of shape "
                f"{shapes(x)} and y of shape {shapes(y)}"
            )
        self.x, self.y = x, y
        self.examples = len(next(leaves(x)))
        self.weight = None if weight is None else checked_weights(weight, self.examples, owner)
        if self.weight is not None and not self.weight.any():
            raise ChainruleError(f"{owner}: every sample_weight is 0, so no example counts")
        given = self.examples if batch_size is None else checked_batch_size(owner, batch_size, ", or None for all")
        self.batch_size = min(given, self.examples)
        self.drop_last = drop_last
        self.count = self.examples // self.batch_size if drop_last else -(-self.examples // self.batch_size)
        self.shuffle = shuffle and self.batch_size < self.examples
        self.seed = seed
        self.chosen: slice | NDArray[Any] = slice(0)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        order = self.order(epoch)
        for place in range(skip, self.count or 0):
            yield self.batch(order, place)

    def order(self, epoch: int) -> NDArray[np.intp] | None:
        """The places of the examples in the order of an epoch; None where they stay as they are."""
        return order_of(self.seed, epoch, self.examples or 0) if self.shuffle else None

    def batch(self, order: NDArray[np.intp] | None, place: int) -> Batch:
        """One batch of an epoch, counted from 0."""
        start, size = place * self.batch_size, self.batch_size
        self.chosen = chosen = slice(start, start + size) if order is None else order[start : start + size]
        x, y = (mapped(lambda part: part[chosen], held) for held in (self.x, self.y))
        weight = None if self.weight is None else self.weight[chosen]
        return Batch(mapped(as_given, x), y, weight, min(size, (self.examples or 0) - start))

    def last_examples(self) -> NDArray[Any]:
        return np.arange(self.examples or 0)[self.chosen]

    def settings(self) -> dict[str, Any]:
        return {
            "examples": self.examples,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "drop_last": self.drop_last,
        }


class OfLoader(Batches):
    """Batches from anything that can be gone through again and again, and gives pairs of inputs and targets.

    A batch may have the weights of its examples as a third part. A loader that shuffles can be resumed if it has
    `state_dict` and `load_state_dict`, as `DataLoader` has; or if it has a method ``set_epoch(epoch)``, as PyTorch's
    samplers have, that is called before each epoch and settles its order.
    """

    def __init__(self, loader: Iterable[Any], dtype: Any, owner: str) -> None:
        self.loader, self.dtype, self.owner = loader, dtype, owner
        self.count = len(cast("Any", loader)) if hasattr(loader, "__len__") else None
        self.knows_its_place = hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict")

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        if hasattr(self.loader, "set_epoch"):
            cast("Any", self.loader).set_epoch(epoch)
        for batch in islice(self.loader, 0 if self.knows_its_place else skip, None):
            if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
                raise DtypeError(
                    f"{self.owner} takes batches that are pairs (x, y), and got {type(batch).__name__}: give y, "
                    "or pairs, or (x, y, sample_weight)"
                )
            x, y = (arrays_of(part, self.dtype, name, -1) for part, name in zip(batch, "xy", strict=False))
            examples = len(next(leaves(x))) if lengths(x) - {None} else 0
            weight = checked_weights(batch[2], examples, self.owner) if len(batch) == 3 else None
            yield Batch(mapped(as_given, x), y, weight, examples)

    def last_examples(self) -> NDArray[Any] | None:
        """Which examples the last batch had, if the loader is this package's own; a subclass may cut otherwise."""
        return self.loader.last_examples() if type(self.loader) is DataLoader else None

    def state(self) -> Any:
        return cast("Any", self.loader).state_dict() if self.knows_its_place else None

    def load(self, state: Any) -> None:
        """Bring the loader there; from then on it leaves out by itself what was done."""
        if self.knows_its_place:
            cast("Any", self.loader).load_state_dict(state)


def batches_of(
    model: Module,
    x: Any,
    y: Any,
    *,
    batch_size: int | None,
    shuffle: bool,
    seed: int,
    owner: str,
    sample_weight: Any = None,
    drop_last: bool = False,
) -> Batches:
    """The data as it was handed over, made ready; numbers in floating point are taken in the model's own dtype."""
    dtype = dtype_of(model)
    if y is not None:
        targets = arrays_of(y, dtype, "y")
        counts = lengths(targets)
        inputs = arrays_of(x, dtype, "x", next(iter(counts)) if len(counts) == 1 else None)
        order: Any = {"shuffle": shuffle, "seed": seed, "drop_last": drop_last}
        return OfArrays(inputs, targets, sample_weight, batch_size, owner=owner, **order)
    if isinstance(x, np.ndarray | Tensor | dict) or not isinstance(x, Iterable):
        raise DtypeError(f"{owner} takes x and y, or an iterable of pairs (x, y), and got {type(x).__name__} without y")
    if isinstance(x, Iterator):
        raise DtypeError(
            f"{owner} goes through its data once an epoch, and {type(x).__name__} can be gone through only once: give "
            "a list or a DataLoader"
        )
    if sample_weight is not None or drop_last:
        raise DtypeError(
            f"{owner}: a loader gives batches (x, y, sample_weight) and leaves out its last one by itself: DataLoader "
            "has sample_weight= and drop_last="
        )
    return OfLoader(cast("Iterable[Any]", x), dtype, owner)


def dtype_of(model: Module) -> Any:
    """The one dtype of a model's parameters, or None."""
    dtypes = {parameter.dtype for parameter in model.parameters()}
    return dtypes.pop() if len(dtypes) == 1 else None


def arrays_of(held: Any, dtype: Any, name: str, examples: int | None = None) -> Any:
    """Inputs or targets as arrays, floating point in the dtype of the model; `examples` as in `structured`."""
    return structured(held, lambda part, name: as_numbers(part, dtype, name), name, examples)


def as_numbers(x: Any, dtype: Any, name: str) -> NDArray[Any]:
    """An array as it is, but for floating point in the dtype of the model."""
    if isinstance(x, Tensor):
        array = x.data
    else:
        refuse_texts(x, name, ENCODED if name.startswith("x") else NUMBERED)
        array = as_array(x, name)
    return array.astype(dtype, copy=False) if dtype is not None and array.dtype.kind == "f" else array


def as_given(x: NDArray[Any]) -> Any:
    """What a model is called with: a Tensor of floating point, or whole numbers as an array."""
    return from_array(x) if x.dtype in DIFFERENTIABLE else x


def checked_weights(weight: Any, examples: int, owner: str) -> NDArray[Any]:
    """The weights of examples, one for each, from 0."""
    refuse_texts(weight, "sample_weight", "give one number for each example")
    weights = weight.data if isinstance(weight, Tensor) else as_array(weight, "sample_weight")
    if weights.shape != (examples,):
        raise ShapeError(
            f"{owner} takes one sample_weight for each of the {examples} examples, and got weights of shape "
            f"{weights.shape}"
        )
    wrong = ~((weights >= 0) & np.isfinite(weights))
    if wrong.any():
        raise ChainruleError(f"{owner}: sample_weight is from 0, and {weights[wrong][0]} at [{np.argmax(wrong)}]")
    return weights


def output_of(model: Module, x: Any) -> Any:
    """What a model gives for an input, or for several.

    A tuple or dict is spread over the parameters of `forward` where it has a place for each, and else given as it is.
    """
    if type(x) is tuple:
        return model(*x) if takes(type(model).forward, len(x), ()) else model(x)
    if type(x) is dict:
        names = tuple(x)
        texts = all(isinstance(name, str) for name in names)
        return model(**x) if texts and takes(type(model).forward, 0, names) else model(x)
    return model(x)


@lru_cache(maxsize=256)
def takes(forward: Any, count: int, names: tuple[str, ...]) -> bool:
    """Whether a method can be called with so many arguments, and those names."""
    try:
        signature(forward).bind(None, *[None] * count, **dict.fromkeys(names))
    except (TypeError, ValueError):
        return False
    return True

"""Programs of training steps that are made already: nets of the same make, trained in the same way, share one.

A search over settings, the folds of a cross-validation and many short fits then trace once. Only steps whose code is
all this package's own are kept: what they compute is settled by what is looked at here.
"""

# What modules and optimizers hold is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Hashable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.codegen.version import Version
from chainrule.core.operation import Operation
from chainrule.core.tensor import Tensor
from chainrule.named import NamedTuple
from chainrule.nn.draws import is_generator
from chainrule.nn.module import Module, Parameter
from chainrule.threads import Lock
from chainrule.training.step_program import Draw, Example, MadeOf
from chainrule.training.step_state import is_written_here

MOST, MOST_BYTES = 64, 2**26
"""Programs that are kept, and the memory of the examples on which they were traced."""


class Recorded(NamedTuple):
    """A program, what its results are, and the names of the parameters that no gradient reaches."""

    version: Version
    example: Example
    unmoved: tuple[str, ...]
    size: int


class Unlike(Exception):
    """Something of which nobody knows whether another is like it."""


SETTINGS = (bool, int, float, str, np.dtype)
"""What is the same where it says the same."""


class Likeness:
    """What tells one make of a net from another: its modules, their settings, and which parameters are one."""

    def __init__(self) -> None:
        self.met: dict[int, int] = {}
        self.kept: list[Any] = []
        """What was met: the first of each."""

    def of(self, x: Any) -> Hashable:
        """What is equal for all that are made alike."""
        if x is None or isinstance(x, SETTINGS):
            # 0.0 and -0.0 are equal, and so are 1 and True.
            return type(x), repr(x)
        if isinstance(x, list | tuple):
            return type(x), tuple([self.of(part) for part in x])
        if isinstance(x, dict):
            return tuple([(key, self.of(part)) for key, part in x.items()])
        if isinstance(x, Tensor | Module) or is_generator(x):
            place = self.met.get(id(x))
            if place is not None:
                return place
            self.met[id(x)] = len(self.met)
            self.kept.append(x)
            if isinstance(x, Module) and is_written_here(x):
                return type(x), self.of(vars(x))
            if isinstance(x, Module):
                raise Unlike
            return (type(x), x.shape, x.dtype.str, x.requires_grad) if isinstance(x, Tensor) else type(x.bit_generator)
        if isinstance(x, type | Operation) or (
            isinstance(x, FunctionType) and x.__closure__ is None and is_written_here(x)
        ):
            return x
        raise Unlike


def make_of(model: Module, loss: Any) -> Hashable | None:
    """What is equal for models that, with just this loss, compute the same of their parameters; None if unknown."""
    found = Likeness()
    try:
        make = found.of(model)
    except Unlike:
        return None
    plain = any([isinstance(x, Tensor) and not isinstance(x, Parameter) for x in found.kept])
    return None if plain or not is_written_here(loss) else (make, id(loss))


def likeness(made_of: MadeOf, draws: Sequence[Draw], *beside: Hashable) -> Hashable | None:
    """What tells a training step from others; None where that is not known."""
    found, optimizer = Likeness(), made_of.optimizer
    try:
        parts = [found.of(part) for part in (*made_of.parts, made_of.loss)]
        moved = [tuple([found.of(x) for x in group["params"]]) for group in optimizer.param_groups]
        drawn = [(found.of(d.generator), d.method, found.of(d.args), found.of(d.settings)) for d in draws]
    except Unlike:
        return None
    return tuple(parts), tuple(moved), tuple(drawn), type(optimizer), made_of.clip_norm, beside


class StepCache:
    """The programs made last, as long as their examples are not too much to keep."""

    def __init__(self) -> None:
        self.programs: dict[Hashable, Recorded] = {}
        self.lock = Lock()

    def get(self, key: Hashable) -> Recorded | None:
        return None if key is None else self.programs.get(key)

    def keep(self, key: Hashable, version: Version, example: Example, unmoved: tuple[str, ...]) -> None:
        """Keep a program, unless it reads arrays from outside, which another net does not share."""
        size = sum({id(x): x.nbytes for x in version.whole.numbers.values() if isinstance(x, np.ndarray)}.values())
        if key is None or version.trace.held or size > MOST_BYTES:
            return
        with self.lock:
            self.programs[key] = Recorded(version, example, unmoved, size)
            while sum([known.size for known in self.programs.values()]) > MOST_BYTES or len(self.programs) > MOST:
                del self.programs[next(iter(self.programs))]


step_cache = StepCache()

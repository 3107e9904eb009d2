"""Random programs in a neutral form, which any library runs whose functions have NumPy's names and keywords.

A program is leaves and a list of steps; each applies a function to leaves and earlier results by their places. Numbers
are drawn where derivatives go wrong too: zeros, ties, kinks, infinities, subnormals and huge ones, in arrays with no
axes, no entries and several types. ``program(seed)`` is the same program for ever, so a seed is all that a report
needs: ``python tests/laws/random_programs.py SEED`` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.core.operation import Pointwise, book
from chainrule.errors import ChainruleError

SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.5, np.inf, -np.inf, 5e-324, -1e-310, 1e-200, 1e200, -1e308, 30.0, np.nan)
"""Where functions have edges, kinks and limits, and numbers theirs."""

MOST_ENTRIES, MOST_AXES = 60, 4


class Step(NamedTuple):
    """A function applied to leaves and earlier results, by their places."""

    name: str
    places: tuple[int, ...]
    settings: dict[str, Any]


class Program(NamedTuple):
    """Leaves (arrays to be differentiated in, and plain ones or Python numbers that are not), steps, and the loss last.

    `scalar` tells that every number in it is a single one, so that Values can run it too.
    """

    seed: int
    leaves: tuple[Any, ...]
    moving: tuple[int, ...]
    steps: tuple[Step, ...]
    scalar: bool

    @property
    def single(self) -> bool:
        """Whether some of its numbers have half of the digits."""
        return any("float32" in str(getattr(x, "dtype", "")) for x in self.leaves) or any(
            step.settings.get("dtype") == "float32" for step in self.steps
        )

    def in_double(self) -> Program:
        """The same with all of the digits, where rounding is to be told from a disagreement."""
        leaves = [x.astype(float) if "float32" in str(getattr(x, "dtype", "")) else x for x in self.leaves]
        steps = [
            step._replace(settings={**step.settings, "dtype": "float64"}) if "dtype" in step.settings else step
            for step in self.steps
        ]
        return self._replace(leaves=tuple(leaves), steps=tuple(steps))

    def run(self, function: Callable[[str], Any], leaves: Any) -> list[Any]:
        """Everything that is computed, leaves first; ``function(name)`` is what a library calls a step's function."""
        held = list(leaves)
        for step in self.steps:
            held.append(function(step.name)(*[held[place] for place in step.places], **step.settings))
        return held

    def __str__(self) -> str:
        lines = [f"program {self.seed}"]
        for k, leaf in enumerate(self.leaves):
            kind = f" {leaf.dtype}{leaf.shape}" if isinstance(leaf, np.ndarray) else ""
            lines.append(
                f"  v{k} = {np.array2string(np.asarray(leaf), separator=', ')}{kind}{' *' * (k in self.moving)}"
            )
        for k, step in enumerate(self.steps, len(self.leaves)):
            given = [f"v{place}" for place in step.places] + [f"{name}={x!r}" for name, x in step.settings.items()]
            lines.append(f"  v{k} = {step.name}({', '.join(given)})")
        return "\n".join(lines)


LISTS = {
    "sum_of_list": "sum",
    "max_of_list": "max",
    "min_of_list": "min",
    "prod_of_list": "prod",
    "dot_of_lists": "dot",
}


def ours(name: str) -> Any:
    """What chainrule calls a step's function: public names, and a few for what takes lists."""
    if name == "dot_of_lists":
        return lambda *xs: cr.dot(list(xs[: len(xs) // 2]), list(xs[len(xs) // 2 :]))
    if name in LISTS:
        return lambda *xs: getattr(cr, LISTS[name])(list(xs))
    if name in ("concatenate", "stack"):
        return lambda *xs, axis: getattr(cr, name)(list(xs), axis=axis)
    if name == "einsum":
        return lambda *xs, subscripts: cr.einsum(subscripts, *xs)
    if name == "as_number":
        return lambda x, dtype: cr.astype(x, dtype=np.dtype(dtype))
    if name == "weighed":
        return lambda x, start: cr.sum(cr.mul(x, weights(x, start)))
    return getattr(cr, name)


def weights(x: Any, start: float) -> np.ndarray[Any, Any]:
    """A number for each entry, so that nothing cancels in their sum."""
    size = int(np.prod(x.shape))
    kind = np.float32 if "float32" in str(x.dtype) else np.float64
    return (start + 0.1 * np.arange(size)).reshape(tuple(x.shape)).astype(kind)


POINTWISE = {
    name: rule
    for name, rule in book.items()
    if isinstance(rule, Pointwise) and rule.__module__.startswith("chainrule.rules") and not rule.variadic
    if getattr(cr, name, None) is rule
    if any(rule.differentiable(i) for i in range(len(rule.inputs)))
}
UNARY = sorted(name for name, rule in POINTWISE.items() if len(rule.inputs) == 1)
BINARY = sorted(name for name, rule in POINTWISE.items() if len(rule.inputs) == 2)
COMPARED = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")
COMMON = ("add", "sub", "mul", "mul", "div", "maximum", "minimum", "pow")


class Maker:
    """Draws a program step by step, running it on plain arrays meanwhile: each step is given what it can take."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.scalar = bool(self.rng.random() < 0.4)
        self.edgy = float(self.rng.choice([0.0, 0.1, 0.6]))
        self.held: list[Any] = []
        self.moving: list[int] = []
        self.steps: list[Step] = []

    # Numbers

    def numbers(self, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """Ordinary numbers; in an edgy program some are special, or equal to others."""
        rng = self.rng
        x = np.asarray(rng.normal(size=shape))
        if rng.random() < self.edgy:
            special = rng.choice(SPECIAL[:7] if rng.random() < 0.6 else SPECIAL, shape)
            x = np.where(rng.random(shape) < 0.6, special, x)
        return np.asarray(x)

    def shape(self) -> tuple[int, ...]:
        sizes = self.rng.choice([1, 2, 3, 3, 0], self.rng.integers(0, 4), p=[0.2, 0.3, 0.2, 0.27, 0.03])
        return tuple(int(n) for n in sizes)

    def leaf(self, x: Any, moving: bool) -> int:
        assert not self.steps, "leaves come first"
        self.held.append(x)
        if moving:
            self.moving.append(len(self.held) - 1)
        return len(self.held) - 1

    def leaves(self) -> None:
        rng = self.rng
        for k in range(rng.integers(1, 4)):
            x = self.numbers(() if self.scalar else self.shape())
            if not self.scalar and rng.random() < 0.15:
                x = x.astype(np.float32)
            self.leaf(x, moving=k == 0 or rng.random() < 0.8)
        self.leaf(float(self.numbers(())), moving=False)
        if not self.scalar:
            self.leaf(rng.integers(-2, 3, self.shape()), moving=False)

    # Choosing what to compute with

    def some(self, axes: int = 0, most: int = MOST_AXES) -> int:
        """A place with so many axes, the later the likelier; LookupError where there is none."""
        fit = [k for k, x in enumerate(self.held) if axes <= np.ndim(x) <= most and self.real(k)]
        if not fit:
            raise LookupError(axes)
        return fit[-1 - min(int(self.rng.exponential(2.0)), len(fit) - 1)]

    def real(self, place: int) -> bool:
        """Whether there are numbers that can move: the result of a step, or an array of floating-point numbers."""
        x = self.held[place]
        return isinstance(x, np.ndarray | np.floating) and x.dtype.kind == "f"

    def beside(self, place: int) -> int:
        """A place whose shape broadcasts with another's: any kind of number."""
        fit = [k for k, x in enumerate(self.held) if self.broadcasts(x, self.held[place])]
        return int(self.rng.choice(fit))

    @staticmethod
    def broadcasts(x: Any, y: Any) -> bool:
        try:
            return np.asarray(x).dtype.kind in "fi" and bool(np.broadcast_shapes(np.shape(x), np.shape(y)) or True)
        except ValueError:
            return False

    def axis(self, place: int) -> int:
        axes = np.ndim(self.held[place])
        return int(self.rng.integers(-axes, axes))

    def add(self, name: str, *places: int, **settings: Any) -> int:
        """Run a step on plain arrays and keep it; LookupError where it cannot be run or tells nothing."""
        try:
            out = self.result(name, places, settings)
        except (ChainruleError, ValueError, IndexError, TypeError) as error:
            raise LookupError(name) from error
        if out.size > MOST_ENTRIES or out.ndim > MOST_AXES:
            raise LookupError(name)
        if out.size and np.isnan(out).all() and self.rng.random() < 0.9:
            raise LookupError(name)
        return self.keep(out, Step(name, places, settings))

    def result(self, name: str, places: tuple[int, ...], settings: dict[str, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(ours(name)(*[self.held[place] for place in places], **settings))

    def keep(self, out: np.ndarray[Any, Any], step: Step) -> int:
        self.held.append(out)
        self.steps.append(step)
        return len(self.held) - 1

    # Families of steps

    def one(self) -> None:
        name = str(self.rng.choice(UNARY))
        examples = POINTWISE[name].examples
        self.add(name, self.some(), **POINTWISE[name].complete(examples[self.rng.integers(len(examples))]))

    def two(self) -> None:
        name = str(self.rng.choice(COMMON if self.rng.random() < 0.6 else BINARY))
        x = self.some()
        pair = (x, self.beside(x))
        self.add(name, *(pair if self.rng.random() < 0.7 else pair[::-1]))

    def select(self) -> None:
        x = self.some()
        condition = self.add(str(self.rng.choice(COMPARED)), x, self.beside(x))
        self.add("where", condition, self.beside(x), self.beside(x))

    def listed(self) -> None:
        alike = [k for k, x in enumerate(self.held) if np.ndim(x) == 0 and self.real(k)]
        if not alike:
            raise LookupError
        name = str(self.rng.choice(["sum_of_list", "dot_of_lists"] if self.scalar else [*LISTS]))
        count = int(self.rng.integers(1, 5)) * (2 if name == "dot_of_lists" else 1)
        self.add(name, *map(int, self.rng.choice(alike, count)))

    def reduce(self) -> None:
        x = self.some()
        name = str(self.rng.choice(["sum", "mean", "max", "min", "prod", "std", "var", "norm", "logsumexp", "ptp"]))
        axes = np.ndim(self.held[x])
        axis = None if not axes or self.rng.random() < 0.3 else self.axis(x)
        if name in ("sum", "mean", "max", "min", "std", "var", "prod") and axes > 1 and self.rng.random() < 0.3:
            axis = tuple(int(a) for a in self.rng.permutation(axes)[:2])
        self.add(name, x, axis=axis, keepdims=bool(self.rng.random() < 0.3))

    def sweep(self) -> None:
        x = self.some(1)
        name = str(self.rng.choice(["softmax", "log_softmax", "cumsum", "cumprod", "sort"]))
        self.add(name, x, axis=self.axis(x))

    def arrange(self) -> None:
        x = self.some(1)
        array, axis = self.held[x], self.axis(x)
        rng = self.rng
        name, settings = [
            ("reshape", {"shape": (-1,) if array.size else array.shape}),
            ("reshape", {"shape": array.shape[::-1]}),
            ("transpose", {"axes": tuple(int(a) for a in rng.permutation(array.ndim))}),
            ("flip", {"axis": axis}),
            ("roll", {"shift": int(rng.integers(-2, 3)), "axis": axis}),
            ("expand_dims", {"axis": axis}),
            ("broadcast_to", {"shape": (2, *array.shape)}),
            ("repeat", {"repeats": 2, "axis": axis}),
            ("tile", {"reps": (2,)}),
            ("pad", {"pad_width": tuple((int(rng.integers(2)), int(rng.integers(2))) for _ in array.shape)}),
            ("swapaxes", {"axis1": axis, "axis2": 0}),
            ("squeeze", {}),
            ("diff", {"axis": axis}),
        ][rng.integers(13)]
        self.add(name, x, **settings)

    def triangle(self) -> None:
        self.add(str(self.rng.choice(["tril", "triu", "diag", "trace"])), self.some(2, 2))

    def pick(self) -> None:
        x = self.some(1)
        rng, shape = self.rng, self.held[x].shape
        n = shape[0]
        keys: list[Any] = [slice(None, None, -1), slice(1, None), (Ellipsis, 0), None, self.held[x] > 0]
        if n:
            several = rng.integers(-n, n, rng.integers(0, 4))
            keys += [int(rng.integers(-n, n)), several, (several, Ellipsis), rng.integers(0, n, (2, 2))]
        if len(shape) > 1 and n and shape[1]:
            keys.append((rng.integers(0, n, 3), rng.integers(0, shape[1], 3)))
        self.add("index", x, key=keys[rng.integers(len(keys))])

    def join(self) -> None:
        x = self.some(1)
        alike = [k for k, y in enumerate(self.held) if np.shape(y) == self.held[x].shape and self.real(k)]
        places = map(int, self.rng.choice(alike, self.rng.integers(1, 4)))
        self.add(str(self.rng.choice(["concatenate", "stack"])), *places, axis=self.axis(x))

    def product(self) -> None:
        x, y = self.some(1), self.some(1)
        name = str(self.rng.choice(["matmul", "matmul", "dot", "outer", "inner", "kron", "tensordot", "einsum"]))
        if name == "outer":
            x, y = self.some(1, 1), self.some(1, 1)
        if name == "tensordot":
            self.add(name, x, y, axes=int(self.rng.integers(0, 2)))
        elif name != "einsum":
            self.add(name, x, y)
        else:
            x, y = self.some(2, 2), self.some(2, 2)
            three = self.rng.random() < 0.4
            self.add(name, x, y, *[x] * three, subscripts="ij,jk,il->kl" if three else "ij,kj->ik")

    def matrix(self) -> None:
        """Linear algebra, mostly on matrices far from singular: a Gram matrix plus the identity."""
        a = self.some(2, 2)
        if self.rng.random() < 0.85:
            gram = self.add("einsum", a, a, subscripts="ij,kj->ik")
            n = self.held[gram].shape[0]
            eye = self.add("tril", self.add("broadcast_to", self.one_place(), shape=(n, n)))
            a = self.add("add", gram, self.add("triu", eye))
        name = str(
            self.rng.choice(["det", "inv", "solve", "logabsdet", "cholesky", "svdvals", "eigvalsh", "matrix_norm"])
        )
        if name == "solve":
            self.add(name, a, self.some(2, 2))
        elif name == "matrix_norm":
            self.add("norm", a, ord=["fro", 1, np.inf, "nuc", 2][self.rng.integers(5)])
        else:
            self.add(name, a)

    def one_place(self) -> int:
        """The place of a 1: no leaf can be added any more, so it is computed."""
        x = self.some()
        return self.add("equal", *[self.add("sum", x, axis=None, keepdims=False)] * 2)

    def other_type(self) -> None:
        self.add("as_number", self.some(), dtype=str(self.rng.choice(["float32", "float64"])))

    # The whole

    def make(self) -> Program:
        self.leaves()
        count = len(self.held)
        scalars = [self.one, self.one, self.two, self.two, self.two, self.select, self.listed]
        arrays = [*scalars, self.reduce, self.reduce, self.sweep, self.arrange, self.triangle, self.pick, self.join]
        families = scalars if self.scalar else [*arrays, self.product, self.matrix, self.other_type]
        for _ in range(self.rng.integers(2, 9)):
            try:
                families[self.rng.integers(len(families))]()
            except LookupError:
                continue
        self.finish(count)
        steps = tuple(self.steps)
        return Program(
            self.seed, tuple(self.held[: len(self.held) - len(steps)]), tuple(self.moving), steps, self.scalar
        )

    def finish(self, count: int) -> None:
        """The loss: every result that nothing else uses, each with a weight of its own."""

        def then(name: str, *places: int, **settings: Any) -> int:
            return self.keep(self.result(name, places, settings), Step(name, places, settings))

        used = {place for step in self.steps for place in step.places}
        ends = [k for k in range(count, len(self.held)) if k not in used and self.real(k)]
        if not ends:
            ends = [then("mul", self.moving[0], self.moving[0])]
        if not self.scalar:
            ends = [then("weighed", k, start=1.0 + 0.3 * n) for n, k in enumerate(ends)]
        total = ends[0]
        for k in ends[1:]:
            total = then("add", total, k)


def program(seed: int) -> Program:
    """The random program of a seed."""
    with np.errstate(all="ignore"):
        return Maker(seed).make()


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(program(int(given)))

"""What of NumPy and of Python itself a reader runs: functions that compute, by a white list, and no others."""

# What a program holds is known only when it is read.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.numpy_names import OTHER_NAMES
from chainrule.core.operation import book, compositions
from chainrule.core.tensor import Tensor
from chainrule.verify.answers.traced import MADE, Tape, Traced, bare, entered, exchanged, has_traced
from chainrule.verify.auditing.values import Builtin, Module, Unknown, on_tape, unknown_among

MODULES = {
    "numpy": "numpy", "numpy.random": "numpy.random", "numpy.linalg": "numpy.linalg", "math": "math",
    "scipy.special": "scipy.special", "random": "random", "tqdm": "tqdm", "tqdm.auto": "tqdm", "tqdm.notebook": "tqdm",
}  # fmt: skip
"""Libraries that are read, by the names under which they are imported."""

PURE = frozenset({
    "sum", "mean", "average", "prod", "max", "min", "amax", "amin", "argmax", "argmin", "argsort", "sort", "any",
    "all", "var", "std", "cumsum", "trace", "count_nonzero", "dot", "matmul", "outer", "inner", "vdot", "einsum",
    "tensordot", "transpose", "reshape", "ravel", "squeeze", "expand_dims", "swapaxes", "broadcast_to",
    "concatenate", "stack", "vstack", "hstack", "column_stack", "append", "insert", "delete", "tile", "repeat",
    "pad", "roll", "flip", "meshgrid", "atleast_2d", "hsplit", "vsplit", "split", "zeros", "ones", "empty", "full",
    "zeros_like", "ones_like", "empty_like", "full_like", "array", "asarray", "arange", "linspace", "eye",
    "identity", "diag", "diagflat", "copy", "where", "clip", "round", "nan_to_num", "unique", "bincount", "isclose",
    "allclose", "array_equal", "size", "shape", "ndim", "float32", "float64", "int32", "int64",
})  # fmt: skip
"""Functions of NumPy that only compute, beside its elementwise ones."""

MATHS = {"pow": np.power, "fabs": np.abs}
METHODS = frozenset({
    "sum", "mean", "max", "min", "prod", "std", "var", "dot", "T", "reshape", "ravel", "flatten", "squeeze",
    "transpose", "swapaxes", "copy", "astype", "argmax", "argmin", "clip", "item", "tolist", "round", "any", "all",
    "repeat", "cumsum", "shape", "ndim", "size", "dtype", "fill", "sort", "trace",
})  # fmt: skip
"""What is asked of an array."""

SAMPLES = frozenset({
    "rand", "randn", "random", "random_sample", "uniform", "normal", "standard_normal", "randint", "integers",
    "choice", "permutation",
})  # fmt: skip
"""Draws of random numbers, with any library."""


def attribute_of(module: Module, name: str) -> Any:
    """What a library that is read has by a name."""
    inner = f"{module.name}.{name}"
    if inner in MODULES:
        return Module(inner)
    if module.name in ("numpy", "math") and name in ("pi", "e", "inf", "nan", "newaxis"):
        return getattr(np, name)
    if module.name == "numpy.random" and name in ("default_rng", "RandomState"):
        return Builtin("generator")
    if module.name in ("numpy.random", "random"):
        return Builtin(f"random.{name}")
    return Builtin(inner)


class Library:
    """Runs functions of libraries on what a reader holds, and writes on its tape what they do."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.random = np.random.RandomState(0)
        self.is_text_assumed = False
        """Whether a file was read as text, and some text taken for it."""
        self.counts: set[int] = set()
        """Places on the tape whose numbers were used as sizes or to index, or stand in an array before it is filled."""

    def plain(self, x: Any) -> Any:
        """A value without its tape, where it serves as a size or an index."""

        def counted(x: Traced) -> Any:
            self.counts.add(x.place)
            return x.value.item() if x.value.ndim == 0 else x.value

        return exchanged(x, Traced, counted)

    def call(self, name: str, args: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        """A function of a library by its full name."""
        unknown = unknown_among((*args, *settings.values()))
        if unknown is not None:
            return unknown
        kind, _, function = name.rpartition(".")
        if kind == "tqdm":
            return range(*map(self.plain, args)) if function.endswith("trange") else args[0]
        if kind == "random":
            return self.sample(function, args, settings)
        if kind == "scipy.special":
            return self.tape.call(book["sigmoid"], "sigmoid", args, {}) if function == "expit" else Unknown(name)
        if kind == "numpy.linalg" and function == "norm":
            return self.tape.call(np.linalg.norm, "norm", args, dict(settings))
        if kind == "math":
            return self.of_math(function, args)
        found = getattr(np, function, None)
        if kind != "numpy" or found is None or not (isinstance(found, np.ufunc) or function in PURE):
            return Unknown(f"{name} is not read")
        return self.of_numpy(function, found, args, settings)

    def of_numpy(self, name: str, function: Any, args: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        if name in ("shape", "size", "ndim"):
            return function(*[bare(x) for x in args])
        if name in ("float32", "float64", "int32", "int64", "asarray", "copy") and isinstance(args[0], Traced):
            return self.tape.at(args[0].place)
        settings = {key: x for key, x in settings.items() if key not in ("dtype", "order", "out")}
        if name in MADE or name in ("arange", "asarray", "identity", "linspace"):
            return self.made(name, function, args, settings)
        settings = {key: self.plain(x) for key, x in settings.items()}
        if name in ("reshape", "tile", "repeat", "expand_dims", "swapaxes", "broadcast_to", "transpose", "roll"):
            args = [args[0], *[self.plain(x) for x in args[1:]]]
        if not any(map(has_traced, args)):
            return on_tape(self.tape, function(*args, **settings))
        return self.tape.call(function, OTHER_NAMES.get(name, name), list(args), settings)

    def joined(self, name: str, parts: list[Any]) -> Any:
        """What ``np.c_[…]`` and ``np.r_[…]`` give."""
        unknown = unknown_among(parts)
        if unknown is not None:
            return unknown
        if name not in ("numpy.c_", "numpy.r_") or any(isinstance(part, str) for part in parts):
            return Unknown(f"{name}[…] is not read")
        function = np.column_stack if name == "numpy.c_" else np.hstack
        return self.of_numpy(function.__name__, function, [parts], {})

    def of_type(self, x: Traced, kind: Any) -> Any:
        """An array with its numbers in another type: yes and no count as 1 and 0, and real numbers stay as they are."""
        whole = isinstance(kind, Builtin) and "int" in kind.name
        if x.value.dtype.kind == "b":
            return self.tape.call(np.multiply, "mul", (x, 1 if whole else 1.0), {})
        if whole and x.value.dtype.kind == "f":
            return self.tape.call(partial(np.ndarray.astype, dtype=int), "astype", (x,), {})
        return self.tape.at(x.place)

    def placed(self, x: Any, key: Any, shape: tuple[int, ...]) -> Traced:
        """What an array of zeros becomes where some entries are set."""
        return self.tape.call(among_zeros, "placed", (x,), {"key": bare(key), "shape": shape})

    def made(self, name: str, function: Any, args: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        """An array that is made: of what is traced too, or filled with a number."""
        if name in ("array", "asarray"):
            return self.array(args[0])
        if name.endswith("_like"):
            args = [args[0].value if isinstance(args[0], Traced) else args[0], *map(self.plain, args[1:])]
        made = function(*map(self.plain, args), **{key: self.plain(x) for key, x in settings.items()})
        leaf = on_tape(self.tape, made if made.dtype.kind == "i" and name == "arange" else np.asarray(made, float))
        if name in MADE:
            self.counts.add(leaf.place)  # nobody's data: labels that are set in it stay what they are
        return leaf

    def array(self, x: Any) -> Any:
        """An array of what is in lists; lists without anything computed are data."""
        if isinstance(x, Traced):
            return self.tape.at(x.place)
        if not has_traced(x):
            return on_tape(self.tape, np.array(x))
        leaves = [part.place for part in flat(x) if isinstance(part, Traced)]
        if all(self.tape.notes[place].function is None for place in leaves):
            return on_tape(self.tape, np.array(bare(x)))
        return self.tape.call(stacked, "array", (x,), {})

    def of_math(self, name: str, args: Sequence[Any]) -> Any:
        """A function of the module math: on what is traced it is NumPy's."""
        function = MATHS.get(name) or getattr(np, name, None)
        if function is None or not isinstance(function, np.ufunc):
            plain = getattr(math, name, None)
            return Unknown(f"math.{name} is not read") if plain is None else plain(*map(self.plain, args))
        if not has_traced(list(args)):
            return function(*args)
        return self.tape.call(function, OTHER_NAMES.get(name, name), list(args), {})

    def sample(self, name: str, args: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        """Random numbers: others than the program would draw, which is as good."""
        if name in ("seed", "shuffle"):
            return None
        if name not in SAMPLES:
            return Unknown(f"random.{name} is not read")
        name = {"integers": "randint", "random": "random_sample"}.get(name, name)
        plain = [self.plain(x) for x in args]
        more = {key: self.plain(x) for key, x in settings.items() if key in ("size", "low", "high", "loc", "scale")}
        drawn = getattr(self.random, name)(*plain, **more)
        return on_tape(self.tape, drawn if name in ("randint", "permutation", "choice") else np.asarray(drawn, float))


def among_zeros(x: Any, *, key: Any, shape: tuple[int, ...]) -> Any:
    """Numbers at some entries of an array, and 0 at the others."""
    return entered(np.zeros(shape), x, key)


def flat(x: Any) -> list[Any]:
    return [leaf for part in x for leaf in flat(part)] if isinstance(x, list | tuple) else [x]


def stacked(parts: Any) -> Any:
    """An array of parts that are computed: of Tensors too."""
    if isinstance(parts, list | tuple):
        rows = [stacked(part) for part in parts]
        return (compositions["stack"] if any(isinstance(row, Tensor) for row in rows) else np.stack)(rows)
    return parts if hasattr(parts, "shape") else np.asarray(parts, float)


def distinct(x: Any = ()) -> list[Any]:
    """Python's set, of what stands there, in an order that does not change."""
    return list(dict.fromkeys([part.value.item() if isinstance(part, Traced) else part for part in x]))


BUILTINS: dict[str, Callable[..., Any]] = {
    "list": list, "tuple": tuple, "dict": dict, "set": distinct, "len": len, "bool": bool, "sorted": sorted,
    "any": any, "all": all,
    "zip": lambda *lists: list(zip(*lists, strict=False)),
    "enumerate": lambda x, start=0: list(enumerate(x, start)),
    "reversed": lambda x: list(x)[::-1],
    "str": lambda x="": str(bare(x)),
    "isinstance": lambda x, kind: False,
}  # fmt: skip
"""Python's own functions that keep what they are given; classes of others are not known to isinstance."""

LISTS = {"append", "extend", "insert", "pop", "reverse", "copy", "index", "clear", "count", "remove"}
DICTS = {"items", "keys", "values", "get", "update", "copy", "setdefault", "pop"}
TEXTS = {"format", "join", "lower", "upper", "strip", "split", "startswith", "endswith", "replace", "ljust", "rjust"}

NUMERIC: dict[str, Callable[..., Any]] = {
    "float": float, "int": int, "round": round, "sum": sum, "max": max, "min": min, "abs": abs, "pow": pow,
}  # fmt: skip
"""Python's functions that compute."""

"""A piece of NumPy source that behaves like the array it computes.

Running a rule on `Source` inputs leaves the text of what it did. Beside its text a Source holds the value of an
example, so shapes, lengths and dtypes are concrete and a rule that branches on them traces through.
"""

# NumPy's functions are called on symbols here, which their types do not foresee.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from chainrule.core.operation import NUMBERS, Operation, kernels
from chainrule.core.state import Quiet
from chainrule.errors import ChainruleError, GraphError
from chainrule.kinds import what_is

COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(6)
"""How tightly Python's operators bind, loosest first."""

OPERATORS: dict[str, tuple[str, int]] = {
    "add": ("+", SUM),
    "divide": ("/", PRODUCT),
    "equal": ("==", COMPARISON),
    "greater": (">", COMPARISON),
    "greater_equal": (">=", COMPARISON),
    "less": ("<", COMPARISON),
    "less_equal": ("<=", COMPARISON),
    "matmul": ("@", PRODUCT),
    "multiply": ("*", PRODUCT),
    "not_equal": ("!=", COMPARISON),
    "power": ("**", POWER),
    "subtract": ("-", SUM),
}
"""NumPy's functions that are written as operators."""


class Source(NDArrayOperatorsMixin):
    """A piece of Python text, how tightly it binds, its value on the example, and the kernels that it calls.

    >>> import numpy as np
    >>> from chainrule.codegen.source import Source
    >>> x = Source("x", np.ones((2, 3)))
    >>> (np.exp(x) * (x + 1)).text
    'np.exp(x) * (x + 1)'
    """

    __slots__ = ("binds", "kernels", "text", "value")

    def __init__(self, text: str, value: Any, binds: int = ATOM, kernels: frozenset[str] = frozenset()) -> None:
        self.text = text
        self.value = value
        self.binds = binds
        self.kernels = kernels

    def __repr__(self) -> str:
        return f"Source({self.text!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        """The example's number of axes."""
        return np.ndim(self.value)

    @property
    def size(self) -> int:
        """The example's number of entries."""
        return np.size(self.value)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.asarray(self.value).dtype

    @property
    def T(self) -> Source:
        return Source(f"{enclosed(self, ATOM)}.T", self.value.T, ATOM, self.kernels)

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        raise GraphError("written source cannot branch on the numbers of an example: use np.where in the rule")

    def astype(self, dtype: Any) -> Source:
        return method(self, "astype", dtype)

    def copy(self) -> Source:
        """The same in memory of its own."""
        return method(self, "copy")

    def reshape(self, *shape: Any) -> Source:
        """The same entries in another shape."""
        return method(self, "reshape", *shape)

    def __getitem__(self, key: Any) -> Source:
        text = f"{enclosed(self, ATOM)}[{subscript(key)}]"
        return Source(text, self.value[plain(key)], ATOM, self.kernels | used([key]))

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        return operation.function(*inputs, **settings)

    @staticmethod
    def __kernel__(name: str, x: Any, *rest: Any, **settings: Any) -> Source:
        return call(kernels[name], name, (x, *rest), settings, frozenset([name]))

    def __array_ufunc__(self, ufunc: Any, way: str, *inputs: Any, **settings: Any) -> Source:
        name = ufunc.__name__
        if "out" in settings and settings["out"][0] is inputs[0]:
            del settings["out"]  # what is added to an array is a sum of its own here
        if way == "__call__" and not settings:
            if name in OPERATORS:
                return operator(ufunc, *inputs)
            if name == "negative":
                return negative(inputs[0])
        text = f"np.{name}" + ("" if way == "__call__" else f".{way}")
        return call(getattr(ufunc, way), text, inputs, settings)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in (np.ndim, np.shape, np.size):
            return function(*map(plain, args), **kwargs)
        module = function.__module__.removeprefix("numpy").removeprefix(".")
        name = f"np.{module}.{function.__name__}" if module else f"np.{function.__name__}"
        return call(function, name, args, kwargs)

    def __pos__(self) -> Source:
        return self

    def __abs__(self) -> Source:
        return call(np.abs, "np.abs", (self,), {})


def operator(ufunc: Any, x: Any, y: Any) -> Source:
    """Two sides and an operator. Floating-point sums are not associative, so the right side keeps its parentheses."""
    symbol, binds = OPERATORS[ufunc.__name__]
    if binds == POWER:
        left, right = ATOM, SIGN
    else:
        left, right = binds + (binds == COMPARISON), binds + 1
    text = f"{enclosed(x, left)} {symbol} {enclosed(y, right)}"
    with Quiet():
        value = ufunc(plain(x), plain(y))
    return Source(text, value, binds, used([x, y]))


def negative(x: Any) -> Source:
    return Source(f"-{enclosed(x, SIGN)}", -plain(x), SIGN, used([x]))


def method(x: Source, name: str, *args: Any) -> Source:
    text = f"{enclosed(x, ATOM)}.{name}({', '.join(map(written, args))})"
    return Source(text, getattr(x.value, name)(*args), ATOM, x.kernels)


def call(
    function: Callable[..., Any],
    name: str,
    inputs: Sequence[Any],
    settings: dict[str, Any],
    kernels: frozenset[str] = frozenset(),
) -> Source:
    shown = [written(x) for x in inputs] + [f"{key}={written(x)}" for key, x in settings.items()]
    with Quiet():
        value = function(*map(plain, inputs), **{key: plain(x) for key, x in settings.items()})
    return Source(f"{name}({', '.join(shown)})", value, ATOM, kernels | used(inputs) | used(settings.values()))


def plain(x: Any) -> Any:
    """The example's value of anything with Sources in it."""
    if isinstance(x, Source):
        return x.value
    return type(x)(map(plain, x)) if type(x) in (list, tuple) else x


def used(xs: Any) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for x in xs:
        if isinstance(x, Source):
            found |= x.kernels
        elif type(x) in (list, tuple):
            found |= used(x)
    return found


def enclosed(x: Any, needs: int) -> str:
    """A Source or a number, in parentheses where it binds more loosely than its place needs."""
    text = written(x)
    binds = x.binds if isinstance(x, Source) else SIGN if text.startswith("-") else ATOM
    return text if binds >= needs else f"({text})"


def subscript(key: Any) -> str:
    """An index as it is written between square brackets."""
    if isinstance(key, tuple) and key:
        alone = len(key) == 1 and not isinstance(key[0], int | slice)
        return ", ".join(map(subscript, key)) + ("," if alone else "")
    if isinstance(key, slice):
        ends = [("" if end is None else written(end)) for end in (key.start, key.stop)]
        return ":".join(ends if key.step is None else [*ends, written(key.step)])
    return written(key)


def written(x: Any) -> str:
    """Anything that a rule may be given, as Python text."""
    if isinstance(x, Source):
        return x.text
    if x is None or x is Ellipsis:
        return "None" if x is None else "..."
    if isinstance(x, bool | np.bool_):
        return str(bool(x))
    if isinstance(x, str):
        return repr(x)
    if isinstance(x, np.dtype):
        return f"np.{x.name}"
    if isinstance(x, type) and issubclass(x, np.generic):
        return f"np.{x.__name__}"
    if isinstance(x, type) and x in (float, int, bool, complex):
        return x.__name__
    if isinstance(x, slice) or (isinstance(x, tuple) and any([isinstance(part, slice) for part in x])):
        return f"np.s_[{subscript(x)}]"
    if isinstance(x, NUMBERS):
        return literal(x)
    if isinstance(x, np.ndarray):
        return f"np.array({written(x.tolist())}, dtype={written(x.dtype)})"
    if isinstance(x, list | tuple):
        inside = ", ".join(map(written, x))
        return f"[{inside}]" if isinstance(x, list) else f"({inside}{',' if len(x) == 1 else ''})"
    if x is np._NoValue:  # type: ignore[attr-defined]
        return "np._NoValue"
    raise ChainruleError(f"written source cannot hold {what_is(x)}: give numbers, arrays, slices or strings")


def literal(x: Any) -> str:
    """A number with all its digits; a NumPy number keeps its dtype, except float64, which is Python's own."""
    if isinstance(x, np.generic) and not isinstance(x, (np.float64, np.int64)):
        return f"np.{x.dtype.name}({literal(x.item())})"
    number = x.item() if isinstance(x, np.generic) else x
    if isinstance(number, float) and not np.isfinite(number):
        return "np.nan" if np.isnan(number) else "np.inf" if number > 0 else "-np.inf"
    return repr(number)

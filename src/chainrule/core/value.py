"""The scalar engine: a node that holds one number, remembers how it was made, and passes gradients back.

This file is plain Python and runs as it is. Where a C compiler is at hand, Cython compiles the same file with the types
of ``_value.pxd``, and a node costs about as much as two Python floats. A node stores the local derivative of each of
its inputs when it is made, so the backward pass is one loop without a look at any operation.

The commonest operations are written out below; every other comes from the rule book through ``__apply__``. That the
ones written out equal their rules is proved by ``tests/core/test_value_inlined.py``.

A node is not tracked by Python's garbage collector (it would start a collection every few hundred nodes and cost eight
times the node itself). That is safe because a node points at its inputs alone, so nodes cannot form a cycle.

All of it is one file, long as it is, because the walks and the arithmetic call one another some nanoseconds apart, and
a C compiler joins only what it sees together. In the compiled engine a node holds its inputs as bare pointers, counted
by hand where it is made (`counted`) and where it is freed (slabs.h), so that a walk touches no count.
"""

# The checker reads plain Python, where the C functions and types of _value.pxd are unknown.
# pyright: reportUndefinedVariable=false, reportInvalidTypeForm=false, reportGeneralTypeIssues=false
# pyright: reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

try:
    import cython
except ImportError:
    from chainrule.core import plain as cython

from chainrule.core import ieee
from chainrule.core.anomaly import check_result, check_share
from chainrule.core.labels import as_label, users_line
from chainrule.core.leaving import give_explicitly, give_number, refuse_branch
from chainrule.core.numpy_calls import operation_of, refused
from chainrule.core.operation import NUMBERS, TOO_LARGE, book, compositions, is_mask, refuse_backward
from chainrule.core.state import Quiet, listeners, switches
from chainrule.errors import DtypeError, GraphError

LEAF, ONE, TWO, VALUE_NUMBER, NUMBER_VALUE, MANY, FOREIGN = range(7)
"""How a node keeps its inputs. A number beside one Value sits where the second local derivative would be."""

LAYOUTS = ("leaf", "one", "two", "value and number", "number and value", "many")
"""The same in words, for who reads a graph."""

NAMES = ("", "add", "sub", "mul", "div", "pow", "neg", "relu", "tanh", "exp", "log", "sigmoid", "identity", "", "")
NAMELESS, ADD, SUB, MUL, DIV, POW, NEG, RELU, TANH, EXP, LOG, SIGMOID, IDENTITY, CONSTANT, FLAT = range(15)
"""The operations written out here, as numbers: a node then has no need to hold a name.

`CONSTANT` is the code of a leaf in which nobody asks for a gradient: detached, or made under no_grad. `FLAT` is that of
a result that does not move, as a sign: the backward pass takes it for a leaf, and it remembers how it was made.
"""

ONE_AS_FLOAT64 = np.float64(1.0)

attention = 0

lines: dict[int, str] = {}
"""Under detect_anomaly: where each node was made, by its id."""


def set_attention(count: int) -> None:
    """Called when some thread turns no_grad or detect_anomaly on or off."""
    global attention
    attention = count
    if count == 0:
        lines.clear()


listeners.append(set_attention)


@cython.final
@cython.no_gc
@cython.cclass
class Extras:
    """What few nodes have: more than two inputs, an operation of the book that is not written out here, a label.

    Kept beside the node, because a smaller node is a faster one. Where the operation is `late` there are no partials:
    its backward pass may be anything, so it is asked when the gradient has come.
    """

    __slots__ = ("inputs", "label", "late", "operation", "partials", "selects", "settings")

    def __init__(self, inputs: tuple[Any, ...] = (), operation: Any = None, settings: Any = None) -> None:
        self.inputs = inputs
        self.operation = operation
        self.settings = settings
        self.selects = False
        self.label = ""
        self.late = False
        self.partials = allocate(len(inputs))

    def __dealloc__(self) -> None:
        if cython.compiled:
            free(self.partials)  # noqa: F821  (C's)

    def partial(self, i: cython.Py_ssize_t) -> float:
        """The local derivative in input i."""
        return self.partials[i]


@cython.final
@cython.no_gc
@cython.cclass
class Pile:
    """Nodes that wait for a walk, the latest on top: bare pointers, since the output holds every node of its graph."""

    __slots__ = ("count", "nodes", "room")

    def __init__(self) -> None:
        self.count = 0
        self.room = 0
        if not cython.compiled:
            self.nodes: Any = []

    def __dealloc__(self) -> None:
        if cython.compiled:
            free(self.nodes)  # noqa: F821  (C's)

    def put(self, node: Value) -> None:
        """Lay a node on top."""
        if cython.compiled:
            if self.count == self.room:
                self.grow()
            self.nodes[self.count] = cython.cast(Held, node)  # noqa: F821  (defined in _value.pxd)
        else:
            self.nodes.append(node)
        self.count += 1

    def take(self) -> Any:
        """Take the node on top."""
        self.count -= 1
        return self.nodes[self.count] if cython.compiled else self.nodes.pop()

    def grow(self) -> None:
        """Make room for twice as many (compiled engine only)."""
        room: cython.Py_ssize_t = 2 * self.room if self.room != 0 else 256
        nodes = cython.cast(pHeld, realloc(self.nodes, room * 8))  # noqa: F821
        if not nodes:
            raise MemoryError
        self.nodes = nodes
        self.room = room


@cython.final
@cython.no_gc
@cython.cclass
class Value:
    """A scalar that records what is computed with it.

    `data` and `grad` are double-precision numbers, `label` a name for pictures and explanations. Operators, numbers on
    either side, and every pointwise function of the rule book (as ``x.tanh()`` or ``cr.tanh(x)``) make new Values.
    `backward()` fills `grad` in all Values that led here. Where the engine is compiled a node takes 80 bytes, and a
    multiplication some 20 ns.

    ``==`` and hash are identity, so Values can be keys; compare numbers with ``< <= > >=`` or through ``.data``.

    >>> import chainrule as cr
    >>> a, b = cr.Value(-2.0), cr.Value(3.0)
    >>> f = (a * b) * (a + b)
    >>> f.backward()
    >>> a.grad, b.grad
    (-3.0, -8.0)
    """

    __slots__ = (
        "code",
        "d_first",
        "d_second",
        "data",
        "extras",
        "first",
        "grad",
        "layout",
        "second",
        "waiting",
    )

    def __init__(self, data: Any, _children: Any = (), _op: Any = "", label: Any = "") -> None:
        if type(data) is not float and not isinstance(data, NUMBERS):
            raise DtypeError(f"a Value holds one real number, not {type(data).__name__}; for arrays use cr.Tensor")
        self.data = real(data)
        self.grad = 0.0
        self.layout = FOREIGN if _children else LEAF
        self.code = NAMELESS
        self.extras = Extras(tuple(_children), _op) if _children or _op else None
        self.d_first = 0.0
        self.d_second = 0.0
        self.waiting = 0
        if label != "":
            self.label = label

    def __add__(self, other: Any) -> Any:
        if type(other) is Value:
            return plus(self, other)
        if type(other) is float or type(other) is int:
            c: cython.double = real(other)
            return make(ADD, VALUE_NUMBER, self, None, self.data + c, 1.0, c)
        return through_the_book("add", self, other)

    def __radd__(self, other: Any) -> Any:
        if type(other) is float or type(other) is int:
            c: cython.double = real(other)
            return make(ADD, NUMBER_VALUE, self, None, c + self.data, 1.0, c)
        return through_the_book("add", other, self)

    def __sub__(self, other: Any) -> Any:
        if type(other) is Value:
            y: Value = other
            return make(SUB, TWO, self, y, self.data - y.data, 1.0, -1.0)
        if type(other) is float or type(other) is int:
            c: cython.double = real(other)
            return make(SUB, VALUE_NUMBER, self, None, self.data - c, 1.0, c)
        return through_the_book("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        if type(other) is float or type(other) is int:
            c: cython.double = real(other)
            return make(SUB, NUMBER_VALUE, self, None, c - self.data, -1.0, c)
        return through_the_book("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        if type(other) is Value:
            return times(self, other)
        if type(other) is float or type(other) is int:
            c: cython.double = real(other)
            return make(MUL, VALUE_NUMBER, self, None, self.data * c, c, c)
        return through_the_book("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        if type(other) is float or type(other) is int:
            c: cython.double = real(other)
            return make(MUL, NUMBER_VALUE, self, None, c * self.data, c, c)
        return through_the_book("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        if type(other) is Value:
            y: Value = other
            out: cython.double = divide(self.data, y.data)
            return make(DIV, TWO, self, y, out, divide(1.0, y.data), -divide(out, y.data))
        if type(other) is float or type(other) is int:
            c: cython.double = real(other)
            return make(DIV, VALUE_NUMBER, self, None, divide(self.data, c), divide(1.0, c), c)
        return through_the_book("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        if type(other) is float or type(other) is int:
            c: cython.double = real(other)
            out: cython.double = divide(c, self.data)
            return make(DIV, NUMBER_VALUE, self, None, out, -divide(out, self.data), c)
        return through_the_book("div", other, self)

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        if modulo is None and (type(other) is float or type(other) is int):
            c: cython.double = real(other)
            slope: cython.double = 0.0 if c == 0.0 else c * power(self.data, c - 1.0)
            return make(POW, VALUE_NUMBER, self, None, power(self.data, c), slope, c)
        return through_the_book("pow", self, other) if modulo is None else NotImplemented

    def __rpow__(self, other: Any, modulo: Any = None) -> Any:
        return through_the_book("pow", other, self) if modulo is None else NotImplemented

    def __mod__(self, other: Any) -> Any:
        return through_the_book("remainder", self, other)

    def __rmod__(self, other: Any) -> Any:
        return through_the_book("remainder", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return through_the_book("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return through_the_book("floor_divide", other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __neg__(self) -> Value:
        return make(NEG, ONE, self, None, -self.data, -1.0, 0.0)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Any:
        return book["abs"](self)

    def relu(self) -> Value:
        """max(0, x), with relu'(0) = 0."""
        x: cython.double = self.data
        return make(RELU, ONE, self, None, 0.0 if x <= 0.0 else x, 1.0 if x > 0.0 else 0.0, 0.0)

    def tanh(self) -> Value:
        """The hyperbolic tangent."""
        out: cython.double = ieee_tanh(self.data)
        return make(TANH, ONE, self, None, out, 1.0 - out * out, 0.0)

    def exp(self) -> Value:
        """The exponential."""
        out: cython.double = ieee_exp(self.data)
        return make(EXP, ONE, self, None, out, out, 0.0)

    def log(self) -> Value:
        """The natural logarithm."""
        return make(LOG, ONE, self, None, ieee_log(self.data), divide(1.0, self.data), 0.0)

    def sigmoid(self) -> Value:
        """1 / (1 + e^-x)."""
        out: cython.double = divide(1.0, 1.0 + ieee_exp(-self.data))
        return make(SIGMOID, ONE, self, None, out, out * (1.0 - out), 0.0)

    def __lt__(self, other: Any) -> Any:
        refuse_branch()
        return self.data < number(other) if comparable(other) else NotImplemented

    def __le__(self, other: Any) -> Any:
        refuse_branch()
        return self.data <= number(other) if comparable(other) else NotImplemented

    def __gt__(self, other: Any) -> Any:
        refuse_branch()
        return self.data > number(other) if comparable(other) else NotImplemented

    def __ge__(self, other: Any) -> Any:
        refuse_branch()
        return self.data >= number(other) if comparable(other) else NotImplemented

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self) >> 4

    def __bool__(self) -> bool:
        refuse_branch()
        return self.data != 0.0

    def __float__(self) -> float:
        if not self.is_constant:
            give_number(self)
        return self.data

    def __int__(self) -> int:
        if not self.is_constant:
            give_number(self)
        return int(self.data)

    def __trunc__(self) -> int:
        return self.__int__()

    def __complex__(self) -> complex:
        if not self.is_constant:
            give_number(self)
        return complex(self.data)

    def __round__(self, ndigits: Any = None) -> Any:
        return round(self.data, ndigits)

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def item(self) -> float:
        """The number, as a Tensor's `item` gives it."""
        if not self.is_constant:
            give_explicitly(self, "item")
        return self.data

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        symbol = f", op={self._op!r}" if self._op else ""
        return f"Value(data={self.data}, grad={self.grad}{label}{symbol})"

    def __getattr__(self, name: str) -> Any:
        function = compositions.get(name) or book.get(name)
        if function is None:
            raise AttributeError(f"a Value has no {name!r}: it has its operators and the functions of the rule book")
        return lambda *rest, **settings: function(self, *rest, **settings)

    def __reduce__(self) -> Any:
        if self.layout != LEAF:
            raise GraphError(
                "only a Value without inputs can be copied or pickled: take a.detach(), or save the leaves and "
                "compute again"
            )
        if not self.is_constant:
            give_explicitly(self, "copy")
        return restore, (self.data, self.grad, self.operation, self.label)

    def __deepcopy__(self, memo: Any) -> Value:
        function, arguments = self.__reduce__()
        return function(*arguments)

    def detach(self) -> Value:
        """The same number as a new leaf: no gradient passes."""
        return constant(self.data, self.label)

    def alias(self) -> Value:
        """A node of its own with this one's number, for telling two uses apart."""
        return make(IDENTITY, ONE, self, None, self.data, 1.0, 0.0)

    @property
    def label(self) -> str:
        """A name for pictures, explanations and messages."""
        return "" if self.extras is None else self.extras.label

    @label.setter
    def label(self, label: Any) -> None:
        label = as_label(label)
        if self.extras is None:
            self.extras = Extras()
        self.extras.label = label

    @property
    def operation(self) -> str:
        """The name of the operation that made this node; empty for a leaf."""
        if self.extras is None or self.extras.operation is None:
            return NAMES[self.code]
        operation = self.extras.operation
        return operation if isinstance(operation, str) else operation.name

    @property
    def op(self) -> Any:
        """The operation of the rule book that made this node, or None for a leaf."""
        if self.layout == FOREIGN:
            raise refuse_backward(self.operation)
        if self.layout == LEAF and self.code != FLAT:
            return None
        return book[NAMES[self.code]] if NAMES[self.code] else self.extras.operation

    @property
    def _op(self) -> str:
        if self.layout == FOREIGN or (self.layout == LEAF and self.code != FLAT):
            return self.operation
        if self.code == POW:
            return f"**{self.d_second:g}"
        return self.op.symbol

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What the operation was applied to, in order: Values, and numbers where numbers were given."""
        if self.layout == LEAF and self.code != FLAT:
            return ()
        if self.layout == ONE:
            return (cython.cast(Value, self.first),)
        if self.layout == TWO:
            return (cython.cast(Value, self.first), cython.cast(Value, self.second))
        if self.layout == VALUE_NUMBER:
            return (cython.cast(Value, self.first), self.d_second)
        if self.layout == NUMBER_VALUE:
            return (self.d_second, cython.cast(Value, self.first))
        return self.extras.inputs

    @property
    def _prev(self) -> tuple[Value, ...]:
        if self.code == POW:
            return (cython.cast(Value, self.first),)
        return tuple([x if type(x) is Value else Value(x) for x in self.inputs])

    @property
    def edges(self) -> list[tuple[int, Value]]:
        """The inputs that are Values, with their positions."""
        return [(i, x) for i, x in enumerate(self.inputs) if type(x) is Value]

    @property
    def local_derivatives(self) -> tuple[float, ...]:
        """The derivative of this node in each of its `edges`, as stored when the node was made (see `Extras`)."""
        if self.layout == MANY:
            extras: Extras = self.extras
            if extras.late:
                return tuple([share for _, share in late_shares(self, 1.0)])
            return tuple([extras.partials[i] for i, _ in self.edges])
        if self.code == FLAT:
            return (0.0,) * len(self.edges)
        return (self.d_first, self.d_second)[: len(self.edges)]

    def share(self, k: int, g: float) -> float:
        """What of a gradient at this node passes to the k-th of its `edges`."""
        if self.layout == MANY and self.extras.late:
            return late_shares(self, g)[k][1]
        if self.code == FLAT:
            return 0.0
        return passed(self, self.local_derivatives[k], g)

    @property
    def settings(self) -> dict[str, Any]:
        """The operation's settings."""
        return {} if self.extras is None else self.extras.settings or {}

    @property
    def requires_grad(self) -> bool:
        """True: every Value can be differentiated."""
        return True

    @property
    def is_constant(self) -> bool:
        """Whether its number may leave the graph freely: it was detached, made under no_grad, or is flat everywhere."""
        return self.layout == LEAF and (self.code == CONSTANT or self.code == FLAT)

    @property
    def _backward(self) -> Any:
        raise AttributeError(NO_BACKWARD)

    @_backward.setter
    def _backward(self, function: Any) -> None:
        raise AttributeError(NO_BACKWARD)

    @property
    def shape(self) -> tuple[int, ...]:
        """A single number has no axes."""
        return ()

    def check_unchanged(self, edges: Any) -> None:
        """Nothing to refuse: the local derivatives were stored when the node was made."""

    def plain(self) -> tuple[tuple[Any, ...], Any]:
        """The inputs and this node as numbers that follow IEEE 754 (Python's own raise at 1/0)."""
        return tuple([np.float64(number(x)) for x in self.inputs]), np.float64(self.data)

    def fit(self, share: Any) -> float:
        """A share of a gradient as a float."""
        return float(share)

    def check_share(self, i: int, g: float, share: float) -> None:
        """Under detect_anomaly: stop where a finite gradient turns into nan or infinity."""
        check_share(self.operation, i, g, share, [number(x) for x in self.inputs], lines.get(id(self), ""))

    def describe(self) -> str:
        """A few words for error messages."""
        return f"Value {self.label}".rstrip()

    def draw(self, **how: Any) -> Any:
        """The graph behind this number as a picture, as `draw` of the package has it."""
        # It stands on a floor above this one, and is there as soon as someone asks.
        return import_module("chainrule.pictures.draw").draw(self, **how)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        operation = operation_of(ufunc)
        if method != "__call__" or settings or operation is None:
            raise refused(ufunc, method, settings)
        # NumPy hands its own scalars over as arrays without axes.
        inputs = tuple([x if type(x) is Value or getattr(x, "shape", None) != () else x[()] for x in inputs])
        if ufunc.__name__ in ("equal", "not_equal"):
            return (inputs[0] is inputs[1]) == (ufunc.__name__ == "equal")
        return operation(*inputs)

    @staticmethod
    def __apply__(operation: Any, inputs: Any, settings: Any) -> Any:
        """Record an operation of the rule book on Values and numbers."""
        written_out = WRITTEN_OUT.get(operation.name)
        if written_out is not None and book[operation.name] is operation:
            return written_out(inputs[0])
        numbers: list[Any] = []
        for x in inputs:
            if type(x) is not Value and not isinstance(x, NUMBERS):
                raise DtypeError(
                    f"{operation.name} got a Value and a {type(x).__name__}: a Value is one number; put arrays into "
                    "cr.Tensor, or use lists of Values with cr.sum and cr.dot"
                )
            numbers.append(np.float64(number(x)))
        places = [i for i, x in enumerate(inputs) if type(x) is Value and operation.differentiable(i)]
        given: list[Any] = [x if type(x) is Value else float(numbers[i]) for i, x in enumerate(inputs)]
        extras: Extras = Extras(tuple(given), operation, settings or None)
        with Quiet():
            out = operation.fitting(numbers, inputs, settings)
            if isinstance(out, (bool, np.bool_)):
                return bool(out)
            if np.ndim(out) != 0:
                raise DtypeError(f"{operation.name} works on arrays, not on one number: use cr.Tensor")
            extras.late = operation.late
            for i in range(len(given)):
                extras.partials[i] = 0.0
            pointwise = operation.broadcasts
            for i in places if not extras.late else ():
                if pointwise:
                    slope = operation.partial(i, out, numbers, settings)
                    extras.selects = operation.selects or is_mask(slope)
                else:
                    slope = operation.pull(i, ONE_AS_FLOAT64, out, numbers, settings)
                extras.partials[i] = float(slope)
        return make_many(extras, float(out)) if places else flat(extras, float(out))

    def backward(self, gradient: float = 1.0) -> None:
        """Fill `grad` in every Value that led here: the derivative of this one in each of them.

        Leaves add to the `grad` they have, so call ``zero_grad`` (or set ``grad = 0``) between steps. Gradients of
        intermediate Values are fresh each time; micrograd adds to those too, and so counts a second pass wrongly.
        O(nodes), without recursion.
        """
        try:
            walk(self, gradient)
        except BaseException:
            settle(self)
            raise


if cython.compiled:
    keep_in_slabs(Value)  # noqa: F821  (defined in slabs.h)

WRITTEN_OUT = {
    "exp": Value.exp,
    "log": Value.log,
    "neg": Value.__neg__,
    "relu": Value.relu,
    "sigmoid": Value.sigmoid,
    "tanh": Value.tanh,
}
"""Functions of one number that need no look into the book."""

NO_BACKWARD = (
    "a Value's backward step comes from its operation, so _backward does not exist here; declare your own operation "
    "with @cr.pointwise(formula, partials=…) in a few lines and call it"
)


def make(
    code: cython.int,
    layout: cython.int,
    first: Value | None,
    second: Value | None,
    data: float,
    d_first: float,
    d_second: float,
) -> Value:
    """A new node. The compiled engine has its fields cleared by C, so only those that differ are set."""
    if attention != 0 and not recording(code, layout, first, second, data, d_second):
        return constant(data, "")
    out: Value = Value.__new__(Value)
    out.code = code
    out.layout = layout
    if layout != MANY:
        out.first = counted(first)
    if layout == TWO:
        out.second = counted(second)
    out.data = data
    out.d_first = d_first
    out.d_second = d_second
    if attention != 0 and switches.anomaly:
        lines[id(out)] = users_line()
    if not cython.compiled:
        out.grad = 0.0
        out.extras = None
        out.waiting = 0
    return out


def counted(x: Value) -> Any:
    """An input as a node holds it: a bare pointer, with one more reference counted."""
    if cython.compiled:
        Py_INCREF(x)  # noqa: F821
        return cython.cast(Held, x)  # noqa: F821  (defined in _value.pxd)
    return x


def plus(x: Value, y: Value) -> Value:
    return make(ADD, TWO, x, y, x.data + y.data, 1.0, 1.0)


def times(x: Value, y: Value) -> Value:
    return make(MUL, TWO, x, y, x.data * y.data, y.data, x.data)


def constant(data: float, label: str) -> Value:
    """A leaf in which nobody asks for a gradient."""
    out: Value = Value(data, (), "", label)
    out.code = CONSTANT
    return out


def flat(extras: Extras, data: float) -> Value:
    """A result that does not move, with what it was made of."""
    out: Value = constant(data, "")
    if attention == 0 or switches.recording:
        out.code = FLAT
        out.extras = extras
    return out


def make_many(extras: Extras, data: float) -> Value:
    """A new node with any number of inputs."""
    if attention != 0 and switches.anomaly:
        check_result(extras.operation.name, [number(x) for x in extras.inputs], data)
    out: Value = make(NAMELESS, MANY, None, None, data, 0.0, 0.0)
    if out.layout == MANY:
        out.extras = extras
    return out


def recording(code: int, layout: int, first: Any, second: Any, data: float, number: float) -> bool:
    """Asked only while some thread has no_grad or detect_anomaly on."""
    if switches.anomaly and layout != MANY:
        numbers = [first.data]
        if layout == TWO:
            numbers.append(second.data)
        elif layout == VALUE_NUMBER:
            numbers.append(number)
        elif layout == NUMBER_VALUE:
            numbers.insert(0, number)
        check_result(NAMES[code], numbers, data)
    return switches.recording


def check_shares(node: Value) -> None:
    """Under detect_anomaly: look at one node's backward step."""
    for (i, _), derivative in zip(node.edges, node.local_derivatives, strict=True):
        node.check_share(i, node.grad, passed(node, derivative, node.grad))


def walk(output: Value, gradient: float) -> None:
    """The two walks of `Value.backward`: one counts how often each node is used, the other gives each its share."""
    pile: Pile = Pile()
    if output.layout != LEAF:
        output.grad = 0.0
    pile.put(output)
    while pile.count != 0:
        meet_inputs(cython.cast(Value, pile.take()), pile)
    output.grad += gradient
    pile.put(output)
    watched: cython.bint = attention != 0 and switches.anomaly
    while pile.count != 0:
        give_inputs(cython.cast(Value, pile.take()), pile, watched)


def passed(node: Value, slope: float, g: float) -> float:
    """What of a node's gradient passes one of its local derivatives; only of what is no number it asks twice."""
    share: cython.double = slope * g
    is_nan: cython.bint = share != share  # noqa: PLR0124  (how C asks)
    return 0.0 if is_nan and slope == 0.0 and selects(node) else share


def selects(node: Value) -> bool:
    """Whether a local derivative of 0 says that a branch was not taken: of an infinite gradient nothing passes it."""
    extras: Extras = node.extras
    return node.code == RELU or (node.layout == MANY and extras.selects)


def meet_inputs(node: Value, pile: Pile) -> None:
    """First walk: count how often each input is used, and clear old gradients."""
    if node.layout == MANY:
        for x in node.extras.inputs:
            if type(x) is Value:
                meet(x, pile)
    elif node.layout == FOREIGN:
        raise refuse_backward(node.operation)
    elif node.layout != LEAF:
        meet(cython.cast(Value, node.first), pile)
        if node.layout == TWO:
            meet(cython.cast(Value, node.second), pile)


def meet(x: Value, pile: Pile) -> None:
    if x.waiting == 0 and x.layout != LEAF:
        x.grad = 0.0
        pile.put(x)
    x.waiting += 1


def give_inputs(node: Value, pile: Pile, watched: bool) -> None:
    """Second walk: give each input its share of a node's gradient."""
    if watched:
        check_shares(node)
    if node.layout == MANY:
        if node.extras.late:
            give_late(node, pile)
        else:
            give_many(node, pile)
    elif node.layout != LEAF:
        give(cython.cast(Value, node.first), passed(node, node.d_first, node.grad), pile)
        if node.layout == TWO:
            give(cython.cast(Value, node.second), passed(node, node.d_second, node.grad), pile)


def give(x: Value, share: float, pile: Pile) -> None:
    """Add one use's share; when all uses have reported, the node is ready to pass its gradient on."""
    x.grad += share
    x.waiting -= 1
    if x.waiting == 0 and x.layout != LEAF:
        pile.put(x)


def give_many(node: Value, pile: Pile) -> None:
    i: cython.Py_ssize_t = 0
    extras: Extras = node.extras
    for x in extras.inputs:
        if type(x) is Value:
            give(x, passed(node, extras.partials[i], node.grad), pile)
        i += 1


def give_late(node: Value, pile: Pile) -> None:
    for x, share in late_shares(node, node.grad):
        give(x, share, pile)


def late_shares(node: Any, g: float) -> list[tuple[Any, float]]:
    """What of a gradient reaches each input of a node whose operation is asked for it in the backward pass."""
    operation, out, cotangent = node.op, np.float64(node.data), np.float64(g)
    with Quiet():
        return [(x, float(operation.pull(i, cotangent, out, operation.met, {}))) for i, x in node.edges]


def read_graph(output: Value) -> Any:
    """A recorded graph as lists, each node after its inputs; O(nodes), without recursion.

    The nodes; the code of each one's operation, times 8, and how it keeps its inputs, as in NAMES and LAYOUTS; the
    places of its first and second input, -1 for none; the number beside its one input, or in a leaf. One of many has
    for its first place one in the last list, of operations with their settings and inputs: places, and numbers as
    floats.
    """
    node: Value
    nodes: list[Any] = []
    kinds: list[Any] = []
    firsts: list[Any] = []
    seconds: list[Any] = []
    numbers: list[Any] = []
    many: list[Any] = []
    stack: list[Any] = [output]
    try:
        while stack:
            node = cython.cast(Value, stack[len(stack) - 1])
            if node.waiting == 0 and put_unread(node, stack):
                continue
            stack.pop()
            if node.waiting != 0:
                continue
            nodes.append(node)
            node.waiting = len(nodes)
            if node.layout == MANY or node.code == FLAT:
                kinds.append(MANY)
                firsts.append(len(many))
                seconds.append(-1)
                numbers.append(0.0)
                many.append((node.extras.operation, node.settings, [place_or_number(x) for x in node.extras.inputs]))
                continue
            kinds.append(node.code * 8 + node.layout)
            firsts.append(-1 if node.layout == LEAF else cython.cast(Value, node.first).waiting - 1)
            seconds.append(-1 if node.layout != TWO else cython.cast(Value, node.second).waiting - 1)
            beside: cython.bint = node.layout == VALUE_NUMBER or node.layout == NUMBER_VALUE
            numbers.append(node.d_second if beside else node.data if node.layout == LEAF else 0.0)
        return nodes, kinds, firsts, seconds, numbers, many
    finally:
        for node in nodes:
            node.waiting = 0


def put_unread(node: Value, stack: Any) -> bool:
    """Put the inputs of a node that were not read yet on the pile, the first one on top; whether there are any."""
    before = len(stack)
    if node.layout == FOREIGN:
        raise refuse_backward(node.operation)
    if node.layout == MANY or node.code == FLAT:
        for x in reversed(node.extras.inputs):
            if type(x) is Value:
                put_if_unread(x, stack)
    elif node.layout != LEAF:
        if node.layout == TWO:
            put_if_unread(cython.cast(Value, node.second), stack)
        put_if_unread(cython.cast(Value, node.first), stack)
    return len(stack) > before


def put_if_unread(x: Value, stack: Any) -> None:
    if x.waiting == 0:
        stack.append(x)


def place_or_number(x: Any) -> Any:
    """Where a node was read, as a whole number, or a number as a float."""
    if type(x) is Value:
        node: Value = x
        return node.waiting - 1
    return float(x)


def settle(output: Value) -> None:
    """After a backward pass that broke off: no node waits for anything any more."""
    node: Value
    seen = {output}
    stack = [output]
    while stack:
        node = stack.pop()
        node.waiting = 0
        new = [x for x in node.inputs if type(x) is Value and x not in seen]
        seen.update(new)
        stack.extend(new)


def allocate(count: cython.Py_ssize_t) -> Any:
    """Room for one local derivative an input."""
    if cython.compiled:
        return cython.cast(cython.p_double, malloc(count * 8))  # noqa: F821
    return [0.0] * count


# IEEE arithmetic: C's own in the compiled engine, `ieee` where Python would raise or turn complex.


def divide(x: float, y: float) -> float:
    return x / y if cython.compiled else ieee.divide(x, y)


def ieee_exp(x: float) -> float:
    return c_exp(x) if cython.compiled else ieee.exp(x)  # noqa: F821


def ieee_log(x: float) -> float:
    return c_log(x) if cython.compiled else ieee.log(x)  # noqa: F821


def ieee_tanh(x: float) -> float:
    return c_tanh(x) if cython.compiled else ieee.tanh(x)  # noqa: F821


def power(x: float, y: float) -> float:
    return c_pow(x, y) if cython.compiled else ieee.power(x, y)  # noqa: F821


def number(x: Any) -> float:
    if type(x) is Value:
        return x.data
    if type(x) is float or isinstance(x, NUMBERS):
        return real(x)
    raise DtypeError(f"a sum of Values takes Values and real numbers, not {type(x).__name__}; for arrays use cr.Tensor")


def real(x: Any) -> float:
    """A plain number as a double."""
    try:
        return float(x)
    except OverflowError:
        raise DtypeError(TOO_LARGE) from None


def comparable(x: Any) -> bool:
    return type(x) is Value or isinstance(x, NUMBERS)


def through_the_book(name: str, x: Any, y: Any) -> Any:
    """An operator whose other side is not a Value, a float or an int, or which is not written out above."""
    if all([type(side) is Value or isinstance(side, NUMBERS) for side in (x, y)]):
        return book[name](x, y)
    return NotImplemented


def restore(data: float, grad: float, operation: str, label: str) -> Value:
    """A leaf as it was pickled."""
    out = Value(data, (), operation, label)
    out.grad = grad
    return out


restore.__module__ = "chainrule.core"  # so that either engine reads what the other pickled


def add_all(terms: Any) -> Value:
    """The sum of a list of Values and numbers as one node."""
    extras: Extras = Extras(tuple(terms), book["sum_of"])
    total: cython.double = 0.0
    i: cython.Py_ssize_t
    for i in range(len(extras.inputs)):
        total += number(extras.inputs[i])
        extras.partials[i] = 1.0
    return make_many(extras, total)


def dot_all(xs: Any, ys: Any) -> Value:
    """The dot product of two lists of Values and numbers as one node."""
    extras: Extras = Extras((*xs, *ys), book["dot_of"])
    count: cython.Py_ssize_t = len(extras.inputs) // 2
    total: cython.double = 0.0
    i: cython.Py_ssize_t
    for i in range(count):
        extras.partials[count + i] = number(extras.inputs[i])
        extras.partials[i] = number(extras.inputs[count + i])
        total += extras.partials[i] * extras.partials[count + i]
    return make_many(extras, total)


def weighted_sum(start: Any, weights: list[Any], inputs: list[Any]) -> Any:
    """start + w1·x1 + w2·x2 + …, recorded term by term: the nodes that the same loop in a program would make."""
    for i in range(len(weights)):
        w, x = weights[i], inputs[i]
        product = times(w, x) if type(w) is Value and type(x) is Value else w * x
        start = plus(start, product) if type(start) is Value and type(product) is Value else start + product
    return start

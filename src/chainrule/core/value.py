"""The scalar engine: a node that holds one number, remembers how it was made, and passes gradients back.

This file is plain Python and runs as it is. Where a C compiler is at hand, Cython compiles the same file with the types
of ``_value.pxd``, and a node costs about as much as two Python floats. A node stores the local derivative of each of
its inputs when it is made, so the backward pass is one loop without a look at any operation.

The commonest operations are written out below; every other comes from the rule book through ``__apply__``. That the
ones written out equal their rules is proved by ``tests/core/test_value_inlined.py``.

A node is not tracked by Python's garbage collector (it would start a collection every few hundred nodes and cost eight
times the node itself). That is safe because a node points at its inputs alone, so nodes cannot form a cycle.
"""

# The checker reads plain Python, where the C functions and types of _value.pxd are unknown.
# pyright: reportUndefinedVariable=false, reportInvalidTypeForm=false, reportGeneralTypeIssues=false
# pyright: reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import cython
except ImportError:
    from chainrule.core import plain as cython

from chainrule.core import ieee
from chainrule.core.labels import users_line
from chainrule.core.operation import NUMBERS, book, compositions, refuse_backward
from chainrule.core.state import Quiet, listeners, switches
from chainrule.errors import AnomalyError, DtypeError, GraphError

LEAF, ONE, TWO, VALUE_NUMBER, NUMBER_VALUE, MANY, FOREIGN = range(7)
"""How a node keeps its inputs. A number beside one Value sits where the second local derivative would be."""

ONE_AS_FLOAT64 = np.float64(1.0)

attention = 0
sweeps = 0
graveyard: list[Any] = []
burying = False


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
class Fan:
    """The inputs of a node with any number of them, their local derivatives, and the operation's settings.

    Kept beside the node because nearly all nodes have one input or two, and a smaller node is a faster one.
    """

    __slots__ = ("inputs", "operation", "partials", "settings")

    def __init__(self, inputs: tuple[Any, ...], operation: Any = None, settings: Any = None) -> None:
        self.inputs = inputs
        self.operation = operation
        self.settings = settings
        self.partials = allocate(len(inputs))

    def __dealloc__(self) -> None:
        if cython.compiled:
            free(self.partials)  # noqa: F821  (C's)

    def partial(self, i: cython.Py_ssize_t) -> float:
        """The local derivative in input i."""
        return self.partials[i]


@cython.final
@cython.no_gc
@cython.freelist(65536)
@cython.cclass
class Value:
    """A scalar that records what is computed with it.

    `data` and `grad` are double-precision numbers, `label` a name for pictures and explanations. Operators, numbers on
    either side, and every pointwise function of the rule book (as ``x.tanh()`` or ``cr.tanh(x)``) make new Values.
    `backward()` fills `grad` in all Values that led here. A node takes about 112 bytes and a multiplication some 20 ns
    where the engine is compiled.

    ``==`` and hash are identity, so Values can be keys; compare numbers with ``< <= > >=`` or through ``.data``.

    >>> import chainrule as cr
    >>> a, b = cr.Value(-2.0), cr.Value(3.0)
    >>> f = (a * b) * (a + b)
    >>> f.backward()
    >>> a.grad, b.grad
    (-3.0, -8.0)
    """

    __slots__ = (
        "d_first",
        "d_second",
        "data",
        "fan",
        "first",
        "grad",
        "label",
        "layout",
        "operation",
        "second",
        "sweep",
        "waiting",
    )

    def __init__(self, data: Any, _children: Any = (), _op: str = "", label: str = "") -> None:
        if type(data) is not float and not isinstance(data, NUMBERS):
            raise DtypeError(f"a Value holds one real number, not {type(data).__name__}; for arrays use cr.Tensor")
        self.data = float(data)
        self.grad = 0.0
        self.operation = _op
        self.label = label
        self.layout = LEAF
        self.first = None
        self.second = None
        self.fan = None
        self.d_first = 0.0
        self.d_second = 0.0
        self.sweep = 0
        self.waiting = 0
        if _children:
            self.layout = FOREIGN
            self.fan = Fan(tuple(_children))

    def __add__(self, other: Any) -> Any:
        if type(other) is Value:
            y: Value = other
            return make("add", TWO, self, y, self.data + y.data, 1.0, 1.0)
        if type(other) is float or type(other) is int:
            c: cython.double = float(other)
            return make("add", VALUE_NUMBER, self, None, self.data + c, 1.0, c)
        return through_the_book("add", self, other)

    def __radd__(self, other: Any) -> Any:
        if type(other) is float or type(other) is int:
            c: cython.double = float(other)
            return make("add", NUMBER_VALUE, self, None, c + self.data, 1.0, c)
        return through_the_book("add", other, self)

    def __sub__(self, other: Any) -> Any:
        if type(other) is Value:
            y: Value = other
            return make("sub", TWO, self, y, self.data - y.data, 1.0, -1.0)
        if type(other) is float or type(other) is int:
            c: cython.double = float(other)
            return make("sub", VALUE_NUMBER, self, None, self.data - c, 1.0, c)
        return through_the_book("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        if type(other) is float or type(other) is int:
            c: cython.double = float(other)
            return make("sub", NUMBER_VALUE, self, None, c - self.data, -1.0, c)
        return through_the_book("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        if type(other) is Value:
            y: Value = other
            return make("mul", TWO, self, y, self.data * y.data, y.data, self.data)
        if type(other) is float or type(other) is int:
            c: cython.double = float(other)
            return make("mul", VALUE_NUMBER, self, None, self.data * c, c, c)
        return through_the_book("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        if type(other) is float or type(other) is int:
            c: cython.double = float(other)
            return make("mul", NUMBER_VALUE, self, None, c * self.data, c, c)
        return through_the_book("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        if type(other) is Value:
            y: Value = other
            out: cython.double = divide(self.data, y.data)
            return make("div", TWO, self, y, out, divide(1.0, y.data), -divide(out, y.data))
        if type(other) is float or type(other) is int:
            c: cython.double = float(other)
            return make("div", VALUE_NUMBER, self, None, divide(self.data, c), divide(1.0, c), c)
        return through_the_book("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        if type(other) is float or type(other) is int:
            c: cython.double = float(other)
            out: cython.double = divide(c, self.data)
            return make("div", NUMBER_VALUE, self, None, out, -divide(out, self.data), c)
        return through_the_book("div", other, self)

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        if modulo is None and (type(other) is float or type(other) is int):
            c: cython.double = float(other)
            slope: cython.double = 0.0 if c == 0.0 else c * power(self.data, c - 1.0)
            return make("pow", VALUE_NUMBER, self, None, power(self.data, c), slope, c)
        return through_the_book("pow", self, other) if modulo is None else NotImplemented

    def __rpow__(self, other: Any, modulo: Any = None) -> Any:
        return through_the_book("pow", other, self) if modulo is None else NotImplemented

    def __neg__(self) -> Value:
        return make("neg", ONE, self, None, -self.data, -1.0, 0.0)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Any:
        return book["abs"](self)

    def relu(self) -> Value:
        """max(0, x), with relu'(0) = 0."""
        x: cython.double = self.data
        return make("relu", ONE, self, None, 0.0 if x <= 0.0 else x, 1.0 if x > 0.0 else 0.0, 0.0)

    def tanh(self) -> Value:
        """The hyperbolic tangent."""
        out: cython.double = ieee_tanh(self.data)
        return make("tanh", ONE, self, None, out, 1.0 - out * out, 0.0)

    def exp(self) -> Value:
        """The exponential."""
        out: cython.double = ieee_exp(self.data)
        return make("exp", ONE, self, None, out, out, 0.0)

    def log(self) -> Value:
        """The natural logarithm."""
        return make("log", ONE, self, None, ieee_log(self.data), divide(1.0, self.data), 0.0)

    def sigmoid(self) -> Value:
        """1 / (1 + e^-x)."""
        out: cython.double = divide(1.0, 1.0 + ieee_exp(-self.data))
        return make("sigmoid", ONE, self, None, out, out * (1.0 - out), 0.0)

    def __lt__(self, other: Any) -> Any:
        return self.data < number(other) if comparable(other) else NotImplemented

    def __le__(self, other: Any) -> Any:
        return self.data <= number(other) if comparable(other) else NotImplemented

    def __gt__(self, other: Any) -> Any:
        return self.data > number(other) if comparable(other) else NotImplemented

    def __ge__(self, other: Any) -> Any:
        return self.data >= number(other) if comparable(other) else NotImplemented

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self) >> 4

    def __float__(self) -> float:
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
        return restore, (self.data, self.grad, self.operation, self.label)

    def __deepcopy__(self, memo: Any) -> Value:
        function, arguments = self.__reduce__()
        return function(*arguments)

    def detach(self) -> Value:
        """The same number as a new leaf: no gradient passes."""
        return Value(self.data, (), "", self.label)

    def alias(self) -> Value:
        """A node of its own with this one's number, for telling two uses apart."""
        return make("identity", ONE, self, None, self.data, 1.0, 0.0)

    @property
    def op(self) -> Any:
        """The operation of the rule book that made this node, or None for a leaf."""
        if self.layout == FOREIGN:
            raise refuse_backward(self.operation)
        if self.layout == MANY and self.fan.operation is not None:
            return self.fan.operation
        return None if self.layout == LEAF else book[self.operation]

    @property
    def _op(self) -> str:
        if self.layout == LEAF or self.layout == FOREIGN:
            return self.operation
        if self.operation == "pow" and self.layout == VALUE_NUMBER:
            return f"**{self.d_second:g}"
        return self.op.symbol

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What the operation was applied to, in order: Values, and numbers where numbers were given."""
        if self.layout == LEAF:
            return ()
        if self.layout == ONE:
            return (self.first,)
        if self.layout == TWO:
            return (self.first, self.second)
        if self.layout == VALUE_NUMBER:
            return (self.first, self.d_second)
        if self.layout == NUMBER_VALUE:
            return (self.d_second, self.first)
        return self.fan.inputs

    @property
    def _prev(self) -> tuple[Value, ...]:
        if self.operation == "pow" and self.layout == VALUE_NUMBER:
            return (self.first,)
        return tuple([x if type(x) is Value else Value(x) for x in self.inputs])

    @property
    def edges(self) -> list[tuple[int, Value]]:
        """The inputs that are Values, with their positions."""
        return [(i, x) for i, x in enumerate(self.inputs) if type(x) is Value]

    @property
    def local_derivatives(self) -> tuple[float, ...]:
        """The derivative of this node in each of its `edges`, as stored when the node was made."""
        if self.layout == MANY:
            return tuple([self.fan.partial(i) for i, _ in self.edges])
        return (self.d_first, self.d_second)[: len(self.edges)]

    @property
    def settings(self) -> dict[str, Any]:
        """The operation's settings."""
        return {} if self.fan is None else self.fan.settings or {}

    @property
    def requires_grad(self) -> bool:
        """True: every Value can be differentiated."""
        return True

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

    def check_unchanged(self) -> None:
        """Nothing to refuse: the local derivatives were stored when the node was made."""

    def plain(self) -> tuple[tuple[Any, ...], Any]:
        """The inputs and this node as numbers that follow IEEE 754 (Python's own raise at 1/0)."""
        return tuple([np.float64(number(x)) for x in self.inputs]), np.float64(self.data)

    def fit(self, share: Any) -> float:
        """A share of a gradient as a float."""
        return float(share)

    def check_share(self, i: int, g: float, share: float) -> None:
        """Under detect_anomaly: stop where a finite gradient turns into nan or infinity."""
        if share - share != 0.0 and g - g == 0.0:
            raise AnomalyError(
                f"the derivative of {self.operation} in input {i} turned a gradient of {g} into {share}; its inputs "
                f"were {', '.join([repr(number(x)) for x in self.inputs])}; recorded at "
                f"{lines.get(id(self), 'a line before detect_anomaly')}"
            )

    def describe(self) -> str:
        """A few words for error messages."""
        return f"Value {self.label}".rstrip()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        from chainrule.core.numpy_calls import operation_of

        operation = operation_of(ufunc)
        if method != "__call__" or settings or operation is None:
            return NotImplemented
        # NumPy hands its own scalars over as arrays without axes.
        inputs = tuple([x if type(x) is Value or getattr(x, "shape", None) != () else x[()] for x in inputs])
        if ufunc.__name__ in ("equal", "not_equal"):
            return (inputs[0] is inputs[1]) == (ufunc.__name__ == "equal")
        return operation(*inputs)

    @staticmethod
    def __apply__(operation: Any, inputs: Any, settings: Any) -> Any:
        """Record an operation of the rule book on Values and numbers."""
        written_out = WRITTEN_OUT.get(operation.name)
        if written_out is not None and book.get(operation.name) is operation:
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
        given: list[Any] = [x if i in places else float(numbers[i]) for i, x in enumerate(inputs)]
        fan: Fan = Fan(tuple(given), operation, settings or None)
        with Quiet():
            out = operation.function(*numbers, **settings)
            if isinstance(out, (bool, np.bool_)):
                return bool(out)
            if np.ndim(out) != 0:
                raise DtypeError(f"{operation.name} works on arrays, not on one number: use cr.Tensor")
            for i in places:
                fan.partials[i] = float(operation.pull(i, ONE_AS_FLOAT64, out, numbers, settings))
        return make_many(operation.name, fan, float(out)) if places else Value(float(out))

    def backward(self, gradient: float = 1.0) -> None:
        """Fill `grad` in every Value that led here: the derivative of this one in each of them.

        Leaves add to the `grad` they have, so call ``zero_grad`` (or set ``grad = 0``) between steps. Gradients of
        intermediate Values are fresh each time; micrograd adds to those too, and so counts a second pass wrongly.
        O(nodes), without recursion.
        """
        global sweeps
        sweeps += 1
        sweep: cython.longlong = sweeps
        node: Value
        stack: list[Any] = [self]
        self.sweep = sweep
        self.waiting = 0
        if self.layout != LEAF:
            self.grad = 0.0
        while stack:
            node = cython.cast(Value, stack.pop())
            if node.layout == LEAF:
                continue
            if node.layout == MANY:
                for x in node.fan.inputs:
                    if type(x) is Value:
                        meet(x, sweep, stack)
            elif node.layout == FOREIGN:
                raise refuse_backward(node.operation)
            else:
                meet(node.first, sweep, stack)
                if node.layout == TWO:
                    meet(node.second, sweep, stack)
        self.grad += gradient
        stack.append(self)
        watched: cython.bint = attention != 0 and switches.anomaly
        while stack:
            node = cython.cast(Value, stack.pop())
            if node.layout == LEAF:
                continue
            if watched:
                check_shares(node)
            if node.layout == MANY:
                give_many(node, stack)
            else:
                give(node.first, node.d_first * node.grad, stack)
                if node.layout == TWO:
                    give(node.second, node.d_second * node.grad, stack)

    def __dealloc__(self) -> None:
        # Freeing a chain must not recurse: the outermost node frees all, and nodes met on the way hand their inputs on.
        if cython.compiled:
            if owns_inputs(self):  # noqa: F821  (defined in _value.pxd)
                bury(self)


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
    operation: str, layout: cython.int, first: Value, second: Value | None, data: float, d_first: float, d_second: float
) -> Value:
    """A new node. The compiled engine has its fields cleared by C, so only those that differ are set."""
    if attention != 0 and not recording(operation, first, second, layout, data, d_second):
        return Value(data)
    out: Value = Value.__new__(Value)
    out.operation = operation
    out.layout = layout
    out.first = first
    out.second = second
    out.data = data
    out.d_first = d_first
    out.d_second = d_second
    out.label = ""
    if attention != 0 and switches.anomaly:
        lines[id(out)] = users_line()
    if not cython.compiled:
        out.grad = 0.0
        out.fan = None
        out.sweep = out.waiting = 0
    return out


def make_many(operation: str, fan: Fan, data: float) -> Value:
    """A new node with any number of inputs."""
    if attention != 0 and switches.anomaly:
        check_result(operation, [number(x) for x in fan.inputs], data)
    out: Value = make(operation, MANY, None, None, data, 0.0, 0.0)
    if out.layout == MANY:
        out.fan = fan
    return out


def recording(operation: str, first: Any, second: Any, layout: int, data: float, number: float) -> bool:
    """Asked only while some thread has no_grad or detect_anomaly on."""
    if switches.anomaly and layout != MANY:
        numbers = [first.data]
        if layout == TWO:
            numbers.append(second.data)
        elif layout == VALUE_NUMBER:
            numbers.append(number)
        elif layout == NUMBER_VALUE:
            numbers.insert(0, number)
        check_result(operation, numbers, data)
    return switches.recording


def check_result(operation: str, inputs: list[float], data: float) -> None:
    """Stop where finite inputs gave nan or infinity."""
    if data - data != 0.0 and all([x - x == 0.0 for x in inputs]):
        raise AnomalyError(
            f"{operation} gave {data} from finite inputs {', '.join([repr(x) for x in inputs])} at {users_line()}"
        )


def check_shares(node: Value) -> None:
    """The same for one node's backward step."""
    for (i, _), derivative in zip(node.edges, node.local_derivatives, strict=True):
        node.check_share(i, node.grad, derivative * node.grad)


def meet(x: Value, sweep: cython.longlong, stack: Any) -> None:
    """First walk: count how often a node is used, and clear old gradients of nodes that have inputs."""
    if x.sweep != sweep:
        x.sweep = sweep
        x.waiting = 1
        if x.layout != LEAF:
            x.grad = 0.0
        stack.append(x)
    else:
        x.waiting += 1


def give(x: Value, share: float, stack: Any) -> None:
    """Second walk: add one use's share; when all uses have reported, the node is ready to pass its gradient on."""
    x.grad += share
    x.waiting -= 1
    if x.waiting == 0:
        stack.append(x)


def give_many(node: Value, stack: Any) -> None:
    i: cython.Py_ssize_t = 0
    fan: Fan = node.fan
    for x in fan.inputs:
        if type(x) is Value:
            give(x, fan.partials[i] * node.grad, stack)
        i += 1


def bury(node: Value) -> None:
    """Free a node's inputs without recursion (compiled engine only)."""
    global burying
    if node.first is not None:
        graveyard.append(node.first)
        node.first = None
    if node.second is not None:
        graveyard.append(node.second)
        node.second = None
    if node.fan is not None:
        graveyard.append(node.fan)
        node.fan = None
    if not burying:
        burying = True
        while graveyard:
            graveyard.pop()
        burying = False


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
        return float(x)
    raise DtypeError(f"a sum of Values takes Values and real numbers, not {type(x).__name__}; for arrays use cr.Tensor")


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
    fan: Fan = Fan(tuple(terms))
    total: cython.double = 0.0
    i: cython.Py_ssize_t
    for i in range(len(fan.inputs)):
        total += number(fan.inputs[i])
        fan.partials[i] = 1.0
    return make_many("sum_of", fan, total)


def dot_all(xs: Any, ys: Any) -> Value:
    """The dot product of two lists of Values and numbers as one node."""
    fan: Fan = Fan((*xs, *ys))
    count: cython.Py_ssize_t = len(fan.inputs) // 2
    total: cython.double = 0.0
    i: cython.Py_ssize_t
    for i in range(count):
        fan.partials[count + i] = number(fan.inputs[i])
        fan.partials[i] = number(fan.inputs[count + i])
        total += fan.partials[i] * fan.partials[count + i]
    return make_many("dot_of", fan, total)

"""Students' engines: right ones in many styles pass, and of one classic bug each the method and the name come out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.errors import CodeError

RIGHT = (Path(__file__).resolve().parents[2] / "examples" / "engine.py").read_text(encoding="utf-8")
MORE = """
    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return other + (-self)

    def __pow__(self, n):
        assert isinstance(n, (int, float))
        out = Value(self.data ** n, (self,))

        def hand_on():
            self.grad += n * self.data ** (n - 1) * out.grad

        out.hand_on = hand_on
        return out

    def __truediv__(self, other):
        return self * (other if isinstance(other, Value) else Value(other)) ** -1

    def __rtruediv__(self, other):
        return Value(other) * self ** -1

    def relu(self):
        out = Value(self.data if self.data > 0 else 0.0, (self,))

        def hand_on():
            self.grad += (out.data > 0) * out.grad

        out.hand_on = hand_on
        return out

    def exp(self):
        out = Value(math.exp(self.data), (self,))

        def hand_on():
            self.grad += out.data * out.grad

        out.hand_on = hand_on
        return out

    __radd__ = __add__
"""
FULL = RIGHT.replace("\n    __radd__ = __add__\n", MORE)


def made(source, name="Value"):
    names = {"__name__": "mine"}
    exec(source, names)
    return names[name]


FUNCTIONAL = """
from collections import defaultdict
class Variable:
    def __init__(self, value, local_gradients=()):
        self.value = value
        self.local_gradients = local_gradients
    def __add__(self, other):
        return Variable(self.value + other.value, ((self, 1.0), (other, 1.0)))
    def __mul__(self, other):
        return Variable(self.value * other.value, ((self, other.value), (other, self.value)))
def get_gradients(variable):
    gradients = defaultdict(lambda: 0.0)
    def along(variable, so_far):
        for child, local in variable.local_gradients:
            gradients[child] += so_far * local
            along(child, so_far * local)
    gradients[variable] = 1.0
    along(variable, 1.0)
    return gradients
"""
PROPERTY = """
class Node:
    __slots__ = ("_value", "_grad", "_back")
    def __init__(self, value, back=()):
        self._value, self._grad, self._back = float(value), None, back
    @property
    def value(self):
        return self._value
    @property
    def grad(self):
        return self._grad
    @staticmethod
    def of(x):
        return x if isinstance(x, Node) else Node(x)
    def __add__(self, other):
        other = Node.of(other)
        return Node(self._value + other._value, [(self, lambda g: g), (other, lambda g: g)])
    def __mul__(self, other):
        other = Node.of(other)
        a, b = self._value, other._value
        return Node(a * b, [(self, lambda g: g * b), (other, lambda g: g * a)])
    __radd__, __rmul__ = __add__, __mul__
    def backprop(self):
        order, stack, uses = [], [self], {}
        while stack:
            node = stack.pop()
            for x, _ in node._back:
                uses[x] = uses.get(x, 0) + 1
                if uses[x] == 1:
                    stack.append(x)
        grads, ready = {self: 1.0}, [self]
        while ready:
            node = ready.pop()
            node._grad = grads[node]
            for x, back in node._back:
                grads[x] = grads.get(x, 0.0) + back(grads[node])
                uses[x] -= 1
                if not uses[x]:
                    ready.append(x)
"""
METHOD = """
class Num:
    tape = []
    def __init__(self, val):
        self.val, self.g = val, 0.0
        Num.tape.append(self)
        self.pulls = []
    def __add__(self, o):
        out = Num(self.val + o.val); out.pulls = [(self, 1.0), (o, 1.0)]; return out
    def __mul__(self, o):
        out = Num(self.val * o.val); out.pulls = [(self, o.val), (o, self.val)]; return out
    def gradient(self):
        return self.g
    def backward(self):
        for node in Num.tape:
            node.g = 0.0
        self.g = 1.0
        for node in reversed(Num.tape):
            for x, d in node.pulls:
                x.g += d * node.g
"""

OPERATIONS = """
import numpy as np

class Add:
    def __init__(self, *args): self.args = args
    def forward(self): return self.args[0].data + self.args[1].data
    def backward(self, g): return g, g
class Mul(Add):
    def forward(self): return self.args[0].data * self.args[1].data
    def backward(self, g): return g * self.args[1].data, g * self.args[0].data
class Exp(Add):
    def forward(self): self.out = np.exp(self.args[0].data); return self.out
    def backward(self, g): return (g * self.out,)
class Tensor:
    def __init__(self, data, op=None): self.data, self.grad, self.op = np.float64(data), None, op
    def with_op(self, kind, *others):
        op = kind(self, *[x if isinstance(x, Tensor) else Tensor(x) for x in others])
        return Tensor(op.forward(), op)
    def __add__(self, o): return self.with_op(Add, o)
    def __mul__(self, o): return self.with_op(Mul, o)
    def exp(self): return self.with_op(Exp)
    __radd__, __rmul__ = __add__, __mul__
    def backward(self):
        order, stack = {}, [(self, False)]
        while stack:
            node, done = stack.pop()
            if done: order.setdefault(node)
            elif node not in order:
                stack += [(node, True), *[(x, False) for x in (node.op.args if node.op else ())]]
        self.grad = np.float64(1.0)
        for node in reversed(order):
            for x, g in zip(node.op.args, node.op.backward(node.grad)) if node.op else ():
                x.grad = g if x.grad is None else x.grad + g
            if node.op: node.grad = None
"""

STYLES = {
    "operations that are classes, on NumPy's numbers": (OPERATIONS, "Tensor", None),
    "closures": (RIGHT, "Value", None),
    "with more operators": (FULL, "Value", None),
    "_backward and _prev": (FULL.replace("hand_on", "_backward").replace("inputs", "_prev"), "Value", None),
    "functional": (FUNCTIONAL, "Variable", "get_gradients"),
    "a grad that is a property": (PROPERTY, "Node", None),
    "a tape in the class": (METHOD, "Num", None),
    "gradients of None": (
        RIGHT.replace("self.grad = 0.0", "self.grad = None")
        .replace("self.grad += ", "self.grad = (self.grad or 0) + ")
        .replace("other.grad += ", "other.grad = (other.grad or 0) + "),
        "Value",
        None,
    ),
    "no tanh": (RIGHT[: RIGHT.index("    def tanh")] + RIGHT[RIGHT.index("    __radd__") :], "Value", None),
    "a root that is set inside": (
        RIGHT.replace("def backward(self):", "def backward(self, seed=1.0):").replace(
            "self.grad = 1.0", "self.grad = seed"
        ),
        "Value",
        None,
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_right_engines_pass_in_every_style(style):
    source, name, backward = STYLES[style]
    names = {"__name__": "mine"}
    exec(source, names)
    report = cr.check_engine(names[name], backward=names.get(backward))
    assert report, report
    assert report.tried > 15


def test_published_engines_and_ours_pass():
    assert cr.check_engine(cr.Value).missing == ()
    engine = pytest.importorskip("micrograd.engine")
    report = cr.check_engine(engine.Value)
    assert report
    assert any("3 times" in remark for remark in report.remarks)
    assert any("5,000 nodes" in remark for remark in report.remarks)


def swap(old, new, count=-1):
    assert old in FULL, old
    return FULL.replace(old, new, count)


PRODUCT = "self.grad += other.data * out.grad\n            other.grad += self.data * out.grad"
SUM = "self.grad += out.grad\n            other.grad += out.grad"
WRONG = {  # what was changed: source, method, name, words
    "a product overwrites": (
        swap(PRODUCT, PRODUCT.replace("+=", "=")), "__mul__", "overwritten", "a.grad is 0.8 and must be 1.6"),
    "a sum overwrites": (
        swap(SUM, SUM.replace("+=", "=")),
        "__add__", "overwritten", "a.grad is 1 and must be 2"),
    "the operand's own value": (
        swap(PRODUCT, "self.grad += self.data * out.grad\n            other.grad += other.data * out.grad"),
        "__mul__", "swapped-operands", "must be the other's"),
    "nothing for the second operand": (
        swap("            other.grad += out.grad\n", ""), "__add__", "missing-path", "b.grad is 0"),
    "no gradient that arrives": (
        swap("(1 - out.data**2) * out.grad", "(1 - out.data**2)"), "tanh", "no-incoming-gradient", "out.grad"),
    "the slope given the input": (
        swap("(1 - out.data**2)", "(1 - self.data**2)"), "tanh", "activation-derivative-at-input", "1 − t²"),
    "the exponent left out": (
        swap("n * self.data ** (n - 1)", "self.data ** (n - 1)"), "__pow__", "wrong-local-derivative", "in front"),
    "the exponent not lowered": (
        swap("n * self.data ** (n - 1)", "n * self.data ** n"), "__pow__", "wrong-local-derivative", "lowered"),
    "right for squares alone": (
        swap("n * self.data ** (n - 1)", "n * self.data"), "__pow__", "wrong-local-derivative", "squares"),
    "a mask turned": (swap("(out.data > 0)", "(out.data <= 0)"), "relu", "relu-mask-wrong", "turned"),
    "no mask": (swap("(out.data > 0) * out.grad", "out.grad"), "relu", "relu-mask-wrong", "mask"),
    "exp by its input": (
        swap("self.grad += out.data * out.grad", "self.grad += self.data * out.grad"), "exp", "wrong-local-derivative",
        "its output"),
    "a difference the wrong way round": (
        swap("return other + (-self)", "return self + (-other)"), "__rsub__", "swapped-operands", "swapped"),
    "no number on the left": (
        swap("    __rmul__ = __mul__\n", ""), "__rmul__", "swapped-operands", "write __rmul__"),
    "no sign": (swap("return self * -1", "return self * 1"), "__neg__", "unclassified", "the value is"),
    "handed on at once": (
        swap("for node in reversed(order):", "for node in [self, *[x for x in order if x is not self]]:"), "backward",
        "wrong-order", "topological"),
    "layer by layer": (
        FULL[: FULL.index("        order, seen")] +
        "        self.grad = 1.0\n        waiting, seen = [self], set()\n        for node in waiting:\n"
        "            if node not in seen:\n                seen.add(node)\n                node.hand_on()\n"
        "                waiting.extend(node.inputs)\n", "backward", "wrong-order", "topological"),
    "a set as default value": (
        swap("def backward(self):", "def backward(self, seen=set()):").replace("order, seen = [], set()", "order = []"),
        "backward", "not-zeroed", "hands nothing on"),
    "an order in the class": (
        swap("def backward(self):", "order = []\n\n    def backward(self):").replace("order, seen = [], set()",
        "order, seen = Value.order, set()"), "backward", "not-zeroed", "kept between"),
    "equal by number": (
        swap("    def tanh(self):", "    def __eq__(self, other):\n        return self.data == other.data\n\n"
        "    def __hash__(self):\n        return hash(self.data)\n\n    def tanh(self):"),
        "__eq__", "missing-path", "by identity"),
    "the output's gradient left at 0": (
        swap("        self.grad = 1.0\n", ""), "backward", "no-incoming-gradient", "never set to 1"),
    "the output's gradient set to 2": (
        swap("self.grad = 1.0\n", "self.grad = 2.0\n"), "backward", "factor", "of the output in itself"),
    "from the leaves on": (
        swap("for node in reversed(order):", "for node in order:"), "backward", "wrong-order", "from the output"),
    "+= in place": (
        swap("    def tanh(self):", "    def __iadd__(self, other):\n        self.data += other.data\n"
        "        return self\n\n    def tanh(self):"), "__iadd__", "", "still use"),
    "it raises on the way back": (swap("self.grad += out.data * out.grad", "self.grad += out.dat * out.grad"), "exp",
        "unclassified", "AttributeError"),
}  # fmt: skip


@pytest.mark.parametrize("bug", WRONG)
def test_one_classic_bug_is_found_and_named(bug):
    source, method, name, words = WRONG[bug]
    report = cr.check_engine(made(source))
    assert not report
    first = report.mistakes[0]
    assert not method or method in [mistake.method for mistake in report.mistakes], report
    assert not name or name in [mistake.name for mistake in report.mistakes], report
    assert words in " ".join(mistake.says for mistake in report.mistakes), report
    assert first.graph.endswith("y.backward()")
    assert len(repr(report).splitlines()) <= 12


@pytest.mark.parametrize("bug", WRONG)
def test_a_bug_in_one_operation_is_not_blamed_on_others(bug):
    source, method, _, _ = WRONG[bug]
    mistakes = cr.check_engine(made(source)).mistakes
    assert len({mistake.method for mistake in mistakes}) == 1, mistakes
    assert not method or mistakes[0].method == method


def test_the_graph_that_is_shown_shows_it():
    kind = made(WRONG["a product overwrites"][0])
    mistake = cr.check_engine(kind).mistakes[0]
    names = {"Value": kind}
    exec(mistake.graph, names)
    assert names["a"].grad == pytest.approx(mistake.given)
    assert mistake.given != pytest.approx(mistake.right)


def test_what_is_no_engine_is_said():
    with pytest.raises(CodeError, match=r"does not hold 1\.5"):
        cr.check_engine(lambda x: [x])
    with pytest.raises(CodeError, match="no method backward"):
        cr.check_engine(made(FUNCTIONAL, "Variable"))


def test_an_engine_that_goes_every_way_is_told_that_it_takes_long():
    names = {"__name__": "mine"}
    exec(FUNCTIONAL, names)
    report = cr.check_engine(names["Variable"], backward=names["get_gradients"])
    assert any("doubles with every reuse" in remark for remark in report.remarks)


def test_sets_in_any_order_come_to_the_same(tmp_path):
    """An engine that keeps its inputs in a set depends on hashing, and is right all the same."""
    (tmp_path / "mine.py").write_text(FULL.replace("self.inputs = inputs", "self.inputs = set(inputs)"))
    code = "import mine, chainrule as cr; assert cr.check_engine(mine.Value)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={"PATH": "", "PYTHONHASHSEED": "1"})


FUNCTIONS = """
import math
class Value:
    def __init__(self, data, inputs=()):
        self.data, self.grad, self.inputs = data, 0.0, inputs
    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))
    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))
    __radd__, __rmul__ = __add__, __mul__
    def {name}(self):
        x = self.data
        y = {value}
        return Value(y, ((self, {slope}),))
    def backward(self, g=1.0):
        self.grad += g
        for x, slope in self.inputs:
            x.backward(slope * g)
"""
WRITTEN = {
    "sin": ("math.sin(x)", "math.cos(x)", {"-math.cos(x)": "sign", "y": "wrong-local-derivative"}),
    "cos": ("math.cos(x)", "-math.sin(x)", {"math.sin(x)": "sign"}),
    "sqrt": ("math.sqrt(x)", "0.5 / y", {"0.5 / x": "wrong-local-derivative", "1.0": "missing-factor"}),
    "square": ("x * x", "2 * x", {"x": "factor", "2.0": "missing-factor"}),
    "sinh": ("math.sinh(x)", "math.cosh(x)", {"math.cos(x)": "wrong-local-derivative"}),
    "tanh": ("math.tanh(x)", "1 - y * y", {"1 - math.tanh(y)**2": "activation-derivative-at-output"}),
    "sigmoid": (
        "1 / (1 + math.exp(-x))",
        "y * (1 - y)",
        {"x * (1 - x)": "activation-derivative-at-input", "1 - y": "wrong-local-derivative"},
    ),
    "leaky_relu": ("x if x > 0 else 0.2 * x", "1.0 if x > 0 else 0.2", {}),
}
"""Functions that a class may have: the value, the slope, and wrong slopes with their names."""


@pytest.mark.parametrize("name", WRITTEN)
def test_every_function_of_the_book_is_tried_where_a_class_has_it(name):
    value, slope, wrong = WRITTEN[name]
    assert not cr.check_engine(made(FUNCTIONS.format(name=name, value=value, slope=slope))).mistakes
    for other, mistake in wrong.items():
        found = cr.check_engine(made(FUNCTIONS.format(name=name, value=value, slope=other))).mistakes
        assert [(one.method, one.name) for one in found] == [(name, mistake)], (other, found)

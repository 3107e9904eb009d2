"""`check_engine`: which graphs a student's engine is tried on, and what a failure at each of them means."""

# What a student's class gives is not known before it has run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import math
import operator
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from chainrule.core import Value
from chainrule.core.operation import Pointwise, book
from chainrule.verify.engine import (
    Engine,
    EngineMistake,
    EngineReport,
    Graph,
    Outcome,
    agrees,
    methods_called,
    near,
    run,
    truth,
)
from chainrule.verify.marking.local_changes import ACTIVATIONS, slope_of
from chainrule.verify.marking.wrong_slopes import wrong_slopes
from chainrule.verify.running import failure

A, B = 1.5, 0.8
"""Where operations are tried: no number is the other's square, inverse, half or difference from 1."""
NEGATIVE = -0.4
SCALE = 3.0
"""What a later operation multiplies the gradient with."""
DEEP, DEEPER = 300, 5_000
"""A chain that every engine must bear, and one at which recursion ends."""
KEEPS = "something is kept between backward passes (a list or set as default value, or in the class)"
SHORT, LONG = 6, 13
"""Doublings: an engine that goes every way takes 128 times as long for the longer one."""


@dataclass(frozen=True)
class Op(Graph):
    """An operator or function of a class, alone, and the method behind it."""

    method: str
    constant: bool = False
    """Whether one operand is a plain number."""


def operators() -> list[Op]:
    """Every operator, with two nodes, with a number on the right, and with one on the left."""
    found = [
        Op("a + b", operator.add, (A, B), "__add__"),
        Op("a * b", operator.mul, (A, B), "__mul__"),
        Op("-a", operator.neg, (A,), "__neg__"),
        Op("a - b", operator.sub, (A, B), "__sub__"),
        Op("a / b", operator.truediv, (A, B), "__truediv__"),
        Op("a ** 2", lambda a: a**2, (A,), "__pow__", True),
        Op("a ** 3", lambda a: a**3, (NEGATIVE,), "__pow__", True),
        Op("a ** -1", lambda a: a**-1, (A,), "__pow__", True),
        Op("a ** 0.5", lambda a: a**0.5, (A,), "__pow__", True),
        Op("a ** b", operator.pow, (A, B), "__pow__"),
    ]
    for method, sign, apply in (
        ("add", "+", operator.add),
        ("mul", "*", operator.mul),
        ("sub", "-", operator.sub),
        ("truediv", "/", operator.truediv),
    ):
        found.append(Op(f"a {sign} 2", lambda a, apply=apply: apply(a, 2), (A,), f"__{method}__", True))
        found.append(Op(f"2 {sign} a", lambda a, apply=apply: apply(2, a), (A,), f"__r{method}__", True))
    found.append(Op("2 ** a", lambda a: 2**a, (A,), "__rpow__", True))
    return found


OF_TWO_FORMS = ("gelu", "gelu_tanh")
"""Functions that people define in two ways."""
MASKS = ("relu", "leaky_relu")
"""Those that let one sign through."""
OPTIONAL = ("a ** b", "2 ** a")
"""What many engines leave out on purpose."""


def functions_of(engine: Engine) -> Iterator[Op]:
    """The functions of the book that the class has as methods."""
    for name, rule in book.items():
        known = isinstance(rule, Pointwise) and rule.differentiable and not rule.needs_settings
        if not known or len(rule.inputs) != 1 or name in OF_TWO_FORMS or not callable(getattr(engine.kind, name, None)):
            continue
        for x in (A, NEGATIVE) if rule.domain[0] < NEGATIVE else (A,):
            yield Op(f"a.{name}()", applied(name), (x,), name)


def applied(name: str) -> Callable[[Any], Any]:
    """A function as a method of a student's nodes; ours need not have it."""
    return lambda a: book[name](a) if isinstance(a, Value) else getattr(a, name)()


def check_engine(kind: Callable[..., Any], *, backward: Callable[[Any], Any] | None = None) -> EngineReport:
    """Which mistakes a class of nodes has, that somebody wrote for reverse mode on scalars, as micrograd's ``Value``.

    The class makes a node of a number, holds it in an attribute (``data``, ``value``, …), its gradient in another
    (``grad``, …), and starts the way back with a method ``backward()``; or `backward` is a function that does, and may
    give a dict of gradients. Operators and functions that it does not have are not asked for, but one that takes a
    number on its right must take it on its left. Each mistake names the method and comes with the smallest graph that
    shows it. What raises, raises in here: run programs of others with ``chainrule check-engine FILE:CLASS --run-code``.

    >>> import chainrule as cr
    >>> cr.check_engine(cr.Value)
    Value: no mistake in ... graphs
    """
    checks = Checks(Engine(kind, backward))
    checks.all()
    return checks.report()


class Checks:
    """The graphs that an engine is tried on, each only of operations that were right so far."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.mistakes: list[EngineMistake] = []
        self.remarks: list[str] = []
        self.missing: list[str] = []
        self.good: list[Op] = []
        self.bad: set[str] = set()
        self.tried = 0
        self.leans_on: dict[str, frozenset[Any]] = {}
        self.stop = False
        """Whether no further graph would mean anything."""

    def report(self) -> EngineReport:
        return EngineReport(
            self.engine.name, tuple(self.mistakes), tuple(self.remarks), tuple(dict.fromkeys(self.missing)), self.tried
        )

    def run(self, graph: Graph) -> tuple[Outcome, Outcome]:
        """What the engine makes of a graph, and what is right."""
        self.tried += 1
        return run(self.engine, graph), truth(graph)

    def mistake(self, method: str, name: str, says: str, graph: Graph, given: Any = None, right: Any = None) -> None:
        self.bad.add(method)
        self.mistakes.append(EngineMistake(method, name, says, graph.shown(self.engine.name), given, right))

    def all(self) -> None:
        """Operations, the way back through several of them, and then those that are made of others."""
        if not self.starts():
            return
        every = [*operators(), *functions_of(self.engine)]
        self.leans_on = {op.source: methods_called(self.engine, op) for op in every}
        made_of_others = [op for op in every if self.is_made_of_others(op, every)]
        self.operations([op for op in every if op not in made_of_others])
        if self.stop:
            return
        structured = {"a + b", "a * b"} <= {op.source for op in self.good}
        if structured and not self.order():
            return
        self.operations(made_of_others)
        if structured:
            self.another_graph()
            self.second_backward()
            self.depth()
            self.every_way()
        self.in_place()

    def operations(self, ops: list[Op]) -> None:
        """Operations alone, behind another, and twice on one input."""
        constants: set[str] = set()
        tried: list[Op] = []
        for op in ops:
            if self.is_bad(op):
                continue
            found, right = self.run(op)
            if found.missing:
                self.absent(op, found, constants)
            elif agrees(found, right):
                tried.append(op)
                constants |= {op.method} if op.constant else set()
            else:
                self.wrong_alone(op, found, right)
        self.good += tried
        if self.stop or not self.tells_nodes_apart():
            return
        for look in (self.behind_another, self.twice):
            before = len(self.mistakes)
            passed = [op for op in tried if not self.is_bad(op) and look(op)]
            if look == self.behind_another and not passed and self.nothing_comes_through(before):
                return
        self.good = [op for op in self.good if not self.is_bad(op)]

    def nothing_comes_through(self, before: int) -> bool:
        """Whether the gradient stops at all that stands behind another: then the way back is wrong."""
        new = self.mistakes[before:]
        if len({m.method for m in new}) < 3 or any(m.given != 0 for m in new):
            return False
        shown = new[0]
        del self.mistakes[before:]
        self.bad -= {m.method for m in new}
        says = (
            f"a.grad is 0 and must be {shown.right:.6g}: what stands behind another operation is handed on before its "
            "gradient has come (go in reversed topological order, from the output)"
        )
        self.mistakes.append(replace(shown, method="backward", name="wrong-order", says=says))
        self.stop = True
        return True

    def is_made_of_others(self, op: Op, every: list[Op]) -> bool:
        """Whether an operation calls other operations of the class, as a difference that is a sum."""
        own = self.codes_of(op.method)
        others = {code for other in every for code in self.codes_of(other.method) if code not in own}
        return bool(others & self.leans_on[op.source])

    def is_bad(self, op: Op) -> bool:
        """Whether an operation, or one that it is made of, has a mistake already: then it is no news."""
        wrong = {code for method in self.bad for code in self.codes_of(method)}
        return op.method in self.bad or bool(wrong & self.leans_on[op.source])

    def codes_of(self, method: str) -> list[Any]:
        """The code of a method, if it is written in Python."""
        code = getattr(getattr(self.engine.kind, method, None), "__code__", None)
        return [] if code is None else [code]

    def tells_nodes_apart(self) -> bool:
        """Whether two nodes that hold one number are two."""
        if not {"a + b", "a * b"} <= {op.source for op in self.good}:
            return True
        try:
            if len({self.engine.leaf(A), self.engine.leaf(A)}) == 2:
                return True
        except TypeError:  # nodes without a hash are told apart as it likes
            return True
        graph = Graph("a * b + c * d", lambda a, b, c, d: a * b + c * d, (2.0, 3.0, 3.0, 2.0))
        says = "two nodes of one number are taken for one (let __eq__ and __hash__ go by identity)"
        self.stop = self.fails([graph], "missing-path", says, "__eq__")
        return not self.stop

    def absent(self, op: Op, found: Outcome, constants: set[str]) -> None:
        """An operation that the class does not have, which is a mistake only where it has the other order."""
        forward = op.method.replace("__r", "__")
        if op.method.startswith("__r") and forward in constants and op.source not in OPTIONAL:
            sign = op.source.split()[1]
            self.mistake(
                op.method,
                "swapped-operands",
                f"a {sign} 2 works, and 2 {sign} a fails ({found.failed}): write {op.method}",
                op,
            )
        elif op.source not in OPTIONAL:
            self.missing.append(op.source)

    def wrong_alone(self, op: Op, found: Outcome, right: Outcome) -> None:
        if found.failed:
            self.mistake(op.method, "unclassified", f"it fails {found.failed}", op)
        elif not near(found.out, right.out) and op.method in book and book[op.method].defaults:
            return  # a leaky ReLU of another slope is one too
        elif not near(found.out, right.out):
            turned = op.method.startswith("__r") and near(found.out, float(op_turned(op)))
            name, why = ("swapped-operands", ": the operands are swapped") if turned else ("unclassified", "")
            self.mistake(op.method, name, f"the value is {found.out:.6g} and must be {right.out:.6g}{why}", op)
        else:
            k = first_off(found, right)
            self.wrong_gradient(op, op, found, right, k, *self.why(op, k, found, right))

    def wrong_gradient(self, op: Op, graph: Graph, found: Outcome, right: Outcome, k: int, name: str, why: str) -> None:
        says = f"{'ab'[k]}.grad is {found.grads[k]:.6g} and must be {right.grads[k]:.6g}: {why}"
        self.mistake(op.method, name, says, graph, found.grads[k], right.grads[k])

    def why(self, op: Op, k: int, found: Outcome, right: Outcome) -> tuple[str, str]:
        """The name of a wrong local derivative, as far as its number shows it."""
        got, want, own = found.grads[k], right.grads[k], op.leaves[k]
        if got == 0 and op.method in MASKS and any(self.run(replace(op, leaves=(-own,)))[0].grads):
            return "relu-mask-wrong", "the mask is turned"
        if got == 0:
            return "missing-path", "no gradient is handed on"
        if near(got, -want):
            return "sign", "the sign is turned"
        others = [g for j, g in enumerate(right.grads) if j != k]
        if op.method == "__mul__" and near(got, own):
            return "swapped-operands", "it is the operand's own value, and must be the other's"
        if any(near(got, g) for g in others):
            return "swapped-operands", "it is the derivative in the other operand"
        for name, says, wrong in confusions(op, own, right.out):
            if near(got, wrong):
                return name, says
        if near(got / want, round(got / want)) or near(want / got, round(want / got)):
            return "factor", f"it is off by the factor {got / want:.6g}"
        return "wrong-local-derivative", f"that is no derivative of {op.source}"

    def behind_another(self, op: Op) -> bool:
        """Whether an operation multiplies its local derivative by the gradient that arrives."""
        later = self.multiplier(op.method)
        if later is None:
            return False
        source, apply = later
        graph = Graph(source.replace("a", f"({op.source})", 1), lambda *x: apply(op.build(*x)), op.leaves)
        ignored = "the gradient that arrives (out.grad) is not multiplied in"
        where = "behind another operation"
        return self.among_others(op, graph, where, "no-incoming-gradient", ignored, "alone it is right")

    def multiplier(self, method: str) -> tuple[str, Callable[[Any], Any]] | None:
        """An operation that is right so far, and multiplies the gradient by something other than 1."""
        kind = self.engine.kind
        known = {op.source: op for op in self.good if op.method not in self.bad}
        if "a * b" in known and method != "__mul__":
            return f"a * {self.engine.name}(3)", lambda y: y * (Value if isinstance(y, Value) else kind)(SCALE)
        if "a ** 2" in known and method != "__pow__":
            return "a ** 2", lambda y: y**2
        for name in ("exp", "tanh", "sigmoid"):
            if f"a.{name}()" in known and method != name:
                return f"a.{name}()", applied(name)
        return None

    def twice(self, op: Op) -> bool:
        """Whether an operation adds its share to what is there, or overwrites it."""
        if "__add__" in self.bad or not any(known.method == "__add__" for known in self.good):
            return False
        graph = Graph(f"({op.source}) + ({op.source})", lambda *x: op.build(*x) + op.build(*x), op.leaves)
        if op.method == "__add__":
            graph = Graph("a + a", lambda a: a + a, (A,))
        once = "the second share overwrites the first (use += in place of =)"
        where = "where an input is used twice"
        return self.among_others(op, graph, where, "overwritten", once, "used once it is right")

    def among_others(self, op: Op, graph: Graph, where: str, name: str, says: str, otherwise: str) -> bool:
        """Whether an operation that is right alone is so in a larger graph; a gradient as of it alone has a name."""
        found, right = self.run(graph)
        if agrees(found, right):
            return True
        if found.failed:
            self.mistake(op.method, "unclassified", f"it fails {where}: {found.failed}", graph)
            return False
        k = first_off(found, right)
        as_alone = near(found.grads[k], truth(op).grads[k])
        told = (name, says) if as_alone else ("unclassified", otherwise)
        self.wrong_gradient(op, graph, found, right, k, *told)
        return False

    def fails(self, graphs: list[Graph], name: str, says: str, method: str = "backward") -> bool:
        """Try graphs, and note the first that comes out wrong."""
        for graph in graphs:
            found, right = self.run(graph)
            if not agrees(found, right):
                got = found.failed or ", ".join(
                    f"{leaf}.grad is {x:.6g} and must be {y:.6g}"
                    for leaf, x, y in zip("abcde", found.grads, right.grads, strict=False)
                    if not near(x, y)
                )
                self.mistake(method, name, f"{got}: {says}", graph)
                return True
        return False

    def starts(self) -> bool:
        """Whether anything comes back at all: the gradient of the output in itself is 1."""
        graphs = [Graph("a + b", operator.add, (A, B)), Graph("a", lambda a: a, (A,))]
        found = [self.run(graph)[0] for graph in graphs]
        if any(outcome.failed for outcome in found):
            return True
        got = found[1].grads[0]
        if not any(any(outcome.grads) for outcome in found):
            name, says = "no-incoming-gradient", "the gradient of the output in itself is never set to 1"
        elif got not in (0, 1) and all(near(g, got) for g in found[0].grads):
            name, says = "factor", "the gradient of the output in itself is 1"
        else:
            return True
        self.mistake("backward", name, f"a.grad is {got:.6g} and must be 1: {says}", graphs[1], got, 1.0)
        return False

    def order(self) -> bool:
        """Nodes that are used by one near the output and by one further down."""

        def long_way(a: Any, b: Any) -> Any:
            c = a * b
            d = c * b
            e = d * a
            return (c + d) * (e + c)

        graphs = [
            Graph("d = a * b; e = a + b; d * e", lambda a, b: (a * b) * (a + b), (-2.0, 3.0)),
            Graph("c = a * a; c + c * a", lambda a: (c := a * a) + c * a, (A,)),
            Graph("c = a * a; c * a + c", lambda a: (c := a * a) * a + c, (A,)),
            Graph("c = a * b; d = c * b; e = d * a; (c + d) * (e + c)", long_way, (A, B)),
        ]
        return not self.fails(
            graphs,
            "wrong-order",
            "a node is handed on before all that use it have reported (go in reversed topological order)",
        )

    def another_graph(self) -> None:
        """A second graph of new leaves comes out as the first did, and one of old leaves adds to it or starts anew."""
        graph = Graph("a * b + a", lambda a, b: a * b + a, (A, B))
        self.run(graph)
        if self.fails([graph], "not-zeroed", f"the second graph of a program comes out wrong: {KEEPS}"):
            return
        engine, right = self.engine, truth(graph).grads[0]
        a, b = engine.leaf(A), engine.leaf(B)
        engine.back(a * b + a)
        if not engine.forget(a):
            return
        got = engine.gradient(a, engine.back(a * b + a))
        if not near(got, right):
            says = f"a.grad is {got:.6g} and must be {right:.6g}, as from the first graph: {KEEPS}"
            self.mistake("backward", "not-zeroed", says, graph, got, right)

    def second_backward(self) -> None:
        """The same graph gone back twice: anew, or added; what is between must not be counted twice."""
        engine = self.engine
        a, b = engine.leaf(A), engine.leaf(B)
        c = a * b
        y = c * c
        self.tried += 1
        try:
            once = engine.gradient(a, engine.back(y))
            again = engine.gradient(a, engine.back(y))
        except Exception as error:  # noqa: BLE001  (it is the student's program)
            self.remarks.append(f"a second backward() on one graph fails: {failure(error)}")
            return
        if engine.forget(a) and engine.forget(b) and engine.gradient(a, engine.back(y)) == 0:
            graph = Graph("c = a * b; c * c", lambda a, b: (a * b) * (a * b), (A, B))
            says = f"a second backward() on one graph hands nothing on: {KEEPS}"
            self.mistake("backward", "not-zeroed", says, graph, 0.0, once)
        elif not near(again, once) and not near(again, 2 * once):
            self.remarks.append(
                f"a second backward() gives {again / once:.3g} times the gradient: those in between are still there "
                "from the first; set them to 0 before each pass"
            )

    def in_place(self) -> None:
        """``+=`` on a name must not change the node that others hold."""
        engine = self.engine
        self.tried += 1
        a = engine.leaf(A)
        b = a
        try:
            b += engine.leaf(B)
        except (TypeError, AttributeError):
            return
        if not near(engine.number(a), A):
            graph = Graph("b = a; b += 0.8; b", lambda a: a, (A,))
            self.mistake("__iadd__", "unclassified", "b += … changes the number of a, which others still use", graph)

    def depth(self) -> None:
        """A long chain."""
        for length in (DEEP, DEEPER):
            self.tried += 1
            try:
                y = a = self.engine.leaf(A)
                for _ in range(length):
                    y = y + a
                got = self.engine.gradient(a, self.engine.back(y))
            except RecursionError:
                if length == DEEPER:
                    self.remarks.append(
                        f"a chain of {length:,} nodes is too deep for its recursion: make the order with a loop"
                    )
                    return
                says = f"a chain of {DEEP} nodes is too deep for it"
            else:
                says = "" if near(got, length + 1) else f"a.grad is {got:.6g} and must be {length + 1}"
            if says:
                graph = Graph(f"a + a + … ({length} times)", lambda a: a, (A,))
                self.mistake("backward", "unclassified", says, graph)
                return

    def every_way(self) -> None:
        """Whether the way back goes through every node once, or along every way, of which there are very many."""
        times: list[float] = []
        for doublings in (SHORT, LONG):
            y = self.engine.leaf(A)
            for _ in range(doublings):
                y = y + y
            start = time.perf_counter()
            self.engine.back(y)
            times.append(time.perf_counter() - start)
            self.tried += 1
        if times[1] > 10 * (LONG / SHORT) * times[0] and times[1] > 1e-3:
            self.remarks.append(
                f"the time doubles with every reuse ({LONG} took {times[1] / times[0]:.0f} times {SHORT}): it "
                "goes along every way; go through every node once, when all its gradients are there"
            )


def first_off(found: Outcome, right: Outcome) -> int:
    """The place of the first input whose gradient is wrong."""
    return next(k for k, (x, y) in enumerate(zip(found.grads, right.grads, strict=True)) if not near(x, y))


def op_turned(op: Op) -> Any:
    """An operation with its operands the other way round, on plain numbers."""
    a = op.leaves[0]
    return {"-": a - 2, "/": a / 2, "**": a**2}.get(op.source.split()[1], math.nan)


FORMS = {"tanh": "1 − t²", "sigmoid": "s(1 − s)"}
"""Slopes as they are written with a function's output."""


def confusions(op: Op, x: float, y: float) -> list[tuple[str, str, float]]:
    """Wrong derivatives that are met again and again, at the input x with the output y."""
    method = op.method
    local = "wrong-local-derivative"
    exponent = op.source.split()[-1]
    if method == "__pow__" and exponent != "b":
        n = float(exponent)
        return [
            (local, "the exponent in front is left out", math.pow(x, n - 1) if x > 0 or n == int(n) else math.nan),
            (local, "the exponent is not lowered by 1", n * y),
            (local, "it is right for squares alone", n * x),
        ]
    if method == "__truediv__":
        return [(local, "the divisor is not squared", -A / x)]
    if method not in book:
        return []
    rule = book[method]
    found = [(wrong.name, wrong.says, float(wrong(x))) for wrong in wrong_slopes(method)]
    if method in MASKS:
        return [("relu-mask-wrong", "the mask is turned or left out", 1.0 if x < 0 else 0.0)]
    if method in ACTIVATIONS:
        at_output = f"the slope is taken at the output of {method}, and must be at its input"
        at_input = f"{FORMS.get(method, 'the form')} is meant for the output, and was given the input"
        found = [
            ("activation-derivative-at-input", at_input, float(slope_of(rule, x, x))),
            ("activation-derivative-at-output", at_output, float(slope_of(rule, rule.function(y), y))),
            *found,
        ]
    return [
        *found,
        (
            "activation-for-derivative" if method in ACTIVATIONS else local,
            "it is the function's value, not its slope",
            y,
        ),
        ("activation-derivative-missing" if method in ACTIVATIONS else "missing-factor", "the slope is left out", 1.0),
    ]

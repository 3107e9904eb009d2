"""A student's own engine: its class of nodes, held against chainrule's on graphs from small to large.

Each operation is tried alone, then behind another, then twice on one input; then the backward pass itself: its order,
equal numbers, a second run, depth. So what fails first fails for one reason, which is named with the smallest graph.
"""

# What a student's class gives is not known before it has run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.core import Value
from chainrule.errors import CodeError
from chainrule.kinds import what_is
from chainrule.verify.report import Result
from chainrule.verify.running import failure

DATA = ("data", "value", "val", "_data", "_value", "x", "v")
GRADS = ("grad", "gradient", "derivative", "_grad", "adjoint", "g", "d")
BACKWARD = ("backward", "backprop", "backpropagate", "backward_pass", "back")
"""What people call the number, its gradient, and the method that starts the way back."""
NEAR = 1e-9
MOST_SAID = 6
"""Mistakes and remarks that are printed."""


@dataclass(frozen=True)
class EngineMistake:
    """A mistake of an engine: its method, its name in the catalogue, what is wrong, and the graph that shows it."""

    method: str
    name: str
    says: str
    graph: str
    given: Any = None
    right: Any = None


@dataclass(frozen=True, repr=False)
class EngineReport(Result):
    """The result of `check_engine`: true where no mistake was found.

    `mistakes` are listed from the smallest graph on; `remarks` are limits that are no mistakes; `missing` are the
    operators and functions that the class does not have; `tried` counts the graphs.
    """

    title: str
    mistakes: tuple[EngineMistake, ...]
    remarks: tuple[str, ...]
    missing: tuple[str, ...]
    tried: int

    def __bool__(self) -> bool:
        return not self.mistakes

    def __repr__(self) -> str:
        count = len(self.mistakes)
        head = "no mistake" if not count else "one mistake" if count == 1 else f"{count} mistakes"
        lines = [f"{self.title}: {head} in {self.tried} graphs"]
        for mistake in self.mistakes[: MOST_SAID // 2]:
            lines += [f"{mistake.method}: {mistake.says}", f"    {mistake.graph}"]
        more = self.mistakes[MOST_SAID // 2 :]
        lines += [f"also in {', '.join([mistake.method for mistake in more])}"] if more else []
        lines += [f"remark: {remark}" for remark in self.remarks[:2]]
        lines += [f"it does not have {', '.join(self.missing)}"] if self.missing else []
        return "\n".join(lines)


class Engine:
    """A class of nodes as a program uses it, whatever its attributes are called."""

    def __init__(self, kind: Callable[..., Any], backward: Callable[[Any], Any] | None = None) -> None:
        self.kind = kind
        self.function = backward
        node = self.leaf(1.5)
        self.data = attribute(node, DATA, 1.5)
        if self.data is None:
            raise CodeError(
                f"{self.name}(1.5) does not hold 1.5 in an attribute {', '.join(DATA[:3])}: is it a class of nodes?"
            )
        self.grad = next((name for name in GRADS if hasattr(node, name) and name != self.data), None)
        self.method = next((name for name in BACKWARD if callable(getattr(node, name, None))), None)
        if self.method is None and backward is None:
            raise CodeError(
                f"{self.name} has no method backward(): give the function that goes back, check_engine({self.name}, "
                "backward=…)"
            )

    @property
    def name(self) -> str:
        return getattr(self.kind, "__name__", "the engine")

    def leaf(self, x: float) -> Any:
        """A node that holds a number."""
        return self.kind(x)

    def number(self, node: Any) -> float:
        if self.data is None or not hasattr(node, self.data):
            raise CodeError(f"it gives {what_is(node)}, no {self.name}")
        return float(getattr(node, self.data))

    def back(self, node: Any) -> Any:
        """Start the way back; what it gives, if anything, may hold the gradients."""
        return self.function(node) if self.function is not None else getattr(node, self.method or "")()

    def gradient(self, node: Any, given: Any) -> float:
        """What has arrived at a node; 0 where nothing has."""
        found: Any
        if isinstance(given, Mapping):
            found = given.get(node, 0.0)
        else:
            found = getattr(node, self.grad) if self.grad is not None and hasattr(node, self.grad) else 0.0
        is_node = isinstance(self.kind, type) and isinstance(found, self.kind)
        found = found() if callable(found) and not is_node else found
        if found is None:
            return 0.0
        return self.number(found) if is_node else float(found)

    def forget(self, node: Any) -> bool:
        """Set a node's gradient back to 0; whether that can be done."""
        if self.grad is None:
            return False
        try:
            setattr(node, self.grad, type(getattr(node, self.grad))(0.0))
        except (AttributeError, TypeError, ValueError):
            return False
        return True


def attribute(node: Any, names: Sequence[str], holds: float) -> str | None:
    for name in names:
        found = getattr(node, name, None)
        try:
            if found is not None and not callable(found) and float(found) == holds:
                return name
        except (TypeError, ValueError):
            continue
    return None


Expression = Callable[..., Any]


@dataclass(frozen=True)
class Graph:
    """A small program on leaves: as it is written and as it is run."""

    source: str
    """Of the output, in the names a, b, …; lines before it end with semicolons."""
    build: Expression
    leaves: tuple[float, ...]

    def shown(self, engine: str) -> str:
        """The program, as a student would type it."""
        made = "; ".join([f"{name} = {engine}({x:g})" for name, x in zip("abcde", self.leaves, strict=False)])
        steps, _, last = self.source.rpartition(";")
        return f"{made}; {steps + '; ' if steps else ''}y = {last.strip()}; y.backward()"


def methods_called(engine: Engine, graph: Graph) -> frozenset[Any]:
    """The code of every method of a class that building a graph calls: what its operations lean on."""
    own = {method.__code__ for method in vars(engine.kind).values() if hasattr(method, "__code__")}
    seen: set[Any] = set()

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in own:
            seen.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        graph.build(*[engine.leaf(x) for x in graph.leaves])
    except Exception:  # noqa: BLE001  (what it raises is found when it is tried)
        return frozenset()
    finally:
        sys.setprofile(before)
    return frozenset(seen)


@dataclass(frozen=True)
class Outcome:
    """What a graph gave: the output and the gradients of the leaves, or how it failed."""

    out: float = math.nan
    grads: tuple[float, ...] = ()
    failed: str = ""
    missing: bool = False


def run(engine: Engine, graph: Graph) -> Outcome:
    """Build a graph with a student's class, and go back through it."""
    try:
        leaves = [engine.leaf(x) for x in graph.leaves]
        y = graph.build(*leaves)
        if y is NotImplemented:
            return Outcome(failed="it gives NotImplemented", missing=True)
        out = engine.number(y)
    except (TypeError, AttributeError, NotImplementedError, AssertionError) as error:
        return Outcome(failed=failure(error), missing=True)
    except Exception as error:  # noqa: BLE001  (it is the student's program)
        return Outcome(failed=failure(error))
    try:
        given = engine.back(y)
        return Outcome(out, tuple([engine.gradient(leaf, given) for leaf in leaves]))
    except Exception as error:  # noqa: BLE001
        return Outcome(out, failed=f"on the way back: {failure(error)}")


def truth(graph: Graph) -> Outcome:
    """The same with chainrule's engine."""
    leaves = [Value(x) for x in graph.leaves]
    y = graph.build(*leaves)
    y.backward()
    return Outcome(y.data, tuple([float(leaf.grad) for leaf in leaves]))


def near(x: float, y: float) -> bool:
    return math.isclose(x, y, rel_tol=NEAR, abs_tol=NEAR) or (math.isnan(x) and math.isnan(y))


def agrees(found: Outcome, right: Outcome) -> bool:
    """Whether an engine came to the right numbers."""
    return not found.failed and near(found.out, right.out) and all(map(near, found.grads, right.grads))

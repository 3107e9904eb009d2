"""What takes a number out of a graph: given where nothing is lost by it, refused with the way out elsewhere.

A number that has left the graph has no history, and a program that goes on computing with it loses a gradient in
silence. While a transform runs nothing leaves. Elsewhere a loss has to be printed: ``float(loss)`` gives its number and
``a * math.tanh(a)`` must not, though both arrive at the same ``__float__``. What tells them apart is the instruction
that the calling frame stands at; a traceback reads the same when it underlines the part of a line that failed. Where
that instruction leaves a doubt, the number is refused.
"""

# A frame holds whatever the user's program does.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import builtins
import dis
import gc
import inspect
import math
import sys
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from chainrule.core.labels import users_line
from chainrule.core.numpy_calls import function_named
from chainrule.core.state import switches
from chainrule.errors import GraphError

ENGINE = frozenset({__name__, "chainrule.core.value", "chainrule.core.tensor"})
"""Modules whose frames stand between a node and whoever asks for its number."""

RULES = __name__.partition(".")[0] + ".rules."
"""The modules that compute, where a number is never wanted for printing."""

CONVERSIONS = (float, int, complex, np.generic)
"""Types that are called to have a plain number, most often for printing it."""

WHOLE = frozenset({math.trunc, math.floor, math.ceil})
"""Functions that are called to have a whole one."""

PREDICATES = frozenset({"isnan", "isinf", "isfinite", "isclose"})
"""Functions of `math` and `cmath` that say yes or no: a program may branch on the numbers of a graph."""

OUT_OF_SIGHT = object()
"""What an expression leads to where that cannot be told without running it."""

MOST_REMEMBERED = 1024
"""Instructions whose surroundings have been read and are kept; then all are read anew."""

Path = tuple[str, ...]


class Step:
    """An instruction and what its expression names: the called function's path, and the paths of everything in it."""

    __slots__ = ("callee", "joins", "kind", "named")

    def __init__(self, kind: str, callee: Path, named: tuple[Path, ...], joins: bool) -> None:
        self.kind = kind
        self.callee = callee
        self.named = named
        self.joins = joins


steps: dict[tuple[int, int], tuple[CodeType, Step]] = {}
"""What was read, by code and place in it. The code is held, so that its id stays its own."""


def give_number(node: Any) -> None:
    """Refuse a node's number to whoever computes with it; conversions, formatting and yes-or-no questions have it."""
    if not switches.recording:
        return
    frame = asking_frame()
    step = step_of(frame)
    callee = found(frame, step.callee)
    if step.kind == "format" or says_yes_or_no(callee):
        return
    handed = handed_on(frame, step, callee)
    if switches.transforms or in_rules(frame) or not any(map(is_conversion, handed)) or any(map(computes, handed)):
        by_numpy = [numpy_function(frame)] if in_numpy(frame) else []
        raise refusal(node, step, next((x for x in by_numpy + handed if computes(x)), callee))


def give_array(node: Any) -> None:
    """Refuse a tensor's numbers as an array, unless it is a leaf by itself and outside any transform."""
    if not switches.recording:
        return
    frame = asking_frame()
    module = frame.f_globals.get("__name__", "")
    if module.startswith("numpy.testing"):
        return  # it compares, and gives nothing back
    step = step_of(frame)
    callee = found(frame, step.callee)
    if not switches.transforms and not in_rules(frame):
        if is_conversion(callee):
            return
        inside = step.joins or any(isinstance(found(frame, path), list | tuple) for path in step.named)
        if node.is_leaf and not inside and step.kind != "store" and not in_numpy(frame):
            return
    raise refusal(node, step, numpy_function(frame) if in_numpy(frame) else callee)


def give_explicitly(node: Any, method: str) -> None:
    """Refuse a method that hands numbers out while a transform runs."""
    if switches.transforms and switches.recording:
        raise lost(f"{method}()", node, "compute with the node itself")


def give_copy(node: Any) -> None:
    """Refuse a Tensor made of a node: of a leaf while a transform runs, and of a result anywhere."""
    if switches.recording and (switches.transforms or not node.is_leaf):
        raise lost("Tensor()", node, "compute with the node itself, or with x.clone()")


def refuse_branch() -> None:
    """Refuse a comparison of numbers to a function that is recorded for others too."""
    if switches.freezing:
        raise branches("relu, maximum, clip and abs", "frozen")


def branches(chosen_by: str, kind: str) -> GraphError:
    """The error for a branch on numbers in a function that becomes a program for others too."""
    return GraphError(
        f"a branch depends on the data at {users_line()}: the program would hold for these numbers alone. Choose with "
        f"{chosen_by}, or branch outside the {kind} function"
    )


def lost(what: str, node: Any, way: str) -> GraphError:
    """The error for a number that would leave, with what to do instead."""
    return GraphError(
        f"{what} takes the number of {node.describe()} out of the graph, so its gradient would be lost: {way}, or say "
        "with x.detach() or cr.no_grad() that none is to pass"
    )


def refusal(node: Any, step: Step, callee: Any) -> GraphError:
    """The error for an instruction that would take a number out, with the function that stays in the graph."""
    name = getattr(callee, "__name__", "")
    module = (getattr(callee, "__module__", None) or "").partition(".")[0]
    if is_conversion(callee):
        return lost(f"{name}()", node, "compute with the node itself")
    if module in ("math", "cmath"):
        ours = function_named(name)
        way = "use a function of chainrule" if ours is None else f"use cr.{ours.__name__}"
        return lost(f"{module}.{name}", node, way)
    way = "join Tensors with cr.stack, and keep Values in lists, which cr.sum and cr.dot take"
    if step.kind == "store":
        return lost("assignment into an array", node, way)
    if callee is OUT_OF_SIGHT or not name:
        return lost("this line", node, f"use functions of chainrule; {way}")
    return lost(f"np.{name}" if module == "numpy" else name, node, way)


def asking_frame() -> FrameType:
    """The frame whose instruction asks for a number."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") in ENGINE:
        frame = frame.f_back
    return frame


def handed_on(frame: FrameType, step: Step, callee: Any) -> list[Any]:
    """What may be asking: the function that is called, or what that one calls.

    ``list(map(float, xs))`` and ``sorted(xs, key=float)`` run no Python between the line and the node, so what the
    line names is looked through, iterators included.
    """
    if step.kind == "store" or is_conversion(callee) or computes(callee):
        return [callee]
    if step.kind == "call" and not is_builtin(callee):
        return held(callee)
    return [x for path in step.named for x in reached(found(frame, path))]


def in_rules(frame: FrameType) -> bool:
    """Whether a function of this project computes, to which a node was given where it takes a plain number."""
    return frame.f_globals.get("__name__", "").startswith(RULES)


def in_numpy(frame: FrameType) -> bool:
    """Whether a frame runs a function of NumPy's."""
    return frame.f_globals.get("__name__", "").partition(".")[0] == "numpy"


def numpy_function(frame: FrameType) -> Any:
    """The function of NumPy's that the program called, where one calls the other."""
    while frame.f_back is not None and in_numpy(frame.f_back):
        frame = frame.f_back
    return getattr(np, frame.f_code.co_name, np.array)


def is_conversion(x: Any) -> bool:
    """Whether it is called to have a plain number."""
    return issubclass(x, CONVERSIONS) if isinstance(x, type) else is_one_of(x, WHOLE)


def says_yes_or_no(x: Any) -> bool:
    """Whether it is a function of Python's own that asks about a number."""
    return getattr(x, "__module__", None) in ("math", "cmath") and x.__name__ in PREDICATES


def computes(x: Any) -> bool:
    """Whether it is a function of C that gives numbers for numbers."""
    module = (getattr(x, "__module__", None) or type(x).__module__).partition(".")[0]
    known = is_conversion(x) or says_yes_or_no(x)
    return callable(x) and module in ("math", "cmath", "numpy") and not known


def is_builtin(x: Any) -> bool:
    """Whether it is a function or a method of Python's own kinds, such as `list`, `max` or ``", ".join``."""
    kind = getattr(x, "__objclass__", x)
    return x is not OUT_OF_SIGHT and getattr(kind, "__module__", None) == builtins.__name__


def reached(x: Any) -> list[Any]:
    """A thing, and what it will call where it is an iterator such as a `map`."""
    return [x, *held(x)] if hasattr(type(x), "__next__") else [x]


def held(x: Any) -> list[Any]:
    """What an object of C points to."""
    return [] if isinstance(x, ModuleType) or inspect.isroutine(x) else gc.get_referents(x)


def is_one_of(x: Any, functions: frozenset[Any]) -> bool:
    """Membership for what may not be hashable."""
    return any(x is function for function in functions)


def step_of(frame: FrameType) -> Step:
    """The instruction that a frame stands at; read once for each place in a program."""
    key = id(frame.f_code), frame.f_lasti
    known = steps.get(key)
    if known is None:
        if len(steps) >= MOST_REMEMBERED:
            steps.clear()
        known = steps[key] = frame.f_code, read(frame.f_code, frame.f_lasti)
    return known[1]


def read(code: CodeType, place: int) -> Step:
    """What an instruction does, and what is named in its expression, told by its place in the source.

    A call begins where the function that it calls begins: what is loaded last from there is what is called. Without
    places (they can be switched off) or where it is no call, all that the line names counts.
    """
    instructions: list[Any] = list(dis.get_instructions(code))
    current = next(step for step in instructions if step.offset == place)
    where = current.positions
    before = [step for step in instructions if step.offset < place and step.positions is not None]
    kind = "other"
    if current.opname.startswith(("CALL", "PRECALL")):
        kind = "call"
    elif current.opname.startswith("STORE"):
        kind = "store"
    elif current.opname.startswith("BINARY_OP") and "%" in current.argrepr:
        kind = "format"
    if where is None or where.lineno is None:
        return Step(kind, (), (), False)
    if kind == "call" and where.col_offset is None:
        kind = "other"
    if kind == "call":
        within = [step for step in before if spans(where, step.positions)]
        callee = called(current, before)
    else:
        within = [step for step in before if step.positions.lineno == where.lineno]
        callee = ()
    joins = any(step.opname.startswith(("BUILD_LIST", "BUILD_TUPLE", "LIST_")) for step in within)
    return Step(kind, callee, tuple(paths(within)), joins)


def called(call: Any, before: list[Any]) -> Path:
    """The path of the function that a call calls.

    From Python 3.13 on one instruction may load two names and stands where the first does; then what marks the function
    (PUSH_NULL) follows it, and the names of keywords come last.
    """
    if call.opname == "CALL_KW":
        before = before[:-1]
    first = call.positions.lineno, call.positions.col_offset
    there = [k for k, step in enumerate(before) if (step.positions.lineno, step.positions.col_offset) == first]
    marks = [k for k in there if before[k].opname == "PUSH_NULL"]
    if marks and sys.version_info >= (3, 13):
        named = paths(before[: marks[-1]])
    else:
        named = paths([before[k] for k in there])
    return named[-1] if named else ()


def spans(outer: Any, inner: Any) -> bool:
    """Whether one place in the source holds another."""
    if inner.lineno is None or inner.col_offset is None:
        return False
    return (outer.lineno, outer.col_offset) <= (inner.lineno, inner.col_offset) and (
        inner.end_lineno,
        inner.end_col_offset,
    ) <= (outer.end_lineno, outer.end_col_offset)


def paths(instructions: list[Any]) -> list[Path]:
    """Names and their attributes, as ``("math", "tanh")``; a call or an index among them ends a path."""
    out: list[Path] = []
    for step in instructions:
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            if out:
                out[-1] = (*out[-1], step.argval)
        elif step.opname.startswith("STORE_FAST_LOAD_FAST"):
            out.append((step.argval[1],))
        elif step.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")):
            out.extend((name,) for name in (step.argval if isinstance(step.argval, tuple) else (step.argval,)))
        elif step.opname.startswith(("CALL", "BINARY", "LOAD_CONST")):
            out.append(())
    return out


def found(frame: FrameType, path: Path) -> Any:
    """What a path leads to in a frame, without running anything of the user's."""
    if not path:
        return OUT_OF_SIGHT
    name, *attributes = path
    for scope in (frame.f_locals, frame.f_globals, vars(builtins)):
        if name in scope:
            x = scope[name]
            break
    else:
        return OUT_OF_SIGHT
    for attribute in attributes:
        x = inspect.getattr_static(x, attribute, OUT_OF_SIGHT)
    return x

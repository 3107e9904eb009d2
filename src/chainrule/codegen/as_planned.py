"""A program as NumPy with its memory planned: results go to buffers that are used again once nobody reads them.

One operation a line, in the order of the readable source and with the same numbers. What the function gives has memory
of its own; buffers come from ``workspace()``, which a caller makes once for each thread and hands in at every call.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from chainrule.codegen.as_numpy import SPELLED, Printer, method
from chainrule.codegen.identifiers import Names
from chainrule.codegen.numpy_source import head_for
from chainrule.codegen.source import ATOM, Source, used, written
from chainrule.codegen.statements import is_cheap, statements_of
from chainrule.core.operation import kernels
from chainrule.program import Step, Trace

UFUNCS = {
    "abs": "abs", "add": "add", "cos": "cos", "div": "divide", "exp": "exp", "expm1": "expm1", "greater": "greater",
    "greater_equal": "greater_equal", "less": "less", "less_equal": "less_equal", "log": "log", "log1p": "log1p",
    "maximum": "maximum", "minimum": "minimum", "mul": "multiply", "neg": "negative", "sin": "sin", "sqrt": "sqrt",
    "sub": "subtract", "tanh": "tanh",
}  # fmt: skip
"""Operations that NumPy computes into an array that it is given."""


class Planner(Printer):
    """Writes one operation a line, and says where each result lies."""

    in_memory = True
    spelled = SPELLED
    """This runs, so a convolution keeps to the cache: a few images at a time."""

    def __init__(self, trace: Trace, name: str) -> None:
        super().__init__(statements_of(trace, [name, "work", "workspace", *kernels]))
        self.names = Names([*self.lines.names.values(), name, "work", "workspace", *kernels])
        self.outputs = {self.owner(x) for x in trace.outputs if isinstance(x, Step)}
        self.left = Counter([self.owner(x) for step in trace.program.steps if not is_cheap(step) for x in step.needs])
        self.buffer: dict[Step, str] = {}
        self.free: dict[Any, list[str]] = {}
        self.made: dict[str, Any] = {}
        self.written: list[str] = []

    def parameters(self) -> list[str]:
        return [*super().parameters(), "work"]

    def owner(self, x: Step) -> Step:
        """The step whose memory a step lies in: a view's is that of what it is a view of."""
        while x.op is not None and isinstance(x.inputs[0], Step) and shares(self.trace, x, x.inputs[0]):
            x = x.inputs[0]
        return x

    def reading(self, x: Any) -> Any:
        if isinstance(x, Step) and x not in self.found and x.op is not None and not is_cheap(x):
            name = self.names.numbered("t")
            self.written += self.assigned(x, name, "")
        return super().reading(x)

    def line(self, step: Step) -> list[str]:
        before, self.written = self.written, []
        last = self.assigned(step, self.lines.names[step], self.comment(step))
        lines, self.written = [*self.written, *last], before
        return lines

    def assigned(self, step: Step, name: str, comment: str) -> list[str]:
        """The line of a step; its inputs' lines are written before it."""
        inputs, settings = step.given(self.reading)
        source = self.into_buffer(step, inputs, settings)
        return self.assignment(step, name, self.text(step) if source is None else source, comment)

    def into_buffer(self, step: Step, inputs: list[Any], settings: dict[str, Any]) -> Source | None:
        """A call that writes into a buffer; None where NumPy makes an array of its own."""
        if is_cheap(step):  # a view: whoever reads it reads what it is a view of
            return None
        number = self.trace.numbers[step]
        if not step.shape or step in self.outputs or step.op is None:
            self.release(step)
            return None
        name = step.op.name
        if name in UFUNCS or name in ("pow", "relu"):
            if name == "pow" and (
                type(step.inputs[1]) not in (int, float) or step.inputs[1] != 2 or step.inputs[0].dtype != step.dtype
            ):
                self.release(step)
                return None
            self.release(step, lambda x: x.shape == step.shape and self.owner(x) is x)
            out = self.taken(step)
            self.release(step, lambda x: x.shape != step.shape or self.owner(x) is not x)
            word = {"pow": "multiply", "relu": "maximum"}.get(name) or UFUNCS[name]
            given = [inputs[0], inputs[0]] if name == "pow" else [inputs[0], 0] if name == "relu" else inputs
            return Source(f"np.{word}({', '.join(map(written, given))}, out={out})", number, ATOM, used(inputs))
        out = None
        kinds = {(x.ndim, x.dtype) for x in step.input_steps}
        if name == "matmul" and kinds == {(2, step.dtype)}:
            out = self.taken(step)
            source = Source(f"np.dot({', '.join(map(written, inputs))}, out={out})", number, ATOM, used(inputs))
        elif name == "sum":
            out = self.taken(step)
            source = method(inputs[0], "sum", number, **settings, out=Source(out, number))
        self.release(step)
        return None if out is None else source

    def taken(self, step: Step) -> str:
        """A buffer of a step's shape and type."""
        kind = (step.shape, step.dtype.str)
        free = self.free.setdefault(kind, [])
        if free:
            self.buffer[step] = free.pop()
        else:
            self.buffer[step] = self.names.new("buffer")
            self.made[self.buffer[step]] = step
        return self.buffer[step]

    def release(self, step: Step, these: Any = lambda x: True) -> None:
        """Give back the buffers of inputs that nobody else reads."""
        for x in step.needs:
            owner = self.owner(x)
            if these(x):
                self.left[owner] -= 1
                if not self.left[owner] and owner in self.buffer and owner not in self.outputs:
                    self.free[owner.shape, owner.dtype.str].append(self.buffer.pop(owner))


def shares(trace: Trace, x: Step, y: Step) -> bool:
    """Whether a step's result may lie in the memory of an input."""
    if is_cheap(x) or x.operation == "index":
        return True
    one, other = trace.numbers[x], trace.numbers[y]
    return isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and np.may_share_memory(one, other)


def planned_source(trace: Trace, name: str, made_for: str = "") -> str:
    """The module of a program with planned memory: ``workspace()``, and the function with that as its last argument."""
    printer = Planner(trace, name)
    body = printer.body()
    empty = [f"np.empty({x.shape}, dtype={written(x.dtype)})" for x in printer.made.values()]
    buffers = ", ".join(printer.made) + "," * (len(printer.made) == 1)
    function = printer.function(name, [f"    {buffers} = work"] * bool(buffers) + body, made_for)
    rooms = ["    return (", *[f"        {x}," for x in empty], "    )"] if empty else ["    return ()"]
    space = "\n".join(["def workspace():", '    """Room for one call at a time."""', *rooms])
    head = head_for(printer.needed) + printer.tables()
    return "\n\n\n".join([head, space, function][0 if "np." in head + space + function else 1 :]) + "\n"

"""A program as JavaScript: plain functions over flat arrays or nested lists, without dependencies.

For a function ``loss`` the source has

- ``forward(x, …)``: takes the arguments, and gives an object with every one of them and every named step,
- ``backward(values)``: takes that object, and gives one with every gradient by name (``dz`` is that of ``z``),
- ``loss(x, …)``: both together, as one object,
- ``shapes``: the shape of each of them by name, and ``results``: the names of what the function gives, in order.

Arrays come back as Float64Array, row after row; numbers as numbers. In a page the functions stand in a script of their
own; for node they are exported.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from chainrule.codegen.languages import JAVASCRIPT, helpers_in
from chainrule.codegen.loops import Looks, Loops
from chainrule.program import Step, Trace

LOOKS = Looks(
    loop="for (let {} = 0; {} < {}; {}++) {{",
    scalar="const {1} = {2};",
    running="let {1} = {2};",
    array="const {1} = new {0}({2});",
    refuse="if (!(Number.isInteger({0}) && {0} >= 0 && {0} < {1})) throw new RangeError(`place ${{{0}}} of {1}`);",
    place="placeOf({}, {})",
)
PLACE_OF = "function placeOf(k, n) { return k < 0 ? k + n : k; }"
FLAT = (
    "function flat(x, n) {\n"
    '  const entries = (x) => (typeof x === "object" ? Array.from(x, entries).flat() : [Number(x)]);\n'
    "  const out = x instanceof Float64Array || x instanceof Float32Array ? x : Float64Array.from(entries(x));\n"
    "  if (out.length !== n) throw new RangeError(`${out.length} numbers where ${n} belong`);\n"
    "  return out;\n"
    "}"
)

BOTH = """function {name}({call}) {{
  const values = forward({call});
  return {{ ...values, ...backward(values) }};
}}"""
EXPORTED = """if (typeof module !== "undefined") {{
  module.exports = {{ forward, backward, {name}, shapes, results }};
}}"""


class JavaScriptLoops(Loops):
    """Arrays are made where they are filled."""

    def __init__(self, trace: Trace, name: str) -> None:
        super().__init__(trace, name, JAVASCRIPT, LOOKS, ["results", "placeOf"])

    def kind(self, step: Step) -> str:
        return "Float32Array" if step.dtype == np.float32 else "Float64Array"

    def cleared(self, step: Step, first: str = "0") -> list[str]:
        return [] if first in ("0", "0.0") else [f"{self.names[step]}.fill({first});"]

    def written(self) -> str:
        arguments = [self.names[step] for step in self.lines.arguments]
        forward = [text for step in self.lines.forward for text in self.line(step)]
        backward = [text for step in self.lines.backward for text in self.line(step)]
        outputs, extra = self.results()
        (backward if self.lines.backward else forward).extend(extra)
        known = [*arguments, *[self.names[step] for step in self.lines.forward]]
        gradients = [self.names[step] for step in self.lines.backward]
        (gradients if self.lines.backward else known).extend([line.split()[1] for line in extra])
        shapes = {self.names[step]: list(step.shape) for step in self.names}
        arrays = [(self.names[x], x.size) for x in self.lines.arguments if x.shape]
        flattened = [f"{name} = flat({name}, {size});" for name, size in arrays]
        call = ", ".join(arguments)
        parts = [
            *[f"const {name} = [{', '.join(self.texts(array))}];" for name, array in self.tables.items()],
            f"const shapes = {json.dumps(shapes)};",
            f"const results = {json.dumps(outputs)};",
            function("forward", arguments, [*flattened, *forward], known),
            function("backward", ["values"], [f"const {{ {', '.join(known)} }} = values;", *backward], gradients),
            BOTH.format(name=self.name, call=call),
            EXPORTED.format(name=self.name),
        ]
        text = "\n\n".join(parts)
        helpers = [FLAT, *helpers_in(JAVASCRIPT, text), *[PLACE_OF] * ("placeOf(" in text)]
        return "\n\n".join(['"use strict";', *helpers, text]) + "\n"

    def texts(self, array: Any) -> list[str]:
        """The entries of a table."""
        whole = array.dtype.kind in "iub"
        return [str(int(x)) if whole else self.language.number(float(x)).text for x in array.ravel()]

    def results(self) -> tuple[list[str], list[str]]:
        """The names of the results, and lines for those that have none."""
        names: list[str] = []
        lines: list[str] = []
        for k, x in enumerate(self.trace.outputs):
            if isinstance(x, Step) and x in self.names:
                names.append(self.names[x])
                continue
            numbers: Any = self.trace.numbers[x] if isinstance(x, Step) else x
            texts = self.texts(np.asarray(numbers, dtype=float))
            text = f"Float64Array.of({', '.join(texts)})" if np.ndim(numbers) else texts[0]
            name = self.others.free("result", f"result_{k}", "_")
            lines.append(f"const {name} = {text};")
            names.append(name)
        return names, lines


def function(name: str, parameters: list[str], body: list[str], given: list[str]) -> str:
    """A function that gives an object of its variables."""
    inside = "\n".join([f"  {line}" for line in body if line])
    return f"function {name}({', '.join(parameters)}) {{\n{inside}\n  return {{ {', '.join(given)} }};\n}}"


def javascript_source(trace: Trace, name: str) -> str:
    return JavaScriptLoops(trace, name).written()

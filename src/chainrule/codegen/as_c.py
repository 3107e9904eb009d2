"""A program as C99: one function over flat arrays, without dependencies and without allocation."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import numpy as np

from chainrule.codegen.languages import SIGN, C, Text, helpers_in
from chainrule.codegen.loops import Looks, Loops
from chainrule.program import Step, Trace

LOOKS = Looks(
    loop="for (int {} = 0; {} < {}; {}++) {{",
    scalar="const {} {} = {};",
    running="{} {} = {};",
    array="",
    refuse="if ({0} < 0) return 1;",
    place="place_of({}, {})",
)
PLACE_OF = "static int place_of(double k, int n) { return k < -n || k >= n ? -1 : (int)(k < 0 ? k + n : k); }"

IN_CPP = (
    ["", "#ifdef __cplusplus", 'extern "C" {', "#endif", ""],
    ["", "#ifdef __cplusplus", "}", "#endif"],
)
"""Around what a header declares, which sketches for microcontrollers include from C++."""

SAID = """{0} takes {2}, and gives {3}. Arrays are flat, row after row; results are written to the pointers after the
arguments. work has room for {1} doubles. Returns 0, or 1 where a place in an index is out of range."""


class CLoops(Loops):
    """Arrays lie in the results or in the work space that the caller gives."""

    def __init__(self, trace: Trace, name: str) -> None:
        super().__init__(trace, name, C, LOOKS, ["place_of", "work"])
        results = [x for x in self.trace.outputs if isinstance(x, Step)]
        self.given_directly = {x for x in results if x.shape and x.op is not None and results.count(x) == 1}
        self.work = 0
        self.room = self.others.free(f"{self.name.upper()}_WORK", f"{self.name.upper()}_WORK", "_")
        self.results = [(x, self.name_of_result(x)) for x in self.trace.outputs]

    def declared(self, step: Step) -> str:
        if step in self.given_directly:
            return ""
        size, kind = step.size, self.kind(step)
        line = f"{kind} *const {self.names[step]} = work + {self.work};"
        if kind == "float":
            line = f"float *const {self.names[step]} = (float *)(work + {self.work});"
        self.work += size
        return line

    def parameters(self) -> list[str]:
        """What the function takes and gives."""
        given = [self.parameter(step) for step in self.lines.arguments]
        return [*given, *[f"{self.kind_of_result(x)} *{name}" for x, name in self.results], "double *work"]

    def parameter(self, step: Step) -> str:
        """An argument: a number, or an array that is only read."""
        kind = self.kind(step)
        if step.dtype.kind in "iub":
            kind = "bool" if step.dtype == np.bool_ else f"{step.dtype.name}_t"
        return f"const {kind} *{self.names[step]}" if step.shape else f"{kind} {self.names[step]}"

    def read(self, x: Step, text: str) -> Text:
        """Whole numbers that were given are computed with as all others: C's own would be divided and cut off."""
        return Text(f"(double){text}", SIGN) if x.op is None and x.dtype.kind in "iub" else Text(text)

    def kind_of_result(self, x: Any) -> str:
        """The type of a result's numbers."""
        return self.kind(x) if isinstance(x, Step) else "double"

    def name_of_result(self, x: Any) -> str:
        """The name of the array that a result is written to."""
        own = self.names.get(x, "result") if isinstance(x, Step) else "result"
        direct = isinstance(x, Step) and x in self.given_directly
        return own if direct else self.others.free(f"{own}_out", f"{own}_out", "_")

    def written(self) -> tuple[str, str]:
        body = [text for step in (*self.lines.forward, *self.lines.backward) for text in self.line(step)]
        for x, name in self.results:
            if isinstance(x, Step) and x in self.given_directly:
                continue
            body += self.copied(x, name)
        head = f"int {self.name}({', '.join(self.parameters())})"
        work = f"#define {self.room} {max(self.work, 1)}"
        tables = [self.static(name, array) for name, array in self.tables.items()]
        inside = "\n".join([f"  {line}" for line in body if line])
        helpers = helpers_in(C, inside) + [PLACE_OF] * ("place_of(" in inside)
        code = re.sub("//.*", "", inside)
        said_nowhere = [self.names[x] for x in self.lines.arguments if not re.search(rf"\b{self.names[x]}\b", code)]
        unused = "".join([f"  (void){name};\n" for name in [*said_nowhere, *["work"] * (not self.work)]])
        said = self.said()
        kinds = {step.dtype.kind for step in self.lines.arguments}
        types = ["#include <stdbool.h>"] * ("b" in kinds) + ["#include <stdint.h>"] * bool(kinds & {"i", "u"})
        before = [said, work, "", "#include <math.h>", *types, "", *helpers, *tables, ""]
        source = "\n".join([*before, f"{head} {{", f"{unused}{inside}", "  return 0;", "}", ""])
        guard = f"{self.name.upper()}_H"
        above = [f"#ifndef {guard}", f"#define {guard}", "", *types, *[""] * bool(types), said, work]
        header = "\n".join([*above, *IN_CPP[0], f"{head};", *IN_CPP[1], "", "#endif", ""])
        return source, header

    def said(self) -> str:
        """A comment on how the function is called."""
        takes = ", ".join([f"{self.names[x]} {x.shape or 'number'}" for x in self.lines.arguments]) or "nothing"
        shapes = [x.shape if isinstance(x, Step) else np.shape(x) for x, _ in self.results]
        gives = ", ".join(
            [f"{name} {shape or 'number'}" for (_, name), shape in zip(self.results, shapes, strict=True)]
        )
        gives = gives or "nothing"
        return "/* " + "\n   ".join(textwrap.wrap(SAID.format(self.name, self.room, takes, gives), 116)) + " */"

    def copied(self, x: Any, name: str) -> list[str]:
        """A result that is written nowhere else."""
        if not isinstance(x, Step):
            numbers = np.asarray(x, dtype=float)
            if numbers.ndim:
                table = self.table(numbers, "numbers")
                return [self.looks.loop.format("i", "i", numbers.size, "i"), f"  {name}[i] = {table}[i];", "}"]
            return [f"*{name} = {C.number(float(numbers)).text};"]
        if not x.shape:
            return [f"*{name} = {self.entry(x, np.array(0)).text};"]
        body = self.in_loops(
            x.shape, lambda shape: (np.arange(x.size).reshape(shape), self.entry(x, np.arange(x.size).reshape(shape)))
        )
        return self.rounds(body, name, "=")

    def static(self, name: str, array: Any) -> str:
        """A table of the program's own."""
        kind = "int" if array.dtype.kind in "iu" else "double"
        numbers = [str(int(x)) if kind == "int" else C.number(float(x)).text for x in array.ravel()]
        return f"static const {kind} {name}[{max(len(numbers), 1)}] = {{{', '.join(numbers) or '0'}}};"


def c_source(trace: Trace, name: str) -> tuple[str, str]:
    """The C source of a program, and its header."""
    return CLoops(trace, name).written()

"""What a compiled function runs for one kind of arguments: a plan of kernels, or NumPy written out.

Whoever runs kernels waits for no printer: what writes source loads when source is asked for.
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.codegen.native import NotPlanned, Planner, machine
from chainrule.codegen.simplified import reached, with_numbers
from chainrule.core import Value
from chainrule.core.graph import Node
from chainrule.core.instructions import Plan
from chainrule.core.tree import LEAF, unflatten
from chainrule.errors import DtypeError, FileError
from chainrule.program import Step, Trace
from chainrule.threads import Local

if TYPE_CHECKING:
    from pathlib import Path

    from chainrule.files import PathLike

RUNS = ("native", "numpy")
"""What a compiled function can run on."""

TARGETS = ("numpy", "jax", "javascript", "c")
"""What a program is written in, as text."""

SUFFIXES = {".py": "numpy", ".js": "javascript", ".c": "c", ".onnx": "onnx"}
"""What a file's ending says that it is written in."""

STAYS, ADVANCES = -1, -2
"""Roles of a program's inputs in many steps, beside the place of the result that an input becomes."""


def default_target() -> str:
    """The kernels, where they were built."""
    return "native" if machine is not None else "numpy"


def plain(x: Any) -> Any:
    """The numbers of an argument."""
    if isinstance(x, Node | Value):
        return x.data
    return np.asarray(x) if isinstance(x, np.ndarray) else x


class InThread(Local):
    """A written function with a workspace of its own in every thread."""

    def __init__(self, function: Callable[..., Any], workspace: Callable[[], Any], results: int) -> None:
        self.function = function
        self.results = results
        self.work = workspace()

    def __call__(self, *inputs: Any) -> Any:
        out = self.function(*inputs, self.work)
        return (out,) if self.results == 1 else out if self.results else ()


class Version:
    """A program for one kind of arguments, and what runs it.

    `whole` is the program as it was traced, before the laws; `fired` counts these. `run` takes arrays and gives a
    tuple of results. `attempt` does so for a tuple of arguments whose arrays are exactly as they should be, and gives
    what the function gives; NotImplemented for others.
    """

    def __init__(
        self, trace: Trace, whole: Trace, fired: Counter[str], made_for: str, name: str, target: str, given: Any = None
    ) -> None:
        self.trace = trace
        self.whole = whole
        self.fired = fired
        self.made_for = made_for
        self.name = name
        self.by_numpy: Counter[str] = Counter()
        self.reason = ""
        self.attempt: Callable[..., Any] | None = None
        self.native: Any = None
        self.plan: Plan | None = None
        self.instructions = self.shared = 0
        self.given = given
        """The structure of the arguments; None where settings stand by their names."""
        self.is_tuple = trace.structure == (tuple, None, (LEAF,) * len(trace.outputs))
        kernels = self.on_kernels() if target == "native" else None
        self.run: Callable[..., Any] = self.on_numpy() if kernels is None else kernels

    def on_kernels(self) -> Callable[..., Any] | None:
        """The program on the kernel machine; None, with the reason, where it has nothing for it."""
        if machine is None:
            self.reason = "the kernels were not built with this package"
            return None
        if not any([isinstance(x, Step) for x in self.trace.outputs]):
            self.reason = "no result depends on an argument"
            return None
        try:
            planner = Planner(self.trace)
            self.native = planner.planned()
        except NotPlanned as reason:
            self.reason = str(reason)
            return None
        self.by_numpy, self.plan = planner.numpy, planner.plan
        self.instructions, self.shared = self.plan.instructions, self.plan.shared
        if all([isinstance(x, Step) for x in self.trace.outputs]):
            arrays = all([x is not None and x not in planner.weak for x in self.trace.given])
            if arrays and self.given is not None and not self.trace.held and not self.by_numpy:
                self.native.shape(self.given, self.trace.structure)
                self.attempt = self.native.attempt
            return self.native
        return self.with_constants

    def with_constants(self, *inputs: Any) -> tuple[Any, ...]:
        """The results of the kernels, and those that depend on no argument."""
        made = iter(self.native(*inputs))
        return tuple([next(made) if isinstance(x, Step) else x for x in self.trace.outputs])

    def on_numpy(self) -> Callable[..., Any]:
        module: dict[str, Any] = {}
        exec(builtins.compile(self.planned, f"<compiled {self.name}>", "exec"), module)  # noqa: S102  (text that this package wrote)
        return InThread(module[self.name], module["workspace"], len(self.trace.outputs))

    @cached_property
    def told_apart(self) -> Trace:
        """The program as it is written out."""
        from chainrule.codegen.statements import with_gradients_apart

        return with_gradients_apart(self.trace)

    @cached_property
    def source(self) -> str:
        """The program as readable NumPy."""
        from chainrule.codegen.as_numpy import numpy_source

        return numpy_source(self.told_apart, self.name, f"Made for {self.made_for}.")

    @cached_property
    def planned(self) -> str:
        """The same with buffers."""
        from chainrule.codegen.as_planned import planned_source

        return planned_source(self.told_apart, self.name, f"Made for {self.made_for}.")

    def written(self, name: str, target: str, *, planned: bool = False, numbers: bool = False) -> str:
        """The program as a module in a language; with `numbers` those of arrays from outside are in it."""
        traced, made_for = self.told_apart, f"Made for {self.made_for}."
        if target == "numpy" and not numbers:
            return self.planned if planned else self.source
        traced = with_numbers(traced) if numbers else traced
        if target == "numpy":
            from chainrule.codegen.as_numpy import numpy_source
            from chainrule.codegen.as_planned import planned_source

            return planned_source(traced, name, made_for) if planned else numpy_source(traced, name, made_for)
        if target == "jax":
            from chainrule.codegen.as_jax import jax_source

            return jax_source(traced, name, made_for)
        if target == "javascript":
            from chainrule.codegen.as_javascript import javascript_source

            return javascript_source(traced, name)
        if target == "c":
            from chainrule.codegen.as_c import c_source

            return c_source(traced, name)[0]
        other = "; ONNX is no text: write it to a file, as write('step.onnx') does" if target == "onnx" else ""
        raise DtypeError(f"source is written for {', '.join(TARGETS)}, not for {target!r}{other}")

    def write(self, path: PathLike, name: str, target: str | None = None) -> list[Path]:
        """Write the program with all its numbers to a file in the language of its ending; the files that there are."""
        from pathlib import Path

        from chainrule.files import write_whole

        place = Path(path)
        kind = target or SUFFIXES.get(place.suffix, "")
        if kind == "onnx":
            from chainrule.codegen.as_onnx import onnx_model

            write_whole(place, onnx_model(with_numbers(self.told_apart), name))
            return [place]
        if kind not in TARGETS:
            unknown = (
                f"{place} ends with none of {', '.join(SUFFIXES)}" if target is None else f"{target!r} is no target"
            )
            raise FileError(f"{unknown}: name one of {', '.join([*TARGETS, 'onnx'])}")
        if kind == "c":
            from chainrule.codegen.as_c import c_source

            if place.suffix == ".h":
                raise FileError(f"{place} is where the header goes: name the source, as {place.with_suffix('.c')}")
            text, header = c_source(with_numbers(self.told_apart), name)
            write_whole(place, text)
            write_whole(place.with_suffix(".h"), header)
            return [place, place.with_suffix(".h")]
        write_whole(place, self.written(name, kind, numbers=True))
        return [place]

    def filled(self, results: tuple[Any, ...]) -> Any:
        """Results as the function gave them."""
        return results if self.is_tuple else unflatten(self.trace.structure, results)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is read from outside, and every result has memory of its own without a copy."""
        results = [x for x in self.trace.outputs if isinstance(x, Step)]
        if self.trace.held or len(results) != len(self.trace.outputs):
            return False
        if self.native is not None:
            return True
        from chainrule.codegen.as_planned import shares

        made = [x for x in results if x.op is not None]
        own = [x for x in made if not any([shares(self.trace, x, y) for y in x.needs]) and (x.shape or gives_number(x))]
        return len(own) == len(set(own)) == len(results)

    def shortened(self) -> list[str]:
        """How many operations there were and are, and which laws did something, for `explain`."""
        before, live, after = [
            x.total() for x in (operations(self.whole), operations(self.whole, live=True), operations(self.trace))
        ]
        laws = [f"  {count} × {law}" for law, count in self.fired.most_common()]
        laws += [f"  {before - live} × dead lines dropped"] * (before > live)
        traced = "1 operation was" if before == 1 else f"{before} operations were"
        return [f"{traced} traced, and {after} {'is' if after == 1 else 'are'} left{':' if laws else '.'}", *laws]

    def told(self) -> list[str]:
        """What the operations that are left run on, for `explain`."""
        from chainrule.printable import several  # its tables of characters are for when something is said

        left = operations(self.trace)
        if self.native is None:
            why = [f"Not on kernels: {self.reason}."] * bool(self.reason)
            return [*why, "All of them run through NumPy, as source() shows: " + counted(left)]
        assert machine is not None
        kernels = self.instructions - self.by_numpy.total()
        many = f"{several(kernels, 'kernel')} ({machine.kernels()})"
        lines = [f"They run as {many}: {counted(left - self.by_numpy)}"] * (kernels > 0)
        if self.shared:
            lines.append(f"Threads share out {self.shared} of the kernels, which changes no number.")
        if self.plan is not None and self.plan.times > 1:
            lines.append(f"Examples go through them in {self.plan.times} turns, which fit into the processor's caches.")
        if self.by_numpy:
            lines.append("Without a kernel, and so through NumPy: " + counted(self.by_numpy))
        return lines


def counted(operations: Counter[str]) -> str:
    """How many there are of each, the most first."""
    return ", ".join([f"{n} {name}" for name, n in sorted(operations.items(), key=lambda pair: (-pair[1], pair[0]))])


def operations(traced: Trace, *, live: bool = False) -> Counter[str]:
    """How many operations of each name a program has; with `live` only those that some output needs."""
    steps = reached(traced.program.outputs) if live else traced.program.steps
    return Counter([step.op.name for step in steps if step.op is not None])


def gives_number(step: Step) -> bool:
    """Whether NumPy gives a number for a result without axes, and no array."""
    from chainrule.codegen.as_planned import UFUNCS

    return step.operation in {*UFUNCS, "largest", "mean", "smallest", "sum"}

"""Rules written out as NumPy source that runs without this package.

The text comes from running the rule's forward and its derivatives on pieces of source (`Source`): no derivative is
stated here.
"""

from __future__ import annotations

import dis
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from types import CodeType
from typing import Any

import numpy as np

from chainrule.codegen.source import Source, call, written
from chainrule.core.operation import Fused, Operation, book, kernels
from chainrule.errors import ChainruleError

WRITTEN = "chainrule.rules.derivatives."

WIDTH = 110
"""Longer results are written on one line for each part."""


def write_rule(operation: Operation, *example_inputs: Any, **settings: Any) -> str:
    """A module of plain NumPy with the rule's ``forward(*inputs)`` and ``backward(g, out, *inputs)``.

    `example_inputs` are arrays or numbers: the source holds for inputs of their shapes and dtypes and for these
    settings, which it contains as literals. `backward` takes the cotangent of the output, the output and the inputs,
    and gives one share for each input, None where the output has no derivative in it. Kernels that the rule calls are
    carried whole. O(size of the source); the example is computed along.

    >>> import chainrule as cr
    >>> from chainrule.codegen import write_rule
    >>> print(write_rule(cr.tanh, 0.5))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def forward(x):
        return np.tanh(x)
    <BLANKLINE>
    <BLANKLINE>
    def backward(g, out, x):
        return (g * (1 - out * out),)
    <BLANKLINE>
    """
    settings = operation.complete(settings)
    parameters, inputs = parameters_of(operation, example_inputs)
    result = operation(*inputs, **settings)
    out = Source("out", result.value if isinstance(result, Source) else result)
    g = Source("g", np.ones_like(out.value))
    shares = [share_of(operation, i, g, out, inputs, settings) for i in range(len(inputs))]
    needed = (result, *shares)
    head = head_for(needed)
    forward = f"def forward({parameters}):\n    return {written(result)}\n"
    backward = f"def backward(g, out, {parameters}):\n    return {in_parentheses(shares)}\n"
    return "\n\n\n".join([head, forward.rstrip(), backward])


def parameters_of(operation: Operation, examples: Sequence[Any]) -> tuple[str, list[Source]]:
    """The parameters of the written functions, and a Source for each input."""
    if len(examples) != len(operation.inputs) and not operation.variadic:
        raise ChainruleError(f"{operation.name} has {len(operation.inputs)} inputs and got {len(examples)} examples")
    values = [np.float64(x) if type(x) in (float, int) else np.asarray(x)[()] for x in examples]
    taken = {"g", "out", "np", *kernels}
    names = [f"{name}_" if name in taken else name for name in operation.inputs]
    if operation.variadic:
        lead = names[:-1]
        texts = lead + [f"{names[-1]}[{i}]" for i in range(len(examples) - len(lead))]
        return ", ".join([*lead, f"*{names[-1]}"]), [Source(*pair) for pair in zip(texts, values, strict=True)]
    return ", ".join(names), [Source(*pair) for pair in zip(names, values, strict=True)]


def share_of(
    operation: Operation, i: int, g: Source, out: Source, inputs: Sequence[Source], settings: dict[str, Any]
) -> Any:
    """What of the cotangent reaches input i, in that input's shape and dtype; None where it has no derivative."""
    x = inputs[i]
    if not operation.differentiable(i) or x.dtype.kind != "f":
        return None
    share = written_whole(operation, i, [g, *inputs], settings)
    if share is None:
        share = operation.pull(i, g, out, inputs, settings)
    if share.shape != x.shape:
        share = book["sum_to"](share, shape=x.shape)
    return share if share.dtype == x.dtype else share.astype(x.dtype)


def written_whole(operation: Operation, i: int, given: Sequence[Source], settings: dict[str, Any]) -> Source | None:
    """A call of an adjoint that was written from a composition, which is carried as kernels are; None of others."""
    adjoint: Any = operation.adjoint[i] if isinstance(operation, Fused) else None  # type: ignore[index]
    if adjoint is None or not adjoint.__module__.startswith(WRITTEN):
        return None
    kernels.setdefault(adjoint.__name__, adjoint)
    return call(adjoint, adjoint.__name__, given, settings, frozenset([adjoint.__name__]))


def in_parentheses(shares: Sequence[Any]) -> str:
    """The shares as a tuple, on one line or on one line each."""
    texts = [written(share) for share in shares]
    together = "(" + ", ".join(texts) + ("," if len(texts) == 1 else "") + ")"
    if len(together) <= WIDTH:
        return together
    return "(\n" + "".join(f"        {text},\n" for text in texts) + "    )"


def head_for(needed: Iterable[Any]) -> str:
    """The head of a module: NumPy, and the kernels that these call."""
    return "\n".join(["import numpy as np", *carried(kernels_of(needed))]).rstrip()


def kernels_of(needed: Iterable[Any]) -> list[str]:
    """The kernels that these call, and those that the kernels call, each after what it needs."""
    order: list[str] = []
    met: set[str] = set()

    def visit(name: str) -> None:
        if name not in met:
            met.add(name)
            for other in kernels_called(kernels[name]):
                visit(other)
            order.append(name)

    for source in needed:
        for name in sorted(source.kernels) if isinstance(source, Source) else ():
            visit(name)
    return order


def kernels_called(function: Callable[..., Any]) -> list[str]:
    return [name for name in global_names(function.__code__) if is_kernel(name, function.__globals__.get(name))]


def is_kernel(name: str, thing: Any) -> bool:
    return name in kernels and callable(thing) and getattr(thing, "__name__", "") == name


def global_names(code: CodeType) -> list[str]:
    """The names that a function reads from outside, those of the functions inside it included."""
    names = [step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"]
    for part in code.co_consts:
        if isinstance(part, CodeType):
            names += global_names(part)
    return names


def carried(names: Sequence[str]) -> list[str]:
    """The text of kernels, after the constants that they use."""
    constants: dict[str, str] = {}
    texts: list[str] = []
    for name in names:
        function = kernels[name]
        for used in global_names(function.__code__):
            thing = function.__globals__.get(used)
            if isinstance(thing, float | int | tuple | np.ndarray):
                constants[used] = f"{used} = {written(thing)}"
            elif thing is not None and thing is not np and not is_kernel(used, thing):
                where = getattr(sys.modules.get(function.__module__), "__name__", "its module")
                raise ChainruleError(
                    f"the kernel {name} uses {used} of {where}, which written source cannot carry: use NumPy, numbers "
                    "and other kernels alone"
                )
        texts.append("\n\n" + without_decorators(inspect.getsource(function)).rstrip())
    return ["", *constants.values(), *texts] if constants else texts


def without_decorators(text: str) -> str:
    """A function's source from its ``def`` on, not indented."""
    lines = textwrap.dedent(text).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("def "))
    return "\n".join(lines[start:])

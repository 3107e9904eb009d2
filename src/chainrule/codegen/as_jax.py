"""A program as a JAX function: it runs, and is compiled by jax.jit, on whatever device JAX has."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.codegen.as_numpy import SPELLED, Printer, by_rule
from chainrule.codegen.primitive import EXACTLY, lowered
from chainrule.codegen.source import ATOM, SUM, Source, enclosed, subscript, used, written
from chainrule.codegen.statements import statements_of
from chainrule.core.operation import Operation, book, kernels
from chainrule.core.state import Quiet
from chainrule.errors import ChainruleError
from chainrule.program import Step, Trace
from chainrule.program.steps import replaced


def call(name: str) -> Callable[..., Any]:
    """A call of a function of JAX, settings by name."""

    def spelled(value: Any, *inputs: Any, **settings: Any) -> Source:
        given = [*map(written, inputs), *[f"{key}={written(x)}" for key, x in settings.items()]]
        return Source(f"{name}({', '.join(given)})", value, ATOM, used(inputs))

    return spelled


def scattered(value: Any, x: Any, *, key: Any, shape: Any) -> Source:
    """Entries added into zeros."""
    text = f"np.zeros({shape}, dtype={written(np.asarray(value).dtype)}).at[{subscript(key)}].add({written(x)})"
    return Source(text, value, ATOM, used([x, key]))


def divided(value: Any, x: Any, y: Any) -> Source:
    """How often y goes into x; whole numbers by 0 are 0, as in NumPy."""
    quotient = call("np.floor_divide")(value, x, y)
    if np.asarray(value).dtype.kind == "f":
        return quotient
    return Source(f"np.where({enclosed(y, SUM)} == 0, 0, {quotient.text})", value, ATOM, used([x, y]))


def raised(value: Any, x: Any, y: Any) -> Any:
    """A power, whole ones as NumPy's users write them; its half power knows minus infinity."""
    spelled = SPELLED["pow"](value, x, y)
    return call("np.power")(value, x, y) if spelled is NotImplemented or spelled.kernels else spelled


def sorting(value: Any, x: Any, *, axis: Any, descending: Any, **_: Any) -> Source:
    turned = ", descending=True" * bool(descending)
    return Source(f"np.argsort({written(x)}, axis={axis}, stable=True{turned})", value, ATOM, used([x]))


WORDS: dict[str, Callable[..., Any]] = {
    **SPELLED,
    "argsort": sorting,
    "astype": lambda value, x, dtype: Source(f"np.asarray({written(x)}, dtype={written(np.dtype(dtype))})", value),
    "broadcast_to": call("np.broadcast_to"),
    "cholesky": call("np.linalg.cholesky"),
    "det": call("np.linalg.det"),
    "erf": call("jax.scipy.special.erf"),
    "erfc": call("jax.scipy.special.erfc"),
    "floor_divide": divided,
    "inv": call("np.linalg.inv"),
    "log_softmax": call("jax.nn.log_softmax"),
    "logsumexp": call("jax.nn.logsumexp"),
    "pow": raised,
    "scatter": scattered,
    "sigmoid": call("jax.nn.sigmoid"),
    "softmax": call("jax.nn.softmax"),
    "solve": call("np.linalg.solve"),
    "swap": lambda value, x: Source(f"np.swapaxes({written(x)}, -1, -2)", value, ATOM, used([x])),
    "take_along_axis": call("np.take_along_axis"),
}
"""Operations that JAX spells in its own way; `np` stands for `jnp` until the end."""


def can_say(operation: Operation, step: Step, numbers: dict[Step, Any]) -> bool:
    """Whether an operation's own forward leaves text that JAX runs: one without kernels."""
    if operation.name in WORDS:
        return True
    try:
        inputs = replaced(list(step.inputs), lambda x: Source("x", numbers[x]))
        settings = replaced(dict(step.settings), lambda x: Source("x", numbers[x]))
        with Quiet():
            source = by_rule(operation, inputs, settings)
    except (ChainruleError, ValueError, TypeError, AttributeError):
        return False
    return isinstance(source, Source) and not source.kernels


def words_for(trace: Trace) -> set[str]:
    """The operations of a program that JAX has words for, and those that other rules may be taken apart into."""
    words = {step.op.name for step in trace.program.steps if step.op and can_say(step.op, step, trace.numbers)}
    plain = [name for name, rule in book.items() if rule.composition is None and name not in kernels]
    return words | WORDS.keys() | {name for name in plain if type(rule_text(book[name])) is Source}


def rule_text(operation: Operation) -> Any:
    """The text of a rule on inputs of its declared shapes, if that is free of kernels; None otherwise."""
    try:
        inputs = [Source("x", np.ones(shape)) for shape in operation.shapes]
        with Quiet():
            source = by_rule(operation, inputs, operation.complete(dict(operation.examples[0])))
    except (ChainruleError, ValueError, TypeError, AttributeError, IndexError):
        return None
    return source if isinstance(source, Source) and not source.kernels else None


class JaxPrinter(Printer):
    """Writes the lines of a program in JAX's words."""

    spelled = WORDS


def jax_source(trace: Trace, name: str, made_for: str = "") -> str:
    """The module of a program for JAX: one pure function of its arguments."""
    trace = lowered(trace, (words_for(trace) | EXACTLY).__contains__, "JAX")
    printer = JaxPrinter(statements_of(trace, [name]))
    body = printer.body()
    tables = printer.tables().strip()
    text = f"{tables}\n\n\n" * bool(tables) + printer.function(name, body, made_for)
    missing = sorted({kernel for source in printer.needed for kernel in source.kernels})
    if missing:
        raise ChainruleError(f"{', '.join(missing)} cannot be written in JAX: source() has it")
    text = re.sub(r"\bnp\.", "jnp.", text)
    double = any(step.dtype == np.float64 for step in trace.program.steps)
    imports = ["import jax"] * (double or "jax." in text) + ["import jax.numpy as jnp"] * ("jnp." in text)
    setting = ['jax.config.update("jax_enable_x64", True)  # double precision, as the program was made'] * double
    head = "\n".join([*imports, *[""] * bool(setting), *setting])
    return f"{head}\n\n\n{text}\n" if head else f"{text}\n"

"""The command `compile`: a formula with its derivatives, or a trained network, written out as a program of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from chainrule.cli.telling import SUFFIX, FormulaOrModel
from chainrule.errors import FileError

if TYPE_CHECKING:
    from chainrule.codegen.compiled import Compiled


def compile_(
    source: FormulaOrModel,
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE | NAME:SHAPE]...", help="Values or shapes of the formula's names."),
    ] = None,
    target: Annotated[
        str, typer.Option(help="numpy, jax, javascript, c or onnx. [numpy, or what --out ends with]")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Write to this file: .py, .js, .c (with its .h) or .onnx.")] = None,
    wrt: Annotated[str, typer.Option(help="The names to differentiate in. [all names]")] = "",
) -> None:
    """Write a formula with its gradient, or a trained network, as a program that runs without chainrule.

    Of a network it takes encoded rows, as the columns of its table give them, and gives the scores or numbers. C and
    JavaScript take one row at a time, and so does, in every language, a network with vectors for texts.
    """
    from chainrule.codegen.version import SUFFIXES, TARGETS
    from chainrule.files import refuse_overwriting

    ending = SUFFIXES.get(out.suffix, "") if out is not None else "numpy"
    kinds = (*TARGETS, "onnx")
    if (target or ending) not in kinds:
        wrong = f"--target {target}" if target else f"{out}"
        raise typer.BadParameter(f"{wrong} names no target: there are {', '.join(kinds)}")
    if target == "onnx" and out is None:
        raise typer.BadParameter("an ONNX file is not text: name a file with --out")
    refuse_overwriting(out, [source] if source.endswith(SUFFIX) else [])
    if source.endswith(SUFFIX):
        if given:
            raise typer.BadParameter("a network takes no values: leave them out")
        made = of_network(Path(source))
    else:
        made = of_formula(source, given or [], wrt)
    if out is None:
        typer.echo(made.source(target or "numpy", numbers=True), nl=False)
        return
    if out.is_dir():
        raise FileError(f"{out} is a folder: name a file")
    for path in made.write(out, target or None):
        typer.echo(f"wrote {path}")


def of_network(path: Path) -> Compiled:
    """A trained network for one row, with its weights."""
    import chainrule as cr
    from chainrule.training import load_model

    model = load_model(path)
    made = cr.compile(model.net)
    made.name = "network"
    made(np.zeros((1, len(model.columns.names)), np.float32))
    return made


def of_formula(text: str, given: Sequence[str], wrt: str) -> Compiled:
    import chainrule as cr
    from chainrule.derivation.typed.formula import read_formula

    typed = read_formula(text, given, wrt)
    values = [typed.values.get(name, np.ones(typed.shapes[name])[()]) for name in typed.names]
    f = function_of(typed)
    shape = np.shape(f(*values))
    if not shape:
        f = cr.value_and_grad(f, argnums=tuple([typed.names.index(name) for name in typed.wrt]))
    made = cr.compile(f)
    made.name = "formula"
    made(*[float(x) if not np.ndim(x) else np.asarray(x, float) for x in values])
    return made


def function_of(typed: Any) -> Callable[..., Any]:
    """A formula as a function of its names, in which the results of its lines have theirs."""

    def formula(*numbers: Any) -> Any:
        out: Any = None
        for name, out in typed.parsed.results(dict(zip(typed.names, numbers, strict=True))):
            if hasattr(out, "named") and name:
                out.named(name)
        return out

    parameters = [Parameter(name, Parameter.POSITIONAL_ONLY) for name in typed.names]
    formula.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  (Python reads it where it is there)
    return formula

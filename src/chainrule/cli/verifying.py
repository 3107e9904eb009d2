"""The commands that check the work of others: gradients, models beside PyTorch, and engines; the work is in verify."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.batch import each, hand_in_all, passed
from chainrule.cli.telling import Json, Saved, say
from chainrule.errors import CodeError
from chainrule.table import json_of

RunCode = Annotated[bool, typer.Option("--run-code", help="Run the program: without this, nobody's code is run.")]
Seconds = Annotated[float, typer.Option(min=1, help="How long the program may run.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws directions, and the inputs of which only a shape is given.")]
ROWS = 64
"""Of a table, so many rows are one batch to check."""


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FUNCTION | MODEL", help="FILE.py:FUNCTION, MODULE:FUNCTION, FOLDER:FUNCTION, or a network's file."
        ),
    ],
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE | NAME:SHAPE | DATA]...", help="The function's inputs, or the table."),
    ] = None,
    cheap: Annotated[
        bool, typer.Option("--cheap", help="Move each input along two random directions, not entry by entry.")
    ] = False,
    order: Annotated[int, typer.Option(min=1, max=2, help="2 for the gradient's own derivatives too.")] = 1,
    seed: Seed = 0,
    run_code: RunCode = False,
    seconds: Seconds = 60,
    as_json: Json = False,
) -> None:
    """Compare gradients with differences, and say where one is wrong, by which factor, and what the mistake is.

    FUNCTION may be a function, an autograd.Function of PyTorch, or two with a comma: forward,backward. Exit code 1
    where a gradient is wrong.
    """
    settings = {"cheap": cheap, "order": order, "seed": seed}
    if Path(target).suffix != ".py" and (":" not in target or Path(target).exists()):
        hand_in(of_network(Path(target), list(given or []), settings), as_json)
        return
    path, name = code_of(target, "FUNCTION")

    def look(file: str) -> dict[str, Any]:
        return apart("gradients_of_code", [file, name, list(given or []), settings], run_code, target, seconds)

    one_or_all(path, look, as_json)


def check_engine(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE:CLASS", help="A class of nodes, as micrograd's Value; of a FOLDER in each file."),
    ],
    backward: Annotated[str, typer.Option(help="The function of FILE that goes back, where it is no method.")] = "",
    run_code: RunCode = False,
    seconds: Seconds = 60,
    as_json: Json = False,
) -> None:
    """Find the mistakes of an engine that somebody wrote, each with its method and the smallest graph that shows it.

    Exit code 1 where there is one.
    """
    path, name = code_of(target, "CLASS")

    def look(file: str) -> dict[str, Any]:
        return apart("engine_of_code", [file, name, backward], run_code, target, seconds)

    one_or_all(path, look, as_json)


def compare(
    model: Saved,
    data: Annotated[str, typer.Argument(metavar="DATA", help="The table, as chainrule evaluate takes it.")],
    as_json: Json = False,
) -> None:
    """Run a trained network, or each of a folder, and its backward pass again in PyTorch, and show both side by side.

    Exit code 1 where they differ by more than rounding. Needs PyTorch.
    """
    from chainrule.verify.compare import compare as beside

    def look(file: str) -> dict[str, Any]:
        name, net, x, y, loss = batch_of(Path(file), data)
        found = beside(net, x, y, loss=loss)
        return {**found.as_dict(), "text": f"on {len(x)} of {name}: {found}"}

    one_or_all(str(model), look, as_json, ".safetensors")


def one_or_all(path: str, look: Callable[[str], dict[str, Any]], as_json: bool, ending: str = ".py") -> None:
    """What is found of a file, or of every file of a folder with that ending."""
    if Path(path).is_dir():
        hand_in_all(list(each(Path(path), (ending,), lambda file: look(str(file)))), as_json)
    else:
        hand_in(look(path), as_json)


def code_of(target: str, what: str) -> tuple[str, str]:
    """The file and the name in ``FILE:NAME``."""
    path, _, name = target.rpartition(":")
    if not path or not name:
        raise typer.BadParameter(f"{target} is no FILE.py:{what}")
    return path, name


def apart(
    task: str, arguments: list[Any], run_code: bool, target: str, seconds: float, to: str = "check"
) -> dict[str, Any]:
    """Run a task on a user's program in a process of its own; refused unless that was allowed."""
    from chainrule.verify.running import Limits, run_apart

    if not run_code:
        raise CodeError(f"to {to} {target}, its code has to be run: add --run-code if you trust it")
    ran = run_apart(f"chainrule.verify.tasks:{task}", arguments, Limits(seconds), Path.cwd())
    if ran.printed.strip():
        say(f"chainrule: the program printed:\n{ran.printed.rstrip()}", err=True)
    return ran.result


def hand_in(found: dict[str, Any], as_json: bool, hints: int = 0) -> None:
    """Print what was found, or so many hints at what is wrong, and exit with 1 where something is."""
    text = found.pop("text")
    if as_json:
        typer.echo(json_of(found))
    else:
        say(text if not hints or passed(found) else "\n".join(found["hints"][:hints]))
    if not passed(found):
        raise typer.Exit(1)


def of_network(path: Path, given: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """The gradients of a trained network's loss on the first rows of a table."""
    from chainrule.verify.gradients import check_gradients

    if len(given) != 1:
        raise typer.BadParameter("a network is checked on a table: chainrule check MODEL DATA")
    name, net, x, y, loss = batch_of(path, given[0])
    report = check_gradients(net, x, y, loss=loss, **settings)
    return {**report.as_dict(), "text": f"on {len(x)} of {name}: {report}"}


def batch_of(path: Path, data: str) -> tuple[str, Any, Any, Any, Any]:
    """What the rows are called, a network in float64, the first rows as it takes them, their targets, and the loss."""
    from chainrule.cli.examples import examples_of, notes_as_lines
    from chainrule.training import load_model
    from chainrule.training.fit_table import loss_of

    model = load_model(path)
    with notes_as_lines("chainrule train"):
        examples = examples_of(data, model, whole=True, dtype="float64")
        x, y = examples.table.x[:ROWS], examples.targets[:ROWS]
    return examples.name, model.exact(), x, y, loss_of(model.columns.task == "classification")

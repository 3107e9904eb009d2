"""The command `chainrule`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.cli.demo import Demo

EVERY = 10
"""Where there is no terminal, one line for so many epochs."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        import chainrule

        typer.echo(f"chainrule {chainrule.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def chainrule(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Automatic differentiation and neural networks in a glass box.

    Start with: chainrule demo
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0, help="Draws the weights and the order of the examples.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a network on handwritten digits, then open one of its gradients and check them all.

    It takes a few seconds and downloads nothing. For example:

    chainrule demo --seed 1
    """
    from chainrule.cli.demo import run

    if as_json:
        typer.echo(json.dumps(asdict(run(seed)), indent=2))
        return
    from chainrule.cli.screen import show

    console = Console()
    show(with_progress(seed, console), console)


def with_progress(seed: int, console: Console) -> Demo:
    """Run the demo and show how far it is: a bar on a terminal, else plain lines."""
    from chainrule.cli.demo import EPOCHS, run

    if not console.is_terminal:

        def line(epoch: int, loss: float) -> None:
            if epoch % EVERY == 0:
                typer.echo(f"epoch {epoch:>3} of {EPOCHS}, loss {loss:.4f}")

        return run(seed, progress=line)

    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("learning to read digits"), BarColumn(), TextColumn("loss {task.fields[loss]:.4f}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("train", total=EPOCHS, loss=float("nan"))
        return run(seed, progress=lambda epoch, loss: bar.update(task, completed=epoch, loss=loss))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is installed here, and what makes it fast or slow.

    For example, to see whether the scalar engine was compiled:

    chainrule doctor
    """
    from chainrule.cli.doctor import examine, report

    found = examine()
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(report(found)))


def main() -> None:
    """Run the command line; 0 is success, 1 a failure, 2 a wrong use, 130 a Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot print ∂ gets a question mark in place of a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except ChainruleError as error:
        typer.echo(f"chainrule: {error}", err=True)
        sys.exit(1)

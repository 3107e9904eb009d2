"""The commands that train a network, use it, judge it and open it; their work is done in files of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from chainrule.cli.telling import (
    AsJson,
    Dialect,
    Digits,
    Json,
    Layout,
    Notation,
    Nudge,
    Out,
    Saved,
    Style,
    Top,
    Whole,
    can_print,
    check_choices,
    hand_over,
    one_of,
    one_style,
    say,
)
from chainrule.cli.telling import (
    Detail as Told,
)
from chainrule.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from chainrule.data.spelling import Spelling
    from chainrule.table import Table
    from chainrule.training.judge import Judgement

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A CSV or TSV file, digits, or the folder or .npz of MNIST's files.")
]
Detail = Annotated[
    str,
    typer.Option(
        help="short (a dozen lines) or full (all columns, each class, calibration). [short]", show_default=False
    ),
]
DETAILS = ("short", "full")
FEW = 3
"""Rows of a table that are printed without being asked for."""
TASKS = ("auto", "classification", "regression")


def predict(
    model: Saved,
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Write to this CSV file instead of the screen.")] = None,
    passed: Annotated[
        list[str] | None, typer.Option("--id", help="A column of DATA to pass through; may be repeated.")
    ] = None,
    columns: Annotated[bool, typer.Option("--columns", help="Say first what each column was taken for.")] = False,
    detail: Annotated[
        str,
        typer.Option(help="short, or full: notes that many columns have are told of each. [short]", show_default=False),
    ] = "",
    as_json: Json = False,
) -> None:
    """Say what a trained network predicts for every row, as CSV, with the probability of every class."""
    from chainrule.cli.examples import examples_of, notes_as_lines
    from chainrule.files import refuse_overwriting, write_whole
    from chainrule.table import json_of
    from chainrule.training import load_model

    one_of("--detail", detail or None, DETAILS)
    if as_json and out is not None:
        raise typer.BadParameter("--out writes CSV, and --json prints: leave one out")
    refuse_overwriting(out, (model, data))
    network = load_model(model)
    with notes_as_lines("chainrule train", each=detail == "full" or as_json):
        found = network.predictions(examples_of(data, network, targets=False).table, passed or ())
    if columns:
        say(repr(network.columns), err=True)
    if as_json:
        typer.echo(json_of({"model": str(model), "target": network.columns.target.name, "predictions": found.plain()}))
    elif out is not None:
        write_whole(out, found.csv())
        say(f"wrote {out}")
    elif sys.stdout.isatty():
        say(found.csv().removesuffix("\n"))
    else:
        # Without colours to keep, typer would take codes out of the data.
        typer.echo(found.csv(), nl=False, color=True)


def evaluate(
    model: Saved,
    data: Data,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit code 1 where the accuracy is below this.")
    ] = None,
    min_r2: Annotated[float | None, typer.Option(max=1, help="Exit code 1 where R² is below this.")] = None,
    importance: Annotated[
        bool, typer.Option("--importance", help="Say what each column is worth: what is lost when it is shuffled.")
    ] = False,
    columns: Annotated[bool, typer.Option("--columns", help="Say what each column was taken for in training.")] = False,
    detail: Detail = "",
    as_json: Json = False,
) -> None:
    """Judge a trained network on rows whose target is known: a confusion matrix, or the residuals."""
    from chainrule.cli.examples import MOST_NOTES, examples_of, notes_as_lines
    from chainrule.table import json_of
    from chainrule.training import load_model

    one_of("--detail", detail or None, DETAILS)
    network = load_model(model)
    asked = {"accuracy": ("--min-accuracy", min_accuracy), "r2": ("--min-r2", min_r2)}
    fits = "accuracy" if network.columns.task == "classification" else "r2"
    for measure, (option, least) in asked.items():
        if least is not None and measure != fits:
            raise typer.BadParameter(
                f"{model} is for {network.columns.task}: ask for {asked[fits][0]}", param_hint=option
            )
    whole = detail == "full" or as_json
    with notes_as_lines("chainrule train", most=None if whole else MOST_NOTES, each=whole):
        examples = examples_of(data, network)
        _ = examples.targets
        judgement = network.judge(examples.table)
    found = network.importance(examples.table) if importance else None
    seen = network.has_learned_from(data)
    if as_json:
        about = {"model": str(model), "data": data, "rows": len(examples), "learned_from_this_file": seen}
        mattered = {} if found is None else {"importance": json.loads(found.json())}
        typer.echo(json_of({**about, "task": network.columns.task, **judgement.plain(), **mattered}))
    else:
        print_parts([f"note first: {judgement.warning}"] if judgement.warning else [])
        print_parts([network.columns.table()] if columns else [])
        print_parts([f"on {examples.name}:", *judged_parts(judgement, detail)], "chainrule train")
        if found is not None:
            print_parts(["\nwhat each column is worth: what is lost when it is shuffled between the rows", found])
    if seen:
        typer.echo("chainrule: note: it has learned from rows of this very file: new rows tell more", err=True)
    option, least = asked[fits]
    if least is not None and not judgement.numbers[fits] >= least:
        typer.echo(f"chainrule: {fits} is {judgement.numbers[fits]:.6g}, below {option} {least:g}", err=True)
        raise typer.Exit(1)


def explain(
    model: Saved,
    example: Annotated[str, typer.Option(metavar="DATA:ROW", help="The example, as flowers.csv:3 or digits:1.")],
    weight: Annotated[
        str, typer.Option(help="The weight, as 0.weight[3,1], or a whole array, as 0.bias. [all weights]")
    ] = "",
    inputs: Annotated[
        bool, typer.Option("--inputs", help="Say which inputs moved what is predicted for the example, and how much.")
    ] = False,
    dialect: Dialect = None,
    notation: Notation = None,
    layout: Layout = None,
    style: Style = "",
    out: Out = None,
    detail: Told = "",
    digits: Digits = 6,
    top: Top = 5,
    nudge: Nudge = 0.01,
    whole: Whole = False,
    as_json: AsJson = False,
) -> None:
    """Tell how the gradient of one example's loss in a weight of a trained network came about."""
    style = one_style(style, as_json)
    check_choices(dialect, notation, layout, style, out, detail)
    from chainrule.cli.examples import notes_as_lines
    from chainrule.cli.explain_model import effects_on, explained
    from chainrule.files import refuse_overwriting
    from chainrule.table import json_of
    from chainrule.training import load_model

    refuse_overwriting(out, (model, example.rpartition(":")[0]))

    telling: dict[str, Any] = {
        "dialect": dialect,
        "notation": notation,
        "layout": layout or "numerator",
        "digits": digits,
        "top": top,
        "nudge": nudge,
        "whole": whole,
    }
    network = load_model(model)
    if inputs:
        if weight or out is not None or style not in ("", "json"):
            raise typer.BadParameter("--inputs prints a table, or with --json its rows: leave the other options out")
        with notes_as_lines("chainrule train"):
            effects = effects_on(network, example)
        if style == "json":
            rows = json.loads(effects.json())
            typer.echo(json_of({"model": str(model), "example": example, "said": effects.note, "inputs": rows}))
        else:
            say(f"gradient × input for {example}: {effects.note}")
            print_parts([replace(effects, note="")])
        return
    with notes_as_lines("chainrule train"):
        derivation = explained(network, example, weight, **telling)
    hand_over(derivation, style, out, detail)


def widths(layers: str | None) -> tuple[int, ...] | None:
    """The widths of hidden layers as they were typed."""
    if layers is None:
        return None
    if layers.strip() == "none":
        return ()
    parts = [part.strip() for part in layers.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(
            f"{layers!r} are no widths: write whole numbers, as 64,32, or none", param_hint="--layers"
        )
    return tuple(map(int, parts))


def check_spelling(
    separator: str | None, encoding: str | None, comment: str | None, decimal: str, thousands: str
) -> Spelling:
    """How the file was said to be written; refuses signs that no table has."""
    from chainrule.data.spelling import Spelling

    if separator is not None and len(separator) != 1:
        raise typer.BadParameter(f"{separator!r} is not a single sign", param_hint="--separator")
    try:
        return Spelling(separator, encoding, comment, decimal, thousands)
    except DataError as error:
        raise typer.BadParameter(str(error)) from error


def check_source(data: str, path: Path | None, target: str | None, *, is_table_told: bool, spelling: Spelling) -> None:
    """Refuse what does not go together: pictures have no columns to choose, and a table needs a target."""
    from chainrule.cli.examples import DIGITS, MNIST, headers_of, notes_as_lines

    if data == MNIST and path is None:
        raise typer.BadParameter("mnist needs the folder or .npz of its files: chainrule train mnist PATH")
    if data != MNIST and path is not None:
        raise typer.BadParameter(f"{path} was given after {data}, and only mnist takes a path: leave it out")
    if data in (DIGITS, MNIST):
        if is_table_told:
            raise typer.BadParameter(f"{data} has no columns to choose from: leave the options on columns out")
    elif target is None:
        with notes_as_lines():
            columns = headers_of(data, spelling)
        raise typer.BadParameter(f"name the column to predict with --target; {data} has {columns}")


def check_place(path: Path) -> None:
    """Find out before the training whether its result can be saved, and refuse to overwrite what is no network."""
    try:
        check_kind(path)
    except OSError as error:
        raise CheckpointError(f"{path} could not be written: {error.strerror or error}") from error
    if not os.access(path.parent, os.W_OK):
        raise CheckpointError(f"{path} could not be written: the folder {path.parent.resolve()} is read-only")


def check_kind(path: Path) -> None:
    """Refuse a file in no folder, a folder, and a file that is no network."""
    from chainrule.training import load_model

    if not path.parent.is_dir():
        raise typer.BadParameter(
            f"there is no folder {path.parent}: make it, or choose another file", param_hint="--out"
        )
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder: name a file", param_hint="--out")
    if path.exists():
        try:
            load_model(path)
        except (CheckpointError, DataError) as error:
            raise typer.BadParameter(
                f"{path} is there and holds no network that could be replaced ({error}): choose another file",
                param_hint="--out",
            ) from error


def judged_parts(judgement: Judgement, detail: str) -> list[str | Table]:
    """What a network was found to be worth: in full, or with its table only where that has few lines."""
    if detail == "full":
        return list(judgement.parts())
    few = [f"\n{judgement.title}", judgement.table] if len(judgement.table) <= FEW else []
    return [repr(judgement.measures), judgement.short, *few]


def print_parts(parts: Iterable[str | Table], command: str = "") -> None:
    """Print texts and tables, on a terminal in its width; one that lacks the sign of a square must not lose it.

    Options are named as they are typed, after the `command` that has them.
    """
    from chainrule.cli.examples import spelled

    signs: Callable[[str], str] = str if can_print("²±", sys.stdout) else plain_signs
    console = Console()
    for part in parts:
        if isinstance(part, str) or not console.is_terminal:
            say(signs(spelled(part, command) if isinstance(part, str) else repr(part)))
        else:
            cells = tuple(tuple(signs(cell) if isinstance(cell, str) else cell for cell in row) for row in part.rows)
            heads = tuple(map(signs, part.columns))
            console.print(replace(part, columns=heads, rows=cells, note=signs(part.note)))


def plain_signs(text: str) -> str:
    """The same in ASCII."""
    return text.replace("²", "2").replace("±", "+-")

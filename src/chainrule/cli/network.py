"""The commands that train a network, use it, judge it and open it; their work is done in files of its own."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from chainrule.cli.telling import (
    AsJson,
    Detail,
    Dialect,
    Digits,
    Json,
    Layout,
    Notation,
    Nudge,
    Out,
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
from chainrule.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from chainrule.cli.judge import Judgement

Saved = Annotated[Path, typer.Argument(metavar="MODEL", help="A network that chainrule train has saved.")]
Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A CSV or TSV file, digits, or the folder or .npz of MNIST's files.")
]
TASKS = ("auto", "classification", "regression")
SUFFIX = ".safetensors"


def train(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A CSV or TSV file, digits, or mnist.")],
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="For mnist: the folder or .npz of its files.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to save to. [the name of DATA with .safetensors, here]")
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Widths of the hidden layers, as 64,32, or none. [by the number of rows]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often all rows are gone through at most.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Rows that make a step. [32, of many rows 128]")] = None,
    lr: Annotated[float, typer.Option(help="The rate of learning, of Adam.")] = 0.003,
    validation: Annotated[float, typer.Option(help="The share of rows held back to judge the network by.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Draws the weights, the order and the rows held back.")] = 0,
    task: Annotated[str, typer.Option(help="auto, classification or regression.")] = "auto",
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")] = None,
    categorical: Annotated[
        list[str] | None, typer.Option(help="A column of numbers that are categories; may be repeated.")
    ] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="A text that stands for a missing value; may be repeated.")
    ] = None,
    max_categories: Annotated[int, typer.Option(min=1, help="Columns of more different texts are left out.")] = 50,
    separator: Annotated[str | None, typer.Option(help="What stands between fields. [found in the first line]")] = None,
    as_json: Json = False,
) -> None:
    """Train a network on a table, on the shipped digits or on MNIST, judge it on rows held back, and save it."""
    from chainrule.cli.examples import Reading, lesson_of, notes_as_lines
    from chainrule.cli.train import Plan, plain, save, words
    from chainrule.cli.train import train as learn
    from chainrule.files import refuse_overwriting
    from chainrule.table import json_of

    one_of("--task", task, TASKS)
    check_share_and_rate(validation, lr, separator)
    hidden = widths(layers)
    options = (target, task != "auto", ignore, categorical, missing, separator)
    check_source(data, path, target, is_table_told=any(options), separator=separator)
    where = out or Path(Path(data).stem + SUFFIX)
    check_place(where)
    refuse_overwriting(where, (data, path or data))
    reading = Reading(
        target,
        task,  # pyright: ignore[reportArgumentType] - checked above
        tuple(ignore or ()),
        tuple(categorical or ()),
        tuple(missing or ()),
        max_categories,
        separator,
    )
    with notes_as_lines():
        lesson = lesson_of(data, path, reading, share=validation, seed=seed)
        trained = learn(lesson, Plan(hidden, epochs, batch, lr, seed, not as_json))
    if trained.kept and out is None:
        say(f"chainrule: {trained.history.stopped}; nothing was saved: --out FILE would keep {trained.kept}", err=True)
        raise typer.Exit(130)
    save(trained, lesson, where)
    if trained.kept:
        say(f"chainrule: {trained.history.stopped}; wrote {where} with {trained.kept}", err=True)
        raise typer.Exit(130)
    if as_json:
        typer.echo(json_of(plain(trained, lesson, where)))
        return
    for note in lesson.notes:
        say(note)
    say(
        f"network {words(trained.sizes)}, {trained.parameters:,} parameters, trained on {lesson.learned.name} in "
        f"{len(trained.history):,} epochs (seed {seed})"
    )
    show(f"on {lesson.held.name}, which it had not seen:", trained.judgement)
    say(f"wrote {where}")


def predict(
    model: Saved,
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Write to this CSV file instead of the screen.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a trained network predicts for every row, as CSV."""
    from chainrule.cli.examples import examples_of, notes_as_lines
    from chainrule.cli.model_file import load_model
    from chainrule.cli.predict import as_csv, predictions
    from chainrule.files import refuse_overwriting, write_whole
    from chainrule.table import json_of

    if as_json and out is not None:
        raise typer.BadParameter("--out writes CSV, and --json prints: leave one out")
    refuse_overwriting(out, (model, data))
    network = load_model(model)
    with notes_as_lines("chainrule train"):
        found = predictions(network, examples_of(data, network, targets=False))
    if as_json:
        typer.echo(json_of({"model": str(model), "target": network.columns.target.name, "predictions": found}))
    elif out is not None:
        write_whole(out, as_csv(network, found))
        say(f"wrote {out}")
    elif sys.stdout.isatty():
        say(as_csv(network, found).removesuffix("\n"))
    else:
        # Without colours to keep, typer would take codes out of the data.
        typer.echo(as_csv(network, found), nl=False, color=True)


def evaluate(
    model: Saved,
    data: Data,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit code 1 where the accuracy is below this.")
    ] = None,
    min_r2: Annotated[float | None, typer.Option(max=1, help="Exit code 1 where R² is below this.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a trained network on rows whose target is known: a confusion matrix, or the residuals."""
    from chainrule.cli.examples import examples_of, is_what_it_learned, notes_as_lines
    from chainrule.cli.judge import judge
    from chainrule.cli.model_file import load_model
    from chainrule.table import json_of

    network = load_model(model)
    asked = {"accuracy": ("--min-accuracy", min_accuracy), "r2": ("--min-r2", min_r2)}
    fits = "accuracy" if network.columns.task == "classification" else "r2"
    for measure, (option, least) in asked.items():
        if least is not None and measure != fits:
            raise typer.BadParameter(
                f"{model} is for {network.columns.task}: ask for {asked[fits][0]}", param_hint=option
            )
    with notes_as_lines("chainrule train"):
        examples = examples_of(data, network)
        judgement = judge(network.net, examples)
    seen = is_what_it_learned(data, network)
    if as_json:
        about = {"model": str(model), "data": data, "rows": len(examples), "learned_from_this_file": seen}
        typer.echo(json_of({**about, "task": network.columns.task, **judgement.plain()}))
    else:
        show(f"on {examples.name}:", judgement)
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
    dialect: Dialect = None,
    notation: Notation = None,
    layout: Layout = None,
    style: Style = "",
    out: Out = None,
    detail: Detail = "",
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
    from chainrule.cli.explain_model import explained
    from chainrule.cli.model_file import load_model
    from chainrule.files import refuse_overwriting

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


def check_share_and_rate(share: float, rate: float, separator: str | None) -> None:
    """Refuse numbers that no training can use."""
    if not 0 < share < 1:
        raise typer.BadParameter(f"{share:g} is no share: it lies between 0 and 1", param_hint="--validation")
    if not 0 < rate < math.inf:
        raise typer.BadParameter(f"{rate:g} is no rate: it is above 0", param_hint="--lr")
    if separator is not None and len(separator) != 1:
        raise typer.BadParameter(f"{separator!r} is not a single sign", param_hint="--separator")


def check_source(
    data: str, path: Path | None, target: str | None, *, is_table_told: bool, separator: str | None
) -> None:
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
            columns = headers_of(data, separator)
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
    from chainrule.cli.model_file import load_model

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


def show(opening: str, judgement: Judgement) -> None:
    """Print what a network was found to be worth."""
    console = Console()
    # A terminal without Unicode must not lose the sign of a square.
    headline = judgement.headline if can_print("²", sys.stdout) else judgement.headline.replace("²", "2")
    say(f"{opening} {headline}")
    say(f"\n{judgement.title}")
    if console.is_terminal:
        console.print(judgement.table)
    else:
        typer.echo(repr(judgement.table))

"""`chainrule train`: from a file to a network that is trained, judged and saved."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from chainrule.cli.network import (
    DETAILS,
    TASKS,
    Detail,
    check_place,
    check_source,
    check_spelling,
    print_parts,
    widths,
)
from chainrule.cli.telling import SUFFIX, Json, one_of, say
from chainrule.errors import ChainruleError

if TYPE_CHECKING:
    from chainrule.cli.examples import Lesson
    from chainrule.table import Table
    from chainrule.training.fit_table import Fitted, Recipe, Spread
    from chainrule.training.sweep import Sweep

HASHED = 64
"""Features that texts of very many kinds share."""

Columns = Annotated[bool, typer.Option("--columns", help="Say of each column what it is taken for, why, what is done.")]


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
    weight_decay: Annotated[float, typer.Option(help="How strongly weights are drawn to 0 (AdamW).")] = 0.0,
    dropout: Annotated[float, typer.Option(help="The share of neurons left out at random in each step.")] = 0.0,
    class_weight: Annotated[
        str | None, typer.Option(help="balanced: rare classes weigh as much as frequent ones.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="From which probability on the rarer of two classes is said, or auto.")
    ] = None,
    validation: Annotated[float, typer.Option(help="The share of rows held back to judge the network by.")] = 0.2,
    split: Annotated[
        str, typer.Option(help="How rows are held back: time (the last), time:COLUMN or group:COLUMN. [drawn]")
    ] = "",
    folds: Annotated[
        int | None, typer.Option(min=2, help="Judge by so many folds too: mean and spread over networks.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Judge by so many seeds too: mean and spread.")] = 1,
    sweep: Annotated[
        str | None,
        typer.Option(
            help='Try settings on folds of the rows first, and take the best: "lr=0.001..0.1 layers=16|32,16"; also '
            "epochs, batch, weight-decay, dropout."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes that share a sweep; -1: one for each core.")] = 1,
    refit: Annotated[
        bool, typer.Option("--refit", help="Once judged, train again on all rows, and save that.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Draws the weights, the order and the rows held back.")] = 0,
    task: Annotated[str, typer.Option(help="auto, classification or regression.")] = "auto",
    log_target: Annotated[
        bool, typer.Option("--log-target", help="Learn the logarithm of the target: for prices, counts, sizes.")
    ] = False,
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="A column to use though it looks like an id; may be repeated.")
    ] = None,
    categorical: Annotated[
        list[str] | None, typer.Option(help="A column of numbers that are categories; may be repeated.")
    ] = None,
    dates: Annotated[
        bool, typer.Option("--dates", help="Use year, month, weekday, hour and days since the first of dates.")
    ] = False,
    hashed: Annotated[
        bool, typer.Option("--hash", help=f"Let texts of very many kinds share {HASHED} features.")
    ] = False,
    embedded: Annotated[
        bool, typer.Option("--embed", help="Learn a vector for each text, where there are very many kinds.")
    ] = False,
    missing: Annotated[
        list[str] | None, typer.Option(help="Texts that stand for a missing value, as n/a,-; may be repeated.")
    ] = None,
    max_categories: Annotated[int, typer.Option(min=1, help="Columns of more different texts are left out.")] = 50,
    separator: Annotated[str | None, typer.Option(help="What stands between fields. [found in the file]")] = None,
    decimal: Annotated[
        str, typer.Option(help="The sign before decimals: a comma, where numbers are as 1.200,50.")
    ] = ".",
    thousands: Annotated[str, typer.Option(help="The sign between thousands: a point, a comma, a space or '.")] = "",
    encoding: Annotated[
        str | None, typer.Option(help="How text is encoded, as latin-1 or cp1252. [utf-8, or as its first bytes say]")
    ] = None,
    comment: Annotated[str | None, typer.Option(help="Lines that begin so are left out, as #.")] = None,
    columns: Columns = False,
    detail: Detail = "",
    as_json: Json = False,
) -> None:
    """Train a network on a table, on the shipped digits or on MNIST, judge it on rows held back, and save it."""
    from chainrule.cli.examples import MOST_NOTES, lesson_of, notes_as_lines
    from chainrule.data.table import MISSING
    from chainrule.files import refuse_overwriting
    from chainrule.table import json_of
    from chainrule.training import Recipe, plain_report
    from chainrule.training.sweep_table import grid_of

    one_of("--task", task, TASKS)
    one_of("--detail", detail or None, DETAILS)
    short = detail != "full" and not as_json
    check_numbers(validation, lr, weight_decay, dropout)
    spelling = check_spelling(separator, encoding, comment, decimal, thousands)
    one_of("--class-weight", class_weight, ("balanced",))
    least = threshold_of(threshold)
    hidden, grid = widths(layers), None if sweep is None else grid_of(sweep)
    of_columns = (target, task != "auto", ignore, keep, categorical, dates, hashed, embedded, missing, log_target)
    check_source(data, path, target, is_table_told=any((*of_columns, split, spelling.is_said)), spelling=spelling)
    where = out or Path(Path(data).stem + SUFFIX)
    refuse_overwriting(where, (data, path or data))
    check_place(where)
    reading = {
        "target": target,
        "task": task,
        "ignore": ignore or (),
        "keep": keep or (),
        "categorical": categorical or (),
        "dates": dates,
        "hashed": HASHED if hashed else 0,
        "embedded": embedded,
        "log_target": log_target,
        "missing": (*MISSING, *[word for words in missing or () for word in words.split(",")]),
        "max_categories": max_categories,
        "separator": separator,
        "decimal": decimal,
        "thousands": thousands,
        "encoding": encoding,
        "comment": comment,
    }
    recipe = Recipe(
        layers=hidden,
        epochs=epochs,
        batch=batch,
        rate=lr,
        seed=seed,
        weight_decay=weight_decay,
        dropout=dropout,
        balanced=class_weight is not None,
        threshold=least,
        refit=refit,
        by=split,
        share=validation,
        progress=not as_json,
    )
    with notes_as_lines(most=MOST_NOTES if short else None, each=not short):
        with ctrl_c_told():
            lesson, tried = lesson_of(data, path, reading), None
            if grid is not None:
                recipe, tried = best_of(lesson, grid, recipe, folds, jobs)
                folds = None
            fitted, spread = learned_from(lesson, recipe, folds, seeds)
        save(lesson, fitted, spread, where, is_asked_for=out is not None)
    if as_json:
        swept = {} if tried is None else {"sweep": tried.plain()}
        typer.echo(json_of({"model": str(where), **plain_report(fitted, spread), **swept}))
        return
    print_parts(report_of(lesson, fitted, spread, tried, columns=columns, short=short))
    say(f"wrote {where}{' (--detail full tells more)' if short else ''}")


def save(lesson: Lesson, fitted: Fitted, spread: Spread | None, where: Path, *, is_asked_for: bool) -> None:
    """Write the model; after a Ctrl-C, say what is kept of the training and end: a file nobody named is not written."""
    from chainrule.training import save_model
    from chainrule.training.interrupt import Interrupts

    kept = fitted.interrupted
    if kept and not is_asked_for:
        say(f"chainrule: {stop_of(fitted)}; nothing was saved: --out FILE would keep {kept}", err=True)
        raise typer.Exit(130)
    with Interrupts() as pressed:
        save_model(where, fitted, source=lesson.source, spread=spread)
    if kept:
        say(f"chainrule: {stop_of(fitted)}; wrote {where} with {kept}", err=True)
    elif pressed.noted:
        say(f"chainrule: stopped by Ctrl-C; wrote {where}", err=True)
    if kept or pressed.noted:
        raise typer.Exit(130)


def report_of(
    lesson: Lesson, fitted: Fitted, spread: Spread | None, tried: Sweep | None, *, columns: bool, short: bool
) -> list[str | Table]:
    """What is printed of a training: the settings that were tried, the columns where asked for, the judgement."""
    from chainrule.training import full_report, short_report

    words = {"name": lesson.name, "held": lesson.held_name}
    parts: list[str | Table] = [] if tried is None else [tried.in_a_line() if short else tried.table()]
    if not short:
        return [*parts, *full_report(fitted, spread, **words)]
    if columns:
        parts.append(fitted.columns.table())
    return [*parts, short_report(fitted, spread, **words)]


@contextmanager
def ctrl_c_told() -> Generator[None]:
    """A Ctrl-C before a network learns, or while one is judged, ends with a line on what was kept."""
    try:
        yield
    except KeyboardInterrupt:
        say("chainrule: stopped by Ctrl-C outside of the training; nothing was saved", err=True)
        raise typer.Exit(130) from None


def stop_of(fitted: Fitted) -> str:
    """That Ctrl-C ended the training, and where."""
    stopped = fitted.history.stopped
    return stopped if "Ctrl-C" in stopped else "stopped by Ctrl-C"


def learned_from(lesson: Lesson, recipe: Recipe, folds: int | None, seeds: int) -> tuple[Fitted, Spread | None]:
    """The network that is saved, and what other splits gave where they were asked for."""
    from chainrule.training import cross_validate, fit_table
    from chainrule.training.fit_table import JUDGED

    with spelled_errors(lesson, recipe):
        fitted = fit_table(lesson.table, recipe, held=lesson.held)
        spread = None
        if (folds is not None or seeds > 1) and not fitted.interrupted:
            try:
                spread = cross_validate(lesson.table, recipe, folds=folds, seeds=seeds)
            except KeyboardInterrupt:
                fitted = replace(fitted, interrupted=JUDGED)
    return fitted, spread


@contextmanager
def spelled_errors(lesson: Lesson, recipe: Recipe) -> Generator[None]:
    """What goes wrong with the rows, told with the file's name and the options as they are typed."""
    from chainrule.cli.examples import spelled
    from chainrule.errors import DataError, DivergenceError, ShapeError

    try:
        yield
    except DivergenceError as error:
        raise ChainruleError(f"{spelled(str(error))} (--lr was {recipe.rate:g}); nothing was saved") from error
    except ShapeError as error:
        if "hold_out" not in str(error) and "folds" not in str(error):
            raise
        raise DataError(
            f"{lesson.source['name']} has {len(lesson.table)} rows, too few to hold a share of {recipe.share:g} back, "
            f"or to be split as asked: {error}"
        ) from error
    except DataError as error:
        raise DataError(f"{lesson.source['name']}, {error}") from error


def best_of(
    lesson: Lesson, grid: dict[str, list[Any]], recipe: Recipe, folds: int | None, jobs: int
) -> tuple[Recipe, Sweep]:
    """The recipe with the best of the settings that were tried, and what all of them came to."""
    from chainrule.training import sweep_table

    with spelled_errors(lesson, recipe):
        return sweep_table(lesson.table, grid, recipe, folds=folds or 5, n_jobs=jobs, progress=recipe.progress)


def threshold_of(threshold: str | None) -> float | Literal["auto"] | None:
    """A probability, auto, or nothing."""
    if threshold is None:
        return None
    if threshold == "auto":
        return "auto"
    try:
        least = float(threshold)
    except ValueError:
        least = math.nan
    if not 0 < least < 1:
        raise typer.BadParameter(
            f"{threshold} is no probability: it lies between 0 and 1, or is auto", param_hint="--threshold"
        )
    return least


def check_numbers(share: float, rate: float, decay: float, dropout: float) -> None:
    """Refuse numbers that no training can use."""
    if not 0 < share < 1:
        raise typer.BadParameter(f"{share:g} is no share: it lies between 0 and 1", param_hint="--validation")
    if not 0 < rate < math.inf:
        raise typer.BadParameter(f"{rate:g} is no rate: it is above 0", param_hint="--lr")
    if not 0 <= decay < math.inf:
        raise typer.BadParameter(f"{decay:g} is no decay: it is at least 0", param_hint="--weight-decay")
    if not 0 <= dropout < 1:
        raise typer.BadParameter(f"{dropout:g} is no share: it lies from 0 to below 1", param_hint="--dropout")

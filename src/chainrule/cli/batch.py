"""A folder of files instead of one: each is looked at by itself, and a table says of each how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from chainrule.cli.telling import say
from chainrule.errors import ChainruleError, FileError
from chainrule.printable import in_columns, printable
from chainrule.table import json_of


def each(
    folder: Path, endings: Sequence[str], look: Callable[[Path], dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is found of every file of a folder with one of these endings; what cannot be looked at says why."""
    files = sorted(file for file in folder.iterdir() if file.suffix in endings)
    if not files:
        raise FileError(f"{folder} has no {' or '.join(endings)} file")
    for file in files:
        try:
            yield file.name, look(file)
        except (ChainruleError, UnicodeDecodeError) as error:
            yield file.name, {"passed": None, "text": str(error).splitlines()[0]}


def hand_in_all(
    found: Sequence[tuple[str, dict[str, Any]]], as_json: bool, words: tuple[str, str] = ("right", "wrong")
) -> None:
    """Print a table with a line for each file, and exit with 1 where something is wrong or was not read.

    `words` are the two verdicts.
    """
    if as_json:
        typer.echo(json_of({name: {k: v for k, v in one.items() if k != "text"} for name, one in found}))
    else:
        verdicts = {True: words[0], False: words[1], None: "not read"}
        rows = [
            (printable(name), f"{verdicts[passed(one)]:<8}", "" if passed(one) else told(one)) for name, one in found
        ]
        say("\n".join(in_columns(rows)))
        right = sum(passed(one) is True for _, one in found)
        say(f"{right} of {len(found)} {words[0]}")
    if not all(passed(one) for _, one in found):
        raise typer.Exit(1)


def passed(one: dict[str, Any]) -> bool | None:
    """Whether a file is right; None where that cannot be told."""
    return one["right"] if "right" in one else one["passed"]


def told(one: dict[str, Any]) -> str:
    """What is wrong, in a line: the first mistake with its place, or the first line that says so."""
    mistakes = one.get("mistakes") or [m for checked in one.get("checked", []) for m in checked["mistakes"]]
    if mistakes and "place" in mistakes[0]:
        return f"{mistakes[0]['name']}: {mistakes[0]['place']}".splitlines()[0]
    lines = [line.strip() for line in str(one.get("text", "")).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)] if lines else ""

"""The command that reads somebody's notebooks for backward passes; the work is in verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.batch import each, hand_in_all
from chainrule.cli.telling import Json
from chainrule.cli.verifying import Seconds, hand_in


def audit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .py or .ipynb file, or a folder of these.")],
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Run statements that are not read, such as those that load data.")
    ] = False,
    seconds: Seconds = 60,
    as_json: Json = False,
) -> None:
    """Find the backward passes in somebody's notebook, and say which lines are wrong and why.

    It is read and not run, one round of each training loop. Exit code 1 where a gradient is wrong.
    """

    def look(path: Path) -> dict[str, Any]:
        return of_file(path, run_code, seconds)

    if file.is_dir():
        hand_in_all(list(each(file, (".ipynb", ".py"), look)), as_json)
    else:
        hand_in(look(file), as_json)


def of_file(path: Path, run_code: bool, seconds: float) -> dict[str, Any]:
    from chainrule.verify.audit import audit as read_and_check
    from chainrule.verify.running import Limits, run_apart

    if run_code:
        ran = run_apart(
            "chainrule.verify.auditing.apart:audit_code", [str(path.resolve())], Limits(seconds), path.resolve().parent
        )
        return {**ran.result, "name": path.name}
    found = read_and_check(path)
    return {**found.as_dict(), "text": str(found)}

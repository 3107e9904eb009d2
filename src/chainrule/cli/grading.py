"""The commands of the teacher: grade an answer or a folder of them, and look at the numbers of a problem."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.batch import each, hand_in_all
from chainrule.cli.telling import Json, names_in
from chainrule.cli.verifying import RunCode, Seconds, apart, code_of, hand_in
from chainrule.errors import ChainruleError, FileError

Problem = Annotated[str, typer.Argument(metavar="PROBLEM", help="Assignments, as 'h = w*x; L = (h - y)**2', or @FILE.")]
Given = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE | NAME:SHAPE]...", help="Values, as x=2, and shapes, as W:3x2."),
]

ENDINGS = (".txt", ".csv", ".py")
"""Files of a folder that are answers: formulas, tables and programs."""


def grade(
    problem: Problem,
    given: Given = None,
    wrt: Annotated[str, typer.Option(help="The name whose gradient is asked, or several: W1,b1.")] = "",
    answer: Annotated[str, typer.Option(help="A formula or a number, or @FILE.")] = "",
    table: Annotated[str, typer.Option(help="A file of a hand calculation: name = number lines, or CSV.")] = "",
    code: Annotated[str, typer.Option(help="FILE.py:FUNCTION that returns the gradients in the order of --wrt.")] = "",
    folder: Annotated[str, typer.Option(help="Grade every .txt, .csv and .py (its backward) of a folder.")] = "",
    steps: Annotated[int, typer.Option(min=1, help="Steps of a training loop.")] = 1,
    rate: Annotated[
        float | None, typer.Option(help="The rate of a training loop [0.1] or of updates in a table [theirs].")
    ] = None,
    hints: Annotated[int, typer.Option(min=0, max=3, help="Print so many hints, and not the mistake.")] = 0,
    run_code: RunCode = False,
    seconds: Seconds = 60,
    as_json: Json = False,
) -> None:
    """Grade a gradient: right in any equal form, or the mistake that gives exactly this answer, and where.

    Exit code 0 where it is right, 1 where it is wrong.
    """
    grader = Grader(text_of(problem), list(given or []), [names_in(wrt), steps, rate], run_code, seconds)
    if sum(map(bool, (answer, table, code, folder))) != 1:
        raise typer.BadParameter("give one of --answer, --table, --code and --folder")
    if folder:
        hand_in_all(list(each(Path(folder), ENDINGS, grader.file)), as_json)
    elif code:
        hand_in(grader.code(*code_of(code, "FUNCTION")), as_json, hints)
    else:
        hand_in(grader.text(Path(table).read_text(encoding="utf-8") if table else text_of(answer)), as_json, hints)


def text_of(typed: str) -> str:
    """What was typed, or what a file after @ holds."""
    if not typed.startswith("@"):
        return typed
    try:
        return Path(typed[1:]).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FileError(f"{typed[1:]} is no text") from None


@dataclass(frozen=True)
class Grader:
    """A problem, what is given of it, and how its answers are graded: `asked` has the names, steps and the rate."""

    problem: str
    items: list[str]
    asked: list[Any]
    run_code: bool
    seconds: float

    def text(self, answer: str) -> dict[str, Any]:
        """The grade of a formula, a number or a table."""
        import chainrule as cr
        from chainrule.expression import read_given

        given, (wrt, steps, rate) = read_given(self.items), self.asked
        settings: dict[str, Any] = {"shapes": given.shapes, "values": given.values, "steps": steps, "rate": rate}
        marked = cr.grade(self.problem, answer.strip(), wrt=wrt, **settings)
        return {**marked.as_dict(), "text": str(marked)}

    def code(self, path: str, name: str) -> dict[str, Any]:
        """The grade of a function in a file, which runs in a process of its own."""
        arguments = [self.problem, self.items, path, name, *self.asked]
        return apart("grade_of_code", arguments, self.run_code, path, self.seconds, "grade")

    def file(self, file: Path) -> dict[str, Any]:
        """The grade of a file of a folder, by its ending."""
        if file.suffix == ".py":
            return self.code(str(file), "train" if self.asked[1] > 1 else "backward")
        return self.text(file.read_text(encoding="utf-8"))


def numbers(
    problem: Annotated[
        str,
        typer.Argument(metavar="PROBLEM | FOLDER", help="Assignments, or @FILE; values may be among them, as 'x = 2'."),
    ],
    given: Given = None,
    wrt: Annotated[str, typer.Option(help="What will be asked for, or several: w1,w2. [all names]")] = "",
    as_json: Json = False,
) -> None:
    """Say which mistakes these numbers cannot reveal, which look alike, and propose numbers that tell them apart.

    Of a folder every .txt is looked at, and a table says which hide something. Exit code 1 where a mistake is hidden.
    """

    def look(text: str) -> dict[str, Any]:
        import chainrule as cr
        from chainrule.expression import read_given

        program, values = parted(text)
        items = read_given([*values, *(given or [])])
        asked = names_in(wrt)
        found = cr.degenerate(program, items.values, wrt=asked or None, shapes=items.shapes)
        return {**found.as_dict(), "passed": not found, "text": str(found)}

    if Path(problem).is_dir():
        read = each(Path(problem), (".txt",), lambda file: look(file.read_text(encoding="utf-8")))
        hand_in_all(list(read), as_json, ("clear", "hides"))
    else:
        hand_in(look(text_of(problem)), as_json)


def parted(text: str) -> tuple[str, list[str]]:
    """The lines of a problem, and those that give a name a number or a shape: ``x = 2``, ``W: 3x2``."""
    from chainrule.expression import read_given

    program: list[str] = []
    values: list[str] = []
    for line in [part.strip() for part in text.replace(";", "\n").splitlines() if part.strip()]:
        try:
            read_given([line])
            values.append(line)
        except ChainruleError:
            program.append(line)
    return "\n".join(program), values

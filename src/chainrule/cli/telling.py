"""How an explanation is told on the command line: the options that choose it, and the way to a terminal or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from chainrule.errors import FormatError, closest, meant
from chainrule.printable import printable

if TYPE_CHECKING:
    from chainrule.derivation.record import Derivation

WIDTH = 100
"""Columns of text, where no terminal says how many there are."""

SUFFIX = ".safetensors"
"""How the file of a network ends."""

FormulaOrModel = Annotated[
    str, typer.Argument(metavar="EXPRESSION | MODEL", help="A formula, or a network that chainrule train has saved.")
]
Saved = Annotated[Path, typer.Argument(metavar="MODEL", help="A network that chainrule train has saved.")]
Dialect = Annotated[str | None, typer.Option(help="How the numbers are told: graph, chain, paths, delta or jacobian.")]
Notation = Annotated[
    str | None, typer.Option(help="Whose letters: nielsen, course, lecture, goodfellow or parr-howard. [nielsen]")
]
Layout = Annotated[
    str | None, typer.Option(help="numerator (a row for each output) or denominator (a row for each input).")
]
Style = Annotated[
    str, typer.Option("--format", help="text, plain, markdown, latex, html or json. [text]", show_default=False)
]
Out = Annotated[Path | None, typer.Option(help="Write to this file: .txt, .md, .tex, .html or .json.")]
Detail = Annotated[
    str, typer.Option(help="short (a dozen lines) or full (every step). [short; full in a file]", show_default=False)
]
Digits = Annotated[int, typer.Option(min=1, max=17, help="Digits of numbers; 17 is all.")]
Top = Annotated[int, typer.Option(min=1, help="How many paths, terms or rows are listed.")]
Nudge = Annotated[float, typer.Option(help="The step of the dialect of paths.")]
Whole = Annotated[bool, typer.Option("--whole", help="Write large arrays out.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]


def one_style(style: str, as_json: bool) -> str:
    """The format that `--format` and `--json` name together."""
    if as_json and style not in ("", "json"):
        raise typer.BadParameter(f"--json means --format json, and --format {style} was given too: leave one out")
    return "json" if as_json else style


def check_choices(
    dialect: str | None, notation: str | None, layout: str | None, style: str, out: Path | None, detail: str = ""
) -> None:
    """Refuse a word that is none of those to choose from, before anything is computed."""
    from chainrule.derivation.explain import NEAREST
    from chainrule.derivation.formats import FORMATS, format_of
    from chainrule.derivation.formats.page import DETAILS
    from chainrule.derivation.notation import NOTATIONS
    from chainrule.derivation.tape.conventions import LAYOUTS

    one_of("--dialect", dialect, NEAREST)
    one_of("--notation", notation, NOTATIONS)
    one_of("--layout", layout, LAYOUTS)
    one_of("--detail", detail or None, DETAILS)
    one_of("--format", style or None, ["text", *FORMATS.keys()])
    if out is not None:
        try:
            suits = format_of(out)
        except FormatError as error:
            raise typer.BadParameter(str(error), param_hint="--out") from error
        if style not in ("", suits):
            raise typer.BadParameter(
                f"{out.name} is a file for {suits}, not {style}: leave --format out", param_hint="--out"
            )


def one_of(option: str, word: str | None, choices: Iterable[str]) -> None:
    """Refuse a word that is none of the choices, with the one that was probably meant."""
    if word is not None and word not in choices:
        raise typer.BadParameter(f"there is no {word}: {what_there_is(word, choices)}", param_hint=option)


def what_there_is(word: str, choices: Iterable[str]) -> str:
    """The choices, after the one that was probably meant by a word that is none."""
    near = closest(word, choices)
    return f"{f'did you mean {near}? ' if near else ''}there are {', '.join(choices)}"


def say(text: str, *, err: bool = False) -> None:
    """Print lines that may quote a file or a user, whose words cannot steer the terminal."""
    # Without a file it would write UTF-8 to a terminal that says it is none.
    typer.echo(printable(text, lines=True), file=sys.stderr if err else sys.stdout)


def refuse_unknown_options(words: Iterable[str], context: typer.Context) -> None:
    """A formula may begin with a minus, so what is no option arrives as one; with two of them it is no formula."""
    known = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
    for word in words:
        if word.startswith("--"):
            option = word.partition("=")[0]
            raise typer.BadParameter(f"there is no option {option}{meant(option, known)}")


def names_in(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def is_model(what: str, given: Sequence[str], example: str) -> bool:
    """Whether a network is named and no formula; it takes data or one example, and a formula takes values."""
    found = what.endswith(SUFFIX) or Path(what).is_file()
    values = [word for word in given if "=" in word]
    if found and values:
        raise typer.BadParameter(f"values belong to a formula, and {what} is a network: leave {values[0]} out")
    if found and len(given) + bool(example) > 1:
        raise typer.BadParameter("a network is shown on DATA, or on one row of it by --example DATA:ROW: choose one")
    if example and not found:
        raise typer.BadParameter("--example belongs to a network, and this is none: leave it out")
    return found


def hand_over(derivation: Derivation, style: str, out: Path | None, detail: str = "") -> None:
    """Print the derivation or write it to a file; where the terminal lacks the signs of mathematics, in plain text."""
    from chainrule.derivation.formats import save, write
    from chainrule.derivation.formats.page import every_step, is_short
    from chainrule.maths import plain, unicode

    if out is not None:
        save(derivation, out, detail=detail or "full")
        say(f"wrote {out}")
        return
    detail = detail or "short"
    if not style:
        style = "text" if can_print("∂²√ᵀ⊙", sys.stdout) else "plain"
    console = Console()
    width = width_of(console)
    if style in ("text", "terminal"):
        shown = write(
            derivation, "terminal", width=width, color=console.is_terminal and not console.no_color, detail=detail
        )
    elif style == "plain":
        shown = write(derivation, "plain", width=width, detail=detail)
    else:
        shown = write(derivation, style, detail=detail)
        shown = printable(shown, lines=True) if console.is_terminal else shown
    if is_short(derivation, detail) and style in ("text", "terminal", "plain"):
        written = plain if style == "plain" else unicode
        shown += f"{every_step(derivation, written)}: --detail full\n"
    # What a redirected file must not have, colours, was left out above.
    typer.echo(shown, nl=False, color=True)


def width_of(console: Console) -> int:
    """The columns of a terminal, or of text that goes elsewhere."""
    return console.width if console.is_terminal else WIDTH


def can_print(text: str, stream: Any) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeError:
        return False
    return True


def files_of(given: Sequence[str]) -> list[str]:
    """The files that are named beside a formula, as ``W=@weights.npy``."""
    parts = [item.partition("=")[2].strip() for item in given]
    return [part[1:].strip() for part in parts if part.startswith("@")]

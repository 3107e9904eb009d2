"""The command `chainrule`."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from chainrule.cli import auditing, compiling, grading, lessons, network, verifying
from chainrule.cli.help import Command, Group
from chainrule.cli.telling import (
    AsJson,
    Detail,
    Dialect,
    Digits,
    FormulaOrModel,
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
    files_of,
    hand_over,
    is_model,
    names_in,
    one_of,
    one_style,
    refuse_unknown_options,
    say,
    width_of,
)
from chainrule.cli.train import train
from chainrule.errors import ChainruleError, FormulaError
from chainrule.printable import SPELLED

Values = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="A value for every name, as x=2 or W=@file.npy.")
]

ValuesOrData = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=VALUE... | DATA]",
        help="A value for every name of an expression, as x=2 or W=@file.npy; the rows that a network is shown on.",
    ),
]

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What a wrong use of a command raises, in whichever library typer takes it from."""


class Stopped(Exception):
    """Ctrl-C, where a command has no more to say of it; typer would end without a word at a KeyboardInterrupt."""


@contextmanager
def ctrl_c_as_stopped() -> Generator[None]:
    """Make of a Ctrl-C, and of what goes wrong in an import because of one, the end of the program."""
    try:
        yield
    except (typer.Exit, UsageError, ChainruleError):
        raise
    except BaseException as error:
        if came_of_ctrl_c(error):
            raise Stopped from error
        raise


def came_of_ctrl_c(error: BaseException | None) -> bool:
    """Whether a KeyboardInterrupt is, or is behind, what was raised."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


class Commands(Group):
    """All commands; what is wrong with their words is told whatever signs are in them."""

    def make_context(self, *words: Any, **settings: Any) -> Any:
        with ctrl_c_as_stopped():
            return super().make_context(*words, **settings)

    def invoke(self, ctx: Any) -> Any:
        with ctrl_c_as_stopped():
            return super().invoke(ctx)

    def main(self, *words: Any, **settings: Any) -> NoReturn:
        try:
            code = super().main(*words, **{**settings, "standalone_mode": False})
        except Stopped:
            say("chainrule: stopped by Ctrl-C", err=True)
            code = 130
        except UsageError as error:
            wrong: Any = error
            told = io.StringIO()
            wrong.show(told)
            say(told.getvalue().rstrip("\n"), err=True)
            code = wrong.exit_code
        sys.exit(code)


app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def show_version(wanted: bool) -> None:
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

    Watch a network learn, open any formula, or learn from a table of your own.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(cls=Command)
def demo(
    seed: Annotated[int, typer.Option(min=0, help="Draws the weights and the order of the examples.")] = 0,
    page: Annotated[Path, typer.Option(help="Where the live page of the digit goes.")] = Path("chainrule-demo.html"),
    as_json: Json = False,
) -> None:
    """Train a network on handwritten digits, then open one of its gradients and check them all.

    It takes a few seconds, downloads nothing, and leaves a page on which every number of that digit is live, and the
    pass that trained the network as a few lines of NumPy.
    """
    from chainrule.cli.demo import run

    if as_json:
        typer.echo(json.dumps(asdict(run(seed)), indent=2))
        return
    from chainrule.cli.page import of_digit, of_source
    from chainrule.cli.screen import show

    losses: list[Any] = []
    made = run(seed, progress=True, recorded=losses.append)
    show(made, Console())
    say(of_source(made.written.source, page.with_suffix(".py")))
    say(of_digit(losses[0], page))


class FormulaCommand(Command):
    """A command whose help ends with the functions that a formula may call, and with examples."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        import chainrule as cr
        from chainrule.expression import usages

        offered = [usage for usage in usages() if usage.partition("(")[0] in cr.__all__]
        with formatter.section("Functions"):
            formatter.write_text(", ".join(offered))
        super().format_epilog(ctx, formatter)


@app.command(cls=FormulaCommand, context_settings={"ignore_unknown_options": True})
def grad(
    context: typer.Context,
    expression: Annotated[
        str,
        typer.Argument(
            metavar="EXPRESSION", help="A formula, as sum((W @ x + b - y)**2), or several: 'h = w*x; L = (h - y)**2'."
        ),
    ],
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE | NAME:SHAPE]...",
            help="Values, as x=2, W=[[1,2],[3,4]] or W=@file.npy (or .csv), and shapes, as W:3x2.",
        ),
    ] = None,
    wrt: Annotated[str, typer.Option(help="The name to differentiate in, or an entry, as W[0,1]. [all names]")] = "",
    dialect: Dialect = None,
    notation: Notation = None,
    layout: Layout = None,
    style: Style = "",
    out: Out = None,
    detail: Detail = "",
    order: Annotated[int, typer.Option(min=1, max=2, help="2 for second derivatives, the Hessian.")] = 1,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with differences; exit code 1 where they differ.")
    ] = False,
    direction: Annotated[
        list[str] | None,
        typer.Option(help="Also the slope along a direction, as 'x=1 y=2'; of a vector, the Jacobian's product."),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Of a vector: also what weights of its entries make of the Jacobian, as '[1, 2]'.")
    ] = "",
    digits: Digits = 6,
    top: Top = 5,
    nudge: Nudge = 0.01,
    whole: Whole = False,
    as_json: AsJson = False,
) -> None:
    """Differentiate a formula, and tell how the derivative came about.

    With shapes alone it gives the derivative as a formula; with values for all names also every number.
    """
    refuse_unknown_options([expression, *(given or [])], context)
    style = one_style(style, as_json)
    check_choices(dialect, notation, layout, style, out, detail)

    from chainrule.derivation.typed.answer import Answer, Options
    from chainrule.derivation.typed.formula import read_formula, read_weights
    from chainrule.files import refuse_overwriting

    refuse_overwriting(out, files_of(given or []))
    formula = read_formula(expression, given or [], wrt)
    products = (
        formula.read_direction(" ".join(direction)) if direction else None,
        read_weights(weights) if weights else None,
    )
    answer = Answer(formula, Options(dialect, notation, layout, digits, top, nudge, whole, order, check, *products))
    hand_over(answer.derivation, style, out, detail)
    if not answer.comparison.passed:
        typer.echo("chainrule: differences do not confirm every derivative: --detail full shows the table", err=True)
        raise typer.Exit(1)


app.command("compile", cls=FormulaCommand, context_settings={"ignore_unknown_options": True})(compiling.compile_)

COMMANDS = (
    train,
    network.predict,
    network.evaluate,
    network.explain,
    verifying.check,
    grading.grade,
    grading.numbers,
    verifying.compare,
    auditing.audit,
    lessons.lesson,
)
for command in COMMANDS:
    app.command(cls=Command)(command)
app.add_typer(lessons.exercises, name="exercise")
app.command("check-engine", cls=Command)(verifying.check_engine)


@app.command(cls=Command, context_settings={"ignore_unknown_options": True})
def draw(
    context: typer.Context,
    what: FormulaOrModel,
    given: ValuesOrData = None,
    example: Annotated[str, typer.Option(metavar="DATA:ROW", help="Of a network: the row whose loss is drawn.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file: .svg, .png, .html or .txt.")
    ] = None,
    wrt: Annotated[str, typer.Option(help="Light the paths from this name to the result.")] = "",
    mistake: Annotated[
        str, typer.Option(help="Beside it a wrong backward pass: overwrite, order, zero_grad or forgotten.")
    ] = "",
    forward: Annotated[bool, typer.Option("--forward", help="Before the backward pass.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="One box for each module.")] = False,
    direction: Annotated[str, typer.Option(help="right or down. [what fits a page]", show_default=False)] = "auto",
    theme: Annotated[str, typer.Option(help="light, dark, or auto: as the reader's screen. [auto]")] = "",
    digits: Annotated[int, typer.Option(min=1, max=17, help="Digits of numbers.")] = 4,
) -> None:
    """Draw the graph of a formula or of a network: numbers in boxes, local derivatives on arrows.

    Without --out it is drawn in the terminal, up to 15 nodes.
    """
    refuse_unknown_options([what, *(given or [])], context)

    from chainrule.cli.draw import of_formula, of_model
    from chainrule.derivation.wrong.mistakes import MISTAKES
    from chainrule.files import refuse_overwriting
    from chainrule.pictures.layout import DIRECTIONS
    from chainrule.pictures.picture import CHOICES, check_suffix

    one_of("--direction", direction, DIRECTIONS)
    one_of("--theme", theme or None, CHOICES)
    one_of("--mistake", mistake or None, MISTAKES)
    how: dict[str, Any] = {"direction": direction, "digits": digits, "mistake": mistake, "wrt": wrt or None}
    how["open"] = False if closed else None
    of_network = is_model(what, given or [], example)
    if out is not None:
        check_suffix(out)
        refuse_overwriting(out, [what, *(given or [])] if of_network else files_of(given or []))
    if of_network:
        (data,) = given or [""]
        picture = of_model(Path(what), data, example, backward=not forward, **how)
    else:
        picture = of_formula(what, given or [], backward=not forward, **how)
    if out is not None:
        picture.save(out, theme=theme)
        say(f"wrote {out}")
        return
    say(picture.text(width=width_of(Console()), ascii=not can_print("│─┌▼−·ŷ", sys.stdout)))


@app.command(cls=Command, context_settings={"ignore_unknown_options": True})
def page(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[EXPRESSION | MODEL]", help="Lines of a problem, or a saved network. [a gallery]"),
    ] = None,
    given: ValuesOrData = None,
    example: Annotated[str, typer.Option(metavar="DATA:ROW", help="Of a network: the row whose loss is shown.")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Write to this file: .html.")] = Path("page.html"),
    data: Annotated[str, typer.Option(help="Names that training leaves alone, as x,y. [those like x, x1, y]")] = "",
    rate: Annotated[float, typer.Option(help="The learning rate that it begins with.")] = 0.01,
) -> None:
    """Write a page on which every number is live: drag one, and values, gradients and derivation follow.

    It is one file that opens from disk and needs no network.
    """
    refuse_unknown_options([what or "", *(given or [])], context)

    from chainrule.cli.page import of_formula, of_model
    from chainrule.files import refuse_overwriting
    from chainrule.livepage.page import check_suffix
    from chainrule.livepage.page import page as page_of

    check_suffix(out)
    of_network = is_model(what or "", given or [], example)
    refuse_overwriting(out, [what, *(given or [])] if what and of_network else files_of(given or []))
    if of_network and data:
        raise typer.BadParameter("--data names numbers of a formula, and this is a network: leave it out")
    if not rate > 0:
        raise typer.BadParameter(f"--rate is above 0, not {rate}")
    if what is None:
        made = page_of()
    elif of_network:
        (table,) = given or [""]
        made = of_model(Path(what), table, example, rate)
    else:
        made = of_formula(what, given or [], names_in(data), rate)
    made.save(out)
    say(f"wrote {out}: open it in a browser")


@app.command(cls=Command, context_settings={"ignore_unknown_options": True})
def plot(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="tangent, quotients, gradient, loss, surface or rates of a formula; activation; "
            "boundary, layers, flow, weights or mistakes of a network, or surface over two of its weights.",
        ),
    ],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPRESSION NAME=VALUE... | NAME... | MODEL DATA [WEIGHT[=START] WEIGHT[=START]]]",
            help="What is plotted, and where. A weight is written as 0.weight[3,1].",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Write to this file: .png, .svg or .pdf.")] = Path(
        "plot.png"
    ),
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
) -> None:
    """Plot a curve with its tangent, a loss surface, activations, what a network decides, and more, to a file."""
    refuse_unknown_options([kind, *(what or [])], context)

    from chainrule.cli.plot import check_plot, plotted, save
    from chainrule.files import refuse_overwriting
    from chainrule.plot.style import CYCLES

    one_of("--theme", theme, CYCLES)
    check_plot(kind, out)
    refuse_overwriting(out, [word for word in what or [] if Path(word).is_file()])
    axes = plotted(kind, what or [], theme)
    if isinstance(axes, list) and not axes:
        say("there is nothing to plot: the network is right everywhere")
        return
    save(axes, out)
    say(f"wrote {out}")


@app.command(cls=Command, context_settings={"ignore_unknown_options": True})
def worksheet(
    context: typer.Context,
    expression: Annotated[
        str, typer.Argument(metavar="EXPRESSION", help="Lines, as 'h = w*x; L = (h - y)**2', or one formula.")
    ],
    given: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="A number for every name.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Write to this file: .xlsx, .html or .pdf.")] = Path(
        "sheet.html"
    ),
    blanks: Annotated[
        str, typer.Option(help="What is to be filled in: gradients, forward, all or none, or names of rows.")
    ] = "gradients",
    teacher: Annotated[bool, typer.Option("--teacher", help="The teacher's copy, with every answer.")] = False,
) -> None:
    """Write a sheet on which a small net is worked by hand, forward and backward; blanks turn green when right."""
    refuse_unknown_options([expression, *(given or [])], context)

    from chainrule.derivation.typed.formula import read_formula
    from chainrule.files import refuse_overwriting
    from chainrule.sheets.worksheet import check_suffix
    from chainrule.sheets.worksheet import worksheet as sheet_of

    check_suffix(out)
    refuse_overwriting(out, files_of(given or []))
    formula = read_formula(expression, given or [], "")
    formula.require_numbers("a sheet has numbers")
    if any(formula.shapes.values()):
        raise formula.wrong("a sheet takes single numbers, and here is an array: write it out, number by number")
    several = [part.strip() for part in blanks.split(",")]
    sheet = sheet_of(expression, formula.values, blanks=several[0] if len(several) == 1 else several)
    sheet.save(out, teacher=teacher)
    say(f"wrote {out}, with {0 if teacher else len(sheet.blanks)} blanks")


@app.command(cls=Command)
def doctor(as_json: Json = False) -> None:
    """Say what is installed here, and what makes it fast or slow."""
    from chainrule.cli.doctor import examine, report

    found = examine()
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(report(found)))


def main() -> None:
    """Run the command line; 0 is success, 1 a failure, 2 a wrong use, 130 a Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot print ∂ and δ gets d and delta in place of a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=SPELLED)
    try:
        try:
            app()
        finally:
            # What is still on its way must fail here, not after the last line of Python; a closed output is None.
            with suppress(AttributeError):
                sys.stdout.flush()
    except ChainruleError as error:
        say(f"chainrule: {error}", err=True)
        sys.exit(2 if isinstance(error, FormulaError) else 1)
    except OSError as error:
        drop_output()
        # A reader who has seen enough, as `head`, is told nothing.
        if not isinstance(error, BrokenPipeError):
            where = error.filename or "the output"
            say(f"chainrule: {where} could not be read or written: {error.strerror or error}", err=True)
        sys.exit(1)


def drop_output() -> None:
    """Send what is left in the buffer nowhere, so that it is not tried again at the end and fails with a traceback."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""For a terminal: mathematics in its own signs, matrices in brackets, colours where the terminal has them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from chainrule.derivation.formats.displayed import Displayed, in_rows, signed, spaced
from chainrule.derivation.formats.page import is_short, page
from chainrule.derivation.formats.plain import one_line
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.words import Words, pieces, said
from chainrule.maths import unicode

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

STYLES = {"note": "blue", "warning": "yellow", "wrong": "red"}
MATHS = "cyan"
INDENT = 2


def write(derivation: Derivation, *, width: int = 100, color: bool = False, detail: str = "full") -> str:
    """As text wrapped at `width`, with the codes of a terminal's colours or without."""
    from rich.console import Console

    # Everything is told, so that the terminal and the environment of the process change nothing.
    console = Console(
        file=io.StringIO(),
        width=width,
        height=25,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        force_jupyter=False,
        legacy_windows=False,
    )
    console.print(renderable(derivation, detail))
    assert isinstance(console.file, io.StringIO)
    return "\n".join([row.rstrip() for row in console.file.getvalue().splitlines()]) + "\n"


def renderable(derivation: Derivation, detail: str) -> Any:
    """For Rich to print; a short answer has no empty lines inside."""
    from rich.console import Group
    from rich.padding import Padding

    blocks = page(derivation, detail)
    together = is_short(derivation, detail)
    flat = in_rows(blocks[1:]) if together else set[int]()
    below = [int(i < len(blocks) - 1 and (i == 0 or not together)) for i in range(len(blocks))]
    shown = [block(part, is_flat=i - 1 in flat) for i, part in enumerate(blocks)]
    return Group(*[Padding(part, (0, 0, space, 0)) for part, space in zip(shown, below, strict=True)])


def block(part: Block, *, is_flat: bool = False) -> Any:
    from rich.console import Group
    from rich.table import Table as Grid

    match part:
        case Heading(text, level):
            return words(text, "bold underline" if level == 1 else "bold")
        case Paragraph(text):
            return words(text)
        case Note(text, kind):
            style = STYLES.get(kind, "")
            return words(f"{kind.capitalize()}: ", f"bold {style}").append_text(words(text))
        case Equation():
            return OnTerminal(part, is_flat=is_flat)
        case Table():
            return table(part)
        case Steps(lines, caption):
            grid = Grid.grid(padding=(0, 1))
            grid.add_column(justify="right", no_wrap=True)
            grid.add_column()
            for i, text in enumerate(lines, 1):
                grid.add_row(f"{i}.", cell(text))
            return Group(*([words(caption, "italic")] if caption else []), grid)


def words(text: Words, style: str = "") -> Text:
    from rich.text import Text

    found = Text(style=style)
    for part in pieces(text):
        if isinstance(part, str):
            found.append(one_line(part))
        else:
            found.append(unicode(part), MATHS)
    return found


def cell(part: Words | Equation) -> Text:
    if not isinstance(part, Equation):
        return words(part)
    from rich.text import Text

    shown = Text("".join([side.lines[0] for side in spaced(signed(part, tall=False))]), MATHS)
    return shown.append_text(words(said("   (", part.note, ")"), "dim")) if part.note else shown


def table(part: Table) -> Any:
    from rich import box
    from rich.table import Table as Grid

    caption = words(part.caption, "italic") if part.caption else None
    grid = Grid(box=box.SIMPLE_HEAD, title=caption, title_justify="left", pad_edge=False, show_edge=False)
    for name in part.columns:
        grid.add_column(words(name), overflow="fold")
    for row in part.rows:
        grid.add_row(*[cell(x) for x in row])
    return grid


class OnTerminal(Displayed):
    """An equation on its own, for Rich to print."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.padding import Padding
        from rich.text import Text

        for indent, box in self.rows(options.max_width - INDENT):
            for text in box.lines:
                yield Padding(Text(text, MATHS), (0, 0, 0, INDENT + indent))
        if self.equation.note:
            yield Padding(words(said("(", self.equation.note, ")"), "dim"), (0, 0, 0, INDENT))

"""How a run looks while it goes: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from chainrule.table import shown
from chainrule.training.callbacks import Callback

if TYPE_CHECKING:
    from chainrule.training.run import Run

REDRAWN_SECONDS = 0.125
LEAST_BAR, MOST_BAR = 8, 40
"""Columns of a terminal for the bar itself."""
TIME_LEFT = "0:00:00"
DIGITS = 4
"""Of a number beside the bar: more would push others off a narrow terminal, and change faster than one can read."""
LEAST_SECONDS = 1.0
"""Between two plain lines, so that a log of a long run of short epochs stays readable."""


class Bar(Callback):
    """A live bar: epoch, loss and metrics, examples a second, time left.

    Where the terminal is too narrow for all of it, the last numbers are left out, which are those of validation; then
    the bar gets shorter.
    """

    def __init__(self, console: Any = None) -> None:
        self.console = console
        self.bar: Any = None
        self.task: Any = None
        self.judged: dict[str, Any] = {}
        self.drawn = 0.0

    def on_start(self, run: Run) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        columns = (
            TextColumn("epoch {task.fields[epoch]}"),
            # Rich makes columns narrower that may be wrapped, and this is the only one.
            BarColumn(bar_width=None, table_column=Column(max_width=MOST_BAR)),
            TextColumn("{task.fields[numbers]} ", markup=False),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
        )
        console = self.console or Console(stderr=True)
        self.bar = Progress(*columns, console=console, refresh_per_second=1 / REDRAWN_SECONDS)
        total = run.epochs * (run.data.count or 1)
        self.task = self.bar.add_task("", total=total, epoch=f"{len(run.history)}/{run.epochs}", numbers="", rate="")
        self.bar.start()

    def steps_until_told(self, run: Run) -> int:
        """Any number: it shows where the run is, and no more often than it is redrawn."""
        return sys.maxsize

    def on_batch_end(self, run: Run) -> None:
        if time.monotonic() - self.drawn >= REDRAWN_SECONDS:
            known = {"loss": run.tally.loss} if run.tally.weight else {}
            self.draw(run, {**self.judged, **known}, rate(run.tally.examples, run.seconds))

    def on_epoch_end(self, run: Run) -> None:
        row = run.history.rows[-1]
        self.judged = numbers(row)
        self.draw(run, self.judged, rate(run.examples, row["seconds"]))

    def draw(self, run: Run, row: dict[str, Any], speed: str) -> None:
        self.drawn = time.monotonic()
        within = run.batch if run.data.count else 0
        done = len(run.history) * (run.data.count or 1) + within
        epoch = f"{run.epoch}/{run.epochs}"
        others = " ".join([f"epoch {epoch}", LEAST_BAR * "━", " ", speed, TIME_LEFT])
        words = fitting(row, self.bar.console.width - len(others))
        self.bar.update(self.task, completed=done, epoch=epoch, numbers=words, rate=speed)

    def on_end(self, run: Run) -> None:
        """Leave the bar as it is, and say why it is not full."""
        self.bar.stop()
        if is_news(run):
            self.bar.console.print(run.history.stopped, markup=False, highlight=False)


class Lines(Callback):
    """A line for an epoch, at most one a second, and always for the last."""

    def __init__(self) -> None:
        self.last = -LEAST_SECONDS
        self.told = 0

    def on_epoch_end(self, run: Run) -> None:
        if time.monotonic() - self.last >= LEAST_SECONDS:
            self.tell(run)

    def on_end(self, run: Run) -> None:
        """Print the last epoch, and why it was the last."""
        if run.history.rows and self.told < len(run.history):
            self.tell(run)
        if is_news(run):
            print(run.history.stopped, file=sys.stderr, flush=True)

    def tell(self, run: Run) -> None:
        row = run.history.rows[-1]
        self.last, self.told = time.monotonic(), len(run.history)
        speed = rate(run.examples, row["seconds"])
        words = "  ".join(f"{name} {shown(held)}" for name, held in numbers(row).items())
        print(f"epoch {row['epoch']}/{run.epochs}  {words}  {speed}".rstrip(), file=sys.stderr, flush=True)


def is_news(run: Run) -> bool:
    """Whether there is a reason for the end that nothing else tells: not that of an error, nor of Ctrl-C."""
    return bool(run.history.stopped) and not run.history.diverged and not run.interrupts.noted


def progress_of(wanted: bool) -> list[Callback]:
    """The bar, the lines, or nothing."""
    if not wanted:
        return []
    return [Bar() if sys.stderr.isatty() else Lines()]


def numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Loss and metrics of an epoch."""
    return {name: held for name, held in row.items() if name not in ("epoch", "lr", "seconds")}


def fitting(row: dict[str, Any], room: int) -> str:
    """The first numbers that have room, and one in any case; zeros at the end stay, so that nothing jumps."""
    words = [
        f"{name} {f'{held:#.{DIGITS}g}' if isinstance(held, float) else shown(held)}" for name, held in row.items()
    ]
    while len(words) > 1 and len("  ".join(words)) > room:
        words.pop()
    return "  ".join(words)


def rate(examples: int, seconds: float) -> str:
    return f"{examples / seconds:,.0f} examples/s" if examples and seconds > 0 else ""

"""What a training on a table came to, told in a dozen lines, or whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainrule.printable import several
from chainrule.table import Table
from chainrule.training.fit_table import Fitted, Spread

ROWS, HELD = "rows", "held-out rows"
"""How the rows are called that it learned from, and those that judged it."""


def short_report(fitted: Fitted, spread: Spread | None = None, *, name: str = ROWS, held: str = HELD) -> str:
    r"""The verdict, the target, the columns, the network, its measures and what it found: a dozen lines at most.

    With the `spread` over other splits there are more. `name` is what the rows are called, `held` those that judged.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> rows = [f"{i % 9},{'cat' if i % 9 < 5 else 'dog'}" for i in range(90)]
    >>> _ = Path("pets.csv").write_text("kilograms,kind\n" + "\n".join(rows) + "\n")
    >>> table = cr.data.read_table("pets.csv", target="kind")
    >>> print(cr.training.short_report(cr.training.fit_table(table, cr.training.Recipe(rate=0.02))).splitlines()[0])
    target 'kind': classification with 2 classes, cat, dog
    """
    judgement = fitted.judgement
    lines = [*_told(fitted)]
    if fitted.columns.decisions:
        lines.append(fitted.columns.in_a_line())
    lines += [_network(fitted), _rows(fitted, name), _judged_on(fitted, held), repr(judgement.measures)]
    lines.append(judgement.short)
    if spread is not None:
        lines += [f"{spread.table.note}:", repr(without_note(spread.table))]
    return "\n".join([*lines, *_refitted(fitted)])


def full_report(
    fitted: Fitted, spread: Spread | None = None, *, name: str = ROWS, held: str = HELD
) -> Iterator[str | Table]:
    r"""All of it, texts and tables in their order: every column, the confusion matrix or the residuals, calibration.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("line.csv").write_text("x,y\n" + "".join(f"{i % 9},{i % 9 + 0.5}\n" for i in range(60)))
    >>> parts = cr.training.full_report(cr.training.fit_table(cr.data.read_table("line.csv", target="y")))
    >>> [part.columns for part in parts if isinstance(part, cr.training.Table)][0]
    ('column', 'kind', 'why', 'what is done')
    """
    judgement = fitted.judgement
    yield from _told(fitted)
    if fitted.columns.decisions:
        yield fitted.columns.table()
    yield _network(fitted)
    yield _rows(fitted, name)
    yield _judged_on(fitted, held)
    yield from judgement.parts()
    if spread is not None:
        yield f"\n{spread.table.note}:"
        yield without_note(spread.table)
    yield from _refitted(fitted)


def plain_report(fitted: Fitted, spread: Spread | None = None) -> dict[str, Any]:
    r"""The same as plain data, for JSON: docs/tables.md says what stands where.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("line.csv").write_text("x,y\n" + "".join(f"{i % 9},{i % 9 + 0.5}\n" for i in range(60)))
    >>> found = cr.training.plain_report(cr.training.fit_table(cr.data.read_table("line.csv", target="y")))
    >>> found["task"], found["rows"], found["held_out"]["rows"]
    ('regression', 36, 12)
    """
    columns, rows = fitted.columns, fitted.rows
    return {
        "target": columns.target.name,
        "task": columns.task,
        "layers": list(fitted.sizes),
        "parameters": fitted.parameters,
        "seed": fitted.recipe.seed,
        **fitted.training(),
        "rows": rows["trained"],
        "watched": rows["watched"],
        "refitted": fitted.refitted,
        "columns": [
            {"column": one.column, "kind": one.kind, "why": one.why, "done": one.done, "used": one.used}
            for one in columns.decisions
        ],
        "held_out": {"rows": rows["held_out"], **fitted.judgement.plain()},
        **({} if spread is None else {"splits": spread.plain()}),
    }


def without_note(table: Table) -> Table:
    """A table whose note was said already."""
    return Table(table.columns, table.rows)


def _told(fitted: Fitted) -> Iterator[str]:
    """First what must not be missed, then what is predicted."""
    if fitted.judgement.warning:
        yield f"note first: {fitted.judgement.warning}"
    target = fitted.columns.target.name
    yield from [f"target {target!r}: {one.why}" for one in fitted.columns.decisions if one.column == target]


def _network(fitted: Fitted) -> str:
    """The network, the epochs, and whose weights were kept."""
    count, words = len(fitted.history), "-".join(map(str, fitted.sizes))
    return (
        f"network {words}, {fitted.parameters:,} parameters; {several(count, 'epoch')}, and the weights are "
        f"of epoch {fitted.kept_epoch:,} (seed {fitted.recipe.seed})"
    )


def _rows(fitted: Fitted, name: str) -> str:
    """The rows that trained it and that watched."""
    watched = fitted.rows["watched"]
    aside = f"{watched:,} watched when to stop" if watched else "too few to set some aside to watch"
    return f"{fitted.rows['trained']:,} {name} trained it, {aside}"


def _judged_on(fitted: Fitted, held: str) -> str:
    return f"on {fitted.rows['held_out']:,} {held}, which it had not seen:"


def _refitted(fitted: Fitted) -> Iterator[str]:
    if fitted.refitted:
        yield f"then trained again on all {fitted.refitted:,} rows for {fitted.kept_epoch:,} epochs: that is saved"

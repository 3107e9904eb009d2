"""`chainrule page`: a formula, a saved network on data or on one example, or the gallery as a live page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.cli.explain_model import known_examples, recorded_loss
from chainrule.data import Columns
from chainrule.data.encode import listing
from chainrule.derivation.typed.formula import read_formula
from chainrule.errors import FileError, FormatError, FormulaError, MissingExtra
from chainrule.files import write_whole
from chainrule.livepage.page import Page, check_suffix, page
from chainrule.training.fit_table import loss_of
from chainrule.training.model import load_model


def of_formula(text: str, given: Sequence[str], data: Sequence[str], rate: float) -> Page:
    """The page of a formula; all names need values."""
    formula = read_formula(text, given, "")
    formula.require_numbers("the page has numbers")
    for name in data:
        if name not in formula.names:
            raise FormulaError(f"--data {name}: the formula has {', '.join(formula.names)}")
    return page(text, values=formula.values, data=data, rate=rate)


def of_model(path: Path, data: str, example: str, rate: float) -> Page:
    """The page of a saved network with the loss of all rows of data, or of one example."""
    if not data and not example:
        raise FormulaError(
            f"a network is shown on data, as {path} flowers.csv, or on one row of it, by --example DATA:ROW"
        )
    model, title = load_model(path), f"{path.stem}, on {Path(data or example).name}"
    if example:
        loss, _ = recorded_loss(model, example)
        return page(loss, rate=rate, title=title)
    examples = known_examples(data, model)
    loss, note = loss_of(model.columns.task == "classification"), meaning(model.columns)
    return page(model.exact(), examples.table.x, examples.targets, loss=loss, rate=rate, title=title, note=note)


def meaning(columns: Columns) -> str:
    """What the numbers that a network takes are, in the words of the table that it learned from."""
    told = f"x has {listing(columns.names, 3)}, as the network takes them."
    if not columns.classes:
        return f"{told} y is {columns.target.name}, as the network learns it."
    numbered = [f"{n} is {name}" for n, name in enumerate(columns.classes) if str(name) != str(n)]
    return f"{told} Of {columns.target.name}, {listing(numbered, 6)}." if numbered else told


def of_source(source: str, path: Path) -> str:
    """Write the demo's pass beside its page, and say where; where it cannot be written, why."""
    try:
        write_whole(path, source)
    except FileError as error:
        return f"The pass was not written: {error}"
    return f"The pass that trained it, as NumPy: {path.resolve()}"


def of_digit(loss: Any, path: Path) -> str:
    """Write the page of the demo's digit, and say where; where it cannot be written, why."""
    check_suffix(path)
    try:
        page(loss, rate=0.1, title="A digit, read by 64-32-10").save(path)
    except (MissingExtra, FormatError) as error:
        return f"There is no live page: {error}"
    return f"Every number of that digit, live in a browser: {path.resolve()}"

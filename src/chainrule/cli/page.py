"""`chainrule page`: a formula, a saved network on one example, or the gallery as a live page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.cli.explain_model import recorded_loss
from chainrule.derivation.typed.formula import read_formula
from chainrule.errors import FileError, FormatError, FormulaError, MissingExtra
from chainrule.files import write_whole
from chainrule.livepage.page import Page, check_suffix, page
from chainrule.training.model import load_model


def of_formula(text: str, given: Sequence[str], data: Sequence[str], rate: float) -> Page:
    """The page of a formula; all names need values."""
    formula = read_formula(text, given, "")
    formula.require_numbers("the page has numbers")
    for name in data:
        if name not in formula.names:
            raise FormulaError(f"--data {name}: the formula has {', '.join(formula.names)}")
    return page(text, values=formula.values, data=data, rate=rate)


def of_model(path: Path, example: str, rate: float) -> Page:
    """The page of a saved network with the loss of one example."""
    if not example:
        raise FormulaError(f"a network is shown on an example: add --example DATA:ROW, as digits:1, to {path}")
    loss, _ = recorded_loss(load_model(path), example)
    return page(loss, rate=rate, title=f"{path.stem}, on {Path(example).name}")


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

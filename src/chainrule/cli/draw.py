"""`chainrule draw`: the graph of a formula with its numbers, or of a network that was saved, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.cli.explain_model import known_examples, recorded_loss
from chainrule.derivation.typed.formula import read_formula
from chainrule.pictures.draw import draw
from chainrule.pictures.picture import Picture
from chainrule.training.model import load_model


def of_formula(text: str, given: Sequence[str], *, backward: bool, **how: Any) -> Picture:
    """The graph of a formula, after its backward pass or before it; all names need values."""
    formula = read_formula(text, given, "")
    formula.require_numbers("a graph has numbers")
    _, result = formula.parsed.record(formula.values)
    if not isinstance(result, cr.Value | cr.Tensor) or not result.requires_grad:
        raise formula.wrong("the result does not depend on any name, so there is no graph")
    if backward and np.shape(result.data):
        raise formula.wrong(
            f"a backward pass starts from one number, and this has shape {result.shape}: write sum(…) around it, or "
            "draw it with --forward"
        )
    if backward and not how.get("mistake"):
        result.backward()
    return draw(result, **how)


def of_model(path: Path, data: str, example: str, *, backward: bool, **how: Any) -> Picture:
    """The graph of a network on data or one example, with the loss and its backward pass; without, of it alone."""
    model = load_model(path)
    if data:
        loss, _ = model.recorded(known_examples(data, model).table, None)
    elif example:
        loss, _ = recorded_loss(model, example)
    else:
        return draw(model.exact(), np.zeros((1, model.sizes[0])), **how)
    if backward and not how.get("mistake"):
        loss.backward()
    return draw(loss, **how)

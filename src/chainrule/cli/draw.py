"""`chainrule draw`: the graph of a formula with its numbers, or of a network that was saved, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.cli.explain_model import recorded_loss
from chainrule.cli.question import question_of
from chainrule.pictures.draw import draw
from chainrule.pictures.picture import Picture
from chainrule.training.model import load_model


def of_formula(text: str, given: Sequence[str], *, backward: bool, **how: Any) -> Picture:
    """The graph of a formula, after its backward pass or before it; all names need values."""
    question = question_of(text, given, "")
    question.require_numbers("a graph has numbers")
    scalar = all([not shape for shape in question.shapes.values()])
    nodes: dict[str, Any] = {
        name: cr.Value(question.values[name], label=name)
        if scalar
        else cr.Tensor(question.values[name], dtype=float, requires_grad=True, label=name)
        for name in question.names
    }
    result: Any = None
    for name, result in question.parsed.results(nodes):
        if isinstance(result, cr.Value | cr.Tensor) and all([result is not node for node in nodes.values()]):
            result.label = name or question.output
    if not isinstance(result, cr.Value | cr.Tensor) or not result.requires_grad:
        raise question.wrong("the result does not depend on any name, so there is no graph")
    if backward and np.shape(result.data):
        raise question.wrong(
            f"a backward pass starts from one number, and this has shape {result.shape}: write sum(…) around it, or "
            "draw it with --forward"
        )
    if backward and not how.get("mistake"):
        result.backward()
    return draw(result, **how)


def of_model(path: Path, example: str, *, backward: bool, **how: Any) -> Picture:
    """The graph of a network on one example, with the loss and its backward pass; without one, of the network alone."""
    model = load_model(path)
    if not example:
        return draw(model.exact(), np.zeros((1, model.sizes[0])), **how)
    loss, _ = recorded_loss(model, example)
    if backward and not how.get("mistake"):
        loss.backward()
    return draw(loss, **how)

"""`chainrule plot`: a plot of a formula, an activation or a saved network, written to a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.cli.examples import examples_of
from chainrule.cli.explain_model import asked_place
from chainrule.cli.telling import is_model, what_there_is
from chainrule.errors import FormatError, FormulaError, ShapeError
from chainrule.expression import read_given
from chainrule.expression.typed.given import read_value
from chainrule.files import suffix_among, write_whole
from chainrule.plot.functions import Function, letters
from chainrule.plot.style import pyplot
from chainrule.printable import several

SUFFIXES = {".png": "png", ".svg": "svg", ".pdf": "pdf"}

Given = dict[str, float]


def point(text: str, given: Given, count: int) -> list[float]:
    """The numbers that were given, in the order of the formula's names."""
    names = Function(text, letters(count)).names
    if set(given) != set(names):
        wanted = " ".join([f"{name}={n + 1}" for n, name in enumerate(names)])
        got = " ".join([f"{name}={number:g}" for name, number in given.items()]) or "none"
        raise FormulaError(f"this plot needs {several(count, 'number')}, as {wanted}, and got {got}")
    return [given[name] for name in names]


def loss_at(text: str, given: Given, how: dict[str, Any]) -> Any:
    """A loss for the target y, with the tangent where yhat is given."""
    if "y" not in given or set(given) - {"y", "yhat"}:
        raise FormulaError("loss needs the target, as y=1, and takes yhat=2 for a tangent")
    return cr.plot.loss(text, given["y"], at=given.get("yhat"), **how)


def rates_from(text: str, given: Given, how: dict[str, Any]) -> Any:
    """Descent from the point that was given."""
    if not given:
        raise FormulaError("descent starts somewhere: give the numbers, as x=2 y=1")
    return cr.plot.rates(text, point(text, given, len(given)), **how)


FORMULAS: dict[str, Callable[[str, Given, dict[str, Any]], Any]] = {
    "tangent": lambda text, given, how: cr.plot.tangent(text, *point(text, given, 1), **how),
    "quotients": lambda text, given, how: cr.plot.quotients(text, *point(text, given, 1), **how),
    "gradient": lambda text, given, how: cr.plot.gradient(text, point(text, given, 2), **how),
    "loss": loss_at,
    "surface": lambda text, given, how: cr.plot.surface(text, start=point(text, given, 2), **how),
    "rates": rates_from,
}
"""The plots of a formula: its text, the numbers that were given, and the theme."""

NETWORKS = ("boundary", "layers", "flow", "weights", "mistakes")
KINDS = ("activation", *FORMULAS, *NETWORKS)


def plotted(kind: str, words: Sequence[str], theme: str) -> Any:
    """The axes of a plot, by its kind and the words beside it."""
    how: dict[str, Any] = {"theme": theme}
    if kind == "activation":
        return cr.plot.activation(*words, **how)
    if not words:
        raise FormulaError(f"plot {kind} needs {'a saved network' if kind in NETWORKS else 'a formula'} beside it")
    if kind == "surface" and is_model(words[0], [], ""):
        return over_weights(words, how)
    if kind in FORMULAS:
        text, *items = words
        given = read_given(items)
        if given.shapes or any([np.ndim(x) for x in given.values.values()]):
            raise FormulaError(f"plot {kind} takes numbers beside the formula, as x=2")
        return FORMULAS[kind](text, {name: float(x) for name, x in given.values.items()}, how)
    return of_network(kind, words, how)


def of_network(kind: str, words: Sequence[str], how: dict[str, Any]) -> Any:
    """The plots of a network that was trained and saved, most of them on data."""
    from chainrule.training.fit_table import loss_of
    from chainrule.training.model import load_model

    if kind == "layers":
        return cr.plot.layers(load_model(Path(words[0])).net, **how)
    if kind == "weights":
        first = next(iter(load_model(Path(words[0])).net.parameters()))
        count = first.shape[1]
        side = int(np.sqrt(count))
        return cr.plot.weights(first, (side, side) if side * side == count else (1, count), **how)
    if len(words) != 2:
        raise FormulaError(f"plot {kind} needs a saved network and data: MODEL DATA")
    model = load_model(Path(words[0]))
    examples = examples_of(words[1], model)
    x, y, net = examples.table.x, examples.targets, model.net
    if kind == "flow":
        return cr.plot.flow(
            cr.training.gradient_flow(net, x, y, loss=loss_of(model.columns.task == "classification")), **how
        )
    if model.columns.task != "classification":
        raise FormulaError(f"plot {kind} is of classes, and this network predicts a number")
    if kind == "boundary":
        axes = cr.plot.boundary(net, x, y, **how)
        first, second = [f"{name}, as the network takes it" for name in model.columns.names]
        axes.set(xlabel=first, ylabel=second)
        for text in axes.get_legend().get_texts():
            text.set_text(str(model.columns.classes[int(text.get_text())]))
        axes.get_legend().set_title(model.columns.target.name)
        return axes
    side = int(np.sqrt(x.shape[1]))
    if side * side != x.shape[1]:
        raise ShapeError(f"mistakes are drawn of square images, and a row here has {x.shape[1]} numbers")
    return cr.plot.mistakes(net, x, y, classes=[str(name) for name in model.columns.classes], **how)


def over_weights(words: Sequence[str], how: dict[str, Any]) -> Any:
    """The loss of a saved network on data over two of its weights; paths begin at their numbers, or at those given."""
    from chainrule.training.fit_table import loss_of
    from chainrule.training.model import load_model, named_weights

    model = load_model(Path(words[0]))
    net = model.exact()
    weights = named_weights(net)
    if len(words) != 4:
        first = next(name for name, held in weights.items() if held.ndim == 2)
        raise FormulaError(
            f"the surface of a network needs data and two of its weights: plot surface {words[0]} DATA {first}[0,0] "
            f"{first}[0,1]; the network has {', '.join([f'{name} {list(x.shape)}' for name, x in weights.items()])}"
        )
    places, start = list[Any](), list[float]()
    for word in words[2:]:
        text, equals, _ = word.partition("=")
        name, key = asked_place(weights, text, text)
        if key is None:
            raise FormulaError(f"{text} has shape {list(weights[name].shape)}: name one of its entries, as {name}[0,0]")
        places.append((weights[name], key))
        number = read_value(word, len(text) + 1) if equals else weights[name].data[key]
        if np.ndim(number):
            raise FormulaError(f"{word}: a path begins at one number for each weight, as {text}=2")
        start.append(float(number))
    examples = examples_of(words[1], model, dtype=np.float64)
    x, y, loss = examples.table.x, examples.targets, loss_of(model.columns.task == "classification")
    return cr.plot.surface(lambda: loss(net(x), y), places, start=start, **how)


def save(axes: Any, out: Path) -> None:
    """Write the figure of some axes, whole or not at all, and close it."""
    panels: list[Any] = [*axes] if isinstance(axes, list) else [axes]
    figure = panels[0].figure
    buffer = io.BytesIO()
    figure.savefig(buffer, format=SUFFIXES[out.suffix.lower()], dpi=160)
    pyplot().close(figure)
    write_whole(out, buffer.getvalue(), error=FormatError)


def check_plot(kind: str, out: Path) -> None:
    """Refuse a kind or a suffix that there is not; plots are drawn without a window from here on."""
    if kind not in KINDS:
        raise FormulaError(f"there is no plot {kind}: {what_there_is(kind, KINDS)}")
    suffix_among(out, SUFFIXES, "a plot")
    pyplot().switch_backend("Agg")

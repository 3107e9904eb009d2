"""The worked nets and a few vectors and matrices, of which every dialect and every format has a page on record.

``.venv/bin/python tests/derivation/pages.py`` writes the pages of tests/derivation/golden/pages anew; then look at what
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.derivation.explain import NEAREST
from chainrule.errors import GraphError

FOLDER = Path(__file__).parent / "golden" / "pages"


def simple_net() -> tuple[Any, str]:
    """x → h → ŷ, half the squared error."""
    x, w1, w2, y = (cr.Value(v, label=n) for v, n in ((2.0, "x"), (2.0, "w1"), (0.5, "w2"), (20.0, "y")))
    h = w1 * x
    yhat = w2 * h
    h.label, yhat.label = "h", "yhat"
    loss = 0.5 * (yhat - y) ** 2
    loss.label = "L"
    return loss, "w1"


def sigmoid_net() -> tuple[Any, str]:
    """Two inputs, two sigmoids, three weights."""
    names = {"w1": 0.1, "w2": -0.3, "w3": 0.5, "x1": 1.0, "x2": 2.0, "y": 1.0}
    v = {name: cr.Value(value, label=name) for name, value in names.items()}
    h = (v["w1"] * v["x1"] + v["w2"] * v["x2"]).sigmoid()
    yhat = (v["w3"] * h).sigmoid()
    loss = (yhat - v["y"]) ** 2
    h.label, yhat.label, loss.label = "h", "yhat", "L"
    return loss, "w1"


def reuse() -> tuple[Any, str]:
    """A graph in which a and b are used twice."""
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    d, e = a * b, a + b
    f = d * e
    d.label, e.label, f.label = "d", "e", "f"
    return f, "a"


def batch() -> tuple[Any, str]:
    """A net 2-3-2 on two examples, written by hand."""
    weights = [[[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]], [[0.7, -0.8, 0.9], [-1.0, 1.1, -1.2]]]
    biases = [[0.01, -0.02, 0.03], [0.05, -0.06]]
    a = cr.Tensor([[0.5, -1.0], [1.5, 0.25]], label="x")
    for layer in (0, 1):
        w = cr.Tensor(weights[layer], requires_grad=True, label=f"W{layer + 1}")
        b = cr.Tensor(biases[layer], requires_grad=True, label=f"b{layer + 1}")
        a = (a @ w.T + b).sigmoid()
    loss = cr.nn.MSELoss("half_sum")(a, [[1.0, 0.0], [0.0, 1.0]])
    loss.label = "C"
    return loss, "W1"


def softmax_regression() -> tuple[Any, str]:
    """Cross-entropy of a linear layer."""
    x = cr.Tensor([[1.0, 2.0], [-0.5, 0.25]], label="x")
    w = cr.Tensor([[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]], requires_grad=True, label="W")
    b = cr.Tensor([0.1, 0.0, -0.1], requires_grad=True, label="b")
    z = x @ w.T + b
    loss = cr.cross_entropy(z, np.array([0, 2]))
    z.label, loss.label = "z", "L"
    return loss, "W"


def least_squares() -> tuple[Any, str]:
    """The squared length of a vector, with a matrix in it."""
    names = {"A": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "v": [0.5, -1.0], "u": [1.0, 2.0, 3.0]}
    t = {name: cr.Tensor(value, requires_grad=True, label=name) for name, value in names.items()}
    r = t["A"] @ t["v"] - t["u"]
    loss = cr.sum(r * r)
    r.label, loss.label = "r", "L"
    return loss, "v"


def relu_neuron() -> tuple[Any, str]:
    """One neuron with a ReLU."""
    w = cr.Tensor([0.5, -0.25, 2.0], requires_grad=True, label="w")
    x = cr.Tensor([1.0, 2.0, 0.5], label="x")
    b = cr.Tensor(0.1, requires_grad=True, label="b")
    a = cr.relu(w @ x + b)
    loss = (a - 2.0) ** 2
    a.label, loss.label = "a", "L"
    return loss, "w"


PAGES: dict[str, Callable[[], tuple[Any, str]]] = {
    function.__name__: function
    for function in (simple_net, sigmoid_net, reuse, batch, softmax_regression, least_squares, relu_neuron)
}
FORMATS = {"terminal": "txt", "plain": "plain.txt", "markdown": "md", "latex": "tex", "html": "html"}
"""Every format but JSON, which holds what the others print, and the suffix of its pages here."""

IN_ALL_FORMATS = ("simple_net", "least_squares")
"""Of the others the terminal and plain text are on record."""


@cache
def derivations() -> tuple[tuple[str, str, Any], ...]:
    """Every net in every dialect that applies, told once for all who look."""
    told: list[tuple[str, str, Any]] = []
    for name, make in PAGES.items():
        output, wrt = make()
        for dialect in NEAREST:
            with suppress(GraphError):
                told.append((name, dialect, cr.explain(output, wrt, dialect)))
    return tuple(told)


def pages() -> Iterator[tuple[str, str]]:
    """The name of every page and its text: the short answer, a line, the whole story."""
    from chainrule.derivation.formats import write

    for name, dialect, told in derivations():
        for format_, suffix in FORMATS.items():
            if format_ in ("terminal", "plain"):
                parts = [write(told, format_, width=80, detail=detail) for detail in ("short", "full")]
                yield f"{name}-{dialect}.{suffix}", ("=" * 80 + "\n").join(parts)
            elif name in IN_ALL_FORMATS:
                yield f"{name}-{dialect}.{suffix}", write(told, format_, detail="full")


def main(folder: Path = FOLDER) -> None:
    """Write every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for name, text in pages():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

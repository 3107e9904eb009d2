"""Draw the pictures of docs/pictures.md: run this after what they show has changed.

.venv/bin/python docs/write_pictures.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import chainrule as cr
from chainrule import nn

FOLDER = Path(__file__).with_name("pictures")


def reuse() -> Any:
    """a and b are used twice."""
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    d, e = a * b, a + b
    d.label, e.label = "d", "e"
    f = d * e
    f.label = "f"
    f.backward()
    return f


def chain() -> Any:
    """A weight, a hidden value, a prediction and its loss."""
    w1, w2, x, y = [cr.Value(v, label=n) for v, n in ((2.0, "w1"), (0.5, "w2"), (2.0, "x"), (20.0, "y"))]
    h = w1 * x
    yhat = w2 * h
    loss = 0.5 * (yhat - y) ** 2
    h.label, yhat.label, loss.label = "h", "yhat", "L"
    loss.backward()
    return loss


def batch() -> Any:
    """2-3-2 on four examples."""
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Sigmoid(), nn.Linear(3, 2, rng=1))
    for name, parameter in net.named_parameters():
        layer, _, kind = name.partition(".")
        parameter.label = f"net[{layer}].{kind}"
    x = cr.Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], label="x")
    loss = nn.MSELoss()(net(x), cr.Tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], label="y"))
    loss.label = "L"
    loss.backward()
    return loss


def moons() -> tuple[Any, Any, Any]:
    """A net that learned two moons, and the points."""
    x, y = cr.data.make_moons(200, noise=0.15, seed=0)
    net = nn.Sequential(nn.Linear(2, 16, rng=0), nn.Tanh(), nn.Linear(16, 2, rng=1))
    adam = cr.optim.Adam(net.parameters(), lr=0.02)
    cr.training.fit(net, x, y, loss=nn.CrossEntropyLoss(), optimizer=adam, epochs=60, progress=False)
    return net, x, y


def small_digits() -> tuple[Any, Any, Any]:
    """A net that learned some digits, and those it has not seen."""
    x, y = cr.data.load_digits()
    net = nn.Sequential(nn.Linear(64, 32, rng=0), nn.ReLU(), nn.Linear(32, 10, rng=1))
    adam = cr.optim.Adam(net.parameters(), lr=0.01)
    cr.training.fit(net, x[:1000], y[:1000], loss=nn.CrossEntropyLoss(), optimizer=adam, epochs=10, progress=False)
    return net, x[1000:], y[1000:]


def bent() -> Any:
    """Two linear layers in a row, and one behind a bend."""
    net = nn.Sequential(
        nn.Linear(2, 2, dtype=float, rng=0), nn.Linear(2, 2, dtype=float, rng=1), nn.Tanh(), nn.Linear(2, 2, rng=2)
    )
    for layer, weight in zip(
        (0, 1, 3), ([[1, 0.5], [-0.5, 1]], [[0.8, -0.6], [0.6, 0.8]], [[1, 0.3], [0, 1]]), strict=True
    ):
        net[layer].weight.data = np.array(weight, dtype=net[layer].weight.dtype)
    return net


def faded() -> Any:
    """A deep net of sigmoids, in which the gradient fades."""
    layers = [layer for k in range(5) for layer in (nn.Linear(8, 8, rng=k), nn.ReLU() if k % 2 else nn.Sigmoid())]
    x = np.random.default_rng(0).normal(size=(32, 8))
    net = nn.Sequential(*layers, nn.Linear(8, 1, rng=9))
    return cr.training.gradient_flow(net, x, x[:, :1] > 0, loss=nn.MSELoss())


GRAPHS: dict[str, Callable[[], Any]] = {
    "graph": lambda: cr.draw(reuse()),
    "paths": lambda: cr.draw(chain(), wrt="w1", direction="right"),
    "net": lambda: cr.draw(batch()),
    "mistake": lambda: cr.draw(reuse(), mistake="overwrite"),
}
PLOTS: dict[str, Callable[[], Any]] = {
    "tangent": lambda: cr.plot.tangent("x**3 - 3*x", 2.0),
    "activation": cr.plot.activation,
    "loss": lambda: cr.plot.loss("0.5*(yhat - y)**2", 1.0, at=2.0),
    "quotients": lambda: cr.plot.quotients("exp(x)", 1.0),
    "gradient": lambda: cr.plot.gradient("x**2 + 3*x*y", (1.0, 2.0)),
    "surface": lambda: cr.plot.surface("(1-x)**2 + 10*(y-x**2)**2", start=(-1.2, 1.0)),
    "rates": lambda: cr.plot.rates("x**2 + 5*y**2", (1.0, 1.0)),
    "boundary": lambda: cr.plot.boundary(*moons()),
    "layers": lambda: cr.plot.layers(bent()),
    "flow": lambda: cr.plot.flow(faded()),
    "weights": lambda: cr.plot.weights(small_digits()[0][0].weight, most=12),
    "mistakes": lambda: cr.plot.mistakes(*small_digits()),
}


def main() -> None:
    """Write every picture."""
    matplotlib.use("Agg")
    FOLDER.mkdir(exist_ok=True)
    for name, make in GRAPHS.items():
        make().save(FOLDER / f"{name}.svg")
    for name, make in PLOTS.items():
        axes = make()
        first = axes[0] if isinstance(axes, list) else axes
        first.figure.savefig(FOLDER / f"{name}.png", dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()

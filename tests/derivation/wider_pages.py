"""More random pages: vectors and Jacobians as typed, ties and edges, convolutions, attention, norms, dropout, training.

As in `random_pages` a seed is all that a report needs: ``.venv/bin/python -m tests.derivation.wider_pages SEED``.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.derivation.explain import NEAREST
from chainrule.derivation.notation import NOTATIONS
from chainrule.derivation.record import Derivation
from chainrule.derivation.typed.answer import Answer, Options
from chainrule.derivation.typed.formula import read_formula

from .random_pages import LAYOUTS, POINTWISE, Asked, Writer, faults_of, ours, program, told_in

TIED = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 1e9, 1e-9, -1e9, -1e-9)
"""Few numbers, so that some are equal: where functions have kinks, and what is chosen is a tie."""
EXTREME = (0.0, -0.0, 1.0, -1.0, 2.0, 1e300, -1e300, 1e-300, 5e-324, 745.2, float("inf"), -float("inf"), float("nan"))
AT_ZERO = ("abs", "sign", "relu", "square", "cbrt", "leaky_relu", "hardtanh", "softplus", "silu", "tanh", "exp")


def typed(seed: int) -> Asked:
    """A vector, a matrix or a list of formulas, with its Jacobian, a direction and weights."""
    rng = np.random.default_rng(seed)
    writer = Writer(rng)
    axes = int(rng.integers(0, 3))
    depth = int(rng.integers(1, 3))
    is_list = rng.random() < 0.5
    text = ", ".join([writer.text(0, depth) for _ in range(int(rng.integers(2, 4)))]) if is_list else ""
    text = f"[{text}]" if is_list else writer.text(axes, depth)
    names = {name: count for name, count in writer.names.items() if re.search(rf"\b{name}\b", text)}
    given = [f"{name}={writer.value(count, rng.random() < 0.2)}" for name, count in names.items()]
    wrt = str(rng.choice([*names])) if names and rng.random() < 0.6 else ""
    layout, digits = writer.one(None, *LAYOUTS), int(rng.choice([3, 6, 6, 17]))

    def answer(**options: Any) -> Derivation:
        return Answer(read_formula(text, given, wrt), Options(layout=layout, digits=digits, **options)).derivation

    def towards() -> Derivation:
        formula = read_formula(text, given, wrt)
        direction = {name: rng.normal(size=(3,) * names[name]).round(2)[()] for name in formula.wrt}
        return Answer(formula, Options(digits=digits, direction=direction)).derivation

    ways = [("whole", answer), ("along a direction", towards), ("checked", lambda: answer(check=True))]
    if is_list:
        ways.append(("weighed", lambda: answer(weights=rng.normal(size=text.count(", ") + 1).round(1))))
    return Asked(f"chainrule grad {text!r} {' '.join(map(repr, given))} --wrt {wrt!r} {layout} {digits}", tuple(ways))


def tied(seed: int) -> Asked:
    """Kinks, ties, whole powers of negative numbers and numbers far apart in size, in a formula that is typed."""
    rng = np.random.default_rng(seed)
    names = "xyzw"

    def text(depth: int) -> str:
        if depth == 0:
            return str(rng.choice([*names, *names, "2", "-1", "0", "1e9"]))
        x, y = text(depth - 1), text(int(rng.integers(depth)))
        kinds = (
            f"({x})**{rng.integers(-3, 5)}",
            f"maximum({x}, {y})",
            f"minimum({x}, {y})",
            f"{rng.choice(AT_ZERO)}({x})",
            f"max([{x}, {y}, z])",
            f"norm([{x}, {y}])",
            f"clip({x}, a_min=-1, a_max=1)",
            f"where({x} >= {y}, {x}, {y})",
            f"({x})*({y})",
            f"({x}) - ({y})",
            f"{rng.choice(POINTWISE)}({x})",
        )
        return kinds[int(rng.integers(len(kinds)))]

    formula = text(int(rng.integers(1, 4)))
    if rng.random() < 0.4:
        formula = f"h = {formula}; k = {text(1)}*h; f = k + h"
    used = [name for name in names if re.search(rf"\b{name}\b", formula)]
    given = [f"{name}={rng.choice(TIED)}" for name in used]
    wrt = str(rng.choice(used)) if used and rng.random() < 0.5 else ""

    def answer(dialect: str | None, order: int = 1) -> Derivation:
        return Answer(read_formula(formula, given, wrt), Options(dialect=dialect, order=order)).derivation

    ways = [(str(d), lambda d=d: answer(d)) for d in (None, "graph", "paths", "jacobian")]
    ways.append(("order 2", lambda: answer(None, 2)))
    return Asked(f"chainrule grad {formula!r} {' '.join(given)} --wrt {wrt!r}", tuple(ways))


def convolution(rng: np.random.Generator, seed: int) -> tuple[Any, Any]:
    """A small net of convolutions, with or without pooling and a norm."""
    layers: list[Any] = [cr.nn.Conv2d(1, 2, 2, rng=seed, dtype=np.float64)]
    layers += [cr.nn.BatchNorm2d(2, dtype=np.float64)] if rng.random() < 0.4 else []
    layers += [cr.nn.ReLU()] if rng.random() < 0.5 else [cr.nn.Tanh()]
    layers += [cr.nn.MaxPool2d(2)] if rng.random() < 0.5 else []
    net = cr.nn.Sequential(*layers)
    x = np.round(rng.normal(size=(2, 1, 3, 3)), 1)
    return cr.sum(net(x) ** 2) * 0.5, [p for p in net.parameters() if p.ndim > 1]


def attention(rng: np.random.Generator, seed: int) -> tuple[Any, Any]:
    """Attention of a few words on one another."""
    net = cr.nn.MultiheadAttention(4, int(rng.choice([1, 2])), rng=seed, dtype=np.float64)
    x = cr.Tensor(np.round(rng.normal(size=(1, 3, 4)), 1), requires_grad=True, label="x")
    return cr.mean(net(x) ** 2), [x, *net.parameters()]


def normed(rng: np.random.Generator, seed: int) -> tuple[Any, Any]:
    """A net with a norm and dropout, while it trains or afterwards."""
    size = int(rng.integers(2, 4))
    norm = rng.choice([cr.nn.BatchNorm1d, cr.nn.LayerNorm])(size, dtype=np.float64)
    drop = [cr.nn.Dropout(0.3, rng=seed)] if rng.random() < 0.5 else []
    first, last = (cr.nn.Linear(a, b, rng=seed, dtype=np.float64) for a, b in ((2, size), (size, 2)))
    net = cr.nn.Sequential(first, norm, cr.nn.ReLU(), *drop, last)
    x, y = np.round(rng.normal(size=(3, 2)), 2), rng.integers(0, 2, 3)
    if rng.random() < 0.5:
        optimizer = cr.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            cr.cross_entropy(net(x), y).backward()
            optimizer.step()
    if rng.random() < 0.3:
        net.eval()
    return cr.cross_entropy(net(x), y), list(net.parameters())


def recurrent(rng: np.random.Generator, seed: int) -> tuple[Any, Any]:
    """A few steps of a recurrent net."""
    cell = rng.choice([cr.nn.RNN, cr.nn.LSTM, cr.nn.GRU])(2, 2, rng=seed, dtype=np.float64)
    out, _ = cell(np.round(rng.normal(size=(1, 2, 2)), 1))
    return cr.sum(out**2), list(cell.parameters())


MODULES = (convolution, attention, normed, recurrent)


def module(seed: int) -> Asked:
    """A net of modules, in a weight of it, one entry, or all of it."""
    rng = np.random.default_rng(seed)
    make = MODULES[int(rng.integers(len(MODULES)))]
    output, leaves = make(rng, seed)
    wrt: Any = leaves[int(rng.integers(len(leaves)))]
    if rng.random() < 0.6:
        wrt = wrt[tuple(int(rng.integers(n)) for n in wrt.shape)]
    return Asked(f"{make.__name__}, seed {seed}", told_in(rng, lambda: (output, wrt)))


def extreme(seed: int) -> Asked:
    """A formula that is typed, at numbers that are huge, tiny, infinite or none, in every dialect."""
    rng = np.random.default_rng(seed)
    writer = Writer(rng, EXTREME)
    text = writer.text(0, int(rng.integers(1, 3)))
    values = {name: writer.value(axes, True) for name, axes in used(writer, text).items()}
    wrt = str(rng.choice([*values])) if values and rng.random() < 0.7 else None
    ways = [(str(d), lambda d=d: cr.explain(text, wrt, d, values=values)) for d in (None, *NEAREST)]
    ways.append(("order 2", lambda: cr.explain(text, wrt, values=values, order=2)))
    return Asked(f"explain({text!r}, {wrt!r}, values={values})", tuple(ways))


def without_numbers(seed: int) -> Asked:
    """A formula of letters that have shapes alone, or some of them numbers."""
    rng = np.random.default_rng(seed)
    writer = Writer(rng)
    text = writer.text(int(rng.choice([0, 0, 1])), int(rng.integers(1, 4)))
    if rng.random() < 0.3:
        text = f"h = {text}; f = h*({writer.text(0, 2)})"
    shapes = {name: (3,) * axes for name, axes in used(writer, text).items()}
    values = {name: writer.value(len(shapes.pop(name)), False) for name in [*shapes] if rng.random() < 0.3}
    wrt = str(rng.choice([*shapes])) if shapes and rng.random() < 0.7 else None
    ways = tuple([(str(n), lambda n=n: cr.explain(text, wrt, shapes=shapes, values=values, order=n)) for n in (1, 2)])
    return Asked(f"explain({text!r}, {wrt!r}, shapes={shapes}, values={values})", ways)


def used(writer: Writer, text: str) -> dict[str, int]:
    """The names in a formula, with their axes."""
    return {name: axes for name, axes in writer.names.items() if re.search(rf"\b{name}\b", text)}


def recorded(seed: int) -> Asked:
    """Several results of a recorded program, or one along a direction."""
    made = program(seed)
    rng = np.random.default_rng(seed)
    leaves = list(made.leaves)
    for k in made.moving:
        leaves[k] = cr.Value(float(leaves[k])) if made.scalar else cr.Tensor(leaves[k], requires_grad=True)
    held = made.run(ours, leaves)
    wrt = held[int(rng.choice(made.moving))]
    towards = np.round(rng.normal(size=np.shape(wrt.data)), 2)
    results = [x for x in held if isinstance(x, cr.Value | cr.Tensor) and not np.shape(x.data)][-3:]
    options = {
        "notation": [None, *NOTATIONS][int(rng.integers(len(NOTATIONS) + 1))],
        "layout": str(rng.choice(LAYOUTS)),
    }
    ways = [(f"rows, {d}", lambda d=d: cr.explain(results, wrt, d, **options)) for d in (None, *NEAREST)]
    ways.append(("towards", lambda: cr.explain(held[-1], wrt, direction=towards, **options)))
    return Asked(f"{made}\n  {options}", tuple(ways))


FAMILIES = (typed, tied, module, extreme, without_numbers, recorded)


def page(seed: int) -> Asked:
    """What is asked at a seed."""
    with np.errstate(all="ignore"):
        return FAMILIES[seed % len(FAMILIES)](seed)


def faults(seed: int) -> list[str]:
    """All that is wrong with the pages of a seed."""
    return list(faults_of(page, seed))


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(page(int(given)).words)
        print("\n".join(faults(int(given))))

"""Scalar code frozen: the moons of a lecture, a GPT of 4,192 parameters, and a graph in which nothing repeats."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from benchmarks.harness import MICROSECOND, NANOSECOND, Report, Row, Worker, agree, timed
from benchmarks.moons import two_moons

RATE = 0.05
SIZES = (2, 16, 16, 1)
ALPHA = 1e-4

WIDTH, HEADS, CONTEXT, SYMBOLS = 16, 4, 16, 27
"""The GPT's: one block, 4,192 parameters."""
TEXT = (26, 4, 12, 12, 0, 26)
"""A word between two ends of a line."""

NODES, LARGE = 20_000, 63_000
"""Results that are drawn for the graphs without structure: the one that is run, and the one of 100,000 steps."""
TOLERANCE = 1e-9


def start() -> tuple[list[Any], list[Any]]:
    """Weights of shape (outputs, inputs) and biases, from one seed for every contestant."""
    source = np.random.default_rng(0)
    weights = [source.standard_normal((b, a)) / math.sqrt(a) for a, b in itertools.pairwise(SIZES)]
    return weights, [0.1 * source.standard_normal(b) for b in SIZES[1:]]


def lecture(points: Any, sides: Any) -> Callable[..., Any]:
    """The loss as a lecture writes it: neuron by neuron, for one point after the other."""

    def neuron(w: Any, b: Any, x: Any, last: bool) -> Any:
        z = sum((wi * xi for wi, xi in zip(w, x, strict=True)), b)
        return z if last else z.relu()

    def loss(weights: Any, biases: Any) -> Any:
        total = 0.0
        for x, side in zip(points, sides, strict=True):
            for k, (layer, b) in enumerate(zip(weights, biases, strict=True)):
                x = [neuron(w, bi, x, k == len(weights) - 1) for w, bi in zip(layer, b, strict=True)]
            total = total + (1 + -side * x[0]).relu()
        squares = sum(w * w for layer in weights for row in layer for w in row) + sum(
            b * b for bs in biases for b in bs
        )
        return total * (1.0 / len(sides)) + ALPHA * squares

    return loss


def descended(step: Callable[[Any], Any], state: Any) -> Callable[[int], float]:
    """So many steps from a state on, and the last loss."""

    def run(count: int) -> float:
        nonlocal state
        value: Any = 0.0
        for _ in range(count):
            state, value = step(state)
        return float(value)

    return run


def moons_frozen() -> Callable[[int], float]:
    """Steps of descent by the lecture's loss, frozen, and compiled with the update."""
    import chainrule as cr

    frozen = cr.freeze(lecture(*two_moons()))
    frozen(*start())

    @cr.compile
    def step(state: Any) -> Any:
        value, slopes = cr.value_and_grad(frozen.on_arrays, argnums=(0, 1))(*state)
        moved = [
            [p - RATE * g for p, g in zip(part, slope, strict=True)] for part, slope in zip(state, slopes, strict=True)
        ]
        return moved, value

    return descended(step, start())


def moons_jax() -> Callable[[int], float]:
    """The same on arrays, by jax.jit."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    points, sides = (jnp.asarray(part, float) for part in two_moons())

    def loss(weights: Any, biases: Any) -> Any:
        x = points
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            x = jax.nn.relu(x @ w.T + b)
        scores = (x @ weights[-1].T + biases[-1])[:, 0]
        squares = sum([jnp.sum(part * part) for part in (*weights, *biases)])
        return jnp.mean(jax.nn.relu(1 - sides * scores)) + ALPHA * squares

    @jax.jit
    def step(state: Any) -> Any:
        value, slopes = jax.value_and_grad(loss, (0, 1))(*state)
        return jax.tree.map(lambda part, slope: part - RATE * slope, state, slopes), value

    return descended(step, jax.tree.map(jnp.asarray, start()))


def moons_micrograd() -> Callable[[int], float]:
    """The same by micrograd, node by node."""
    from micrograd.engine import Value

    weights, biases = ([part.tolist() for part in parts] for parts in start())
    made: Any = lambda held: [made(x) for x in held] if isinstance(held, list) else Value(held)  # noqa: E731
    weights, biases = made(weights), made(biases)
    parameters = [w for layer in weights for row in layer for w in row] + [b for bs in biases for b in bs]
    loss = lecture(*two_moons())

    def run(count: int) -> float:
        value = 0.0
        for _ in range(count):
            out = loss(weights, biases)
            for p in parameters:
                p.grad = 0
            out.backward()
            for p in parameters:
                p.data -= RATE * p.grad
            value = out.data
        return float(value)

    return run


class Plain:
    """A number of CPython's own that remembers what it was made of, in slots: the least that backpropagation needs."""

    __slots__ = ("data", "grad", "partials", "sources")

    def __init__(self, data: float, sources: tuple[Any, ...] = (), partials: tuple[float, ...] = ()) -> None:
        self.data, self.grad, self.sources, self.partials = data, 0.0, sources, partials

    def __add__(self, other: Any) -> Plain:
        other = other if isinstance(other, Plain) else Plain(other)
        return Plain(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> Plain:
        other = other if isinstance(other, Plain) else Plain(other)
        return Plain(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, power: float) -> Plain:
        return Plain(self.data**power, (self,), (power * self.data ** (power - 1),))

    def exp(self) -> Plain:
        out = math.exp(self.data)
        return Plain(out, (self,), (out,))

    def log(self) -> Plain:
        return Plain(math.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> Plain:
        return Plain(max(0.0, self.data), (self,), (float(self.data > 0),))

    def tanh(self) -> Plain:
        out = math.tanh(self.data)
        return Plain(out, (self,), (1 - out * out,))

    def __neg__(self) -> Plain:
        return self * -1.0

    def __sub__(self, other: Any) -> Plain:
        return self + -other

    def __truediv__(self, other: Any) -> Plain:
        return self * other**-1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self) -> None:
        """Gradients of all that it was made of."""
        order: list[Plain] = []
        seen: set[int] = set()
        stack = [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((source, False) for source in node.sources)
        self.grad = 1.0
        for node in reversed(order):
            for source, partial in zip(node.sources, node.partials, strict=True):
                source.grad += partial * node.grad


def gpt_start() -> dict[str, Any]:
    """The parameters by name, as nested lists of numbers."""
    source = np.random.default_rng(1)
    shapes = {"symbols": (SYMBOLS, WIDTH), "places": (CONTEXT, WIDTH), "head": (SYMBOLS, WIDTH)}
    shapes |= dict.fromkeys(("query", "key", "value", "out"), (WIDTH, WIDTH))
    shapes |= {"wide": (4 * WIDTH, WIDTH), "narrow": (WIDTH, 4 * WIDTH)}
    return {name: (0.08 * source.standard_normal(shape)).tolist() for name, shape in shapes.items()}


def gpt_loss(p: Any) -> Any:
    """The mean surprise at the next symbol of a text: attention, a perceptron, and norms, all number by number."""

    def linear(w: Any, x: Any) -> Any:
        return [sum(wi * xi for wi, xi in zip(row, x, strict=True)) for row in w]

    def normed(x: Any) -> Any:
        scale = (sum(xi * xi for xi in x) * (1 / len(x)) + 1e-5) ** -0.5
        return [xi * scale for xi in x]

    def softmax(z: Any) -> Any:
        each = [zi.exp() for zi in z]
        total = sum(each)
        return [e / total for e in each]

    keys: list[Any] = []
    values: list[Any] = []
    surprise = []
    size = WIDTH // HEADS
    for place, (symbol, after) in enumerate(itertools.pairwise(TEXT)):
        x = normed([a + b for a, b in zip(p["symbols"][symbol], p["places"][place], strict=True)])
        y = normed(x)
        query = linear(p["query"], y)
        keys.append(linear(p["key"], y))
        values.append(linear(p["value"], y))
        seen: list[Any] = []
        for h in range(0, WIDTH, size):
            scores = [sum(query[i] * k[i] for i in range(h, h + size)) * size**-0.5 for k in keys]
            shares = softmax(scores)
            seen += [sum(s * v[i] for s, v in zip(shares, values, strict=True)) for i in range(h, h + size)]
        x = [a + b for a, b in zip(linear(p["out"], seen), x, strict=True)]
        wide = [z.relu() for z in linear(p["wide"], normed(x))]
        x = [a + b for a, b in zip(linear(p["narrow"], wide), x, strict=True)]
        surprise.append(-softmax(linear(p["head"], x))[after].log())
    return sum(surprise) * (1 / len(surprise))


def gpt_frozen() -> Callable[[int], float]:
    """Value and gradients of the GPT's loss, frozen; the number is a gradient among them."""
    import chainrule as cr

    frozen, parameters = cr.freeze(gpt_loss), {name: np.array(part) for name, part in gpt_start().items()}

    def run(count: int) -> float:
        found: Any = None
        for _ in range(count):
            found = frozen(parameters)
        value, (slopes,) = found
        return value + float(slopes["query"][0][0])

    return run


def gpt_plain() -> Callable[[int], float]:
    """The same in CPython's own numbers."""
    made: Any = lambda held: [made(x) for x in held] if isinstance(held, list) else Plain(held)  # noqa: E731
    parameters = {name: made(part) for name, part in gpt_start().items()}

    def run(count: int) -> float:
        out: Any = None
        for _ in range(count):
            for part in parameters.values():
                for row in part:
                    for p in row:
                        p.grad = 0.0
            out = gpt_loss(parameters)
            out.backward()
        return out.data + parameters["query"][0][0].grad

    return run


def unlike(numbers: Any, nodes: int) -> Any:
    """A graph whose steps take any two of the last fifty in any order: hardly anything in it is like anything else."""
    source = random.Random(0)
    row = list(numbers)
    for k in range(nodes):
        a, b, kind = source.choice(row[-50:]), source.choice(row[-50:]), k % 4
        row.append(
            a * b
            if kind == 0
            else (a - b).tanh()
            if kind == 1
            else (a + b * 1.5).tanh()
            if kind == 2
            else (a + b) * 0.5
        )
    return sum(x.tanh() for x in row[-50:])


def unlike_frozen() -> Callable[[int], float]:
    """Value and gradients of the graph, again and again."""
    import chainrule as cr

    numbers = np.random.default_rng(2).random(50)
    frozen = cr.freeze(lambda numbers: unlike(numbers, NODES))

    def run(count: int) -> float:
        value = 0.0
        for _ in range(count):
            value, _ = frozen(numbers)
        return value

    return run


def unlike_steps() -> Callable[[int], int]:
    """How many steps the graph has, leaves and all."""
    import chainrule as cr
    from chainrule.program import lift

    out = unlike([cr.Value(x) for x in np.random.default_rng(2).random(50).tolist()], NODES)
    return lambda _: len(lift(out).program)


def freezing() -> Callable[[int], float]:
    """Freeze a graph of a hundred thousand steps that is recorded already, until its first result."""
    import chainrule as cr

    out = unlike([cr.Value(x) for x in np.random.default_rng(2).random(50).tolist()], LARGE)

    def run(count: int) -> float:
        value = 0.0
        for _ in range(count):
            value, _ = cr.freeze(out)()
        return value

    return run


def frozen() -> Report:
    """Steps and gradients of scalar code, frozen."""
    report = Report()
    absent = report.missing(["jax", "micrograd"])
    peers = {"jax": ("jax.jit on arrays", 0.3), "micrograd": ("micrograd", 1 / 20_000)}
    for package, (peer, target) in peers.items():
        if package in absent:
            continue
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(f"benchmarks.frozen:moons_{who}")) for who in ("frozen", package)]
            agree(workers, 3, TOLERANCE)
            mine, theirs = timed(workers, 0.1)
        name = "moons from the lecture's scalar code, frozen: a step"
        report.rows.append(Row(name, mine, peer, theirs, MICROSECOND, target=target))
    with Worker("benchmarks.frozen:gpt_frozen") as one, Worker("benchmarks.frozen:gpt_plain") as other:
        agree([one, other], 1, TOLERANCE)
        mine, theirs = timed([one, other], 0.1)
    name = "scalar GPT, 4,192 parameters, frozen: value and gradients"
    report.rows.append(Row(name, mine, "CPython's own numbers", theirs, MICROSECOND, target=1 / 400))
    with Worker("benchmarks.frozen:unlike_frozen") as worker, Worker("benchmarks.frozen:unlike_steps") as counter:
        steps = counter.run().value
        mine = [seconds / steps for seconds in timed([worker], 0.1)[0]]
    name = f"graph of {steps:,} steps in which nothing repeats, frozen: a step"
    report.rows.append(Row(name, mine, unit=NANOSECOND, target=2.5))
    with Worker("benchmarks.frozen:freezing") as worker:
        mine = timed([worker], 0.1, 7)[0]
    report.rows.append(Row("a recorded graph of 100,000 steps: frozen, first result", mine, unit=1.0, target=0.5))
    return report

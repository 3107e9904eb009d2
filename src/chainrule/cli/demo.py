"""The numbers of `chainrule demo`: a network learns to read digits, and its gradients are opened and checked.

Nothing here draws; `screen.py` does, from the `Demo` that `run` returns.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.tensor import Tensor
from chainrule.data import hold_out, load_digits
from chainrule.derivation.scalars import links
from chainrule.derivation.scalars.graph import ScalarGraph
from chainrule.derivation.scalars.links import Link, chain_of
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import ChainruleError
from chainrule.kinds import Array
from chainrule.maths import Tree, plain
from chainrule.training import fit

PIXELS, HIDDEN, CLASSES = 64, 32, 10
EPOCHS = 60
BATCH = 32
RATE = 0.003
NUDGE = 1e-3
PASSES = 101
STEP = 1e-5
"""For central differences: the error of the formula (STEP²) and of rounding (1e-16 / STEP) are then both near 1e-11."""


@dataclass(frozen=True)
class Digit:
    """One held-out digit and what the network says about it."""

    pixels: tuple[tuple[float, ...], ...]
    """Eight rows of eight, from 0 (paper) to 1 (full ink)."""
    truth: int
    shares: tuple[float, ...]
    """The network's probability for each of 0 to 9."""
    loss: float

    @property
    def answer(self) -> int:
        """The digit that the network says it is."""
        return int(np.argmax(self.shares))


@dataclass(frozen=True)
class Factor:
    """One link of the chain: how fast `of` moves with `by`."""

    of: str
    by: str
    value: float
    operation: str
    """The operation of the rule book between the two; empty where several lie between them."""

    @property
    def name(self) -> str:
        """The link in Leibniz's notation."""
        return f"∂{self.of}/∂{self.by}"


@dataclass(frozen=True)
class Path:
    """One way from an entry to the loss, where it fans out: the link that leaves it, and the gradient that arrives."""

    through: str
    link: Factor
    arriving: Factor

    @property
    def share(self) -> float:
        """What this path adds to the gradient."""
        return self.link.value * self.arriving.value


@dataclass(frozen=True)
class Product:
    """The gradient of the loss in one weight, as links from the loss (first) to the weight (last).

    The first link is itself a sum over `paths`, the largest first.
    """

    weight: str
    gradient: float
    factors: tuple[Factor, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Nudge:
    """What a small change of one weight does to the loss, foretold by the gradient and measured."""

    step: float
    predicted: float
    measured: float


@dataclass(frozen=True)
class Check:
    """All gradients of one digit's loss against central differences in float64."""

    count: int
    worst: float
    """The largest absolute difference."""
    largest: float
    """The largest gradient, to judge the difference by."""


@dataclass(frozen=True)
class Planted:
    """A mistake put into a copy of the network's backward pass: the line, and what is said of it and where."""

    line: str
    name: str
    link: str


@dataclass(frozen=True)
class Written:
    """The pass that trains the network, forward and backward, as a module of NumPy that runs alone."""

    source: str
    lines: int
    """What computes in it, a result each."""
    examples: int
    """Digits in a batch."""
    seconds: float
    """What a pass takes here, compiled: the median of some."""


@dataclass(frozen=True)
class Demo:
    """Everything that the demo's screen shows."""

    seed: int
    epochs: int
    trained_on: int
    held_out: int
    accuracy: float
    parameters: int
    seconds: float
    """What the training took."""
    digit: Digit
    product: Product
    nudge: Nudge
    check: Check
    planted: Planted
    written: Written


def run(
    seed: int = 0,
    *,
    epochs: int = EPOCHS,
    progress: bool = False,
    recorded: Callable[[Tensor], None] | None = None,
) -> Demo:
    """Train 64-32-10 on the digits and open one weight of it; with `progress` one sees how far it is.

    The split of the digits is always the same; `seed` draws the weights and the order of the examples. `recorded` is
    given the loss of the digit with its graph.
    """
    x, y, x_held, y_held = hold_out(*load_digits())
    started = time.perf_counter()
    net = train(x, y, seed=seed, epochs=epochs, progress=progress)
    seconds = time.perf_counter() - started
    with cr.no_grad():
        answers: Array = np.argmax(net(x_held).data, axis=1)
    exact = in_float64(net)
    chosen = telling_example(exact, x_held.astype(float), y_held)
    image, target = x_held[chosen : chosen + 1].astype(float), y_held[chosen : chosen + 1]
    loss = recorded_loss(exact, image, target)
    if recorded is not None:
        recorded(loss)
    loss.backward()
    weight = exact[0].weight
    place = telling_weight(gradient_of(weight), image[0])
    return Demo(
        seed=seed,
        epochs=epochs,
        trained_on=len(x),
        held_out=len(x_held),
        accuracy=int(np.count_nonzero(answers == y_held)) / len(y_held),
        parameters=sum(p.size for p in net.parameters()),
        seconds=seconds,
        digit=describe_digit(exact, image, int(target[0]), loss.item()),
        product=product_of(loss, weight, place),
        nudge=measure_nudge(exact, image, target, weight, place),
        check=check_gradients(exact, image, target),
        planted=plant(),
        written=written_out(net, x[:BATCH], y[:BATCH]),
    )


def written_out(net: nn.Sequential, x: Array, y: Array) -> Written:
    """The loss of a batch and its gradients as a compiled function of the parameters, and how long it takes."""

    def loss(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> Any:
        z = x @ w1.T + b1
        h = cr.relu(z)
        s = h @ w2.T + b2
        z.label, h.label, s.label = "z", "h", "s"
        return -cr.mean(cr.log_softmax(s, axis=-1)[np.arange(len(y)), y])

    step = cr.compile(cr.value_and_grad(loss, argnums=(0, 1, 2, 3)))
    given = [parameter.data for parameter in net.parameters()]
    step(*given, x, y)
    times: list[float] = []
    for _ in range(PASSES):
        started = time.perf_counter()
        step(*given, x, y)
        times.append(time.perf_counter() - started)
    source = step.source()
    body = source[source.index("    # forward") :]
    lines = sum([" = " in line.partition("#")[0] for line in body.splitlines()])
    return Written(source, lines, len(x), statistics.median(times))


def train(x: Array, y: Array, *, seed: int, epochs: int = EPOCHS, progress: bool = False) -> nn.Sequential:
    """A network 64-32-10 trained with Adam on mini-batches, in float32."""
    rng = np.random.default_rng(seed)
    net = nn.Sequential(nn.Linear(PIXELS, HIDDEN, rng=rng), nn.ReLU(), nn.Linear(HIDDEN, CLASSES, rng=rng))
    optimizer = optim.Adam(net.parameters(), lr=RATE)
    settings: dict[str, Any] = {"epochs": epochs, "batch_size": BATCH, "seed": seed, "progress": progress}
    fit(net, x, y, loss=nn.CrossEntropyLoss(), optimizer=optimizer, **settings)
    return net


def in_float64(net: nn.Sequential) -> nn.Sequential:
    """The same network with the same weights in float64, where gradients can be checked closely."""
    exact = nn.Sequential(nn.Linear(PIXELS, HIDDEN, dtype=float), nn.ReLU(), nn.Linear(HIDDEN, CLASSES, dtype=float))
    exact.load_state_dict(net.state_dict())
    return exact


def telling_example(net: nn.Sequential, x: Array, y: Array) -> int:
    """The digit that the network reads rightly with the least confidence: its gradients are large enough to show.

    Digits that leave a neuron within a hair of ReLU's kink are passed over, since differences measure nothing there.
    """
    with cr.no_grad():
        before = net[0](x).data
        shares = cr.softmax(net(x), axis=-1).data
    right = shares[np.arange(len(y)), y]
    away_from_kink = np.abs(before).min(axis=1) > 100 * STEP
    candidates = np.flatnonzero((np.argmax(shares, axis=1) == y) & away_from_kink)
    if not len(candidates):
        raise ChainruleError("the network reads no held-out digit rightly: train it for more epochs")
    return int(candidates[np.argmin(right[candidates])])


def recorded_loss(net: nn.Sequential, image: Array, target: Array) -> Tensor:
    """The loss of one digit with its graph, each step named so that the links can be read: w1, z, h, w2, s, L."""
    net[0].weight.label, net[2].weight.label = "w1", "w2"
    z = net[0](image)
    h = net[1](z)
    s = net[2](h)
    loss = nn.CrossEntropyLoss()(s, target)
    z.label, h.label, s.label, loss.label = "z", "h", "s", "L"
    return loss


def describe_digit(net: nn.Sequential, image: Array, truth: int, loss: float) -> Digit:
    """The digit, what it is, and the probabilities that the network gives."""
    with cr.no_grad():
        shares = cr.softmax(net(image), axis=-1).data[0]
    rows = tuple(tuple(map(float, row)) for row in image.reshape(8, 8))
    return Digit(pixels=rows, truth=truth, shares=tuple(map(float, shares)), loss=loss)


def gradient_of(parameter: Tensor) -> Array:
    """The gradient that `backward` left in a parameter."""
    if parameter.grad is None:
        raise ChainruleError("internal error, please report it: a parameter of the demo got no gradient")
    return parameter.grad.data


def product_of(loss: Tensor, weight: Tensor, place: tuple[int, ...]) -> Product:
    """The gradient of the loss in one weight, link by link, as the explanation of a chain has it."""
    chain = chain_of(ScalarGraph(Tape(loss, (weight,)), weight, place), top=CLASSES)
    return Product(
        weight=plain(chain.entry),
        gradient=chain.gradient,
        factors=tuple([factor_of(link) for link in chain.links]),
        paths=tuple([path_of(path, chain.output) for path in chain.links[0].paths]),
    )


def factor_of(link: Link) -> Factor:
    """A link of the explanation; one that is a sum over paths is the work of no single operation."""
    return Factor(plain(link.above), plain(link.below), link.value, "" if link.paths else link.operation)


def path_of(path: links.Path, output: Tree) -> Path:
    """A path of the explanation, with all its links but the first as one."""
    *rest, first = path.links
    arriving = Factor(plain(output), plain(path.through), math.prod([link.value for link in rest]), "")
    return Path(plain(path.through), factor_of(first), arriving)


def telling_weight(gradient: Array, image: Array) -> tuple[int, ...]:
    """The hidden weight with the largest gradient, of those that see a half-tone: full ink is a dull factor, 1."""
    half_tone = (image > 0) & (image < 1)
    sizes = np.abs(gradient) * half_tone
    return tuple(int(i) for i in np.unravel_index(np.argmax(sizes), sizes.shape))


def loss_at(net: nn.Sequential, image: Array, target: Array) -> float:
    """The loss of one digit as the weights now are."""
    with cr.no_grad():
        return cr.cross_entropy(net(image), target=target).item()


@contextmanager
def moved(parameter: Tensor, place: tuple[int, ...], step: float) -> Generator[None]:
    """One entry of a parameter a step further, and back afterwards to the very number it was."""
    before = parameter.data[place]
    parameter.data[place] = before + step
    try:
        yield
    finally:
        parameter.data[place] = before


def measure_nudge(net: nn.Sequential, image: Array, target: Array, weight: Tensor, place: tuple[int, ...]) -> Nudge:
    """The change of the loss for a small step of one weight: the gradient's promise and the fact."""
    predicted = float(gradient_of(weight)[place]) * NUDGE
    before = loss_at(net, image, target)
    with moved(weight, place, NUDGE):
        after = loss_at(net, image, target)
    return Nudge(step=NUDGE, predicted=predicted, measured=after - before)


def check_gradients(net: nn.Sequential, image: Array, target: Array) -> Check:
    """Every gradient that `backward` left in the parameters against a central difference of the loss."""
    worst = largest = 0.0
    count = 0
    for parameter in net.parameters():
        gradients = gradient_of(parameter)
        for place in np.ndindex(parameter.shape):
            gradient = float(gradients[place])
            with moved(parameter, place, STEP):
                above = loss_at(net, image, target)
            with moved(parameter, place, -STEP):
                below = loss_at(net, image, target)
            worst = max(worst, abs((above - below) / (2 * STEP) - gradient))
            largest = max(largest, abs(gradient))
            count += 1
    return Check(count=count, worst=worst, largest=largest)


FORWARD = "z = x @ W1 + b1\nh = relu(z)\ns = h @ W2 + b2\nL = -sum(Y * log_softmax(s))"
"""The network and the loss of one digit, as a teacher types them."""


def backward(x: Array, W1: Array, b1: Array, W2: Array, b2: Array, Y: Array) -> tuple[Array, ...]:  # noqa: N803  (the names of FORWARD)
    """Its backward pass by hand, with one mistake: what arrives at h is handed on as if ReLU were not there."""
    z = x @ W1 + b1
    h = np.maximum(z, 0)
    shares = np.exp(h @ W2 + b2)
    ds = shares / shares.sum() - Y
    dz = ds @ W2.T
    return x.T @ dz, h.T @ ds


def plant() -> Planted:
    """Have the mistake in `backward` found; ChainruleError where it is not."""
    shapes = {
        "x": (1, PIXELS), "W1": (PIXELS, HIDDEN), "b1": (HIDDEN,), "W2": (HIDDEN, CLASSES), "b2": (CLASSES,),
        "Y": (1, CLASSES),
    }  # fmt: skip
    marked = cr.grade(FORWARD, backward, wrt=["W1", "W2"], shapes=shapes)
    if marked.right or marked.unclassified:
        raise ChainruleError("the mistake that was planted in the backward pass was not found")
    first = marked.mistakes[0]
    return Planted("dz = ds @ W2.T", first.name, first.place.partition(",")[0])

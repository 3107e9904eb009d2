"""What a feed-forward net computes forwards, and the four equations of backpropagation, each stated once, as a tree.

The letters are those of `Letters`: roles in a layer, which a notation spells. Statement, numbers, proof, algorithm and
every format read these trees; an equation that is changed here is changed everywhere, or refused where it is false.

After M. Nielsen, Neural Networks and Deep Learning (2015), chapter 2, with the examples as the columns of every matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.maths import Derivative, Symbol, Tree, Unknown
from chainrule.maths.tree import all_parts

GENERAL = (2, 2)
"""A shape that stands for any: a letter gets its own where a net is known."""

COST = Symbol("cost")
ONES = Symbol("ones", shape=GENERAL)
"""A column with a 1 for each example. (The role ``slopes`` is the activation's slopes along a matrix's diagonal.)"""


def letter(role: str, layer: str) -> Symbol:
    """A matrix of a layer, by its role in `Symbols`."""
    return Symbol(role, layer=layer, shape=GENERAL)


def by(below: Tree) -> Derivative:
    """How the cost moves with something."""
    return Derivative(COST, below, below.shape)


def gradient(below: Tree) -> Derivative:
    """The same, written ∇."""
    return Derivative(COST, below, below.shape, is_gradient=True)


def activation(layer: str, primes: int = 0) -> Unknown:
    """The activation function, or its derivative, at a layer's weighted input."""
    return Unknown(Symbol("function", primes=primes), (letter("z", layer),), GENERAL)


@dataclass(frozen=True, slots=True)
class NetEquation:
    """One equation, for any layer l of a net or for the last, L."""

    name: str
    title: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class BackwardEquation(NetEquation):
    """One that says how the cost moves with something, and what the chain rule takes to prove it."""

    moved: Symbol
    through: Symbol
    """What of that the cost sees: the chain rule sums over its entries."""
    jacobian: Tree | None = None
    """How `through` moves with `moved`, where that is worth being written as a matrix."""
    runs: str = "k"
    """The letter over which its matrix product sums."""
    why: tuple[str, str]
    """What is to be said of the chain rule's sum, and of what is left of it."""
    learned: str = ""
    """What a layer learns by it; empty where all have one."""


WITHOUT_BIAS = NetEquation("z", "the weighted input", letter("z", "l"), letter("weights", "l") @ letter("a", "l-1"))
WEIGHTED_INPUT = NetEquation("z", "the weighted input", letter("z", "l"), WITHOUT_BIAS.right + letter("b", "l"))
ACTIVATION = NetEquation("a", "the activation", letter("a", "l"), activation("l"))

BP1 = BackwardEquation(
    "BP1",
    "the error of the last layer",
    letter("error", "L"),
    gradient(letter("a", "L")) * activation("L", 1),
    moved=letter("z", "L"),
    through=letter("a", "L"),
    jacobian=letter("slopes", "L"),
    why=("the chain rule, over all outputs", "an activation moves with its own weighted input alone"),
)
BP2 = BackwardEquation(
    "BP2",
    "the error of a layer from that of the next",
    letter("error", "l"),
    (letter("weights", "l+1").T @ letter("error", "l+1")) * activation("l", 1),
    moved=letter("z", "l"),
    through=letter("z", "l+1"),
    jacobian=letter("weights", "l+1") @ letter("slopes", "l"),
    why=("the chain rule, over all neurons of the next layer", "put in, and the common factor taken out"),
)
BP3 = BackwardEquation(
    "BP3",
    "the gradient in the biases",
    by(letter("b", "l")),
    letter("error", "l") @ ONES,
    moved=letter("b", "l"),
    through=letter("z", "l"),
    runs="i",
    why=("the chain rule, over all neurons of the layer", "a bias moves its own weighted input alone, one for one"),
    learned="a bias",
)
BP4 = BackwardEquation(
    "BP4",
    "the gradient in the weights",
    by(letter("weights", "l")),
    letter("error", "l") @ letter("a", "l-1").T,
    moved=letter("weights", "l"),
    through=letter("z", "l"),
    runs="i",
    why=("the chain rule, over all neurons of the layer", "a weight moves its own neuron alone, by what comes in"),
    learned="weights",
)

BACKWARD = (BP1, BP2, BP3, BP4)


def layers_in(tree: Tree) -> set[str]:
    return {x.layer for x in all_parts(tree) if isinstance(x, Symbol)}

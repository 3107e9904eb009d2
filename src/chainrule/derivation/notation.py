r"""One table of symbols: what each book writes for the same thing, so that a reader can switch.

A template holds ``#`` where the number of the layer goes. The sources are

- ``nielsen``: M. Nielsen, Neural Networks and Deep Learning (2015), chapter 2, with the inputs as layer 0;
- ``course``: the letters of a first course, as 3Blue1Brown, Andrew Ng and scikit-learn's guide share them: L, ŷ, h;
- ``lecture``: A. Karpathy, micrograd (2020): n for the weighted sum, o for the output, ``n.grad`` for a derivative;
- ``goodfellow``: Goodfellow, Bengio and Courville, Deep Learning (2016), algorithms 6.3 and 6.4: a before and h after
  the activation, J for the cost, ⊙ for the product entry by entry;
- ``parr-howard``: T. Parr and J. Howard, The matrix calculus you need for deep learning (2018): partial derivatives
  throughout, and ⊗ for the product entry by entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from chainrule.derivation.record import Meaning
from chainrule.errors import ChainruleError


@dataclass(frozen=True, slots=True)
class Notation:
    """The symbols of one book, by role."""

    cost: str
    prediction: str
    target: str
    input: str
    weighted_input: str
    activation: str
    weights: str
    weight: str
    """One entry of the weights, without its indices: to neuron j from neuron k."""
    bias: str
    error: str
    """How the cost moves with the weighted input; empty where the book has no letter and writes the derivative."""
    activation_function: str
    elementwise_product: str
    learning_rate: str


USUAL = "nielsen"
"""The notation where the reader chooses none."""

NOTATIONS: dict[str, Notation] = {
    "nielsen": Notation(
        cost="C",
        prediction="a^{{#}}",
        target="y",
        input="x",
        weighted_input="z^{{#}}",
        activation="a^{{#}}",
        weights="W^{{#}}",
        weight="w^{{#}}",
        bias="b^{{#}}",
        error=r"\delta^{{#}}",
        activation_function=r"\sigma",
        elementwise_product=r"\odot",
        learning_rate=r"\eta",
    ),
    "course": Notation(
        cost="L",
        prediction=r"\hat{y}",
        target="y",
        input="x",
        weighted_input="z_{#}",
        activation="h_{#}",
        weights="W_{#}",
        weight="w_{#}",
        bias="b_{#}",
        error="",
        activation_function=r"\sigma",
        elementwise_product=r"\odot",
        learning_rate=r"\alpha",
    ),
    "lecture": Notation(
        cost="L",
        prediction="o_{#}",
        target="y",
        input="x",
        weighted_input="n_{#}",
        activation="o_{#}",
        weights="w_{#}",
        weight="w_{#}",
        bias="b_{#}",
        error=r"\mathtt{n#.grad}",
        activation_function="f",
        elementwise_product=r"\odot",
        learning_rate=r"\mathtt{lr}",
    ),
    "goodfellow": Notation(
        cost="J",
        prediction=r"\hat{y}",
        target="y",
        input="x",
        weighted_input="a^{(#)}",
        activation="h^{(#)}",
        weights="W^{(#)}",
        weight="W^{(#)}",
        bias="b^{(#)}",
        error="",
        activation_function="f",
        elementwise_product=r"\odot",
        learning_rate=r"\epsilon",
    ),
    "parr-howard": Notation(
        cost="C",
        prediction=r"\hat{y}",
        target="y",
        input=r"\mathbf{x}",
        weighted_input=r"\mathbf{z}_{#}",
        activation=r"\mathbf{a}_{#}",
        weights="W_{#}",
        weight="w_{#}",
        bias=r"\mathbf{b}_{#}",
        error="",
        activation_function="f",
        elementwise_product=r"\otimes",
        learning_rate=r"\eta",
    ),
}
"""Every notation by its name."""

ROLES = {
    "cost": "the cost: how wrong the net is",
    "prediction": "the output of the net",
    "target": "what the output should be",
    "input": "the input of the net",
    "weighted_input": "the weighted input of layer $l$, before its activation function",
    "activation": "the activations of layer $l$, its output",
    "weights": "the weights into layer $l$: a row for each of its neurons",
    "weight": "the weight from neuron $k$ to neuron $j$ of layer $l$",
    "bias": "the biases of layer $l$",
    "error": "the error of layer $l$: how the cost moves with its weighted input",
    "activation_function": "the activation function",
    "elementwise_product": "the product entry by entry (Hadamard)",
    "learning_rate": "the learning rate: how large a step against the gradient is",
}
"""What each role means, in words."""


ELEMENTWISE = r"\odot"
"""The product entry by entry, in every notation: ⊗, which Parr and Howard write, is the Kronecker product here."""


def notation_of(name: str) -> Notation:
    """The notation of that name; an unknown one raises `ChainruleError`."""
    if name not in NOTATIONS:
        raise ChainruleError(f"notation is one of {', '.join(NOTATIONS)}, not {name!r}")
    return NOTATIONS[name]


class Symbols:
    r"""The symbols of a feed-forward net with so many layers, in one notation.

    >>> from chainrule.derivation.notation import Symbols
    >>> symbols = Symbols("nielsen", 2)
    >>> symbols.z(1), symbols.error(2), symbols.w(1, 3, 2)
    ('z^{{1}}', '\\delta^{{2}}', 'w^{{1}}_{3,2}')
    >>> Symbols("course", 2).error(2, 1)
    '\\frac{\\partial L}{\\partial z_{2,1}}'
    """

    def __init__(self, notation: str, layers: int) -> None:
        self.name = notation
        self.layers = layers
        self.notation = notation_of(notation)
        self.cost = self.notation.cost
        self.target = self.notation.target
        self.times = ELEMENTWISE
        self.function = self.notation.activation_function

    def z(self, layer: int | str, *place: int | str) -> str:
        """The weighted input of a layer, or one entry of it."""
        return entry(at_layer(self.notation.weighted_input, layer), *place)

    def a(self, layer: int | str, *place: int | str) -> str:
        """The activation of a layer; the input where it is 0, the prediction where it is the last."""
        template = self.notation.activation
        if layer == 0:
            template = self.notation.input
        elif layer == self.layers:
            template = self.notation.prediction
        return entry(at_layer(template, layer), *place)

    def weights(self, layer: int | str) -> str:
        """The weights of a layer."""
        return at_layer(self.notation.weights, layer)

    def w(self, layer: int | str, j: int | str, k: int | str) -> str:
        """The weight to neuron j from neuron k, both counted from 1."""
        return entry(at_layer(self.notation.weight, layer), j, k)

    def b(self, layer: int | str, *place: int | str) -> str:
        """The bias of a layer, or one entry of it."""
        return entry(at_layer(self.notation.bias, layer), *place)

    def error(self, layer: int | str, *place: int | str) -> str:
        """The error of a layer, or one entry of it."""
        if not self.notation.error:
            return derivative(self.cost, self.z(layer, *place))
        return entry(at_layer(self.notation.error, layer), *place)

    def slope(self, layer: int | str, *place: int | str) -> str:
        """The derivative of the activation function at the weighted input."""
        return rf"{self.function}'\left({self.z(layer, *place)}\right)"

    def meanings(self, shapes: dict[str, tuple[int, ...]] | None = None) -> tuple[Meaning, ...]:
        """The table of symbols, with what other books write; `shapes` holds those that are known, by role."""
        roles = (role.name for role in fields(Notation))
        return tuple([meaning(role, self.name, (shapes or {}).get(role, ())) for role in roles])


def meaning(role: str, notation: str, shape: tuple[int, ...] = ()) -> Meaning:
    """One row of the table of symbols."""
    own = ELEMENTWISE if role == "elementwise_product" else written(role, notation)
    elsewhere = [(name, written(role, name)) for name in NOTATIONS if name != notation or written(role, name) != own]
    return Meaning(own, ROLES[role], shape, tuple(elsewhere))


def written(role: str, notation: str) -> str:
    """How a notation writes a role, for layer l (the last is L)."""
    template: str = getattr(notation_of(notation), role)
    if role == "error" and not template:
        return Symbols(notation, 0).error("l")
    if role == "weight":
        return entry(at_layer(template, "l"), "j", "k")
    return at_layer(template, "L" if role == "prediction" else "l")


def at_layer(template: str, layer: int | str) -> str:
    """A template with its layer filled in."""
    return template.replace("#", str(layer))


def entry(symbol: str, *place: int | str) -> str:
    r"""One entry of a vector or matrix: ``z^{{1}}`` and 2 give ``z^{{1}}_{2}``, ``z_{1}`` gives ``z_{1,2}``."""
    if not place:
        return symbol
    apart = any(isinstance(i, int) for i in place)
    index = ("," if apart else "").join(map(str, place))
    below = re.fullmatch(r"(.*_\{[^{}]*)\}", symbol)
    return f"{below[1]},{index}}}" if below else f"{symbol}_{{{index}}}"


def derivative(above: str, below: str) -> str:
    r"""A partial derivative in LaTeX.

    >>> from chainrule.derivation.notation import derivative
    >>> derivative("C", "w^{{1}}_{2,1}")
    '\\frac{\\partial C}{\\partial w^{{1}}_{2,1}}'
    """
    return rf"\frac{{\partial {above}}}{{\partial {below}}}"


def transposed(symbol: str) -> str:
    r"""A symbol with the sign of a transpose: ``x^{\top}``, in parentheses where something stands above it already."""
    return rf"\left({symbol}\right)^{{\top}}" if "^" in symbol or r"\frac" in symbol else rf"{symbol}^{{\top}}"


def is_numbered(symbol: str) -> bool:
    r"""Whether a symbol was made up, as v₁ and c₁ are, since the user has no name for the thing."""
    return re.match(r"[vc]_\{\d+\}$", symbol) is not None


def is_path(symbol: str) -> bool:
    """Whether a symbol is a path through the user's objects, as ``net[0].weight``."""
    return symbol.startswith(r"\mathtt")

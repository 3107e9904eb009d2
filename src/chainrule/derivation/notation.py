"""One table of symbols: what each book writes for the same thing, so that a reader can switch.

A symbol holds ``#`` where the number of the layer goes. The sources are

- ``nielsen``: M. Nielsen, Neural Networks and Deep Learning (2015), chapter 2, with the inputs as layer 0;
- ``course``: the letters of a first course, as 3Blue1Brown, Andrew Ng and scikit-learn's guide share them: L, ŷ, h;
- ``lecture``: A. Karpathy, micrograd (2020): n for the weighted sum, o for the output, ``n.grad`` for a derivative;
- ``goodfellow``: Goodfellow, Bengio and Courville, Deep Learning (2016), algorithms 6.3 and 6.4: a before and h after
  the activation, J for the cost, ⊙ for the product entry by entry;
- ``parr-howard``: T. Parr and J. Howard, The matrix calculus you need for deep learning (2018): partial derivatives
  throughout, and ⊗ for the product entry by entry.

A layer stands above in parentheses, as in a⁽¹⁾, where a book sets it above: a bare number there would be a power.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import lru_cache

from chainrule.derivation.record import Meaning
from chainrule.derivation.words import Words, said
from chainrule.errors import ChainruleError
from chainrule.maths import Derivative, Symbol, Tree, Unknown
from chainrule.maths.tree import Shape, applied

TARGET, INPUT = Symbol("y"), Symbol("x")
HADAMARD, KRONECKER = Symbol("⊙"), Symbol("⊗")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """The symbols of one book, by role; most books write the target, the input and the product alike."""

    cost: Symbol
    prediction: Symbol
    target: Symbol = TARGET
    input: Symbol = INPUT
    weighted_input: Symbol
    activation: Symbol
    weights: Symbol
    weight: Symbol
    """One entry of the weights, without its indices: to neuron j from neuron k."""
    bias: Symbol
    error: Symbol | None = None
    """How the cost moves with the weighted input; None where the book has no letter and writes the derivative."""
    activation_function: Symbol
    elementwise_product: Symbol = HADAMARD
    learning_rate: Symbol


def above(letter: str) -> Symbol:
    return Symbol(letter, layer="#")


def below(letter: str) -> Symbol:
    return Symbol(letter, ("#",))


USUAL = "nielsen"
"""The notation where the reader chooses none."""

PREDICTED = Symbol("y", mark="hat")


def letters(layer: Callable[[str], Symbol], of_layers: str, others: str, **more: Symbol) -> Notation:
    """A notation by its letters for z, a, W, w, b, which have a layer, then for the cost, the function and the rate."""
    z, a, weights, w, b = map(layer, of_layers.split())
    cost, function, rate = map(Symbol, others.split())
    roles = {"weighted_input": z, "prediction": a, "activation": a, "weights": weights, "weight": w, "bias": b}
    roles |= {"cost": cost, "activation_function": function, "learning_rate": rate}
    return Notation(**(roles | more))


NOTATIONS: dict[str, Notation] = {
    "nielsen": letters(above, "z a W w b", "C σ η", error=above("δ")),
    "course": letters(below, "z h W w b", "L σ α", prediction=PREDICTED),
    "lecture": letters(below, "n o w w b", "L f lr", error=Symbol("n#.grad")),
    "goodfellow": letters(above, "a h W W b", "J f ϵ", prediction=PREDICTED),
    "parr-howard": letters(
        below, "𝐳 𝐚 W w 𝐛", "C f η", prediction=PREDICTED, input=Symbol("𝐱"), elementwise_product=KRONECKER
    ),
}
"""Every notation by its name."""

LAYER, TO, FROM = Symbol("l"), Symbol("j"), Symbol("k")

ROLES: dict[str, Words] = {
    "cost": "the cost: how wrong the net is",
    "prediction": "the output of the net",
    "target": "what the output should be",
    "input": "the input of the net",
    "weighted_input": said("the weighted input of layer ", LAYER, ", before its activation function"),
    "activation": said("the activations of layer ", LAYER, ", its output"),
    "weights": said("the weights into layer ", LAYER, ": a row for each of its neurons"),
    "weight": said("the weight from neuron ", FROM, " to neuron ", TO, " of layer ", LAYER),
    "bias": said("the biases of layer ", LAYER),
    "error": said("the error of layer ", LAYER, ": how the cost moves with its weighted input"),
    "activation_function": "the activation function",
    "elementwise_product": "the product entry by entry (Hadamard)",
    "learning_rate": "the learning rate: how large a step against the gradient is",
}
"""What each role means, in words."""


def notation_of(name: str) -> Notation:
    """The notation of that name; an unknown one raises `ChainruleError`."""
    if name not in [*NOTATIONS]:
        raise ChainruleError(f"notation is one of {', '.join(NOTATIONS)}, not {name!r}")
    return NOTATIONS[name]


Place = int | str
"""A number, counted from 1, or a letter that runs."""


class Symbols:
    """The symbols of a feed-forward net with so many layers, in one notation.

    `sizes` has the number of neurons of each layer, the inputs first, and `examples` how many columns every matrix has;
    without them all are taken as 2, which is enough to print. With `as_numbers` a layer is one neuron, and everything a
    number. `letters` are those of the notation, with others for what stands for something else on the page.

    >>> from chainrule.derivation.notation import Symbols
    >>> from chainrule.maths import unicode
    >>> symbols = Symbols("nielsen", 2)
    >>> [unicode(x) for x in (symbols.z(1), symbols.error(2), symbols.w(1, 3, 2))]
    ['z⁽¹⁾', 'δ⁽²⁾', 'w⁽¹⁾₃,₂']
    >>> unicode(Symbols("course", 2).error(2, 1))
    '∂L/∂z₂,₁'
    """

    def __init__(
        self,
        notation: str,
        layers: int,
        sizes: tuple[int, ...] = (),
        examples: int = 2,
        *,
        as_numbers: bool = False,
        letters: Notation | None = None,
    ) -> None:
        self.name = notation
        self.as_numbers = as_numbers
        self.layers = layers
        self.sizes = sizes
        self.examples = examples
        self.behind: tuple[Place, ...] = ()
        self.notation = letters or notation_of(notation)
        self.cost = self.notation.cost
        self.target = self.notation.target
        self.functions = [replace(self.notation.activation_function, primes=primes) for primes in (0, 1)]
        """The activation function and its derivative."""

    def of_one_example(self, *behind: Place) -> Symbols:
        """The same letters where one example is spoken of, which may stand `behind` every index."""
        one = copy(self)
        one.examples, one.behind = 1, behind
        return one

    def size(self, layer: Place) -> int:
        return self.sizes[layer] if isinstance(layer, int) and self.sizes else 2

    def column(self, symbol: Symbol, layer: Place, place: tuple[Place, ...]) -> Symbol:
        """A matrix with a column for each example, or one entry of it."""
        shape = self.shape(self.size(layer), self.examples)
        if not self.behind:
            return placed(at_layer(symbol, layer), shape, place)
        return at_layer(symbol, layer).placed((*(place or ("·",)), *self.behind), () if place else shape)

    def shape(self, *sizes: int) -> Shape:
        """The shape of a matrix; none where all is numbers."""
        return () if self.as_numbers else sizes

    def z(self, layer: Place, *place: Place) -> Symbol:
        """The weighted input of a layer, or one entry of it."""
        return self.column(self.notation.weighted_input, layer, place)

    def a(self, layer: Place, *place: Place) -> Symbol:
        """The activation of a layer; the input where it is 0, the prediction where it is the last."""
        symbol = self.notation.activation
        if layer == 0:
            symbol = self.notation.input
        elif layer == self.layers:
            symbol = self.notation.prediction
        return self.column(symbol, layer, place)

    def weights(self, layer: Place) -> Symbol:
        before = layer - 1 if isinstance(layer, int) else layer
        return placed(at_layer(self.notation.weights, layer), self.shape(self.size(layer), self.size(before)))

    def w(self, layer: Place, j: Place, k: Place) -> Symbol:
        """The weight to neuron j from neuron k, both counted from 1."""
        return placed(at_layer(self.notation.weight, layer), (), (j, k))

    def b(self, layer: Place, *place: Place) -> Symbol:
        """The bias of a layer, or one entry of it."""
        return placed(at_layer(self.notation.bias, layer), self.shape(self.size(layer), 1), place)

    def error(self, layer: Place, *place: Place) -> Symbol | Derivative:
        """The error of a layer, or one entry of it."""
        if self.notation.error is None:
            return derivative(self.cost, self.z(layer, *place))
        return self.column(self.notation.error, layer, place)

    def function_at(self, primes: int, layer: Place, *place: Place) -> Unknown:
        """The activation function, or its derivative, at the weighted input."""
        z = self.z(layer, *place)
        return Unknown(self.functions[primes], (z,), z.shape)

    def slope(self, layer: Place, *place: Place) -> Unknown:
        """The derivative of the activation function at the weighted input."""
        return self.function_at(1, layer, *place)

    def slopes(self, layer: Place) -> Tree:
        """The same along the diagonal of a matrix, for one example."""
        slope = self.slope(layer)
        return slope if self.as_numbers else applied("diag", applied("reshape", slope, shape=slope.shape[:1]))

    @property
    def ones(self) -> Tree:
        """A column of ones, which adds up the examples."""
        return applied("broadcast_to", 1.0, shape=(self.examples, 1))

    def by(self, below: Tree) -> Derivative:
        """How the cost moves with something."""
        return derivative(self.cost, below)

    def meanings(self, shapes: dict[str, Shape] | None = None) -> tuple[Meaning, ...]:
        """The table of symbols, with what other books write; `shapes` holds those that are known, by role."""
        roles = [role.name for role in fields(Notation)]
        return tuple([meaning(role, self.name, (shapes or {}).get(role, ()), self.notation) for role in roles])


def meaning(role: str, notation: str, shape: Shape = (), letters: Notation | None = None) -> Meaning:
    """One row of the table of symbols, with other `letters` than the notation's where these are not free.

    The product entry by entry is ⊙ in all, since ⊗ is the Kronecker product.
    """
    own = HADAMARD if role == "elementwise_product" else written(role, notation, letters)
    elsewhere = [(name, written(role, name)) for name in NOTATIONS if name != notation or written(role, name) != own]
    return Meaning(own, ROLES[role], shape, tuple(elsewhere))


@lru_cache(maxsize=4096)
def written(role: str, notation: str, letters: Notation | None = None) -> Tree:
    """How a notation writes a role, for layer l (the last is L)."""
    letters = letters or notation_of(notation)
    symbol: Symbol | None = getattr(letters, role)
    if symbol is None:
        return Symbols(notation, 0, letters=letters).error("l")
    if role == "weight":
        return placed(at_layer(symbol, "l"), (), ("j", "k"))
    return at_layer(symbol, {"prediction": "L", "input": 0}.get(role, "l"))


@lru_cache(maxsize=4096)
def at_layer(symbol: Symbol, layer: Place) -> Symbol:
    filled = [part.replace("#", str(layer)) for part in (symbol.base, symbol.layer, *symbol.below)]
    return replace(symbol, base=filled[0], layer=filled[1], below=tuple(filled[2:]))


def placed(symbol: Symbol, shape: Shape, place: tuple[Place, ...] = ()) -> Symbol:
    """A symbol of an array of this shape, or of one entry of it."""
    return symbol.placed(place, () if place else shape)


def derivative(above: Tree, below: Tree, *held: Tree) -> Derivative:
    r"""How one thing moves with another; of a number, in the shape of the other.

    >>> from chainrule.derivation.notation import derivative
    >>> from chainrule.maths import Symbol, latex
    >>> latex(derivative(Symbol("C"), Symbol("w", ("1",))))
    '\\frac{\\partial C}{\\partial w_{1}}'
    """
    shape = below.shape if not above.shape else (above.size, below.size)
    return Derivative(above, below, shape, held)

"""The equations of a net in the letters of a notation, for one layer: as matrices, or for one entry of them."""

from __future__ import annotations

from dataclasses import replace

from chainrule.derivation.network.equations import ONES
from chainrule.derivation.notation import Place, Symbols, derivative
from chainrule.maths import Applied, Derivative, Number, Sigma, Symbol, Tree, Unknown
from chainrule.maths.tree import applied


class Spelling:
    """Writes trees of `network.equations` for layer `layer`, a number or a letter for any."""

    def __init__(self, symbols: Symbols, layer: Place) -> None:
        self.symbols = symbols
        last: Place = symbols.layers if isinstance(layer, int) else "L"
        beside = {"l-1": -1, "l": 0, "l+1": 1}
        self.layers: dict[str, Place] = {
            name: layer + step if isinstance(layer, int) else name for name, step in beside.items()
        }
        self.layers["L"] = last

    def whole(self, tree: Tree) -> Tree:
        """As matrices; where all of these are 1 × 1, as numbers."""
        s = self.symbols
        match tree:
            case Symbol("ones"):
                return s.ones
            case Symbol(role):
                return getattr(s, role)(self.layers[tree.layer])
            case Derivative(_, below):
                spelled = derivative(s.cost, self.whole(below))
                return replace(spelled, is_gradient=tree.is_gradient and not s.as_numbers)
            case Unknown(function, (Symbol() as z,)):
                return s.function_at(function.primes, self.layers[z.layer])
            case Applied():
                return self.made(tree, [self.whole(x) for x in tree.inputs])
            case _:
                return tree

    def made(self, tree: Applied, inputs: list[Tree]) -> Tree:
        """An operation on matrices that are spelled; of one example nothing is added up."""
        if tree.name == "matmul" and self.symbols.examples == 1 and tree.inputs[1] == ONES:
            return inputs[0]
        if self.symbols.as_numbers and tree.name in ("matmul", "transpose"):
            return inputs[0] if tree.name == "transpose" else inputs[0] * inputs[1]
        return applied(tree.operation, *inputs, **tree.given)

    def entry(self, tree: Tree, row: Place, column: Place, runs: str = "k") -> Tree:
        """One entry; a matrix product is a sum over the letter that `runs`."""
        s = self.symbols
        match tree:
            case Symbol("ones"):
                return Number("1")
            case Symbol("weights"):
                return s.w(self.layers[tree.layer], row, column)
            case Symbol("b"):
                return s.b(self.layers[tree.layer], row)
            case Symbol(role):
                return getattr(s, role)(self.layers[tree.layer], row, *self.example(column))
            case Derivative(_, below):
                return derivative(s.cost, self.entry(below, row, column))
            case Unknown(function, (Symbol() as z,)):
                return s.function_at(function.primes, self.layers[z.layer], row, *self.example(column))
            case Applied() if tree.name == "transpose":
                return self.entry(tree.inputs[0], column, row, runs)
            case Applied() if tree.name == "matmul":
                return self.product(tree, row, column, runs)
            case Applied():
                return applied(tree.operation, *[self.entry(x, row, column, runs) for x in tree.inputs], **tree.given)
            case _:
                return tree

    def product(self, tree: Applied, row: Place, column: Place, runs: str) -> Tree:
        """One entry of a matrix product: the sum over what both have in common, or the one term that it has."""
        left, right = tree.inputs
        if isinstance(right, Symbol) and right.base == "slopes":
            # Of a diagonal matrix one entry in a column is not zero.
            return self.entry(left, row, column) * self.slope(right, column)
        shape = self.whole(left).shape
        count = shape[1] if shape else 1
        k: Place = runs if count > 1 else 1
        factors = [self.entry(left, row, k), self.entry(right, k, column)]
        telling = [x for x in factors if x != Number("1")]
        term = telling[0] * telling[1] if len(telling) == 2 else telling[0]
        return Sigma(term, runs, count) if count > 1 else term

    def slope(self, slopes: Symbol, neuron: Place) -> Tree:
        """The slope of one neuron of the example that is spoken of."""
        return self.symbols.slope(self.layers[slopes.layer], neuron)

    def example(self, column: Place) -> tuple[Place, ...]:
        """The second index of an entry: the example, where there are several."""
        return (column,) if self.symbols.examples > 1 else ()

r"""The gradient as a product of Jacobians: their shapes, their structure, and why the large ones are never stored.

After T. Parr and J. Howard, The matrix calculus you need for deep learning (2018). Arrays count as vectors here, their
entries row by row. Where paths fork, the factor between the fork and the meeting is the sum of the products along them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.core.walk import met_by_all
from chainrule.derivation.arrays import fits
from chainrule.derivation.choices import said_in_general
from chainrule.derivation.equations import NOT_TAKEN, Show, given, in_a_row, is_residue, proved, together
from chainrule.derivation.matrix.between import handed_down, is_same_entries, number_of_paths
from chainrule.derivation.matrix.jacobians import MOST_ENTRIES, Factor, Node, factor_of, finite, flipped, structure_of
from chainrule.derivation.network.letters import names_through
from chainrule.derivation.network.paper import checked
from chainrule.derivation.notation import derivative
from chainrule.derivation.pitfalls import cancels_out, rounding_floor
from chainrule.derivation.record import Block, Equation, Heading, Meaning, Note, Paragraph, Steps, Table
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.scalars.graph import placed
from chainrule.derivation.scalars.links import SHORT, made_of
from chainrule.derivation.scalars.slopes import nameless
from chainrule.derivation.tape.tape import Tape, where_defined
from chainrule.derivation.words import Words, said
from chainrule.errors import UNFIT
from chainrule.maths import Applied, Derivative, Number, Symbol, Tree, numeral, plain
from chainrule.maths.tree import all_parts, applied, made

ROUNDING = 1e-12
"""Gradients this small beside the largest that arrives on the way are rounding."""

MOST_WRITTEN = 10**8
"""Entries of a Jacobian that is written in symbols: what fits beside it is found with arrays of its shape."""
MOST_FACTORS = 12
"""Of a longer product the ends are listed, and the middle is one factor."""

NARROW = 12
"""Columns of matrices that stand beside each other in a short answer."""

MOST_WAYS = 6
"""So many paths between a fork and its meeting are listed."""


X, Y = Symbol("x", shape=(2,)), Symbol("y", shape=(2,))
MEANINGS: tuple[tuple[str, Meaning], ...] = (
    ("eye", Meaning(applied("eye", n=2), "the identity matrix")),
    (
        "broadcast_to",
        Meaning(applied("broadcast_to", 1.0, shape=(2,)), "a column of ones; its transpose is a row that adds up"),
    ),
    ("diag", Meaning(applied("diag", X), said("the matrix with ", X, " along its diagonal and zeros elsewhere"))),
    (
        "kron",
        Meaning(applied("kron", X, Y), said("the Kronecker product: every entry of ", X, " times the whole of ", Y)),
    ),
)
"""The signs of products of Jacobians, each by the operation that brings it in."""
HELD = Meaning(
    derivative(Y, X, Symbol("v")),
    said("the same while ", Symbol("v"), " is held as it is; with a number, by that input alone"),
)
JACOBIAN = Meaning(derivative(Y, X), said("the Jacobian: how each entry of ", Y, " moves with each entry of ", X))


class Stretch(NamedTuple):
    """A factor of the product: one operation, or all paths between two nodes that every path passes."""

    upper: Node
    lower: Node
    factor: Factor | None
    """None where there are several paths, or where a long product is taken together."""
    paths: tuple[tuple[Factor, ...], ...]
    number_of_paths: int
    matrix: Any
    """None where it is too large to be built."""

    @property
    def rows(self) -> int:
        """The entries of the upper node."""
        return int(np.size(self.upper.data))

    @property
    def columns(self) -> int:
        """The entries of the lower node."""
        return int(np.size(self.lower.data))

    @property
    def structure(self) -> str:
        if self.factor is not None:
            return self.factor.structure
        return said_in_general(structure_of(self.matrix)) if self.matrix is not None else "a sum of products"


def applies(tape: Tape, request: Request) -> Words:
    """Empty where the gradient in one node is asked for."""
    if request.wrt is None:
        return "a product of Jacobians leads to one node: say which with wrt="
    if request.wrt is tape.output:
        return "the output moves with itself one for one: there is no product"
    if any(np.size(node.data) == 0 for node in tape.path):
        return "an array on the way has no entries"
    sizes = [(int(np.size(node.data)), int(np.size(x.data))) for node in tape.path for _, x in node.edges]
    rows, columns = max(sizes, key=prod)
    if rows * columns > MOST_WRITTEN:
        return f"a Jacobian on the way is {rows:,}×{columns:,}, which is too large: ask for fewer examples"
    return tape.why_no_factors()


def tell(tape: Tape, request: Request) -> Explanation:
    """The whole story; every product in it is proved on the numbers."""
    with Quiet():
        story = Story(tape, request)
        largest = max(stretch.rows * stretch.columns for stretch in story.stretches)
        counts = {"factors": len(story.stretches), "entries of the largest Jacobian": largest}
        blocks = tuple(story.blocks())
        return Explanation(blocks, story.meanings(), counts, story.environment, story.in_short(blocks))


class Story:
    """The blocks of the explanation of one gradient."""

    def __init__(self, tape: Tape, request: Request) -> None:
        self.tape = tape
        self.request = request
        self.names = names_through(tape)
        self.path = tape.path
        self.place = {node: k for k, node in enumerate(self.path)}
        stops = met_by_all(self.path)
        self.stops = [stops[0], *[node for node in stops[1:-1] if not self.passes_on(node)], stops[-1]]
        self.stretches = self.all_stretches()
        self.flipped = request.layout == "denominator"
        steps = [factor for stretch in self.stretches for path in stretch.paths for factor in path]
        self.is_scalar = all([x.rows == x.columns == 1 for x in (*self.stretches, *steps)])
        self.environment: dict[Tree, Any] = {}
        """The Jacobians in the layout of the page; None for what is too large to be built."""
        for stretch in self.stretches:
            matrix = 0.0 * stretch.matrix if self.is_scalar and is_lost(stretch) else numbers_in(stretch)
            self.enter(self.symbol(stretch), where_defined(matrix, tape.numbers[stretch.upper]))
        for factor in steps:
            self.enter(self.local(factor), where_defined(numbers_in(factor), tape.numbers[factor.upper]))
        gradient = np.reshape(tape.gradients[request.wrt], (1, -1))
        # What is left of sums that cancel out is no product of anything.
        whole = None if self.is_rounding(gradient) else where_defined(gradient, tape.numbers[tape.output])
        self.enter(self.gradient_symbol(), whole)

    def enter(self, symbol: Tree, matrix: Any) -> None:
        """What a symbol stands for on this page."""
        self.environment[symbol] = self.value(matrix) if np.ndim(matrix) else matrix

    def meanings(self) -> tuple[Meaning, ...]:
        """The signs that the page makes use of."""
        used: set[str] = set()
        for stretch in self.stretches:
            letters = self.letters(stretch)
            used.update([x.name for x in ([] if letters is None else all_parts(letters)) if isinstance(x, Applied)])
        found = [meaning for name, meaning in MEANINGS if name in used]
        forked = any([stretch.paths for stretch in self.stretches])
        results = [Meaning(self.names[x], self.made_of(x)) for x in self.path if self.is_nameless(x)]
        return (*found, *results, *([] if self.is_scalar else [JACOBIAN]), *([HELD] if forked else []))

    def made_of(self, node: Node) -> Words:
        """How a result without a name came to be, in the names of the page."""
        letters = self.tape.letters(node, self.names)
        if not self.fit(node, letters):
            # A name may be that of the same entries in another shape, with which this would be another formula.
            letters = [self.in_shape(x, name) for x, name in zip(node.inputs, letters, strict=True)]
        formula = made(node.op, letters, node.settings, tuple(node.shape))
        return said(formula) if len(plain(formula)) <= SHORT else made_of(self.tape, node)

    def fit(self, node: Node, letters: list[Any]) -> bool:
        """Whether the formula of a node has as many entries when it is made of names in their own shapes."""
        # A row times a column is a number.
        is_number = node.op.name == "matmul" and np.size(node.data) == 1
        if not isinstance(node.op, Pointwise) and not is_number:
            return False
        try:
            return applied(node.op, *letters, **node.settings).size == np.size(node.data)
        except UNFIT:
            return False

    def in_shape(self, x: Any, name: Any) -> Any:
        """A name in the shape of what goes by it."""
        is_other = self.is_named(x) and tuple(x.shape) != name.shape
        return applied("reshape", name, shape=tuple(x.shape)) if is_other else name

    def is_named(self, x: Any) -> bool:
        """Whether an input is a node that has a name on the page."""
        return isinstance(x, Value | Tensor) and x in self.names

    def is_nameless(self, node: Node) -> bool:
        """Whether a result goes by a letter that the page must explain."""
        return nameless(self.tape, node) and self.names[node] == self.tape.symbols[node]

    def blocks(self) -> list[Block]:
        blocks = self.the_product() + self.the_factors()
        for stretch in self.stretches:
            if stretch.number_of_paths > 1:
                blocks += self.the_forks(stretch)
        blocks += self.in_numbers()
        if not self.is_scalar:
            blocks += self.contracted()
        return blocks + self.layouts()

    def in_short(self, blocks: list[Block] | tuple[Block, ...]) -> tuple[Equation, ...]:
        """The product of the names, of the letters where all factors have them, and what comes out."""
        name = self.gradient_symbol()
        own = [x for x in blocks if isinstance(x, Equation) and x.sides[0] == name and x.numbers]
        if not own:
            return ()
        longest = max(own, key=lambda x: len(x.sides))
        letters = [self.letters(stretch) for stretch in self.stretches]
        known = [x for x in letters if x is not None]
        if len(known) < len(letters) or len(letters) < 2:
            is_narrow = self.is_scalar or sum([min(x.rows, x.columns) for x in self.stretches]) <= NARROW
            return (longest if is_narrow else replace(longest, sides=(*self.in_names(), longest.sides[-1]), numbers=1),)
        numbers = longest.sides[len(longest.sides) - longest.numbers :] if self.is_scalar else longest.sides[-1:]
        names = self.product_of([self.symbol(stretch) for stretch in self.stretches])
        telling = [x for x in known if x != Number("1") and not is_identity(x)] or known[:1]
        return (replace(longest, sides=(name, names, self.product_of(telling), *numbers), numbers=len(numbers)),)

    def in_names(self) -> tuple[Tree, ...]:
        """The gradient, and its product from one name to the next, without the letters that the page would explain."""
        first, *between, last = self.stops
        stops = [first, *[x for x in between if not self.is_nameless(x)], last]
        if len(self.stops) - 1 > len(self.stretches):
            return (self.gradient_symbol(), self.product_of([self.symbol(stretch) for stretch in self.stretches]))
        factors: list[Tree] = []
        for upper, lower in pairwise(stops):
            found = Stretch(upper, lower, None, (), 0, self.total(upper, lower))
            factors.append(self.symbol(found))
            if factors[-1] not in self.environment:
                self.enter(factors[-1], where_defined(numbers_in(found), self.tape.numbers[upper]))
        return (self.gradient_symbol(), self.product_of(factors)) if len(factors) > 1 else (self.gradient_symbol(),)

    def symbol(self, stretch: Stretch) -> Derivative:
        return self.named(derivative(self.names[stretch.upper], self.names[stretch.lower]), stretch)

    def local(self, factor: Factor) -> Derivative:
        """A step of one of several paths as a derivative."""
        return self.named(self.tape.local(factor.upper, factor.slot, self.names), factor)

    def named(self, symbol: Derivative, factor: Stretch | Factor) -> Derivative:
        """A derivative with the shape that it has in the layout."""
        shape = (factor.columns, factor.rows) if self.flipped else (factor.rows, factor.columns)
        return replace(symbol, shape=() if self.is_scalar else shape)

    def product_of(self, trees: list[Tree]) -> Tree:
        """Factors in the order of the layout."""
        first, *rest = trees[::-1] if self.flipped else trees
        for tree in rest:
            first = applied("matmul" if first.ndim and tree.ndim and not self.is_scalar else "mul", first, tree)
        return first

    def gradient_symbol(self) -> Derivative:
        """What the product gives."""
        symbol = derivative(self.names[self.tape.output], self.names[self.request.wrt])
        count = int(np.size(self.request.wrt.data))
        return replace(symbol, shape=() if self.is_scalar else (count, 1) if self.flipped else (1, count))

    def all_stretches(self) -> list[Stretch]:
        """The factors of the product, from the output down."""
        pairs = list(pairwise(self.stops))
        if len(pairs) <= MOST_FACTORS:
            return [self.stretch(upper, lower) for upper, lower in pairs]
        half = MOST_FACTORS // 2
        upper, lower = pairs[half][0], pairs[-half][0]
        first = [self.stretch(*pair) for pair in pairs[:half]]
        last = [self.stretch(*pair) for pair in pairs[-half:]]
        return [*first, Stretch(upper, lower, None, (), 0, self.total(upper, lower)), *last]

    def stretch(self, upper: Node, lower: Node) -> Stretch:
        inside = self.inside(upper, lower)
        count = number_of_paths(inside, lower)
        if count == 1 and all(map(self.passes_on, inside[1:-1])):
            slot = next(slot for slot, x in upper.edges if x is inside[1])
            factor = factor_of(self.tape, upper, slot, self.names)
            return Stretch(upper, lower, factor, (), 1, factor.matrix)
        paths = self.paths(upper, lower, set(inside))
        return Stretch(upper, lower, None, paths, count, self.total(upper, lower))

    def passes_on(self, node: Node) -> bool:
        """Whether a node is no step: the same entries in another shape, or a number a fixed distance from another."""
        if is_same_entries(node):
            return True
        inside = [(slot, x) for slot, x in node.edges if x in self.place]
        if node not in self.tape.numbered or len(inside) != 1 or np.shape(node.data):
            return False
        ((slot, _),) = inside
        return node.op.name == "add" or (node.op.name == "sub" and slot == 0)

    def inside(self, upper: Node, lower: Node) -> list[Node]:
        """The nodes from one to the other, both included, consumers first."""
        start, end = self.place[upper], self.place[lower]
        return self.path[start : end + 1]

    def paths(self, upper: Node, lower: Node, inside: set[Node]) -> tuple[tuple[Factor, ...], ...]:
        """The first few paths from one node to the other, each a product of factors."""
        found: list[tuple[Factor, ...]] = []
        waiting: list[tuple[Node, tuple[tuple[Node, int], ...]]] = [(upper, ())]
        while waiting and len(found) <= MOST_WAYS:
            node, steps = waiting.pop()
            if node is lower:
                telling = [step for step in steps if not is_same_entries(step[0])] or steps[:1]
                found.append(tuple([factor_of(self.tape, x, slot, self.names) for x, slot in telling]))
                continue
            waiting += [(x, (*steps, (node, slot))) for slot, x in reversed(list(node.edges)) if x in inside]
        return tuple(found)

    def total(self, upper: Node, lower: Node) -> Any:
        """The whole Jacobian between two nodes, row by row; None where it is too large."""
        rows, columns = int(np.size(upper.data)), int(np.size(lower.data))
        if rows * columns > MOST_ENTRIES:
            return None
        seeds = np.eye(rows)
        inside = self.inside(upper, lower)
        found = [handed_down(self.tape, inside, seeds[i].reshape(np.shape(upper.data))) for i in range(rows)]
        return finite(np.array([np.ravel(row) for row in found]).reshape(rows, columns))

    def the_product(self) -> list[Block]:
        symbols: list[Tree] = [self.symbol(stretch) for stretch in self.stretches]
        product = [self.product_of(symbols)] if len(symbols) > 1 else []
        total = Equation((self.gradient_symbol(), *product))
        words = "The chain rule for vectors multiplies the Jacobians of the steps, in order."
        if self.is_scalar:
            words = (
                "Every step here is from one number to one number, so each Jacobian is 1 × 1 and the product is one of "
                "numbers: the chain rule as it is first learned."
            )
        return [Heading("The gradient as a product of Jacobians"), Paragraph(words), total]

    def the_factors(self) -> list[Block]:
        """Each factor's shape, structure and letters, and what it would take to store it."""
        rows: list[tuple[Words | Equation, ...]] = []
        for stretch in self.stretches:
            entries = stretch.rows * stretch.columns
            shape = (stretch.columns, stretch.rows) if self.flipped else (stretch.rows, stretch.columns)
            factor = stretch.factor
            letters = self.letters(stretch)
            rule = factor.operation if factor is not None else "all steps between"
            kept = f"{factor.stored:,}" if factor is not None else ""
            rows.append(
                (
                    said(self.symbol(stretch)),
                    rule if stretch.number_of_paths <= 1 else f"{stretch.number_of_paths:,} paths",
                    f"{shape[0]} × {shape[1]}",
                    self.structure_words(stretch.structure),
                    "" if letters is None else said(letters),
                    f"{entries:,} ({entries * 8:,} bytes)",
                    kept,
                )
            )
        columns = (
            "factor",
            "by",
            "shape",
            "structure",
            "in symbols",
            "entries, if it were stored",
            "numbers that are kept for it",
        )
        return [Heading("The factors"), Table(columns, tuple(rows))]

    def structure_words(self, structure: str) -> str:
        """The structure as it is in the layout: a row is a column in the other."""
        if not self.flipped:
            return structure
        swap = {"row": "column", "column": "row"}
        first, _, rest = structure.partition(" ")
        return f"{swap.get(first, first)} {rest}".strip()

    def letters(self, stretch: Stretch) -> Tree | None:
        """A factor in symbols, in the layout."""
        tree = stretch.factor.letters if stretch.factor is not None else None
        if tree is None or not self.flipped or stretch.rows == stretch.columns == 1:
            return tree
        return flipped(tree)

    def the_forks(self, stretch: Stretch) -> list[Block]:
        heading = Heading("Where paths fork", 3)
        words = said(
            "Between ",
            self.names[stretch.upper],
            " and ",
            self.names[stretch.lower],
            f" there are {stretch.number_of_paths:,} paths, and the factor is the sum of their products.",
        )
        if stretch.number_of_paths > MOST_WAYS or stretch.matrix is None:
            return [
                heading,
                Paragraph(said(words, " They are too many or too large to be listed; the engine adds them up.")),
            ]
        terms = [self.product_of([self.local(factor) for factor in path]) for path in stretch.paths]
        symbols: list[Tree] = [self.symbol(stretch), in_a_row("add", terms)]
        matrices = [factor.matrix for path in stretch.paths for factor in path]
        if not all(x is not None and fits(x) for x in matrices):
            return [heading, Paragraph(words), Equation(tuple(symbols))]

        def write(show: Show) -> list[Tree]:
            products = [self.product_of([show(self.value(f.matrix)) for f in path]) for path in stretch.paths]
            return [in_a_row("add", products)]

        return [
            heading,
            Paragraph(words),
            proved(symbols, write, self.value(stretch.matrix), digits=self.request.digits),
        ]

    def value(self, matrix: Any) -> Any:
        """A result, in the layout."""
        if self.is_scalar:
            return float(matrix[0, 0])
        return matrix.T if self.flipped else matrix

    def in_numbers(self) -> list[Block]:
        """Each small factor, and their product."""
        digits = self.request.digits
        blocks: list[Block] = [Heading("In numbers")]
        gradient = np.reshape(self.tape.gradients[self.request.wrt], (1, -1))
        small = [x for x in self.stretches if x.matrix is not None and fits(x.matrix)]
        if not self.is_scalar:
            for stretch in small:
                letters = self.letters(stretch)
                symbols = [self.symbol(stretch), *([] if letters is None else [letters])]
                note = self.structure_words(stretch.structure)
                blocks.append(proved(symbols, None, self.value(stretch.matrix), digits=digits, note=note))
        factors: list[Tree] = [self.symbol(x) for x in self.stretches]
        if len(factors) == 1 or len(small) < len(factors):
            if len(small) < len(factors):
                left = f"{len(factors) - len(small)} of {len(factors)} factors"
                blocks.append(Note(f"{left} are larger than 6 × 6 or not finite, and not written out."))
            if fits(gradient) and (self.is_scalar or len(factors) > 1):
                blocks.append(self.result(gradient, NOT_TAKEN if any(map(is_infinite, self.stretches)) else ""))
            return blocks + self.the_entry(gradient)

        def write(show: Show) -> list[Tree]:
            return [self.product_of([show(self.value(x.matrix)) for x in self.stretches])]

        symbols = [self.gradient_symbol(), self.product_of(factors)]
        if self.is_rounding(gradient):
            rest = "the contributions of the paths cancel out, and what is left is rounding"
            blocks.append(self.result(gradient, rest))
            gradient = np.zeros_like(gradient)
        else:
            blocks.append(proved(symbols, write, self.value(gradient), digits=digits))
        return blocks + self.the_entry(gradient)

    def result(self, gradient: Any, note: Words = "") -> Equation:
        """The gradient alone; one number that is left of paths that cancel out is 0."""
        number, digits = self.value(gradient), self.request.digits
        if self.is_rounding(gradient) and not (self.is_scalar and is_residue(number, self.largest)):
            has = said(
                "" if note else "up to rounding: ",
                "the computer has numbers up to ",
                numeral(float(np.max(np.abs(number))), 3),
            )
            return given(self.gradient_symbol(), np.zeros_like(number), digits=digits, note=together(note, has))
        return given(self.gradient_symbol(), number, digits=digits, note=note, size=self.largest)

    @property
    def largest(self) -> float:
        """The size of the largest share that a step hands on."""
        return max([float(np.max(np.abs(arrival.contribution), initial=0.0)) for arrival in self.tape.arrivals])

    def is_rounding(self, gradient: Any) -> bool:
        """Whether a gradient and the product of its factors are what rounding leaves of sums that cancel out."""
        factors = [x.matrix for x in self.stretches]
        product = gradient if any([x is None for x in factors]) else reduce(np.matmul, factors)
        with Quiet():
            most = np.max(np.abs([gradient, product]), initial=0.0)
            return 0 < most <= ROUNDING * self.largest < np.inf and cancels_out(self.tape, self.request.wrt)

    def the_entry(self, gradient: Any) -> list[Block]:
        """Where in the product the gradient of the reader's array, or its one entry, is found."""
        shape, entry, digits = np.shape(self.request.wrt.data), self.request.entry, self.request.digits
        if entry is not None and entry:
            k = int(np.ravel_multi_index(entry, shape))
            symbol = derivative(self.names[self.tape.output], placed(self.names[self.request.wrt], entry))
            self.environment[symbol] = float(gradient[0, k])
            words = f"Counted row by row, the entry that was asked for is number {k + 1} of {gradient.size:,}:"
            return [Paragraph(words), given(symbol, float(gradient[0, k]), digits=digits)]
        if len(shape) == 2 and min(shape) > 1 and fits(np.zeros(shape)):
            words = said("In the shape of ", self.names[self.request.wrt], ", row by row:")
            whole = derivative(self.names[self.tape.output], self.names[self.request.wrt])
            return [Paragraph(words), given(whole, gradient.reshape(shape), digits=digits)]
        return []

    def contracted(self) -> list[Block]:
        """How the product is taken from the left, a row at a time."""
        lines: list[Words | Equation] = []
        gradient = np.ones(np.shape(self.tape.output.data))
        with Quiet():
            for stretch in self.stretches:
                gradient = handed_down(self.tape, self.inside(stretch.upper, stretch.lower), gradient)
                floor = rounding_floor(self.tape)
                checked("the gradient on the way", gradient, self.tape.gradients[stretch.lower], floor)
                below = derivative(self.names[self.tape.output], self.names[stretch.lower])
                row, goes = f"a row of {stretch.rows:,}", f"a row of {stretch.columns:,}"
                lines.append(said(f"{row} times ", self.symbol(stretch), " is ", below, f", {goes}"))
        largest = max(self.stretches, key=lambda x: x.rows * x.columns)
        longest = max(max(x.rows, x.columns) for x in self.stretches)
        words = said(
            "The output is one number, so the product has one row. Taken from the left it is a row times a matrix at "
            f"every step and never holds more than a row of {longest:,} numbers ({longest * 8:,} bytes); the largest "
            "factor, ",
            self.symbol(largest),
            f", would have {largest.rows * largest.columns:,} entries. Each rule works out the row times its Jacobian "
            "without building it. That is the backward pass.",
        )
        return [Heading("Taken from the left"), Paragraph(words), Steps(tuple(lines))]

    def layouts(self) -> list[Block]:
        """Which layout this is, and what the other writes."""
        count = int(np.size(self.request.wrt.data))
        one = (
            "Numerator layout: a Jacobian has a row for each output and a column for each input, the factors stand "
            f"from the output to the input, and the gradient is a row, 1 × {count}."
        )
        other = (
            "Denominator layout: every Jacobian is the transpose, the factors stand in reverse, and the gradient is a "
            f"column, {count} × 1."
        )
        here = "This page uses the denominator layout." if self.flipped else "This page uses the numerator layout."
        words = f"{one} {other} {here} The numbers are the same."
        if self.is_scalar:
            words += " Of 1 × 1 matrices both are the same."
        return [Heading("Layouts"), Paragraph(words)]


def is_identity(tree: Tree) -> bool:
    """Whether it is an identity matrix, which changes nothing in a product."""
    return isinstance(tree, Applied) and tree.name == "eye"


def is_infinite(factor: Stretch | Factor) -> bool:
    """Whether a factor has no matrix because its entries are not all finite, and not because it is too large."""
    return factor.matrix is None and factor.rows * factor.columns <= MOST_ENTRIES


def numbers_in(factor: Stretch | Factor) -> Any:
    """The matrix of a factor, where it is not too large; one that is not finite has no numbers at all."""
    return np.full((factor.rows, factor.columns), np.nan) if is_infinite(factor) else factor.matrix


def is_lost(stretch: Stretch) -> bool:
    """Whether a number that adds up over paths is what rounding leaves of them."""
    paths = [[float(factor.matrix[0, 0]) for factor in path if factor.matrix is not None] for path in stretch.paths]
    size = sum([abs(prod(path)) for path in paths])
    return len(paths) == stretch.number_of_paths > 1 and is_residue(float(stretch.matrix[0, 0]), size)

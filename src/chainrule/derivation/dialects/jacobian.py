r"""The gradient as a product of Jacobians: their shapes, their structure, and why the large ones are never stored.

After T. Parr and J. Howard, The matrix calculus you need for deep learning (2018). Arrays count as vectors here, their
entries row by row. Where ways fork, the factor between the fork and the meeting is the sum of the products along them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.core.state import Quiet
from chainrule.derivation.matrix.jacobians import MOST_ENTRIES, Factor, Node, factor_of, finite, flipped, structure_of
from chainrule.derivation.matrix.spine import handed_down, is_same_entries, met_by_all, number_of_ways, on_the_way
from chainrule.derivation.network.letters import names_through
from chainrule.derivation.network.matrices import checked, fits
from chainrule.derivation.notation import derivative
from chainrule.derivation.opened.opened import Opened
from chainrule.derivation.proof import Show, proved
from chainrule.derivation.record import Block, Equation, Heading, Meaning, Note, Paragraph, Steps, Table
from chainrule.derivation.request import Request, Told

MOST_FACTORS = 12
"""Of a longer product the ends are listed, and the middle is one factor."""

MOST_WAYS = 6
"""So many ways between a fork and its meeting are listed."""


MEANINGS = (
    Meaning("I", "the identity matrix"),
    Meaning(r"\mathbf{1}", "a column of ones; its transpose is a row that adds up"),
    Meaning(r"\operatorname{diag}\left(x\right)", "the matrix with $x$ along its diagonal and zeros elsewhere"),
    Meaning(r"x \otimes y", "the Kronecker product: every entry of $x$ times the whole of $y$"),
    Meaning(r"\frac{\partial y}{\partial x}", "the Jacobian: how each entry of $y$ moves with each entry of $x$"),
)
"""The symbols of every product of Jacobians."""


class Stretch(NamedTuple):
    """A factor of the product: one operation, or all ways between two nodes that every way passes."""

    upper: Node
    lower: Node
    factor: Factor | None
    """None where there are several ways, or where a long product is taken together."""
    ways: tuple[tuple[Factor, ...], ...]
    number_of_ways: int
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
        """What it looks like."""
        if self.factor is not None:
            return self.factor.structure
        return structure_of(self.matrix) if self.matrix is not None else "a sum of products"


def applies(opened: Opened, request: Request) -> str:
    """Empty where the gradient in one node is asked for."""
    if request.wrt is None:
        return "a product of Jacobians leads to one node: say which with wrt="
    if request.wrt is opened.output:
        return "the output moves with itself one for one: there is no product"
    if any(np.size(node.data) == 0 for node in on_the_way(opened, request.wrt)):
        return "an array on the way has no entries"
    return ""


def tell(opened: Opened, request: Request) -> Told:
    """The whole story; every product in it is proved on the numbers."""
    with Quiet():
        story = Story(opened, request)
        largest = max(stretch.rows * stretch.columns for stretch in story.stretches)
        counts = {"factors": len(story.stretches), "entries of the largest Jacobian": largest}
        return Told(tuple(story.blocks()), MEANINGS, counts)


class Story:
    """The blocks of the explanation of one gradient."""

    def __init__(self, opened: Opened, request: Request) -> None:
        self.opened = opened
        self.request = request
        self.names = names_through(opened)
        self.path = on_the_way(opened, request.wrt)
        spine = met_by_all(opened, self.path)
        self.spine = [spine[0], *[node for node in spine[1:-1] if not is_same_entries(node)], spine[-1]]
        self.place = {node: k for k, node in enumerate(self.path)}
        self.stretches = self.all_stretches()
        self.flipped = request.layout == "denominator"
        self.is_scalar = all(stretch.rows == stretch.columns == 1 for stretch in self.stretches)

    def blocks(self) -> list[Block]:
        """Everything, in order."""
        blocks = self.the_product() + self.the_factors()
        for stretch in self.stretches:
            if stretch.number_of_ways > 1:
                blocks += self.the_ways(stretch)
        blocks += self.in_numbers()
        if not self.is_scalar:
            blocks += self.contracted()
        return blocks + self.layouts()

    def symbol(self, stretch: Stretch | Factor) -> str:
        """A factor as a derivative."""
        return derivative(self.names[stretch.upper], self.names[stretch.lower])

    def product_of(self, texts: list[str]) -> str:
        """Factors in the order of the layout."""
        sign = r" \cdot " if self.is_scalar else r" \, "
        return sign.join(texts[::-1] if self.flipped else texts)

    def gradient_symbol(self) -> str:
        """What the product gives."""
        return derivative(self.names[self.opened.output], self.names[self.request.wrt])

    def all_stretches(self) -> list[Stretch]:
        """The factors of the product, from the output down."""
        pairs = list(zip(self.spine, self.spine[1:], strict=False))
        if len(pairs) <= MOST_FACTORS:
            return [self.stretch(upper, lower) for upper, lower in pairs]
        half = MOST_FACTORS // 2
        upper, lower = pairs[half][0], pairs[-half][0]
        first = [self.stretch(*pair) for pair in pairs[:half]]
        last = [self.stretch(*pair) for pair in pairs[-half:]]
        return [*first, Stretch(upper, lower, None, (), 0, self.total(upper, lower)), *last]

    def stretch(self, upper: Node, lower: Node) -> Stretch:
        """One factor."""
        inside = self.inside(upper, lower)
        count = number_of_ways(inside, lower)
        if count == 1 and all(is_same_entries(node) for node in inside[1:-1]):
            slot = next(slot for slot, x in upper.edges if x is inside[1])
            factor = factor_of(self.opened, upper, slot, self.names)
            return Stretch(upper, lower, factor, (), 1, factor.matrix)
        ways = self.ways(upper, lower, set(inside))
        return Stretch(upper, lower, None, ways, count, self.total(upper, lower))

    def inside(self, upper: Node, lower: Node) -> list[Node]:
        """The nodes from one to the other, both included, consumers first."""
        start, end = self.place[upper], self.place[lower]
        return self.path[start : end + 1]

    def ways(self, upper: Node, lower: Node, inside: set[Node]) -> tuple[tuple[Factor, ...], ...]:
        """The first few ways from one node to the other, each a product of factors."""
        found: list[tuple[Factor, ...]] = []
        waiting: list[tuple[Node, tuple[tuple[Node, int], ...]]] = [(upper, ())]
        while waiting and len(found) <= MOST_WAYS:
            node, steps = waiting.pop()
            if node is lower:
                found.append(tuple([factor_of(self.opened, x, slot, self.names) for x, slot in steps]))
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
        found = [handed_down(self.opened, inside, seeds[i].reshape(np.shape(upper.data))) for i in range(rows)]
        return finite(np.array([np.ravel(row) for row in found]).reshape(rows, columns))

    def the_product(self) -> list[Block]:
        """The chain rule in symbols."""
        symbols = [self.symbol(stretch) for stretch in self.stretches]
        total = Equation((self.gradient_symbol(), self.product_of(symbols)))
        words = "The chain rule for vectors multiplies the Jacobians of the steps, in order."
        if self.is_scalar:
            words = (
                "Every step here is from one number to one number, so each Jacobian is 1 × 1 and the product is one of "
                "numbers: the chain rule as it is first learned."
            )
        return [Heading("The gradient as a product of Jacobians"), Paragraph(words), total]

    def the_factors(self) -> list[Block]:
        """Each factor's shape, structure and letters, and what it would take to store it."""
        rows: list[tuple[str | Equation, ...]] = []
        for stretch in self.stretches:
            entries = stretch.rows * stretch.columns
            shape = (stretch.columns, stretch.rows) if self.flipped else (stretch.rows, stretch.columns)
            factor = stretch.factor
            letters = self.letters(stretch)
            rule = factor.operation if factor is not None else "all steps between"
            kept = f"{factor.stored:,}" if factor is not None else ""
            rows.append(
                (
                    f"${self.symbol(stretch)}$",
                    rule if stretch.number_of_ways <= 1 else f"{stretch.number_of_ways:,} ways",
                    f"${shape[0]} \\times {shape[1]}$",
                    self.structure_words(stretch.structure),
                    f"${letters}$" if letters else "",
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
            "numbers its rule reads",
        )
        return [Heading("The factors"), Table(columns, tuple(rows))]

    def structure_words(self, structure: str) -> str:
        """The structure as it is in the layout: a row is a column in the other."""
        if not self.flipped:
            return structure
        swap = {"row": "column", "column": "row"}
        first, _, rest = structure.partition(" ")
        return f"{swap.get(first, first)} {rest}".strip()

    def letters(self, stretch: Stretch) -> str:
        """A factor in symbols, in the layout."""
        latex = stretch.factor.letters if stretch.factor is not None else ""
        if not latex or not self.flipped or stretch.rows == stretch.columns == 1:
            return latex
        symmetric = stretch.structure in ("diagonal", "identity", "minus the identity", "scaled identity")
        return latex if symmetric else flipped(latex)

    def the_ways(self, stretch: Stretch) -> list[Block]:
        """A fork: the sum of the products along the ways."""
        between = f"${self.names[stretch.upper]}$ and ${self.names[stretch.lower]}$"
        heading = Heading("Where the ways fork", 3)
        words = (
            f"Between {between} there are {stretch.number_of_ways:,} ways, and the factor is the sum of their products."
        )
        if stretch.number_of_ways > MOST_WAYS or stretch.matrix is None:
            return [
                heading,
                Paragraph(words + " They are too many or too large to be listed; the engine adds them up."),
            ]
        terms = [self.product_of([self.symbol(factor) for factor in way]) for way in stretch.ways]
        symbols = [self.symbol(stretch), " + ".join(terms)]
        matrices = [factor.matrix for way in stretch.ways for factor in way]
        if not all(x is not None and fits(x) for x in matrices):
            return [heading, Paragraph(words), Equation(tuple(symbols))]

        def write(show: Show) -> list[str]:
            return [" + ".join([self.product_of([self.put(show, f.matrix) for f in way]) for way in stretch.ways])]

        return [
            heading,
            Paragraph(words),
            proved(symbols, write, self.value(stretch.matrix), digits=self.request.digits),
        ]

    def put(self, show: Show, matrix: Any) -> str:
        """A Jacobian in numbers, in the layout."""
        if self.is_scalar:
            return show.factor(float(matrix[0, 0]))
        return show(matrix.T if self.flipped else matrix)

    def value(self, matrix: Any) -> Any:
        """A result, in the layout."""
        if self.is_scalar:
            return float(matrix[0, 0])
        return matrix.T if self.flipped else matrix

    def in_numbers(self) -> list[Block]:
        """Each small factor, and their product."""
        digits, blocks = self.request.digits, list[Block]()
        gradient = np.reshape(self.opened.gradients[self.request.wrt], (1, -1))
        small = [x for x in self.stretches if x.matrix is not None and fits(x.matrix)]
        blocks.append(Heading("In numbers"))
        if not self.is_scalar:
            for stretch in small:
                letters = self.letters(stretch)
                symbols = [self.symbol(stretch), *([letters] if letters else [])]
                shown = proved(
                    symbols, lambda show: [], self.value(stretch.matrix), digits=digits, note=stretch.structure
                )
                blocks.append(shown)
        symbols = [self.gradient_symbol(), self.product_of([self.symbol(x) for x in self.stretches])]
        if len(self.stretches) == 1:
            if fits(gradient):
                blocks.append(proved(symbols[:1], lambda show: [], self.value(gradient), digits=digits))
        elif len(small) == len(self.stretches):

            def write(show: Show) -> list[str]:
                return [self.product_of([self.put(show, x.matrix) for x in self.stretches])]

            blocks.append(proved(symbols, write, self.value(gradient), digits=digits))
        else:
            left = f"{len(self.stretches) - len(small)} of {len(self.stretches)} factors"
            blocks.append(Note(f"{left} are larger than 6 × 6 or not finite, and not written out."))
            if fits(gradient):
                blocks.append(proved(symbols[:1], lambda show: [], self.value(gradient), digits=digits))
        return blocks + self.the_entry(gradient)

    def the_entry(self, gradient: Any) -> list[Block]:
        """Where in the product the gradient of the reader's array, or its one entry, is found."""
        shape, entry = np.shape(self.request.wrt.data), self.request.entry
        if entry is not None:
            k = int(np.ravel_multi_index(entry, shape))
            place = f"{self.names[self.request.wrt]}[{', '.join(map(str, entry))}]"
            symbol = derivative(self.names[self.opened.output], place)
            words = f"Counted row by row, the entry that was asked for is number {k + 1} of {gradient.size:,}:"
            shown = proved([symbol], lambda show: [], float(gradient[0, k]), digits=self.request.digits)
            return [Paragraph(words), shown]
        if len(shape) == 2 and min(shape) > 1 and fits(np.zeros(shape)):
            words = f"In the shape of ${self.names[self.request.wrt]}$, row by row:"
            value = gradient.reshape(shape)
            return [
                Paragraph(words),
                proved([self.gradient_symbol()], lambda show: [], value, digits=self.request.digits),
            ]
        return []

    def contracted(self) -> list[Block]:
        """How the product is taken from the left, a row at a time."""
        lines: list[str | Equation] = []
        gradient = np.ones(np.shape(self.opened.output.data))
        with Quiet():
            for stretch in self.stretches:
                gradient = handed_down(self.opened, self.inside(stretch.upper, stretch.lower), gradient)
                checked("the gradient on the way", gradient, self.opened.gradients[stretch.lower])
                below = derivative(self.names[self.opened.output], self.names[stretch.lower])
                came, goes = f"a row of {stretch.rows:,}", f"a row of {stretch.columns:,}"
                lines.append(f"{came} times ${self.symbol(stretch)}$ is ${below}$, {goes}")
        largest = max(self.stretches, key=lambda x: x.rows * x.columns)
        longest = max(max(x.rows, x.columns) for x in self.stretches)
        words = (
            "The output is one number, so the product has one row. Taken from the left it is a row times a matrix at "
            f"every step and never holds more than a row of {longest:,} numbers ({longest * 8:,} bytes); the largest "
            f"factor, ${self.symbol(largest)}$, would have {largest.rows * largest.columns:,} entries. Each rule "
            "works out the row times its Jacobian without building it. That is the backward pass."
        )
        return [Heading("Taken from the left"), Paragraph(words), Steps(tuple(lines))]

    def layouts(self) -> list[Block]:
        """Which layout this is, and what the other writes."""
        rows, columns = 1, int(np.size(self.request.wrt.data))
        one = (
            "Numerator layout: a Jacobian has a row for each output and a column for each input, the factors stand "
            f"from the output to the input, and the gradient is a row, ${rows} \\times {columns}$."
        )
        other = (
            "Denominator layout: every Jacobian is the transpose, the factors stand in reverse, and the gradient is a "
            f"column, ${columns} \\times {rows}$."
        )
        here = "This page uses the denominator layout." if self.flipped else "This page uses the numerator layout."
        words = f"{one} {other} {here} The numbers are the same."
        if self.is_scalar:
            words += " Of 1 × 1 matrices both are the same."
        return [Heading("Layouts"), Paragraph(words)]

"""How the demo looks: one screen, as a list of blocks that each draw a part of a `Demo`.

A block is a function from the demo to something that rich can print; `BLOCKS` is the screen from top to bottom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from chainrule.cli.demo import Demo, Factor
from chainrule.cli.help import this_program
from chainrule.derivation.equations import proved
from chainrule.maths import unicode
from chainrule.maths.tree import equation
from chainrule.printable import in_columns

Block = Callable[[Demo], RenderableType]
ENLARGED = 2
"""How many dots of the drawing one pixel of a digit becomes, along each axis."""

SHOWN_DIGITS = 4
"""Of a gradient; its factors have as many as make the product come out when it is worked out by hand."""

NEXT = (
    ('grad "x**3 - 3*x" x=2', "any formula, opened"),
    ("demo --seed 1", "another network, another digit"),
    ("demo --json", "the same numbers for a program"),
    ("doctor", "what makes it fast or slow here"),
)
"""What to try next: commands of `chainrule`, and what they give."""

MEANINGS = {"": "what the loss asks of it", "relu": "ReLU's slope", "affine": "the ink of the pixel"}
"""The links of this network in words, by the operation that a link crosses."""


@dataclass(frozen=True)
class HalfBlocks:
    """A picture in half blocks, two dots to a character: in shades where there is colour, else ink or no ink."""

    dots: Sequence[Sequence[float]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shaded = console.color_system is not None and not console.no_color
        for top, bottom in zip(self.dots[::2], self.dots[1::2], strict=True):
            for pair in zip(top, bottom, strict=True):
                if shaded:
                    over, under = (f"rgb({n},{n},{n})" for n in (round(255 * min(max(dot, 0.0), 1.0)) for dot in pair))
                    yield Segment("▀", Style.parse(f"{over} on {under}"))
                else:
                    yield Segment(" ▄▀█"[2 * (pair[0] > 0.5) + (pair[1] > 0.5)])
            yield Segment.line()


def enlarged(pixels: Sequence[Sequence[float]], times: int) -> list[list[float]]:
    """A picture with `times` as many dots along each axis, each between its nearest pixels (bilinear)."""

    def stretched(row: Sequence[float]) -> list[float]:
        at = (np.arange(len(row) * times) + 0.5) / times - 0.5
        return [float(dot) for dot in np.interp(at, np.arange(len(row)), row)]

    columns = [stretched(column) for column in zip(*[stretched(row) for row in pixels], strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def result(demo: Demo) -> RenderableType:
    """How well it reads, how large it is, how long it took."""
    return lines(
        f"held-out accuracy: {demo.accuracy:.3f}",
        f"on {demo.held_out:,} handwritten digits that it had not seen; {demo.parameters:,} parameters,",
        f"trained in {demo.seconds:.1f} seconds on {demo.trained_on:,} others ({demo.epochs} epochs, seed {demo.seed})",
    )


def digit(demo: Demo) -> RenderableType:
    """One held-out digit, what it is, and what the network says."""
    seen = demo.digit
    ranked = sorted(range(len(seen.shares)), key=lambda n: -seen.shares[n])
    said = [f"  {n}  {100 * seen.shares[n]:5.1f} %  {'█' * round(30 * seen.shares[n])}" for n in ranked[:4]]
    beside = lines(
        f"A held-out digit: it is a {seen.truth}.",
        f"The network says {seen.answer}: of its right answers the least sure.",
        *said,
        f"Its loss here, L = -log({seen.shares[seen.truth]:.4f}) = {seen.loss:.4f}",
    )
    return side_by_side(HalfBlocks(enlarged(seen.pixels, ENLARGED)), beside, width=8 * ENLARGED)


def gradient(demo: Demo) -> RenderableType:
    """One weight's gradient as a product of links, and the sum behind its first factor."""
    product = demo.product
    text = [
        heading(f"How the loss moves with one weight, {product.weight}: the chain rule, link by link"),
        f"  ∂L/∂{product.weight} = " + " · ".join(factor.name for factor in product.factors),
        f"     = {multiplied(product.factors, product.gradient)}",
        "     (" + " · ".join(MEANINGS[factor.operation] for factor in product.factors) + ")",
    ]
    if product.paths:
        path = product.paths[0]
        numbers = multiplied((path.arriving, path.link), path.share)
        text += [
            f"  {product.factors[0].name} adds up {len(product.paths)} paths; the largest runs through {path.through}:",
            f"     {path.arriving.name} · {path.link.name} = {numbers}",
        ]
    return lines(*text)


def nudge(demo: Demo) -> RenderableType:
    """The gradient's promise for a small step, beside the fact."""
    seen = demo.nudge
    return lines(
        heading(f"Is that true? Move {demo.product.weight} by {seen.step:g} and measure"),
        f"  predicted change of L: {seen.predicted:+.4e}     measured: {seen.measured:+.4e}",
    )


def check(demo: Demo) -> RenderableType:
    """All gradients against central differences."""
    seen = demo.check
    return lines(
        heading(f"And the others? All {seen.count:,} gradients against central differences"),
        f"  worst error: {seen.worst:.1e}, where the largest gradient is {seen.largest:.2g}",
    )


def planted(demo: Demo) -> RenderableType:
    """A mistake in a copy of the backward pass, found and named."""
    seen = demo.planted
    return lines(
        heading("A mistake, planted in a copy of the backward pass and found"),
        f"  {seen.line}: {seen.name}, {seen.link}",
    )


def written(demo: Demo) -> RenderableType:
    """The pass as code, and how quick it is."""
    seen = demo.written
    return lines(
        heading("The same pass written out"),
        f"  {seen.lines} lines of NumPy; {seen.examples} digits forward and backward in {seen.seconds * 1e6:.0f} µs",
    )


def next_steps(demo: Demo) -> RenderableType:
    program = this_program()
    return lines(heading("Next"), *in_columns([(f"  {program} {arguments} ", gives) for arguments, gives in NEXT]))


BLOCKS: tuple[Block, ...] = (result, digit, gradient, nudge, check, planted, written, next_steps)
"""The screen from top to bottom."""


def show(demo: Demo, console: Console, blocks: Iterable[Block] = BLOCKS) -> None:
    for block in blocks:
        console.print(block(demo), soft_wrap=False)


def heading(words: str) -> Text:
    """A line that opens a block."""
    return Text(words, style="bold")


def multiplied(factors: Sequence[Factor], value: float) -> str:
    """The numbers of some links and their product, proved as every equation of an explanation is."""
    values = [factor.value for factor in factors]
    shown = proved([], lambda show: [show.product(values)], value, digits=SHOWN_DIGITS)
    # A terminal without Unicode loses the dots between the factors; it must not lose a sign.
    return unicode(equation(*shown.sides)).replace("−", "-")


def lines(*text: str | Text) -> Text:
    """Lines as they are, without rich's own colouring of numbers and brackets."""
    return Text("\n").join([line if isinstance(line, Text) else Text(line) for line in text])


def side_by_side(left: RenderableType, right: RenderableType, *, width: int) -> Table:
    """A picture of a fixed width, and text beside it."""
    table = Table.grid(padding=(0, 3))
    table.add_column(width=width, no_wrap=True)
    table.add_column(vertical="middle")
    table.add_row(left, right)
    return table

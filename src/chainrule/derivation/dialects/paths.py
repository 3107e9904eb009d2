"""The paths dialect: sensitivities as ratios of nudges, and the gradient as the sum over all paths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chainrule.derivation.choices import chosen
from chainrule.derivation.computed import computed_by
from chainrule.derivation.equations import cell, given, in_a_row, proved, together
from chainrule.derivation.meaning import NUDGES
from chainrule.derivation.notation import derivative
from chainrule.derivation.record import Block, Equation, Heading, Meaning, Note, Paragraph, Table
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.scalars.graph import Edge, Node, ScalarGraph
from chainrule.derivation.scalars.links import Maker, finite, sum_of
from chainrule.derivation.scalars.paths import Nudge, count_of_paths, followed, largest_paths, nudged
from chainrule.derivation.scalars.slopes import Slopes
from chainrule.derivation.scalars.targets import each_target
from chainrule.derivation.tape.tape import Tape, where_defined
from chainrule.derivation.words import Words, listed, said
from chainrule.maths import Change, Number, Tree, numeral
from chainrule.maths.numerals import FULL
from chainrule.maths.tree import Computed

LONGEST = 12
"""Paths of more links than this are shown by their ends, with the product of the links between as one number."""

QUICK = 20_000
"""Larger computations are run again for one nudge only."""

SMALLER = 10.0
"""Each nudge is so many times smaller than the last."""

MOST_IN_SHORT = 3
"""Paths that a short answer lists."""

ROUNDING = 1e-12
"""A remainder this small beside the output may be rounding alone."""


def applies(tape: Tape, request: Request) -> Words:
    """Every computation is a sum over paths."""
    return tape.why_no_factors()


def tell(tape: Tape, request: Request) -> Explanation:
    """The nudges, the number of paths, and the largest of them, for each entry that was asked for."""
    story: list[Block] = []
    counts: dict[str, int] = {}
    meanings: dict[Tree, Words] = {}
    environment: dict[Tree, Any] = {}
    short: list[Block] = []
    for graph in each_target(tape, request, story):
        number = count_of_paths(graph)
        counts["entries"] = counts.get("entries", 0) + len(graph)
        if isinstance(number, int):
            counts["paths"] = counts.get("paths", 0) + number
        maker = Maker(graph, request.top, Slopes(graph, named_alone=False))
        story += nudge_story(maker, request)
        blocks = paths_story(maker, number, request)
        story += blocks
        short = short or in_short(blocks)
        meanings.update(maker.meanings)
        environment.update(maker.environment)
    rows = tuple([Meaning(letter, words) for letter, words in meanings.items()])
    return Explanation(tuple(story), rows, counts, environment, tuple(short))


def in_short(story: Sequence[Block]) -> list[Block]:
    """What the largest paths carry, and what that adds up to; a single path is the result itself."""
    rows = [row[1:] for table in story if isinstance(table, Table) for row in table.rows]
    paths = [(path, x) for path, x in rows if isinstance(x, Equation) and not isinstance(path, Equation)]
    *_, total = [x for x in story if isinstance(x, Equation)] or [None]
    if total is None or not total.numbers:
        return []
    if len(paths) == len(rows) == 1 and total.numbers == 1:
        (path, only), name = paths[0], total.sides[0]
        return [replace(only, sides=(name, *only.sides), note=together(said("along ", path), only.note))]
    contributions = [
        Paragraph(said(path, " contributes ", x.tree, ".")) for path, x in paths[:MOST_IN_SHORT] if not x.note
    ]
    return [*contributions, total]


def nudge_story(maker: Maker, request: Request) -> list[Block]:
    """What real nudges do, beside the derivative times the nudge; then how the first travels from link to link."""
    graph, tape = maker.graph, maker.tape
    below, above = graph.symbol(0), graph.symbol(graph.last)
    count = 3 if len(tape.path) <= QUICK else 1
    made = [nudged(graph, request.nudge / SMALLER**i) for i in range(count)]
    rows = tuple([nudge_row(nudge, graph, request.digits) for nudge, _ in made])
    small, large = Change(below), Change(above)
    linear = said("Linear part, ", derivative(above, below) * small)
    columns = (said("Nudge ", small), said("Change ", large), said("Ratio ", large / small), linear, "Remainder")
    return [
        NUDGES,
        Paragraph(
            said(
                "Move ",
                below,
                " by a little, run the computation again, and see how far ",
                above,
                " moves. The derivative is what the ratio of the two comes to as the nudge shrinks.",
            )
        ),
        Table(columns, rows, "The linear part is the derivative times the nudge; the remainder is what it leaves out"),
        *remainder_words([nudge for nudge, _ in made], above, float(tape.numbers[tape.output])),
        *travel(maker, made[0][1], request.digits),
    ]


def nudge_row(nudge: Nudge, graph: ScalarGraph, digits: int) -> tuple[Words | Equation, ...]:
    """One nudge: the change of the output, its ratio to the nudge, the linear part, the remainder."""
    before = float(graph.tape.numbers[graph.tape.output])
    remainder: Words | Equation = "none but rounding"
    if not is_rounding(nudge, before):
        remainder = cell([], lambda show: [show(nudge.change) - show(nudge.linear)], nudge.remainder, digits=digits)
    return (
        cell([], None, nudge.step, digits=digits),
        cell([], lambda show: [show(nudge.after) - show(before)], nudge.change, digits=digits),
        cell([], lambda show: [show(nudge.change) / show(nudge.step)], nudge.ratio, digits=digits),
        cell([], lambda show: [show.product([graph.gradient, nudge.step])], nudge.linear, digits=digits),
        remainder,
    )


def is_rounding(nudge: Nudge, before: float) -> bool:
    """Whether the remainder is no larger than what rounding makes of a difference of such numbers."""
    return abs(nudge.remainder) <= ROUNDING * max(abs(before), abs(nudge.after), abs(nudge.linear))


def remainder_words(nudges: Sequence[Nudge], above: Tree, before: float) -> list[Block]:
    """What the remainders tell, where two of them are there to compare."""
    if len(nudges) < 2:
        return []
    first, second = nudges[0], nudges[1]
    if not any([nudge.change for nudge in nudges]):
        return [Paragraph(said(above, " does not move at all."))]
    if is_rounding(first, before):
        words = " moves in exact proportion to the nudge: there is no remainder but rounding."
        return [Paragraph(said(above, words))]
    if is_rounding(second, before) or not finite([first.remainder, second.remainder]):
        return []
    times = first.remainder / second.remainder
    if SMALLER**1.5 < times < SMALLER**2.5:
        return [
            Paragraph(
                "A nudge ten times smaller leaves a remainder about a hundred times smaller: it vanishes faster than "
                "the nudge, so the ratio goes to the derivative."
            )
        ]
    if times <= SMALLER**1.5 and abs(first.remainder) > abs(first.linear) / SMALLER:
        return [
            Note("The remainder does not shrink faster than the nudge: a kink lies here, or the nudge is too large.")
        ]
    return []


def travel(maker: Maker, moved: Mapping[Node, Any], digits: int) -> list[Block]:
    """How the first nudge travels: what each number moves by for each unit of the one before it, and the derivative."""
    graph = maker.graph
    pairs = maker.named_pairs(graph.cuts())[::-1]
    if len(pairs) < 2:
        return []

    def change(k: int) -> float:
        node, place = graph.entries[k]
        return float(np.asarray(moved[node])[place]) - graph.value(k)

    rows: list[tuple[Words | Equation, ...]] = []
    for low, high in pairs:
        above, below = maker.named(high), maker.named(low)
        far, near = change(high), change(low)
        ratio: Words | Equation = "it does not move"
        if near:
            ratio = cell([], lambda show, far=far, near=near: [show(far) / show(near)], far / near, digits=digits)
        slope, size = graph.derivative(low, high), graph.size(low, high)
        name = derivative(above, below)
        maker.environment[name] = where_defined(slope, graph.value(high))
        # How far a number moves depends on what was nudged, so on a page of several nudges Δh has no one value.
        rows.append((said(Change(above) / Change(below)), ratio, given(name, slope, digits=digits, size=size)))
    return [Table(("", "Ratio of nudges", "Derivative"), tuple(rows), "The first nudge on its way, link by link")]


def paths_story(maker: Maker, number: int | float, request: Request) -> list[Block]:
    """How many paths there are, the largest, and that they add up to the gradient."""
    graph = maker.graph
    below, above = graph.symbol(0), graph.symbol(graph.last)
    gradient = graph.gradients[0]
    if graph.last == 0:
        return [Paragraph(said(above, " is what was differentiated: it moves with itself, one to one."))]
    many = f"{number:,}" if isinstance(number, int) else f"about 10^{round(number)}"
    lead = "One path leads" if number == 1 else f"{many[0].upper()}{many[1:]} paths lead"
    maker.environment[derivative(above, below)] = gradient
    ways = [tuple([(edge.target, edge.slot) for edge in path]) for path in largest_paths(graph, request.top)]
    leads = chosen(ways, lambda ways: all([len(followed(graph, way)) == len(way) for way in ways]))
    shown = [followed(graph, way) for way in leads]
    values = [carried(graph, path) for path in shown]
    rows = tuple(
        [
            (str(i), path_words(maker, path), path_equation(maker, path, value, request.digits))
            for i, (path, value) in enumerate(zip(shown, values, strict=True), 1)
        ]
    )
    rest = computed_by(gradient - sum(values), lambda: numeral(gradient, FULL) - sum_of(values))
    terms = values if number == len(shown) else [*values, rest]
    note = (
        f"the last term is what the other paths contribute, {many} less {len(shown)}"
        if len(terms) > len(values)
        else ""
    )
    return [
        Heading("Paths", 3),
        Paragraph(
            said(
                f"{lead} from ",
                below,
                " to ",
                above,
                ". Each contributes the product of the slopes along it, and the gradient is the sum of all "
                "contributions.",
            )
        ),
        *([Table(("", "Path", "Contribution"), rows, "The largest")] if rows else []),
        proved(
            [derivative(above, below)],
            # The engine may have no number where its own order of the factors meets 0 · ∞.
            (lambda show: [show.sum(terms)]) if len(terms) > 1 and not np.isnan(gradient) else None,
            gradient,
            digits=request.digits,
            note=note,
        ),
    ]


def path_words(maker: Maker, path: Sequence[Edge]) -> Words:
    """The entries along a path, from the first to the output."""
    stops = [0, *[edge.target for edge in path]]
    half = LONGEST // 2
    shown = stops if len(stops) <= LONGEST else [*stops[:half], *stops[-half:]]
    named: list[Words] = [said(maker.named(k)) for k in shown]
    if len(stops) > LONGEST:
        named.insert(half, "⋯")
    return listed(named, " → ")


def carried(graph: ScalarGraph, path: Sequence[Edge]) -> float:
    """The product of the slopes along a path, from the output back."""
    product = 1.0
    for edge in reversed(path):
        product = graph.carried(edge, product)
    return computed_by(
        product,
        lambda: in_a_row("mul", [numeral(Computed(edge.slope, partial(graph.made_of, edge)), FULL) for edge in path]),
    )


def telling_edges(maker: Maker, path: Sequence[Edge]) -> list[Edge]:
    """The edges of a path without those of slope 1 between or beside others, which say nothing of how fast it moves."""
    found = [edge for edge in path if edge.slope != 1 or not is_one(maker, edge)]
    return found or list(path)[-1:]


def is_one(maker: Maker, edge: Edge) -> bool:
    return maker.formula_of(edge) == Number("1")


def path_equation(maker: Maker, path: Sequence[Edge], value: float, digits: int) -> Words | Equation:
    """The product of the slopes along a path, from the output back, in symbols and in numbers."""
    backwards = telling_edges(maker, path)[::-1]
    values = [maker.graph.slope_of(edge) for edge in backwards]
    if len(values) > LONGEST:
        half = LONGEST // 2
        values = [*values[:half], math.prod(values[half:-half]), *values[-half:]]
        note = f"the factor in the middle is the product of {len(backwards) - 2 * half:,}"
        return cell([], lambda show: [show.product(values)], value, digits=digits, note=note)
    formulas = [maker.formula_of(edge) for edge in backwards]
    factors = [x for x in formulas if x is not None]
    symbols = [in_a_row("mul", factors)] if len(factors) == len(values) else []
    if len(values) == 1:
        return cell(symbols, None, value, digits=digits)
    return cell(symbols, lambda show: [show.product(values)], value, digits=digits)

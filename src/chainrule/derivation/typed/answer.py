"""A formula that was typed: its derivative in symbols, and how the numbers came about.

The answer is one `Derivation`, so it can be had in every format: the formula and its derivatives, then the rule at each
step, then the story of the numbers in a dialect, then what was asked for besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import isnan
from typing import Any

import numpy as np

from chainrule.collector import without_collector
from chainrule.core import Value
from chainrule.core.graph import backward_order
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.core.term import Term, constant, symbol
from chainrule.derivation.checked import Checking
from chainrule.derivation.equations import with_places
from chainrule.derivation.explain import explained
from chainrule.derivation.fitting import blocks_of, fit, piece_of
from chainrule.derivation.formats.displayed import MOST_LINES, lines_of
from chainrule.derivation.notation import USUAL
from chainrule.derivation.notation import derivative as leibniz
from chainrule.derivation.own_digits import is_legend, settled, with_digits_of, with_numbers_of_formulas
from chainrule.derivation.pitfalls import TINY, left_over_in, size_of_terms
from chainrule.derivation.products import WRITTEN, Moved, along, weighted
from chainrule.derivation.record import (
    Block,
    Convention,
    Derivation,
    Equation,
    Heading,
    Known,
    Large,
    Note,
    Paragraph,
)
from chainrule.derivation.request import Request
from chainrule.derivation.symbolic.derivative import turned
from chainrule.derivation.tape.conventions import LAYOUTS
from chainrule.derivation.tape.nodes import numbers_of
from chainrule.derivation.tape.rounding import moved_in
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.total import marked
from chainrule.derivation.typed.closed_forms import ClosedForms, rules_story, shown
from chainrule.derivation.typed.comparison import Comparison, compare_with_differences
from chainrule.derivation.typed.formula import TypedFormula, formula_from, items_of
from chainrule.derivation.typed.line_by_line import LineByLine, line_by_line
from chainrule.derivation.typed.room import as_one_of_several, in_room
from chainrule.derivation.vector import JACOBIAN
from chainrule.derivation.words import Words, listed, said
from chainrule.errors import ChainruleError, FormulaError, GraphError
from chainrule.expression.arguments import numbers_in, values_of
from chainrule.maths import Derivative as Slope
from chainrule.maths import Matrix, Number, Symbol, Tree, plain
from chainrule.maths.check import (
    EPSILON,
    moved_by_rounding,
    rounding_of,
    undefined,
)
from chainrule.maths.numerals import DIGITS
from chainrule.maths.of_terms import readable
from chainrule.maths.tree import all_parts
from chainrule.maths.values import Values
from chainrule.transforms import grad, jacobian

MOST_DERIVATIVES = 1_000_000
"""Entries of a Jacobian or Hessian that is computed; each of its rows is a pass of its own."""
AGREEMENT = 1e-6
"""The formula takes another way than the engine, so rounding may differ; a wrong formula is farther off."""
HESSIAN = Symbol("H", owner="page", shape=(2, 2))
"""All second derivatives together."""
MOST_OUTPUTS = 6
"""Outputs whose derivatives in a matrix are written out one by one."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a formula, and how it is to be told."""

    dialect: str | None = None
    notation: str | None = None
    layout: str | None = None
    digits: int = DIGITS
    top: int = 5
    nudge: float = 0.01
    whole: bool = False
    order: int = 1
    check: bool = False
    direction: Mapping[str, Any] | None = None
    """How far each name is moved that is moved at all."""
    weights: Any = None
    """Weights of a vector's entries."""


def explain_typed(
    text: str,
    wrt: str | Sequence[str] | None,
    values: Mapping[str, Any] | None,
    shapes: Mapping[str, Any] | None,
    options: Options,
) -> Derivation:
    """What `explain` says of a formula that is given as text."""
    typed = formula_from(text, values, shapes, wrt)
    if options.direction is not None:
        direction = values_of(options.direction, "direction")
        if not direction:
            raise GraphError("direction moves no name: give how far each is moved, as {'x': 1.0}")
        typed.check_direction(direction, items_of("direction", direction))
        options = replace(options, direction=direction)
    if options.weights is not None:
        options = replace(options, weights=numbers_in("weights", options.weights))
    return Answer(typed, options).derivation


class Answer:
    """The derivation that answers what was asked of a formula, and what the check found that was asked for."""

    def __init__(self, typed: TypedFormula, options: Options) -> None:
        self.typed = typed
        self.options = options
        self.comparison = Comparison([], [], passed=True)
        self.entered: dict[Tree, Any] = {}
        """Derivatives in the layout that was asked for, and those of single outputs."""
        self.largest = 0.0
        """The largest of the engine's contributions, which may cancel out but for rounding."""
        self.values = None if typed.missing else typed.values
        self.no_formula = ""
        """Why the formula has no derivative in symbols; empty where it may have one."""
        self.term = self.as_term()
        self.output: Symbol = replace(typed.symbol(typed.output), shape=self.term.shape)
        self.refuse_what_cannot_be_had()
        self.closed = ClosedForms(typed, self.term, self.no_formula)
        has_none = not self.closed.found and not any(map(self.closed.differential, typed.wrt))
        if typed.missing and has_none and options.order == 1:
            reasons = "; ".join(self.closed.reasons.values())
            raise GraphError(f"{reasons}. For its numbers {typed.wanted}")
        self.derivation = self.told()

    def as_term(self) -> Term:
        """The formula on symbols; shapes that do not fit are found here. What has none gets a letter of its shape."""
        typed = self.typed
        try:
            terms = typed.terms()
        except FormulaError:
            if typed.missing or self.options.order > 1 or self.options.check:
                raise
            self.no_formula = (
                "it has no formula: which way it takes (the largest entry, an order) depends on the numbers"
            )
            number = typed.parsed.run(typed.values)
            self.refuse_several([number])
            return symbol("", np.shape(number))
        self.refuse_several(terms.values())
        *_, term = terms.values()
        return term if isinstance(term, Term) else constant(term)

    def refuse_several(self, results: Iterable[Any]) -> None:
        """Say what to type, where a line has several results, as a decomposition has."""
        for found in results:
            if isinstance(found, tuple | list):
                raise self.typed.wrong(f"a line has {len(found)} results here: take one of them, as in (…)[0]")

    def run(self, *numbers: Any) -> Any:
        """The formula on numbers for the names that it is differentiated in, the others as they are given."""
        return self.typed.parsed.run({**self.typed.values, **dict(zip(self.typed.wrt, numbers, strict=True))})

    def run_at(self, name: str) -> Callable[[Any], Any]:
        """The formula as a function of one name."""
        return lambda number: self.typed.parsed.run({**self.typed.values, name: number})

    def refuse_what_cannot_be_had(self) -> None:
        """Say what to type, where something was asked for that cannot be had."""
        typed, options = self.typed, self.options
        if options.order > 1 and any(name in typed.parsed.computed for name in typed.wrt):
            raise typed.wrong("there are no second derivatives in a name that a line computes: ask for given names")
        for option, asked in (("a dialect", options.dialect), ("a check", options.check)):
            if asked:
                typed.require_numbers(f"{option} tells of numbers")
        if self.term.shape and options.dialect:
            raise typed.wrong(
                f"a dialect tells of one number, and this has shape {self.term.shape}: write sum(…) around it, take "
                "one entry as (…)[0], or ask for no dialect to have its Jacobian"
            )
        if options.order > 1 and (typed.entry is not None or (self.term.shape and any(map(self.shape, typed.wrt)))):
            what = "an array in an array" if self.term.shape else "one entry"
            raise typed.wrong(f"there are no second derivatives of {what} here: ask for a number, in whole names")
        moving = sum(map(typed.size, typed.wrt))
        count = self.term.size * moving**options.order
        if not typed.missing and (self.term.shape or options.order > 1) and count > MOST_DERIVATIVES:
            raise typed.wrong(
                f"there are {count:,} derivatives here, and at most {MOST_DERIVATIVES:,} are computed: name fewer of "
                "them, write sum(…) around it, or give shapes alone for the formula"
            )

    def shape(self, name: str) -> tuple[int, ...]:
        return self.typed.shapes[name]

    def several(self) -> Words:
        """The names that it is differentiated in."""
        return listed([said(self.typed.symbol(name)) for name in self.typed.wrt])

    def told(self) -> Derivation:
        if self.values is None:
            base, slopes = self.without_numbers(), {}
        elif self.term.shape:
            base, slopes = self.without_numbers(), self.slopes(jacobian)
            gradient = numbers_of(slopes[self.typed.wrt[0]], True) if len(self.typed.wrt) == 1 else None
            base = replace(base, value=numbers_of(self.typed.parsed.run(self.values)), gradient=gradient)
        else:
            base, slopes = self.explained(), self.slopes(grad)
            known = [np.asarray(x.contribution) for x in base.log if not isinstance(x.contribution, Large)]
            sizes = [float(np.max(np.abs(x), initial=0.0)) for x in known]
            self.largest = max([x for x in sizes if np.isfinite(x)], default=0.0)
        engine, slopes = slopes, {name: self.settled_slope(name, slope) for name, slope in slopes.items()}
        engines, own = [{self.letter(x): slope for x, slope in found.items()} for found in (engine, slopes)]
        base = with_numbers_of_formulas(base, self.output, engines, own, self.options.digits, self.options.nudge)
        opening = self.opening(slopes)
        second = self.second_order() if self.options.order > 1 else []
        story = rules_story(self.closed)
        if self.line_by_line is not None and not second:
            slopes_back = with_places([*self.line_by_line.back, *self.line_by_line.asked])
            story = [Heading("From line to line"), *slopes_back, *story]
        if second and not self.options.dialect:
            base = replace(
                base, story=(), title=said("The second derivatives of ", self.output, " in ", self.several())
            )
        products = self.products(slopes)
        environment = self.environment()
        given = {self.typed.symbol(name) for name in self.values or ()}
        checking = Checking(
            environment, rounding_of=self.rounding_of_letter, left_over=self.left_over_of_letter, given=given
        )
        opening, second, products = map(checking.of, (opening, second, products))
        if len(slopes) == 1 and not np.ndim(self.entered.get(name := self.letter(self.typed.wrt[0]), 0.0)):
            base = with_digits_of(opening, name, base)
        if base.story:
            story += [Heading("How the numbers come about"), *base.story]
        if self.options.check:
            self.comparison = compare_with_differences(self.typed, slopes, self.options.digits, self.options.top)
            story += self.comparison.story
        own = (*opening, *second, *products)
        known = {x.symbol: x for x in base.known}
        for letter, x in checking.numbers_of_letters(own):
            if letter not in known or isinstance(letter, Slope):
                known[letter] = Known(letter, numbers_of(x))
        short = self.short_of_second_order(opening, second, products) if second else self.short(opening, base, products)
        opening, short = with_places(opening), with_places(short)
        told = replace(
            base, story=(*opening, *products, *second, *story), short=tuple(short), known=tuple(known.values())
        )
        return self.with_d(told, base)

    def with_d(self, told: Derivation, base: Derivation) -> Derivation:
        """Where one number is given, its derivatives are written with d."""
        typed = self.typed
        if len(typed.names) != 1 or self.shape(typed.names[0]):
            return told
        total = {x.symbol for x in base.known if isinstance(x.symbol, Slope) and x.symbol.is_total}
        variable = typed.symbol(typed.names[0])
        return marked(told, lambda x: not x.held and (x.below == variable or x in total))

    def products(self, slopes: Mapping[str, Any]) -> list[Block]:
        """What was asked for besides: the slope along a direction, and the product of weights with the Jacobian."""
        typed, options = self.typed, self.options
        if options.direction is None and options.weights is None:
            return []
        typed.require_numbers("a product with the derivative has numbers")
        if options.layout == "denominator" and self.term.shape:
            raise typed.wrong("a product with a Jacobian is told in the numerator layout alone")
        output, blocks = self.output, list[Block]()
        if options.direction is not None:
            given = options.direction
            moved = [Moved(typed.symbol(name), given[name], slopes[name]) for name in typed.wrt if name in given]
            blocks, known = along(output, moved, options.digits, typed.symbols.values())
            self.entered = {**known, **self.entered}
        if options.weights is not None:
            if self.term.ndim != 1:
                raise typed.wrong("weights are for the entries of a vector, and this is none")
            if np.shape(options.weights) != self.term.shape:
                raise typed.wrong(
                    f"there is one weight for each entry, so their shape is {self.term.shape}, and not "
                    f"{np.shape(options.weights)}"
                )
            slopes_in: dict[Tree, Any] = {typed.symbol(x): slopes[x] for x in typed.wrt}
            blocks += weighted(output, slopes_in, options.weights, options.digits)
        return blocks

    def environment(self) -> dict[Tree, Any]:
        """What the symbols stand for; None where there are no numbers."""
        typed = self.typed
        known: dict[Tree, Any] = dict.fromkeys([*typed.symbols.values(), self.output])
        numbers = {} if self.values is None else dict(typed.parsed.results(typed.values))
        for name, number in {**(self.values or {}), **numbers}.items():
            known[typed.symbols[name] if name else self.output] = number
        if self.values is not None and not np.all(np.isfinite(known[self.output])):
            # What has no value has no slope, whatever its formula gives.
            self.entered = {symbol: np.full(np.shape(slope), np.nan) for symbol, slope in self.entered.items()}
        return {**known, **self.entered}

    def short(self, opening: Sequence[Block], base: Derivation, products: Sequence[Block]) -> list[Block]:
        """The formula and its derivatives, the chain where it has several links, and what the result means."""
        compared = self.comparison.short
        if self.line_by_line is not None:
            return self.line_by_line.in_short([block for block in opening if isinstance(block, Note)])
        words = [block for block in base.short if isinstance(block, Paragraph | Note)]
        if base.short and (self.options.dialect or self.no_formula or len(self.typed.parsed.lines) > 1):
            kept = [block for block in base.short if not compared or block not in words]
            return in_room(kept, compared, products, self.output, self.derivatives)
        # A chain of one link would say its derivative again.
        told = [x for x in base.short if isinstance(x, Equation) and x.numbers > 1][
            : int(base.counts.get("links", 0) > 1)
        ]
        if len(self.typed.wrt) > 1 and not self.term.shape:
            opening = list(map(as_one_of_several, opening))
        if not told:
            words = [block for block in words if not is_legend(block)]
        # A direction that was asked for stands in place of the one of steepest rise.
        words = compared or ([] if products else words)
        kept = [x for x in opening if not isinstance(x, Note) or not products]
        if JACOBIAN in self.entered:
            # What stands in one matrix needs no columns beside it.
            kept = [x for x in kept if not isinstance(x, Equation) or x.sides[0] not in self.derivatives]
        return in_room(kept, [*told, *words], products, self.output, self.derivatives)

    @cached_property
    def line_by_line(self) -> LineByLine | None:
        """Several lines without numbers, told from line to line; numbers of no meaning stand in for those missing."""
        typed = self.typed
        if self.values is not None or len(typed.parsed.lines) < 2 or self.term.shape or typed.entry is not None:
            return None
        draw = np.random.default_rng(0)
        numbers = {x: draw.uniform(0.5, 1.5, shape) if shape else 1.0 for x, shape in typed.shapes.items()}
        nodes, output, reached = self.recorded(numbers)
        wrt = [nodes[name] for name in typed.wrt]
        return line_by_line(Tape(output, wrt, typed.names)) if reached.issuperset(wrt) else None

    def short_of_second_order(
        self, opening: Sequence[Block], second: Sequence[Block], products: Sequence[Block]
    ) -> list[Block]:
        """The formula, the second derivatives that have room, the Hessian before single ones, and products."""
        lines = opening[: len(self.typed.parsed.lines)]
        told = [block for block in second if isinstance(block, Equation | Note)]
        pieces = [piece_of([(block,), ()], i) for i, block in enumerate(reversed([*lines, *told]))][::-1]
        for piece in pieces:
            hessian = [x for x in piece.blocks if isinstance(x, Equation) and x.sides[0] == HESSIAN]
            piece.weight = len(pieces) if hessian else piece.weight
        last = [*products, *self.comparison.short]
        fit(pieces, MOST_LINES - sum(map(lines_of, last)))
        return [*blocks_of(pieces), *last]

    @cached_property
    def derivatives(self) -> set[Tree]:
        """The derivatives in whole names, as symbols."""
        return {self.left_side(name) for name in self.typed.wrt}

    def letter(self, name: str) -> Slope:
        """The derivative in a whole name as a symbol."""
        return leibniz(self.output, self.typed.symbol(name))

    @cached_property
    def name_of(self) -> dict[Tree, str]:
        """The name of each such symbol."""
        return {self.letter(name): name for name in self.typed.wrt}

    def left_side(self, name: str) -> Tree:
        """That symbol, transposed where that is what is shown."""
        slope = self.letter(name)
        return slope.T if self.is_transposed(name) else slope

    def is_transposed(self, name: str) -> bool:
        """Whether the numerator layout turns the gradient in a matrix A: ∂f/∂A itself has A's shape everywhere."""
        return not self.term.shape and len(self.shape(name)) == 2 and self.is_turned(2)

    def slopes(self, transform: Any) -> dict[str, Any]:
        """The engine's derivatives in every name, in the order of the output's axes and then the name's."""
        typed = self.typed
        if not typed.parsed.computed:
            found = transform(self.run, tuple(range(len(typed.wrt))))(*[typed.values[name] for name in typed.wrt])
            return dict(zip(typed.wrt, found, strict=True))
        return {name: transform(self.run_at(name))(typed.values_at(name)[name]) for name in typed.wrt}

    def recorded(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], Any, set[Any]]:
        """The names as nodes, the result, and what it is computed from."""
        nodes, output = self.typed.parsed.record(values)
        return nodes, output, set(backward_order([output])) if isinstance(output, Value | Tensor) else set[Any]()

    def explained(self) -> Derivation:
        """The explanation of the numbers, by the engine that suits them."""
        typed, options = self.typed, self.options
        nodes, output, reached = self.recorded(typed.values)
        wrt = [nodes[name] for name in typed.wrt if nodes[name] in reached]
        if not wrt:
            still = said(
                self.output, " does not move with ", self.several(), ": nothing that it is computed from does."
            )
            number = numbers_of(typed.parsed.run(typed.values))
            return replace(self.without_numbers(), value=number, gradient=0.0, story=(Note(still),))
        only = wrt[0] if len(wrt) == 1 else None
        asked = (options.notation or USUAL, options.layout or "numerator", options.digits, options.top)
        request = Request(only, typed.entry, *asked, options.nudge, options.whole)
        with without_collector():
            tape = Tape(output, wrt, typed.names)
            return explained(tape, request, options.dialect, options.notation, with_formulas=False)

    def without_numbers(self) -> Derivation:
        """A derivation that has no graph, only a story in symbols."""
        typed, options = self.typed, self.options
        ids = {name: k for k, name in enumerate(typed.names)}
        kind = "Jacobian" if self.term.shape else "derivative"
        return Derivation(
            dialect="symbolic",
            title=said(f"The {kind} of ", self.output, " in ", self.several()),
            output=len(ids),
            wrt=tuple([ids[name] for name in typed.wrt]),
            entry=typed.entry,
            value=None,
            gradient=None,
            notation=options.notation or USUAL,
            digits=options.digits,
            conventions=(Convention("layout", LAYOUTS[options.layout or "numerator"]),) if self.term.shape else (),
            symbols=(),
            counts={},
            nodes=(),
            log=(),
            story=(),
        )

    def opening(self, slopes: Mapping[str, Any]) -> list[Block]:
        """The formula and its derivatives, each with its number."""
        typed, digits = self.typed, self.options.digits
        story: list[Block] = list(self.lines(digits))
        seen: set[Block] = set()
        for name in typed.wrt:
            found = self.derivatives_in(name, slopes.get(name))
            # Of several names one and the same is often to be noted.
            story += [x for x in found if not isinstance(x, Note) or x not in seen]
            seen.update([x for x in found if isinstance(x, Note)])
        whole = self.as_one_matrix(slopes)
        story = [*story[: len(typed.parsed.lines)], *whole, *story[len(typed.parsed.lines) :]]
        if typed.missing:
            story.append(Note(f"For numbers, and how they come about, {typed.wanted}"))
        elif self.term.shape:
            story.append(Note("To see how a number came about, ask for one: write sum(…) around it, or (…)[0]."))
        return story

    def lines(self, digits: int) -> Iterator[Equation]:
        """Each line with its number, in the names of the lines before it."""
        typed = self.typed
        letters = {name: symbol(name, shape) for name, shape in typed.shapes.items()}
        numbers = {} if self.values is None else dict(typed.parsed.results(typed.values))
        for line in typed.parsed.lines:
            name = typed.symbol(line.name) if line.name else self.output
            formula = None if self.no_formula else readable(line.formula.run(letters), typed.letters)
            if formula is not None and any([isinstance(x, Number) and isnan(x.value) for x in all_parts(formula)]):
                # What is made of numbers alone is worked out.
                yield Equation((name,), note="a part of it that has no name in it is not defined")
            else:
                yield shown([name, formula], numbers.get(line.name), digits)

    def derivatives_in(self, name: str, slope: Any) -> list[Block]:
        """The derivative in one name, in symbols and in numbers, in the layout that was asked for."""
        above, below = self.output, self.typed.symbol(name)
        symbols, story = list[Tree | None]([self.left_side(name)]), list[Block]()
        found = self.closed.found.get(name)
        if found is not None:
            symbols.append(self.in_layout(found.term))
        else:
            story += self.moved_with(name, slope) or [Note(f"In symbols, {self.closed.reasons[name]}.")]
        if slope is not None and self.is_turned(np.ndim(slope)):
            turned = np.atleast_2d(np.asarray(slope)).T if self.term.shape or np.ndim(slope) > 1 else np.array([slope])
        else:
            turned = slope
        self.entered[leibniz(above, below)] = slope if self.is_transposed(name) else turned
        equation = shown(symbols, turned, self.options.digits)
        if len(equation.sides) > 1 or equation.note:
            story.insert(0, equation)
        if slope is not None and (np.ndim(slope) > 2 or np.size(slope) > WRITTEN):
            story += self.piece_by_piece(below, np.asarray(slope))
        return story

    def moved_with(self, name: str, slope: Any) -> list[Block]:
        """How the output moves with a name, where its derivative has no formula: nothing where that has none either."""
        found = self.closed.differential(name)
        if found is None:
            return []
        moving, term = found
        below = self.typed.symbol(name)
        change = Symbol(moving.label, shape=moving.shape)
        moved = Symbol(f"d{plain(self.output)}", (name,), shape=self.term.shape)
        formula = readable(term, {**self.typed.letters, moving: change})
        if formula is None:
            return []
        direction = np.linspace(0.5, 1.5, moving.size).reshape(moving.shape)
        self.entered[change], self.entered[moved] = None, None
        if slope is not None:
            self.entered[change], self.entered[moved] = direction, np.tensordot(slope, direction, moving.ndim)
        words = said("how ", self.output, " moves, to first order, where ", below, " moves by ", change)
        is_first = name == next(x for x in self.typed.wrt if x not in self.closed.found)
        return [Equation((moved, formula), note=words if is_first else "")]

    def settled_slope(self, name: str, slope: Any) -> Any:
        """A derivative as its formula has it, where there is one; one that the engine does not have is a fault."""
        found = self.closed.found.get(name)
        if found is None:
            return slope
        ours = found(**self.typed.values_at(name))
        roundings = (partial(self.rounding_in, found.term), partial(self.rounding_of, name))
        if not same(ours, slope) and not any([same(ours, slope, rounding()) for rounding in roundings]):
            formula = readable(found.term, self.typed.letters)
            with Quiet():
                if not np.all(np.isfinite(self.typed.parsed.run(self.typed.values_at(name)))):
                    return slope  # A law may give a slope where there is nothing that it is the slope of.
                if formula is not None and undefined(formula, Values(self.environment())) is not None:
                    return slope  # On its way the formula leaves the numbers that a computer has.
            raise ChainruleError(
                f"internal error, please report it: the formula {found} is not the engine's derivative in {name}"
            )
        # A vector has no graph whose contributions tell how much cancelled.
        rounding = self.rounding_of if self.term.shape else self.rounding_of_steps
        is_compared = bool(np.ndim(slope)) and not self.term.shape
        return self.settled(found.term, slope, None if is_compared else partial(rounding, name))

    def rounding_in(self, term: Term) -> float:
        """How far a formula may be off by the rounding of its steps; without bounds where it is too long to be read."""
        formula = readable(term, self.typed.letters)
        if formula is None:
            return np.inf
        with Quiet():
            return float(np.max(rounding_of(formula, Values(self.environment())), initial=0.0))

    def rounding_of_letter(self, letter: Tree, number: Any) -> float:
        """How far the engine's number for a letter of the page may be off by rounding, if it is a derivative."""
        name = self.name_of.get(letter)
        return 0.0 if name is None else self.rounding_of(name)

    def left_over_of_letter(self, letter: Tree, number: Any) -> Any:
        """Which entries of a derivative the engine has only because rounding left them of what cancels out."""
        is_tiny = np.any(np.abs(number) <= TINY * self.largest) and not self.term.shape
        tape = self.tape_of(self.name_of[letter]) if is_tiny and letter in self.name_of else None
        if tape is None:
            return np.zeros(np.shape(number), bool)
        return np.reshape(left_over_in(tape, tape.wrt[0]), np.shape(number))

    def rounding_of(self, first: str, *more: str) -> float:
        """How far the engine's derivative, in one name and then another, moves if every number is off by a rounding."""
        names = (first, *more)
        transform: Any = jacobian if self.term.shape or more else grad

        def slope(near: Mapping[str, Any], _: Any) -> Any:
            different = list(dict.fromkeys(names))

            def run(*numbers: Any) -> Any:
                return self.typed.parsed.run({**near, **dict(zip(different, numbers, strict=True))})

            derived: Callable[..., Any] = run
            for name in names:
                derived = transform(derived, different.index(name))
            return derived(*[near[name] for name in different])

        moved = moved_by_rounding(slope, self.typed.values_at(first))
        if more or self.term.shape:
            return moved
        return max(moved, self.rounding_of_terms(first), self.rounding_of_steps(first))

    def tape_of(self, name: str) -> Tape | None:
        """The computation of a number, with what goes back to a name; None where nothing does."""
        nodes, output, reached = self.recorded(self.typed.values_at(name))
        return Tape(output, [nodes[name]]) if nodes[name] in reached else None

    def rounding_of_steps(self, name: str) -> float:
        """How far a derivative may be off by the rounding of the steps that the engine takes to it."""
        tape = self.tape_of(name)
        return 0.0 if tape is None else moved_in(tape.lifted, tape.wrt[0])

    def rounding_of_terms(self, name: str) -> float:
        """How far a derivative may be off by the rounding of the terms that the engine adds up to it."""
        tape = self.tape_of(name)
        return 0.0 if tape is None else EPSILON * float(np.max(size_of_terms(tape, tape.wrt[0]), initial=0.0))

    def settled(self, term: Any, number: Any, rounding: Callable[[], float] | None = None) -> Any:
        """The engine's number of a derivative, or the formula's own, where the engine's is what rounding left."""
        formula = None if number is None else readable(term, self.typed.letters)
        if formula is None:
            return number
        return settled(formula, number, self.environment(), self.largest, rounding)

    def as_one_matrix(self, slopes: Mapping[str, Any]) -> list[Block]:
        """The Jacobian of a vector in several numbers: a row for each entry, a column for each name."""
        wrt, symbols = self.typed.wrt, self.typed.symbol
        if self.term.ndim != 1 or len(wrt) < 2 or any(map(self.shape, wrt)) or self.options.layout == "denominator":
            return []
        columns = [self.in_layout(self.closed.found[x].term) if x in self.closed.found else None for x in wrt]
        entries = [[row[0] for row in x.rows] for x in columns if isinstance(x, Matrix)]
        shape = (self.term.size, len(wrt))
        name = replace(JACOBIAN, shape=shape)
        sides: list[Tree | None] = [name]
        if len(entries) == len(wrt):
            sides.append(Matrix(tuple(zip(*entries, strict=True)), shape))
        numbers = np.stack([slopes[x] for x in wrt], axis=1) if slopes else None
        self.entered[name] = numbers
        if len(sides) == 1 and numbers is None:
            return []
        columns_are = listed([said(symbols(x)) for x in wrt])
        note = said("a row for each entry of ", self.output, "; columns: ", columns_are)
        return [replace(shown(sides, numbers, self.options.digits), note=note)]

    def is_turned(self, axes: int) -> bool:
        """Whether the reader's layout is not ours: a gradient has the shape of its name, a Jacobian output rows."""
        if self.term.shape:
            return self.options.layout == "denominator" and axes == 2
        return self.options.layout == "numerator" and axes in (1, 2)

    def in_layout(self, term: Term) -> Tree | None:
        """A derivative in the layout that was asked for."""
        return readable(turned(term, self.term) if self.is_turned(term.ndim) else term, self.typed.letters)

    def piece_by_piece(self, below: Tree, slope: Any) -> list[Block]:
        """Derivatives with more axes than a page, or more entries than it has room for."""
        entries = self.term.size
        pieces = slope.reshape(entries, *slope.shape[self.term.ndim :])
        if self.term.ndim == 1 and entries <= MOST_OUTPUTS and pieces[0].ndim <= 2 and pieces[0].size <= WRITTEN:
            names = [leibniz(self.output[i], below) for i in range(entries)]
            self.entered.update(zip(names, pieces, strict=True))
            return [shown([name], piece, self.options.digits) for name, piece in zip(names, pieces, strict=True)]
        shape = " by ".join(map(str, slope.shape))
        words = f" has {slope.size:,} entries, {shape}: JSON has them all."
        return [Paragraph(said(leibniz(self.output, below), words))]

    def second_order(self) -> list[Block]:
        """Second derivatives in every pair of names: the formula where there is one, the number, and the Hessian."""
        typed, wrt = self.typed, self.typed.wrt
        story: list[Block] = [Heading("Second derivatives")]
        blocks: Any = None
        if self.values is not None:
            every = tuple(range(len(wrt)))
            numbers = [typed.values[name] for name in wrt]
            blocks = [list(row) for row in jacobian(jacobian(self.run, every), every)(*numbers)]
        for i, first in enumerate(wrt):
            for j, other in enumerate(wrt[i:], i):
                slope = leibniz(self.output, typed.symbol(first))
                symbols: list[Tree | None] = [Slope(slope, typed.symbol(other))]
                number = None if blocks is None else blocks[i][j]
                try:
                    term = self.closed.second(first, other)
                    symbols.append(readable(term, typed.letters))
                    if blocks is not None:
                        number = blocks[i][j] = self.settled(term, number, partial(self.rounding_of, first, other))
                        # Of single numbers the Hessian is the same across its diagonal.
                        blocks[j][i] = number if not np.ndim(number) else blocks[j][i]
                except GraphError as reason:
                    story.append(Note(f"In symbols, {reason}."))
                self.entered[Slope(slope, typed.symbol(other))] = number
                equation = shown(symbols, number, self.options.digits)
                if len(equation.sides) > 1:
                    story.append(equation)
        if blocks is not None and len(wrt) > 1 and not any(map(self.shape, wrt)) and not self.term.shape:
            self.entered[HESSIAN] = np.asarray(blocks)
            story += [
                Paragraph("All of them, the Hessian:"),
                shown([HESSIAN], blocks, self.options.digits),
            ]
        return story


def same(formula: Any, engine: Any, rounding: float = 0.0) -> bool:
    """Whether a formula gives the engine's numbers, wherever both are finite; elsewhere they may take other ways."""
    formula, engine = np.broadcast_arrays(np.asarray(formula, dtype=float), np.asarray(engine, dtype=float))
    finite = np.isfinite(formula) & np.isfinite(engine)
    size = np.abs(engine[finite]).max(initial=0.0)
    return bool(np.all(np.abs(formula[finite] - engine[finite]) <= AGREEMENT * (size + 1) + rounding))

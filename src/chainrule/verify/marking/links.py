"""Hints for an answer that no known mistake gives: the first link of the chain that it lacks, by the links' values."""

# Numbers at a probe are of any shape.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.walk import met_by_all
from chainrule.printable import in_words
from chainrule.program import Step
from chainrule.verify.agreement import ratio_everywhere
from chainrule.verify.marking.changes import derivative
from chainrule.verify.marking.editor import Editor
from chainrule.verify.marking.edits import called
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.marking.working import Working

MOST_TOGETHER = 3
"""Factors of an answer that may be one link together, as ŷ(1 − ŷ)w is."""

MOST_LINKS = 5
"""Links of a chain that are written out."""

MOST_LEAVES = 5
"""Single numbers beside which the value of a link is told."""

LONGEST = 80
"""Characters of a chain."""

NUDGE = 0.001
"""How far an input is moved to see how far the result moves."""


class Link(NamedTuple):
    """One factor of the chain: how a step moves with another further down, which every way to it passes."""

    above: Step
    below: Step


def links_of(problem: Problem, wrt: Step) -> list[Link]:
    """The chain from the result to what was asked; between the learner's own names, where some stand on every way."""
    passed = met_by_all(problem.program.between([wrt]) or [problem.output])
    named = [step for step in passed if step in problem.names or step in (problem.output, wrt)]
    stops = named if len(named) > 2 else passed
    return [Link(above, below) for above, below in pairwise(stops)]


class Looked(NamedTuple):
    """Where an answer leaves the chain, as far as it can be told, and three hints."""

    place: str
    hints: tuple[str, str, str]


def looked_at(
    problem: Problem, wrt: Step, walks: Sequence[Walk], answer: Any = None, working: Working | None = None
) -> Looked:
    """Which link to look at, what to compare, and what the link is made of; never the link itself."""
    links = links_of(problem, wrt)
    told = LinksInWords(problem, links)
    if len(links) < 2:
        whole = Link(problem.output, wrt)
        return Looked("", (told.ways(wrt), f"compare: {told.sizes(whole, walks[0], answer)}", told.made_of(whole)))
    if working is None:
        look = f"look at the links one by one: {told.chain()}"
        compare = f"compare each with yours: {told.value(links[0], walks[0])}"
        return Looked("", (look, compare, told.made_of(links[0])))
    editor = Editor(problem, walks, working, [problem.name(wrt)])
    if problem.is_scalar:
        missing, extra = missing_factor(editor, links)
        link = missing or links[-1]
        chain = told.chain()
        look = f"look at {told.ratio(link)}: of the links {chain} it is the first that is no factor of your answer"
        if missing is None:
            look = f"look at {extra}: each link of {chain} is a factor of your answer without it"
        place = extra if missing is None else told.place(link)
        return Looked(place, (look, f"compare with your factors: {told.value(link, walks[0])}", told.made_of(link)))
    missing = missing_gradient(editor, links)
    below, above = problem.name(missing.below), problem.name(missing.above)
    if missing.below is wrt:
        look = f"look at {told.ratio(missing)}, the last link: what arrives at {above} is right"
    else:
        back = f"going back from {problem.name(problem.output)}"
        look = f"look at the gradient of {below}: {back}, it is the first that does not stand in your answer"
    compare = f"compare shapes: {told.sizes(missing, walks[0], answer)}"
    return Looked(told.place(missing), (look, compare, told.made_of(missing)))


def missing_factor(editor: Editor, links: Sequence[Link]) -> tuple[Link | None, str]:
    """The first link whose numbers no factors of the answer have, up to a constant; else what stands there besides."""
    factors = list(factors_of(editor, editor.working.results[editor.wanted[0]]))
    for link in links:
        right = [walk.handed_down(link.above, np.float64(1.0), link.below) for walk in editor.walks]
        if ratio_everywhere(right, [1.0] * len(right)) is not None:
            continue  # a constant: what is off by one has a name
        found = next((group for group in groups_of(factors) if is_multiple(group, right)), None)
        if found is None:
            return link, ""
        factors = [factor for factor in factors if not any(factor is used for used in found)]
    return None, " and ".join([factor.text for factor in factors]) or "the numbers in your answer"


class Factor(NamedTuple):
    """A factor of an answer, as it was written, and its numbers at the probes."""

    text: str
    numbers: list[Any]


def factors_of(editor: Editor, i: int, turned: bool = False) -> Iterator[Factor]:
    """The factors of a part, however products, quotients and signs are nested."""
    part = editor.working.parts[i]
    if called(part) in ("mul", "div") and len(part.inputs) == 2:
        first, second = part.inputs
        yield from factors_of(editor, first, turned)
        yield from factors_of(editor, second, turned != (called(part) == "div"))
    elif called(part) == "neg":
        yield from factors_of(editor, part.inputs[0], turned)
    else:
        numbers = [values[i] for values in editor.values]
        with np.errstate(all="ignore"):
            yield Factor(editor.source(i), [1 / x for x in numbers] if turned else numbers)


def groups_of(factors: Sequence[Factor]) -> Iterator[tuple[Factor, ...]]:
    """One factor, or a few together."""
    for count in range(1, MOST_TOGETHER + 1):
        yield from combinations(factors, count)


def is_multiple(group: Sequence[Factor], right: Sequence[Any]) -> bool:
    """Whether the product of some factors is a constant times the right numbers."""
    if any(x is None for factor in group for x in factor.numbers):
        return False
    products = [np.prod(at) for at in zip(*[factor.numbers for factor in group], strict=True)]
    return ratio_everywhere(products, right) is not None


def missing_gradient(editor: Editor, links: Sequence[Link]) -> Link:
    """The first link to a gradient that no part of the answer is, up to a constant."""
    parts = [[values[i] for values in editor.values] for i in editor.needed]
    for link in links[:-1]:
        right = [walk.right[link.below] for walk in editor.walks]
        if not any(ratio_everywhere(numbers, right) is not None for numbers in parts):
            return link
    return links[-1]


class LinksInWords:
    """Links in the learner's words."""

    def __init__(self, problem: Problem, links: Sequence[Link]) -> None:
        self.problem = problem
        self.links = links

    def ratio(self, link: Link) -> str:
        return derivative(self.problem, link.above, link.below)

    def place(self, link: Link) -> str:
        return f"{self.ratio(link)}, in {self.problem.where(link.above)}"

    def chain(self) -> str:
        """The links in order; of a long chain its beginning."""
        shown = [self.ratio(link) for link in self.links]
        few = [text for i, text in enumerate(shown) if i < MOST_LINKS and len(" · ".join(shown[: i + 1])) <= LONGEST]
        return " · ".join([*few, "…"] if len(few) < len(shown) else shown)

    def ways(self, wrt: Step) -> str:
        """Where a step goes, if no place in between is passed on every way."""
        inside = {*self.problem.program.between([wrt])}
        first = dict.fromkeys([self.problem.name(step) for step, _ in self.problem.consumers(wrt) if step in inside])
        name, output = self.problem.name(wrt), self.problem.name(self.problem.output)
        if len(first) < 2:
            return f"look at {self.ratio(Link(self.problem.output, wrt))}: it is a single step from {name} to {output}"
        return f"look at where {name} goes: into {' and '.join(first)}; each of these ways to {output} has a share"

    def value(self, link: Link, walk: Walk) -> str:
        """What a link comes to at a probe; of arrays their shapes."""
        if link.above.shape or link.below.shape:
            return self.sizes(link, walk, None)
        slope = walk.handed_down(link.above, np.float64(1.0), link.below)
        return f"{self.where(walk)}{self.ratio(link)} is {float(slope):.4g}"

    def sizes(self, link: Link, walk: Walk, answer: Any) -> str:
        """The shapes of two gradients and of an answer; of single numbers how far the result moves with a nudge."""
        name, above = self.problem.name(link.below), self.problem.name(link.above)
        if not self.problem.is_scalar:
            yours = f"; your answer has {np.shape(answer)}" if answer is not None else ""
            arrives = f"what arrives at {above} has shape {link.above.shape}"
            return f"the gradient of {name} has shape {link.below.shape}, {arrives}{yours}"
        moved = NUDGE * float(walk.handed_down(link.above, np.float64(1.0), link.below))
        yours = "" if answer is None or np.ndim(answer) else f", and your answer says {NUDGE * float(answer):.4g}"
        return f"{self.where(walk)}raising {name} by {NUDGE:g} moves {above} by about {moved:.4g}{yours}"

    def where(self, walk: Walk) -> str:
        """The numbers of a probe, where they are few."""
        here = [f"{name} = {walk.numbers[step]:.4g}" for name, step in self.problem.leaves.items() if not step.shape]
        return f"where {', '.join(here)}, " if 0 < len(here) <= MOST_LEAVES else ""

    def made_of(self, link: Link) -> str:
        """The letters that a link may have, and how the operation that it comes from hands a gradient on."""
        path = self.problem.program.between([link.below], [link.above])
        inside = [step for step in path if step is not link.below and step.op is not None]
        letters = dict.fromkeys([name for step in inside for x in read_by(step, {*path}) for name in self.letters(x)])
        telling = [step.op for step in inside if step.op is not None and tells(step)]
        said = [op.intuition for op in telling if op.intuition]
        return " ".join([f"{self.ratio(link)} is made of {in_words(list(letters)) or 'numbers alone'}.", *said[:1]])

    def letters(self, x: Step) -> Iterator[str]:
        """The nearest names that a step is made of."""
        if x in self.problem.names:
            yield self.problem.names[x]
        else:
            for below in x.inputs:
                if isinstance(below, Step):
                    yield from self.letters(below)


def read_by(step: Step, path: Collection[Step]) -> list[Step]:
    """The inputs that a step's slope along a path is made of; a slope in letters of the result is made of all."""
    assert step.op is not None
    found = [step.op.reads(slot, len(step.inputs)) for slot, x in step.edges if x in path]
    read = {i for _, places in found for i in places}
    of_result = any(of_result for of_result, _ in found)
    return [x for i, x in enumerate(step.inputs) if isinstance(x, Step) and (of_result or i in read)]


def tells(step: Step) -> bool:
    """Whether there is something to say of a step's slope: it neither passes on nor multiplies by a number."""
    return bool(read_by(step, step.input_steps))

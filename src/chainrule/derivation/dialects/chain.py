"""The chain dialect: the gradient as a product of named links, in symbols and in numbers side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chainrule.derivation.equations import cancelled, in_a_row, is_residue, proved
from chainrule.derivation.notation import derivative
from chainrule.derivation.record import Block, Equation, Heading, Meaning, Note, Paragraph, Table
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.scalars.links import Cancellation, Chain, Link, chain_of
from chainrule.derivation.scalars.targets import each_target
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import ZERO, Words, pieces, said
from chainrule.maths import Number, Symbol, Tree, plain
from chainrule.maths.tree import equation

LONGEST = 300
"""A product of formulas longer than this, in characters, says less than its numbers."""

LISTED = 3
"""So many paths of a sum are written out in symbols."""


def applies(tape: Tape, request: Request) -> Words:
    """The chain rule holds for every computation."""
    return tape.why_no_factors()


def tell(tape: Tape, request: Request) -> Explanation:
    """One product for each entry that was asked for."""
    story: list[Block] = []
    counts = {"links": 0, "entries": 0}
    meanings: dict[Tree, Meaning] = {}
    environment: dict[Tree, Any] = {}
    remarks: list[Note] = []
    for graph in each_target(tape, request, story):
        chain = chain_of(graph, top=request.top)
        zeros = zero_story(chain)
        remarks += zeros
        counts["links"] += len(chain.links)
        counts["entries"] += len(graph)
        story += [*chain_story(chain, request.digits), *zeros]
        meanings.update({letter: Meaning(letter, words) for letter, words in chain.meanings})
        environment.update(chain.environment)
    return Explanation(tuple(story), tuple(meanings.values()), counts, environment, remarks=tuple(remarks))


def chain_story(chain: Chain, digits: int) -> list[Block]:
    """The product, its links, the sums where paths fan out, and what cancels."""
    if not chain.links:
        return [Paragraph(said(chain.output, " is what was differentiated: it moves with itself, one to one."))]
    story: list[Block] = [product_equation(chain, digits)]
    story.append(Table(("Link", "Rule", "In words"), tuple(link_rows(chain.links, digits)), "The links"))
    for link in fans(chain.links):
        story += fan_story(link, digits)
    if chain.cancellations:
        story.append(Heading("What cancels", 3))
        story.append(
            Paragraph(
                "What one of these factors divides by, the other multiplies by: it drops out, however small or large "
                "it is."
            )
        )
        story += [cancellation_equation(cancellation, digits) for cancellation in chain.cancellations]
    return story


def product_equation(chain: Chain, digits: int) -> Equation:
    """The whole product: in Leibniz's notation, in symbols, in numbers."""
    name = derivative(chain.output, chain.entry)
    chain.environment.setdefault(name, chain.gradient)
    product = path_equation(chain.links, chain.gradient, digits)
    return product if len(chain.links) == 1 else replace(product, sides=(name, *product.sides))


def link_rows(links: Sequence[Link], digits: int, inside: Words = "") -> Iterator[tuple[Words | Equation, ...]]:
    """A row for each link, and one for each unnamed step that it stands for."""
    for link in links:
        shown = link_equation(link, digits, inside)
        words = link.intuition
        if link.steps:
            words = "several steps, which follow"
        elif link.paths or link.others:
            words = f"a sum over {len(link.paths) + link.others:,} paths, which follows"
        yield shown, link.operation, words
        yield from link_rows(link.steps, digits, said("a step of ", link.name))


def link_equation(link: Link, digits: int, note: Words = "") -> Equation:
    """A link with its formula and its number; what is left of paths that cancel out is 0."""
    if is_residue(link.value, link.size):
        return cancelled([link.name], link.value, digits, note, size=link.size)
    return proved(name_and_formula(link), None, link.value, digits=digits, note=note, size=link.size)


def name_and_formula(link: Link) -> list[Tree]:
    """A link's name, and its formula where that is more than a number."""
    return [link.name] if link.formula is None or isinstance(link.formula, Number) else [link.name, link.formula]


def fans(links: Sequence[Link]) -> Iterator[Link]:
    """Every link that is a sum over paths, each before those on its own paths."""
    for link in links:
        yield from fans(link.steps)
        if link.paths:
            yield link
            for path in link.paths:
                yield from fans(path.links)


def fan_story(link: Link, digits: int) -> list[Block]:
    """A sum over paths, and each path as a product."""
    count = len(link.paths) + link.others
    products: list[Tree] = [in_a_row("mul", [step.name for step in path.links]) for path in link.paths]
    values = [path.value for path in link.paths] + [link.rest] * (link.others > 0)
    symbols: list[Tree] = [link.name]
    if count <= LISTED and not link.others:
        symbols += [in_a_row("add", products), *sum_in_symbols(link)]
    elif link.formula is not None:
        symbols.append(link.formula)
    note = f"the last term is the other {link.others:,} paths together" if link.others else ""
    rows = tuple([(said(path.through), path_equation(path.links, path.value, digits)) for path in link.paths])
    lead = said("From ", link.below, " to ", link.above, f" lead {count:,} paths, and their contributions add up:")
    return [
        Paragraph(lead),
        proved(symbols, lambda show: [show.sum(values)], link.value, digits=digits, note=note, size=link.size),
        Table(("Through", "Contribution of the path"), rows, "The largest first"),
    ]


def sum_in_symbols(link: Link) -> list[Tree]:
    """The sum of the paths in symbols, and what it simplifies to; nothing where it has no short formula."""
    if link.formula is None:
        return []
    factors = [[step.formula for step in path.links] for path in link.paths]
    known = [[x for x in path if x is not None] for path in factors]
    if known != factors:
        return [link.formula]
    long = in_a_row("add", [product_of(path) for path in known])
    return [long, link.formula] if len(plain(link.formula)) < len(plain(long)) else [long]


def product_of(factors: Sequence[Tree]) -> Tree:
    """Factors in a row; a factor 1 is left out where there are others."""
    telling = [x for x in factors if x != Number("1")]
    return in_a_row("mul", telling) if telling else Number("1")


def path_equation(links: Sequence[Link], value: float, digits: int) -> Equation:
    """What one path contributes, as a product: in Leibniz's notation, in symbols, in numbers.

    Beside what would come out if nothing cancelled a rest of rounding has no digits to be multiplied.
    """
    if len(links) == 1:
        return link_equation(links[0], digits)
    symbols: list[Tree] = [in_a_row("mul", [link.name for link in links])]
    factors = [link.formula for link in links if link.formula is not None]
    if len(factors) == len(links) and sum([len(plain(x)) for x in factors]) <= LONGEST:
        product = product_of(factors)
        symbols += [] if isinstance(product, Number) else [product]
    product, size = [math.prod(each) for each in ([x.value for x in links], [x.size for x in links])]
    if math.isfinite(product) and is_residue(max(abs(value), abs(product)), size):
        return cancelled(symbols[:1], value, digits, size=size)
    values = [link.value for link in links if link.formula != Number("1")]
    numbers = None if len(values) < 2 else lambda show: [show.product(values)]
    return proved(symbols, numbers, value, digits=digits, size=size)


def cancellation_equation(cancellation: Cancellation, digits: int) -> Equation:
    """Two links, what each is, and the simpler thing that they come to together."""
    names = in_a_row("mul", [link.name for link in cancellation.links])
    values = [link.value for link in cancellation.links]
    symbols = [names, cancellation.product, cancellation.simpler]
    size = math.prod([link.size for link in cancellation.links])
    return proved(symbols, lambda show: [show.product(values)], cancellation.value, digits=digits, size=size)


def zero_story(chain: Chain) -> list[Note]:
    """Which factor makes a gradient 0; what has no value has none."""
    if chain.gradient != 0 or not math.isfinite(chain.value):
        return []
    zeros = list(zero_links(chain.links))
    if not zeros:
        return [Note(f"{ZERO} in floating point: the product of its factors is too small for a number.")]
    return [Note(said(f"{ZERO} because ", reason_of(link, chain), ".")) for link in zeros]


def reason_of(link: Link, chain: Chain) -> Words:
    """Why a link is 0; that a link which is the whole gradient is 0 says nothing."""
    why = link.why
    if link.paths:
        carried = any(path.value for path in link.paths) or link.rest
        why = "its paths cancel one another" if carried else "every path contributes 0"
    elif (link.above, link.below) == (chain.output, chain.entry):
        return why or (said(link.name, " is 0 here") if link.formula is None else said(link.formula, " is 0 here"))
    if pieces(why)[:1] == (link.formula,):
        return said(fact(link), *pieces(why)[1:])
    # A factor that is a letter says itself why.
    return said(fact(link), " is 0 here", *([": ", why] if why and not isinstance(link.formula, Symbol) else []))


def fact(link: Link) -> Tree:
    apart = name_and_formula(link)
    return equation(*apart) if len(apart) > 1 else apart[0]


def zero_links(links: Sequence[Link]) -> Iterator[Link]:
    """The links that are 0, the smallest step that is to blame in place of the link."""
    for link in links:
        inner = list(zero_links(link.steps))
        if inner:
            yield from inner
        elif link.value == 0:
            yield link

"""The chain dialect: the gradient as a product of named links, in symbols and in numbers side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from chainrule.derivation.entries.asked import each_asked
from chainrule.derivation.entries.links import Cancellation, Chain, Link, chain_of
from chainrule.derivation.notation import derivative
from chainrule.derivation.opened.opened import Opened
from chainrule.derivation.proof import Show, proved
from chainrule.derivation.record import Block, Equation, Heading, Meaning, Note, Paragraph, Table
from chainrule.derivation.request import Request, Told

LONGEST = 400
"""A product of formulas longer than this, in characters of LaTeX, says less than its numbers."""

LISTED = 3
"""So many ways of a sum are written out in symbols."""


def applies(opened: Opened, request: Request) -> str:
    """The chain rule holds for every computation."""
    return ""


def tell(opened: Opened, request: Request) -> Told:
    """One product for each entry that was asked for."""
    story: list[Block] = []
    counts = {"links": 0, "entries": 0}
    meanings: dict[str, Meaning] = {}
    for entries in each_asked(opened, request, story):
        chain = chain_of(entries, top=request.top)
        counts["links"] += len(chain.links)
        counts["entries"] += len(entries)
        story += chain_story(chain, request.digits)
        meanings.update({letter: Meaning(letter, words) for letter, words in chain.meanings})
    return Told(tuple(story), tuple(meanings.values()), counts)


def chain_story(chain: Chain, digits: int) -> list[Block]:
    """The product, its links, the sums where ways fan out, what cancels, and why a zero is one."""
    if not chain.links:
        return [Paragraph(f"${chain.output}$ is what was differentiated: it moves with itself, one to one.")]
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
        for cancellation in chain.cancellations:
            story += cancellation_story(cancellation, digits)
    return story + zero_story(chain)


def product_equation(chain: Chain, digits: int) -> Equation:
    """The whole product: in Leibniz's notation, in symbols, in numbers."""
    name = derivative(chain.output, chain.entry)
    product = way_equation(chain.links, chain.gradient, digits)
    return product if len(chain.links) == 1 else replace(product, sides=(name, *product.sides))


def link_rows(links: Sequence[Link], digits: int, inside: str = "") -> Iterator[tuple[str | Equation, ...]]:
    """A row for each link, and one for each unnamed step that it stands for."""
    for link in links:
        equation = proved(told_apart(link, digits), lambda show: [], link.value, digits=digits, note=inside)
        words = link.intuition
        if link.steps:
            words = "several steps, which follow"
        elif link.ways or link.others:
            words = f"a sum over {len(link.ways) + link.others:,} ways, which follows"
        yield equation, link.operation, words
        yield from link_rows(link.steps, digits, f"a step of ${link.name}$")


def told_apart(link: Link, digits: int) -> list[str]:
    """A link's name, and its formula where that is more than the number that follows."""
    return [link.name] if link.formula in ("", Show(digits)(link.value)) else [link.name, link.formula]


def fans(links: Sequence[Link]) -> Iterator[Link]:
    """Every link that is a sum over ways, each before those on its own ways."""
    for link in links:
        yield from fans(link.steps)
        if link.ways:
            yield link
            for way in link.ways:
                yield from fans(way.links)


def fan_story(link: Link, digits: int) -> list[Block]:
    """A sum over ways, and each way as a product."""
    count = len(link.ways) + link.others
    products = [r" \cdot ".join([step.name for step in way.links]) for way in link.ways]
    shown = products[:LISTED] + [r"\cdots"] * (count > LISTED)
    values = [way.value for way in link.ways] + [link.rest] * (link.others > 0)
    symbols = [link.name, " + ".join(shown), *sum_in_symbols(link)]
    note = f"the last term is the other {link.others:,} ways together" if link.others else ""
    rows = tuple([(f"${way.through}$", way_equation(way.links, way.value, digits)) for way in link.ways])
    return [
        Paragraph(f"From ${link.below}$ to ${link.above}$ lead {count:,} ways, and what they carry adds up:"),
        proved(symbols, lambda show: [show.sum(values)], link.value, digits=digits, note=note),
        Table(("Through", "What the way carries"), rows, "The largest first"),
    ]


def sum_in_symbols(link: Link) -> list[str]:
    """The sum of the ways in symbols, and what it simplifies to; nothing where it has no short formula."""
    if not link.formula:
        return []
    products = [r" \cdot ".join([step.factor for step in way.links]) for way in link.ways]
    parts = [" + ".join(products)] if all(step.factor for way in link.ways for step in way.links) else []
    return [*parts, link.formula] if not parts or len(link.formula) < len(parts[0]) else parts


def way_equation(links: Sequence[Link], value: float, digits: int) -> Equation:
    """What one way carries, as a product: in Leibniz's notation, in symbols, in numbers."""
    if len(links) == 1:
        return proved(told_apart(links[0], digits), lambda show: [], value, digits=digits)
    symbols = [r" \cdot ".join([link.name for link in links])]
    factors = [link.factor for link in links]
    if all(factors) and sum(map(len, factors)) <= LONGEST:
        symbols.append(r" \cdot ".join(factors))
    return proved(symbols, lambda show: [show.product([link.value for link in links])], value, digits=digits)


def cancellation_story(cancellation: Cancellation, digits: int) -> list[Block]:
    """Two links, what each is, and the simpler thing that they come to together."""
    names = r" \cdot ".join([link.name for link in cancellation.links])
    values = [link.value for link in cancellation.links]
    return [
        proved(
            [names, cancellation.product, cancellation.simpler],
            lambda show: [show.product(values)],
            cancellation.value,
            digits=digits,
        )
    ]


def zero_story(chain: Chain) -> list[Block]:
    """Which factor makes a gradient 0."""
    if chain.gradient != 0:
        return []
    zeros = list(zero_links(chain.links))
    if not zeros:
        return [Note("The gradient is 0 in floating point: the product of its factors is too small for a number.")]
    told: list[Block] = []
    for link in zeros:
        why = f" = {link.formula}$" if link.formula and link.formula != "0" else "$"
        if link.ways:
            carried = any(way.value for way in link.ways) or link.rest
            words = "its ways cancel one another" if carried else "every way carries 0"
        else:
            words = f"{link.operation}: {link.intuition}" if link.intuition else "a factor on the way is 0"
        told.append(Note(f"The gradient is 0 because ${link.name}{why} is 0 here ({words})"))
    return told


def zero_links(links: Sequence[Link]) -> Iterator[Link]:
    """The links that are 0, the smallest step that is to blame in place of the link."""
    for link in links:
        inner = list(zero_links(link.steps))
        if inner:
            yield from inner
        elif link.value == 0:
            yield link

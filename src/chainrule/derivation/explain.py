"""`explain`: how a gradient came to be, in the reader's choice of five dialects."""

from __future__ import annotations

import importlib
from collections import ChainMap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chainrule.collector import without_collector
from chainrule.core import Value
from chainrule.core.state import Quiet
from chainrule.derivation.checked import Checking
from chainrule.derivation.equations import Show, known_rounding
from chainrule.derivation.formats import plain
from chainrule.derivation.formats.displayed import MOST_LINES, lines_of
from chainrule.derivation.meaning import is_rounding
from chainrule.derivation.network.letters import lend_letters
from chainrule.derivation.notation import USUAL, notation_of
from chainrule.derivation.own_digits import with_own_digits
from chainrule.derivation.pitfalls import (
    is_left_over,
    left_over_of,
    rounding_beside,
    rounding_floor,
    rounding_of_letter,
    trap,
)
from chainrule.derivation.products import Moved, along
from chainrule.derivation.record import Derivation, Known, Paragraph
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.scalars.targets import gradient_of, name_of
from chainrule.derivation.short import short_story
from chainrule.derivation.tape.conventions import LAYOUTS, conventions_of
from chainrule.derivation.tape.nodes import Listed, numbers_of
from chainrule.derivation.tape.resolve import resolve
from chainrule.derivation.tape.tape import Tape, require_one_number
from chainrule.derivation.total import with_d
from chainrule.derivation.vector import outputs_of, row_by_row
from chainrule.derivation.words import Words, listed, said
from chainrule.errors import GraphError
from chainrule.expression.arguments import names_of, numbers_in, whole_number
from chainrule.kinds import is_real, is_whole
from chainrule.maths import Symbol, Tree
from chainrule.maths.numerals import DIGITS, FULL
from chainrule.maths.tree import equation

NEAREST = {
    "graph": ("chain", "paths", "jacobian", "delta"),
    "chain": ("paths", "graph", "jacobian", "delta"),
    "paths": ("chain", "graph", "jacobian", "delta"),
    "delta": ("jacobian", "chain", "paths", "graph"),
    "jacobian": ("delta", "chain", "paths", "graph"),
}
"""Every dialect, and the others by nearness."""

IN_WORDS: dict[str, Words] = {
    "graph": "node by node",
    "chain": "as a chain",
    "paths": "as a sum over paths",
    "delta": said("by the errors ", Symbol("δ")),
    "jacobian": "as a product of Jacobians",
}


def explain(
    output: Any,
    wrt: Any = None,
    dialect: str | None = None,
    *,
    notation: str | None = None,
    layout: str | None = None,
    digits: int = DIGITS,
    top: int = 5,
    nudge: float = 0.01,
    whole: bool = False,
    direction: Any = None,
    names: Collection[str] = (),
    values: Mapping[str, Any] | None = None,
    shapes: Mapping[str, Any] | None = None,
    order: int = 1,
    check: bool = False,
    weights: Any = None,
) -> Derivation:
    r"""How the gradient of `output` in `wrt` came to be, with every number checked against the engine.

    `output` is one number: a Value, or a Tensor without axes. Of a vector, or a list of numbers, the Jacobian is told
    row by row. `wrt` is a node of its graph, an entry of one (``net[0].weight[3, 1]``), a name, or a list of these;
    without it every leaf is meant. With a `direction`, an array in the shape of `wrt` (a list for several), the slope
    along it is told too. The dialects are ``graph``,
    ``chain``, ``paths``, ``delta`` and ``jacobian``; without one, the first that suits what is asked.

    Symbols are the user's own names. In a feed-forward net what has none gets the letters of a book, ``nielsen`` or
    `notation`; where that is given, its letters also stand for paths such as ``net[0].weight``. `layout` says whether
    Jacobians have rows for outputs (``numerator``) or for inputs (``denominator``). `digits` are those of printed
    numbers (17 for all), `top` how many paths, terms or rows are listed, `nudge` the step of the dialect of paths;
    `whole` writes large arrays out. `names` are taken besides those in the graph: no step without a name is called so.

    `output` may also be a text, a formula or several assignments, with `values` for its names, or `shapes` for the
    derivative as a formula alone; `wrt` are then names, as ``"x"``, ``["x", "y"]`` or ``"W[0, 1]"``, and `direction` is
    a mapping from them. `order` = 2 gives second derivatives and the Hessian, `check` compares with differences, and
    `weights` of a vector's entries are multiplied with its Jacobian.

    Raises GraphError where a node changed after the forward (it is named), where the output was not computed from
    `wrt`, and where the dialect does not apply (with the reason, and the nearest that does). O(nodes + edges), and what
    the dialect adds: it does not visit entries of arrays that the asked one has no influence on.

    The dialects follow Karpathy, micrograd (2020); Sanderson, 3Blue1Brown, Backpropagation calculus (2017); Nielsen,
    Neural Networks and Deep Learning (2015), chapter 2; Parr and Howard, The Matrix Calculus You Need For Deep Learning
    (2018).

    >>> import chainrule as cr
    >>> w, x = cr.Value(3.0, label="w"), cr.Value(2.0, label="x")
    >>> told = cr.explain(w * x + w, w, "graph")
    >>> told.gradient, told.counts["nodes"]
    (3.0, 3)
    >>> cr.explain("h = w*x; L = (h - y)**2", "w", values={"w": 3, "x": 2, "y": 5}).gradient
    4.0
    """
    digits, top = whole_number("digits", digits, 1, FULL), whole_number("top", top, 1)
    check_options(dialect, notation, layout or "numerator", nudge)
    if not is_whole(order) or order not in (1, 2):
        raise GraphError(f"order is 1 or 2, not {order!r}")
    names = names_of("names", names or None)
    if isinstance(output, str):
        # It is read and differentiated on a floor above this one.
        typed = importlib.import_module("chainrule.derivation.typed.answer")
        asked = (dialect, notation, layout, digits, top, nudge, whole, order, check, direction, weights)
        return typed.explain_typed(output, wrt, values, shapes, typed.Options(*asked))
    if values is not None or shapes is not None or order != 1 or check or weights is not None:
        raise GraphError("values, shapes, order, check and weights are for a formula that is given as text")

    outputs = outputs_of(output)

    def explain_one(output: Any) -> Derivation:
        require_one_number(output)
        nodes, entry = resolve(output, wrt)
        only = nodes[0] if len(nodes) == 1 else None
        tape = Tape(output, nodes, names, outputs or ())
        request = Request(only, entry, notation or USUAL, layout or "numerator", digits, top, nudge, whole)
        found = explained(tape, request, dialect, notation)
        if direction is None:
            return found
        with Quiet():
            return with_direction(found, tape, entry, direction, digits)

    with without_collector():
        return explain_one(output) if outputs is None else row_by_row(outputs, explain_one)


class NotSuited(GraphError):
    """A dialect does not apply to what is asked."""


def explained(
    tape: Tape,
    request: Request,
    dialect: str | None,
    notation: str | None,
    *,
    with_short: bool = True,
    with_formulas: bool = True,
) -> Derivation:
    """One gradient of an opened graph, explained as it was asked for.

    `with_formulas`, its number is that of its formula where rounding took the digits of the engine's.
    """
    lent = lend_letters(tape, notation, is_net=dialect == "delta")
    asked = tape.wrt or [x for x in tape.gradients if x.op is None]
    with Quiet(), known_rounding(partial(rounding_beside, tape, asked)):
        name, answer = tell(tape, request, dialect)
        title = said(title_of(tape, request), ", ", IN_WORDS[name])
        known = {row.symbol for row in answer.symbols}
        answer = replace(answer, symbols=(*answer.symbols, *[row for row in lent if row.symbol not in known]))
        found = assembled(tape, request, name, title, answer, with_short=with_short)
        return with_d(
            with_own_digits(tape, request, found, partial(checking_of, tape, request)) if with_formulas else found, tape
        )


def explained_in_full(output: Any, wrt: Any, dialect: str, digits: int) -> Derivation:
    """The story of one gradient without its short answer, for a page that shows the whole; some half of the time."""
    return explained(Tape(output, [wrt]), Request(wrt, None, USUAL, digits=digits), dialect, None, with_short=False)


def with_direction(found: Derivation, tape: Tape, entry: Any, direction: Any, digits: int) -> Derivation:
    """An explanation with the slope along a direction beside it."""
    several = len(tape.wrt) > 1
    directions = list(direction) if several and isinstance(direction, Sequence | np.ndarray) else [direction]
    if not tape.wrt or entry is not None or len(directions) != len(tape.wrt) or isinstance(direction, Mapping):
        raise GraphError(
            "a direction is one array for each of the whole nodes in wrt: explain(L, [x, y], direction=[…, …])"
        )
    said_of = [f"direction[{k}]" if several else "direction" for k in range(len(directions))]
    # What has no value has no slope, whatever the engine hands back.
    defined = 1.0 if np.isfinite(tape.numbers[tape.output]) else np.nan
    moved = [
        Moved(tape.symbols[x], numbers_in(argument, by), tape.gradients[x] * defined)
        for x, argument, by in zip(tape.wrt, said_of, directions, strict=True)
    ]
    blocks, known = along(tape.symbols[tape.output], moved, digits, tape.symbols.values())
    environment = ChainMap[Tree, Any](known, tape.environment)
    checking = Checking(environment, rounding_floor(tape), digits)
    blocks = checking.of(blocks)
    kept = [block for block in found.short if not isinstance(block, Paragraph)]
    while len(kept) > 1 and sum(map(lines_of, [*kept, *blocks])) > MOST_LINES:
        # What was computed on the way stands first, and goes first.
        del kept[0]
    seen = [Known(letter, numbers_of(x)) for letter, x in checking.numbers_of_letters(blocks)]
    letters = dict.fromkeys([*found.known, *seen])
    found = replace(found, story=(*found.story, *blocks), short=(*kept, *blocks), known=tuple(letters))
    return with_d(found, tape)


def check_options(dialect: Any, notation: Any, layout: Any, nudge: Any) -> None:
    if dialect is not None and dialect not in [*NEAREST]:
        raise GraphError(f"there is no dialect {dialect!r}: choose one of {', '.join(NEAREST)}")
    if layout not in [*LAYOUTS]:
        raise GraphError(f"there is no layout {layout!r}: choose {' or '.join(LAYOUTS)}")
    notation_of(notation or USUAL)
    if not is_real(nudge) or not np.isfinite(nudge) or nudge == 0:
        raise GraphError(f"nudge is a number other than 0, not {nudge!r}")


def tell(tape: Tape, request: Request, dialect: str | None) -> tuple[str, Explanation]:
    """The story in the dialect that was asked for, or else in the first that applies."""
    first = dialect or usual(request)
    reason = plain.words(module_of(first).applies(tape, request))
    if not reason:
        return first, module_of(first).tell(tape, request)
    for other in NEAREST[first]:
        if not module_of(other).applies(tape, request):
            if dialect is None:
                return other, module_of(other).tell(tape, request)
            raise NotSuited(f"the dialect {first!r} does not apply: {reason}. The nearest that does is {other!r}")
    raise NotSuited(f"the dialect {first!r} does not apply: {reason}")


def module_of(dialect: str) -> Any:
    """The module of a dialect, loaded when it is first told in."""
    return importlib.import_module(f"chainrule.derivation.dialects.{dialect}")


def usual(request: Request) -> str:
    """The dialect for what is asked: a chain for one number, the graph for an array or several.

    Jacobians where their layout is another than ours.
    """
    wrt = request.wrt
    if wrt is not None and (request.entry is not None or isinstance(wrt, Value) or not wrt.shape):
        return "chain"
    return "jacobian" if wrt is not None and request.layout != "numerator" else "graph"


def assembled(
    tape: Tape, request: Request, dialect: str, title: Words, answer: Explanation, *, with_short: bool = False
) -> Derivation:
    """A dialect's story with the data of the graph that it tells of; every equation in it is worked out."""
    data = Listed(tape, request.whole)
    gradient = gradient_of(tape, request)
    environment = ChainMap[Tree, Any](answer.environment, tape.environment)
    if request.wrt is not None:
        environment.setdefault(name_of(tape, request), gradient)
    # A dialect may have rows where a gradient has another shape.
    if tape.undefined:
        undefined = {slope: np.full(np.shape(environment.get(slope, x)), np.nan) for slope, x in tape.undefined.items()}
        environment = ChainMap[Tree, Any](undefined, *environment.maps)
    warnings, checking = trap(tape), checking_of(tape, request, environment)
    story = (*checking.of(answer.story), *warnings)
    conventions = conventions_of(tape, request.layout if dialect == "jacobian" else "")
    short = (
        short_story(tape, request, dialect, replace(answer, story=story), warnings, conventions, checking)
        if with_short
        else ()
    )
    known = [Known(letter, numbers_of(x, request.whole)) for letter, x in checking.numbers_of_letters((*story, *short))]
    counts = {
        "nodes": len(tape.path),
        "arrows": len(tape.arrivals),
        "nodes not listed": len(tape.path) - len(data.nodes),
        "accumulations not listed": len(tape.arrivals) - len(data.log),
    }
    return Derivation(
        dialect=dialect,
        title=title,
        output=data.ids[tape.output],
        wrt=tuple([data.ids[x] for x in tape.wrt]),
        entry=request.entry,
        value=numbers_of(tape.numbers[tape.output]),
        gradient=None if gradient is None else numbers_of(gradient, request.whole),
        notation=request.notation,
        digits=request.digits,
        conventions=conventions,
        symbols=answer.symbols,
        counts={**counts, **answer.counts},
        nodes=data.nodes,
        log=data.log,
        story=story,
        short=short,
        known=tuple(known),
    )


def checking_of(tape: Tape, request: Request, environment: Mapping[Tree, Any]) -> Checking:
    """What checks a page of a tape."""
    given = {tape.symbols[x] for x in tape.order if x.op is None}
    about = (partial(rounding_of_letter, tape), partial(left_over_of, tape), given)
    return Checking(environment, rounding_floor(tape), request.digits, *about)


def title_of(tape: Tape, request: Request) -> Words:
    show, symbol = Show(request.digits), tape.symbols[tape.output]
    if request.wrt is None:
        several = listed([said(tape.symbols[x]) for x in tape.wrt[: request.top]])
        more = f" and {len(tape.wrt) - request.top} more" if len(tape.wrt) > request.top else ""
        value = tape.numbers[tape.output]
        what = equation(symbol, show(value)) if np.isfinite(value) else symbol
        return said("The gradient of ", what, *([" in ", several, more] if tape.wrt else []))
    gradient = gradient_of(tape, request)
    name = name_of(tape, request)
    if np.ndim(gradient) or not (np.isfinite(gradient) and np.isfinite(tape.numbers[tape.output])):
        return said(name)
    is_none = is_rounding(tape, request) or is_left_over(tape, request.wrt, request.entry or ())
    return said(equation(name, show(0.0 if is_none else gradient)))

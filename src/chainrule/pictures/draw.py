"""`draw`: the graph behind a result as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from inspect import signature
from typing import Any, cast

import numpy as np

from chainrule.core import Value
from chainrule.core.labels import find_labels
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, GraphError
from chainrule.pictures import summary
from chainrule.pictures.layout import AUTO, DIRECTIONS
from chainrule.pictures.live import LONGEST_NAME, Live
from chainrule.pictures.modules import (
    Calls,
    Path,
    by_calls,
    by_names,
    common,
    name_inside,
    nodes_in,
    watched,
    without_cycles,
)
from chainrule.pictures.numbers import NONE, shown, size
from chainrule.pictures.picture import Picture
from chainrule.pictures.sketch import Arrow, Box, Frame, Look, Sketch, legend
from chainrule.pictures.widths import fitted
from chainrule.printable import several
from chainrule.program import Kind, Step

DIGITS = 4
DENSE = 2
"""Arrows for each box beyond which they cover one another."""
MOST_TOLD = 3
"""Places where numbers stop being finite that are named."""
Node = Any
MOST_NAMED = 12
"""Names that an error lists."""


def draw(
    x: Any,
    *inputs: Any,
    wrt: Any = None,
    open: Any = None,  # noqa: A002 - the word for what a box does
    direction: str = AUTO,
    mistake: str = "",
    title: str = "",
    digits: int = DIGITS,
) -> Picture:
    """The graph behind a result as a picture: boxes with names, numbers and gradients, local derivatives on arrows.

    `x` is a Value or a Tensor, or a list of them, or a network, which is then run on the `inputs`. Nothing is changed
    on the graph: gradients are shown as they are, with a dash where no backward pass has been. An arrow is as thick as
    the gradient that it carries. `wrt`, a node or its name, lights all paths that lead from it to the result.

    Modules are frames; `open` says which: True for all, False for none, or a list of their names. Without it, as many
    as fit. Arrows lead to the ``right`` or ``down``, without `direction` where that fits a page better. Of a graph with
    more than some 60 boxes steps that are computed alike share one. `mistake` draws the gradients of a wrong backward
    pass, as `what_if` has it, beside the right ones. `digits` are those of numbers.

    The picture shows itself in a notebook, prints as text, and is written as SVG or PNG by `save`. Raises DtypeError
    for anything but nodes and networks, and GraphError for a `wrt` that the result was not computed from.
    O(nodes + edges).

    The layers follow Sugiyama, Tagawa and Toda (1981); needs fast-sugiyama, an extra.

    >>> import chainrule as cr
    >>> a, b = cr.Value(2.0, label="a"), cr.Value(3.0, label="b")
    >>> picture = cr.draw(a * b)
    >>> [box.title for box in picture.sketch.boxes]
    ['a', 'b', 'v₁ = a · b']
    >>> picture.svg().startswith("<svg")
    True
    """
    if mistake:
        # What mistakes give is worked out on a floor above this one.
        return import_module("chainrule.derivation.wrong.side_by_side").side_by_side(
            x, mistake, digits=digits, direction=direction
        )
    if direction not in DIRECTIONS:
        raise GraphError(f"there is no direction {direction!r}: choose one of {', '.join(DIRECTIONS)}")
    calls = None
    labels: dict[int, str] = {}
    if callable(getattr(x, "named_modules", None)):
        name = find_labels([x]).get(id(x), "net")
        title = title or f"The graph of {name}"
        try:
            signature(x.forward).bind(*inputs)
        except TypeError as error:
            raise DtypeError(f"{name} does not run ({error}): give its inputs, as cr.draw(net, x)") from None
        given = with_names(x, inputs)
        with watched(x, name) as calls:
            x = nodes_in(x(*given))
        labels = calls.labels
    elif inputs:
        raise DtypeError("inputs are given to a network, and this is none: draw its result alone")
    outputs = outputs_of(x)
    if not outputs:
        return Picture((Sketch(title or "An empty graph", (), (), notes=("There is nothing to draw.",)),))
    live = Live(outputs, digits, labels=labels)
    return Picture((sketch_of(live, wrt=wrt, open_=open, title=title, calls=calls),), direction)


def with_names(net: Any, inputs: Sequence[Any]) -> list[Any]:
    """What a network is given, arrays of numbers under the names that its `forward` has for them."""
    names = [*signature(net.forward).parameters, *[""] * len(inputs)]
    return [named_array(x, name) for x, name in zip(inputs, names, strict=False)]


def named_array(x: Any, name: str) -> Any:
    """Numbers in an array as a leaf with a name; anything else as it is."""
    if type(x) is not np.ndarray or not np.issubdtype(x.dtype, np.floating):
        return x
    return Tensor(x, dtype=x.dtype, label=name)


def outputs_of(x: Any) -> list[Node]:
    found = [x] if isinstance(x, Value | Tensor) else list(cast("Any", x)) if isinstance(x, list | tuple) else None
    if found is None or not all([isinstance(node, Value | Tensor) for node in found]):
        raise DtypeError(
            "a graph is drawn of a Value, a Tensor, a list of them or a network, and this is a "
            f"{type(cast('Any', x)).__name__}"
        )
    return list(dict.fromkeys(found))


def sketch_of(live: Live, *, wrt: Any = None, open_: Any = None, title: str = "", calls: Calls | None = None) -> Sketch:
    """A live graph in words: step by step where that fits, else in as few boxes as it takes."""
    return sketch_in(live, *opened(live, open_, calls), wrt=wrt, title=title, calls=calls)


def sketch_in(
    live: Live,
    blocks: summary.Blocks,
    owner: Mapping[Step, Path],
    *,
    wrt: Any = None,
    title: str = "",
    calls: Calls | None = None,
) -> Sketch:
    """The same with a box for each block of steps, in the frames of the modules that own them."""
    live.written = [*[step for block in blocks if len(block) == 1 for step in block], *live.lifted.program.outputs]
    live.written += list(live.origins)[:MOST_TOLD]
    name_inside(live, owner)
    lit = lit_steps(live, wrt)
    members = Counter(owner.values())
    crowded = {step for step, path in owner.items() if members[path] > 1}
    boxes = [box_of_block(live, block, owner, lit, calls, crowded) for block in blocks]
    unseen = left_out(blocks) if any([len(block) > 1 for block in blocks]) else {}
    for n, count in unseen.items():
        boxes[n] = replace(boxes[n], more=(*boxes[n].more, f"{several(count, 'edge')} from others"))
    arrows = arrows_of(live, blocks, lit)
    frames = frames_of(blocks, owner, calls)
    notes = notes_of(live, boxes, arrows, bool(unseen))
    return Sketch(title or titled(live), tuple(boxes), tuple(arrows), frames, tuple(notes))


def opened(live: Live, open_: Any = None, calls: Calls | None = None) -> tuple[summary.Blocks, Mapping[Step, Path]]:
    """Which steps share a box, and the modules that stand open, by those who made the steps or by their names."""
    owner = without_cycles(live, by_calls(live, calls) if calls is not None else by_names(live))
    return blocks_of(live, owner, open_)


def blocks_of(live: Live, owner: Mapping[Step, Path], open_: Any) -> tuple[summary.Blocks, Mapping[Step, Path]]:
    """Which steps share a box, and the modules as far as they stand open or are one.

    As many modules stand open as fit; where none does, what is alike is one box.
    """
    depth = max(map(len, owner.values()), default=0)
    if open_ is not None:
        opened = modules_to_open(open_, {name for path in owner.values() for name in path})
        shut = owner if open_ is True else summary.shut_but(owner, opened)
        return summary.in_modules(live, shut, None if open_ is True else opened), shut
    if len(live.steps) - len(owner) <= summary.MOST:
        for level in range(depth + 1, 0, -1):
            shut = summary.shut_at(owner, level)
            blocks = summary.in_modules(live, shut, {path[-1] for path in shut.values() if len(path) < level})
            if len(blocks) <= summary.MOST:
                return blocks, shut
    for level in range(depth, -1, -1):
        shut = summary.shut_at(owner, level)
        blocks = summary.alike(live, shut)
        if len(blocks) <= summary.MOST:
            return blocks, shut
    return summary.in_bands(live), {}


def modules_to_open(asked: Any, there: set[str]) -> tuple[str, ...]:
    """The names of the modules that are asked for one by one."""
    if isinstance(asked, bool):
        return ()
    names: tuple[Any, ...] = (asked,)
    if isinstance(asked, Iterable) and not isinstance(asked, str):
        names = tuple(cast("Iterable[Any]", asked))
    for name in names:
        if name not in there:
            some = f"it has {', '.join(sorted(there)[:MOST_NAMED])}" if there else "it has none"
            raise GraphError(f"the graph has no module {name!r} to open; {some}")
    return names


def lit_steps(live: Live, wrt: Any) -> set[Step] | None:
    """The steps on the paths from a node to the results; None where none was asked for."""
    if wrt is None:
        return None
    if isinstance(wrt, str):
        found = [step for step, node in live.pairs() if live.labels.get(id(node)) == wrt]
        if not found:
            there = [name for step in live.steps if (name := live.labels.get(id(live.node(step))))]
            raise GraphError(
                f"the graph has nothing named {wrt!r}; it has {', '.join(there[:MOST_NAMED]) or 'no names'}"
            )
    else:
        while isinstance(wrt, Tensor) and wrt not in live.lifted.step and wrt.op is not None and wrt.op.name == "index":
            wrt = wrt.inputs[0]
        if wrt not in live.lifted.step:
            raise GraphError("the result was not computed from wrt: give a node of its graph, or the name of one")
        found = [live.lifted.step[wrt]]
    return {*found[:1], *live.lifted.program.between(found[:1])}


def box_of_block(
    live: Live,
    block: Sequence[Step],
    owner: Mapping[Step, Path],
    lit: set[Step] | None,
    calls: Calls | None,
    crowded: set[Step],
) -> Box:
    if len(block) == 1:
        (step,) = block
        outputs = live.lifted.program.outputs
        looks = {Kind.PARAMETER: Look.PARAMETER, Kind.RESULT: Look.RESULT}
        look = Look.OUTPUT if step in outputs and step.op is not None else looks.get(step.kind, Look.DATA)
        data, wrong = shown(live.number(step), live.digits), live.wrong(step)
        path = owner.get(step, ())
        # The only step of a module has no frame around it.
        module = (f"{path[-1]}: {calls.names.get(path[-1], '')}",) if calls and path and step not in crowded else ()
        title = live.title(step)
        box = Box(title, look, data, live.grad(step), module, wrong, whole=live.whole(step), typed=live.typed(step))
    else:
        box = summary.box_of(live, block, *title_of_block(live, block, owner, calls))
    if lit is None:
        return box
    touched = any([step in lit for step in block])
    return replace(box, lit=touched, faint=not touched)


def title_of_block(
    live: Live, block: Sequence[Step], owner: Mapping[Step, Path], calls: Calls | None
) -> tuple[str, tuple[str, ...]]:
    """What several steps are called: their module, or the operation that all are, or how many they are."""
    paths = {owner.get(step, ()) for step in block}
    shared = common(paths)
    kinds = {live.operation(step) for step in block}
    if len(kinds) == 1 and not shared:
        names = {live.labels.get(id(live.node(step)), "").partition("[")[0] for step in block}
        (name,) = names if len(names) == 1 else ("",)
        kind = fitted(name, LONGEST_NAME) if name else min(kinds)
        return f"{kind} × {len(block):,}", ()
    counts = summary.counted([step for step in block if step.op is not None], live)
    weights = summary.parameters_in(block)
    held = (several(weights, "parameter"),) if weights else ()
    if shared:
        what = () if calls is None else (calls.names.get(shared[-1], ""),)
        return fitted(shared[-1], LONGEST_NAME), tuple([line for line in (*what, counts, *held) if line])
    return f"{len(block):,} steps", (counts, *held)


def arrows_of(live: Live, blocks: summary.Blocks, lit: set[Step] | None) -> list[Arrow]:
    """The arrows between the boxes: one for each edge between two steps, one for all between two of several."""
    found: list[Arrow] = []
    for ends, edges in edges_between(blocks):
        if all([len(blocks[end]) == 1 for end in ends]):
            ((step, slot, _),) = edges
            found.append(arrow_of(live, step, slot, ends, slot in {i for i, _ in step.edges}, lit))
        else:
            found.append(bundle(live, ends, edges, lit))
    return found


Ends = tuple[int, int]
"""The boxes from which and to which an arrow leads."""


def edges_between(blocks: summary.Blocks) -> list[tuple[Ends, list[tuple[Step, int, Step]]]]:
    """What each arrow stands for: edges as a step, the slot of its input, and that; single ones come first."""
    at = {step: n for n, block in enumerate(blocks) for step in block}
    found: list[tuple[Ends, list[tuple[Step, int, Step]]]] = []
    many: dict[Ends, list[tuple[Step, int, Step]]] = {}
    for n, block in enumerate(blocks):
        for step in block:
            for slot, x in enumerate(step.inputs):
                if not isinstance(x, Step) or at[x] == n:
                    continue
                if len(block) > 1 or len(blocks[at[x]]) > 1:
                    many.setdefault((at[x], n), []).append((step, slot, x))
                else:
                    found.append(((at[x], n), [(step, slot, x)]))
    kept = main_ends(many) if len(many) > DENSE * len(blocks) else set(many)
    return [*found, *[(ends, edges) for ends, edges in many.items() if ends in kept]]


def main_ends(many: Mapping[Ends, Sequence[Any]]) -> set[Ends]:
    """Of arrows that would cover one another, those with the most edges into each box and out of each box."""
    most: dict[tuple[str, int], Ends] = {}
    for ends, edges in many.items():
        for side in (("from", ends[0]), ("into", ends[1])):
            if side not in most or len(edges) > len(many[most[side]]):
                most[side] = ends
    return set(most.values())


def left_out(blocks: summary.Blocks) -> dict[int, int]:
    """How many edges lead into a box on no arrow."""
    at = {step: n for n, block in enumerate(blocks) for step in block}
    drawn = {ends for ends, _ in edges_between(blocks)}
    inputs = [(n, at[x]) for n, block in enumerate(blocks) for step in block for x in step.input_steps]
    return Counter([n for n, source in inputs if source != n and (source, n) not in drawn])


def arrow_of(live: Live, step: Step, slot: int, ends: Ends, moves: bool, lit: set[Step] | None) -> Arrow:
    on = lit is not None and step in lit and step.inputs[slot] in lit
    faint = lit is not None and not on
    if not moves:
        return Arrow(*ends, data=True, faint=faint)
    share = live.shares(step).get(slot)
    carries = None if share is None else size(share)
    return Arrow(*ends, live.factor(step, slot), carries, (step, slot) in live.broken, lit=on, faint=faint)


def bundle(live: Live, ends: Ends, edges: Sequence[tuple[Step, int, Step]], lit: set[Step] | None) -> Arrow:
    """All edges between two boxes as one arrow, with their number."""
    moving = dict.fromkeys([step for step, _, x in edges if x.requires_grad])
    slots = {(step, slot) for step, slot, _ in edges}
    sizes = [size(share) for step in moving for slot, share in live.shares(step).items() if (step, slot) in slots]
    on = lit is not None and any([step in lit and x in lit for step, _, x in edges])
    count, carries = f"{len(edges):,} edges" if len(edges) > 1 else "", size(sizes) if sizes else None
    faint = lit is not None and not on
    return Arrow(*ends, count, carries, data=not moving, lit=on, faint=faint, edges=len(edges))


def frames_of(blocks: summary.Blocks, owner: Mapping[Step, Path], calls: Calls | None) -> tuple[Frame, ...]:
    """The modules that stand open, with the boxes in them."""
    alone = Counter([path[:n] for path in owner.values() for n in range(1, len(path) + 1)])
    inside: dict[Path, list[int]] = {}
    for n, block in enumerate(blocks):
        path = common([owner.get(step, ()) for step in block])
        if path and (len(block) > 1 or alone[path] == 1):
            path = path[:-1]
        inside.setdefault(path, []).append(n)
    paths = sorted({path[:n] for path in inside for n in range(1, len(path) + 1)})

    def frame(path: Path) -> Frame:
        inner = [other for other in paths if len(other) == len(path) + 1 and other[: len(path)] == path]
        *outer, last = path
        what = "" if calls is None else calls.names.get(last, "")
        own = last.removeprefix(outer[-1]).lstrip(".") if outer else last
        name = fitted(f"{own}: {what}" if what else own, 60)
        return Frame(name, tuple(inside.get(path, ())), tuple(map(frame, inner)))

    return tuple([frame(path) for path in paths if len(path) == 1])


def titled(live: Live) -> str:
    named = [fitted(live.name(step), LONGEST_NAME) for step in live.lifted.program.outputs]
    return f"The graph of {', '.join(named[:3])}{', …' if len(named) > 3 else ''}"


def notes_of(live: Live, boxes: Sequence[Box], arrows: Sequence[Arrow], thinned: bool) -> list[str]:
    """What the reader has to know of the picture."""
    notes = list(live.notes)
    dashes = "" if notes or all([box.grad != NONE for box in boxes]) else "A dash: no backward pass has been here."
    if len(boxes) < len(live.steps):
        counted = "; an arrow between several has the number of its edges" * any([arrow.edges > 1 for arrow in arrows])
        notes.append(f"{len(live.steps):,} nodes in {len(boxes):,} box{'es' * (len(boxes) > 1)}{counted}.")
    if thinned:
        notes.append("Of many arrows those with the most edges are drawn; a box says how many come from others.")
    notes += [note for note in (legend(arrows), dashes) if note]
    for step, how in list(live.origins.items())[:MOST_TOLD]:
        where = "as given" if step.op is None else "from finite inputs"
        notes.append(f"{how.partition(' ')[0]} first at {live.title(step)}: {where}.")
    for step, slot in sorted(live.broken, key=lambda edge: (edge[0].place, edge[1]))[:MOST_TOLD]:
        if step in live.letters:
            way = f"from {live.name(step)} to {live.name(step.inputs[slot])}"
            notes.append(f"The gradient stops being finite on its way {way}.")
    return notes

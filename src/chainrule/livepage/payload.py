"""What the modules of a page are given of a subject: plain data, and the functions that were printed for it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.state import Quiet
from chainrule.errors import ChainruleError
from chainrule.livepage.batch import print_batch
from chainrule.livepage.descent import OPTIMIZERS, print_optimizer
from chainrule.livepage.exports import exports_of, typed_of
from chainrule.livepage.graph import WIDEST, WIDEST_RANGE, places_of
from chainrule.livepage.hints import print_hints
from chainrule.livepage.passes import (
    GRID,
    Recorded,
    edges_of,
    passes_of,
    print_loss,
    print_pass,
    print_rows,
    print_says,
    right,
)
from chainrule.livepage.story import Story, stories
from chainrule.livepage.subject import Points, Subject
from chainrule.livepage.ties import kinks_of, watched
from chainrule.maths import unicode
from chainrule.printable import several
from chainrule.program import Kind, Program, Step
from chainrule.verify.mistakes import KINDS

MOST_LIVE = 2_500
"""Steps up to which a page can be moved; a larger one shows what was recorded."""
TOO_LARGE = f"a page of more than {MOST_LIVE:,} steps is not written out"
MOST_TYPED = 40
"""Steps of a computation whose lines stand below its title."""
FORMULA = re.compile(r"(<math.*?</math>)", re.DOTALL)
PACKED = 64
"""Entries from which on an array is packed."""


def payload_of(subject: Subject) -> dict[str, Any]:
    """A subject as data for JSON; `source` is that of an object with its functions."""
    live = len(subject.program) <= MOST_LIVE
    places = places_of(subject)
    layers = layers_of(subject) if live else []
    data: dict[str, Any] = {
        "title": subject.title or titled(subject),
        "text": typed_of(subject) if subject.is_scalar and len(subject.program) <= MOST_TYPED else "",
        "note": subject.note,
        "rate": subject.rate,
        "live": live,
        "scalar": subject.is_scalar,
        "steps": [described(subject, step) for step in subject.program.steps],
        "leaves": [step.place for step in subject.program.leaves],
        "asked": subject.program.leaves.index(subject.in_turn[0]) if subject.trained else 0,
        "trained": [subject.program.leaves.index(step) for step in subject.trained],
        "start": [packed(x) for x in subject.leaves],
        "output": subject.program.output.place,
        "edges": [[step.place, slot, step.inputs[slot].place] for step, slot in edges_of(subject.program)],
        "boxes": places.boxes,
        "arrows": places.arrows,
        "right": places.right,
        "down": places.down,
        "widest": [WIDEST, WIDEST_RANGE],
        "look": looked_at(subject),
        "telling": telling(subject) if live else [],
        "notes": list(places.notes),
        "layers": layers,
        "asking": asking(subject, layers) if live else [],
        "points": points_of(subject),
        "rows": subject.rows,
        "kinks": kinks_of(subject),
        "source": "null",
    }
    why = TOO_LARGE
    if live:
        try:
            data["source"] = functions_of(subject, data)
        except ChainruleError as error:
            why = str(error)
            data.pop("passes", None)
        else:
            data["stories"], data["pieces"] = in_pieces(stories(subject) if subject.told else ())
            return data
    data["live"] = False
    data["note"] = " ".join([subject.note, f"The numbers are those that were recorded: {why}."]).strip()
    data["recorded"] = {
        "values": [packed(subject.live.number(step)) for step in subject.program.steps],
        "gradients": [
            packed(np.zeros(step.shape) if g is None else g) if step.requires_grad else None
            for step, g in zip(subject.program.steps, gradients_of(subject), strict=True)
        ],
    }
    return data


def gradients_of(subject: Subject) -> list[Any]:
    """The right gradients in double precision, by the step's place."""
    with Quiet():
        found = right(Recorded(subject.program, subject.numbers)).gradients
    return [found.get(step) for step in subject.program.steps]


def functions_of(subject: Subject, data: dict[str, Any]) -> str:
    """The source of the functions; what their results are is added to the data."""
    printed: list[str] = []
    data["passes"] = []
    for which in passes_of(subject):
        made = print_pass(subject, which)
        told = {"kind": which.kind, "says": which.says, "forgets": which.forgets}
        data["passes"].append({**told, "keys": made.keys, "arrivals": made.arrivals, "code": made.code})
        printed.append(made.source)
    sources = ["passes: [\n" + ",\n".join(printed) + "\n]", f"loss: {print_loss(subject)}"]
    rows = ",\n".join([f"{edge}: {source}" for edge, source in print_rows(subject).items()])
    sources.append(f"rows: {{{rows}}}")
    hints = print_hints(subject, data["asking"]) if subject.told else None
    if hints is not None:
        source, data["hints"] = hints
        sources.append(f"hints: {source}")
    says = print_says(subject)
    if says is not None and data["points"] is not None:
        source, data["points"]["takes"] = says
        sources.append(f"says: {source}")
    batch = print_batch(subject)
    if batch is not None:
        data["batch"] = data["points"]["room"] if data["points"] is not None else subject.rows
        sources.append(f"batch: {batch}")
    averaged = [(n, "wrong-average") for n in (subject.rows, 1 / subject.rows)] if subject.rows > 1 else []
    usual = ((-1, "sign"), (2, "factor"), (0.5, "factor"), *averaged)
    data["usual"] = [[times, name, *KINDS[name]] for times, name in usual]
    data["slips"] = {name: KINDS[name] for name in ("transposed", "batch-sum-missing", "other-parameter")}
    size = sum([step.size for step in subject.trained])
    data["optimizers"] = {}
    for kind, (_, _, share) in OPTIMIZERS.items():
        whole, kept = print_optimizer(kind, size)
        pair, _ = print_optimizer(kind, 2)
        data["optimizers"][kind] = {"kept": kept, "share": share}
        sources.append(f"{kind}: {{ all: {whole}, pair: {pair} }}")
    data["exports"] = exports_of(subject)
    data["watched"] = watched(subject)
    return "{\n" + ",\n".join(sources) + "\n}"


def in_pieces(told: Sequence[Story]) -> tuple[list[Any], list[str]]:
    """Stories with numbers for the pieces of their HTML, and the pieces: one graph is told again and again."""
    numbers: dict[str, int] = {}

    def pieces(html: str) -> list[int]:
        return [numbers.setdefault(piece, len(numbers)) for piece in FORMULA.split(html) if piece]

    stories = [[s.asked, s.dialect, [[t.branch, pieces(t.html), t.places, t.still] for t in s.tellings]] for s in told]
    return stories, list(numbers)


def titled(subject: Subject) -> str:
    """What a menu calls a subject that has no title."""
    return f"{subject.names[subject.program.output]}, of {several(subject.computed, 'step')}"


def described(subject: Subject, step: Step) -> dict[str, Any]:
    """A step in words, and how it may be moved."""
    live = subject.live
    formula = live.title(step).partition(" = ")[2] if step.op is not None and len(subject.program) <= MOST_LIVE else ""
    return {
        "name": subject.names[step],
        "shown": unicode(live.whole_symbols[live.letters[step]]),
        "formula": formula,
        "op": step.operation,
        "shape": list(step.shape),
        "moves": step.requires_grad,
    }


def layers_of(subject: Subject) -> list[dict[str, Any]]:
    """Where the errors δ of a net's layers are: the weighted inputs, and the activations behind them.

    Of single numbers, the steps by how far they are from the result.
    """
    if isinstance(subject.output, Value):
        far: dict[Step, int] = {subject.program.output: 0}
        for step in reversed(subject.program.steps):
            if step in far:
                far.update({x: max(far.get(x, 0), far[step] + 1) for _, x in step.edges})
        rows: dict[int, list[int]] = {}
        for step, steps_away in far.items():
            if step.op is not None:
                rows.setdefault(steps_away, []).append(step.place)
        return [{"name": listed(subject, rows[n]), "steps": rows[n]} for n in sorted(rows, reverse=True)]
    found: list[dict[str, Any]] = []
    for step in subject.program.steps:
        if step.operation in ("affine", "matmul", "conv2d", "conv2d_plus") and step.requires_grad:
            after = [user for user, _ in subject.program.consumers[step.place]]
            relu = [user.place for user in after if user.operation == "relu"]
            found.append({"name": f"layer {len(found) + 1}", "steps": [step.place], "relu": relu})
    return found


def asking(subject: Subject, layers: Sequence[Mapping[str, Any]]) -> list[int]:
    """The steps whose gradients are asked for: of nets the weights, and the sums of layers."""
    moving = [step for step in subject.program.steps if step.requires_grad]
    sums = {place for layer in layers for place in layer["steps"]}
    few = [step.place for step in moving if step.op is None or step.place in sums]
    return [step.place for step in moving] if subject.is_scalar or len(few) < 2 else few


def looked_at(subject: Subject) -> int:
    """The step that is opened first: an image that goes in, or else the first weight."""
    for step in subject.program.leaves:
        if step.kind is Kind.DATA and step.size >= PACKED and step.shape[0] == 1:
            return step.place
    return subject.in_turn[0].place if subject.trained else subject.program.output.place


def telling(subject: Subject) -> list[list[int]]:
    """The two numbers with the largest gradients among the weights that are trained, as a leaf and an entry."""
    program = subject.program
    gradients = gradients_of(subject)
    axes = max([step.ndim for step in subject.trained], default=0)
    found = [
        (-abs(float(g)), n, at)
        for n, step in enumerate(program.leaves)
        if step in subject.trained and step.ndim == axes and gradients[step.place] is not None
        for at, g in enumerate(np.ravel(gradients[step.place]))
        if np.isfinite(g)
    ]
    return [[n, at] for _, n, at in sorted(found)[:2]]


def listed(subject: Subject, places: list[int]) -> str:
    """The names of steps that are as far from the result, or of the first of them."""
    names = [subject.live.name(subject.program.steps[place]) for place in sorted(places)]
    return ", ".join(names[:2]) + (", …" if len(names) > 2 else "")


def points_of(subject: Subject) -> dict[str, Any] | None:
    """The points on the plane; none where the data are no points."""
    points = subject.points
    if points is None:
        return None
    leaves = {step.place: n for n, step in enumerate(subject.program.leaves)}
    x, y = subject.leaves[leaves[points.x]][: points.count], subject.leaves[leaves[points.y]][: points.count]
    low, high = x.min(axis=0), x.max(axis=0)
    room = 0.15 * (high - low) + 0.1
    return {
        "count": points.count,
        "room": points.room,
        "x": leaves[points.x],
        "y": leaves[points.y],
        "share": leaves[points.share],
        "steps": steps_by_row(subject.program, points),
        "low": (low - room).tolist(),
        "high": (high + room).tolist(),
        **targets_of(y),
        "grid": GRID,
        "logits": points.logits,
    }


def targets_of(y: Any) -> dict[str, Any]:
    """What a point may be: one of two numbers, one of the classes that have a column each, or an amount."""
    if y.shape[1] > 1:
        return {"classes": list(range(y.shape[1])), "columns": y.shape[1], "amounts": False}
    found = sorted(set(y.ravel().tolist()))
    if len(found) <= 2:
        return {"classes": found, "columns": 1, "amounts": False}
    return {"classes": [found[0], (found[0] + found[-1]) / 2, found[-1]], "columns": 1, "amounts": True}


def steps_by_row(program: Program, points: Points) -> list[int]:
    """The places of the steps that have a row for each point."""
    found = {points.x, points.y, points.share}
    for step in program.steps:
        if step.shape[:1] == (points.room,) and any([x.place in found for x in step.needs]):
            found.add(step.place)
    return sorted(found)


def packed(x: Any) -> Any:
    """A number, nested lists, or of a large array the bytes of its entries; what is no number is a word."""
    array = np.asarray(x)
    if array.size >= PACKED:
        data = base64.b64encode(array.astype("<f8").tobytes()).decode()
        return {"shape": list(array.shape), "base64": data}
    return worded(array.astype(float).tolist())


def worded(x: Any) -> Any:
    """Numbers that JSON has none for as words."""
    if isinstance(x, list):
        return [worded(part) for part in x]
    if np.isfinite(x):
        return x
    return "NaN" if np.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def zipped(x: Any) -> str:
    """Data as JSON, made small, in letters."""
    return base64.b64encode(gzip.compress(json.dumps(x, ensure_ascii=False).encode(), mtime=0)).decode()

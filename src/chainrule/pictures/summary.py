"""Few boxes for many nodes: steps that are computed alike in one box, or, where no two are, stretches of the graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.pictures.live import Live
from chainrule.pictures.modules import Path
from chainrule.pictures.numbers import NONE, extent
from chainrule.pictures.sketch import Box, Look
from chainrule.program import Kind, Step

MOST = 60
"""Boxes of a picture; of a larger graph several steps share one."""
BANDS = 12
"""Stretches of a graph in which no two steps are alike."""
COUNTED = 3
"""Operations that a box names."""

Blocks = list[list[Step]]


def in_modules(live: Live, owner: Mapping[Step, Path], opened: Collection[str] | None) -> Blocks:
    """One block for each module that is not among those `opened` (None: all are); others step by step."""
    found: dict[Hashable, list[Step]] = {}
    for step in live.steps:
        path = owner.get(step, ())
        shut = opened is not None and path and path[-1] not in opened
        found.setdefault(path if shut else step, []).append(step)
    return list(found.values())


def shut_at(owner: Mapping[Step, Path], level: int) -> dict[Step, Path]:
    """Modules with all that is deeper as one."""
    return {step: path[:level] for step, path in owner.items() if level}


def shut_but(owner: Mapping[Step, Path], opened: Collection[str]) -> dict[Step, Path]:
    """Modules with all that is in one that is not opened as one."""
    found: dict[Step, Path] = {}
    for step, path in owner.items():
        stop = next((n for n, name in enumerate(path, 1) if name not in opened), len(path))
        found[step] = path[:stop]
    return found


def alike(live: Live, owner: Mapping[Step, Path]) -> Blocks:
    """Steps computed by the same operations from the same kinds of leaves, as the same line of a loop makes them.

    What belongs to a module is one block with all of it.
    """
    number: dict[Any, int] = {}
    place: list[int] = []
    found: dict[int, list[Step]] = {}
    sums: dict[int, Any] = {}
    """The operation of each block."""
    for step in live.steps:
        if step in owner:
            key: Any = owner[step]
        elif step.op is None:
            key = (step.kind, step.shape, live.labels.get(id(live.node(step)), "").partition("[")[0])
        else:
            inputs = [place[x.place] if isinstance(x, Step) else -1 for x in step.inputs]
            running = max(inputs, default=-1)
            if running in sums and sums[running] is step.op and inputs.count(running) == 1:
                place.append(running)  # a running total goes on: what it adds is older than itself
                found[running].append(step)
                continue
            key = (step.op, step.shape, tuple(inputs))
        known = number.setdefault(key, len(number))
        if step not in owner and step.op is not None:
            sums[known] = step.op
        place.append(known)
        found.setdefault(known, []).append(step)
    return list(found.values())


def in_bands(live: Live) -> Blocks:
    """Stretches of the graph from the leaves to the output."""
    level: list[int] = []
    for step in live.steps:
        level.append(max([level[x.place] + 1 for x in step.input_steps], default=0))
    deepest = max(level)
    # A leaf stands just before its first use: further on, an arrow would lead back from there.
    first: dict[Step, int] = {}
    for step in live.steps:
        leaves = [x for x in step.inputs if isinstance(x, Step) and x.op is None]
        first.update({x: min(first.get(x, deepest), level[step.place] - 1) for x in leaves})
    for leaf, n in first.items():
        level[leaf.place] = n
    found: dict[int, list[Step]] = {}
    for step in live.steps:
        found.setdefault(min(level[step.place] * BANDS // (deepest + 1), BANDS - 1), []).append(step)
    return [found[k] for k in sorted(found)]


def box_of(live: Live, steps: Sequence[Step], title: str, more: Sequence[str] = ()) -> Box:
    """One box for several steps: how many of what, and from where to where their numbers and gradients reach."""
    made = [step for step in steps if step.op is not None]
    shown = made or list(steps)
    data = spread([live.number(step) for step in shown], live.digits)
    moving = [step for step in shown if step.requires_grad]
    held = [live.gradients[step] for step in moving if step in live.gradients]
    grad = spread(held, live.digits) if held else NONE if moving else ""
    wrong = next((live.origins[step] for step in steps if step in live.origins), "")
    outputs = set(live.lifted.program.outputs)
    ends = any([step in outputs for step in steps])
    look = Look.OUTPUT if ends and len(steps) == 1 else Look.SEVERAL
    return Box(title, look, data, grad, tuple(more), wrong)


def spread(arrays: Iterable[Any], digits: int) -> str:
    """From where to where many numbers reach."""
    parts = [np.ravel(np.asarray(x, dtype=np.float64)) for x in arrays]
    return extent(np.concatenate(parts), digits) if parts else ""


def counted(steps: Sequence[Step], live: Live) -> str:
    kinds = Counter([live.operation(step) for step in steps])
    named = [f"{name} × {count:,}" if count > 1 else name for name, count in kinds.most_common(COUNTED)]
    return ", ".join([*named, "…"] if len(kinds) > COUNTED else named)


def parameters_in(steps: Iterable[Step]) -> int:
    """How many numbers the parameters among the steps hold."""
    return sum([step.size for step in steps if step.kind is Kind.PARAMETER])

"""Which operation of a recorded graph has the wrong derivative: each one is checked alone, where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core import graph
from chainrule.core.operation import is_node
from chainrule.core.state import Quiet
from chainrule.differences import compared, ladder, noise_of, steps_for
from chainrule.errors import ChainruleError

MOST = 300
"""Operations that are looked at."""


def wrong_operation(inputs: Sequence[Any], outputs: Sequence[Any]) -> str:
    """The first operation whose local derivative is wrong, in a sentence; nothing where every one is right."""
    seen: set[Any] = set()
    rng = np.random.default_rng(0)
    for node in reversed(graph.between(inputs, outputs)):
        if node.op is None:
            continue
        kind = (node.op, node.shape, tuple([getattr(x, "shape", ()) for x in node.inputs]))
        if kind in seen or len(seen) > MOST:
            continue
        seen.add(kind)
        for i, x in node.edges:
            wrong = wrong_in(node, i, x, rng)
            if wrong:
                names = node.op.inputs
                into = names[i] if i < len(names) else f"input {i}"
                return f"the derivative of {node.op.name} in {into} is wrong: {wrong}"
    return ""


def wrong_in(node: Any, i: int, x: Any, rng: np.random.Generator) -> str:
    """What is wrong with an operation's derivative in one of its inputs, where it stands."""
    arrays, out = node.plain()
    before = np.array(arrays[i], float)
    u = rng.normal(size=np.shape(out))
    way = rng.normal(size=before.shape)

    def along(shift: float) -> tuple[float, float]:
        moved = list(arrays)
        moved[i] = before + shift * way if before.ndim else float(before + shift * way)
        return float((np.asarray(node.op.compute(moved, node.settings)) * u).sum()), shift

    with Quiet():
        try:
            share = x.fit(node.op.pull(i, u if u.ndim else float(u), out, arrays, node.settings))
        except ChainruleError as error:
            return str(error)
        given = np.zeros(()) if share is None else np.asarray(share.data if is_node(share) else share, float)
        slope = float((given * way).sum())
        found = compared(ladder(along, steps_for(0.0, 1.0), noise_of(along)), slope)
    if found.verdict != "bug":
        return ""
    return f"along a random direction it gives {slope:.6g}, and differences {found.differences:.6g}"

"""Arrays that were put together and are taken apart again: of ``[x; y]`` the first part is x, of 𝟏xᵀ a row is x."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from chainrule.core.operation import Pointwise, book
from chainrule.core.term import name_of, shape_of
from chainrule.maths.arranged import zeros_before
from chainrule.rewrite.rearranging import reshaped

MOST_BETWEEN = 12
"""Steps between an index and what was put together."""


def taken_apart(x: Any, key: tuple[Any, ...], depth: int = 0) -> Any:
    """What an index takes of arrays put together, where it lies in one of them; otherwise None.

    Steps between that act on each entry or each row act on the part as they do on the whole.
    """
    name = name_of(x)
    if depth > MOST_BETWEEN or not shape_of(x) or (type(key[0]) is not int and not isinstance(key[0], slice)):
        return None
    if name in ("stack", "concatenate", "pad"):
        return part_taken(x, name, key)
    if isinstance(x.op, Pointwise):
        # A number goes with every part; what is repeated along the first axis does not belong to one.
        whole = [shape_of(part) == x.shape for part in x.inputs]
        if not all([same or not shape_of(part) for same, part in zip(whole, x.inputs, strict=True)]):
            return None
        parts = [taken_apart(p, key, depth + 1) if same else p for p, same in zip(x.inputs, whole, strict=True)]
    elif name == "broadcast_to" and len(key) == 1 and type(key[0]) is int and x.ndim > x.inputs[0].ndim:
        return book["broadcast_to"](x.inputs[0], shape=x.shape[1:])
    elif name == "reshape" and name_of(x.inputs[0]) == "matmul" and x.inputs[0].shape == (*x.shape, 1):
        left, right = x.inputs[0].inputs
        row = taken_apart(left, key, depth + 1) if left.ndim == 2 and type(key[0]) is int else None
        return None if row is None else book["matmul"](row, reshaped(right, right.shape[:1]))
    elif name == "outer" and len(key) == 1 and type(key[0]) is int and {1} == {part.ndim for part in x.inputs}:
        left, right = x.inputs
        is_repeated = name_of(left) == "broadcast_to" and not shape_of(left.inputs[0])
        return (left.inputs[0] if is_repeated else book["index"](left, key=key[0])) * right
    elif name == "matmul" and len(key) == 1 and x.inputs[0].ndim == 2 and x.inputs[1].ndim < 3:
        parts = [taken_apart(x.inputs[0], key, depth + 1), x.inputs[1]]
    else:
        return None
    return None if any([part is None for part in parts]) else x.op(*parts, **x.settings)


def part_taken(x: Any, name: str, key: tuple[Any, ...]) -> Any:
    """The part of a stack, of arrays end to end, or of what was padded."""
    first, *rest = key
    length = x.shape[0]
    kept = range(length)[first] if isinstance(first, slice) else range(first % length, first % length + 1)
    if name == "pad":
        start = zeros_before(x.settings["pad_width"]) if x.ndim == 1 else None
        spans = [] if start is None else [(x.inputs[0], start, start + x.inputs[0].size)]
    elif x.settings["axis"] % x.ndim:
        return None
    else:
        ends = list(accumulate([1 if name == "stack" else part.shape[0] for part in x.inputs], initial=0))
        spans = list(zip(x.inputs, ends, ends[1:], strict=False))
    for part, start, stop in spans:
        if kept and kept.step == 1 and start <= kept.start and kept.stop <= stop:
            if name == "stack":
                return at(part, rest) if type(first) is int else None
            if type(first) is int:
                return at(part, (first % length - start, *rest))
            whole = (kept.start, kept.stop) == (start, stop)
            return at(part, (slice(None) if whole else slice(kept.start - start, kept.stop - start), *rest))
    return None


def at(part: Any, key: Sequence[Any]) -> Any:
    if all([k == slice(None) for k in key]):
        return part
    return book["index"](part, key=tuple(key) if len(key) > 1 else key[0])

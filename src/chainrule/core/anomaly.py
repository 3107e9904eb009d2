"""What `detect_anomaly` asks of every result: where the first nan or infinity came from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.core.labels import users_line
from chainrule.errors import AnomalyError


def check_result(operation: str, inputs: Iterable[Any], data: Any) -> None:
    """Stop where finite inputs gave nan or infinity."""
    if np.isfinite(data).all():
        return
    inputs = list(inputs)
    if all(np.isfinite(x).all() for x in inputs):
        raise AnomalyError(
            f"{operation} gave {first_bad(data)} from finite inputs {', '.join(map(brief, inputs))} at {users_line()}"
        )


def check_share(operation: str, i: int, g: Any, share: Any, inputs: Iterable[Any], line: str) -> None:
    """Stop where a derivative turned a finite gradient into nan or infinity; `line` is where the node was recorded."""
    if np.isfinite(g).all() and not np.isfinite(share).all():
        raise AnomalyError(
            f"the derivative of {operation} in input {i} turned a finite gradient into {first_bad(share)}; its inputs "
            f"were {', '.join(map(brief, inputs))}; recorded at {line or 'a line before detect_anomaly'}"
        )


def first_bad(numbers: Any) -> str:
    """The first entry that is not finite, and its place."""
    array = np.asarray(numbers)
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    return f"{array[place]}" + (f" at {list(place)}" if place else "")


def brief(x: Any) -> str:
    """A number as it is, an array by its type, shape and range."""
    array = np.asarray(x)
    if not array.ndim:
        return f"{array}"
    extent = f" from {array.min():.4g} to {array.max():.4g}" if array.size else ""
    return f"{array.dtype}{list(array.shape)}{extent}"

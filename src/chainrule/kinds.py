"""What kind of thing something is that a program gave; a truth value is no number."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[tuple[Any, ...], np.dtype[Any]]
"""An array of any shape and dtype."""

PLAIN = (bool, int, float, complex, str, bytes, np.generic, type(None))
"""Kinds of which a thing is all that its value is."""


def is_whole(x: Any, least: int | None = None) -> bool:
    """Whether something is a whole number, of Python's type or of NumPy's, and no less than the least.

    >>> import numpy as np
    >>> from chainrule.kinds import is_whole
    >>> is_whole(np.int64(3), 1), is_whole(0, 1), is_whole(True), is_whole(2.0)
    (True, False, False, False)
    """
    return isinstance(x, int | np.integer) and not isinstance(x, bool) and (least is None or bool(x >= least))


def is_real(x: Any) -> bool:
    """Whether something is a real number, of Python's types or of NumPy's."""
    return isinstance(x, int | float | np.integer | np.floating) and not isinstance(x, bool)


def is_equal(x: Any, other: Any) -> bool:
    """Whether something is the same thing as another, or an equal plain one of its kind."""
    return x is other or (isinstance(other, PLAIN) and type(x) is type(other) and bool(x == other))


def what_is(x: Any) -> str:
    """What something is, with its article."""
    if x is None:
        return "None"
    name = "text" if isinstance(x, str) else type(x).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"

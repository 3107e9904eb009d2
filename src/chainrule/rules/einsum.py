"""Einstein's summation in NumPy's notation, brought to the form that has a rule (`einsum` in rules/linear.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import composed
from chainrule.errors import ShapeError
from chainrule.rules import linear
from chainrule.rules.composed import gathered, shape_of
from chainrule.rules.linear import LETTERS, index, reshape

DOTS = "..."


@composed
def einsum(subscripts: str, *operands: Any) -> Any:
    """Sums of products by letters, as ``np.einsum``: one letter for each axis, and the sum runs over those left out.

    Without ``->`` the result has the letters that stand once, in order of the alphabet. A letter that stands twice in
    an operand takes its diagonal, and ``...`` stands for any axes, which broadcast. Raises ShapeError where letters and
    shapes do not fit. Two operands at a time are multiplied, in an order that NumPy chooses.

    >>> import chainrule as cr, numpy as np
    >>> a = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> cr.einsum("ij,j->i", a, np.array([1.0, 10.0]))
    array([21., 43.])
    >>> float(cr.einsum("ii->", a))
    5.0
    """
    if not isinstance(subscripts, str):
        raise ShapeError('einsum takes its letters first: einsum("ij,jk->ik", x, y)')
    arrays = [gathered(x) for x in operands]
    letters, result = spelled_out(subscripts, [len(shape_of(x)) for x in arrays])
    arrays, letters = without_repeats(subscripts, arrays, letters)
    for k, own in enumerate(letters):
        elsewhere = {*result}.union(*letters[:k], *letters[k + 1 :])
        alone = tuple([axis for axis, letter in enumerate(own) if letter not in elsewhere])
        if alone:
            arrays[k] = linear.sum(arrays[k], axis=alone)
            letters[k] = "".join([letter for letter in own if letter in elsewhere])
    if len(arrays) == 1:
        # With nothing to be multiplied it is a sum, a diagonal, another order of axes, or several of these.
        (x,), (own,) = arrays, letters
        if own != result:
            return linear.transpose(x, axes=tuple([own.index(letter) for letter in result]))
        return linear.identity(x) if x is operands[0] else x
    return linear.einsum(*arrays, subscripts=f"{','.join(letters)}->{result}")


def spelled_out(subscripts: str, axes: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with dots replaced by letters that are free."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    if len(terms) != len(axes):
        raise ShapeError(f"einsum {subscripts!r} is for {len(terms)} operands, and got {len(axes)}")
    if not {*given, *result} <= {*LETTERS, *",."} or any("." in term.replace(DOTS, "", 1) for term in (*terms, result)):
        raise ShapeError(f"einsum {subscripts!r} has more in it than letters, commas, one -> and dots in threes")
    free = "".join([letter for letter in LETTERS if letter not in given])
    hidden = [count - len(term.replace(DOTS, "")) for term, count in zip(terms, axes, strict=True)]
    for term, count, rest in zip(terms, axes, hidden, strict=True):
        if rest < 0 or (rest and DOTS not in term):
            raise ShapeError(f"einsum {subscripts!r} writes {term!r} for an operand with {count} axes")
    longest = free[: max(hidden, default=0)]
    letters = [term.replace(DOTS, longest[len(longest) - rest :]) for term, rest in zip(terms, hidden, strict=True)]
    once = sorted([letter for letter in {*given} - {*",."} if given.count(letter) == 1])
    result = result.replace(DOTS, longest) if arrow else longest + "".join(once)
    if len({*result}) < len(result) or not {*result} <= {*"".join(letters)}:
        raise ShapeError(f"einsum {subscripts!r}: the result needs letters of the operands, each once")
    return letters, result


def without_repeats(subscripts: str, arrays: Sequence[Any], letters: Sequence[str]) -> tuple[list[Any], list[str]]:
    """The operands with every letter once (a repeated one takes the diagonal), and without axes that are repeated."""
    lengths: dict[str, int] = {}
    for x, own in zip(arrays, letters, strict=True):
        for letter, n in zip(own, shape_of(x), strict=True):
            known = lengths.get(letter, 1)
            if 1 not in (known, n) and known != n:
                raise ShapeError(f"einsum {subscripts!r} gives one letter to axes of lengths {known} and {n}")
            lengths[letter] = n if known == 1 else known
    pairs = [single(x, own, lengths) for x, own in zip(arrays, letters, strict=True)]
    return [x for x, _ in pairs], [own for _, own in pairs]


def single(x: Any, own: str, lengths: dict[str, int]) -> tuple[Any, str]:
    """One operand with every letter once."""
    kept = [(letter, n) for letter, n in zip(own, shape_of(x), strict=True) if n == lengths[letter]]
    if len(kept) < len(own):
        x, own = reshape(x, shape=tuple([n for _, n in kept])), "".join([letter for letter, _ in kept])
    once = "".join(dict.fromkeys(own))
    if len(once) == len(own):
        return x, own
    along = {
        letter: np.arange(lengths[letter]).reshape((-1,) + (1,) * (len(once) - k - 1)) for k, letter in enumerate(once)
    }
    return index(x, key=tuple([along[letter] for letter in own])), once

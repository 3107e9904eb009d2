r"""Numbers as they are printed, and the proof that what is printed is right.

An equation is written with few digits, read back from its own text, computed, and compared: its factors must give its
result within one unit of the last place printed. Where they do not, the factors get more digits. Where no number of
digits helps, or the result is not the engine's, this package has a fault, and says so instead of printing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.derivation.record import Equation
from chainrule.errors import ChainruleError
from chainrule.expression.maths.value import magnitude_of, value_of

DIGITS = 6
"""Significant digits of a printed number."""

FULL = 17
"""Digits that tell every double from its neighbours."""

EXACT = 1e-9
"""How far an equation with all digits may be from the engine, relative to its largest term: its rounding."""


class Show:
    """Writes numbers as LaTeX with so many significant digits."""

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def __call__(self, x: Any) -> str:
        """A number, a column for a vector, a matrix."""
        array = np.asarray(x, dtype=np.float64)
        if array.ndim == 0:
            return number(float(array), self.digits)
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            raise ChainruleError(f"internal error, please report it: an array {array.shape} has no place on paper")
        rows = [" & ".join([number(float(entry), self.digits) for entry in row]) for row in array]
        return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"

    def factor(self, x: Any) -> str:
        """The same where something stands before or after it: a negative number goes in parentheses."""
        text = self(x)
        return rf"\left({text}\right)" if text.startswith("-") else text

    def product(self, factors: Sequence[Any], sign: str = r"\cdot") -> str:
        """Several factors in a row."""
        return f" {sign} ".join([self.factor(x) for x in factors])

    def sum(self, terms: Sequence[Any]) -> str:
        """Several terms in a row."""
        return " + ".join([self.factor(x) for x in terms])


def number(x: float, digits: int) -> str:
    r"""A number in LaTeX: no digits that say nothing, and powers of ten only far from 1.

    >>> from chainrule.derivation.proof import number
    >>> number(-18.0, 6), number(1 / 3, 4), number(2.5e-9, 6)
    ('-18', '0.3333', '2.5 \\cdot 10^{-9}')
    """
    if not np.isfinite(x):
        return r"\text{nan}" if np.isnan(x) else r"\infty" if x > 0 else r"-\infty"
    if x == 0:
        return "0"
    full = digits >= FULL
    written = np.format_float_scientific(x, trim="-") if full else f"{x:.{digits - 1}e}"
    mantissa, _, exponent = written.partition("e")
    power, rounded = int(exponent), float(written)
    if -5 <= power < digits or (power < FULL and x == rounded and x == int(x)):
        return np.format_float_positional(rounded, trim="-")
    shown = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return rf"{shown} \cdot 10^{{{power}}}"


def proved(
    symbols: Sequence[str],
    numbers: Callable[[Show], Sequence[str]],
    value: Any,
    *,
    digits: int = DIGITS,
    note: str = "",
) -> Equation:
    r"""An equation whose numbers come out when they are worked out by hand.

    `symbols` are its parts in symbols; `numbers` writes its parts in numbers with a `Show`, all but the last, which is
    the engine's `value`. The factors get as many digits as it takes; `digits` sets those of the result, which has fewer
    where rounding leaves no more: of a sum that cancels out but for rounding, 0 is shown and the rest is noted.

    >>> from chainrule.derivation.proof import proved
    >>> proved([r"\frac{\partial L}{\partial w}", r"e \cdot x"], lambda show: [show.product([-18.0, 2.0])], -36.0).parts
    ('\\frac{\\partial L}{\\partial w}', 'e \\cdot x', '\\left(-18\\right) \\cdot 2', '-36')
    """
    result = Show(digits)(value)
    exact = numbers(Show(FULL))
    if any([stopped(value_of(part), value) for part in exact]):
        return Equation((*symbols, result), numbers=1, note="; ".join([x for x in (note, NOT_TAKEN) if x]))
    for part in exact:
        if not near(value_of(part), value, EXACT * magnitude_of(part)):
            raise ChainruleError(
                f"internal error, please report it: {' = '.join(symbols)} gives {part}, and the engine {value!r}"
            )
    for more in range(digits, FULL + 1):
        parts = numbers(Show(more))
        if all([agrees(value_of(part), result, value, digits) for part in parts]):
            return Equation((*symbols, *parts, result), numbers=len(parts) + 1, note=note)
    shown, left = as_far_as_rounding_allows(exact, value, digits)
    return Equation((*symbols, *exact, shown), numbers=len(exact) + 1, note="; ".join([x for x in (note, left) if x]))


NOT_TAKEN = "of what is infinite nothing passes a branch that was not taken"
"""Why a number comes out where the product of the numbers before it has none."""


def stopped(product: Any, value: Any) -> bool:
    """Whether a product is ∞ · 0, where the engine has the 0 of a branch that was not taken."""
    ours, engine = alike(product, value)
    return ours.shape == engine.shape and bool(np.any(np.isnan(ours) & np.isfinite(engine)))


def as_far_as_rounding_allows(parts: Sequence[str], value: Any, digits: int) -> tuple[str, str]:
    """The result in as many digits as its factors give in any order, and what is to be said of the rest."""
    if digits < FULL:
        for fewer in range(digits - 1, 0, -1):
            shown = Show(fewer)(value)
            if all([agrees(value_of(part), shown, value, fewer) for part in parts]):
                return shown, ""
        if np.ndim(value) == 0 and abs(value) <= EXACT * max([float(magnitude_of(part)) for part in parts]):
            return "0", f"up to rounding: the computer has ${Show(digits)(value)}$"
    return Show(FULL)(value), ""


def near(ours: Any, engine: Any, tolerance: float) -> bool:
    """Whether two numbers or arrays are the same up to rounding."""
    ours, engine = alike(ours, engine)
    # Doubles below the smallest normal one have few digits left.
    tolerance = np.maximum(tolerance, np.finfo(np.float64).tiny)
    return ours.shape == engine.shape and np.allclose(ours, engine, rtol=EXACT, atol=tolerance, equal_nan=True)


def agrees(computed: Any, printed: str, value: Any, digits: int) -> bool:
    """Whether what the printed factors give differs from the printed result by one in its last place at most."""
    ours, exact = alike(computed, value)
    shown = alike(value_of(printed), exact)[0]
    if ours.shape != shown.shape:
        return False
    with np.errstate(all="ignore"):
        finite = np.isfinite(exact) & (exact != 0)
        size = np.floor(np.log10(np.abs(np.where(finite, exact, 1.0))))
        last_place = np.where(finite, 10.0 ** (size - digits + 1), 0.0)
        close = np.abs(ours - shown) <= last_place * (1 + 1e-9)
        same = (ours == shown) | (np.isnan(ours) & np.isnan(shown))
        rounding = (exact == 0) & (np.abs(ours) < 10.0 ** (-digits))
    return bool(np.all(close | same | rounding))


def alike(x: Any, y: Any) -> tuple[Any, Any]:
    """Two results to compare: a vector as the column that it is printed as, a matrix of one entry as a number."""
    arrays = [np.asarray(z, dtype=np.float64) for z in (x, y)]
    if all([array.size == 1 for array in arrays]):
        return arrays[0].reshape(()), arrays[1].reshape(())
    columns = [array[:, None] if array.ndim == 1 else array for array in arrays]
    return columns[0], columns[1]

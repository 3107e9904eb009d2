"""What settings and data may be; scikit-learn wants both checked when an estimator is fitted, not when it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import validate_data

from chainrule.errors import DataError

Allowed = tuple[Callable[[Any], bool], str]
"""Whether a setting is allowed, and what is, in words."""


def one_of(*choices: str) -> Allowed:
    return lambda given: isinstance(given, str) and given in choices, f"one of {', '.join(choices)}"


def whole(least: int = 1, *, words: tuple[str, ...] = (), endless: bool = False) -> Allowed:
    """A whole number, or one of some words, or infinity."""

    def allowed(given: Any) -> bool:
        if isinstance(given, str):
            return given in words
        if endless and isinstance(given, Real) and given == math.inf:
            return True
        return isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= least

    others = [repr(word) for word in words] + ["inf"] * endless
    return allowed, " or ".join([f"a whole number of at least {least}", *others])


def number(least: float = 0.0, most: float = math.inf, *, above: bool = False, below: bool = False) -> Allowed:
    """A number between two others; `above` and `below` say that it is not the one or the other itself."""

    def allowed(given: Any) -> bool:
        if not isinstance(given, Real) or isinstance(given, bool):
            return False
        value = float(given)
        return (value > least if above else value >= least) and (value < most if below else value <= most)

    upper = "" if most == math.inf else f" and {'below' if below else 'at most'} {most:g}"
    return allowed, f"a number {'above' if above else 'of at least'} {least:g}{upper}"


def true_or_false() -> Allowed:
    return lambda given: isinstance(given, bool) or type(given).__name__ == "bool", "True or False"


def precision() -> Allowed:
    """A type of number to compute in, or None."""
    return lambda given: given is None or given in ("float32", "float64", np.float32, np.float64), (
        "None, 'float32' or 'float64'"
    )


def sizes() -> Allowed:
    """A whole number of at least 1, or several in a row."""

    def allowed(given: Any) -> bool:
        row = list(given) if hasattr(given, "__iter__") and not isinstance(given, str) else [given]
        return all(isinstance(size, Integral) and not isinstance(size, bool) and int(size) >= 1 for size in row)

    return allowed, "a whole number of at least 1, or several, as (64, 32)"


def check_settings(estimator: Any, allowed: Mapping[str, Allowed]) -> None:
    """Refuse the first setting of an estimator that is not allowed."""
    for name, (fits, words) in allowed.items():
        given = getattr(estimator, name)
        if not fits(given):
            raise ValueError(f"{type(estimator).__name__}: {name} is {words}, not {given!r}")


def check_same_classes(known: Any, given: Any) -> None:
    """Refuse classes that are given to a later call of partial_fit, and are not those of the first."""
    if given is not None and not np.array_equal(known, unique_labels(given)):
        raise ValueError(f"classes={given!r} is not the same as on the last call to partial_fit, {known!r}")


def check_no_new_classes(estimator: Any, y: Any) -> None:
    """Refuse targets of a class that an estimator has not known from its start."""
    new = np.setdiff1d(unique_labels(y), estimator.classes_)
    if len(new):
        raise DataError(
            f"y has the classes {new.tolist()}, which this {type(estimator).__name__} was not made for; it knows "
            f"{estimator.classes_.tolist()}"
        )


def parted(estimator: Any, columns: Sequence[Any], stratify: Any) -> tuple[list[Any], list[Any]]:
    """The examples to learn from, and the share of them that early stopping watches."""
    from sklearn.model_selection import train_test_split

    share, random = estimator.validation_fraction, estimator._random
    parts: list[Any] = train_test_split(*columns, random_state=random, test_size=share, stratify=stratify)
    return parts[0::2], parts[1::2]


def validated(estimator: Any, *data: Any, **how: Any) -> Any:
    """Features, or features and targets, as scikit-learn checks them, but for the place of what is not finite."""
    try:
        return validate_data(estimator, *data, **how)
    except ValueError as error:
        place = not_finite(data[0]) if "contains" in str(error) else ""
        if not place:
            raise
        raise DataError(f"{str(error).splitlines()[0]} First in {place}: fill it in, or leave it out.") from error


def not_finite(features: Any) -> str:
    """Where a table of numbers has its first nan or infinity, in words; empty if it has none, or is no table."""
    try:
        wrong = ~np.isfinite(np.asarray(features, float))
    except (TypeError, ValueError):
        return ""
    if wrong.ndim != 2 or not wrong.any():
        return ""
    row, column = (int(i) for i in np.argwhere(wrong)[0])
    names = getattr(features, "columns", None)
    return f"row {row}, column {column if names is None else names[column]}"

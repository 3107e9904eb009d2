"""Pages by the hundred thousand: most of them small formulas, each asked in one way and written in one format by turns.

``.venv/bin/python -m tests.derivation.many_pages FIRST COUNT`` tells of the pages of so many seeds.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.derivation.explain import NEAREST, explain
from chainrule.derivation.notation import NOTATIONS
from chainrule.expression import parse

from . import random_pages, wider_pages
from .random_pages import LAYOUTS, Asked, Writer, faults_of


def small(seed: int) -> Asked:
    """A formula of a few operations, or two of them after another."""
    rng = np.random.default_rng(seed)
    writer = Writer(rng)
    text = writer.text(0, int(rng.integers(1, 3)))
    if rng.random() < 0.2:
        text = f"h = {text}; f = {writer.text(0, 1)} * h"
    names = {name: axes for name, axes in writer.names.items() if re.search(rf"\b{name}\b", text)}
    edgy = bool(rng.random() < 0.25)
    values = {name: writer.value(axes, edgy) for name, axes in names.items()}
    options: dict[str, Any] = {
        "dialect": writer.one(None, *NEAREST),
        "notation": writer.one(None, *NOTATIONS),
        "layout": writer.one(None, *LAYOUTS),
        "digits": writer.one(3, 6, 6, 17),
        "order": writer.one(1, 1, 1, 1, 1, 1, 1, 2),
    }
    wrt = writer.one(None, *names)
    return Asked(
        f"explain({text!r}, {wrt!r}, values={values})",
        ((str(options), lambda: explain(text, wrt, values=values, **options)),),
    )


def recorded(seed: int) -> Asked:
    """A formula of numbers and arrays, most of whose terms cancel out, of Values or Tensors of either precision."""
    rng = np.random.default_rng(seed)
    writer = Writer(rng, CANCELLING)
    text = writer.text(0, int(rng.integers(1, 3)))
    if rng.random() < 0.7:
        name = writer.one(*writer.names) if writer.names else writer.name(0)
        beside = re.sub(rf"\b{name}\b", writer.one(f"({name} + 1)", f"({name}*3/3)", f"({name}**2/{name})", name), text)
        text = f"({text}) - ({beside})"
        text = writer.one(
            text, f"({text})*{name}", f"({text}) + {writer.text(0, 1)}", f"({text})/({writer.text(0, 1)})"
        )
    names = {name: axes for name, axes in writer.names.items() if re.search(rf"\b{name}\b", text)}
    values = {name: np.array(writer.value(axes, bool(rng.random() < 0.8))) for name, axes in names.items()}
    kind = writer.one("typed", "Value", "float64", "float32") if not any(names.values()) else writer.one(*KINDS)
    options = {"dialect": writer.one(None, *NEAREST), "digits": writer.one(3, 6, 6, 17)}
    wrt = writer.one(None, *names)
    words = f"{kind} {text!r}, {wrt!r}, { ({name: x.tolist() for name, x in values.items()}) }"

    def told() -> Any:
        if kind == "typed":
            return explain(text, wrt, values={name: x.tolist() for name, x in values.items()}, **options)
        nodes = {name: leaf(kind, x, name) for name, x in values.items()}
        asked: Any = None if wrt is None else nodes[wrt]
        if asked is not None and np.ndim(asked.data) and seed % 2:
            asked = asked[tuple([seed % n for n in asked.shape])]
        return explain(parse(text).run(nodes), asked, **options)

    return Asked(words, ((str(options), told),))


CANCELLING = (0.0, 1.0, 1e16, 1e8, 30.0, 1e-9, 0.3, -1e8, 1e-17, 0.1)
"""Numbers so far apart in size that terms cancel out."""
KINDS = ("typed", "float64", "float32")


def leaf(kind: str, numbers: Any, name: str) -> Any:
    """What a name stands for in a computation that is recorded."""
    if kind == "Value":
        return cr.Value(float(numbers), label=name)
    return cr.Tensor(numbers, requires_grad=True, label=name, dtype=kind)


FAMILIES = (*[small] * 16, wider_pages.tied, wider_pages.without_numbers, random_pages.graph, random_pages.net)
FROM = 3_000_000
"""The first seed at which more is asked."""
MORE = (*[small] * 6, *[recorded] * 8, *wider_pages.FAMILIES)


def page(seed: int) -> Asked:
    """What is asked at a seed."""
    with np.errstate(all="ignore"):
        families = FAMILIES if seed < FROM else MORE
        return families[seed % len(families)](seed)


def faults(seed: int) -> Iterator[str]:
    """All that is wrong with the page of a seed."""
    return faults_of(page, seed, by_turns=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)
    first, count = map(int, sys.argv[1:])
    wrong = 0
    for seed in range(first, first + count):
        for fault in faults(seed):
            wrong += 1
            print(fault, flush=True)
        if seed % 1000 == 999:
            print(f"{seed + 1 - first} pages, {wrong} faults", flush=True)

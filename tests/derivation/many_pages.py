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

from chainrule.derivation.explain import NEAREST, explain
from chainrule.derivation.notation import NOTATIONS

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


FAMILIES = (*[small] * 16, wider_pages.tied, wider_pages.without_numbers, random_pages.graph, random_pages.net)


def page(seed: int) -> Asked:
    """What is asked at a seed."""
    with np.errstate(all="ignore"):
        return FAMILIES[seed % len(FAMILIES)](seed)


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

"""The gradients of a batch as JavaScript: those of the loss of a few rows, which count once each, and others not."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.core.state import Quiet
from chainrule.core.traced import watched_refusals
from chainrule.livepage.passes import all_names, leaf_names, printed
from chainrule.livepage.subject import Rows, Subject
from chainrule.program import run
from chainrule.program.run import record


def print_batch(subject: Subject) -> str | None:
    """A function of the leaves, and of how often each row counts: the gradients of what is trained, in order.

    None where there are no rows, or where one of them has a say in what the net says of another.
    """
    rows = subject.batches
    if rows is None or not are_apart(subject, rows):
        return None
    program, names = subject.program, all_names(subject)
    trained = [program.leaves.index(step) for step in subject.trained]

    def gradients(given: list[Any]) -> list[Any]:
        *leaves, counted = given

        def cost(moved: list[Any]) -> Any:
            held = dict(zip(trained, moved, strict=True))
            numbers = record(program, [held.get(n, x) for n, x in enumerate(leaves)], names)
            watched_refusals()  # the page counts a row once or not at all, which no loss refuses
            wanted = rows.wanted if rows.target is None else numbers[rows.target]
            return rows.loss(numbers[rows.score], wanted, sample_weight=counted)

        return list(cr.grad(cost)([leaves[n] for n in trained]))

    counted = np.arange(rows.room) % 2.0
    return printed(gradients, [*subject.leaves, counted], [*leaf_names(subject), "counted"])


def are_apart(subject: Subject, rows: Rows) -> bool:
    """Whether what the net says of a row depends on that alone, which a norm over the batch would change."""
    place = subject.program.leaves.index(subject.program.steps[rows.x])
    other = np.array(subject.leaves[place])
    other[0] += 1.0
    leaves = [other if n == place else x for n, x in enumerate(subject.leaves)]
    with Quiet():
        there = run(subject.program, leaves, in_double=True)[rows.score]
    return np.array_equal(there[1:], subject.numbers[rows.score][1:], equal_nan=True)

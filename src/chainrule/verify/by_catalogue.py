"""A wrong backward pass of a pair, named by the catalogue: what each mistake would give is computed and compared."""

# What a user's functions take and give is not known before they have run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.operation import compositions
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError
from chainrule.verify.answers.activations import on_tensors
from chainrule.verify.answers.traced import Tape, Traced
from chainrule.verify.differing import Differing
from chainrule.verify.grade import located
from chainrule.verify.marking.fingerprints import Fingerprint
from chainrule.verify.marking.problem import Problem, probes_of, recorded_problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.naming import Wrong
from chainrule.verify.pair import Pair
from chainrule.verify.subject import holding

ARRIVES = "g"
"""What the gradient that arrives is called."""

MOST_ENTRIES = 20_000
"""Of all inputs together; larger ones are named by their arrays alone."""

FAILS = (ChainruleError, ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError)


def by_catalogue(wrong: Wrong) -> Differing | None:
    """The mistake of a pair ``(forward, backward)`` in NumPy; nothing where the forward pass cannot be followed."""
    pair = wrong.subject
    if not isinstance(pair, Pair) or sum(leaf.array.size for leaf in pair.leaves) > MOST_ENTRIES:
        return None
    try:
        with Quiet():
            problem = problem_of(pair)
            return None if problem is None else named(wrong, pair, problem)
    except FAILS:
        return None


def problem_of(pair: Pair) -> Problem | None:
    """The forward pass as a problem: its outputs, weighed by what arrives, with the user's names; None of several."""
    tape, out = pair.on_tape()
    names = {place: leaf.name for place, leaf in enumerate(pair.leaves)}
    if not isinstance(out, Traced):
        return None
    tensors = tensors_of(tape, out.place, names)
    g = Tensor(np.ones(np.shape(out.value)), requires_grad=True)
    labels = {tensors[place]: name for place, name in names.items() if place in tensors}
    return recorded_problem(compositions["sum"](tensors[out.place] * g), {**labels, g: ARRIVES})


def tensors_of(tape: Tape, place: int, names: Mapping[int, str]) -> dict[int, Any]:
    """What a run did, done again on Tensors; activations that were written out are one step."""
    found: dict[int, Any] = {}
    for at in sorted(tape.above(place) | {place}):
        note = tape.notes[at]
        if at in names:
            found[at] = Tensor(np.array(note.value, float), requires_grad=True)
        else:
            found[at] = note.value if note.function is None else on_tensors(tape, at, found)
    return found


def named(wrong: Wrong, pair: Pair, problem: Problem) -> Differing | None:
    """The first mistake that gives what backward gives, at every probe."""
    step = problem.named.get(wrong.leaf.name)
    if step is None or ARRIVES not in problem.named:
        return None
    walks = [Walk(problem, numbers) for numbers in probes_of(problem, {})]
    leaves = [leaf for leaf in pair.leaves if leaf.name in problem.named]
    answers: list[Any] = []
    for walk in walks:
        with holding(leaves, [walk.numbers[problem.named[leaf.name]] for leaf in leaves]):
            gradients = pair.pull(np.ravel(walk.numbers[problem.named[ARRIVES]]))
        answers.append(gradients[pair.leaves.index(wrong.leaf)])
    found = located(Fingerprint(problem, walks, step, answers), wrong.leaf.name)
    return Differing(found[0].name, f"{found[0].says}, at {found[0].place}") if found else None

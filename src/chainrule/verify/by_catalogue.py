"""A wrong backward pass, named by the catalogue: what each mistake would give is computed and compared."""

# What a user's functions take and give is not known before they have run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.operation import compositions
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.errors import UNFIT
from chainrule.verify.answers.activations import with_whole_activations
from chainrule.verify.differing import Differing
from chainrule.verify.grade import located
from chainrule.verify.marking.fingerprints import Fingerprint
from chainrule.verify.marking.problem import probes_of, recorded_problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.naming import Wrong
from chainrule.verify.subject import holding

ARRIVES = "g"
"""What the gradient that arrives is called."""

MOST_ENTRIES = 20_000
"""Of all inputs together; larger ones are named by their arrays alone."""


def by_catalogue(wrong: Wrong) -> Differing | None:
    """The mistake in a backward pass that somebody wrote; nothing where the forward pass cannot be followed."""
    subject = wrong.subject
    if sum(leaf.array.size for leaf in subject.leaves) > MOST_ENTRIES:
        return None
    try:
        with Quiet():
            recorded = subject.recorded()
            return None if recorded is None else named(wrong, *recorded)
    except UNFIT:
        return None


def named(wrong: Wrong, output: Tensor, names: Mapping[Any, str]) -> Differing | None:
    """The first mistake that gives what backward gives, at every probe: the outputs are weighed by what arrives."""
    subject = wrong.subject
    g = Tensor(np.ones(output.shape), requires_grad=True)
    problem = recorded_problem(compositions["sum"](output * g), {**names, g: ARRIVES})
    if wrong.leaf.name not in problem.named or problem.step_of.get(g) is not problem.named.get(ARRIVES):
        return None
    problem = with_whole_activations(problem) or problem
    step = problem.named[wrong.leaf.name]
    walks = [Walk(problem, numbers) for numbers in probes_of(problem, {})]
    leaves = [leaf for leaf in subject.leaves if leaf.name in problem.named]
    answers: list[Any] = []
    for walk in walks:
        with holding(leaves, [walk.numbers[problem.named[leaf.name]] for leaf in leaves]):
            gradients = subject.pull(np.ravel(walk.numbers[problem.named[ARRIVES]]))
        answers.append(gradients[subject.leaves.index(wrong.leaf)])
    found = located(Fingerprint(problem, walks, step, answers), wrong.leaf.name)
    return Differing(found[0].name, f"{found[0].says}, at {found[0].place}") if found else None

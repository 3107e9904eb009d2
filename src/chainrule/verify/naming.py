"""The name of a mistake in a gradient: where the catalogue of mistakes and the check of gradients meet."""

# What a user's functions take and give is not known before they have run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.operation import compositions
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.differences import Array
from chainrule.errors import UNFIT
from chainrule.verify.answers.activations import with_whole_activations
from chainrule.verify.differing import AGREE, Between, Differing, differing
from chainrule.verify.grade import located
from chainrule.verify.marking.fingerprints import Fingerprint
from chainrule.verify.marking.problem import probes_of, recorded_problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.subject import Leaf, Subject, holding

Slope = Callable[[Array], Array]

ARRIVES = "g"
"""What the gradient that arrives is called."""

MOST_ENTRIES = 20_000
"""Of all inputs together; larger ones are named by their arrays alone."""


@dataclass(frozen=True)
class Wrong:
    """A gradient that is wrong beside the right one, known by differences to within a share `near`."""

    subject: Subject
    leaf: Leaf
    given: Array
    right: Array
    """Nan where it was not looked at."""
    near: float


def by_its_arrays(wrong: Wrong) -> Differing | None:
    """What the two arrays alone show: a shape, a sign, a factor, another input's gradient."""
    looked = np.isfinite(wrong.right)
    if wrong.given.shape != wrong.right.shape or looked.all():
        with Quiet():
            found = differing(wrong.given, wrong.right, wrong.near, known_factors(wrong), matrices_of(wrong))
    else:
        # Of a sample of the entries, shapes and axes mean nothing.
        found = differing(wrong.given[looked], wrong.right[looked], wrong.near) if looked.any() else None
    return found if found is None or found.factor is None else averaged(wrong, found)


def averaged(wrong: Wrong, found: Differing) -> Differing:
    """A factor that is the length of an input's axis as the average that it is; a 2 may be a square's."""
    assert found.factor is not None
    for leaf in wrong.subject.leaves:
        for axis, n in enumerate(leaf.array.shape if leaf is not wrong.leaf else ()):
            over = f"the {n} {('rows', 'columns')[axis] if axis < 2 else 'entries'} of {leaf.name}"
            if n > 2 and abs(found.factor * n - 1) < AGREE:
                says = f"it is 1/{n} of the right one: a mean over {over} for their sum, or 1/{n} twice"
                return Differing("wrong-average", says)
            if n > 2 and abs(found.factor / n - 1) < AGREE:
                return Differing("wrong-average", f"it is {n} times the right one: a sum over {over} for their mean")
    return found


def matrices_of(wrong: Wrong) -> dict[str, Array]:
    """Square matrices among the inputs, which may have been taken the wrong way round."""
    return {leaf.name: leaf.array for leaf in wrong.subject.leaves if leaf.array.ndim == 2 and leaf is not wrong.leaf}


def known_factors(wrong: Wrong) -> list[Between]:
    """What may stand between two gradients of one input: every input, and slopes that are written with the output."""
    leaves = wrong.subject.leaves
    known = [
        between
        for leaf in leaves
        for between in (
            Between("missing-factor", f"the factor {leaf.name} is left out", 1 / leaf.array),
            Between("extra-factor", f"the factor {leaf.name} stands once too often", leaf.array),
        )
    ]
    x = wrong.leaf.array
    out = wrong.subject.run()
    if out.size != x.size:
        return known
    out = out.reshape(x.shape)
    for says, slope, squash in SQUASHING:
        right = slope(out)
        known += [
            Between("activation-derivative-missing", f"the slope {says} of the output y is left out", 1 / right),
            Between("activation-derivative-twice", f"the slope {says} of the output y stands twice", right),
            Between(
                "activation-derivative-at-input",
                f"the slope {says} is meant for the output y, and was given the input",
                slope(x) / right,
            ),
            Between(
                "activation-derivative-at-output",
                "the slope is taken at the output y for the input",
                slope(squash(out)) / right,
            ),
            Between("activation-for-derivative", f"the output y stands where its slope {says} belongs", out / right),
        ]
    return known


SQUASHING: tuple[tuple[str, Slope, Slope], ...] = (
    ("y(1 − y)", lambda y: y * (1 - y), lambda z: 1 / (1 + np.exp(-z))),
    ("1 − y²", lambda y: 1 - y * y, np.tanh),
)
"""Slopes that are written with the output y: in words, of the output, and the function itself."""


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

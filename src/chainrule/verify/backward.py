"""What a backward pass must do besides giving the right numbers once: be linear, and belong to its own forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from chainrule.core.state import Quiet
from chainrule.verify.moved import length
from chainrule.verify.subject import Array, Subject

CONSISTENT = 1e-9
"""What two ways to one number may differ by in rounding, relative to the numbers that are added up."""
NEGLIGIBLE = 1e-3
"""Beside the outputs themselves: derivatives that are smaller may be rounding."""
AMPLIFIED = 1e3
"""Rounding of a function that may be found in its gradient, so many times larger."""


def faults_of(
    subject: Subject, u: Array, gradients: Sequence[Array], noise: float, rng: np.random.Generator
) -> Iterator[str]:
    """What is wrong with the backward pass as such, each in a sentence; `noise` is the share of rounding in a run."""
    near = max(CONSISTENT, AMPLIFIED * noise)
    late, again = subject.pull_late(u)
    if not alike(late, gradients, near):
        yield (
            "the backward pass uses what a later forward pass left behind: it is right only if nothing ran in between "
            "(keep what it needs with the call, not in a variable that calls share)"
        )
    elif not alike(again, late, near):
        yield "the backward pass gives something else the second time: it changes what the forward pass kept"
    doubled = subject.pull(2 * u)
    if any(g.any() for g in gradients) and not alike(doubled, [2 * g for g in gradients], near):
        if alike(doubled, gradients, near):
            yield (
                "the backward pass does not use the gradient that arrives (no-incoming-gradient): multiply each local "
                "derivative by it"
            )
        else:
            yield "the backward pass is not linear in the gradient that arrives: twice as much gives not twice as much"
    apart = forward_against_reverse(subject, u, gradients, rng)
    if apart > near:
        yield f"forward and reverse mode disagree by {apart:.1e}: one of the two derivatives of some operation is wrong"


def alike(x: Sequence[Array], y: Sequence[Array], near: float) -> bool:
    """Whether two lists of gradients are the same up to rounding."""
    return all(a.shape == b.shape and length(a - b) <= near * (length(b) or 1.0) for a, b in zip(x, y, strict=True))


def forward_against_reverse(subject: Subject, u: Array, gradients: Sequence[Array], rng: np.random.Generator) -> float:
    """How far ``u · (J v)`` is from ``(Jᵀ u) · v``, relative to what is added up; 0 where there is no forward mode."""
    tangents = [rng.normal(size=leaf.array.shape) for leaf in subject.leaves]
    if any(g.shape != t.shape for g, t in zip(gradients, tangents, strict=True)):
        return 0.0
    with Quiet():
        moved = subject.push(tangents)
        if moved is None:
            return 0.0
        forward = float(moved @ u)
        terms = [g * t for g, t in zip(gradients, tangents, strict=True)]
        reverse = sum(float(part.sum()) for part in terms)
        size = sum(float(np.abs(part).sum()) for part in terms) + float(np.abs(moved * u).sum())
        size = max(size, NEGLIGIBLE * float(np.abs(subject.run() * u).sum()), NEGLIGIBLE * subject.size)
    apart = abs(forward - reverse) / size if size else 0.0
    return apart if np.isfinite(apart) else 0.0

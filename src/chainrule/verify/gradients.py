"""Gradients beside differences: any function, input by input, with a verdict and, where one is wrong, what is wrong."""

# What a user's function takes and gives is not known before it has run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.state import quietly
from chainrule.differences import ORDER, SURE, Array, Compared, Ladder, rank
from chainrule.errors import GraphError
from chainrule.kinds import what_is
from chainrule.verify.backward import faults_of
from chainrule.verify.differing import Differing
from chainrule.verify.moved import Found, Mover
from chainrule.verify.naming import Wrong, by_catalogue, by_its_arrays
from chainrule.verify.pair import Pair
from chainrule.verify.pytorch import InTorch, is_torch
from chainrule.verify.report import Checked, Report, worst_first
from chainrule.verify.subject import BackwardError, Leaf, Recorded, Subject, Unsteady, name_of

DIRECTIONS = 2
"""Of each input, random ways along which the cheap mode moves it."""
SAMPLE = 400
"""Entries that the cheap mode looks at one by one where a direction shows a mistake."""
NEGLIGIBLE = 1e-3
"""A gradient that is smaller beside the largest has rounding of the larger ones in it."""
LARGER = 1e3
"""An error so many times what a direction shows is the one whose chances are told."""
STREAM = 13_2008
"""What is drawn is not what a user has drawn for the inputs with the same seed."""
CONSTANT = 1e-3
"""What a factor may differ by at other numbers, as differences see it."""
OTHERS = 40
"""Entries by which another input's gradient is recognised."""


def check_gradients(
    f: Any,
    *inputs: Any,
    loss: Callable[..., Any] | None = None,
    cheap: bool = False,
    order: int = 1,
    seed: int = 0,
) -> Report:
    """Whether the gradients of f at these inputs are right, and if not, which one, where, by how much and what it is.

    f is a function of floats, arrays, Values, Tensors, Modules or containers of them; a Module; a function of PyTorch
    tensors, its modules or an ``autograd.Function``; or a pair ``(forward, backward)``. With `loss`, f's result and the
    last input go through it. Where there are several outputs, a random sum of them is differentiated. Whole numbers
    are not moved. The result is true where nothing is wrong, so that it may stand in an ``assert``, and prints as a
    table: a row for each input with its worst entry.

    Every entry is moved on its own: about two runs for each, and forty where one step does not settle it. `cheap`
    moves each input along two random directions, and says what that can miss. `order` = 2 checks the gradient's own
    derivatives too. What is drawn depends on `seed` alone.

    Verdicts: ``right``; ``rounding`` or ``truncation``, where differences see no more; ``kink``, where the slopes on
    both sides differ however small the step is, and the gradient lies between; ``bug``; ``undecided``; ``no number``.
    A function that gives something else each time is said to be ``unsteady``.

    >>> import chainrule as cr, numpy as np
    >>> x = np.array([0.5, -1.5, 2.0])
    >>> assert cr.check_gradients(lambda x: cr.sum(cr.sin(x)), x)
    >>> def forward(x):
    ...     return x**3, x
    >>> def backward(kept, g):
    ...     return g * 3 * kept
    >>> report = cr.check_gradients((forward, backward), x)
    >>> bool(report), report["x"].mistake, report["x"].says
    (False, 'missing-factor', 'the factor x is left out')
    """
    if order not in (1, 2):
        raise GraphError(f"gradients are checked to order 1 or 2, not {order}")
    try:
        with subject_of(f, inputs, loss) as subject:
            check = Check(subject, cheap, seed)
            found = quietly(check.report)
            if order == 1 or not found or not any(leaf.array.size for leaf in subject.leaves):
                return found
            derivative = subject.derivative(check.mover.u)
        with derivative:
            return quietly(Check(derivative, cheap, seed).report)
    except Unsteady as error:
        return Report(name_of(f[0] if isinstance(f, tuple) else f), "unsteady", (), next=str(error))


def subject_of(f: Any, inputs: Sequence[Any], loss: Callable[..., Any] | None = None) -> Subject:
    """The function with its inputs, by the kind that it is."""
    if is_torch(f, inputs):
        return InTorch(f, inputs, loss)
    if isinstance(f, tuple | list):
        if len(f) != 2 or not all(map(callable, f)):
            raise GraphError("a pair to be checked is (forward, backward), two functions")
        return Pair(f[0], f[1], inputs)
    if not callable(f):
        raise GraphError(f"there is nothing to check in {what_is(f)}: give a function and its inputs")
    return Recorded(f, inputs, loss)


class Check:
    """One check of one subject."""

    def __init__(self, subject: Subject, cheap: bool, seed: int) -> None:
        self.subject = subject
        self.cheap = cheap
        self.rng = np.random.default_rng([seed, STREAM])
        self.mover = Mover(subject, self.rng)
        self.notes: list[str] = []
        self.sees = 0.0
        """The smallest error that every direction would have shown, relative to the gradient there."""

    def report(self) -> Report:
        title = self.subject.title
        try:
            gradients = self.subject.pull(self.mover.u)
            self.mover.learn_sizes(gradients)
            faults = list(faults_of(self.subject, self.mover.u, gradients, self.mover.share, self.rng))
        except BackwardError as error:
            return Report(title, "bug", (), next=str(error))
        pairs = zip(self.subject.leaves, gradients, strict=True)
        checked = worst_first([self.of_input(leaf, given) for leaf, given in pairs])
        verdict = min([one.verdict for one in checked], key=ORDER.index)
        if faults:
            verdict = "bug"  # a backward pass can be right here and now, and still be no gradient
        notes = (*self.subject.notes, *self.notes, *self.missed(), *self.in_float32(gradients))
        return Report(title, verdict, checked, notes, advice(verdict, faults, self.subject), self.mover.runs)

    def of_input(self, leaf: Leaf, given: Array) -> Checked:
        """The gradient in one input: its shape, its directions, its entries."""
        size = leaf.array.size
        if not size:
            return Checked(leaf.name, leaf.array.shape, "right", says="it has no entries")
        found = Found(np.full(leaf.array.shape, np.nan))
        if given.shape != leaf.array.shape:
            return self.of_other_shape(leaf, given, found)
        along = [self.mover.direction(leaf, given) for _ in range(DIRECTIONS if self.cheap else 1)]
        outcome, steps = min(along, key=lambda one: rank(one[0]))
        typical = self.mover.typical(leaf, given) * size**0.5
        self.sees = max(self.sees, *[SURE * one.error / typical if typical else 0.0 for one, _ in along])
        if not self.cheap or outcome.verdict not in ("right", "rounding", "truncation", "kink"):
            most = min(size, SAMPLE) if self.cheap else size
            self.mover.entries(leaf, given, found, sorted({int(i) for i in np.linspace(0, size - 1, most)}))
        return self.concluded(leaf, given, found, outcome, steps)

    def concluded(self, leaf: Leaf, given: Array, found: Found, along: Compared, steps: Ladder) -> Checked:
        """The verdict of an input, from its entries one by one and from all of them together."""
        order = steps.order(np.array([along.given]))
        worst, index, shown = found.worst, found.index, found.ladder
        if worst is None or (along.verdict == "bug" and worst.verdict != "bug"):
            worst, index, shown = along, (), steps
        says, mistake = "", ""
        if worst.verdict == "bug":
            largest = max(np.abs(given[np.isfinite(given)]).max(initial=0.0), abs(worst.differences), 1e-300)
            wrong = Wrong(self.subject, leaf, given, found.right, max(1e-6, 10 * worst.error / largest))
            named = self.name_of_mistake(wrong)
            if named.name == "unclassified":
                named = self.of_another(leaf, given) or named
            says, mistake = named.says, named.name
        elif worst.verdict == "kink" and worst.sides is not None:
            left, right = worst.sides
            says = f"a kink: the slope is {left:.6g} on the left and {right:.6g} on the right"
        if found.unsettled:
            self.notes.append(f"{leaf.name}: {found.unsettled:,} entries were compared with one step alone")
        return Checked(
            leaf.name,
            given.shape,
            worst.verdict,
            index,
            worst.given,
            worst.differences,
            worst.error,
            order,
            found.entries,
            says,
            mistake,
            errors_by_step(shown, worst),
        )

    def of_other_shape(self, leaf: Leaf, given: Array, found: Found) -> Checked:
        """A gradient that has not the shape of its input."""
        flat = found.right.reshape(-1)
        for i, quotient, _ in self.mover.quotients(leaf, range(leaf.array.size)):
            flat[i] = quotient
        what = self.of_another(leaf, given) or self.name_of_mistake(Wrong(self.subject, leaf, given, found.right, 1e-6))
        mistake = "" if what.name == "shape" else what.name
        return Checked(leaf.name, leaf.array.shape, "bug", entries=leaf.array.size, says=what.says, mistake=mistake)

    def name_of_mistake(self, wrong: Wrong) -> Differing:
        """What the mistake is: what the arrays show, in few words, or else the catalogue's mistake that gives it."""
        shown = by_its_arrays(wrong)
        if shown is not None and shown.name == "factor" and not self.is_constant(shown.factor, wrong.leaf):
            shown = Differing("unclassified", f"{shown.says} here, and by another elsewhere")
        if shown is not None and shown.name != "unclassified":
            return shown
        return by_catalogue(wrong) or shown or Differing("unclassified", "it is not what differences give")

    def is_constant(self, factor: float | None, leaf: Leaf) -> bool:
        """Whether a gradient is off by the same factor at other numbers."""
        elsewhere = self.mover.factor_elsewhere(leaf)
        return factor is None or not np.isfinite(elsewhere) or abs(elsewhere - factor) <= CONSTANT * abs(factor)

    def of_another(self, leaf: Leaf, given: Array) -> Differing | None:
        """Whether a gradient is that of another input, seen at some of its entries."""
        for other in self.subject.leaves:
            if other is leaf or other.array.shape != given.shape or given.size < 2:
                continue
            places = sorted({int(i) for i in np.linspace(0, given.size - 1, min(given.size, OTHERS))})
            right = np.array([quotient for _, quotient, _ in self.mover.quotients(other, places)])
            mine = given.reshape(-1)[places]
            if right.any() and np.abs(mine - right).max() <= 1e-6 * np.abs(right).max():
                return Differing("other-parameter", f"it is the gradient in {other.name}")
        return None

    def missed(self) -> list[str]:
        """What the cheap mode cannot see, and how likely: a normal variable is rarely near 0."""
        if not self.cheap:
            return []
        chance = (2 / LARGER / np.sqrt(2 * np.pi)) ** DIRECTIONS
        told = (
            f"cheap: each input moved along {DIRECTIONS} random directions. Missed is an error below {self.sees:.0e} "
            f"of a gradient, and one of {LARGER * self.sees:.0e} with a chance of {chance:.0e}"
        )
        return [told]

    def in_float32(self, gradients: Sequence[Array]) -> list[str]:
        """How far the gradient in the types that were given is from that in float64."""
        given = self.subject.pull_as_given(self.mover.u)
        if given is None:
            return []
        largest = max([float(np.abs(y).max(initial=0.0)) for y in gradients])
        gaps = [
            float(np.abs(x - y).max(initial=0.0) / max(np.abs(y).max(initial=0.0), NEGLIGIBLE * largest, 1e-300))
            for x, y in zip(given, gradients, strict=True)
            if x.shape == y.shape
        ]
        return [f"checked in float64; in float32, as given, off by {max(gaps, default=0.0):.1e} at most"]


def errors_by_step(steps: Ladder | None, outcome: Compared) -> tuple[tuple[float, float], ...]:
    """How far the quotient with each step is from the derivative that is compared."""
    if steps is None:
        return ()
    return tuple([(step, gap) for step, _, gap in steps.quotients(outcome.output, outcome.given)])


def advice(verdict: str, faults: Sequence[str], subject: Subject) -> str:
    if faults:
        return "; ".join(faults)
    if verdict == "bug":
        at = subject.guilty()
        return f"next: {at}" if at else ""
    return NEXT.get(verdict, "")


NEXT = {
    "undecided": "next: give float64, and inputs near 1, where the outputs are not far larger than their changes",
    "no number": "next: choose inputs inside the function's domain, or find the place with cr.detect_anomaly()",
}
"""What to do where nothing can be said."""

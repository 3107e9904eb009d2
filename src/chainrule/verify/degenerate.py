"""Numbers that hide mistakes: which ones a teacher's values cannot reveal, which look alike, and values that tell all.

With x = 2 and w2 = ½ the product is 1, so a forgotten ∂ŷ/∂w1 gives the right number. Every known mistake on the way to
what is asked is tried at the numbers and at generic ones: what differs there and not here is hidden.
"""

# Arrays hold numbers of any type.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.errors import GraphError
from chainrule.expression.arguments import names_of, values_of
from chainrule.printable import several
from chainrule.program import Step
from chainrule.verify.agreement import agrees, agrees_everywhere
from chainrule.verify.answers.numbers import walk_at
from chainrule.verify.marking.changes import Change, derivative
from chainrule.verify.marking.fingerprints import given, what_mistakes_give
from chainrule.verify.marking.marked import number
from chainrule.verify.marking.problem import Problem, probes_of, read_problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.mistakes import KINDS

TRIES = 40
"""Draws of friendly numbers."""

ENOUGH = 6
"""Draws that hide nothing, of which the best is proposed."""

MOST_LINES = 12
"""Lines as they are printed."""

MOST_ALIKE = 4
"""Mistakes that are named of a group that gives one number."""


@dataclass(frozen=True)
class Hidden:
    """A mistake that gives the right number here."""

    wrt: str
    name: str
    place: str
    says: str
    because: str

    @property
    def line(self) -> str:
        because = f", because {self.because}" if self.because else ""
        return f"  in ∂/∂{self.wrt}: {self.name} at {self.place}{because}"


@dataclass(frozen=True, repr=False)
class Degenerate:
    """What some numbers cannot show.

    `hidden` are mistakes that give the right gradient at these numbers, `alike` groups of mistakes that give the same
    wrong one, and `proposal` values of the same kind that reveal every mistake and tell apart as many as can be.
    """

    hidden: tuple[Hidden, ...]
    alike: tuple[tuple[str, Any, tuple[str, ...]], ...]
    """For each group the name asked for, the number, and the mistakes."""
    proposal: dict[str, Any]
    still_hidden: int
    """Mistakes that the proposal hides, too: 0 in nearly every problem."""

    def __bool__(self) -> bool:
        return bool(self.hidden)

    def __repr__(self) -> str:
        count = len(self.hidden)
        some = f"{several(count, 'mistake')} cannot be seen with these numbers"
        lines = [some if count else "every mistake shows with these numbers"]
        # One mistake may be made in several ways at one place: the line is the same.
        told = list(Counter([one.line for one in self.hidden]).items())[: MOST_LINES - 5]
        lines += [line + (f" ({ways} ways)" if ways > 1 else "") for line, ways in told]
        if count > sum([ways for _, ways in told]):
            lines.append(f"  and {count - sum([ways for _, ways in told])} more")
        for wrt, value, every in self.alike[:2]:
            names = list(dict.fromkeys(every))
            more = f" and {len(names) - MOST_ALIKE} more" if len(names) > MOST_ALIKE else ""
            lines.append(f"  ∂/∂{wrt} = {number(value)} comes from {'; '.join(names[:MOST_ALIKE])}{more}")
        if self.proposal:
            told = ", ".join(f"{name} = {number(value)}" for name, value in self.proposal.items())
            lines.append(f"try {told}")
        return "\n".join(lines[:MOST_LINES])

    def as_dict(self) -> dict[str, Any]:
        return {
            "hidden": [vars(one) for one in self.hidden],
            "alike": [
                {"wrt": w, "value": np.asarray(v).tolist(), "mistakes": list(names)} for w, v, names in self.alike
            ],
            "proposal": {name: np.asarray(value).tolist() for name, value in self.proposal.items()},
            "still_hidden": self.still_hidden,
        }

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False, indent=2)


class Catalogue:
    """The mistakes on the way to one name that differ at generic numbers, each formula once."""

    def __init__(self, problem: Problem, wrt: Step, probes: Sequence[Walk]) -> None:
        self.wrt = wrt
        self.changes: list[Change] = []
        seen = [[walk.right[wrt] for walk in probes]]
        with Quiet():
            for change, values in what_mistakes_give(problem, wrt, probes):
                fits = all(np.shape(x) == wrt.shape for x in values)
                if fits and not any(agrees_everywhere(values, other) for other in seen):
                    seen.append(values)
                    self.changes.append(change)

    def at(self, walk: Walk) -> list[Any]:
        """What each mistake gives at some numbers."""
        return [given(change, walk) for change in self.changes]


def degenerate(
    problem: Any,
    values: Mapping[str, Any] | None = None,
    *,
    wrt: Any = None,
    shapes: Mapping[str, Any] | None = None,
) -> Degenerate:
    """Which mistakes these numbers cannot reveal, which look alike, and friendly numbers that tell all.

    `wrt` is what will be asked for, one name or several; without it every name that has no label of data. A recorded
    problem brings its own numbers. The result is true where something is hidden.

    >>> import chainrule as cr
    >>> found = cr.degenerate("h = w1*x; ŷ = w2*h; L = 0.5*(ŷ - y)**2", {"x": 2, "w1": 2, "w2": 0.5, "y": 20}, wrt="w1")
    >>> [(one.name, one.because) for one in found.hidden][0]
    ('chain-stopped-early', '∂ŷ/∂w1 = 1')
    """
    values = values_of(values)
    read = read_problem(problem, shapes, values)
    walk = walk_at(read, values)
    names = names_of("wrt", wrt or None) or list(read.leaves)
    read.refuse_others(names)
    probes = [Walk(read, numbers) for numbers in probes_of(read, {}, 3)]
    catalogues = {name: Catalogue(read, read.named[name], probes) for name in names if read.named[name] in walk.right}
    hidden = [one for name, catalogue in catalogues.items() for one in hidden_by(read, name, catalogue, walk)]
    alike = [group for name, catalogue in catalogues.items() for group in groups(name, catalogue, walk)]
    proposal: dict[str, Any] = {}
    still = 0
    if hidden or alike:
        proposal, still = friendlier(read, catalogues, walk)
    return Degenerate(tuple(hidden), tuple(alike), proposal, still)


def hidden_by(problem: Problem, name: str, catalogue: Catalogue, walk: Walk) -> list[Hidden]:
    """The mistakes that give the right number."""
    right = walk.right[catalogue.wrt]
    found: list[Hidden] = []
    for change, value in zip(catalogue.changes, catalogue.at(walk), strict=True):
        if agrees(value, right):
            says = f"{KINDS[change.name].what}: {change.says}"
            found.append(Hidden(name, change.name, change.place, says, reason(problem, catalogue.wrt, change, walk)))
    return sorted(found, key=lambda one: not one.because)


def reason(problem: Problem, wrt: Step, change: Change, walk: Walk) -> str:
    """Why a mistake is not seen: a link that is 1 here, or nothing that arrives."""
    if not np.any(walk.right[wrt]):
        return f"∂/∂{problem.name(wrt)} = 0"
    if change.name in ("chain-stopped-early", "missing-factor", "activation-derivative-missing"):
        for step in problem.program.between([wrt]):
            link = derivative(problem, step, wrt)
            told = change.place.startswith((f"{problem.name(step)},", f"{link.partition('/')[0]}/"))
            if told and step is not problem.output:
                down = walk.handed_down(step, np.ones(step.shape), wrt)
                if np.allclose(down, 1):
                    return f"{link} = 1"
    ones = [f"{name} = 1" for name, step in problem.named.items() if np.all(np.asarray(walk.numbers[step]) == 1)]
    return ", ".join(ones[:2])


def groups(name: str, catalogue: Catalogue, walk: Walk) -> list[tuple[str, Any, tuple[str, ...]]]:
    """Mistakes of different formulas that give one wrong number."""
    right = walk.right[catalogue.wrt]
    found: list[tuple[Any, list[str]]] = []
    for change, value in zip(catalogue.changes, catalogue.at(walk), strict=True):
        if value is None or agrees(value, right):
            continue
        told = f"{change.name} at {change.place.split(', on the way')[0]}"
        same = next((names for known, names in found if agrees(value, known)), None)
        if same is None:
            found.append((value, [told]))
        else:
            same.append(told)
    return [(name, value, tuple(names)) for value, names in found if len(names) > 1]


def friendlier(problem: Problem, catalogues: Mapping[str, Catalogue], walk: Walk) -> tuple[dict[str, Any], int]:
    """Small numbers of the same kind (whole where they were whole, of the same sign) that hide and confuse least."""
    random = np.random.default_rng(0)
    best: tuple[int, float] | None = None
    found: dict[str, Any] = {}
    good = 0
    for tried in range(TRIES):
        if good >= ENOUGH:
            break
        values = {name: friendly(walk.numbers[step], random, 3 + tried // 10) for name, step in problem.leaves.items()}
        try:
            other = walk_at(problem, values)
        except GraphError:
            continue
        hidden = confused = 0
        for catalogue in catalogues.values():
            gives = [v for v in catalogue.at(other) if v is not None]
            right = other.right[catalogue.wrt]
            hidden += sum(agrees(v, right) for v in gives)
            confused += len(gives) - len({np.round(np.ravel(v), 9).tobytes() for v in gives})
        good += not hidden
        size = float(sum(np.sum(np.abs(v)) for v in values.values()))
        if best is None or (hidden, confused + 0.1 * size) < best:
            best, found = (hidden, confused + 0.1 * size), values
    return found, best[0] if best else 0


def friendly(old: Any, random: np.random.Generator, largest: int) -> Any:
    """A small number, or an array of them, of the kind of another: whole, or with a decimal; of the same sign."""
    old = np.asarray(old, np.float64)
    whole = bool(np.all(old == np.round(old)))
    if whole:
        new = random.integers(2, largest + 1, old.shape).astype(float)
    else:
        new = random.integers(1, 10 if np.max(np.abs(old)) < 1 else 10 * largest, old.shape) / 10
    return (np.where(old < 0, -1.0, 1.0) * new)[()]

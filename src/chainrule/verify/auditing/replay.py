"""What was read run again: on Tensors, for the problem that was meant, and on generic numbers, for the answers."""

# Arrays hold numbers of any type.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.core.walk import finished_first
from chainrule.errors import UNFIT, GraphError
from chainrule.program import Step
from chainrule.verify.agreement import ratio_everywhere
from chainrule.verify.answers.activations import on_tensors
from chainrule.verify.auditing.claims import Claim
from chainrule.verify.auditing.clock import Clock, Watched
from chainrule.verify.auditing.reader import Reader
from chainrule.verify.marking.problem import Numbers, probes_of, recorded_problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.marking.working import Part, Working, part_at

LOSES = (*UNFIT, NotImplementedError)
"""What goes wrong where an operation has no derivative here."""

LEAST, AROUND = 3, 12
"""Probes without which nothing is told, and so many that are drawn near the numbers that were read."""

Loss = Callable[[Mapping[int, Any]], Any]
"""A loss of what stands at places of the tape."""


class Replay:
    """A program that was read, with one of its losses, as a problem; and its numbers at the probes."""

    def __init__(self, reader: Reader, claims: Sequence[Claim], loss: Loss, needed: set[int], clock: Clock) -> None:
        self.reader = reader
        self.clock = clock
        self.claims = claims
        self.notes = reader.tape.notes
        self.parameters = {claim.of: claim.name for claim in claims}
        self.fixed = set(reader.library.counts)
        tensors = self.on_tensors(needed)
        self.leaves: dict[int, Any] = {
            place: x for place, x in tensors.items() if isinstance(x, Tensor) and self.is_leaf(place)
        }
        output = loss(tensors)
        names = self.names(tensors)
        self.problem = recorded_problem(output, names)
        self.step: dict[int, Step] = {
            place: self.problem.step_of[x] for place, x in self.leaves.items() if x in self.problem.step_of
        }
        self.parts = [self.part(place) for place in range(len(self.notes))]
        """The whole tape, where inputs are places."""
        self.walks, self.as_read = self.walks_as_read()
        self.places: list[int] = []
        """Of the parts of the last working, their places on the tape."""
        last = max(needed)
        if isinstance(tensors[last], Tensor) and tensors[last] in self.problem.step_of:
            self.check(last, self.problem.step_of[tensors[last]])

    def walks_as_read(self) -> tuple[list[Walk], bool]:
        """Probes at which every condition comes out as it did when the program was read; whether there are such."""
        generic = [self.walk(numbers) for numbers in probes_of(self.problem, {}, labels=self.labels())]
        kept = [walk for walk in generic if self.branches_as_read(walk)]
        if 2 * len(kept) < len(generic):
            kept += [walk for walk in map(self.walk, self.probes_around()) if self.branches_as_read(walk)]
        return (kept, True) if len(kept) >= LEAST else (generic, False)

    def walk(self, numbers: Numbers) -> Walk:
        """The backward pass at a probe."""
        return Walk(self.problem, Watched(numbers, self.clock))

    def probes_around(self) -> Iterator[Numbers]:
        """Numbers near those that were read, where conditions mostly come out the same."""
        random, labels = np.random.default_rng(0), self.labels()
        for _ in range(AROUND):
            leaves: dict[Step, Any] = {}
            for step in self.problem.program.leaves:
                x = np.asarray(self.problem.recorded[step], float)
                moves = step in self.step.values() and step not in labels
                leaves[step] = x * random.uniform(0.8, 1.2, x.shape) + random.normal(0, 0.02, x.shape) if moves else x
            numbers = self.problem.at(leaves)
            if all(np.all(np.isfinite(x)) for x in numbers.values()):
                yield numbers

    def branches_as_read(self, walk: Walk) -> bool:
        """Whether the program would go on as it did, with the numbers of a probe."""
        last = max([claim.place for claim in self.claims], default=0)
        given = set(self.step)
        asked = {p: held for p, held in self.reader.branches if p <= last and given & {p, *self.reader.tape.above(p)}}
        found = self.run_all(list(asked), walk)
        return all(bool(np.all(found[place])) == held for place, held in asked.items())

    def regularised(self, claim: Claim) -> bool:
        """Whether a term of the loss is a multiple of a parameter's squares, so that its gradient has the parameter."""
        wrt = self.step[claim.of]
        way = set(self.problem.program.between([wrt]))
        terms = [self.problem.output]
        while terms:
            step = terms.pop()
            slopes = [walk.handed_down(step, np.ones(step.shape), wrt) for walk in self.walks[:LEAST]]
            if ratio_everywhere(slopes, [walk.numbers[wrt] for walk in self.walks[:LEAST]]) is not None:
                return True
            inner = {x for x in step.inputs if isinstance(x, Step) and x in way}
            terms += inner if len(inner) == 1 or (step.operation in ("add", "sub")) else ()
        return False

    def ratio(self, answers: Sequence[Any], claim: Claim) -> float | None:
        """The constant by which answers at the probes are larger than a claim's gradient; None where there is none."""
        return ratio_everywhere(answers, [walk.right[self.step[claim.of]] for walk in self.walks])

    def on_the_way(self, parameters: Collection[int]) -> set[str]:
        """The operations that take in what is computed from parameters."""
        after = {self.step[place] for place in parameters}
        found: set[str] = set()
        for step in self.problem.program.steps:
            if not after.isdisjoint(step.needs):
                after.add(step)
                found.add(step.operation)
        return found

    def check(self, place: int, step: Step) -> None:
        """See that the problem gives what the program gives, at every probe; GraphError where it does not."""
        for walk in self.walks:
            if not np.allclose(walk.numbers[step], self.run(place, walk), rtol=1e-9, atol=1e-12):
                raise GraphError("read as a formula the program gives other numbers")

    def is_leaf(self, place: int) -> bool:
        """Whether something is where derivatives end: a parameter, or what was given."""
        return place in self.parameters or self.notes[place].function is None

    def on_tensors(self, needed: set[int]) -> dict[int, Any]:
        """What stands at each place that is needed, leaves as Tensors; data that cannot follow stay as they are."""
        while True:
            found: dict[int, Any] = {}
            for place in sorted(needed):
                try:
                    found[place] = (
                        self.leaf(place) if self.is_leaf(place) else on_tensors(self.reader.tape, place, found)
                    )
                except LOSES:
                    above = self.reader.tape.above(place) | {place}
                    if above & set(self.parameters):
                        raise
                    frozen = {x for x in above if self.notes[x].function is None} - self.fixed
                    if not frozen:
                        raise
                    self.fixed |= frozen
                    break
            else:
                return found

    def leaf(self, place: int) -> Any:
        """A leaf: a Tensor that may have any number, or the numbers that it has to keep."""
        value = np.asarray(self.notes[place].value)
        varies = place in self.parameters or (place not in self.fixed and value.dtype.kind in "fiu")
        if not varies or (place not in self.parameters and not self.notes[place].name):
            return value if value.ndim else value.item()
        return Tensor(np.array(value, np.float64), requires_grad=True)

    def names(self, tensors: Mapping[int, Any]) -> dict[Any, str]:
        """The user's names of Tensors, no two alike."""
        found: dict[Any, str] = {}
        used: set[str] = set()
        for place in sorted(tensors, key=lambda place: place not in self.parameters):
            name = self.parameters.get(place) or self.notes[place].name
            x = tensors[place]
            if name and isinstance(x, Tensor) and x not in found:
                while name in used:
                    name += "′"
                used.add(name)
                found[x] = name
        return found

    def labels(self) -> dict[Step, int]:
        """Leaves that hold one of several per row or column: they stay shares of 1."""
        found: dict[Step, int] = {}
        for place, step in self.step.items():
            value = np.asarray(self.notes[place].value, float)
            if place in self.parameters or value.ndim != 2 or np.any(value < 0):
                continue
            for axis in (1, 0):
                if value.shape[axis] > 1 and np.allclose(value.sum(axis=axis), 1.0):
                    found.setdefault(step, axis)
        return found

    def run(self, wanted: int, walk: Walk, replaced: Mapping[int, int] | None = None) -> Any:
        """What stands at a place at a probe; with some places replaced by others."""
        return np.asarray(self.run_all([wanted], walk, replaced)[wanted], float)

    def run_all(self, wanted: Sequence[int], walk: Walk, replaced: Mapping[int, int] | None = None) -> dict[int, Any]:
        replaced = replaced or {}
        found: dict[int, Any] = {}
        with Quiet():
            for place in self.order(wanted, replaced):
                other = replaced.get(place)
                found[place] = part_at(self.parts[place], found, walk) if other is None else found[other]
        return found

    def part(self, place: int) -> Part:
        """A place of the tape as a part of an answer, whose inputs are places too; leaves are looked up at a probe."""
        note, line = self.notes[place], self.reader.lines.get(place)
        text = "" if line is None else line.text
        if place in self.step:
            step = self.step[place]
            return Part(look_up=lambda walk: walk.numbers[step], name=note.name, text=note.name)
        if note.function is not None:
            return note.part(note.inputs, text, self.clock.on(note.function))
        value = np.asarray(note.value)
        if value.ndim == 0 and value.dtype.kind in "fiub":
            return Part(number=value.item(), text=f"{float(value):g}", line=text, name=note.name)
        return Part(look_up=lambda walk: value, name=note.name, line=text)

    def order(self, wanted: Sequence[int], replaced: Mapping[int, int]) -> list[int]:
        """The places that some others are computed from, each after what it needs; parameters are given.

        What replaces a place may stand after it on the tape.
        """

        def below(place: int) -> Sequence[int]:
            if place in self.step:
                return ()
            return [replaced[place]] if place in replaced else self.notes[place].inputs

        return finished_first(wanted, below)

    def working(self, scales: Mapping[Claim, float]) -> Working:
        """The claims, each divided by its scale, as parts that run one after the other."""
        self.places = sorted(self.order([claim.place for claim in scales], {}))
        at = {place: i for i, place in enumerate(self.places)}
        parts = [self.parts[place] for place in self.places]
        parts = [replace(part, inputs=tuple([at[x] for x in part.inputs])) for part in parts]
        results: dict[str, int] = {}
        for claim, scale in scales.items():
            parts.append(Part(number=1 / scale))
            parts.append(Part(np.multiply, (at[claim.place], len(parts) - 1)))
            results[claim.name] = len(parts) - 1
        return Working(tuple(parts), results)

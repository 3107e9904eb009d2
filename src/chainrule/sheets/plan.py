"""What stands in which row of a worksheet: given numbers, the forward, local derivatives, gradients, what is blank."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.core.term import Term
from chainrule.core.walk import walk
from chainrule.errors import DtypeError, GraphError
from chainrule.kinds import what_is
from chainrule.maths import numeral, unicode
from chainrule.maths.of_terms import tree_of_term
from chainrule.pictures.live import Live
from chainrule.program import Step
from chainrule.rewrite import simplify
from chainrule.sheets.cells import formula
from chainrule.verify.answers.numbers import walk_at
from chainrule.verify.marking.fingerprints import what_mistakes_give
from chainrule.verify.marking.problem import Problem, recorded_problem
from chainrule.verify.mistakes import KINDS, PROGRAMS

NUMBERS = re.compile(r"(\d+)")
COLUMN = "C"
"""Where the numbers stand."""
DIGITS = 10
FIRST = 5
"""The row of the first number."""
NAMED = 16
"""Wrong numbers that are known for one blank."""
PARTS = ("forward", "local", "gradient")
NEAR, SHARE, NONE = 1e-6, 1 / 200, 1e-14
"""How near a typed number is to the right one: six decimals or digits, of a tiny one three digits; rounding is none."""
ENOUGH = "Six decimals are enough, and three digits of a tiny number."
ROUNDED = (2, 3, 4, 5, 6)
"""Decimals to which a right number may have been rounded too early."""
EARLY = "right so far: more decimals"
"""What is said of one."""
CLOSE = 1e-9
"""Two wrong numbers as near as this part of them, or one as near to the right one, are not told apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a worksheet; the heading of a part has no number."""

    kind: str
    name: str
    how: str = ""
    """In symbols, as the teacher's copy shows it."""
    cell: str = ""
    formula: str = ""
    """In the words of a spreadsheet; empty for what is given."""
    value: float = 0.0
    blank: bool = False
    mistakes: tuple[tuple[float, str], ...] = ()
    """Known wrong numbers, and what was done to get them."""

    @property
    def told(self) -> str:
        """How it is worked out, as a sheet with blanks tells it: what a step is, but not what its derivative is."""
        return self.how if not self.blank or self.kind == "forward" else ""

    @property
    def shown(self) -> str:
        """The number as a person reads it."""
        return unicode(numeral(self.value, DIGITS))


class Plan:
    """The rows for a recorded number, and its title."""

    def __init__(self, output: Any, blanks: str | Collection[str]) -> None:
        if not isinstance(output, Value):
            raise DtypeError(
                f"a worksheet is made of single numbers, cr.Value, and this is {what_is(output)}: write the "
                "net out number by number, as micrograd does"
            )
        self.live = Live([output], 17)
        self.output = self.live.lifted.program.output
        for step in self.live.steps:
            if not np.isfinite(self.live.number(step)):
                raise GraphError(f"{self.live.name(step)} is not finite: give other numbers for a sheet")
        self.blanks = blanks
        self.cells: dict[Step, str] = {}
        self.locals: dict[tuple[Step, int], str] = {}
        self.gradients: dict[Step, str] = {}
        self.users: dict[Step, list[tuple[Step, int]]] = {}
        """The steps that take each one in, and in which slot."""
        self.next = FIRST
        self.rows: list[Row] = []
        self.problem: Problem = recorded_problem(
            output, {node: self.live.labels.get(id(node), "") for node in self.live.lifted.nodes}
        )
        self.fill()
        self.check_blanks()

    def fill(self) -> None:
        """All rows, part by part."""
        steps = self.live.steps
        self.head("Given")
        for step in sorted(steps, key=self.by_name):
            if step.op is None:
                self.cells[step] = self.put(Row("given", self.live.name(step), value=float(self.live.number(step))))
        self.head("Forward")
        for step in steps:
            if step.op is not None:
                name, _, how = self.live.title(step).partition(" = ")
                row = Row("forward", name, how, formula=self.forward(step), value=float(self.live.number(step)))
                self.cells[step] = self.put(row)
        self.head("Backward: local derivatives")
        for step in reversed(steps):
            for slot, x in self.edges(step):
                self.locals[step, slot] = self.put(self.local(step, slot, x))
                self.users.setdefault(x, []).append((step, slot))
        self.head("Backward: gradients")
        right = self.right()
        self.gradients[self.output] = self.put(Row("gradient", self.d(self.output), "1", formula="1", value=1.0))
        for step in reversed(steps):
            if step is not self.output:
                self.gradients[step] = self.put(self.gradient(step, right[step]))

    def by_name(self, step: Step) -> list[tuple[int, str]]:
        """What sorts names as a person does: w2 before w10."""
        parts = NUMBERS.split(self.live.letters[step].label)
        return [(int(part), "") if part.isdigit() else (0, part) for part in parts]

    def titled(self, answers: bool = False) -> str:
        """What stands above the sheet, or above its answers."""
        return f"{self.live.name(self.output)}, forward and backward" + (": answers" if answers else "")

    def head(self, title: str) -> None:
        """A part begins."""
        self.rows.append(Row("head", title))
        self.next += 1

    def put(self, row: Row) -> str:
        """A row in the next line of the sheet; where its number stands."""
        cell = f"{COLUMN}{self.next}"
        self.next += 1
        asked = row.kind in PARTS and row.formula != "1"
        blank = asked and (self.blanks == "all" or row.kind in self.wanted() or row.name in self.wanted())
        self.rows.append(replace(row, cell=cell, blank=blank))
        return cell

    def wanted(self) -> Collection[str]:
        """The parts and names that are blank."""
        several = {"gradients": ("local", "gradient"), "forward": ("forward",), "none": ()}
        if isinstance(self.blanks, str):
            return several.get(self.blanks, (self.blanks,))
        return self.blanks if isinstance(self.blanks, Collection) else (str(self.blanks),)

    def check_blanks(self) -> None:
        """Refuse a name that no row has."""
        if isinstance(self.blanks, str) and self.blanks in ("all", "gradients", "forward", "none"):
            return
        known = {row.name for row in self.rows} | set(PARTS)
        for name in self.wanted():
            if name not in known:
                raise GraphError(
                    f"no row is called {name!r}: blanks is all, gradients, forward, none, or names of rows"
                )

    def edges(self, step: Step) -> list[tuple[int, Step]]:
        """The inputs of a step, flat ones too: the engine hands back 0 there, and a hand writes it down."""
        return [(slot, self.live.lifted.step[x]) for slot, x in self.live.node(step).edges]

    def term(self, step: Step) -> Term:
        return self.live.letters[step]

    def d(self, step: Step) -> str:
        """The gradient of the output in a step, as it is called."""
        return f"∂{self.live.name(self.output)}/∂{self.live.name(step)}"

    def places(self, steps: Sequence[Step]) -> Mapping[Term, str]:
        return {self.term(step): self.cells[step] for step in steps}

    def forward(self, step: Step) -> str:
        assert step.op is not None
        given = [self.term(x) if isinstance(x, Step) else x for x in step.inputs]
        out = Term.__apply__(step.op, given, step.settings)
        return formula(out, self.places(step.input_steps))

    def local(self, step: Step, slot: int, x: Step) -> Row:
        """A local derivative, in symbols and in cells."""
        op, node = step.op, self.live.node(step)
        if not isinstance(op, Pointwise):
            raise GraphError(f"{self.live.operation(step)} is no operation on single numbers")
        given = [self.term(y) if isinstance(y, Step) else y for y in step.inputs]
        with Quiet():
            slope = simplify(op.partial(slot, self.term(step), given, step.settings))
        places = {**self.places(step.input_steps), self.term(step): self.cells[step]}
        how = unicode(tree_of_term(slope, self.live.symbols))
        name = f"local ∂{self.live.name(step)}/∂{self.live.name(x)}"
        if [y for _, y in self.edges(step)].count(x) > 1:
            name += f" (input {slot + 1})"
        value = node.local_derivatives[[i for i, _ in node.edges].index(slot)]
        wrong = tuple([(given, KINDS[kind].what) for given, kind in self.usual(float(value)) if given != value])
        return Row("local", name, how, formula=formula(slope, places), value=float(value), mistakes=wrong)

    def gradient(self, step: Step, right: float) -> Row:
        """The gradient in a step: what every consumer hands back, added up."""
        consumers = self.users.get(step, [])
        parts = [f"{self.gradients[user]}*{self.locals[user, slot]}" for user, slot in consumers]
        told = [f"{self.d(user)} · local ∂{self.live.name(user)}/∂{self.live.name(step)}" for user, _ in consumers]
        row = Row("gradient", self.d(step), " + ".join(told), formula="+".join(parts) or "0", value=right)
        return replace(row, mistakes=tuple(self.mistakes(step, right)))

    def right(self) -> dict[Step, float]:
        """The gradient of the output in every step, as the engine hands it back."""
        nodes = self.live.lifted.nodes
        start = {**dict.fromkeys(nodes, 0.0), self.live.node(self.output): 1.0}
        found = walk(reversed(nodes), start, lambda node, edges, g: [node.share(k, g) for k in range(len(edges))])
        return {step: found[node] for step, node in self.live.pairs()}

    def mistakes(self, step: Step, right: float) -> Iterator[tuple[float, str]]:
        """The wrong numbers that known mistakes give here, each with what was done: of several, what `grade` says."""
        seen: list[float] = [right]
        known = list(self.known(step))
        of_passes = [pair for pair in known if pair[1] in PROGRAMS]
        for given, kind in (*of_passes, *self.usual(right), *known):
            is_new = all([abs(given - other) > CLOSE * max(abs(given), abs(other)) for other in seen])
            if len(seen) <= NAMED and is_new and not 0 < abs(given) <= NONE:
                seen.append(given)
                yield given, KINDS[kind].what

    def usual(self, right: float) -> Iterator[tuple[float, str]]:
        """What is off by a sign or by a two."""
        yield -right, "sign"
        yield from ((2 * right, "factor"), (right / 2, "factor"))

    def known(self, step: Step) -> Iterator[tuple[float, str]]:
        """What each mistake of the catalogue gives for a parameter, as far as it gives a number here."""
        name = self.live.labels.get(id(self.live.node(step)), "")
        if step.op is not None or name not in self.problem.named:
            return
        try:
            walk = walk_at(self.problem, {})
        except GraphError:  # a problem that has no numbers near these
            return
        for change, (given,) in what_mistakes_give(self.problem, self.problem.named[name], [walk], of_program=True):
            if not np.ndim(given):
                yield float(given), change.name

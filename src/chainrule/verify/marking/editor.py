"""Changes of an answer are tried until one makes it right: what was changed says where it is wrong."""

# Parts of an answer give anything.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.errors import UNFIT
from chainrule.verify.agreement import agrees
from chainrule.verify.marking.edits import Edit, Edits, called, fit
from chainrule.verify.marking.working import Part, part_at

MOST_STEPS = 150_000
"""Parts that are run again for one answer, over all its changes: some seconds."""


class Editor(Edits):
    """Tries changes of a working until one makes the answers right."""

    spent = 0

    def successes(self) -> Iterator[Edit]:
        """The changes after which all wanted answers are right."""
        self.spent = 0
        for edit in self.edits():
            if self.spent > MOST_STEPS:
                return
            runs: list[list[Any]] = []
            for k in range(len(self.walks)):
                run = self.run_with(edit, k)
                if run is None:
                    break
                runs.append(run)
            else:
                if edit.swap is not None:
                    was, now = [self.look_for(i, runs) for i in edit.swap]
                    edit = edit._replace(name="unclassified" if now is None else self.swap_name(was, now, edit.at))
                yield edit

    def run_with(self, edit: Edit, k: int) -> list[Any] | None:
        """What each part gives at a probe when some give something else; None where the answers are not right then."""
        walk, found = self.walks[k], list(self.values[k])
        others = {edit.at: edit.part, **dict(edit.more)}
        changed: set[int] = set()
        try:
            with Quiet():
                for i in self.needed[bisect_left(self.needed, min(others)) :]:
                    part = self.working.parts[i]
                    if not changed.isdisjoint(part.inputs):
                        if called(part) == "matmul" and not fit(*[found[x] for x in part.inputs]):
                            return None
                        found[i] = part_at(part, found, walk)
                        changed.add(i)
                    if i in others:
                        found[i] = part_at(others[i], found, walk)
                        changed.add(i)
                    if i in changed and found[i] is None:
                        return None
                self.spent += len(changed)
        except UNFIT:
            return None
        right = all(agrees(found[self.working.results[name]], walk.right[step]) for name, step in self.wrt.items())
        return found if right else None

    def edits(self) -> Iterator[Edit]:
        """Every small change, those that say most first; later parts first, for they touch least.

        What a program comes by again and again is changed each time.
        """
        again = [[i for i in places if i in self.inside] for places in self.spots]
        again = [places for places in again if len(places) > 1]
        once = [i for i in reversed(self.needed) if i not in {i for places in again for i in places}]
        for make in (
            self.rounds, self.accumulated, self.moved, self.signs, self.operators, self.axes, self.transposes,
            self.products_in_order, self.numbers, self.brackets, self.operands, self.functions, self.factors_out,
            self.factors_in, self.sums_in, self.variables,
        ):  # fmt: skip
            for i in once:
                yield from make(i, self.working.parts[i])
            for places in again:
                yield from self.each_time(make, places)

    def each_time(self, make: Callable[[int, Part], Iterator[Edit]], places: Sequence[int]) -> Iterator[Edit]:
        """The same change wherever the program comes by one place of its text, as in a loop."""
        made = [{(edit.name, edit.says): edit for edit in make(i, self.working.parts[i])} for i in places]
        lists = [list(edits.values()) for edits in made]
        if len({len(edits) for edits in lists}) == 1:
            together = list(zip(*lists, strict=True))
        else:
            together = [
                tuple([edits[key] for edits in made]) for key in made[-1] if all(key in edits for edits in made)
            ]
        for alike in together:
            *others, last = alike
            more = tuple([(edit.at, edit.part) for edit in others])
            yield last._replace(says=f"{last.says}, each time", more=more)

    def first_wrong(self, counts: Callable[[int], bool] = lambda i: True) -> int | None:
        """The first named part that is neither a value nor a gradient of the problem, and of which no such comes.

        It is one of those that count.
        """
        first: int | None = None
        made_of_it: set[int] = set()
        for i in self.needed:
            part = self.working.parts[i]
            if not made_of_it.isdisjoint(part.inputs):
                made_of_it.add(i)
            is_index = np.asarray(self.values[0][i]).dtype.kind in "iu"
            is_variable = part.function is not None and part.name and not is_index
            if first is None and is_variable and counts(i) and not self.is_known(i):
                first, made_of_it = i, {i}
            elif i in made_of_it and self.is_known(i):
                first, made_of_it = None, set()
        return first

    def place(self, i: int, names: Iterable[str]) -> str:
        """Where a part stands, in the learner's words: its name, or the next thing with a name that is made of it."""
        asked = [f"{name} (d{name})" for name in names]
        part = self.working.parts[i]
        inside = {i}
        named = part.name
        for k in self.needed:
            if k > i and not inside.isdisjoint(self.working.parts[k].inputs):
                inside.add(k)
                named = named or self.working.parts[k].name
        texts = dict.fromkeys([text for text in (part.text or self.source(i), named, part.line) if text])
        return f"{', in '.join(texts)}, for the gradient of {', '.join(asked)}"

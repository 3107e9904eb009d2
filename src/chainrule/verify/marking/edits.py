"""Changes of the answer itself that make it right: the smallest one says where it is wrong, and what was done there."""

# Parts of an answer give anything.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial, reduce
from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise, book, compositions
from chainrule.core.state import Quiet
from chainrule.errors import UNFIT
from chainrule.program import Step
from chainrule.verify.agreement import agrees, broadcasts, ratio_everywhere, squeezed
from chainrule.verify.answers.traced import entered
from chainrule.verify.marking.local_changes import ACTIVATIONS, SWITCHES
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.marking.working import Part, Working, part_at

SIGNS = {"add": "+", "sub": "−", "mul": "*", "div": "/", "pow": "**", "matmul": "@", "dot": "@"}
"""How the operations of a program that was watched are written."""

LONGEST_SOURCE = 40
"""Characters of a part that is written out by its operations."""

COMPARISONS = ("greater", "greater_equal", "less", "less_equal")


class Edit(NamedTuple):
    """Another part in the place of one, and what its mistake is called; it may take in what stood there itself."""

    at: int
    name: str
    says: str
    part: Part
    more: tuple[tuple[int, Part], ...] = ()
    """Other parts that are changed with it, because they stand at the same place of the program's text."""
    swap: tuple[int, int] | None = None
    """The part that was used and the one that belongs, of which the mended program tells what they are."""


def called(part: Part) -> str:
    return getattr(part.function, "__name__", "")


matrix_product, add_up, average = compositions["matmul"], compositions["sum"], compositions["mean"]


def matmul(x: Any, y: Any) -> Any:
    """A matrix product; what does not fit is refused at once, for of a search's attempts most do not."""
    if not fit(x, y):
        raise ValueError
    return matrix_product(x, y)


def fit(x: Any, y: Any) -> bool:
    """Whether two arrays may have a matrix product; of two vectors a book takes another than NumPy."""
    a, b = np.shape(x), np.shape(y)
    return len(a) == len(b) == 1 or (bool(a and b) and a[-1] == b[-2 if len(b) > 1 else 0])


Meant = dict[str, tuple[tuple[str, str, Callable[[Any, Any], Any]], ...]]
"""By the operation that stands there: the mistake, what must be, and what that gives."""

SIGNS_MEANT: Meant = {
    "sub": (("sign", "have the other sign", lambda a, b: b - a), ("sign", "be a sum", operator.add)),
    "add": (
        ("sign", "have the other sign", lambda a, b: b - a),
        ("sign", "be a difference", operator.sub),
    ),
}

ENTRY_BY_ENTRY = (("matrix-product-for-elementwise", "be a product entry by entry", operator.mul),)
OPERATORS_MEANT: Meant = {
    "mul": (
        ("elementwise-for-matrix-product", "be a matrix product", matmul),
        ("multiplied-for-added", "be a sum", operator.add),
        ("elementwise-for-matrix-product", "be a matrix product", lambda a, b: matmul(np.transpose(a), b)),
        ("elementwise-for-matrix-product", "be a matrix product", lambda a, b: matmul(a, np.transpose(b))),
    ),
    **dict.fromkeys(("matmul", "dot", "vdot", "inner"), ENTRY_BY_ENTRY),
    "add": (("added-for-multiplied", "be a product", operator.mul),),
    "div": (("wrong-local-derivative", "be a product", operator.mul),),
}


class Edits:
    """The small changes of a working that undo what people do wrong, and what each is called."""

    def __init__(self, problem: Problem, walks: Sequence[Walk], working: Working, wanted: Sequence[str]) -> None:
        self.problem = problem
        self.walks = walks
        self.working = working
        self.wanted = wanted
        self.wrt = {name: problem.named[name] for name in wanted}
        self.needed = working.needed(wanted)
        self.inside = set(self.needed)
        self.values = [self.run_safely(walk) for walk in walks]
        self._identified: dict[int, tuple[str, Step] | None] = {}

    def run_safely(self, walk: Walk) -> list[Any]:
        """What each part gives; None from where shapes do not fit."""
        found: list[Any] = []
        with Quiet():
            for part in self.working.parts:
                try:
                    found.append(part_at(part, found, walk))
                except UNFIT:
                    found.append(None)
        return found

    @cached_property
    def spots(self) -> list[list[int]]:
        """Parts that stand at the same place of the program's text, in the order in which they were come by."""
        found: dict[Any, list[int]] = {}
        for i, part in enumerate(self.working.parts):
            if part.spot is not None and part.function is not None:
                found.setdefault((part.spot, called(part), len(part.inputs)), []).append(i)
        return [places for places in found.values() if len(places) > 1][::-1]

    def rounds(self, i: int, part: Part) -> Iterator[Edit]:
        """What a loop sets anew each round, where its rounds add up."""
        for places in self.spots:
            if i == places[-1] and self.inside.isdisjoint(places[:-1]):
                says = f"each round sets {self.source(i)} anew, and the last alone is left"
                yield Edit(i, "overwritten", says, Part(lambda *rounds: sum(rounds), tuple(places)))

    def accumulated(self, i: int, part: Part) -> Iterator[Edit]:
        """Entries that are set where they add up."""
        if called(part) == "put" and len(part.inputs) == 2:
            says = f"{self.source(i)} is set with = where += is needed"
            yield Edit(i, "overwritten", says, replace(part, function=added_at))

    def variables(self, i: int, part: Part) -> Iterator[Edit]:
        """Another variable of the program, as it is then, in the place of one that a part takes in."""
        if part.function is None or part.spot is None:
            return
        latest = {p.name: k for k, p in enumerate(self.working.parts[:i]) if p.name and self.values[0][k] is not None}
        for slot, used in enumerate(part.inputs):
            shape = np.shape(self.values[0][used])
            name = self.working.parts[used].name
            for other, k in latest.items() if name else ():
                if other != name and np.shape(self.values[0][k]) == shape:
                    says = f"{name} stands where {other} belongs"
                    # It is named when it is known what both are in the mended program.
                    yield Edit(i, "unclassified", says, with_input(part, slot, k), swap=(used, k))

    def source(self, i: int) -> str:
        """How a part was written, or what it is called."""
        part = self.working.parts[i]
        if part.text or part.name or part.number is not None:
            return part.text or part.name or f"{part.number:g}"
        inputs = [self.source(x) for x in part.inputs]
        sign = SIGNS.get(called(part), "")
        written = f"{inputs[0]} {sign} {inputs[1]}" if sign and len(inputs) == 2 else ""
        written = f"{called(part)}({inputs[0]})" if len(inputs) == 1 and called(part) else written
        where = f" in {part.line}" if part.line else ""
        return written if 0 < len(written) <= LONGEST_SOURCE else f"the {called(part) or 'number'}{where}"

    def is_known(self, i: int) -> bool:
        """Whether a part is a value or a gradient of the problem, or a multiple of one, as y − ŷ is of ŷ − y."""
        if self.identified(i) is not None or self.is_mask(i):
            return True
        parts = [values[i] for values in self.values]
        return any(
            ratio_everywhere(parts, [look_up((kind, step), walk) for walk in self.walks]) is not None
            for step in self.problem.program.steps
            if squeezed(step.shape) == squeezed(np.shape(parts[0]))
            for kind in ("value", "gradient")
            if kind == "value" or step in self.walks[0].right
        )

    def is_mask(self, i: int) -> bool:
        """Whether a part says where a switch of the problem lets through."""
        masks = [np.asarray(values[i]) for values in self.values]
        pairs = list(zip(masks, self.walks, strict=True))
        return all(mask.dtype == bool for mask in masks) and any(
            all(agrees(mask.astype(float), np.greater(walk.slope(step, slot), 0)) for mask, walk in pairs)
            for step in self.problem.program.steps
            if isinstance(step.op, Pointwise) and (step.op.selects or step.operation in SWITCHES)
            for slot, _ in step.edges
        )

    def moved(self, i: int, part: Part) -> Iterator[Edit]:
        """A parameter that was moved along its gradient, where it belongs as it was."""
        if called(part) not in ("sub", "add") or len(part.inputs) != 2:
            return
        for kept, other in (part.inputs, part.inputs[::-1]):
            kind, leaf = self.identified(kept) or ("", None)
            if kind != "value" or leaf is None or leaf.op is not None or leaf not in self.walks[0].right:
                continue
            moves = [values[other] for values in self.values]
            if ratio_everywhere(moves, [walk.right[leaf] for walk in self.walks]) is not None:
                name = self.problem.name(leaf)
                says = f"{name} has been updated before it is used here, where {name} of the forward pass belongs"
                yield Edit(i, "new-weights", says, Part(look_up=partial(look_up, ("value", leaf))))

    def signs(self, i: int, part: Part) -> Iterator[Edit]:
        yield from self.instead(SIGNS_MEANT, i, part)
        if called(part) == "neg":
            yield Edit(i, "sign", f"{self.source(i)} must have no minus", Part(same, part.inputs))

    def operators(self, i: int, part: Part) -> Iterator[Edit]:
        yield from self.instead(OPERATORS_MEANT, i, part)

    def instead(self, meant: Meant, i: int, part: Part) -> Iterator[Edit]:
        """What may have been meant in place of an operation on two parts."""
        if len(part.inputs) == 2:
            for name, must, function in meant.get(called(part), ()):
                yield Edit(i, name, f"{self.source(i)} must {must}", Part(function, part.inputs))

    def chain(self, i: int) -> list[int]:
        """The factors of a chain of matrix products."""
        part = self.working.parts[i]
        if called(part) not in ("matmul", "dot"):
            return [i]
        return [leaf for x in part.inputs for leaf in self.chain(x)]

    def products_in_order(self, i: int, part: Part) -> Iterator[Edit]:
        if called(part) not in ("matmul", "dot"):
            return
        factors = self.chain(i)
        if len(factors) > 4:
            return
        for order in permutations(factors):
            if list(order) != factors:
                names = " @ ".join(self.source(x) for x in order)
                says = f"the factors of {self.source(i)} must stand in the order {names}"
                yield Edit(i, "wrong-product-order", says, Part(lambda *x: reduce(matmul, x), order))

    def axes(self, i: int, part: Part) -> Iterator[Edit]:
        name = called(part)
        if name not in ("sum", "mean") or not part.inputs:
            return
        function, other = (add_up, average) if name == "sum" else (average, add_up)
        taken = part.inputs[:1]
        dims = np.ndim(self.values[0][taken[0]]) if self.values[0][taken[0]] is not None else 0
        for axis, keep in product((None, *range(dims)), (False, True)):
            says = f"{self.source(i)} must run over {'all' if axis is None else f'axis {axis}'}"
            along = Part(function, taken, {"axis": axis, "keepdims": keep})
            yield Edit(i, "summed-over-wrong-axis", says, along)
        says = f"{self.source(i)} must be {'an average' if name == 'sum' else 'a sum'}"
        yield Edit(i, "wrong-average", says, Part(other, taken, part.settings))

    def numbers(self, i: int, part: Part) -> Iterator[Edit]:
        if part.number is None or isinstance(part.number, np.ndarray) or not self.used_by(i):
            return
        consumer = self.working.parts[self.used_by(i)[0]]
        name = called(consumer)
        kind = "factor" if name in ("mul", "div") else "wrong-local-derivative"
        c = float(part.number)
        if kind == "factor" and c > 2 and any(c == n for s in self.problem.program.steps for n in s.shape):
            kind = "wrong-average"
        for other in dict.fromkeys([1.0, 2 * c, c / 2, 2.0, 0.5, -c, c + 1, c - 1, -1.0, 4.0, 0.25]):
            if other != c:
                says = f"{part.text or c:} must be {other:g}, in {self.source(self.used_by(i)[0])}"
                yield Edit(i, kind, says, Part(number=other))

    def used_by(self, i: int) -> list[int]:
        """The parts that take another in."""
        return [k for k in self.needed if i in self.working.parts[k].inputs]

    def brackets(self, i: int, part: Part) -> Iterator[Edit]:
        name = called(part)
        if name not in ("add", "sub") or len(part.inputs) != 2:
            return
        both = np.add if name == "add" else np.subtract
        for said, pair, others in self.brackets_lost(*part.inputs):
            says = f"in {self.source(i)} the bracket around {said}"
            bracketed = lambda x, y, *others: reduce(operator.mul, others, both(x, y))  # noqa: E731
            yield Edit(i, "lost-parentheses", says, Part(bracketed, (*pair, *others)))
        for whole, rest in (part.inputs, part.inputs[::-1]):
            if called(self.working.parts[whole]) == "matmul":
                says = f"in {self.source(i)} the bracket around {self.source(rest)} is lost"
                inputs = (*self.working.parts[whole].inputs, rest)
                for function in (lambda f, s, r: matmul(both(r, f), s), lambda f, s, r: matmul(f, both(s, r))):
                    yield Edit(i, "lost-parentheses", says, Part(function, inputs))

    def brackets_lost(self, a: int, b: int) -> Iterator[tuple[str, tuple[Any, Any], tuple[int, ...]]]:
        """What is said of a bracket that may have stood in a sum, the two that it held, and the factors around it."""
        left, right = self.factors(a), self.factors(b)
        if len(left) > 1 or len(right) > 1:
            said = f"{self.source(left[-1])} and {self.source(right[0])} is lost"
            yield said, (left[-1], right[0]), (*left[:-1], *right[1:])
        for k, first in enumerate(right if len(right) > 1 else ()):
            said = f"1 and {self.source(first)} is lost, and the 1 with it"
            yield said, (lambda walk: 1.0, first), (*left, *right[:k], *right[k + 1 :])
        for factors, rest, turn in ((left, b, 1), (right, a, -1)):
            for k, other in enumerate(factors if len(factors) > 1 else ()):
                said = f"{self.source(other)} and {self.source(rest)} is lost"
                first, second = (other, rest)[::turn]
                yield said, (first, second), (*factors[:k], *factors[k + 1 :])

    def factors(self, i: int) -> list[int]:
        """The factors of a product of numbers, however it is nested."""
        part = self.working.parts[i]
        if called(part) != "mul" or len(part.inputs) != 2:
            return [i]
        return [leaf for x in part.inputs for leaf in self.factors(x)]

    def transposes(self, i: int, part: Part) -> Iterator[Edit]:
        if called(part) == "transpose" and part.inputs:
            yield Edit(i, "transposed", f"{self.source(i)} must not be transposed", Part(same, part.inputs[:1]))
        else:
            yield Edit(i, "transposed", f"{self.source(i)} must be transposed", Part(transposed, (i,)))

    def operands(self, i: int, part: Part) -> Iterator[Edit]:
        """Another value of the problem, or its gradient, in the place of one that a part takes in."""
        if part.function is None:
            return
        for slot, used in enumerate(part.inputs):
            source = self.working.parts[used]
            if not source.name and source.look_up is None:
                continue
            shape = np.shape(self.values[0][used])
            old = self.identified(used)
            for step in self.problem.program.steps:
                if step.shape not in (shape, shape[::-1]):
                    continue
                for kind in ("value", "gradient"):
                    new = (kind, step)
                    if new == old or (kind == "gradient" and step not in self.walks[0].right):
                        continue
                    what = self.problem.name(step) if kind == "value" else f"the gradient of {self.problem.name(step)}"
                    says = f"{self.source(used)} stands where {what} belongs"
                    there = with_input(part, slot, partial(look_up, new, shape=shape))
                    yield Edit(i, self.swap_name(old, new, i), says, there)

    def identified(self, i: int) -> tuple[str, Step] | None:
        """What of the problem a part is: a value, or a gradient."""
        if i not in self._identified:
            self._identified[i] = self.look_for(i, self.values)
        return self._identified[i]

    def look_for(self, i: int, values: Sequence[Sequence[Any]]) -> tuple[str, Step] | None:
        """The value or the gradient that a part agrees with at every probe, of what the parts give there."""
        for step in reversed(self.problem.program.steps):
            for kind in ("value", "gradient"):
                if kind == "gradient" and step not in self.walks[0].right:
                    continue
                if all(agrees(values[k][i], look_up((kind, step), w)) for k, w in enumerate(self.walks)):
                    return kind, step
        return None

    def swap_name(self, old: tuple[str, Step] | None, new: tuple[str, Step], i: int) -> str:
        """What it is called where one thing stands for another."""
        if called(self.working.parts[i]) in COMPARISONS:
            return "relu-mask-wrong"
        if old is None:
            return "unclassified"
        if old[0] != new[0]:
            return "gradient-for-value"
        if old[0] == "gradient":
            return self.link_name(old[1], new[1])
        for step in self.problem.program.steps:
            if step.operation in ("mul", "matmul") and {old[1], new[1]} == set(step.inputs):
                return "swapped-operands"
        in_slope = self.in_slope(i)
        if activation_between(old[1], new[1]):
            return "activation-derivative-at-input" if in_slope else "wrong-local-derivative"
        if activation_between(new[1], old[1]):
            return "activation-derivative-at-output" if in_slope else "unclassified"
        if in_slope:
            return "activation-derivative-of-another"
        return "local-derivative-of-another" if self.is_factor(old[1]) else "unclassified"

    def link_name(self, old: Step, new: Step) -> str:
        """What is missing where one gradient stands for another further down."""
        links = self.problem.program.between([new], [old]) if old.place > new.place else []
        kinds = {s.op.name for s in links if s.op is not None}
        if not kinds:
            return "unclassified"
        return (
            "activation-derivative-missing"
            if kinds <= {*ACTIVATIONS, "add", "sub"} and kinds & set(ACTIVATIONS)
            else "missing-factor"
        )

    def in_slope(self, i: int) -> bool:
        """Whether a part is used as in a(1 − a) or 1 − a²."""
        near = {i, *self.used_by(i)} | {k for use in self.used_by(i) for k in self.used_by(use)}
        return any(called(self.working.parts[k]) == "sub" for k in near)

    def is_factor(self, step: Step) -> bool:
        """Whether a value is the local derivative of some product."""
        return any(s.operation in ("mul", "matmul") for s, _ in self.problem.consumers(step))

    def functions(self, i: int, part: Part) -> Iterator[Edit]:
        if len(part.inputs) != 1 or called(part) not in book:
            return
        for other in ("sigmoid", "tanh", "relu", "exp", "log", "square", "sqrt", "sin", "cos"):
            if other != called(part) and isinstance(book[called(part)], Pointwise):
                says = f"{self.source(i)} must have {other}"
                yield Edit(i, "activation-derivative-of-another", says, Part(book[other], part.inputs))

    def factors_out(self, i: int, part: Part) -> Iterator[Edit]:
        if called(part) in ("mul", "div") and len(part.inputs) == 2:
            for keep, gone in (part.inputs, part.inputs[::-1]):
                if called(part) == "div" and keep != part.inputs[0]:
                    continue
                name = "factor" if self.working.parts[gone].number is not None else "extra-factor"
                is_count = self.identified(gone) in [("value", s) for s in self.problem.counts]
                name = "wrong-average" if is_count or (name == "factor" and called(part) == "div") else name
                says = f"{self.source(gone)} does not belong in {self.source(i)}"
                yield Edit(i, name, says, Part(same, (keep,)))

    def factors_in(self, i: int, part: Part) -> Iterator[Edit]:
        if part.number is not None:
            return
        shape = np.shape(self.values[0][i])
        for step in self.problem.program.steps:
            if isinstance(step.op, Pointwise) and step.op.name in ACTIVATIONS and broadcasts(step.shape, shape):
                says = f"the slope of {self.problem.where(step)} is missing at {self.source(i)}"
                slope = lambda walk, step=step: walk.slope(step, 0)  # noqa: E731
                yield Edit(i, "activation-derivative-missing", says, Part(operator.mul, (i, slope)))
            if step is not self.problem.output and broadcasts(step.shape, shape) and step not in self.problem.counts:
                says = f"{self.problem.name(step)} is missing at {self.source(i)}"
                missing = Part(operator.mul, (i, partial(look_up, ("value", step))))
                yield Edit(i, "missing-factor", says, missing)
        counts = sorted(self.problem.counts, key=lambda step: step.place)
        for n in (*self.problem.lengths, *counts):
            said = self.problem.name(n) if isinstance(n, Step) else str(n)
            said = said if said.isalnum() else f"({said})"
            number_of = lambda walk, n=n: walk.numbers[n] if isinstance(n, Step) else n  # noqa: E731
            for says, function in (
                (f"1/{said} is missing at {self.source(i)}", operator.truediv),
                (f"{self.source(i)} is divided by {said} once too often", operator.mul),
            ):
                yield Edit(i, "wrong-average", says, Part(function, (i, number_of)))
        for c in (2.0, 0.5):
            times = Part(operator.mul, (i, lambda walk, c=c: c))
            yield Edit(i, "factor", f"a factor {c:g} is missing at {self.source(i)}", times)

    def sums_in(self, i: int, part: Part) -> Iterator[Edit]:
        dims = np.ndim(self.values[0][i]) if self.values[0][i] is not None else 0
        for axis, keep in product(range(dims), (False, True)):
            says = f"{self.source(i)} is not summed over axis {axis}"
            yield Edit(i, "batch-sum-missing", says, Part(np.sum, (i,), {"axis": axis, "keepdims": keep}))


def with_input(part: Part, slot: int, other: Any) -> Part:
    """A part with something else as one of its inputs."""
    return replace(part, inputs=(*part.inputs[:slot], other, *part.inputs[slot + 1 :]))


def same(x: Any) -> Any:
    """What is kept as it is."""
    return x


def added_at(x: Any, new: Any, *, at: Any) -> Any:
    """An array with something added at some of its entries."""
    return entered(x, np.asarray(x)[at] + new, at)


def transposed(x: Any) -> Any:
    """The transpose of a matrix; nothing for what has none."""
    return np.transpose(x) if np.ndim(x) == 2 else None


def look_up(what: tuple[str, Step], walk: Walk, shape: tuple[int, ...] | None = None) -> Any:
    """A value or a gradient at a probe; transposed where it has to be for a shape."""
    kind, step = what
    x = walk.numbers[step] if kind == "value" else walk.right[step]
    return x if shape is None or np.shape(x) == shape else np.transpose(x)


def activation_between(below: Step, above: Step) -> bool:
    return above.operation in ACTIVATIONS and below in above.inputs

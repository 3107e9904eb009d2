"""The laws by which derivatives of rules are written: those of programs, of formulas, and a few for arrays of any size.

What programs do with the numbers in products, formulas do in their own way; no law writes a number of entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.codegen.as_formulas import as_formulas
from chainrule.codegen.laws import LAWS, Law, axes_of, is_free, is_one_a_row, is_only, law
from chainrule.codegen.simplified import Builder, reached, simplified
from chainrule.core.operation import book
from chainrule.program import Step, Trace
from chainrule.program.steps import axes_along

UNFIT = frozenset(
    {"numbers gathered", "numbers out of denominators", "one-hot rows", "sums over the axes that were repeated"}
)
"""Laws of programs that write a number of entries, or place numbers otherwise than formulas do."""

OWN_LAWS: list[tuple[str, Law]] = []
"""Every law for arrays of any size, with its name."""

LATE_LAWS: list[tuple[str, Law]] = []
"""Those of products and sums in floating point, which formulas have in an order of their own."""


def shortened(trace: Trace, names: Mapping[Step, str], order: Sequence[str]) -> Trace:
    """A derivative by fewer operations: as a program, then as a formula whose symbols stand in this order."""
    before = [*[known for known in LAWS if known[0] not in UNFIT], *OWN_LAWS]
    after = [*[known for known in before if known[0] != "signs in front"], *LATE_LAWS]  # signs stand as in the formula
    return simplified(as_formulas(simplified(trace, before)[0], names, order), after)[0]


@law("numbers before what is put in places", "scatter", into=OWN_LAWS)
def number_out_of_scatter(b: Builder, step: Step) -> Any:
    """Copies of a number, put in one place of each row, are the number times ones that are put there."""
    x = step.inputs[0]
    if not is_only(x, "broadcast_to") or x.inputs[0].shape or b.number(x.inputs[0]) == 1 or not is_one_a_row(b, step):
        return None
    ones = b.step("broadcast_to", b.constant(1.0, x.dtype), shape=x.shape)
    return b.step("mul", x.inputs[0], b.plain(book["scatter"], (ones,), step.settings))


@law("a factor of both terms before the sum", "add", "sub", into=LATE_LAWS)
def factor_before_sum(b: Builder, step: Step) -> Any:
    """a·x³ + b·x is x·(a·x² + b): one product less, and no power of x overflows that the sum itself does not need."""
    left, right = map(factors_in, step.inputs)
    for x in left:
        if x in right and is_free(b, x):
            inner = b.step(step.operation, *[product(b, without(x, factors), step) for factors in (left, right)])
            return b.step("mul", x, inner)
    return None


@law("outer links before inner ones", "mul", into=LATE_LAWS)
def outer_first(b: Builder, step: Step) -> Any:
    """x·(a·x² + b)·t is x·t·(a·x² + b), if t has more steps behind it: where it has become 0, x³ may be infinite."""
    for several, outer in (step.inputs, step.inputs[::-1]):
        if is_only(several, "mul") and is_only(several.inputs[1], "add", "sub"):
            x, inner = several.inputs
            if is_free(b, outer) and len(reached([outer])) > len(reached([inner])):
                return b.step("mul", b.step("mul", x, outer), inner)
    return None


def factors_in(x: Any) -> list[Any]:
    """The factors of a product, in their order; of anything else the step itself."""
    return [factor for y in x.inputs for factor in factors_in(y)] if is_only(x, "mul") else [x]


def without(x: Step, factors: list[Any]) -> list[Any]:
    """The factors that are left when one is taken out."""
    at = factors.index(x)
    return factors[:at] + factors[at + 1 :]


def product(b: Builder, factors: list[Any], like: Step) -> Any:
    """The product of factors; the first is multiplied last, so that the same powers of the others are one step."""
    if not factors:
        return b.constant(1.0, like.dtype)
    *before, out = factors
    for x in before[::-1]:
        out = b.step("mul", x, out)
    return out


@law("sums along the last axis", "sum", "sum_to", into=OWN_LAWS)
def along_last(b: Builder, step: Step) -> Any:
    """What is added up along the last axis alone is so however many axes there are."""
    x: Any = step.inputs[0]
    if is_only(step, "sum") and step.settings["axis"] != -1 and axes_along(step) == {x.ndim - 1} and x.ndim > 1:
        return b.step("sum", x, axis=-1, keepdims=step.settings["keepdims"])
    last_alone = x.ndim and step.shape == (*x.shape[:-1], 1) and x.shape != step.shape
    return b.step("sum", x, axis=-1, keepdims=True) if is_only(step, "sum_to") and last_alone else None


@law("turned before it is stacked", "transpose", into=OWN_LAWS)
def turned_in_stack(b: Builder, step: Step) -> Any:
    """A stack whose axes change places is a stack of parts whose axes did, along another axis: one copy, not two."""
    x: Any = step.inputs[0]
    if not is_only(x, "stack"):
        return None
    order, axis = axes_of(step), x.settings["axis"] % x.ndim
    inner = tuple([a - (a > axis) for a in order if a != axis])
    parts = [b.step("transpose", part, axes=inner) for part in x.inputs]
    return b.step("stack", *parts, axis=order.index(axis))

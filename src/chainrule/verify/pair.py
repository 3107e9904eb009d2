"""A forward and a backward pass written by hand, checked as they stand, in whichever of the usual ways they are called.

- ``forward(*inputs)`` gives ``out`` or ``(out, kept)``
- ``backward(kept, g)`` or ``backward(g, kept)``, after what forward kept
- ``backward(g, *inputs)`` or ``backward(*inputs, g)``; ``backward(*inputs)`` of a loss, where g is 1

Which one it is stands in the names of the parameters, or is found by trying.
"""

# What a user's functions take and give is not known before they have run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import is_node
from chainrule.core.state import quietly
from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten, matched, outline, unflatten
from chainrule.errors import UNFIT, GraphError
from chainrule.kinds import what_is
from chainrule.verify.answers.activations import on_tensors
from chainrule.verify.answers.traced import Tape, Traced
from chainrule.verify.subject import (
    Array,
    BackwardError,
    Function,
    Leaf,
    Subject,
    array_of,
    joined,
    name_of,
    parameter_names,
    pieces,
    settle,
)

COTANGENTS = {
    "g", "grad", "grad_output", "grad_out", "dout", "dy", "dz", "upstream", "cotangent", "gy", "gout", "delta",
}  # fmt: skip
"""What people call the gradient that arrives."""
KEPT = {"kept", "cache", "ctx", "saved", "res", "residuals", "context", "state", "tape", "memory", "self"}
"""And what a forward pass keeps for the backward pass."""

IMAGINARY = 1e-30j
"""So small that its square is nothing beside 1, and so is what it puts a result off by."""

Way = Callable[[list[Any], Any, Any], Any]
"""How backward is called, with the inputs, what was kept, and the gradient that arrives."""


NOT_ANALYTIC = frozenset({"abs", "absolute", "fabs", "norm", "sign", "real", "imag", "conjugate", "angle"})
"""Operations that a complex step does not see, or sees otherwise."""


class Pair(Subject):
    """``(forward, backward)`` on plain numbers and arrays, or on Tensors where Tensors were given."""

    way: Way
    keeps = False

    def __init__(self, forward: Function, backward: Function, inputs: Sequence[Any]) -> None:
        super().__init__(forward, inputs)
        self.backward = backward

    def __enter__(self) -> Pair:
        ways = self.ways()
        settle(self)
        self.choose(ways)
        return self

    def arguments(self) -> list[Any]:
        """The inputs at the leaves' present numbers, of the kinds that were given."""
        return self.filled([self.as_given(leaf) for leaf in self.leaves])

    def as_given(self, leaf: Leaf) -> Any:
        """A leaf at its present numbers, of the kind that was given."""
        array = leaf.array if self.wide else leaf.array.astype(leaf.dtype)
        if is_node(leaf.given):
            return Value(float(array)) if isinstance(leaf.given, Value) else Tensor(array)
        if array.ndim:
            return array.copy() if self.copies else array
        return float(array) if isinstance(leaf.given, float | int) else array[()]

    def forward_on(self, arguments: list[Any]) -> tuple[Any, Any]:
        """What the forward pass gives of some arguments, and what it keeps."""
        self.chances.wind_back()
        made = quietly(self.f, *arguments)
        return made if self.keeps else (made, None)

    def forward_pass(self) -> tuple[list[Any], Any, Any]:
        """One run: the arguments, the output and what was kept."""
        out, kept = self.forward_on(self.arguments())
        return self.arguments(), out, kept

    def run(self) -> Array:
        return joined(numbers_in(self.forward_pass()[1]))

    def on_tape(self) -> tuple[Tape, Any]:
        """What the forward pass does, written down, and what it gives; its inputs come first, in their order."""
        tape = Tape()
        traced = [tape.add(None, (), {}, leaf.array.copy()) for leaf in self.leaves]
        for note, leaf in zip(tape.notes, self.leaves, strict=True):
            note.name = leaf.name
        return tape, self.forward_on(self.filled(traced))[0]

    def recorded(self) -> tuple[Any, dict[Any, str]] | None:
        tape, out = self.on_tape()
        if not isinstance(out, Traced):
            return None
        found: dict[int, Any] = {}
        for at in sorted(tape.above(out.place) | {out.place}):
            note = tape.notes[at]
            if at < len(self.leaves):
                found[at] = Tensor(np.array(note.value, float), requires_grad=True)
            else:
                found[at] = note.value if note.function is None else on_tensors(tape, at, found)
        return found[out.place], {found[at]: leaf.name for at, leaf in enumerate(self.leaves) if at in found}

    @cached_property
    def is_analytic(self) -> bool:
        """Whether its forward pass was seen to go through nothing that has another derivative off the real line."""
        try:
            tape, _ = self.on_tape()
        except (*UNFIT, NotImplementedError):
            return False
        return len(tape.notes) > len(self.leaves) and NOT_ANALYTIC.isdisjoint(note.operation for note in tape.notes)

    def complex_slope(self, leaf: Leaf, way: Array, u: Array) -> float | None:
        """A step into the imaginary, which takes no difference and so has no rounding (Squire and Trapp, 1998).

        Where a function is not analytic (absolute values, comparisons) it gives something else, and whoever asks has to
        see whether differences agree.
        """
        if any(is_node(x.given) for x in self.leaves) or not self.wide:
            return None
        moved = [x.array + IMAGINARY * way if x is leaf else x.array.copy() for x in self.leaves]
        try:
            out, _ = self.forward_on(self.filled([x if x.ndim else x[()] for x in moved]))
            parts = [np.asarray(x).ravel() for x in flatten(out)[0]]
        except (*UNFIT, NotImplementedError):
            return None
        whole = np.concatenate(parts) if parts else np.zeros(0)
        if whole.dtype.kind != "c" or whole.size != u.size:
            return None
        return float(np.imag(whole) @ u / IMAGINARY.imag)

    def ways(self) -> list[tuple[bool, Way]]:
        """How backward may want to be called, the likeliest first; and whether forward gives what is kept."""
        self.copies = True
        _, made, _ = self.forward_pass()
        self.copies = False
        wanted = [
            p.name.lower()
            for p in inspect.signature(self.backward).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
        ]
        found: list[tuple[bool, Way]] = []
        if isinstance(made, tuple) and len(made) == 2 and len(wanted) == 2:
            in_jax_order: list[Way] = [
                lambda _, kept, g: self.backward(kept, g),
                lambda _, kept, g: self.backward(g, kept),
            ]
            turned = wanted[0] in COTANGENTS or wanted[1] in KEPT or wanted[0].startswith("d")
            found += [(True, way) for way in (in_jax_order[::-1] if turned else in_jax_order)]
        if len(wanted) == len(self.inputs):
            found.append((False, self.of_loss))
        elif len(wanted) == len(self.inputs) + 1:
            in_front_or_behind: list[Way] = [
                lambda arguments, _, g: self.backward(g, *arguments),
                lambda arguments, _, g: self.backward(*arguments, g),
            ]
            behind = wanted[-1] in COTANGENTS
            found += [(False, way) for way in (in_front_or_behind[::-1] if behind else in_front_or_behind)]
        of_forward = [x.lower() for x in parameter_names(self.f, len(self.inputs))]
        if [name for name in wanted if name not in COTANGENTS] == of_forward:
            found.sort(key=lambda way: way[0])  # it names the inputs, so nothing is kept for it
        if not found:
            raise GraphError(
                f"{name_of(self.backward)} takes {len(wanted)} arguments: write backward(g, *inputs), or "
                "backward(kept, g) with a forward that gives (out, kept); g is the gradient that arrives"
            )
        self.keeps, self.way = found[0]
        return found

    def of_loss(self, arguments: list[Any], _: Any, g: Any) -> Any:
        """The gradients of a loss, times the number that arrives."""
        given = self.backward(*arguments)
        if np.ndim(g):
            raise TypeError(
                "it takes the inputs alone, and forward gives more than one number: let it take (g, *inputs)"
            )
        leaves, structure = flatten(given)
        return unflatten(structure, [g * part for part in leaves])

    def choose(self, ways: Sequence[tuple[bool, Way]]) -> None:
        """Take the first way of calling whose gradients fit; else the first that works; else the first of all."""
        fits: list[int] = []
        for self.keeps, self.way in ways:
            try:
                found = self.pull(np.ones(self.run().size))
            except (BackwardError, GraphError):
                fits.append(2)
                continue
            fits.append(int(any(g.shape != leaf.array.shape for g, leaf in zip(found, self.leaves, strict=True))))
        self.keeps, self.way = ways[fits.index(min(fits))]

    def back(self, passed: tuple[list[Any], Any, Any], u: Array) -> list[Array]:
        arguments, out, kept = passed
        leaves, structure = flatten(out)
        held = [array_of(part) for part in leaves]
        arriving: list[Any] = []
        for part, x, g in zip(leaves, held, pieces(u, [x.shape for x in held]), strict=True):
            g = g.astype(x.dtype if x.dtype.kind == "f" else float)
            arriving.append(Tensor(g) if isinstance(part, Tensor) else g if g.shape else float(g))
        cotangent = unflatten(structure, arriving)
        before = joined(numbers_in(cotangent))
        try:
            given = quietly(self.way, arguments, kept, cotangent)
        except UNFIT as error:
            raise BackwardError(f"the backward pass fails: {type(error).__name__}: {error}") from error
        if not np.array_equal(before, joined(numbers_in(cotangent)), equal_nan=True):
            note = "its backward pass writes into the gradient that arrives, which others may still need"
            self.notes += [note] if note not in self.notes else []
        return self.matched(given)

    def matched(self, given: Any) -> list[Array]:
        """What backward gave, as a gradient for each leaf; a list may leave out the inputs that are no numbers."""
        count = len(self.inputs)
        if count == 1 and not (isinstance(given, tuple | list) and len(given) == 1):
            given = (given,)
        if isinstance(given, dict):
            given = tuple([given.get(x, given.get(f"d{x}", given.get(f"grad_{x}"))) for x in self.names])
        if not isinstance(given, tuple | list):
            raise BackwardError(f"the backward pass gave {what_is(given)}, not a tuple of {count} gradients")
        try:
            parts = matched(self.structure, tuple(given)) if len(given) == count else []
        except ValueError:
            raise BackwardError(
                f"the backward pass gave gradients of another structure than the inputs', {outline(self.structure)}"
            ) from None
        if parts:
            parts = [parts[k] for k in self.places]
        elif len(given) == len(self.leaves):
            parts = list(given)
        else:
            raise BackwardError(
                f"the backward pass gave {len(given)} gradients, and there are {count} inputs: give one for each, "
                "None for zeros"
            )
        for leaf, part in zip(self.leaves, parts, strict=True):
            if part is not None and array_of(part).dtype.kind not in "fiub":
                raise BackwardError(f"the gradient of {leaf.name} is no array of numbers: {array_of(part).dtype}")
        return self.as_arrays(parts)

    def pull_late(self, u: Array) -> tuple[list[Array], list[Array]]:
        before, self.copies = self.copies, True  # what a run keeps must not be the arrays that are moved
        try:
            return super().pull_late(u)
        finally:
            self.copies = before

    def pull_as_given(self, u: Array) -> list[Array] | None:
        """None: of a pair, float32 is not looked at beside float64."""
        return None


def numbers_in(out: Any) -> list[Any]:
    """The numbers of what a function gave; what holds none is refused."""
    leaves = flatten(out)[0]
    found = [array_of(x) for x in leaves]
    for x, array in zip(leaves, found, strict=True):
        if array.dtype.kind not in "fiub":
            raise GraphError(f"the function gave {what_is(x)}: give numbers or arrays, or (out, kept)")
    return found

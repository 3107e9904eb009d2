"""Whether the engines agree with each other, and with PyTorch and JAX, on a random program; and where they part.

A program is judged as a whole. Where that parts from the first judge, every step is judged by itself, on the numbers
and the gradient that it was given, entry by entry: there the second judge is asked too. For a program through several
kinds of kinks may agree with neither as a whole, and rounding may grow. What agrees with no judge at some step is a
parting; those that docs/conventions.md states are no disagreements.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from exact import answers
from peers import Peer
from random_programs import Program, Step, ours

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core.state import quietly

DIGITS, SINGLE_DIGITS = 1e-7, 1e-3
"""What some forty roundings leave, twice differentiated, of float64 and of float32."""


SHAKES = 3

ROUNDED = frozenset({"cholesky", "det", "eigvalsh", "inv", "logabsdet", "norm", "solve", "std", "svdvals"})
"""What can hang on the last digit that it is given: near a singular matrix, equal values or equal entries."""


def close(found: Any, right: Any, digits: float, least: float = 1.0) -> Any:
    """Entry by entry, whether numbers agree: nan where nan is, and otherwise within so much of the largest.

    With what is masked nothing agrees.
    """
    known = ~np.ma.getmaskarray(right)
    found, right = np.asarray(found, float), np.asarray(right, float)
    if found.shape != right.shape:
        return np.zeros(found.shape, bool)
    finite = np.isfinite(found) & np.isfinite(right)
    with np.errstate(all="ignore"):
        gap, size = np.abs(found - right), np.maximum(np.abs(found), np.abs(right))
        same = gap <= digits * np.maximum(least, np.where(finite, size, 0).max(initial=0.0))
    return known & np.where(finite, same, (found == right) | (np.isnan(found) & np.isnan(right)))


def agree(found: list[Any], right: list[Any], digits: float, least: float = 1.0) -> bool:
    return all(
        np.shape(x) == np.shape(y) and bool(np.all(close(x, y, digits, least)))
        for x, y in zip(found, right, strict=True)
    )


def larger(x: Any, part: float) -> Any:
    """A number or an array, larger by a part of itself and of the same type; whole numbers and truths as they are."""
    if type(x) is float:
        return x * (1 + part)
    with np.errstate(over="ignore"):
        return np.asarray(x * (1 + part), x.dtype) if getattr(x, "dtype", np.dtype(int)).kind == "f" else x


def plain(x: Any) -> Any:
    return np.asarray(x.data if isinstance(x, Tensor | Value) else x)


class Case:
    """A program or a step of it as a function of leaves, with tangents and a cotangent to differentiate by."""

    def __init__(self, run: Callable[..., Any], leaves: Any, moving: Any, g: Any, single: bool, seed: int) -> None:
        self.run, self.leaves, self.moving, self.g = run, leaves, moving, g
        self.digits = SINGLE_DIGITS if single else DIGITS
        self.xs = [leaves[k] for k in moving]
        rng = np.random.default_rng(seed)
        self.tangents = tuple(np.asarray(rng.normal(size=x.shape), x.dtype) for x in self.xs)

    def alone(self, *xs: Any) -> Any:
        """The function of what moves."""
        given = list(self.leaves)
        for k, x in zip(self.moving, xs, strict=True):
            given[k] = x
        return self.run(ours)(*given)

    def gradients(self, *xs: Any) -> Any:
        out, back = cr.vjp(self.alone, *xs)
        return back(np.ones(np.shape(out), out.dtype))

    @cached_property
    def found(self) -> dict[str, list[list[Any]]]:
        """What chainrule gives, aspect by aspect, in each way that it has."""
        out, back = cr.vjp(self.alone, *self.xs)
        shares = back(np.ones(np.shape(out), out.dtype) if self.g is None else self.g)
        pushed = cr.jvp(self.gradients, tuple(self.xs), self.tangents)[1]
        pulled = cr.vjp(self.gradients, *self.xs)[1](self.tangents)
        ways = {"value": [[out]], "gradient": [shares], "second order": [pushed, pulled]}
        return {aspect: [list(map(plain, way)) for way in many] for aspect, many in ways.items()}

    def judged(self, peer: Peer) -> dict[str, list[Any]]:
        """What another library gives; nothing where it refuses, as PyTorch does a matrix that has no inverse."""
        f = self.run(peer.function)
        with warnings.catch_warnings(action="ignore"):
            try:
                out, shares = peer.first(f, self.leaves, self.moving, self.g)
                seconds = peer.second(f, self.leaves, self.moving, self.tangents)
            except RuntimeError:
                return {}
        return {"value": [out], "gradient": shares, "second order": seconds}

    def shaken(self, k: int) -> Case:
        """The same at numbers larger by a few roundings, all of a leaf alike: what was equal there stays so."""
        rounding = 2.0**-20 if self.digits == SINGLE_DIGITS else 2.0**-48
        leaves = [larger(x, (2 * k + n + 1) * rounding) for n, x in enumerate(self.leaves)]
        out = Case(self.run, leaves, self.moving, self.g, self.digits == SINGLE_DIGITS, 0)
        out.tangents = self.tangents
        return out

    def trembles(self) -> bool:
        """Whether what chainrule gives hangs on the last digits of the leaves: then modes may part by rounding."""
        others = [self.shaken(k).found for k in range(SHAKES)]
        return not all(
            agree(way, other, self.digits)
            for found in others
            for aspect, ways in self.found.items()
            for way, other in zip(ways, found[aspect], strict=True)
        )

    def surely(self, peer: Peer) -> dict[str, list[Any]]:
        """What a peer gives, masked where it would give something else a few roundings away."""
        right = self.judged(peer)
        others = [self.shaken(k).judged(peer) for k in range(SHAKES)] if right else []
        if not all(others):
            return {}
        return {
            aspect: [
                np.ma.masked_array(x, ~np.all([close(other[aspect][k], x, self.digits) for other in others], axis=0))
                for k, x in enumerate(parts)
            ]
            for aspect, parts in right.items()
        }

    def agrees(self, right: dict[str, list[Any]]) -> bool:
        if not right:
            return all(np.isnan(x).all() for ways in self.found.values() for way in ways for x in way)
        return all(any(agree(way, right[aspect], self.digits) for way in ways) for aspect, ways in self.found.items())


def whole(program: Program) -> Case:
    def run(function: Callable[[str], Any]) -> Callable[..., Any]:
        return lambda *leaves: program.run(function, leaves)[-1]

    return Case(run, program.leaves, program.moving, None, program.single, program.seed)


# The engines among themselves


def as_leaves(program: Program, kind: Any) -> list[Any]:
    return [kind(x, k in program.moving) if isinstance(x, np.ndarray) else x for k, x in enumerate(program.leaves)]


def by_backward(program: Program, kind: Any) -> tuple[Any, list[Any]]:
    """The result and what `backward` leaves in the moving leaves; zeros where it leaves nothing."""
    leaves = as_leaves(program, kind)
    out = program.run(ours, leaves)[-1]
    if getattr(out, "requires_grad", False):
        out.backward()
    moved = [leaves[k] for k in program.moving]
    return plain(out), [np.zeros(np.shape(x.data)) if x.grad is None else plain(x.grad) for x in moved]


def tensor(x: Any, moving: bool) -> Tensor:
    return Tensor(x, requires_grad=moving)


def value(x: Any, moving: bool) -> Value | float:
    return Value(float(x)) if moving else float(x)


def second_on_values(program: Program, tangents: Any) -> list[Any]:
    case = whole(program)
    case.leaves = as_leaves(program, value)
    moved = [case.leaves[k] for k in program.moving]
    shares = cr.grad(case.alone, tuple(range(len(moved))))(*moved)
    for leaf in moved:
        leaf.grad = 0.0
    total: Any = sum(share * float(t) for share, t in zip(shares, tangents, strict=True))
    if isinstance(total, Value):
        total.backward()
    return [np.asarray(leaf.grad) for leaf in moved]


def between_engines(case: Case, program: Program) -> Iterator[str]:
    """Where the ways to run a program and to differentiate it part from each other, in words."""
    ((out,),), (shares,), (one, other) = case.found.values()
    digits = case.digits
    held = quietly(program.run, ours, case.leaves)
    forward = held[-1]
    if not agree([forward], [out], digits):
        yield f"plain numbers give {forward}, Tensors {out}"
    # The product and sum of a fused instruction does not run over where the product alone does.
    exact = moderate(held) or not any(step.name == "dot_of_lists" for step in program.steps)
    for kind in (tensor, value) if program.scalar and exact else (tensor,):
        result, left = by_backward(program, kind)
        if not agree([result, *left], [out, *shares], digits):
            yield f"backward of a {kind.__name__} gives {result} and {left}, vjp {out} and {shares}"
    pushed = plain(cr.jvp(case.alone, tuple(case.xs), case.tangents)[1])
    parted: list[str] = []
    # A slope that is 0 times an infinite one stays nan, and which mode meets it hangs on where the program chooses.
    if finite(shares) and np.isfinite(out) and moderate(held) and (finite(held) or not np.isnan(pushed)):
        pulled = np.sum([np.vdot(t, g) for t, g in zip(case.tangents, shares, strict=True)])
        if not agree([pushed], [pulled], digits, max(1.0, *[np.abs(x).max(initial=0.0) for x in shares])):
            parted.append(f"forward mode gives {pushed}, reverse {pulled}")
    if finite(one) and finite(other) and moderate(held) and not agree(one, other, digits):
        parted.append(f"second order: {one} by forward mode over reverse, {other} by reverse twice")
    if program.scalar and exact and same_signs(held, on_values(program)):
        curved = second_on_values(program, case.tangents)
        if not agree(curved, other, digits):
            parted.append(f"second order: Values give {curved}, Tensors {other}")
    if parted and program.single:
        double = program.in_double()
        parted = list(between_engines(whole(double), double))
    elif parted and case.trembles():
        parted = []
    yield from parted


def on_values(program: Program) -> list[Any]:
    """Everything that a program computes, on Values."""
    return [plain(x) for x in program.run(ours, as_leaves(program, value))]


def moderate(held: list[Any]) -> bool:
    """Whether no number is so large or small that a sum of others would lose it."""
    sizes = np.abs(np.concatenate([np.ravel(x).astype(float) for x in held]))
    return bool(np.all(~np.isfinite(sizes) | (sizes == 0) | ((sizes > 1e-20) & (sizes < 1e20))))


def finite(arrays: list[Any]) -> bool:
    return all(np.isfinite(x).all() for x in arrays)


# Beside other libraries


class Parting(NamedTuple):
    """Entries of a step's result, gradient or second derivative that agree with no judge."""

    step: Step | None
    case: Case
    aspect: str
    place: int
    apart: Any
    found: Any
    judged: list[Any]

    def __str__(self) -> str:
        given = ", ".join(np.array2string(np.asarray(x), separator=", ") for x in self.case.leaves)
        return (
            f"{self.step.name}({given}, {self.step.settings}), gradient {self.case.g}: {self.aspect} {self.found}, "
            f"and the judges have {self.judged}"
        )


def steps_of(program: Program) -> Iterator[tuple[Step, Case]]:
    """Each step that moves, with the numbers it was given and the gradient that came back to it."""
    leaves = as_leaves(program, tensor)
    held = program.run(ours, leaves)
    for x in held:
        if isinstance(x, Tensor) and x.requires_grad:
            x.retain_grad()
    if held[-1].requires_grad:
        held[-1].backward()
    for step, out in zip(program.steps, held[len(leaves) :], strict=True):
        if out.requires_grad and out.grad is not None:
            given = [held[place] for place in step.places]
            moving = tuple(k for k, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad)
            arrays = [x.data if isinstance(x, Tensor) else x for x in given]

            def run(function: Callable[[str], Any], step: Step = step) -> Callable[..., Any]:
                return lambda *xs: function(step.name)(*xs, **step.settings)

            yield (step, Case(run, arrays, moving, out.grad.data, program.single, program.seed))


def partings(step: Step, case: Case, peers: list[Peer], stated: Callable[[Parting], bool]) -> list[Parting]:
    """Where a step agrees with none of the judges, entry by entry; the next is asked about what is not `stated`."""
    rights: list[Any] = []
    found: list[Parting] = []
    asked = case.surely if step.name in ROUNDED else case.judged
    for peer in [*peers, None]:
        right = asked(peer) if peer else answers(step, case, {(one.aspect, one.place): one.apart for one in found})
        if right:
            rights.append(right)
        found = [] if case.agrees(right) else list(apart_from(step, case, rights))
        if all(map(stated, found)):
            break
    return found


def apart_from(step: Step | None, case: Case, rights: list[Any]) -> Iterator[Parting]:
    """Entries that agree with no judge, of which one at least is sure."""
    for aspect, ways in case.found.items():
        for k, parts in enumerate(zip(*ways, strict=True)):
            judged = [right[aspect][k] for right in rights]
            sure = np.any([~np.ma.getmaskarray(right) for right in judged], axis=0)
            apart = sure & np.all([~close(part, right, case.digits) for part in parts for right in judged], axis=0)
            if np.any(apart):
                yield Parting(step, case, aspect, k, apart, parts[0], judged)


def same_branches(program: Program, peer: Peer) -> bool:
    """Whether every comparison and every sign came out alike: rounding decides those of nearly equal numbers."""
    return same_signs(program.run(ours, program.leaves), peer.run(program))


def same_signs(held: list[Any], others: list[Any]) -> bool:
    pairs = zip(held, others, strict=True)
    return all(np.array_equal(np.sign(x * 1.0), np.sign(y * 1.0), equal_nan=True) for x, y in pairs)


def beside_peers(
    case: Case, program: Program, peers: list[Peer], stated: Callable[[Parting], bool]
) -> Iterator[Parting | str]:
    """Where a program parts from the first judge as a whole, and from all of them at a step.

    One that agrees at every step agrees as a whole too, unless rounding grows without bound or decides a comparison, or
    the judge has nan where an order below has a masked one. What parts in single precision is asked again in double.
    """
    right = case.judged(peers[0])
    if case.agrees(right):
        return
    fork = False
    for step, part in steps_of(program):
        fork = fork or not part.agrees(part.judged(peers[0]))
        yield from partings(step, part, peers, stated)
    known = [*right.values(), *[way for ways in case.found.values() for way in ways]]
    sound = bool(right) and all(map(finite, known)) and moderate(quietly(program.run, ours, program.leaves))
    if not fork and sound and same_branches(program, peers[0]):
        if program.single:
            case = whole(program.in_double())
        if any(apart_from(None, case, [right for right in map(case.surely, peers) if right])):
            yield "parts from all judges as a whole, and at no step"

"""What every rule of the book must satisfy, as functions that raise AssertionError where it does not.

Each takes an operation and needs nothing else: where to look comes from the operation's own declaration. So the tests
are generated from the registry, and the mutation tests can ask whether a broken rule would be noticed.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from chainrule import Tensor, Value
from chainrule.core import graph
from chainrule.core.forward import tangents_of
from chainrule.core.operation import Fused, Operation, Pointwise, book

RULES = sorted(name for name, operation in book.items() if operation.__module__.startswith("chainrule."))
"""The rule book, without what other tests may have registered."""

RIGHT_AT_KINK: dict[str, Callable[[dict[str, Any]], float]] = {
    "abs": lambda settings: 0.0,
    "clip": lambda settings: 1.0,
    "elu": lambda settings: settings["alpha"],
    "hardtanh": lambda settings: 0.0,
    "hypot": lambda settings: 0.0,
    "leaky_relu": lambda settings: settings["slope"],
    "maximum": lambda settings: 0.5,
    "minimum": lambda settings: 0.5,
    "relu": lambda settings: 0.0,
}
"""The documented convention at a kink: what PyTorch gives there."""

NOT_ANALYTIC = {
    "astype": "it drops the imaginary part",
    "cholesky": "NumPy conjugates one of the two factors",
    "cofactors": "its singular values are sizes of complex numbers",
    "eigenvectors": "they are those of a Hermitian matrix",
    "eigvalsh": "they are those of a Hermitian matrix",
    "left_vectors": "NumPy conjugates one of the two sides",
    "logabsdet": "it takes the size of a complex number",
    "orthogonal_factor": "its columns are orthogonal by the complex product",
    "pinv": "it is that of the complex product",
    "right_vectors": "NumPy conjugates one of the two sides",
    "sign_of_det": "it divides by the size of a complex number",
    "svdvals": "they are sizes of complex numbers",
    "triangular_factor": "that of orthogonal columns by the complex product",
}
"""Forwards on whole arrays that do not go on to the complex numbers, with the reason."""

STEP = 5e-4
"""Richardson's two central differences at this step err by some 1e-13 in the step and 1e-12 in rounding."""


class Case(NamedTuple):
    """A set of settings from the declaration, and random inputs that suit them."""

    settings: dict[str, Any]
    inputs: tuple[np.ndarray[Any, Any], ...]


def cases(operation: Operation, seed: int = 0, shape: tuple[int, ...] | None = None) -> Iterator[Case]:
    """One case for each declared example of settings; `shape` replaces all declared shapes."""
    rng = np.random.default_rng(seed)
    for settings in operation.examples:
        yield Case(operation.complete(settings), drawn(operation, rng, shape))


def drawn(operation: Operation, rng: np.random.Generator, shape: tuple[int, ...] | None = None) -> tuple[Any, ...]:
    """Inputs from the declared domain, at some distance from the kinks; an input without derivative is a condition."""
    flat = not any(operation.differentiable(i) for i in range(len(operation.shapes)))
    kinks = [point[0] for point in operation.at_kink if len(point) == 1]
    inputs: list[Any] = []
    for i, declared in enumerate(operation.shapes):
        size = declared if shape is None else shape
        if not flat and not operation.differentiable(i):
            x = np.asarray(rng.integers(0, 2, size).astype(bool))
        else:
            x = np.asarray(rng.uniform(*operation.domain, size))
            for kink in kinks:
                x = np.where(np.abs(x - kink) < 0.05, kink + 0.1, x)
        prepare = operation.prepare[i] if i < len(operation.prepare) else None
        inputs.append(x if prepare is None else prepare(x))
    return tuple(inputs)


def places(operation: Operation) -> list[int]:
    """The inputs that the operation can be differentiated in."""
    return [i for i in range(len(operation.shapes)) if operation.differentiable(i)]


def forward(operation: Operation, case: Case) -> np.ndarray[Any, Any]:
    """The forward on plain arrays, apart from any engine."""
    with np.errstate(all="ignore"):
        return np.asarray(operation.function(*case.inputs, **case.settings))


def slope(f: Callable[[float], Any], step: float = STEP) -> Any:
    """f'(0) by two central differences and Richardson's extrapolation (1911): the error is O(step^4)."""
    wide, narrow = ((f(h) - f(-h)) / (2 * h) for h in (step, step / 2))
    return (4 * narrow - wide) / 3


def close(found: Any, right: Any, tolerance: float, what: str) -> None:
    """Agreement relative to the larger of 1 and the largest entry; shapes must be equal."""
    found, right = np.asarray(found), np.asarray(right)
    assert found.shape == right.shape, f"{what}: shape {found.shape} where {right.shape} is right"
    both_nan = np.isnan(found) & np.isnan(right)
    scale = max(1.0, float(np.abs(right[~both_nan]).max(initial=0.0)))
    worst = np.abs(np.subtract(found, right, dtype=np.float64))[~both_nan].max(initial=0.0)
    assert worst <= tolerance * scale, f"{what}: off by {worst:.3g} where {tolerance * scale:.3g} is allowed"


def moved(case: Case, steps: dict[int, Any]) -> Case:
    """The case with a step added to some of its inputs."""
    return Case(case.settings, tuple([x + steps[i] if i in steps else x for i, x in enumerate(case.inputs)]))


def along(operation: Operation, case: Case, directions: dict[int, Any]) -> Callable[[float], Any]:
    """The forward as a function of how far the inputs move along their directions."""
    return lambda h: forward(operation, moved(case, {i: h * t for i, t in directions.items()}))


def random_like(x: Any, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    return np.asarray(rng.normal(size=np.shape(x)))


class Recorded:
    """An operation recorded on Tensors, with what its graph gives."""

    def __init__(self, operation: Operation, case: Case) -> None:
        moving = places(operation)
        given = [Tensor(x, requires_grad=i in moving) for i, x in enumerate(case.inputs)]
        self.leaves = [given[i] for i in moving]
        self.out = operation(*given, **case.settings)

    def gradients(self, g: Any) -> list[Any]:
        """Reverse mode on numbers; zeros where no gradient arrives."""
        found = graph.gradients_of([self.out], [np.asarray(g, self.out.dtype)], self.leaves, record=False)
        return [
            np.zeros(x.shape, x.dtype) if share is None else share for x, share in zip(self.leaves, found, strict=True)
        ]

    def tangent(self, tangents: Any) -> Any:
        """Forward mode on numbers."""
        moved = tangents_of(self.leaves, tangents, [self.out], record=False)[0]
        return np.zeros(self.out.shape) if moved is None else moved

    def paired(self, g: Any, weights: Any) -> Any:
        """The gradients, recorded, as one number: their products with the weights, added up."""
        found = graph.gradients_of([self.out], [Tensor(g)], self.leaves, record=True)
        terms = [(share * Tensor(w)).sum() for share, w in zip(found, weights, strict=True) if share is not None]
        return sum(terms, Tensor(0.0))


# Derivatives in one input at a time


def partials_by_differences(operation: Operation) -> None:
    """Each partial against central differences of the forward."""
    if not isinstance(operation, Pointwise):
        return
    for case in cases(operation):
        out = forward(operation, case)
        for i in places(operation):
            right = slope(along(operation, case, {i: 1.0}))
            found = np.broadcast_to(operation.partial(i, out, case.inputs, case.settings), out.shape)
            close(found, right, 1e-8, f"partial {i} of {operation.name}")


def partials_by_complex_step(operation: Operation) -> None:
    """Each partial against the complex step, exact to rounding, where the forward takes complex numbers."""
    for i in takes_complex(operation):
        for case in cases(operation):
            out = forward(operation, case)
            right = forward(operation, moved(case, {i: 1e-30j})).imag / 1e-30
            found = np.broadcast_to(operation.partial(i, out, case.inputs, case.settings), out.shape)
            close(found, right, 1e-13, f"partial {i} of {operation.name} by complex step")


def arrays_by_complex_step(operation: Operation) -> None:
    """Both modes of an operation on whole arrays against the complex step, exact to rounding."""
    if isinstance(operation, Pointwise | Fused) or operation.name in NOT_ANALYTIC:
        return
    rng = np.random.default_rng(8)
    for case in cases(operation):
        recorded = Recorded(operation, case)
        for k, i in enumerate(places(operation)):
            t = random_like(case.inputs[i], rng)
            right = forward(operation, moved(case, {i: 1e-30j * t})).imag / 1e-30
            still = [t if x is recorded.leaves[k] else np.zeros(x.shape) for x in recorded.leaves]
            close(recorded.tangent(still), right, 1e-13, f"forward mode {i} of {operation.name} by complex step")
            g = random_like(right, rng)
            share = recorded.gradients(g)[k]
            close(np.vdot(share, t), np.vdot(g, right), 1e-12, f"adjoint {i} of {operation.name} by complex step")


def takes_complex(operation: Operation) -> list[int]:
    """The inputs in which the forward goes on to the complex numbers; `abs` does not, for it leaves them."""
    found: list[int] = []
    for i in places(operation) if isinstance(operation, Pointwise) else ():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                out = forward(operation, moved(next(cases(operation)), {i: 1e-30j}))
            except (TypeError, Warning):
                continue
        if np.iscomplexobj(out):
            found.append(i)
    return found


def kinks(operation: Operation) -> None:
    """At each declared kink: between the one-sided slopes, and what the documented convention says."""
    if not isinstance(operation, Pointwise):
        return
    for settings, point in itertools.product(map(operation.complete, operation.examples), operation.at_kink):
        case = Case(settings, tuple(map(np.float64, point)))
        out = forward(operation, case)
        for i in places(operation):
            path = along(operation, case, {i: 1.0})
            sides = [one_sided_slope(path, h) for h in (-1e-4, 1e-4)]
            found = float(operation.partial(i, out, case.inputs, settings))
            where = f"partial {i} of {operation.name} at {point}"
            assert min(sides) - 1e-6 <= found <= max(sides) + 1e-6, f"{where} is {found}, outside {sides}"
            if abs(sides[0] - sides[1]) > 1e-6:
                assert operation.name in RIGHT_AT_KINK, f"{where}: add the convention to RIGHT_AT_KINK"
                close(found, RIGHT_AT_KINK[operation.name](settings), 1e-15, where)


def one_sided_slope(path: Callable[[float], Any], step: float) -> float:
    """The slope of a path on the side of 0 to which the step points."""
    wide, narrow = ((path(h) - path(0.0)) / h for h in (step, step / 2))
    return float(2 * narrow - wide)


# Both modes, along random directions


def reverse_by_dot_product(operation: Operation) -> None:
    """<g, J t> = <J^T g, t> with J t from differences of the forward alone, one input at a time."""
    rng = np.random.default_rng(1)
    for case in cases(operation):
        recorded = Recorded(operation, case)
        for k, i in enumerate(places(operation)):
            t = random_like(case.inputs[i], rng)
            pushed = slope(along(operation, case, {i: t}))
            g = random_like(pushed, rng)
            share = recorded.gradients(g)[k]
            assert share.shape == t.shape, f"{operation.name}: a gradient of shape {share.shape} for {t.shape}"
            close(np.vdot(share, t), np.vdot(g, pushed), 1e-8, f"adjoint {i} of {operation.name}")


def forward_against_reverse(operation: Operation) -> None:
    """<g, J t> = <J^T g, t> with both sides from the engine, all inputs moving at once."""
    rng = np.random.default_rng(2)
    for case in cases(operation):
        if places(operation):
            recorded = Recorded(operation, case)
            tangents = [random_like(x, rng) for x in recorded.leaves]
            g = random_like(recorded.out, rng)
            shares = recorded.gradients(g)
            across = sum(np.vdot(share, t) for share, t in zip(shares, tangents, strict=True))
            close(across, np.vdot(g, recorded.tangent(tangents)), 1e-12, f"the two modes of {operation.name}")


def forward_by_differences(operation: Operation) -> None:
    """Forward mode against differences of the forward, all inputs moving at once."""
    rng = np.random.default_rng(3)
    for case in cases(operation):
        if places(operation):
            recorded = Recorded(operation, case)
            tangents = [random_like(x, rng) for x in recorded.leaves]
            directions = dict(zip(places(operation), tangents, strict=True))
            right = slope(along(operation, case, directions))
            close(recorded.tangent(tangents), right, 1e-8, f"forward mode of {operation.name}")


def first_order(operation: Operation, case: Case, directions: Any, g: Any, weights: Any, h: float) -> float:
    """The gradients at a step h along the directions, as one number: their products with the weights, added up."""
    there = moved(case, {i: h * t for i, t in directions.items()})
    shares = Recorded(operation, there).gradients(g)
    return sum(float(np.vdot(share, w)) for share, w in zip(shares, weights, strict=True))


def second_order(operation: Operation) -> None:
    """The recorded gradient, differentiated again in both modes, against differences of the first-order gradient."""
    rng = np.random.default_rng(4)
    for case in cases(operation):
        if not places(operation):
            continue
        recorded = Recorded(operation, case)
        g = random_like(recorded.out, rng)
        weights = [random_like(x, rng) for x in recorded.leaves]
        tangents = [random_like(x, rng) for x in recorded.leaves]
        directions = dict(zip(places(operation), tangents, strict=True))
        first = partial(first_order, operation, case, directions, g, weights)
        total = recorded.paired(g, weights)
        close(float(total), first(0.0), 1e-12, f"the recorded gradient of {operation.name}")
        right = slope(first)
        if not total.requires_grad:
            close(0.0, right, 1e-8, f"second order of {operation.name}")
            continue
        seconds = graph.gradients_of([total], [np.ones(())], recorded.leaves, record=False)
        found = sum(np.vdot(s, t) for s, t in zip(seconds, tangents, strict=True) if s is not None)
        close(found, right, 1e-7, f"second order of {operation.name}")
        pushed = tangents_of(recorded.leaves, tangents, [total], record=False)[0]
        close(0.0 if pushed is None else pushed, right, 1e-7, f"forward over reverse of {operation.name}")


# Shapes and dtypes

PAIRS = (
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((1,), (2, 3)),
    ((4, 1, 3), (2, 1)),
    ((0, 3), (1, 3)),
    ((1, 3), (0, 1)),
)
"""Pairs of shapes that broadcast."""


def broadcasting(operation: Operation) -> None:
    """Inputs of unequal shapes give what written-out copies give, with the copies' gradients added up."""
    if not isinstance(operation, Pointwise) or len(operation.shapes) < 2 or operation.variadic:
        return
    rng = np.random.default_rng(5)
    for settings, (first, second) in itertools.product(map(operation.complete, operation.examples), PAIRS):
        shapes = [second if i % 2 else first for i in range(len(operation.shapes))]
        whole = np.broadcast_shapes(*shapes)
        inputs = tuple(drawn(operation, rng, shape)[i] for i, shape in enumerate(shapes))
        copies = tuple(np.array(np.broadcast_to(x, whole)) for x in inputs)
        if not places(operation):
            out = operation(*map(Tensor, inputs), **settings)
            assert np.array_equal(out.data, forward(operation, Case(settings, copies)))
            continue
        recorded = Recorded(operation, Case(settings, inputs))
        written_out = Recorded(operation, Case(settings, copies))
        close(recorded.out.data, written_out.out.data, 0.0, f"{operation.name} of {first} and {second}")
        g = random_like(written_out.out, rng)
        for i, found, right in zip(places(operation), recorded.gradients(g), written_out.gradients(g), strict=True):
            added = np.zeros(shapes[i])
            for place in np.ndindex(whole):
                lead = place[len(whole) - len(shapes[i]) :]
                added[tuple(0 if n == 1 else k for k, n in zip(lead, shapes[i], strict=True))] += right[place]
            close(found, added, 1e-12, f"gradient {i} of {operation.name} of {first} and {second}")


def dtypes(operation: Operation) -> None:
    """A gradient has the dtype of its input, and float32 agrees with float64."""
    rng = np.random.default_rng(6)
    for settings, inputs in cases(operation):
        if not places(operation):
            return
        singles = tuple(x.astype(np.float32) if x.dtype.kind == "f" else x for x in inputs)
        doubles = tuple(x.astype(np.float64) if x.dtype.kind == "f" else x for x in singles)
        mixed = tuple(
            single if i % 2 else double for i, (single, double) in enumerate(zip(singles, doubles, strict=True))
        )
        exact = Recorded(operation, Case(settings, doubles))
        g = random_like(exact.out, rng).astype(np.float32).astype(np.float64)
        if "dtype" not in settings:
            single = Recorded(operation, Case(settings, singles))
            assert single.out.dtype == np.float32, f"{operation.name} of float32 gives {single.out.dtype}"
        for given in (singles, mixed):
            recorded = Recorded(operation, Case(settings, given))
            close(recorded.out.data, exact.out.data, 1e-5, f"{operation.name} in float32")
            for x, found, right in zip(recorded.leaves, recorded.gradients(g), exact.gradients(g), strict=True):
                assert found.dtype == x.dtype, f"{operation.name}: a gradient of {found.dtype} for {x.dtype}"
                close(found, right, 1e-5, f"gradient of {operation.name} in float32")


def empty_and_single(operation: Operation) -> None:
    """Arrays without axes give what entries of larger arrays give; arrays without entries give gradients without."""
    if not isinstance(operation, Pointwise):
        return
    for case in cases(operation, shape=(2,)):
        singles = Case(case.settings, tuple(x[0] for x in case.inputs))
        single = operation(*map(Tensor, singles.inputs), **case.settings)
        whole = operation(*map(Tensor, case.inputs), **case.settings)
        assert single.shape == ()
        # One entry may take another path through the processor than a row of them: the last digit can differ.
        close(single.data, whole.data[0], 1e-15, f"{operation.name} of a single entry")
        if places(operation):
            found = Recorded(operation, singles).gradients(1.0)
            right = Recorded(operation, case).gradients(np.ones(2))
            for one, many in zip(found, right, strict=True):
                close(one, many[0], 1e-14, f"gradient of {operation.name} of a single entry")
    for shape in ((0,), (2, 0)):
        for case in cases(operation, shape=shape):
            assert operation(*map(Tensor, case.inputs), **case.settings).shape == shape
            if places(operation):
                shares = Recorded(operation, case).gradients(np.zeros(shape))
                assert all(share.shape == shape for share in shares)


def composition(operation: Operation) -> None:
    """A fused operation against what it is made of: values, gradients, both modes."""
    if operation.composition is None:
        return
    rng = np.random.default_rng(7)
    for case in cases(operation):
        fused = Recorded(operation, case)
        leaves = [Tensor(x, requires_grad=True) for x in case.inputs]
        out = operation.composition(*leaves, **case.settings)
        close(fused.out.data, out.data, 1e-13, f"{operation.name} against its composition")
        g = random_like(out, rng)
        right = graph.gradients_of([out], [g], leaves, record=False)
        for found, share in zip(fused.gradients(g), right, strict=True):
            close(found, share, 1e-12, f"gradient of {operation.name} against its composition")
        weights = [random_like(x, rng) for x in leaves]
        totals = []
        for result, inputs in ((fused.out, fused.leaves), (out, leaves)):
            shares = graph.gradients_of([result], [Tensor(g)], inputs, record=True)
            total = sum(((share * Tensor(w)).sum() for share, w in zip(shares, weights, strict=True)), Tensor(0.0))
            totals.append(graph.gradients_of([total], [np.ones(())], inputs, record=False))
        for found, share in zip(*totals, strict=True):
            if share is not None or found is not None:
                close(found, share, 1e-12, f"second order of {operation.name} against its composition")


ORACLES = (
    partials_by_differences,
    partials_by_complex_step,
    arrays_by_complex_step,
    kinks,
    reverse_by_dot_product,
    forward_by_differences,
    forward_against_reverse,
    second_order,
    broadcasting,
    dtypes,
    empty_and_single,
    composition,
)
"""All of the above: what holds for every rule."""


def scalar_engine(operation: Operation) -> None:
    """A pointwise rule on Values gives what it gives on Tensors, with numbers mixed in, at the kinks too."""
    points = [tuple(float(x.flat[0]) for x in case.inputs) for case in cases(operation)]
    points += list(operation.at_kink)
    for settings, point in itertools.product(map(operation.complete, operation.examples), points):
        for given in itertools.product((True, False), repeat=len(point)) if len(point) < 4 else [(True,) * len(point)]:
            nodes = [Value(x) if is_node else x for x, is_node in zip(point, given, strict=True)]
            tensors = [Tensor(x, requires_grad=is_node) for x, is_node in zip(point, given, strict=True)]
            moving = [i for i in places(operation) if given[i]]
            if not any(given):
                continue
            out, right = operation(*nodes, **settings), operation(*tensors, **settings)
            close(float(out), float(right), 1e-15, f"{operation.name} on Values at {point}")
            if not moving:
                if isinstance(out, Value):  # recorded, so that a program knows what made it; flat all the same
                    out.backward()
                    assert all(node.grad == 0 for node in nodes if isinstance(node, Value)), operation.name
                continue
            assert out.op is operation
            out.backward()
            right.backward()
            for i in moving:
                close(
                    nodes[i].grad,
                    float(tensors[i].grad),
                    1e-14,
                    f"gradient {i} of {operation.name} on Values at {point}",
                )

"""Laws of differentiation over random graphs, made of every pointwise rule in the book.

A program is a list of steps; each applies a rule to earlier results, squeezed into the rule's domain, so that any
program is safe and every node can be used again. The same program runs on Values, on Tensors, on plain arrays and on
PyTorch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core.operation import Pointwise, book

deterministic = settings(derandomize=True, database=None, deadline=None, max_examples=40)

RULES = {
    name: rule
    for name, rule in book.items()
    if type(rule) is Pointwise and rule.__module__.startswith("chainrule.rules") and not rule.variadic
    if any(rule.differentiable(i) for i in range(len(rule.inputs)))
}
NAMES = sorted(RULES)
OURS = type("OURS", (), RULES)
"""The rules under their names, as a program asks for them."""
POINTS = 3
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}
"""Some twenty roundings a step, over steps whose slopes stay below a hundred: 1e-9 is what float64 leaves."""


@dataclasses.dataclass
class Step:
    """One application of a rule: which, to which earlier results, with which of its example settings."""

    name: str
    places: tuple[int, ...]
    setting: int


@dataclasses.dataclass
class Program:
    """Steps over `inputs` numbers; the result is the sum of the last three, so that most nodes count."""

    inputs: int
    steps: list[Step]

    def __call__(self, lib: Any, *xs: Any) -> Any:
        held = list(xs)
        for step in self.steps:
            held.append(apply(lib, step, [held[place % len(held)] for place in step.places]))
        total = held[-1]
        for one in held[-3:-1]:
            total = total + 0.5 * one
        return total


def apply(lib: Any, step: Step, operands: list[Any]) -> Any:
    rule = RULES[step.name]
    given = rule.examples[step.setting % len(rule.examples)]
    if step.name == "where":
        x, y = lib.tanh(operands[1]), operands[2]
        return lib.where(x > 0.1, x, y)
    if step.name in ("add", "sub"):
        return getattr(lib, step.name)(operands[0], 0.7 * operands[1])
    low, high = rule.domain
    middle, half = (low + high) / 2, 0.999 * (high - low) / 2
    return getattr(lib, step.name)(*[middle + half * lib.tanh(0.5 * x) for x in operands], **given)


@st.composite
def programs(draw: Any, inputs: int | None = None, steps: int = 8) -> Program:
    count = draw(st.integers(1, 3)) if inputs is None else inputs

    @st.composite
    def step(draw: Any) -> Step:
        name = draw(st.sampled_from(NAMES))
        places = draw(st.tuples(*[st.integers(0, 30)] * len(RULES[name].inputs)))
        return Step(name, places, draw(st.integers(0, 2)))

    return Program(count, draw(st.lists(step(), min_size=2, max_size=steps)))


def inputs_for(program: Program, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(rng.uniform(-1.5, 1.5, (program.inputs, POINTS)))


seeds = st.integers(0, 2**32 - 1)


def test_programs_reach_every_pointwise_rule():
    assert {"add", "mul", "div", "pow", "tanh", "relu", "maximum", "where", "clip", "erf", "atan2"} <= set(NAMES)
    for name in NAMES:
        program = Program(2, [Step(name, (0, 1, 0)[: len(RULES[name].inputs)], 0)])
        out = program(OURS, *inputs_for(program, 0))
        assert np.isfinite(out).all(), name


@settings(deterministic, max_examples=80)
@given(programs(), seeds)
def test_every_engine_and_mode_agrees(program, seed):
    xs = inputs_for(program, seed)
    tensors = [Tensor(x, requires_grad=True) for x in xs]
    out = program(OURS, *tensors)
    out.sum().backward()
    by_tensor = np.stack([np.asarray(t.grad) if t.grad is not None else np.zeros(POINTS) for t in tensors])

    by_value = np.zeros_like(by_tensor)
    for k in range(POINTS):
        values = [Value(float(x[k])) for x in xs]
        result = program(OURS, *values)
        result.backward()
        np.testing.assert_allclose(result.data, out.data[k], **CLOSE)
        by_value[:, k] = [v.grad for v in values]

    every = tuple(range(program.inputs))
    reverse = np.stack(cr.grad(lambda *xs: cr.sum(program(OURS, *xs)), argnums=every)(*xs))
    direction = np.random.default_rng(seed).normal(size=(program.inputs, POINTS))
    outputs, moved = cr.jvp(lambda *xs: program(OURS, *xs), tuple(xs), tuple(direction))
    by_forward = cr.jacobian(lambda *xs: program(OURS, *xs), argnums=every, mode="forward")(*xs)

    np.testing.assert_allclose(outputs, out.data, **CLOSE)
    np.testing.assert_allclose(by_value, by_tensor, **CLOSE)
    np.testing.assert_allclose(reverse, by_tensor, **CLOSE)
    np.testing.assert_allclose(moved, np.sum(direction * by_tensor, axis=0), **CLOSE)
    for block, row in zip(by_forward, by_tensor, strict=True):
        np.testing.assert_allclose(block, np.diag(row), **CLOSE)


@deterministic
@given(programs(steps=5), seeds)
def test_second_order_agrees_on_values_and_tensors(program, seed):
    xs = [float(x[0]) for x in inputs_for(program, seed)]
    every = tuple(range(program.inputs))
    f = lambda *xs: program(OURS, *xs)  # noqa: E731
    found = np.array(cr.hessian(f, argnums=every)(*xs))
    np.testing.assert_allclose(found, found.T, **CLOSE)
    values = [Value(x) for x in xs]
    slopes = cr.grad(f, argnums=every)(*values)
    for row, slope in zip(found, slopes, strict=True):
        for v in values:
            v.grad = 0.0
        if isinstance(slope, Value):
            slope.backward()
        np.testing.assert_allclose([v.grad for v in values], row, **CLOSE)


@deterministic
@given(programs(inputs=1, steps=5), seeds)
def test_hessians_are_symmetric_in_every_order_of_modes(program, seed):
    (x,) = inputs_for(program, seed)
    mixing = np.random.default_rng(seed).normal(size=(POINTS, POINTS))
    f = lambda x: cr.sum(program(OURS, mixing @ x) * x)  # noqa: E731
    found = cr.hessian(f)(x)
    np.testing.assert_allclose(found, found.T, **CLOSE)
    np.testing.assert_allclose(cr.jacobian(cr.grad(f), mode="reverse")(x), found, **CLOSE)
    forward_first = cr.jacobian(cr.jacobian(f, mode="forward"), mode="reverse")(x)
    np.testing.assert_allclose(forward_first, found, **CLOSE)
    forward_twice = cr.jacobian(cr.jacobian(f, mode="forward"), mode="forward")(x)
    np.testing.assert_allclose(forward_twice, found, **CLOSE)
    v = mixing[0]
    np.testing.assert_allclose(cr.hvp(f, (x,), (v,)), found @ v, **CLOSE)


@deterministic
@given(programs(inputs=1), seeds, st.floats(-3, 3), st.floats(-3, 3))
def test_tangents_and_cotangents_pass_linearly(program, seed, a, b):
    (x,) = inputs_for(program, seed)
    mixing, u, v = (part for part in np.split(np.random.default_rng(seed).normal(size=(5, POINTS)), [3, 4]))
    u, v = u[0], v[0]
    f = lambda x: program(OURS, mixing @ x) * x[0]  # noqa: E731

    def push(t):
        return cr.jvp(f, (x,), (t,))[1]

    _, back = cr.vjp(f, x)
    np.testing.assert_allclose(push(a * u + b * v), a * push(u) + b * push(v), **CLOSE)
    np.testing.assert_allclose(back(a * u + b * v)[0], a * back(u)[0] + b * back(v)[0], **CLOSE)
    np.testing.assert_allclose(push(np.zeros(POINTS)), np.zeros(POINTS))
    assert np.dot(u, push(v)) == pytest.approx(np.dot(back(u)[0], v), rel=1e-9, abs=1e-9)


@deterministic
@given(programs(inputs=1, steps=5), programs(inputs=1, steps=5), seeds)
def test_sum_product_and_chain_rule(first, second, seed):
    (x,) = inputs_for(first, seed)
    f, g = (lambda x: first(OURS, x)), (lambda x: second(OURS, x))

    def slope(h):
        return cr.grad(lambda x: cr.sum(h(x)))(x)

    here = g(x)
    np.testing.assert_allclose(slope(lambda x: f(x) + g(x)), slope(f) + slope(g), **CLOSE)
    np.testing.assert_allclose(slope(lambda x: 3.0 * f(x)), 3.0 * slope(f), **CLOSE)
    np.testing.assert_allclose(slope(lambda x: f(x) * g(x)), slope(f) * g(x) + f(x) * slope(g), **CLOSE)
    outer = cr.grad(lambda y: cr.sum(f(y)))(here)
    np.testing.assert_allclose(slope(lambda x: f(g(x))), outer * slope(g), **CLOSE)


@deterministic
@given(
    arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), st.sampled_from(["add", "mul", "div"])
)
def test_a_broadcast_input_gathers_the_gradients_of_its_copies(shapes, name):
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(0.5, 2.0, shape) for shape in shapes.input_shapes)
    weights = rng.normal(size=shapes.result_shape)
    f = lambda x, y: cr.sum(book[name](x, y) * weights)  # noqa: E731
    found = cr.grad(f, argnums=(0, 1))(x, y)
    full = [np.broadcast_to(a, shapes.result_shape).copy() for a in (x, y)]
    copies = cr.grad(f, argnums=(0, 1))(*full)
    for one, many, shape in zip(found, copies, shapes.input_shapes, strict=True):
        lead = many.ndim - len(shape)
        gathered = many.sum(axis=tuple(range(lead)))
        stretched = tuple(i for i, n in enumerate(shape) if n == 1 and gathered.shape[i] != 1)
        np.testing.assert_allclose(one, gathered.sum(axis=stretched, keepdims=True), rtol=1e-12, atol=1e-13)


ARRAY_STEPS = {
    "transpose": lambda x: cr.transpose(x),
    "reshape": lambda x: cr.reshape(x, shape=x.shape[::-1]),
    "flip": lambda x: cr.flip(x, axis=0),
    "roll": lambda x: cr.roll(x, shift=1, axis=1),
    "cumsum": lambda x: 0.5 * cr.cumsum(x, axis=0),
    "normalise": lambda x: cr.softmax(x, axis=1),
    "gather": lambda x: x[np.array([0, 0, 1])],
    "slice": lambda x: cr.concatenate([x[:, 1:], x[:, :1]], axis=1),
    "matmul": lambda x: cr.tanh(x @ cr.transpose(x)),
    "centre": lambda x: x - cr.mean(x, axis=1, keepdims=True),
    "scale": lambda x: x / (1.0 + cr.norm(x)),
    "spread": lambda x: x * cr.expand_dims(cr.max(x, axis=1), axis=1),
    "pad": lambda x: cr.pad(x, ((0, 1), (1, 0))),
    "stack": lambda x: cr.sum(cr.stack([x, cr.sin(x)]), axis=0),
    "var": lambda x: x + cr.var(x, axis=0),
}


@deterministic
@given(st.lists(st.sampled_from(sorted(ARRAY_STEPS)), min_size=1, max_size=6), seeds)
def test_array_programs_obey_the_dot_product_law(names, seed):
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=(2, 2, 3))

    def f(x):
        for name in names:
            x = ARRAY_STEPS[name](x)
        return x

    out, moved = cr.jvp(f, (x,), (v,))
    again, back = cr.vjp(f, x)
    w = rng.normal(size=out.shape)
    np.testing.assert_array_equal(out, again)
    assert np.vdot(w, moved) == pytest.approx(np.vdot(back(w)[0], v), rel=1e-9, abs=1e-9)
    h = 1e-6
    difference = (np.asarray(f(x + h * v)) - np.asarray(f(x - h * v))) / (2 * h)
    np.testing.assert_allclose(moved, difference, rtol=1e-5, atol=1e-6)


def in_pytorch(torch: Any) -> Any:
    """PyTorch's functions under this project's names; what it lacks is left out."""
    f = torch.nn.functional
    own = {
        "neg": torch.neg,
        "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
        "gelu": f.gelu,
        "gelu_tanh": lambda x: f.gelu(x, approximate="tanh"),
        "silu": f.silu,
        "relu": torch.relu,
        "elu": lambda x, alpha=1.0: f.elu(x, alpha),
        "leaky_relu": lambda x, slope=0.01: f.leaky_relu(x, slope),
        "clip": lambda x, a_min=None, a_max=None: torch.clamp(x, a_min, a_max),
    }
    found = {name: own.get(name) or getattr(torch, name, None) for name in {*NAMES, "tanh"}}
    return type("lib", (), {name: staticmethod(function) for name, function in found.items() if function is not None})


@settings(deterministic, max_examples=80)
@given(programs(), seeds)
def test_pytorch_agrees(program, seed):
    torch = pytest.importorskip("torch", reason="PyTorch judges here and is not installed")
    lib = in_pytorch(torch)
    assert all(hasattr(lib, name) for name in NAMES if name in ("pow", "erf", "atan2", "where", "expm1", "asin"))
    program.steps = [step for step in program.steps if hasattr(lib, step.name)]
    xs = inputs_for(program, seed)
    theirs = [torch.tensor(x, requires_grad=True) for x in xs]
    ours = [Tensor(x, requires_grad=True) for x in xs]
    out, judged = program(OURS, *ours), program(lib, *theirs)
    out.sum().backward()
    judged.sum().backward()
    np.testing.assert_allclose(out.data, judged.detach().numpy(), **CLOSE)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.grad is None) == (other.grad is None)
        if mine.grad is not None:
            np.testing.assert_allclose(np.asarray(mine.grad), other.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_backward_pass_parts_from_the_forward_mode(name, monkeypatch):
    """The laws can fail: a slope that is off by a thousandth in reverse mode alone is far outside."""
    rule = RULES[name]
    program = Program(3, [Step(name, (0, 1, 2)[: len(rule.inputs)], 0)])
    xs = tuple(inputs_for(program, 1))

    directions = tuple(np.random.default_rng(2).uniform(0.5, 1.5, (3, POINTS)))

    def gap():
        _, moved = cr.jvp(lambda *xs: program(OURS, *xs), xs, directions)
        _, back = cr.vjp(lambda *xs: program(OURS, *xs), *xs)
        return np.max(np.abs(moved - np.sum(directions * np.stack(back(np.ones(POINTS))), axis=0)))

    assert gap() < 1e-13
    pull = rule.pull
    monkeypatch.setattr(rule, "pull", lambda i, *rest: 1.001 * pull(i, *rest))
    assert gap() > 1e-5

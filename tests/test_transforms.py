"""grad, vjp, jvp, jacobian, hessian and hvp over every kind of argument, and nested in every way."""

from __future__ import annotations

import gc
import math
from collections import OrderedDict

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.errors import AnomalyError, DtypeError, GraphError, ShapeError

RNG = np.random.default_rng(11)


def bowl(x, y):
    return (cr.sin(x) * y + cr.exp(0.3 * x * y)).sum()


def mixing(x):
    """Two numbers to three: neither mode is free."""
    return cr.stack([x[0] * x[1], cr.sin(x[0]), x[1] ** 3])


def test_grad_of_numbers():
    f = cr.grad(lambda x: x**3 - 3 * x**2 + 2 * x + 1)
    assert f(2.0) == 2.0
    assert type(f(2.0)) is float
    assert f(2) == 2.0
    assert type(f(np.float32(2.0))) is np.float32
    assert type(f(np.float64(2.0))) is np.float64


def test_a_gradient_that_is_recorded_keeps_its_dtype():
    x, y = np.array([0.5, 1.5, 2.5], np.float32), np.array([[1.0], [2.0]])
    gradients = cr.grad(lambda x, y: cr.sum(cr.pow(y, x) * cr.tanh(x)), argnums=(0, 1))
    moved = cr.jvp(gradients, (x, y), (np.ones_like(x), np.ones_like(y)))[1]
    pulled = cr.vjp(gradients, x, y)[1]((np.ones_like(x), np.ones_like(y)))
    for found in (gradients(x, y), moved, pulled):
        assert [g.dtype for g in found] == [np.float32, np.float64]
    right = cr.jvp(gradients, (x.astype(float), y), (np.ones(3), np.ones_like(y)))[1]
    np.testing.assert_allclose(moved[0], right[0], rtol=1e-5)


def test_grad_of_arrays_keeps_shape_and_dtype():
    for dtype in (np.float64, np.float32):
        x = RNG.normal(size=(2, 3)).astype(dtype)
        gradient = cr.grad(lambda x: (x * x).sum())(x)
        assert type(gradient) is np.ndarray
        assert gradient.dtype == dtype
        np.testing.assert_allclose(gradient, 2 * x)


def test_grad_of_values_and_tensors():
    value = cr.grad(lambda v: v * v * v)(Value(2.0))
    assert type(value) is Value
    assert value.data == 12.0
    plain = cr.grad(lambda t: (t * t).sum())(Tensor([1.0, 2.0]))
    assert type(plain) is Tensor
    assert plain.tolist() == [2.0, 4.0]
    assert not plain.requires_grad


def test_a_gradient_of_values_can_be_differentiated_further():
    x = Value(2.0)
    cr.grad(lambda v: v**3)(x).backward()
    assert x.grad == 12.0


def test_a_gradient_of_tracked_tensors_can_be_differentiated_further():
    x = Tensor([1.0, 2.0], requires_grad=True)
    cr.grad(lambda t: (t**3).sum())(x).sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_captured_values_and_tensors_stay_differentiable():
    w = Value(3.0)
    slope = cr.grad(lambda v: w * w * v * v)(Value(2.0))
    slope.backward()
    assert slope.data == 36.0
    assert w.grad == 2 * 3.0 * 2 * 2.0
    weight = Tensor([2.0, 3.0], requires_grad=True)
    gradient = cr.grad(lambda x: (weight * x * x).sum())(np.array([1.0, 5.0]))
    assert type(gradient) is Tensor
    gradient.sum().backward()
    assert weight.grad.tolist() == [2.0, 10.0]


def test_grad_leaves_the_leaves_alone():
    x = Tensor([1.0, 2.0], requires_grad=True)
    weight = Tensor([2.0, 3.0], requires_grad=True)
    v = Value(2.0)
    cr.grad(lambda t: (t * weight).sum())(x)
    cr.grad(lambda u: u * u)(v)
    assert x.grad is None
    assert weight.grad is None
    assert v.grad == 0.0


def test_argnums():
    f = lambda x, y, z: x * y + z * z  # noqa: E731
    assert cr.grad(f)(2.0, 3.0, 4.0) == 3.0
    assert cr.grad(f, argnums=2)(2.0, 3.0, 4.0) == 8.0
    assert cr.grad(f, argnums=-1)(2.0, 3.0, 4.0) == 8.0
    assert cr.grad(f, argnums=(0, 2))(2.0, 3.0, 4.0) == (3.0, 8.0)
    assert cr.grad(f, argnums=[1])(2.0, 3.0, 4.0) == (2.0,)
    with pytest.raises(ShapeError, match="argument 3, and 3 were given"):
        cr.grad(f, argnums=3)(1.0, 2.0, 3.0)
    for twice in ((0, 0), (2, -1)):
        with pytest.raises(ShapeError, match="twice"):
            cr.grad(f, argnums=twice)(1.0, 2.0, 3.0)


def test_keywords_are_settings():
    f = lambda x, *, power: x**power  # noqa: E731
    assert cr.grad(f)(2.0, power=3) == 12.0


def test_value_and_grad_and_aux():
    value, gradient = cr.value_and_grad(lambda x: x * x)(3.0)
    assert (value, gradient) == (9.0, 6.0)
    assert type(value) is float
    f = lambda x: (x.sum(), {"twice": 2 * x, "name": "net", "none": None})  # noqa: E731
    (value, aux), gradient = cr.value_and_grad(f, has_aux=True)(np.ones(2))
    assert value == 2.0
    assert type(aux["twice"]) is np.ndarray
    assert aux["twice"].tolist() == [2.0, 2.0]
    assert (aux["name"], aux["none"]) == ("net", None)
    gradient, aux = cr.grad(f, has_aux=True)(np.ones(2))
    assert gradient.tolist() == [1.0, 1.0]
    assert aux["twice"].tolist() == [2.0, 2.0]


def test_nested_containers():
    parameters = {"layers": [(np.ones((2, 3)), np.zeros(2)), (np.full((1, 2), 2.0), np.zeros(1))], "scale": 3.0}

    def loss(p, x):
        for weight, bias in p["layers"]:
            x = cr.tanh(weight @ x + bias)
        return p["scale"] * x.sum()

    gradient = cr.grad(loss)(parameters, np.array([0.1, 0.2, 0.3]))
    assert list(gradient) == ["layers", "scale"]
    assert type(gradient["layers"]) is list
    assert type(gradient["layers"][0]) is tuple
    assert [g.shape for pair in gradient["layers"] for g in pair] == [(2, 3), (2,), (1, 2), (1,)]
    assert type(gradient["scale"]) is float
    moved = {"layers": [(np.zeros((2, 3)), np.array([1e-6, 0])), (np.zeros((1, 2)), np.zeros(1))], "scale": 0.0}
    change = cr.jvp(lambda p: loss(p, np.array([0.1, 0.2, 0.3])), (parameters,), (moved,))[1]
    assert change == pytest.approx(1e-6 * gradient["layers"][0][1][0], rel=1e-12)


def test_structures_that_do_not_match():
    f = lambda p: p["a"] * p["b"]  # noqa: E731
    with pytest.raises(ShapeError, match=r"need the structure \(\{'a': \*, 'b': \*\},\) and have \(\{'a': \*\},\)"):
        cr.jvp(f, ({"a": 1.0, "b": 2.0},), ({"a": 1.0},))
    with pytest.raises(ShapeError, match=r"shape \(3,\) does not fit .*\(2,\)"):
        cr.jvp(cr.sin, (np.ones(2),), (np.ones(3),))
    with pytest.raises(ShapeError, match="tuples"):
        cr.jvp(cr.sin, 1.0, 1.0)
    _, back = cr.vjp(cr.sin, np.ones(2))
    with pytest.raises(ShapeError, match=r"cotangent of shape \(3,\)"):
        back(np.ones(3))


def test_outputs_that_are_not_one_number():
    with pytest.raises(GraphError, match=r"one number.*\(2,\).*jacobian or vjp"):
        cr.grad(cr.sin)(np.ones(2))
    with pytest.raises(GraphError, match="one number"):
        cr.grad(lambda x: (x, x))(1.0)
    with pytest.raises(GraphError, match="nothing"):
        cr.grad(lambda x: None)(1.0)
    with pytest.raises(DtypeError, match="gave a text"):
        cr.grad(lambda x: "text")(1.0)
    with pytest.raises(GraphError, match="one number"):
        cr.hessian(cr.sin)(np.ones(2))


@pytest.mark.parametrize("bad", [np.arange(3), np.ones(2, np.float16), np.ones(2, complex), "text", True, 1j, object()])
def test_arguments_that_have_no_gradient(bad):
    with pytest.raises(DtypeError):
        cr.grad(lambda x: cr.sum(x))(bad)


def test_constants_and_zero_gradients():
    assert cr.grad(lambda x: 3.0)(2.0) == 0.0
    assert cr.value_and_grad(lambda x: 3)(2.0) == (3.0, 0.0)
    assert cr.grad(lambda x, y: y * y)(2.0, 3.0) == 0.0
    assert cr.grad(lambda x: cr.sign(x).sum())(np.ones(2)).tolist() == [0.0, 0.0]
    assert cr.jvp(lambda x: (x, 7.0), (2.0,), (1.0,)) == ((2.0, 7.0), (1.0, 0.0))
    assert cr.jacobian(lambda x: np.ones(3))(np.ones(2)).tolist() == [[0.0, 0.0]] * 3
    assert cr.hessian(lambda x: x.sum())(np.ones(2)).tolist() == [[0.0, 0.0]] * 2
    assert cr.hvp(lambda x: x.sum(), (np.ones(2),), (np.ones(2),)).tolist() == [0.0, 0.0]
    assert cr.grad(lambda v: 3.0)(Value(1.0)).data == 0.0
    gradient = cr.grad(lambda x: 1.0)(np.ones(2, np.float32))
    assert gradient.tolist() == [0.0, 0.0]
    assert gradient.dtype == np.float32


def test_the_identity_has_slope_one():
    assert cr.grad(lambda x: x)(2.0) == 1.0
    assert cr.jacobian(lambda x: x)(np.ones(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert cr.jvp(lambda x: x, (2.0,), (3.0,)) == (2.0, 3.0)
    assert cr.grad(lambda v: v)(Value(2.0)).data == 1.0


def test_vjp_and_jvp():
    x, y = RNG.normal(size=3), RNG.normal(size=3)
    out, back = cr.vjp(lambda x, y: {"product": x * y, "sine": cr.sin(x)}, x, y)
    assert type(out["product"]) is np.ndarray
    g = {"product": np.array([1.0, 2.0, 3.0]), "sine": np.array([0.0, 1.0, 0.0])}
    d_x, d_y = back(g)
    np.testing.assert_allclose(d_x, g["product"] * y + g["sine"] * np.cos(x))
    np.testing.assert_allclose(d_y, g["product"] * x)
    np.testing.assert_allclose(back(g)[0], d_x)
    out, moved = cr.jvp(lambda x, y: (x * y, cr.sin(x)), (x, y), (np.ones(3), np.zeros(3)))
    np.testing.assert_allclose(moved[0], y)
    np.testing.assert_allclose(moved[1], np.cos(x))


def test_gradients_from_vjp_share_no_memory():
    _, back = cr.vjp(lambda x, y: x + y, np.ones(2), np.ones(2))
    g = np.ones(2)
    d_x, d_y = back(g)
    d_x += 1.0
    assert d_y.tolist() == [1.0, 1.0]
    assert g.tolist() == [1.0, 1.0]
    d_x, d_y = cr.grad(lambda x, y: (x + y).sum(), argnums=(0, 1))(np.ones(2), np.ones(2))
    d_x += 1.0
    assert d_y.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
@pytest.mark.parametrize(
    "f",
    [
        mixing,
        lambda x: cr.sum(x * x),
        lambda x: cr.outer(x, x),
        lambda x: cr.softmax(x),
        lambda x: x[0] * cr.stack([x, x, x]),
    ],
)
def test_both_modes_of_the_jacobian(f, mode):
    x = np.array([0.7, 1.3])
    found = cr.jacobian(f, mode=mode)(x)
    h = 1e-6
    columns = [(np.asarray(f(x + step)) - np.asarray(f(x - step))) / (2 * h) for step in np.eye(2) * h]
    np.testing.assert_allclose(found, np.stack(columns, axis=-1), atol=1e-9)


def test_the_jacobian_takes_fewer_sweeps(monkeypatch):
    from chainrule import transforms

    sweeps = []
    for name in ("push", "pull"):
        method = getattr(transforms.Run, name)

        def counted(self, given, method=method, name=name):
            sweeps.append(name)
            return method(self, given)

        monkeypatch.setattr(transforms.Run, name, counted)
    cr.jacobian(lambda x: x @ np.ones((2, 5)))(np.ones(2))
    assert sweeps == ["push"] * 2
    sweeps.clear()
    cr.jacobian(lambda x: x @ np.ones((5, 2)))(np.ones(5))
    assert sweeps == ["pull"] * 2
    with pytest.raises(GraphError, match="sideways"):
        cr.jacobian(mixing, mode="sideways")


def test_jacobian_shapes_are_outputs_then_inputs():
    x = RNG.normal(size=(2, 3))
    for mode in ("forward", "reverse"):
        found = cr.jacobian(lambda x: x @ np.ones((3, 4)), mode=mode)(x)
        assert found.shape == (2, 4, 2, 3)
        np.testing.assert_allclose(found, np.einsum("ik,jl->ijkl", np.eye(2), np.ones((4, 3))))
    assert cr.jacobian(lambda x: x * 2.0)(1.0) == 2.0
    assert cr.jacobian(lambda x: cr.sin(x))(np.zeros(0)).shape == (0, 0)
    assert cr.jacobian(lambda x: x[:0])(np.ones(2, np.float32)).shape == (0, 2)
    assert cr.jacobian(lambda x: x[:0])(np.ones(2, np.float32)).dtype == np.float32


def test_jacobian_of_trees():
    f = lambda p, y: {"sum": p["w"] * y, "first": p["b"]}  # noqa: E731
    for mode in ("forward", "reverse"):
        found = cr.jacobian(f, argnums=(0, 1), mode=mode)({"w": np.array([1.0, 2.0]), "b": 3.0}, 5.0)
        by_p, by_y = found["sum"]
        np.testing.assert_allclose(by_p["w"], np.eye(2) * 5.0)
        np.testing.assert_allclose(by_p["b"], [0.0, 0.0])
        np.testing.assert_allclose(by_y, [1.0, 2.0])
        assert found["first"][0]["b"] == 1.0
        assert found["first"][1] == 0.0


def test_jacobian_of_values():
    for mode in ("forward", "reverse"):
        rows = cr.jacobian(lambda p: [p[0] * p[1], cr.sin(p[0])], mode=mode)([Value(2.0), Value(3.0)])
        assert [[entry.data for entry in row] for row in rows] == [[3.0, 2.0], [math.cos(2.0), 0.0]]


def test_hessian_and_hvp():
    x = np.array([0.4, -0.7, 1.1])
    f = lambda x: cr.exp(x[0] * x[1]) + cr.sin(x[2]) * x[0] ** 2  # noqa: E731
    found = cr.hessian(f)(x)
    e, (a, b, c) = math.exp(x[0] * x[1]), x
    wanted = np.array(
        [
            [b * b * e + 2 * math.sin(c), e + a * b * e, 2 * a * math.cos(c)],
            [e + a * b * e, a * a * e, 0.0],
            [2 * a * math.cos(c), 0.0, -a * a * math.sin(c)],
        ]
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-15)
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(cr.hvp(f, (x,), (v,)), wanted @ v, rtol=1e-13)
    np.testing.assert_allclose(cr.jacobian(cr.jacobian(f))(x), wanted, rtol=1e-13, atol=1e-15)


def test_hessian_of_numbers_and_several_arguments():
    assert cr.hessian(lambda x: x**3)(2.0) == 12.0
    blocks = cr.hessian(lambda x, y: x * x * y, argnums=(0, 1))(2.0, 3.0)
    assert blocks == ((6.0, 4.0), (4.0, 0.0))
    d_x, d_y = cr.hvp(lambda x, y: x * x * y, (2.0, 3.0), (1.0, 10.0))
    assert (d_x, d_y) == (6.0 + 40.0, 4.0)
    tree = cr.hessian(lambda p: p["a"] ** 2 * p["b"])({"a": 2.0, "b": 3.0})
    assert tree == {"a": {"a": 6.0, "b": 4.0}, "b": {"a": 4.0, "b": 0.0}}


def forward(f):
    """The derivative of a function of one number, by forward mode."""
    return lambda x: cr.jvp(f, (x,), (1.0,))[1]


MODES = {"reverse": cr.grad, "forward": forward}
PAIRS = [(outer, inner) for outer in MODES for inner in MODES]


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_perturbations_are_not_confused(outer, inner):
    """The classic of Siskind and Pearlmutter (2005): d/dx [x d/dy (x + y)] at 1 is 1, and 2 where tags are mixed up."""
    outer, inner = MODES[outer], MODES[inner]
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0) == 6.0
    assert outer(lambda x: inner(lambda y: x * y * y)(x))(3.0) == 12.0
    assert outer(lambda x: inner(lambda y: y)(x) * x)(3.0) == 1.0
    assert outer(lambda x: inner(lambda y: inner(lambda z: x * y * z)(y))(x))(5.0) == 1.0
    assert outer(inner(lambda x: x * inner(lambda y: x * y)(x)))(2.0) == 2.0


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_a_shared_function_object_at_both_levels(outer, inner):
    """The same closure differentiated at two levels; tags that belong to functions would clash."""
    derive = MODES[inner]
    square = lambda x: x * x  # noqa: E731
    assert MODES[outer](lambda x: derive(square)(x) * square(x))(2.0) == 24.0
    shifted = lambda s: lambda f: lambda x: f(x + s)  # noqa: E731
    twice = lambda f: shifted(1.0)(derive(f))  # noqa: E731
    assert twice(twice(square))(3.0) == 2.0


@pytest.mark.parametrize("modes", ["rrrr", "ffff", "rfrf", "frfr", "rrff", "ffrr", "rrrff"])
@pytest.mark.parametrize(
    ("f", "closed"),
    [
        (lambda x: cr.sin(x) * cr.exp(-0.5 * x), lambda x: mpmath.sin(x) * mpmath.exp(-x / 2)),
        (lambda x: x**3.5 / (1 + x * x), lambda x: x**3.5 / (1 + x * x)),
        (lambda x: cr.tanh(cr.log(x) * x), lambda x: mpmath.tanh(mpmath.log(x) * x)),
        (lambda x: cr.sigmoid(x) ** 2 + cr.erf(x), lambda x: 1 / (1 + mpmath.exp(-x)) ** 2 + mpmath.erf(x)),
    ],
)
def test_high_orders_against_mpmath(modes, f, closed):
    derivative = f
    for letter in modes:
        derivative = cr.grad(derivative) if letter == "r" else forward(derivative)
    with mpmath.workdps(40):
        wanted = float(mpmath.diff(closed, 1.3, len(modes)))
    assert derivative(1.3) == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize("kind", [float, Value, lambda x: Tensor(x, requires_grad=True), lambda x: np.float64(x)])
def test_high_orders_over_every_kind(kind):
    f = lambda x: x**6 + cr.relu(x) * cr.maximum(x, 1.0)  # noqa: E731
    wanted = [2.0**6 + 4.0, 6 * 2.0**5 + 4.0, 30 * 2.0**4 + 2.0, 120 * 2.0**3, 360 * 2.0**2, 720 * 2.0]
    for expected in wanted:
        assert float(f(kind(2.0))) == expected
        f = cr.grad(f)


def test_nested_gradients_of_arrays():
    """A gradient step inside a loss, differentiated through (as in meta-learning), against the closed form."""
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    inner = lambda w: 0.5 * (w @ (a @ w))  # noqa: E731
    outer = lambda w: inner(w - 0.1 * cr.grad(inner)(w))  # noqa: E731
    w = np.array([1.0, -2.0])
    step = np.eye(2) - 0.1 * a
    np.testing.assert_allclose(cr.grad(outer)(w), step @ a @ step @ w, rtol=1e-13)
    np.testing.assert_allclose(cr.hessian(outer)(w), step @ a @ step, rtol=1e-13)


def test_vjp_can_be_differentiated():
    def slope_through_vjp(x):
        _, back = cr.vjp(cr.sin, x)
        (g,) = back(x)
        return g

    assert cr.grad(slope_through_vjp)(0.7) == pytest.approx(math.cos(0.7) - 0.7 * math.sin(0.7), rel=1e-14)
    assert forward(slope_through_vjp)(0.7) == pytest.approx(math.cos(0.7) - 0.7 * math.sin(0.7), rel=1e-14)


def test_tangents_can_be_differentiated():
    f = lambda t: cr.jvp(cr.sin, (0.7,), (t,))[1]  # noqa: E731
    assert cr.grad(f)(3.0) == pytest.approx(math.cos(0.7), rel=1e-15)
    _, back = cr.vjp(cr.sin, 0.7)
    assert cr.grad(lambda g: back(g)[0])(3.0) == pytest.approx(math.cos(0.7), rel=1e-15)
    assert type(cr.jvp(lambda g: back(g)[0], (3.0,), (1.0,))[1]) is float


def test_results_are_plain_when_nothing_outside_asks():
    kept = []

    def f(x):
        kept.append(x)
        return x * x

    assert type(cr.grad(f)(2.0)) is float
    assert not (kept[0] * 2.0).requires_grad


def test_no_grad_around_and_inside():
    with cr.no_grad():
        assert cr.grad(lambda x: x * x)(3.0) == 6.0
        assert cr.grad(cr.grad(lambda x: x**3))(3.0) == 18.0
        assert cr.jvp(lambda x: x * x, (3.0,), (1.0,)) == (9.0, 6.0)

    def half_hidden(x):
        with cr.no_grad():
            hidden = x * x
        return hidden * x

    assert cr.grad(half_hidden)(3.0) == 9.0
    assert cr.jvp(half_hidden, (3.0,), (1.0,))[1] == 9.0
    assert cr.grad(lambda x: x * x.detach())(3.0) == 3.0
    assert cr.grad(half_hidden)(Value(3.0)).data == 9.0


def test_anomaly_inside_transforms():
    with cr.detect_anomaly():
        with pytest.raises(AnomalyError, match="log"):
            cr.grad(lambda x: cr.log(x))(-1.0)
        with pytest.raises(AnomalyError, match="sqrt"):
            cr.grad(lambda x: cr.sqrt(x))(0.0)
    assert math.isnan(cr.value_and_grad(lambda x: cr.log(x))(-1.0)[0])


@cr.custom_vjp
def gentle(x):
    """Sine with a slope of its own, so that a test can tell them apart."""
    return cr.sin(x)


gentle.defvjp(lambda x: (cr.sin(x), x), lambda x, g: (g * x * x * x,))


@pytest.mark.parametrize("kind", [float, Value, lambda x: Tensor(x, requires_grad=True), lambda x: np.array(x)])
def test_custom_gradients(kind):
    assert float(gentle(kind(2.0))) == math.sin(2.0)
    assert float(cr.grad(gentle)(kind(2.0))) == 8.0
    assert float(cr.grad(lambda x: 3.0 * gentle(x * 2.0))(kind(1.0))) == 3.0 * 8.0 * 2.0
    assert float(cr.grad(cr.grad(gentle))(kind(2.0))) == 12.0
    assert float(cr.grad(cr.grad(cr.grad(gentle)))(kind(2.0))) == 12.0


def test_custom_gradients_by_backward():
    v, t = Value(2.0), Tensor([2.0, 3.0], requires_grad=True)
    gentle(v).backward()
    gentle(t).sum().backward()
    assert v.grad == 8.0
    assert t.grad.tolist() == [8.0, 27.0]


def test_custom_gradients_refuse_forward_mode():
    with pytest.raises(GraphError, match=r"gentle.*forward"):
        cr.jvp(gentle, (2.0,), (1.0,))


def test_custom_gradients_of_several_inputs():
    @cr.custom_vjp
    def scaled(x, y):
        return x * y

    with pytest.raises(GraphError, match="defvjp"):
        scaled(1.0, Value(2.0))
    scaled.defvjp(lambda x, y: (x * y, (x, y)), lambda kept, g: (10 * g * kept[1], 100 * g * kept[0]))
    assert cr.grad(scaled, argnums=(0, 1))(2.0, 3.0) == (30.0, 200.0)
    assert cr.grad(lambda x: scaled(x, 3.0))(2.0) == 30.0
    assert cr.grad(lambda x: scaled(x, 3.0) * scaled(x, 1.0))(2.0) == 30.0 * 2.0 + 6.0 * 10.0


def test_custom_gradients_that_do_not_fit():
    @cr.custom_vjp
    def wrong(x):
        return x * 1.0

    wrong.defvjp(lambda x: (x * 1.0, None), lambda kept, g: (g, g))
    with pytest.raises(GraphError, match="1 cotangents"):
        cr.grad(wrong)(1.0)
    wrong.defvjp(lambda x: (x * 1.0, None), lambda kept, g: (np.ones(3),))
    with pytest.raises(GraphError, match=r"\(3,\)"):
        cr.grad(lambda x: wrong(x).sum())(np.ones(2))


def through(lib, x):
    """Written with NumPy's names only, so that every library can run it."""
    h = lib.tanh(x @ lib.reshape(x, (3, 2)) + 0.3)
    return lib.sum(lib.exp(-h) * h) + lib.sum(lib.log(1.0 + x * x)) / (1.0 + lib.sum(x[0] ** 2))


def branching(lib, x):
    return lib.sum(lib.maximum(x, 0.2) * lib.sin(x)) + lib.max(x) * lib.min(x) + lib.sum(lib.abs(x) ** 1.5)


def chained(lib, x):
    y = x
    for _ in range(5):
        y = lib.cos(y) * x + lib.sqrt(y * y + 1.0)
    return lib.mean(y)


def library(name):
    if name == "jax":
        jax = pytest.importorskip("jax", reason="jax judges here and is not installed")
        jax.config.update("jax_enable_x64", True)
        return (
            jax.numpy,
            lambda f, x: np.asarray(jax.jit(jax.grad(f))(x)),
            lambda f, x: np.asarray(jax.jit(jax.hessian(f))(x)),
        )
    if name == "autograd":
        autograd = pytest.importorskip("autograd", reason="autograd judges here and is not installed")
        import autograd.numpy as lib

        return lib, lambda f, x: autograd.grad(f)(x), lambda f, x: autograd.jacobian(autograd.grad(f))(x)
    torch = pytest.importorskip("torch", reason="PyTorch judges here and is not installed")
    functions = ("tanh", "exp", "log", "sin", "cos", "sqrt", "abs", "sum", "mean", "max", "min", "reshape")
    members = {f: staticmethod(getattr(torch, f)) for f in functions}
    members["maximum"] = staticmethod(lambda x, y: torch.clamp(x, min=y))
    lib = type("lib", (), members)

    def gradient(f, x):
        leaf = torch.tensor(x, requires_grad=True)
        return torch.autograd.grad(f(leaf), leaf)[0].numpy()

    return lib, gradient, lambda f, x: torch.autograd.functional.hessian(f, torch.tensor(x)).numpy()


@pytest.mark.parametrize("name", ["jax", "autograd", "torch"])
@pytest.mark.parametrize("f", [through, branching, chained])
def test_other_libraries_agree(name, f):
    lib, gradient, hessian = library(name)
    x = np.random.default_rng(5).normal(size=(2, 3))
    np.testing.assert_allclose(cr.grad(lambda x: f(cr, x))(x), gradient(lambda x: f(lib, x), x), rtol=1e-11, atol=1e-13)
    ours, theirs = cr.hessian(lambda x: f(cr, x))(x), hessian(lambda x: f(lib, x), x)
    assert ours.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@cr.custom_vjp
def doubled(x):
    return 2.0 * x


doubled.defvjp(lambda x: (2.0 * x, None), lambda kept, g: (2.0 * g,))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: cr.grad(lambda y: cr.sum(cr.tanh(y) ** 2))(x),
        lambda x: cr.hessian(lambda y: cr.sum(cr.tanh(y) ** 2))(x),
        lambda x: cr.jvp(lambda y: {"tanh": [cr.tanh(y)]}, (x,), (x,)),
        lambda x: cr.vjp(cr.tanh, x)[1](x),
        lambda x: cr.grad(lambda y: cr.sum(doubled(y)))(x),
    ],
    ids=["grad", "hessian", "jvp", "vjp", "custom_vjp"],
)
def test_a_finished_graph_is_freed_without_the_garbage_collector(call):
    x = np.ones(3)
    call(x)
    gc.collect()
    gc.disable()
    try:
        call(x)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_custom_forward_that_gives_no_pair_is_refused():
    @cr.custom_vjp
    def careless(x):
        return x * x

    careless.defvjp(lambda x: x * x, lambda kept, g: (g,))
    with pytest.raises(GraphError, match="the forward pass of careless must give a pair"):
        cr.grad(careless)(2.0)


def test_only_the_derivatives_that_are_asked_for_run(monkeypatch):
    def never(*_):
        raise AssertionError("nobody asked for this derivative")

    captured = Tensor([2.0], requires_grad=True)
    by_captured = lambda out, x, y: y  # noqa: E731  (a partial is a function like this one)
    monkeypatch.setattr(cr.mul, "partials", (by_captured, never))
    assert cr.grad(lambda x: (x @ captured) + cr.sum(cr.mul(x, captured.detach())))(np.array([3.0])).tolist() == [4.0]
    assert cr.grad(lambda x: cr.sum(cr.mul(x, captured)))(np.array([3.0])).tolist() == [2.0]
    assert cr.jvp(lambda x: cr.mul(x, captured), (np.array([3.0]),), (np.array([1.0]),))[1].tolist() == [2.0]


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_dicts_of_both_kinds_come_back_as_they_were(kind):
    given = kind([("w", 2.0), ("b", kind([("c", np.ones(2)), ("n", None)]))])
    f = lambda a: cr.sum(a["w"] * a["b"]["c"])  # noqa: E731
    for found in (cr.grad(f)(given), cr.jacobian(f)(given), cr.vjp(f, given)[1](1.0)[0], cr.compile(cr.grad(f))(given)):
        assert type(found) is type(found["b"]) is kind
        assert [*found] == ["w", "b"]
        assert found["w"] == 2.0
        np.testing.assert_array_equal(found["b"]["c"], [2.0, 2.0])
        assert found["b"]["n"] is None
    assert cr.jvp(f, (given,), (given,))[1] == 8.0
    mapped = cr.vmap(lambda a: kind(x=a["w"] * 2))(kind(w=np.ones(3)))
    assert type(mapped) is kind
    assert mapped["x"].shape == (3,)
    doubled = cr.compile(lambda a: kind(y={"k": a["w"] * 2}))
    for _ in range(3):
        assert type(doubled(kind(w=np.float64(1.5)))) is kind
        assert doubled(kind(w=np.float64(1.5)))["y"]["k"] == 3.0


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
def test_a_jacobian_in_nothing(mode):
    assert cr.jacobian(lambda a: 5.0, mode=mode)({}) == {}
    assert cr.jacobian(lambda a: (cr.sum(np.ones(2)), 3.0), mode=mode)({"n": None}) == ({"n": None}, {"n": None})

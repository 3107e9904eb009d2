"""Functions with a backward pass of the user's own: containers, settings, None, both kinds of node."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.errors import GraphError

KINDS = {
    "float": float,
    "array": lambda x: np.array([x, x + 1.0]),
    "value": Value,
    "tensor": lambda x: Tensor(x, requires_grad=True),
}
kinds = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def numbers(tree):
    """The plain numbers in nested containers."""
    if isinstance(tree, dict):
        return {key: numbers(part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map(numbers, tree))
    return np.asarray(tree.data if isinstance(tree, Value | Tensor) else tree).tolist()


@cr.custom_vjp
def line(parameters, x):
    return parameters["w"][0] * x + parameters["w"][1]


line.defvjp(
    lambda p, x: (line.function(p, x), (p["w"][0], x)),
    lambda kept, g: ({"w": (5.0 * g * kept[1], 7.0 * g)}, 11.0 * g * kept[0]),
)


@kinds
def test_arguments_in_containers_have_the_custom_gradient(make):
    w, b, x = make(2.0), make(1.0), make(3.0)
    found = cr.grad(lambda p, x: cr.sum(line(p, x)), argnums=(0, 1))({"w": (w, b)}, x)
    assert numbers(found) == numbers(({"w": (5.0 * x, 7.0 + 0.0 * x)}, 11.0 * w))
    twice = cr.grad(lambda x: cr.sum(cr.grad(lambda p: cr.sum(line(p, x)))({"w": (w, b)})["w"][0] * 2.0))(x)
    assert numbers(twice) == numbers(10.0 + 0.0 * x)


@pytest.mark.parametrize("make", [Value, lambda x: Tensor(x, requires_grad=True)], ids=["value", "tensor"])
def test_arguments_in_containers_by_backward(make):
    w, b, x = make(2.0), make(1.0), make(3.0)
    (line({"w": (w, b)}, x) * 2.0).backward()
    assert [numbers(node.grad) for node in (w, b, x)] == [30.0, 14.0, 44.0]
    mixed = make(3.0)
    line({"w": (2.0, 1)}, mixed).backward()
    assert numbers(mixed.grad) == 22.0


@cr.custom_vjp
def careful(x):
    return 1.0 * x


careful.defvjp(lambda x: (1.0 * x, None), lambda kept, g: (cr.clip(g, -1.0, 1.0),))


@kinds
def test_a_backward_pass_that_is_not_linear_has_the_gradient_that_came(make):
    assert np.all(np.array(numbers(cr.grad(lambda x: cr.sum(5.0 * careful(x)))(make(2.0)))) == 1.0)
    assert np.all(np.array(numbers(cr.grad(lambda x: cr.sum(0.5 * careful(x)))(make(2.0)))) == 0.5)


@pytest.mark.parametrize("make", [Value, lambda x: Tensor(x, requires_grad=True)], ids=["value", "tensor"])
def test_a_backward_pass_runs_when_the_gradient_has_come_and_once_for_each_pass(make):
    calls = []

    @cr.custom_vjp
    def watched(x, y):
        return x * y

    watched.defvjp(lambda x, y: (x * y, (x, y)), lambda kept, g: calls.append(float(g)) or (g * kept[1], g * kept[0]))
    x, y = make(2.0), make(3.0)
    out = watched(x, y)
    loss = out * 2.0 + out * 3.0
    assert calls == []
    loss.backward()
    assert calls == [5.0]
    assert (float(x.grad), float(y.grad)) == (15.0, 10.0)
    loss.backward()
    assert calls == [5.0, 5.0]
    assert (float(x.grad), float(y.grad)) == (30.0, 20.0)


def test_an_error_in_a_backward_pass_of_values_comes_out_and_leaves_the_graph_usable():
    ready = []

    @cr.custom_vjp
    def moody(x):
        return x * 2.0

    moody.defvjp(lambda x: (x * 2.0, None), lambda kept, g: (2.0 * g,) if ready else (1 / 0,))
    x = Value(3.0)
    out = moody(x) * x
    with pytest.raises(ZeroDivisionError):
        out.backward()
    x.grad = 0.0
    ready.append(True)
    out.backward()
    assert x.grad == 12.0


@cr.custom_vjp
def polar(x):
    return {"square": x * x, "more": [cr.sin(x), "a label", None]}


polar.defvjp(
    lambda x: (polar.function(x), x),
    lambda x, g: (10.0 * g["square"] * x + 100.0 * g["more"][0],),
)


@kinds
def test_outputs_in_containers(make):
    def f(x):
        out = polar(x)
        assert out["more"][1:] == ["a label", None]
        return cr.sum(out["square"] * 3.0 + out["more"][0] * x)

    x = make(2.0)
    held = np.asarray(x.data if isinstance(x, Value | Tensor) else x)
    np.testing.assert_allclose(numbers(cr.grad(f)(x)), 30.0 * held + 100.0 * held + np.sin(held), rtol=1e-15)
    assert numbers(cr.grad(lambda x: cr.sum(polar(x)["more"][0]))(x)) == (100.0 + 0.0 * held).tolist()
    assert numbers(cr.grad(cr.grad(lambda x: cr.sum(polar(x)["square"])))(2.0)) == 10.0


def test_outputs_of_several_shapes_and_types():
    @cr.custom_vjp
    def parts(x):
        return x[:2].astype(np.float32), x * 2.0, np.arange(3)

    seen = []
    parts.defvjp(
        lambda x: ((x[:2].astype(np.float32), x * 2.0, np.arange(3)), None),
        lambda kept, g: seen.append([(y.shape, y.dtype) for y in g[:2]]) or (cr.pad(g[0], (0, 1)) + 5.0 * g[1],),
    )
    x = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    first, second, third = parts(x)
    assert (first.dtype, first.shape, second.dtype, third.tolist()) == (np.float32, (2,), np.float64, [0, 1, 2])
    (cr.sum(first) + cr.sum(second)).backward()
    assert x.grad.tolist() == [6.0, 6.0, 5.0]
    assert seen == [[((2,), np.float32), ((3,), np.float64)]]


def test_none_means_zeros():
    @cr.custom_vjp
    def both(p, x):
        return p["a"] * p["b"] * x

    for given, wanted in (
        (lambda g: (None, 2.0 * g), ({"a": 0.0, "b": 0.0}, 2.0)),
        (lambda g: ({"a": None, "b": 3.0 * g}, None), ({"a": 0.0, "b": 3.0}, 0.0)),
        (lambda g: ({"b": g, "a": 2 * g}, g), ({"a": 2.0, "b": 1.0}, 1.0)),
        (lambda g: (None, None), ({"a": 0.0, "b": 0.0}, 0.0)),
    ):
        both.defvjp(lambda p, x: (p["a"] * p["b"] * x, None), lambda kept, g, given=given: given(g))
        for make in (float, Value, lambda x: Tensor(x, requires_grad=True)):
            point = {"a": make(2.0), "b": make(3.0)}, make(5.0)
            assert numbers(cr.grad(both, argnums=(0, 1))(*point)) == wanted
            second = cr.grad(lambda *args: cr.sum(cr.grad(both, argnums=1)(*args)) * args[1], argnums=1)
            assert np.isfinite(numbers(second(*point)))


def test_settings_are_keyword_only_or_aside():
    @cr.custom_vjp
    def scaled(x, *, by=2.0):
        return x * by

    scaled.defvjp(lambda x, *, by: (x * by, by), lambda by, g: (10.0 * g * by,))
    assert (cr.grad(scaled)(1.0), cr.grad(scaled)(1.0, by=3.0), scaled(1.0, by=4.0)) == (20.0, 30.0, 4.0)
    scaled.defvjp(lambda x, *, by: (x * by, None), lambda kept, g, *, by: (100.0 * g * by,))
    assert (cr.grad(scaled)(1.0), cr.grad(scaled)(Value(1.0), by=3.0).data) == (200.0, 300.0)

    @partial(cr.custom_vjp, nondiff_argnums=(0, 2))
    def applied(f, x, power):
        return f(x) ** power

    applied.defvjp(
        lambda f, x, power: (f(x) ** power, x), lambda f, power, x, g: (1000.0 * g * f(x) * power,)
    )  # fmt: skip
    assert cr.grad(lambda x: applied(cr.exp, x, 3))(0.5) == pytest.approx(3000.0 * np.exp(0.5), rel=1e-15)
    assert cr.grad(applied, argnums=1)(cr.exp, 0.5, 3) == pytest.approx(3000.0 * np.exp(0.5), rel=1e-15)
    assert applied(cr.exp, 0.0, 3) == 1.0
    assert cr.grad(lambda x: applied(f=cr.exp, power=3, x=x))(0.0) == 3000.0


def test_a_node_among_the_settings_is_refused():
    @partial(cr.custom_vjp, nondiff_argnums=1)
    def applied(x, power, *, by=1.0):
        return x * power * by

    applied.defvjp(lambda x, power, *, by: (x, None), lambda power, kept, g: (g,))
    for call in (
        lambda x: applied(x, x),
        lambda x: applied(x, 2.0, by=x),
        lambda x: applied(1.0, x),
        lambda x: applied(1.0, 1.0, by=[x]),
    ):
        for make in (float, Value):
            with pytest.raises(GraphError, match=r"as a setting, .* x\.detach\(\)"):
                cr.grad(call)(make(2.0))
    assert cr.grad(lambda x: applied(x, x.detach()))(2.0) == 1.0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda g: (g, g, g), "2 cotangents"),
        (lambda g: g, "2 cotangents"),
        (lambda g: ([g, g], g), r"\(\{'a': \*, 'b': \*\}, \*\).* gave \(\[\*, \*\], \*\)"),
        (lambda g: ({"a": g}, g), r"structure .* gave"),
        (lambda g: ({"a": g, "b": [g]}, g), r"structure .* gave"),
        (lambda g: ({"a": np.ones(2), "b": g}, g), r"shape \(2,\) for input 0, which has shape \(\)"),
    ],
)
def test_a_backward_pass_of_another_structure_is_refused_in_words(given, words):
    @cr.custom_vjp
    def both(p, x):
        return p["a"] * p["b"] * x

    both.defvjp(lambda p, x: (p["a"] * p["b"] * x, None), lambda kept, g: given(g))
    for make in (float, Value):
        with pytest.raises(GraphError, match=words):
            cr.grad(both, argnums=(0, 1))({"a": make(2.0), "b": make(3.0)}, make(1.0))


def test_a_function_may_have_the_name_of_a_compiled_one():
    @cr.custom_vjp
    def sigmoid(x):
        return x * 3.0

    sigmoid.defvjp(lambda x: (x * 3.0, None), lambda kept, g: (g * 7.0,))
    for x in (2.0, Value(2.0), np.ones(3)):
        assert np.all(np.array(numbers(cr.grad(lambda x: cr.sum(sigmoid(x)))(x))) == 7.0)


def test_an_explanation_in_between_changes_nothing():
    @cr.custom_vjp
    def cube(x):
        return x * x * x

    cube.defvjp(lambda x: (x * x * x, x), lambda x, g: (3.0 * g * x * x,))
    for dtype in (np.float32, np.float64):
        x = Tensor(np.array([1.1, 2.2], dtype), requires_grad=True)
        loss = cr.sum(cube(x))
        np.testing.assert_allclose(cr.explain(loss, x).gradient, 3.0 * np.float64(x.data) ** 2, rtol=1e-15)
        loss.backward()
        np.testing.assert_array_equal(x.grad.data, dtype(3.0) * x.data * x.data)


def test_a_value_that_changes_after_its_use_has_the_gradient_of_what_was_used():
    a = Value(2.0)
    own, ours = careful(a * a) * a, cr.clip(a * a, -100.0, 100.0) * a
    a.data = 5.0
    own.backward(0.25)
    first, a.grad = a.grad, 0.0
    ours.backward(0.25)
    assert first == a.grad

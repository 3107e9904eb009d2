"""What is written of fused rules is what their compositions say, at every shape and at the ends of the numbers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import mpmath as mp
import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen import derivatives as writer
from chainrule.core import graph
from chainrule.core.differential import through_parts
from chainrule.core.operation import book
from chainrule.core.state import Quiet
from chainrule.errors import ChainruleError
from chainrule.rules.derivatives import fused as derivatives

PAGE = Path(__file__).parents[2] / "docs" / "write_derivatives.py"


def script():
    spec = importlib.util.spec_from_file_location("write_derivatives", PAGE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_derivatives_are_what_the_compositions_give():
    written = script().modules()
    assert {place.name for place in written} == {
        "activations.py",
        "attention.py",
        "convolution.py",
        "fused.py",
        "gates.py",
    }
    for place, text in written.items():
        assert place.read_text(encoding="utf-8") == text, "run .venv/bin/python docs/write_derivatives.py"


def normal(*shape, dtype=np.float64):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(dtype)


def shaped(dtype):
    """Calls of fused rules with arrays of other shapes than those that the text was made from, with empty ones too."""
    for lead in ((), (1,), (5,), (2, 4), (2, 1, 3), (0,), (2, 0)):
        for n in (1, 2, 6):
            x, y = normal(*lead, n, dtype=dtype), normal(n, *lead, dtype=dtype).reshape(*lead, n)
            yield "layer_norm", (x, normal(n, dtype=dtype), normal(n, dtype=dtype)), {"eps": 0.01}
            yield "squared_error", (x, y), {"scale": 3.0}
            for weight in (0.5, normal(n, dtype=dtype) ** 2, np.abs(y)):
                yield "binary_cross_entropy", (4 * x, np.abs(np.tanh(y))), {"at_one": weight, "at_zero": 2.0}
                yield "binary_cross_entropy", (4 * x, np.abs(np.tanh(y))), {"at_one": 1.0, "at_zero": weight}
    for rows, columns in ((1, 1), (1, 5), (7, 2), (0, 3)):
        yield (
            "affine",
            (normal(rows, columns, dtype=dtype), normal(4, columns, dtype=dtype), normal(4, dtype=dtype)),
            {},
        )
        if rows:
            targets = np.arange(rows) % columns
            yield "cross_entropy", (normal(rows, columns, dtype=dtype),), {"target": targets}
            yield "cross_entropy", (normal(rows, columns, dtype=dtype),), {"target": targets.astype(np.int32)}
    for slide in ({}, {"stride": 2, "padding": (1, 0)}, {"dilation": 2, "groups": 2}):
        groups = slide.get("groups", 1)
        images, weights = normal(3, 4, 7, 6, dtype=dtype), normal(6, 4 // groups, 2, 3, dtype=dtype)
        yield "conv2d_plus", (images, weights, normal(6, dtype=dtype)), slide
    for slide in ({"kernel_size": 2}, {"kernel_size": (3, 2), "stride": 1, "padding": 1}):
        yield "max_pool2d", (normal(2, 3, 7, 6, dtype=dtype),), slide


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_derivative_is_right_for_arrays_of_every_shape(dtype):
    close = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 2e-4, "atol": 1e-5}
    for name, inputs, settings in shaped(dtype):
        rule = book[name]
        settings = rule.complete(settings)
        with Quiet():
            out = rule(*inputs, **settings)
            g = np.asarray(normal(*np.shape(out), dtype=dtype))
            for i, x in enumerate(inputs):
                right = through_parts(rule, i, g, inputs, settings)
                for given in (g, g[()]):  # an array, whose loop may be asked, and what NumPy makes of one number
                    found = graph.from_array(x).fit(rule.pull(i, given, out, inputs, settings))
                    np.testing.assert_allclose(found, right, **close, err_msg=f"{name} {i} {np.shape(x)} {settings}")
                text = rule.adjoint[i](g, *inputs, **settings)
                assert np.shape(text) == x.shape
                assert text.dtype == dtype or "target" in settings or not isinstance(settings.get("at_one"), float)
                np.testing.assert_allclose(text, right, **close, err_msg=f"{name} {i} {np.shape(x)} {settings}")


FAR = [-1e308, -800.0, -745.2, -709.9, -40.0, -1e-9, 0.0, 1e-320, 3.0, 36.8, 709.9, 745.2, 1e5, 1e308]


@pytest.mark.parametrize("y", [0.0, 1e-300, 0.25, 1.0])
def test_binary_cross_entropy_is_exact_to_the_ends(y):
    for x in FAR:
        with mp.workdps(400), Quiet():
            share = 1 / (1 + mp.exp(-mp.mpf(x))) if abs(x) < 900 else mp.mpf(x > 0)
            rest = 1 / (1 + mp.exp(mp.mpf(x))) if abs(x) < 900 else mp.mpf(x < 0)
            right = float(3 * (1 - mp.mpf(y)) * share - mp.mpf(y) * rest / 2)
            given = np.array([x]), np.array([y]), 0.5, 3.0
            for found in (derivatives.binary_cross_entropy_x(np.ones(()), *given), cr.grad(loss)(*given[:2])):
                np.testing.assert_allclose(found, [right], rtol=1e-14, atol=1e-307)


def loss(x, y):
    return book["binary_cross_entropy"](x, y, at_one=0.5, at_zero=3.0)


@pytest.mark.parametrize("row", [[0.0, 1e308, -1e308], [-800.0, 0.0, 800.0], [-np.inf, 0.0, 1.0], [1e-320, 0, 0]])
def test_cross_entropy_is_exact_to_the_ends(row):
    for place in range(3):
        with mp.workdps(60), Quiet():
            below = [mp.mpf(a) - max(map(mp.mpf, row)) for a in row]
            grown = [mp.exp(a) if a > -(10**5) else mp.mpf(0) for a in below]
            right = [float(a / mp.fsum(grown) - (i == place)) for i, a in enumerate(grown)]
            given = np.array([row]), np.array([place])
            found = derivatives.cross_entropy_x(np.ones(()), *given)
            np.testing.assert_allclose(found, [right], rtol=1e-14, atol=1e-307)
            by_engine = cr.grad(lambda x, places=given[1]: cr.cross_entropy(x, target=places))(given[0])
            np.testing.assert_allclose(by_engine, [right], rtol=1e-14, atol=1e-307)


@pytest.mark.parametrize("middle", [0.0, 1e6, -1e12])
def test_normalisation_is_exact_far_from_zero(middle):
    x = middle + np.array([[3.0, -1.0, 0.5, 4.0]])
    w, g = np.array([1.0, -2.0, 0.5, 3.0]), np.array([[0.3, 1.0, -2.0, 0.7]])
    with mp.workdps(60):
        exact = [mp.mpf(float(a)) for a in x[0]]
        mean = mp.fsum(exact) / 4
        away = [a - mean for a in exact]
        spread = mp.sqrt(mp.fsum(a * a for a in away) / 4 + mp.mpf(1e-5))
        back = [mp.mpf(float(a)) * mp.mpf(float(b)) for a, b in zip(g[0], w, strict=True)]
        along = mp.fsum(a * b for a, b in zip(back, away, strict=True)) / (4 * spread**2)
        level = mp.fsum(back) / 4
        right = [float((a - level - b * along) / spread) for a, b in zip(back, away, strict=True)]
    for found in (
        book["layer_norm"].pull(0, g, None, (x, w, w), {"eps": 1e-5}),
        derivatives.layer_norm_x(g, x, w, w, 1e-5),
    ):
        np.testing.assert_allclose(found, [right], rtol=1e-13)


def test_special_numbers_stay_in_their_rows():
    x = np.array([[1.0, 2.0, 3.0], [np.nan, 0.0, 1.0], [np.inf, 0.0, 1.0], [2.0, 2.0, 2.0]])
    w, g = np.ones(3), normal(4, 3)
    with Quiet():
        found = derivatives.layer_norm_x(g, x, w, w, 0.1)
        by_loop = book["layer_norm"].pull(0, g, None, (x, w, w), {"eps": 0.1})
    assert np.isfinite(found[[0, 3]]).all()
    assert np.isnan(found[[1, 2]]).all()
    np.testing.assert_allclose(by_loop, found, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("dtype", "largest"), [(np.float32, 19), (np.float64, 154)])
def test_slopes_of_activations_are_numbers_as_far_as_a_square_is(dtype, largest):
    """No higher power of x overflows on the way: far out the slope is that of the asymptote."""
    far = 10.0 ** np.arange(3, largest, dtype=np.float64).astype(dtype)
    for name, near in {"gelu": 0.5, "gelu_tanh": 0.5, "silu": 0.5, "mish": 0.6, "log_sigmoid": 0.5}.items():
        slope = cr.grad(lambda x, rule=book[name]: cr.sum(rule(x)))
        rising, falling = (0.0, 1.0) if name == "log_sigmoid" else (1.0, 0.0)
        with Quiet():
            found = slope(far), slope(-far), slope((1e-12 / far).astype(dtype))
        for numbers, right in zip(found, (rising, falling, near), strict=True):
            np.testing.assert_allclose(numbers, right, rtol=1e-6, err_msg=name)


@pytest.fixture
def own_book(monkeypatch):
    monkeypatch.setattr("chainrule.core.operation.book", dict(book))


def test_a_rule_of_the_users_needs_no_adjoint(own_book):
    @cr.fused(r"{x} \sin {y}", of=lambda x, y, times: times * cr.sum(x * cr.sin(y)), reason="one node in place of four")
    def swung(x, y, *, times):
        """Each entry of x goes as far as the sine of y lets it."""
        return times * np.vdot(x, np.sin(y))

    x, y = normal(3), normal(1, 3)[0]
    for plain in (False, True):
        both = [cr.Tensor(x, requires_grad=True), cr.Tensor(y, requires_grad=True)]
        out = swung(*both, times=2.0)
        if plain:
            with cr.no_grad():
                out.backward()
        else:
            out.backward()
        np.testing.assert_allclose(both[0].grad.numpy(), 2 * np.sin(y), rtol=1e-14)
        np.testing.assert_allclose(both[1].grad.numpy(), 2 * x * np.cos(y), rtol=1e-14)
    np.testing.assert_allclose(cr.grad(cr.grad(lambda y: swung(1.0, y, times=1.0)))(0.5), -np.sin(0.5), rtol=1e-14)
    assert swung.reads(0, 2) == (False, (0, 1))


def test_an_adjoint_of_the_users_is_asked_for_its_input_alone(own_book):
    adjoints = SimpleNamespace(bent_x=lambda g, x, y: 5 * g * np.sin(y))

    @cr.fused(r"{x} \sin {y}", of=lambda x, y: x * cr.sin(y), adjoint=adjoints, reason="one node in place of two")
    def bent(x, y):
        """The sine of y, x times as far."""
        return x * np.sin(y)

    assert bent.reads(0, 2) == (False, (1,))
    assert bent.reads(1, 2) == (False, (0, 1))
    x, y = cr.grad(lambda x, y: cr.sum(bent(x, y)), argnums=(0, 1))(np.ones(2), np.ones(2))
    np.testing.assert_allclose(x, 5 * np.sin(1.0) * np.ones(2))
    np.testing.assert_allclose(y, np.cos(1.0) * np.ones(2))


def test_what_depends_on_an_example_is_refused(own_book):
    @cr.fused(
        r"{x}",
        of=lambda x, twice: cr.sum(x) * (2.0 if twice else 1.0),
        reason="",
        examples=({"twice": True}, {"twice": False}),
    )
    def either(x, *, twice):
        """Once or twice."""
        return np.sum(x) * (2.0 if twice else 1.0)

    with pytest.raises(ChainruleError, match="either: its derivative in x depends on the example"):
        writer.written_derivative(either, 0)

"""What a reader of written source sees: names as the program has them, and one line where a person writes one."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.codegen.identifiers import Names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["p['ln1.weight']", "p['ln1.bias']", "x"], ["weight", "bias", "x"]),
        (["p['up.weight']", "p['down.weight']", "p['down.bias']"], ["up_weight", "down_weight", "bias"]),
        (["p['0.weight']", "p['2.weight']"], ["p_0_weight", "p_2_weight"]),
        (["a['w']", "b['w']"], ["a_w", "b_w"]),
        (["layers[0].w", "layers[1].w", "layers[0].b"], ["layers_0_w", "layers_1_w", "b"]),
        (["x", "x"], ["x", "x_2"]),
        (["a[0]", "lambda", "np"], ["a_0", "lambda_2", "np_2"]),
    ],
)
def test_arguments_are_called_by_what_tells_them_apart(paths, names):
    found = Names(()).leaves(paths)
    assert found == names
    assert len(set(found)) == len(found)


def test_keys_of_any_letters_make_a_program():
    """Python reads some letters as others, and quotation marks and backslashes end or change a text."""
    keys = ["ﬁ", "fi", "ſ", "s", "½", "x²", "e\u0301", "\xe9", '"""', "\\N{", "a\\", "\0", "*/", "", "1", "None", "🙂"]

    def f(p: Any) -> Any:
        return sum(cr.sum(p[key]) * k for k, key in enumerate(keys))

    given = {key: np.full(2, 10.0**-k) for k, key in enumerate(keys)}
    step = cr.compile(cr.value_and_grad(f), target="numpy")
    value, slopes = step(given)
    assert value == pytest.approx(f(given), rel=1e-14)
    assert [slopes[key][0] for key in keys] == list(range(len(keys)))
    assert all([step.source(target) for target in ("numpy", "jax", "c", "javascript")])


def source_of(net: nn.Module, x: Any, y: Any) -> tuple[str, list[Any]]:
    """The source of a net's loss with its gradients, and how far that is from what runs."""
    parameters = {name: held.data for name, held in net.named_parameters()}

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        out = nn.functional_call(net, parameters, (x,))
        return cr.mean(out * y)

    step = cr.compile(cr.value_and_grad(loss))
    value, gradients = step(parameters, x, y)
    right, slopes = cr.value_and_grad(loss)(parameters, x, y)
    np.testing.assert_allclose(value, right, rtol=1e-12)
    for name, slope in slopes.items():
        np.testing.assert_allclose(gradients[name], slope, rtol=1e-11, atol=1e-14)
    module: dict[str, Any] = {}
    exec(step.source(), module)
    written = module["loss"](*parameters.values(), x, y)
    for one, other in zip(written[1:], slopes.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)
    return step.source(), list(inspect.signature(module["loss"]).parameters)


def test_the_slope_of_gelu_in_a_block_is_one_line():
    """Sequences are rows for the products, and arrays of three axes around them: shapes meet and cancel in between."""
    net = nn.Sequential(nn.Linear(3, 5, dtype=float, rng=0), nn.GELU(), nn.Linear(5, 2, dtype=float, rng=1))
    rng = np.random.default_rng(0)
    source, names = source_of(net, rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 2)))
    assert names == [*[f"parameters_{name}" for name in ("0_weight", "0_bias", "2_weight", "2_bias")], "x", "y"]
    slope = [line for line in source.splitlines() if "erfc(" in line and "np.exp" in line and "=" in line]
    assert len(slope) == 1
    assert "reshape" not in slope[0]


def test_long_lines_are_broken_and_no_product_is_taken_twice():
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, dtype=float, rng=0),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 2, dtype=float, rng=1),
    )
    rng = np.random.default_rng(0)
    source, _ = source_of(net, rng.normal(size=(2, 2, 6, 6)), rng.normal(size=(2, 2)))
    assert max(map(len, source.splitlines())) <= 120
    assert source.count("@ parameters_5_weight\n") + source.count("@ parameters_5_weight)") == 1
    many = cr.compile(lambda x: (x * 2, np.arange(40.0), [cr.sum(x * k) for k in range(30)]))
    many(np.ones(2))
    assert max(map(len, many.source().splitlines())) <= 120
    exec(many.source(), {})


def test_gradients_that_laws_made_anew_stand_in_the_backward_pass_by_their_names():
    def formula(a, g, t):
        u = a * g
        return (cr.sin(u) * u - t) ** 2 * (a + g)

    step = cr.compile(cr.value_and_grad(formula, argnums=(0, 1, 2)))
    step(1.5, -0.7, 2.0)
    head, backward = step.source().split("    # backward\n")
    assert "def formula(a, g, t):" in head
    assert all(f"    {name} = " in backward for name in ("da", "dg", "dt"))
    assert "cos(" not in head.split("# forward")[1]
    assert re.search(r"return \w+, da, dg, dt\n", backward)


def neuron(w, b, c, x):
    return cr.sigmoid(w * x + b + c)


def with_a_name(w, b, c, x):
    z = w * x + b + c
    return cr.sigmoid(z)


@pytest.mark.parametrize("target", ["numpy", "jax", "javascript", "c", "planned"])
@pytest.mark.parametrize(
    ("f", "lines"),
    [
        (neuron, [r"dc = \w", "db = dc"]),
        (with_a_name, ["dc = dz", "db = dz"]),
        (lambda c, b: cr.sum(c * b), ["dc = b", "db = c"]),
        (lambda c, b: c + b, [r"dc = (np\.float64\()?1", r"db = (np\.float64\()?1"]),
        (lambda c, b: b * b, [r"dc = 0|dc\[i\] = 0", r"db = 2(\.0)? \* b"]),  # nothing depends on c
    ],
)
def test_every_gradient_that_is_given_back_is_called_after_its_argument(f, lines, target):
    """Those that are equal to another one, to that of a result with a name, or to an argument, too."""
    arguments = [0.5, 0.25, 2.0, 1.5][: len(inspect.signature(f).parameters)]
    step = cr.compile(cr.value_and_grad(f, argnums=(2, 1) if len(arguments) == 4 else (0, 1)))
    step(*arguments)
    source = step.source(planned=True) if target == "planned" else step.source(target)
    backward = source.split("# backward" if "# backward" in source else "∂value/∂", 1)[1]
    for line in lines:
        assert re.search(rf"\b{line}", backward.replace("jnp", "np"))
    assert re.search(r'"value", "dc", "db"|value, dc, db|dc_out = dc;\n  \*db_out = db;', source)
    assert not re.search(r"\bt\d+_in\b", source)


def updated(w, count):
    slope = cr.grad(lambda w: cr.mean(cr.tanh(w) ** 2))(w)
    return count + 1, slope / cr.norm(slope), slope


def squared(w, b, x):
    e = w * x + b
    return e**2


def two_layers(w1, x, w2, y):
    h = cr.tanh(w1 * x)
    return (w2 * h - y) ** 2


@pytest.mark.parametrize(
    ("f", "arguments", "said", "never"),
    [
        (updated, (np.ones(3), 2.0), "# ∂L/∂w = ", "∂value|value ="),
        (cr.grad(cr.grad(lambda x: x**5)), (1.5,), "d2x = 20 * (x * x * x)  # d2x = 20x³", "∂"),
        (cr.grad(cr.grad(lambda x, y: x**2 * y), argnums=1), (1.5, 2.0), "ddx_dy = ", r"\bdy"),
        (cr.grad(cr.grad(squared, argnums=1), argnums=1), (1.5, 2.0, 3.0), "d2b = ", r"\bd[ez] ="),
        (cr.grad(lambda x: cr.grad(lambda x: x**3)(x) ** 2), (1.5,), "dx = 36 * (x**2 * x)", "d2x"),
        (lambda x: (x, cr.grad(cr.sin)(x)), (1.5,), "dx = np.cos(x)", r"g1|= x$"),
        (lambda a, i: cr.sum((a + 1)[i]), (np.ones(3), np.array([0, 2])), "∑ (a + 𝟏)[i]", ""),
        (lambda a, i: a[i, np.array([0])], (np.ones((3, 2)), np.array([0, 2])), "# out = a[i, 0]", ""),
        (lambda a: a @ cr.Tensor(np.zeros((2, 3))), (np.ones((3, 2)),), "def compiled(a):", ""),
        (
            cr.grad(two_layers, argnums=(0, 1, 2, 3)),
            (1.0, 2.0, 3.0, 4.0),
            "dw1 = g2 * x  # ∂L/∂w₁ = g₂ · x",
            r"dx = 2|dw2 = 2|dy = -2",
        ),
        (cr.value_and_grad(squared, argnums=(0, 1)), (1.5, 2.0, 3.0), "dw = de * x  # ∂value/∂w = ∂value/∂e · x", ""),
        (
            lambda p, q: {"p": {"w": p * 2, "b": q + 1}, "m": {"w": p + q}},
            (np.ones(3), np.ones(3)),
            "return new_p_w, new_b, new_m_w",
            "",
        ),
        (
            cr.value_and_grad(lambda a: 2 * cr.sum(a) + 3),
            (np.ones(3),),
            "da = np.full((3,), 2.0)  # ∂value/∂a = 2 𝟏",
            "",
        ),
        (
            cr.grad(lambda a, b: cr.sum(b * b), argnums=(0, 1)),
            (np.ones(300), np.ones(2)),
            "da = np.full((300,), 0.0)  # ∂L/∂a = 𝟎",
            "0.0, 0.0",
        ),
        (cr.hessian(lambda w: cr.mean(cr.tanh(w * w) ** 2)), (np.ones(3),), "np.stack", r"power\(|\*\* ?0"),
        (cr.value_and_grad(lambda x: cr.sum(x * x) * 0.25), (np.ones(4),), "value = (x * x).mean()", "0.25"),
        # What is subtracted in the forward, a mean, is subtracted in the backward.
        (
            cr.grad(lambda x: cr.sum((x - cr.mean(x, axis=0)) ** 2)),
            (np.arange(6.0).reshape(3, 2) ** 2,),
            "dx = g1 - g1.mean(axis=0).reshape(1, 2)  # ∂L/∂x = g₁ − 𝟏 mean(g₁, axis = 0)ᵀ  (3, 2)",
            r"sum|\(-",
        ),
        (cr.hessian(lambda x, a: x @ a @ x), (np.ones(3), np.arange(9.0).reshape(3, 3) ** 2), " @ a.T,", "reshape"),
    ],
)
def test_a_comment_names_what_was_differentiated_and_no_line_is_dead(f, arguments, said, never):
    step = cr.compile(f)
    right = cr.core.tree.flatten(step(*arguments))[0]
    source = step.source()
    assert said in source
    assert not never or not re.search(never, source)
    module: dict[str, Any] = {}
    exec(source, module)
    written = module[step.needs_version().name](*arguments)
    for one, other in zip(written if isinstance(written, tuple) else (written,), right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
        assert np.ndim(one) == 0 or one.flags.writeable


@pytest.mark.parametrize(
    ("slide", "pool"),
    [
        ({}, {"kernel_size": 2}),
        ({"padding": 1}, {"kernel_size": (2, 3), "stride": 1}),
        ({"stride": (2, 1), "padding": (1, 2)}, {"kernel_size": 2, "stride": (1, 2), "dilation": (2, 1)}),
        ({"dilation": (1, 2), "stride": 2}, {"kernel_size": 1}),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_images_are_seen_through_windows_as_a_person_writes_it(slide, pool, dtype):
    rng = np.random.default_rng(0)
    x = np.round(2 * rng.normal(size=(3, 2, 9, 8))).astype(dtype)  # of which windows have several largest
    x[0, 0, :5, :5] = -np.inf
    w = rng.normal(size=(4, 2, 3, 2)).astype(dtype)

    def loss(x: Any, w: Any) -> Any:
        shown = cr.where(x < -1e30, 0.5, x)
        return cr.sum(cr.max_pool2d(cr.conv2d(shown, w, **slide), **pool) ** 2) + cr.sum(cr.max_pool2d(x, **pool) > 0)

    f = cr.value_and_grad(loss, argnums=(0, 1))
    step = cr.compile(f)
    step(x, w)
    source = step.source()
    assert source.count("np.einsum") == 3
    assert len(source.splitlines()) < 80
    module: dict[str, Any] = {}
    exec(source, module)
    value, slopes = f(x, w)
    for found, right in zip(module["loss"](x, w), (value, *slopes), strict=True):
        np.testing.assert_allclose(
            found, right, rtol=1e-12 if dtype == np.float64 else 1e-4, atol=1e-12 if dtype == np.float64 else 1e-3
        )
        assert np.asarray(found).dtype == np.asarray(right).dtype


def test_weights_that_a_source_holds_have_the_names_of_its_comments():
    info = np.array([np.nan, np.inf, 2.0])  # a name that begins like a number
    net = nn.Sequential(nn.Linear(3, 2, rng=0), nn.ReLU(), nn.Linear(2, 3, rng=1))
    compiled = cr.compile(lambda x: net(x) * info)
    x = np.ones((1, 3), np.float32)
    right = compiled(x)
    module: dict[str, Any] = {}
    exec(compiled.source(numbers=True), module)
    np.testing.assert_array_equal(module["compiled"](x), right)
    for target, how in [("numpy", "{} = np.array("), ("javascript", "const {} = ["), ("c", "static const double {}[")]:
        source = compiled.source(target, numbers=True)
        for name in ("net_0_weight", "net_0_bias", "net_2_weight", "net_2_bias", "info"):
            assert how.format(name) in source
            assert name in source.replace(how.format(name), "")


def test_an_update_by_hand_comes_after_the_gradients_and_has_the_users_names():
    def step(p, m, t, x, y):
        slopes = cr.grad(lambda p: cr.mean((x @ p["w"] + p["b"] - y) ** 2))(p)
        t = t + 1
        m = {key: 0.9 * m[key] + 0.1 * slopes[key] for key in p}
        p = {key: p[key] - 0.1 * m[key] / (1 - 0.9**t) for key in p}
        return m, p, t

    p = {"w": np.ones(2), "b": np.array(0.5)}
    compiled = cr.compile(step)
    compiled(p, {key: 0 * x for key, x in p.items()}, 0.0, np.eye(2), np.ones(2))
    lines = [line.strip().split("  # ")[0] for line in compiled.source().splitlines()]
    at = [lines.index(line) for line in ("# forward", "# backward", "# update")]
    assert at == sorted(at)
    gradients, update = lines[at[1] + 1 : at[2] - 1], lines[at[2] + 1 :]
    assert [line.split(" = ")[0] for line in gradients] == ["g1", "dp_w"]
    assert update[0] == "new_m_w = 0.9 * m_w + 0.1 * dp_w"
    assert update[-1] == "return new_m_w, new_m_b, new_p_w, new_p_b, new_t"
    assert "new_t = t + 1" in lines
    assert "# new_t = t + 1" in compiled.source()


def test_numbers_and_signs_stand_as_a_person_writes_them():
    x = np.linspace(-1, 1, 3)
    compiled = cr.compile(cr.grad(lambda x: cr.mean(cr.where(x > 0, 0.0, x))))
    np.testing.assert_allclose(compiled(x), [1 / 3, 1 / 3, 0])
    assert "dx = np.where(~(x > 0), 0.3333333333333333, 0)" in compiled.source()
    compiled = cr.compile(lambda x, w: np.zeros(3) @ w + (x * w - 2 * cr.tanh(x)))
    compiled(x, np.eye(3))
    assert "np.zeros(" in compiled.source()
    assert "- 2 * np.tanh(x)" in compiled.source()
    compiled = cr.compile(lambda x: x * np.arange(3, dtype=np.int16))
    assert compiled(x.astype(np.float32)).dtype == np.float32
    assert "np.arange(3, dtype=np.int16)" in compiled.source()
    compiled = cr.compile(cr.value_and_grad(lambda w, x, b: cr.sum(cr.tanh(x @ w @ w + b[None])), argnums=(0, 2)))
    compiled(np.eye(3), np.ones((2, 4, 3)), np.ones((4, 3)))
    assert "t1 @ w + b" in compiled.source()
    assert "broadcast_to" not in compiled.source()
    assert "add_at" not in compiled.source()
    compiled = cr.compile(lambda x, v: cr.hvp(lambda x: cr.sum(cr.tanh(x) ** 2), (x,), (v,)))
    compiled(x, x)
    assert "- 4 * " in compiled.source()
    assert "+ -" not in compiled.source()


def test_gates_of_a_cell_have_one_gradient_end_to_end():
    def cell(z, c):
        i, f, o, g = cr.sigmoid(z[:, :2]), cr.sigmoid(z[:, 2:4]), cr.sigmoid(z[:, 4:6]), cr.tanh(z[:, 6:])
        return cr.sum(o * cr.tanh(f * c + i * g))

    compiled = cr.compile(cr.grad(cell))
    compiled(np.ones((3, 8)), np.ones((3, 2)))
    assert "dz = np.concatenate(" in compiled.source()
    assert "add_at" not in compiled.source()

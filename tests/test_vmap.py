"""`vmap`: axes of arguments and results, containers, nesting with every transform, networks, and what it refuses."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value, nn
from chainrule.core.operation import compositions
from chainrule.errors import GraphError, ShapeError

RNG = np.random.default_rng(3)
A, B = RNG.uniform(0.3, 2.0, (4, 3)), RNG.uniform(0.3, 2.0, (3, 4))
C, D = RNG.uniform(0.3, 2.0, (2, 4, 3)), RNG.uniform(0.3, 2.0, 3)


def product(np_, x, y):
    return np_.tanh(x) * y + np_.sum(x)


AXES = (
    (0, 0, (A, A)),
    ((0, None), 0, (A, D)),
    ((None, 0), 1, (D, A)),
    ((1, 0), 0, (B, A)),
    ((-1, -2), -1, (B, A)),
    ([0, 1], 0, (A, B)),
    ((1, None), -1, (C, C[:, 0])),
    ((None, 2), 2, (C[:, :, 0], C)),
)


@pytest.fixture(scope="module")
def jax():
    library = pytest.importorskip("jax", reason="jax judges here and is not installed")
    library.config.update("jax_enable_x64", True)
    return library


@pytest.mark.parametrize("case", range(len(AXES)))
def test_axes_are_jaxs(jax, case):
    in_axes, out_axes, args = AXES[case]
    mine, theirs = (lambda x, y, np_=np_: product(np_, x, y) for np_ in (cr, jax.numpy))
    axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes
    right = jax.jit(jax.vmap(theirs, axes, out_axes))(*args)
    found = cr.vmap(mine, in_axes, out_axes)(*args)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, right, rtol=1e-13)
    tensors = cr.vmap(mine, in_axes, out_axes)(*map(Tensor, args))
    assert type(tensors) is Tensor
    np.testing.assert_array_equal(tensors.data, found)
    total = lambda np_, run: lambda x, y: np_.sum(np_.sin(run(x, y)))  # noqa: E731
    gradients = cr.grad(total(cr, cr.vmap(mine, in_axes, out_axes)), (0, 1))(*args)
    expected = jax.jit(jax.grad(total(jax.numpy, jax.vmap(theirs, axes, out_axes)), (0, 1)))(*args)
    for share, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(share, other, rtol=1e-12, atol=1e-15)


def test_containers_have_axes_for_the_whole_or_for_their_parts(jax):
    tree = {"w": [A, B], "scale": 2.0}

    def f(p, x):
        return {"product": p["w"][0] * p["w"][1] * p["scale"], "deep": (x @ p["w"][0], [x])}

    for in_axes, out_axes, x in (
        (({"w": [0, 1], "scale": None}, None), {"product": 0, "deep": (0, None)}, D),
        (({"w": [0, 1], "scale": None}, 0), {"product": 1, "deep": 0}, A),
        (({"w": [0, 1], "scale": None}, 1), {"product": -1, "deep": (0, [1])}, B),
    ):
        found, right = (library.vmap(f, in_axes, out_axes)(tree, x) for library in (cr, jax))
        np.testing.assert_allclose(found["product"], right["product"], rtol=1e-14)
        np.testing.assert_allclose(found["deep"][0], right["deep"][0], rtol=1e-14)
        np.testing.assert_allclose(found["deep"][1][0], right["deep"][1][0], rtol=1e-14)


def test_arguments_by_keyword():
    f = lambda x, *, weight, power: cr.sum(x * weight) ** power  # noqa: E731
    right = [float(np.dot(x, w)) ** 2 for x, w in zip(A, A[::-1], strict=True)]
    np.testing.assert_allclose(cr.vmap(f)(A, weight=A[::-1], power=2), right, rtol=1e-14)


def test_results_that_do_not_depend_on_the_example():
    ones, same, number = cr.vmap(lambda x: (1.0, D, Tensor(D)))(A)
    assert ones.tolist() == [1.0] * 4
    np.testing.assert_array_equal(same, np.stack([D] * 4))
    np.testing.assert_array_equal(number.data, np.stack([D] * 4))
    assert cr.vmap(lambda x: (x, 7.0), out_axes=(0, None))(A)[1] == 7.0
    same[0, 0] = 5.0  # memory of its own
    assert same[1, 0] == D[0]


def test_no_examples_give_no_results():
    assert cr.vmap(lambda x: cr.softmax(x) * 2.0)(np.ones((0, 3))).shape == (0, 3)
    assert cr.vmap(lambda x: cr.conv2d(x, np.ones((2, 1, 2, 2))))(np.ones((0, 1, 1, 3, 3))).shape == (0, 1, 2, 2, 2)


ENTRIES = {
    "array_split": lambda x: tuple(cr.array_split(x, 2)),
    "avg_pool1d": lambda x: cr.avg_pool1d(x[None], 2),
    "avg_pool2d": lambda x: cr.avg_pool2d(x[None, None], 2, 1),
    "choose": lambda x: cr.choose(np.array([0, 1, 0]), [x[0], x[1]]),
    "chunk": lambda x: tuple(cr.chunk(x, 2)),
    "compress": lambda x: cr.compress([True, False, True], x, axis=0),
    "concatenate": lambda x: cr.concatenate([x, x[:1]], axis=0),
    "conv1d": lambda x: cr.conv1d(x[None], x[None, :, :2], padding="same"),
    "conv2d": lambda x: cr.conv2d(x[None, None], x[None, None, :2, :2], padding=((1, 0), 1)),
    "convolve": lambda x: cr.convolve(x[0], x[1]),
    "cross_entropy": lambda x: cr.cross_entropy(x, [0, 2, 1]),
    "cumulative_prod": lambda x: cr.cumulative_prod(x, axis=0),
    "cumulative_sum": lambda x: cr.cumulative_sum(x, axis=1, include_initial=True),
    "einsum": lambda x: cr.einsum("ij,jk,ii->k", x, x, x),
    "glu": lambda x: cr.glu(x[:, :2]),
    "index_add": lambda x: cr.index_add(x, 0, [0, 2, 0], x),
    "index_select": lambda x: cr.index_select(x, 1, [2, 0]),
    "interp": lambda x: cr.interp(x, np.array([0.5, 1.0, 1.5]), x[1]),
    "matrix_power": lambda x: cr.matrix_power(x, -3),
    "max_pool1d": lambda x: cr.max_pool1d(x[None], 2),
    "meshgrid": lambda x: tuple(cr.meshgrid(x[0], x[1])),
    "moveaxis": lambda x: cr.moveaxis(x, 0, 1),
    "pad": lambda x: cr.pad(x, (1, 0), constant_values=2.0),
    "percentile": lambda x: cr.percentile(x, 30),
    "permute": lambda x: cr.permute(x, 1, 0),
    "quantile": lambda x: cr.quantile(x, [0.2, 0.7], axis=0),
    "repeat": lambda x: cr.repeat(x, [1, 2, 0], axis=1),
    "scatter_add": lambda x: cr.scatter_add(x, 0, np.array([[0, 1, 1]]), x[:1]),
    "split": lambda x: tuple(cr.split(x, 3)),
    "stack": lambda x: cr.stack([x, 2 * x], axis=-1),
    "swapaxes": lambda x: cr.swapaxes(x, 0, 1),
    "take": lambda x: cr.take(x, [2, 0], axis=1),
    "tile": lambda x: cr.tile(x, 2),
    "topk": lambda x: cr.topk(x, 2).values,
}
"""Composed functions that need more than a matrix."""


def results(out):
    return out if isinstance(out, tuple) else (out,)


OF_ALL = {"allclose", "argwhere", "array_equal", "flatnonzero", "nonzero", "unique"}
"""Functions whose result, or its shape, depends on all of the numbers."""


@pytest.mark.parametrize("name", sorted(OF_ALL))
def test_what_depends_on_all_numbers_is_refused(name):
    function = getattr(cr, name)
    with pytest.raises(GraphError, match="inside vmap there is no single number or array"):
        cr.vmap(lambda x: function(x, x) if name in ("allclose", "array_equal") else function(x))(A)


@pytest.mark.parametrize("name", sorted({*compositions} - OF_ALL - {"eye"}))
def test_every_composed_function_is_mapped_as_a_loop_would(name):
    function = ENTRIES.get(name, compositions[name])
    needed = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    ]
    f = lambda x: function(*[x] * len(needed))  # noqa: E731
    examples = np.random.default_rng(5).uniform(0.3, 2.0, (4, 3, 3))
    examples[2, 0, 0] = examples[2, 0, 1]  # a draw between entries
    try:
        loop = [results(f(x)) for x in examples]
    except (TypeError, ValueError) as error:
        pytest.fail(f"say in ENTRIES how {name} is called: {error}")
    found = results(cr.vmap(f)(examples))
    for k, part in enumerate(found):
        np.testing.assert_allclose(part, np.stack([np.asarray(one[k]) for one in loop]), rtol=1e-13)
    if not any(np.asarray(part).dtype.kind == "f" for part in loop[0]):
        return
    total = lambda out: sum((cr.sum(part * part) for part in results(out)), 0.0)  # noqa: E731
    right = np.stack([cr.grad(lambda x: total(f(x)))(x) for x in examples])
    around = cr.grad(lambda examples: total(cr.vmap(f)(examples)))(examples)
    np.testing.assert_allclose(around, right, rtol=1e-11, atol=1e-13)
    inside = cr.vmap(cr.grad(lambda x: total(f(x))))(examples)
    np.testing.assert_allclose(inside, right, rtol=1e-11, atol=1e-13)


def energy(x):
    return cr.sum(cr.exp(0.3 * x) * x[::-1]) + cr.prod(x)


TRANSFORMS = {
    "grad": cr.grad(energy),
    "value_and_grad": cr.value_and_grad(energy),
    "jacobian": cr.jacobian(lambda x: cr.sin(x) * cr.sum(x)),
    "jacfwd": cr.jacfwd(lambda x: cr.stack([energy(x), x[0]])),
    "jacrev": cr.jacrev(lambda x: cr.stack([energy(x), x[0]])),
    "hessian": cr.hessian(energy),
    "hvp": lambda x: cr.hvp(energy, (x,), (2.0 * x,)),
    "jvp": lambda x: cr.jvp(energy, (x,), (x * x,)),
    "vjp": lambda x: cr.vjp(cr.tanh, x)[1](x * x),
    "linearize": lambda x: cr.linearize(energy, x)[1](x),
    "grad of grad": cr.grad(lambda x: cr.sum(cr.grad(energy)(x) ** 2)),
    "aux": cr.grad(lambda x: (energy(x), {"twice": 2 * x}), has_aux=True),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("make", [np.asarray, Tensor, lambda x: Tensor(x, requires_grad=True)])
def test_transforms_inside_a_map(name, make):
    f = TRANSFORMS[name]
    found, structure = cr.core.tree.flatten(cr.vmap(f)(make(A)))
    for k, part in enumerate(found):
        right = [np.asarray(cr.core.tree.flatten(f(x))[0][k]) for x in A]
        assert type(part) is type(make(A))
        np.testing.assert_allclose(np.asarray(part.data if isinstance(part, Tensor) else part), right, rtol=1e-12)
    assert structure == cr.core.tree.flatten(f(A[0]))[1]


@pytest.mark.parametrize("name", ["grad", "hessian", "jacobian", "hvp"])
def test_maps_inside_transforms_and_both_ways(name):
    f = TRANSFORMS[name]
    whole = lambda x: cr.sum(cr.sin(cr.vmap(f)(x)))  # noqa: E731
    loop = lambda x: sum(cr.sum(cr.sin(f(x[i]))) for i in range(4))  # noqa: E731
    np.testing.assert_allclose(cr.grad(whole)(A), cr.grad(loop)(A), rtol=1e-11)
    t = np.ones_like(A)
    np.testing.assert_allclose(cr.jvp(whole, (A,), (t,))[1], cr.jvp(loop, (A,), (t,))[1], rtol=1e-11)


def test_rows_of_a_jacobian_by_a_map_over_cotangents():
    f = lambda x: cr.sin(x) * cr.sum(x)  # noqa: E731
    right = cr.jacobian(f)(D)
    _, back = cr.vjp(f, D)
    np.testing.assert_allclose(cr.vmap(back)(np.eye(3))[0], right, rtol=1e-14)
    _, along = cr.linearize(f, D)
    np.testing.assert_allclose(cr.vmap(along, out_axes=1)(np.eye(3)), right, rtol=1e-14)
    np.testing.assert_allclose(cr.vmap(cr.vmap(back))(np.eye(3)[None])[0][0], right, rtol=1e-14)


def test_maps_inside_maps_over_different_axes(jax):
    f = lambda np_: lambda x, y: np_.sum(np_.tanh(x) * y)  # noqa: E731
    pairs = lambda library, np_: library.vmap(library.vmap(f(np_), (None, 0)), (0, None))  # noqa: E731
    np.testing.assert_allclose(pairs(cr, cr)(A, C[0]), pairs(jax, jax.numpy)(A, C[0]), rtol=1e-14)
    slopes = lambda library, np_: library.vmap(library.vmap(library.grad(f(np_), (0, 1)), (None, 0)), (0, None))  # noqa: E731
    for found, right in zip(slopes(cr, cr)(A, C[0]), slopes(jax, jax.numpy)(A, C[0]), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-13)


def test_what_is_captured_gets_the_gradient_of_all_examples():
    weight = Tensor(D, requires_grad=True)
    cr.vmap(lambda x: cr.sum(weight * x) ** 2)(A).sum().backward()
    right = sum(2 * (x @ D) * x for x in A)
    np.testing.assert_allclose(weight.grad.data, right, rtol=1e-13)
    # Through a gradient inside the map as well, whichever kind of node comes first.
    for f in (lambda w, x: w * x, lambda w, x: x * w):
        inside = cr.vmap(cr.grad(lambda x, w=weight, f=f: cr.sum(f(w, x) ** 3)))(A)
        weight.grad = None
        inside.sum().backward()
        np.testing.assert_allclose(weight.grad.data, (9 * D**2 * A**2).sum(0), rtol=1e-12)


def test_gradients_of_a_network_for_each_example():
    x, y = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))
    parameters = {"w": RNG.normal(size=(3, 4)), "b": np.zeros(4), "v": RNG.normal(size=(4, 2))}

    def loss(p, x, y):
        return cr.mean((cr.relu(x @ p["w"] + p["b"]) @ p["v"] - y) ** 2)

    found = cr.vmap(cr.grad(loss), (None, 0, 0))(parameters, x, y)
    for i in range(5):
        for name, right in cr.grad(loss)(parameters, x[i], y[i]).items():
            np.testing.assert_allclose(found[name][i], right, rtol=1e-12, atol=1e-15)


def networks():
    yield "dense", nn.Sequential(nn.Linear(6, 4, rng=0), nn.GELU(), nn.LayerNorm(4), nn.Linear(4, 2, rng=1)), (3, 6)
    yield "attention", nn.MultiheadAttention(6, 2, rng=0), (2, 4, 6)
    yield (
        "images",
        nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2, rng=1)),
        (2, 1, 6, 6),
    )
    yield "symbols", nn.Sequential(nn.Embedding(5, 3, rng=0), nn.Softmax()), (4,)
    yield "statistics", nn.BatchNorm1d(6).eval(), (3, 6)


@pytest.mark.parametrize(("net", "shape"), [case[1:] for case in networks()], ids=[case[0] for case in networks()])
def test_modules_are_mapped(net, shape):
    x = np.random.default_rng(0).integers(0, 5, (4, *shape))
    x = x if "Embedding" in repr(net) else x.astype(np.float32)
    found = cr.vmap(net)(x)
    np.testing.assert_allclose(found.data, np.stack([net(Tensor(one)).data for one in x]), rtol=1e-5, atol=1e-6)
    found.sum().backward()
    shares = [p.grad.data for p in net.parameters()]
    net.zero_grad()
    sum(net(Tensor(one)).sum() for one in x).backward()
    for share, parameter in zip(shares, net.parameters(), strict=True):
        np.testing.assert_allclose(
            share, parameter.grad.data, rtol=1e-4, atol=1e-4
        )  # sums in float32, in another order


def test_losses_with_a_class_for_each_example():
    logits, classes = RNG.normal(size=(4, 2, 3)), RNG.integers(0, 3, (4, 2))
    for loss in (nn.CrossEntropyLoss(), lambda x, y: cr.cross_entropy(x, target=y)):
        found = cr.vmap(cr.value_and_grad(loss))(logits, classes)
        for i in range(4):
            value, slope = cr.value_and_grad(loss)(logits[i], classes[i])
            np.testing.assert_allclose(found[0][i], value, rtol=1e-13)
            np.testing.assert_allclose(found[1][i], slope, rtol=1e-12, atol=1e-15)


def test_places_that_differ_from_example_to_example():
    table, places = Tensor(D, requires_grad=True), np.array([2, 0, 1, 2])
    picked = cr.vmap(lambda i: table[i] ** 2)(places)
    np.testing.assert_allclose(picked.data, D[places] ** 2)
    picked.sum().backward()
    np.testing.assert_allclose(table.grad.data, 2 * D * np.bincount(places))
    np.testing.assert_allclose(cr.vmap(lambda x, i: x[i])(A, places), A[np.arange(4), places])
    np.testing.assert_allclose(cr.vmap(lambda x, i: x[0, i])(C.transpose(1, 0, 2), places), C[0, np.arange(4), places])
    np.testing.assert_allclose(cr.vmap(lambda i: cr.index(D, key=i))(places), D[places])
    x = RNG.normal(size=(4, 2, 3, 5))
    for key in (np.s_[0, :, [1, 2]], np.s_[:, [1, 2], [0, 4]], np.s_[..., None, 0], np.s_[[1, 0]], np.s_[-1, ..., 1:]):
        np.testing.assert_array_equal(cr.vmap(lambda x, key=key: x[key])(x), np.stack([one[key] for one in x]))


def test_numpys_functions_inside_a_map():
    f = lambda x: np.sum(np.tanh(x)) + np.max(x) + np.where(x > 1.0, x, 0.0).sum()  # noqa: E731
    np.testing.assert_allclose(cr.vmap(f)(A), [f(x) for x in A], rtol=1e-14)
    np.testing.assert_array_equal(cr.vmap(np.argsort)(A), np.argsort(A, axis=1))
    slopes = cr.vmap(cr.grad(lambda x: np.sum(np.clip(x, a_min=1.0, a_max=None) ** 2, keepdims=False)))(A)
    np.testing.assert_allclose(slopes, np.where(A >= 1.0, 2 * A, 0.0))
    assert (D * cr.vmap(lambda x: D * x)(A)).shape == (4, 3)
    np.testing.assert_array_equal(cr.vmap(lambda x: D + x)(A), D + A)


def test_a_function_with_a_rule_of_the_users():
    @cr.custom_vjp
    def cubed(x):
        return x * x * x

    cubed.defvjp(lambda x: (x * x * x, x), lambda kept, g: (10.0 * g * kept,))
    np.testing.assert_allclose(cr.vmap(cubed)(A), A**3, rtol=1e-15)
    np.testing.assert_allclose(cr.vmap(cr.grad(lambda x: cr.sum(cubed(x))))(A), 10 * A, rtol=1e-15)
    np.testing.assert_allclose(cr.grad(lambda x: cr.sum(cr.vmap(cubed)(x)))(A), 10 * A, rtol=1e-15)


def test_a_stopped_gradient_inside_a_map():
    slopes = cr.vmap(cr.grad(lambda x: cr.sum(x * cr.stop_gradient(x))))(A)
    np.testing.assert_array_equal(slopes, A)
    np.testing.assert_array_equal(cr.grad(lambda a: cr.sum(cr.vmap(lambda x: x * cr.stop_gradient(x))(a)))(A), A)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(dtype):
    x = A.astype(dtype)
    for f in (cr.softmax, cr.grad(energy), lambda x: 2.0 * x, cr.vmap(lambda x: x / 3)):
        assert cr.vmap(f)(x).dtype == dtype


BRANCHES = {
    "if": lambda x: x if x[0] > 1 else -x,
    "and": lambda x: (x[0] > 1) and x,
    "float": lambda x: float(x[0]) * x,
    "int": lambda x: x[int(x[0])],
    "range": lambda x: sum(range(x[0])),
    "item": lambda x: x[0].item() * x,
    "asarray": lambda x: np.asarray(x) * x,
    "array": lambda x: np.array([x[0], x[1]]),
    "tolist": lambda x: x.tolist(),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_one_number_for_all_examples_does_not_exist(name):
    way = r"cr\.where\(condition, x, y\)" if name in ("if", "and") else "one for each example.*functions of chainrule"
    with pytest.raises(GraphError, match=way):
        cr.vmap(BRANCHES[name])(A)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cr.vmap(lambda x, y: x + y)(A, B), r"axes of one length.*4 in \(4, 3\) along axis 0, 3 in \(3, 4\)"),
        (lambda: cr.vmap(lambda x: x)(2.0), "maps over the axes of arrays and Tensors, and argument leaf 0 is a float"),
        (lambda: cr.vmap(lambda x: x)(np.array(2.0)), r"of shape \(\) has no axis 0: give in_axes=None"),
        (lambda: cr.vmap(lambda x: x)([Value(2.0)]), r"has no axis 0: give in_axes=None"),
        (lambda: cr.vmap(lambda x: x, None)(A), "nothing to map over"),
        (lambda: cr.vmap(lambda: 1.0)(), "nothing to map over"),
        (lambda: cr.vmap(lambda x: x, 2)(A), r"of shape \(4, 3\) has no axis 2"),
        (lambda: cr.vmap(lambda x: x, (0, 0))(A), "is for 2 arguments, and 1 were given"),
        (lambda: cr.vmap(lambda x: x[0], ([0, 1, 2],))([A, B]), r"in_axes has \[0, 1, 2\] for a list"),
        (lambda: cr.vmap(lambda x: x["a"], ({"b": 0},))({"a": A}), "in_axes has {'b': 0} for a dict"),
        (lambda: cr.vmap(lambda x: x, "0")(A), "in_axes has '0'"),
        (lambda: cr.vmap(lambda x: x, out_axes=None)(A), "out_axes is None for a result that differs"),
        (lambda: cr.vmap(lambda x: x, out_axes=2)(A), r"out_axes=2 asks for an axis .*\(4, 3\)"),
        (lambda: cr.vmap(lambda x: (x, x), out_axes=(0,))(A), r"out_axes has \(0,\) for a tuple"),
    ],
)
def test_axes_that_do_not_fit_are_named(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def test_what_leaves_a_map_by_the_back_door_is_refused():
    kept = []
    cr.vmap(lambda x: kept.append(x) or x)(A)
    with pytest.raises(GraphError, match="kept and used outside"):
        kept[0] + 1.0
    with pytest.raises(GraphError, match="gives numbers, arrays or Tensors, not str"):
        cr.vmap(lambda x: "text")(A)


def test_a_function_that_fails_leaves_no_map_running():
    with pytest.raises(ZeroDivisionError):
        cr.vmap(lambda x: x / (1 // 0))(A)
    assert cr.grad(lambda x: x * x)(3.0) == 6.0
    assert type(cr.grad(energy)(D)) is np.ndarray


def test_nothing_warns_inside_a_map():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = cr.vmap(lambda x: (cr.log(-x), x / 0.0))(A)
    assert np.isnan(out[0]).all()
    assert np.isinf(out[1]).all()


KEYS_OF_EACH = (
    (lambda x, i: x[i], ((5, 4), (5,))),
    (lambda x, i: x[i], ((5, 4, 2), (5, 3))),
    (lambda x, i: x[i, 1], ((5, 4, 2), (5, 3))),
    (lambda x, i: x[np.arange(4), i], ((5, 4, 2), (5, 4))),
    (lambda x, i: x[i, np.array([[0], [1]])], ((5, 2, 2), (5, 4))),
    (lambda x, i: x[:, i], ((5, 3, 2), (5, 4))),
    (lambda x, i: x[i, ..., None], ((5, 4, 2), (5,))),
)


@pytest.mark.parametrize(("pick", "shapes"), KEYS_OF_EACH)
def test_every_example_picks_by_its_own_places(pick, shapes):
    x = RNG.uniform(size=shapes[0])
    places = RNG.integers(-2, 2, size=shapes[1])
    one = [pick(row, key) for row, key in zip(x, places, strict=True)]
    np.testing.assert_array_equal(cr.vmap(pick)(x, places), one)
    slope = cr.vmap(cr.grad(lambda x, i: cr.sum(cr.sin(pick(x, i)))))(x, places)
    alone = [cr.grad(lambda x, key=key: cr.sum(cr.sin(pick(x, key))))(row) for row, key in zip(x, places, strict=True)]
    np.testing.assert_allclose(slope, alone, rtol=1e-15)


def test_every_example_picks_its_own_of_an_array_that_all_share():
    x, places = RNG.uniform(size=(4, 2)), RNG.integers(0, 4, size=(5, 3))
    np.testing.assert_array_equal(cr.vmap(lambda x, i: cr.index(x, key=i), (None, 0))(x, places), x[places])


def test_places_of_each_example_under_two_maps():
    x, places = RNG.uniform(size=(3, 5, 4)), RNG.integers(0, 4, size=(3, 5, 2))
    found = cr.vmap(cr.vmap(lambda row, i: row[i]))(x, places)
    np.testing.assert_array_equal(found, np.take_along_axis(x, places, -1))


def test_many_networks_with_classes_of_their_own_run_as_one():
    nets = [nn.Sequential(nn.Linear(3, 4, rng=i, dtype=np.float64), nn.Tanh()) for i in range(6)]
    stacked = {
        name: np.stack([dict(net.named_parameters())[name].data for net in nets])
        for name, _ in nets[0].named_parameters()
    }
    x, y = RNG.normal(size=(6, 5, 3)), RNG.integers(0, 4, size=(6, 5))
    loss = nn.CrossEntropyLoss()

    def of_one(parameters, x, y):
        return loss(nn.functional_call(nets[0], parameters, x), y)

    step = cr.vmap(cr.value_and_grad(of_one))
    for run in (step, cr.compile(step)):
        losses, gradients = run(stacked, x, y)
        for i, net in enumerate(nets):
            net.zero_grad()
            alone = loss(net(x[i]), y[i])
            alone.backward()
            np.testing.assert_allclose(losses[i], alone.item(), rtol=1e-14)
            for name, parameter in net.named_parameters():
                np.testing.assert_allclose(gradients[name][i], parameter.grad.data, rtol=1e-13, atol=1e-15)

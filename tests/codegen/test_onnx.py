"""ONNX graphs of compiled programs, run by onnx's own reference evaluator, beside what the engine gives."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from oracles import close  # pyright: ignore[reportMissingImports]  (conftest)

import chainrule as cr
from chainrule.core.operation import Pointwise, book

onnx = pytest.importorskip("onnx")
reference: Any = pytest.importorskip("onnx.reference")

ROUNDED = 3e-8
"""onnx's reference evaluator has the error function to about this."""


def check(f: Any, *args: Any, tolerance: float = 1e-12, folder: Any) -> Any:
    """Write a program, run it by the reference evaluator, compare; the model is given back."""
    compiled = cr.compile(f)
    right = cr.core.tree.flatten(compiled(*args))[0]
    compiled.write(folder / "f.onnx")
    model = onnx.load(str(folder / "f.onnx"))
    given = {one.name: x for one, x in zip(model.graph.input, args, strict=True)}
    found = reference.ReferenceEvaluator(model).run(None, given)
    assert len(found) == len(right)
    for x, y in zip(found, right, strict=True):
        y = np.asarray(getattr(y, "data", y))
        assert (np.asarray(x).shape, np.asarray(x).dtype) == (y.shape, y.dtype)
        finite = np.isfinite(y)
        np.testing.assert_array_equal(np.where(finite, 0, x), np.where(finite, 0, y))
        close(np.where(finite, x, 0.0), np.where(finite, y, 0.0).astype(float), tolerance, "ONNX")
    return model


def images(dtype: Any = float, shape: Any = (2, 4, 7, 6)) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "slide", [{}, {"stride": (2, 1), "padding": (1, 4), "dilation": (1, 2), "groups": 2}, {"padding": 3, "groups": 4}]
)
def test_a_convolution_and_its_gradients(slide, dtype, tmp_path):
    w = images(dtype, (8, 4 // slide.get("groups", 1), 3, 2))
    f = cr.value_and_grad(lambda x, w: (cr.conv2d(x, w, **slide) ** 2).sum(), argnums=(0, 1))
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    model = check(f, images(dtype), w, tolerance=tolerance, folder=tmp_path)
    assert "Conv" in [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    "slide",
    [
        {"kernel_size": 2, "stride": 1},
        {"kernel_size": (2, 3), "stride": (1, 2), "padding": (0, 1)},
        {"kernel_size": 2, "stride": 1, "dilation": 2},
        {"kernel_size": (2, 1), "stride": 1, "padding": (1, 0), "dilation": (7, 1)},
    ],
)
def test_a_pool_and_its_derivatives(slide, tmp_path):
    x = np.round(2 * images())
    model = check(lambda x: cr.max_pool2d(x, **slide), x, folder=tmp_path)
    assert "MaxPool" in [node.op_type for node in model.graph.node]
    check(cr.grad(lambda x: cr.exp(cr.max_pool2d(x, **slide)).sum()), x, folder=tmp_path)
    twice = cr.grad(lambda x: cr.grad(lambda x: cr.exp(cr.max_pool2d(x, **slide)).sum())(x).sum())
    check(twice, x, folder=tmp_path)
    around = {k: v for k, v in slide.items() if k != "dilation"}
    check(cr.value_and_grad(lambda x: (cr.avg_pool2d(x, **around) ** 2).sum()), x, folder=tmp_path)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x[:, 1:3, ::2].T, cr.pad(x, ((0, 0), (1, 0), (0, 0), (2, 2)))),
        cr.grad(lambda x: (x[:, [1, 1, 0]] ** 3).sum()),
        cr.value_and_grad(lambda x: cr.stack([x, x * 2], axis=1).mean(axis=2).max()),
        cr.value_and_grad(lambda x: (cr.leaky_relu(x) * cr.elu(x) * cr.clip(x, -0.5, 0.5)).sum()),
        lambda x: (cr.where(x > 0, x, 2.0), (x > 0) & (x < 1), x * (x > 0.5)),
    ],
    ids=["moves", "added up", "stacked", "kinks", "truth"],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_moves_sums_and_truth_values(f, dtype, tmp_path):
    check(f, images(dtype), tolerance=1e-12 if dtype == np.float64 else 1e-5, folder=tmp_path)


def settings_of(operation: Any) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(operation).parameters.values() if p.kind is p.KEYWORD_ONLY]


def numbers_of(operation: Any) -> int:
    return len(inspect.signature(operation).parameters) - len(settings_of(operation))


ALONE = [
    name
    for name, operation in sorted(book.items())
    if isinstance(operation, Pointwise)
    and all([p.default is not p.empty for p in settings_of(operation)])
    and not any([p.kind is p.VAR_POSITIONAL for p in inspect.signature(operation).parameters.values()])
]


@pytest.mark.parametrize("name", [name for name in ALONE if name != "clip"])
def test_every_pointwise_operation(name, tmp_path):
    operation: Any = book[name]
    x = np.array([[-3.0, -1.0, -0.7, -1e-9, 0.0, 1e-9, 0.3, 0.8, 1.0, 2.5, 30.0]])
    x = 1 + abs(x) if name == "acosh" else x
    with np.errstate(all="ignore"):
        check(operation, *[np.roll(x, i) for i in range(numbers_of(operation))], tolerance=ROUNDED, folder=tmp_path)


SPECIAL = [-np.inf, -1e300, -2.5, -1.0, -1e-300, -0.0, 0.0, 1e-300, 0.5, 1.0, 3.0, 1e300, np.inf, np.nan]


@pytest.mark.parametrize("name", ["atan2", "cbrt", "fmod", "hypot", "remainder", "round", "signbit", "sinc"])
def test_what_is_made_of_others_holds_for_special_numbers(name, tmp_path):
    operation: Any = book[name]
    grid = np.meshgrid(*[np.array(SPECIAL)] * numbers_of(operation))
    with np.errstate(all="ignore"):
        check(operation, *[part.reshape(1, -1) for part in grid], tolerance=ROUNDED, folder=tmp_path)


@pytest.mark.parametrize("decimals", [-1, 0, 2])
def test_rounding_to_decimals(decimals, tmp_path):
    check(lambda x: cr.round(x, decimals=decimals), np.array([[-15.0, -2.5, 0.125, 0.5, 1.235, 25.0]]), folder=tmp_path)


def among(x: Any, i: Any) -> Any:
    return (x[:, i] ** 2).sum() + cr.tanh(x[i]).sum() + x[i, 1:, i].sum() + cr.cross_entropy(x[0], target=i[:3]).sum()


@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_places_that_are_data(kind, tmp_path):
    """Entries are picked by nodes that check the places, and gradients are added up there."""
    check(cr.value_and_grad(among), images(shape=(3, 3, 3)), np.array([0, 2, 1, 0], kind), folder=tmp_path)


def test_arguments_and_numbers_are_given_back(tmp_path):
    check(lambda x, n: (x, n, x * 2, x, 3.0, np.eye(2)), np.ones((2, 3)), np.array([1, 2]), folder=tmp_path)
    model = check(
        cr.grad(lambda a, b, c: a.sum(), argnums=(0, 1, 2)), *[np.ones(2)] * 2, np.array(1.5), folder=tmp_path
    )
    assert [one.name for one in model.graph.output] == ["da", "db", "dc"]


def test_whole_numbers_stay_whole(tmp_path):
    n, x = np.array([7, -7, 5]), np.array([1.7, -2.5, np.nan])
    check(lambda n: (n // 2, n % 2, cr.floor(n / 2), cr.argmax(n), n > 0), n, folder=tmp_path)
    check(lambda x: (cr.astype(x, dtype=bool), cr.astype(x[:2], dtype=int), x[:2] % 1), x, folder=tmp_path)


def conv_net(dtype: Any) -> Any:
    nn = cr.nn
    return nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, groups=2, dtype=dtype, rng=0),
        nn.BatchNorm2d(4, dtype=dtype),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 2, dtype=dtype, rng=1),
        nn.Mish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(3, 2, dtype=dtype, rng=2),
    ).eval()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_network_of_convolutions(dtype, tmp_path):
    net = conv_net(dtype)
    check(lambda x: net(x), images(dtype), tolerance=1e-6, folder=tmp_path)
    check(cr.value_and_grad(lambda x: (net(x) ** 2).sum()), images(dtype), tolerance=1e-5, folder=tmp_path)


def test_a_transformer_block(tmp_path):
    net = cr.nn.TransformerBlock(8, 2, dtype=float, rng=0).eval()
    check(lambda x: net(x), np.random.default_rng(0).normal(size=(2, 5, 8)), tolerance=1e-6, folder=tmp_path)


def test_results_that_are_equal_have_names_of_their_own(tmp_path):
    """A name stands for one result in whatever runs ONNX, and gradients are called after their arguments."""
    model = check(
        cr.value_and_grad(lambda a, b: cr.sum(a + b), argnums=(1, 0)), np.ones(2), np.ones(2), folder=tmp_path
    )
    assert [one.name for one in model.graph.output] == ["value", "db", "da"]
    model = check(lambda x: (x * 2, x + x), np.ones(2), folder=tmp_path)
    assert len({one.name for one in model.graph.output}) == 2


def test_a_training_step_trains_on_its_own(tmp_path):
    """What a step gives as new state it takes in the next, by the same names."""
    nn, rng = cr.nn, np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(3, 4, dtype=float, rng=0), nn.ReLU(), nn.Linear(4, 2, dtype=float, rng=1))
    step = cr.compile(net, loss=nn.CrossEntropyLoss(), optimizer=cr.optim.Adam(net.parameters(), lr=0.1))
    batch = {"x": rng.normal(size=(5, 3)), "y": np.array([0, 1, 1, 0, 1])}
    step(*batch.values())
    assert step.write(tmp_path / "step.onnx") == [tmp_path / "step.onnx"]
    assert {path.name for path in step.write(tmp_path / "step.c")} == {"step.c", "step.h"}
    model = onnx.load(str(tmp_path / "step.onnx"))
    state = {one.name: x for one, x in zip(model.graph.input, step.needs_program().state.arrays(), strict=False)}
    state = {name: np.array(x) for name, x in state.items()}
    settings = {"lr": 0.1, "betas_1": 0.9, "betas_2": 0.999, "eps": 1e-8}
    runs = reference.ReferenceEvaluator(model)
    for _ in range(3):
        given = {**state, **{name: np.array(x) for name, x in settings.items()}, **batch}
        found = dict(zip(runs.output_names, runs.run(None, given), strict=True))
        state = {name: found[f"new_{name}"] for name in state}
        assert found["loss"] == pytest.approx(step(*batch.values()), rel=1e-12)
    np.testing.assert_allclose(state["net_0_weight"], net[0].weight.data, rtol=1e-12)


def test_where_onnx_is_asked_for_as_text_the_way_to_a_file_is_named():
    compiled = cr.compile(lambda x: x * 2)
    compiled(np.ones(2))
    with pytest.raises(cr.errors.DtypeError, match=r"ONNX is no text: .* as write\('step.onnx'\) does"):
        compiled.source("onnx")
    with pytest.raises(cr.errors.FileError, match="'rust' is no target: name one of numpy, jax, javascript, c, onnx"):
        compiled.write("f.py", target="rust")
    with pytest.raises(cr.errors.FileError, match=r"f.h is where the header goes: name the source, as f.c"):
        compiled.write("f.h", target="c")

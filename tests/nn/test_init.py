"""Initialisers: the distributions of the papers, seeded, in place, in the parameter's own dtype."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.nn import init

MATRIX, WINDOW = (300, 200), (40, 30, 5, 5)

# Uniform within ±bound: Glorot and Bengio 2010, eq. 16; He and others 2015, eq. 14 as a variance, three times which is
# the square of the bound. The fans of (out, in, height, width) are in × window and out × window (He, section 2.2).
BOUNDS = [
    (init.xavier_uniform_, {}, MATRIX, math.sqrt(6 / 500)),
    (init.xavier_uniform_, {"gain": 5 / 3}, MATRIX, 5 / 3 * math.sqrt(6 / 500)),
    (init.xavier_uniform_, {}, WINDOW, math.sqrt(6 / (70 * 25))),
    (init.kaiming_uniform_, {"nonlinearity": "relu"}, MATRIX, math.sqrt(6 / 200)),
    (init.kaiming_uniform_, {"mode": "fan_out", "a": 0.5}, MATRIX, math.sqrt(6 / (1.25 * 300))),
    (init.kaiming_uniform_, {"nonlinearity": "linear"}, WINDOW, math.sqrt(3 / 750)),
    (init.uniform_, {"a": -0.25, "b": 0.25}, MATRIX, 0.25),
]
# Normal with a deviation: Glorot and Bengio 2010, eq. 12; He and others 2015, eq. 10 and 14.
DEVIATIONS = [
    (init.xavier_normal_, {}, MATRIX, math.sqrt(2 / 500)),
    (init.xavier_normal_, {"gain": 2.0}, WINDOW, 2 * math.sqrt(2 / (70 * 25))),
    (init.kaiming_normal_, {"nonlinearity": "relu"}, MATRIX, math.sqrt(2 / 200)),
    (init.kaiming_normal_, {"mode": "fan_out"}, WINDOW, math.sqrt(2 / 1000)),
    (init.kaiming_normal_, {"a": 1.0}, MATRIX, math.sqrt(1 / 200)),
    (init.normal_, {"std": 0.3}, MATRIX, 0.3),
]


def drawn(initialiser, settings, shape):
    tensor = cr.Tensor(np.full(shape, 9.0))
    assert initialiser(tensor, **settings, rng=0) is tensor
    return tensor.data.ravel()


def check_spread(numbers, deviation, kurtosis):
    """Mean and variance as n independent draws have them: five standard errors, which one seed in 10⁶ would break."""
    n = numbers.size
    assert abs(numbers.mean()) <= 5 * deviation / math.sqrt(n)
    assert abs(numbers.var() / deviation**2 - 1) <= 5 * math.sqrt((kurtosis - 1) / n)


@pytest.mark.parametrize(("initialiser", "settings", "shape", "bound"), BOUNDS)
def test_uniform_ones_fill_their_interval_evenly(initialiser, settings, shape, bound):
    numbers = drawn(initialiser, settings, shape)
    # All 30,000 or more draws miss the outer thousandth with a chance below e⁻³⁰.
    assert 0.999 * bound < np.abs(numbers).max() <= bound
    check_spread(numbers, bound / math.sqrt(3), kurtosis=9 / 5)


@pytest.mark.parametrize(("initialiser", "settings", "shape", "deviation"), DEVIATIONS)
def test_normal_ones_have_their_deviation(initialiser, settings, shape, deviation):
    numbers = drawn(initialiser, settings, shape)
    check_spread(numbers, deviation, kurtosis=3)
    # Beyond three deviations lie 0.27 % of a normal distribution, and none of a uniform one.
    assert np.mean(np.abs(numbers) > 3 * deviation) == pytest.approx(0.0027, abs=5 * math.sqrt(0.0027 / numbers.size))


def test_signals_keep_their_size_through_thirty_layers():
    rng = np.random.default_rng(1)
    for name, activation, initialiser in (
        ("relu", cr.relu, init.kaiming_normal_),
        ("relu", cr.relu, init.kaiming_uniform_),
        ("linear", lambda x: x, init.kaiming_uniform_),
    ):
        x = rng.normal(size=(50, 256))
        for _ in range(30):
            weight = initialiser(cr.nn.Linear(256, 256, dtype=float).weight, nonlinearity=name, rng=rng)
            x = activation(x @ weight.data.T)
        # Each layer changes log |x|² by some 1/√256 at random; without the gain a relu would shrink it by 2³⁰.
        assert 0.1 < np.mean(np.square(x)) < 10


def test_the_seed_alone_decides():
    one, two = (init.normal_(cr.Tensor(np.zeros(5)), rng=3).tolist() for _ in range(2))
    assert one == two
    assert one != init.normal_(cr.Tensor(np.zeros(5)), rng=4).tolist()
    rng = np.random.default_rng(3)
    assert init.normal_(cr.Tensor(np.zeros(5)), rng=rng).tolist() == one
    assert init.normal_(cr.Tensor(np.zeros(5)), rng=rng).tolist() != one
    unseeded = [init.uniform_(cr.Tensor(np.zeros(5))).tolist() for _ in range(2)]
    assert unseeded[0] != unseeded[1]


@pytest.mark.parametrize("name", [name for name in init.__all__ if name.endswith("_")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_they_write_in_place_and_keep_the_dtype(name, dtype):
    layer = cr.nn.Linear(3, 2, dtype=dtype, rng=0)
    array = layer.weight.data
    before = array.copy()
    settings = {"val": 0.5} if name == "constant_" else {} if name == "zeros_" else {"rng": 1}
    assert getattr(init, name)(layer.weight, **settings) is layer.weight
    assert layer.weight.data is array
    assert array.dtype == dtype
    assert (array != before).all()
    assert layer.weight.requires_grad


def test_constants():
    assert init.constant_(cr.Tensor([[1.0, 2.0]]), -3.0).tolist() == [[-3.0, -3.0]]
    assert init.zeros_(cr.Tensor(4.0)).item() == 0.0


def test_graphs_recorded_before_are_stale():
    w = cr.Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    init.zeros_(w)
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu"])
def test_gains_agree_with_pytorch(nonlinearity):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for param in (None, 0.3):
        ours = init.calculate_gain(nonlinearity, *[] if param is None else [param])
        assert ours == pytest.approx(torch.nn.init.calculate_gain(nonlinearity, param), rel=1e-15)


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3), (6, 4, 3, 2)])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_bounds_agree_with_pytorch(shape, mode, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    seen = []
    monkeypatch.setattr(init, "uniform_", lambda tensor, a, b, rng: seen.append(b))
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda tensor, a, b, generator=None: seen.append(b))
    for draw in (init, torch.nn.init):
        w = cr.Tensor(np.zeros(shape)) if draw is init else torch.zeros(shape)
        draw.kaiming_uniform_(w, a=0.2, mode=mode)
    assert seen[0] == pytest.approx(seen[1], rel=1e-15)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.xavier_uniform_(cr.Tensor([1.0])), ShapeError, r"two axes, .* and got .*\(1,\): start a bias"),
        (lambda: init.kaiming_normal_(cr.Tensor(np.ones((0, 3)))), ShapeError, r"\(0, 3\)"),
        (lambda: init.kaiming_normal_(cr.Tensor([[1.0]]), mode="in"), ValueError, "fan_in or fan_out, not 'in'"),
        (lambda: init.kaiming_uniform_(cr.Tensor([[1.0]]), nonlinearity="gelu"), ValueError, "leaky_relu, not 'gelu'"),
        (lambda: init.uniform_(cr.Tensor([1.0]), 1.0, 0.0), ValueError, "a is at most b"),
        (lambda: init.normal_(cr.Tensor([1.0]), std=-1.0), ValueError, "std is at least 0, not -1.0"),
        (lambda: init.zeros_(np.ones(2)), DtypeError, "Tensor or Parameter, not ndarray"),
        (lambda: init.xavier_normal_([[1.0]]), DtypeError, "not list"),
        (lambda: init.zeros_(cr.Tensor(np.ones(2, int))), DtypeError, "holds int64"),
        (lambda: init.zeros_(cr.Tensor([1.0], requires_grad=True) * 2), GraphError, "writes into leaves"),
    ],
)
def test_what_cannot_be_initialised_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

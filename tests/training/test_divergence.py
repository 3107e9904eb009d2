"""Curvature against Hessians that are written out, and divergence in words with the limit of the reference."""

import json
import math
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader
from chainrule.errors import DivergenceWarning
from chainrule.training import Callback, EarlyStopping, fit, largest_curvature, load_checkpoint
from chainrule.training.curvature import largest_eigenvalue

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text())["simple_net"]


def simple_net(w1=2.0, w2=0.5):
    net = nn.Sequential(nn.Linear(1, 1, bias=False, dtype=float), nn.Linear(1, 1, bias=False, dtype=float))
    net.load_state_dict({"0.weight": [[w1]], "1.weight": [[w2]]})
    return net


def train(net, lr, epochs, **settings):
    optimizer = settings.pop("optimizer", None) or optim.SGD(net.parameters(), lr=lr)
    data = settings.pop("data", ([[2.0]], [[20.0]]))
    loss = nn.MSELoss("half_sum")
    return fit(net, *data, loss=loss, optimizer=optimizer, epochs=epochs, progress=False, **settings)


def test_the_curvature_of_the_reference_comes_out():
    net = simple_net()
    train(net, 0.01, 100)  # the reference's long run: it has reached its minimum
    curvature = largest_curvature(net, [[2.0]], [[20.0]], loss=nn.MSELoss("half_sum"))
    # A 2×2 eigenproblem and a few products; the eigenvalue's error is that of its matrix.
    assert math.isclose(curvature, FACTS["largest_curvature_at_end"], rel_tol=1e-12)
    assert math.isclose(2 / curvature, FACTS["rate_limit"], rel_tol=1e-12)
    w1, w2 = FACTS["long_run"]["1000"]["w1"], FACTS["long_run"]["1000"]["w2"]
    assert [p.item() for p in net.parameters()] == pytest.approx([w1, w2], rel=1e-12)


def test_the_curvature_is_the_largest_eigenvalue_of_the_whole_hessian():
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(3, 4, dtype=float, rng=0), nn.Tanh(), nn.Linear(4, 2, dtype=float, rng=1))
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    shapes = [p.shape for p in net.parameters()]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def written_out(w):
        a, b, c, d = (w[i:j].reshape(shape) for i, j, shape in zip([0, *ends], ends, shapes, strict=False))
        return cr.mean(cr.square(cr.tanh(x @ a.T + b) @ c.T + d - y))

    start = np.concatenate([p.data.ravel() for p in net.parameters()])
    expected = np.linalg.eigvalsh(cr.hessian(written_out)(start))[-1]
    # 26 parameters are fewer than the iterations, so Lanczos is exact but for rounding.
    assert math.isclose(largest_curvature(net, x, y, loss=nn.MSELoss()), expected, rel_tol=1e-10)


def test_of_many_parameters_the_curvature_is_near_and_never_above():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 100)) * np.linspace(1, 4, 100)
    net = nn.Linear(100, 1, bias=False, dtype=float)
    expected = np.linalg.eigvalsh(x.T @ x)[-1]
    found = largest_curvature(net, x, rng.normal(size=(200, 1)), loss=nn.MSELoss("half_sum"))
    assert expected * 0.999 < found <= expected * (1 + 1e-12)


def test_the_largest_eigenvalue_may_be_the_smaller_in_size():
    matrix = np.diag([-5.0, 1.0, 0.5])
    assert largest_eigenvalue(lambda v: matrix @ v, 3) == pytest.approx(1.0, rel=1e-12)
    assert largest_eigenvalue(lambda v: 0 * v, 4) == 0.0


def test_measuring_leaves_the_model_as_it_was():
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3), nn.Dropout(0.5, rng=0), nn.Linear(3, 1, rng=1))
    before, mask = net.state_dict(), net[2].rng.bit_generator.state
    largest_curvature(net, np.eye(2), np.ones((2, 1)), loss=nn.MSELoss())
    assert all((held.data == before[name].data).all() for name, held in net.state_dict().items())
    assert net[2].rng.bit_generator.state == mask


def test_divergence_is_told_in_words_with_the_limit():
    net = simple_net()
    with pytest.warns(DivergenceWarning) as caught:
        history = train(net, 0.05, 20)
    assert history.diverged
    assert str(caught[0].message) == history.stopped
    assert caught[0].filename == __file__
    assert "the loss became inf in epoch 10: the step 0.05 is above the limit 0.0248" in history.stopped
    limit = float(re.search(r"limit ([\d.]+),", history.stopped)[1])  # type: ignore[index]
    # Smaller steps end elsewhere in the same valley, where the curvature differs a little (80.63, not 80.78).
    assert limit == pytest.approx(FACTS["rate_limit"], rel=0.005)
    np.testing.assert_allclose(history["loss"][:8], FACTS["sweep"]["0.05"]["losses"], rtol=1e-9)


@pytest.mark.parametrize("lr", ["0.001", "0.01", "0.02", "0.04"])
def test_the_sweep_of_rates_comes_out(lr):
    net = simple_net()
    history = train(net, float(lr), 10)
    # Above the limit the path is chaotic: each epoch multiplies the rounding of the first by up to the curvature.
    np.testing.assert_allclose(history["loss"], FACTS["sweep"][lr]["losses"], rtol=1e-8)
    assert not history.diverged


def test_where_it_is_not_plain_descent_the_curvature_is_told():
    net = simple_net()
    with pytest.warns(DivergenceWarning, match="largest curvature on that batch.* is 41.4; .* below 0.0483"):
        train(net, 0.0, 50, optimizer=optim.SGD(net.parameters(), lr=0.2, momentum=0.9))
    # By hand: the Hessian at the start is [[1, -32], [-32, 16]].
    assert np.linalg.eigvalsh(FACTS["hessian_at_start"])[-1] == pytest.approx(41.4, abs=0.05)


def test_batches_are_named_and_bad_data_is_found():
    x = np.ones((8, 1))
    x[5, 0] = np.nan
    with pytest.warns(DivergenceWarning, match="became nan in epoch 1, batch 3: x holds nan in example 5, feature 0, "):
        train(simple_net(), 0.01, 2, data=(x, x), batch_size=2, shuffle=False)
    with pytest.warns(DivergenceWarning, match="became inf in epoch 1: y holds inf in example 0, output 0, counted"):
        train(simple_net(), 0.01, 2, data=([[1.0]], [[np.inf]]))
    with pytest.warns(DivergenceWarning, match="not finite at the start either"):
        train(simple_net(1e200), 0.01, 2)


class Plain:
    """A loader as others write it, which says nothing of its order."""

    def __init__(self, *arrays):
        self.loader = DataLoader(*arrays)

    def __iter__(self):
        return iter(self.loader)


@pytest.mark.parametrize(
    ("loader", "where"),
    [
        (None, "in example 777, feature 2, counted from 0; mend"),
        (partial(DataLoader, batch_size=32, shuffle=True, rng=0), "in example 777, feature 2, counted from 0; mend"),
        (partial(DataLoader, batch_size=1000), "in example 777, feature 2, counted from 0; mend"),
        (Plain, r"at \[9, 2\] of the batch, counted from 0 \(that loader does not say which examples a batch has\)"),
    ],
)
def test_bad_data_is_named_by_its_place_in_the_data(loader, where):
    x, y = np.ones((1000, 3)), np.ones((1000, 1))
    x[777, 2] = np.nan
    net = nn.Linear(3, 1, dtype=float, rng=0)
    data = (x, y) if loader is None else (loader(x, y), None)
    with pytest.warns(DivergenceWarning, match=f"in epoch 1.*: x holds nan {where}"):
        train(net, 0.01, 1, data=data)


def test_bad_entries_of_images_and_of_plain_targets_are_named():
    images, y = np.ones((4, 1, 3, 3)), np.ones(4)
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 1, dtype=float, rng=0), nn.Flatten(0))
    y[2] = -np.inf
    with pytest.warns(DivergenceWarning, match="y holds -inf in example 2, counted from 0"):
        train(net, 0.01, 1, data=(images, y))
    images[3, 0, 1, 2] = np.inf
    with pytest.warns(DivergenceWarning, match=r"x holds inf in example 3, at \[0, 1, 2\], counted from 0"):
        train(net, 0.01, 1, data=(images, y))


class Told(Callback):
    def __init__(self):
        self.epochs = []

    def on_epoch_end(self, run):
        self.epochs.append(run.epoch)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_last_step_that_spoils_the_weights_is_told_and_not_kept(momentum, tmp_path):
    net, told, path = simple_net(), Told(), tmp_path / "run.safetensors"
    optimizer = optim.SGD(net.parameters(), lr=1e308, momentum=momentum)
    with pytest.warns(DivergenceWarning) as caught:
        history = train(net, 0.0, 1, optimizer=optimizer, checkpoint=path, callbacks=[told])
    assert history.diverged
    assert str(caught[0].message) == history.stopped
    assert history.stopped.startswith(
        "the parameter 0.weight became inf in epoch 1: the largest curvature on that batch"
    )
    assert "needs a step below 0.0483, and the rate is 1e+308" in history.stopped
    assert (len(history), told.epochs, path.exists()) == (0, [], False)


def test_weights_that_one_step_of_plain_descent_spoils_are_told_with_the_limit():
    net = nn.Linear(1, 1, bias=False, dtype=float)
    net.load_state_dict({"weight": [[1e303]]})
    # By hand: the curvature is x² = 1e-300, so the limit is 2e300, and one step leads to 1e303 - 2e306 · 1e3.
    with pytest.warns(DivergenceWarning, match=r"weight became -inf in epoch 1: the step 2e\+306 is above .* 2e\+300,"):
        train(net, 2e306, 1, data=([[1e-150]], [[0.0]]))


def test_a_checkpoint_within_an_epoch_is_not_replaced_by_spoiled_weights(tmp_path):
    net, path = simple_net(), tmp_path / "run.safetensors"
    # The first example leaves the weights alone, and the second takes them out of their range.
    data = ([[0.0], [1e100], [2.0]], [[20.0], [20.0], [20.0]])
    settings = {"data": data, "batch_size": 1, "shuffle": False, "checkpoint": path, "checkpoint_every": 1}
    with pytest.warns(DivergenceWarning, match=r"the parameter 0.weight became .*inf in epoch 1, batch 2: "):
        train(net, 1e150, 1, **settings)
    assert load_checkpoint(path, model=net).position == {"epoch": 0, "batch": 1}


def test_early_stopping_brings_back_the_weights_before_a_spoiled_epoch():
    net = simple_net()

    class Faster(Callback):
        def on_epoch_end(self, run):
            run.optimizer.lr = 1e308

    with pytest.warns(DivergenceWarning, match="became inf in epoch 2"):
        train(net, 0.01, 9, callbacks=[EarlyStopping(), Faster()])
    assert all(np.isfinite(parameter.data).all() for parameter in net.parameters())

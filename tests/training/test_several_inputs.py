"""Several inputs and targets in tuples and dicts, anywhere that data goes: split alike, and never stacked."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader
from chainrule.errors import DtypeError, ShapeError
from chainrule.training import evaluate, fit, predict

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 5, (40, 3))
FLOATS = RNG.normal(size=(40, 3)).astype(np.float32)
Y = (FLOATS.sum(1, keepdims=True) + IDS.sum(1, keepdims=True)).astype(np.float32)


class Joined(nn.Module):
    """Takes ids and floats as its two arguments."""

    def __init__(self):
        self.table = nn.Embedding(5, 2, rng=0)
        self.last = nn.Linear(9, 1, rng=1)

    def forward(self, ids, floats):
        assert isinstance(ids, np.ndarray)
        assert isinstance(floats, cr.Tensor)
        return self.last(cr.concatenate([self.table(ids).reshape(len(ids), -1), floats], axis=1))


class Whole(Joined):
    """Takes both as one argument."""

    def forward(self, both):
        ids, floats = (both["ids"], both["floats"]) if isinstance(both, dict) else both
        return super().forward(ids, floats)


class Nested(Joined):
    """Takes a dict and an array."""

    def forward(self, known, extra):
        return super().forward(known["ids"], known["more"][0] + 0 * extra)


WAYS = {
    "tuple, spread": (Joined, (IDS, FLOATS)),
    "tuple, whole": (Whole, (IDS, FLOATS)),
    "dict, spread": (Joined, {"floats": FLOATS, "ids": IDS}),
    "dict, whole": (Whole, {"ids": IDS, "floats": FLOATS}),
    "lists in a tuple": (Joined, (IDS.tolist(), FLOATS)),
    "nested": (Nested, ({"ids": IDS, "more": (FLOATS,)}, FLOATS)),
    "a list of arrays": (Joined, [IDS, FLOATS]),
    "Tensors": (Joined, (cr.Tensor(IDS), cr.Tensor(FLOATS))),
}


def by_hand():
    net = Joined()
    optimizer, losses = optim.Adam(net.parameters(), lr=0.05), []
    for epoch in (1, 2):
        order, total = np.random.default_rng([0, epoch]).permutation(40), 0.0
        for start in range(0, 40, 16):
            chosen = order[start : start + 16]
            loss = nn.MSELoss()(net(IDS[chosen], cr.Tensor(FLOATS[chosen])), Y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        losses.append(total / 40)
    return net, losses


def train(net, x, y=Y, **settings):
    return fit(
        net, x, y, **{
            "loss": nn.MSELoss(), "optimizer": optim.Adam(net.parameters(), lr=0.05), "epochs": 2, "batch_size": 16,
            "progress": False, **settings,
        },
    )  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_trains_as_by_hand(way):
    made, x = WAYS[way]
    right, losses = by_hand()
    net = made()
    history = train(net, x, validation=(x, Y))
    assert history["loss"] == losses
    for one, other in zip(net.parameters(), right.parameters(), strict=True):
        assert np.array_equal(one.data, other.data)
    found = predict(net, x, batch_size=7) if way != "a list of arrays" else predict(net, tuple(x), batch_size=7)
    np.testing.assert_allclose(found, right.eval()(IDS, cr.Tensor(FLOATS)).data, rtol=1e-5)
    whole = evaluate(net, x, Y, loss=nn.MSELoss(), batch_size=None)["loss"]
    assert evaluate(net, x, Y, loss=nn.MSELoss(), batch_size=7)["loss"] == pytest.approx(whole, rel=1e-6)
    assert history["val_loss"][-1] == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_loaders_give_several_inputs_too(way):
    made, x = WAYS[way]
    net, other = made(), made()
    train(net, x, shuffle=False)
    loader = DataLoader(x, Y, batch_size=16)
    train(other, loader, None)
    as_lists = [(list(batch) if isinstance(batch, tuple) else batch, y) for batch, y in loader]
    for trained in (other, made()):
        if trained is not other:
            train(trained, as_lists, None)
        for one, two in zip(net.parameters(), trained.parameters(), strict=True):
            assert np.array_equal(one.data, two.data)
    np.testing.assert_array_equal(predict(net, loader), predict(net, as_lists))
    assert loader.last_examples().tolist() == list(range(32, 40))


def test_several_targets_and_results():
    class Two(nn.Module):
        def __init__(self):
            self.number, self.kind = nn.Linear(3, 1, rng=0), nn.Linear(3, 5, rng=1)

        def forward(self, x):
            return {"number": self.number(x), "kind": self.kind(x)}

    def loss(out, right):
        return nn.MSELoss()(out["number"], right["number"]) + nn.CrossEntropyLoss()(out["kind"], right["kind"])

    def kinds_right(out, right):
        return cr.training.accuracy(out["kind"], right["kind"])

    y = {"number": Y, "kind": IDS[:, 0]}
    net = Two()
    history = train(net, FLOATS, y, loss=loss, metrics=[kinds_right])
    assert history["loss"][1] < history["loss"][0]
    found = predict(net, FLOATS, batch_size=11)
    assert (found["number"].shape, found["kind"].shape) == ((40, 1), (40, 5))
    expected = kinds_right(found, y)
    assert evaluate(net, FLOATS, y, metrics=[kinds_right], batch_size=9) == {"kinds_right": expected}


class BreakOff(cr.training.Callback):
    """Breaks the run off in the middle of an epoch."""

    def __init__(self, at):
        self.at = at

    def on_batch_end(self, run):
        if (run.epoch, run.batch) == self.at:
            raise KeyboardInterrupt


def test_a_run_with_structures_is_resumed(tmp_path):
    def run(name, at=None, **how):
        net, metric = Joined(), {"mean": lambda said, right: float(np.mean(said) + np.mean(right["y"]))}

        def loss(out, right):
            return nn.MSELoss()(out, right["y"])

        saves = {"checkpoint": tmp_path / name, "checkpoint_every": 1, "callbacks": [BreakOff(at)]}
        return net, train(net, (IDS, FLOATS), {"y": Y}, loss=loss, epochs=3, metrics=metric, **saves, **how)

    whole, history = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("part", (2, 2))
    again, resumed = run("part", resume=True)
    assert resumed["loss"] == history["loss"]
    assert resumed["mean"] == history["mean"]
    assert np.array_equal(whole.last.weight.data, again.last.weight.data)


class Counted(nn.Module):
    """Remembers what it was called with."""

    def __init__(self):
        self.weight = nn.Parameter([1.0])
        self.seen = []

    def forward(self, *inputs):
        self.seen.append([np.shape(x) for x in inputs])
        return inputs[0] * self.weight


def test_rows_of_numbers_in_tuples_are_one_array():
    net = Counted()
    train(net, ((1.0,), (2.0,)), [[1.0], [2.0]], epochs=1)
    assert net.seen == [[(2, 1)]]


def test_a_list_of_examples_is_one_array():
    net = Counted()
    train(net, [np.ones(1, np.float32), np.ones(1, np.float32), np.zeros(1, np.float32)], np.ones((3, 1)), epochs=1)
    assert net.seen == [[(3, 1)]]


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ((IDS, FLOATS[:9]), Y, ShapeError, r"x of shape \(\(40, 3\), \(9, 3\)\) and y of shape \(40, 1\)"),
        ({"a": IDS, "b": FLOATS}, Y[:3], ShapeError, r"x of shape {'a': \(40, 3\), 'b': \(40, 3\)}"),
        ((IDS, 3.0), Y, ShapeError, "along the first axis"),
        ([np.ones((2, 2)), np.ones((2, 2))], np.ones((2, 1)), DtypeError, "a tuple for several inputs, np.stack"),
        ((IDS, np.array(["a"] * 40)), Y, DtypeError, r"x\[1\] takes numbers, and got texts, as 'a': make a c"),
        ({"a": IDS}, None, DtypeError, "dict without y"),
    ],
)
def test_what_does_not_fit_together_is_named(x, y, error, message):
    with pytest.raises(error, match=message):
        train(Joined(), x, y)


def test_predict_leaves_the_model_as_it_was():
    net = nn.Sequential(nn.Linear(3, 2, rng=0), nn.Dropout(0.5), nn.BatchNorm1d(2))
    net[1].eval()
    found = predict(net, FLOATS, batch_size=1)
    assert found.shape == (40, 2)
    assert isinstance(found, np.ndarray)
    assert (net.training, net[1].training, net[2].training) == (True, False, True)
    assert net[2].num_batches_tracked.data == 0
    in_eights = (FLOATS[i : i + 8] for i in range(0, 40, 8))
    for data, size in ((FLOATS.tolist(), None), (in_eights, 8), (DataLoader((FLOATS,), batch_size=6), 6)):
        # BLAS may add up in another order for other numbers of rows.
        np.testing.assert_allclose(predict(net, data, batch_size=size), found, rtol=1e-5, atol=1e-6)
    for wrong, message in ((np.zeros((0, 3)), "at least one"), ((IDS, FLOATS[:3]), "every input")):
        with pytest.raises(ShapeError, match=message):
            predict(net, wrong)
    with pytest.raises(ShapeError, match="no batch"):
        predict(net, iter(()))

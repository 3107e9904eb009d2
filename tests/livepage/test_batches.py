"""Training by mini-batches: the rows of each step, and the numbers that come out, are those of the library."""

from __future__ import annotations

from itertools import product
from math import ceil

import numpy as np
import pytest
from tests.livepage.conftest import settled

import chainrule as cr
from chainrule import nn
from chainrule.livepage.network import network_subject
from chainrule.livepage.page import Page

ROWS = 30
OPTIMIZERS = {
    "SGD": lambda p: cr.optim.SGD(p, lr=0.1),
    "momentum": lambda p: cr.optim.SGD(p, lr=0.04, momentum=0.8),
    "Adam": lambda p: cr.optim.Adam(p, lr=0.1),
}
CLASSES = np.arange(9) % 3
RANDOM = np.random.default_rng(5)
PLACES, TARGETS = RANDOM.normal(size=(9, 4)), RANDOM.random((9, 3))
LOSSES = {
    "cross-entropy": (nn.CrossEntropyLoss(), CLASSES),
    "weighed classes": (nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5]), CLASSES),
    "shares of classes": (nn.CrossEntropyLoss(), TARGETS / TARGETS.sum(axis=1, keepdims=True)),
    "mean square": (nn.MSELoss(), TARGETS),
    "half the sum": (nn.MSELoss("half_sum"), TARGETS),
    "logits": (nn.BCEWithLogitsLoss(), TARGETS),
    "absolute": (nn.L1Loss(), TARGETS),
}


def small():
    return nn.Sequential(nn.Linear(2, 5, rng=0, dtype=float), nn.Tanh(), nn.Linear(5, 1, rng=1, dtype=float))


def of_classes():
    return nn.Sequential(nn.Linear(4, 5, rng=0, dtype=float), nn.ReLU(), nn.Linear(5, 3, rng=1, dtype=float))


def points():
    x, y = cr.data.make_moons(ROWS, noise=0.1)
    return x, y.reshape(-1, 1).astype(float)


@pytest.fixture(scope="module")
def moons():
    return Page((network_subject(small(), *points(), told=False, rate=0.1),))


@pytest.fixture(scope="module")
def other_losses():
    return Page(tuple([network_subject(of_classes(), PLACES, y, loss=loss, told=False) for loss, y in LOSSES.values()]))


def trained(net, x, y, loss, optimizer, rows):
    """What the engine makes of a net, given the rows of each step."""
    for taken in rows:
        optimizer.zero_grad()
        loss(net(x[taken]), y[taken]).backward()
        optimizer.step()
    return net


def assert_weights(tab, net, places=(0, 2), told=""):
    values = tab.evaluate("chainrule.values()")
    for n in places:
        for name in ("weight", "bias"):
            found, right = values[f"net[{n}].{name}"], getattr(net[n], name).data
            np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12, err_msg=f"{name} {n}: {told}")


def test_the_order_of_an_epoch_is_that_of_numpy(opened, moons):
    asked = [
        (seed, epoch, rows)
        for seed in (0, 1, 7, 2**31 + 5, 2**32 - 1)
        for epoch in (0, 1, 300)
        for rows in (1, 2, 3, 30, 257)
    ]
    with opened(moons) as tab:
        found = tab.evaluate(
            "async (asked) => (({ orderOf }) => asked.map((x) => orderOf(...x)))(await import('chainrule/order'))",
            asked,
        )
    for (seed, epoch, rows), order in zip(asked, found, strict=True):
        assert order == np.random.default_rng([seed, epoch]).permutation(rows).tolist(), (seed, epoch, rows)


def test_a_page_learns_as_fit_does(opened, moons):
    """The last batch of an epoch is smaller where the rows do not divide."""
    epochs = 3
    with opened(moons) as tab:
        for kind, (size, seed) in product(OPTIMIZERS, [(1, 0), (8, 3), (29, 4)]):
            net = small()
            assert_weights(tab, net)
            cr.training.fit(
                net, *points(), loss=nn.MSELoss(), optimizer=OPTIMIZERS[kind](net.parameters()), epochs=epochs,
                batch_size=size, seed=seed, progress=False,
            )  # fmt: skip
            train = "([kind, size, seed]) => { chainrule.optimizer(kind); chainrule.batch(size, seed); }"
            tab.evaluate(train, [kind, size, seed])
            losses = tab.evaluate("(n) => chainrule.train(n)", epochs * ceil(ROWS / size))
            assert_weights(tab, net, told=f"{kind}, batches of {size}")
            right = nn.MSELoss()(net(points()[0]), points()[1]).item()
            assert losses[-1] == pytest.approx(right, rel=1e-9), (kind, size)
            assert tab.evaluate("chainrule.rewind()")


def test_a_rewind_and_the_same_seed_give_the_same_numbers_again(opened, moons):
    train = "(n) => Array.from({ length: n }, () => (chainrule.train(1), chainrule.batch().rows))"
    with opened(moons) as tab:
        tab.evaluate("chainrule.batch(7, 11)")
        rows, values = tab.evaluate(train, 9), tab.evaluate("chainrule.values()")
        assert sorted([row for taken in rows[:5] for row in taken]) == list(range(ROWS))
        assert rows[:4] != rows[5:9]
        assert tab.evaluate("chainrule.rewind()")
        assert tab.evaluate(train, 9) == rows
        assert tab.evaluate("chainrule.values()") == values
        state = tab.evaluate("chainrule.state()")
        # Undone in the middle of an epoch, the next step takes the rows that the undone one took.
        tab.evaluate("chainrule.set('net[0].bias[0]', 1); chainrule.train(1)")
        taken, after = tab.evaluate("[chainrule.batch().rows, chainrule.values()]")
        tab.evaluate("chainrule.undo(); chainrule.train(1)")
        assert tab.evaluate("[chainrule.batch().rows, chainrule.values()]") == [taken, after]
        tab.evaluate("chainrule.rewind(); chainrule.batch(7, 12)")
        assert tab.evaluate(train, 9) != rows
    with opened(moons, hash=f"#{state}") as again:
        assert again.evaluate("chainrule.values()") == values
        assert again.evaluate("chainrule.batch()") == {"size": 7, "seed": 11, "rows": rows[-1]}


def test_points_added_with_the_mouse_are_taken_too(opened, moons):
    with opened(moons) as tab:
        box = tab.locator("#plane").bounding_box()
        for n, (right, down) in enumerate(((0.3, 0.4), (0.8, 0.2))):
            tab.locator("#label").select_option(str(n))
            tab.locator("#plane").click(position={"x": box["width"] * right, "y": box["height"] * down})
        x, y = tab.evaluate("[chainrule.values().x, chainrule.values().y]")
        x, y = np.array(x)[: ROWS + 2], np.array(y)[: ROWS + 2]
        assert y[-2:].ravel().tolist() == [0, 1]
        tab.locator("#batch").select_option("8")
        tab.locator("#seed").fill("2")
        tab.locator("#seed").press("Enter")
        for _ in range(5):
            tab.locator("#train-one").click()
        settled(tab)
        assert f"8 of {ROWS + 2} rows" in tab.locator("#learn-told").inner_text()
        assert "epoch 2, 8 of 32" in tab.locator("#learn-told").inner_text()
        orders = [np.random.default_rng([2, epoch]).permutation(ROWS + 2) for epoch in (1, 2)]
        rows = [order[at : at + 8] for order in orders for at in range(0, ROWS + 2, 8)][:5]
        net = small()
        trained(net, x, y, nn.MSELoss(), cr.optim.SGD(net.parameters(), lr=0.1), rows)
        assert_weights(tab, net)


def test_batches_of_every_loss(opened, other_losses):
    with opened(other_losses) as tab:
        for n, (name, (loss, y)) in enumerate(LOSSES.items()):
            net = of_classes()
            tab.evaluate("(n) => chainrule.open(n)", n)
            tab.evaluate("chainrule.rate(0.05); chainrule.batch(4, 6); chainrule.train(6)")
            orders = [np.random.default_rng([6, epoch]).permutation(len(y)) for epoch in (1, 2)]
            rows = [order[at : at + 4] for order in orders for at in (0, 4, 8)]
            trained(net, PLACES, y, loss, cr.optim.SGD(net.parameters(), lr=0.05), rows)
            assert_weights(tab, net, told=name)


def test_where_there_are_no_batches_none_are_offered(opened, simple):
    """A norm over the batch, a loss of the user's own, a cost of single numbers."""
    net = nn.Sequential(nn.Linear(4, 5, rng=0, dtype=float), nn.BatchNorm1d(5, dtype=float), nn.Linear(5, 3, rng=1))
    of_norm = network_subject(net, PLACES, TARGETS, told=False)
    own = network_subject(of_classes(), PLACES, TARGETS, loss=lambda x, y: ((x - y) ** 2).max(), told=False)
    with opened(Page((of_norm, own, *simple.subjects[:1]))) as tab:
        for n in range(3):
            tab.evaluate("(n) => chainrule.open(n)", n)
            settled(tab)
            assert not tab.locator("#batch").is_visible()
            told = tab.evaluate("(() => { try { chainrule.batch(4); } catch (error) { return error.message; } })()")
            assert "no batches" in told
            assert tab.evaluate("chainrule.batch()")["size"] == 0
            assert len(tab.evaluate("chainrule.train(2)")) == 3

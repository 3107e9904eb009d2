"""Steps of nets that are made alike share a program; of all others each has its own, and gives its own numbers."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.codegen.version import default_target
from chainrule.training import step, step_cache

pytestmark = pytest.mark.skipif(default_target() != "native", reason="the kernels were not built")
CLOSE = 1e-12
RNG = np.random.default_rng(0)
X, CLASSES = RNG.normal(size=(12, 4)), RNG.integers(0, 3, 12)


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """Nothing is known yet; which steps were traced."""
    monkeypatch.setattr(step, "step_cache", step_cache.StepCache())
    traced = []
    usual = step.shortened
    monkeypatch.setattr(step, "shortened", lambda trace: traced.append(trace) or usual(trace))
    return traced


class Tied(nn.Module):
    """Two layers, whose weights are one or two, and whose results are added."""

    def __init__(self, tied):
        self.one = nn.Linear(4, 3, dtype=float, rng=0)
        self.other = nn.Linear(4, 3, dtype=float, rng=0)
        if tied:
            self.other.weight = self.one.weight

    def forward(self, x):
        return self.one(x) + self.other(x)


Tied.__module__ = "chainrule.tests"  # as if it were the package's own


def net(between=nn.Tanh, *, seed=0, dtype=float, bias=True, **settings):
    layers = nn.Linear(4, 5, dtype=dtype, rng=seed), between(**settings), nn.Linear(5, 3, bias=bias, dtype=dtype, rng=1)
    return nn.Sequential(*layers)


def frozen():
    model = net()
    model[0].bias.requires_grad = False
    return model


def evaluated():
    model = net(nn.Dropout, p=0.5, rng=3)
    model[1].eval()
    return model


def start(model=None, loss=None, optimizer=None, groups=False, **how):
    model = net() if model is None else model
    optimizer = optimizer or partial(cr.optim.SGD, lr=0.1)
    params = [{"params": [p]} for p in model.parameters()] if groups else model.parameters()
    return model, cr.compile(model, loss=loss or nn.CrossEntropyLoss(), optimizer=optimizer(params), **how)


BATCH_NORM = partial(nn.BatchNorm1d, 5, dtype=float)

OTHERS = {
    "another activation": lambda: start(net(nn.Sigmoid)),
    "another setting": lambda: start(net(nn.LeakyReLU, negative_slope=0.2)),
    "that setting again": lambda: start(net(nn.LeakyReLU, negative_slope=0.3)),
    "no bias": lambda: start(net(bias=False)),
    "single precision": lambda: start(net(dtype=np.float32)),
    "frozen": lambda: start(frozen()),
    "dropout": lambda: start(net(nn.Dropout, p=0.5, rng=3)),
    "less dropout": lambda: start(net(nn.Dropout, p=0.25, rng=3)),
    "dropout that is off": lambda: start(evaluated()),
    "another loss": lambda: start(loss=nn.CrossEntropyLoss(label_smoothing=0.1)),
    "weighed classes": lambda: start(loss=nn.CrossEntropyLoss(weight=[1.0, 2.0, 3.0])),
    "otherwise weighed classes": lambda: start(loss=nn.CrossEntropyLoss(weight=[3.0, 2.0, 1.0])),
    "a sum": lambda: start(loss=nn.CrossEntropyLoss(reduction="sum")),
    "momentum": lambda: start(optimizer=partial(cr.optim.SGD, lr=0.1, momentum=0.9)),
    "looking ahead": lambda: start(optimizer=partial(cr.optim.SGD, lr=0.1, momentum=0.9, nesterov=True)),
    "adam": lambda: start(optimizer=partial(cr.optim.Adam, lr=0.01)),
    "adamw": lambda: start(optimizer=partial(cr.optim.AdamW, lr=0.01)),
    "groups": lambda: start(optimizer=partial(cr.optim.SGD, lr=0.1), groups=True),
    "clipped": lambda: start(clip_norm=0.01),
    "clipped later": lambda: start(clip_norm=0.02),
    "two weights": lambda: start(Tied(tied=False)),
    "one weight": lambda: start(Tied(tied=True)),
    "batch norm": lambda: start(net(BATCH_NORM)),
    "slower batch norm": lambda: start(net(BATCH_NORM, momentum=0.5)),
}


def test_a_net_made_alike_is_not_traced_again(made):
    for seed in range(3):
        model, compiled = start(net(seed=seed))
        by_the_engine, other = start(net(seed=seed))
        for _ in range(3):
            assert compiled(X, CLASSES) == pytest.approx(other.eager(X, CLASSES, None), abs=CLOSE)
        same(model, by_the_engine)
    assert len(made) == 1


def test_every_other_step_gives_its_own_numbers():
    for _ in range(2):  # of each a second one, when all are known
        for name, make in OTHERS.items():
            (model, compiled), (by_the_engine, other) = make(), make()
            single = next(model.parameters()).dtype == np.float32
            x, tolerance = (X.astype(np.float32), 1e-6) if single else (X, CLOSE)
            for _ in range(3):
                expected = other.eager(x, CLASSES, None)
                assert compiled(x, CLASSES) == pytest.approx(expected, abs=tolerance), name
            same(model, by_the_engine, tolerance)


def same(one, other, tolerance=CLOSE):
    for name, held in one.state_dict().items():
        np.testing.assert_allclose(held.data, other.state_dict()[name].data, atol=tolerance, err_msg=name)


def test_alike_are_those_that_compute_alike(made):
    for make in OTHERS.values():
        for _ in range(2):
            make()[1](X, CLASSES)
    # Arrays from outside, a loss's or a frozen layer's, belong to one net: those steps are made anew each time.
    assert len(made) == len(OTHERS) + 3


def test_threads_that_share_a_program_get_their_own_numbers(made):
    def trained(seed):
        model, compiled = start(net(seed=seed))
        rows = np.random.default_rng(seed).integers(0, 12, (300, 6))
        losses = [compiled.scan(X, CLASSES, part) for part in np.split(rows, 30)]
        return np.concatenate(losses), [p.data.copy() for p in model.parameters()]

    one_by_one = [trained(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        at_once = list(pool.map(trained, range(6)))
    assert len(made) == 1
    for (losses, numbers), (again, others) in zip(one_by_one, at_once, strict=True):
        assert (losses == again).all()
        assert all((x == y).all() for x, y in zip(numbers, others, strict=True))


def test_what_is_the_programs_own_is_made_anew(made):
    class Mine(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(4, 3, dtype=float, rng=0)

        def forward(self, x):
            return self.layer(x)

    for _ in range(2):
        start(Mine())[1](X, CLASSES)
    assert len(made) == 2


def test_the_oldest_go_when_there_are_many_or_their_examples_are_large(monkeypatch):
    known = step.step_cache
    monkeypatch.setattr(step_cache, "MOST", 2)
    for classes in ("another activation", "adam", "momentum"):
        OTHERS[classes]()[1](X, CLASSES)
    assert len(known.programs) == 2
    monkeypatch.setattr(step_cache, "MOST_BYTES", 100)
    OTHERS["clipped"]()[1](X, CLASSES)
    assert len(known.programs) == 2

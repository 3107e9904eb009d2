"""A whole training step as one program, beside the same step by the engine."""

import copy
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ChainruleError, DtypeError, GraphError, ShapeError

CLOSE = 1e-12


def two_groups(first, *others):
    return cr.optim.SGD([{"params": [first], "lr": 0.2}, {"params": others, "momentum": 0.5}], lr=0.1)


OPTIMIZERS = {
    "sgd": lambda p: cr.optim.SGD(p, lr=0.1),
    "momentum": lambda p: cr.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "dampening": lambda p: cr.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2),
    "nesterov": lambda p: cr.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: cr.optim.Adam(p, lr=0.01),
    "adam decayed": lambda p: cr.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.1),
    "adamw": lambda p: cr.optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: cr.optim.RMSprop(p, lr=0.01, eps=1e-3),
    "rmsprop centred": lambda p: cr.optim.RMSprop(p, lr=0.01, eps=1e-2, centered=True, momentum=0.9, weight_decay=0.01),
    "adagrad": lambda p: cr.optim.Adagrad(p, lr=0.05, lr_decay=0.1, weight_decay=0.01, eps=1e-3),
    "groups": lambda p: two_groups(*p),
}
LOSSES = {
    "cross-entropy": (cr.nn.CrossEntropyLoss(), "classes"),
    "weighed classes": (cr.nn.CrossEntropyLoss(weight=[1, 2, 3, 4], ignore_index=1), "classes"),
    "smoothed": (cr.nn.CrossEntropyLoss(label_smoothing=0.2, reduction="sum"), "classes"),
    "probabilities": (cr.nn.CrossEntropyLoss(weight=[1, 2, 3, 4], label_smoothing=0.1), "probabilities"),
    "squares": (cr.nn.MSELoss(), "numbers"),
    "half the sum": (cr.nn.MSELoss(convention="half_sum"), "numbers"),
    "distance": (cr.nn.L1Loss(), "numbers"),
    "huber": (cr.nn.HuberLoss(delta=0.5), "numbers"),
    "binary": (cr.nn.BCEWithLogitsLoss(pos_weight=2.0), "shares"),
    "hinge": (cr.nn.HingeLoss(), "sides"),
    "a function": (lambda out, y: ((out - y) ** 2).mean() + 0.01 * cr.abs(out).sum(), "numbers"),
}


def net(*between, dtype=float):
    return cr.nn.Sequential(
        cr.nn.Linear(5, 6, rng=0, dtype=dtype), *between, cr.nn.Tanh(), cr.nn.Linear(6, 4, rng=1, dtype=dtype)
    )


def targets(kind, rng, n):
    numbers = rng.normal(size=(n, 4))
    shares = np.exp(numbers) / np.exp(numbers).sum(axis=1, keepdims=True)
    return {
        "classes": rng.integers(0, 4, n),
        "probabilities": shares,
        "numbers": numbers,
        "shares": shares.round(),
        "sides": np.sign(numbers),
    }[kind]


def eager(model, loss, optimizer, x, y, weight=None, clip=None):
    out = model(cr.Tensor(x))
    value = loss(out, y) if weight is None else loss(out, y, sample_weight=weight)
    optimizer.zero_grad()
    value.backward()
    if clip is not None:
        cr.optim.clip_grad_norm_(optimizer.params, clip)
    optimizer.step()
    return value.item()


def apart(model, other):
    """How far the numbers of two models of one kind are from each other, gradients too."""

    def numbers(m):
        held = [*m.parameters(), *[x for _, x in m.named_buffers()], *[x.grad for x in m.parameters()]]
        return [x.data for x in held]

    return max(float(np.abs(a - b).max()) for a, b in zip(numbers(model), numbers(other), strict=True))


def pair(make, optimizer):
    models = make(), make()
    return models, [optimizer(m.parameters()) for m in models]


@pytest.mark.parametrize("clip", [None, 0.2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_moves_as_eagerly(name, clip):
    (model, other), (optimizer, same) = pair(net, OPTIMIZERS[name])
    loss, rng = cr.nn.CrossEntropyLoss(), np.random.default_rng(0)
    step = cr.compile(other, loss=loss, optimizer=same, clip_norm=clip)
    x, y = rng.normal(size=(40, 5)), rng.integers(0, 4, 40)
    for i in range(4):
        for group, twin in zip(optimizer.param_groups, same.param_groups, strict=True):
            group["lr"] = twin["lr"] = 0.05 / (i + 1)  # an argument of the program: nothing is traced again
        rows = rng.permutation(40)[:8]
        before = eager(model, loss, optimizer, x[rows], y[rows], clip=clip)
        assert step(x[rows], y[rows]) == pytest.approx(before, abs=CLOSE)
    many = np.stack([rng.permutation(40)[:8] for _ in range(6)])
    losses = [eager(model, loss, optimizer, x[rows], y[rows], clip=clip) for rows in many]
    np.testing.assert_allclose(step.scan(x, y, many), losses, atol=CLOSE)
    assert apart(model, other) < CLOSE
    assert step.traced == 2  # once for a batch, once for rows
    for memory, twin in zip(optimizer.memory, same.memory, strict=True):
        assert memory.keys() == twin.keys()
        for kept in memory:
            np.testing.assert_allclose(memory[kept], twin[kept], atol=CLOSE)
            assert type(memory[kept]) is type(twin[kept])


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name, weighed):
    loss, kind = LOSSES[name]
    if weighed and not isinstance(loss, cr.nn.Loss):
        pytest.skip("it takes no weights")
    (model, other), (optimizer, same) = pair(net, OPTIMIZERS["momentum"])
    rng = np.random.default_rng(1)
    x, y, weight = rng.normal(size=(9, 5)), targets(kind, rng, 9), rng.random(9) if weighed else None
    step = cr.compile(other, loss=loss, optimizer=same)
    for _ in range(4):
        assert step(x, y, weight) == pytest.approx(eager(model, loss, optimizer, x, y, weight), abs=CLOSE)
    assert apart(model, other) < CLOSE


BETWEEN = {
    "dropout": lambda: [cr.nn.Dropout(0.5, rng=3), cr.nn.Dropout(0.2, rng=4)],
    "one generator for two": lambda: [
        cr.nn.Dropout(p, rng=rng) for rng in [np.random.default_rng(5)] for p in (0.5, 0.2)
    ],
    "batch norm": lambda: [cr.nn.BatchNorm1d(6, dtype=float)],
    "plain averages": lambda: [cr.nn.BatchNorm1d(6, dtype=float, momentum=None)],
    "layer norm": lambda: [cr.nn.LayerNorm(6, dtype=float)],
    "group norm": lambda: [cr.nn.GroupNorm(2, 6, dtype=float)],
    "gelu": lambda: [cr.nn.GELU()],
}


@pytest.mark.parametrize("name", BETWEEN)
def test_running_numbers_and_generators_go_on_as_eagerly(name):
    (model, other), (optimizer, same) = pair(lambda: net(*BETWEEN[name]()), OPTIMIZERS["momentum"])
    rng, loss = np.random.default_rng(2), cr.nn.MSELoss()
    x, y = rng.normal(size=(30, 5)), rng.normal(size=(30, 4))
    step = cr.compile(other, loss=loss, optimizer=same)
    many = np.stack([rng.permutation(30)[:7] for _ in range(5)])
    for _ in range(2):
        losses = [eager(model, loss, optimizer, x[rows], y[rows]) for rows in many]
        np.testing.assert_allclose(step.scan(x, y, many), losses, atol=CLOSE)
        assert step(x[:7], y[:7]) == pytest.approx(eager(model, loss, optimizer, x[:7], y[:7]), abs=CLOSE)
    assert apart(model, other) < CLOSE
    for one, two in zip(model, other, strict=True):
        if isinstance(one, cr.nn.Dropout):
            assert one.rng.bit_generator.state == two.rng.bit_generator.state
        if isinstance(one, cr.nn.BatchNorm1d):
            assert two.num_batches_tracked.item() == 12
            assert two.num_batches_tracked.dtype.kind == "i"


@settings(max_examples=12, deadline=None)
@given(
    widths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    activation=st.sampled_from([cr.nn.ReLU, cr.nn.Tanh, cr.nn.Sigmoid, cr.nn.SiLU, cr.nn.ELU]),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    loss=st.sampled_from(sorted(set(LOSSES) - {"a function"})),
    batch=st.integers(2, 9),
    seed=st.integers(0, 99),
)
def test_random_nets_take_the_eager_step(widths, activation, optimizer, loss, batch, seed):
    sizes = [3, *widths, 4]
    layers = []
    for i, (taken, made) in enumerate(pairwise(sizes)):
        layers += [cr.nn.Linear(taken, made, rng=seed + i, dtype=float), activation()]
    model = cr.nn.Sequential(*layers[:-1])
    other = copy.deepcopy(model)
    rng, (how, kind) = np.random.default_rng(seed), LOSSES[loss]
    x, y = rng.normal(size=(batch, 3)), targets(kind, rng, batch)
    first, second = [OPTIMIZERS[optimizer](m.parameters()) for m in (model, other)]
    step = cr.compile(other, loss=how, optimizer=second)
    for _ in range(2):
        before = eager(model, how, first, x, y)
        assert step(x, y) == pytest.approx(before, abs=1e-10, nan_ok=True)
    # One step from equal weights: later ones carry what rounding has become in a quotient by a small root.
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(one.data, two.data, atol=1e-9, equal_nan=True)


def test_numpy_runs_the_same_program():
    (model, other), (optimizer, same) = pair(net, OPTIMIZERS["adam"])
    loss, rng = cr.nn.CrossEntropyLoss(), np.random.default_rng(3)
    x, y = rng.normal(size=(8, 5)), rng.integers(0, 4, 8)
    step = cr.compile(other, loss=loss, optimizer=same, target="numpy")
    rows = np.stack([rng.permutation(8) for _ in range(3)])
    for _ in range(3):
        assert step(x, y) == pytest.approx(eager(model, loss, optimizer, x, y), abs=CLOSE)
    np.testing.assert_allclose(
        step.scan(x, y, rows), [eager(model, loss, optimizer, x[r], y[r]) for r in rows], atol=CLOSE
    )
    assert apart(model, other) < CLOSE
    assert "through NumPy" in step.explain()


def test_single_precision_stays_single():
    model = net(dtype=np.float32)
    step = cr.compile(model, loss=cr.nn.CrossEntropyLoss(), optimizer=cr.optim.Adam(model.parameters()))
    x, y = np.ones((3, 5)), np.array([0, 1, 2])
    losses = [step(x, y) for _ in range(5)]
    assert losses[-1] < losses[0]
    assert {p.data.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    assert all([kept.dtype == np.float32 for m in step.made_of.optimizer.memory for kept in (m["mean"], m["square"])])


def test_state_stays_where_it_is():
    model = net()
    optimizer = cr.optim.Adam(model.parameters(), lr=0.01)
    step = cr.compile(model, loss=cr.nn.MSELoss(), optimizer=optimizer)
    x, y = np.ones((3, 5)), np.zeros((3, 4))
    step(x, y)
    arrays = [p.data for p in model.parameters()] + [m["mean"] for m in optimizer.memory]
    gradients = [p.grad.data for p in model.parameters()]
    kept = [g.copy() for g in gradients]
    saved = optimizer.state_dict(), model.state_dict()
    losses = [step(x, y) for _ in range(3)]
    after = [p.data for p in model.parameters()] + [m["mean"] for m in optimizer.memory]
    assert all([a is b for a, b in zip(arrays, after, strict=True)])
    for before, array in zip(kept, gradients, strict=True):  # an older gradient is not written over
        np.testing.assert_array_equal(before, array)
    optimizer.load_state_dict(saved[0])
    model.load_state_dict(saved[1])
    assert [step(x, y) for _ in range(3)] == losses
    np.testing.assert_array_equal(x, np.ones((3, 5)))


def test_other_shapes_are_traced_again_and_told():
    model = net()
    step = cr.compile(model, loss=cr.nn.MSELoss(), optimizer=cr.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(GraphError, match="not called yet"):
        step.source()
    for n in (3, 4, 3):
        for _ in range(2):
            step(np.ones((n, 5)), np.zeros((n, 4)))
    told = step.explain()
    assert "traced 2 times" in told
    assert "x (3, 5) float64" in told
    assert "x (4, 5) float64" in told
    assert "written in place" in told


def test_what_modules_hold_is_looked_at():
    model = net(cr.nn.Dropout(0.5, rng=0))
    (other, _), (optimizer, same) = pair(lambda: net(cr.nn.Dropout(0.5, rng=0)), OPTIMIZERS["sgd"])
    same = cr.optim.SGD(model.parameters(), lr=0.1)
    loss, x, y = cr.nn.MSELoss(), np.ones((3, 5)), np.zeros((3, 4))
    step = cr.compile(model, loss=loss, optimizer=same)

    def both():
        assert step(x, y) == pytest.approx(eager(other, loss, optimizer, x, y), abs=CLOSE)

    both(), both()
    for net_ in (model, other):
        net_[1].p = 0.25
    both(), both()
    for net_ in (model, other):
        net_.eval()
    both(), both()
    for net_ in (model, other):
        net_[0].requires_grad = False
        net_[0].weight.requires_grad_(False)
    both(), both()


def test_names_of_parameters_do_not_meet_those_of_the_optimizer():
    class Sums(cr.nn.Module):
        def __init__(self):
            self.lr = cr.nn.Parameter(np.array([0.5, 0.25]))
            self.betas = cr.nn.Parameter(np.array([1.0, 2.0]))
            self.steps = cr.nn.Parameter(np.array([3.0, -1.0]))
            self.loss = cr.nn.Parameter(np.array([0.1, 0.2]))

        def forward(self, x):
            return x * self.lr + self.betas - self.steps * self.loss

    (model, other), (optimizer, same) = pair(Sums, OPTIMIZERS["adam"])
    x, y, loss = np.array([[1.0, 2.0], [3.0, 5.0]]), np.zeros((2, 2)), cr.nn.MSELoss()
    step = cr.compile(other, loss=loss, optimizer=same)
    for _ in range(3):
        assert step(x, y) == pytest.approx(eager(model, loss, optimizer, x, y), abs=CLOSE)
    assert apart(model, other) < CLOSE
    module = {}
    exec(step.source(), module)  # text that this package wrote
    names = step.source().split("def step(")[1].split(")")[0].replace("\n", "").replace(" ", "").strip(",").split(",")
    assert len(names) == len(set(names))


def test_source_runs_alone_and_gives_the_step():
    model = net()
    optimizer = cr.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = cr.compile(model, loss=cr.nn.MSELoss(), optimizer=optimizer)
    x, y = np.linspace(0, 1, 15).reshape(3, 5), np.zeros((3, 4))
    step(x, y)
    weights = [p.data.copy() for p in model.parameters()]
    moved = [m["velocity"].copy() for m in optimizer.memory]
    module = {}
    exec(step.source(), module)  # text that this package wrote
    loss, *state = module["step"](*weights, *moved, 0.1, 0.9, x, y)
    assert step(x, y) == pytest.approx(float(loss), abs=CLOSE)
    for parameter, new in zip(model.parameters(), state, strict=False):
        np.testing.assert_allclose(parameter.data, new, atol=CLOSE)
    assert "# backward" in step.source()
    assert "∂loss/∂net_0_weight" in step.source()
    assert "workspace" in step.source(planned=True)
    assert "// ∂loss/∂net_0_weight = " in step.source("c")
    assert 'const results = ["loss", "new_net_0_weight"' in step.source("javascript")


def test_settings_of_several_numbers_are_told_apart():
    model = net()
    step = cr.compile(model, loss=cr.nn.MSELoss(), optimizer=cr.optim.Adam(model.parameters()))
    step(np.ones((3, 5)), np.zeros((3, 4)))
    assert "    new_net_0_weight_mean = net_0_weight_mean * betas_1 + " in step.source()


def test_an_optimizer_of_ones_own_is_compiled():
    class Signs(cr.optim.Optimizer):
        def move(self, data, gradient, memory, work, settings):
            last = memory.setdefault("last", np.zeros_like(data))
            np.sign(gradient, work)
            work += 0.5 * last
            memory["last"] = work.copy()
            np.multiply(work, settings["lr"], work)
            np.subtract(data, work, data)

    (model, other), (optimizer, same) = pair(net, lambda p: Signs(p, lr=0.01))
    x, y, loss = np.ones((2, 5)), np.zeros((2, 4)), cr.nn.MSELoss()
    step = cr.compile(other, loss=loss, optimizer=same)
    for _ in range(4):
        assert step(x, y) == pytest.approx(eager(model, loss, optimizer, x, y), abs=CLOSE)
    assert apart(model, other) < CLOSE


def test_several_inputs_and_parameters_of_the_loss():
    class Pairs(cr.nn.Module):
        def __init__(self):
            self.left, self.right = [cr.nn.Linear(2, 3, rng=i, dtype=float) for i in range(2)]

        def forward(self, a, b):
            return self.left(a) * self.right(b)

    class Scaled(cr.nn.Module):
        def __init__(self):
            self.scale = cr.nn.Parameter(np.array(2.0))

        def forward(self, out, target):
            return cr.mean((self.scale * out - target["t"]) ** 2)

    ends = []
    for compiled in (False, True):
        model, loss = Pairs(), Scaled()
        optimizer = cr.optim.Adam([*model.parameters(), *loss.parameters()], lr=0.01)
        step = cr.compile(model, loss=loss, optimizer=optimizer)
        x, y = (np.ones((4, 2)), np.full((4, 2), 0.5)), {"t": np.zeros((4, 3))}
        for _ in range(4):
            step(x, y) if compiled else step.eager(x, y, None)
        ends.append([p.data.copy() for p in optimizer.params])
    for one, two in zip(*ends, strict=True):
        np.testing.assert_allclose(one, two, atol=CLOSE)


def test_what_cannot_be_a_program_says_why():
    model = net()

    def made(model=model, loss=None, optimizer=None):
        step = cr.compile(
            model, loss=loss or cr.nn.MSELoss(), optimizer=optimizer or cr.optim.SGD(model.parameters(), lr=0.1)
        )
        step(np.ones((3, 5)), np.zeros((3, 4)))
        return step

    with pytest.raises(GraphError, match="a branch depends on the data"):
        made(loss=lambda out, y: out.mean() if out.sum() > 0 else -out.mean())
    draws = np.random.default_rng(0)
    with pytest.raises(GraphError, match="other numbers"):
        made(loss=lambda out, y: (out * draws.normal(size=out.shape)).mean())
    handle = model[0].register_forward_hook(lambda module, inputs, out: None)
    with pytest.raises(GraphError, match="0 has hooks"):
        made()
    handle.remove()
    handle = model[0].weight.register_hook(lambda g: g)
    with pytest.raises(GraphError, match=r"0\.weight has hooks"):
        made()
    handle.remove()

    class Keeps(cr.nn.Module):
        def __init__(self):
            self.inner, self.seen = net(), None

        def forward(self, x):
            self.seen = self.inner(x)
            return self.seen

    keeper = Keeps()
    with pytest.raises(GraphError, match="Keeps changes its seen"):
        made(keeper)
    assert not hasattr(keeper.seen, "step")  # nothing traced is left in it
    stray = cr.Tensor(np.ones(4), requires_grad=True)
    with pytest.raises(GraphError, match="no parameter of the model"):
        made(loss=lambda out, y: (out * stray).mean(), optimizer=cr.optim.SGD([*model.parameters(), stray], lr=0.1))
    made()  # and the model is as good as before


def test_bad_arguments():
    model = net()
    optimizer = cr.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(DtypeError, match="both loss= and optimizer="):
        cr.compile(model, loss=cr.nn.MSELoss())
    with pytest.raises(DtypeError, match=r"without a name, .* got a MSELoss behind it: .* cr\.compile\(net, loss="):
        cr.compile(model, cr.nn.MSELoss(), optimizer)
    with pytest.raises(DtypeError, match="takes a module"):
        cr.compile(lambda x: x, loss=cr.nn.MSELoss(), optimizer=optimizer)
    with pytest.raises(DtypeError, match="takes an optimizer"):
        cr.compile(model, loss=cr.nn.MSELoss(), optimizer="adam")
    with pytest.raises(DtypeError, match="runs on"):
        cr.compile(model, loss=cr.nn.MSELoss(), optimizer=optimizer, target="cuda")
    step = cr.compile(model, loss=cr.nn.CrossEntropyLoss(), optimizer=optimizer)
    for rows in ([[0, 3]], [[-1, 0]], [], [0, 1]):
        with pytest.raises(ShapeError, match=r"scan takes (places of examples, from 0 to 2|rows of shape)"):
            step.scan(np.ones((3, 5)), np.array([0, 1, 2]), rows)


@pytest.mark.parametrize(
    ("loss", "good", "bad"),
    [
        (cr.nn.CrossEntropyLoss(), [0, 1, 2], [0, 1, 4]),
        (cr.nn.CrossEntropyLoss(), [0, 1, 2], [0, -1, 2]),
        (cr.nn.CrossEntropyLoss(weight=[1, 2, 3, 4]), [0, 1, 2], [0, 1, 4]),
        (cr.nn.CrossEntropyLoss(ignore_index=2), [0, 1, 2], [0, -2, 2]),
        (cr.nn.BCEWithLogitsLoss(), np.zeros((3, 4)), np.full((3, 4), 1.5)),
        (cr.nn.HingeLoss(), np.ones((3, 4)), np.zeros((3, 4))),
        (cr.nn.BCELoss(), np.zeros((3, 4)), np.full((3, 4), -0.5)),
    ],
)
def test_targets_that_a_loss_refuses_change_nothing(loss, good, bad):
    model = cr.nn.Sequential(*net(), cr.nn.Sigmoid())
    optimizer = cr.optim.Adam(model.parameters(), lr=0.01)
    step = cr.compile(model, loss=loss, optimizer=optimizer)
    x, good, bad = np.linspace(0, 1, 15).reshape(3, 5), np.array(good), np.array(bad)
    step(x, good), step(x, good)
    before = [p.data.copy() for p in model.parameters()], optimizer.state_dict()
    with pytest.raises(ChainruleError) as eagerly:
        loss(model(cr.Tensor(x)), bad)
    with pytest.raises(type(eagerly.value)) as compiled:
        step(x, bad)
    assert str(compiled.value) == str(eagerly.value)
    both = np.concatenate([good, bad])
    rows = np.array([[0, 1, 2], [3, 4, 5], [0, 1, 2]])
    with pytest.raises(type(eagerly.value)):
        step.scan(np.concatenate([x, x]), both, rows)
    after = optimizer.state_dict()
    assert after["state"][0]["steps"] == before[1]["state"][0]["steps"] + 1  # the step before the refused one
    assert all([np.isfinite(p.data).all() for p in model.parameters()])


@pytest.mark.parametrize("bad", [np.array([0, 1, 7, 0]), np.array([0, 1, 2])], ids=["a class", "a shape"])
@pytest.mark.parametrize("steps", [0, 2])
def test_a_refused_batch_moves_no_running_statistic_and_no_generator(bad, steps):
    drop = cr.nn.Dropout(0.5, rng=0)
    model = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0, dtype=float), cr.nn.BatchNorm1d(3, dtype=float), drop)
    step = cr.compile(model, loss=cr.nn.CrossEntropyLoss(), optimizer=cr.optim.SGD(model.parameters(), lr=0.1))
    x = np.arange(8.0).reshape(4, 2)
    for _ in range(steps):
        step(x, np.array([0, 1, 2, 0]))
    before = {name: np.array(held) for name, held in model.state_dict().items()}
    drawn = drop.rng.bit_generator.state
    with pytest.raises(ShapeError):
        step(x, bad)
    for name, held in model.state_dict().items():
        np.testing.assert_array_equal(held, before[name], name)
    assert drop.rng.bit_generator.state == drawn


@pytest.mark.parametrize("rows", [[[0.5, 1.0]], [[True, False]], [["0", "1"]]])
def test_a_scan_takes_whole_numbers(rows):
    model = cr.nn.Linear(2, 3, rng=0, dtype=float)
    step = cr.compile(model, loss=cr.nn.CrossEntropyLoss(), optimizer=cr.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(DtypeError, match="rows of whole numbers"):
        step.scan(np.ones((3, 2)), np.array([0, 1, 2]), rows)


def test_rows_that_count_for_nothing():
    loss = cr.nn.CrossEntropyLoss()
    (model, other), (optimizer, same) = pair(net, OPTIMIZERS["sgd"])
    step = cr.compile(other, loss=loss, optimizer=same)
    x, y = np.linspace(0, 1, 15).reshape(3, 5), np.array([0, 1, 2])
    for labels in (y, y, np.array([0, -100, 2]), y):
        assert step(x, labels) == pytest.approx(eager(model, loss, optimizer, x, labels), abs=CLOSE)
    assert apart(model, other) < CLOSE


def test_anomalies_are_looked_for_by_the_engine():
    model = cr.nn.Linear(1, 1, rng=0, dtype=float)
    step = cr.compile(
        model, loss=lambda out, y: cr.log(out - out).mean(), optimizer=cr.optim.SGD(model.parameters(), lr=0.1)
    )
    x, y = np.ones((2, 1)), np.ones((2, 1))
    step(x, y), step(x, y)
    with cr.detect_anomaly(), pytest.raises(cr.errors.AnomalyError, match="log"):
        step(x, y)


def test_two_threads_train_their_own_models():
    ends = {}

    def train(seed):
        model = net()
        step = cr.compile(model, loss=cr.nn.MSELoss(), optimizer=cr.optim.Adam(model.parameters(), lr=0.01))
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(16, 5)), rng.normal(size=(16, 4))
        for _ in range(60):
            step(x, y)
        step.scan(x, y, np.arange(16).reshape(2, 8).repeat(20, axis=0))
        ends.setdefault(seed, []).append([p.data.copy() for p in model.parameters()])

    for _ in range(2):
        threads = [threading.Thread(target=train, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for one, two in ends.values():
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.fixture
def impatient_threads():
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("impatient_threads")
def test_threads_that_share_a_step_lose_none():
    x, y = np.random.default_rng(0).normal(size=(16, 5)), np.ones((16, 4))
    ends = []
    for count in (1, 4):
        model = net()
        step = cr.compile(model, loss=cr.nn.MSELoss(), optimizer=cr.optim.Adam(model.parameters(), lr=0.001))
        step(x, y)
        threads = [
            threading.Thread(target=lambda step=step, n=800 // count: [step(x, y) for _ in range(n)])
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ends.append([p.data.copy() for p in model.parameters()])
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_program_is_not_written_over_where_its_plan_reads_later():
    class Twice(cr.nn.Module):
        def __init__(self):
            self.w = cr.nn.Parameter(np.eye(3) * 0.5)

        def forward(self, x):
            return cr.tanh(x @ self.w) @ self.w

    (model, other), (optimizer, same) = pair(Twice, OPTIMIZERS["nesterov"])
    x, y, loss = np.linspace(0, 1, 12).reshape(4, 3), np.zeros((4, 3)), cr.nn.MSELoss()
    step = cr.compile(other, loss=loss, optimizer=same)
    for _ in range(3):
        assert step(x, y) == pytest.approx(eager(model, loss, optimizer, x, y), abs=CLOSE)
    kept = {key: program._replace(in_place=False) for key, program in step.programs.items()}
    step.programs.update(kept)  # and the way by which new numbers are copied back
    for _ in range(3):
        assert step(x, y) == pytest.approx(eager(model, loss, optimizer, x, y), abs=CLOSE)
    assert apart(model, other) < CLOSE

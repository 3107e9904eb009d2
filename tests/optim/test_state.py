"""Saved optimizers: a resumed run is the run that never stopped, and what does not fit is named."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import ChainruleError, DtypeError

KINDS = [
    (optim.SGD, {}),
    (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (optim.Adam, {}),
    (optim.AdamW, {"weight_decay": 0.1}),
    (optim.Adagrad, {"lr_decay": 0.1}),
    (optim.RMSprop, {}),
    (optim.RMSprop, {"momentum": 0.5, "centered": True}),
]
START = {"a": np.array([[1.0, -2.0], [0.5, 3.0]], np.float32), "b": np.array(0.25)}


def made(kind, settings):
    """An optimizer of a matrix and a number, in two groups, and these parameters."""
    params = [cr.Tensor(start, requires_grad=True) for start in START.values()]
    return kind([{"params": params[:1]}, {"params": params[1:], "lr": 0.02}], lr=0.1, **settings), params


def train(optimizer, params, steps):
    """Some steps on the same quartic."""
    for _ in range(steps):
        optimizer.zero_grad()
        for p in params:
            (p**4 - p).sum().backward()
        optimizer.step()


def through_json(state):
    """What a checkpoint does: arrays aside, all else as text."""
    arrays = {}

    def put_aside(array):
        arrays[str(len(arrays))] = array
        return {"array": str(len(arrays) - 1)}

    return json.loads(
        json.dumps(state, default=put_aside), object_hook=lambda d: arrays[d["array"]] if "array" in d else d
    )


def run(kind, settings, stop_after):
    """Seven steps, the rate of one group halved in between; perhaps with a stop, after which others go on."""
    optimizer, params = made(kind, settings)
    for step in range(7):
        if step == stop_after:
            state = through_json(optimizer.state_dict())
            stopped = params
            optimizer, params = made(kind, {})
            optimizer.load_state_dict(state)
            for p, q in zip(params, stopped, strict=True):
                p.data = q.data
        if step == 2:
            optimizer.param_groups[0]["lr"] = 0.05
        train(optimizer, params, 1)
    return optimizer, params


@pytest.mark.parametrize("stop_after", [0, 1, 4])
@pytest.mark.parametrize(("kind", "settings"), KINDS, ids=str)
def test_a_resumed_run_has_the_same_bits(kind, settings, stop_after):
    whole, expected = run(kind, settings, None)
    resumed, params = run(kind, settings, stop_after)
    for p, q in zip(params, expected, strict=True):
        assert p.dtype == q.dtype
        np.testing.assert_array_equal(p.data, q.data)
    assert json.dumps(plain(resumed.state_dict())) == json.dumps(plain(whole.state_dict()))


def plain(state):
    """The state with its arrays as lists."""
    return json.loads(json.dumps(state, default=np.ndarray.tolist))


def test_what_is_kept_is_what_the_optimizer_says():
    for kind, settings in KINDS:
        optimizer, params = made(kind, settings)
        assert optimizer.state_dict()["state"] == [{}, {}]
        train(optimizer, params, 1)
        for group, memory in zip(optimizer.param_groups, optimizer.state_dict()["state"], strict=True):
            assert set(memory) == set(optimizer.kept(group))


def test_a_state_is_a_copy_both_ways():
    optimizer, params = made(optim.Adam, {})
    train(optimizer, params, 1)
    state = optimizer.state_dict()
    before = plain(state)
    train(optimizer, params, 1)
    assert plain(state) == before
    optimizer.load_state_dict(state)
    train(optimizer, params, 1)
    assert plain(state) == before


def test_a_parameter_without_a_step_has_no_memory_after_loading_either():
    optimizer, params = made(optim.Adam, {})
    train(optimizer, params[:1], 1)
    other, _ = made(optim.Adam, {})
    other.load_state_dict(optimizer.state_dict())
    assert sorted(other.memory[0]) == ["mean", "square", "steps"]
    assert other.memory[1] == {}


def changed(path, new):
    """The state of an Adam after a step, with one place in it replaced, or taken out."""
    optimizer, params = made(optim.Adam, {})
    train(optimizer, params, 1)
    state = place = optimizer.state_dict()
    for key in path[:-1]:
        place = place[key]
    if new is None:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return state


@pytest.mark.parametrize(
    ("path", "new", "error", "message"),
    [
        (["state"], None, ChainruleError, "has the parts state and param_groups, not param_groups"),
        (["state", 1], None, ChainruleError, "the memory of 1 parameters, and this one moves 2"),
        (["state", 0, "mean"], None, ChainruleError, "parameter 0 lacks mean"),
        (["state", 0, "mean"], np.ones(3), ChainruleError, r"mean of parameter 0 has shape \(3,\), not \(2, 2\)"),
        (["state", 1, "steps"], np.ones(3), ChainruleError, r"steps of parameter 1 has shape \(3,\), not \(\)"),
        (["state", 1, "steps"], -1, ChainruleError, "steps of parameter 1 is a count, not -1"),
        (["state", 1, "steps"], 0.5, ChainruleError, "steps of parameter 1 is a count, not 0.5"),
        (["state", 1, "steps"], 10**400, ChainruleError, "steps of parameter 1 is a count, not 10"),
        (["param_groups", 0, "eps"], 10**400, DtypeError, "eps is a number, not 10"),
        (["param_groups", 1], None, ChainruleError, "1 groups of parameters, and this one 2"),
        (["param_groups", 0, "eps"], None, ChainruleError, "group 0 lacks eps"),
        (["param_groups", 1, "momentum"], 0.5, ChainruleError, "group 1 has an unknown momentum"),
        (["param_groups", 1, "params"], [1, 2], ChainruleError, r"group 1 has the parameters \[1, 2\], and .* \[1\]"),
        (["param_groups", 0, "betas"], [2.0, 0.5], ValueError, "betas are two numbers"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(path, new, error, message):
    optimizer, params = made(optim.Adam, {})
    train(optimizer, params, 2)
    before = plain(optimizer.state_dict())
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(changed(path, new))
    assert plain(optimizer.state_dict()) == before


def test_another_optimizer_names_every_difference():
    optimizer, _ = made(optim.SGD, {})
    with pytest.raises(ChainruleError, match=r"does not fit this Adam: group 0 lacks betas; group 0 lacks eps; .*nest"):
        made(optim.Adam, {})[0].load_state_dict(optimizer.state_dict())


def test_an_optimizer_of_ones_own_is_saved_too():
    class Slow(optim.Optimizer):
        def move(self, data, gradient, memory, work, settings):
            memory["rows"] = memory.get("rows", 0.0) + gradient.sum(-1)
            data -= settings["lr"] * memory["rows"][..., None]

    def train_slow(optimizer, w):
        w.grad = cr.Tensor(w.data)
        optimizer.step()

    w = cr.Tensor(START["a"], requires_grad=True)
    whole = Slow([w], lr=0.1)
    train_slow(whole, w)
    v = cr.Tensor(w.data, requires_grad=True)
    other = Slow([v], lr=0.2)
    other.load_state_dict(whole.state_dict())
    train_slow(whole, w)
    train_slow(other, v)
    np.testing.assert_array_equal(v.data, w.data)

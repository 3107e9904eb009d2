"""Schedules: PyTorch's rates over many epochs, resumed to the last bit, and clear refusals."""

import json
import math

import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import ChainruleError, DtypeError
from chainrule.optim import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR, StepLR


def made(rates=(0.1, 0.03)):
    return optim.SGD([{"params": [cr.Tensor([1.0], requires_grad=True)], "lr": rate} for rate in rates], lr=1.0)


def joined(kinds, optimizer):
    return kinds.SequentialLR(
        optimizer,
        [
            kinds.LinearLR(optimizer, start_factor=0.1, total_iters=7),
            kinds.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.001),
            kinds.StepLR(optimizer, step_size=9, gamma=0.5),
        ],
        milestones=[7, 40],
    )


SCHEDULES = {
    "step": lambda kinds, optimizer: kinds.StepLR(optimizer, step_size=7),
    "step 1": lambda kinds, optimizer: kinds.StepLR(optimizer, step_size=1, gamma=0.9),
    "cosine": lambda kinds, optimizer: kinds.CosineAnnealingLR(optimizer, T_max=100),
    "cosine there and back": lambda kinds, optimizer: kinds.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01),
    "warm-up": lambda kinds, optimizer: kinds.LinearLR(optimizer),
    "decay": lambda kinds, optimizer: kinds.LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=50),
    "joined": joined,
    "exponential": lambda kinds, optimizer: kinds.ExponentialLR(optimizer, gamma=0.95),
    "steps at epochs": lambda kinds, optimizer: kinds.MultiStepLR(optimizer, [30, 5, 5, 60], gamma=0.5),
    "a function": lambda kinds, optimizer: kinds.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch)),
    "functions": lambda kinds, optimizer: kinds.LambdaLR(optimizer, [lambda epoch: 0.9**epoch, lambda epoch: 2.0]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_hundred_epochs_agree_with_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mine = made()
    groups = [{"params": [torch.ones(1, requires_grad=True)], "lr": group["lr"]} for group in mine.param_groups]
    yours = torch.optim.SGD(groups, lr=1.0)
    ours, theirs = SCHEDULES[name](optim.lr_scheduler, mine), SCHEDULES[name](torch.optim.lr_scheduler, yours)
    for _ in range(100):
        # PyTorch goes from rate to rate and gathers rounding; here each comes from the epoch alone.
        assert ours.get_last_lr() == pytest.approx([group["lr"] for group in yours.param_groups], rel=1e-12, abs=1e-13)
        mine.step()
        yours.step()
        ours.step()
        theirs.step()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("stop_after", [0, 5, 30])
def test_a_resumed_schedule_has_the_same_rates(name, stop_after):
    whole = SCHEDULES[name](optim, made())
    optimizer = made()
    schedule = SCHEDULES[name](optim, optimizer)
    for _ in range(stop_after):
        whole.step()
        schedule.step()
    saved = json.loads(json.dumps([optimizer.state_dict(), schedule.state_dict()]))
    # The new program may make its schedule before or after the optimizer's rates come back.
    for schedule_first in (False, True):
        again = made()
        resumed = SCHEDULES[name](optim, again) if schedule_first else None
        again.load_state_dict(saved[0])
        resumed = resumed or SCHEDULES[name](optim, again)
        resumed.load_state_dict(saved[1])
        assert resumed.get_last_lr() == whole.get_last_lr()
        for _ in range(20):
            resumed.step()
        assert resumed.get_last_lr() == [
            whole.rate_of(i, group["initial_lr"], stop_after + 20) for i, group in enumerate(again.param_groups)
        ]


def test_the_formulas():
    optimizer = made((0.4,))
    cosine = CosineAnnealingLR(optimizer, T_max=6, eta_min=0.1)
    assert [cosine.rate(0.4, epoch) for epoch in (0, 2, 3, 6)] == pytest.approx([0.4, 0.325, 0.25, 0.1], rel=1e-15)
    assert StepLR(optimizer, step_size=3).rate(0.4, 8) == pytest.approx(0.004, rel=1e-15)
    assert LinearLR(optimizer, total_iters=4).rate(0.9, 2) == pytest.approx(0.6, rel=1e-15)
    assert math.isclose(optimizer.lr, 0.4 / 3)


def test_a_second_schedule_begins_with_what_the_first_has_set():
    optimizer = made((0.4,))
    LinearLR(optimizer, start_factor=0.5)
    assert optimizer.lr == 0.2
    StepLR(optimizer, step_size=1)
    assert optimizer.lr == 0.2
    SequentialLR(optimizer, [StepLR(optimizer, 1), StepLR(optimizer, 2)], [3])
    assert optimizer.lr == 0.4


SOME = ("step", "cosine there and back", "warm-up", "decay", "exponential", "steps at epochs", "functions")
PAIRS = [(one, other) for one in SOME for other in SOME]


def run_both(make, epochs=60, rates=(0.1, 0.03), kind="SGD", **settings):
    """Rates, and momenta where there are some, of schedules made alike in both packages, epoch by epoch."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mine = [{"params": [cr.Tensor([1.0], requires_grad=True)], "lr": rate} for rate in rates]
    yours = [{"params": [torch.ones(1, requires_grad=True)], "lr": rate} for rate in rates]
    found = []
    for package, kinds, groups in ((optim, optim, mine), (torch.optim, torch.optim.lr_scheduler, yours)):
        optimizer = getattr(package, kind)(groups, lr=1.0, **settings)
        schedules, seen = make(kinds, optimizer), []
        for epoch in range(epochs):
            for group in optimizer.param_groups:
                seen += [group["lr"], group.get("momentum", 0), *group.get("betas", ())]
            optimizer.step()
            for schedule in schedules:
                schedule.step(*([LOSSES[epoch % len(LOSSES)]] if "Plateau" in type(schedule).__name__ else []))
        found.append(seen)
    assert found[0] == pytest.approx(found[1], rel=1e-11, abs=1e-13)


LOSSES = [3.0, 2.0, 1.0, 1.00001, 0.99999, 0.9999, float("nan"), 1.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.6]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_schedules_of_one_optimizer_agree_with_pytorch(one, other):
    # Near an end at rate 0 PyTorch's factors are quotients of rounding.
    run_both(lambda kinds, o: [SCHEDULES[one](kinds, o), SCHEDULES[other](kinds, o)], epochs=18)


def test_chained_schedules_agree_with_pytorch():
    def chained(kinds, optimizer):
        parts = [kinds.LinearLR(optimizer, 0.1, total_iters=9), kinds.ExponentialLR(optimizer, 0.9)]
        return [kinds.ChainedScheduler([*parts, kinds.MultiStepLR(optimizer, [3, 8], 0.5)])]

    run_both(chained)
    assert len(chained(optim, made())[0].schedulers) == 3


def test_a_rate_that_the_program_changes_is_gone_on_from_as_in_pytorch():
    def changed(kinds, optimizer):
        schedule = kinds.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.01)
        for epoch in range(9):
            optimizer.step()
            schedule.step()
            if epoch == 4:
                for group in optimizer.param_groups:
                    group["lr"] *= 0.5
        return [schedule]

    run_both(changed, epochs=20)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(
    ("kind", "settings"), [("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "nesterov": True}), ("Adam", {})]
)
def test_one_cycle_agrees_with_pytorch(strategy, three_phase, kind, settings):
    for chosen in (
        {"max_lr": 0.5, "total_steps": 60},
        {"max_lr": [0.5, 0.2], "epochs": 6, "steps_per_epoch": 10, "pct_start": 0.4, "base_momentum": [0.7, 0.8]},
        {"max_lr": 0.5, "total_steps": 61, "cycle_momentum": False, "div_factor": 5.0, "final_div_factor": 10.0},
    ):
        how = {**chosen, "anneal_strategy": strategy, "three_phase": three_phase}
        run_both(lambda kinds, o, how=how: [kinds.OneCycleLR(o, **how)], 60, kind=kind, **settings)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_the_plateau_agrees_with_pytorch(mode, threshold_mode):
    for chosen in (
        {},
        {"patience": 1, "factor": 0.5},
        {"patience": 0, "cooldown": 2, "threshold": 0.01},
        {"patience": 0, "min_lr": [0.01, 0.02]},
        {"patience": 0, "factor": 0.9, "eps": 0.005},
    ):
        how = {"mode": mode, "threshold_mode": threshold_mode, **chosen}
        run_both(lambda kinds, o, how=how: [kinds.ReduceLROnPlateau(o, **how)])
        run_both(lambda kinds, o, how=how: [kinds.ExponentialLR(o, 0.99), kinds.ReduceLROnPlateau(o, **how)])


@pytest.mark.parametrize("stop_after", [0, 3, 11])
@pytest.mark.parametrize(
    "make",
    [
        lambda o: [optim.ReduceLROnPlateau(o, patience=1, cooldown=1)],
        lambda o: [optim.OneCycleLR(o, 0.5, total_steps=30)],
        lambda o: [optim.LambdaLR(o, lambda epoch: 0.9**epoch)],
        lambda o: [optim.ExponentialLR(o, 0.9), optim.ReduceLROnPlateau(o, patience=0)],
        lambda o: [optim.CosineAnnealingLR(o, 50), optim.MultiStepLR(o, [2, 7]), optim.StepLR(o, 5)],
        lambda o: [optim.ChainedScheduler([optim.LinearLR(o, total_iters=9), optim.ExponentialLR(o, 0.9)])],
    ],
)
def test_resumed_schedules_of_every_kind_go_on_to_the_last_bit(make, stop_after):
    def momentum():
        group = {"params": [cr.Tensor([1.0], requires_grad=True)]}
        return optim.SGD([{**group, "lr": 0.1}, {"params": [cr.Tensor(2.0, requires_grad=True)]}], 0.2, 0.9)

    def go(schedules, epochs):
        for epoch in epochs:
            for schedule in schedules:
                schedule.step(*([LOSSES[epoch]] if isinstance(schedule, optim.ReduceLROnPlateau) else []))

    whole, first, second = momentum(), momentum(), momentum()
    go(make(whole), range(15))
    broken_off = make(first)
    go(broken_off, range(stop_after))
    saved = json.loads(json.dumps([first.state_dict() | {"state": []}, [s.state_dict() for s in broken_off]]))
    resumed = make(second)
    second.load_state_dict({**saved[0], "state": [{}, {}]})
    for schedule, state in reversed(list(zip(resumed, saved[1], strict=True))):
        schedule.load_state_dict(state)
    go(resumed, range(stop_after, 15))
    assert [g["lr"] for g in second.param_groups] == [g["lr"] for g in whole.param_groups]
    assert [g["momentum"] for g in second.param_groups] == [g["momentum"] for g in whole.param_groups]


def test_what_does_not_fit_is_named_and_changes_nothing():
    schedule = joined(optim, made())
    schedule.step()
    rates = schedule.get_last_lr()
    state = schedule.state_dict()
    for wrong, message in (
        ({**state, "milestones": [7, 41]}, r"its milestones is \[7, 41\], and this one's \[7, 40\]"),
        ({**state, "gamma": 1.0}, "it has gamma"),
        ({name: held for name, held in state.items() if name != "schedulers"}, "it lacks schedulers"),
        ({**state, "schedulers": state["schedulers"][:2]}, "its schedulers is"),
        ({**state, "last_epoch": -1}, "whole number from 0, not -1"),
        (StepLR(made(), 2).state_dict(), "fit this SequentialLR: it lacks milestones; .*it has gamma"),
    ):
        with pytest.raises(ChainruleError, match=message):
            schedule.load_state_dict(wrong)
        assert schedule.last_epoch == 1
        assert schedule.get_last_lr() == rates


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: StepLR(o, 0), ValueError, "StepLR: step_size is a whole number of at least 1, not 0"),
        (lambda o: StepLR(o, 1.5), ValueError, "whole number"),
        (lambda o: CosineAnnealingLR(o, T_max=0), ValueError, "T_max is"),
        (lambda o: LinearLR(o, start_factor=0.0), ValueError, "above 0 and at most 1"),
        (lambda o: LinearLR(o, end_factor=1.5), ValueError, "end_factor from 0 to 1, not .* and 1.5"),
        (lambda o: LinearLR(o, total_iters=0), ValueError, "total_iters is"),
        (lambda o: SequentialLR(o, [LinearLR(o)], [3]), ValueError, "1 schedules need one milestone between"),
        (lambda o: SequentialLR(o, [LinearLR(o)] * 3, [3, 3]), ValueError, r"milestones rise, and these are \[3, 3\]"),
        (lambda o: SequentialLR(o, [LinearLR(made())], []), ChainruleError, "the same optimizer"),
        (lambda o: StepLR(0.1, 2), DtypeError, "takes an optimizer, not float"),
        (LRScheduler, NotImplementedError, "needs a method rate"),
        (lambda o: optim.MultiStepLR(o, [2, 0.5]), ValueError, "milestone is a whole number"),
        (lambda o: optim.LambdaLR(o, [abs]), ValueError, "one for each of the 2 groups"),
        (lambda o: optim.LambdaLR(o, 0.5), ValueError, "one function of the epoch"),
        (lambda o: optim.OneCycleLR(o, 0.1), ValueError, "needs total_steps, or both"),
        (lambda o: optim.OneCycleLR(o, 0.1, total_steps=0), ValueError, "total_steps is a whole number"),
        (lambda o: optim.OneCycleLR(o, [0.1], total_steps=3), ValueError, "max_lr has 1 numbers for 2 groups"),
        (lambda o: optim.OneCycleLR(o, 0.1, 9, anneal_strategy="sine"), ValueError, "one of cos, linear"),
        (lambda o: optim.OneCycleLR(o, 0.1, 9, pct_start=2), ValueError, "a share from 0 to 1"),
        (
            lambda o: optim.OneCycleLR(optim.Adagrad([cr.nn.Parameter(1.0)]), 0.1, 9),
            ValueError,
            "Adagrad has neither momentum nor betas: give cycle_momentum=False",
        ),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor is below 1"),
        (lambda o: optim.ReduceLROnPlateau(o, mode="least"), ValueError, "mode is min or max"),
        (lambda o: optim.ReduceLROnPlateau(o, min_lr=[1.0]), ValueError, "1 numbers for 2 groups"),
        (lambda o: optim.ReduceLROnPlateau(o).step(), TypeError, r"schedule.step\(loss\)"),
        (lambda o: optim.ChainedScheduler([]), ChainruleError, "the same optimizer"),
        (lambda o: optim.ChainedScheduler([optim.ReduceLROnPlateau(o)]), ChainruleError, "step it itself"),
    ],
)
def test_wrong_schedules_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(made())

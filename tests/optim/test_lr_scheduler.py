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
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_hundred_epochs_agree_with_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mine = made()
    groups = [{"params": [torch.ones(1, requires_grad=True)], "lr": group["lr"]} for group in mine.param_groups]
    yours = torch.optim.SGD(groups, lr=1.0)
    ours, theirs = SCHEDULES[name](optim, mine), SCHEDULES[name](torch.optim.lr_scheduler, yours)
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
            whole.rate(group["initial_lr"], stop_after + 20) for group in again.param_groups
        ]


def test_the_formulas():
    optimizer = made((0.4,))
    cosine = CosineAnnealingLR(optimizer, T_max=6, eta_min=0.1)
    assert [cosine.rate(0.4, epoch) for epoch in (0, 2, 3, 6)] == pytest.approx([0.4, 0.325, 0.25, 0.1], rel=1e-15)
    assert StepLR(optimizer, step_size=3).rate(0.4, 8) == pytest.approx(0.004, rel=1e-15)
    assert LinearLR(optimizer, total_iters=4).rate(0.9, 2) == pytest.approx(0.6, rel=1e-15)
    assert math.isclose(optimizer.lr, 0.4 / 3)


def test_a_schedule_starts_from_the_first_rate_however_often_one_is_made():
    optimizer = made((0.4,))
    LinearLR(optimizer, start_factor=0.5)
    assert optimizer.lr == 0.2
    StepLR(optimizer, step_size=1)
    assert optimizer.lr == 0.4


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
    ],
)
def test_wrong_schedules_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(made())

"""The steps of a run as a program, many in a call, where that is faster; and why they are not, where it is not.

Which steps are compiled depends on the run and on their place in it alone, never on time: so the same run gives the
same bytes, and so does one that was stopped and resumed. How many are made in a call depends on time, and changes
nothing.
"""

# What a user's network and loss give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.codegen.version import Version, default_target
from chainrule.core.state import switches
from chainrule.data.structure import mapped
from chainrule.errors import GraphError
from chainrule.training.batches import Batch, OfArrays, as_given
from chainrule.training.step import Outcome, Prepared, TrainingStep, is_own, refuse_hooks
from chainrule.training.step_program import MadeOf, Unready, parts_of
from chainrule.training.step_state import is_written_here, settings_of

if TYPE_CHECKING:
    from chainrule.training.run import Run

EAGER_STEPS = 20
"""The first steps of a run, and the first of its smaller batches, are the engine's: short runs wait for no program."""
LEAST_AT_ONCE, MOST_AT_ONCE = 8, 4096
QUICK, SLOW = 0.01, 0.04
"""Seconds of a call before and after which the next one makes more steps, or fewer: Ctrl-C waits for the end of one."""
MOST_DRAWN = 2**22
"""Random numbers that are drawn before a call."""
LARGEST_PRODUCT = 2**25
"""Multiplications of a matrix product from which on NumPy's own is faster, which uses all cores."""


class CompiledSteps:
    """What makes the steps of a run some at a time; `reason` says why none are compiled, as far as is known."""

    def __init__(self, run: Run) -> None:
        self.step: TrainingStep | None = None
        self.at_once = LEAST_AT_ONCE
        self.made = 0
        """Steps that were compiled."""
        self.unready = 0
        self.reason = run.data.uncompiled

    def make(self, run: Run, order: Any, most: int) -> bool:
        """Make steps from the run's next batch on, at most so many; False where that one is the engine's."""
        data = run.data
        assert isinstance(data, OfArrays)
        examples, size = data.examples or 0, data.batch_size
        left = examples // size - run.batch
        # Smaller batches, the last of every epoch, have a program of their own.
        place = (run.epoch - 1) * (data.count or 0) + run.batch if left else run.epoch - 1
        if place < EAGER_STEPS or self.reason or switches.anomaly or not switches.recording:
            return False
        steps = min(most, left, self.at_once) or 1
        start, stop = run.batch * size, min((run.batch + steps) * size, examples)
        rows = (np.arange(start, stop) if order is None else order[start:stop]).reshape(steps, -1)
        program = self.program(run, data, rows)
        if program is None:
            return False
        began = time.perf_counter()
        made = self.attempt(run, program, data, rows)
        self.choose_how_many(program, made, time.perf_counter() - began)
        return made > 0

    def program(self, run: Run, data: OfArrays, rows: NDArray[Any]) -> Prepared | None:
        """The program of the run's steps, made now if there is none; None where there cannot be one."""
        examples = data.x, data.y, data.weight
        step = self.step
        if step is None:
            self.reason = reason_against(run)
            if self.reason:
                return None
            step = self.step = TrainingStep(run.model, run.loss, run.optimizer, clip_norm=run.clip_norm)
            step.tells = bool(run.metrics)
        program = step.program_for(examples, rows)
        if program is None:
            try:
                program = step.prepare(examples, rows)
                self.reason = too_slow(program.version)
                self.unready = 0
            except Unready as error:
                self.unready += 1
                self.reason = str(error) if self.unready > 1 else ""
                return None
            except Exception as error:  # noqa: BLE001  (a user's code may raise anything where it meets no numbers)
                self.reason = str(error).split("\n")[0]
        return None if self.reason else program

    def attempt(self, run: Run, program: Prepared, data: OfArrays, rows: NDArray[Any]) -> int:
        """Make the steps on all rows, or those before one that the engine must look at; how many were made."""
        assert self.step is not None
        numbers, back = settings_ahead(run, len(rows))
        outcome = self.step.attempt(program, (data.x, data.y, data.weight), rows, numbers, finite=True)
        if isinstance(outcome, int):
            back()
            return self.attempt(run, program, data, rows[:outcome]) if outcome else 0
        note(run, data, rows, outcome)
        self.made += len(rows)
        return len(rows)

    def choose_how_many(self, program: Prepared, made: int, seconds: float) -> None:
        """More steps in the next call after a quick one, fewer after a slow one."""
        drawn = sum([np.size(draw.example) for draw in program.example.draws])
        most = min(MOST_AT_ONCE, MOST_DRAWN // max(1, drawn))
        if made == self.at_once and seconds < QUICK:
            self.at_once *= 2
        elif seconds > SLOW:
            self.at_once //= 2
        self.at_once = max(1, min(most, max(LEAST_AT_ONCE, self.at_once)))

    def told(self) -> str:
        """How the steps of the run were made, in a sentence."""
        if self.reason:
            return f"All steps were made by the engine: {self.reason}."
        if self.step is None or not self.made:
            return f"All steps were made by the engine, as the first {EAGER_STEPS} always are."
        by = f"The first {EAGER_STEPS} steps were made by the engine, and {self.made} by a program."
        return f"{by}\n{self.step.explain()}"


def note(run: Run, data: OfArrays, rows: NDArray[Any], outcome: Outcome) -> None:
    """Write down what some steps gave."""
    each = zip(outcome.losses.tolist(), outcome.weights, strict=True)
    for i, (loss, weight) in enumerate(each):
        chosen = rows[i]
        said = mapped(lambda part, i=i: part[i], outcome.said) if run.metrics else None
        right = mapped(lambda part, chosen=chosen: part[chosen], data.y) if run.metrics else None
        shares = data.weight[chosen] if run.metrics and data.weight is not None else None
        run.tally.add(float(loss), weight, said, Batch(None, right, shares, len(chosen)))
    run.batch += len(rows)
    run.batch_loss = float(outcome.losses[-1])
    data.chosen = rows[-1]
    x, y = mapped(lambda part: part[rows[-1]], (data.x, data.y))
    run.last = mapped(as_given, x), y


def settings_ahead(run: Run, steps: int) -> tuple[Any, Callable[[], None]]:
    """The settings of every step where a schedule moves them from one to the next; and how to take that back."""
    scheduler, optimizer = run.scheduler, run.optimizer
    if scheduler is None or not scheduler.by_step:
        return None, lambda: None
    state, groups = scheduler.state_dict(), [dict(group) for group in optimizer.param_groups]
    numbers: list[Sequence[float]] = []
    for _ in range(steps):
        numbers.append(settings_of(optimizer)[1])
        scheduler.step()

    def back() -> None:
        scheduler.load_state_dict(state)
        for group, was in zip(optimizer.param_groups, groups, strict=True):
            group.clear()
            group.update(was)

    return np.array(numbers), back


def reason_against(run: Run) -> str:
    """Why a run's steps are not compiled, as far as is known before there is a program."""
    if default_target() != "native":
        return "the kernels were not built with this package"
    made_of = MadeOf(run.model, run.loss, run.optimizer, run.clip_norm, parts_of(run.model, run.loss))
    try:
        refuse_hooks(made_of)
    except GraphError as error:
        return str(error)
    foreign = [type(callback).__name__ for callback in run.callbacks if not is_written_here(type(callback))]
    if foreign and not is_own(made_of):
        return f"{', '.join(foreign)} may change what the program's own model or loss computes"
    return ""


def too_slow(version: Version) -> str:
    """Why the engine is faster, where it is."""
    if version.by_numpy:
        return f"there is no kernel for {', '.join(sorted(version.by_numpy))}"
    sizes = [products(step) for step in version.trace.program.steps if step.operation == "matmul"]
    if max(sizes, default=0) >= LARGEST_PRODUCT:
        return "its matrix products are so large that NumPy's own are as fast, and use all cores"
    return ""


def products(step: Any) -> int:
    """The multiplications of a matrix product."""
    return step.size * step.inputs[0].shape[-1]

"""What the whole suite shares: which engine ran, what random programs gave, and how much PyTorch was missed."""

from __future__ import annotations

import gc
import math
import signal
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from chainrule.core import COMPILED

sys.path.insert(0, str(Path(__file__).parent))
"""Lets all tests import `latex_oracle`, however pytest was started."""

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
"""How long a draw takes says how busy the machine is, and not what is right."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the suite behind itself has it ignore Ctrl-C, which tests press.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Tests stay until the end, and the garbage collector need not look at the many of them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"scalar engine: {'compiled' if COMPILED else 'plain Python'}")
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    told = [what for report in reports for name, what in report.user_properties if name == "random programs"]
    if told:
        met: Counter[str] = sum((Counter(conventions) for _, _, conventions in told), Counter())
        programs, apart = (sum(numbers) for numbers in zip(*[part[:2] for part in told], strict=True))
        terminalreporter.write_line(
            f"{programs} random programs: {apart} disagreements, 0 asked; "
            f"conventions that a judge does not share were met at {met.total()} steps: {dict(met.most_common())}"
        )
    pages = [what for report in reports for name, what in report.user_properties if name == "random pages"]
    if pages:
        count, apart = (sum(numbers) for numbers in zip(*pages, strict=True))
        terminalreporter.write_line(f"{count} random pages of explanations: {apart} faults")
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if "torch" in str(report.longrepr).lower()
    ]
    if skipped:
        terminalreporter.write_line(
            f"PyTorch is not installed: {len(skipped)} comparison{'s' * (len(skipped) > 1)} skipped"
        )


@pytest.fixture(scope="session")
def digits_net():
    """The 784-30-10 net and ten inputs, drawn by a linear congruential generator that any language can repeat.

    ``reference_facts.json`` has its facts under ``nielsen_784_30_10``.
    """
    state = 1

    def draw(*shape):
        nonlocal state
        out = np.empty(math.prod(shape))
        for i in range(out.size):
            state = (1103515245 * state + 12345) % 2**31
            out[i] = state / 2**31
        return out.reshape(shape)

    w1, b1 = (2 * draw(30, 784) - 1) / 28, 2 * draw(30) - 1
    w2, b2 = (2 * draw(10, 30) - 1) / math.sqrt(30), 2 * draw(10) - 1
    return (w1, b1, w2, b2), draw(10, 784)

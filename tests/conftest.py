"""What the whole suite shares: which engine ran, and how much was left out for want of PyTorch."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from chainrule.core import COMPILED

sys.path.insert(0, str(Path(__file__).parent))
"""Lets all tests import `latex_oracle`, however pytest was started."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the suite behind itself has it ignore Ctrl-C, which tests press.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"scalar engine: {'compiled' if COMPILED else 'plain Python'}")
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if "torch" in str(report.longrepr).lower()
    ]
    if skipped:
        terminalreporter.write_line(
            f"PyTorch is not installed: {len(skipped)} comparison{'s' * (len(skipped) > 1)} skipped"
        )

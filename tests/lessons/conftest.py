"""Each chapter is run once for all tests that look at it."""

from __future__ import annotations

from functools import cache

import pytest

from chainrule.lessons import Run, chapters, run_chapter


@cache
def run_of(number: int) -> Run:
    return run_chapter(chapters()[number - 1])


@pytest.fixture
def ran():
    """A chapter by its number, run."""
    return run_of

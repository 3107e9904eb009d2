"""Lets the tests here import the cases of tests/rules and of this folder, however pytest was started."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "rules")]

"""Lets the tests here import what lies beside them and beside those of the rules, however pytest was started."""

from __future__ import annotations

import sys
from pathlib import Path

here = Path(__file__).parent
sys.path[:0] = [str(here), str(here.parent / "rules")]

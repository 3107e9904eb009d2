"""How long a program waits for its import: whole processes, from start to end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.harness import Report, Row, alternate

RUNS = 21


def importing(module: str, bytecode: str) -> Callable[[], float]:
    """A contestant that starts Python, imports, and ends; its first start, untimed, leaves its bytecode on disk."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def contestant() -> float:
        start = perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True, env=environment)
        return perf_counter() - start

    contestant()
    return contestant


def imports() -> Report:
    """``import chainrule`` beside ``import numpy``, both compiled to bytecode beforehand, as an installer does."""
    with TemporaryDirectory() as bytecode:
        runs = alternate([importing(module, bytecode) for module in ("chainrule", "numpy")], RUNS)
    return Report([Row("import chainrule", runs[0], "import numpy", runs[1], target=1.3)])

"""How long a program waits for its import and its first compiled result: whole processes, from start to end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.harness import MILLISECOND, Report, Row, alternate

RUNS = 21
FUNCTION = """
import chainrule as cr, numpy as np

def loss(w1, b1, w2, b2, x, y):
    return cr.mean((cr.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2)

step = cr.compile(cr.value_and_grad(loss, argnums=(0, 1, 2, 3)))
step(np.ones((2, 16)), np.zeros(16), np.ones((16, 1)), np.zeros(1), np.ones((10, 2)), np.ones((10, 1)))
"""
MODULE = """
import chainrule as cr, numpy as np

model = cr.nn.Sequential(cr.nn.Linear(2, 16), cr.nn.Tanh(), cr.nn.Linear(16, 1))
step = cr.compile(model, loss=cr.nn.MSELoss(), optimizer=cr.optim.SGD(model.parameters(), lr=0.1))
step(np.ones((10, 2)), np.ones((10, 1)))
"""
"""What a small net's first result takes: the gradients of a function of arrays, and a step of a layered net."""


def running(code: str, bytecode: str) -> Callable[[], float]:
    """A contestant that starts Python, runs, and ends; its first start, untimed, leaves its bytecode on disk."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def contestant() -> float:
        start = perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        return perf_counter() - start

    contestant()
    return contestant


def imports() -> Report:
    """All beside ``import numpy``, compiled to bytecode beforehand, as an installer does."""
    with TemporaryDirectory() as bytecode:
        codes = "import numpy", "import chainrule", FUNCTION, MODULE
        numpy, ours, *first = alternate([running(code, bytecode) for code in codes], RUNS)
    report = Report([Row("import chainrule", ours, "import numpy", numpy, target=1.3)])
    for what, runs in zip(("gradients of a function of arrays", "a step of a net in layers"), first, strict=True):
        beyond = [run - without for run, without in zip(runs, numpy, strict=True)]
        name = f"first compiled result beyond import numpy, {what}"
        report.rows.append(Row(name, beyond, unit=MILLISECOND, target=40))
    return report

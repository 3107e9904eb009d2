"""Programs with planned memory give the numbers of the readable source, and use buffers again."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from oracles import RULES, cases, places  # pyright: ignore[reportMissingImports]  (conftest)
from programs import PROGRAMS  # pyright: ignore[reportMissingImports]  (conftest)

import chainrule as cr
from chainrule.core.operation import book


def run(source: str, name: str, args: Any) -> Any:
    """What a source gives; a planned one in a workspace full of nan, twice."""
    module: dict[str, Any] = {}
    exec(source, module)
    with np.errstate(all="ignore"):
        if "workspace" not in module:
            return module[name](*args)
        work = module["workspace"]()
        for buffer in work:
            buffer.fill(1)
        first = cr.core.tree.flatten(module[name](*args, work))[0]
        kept = [np.array(x) for x in first]
        module[name](*[2 * x if np.asarray(x).dtype.kind == "f" else x for x in args], work)
        for x, before in zip(first, kept, strict=True):
            np.testing.assert_array_equal(x, before)
        return first


def both(f: Any, args: Any) -> str:
    """The planned source, once it gave what the readable one gives."""
    compiled = cr.compile(f)
    compiled(*args)
    version = compiled.needs_version()
    leaves = cr.core.tree.flatten((args, {}))[0]
    given = [getattr(x, "data", x) if isinstance(x, cr.Tensor) else x for x in leaves]
    given = [x for x, step in zip(given, version.trace.given, strict=True) if step is not None]
    given += list(version.trace.held.values())
    name = "compiled" if compiled.name.startswith("<") else compiled.name
    plain = cr.core.tree.flatten(run(version.source, name, given))[0]
    for x, y in zip(run(version.planned, name, given), plain, strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(x, y, rtol=1e-13 if np.asarray(y).dtype != np.float32 else 1e-5, atol=1e-13)
    return version.planned


@pytest.mark.parametrize("name", RULES)
def test_every_rule(name):
    operation = book[name]
    case = [*cases(operation)][-1]
    if not places(operation):
        return

    def f(*inputs: Any) -> Any:
        return cr.sum(operation(*inputs, **case.settings) ** 2)

    both(cr.value_and_grad(f, argnums=tuple(places(operation))), case.inputs)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    both(*PROGRAMS[name])


def test_buffers_are_used_again():
    def deep(w: Any, x: Any) -> Any:
        for _ in range(6):
            x = cr.tanh(x @ w) * 0.5 + 1.0
        return x

    source = both(deep, (np.eye(4) * 0.3, np.ones((3, 4))))
    assert 1 <= source.count("np.empty(") <= 2
    assert len(re.findall(r"out=buffer", source)) > 10


def test_planned_sources_pass_ruff(tmp_path):
    for i, (f, args) in enumerate(PROGRAMS.values()):
        compiled = cr.compile(f)
        compiled(*args)
        (tmp_path / f"planned_{i}.py").write_text(compiled.source(planned=True), encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

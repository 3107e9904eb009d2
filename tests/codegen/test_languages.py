"""Programs in C and JavaScript give what the engine gives, forward and gradients, for every rule that they can say."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest
from oracles import RULES, cases, places, random_like  # pyright: ignore[reportMissingImports]  (conftest)
from programs import PROGRAMS, VECTOR  # pyright: ignore[reportMissingImports]  (conftest)
from targets import Job, apart, called, compare, job, node, run_script  # pyright: ignore[reportMissingImports]

import chainrule as cr
from chainrule.core.operation import book
from chainrule.errors import ChainruleError, DtypeError

WITHOUT_WORDS = {
    "beyond_rounding", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "cholesky", "cofactors", "det", "eigenvectors", "eigvalsh",
    "inv", "left_vectors", "logabsdet", "one_hot", "orthogonal_factor", "pinv", "reciprocal_gaps", "right_vectors",
    "sign_of_det", "sinc", "sinc_slope", "solve", "svdvals", "triangular_factor",
}  # fmt: skip
"""Rules that C and JavaScript cannot say yet; all others are compared."""


deep = np.random.default_rng(2).normal
MANY_AXES = {  # in the user's own letters, which loops so deep run too
    "seven axes": (lambda o, p: cr.exp(cr.transpose(o, axes=None) * p), tuple(deep(size=(2, *(2,) * 7)))),
    "ten axes": (lambda o, r: cr.transpose(o, axes=None) * r, tuple(deep(size=(2, *(2,) * 10)))),
    "a product of six axes": (lambda o, n: cr.matmul(cr.tanh(o), n), tuple(deep(size=(2, 2, 1, 2, 1, 2, 2)))),
}


def in_words_of_the_languages(NAN, tanh, at_0, numbers_1, RangeError, double_t, INFINITY):
    """Every name here means something to C, to JavaScript or to what is written around a program."""
    fabs = cr.tanh(NAN * cr.index(np.sin(np.arange(13.0)), key=at_0) ** 2) + cr.abs(tanh)
    place_of = cr.maximum(fabs[at_0], numbers_1) * cr.erf(RangeError)
    return cr.sum(place_of * cr.roll(place_of, 1)) + cr.sum(double_t[at_0] ** 2.5) + cr.sum(INFINITY), fabs


HOSTILE = {
    "words of the languages": (
        cr.value_and_grad(in_words_of_the_languages, argnums=(0, 1, 3, 4, 5), has_aux=True),
        (*deep(size=(2, 3)), np.array([2, -1, 0]), *deep(size=(2, 3)), np.ones(3), np.ones(3)),
    ),
    "whole numbers": (
        lambda n, k, x: (n / k * x, cr.abs(n) * x, n * k * 1.5, (n @ k) * x, cr.floor(n / k), x / n[0]),
        (np.array([7, -3, 2_000_000]), np.array([2, 2, -3_000]), VECTOR),
    ),
    "numbers of more bits than 32": (
        lambda n, k: (n * 1.5, n // k, n % 7, cr.sum(n), cr.argmax(n, axis=0), cr.argmin(n, keepdims=True)),
        (np.array([[2**40, -5], [2**31, 7]]), np.array([3, 0])),
    ),
    "numbers cut and chosen": (
        lambda x, b: (
            cr.astype(x, dtype=int) * x,
            cr.astype(x, dtype=bool) * x,
            cr.astype(b, dtype=float) / 255,
            cr.argmax(cr.where(x > 1, np.nan, x)) * x,
            b / 255 * x,
            cr.maximum(b, b) * x,
        ),
        (VECTOR * 1.7, np.array([3, 255, 0], np.uint8)),
    ),
    "whole numbers divided by nothing": (
        lambda n, k, x: (n % k, n // k, cr.fmod(n, k), x % k, n % 3),
        (np.array([5, -5, 0, 7, -7, 7]), np.array([0, 0, 0, 3, 3, -3]), np.array([5.0, -5.0, 0.5, 7.0, -7.0, 7.0])),
    ),
    "numbers rounded to fewer digits": (
        lambda x, n: (
            cr.sum(x.astype(np.float16).astype(float)),
            x.astype(np.float32).astype(float),
            (n + 16777217).astype(np.float32).astype(float),
            cr.maximum(x.astype(np.float16)[::-1], 2),
        ),
        (np.array([1.1, 65519.9, -1e-8, 6e-8, 3e-8, 1 / 3, 2049.0]), np.array([0, 2])),
    ),
    "half powers": (lambda x: (1 / x**0.5, 1 / x.astype(np.float32) ** 0.5), (np.array([-np.inf, 4.0, np.inf]),)),
    "places in order": (
        lambda x, n: (
            cr.sort(x),
            cr.argsort(x),
            cr.sort(x, descending=True),
            cr.argsort(x, descending=True),
            cr.argsort(n),
            cr.sort(cr.reshape(x, shape=(3, 2)), axis=0),
            cr.sort(x > 0),
        ),
        (np.array([3.0, 1.0, np.nan, 1.0, -0.0, np.nan]), np.array([[3, -1, 3], [2, 2, 0]])),
    ),
    "slices beside places that are data": (
        cr.value_and_grad(
            lambda x, i, j: sum(
                cr.sum(picked**2)
                for picked in (x[:, i], x[..., i], x[i, :, j], x[::-1, i, j], x[None, i, 1:], x[0, :, i], x[j, None, i])
            )
        ),
        (deep(size=(3, 3, 3)), np.array([0, 2, -1]), np.array([[1, 0, -3]])),
    ),
    "places in a rising list": (
        lambda a, n, v: (
            *[cr.searchsorted(a, v, side=side) for side in ("left", "right")],
            cr.searchsorted(n, n + 1),
            cr.searchsorted(a[:0], v),
        ),
        (np.array([-1.0, 0, 0, 2, np.inf, np.nan]), np.array([1, 1, 3]), np.array([[-2.0, 0, np.nan], [np.inf, 5, 0]])),
    ),
    "a product of nothing": (
        cr.value_and_grad(lambda w, x: cr.sum(x @ w)),
        (deep(size=(4, 2)), np.zeros((0, 4))),
    ),
    "what is only in a comment": (lambda e, x: cr.sum(e) + x, (np.zeros(0), VECTOR)),
}


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
    for name, f, args in [
        *of_rules(),
        *[(name, *program) for name, program in (PROGRAMS | MANY_AXES | HOSTILE).items()],
    ]:
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
    missing = {*PROGRAMS, *MANY_AXES, *HOSTILE} - {one.name for one in jobs}
    assert missing == {"linear algebra"}


@pytest.mark.skipif(node() is None, reason="node is not installed")
def test_javascript(jobs, tmp_path):
    for one, found in zip(jobs, run_script(jobs, tmp_path), strict=True):
        compare(one, found)


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


@pytest.mark.parametrize("target", ["c", "javascript"])
def test_arithmetic_of_half_precision_is_refused_as_it_is_rounded_each_time(target):
    product = cr.compile(lambda x: x * x)
    product(np.ones(2, np.float16))
    with pytest.raises(ChainruleError, match="mul of float16 is rounded"):
        product.source(target)


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


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_a_pool_in_c_finds_nan_and_minus_infinity(tmp_path):
    x = deep(size=(1, 3, 5, 4))
    x[0, 0, 2, 1], x[0, 1], x[0, 2, :2] = np.nan, -np.inf, -np.inf
    f = cr.grad(lambda x: cr.sum(cr.max_pool2d(x, kernel_size=3, stride=1, padding=1)))
    one = job("pooled", f, (x,), 0)
    np.testing.assert_array_equal(one.right[0], f(x))
    (tmp_path / "pooled.c").write_text(apart(one), encoding="utf-8")
    subprocess.run(["cc", "-std=c99", "-fPIC", "-shared", "-o", "p.so", "pooled.c", "-lm"], check=True, cwd=tmp_path)
    code, out = called(ctypes.CDLL(str(tmp_path / "p.so")), one, one.args)
    assert code == 0
    compare(one, out)


@pytest.mark.parametrize("name", PROGRAMS)
def test_jax(name):
    jax = pytest.importorskip("jax")
    f, args = PROGRAMS[name]
    one = job(name, f, args, 0)
    module: dict[str, Any] = {}
    exec(one.compiled.source("jax"), module)
    run = module["program_0"]
    # Compiled as a whole it takes half the time of its operations one by one.
    out = run(*one.args) if name == "classifier" else jax.jit(run)(*one.args)
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
    assert "  // ∂surprise/∂h = ∂surprise/∂z w₂ᵀ  (5, 8)" in source


@pytest.mark.parametrize(
    ("name", "numpy", "javascript", "c"),
    [
        ("double", "double", "double", "double_2"),
        ("delete", "delete", "delete_2", "delete_2"),
        ("forward", "forward", "forward_2", "forward"),
        ("erfc", "erfc_2", "erfc_2", "erfc_2"),
        ("_Thread_local", "_Thread_local", "_Thread_local", "_Thread_local_2"),
        ("sqrtf", "sqrtf", "sqrtf", "sqrtf_2"),
        ("lambda", "lambda_2", "lambda_2", "lambda_2"),
        ("g", "g", "g", "g"),
        ("<lambda>", "compiled", "compiled", "compiled"),
    ],
)
def test_functions_keep_their_names_where_a_language_leaves_them_free(name, numpy, javascript, c):
    f = lambda x: cr.sum(cr.erf(x))  # noqa: E731
    f.__name__ = name
    compiled = cr.compile(f)
    compiled(VECTOR)
    assert f"def {numpy}(x" in compiled.source()
    assert f"def {numpy}(x" in compiled.source("jax")
    assert f"function {javascript}(x)" in compiled.source("javascript")
    assert f"int {c}(const double *x, " in compiled.source("c")


@pytest.mark.skipif(node() is None, reason="node is not installed")
def test_a_page_may_give_any_arrays_of_the_right_length(tmp_path):
    one = job("picked", lambda x, i: cr.sum(x[i, 0] ** 2), (VECTOR[:, None], np.array([0, 2])), 0)
    (tmp_path / "p.js").write_text(one.compiled.source("javascript"), encoding="utf-8")
    script = """
    const { program_0: f } = require("./p.js");
    const of = (...given) => { try { return f(...given).value; } catch (e) { return e.message; } };
    const x = Float64Array.of(0.5, -1, 2);
    console.log(JSON.stringify([of(x, [0, -1]), of([[0.5], [-1], [2]], Int8Array.of(0, 2)), of([x], [[0], [2]]),
      of([0.5, -1], [0, 1]), of(x, [0, 0.5]), of(x, [0, 3])]));
    """
    done = subprocess.run([str(node()), "-e", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    first = [4.25, 4.25, 4.25, "2 numbers where 3 belong", "place 0.5 of 3", "place 3 of 3"]
    assert done.stdout == json.dumps(first, separators=(",", ":")) + "\n"


def test_what_cannot_be_said_is_named():
    compiled = cr.compile(lambda a: cr.inv(a))
    compiled(np.eye(2))
    for target, language in (("javascript", "JavaScript"), ("c", "C")):
        with pytest.raises(ChainruleError, match=f"inv cannot be written in {language}"):
            compiled.source(target)
        deepest = cr.compile(cr.exp)
        deepest(np.ones((1,) * 20))
        with pytest.raises(ChainruleError, match=f"20 axes cannot be written in {language}"):
            deepest.source(target)
        for f in (lambda n: n * n, lambda n: cr.astype(n * 1.0, dtype=np.int8)):
            narrow = cr.compile(f)
            np.testing.assert_array_equal(narrow(np.array([100], np.int8)), f(np.array([100], np.int8)))
            with pytest.raises(ChainruleError, match="int8"):
                narrow.source(target)
    with pytest.raises(DtypeError, match="not for 'fortran'"):
        compiled.source("fortran")

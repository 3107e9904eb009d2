"""Compiled functions give what the engine gives, and their source is what runs, alone, and reads as written by hand."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partial, wraps
from types import FunctionType

import numpy as np
import pytest
from oracles import RULES, cases, close, places, random_like  # pyright: ignore[reportMissingImports]  (conftest)
from programs import (  # pyright: ignore[reportMissingImports]
    BATCH,
    PROGRAMS,
    RUNS,
    VECTOR,
    WEIGHTS,
    in_threads,
    step_of_classifier,
)

import chainrule as cr
from chainrule.codegen import laws, simplified
from chainrule.codegen.native import machine
from chainrule.codegen.version import operations
from chainrule.core.operation import book
from chainrule.errors import DtypeError, GraphError
from chainrule.program import run, trace

rng = np.random.default_rng(0)


def same(found, right, tolerance=1e-12):
    """Results in any containers, equal in structure, type and numbers."""
    found, structure = cr.core.tree.flatten(found)
    right, expected = cr.core.tree.flatten(right)
    assert structure == expected
    for x, y in zip(found, right, strict=True):
        assert isinstance(x, cr.Tensor) == isinstance(y, cr.Tensor)
        x, y = np.asarray(getattr(x, "data", x)), np.asarray(getattr(y, "data", y))
        assert x.dtype == y.dtype
        close(x, y, tolerance if x.dtype != np.float32 else 1e-5, "a compiled result")


def summed(f, case):
    """The sum of what f gives, each entry with a weight of its own."""
    weights = random_like(f(*case.inputs), np.random.default_rng(1))
    return lambda *inputs: cr.sum(f(*inputs) * weights)


@pytest.mark.parametrize("target", RUNS)
@pytest.mark.parametrize("name", RULES)
def test_every_rule_forward_and_backward(name, target):
    operation = book[name]
    for case in cases(operation):

        def f(*inputs, case=case):
            return operation(*inputs, **case.settings)

        same(cr.compile(f, target=target)(*case.inputs), f(*case.inputs))
        if places(operation):
            both = cr.value_and_grad(summed(f, case), argnums=tuple(places(operation)))
            same(cr.compile(both, target=target)(*case.inputs), both(*case.inputs))


@pytest.mark.parametrize("target", RUNS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_equal_the_engine(name, target):
    f, args = PROGRAMS[name]
    compiled = cr.compile(f, target=target)
    same(compiled(*args), f(*args))
    same(compiled(*args), f(*args))


EDGES = np.array([0.0, -0.0, 1.0, -1.0, 1e308, -1e308, np.inf, -np.inf, np.nan, 1e-320])


def pairs_of_edges():
    x, y = np.meshgrid(EDGES, EDGES)
    return x.ravel(), y.ravel()


POOLS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 1},
    {"kernel_size": (1, 3), "dilation": (1, 2)},
]


def pool_of_relu(slide):
    """The largest of relu's results in every window, each with a weight, so that no two slopes are alike."""

    def pooled(x):
        y = cr.max_pool2d(cr.relu(x), **slide)
        return cr.sum(cr.where(cr.isfinite(y), y, 1.0) * np.arange(1.0, 1 + y.size).reshape(y.shape))

    return pooled


EVERYWHERE = {
    "sums": lambda x, y: cr.value_and_grad(lambda x, y: cr.sum((-x + y) - (-y) + 0.0 - (x - 0.0)), (0, 1))(x, y),
    "products": lambda x, y: cr.value_and_grad(lambda x, y: cr.sum(1.0 * x * (y * -1.0) / 1.0), (0, 1))(x, y),
    "signs": lambda x, y: (cr.neg(-x), -(x - y), (-x) * y, x * (-y), (-x) / y, -(2.0 * x), cr.flip(-x)),
    "masks": lambda x, y: cr.grad(lambda x: cr.sum(cr.relu(x) * y))(x),
    "pools": lambda x, y: [
        cr.value_and_grad(pool_of_relu(slide))(cr.reshape(x, shape=(1, 1, 10, 10))) for slide in POOLS
    ],
    "numbers": lambda x, y: (2.0 * (0.25 * x), (x / 4.0) * y, 3.0 * (x * y), (1 / y) * x, (2.0 / y) * x),
}


@pytest.mark.parametrize("target", RUNS)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_laws_hold_for_special_numbers(name, target):
    f = EVERYWHERE[name]
    x, y = pairs_of_edges()
    if name == "numbers":  # near the largest numbers the order of two factors decides what overflows
        kept = np.isin(np.abs(x), (1e308, 1e-320)) | np.isin(np.abs(y), (1e308, 1e-320))
        x, y = x[~kept], y[~kept]
    with np.errstate(all="ignore"):
        found, right = cr.compile(f, target=target)(x, y), f(x, y)
    for x, y in zip(cr.core.tree.flatten(found)[0], cr.core.tree.flatten(right)[0], strict=True):
        np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
        np.testing.assert_allclose(x, y, rtol=1e-15)


def checked(law):
    """A law whose every use is compared with what it replaces, on the numbers of the example."""

    @wraps(law)
    def both(builder, step):
        made = law(builder, step)
        if isinstance(made, simplified.Step) and made.shape == step.shape and made.dtype == step.dtype:
            close(builder.numbers[made], builder.numbers[step], 1e-13, f"{law.__name__} of {step}")
        return made

    return both


def use_of(every, last):
    """How often each law did something, over all programs here; every use is compared."""
    fired = Counter()
    for f, args in PROGRAMS.values():
        whole = trace(f, *args)
        shorter, found = simplified.simplified(whole, every, last)
        fired += found
        now = run(shorter.program, {leaf: shorter.numbers[leaf] for leaf in shorter.program.leaves})
        for x, y in zip(whole.outputs, shorter.outputs, strict=True):
            if isinstance(x, simplified.Step):
                close(now[y.place], whole.numbers[x], 1e-6 if x.dtype == np.float32 else 1e-12, "the whole")
    return fired


@pytest.mark.parametrize("target", RUNS)
def test_shares_of_truth_values(target):
    for f in (cr.softmax, cr.log_softmax, cr.logsumexp):
        np.testing.assert_array_equal(cr.compile(f, target=target)(np.array([True, False])), f(np.array([1.0, 0.0])))


@pytest.mark.parametrize("target", RUNS)
def test_no_law_carries_whole_numbers_past_where_they_run_over(target):
    """2n is taken in eight bits before it meets another type, as in NumPy."""
    n, x = np.array([164, 100, 3], np.uint8), np.ones(3)
    for f in (
        lambda n, x: (n + n) * x,
        lambda n, x: -n * x,
        lambda n, x: -(n * 2) + x,
        lambda n, x: (n * 2) / 4 + x,
        lambda n, x: cr.sum(n + n) * x,
        lambda n, x: cr.sum(-n) * x,
        lambda n, x: -n @ x,
    ):
        np.testing.assert_array_equal(cr.compile(f, target=target)(n, x), f(n, x))


def test_every_law_is_used_and_right():
    fired = use_of(*[[(name, checked(law)) for name, law in those] for those in (laws.LAWS, laws.LAST)])
    assert {name for name, _ in [*laws.LAWS, *laws.LAST]} <= fired.keys()


@pytest.mark.parametrize("broken", [name for name, _ in [*laws.LAWS, *laws.LAST]])
def test_a_broken_law_is_noticed(broken):
    def off(law):
        @wraps(law)
        def slightly(builder, step):
            made = law(builder, step)
            if not isinstance(made, simplified.Step) or made.shape != step.shape:
                return made
            if made.dtype.kind == "b":
                return builder.plain(book["logical_not"], (made,), {})
            return builder.plain(book["mul"], (made, 1.001), {}) if made.dtype.kind == "f" else made

        return slightly

    every, last = [
        [(name, off(law) if name == broken else law) for name, law in those] for those in (laws.LAWS, laws.LAST)
    ]
    with pytest.raises(AssertionError):
        use_of(every, last)


def test_source_reads_as_written_by_hand():
    compiled = cr.compile(step_of_classifier)
    compiled(*WEIGHTS, *BATCH)
    source = compiled.source()
    for line in (
        "def classifier(w1, b1, w2, b2, x, y):",
        "    # forward",
        "    h = np.tanh(x @ w1 + b1)  # h = tanh(x w₁ + 𝟏 b₁ᵀ)  (5, 8)",
        "    z = h @ w2 + b2  # z = h w₂ + 𝟏 b₂ᵀ  (5, 3)",
        "    # backward",
        "    dh = dz @ w2.T  # ∂surprise/∂h = ∂surprise/∂z w₂ᵀ  (5, 8)",
        "    dw2 = h.T @ dz  # ∂surprise/∂w₂ = hᵀ ∂surprise/∂z  (8, 3)",
        "    return surprise, dw1, db1, dw2, db2",
    ):
        assert line in source.splitlines()
    assert " - np.eye(3)[y]) / 5  #" in source  # p − y
    assert "(1 - h * h)" in source  # tanh′ from its output


@pytest.fixture(scope="module")
def sources():
    """The source of every program, with what it is called and its arguments as arrays."""
    found = {}
    for name, (f, args) in PROGRAMS.items():
        compiled = cr.compile(f)
        compiled(*args)
        version = compiled.needs_version()
        leaves, _ = cr.core.tree.flatten((args, {}))
        given = [getattr(x, "data", x) if isinstance(x, cr.Tensor) else x for x in leaves]
        given = [x for x, step in zip(given, version.trace.given, strict=True) if step is not None]
        found[name] = (version.source, version.name, [*given, *version.trace.held.values()])
    return found


def test_laws_go_down_long_sums_and_products():
    def long(x):
        total = product = x
        for _ in range(1500):
            total, product = total + product, product * x
        return total, cr.sum(product / x)

    traced = trace(long, VECTOR)
    total, quotients = traced.outputs
    builder = simplified.Builder((), {})
    builder.readers.update(dict.fromkeys(traced.program.steps, 1))
    assert laws.layers_of(total) is laws.pieces_of(total) is None
    assert laws.denominators_of(builder, quotients.inputs[0]) == []


@pytest.mark.parametrize("target", RUNS)
@pytest.mark.parametrize(("axis", "shown"), [(0, "0"), (-1, "1"), ((0, 1), "(0, 1)")])
def test_the_gradient_through_a_normalisation_is_written_as_by_hand(axis, shown, target):
    """Rows that are infinite, undefined, constant or whose squares overflow have what the engine has."""

    def f(x, w):
        away = x - cr.mean(x, axis=axis, keepdims=True)
        s = cr.sqrt(cr.mean(cr.square(away), axis=axis, keepdims=True) + 1e-5)
        xhat = away / s
        z = w * xhat
        return cr.sum(cr.tanh(z) + z)

    x, w = np.random.default_rng(0).normal(size=(2, 4, 3))
    step, right = cr.compile(cr.value_and_grad(f, (0, 1)), target=target), cr.value_and_grad(f, (0, 1))
    for row in ([1.0, 2, 4], [np.inf, 1, 2], [np.nan, 0, 1], [2, 2, 2], [1e200, 1, -3], [0, 1e-320, 0]):
        x[1] = row
        with np.errstate(all="ignore"):
            for found, known in zip(step(x, w)[1], right(x, w)[1], strict=True):
                np.testing.assert_allclose(found, known, rtol=1e-12, atol=1e-13)
    means = [f"{g}.mean(axis={shown}, keepdims=True)" for g in ("dxhat", "(dxhat * xhat)")]
    assert f" = (dxhat - {means[0]} - {means[1]} * xhat) / s" in step.source()


def test_sources_pass_ruff(sources, tmp_path):
    for i, (source, _, _) in enumerate(sources.values()):
        (tmp_path / f"program_{i}.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


RUNNER = """
import pickle, sys
from pathlib import Path

import numpy as np

results = {}
for key, (source, name, args) in pickle.loads(Path(sys.argv[1]).read_bytes()).items():
    module = {}
    exec(compile(source, "written", "exec"), module)
    with np.errstate(all="ignore"):
        results[key] = module[name](*args)
assert not [name for name in sys.modules if name.startswith("chainrule")]
Path(sys.argv[2]).write_bytes(pickle.dumps(results))
"""


def test_sources_run_in_a_process_without_the_package(sources, tmp_path):
    (tmp_path / "jobs").write_bytes(pickle.dumps(sources))
    (tmp_path / "run.py").write_text(RUNNER)
    command = [sys.executable, "-I", str(tmp_path / "run.py"), str(tmp_path / "jobs"), str(tmp_path / "results")]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
    results = pickle.loads((tmp_path / "results").read_bytes())  # noqa: S301  (written above)
    for name, (f, args) in PROGRAMS.items():
        right = cr.core.tree.flatten(f(*args))[0]
        found = results[name] if len(right) != 1 else [results[name]]
        for x, y in zip(found, right, strict=True):
            close(x, getattr(y, "data", y) if isinstance(y, cr.Tensor) else y, 1e-6, name)


def test_traced_programs_run_again_and_can_be_stored():
    for name in ("classifier", "picked by data", "masks of data"):
        f, args = PROGRAMS[name]
        traced = trace(f, *args)
        program = pickle.loads(pickle.dumps(traced.program))  # noqa: S301  (written here)
        numbers = {new: traced.numbers[old] for new, old in zip(program.steps, traced.program.steps, strict=True)}
        found = run(program, {leaf: numbers[leaf] for leaf in program.leaves})
        for step, right in numbers.items():
            close(found[step.place], right, 1e-12, f"{step} of {name}")


def test_other_shapes_and_types_are_traced_again_and_told():
    compiled = cr.compile(cr.grad(lambda x: cr.sum(x * x)))
    with pytest.raises(GraphError, match="was not called yet"):
        compiled.source()
    for x in (np.ones(3), np.ones((2, 2)), np.ones(3, np.float32), 2.0):
        same(compiled(x), compiled.f(x))
    assert len(compiled.versions) == 4
    told = compiled.explain()
    assert "It was traced 4 times" in told
    assert "x (2, 2) float64" in told
    assert "x number float64" in told.splitlines()[0]


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: x * 1e200 * 1e200, 1e-300),
        (lambda x: x * 1e-200 * 1e-200, 1e300),
        (lambda x: x / 1e200 / 1e200, 1e300),
        (lambda x: x * 1e200 / 1e-200, 1e-300),
        (lambda x: (1e-200 / x) * x, 1e300),
        (lambda x: x * 1e30 * 1e30, np.float32(1e-30)),
        (lambda n: n * 9007199254740993 * 3, np.int64(5)),
        (lambda n: 9007199254740993 * n - 9007199254740993 * n[::-1], np.int64(-3)),
    ],
)
def test_numbers_are_gathered_where_nothing_is_lost(f, x):
    """Together they may be infinite or 0, and as floating point whole numbers lose digits."""
    x = np.array([x, x * 2])
    with np.errstate(all="ignore"):
        same(cr.compile(f)(x), f(x), 1e-6 if x.dtype == np.float32 else 1e-12)


class Alike:
    """All of them say that they are equal."""

    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


@dataclass(frozen=True)
class Note:
    text: str
    factor: float = field(compare=False)


def test_settings_that_call_themselves_equal_are_told_apart():
    scaled = cr.compile(lambda x, setting: x * setting.factor)
    for made in (Alike, partial(Note, "as before")):
        for factor in (2.0, 3.0, 2.0, -0.0, 0.0):
            found = scaled(1.0, made(factor))
            assert (found, np.signbit(found)) == (factor, np.signbit(factor))
    assert len(scaled.versions) == 8
    counted = cr.compile(lambda x, kinds: x * sum([kind is True for kind in kinds]))
    assert [counted(1.0, frozenset([one])) for one in (1, True)] == [0.0, 1.0]


@pytest.mark.parametrize(
    "given",
    [
        cr.compile(lambda x: cr.sum(x)),
        cr.grad(cr.sum),
        cr.exp,
        cr.Tensor,
        lambda x: cr.ones_like(cr.Tensor([1.0, 2.0])) * x,
        lambda x: cr.vmap(cr.exp)(x),
        lambda x: cr.cross_entropy(np.ones((2, 2)), x.astype(int) - 1),
    ],
)
def test_masked_arrays_are_refused_where_their_masks_would_be_lost(given):
    given(np.ma.array([1.0, 2.0]) if given in (cr.exp, cr.Tensor) else np.array([1.0, 2.0]))
    with pytest.raises(DtypeError, match="masked array"):
        given(np.ma.array([1.0, 2.0], mask=[False, True]))


def test_settings_make_programs_of_their_own():
    compiled = cr.compile(lambda x, n, kind="a": x**n if kind == "a" else -x)
    for n in (2, 3):
        same(compiled(VECTOR, n), VECTOR**n)
    same(compiled(VECTOR, 3, kind="b"), -VECTOR)
    assert "n=3, kind='b'" in compiled.explain().splitlines()[0]
    for kinds in ([np.str_("a"), np.str_("b")], [np.datetime64("2020"), np.datetime64("2021")]):
        chosen = cr.compile(lambda x, kind, first=kinds[0]: x if kind == first else -x)
        same(chosen(VECTOR, kinds[0]), VECTOR)
        same(chosen(VECTOR, kinds[1]), -VECTOR)


@pytest.mark.parametrize(
    "other", [np.array(["a", "b", "c"]), np.array([1.0, None, 2.0]), np.ones(3) * 1j, 1j, np.complex128(1j)], ids=str
)
def test_what_is_no_real_number_is_refused(other):
    with pytest.raises(DtypeError, match="a program computes with real numbers"):
        cr.compile(lambda x, y: x * y)(VECTOR, other)


@pytest.mark.parametrize("target", ["native", "numpy"])
def test_arrays_of_other_classes_are_arrays(target):
    compiled = cr.compile(lambda w, x: (x @ w, w[0] * 2, w), target=target)
    for w in (np.eye(3).view(np.recarray), np.ma.masked_array(np.eye(3))):
        results = compiled(w, np.ones((2, 3)))
        assert [type(x) for x in results] == [np.ndarray] * 3
        same(results, (np.ones((2, 3)), 2 * np.eye(3)[0], np.eye(3)))


def test_what_was_not_made_for_says_what_was():
    compiled = cr.compile(lambda w, x: x @ w)
    compiled(np.ones(3), np.ones((2, 3)))
    with pytest.raises(ValueError, match="do") as caught:
        compiled(np.ones(4), np.ones((2, 3)))
    assert "was made for w (3,) float64, x (2, 3) float64" in "".join(caught.value.__notes__)
    with pytest.raises(TypeError) as wrong:
        compiled(np.ones(3))
    assert "was made for" in "".join(wrong.value.__notes__)
    with pytest.raises(DtypeError, match="takes a function"):
        cr.compile(3)  # type: ignore[arg-type]  (what is not a function)
    with pytest.raises(DtypeError, match="settings that stay as they are"):
        compiled(np.ones(3), {1, 2})


BRANCHES = {
    "if": lambda x: x if x[0] > 0 else -x,
    "and": lambda x: (x.sum() > 0) and x,
    "while": lambda x: next(iter([x] if not (x.sum() > 1) else [])),
    "max of Python": lambda x: max(x[0], x[1]),
}
NUMBERS_OUT = {
    "float": lambda x: x * float(x[0]),
    "int": lambda x: x * int(x[0]),
    "item": lambda x: x * x[0].item(),
    "asarray": lambda x: x * np.asarray(x),
    "range": lambda x: sum(x[i] for i in range(x[0])),
    "format of a list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("name", BRANCHES)
@pytest.mark.parametrize("around", [lambda f: f, lambda f: cr.grad(lambda x: cr.sum(f(x)))], ids=["plain", "grad"])
def test_a_branch_on_data_is_named(name, around):
    with pytest.raises(GraphError, match=r"a branch depends on the data at test_compile.py:\d+: "):
        cr.compile(around(BRANCHES[name]))(VECTOR)


def test_an_array_that_is_written_in_place_is_named():
    def f(x):
        x[0] = 1.0
        return x

    with pytest.raises(GraphError, match=r"is written in place at test_compile.py:\d+: x\[0\] = 1.0"):
        cr.compile(f)(VECTOR)


@pytest.mark.parametrize("target", ["native", "numpy"])
def test_a_function_may_give_nothing(target):
    for nothing in (None, (), [], {}, (None, {})):
        assert cr.compile(lambda x, nothing=nothing: nothing, target=target)(VECTOR) == nothing


@pytest.mark.parametrize("target", ["native", "numpy"])
def test_numbers_beyond_the_types_of_arrays(target):
    """A whole number longer than any of NumPy's, and means of which the sum runs over."""
    assert cr.compile(lambda x: x * 2**70 * 2.0, target=target)(3.0) == 3.0 * 2.0**71
    for x in (np.full(3, 2**62), np.full(3, 2**63, np.uint64), np.full(3, 60000, np.float16)):
        found = cr.compile(cr.mean, target=target)(x)
        assert (found, found.dtype) == (cr.mean(x), x.mean().dtype) == (x[0], x.mean().dtype)


@pytest.mark.parametrize("name", NUMBERS_OUT)
def test_a_number_that_leaves_is_named(name):
    with pytest.raises(GraphError, match=r"a number is taken out of the program at test_compile.py:\d+: "):
        cr.compile(NUMBERS_OUT[name])(VECTOR)


def test_what_is_random_is_refused():
    generator = np.random.default_rng(0)
    with pytest.raises(GraphError, match="give random numbers"):
        cr.compile(lambda x: x * generator.random(3))(VECTOR)
    counter = iter(range(100))
    with pytest.raises(GraphError, match="twice"):
        cr.compile(lambda x: x * x if next(counter) else x)(VECTOR)


def test_a_traced_number_that_was_kept_is_refused():
    kept = []
    cr.compile(lambda x: kept.append(x) or x * 1)(VECTOR)
    with pytest.raises(GraphError, match="kept and used outside"):
        _ = kept[0] + 1


def test_results_have_memory_of_their_own():
    def views(x):
        return x, x.T, x[0], cr.broadcast_to(x[0], shape=(2, 3)), cr.reshape(x, shape=(-1,))

    compiled, x = cr.compile(views), rng.normal(size=(2, 3))
    before, first = x.copy(), compiled(x)
    copies = [out.copy() for out in first]
    second = compiled(2 * x)
    for out, copy in zip(first, copies, strict=True):
        np.testing.assert_array_equal(out, copy)
        out[...] = 7.0
    np.testing.assert_array_equal(x, before)
    for out, right in zip(second, views(2 * before), strict=True):
        np.testing.assert_array_equal(out, right)


def test_threads_get_their_own_results():
    compiled = cr.compile(step_of_classifier)
    inputs = [tuple(w + k for w in WEIGHTS) for k in range(4)]
    right = [step_of_classifier(*given, *BATCH) for given in inputs]

    def work(k):
        for _ in range(50):
            same(compiled(*inputs[k], *BATCH), right[k])

    in_threads(4, work)


TABLE = rng.normal(size=(3, 2))


def test_arrays_and_tensors_from_outside_are_read_at_each_call():
    net = cr.nn.Sequential(cr.nn.Linear(2, 3), cr.nn.Tanh(), cr.nn.Linear(3, 1))
    compiled, x = cr.compile(lambda x: net(x) + float(TABLE.sum()) * 0), np.ones((4, 2), np.float32)
    same(compiled(x), net(x).data)
    net[0].weight.data = net[0].weight.data * 2
    same(compiled(x), net(x).data)
    assert "weight" in compiled.source()
    assert len(compiled.versions) == 1


def test_names_are_the_users_and_never_meet():
    def f(np_, b1, d, out, len):  # names that the text might need
        g1 = np_ * b1
        b1 = g1 + d
        return cr.sum(b1 * out * len)

    compiled = cr.compile(cr.value_and_grad(f, argnums=(0, 1, 2, 3, 4)))
    args = tuple(rng.normal(size=(5, 3)))
    same(compiled(*args), compiled.f(*args))
    assert "def f(np_, b1, d, out, len_2):" in compiled.source()
    assert "b1_2 = " in compiled.source()
    odd = cr.compile(lambda params: params["lambda"] * params["1x"] + params["a b"] * params["np"])
    given = {"lambda": 1.0, "1x": 2.0, "a b": 3.0, "np": 4.0}
    assert odd(given) == 14.0


def test_names_are_looked_for_past_classes_of_functions_and_variables_without_a_value():
    if not TABLE.size:
        later = 2.0

    def f(x):
        return cr.sum(x * TABLE) if isinstance(f, FunctionType) else x * later

    compiled = cr.compile(f)
    same(compiled(TABLE + 1), np.sum((TABLE + 1) * TABLE))
    assert "TABLE" in compiled.source()


def test_explain_says_what_was_saved():
    compiled = cr.compile(step_of_classifier)
    compiled(*WEIGHTS, *BATCH)
    told = compiled.explain()
    assert "softmax with cross-entropy is p − y" in told
    version = compiled.needs_version()
    before, after = [sum(operations(x).values()) for x in (version.whole, version.trace)]
    assert after < before
    assert f"{before} operations were traced, and {after} are left" in told
    assert f"kernels ({machine.kernels()})" in told if machine else "through NumPy" in told
    alone = cr.compile(cr.inv)
    alone(np.eye(3))
    assert alone.explain().splitlines()[1] == "1 operation was traced, and 1 is left."
    assert "hrough NumPy" in alone.explain()
    assert "kernels (" not in alone.explain()


def test_a_label_is_an_argument_as_any_other():
    surprise = cr.compile(cr.value_and_grad(cr.cross_entropy))
    scores = np.array([0.5, -1.0, 2.0])
    for label in (np.array(1), np.array(2)):
        value, slope = surprise(scores, label)
        right = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(value, -np.log(right[label]), rtol=1e-14)
        np.testing.assert_allclose(slope, right - np.eye(3)[label], rtol=1e-13)


def test_as_a_decorator():
    @cr.compile
    def doubled(x):
        """Twice x."""
        return 2 * x

    assert (doubled(2.0), doubled.__doc__, doubled.__name__) == (4.0, "Twice x.", "doubled")
    assert repr(doubled) == "<compiled doubled: x number float64>"


def test_many_networks_side_by_side_keep_the_laws_of_one():
    """Cross-entropy of mapped networks is p − y as that of one is, with a mean over a batch in float32 too."""

    def loss(w, x, y):
        logits = x @ w
        return -cr.mean(cr.log_softmax(logits, axis=-1)[np.arange(5), y])

    for dtype in (np.float64, np.float32):
        w, x = (rng.normal(size=shape).astype(dtype) for shape in ((3, 2, 4), (3, 5, 2)))
        y = rng.integers(0, 4, size=(3, 5))
        both = cr.vmap(cr.value_and_grad(loss))
        step = cr.compile(both)
        same(step(w, x, y), both(w, x, y))
        source = step.source()
        assert "add_at" not in source
        assert "np.eye(4" in source
        assert "/ 5" in source


def test_a_profiler_goes_on_where_a_function_is_traced():
    import cProfile
    import pstats

    profile = cProfile.Profile()
    x = np.array([1.0, 2.0])
    profile.enable()
    first = cr.compile(lambda x: cr.sum(x * x))(x)
    second = sorted([3, 1, 2])
    profile.disable()
    assert float(first) == 5.0
    assert second == [1, 2, 3]
    assert any("sorted" in name for _, _, name in pstats.Stats(profile).stats)


@pytest.mark.parametrize("chosen", [cr.maximum, cr.minimum, cr.add, cr.arctan2, cr.hypot])
def test_gradients_have_the_types_of_what_they_are_of(chosen):
    x, wide = rng.normal(size=3).astype(np.float32), rng.normal(size=3)
    for other in (x[::-1], wide, 0.5):
        for transform in (cr.grad, cr.jacobian, cr.hessian):
            slope = transform(lambda x, other=other: cr.sum(chosen(x, other) ** 2))
            same(cr.compile(slope)(x), slope(x))
            assert cr.compile(slope)(x).dtype == np.float32


@pytest.mark.parametrize("target", ["native", "numpy"])
def test_derivatives_of_a_determinant_hold_at_singular_matrices(target):
    x = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]])
    for f in (cr.grad(cr.det), cr.hessian(cr.det)):
        np.testing.assert_allclose(cr.compile(f, target=target)(x), f(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("target", RUNS)
@pytest.mark.parametrize("number", [0.3, np.float64(0.3), np.float64(1), np.float32(0.3), np.int64(2), np.int32(2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_of_numpy_have_their_own_types_in_a_program(dtype, number, target):
    def f(x):
        return x * number, number - x, x / number, cr.maximum(x, number), cr.where(x > 0, x, number), x @ x * number

    x = np.linspace(-1, 2, 9).reshape(3, 3).astype(dtype)
    for found, right in zip(cr.compile(f, target=target)(x), f(cr.Tensor(x)), strict=True):
        assert found.dtype == right.dtype
        np.testing.assert_allclose(found, right.data, rtol=1e-6)


@pytest.mark.parametrize("target", RUNS)
def test_a_truth_times_minus_one_is_a_number(target):
    found = cr.compile(lambda x: x * np.int64(-1), target=target)(np.array([True, False]))
    assert found.dtype == np.int64
    assert found.tolist() == [-1, 0]


def test_a_backward_pass_of_the_users_own_is_not_written_out():
    @cr.custom_vjp
    def steep(x):
        return x * 2.0

    steep.defvjp(lambda x: (x * 2.0, None), lambda _, g: (10 * g,))
    for f in (lambda x: steep(x) + 1.0, cr.grad(lambda x: steep(x) ** 2)):
        with pytest.raises(GraphError, match="steep has a backward pass of its own"):
            cr.compile(f)(3.0)

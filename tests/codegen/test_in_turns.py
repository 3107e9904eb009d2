"""Programs whose examples go through them some at a time give what they give as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import close  # pyright: ignore[reportMissingImports]  (conftest)
from programs import in_threads  # pyright: ignore[reportMissingImports]  (conftest)
from test_random_programs import SHAPES, function, programs  # pyright: ignore[reportMissingImports]

import chainrule as cr
from chainrule.codegen import in_turns, native
from chainrule.codegen.axes import AXES, axes_of
from chainrule.core.instructions import FIRST_INPUT, Code
from chainrule.core.operation import book
from chainrule.program import Kind, Step

machine = pytest.importorskip("chainrule.core._machine", reason="the kernels were not built")
rng = np.random.default_rng(0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Caches so small that every program is tried in turns; the plans that were made."""
    return with_small_caches(monkeypatch)


def with_small_caches(patch: pytest.MonkeyPatch) -> list[Any]:
    """The same until a patch is undone."""
    made: list[Any] = []
    in_turn = in_turns.planned_in_turns

    def planned(planner: Any) -> Any:
        plan = in_turn(planner)
        made.extend([plan] * (plan is not None))
        return plan

    patch.setattr(in_turns, "planned_in_turns", planned)
    for module in (native, in_turns):
        patch.setattr(module, "NEAR_BYTES", -1)
    patch.setattr(in_turns, "SHARE_OF_SUMS", np.inf)
    patch.setattr(in_turns, "SHARE_OF_WHOLE", np.inf)
    return made


# What becomes of axes

ROWS, COLUMNS = np.arange(4), np.array([2, 0, 1, 2])
CONVOLVED = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 2}
POOLED = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}
STEPS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("add", [(4, 1, 6), (3, 1)], {}),
    ("where", [(4, 6), (6,), (4, 1)], {}),
    ("astype", [(4, 6)], {"dtype": np.float32}),
    ("broadcast_to", [(4, 1)], {"shape": (2, 4, 6)}),
    ("concatenate", [(4, 2, 6), (4, 4, 6)], {"axis": -2}),
    ("conv2d", [(4, 2, 5, 5), (6, 1, 3, 3)], CONVOLVED),
    ("conv2d_input", [(4, 6, 5, 5), (6, 1, 3, 3)], {"shape": (4, 2, 5, 5), **CONVOLVED}),
    ("conv2d_weight", [(4, 6, 5, 5), (4, 2, 5, 5)], {"shape": (6, 1, 3, 3), **CONVOLVED}),
    ("expand_dims", [(4, 6)], {"axis": 1}),
    ("index", [(4, 6, 2)], {"key": 2}),
    ("index", [(4, 6, 2)], {"key": (Ellipsis, None, slice(1, 4), slice(None))}),
    ("index", [(4, 6)], {"key": (slice(None, None, -1), slice(0, 6))}),
    ("index", [(3, 6)], {"key": np.array([[2, 0], [1, 2], [0, 0], [1, 1]])}),
    ("index", [(4, 3, 6)], {"key": (ROWS, COLUMNS)}),
    ("index", [(4, 3, 6)], {"key": (ROWS[::-1].copy(), COLUMNS)}),
    ("scatter", [(6, 2)], {"key": 1, "shape": (4, 6, 2)}),
    ("scatter", [(4, 3)], {"key": (slice(None), slice(0, 6, 2)), "shape": (4, 6)}),
    ("scatter", [(4, 2, 6)], {"key": np.array([[2, 0], [1, 2], [0, 0], [1, 1]]), "shape": (3, 6)}),
    ("scatter", [(4, 6)], {"key": (ROWS, COLUMNS), "shape": (4, 3, 6)}),
    ("scatter", [(4, 6)], {"key": (ROWS[::-1].copy(), COLUMNS), "shape": (4, 3, 6)}),
    ("largest", [(4, 6)], {"axis": 1, "keepdims": True}),
    ("log_softmax", [(4, 2, 6)], {"axis": 1}),
    ("logsumexp", [(4, 2, 6)], {"axis": (0, 2), "keepdims": False}),
    ("matmul", [(4, 6), (6, 2)], {}),
    ("matmul", [(4, 1, 6, 2), (8, 2, 4)], {}),
    ("matmul", [(6,), (6, 2)], {}),
    ("mean", [(4, 6)], {"axis": 0, "keepdims": False}),
    ("pick_at_largest", [(4, 2, 6, 6), (4, 2, 6, 6)], POOLED),
    ("put_at_largest", [(4, 2, 3, 3), (4, 2, 6, 6)], POOLED),
    ("reshape", [(4, 6, 2)], {"shape": (24, 2)}),
    ("reshape", [(8, 6)], {"shape": (2, 1, 4, 3, 2)}),
    ("reshape", [(4, 6)], {"shape": (6, 4)}),
    ("smallest", [(4, 6, 2)], {"axis": (0, 2), "keepdims": False}),
    ("softmax", [(4, 6)], {"axis": -1}),
    ("stack", [(4, 6), (4, 6), (4, 6)], {"axis": 1}),
    ("stack", [(4, 6), (4, 6)], {"axis": -1}),
    ("squeeze", [(1, 4, 1, 6)], {"axis": None}),
    ("sum", [(4, 6, 2)], {"axis": (0, 2), "keepdims": False}),
    ("sum", [(4, 6)], {"axis": None, "keepdims": True}),
    ("sum_to", [(4, 6, 2)], {"shape": (6, 1)}),
    ("swap", [(4, 6, 2)], {}),
    ("transpose", [(4, 6, 2)], {"axes": (1, 2, 0)}),
    ("transpose", [(4, 6)], {"axes": None}),
]
"""Steps by operation, shapes of inputs, and settings, in which arrays stand for data."""


def test_there_is_a_step_for_every_operation_whose_axes_are_known():
    assert {name for name, *_ in STEPS} >= AXES.keys()


def numbers_of(name: str, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape) if name != "where" else rng.integers(-2, 3, shape).astype(float)


@pytest.mark.parametrize("case", range(len(STEPS)), ids=[f"{name}{i}" for i, (name, *_) in enumerate(STEPS)])
def test_what_is_known_of_axes_is_true(case):
    name, shapes, set_to = STEPS[case]
    op, known = book[name], {}
    inputs = [Step(Kind.DATA, shape) for shape in shapes]
    known.update({x: numbers_of(name, x.shape) for x in inputs})

    def data(array: Any) -> Step:
        leaf = Step(Kind.DATA, array.shape, array.dtype)
        known[leaf] = array
        return leaf

    settings = {k: in_turns.replaced(v, data, np.ndarray) if k == "key" else v for k, v in set_to.items()}
    key = set_to.get("key")
    if isinstance(key, tuple) and key[0] is ROWS:
        settings["key"] = (ROWS, *settings["key"][1:])
    given = [known[x] for x in inputs]
    whole = np.asarray(op.fitting(given, given, set_to))
    step = Step(Kind.RESULT, whole.shape, whole.dtype, op=op, inputs=tuple(inputs), settings=settings)
    found = axes_of(step)

    def part(some: dict[Step, int], own: int | None, i: int) -> Any:
        """The step of the i-th half of some inputs."""
        numbers = {x: half(array, some[x], i) if x in some else array for x, array in known.items()}
        now = in_turns.replaced(settings, numbers.__getitem__)
        if own is not None and "shape" in now:
            now["shape"] = half(whole, own, i).shape
        if own == 0 and "key" in settings and isinstance(settings["key"], tuple) and settings["key"][0] is ROWS:
            now["key"] = (ROWS[: len(ROWS) // 2], *now["key"][1:])
        halves = [numbers[x] for x in inputs]
        return op.fitting(halves, halves, now)

    for own in {own for _, own in found.kept} | set(found.made):
        some = {x: a for (x, a), to in found.kept if to == own}
        if own in found.made or (whole.shape[own] % 2 == 0 and all(x.shape[a] % 2 == 0 for x, a in some.items())):
            for i in range(2):
                close(np.asarray(part(some, own, i)), half(whole, own, i), 1e-12, f"part {i} along axis {own}")
    for group in found.summed:
        if all([x.shape[a] % 2 == 0 for x, a in group]):
            both = np.add(*[part(dict(group), None, i) for i in range(2)])
            close(both / 2 if name == "mean" else both, whole, 1e-12, f"a sum along {group}")


def half(array: Any, axis: int, i: int) -> Any:
    return np.split(array, 2, axis)[i]


# Plans in turns


def compare(f: Any, *args: Any, tolerance: float = 1e-12) -> Any:
    """A compiled function that gives what the function gives, twice: sums begin anew."""
    compiled = cr.compile(f, target="native")
    right = cr.core.tree.flatten(f(*args))[0]
    for _ in range(2):
        for x, y in zip(cr.core.tree.flatten(compiled(*args))[0], right, strict=True):
            close(getattr(x, "data", x), getattr(y, "data", y), tolerance, "a result in turns")
    return compiled


def times(plan: Any) -> list[int]:
    """How often what is in turns runs."""
    found, at = [], 0
    while at < len(plan.words):
        found += [plan.words[at + 2]] * (plan.words[at] == Code.TURNS)
        at += plan.words[at + 1]
    return found


@given(program=programs())
@settings(derandomize=True, database=None, deadline=None, max_examples=30)
def test_random_programs(program):
    with pytest.MonkeyPatch.context() as patch:
        with_small_caches(patch)
        args = [np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(SHAPES)]
        compare(cr.value_and_grad(function(program), argnums=(0, 1, 2)), *args)


class Block(cr.nn.Module):
    """Symbols and their places through a Transformer's block to the next symbol."""

    def __init__(self) -> None:
        super().__init__()
        self.symbols = cr.nn.Embedding(7, 8)
        self.places = cr.nn.Embedding(5, 8)
        self.block = cr.nn.TransformerBlock(8, 2)
        self.norm = cr.nn.LayerNorm(8)
        self.head = cr.nn.Linear(8, 7)

    def forward(self, x: Any) -> Any:
        h = self.block(self.symbols(x) + self.places(np.arange(5)))
        return self.head(self.norm(h)).reshape(-1, 7)


def images() -> Any:
    return cr.nn.Sequential(
        *(cr.nn.Conv2d(1, 4, 3), cr.nn.ReLU(), cr.nn.MaxPool2d(2)),
        *(cr.nn.Conv2d(4, 6, 3, padding=1, groups=2), cr.nn.ReLU(), cr.nn.MaxPool2d(2)),
        *(cr.nn.Flatten(), cr.nn.Linear(24, 5)),
    )


def perceptron() -> Any:
    return cr.nn.Sequential(cr.nn.Linear(3, 6), cr.nn.GELU(), cr.nn.Linear(6, 5), cr.nn.LayerNorm(5))


NETS: dict[str, tuple[Any, tuple[int, ...] | None, int]] = {
    "language model": (Block, None, 7),
    "images": (images, (8, 1, 10, 10), 5),
    "perceptron": (perceptron, (12, 3), 5),
    "perceptron of rows of rows": (perceptron, (4, 3, 3), 5),
}
"""Nets, what they take (text where nothing is said), and how many classes they tell apart."""


def problem(name: str) -> tuple[Any, dict[str, Any], Any, Any]:
    """A loss that gives what it judged too, parameters, and a batch."""
    make, shape, classes = NETS[name]
    net, own = make(), np.random.default_rng(3)
    parameters = {k: 0.5 * own.normal(size=p.shape) for k, p in net.named_parameters()}
    x = own.integers(0, 7, (6, 5)) if shape is None else own.normal(size=shape)
    count = x.size if shape is None else int(np.prod(shape[: 1 if len(shape) > 3 else -1]))

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        z = cr.reshape(cr.nn.functional_call(net, parameters, (x,)), shape=(-1, classes))
        return cr.cross_entropy(z, y)

    return loss, parameters, x, own.integers(0, classes, count)


@pytest.mark.parametrize("name", NETS)
def test_nets_go_through_in_turns(name, small):
    loss, parameters, x, y = problem(name)
    compiled = compare(cr.value_and_grad(loss), parameters, x, y)
    assert [times(plan) for plan in small] == [[len(x)]]
    assert f"in {len(x)} turns" in compiled.explain()


@pytest.mark.parametrize("kernels", ["baseline", "avx2", "avx512"])
def test_every_instruction_set_runs_turns(kernels, small):
    before = machine.kernels()
    try:
        machine.use_kernels(kernels)
    except ValueError:
        pytest.skip(f"this processor does not run {kernels}")
    try:
        loss, parameters, x, y = problem("perceptron")
        compare(cr.value_and_grad(loss), parameters, x, y)
    finally:
        machine.use_kernels(before)
    assert small


def test_turns_fit_into_the_caches_that_are_asked_for(monkeypatch, small):
    loss, parameters, x, y = problem("perceptron")
    whole = cr.compile(cr.value_and_grad(loss))
    whole(parameters, x, y)
    size = small[0].workspace.size
    monkeypatch.setattr(in_turns, "NEAR_BYTES", 4 * size)
    step = cr.compile(cr.value_and_grad(loss))
    step(parameters, x, y)
    assert times(small[1])[0] < len(x)
    assert len(x) % times(small[1])[0] == 0


def test_small_programs_and_large_sums_stay_whole(monkeypatch):
    made = with_small_caches(monkeypatch)
    monkeypatch.undo()
    loss, parameters, x, y = problem("perceptron")
    compare(cr.value_and_grad(loss), parameters, x, y)
    wide = {"w": rng.normal(size=(200, 300))}
    compare(cr.value_and_grad(lambda p, x: cr.mean(cr.tanh(x @ p["w"]) ** 2)), wide, rng.normal(size=(8, 200)))
    assert not made


def test_results_for_each_example_and_for_all(small):
    x, w = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))

    def f(w: Any, x: Any) -> Any:
        h = cr.tanh(x @ w)
        return h, cr.sum(h, axis=0), h - cr.mean(h, axis=0), cr.reshape(h, shape=(18,)), x, w * 2, cr.sum(x), h

    compare(f, w, x)
    assert [times(plan) for plan in small] == [[6]]


def test_what_waits_for_a_sum_over_all_examples_comes_after(small):
    def f(w: Any, x: Any) -> Any:
        h = cr.tanh(x @ w)
        normal = (h - cr.mean(h, axis=0)) / cr.sqrt(cr.var(h, axis=0) + 1e-3)
        return cr.sum(cr.sin(normal) ** 2)

    compare(cr.value_and_grad(f), rng.normal(size=(3, 4)), rng.normal(size=(8, 3)))
    for plan in small:
        assert times(plan) == [8]


def test_what_no_example_changes_may_read_all_of_them(small):
    """An entry of one example that all the others meet, and places in turn along an axis that is none of examples."""
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 6, 4))
    compare(cr.value_and_grad(lambda x: cr.sum(cr.tanh(x) * cr.tanh(x)[2, 1] * x[:1])), x)
    compare(lambda x, k: cr.sum(cr.tanh(x)[np.arange(6), k] ** 2, axis=0), y, np.array([0, 2, 1, 1, 5, 2]))
    compare(lambda x, w: cr.sum((w @ cr.reshape(x, shape=(6, 24)))[np.arange(3)], axis=0), y, rng.normal(size=(3, 6)))
    assert len(small) == 3


def test_axes_of_length_one_in_front(small):
    x, w = rng.normal(size=(1, 6, 4)), rng.normal(size=(4, 3))
    compare(cr.value_and_grad(lambda w, x: cr.sum(cr.sin(x @ w) ** 2)), w, x)
    assert [times(plan) for plan in small] == [[6]]


def test_a_product_with_itself_is_not_taken_apart():
    with pytest.MonkeyPatch.context() as patch:
        with_small_caches(patch)
        compare(cr.value_and_grad(lambda x: cr.sum(cr.softmax(x @ x.T) @ x)), rng.normal(size=(6, 4)))


def test_data_from_outside_gives_its_rows(small):
    x, y = rng.normal(size=(6, 4)), np.array([0, 2, 1, 1, 0, 2])

    def loss(w: Any) -> Any:
        return cr.cross_entropy(cr.tanh(x @ w), y)

    compare(cr.value_and_grad(loss), rng.normal(size=(4, 3)))
    assert all([times(plan) == [6] for plan in small])


def test_lines_of_numpy_have_their_turns_too(small):
    def f(w: Any, x: Any) -> Any:
        return cr.sum(cr.softmax(cr.tanh(x @ w), axis=1) ** 2)

    compiled = compare(f, rng.normal(size=(4, 3)), rng.normal(size=(6, 2, 4)))
    assert "through NumPy" in compiled.explain()
    assert [times(plan) for plan in small] == [[6]]


def test_a_wrong_class_is_found_in_whichever_turn_it_is(small):
    loss, parameters, x, y = problem("perceptron")
    step = cr.compile(cr.value_and_grad(loss))
    right = step(parameters, x, y)
    for place in (0, 5, 11):
        wrong = y.copy()
        wrong[place] = 5
        with pytest.raises(IndexError, match="out of bounds for axis 1 with size 5"):
            step(parameters, x, wrong)
        assert step(parameters, x, y)[0] == right[0]
    assert small


def test_a_scan_of_steps_in_turns(small):
    def step(carry: Any, rows: Any) -> Any:
        value, slopes = cr.value_and_grad(loss)(carry, cr.index(x, key=rows), cr.index(y, key=rows))
        return {k: w - 0.1 * slopes[k] for k, w in carry.items()}, value

    loss, carry, x, y = problem("perceptron")
    rows = np.random.default_rng(0).integers(0, len(x), (7, 4))
    left, values = cr.compile(step).scan(carry, rows)
    for k in range(7):
        carry, value = step(carry, rows[k])
        close(values[k], value, 1e-12, f"the loss of step {k}")
    for name, w in carry.items():
        close(left[name], w, 1e-12, name)
    assert [times(plan) for plan in small] == [[4]]


def test_threads_do_not_share_their_turns(small):
    loss, parameters, x, y = problem("images")
    step = cr.compile(cr.value_and_grad(loss))
    batches = [np.random.default_rng(k).normal(size=x.shape) for k in range(4)]
    right = [step(parameters, x, y)[0] for x in batches]

    def work(k: int) -> None:
        for _ in range(20):
            assert step(parameters, batches[k], y)[0] == right[k]

    in_threads(4, work)
    assert small


def test_a_result_may_not_be_written_over_what_a_later_turn_reads(small):
    """The plan says so, for runs that write parameters where they lie."""
    compiled = cr.compile(lambda w, x: (w + cr.sum(x @ w, axis=0, keepdims=True), cr.tanh(x @ w)))
    compiled(rng.normal(size=(3, 3)), rng.normal(size=(6, 3)))
    (plan,) = small
    assert times(plan) == [6]
    w, x, summed, each = range(FIRST_INPUT, FIRST_INPUT + 4)
    assert not plan.in_place(x, each)
    assert not plan.in_place(w, each)
    assert plan.in_place(w, summed)

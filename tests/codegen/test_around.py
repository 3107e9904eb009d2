"""What stands around a compiled function: what becomes another thing is noticed, and nothing is frozen in silence."""

from __future__ import annotations

import functools
from array import array
from collections import ChainMap, Counter, deque
from contextvars import ContextVar
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import AnomalyError, DtypeError, GraphError
from chainrule.micrograd.nn import MLP
from chainrule.program.around import Around

X = np.arange(6.0)
RATE = 2.0
FACTOR = np.ones(6)


def or_one(x: Any) -> Any:
    try:
        return NEWER * x  # pyright: ignore[reportUndefinedVariable]
    except NameError:
        return 1.0 * x


def doubled(x: Any) -> Any:
    return 2 * x


class Box:
    def __init__(self) -> None:
        self.rate, self.factor, self.inner, self.unread = 1.0, np.ones(6), {"deep": [np.ones(6)]}, 0

    def scaled(self, x: Any) -> Any:
        return self.rate * x * self.factor * self.helper()

    def helper(self) -> Any:
        return self.inner["deep"][0]


class Parent:
    rate = 2.0

    def __init__(self) -> None:
        self.hidden = 1.0

    @property
    def shown(self) -> float:
        return self.hidden

    @staticmethod
    def doubled(x: Any) -> Any:
        return 2 * x

    @classmethod
    def scaled(cls, x: Any) -> Any:
        return cls.rate * x

    def __float__(self) -> float:
        return self.hidden

    def __getitem__(self, key: int) -> float:
        return self.hidden

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["hidden"] if name == "made" else object.__getattribute__(self, name)


class Child(Parent):
    pass


class Slotted:
    __slots__ = ("rate",)

    def __init__(self) -> None:
        self.rate = 2.0


class Net(nn.Module):
    scale = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.part, self.factors = nn.Linear(6, 2, rng=0, dtype=float), [1.0]

    def forward(self, x: Any) -> Any:
        return self.part(x) * self.scale * sum(self.factors) * float(ALL.sum())


ALL = np.ones(3)
mine = ModuleType("a_users_module")
exec("rate = 2.0\ndef scaled(x): return rate * x", mine.__dict__)


def set_item(holder: Any, key: Any, x: Any) -> None:
    holder[key] = x


def cases() -> dict[str, Any]:
    """Functions of x, and what changes around them."""
    box, table, rows, mask = Box(), {"a": np.ones(6), "n": [1.0]}, np.array([0, 1]), X > 3
    labels, names = np.array([0, 1]), {"scale": 1.0}

    def rebound(x: Any) -> Any:
        return x * names["scale"]

    numbers, nested, options, chosen = [1.0, 2.0], {"a": {"b": {"c": {"d": [1.0]}}}}, dict[str, float](), {1.0}
    shown, context, maps, lent = (
        MappingProxyType(options),
        ContextVar("context", default=1.0),
        ChainMap({"a": 1.0}),
        array("d", [1.0]),
    )
    child, slotted, space, net, queue = Child(), Slotted(), SimpleNamespace(rate=1.0), Net(), deque([1.0])
    word, viewed = "".join(["na", "med"]), {"rate": 1.0}
    space.named, view = 1.0, viewed.values()
    counted, alone, value, steps = Counter(a=1), np.array(2.0), cr.Value(2.0), [lambda x: 2 * x]

    def by_default(x: Any, rates: Any = numbers) -> Any:
        return x * rates[0]

    def with_default(x: Any, rate: Any = 1.0, *, more: Any = 1.0) -> Any:
        return x * rate * more * with_default.further

    def other(x: Any) -> Any:
        return 5 * x

    def helper(x: Any) -> Any:
        return 2 * x

    with_default.further = 1.0
    inside = cr.compile(lambda x: x * numbers[0])
    cached = functools.lru_cache(lambda _: numbers[0])

    def wrapped(x: Any) -> Any:
        return x * cached(len(numbers))

    return {
        "global number": (lambda x: x * RATE, lambda: set_item(globals(), "RATE", RATE + 1)),
        "global array": (lambda x: x * FACTOR, lambda: set_item(globals(), "FACTOR", FACTOR + 1)),
        "global function": (lambda x: doubled(x), lambda: set_item(globals(), "doubled", lambda x: 3 * x)),
        "inside a transform": (cr.grad(lambda x: cr.sum(RATE * x * x)), lambda: set_item(globals(), "RATE", 7.0)),
        "inside a function inside": (
            lambda x: cr.grad(lambda z: cr.sum(RATE * z * z))(x), lambda: set_item(globals(), "RATE", 9.0),
        ),
        "dict": (lambda x: x * table["a"], lambda: set_item(table, "a", np.full(6, 2.0))),
        "list in a dict": (lambda x: x * table["n"][0], lambda: set_item(table["n"], 0, 5.0)),
        "variable of a function inside": (rebound, lambda: set_item(names, "scale", 4.0)),
        "attribute": (box.scaled, lambda: setattr(box, "rate", 3.0)),
        "attribute of another": (lambda x: x * box.factor, lambda: setattr(box, "factor", np.full(6, 2.0))),
        "deep": (box.scaled, lambda: set_item(box.inner["deep"], 0, np.full(6, 3.0))),
        "partial": (functools.partial(lambda table, x: x * table["a"], table), lambda: set_item(table, "a", X)),
        "places": (lambda x: x[rows], lambda: set_item(rows, 0, 5)),
        "mask": (lambda x: x[mask], lambda: set_item(mask, 1, True)),
        "labels": (lambda x: cr.cross_entropy(cr.reshape(x, shape=(2, 3)), labels), lambda: set_item(labels, 0, 2)),
        "computed outside": (
            lambda x: cr.reshape(x, shape=(2, 3)) * np.eye(3)[labels], lambda: set_item(labels, 1, 0),
        ),
        "list that grows": (lambda x: x * sum(numbers), lambda: numbers.append(4.0)),
        "list whose length counts": (lambda x: x * len(numbers), lambda: numbers.pop()),
        "dict that gets a key": (lambda x: x * options.get("rate", 1.0), lambda: set_item(options, "rate", 3.0)),
        "deeper": (lambda x: x * nested["a"]["b"]["c"]["d"][0], lambda: nested["a"]["b"]["c"]["d"].insert(0, 7.0)),
        "set": (lambda x: x * sum(chosen), lambda: chosen.add(8.0)),
        "deque": (lambda x: x * sum(queue), lambda: queue.append(8.0)),
        "counter": (lambda x: x * counted["a"], lambda: counted.update(a=2)),
        "class": (lambda x: x * child.rate, lambda: setattr(Parent, "rate", Parent.rate + 1)),
        "class method": (lambda x: Child.scaled(x), lambda: setattr(Child, "rate", Child.rate + 9)),
        "static method": (lambda x: child.doubled(x), lambda: setattr(child, "doubled", other)),
        "property": (lambda x: x * child.shown, lambda: setattr(child, "hidden", 3.0)),
        "attribute over the class's": (lambda x: x * child.rate, lambda: setattr(child, "rate", 70.0)),
        "attribute by its name": (lambda x: x * getattr(child, "hidden", 2.0), lambda: setattr(child, "hidden", 3.0)),
        "attribute by a variable's name": (lambda x: x * getattr(space, word), lambda: setattr(space, "named", 3.0)),
        "view of a dict": (lambda x: x * sum(view), lambda: viewed.update(rate=3.0)),
        "attribute that is new": (lambda x: x * getattr(space, "rate", 1.0), lambda: setattr(space, "rate", 3.0)),
        "made attribute": (lambda x: x * child.made, lambda: setattr(child, "hidden", 4.0)),
        "number": (lambda x: x * float(child), lambda: setattr(child, "hidden", 4.0)),
        "entry": (lambda x: x * child[0], lambda: setattr(child, "hidden", 4.0)),
        "slot": (lambda x: x * slotted.rate, lambda: setattr(slotted, "rate", 4.0)),
        "module's number": (lambda x: x * mine.rate, lambda: setattr(mine, "rate", mine.rate + 1)),
        "module's function": (lambda x: mine.scaled(x), lambda: setattr(mine, "rate", mine.rate + 1)),
        "list that is a default": (by_default, lambda: set_item(numbers, 0, 6.0)),
        "default": (lambda x: with_default(x), lambda: setattr(with_default, "__defaults__", (3.0,))),
        "named default": (with_default, lambda: setattr(with_default, "__kwdefaults__", {"more": 3.0})),
        "attribute of a function": (with_default, lambda: setattr(with_default, "further", 3.0)),
        "code": (lambda x: helper(x), lambda: setattr(helper, "__code__", other.__code__)),
        "function in a list": (lambda x: steps[0](x), lambda: set_item(steps, 0, other)),
        "compiled inside": (lambda x: inside(x) * 2, lambda: set_item(numbers, 0, 9.0)),
        "behind a cache": (wrapped, lambda: numbers.append(1.0) or set_item(numbers, 0, 9.0)),
        "builtin": (lambda x: x * max(2.0, 1.0), lambda: set_item(globals(), "max", min)),
        "array without axes": (lambda x: x * alone, lambda: set_item(alone, (), 5.0)),
        "Value's number": (lambda x: x * value.data, lambda: setattr(value, "data", 5.0)),
        "class of a network": (lambda x: cr.sum(net(x)), lambda: setattr(Net, "scale", Net.scale + 1)),
        "list in a network": (lambda x: cr.sum(net(x)), lambda: net.factors.append(3.0)),
        "forward of a network": (lambda x: cr.sum(net(x)), lambda: setattr(net, "forward", lambda x: 5 * x)),
        "variable that is new": (lambda x: x * (1 + ("NEW" in globals())), lambda: set_item(globals(), "NEW", 0)),
        "variable by its name": (lambda x: x * globals()["RATE"], lambda: set_item(globals(), "RATE", RATE + 1)),
        "name without a variable": (or_one, lambda: set_item(globals(), "NEWER", 7.0)),
        "variable of a context": (lambda x: x * context.get(), lambda: context.set(3.0)),
        "maps in a row": (lambda x: x * maps["a"], lambda: set_item(maps, "a", 3.0)),
        "shown map": (lambda x: x * shown.get("rate", 1.0), lambda: set_item(options, "rate", 3.0)),
        "lent memory": (lambda x: x * lent[0], lambda: set_item(lent, 0, 3.0)),
        "array of all": (lambda x: cr.sum(net(x)), lambda: set_item(ALL, 0, ALL[0] + 1)),
    }  # fmt: skip


@pytest.mark.parametrize("target", ["native", "numpy"])
@pytest.mark.parametrize("case", list(cases()))
def test_what_became_another_thing_is_noticed(case, target, monkeypatch):
    for name in ("RATE", "FACTOR", "doubled"):
        monkeypatch.setitem(globals(), name, globals()[name])
    for name in ("max", "NEW", "NEWER"):
        monkeypatch.setitem(globals(), name, None)
        monkeypatch.delitem(globals(), name)
    f, change = cases()[case]
    compiled = cr.compile(f, target=target)
    before = compiled(X)
    np.testing.assert_allclose(before, numbers(f(X)), rtol=1e-14)
    change()
    after = compiled(X)
    np.testing.assert_allclose(after, numbers(f(X)), rtol=1e-14)
    assert np.shape(after) != np.shape(before) or not np.allclose(after, before)
    assert ("traced anew" in compiled.explain()) == (case != "array without axes")  # it is read at each call


def test_numbers_of_arrays_that_are_read_anew_need_no_other_program():
    box = Box()
    compiled = cr.compile(lambda x: x * box.factor)
    compiled(X)
    box.factor[:] = 5.0
    box.unread += 1
    np.testing.assert_array_equal(compiled(X), 5 * X)
    assert "traced anew" not in compiled.explain()


def test_a_scan_notices_too():
    scale = {"by": 1.0}
    step = cr.compile(lambda w, x: (w + scale["by"] * x, w))
    assert step.scan(0.0, np.ones(3))[0] == 3
    scale["by"] = 2.0
    assert step.scan(0.0, np.ones(3))[0] == 6


@pytest.mark.parametrize("inside", [False, True])
def test_a_network_may_change_what_it_is(inside):
    net = nn.Sequential(
        nn.Linear(6, 6, rng=0, dtype=float), nn.Dropout(0.5, rng=0), nn.Linear(6, 2, rng=1, dtype=float)
    )
    compiled = cr.compile((lambda x: net(x)) if inside else net)
    x = X[None]
    net.eval()
    np.testing.assert_allclose(np.asarray(compiled(x)), net(x).data, rtol=1e-13)
    net[0].weight.data = net[0].weight.data * 2
    np.testing.assert_allclose(np.asarray(compiled(x)), net(x).data, rtol=1e-13)
    net[2].weight = nn.Parameter(np.ones((2, 6)))
    np.testing.assert_allclose(np.asarray(compiled(x)), net(x).data, rtol=1e-13)
    net.train()
    with pytest.raises(GraphError, match="other numbers when it ran twice"):
        compiled(x)
    net.eval()
    np.testing.assert_allclose(np.asarray(compiled(x)), net(x).data, rtol=1e-13)


def test_what_is_computed_of_tensors_outside_is_part_of_the_program():
    net, inner = nn.Sequential(nn.Linear(6, 4, rng=0, dtype=float), nn.BatchNorm1d(4, dtype=float)), nn.Linear(6, 2)
    inner.weight.requires_grad = False  # its transpose has no gradient, and is no number of one run all the same
    x, net = X * np.ones((5, 1)) + np.eye(5, 6), net.eval()

    def f(x: Any) -> Any:
        shift = inner.bias
        for _ in range(1500):
            shift = shift * 1.0
        return cr.sum(net(x)) + cr.sum(inner(x)) + cr.sum(shift)

    compiled = cr.compile(f)
    for _ in range(2):
        np.testing.assert_allclose(np.asarray(compiled(x)), f(x).data, rtol=1e-6)
        net.train()(3 * x)
        net.eval()
        inner.weight.data = inner.weight.data * 2
        inner.bias.data[:] += 1
    assert "traced anew" not in compiled.explain()


@pytest.mark.parametrize("change", ["number", "list", "class", "array", "code"])
def test_a_training_step_notices_what_the_users_code_reads(change, monkeypatch):
    factors, net, x, y = [2.0], Net(), np.ones((4, 6)), np.zeros((4, 2))
    monkeypatch.setattr(Net, "scale", 1.0)
    monkeypatch.setitem(globals(), "RATE", RATE)

    def loss(p: Any, y: Any) -> Any:
        return cr.mean((p - y) ** 2) * RATE * sum(factors)

    step = cr.compile(net, loss=loss, optimizer=cr.optim.SGD(net.parameters(), lr=0.0))
    before = [step(x, y) for _ in range(2)]
    changes: dict[str, Any] = {
        "number": lambda: set_item(globals(), "RATE", 5.0),
        "list": lambda: factors.append(1.0),
        "class": lambda: setattr(Net, "scale", 3.0),
        "array": lambda: set_item(ALL, 1, ALL[1] + 1),
        "code": lambda: setattr(loss, "__code__", (lambda p, y: (RATE, factors) and cr.mean(cr.abs(p - y))).__code__),
    }
    changes[change]()
    after = [step(x, y) for _ in range(2)]
    assert before[0] == before[1] != after[0] == after[1]
    assert after[0] == pytest.approx(float(loss(net(x), y).data), rel=1e-12)


def test_frozen_scalar_code_is_recorded_anew_where_something_around_it_changed():
    rates, box, net, weight = [1.0], Box(), MLP(1, [2, 1]), cr.Value(3.0)
    f = lambda a: sum([a * rate for rate in rates], a) * box.rate * weight + net([a])  # noqa: E731
    frozen = cr.freeze(f)
    changes: list[Any] = [
        lambda: rates.append(4.0),
        lambda: setattr(box, "rate", 5.0),
        lambda: set_item(net.layers[0].neurons[1].w, 0, cr.Value(7.0)),
        lambda: setattr(weight, "data", -2.0),
    ]
    for change in changes:
        frozen(0.5)
        change()
        assert frozen(0.5) == cr.freeze(f)(0.5)
    assert "recorded anew, as other things stood around it: rates, box.rate, net" in frozen.explain()
    assert "weight" not in frozen.explain()  # its number is read at each call


def test_random_numbers_of_a_layer_are_refused():
    with pytest.raises(GraphError, match="other numbers when it ran twice"):
        cr.compile(nn.Dropout(0.5, rng=0))(np.ones(50))


def test_how_many_entries_are_picked_must_not_depend_on_the_data():
    for f in (lambda x: x[x > 1], lambda x: cr.sum(x[x > 1]), lambda x: cr.index(x, key=(x > 1,))):
        with pytest.raises(GraphError, match=r"how many entries .* test_around.py"):
            cr.compile(f)(X)


W = np.array([1.0, -2.0, 3.0])
INSIDE = {
    "grad": lambda x: cr.grad(lambda w: cr.sum(w**3 * x[:3]))(W),
    "value_and_grad of a dict": lambda x: cr.value_and_grad(lambda p: cr.sum(p["w"] ** 2 * x[:3] * p["b"]))(
        {"w": W, "b": 2.0}
    ),
    "grad of a whole number": lambda x: cr.grad(lambda w: w**2 * x[1])(3),
    "grad of a Tensor": lambda x: cr.grad(lambda w: cr.sum(w**2 * x[:3]))(cr.Tensor(W)),
    "grad of a Parameter": lambda x: cr.grad(lambda w: cr.sum(w**2 * x[:3]))(nn.Parameter(W)),
    "jvp": lambda x: cr.jvp(lambda w: w**3 * x[:3], (W,), (np.ones(3),)),
    "vjp": lambda x: cr.vjp(lambda w: w**3 * x[:3], W)[1](np.ones(3)),
    "linearize": lambda x: cr.linearize(lambda w: w**3 * x[:3], W)[1](np.ones(3)),
    "jacobian": lambda x: cr.jacobian(lambda w: cr.outer(w, x))(W),
    "hessian": lambda x: cr.hessian(lambda w: cr.sum(w**3 * x[:3]))(W),
    "hvp": lambda x: cr.hvp(lambda w: cr.sum(w**3 * x[:3]), (W,), (np.ones(3),)),
    "mapped": lambda x: cr.vmap(cr.grad(lambda w: cr.sum(w**3 * x[:3])))(np.outer(W, W)),
    "twice": lambda x: cr.grad(lambda v: cr.sum(cr.grad(lambda w: cr.sum(w**3 * v))(W) ** 2 * x[:3]))(W),
}


@pytest.mark.parametrize("target", ["native", "numpy"])
@pytest.mark.parametrize("name", list(INSIDE))
def test_derivatives_at_a_place_that_no_argument_gave(name, target):
    f = INSIDE[name]
    compiled = cr.compile(f, target=target)
    for x in (X, X + 1):
        found, right = (cr.core.tree.flatten(g(x))[0] for g in (compiled, f))
        assert len(found) == len(right)
        for one, other in zip(found, right, strict=True):
            np.testing.assert_allclose(numbers(one), numbers(other), rtol=1e-12)
            assert np.any(numbers(one))


def numbers(x: Any) -> Any:
    return x.data if isinstance(x, cr.Tensor) else np.asarray(x)


@pytest.mark.parametrize("transform", [cr.grad, cr.value_and_grad, cr.jacobian, cr.hessian])
def test_what_has_no_derivative_is_refused_in_a_program_too(transform):
    f = transform(lambda x, y: cr.sum(x * y))
    assert cr.core.tree.flatten(cr.compile(f)(3, 1.5))[0] == cr.core.tree.flatten(f(3, 1.5))[0]
    for whole in (np.array([1, 2]), np.int64(3), True):
        with pytest.raises(DtypeError):
            f(whole, 1.5)
        with pytest.raises(DtypeError):
            cr.compile(f)(whole, 1.5)


def squares(w: Any, x: Any) -> Any:
    return cr.mean(cr.tanh(x @ w) ** 2)


W2, X2 = np.cos(np.arange(6.0)).reshape(3, 2), np.sin(np.arange(15.0)).reshape(5, 3)
AROUND = {
    "grad": lambda f: cr.grad(f)(W2, X2),
    "grad in a variable around": lambda f: cr.grad(lambda w: cr.compile(lambda x: cr.sum(f(w, x)))(X2))(W2),
    "jvp": lambda f: cr.jvp(f, (W2, X2), (W2, X2)),
    "hessian": lambda f: cr.hessian(f)(W2, X2),
    "jacobian": lambda f: cr.jacobian(lambda w: cr.stack([f(w, X2), f(w * 2, X2)]))(W2),
    "mapped": lambda f: cr.vmap(f, (None, 0))(W2, X2[:, None]),
    "mapped gradient": lambda f: cr.vmap(cr.grad(f), (None, 0))(W2, X2[:, None]),
    "compiled": lambda f: cr.compile(lambda w: f(w, X2) + cr.sum(cr.grad(f)(w, X2)))(W2),
    "compiled gradient": lambda f: cr.compile(cr.grad(f))(W2, X2),
    "as it is": lambda f: f(W2, X2),
}


@pytest.mark.parametrize("called_before", [False, True])
@pytest.mark.parametrize("name", list(AROUND))
def test_a_compiled_function_is_a_function_for_everything(name, called_before):
    compiled = cr.compile(squares)
    if called_before:
        compiled(W2, X2)
    found, right = (cr.core.tree.flatten(AROUND[name](f))[0] for f in (compiled, squares))
    assert len(found) == len(right)
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
        assert np.any(one)


def test_what_gives_no_derivative_says_so():
    step = cr.compile(lambda c, x: (c * x, c))
    with pytest.raises(GraphError, match="loop over the steps"):
        cr.grad(lambda w: step.scan(w, np.ones(3))[0])(2.0)
    frozen = cr.freeze(lambda a: a * a)
    frozen(1.0)
    with pytest.raises(GraphError, match="on_arrays"):
        cr.grad(lambda a: frozen(a)[0])(cr.Value(2.0))


@pytest.mark.parametrize("target", ["native", "numpy"])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint8, np.bool_, np.float32, np.float64])
@pytest.mark.parametrize("exponent", [2, 3, 2.0, 3.0, 4.0, 0.5, 2.5])
def test_powers_have_the_type_that_numpy_gives_them(exponent, dtype, target):
    x = np.array([[1, 2], [3, 0]]).astype(dtype)
    for f in (lambda x: x**exponent, lambda x: (x + x) ** exponent - 1):
        right, found = np.asarray(f(cr.Tensor(x)).data), cr.compile(f, target=target)(x)
        assert found.dtype == right.dtype
        np.testing.assert_allclose(found, right, rtol=1e-6 if dtype is np.float32 else 1e-12)


class Model:
    def __init__(self) -> None:
        self.rate, self.shift = 2.0, np.ones(6)

    @cr.compile
    def scaled(self, x: Any) -> Any:
        return self.rate * x + self.shift


def test_a_method_is_compiled_for_each_object():
    one, other = Model(), Model()
    other.rate = 5.0
    for model in (one, other, one):
        np.testing.assert_array_equal(model.scaled(X), model.rate * X + 1)
    one.rate = 3.0
    other.shift = X
    one.shift[:] = 7.0
    np.testing.assert_array_equal(one.scaled(X), 3 * X + 7)
    np.testing.assert_array_equal(other.scaled(X), 6 * X)
    assert "traced anew" in one.scaled.explain()


def test_what_an_argument_is_may_change():
    net, compiled = nn.Dropout(0.5, rng=0), cr.compile(lambda net, x: net(x) * 2)
    net.eval()
    np.testing.assert_array_equal(np.asarray(compiled(net, X)), 2 * X)
    net.train()
    with pytest.raises(GraphError, match="ran twice"):
        compiled(net, X)


COUNT = [0]


def counted(x: Any) -> Any:
    COUNT[0] += 1
    return COUNT[0] * x


@pytest.mark.parametrize(
    "f",
    [
        counted,
        lambda x: x ** counted(1.0),
        lambda x: cr.clip(x, -counted(1.0), 1.0),
        lambda x: (x, counted(1.0)),
        lambda x: cr.roll(x, counted(1)),
        lambda x: x[: counted(1) % 2 + 1] if counted(1) > 10**9 else x[[counted(1) % 3]],
    ],
)
def test_numbers_that_differ_from_run_to_run_are_refused(f):
    with pytest.raises(GraphError, match="ran twice"):
        cr.compile(f)(X)


def test_numbers_and_truth_values_come_as_python_has_them():
    f = lambda a: (a * 2, a > 1, -a)  # noqa: E731
    assert [(type(x), x) for x in cr.compile(f)(2.5)] == [(type(x), x) for x in f(2.5)]
    for setting in (None, "word", True, object()):
        assert type(cr.compile(lambda a, setting: a * 2)(2.5, setting)) is float


@pytest.mark.parametrize("target", ["native", "numpy"])
def test_a_gradient_goes_through_a_compiled_function(target):
    compiled = cr.compile(lambda x: cr.sum(x * x), target=target)
    compiled(X)
    for x in (cr.Tensor(X, requires_grad=True), cr.Value(3.0)):
        loss = compiled(x) + cr.sum(x)
        loss.backward()
        np.testing.assert_array_equal(numbers(x.grad), 2 * x.data + 1)
    with cr.no_grad():
        assert not compiled(cr.Tensor(X, requires_grad=True)).requires_grad
    with pytest.raises(GraphError, match="loop over the steps"):
        cr.compile(lambda c, x: (c * x, c)).scan(cr.Tensor(1.0, requires_grad=True), np.ones(3))


def test_a_search_for_nan_goes_through_a_compiled_function():
    compiled = cr.compile(cr.grad(lambda x: cr.sum(cr.log(x))))
    compiled(-X)
    with cr.detect_anomaly(), pytest.raises(AnomalyError, match="log gave"):
        compiled(-X)


def set_to(rows: Any, numbers: Any) -> None:
    rows[1][0] = numbers


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda rows: set_to(rows, 7.0), "rows[1][0]"),
        (lambda rows: set_to(rows, 3), "rows[1][0]"),  # equal, and a setting of another type
        (lambda rows: rows[0].append(1.0), "rows[0]"),
        (lambda rows: rows.append([1.0, 1.0]), "rows"),
        (lambda rows: rows.__setitem__(1, 3.0), "rows[1]"),
    ],
)
def test_rows_of_numbers_are_watched_entry_by_entry(change, name):
    rows: Any = [[1.0, 2.0], [3.0, 4.0]]
    f = cr.compile(lambda x: x * sum([np.sum(row) for row in rows]))
    f(X)
    rows[0] = [1.0, 2.0]  # the same numbers
    np.testing.assert_allclose(f(X), X * 10.0)
    assert not f.anew
    change(rows)
    np.testing.assert_allclose(f(X), X * sum([np.sum(row) for row in rows]))
    assert [*f.anew] == [name]


def test_a_step_on_frozen_code_follows_what_was_recorded_last():
    points = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    frozen = cr.freeze(lambda w: sum([(w[0] * x + w[1] * y).tanh() for x, y in points]))
    w = np.array([0.1, 0.2])
    before, _ = frozen(w)
    step = cr.compile(frozen.on_arrays)
    assert step(w) == pytest.approx(before, rel=1e-12)
    points[0][0] = -2.0
    after, _ = frozen(w)
    assert after != pytest.approx(before, rel=1e-3)
    assert step(w) == pytest.approx(after, rel=1e-12)


def test_the_machine_notices_what_python_does(monkeypatch):
    held: Any = Box()

    def around(x: Any) -> Any:
        return or_one(x) * held.rate * RATE if x else unset

    watched = Around(around, [])

    def both() -> bool:
        assert watched.compared() is watched.is_as_it_was()
        return watched.compared()

    assert both()
    for name, value in (("RATE", 4.0), ("NEWER", 1.0)):
        monkeypatch.setitem(globals(), name, value)
        assert not both()
        monkeypatch.undo()
        assert both()
    rate, held.rate = held.rate, 3.0
    assert not both()
    held.rate = rate
    assert both()
    kept, held = held, Box()
    assert not both()
    held = kept
    assert both()
    around.__code__ = around.__code__.replace(co_name="renamed")
    assert not both()
    watched = Around(around, [])
    assert both()
    del held.rate
    assert not both()
    watched = Around(around, [])
    unset = 0.0
    assert not both()

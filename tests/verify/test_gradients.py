"""`check_gradients` on functions, modules and pairs: right ones pass, and of wrong ones it says where and why."""

from __future__ import annotations

import json
import math
from collections import OrderedDict

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, GraphError
from chainrule.verify.report import PASSING

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
W = RNG.normal(size=(4, 3))
SQUARE = RNG.normal(size=(4, 4))
B = RNG.normal(size=3)
GAMMA, BETA = RNG.normal(size=4), RNG.normal(size=4)
CLASSES = np.array([0, 1, 2, 0, 1, 2])


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_back(g, kept):
    x, w = kept
    return g @ w.T, x.T @ g, g.sum(0)


def normalised(x, gamma, beta):
    variance = x.var(0)
    centred = (x - x.mean(0)) / np.sqrt(variance + 1e-2)
    return gamma * centred + beta, (centred, gamma, variance)


def normalised_back(kept, g, eps=1e-2, through_variance=True):
    centred, gamma, variance = kept
    d = g * gamma
    inner = d - d.mean(0) - through_variance * centred * (d * centred).mean(0)
    return inner / np.sqrt(variance + eps), (g * centred).sum(0), g.sum(0)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return p, p


def cross_entropy(z, y):
    p = softmax(z)[0]
    return -np.log(p[np.arange(len(y)), y]).mean(), (p, y)


def cross_entropy_back(kept, g, average=True):
    p, y = kept
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return g * d / (len(y) if average else 1), None


def sigmoid(x):
    y = 1 / (1 + np.exp(-x))
    return y, (x, y)


RIGHT_PAIRS = {
    "as in CS231n": ((affine, affine_back), (X, W, B)),
    "as in JAX": ((affine, lambda kept, g: affine_back(g, kept)), (X, W, B)),
    "batch normalisation": ((normalised, normalised_back), (X, GAMMA, BETA)),
    "with classes": ((cross_entropy, cross_entropy_back), (X[:, :3], CLASSES)),
    "softmax": ((softmax, lambda p, g: p * (g - (g * p).sum(1, keepdims=True))), (X,)),
    "of the inputs": ((lambda a, b: a * b, lambda g, a, b: (g * b, g * a)), (X, X + 1)),
    "the gradient behind": ((lambda a, b: a * b, lambda a, b, dout: (dout * b, dout * a)), (X, X + 1)),
    "of a loss": ((lambda a: (a * a).sum(), lambda a: 2 * a), (X,)),
    "of floats": ((lambda a, b: a * b**2, lambda g, a, b: (g * b**2, 2 * g * a * b)), (2.0, 3.0)),
    "by name": ((lambda a, b: a * b, lambda g, a, b: {"db": g * a, "da": g * b}), (X, X + 1)),
    "of Tensors": ((lambda a: a * a, lambda g, a: (2.0 * g * a,)), (cr.Tensor(X),)),
    "of a dict": (
        (lambda p: (p["a"] * p["b"], p), lambda p, g: ({"a": g * p["b"], "b": g * p["a"]},)),
        ({"a": X, "b": X + 1},),
    ),
    "in Fortran's order": ((lambda a: a**3, lambda g, a: 3 * g * a**2), (np.asfortranarray(X),)),
    "every second row of a transpose": ((lambda a: a**3, lambda g, a: 3 * g * a**2), (X.T[::2],)),
    "of nothing": ((lambda a: a * 2, lambda g, a: g * 2), (X[:0],)),
    "two outputs and no memory": (
        (lambda x: (np.sin(x), np.cos(x)), lambda x, g: g[0] * np.cos(x) - g[1] * np.sin(x)),
        (X[0],),
    ),
    "two outputs": ((lambda a: ((a * 2, a * a), a), lambda a, g: (2 * g[0] + 2 * a * g[1],)), (X,)),
}


@pytest.mark.parametrize("cheap", [False, True])
@pytest.mark.parametrize("name", RIGHT_PAIRS)
def test_right_pairs_pass_however_they_are_written(name, cheap):
    pair, inputs = RIGHT_PAIRS[name]
    report = cr.check_gradients(pair, *inputs, cheap=cheap)
    assert report, report
    assert report.verdict == "right"


def turned(kept, g):
    x, w = kept
    return g @ w, x.T @ g


store = {}


def leaves_behind(x):
    store["x"] = x
    return np.tanh(x), None


def writes(x):
    return np.tanh(x), [np.tanh(x)]


def writes_back(kept, g):
    kept[0] *= kept[0]
    return (g * (1 - kept[0]),)


WRONG = {  # name: forward, backward, inputs, which input, mistake, words
    "a bias that is not summed": (
        affine, lambda dout, c: (*affine_back(dout, c)[:2], dout), (X, W, B), "b", "broadcast-not-summed", "axis 0"),
    "a bias that is averaged": (
        affine, lambda dout, c: (*affine_back(dout, c)[:2], dout.mean(0)), (X, W, B), "b", "wrong-average", "1/6"),
    "weights transposed": (
        affine, lambda dout, c: (dout @ c[1].T, dout.T @ c[0], dout.sum(0)), (X, W, B), "w", "transposed", "(3, 4)"),
    "a transpose forgotten": (lambda x, w: (x @ w, (x, w)), turned, (X, SQUARE), "x", "transposed", "w"),
    "gradients in another order": (
        lambda x, w: (x @ w, (x, w)), lambda c, g: (c[0].T @ g, g @ c[1].T), (X, W), "x", "other-parameter", "w"),
    "epsilon forgotten": (
        normalised, lambda c, g: normalised_back(c, g, eps=0), (X, GAMMA, BETA), "x", "unclassified", "axis 1"),
    "the way through the variance": (
        normalised, lambda c, g: normalised_back(c, g, through_variance=False), (X, GAMMA, BETA),
        "x", "missing-path", "is left out"),
    "softmax by its diagonal": (softmax, lambda p, g: g * p * (1 - p), (X,), "x", "softmax-diagonal", "softmax"),
    "no average": (
        cross_entropy, lambda c, g: cross_entropy_back(c, g, average=False), (X[:, :3], CLASSES), "z", "factor", "6"),
    "a sign": (lambda x: (np.cos(x), x), lambda c, g: g * np.sin(c), (X,), "x", "sign", "sign"),
    "half": (lambda x: (x * x, x), lambda c, g: g * c, (X,), "x", "factor", "1/2"),
    "a factor forgotten": (lambda x: (x**3, x), lambda c, g: 3 * g * c, (X,), "x", "missing-factor", "x"),
    "a factor too many": (
        lambda a, b: (a * b, (a, b)), lambda c, g: (g * c[1] * c[0], g * c[0]), (X, X + 1), "a", "extra-factor", "a"),
    "a slope given the input": (
        sigmoid, lambda c, g: g * c[0] * (1 - c[0]), (X,), "x", "activation-derivative-at-input", "y(1 − y)"),
    "a slope taken at the output": (
        sigmoid, lambda c, g: g * sigmoid(c[1])[0] * (1 - sigmoid(c[1])[0]), (X,), "x",
        "activation-derivative-at-output", ""),
    "a slope left out": (sigmoid, lambda c, g: g, (X,), "x", "activation-derivative-missing", "y(1 − y)"),
    "a slope twice": (
        sigmoid, lambda c, g: g * (c[1] * (1 - c[1])) ** 2, (X,), "x", "activation-derivative-twice", "twice"),
    "the activation for its slope": (
        lambda x: (np.tanh(x), np.tanh(x)), lambda y, g: g * y, (X,), "x", "activation-for-derivative", "1 − y²"),
    "nothing": (lambda x: (np.tanh(x), None), lambda c, g: np.zeros_like(g), (X,), "x", "missing-path", "0"),
    "a mask left out": (lambda x: (np.maximum(x, 0), x), lambda c, g: g, (X,), "x", "relu-mask-wrong",
        "relu(x)"),
    "one entry": (
        lambda x: (x * x, x), lambda c, g: 2 * g * c * np.where(np.arange(24).reshape(6, 4) == 7, 1.001, 1), (X,),
        "x", "unclassified", "[1, 3]"),
    "one row": (
        lambda x: (x * x, x), lambda c, g: 2 * g * c + (np.arange(6) == 2)[:, None], (X,), "x", "unclassified",
        "at 2 of axis 0"),
}  # fmt: skip


@pytest.mark.parametrize("cheap", [False, True])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_pairs_are_told_apart(name, cheap):
    forward, backward, inputs, wrong, mistake, words = WRONG[name]
    report = cr.check_gradients((forward, backward), *inputs, cheap=cheap)
    assert not report
    checked = report[wrong]
    assert (checked.verdict, checked.mistake) == ("bug", mistake), report
    assert words in checked.says
    others = [other for other in report.inputs if other.verdict != "bug"]
    assert len(others) == len(report.inputs) - (2 if mistake == "other-parameter" else 1)
    assert report.inputs[0].verdict == "bug"
    assert len(repr(report).splitlines()) <= 12


FAILING = {
    "too few": (affine, lambda dout, c: affine_back(dout, c)[:2], (X, W, B), "2 gradients, and there are 3 inputs"),
    "it raises": (affine, lambda dout, c: (dout @ c[1],) * 3, (X, W, B), "the backward pass fails: ValueError"),
    "it knows of no gradient": (
        lambda x: (np.tanh(x), x), lambda kept, g: 1 - np.tanh(kept) ** 2, (X,), "no-incoming-gradient"),
    "it clips": (lambda x: (x * 1, x), lambda kept, g: np.clip(g, -2, 2), (X,), "not linear"),
    "a variable of all calls": (
        leaves_behind, lambda kept, g: g * (1 - np.tanh(store["x"]) ** 2), (X,), "a later forward pass left behind"),
    "it spoils what was kept": (writes, writes_back, (X,), "the second time"),
    "it gives words": (lambda x: (x * 1, None), lambda kept, g: "g", (X,), "no array of numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_a_backward_pass_can_be_wrong_in_other_ways(name):
    forward, backward, inputs, words = FAILING[name]
    report = cr.check_gradients((forward, backward), *inputs)
    assert not report
    assert words in report.next


FUNCTIONS = {
    "arrays": (lambda x, w: cr.sum(cr.tanh(x @ w)), (X, W)),
    "a float": (lambda x: x**3, (2.0,)),
    "a whole number alone": (lambda x: x**3, (3,)),
    "a whole number beside": (lambda x, n: x**n, (2.0, 3)),
    "classes": (lambda z, y: cr.cross_entropy(z, y), (X, CLASSES)),
    "Tensors": (lambda x: (x * x).mean(), (cr.Tensor(X, requires_grad=True),)),
    "Values": (lambda a, b: a * b + a**2, (cr.Value(2.0), cr.Value(3.0))),
    "an ordered dict": (lambda p: cr.sum(p["W"] * p["b"]), (OrderedDict(W=X, b=X + 1),)),
    "containers": (lambda p, n: cr.sum(p["W"][0] * p["b"]) * n, ({"W": [X], "b": X + 1}, 3)),
    "several outputs": (lambda x: (cr.exp(x), cr.sum(x, axis=0)), (X,)),
    "settings and words": (lambda x, how, on: cr.sum(x, axis=0) if on and how == "a" else x, (X, "a", True)),
    "nothing at all": (lambda x: cr.sum(x), (np.zeros((0, 3)),)),
    "a constant": (lambda x: cr.sum(cr.softmax(x)), (X,)),
    "a derivative inside": (lambda x: cr.grad(lambda t: cr.sum(cr.sin(t) * t))(x), (X,)),
    "a mask": (lambda x: cr.sum(cr.where(x > 0, x, 0.1 * x)), (X,)),
    "a part that is not used": (lambda x, y: cr.sum(x), (X, X)),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_all_kinds_pass(name, order):
    f, inputs = FUNCTIONS[name]
    report = cr.check_gradients(f, *inputs, order=order)
    assert report, report


def test_inputs_are_named_as_in_the_program():
    f, inputs = FUNCTIONS["containers"]
    assert {checked.name for checked in cr.check_gradients(f, *inputs).inputs} == {"p['W'][0]", "p['b']"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cheap", [False, True])
def test_a_module_is_checked_in_its_parameters_and_left_as_it_was(dtype, cheap):
    net = cr.nn.Sequential(
        cr.nn.Linear(4, 8, rng=0, dtype=dtype),
        cr.nn.BatchNorm1d(8, dtype=dtype),
        cr.nn.ReLU(),
        cr.nn.Dropout(0.5, rng=3),
        cr.nn.Linear(8, 3, rng=1, dtype=dtype),
    )
    before = {name: saved.data.copy() for name, saved in net.state_dict().items()}
    state = net[3].rng.bit_generator.state
    report = cr.check_gradients(net, X.astype(dtype), CLASSES, loss=cr.nn.CrossEntropyLoss(), cheap=cheap)
    assert report, report
    assert {"x", "0.weight", "4.bias"} <= {checked.name for checked in report.inputs}
    assert any("float32" in note for note in report.notes) is (dtype == np.float32)
    after = net.state_dict()
    assert all(
        np.array_equal(after[name].data, saved) and after[name].dtype == saved.dtype for name, saved in before.items()
    )
    assert net[3].rng.bit_generator.state == state


def test_a_module_among_the_inputs_is_one():
    net = cr.nn.Linear(4, 3, rng=0)
    report = cr.check_gradients(lambda net, x: cr.sum(cr.tanh(net(x))), net, X)
    assert {checked.name for checked in report.inputs} == {"weight", "bias", "x"}
    assert report


@cr.custom_vjp
def careless(x):
    return x**2


careless.defvjp(lambda x: (x**2, x), lambda kept, g: (g * kept,))


def test_the_operation_that_is_wrong_is_found_inside_a_larger_function():
    report = cr.check_gradients(lambda x: cr.sum(cr.exp(careless(cr.sin(x)))), X)
    assert not report
    assert "careless" in report.next


def test_forward_and_reverse_mode_are_held_against_each_other():
    rule = cr.linear("{x}", adjoint=(lambda g, x: 3 * g,))
    from chainrule.core.operation import book

    before = dict(book)
    try:

        @rule
        def tripled_backwards(x):
            """Doubles."""
            return 2 * x

        report = cr.check_gradients(lambda x: cr.sum(tripled_backwards(x)), X)
    finally:
        book.clear()
        book.update(before)
    assert not report
    assert "disagree" in report.next


def test_chance_is_said():
    generator = np.random.default_rng(0)
    report = cr.check_gradients(lambda x: cr.sum(x * generator.normal(size=x.shape)), X)
    assert report.verdict == "unsteady"
    assert "something else each time" in str(report)
    shared = cr.check_gradients(lambda x: cr.sum(x * np.random.normal(size=x.shape)), X)
    assert shared
    assert "shared generator" in shared.notes[0]


def test_a_function_that_writes_into_its_input_is_run_on_copies():
    def forward(x):
        out = x * x
        x *= 0
        return out

    x = X.copy()
    report = cr.check_gradients((forward, lambda g, x: (2 * g * x,)), x)
    assert "writes into its inputs" in report.notes[0]
    assert np.array_equal(x, X)


@pytest.mark.parametrize("x", [0.0, -0.0])
def test_a_kink_is_no_mistake(x):
    report = cr.check_gradients(cr.abs, x)
    assert report
    assert (report.verdict, report["x"].says) == ("kink", "a kink: the slope is -1 on the left and 1 on the right")


@pytest.mark.parametrize(("f", "x"), [(cr.abs, 1e-9), (cr.sin, 1e8), (cr.relu, -1e-12)])
def test_no_kink_is_invented(f, x):
    assert cr.check_gradients(f, x).verdict == "right"


def test_at_the_end_of_a_domain_there_is_no_number():
    report = cr.check_gradients(lambda x: cr.sum(cr.sqrt(x)), np.array([0.0, 1.0]))
    assert not report
    assert report["x"].index == (0,)
    assert report.verdict == "no number"


def test_float32_inside_is_rounding_and_no_mistake():
    report = cr.check_gradients(lambda x: cr.sum(cr.exp(x.astype(np.float32))), X)
    assert report.verdict in PASSING
    assert not cr.check_gradients((lambda x: (np.exp(x.astype("f4")), x), lambda k, g: 1.01 * g * np.exp(k)), X)


def test_the_cheap_mode_says_what_it_misses():
    report = cr.check_gradients(lambda x: cr.sum(cr.sin(x)), X, cheap=True)
    assert "Missed is an error below" in report.notes[0]
    assert report["x"].entries == 0


def test_the_error_of_every_step_is_kept():
    errors = dict(cr.check_gradients(cr.exp, 1.0, cheap=True)["x"].errors)
    large, small, best = errors[max(errors)], errors[min(errors)], min(errors.values())
    assert best < 1e-8 < small < large


def test_a_report_is_plain_data_too():
    report = cr.check_gradients(lambda x: cr.sum(x), X)
    assert json.loads(report.json())["inputs"][0]["name"] == "x"
    assert report.table["verdict"] == ["right"]
    with pytest.raises(KeyError):
        report["y"]


def test_the_same_seed_gives_the_same_report():
    f = FUNCTIONS["several outputs"][0]
    assert cr.check_gradients(f, X, seed=3).json() == cr.check_gradients(f, X, seed=3).json()
    assert cr.check_gradients(f, X, seed=3).json() != cr.check_gradients(f, X, seed=4).json()


@pytest.mark.parametrize(
    ("f", "inputs", "words"),
    [
        (3, (X,), "nothing to check in an int"),
        ((np.tanh,), (X,), "two functions"),
        ((np.tanh, lambda a, b, c, d: a), (X,), "takes 4 arguments"),
        ((lambda x: "no", lambda g, x: x), (X,), "gave a text"),
        (lambda x: x > 0, (X,), "no real numbers"),
        (lambda name: 1.0, ("text",), "no number, array"),
    ],
)
def test_what_cannot_be_checked_is_refused(f, inputs, words):
    with pytest.raises((GraphError, DtypeError), match=words):
        cr.check_gradients(f, *inputs)


def test_other_orders_are_refused():
    with pytest.raises(GraphError, match="order 1 or 2"):
        cr.check_gradients(cr.sin, 1.0, order=3)
    with pytest.raises(GraphError, match="second order is not known"):
        cr.check_gradients((lambda x: x * x, lambda g, x: (2 * g * x,)), 1.0, order=2)


def test_a_lost_gradient_is_refused_as_everywhere():
    with pytest.raises(GraphError, match=r"cr\.sin"):
        cr.check_gradients(lambda x: math.sin(x), 2.0)


def test_a_complex_step_sees_what_differences_do_not():
    """A share of 1e-5 is nothing beside what rounding leaves of a difference of large numbers."""
    x = np.array([0.5, 1.5, -0.7])

    def forward(x):
        return np.sum(np.sin(x)) + 1e9

    assert not cr.check_gradients((forward, lambda x: np.cos(x) * (1 + 1e-5)), x)
    report = cr.check_gradients((forward, lambda x: np.cos(x)), x)
    assert report.verdict in ("right", "rounding")


@pytest.mark.parametrize("forward", [np.abs, lambda x: np.maximum(x, 0.1), lambda x: np.sqrt(np.vdot(x, x))])
def test_a_complex_step_is_not_believed_where_there_is_none(forward):
    x = np.array([0.5, 1.5, -0.7])
    f = cr.grad(lambda x: cr.sum({np.abs: cr.abs}.get(forward, forward)(x)))
    assert cr.check_gradients((lambda x: np.sum(forward(x)), lambda x: f(x)), x)


def layer(x, w, b):
    return 1 / (1 + np.exp(-(np.tanh(x @ w) * b)))


SLIPS = [
    ("dz = dh", "activation-derivative-missing"),
    ("dz = dh * (1 - np.tanh(h)**2)", "activation-derivative-at-output"),
    ("dz = dh * h * (1 - h)", "activation-derivative-of-another"),
    ("dz = dh * (1 + h**2)", "wrong-local-derivative"),
]


@pytest.mark.parametrize(("slip", "name"), SLIPS)
def test_a_mistake_inside_a_pair_is_named_by_the_catalogue(slip, name):
    """What two arrays alone do not show: the slope of a layer in between, whose output nobody hands over."""
    program = {"np": np}
    exec(
        "def backward(g, x, w, b):\n    h = np.tanh(x @ w)\n    y = 1/(1 + np.exp(-h*b))\n    da = g*y*(1 - y)\n"
        f"    dh = da*b\n    {slip}\n    return dz @ w.T, x.T @ dz, (da*h).sum(axis=0)",
        program,
    )
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    report = cr.check_gradients((layer, program["backward"]), x, w, b)
    assert [report[key].mistake for key in "xw"] == [name, name]
    assert report["b"].verdict == "right"
    assert "np.tanh" not in report["x"].says
    assert "tanh" in report["x"].says


def test_a_mean_for_a_sum_is_said_to_be_one() -> None:
    x, w, b = np.random.default_rng(0).normal(size=(4, 3)), np.ones((3, 2)) + 0.1, np.array([0.3, -0.2])

    def averaged(g: np.ndarray, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
        return g @ w.T, x.T @ g, g.mean(0)

    report = cr.check_gradients((lambda x, w, b: x @ w + b, averaged), x, w, b)
    assert "wrong-average" in str(report)
    assert "a mean over the 4 rows of x for their sum" in str(report)


def test_a_factor_that_is_another_elsewhere_is_no_constant():
    """A norm's gradient without the division by it is off by the norm, one number here and another anywhere else."""

    def norm(x):
        return np.sqrt((x**2).sum()), x

    x = np.array([0.5, -1.5, 2.0])
    report = cr.check_gradients((norm, lambda g, kept: g * kept), x)
    assert report["x"].mistake == "missing-factor"
    report = cr.check_gradients((norm, lambda g, kept: 3 * g * kept / np.sqrt((kept**2).sum())), x)
    assert (report["x"].mistake, report["x"].says) == ("factor", "it is off by the factor 3")
    report = cr.check_gradients((lambda x: (np.exp((x**2).sum()), x), lambda g, kept: g * kept), 0.3 * x)
    assert report["x"].mistake != "factor"

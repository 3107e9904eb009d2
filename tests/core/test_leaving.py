"""What takes a number out of a graph: shown where nothing is lost, refused with the way out elsewhere."""

from __future__ import annotations

import array
import cmath
import copy
import json
import math
import pickle
import re
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from math import tanh as hyperbolic

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core import COMPILED, leaving
from chainrule.errors import ChainruleError, GraphError
from chainrule.program import trace


def leaf(x):
    return Tensor(x, requires_grad=True)


NODES = {
    "value": lambda: Value(0.5),
    "value with inputs": lambda: Value(0.25) * 2.0,
    "tensor": lambda: leaf(0.5),
    "tensor with inputs": lambda: leaf(0.25) * 2.0,
    "one entry": lambda: leaf([[0.25]]) * 2.0,
}
nodes = pytest.mark.parametrize("make", NODES.values(), ids=NODES)


def assigned(x):
    row = np.zeros(2)
    row[0] = x
    return row


def all_assigned(x):
    row = np.zeros(2)
    row[:] = x
    return row


def unpacked(x):
    first, second = map(float, [x, x])
    return first * second


def pickled(x):
    return pickle.loads(pickle.dumps(x))  # noqa: S301  (its own bytes)


class Holder:
    """A node behind attributes."""

    def __init__(self, held):
        self.held = held


SHOWN = {
    "float": (float, 0.5),
    "int": (int, 0),
    "complex": (complex, 0.5 + 0j),
    "round": (lambda x: round(x, 1), 0.5),
    "round to a whole number": (lambda x: round(x), 0),
    "truncated": (lambda x: math.trunc(x), 0),
    "f-string": (lambda x: f"{x:.3f}", "0.500"),
    "percent": (lambda x: "%.3f" % x, "0.500"),  # noqa: UP031
    "percent of several": (lambda x: "%.1f %d" % (x, x), "0.5 0"),  # noqa: UP031
    "format": (lambda x: "{:.2f}".format(x), "0.50"),  # noqa: UP032
    "item": (lambda x: x.item(), 0.5),
    "of what a call gives": (lambda x: float(abs(x)), 0.5),
    "of a choice": (lambda x: float(x if x > 0 else -x), 0.5),
    "of an attribute": (lambda x: float(Holder(Holder(x)).held.held), 0.5),
    "of unpacked arguments": (lambda x: float(*[x]), 0.5),
    "over lines": (lambda x: float(
        x
    ), 0.5),
    "a list": (lambda x: list(map(float, [x, x])), [0.5, 0.5]),
    "a display": (lambda x: [*map(float, [x, x])], [0.5, 0.5]),
    "unpacked": (unpacked, 0.25),
    "printed": (lambda x: "{} {}".format(*map(float, [x, x])), "0.5 0.5"),
    "sum": (lambda x: sum(map(float, [x, x])), 1.0),
    "sorted": (lambda x: len(sorted([x, x], key=float)), 2),
    "largest": (lambda x: float(max([x, x], key=float)), 0.5),
    "json": (lambda x: json.dumps([x], default=float), "[0.5]"),
    "another name": (lambda x: [number(x) for number in (float,)], [0.5]),
    "partial": (lambda x: [convert(x) for convert in (partial(float),)], [0.5]),
    "one of NumPy's numbers": (lambda x: np.float64(x), 0.5),
    "finite": (lambda x: math.isfinite(x), True),
    "nan": (lambda x: math.isnan(x), False),
    "close": (lambda x: math.isclose(x, 0.5), True),
    "branch": (lambda x: "yes" if x > 0.1 else "no", "yes"),
    "truth": (lambda x: bool(x), True),
    "data": (lambda x: float(np.reshape(x.data, ())), 0.5),
    "detached": (lambda x: math.sin(x.detach()), math.sin(0.5)),
}  # fmt: skip


@nodes
@pytest.mark.parametrize(("show", "wanted"), SHOWN.values(), ids=SHOWN)
def test_outside_a_transform_numbers_are_shown(make, show, wanted):
    assert show(make()) == wanted


TAKEN = {
    "math": (lambda x: math.tanh(x), r"math\.tanh .* cr\.tanh"),
    "in a product": (lambda x: x * math.tanh(x), r"math\.tanh .* cr\.tanh"),
    "another name": (lambda x: hyperbolic(x), r"math\.tanh .* cr\.tanh"),
    "a local name": (lambda x: [f(x) for f in (math.cos,)], r"math\.cos .* cr\.cos"),
    "two arguments": (lambda x: math.pow(x, 2), r"math\.pow .* cr\.pow"),
    "no rule": (lambda x: math.gamma(x), r"math\.gamma .* x\.detach\(\)"),
    "complex": (lambda x: cmath.exp(x), r"cmath\.exp .* cr\.exp"),
    "mapped": (lambda x: list(map(math.sin, [x, x])), r"math\.sin .* cr\.sin"),
    "mapped before": (lambda x: [list(found) for found in (map(math.sin, [x]),)], r"math\.sin .* cr\.sin"),
    "added up": (lambda x: sum(map(math.sin, [x, x])), r"math\.sin .* cr\.sin"),
    "sorted": (lambda x: sorted([x, x], key=math.sin), r"math\.sin .* cr\.sin"),
    "starred": (lambda x: math.sin(*[x]), r"math\.sin .* cr\.sin"),
    "behind an index": (lambda x: {"f": math.sin}["f"](x), r"x\.detach\(\)"),
    "partial": (lambda x: partial(math.sin)(x), r"x\.detach\(\)"),
    "fsum": (lambda x: math.fsum([x, x]), r"math\.fsum .* x\.detach\(\)"),
    "asserted": (None, r"math\.exp .* cr\.exp"),
    "array of floats": (lambda x: np.array([x, x * x], dtype=float), r"np\.array .* cr\.stack"),
    "full": (lambda x: np.full(3, x, dtype=float), r"np\.full .* cr\.stack|detach"),
    "array module": (lambda x: array.array("d", [x]), r"cr\.stack"),
    "fromiter": (lambda x: np.fromiter([x, x], float), r"np\.fromiter .* cr\.stack"),
}  # fmt: skip


def asserted(x):
    assert math.exp(x) > 0.0


@nodes
@pytest.mark.parametrize(("take", "words"), TAKEN.values(), ids=TAKEN)
def test_outside_a_transform_what_computes_is_refused(make, take, words):
    with pytest.raises((ChainruleError, ValueError)) as caught:
        (take or asserted)(make())
    error = (
        caught.value if isinstance(caught.value, ChainruleError) else caught.value.__cause__
    )  # NumPy's own around it
    assert isinstance(error, ChainruleError)
    assert re.search(words, str(error))


JOINED = {
    "array": lambda x: np.array([x, x]),
    "nested": lambda x: np.array([[x, x], [x, x]]),
    "a list by name": lambda x: [np.asarray(xs) for xs in ([x, x],)],
    "mean": lambda x: np.mean([x, x + 2]),
    "largest": lambda x: np.max([x, 2 * x]),
    "dot": lambda x: np.dot([x, x], [x, x]),
    "full": lambda x: np.full(3, x),
    "row": lambda x: np.r_[x, x],
    "columns": lambda x: np.c_[x, x],
    "slice": all_assigned,
}


@pytest.mark.parametrize("join", JOINED.values(), ids=JOINED)
@pytest.mark.parametrize("make", [lambda: leaf(0.5), lambda: leaf(0.25) * 2.0], ids=["leaf", "with inputs"])
def test_an_array_of_tensors_is_refused_and_stack_is_named(join, make):
    with pytest.raises(GraphError, match=r"cr\.stack"):
        join(make())


@pytest.mark.parametrize("join", JOINED.values(), ids=JOINED)
def test_an_array_of_values_holds_them_or_is_refused(join):
    a = Value(0.5)
    try:
        out = join(a)
    except GraphError as error:
        assert "cr.stack" in str(error)  # noqa: PT017
    else:
        assert all(isinstance(x, Value) for x in np.ravel(np.asarray(out, dtype=object)))


@pytest.mark.parametrize("make", [lambda: Value(0.5), lambda: Value(0.5) * 1.0], ids=["leaf", "with inputs"])
def test_assignment_into_an_array_is_refused(make):
    with pytest.raises(GraphError, match=r"assignment into an array .* cr\.stack"):
        assigned(make())


WRITTEN = {
    "an entry": assigned,
    "a slice": all_assigned,
    "several": lambda x: np.zeros(2).__setitem__([0, 1], x),
    "of a matrix": lambda x: np.zeros((2, 2)).__setitem__((0, 1), x),
    "of single precision": lambda x: np.zeros(2, np.float32).__setitem__(0, x),
    "of whole numbers": lambda x: np.zeros(2, int).__setitem__(0, x),
    "of complex numbers": lambda x: np.zeros(2, complex).__setitem__(0, x),
    "filled": lambda x: np.zeros(2).fill(x),
    "made with a type": lambda x: np.array([x, x], dtype=float),
}
MADE = {
    "leaf": lambda: leaf(0.5),
    "with inputs": lambda: leaf(0.5) * 1.0,
    "one entry": lambda: leaf([0.5]) * 1.0,
    "a parameter": lambda: cr.nn.Parameter(0.5),
    "several": lambda: leaf([0.5, 1.0, 2.0]),
}


@pytest.mark.skipif(not COMPILED, reason="a class of Python's is a sequence to NumPy, which has the last word then")
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_a_tensor_written_into_an_array_is_refused_in_our_words(make, write):
    with pytest.raises(GraphError, match=r"out of the graph.*cr\.stack.*x\.detach\(\)") as caught:
        write(make())
    assert caught.value.__cause__ is None
    with cr.no_grad(), suppress(ChainruleError, ValueError):  # several numbers are no entry
        write(make())


@pytest.mark.skipif(COMPILED, reason="there the refusal itself is seen")
@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_in_plain_python_numpys_error_has_ours_as_its_cause(make):
    with pytest.raises(ValueError, match="setting an array element") as caught:
        assigned(make())
    assert isinstance(caught.value.__cause__, GraphError)
    assert "cr.stack" in str(caught.value.__cause__)


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("x", [0.5, np.array(0.5), np.array([0.5]), np.array([0.5, 1.0, 2.0])], ids=repr)
def test_what_is_written_into_an_array_inside_a_transform_is_refused_in_our_words(write, x):
    def f(x):
        write(x * x)
        return cr.sum(x)

    v = np.ones_like(x)
    ways = [lambda: cr.grad(f)(x), lambda: cr.jvp(f, (x,), (v,)), lambda: cr.hessian(f)(x), lambda: trace(f, x)]
    for way in ways:
        with pytest.raises(GraphError, match=r"out of the (graph|program)") as caught:
            way()
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for way in (cr.vmap(f), cr.vmap(cr.grad(f)), cr.grad(lambda x: cr.sum(cr.vmap(f)(x)))):
        with pytest.raises(GraphError, match=r"out of the graph|no single number"):
            way(np.stack([x, x]))


def test_an_error_of_the_users_that_follows_from_a_refusal_stays_theirs():
    def f(x):
        try:
            return assigned(x)
        except GraphError as error:
            raise ValueError("the row cannot be filled") from error
        except ValueError as error:
            raise ValueError("the row cannot be filled") from error.__cause__

    with pytest.raises(ValueError, match="the row cannot be filled"):
        cr.grad(f)(2.0)


def test_a_tensor_is_run_through_backwards():
    x = leaf([1.0, 2.0, 3.0])
    assert [float(y.detach()) for y in reversed(x)] == [3.0, 2.0, 1.0]
    sum(k * y for k, y in enumerate(reversed(x))).backward()
    assert x.grad.data.tolist() == [2.0, 1.0, 0.0]


def test_a_leaf_alone_becomes_an_array_and_a_result_does_not():
    w = leaf([1.0, 2.0])
    for convert in (np.asarray, np.array, np.asanyarray):
        assert convert(w).tolist() == [1.0, 2.0]
        with pytest.raises(GraphError, match=r"x\.detach\(\)"):
            convert(w * 2.0)
        assert convert((w * 2.0).detach()).tolist() == [2.0, 4.0]
    with cr.no_grad():
        assert np.asarray(w * 2.0).tolist() == [2.0, 4.0]
    out = w * 2.0
    with cr.no_grad():
        assert np.array([out[0], out[1]]).tolist() == [2.0, 4.0]
    np.testing.assert_array_equal(out, [2.0, 4.0])
    assert (out.numpy().tolist(), out.tolist()) == ([2.0, 4.0], [2.0, 4.0])


def test_numbers_that_nobody_differentiates_go_anywhere():
    with cr.no_grad():
        made = Value(0.5) * 2.0
        assert math.sin(Value(0.5)) == math.sin(0.5)
    flat = cr.less(Value(1.0), 2.0)
    for free in (made, Value(1.0).detach(), Tensor(1.0), leaf(1.0).detach(), flat):
        assert math.exp(free) == math.exp(1.0)
        assert assigned(free).tolist() == [1.0, 0.0]


INSIDE = {
    "float": (lambda x: float(x) * x, r"float\(\)"),
    "int": (lambda x: int(x) * x, r"int\(\)"),
    "complex": (lambda x: complex(x).real * x, r"complex\(\)"),
    "item": (lambda x: x.item() * x, r"item\(\)"),
    "math": (lambda x: math.sin(x), r"math\.sin .* cr\.sin"),
    "mapped": (lambda x: sum(map(float, [x, x])), r"detach"),
    "trunc": (lambda x: math.trunc(x) * x, r"trunc"),
    "one of NumPy's numbers": (lambda x: np.float64(x) * x, r"float64"),
    "assigned": (lambda x: cr.sum(assigned(x)), r"assignment .* cr\.stack"),
    "array of floats": (lambda x: cr.sum(np.array([x, x], dtype=float)), r"np\.array .* cr\.stack"),
}


def through_vjp(f):
    return lambda x: cr.vjp(f, x)[1](1.0)


def nested(f):
    return lambda x: cr.grad(lambda y: cr.grad(f)(y) * y)(x)


TRANSFORMS = {
    "grad": cr.grad,
    "value_and_grad": cr.value_and_grad,
    "vjp": through_vjp,
    "jvp": lambda f: lambda x: cr.jvp(f, (x,), (1.0,)),
    "jacobian": cr.jacobian,
    "hessian": cr.hessian,
    "hvp": lambda f: lambda x: cr.hvp(f, (x,), (1.0,)),
    "linearize": lambda f: lambda x: cr.linearize(f, x),
    "nested": nested,
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize(("f", "words"), INSIDE.values(), ids=INSIDE)
def test_inside_a_transform_nothing_leaves(transform, f, words):
    for x in (0.5, np.float64(0.5), Value(0.5), leaf(0.5)):
        with pytest.raises(GraphError, match=words):
            transform(f)(x)


@pytest.mark.parametrize("name", ["numpy", "tolist", "item"])
def test_methods_that_hand_numbers_out_are_refused_inside_a_transform(name):
    with pytest.raises(GraphError, match=rf"{name}\(\)"):
        cr.grad(lambda x: cr.sum(x * getattr(x, name)()))(np.ones(1))
    with pytest.raises(GraphError, match=r"np\.asarray"):
        cr.grad(lambda x: cr.sum(x * np.asarray(x)))(np.ones(2))


@pytest.mark.parametrize("taken", [Tensor, lambda x: Tensor(x, requires_grad=True), copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("inside", [True, False])
def test_a_copy_with_no_history_is_refused_inside_a_transform(taken, inside):
    w, v = leaf([1.0, 2.0]), Value(3.0)
    for node in (w, v) if taken in (copy.copy, copy.deepcopy, pickled) else (w,):
        with pytest.raises(GraphError, match="out of the graph"):
            cr.grad(lambda x, node=node: cr.sum(x * (taken(x) if inside else taken(node))))(2.0)
        with pytest.raises(GraphError, match="out of the graph"):
            cr.jvp(lambda x, node=node: cr.sum(x * (taken(x) if inside else taken(node))), (2.0,), (1.0,))
        assert float(cr.sum(taken(node))) == float(cr.sum(node))
    still = Tensor([1.0, 2.0])
    assert cr.grad(lambda x: cr.sum(x * taken(still).detach()))(2.0) == 3.0
    assert cr.grad(lambda x: x * taken(x.detach()).detach())(2.0) == 2.0


def test_a_tensor_made_of_a_result_is_refused_anywhere():
    x = leaf([1.0, 2.0])
    with pytest.raises(GraphError, match=r"Tensor\(\) takes .* with x.clone\(\), or say with x.detach"):
        Tensor(x * 2.0)
    assert Tensor((x * 2.0).detach()).tolist() == [2.0, 4.0]
    with cr.no_grad():
        assert Tensor(x * 2.0).tolist() == [2.0, 4.0]


def test_a_closed_over_leaf_does_not_leave_inside_a_transform():
    w, v = leaf(2.0), Value(2.0)
    for f in (lambda x: x * float(w), lambda x: x * math.sqrt(w), lambda x: x * float(v)):
        with pytest.raises(GraphError, match="gradient would be lost"):
            cr.grad(f)(3.0)


ALLOWED = {
    "detached": lambda x: float(x.detach()) * x,
    "data": lambda x: float(x.data) * x,
    "no_grad": None,
    "rounded": lambda x: round(x, 1) * x,
    "stop_gradient": lambda x: cr.stop_gradient(x) * x,
}


def under_no_grad(x):
    with cr.no_grad():
        number = math.exp(math.log(x))
    return number * x


@pytest.mark.parametrize("f", ALLOWED.values(), ids=ALLOWED)
def test_what_says_that_no_gradient_passes_is_allowed_inside_a_transform(f):
    for x in (0.5, Value(0.5), leaf(0.5)):
        assert float(cr.grad(f or under_no_grad)(x)) == pytest.approx(0.5, rel=1e-15)


def test_printing_and_branching_work_inside_a_transform(capsys):
    def f(x):
        print(x, f"{x:.2f} {x}", "%.1f" % x, repr(x), "{:.3f}".format(x))  # noqa: UP031, UP032
        return x * x if x > 0 and math.isfinite(x) else -x

    for x in (0.5, Value(0.5), leaf(0.5)):
        assert float(cr.grad(f)(x)) == 1.0
        assert "0.50 " in capsys.readouterr().out


def test_the_switch_survives_errors_nesting_and_threads():
    def fails(x):
        raise KeyError

    with pytest.raises(KeyError):
        cr.grad(fails)(1.0)
    with pytest.raises(GraphError):
        cr.grad(lambda x: cr.grad(lambda y: float(y))(1.0) * x)(1.0)
    assert float(Value(1.0)) == 1.0

    found = []

    def f(x):
        thread = threading.Thread(target=lambda: found.append(float(Value(3.0))))
        thread.start()
        thread.join()
        cr.grad(lambda y: y * y)(x)
        with pytest.raises(GraphError):
            float(x)
        return x

    assert cr.grad(f)(2.0) == 1.0
    assert found == [3.0]


def test_instructions_that_were_read_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(leaving, "MOST_REMEMBERED", 4)
    for k in range(20):
        scope = {"a": Value(float(k))}
        exec(compile("b = float(a)", f"<{k}>", "exec"), scope)
        assert scope["b"] == k
    assert len(leaving.steps) <= 4


def test_without_places_in_the_source_the_line_decides():
    program = (
        "import chainrule as cr, math\n"
        "a = cr.Value(0.5)\n"
        "print(float(a), '%.1f' % a, list(map(float, [a])))\n"
        "try:\n"
        "    math.tanh(a)\n"
        "except cr.errors.GraphError:\n"
        "    print('refused')\n"
    )
    program = program.replace("cr.errors", "chainrule.errors").replace("math\n", "math, chainrule.errors\n", 1)
    done = subprocess.run(
        [sys.executable, "-X", "no_debug_ranges", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0.5", "0.5", "[0.5]", "refused"]


@pytest.mark.parametrize("make", [lambda: Value(2.5), lambda: leaf(2.5), lambda: leaf([2.5])])
def test_formats_and_whole_numbers(make):
    x = make()
    assert (f"{x:8.2f}|", f"{x:e}", f"{x}", f"{x!s}") == ("    2.50|", "2.500000e+00", str(x), str(x))
    assert (round(x), round(x, 1), int(x), complex(x)) == (2, 2.5, 2, 2.5 + 0j)
    assert type(round(x)) is type(int(x)) is int
    with pytest.raises(ValueError, match="format"):
        f"{x:q}"


def test_several_entries_have_no_one_number():
    x = Tensor([1.0, 2.0], label="x")
    assert f"{x}" == str(x)
    for ask in (lambda: f"{x:.2f}", lambda: round(x), lambda: int(x), lambda: float(x), lambda: complex(x)):
        with pytest.raises(ValueError, match=r"exactly one entry, and x \(2,\) has 2"):
            ask()


def test_the_truth_of_a_value_is_that_of_its_number():
    assert not Value(0.0)
    assert Value(0.1)
    assert Value(math.nan)

"""The scalar engine as a user meets it: operators, numbers on either side, backward, copies, errors."""

from __future__ import annotations

import copy
import gc
import math
import operator
import pickle
import sys
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import Value
from chainrule.core.operation import Pointwise, book
from chainrule.errors import DtypeError, GraphError, ShapeError

OPERATORS = {
    "add": (operator.add, lambda x, y: (1.0, 1.0)),
    "sub": (operator.sub, lambda x, y: (1.0, -1.0)),
    "mul": (operator.mul, lambda x, y: (y, x)),
    "div": (operator.truediv, lambda x, y: (1 / y, -x / y**2)),
    "pow": (operator.pow, lambda x, y: (y * x ** (y - 1), x**y * math.log(x))),
}
NUMBERS = [3, 2.5, True, np.float64(2.5), np.float32(1.5), np.int64(3), np.int8(2), np.bool_(True)]

UNARY = sorted(
    name for name, rule in book.items() if isinstance(rule, Pointwise) and len(rule.inputs) == 1 and not rule.variadic
)


def number_of(operation):
    """A point inside an operation's domain, away from 0, kinks and special numbers."""
    low, high = operation.domain
    return low + 0.6180339887 * (high - low)


@pytest.mark.parametrize("name", OPERATORS)
def test_two_values(name):
    apply, slopes = OPERATORS[name]
    a, b = Value(1.7), Value(2.3)
    out = apply(a, b)
    out.backward()
    assert out.data == pytest.approx(apply(1.7, 2.3), rel=1e-15)
    assert (a.grad, b.grad) == pytest.approx(slopes(1.7, 2.3), rel=1e-14)
    assert type(out) is Value
    assert out._prev == (a, b)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: f"{type(n).__module__}.{type(n).__name__}")
def test_a_number_on_either_side(name, number):
    apply, slopes = OPERATORS[name]
    plain = float(number)
    a = Value(1.7)
    left, right = apply(a, number), apply(number, a)
    assert type(left) is Value
    assert type(right) is Value
    assert left.data == pytest.approx(apply(1.7, plain), rel=1e-15)
    assert right.data == pytest.approx(apply(plain, 1.7), rel=1e-15)
    left.backward()
    assert a.grad == pytest.approx(slopes(1.7, plain)[0], rel=1e-14)
    a.grad = 0.0
    right.backward()
    assert a.grad == pytest.approx(slopes(plain, 1.7)[1], rel=1e-14)


def test_order_of_operands_is_kept():
    a = Value(5.0)
    assert [(2 - a).data, (a - 2).data, (2 / a).data, (a / 2).data, (2**a).data, (a**2).data] == [
        -3.0,
        3.0,
        0.4,
        2.5,
        32.0,
        25.0,
    ]
    assert [x.data for x in (2 - a)._prev] == [2.0, 5.0]
    assert [x.data for x in (a - 2)._prev] == [5.0, 2.0]


def test_unary_signs_and_abs():
    a = Value(-4.0)
    assert (-a).data == 4.0
    assert (+a).data == -4.0
    assert abs(a).data == 4.0
    abs(a).backward()
    assert a.grad == -1.0


def test_in_place_operators_make_new_values():
    a = first = Value(2.0)
    a += 3
    a *= Value(2.0)
    a -= 1.0
    a /= 3.0
    assert a is not first
    assert first.data == 2.0
    assert a.data == 3.0
    a.backward()
    assert first.grad == pytest.approx(2 / 3, rel=1e-15)


def test_python_sum_starts_at_zero():
    a, b = Value(1.0), Value(2.0)
    total = sum([a, b, a])
    total.backward()
    assert total.data == 4.0
    assert (a.grad, b.grad) == (2.0, 1.0)


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize("other", [1.0, 2.0, 3.0, 2, np.float64(2.0), np.float32(1.0), np.int64(3), math.nan])
def test_comparisons_are_plain_booleans(compare, other):
    a = Value(2.0)
    for answer, wanted in [
        (compare(a, other), compare(2.0, float(other))),
        (compare(other, a), compare(float(other), 2.0)),
        (compare(a, Value(float(other))), compare(2.0, float(other))),
    ]:
        assert isinstance(answer, bool | np.bool_)
        assert answer == wanted


def test_equality_and_hash_are_identity():
    a, b = Value(2.0), Value(2.0)
    assert a == a  # noqa: PLR0124
    assert a != b
    assert a != 2.0
    assert not (np.float64(2.0) == a)  # noqa: SIM201
    assert np.float64(2.0) != a
    assert len({a, b, a}) == 2
    assert {a: "a", b: "b"}[b] == "b"


def test_float_and_numpy_functions():
    a = Value(0.5)
    assert float(a) == 0.5
    assert type(np.exp(a)) is Value
    np.exp(a).backward()
    assert a.grad == math.exp(0.5)
    assert type(np.float64(2.0) * a) is Value


@pytest.mark.parametrize("name", UNARY)
def test_every_pointwise_function_is_a_method_and_a_function(name):
    rule = book[name]
    x = number_of(rule)
    settings = rule.examples[0]
    by_function, by_method, plain = rule(Value(x), **settings), getattr(Value(x), name)(**settings), rule(x, **settings)
    if type(plain) is bool:  # a question
        assert by_function is by_method is plain
        return
    assert type(by_function) is type(by_method) is Value
    assert by_function.data == pytest.approx(float(plain), rel=4e-16)
    assert by_method.data == pytest.approx(float(plain), rel=4e-16)
    if not rule.differentiable(0):
        return
    slope = (rule(x + 1e-5, **settings) - rule(x - 1e-5, **settings)) / 2e-5
    for call in (lambda v: rule(v, **settings), lambda v: getattr(v, name)(**settings)):
        v = Value(x)
        call(v).backward()
        assert v.grad == pytest.approx(slope, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("name", ["maximum", "minimum", "atan2", "pow", "where"])
def test_pointwise_functions_of_several(name):
    a, b = Value(1.25), Value(0.75)
    out = cr.where(a > b, a, b) if name == "where" else getattr(cr, name)(a, b)
    out.backward()
    wanted = {
        "maximum": (1.25, 1.0, 0.0),
        "minimum": (0.75, 0.0, 1.0),
        "atan2": (math.atan2(1.25, 0.75), 0.75 / 2.125, -1.25 / 2.125),
        "pow": (1.25**0.75, 0.75 * 1.25**-0.25, 1.25**0.75 * math.log(1.25)),
        "where": (1.25, 1.0, 0.0),
    }[name]
    assert (out.data, a.grad, b.grad) == pytest.approx(wanted, rel=1e-15)


def test_comparisons_of_the_book_on_values():
    a, b = Value(1.0), Value(2.0)
    assert bool(cr.less(a, b)) is True
    assert bool(cr.greater_equal(a, 2.0)) is False
    assert bool(cr.equal(a, 1.0)) is True


def test_sum_of_many_is_one_node():
    a, b = Value(1.0), Value(2.0)
    out = cr.sum([a, 3, b, a, 0.5])
    assert out.data == 7.5
    assert out._op == "sum"
    assert [x.data for x in out._prev] == [1.0, 3.0, 2.0, 1.0, 0.5]
    out.backward()
    assert (a.grad, b.grad) == (2.0, 1.0)


def test_dot_is_one_node():
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    out = cr.dot([a, b, 4.0], (c, a, b))
    assert out.data == 1 * 3 + 2 * 1 + 4 * 2
    assert out._op == "dot"
    assert len(out._prev) == 6
    out.backward()
    assert (a.grad, b.grad, c.grad) == (3 + 2, 1 + 4, 1)


def test_a_list_of_values_has_one_axis():
    a = [Value(1.0), Value(2.0)]
    assert cr.sum(a, axis=0).data == cr.sum(a, axis=-1).data == 3.0
    with pytest.raises(ShapeError, match="one axis"):
        cr.sum(a, axis=1)


def test_dot_needs_one_length():
    with pytest.raises(ShapeError, match="2 and 1"):
        cr.dot([Value(1.0), Value(2.0)], [Value(1.0)])


@pytest.mark.parametrize("stranger", ["1.5", None, 1j, np.complex128(2j), np.ones(2)], ids=repr)
def test_sum_and_dot_refuse_strangers(stranger):
    with pytest.raises((DtypeError, TypeError)):
        cr.sum([Value(1.0), stranger])
    with pytest.raises((DtypeError, TypeError)):
        cr.dot([Value(1.0)], [stranger])


def test_repr_tells_data_grad_label_and_operation():
    a = Value(2.0, label="a")
    out = a * 3.0
    out.backward()
    assert repr(a) == "Value(data=2.0, grad=3.0, label='a')"
    assert repr(out) == "Value(data=6.0, grad=1.0, op='*')"


def test_symbols_of_operations():
    a, b = Value(2.0), Value(3.0)
    assert [x._op for x in (a + b, a - b, a * b, a / b, a**b, a**2, a**-0.5, a.relu(), a.tanh(), a)] == [
        "+",
        "-",
        "*",
        "/",
        "**",
        "**2",
        "**-0.5",
        "ReLU",
        "tanh",
        "",
    ]


def test_inputs_and_local_derivatives_are_open():
    a, b = Value(2.0), Value(3.0)
    out = a * b
    assert out.inputs == (a, b)
    assert out.local_derivatives == (3.0, 2.0)
    assert out.op is book["mul"]
    assert (a - 1).inputs == (a, 1.0)
    assert (a - 1).local_derivatives == (1.0,)
    assert (1 - a).local_derivatives == (-1.0,)
    assert cr.dot([a], [b]).local_derivatives == (3.0, 2.0)
    assert a.op is None
    assert a.inputs == ()


def test_backward_step_cannot_be_replaced():
    out = Value(2.0) * 3.0
    with pytest.raises(AttributeError, match=r"@cr\.pointwise"):
        out._backward = lambda: None


def test_no_foreign_attributes():
    with pytest.raises(AttributeError):
        Value(1.0).gradient = 2.0
    with pytest.raises(AttributeError, match="nonsense"):
        Value(1.0).nonsense  # noqa: B018


def test_reuse_accumulates():
    a, b = Value(-2.0), Value(3.0)
    f = (a * b) * (a + b)
    f.backward()
    assert (f.data, a.grad, b.grad) == (-6.0, -3.0, -8.0)
    c = Value(3.0)
    (c + c).backward()
    assert c.grad == 2.0
    d = Value(3.0)
    (d * d * d).backward()
    assert d.grad == 27.0


def test_a_second_backward_adds_to_leaves_once_more():
    a, b = Value(-2.0), Value(3.0)
    d = a * b
    e = a + b
    f = d * e
    for times in (1, 2, 3):
        f.backward()
        assert (a.grad, b.grad) == (-3.0 * times, -8.0 * times)
        assert (d.grad, e.grad, f.grad) == (1.0, -6.0, 1.0)


def test_intermediates_are_fresh_when_graphs_share_them():
    a = Value(2.0)
    shared = a * 3.0
    first, second = shared * 5.0, shared * 7.0
    first.backward()
    second.backward()
    assert shared.grad == 7.0
    assert a.grad == 15.0 + 21.0


def test_backward_from_an_intermediate_and_from_a_leaf():
    a = Value(2.0)
    inner = a * a
    inner.exp()
    inner.backward()
    assert a.grad == 4.0
    leaf = Value(1.0)
    leaf.backward()
    leaf.backward()
    assert leaf.grad == 2.0


def test_backward_takes_a_seed():
    a = Value(2.0)
    (a * 3.0).backward(10.0)
    assert a.grad == 30.0


def test_a_node_that_feeds_one_operation_twice():
    a = Value(3.0)
    inner = a * 1.0
    (inner / inner + inner**inner).backward()
    assert a.grad == pytest.approx(27 * (1 + math.log(3.0)), rel=1e-14)
    b = Value(3.0)
    inner = b * 1.0
    cr.sum([inner, inner * inner, inner, 2.0 * inner]).backward()
    assert b.grad == 2.0 + 6.0 + 2.0


def test_a_chain_of_200_000_needs_no_recursion():
    x = Value(1.0)
    out = x
    for _ in range(200_000):
        out = out + 1.0
    out.backward()
    assert (out.data, x.grad) == (200_001.0, 1.0)
    del out
    assert x.data == 1.0


def test_freeing_a_deep_graph_of_pairs_and_fans():
    x = Value(1.0)
    pair = fan = x
    for _ in range(50_000):
        pair = pair * 0.5 + pair * 0.5
        fan = cr.sum([fan, 0.0])
    pair.backward()
    fan.backward()
    assert x.grad == 2.0
    del pair, fan


@pytest.mark.parametrize(
    "step",
    [
        lambda y: y * y,
        lambda y: y + y * 0.0,
        lambda y: (y.relu() * 1.0) * y,
        lambda y: y.relu() / y.relu(),
        lambda y: cr.sum([y, y, y]) * 0.1,
        lambda y: (z := cr.sin(y)) - z,
    ],
)
def test_freeing_a_deep_graph_whose_steps_use_a_node_more_than_once(step):
    """A square's one input has two references, both of them the square's: half a million such steps crashed Python."""
    out = x = Value(1.0)
    for _ in range(200_000):
        out = step(out)
    del out
    assert x.data == 1.0


@pytest.mark.parametrize(
    "use",
    [
        lambda x, y: x * y,
        lambda x, y: x * x,
        lambda x, y: x + 1.0,
        lambda x, y: 2.0 / x,
        lambda x, y: y.relu() - x.tanh(),
        lambda x, y: x**y,
        lambda x, y: cr.sum([x, y, x]),
        lambda x, y: cr.floor(x) * y,
    ],
)
def test_a_graph_counts_its_references_to_its_inputs_exactly(use):
    x, y = Value(2.5), Value(3.0)
    before = sys.getrefcount(x), sys.getrefcount(y)
    for _ in range(100):
        out = use(x, y)
        (out + out).backward()
        assert len(out.edges) == len(out.local_derivatives) <= len(out.inputs)
        assert out._prev[0] is out.inputs[0] or type(out.inputs[0]) is float
        del out
    assert (sys.getrefcount(x), sys.getrefcount(y)) == before


def test_nodes_may_be_made_and_dropped_while_a_graph_is_freed():
    """What a setting holds may run anything when it goes, also a graph of its own: it waits for its turn."""
    ends = []

    class Ending:
        def __init__(self, x):
            self.chain = x
            for _ in range(1_000):
                self.chain = self.chain * x

        def __del__(self):
            (self.chain + 1.0).backward()
            ends.append(self.chain.data)

    def kept(x, *, by):
        """The same number, with something beside it."""
        return x * 1.0

    carry = Pointwise(kept, "{x}", (lambda out, x, by: 1.0,))
    out = x = Value(1.0)
    for _ in range(20):
        out = carry(out, by=Ending(x)) + 1.0
    out.backward()
    assert x.grad == 1.0
    del out
    assert ends == [1.0] * 20
    assert x.grad == 1.0 + 20 * 1_001


def test_wide_and_deep_sums():
    xs = [Value(float(i)) for i in range(2_000)]
    out = Value(0.0)
    for _ in range(20):
        out = cr.sum([out, *xs]) * 0.5
    out.backward()
    expected = sum(0.5**k for k in range(1, 21))
    assert xs[0].grad == xs[-1].grad == pytest.approx(expected, rel=1e-15)
    product = cr.dot(xs, xs)
    assert product.data == sum(i * i for i in range(2_000))


def test_a_node_keeps_its_inputs_alive():
    out = Value(2.0) * Value(3.0) + cr.sum([Value(1.0), Value(5.0)])
    gc.collect()
    out.backward()
    assert [x.grad for x in out._prev[0]._prev] == [3.0, 2.0]


def test_leaves_copy_and_pickle():
    a = Value(2.5, label="weight")
    a.grad = 7.0
    for again in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))):  # noqa: S301
        assert again is not a
        assert (again.data, again.grad, again.label) == (2.5, 7.0, "weight")
    held = copy.deepcopy({"w": [a, a]})
    assert held["w"][0].data == 2.5


def test_a_copied_leaf_is_independent():
    a = Value(2.0)
    b = copy.deepcopy(a)
    (a * 3.0 + b * 5.0).backward()
    assert (a.grad, b.grad) == (3.0, 5.0)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_nodes_with_inputs_refuse_copies(duplicate):
    with pytest.raises(GraphError, match="detach"):
        duplicate(Value(2.0) * 3.0)


def test_a_pickle_does_not_depend_on_the_engine():
    assert b"core._value" not in pickle.dumps(Value(1.0))


def test_nodes_made_by_hand_refuse_backward():
    a, b = Value(1.0), Value(2.0)
    by_hand = Value(3.0, (a, b), "+")
    assert by_hand._prev == (a, b)
    assert by_hand._op == "+"
    with pytest.raises(GraphError, match=r"@cr\.pointwise"):
        by_hand.backward()
    with pytest.raises(GraphError, match=r"_op='\+'"):
        (by_hand * 2.0).backward()


@pytest.mark.parametrize(
    ("compute", "wanted"),
    [
        (lambda: 1 / Value(0.0), math.inf),
        (lambda: Value(1.0) / 0, math.inf),
        (lambda: Value(-1.0) / Value(0.0), -math.inf),
        (lambda: Value(0.0) / 0.0, math.nan),
        (lambda: Value(-2.0) ** 0.5, math.nan),
        (lambda: (-2.0) ** Value(0.5), math.nan),
        (lambda: Value(-2.0) ** Value(3.0), -8.0),
        (lambda: Value(0.0) ** -1, math.inf),
        (lambda: Value(10.0) ** 1000, math.inf),
        (lambda: cr.log(Value(-1.0)), math.nan),
        (lambda: Value(-1.0).log(), math.nan),
        (lambda: cr.log(Value(0.0)), -math.inf),
        (lambda: Value(0.0).log(), -math.inf),
        (lambda: Value(1000.0).exp(), math.inf),
        (lambda: cr.exp(Value(1000.0)), math.inf),
        (lambda: Value(-1.0).sqrt(), math.nan),
        (lambda: Value(0.0).reciprocal(), math.inf),
        (lambda: Value(2.0).asin(), math.nan),
        (lambda: Value(-1000.0).sigmoid(), 0.0),
        (lambda: Value(-2.0).log1p(), math.nan),
        (lambda: Value(math.inf) - Value(math.inf), math.nan),
        (lambda: Value(math.inf).sin(), math.nan),
        (lambda: Value(math.nan).relu(), math.nan),
        (lambda: cr.sum([Value(math.inf), -math.inf]), math.nan),
    ],
)
def test_numbers_follow_ieee_in_silence(compute, wanted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = compute()
        out.backward()
    assert out.data == pytest.approx(wanted, nan_ok=True)


def test_gradients_follow_ieee_in_silence():
    cases = [
        (lambda x: x.sqrt(), 0.0, math.inf),
        (lambda x: x.log(), 0.0, math.inf),
        (lambda x: 1 / x, 0.0, -math.inf),
        (lambda x: x**0.5, 0.0, math.inf),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: 2.0**x, -math.inf, 0.0),
        (lambda x: 0.0**x, 2.0, 0.0),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f, at, wanted in cases:
            x = Value(at)
            f(x).backward()
            assert x.grad == pytest.approx(wanted, nan_ok=True), f


@pytest.mark.parametrize("bad", ["1.0", None, 1j, np.complex128(1j), [1.0], np.ones(1), np.ones(()), len], ids=repr)
def test_a_value_holds_one_real_number(bad):
    with pytest.raises(DtypeError, match=r"one real number.*cr\.Tensor"):
        Value(bad)


@pytest.mark.parametrize(
    "apply", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt]
)
@pytest.mark.parametrize("bad", ["1.0", None, 1j, np.complex128(1j), [1.0], np.ones(2), cr.Tensor(1.0)], ids=repr)
def test_operators_refuse_what_is_not_a_number(apply, bad):
    for call in (lambda: apply(Value(1.0), bad), lambda: apply(bad, Value(1.0))):
        with pytest.raises(TypeError) as caught:
            call()
        assert "Value" in str(caught.value) or type(bad).__name__ in str(caught.value)


def test_functions_on_arrays_refuse_values():
    with pytest.raises((DtypeError, TypeError), match=r"cr\.Tensor"):
        Value(1.0).reshape((1,))
    with pytest.raises(TypeError, match="setting slope"):
        cr.leaky_relu(Value(1.0), slope=Value(0.1))


def test_the_limits_of_clip_get_the_gradient_where_they_hold():
    x, low = Value(-1.0), Value(0.0)
    cr.clip(x, a_min=low, a_max=2.0).backward()
    assert (x.grad, low.grad) == (0.0, 1.0)


def test_remainders_and_whole_steps():
    x, y = Value(7.5), Value(-2.0)
    steps, rest = divmod(x, y)
    assert (steps.data, rest.data) == divmod(7.5, -2.0) == ((x // y).data, (x % y).data)
    rest.backward()
    assert (x.grad, y.grad) == (1.0, 4.0)
    assert ((x % 2).data, (9 % x).data, (x // 2).data, (9 // x).data) == (1.5, 1.5, 3.0, 1.0)
    assert [part.data for part in divmod(9, x)] == [1.0, 1.5]


def test_detach_cuts():
    a = Value(2.0, label="a")
    out = a * (a * 3.0).detach()
    out.backward()
    assert a.grad == 6.0
    assert a.detach().label == "a"

"""Terms: symbols with shapes, equal ones the same object, which run on whatever operations run on."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import gradients_of
from chainrule.core.term import Term, constant, forward_order, known, replay, symbol
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.maths import Symbol, latex

W, X, Y = symbol("W", (2, 3)), symbol("x", (3,)), symbol("y", (2,))


def test_equal_terms_are_one_object():
    assert symbol("W", (2, 3)) is W
    assert symbol("W", (3, 2)) is not W
    assert W @ X is W @ X
    assert W + X is W + cr.broadcast_to(X, shape=(2, 3))
    assert cr.sum(W, axis=0) is cr.sum(W, axis=0)
    assert cr.sum(W, axis=0) is not cr.sum(W, axis=1)
    assert X * 2 is not X * 2.0
    assert 0.0 * X is not -0.0 * X
    assert W[0] is W[0]
    assert W[0] is not W[1]
    assert W[[0, 1]] is W[[0, 1]]
    assert constant([1.0, 2.0]) is constant(np.array([1.0, 2.0]))
    assert X * np.array([1.0, 2.0, 3.0]) is X * constant([1.0, 2.0, 3.0])


def test_rules_of_one_name_are_told_apart():
    def rule(factor):
        def scaled(x):
            """Some multiple."""
            return factor * x

        operation = cr.pointwise("{x}", partials=(lambda out, x: factor,))
        cr.book.pop("scaled", None)
        return operation(scaled)

    double, triple = rule(2), rule(3)
    cr.book.pop("scaled")
    assert double(X) is not triple(X)


def test_what_nobody_holds_is_forgotten():
    gone = weakref.ref(symbol("only here", (7,)) * 2.0)
    gc.collect()
    assert gone() is None
    assert not any("only here" in str(key) for key in list(known))


def test_shapes():
    assert (W @ X - Y).shape == (2,)
    assert ((W + X).shape, (W + X).inputs[1].op.name) == ((2, 3), "broadcast_to")
    assert (W.T.shape, W.ndim, W.size, len(W), X.dtype) == ((3, 2), 2, 6, 2, np.float64)
    assert [row.shape for row in W] == [(3,), (3,)]
    assert cr.inv(symbol("A", (3, 3))).shape == (3, 3)
    assert cr.cholesky(symbol("A", (4, 3, 3))).shape == (4, 3, 3)
    assert cr.det(symbol("A", (4, 3, 3))).shape == (4,)
    with pytest.raises(ShapeError):
        W @ Y
    with pytest.raises(ShapeError, match="add does not fit"):
        X + Y
    with pytest.raises(ShapeError):
        cr.inv(W)


def test_numpys_functions_and_arrays_on_the_left():
    assert np.exp(X) is cr.exp(X)
    assert np.ones(3) * X is constant(np.ones(3)) * X
    assert np.float64(2.0) * X is 2.0 * X
    assert np.sum(W, axis=0) is cr.sum(W, axis=0) is np.sum(W, 0)
    assert np.linalg.inv(symbol("A", (2, 2))) is cr.inv(symbol("A", (2, 2)))
    with pytest.raises(TypeError):
        np.spacing(X)
    with pytest.raises(TypeError):
        np.linalg.eig(W)


def test_refusals():
    with pytest.raises(GraphError, match="no number to branch on"):
        bool(X > 0)
    with pytest.raises(DtypeError, match="cannot mix Term and Tensor"):
        X + cr.Tensor(1.0)
    with pytest.raises(DtypeError, match="cannot mix"):
        cr.Tensor(1.0) + X
    with pytest.raises(GraphError, match="the symbol x has no value"):
        replay([X * 2.0], {})
    with pytest.raises(AttributeError, match="nonsense"):
        X.nonsense()
    with pytest.raises(TypeError, match="no length"):
        len(cr.sum(X))


def values(seed=0):
    rng = np.random.default_rng(seed)
    return {x: rng.normal(size=x.shape) for x in (W, X, Y)}


def test_replay_computes_records_prints_and_rewrites():
    out = cr.sum(cr.square(W @ X - Y))
    given = values()
    right = float(np.sum((given[W] @ given[X] - given[Y]) ** 2))
    assert replay([out], given) == [pytest.approx(right, rel=1e-15)]
    tensors = {x: cr.Tensor(v, requires_grad=True) for x, v in given.items()}
    (recorded,) = replay([out], tensors)
    recorded.backward()
    close = {"rtol": 1e-14}
    np.testing.assert_allclose(tensors[Y].grad.data, -2 * (given[W] @ given[X] - given[Y]), **close)
    printed = replay([X * 2.0 + W[0]], {X: Symbol("x", shape=X.shape), W: Symbol("w", shape=W.shape)})[0]
    assert latex(printed) == r"2 x + w[0]"
    z = symbol("z", (3,))
    assert replay([out], {W: W, X: z, Y: Y})[0] is cr.sum(cr.square(W @ z - Y))


def test_replay_puts_things_in_place_of_inner_terms_too():
    inner = W @ X
    assert replay([inner * 2.0, 5.0], {inner: np.ones(2)})[1] == 5.0
    np.testing.assert_array_equal(replay([inner * 2.0], {inner: np.ones(2)})[0], [2.0, 2.0])


def spd(x):
    return cr.matmul(cr.transpose(x), x) + 3.0 * np.eye(3)


FUNCTIONS = {
    "affine": lambda w, x, y: cr.sum(cr.square(cr.affine(cr.reshape(x, shape=(1, 3)), w, y))),
    "squared_error": lambda w, x, y: cr.squared_error(w @ x, y, scale=0.5),
    "cross_entropy": lambda w, x, y: cr.cross_entropy(w * x, target=np.array([0, 2])),
    "softmax": lambda w, x, y: cr.softmax(w, axis=-1) @ x @ y,
    "log_softmax": lambda w, x, y: cr.sum(cr.log_softmax(w, axis=0) * x),
    "logsumexp": lambda w, x, y: cr.dot(cr.logsumexp(w, axis=1), y) + cr.logsumexp(w * x),
    "norm": lambda w, x, y: cr.norm(w) * cr.norm(x, 1) + cr.sum(cr.norm(w, axis=0, keepdims=True)),
    "var and std": lambda w, x, y: cr.sum(cr.var(w, axis=1, ddof=1)) * cr.std(x),
    "mean": lambda w, x, y: cr.mean(w * x) + cr.dot(cr.mean(w, axis=1), y),
    "trace": lambda w, x, y: cr.trace(w.T @ w) * y[0],
    "prod": lambda w, x, y: cr.prod(w) + cr.dot(cr.prod(w, axis=1), y),
    "dot": lambda w, x, y: cr.dot(x, x) * cr.dot(w, x)[1],
    "stack and concatenate": lambda w, x, y: cr.sum(cr.stack([x, 2.0 * x]) * w) * cr.norm(cr.concatenate([x, y])),
    "pad": lambda w, x, y: cr.sum(cr.pad(w, 1, constant_values=2.0) ** 2),
    "relu and maximum": lambda w, x, y: cr.sum(cr.relu(w @ x)) + cr.sum(cr.maximum(w, x)),
    "inv": lambda w, x, y: x @ cr.inv(spd(w)) @ x,
    "solve": lambda w, x, y: x @ cr.solve(spd(w), x) + cr.sum(cr.solve(spd(w), cr.transpose(w))),
    "slogdet": lambda w, x, y: cr.slogdet(spd(w)).logabsdet + cr.det(spd(w)),
    "cholesky": lambda w, x, y: cr.sum(cr.cholesky(spd(w)) @ x),
    "einsum": lambda w, x, y: cr.einsum("ij,j,i->", w, x, y) + cr.einsum("ii", spd(w)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_symbolic_gradients_are_the_engines_to_second_order(name):
    function = FUNCTIONS[name]
    given = values(1)
    out = function(W, X, Y)
    assert isinstance(out, Term)
    assert out.shape == ()
    right, engine = cr.value_and_grad(function, (0, 1, 2))(*given.values())
    np.testing.assert_allclose(replay([out], given)[0], right, rtol=1e-13)
    found = gradients_of([out], [constant(1.0)], [W, X, Y], record=True)
    for term, gradient in zip(found, engine, strict=True):
        if term is None:
            assert not gradient.any()
        else:
            assert term.shape == gradient.shape
            np.testing.assert_allclose(replay([term], given)[0], gradient, rtol=1e-11, atol=1e-13)
    weights = np.arange(1.0, 7.0).reshape(2, 3)
    second = gradients_of([cr.sum(found[0] * weights)], [constant(1.0)], [W], record=True)[0]
    bent = cr.grad(lambda w: cr.sum(cr.grad(function)(w, given[X], given[Y]) * weights))(given[W])
    np.testing.assert_allclose(
        0.0 * bent if second is None else replay([second], given)[0], bent, rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("call", [cr.max, cr.min, lambda x: cr.max(x, axis=0), lambda x: cr.norm(x, np.inf)])
def test_the_largest_entry_of_a_symbol_is_not_known(call):
    with pytest.raises(GraphError, match="a symbol has no numbers"):
        call(W)


def test_deep_terms_need_no_recursion():
    out = x = symbol("deep", ())
    for _ in range(30_000):
        out = out + x
    assert len(forward_order([out])) == 30_001
    assert replay([out], {x: 1.0}) == [30_001.0]
    gradient = gradients_of([out], [constant(1.0)], [x], record=True)[0]
    assert replay([gradient], {}) == [30_001.0]
    del out, gradient
    gc.collect()
    assert len([key for key in list(known) if "add" in str(key[0])]) < 1000

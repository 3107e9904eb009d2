"""Einstein's notation: values as NumPy's, gradients as PyTorch's and JAX's, second order as differences."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import close, slope

import chainrule as cr
from chainrule.core.operation import book
from chainrule.errors import GraphError, ShapeError

CALLS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba,cb", (2, 3), (4, 2)),
    ("ij->ji", (2, 3)),
    ("ij", (2, 3)),
    ("ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("i,i", (3,), (3,)),
    ("i,j->ij", (3,), (2,)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("ii->", (3, 3)),
    ("iii->", (2, 2, 2)),
    ("iij->j", (2, 2, 3)),
    ("iji->ij", (2, 3, 2)),
    ("ii,ij->j", (3, 3), (3, 2)),
    ("ii,jj->ij", (2, 2), (3, 3)),
    ("ij,kl->il", (2, 3), (4, 5)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 2), (2, 5)),
    (",i->i", (), (3,)),
    (",", (), ()),
    ("->", ()),
    ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    ("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 4)),
    ("...ij,jk", (5, 2, 3), (3, 4)),
    ("...,...", (2, 3), (3,)),
    ("i...->...", (2, 3, 4)),
    ("...ii->...i", (4, 3, 3)),
    ("i...j->j...", (2, 4, 5, 3)),
    (" i j , j -> i ", (2, 3), (3,)),
    ("Ab,bC->AC", (2, 3), (3, 4)),
    ("ij,j->i", (2, 0), (0,)),
]


def arrays(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize(("subscripts", "shapes"), [(call[0], call[1:]) for call in CALLS])
def test_values_and_gradients(subscripts, shapes):
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    inputs = arrays(shapes)
    right = np.einsum(subscripts, *inputs)
    out, pull = cr.vjp(lambda *xs: cr.einsum(subscripts, *xs), *inputs)
    close(out, right, 1e-14, subscripts)
    close(np.einsum(subscripts, *map(cr.Tensor, inputs)).data, right, 1e-14, subscripts)
    g = np.asarray(np.random.default_rng(1).normal(size=right.shape))
    found = pull(g)
    if "i...j" not in subscripts:
        given = [torch.tensor(x, requires_grad=True) for x in inputs]
        torch.einsum(subscripts, *given).backward(torch.tensor(g))
        for mine, theirs in zip(found, given, strict=True):
            close(mine, theirs.grad.numpy(), 1e-13, f"{subscripts} against PyTorch")
    f = lambda *xs: jax.numpy.einsum(subscripts, *xs, precision="highest")  # noqa: E731
    pulled = jax.jit(lambda g, *xs: jax.vjp(f, *xs)[1](g))(g, *inputs)
    for mine, theirs in zip(found, pulled, strict=True):
        close(mine, np.asarray(theirs), 1e-13, f"{subscripts} against JAX")


@pytest.mark.parametrize(("subscripts", "shapes"), [(call[0], call[1:]) for call in CALLS if 0 not in call[1]])
def test_second_order(subscripts, shapes):
    inputs, tangents = arrays(shapes), arrays(shapes, seed=2)
    f = lambda *xs: cr.sum(cr.square(cr.einsum(subscripts, *xs)))  # noqa: E731
    seconds = cr.hvp(f, tuple(inputs), tuple(tangents))
    for i, second in enumerate(seconds if len(shapes) > 1 else [seconds]):
        gradient = cr.grad(f, i)
        bent = slope(lambda h, gradient=gradient: gradient(*[x + h * t for x, t in zip(inputs, tangents, strict=True)]))
        close(second, bent, 1e-7, f"second order of {subscripts}")


def test_forward_mode_moves_one_operand_at_a_time():
    x, y, t = arrays([(2, 3), (3, 4), (3, 4)])
    call = lambda x, y: cr.einsum("ij,jk->ik", x, y)  # noqa: E731
    close(cr.jvp(call, (x, y), (0 * x, t))[1], x @ t, 1e-14, "one operand")


def test_axes_of_length_one_broadcast_under_a_letter_as_in_numpy():
    x, y = arrays([(2, 1), (3,)])
    out, pull = cr.vjp(lambda x, y: cr.einsum("ij,j->i", x, y), x, y)
    close(out, np.einsum("ij,j->i", x, y), 1e-15, "values")
    gx, gy = pull(np.ones(2))
    close(gx, np.full((2, 1), y.sum()), 1e-14, "left")
    close(gy, np.full(3, x.sum()), 1e-14, "right")


def test_lists_of_nodes_are_stacked():
    x = cr.Tensor(2.0, requires_grad=True)
    cr.einsum("i,i->", [x, 1.0 * x], np.array([1.0, 10.0])).backward()
    assert x.grad.item() == 11.0


def test_a_change_of_the_other_operand_is_noticed():
    assert book["einsum"].reads(1, 3) == (False, (0, 2))
    x = cr.Tensor(np.ones((2, 2)), requires_grad=True)
    y = cr.Tensor(np.ones((2, 2)), requires_grad=True)
    out = cr.sum(cr.einsum("ij,jk->ik", x, y))
    with cr.no_grad():
        y += 1.0
    with pytest.raises(GraphError, match="changed in place"):
        out.backward()


@pytest.mark.parametrize(
    ("subscripts", "shapes", "words"),
    [
        ("ij,jk->ik", ((2, 3),), "is for 2 operands, and got 1"),
        ("ij->ij", ((2, 3), (3,)), "is for 1 operands, and got 2"),
        ("ij->ik", ((2, 3),), "the result needs letters of the operands, each once"),
        ("ij->ii", ((2, 3),), "each once"),
        ("ij,jk->ik", ((2, 3), (2, 4)), "one letter to axes of lengths 3 and 2"),
        ("ii->i", ((2, 3),), "lengths 2 and 3"),
        ("ijk->i", ((2, 3),), "writes 'ijk' for an operand with 2 axes"),
        ("i->i", ((2, 3),), "writes 'i' for an operand with 2 axes"),
        ("i1->i", ((2, 3),), "has more in it than letters"),
        ("i..->i", ((2, 3),), "has more in it"),
        ("i->j->k", ((2,),), "has more in it"),
        ("...i->i", ((2, 3),), None),
    ],
)
def test_what_does_not_fit_is_said(subscripts, shapes, words):
    inputs = arrays(shapes)
    if words is None:
        assert cr.einsum(subscripts, *inputs).shape == (3,)
        return
    with pytest.raises(ShapeError, match=words):
        cr.einsum(subscripts, *inputs)


def test_the_letters_come_first():
    with pytest.raises(ShapeError, match="its letters first"):
        cr.einsum(np.ones(2), "i")

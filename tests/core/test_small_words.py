"""What is not known is named: labels of any kind of string, numbers too large for a double, keywords of NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.errors import DtypeError

HUGE = 10**400


class Word(str):
    """A kind of string of the user's own."""

    __slots__ = ()


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_labels_are_strings_of_any_kind(kind):
    for label in ("a", np.str_("a"), Word("a")):
        x = kind(1.0, label=label)
        assert (type(x.label), x.label) == (str, "a")
        assert "label='a'" in repr(x)
        y = kind(1.0)
        y.label = label
        assert y.label == "a"
    for wrong in (3, None, b"a", ["a"]):
        with pytest.raises(DtypeError, match=f"a label is a string, not {type(wrong).__name__}"):
            kind(1.0, label=wrong)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "use",
    [
        lambda x, n: x + n,
        lambda x, n: n + x,
        lambda x, n: x - n,
        lambda x, n: n - x,
        lambda x, n: x * n,
        lambda x, n: n * x,
        lambda x, n: x / n,
        lambda x, n: n / x,
        lambda x, n: x**n,
        lambda x, n: n**x,
        lambda x, n: x < n,
        lambda x, n: n >= x,
        lambda x, n: cr.maximum(x, n),
        lambda x, n: type(x)(n),
        lambda x, n: cr.sum([x, n]),
        lambda x, n: cr.grad(lambda y: y * x)(n),
    ],
)
def test_a_whole_number_beyond_every_double_is_refused_in_words(use, sign):
    for x in (Value(2.0), Tensor(2.0, requires_grad=True)):
        with pytest.raises(DtypeError, match="too large"):
            use(x, sign * HUGE)


@pytest.mark.parametrize("x", [Value(2.0), Tensor([2.0], requires_grad=True)], ids=["value", "tensor"])
def test_keywords_and_methods_of_numpys_functions_are_named(x):
    for call, words in (
        (lambda: np.exp(x, where=np.array([True])), "np.exp on nodes has no keyword where"),
        (lambda: np.exp(x, dtype=np.float32), "np.exp on nodes has no keyword dtype"),
        (lambda: np.exp(x, out=np.zeros(1)), r"np.exp cannot write .* into out"),
        (lambda: np.add(x, 1.0, out=np.zeros(1)), r"np.add cannot write .* a = a \+ x"),
        (lambda: np.add.outer(x, x), "np.add.outer has no rule"),
        (lambda: np.spacing(x), "np.spacing has no rule"),
    ):
        with pytest.raises(DtypeError, match=words):
            call()


@pytest.mark.parametrize("given", [np.ones(1), Tensor([1.0]), Tensor([1.0], requires_grad=True)])
def test_numpy_does_not_write_into_a_node(given):
    out = Tensor([0.0])
    with pytest.raises(DtypeError, match=r"np.add cannot write .* into out"):
        np.add(given, given, out=out)
    assert out.tolist() == [0.0]
    row = np.zeros(1)
    if isinstance(given, Tensor) and given.requires_grad:
        with pytest.raises(DtypeError, match=r"a = a \+ x for a \+= x"):
            row += given
    else:
        row += given
        assert row.tolist() == [1.0]


def test_an_array_of_objects_with_nodes_in_it_is_named():
    held = np.empty(2, dtype=object)
    held[0], held[1] = Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    with pytest.raises(DtypeError, match=r"dtype object with nodes in it: join Tensors with cr\.stack"):
        Tensor(held)
    with pytest.raises(DtypeError, match=r"join Tensors with cr\.stack"):
        Tensor(np.ones(2)) * held


def test_an_index_may_be_one_of_numpys_numbers():
    assert cr.grad(lambda x, y: x * y, argnums=np.int64(1))(2.0, 3.0) == 2.0
    assert cr.grad(lambda x, y: x * y, argnums=(np.int32(1), np.int64(0)))(2.0, 3.0) == (2.0, 3.0)

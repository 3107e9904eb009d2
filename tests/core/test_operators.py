"""Operators and methods mean what they mean in NumPy, on arrays of every kind of number and inside every transform."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import Node
from chainrule.core.tensor import OWN
from chainrule.core.term import symbol
from chainrule.errors import ChainruleError

ARITHMETIC = ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv")
BITS = ("and_", "or_", "xor", "lshift", "rshift")
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
NUMBERS = {
    "whole": (np.array([6, 5, 9]), np.array([3, 1, 2])),
    "true or false": (np.array([True, False, True]), np.array([True, True, False])),
    "whole and true or false": (np.array([6, 5, 9]), np.array([True, False, True])),
    "floating": (np.array([6.5, 5.0, 9.0]), np.array([3.0, 1.5, 2.0])),
    "a whole number": (np.array([6, 5, 9]), 3),
    "a truth value": (np.array([True, False, True]), True),
}
WAYS = {
    "eager": lambda f, x, y: f(cr.Tensor(x, dtype=x.dtype), y),
    "from the right": lambda f, x, y: f(x, cr.Tensor(y, dtype=np.asarray(y).dtype)),
    "compiled": lambda f, x, y: cr.compile(lambda x: f(x, y))(x),
    "for each": lambda f, x, y: cr.vmap(lambda x: f(x, y), in_axes=1, out_axes=1)(x[:, None]),
}


ASKED = [(name, kind) for name in (*BITS, *COMPARISONS) for kind in NUMBERS] + [
    (name, kind) for name in ARITHMETIC for kind in ("whole", "floating")
]
"""NumPy does not calculate with truth values throughout, and chainrule does."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "kind"), ASKED)
def test_an_operator_gives_what_numpy_gives(name, kind, way):
    f, (x, y) = getattr(operator, name), NUMBERS[kind]
    try:
        right = f(x, y)
    except TypeError:
        with pytest.raises((ChainruleError, TypeError)):
            WAYS[way](f, x, y)
        return
    found = WAYS[way](f, x, y)
    found = np.asarray(found.data if isinstance(found, cr.Tensor) else found)
    assert np.array_equal(found.ravel(), right)
    if name not in ARITHMETIC:
        assert found.dtype == right.dtype


@pytest.mark.parametrize("x", [np.array([6, 5]), np.array([True, False])])
def test_what_is_turned_over_are_bits_or_truth(x):
    for found in (~cr.Tensor(x, dtype=x.dtype), cr.compile(lambda x: ~x)(x), cr.vmap(lambda x: ~x)(x)):
        assert np.array_equal(np.asarray(getattr(found, "data", found)), ~x)


def test_conditions_are_joined_in_formulas_as_truth():
    x = symbol("x")
    assert ((x > 0) & (x < 1)).op is cr.logical_and
    assert (~(x > 0)).op is cr.logical_not


def test_conditions_on_arrays_are_joined_as_truth_in_a_program_too():
    x = cr.Tensor([-1.0, 0.5, 2.0], requires_grad=True)
    y = cr.where((x > 0) & (x < 1), x, 0.0).sum()
    assert "logical_and" in [step.operation for step in cr.program.lift(y).program.steps]


METHODS = {
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "astype": lambda x: x.astype(np.float32, copy=False),
    "clone": lambda x: x.clone(),
    "compress": lambda x: x.compress(np.array([True, False]), axis=1),
    "copy": lambda x: x.copy(),
    "device": lambda x: x.to_device(x.device),
    "dim": lambda x: x * x.dim(),
    "double": lambda x: x.double(),
    "float": lambda x: x.float(),
    "None": lambda x: x * (x == None) + (x != "x"),  # noqa: E711
    "nbytes": lambda x: x * x.nbytes / x.itemsize,
    "numel": lambda x: x * x.numel(),
    "reshape": lambda x: x.reshape(-1),
    "transpose": lambda x: x.transpose(1, 0),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "view": lambda x: x.view(-1),
}
OF_NODES = {
    *dir(Node),
    *(
        "alias",
        "backward",
        "check_share",
        "describe",
        "draw",
        "is_leaf",
        "register_hook",
        "requires_grad_",
        "retain_grad",
    ),
}
"""What is of a recorded node, and of none that stands for an array."""


@pytest.mark.parametrize("name", METHODS)
def test_a_method_works_inside_transforms_as_it_does_outside(name):
    f, x = METHODS[name], np.array([[1.0, 2.0], [3.0, 4.0]])
    right = f(cr.Tensor(x)).data
    compiled, mapped = cr.compile(f)(x), cr.vmap(f)(np.stack([x, x]))
    assert np.array_equal(compiled, right)
    assert np.array_equal(mapped, np.stack([right, right]))
    assert compiled.dtype == mapped.dtype == right.dtype


def test_whatever_a_tensor_has_is_there_inside_transforms():
    missing = set()

    def look(x):
        missing.update([name for name in OWN if not name.startswith("_") and not hasattr(x, name)])
        return x.sum()

    cr.compile(look)(np.ones((2, 2)))
    cr.vmap(look)(np.ones((2, 2, 2)))
    assert missing <= OF_NODES

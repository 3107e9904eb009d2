"""Every public function of arrays on every kind of number: the same result and the same kind, or a refusal in words.

The functions come from the registries; what else they need stands in MORE. What one kind may not be given is refused by
an error of chainrule's own, or by an IndexError, with the name of a function in it.
"""

from __future__ import annotations

import functools
import inspect
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core.operation import Fused, book, compositions
from chainrule.core.tree import flatten
from chainrule.errors import ChainruleError

FUNCTIONS = {
    name: getattr(cr, name)
    for name in sorted(cr.__all__)
    if any(getattr(cr, name) is known for known in (*book.values(), *compositions.values()))
    if not isinstance(getattr(cr, name), Fused)
}

MORE = {
    "add_along_axis": ((np.array([[0, 1], [1, 0]]),), {"shape": (2, 3), "axis": 1}),
    "array_split": ((2,), {}),
    "astype": ((), {"dtype": np.float32}),
    "broadcast_to": ((), {"shape": (2, 2, 2)}),
    "chunk": ((2,), {}),
    "choose": (([1.0, 2.0],), {}),
    "conv1d": ((np.ones((1, 1, 1)),), {}),
    "conv2d": ((np.ones((1, 1, 1, 1)),), {}),
    "cross_entropy": ((), {"target": np.array([0, 1])}),
    "einsum": ((), {}),
    "expand_dims": ((), {"axis": 0}),
    "full_like": ((2.0,), {"dtype": float}),
    "index": ((), {"key": 0}),
    "index_add": ((0, np.array([0, 1]), np.ones((2, 2))), {}),
    "index_select": ((0, np.array([0, 1])), {}),
    "interp": ((np.array([0.0, 1.0]), np.array([0.0, 2.0])), {}),
    "masked_fill": ((True, 2.0), {}),
    "matrix_power": ((2,), {}),
    "max_pool1d": ((1,), {}),
    "max_pool2d": ((), {"kernel_size": 1}),
    "avg_pool1d": ((1,), {}),
    "avg_pool2d": ((1,), {}),
    "moveaxis": ((0, -1), {}),
    "one_hot": ((), {"num_classes": 3}),
    "pad": ((1,), {}),
    "percentile": ((50.0,), {}),
    "quantile": ((0.5,), {}),
    "repeat": ((2,), {}),
    "reshape": ((), {"shape": (-1,)}),
    "roll": ((), {"shift": 1, "axis": 0}),
    "scatter": ((), {"key": np.array([0, 1]), "shape": (3, 2)}),
    "scatter_add": ((1, np.array([[0, 1], [1, 0]]), np.ones((2, 2))), {}),
    "split": ((2,), {}),
    "swapaxes": ((0, -1), {}),
    "take": ((0,), {}),
    "take_along_axis": ((np.array([[0, 1], [1, 0]]),), {"axis": 1}),
    "tensordot": ((np.ones((2, 2)),), {"axes": 1}),
    "tile": ((2,), {}),
    "topk": ((1,), {}),
    "where": ((1.0, 2.0), {}),
}
"""What a function needs besides its first argument; others that need a second get that twice."""

MAKE_NEW = {"eye", "identity"}
MATRIX = [[0.6, 0.3], [0.2, 0.9]]
KINDS = {
    "float": (0.6, float),
    "int": (1, int),
    "bool": (True, bool),
    "NumPy's float": (0.6, np.float64),
    "Value": (0.6, Value),
    "Tensor of no axes": (0.6, Tensor),
    "list": (MATRIX, lambda x: x),
    "tuple": (MATRIX, lambda x: tuple(map(tuple, x))),
    "array": (MATRIX, np.array),
    "Tensor": (MATRIX, Tensor),
    "Tensor that moves": (MATRIX, lambda x: Tensor(x, requires_grad=True)),
    "list of Values": (MATRIX[0], lambda x: [Value(e) for e in x]),
    "list of Tensors": (MATRIX, lambda x: [Tensor(row) for row in x]),
}


def called(function, x):
    args, settings = MORE.get(function.__name__, ((), {}))
    needed = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if function.__name__ not in MORE:
        args = (x,) * (len(needed) - 1)
    return function(x, *args, **settings)


def outcome(function, x):
    """What a function gives, or the refusal; anything else is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return called(function, x)
        except (ChainruleError, IndexError) as error:
            return error


def numbers(out):
    leaves, _ = flatten(out)
    return [np.asarray(x.data if isinstance(x, Tensor | Value) else x, float) for x in leaves]


@pytest.mark.parametrize("name", sorted({*FUNCTIONS} - MAKE_NEW))
def test_every_kind_of_number_is_taken_or_refused(name):
    function = FUNCTIONS[name]
    for kind, (x, made) in KINDS.items():
        given = made(x)
        out, right = outcome(function, given), outcome(function, np.array(int(x) if type(x) is bool else x))
        what = f"{name} of a {kind}"
        if isinstance(out, Exception):
            assert str(out), what
            continue
        assert not isinstance(right, Exception), f"{what} gives {out}, and an array is refused: {right}"
        for mine, other in zip(numbers(out), numbers(right), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-12, err_msg=what)
        if isinstance(given, Tensor):
            assert (
                any(isinstance(leaf, Tensor | bool | int | np.integer) for leaf in flatten(out)[0])
                or not flatten(out)[0]
            ), what
        if isinstance(given, float):
            assert not any(isinstance(leaf, Tensor | Value) for leaf in flatten(out)[0]), what


def test_most_are_taken():
    """A function that refused everything would pass the test above."""
    taken = {
        kind: sum(
            not isinstance(outcome(f, made(x)), Exception) for name, f in FUNCTIONS.items() if name not in MAKE_NEW
        )
        for kind, (x, made) in KINDS.items()
    }
    assert min(taken["array"], taken["Tensor"], taken["list"]) > 0.85 * len(FUNCTIONS), taken
    assert min(taken["float"], taken["Tensor of no axes"]) > 0.6 * len(FUNCTIONS), taken
    assert taken["Value"] > 0.5 * len(FUNCTIONS), taken


@pytest.mark.parametrize("name", sorted(book))
def test_inputs_and_settings_are_those_of_the_signature(name):
    rule = book[name]
    parameters = inspect.signature(rule).parameters.values()
    settings = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert rule.inputs == tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
    assert rule.defaults == settings
    assert rule.variadic == any(p.kind is p.VAR_POSITIONAL for p in parameters)


def test_a_rule_over_a_function_that_is_wrapped_has_its_inputs():
    def doubled_for_a_test(x, *, times=2.0):
        """Twice as much."""
        return times * x

    wrapped = functools.wraps(doubled_for_a_test)(lambda *args, **settings: doubled_for_a_test(*args, **settings))
    rule = cr.linear(r"2 {x}", adjoint=(lambda g, x, times: times * g,))(wrapped)
    try:
        assert (rule.inputs, rule.defaults, rule.variadic) == (("x",), {"times": 2.0}, False)
        assert cr.grad(rule)(3.0) == 2.0
    finally:
        del book["doubled_for_a_test"]

"""NumPy's functions on Tensors mean what NumPy means, or are refused with the name of what is not supported."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from numpy_forms import FORMS, Form

import chainrule as cr
from chainrule import Tensor
from chainrule.core.numpy_calls import ANSWERED_PLAINLY, HARMLESS, OUR_NAMES, full_name, operation_of, parameters
from chainrule.errors import DtypeError

DISPATCHED = [
    function
    for module in (np, np.linalg)
    for function in vars(module).values()
    if type(function).__name__ == "_ArrayFunctionDispatcher"
]
"""Every function of NumPy that asks its arguments to answer in its place."""

ANSWERED = sorted({*FORMS}, key=full_name)
EVERY = [pytest.param(f, form, id=f"{full_name(f)}-{k}") for f in ANSWERED for k, form in enumerate(FORMS[f])]


def changed(x, change):
    """Arguments with something done to each array in them."""
    if isinstance(x, list | tuple):
        return type(x)([changed(part, change) for part in x])
    return change(x) if isinstance(x, np.ndarray) else x


def on(function, form, change):
    return function(*changed(form.args, change), **{k: changed(x, change) for k, x in form.kwargs.items()})


def parts(out):
    return [part for x in out for part in parts(x)] if isinstance(out, list | tuple) else [out]


def as_tensor(x):
    return Tensor(x, dtype=x.dtype, requires_grad=x.dtype.kind == "f")


@pytest.mark.parametrize(("function", "form"), EVERY)
def test_values_shapes_and_types_are_numpys(function, form):
    with np.errstate(all="ignore"):
        right = parts(on(function, form, lambda x: x))
    found = parts(on(function, form, as_tensor))
    assert len(found) == len(right)
    for mine, numpys in zip(found, right, strict=True):
        data = np.asarray(mine.data if isinstance(mine, Tensor) else mine)
        numpys = np.asarray(numpys)
        assert data.shape == numpys.shape
        assert data.dtype == numpys.dtype
        if numpys.dtype.kind == "f":
            exact = 1e-5 if numpys.dtype == np.float32 else 1e-13
            np.testing.assert_allclose(data, numpys, rtol=exact, atol=exact)
        else:
            np.testing.assert_array_equal(data, numpys)


MOVING = [
    pytest.param(f, form, id=f"{full_name(f)}-{k}")
    for f in ANSWERED
    if f
    not in (
        np.linalg.cholesky,
        np.linalg.eigh,
        np.linalg.eigvalsh,
    )  # NumPy's read the lower triangle alone, as conventions.md says
    for k, form in enumerate(FORMS[f])
    if any(isinstance(x, np.ndarray) and x.dtype == np.float64 and np.isfinite(x).all() for x in parts(form.args))
    and not any(isinstance(x, np.ndarray) and not np.isfinite(x).all() for x in parts(form.args))
    and not any(
        kind in (np.float32, np.int64) for kind in [*form.args, *form.kwargs.values()] if isinstance(kind, type)
    )
    and np.dtype(np.float32) not in [x for x in form.args if isinstance(x, np.dtype)]
]


@pytest.mark.parametrize(("function", "form"), MOVING)
def test_gradients_are_those_of_differences(function, form):
    rng = np.random.default_rng(3)
    moving = [x for x in [*parts(form.args), *parts([*form.kwargs.values()])] if is_double(x)]
    tangents = [rng.normal(size=x.shape) for x in moving]
    weights: list = []

    def total(out):
        """One number that depends on every entry of the result."""
        terms = [part for part in parts(out) if getattr(part, "dtype", None) == np.float64]
        if not weights:
            weights.extend(rng.normal(size=np.shape(part)) for part in terms)
        return sum(
            np.vdot(w, part.data if isinstance(part, Tensor) else part) for w, part in zip(weights, terms, strict=True)
        )

    def along(h):
        steps = iter(tangents)
        with np.errstate(all="ignore"):
            return total(on(function, form, lambda x: x + h * next(steps) if is_double(x) else x))

    leaves: list = []

    def leaf(x):
        leaves.append(as_tensor(x))
        return leaves[-1]

    wide, narrow = ((along(h) - along(-h)) / (2 * h) for h in (1e-4, 5e-5))
    right = (4 * narrow - wide) / 3
    found = 0.0
    out = [part for part in parts(on(function, form, leaf)) if isinstance(part, Tensor) and part.dtype == np.float64]
    for weight, part in zip(weights, out, strict=True):
        if part.requires_grad:
            part.backward(weight)
    doubles = [x for x in leaves if x.dtype == np.float64]
    for x, t in zip(doubles, tangents, strict=True):
        found += 0.0 if x.grad is None else np.vdot(x.grad.data, t)
    assert found == pytest.approx(right, rel=1e-7, abs=1e-7)


def is_double(x):
    return isinstance(x, np.ndarray) and x.dtype == np.float64


def test_the_differences_do_see_a_wrong_gradient(monkeypatch):
    (right,) = cr.book["sum"].adjoint
    monkeypatch.setattr(cr.book["sum"], "adjoint", (lambda g, x, **settings: 1.001 * right(g, x, **settings),))
    with pytest.raises(AssertionError):
        test_gradients_are_those_of_differences(np.sum, FORMS[np.sum][0])


def test_every_function_with_a_rule_is_compared_with_numpy():
    with_rule = {f for f in DISPATCHED if operation_of(f) is not None and f.__name__ not in ANSWERED_PLAINLY}
    with_rule |= {f for f in vars(np).values() if isinstance(f, np.ufunc) and operation_of(f) is not None}
    assert {full_name(f) for f in with_rule - {*FORMS}} == set()


@pytest.mark.parametrize("function", [f for f in DISPATCHED if operation_of(f) is None], ids=full_name)
def test_every_other_function_is_refused_by_name(function):
    if function.__name__ in ANSWERED_PLAINLY:
        return
    needed = [p for p in parameters(function).values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    given = [Tensor([1.0, 2.0], requires_grad=True) for _ in needed]
    try:
        function(*given)
    except DtypeError as error:
        assert f"{full_name(function)} has no rule here" in str(error)  # noqa: PT017  (what else it may raise is below)
    except (TypeError, ValueError) as error:
        assert function.__name__ in LISTS, error  # noqa: PT017


LISTS = {"block", "bmat", "histogramdd", "multi_dot"}
"""Functions whose dispatch looks into their arguments before it asks them."""


KEYWORDS = [
    (function, name)
    for function in ANSWERED
    if not isinstance(function, np.ufunc)
    for name, parameter in parameters(function).items()
    if parameter.default is not parameter.empty and name not in HARMLESS
    if OUR_NAMES.get(name, name) not in parameters(operation_of(function))
    if list(parameters(function)).index(name) >= len(FORMS[function][0].args)
]


@pytest.mark.parametrize(("function", "name"), KEYWORDS, ids=lambda x: x if isinstance(x, str) else full_name(x))
def test_every_other_keyword_is_refused_by_name(function, name):
    form = FORMS[function][0]
    odd = np.zeros(3) if name == "out" else "F" if name == "order" else np.float32 if name == "dtype" else 7
    with pytest.raises((DtypeError, TypeError, ValueError), match=name) as caught:
        on(function, Form(form.args, {**form.kwargs, name: odd}), as_tensor)
    assert full_name(function) in str(caught.value) or not isinstance(caught.value, DtypeError)


@pytest.mark.parametrize("function", [f for f in ANSWERED if not isinstance(f, np.ufunc)], ids=full_name)
def test_defaults_are_numpys(function):
    theirs, ours = parameters(function), parameters(operation_of(function))
    for name in {*theirs} & {*ours}:
        default = theirs[name].default
        if default is inspect.Parameter.empty or default is None or isinstance(default, type(np._NoValue)):
            continue
        assert ours[name].default == default, name


def test_questions_are_answered_plainly():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3), 2, 6, 3)
    assert np.result_type(x, np.float32) == np.float64
    assert np.array_str(x) == np.array_str(x.data)


@pytest.mark.parametrize("function", ANSWERED, ids=full_name)
def test_each_has_a_name_here(function):
    ours = operation_of(function)
    assert getattr(cr, ours.__name__, None) is ours or ours.__name__ == "swap"

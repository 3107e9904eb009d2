"""NumPy's functions on Tensors mean what NumPy means, or are refused with the name of what is not supported."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy_forms import FORMS, Form

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core.numpy_calls import ANSWERED_PLAINLY, HARMLESS, OUR_NAMES, full_name, operation_of, parameters
from chainrule.errors import DtypeError, GraphError, ShapeError

DISPATCHED = [
    function
    for module in (np, np.linalg)
    for function in vars(module).values()
    if type(function).__name__ == "_ArrayFunctionDispatcher"
]
"""Every function of NumPy that asks its arguments to answer in its place."""

ANSWERED = sorted({*FORMS}, key=full_name)


@contextmanager
def named(what):
    """Has an error in one of several cases say which."""
    try:
        yield
    except Exception as error:
        error.add_note(what)
        raise


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


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
@pytest.mark.parametrize("function", ANSWERED, ids=full_name)
def test_values_shapes_and_types_are_numpys(function):
    for k, form in enumerate(FORMS[function]):
        with named(f"form {k}: {form}"):
            gives_what_numpy_gives(function, form)


def gives_what_numpy_gives(function, form):
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


def transformed(function, form, transform):
    """A call of NumPy's as a function of its arrays, transformed, on these."""
    places = [i for i, x in enumerate(form.args) if isinstance(x, np.ndarray)]

    def of_arrays(*arrays):
        args = list(form.args)
        for i, x in zip(places, arrays, strict=True):
            args[i] = x
        return function(*args, **form.kwargs)

    return transform(of_arrays, [form.args[i] for i in places])


TRANSFORMS = {
    "compile": lambda f, arrays: cr.compile(f)(*arrays),
    "vmap": lambda f, arrays: [x[1] for x in parts(cr.vmap(f)(*[np.stack([x, x]) for x in arrays]))],
}


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
@pytest.mark.parametrize("function", ANSWERED, ids=full_name)
def test_inside_transforms_they_give_the_same_or_are_refused(function):
    for k, form in enumerate(FORMS[function]):
        if any([isinstance(x, np.ndarray) for x in form.args]):  # and not in a list
            for transform in TRANSFORMS:
                with named(f"{transform} of form {k}: {form}"):
                    gives_the_same_or_is_refused(function, form, transform)


def gives_the_same_or_is_refused(function, form, transform):
    with np.errstate(all="ignore"):
        right = parts(on(function, form, lambda x: x))
    try:
        found = parts(transformed(function, form, TRANSFORMS[transform]))
    except (DtypeError, GraphError):
        return
    except ShapeError:
        assert function in (np.nonzero, np.argwhere, np.flatnonzero, np.unique)  # as many as there are in each example
        return
    assert len(found) == len(right)
    for mine, numpys in zip(map(np.asarray, found), map(np.asarray, right), strict=True):
        assert (mine.shape, mine.dtype.kind) == (numpys.shape, numpys.dtype.kind)
        assert np.allclose(mine, numpys, rtol=1e-5, atol=1e-5, equal_nan=True)


def moves(form):
    """Whether differences can be taken: of doubles, all of them finite, that stay doubles."""
    arrays = [x for x in parts(form.args) if isinstance(x, np.ndarray)]
    kinds = [x for x in [*form.args, *form.kwargs.values()] if isinstance(x, type)]
    return (
        any([x.dtype == np.float64 for x in arrays])
        and all([np.isfinite(x).all() for x in arrays])
        and not {np.float32, np.int64} & {*kinds}
        and np.dtype(np.float32) not in [x for x in form.args if isinstance(x, np.dtype)]
    )


LOWER = (np.linalg.cholesky, np.linalg.eigh, np.linalg.eigvalsh)
"""NumPy's read the lower triangle alone, as conventions.md says."""
MOVING = {f: [form for form in FORMS[f] if moves(form)] for f in ANSWERED if f not in LOWER}


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
@pytest.mark.parametrize("function", [f for f in MOVING if MOVING[f]], ids=full_name)
def test_gradients_are_those_of_differences(function):
    for form in MOVING[function]:
        with named(f"{form}"):
            has_the_gradient_of_differences(function, form)


def has_the_gradient_of_differences(function, form):
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
    (right,) = getattr(cr.book["sum"], "adjoint")  # noqa: B009  (an Operation of any kind may lack it)
    monkeypatch.setattr(cr.book["sum"], "adjoint", (lambda g, x, **settings: 1.001 * right(g, x, **settings),))
    with pytest.raises(AssertionError):
        test_gradients_are_those_of_differences(np.sum)


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
    x: Any = Tensor(np.ones((2, 3)), requires_grad=True)
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3), 2, 6, 3)
    assert np.result_type(x, np.float32) == np.float64
    assert np.array_str(x) == np.array_str(x.data)


@pytest.mark.parametrize("function", ANSWERED, ids=full_name)
def test_each_has_a_name_here(function):
    ours = operation_of(function)
    assert getattr(cr, ours.__name__, None) is ours or ours.__name__ == "swap"


MASK = np.array([[True, False, True], [False, False, True]])
TABLE = np.array([[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])


@pytest.mark.parametrize("name", ["max", "min", "prod", "sum"])
@pytest.mark.parametrize(
    "settings",
    [
        {"initial": 2.5},
        {"initial": 2.5, "where": MASK},
        {"initial": 9.0, "axis": 0},
        {"initial": -1.0, "axis": 1, "keepdims": True, "where": MASK},
        {"axis": (0, 1), "initial": 3.0},
    ],
)
def test_totals_have_numpys_initial_and_where(name, settings):
    right = getattr(np, name)(TABLE, **settings)
    x = Tensor(TABLE, requires_grad=True)
    for found in (getattr(cr, name)(TABLE, **settings), getattr(np, name)(x, **settings), getattr(x, name)(**settings)):
        np.testing.assert_array_equal(found.data if isinstance(found, Tensor) else found, right)
    f = lambda x: cr.sum(getattr(cr, name)(x, **settings))  # noqa: E731
    steps = 1e-6 * np.eye(6).reshape(6, 2, 3)
    slopes = [(f(TABLE + step) - f(TABLE - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(cr.grad(f)(TABLE).ravel(), slopes, rtol=1e-6, atol=1e-6)
    nothing = np.zeros((0, 3))
    first = {"axis": 0, "initial": 2.0}
    np.testing.assert_array_equal(getattr(cr, name)(nothing, **first), getattr(np, name)(nothing, **first))


def test_extremes_with_where_need_an_initial():
    with pytest.raises(ShapeError, match="initial="):
        cr.max(TABLE, where=MASK)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"])
def test_products_of_whole_numbers_are_taken_in_numpys_type(kind):
    x = np.array([100, 100, 1]).astype(kind)
    right = np.prod(x)
    assert cr.prod(x).dtype == cr.prod(Tensor(x)).dtype == right.dtype
    assert cr.prod(x) == cr.prod(Tensor(x)).data == right
    assert cr.prod(x, dtype="float32").dtype == np.float32


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_different_parts_along_an_axis(axis):
    x = np.array([[1.0, 2.0, 1.0], [0.0, 3.0, 0.0], [1.0, 2.0, 1.0]])
    for mine, other in zip(
        cr.unique(x, True, True, True, axis=axis), np.unique(x, True, True, True, axis=axis), strict=True
    ):
        np.testing.assert_array_equal(mine, other)
    weights = 1.0 + np.arange(np.unique(x, axis=axis).size).reshape(np.unique(x, axis=axis).shape)
    found = cr.grad(lambda x: cr.sum(cr.unique(x, axis=axis) * weights))(x)
    assert np.count_nonzero(found) == weights.size


def test_a_label_is_a_string():
    for node in (Tensor([1.0]), Value(1.0), Tensor([1.0], requires_grad=True) * 2.0):
        with pytest.raises(DtypeError, match="a label is a string"):
            node.label = 3
        node.label = np.str_("w")
        assert type(node.label) is str
        assert node.label == "w"


WHERE = np.array([[True, False, True, True], [False, True, True, False]])
KINDS = ["?", "i1", "u1", "i4", "i8", "f4", "f8"]
TAKEN = {
    name: [{}, {"axis": 0}, {"axis": -1}]
    for name in ("sum", "prod", "cumsum", "cumprod", "max", "min", "sort", "flip", "identity", "diff", "any", "all")
}
for name in ("sum", "prod", "max", "min"):
    TAKEN[name] += [{"initial": 2}, {"axis": 1, "initial": 2.5}, {"initial": 1.0, "where": WHERE, "keepdims": True}]
for name in ("cumulative_sum", "cumulative_prod"):
    TAKEN[name] = [{"axis": 1}, {"axis": 0, "include_initial": True}]
TAKEN["diff"] += [{"n": 2}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TAKEN)
def test_every_kind_of_number_becomes_what_numpy_makes_of_it(name, kind):
    x = np.array([[11, 7, 0, 9], [3, 120, 120, 2]]).astype(kind)
    for settings in TAKEN[name] if name != "identity" else [{}]:
        right = getattr(np, name if name != "identity" else "copy")(x, **settings)
        for given in (x, as_tensor(x)):
            found = getattr(cr, name)(given, **settings)
            assert found.dtype == right.dtype, settings
            np.testing.assert_array_equal(np.asarray(getattr(found, "data", found)), right, str(settings))


@pytest.mark.parametrize("initial", [np.inf, 300])
def test_what_a_reduction_of_whole_numbers_starts_from_is_one_of_their_type(initial):
    with pytest.raises(DtypeError, match=f"initial={initial} is no int8"):
        cr.max(Tensor(np.ones(3, np.int8)), initial=initial)
    assert cr.grad(lambda start: cr.sum(Tensor([1.0, 2.0]), initial=start))(3.0) == 1.0


def test_keywords_of_a_universal_function_bring_no_warning():
    x = Tensor(np.array([-1, 0, 1]))
    np.testing.assert_array_equal(np.log(x, dtype=np.float32), np.array([np.nan, -np.inf, 0], np.float32))
    np.testing.assert_array_equal(np.divide(x, x, where=x.data != 0, out=np.zeros(3)), [1, 0, 1])


@pytest.mark.parametrize("shape", [3, np.int64(3), [3], (3,)])
def test_one_length_is_a_shape(shape):
    np.testing.assert_array_equal(np.broadcast_to(Tensor(2.0), shape).data, np.broadcast_to(2.0, shape))
    assert cr.grad(lambda x: cr.sum(np.broadcast_to(x, shape)))(2.0) == 3.0
    assert cr.vmap(lambda x: cr.broadcast_to(x, shape=shape))(np.ones(2)).shape == (2, 3)


@pytest.mark.parametrize("axis", [(), (0,), 1.0, "x"])
def test_what_is_no_axis_is_refused_in_words(axis):
    for take in (cr.cumulative_sum, cr.cumulative_prod, cr.diff, cr.cumprod):
        with pytest.raises((TypeError, ShapeError), match="an axis is a whole number"):
            take(np.ones((2, 3)), axis=axis)

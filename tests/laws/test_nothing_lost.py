"""Every public function, called with nodes in every place where one could be taken for a plain number.

A call is tried on plain numbers first: where it works, central differences judge how it moves with one number in it, be
that an argument, an entry of a list or of an array of objects, or a setting. With a node in that place it gives the
same derivative or refuses. The functions come from the registries and the places from their signatures, so what is
added later is covered by itself.
"""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core.operation import book, compositions
from chainrule.core.tree import flatten
from chainrule.errors import ChainruleError

POINT, STEP = 0.6180339, 1e-6

FUNCTIONS = {
    name: getattr(cr, name)
    for name in sorted(cr.__all__)
    if any(getattr(cr, name) is known for known in (*book.values(), *compositions.values()))
}


def objects(*entries):
    """An array of dtype object, filled entry by entry, so that NumPy asks none of them for a number."""
    out = np.empty(len(entries), dtype=object)
    for i, entry in enumerate(entries):
        out[i] = entry
    return out


ARGUMENTS = {
    "a number": lambda t: (t,),
    "the first of two": lambda t: (t, 0.7),
    "the second of two": lambda t: (0.7, t),
    "the second of two, beside an array": lambda t: (np.array([0.7, 0.2]), t),
    "the first of three": lambda t: (t, 0.3, 0.9),
    "the last of three": lambda t: (0.5, 0.3, t),
    "twice": lambda t: (t, t),
    "a list": lambda t: ([t, 0.7],),
    "a tuple": lambda t: ((0.2, t),),
    "rows": lambda t: ([[t, 0.2], [0.3, 0.9]],),
    "rows of tuples": lambda t: (((1.1, t), (0.3, 0.9)),),
    "a list beside an array": lambda t: (np.array([0.4, 0.6]), [t, 0.7]),
    "an array beside a list": lambda t: ([0.7, t], np.array([0.4, 0.6])),
    "two lists": lambda t: ([t, 0.7], [0.4, t]),
    "rows beside a list": lambda t: ([[t, 0.2], [0.3, 0.9]], [0.4, 0.6]),
    "a matrix beside a list": lambda t: (np.array([[1.0, 0.2], [0.3, 0.9]]), [0.4, t]),
    "arrays in a list": lambda t: ([np.array([0.4, 0.6]), [t, 0.7]],),
    "objects": lambda t: (objects(t, 0.7),),
    "objects beside an array": lambda t: (objects(t, 0.7), np.array([0.4, 0.6])),
    "an array beside objects": lambda t: (np.array([0.4, 0.6]), objects(0.3, t)),
}

ARRAYS = {
    "a row": (np.array([0.9, 0.4, 0.1]),),
    "a matrix": (np.array([[1.3, 0.2, 0.4], [0.3, 0.9, 0.1], [0.5, 0.7, 1.9]]),),
    "two rows": (np.array([0.9, 0.4, 0.1]), np.array([0.2, 0.5, 0.8])),
    "a number": (0.8,),
    "nothing": (),
}

SETTINGS = {
    "alone": lambda t: t,
    "in a list": lambda t: [t, 1.0],
    "in a tuple": lambda t: (0.5, t),
    "in an array of objects": lambda t: objects(t, 1.0, 0.5),
}


def settings_of(function):
    """The names after the first argument: whatever can be given by keyword.

    A node given as `dtype` stands for its own, as any array does in NumPy.
    """
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(function).parameters.values()
    names = [parameter.name for k, parameter in enumerate(parameters) if k and parameter.kind in kinds]
    return [name for name in names if name != "dtype"]


def gives_a_type(function, arguments):
    """Whether one of these arguments would be a `dtype`."""
    try:
        return "dtype" in inspect.signature(function).bind(*arguments).arguments
    except TypeError:
        return False


def calls(function):
    """Ways to call a function with one number somewhere in its arguments."""
    for place, arguments in ARGUMENTS.items():
        if gives_a_type(function, arguments(1.0)):
            continue
        yield place, lambda t, arguments=arguments: function(*arguments(t))
    for name in settings_of(function):
        for place, setting in SETTINGS.items():
            for what, arrays in ARRAYS.items():

                def call(t, name=name, setting=setting, arrays=arrays):
                    return function(*arrays, **{name: setting(t)})

                yield f"{name} {place}, beside {what}", call


def total(out):
    """All that moves in a result as one number, weighted so that nothing cancels."""
    whole = 0.0
    for k, leaf in enumerate(flatten(out)[0]):
        if isinstance(leaf, np.ndarray) and leaf.dtype == object:
            whole = whole + sum((1.0 + 0.3 * k + 0.1 * i) * x for i, x in enumerate(leaf.ravel()))
        elif isinstance(leaf, Tensor) and leaf.dtype.kind == "f":
            weights = (1.0 + 0.3 * k + 0.1 * np.arange(leaf.size)).reshape(leaf.shape)
            whole = whole + cr.sum(leaf * weights)
        elif isinstance(leaf, Value):
            whole = whole + (1.0 + 0.3 * k) * leaf
        elif not isinstance(leaf, Tensor) and np.asarray(leaf).dtype.kind == "f":
            array = np.asarray(leaf)
            whole = whole + float(np.sum(array * (1.0 + 0.3 * k + 0.1 * np.arange(array.size)).reshape(array.shape)))
    return whole


def slope(call):
    """The derivative at POINT by central differences of plain numbers, or None where the call takes none there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ahead, behind = total(call(POINT + STEP)), total(call(POINT - STEP))
            if isinstance(ahead, float) and isinstance(behind, float) and np.isfinite(ahead - behind):
                return (ahead - behind) / (2 * STEP)
        except Exception:  # noqa: BLE001  (a wrong call of a function may raise whatever it likes)
            pass
    return None


def by_grad(call, kind):
    found = cr.grad(lambda t: total(call(t)) + t * t)(kind(POINT))
    return float(found.data if isinstance(found, Value | Tensor) else found)


def by_backward(call, kind):
    t = kind(POINT)
    (total(call(t)) + t * t).backward()
    return float(t.grad)


WAYS = {
    "grad of a float": lambda call: by_grad(call, float),
    "grad of a Value": lambda call: by_grad(call, Value),
    "backward of a Value": lambda call: by_backward(call, Value),
    "backward of a Tensor": lambda call: by_backward(call, lambda x: Tensor(x, requires_grad=True)),
}


def test_the_registries_reach_the_public_functions():
    assert {"sum", "stack", "exp", "pad", "norm", "where", "softmax", "max", "clip"} <= {*FUNCTIONS}
    assert len(FUNCTIONS) > 150


def lost_in(function):
    """Where a node is taken for a plain number, in words."""
    lost = []
    for place, call in calls(function):
        wanted = slope(call)
        for way, derive in list(WAYS.items())[:: 1 if wanted is not None else 3]:
            try:
                found = derive(call) - 2 * POINT
            except (ChainruleError, TypeError):
                continue
            except Exception as error:  # noqa: BLE001  (NumPy wraps a refusal in an error of its own)
                if wanted is not None and not isinstance(error.__cause__, ChainruleError):
                    lost.append(f"{place}, {way}: {type(error).__name__} {error}")
                continue
            if wanted is None:
                if found == 0.0:
                    lost.append(f"{place}, {way}: plain numbers are refused there, and a node is taken for one")
            elif abs(found - wanted) > 1e-6 * max(1.0, abs(wanted)):
                lost.append(f"{place}, {way}: {found} in place of {wanted}")
    return lost


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_node_anywhere_has_its_derivative_or_is_refused(name):
    lost = lost_in(FUNCTIONS[name])
    assert not lost, f"{name}:\n" + "\n".join(lost)


def cuts_an_argument(x):
    return np.exp(x.data if isinstance(x, Value | Tensor) else x)


def cuts_a_setting(x, *, scale=1.0):
    return x * getattr(scale, "data", scale)


def raises_something_raw(x):
    return x.no_such_thing if isinstance(x, Value | Tensor) else 2.0 * x


@pytest.mark.parametrize("function", [cuts_an_argument, cuts_a_setting, raises_something_raw])
def test_a_function_that_loses_a_gradient_is_found(function):
    assert lost_in(function)


def test_most_functions_are_judged():
    judged = {name for name, f in FUNCTIONS.items() if any(slope(call) for _, call in calls(f))}
    assert len(judged) > 0.55 * len(FUNCTIONS), sorted({*FUNCTIONS} - judged)
    assert {"sum", "stack", "exp", "norm", "softmax", "max", "clip", "std", "leaky_relu", "dot", "quantile"} <= judged

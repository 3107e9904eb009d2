# cython: annotation_typing=False
"""What an operation is: one declaration of a forward and its derivative, read by every engine and every writer.

A rule is a plain function with a decorator. Called with numbers or arrays it computes; called with anything whose type
has ``__apply__`` (a `Value`, a `Tensor`, a symbol of a formula, a piece of source) it hands itself over, and that type
decides what to make of it. So one table of rules serves recording, forward mode, reverse mode, second order (the same
partials run on nodes), formulas and written source.

Two shorthands cover nearly all operations (see `pointwise` and `linear`); what is neither states its differential
(core/differential.py). `fused` marks the exceptions that exist for speed alone: their derivative is known from a
composition of other rules, and tests hold the two together.

The kinds of rules, what their calls share and how they are declared are compiled as one unit, and so stand in one file:
a call passes all three, and takes a microsecond.
"""

# What a user hands over is known only when it runs, and isinstance narrows it to containers of unknown things.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# The checker reads plain Python, where what large.h has is unknown.
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from chainrule.core import plain as cython
else:
    try:
        import cython
    except ImportError:
        from chainrule.core import plain as cython

from chainrule.core.compiled import find_quick, find_quick_back, in_own_memory, is_ours
from chainrule.core.labels import find_labels
from chainrule.core.registry import Registry
from chainrule.core.state import SILENCE, Quiet, noise, quietly
from chainrule.errors import ChainruleError, DtypeError, GraphError, ShapeError
from chainrule.kinds import what_is

Function = Callable[..., Any]
Rule = TypeVar("Rule", bound="Operation")

book: Registry[Operation] = Registry()
"""Every registered operation by name: the rule book."""

compositions: Registry[Function] = Registry()
"""Functions made of operations; they have no rule of their own."""

named: list[Callable[[str, Function], None]] = []
"""Told of each function that enters the book or the compositions, with its name."""

through: list[Function] = []
"""How a cotangent goes through a composition: the graph knows, which stands above (core/differential.py)."""

kernels: Registry[Function] = Registry(indexed=False)
"""Plain functions without derivatives, carried whole into written source."""

ndarray, TRUTH = np.ndarray, np.dtype(bool)
DOUBLE, YES_OR_NO = np.float64, np.bool_
NUMBERS = (float, int, bool, np.floating, np.integer, np.bool_)
NOT_GIVEN = inspect.Parameter.empty
"""What stands for the default of a setting that has none."""

TOO_LARGE = "a whole number is too large for a double, of which the largest is about 1.8e308"

PLAIN = frozenset({np.ndarray, float, int, bool, str, tuple, list, slice, type(None), np.float64, np.float32, np.dtype})
"""Kinds that are no nodes: to look for an attribute that a class has not takes longer than an addition of arrays."""


class Handed(dict[str, Any]):
    """Settings that hold a node which takes operations over, and how it does."""

    def __init__(self, settings: dict[str, Any], apply: Function) -> None:
        super().__init__(settings)
        self.apply = apply


@cython.cclass
class Operation:
    """A rule of the book: its forward (the function itself), its formula, and how changes pass through it.

    Calling it computes, or records, by the kind of its inputs. Settings may follow the inputs by position, so
    ``cr.sum(x, 0)`` and ``cr.sum(x, axis=0)`` are the same call.

    `broadcasts` tells whether inputs of other shapes than the output are repeated to fit, `flat` the places of inputs
    without a derivative, `selects` whether a local derivative of 0 says that a branch was not taken, and `composition`
    what a fused operation stands for. The local derivatives of one that is `late` are asked for in the backward pass
    alone. `batches` says that it works on the last axes alone, and `mapped` how it runs with an axis of examples in
    front (core/mapped.py).
    """

    def __init__(self, function: Function, formula: str, symbol: str | None = None, **where_to_test: Any) -> None:
        self.function = function
        self.quick: Function | None = find_quick(function)
        self.name = self.__name__ = function.__name__
        self.formula = formula
        self.symbol = symbol or self.name
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.broadcasts = False
        self.selects = False
        self.late = False
        self.composition: Function | None = None
        self.flat: frozenset[int] = frozenset()
        self.inputs: tuple[str, ...]
        self.defaults: dict[str, Any]
        self.inputs, self.defaults, self.variadic = parameters_of(function)
        self.needs_settings = NOT_GIVEN in self.defaults.values()
        self.everywhere = "domain" not in where_to_test
        self.domain: tuple[float, float] = where_to_test.pop("domain", (-3.0, 3.0))
        self.shapes: tuple[tuple[int, ...], ...] = where_to_test.pop("shapes", ((2, 3),) * len(self.inputs))
        self.at_kink: tuple[tuple[float, ...], ...] = where_to_test.pop("at_kink", ())
        self.edges: tuple[tuple[float, ...], ...] = where_to_test.pop("edges", ())
        self.examples: tuple[dict[str, Any], ...] = where_to_test.pop("examples", ({},))
        self.batches: bool = where_to_test.pop("batches", False)
        self.mapped: Function | None = where_to_test.pop("mapped", None)
        self.prepare: tuple[Function | None, ...] = where_to_test.pop("prepare", (None,) * len(self.shapes))
        if where_to_test:
            raise ChainruleError(f"{self.name}: unknown declaration {', '.join(where_to_test)}")
        self._reads: dict[int, tuple[bool, tuple[int, ...]]] = {}

    def one_for_each_input(self, derivatives: Any) -> Any:
        """The declared derivatives, one for each input; None says that the output is flat in it."""
        if not self.variadic:
            if len(derivatives) != len(self.inputs):
                raise ChainruleError(f"{self.name} has {len(self.inputs)} inputs and {len(derivatives)} derivatives")
            self.flat = frozenset([i for i, derivative in enumerate(derivatives) if derivative is None])
        return derivatives

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the forward: looked at where somebody asks, since to find it takes longer than all the rest here."""
        return inspect.signature(self.function)

    @property
    def intuition(self) -> str:
        """The rule in one sentence, as its docstring begins; nothing where a user's rule has none."""
        return (self.__doc__ or "").strip().partition("\n")[0]

    def __repr__(self) -> str:
        return f"<operation {self.name}{self.__signature__}>"

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        if len(inputs) != len(self.inputs) and not self.variadic:
            inputs, settings = self._settings_by_position(inputs, settings)
        settings = self.complete(settings) if settings or self.needs_settings else self.defaults
        if type(settings) is Handed:
            return settings.apply(self, inputs, settings)
        arrays = others = False
        for x in inputs:
            kind = type(x)
            if kind is ndarray:
                arrays = True
            elif kind is not float and kind is not int:
                apply = getattr(kind, "__apply__", None)
                if apply is not None:
                    return apply(self, inputs, settings)
                others = True
        if arrays and not others and noise.get() is SILENCE:
            return self.fitting(inputs, inputs, settings)
        return self.compute(inputs, settings)

    def _settings_by_position(
        self, inputs: tuple[Any, ...], settings: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        count = len(self.inputs)
        if len(inputs) < count or len(inputs) > count + len(self.defaults):
            raise TypeError(f"{self.name}{self.__signature__} was called with {len(inputs)} arguments by position")
        by_position = dict(zip(self.defaults, inputs[count:], strict=False))
        for name in by_position.keys() & settings.keys():
            raise TypeError(f"{self.name} was given its setting {name} twice")
        return inputs[:count], {**by_position, **settings}

    def complete(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings with their defaults filled in; an unknown or missing one is an error."""
        for name in settings:
            if name not in self.defaults:
                raise TypeError(f"{self.name} has no setting {name}; it has {', '.join(self.defaults) or 'none'}")
        if len(settings) < len(self.defaults):
            settings = {**self.defaults, **settings}
        for name, setting in settings.items():
            if setting is NOT_GIVEN:
                raise TypeError(f"{self.name} needs the setting {name}")
            refuse_masked(setting, f"the setting {name} of {self.name}")
            if is_node(setting):
                if takes_over(setting):
                    return Handed(settings, type(setting).__apply__)
                raise TypeError(f"{self.name} has no derivative in its setting {name}: give a plain number or array")
        return settings

    def compute(self, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """The forward on numbers (a float or a bool comes back) or arrays, by IEEE arithmetic, without warnings."""
        scalar = True
        ready: list[Any] = []
        for x in inputs:
            if isinstance(x, np.ndarray):
                scalar = False
                refuse_masked(x, self.name)
            elif isinstance(x, NUMBERS):
                scalar = scalar and type(x) in (float, int, bool)
            else:
                x = as_array(x, self.name)
                scalar = False
            ready.append(x)
        if scalar:
            ready = in_doubles(ready)
        with Quiet():
            out = self.fitting(ready, inputs, settings)
        kind = type(out)
        return out if not scalar else float(out) if kind is DOUBLE else bool(out) if kind is YES_OR_NO else out

    def fitting(self, ready: Sequence[Any], inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """The forward on arrays, where NumPy's complaint about shapes becomes one in the user's words."""
        try:
            out = NotImplemented if self.quick is None or settings else self.quick(*ready)
            if out is NotImplemented:
                if ready and is_large(ready[0]):
                    out = in_own_memory(self.function, *ready, **settings)
                else:
                    out = self.function(*ready, **settings) if settings else self.function(*ready)
        except (ValueError, IndexError) as error:
            raise misfit(self, inputs, settings, error) from error
        except (ArithmeticError, TypeError):
            out = self.refused(ready, settings)
        return out[()] if type(out) is ndarray and not out.ndim else out

    def refused(self, ready: Sequence[Any], settings: dict[str, Any]) -> Any:
        """The forward where Python or NumPy would not: Python numbers by IEEE arithmetic, truth values as 1 and 0."""
        numbers = in_doubles([as_count(x) for x in ready])
        try:
            return quietly(self.function, *numbers, **settings)
        except TypeError as error:
            kinds = " and ".join([str(getattr(x, "dtype", type(x).__name__)) for x in numbers])
            raise DtypeError(f"{self.name} does not take {kinds} ({error})") from error

    def shape_of_result(self, shapes: Sequence[tuple[int, ...]], settings: dict[str, Any]) -> tuple[int, ...]:
        """The shape that inputs of these shapes give, found by running the forward once on ones, and on places 0."""
        flat = () if isinstance(self, Pointwise) else self.flat
        tried = [np.zeros(shape, np.intp) if i in flat else np.ones(shape) for i, shape in enumerate(shapes)]
        return np.shape(self.compute(tried, settings))

    def differentiable(self, i: int) -> bool:
        """Whether input ``i`` has a derivative (the condition of ``where`` has none)."""
        return i not in self.flat

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        """What the derivative in input ``i`` of `count` looks at: whether the output, and which inputs' values.

        Where nobody says, it is all of them.
        """
        return True, tuple(range(count))

    def named_in(self, i: int, derivative: Any) -> tuple[bool, tuple[int, ...]]:
        """The same for a derivative that names the inputs one by one: found by looking at its code, once."""
        if i not in self._reads:
            names = read_names(derivative) if derivative is not None else frozenset()
            self._reads[i] = ("out" in names, tuple([j for j, name in enumerate(self.inputs) if name in names]))
        return self._reads[i]

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """Reverse mode: the share of the cotangent ``g`` of the output that reaches input ``i``."""
        raise NotImplementedError

    def push(self, tangents: Sequence[Any], out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """Forward mode: the tangent of the output, from those of the inputs (None where an input does not move)."""
        raise NotImplementedError


@cython.cclass
class Pointwise(Operation):
    """An operation on numbers, applied entry by entry: a local derivative for each input.

    `made_of` says in other operations what it computes, where its local derivatives are written from that by machine.
    """

    def __init__(
        self,
        function: Function,
        formula: str,
        partials: Any,
        *,
        of: Function | None = None,
        selects: bool = False,
        **declared: Any,
    ) -> None:
        super().__init__(function, formula, **declared)
        self.made_of = of
        if of is not None:
            partials = tuple([getattr(partials, f"{self.name}_{x}", unwritten) for x in self.inputs])
        self.broadcasts = True
        self.selects = selects
        self.back: Function | None = find_quick_back(function)
        self.partials: tuple[Function | None, ...] | Function = self.one_for_each_input(partials)

    def shape_of_result(self, shapes: Sequence[tuple[int, ...]], settings: dict[str, Any]) -> tuple[int, ...]:
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            return super().shape_of_result(shapes, settings)

    def partial(self, i: int, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """The local derivative of the output in input ``i``; 0 where the output is flat in it."""
        if i in self.flat:
            return 0
        try:
            slope = self.stated(i, out, inputs, settings)
            if type(slope) is not complex:
                return slope
        except ArithmeticError:
            pass
        # Python's own numbers raise or turn complex where IEEE's are infinite or nan.
        return quietly(self.stated, i, in_doubles([out])[0], in_doubles(inputs), settings)

    def stated(self, i: int, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """The local derivative as the rule states it, on numbers of any kind."""
        partials: Any = self.partials
        if self.variadic:
            return partials(i, out, *inputs, **settings)
        return partials[i](out, *inputs, **settings) if settings else partials[i](out, *inputs)

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        if self.variadic:
            return False, tuple(range(count))
        return self.named_in(i, cast(Any, self.partials)[i])

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        if self.back is not None and type(g) is ndarray:
            share = self.back(g.copy(), out, inputs[0])
            if share is not NotImplemented:
                return share
        return self.passed(g, self.partial(i, out, inputs, settings))

    def passed(self, g: Any, slope: Any) -> Any:
        """What of a tangent or cotangent passes a local derivative; of a branch that was not taken, nothing."""
        return chosen(g, slope) if self.selects else times(g, slope)

    def pull_in_place(self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """The same where nobody else has the memory of ``g``: computed in that, if the types allow.

        The local derivative is an array like the gradient. Some rules have a loop of their own for their product.
        """
        if self.back is not None:
            share = self.back(g, out, inputs[0])
            if share is not NotImplemented:
                return share
        slope = self.partial(i, out, inputs, settings)
        if type(slope) is ndarray and type(g) is ndarray and g.ndim and (slope.dtype is g.dtype or is_mask(slope)):
            share = np.multiply(g, slope, g)
            return stopped(share, slope) if self.selects or is_mask(slope) else share
        return self.passed(g, slope)

    def push(self, tangents: Sequence[Any], out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        terms = (
            self.passed(t, self.partial(i, out, inputs, settings))
            for i, t in enumerate(tangents)
            if t is not None and self.differentiable(i)
        )
        return added(terms)


@cython.cclass
class Linear(Operation):
    """An operation linear in each input (or, with ``*inputs``, in all of them jointly): an adjoint for each.

    `multilinear` says of an operation with ``*inputs`` that it is linear in each by itself, as a product is.
    """

    def __init__(
        self, function: Function, formula: str, adjoint: Any, *, multilinear: bool = False, **declared: Any
    ) -> None:
        super().__init__(function, formula, **declared)
        self.adjoint: tuple[Function | None, ...] | Function = self.one_for_each_input(adjoint)
        self.jointly = self.variadic and not multilinear

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        if self.variadic:
            return False, () if self.jointly else tuple([j for j in range(count) if j != i])
        return self.named_in(i, cast(Any, self.adjoint)[i])

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        adjoint: Any = self.adjoint
        if self.variadic:
            return adjoint(g, i, *inputs, **settings)
        return adjoint[i](g, *inputs, **settings) if settings else adjoint[i](g, *inputs)

    def push(self, tangents: Sequence[Any], out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        if self.jointly:
            moved = [still(x) if t is None else t for x, t in zip(inputs, tangents, strict=True)]
            return self(*moved, **settings)
        terms = (self(*inputs[:i], t, *inputs[i + 1 :], **settings) for i, t in enumerate(tangents) if t is not None)
        return added(terms)


@cython.cclass
class Fused(Linear):
    """Several operations as one node, for speed, with the reason on record.

    Its adjoints serve first-order reverse mode on numbers: those of the book are written by machine from `composition`
    (rules/derivatives/). Everything else (forward mode, second order, explanations, and an input without an adjoint)
    goes through the composition itself. An adjoint of the book may have a kernel, which is asked first.
    """

    def __init__(
        self, function: Function, formula: str, *, of: Function, reason: str, adjoint: Any = None, **declared: Any
    ) -> None:
        if not isinstance(adjoint, tuple):
            names = [f"{function.__name__}_{x}" for x in parameters_of(function)[0]]
            adjoint = tuple([getattr(adjoint, name, by_composition) for name in names])
        super().__init__(function, formula, adjoint=adjoint, **declared)
        self.composition = of
        self.reason = reason
        self.backs: tuple[Function | None, ...] = tuple([find_quick(x) for x in cast(Any, self.adjoint)])

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        adjoint = cast(Any, self.adjoint)[i]
        return (False, tuple(range(count))) if adjoint is by_composition else self.named_in(i, adjoint)

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        back: Any = self.backs[i]
        if back is not None and type(g) is ndarray:
            share = back(g, *inputs, *[settings[name] for name in self.defaults])
            if share is not NotImplemented:
                return share
        every: Any = self.adjoint
        adjoint = every[i]
        if adjoint is by_composition:
            return by_composition(self, i, g, inputs, settings)
        return adjoint(g, *inputs, **settings) if settings else adjoint(g, *inputs)


def unwritten(*_: Any, **__: Any) -> Any:
    """Stands for a local derivative until it is written."""
    raise ChainruleError("a local derivative is not written yet: run docs/write_derivatives.py")


def by_composition(rule: Fused, i: int, g: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """What of a cotangent reaches input ``i`` of a fused rule for which no adjoint is written."""
    return through[0](rule, i, g, inputs, settings)


def parameters_of(function: Function) -> tuple[tuple[str, ...], dict[str, Any], bool]:
    """The inputs of a forward, its settings with their defaults, and whether it takes any number of inputs."""
    code: CodeType | None = getattr(function, "__code__", None)
    if code is not None and not hasattr(function, "__wrapped__"):
        count, settings = code.co_argcount, code.co_kwonlyargcount
        given: dict[str, Any] = getattr(function, "__kwdefaults__", None) or {}
        names = code.co_varnames
        variadic = bool(code.co_flags & inspect.CO_VARARGS)
        several = names[count + settings : count + settings + 1] if variadic else ()
        defaults = {name: given.get(name, NOT_GIVEN) for name in names[count : count + settings]}
        return names[:count] + several, defaults, variadic
    inputs: tuple[str, ...] = ()
    defaults, variadic = {}, False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            defaults[parameter.name] = parameter.default
        else:
            inputs += (parameter.name,)
            variadic = parameter.kind is parameter.VAR_POSITIONAL
    return inputs, defaults, variadic


def pointwise(formula: str, *, partials: Any, **declared: Any) -> Callable[[Function], Pointwise]:
    r"""Declare an operation on single numbers by its local derivatives.

    `formula` is LaTeX with the inputs in braces. `partials` has one function of ``(out, *inputs, **settings)`` for each
    input, or None where the output does not move with it; a rule with ``*inputs`` gives one function of
    ``(index, out, *inputs)``. Settings are keyword-only. `domain`, `shapes`, `at_kink`, `edges` (points where the
    domain ends, or a derivative is special) and `examples` (of settings) tell the generated tests where to look;
    `prepare` has a function for each input that makes a random array suit it.

    A rule that takes one of several branches says which by comparing: a local derivative that is true or false selects,
    so that of an infinite gradient nothing reaches a branch that was not taken. Where such derivatives are numbers,
    ``selects=True`` says that a 0 among them means the same.

    >>> import chainrule as cr
    >>> @cr.pointwise(r"{x}^3", partials=(lambda out, x: 3 * x * x,))
    ... def cube(x):
    ...     '''A cube grows three times its face for each step of the side.'''
    ...     return x * x * x
    >>> cr.grad(cube)(2.0)
    12.0
    """
    return lambda function: register(Pointwise(function, formula, partials, **declared))


def linear(formula: str, *, adjoint: Any, **declared: Any) -> Callable[[Function], Linear]:
    r"""Declare an operation that is linear in each of its inputs, by its adjoints.

    `adjoint` has one function of ``(g, *inputs, **settings)`` for each input: what of the cotangent ``g`` reaches it.
    A rule with ``*inputs`` gives one function of ``(g, index, *inputs)``; it is linear in all of them together, or with
    ``multilinear=True`` in each.

    >>> import chainrule as cr, numpy as np
    >>> @cr.linear(r"{x} - {x}_{\text{flipped}}", adjoint=(lambda g, x: g - cr.flip(g),))
    ... def lopsided(x):
    ...     '''How far each entry is from its mirror image.'''
    ...     return x - np.flip(x)
    >>> cr.grad(lambda x: lopsided(x)[0])(np.ones(3))
    array([ 1.,  0., -1.])
    """
    return lambda function: register(Linear(function, formula, adjoint, **declared))


def fused(
    formula: str, *, of: Function, reason: str, adjoint: Any = None, **declared: Any
) -> Callable[[Function], Fused]:
    """Declare one node for the composition `of`, where speed asks for it; `reason` says what it buys.

    The composition is its derivative. Where that is too slow, `adjoint` has one function of ``(g, *inputs,
    **settings)`` for each input, which has to give the same; or it is a module that has them under names like
    ``affine_x``.

    >>> import chainrule as cr, numpy as np
    >>> @cr.fused(
    ...     r"{x}^2 + {y}^2",
    ...     of=lambda x, y: cr.sum(cr.square(x) + cr.square(y)),
    ...     adjoint=(lambda g, x, y: 2 * g * x, lambda g, x, y: 2 * g * y),
    ...     reason="one node in place of four",
    ... )
    ... def sum_of_squares(x, y):
    ...     '''Every entry counts with its square.'''
    ...     return np.vdot(x, x) + np.vdot(y, y)
    >>> cr.grad(sum_of_squares)(np.array([1.0, 2.0]), np.ones(2))
    array([2., 4.])
    """
    return lambda function: register(Fused(function, formula, of=of, reason=reason, adjoint=adjoint, **declared))


def composed(function: Function) -> Function:
    """Register a function made of operations: it needs no rule, every engine runs it, and on arrays it is silent."""

    @functools.wraps(function)
    def silent(*inputs: Any, **settings: Any) -> Any:
        if (inputs and is_node(inputs[0])) or noise.get() is SILENCE:
            return function(*inputs, **settings)
        before = noise.set(SILENCE)  # as `quietly` does: this is on the way of every call
        try:
            return function(*inputs, **settings)
        finally:
            noise.reset(before)

    compositions[function.__name__] = silent
    for tell in named:
        tell(function.__name__, silent)
    return silent


def kernel(function: Function, *, quick: Function | None = None) -> Function:
    """Mark a plain NumPy function, without a derivative, that a forward may call and written source carries whole.

    What is `quick` is asked first, if it takes the same; it may answer `NotImplemented`.

    >>> import chainrule as cr, numpy as np
    >>> @cr.kernel
    ... def steps(x):
    ...     return np.floor(x)
    >>> steps(2.5)
    np.float64(2.0)
    """
    asked: Function | None = quick or find_quick(function)

    def called(x: Any, *rest: Any, **settings: Any) -> Any:
        if type(x) not in PLAIN:
            write: Function | None = getattr(type(x), "__kernel__", None)
            if write is not None:
                return write(function.__name__, x, *rest, **settings)
        if asked is not None and not settings:
            out = asked(x, *rest)
            if out is not NotImplemented:
                return out
        return function(x, *rest, **settings)

    kernels[function.__name__] = function
    return functools.update_wrapper(called, function, ("__name__", "__doc__"), ())


def register(operation: Rule) -> Rule:
    """Enter an operation into the book; a name is taken once."""
    taken = book.declared(operation.name) if is_ours(operation.function) else book.get(operation.name)
    if taken is not None and taken.function.__code__ != operation.function.__code__:
        raise ChainruleError(f"an operation named {operation.name} is already registered: choose another name")
    if not (operation.__doc__ or "").strip():
        raise ChainruleError(f"{operation.name} needs a docstring: its intuition in one sentence")
    book[operation.name] = operation
    for tell in named:
        tell(operation.name, operation)
    return operation


def is_node(x: Any) -> bool:
    """Whether an operation called with `x` records or writes, instead of computing."""
    return type(x) not in PLAIN and hasattr(type(x), "__apply__")


def is_large(x: Any) -> bool:
    """Whether x is an array so large that it shows in the time where in memory lies what is made of it."""
    return cython.compiled and type(x) is ndarray and has_many(x) and in_own_memory is not None  # noqa: F821


def takes_over(x: Any) -> bool:
    """Whether x has no numbers of its own to look at, and computes with whatever else it meets."""
    return bool(getattr(type(x), "takes_over", False))


def times(g: Any, partial: Any) -> Any:
    """A tangent or cotangent times a local derivative; 1 and -1 cost no multiplication, and truth values select."""
    if type(partial) is int:
        return g if partial == 1 else -g if partial == -1 else g * partial
    return chosen(g, partial) if is_mask(partial) else g * partial


def is_mask(x: Any) -> bool:
    """Whether `x` holds truth values: a number, an array or a node of those."""
    return x is True or x is False or getattr(x, "dtype", None) is TRUTH


def chosen(g: Any, partial: Any) -> Any:
    """A tangent or cotangent times a local derivative of 0 where a branch was not taken: nothing of it passes there.

    A product would not do: an infinite or undefined number times 0 is nan.
    """
    if type(g) is ndarray and type(partial) is ndarray and g.ndim:
        return stopped(g * partial, partial)
    return g if type(partial) is int and partial == 1 else book["chosen"](g, partial)


def stopped(share: Any, partial: Any) -> Any:
    """An array times a local derivative, with 0 where that is 0: only a product with nan in it is looked at twice."""
    total = np.add.reduce(share, None)
    if total != total:  # noqa: PLR0124  (nan alone differs from itself; isnan takes as long as the sum)
        np.copyto(share, 0, where=partial == 0)
    return share


def still(x: Any) -> Any:
    """The tangent of an input that does not move: zeros like it, or for a plain number a zero."""
    return np.zeros(x.shape, x.dtype) if hasattr(x, "shape") else 0.0


def added(terms: Any) -> Any:
    """The sum of the terms, or None of none."""
    total = None
    for term in terms:
        total = term if total is None else total + term
    return total


def in_doubles(numbers: Sequence[Any]) -> list[Any]:
    """Python's numbers as NumPy's, which follow IEEE 754; everything else as it is."""
    try:
        return [DOUBLE(x) if type(x) in (float, int, bool) else x for x in numbers]
    except OverflowError:
        raise DtypeError(TOO_LARGE) from None


def as_count(x: Any) -> Any:
    """Truth values as 1 and 0, which NumPy would not negate or subtract."""
    return x.astype(int) if getattr(x, "dtype", None) is TRUTH else x


def refuse_masked(x: Any, name: str) -> None:
    """An array some entries of which are masked would lose the mask, and these would count."""
    if type(x) is not ndarray and isinstance(x, ndarray) and np.any(getattr(x, "mask", False)):
        raise DtypeError(
            f"{name} got a masked array, and what it covers would count: give x.filled(number), or the mask as an "
            "array of its own, for cr.where(mask, 0, x)"
        )


def as_array(x: Any, name: str) -> np.ndarray[Any, Any]:
    """A list or array as an array of numbers; anything else is refused by name."""
    refuse_masked(x, name)
    if isinstance(x, list | tuple) and holds_differentiable(cast(Sequence[Any], x)):
        raise DtypeError(f"{name} got a list with nodes in it, whose gradients would be lost: join them with cr.stack")
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise DtypeError(f"{name} got a ragged list: every row needs the same length") from error
    if array.dtype.kind not in "fiubc":
        raise no_numbers(array, x, name)
    return array


def no_numbers(array: np.ndarray[Any, Any], x: Any, name: str) -> DtypeError:
    """The error for what cannot be an array of numbers."""
    entries = array.ravel().tolist() if array.dtype.kind == "O" else []
    if any(is_node(entry) for entry in entries):
        return DtypeError(
            f"{name} got an array of dtype object with nodes in it: join Tensors with cr.stack, and keep Values in "
            "lists, which cr.sum and cr.dot take"
        )
    if entries and all(isinstance(entry, int | float) for entry in entries):
        return DtypeError(TOO_LARGE)
    return DtypeError(f"{name} takes numbers, arrays, Values or Tensors, not {what_is(x)}")


def holds_differentiable(parts: Sequence[Any]) -> bool:
    """Whether a nested list has a node in it that a gradient may pass."""
    return any(
        holds_differentiable(cast(Sequence[Any], x))
        if isinstance(x, list | tuple)
        else is_node(x) and getattr(x, "requires_grad", True) and not getattr(x, "is_constant", False)
        for x in parts
    )


def misfit(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any], error: Exception) -> Exception:
    """The error for shapes that do not fit: both shapes, the operation, and what the user calls the operands."""
    names = find_labels([x for x in inputs if hasattr(x, "shape")])
    roles = operation.inputs if not operation.variadic else operation.inputs * len(inputs)
    shown = " and ".join(
        f"{names.get(id(x), role)} {getattr(x, 'shape', ())}" for role, x in zip(roles, inputs, strict=True)
    )
    given = "".join(f", {name}={setting!r}" for name, setting in settings.items() if setting is not None)
    kind = IndexError if isinstance(error, IndexError) else ShapeError
    return kind(f"{operation.name} does not fit {shown}{given} ({error})")


def read_names(function: Function) -> frozenset[str]:
    """The parameters whose values a derivative looks at; reading only ``x.shape`` does not count."""
    shape_only = {"shape", "ndim", "dtype", "size"}
    names: set[str] = set()
    steps = list(dis.get_instructions(inspect.unwrap(function)))
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if "LOAD_" in step.opname and step.argval is not None:
            loaded = step.argval if isinstance(step.argval, tuple) else (step.argval,)
            if after is not None and after.opname == "LOAD_ATTR" and after.argval in shape_only:
                loaded = loaded[:-1]
            names.update(map(str, loaded))
    return frozenset(names)


def refuse_backward(operation: str) -> GraphError:
    """The error for a node that was made by hand and so has no derivative."""
    return GraphError(
        f"a node was made by hand with _op={operation!r}, so its derivative is not known; declare the operation with "
        "@cr.pointwise(formula, partials=…) and call it instead"
    )

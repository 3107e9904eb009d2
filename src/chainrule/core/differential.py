"""Rules by their differential: forward mode as a program, reverse mode as its transpose, which is taken by machine.

The two shorthands (core/operation.py) cover what works entry by entry and what is linear. An inverse, a determinant and
a Cholesky factor are neither: of those the book states how the output moves with an input, once. That program is linear
in the movement, so to transpose it is to trace it on symbols and pull a symbolic cotangent back through the trace, by
the rules of the operations that it calls.
"""

# A differential is a program of the user's, and what it gives is known only when it has run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.graph import from_array, gradients_of
from chainrule.core.operation import Function, Fused, Operation, added, register, through
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.state import Quiet, enable_grad
from chainrule.core.term import Shape, Term, forward_order, frozen, identity, plain_number
from chainrule.errors import ChainruleError, ShapeError

MOST_TRACES = 256
"""Transposes that an operation remembers: one for each input, shape and setting that it met."""


class Transpose:
    """A differential's transpose: the steps that make a share of a cotangent, in order, by the places of their inputs.

    It is traced once as a term and read into a list, since to find a term's order at every call would take longer than
    the arithmetic on small arrays.
    """

    def __init__(self, share: Term, symbols: Sequence[Term]) -> None:
        self.constants: list[Any] = []
        self.steps: list[tuple[Operation, tuple[int, ...], dict[str, Any]]] = []
        order = forward_order([share], symbols)
        inputs = {term: unrepeated(term) for term in order if term.op is not None}
        used = {identity(x): x for given in (*inputs.values(), (share,)) for x in given}
        place: dict[Any, int] = {symbol: i for i, symbol in enumerate(symbols)}
        for key, x in used.items():
            if not isinstance(x, Term) or x.number is not None:
                place[key] = len(place)
                self.constants.append(plain_number(x))
        for term, given in inputs.items():
            if term in used and term.op is not None:
                self.steps.append((term.op, tuple([place[identity(x)] for x in given]), term.settings))
                place[term] = len(place)
        self.share = place[share]

    def __call__(self, g: Any, out: Any, inputs: Sequence[Any]) -> Any:
        found = [g, out, *inputs, *self.constants]
        with Quiet():
            for op, places, settings in self.steps:
                found.append(op(*[found[i] for i in places], **settings))
        return found[self.share]


class Differential(Operation):
    """An operation whose differential is a program: ``(dx, out, *inputs, **settings)`` to the tangent of the output.

    In an input that has an adjoint instead the operation is linear, as `solve` is in its right side. One that has both
    states its transpose, where that of numbers is another program than that of symbols.
    """

    def __init__(
        self, function: Function, formula: str, differential: Any, adjoint: Any = None, **declared: Any
    ) -> None:
        super().__init__(function, formula, **declared)
        if self.variadic:
            raise ChainruleError(
                f"{self.name}: a differential needs inputs with names, and *{self.inputs[-1]} has none"
            )
        self.differential: tuple[Function | None, ...] = self.one_for_each_input(differential)
        adjoints: tuple[Function | None, ...] = adjoint or (None,) * len(self.inputs)
        self.adjoint: tuple[Function | None, ...] = self.one_for_each_input(adjoints)
        pairs = zip(self.differential, self.adjoint, strict=True)
        self.flat = frozenset([i for i, pair in enumerate(pairs) if pair == (None, None)])
        self._transposes: dict[Any, Transpose] = {}

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        return self.named_in(i, self.adjoint[i] or self.differential[i])

    def push(self, tangents: Sequence[Any], out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        moving = ((i, t) for i, t in enumerate(tangents) if t is not None and self.differentiable(i))
        return added(self.moved(i, t, out, inputs, settings) for i, t in moving)

    def moved(self, i: int, t: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """The tangent of the output where input ``i`` alone moves by ``t``."""
        differential = self.differential[i]
        if differential is None:
            return self(*inputs[:i], t, *inputs[i + 1 :], **settings)
        return differential(t, out, *inputs, **settings)

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        adjoint = self.adjoint[i]
        if adjoint is not None:
            return adjoint(g, *inputs, **settings)
        if i in self.flat:
            return np.zeros(np.shape(inputs[i]))
        shapes = tuple([getattr(x, "shape", ()) for x in inputs])
        key = (self.differential[i], i, shapes, frozen(settings))
        transpose = self._transposes.get(key)
        if transpose is None:
            if len(self._transposes) == MOST_TRACES:
                self._transposes.clear()
            transpose = self._transposes[key] = self.transposed(i, getattr(out, "shape", ()), shapes, settings)
        return transpose(g, out, inputs)

    def transposed(self, i: int, shape: Shape, shapes: Sequence[Shape], settings: dict[str, Any]) -> Transpose:
        """The transpose of the differential in input ``i``, for an output and inputs of these shapes."""
        inputs = tuple([unknown(name, s) for name, s in zip(self.inputs, shapes, strict=True)])
        moving, out, g = unknown(f"d{self.inputs[i]}", shapes[i]), unknown("out", shape), unknown("g", shape)
        tangent = self.moved(i, moving, out, inputs, settings)
        what = f"the differential of {self.name} in {self.inputs[i]}"
        if getattr(tangent, "shape", ()) != shape:
            raise ShapeError(f"{what} has shape {getattr(tangent, 'shape', ())}, and the output {shape}")
        share = gradients_of([tangent], [g], [moving], record=True)[0] if isinstance(tangent, Term) else None
        if share is None or moving in forward_order([share]):
            raise ChainruleError(f"{what} is not linear in its first argument: it must be a sum of terms with it once")
        return Transpose(share, (g, out, *inputs))


def unrepeated(term: Term) -> tuple[Any, ...]:
    """The inputs of a step, without repetitions that its arithmetic makes by itself."""
    inputs = term.inputs
    repeated = [isinstance(x, Term) and x.op is not None and x.op.name == "broadcast_to" for x in inputs]
    whole = any(
        [not again and getattr(x, "shape", ()) == term.shape for x, again in zip(inputs, repeated, strict=True)]
    )
    if not whole or term.op is None or not term.op.broadcasts:
        return inputs
    return tuple([x.inputs[0] if again else x for x, again in zip(inputs, repeated, strict=True)])


def through_parts(rule: Fused, i: int, g: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """What of a cotangent reaches input ``i`` of a fused rule, by the graph of its composition."""
    given = [from_array(np.asarray(x)) for x in inputs]
    given[i] = moving = given[i].alias()
    assert rule.composition is not None
    with enable_grad():
        out = rule.composition(*given, **settings)
        share = gradients_of([out], [g], [moving], record=False)[0]
    return np.zeros(moving.shape) if share is None else share


through.append(through_parts)


def unknown(name: str, shape: Shape) -> Term:
    """A symbol that no other is equal to, whatever an operation calls its inputs."""
    return Term(None, (), NO_SETTINGS, shape, label=name)


def differential(
    formula: str, *, differential: Any, adjoint: Any = None, **declared: Any
) -> Callable[[Function], Differential]:
    r"""Declare an operation by how its output moves with each input; reverse mode is transposed by machine.

    `differential` has one function of ``(dx, out, *inputs, **settings)`` for each input, linear in ``dx``, or None
    where the output does not move with it. In an input in which the operation is linear give None there and a function
    of ``(g, *inputs, **settings)`` in `adjoint`; beside a differential it stands in place of the machine's transpose.
    The other declarations are those of `pointwise`.

    >>> import chainrule as cr, numpy as np
    >>> @cr.differential(r"{x} \, {x}", differential=(lambda dx, out, x: dx @ x + x @ dx,), shapes=((2, 2),))
    ... def times_itself(x):
    ...     '''A matrix times itself moves with both of its factors.'''
    ...     return np.matmul(x, x)
    >>> cr.grad(lambda x: cr.sum(times_itself(x)))(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[ 7., 11.],
           [ 9., 13.]])
    """
    return lambda function: register(Differential(function, formula, differential, adjoint, **declared))

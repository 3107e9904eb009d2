"""Functions with a backward pass of the user's own."""

# What a user's backward pass gives is not known before it has run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import Operation, is_node
from chainrule.errors import GraphError

Function = Callable[..., Any]


class custom_vjp:  # noqa: N801  (a decorator, named as in JAX)
    """A function with a backward pass of your own; called on plain numbers it is the function itself.

    ``defvjp(forward, backward)``: `forward` takes the same arguments and gives the output and what the backward pass
    needs; `backward` takes that and the cotangent, and gives a tuple with one cotangent for each argument. For second
    order both run again on nodes. Forward mode is refused, since no rule for it was given.

    >>> import chainrule as cr
    >>> @cr.custom_vjp
    ... def careful(x):
    ...     return 1.0 * x
    >>> careful.defvjp(lambda x: (1.0 * x, None), lambda kept, g: (cr.clip(g, -1.0, 1.0),))
    >>> cr.grad(lambda x: 5.0 * careful(x))(2.0)
    1.0
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.forward: Function | None = None
        self.backward: Function | None = None
        self.__name__: str = function.__name__
        self.__doc__ = function.__doc__

    def defvjp(self, forward: Function, backward: Function) -> None:
        """Give the two halves."""
        self.forward = forward
        self.backward = backward

    def __call__(self, *args: Any) -> Any:
        if self.forward is None or self.backward is None:
            raise GraphError(
                f"{self.__name__} has no backward pass yet: call {self.__name__}.defvjp(forward, backward)"
            )
        if not any(is_node(x) for x in args):
            return self.function(*args)
        return CustomRule(self.__name__, self.forward, self.backward)(*args)


class CustomRule(Operation):
    """The operation behind one call of a `custom_vjp` function: it keeps what that call's backward pass needs."""

    def __init__(self, name: str, forward: Function, backward: Function) -> None:
        def function(*inputs: Any) -> Any:
            return forward(*inputs)

        function.__name__ = name
        super().__init__(function, rf"\operatorname{{{name}}}\left({{inputs}}\right)")
        self.forward = forward
        self.backward = backward
        self.kept: Any = None
        self.last: tuple[Any, Sequence[Any]] | None = None

    def fitting(self, ready: Sequence[Any], inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        pair = super().fitting(ready, inputs, settings)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise GraphError(f"the forward pass of {self.name} must give a pair: the output, and what backward needs")
        out, self.kept = pair
        return out

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        return True, tuple(range(count))

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        if self.last is None or self.last[0] is not g:
            kept = self.forward(*inputs)[1] if is_node(g) else self.kept
            cotangents = self.backward(kept, g)
            if not isinstance(cotangents, list | tuple) or len(cotangents) != len(inputs):
                raise GraphError(f"the backward pass of {self.name} must give a tuple with {len(inputs)} cotangents")
            self.last = (g, cotangents)
        share = self.last[1][i]
        wanted = getattr(inputs[i], "shape", ())
        if getattr(share, "shape", ()) != wanted:
            raise GraphError(
                f"the backward pass of {self.name} gave a cotangent of shape {getattr(share, 'shape', ())} for input "
                f"{i}, which has shape {wanted}"
            )
        return np.array(share) if isinstance(share, np.ndarray) else share

    def push(self, tangents: Sequence[Any], out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        raise GraphError(f"{self.name} has a backward pass of its own and no forward-mode rule: use grad or vjp")

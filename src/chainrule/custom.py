"""Functions with a backward pass of the user's own."""

# What a user's two halves take and give is not known before they have run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from chainrule.core import Value
from chainrule.core.graph import from_array
from chainrule.core.operation import NUMBERS, Operation, is_node
from chainrule.core.tensor import Tensor
from chainrule.core.tree import LEAF, flatten, matched, outline, unflatten
from chainrule.errors import GraphError

Function = Callable[..., Any]


class custom_vjp:  # noqa: N801  (a decorator, named as in JAX)
    """A function with a backward pass of your own; called on plain numbers it is the function itself.

    ``defvjp(forward, backward)``: `forward` takes the same arguments and gives the output and what the backward pass
    needs; `backward` takes that and the cotangent, and gives a tuple with one cotangent for each argument. Arguments
    and outputs may be nested lists, tuples and dicts; then cotangents are too, and None stands for zeros. For second
    order both run again on nodes. Forward mode is refused, since no rule for it was given.

    Settings have no cotangent: keyword-only arguments, which `backward` is given where it takes them by name, and the
    positions in `nondiff_argnums`, which as in JAX come first among its arguments.

    >>> import chainrule as cr
    >>> @cr.custom_vjp
    ... def careful(x):
    ...     return 1.0 * x
    >>> careful.defvjp(lambda x: (1.0 * x, None), lambda kept, g: (cr.clip(g, -1.0, 1.0),))
    >>> cr.grad(lambda x: 5.0 * careful(x))(2.0)
    1.0
    """

    def __init__(self, function: Function, nondiff_argnums: int | Iterable[int] = ()) -> None:
        self.function = function
        self.forward: Function | None = None
        self.backward: Function | None = None
        self.__wrapped__ = function
        self.__name__: str = getattr(function, "__name__", type(function).__name__)
        self.__doc__ = function.__doc__
        self.signature = inspect.signature(function)
        self.aside = {nondiff_argnums} if isinstance(nondiff_argnums, int) else {*nondiff_argnums}

    def defvjp(self, forward: Function, backward: Function) -> None:
        """Give the two halves."""
        self.forward = forward
        self.backward = backward

    def __call__(self, *args: Any, **settings: Any) -> Any:
        if self.forward is None or self.backward is None:
            raise GraphError(
                f"{self.__name__} has no backward pass yet: call {self.__name__}.defvjp(forward, backward)"
            )
        bound = self.signature.bind(*args, **settings)
        count = len(bound.args)
        bound.apply_defaults()
        call = Call(self, bound.args, bound.kwargs, by_default=len(bound.args) - count)
        if not any(is_node(x) for x in call.leaves):
            return self.function(*bound.args, **bound.kwargs)
        return call.outputs()


class Call:
    """One call of a `custom_vjp` function: its arguments as a flat row of inputs, and back."""

    def __init__(self, custom: custom_vjp, args: Sequence[Any], settings: dict[str, Any], by_default: int) -> None:
        self.name = custom.__name__
        self.forward: Any = custom.forward
        self.backward: Any = custom.backward
        self.args = args
        self.settings = settings
        self.by_default = by_default
        self.aside = {i % len(args) for i in custom.aside}
        self.leaves, self.structure = flatten(tuple([x for i, x in enumerate(args) if i not in self.aside]))
        self.scalar = any(type(x) is Value for x in self.leaves)
        self.places = [k for k, x in enumerate(self.leaves) if is_node(x) or isinstance(x, (np.ndarray, *NUMBERS))]
        for x in flatten([[args[i] for i in self.aside], list(settings.values())])[0]:
            if is_node(x) and getattr(x, "requires_grad", True):
                raise GraphError(
                    f"{self.name} was given a node as a setting, through which no gradient passes: give x.detach(), or "
                    "make it an argument with a cotangent"
                )

    def outputs(self) -> Any:
        """The outputs as nodes: one node, or for a container one that holds all its numbers in a row.

        A Value is one number, so there each output is a node of its own.
        """
        inputs = [self.leaves[k] for k in self.places]
        rule = CustomRule(self)
        node = rule(*inputs)
        made = rule.made
        if made is None or made.structure == LEAF:
            return node
        if isinstance(node, Value):
            more = [CustomRule(self, part, made)(*inputs) for part in range(1, len(made.joined))]
            return made.filled([node, *more], made.leaves)
        return made.filled(made.cut(node), made.leaves)

    def run(self, inputs: Sequence[Any]) -> tuple[Any, Any]:
        """The forward pass on other inputs: the output, and what the backward pass needs."""
        pair = self.forward(*self.filled(inputs), **self.settings)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise GraphError(f"the forward pass of {self.name} must give a pair: the output, and what backward needs")
        return pair

    def filled(self, inputs: Sequence[Any]) -> list[Any]:
        """The arguments with other inputs in them."""
        leaves = list(self.leaves)
        for k, x in zip(self.places, inputs, strict=True):
            leaves[k] = x
        remaining: Iterator[Any] = iter(unflatten(self.structure, leaves))
        return [x if i in self.aside else next(remaining) for i, x in enumerate(self.args)]

    def pulled(self, kept: Any, cotangent: Any) -> list[Any]:
        """The backward pass: a cotangent for each input, None for zeros."""
        wanted = inspect.signature(self.backward).parameters.values()
        names = {p.name for p in wanted if p.kind is p.KEYWORD_ONLY}
        takes_all = any(p.kind is p.VAR_KEYWORD for p in wanted)
        settings = {name: x for name, x in self.settings.items() if takes_all or name in names}
        given = self.backward(*[self.args[i] for i in sorted(self.aside)], kept, cotangent, **settings)
        count = len(self.args) - len(self.aside)
        if not isinstance(given, list | tuple) or not count - self.by_default <= len(given) <= count:
            raise GraphError(f"the backward pass of {self.name} must give a tuple with {count} cotangents")
        try:
            leaves = matched(self.structure, (*given, *[None] * (count - len(given))))
        except ValueError:
            raise GraphError(
                f"the backward pass of {self.name} must give cotangents of the structure of its arguments, "
                f"{outline(self.structure)}, with None for zeros, and gave {outline(flatten(given)[1])}"
            ) from None
        return [leaves[k] for k in self.places]


class Outputs:
    """What a forward pass gave: a structure, whose leaves of real numbers are differentiated, joined in a row."""

    def __init__(self, out: Any, kept: Any) -> None:
        self.kept = kept
        self.leaves, self.structure = flatten(out)
        self.joined = [k for k, x in enumerate(self.leaves) if np.asarray(x).dtype.kind == "f"]
        self.shapes = [np.shape(self.leaves[k]) for k in self.joined]
        self.dtypes = [np.asarray(self.leaves[k]).dtype for k in self.joined]

    def row(self) -> Any:
        """All their numbers, one after the other."""
        return np.concatenate([np.zeros(0), *[np.ravel(self.leaves[k]) for k in self.joined]])

    def cut(self, row: Any) -> list[Any]:
        """A row of numbers as pieces of the outputs' shapes."""
        pieces: list[Any] = []
        start = 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            count = math.prod(shape)
            piece = row[start : start + count].reshape(shape)
            pieces.append(piece if piece.dtype == dtype else piece.astype(dtype))
            start += count
        return pieces

    def filled(self, pieces: Sequence[Any], others: Sequence[Any]) -> Any:
        """The structure with these pieces in the places of what is differentiated, and others elsewhere."""
        leaves = list(others)
        for k, piece in zip(self.joined, pieces, strict=True):
            leaves[k] = piece
        return unflatten(self.structure, leaves)


class CustomRule(Operation):
    """The operation behind one call of a `custom_vjp` function: it keeps what that call's backward pass needs.

    `part` says which of several outputs it gives, where a node holds one number. What the forward pass kept is found
    again by the inputs that it ran on, since an explanation runs it on others in between.
    """

    def __init__(self, call: Call, part: int = 0, made: Outputs | None = None) -> None:
        def function(*inputs: Any) -> Any:
            return call.run(inputs)

        function.__name__ = call.name
        super().__init__(function, rf"\operatorname{{{call.name}}}\left({{inputs}}\right)")
        self.quick = None  # a function of the user's may have the name of a compiled one
        self.late = True
        self.call = call
        self.part = part
        self.made = made
        self.first: tuple[Sequence[Any], Any] | None = None
        self.latest: tuple[Sequence[Any], Any] | None = None
        self.last: tuple[Any, bool, list[Any]] | None = None

    def fitting(self, ready: Sequence[Any], inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        if self.first is None and self.made is not None:
            made = self.made
        else:
            out, kept = super().fitting(ready, inputs, settings)
            made = Outputs(out, kept)
        self.latest = (tuple(ready), made.kept)
        if self.first is None:
            self.first, self.made = self.latest, made
        if made.structure == LEAF:
            return made.leaves[0]
        return made.leaves[made.joined[self.part]] if self.call.scalar else made.row()

    def pull(self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        recording = any(is_node(x) for x in inputs)
        if self.last is None or self.last[0] is not g or self.last[1] is not recording:
            kept = self.call.run(inputs)[1] if recording else self.kept(inputs)
            self.last = g, recording, self.call.pulled(kept, self.cotangent(g))
        share = self.last[2][i]
        x = inputs[i]
        if share is None:
            share = np.zeros(np.shape(x), getattr(x, "dtype", float))
        elif not (recording and is_node(share)):
            share = np.array(share.data if is_node(share) else share)
        if share.shape != getattr(x, "shape", ()):
            raise GraphError(
                f"the backward pass of {self.name} gave a cotangent of shape {share.shape} for input {i}, which has "
                f"shape {getattr(x, 'shape', ())}"
            )
        return from_array(share) if isinstance(x, Tensor) and not is_node(share) else share

    @property
    def met(self) -> Sequence[Any]:
        """The inputs as they were when the node was made."""
        return cast(Any, self.first)[0]

    def kept(self, inputs: Sequence[Any]) -> Any:
        """What the forward pass kept when it ran on these inputs."""
        for pair in (self.first, self.latest):
            if pair is not None and all(map(same, pair[0], inputs)):
                return pair[1]
        return self.call.run(inputs)[1]

    def cotangent(self, g: Any) -> Any:
        """The cotangent of all outputs, in their structure."""
        made = cast(Outputs, self.made)
        if made.structure == LEAF:
            return g
        pieces: list[Any] = made.cut(g) if not self.call.scalar else [0.0] * len(made.joined)
        if self.call.scalar:
            pieces[self.part] = g
        return made.filled(pieces, [np.zeros(np.shape(x)) for x in made.leaves])

    def push(self, tangents: Sequence[Any], out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        raise GraphError(f"{self.name} has a backward pass of its own and no forward-mode rule: use grad or vjp")


def same(x: Any, y: Any) -> bool:
    """Whether two inputs are the same numbers of the same type."""
    return x is y or (np.asarray(x).dtype == np.asarray(y).dtype and np.array_equal(x, y, equal_nan=True))

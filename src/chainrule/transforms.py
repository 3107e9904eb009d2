"""Functions of functions: gradients, Jacobians and products with them, after JAX's names.

Every transform takes a function of floats, arrays, Values, Tensors, or nested lists, tuples and dicts of these, runs it
on stand-in nodes, and walks the recorded graph. Because the walks record in their turn where something outside can be
differentiated, transforms nest to any order.
"""

# What a user's function gives is known only when it has run, and isinstance narrows it to containers of unknown things.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from operator import index
from typing import Any, SupportsIndex, cast

import numpy as np

from chainrule.core import Value, graph
from chainrule.core.graph import DIFFERENTIABLE, from_array
from chainrule.core.mapped import Mapped, core, filled, levels_of, looped, on_core, running
from chainrule.core.operation import compositions, in_doubles, is_node, refuse_masked
from chainrule.core.state import Transforming, enable_grad
from chainrule.core.tensor import Tensor
from chainrule.core.traced import Traced, is_tracing, leaf_from_outside, note_unmoved, seed
from chainrule.core.tree import flatten, outline, unflatten
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.kinds import what_is

Argnums = SupportsIndex | Iterable[SupportsIndex]
Function = Callable[..., Any]

NODES, PLAIN_NUMBERS = (Tensor, Value), (float, int, np.ndarray, np.number, np.bool_)
MOVING = (*NODES, Mapped)
OF_THEIR_OWN, ARRAYS = (Value, Traced), (float, int, np.ndarray, np.floating)
"""As tuples, since a union is made anew wherever one is written, which takes as long as a small sum."""


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives ``f(*args)``, one number, and its gradient in the arguments `argnums`.

    The gradient has the structure, shapes and dtypes of the argument (a tuple of them where `argnums` is a sequence).
    With `has_aux`, f gives a pair whose second part, anything at all, is passed through: ``((value, aux), gradient)``.
    Costs a small multiple of f.

    >>> import chainrule as cr
    >>> cr.value_and_grad(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """

    @wraps(f)
    def value_and_gradient(*args: Any, **settings: Any) -> Any:
        run = Run(f, args, argnums, settings, has_aux)
        gradients = run.pull([ones_like(run.one_output())])
        value = run.outputs_given_back()
        return ((value, run.aux) if has_aux else value), run.like_arguments(gradients)

    return value_and_gradient


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives the gradient of ``f(*args)``, one number, in the arguments `argnums`.

    The steepest rise of f: one entry for each entry of the argument, by one backward pass (reverse mode; Griewank and
    Walther, Evaluating Derivatives, 2008). Nests to any order. With `has_aux` the result is ``(gradient, aux)``.

    >>> import chainrule as cr
    >>> cr.grad(lambda x: x**3 - 3 * x**2 + 2 * x + 1)(2.0)
    2.0
    >>> cr.grad(cr.grad(cr.sin))(0.5) == -cr.sin(0.5)
    True
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args: Any, **settings: Any) -> Any:
        value, gradients = both(*args, **settings)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The outputs of f, and a function that takes a cotangent of them back to the inputs (a tuple, one for each).

    With `has_aux`, f gives a pair, and its second part comes as a third.

    >>> import chainrule as cr
    >>> out, back = cr.vjp(lambda x, y: x * y, 2.0, 5.0)
    >>> out, back(1.0)
    (10.0, (5.0, 2.0))
    """
    run = Run(f, primals, tuple(range(len(primals))), {}, has_aux)

    def back(cotangent: Any) -> Any:
        return run.like_arguments(run.pull(fitted(cotangent, run.out_structure, run.outputs, "cotangent")))

    return run.with_aux(run.outputs_given_back(), back)


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """The outputs of f and how they change when the inputs move along `tangents`; forward mode.

    `primals` and `tangents` are tuples, one entry for each argument, of the same structure and shapes. With `has_aux`,
    f gives a pair, and its second part comes as a third.

    >>> import chainrule as cr
    >>> cr.jvp(lambda x, y: x * y, (2.0, 5.0), (1.0, 0.0))
    (10.0, 5.0)
    """
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise ShapeError("jvp takes tuples, one entry for each argument: jvp(f, (x,), (dx,))")
    run = Run(f, tuple(primals), tuple(range(len(primals))), {}, has_aux)
    return run.with_aux(run.outputs_given_back(), run.moved(tuple(tangents)))


def linearize(f: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The outputs of f, and its linear part: a function of tangents, one for each argument; f itself runs once.

    Worth more than `jvp` where several tangents follow at one place. With `has_aux`, f gives a pair, and its second
    part comes as a third.

    >>> import chainrule as cr
    >>> out, along = cr.linearize(lambda x, y: x * y, 2.0, 5.0)
    >>> out, along(1.0, 0.0), along(0.0, 1.0)
    (10.0, 5.0, 2.0)
    """
    run = Run(f, primals, tuple(range(len(primals))), {}, has_aux)

    def along(*tangents: Any) -> Any:
        return run.moved(tangents)

    return run.with_aux(run.outputs_given_back(), along)


def jacobian(f: Function, argnums: Argnums = 0, mode: str | None = None, has_aux: bool = False) -> Function:
    """A function that gives all derivatives of all outputs of f in the arguments `argnums`.

    For an output of shape (m…) and an argument of shape (n…) the result has shape (m…, n…): numerator layout. Outputs
    and arguments in containers give containers of such blocks, the outputs' outside. One sweep for each output (reverse
    mode) or for each input (forward mode), whichever are fewer; `mode` forces one. With `has_aux` the result is
    ``(jacobian, aux)``.

    >>> import chainrule as cr, numpy as np
    >>> cr.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if mode not in (None, "forward", "reverse"):
        raise GraphError(f"jacobian has mode='forward' and mode='reverse', not {mode!r}")

    @wraps(f)
    def matrix(*args: Any, **settings: Any) -> Any:
        run = Run(f, args, argnums, settings, has_aux)
        fewer_inputs = sum(map(size, run.inputs)) < sum(map(size, run.outputs))
        forward = mode == "forward" or (mode is None and fewer_inputs)
        blocks = run.columns() if forward else run.rows()
        together = unflatten(run.out_structure, [run.like_arguments(row) for row in blocks])
        return (together, run.aux) if has_aux else together

    return matrix


def jacfwd(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """`jacobian` by forward mode, one sweep for each input.

    >>> import chainrule as cr
    >>> cr.jacfwd(lambda x: x * x)(3.0)
    6.0
    """
    return jacobian(f, argnums, "forward", has_aux)


def jacrev(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """`jacobian` by reverse mode, one sweep for each output.

    >>> import chainrule as cr
    >>> cr.jacrev(lambda x: x * x)(3.0)
    6.0
    """
    return jacobian(f, argnums, "reverse", has_aux)


def hessian(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that gives all second derivatives of f, one number, in the arguments `argnums`.

    Arguments in containers give containers of containers, one block for each pair. With `has_aux` the result is
    ``(hessian, aux)``.

    >>> import chainrule as cr, numpy as np
    >>> cr.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums, has_aux), argnums, "forward", has_aux)


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The Hessian of f, one number, times a vector, without the Hessian: forward mode over reverse (Pearlmutter, 1994).

    With `has_aux` the result is ``(product, aux)``.

    >>> import chainrule as cr, numpy as np
    >>> cr.hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    every = tuple(range(len(primals)))
    _, moved, *aux = jvp(grad(f, every, has_aux), primals, tangents, has_aux)
    product = moved[0] if len(every) == 1 else moved
    return (product, *aux) if has_aux else product


def stop_gradient(x: Any) -> Any:
    """The same numbers as constants: no derivative of any order or mode passes; `detach` of all that x holds.

    x is a float, an array, a Value, a Tensor, or a nested list, tuple or dict of these.

    >>> import chainrule as cr
    >>> cr.grad(lambda x: x * cr.stop_gradient(x))(3.0)
    3.0
    """
    leaves, structure = flatten(x)
    return unflatten(structure, [part.detach() if is_node(part) else part for part in leaves])


class Run:
    """One run of a function on stand-ins for its arguments, and the walks over what it recorded."""

    def __init__(
        self, f: Function, args: tuple[Any, ...], argnums: Argnums, settings: dict[str, Any], has_aux: bool = False
    ) -> None:
        self.several = type(argnums) is tuple or is_several(argnums)
        places = list(map(index, cast(Any, argnums if self.several else (argnums,))))
        for place in places:
            if not -len(args) <= place < len(args):
                raise ShapeError(f"argnums={argnums} asks for argument {place}, and {len(args)} were given")
        places = [place % len(args) for place in places]
        if len(set(places)) < len(places):
            raise ShapeError(f"argnums={argnums} names an argument twice")
        leaves, self.structure = flatten(tuple(args[place] for place in places))
        self.kinds: list[type[Any]] = [type(x) for x in leaves]
        self.kind: type[Any] = next((kind for kind in self.kinds if kind not in (float, int)), float)
        call = list(args)
        with enable_grad():
            self.inputs = [stand_in(filled(x, running.levels)) for x in leaves]
            for place, argument in zip(places, unflatten(self.structure, self.inputs), strict=True):
                call[place] = argument
            with Transforming():
                out = f(*call, **settings)
        self.mine = list(map(core, self.inputs))
        for x in self.mine:
            if x.op is None:
                x.requires_grad = False  # this run is over: nobody outside can ask for a gradient in its stand-ins
        self.has_aux = has_aux
        self.aux: Any = None
        if has_aux:
            out, aux = pair(out)
            aux_leaves, aux_structure = flatten(aux)
            self.aux = unflatten(aux_structure, [self.plain(x, self.kind) if is_node(x) else x for x in aux_leaves])
        out_leaves, self.out_structure = flatten(out)
        self.outputs = [output_node(x) for x in out_leaves]
        others = set(graph.backward_order(list(map(core, self.outputs)))).difference(self.mine)
        self.record = any([x.edges for x in self.mine]) or any([x.requires_grad and not x.edges for x in others])

    def one_output(self) -> Any:
        """The single number that a gradient needs."""
        if len(self.outputs) != 1 or self.outputs[0].shape != ():
            shapes = ", ".join(str(x.shape) for x in self.outputs)
            raise GraphError(
                f"grad needs a function that gives one number, and this one gave {shapes or 'nothing'}: sum it to a "
                "loss, or use jacobian or vjp"
            )
        return self.outputs[0]

    def pull(self, cotangents: list[Any]) -> list[Any]:
        """Reverse mode, from cotangents of the outputs to gradients in the inputs."""
        return self.walk(self.outputs, cotangents, self.inputs, graph.gradients_of)

    def push(self, tangents: list[Any]) -> list[Any]:
        """Forward mode, from tangents of the inputs to tangents of the outputs."""
        from chainrule.core.forward import tangents_of  # training goes backward

        return self.walk(self.inputs, tangents, self.outputs, tangents_of)

    def walk(self, start: list[Any], given: list[Any], end: list[Any], along: Function) -> list[Any]:
        """One of the two walks over the graph, with what is given at its start; zeros where nothing arrives.

        Examples of a map do not touch each other, so inside one the walk over the Tensors of all examples, each with
        its own cotangent or tangent, is that of every example.
        """
        start = [x for x, part in zip(start, given, strict=True) if part is not None]
        given = [part for part in given if part is not None]
        if running.levels:
            newer = {level for x in given for level in levels_of(x)}.difference(*map(levels_of, start))
            if newer:
                return looped(lambda *parts: self.walk(start, list(parts), end, along), given, {}, max(newer))
        record = self.record or any(map(recorded, given))
        with enable_grad():
            ready = [as_kind_of(x, part, record) for part, x in zip(given, start, strict=True)]
            found = along(list(map(core, start)), ready, list(map(core, end)), record=record)
        return [zeros_like(x) if part is None else inside(x, part) for part, x in zip(found, end, strict=True)]

    def moved(self, tangents: Sequence[Any]) -> Any:
        """The outputs' tangents in the outputs' structure, from one tangent for each argument."""
        moved = self.push(fitted(tuple(tangents), self.structure, self.inputs, "tangent"))
        return unflatten(self.out_structure, [self.plain(t, self.kind) for t in moved])

    def with_aux(self, *results: Any) -> tuple[Any, ...]:
        """What a transform gives, and the function's second part where it has one."""
        return (*results, self.aux) if self.has_aux else results

    def rows(self) -> list[list[Any]]:
        """The Jacobian by reverse mode: for each output, a block for each input."""
        return [
            assembled([self.pull(basis) for basis in unit_vectors(self.outputs, out)], self.inputs, out.shape, 0)
            for out in self.outputs
        ]

    def columns(self) -> list[list[Any]]:
        """The Jacobian by forward mode: for each output, a block for each input."""
        by_input = [
            assembled([self.push(basis) for basis in unit_vectors(self.inputs, x)], self.outputs, x.shape, -1)
            for x in self.inputs
        ]
        return [[blocks[k] for blocks in by_input] for k in range(len(self.outputs))]

    def like_arguments(self, gradients: list[Any]) -> Any:
        """Gradients in the structure and the kinds of the arguments."""
        plain = [self.plain(g, kind) for g, kind in zip(gradients, self.kinds, strict=True)]
        if is_tracing():
            for x, g in zip(self.mine, plain, strict=True):
                note_unmoved(x, g)
        together = unflatten(self.structure, plain)
        return together if self.several else together[0]

    def outputs_given_back(self) -> Any:
        """What f gave, in the kind of the arguments."""
        return unflatten(self.out_structure, [self.plain(out, self.kind) for out in self.outputs])

    def plain(self, x: Any, kind: Any) -> Any:
        """A result as the kind of thing the user gave, unless something outside can be differentiated through it."""
        node = core(x)
        if isinstance(node, Traced) or recorded_outside(node, self.mine):
            return x
        if isinstance(x, Mapped):
            return on_core(x, lambda x: np.array(x.data if isinstance(x, Tensor) else x))
        if kind is Value and not getattr(x, "shape", ()):
            return x.detach() if isinstance(x, Value) else Value(float(x))
        numbers = np.asarray(x.data if isinstance(x, NODES) else x)
        if issubclass(kind, NODES):
            return from_array(np.array(numbers))
        if numbers.ndim:
            return np.array(numbers)
        return float(numbers) if kind in (float, int) else numbers[()]


def is_several(argnums: Any) -> bool:
    """Whether arguments are named one by one, and not a single one."""
    return type(argnums) is not int and isinstance(argnums, Iterable) and getattr(argnums, "ndim", 1) > 0


def pair(out: Any) -> tuple[Any, Any]:
    """The two things that a function with ``has_aux=True`` gives."""
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise GraphError(f"with has_aux=True the function gives a pair (output, aux), not {what_is(out)}")
    return out[0], out[1]


def recorded(x: Any) -> bool:
    """Whether a gradient may pass through x."""
    return isinstance(x, MOVING) and bool(x.requires_grad)


def recorded_outside(x: Any, inputs: Iterable[Any]) -> bool:
    """Whether x depends on a differentiable leaf that is none of the stand-ins."""
    if not recorded(x):
        return False
    mine = set(inputs)
    return any(
        node.requires_grad and (not node.edges if node not in mine else bool(node.edges))
        for node in graph.backward_order([x])
    )


def stand_in(x: Any) -> Any:
    """A node of its own for an argument."""
    if isinstance(x, Mapped):
        return on_core(x, stand_in)
    if isinstance(x, Traced) and x.dtype not in DIFFERENTIABLE:
        x = x.number
    if isinstance(x, OF_THEIR_OWN):
        return x.alias()
    if isinstance(x, Tensor) and x.requires_grad and not is_tracing():
        return x.clone()
    array = x.data if isinstance(x, Tensor) else x
    refuse_masked(array, "a gradient")
    if isinstance(x, bool) or not isinstance(array, ARRAYS):
        raise DtypeError(f"a gradient in {what_is(x)} does not exist: give floats, arrays, Values or Tensors")
    array = np.array(in_doubles([array])[0])
    if array.dtype not in DIFFERENTIABLE:
        raise DtypeError(
            f"only float32 and float64 can be differentiated, and this argument is {array.dtype}: give x.astype(float)"
        )
    if is_tracing():
        return leaf_from_outside(x if isinstance(x, Tensor) else array).alias()
    out = from_array(array)
    out.requires_grad = True
    return out


def inside(x: Any, part: Any) -> Any:
    """What belongs to x inside all maps that x belongs to."""
    return on_core(x, lambda _: part) if isinstance(x, Mapped) else part


def output_node(x: Any) -> Any:
    """What a function gave, as a node."""
    if isinstance(x, Traced):
        return x.step if x.requires_grad else x
    if isinstance(x, NODES):
        return x
    if isinstance(x, Mapped):
        return on_core(x, output_node)
    if not isinstance(x, PLAIN_NUMBERS):
        raise DtypeError(f"the function gave {what_is(x)}: give numbers, arrays, Values or Tensors")
    return from_array(np.asarray(x))


def fitted(given: Any, structure: Any, nodes: list[Any], what: str) -> list[Any]:
    """Cotangents or tangents, checked against the structure and the shapes of the nodes they belong to."""
    leaves, found = flatten(given)
    if found != structure:
        raise ShapeError(f"the {what}s need the structure {outline(structure)} and have {outline(found)}")
    for leaf, node in zip(leaves, nodes, strict=True):
        if getattr(leaf, "shape", ()) != node.shape:
            raise ShapeError(
                f"a {what} of shape {getattr(leaf, 'shape', ())} does not fit a value of shape {node.shape}"
            )
    return leaves


def as_kind_of(node: Any, x: Any, record: bool) -> Any:
    """A cotangent or tangent as a walk over the node needs it: a node where it records, plain numbers elsewhere."""
    if isinstance(node, Value):
        number = x if isinstance(x, Value) else Value(float(x))
        return number if record else number.data
    if isinstance(node, Mapped):
        return as_kind_of(core(node), core(filled(x, levels_of(node))), record)
    if isinstance(node, Traced):
        return x if isinstance(x, Traced) else seed(np.array(x.data if isinstance(x, Tensor) else x, node.dtype))
    if record:
        return x if isinstance(x, Tensor) else from_array(np.array(x, node.dtype))
    return np.array(x.data if isinstance(x, Tensor) else x, node.dtype)


def size(node: Any) -> int:
    """How many numbers a node holds."""
    return math.prod(node.shape)


def ones_like(node: Any) -> Any:
    return 1.0 if isinstance(node, Value) else np.ones(node.shape, node.dtype)


def zeros_like(node: Any) -> Any:
    return 0.0 if isinstance(node, Value) else np.zeros(node.shape, node.dtype)


def unit_vectors(nodes: list[Any], chosen: Any) -> Iterator[list[Any]]:
    """For each entry of the chosen node: 1 there, 0 in its others, and None for the other nodes, which stand still."""
    for i in range(size(chosen)):
        basis: list[Any] = [None] * len(nodes)
        for k, node in enumerate(nodes):
            if node is chosen and not isinstance(node, Value):
                basis[k] = zeros_like(node)
                basis[k].reshape(-1)[i] = 1.0
            elif node is chosen:
                basis[k] = 1.0
        yield basis


def assembled(swept: list[list[Any]], nodes: list[Any], swept_shape: tuple[int, ...], axis: int) -> list[Any]:
    """The results of one sweep for each entry of a shape, as one block for each node; the sweeps run along `axis`."""
    blocks: list[Any] = []
    for k, node in enumerate(nodes):
        parts = [sweep[k] for sweep in swept]
        shape = swept_shape + node.shape if axis == 0 else node.shape + swept_shape
        if any(isinstance(part, Value) for part in parts):
            blocks.append(parts[0])
        elif not parts:
            blocks.append(np.zeros(shape, getattr(node, "dtype", float)))
        elif any(map(is_node, parts)):
            blocks.append(compositions["stack"](parts, axis=axis).reshape(shape))
        else:
            blocks.append(np.stack(parts, axis=axis).reshape(shape))
    return blocks

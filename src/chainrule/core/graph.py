"""Recorded graphs: what an operation on arrays leaves behind, and the walks over a graph of any kind of node.

A node has `op`, `inputs` (an ordered tuple of nodes and plain numbers), `settings`, `data`, and `edges`: the pairs
``(i, input)`` through which a change can pass. The walks ask no more of it, so they serve Values too. Nothing here
recurses, so a chain of millions is no deeper than one.

Both modes (forward mode is in forward.py) run either on numbers, fast, or on the nodes themselves (`record=True`): then
the same rules record what they do, and the result can be differentiated again. Nodes are told apart by identity, so
perturbations cannot be confused.

This file is plain Python and runs as it is. Where a C compiler is at hand, Cython compiles the same file with the types
of ``_graph.pxd``: half of a small network's training step is spent here. Recording and the backward walk share one
file because both read a node's C fields, which only what is compiled together does at the speed of C.
"""

# The checker reads plain Python, where the types of _graph.pxd are unknown.
# pyright: reportUndefinedVariable=false, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

if TYPE_CHECKING:
    from chainrule.core import plain as cython
else:
    try:
        import cython
    except ImportError:
        from chainrule.core import plain as cython

from chainrule.core.anomaly import check_result
from chainrule.core.compiled import in_own_memory
from chainrule.core.labels import as_label, users_line
from chainrule.core.operation import as_array, book, is_large, is_node, no_numbers, takes_over
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.state import SILENCE, listeners, noise, quietly, switches
from chainrule.errors import DtypeError, GraphError, ShapeError

DIFFERENTIABLE = (np.dtype(np.float64), np.dtype(np.float32))
DOUBLE, SINGLE = DIFFERENTIABLE
NUMPY_NUMBERS = (bool, np.number, np.bool_)
ndarray = np.ndarray

MOST_REMEMBERED = 64
"""How many differentiated results are looked at when an optimizer has stepped: the latest."""

attention = 0
"""How many threads have no_grad or detect_anomaly on: only then is a thread asked which."""

now = 0
"""Counts recordings and in-place changes, so that a change after a use is noticed."""

DEEPEST_ORIGIN = 16
"""So many operations without a gradient are remembered one behind the other: a count that grows is not kept whole."""

MOST_ORIGINS = 8
"""So many results without a gradient are remembered until something recorded uses them."""

latest_change = 0
"""When the last in-place change of any node was; a graph recorded since then needs no closer look."""

tensor: Any = None
"""The class of what a recorded operation gives, a kind of `Node`; see `give`."""

new: Any = None
"""What makes an empty one."""


def set_attention(count: int) -> None:
    """Called when some thread turns no_grad or detect_anomaly on or off."""
    global attention
    attention = count


listeners.append(set_attention)


def give(kind: Any) -> None:
    """Say which class results are to have."""
    global tensor, new
    tensor, new = kind, kind.__new__


@cython.auto_pickle(False)
@cython.cclass
class Node:
    """What the engine keeps of an array: its numbers, how they came about, and what became of their gradient.

    `arrays` are the numbers of the inputs as they were, `born` and `changed` the moments of the recording and of the
    last change in place, `view_of` the node whose memory this one shares, `line` the user's line under detect_anomaly.
    `gone` tells why the graph behind a node was let go. `origin` is None; of a result that does not move but was made
    of what does, a weak reference to its `Origin`; of a recorded node that uses such results, their origins.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "_grad",
        "_keep_grad",
        "_label",
        "arrays",
        "born",
        "changed",
        "edges",
        "gone",
        "hooks",
        "inputs",
        "line",
        "op",
        "origin",
        "requires_grad",
        "settings",
        "view_of",
    )

    @property
    def data(self) -> Any:
        """The numbers themselves. Assigning counts as a change in place; writing into the array goes unnoticed."""
        return self._data

    @data.setter
    def data(self, new: Any) -> None:
        if new is not self._data:
            array = np.array(new._data if isinstance(new, Node) else as_array(new, "data"))
            if self.requires_grad:
                require_differentiable(array)
            self._data = array
        self.mark_changed()

    @property
    def grad(self) -> Any:
        """The gradient that `backward` left here, a Tensor, or None."""
        return self._grad

    @grad.setter
    def grad(self, new: Any) -> None:
        if new is not None and not isinstance(new, Node):
            raise DtypeError(f"grad is a Tensor or None, not {type(new).__name__}")
        if new is not None and new.shape != self.shape:
            raise ShapeError(f"a gradient of shape {new.shape} does not fit {self.describe()}")
        self._grad = new

    @property
    def label(self) -> Any:
        """A name for pictures, explanations and messages."""
        return self._label

    @label.setter
    def label(self, label: Any) -> None:
        self._label = as_label(label)

    @property
    def shape(self) -> Any:
        """The length along each axis."""
        return self._data.shape

    @property
    def ndim(self) -> Any:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> Any:
        """The number of entries."""
        return self._data.size

    @property
    def dtype(self) -> Any:
        """The type of the entries."""
        return self._data.dtype

    def __getitem__(self, key: Any) -> Any:
        return self._picked(key)

    def mark_changed(self) -> None:
        """Say that the numbers were changed in place: graphs that still need the old ones are stale from now on."""
        global now, latest_change
        now += 1
        self.changed = latest_change = now
        if self.origin is not None and not self.requires_grad:
            self.origin = CUT

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._grad = None

    def plain(self) -> tuple[Sequence[Any], Any]:
        """The inputs as they were, as arrays and plain numbers, and this node's array."""
        return self.arrays, self._data

    def fit(self, share: Any) -> Any:
        """A share of this node's gradient in its own dtype."""
        return fitted(self, share)

    def check_unchanged(self, edges: Any) -> None:
        """Refuse to differentiate along edges that read values which were changed in place after their use here."""
        if latest_change > self.born:
            refuse_if_stale(self, edges)


if cython.compiled:
    make_keyed(Node)  # noqa: F821  (defined in keyed.h)


def require_differentiable(array: Any) -> None:
    """Refuse a type of number that has no derivatives here."""
    if array.dtype not in DIFFERENTIABLE:
        raise DtypeError(
            f"only float32 and float64 can be differentiated, and this data is {array.dtype}: "
            "give dtype=float, or leave requires_grad off"
        )


def set_up(node: Node, array: Any) -> None:
    """A leaf over an array."""
    node._data = array
    node._grad = node.op = node.view_of = node.gone = node.origin = node.hooks = None
    node._keep_grad = node.requires_grad = False
    node.inputs = node.edges = node.arrays = ()
    node.settings = NO_SETTINGS
    node._label = node.line = ""
    node.born = node.changed = 0


def from_array(array: Any) -> Any:
    """A Tensor over an array that nobody else will write to; nothing is copied."""
    out: Node = new(tensor)
    set_up(out, array if isinstance(array, ndarray) else np.asarray(array))
    return out


def record(operation: Any, inputs: Any, settings: Any) -> Any:
    """Apply an operation of the rule book to tensors, arrays and numbers, and remember it if a gradient may pass."""
    arrays: list[Any] = []
    edges: list[Any] = []
    still: list[Any] = []
    given: list[Any] = []
    rule: Operation = operation  # noqa: F821  (its C type)
    flat = rule.flat
    made: cython.bint = False
    i: cython.Py_ssize_t = 0
    for x in inputs:
        if isinstance(x, Node):
            node: Node = x
            arrays.append(node._data)
            if node.requires_grad:
                (still if flat and i in flat else edges).append((i, x))
            else:
                made = made or node.origin is not None
        elif type(x) is float or type(x) is int:
            arrays.append(x)
        else:
            array = plain_array(x, operation, inputs)
            if array is None:
                return type(x).__apply__(operation, inputs, settings)
            arrays.append(array)
            given.append(i)
        i += 1
    if noise.get() is SILENCE:
        data = rule.fitting(arrays, inputs, settings)
    else:
        data = quietly(operation.fitting, arrays, inputs, settings)
    if type(data) is not ndarray:
        data = np.asarray(data)
    if attention and switches.anomaly:
        check_result(operation.name, arrays, data)
    if still and not edges:
        edges = still  # the result does not move with them: a backward pass finds them, and leaves gradients of 0
    if not edges or (attention and not switches.recording) or not can_differ(data):
        out: Node = from_array(data)
        if made or edges:
            out.origin = remembered(operation, inputs, arrays, settings, given)
        if attention and switches.follow is not None:
            switches.follow(out, operation, inputs, settings)
    else:
        if given:
            inputs, arrays = with_copies(inputs, arrays, given)
        out = record_result(operation, tuple(inputs), arrays, settings, data, edges)
        out.origin = origins_of(inputs) if made else None
    if data.base is not None or data is arrays[0]:
        out.view_of = shares_memory(inputs, data)
    return out


class Origin:
    """How a result without a gradient was made of what moves: masks, places and counts, for whoever runs it again.

    It lives as long as something recorded uses the result, and a little before that. `held` are the origins of its
    inputs, `depth` how many stand one behind the other.
    """

    __slots__ = ("__weakref__", "depth", "held", "inputs", "op", "settings")

    def __init__(self, op: Any, inputs: tuple[Any, ...], settings: Any, held: tuple[Origin, ...]) -> None:
        self.op = op
        self.inputs = inputs
        self.settings = settings
        self.held = held
        self.depth = 1 + max([origin.depth for origin in held], default=0)


recent: Any = deque(maxlen=MOST_ORIGINS)
"""The origins that nothing recorded uses yet, the latest last; each is let go when so many others have come."""

CUT: Any = ref(Origin(None, (), NO_SETTINGS, ()))
"""The origin, dead, of what was cut out of the graph on purpose: its numbers are those of one run."""


def remembered(operation: Any, inputs: Any, arrays: Any, settings: Any, given: Any) -> Any:
    """The origin of a result that does not move, where something that moves made it: a weak reference."""
    if attention and not switches.recording:
        return CUT
    held = origins_of(inputs)
    moves = any([isinstance(x, Node) and x.requires_grad for x in inputs])
    if not moves and not held:
        return CUT
    if given:
        inputs, arrays = with_copies(inputs, arrays, given)
    origin = Origin(operation, tuple(inputs), settings, held)
    if origin.depth > DEEPEST_ORIGIN:
        return CUT
    recent.append(origin)
    return ref(origin)


def origins_of(inputs: Any) -> Any:
    """The origins of inputs that do not move, where they are still known."""
    found: list[Any] = []
    for x in inputs:
        if isinstance(x, Node):
            node: Node = x
            if not node.requires_grad and node.origin is not None:
                origin = node.origin()
                if origin is not None:
                    found.append(origin)
    return tuple(found)


def frozen(array: Any) -> Any:
    """A Tensor of numbers that are those of one run, on purpose: a dropout mask, what was detached."""
    out: Node = from_array(array)
    out.origin = CUT
    return out


def can_differ(data: Any) -> bool:
    """Whether an array holds numbers of a kind that may move by small steps."""
    kind = data.dtype
    if kind is DOUBLE or kind is SINGLE:
        return True
    if kind.kind == "O":
        raise no_numbers(data, data, "an operation")
    return kind.kind in "fc"


def record_result(operation: Any, inputs: Any, arrays: Any, settings: Any, data: Any, edges: Any) -> Any:
    """A node for a result that is already computed."""
    global now
    kind = data.dtype
    if kind is not DOUBLE and kind is not SINGLE and kind not in DIFFERENTIABLE:
        raise DtypeError(f"{operation.name} gave {kind}; only float32 and float64 can be differentiated")
    rule: Operation = operation  # noqa: F821  (its C type)
    if rule.broadcasts:
        shape = data.shape
        for k, (i, x) in enumerate(edges):
            given: Node = x
            if given._data.shape != shape:
                repeated = record(book["broadcast_to"], (x,), {"shape": shape})
                inputs = (*inputs[:i], repeated, *inputs[i + 1 :])
                edges[k] = (i, repeated)
    for x in settings.values():
        if isinstance(x, ndarray):
            settings = {name: x.copy() if isinstance(x, ndarray) else x for name, x in settings.items()}
            break
    out: Node = from_array(data)
    out.requires_grad = True
    out.op = operation
    out.inputs = inputs
    out.arrays = arrays
    out.edges = edges
    out.settings = settings
    now += 1
    out.born = now
    if attention and switches.anomaly:
        out.line = users_line()
    return out


def with_copies(inputs: Any, arrays: Any, given: Any) -> tuple[list[Any], list[Any]]:
    """The inputs with the user's own arrays and lists copied: a later change of them must not reach the graph."""
    inputs, arrays = list(inputs), list(arrays)
    for i in given:
        if isinstance(arrays[i], ndarray):
            arrays[i] = arrays[i].copy()
            inputs[i] = from_array(arrays[i])
    return inputs, arrays


def shares_memory(inputs: Any, data: Any) -> Any:
    """The input whose memory the result lies in: a change of that one is a change of this one."""
    for x in inputs:
        if isinstance(x, Node):
            node: Node = x
            own = node._data
            if own is data or data.base is own or own.base is data.base is not None:
                return x
    return None


def plain_array(x: Any, operation: Any, inputs: Any) -> Any:
    """Anything but a Tensor or a Python number, as NumPy would take it; None of a node that takes operations over."""
    if isinstance(x, NUMPY_NUMBERS):
        return x
    if is_node(x):
        if takes_over(x):
            return None
        kinds = sorted({type(y).__name__ for y in inputs})
        raise DtypeError(f"{operation.name} cannot mix {' and '.join(kinds)}: use one kind of node")
    return as_array(x, operation.name)


def changed_since(x: Any, born: cython.longlong) -> Any:
    """The node itself, or the one whose memory it shares, if it was changed in place after a moment; else None."""
    while x is not None and isinstance(x, Node):
        node: Node = x
        if node.changed > born:
            return x
        x = node.view_of
    return None


def stale(node: Node, edges: Any) -> Any:
    """What was changed in place after its use in a node, where a derivative along the edges reads it; else None."""
    if not any([changed_since(x, node.born) is not None for x in (node, *node.inputs)]):
        return None
    rule: Operation = node.op  # noqa: F821  (its C type)
    for i, _ in edges if not is_flat(rule, edges) else ():
        reads_out, reads = rule.reads(i, len(node.inputs))
        for x in [node.inputs[k] for k in reads] + [node] * reads_out:
            changed = changed_since(x, node.born)
            if changed is not None:
                return changed
    return None


def is_flat(rule: Operation, edges: Any) -> bool:  # noqa: F821  (its C type)
    """Whether a result does not move with what these edges lead to: such edges are recorded only among themselves."""
    return bool(edges) and bool(rule.flat) and edges[0][0] in rule.flat  # a leaf has no edges, and no rule


def refuse_if_stale(node: Node, edges: Any) -> None:
    """The error where values that a derivative reads were changed in place after their use."""
    changed = stale(node, edges)
    if changed is not None:
        raise told(changed, node.op)


def told(changed: Any, operation: Any) -> GraphError:
    """The error for a node that was changed after an operation used it."""
    return GraphError(
        f"{changed.describe()} was changed in place after {operation.name} used it, and the derivative "
        f"of {operation.name} needs the value it had: change a copy, or run the forward again"
    )


def note_differentiated(root: Node) -> None:
    """Remember, weakly, that a graph was differentiated from here."""
    known = switches.differentiated
    if len(known) == MOST_REMEMBERED:
        known[:] = [reference for reference in known if reference() is not None][-MOST_REMEMBERED // 2 :]
    known.append(ref(root))


def let_go_of_stale() -> None:
    """Free the graphs that this thread has differentiated and that cannot be differentiated again.

    An optimizer calls this when it has moved its parameters: what the derivatives need is overwritten then, and a
    program that still holds the loss would hold the whole step with it.
    """
    recent.clear()
    known: list[Any] = switches.differentiated
    for reference in known:
        root: Node = reference()
        if root is None or root.gone is not None:
            continue
        seen: set[Any] = {root}
        stack: list[Any] = [root]
        while stack:
            node: Node = stack.pop()
            changed = stale(node, node.edges)
            if changed is not None:
                root.gone = changed, node.op
                root.inputs = root.edges = root.arrays = ()
                root.view_of = None
                break
            for _, x in node.edges:
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
    known.clear()


def fitted(node: Node, share: Any) -> Any:
    """A share of a node's gradient in the node's own dtype."""
    kind, own = share.dtype, node._data.dtype
    return share if kind is own or kind == own else share.astype(own)


def edges_of(node: Any) -> Any:
    """The pairs ``(i, input)`` of a node of any kind; an error where its graph was let go."""
    if isinstance(node, Node):
        known: Node = node
        if known.gone is not None:
            raise told(*known.gone)
        return known.edges
    return node.edges


def backward_order(outputs: Sequence[Any]) -> list[Any]:
    """Every node that the outputs depend on, each after all of its consumers (Kahn, 1962); O(nodes + edges).

    The scalar engine's compiled backward pass visits nodes in this same order.
    """
    waiting: dict[Any, Any] = dict.fromkeys(outputs, 0)
    reached: list[Any] = list(waiting)
    for node in reached:  # which grows meanwhile
        for _, x in edges_of(node):
            uses = waiting.get(x)
            if uses is None:
                reached.append(x)
                waiting[x] = 1
            else:
                waiting[x] = uses + 1
    order: list[Any] = []
    stack: list[Any] = [node for node in reached if not waiting[node]]
    while stack:
        node = stack.pop()
        order.append(node)
        for _, x in edges_of(node):
            uses = waiting[x]
            if uses == 1:
                stack.append(x)
            else:
                waiting[x] = uses - 1
    return order


def pullback(
    outputs: Sequence[Any],
    cotangents: Sequence[Any],
    arrived: Callable[[Any, Any], bool] | None = None,
    *,
    among: Sequence[Any] | None = None,
    record: bool = False,
) -> None:
    """Reverse mode from the outputs towards the leaves, or through the nodes `among` alone (consumers first).

    ``arrived(node, gradient)`` is called with every node's complete gradient and says whether to go on through it.
    Without it the gradients of Tensors are left in the leaves, and where else they were asked for.
    """
    gradients: dict[Any, Any] = {}
    for node, g in zip(outputs, cotangents):  # noqa: B905  (a strict zip takes as long as a small product)
        gradients[node] = gradients[node] + g if node in gradients else g
    order = backward_order(outputs) if among is None else among
    quietly(sweep, order, gradients, arrived, None if among is None else set(among), record)


def sweep(order: Any, gradients: dict[Any, Any], arrived: Any, path: Any, record: Any) -> None:
    """Hand the gradients on from node to node, consumers first.

    A gradient is `own` if nobody else holds its memory: a leaf may keep it as it is, and it may be computed in.
    """
    own: set[Any] = set()
    for node in order:
        g = gradients.pop(node, None)
        if g is None:
            if arrived is None:
                leave_nothing(node)
            continue
        edges = edges_of(node)
        if arrived is None:
            known: Node = node
            if known.hooks is not None or not edges or known._keep_grad:
                g = settled(known, g, own)
        elif not arrived(node, g):
            continue
        if path is not None:
            edges = [(i, x) for i, x in edges if x in path]
        if not edges:
            continue
        spare = len(edges) == 1 and arrived is None and not record and not attention and node in own
        found: list[Any] = shares(node, edges, g, record, spare)
        for k, (_, x) in enumerate(edges):
            share = found[k]
            if share is None:
                continue
            held = gradients.get(x)
            if held is None:
                gradients[x] = share
                if not record and (spare if share is g else getattr(share, "base", g) is None):
                    own.add(x)
            elif x in own:
                held += share
                gradients[x] = held
            else:
                gradients[x] = held + share
                if not record:
                    own.add(x)


def settled(node: Node, g: Any, own: set[Any]) -> Any:
    """A node's gradient as its hooks leave it, kept in the node if it is a leaf or was asked to."""
    if node.hooks is not None:
        g = asked(node, g)
        own.discard(node)
    if not node.edges or node._keep_grad:
        leave(node, g, node in own)
    return g


def asked(node: Node, g: Any) -> Any:
    """The gradient of a node as its hooks leave it: each gets a Tensor of its own, and may give another."""
    for (hook,) in list(node.hooks):
        found = hook(g if isinstance(g, Node) else from_array(np.array(g)))
        if found is None:
            continue
        given: Any = found if isinstance(found, Node) else from_array(np.array(found, node.dtype))
        if given.shape != node.shape:
            raise ShapeError(f"a hook gave a gradient of shape {given.shape}, which does not fit {node.describe()}")
        g = given if isinstance(g, Node) else given._data.astype(node.dtype)
    return g


def leave_nothing(node: Node) -> None:
    """Where every way from the output is flat the gradient is 0, and no derivative further up the chain is asked."""
    if node._grad is None and (not node.edges or node._keep_grad):
        node._grad = from_array(np.zeros(node.shape, node.dtype))


def leave(node: Node, g: Any, fresh: bool) -> None:
    """Keep a gradient at a node, in memory of its own; `fresh` tells that nothing else holds the gradient's."""
    held: Any = None if node.op is not None else node._grad
    if isinstance(g, Node):
        node._grad = g.clone() if held is None else held + g
    elif held is None:
        node._grad = from_array(g if fresh and node.op is None else np.array(g))
    else:
        node._grad = from_array(held._data + g)


def shares(node: Any, edges: Any, g: Any, record: bool, spare: bool) -> list[Any]:
    """What of a node's gradient passes along some of its edges: no derivative of another is run.

    With `spare` the gradient's memory is free to be computed in.
    """
    rule: Operation = node.op  # noqa: F821  (its C type)
    if is_flat(rule, edges):
        return [None] * len(edges)
    if isinstance(node, Node) and not record:
        found = in_own_memory(passed_on, node, edges, g, spare) if is_large(g) else passed_on(node, edges, g, spare)
    else:
        node.check_unchanged(edges)
        settings = node.settings
        if record:
            if rule.composition is not None:
                stand_ins, out = opened(node, edges)
                return gradients_of([out], [g], stand_ins, record=True)
            return [recast(x, rule.pull(i, g, node, node.inputs, settings)) for i, x in edges]
        inputs, out = node.plain()
        found = [x.fit(rule.pull(i, g, out, inputs, settings)) for i, x in edges]
    if attention and switches.anomaly:
        for (i, _), share in zip(edges, found, strict=True):
            node.check_share(i, g, share)
    return found


def passed_on(node: Node, edges: Any, g: Any, spare: bool) -> list[Any]:
    """The same in numbers, of an array's gradient."""
    rule: Operation = node.op  # noqa: F821  (its C type)
    if latest_change > node.born:
        refuse_if_stale(node, edges)
    if spare and rule.broadcasts:
        i, x = edges[0]
        pointwise: Pointwise = rule  # noqa: F821  (its C type)
        return [fitted(x, pointwise.pull_in_place(i, g, node._data, node.arrays, node.settings))]
    return [fitted(x, rule.pull(i, g, node._data, node.arrays, node.settings)) for i, x in edges]


def recast(node: Any, share: Any) -> Any:
    """A recorded share of a node's gradient in the node's own dtype."""
    kind = getattr(node, "dtype", None)
    if kind is None or getattr(share, "dtype", kind) == kind:
        return share
    return book["astype"](share, dtype=kind)


def opened(node: Any, edges: Any) -> tuple[list[Any], Any]:
    """A fused node's composition, run on stand-ins for the inputs of some edges: the stand-ins, and the output."""
    inputs = list(node.inputs)
    for i, x in edges:
        inputs[i] = x.alias()
    return [inputs[i] for i, _ in edges], node.op.composition(*inputs, **node.settings)


def gradients_of(
    outputs: Sequence[Any], cotangents: Sequence[Any], inputs: Sequence[Any], *, record: bool
) -> list[Any]:
    """The gradients in the given nodes alone (None where the outputs do not depend on one)."""
    found: dict[Any, Any] = {}
    wanted = set(inputs)

    def arrived(node: Any, g: Any) -> bool:
        if record and not isinstance(node, Node) and hasattr(node, "arrived"):
            g = node.arrived(g)
        if node in wanted:
            found[node] = g
        return node not in wanted

    pullback(outputs, cotangents, arrived, among=between(inputs, outputs), record=record)
    return [found.get(x) for x in inputs]


def between(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """The nodes on a path from the inputs to the outputs, consumers first."""
    order = backward_order(outputs)
    moving = set(inputs)
    for node in reversed(order):
        if any([x in moving for _, x in edges_of(node)]):
            moving.add(node)
    return [node for node in order if node in moving]

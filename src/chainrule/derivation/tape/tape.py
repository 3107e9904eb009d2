"""A recorded computation taken apart: run again in float64, differentiated step by step, every number kept.

This is where an explanation gets its numbers. A dialect reads them and computes no derivative of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value, graph
from chainrule.core.operation import Linear
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.core.walk import Edges, made_from, walk
from chainrule.custom import CustomRule
from chainrule.derivation.notation import derivative
from chainrule.derivation.tape.gates import MEANINGS, cell_of
from chainrule.derivation.tape.naming import as_made, data_of, labels_for, numbered, shaped, symbols_for
from chainrule.derivation.tape.rounding import moved_in
from chainrule.derivation.tape.standardized import letters_of_normalisations, taken_apart
from chainrule.derivation.tape.unchanged import called, check_unchanged
from chainrule.derivation.words import Words, said
from chainrule.errors import ChainruleError, DtypeError, GraphError
from chainrule.kinds import what_is
from chainrule.maths import Derivative, Number, Symbol, Tree, plain
from chainrule.maths.tree import made
from chainrule.program import Lifted, Net, NotANet, Step, lift, recognised
from chainrule.rewrite.entry_formulas import one_hot
from chainrule.rewrite.local import handed_back_in_trees, in_trees

Node = Any
"""A Value or a Tensor."""

MOST_WRITTEN = 36
"""Entries of an array without a name that is written out in a formula."""

CLOSE = 1e-9
"""How closely two ways of adding the same contributions agree, relative to the largest of them."""


class Arrival(NamedTuple):
    """A contribution to a node's gradient, in the order in which they arrive."""

    node: Node
    source: Node
    slot: int
    contribution: Any
    total: Any


def size_of(x: Any) -> float:
    """The size of a number, or of the largest in an array; what is not a number counts as the largest."""
    size = abs(x) if isinstance(x, float) else float(np.max(np.abs(x), initial=0.0))
    return size if size == size else inf  # noqa: PLR0124


def has_nan(x: Any) -> bool:
    """Whether a number is none, or one in an array; a graph of single numbers has too many for NumPy's `any`."""
    return x != x if isinstance(x, float) else bool(np.any(np.isnan(x)))  # noqa: PLR0124


def largest_of(gradients: Iterable[Any]) -> float:
    """The size of the largest finite number in some arrays; the output's gradient, 1, is one of them."""
    return max(filter(isfinite, map(size_of, gradients)), default=1.0)


class Tape:
    """The nodes between `wrt` and `output` with their numbers, gradients and symbols. O(nodes + edges).

    `order` has every node of the graph, each after its inputs, and `path` those that the output's gradient passes on
    its way to `wrt`, consumers first (all of them where `wrt` is empty). `numbers` and `gradients` hold float64 numbers
    and arrays, whatever the precision of the graph; `symbols` also has the tensors of data that the nodes use. What has
    no name gets none of `names`, and on a page with other outputs, `beside` this one, no letter stands for two things.

    Raises GraphError for an output that is not one number, for a `wrt` that the output was not computed from, and for a
    graph with a node that changed after the forward; that one is named.
    """

    def __init__(
        self, output: Node, wrt: Sequence[Node] = (), names: Collection[str] = (), beside: Sequence[Node] = ()
    ) -> None:
        require_one_number(output)
        self.output = output
        self.is_alone = not beside
        """Whether the page has no other outputs."""
        self.wrt = tuple(wrt)
        self.after_steps: dict[tuple[Node, tuple[int, ...], float], float] = {}
        """What comes out where one entry of a node is a step further, as far as somebody has looked."""
        self.order: list[Node] = graph.backward_order([output])[::-1]
        self.path: list[Node] = self._between() if self.wrt else self.order[::-1]
        self.numbers: dict[Node, Any] = {}
        self._made_from: dict[Node, set[Node]] = {}
        self.single = not isinstance(output, Value) and any(map(has_single, self.order))
        """Whether something in the computation had single precision, so that it was run again in double."""
        with Quiet():
            check_unchanged(self.order)
            self._twins: dict[Node, Node] = self._twins_in_double() if self.single else {}
            for node in self.order:
                twin = self._twins.get(node, node)
                self.numbers[node] = np.float64(twin.data) if isinstance(node, Value) else twin.data
            self.gradients, self.arrivals = self._differentiate(self.path)
            self._compare(self.wrt or [x for x in self.order if x.op is None], self.gradients, self.arrivals)
        together = graph.backward_order(list(beside))[::-1] if beside else self.order
        self.labels = labels_for(together)
        own = {*self.order, *data_of(self.order)} if beside else None
        self.symbols: dict[Node, Tree]
        self.elsewhere: set[Tree]
        """The user's names on the page for what is no part of the computation."""
        self.symbols, self.elsewhere = symbols_for(together, self.labels, names, own)
        if own is not None:
            self.elsewhere |= {symbol for x, symbol in self.symbols.items() if x not in own and id(x) in self.labels}
            self.symbols = {x: symbol for x, symbol in self.symbols.items() if x in own}
        self.numbered = {node for node in self.symbols if id(node) not in self.labels}
        """What goes by a number (v₁, c₁), since neither the user nor a book has a name for it."""
        self.marks: dict[Node, Symbol] = {}
        """Arrays with a 1 in each row that formulas of the page have in them, and their letters."""

    @cached_property
    def consumers(self) -> dict[Node, list[tuple[Node, int]]]:
        """What takes each node in, and in which slot. O(edges)."""
        found: dict[Node, list[tuple[Node, int]]] = {}
        for node in self.order:
            for slot, x in node.edges:
                found.setdefault(x, []).append((node, slot))
        return found

    @cached_property
    def gates(self) -> dict[Node, str]:
        """The gates and states of recurrent cells on the way, with what each is. O(nodes)."""
        return {x: MEANINGS[letter] for node in self.path for letter, x in cell_of(node).items()}

    @cached_property
    def lifted(self) -> Lifted:
        """The same computation as a program. O(nodes)."""
        return lift(self.output)

    @cached_property
    def taken_apart(self) -> Lifted:
        """The same with normalisations in parts, which have letters and gradients too from then on. O(nodes)."""
        lifted, gradients = taken_apart(self.lifted, self.number_of)
        self.gradients.update(gradients)
        taken = {x for x in self.symbols.values() if isinstance(x, Symbol)}
        letters: dict[Node, Tree] = {**letters_of_normalisations(gradients, taken)}
        results = numbered("v", taken)
        for x in lifted.nodes if gradients else ():
            if x not in self.symbols and x not in letters:
                letters[x] = shaped(next(results), x.shape)
        self.symbols.update(letters)
        self.numbered.update(letters)
        self.node_of.update({letter: x for x, letter in letters.items()})
        return lifted

    @cached_property
    def net(self) -> Net | NotANet:
        """The feed-forward net that it is, or why it is none. O(nodes + entries)."""
        nodes = self.lifted.nodes

        def name_of(step: Step) -> str | None:
            symbol = self.symbols.get(nodes[step.place])
            return None if symbol is None else plain(symbol)

        try:
            return recognised(self.lifted.program, name_of)
        except NotANet as reason:
            # Where it was raised is of no use, and would keep all of this alive.
            return reason.with_traceback(None)

    @cached_property
    def all_gradients(self) -> dict[Node, Any]:
        """The gradients of all nodes, of those too that `wrt` is not on the way to. O(edges)."""
        if not self.wrt:
            return self.gradients
        with Quiet():
            gradients, arrivals = self._differentiate(self.order[::-1])
            self._compare([x for x in self.order if x.op is None], gradients, arrivals)
        return gradients

    @cached_property
    def largest_gradient(self) -> float:
        """The size of the largest gradient on the way. O(entries)."""
        return largest_of(self.gradients.values())

    @cached_property
    def handed_by(self) -> dict[Node, list[tuple[int, Node, Any]]]:
        """What each node hands back along the path: slot, input and share."""
        found: dict[Node, list[tuple[int, Node, Any]]] = {}
        for x, source, slot, share, _ in self.arrivals:
            found.setdefault(source, []).append((slot, x, share))
        return found

    def inputs(self, node: Node) -> list[Any]:
        """The numbers that went into a node, in float64."""
        if isinstance(node, Value):
            return [self.numbers[x] if isinstance(x, Value) else np.float64(x) for x in node.inputs]
        numbers = [in_float64(x) for x in node.arrays]
        for i, x in node.edges:
            numbers[i] = self.numbers[x]
        return numbers

    def number_of(self, x: Node) -> Any:
        """The numbers of a node, or of data that a node uses, in float64."""
        return number_of(self.numbers, x)

    def in_double(self, node: Node) -> Node:
        """A node, or its twin that was recorded in double precision."""
        return self._twins.get(node, node)

    def slope(self, node: Node, i: int) -> Any:
        """The local derivative of a pointwise operation in its input `i`, entry by entry, as numbers."""
        if isinstance(node, Value):
            return node.local_derivatives[[slot for slot, _ in node.edges].index(i)]
        with Quiet():
            partial = node.op.partial(i, self.numbers[node], self.inputs(node), node.settings)
            return np.broadcast_to(np.asarray(partial, dtype=float), node.shape)

    def share(self, node: Node, slot: int, g: Any, inputs: Sequence[Any] = ()) -> Any:
        """What a node on which the gradient `g` arrived hands back to its input `slot`."""
        if isinstance(node, Value):
            return node.share([i for i, _ in node.edges].index(slot), g)
        twin = self.in_double(node)
        inputs = inputs or self.inputs(node)
        return np.asarray(twin.op.pull(slot, g, self.numbers[node], inputs, twin.settings), dtype=float)

    @cached_property
    def still(self) -> set[Node]:
        """What hands on nothing, whatever its derivative is: flat operations, and all that only they lead to."""
        flat = {x for x in self.order if x.op is not None and x.op.flat and graph.is_flat(x.op, x.edges)}
        if not flat:
            return flat
        moving = {self.output}
        for node in self.order[::-1]:
            if node in moving and node not in flat:
                moving.update([x for _, x in node.edges])
        return flat.union([x for x in self.order if x not in moving])

    def row(self, node: Node, slot: int, place: tuple[int, ...]) -> Any:
        """How one entry of a result moves with each entry of an input: a row of the Jacobian, in the input's shape."""
        return np.asarray(self.share(node, slot, one_hot(node.shape, place)))

    def is_constant(self, node: Node, slot: int) -> bool:
        """Whether an operation moves with an input by the same numbers whatever the data are."""
        op = node.op
        if not isinstance(op, Linear) or op.composition is not None:
            return False
        return op.flat.issuperset(op.reads(slot, len(node.inputs))[1])

    def shares(self, node: Node, edges: Edges, g: Any) -> list[Any]:
        """What of a node's gradient passes along some of its edges."""
        if isinstance(node, Value):
            if len(edges) == len(node.edges):
                return [node.share(k, g) for k in range(len(edges))]
            places = {slot: k for k, (slot, _) in enumerate(node.edges)}
            return [node.share(places[slot], g) for slot, _ in edges]
        inputs = self.inputs(node)
        return [self.share(node, slot, g, inputs) for slot, _ in edges]

    def handed_on(self, node: Node, edges: Edges, g: Any) -> list[Any]:
        """The same in the sweep from the output, where no derivative is asked of what only flat operations lead to."""
        is_still = self.still and node in self.still
        return [np.zeros(x.shape)[()] for _, x in edges] if is_still else self.shares(node, edges, g)

    def formula(self, node: Node) -> Tree:
        """How a node was computed, in the symbols of its inputs."""
        return made(node.op, self.letters(node), node.settings, tuple(node.shape))

    def slope_formula(self, node: Node, i: int) -> Tree | None:
        """The local derivative of a pointwise operation, in the symbols of its inputs; None for any other."""
        return in_trees(node.op, i, self.symbols[node], self.letters(node), node.settings)

    def contribution_formula(self, node: Node, i: int, g: Tree) -> Tree | None:
        """What an operation on arrays hands back to its input `i` of a gradient that arrives."""
        shapes = list(map(np.shape, self.inputs(node)))
        return handed_back_in_trees(node.op, i, g, self.symbols[node], self.letters(node), shapes, node.settings)

    def letters(self, node: Node, names: Mapping[Node, Tree] | None = None) -> list[Any]:
        """The symbols of a node's inputs; numbers stay numbers, and a large array without a name is only mentioned."""
        names = self.symbols if names is None else names
        return [names[x] if isinstance(x, Value | Tensor) and x in names else constant(x) for x in node.inputs]

    def gradient(self, node: Node) -> Derivative:
        return derivative(self.symbols[self.output], self.symbols[node])

    def local(self, node: Node, slot: int, names: Mapping[Node, Tree] | None = None) -> Derivative:
        """The symbol of a local derivative, told from the whole one where there are other ways through the inputs.

        Below it stands what is held as it is: the other inputs that move with this one, or the place of the slot where
        an operation takes the same thing in twice.
        """
        names = self.symbols if names is None else names
        x = dict(node.edges)[slot]
        # Two inputs may go by one name: the same entries in two shapes.
        if len([i for i, other in node.edges if names[other] == names[x]]) > 1:
            return derivative(names[node], names[x], Number(str(slot + 1)))
        bearer = x
        while bearer.op is not None and len(bearer.edges) == 1 and names.get(bearer.inputs[0]) == names[x]:
            bearer = bearer.inputs[0]
        held = [names[i] for _, i in node.edges if i is not x and self.depends_on(i, bearer)]
        return derivative(names[node], names[x], *held)

    def depends_on(self, node: Node, x: Node) -> bool:
        if x not in self._made_from:
            self._made_from[x] = made_from(self.order, [x])
        return node in self._made_from[x]

    @cached_property
    def bent(self) -> Node | None:
        """A node whose backward pass, the user's own, is not linear in what arrives: no factor gives it."""
        for node in self.path:
            g = self.gradients.get(node)
            if g is None or not isinstance(node.op, CustomRule):
                continue
            for slot, _ in node.edges:
                once, twice = (np.asarray(self.share(node, slot, times * g)) for times in (1.0, 2.0))
                if not np.allclose(2.0 * once, twice, rtol=1e-6, atol=0.0, equal_nan=True):
                    return node
        return None

    def why_no_factors(self) -> Words:
        """Why the gradient is no product of local derivatives; empty where it is one."""
        if self.bent is None:
            return ""
        words = " has a backward pass of its own that does not double when what arrives doubles, so it is no factor"
        return said(self.symbols[self.bent], f" (by {self.bent.op.name})", words)

    def own_name(self, node: Node) -> Tree | None:
        """What the user, or a book, calls a node or data that a node uses; None for what goes by a number or is one."""
        symbol = self.symbols.get(node)
        return None if node in self.numbered or isinstance(symbol, Number) else symbol

    def name_anew(self, names: Mapping[Node, Tree]) -> None:
        """Give some nodes names, by which what was made of them is written too. O(nodes)."""
        self.symbols.update(names)
        self.numbered.difference_update(names)
        for x in data_of(self.order) if names else ():
            if not isinstance(self.symbols[x], Symbol) and (written := as_made(x, self.symbols)) is not None:
                self.symbols[x] = written
        self.__dict__.pop("node_of", None)
        self.__dict__.pop("labelled", None)

    @cached_property
    def labelled(self) -> set[Tree]:
        """The symbols of what the user, or the model, has given a name. O(nodes)."""
        return {symbol for node, symbol in self.symbols.items() if id(node) in self.labels}

    @cached_property
    def node_of(self) -> dict[Tree, Node]:
        """The node, or the data that a node uses, of each symbol."""
        return {symbol: node for node, symbol in self.symbols.items()}

    @cached_property
    def environment(self) -> Any:
        """What every symbol, and every gradient of the output, stands for."""
        return Environment(self)

    @cached_property
    def undefined(self) -> dict[Tree, Any]:
        """The gradients of an output that is not finite: what has no value has no slope, whatever its formula gives."""
        if np.isfinite(self.numbers[self.output]):
            return {}
        passed = {node: g for node, g in self.gradients.items() if node is not self.output}
        return {self.gradient(node): np.full(np.shape(g), np.nan) for node, g in passed.items()}

    def _between(self) -> list[Node]:
        """The nodes that depend on `wrt`, consumers first."""
        inside = set(self.order)
        for x in self.wrt:
            if x not in inside:
                raise GraphError(not_in_graph(x, called([x])[0]))
        moving = made_from(self.order, self.wrt)
        return [node for node in reversed(self.order) if node in moving]

    def _twins_in_double(self) -> dict[Node, Node]:
        """Each tensor's twin in double precision: the same operations recorded again."""
        twins: dict[Node, Node] = {}
        for node in self.order:
            if node.op is None:
                twins[node] = Tensor(node.data, dtype=np.float64, requires_grad=True)
                continue
            inputs = [in_float64(x) for x in node.arrays]
            for i, x in node.edges:
                inputs[i] = twins[x]
            operation = copy.copy(node.op) if isinstance(node.op, CustomRule) else node.op
            twins[node] = operation(*inputs, **without_casts(node))
        return twins

    def _differentiate(self, path: Sequence[Node]) -> tuple[dict[Node, Any], list[Arrival]]:
        """The gradients of some nodes, consumers first, and the log of arrivals, by the book's own derivatives."""
        arrivals: list[Arrival] = []
        gradients = walk(
            path,
            {self.output: np.float64(1.0)},
            self.handed_on,
            among=set(path),
            arrived=lambda source, slot, x, _, share, total: arrivals.append(Arrival(x, source, slot, share, total)),
        )
        return gradients, arrivals

    def _compare(self, asked: Sequence[Node], gradients: dict[Node, Any], arrivals: Sequence[Arrival]) -> None:
        """The engine's own backward pass must give the same."""
        sizes: dict[Node, float] = dict.fromkeys(asked, 0.0)
        for x, _, _, share, _ in arrivals:
            if x in sizes:
                size = size_of(share)
                # An entry that is not finite says nothing of the rounding of the others.
                sizes[x] = max(sizes[x], size if isfinite(size) else size_of(np.asarray(share)[np.isfinite(share)]))
        for x, theirs in zip(asked, self._engine(asked), strict=True):
            ours = gradients[x]
            theirs = 0.0 if theirs is None else theirs
            if np.allclose(ours, theirs, rtol=CLOSE, atol=CLOSE * sizes[x], equal_nan=True):
                continue
            apart = np.max(np.nan_to_num(np.abs(ours - theirs), nan=inf))
            if not apart <= moved_in(self.lifted, x):
                raise ChainruleError(
                    f"internal error, please report it: the explanation's gradient in {called([x])[0]} is {ours!r} "
                    f"and the engine's {theirs!r}"
                )

    def _engine(self, asked: Sequence[Node]) -> list[Any]:
        """The gradients that the engine gives, with nothing left behind on the user's nodes."""
        if isinstance(self.output, Value):
            before = [node.grad for node in self.order]
            try:
                for node in self.order:
                    node.grad = 0.0
                self.output.backward()
                return [x.grad for x in asked]
            finally:
                for node, grad in zip(self.order, before, strict=True):
                    node.grad = grad
        twins = [self.in_double(x) for x in asked]
        output = self.in_double(self.output)
        one = np.ones_like(output.data)
        if len(twins) > 1:
            return graph.gradients_of([output], [one], twins, record=False)
        return [graph.gradients_of([output], [one], [x], record=False)[0] for x in twins]


def number_of(numbers: Mapping[Node, Any], x: Node) -> Any:
    return numbers[x] if x in numbers else in_float64(x.data)


class Environment(Mapping[Tree, Any]):
    """What the symbols and gradients of a tape stand for, each looked up when it is asked for."""

    def __init__(self, tape: Tape) -> None:
        self._symbol = tape.symbols[tape.output]
        self._node_of = tape.node_of
        # The tape itself would go round, and 100,000 nodes would wait for the collector.
        self._numbers = tape.numbers
        self._gradients = tape.gradients
        self._undefined = tape.undefined

    def __getitem__(self, key: Tree) -> Any:
        if key in self._undefined:
            return self._undefined[key]
        if isinstance(key, Derivative) and not key.held and key.above == self._symbol:
            return self._gradients[self._node_of[key.below]]
        if isinstance(key, Symbol):
            return number_of(self._numbers, self._node_of[key])
        raise KeyError(key)

    def __iter__(self) -> Iterator[Tree]:
        for symbol, node in self._node_of.items():
            if isinstance(symbol, Symbol):
                yield symbol
            if node in self._gradients:
                yield derivative(self._symbol, symbol)

    def __len__(self) -> int:
        return len(list(iter(self)))


def where_defined(slope: Any, above: Any) -> Any:
    """A slope as it is shown of what it is the slope of: what has no value has none, whatever its formula gives."""
    if slope is None or np.ndim(above) or np.isfinite(above):
        return slope
    return np.full(np.shape(slope), np.nan)[()]


def constant(x: Any) -> Any:
    """A plain number or a small array as it is; of a larger one the shape alone."""
    return x if np.size(x) <= MOST_WRITTEN and np.ndim(x) <= 2 else Symbol("⋯", shape=np.shape(x))


def require_one_number(output: Any) -> None:
    """Refuse what no explanation starts from."""
    if not isinstance(output, Value | Tensor):
        raise DtypeError(
            f"an explanation starts from a Value or a Tensor, and this is {what_is(output)}: give the result "
            "of a computation with cr.Value or cr.Tensor(…, requires_grad=True)"
        )
    if np.shape(output.data) != ():
        raise GraphError(f"an explanation starts from one number, and this has shape {output.shape}: sum it first")
    if not output.requires_grad:
        raise GraphError(
            f"{output.describe()} remembers no computation: nothing it was made from has requires_grad=True, or it was "
            "computed under no_grad"
        )


def not_in_graph(x: Any, name: str) -> str:
    """Why a node cannot be differentiated in."""
    if isinstance(x, Tensor) and not x.requires_grad:
        return (
            f"no gradient is recorded for {name}: it is data, without requires_grad. Set requires_grad=True on it, run "
            "the forward again and explain its result"
        )
    return (
        f"the output was not computed from {name}: it was not used, or it is another node than the one that was (made "
        "before the forward ran again, or detached)"
    )


def has_single(node: Tensor) -> bool:
    """Whether a node, or data that it takes in, has single precision."""
    return node.dtype == np.float32 or any([x.dtype == np.float32 for x in node.arrays if isinstance(x, np.ndarray)])


def in_float64(x: Any) -> Any:
    """A number or array in double precision; truth values and whole numbers stay as they are."""
    if isinstance(x, Tensor):
        x = x.data
    array = np.asarray(x)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def without_casts(node: Node) -> dict[str, Any]:
    """The settings of a node, where a change of type keeps double precision."""
    return {"dtype": np.dtype(np.float64)} if node.op.name == "astype" else node.settings

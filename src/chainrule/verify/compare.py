"""Gradients side by side: a hand-written one with the engine's, and a model or a graph with PyTorch."""

# What a user's models hold and what PyTorch gives is not known before they have run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from chainrule.core import graph
from chainrule.core.labels import find_labels
from chainrule.core.operation import is_node
from chainrule.core.tensor import Tensor
from chainrule.errors import GraphError
from chainrule.nn.module import Module
from chainrule.program import Step, lift
from chainrule.table import Table
from chainrule.transforms import ones_like
from chainrule.verify.differing import TELLING, differing, neat
from chainrule.verify.moved import UNITS
from chainrule.verify.pytorch import is_torch
from chainrule.verify.report import Result
from chainrule.verify.subject import array_of

MUCH = 1e-3
"""Of its own size, by which an entry may be off without a word."""
DOUBLE, SINGLE = 1e-9, 2e-4
"""What two ways to one gradient may differ by in rounding, relative to the largest entry, in float64 and in float32."""
AGAIN, FAR = 4, 30.0
"""So many runs show how gradients are rounded, and one that is off by so many times what they show is wrong."""
NOTHING = 1e-14
"""Where nothing is known of how a gradient came about, what is smaller than this may be the rounding of 0."""
MOST_WAYS = 300
"""Nodes on the way to the loss through which a way may be missing."""
MOST_PAIRS = 12
"""Of so many different ways, pairs that are missing together are looked for too."""
MOST_ROWS = 6
PASSING = ("equal", "rounding", "shape", "convention")


@dataclass(frozen=True)
class Row:
    """One number or array beside the other: how far they differ, relative to the largest entry, and what that is."""

    name: str
    shape: tuple[int, ...]
    off: float
    verdict: str
    """``equal``, ``rounding``, ``shape`` or ``convention``, which are no mistakes; ``differs``; ``missing``."""
    says: str = ""
    mistake: str = ""
    factor: float | None = None
    gap: float = np.inf
    """How far they differ in themselves."""


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """The result of `compare`: true where nothing differs but by rounding or convention; printed as a short table."""

    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return all(row.verdict in PASSING for row in self.rows)

    def __repr__(self) -> str:
        if len(self.rows) == 1 and not self.notes:
            row = self.rows[0]
            return f"{self.title}: {row.says or row.verdict}"
        worst = next((row.verdict for row in self.rows if row.verdict not in PASSING), "")
        columns = ("what", "shape", "off by", "verdict")
        cells = tuple([(row.name, str(row.shape), f"{row.off:.1e}", row.verdict) for row in self.rows[:MOST_ROWS]])
        lines = [f"{self.title}: {'they differ' if worst else 'they agree'}", repr(Table(columns, cells))]
        more = len(self.rows) - MOST_ROWS
        lines += [f"and {more} more, none worse"] if more > 0 else []
        lines += [f"{row.name}: {row.says}" for row in self.rows[:2] if row.says]
        return "\n".join([*lines, *self.notes[:2]])


def compare(
    mine: Any,
    *others: Any,
    of: Any = None,
    loss: Callable[..., Any] | None = None,
    torch_loss: Callable[..., Any] | None = None,
) -> Comparison:
    """Gradients side by side, the largest difference first; what is a convention is named and not called an error.

    ``compare(mine, node)`` judges a gradient written by hand against the one that `backward` left in a node: equal up
    to rounding, another shape, transposed, off by a factor. With `of`, the loss, it is also compared with what remains
    when one way from the node to the loss is left out: "the way through var is missing".

    ``compare(graph)`` runs a recorded loss again in PyTorch, and ``compare(model, x, y, loss=…)`` what a model and a
    loss record: the outputs, and the gradient of every leaf. ``compare(model, theirs, x, y, loss=…, torch_loss=…)``
    takes a model of PyTorch's; parameters are matched by their names. These need PyTorch (`MissingExtra` otherwise).

    >>> import chainrule as cr, numpy as np
    >>> x = cr.Tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> cr.compare(2 * x.data, x)
    the gradient in x: equal
    >>> cr.compare(x.data.T, x)
    the gradient in x: it is transposed and off by the factor 1/2
    """
    if isinstance(mine, Module):
        if others and is_torch(others[0], ()):
            return with_model(mine, others[0], others[1:], loss, torch_loss)
        return with_pytorch(recorded(mine, others, loss), type(mine).__name__)
    if is_node(mine) and not others:
        return with_pytorch(mine, "the graph")
    if len(others) != 1:
        raise GraphError("compare takes a gradient and a node, a recorded loss, or a model with its inputs")
    return by_hand(mine, others[0], of)


# By hand


def by_hand(mine: Any, node: Any, of: Any) -> Comparison:
    """A gradient that somebody wrote beside the engine's."""
    name = find_labels([node]).get(id(node), "") if is_node(node) else ""
    right = gradient_in(node, of)
    row = row_by_hand(name, numbers(mine), right, node, of)
    return Comparison(f"the gradient in {name}" if name else "the gradient", (row,))


def row_by_hand(name: str, given: Any, right: Any, node: Any, of: Any) -> Row:
    """How a gradient that somebody wrote differs from the right one."""
    near = SINGLE if np.float32 in (given.dtype, right.dtype) else DOUBLE
    what = differing(given, right, near)
    if what is not None and given.shape == right.shape and is_rounding(given, right, node, of):
        unsure = "" if is_node(of) else "; give of=loss to be sure"
        says = f"both are 0 but for rounding ({largest(given - right):.1e}){unsure}"
        return Row(name, right.shape, 0.0, "rounding", says)
    off = off_by(given, right)
    if what is None and off == 0:
        return Row(name, right.shape, off, "equal", "equal")
    if what is None:
        says = f"equal up to rounding ({off:.1e} of the largest entry){small_entry(given, right)}"
        return Row(name, right.shape, off, "rounding", says)
    if what.name == "shape":
        return Row(name, right.shape, 0.0, "differs" if "reshape" in what.says else "shape", what.says)
    says, mistake = what.says, what.name
    if what.name == "unclassified" or (of is not None and right.size < TELLING):
        both = turned_and_scaled(given, right, near)
        way = missing_way(given, right, node, of, near) if of is not None and is_node(of) else ""
        if way:
            says, mistake = way, "missing-path"
        elif both:
            says, mistake = both, "transposed"
        elif of is None:
            says = f"{says}; give of=loss, and the ways from it to the loss are looked at"
    elif what.factor is not None:
        says += length_of_factor(what.factor, right.shape)
    return Row(name, right.shape, off, "differs", says, mistake, what.factor)


def largest(x: Any) -> float:
    """The size of the largest entry; 0 of none."""
    return float(np.abs(x).max(initial=0.0))


def off_by(mine: Any, right: Any) -> float:
    """How far two arrays differ at most, relative to the largest entry; infinity for two shapes."""
    return largest(mine - right) / (largest(right) or 1.0) if mine.shape == right.shape else np.inf


def is_rounding(mine: Any, right: Any, node: Any, of: Any) -> bool:
    """Whether two gradients differ by what rounding on the way leaves of terms that cancel."""
    off = largest(mine - right)
    if is_node(of) and is_node(node):
        return off <= rounding_in(of, [node]).get(node, 0.0)
    return off <= NOTHING and max(largest(mine), largest(right)) <= NOTHING


def rounding_in(output: Any, wanted: Sequence[Any]) -> dict[Any, float]:
    """What rounding leaves in the gradients of a recorded graph: they are taken again at inputs one digit away."""
    lifted = lift(output)
    wanted = [x for x in wanted if x in lifted.step]
    rng = np.random.default_rng(0)
    found: list[list[Any]] = []
    for _ in range(AGAIN):
        nodes: dict[Step, Any] = {}
        for step, x in zip(lifted.program.steps, lifted.numbers, strict=True):
            if step.op is None:
                share = np.finfo(step.dtype).eps if step.dtype.kind == "f" else 0.0
                near = np.asarray(x) * (1 + share * rng.choice([-1.0, 1.0], step.shape))
                nodes[step] = Tensor(near.astype(step.dtype), requires_grad=bool(share))
            else:
                given, settings = step.given(nodes.__getitem__)
                nodes[step] = step.op(*given, **settings)
        found.append(gradients(nodes[lifted.program.output], [nodes[lifted.step[x]] for x in wanted]))
    spread: dict[Any, float] = {}
    for x, *several in zip(wanted, *found, strict=True):
        if all(g is not None for g in several):
            spread[x] = FAR * max(largest(g - h) for g, h in combinations(several, 2))
    return spread


def gradients(output: Any, wanted: Sequence[Any]) -> list[Any]:
    """The gradients of a recorded graph in some of its nodes; None where one is not on the way."""
    return graph.gradients_of([output], [ones_like(output)], wanted, record=False)


def small_entry(given: Any, right: Any) -> str:
    """What is said of an entry that is off by much of its own size, though by little of the largest one's.

    What the rounding of numbers as large as the largest may leave says nothing.
    """
    off, own = np.abs(given - right), np.abs(right)
    telling = off > UNITS * np.finfo(off.dtype).eps * own.max(initial=0.0)
    share = np.where(telling, off / np.where(own > 0, own, off + 1.0), 0.0)
    if not off.ndim or not (share > MUCH).any():
        return ""
    at = np.unravel_index(np.argmax(share), share.shape)
    return f"; [{', '.join(map(str, at))}] is {given[at]:.6g} for {right[at]:.6g}"


def gradient_in(node: Any, of: Any) -> Any:
    """The right gradient: what `backward` left in a node, or that of a loss in it."""
    if is_node(node) and is_node(of):
        (found,) = gradients(of, [node])
        return np.zeros(getattr(node, "shape", ())) if found is None else numbers(found)
    if not is_node(node) and not hasattr(node, "grad"):
        return numbers(node)
    if node.grad is None:
        raise GraphError("no gradient has arrived at this node yet: call backward() on the loss, or give of=loss")
    return numbers(node.grad)


def numbers(x: Any) -> Any:
    """An array of numbers, whatever holds them."""
    array = array_of(x)
    return array if array.dtype == np.float32 else array.astype(float)


def turned_and_scaled(mine: Any, right: Any, near: float) -> str:
    if mine.ndim != 2 or mine.T.shape != right.shape:
        return ""
    what = differing(mine.T, right, near)
    return f"it is transposed and {what.says.removeprefix('it is ')}" if what and what.factor is not None else ""


def length_of_factor(factor: float, shape: tuple[int, ...]) -> str:
    """Where a factor may come from: the length of an axis."""
    for axis, size in enumerate(shape):
        if size > 2 and (abs(factor - size) < 1e-6 * size or abs(factor * size - 1) < 1e-6):
            return f", and {size} is the length of axis {axis}: an average too many or too few"
    return ""


def missing_way(mine: Any, right: Any, node: Any, of: Any, near: float) -> str:
    """Which way from a node to a loss is left out, or is the only one that is there; nothing where none fits."""
    ways = ways_between(node, of)
    if not ways:
        return ""
    size = largest(right) or 1.0

    def fits(x: Any) -> bool:
        return largest(mine - x) <= near * size

    for name, share in ways:
        if fits(right - share):
            return f"the way through {name} is missing"
    for name, share in ways:
        if fits(share):
            return f"only the way through {name} is there"
    if len(ways) <= MOST_PAIRS:
        for (first, x), (second, y) in combinations(ways, 2):
            if fits(right - x - y):
                return f"the ways through {first} and {second} are missing"
    return ""


def ways_between(node: Any, of: Any) -> list[tuple[str, Any]]:
    """What of a gradient comes through each node on the way to a loss; of equal ones, the one with a name."""
    between = graph.between([node], [of])
    inner = [x for x in between if x is not node and x is not of][:MOST_WAYS]
    labels = find_labels(inner)
    arrived: dict[int, Any] = {}

    def note(x: Any, g: Any) -> bool:
        arrived[id(x)] = g
        return True

    graph.pullback([of], [ones_like(of)], note, among=between)
    whole = np.asarray(arrived[id(node)], float)
    found: list[tuple[bool, str, Any]] = []
    for x in inner:
        (share,) = graph.gradients_of([x], [arrived[id(x)]], [node], record=False)
        if share is None:
            continue
        share = np.asarray(share, float)
        if np.allclose(share, whole, rtol=1e-12, atol=0):
            continue  # every way goes through it
        named = id(x) in labels
        name = labels.get(id(x), x.op.name if x.op is not None else "")
        same = next((k for k, (_, _, other) in enumerate(found) if np.allclose(other, share, rtol=1e-12, atol=0)), None)
        if same is None:
            found.append((named, name, share))
        elif named:  # the one nearest to the node, which comes last
            found[same] = (named, name, share)
    return [(name, share) for _, name, share in found]


# With PyTorch


def recorded(model: Module, inputs: Sequence[Any], loss: Callable[..., Any] | None) -> Any:
    """What a model, and a loss of its result and the last input, record."""
    given, target = parted(inputs, loss)
    out = model(*[x if is_node(x) or np.asarray(x).dtype.kind != "f" else Tensor(x) for x in given])
    return loss(out, *target) if loss is not None else out


def parted(inputs: Sequence[Any], loss: Callable[..., Any] | None) -> tuple[Sequence[Any], Sequence[Any]]:
    """The inputs of a model, and the target behind them, if there is a loss that takes one."""
    return (inputs, ()) if loss is None else (inputs[:-1], inputs[-1:])


def with_pytorch(output: Any, title: str) -> Comparison:
    """A recorded graph beside the same run by PyTorch: its output, and the gradient in every leaf."""
    from chainrule.torch.library import pytorch
    from chainrule.torch.operations import replayed

    torch = pytorch()
    nodes = graph.backward_order([output])
    theirs = replayed([output])
    leaves = [x for x in nodes if x.op is None and x.requires_grad]
    if not theirs[output].requires_grad:
        raise GraphError("nothing in this graph requires a gradient")
    theirs[output].backward(torch.ones_like(theirs[output]))
    labels = find_labels(leaves)
    single = any(getattr(x, "dtype", None) == np.float32 for x in nodes)
    names = [labels.get(id(leaf), "") or leaf.label or f"leaf {k}" for k, leaf in enumerate(leaves)]
    rows = [row_of("the output", output.data, theirs[output], single)]
    for name, leaf, g in zip(names, leaves, gradients(output, leaves), strict=True):
        rows.append(gradient_row(name, leaf, g, theirs[leaf].grad, single))
    rows = but_for_rounding(rows, output, dict(zip(names, leaves, strict=True)))
    return Comparison(f"{title} and PyTorch", in_order(rows), culprit(nodes, theirs, single) if wrong(rows) else ())


def but_for_rounding(rows: Sequence[Row], output: Any, owner: Mapping[str, Any]) -> list[Row]:
    """The rows, where what differs may be no more than rounding: of a gradient that is 0, its digits mean nothing."""
    if not any(row.verdict == "differs" and row.name in owner for row in rows):
        return list(rows)
    allowed = rounding_in(output, list(owner.values()))
    return [
        Row(row.name, row.shape, row.off, "rounding", "0 but for rounding")
        if row.verdict == "differs" and row.gap <= allowed.get(owner.get(row.name), 0.0)
        else row
        for row in rows
    ]


def wrong(rows: Sequence[Row]) -> bool:
    """Whether anything differs by more than rounding."""
    return any(row.verdict not in PASSING for row in rows)


def culprit(nodes: Sequence[Any], theirs: Mapping[Any, Any], single: bool) -> tuple[str, ...]:
    """The first operation whose value differs though its inputs agree."""
    for node in reversed(nodes):
        if node.op is not None and wrong([row_of("", node.data, theirs[node], single)]):
            return (f"the first value that differs is that of {node.op.name}",)
    return ("every value agrees, so a derivative differs: cr.check_gradients says which operation's",)


def row_of(name: str, mine: Any, right: Any, single: bool) -> Row:
    """One array beside PyTorch's."""
    mine, right = np.asarray(numbers(mine), float), np.asarray(numbers(right), float)
    near = SINGLE if single else DOUBLE
    off, what = off_by(mine, right), differing(mine, right, near)
    if not off > near or what is None:
        return Row(name, mine.shape, off, "equal" if off == 0 else "rounding")
    if mine.shape != right.shape:
        return Row(name, mine.shape, off, "differs", what.says)
    return Row(name, mine.shape, off, "differs", what.says, what.name, what.factor, largest(mine - right))


def gradient_row(name: str, owned: Any, mine: Any, right: Any, single: bool) -> Row:
    """The gradient in a leaf beside PyTorch's; where there is none, it is 0."""
    zeros = np.zeros(np.shape(owned.data))
    return row_of(name, zeros if mine is None else mine, zeros if right is None else right, single)


def in_order(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The largest difference first."""
    return tuple(sorted(rows, key=lambda row: (row.verdict in PASSING, -row.off)))


def with_model(
    ours: Module,
    theirs: Any,
    inputs: Sequence[Any],
    loss: Callable[..., Any] | None,
    torch_loss: Callable[..., Any] | None,
) -> Comparison:
    """A model beside one of PyTorch's: outputs, loss, and the gradient of every parameter by its name."""
    from chainrule.torch.library import pytorch

    torch = pytorch()
    if not inputs or (loss is None) != (torch_loss is None):
        raise GraphError("give the inputs of both models, and loss= and torch_loss= or neither")
    given, target = parted(inputs, loss)
    mine: Any = ours(*[array_of(x) for x in given])
    kind = next(iter([p.dtype for p in theirs.parameters()]), torch.float64)
    right = theirs(*[as_tensor(torch, x, kind) for x in given])
    single = any(p.dtype == np.float32 for p in ours.parameters()) or kind == torch.float32
    rows = [row_of("the output", mine, right, single)]
    if loss is not None and torch_loss is not None:
        mine, right = loss(mine, *target), torch_loss(right, *[as_tensor(torch, x, kind) for x in target])
        rows.append(row_of("the loss", mine, right, single))
    named, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    grads = torch.autograd.grad(right, list(other.values()), torch.ones_like(right), allow_unused=True)
    by_name = dict(zip(other, grads, strict=True))
    for (name, owned), g in zip(named.items(), gradients(mine, list(named.values())), strict=True):
        rows.append(
            gradient_row(name, owned, g, by_name[name], single)
            if name in other
            else Row(name, owned.shape, np.inf, "missing", "PyTorch's model has no parameter of this name")
        )
    only_there = [(name, tuple(p.shape)) for name, p in other.items() if name not in named]
    rows += [Row(name, shape, np.inf, "missing", "ours has no parameter of this name") for name, shape in only_there]
    rows = but_for_rounding(rows, mine, named)
    rows, notes = conventions(rows, list(differences_between(named, ours, theirs)), single)
    return Comparison(f"{type(ours).__name__} and PyTorch's {type(theirs).__name__}", in_order(rows), tuple(notes))


def as_tensor(torch: Any, x: Any, kind: Any) -> Any:
    """An input as a tensor: real numbers in the model's type, others as they are."""
    tensor = torch.as_tensor(np.array(array_of(x)))
    return tensor.to(kind) if tensor.is_floating_point() else tensor


def differences_between(named: Mapping[str, Any], ours: Module, theirs: Any) -> Iterator[str]:
    """What differs before anything runs: the numbers in the parameters, their layout, an epsilon."""
    other = dict(theirs.named_parameters())
    for name, owned in named.items():
        if name in other:
            right = numbers(other[name])
            if right.shape != owned.shape and right.T.shape == owned.shape:
                yield f"{name} is laid out as {owned.shape} here and as {right.shape} there: transpose it to compare"
            elif right.shape == owned.shape and not np.allclose(right, owned.data, rtol=1e-6):
                yield f"{name} holds other numbers here and there: load one state_dict into the other first"
                break
    parts = dict(theirs.named_modules())
    for name, part in ours.named_modules():
        eps, other_eps = getattr(part, "eps", None), getattr(parts.get(name), "eps", None)
        if eps is not None and other_eps is not None and eps != other_eps:
            yield f"convention: epsilon of {name} is {eps:g} here and {other_eps:g} there"


def conventions(rows: list[Row], notes: list[str], single: bool) -> tuple[list[Row], list[str]]:
    """Differences that are conventions: one factor in the loss and every gradient, an epsilon of another size."""
    if single:
        notes = [*notes, "convention: float32; differences below 2e-4 of the largest entry are its rounding"]
    different = [row for row in rows if row.verdict == "differs"]
    factors = {None if row.factor is None else float(f"{row.factor:.8g}") for row in different}
    one = factors.pop() if len(factors) == 1 else None
    outputs_agree = rows[0].verdict in PASSING
    if one is not None and outputs_agree and len(different) >= len(rows) - 2 and len(different) > 1:
        told = f"convention: the loss is {neat(one)} times PyTorch's, and so is every gradient (sum or mean, over what)"
        return [as_convention(row) for row in rows], [told, *notes]
    if different and any("epsilon" in note for note in notes) and max(row.off for row in different) < 1e-2:
        return [as_convention(row) for row in rows], notes
    return rows, notes


def as_convention(row: Row) -> Row:
    different = row.verdict == "differs"
    return replace(row, verdict="convention", mistake="", factor=None) if different else row

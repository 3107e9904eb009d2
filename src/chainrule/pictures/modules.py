"""Which module each step of a graph belongs to: told by the modules while they run, or by the names of parameters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.core.tensor import Tensor
from chainrule.core.walk import finished_first
from chainrule.pictures.live import Live
from chainrule.program import Step

Path = tuple[str, ...]
"""The modules that something is in, from the outermost."""

OWNER = re.compile(r"(?<=[^.\[\]])(?=\.)|(?<=\])(?=\.)")
"""Where the name of a module ends in that of its parameter: before each dot."""


@dataclass
class Calls:
    """What ran in which module, as it was seen: by node, the path of the module."""

    names: dict[str, str] = field(default_factory=dict[str, str])
    """What each module is, by its path: ``Linear(4 -> 16)``."""
    owner: dict[Any, Path] = field(default_factory=dict[Any, Path])
    labels: dict[int, str] = field(default_factory=dict[int, str])
    """What its parameters are called where nobody has a name for them, by their ids."""


@contextmanager
def watched(net: Any, name: str) -> Generator[Calls]:
    """See which nodes each module of a network makes, while it runs in the block."""
    calls = Calls()
    own = {*net.parameters(), *net.buffers()} if hasattr(net, "buffers") else set(net.parameters())
    calls.labels = {id(part): "".join([name, *steps_of(path)]) for path, part in net.named_parameters()}
    handles: list[Any] = []
    for path, module in net.named_modules():
        steps = steps_of(path)
        whole = tuple(["".join([name, *steps[:n]]) for n in range(1, len(steps) + 1)])

        def ran(module: Any, inputs: Any, out: Any, whole: Path = whole) -> None:
            for node in made(nodes_in(out), nodes_in(inputs)):
                deeper = len(whole) > len(calls.owner.get(node, ()))
                if deeper and (node.op is not None or node in own):
                    calls.owner[node] = whole

        if whole:
            calls.names[whole[-1]] = described(module)
            handles.append(module.register_forward_hook(ran))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def steps_of(path: str) -> list[str]:
    """The parts of a path as a program writes them: ``[0]`` or ``.head``."""
    return [f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".") if part]


def described(module: Any) -> str:
    """A module in a few words, as it prints itself, if that is one line."""
    text = repr(module)
    return text if "\n" not in text and len(text) <= 40 else type(module).__name__


def nodes_in(x: Any) -> list[Any]:
    """The nodes in what a module takes or gives."""
    if isinstance(x, Value | Tensor):
        return [x]
    held: Any = list(cast("Mapping[Any, Any]", x).values()) if isinstance(x, Mapping) else x
    parts = cast("list[Any]", held) if isinstance(held, list | tuple) else []
    return [node for part in parts for node in nodes_in(part)]


def made(outputs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The nodes between what went into a module and what came out, and its own leaves."""
    stop = set(inputs)

    def inside(nodes: Iterable[Any]) -> list[Any]:
        return [x for x in nodes if isinstance(x, Value | Tensor) and x not in stop]

    return finished_first(inside(outputs), lambda node: inside(node.inputs))


def by_calls(live: Live, calls: Calls) -> dict[Step, Path]:
    """The module of each step, as it was seen to run."""
    return {step: calls.owner[node] for step, node in live.pairs() if node in calls.owner}


def by_names(live: Live) -> dict[Step, Path]:
    """The module of each step, guessed by the names of parameters: ``net[0].weight`` belongs to ``net[0]``.

    An operation belongs to the module whose parameters it uses, or between whose operations it stands; an activation
    to the module that it alone follows.
    """
    owner: dict[Step, Path] = {}
    for step, node in live.pairs():
        name = live.labels.get(id(node), "")
        ends = [found.start() for found in OWNER.finditer(name)]
        if step.op is None and ends:
            owner[step] = tuple([name[:end] for end in ends])
    if not owner:
        return {}
    outputs = set(live.lifted.program.outputs)
    for step in live.steps:
        given = step.input_steps
        own = [owner[x] for x in given if x.op is None and x in owner]
        if own:
            owner[step] = common(own)
        elif step.op is not None and given:
            paths = [owner.get(x, ()) for x in given]
            alone = len(given) == 1 == len(step.inputs) and isinstance(step.op, Pointwise) and step not in outputs
            inside = common(paths)
            if inside and (alone or (len(set(paths)) == 1 and len(given) > 1)):
                owner[step] = inside
    return owner


def common(paths: Iterable[Path]) -> Path:
    """The modules that all are in."""
    first, *rest = paths
    kept = 0
    while kept < len(first) and all([path[: kept + 1] == first[: kept + 1] for path in rest]):
        kept += 1
    return first[:kept]


def without_cycles(live: Live, owner: Mapping[Step, Path]) -> dict[Step, Path]:
    """The same without modules that something outside both follows and precedes: those have no place of their own.

    What is inside such a module, as the layers of a block with a shortcut around them, may have one.
    """
    found: dict[Step, Path] = dict(owner)
    depth = max([len(path) for path in found.values()], default=0)
    for level in range(1, depth + 1):
        while True:
            bad = cyclic(live, {step: path[:level] for step, path in found.items()})
            if not bad:
                break
            found = {
                step: path[: level - 1] + path[level:] if path[:level] in bad else path for step, path in found.items()
            }
    return {step: path for step, path in found.items() if path}


def cyclic(live: Live, block: Mapping[Step, Path]) -> set[Path]:
    at: dict[Step, Any] = {step: block.get(step, ()) or step for step in live.steps}
    edges = {(at[x], at[step]) for step in live.steps for x in step.input_steps if at[x] != at[step]}
    uses: dict[Any, list[Any]] = {}
    for source, target in edges:
        uses.setdefault(source, []).append(target)
    waiting = Counter([target for _, target in edges])
    ready = [x for x in set(at.values()) if not waiting[x]]
    done: set[Any] = set()
    while ready:
        x = ready.pop()
        done.add(x)
        for y in uses.get(x, ()):
            waiting[y] -= 1
            if not waiting[y]:
                ready.append(y)
    # What is left lies on a cycle, or behind one.
    left = {x: [y for y in uses.get(x, ()) if y not in done] for x in set(at.values()) if x not in done}
    return {x for x in left if isinstance(x, tuple) and x in finished_first(left[x], left.__getitem__)}


def name_inside(live: Live, owner: Mapping[Step, Path]) -> None:
    """Call a parameter by its last name inside the frame of its module, where nothing outside speaks of it."""
    users: dict[Step, list[Step]] = {}
    for step in live.steps:
        for x in step.input_steps:
            users.setdefault(x, []).append(step)
    for step, path in owner.items():
        name = live.labels.get(id(live.node(step)), "")
        inside = all([owner.get(user, ())[: len(path)] == path for user in users.get(step, [])])
        if step.op is None and path and inside and name.startswith(path[-1] + "."):
            live.short[step] = name[len(path[-1]) + 1 :]

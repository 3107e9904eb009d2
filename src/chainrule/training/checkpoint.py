"""Checkpoints: all that a run needs to go on, in one file that is whole or not there.

The file is safetensors: the arrays, and in its header a JSON text of everything else. One file can be put in the place
of another in a single step, two cannot: a run killed between two renames would leave weights and optimiser of
different moments. The weights are named ``model.…``, so any reader of safetensors finds them; nothing in it is run.
"""

# What a file or a user's data holds is not known before the program runs, and safetensors says nothing of its types.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.tensor import Tensor
from chainrule.errors import UNFIT, ChainruleError, CheckpointError
from chainrule.files import write_whole
from chainrule.nn.module import Module
from chainrule.optim.lr_scheduler import LRScheduler
from chainrule.optim.optimizer import Optimizer
from chainrule.training.generators import generators_of

FORMAT = "chainrule checkpoint"
VERSION = 1
ABOUT = "__metadata__"
"""The part of a safetensors header that holds texts."""
ARRAY = "$array"
DEEPEST = 50
STORED = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
)
KINDS: dict[type, str] = {
    int: "a whole number from 0", float: "a number", str: "a text", list: "a list", dict: "a dict of names"
}  # fmt: skip
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """What `load_checkpoint` found beside the states that it put back.

    `position` and `extra` are what was saved, with lists where there were tuples; `holds` names the parts of the file.

    >>> import chainrule as cr
    >>> cr.training.save_checkpoint("run.safetensors", model=cr.nn.Linear(2, 1), position={"epoch": 3})
    >>> cr.training.load_checkpoint("run.safetensors").position
    {'epoch': 3}
    """

    position: dict[str, Any] = field(default_factory=dict[str, Any])
    extra: Any = None
    holds: tuple[str, ...] = ()


def save_checkpoint(
    path: str | os.PathLike[str],
    *,
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    rng: np.random.Generator | None = None,
    position: Mapping[str, Any] | None = None,
    extra: Any = None,
) -> None:
    """Write states to one safetensors file, which appears whole or not at all.

    Saved are the parameters and buffers of the model and the states of its random generators (of Dropout), the states
    of optimiser, schedule and `rng`, the data `position`, and `extra`: dicts with names, lists, numbers, texts and
    arrays. The file is written beside `path`, brought to the disk, and then put in its place, so a crash, a full disk
    or a read-only folder leaves an older checkpoint as it was; a failure raises `CheckpointError`. One run at a time
    writes a path. O(entries), and two copies of all arrays in memory.

    >>> import chainrule as cr
    >>> net = cr.nn.Linear(2, 1, rng=0)
    >>> optimizer = cr.optim.Adam(net.parameters())
    >>> cr.training.save_checkpoint("run.safetensors", model=net, optimizer=optimizer)
    >>> other = cr.nn.Linear(2, 1)
    >>> cr.training.load_checkpoint("run.safetensors", model=other).holds
    ('model', 'optimizer')
    >>> bool((other.weight.data == net.weight.data).all())
    True
    """
    from safetensors.numpy import save

    states = states_of(model, optimizer, scheduler, rng)
    arrays: Arrays = {}
    if model is not None:
        arrays = {f"model.{name}": storable(held.data, name) for name, held in states.pop("model").items()}
        states["model"] = sorted(arrays)
    plain = packed({**states, "position": dict(position or {}), "extra": extra}, arrays, "")
    text = json.dumps(plain, ensure_ascii=False)
    about = {"format": FORMAT, "version": str(VERSION), "state": text, "check": check_of(arrays, text)}
    write_whole(path, in_one_order(save(arrays, about)), error=CheckpointError)


def in_one_order(content: bytes) -> bytes:
    """A safetensors file whose header has its names in order: the library's own order differs from run to run."""
    begin = 8 + int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8:begin])
    about = {ABOUT: dict(sorted(header.pop(ABOUT).items()))}
    text = json.dumps({**about, **header}, ensure_ascii=False, separators=(",", ":")).encode()
    # What follows begins where eight divides.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[begin:]


def load_checkpoint(
    path: str | os.PathLike[str],
    *,
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    rng: np.random.Generator | None = None,
) -> Checkpoint:
    """Read a checkpoint and put its states back into what is given; all of them, or none.

    Nothing in the file is run. A file that is missing, damaged, cut short, not a checkpoint or of a later version, and
    states that do not fit, raise `CheckpointError`, which says what is wrong; then nothing has changed. O(entries).

    >>> import chainrule as cr
    >>> cr.training.save_checkpoint("run.safetensors", model=cr.nn.Linear(2, 1))
    >>> cr.training.load_checkpoint("run.safetensors", model=cr.nn.Linear(3, 1))
    Traceback (most recent call last):
    ...
    chainrule.errors.CheckpointError: run.safetensors: ... weight has shape (1, 2), and the module's has (1, 3)
    """
    arrays, states = read(Path(path))
    targets = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "rng": rng}
    for name, target in targets.items():
        if target is not None and name not in states:
            raise CheckpointError(f"{path} holds no {name}: it was saved without one")
    if "model" in states:
        states["model"] = {name.removeprefix("model."): arrays[name] for name in states["model"]}
    before = states_of(model, optimizer, scheduler, rng)
    try:
        put_back(states, model, optimizer, scheduler, rng)
    except UNFIT as error:
        put_back(before, model, optimizer, scheduler, rng)
        raise refusal(path, error) from error
    return Checkpoint(states["position"], states["extra"], tuple(name for name in targets if name in states))


def states_of(
    model: Module | None,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Any]:
    states: dict[str, Any] = {}
    if model is not None:
        states["model"] = model.state_dict()
        states["generators"] = {name: held.bit_generator.state for name, held in generators_of(model).items()}
    for name, stateful in (("optimizer", optimizer), ("scheduler", scheduler)):
        if stateful is not None:
            states[name] = {"kind": type(stateful).__name__, "state": stateful.state_dict()}
    if rng is not None:
        states["rng"] = rng.bit_generator.state
    return states


def put_back(
    states: Mapping[str, Any],
    model: Module | None,
    optimizer: Optimizer | None = None,
    scheduler: LRScheduler | None = None,
    rng: np.random.Generator | None = None,
) -> None:
    """Bring all that is given to its saved state."""
    if model is not None:
        model.load_state_dict(states["model"])
        generators = generators_of(model)
        if generators.keys() != states["generators"].keys():
            raise CheckpointError(
                f"the random generators were {', '.join(states['generators']) or 'none'}, and those of this "
                f"{type(model).__name__} are {', '.join(generators) or 'none'}"
            )
        for name, generator in generators.items():
            wind(generator, states["generators"][name])
    for name, stateful in (("optimizer", optimizer), ("scheduler", scheduler)):
        if stateful is not None:
            kind, own = states[name]["kind"], type(stateful).__name__
            if kind != own:
                raise CheckpointError(f"the {name} was {kind}, and this one is {own}")
            stateful.load_state_dict(states[name]["state"])
    if rng is not None:
        wind(rng, states["rng"])


def wind(generator: np.random.Generator, state: Any) -> None:
    """Bring a random generator to a saved state, which is one of its own kind."""
    kind, own = state["bit_generator"], type(generator.bit_generator).__name__
    if kind != own:
        raise CheckpointError(f"the random generator was {kind}, and this one is {own}")
    generator.bit_generator.state = state


def packed(held: Any, arrays: Arrays, place: str, depth: int = 0) -> Any:
    """Plain data as JSON can hold it: arrays are put aside under names, and what would not come back is refused."""
    if isinstance(held, Tensor):
        held = held.data
    if isinstance(held, np.ndarray):
        name = f"array.{len(arrays)}"
        arrays[name] = storable(held, place)
        return {ARRAY: name}
    if isinstance(held, np.generic):
        held = held.item()
    if depth > DEEPEST:
        raise CheckpointError(f"{place} is nested more than {DEEPEST} deep: save something flatter")
    if isinstance(held, Mapping):
        named = cast("Mapping[Any, Any]", held)
        for name in named:
            if not isinstance(name, str) or name == ARRAY:
                raise CheckpointError(f"{place or 'a dict'} has the key {name!r}: keys are texts, other than {ARRAY!r}")
        return {name: packed(part, arrays, f"{place}.{name}".lstrip("."), depth + 1) for name, part in named.items()}
    if isinstance(held, list | tuple):
        parts = cast("Sequence[Any]", held)
        return [packed(part, arrays, f"{place}[{i}]", depth + 1) for i, part in enumerate(parts)]
    if held is None or isinstance(held, bool | int | float | str):
        return held
    raise CheckpointError(
        f"{place} is {type(held).__name__}, which a checkpoint cannot hold: give numbers, texts, arrays, lists or dicts"
    )


def unpacked(held: Any, arrays: Arrays) -> Any:
    """Data from JSON with its arrays in their places."""

    def whole(found: dict[str, Any]) -> Any:
        return arrays[found[ARRAY]] if found.keys() == {ARRAY} else found

    return json.loads(held, object_hook=whole)


def storable(array: NDArray[Any], place: str) -> NDArray[Any]:
    """An array as the file holds it: in one piece, in the machine's own order of bytes."""
    if array.dtype.name not in STORED:
        raise CheckpointError(f"{place} is an array of {array.dtype}, which a checkpoint cannot hold")
    return np.ascontiguousarray(array, array.dtype.name).reshape(array.shape)


def check_of(arrays: Arrays, text: str) -> str:
    """A checksum of all that the file holds: a flipped bit shows."""
    check = zlib.crc32(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        check = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), check)
        check = zlib.crc32(array.tobytes(), check)
    return f"{check:08x}"


def read(path: Path, *, most: float = math.inf) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the states of a checkpoint, once it is known to be one and to be whole, and of `most` bytes."""
    from safetensors import SafetensorError, safe_open

    try:
        path.open("rb").close()
    except OSError as error:
        raise CheckpointError(f"{path} could not be read: {error.strerror or error}") from error
    if (size := path.stat().st_size) > most:
        raise CheckpointError(f"{path} has {size:,} bytes, and a network for a table at most {most:,.0f}")
    try:
        with safe_open(path, framework="np") as file:
            about = file.metadata() or {}
            _refuse_foreign(path, about)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the file is no dict
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no safetensors file, or is damaged or cut short ({error})") from error
    text = about.get("state", "")
    if about.get("check") != check_of(arrays, text):
        raise CheckpointError(f"{path} is damaged: its checksum does not agree with what it holds")
    try:
        states: dict[str, Any] = checked(unpacked(text, arrays), dict, "what it holds")
        missing = {"position", "extra", *states.get("model", ())} - states.keys() - arrays.keys()
        if missing:
            raise LookupError(f"{', '.join(sorted(map(str, missing)))} is missing")
        checked(states["position"], dict, "position")
    except (*UNFIT, RecursionError) as error:
        raise refusal(path, error) from error
    return arrays, states


def checked(held: Any, kind: type, name: str) -> Any:
    """What was read from a file, once it is known to be of the kind that is saved there."""
    kinds = (int, float) if kind is float else kind
    if not isinstance(held, kinds) or isinstance(held, bool) or (kind is int and held < 0):
        raise CheckpointError(f"{name} is {held!r:.40}, not {KINDS[kind]}")
    return float(held) if kind is float else held


def refusal(path: str | os.PathLike[str], error: BaseException) -> CheckpointError:
    """Say that a file's states could not be put back, whatever came of trying."""
    if isinstance(error, ChainruleError):
        return CheckpointError(f"{path}: {error}")
    why = f"{error} is missing" if isinstance(error, KeyError) else error
    return CheckpointError(
        f"{path} is damaged or made by hand: its states cannot be put back ({why}); use another file"
    )


def _refuse_foreign(path: Path, about: Mapping[str, str]) -> None:
    if about.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but no checkpoint of chainrule")
    version = about.get("version", "")
    if not version.isdecimal() or int(version) > VERSION:
        raise CheckpointError(
            f"{path} has the format {version or 'without a number'}, and this chainrule reads formats up to {VERSION}: "
            "install a newer chainrule"
        )

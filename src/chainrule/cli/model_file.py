"""The file of a trained network: its weights, the meaning of its columns, and how it came to be; loading runs no code.

It is a checkpoint, whose `extra` says all that is needed to build the network again.
"""

# What a file holds is not known before the program runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.data.columns import Columns
from chainrule.data.files import existing
from chainrule.errors import CheckpointError, DataError
from chainrule.training.checkpoint import read, save_checkpoint
from chainrule.training.fit_table import network_of
from chainrule.training.judge import Threshold
from chainrule.training.linear import Linear

KIND = "network of chainrule train"
VERSION = 1
"""Counted up when a saved network can no longer be read as it was."""


@dataclass(frozen=True)
class Model:
    """A trained network with the columns it reads, and `about`, plain data on its training."""

    path: Path
    net: nn.Sequential
    sizes: tuple[int, ...]
    """The width of each layer, from the features to the outputs."""
    columns: Columns
    about: Mapping[str, Any]
    threshold: Threshold | None = None
    """From which probability on one of two classes is said, if not from a half on."""
    linear: Linear | None = None
    """The linear model of the same rows, to stand beside it."""


def outputs_of(columns: Columns) -> int:
    """How many outputs a network for these columns has: a score for each class, or one number."""
    return len(columns.classes) or 1


def save_model(
    path: Path, net: nn.Sequential, sizes: Sequence[int], columns: Columns, about: Mapping[str, Any]
) -> None:
    """Write the file whole or not at all; what was there before stays if that fails."""
    versions = {"chainrule": cr.__version__, "numpy": np.__version__, "python": platform.python_version()}
    extra = {
        "kind": KIND,
        "version": VERSION,
        "sizes": list(sizes),
        "columns": columns.to_dict(),
        "about": {**about, "versions": versions},
    }
    save_checkpoint(path, model=net, extra=extra)


def load_model(path: Path) -> Model:
    """Build the network of a file again; one that is damaged or something else raises `CheckpointError`."""
    arrays, states = read(existing(path))
    held = states["extra"]
    if not isinstance(held, dict) or held.get("kind") != KIND or "model" not in states:
        raise CheckpointError(f"{path} is a checkpoint, but holds no network that chainrule train has saved")
    if held.get("version") != VERSION:
        raise CheckpointError(
            f"{path} is of version {held.get('version')}, and this chainrule reads version {VERSION}: train it again, "
            "or install the chainrule that wrote it"
        )
    weights = {name.removeprefix("model."): arrays[name] for name in states["model"]}
    try:
        sizes, columns, about = held["sizes"], Columns.from_dict(held["columns"]), dict(held["about"])
    except (AttributeError, DataError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: its columns cannot be read ({error})") from error
    if not isinstance(about.get("source", {}), dict):
        raise CheckpointError(f"{path} is damaged: what it says of its source cannot be read")
    # The sizes are compared with the arrays before anything of that size is made.
    if not weights or {name: array.shape for name, array in weights.items()} != shapes_of(sizes):
        raise CheckpointError(f"{path} is damaged: its weights are not those of a network {sizes}")
    if (sizes[0], sizes[-1]) != (len(columns.names), outputs_of(columns)):
        raise CheckpointError(f"{path} is damaged: its network {sizes} does not fit its columns")
    net = network_of(sizes)
    net.load_state_dict(weights)
    try:
        threshold, linear = threshold_in(about, columns), linear_in(about, sizes)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: what it says of its training cannot be read ({error})") from error
    return Model(path, net.eval(), tuple(sizes), columns, about, threshold, linear)


def threshold_in(about: Mapping[str, Any], columns: Columns) -> Threshold | None:
    """The threshold between two classes that was saved, if any."""
    saved = about.get("threshold")
    if saved is None:
        return None
    positive, least = saved
    if len(columns.classes) != 2 or positive not in (0, 1) or not 0 <= float(least) <= 1:
        raise ValueError(f"{saved} is no threshold between two classes")
    return Threshold(int(positive), float(least))


def linear_in(about: Mapping[str, Any], sizes: Sequence[int]) -> Linear | None:
    """The linear model that was saved, if any."""
    saved = about.get("linear")
    if saved is None:
        return None
    weight, bias = (np.asarray(part, float) for part in saved[:2])
    if weight.shape != (sizes[0], sizes[-1]) or bias.shape != (sizes[-1],):
        raise ValueError(f"its linear model has shapes {weight.shape} and {bias.shape}")
    return Linear(weight, bias, *[converged is True for converged in saved[2:3]])


def shapes_of(sizes: Any) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of `network_of`, by name; none if these are no sizes."""
    if not isinstance(sizes, list) or not all(isinstance(size, int) and size > 0 for size in sizes):
        return {}
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (taken, given) in enumerate(pairwise(sizes)):
        shapes |= {f"{2 * layer}.weight": (given, taken), f"{2 * layer}.bias": (given,)}
    return shapes


def in_float64(model: Model) -> nn.Sequential:
    """The same network with the same weights in float64, in which explanations are told."""
    exact = network_of(model.sizes, dtype=np.float64)
    exact.load_state_dict(model.net.state_dict())
    return exact.eval()

"""What runs beside a user's program in a process of its own: its gradients, engines and answers as plain data."""

# What a user's program holds is not known before it has run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.errors import CodeError
from chainrule.expression.typed.given import Given, read_given
from chainrule.verify.engines import check_engine
from chainrule.verify.grade import grade
from chainrule.verify.gradients import check_gradients
from chainrule.verify.pytorch import loaded
from chainrule.verify.running import load


def gradients_of_code(path: str, name: str, given: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """`check_gradients` on what a file calls by a name, or on two names with a comma, (forward, backward)."""
    found = [load(path, part.strip()) for part in name.split(",")]
    f: Any = found[0] if len(found) == 1 else tuple(found)
    report = check_gradients(f, *inputs_for(found[0], read_given(given), settings["seed"]), **settings)
    return {**report.as_dict(), "text": str(report)}


def inputs_for(f: Any, given: Given, seed: int) -> list[Any]:
    """The arguments of a function, in its order, from values and shapes by name; shapes are filled at random."""
    rng = np.random.default_rng(seed)
    own = dict(parameters_of(f))
    unknown = [name for name in (*given.values, *given.shapes) if name not in own]
    if unknown:
        raise CodeError(f"the function takes {', '.join(own) or 'nothing'}, and no {unknown[0]}")
    inputs: list[Any] = []
    for name, kind in own.items():
        if name in given.values:
            value = given.values[name]
            inputs.append(int(value) if kind.annotation in (int, "int") else value)
        elif name in given.shapes:
            shape = given.shapes[name]
            inputs.append(rng.normal(size=shape) if shape else float(rng.normal()))
        elif kind.default is kind.empty:
            raise CodeError(
                f"the function takes {', '.join(own)}: give {name} a value, {name}=2, or a shape, {name}:3x2"
            )
        else:
            break  # what follows has defaults too
    return [in_torch(x) for x in inputs] if is_of_torch(f) else inputs


def parameters_of(f: Any) -> list[tuple[str, inspect.Parameter]]:
    """The names that a function is called with; an ``autograd.Function`` has its context in front."""
    function = f.forward if hasattr(f, "forward") else f
    try:
        found = list(inspect.signature(function).parameters.items())
    except (TypeError, ValueError):
        raise CodeError(f"{f!r} does not say what it takes: give a function") from None
    return found[1:] if isinstance(f, type) else found


def is_of_torch(f: Any) -> bool:
    """Whether a function is written with PyTorch, as its file shows: it has no other library of tensors there."""
    torch = loaded()
    held = getattr(f, "__globals__", {}).values()
    return torch is not None and any(x is torch for x in held) and not any(
        getattr(x, "__name__", "").partition(".")[0] == "chainrule" for x in held
    )  # fmt: skip


def in_torch(x: Any) -> Any:
    torch = loaded()
    return torch.tensor(x, dtype=torch.float64) if isinstance(x, float | np.ndarray) else x


def engine_of_code(path: str, name: str, backward: str) -> dict[str, Any]:
    """`check_engine` on a class in a file, with a function in the same file that goes back, if it is no method."""
    report = check_engine(load(path, name), backward=load(path, backward) if backward else None)
    return {**report.as_dict(), "text": str(report)}


def grade_of_code(
    problem: str, items: list[str], path: str, name: str, wrt: list[str], steps: int, rate: float | None
) -> dict[str, Any]:
    """`grade` on a function in a file; `items` are values and shapes as they are typed."""
    given = read_given(items)
    marked = grade(problem, load(path, name), wrt=wrt, shapes=given.shapes, values=given.values, steps=steps, rate=rate)
    return {**marked.as_dict(), "text": str(marked)}

"""A training step as a problem: a module, its loss and a batch, with the names of its parameters and of the batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.errors import GraphError
from chainrule.nn.module import Module
from chainrule.verify.marking.problem import Problem, recorded_problem


def parameter_name(name: str) -> str:
    """A parameter's name as an argument: ``0.weight`` is ``weight_0``, ``encoder.0.bias`` is ``encoder_0_bias``.

    >>> from chainrule.verify.marking.of_modules import parameter_name
    >>> parameter_name("0.weight"), parameter_name("encoder.0.bias")
    ('weight_0', 'encoder_0_bias')
    """
    first = re.fullmatch(r"(\d+)\.(.+)", name)
    return f"{first[2]}_{first[1]}".replace(".", "_") if first else name.replace(".", "_")


def step_problem(net: Module, loss: Callable[..., Any] | None, batch: Mapping[str, Any]) -> Problem:
    """One training step: the loss of a module on a batch, which is its inputs and, last, the target.

    Raises GraphError where there is no loss or no batch.
    """
    if loss is None or len(batch) < 2:
        raise GraphError("of a module, give loss=… and its batch as values: values={'x': x, 'y': y}, the target last")
    named = {parameter_name(name): p for name, p in net.named_parameters()}
    taken = [name for name in batch if name in named]
    if taken:
        raise GraphError(f"{', '.join(taken)} is a parameter of the module: call the batch otherwise")
    arrays = {name: np.asarray(x) for name, x in batch.items()}
    given = {
        name: Tensor(np.array(x, np.float64), requires_grad=True) if x.dtype.kind == "f" else x
        for name, x in arrays.items()
    }
    *inputs, target = given.values()
    output = loss(net(*inputs), target)
    names = {p: name for name, p in named.items()}
    return recorded_problem(output, {**names, **{x: name for name, x in given.items() if isinstance(x, Tensor)}})

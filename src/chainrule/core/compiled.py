"""The parts that run compiled: those that were built, unless ``CHAINRULE_PLAIN=1`` in the environment asks for none."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

PACKAGE = __name__.rpartition(".")[0]
OURS = PACKAGE.partition(".")[0] + "."


def find_compiled(name: str) -> Any:
    """A compiled module of this package, or None."""
    if os.environ.get("CHAINRULE_PLAIN"):
        return None
    try:
        return importlib.import_module(f"{PACKAGE}._{name}")
    except ImportError:
        return None


def put_in_place(name: str) -> bool:
    """Let a module's compiled twin stand where the plain one would, if there is one; before anybody imports it."""
    module = find_compiled(name)
    if module is not None:
        sys.modules[f"{PACKAGE}.{name}"] = module
        setattr(sys.modules[PACKAGE], name, module)
    return module is not None


machine = find_compiled("machine")
"""The kernel machine; None where it was not built."""

in_own_memory: Any = None if machine is None else machine.in_own_memory
"""Calls a function with arguments, of which arrays are large: results lie where they are computed fastest."""

ROLES = {
    "binary_cross_entropy_x": "number entries entries number number",
    "descent_step": "changed entries number entries",
    "erf": "entries",
    "erfc": "entries",
    "gelu": "entries",
    "logistic": "entries",
    "relu": "entries",
    "silu": "entries",
    "squared_distance": "entries entries",
    "squared_error_x": "number entries entries number",
    "squared_error_y": "number entries entries number",
    "bce_with_logits": "entries entries number number",
}
"""Kernels, rules and adjoints whose NumPy is recorded as a chain of the machine; what each argument is (arrays.h)."""

BACKWARD = frozenset({"erf", "erfc", "gelu", "relu", "sigmoid", "silu", "tanh"})
"""Rules of which the product of a gradient with the local derivative is recorded: each needs many passes of NumPy."""

DIRECT = frozenset({
    "adam_step", "add_to_rows", "column_sums", "cross_entropy_x", "layer_norm_w", "layer_norm_x",
    "negative_log_likelihood", "normalized", "outer_sum", "plus", "softmax_rows", "softmax_rows_backward", "weighted",
})  # fmt: skip
"""Kernels and adjoints that the machine has by their names, each one instruction of its own or two."""


def find_quick(function: Any) -> Any:
    """What runs in place of a kernel, a rule's forward or a fused rule's adjoint, or None.

    A user's may have a name of ours by chance. An adjoint takes the cotangent, the inputs and all settings in order.
    """
    name = function.__name__
    if machine is None or not is_ours(function):
        return None
    if name in DIRECT:
        return getattr(machine, name)
    return chain(function, ROLES[name]) if name in ROLES else None


def find_quick_back(function: Any) -> Any:
    """What multiplies a gradient, in its place, by a rule's local derivative; the output and the input follow it."""
    if machine is None or function.__name__ not in BACKWARD or not is_ours(function):
        return None
    return chain_back(function.__name__)


def is_ours(function: Any) -> bool:
    """Whether a function is of this package, and not one of a user's."""
    return function.__module__.startswith(OURS)


def chain(function: Any, roles: str) -> Any:
    """A chain of the machine, which is recorded when it is first called: of a kernel, a rule or an adjoint."""

    def told() -> Any:
        from chainrule.core import recording

        return recording.record(recording.forward(function), roles)

    return machine.Chain(told)


def chain_back(name: str) -> Any:
    """The same for the product of a gradient with a rule's local derivative."""

    def told() -> Any:
        from chainrule.core import recording

        return recording.record(recording.backward(name), "changed entries entries")

    return machine.Chain(told)

"""A module run with other parameters than its own: `functional_call`, after PyTorch's name and meaning."""

# What a module's attributes hold is not known before the program runs.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

from chainrule.errors import ChainruleError, ShapeError
from chainrule.nn.module import Module

Attributes = tuple[Module, dict[str, Any]]


def functional_call(
    module: Module, parameters: Mapping[str, Any], args: Any, kwargs: Mapping[str, Any] | None = None
) -> Any:
    """What the module gives with other numbers in place of its parameters and buffers, which stay as they are.

    `args` is the input, or a tuple of several; `kwargs` are those by name.
    `parameters` has arrays or Tensors by the names of `named_parameters` and `named_buffers`, in the shapes of those;
    what is not named is the module's own. So a network is a function of its weights, for every transform: ``grad``,
    ``vmap`` over many networks at once, ``compile``. While it runs no other thread may use the module. Raises
    ChainruleError for a name that the module has not, ShapeError for another shape. Costs the call, and O(modules).

    >>> import chainrule as cr, numpy as np
    >>> net = cr.nn.Linear(2, 1, rng=0)
    >>> def loss(parameters, x):
    ...     return cr.sum(cr.nn.functional_call(net, parameters, x))
    >>> cr.grad(loss)({"weight": np.array([[1.0, 2.0]]), "bias": np.array([0.5])}, np.array([[3.0, 4.0]]))["weight"]
    array([[3., 4.]])
    """
    owned = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    unknown = parameters.keys() - owned.keys()
    if unknown:
        raise ChainruleError(
            f"{type(module).__name__} has no {', '.join(sorted(unknown))}; it has {', '.join(owned) or 'no parameters'}"
        )
    for name, given in parameters.items():
        if getattr(given, "shape", owned[name].shape) != owned[name].shape:
            raise ShapeError(f"{name} has shape {given.shape}, and the module's has {owned[name].shape}")
    with standing_in(module.modules(), {id(owned[name]): given for name, given in parameters.items()}):
        return module(*(args if isinstance(args, tuple) else (args,)), **kwargs or {})


@contextmanager
def standing_in(modules: Iterable[Module], instead: Mapping[int, Any]) -> Generator[list[Attributes]]:
    """Modules whose attributes hold other things, by the identity of what they hold, until the block ends.

    What it gives are the modules with the attributes that they have meanwhile.
    """
    before = [(part, dict(vars(part))) for part in modules]
    meanwhile: list[Attributes] = []
    try:
        for part, attributes in before:
            meanwhile.append((part, {name: replaced(held, instead) for name, held in attributes.items()}))
            vars(part).update(meanwhile[-1][1])
        yield meanwhile
    finally:
        for part, attributes in before:
            vars(part).update(attributes)


def replaced(held: Any, instead: Mapping[int, Any]) -> Any:
    """An attribute with other parameters, looking into lists, tuples and dicts as modules do."""
    if id(held) in instead:
        return instead[id(held)]
    if isinstance(held, list | tuple):
        parts = [replaced(part, instead) for part in held]
        return held if all(map(same, parts, held)) else type(held)(parts)
    if isinstance(held, dict):
        parts = {key: replaced(part, instead) for key, part in held.items()}
        return held if all(map(same, parts.values(), held.values())) else type(held)(parts)
    return held


def same(x: Any, y: Any) -> bool:
    return x is y

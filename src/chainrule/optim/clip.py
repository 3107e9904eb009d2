"""Gradient clipping: a bound on gradients between the backward pass and the step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError


def clip_grad_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float, norm_type: float = 2.0) -> float:
    """Shrink all gradients together, in place, until their common norm is `max_norm`; the norm before is returned.

    The direction is kept (Pascanu, Mikolov and Bengio, 2013). The norm is that of all entries of all gradients as one
    vector, of any positive order `norm_type` or infinity, and summed in float64. As in PyTorch the factor is
    ``max_norm / (norm + 1e-6)``, and 1 where that is larger; tensors without a gradient are passed over. A nan makes
    every gradient nan, and an infinite norm makes every finite entry 0. O(entries).

    >>> import chainrule as cr
    >>> w = cr.Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> cr.optim.clip_grad_norm_([w], max_norm=1.0)
    10.0
    >>> w.grad.data.round(6).tolist()
    [0.6, 0.8]
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is at least 0, not {max_norm}")
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type is above 0, not {norm_type}")
    gradients = _gradients("clip_grad_norm_", parameters)
    with Quiet():
        # Every norm is that of the norms of its parts.
        parts = [float(np.linalg.norm(gradient.data.astype(float).ravel(), norm_type)) for gradient in gradients]
        norm = float(np.linalg.norm(np.array(parts), norm_type)) if parts else 0.0
        factor = max_norm / (norm + 1e-6)
        if not factor >= 1:
            for gradient in gradients:
                np.multiply(gradient.data, factor, gradient.data)
                gradient.mark_changed()
    return norm


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Bring every entry of every gradient, in place, between ``-clip_value`` and ``clip_value``; nan stays.

    >>> import chainrule as cr
    >>> w = cr.Tensor([0.25, -4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> cr.optim.clip_grad_value_([w], 1.0)
    >>> w.grad
    Tensor([ 0.5, -1. ])
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value is at least 0, not {clip_value}")
    for gradient in _gradients("clip_grad_value_", parameters):
        np.clip(gradient.data, -clip_value, clip_value, out=gradient.data)
        gradient.mark_changed()


def _gradients(name: str, parameters: Any) -> list[Tensor]:
    listed: list[Any] = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for i, parameter in enumerate(listed):
        if not isinstance(parameter, Tensor):
            raise DtypeError(
                f"{name} takes Tensors, as net.parameters(), and parameter {i} is {type(parameter).__name__}"
            )
    return [parameter.grad for parameter in listed if parameter.grad is not None]

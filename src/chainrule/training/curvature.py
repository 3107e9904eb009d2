"""How curved a loss is in the weights, and how long a step of plain descent may therefore be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import graph
from chainrule.core.graph import from_array
from chainrule.core.state import enable_grad
from chainrule.core.tensor import Tensor
from chainrule.nn.module import Module
from chainrule.training.batches import batches_of, output_of
from chainrule.training.checkpoint import put_back, states_of

ITERATIONS = 30
"""Of Lanczos: up to as many parameters the result is exact to rounding, beyond that good to a few digits."""

MOST_ENTRIES = 20_000_000
"""Of all the vectors that Lanczos keeps, in double precision: of very many parameters it keeps fewer vectors."""

SETTLED = 1e-6
"""The share of its first length at which a gradient is as good as gone."""

Vector = NDArray[Any]


def largest_curvature(model: Module, x: Any, y: Any, *, loss: Callable[..., Any]) -> float:
    """The largest eigenvalue λ of the Hessian of ``loss(model(x), y)`` in the parameters, where they are now.

    Plain gradient descent with a step above 2/λ moves away from a minimum instead of towards it. Found by the method of
    Lanczos (1950) from Hessian-vector products, so the Hessian is never built: at most 30 products, each about two
    gradients; beyond 30 parameters it comes near λ from below. `x` and `y` are taken as by `fit`, in one batch. The
    model is left as it was. nan where the loss is not finite, and 0 without parameters that it depends on.

    >>> import chainrule as cr
    >>> net = cr.nn.Linear(2, 1, bias=False, dtype=float)
    >>> cr.training.largest_curvature(net, [[3.0, 0.0], [0.0, 1.0]], [[1.0], [1.0]], loss=cr.nn.MSELoss("half_sum"))
    9.0
    """
    data = batches_of(model, x, y, batch_size=None, shuffle=False, seed=0, owner="largest_curvature")
    ((batch, target, *_),) = data.epoch(1)
    before = states_of(model)
    try:
        return curvature_of(model, batch, target, loss)
    finally:
        put_back(before, model)


def curvature_of(model: Module, x: Any, y: Any, loss: Callable[..., Any]) -> float:
    """The same on a batch that is ready; running averages and random generators move on."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with enable_grad():
        value: Tensor = loss(output_of(model, x), y)
    gradients = slopes(value, parameters, record=True)
    if not np.isfinite(value.data) or any(not np.isfinite(gradient.data).all() for gradient in gradients):
        return float("nan")

    def times_hessian(vector: Vector) -> Vector:
        return flat(slopes(gradients, parameters, split(vector, parameters)))

    return largest_eigenvalue(times_hessian, sum(parameter.size for parameter in parameters))


def slopes(
    outputs: Tensor | Sequence[Tensor], parameters: Sequence[Tensor], cotangents: Any = None, *, record: bool = False
) -> list[Any]:
    """The gradients of outputs in the parameters, as nodes (to be differentiated again) or as arrays."""
    several = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    arrays = [np.ones_like(out.data) for out in several] if cotangents is None else cotangents
    ready = [from_array(array) for array in arrays] if record else arrays
    found = graph.gradients_of(several, ready, parameters, record=record)
    zeros = [np.zeros_like(parameter.data) for parameter in parameters]
    return [
        (from_array(zero) if record else zero) if gradient is None else gradient
        for gradient, zero in zip(found, zeros, strict=True)
    ]


def largest_eigenvalue(times: Callable[[Vector], Vector], size: int) -> float:
    """The largest eigenvalue of a symmetric matrix that is known by its products with vectors.

    Each new direction is made orthogonal to all before it, twice, because rounding would otherwise bring copies of
    eigenvalues in (Parlett, The Symmetric Eigenvalue Problem, 1998).
    """
    if not size:
        return 0.0
    direction = np.random.default_rng(0).standard_normal(size)
    basis: list[Vector] = []
    inside: list[list[float]] = []
    for _ in range(min(size, ITERATIONS, max(MOST_ENTRIES // size, 5))):
        basis.append(direction / np.linalg.norm(direction))
        direction = times(basis[-1])
        inside.append([float(known @ direction) for known in basis])
        scale = float(np.linalg.norm(direction))
        for _ in range(2):
            for known in basis:
                direction = direction - (known @ direction) * known
        if not np.linalg.norm(direction) > 1e-10 * scale:
            break
    count = len(inside)
    upper = np.zeros((count, count))
    for place, column in enumerate(inside):
        upper[: place + 1, place] = column
    return float(np.linalg.eigvalsh(upper, UPLO="U")[-1])


def flat(arrays: Sequence[Any]) -> Vector:
    return np.concatenate([np.zeros(0), *(np.asarray(array, float).ravel() for array in arrays)])


def split(vector: Vector, parameters: Sequence[Tensor]) -> list[Vector]:
    """A vector as arrays of the parameters' shapes and dtypes."""
    ends = np.cumsum([parameter.size for parameter in parameters])
    return [
        part.reshape(parameter.shape).astype(parameter.dtype)
        for part, parameter in zip(np.split(vector, ends[:-1]), parameters, strict=True)
    ]


def descend(model: Module, x: Any, y: Any, loss: Callable[..., Any], rate: float, steps: int) -> bool:
    """Plain descent for some steps, or until the gradient is gone; whether every step went down."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = first = np.inf
    for step in range(steps):
        value: Tensor = loss(output_of(model, x), y)
        now = float(value.item())
        if not now <= before:
            return False
        gradients = slopes(value, parameters)
        steepness = float(np.linalg.norm(flat(gradients)))
        first = steepness if step == 0 else first
        if steepness <= SETTLED * first:
            return True
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.data -= (rate * gradient).astype(parameter.dtype)
        before = now
    return True

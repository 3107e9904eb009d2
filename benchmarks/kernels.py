"""Functions, convolutions and gathers that take the longest, forward and backward, beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from benchmarks.harness import MICROSECOND, Report, Row, Worker, agree, timed

COUNT = 100_000
POINTWISE = ("erf", "erfc", "gelu", "silu")
IMAGES: dict[str, tuple[tuple[int, ...], tuple[int, ...], Any]] = {
    "depthwise 3x3": ((16, 64, 28, 28), (64, 1, 3, 3), {"padding": 1, "groups": 64}),
    "depthwise 3x3, stride 2": ((16, 64, 28, 28), (64, 1, 3, 3), {"padding": 1, "groups": 64, "stride": 2}),
    "dilated 3x3, 16 channels": ((16, 16, 28, 28), (16, 16, 3, 3), {"padding": 2, "dilation": 2}),
    "dilated 3x3, 32 channels": ((16, 32, 28, 28), (32, 32, 3, 3), {"padding": 2, "dilation": 2}),
}
GATHER = "4,096 rows of 1,000 by 64"
DTYPES = ("float32", "float64")
DIRECTIONS = ("forward", "both")
TARGET = 2.0


def problem(name: str, dtype: str) -> tuple[list[Any], Any]:
    """The inputs that are differentiated, and the places to gather from where there are any."""
    draw = np.random.default_rng(0)
    if name in POINTWISE:
        return [2 * draw.normal(size=COUNT).astype(dtype)], None
    if name == GATHER:
        return [draw.normal(size=(1000, 64)).astype(dtype)], draw.integers(0, 1000, 4096)
    images, weights, _ = IMAGES[name]
    return [draw.normal(size=shape).astype(dtype) for shape in (images, weights)], None


def contestant(inputs: list[Any], apply: Callable[..., Any], ones: Callable[[Any], Any], both: bool) -> Any:
    """Runs of the function, and of its backward pass where that is asked for; the sum of what came tells them apart."""
    start = ones(apply(*inputs))

    def run(count: int) -> float:
        for _ in range(count):
            for x in inputs:
                x.grad = None
            out = apply(*inputs)
            if both:
                out.backward(start)
        results = [x.grad for x in inputs] if both else [out]
        return float(sum(np.abs(r.detach().numpy()).sum(dtype=np.float64) for r in results))

    return run


def with_chainrule(name: str, dtype: str, direction: str) -> Any:
    """The contestant of chainrule."""
    import chainrule as cr

    arrays, places = problem(name, dtype)
    both = direction == "both"
    inputs = [cr.Tensor(x, requires_grad=both) for x in arrays]
    if name in POINTWISE:
        apply = getattr(cr, name)
    elif name == GATHER:
        apply = lambda x: x[places]  # noqa: E731
    else:
        apply = lambda x, w: cr.conv2d(x, w, **IMAGES[name][2])  # noqa: E731
    return contestant(inputs, apply, lambda out: cr.Tensor(np.ones(out.shape, dtype)), both)


def with_torch(name: str, dtype: str, direction: str) -> Any:
    """The contestant of PyTorch, on one thread."""
    import torch

    torch.set_num_threads(1)
    arrays, places = problem(name, dtype)
    both = direction == "both"
    inputs = [torch.from_numpy(x).requires_grad_(both) for x in arrays]
    if name in POINTWISE:
        apply = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    elif name == GATHER:
        index = torch.from_numpy(places)
        apply = lambda x: x[index]  # noqa: E731
    else:
        apply = lambda x, w: torch.nn.functional.conv2d(x, w, **IMAGES[name][2])  # noqa: E731
    return contestant(inputs, apply, torch.ones_like, both)


def kernels() -> Report:
    """Each function in both precisions, forward alone and with its backward pass."""
    report = Report()
    absent = report.missing(["torch"])
    for name in (*POINTWISE, *IMAGES, GATHER):
        for dtype in DTYPES:
            for direction in DIRECTIONS:
                makers = ["with_chainrule"] if absent else ["with_chainrule", "with_torch"]
                with ExitStack() as open_workers:
                    workers = [
                        open_workers.enter_context(Worker(f"benchmarks.kernels:{maker}", name, dtype, direction))
                        for maker in makers
                    ]
                    agree(workers, 1, 1e-4 if dtype == "float32" else 1e-9)
                    ours, *theirs = timed(workers, seconds=0.03)
                title = f"{name}, {dtype}, {'forward' if direction == 'forward' else 'forward and backward'}"
                if theirs:
                    report.rows.append(Row(title, ours, "torch", theirs[0], unit=MICROSECOND, target=TARGET))
                else:
                    report.rows.append(Row(title, ours, unit=MICROSECOND))
    return report

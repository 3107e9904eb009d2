"""PyTorch and JAX as judges of random programs: their words for each step's function, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from random_programs import LISTS, Program, weights

Function = Callable[..., Any]


class Peer:
    """A library that judges: its word for a step's function, and its derivatives; NumPy's arrays go in and come out."""

    name = ""

    def function(self, name: str) -> Function:
        raise NotImplementedError

    def first(self, f: Function, arrays: Any, moving: Any, g: Any = None) -> tuple[Any, list[Any]]:
        """The result, and the gradients in the moving arguments, of a cotangent or of ones."""
        raise NotImplementedError

    def second(self, f: Function, arrays: Any, moving: Any, tangents: Any) -> list[Any]:
        """How the gradients, of ones, move along tangents."""
        raise NotImplementedError

    def leaves(self, arrays: Any, moving: Any) -> list[Any]:
        """The arguments as the library's own."""
        raise NotImplementedError

    def run(self, program: Program) -> list[Any]:
        """Everything that a program computes."""
        return [np.asarray(x) for x in program.run(self.function, self.leaves(program.leaves, ()))]


class PyTorch(Peer):
    name = "PyTorch"

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.table = in_pytorch(torch)

    def function(self, name: str) -> Function:
        return self.table[name] if name in self.table else alike(self.torch, getattr(self.torch, name))

    def leaves(self, arrays: Any, moving: Any) -> list[Any]:
        torch = self.torch
        return [
            torch.tensor(x.copy(), requires_grad=k in moving) if isinstance(x, np.ndarray) else x
            for k, x in enumerate(arrays)
        ]

    def first(self, f: Function, arrays: Any, moving: Any, g: Any = None) -> tuple[Any, list[Any]]:
        leaves = self.leaves(arrays, moving)
        out = f(*leaves)
        found = self.gradients(out, [leaves[k] for k in moving], g)
        return out.detach().numpy(force=True), [x.detach().numpy(force=True) for x in found]

    def gradients(self, out: Any, leaves: Any, g: Any, **settings: Any) -> list[Any]:
        torch = self.torch
        if not out.requires_grad:
            return [torch.zeros_like(x) for x in leaves]
        g = torch.ones_like(out) if g is None else torch.as_tensor(g).to(out.dtype)
        found = torch.autograd.grad(out, leaves, g, allow_unused=True, **settings)
        return [torch.zeros_like(x) if share is None else share for x, share in zip(leaves, found, strict=True)]

    def second(self, f: Function, arrays: Any, moving: Any, tangents: Any) -> list[Any]:
        torch = self.torch
        leaves = self.leaves(arrays, moving)
        wanted = [leaves[k] for k in moving]
        shares = self.gradients(f(*leaves), wanted, None, create_graph=True)
        total = sum((share * torch.as_tensor(t)).sum() for share, t in zip(shares, tangents, strict=True))
        return [x.detach().numpy(force=True) for x in self.gradients(total, wanted, None)]


class Jax(Peer):
    name = "JAX"

    def __init__(self, jax: Any) -> None:
        self.jax = jax
        jax.config.update("jax_enable_x64", True)
        self.table = in_jax(jax)

    def function(self, name: str) -> Function:
        return self.table[name] if name in self.table else getattr(self.jax.numpy, name)

    def leaves(self, arrays: Any, moving: Any) -> list[Any]:
        return [self.jax.numpy.asarray(x) if isinstance(x, np.ndarray) else x for x in arrays]

    def along(self, f: Function, arrays: Any, moving: Any) -> Function:
        """The function of the moving arguments alone."""
        leaves = self.leaves(arrays, moving)

        def called(*xs: Any) -> Any:
            given = list(leaves)
            for k, x in zip(moving, xs, strict=True):
                given[k] = x
            return f(*given)

        return called

    def shares(self, f: Function, g: Any) -> Function:
        def gradients(*xs: Any) -> Any:
            out, back = self.jax.vjp(f, *xs)
            return back(self.jax.numpy.ones_like(out) if g is None else self.jax.numpy.asarray(g, out.dtype))

        return gradients

    def first(self, f: Function, arrays: Any, moving: Any, g: Any = None) -> tuple[Any, list[Any]]:
        along, xs = self.along(f, arrays, moving), self.leaves([arrays[k] for k in moving], moving)
        return np.asarray(along(*xs)), [np.asarray(x) for x in self.shares(along, g)(*xs)]

    def second(self, f: Function, arrays: Any, moving: Any, tangents: Any) -> list[Any]:
        along, xs = self.along(f, arrays, moving), self.leaves([arrays[k] for k in moving], moving)
        return list(
            map(np.asarray, self.jax.jvp(self.shares(along, None), tuple(xs), tuple(self.leaves(tangents, moving)))[1])
        )


def commonly(torch: Any, xs: Any) -> Any:
    """PyTorch's name for the type that NumPy gives a result of these: Python's own numbers widen none."""
    kinds = [x if isinstance(x, float | int) else np.dtype(str(x.dtype).removeprefix("torch.")) for x in xs]
    return getattr(torch, str(np.result_type(*kinds)))


def alike(torch: Any, function: Function) -> Function:
    """A function of several arrays, given one type of number as NumPy would."""

    def called(*xs: Any, **settings: Any) -> Any:
        kind = commonly(torch, xs)
        return function(*[torch.as_tensor(x, dtype=kind) for x in xs], **settings)

    return called


def moved(torch: Any, function: Function) -> Function:
    """A function that only moves entries, or puts zeros between them: found by what it does to their numbers."""

    def called(*xs: Any, **settings: Any) -> Any:
        kind = commonly(torch, xs)
        places, start = [], 1
        for x in xs:
            places.append(np.arange(start, start + x.numel()).reshape(tuple(x.shape)))
            start += x.numel()
        held = torch.cat([torch.zeros(1, dtype=kind), *[x.reshape(-1).to(kind) for x in xs]])
        return held[torch.as_tensor(np.array(function(*places, **settings), order="C", copy=True))]

    return called


MOVES: dict[str, Function] = {
    "broadcast_to": np.broadcast_to,
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "diag": np.diag,
    "expand_dims": np.expand_dims,
    "flip": np.flip,
    "index": lambda x, key: x[key],
    "pad": np.pad,
    "repeat": np.repeat,
    "reshape": lambda x, shape: np.reshape(x, shape),
    "roll": np.roll,
    "squeeze": np.squeeze,
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "swapaxes": np.swapaxes,
    "tile": np.tile,
    "transpose": np.transpose,
    "tril": np.tril,
    "triu": np.triu,
}


def in_pytorch(torch: Any) -> dict[str, Function]:
    """PyTorch's functions with NumPy's names and keywords."""
    f, linalg = torch.nn.functional, torch.linalg

    def axes(x: Any, axis: Any) -> Any:
        return tuple(range(x.ndim)) if axis is None else axis

    def total(function: Function, **more: Any) -> Function:
        return lambda x, axis=None, keepdims=False: function(x, dim=axes(x, axis), keepdim=keepdims, **more)

    def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        for a in sorted(
            (k % x.ndim for k in ((axes(x, axis),) if isinstance(axis, int) else axes(x, axis))), reverse=True
        ):
            x = x.prod(dim=a, keepdim=keepdims)
        return x

    def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        if ord is None:
            return linalg.vector_norm(x, dim=axes(x, axis), keepdim=keepdims)
        return linalg.matrix_norm(x, ord)

    def compared(function: Function) -> Function:
        return lambda x, y: function(*[torch.as_tensor(a, dtype=torch.float64) for a in (x, y)])

    def mixed(function: Function) -> Function:
        return alike(torch, function)

    def where(condition: Any, x: Any, y: Any) -> Any:
        return mixed(lambda x, y: torch.where(condition, x, y))(x, y)

    def dot(x: Any, y: Any) -> Any:
        return x * y if not x.ndim or not y.ndim else torch.tensordot(x, y, ([-1], [max(y.ndim - 2, 0)]))

    amax, amin = total(torch.amax), total(torch.amin)
    return {
        **{name: moved(torch, function) for name, function in MOVES.items()},
        **{name: mixed(getattr(torch, name)) for name in ("matmul", "kron")},
        "as_number": lambda x, dtype: x.to(getattr(torch, dtype)),
        "cholesky": lambda x: linalg.cholesky((x + x.mT) / 2),
        "clip": lambda x, a_min, a_max: torch.clamp(x, a_min, a_max),
        "cumprod": lambda x, axis: torch.cumprod(x, axis),
        "cumsum": lambda x, axis: torch.cumsum(x, axis),
        "diff": lambda x, axis: torch.diff(x, dim=axis),
        "dot": mixed(dot),
        "dot_of_lists": lambda *xs: sum(x * y for x, y in zip(xs[: len(xs) // 2], xs[len(xs) // 2 :], strict=True)),
        "eigvalsh": lambda x: linalg.eigvalsh((x + x.mT) / 2),
        "einsum": lambda *xs, subscripts: mixed(lambda *ys: torch.einsum(subscripts, *ys))(*xs),
        "equal": compared(torch.eq),
        "elu": f.elu,
        "gelu": f.gelu,
        "gelu_tanh": lambda x: f.gelu(x, approximate="tanh"),
        "greater": compared(torch.gt),
        "greater_equal": compared(torch.ge),
        "hardtanh": f.hardtanh,
        "inner": mixed(lambda x, y: torch.tensordot(x, y, ([-1], [-1]))),
        "inv": linalg.inv,
        "leaky_relu": lambda x, slope: f.leaky_relu(x, slope),
        "less": compared(torch.lt),
        "less_equal": compared(torch.le),
        "log_sigmoid": f.logsigmoid,
        "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
        "logabsdet": lambda x: linalg.slogdet(x)[1],
        "logsumexp": total(torch.logsumexp),
        "max": amax,
        "max_of_list": lambda *xs: torch.amax(torch.stack(xs), 0),
        "mean": total(torch.mean),
        "min": amin,
        "min_of_list": lambda *xs: torch.amin(torch.stack(xs), 0),
        "mish": f.mish,
        "norm": norm,
        "not_equal": compared(torch.ne),
        "outer": mixed(torch.outer),
        "prod": prod,
        "prod_of_list": lambda *xs: torch.prod(torch.stack(xs)),
        "ptp": lambda x, axis=None, keepdims=False: amax(x, axis, keepdims) - amin(x, axis, keepdims),
        "relu": torch.relu,
        "silu": f.silu,
        "softmax": lambda x, axis: torch.softmax(x, axis),
        "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
        "solve": mixed(linalg.solve),
        "sort": lambda x, axis: torch.sort(x, dim=axis, stable=True)[0],
        "std": total(torch.std, correction=0),
        "sum": total(torch.sum),
        "sum_of_list": lambda *xs: torch.stack(xs).sum(),
        "svdvals": linalg.svdvals,
        "tensordot": lambda x, y, axes: mixed(lambda x, y: torch.tensordot(x, y, axes))(x, y),
        "var": total(torch.var, correction=0),
        "weighed": lambda x, start: (x * torch.as_tensor(weights(x, start))).sum(),
        "where": where,
        "cbrt": lambda x: x.sign() * x.abs() ** (1 / 3),
    }


def in_jax(jax: Any) -> dict[str, Function]:
    """What JAX calls otherwise than NumPy does, or takes otherwise."""
    jnp, nn, special, linalg = jax.numpy, jax.nn, jax.scipy.special, jax.numpy.linalg

    def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return special.logsumexp(x, axis=axis, keepdims=keepdims)

    return {
        "as_number": lambda x, dtype: x.astype(dtype),
        "atan2": jnp.arctan2,
        "cholesky": lambda x: linalg.cholesky((x + x.mT) / 2),
        "clip": lambda x, a_min, a_max: jnp.clip(x, a_min, a_max),
        "concatenate": lambda *xs, axis: jnp.concatenate(xs, axis),
        "det": linalg.det,
        "div": jnp.divide,
        "dot_of_lists": lambda *xs: jnp.dot(jnp.stack(xs[: len(xs) // 2]), jnp.stack(xs[len(xs) // 2 :])),
        "eigvalsh": lambda x: linalg.eigvalsh((x + x.mT) / 2),
        "einsum": lambda *xs, subscripts: jnp.einsum(subscripts, *xs),
        "elu": nn.elu,
        "erf": special.erf,
        "erfc": special.erfc,
        "gelu": lambda x: nn.gelu(x, approximate=False),
        "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
        "hardtanh": lambda x, min_val, max_val: jnp.where(x > max_val, max_val, jnp.where(x < min_val, min_val, x)),
        "index": lambda x, key: x[key],
        "inv": linalg.inv,
        "leaky_relu": lambda x, slope: nn.leaky_relu(x, slope),
        "log_sigmoid": nn.log_sigmoid,
        "log_softmax": lambda x, axis: nn.log_softmax(x, axis),
        "logabsdet": lambda x: linalg.slogdet(x)[1],
        "logsumexp": logsumexp,
        "mish": nn.mish,
        "mul": jnp.multiply,
        "neg": jnp.negative,
        "norm": linalg.norm,
        "pow": jnp.power,
        "relu": nn.relu,
        "sigmoid": nn.sigmoid,
        "silu": nn.silu,
        "softmax": lambda x, axis: nn.softmax(x, axis),
        "softplus": nn.softplus,
        "solve": linalg.solve,
        "stack": lambda *xs, axis: jnp.stack(xs, axis),
        "sub": jnp.subtract,
        "svdvals": lambda x: linalg.svd(x, compute_uv=False),
        "weighed": lambda x, start: jnp.sum(x * weights(x, start)),
        **{
            name: lambda *xs, name=plain: getattr(jnp, name)(jnp.stack(xs))
            for name, plain in LISTS.items()
            if name != "dot_of_lists"
        },
    }

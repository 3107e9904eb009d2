"""Layers that read a sequence from place to place and remember: RNN, GRU and LSTM, with PyTorch's meaning."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from chainrule.core.graph import from_array
from chainrule.errors import ShapeError
from chainrule.nn.layers import Dropout
from chainrule.nn.module import Layer, Parameter, as_input, check_dtype, check_share, check_size, named
from chainrule.rules.algebra import matmul
from chainrule.rules.composed import concatenate, stack
from chainrule.rules.fused import affine
from chainrule.rules.linear import index, reshape, transpose
from chainrule.rules.pointwise import relu, sigmoid, tanh

Seed = np.random.Generator | int | None
State = tuple[Any, ...]
"""What one direction of one layer remembers: arrays of shape (batch, hidden_size), the first of which is its result."""


class Recurrent(Layer):
    """The base of `RNN`, `GRU` and `LSTM`: layers and directions, shapes and states; each writes its `moved`.

    `x` has shape (time, batch, input_size), (batch, time, input_size) with `batch_first`, or (time, input_size) for one
    sequence. The result is a pair: what the last layer gives at every place, of hidden_size numbers (twice as many if
    `bidirectional`, forwards before backwards), and the last state of every layer and direction, of shape (num_layers ·
    directions, batch, hidden_size). Such a state may be given as `hx`; it is zero unless told otherwise, and
    ``detach()``-ed it lets a long sequence be learnt in pieces. `dropout` is for what passes between layers, while
    training. Parameters have PyTorch's names (``weight_ih_l0``, ``bias_hh_l1_reverse``) and start uniform in
    ±1/√hidden_size. Shapes that do not fit raise `ShapeError`. A place costs gates × hidden_size × (input_size +
    hidden_size) multiplications for each example, layer and direction.
    """

    gates = 1
    remembered = 1
    """How many arrays a state has."""

    weight_ih_l0: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = np.float32,
        rng: Seed = None,
    ) -> None:
        name = type(self).__name__
        check_size(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        check_dtype(name, dtype)
        self.input_size, self.hidden_size, self.num_layers = int(input_size), int(hidden_size), int(num_layers)
        self.bias, self.batch_first, self.bidirectional = bool(bias), bool(batch_first), bool(bidirectional)
        draw = np.random.default_rng(rng)
        bound, rows = 1 / np.sqrt(hidden_size), self.gates * self.hidden_size
        directions = 1 + self.bidirectional
        for layer in range(num_layers):
            taken = self.input_size if not layer else self.hidden_size * directions
            for ending in self._endings(layer):
                shapes = {"weight_ih": (rows, taken), "weight_hh": (rows, self.hidden_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                for kind, shape in shapes.items():
                    setattr(self, f"{kind}{ending}", Parameter(draw.uniform(-bound, bound, shape), dtype=dtype))
        self.dropout = Dropout(check_share(name, dropout), rng=draw)

    def moved(self, from_input: Any, from_state: Any, state: State) -> State:
        """The state at the next place, from the weighed sums of the input there and of the state before."""
        raise NotImplementedError(f"{type(self).__name__} needs a method moved(self, from_input, from_state, state)")

    def forward(self, x: Any, hx: Any = None) -> Any:
        """What every place gives, and the last states."""
        x = as_input(x, type(self).__name__)
        if (
            x.ndim not in (2, 3)
            or x.shape[-1] != self.input_size
            or not x.shape[0 if x.ndim == 2 else int(self.batch_first)]
        ):
            raise self._misfit(x)
        single = x.ndim == 2
        if single:
            x = reshape(x, shape=(x.shape[0], 1, x.shape[1]))
        elif self.batch_first:
            x = transpose(x, axes=(1, 0, 2))
        places = [index(x, key=time) for time in range(x.shape[0])]
        begun = self._states(hx, x.shape[1], single)
        last: list[State] = []
        for layer in range(self.num_layers):
            ways: list[list[Any]] = []
            for ending in self._endings(layer):
                way, state = self._read(places, ending, begun[len(last)])
                ways.append(way)
                last.append(state)
            places = ways[0] if len(ways) == 1 else [concatenate(pair, axis=1) for pair in zip(*ways, strict=True)]
            if layer + 1 < self.num_layers and self.training and self.dropout.p:
                places = [self.dropout(place) for place in places]
        out = stack(places, axis=0 if single or not self.batch_first else 1)
        states = [stack(parts) for parts in zip(*last, strict=True)]
        if single:
            out = reshape(out, shape=(out.shape[0], out.shape[2]))
            states = [reshape(state, shape=(state.shape[0], state.shape[2])) for state in states]
        return out, states[0] if self.remembered == 1 else tuple(states)

    def _read(self, places: list[Any], ending: str, state: State) -> tuple[list[Any], State]:
        """One direction of one layer over all places: what each gives, in the order of time, and the last state."""
        backwards = ending.endswith("_reverse")
        weights: list[Any] = [getattr(self, f"weight_{side}{ending}") for side in ("ih", "hh")]
        if self.bias:
            biases: list[Any] = [getattr(self, f"bias_{side}{ending}") for side in ("ih", "hh")]
        else:
            weights, biases = [transpose(weight) for weight in weights], [None, None]
        found: list[Any] = []
        for place in reversed(places) if backwards else places:
            state = self.moved(weighed(place, weights[0], biases[0]), weighed(state[0], weights[1], biases[1]), state)
            found.append(state[0])
        return found[::-1] if backwards else found, state

    def _part(self, sums: Any, gate: int) -> Any:
        """The weighed sums of one gate."""
        width = self.hidden_size
        return index(sums, key=(slice(None), slice(gate * width, (gate + 1) * width)))

    def _states(self, hx: Any, batch: int, single: bool) -> list[State]:
        """The state that every direction of every layer begins with."""
        count = self.num_layers * (1 + self.bidirectional)
        if hx is None:
            nothing = from_array(np.zeros((batch, self.hidden_size), self.weight_ih_l0.dtype))
            return [(nothing,) * self.remembered] * count
        parts: Any = (hx,) if self.remembered == 1 else hx
        if not isinstance(parts, tuple | list) or len(cast("list[Any]", parts)) != self.remembered:
            raise ShapeError(f"{type(self).__name__}: hx is a pair (h, c), not {type(hx).__name__}")
        wanted = (count, self.hidden_size) if single else (count, batch, self.hidden_size)
        given: list[Any] = [as_input(part, type(self).__name__) for part in cast("list[Any]", parts)]
        for part in given:
            if part.shape != wanted:
                raise ShapeError(f"{type(self).__name__}: hx has shape {wanted} for this input, not {part.shape}")
        full = [reshape(part, shape=(count, batch, self.hidden_size)) for part in given]
        return [tuple(index(part, key=i) for part in full) for i in range(count)]

    def _endings(self, layer: int) -> list[str]:
        """How the names of a layer's parameters end, for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def _misfit(self, x: Any) -> ShapeError:
        order = "batch, time" if self.batch_first else "time, batch"
        return ShapeError(
            f"{self!r} takes sequences of shape ({order}, {self.input_size}), or (time, {self.input_size}) for one, of "
            f"at least one place, and got {named(x)}"
        )

    def multiply_adds(self, taken: tuple[int, ...], given: tuple[int, ...]) -> int:
        """One for each weight, place and example."""
        weights = (part.size for name, _, part in self.parts() if name.startswith("weight"))
        return sum(weights) * int(np.prod(taken[:-1]))

    def settings_shown(self) -> dict[str, Any]:
        return {"dropout": self.dropout.p}


def weighed(x: Any, weight: Any, bias: Any) -> Any:
    """The weighed sums of every row; without a bias, of weights that are transposed already."""
    return matmul(x, weight) if bias is None else affine(x, weight, bias)


class RNN(Recurrent):
    """The plain recurrent layer (Elman, 1990): h' = tanh(W x + b + U h + c), or relu with ``nonlinearity="relu"``.

    Shapes and settings are those of `Recurrent`: ``out, h = layer(x)``.

    >>> import chainrule as cr, numpy as np
    >>> out, h = cr.nn.RNN(3, 5, rng=0)(np.zeros((7, 2, 3), np.float32))
    >>> out.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = np.float32,
        rng: Seed = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity is tanh or relu, not {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        settings = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(input_size, hidden_size, *settings, dtype=dtype, rng=rng)

    def moved(self, from_input: Any, from_state: Any, state: State) -> State:
        return ((tanh if self.nonlinearity == "tanh" else relu)(from_input + from_state),)


class GRU(Recurrent):
    """The gated recurrent unit (Cho and others, 2014): a gate r for what is forgotten of h, a gate z for what stays.

    r, z = σ(W x + b + U h + c), n = tanh(W x + b + r ⊙ (U h + c)), h' = (1 − z) ⊙ n + z ⊙ h; the rows of the weights
    are r, z, n. Shapes and settings are those of `Recurrent`: ``out, h = layer(x)``.

    >>> import chainrule as cr, numpy as np
    >>> out, h = cr.nn.GRU(3, 5, num_layers=2, batch_first=True, rng=0)(np.zeros((2, 7, 3), np.float32))
    >>> out.shape, h.shape
    ((2, 7, 5), (2, 2, 5))
    """

    gates = 3

    def moved(self, from_input: Any, from_state: Any, state: State) -> State:
        forget, stay = (sigmoid(self._part(from_input, i) + self._part(from_state, i)) for i in range(2))
        new = tanh(self._part(from_input, 2) + forget * self._part(from_state, 2))
        return (new + stay * (state[0] - new),)


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997): a cell c that gates write to, keep and read.

    i, f, o = σ(…), g = tanh(…) of W x + b + U h + c, c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c'); the rows of the weights are
    i, f, g, o. The state is a pair: ``out, (h, c) = layer(x)``. Shapes and settings are those of `Recurrent`.

    >>> import chainrule as cr, numpy as np
    >>> out, (h, c) = cr.nn.LSTM(3, 5, bidirectional=True, rng=0)(np.zeros((7, 2, 3), np.float32))
    >>> out.shape, h.shape, c.shape
    ((7, 2, 10), (2, 2, 5), (2, 2, 5))
    """

    gates = 4
    remembered = 2

    def moved(self, from_input: Any, from_state: Any, state: State) -> State:
        sums = from_input + from_state
        write, keep, read = (sigmoid(self._part(sums, i)) for i in (0, 1, 3))
        cell = keep * state[1] + write * tanh(self._part(sums, 2))
        return read * tanh(cell), cell

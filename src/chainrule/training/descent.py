"""Gradient descent on paper: every epoch of a tiny net as a row, with values, gradients and updated weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule.core import Value, graph
from chainrule.core.state import enable_grad
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn.module import Module, check_size
from chainrule.table import Table
from chainrule.training.batches import batches_of, output_of
from chainrule.training.checkpoint import put_back, states_of
from chainrule.transforms import ones_like

MOST = 10
"""Parameters that a person can follow in a table."""

Nodes = Mapping[str, Any]


def descent_table(
    net: Callable[..., Nodes] | Module,
    weights: Mapping[str, Any] | None = None,
    *,
    lr: float,
    epochs: int,
    columns: Sequence[str] | None = None,
    x: Any = None,
    y: Any = None,
    loss: Callable[..., Any] | None = None,
) -> Table:
    """The table of plain gradient descent that courses print: one row an epoch, from the weights before to those after.

    `net` is a function of the weights, given by name as numbers or arrays, that returns its steps by name as a dict,
    the loss last; or a Module, with `x`, `y` and `loss`, whose steps are ``yhat`` and ``loss``, and which is left as it
    was. Columns are ``epoch``, ``w_before``, ``w_after``, a step by its name, and ``dA_dB``: how step A moves with step
    or weight B; L is the loss. Without `columns` they are the weights, the steps, the derivatives of the loss in the
    last step before it and in each weight, and the weights after. An array has a column for each entry. More than ten
    parameters raise `ShapeError`, as do columns that are not known and fewer epochs than one. Costs one backward pass
    for each derivative.

    >>> import chainrule as cr
    >>> def net(w1, w2):
    ...     h = 2.0 * w1
    ...     yhat = w2 * h
    ...     return {"h": h, "yhat": yhat, "loss": 0.5 * (yhat - 20.0) ** 2}
    >>> cr.training.descent_table(net, {"w1": 2.0, "w2": 0.5}, lr=0.01, epochs=2)
    epoch  w1_before  w2_before     h    yhat     loss  dL_dyhat    dL_dw1    dL_dw2  w1_after  w2_after
        1          2        0.5     4       2      162       -18       -18       -72      2.18      1.22
        2       2.18       1.22  4.36  5.3192  107.763  -14.6808  -35.8212  -64.0083   2.53821   1.86008
    """
    if isinstance(net, Module):
        if weights is not None or loss is None:
            raise DtypeError("descent_table of a Module takes x=, y= and loss=, and no weights: it has its own")
        before = states_of(net)
        try:
            return Descent(steps_of(net, x, y, loss), dict(net.named_parameters()), lr).table(epochs, columns)
        finally:
            put_back(before, net)
    if weights is None or loss is not None:
        raise DtypeError("descent_table of a function takes its weights by name, and the function returns the loss")
    leaves = {name: leaf(given) for name, given in weights.items()}
    program = net
    return Descent(lambda: program(**leaves), leaves, lr).table(epochs, columns)


class Descent:
    """Plain gradient descent on a few weights, and what its table is made of."""

    def __init__(self, program: Callable[[], Nodes], weights: dict[str, Any], lr: float) -> None:
        self.program, self.weights, self.lr = program, weights, lr
        count = sum(np.size(weight.data) for weight in weights.values())
        if not 0 < count <= MOST:
            raise ShapeError(
                f"a table of descent has room for 1 to {MOST} parameters, and this net has {count}: use fit"
            )

    def table(self, epochs: int, columns: Sequence[str] | None) -> Table:
        check_size("descent_table", epochs=epochs)
        rows: list[dict[str, float]] = []
        for epoch in range(1, epochs + 1):
            with enable_grad():
                nodes = self.steps()
            asked = list(columns) if columns is not None else self.usual(nodes)
            before = {name: weight.data for name, weight in self.weights.items()}
            loss = list(nodes.values())[-1]
            gradients = {name: derivative(loss, weight) for name, weight in self.weights.items()}
            after = {name: before[name] - self.lr * gradients[name] for name in before}
            held = {f"{name}_before": number for name, number in before.items()}
            held |= {f"{name}_after": number for name, number in after.items()}
            row: dict[str, float] = {}
            for column in asked:
                number = epoch if column == "epoch" else held.get(column)
                spread(column, self.looked_up(column, nodes) if number is None else number, row)
            rows.append(row)
            for name, weight in self.weights.items():
                weight.data = after[name]
        return Table(tuple(rows[0]), tuple(tuple(row.values()) for row in rows))

    def steps(self) -> Nodes:
        """What the net computes, by name; the loss is last and a single number."""
        nodes: Any = self.program()
        if not isinstance(nodes, Mapping) or not nodes:
            raise DtypeError("the net of a descent_table returns a dict of its steps, as {'yhat': yhat, 'loss': loss}")
        named = cast("Nodes", nodes)
        for name, node in named.items():
            if not isinstance(node, Value | Tensor):
                raise DtypeError(f"the step {name} is {type(node).__name__}, and not computed from the weights")
        loss = list(named)[-1]
        if np.size(named[loss].data) != 1:
            raise ShapeError(
                f"the last step is the loss, one number, and {loss} has shape {np.shape(named[loss].data)}"
            )
        return named

    def usual(self, nodes: Nodes) -> list[str]:
        """The columns of a table that nobody asked for in particular."""
        names = list(nodes)
        return [
            "epoch",
            *(f"{name}_before" for name in self.weights),
            *names,
            *(f"dL_d{name}" for name in [*names[-2:-1], *self.weights]),
            *(f"{name}_after" for name in self.weights),
        ]

    def looked_up(self, column: str, nodes: Nodes) -> Any:
        """A step, or the derivative of one in another or in a weight."""
        if column in nodes:
            return nodes[column].data
        named = {**nodes, "L": list(nodes.values())[-1]}
        whats = {**self.weights, **nodes}
        for place in range(len(column)):
            of, by = column[1:place], column[place + 2 :]
            if column[0] == "d" and column[place : place + 2] == "_d" and of in named and by in whats:
                return derivative(named[of], whats[by])
        raise ShapeError(
            f"the table has no column {column!r}: it knows {', '.join(self.usual(nodes))}, and the derivative of any "
            "step in another or in a weight"
        )


def derivative(of: Any, by: Any) -> Any:
    """How one step, a single number, moves with another or with a weight."""
    if np.size(of.data) != 1:
        raise ShapeError(f"a column of derivatives is that of a single number, not of shape {np.shape(of.data)}")
    found = graph.gradients_of([of], [ones_like(of)], [by], record=False)[0]
    return 0 * by.data if found is None else found


def leaf(given: Any) -> Any:
    """A weight to start from: a Value for a number, a Tensor for an array."""
    return Value(float(given)) if np.ndim(given) == 0 else Tensor(np.array(given, float), requires_grad=True)


def steps_of(net: Module, x: Any, y: Any, loss: Callable[..., Any]) -> Callable[[], Nodes]:
    data = batches_of(net, x, y, batch_size=None, shuffle=False, seed=0, owner="descent_table")
    ((batch, target, *_),) = data.epoch(1)

    def program() -> Nodes:
        out = output_of(net, batch)
        return {"yhat": out, "loss": loss(out, target)}

    return program


def spread(column: str, number: Any, row: dict[str, Any]) -> None:
    """Put a number, or each entry of an array, into a row."""
    if column == "epoch":
        row[column] = number
    elif np.size(number) == 1:
        row[column] = float(np.asarray(number).reshape(()))
    else:
        for place, entry in np.ndenumerate(np.asarray(number)):
            row[f"{column}[{','.join(map(str, place))}]"] = float(entry)

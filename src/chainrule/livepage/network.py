"""A network with its data as the subject of a page: the cost recorded, and what it says anywhere on the plane."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, ShapeError
from chainrule.livepage.subject import Points, Rows, Subject, recorded_at
from chainrule.nn import BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss

SPARE = 40
"""Points that may be added to those that are given."""


def network_subject(net: Any, x: Any, y: Any, *, loss: Any = None, **told: Any) -> Subject:
    """The cost of a network on data, an average over the rows; without a `loss`, the one that fits the targets.

    With two features and a target of one number, the page has room for more rows.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y)
    told = {"rows": len(x), **told}
    if x.ndim < 2 or not len(x) or len(x) != len(y):
        raise ShapeError(f"a network takes rows of features and as many targets, not {x.shape} and {y.shape}")
    if loss is None:
        several = y.dtype.kind in "iu" and y.ndim == 1 and net(x[:1]).shape[-1] > 1
        loss = CrossEntropyLoss() if several else MSELoss()
    if x.shape[1:] == (2,) and y.size == len(y) and is_average(loss):
        return plane_subject(net, x, y.astype(np.float64), loss, **told)
    taken = Tensor(x, dtype=float, label="x")
    wanted = y if y.dtype.kind in "iu" else Tensor(y, dtype=float, label="y")
    score = net(taken)
    cost = loss(score, wanted)
    subject = detached(net, cost, **told)
    if len(x) == 1 or not isinstance(loss, Loss):
        return subject
    places = {node: step.place for node, step in Subject(cost).lifted.step.items()}
    if taken not in places or score not in places:
        return subject
    target = places.get(wanted) if isinstance(wanted, Tensor) else None
    return replace(subject, batches=Rows(loss, len(x), places[taken], places[score], target, wanted))


def is_average(loss: Any) -> bool:
    """Whether a loss is the mean of one number for each row, as the plane needs it."""
    if isinstance(loss, MSELoss):
        return loss.convention == "mean"
    return isinstance(loss, BCEWithLogitsLoss) and loss.reduction == "mean" and loss.pos_weight is None


def plane_subject(net: Any, x: Any, y: Any, loss: Any, **told: Any) -> Subject:
    """The same with points on a plane, and room for more of them."""
    return replace(with_room(net, x, y, loss, SPARE, **told), bare=with_room(net, x, y, loss, 0, **told))


def with_room(net: Any, x: Any, y: Any, loss: Any, spare: int, **told: Any) -> Subject:
    """Points on a plane, and some rows that are none: each row has a share in the cost, or nothing."""
    count, room = len(x), len(x) + spare
    places = np.concatenate([x, np.zeros((spare, 2))])
    targets = np.concatenate([y.reshape(count, 1), np.zeros((spare, 1))])
    shares = np.concatenate([np.full((count, 1), 1 / count), np.zeros((spare, 1))])
    share = Tensor(shares, dtype=float, label="share")
    score = net(Tensor(places, dtype=float, label="x"))
    if score.shape != (room, 1):
        raise ShapeError(f"the network gives {score.shape[1:]} numbers for each row, and there is one target")
    score.label = score.label or "score"
    wanted = Tensor(targets, dtype=float, label="y")
    sigmoid = isinstance(loss, BCEWithLogitsLoss)
    each = type(loss)(reduction="none")(score, wanted) if sigmoid else (score - wanted) ** 2
    each.label = "each"
    subject = detached(net, (share * each).sum(), **told)
    steps = {subject.names[step]: step.place for step in subject.program.steps}
    points = Points(count, room, steps["x"], steps["y"], steps["share"], steps[score.label], sigmoid)
    rows = Rows(loss, room, points.x, points.score, points.y)
    return replace(subject, points=points, batches=rows)


def detached(net: Any, cost: Any, **told: Any) -> Subject:
    """A recorded cost as a subject of its own, in double precision: the network may go on learning elsewhere."""
    if not isinstance(cost, Tensor) or cost.shape:
        raise DtypeError("the loss of a page gives one number: the average over all rows")
    cost.label = "L"
    subject = Subject(cost, **told)
    for path, parameter in net.named_parameters():
        parts = [f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".")]
        subject.live.labels.setdefault(id(parameter), f"net{''.join(parts)}")
    return replace(subject, output=recorded_at(subject, subject.leaves))

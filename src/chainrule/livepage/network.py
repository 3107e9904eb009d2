"""A network with its data as the subject of a page: the cost recorded, and what it says anywhere on the plane."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, ShapeError
from chainrule.livepage.subject import Points, Rows, Subject, recorded_at
from chainrule.nn import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from chainrule.rules.composed import bounded_log, log_softmax
from chainrule.rules.pointwise import softplus

MOST_DATA = 1_000_000
"""Numbers of data that a page holds; of more the file would be too large to be opened."""
SPARE = 40
"""Points that may be added to those that are given."""
MOST_CLASSES = 6
"""Classes that are told apart on the plane."""


def network_subject(net: Any, x: Any, y: Any, *, loss: Any = None, **told: Any) -> Subject:
    """The cost of a network on data, an average over the rows; without a `loss`, the one that fits the targets.

    With two features and a target of one number or of one class, the page has room for more rows.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y)
    if y.dtype.kind not in "iufb":
        raise DtypeError(f"targets are numbers, and these are {y.dtype}: give each class its number, from 0")
    told = {"rows": len(x), **told}
    if x.ndim < 2 or not len(x) or len(x) != len(y):
        raise ShapeError(f"a network takes rows of features and as many targets, not {x.shape} and {y.shape}")
    if x.size > MOST_DATA:
        raise ShapeError(
            f"a page holds its data, and {len(x):,} rows of {x.size // len(x):,} numbers are too many: give it "
            f"{MOST_DATA // (x.size // len(x)):,} rows at most"
        )
    if loss is None:
        several = y.dtype.kind in "iu" and y.ndim == 1 and net(x[:1]).shape[-1] > 1
        loss = CrossEntropyLoss() if several else MSELoss()
    targets = targets_on_plane(net, x, y, loss) if x.shape[1:] == (2,) else None
    if targets is not None:
        return plane_subject(net, x, targets, loss, **told)
    taken = Tensor(x, dtype=float, label="x")
    score = net(taken)
    if y.shape == (len(x),) and score.shape == (len(x), 1):
        y = y.reshape(-1, 1)
    # Numbers of classes are looked up, and have not the shape of what is said of each.
    wanted = y if y.dtype.kind in "iu" and y.shape != score.shape else Tensor(y, dtype=float, label="y")
    cost = loss(score, wanted)
    subject = detached(net, cost, **told)
    if len(x) == 1 or not isinstance(loss, Loss):
        return subject
    places = {node: step.place for node, step in Subject(cost).lifted.step.items()}
    if taken not in places or score not in places:
        return subject
    target = places.get(wanted) if isinstance(wanted, Tensor) else None
    return replace(subject, batches=Rows(loss, len(x), places[taken], places[score], target, wanted))


def targets_on_plane(net: Any, x: Any, y: Any, loss: Any) -> Any:
    """A row for each point: its target, or a 1 at its class. None where the loss is no plain mean over such rows."""
    if isinstance(loss, CrossEntropyLoss):
        count = net(x[:1]).shape[-1]
        numbered = y.dtype.kind in "iu" and y.shape == (len(x),) and y.min() >= 0 and y.max() < count <= MOST_CLASSES
        evenly = loss.weight is None and loss.reduction == "mean" and not loss.label_smoothing and loss.ignore_index < 0
        return np.eye(count)[y] if numbered and evenly else None
    if isinstance(loss, MSELoss):
        is_mean = loss.convention == "mean"
    else:
        is_mean = isinstance(loss, BCELoss | BCEWithLogitsLoss) and loss.reduction == "mean"
        is_mean = is_mean and getattr(loss, "pos_weight", None) is None
        if isinstance(loss, BCELoss):
            loss(net(x), y.reshape(-1, 1))  # it refuses what is no probability
    return y.reshape(-1, 1).astype(np.float64) if is_mean and y.size == len(y) else None


def of_each(score: Any, wanted: Any, loss: Any) -> Any:
    """The loss of every row, in steps that stay true when a target moves: what is made of data alone is no step."""
    if isinstance(loss, CrossEntropyLoss):
        return -(wanted * log_softmax(score)).sum(axis=1, keepdims=True)
    if isinstance(loss, BCELoss):
        right, wrong = bounded_log(score), bounded_log(1 - score)
        return wanted * (wrong - right) - wrong
    return softplus(score) - wanted * score if isinstance(loss, BCEWithLogitsLoss) else (score - wanted) ** 2


def plane_subject(net: Any, x: Any, targets: Any, loss: Any, **told: Any) -> Subject:
    """The same with points on a plane, and room for more of them."""
    bare = with_room(net, x, targets, loss, 0, **told)
    return replace(with_room(net, x, targets, loss, SPARE, **told), bare=bare)


def with_room(net: Any, x: Any, targets: Any, loss: Any, spare: int, **told: Any) -> Subject:
    """Points on a plane, and some rows that are none: each row has a share in the cost, or nothing."""
    count, room, width = len(x), len(x) + spare, targets.shape[1]
    places, targets, shares = [
        np.concatenate([rows, np.zeros((spare, rows.shape[1]))])
        for rows in (x, targets, np.full((count, 1), 1 / count))
    ]
    share = Tensor(shares, dtype=float, label="share")
    score = net(Tensor(places, dtype=float, label="x"))
    if score.shape != (room, width):
        raise ShapeError(f"the network gives {score.shape[1:]} numbers for each row, and there is one target")
    score.label = score.label or "score"
    wanted = Tensor(targets, dtype=float, label="y")
    each = of_each(score, wanted, loss)
    each.label = "each"
    subject = detached(net, (share * each).sum(), **told)
    steps = {subject.names[step]: step.place for step in subject.program.steps}
    logits = isinstance(loss, BCEWithLogitsLoss)
    points = Points(count, room, steps["x"], steps["y"], steps["share"], steps[score.label], logits)
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

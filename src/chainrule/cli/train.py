"""`chainrule train`: from a file to a network that is trained, judged and saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import nn, optim
from chainrule.cli.examples import Lesson, spelled
from chainrule.cli.judge import Judgement, judge
from chainrule.cli.model_file import network_of, outputs_of, save_model
from chainrule.data import hold_out
from chainrule.errors import ChainruleError, ShapeError
from chainrule.training import EarlyStopping, History, Interrupted, accuracy, fit, r2

PATIENCE = 20
WATCHED = 0.1
"""The share of the training examples by which it is seen when to stop."""
LEAST_WATCHED = 20
"""Fewer examples than this say too little; then the loss in training is watched."""
STEPS = 10_000
FEWEST_EPOCHS, MOST_EPOCHS = 20, 300
"""Unless told otherwise, so many epochs as make about so many steps."""
SMALL = 10_000
"""Examples from which on larger batches are taken."""
MOST_PARAMETERS = 100_000_000


@dataclass(frozen=True)
class Plan:
    """What was said on the command line; None leaves it to the data."""

    layers: tuple[int, ...] | None
    epochs: int | None
    batch: int | None
    rate: float
    seed: int
    progress: bool


@dataclass(frozen=True)
class Trained:
    """A network that has been trained, and how it went."""

    net: nn.Sequential
    sizes: tuple[int, ...]
    history: History
    judgement: Judgement
    about: dict[str, Any]
    kept: str = ""
    """Which weights these are, where Ctrl-C ended the training; else nothing."""

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(parameter.size for parameter in self.net.parameters())


def sizes_of(lesson: Lesson, layers: Sequence[int] | None) -> tuple[int, ...]:
    """The width of every layer, from the features to the outputs."""
    columns = lesson.learned.columns
    hidden = usual_layers(len(lesson.learned)) if layers is None else layers
    sizes = (len(columns.names), *hidden, outputs_of(columns))
    parameters = sum((taken + 1) * given for taken, given in pairwise(sizes))
    if parameters > MOST_PARAMETERS:
        raise ShapeError(
            f"a network {words(sizes)} has {parameters:,} parameters, and at most {MOST_PARAMETERS:,} are trained "
            "here: name smaller --layers"
        )
    return sizes


def usual_layers(examples: int) -> tuple[int, ...]:
    """Hidden layers by the number of examples: what few examples teach, few neurons hold."""
    return (16,) if examples < 500 else (32,) if examples < 5_000 else (64, 32) if examples < 50_000 else (100,)


def usual_batch(examples: int) -> int:
    """How many examples make a step."""
    return 32 if examples < SMALL else 128


def usual_epochs(examples: int, batch: int) -> int:
    """How often all examples are gone through at most."""
    return min(max(STEPS // -(-examples // batch), FEWEST_EPOCHS), MOST_EPOCHS)


def words(sizes: Sequence[int]) -> str:
    """A network's layers as they are written: 4-16-3."""
    return "-".join(map(str, sizes))


def train(lesson: Lesson, plan: Plan) -> Trained:
    """Train with Adam until the loss gets no better, and judge by what was held back."""
    sizes = sizes_of(lesson, plan.layers)
    learned = lesson.learned
    batch = plan.batch or usual_batch(len(learned))
    epochs = plan.epochs or usual_epochs(len(learned), batch)
    classes = learned.columns.task == "classification"
    net = network_of(sizes, rng=np.random.default_rng(plan.seed))
    x, y, watched = learned.x, learned.targets, None
    if len(x) * WATCHED >= LEAST_WATCHED:
        x, y, *watched = hold_out(x, y, share=WATCHED, seed=plan.seed, stratify=classes)
    early, kept = EarlyStopping(PATIENCE), ""
    try:
        history = fit(
            net,
            x,
            y,
            loss=loss_of(classes),
            optimizer=optim.Adam(net.parameters(), lr=plan.rate),
            epochs=epochs,
            batch_size=batch,
            validation=tuple(watched) if watched else None,
            metrics=[accuracy if classes else r2],
            callbacks=[early],
            seed=plan.seed,
            progress=plan.progress,
        )
    except Interrupted as interrupted:
        history = interrupted.history
        kept = f"the weights of epoch {early.best_epoch}" if early.best_epoch else "the weights of the last step"
    if history.diverged:
        raise ChainruleError(f"{spelled(history.stopped)} (--lr was {plan.rate:g}); nothing was saved")
    if not all(np.isfinite(parameter.data).all() for parameter in net.parameters()):
        raise ChainruleError(
            f"the training diverged: weights became infinite or nan (--lr was {plan.rate:g}): try a smaller --lr; "
            "nothing was saved"
        )
    judgement = judge(net, lesson.held)
    about = {
        "source": lesson.source,
        "seed": plan.seed,
        "training": {
            "optimizer": "Adam",
            "lr": plan.rate,
            "batch": batch,
            "epochs": len(history),
            "stopped": history.stopped,
        },
        "held_out": {"rows": len(lesson.held), **judgement.numbers},
    }
    return Trained(net, sizes, history, judgement, about, kept)


def loss_of(classes: bool) -> nn.Module:
    """The loss for classes or for numbers."""
    return nn.CrossEntropyLoss() if classes else nn.MSELoss()


def save(trained: Trained, lesson: Lesson, path: Path) -> None:
    """Write the model file."""
    save_model(path, trained.net, trained.sizes, lesson.learned.columns, trained.about)


def plain(trained: Trained, lesson: Lesson, path: Path) -> dict[str, Any]:
    """What came out, for JSON."""
    return {
        "model": str(path),
        "target": lesson.learned.columns.target.name,
        "task": lesson.learned.columns.task,
        "layers": list(trained.sizes),
        "parameters": trained.parameters,
        "seed": trained.about["seed"],
        **trained.about["training"],
        "rows": len(lesson.learned),
        "held_out": {"rows": len(lesson.held), **trained.judgement.plain()},
    }

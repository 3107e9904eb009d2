"""Training: one call that fits a model, shows how it goes, and can be stopped and resumed.

>>> import chainrule as cr, numpy as np
>>> x = np.linspace(-1, 1, 32).reshape(32, 1)
>>> net = cr.nn.Linear(1, 1, dtype=float, rng=0)
>>> optimizer = cr.optim.SGD(net.parameters(), lr=0.3)
>>> history = cr.training.fit(
...     net, x, 2 * x + 1, loss=cr.nn.MSELoss(), optimizer=optimizer, epochs=50, batch_size=8, progress=False
... )
>>> net.weight.data.round(6).tolist(), net.bias.data.round(6).tolist()
([[2.0]], [1.0])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.later import load_later

if TYPE_CHECKING:
    from chainrule.table import Table
    from chainrule.training.callbacks import Callback, EarlyStopping
    from chainrule.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from chainrule.training.curvature import largest_curvature
    from chainrule.training.descent import descent_table
    from chainrule.training.fit import evaluate, fit, predict
    from chainrule.training.fit_table import Recipe, cross_validate, fit_table
    from chainrule.training.flow import gradient_flow
    from chainrule.training.history import History
    from chainrule.training.importance import input_effects, permutation_importance
    from chainrule.training.interrupt import Interrupted
    from chainrule.training.judge import judge
    from chainrule.training.linear import fit_linear
    from chainrule.training.metrics import (
        accuracy,
        balanced_accuracy,
        confusion_matrix,
        mean_absolute_error,
        precision_recall_f1,
        r2,
        roc_auc,
    )
    from chainrule.training.model import Model, load_model, save_model
    from chainrule.training.predictions import Predictions
    from chainrule.training.report import full_report, plain_report, short_report
    from chainrule.training.run import Run
    from chainrule.training.step import TrainingStep
    from chainrule.training.sweep import Sweep
    from chainrule.training.sweep_table import sweep_table

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "Interrupted",
    "Model",
    "Predictions",
    "Recipe",
    "Run",
    "Sweep",
    "Table",
    "TrainingStep",
    "accuracy",
    "balanced_accuracy",
    "confusion_matrix",
    "cross_validate",
    "descent_table",
    "evaluate",
    "fit",
    "fit_linear",
    "fit_table",
    "full_report",
    "gradient_flow",
    "input_effects",
    "judge",
    "largest_curvature",
    "load_checkpoint",
    "load_model",
    "mean_absolute_error",
    "permutation_importance",
    "plain_report",
    "precision_recall_f1",
    "predict",
    "r2",
    "roc_auc",
    "save_checkpoint",
    "save_model",
    "short_report",
    "sweep_table",
]

load_later(
    __name__,
    {
        "chainrule.table": "Table",
        "callbacks": "Callback EarlyStopping",
        "checkpoint": "Checkpoint load_checkpoint save_checkpoint",
        "curvature": "largest_curvature",
        "descent": "descent_table",
        "fit": "evaluate fit predict",
        "fit_table": "Recipe cross_validate fit_table",
        "flow": "gradient_flow",
        "history": "History",
        "importance": "input_effects permutation_importance",
        "interrupt": "Interrupted",
        "judge": "judge",
        "linear": "fit_linear",
        "metrics": "accuracy balanced_accuracy confusion_matrix mean_absolute_error precision_recall_f1 r2 roc_auc",
        "model": "Model load_model save_model",
        "predictions": "Predictions",
        "report": "full_report plain_report short_report",
        "run": "Run",
        "step": "TrainingStep",
        "sweep": "Sweep",
        "sweep_table": "sweep_table",
    },
)

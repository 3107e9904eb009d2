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
    from chainrule.table import Table as Table
    from chainrule.training.callbacks import Callback as Callback
    from chainrule.training.callbacks import EarlyStopping as EarlyStopping
    from chainrule.training.checkpoint import Checkpoint as Checkpoint
    from chainrule.training.checkpoint import load_checkpoint as load_checkpoint
    from chainrule.training.checkpoint import save_checkpoint as save_checkpoint
    from chainrule.training.curvature import largest_curvature as largest_curvature
    from chainrule.training.descent import descent_table as descent_table
    from chainrule.training.fit import evaluate as evaluate
    from chainrule.training.fit import fit as fit
    from chainrule.training.fit import predict as predict
    from chainrule.training.fit_table import Recipe as Recipe
    from chainrule.training.fit_table import cross_validate as cross_validate
    from chainrule.training.fit_table import fit_table as fit_table
    from chainrule.training.flow import gradient_flow as gradient_flow
    from chainrule.training.history import History as History
    from chainrule.training.importance import input_effects as input_effects
    from chainrule.training.importance import permutation_importance as permutation_importance
    from chainrule.training.interrupt import Interrupted as Interrupted
    from chainrule.training.judge import judge as judge
    from chainrule.training.linear import fit_linear as fit_linear
    from chainrule.training.metrics import accuracy as accuracy
    from chainrule.training.metrics import balanced_accuracy as balanced_accuracy
    from chainrule.training.metrics import confusion_matrix as confusion_matrix
    from chainrule.training.metrics import mean_absolute_error as mean_absolute_error
    from chainrule.training.metrics import precision_recall_f1 as precision_recall_f1
    from chainrule.training.metrics import r2 as r2
    from chainrule.training.metrics import roc_auc as roc_auc
    from chainrule.training.model import Model as Model
    from chainrule.training.model import load_model as load_model
    from chainrule.training.model import save_model as save_model
    from chainrule.training.predictions import Predictions as Predictions
    from chainrule.training.report import full_report as full_report
    from chainrule.training.report import plain_report as plain_report
    from chainrule.training.report import short_report as short_report
    from chainrule.training.run import Run as Run
    from chainrule.training.step import TrainingStep as TrainingStep
    from chainrule.training.sweep import Sweep as Sweep
    from chainrule.training.sweep_table import sweep_table as sweep_table

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

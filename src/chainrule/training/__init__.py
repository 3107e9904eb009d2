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

from chainrule.later import load_later

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

"""Optimizers: how parameters move against their gradients, after PyTorch's names and formulas.

>>> import chainrule as cr
>>> w = cr.nn.Parameter([1.0, 2.0], dtype=float)
>>> optimizer = cr.optim.SGD([w], lr=0.1)
>>> (w * w).sum().backward()
>>> optimizer.step()
>>> w.data
array([0.8, 1.6])
"""

from typing import TYPE_CHECKING

from chainrule.later import load_later

if TYPE_CHECKING:
    from chainrule.optim import lr_scheduler
    from chainrule.optim.adagrad import Adagrad
    from chainrule.optim.adam import Adam, AdamW
    from chainrule.optim.clip import clip_grad_norm_, clip_grad_value_
    from chainrule.optim.lr_scheduler import (
        ChainedScheduler,
        CosineAnnealingLR,
        ExponentialLR,
        LambdaLR,
        LinearLR,
        LRScheduler,
        MultiStepLR,
        OneCycleLR,
        ReduceLROnPlateau,
        SequentialLR,
        StepLR,
    )
    from chainrule.optim.optimizer import Optimizer
    from chainrule.optim.rmsprop import RMSprop
    from chainrule.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "ChainedScheduler",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
    "lr_scheduler",
]

# Who moves by one optimizer waits for no other, nor for schedules.
load_later(
    __name__,
    {
        "adagrad": "Adagrad",
        "adam": "Adam AdamW",
        "clip": "clip_grad_norm_ clip_grad_value_",
        "lr_scheduler": "lr_scheduler ChainedScheduler CosineAnnealingLR ExponentialLR LambdaLR LinearLR LRScheduler "
        "MultiStepLR OneCycleLR ReduceLROnPlateau SequentialLR StepLR",
        "optimizer": "Optimizer",
        "rmsprop": "RMSprop",
        "sgd": "SGD",
    },
)

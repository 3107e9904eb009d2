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
    from chainrule.optim import lr_scheduler as lr_scheduler
    from chainrule.optim.adagrad import Adagrad as Adagrad
    from chainrule.optim.adam import Adam as Adam
    from chainrule.optim.adam import AdamW as AdamW
    from chainrule.optim.clip import clip_grad_norm_ as clip_grad_norm_
    from chainrule.optim.clip import clip_grad_value_ as clip_grad_value_
    from chainrule.optim.lr_scheduler import ChainedScheduler as ChainedScheduler
    from chainrule.optim.lr_scheduler import CosineAnnealingLR as CosineAnnealingLR
    from chainrule.optim.lr_scheduler import ExponentialLR as ExponentialLR
    from chainrule.optim.lr_scheduler import LambdaLR as LambdaLR
    from chainrule.optim.lr_scheduler import LinearLR as LinearLR
    from chainrule.optim.lr_scheduler import LRScheduler as LRScheduler
    from chainrule.optim.lr_scheduler import MultiStepLR as MultiStepLR
    from chainrule.optim.lr_scheduler import OneCycleLR as OneCycleLR
    from chainrule.optim.lr_scheduler import ReduceLROnPlateau as ReduceLROnPlateau
    from chainrule.optim.lr_scheduler import SequentialLR as SequentialLR
    from chainrule.optim.lr_scheduler import StepLR as StepLR
    from chainrule.optim.optimizer import Optimizer as Optimizer
    from chainrule.optim.rmsprop import RMSprop as RMSprop
    from chainrule.optim.sgd import SGD as SGD

# Who moves by one optimizer waits for no other, nor for schedules.
load_later(
    __name__,
    {
        "": "lr_scheduler",
        "adagrad": "Adagrad",
        "adam": "Adam AdamW",
        "clip": "clip_grad_norm_ clip_grad_value_",
        "lr_scheduler": "ChainedScheduler CosineAnnealingLR ExponentialLR LambdaLR LinearLR LRScheduler MultiStepLR "
        "OneCycleLR ReduceLROnPlateau SequentialLR StepLR",
        "optimizer": "Optimizer",
        "rmsprop": "RMSprop",
        "sgd": "SGD",
    },
)

"""Every schedule under the name of the module that PyTorch has them in.

>>> import chainrule as cr
>>> cr.optim.lr_scheduler.OneCycleLR is cr.optim.OneCycleLR
True
"""

from chainrule.optim.one_cycle import OneCycleLR
from chainrule.optim.plateau import ReduceLROnPlateau
from chainrule.optim.schedule import (
    ChainedScheduler,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    SequentialLR,
    StepLR,
)

__all__ = [
    "ChainedScheduler",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

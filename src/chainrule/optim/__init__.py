"""Optimizers: how parameters move against their gradients, after PyTorch's names and formulas.

>>> import chainrule as cr
>>> w = cr.nn.Parameter([1.0, 2.0], dtype=float)
>>> optimizer = cr.optim.SGD([w], lr=0.1)
>>> (w * w).sum().backward()
>>> optimizer.step()
>>> w.data
array([0.8, 1.6])
"""

from chainrule.later import load_later

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

"""Layers, losses, and the containers that hold them, after PyTorch's names and conventions.

>>> import chainrule as cr
>>> net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0), cr.nn.Tanh(), cr.nn.Linear(3, 1, rng=1))
>>> net
Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
>>> net([[1.0, 2.0]]).shape
(1, 1)
"""

from chainrule.nn.layers import Linear, ReLU, Sequential, Sigmoid, Tanh
from chainrule.nn.losses import CrossEntropyLoss, MSELoss
from chainrule.nn.module import Module, Parameter

__all__ = [
    "CrossEntropyLoss",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
]

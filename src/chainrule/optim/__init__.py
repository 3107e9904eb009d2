"""Optimizers: how parameters move against their gradients, after PyTorch's names and formulas.

>>> import chainrule as cr
>>> w = cr.nn.Parameter([1.0, 2.0], dtype=float)
>>> optimizer = cr.optim.SGD([w], lr=0.1)
>>> (w * w).sum().backward()
>>> optimizer.step()
>>> w.data
array([0.8, 1.6])
"""

from chainrule.optim.adam import Adam
from chainrule.optim.optimizer import Optimizer
from chainrule.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]

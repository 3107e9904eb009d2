"""Plots: one function each, which draws with Matplotlib (an extra) and returns the axes.

What is plotted comes from the engine: curves and slopes from the rules, paths from the optimizers, tables from
`training`. Every function takes `theme`, ``light`` or ``dark``.

>>> import chainrule as cr
>>> axes = cr.plot.tangent("x**3 - 3*x", 2.0)
>>> axes.get_title()
'f(x) = x³ − 3x: the slope at 2 is 9'
"""

from chainrule.plot.curves import activation, loss, quotients, tangent
from chainrule.plot.landscapes import gradient, rates, surface
from chainrule.plot.networks import boundary, flow, layers, mistakes, weights

__all__ = [
    "activation",
    "boundary",
    "flow",
    "gradient",
    "layers",
    "loss",
    "mistakes",
    "quotients",
    "rates",
    "surface",
    "tangent",
    "weights",
]

"""Data sets that come with the package, and a way to hold some of the examples back.

>>> import chainrule as cr
>>> x, y = cr.data.load_digits()
>>> x.shape, x.dtype, y.shape, y.dtype
((1797, 64), dtype('float32'), (1797,), dtype('int64'))
"""

from chainrule.data.digits import load_digits
from chainrule.data.split import hold_out

__all__ = ["hold_out", "load_digits"]

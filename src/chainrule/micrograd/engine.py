"""The scalar node under the name that micrograd gives it.

>>> import chainrule as cr
>>> from chainrule.micrograd.engine import Value
>>> Value is cr.Value
True
"""

from chainrule.core import Value

__all__ = ["Value"]

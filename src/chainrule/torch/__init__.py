"""PyTorch beside chainrule: its modules brought over, and its live models watched.

>>> import chainrule.torch  # loads PyTorch only when one of these is called
>>> sorted(name for name in dir(chainrule.torch) if name in ("from_module", "watch"))
['from_module', 'watch']
"""

from chainrule.torch.modules import from_module
from chainrule.torch.watching import watch

__all__ = ["from_module", "watch"]

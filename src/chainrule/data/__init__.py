"""Data: tables, files of images, generated points, the shipped digits; splits and batches of them.

>>> import chainrule as cr
>>> x, y = cr.data.load_digits()
>>> x.shape, x.dtype, y.shape, y.dtype
((1797, 64), dtype('float32'), (1797,), dtype('int64'))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.later import load_later

if TYPE_CHECKING:
    from chainrule.data.columns import Columns as Columns
    from chainrule.data.digits import load_digits as load_digits
    from chainrule.data.generate import make_circles as make_circles
    from chainrule.data.generate import make_moons as make_moons
    from chainrule.data.generate import make_spirals as make_spirals
    from chainrule.data.generate import make_xor as make_xor
    from chainrule.data.idx import load_idx as load_idx
    from chainrule.data.loader import DataLoader as DataLoader
    from chainrule.data.npz import load_mnist as load_mnist
    from chainrule.data.npz import load_npz as load_npz
    from chainrule.data.split import hold_out as hold_out
    from chainrule.data.split import k_folds as k_folds
    from chainrule.data.table import Table as Table
    from chainrule.data.table import read_table as read_table

load_later(
    __name__,
    {
        "columns": "Columns",
        "digits": "load_digits",
        "generate": "make_circles make_moons make_spirals make_xor",
        "idx": "load_idx",
        "loader": "DataLoader",
        "npz": "load_mnist load_npz",
        "split": "hold_out k_folds",
        "table": "Table read_table",
    },
)

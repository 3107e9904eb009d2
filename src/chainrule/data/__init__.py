"""Data: tables, files of images, generated points, the shipped digits; splits and batches of them.

>>> import chainrule as cr
>>> x, y = cr.data.load_digits()
>>> x.shape, x.dtype, y.shape, y.dtype
((1797, 64), dtype('float32'), (1797,), dtype('int64'))
"""

from chainrule.later import load_later

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

"""Pictures as tables, so that a network for them is trained, judged and saved as every other."""

from __future__ import annotations

import numpy as np

from chainrule.data.columns import Categories, Columns, Numbers
from chainrule.data.digits import load_digits
from chainrule.data.split import split_places
from chainrule.data.table import Table
from chainrule.errors import DataError
from chainrule.kinds import Array

MOST_LABELS = 1000
"""More different labels of pictures are damage."""


def table_of_pictures(x: Array, y: Array, classes: int) -> Table:
    """Pixels from 0 to 1, shape (pictures, pixels), with labels below `classes`, shape (pictures,), as a table.

    More than a thousand classes raise `DataError`.

    >>> from chainrule.data.pictures import table_of_pictures
    >>> import numpy as np
    >>> table_of_pictures(np.zeros((3, 4), np.float32), np.array([0, 1, 1]), 2)
    Table(3 rows, 4 features, classification of 'digit')
    """
    if classes > MOST_LABELS:
        raise DataError(f"the labels of the pictures go up to {classes - 1:,}, and at most {MOST_LABELS} are classes")
    features = tuple(Numbers(f"pixel {i}", 0.0, 1.0) for i in range(1, x.shape[1] + 1))
    columns = Columns(features, Categories("digit", tuple(range(classes))), standardized=False)
    return Table(x, y, columns, np.arange(1, len(y) + 1))


def table_of_digits() -> Table:
    return table_of_pictures(*load_digits(), classes=10)


def digits_held_out(share: float, seed: int) -> Table:
    """Those of the shipped digits that ``table_of_digits().hold_out`` holds back, in their order."""
    digits = table_of_digits()
    _, back = split_places(len(digits), share=share, seed=seed, classes=digits.y)
    (held,) = digits.parts(np.sort(back))
    return held

# Written by docs/write_stubs.py from what the package loads when a name in it is used.

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

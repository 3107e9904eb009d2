"""Mathematics as trees: what a formula means, what it looks like, and the printers that read them.

Meaning (`tree`) is evaluated and checked (`check`), and printed as text that NumPy runs (`plain`). Looks (`looks`) is
what a formula shows on paper, by the rule's own template and the shapes (`notation`); `latex`, `mathml` and `unicode`
print it. A formula is never read back from what was printed.
"""

from chainrule.maths.as_latex import latex
from chainrule.maths.as_mathml import mathml
from chainrule.maths.as_plain import plain
from chainrule.maths.as_unicode import unicode
from chainrule.maths.check import Different, Undefined, check
from chainrule.maths.tree import (
    Applied,
    Change,
    Derivative,
    Matrix,
    Number,
    Relation,
    Sigma,
    Symbol,
    Tree,
    Unknown,
    numeral,
    tree_of,
)

__all__ = [
    "Applied",
    "Change",
    "Derivative",
    "Different",
    "Matrix",
    "Number",
    "Relation",
    "Sigma",
    "Symbol",
    "Tree",
    "Undefined",
    "Unknown",
    "check",
    "latex",
    "mathml",
    "numeral",
    "plain",
    "tree_of",
    "unicode",
]

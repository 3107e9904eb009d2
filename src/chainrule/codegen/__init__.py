"""Rules and computations written out as plain source that a person can read."""

from typing import TYPE_CHECKING

from chainrule.later import load_later

if TYPE_CHECKING:
    from chainrule.codegen.numpy_source import write_rule as write_rule

# Whoever runs kernels waits for no printer.
load_later(__name__, {"numpy_source": "write_rule"})

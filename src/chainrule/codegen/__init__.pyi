# Written by docs/write_stubs.py from what the package loads when a name in it is used.

from chainrule.codegen.numpy_source import write_rule as write_rule

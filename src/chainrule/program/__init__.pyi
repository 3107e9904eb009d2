# Written by docs/write_stubs.py from what the package loads when a name in it is used.

from chainrule.program.lift import Lifted as Lifted
from chainrule.program.lift import lift as lift
from chainrule.program.names import names_of as names_of
from chainrule.program.nets import Net as Net
from chainrule.program.nets import NotANet as NotANet
from chainrule.program.nets import recognised as recognised
from chainrule.program.run import run as run
from chainrule.program.steps import Kind as Kind
from chainrule.program.steps import Program as Program
from chainrule.program.steps import Step as Step
from chainrule.program.terms import program_of as program_of
from chainrule.program.terms import term_of as term_of
from chainrule.program.trace import Trace as Trace
from chainrule.program.trace import trace as trace

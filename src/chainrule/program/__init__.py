"""A computation as data: what was recorded, typed or traced, in the one form that all that tells of it reads."""

from chainrule.program.lift import Lifted, lift
from chainrule.program.names import names_of
from chainrule.program.nets import Net, NotANet, recognised
from chainrule.program.run import run
from chainrule.program.steps import Kind, Program, Step
from chainrule.program.terms import program_of, term_of
from chainrule.program.trace import Trace, trace

__all__ = [
    "Kind",
    "Lifted",
    "Net",
    "NotANet",
    "Program",
    "Step",
    "Trace",
    "lift",
    "names_of",
    "program_of",
    "recognised",
    "run",
    "term_of",
    "trace",
]

"""A computation as data: what was recorded, typed or traced, in the one form that all that tells of it reads."""

from typing import TYPE_CHECKING

from chainrule.later import load_later
from chainrule.program.lift import Lifted, lift
from chainrule.program.run import run
from chainrule.program.steps import Kind, Program, Step
from chainrule.program.trace import Trace, trace

if TYPE_CHECKING:
    from chainrule.program.names import names_of
    from chainrule.program.nets import Net, NotANet, recognised
    from chainrule.program.terms import program_of, term_of

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

# Whoever runs a program waits for no reader of it.
load_later(__name__, {"names": "names_of", "nets": "Net NotANet recognised", "terms": "program_of term_of"})

"""A computation as data: what was recorded, typed or traced, in the one form that all that tells of it reads."""

from typing import TYPE_CHECKING

from chainrule.later import load_later

if TYPE_CHECKING:
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
    from chainrule.program.terms import with_others as with_others
    from chainrule.program.trace import Trace as Trace
    from chainrule.program.trace import trace as trace

# Whoever runs a program waits for no reader of it.
load_later(
    __name__,
    {
        "lift": "Lifted lift",
        "names": "names_of",
        "nets": "Net NotANet recognised",
        "run": "run",
        "steps": "Kind Program Step",
        "terms": "program_of term_of with_others",
        "trace": "Trace trace",
    },
)

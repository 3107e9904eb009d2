"""A computation as data: what was recorded, typed or traced, in the one form that all that tells of it reads."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.program.lift import Lifted, lift
from chainrule.program.run import run
from chainrule.program.steps import Kind, Program, Step
from chainrule.program.trace import Trace, trace

if TYPE_CHECKING:
    from chainrule.program.names import names_of
    from chainrule.program.nets import Net, NotANet, recognised
    from chainrule.program.terms import program_of, term_of

LATER = {
    "Net": "nets",
    "NotANet": "nets",
    "names_of": "names",
    "program_of": "terms",
    "recognised": "nets",
    "term_of": "terms",
}
"""What loads when it is first used, with the module that holds it: whoever runs a program waits for no reader of it."""

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


def __getattr__(name: str) -> Any:
    """A name of `LATER`, kept from then on."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{LATER[name]}"), name)
    return found

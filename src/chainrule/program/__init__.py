"""A computation as data: what was recorded, typed or traced, in the one form that all that tells of it reads."""

from chainrule.later import load_later

# Whoever runs a program waits for no reader of it.
load_later(
    __name__,
    {
        "lift": "Lifted lift",
        "names": "names_of",
        "nets": "Net NotANet recognised",
        "run": "run",
        "steps": "Kind Program Step",
        "terms": "program_of term_of",
        "trace": "Trace trace",
    },
)

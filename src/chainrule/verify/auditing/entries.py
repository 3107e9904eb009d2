"""Functions that nothing calls, followed with assumed arguments: alone, or what goes back after what goes forward."""

# What a program holds is known only when it is read.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from typing import Any

import numpy as np

from chainrule.verify.answers.traced import Traced
from chainrule.verify.auditing.reader import Reader
from chainrule.verify.auditing.values import Function, Unknown, on_tape

ARRIVES = re.compile(r"d|g$|grad|delta|out(put)?_?grad|upstream|incoming", re.IGNORECASE)
"""How the first argument of a function is called that goes back: what arrives."""


def entries(reader: Reader) -> list[tuple[str, ...]]:
    """Functions that nothing calls and that may be followed, the later ones first, for they call the earlier.

    What goes back is followed with what goes forward, ``affine_forward`` and ``affine_backward``.
    """
    named = {f.name: f for f in reader.uncalled() if f.name}
    found: list[tuple[str, ...]] = []
    for name in reversed(named):
        forward = re.sub("back(ward|prop)?", "forward", name)
        first = [*named[name].node.args.args, None][0]
        if forward != name and forward in named and first is not None and ARRIVES.match(first.arg):
            found.append((forward, name))
    together = {name for pair in found for name in pair}
    return [*found[::-1], *[(name,) for name in reversed(named) if name not in together]]


def follow(reader: Reader) -> None:
    """Follow the functions that are to be, with what is assumed for their arguments; what goes back gets any g."""
    called = [f for f in map(reader.scope.find, reader.entry) if isinstance(f, Function)]
    if not called:
        return
    first, *others = called
    names = [x.arg for x in first.node.args.args[: len(first.node.args.args) - len(first.defaults)]]
    reader.cell = first.cell
    given: dict[str, Any] = {}
    for name in names:
        given[name] = reader.unknown(Unknown(f"nothing calls {first.name}"), name)
        reader.note(name, given[name], None, first.node, None)
    returned = reader.call_function(first, list(given.values()), {})
    for back in others:
        out, *rest = returned if isinstance(returned, tuple) else (returned,)
        arrives, *names = [x.arg for x in back.node.args.args]
        if not isinstance(out, Traced):
            return
        g = on_tape(reader.tape, np.random.default_rng(1).normal(size=np.shape(out.value)), arrives)
        reader.note("loss", np.sum(out * g), None, back.node, None)
        beside = {name: given[name] for name in names if name in given}
        kept = [rest[0] if len(rest) == 1 else tuple(rest)] if rest else []
        more = dict(zip([name for name in names if name not in beside], kept, strict=False))
        reader.call_function(back, [g], {**beside, **more})

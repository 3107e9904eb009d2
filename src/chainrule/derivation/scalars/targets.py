"""What an explanation is about: the derivative that was asked for, and which single entries to tell of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.derivation.arrays import largest
from chainrule.derivation.notation import derivative
from chainrule.derivation.record import Block, Heading, Note
from chainrule.derivation.request import Request
from chainrule.derivation.scalars.graph import Entry, NotReached, ScalarGraph, entry_symbol
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import said
from chainrule.errors import GraphError
from chainrule.maths import Tree, plain


def name_of(tape: Tape, request: Request) -> Tree:
    """The derivative that was asked for, as a symbol; the output's where it was asked for in several nodes."""
    output = tape.symbols[tape.output]
    if request.wrt is None:
        return output
    return derivative(output, entry_symbol(tape, request.wrt, request.entry or ()))


def gradient_of(tape: Tape, request: Request) -> Any:
    """The gradient that was asked for; None where it was asked for in several nodes."""
    if request.wrt is None:
        return None
    gradient = tape.gradients[request.wrt]
    return gradient[request.entry] if request.entry is not None else gradient


def each_target(tape: Tape, request: Request, story: list[Block]) -> Iterator[ScalarGraph]:
    """The graph behind each entry to tell of; its heading, and what is to be noted of it, go into the story first."""
    targets, notes = target_entries(tape, request)
    story += notes
    for target in targets:
        if len(targets) > 1:
            story.append(Heading(said("In ", entry_symbol(tape, *target))))
        try:
            entries = ScalarGraph(tape, *target, whole=request.whole)
        except NotReached:
            story.append(
                Note(
                    said(
                        "The output does not move with ",
                        entry_symbol(tape, *target),
                        ": its gradient is 0, since what is made of it was not picked, or does not reach the output.",
                    )
                )
            )
        else:
            yield entries


def target_entries(tape: Tape, request: Request) -> tuple[list[Entry], list[Block]]:
    """The entries to tell of, at most `top`, and notes on what was chosen and left out.

    Of an array without a place the entry with the largest gradient is taken, and without `wrt` every leaf.
    """
    asked = tape.wrt or [x for x in tape.order if x.op is None]
    nodes = [x for x in asked if np.size(tape.numbers[x])]
    if not nodes:
        raise GraphError(f"{plain(tape.symbols[asked[0]])} has no entries: there is nothing to differentiate in")
    if request.entry is not None:
        return [Entry(nodes[0], request.entry)], []
    entries = [Entry(node, largest(tape.gradients.get(node, np.zeros(node.shape)))) for node in nodes]
    notes: list[Block] = []
    if len(entries) > max(request.top, 1):
        entries.sort(key=lambda entry: -size_of_gradient(tape, entry))
        notes.append(
            Note(
                f"Told of the {request.top} with the largest gradients of {len(entries):,}: name others, or "
                "ask for more at once."
            )
        )
        entries = entries[: max(request.top, 1)]
    chosen = [(entry, np.size(tape.numbers[entry.node])) for entry in entries]
    notes += [
        Note(
            said(
                tape.symbols[entry.node],
                f" has {size:,} entries; this is the one with the largest gradient, ",
                entry_symbol(tape, *entry),
                ". Another is asked for by its place.",
            )
        )
        for entry, size in chosen
        if size > 1
    ]
    return entries, notes


def size_of_gradient(tape: Tape, entry: Entry) -> float:
    gradient = tape.gradients.get(entry.node)
    return 0.0 if gradient is None else float(np.abs(np.nan_to_num(np.asarray(gradient)[entry.place])))

"""A learner's backward function or training loop: run on the probes, and taken apart where it is wrong."""

# What a function gives is known only when it has run.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.errors import UNFIT, GraphError
from chainrule.verify.agreement import agrees
from chainrule.verify.answers.traced import Tape, Traced, bare, watched
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.marking.working import Part, Working


def arguments(problem: Problem, f: Callable[..., Any]) -> list[str]:
    """The names of a function's arguments, which are those of the problem's leaves."""
    names = [p.name for p in inspect.signature(f).parameters.values() if p.default is p.empty]
    unknown = [name for name in names if name not in problem.leaves and name not in ("steps", "rate")]
    if unknown:
        known = ", ".join(problem.leaves)
        raise GraphError(f"the function takes {', '.join(unknown)}, and the problem's names are {known}")
    return names


def results_by_name(given: Any, asked: Sequence[str]) -> dict[str, Any]:
    """What a function returned, by what was asked: in order, or a dict by name."""
    if isinstance(given, Mapping):
        found = {}
        for name in asked:
            for spelled in (name, f"d{name}", f"grad_{name}", f"g{name}"):
                if spelled in given:
                    found[name] = given[spelled]
        if len(found) < len(asked):
            raise GraphError(f"the function returns {', '.join(map(str, given))}, and {', '.join(asked)} were asked")
        return found
    parts = list(given) if isinstance(given, list | tuple) else [given]
    if len(parts) != len(asked):
        raise GraphError(f"the function returns {len(parts)} results, and {len(asked)} were asked: {', '.join(asked)}")
    return dict(zip(asked, parts, strict=True))


def run_plain(
    f: Callable[..., Any], names: Sequence[str], walk: Walk, asked: Sequence[str], **more: Any
) -> dict[str, Any]:
    args = {name: np.array(walk.numbers[walk.problem.leaves[name]])[()] for name in names if name not in more}
    with Quiet():
        given = f(**args, **{name: more[name] for name in names if name in more})
    return {name: np.asarray(x, np.float64) for name, x in results_by_name(given, asked).items()}


def run_on_tape(
    tape: Tape, f: Callable[..., Any], names: Sequence[str], walk: Walk, asked: Sequence[str]
) -> dict[str, Any] | None:
    """The results at a probe, with all that happened on the tape; None where the function stops."""
    args: dict[str, Any] = {}
    for name in names:
        args[name] = tape.add(None, (), {}, np.array(walk.numbers[walk.problem.leaves[name]], np.float64))
        tape.notes[-1].name = name
    try:
        with Quiet():
            return results_by_name(watched(tape, f, args), asked)
    except UNFIT:
        return None


def take_apart(problem: Problem, f: Callable[..., Any], walks: Sequence[Walk], asked: Sequence[str]) -> Working | None:
    """The function as a working, recorded at every probe; nothing where it takes another way at each."""
    names = arguments(problem, f)
    tapes: list[Tape] = []
    results: dict[str, int] = {}
    for walk in walks:
        tape = Tape()
        given = run_on_tape(tape, f, names, walk, asked)
        if given is None:
            return None
        places = {name: x.place for name, x in given.items() if isinstance(x, Traced)}
        if len(places) < len(given) or (results and results != places):
            return None
        results = places
        tapes.append(tape)
    if any(not same_way(tapes[0], tape) for tape in tapes):
        return None
    working = Working(tuple(parts_of(problem, f, names, tapes, walks)), results)
    plain = run_plain(f, names, walks[0], asked)
    try:
        again = working.answers(walks[0])
    except UNFIT:  # what was recorded cannot be run again from its parts
        return None
    return working if all(np.array_equal(again[name], plain[name], equal_nan=True) for name in asked) else None


def misfit(
    problem: Problem, f: Callable[..., Any], walks: Sequence[Walk], asked: Sequence[str]
) -> tuple[str, str, str] | None:
    """The mistake in a function whose matrix products do not fit: the arrangement that makes everything right."""
    names = arguments(problem, f)
    for first, second, exchanged in product((False, True), repeat=3):
        where = ""
        for walk in walks:
            tape = Tape((first, second, exchanged))
            given = run_on_tape(tape, f, names, walk, asked)
            if given is None or not tape.rearranged:
                break
            if not all(agrees(bare(x), walk.right[problem.named[n]]) for n, x in given.items()):
                break
            note = tape.notes[tape.rearranged[0]]
            line = linecache.getline(f.__code__.co_filename, note.line).strip()
            where = ", in ".join([text for text in (note.name, line) if text]) or f"line {note.line}"
        else:
            turned = " and ".join(["the first factor"] * first + ["the second factor"] * second)
            says = f"{turned} has to be transposed" if turned else "the factors stand in the other order"
            return ("transposed" if turned else "wrong-product-order"), where, says
    return None


def same_way(one: Tape, other: Tape) -> bool:
    """Whether two runs did the same operations."""
    return len(one.notes) == len(other.notes) and all(
        a.inputs == b.inputs and a.operation == b.operation for a, b in zip(one.notes, other.notes, strict=True)
    )


def parts_of(
    problem: Problem, f: Callable[..., Any], names: Sequence[str], tapes: Sequence[Tape], walks: Sequence[Walk]
) -> list[Part]:
    """The notes of several runs as parts: leaves are looked up, numbers that depend on the run too."""
    file = f.__code__.co_filename if hasattr(f, "__code__") else ""
    parts: list[Part] = []
    for i, note in enumerate(tapes[0].notes):
        line = linecache.getline(file, note.line).strip()
        if i < len(names):
            step = problem.leaves[names[i]]
            parts.append(Part(look_up=lambda walk, step=step: walk.numbers[step], name=note.name, text=note.name))
        elif note.function is None:
            constants = {id(walk): bare(tape.notes[i].value) for walk, tape in zip(walks, tapes, strict=True)}
            first = tapes[0].notes[i].value
            if np.ndim(first) == 0 and all(np.array_equal(first, c) for c in constants.values()):
                # An axis and a count have to stay whole.
                number = int(first) if np.asarray(first).dtype.kind in "iu" else float(first)
                parts.append(Part(number=number, name=note.name, line=line, text=f"{number:g}"))
            else:
                parts.append(Part(look_up=lambda walk, c=constants: c[id(walk)], name=note.name, line=line))
        else:
            parts.append(note.part(note.inputs, line))
    return parts

"""A program as formulas and back: its results as terms, made shorter by the formulas' laws, and steps again.

Those laws (rewrite/) hold in real numbers, where a program's own (codegen/laws.py) hold in floating point: what was
infinite on the way may come out as undefined. So this is for derivatives of rules, which are written once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.codegen.simplified import Builder, is_constant, reached
from chainrule.core.operation import book
from chainrule.core.term import Term, constant, forward_order, symbol
from chainrule.program import Step, Trace
from chainrule.program.steps import steps_in
from chainrule.rewrite import operations, shortest


def as_formulas(trace: Trace, names: Mapping[Step, str], order: Sequence[str]) -> Trace:
    """The same function by the shortest formulas of its results, in which the symbols stand in this order.

    What has no formula, as an index at data, is a symbol in them, and so is a product of matrices, which sizes would
    bracket. A formula that is no shorter is left as it is.
    """
    return Formulas(trace, names, tuple(order)).rewritten()


class Formulas:
    """The terms of a program's steps, and the steps that these become."""

    def __init__(self, trace: Trace, names: Mapping[Step, str], order: tuple[str, ...]) -> None:
        self.trace = trace
        self.names = names
        self.order = order
        self.builder = Builder((), dict(trace.numbers))
        self.term: dict[Step, Any] = {}
        self.step: dict[Any, Step] = {}

    def rewritten(self) -> Trace:
        """The program of the shorter terms."""
        for step in self.trace.program.steps:
            if is_constant(step) and step.dtype.kind == "f":
                self.term[step] = constant(self.trace.numbers[step])
            elif step.op is None:
                self.stand_for(step, step)
            elif steps_in(step.settings) or step.dtype.kind != "f" or step.op is book["matmul"]:
                inputs, settings = step.given(lambda x: self.shorter(self.term[x]))
                self.stand_for(step, self.builder.plain(step.op, inputs, settings))
            else:
                inputs, settings = step.given(self.term.__getitem__)
                self.term[step] = Term.__apply__(step.op, inputs, settings)
        made = {x: x for x in self.trace.given if x is not None}
        order = dict.fromkeys(made)
        made |= {x: self.shorter(self.term[x]) for x in self.trace.program.outputs}
        order |= dict.fromkeys(reached(list(made.values())))
        return self.trace.made_anew(made, list(order), self.builder.numbers)

    def stand_for(self, step: Step, now: Step) -> None:
        """A symbol for a step, and what it becomes."""
        letter = self.term[step] = symbol(self.names.get(step, f"step {step.place}"), step.shape)
        self.step[letter] = now

    def shorter(self, term: Any) -> Step:
        form = shortest(term, self.order)
        term = form.term if form.cost < operations(term) else term
        for x in forward_order([term]):
            if x not in self.step:
                self.step[x] = self.builder.constant(x.number) if x.op is None else self.made(x)
        return self.step[term]

    def made(self, x: Term) -> Step:
        """The step of an operation; a square or cube is a product."""
        assert x.op is not None
        inputs = [self.step[y] if isinstance(y, Term) else y for y in x.inputs]
        exponent = self.builder.number(inputs[1]) if x.op is book["pow"] else None
        if exponent not in (2, 3):
            return self.builder.plain(x.op, inputs, x.settings)
        square = self.builder.plain(book["mul"], inputs[:1] * 2, {})
        return square if exponent == 2 else self.builder.plain(book["mul"], (square, inputs[0]), {})

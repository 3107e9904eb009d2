"""A recorded graph opened for drawing: names, numbers, gradients and local derivatives, with nothing changed on it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.differential import unknown
from chainrule.core.graph import backward_order, pullback
from chainrule.core.labels import find_labels, names_by_role
from chainrule.core.operation import Fused, Pointwise
from chainrule.core.state import Quiet
from chainrule.core.term import Term
from chainrule.errors import UNFIT, GraphError
from chainrule.maths import Symbol, Tree, plain, unicode
from chainrule.maths.names import symbol_named, symbols_for
from chainrule.maths.of_terms import tree_of_term
from chainrule.pictures.numbers import NONE, number, rounded, shown
from chainrule.pictures.widths import fitted
from chainrule.program import Kind, Step, lift, term_of
from chainrule.rewrite import simplify
from chainrule.rewrite.local import handed_back

LONGEST_LABEL, LONGEST_NAME, LONGEST_FORMULA, LONGEST_FACTOR, LONGEST_INSIDE = 40, 24, 30, 20, 10
"""Signs of a text; what is longer is cut, and a formula is left out for the name of its operation."""
IN_NAMES = "_.[]'…"
"""Signs that names have in them; any other would read as an operation beside others."""
ACCURACY = 1e-4
"""How closely a leaf's gradient agrees with that of one backward pass in single precision."""

Node = Any


def in_formula(name: Tree, printer: Callable[[Tree], str], longest: int) -> Tree:
    """A name as it stands in a formula: cut where it is too long, and in brackets where signs in it read as more.

    Of a path the end is kept.
    """
    text = printer(name)
    end = f"…{text.rpartition('.')[2]}"
    short = end if len(end) <= longest < len(text) and "." in text else fitted(text, longest)
    letters = [sign.isalnum() or sign in IN_NAMES or bool(unicodedata.combining(sign)) for sign in short]
    odd = not all(letters) or short[:1].isdigit()
    if short == text and not odd:
        return name
    return Symbol(f"({short})" if odd else short, shape=name.shape)


class Live:
    """What a picture tells of the graph behind some results. O(nodes); formulas and slopes only for what is asked."""

    def __init__(
        self,
        outputs: Sequence[Node],
        digits: int,
        gradients: Mapping[Node, Any] | None = None,
        right: Mapping[Node, Any] | None = None,
        labels: Mapping[int, str] | None = None,
    ) -> None:
        self.outputs = tuple(outputs)
        self.digits = digits
        self.lifted = lift(*outputs)
        self.steps = self.lifted.program.steps
        found = {**(labels or {}), **find_labels(self.lifted.nodes)}
        self.labels = {**names_by_role(self.lifted.nodes, found), **found}
        self.names = {key: fitted(label, LONGEST_LABEL) for key, label in self.labels.items()}
        """The labels as they may be printed."""
        self.short: dict[Step, str] = {}
        """What a step is called inside the frame of its module."""
        self.written: Sequence[Step] = self.steps
        """The steps that have a box of their own."""
        self.notes: list[str] = []
        self.given = gradients
        """Gradients to show in place of those on the nodes, and those that would be right."""
        self.right = right or {}

    def again(self) -> Live:
        """The same graph before anything was chosen of it, as which steps have a box."""
        found = copy(self)
        for name in ("letters", "symbols", "whole_symbols"):
            found.__dict__.pop(name, None)
        found.short, found.written, found.notes = {}, found.steps, []
        return found

    def number(self, step: Step) -> Any:
        """What a step came to when it was recorded."""
        return self.lifted.numbers[step.place]

    def node(self, step: Step) -> Node:
        return self.lifted.nodes[step.place]

    @cached_property
    def letters(self) -> dict[Step, Term]:
        """A symbol for each step that is written: the user's name, or v and a number; no two are alike."""
        written = set(self.written) | {x for step in self.written for x in step.input_steps}
        taken = set(self.names.values())
        given: set[str] = set()
        found: dict[Step, Term] = {}
        count = {"c": 0, "v": 0}
        for step, node in self.pairs():
            label = name = self.names.get(id(node), "")
            kind = "c" if step.kind is Kind.DATA else "v"
            again = 1
            while not name or (name in taken if not label else name in given):
                count[kind] += not label
                again += 1
                name = f"{label} ({again})" if label else f"{kind}{count[kind]}"
            if step in written:
                found[step] = unknown(name, step.shape)
            if label:
                given.add(name)
        return found

    @cached_property
    def symbols(self) -> dict[Term, Tree]:
        found = dict(self.whole_symbols)
        for step, name in self.short.items():
            if step in self.letters:
                found[self.letters[step]] = replace(symbol_named(name), name=name, shape=step.shape)
        return found

    @cached_property
    def whole_symbols(self) -> dict[Term, Tree]:
        """The same where no frame stands around: with the path of a parameter's module."""
        printed = symbols_for({x.label: x.shape for x in self.letters.values()})
        return {x: printed[x.label] for x in self.letters.values()}

    def name(self, step: Step) -> str:
        return unicode(self.whole_symbols[self.letters[step]])

    def title(self, step: Step) -> str:
        """The name and the formula, in the names that they have in the frame of their module."""
        return self.in_names(step, self.symbols, unicode)

    def whole(self, step: Step) -> str:
        """The same where no frame stands around."""
        return self.in_names(step, self.whole_symbols, unicode)

    def typed(self, step: Step) -> str:
        """The same as it is typed."""
        return self.in_names(step, self.whole_symbols, plain)

    def in_names(self, step: Step, names: dict[Term, Tree], printer: Callable[[Tree], str]) -> str:
        """The name of a step, and how it is computed from its inputs; of a long formula the operation's name."""
        name = fitted(printer(names[self.letters[step]]), LONGEST_NAME)
        if step.op is None:
            return name
        letters = {x: self.letters[x] for x in step.input_steps}
        for longest in (LONGEST_LABEL, LONGEST_INSIDE):
            inside = {x: in_formula(names[x], printer, longest) for x in letters.values()}
            given = ", ".join(map(printer, inside.values()))
            text = self.formula(step, letters, {**names, **inside}, printer)
            called = f"{step.op.name}({given}{', …' * bool(step.settings)})"
            if text == given:  # only its shape is another
                text = f"{step.op.name}({given})"
            for found in (text, called):
                if 0 < len(found) <= LONGEST_FORMULA and len(set(inside.values())) == len(inside):
                    return f"{name} = {found}"
        return f"{name} = {step.op.name}"

    def formula(
        self, step: Step, letters: Mapping[Step, Term], names: Mapping[Term, Tree], printer: Callable[[Tree], str]
    ) -> str:
        """How a step is computed; nothing where that has no formula, or one that hangs on which rows data choose."""
        if isinstance(step.op, Fused) and any([isinstance(x, np.ndarray) for x in step.settings.values()]):
            return ""
        try:
            return self.printed(term_of(step, letters), names, printer)
        except UNFIT:
            return ""

    def printed(self, term: Any, names: Mapping[Term, Tree], printer: Callable[[Tree], str]) -> str:
        """A formula, its constants in the digits of the picture; a new shape is not in it, but stands in the box."""
        if isinstance(term, Term) and term.op is not None and tuple(term.settings) == ("shape",):
            text, inner = (printer(tree_of_term(x, names)) for x in (term, *term.inputs[:1]))
            return f"{term.op.name}({inner})" if "shape" in text else text
        return printer(rounded(tree_of_term(term, names), self.digits))

    def operation(self, step: Step) -> str:
        """The operation's name, of a leaf what it is."""
        return step.kind.value if step.op is None else step.op.name

    # Gradients

    @cached_property
    def gradients(self) -> dict[Step, Any]:
        """The gradients as they are, by step; none where no backward pass has left or passed one.

        A Value keeps its gradient from the start, as 0: it counts where a backward pass has come by, which what the
        node goes into tells. A Tensor that is no leaf keeps none, so between leaves they are computed, where the leaves
        show that one backward pass has come from here.
        """
        if self.given is not None:
            return {step: self.given[node] for step, node in self.pairs() if node in self.given}
        if any([isinstance(node, Value) for node in self.lifted.nodes]):
            passed: set[Step] = set()
            for step, node in zip(reversed(self.steps), reversed(self.lifted.nodes), strict=True):
                if node.grad != 0 or step in passed:
                    passed.add(step)
                    passed.update([x for _, x in step.edges])
            return {step: node.grad for step, node in self.pairs() if step in passed}
        held = {step: node.grad.data for step, node in self.pairs() if node.grad is not None}
        if not held or len(self.outputs) != 1 or self.outputs[0].shape:
            return held
        return {**self.passed(held), **held}

    def passed(self, held: Mapping[Step, Any]) -> dict[Step, Any]:
        """The gradients between, where a pass from the output gives what the leaves hold."""
        moving = [step for step in self.steps if step.requires_grad]
        nodes = [self.node(step) for step in moving]
        try:
            found = self.computed(nodes)
        except GraphError:
            self.notes.append("The graph has changed since its forward, so no gradient is shown between its leaves.")
            return {}
        same = [np.allclose(found[self.node(x)], g, rtol=ACCURACY, atol=1e-12, equal_nan=True) for x, g in held.items()]
        if not all(same):
            self.notes.append("The leaves hold more than one pass from here left, so none is shown between them.")
            return {}
        return {step: found[node] for step, node in zip(moving, nodes, strict=True) if node in found}

    def computed(self, nodes: Sequence[Node]) -> dict[Node, Any]:
        """The gradients of the output in some nodes, of 1 in itself; `grad` of none is touched."""
        found: dict[Node, Any] = {node: np.zeros(node.shape) for node in nodes}

        def arrived(node: Node, g: Any) -> bool:
            found[node] = g
            return True

        output = self.outputs[0]
        pullback([output], [np.ones(output.shape, output.dtype)], arrived, among=backward_order([output]))
        return found

    def pairs(self) -> Iterator[tuple[Step, Node]]:
        return zip(self.steps, self.lifted.nodes, strict=True)

    def grad(self, step: Step) -> str:
        """A gradient in words; a dash before a backward pass, nothing for data."""
        if not step.requires_grad:
            return ""
        found = self.gradients.get(step)
        return NONE if found is None else shown(found, self.digits)

    # Edges

    def shares(self, step: Step) -> dict[int, Any]:
        """What a step hands back to each input, by its slot; empty before a backward pass."""
        g = self.gradients.get(step)
        node = self.node(step)
        if g is None or step.op is None:
            return {}
        with Quiet():
            if isinstance(node, Value):
                return {slot: node.share(k, g) for k, (slot, _) in enumerate(node.edges)}
            g = np.asarray(g, node.dtype)
            return {i: node.op.pull(i, g, node.data, node.arrays, node.settings) for i, _ in node.edges}

    def factor(self, step: Step, slot: int) -> str:
        """The local derivative: a number, the range of several, or of a matrix what is done to the gradient g."""
        node = self.node(step)
        if isinstance(node, Value):
            return number(node.local_derivatives[[i for i, _ in node.edges].index(slot)], self.digits)
        source = step.inputs[slot]
        if not isinstance(step.op, Pointwise):
            if not step.shape and not source.shape:
                with Quiet():
                    one = np.ones((), node.dtype)
                    pulled = node.op.pull(slot, one, node.data, node.arrays, node.settings)
                return number(float(pulled), self.digits)
            return self.adjoint(step, slot)
        with Quiet():
            slope = np.asarray(step.op.partial(slot, node.data, node.arrays, node.settings), dtype=np.float64)
        same = slope.size > 0 and bool(np.all(slope == slope.flat[0]))
        text = number(float(slope.flat[0]), self.digits) if same else shown(slope, self.digits).partition(", ")[2]
        return text if same or slope.ndim > 1 or slope.size > 3 else shown(slope, self.digits)

    def adjoint(self, step: Step, slot: int) -> str:
        """What an operation on arrays does to the gradient g on the way to an input, in symbols."""
        assert step.op is not None
        letters = [self.letters[x] if isinstance(x, Step) else x for x in step.inputs]
        g = unknown("g", step.shape)
        try:
            out = Term.__apply__(step.op, letters, step.settings)
            found = handed_back(step.op, slot, g, out, letters, step.settings)
            printed = symbols_for({"g": step.shape})["g"]
            text = self.printed(simplify(found), {**self.symbols, g: printed}, unicode)
        except UNFIT:
            return ""
        return text if len(text) <= LONGEST_FACTOR else ""

    # What is not finite

    @cached_property
    def origins(self) -> dict[Step, str]:
        """The steps at which numbers stop being finite, and how."""
        if all([math.isfinite(x) if type(x) is float else np.isfinite(x).all() for x in self.lifted.numbers]):
            return {}
        return {step: how for step in self.steps if (how := self.origin(step))}

    def origin(self, step: Step) -> str:
        """What begins at a step that is not finite; nothing where it was handed on, or is data that spoil no result."""
        numbers = np.asarray(self.number(step), dtype=np.float64)
        if numbers.size and np.isfinite(numbers).all():
            return ""
        given = step.input_steps
        if not numbers.size or not all([np.isfinite(self.number(x)).all() for x in given]):
            return ""
        if step.kind is Kind.DATA and all([np.isfinite(x.data).all() for x in self.outputs]):
            return ""
        signs = "".join([sign for sign, end in (("+", np.inf), ("−", -np.inf)) if (numbers == end).any()])
        what = "nan" if np.isnan(numbers).any() else {"+": "∞", "−": "−∞", "+−": "±∞"}[signs]
        return f"{what} given" if step.op is None else f"{what} begins here"

    def wrong(self, step: Step) -> str:
        """What is wrong at a step: numbers that stop being finite, or another gradient than the right one."""
        node = self.node(step)
        if node in self.right:
            found, right = self.gradients.get(step, 0.0), self.right[node]
            if not np.allclose(found, right, rtol=1e-9, atol=1e-12, equal_nan=True):
                return f"right is {shown(right, self.digits)}"
        return self.origins.get(step, "")

    @cached_property
    def broken(self) -> set[tuple[Step, int]]:
        """The edges on which a finite gradient stops being finite: a step and the slot of its input."""
        if all([math.isfinite(g) if type(g) is float else np.isfinite(g).all() for g in self.gradients.values()]):
            return set()
        return {
            (step, slot)
            for step, g in self.gradients.items()
            if np.isfinite(g).all()
            for slot, share in self.shares(step).items()
            if not np.isfinite(share).all()
        }

"""What a page can be taken along as: texts with places for the numbers that it holds at the time."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.codegen.as_numpy import numpy_source
from chainrule.core import Value
from chainrule.core.term import Term
from chainrule.derivation.arrays import SMALL
from chainrule.errors import UNFIT
from chainrule.livepage.passes import all_names, identifiers, leaf_names, shortened
from chainrule.livepage.subject import Subject
from chainrule.maths import latex, plain
from chainrule.maths.of_terms import tree_of_term
from chainrule.maths.tree import Derivative, Symbol
from chainrule.program import Step, term_of
from chainrule.program.run import record

Text = list[Any]
"""Words, and places: ``["leaf", 3]``, ``["value", 5]``, ``["gradient", 0]``."""


def exports_of(subject: Subject) -> dict[str, Text]:
    """The texts by what they are written in."""
    return {
        "Python": python_of(subject),
        "NumPy": numpy_of(subject),
        "LaTeX": latex_of(subject),
    }


def python_of(subject: Subject) -> Text:
    """A script that records the same with this package, and differentiates it."""
    names = identifiers(subject)
    scalar = isinstance(subject.output, Value)
    calls = [f"{names[s]} = {call_of(s, names)}\n" for s in subject.program.steps if s.op is not None]
    out: Text = ["" if scalar and "np." not in "".join(calls) else "import numpy as np\n\n", "import chainrule as cr\n"]
    if any([" = book[" in line for line in calls]):
        out.append("from chainrule.core.operation import book\n")
    out.append("\n")
    for n, step in enumerate(subject.program.leaves):
        if scalar:
            out += [f"{names[step]} = cr.Value(", numbers_of(n, step), ")\n"]
        elif step.requires_grad:
            out += [f"{names[step]} = cr.Tensor(", numbers_of(n, step), ", dtype=float, requires_grad=True)\n"]
        else:
            out += [f"{names[step]} = np.array(", numbers_of(n, step), ")\n"]
    out += calls
    top = names[subject.program.output]
    told = [f'    print("{names[s]}", {names[s]}.grad)\n' for s in subject.trained]
    return [*out, f"{top}.backward()\n", f'print("{top}", {top}.data)\n', *[line.strip(" ") for line in told]]


def numbers_of(n: int, step: Step) -> Any:
    """The place of a leaf's numbers; of an array without any, its shape."""
    return ["leaf", n] if step.size else f"np.zeros({step.shape})"


INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@"}


def call_of(step: Step, names: dict[Step, str]) -> str:
    """A step as a call of this package."""
    assert step.op is not None
    inputs = [text_of(x, names) for x in step.inputs]
    if step.op.name in INFIX and len(inputs) == 2:
        return f" {INFIX[step.op.name]} ".join([f"({x})" if x.startswith("-") else x for x in inputs])
    given = [f"{name}={text_of(x, names)}" for name, x in step.settings.items()]
    # What the package calls so may take its arguments otherwise, or have no name there: the book has every operation.
    name = f"cr.{step.op.name}" if getattr(cr, step.op.name, None) is step.op else f'book["{step.op.name}"]'
    return f"{name}({', '.join([*inputs, *given])})"


def text_of(x: Any, names: dict[Step, str]) -> str:
    """An input or a setting as Python has it."""
    if isinstance(x, Step):
        return names[x]
    if isinstance(x, tuple | list):
        parts = [text_of(part, names) for part in x]
        return f"[{', '.join(parts)}]" if isinstance(x, list) else f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    if isinstance(x, np.ndarray):
        return f"np.array({text_of(x.tolist(), names)}, {str(x.dtype)!r})"
    if isinstance(x, np.dtype | type):
        return f'np.dtype("{np.dtype(x)}")'
    if isinstance(x, np.generic):
        return text_of(x.item(), names)
    if isinstance(x, float):
        return repr(float(x)) if np.isfinite(x) else f'float("{x}")'
    return repr(x)


def numpy_of(subject: Subject) -> Text:
    """The forward and the backward in NumPy alone, and a call with the numbers."""
    program, names, given = subject.program, all_names(subject), leaf_names(subject)

    def loss(leaves: list[Any]) -> Any:
        return record(program, leaves, names)[program.output.place]

    def both(leaves: list[Any]) -> list[Any]:
        value, gradients = cr.value_and_grad(loss)(leaves)
        for name, g in zip(given, gradients, strict=True):
            if hasattr(g, "named"):
                g.named(f"d{name}")
        return [value, *gradients]

    source = numpy_source(
        shortened(both, subject.leaves, given), "loss", "The result, and its gradients in the arguments."
    )
    arguments: Text = []
    for n, step in enumerate(program.leaves):
        # A Python float would refuse to be divided by 0.
        text: Text = [f"np.{'array' if step.shape else 'float64'}(", numbers_of(n, step), ")"]
        arguments += [", "] * bool(arguments) + text
    head = "" if "import numpy" in source else "import numpy as np\n\n"
    return [head, source, "\n\n", "value, *gradients = loss(", *arguments, ")\nprint(value, *gradients)\n"]


def latex_of(subject: Subject) -> Text:
    """Every step with its formula and number, and every gradient, in LaTeX."""
    live = subject.live
    symbols = live.whole_symbols
    top = symbols[live.letters[subject.program.output]]
    out: Text = ["\\begin{aligned}\n"]
    for step in subject.program.steps:
        letter = latex(symbols[live.letters[step]])
        out += [f"{letter} &= "]
        formula = formula_of(subject, step)
        out += [f"{latex(formula)} = "] if formula is not None else []
        out += [["value", step.place] if is_written(step) else "\\ldots", " \\\\\n"]
    for step in subject.trained:
        name = latex(Derivative(top, as_symbol(symbols[live.letters[step]])))
        out += [f"{name} &= ", ["gradient", step.place] if is_written(step) else "\\ldots", " \\\\\n"]
    return [*out, "\\end{aligned}\n"]


def is_written(step: Step) -> bool:
    """Whether the numbers of a step are few enough to be written out in a formula."""
    return step.ndim <= 2 and all([0 < n <= SMALL for n in step.shape])


def as_symbol(tree: Any) -> Symbol:
    """The letter of a leaf."""
    assert isinstance(tree, Symbol)
    return tree


def formula_of(subject: Subject, step: Step) -> Any:
    """A step in the letters of its inputs; None for a leaf, or where it cannot be said."""
    live = subject.live
    if step.op is None:
        return None
    try:
        term: Term = term_of(step, {x: live.letters[x] for x in step.input_steps})
        return tree_of_term(term, live.whole_symbols)
    except UNFIT:
        return None


def typed_of(subject: Subject) -> str:
    """The computation as it is typed, line by line."""
    if subject.text:
        return subject.text
    live = subject.live
    lines: list[str] = []
    for step in subject.program.steps:
        formula = formula_of(subject, step)
        if formula is not None:
            lines.append(f"{plain(live.whole_symbols[live.letters[step]])} = {plain(formula)}")
    return "; ".join(lines)

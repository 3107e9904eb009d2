"""The pages of the rules in the book: each rule's formula, how its derivative comes about, a check, and its picture.

All of it comes from the declaration itself. What is stated is run on symbols, what is checked on random numbers, and
what is drawn is drawn by `cr.plot`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.core.graph import gradients_of
from chainrule.core.operation import Operation, Pointwise, book
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.term import Term, constant
from chainrule.errors import ChainruleError
from chainrule.maths import Tree, mathml
from chainrule.maths.names import symbol_named, symbols_for
from chainrule.maths.notation import lay
from chainrule.maths.of_terms import tree_of_term
from chainrule.maths.template import filled, read_template, written_out
from chainrule.rewrite import simplify

FAILS = (ChainruleError, ArithmeticError, AttributeError, IndexError, TypeError, ValueError)
"""How a rule that looks at numbers refuses symbols."""
CLOSE = 1e-6
"""A rule and differences agree to so much, relative to the larger of 1 and the largest entry."""
LARGEST = 20.0
"""A curve that goes further is cut, so that the rest of it can be seen."""
MOST_ENTRIES = 100_000
"""Larger Jacobians are no picture."""


def pages_of_rules(kinds: Any, pictures: Path) -> Iterator[tuple[str, str, str]]:
    """For each kind of rule the file, the title and the text of its page; pictures are written into a folder.

    Raises ValueError for a rule that differences do not confirm.
    """
    for kind, title, meaning in kinds:
        rules = [rule for _, rule in sorted(book.items()) if isinstance(rule, kind)]
        parts = [f"# {title}", meaning, *[section_of(rule, pictures) for rule in rules]]
        yield f"rules/{title.lower()}.md", title, "\n\n".join(parts) + "\n"


def section_of(rule: Operation, pictures: Path) -> str:
    """A rule with everything that is said of it."""
    parts = [f"## {rule.name}", html.escape(rule.intuition), display(formula_of(rule))]
    moving = [i for i in range(len(rule.shapes)) if rule.differentiable(i)]
    if not moving:
        parts.append("No gradient passes: the output moves in jumps, or not at all.")
    else:
        settings, inputs = example_of(rule)
        if rule.composition is not None:
            parts.append("Several operations in one, for speed: its derivative is that of what it stands for.")
        else:
            parts += [with_settings(rule, settings), *[derivation(rule, i, inputs, settings) for i in moving]]
        parts.append(checked(rule, moving, inputs, settings))
    place = f"{rule.name}.svg"
    if picture(rule, moving, pictures / place):
        parts.append(f'![{alternative(rule)}]({pictures.name}/{place}){{ loading=lazy class="of-rule" }}')
    return "\n\n".join(filter(None, parts))


def display(formula: str) -> str:
    """A formula on a line of its own."""
    return f'<div class="formula">{formula}</div>' if formula else ""


def formula_of(rule: Operation) -> str:
    """A rule's own template, with its letters and its settings in place."""
    inputs = rule.inputs if not rule.variadic else tuple([f"{rule.inputs[-1]}_{i}" for i in range(2)])
    text = rule.formula if not rule.variadic else written_out(rule.formula, rule.inputs[-1], 2)
    named = {x: lay(symbol_named(x)) for x in (*inputs, *rule.defaults)}
    if not text:
        return ""
    whole = mathml(filled(read_template(text, frozenset(named)), named))
    return f'<math display="block"><mi>{output_of(rule)}</mi><mo>=</mo>{inner(whole)}</math>'


def output_of(rule: Operation) -> str:
    """What the output is called: by a letter that no input has."""
    return next(letter for letter in "yzuv" if letter not in rule.inputs)


def letter_of(rule: Operation, i: int) -> str:
    """What an input is called."""
    return f"{rule.inputs[-1]}_{i}" if rule.variadic else rule.inputs[i]


def example_of(rule: Operation) -> tuple[dict[str, Any], list[Any]]:
    """The first settings that the rule is declared with, and random inputs from its domain."""
    rng = np.random.default_rng(3)
    inputs: list[Any] = []
    for i, shape in enumerate(rule.shapes):
        if rule.differentiable(i) or not any([rule.differentiable(j) for j in range(len(rule.shapes))]):
            x: Any = rng.uniform(*rule.domain, shape)
        else:
            x = rng.integers(0, 2, shape).astype(bool)
        prepare = rule.prepare[i] if i < len(rule.prepare) else None
        inputs.append(x if prepare is None else prepare(x))
    return rule.complete(rule.examples[0]), inputs


# The derivation


def with_settings(rule: Operation, settings: dict[str, Any]) -> str:
    """The settings that a rule's formula names, with what they are in the derivation; nothing where it names none."""
    named = [f"{name} = {settings[name]}" for name in rule.defaults if re.search(rf"\b{name}\b", rule.formula or "")]
    return f"Here with {', '.join(named)}." if named else ""


def derivation(rule: Operation, i: int, inputs: list[Any], settings: dict[str, Any]) -> str:
    """What the rule states of one input, in symbols, and the same in the inputs alone."""
    if isinstance(rule, Pointwise):
        return of_entries(rule, i, settings)
    name = html.escape(letter_of(rule, i))
    try:
        tree = handed_back(rule, i, inputs, settings)
    except FAILS:
        return f"What g hands back to {name} depends on the numbers, as the rule's own lines say: {source_of(rule)}."
    words = f"Where g arrives at the output {output_of(rule)}, {name} gets"
    return f"{words}\n\n{display(mathml(tree, block=True))}"


def of_entries(rule: Pointwise, i: int, settings: dict[str, Any]) -> str:
    """The local derivative as it is stated, in the output and the inputs, and simplified in the inputs alone."""
    letters = [Term(None, (), NO_SETTINGS, (), label=letter_of(rule, k)) for k in range(len(rule.shapes))]
    out = output_of(rule)
    try:
        stated = rule.partial(i, Term(None, (), NO_SETTINGS, (), label=out), letters, settings)
        if settings and isinstance(stated, Term):  # their numbers stand in it as factors, a 1 too
            stated = simplify(stated)
        sides = [mathml(tree_of_term(stated if isinstance(stated, Term) else constant(stated)))]
    except FAILS:
        return f"Its slope in {letter_of(rule, i)} chooses between branches: {source_of(rule)}."
    shorter = in_inputs_alone(rule, i)
    if shorter and shorter != sides[0]:
        sides.append(shorter)
    below = inner(mathml(lay(symbol_named(letter_of(rule, i)))))
    slope = f"<mfrac><mrow><mo>∂</mo><mi>{out}</mi></mrow><mrow><mo>∂</mo>{below}</mrow></mfrac>"
    whole = "<mo>=</mo>".join([slope, *map(inner, sides)])
    return display(f'<math display="block">{whole}</math>')


def inner(formula: str) -> str:
    """What stands inside a formula's outermost element."""
    return formula.partition(">")[2].rpartition("</math>")[0]


def in_inputs_alone(rule: Pointwise, i: int) -> str:
    """The derivative as `cr.derivative` gives it; nothing where a rule cannot be typed."""
    names = ", ".join([letter_of(rule, k) for k in range(len(rule.shapes))])
    try:
        return mathml(cr.derivative(f"{rule.name}({names})", letter_of(rule, i)).tree)
    except FAILS:
        return ""


def handed_back(rule: Operation, i: int, inputs: list[Any], settings: dict[str, Any]) -> Tree:
    """What an input gets of a gradient g that arrives, in symbols."""
    names = {letter_of(rule, k): np.shape(x) for k, x in enumerate(inputs)}
    terms = [
        Term(None, (), NO_SETTINGS, shape, label=name) if rule.differentiable(k) else inputs[k]
        for k, (name, shape) in enumerate(names.items())
    ]
    out = Term.__apply__(rule, terms, settings)
    g = Term(None, (), NO_SETTINGS, out.shape, label="g")
    found = gradients_of([out], [g], [terms[i]], record=True)[0]
    symbols = symbols_for({**names, "g": out.shape})
    known = {term: symbols[name] for name, term in zip(names, terms, strict=True) if isinstance(term, Term)}
    return tree_of_term(simplify(found), {**known, g: symbols["g"]})


def source_of(rule: Operation) -> str:
    """Where the rule stands."""
    return f"<code>{html.escape(str(rule.__module__).replace('.', '/'))}.py</code>"


# The check


def on_one(rule: Operation, i: int, inputs: list[Any], settings: dict[str, Any]) -> Callable[[Any], Any]:
    """The rule as a function of one of its inputs."""
    return lambda x: rule(*inputs[:i], x, *inputs[i + 1 :], **settings)


def checked(rule: Operation, moving: list[int], inputs: list[Any], settings: dict[str, Any]) -> str:
    """Differences in a random direction beside what the rule gives, in words; raises where they differ."""
    rng, worst = np.random.default_rng(5), 0.0
    for i in moving:
        f, x = on_one(rule, i, inputs, settings), inputs[i]
        way, h = rng.normal(size=np.shape(x)), 1e-5
        _, moved = cr.jvp(f, (x,), (way,))
        wide, narrow = [(np.asarray(f(x + k * way)) - np.asarray(f(x - k * way))) / (2 * k) for k in (h, h / 2)]
        right = (4 * narrow - wide) / 3
        off = float(
            np.max(np.abs(np.asarray(moved) - right), initial=0.0) / max(1.0, np.max(np.abs(right), initial=0.0))
        )
        if not off < CLOSE:
            raise ValueError(f"{rule.name}: the rule and differences differ by {off:.1e}")
        worst = max(worst, off)
    return f"*At random numbers differences confirm it, to {worst:.0e}.*"


# The picture


def picture(rule: Operation, moving: list[int], place: Path) -> bool:
    """Draw a rule's curve and slope, or its Jacobian as an image; whether there is one."""
    from matplotlib import pyplot

    axes = curves(rule) if isinstance(rule, Pointwise) else jacobians(rule, moving)
    if axes is None:
        return False
    figure = axes.get_figure()
    place.parent.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context({"svg.hashsalt": "chainrule", "svg.fonttype": "none"}):
        figure.savefig(place, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
    return True


def curves(rule: Pointwise) -> Any:
    """The output and the slope over one input; the other inputs stay at a number."""
    settings, low, high = rule.complete(rule.examples[0]), *rule.domain
    flat = not any([rule.differentiable(i) for i in range(len(rule.shapes))])
    moving = [i for i in range(len(rule.shapes)) if flat or rule.differentiable(i)]
    rest = [
        round(0.7 * (high if high > 0 else low), 1) if flat or rule.differentiable(i) else True
        for i in range(len(rule.shapes))
    ]
    shown: list[Callable[[Any], Any]] = []
    for i in moving[:1] if rule.variadic or flat else moving:

        def over(x: Any, i: int = i) -> Any:
            others = [x * 0.0 + number if rule.variadic else number for number in rest]
            return rule(*others[:i], x, *others[i + 1 :], **settings)

        held = [f"{letter_of(rule, k)} = {rest[k]:.3g}" for k in moving if k != i]
        over.__name__ = ", ".join([f"{rule.name} over {letter_of(rule, i)}", *held])
        shown.append(over)
    with np.errstate(all="ignore"):
        axes = cr.plot.activation(*shown, span=float(min(max(abs(low), abs(high)), 4.0)))
    panels = axes if isinstance(axes, list) else [axes]
    for panel, i in zip(panels, moving, strict=False):
        panel.set_xlabel(letter_of(rule, i))
        if letter_of(rule, i) != "x":  # the letter in which a curve's formula is printed
            for text, said in zip(panel.get_legend().get_texts(), (output_of(rule), "slope"), strict=True):
                text.set_text(said)
        low, high = panel.get_ylim()
        panel.set_ylim(max(low, -LARGEST), min(high, LARGEST))
    return panels[0]


def jacobians(rule: Operation, moving: list[int]) -> Any:
    """How every entry of the output moves with every entry of an input, as an image: rows are outputs."""
    if not moving:
        return None
    settings, inputs = example_of(rule)
    i = moving[0]
    found = np.asarray(cr.jacobian(on_one(rule, i, inputs, settings))(inputs[i]))
    table = found.reshape(-1, np.size(inputs[i]))
    if table.size > MOST_ENTRIES:
        return None
    panel = cr.plot.weights(table.reshape(1, -1), shape=table.shape)[0]
    panel.get_figure().set_size_inches(3.4, 2.6)
    told = f"{rule.name}\n{table.shape[0]} outputs, {table.shape[1]} entries of {letter_of(rule, i)}"
    panel.set_title("")  # where it has the number of a unit
    panel.set_title(told, fontsize="medium", loc="left")
    return panel


def alternative(rule: Operation) -> str:
    """What a reader is told who does not see the picture."""
    if isinstance(rule, Pointwise):
        return f"The curve of {rule.name} with its slope"
    return f"The Jacobian of {rule.name} as an image: a row for each output, white where it does not move"

"""Grade a gradient that somebody worked out: right in any equal form, or where it is wrong and what was done."""

# What a user hands over is known only when it is looked at.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import inspect
import linecache
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core import Value
from chainrule.core.tensor import Tensor
from chainrule.errors import UNFIT, FormulaError, GraphError
from chainrule.expression.arguments import mapping_of, names_of, values_of
from chainrule.kinds import what_is
from chainrule.verify.agreement import ratio_everywhere
from chainrule.verify.answers.formula import ERRORS, SIZES, read_formula
from chainrule.verify.answers.given import with_names
from chainrule.verify.answers.numbers import EXACT, Printed, decimals_of, grade_number, number_of
from chainrule.verify.answers.points import Points, as_given, points_for, walks_for
from chainrule.verify.marking.averages import close, constant_mistakes, constants_on_the_way, is_square
from chainrule.verify.marking.fingerprints import Elsewhere, Fingerprint
from chainrule.verify.marking.marked import Grade, Mistake, apart_from_asked, mistake_of, shown, three_hints, told
from chainrule.verify.marking.problem import Problem, gradient_in, probes_of, read_problem, resized
from chainrule.verify.marking.updates import RATES
from chainrule.verify.marking.walk import Walk
from chainrule.verify.marking.working import Working

if TYPE_CHECKING:
    from chainrule.verify.marking.editor import Editor
    from chainrule.verify.marking.edits import Edit

# What only some answers need loads when one comes: a formula is graded in a tenth of a second after the import.


def grade(
    problem: Any,
    answer: Any,
    *,
    wrt: Any,
    shapes: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    steps: int = 1,
    rate: float | None = None,
    loss: Callable[..., Any] | None = None,
) -> Grade:
    """Whether an answer is the gradient of a problem, and if not which mistake gives exactly this answer.

    The problem is a text of assignments, a recorded result, or a function; names without a shape or a value are single
    numbers. Or it is a training step: a module with its `loss`, and its batch, the target last, as `values`; parameters
    are then called as in ``weight_0``. The answer is a formula in the problem's names (or with numbers that were given
    for them, where they can stand for nothing else), a number or an array (at `values`), a table of numbers by name, or
    a function of the problem's names that gives the gradients in the order of `wrt`; one that also takes ``steps`` and
    ``rate`` is a training loop and gives the new values. Without a `rate` a loop runs with 0.1, and the updates of a
    table are compared at the rate that they have. Text is read, never run. Raises FormulaError for what cannot
    be read, GraphError for names that the problem has not. Costs some hundred backward passes.

    >>> import chainrule as cr
    >>> marked = cr.grade("h = w1*x; ŷ = w2*h; L = 0.5*(ŷ - y)**2", "(y - ŷ)*h", wrt="w2")
    >>> marked.right, [mistake.name for mistake in marked.mistakes]
    (False, ['sign'])
    >>> cr.grade("h = w1*x; ŷ = w2*h; L = 0.5*(ŷ - y)**2", "-w1 x (y - ŷ)", wrt="w2").right
    True
    """
    modules = sys.modules.get("chainrule.nn.module")
    if modules is not None and isinstance(problem, modules.Module):
        from chainrule.verify.marking.of_modules import step_problem

        problem = step_problem(problem, loss, mapping_of("values", values))
    else:
        values = values_of(values)
    read = read_problem(problem, shapes, values)
    asked = names_asked(read, wrt)
    read.refuse_others(asked)

    def graded(one: Problem) -> Grade:
        return grade_on(one, answer, asked, values or {}, steps, rate)

    found = graded(read)
    return found if found.right or not read.may_be_read_otherwise else otherwise(read, found, graded)


def otherwise(problem: Problem, found: Grade, graded: Callable[[Problem], Grade]) -> Grade:
    """The grade on another reading of the problem, where that says more of a wrong answer."""
    from chainrule.verify.answers.activations import other_readings

    for other, note in other_readings(problem):
        try:
            again = graded(other)
        except FormulaError:  # the answer has a name that is within an activation there
            continue
        if again.right:
            return replace(again, notes=(*again.notes, *[note] * bool(note)))
        named = again.mistakes[0].name
        if not note and (named.startswith(("activation-", "relu-")) or (found.unclassified and not again.unclassified)):
            return again
    return found


def grade_on(
    read: Problem, answer: Any, asked: Sequence[str], values: Mapping[str, Any], steps: int, rate: float | None
) -> Grade:
    number = number_of(answer)
    known = {*values, *[read.names[step] for step in read.recorded if step in read.names]}
    if number is not None and (not isinstance(answer, str) or known.issuperset(read.leaves)):
        return grade_number(read, number, asked, values, rate)
    if isinstance(answer, Mapping) or (isinstance(answer, str) and "\n" in answer.strip()):
        from chainrule.verify.answers.tables import grade_table, is_table

        if not isinstance(answer, str) or is_table(answer, read):
            return grade_table(read, answer, asked, values, rate)
    if isinstance(answer, str):
        worked = worked_out(read, answer, asked[0]) if known.issuperset(read.leaves) else None
        if worked is not None:
            return grade_number(read, worked, asked, values, rate)
        return grade_formula(read, answer, asked, values)
    if callable(answer):
        if {"steps", "rate"} <= inspect.signature(answer).parameters.keys():
            return grade_training(read, answer, asked, values, steps, RATES[0] if rate is None else rate)
        return grade_function(read, answer, asked, values)
    raise GraphError(f"an answer is a formula, a number, a table or a function, not {what_is(answer)}")


def worked_out(problem: Problem, text: str, name: str) -> Printed | None:
    """A number that was typed as arithmetic, as ``(−3 − 1)·1.5``, to the decimals in it; None of any other formula."""
    working = read_formula(problem, text, name)
    parts = [working.parts[i] for i in working.needed([name])]
    if any(part.look_up is not None for part in parts):
        return None
    value = working.answers(Walk(problem, {}))[name]
    decimals = max(map(decimals_of, re.findall(r"\d+\.\d+", text)), default=0)
    # What was rounded before it was multiplied is good for a digit less.
    return Printed(value, max(decimals - 1, 1) if decimals else EXACT)


def names_asked(problem: Problem, wrt: Any) -> list[str]:
    """The names that were asked for, whatever they were given as."""
    given = list(wrt) if isinstance(wrt, list | tuple) else [wrt]
    found: list[str] = []
    for one in given:
        if isinstance(one, Value | Tensor):
            step = problem.step_of.get(one)
            if step is None:
                raise GraphError(f"wrt is {one!r}, which the problem was not computed from")
            one = problem.names.setdefault(step, f"v{step.place}")
            problem.named.setdefault(one, step)
        found += names_of("wrt", [one])
    return found


def grade_formula(problem: Problem, text: str, asked: Sequence[str], values: Mapping[str, Any]) -> Grade:
    if len(asked) != 1:
        raise GraphError("a formula answers for one parameter: ask with wrt of one name")
    name = asked[0]
    tried: list[tuple[Fingerprint, Working, str]] = []

    def special() -> Iterator[Points]:
        yield from points_for(problem, values, asked, lambda: None if located(tried[0][0], name) else tried[0][1])
        if not tried[0][0].is_defined():
            positive = probes_of(problem, {}, signs=(True,))
            yield Points([Walk(problem, numbers) for numbers in positive], "right where all names are positive")

    for points in special():
        mark, working, failure = formula_at(problem, text, name, points.walks)
        if mark.is_right():
            return right([mark], points.note)
        if points.telling:
            tried.append((mark, working, failure))
    mark, working, _ = tried[0]
    for known, other in with_names(problem, working, values):
        if Fingerprint(problem, mark.walks, mark.wrt, answers_of(other, name, mark.walks)[0]).is_right():
            return Grade(True, (), (), (as_given({known: float(values[known])}),))
    return first_classified(grade_of(mark, name, working, failure) for mark, working, failure in tried)


def answers_of(working: Working, name: str, walks: Sequence[Walk]) -> tuple[list[Any], str]:
    """What a working gives at some probes, None where it cannot be worked out, and what went wrong with its shapes."""
    answers: list[Any] = []
    failure = ""
    for walk in walks:
        try:
            answers.append(working.answers(walk)[name])
        except UNFIT as error:
            failure = str(error)
            answers.append(None)
    return answers, failure


def first_classified(grades: Iterable[Grade]) -> Grade:
    """The first grade that names a mistake, or else the first of all."""
    first: Grade | None = None
    for one in grades:
        first = first or one
        if not one.unclassified:
            return one
    assert first is not None
    return first


def formula_at(problem: Problem, text: str, name: str, walks: Sequence[Walk]) -> tuple[Fingerprint, Working, str]:
    """The fingerprint of a formula at some probes, its working, and what went wrong with its shapes."""
    working = with_sizes(problem, text, name, walks)
    answers, failure = answers_of(working, name, walks)

    def again(n: int, other: int) -> Elsewhere | None:
        def answered(larger: Problem, points: Sequence[Walk]) -> list[Any]:
            read = read_formula(larger, text, name, dict.fromkeys(SIZES, other))
            return [read.answers(walk)[name] for walk in points]

        has_number = re.search(rf"(?<![\w.]){n}(?![\w.])", text) is not None
        return elsewhere(problem, name, n, other, answered, has_number)

    return Fingerprint(problem, walks, problem.named[name], answers, again), working, failure


def elsewhere(
    problem: Problem,
    name: str,
    n: int,
    other: int,
    answered: Callable[[Problem, Sequence[Walk]], list[Any]],
    has_number: bool = False,
) -> Elsewhere | None:
    """The fingerprint of an answer where an axis has another length; None where it cannot be asked there."""
    larger = resized(problem, n, other)
    if larger is None:
        return None
    try:
        points = walks_for(larger, {})[:2]
        return Elsewhere(Fingerprint(larger, points, larger.named[name], answered(larger, points)), has_number)
    except UNFIT:
        return None


def with_sizes(problem: Problem, text: str, wrt: str, walks: Sequence[Walk]) -> Working:
    """The formula read: of several readings of its sizes, and of what it calls the error, one that is right if any is.

    A number of examples that it names is one of the lengths of axes, or else the batch's.
    """
    first = read_formula(problem, text, wrt)
    lengths = sorted({n for s in problem.program.steps for n in s.shape if n > 1})
    used = [name for name in SIZES if name not in problem.named and any(p.text == name for p in first.parts)]
    sizes = [dict.fromkeys(used, n) for n in (batch_size(problem), *lengths)] if used and lengths else [{}]
    turned = (1.0, -1.0) if any(part.text in ERRORS and part.look_up for part in first.parts) else (1.0,)
    readings = [read_formula(problem, text, wrt, size, error) for size in sizes for error in turned]
    for working in readings if len(readings) > 1 else ():
        if Fingerprint(problem, walks, problem.named[wrt], answers_of(working, wrt, walks)[0]).is_right():
            return working
    return readings[0]


def batch_size(problem: Problem) -> int:
    """The length of the axis that data have and parameters of a layer have not: the commonest of the last results."""
    counts: dict[int, int] = {}
    for step in problem.program.steps:
        for n in step.shape:
            if n > 1 and step.op is not None:
                counts[n] = counts.get(n, 0) + 1
    return max(counts, key=lambda n: counts[n]) if counts else 1


def right(marks: Iterable[Fingerprint], note: str = "") -> Grade:
    """The grade of right answers, with what is to be said of another layout, and of the points where they are right."""
    shapes = [(mark.wrt.shape, np.shape(mark.answers[0])) for mark in marks]
    notes = dict.fromkeys([
        f"right; the gradient has shape {shape} and the answer {given}, which holds the same numbers"
        for shape, given in shapes
        if shape != given
    ])  # fmt: skip
    return Grade(True, (), (), (*notes, *[note] * bool(note)))


def grade_of(mark: Fingerprint, name: str, working: Working | None, failure: str = "") -> Grade:
    """The mistakes of a wrong answer: single ones, then two at once, then changes of the answer itself."""
    found: Sequence[Mistake] = located(mark, name) or ([] if working is None else edited({name: mark}, working))
    both = two_at_once(mark, name) if all(mistake.name == "unclassified" for mistake in found) else []
    if both or found:
        return verdict(both or once_each(found))
    return unclassified(mark, name, working, failure)


def verdict(mistakes: Sequence[Mistake]) -> Grade:
    """The grade of a wrong answer; what has a name comes first."""
    mistakes = sorted(mistakes, key=lambda mistake: mistake.name == "unclassified")
    unnamed = mistakes[0].place if all(m.name == "unclassified" for m in mistakes) else ""
    return Grade(False, tuple(mistakes), three_hints(mistakes), (), unnamed)


def located(mark: Fingerprint, name: str) -> list[Mistake]:
    """Every mistake that gives exactly this answer."""
    if all(answer is not None for answer in mark.answers):
        c = mark.ratio()
        if c is not None:
            shares, constants = shares_alone(mark, c), constant_mistakes(mark, name, c)
            # Where no square brings a 2 down, one of two equal ways is the likelier half.
            return constants + shares if any(map(is_square, mark.problem.program.steps)) else shares + constants
        if mark.singles:
            return [mistake_of(change, mark) for change in mark.singles]
        if says := updated_value(mark, name):
            return [told("wrong-update", f"{name}, where {gradient_in(name)} is asked", says, shown(mark))]
    return []


def shares_alone(mark: Fingerprint, c: float) -> list[Mistake]:
    """The ways that alone give a part of the gradient, as one of two that happen to bring the same."""
    if not 0 < c < 1 or not mark.problem.has_several_ways:
        return []
    return [mistake_of(change, mark) for change in mark.singles if change.name in ("missing-path", "overwritten")]


def updated_value(mark: Fingerprint, name: str) -> str:
    """What is said of an answer that is the parameter after its update with some rate; nothing of any other."""
    before = [walk.numbers[mark.wrt] for walk in mark.walks]
    if any(np.shape(a) != np.shape(w) for a, w in zip(mark.answers, before, strict=True)):
        return ""
    moved = [w - a for a, w in zip(mark.answers, before, strict=True)]
    rate = ratio_everywhere(moved, [walk.right[mark.wrt] for walk in mark.walks])
    if rate is None:
        return ""
    return f"this is {name} after {'an update' if rate > 0 else 'a step uphill'}, and no gradient"


def two_at_once(mark: Fingerprint, name: str) -> list[Mistake]:
    """Two mistakes that together give exactly this answer: one beside a constant factor, or two links of one way."""
    if any(answer is None for answer in mark.answers):
        return []
    for change, c in mark.scaled():
        kept = change.name == "no-incoming-gradient" and any(close(c, k) for k in constants_on_the_way(mark))
        return [mistake_of(change, mark), *([] if kept else constant_mistakes(mark, name, c))]
    for pair in mark.pairs():
        return [mistake_of(change, mark) for change in pair]
    return []


def unclassified(mark: Fingerprint, name: str, working: Working | None, failure: str = "") -> Grade:
    """Wrong, and nothing known gives it: the first link that is off is named."""
    from chainrule.verify.marking.links import looked_at

    own = "" if working is None else first_variable(mark, working, [name])
    found = None if failure else looked_at(mark.problem, mark.wrt, mark.walks, mark.answers[0], working)
    first = own or ("" if found is None else found.place)
    place = f"{first}, on the way to the gradient of {name}" if first else gradient_in(name)
    mistake = Mistake("unclassified", place, failure or "this is wrong, and no known mistake gives it", "")
    if found is None:
        return Grade(False, (mistake,), three_hints([mistake]), (), place)
    look, *rest = found.hints
    return Grade(False, (mistake,), (f"look at {place}" if own else look, *rest), (), place)


def grade_function(problem: Problem, f: Callable[..., Any], asked: Sequence[str], values: Mapping[str, Any]) -> Grade:
    """Grade a function that gives gradients, or one gradient."""
    from chainrule.verify.answers.code import arguments, misfit, take_apart

    names = arguments(problem, f)
    tried: list[tuple[dict[str, Fingerprint], list[Walk]]] = []

    def working() -> Working | None:
        marks, walks = tried[0]
        wrong = [name for name, mark in marks.items() if not mark.is_right()]
        return None if any(located(marks[name], name) for name in wrong) else take_apart(problem, f, walks[:2], asked)

    for points in points_for(problem, values, asked, working):
        walks, note, telling = points
        try:
            marks = function_at(problem, f, names, walks, asked)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError) as error:
            if tried:
                continue
            found = misfit(problem, f, walks, asked) if isinstance(error, ValueError) else None
            name, place, says = found or ("unclassified", failing_line(error), f"the function stops: {error}")
            place = f"{place}, for the gradient of {', '.join(asked)}"
            return verdict([Mistake(name, place, says, "") if found is None else told(name, place, says)])
        if all(mark.is_right() for mark in marks.values()):
            return right(marks.values(), note)
        if telling:
            tried.append((marks, walks))
    return first_classified(
        grade_several(marks, lambda walks=walks: take_apart(problem, f, walks, asked)) for marks, walks in tried
    )


def function_at(
    problem: Problem, f: Callable[..., Any], names: Sequence[str], walks: Sequence[Walk], asked: Sequence[str]
) -> dict[str, Fingerprint]:
    """The fingerprint of each gradient that a function gives."""
    from chainrule.verify.answers.code import run_plain

    given = [run_plain(f, names, walk, asked) for walk in walks]

    def again_for(name: str) -> Callable[[int, int], Elsewhere | None]:
        def answered(larger: Problem, points: Sequence[Walk]) -> list[Any]:
            return [run_plain(f, names, walk, asked)[name] for walk in points]

        return lambda n, other: elsewhere(problem, name, n, other, answered)

    marks: dict[str, Fingerprint] = {}
    for name in asked:
        marks[name] = Fingerprint(problem, walks, problem.named[name], [one[name] for one in given], again_for(name))
        marks[name].of_program = not any(step.ndim for step in problem.leaves.values())
    return marks


def grade_several(marks: Mapping[str, Fingerprint], take: Callable[[], Working | None]) -> Grade:
    """Grade several gradients together: one mistake often makes several of them wrong."""
    wrong = {name: mark for name, mark in marks.items() if not mark.is_right()}
    found = {name: located(mark, name) for name, mark in wrong.items()}
    working = take()
    common = in_common(found)
    if not common and len(wrong) > 1 and all(found.values()):
        # What one layer shows as a single mistake is made in several.
        again = {name: [mistake_of(change, mark) for change in mark.repeated] for name, mark in wrong.items()}
        # One gradient alone may look as if a constant were off, where a mistake further on gives them all.
        every = {name: [mistake_of(change, mark) for change in mark.singles] for name, mark in wrong.items()}
        common = in_common(every) or in_common(again)
    if common:
        common = tuple([first_seen(m, wrong, working) for m in common])
        return verdict(common)
    mistakes: list[Mistake] = []
    if working is not None:
        if len(wrong) > 1:
            mistakes = edited(wrong, working)
        if not mistakes:
            for name, mark in wrong.items():
                one = [first_seen(m, {name: mark}, working) for m in found[name][:1]]
                mistakes += one or edited({name: mark}, working)
    else:
        mistakes = [m for name in wrong for m in found[name][:1]]
    if all(mistake.name == "unclassified" for mistake in mistakes):
        pairs = {name: two_at_once(mark, name) for name, mark in wrong.items()}
        both = next(iter(pairs.values())) if len(pairs) == 1 else in_common(pairs)
        # What several gradients share is half a cause where it is one mistake alone.
        mistakes = [*both] if len(both) >= min(len(wrong), 2) else mistakes
    if not mistakes:
        name, mark = next(iter(wrong.items()))
        return unclassified(mark, name, working)
    return verdict(mistakes)


def in_common(found: Mapping[str, Sequence[Mistake]]) -> tuple[Mistake, ...]:
    """The mistakes that explain every wrong gradient by one change at one place, the most telling first."""
    lists = list(found.values())
    if len(lists) == 1:
        return once_each(lists[0])
    merged: list[Mistake] = []
    for mistake in lists[0]:
        same = [next((o for o in other if o.site == mistake.site), None) for other in lists[1:]]
        if all(o is not None for o in same):
            places = dict.fromkeys([mistake.place, *[o.place for o in same if o is not None]])
            merged.append(replace(mistake, place=in_one(list(places))))
    return once_each(merged)


def in_one(places: Sequence[str]) -> str:
    """Several places as one, where they differ in what was asked alone."""
    parts = [apart_from_asked(place) for place in places]
    before, words, _ = parts[0]
    if words and all(part[:2] == (before, words) for part in parts):
        return f"{before}{words}{', '.join([asked for _, _, asked in parts])}"
    return "; ".join(places)


def once_each(mistakes: Sequence[Mistake]) -> tuple[Mistake, ...]:
    found: dict[str, Mistake] = {}
    for mistake in mistakes:
        found.setdefault(mistake.name, mistake)
    return tuple(found.values())[:MOST_NAMES]


def first_seen(mistake: Mistake, wrong: Mapping[str, Fingerprint], working: Working | None) -> Mistake:
    """The mistake with the learner's own variable in which it shows first."""
    if working is None:
        return mistake
    first = first_variable(next(iter(wrong.values())), working, list(wrong))
    return replace(mistake, place=f"{mistake.place}; first seen in {first}") if first else mistake


def first_variable(mark: Fingerprint, working: Working, wanted: Sequence[str]) -> str:
    """The learner's own variable that is wrong first."""
    from chainrule.verify.marking.editor import Editor

    first = Editor(mark.problem, mark.walks, working, wanted).first_wrong()
    return "" if first is None else working.parts[first].name


MOST_NAMES = 4
"""Names that are said of one answer; what gives the same by still more names is told by the first."""


def edited(wrong: Mapping[str, Fingerprint], working: Working) -> list[Mistake]:
    """One change of the working that makes all wrong gradients right."""
    mark = next(iter(wrong.values()))
    from chainrule.verify.marking.editor import Editor

    editor = Editor(mark.problem, mark.walks, working, list(wrong))
    unnamed: Edit | None = None
    for edit in editor.successes():
        if edit.name != "unclassified":
            return [edit_mistake(editor, edit, wrong, mark)]
        unnamed = unnamed or edit
    return [] if unnamed is None else [edit_mistake(editor, unnamed, wrong, mark)]


def edit_mistake(editor: Editor, edit: Edit, wrong: Iterable[str], mark: Fingerprint) -> Mistake:
    """A change that mends the answer, as the mistake that it undoes."""
    return told(edit.name, editor.place(edit.at, wrong), edit.says, shown(mark))


def grade_training(
    problem: Problem, f: Callable[..., Any], asked: Sequence[str], values: Mapping[str, Any], steps: int, rate: float
) -> Grade:
    """Grade a training loop by its first step, and by the next ones where that is right."""
    from chainrule.verify.answers.training import Loop, grade_training_step

    loop = Loop(problem, f, walks_for(problem, values), asked, rate)
    found = grade_training_step(loop, steps)
    if isinstance(found, Grade):
        return found
    return grade_several(found, lambda: None)


def failing_line(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "the function"
    line = linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip()
    return f"line {trace.tb_lineno}" + (f": {line}" if line else "")

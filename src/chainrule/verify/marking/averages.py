"""Constant factors: a sign, a 2 or ½, or an average over the wrong number of things."""

from __future__ import annotations

from chainrule.program import Step
from chainrule.verify.marking.changes import derivative
from chainrule.verify.marking.fingerprints import Fingerprint
from chainrule.verify.marking.marked import Mistake, number, shown, told
from chainrule.verify.marking.problem import Problem, gradient_in
from chainrule.verify.marking.updates import A_RATE


def constant_mistakes(mark: Fingerprint, name: str, c: float) -> list[Mistake]:
    """What is to be said of an answer that is the right one times a constant."""
    if close(abs(c), A_RATE):
        says = f"this is the step of {name}, the rate times its gradient, and no gradient"
        return [told("wrong-update", f"the rate, in {gradient_in(name)}", says, shown(mark))]
    found: list[Mistake] = []

    def add(kind: str, place: str, says: str, site: str = "") -> None:
        found.append(told(kind, place, says, shown(mark), (site or kind, round(c, 9))))

    link = inner_link(mark, c)
    if link:
        add("missing-factor", link, f"the derivative of what is inside, {number(1 / c)}, is not multiplied", "inner")
    if c < 0:
        add("sign", sign_place(mark.problem, mark.wrt, name), "the right gradient with the other sign")
    for kind in constant_names(mark, abs(c)) if abs(abs(c) - 1) > 1e-9 else ():
        place = factor_place(mark.problem, mark.wrt, name, kind)
        add(kind, place, f"the answer is {number(abs(c))} times the right one")
    return found


def inner_link(mark: Fingerprint, c: float) -> str:
    """Where a function is of a multiple, as (2x + 5)³ is, and that number is what is missing; nothing elsewhere."""
    problem, wrt = mark.problem, mark.wrt
    for step in problem.program.between([wrt]):
        slope = multiple_of(step)
        if slope and close(c, 1 / slope) and problem.is_inside(step):
            inside = step.input_steps[0]
            return f"{derivative(problem, step, inside)}, in {problem.where(step)}, on the way to {problem.name(wrt)}"
    return ""


def multiple_of(step: Step) -> float:
    """The number by which a step multiplies its other input; 0 where it does something else, as 2/x does."""
    beside = [(slot, float(x)) for slot, x in enumerate(step.inputs) if isinstance(x, int | float)]
    if len(beside) != 1:
        return 0.0
    slot, number_beside = beside[0]
    if step.operation == "mul":
        return number_beside
    return 1 / number_beside if step.operation == "div" and slot == 1 and number_beside else 0.0


def constants_on_the_way(mark: Fingerprint) -> set[float]:
    """The numbers that the way to what is asked brings by itself: averages, factors, signs, and products of these."""
    found = {1.0}
    for step in mark.problem.program.between([mark.wrt]):
        name = step.operation
        x = step.inputs[0] if step.inputs else None
        if name == "mean" and isinstance(x, Step):
            c = step.size / x.size
        else:
            c = -1.0 if name in ("neg", "sub") else multiple_of(step)
        found |= {c * other for other in found} if c and len(found) < MOST_CONSTANTS else set()
    return found - {1.0}


MOST_CONSTANTS = 64
"""Products of numbers that are looked at."""


def constant_names(mark: Fingerprint, c: float) -> list[str]:
    """Whether a constant is an average's or another factor; both where sizes and factors are the same number."""
    problem, wrt = mark.problem, mark.wrt
    moves = moves_with_sizes(mark, c)
    if moves is not None:
        return ["wrong-average"] if moves else ["factor"]
    average = any(close(c, n) or close(c, 1 / n) for n in counts(problem, wrt))
    plain = any(close(c, k) or close(c, 1 / k) for k in (2, 4, 8, 3)) and has_power(problem)
    if average and plain and close(max(c, 1 / c), 2):
        return ["factor", "wrong-average"]
    return ["wrong-average"] if average else ["factor"]


def moves_with_sizes(mark: Fingerprint, c: float) -> bool | None:
    """Whether the constant is another one where the arrays have other lengths; None where that cannot be tried."""
    if mark.again is None or mark.problem.source is None:
        return None
    tried = False
    for n in mark.problem.lengths:
        there = mark.elsewhere(n)
        ratio = None if there is None else there.mark.ratio()
        if there is None or ratio is None:
            return None
        tried = True
        if not close(abs(ratio), c):
            # A number of the answer that is the length stays as it is, and moves the constant by itself.
            return None if there.has_number else True
    return False if tried else None


def close(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * abs(b)


def counts(problem: Problem, wrt: Step) -> set[float]:
    """The numbers of things that could be averaged over: lengths of axes, entries, and quotients of those."""
    sizes = {float(n) for s in problem.program.steps if s is not wrt or s.ndim for n in s.shape if n > 1}
    return sizes | {float(s.size) for s in problem.program.steps if s.size > 1 and s.op is not None}


def has_power(problem: Problem) -> bool:
    """Whether a square brings a 2 down."""
    return any(s.operation in ("pow", "square", "mul", "div") for s in problem.program.steps)


def error_step(problem: Problem, wrt: Step) -> Step | None:
    """The difference of prediction and target, or the step that a cross-entropy starts from."""
    between = problem.program.between([wrt])
    for kinds in (("sub",), ("softmax", "log_softmax"), ("sigmoid",)):
        for step in between:
            if step.operation in kinds and all(isinstance(x, Step) for x in step.inputs):
                return step
    return None


def error_in_words(problem: Problem, step: Step) -> str:
    """What an error is called: the difference itself, or what a cross-entropy compares with its labels."""
    is_difference = step.operation == "sub"
    return f"the error {'' if is_difference else 'behind '}{problem.name(step)}"


def sign_place(problem: Problem, wrt: Step, name: str) -> str:
    """Where a sign is most likely turned: in the error."""
    step = error_step(problem, wrt)
    loss = f"{problem.where(problem.output)}, "
    where = loss if step is None else f"{error_in_words(problem, step)}, in {problem.where(step)}, "
    return f"{where}in {gradient_in(name)}"


def factor_place(problem: Problem, wrt: Step, name: str, kind: str) -> str:
    """Where a factor is off: the average, or the cost's square."""
    loss = problem.where(problem.output)
    if kind == "wrong-average":
        return f"the average over the batch (mean, 1/n), in {loss}, in {gradient_in(name)}"
    step = error_step(problem, wrt)
    if step is None:
        return f"a factor, in {loss}, in {gradient_in(name)}"
    square = "the square" if any(map(is_square, problem.program.steps)) else "a factor"
    return f"{square} of the loss, in {loss}, {error_in_words(problem, step)}, in {gradient_in(name)}"


def is_square(step: Step) -> bool:
    """Whether a step brings a 2 down."""
    return step.operation == "square" or (step.operation == "pow" and step.inputs[1] == 2)

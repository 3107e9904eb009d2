"""Exercises: asked, marked by the locator of mistakes, with hints before answers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from chainrule.errors import ChainruleError, FormulaError

FIELDS = frozenset({"ask", "problem", "wrt", "values", "shapes", "answer", "wrong", "expects", "choices", "why"})


NOT_YET = "Not yet."


@dataclass(frozen=True)
class Marked:
    """What is said of an answer: right or not, in words, and hints from the gentlest on."""

    right: bool
    says: str
    hints: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    """The names of the mistakes that were found."""

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return self.says

    def __repr__(self) -> str:
        return "\n".join([self.says, *self.hints[:1]])


@dataclass(frozen=True)
class Wrong:
    """An answer that people give, and what it is: the name of the mistake, or a hint."""

    answer: str
    name: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Exercise:
    """One exercise. Its kind follows from what it has: choices, an expected number, or a problem to grade.

    In a notebook it shows what it asks; ``mark`` takes the answer.
    """

    id: str
    ask: str
    answer: str
    """An answer that is right, shown to who asks for it."""
    problem: str = ""
    wrt: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    shapes: Mapping[str, Any] = field(default_factory=dict)
    expects: Any = None
    """The number, or the list of numbers, where there is no problem to differentiate."""
    choices: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    why: str = ""
    """Said with the right answer."""

    def mark(self, answer: Any) -> Marked:
        """Whether an answer is right, and if not, what is to be looked at.

        `answer` is text as it is typed, a number, an array, or a function ``backward``. A wrong or malformed answer is
        never an error: it is told what is missing.

        >>> import chainrule as cr
        >>> cr.exercise("1.1").mark("12").right
        False
        """
        try:
            if self.choices:
                return self.of_choice(str(answer))
            if self.expects is not None:
                return self.of_number(answer)
            return self.of_problem(answer)
        except FormulaError as error:
            return Marked(False, f"This cannot be read yet: {error}")
        except ChainruleError as error:
            return Marked(False, str(error))

    def of_choice(self, answer: str) -> Marked:
        """One of some choices, by its letter or its words."""
        chosen = self.lettered.get(answer.strip().lower().rstrip(")."), answer.strip())
        if chosen not in self.choices:
            near = difflib.get_close_matches(chosen, self.choices, 1)
            if not near:
                return Marked(False, f"Answer with a letter from a to {max(self.lettered)}.")
            chosen = near[0]
        return self.told(chosen == self.answer, chosen)

    def of_number(self, answer: Any) -> Marked:
        """A number, right to the digits that were given; at least two where it is no whole number."""
        number = numbers_in(answer)
        if number is None:
            return Marked(False, "The answer is a number, or a list of numbers with commas between them.")
        expected = np.asarray(self.expects, dtype=float)
        if number.shape != expected.shape:
            count = "one number" if not expected.shape else f"{expected.size} numbers"
            return Marked(
                False, f"The answer is {count}, and here {'is one' if not number.shape else f'are {number.size}'}."
            )
        return self.told(is_rounded(number, expected, str(answer)), str(answer))

    def of_problem(self, answer: Any) -> Marked:
        """A formula, a number, an array or a function, marked by the locator of mistakes."""
        from chainrule.verify.grade import grade

        if isinstance(answer, str) and self.values:
            number = numbers_in(answer)
            answer = answer if number is None else number[()]
        wrt: Any = [x.strip() for x in self.wrt.split(",")] if "," in self.wrt else self.wrt
        values, shapes = dict(self.values) or None, {x: tuple(shape) for x, shape in self.shapes.items()} or None
        found = grade(self.problem, answer, wrt=wrt, values=values, shapes=shapes)
        if found.right:
            return self.right()
        return Marked(False, NOT_YET, tuple(found.hints), tuple([mistake.name for mistake in found.mistakes]))

    def told(self, right: bool, answer: str) -> Marked:
        """Right with its reason, or wrong with the hint for this very answer where there is one."""
        if right:
            return self.right()
        for wrong in self.wrong:
            if same_answer(wrong.answer, answer):
                return Marked(False, NOT_YET, (wrong.hint,), (wrong.name,) if wrong.name else ())
        return Marked(False, NOT_YET)

    def right(self) -> Marked:
        """What is said of a right answer."""
        return Marked(True, f"Right. {self.why}".strip())

    @property
    def lettered(self) -> dict[str, str]:
        """The choices by the letters that they are chosen with."""
        return {chr(ord("a") + i): choice for i, choice in enumerate(self.choices)}

    def as_markdown(self) -> str:
        """What is asked, with the choices."""
        choices = "\n".join([f"- {letter}) {choice}" for letter, choice in self.lettered.items()])
        return "\n\n".join(filter(None, [f"**Exercise {self.id}.** {self.ask}", choices]))

    def __repr__(self) -> str:
        choices = [f"  {letter}) {choice}" for letter, choice in self.lettered.items()]
        return "\n".join([f"Exercise {self.id}", self.ask, *choices])

    def _repr_markdown_(self) -> str:
        return f'{self.as_markdown()}\n\n`cr.exercise("{self.id}", …)` marks your answer.'


def exercise_from(exercise_id: str, given: Mapping[str, Any]) -> Exercise:
    """An exercise from the block of its chapter."""
    unknown = set(given) - FIELDS
    if unknown:
        raise ValueError(f"an exercise has no {min(unknown)!r}: it has {', '.join(sorted(FIELDS))}")
    wrong = tuple([Wrong(**each) for each in given.get("wrong", ())])
    rest = {name: x for name, x in given.items() if name not in ("wrong", "choices", "ask", "answer")}
    choices = tuple(given.get("choices", ()))
    return Exercise(exercise_id, given["ask"].strip(), str(given["answer"]), choices=choices, wrong=wrong, **rest)


@overload
def exercise(exercise_id: str, /) -> Exercise: ...
@overload
def exercise(exercise_id: str, answer: Any, /) -> Marked: ...
def exercise(exercise_id: str, /, *answer: Any) -> Exercise | Marked:
    """An exercise of the course by its number; with an answer, what is said of it.

    Raises LessonError where there is none of that number.

    >>> import chainrule as cr
    >>> cr.exercise("1.1", "12").right
    False
    """
    from chainrule.lessons.chapter import LessonError, chapters

    for chapter in chapters():
        for found in chapter.exercises:
            if found.id == str(exercise_id):
                return found.mark(answer[0]) if answer else found
    raise LessonError(f"there is no exercise {exercise_id}: chapter 8 has 8.1, 8.2, …")


def numbers_in(answer: Any) -> Any:
    """A number or a list of numbers that was typed or given; None for anything else."""
    if not isinstance(answer, str):
        return np.asarray(answer, dtype=float) if isinstance(answer, int | float | list | tuple | np.ndarray) else None
    parts = answer.strip().strip("[]()").replace("−", "-").split(",")
    try:
        numbers = [fraction(part) for part in parts]
    except ValueError:
        return None
    return np.asarray(numbers if len(numbers) > 1 else numbers[0])


def fraction(text: str) -> float:
    """A number as it is typed: ``0.5``, ``1/2``."""
    above, sign, below = text.partition("/")
    if not sign:
        return float(above)
    if float(below) == 0:
        raise ValueError("nothing is divided by 0")
    return float(above) / float(below)


def is_rounded(number: Any, expected: Any, typed: str) -> bool:
    """Whether every number is the expected one, rounded to the digits that were typed, two at least."""
    digits = [max(2, significant(part)) for part in typed.strip("[]() ").split(",")]
    pairs = zip(np.ravel(number), np.ravel(expected), digits, strict=False)
    return all(
        [abs(x - y) <= unit(y, n) / 2 * (1 + 1e-9) or np.isclose(x, y, rtol=1e-9, atol=1e-12) for x, y, n in pairs]
    )


def significant(text: str) -> int:
    """How many digits of a typed number say something."""
    mantissa = text.strip().lower().partition("e")[0]
    return len("".join([sign for sign in mantissa if sign.isdigit()]).lstrip("0")) if "/" not in text else 15


def unit(x: float, digits: int) -> float:
    """One unit of the last of so many digits."""
    return 10.0 ** (np.floor(np.log10(abs(x))) - digits + 1) if x else 10.0**-digits


def same_answer(one: str, other: str) -> bool:
    """Whether two answers are the same number, or the same words."""
    numbers = numbers_in(one), numbers_in(other)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0].shape == numbers[1].shape and bool(np.allclose(*numbers, rtol=1e-6))
    return "".join(one.split()) == "".join(other.split())

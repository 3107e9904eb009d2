"""Exercises: asked, marked by the locator of mistakes, with hints before answers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, overload

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.lessons import numbers
from chainrule.lessons.answers import is_answer, is_arithmetic, is_rounded, numbers_in, same_answer, same_words
from chainrule.maths import numeral

FIELDS = frozenset(
    {"ask", "problem", "wrt", "values", "draw", "shapes", "answer", "wrong", "hints", "expects", "choices", "why"}
)
NOT_YET = "Not yet."
UNREAD = "this cannot be read here: "
"""How an error of typed formulas may begin; an answer is told so once."""
NUMBER = "Answer with a number; round it to no fewer than three digits."
SPELLING = "Write it as in a program: 3*x**2 + sin(x)."
SPELLING_OF_ARRAYS = "Write it as in a program: W.T @ d is a product of matrices, d*a one entry by entry."
HINTS = 3
"""One hint with every try, and then the answer."""


@dataclass(frozen=True)
class Marked:
    """What is said of an answer: right or not, in words, and hints from the gentlest on."""

    right: bool
    says: str
    hints: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    """The names of the mistakes that were found."""
    read: bool = True
    """Whether it could be read as an answer. One that could not is no try: it is neither right nor wrong."""
    tries: int = 1
    """How many wrong answers were given, with this one: so many hints are shown."""

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return self.says

    def __repr__(self) -> str:
        return "\n".join([self.says, *self.hints[: self.tries]])

    def after(self, tried: list[str], answer: Any) -> Marked:
        """The same with a hint for every other wrong answer of `tried`, which this one joins.

        The same answer gets the same hints again, and what cannot be read counts as none.
        """
        if self.right or not self.read:
            return self
        if str(answer) not in tried:
            tried.append(str(answer))
        return replace(self, tries=tried.index(str(answer)) + 1)


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
    """The numbers in it. Where they are those of the problem's letters, a number is asked and no formula."""
    shapes: Mapping[str, Any] = field(default_factory=dict)
    expects: Any = None
    """The number, or the list of numbers, where there is no problem to differentiate."""
    choices: tuple[str, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    hints: tuple[str, ...] = ()
    """For an answer that nobody foresaw: where to look, and then how it is done."""
    why: str = ""
    """Said with the right answer."""
    seed: int | None = None
    """What its numbers were drawn with; None for those that the chapter has."""
    block: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The exercise as it is written, from which others are drawn."""

    @property
    def name(self) -> str:
        """Its number, with the seed where it has one: what tells it from all others."""
        return self.id if self.seed is None else f"{self.id} (seed {self.seed})"

    @property
    def has_numbers(self) -> bool:
        """Whether other numbers can be drawn for it."""
        return bool(self.values or (self.problem and not self.shapes and numbers.numbers_for(self.problem)))

    def fresh(self, seed: int) -> Exercise:
        """The same exercise with other numbers, which hide no mistake; itself where it has none.

        A formula that is asked in single numbers is then asked at numbers. The same seed gives the same numbers.

        >>> import chainrule as cr
        >>> cr.exercise("4.3").fresh(1).ask
        'The gradient that arrives at a sum of three numbers is −11. What does each of the three get?'
        """
        if not self.has_numbers:
            return self
        values = self.values or numbers.numbers_for(self.problem)
        given = self.block.get("draw", {})
        made = numbers.drawn(self.id, seed, values, given, not self.values, lambda new: self.on(new, seed).hides())
        return self.on(made, seed)

    def on(self, values: Mapping[str, float], seed: int) -> Exercise:
        """The same exercise on other numbers, whatever they hide."""
        block = {**self.block, "values": values}
        if not self.values:  # a formula was asked
            told = ", ".join([f"{name} = {numbers.in_print(x)}" for name, x in values.items()])
            block["ask"] = f"{self.block['ask']} Take {told}."
        return exercise_from(self.id, block, seed)

    def hides(self) -> bool:
        """Whether its numbers hide a mistake: one of the marker's, a forgotten number, or a prepared wrong answer."""
        if self.asks_number and self.problem and numbers.slope_hides(self.problem, self.wrt, self.values):
            return True
        expects = self.block.get("expects")
        formulas = expects if isinstance(expects, list) else [expects]
        if expects is not None and numbers.formulas_hide(formulas, self.values):
            return True
        if self.choices:
            return len({*self.choices}) < len(self.choices)
        answers = [self.answer, *[wrong.answer for wrong in self.wrong]] if self.asks_number else []
        return any([same_answer(x, y) for i, x in enumerate(answers) for y in answers[:i]])

    @property
    def asks_number(self) -> bool:
        """Whether the answer is a number, or several."""
        return self.expects is not None or bool(self.problem and {*self.letters} <= {*self.values})

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of its problem that stand for given numbers."""
        return tuple(numbers.letters_of(self.problem, self.shapes).leaves) if self.problem else ()

    @property
    def how(self) -> str:
        """How an answer to it is typed."""
        if self.choices:
            return f"Answer with a letter from a to {max(self.lettered)}."
        if self.expects is not None:
            count = np.size(self.expects)
            return NUMBER if count == 1 else f"Answer with {count} numbers, commas between them."
        if self.asks_number:
            return NUMBER
        names = numbers.letters_of(self.problem, self.shapes).named
        return f"Answer with a formula. Its names may be {', '.join(names)}."

    def mark(self, answer: Any) -> Marked:
        """Whether an answer is right, and if not, what is to be looked at.

        `answer` is text as it is typed, a number, an array, or a function ``backward``. A wrong answer is never an
        error: it gets hints. One that is malformed, empty or of another kind is not ``read``, and is told how an
        answer is written.

        >>> import chainrule as cr
        >>> cr.exercise("1.1").mark("12").right
        False
        """
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            return self.unread("There is no answer yet.")
        try:
            if self.choices:
                return self.of_choice(str(answer))
            if self.expects is not None:
                return self.of_number(answer)
            return self.of_problem(answer)
        except ChainruleError as error:
            number = numbers_in(answer) if self.asks_number else None
            if number is not None and np.size(number) > 1:
                return self.unread(counted(1, np.size(number)))
            return self.unread(f"This cannot be read yet: {str(error).removeprefix(UNREAD)}")

    def unread(self, says: str) -> Marked:
        """What is said of an answer that is none, with how one is written."""
        spelling = [] if self.choices or self.asks_number else [SPELLING_OF_ARRAYS if self.shapes else SPELLING]
        return Marked(False, says, (self.how, *spelling), read=False, tries=HINTS)

    def of_choice(self, answer: str) -> Marked:
        """One of some choices, by its letter or its words."""
        chosen = self.lettered.get(answer.strip().lower().strip("()."))
        if chosen is None:
            same = [choice for choice in self.choices if same_words(choice, answer)]
            near = same or difflib.get_close_matches(answer.strip(), self.choices, 1)
            if not near:
                return self.unread("This is none of the choices.")
            chosen = near[0]
        return self.told(chosen == self.answer, chosen)

    def of_number(self, answer: Any) -> Marked:
        """A number, right to the digits that were given; at least two where it is no whole number."""
        expected = np.asarray(self.expects, dtype=float)
        number = numbers_in(answer, count=expected.size)
        if number is None:
            number = numbers_in(answer)
        if number is None or np.any(np.isnan(number)):
            return self.unread(f"This cannot be read as {'a number' if not expected.shape else 'numbers'}.")
        if number.shape != expected.shape:
            return self.unread(counted(expected.size, number.size))
        return self.told(is_rounded(number, expected, answer), str(answer))

    def of_problem(self, answer: Any) -> Marked:
        """A formula, a number, an array or a function, marked by the locator of mistakes."""
        from chainrule.verify.grade import grade

        if self.asks_number and is_arithmetic(answer):
            answer = numbers_in(answer)
        wrt: Any = [x.strip() for x in self.wrt.split(",")] if "," in self.wrt else self.wrt
        values = dict(self.values) if self.asks_number else None
        shapes = {x: tuple(shape) for x, shape in self.shapes.items()} or None
        found = grade(self.problem, answer, wrt=wrt, values=values, shapes=shapes)
        if found.right:
            return self.right()
        prepared = self.prepared(str(answer))
        if prepared is None and not self.asks_number and self.is_other_kind(answer):
            return self.unread("A formula is asked, and this is none.")
        first = [prepared.hint] if prepared and prepared.hint else []
        # Where no known mistake gives the answer, the locator can say no more than that.
        rest = self.hints if found.unclassified and self.hints else found.hints
        return Marked(False, NOT_YET, (*first, *rest)[:HINTS], tuple([mistake.name for mistake in found.mistakes]))

    def is_other_kind(self, answer: Any) -> bool:
        """Whether numbers alone were given where the answer is a formula with letters."""
        return numbers_in(answer) is not None and numbers_in(self.answer) is None

    def prepared(self, answer: str) -> Wrong | None:
        """The wrong answer that was foreseen, where this is one: a number, words, or a formula in any equal form."""
        found = next((wrong for wrong in self.wrong if is_answer(answer, wrong.answer)), None)
        if found is None and self.problem and not self.asks_number:
            hinted = [wrong for wrong in self.wrong if wrong.hint]
            return next((wrong for wrong in hinted if self.is_same_formula(answer, wrong.answer)), None)
        return found

    def is_same_formula(self, one: str, other: str) -> bool:
        """Whether two answers to its problem, which can be read, give the same at generic numbers."""
        from chainrule.verify.agreement import agrees_everywhere
        from chainrule.verify.answers.points import walks_for
        from chainrule.verify.grade import formula_at

        problem = numbers.letters_of(self.problem, self.shapes)
        walks = walks_for(problem, {})
        first, second = [formula_at(problem, text, self.wrt, walks)[0].answers for text in (one, other)]
        return agrees_everywhere(first, second)

    def told(self, right: bool, answer: str) -> Marked:
        """Right with its reason, or wrong: first what this very answer is, then the hints for all."""
        if right:
            return self.right()
        prepared = self.prepared(answer)
        first = prepared.hint if prepared else self.slip(answer)
        names = (prepared.name,) if prepared and prepared.name else ()
        return Marked(False, NOT_YET, (*filter(None, [first]), *self.hints)[:HINTS], names)

    def slip(self, answer: str) -> str:
        """What was done with one of the exercise's numbers, where that gives this very answer."""
        expects = self.block.get("expects")
        formulas = expects if isinstance(expects, list) else [expects]
        given = numbers_in(answer, count=len(formulas))
        if given is None or expects is None:
            return ""
        return numbers.slip_that_gives(formulas, np.ravel(given).tolist(), self.values)

    def right(self) -> Marked:
        return Marked(True, f"Right. {self.why}".strip())

    @property
    def lettered(self) -> dict[str, str]:
        """The choices by the letters that they are chosen with."""
        return {chr(ord("a") + i): choice for i, choice in enumerate(self.choices)}

    def as_markdown(self) -> str:
        """What is asked, with the choices, and how it is answered."""
        choices = "\n".join([f"- {letter}) {choice}" for letter, choice in self.lettered.items()])
        return "\n\n".join(filter(None, [f"**Exercise {self.name}.** {self.ask}", choices, f"*{self.how}*"]))

    def __repr__(self) -> str:
        choices = [f"  {letter}) {choice}" for letter, choice in self.lettered.items()]
        return "\n".join([f"Exercise {self.name}", self.ask, *choices, self.how])

    def _repr_markdown_(self) -> str:
        seed = "" if self.seed is None else f", seed={self.seed}"
        return f'{self.as_markdown()}\n\n`cr.exercise("{self.id}", …{seed})` marks your answer.'


def counted(wanted: int, given: int) -> str:
    """What is said of too many numbers, or too few."""
    one_or_more = "one number" if wanted == 1 else f"{wanted} numbers"
    return f"The answer is {one_or_more}, and here {'is one' if given == 1 else f'are {given}'}."


def exercise_from(exercise_id: str, block: Mapping[str, Any], seed: int | None = None) -> Exercise:
    """An exercise from the block of its chapter, its numbers in their places.

    Raises ValueError for a field that no exercise has, and FormulaError for a number that cannot be worked out.
    """
    unknown = set(block) - FIELDS
    if unknown:
        raise ValueError(f"an exercise has no {min(unknown)!r}: it has {', '.join(sorted(FIELDS))}")
    values: dict[str, float] = {name: float(x) for name, x in block.get("values", {}).items()}

    def typed(text: Any) -> str:
        return numbers.typed_out(str(text), values)

    def printed(text: str) -> str:
        return numbers.printed_out(text, values).strip()

    problem, expects, wrt = typed(block.get("problem", "")), block.get("expects"), block.get("wrt", "")
    if expects is not None:
        results = [numbers.worked_out(x, values) for x in (expects if isinstance(expects, list) else [expects])]
        expects = results if isinstance(expects, list) else results[0]
    choices = tuple([printed(choice) for choice in block.get("choices", ())])
    made = Exercise(
        exercise_id,
        printed(block["ask"]),
        "",
        problem,
        wrt,
        values,
        {name: [int(numbers.worked_out(n, values)) for n in shape] for name, shape in block.get("shapes", {}).items()},
        expects,
        choices,
        tuple([wrong_from(each, typed, printed, choices) for each in block.get("wrong", ())]),
        tuple([printed(hint) for hint in block.get("hints", ())]),
        printed(block.get("why", "")),
        seed,
        block,
    )
    if expects is not None:
        answer = ", ".join([numeral(x, 9).text for x in np.ravel(expects)])
    elif made.asks_number and problem:
        answer = numeral(numbers.slope_in(problem, wrt, values)).text
    else:
        answer = printed(block["answer"]) if choices else typed(block["answer"])
    return replace(made, answer=answer)


def wrong_from(
    each: Mapping[str, Any], typed: Callable[[Any], str], printed: Callable[[str], str], choices: Collection[str]
) -> Wrong:
    """A prepared wrong answer with its numbers in place."""
    answer = printed(str(each["answer"])) if choices else typed(each["answer"])
    return Wrong(answer, each.get("name", ""), printed(each.get("hint", "")))


TRIED: dict[str, list[str]] = {}
"""The wrong answers of this session to each exercise."""


@overload
def exercise(exercise_id: str, /, *, seed: int | None = None) -> Exercise: ...
@overload
def exercise(exercise_id: str, answer: Any, /, *, seed: int | None = None) -> Marked: ...
def exercise(exercise_id: str, /, *answer: Any, seed: int | None = None) -> Exercise | Marked:
    """An exercise of the course by its number; with an answer, what is said of it.

    Every other wrong answer of a session brings a hint more. With a `seed` the exercise has other numbers, the same for
    the same seed, and they hide no mistake. Raises LessonError where there is none of that number.

    >>> import chainrule as cr
    >>> cr.exercise("1.1", "12").right
    False
    >>> cr.exercise("8.3", seed=1).values == cr.exercise("8.3", seed=1).values
    True
    """
    from chainrule.lessons.chapter import LessonError, chapters, there_are

    for chapter in chapters():
        for found in chapter.exercises:
            if found.id == str(exercise_id):
                asked = found if seed is None else found.fresh(seed)
                return asked.mark(answer[0]).after(TRIED.setdefault(asked.name, []), answer[0]) if answer else asked
    raise LessonError(f"there is no exercise {exercise_id}: {there_are(str(exercise_id))}")

"""A teacher's set of exercises: a sheet with other numbers for each learner, a key, and marks for what comes back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from chainrule.errors import ChainruleError, FileError
from chainrule.files import write_whole
from chainrule.lessons.chapter import LessonError, chapters, there_are
from chainrule.lessons.exercise import Exercise, Marked
from chainrule.lessons.page import STYLE, html_of_markdown
from chainrule.printable import several
from chainrule.table import Table
from chainrule.webpage import webpage

FILE = "set.json"
UNREAD = "?"
"""Stands in a table of marks for an answer that cannot be read."""
PRINTED = """
.exercise p:last-child { color: var(--quiet) } .line { border-bottom: 1px solid var(--quiet); height: 2.4rem }
td, th { text-align: left; vertical-align: top } @media print { .exercise { break-inside: avoid } }
"""


@dataclass(frozen=True)
class ExerciseSet:
    """Some exercises, on as many sheets as there are learners; each sheet has numbers of its own.

    >>> from chainrule.lessons.sets import ExerciseSet
    >>> whole = ExerciseSet(("8.3", "9.1"), sheets=2, seed=5)
    >>> [exercise.name for exercise in whole.sheet(2)]
    ['8.3 (seed 7)', '9.1 (seed 7)']
    """

    ids: tuple[str, ...]
    sheets: int = 1
    seed: int = 0

    def sheet(self, number: int) -> tuple[Exercise, ...]:
        """The exercises of a sheet, which are counted from 1; the same for the same seed."""
        return self.all_sheets[number - 1]

    @cached_property
    def all_sheets(self) -> tuple[tuple[Exercise, ...], ...]:
        found = {exercise.id: exercise for chapter in chapters() for exercise in chapter.exercises}
        return tuple([tuple([found[x].fresh(self.seed + n) for x in self.ids]) for n in range(1, self.sheets + 1)])

    def save(self, folder: Path) -> list[str]:
        """Write the sheets, forms to hand in, worksheets, the key, and what `marks` needs; returns the files' names.

        Raises FileError for a folder that holds another set.
        """
        place = folder / FILE
        if place.exists() and read_set(folder) != self:
            raise FileError(f"{folder} holds another set: name a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, str] = {}
        for number in range(1, self.sheets + 1):
            files[f"sheet-{number:02}.html"] = sheet_page(number, self.sheet(number))
            files[f"sheet-{number:02}.txt"] = form(number, self.sheet(number))
        files["key.html"] = key_page(self)
        files[FILE] = json.dumps({"exercises": list(self.ids), "sheets": self.sheets, "seed": self.seed}, indent=1)
        for name, text in files.items():
            write_whole(folder / name, text)
        return [*files, *self.save_worksheets(folder)]

    def save_worksheets(self, folder: Path) -> Iterator[str]:
        """A worksheet for each exercise that is worked by hand on single numbers, and the teacher's copy of it."""
        from chainrule.sheets.worksheet import worksheet

        for number in range(1, self.sheets + 1):
            for exercise in self.sheet(number):
                if exercise.problem and exercise.asks_number and not exercise.shapes:
                    made = worksheet(exercise.problem, exercise.values)
                    for name, teacher in (("worksheet", False), ("key", True)):
                        file = f"{name}-{number:02}-{exercise.id}.html"
                        made.save(folder / file, teacher=teacher)
                        yield file

    def marks(self, folder: Path) -> Marks:
        """The marks for a folder of forms that were filled in.

        Raises FileError where there is none in it. What cannot be read counts as nothing, and says why.
        """
        places = sorted(place for place in folder.iterdir() if place.suffix == ".txt")
        if not places:
            raise FileError(f"{folder} has no .txt to mark: each holds a form, with 'sheet: 1' in its first line")
        return Marks(self.ids, tuple([self.submission(place) for place in places]))

    def submission(self, place: Path) -> Submission:
        """One form with its marks."""
        try:
            number, answers = read_form(place.read_text("utf-8"))
            if not 1 <= number <= self.sheets:
                raise LessonError(f"there is no sheet {number}: the set has 1 to {self.sheets}")
        except (UnicodeDecodeError, OSError):
            return Submission(place.stem, 0, {}, "it cannot be read as text")
        except ChainruleError as error:
            return Submission(place.stem, 0, {}, str(error))
        marked = {e.id: e.mark(answers[e.id]) for e in self.sheet(number) if answers.get(e.id)}
        return Submission(place.stem, number, marked)


@dataclass(frozen=True)
class Submission:
    """What one learner handed in, with what is said of each answer; exercises without an answer are not in it."""

    name: str
    sheet: int
    marked: Mapping[str, Marked]
    problem: str = ""

    @property
    def right(self) -> int:
        return sum(map(bool, self.marked.values()))

    @property
    def unread(self) -> dict[str, Marked]:
        """The answers that could not be read, which are neither right nor wrong."""
        return {x: marked for x, marked in self.marked.items() if not marked.read}


@dataclass(frozen=True)
class Marks:
    """The marks of a class, and a summary: which exercises went wrong, and by which mistakes."""

    ids: tuple[str, ...]
    submissions: tuple[Submission, ...]

    def table(self) -> Table:
        """A row for each learner, a column for each exercise: 1 for right, 0 for wrong, ? for what cannot be read."""
        rows = [
            (one.name, one.sheet or None, one.right, *[score(one.marked.get(x)) for x in self.ids])
            for one in self.submissions
        ]
        return Table(("name", "sheet", "right", *self.ids), tuple(rows), self.summary())

    def mistakes(self) -> list[tuple[str, str, int]]:
        """Each exercise with a mistake that was made in it and how often, the most frequent first."""
        found = Counter(
            [(x, name) for one in self.submissions for x, marked in one.marked.items() for name in marked.mistakes[:1]]
        )
        return [(x, name, count) for (x, name), count in found.most_common()]

    def summary(self) -> str:
        """The marks in words, a line for each thing that is worth saying.

        >>> from chainrule.lessons.sets import Marks
        >>> print(Marks(("8.3",), ()).summary())
        0 of 0 answers right
        8.3: 0 of 0 right, 0 blank
        """
        answers = [marked for one in self.submissions for marked in one.marked.values()]
        lines = [score_of(answers, "answers")]
        for x in self.ids:
            given = [one.marked[x] for one in self.submissions if x in one.marked]
            lines.append(f"{x}: {score_of(given)}, {len(self.submissions) - len(given)} blank")
        lines += [f"{x}: {name}, {several(count, 'time')}" for x, name, count in self.mistakes()]
        for one in self.submissions:
            lines += [f"{one.name}, {x}: {marked.says.splitlines()[0]}" for x, marked in one.unread.items()]
        lines += [f"{one.name}: not read, {one.problem}" for one in self.submissions if one.problem]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        return {
            "submissions": [
                {
                    "name": one.name,
                    "sheet": one.sheet,
                    "problem": one.problem,
                    "answers": {x: asdict(marked) for x, marked in one.marked.items()},
                }
                for one in self.submissions
            ],
            "mistakes": [{"exercise": x, "mistake": name, "count": count} for x, name, count in self.mistakes()],
        }


def score(marked: Marked | None) -> int | str | None:
    """An answer's points; a question mark where it cannot be read, and None where there is no answer."""
    if marked is None:
        return None
    return int(marked.right) if marked.read else UNREAD


def score_of(answers: Sequence[Marked], what: str = "") -> str:
    """How many of those that could be read are right, and how many could not."""
    read = [marked for marked in answers if marked.read]
    right = " ".join(filter(None, [f"{sum(map(bool, read))} of {len(read)}", what, "right"]))
    return right + (f", {len(answers) - len(read)} not read" if len(read) < len(answers) else "")


def chosen(words: Sequence[str]) -> tuple[str, ...]:
    """The exercises that these words name: a chapter's number stands for all of them.

    Raises LessonError for a number that the course has not, and where nothing is named.

    >>> from chainrule.lessons.sets import chosen
    >>> chosen(["7", "8.3"])
    ('7.1', '7.2', '7.3', '8.3')
    """
    found: dict[str, None] = {}
    for word in words:
        ids = [e.id for c in chapters() for e in c.exercises if word in (e.id, str(c.number))]
        if not ids:
            raise LessonError(
                f"the course has no exercise {word}: {there_are(word)}; name chapters, as 8, or exercises, as 8.2"
            )
        found.update(dict.fromkeys(ids))
    if not found:
        raise LessonError("name chapters, as 8, or exercises, as 8.2")
    return tuple(found)


def read_set(folder: Path) -> ExerciseSet:
    """The set that a folder holds; raises FileError where it holds none."""
    try:
        held = json.loads((folder / FILE).read_text("utf-8"))
        return ExerciseSet(chosen([str(x) for x in held["exercises"]]), int(held["sheets"]), int(held["seed"]))
    except FileNotFoundError:
        raise FileError(f"{folder} holds no set: 'chainrule exercise set' writes one") from None
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{folder / FILE} is damaged: write the set again, with the same seed") from None


def read_form(text: str) -> tuple[int, dict[str, str]]:
    """The number of the sheet, and the answers by exercise; a line is ``8.3: -48``, an equals sign does as well.

    Raises LessonError where no line says which sheet it is.
    """
    sheet, answers = 0, {}
    for line in text.splitlines():
        at = min([i for i in (line.find(":"), line.find("=")) if i >= 0], default=-1)
        name, answer = line[:at].strip().lower(), line[at + 1 :].strip()
        if at >= 0 and name == "sheet" and answer.isdecimal() and len(answer) < 9:
            sheet = int(answer)
        elif at >= 0:
            answers[name] = answer
    if not sheet:
        raise LessonError("no line says which sheet it is, as 'sheet: 1'")
    return sheet, answers


def form(number: int, exercises: Sequence[Exercise]) -> str:
    """A form to fill in and hand in."""
    lines = [f"{exercise.id}:" for exercise in exercises]
    return "\n".join([f"sheet: {number}", *lines, ""])


def sheet_page(number: int, exercises: Sequence[Exercise]) -> str:
    """A sheet to print, with room for answers."""
    room = '<div class="line"></div>'
    parts = [f'<div class="exercise">{html_of_markdown(exercise.as_markdown())}{room}</div>' for exercise in exercises]
    return webpage(f"Sheet {number}", STYLE + PRINTED, "\n".join([f"<h1>Sheet {number}</h1>", *parts]))


def key_page(whole: ExerciseSet) -> str:
    """The key: every answer on every sheet, why it is right, and what wrong answers come from."""
    parts = ["<h1>Key</h1>"]
    for x in whole.ids:
        rows = [
            f"<tr><td>{number}</td><td>{escape(exercise.ask)}</td><td><code>{escape(exercise.answer)}</code></td>"
            f"<td>{escape(exercise.why)}</td><td>{wrong_answers(exercise)}</td></tr>"
            for number, exercise in enumerate([sheet[whole.ids.index(x)] for sheet in whole.all_sheets], start=1)
        ]
        head = (
            "<tr><th>Sheet</th><th>Asked</th><th>Answer</th><th>Why</th><th>Wrong answers, and what they are</th></tr>"
        )
        parts.append(f"<h2>{x}</h2><table>{head}{''.join(rows)}</table>")
    return webpage("Key", STYLE + PRINTED + "body { max-width: 72rem }", "\n".join(parts))


def wrong_answers(exercise: Exercise) -> str:
    """The prepared wrong answers, each with the name of its mistake or with its hint."""
    lines: list[str] = []
    for wrong in exercise.wrong:
        marked = exercise.mark(wrong.answer)
        what = wrong.hint or ", ".join(marked.mistakes[:1])
        lines.append(f"<code>{escape(wrong.answer)}</code> {escape(what)}")
    return "<br>".join(lines)

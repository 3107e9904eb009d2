"""Write docs/mistakes.md: every mistake by name, and the locator's own tests, with what it says of each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "verify"))

INTRODUCTION = """# Mistakes by name

`cr.grade` compares an answer with the right gradient and with what each known mistake would give, on generic
numbers. This page is its test table: written by `docs/write_mistakes.py` from `tests/verify`, with what is
said of each answer, failures included.

```pycon
>>> import chainrule as cr
>>> marked = cr.grade("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", "(yhat - y)*x", wrt="w1")
>>> marked.mistakes[0].name, marked.mistakes[0].place
('missing-factor', '∂yhat/∂h, in yhat = w2*h, on the way to w1')
>>> cr.grade("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", "-x w2 (y - yhat)", wrt="w1").right
True

```

How it works, and where it ends:

- A mistake is a change of the backward pass: one link's local derivative replaced, a share dropped or
  overwritten, a node handed on too early. What it gives is found by walking the right pass down from there,
  so it is exact at any numbers.
- An answer is compared at five points (fifteen where an operation chooses between branches). A cause is named
  only where it gives the answer at all of them. Where several mistakes give the same formula all are listed,
  the most telling first.
- What no single mistake gives is tried as a small change of the answer itself: an operand, a sign, an axis, a
  bracket. Then come pairs: a mistake beside a factor that people make (a sign, 2, a length, a number of the text),
  and two links with the commoner mistakes.
- Pairs are foretold along one random direction before they are made: what moves along it tells what a changed link
  adds to the answer.
- A function that is itself wrong is wrong at every activation: that is one mistake. So is what a loop does each time:
  links of one kind, or what stands at one place of a program's text, are changed together.
- Of a product, a quotient and f(u) the wrong rules are tried as a whole: u′v′, u′/v′, no v² below, f′(u′), u for u′.
- A number that was given may stand for its name, or be worked into another (0.4 for 2/m with m = 5): the answer is
  tried with that name alone at its number.
- A factor and an average that are the same number are told apart where the axes have other lengths.
- What nothing explains is `unclassified`, with the first line that is off. Three mistakes at once are.
- A number alone is compared at the teacher's values, where many mistakes may look alike: it asks for a
  formula.
- A matrix that is the transpose of the gradient is wrong; a row for a column is right.
"""


POSTED = """Written in rounds, each before the locator was first run on it. What that first run gave, before anything
was mended for it:"""

MOST_LINES = 4


def main() -> None:
    """Write the page."""
    (HERE / "mistakes.md").write_text("\n".join(page()), encoding="utf-8")


def page() -> list[str]:
    """The lines of the page."""
    from fixtures import CODE, FORMULAS, PROBLEMS, RIGHT, SLIPS
    from forum_answers import FIRST_RUNS, POSTS
    from learner_answers import PROBLEMS as WORDED
    from learner_answers import RIGHT as WELL_WORDED
    from learner_answers import WRONG
    from test_courses import RIGHT as WELL_READ
    from test_courses import SLIPS as COURSES

    from chainrule.verify.grade import grade
    from chainrule.verify.mistakes import KINDS

    lines = [INTRODUCTION, "## The names", "", "| name | what was done | what to do |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind.what} | {kind.fix} |" for name, kind in KINDS.items()]
    lines += ["", "## Formulas", "", *head("problem", "asked", "answer", "expected", "said")]
    for fixture in (*FORMULAS, *RIGHT):
        given = PROBLEMS[fixture.problem]
        marked = grade(given["program"], fixture.answer, wrt=fixture.wrt, shapes=given.get("shapes"))
        lines.append(row(fixture.problem, fixture.wrt, code(fixture.answer), fixture.name or "right", said(marked)))
    lines += ["", "## Programs", "", *head("problem", "in place of", "stands", "expected", "said")]
    for problem, right, wrong, name, _ in SLIPS:
        given = PROBLEMS[problem]
        text, wrt = CODE[problem]
        marked = grade(given["program"], backward(text.replace(right, wrong)), wrt=list(wrt), shapes=given["shapes"])
        lines.append(row(problem, code(right), code(wrong), name, said(marked)))
    lines += ["", "## In a learner's words", "", *head("problem", "asked", "answer", "expected", "said")]
    for answer in (*WRONG, *WELL_WORDED):
        of = WORDED[answer.problem]
        marked = grade(of.program, answer.text, wrt=answer.wrt, shapes=of.shapes)
        expected = " or ".join(answer.names) or "right"
        lines.append(row(answer.problem, answer.wrt, code(answer.text), expected, said(marked)))
    lines += ["", "## As people post them", "", POSTED, ""]
    lines += [f"- {name}: {said_first}" for name, said_first in FIRST_RUNS.items()]
    lines += ["", *head("problem", "asked", "answer", "expected", "said")]
    for post in POSTS:
        marked = grade(
            post.program,
            post.given,
            wrt=post.wrt,
            shapes=post.shapes,
            values=post.values,
            steps=post.steps,
            rate=post.rate,
        )
        asked = post.wrt if isinstance(post.wrt, str) else ", ".join(post.wrt)
        expected = " or ".join(post.names) or "right"
        lines.append(row(code(post.program), asked, code(last_lines(post.answer)), expected, said(marked)))
    lines += ["", "## Notebooks of courses", "", first_run_of_courses(), ""]
    lines += [row("notebook", "stands", "expected", "said"), "|---|---|---|---|"]
    for name, right, wrong, names, _ in COURSES:
        slip = last_lines(wrong) if wrong else f"without {right.strip()}"
        lines.append(row(name, code(slip), " or ".join(names), audited(name, right, wrong)))
    lines += [row(name, "as it is", "right", audited(name)) for name in WELL_READ]
    lines += [row("from_a_file", "as it is", "right", audited("from_a_file"))]
    lines += ["", "## The problems", ""]
    programs = {
        **{name: given["program"] for name, given in PROBLEMS.items()},
        **{n: p.program for n, p in WORDED.items()},
    }
    lines += [f"- {name}: {code('; '.join(program.splitlines()))}" for name, program in programs.items()]
    return [*lines, ""]


def first_run_of_courses() -> str:
    """What the test of courses says of its first run."""
    import test_courses

    return str(test_courses.__doc__).partition("\n\n")[2].strip()


def audited(name: str, right: str = "", wrong: str = "") -> str:
    """The verdict on a notebook in a cell, with a slip in the place of what is right there."""
    from tempfile import TemporaryDirectory

    from test_audit import cells_of, written

    from chainrule.verify.audit import audit

    with TemporaryDirectory() as folder:
        cells = [cell.replace(right, wrong) if right else cell for cell in cells_of(name)]
        found = audit(written(Path(folder), cells))
    if not found.checked:
        return "not read"
    names = dict.fromkeys([mistake.name for mistake in found.mistakes])
    return ", ".join(names) or ", ".join(dict.fromkeys([checked.verdict for checked in found.checked]))


def head(*titles: str) -> list[str]:
    """The first two lines of a table."""
    return [row(*titles), "|" + "---|" * len(titles)]


def last_lines(answer: str) -> str:
    """An answer, or the end of a long program."""
    lines = [line.strip() for line in answer.splitlines()]
    return "\n".join(lines if len(lines) <= MOST_LINES else ["…", *lines[-MOST_LINES:]])


def row(*cells: Any) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def code(text: str) -> str:
    """A piece of code in a cell."""
    return "`" + " ⏎ ".join(text.splitlines()).replace("|", "\\|") + "`"


def said(marked: Any) -> str:
    """The verdict in a cell."""
    return "right" if marked.right else ", ".join(dict.fromkeys(mistake.name for mistake in marked.mistakes))


def backward(text: str) -> Any:
    """The function in a program of the tests."""
    program: dict[str, Any] = {"np": np}
    exec(text, program)  # noqa: S102  (it is a program of this project's tests)
    return program["backward"]


if __name__ == "__main__":
    main()

"""The same chapter in a terminal, as a page, as a notebook; and what is remembered of a reader."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import chainrule as cr
from chainrule.cli import lessons as commands
from chainrule.cli.app import app
from chainrule.errors import MissingExtra
from chainrule.lessons import chapters, terminal
from chainrule.lessons.chapter import Cell, Prose, Question
from chainrule.lessons.exercise import Exercise
from chainrule.lessons.notebook import markdown_of, markdown_of_run, write_notebook
from chainrule.lessons.page import page_of, page_of_run
from chainrule.lessons.progress import Progress
from chainrule.lessons.sets import read_set
from chainrule.lessons.terminal import tell, words
from chainrule.printable import SPELLED, spelled


def told(number, tmp_path, *, answers=None, width=80, start=0, **options):
    """What a terminal shows of a chapter; answers are those of a reader, None where nobody reads."""
    out = io.StringIO()
    console = Console(file=out, width=width, **options)
    waiting = iter(answers or [])

    def ask(words):
        out.write(words + ": ")
        for typed in waiting:
            out.write(typed + "\n")
            return typed
        raise EOFError

    tell(chapters()[number - 1], console, None if answers is None else ask, Progress(tmp_path), start=start)
    return out.getvalue()


@pytest.fixture
def once_run(monkeypatch, ran):
    """Has a chapter that was run told as it is, and not run again."""
    monkeypatch.setattr(terminal, "steps_of", lambda chapter, space: iter(ran(chapter.number).shown))


@pytest.mark.parametrize("number", range(1, 21))
def test_every_line_fits_a_narrow_terminal(number, tmp_path, once_run):
    text = told(number, tmp_path, width=40)
    prose = [line for line in text.splitlines() if not line.startswith("  ")]
    assert max(map(len, prose)) <= 40
    # Code is broken where it does not fit, and nothing of it is lost.
    together = "".join(text.split())
    for block in chapters()[number - 1].blocks:
        if isinstance(block, Cell):
            assert all("".join(line.split()) in together for line in block.source.splitlines())


def test_code_fits_a_page_and_a_terminal():
    lines = [
        (chapter.number, line)
        for chapter in chapters()
        for block in chapter.blocks
        if isinstance(block, Cell)
        for line in block.source.splitlines()
    ]
    assert [(number, line) for number, line in lines if len(line) > 76] == []


@pytest.mark.parametrize("number", [1, 8, 13, 16])
def test_a_terminal_without_unicode_and_colour_is_readable(number, tmp_path, monkeypatch, once_run):
    monkeypatch.setenv("NO_COLOR", "1")
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, "ascii", errors=SPELLED, write_through=True), width=60)
    tell(chapters()[number - 1], console, None, Progress(tmp_path))
    text = raw.getvalue().decode("ascii")
    assert "\x1b" not in text
    asked = told(number, tmp_path, width=60)
    assert text.count("?") == asked.count("?")  # every sign was spelled out
    if number == 8:
        assert "dL/dyhat = 0.5 * 2 * (yhat - y) = yhat - y = 2 - 20 = -18" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= 60


def rendered(markdown, encoding):
    """The words that a console without an end shows of Markdown, without the frames of tables."""
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding, errors=SPELLED, write_through=True), width=5000)
    console.print(words(markdown, console))
    found = [word.strip("|│┃") for word in raw.getvalue().decode(encoding).split()]
    return [word for word in found if word and (len(word) < 4 or word.strip("+-━┏┳┓┡╇┩└┴┘─"))]


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.name)
def test_a_product_loses_no_sign_where_a_dot_is_typed_as_a_star(chapter):
    for block in chapter.blocks:
        parts = {Prose: ("text",), Question: ("ask", "answer"), Exercise: ("ask", "why")}.get(type(block), ())
        for text in [getattr(block, part) for part in parts]:
            assert rendered(text, "ascii") == spelled(" ".join(rendered(text, "utf-8"))).split()


def test_a_graph_s_boxes_stay_whole_without_unicode(tmp_path, once_run):
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, "ascii", errors=SPELLED, write_through=True), width=60)
    tell(chapters()[7], console, None, Progress(tmp_path))
    lines = [line.rstrip() for line in raw.getvalue().decode("ascii").splitlines()]
    top = next(i for i, line in enumerate(lines) if "| yhat = w2*h |" in line) - 1
    left, right = lines[top].index("+"), lines[top].rindex("+")
    assert all(line[left] in "|+" and line[right] in "|+" for line in lines[top : top + 5])


def test_an_exercise_without_unicode_is_readable(tmp_path):
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C", "COLUMNS": "40", **home}
    command = [sys.executable, "-c", "from chainrule.cli.app import main; main()", "exercise", "8.3", "1"]
    told = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert b"look at dL/dw1" in told.stdout
    assert not told.stderr


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_terminal_breaks_an_exercise_between_words(monkeypatch, encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, errors=SPELLED, write_through=True)
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", stream)
    for name, value in (("COLUMNS", "40"), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    commands.read_out(repr(cr.exercise("12.3")))
    lines = raw.getvalue().decode(encoding).splitlines()
    assert max(map(len, lines)) <= 40
    wanted = repr(cr.exercise("12.3"))
    assert " ".join(lines).split() == (spelled(wanted) if encoding == "ascii" else wanted).split()


def test_a_reader_is_asked_and_marked(tmp_path):
    # Two questions, then the first exercise: wrong, wrong again, right.
    text = told(1, tmp_path, answers=["", "", "61", "75", "47"])
    assert "That is the height f(5)" in text
    assert "Right. 3·25 − 6·5 + 2 = 47." in text
    assert "again" in text.splitlines()[-1]
    progress = Progress(tmp_path)
    assert progress.solved == {"1.1"}
    assert progress.resume_at(1) > 0


def test_the_answer_is_offered_after_three_tries_and_not_before(tmp_path):
    text = told(1, tmp_path, answers=["", "", "answer", "1", "2", "answer", "3", "answer", ""])
    assert text.count("One right answer: 47") == 1
    assert text.count("It is shown after 3 tries.") == 2


def test_what_cannot_be_read_is_no_try(tmp_path):
    text = told(1, tmp_path, answers=["", "", "((", "7, 8, 9", "no idea", "1", "x +", "2", "3", "answer", ""])
    tries = text.split("Your answer")[1:]
    assert [part.count("Answer with a number") for part in tries[:7]] == [1, 1, 1, 0, 1, 0, 0]
    assert ["'answer' to see it" in part for part in tries[:8]] == [False] * 7 + [True]
    assert [part.count("\n  ") > 1 for part in tries[3:4]] == [True]


def test_reading_goes_on_where_it_was_left(tmp_path):
    told(1, tmp_path, answers=["", "", ""])
    start = Progress(tmp_path).resume_at(1)
    text = told(1, tmp_path, answers=["0"] * 9, start=start)
    assert "The question" not in text
    assert "Exercise 1.2" in text


def test_progress_is_counted_reset_and_survives_damage(tmp_path):
    progress = Progress(tmp_path)
    progress.solve("1.1")
    progress.solve("2.1")
    assert Progress(tmp_path).counts()[1][0] == 1
    progress.reset(1)
    assert Progress(tmp_path).solved == {"2.1"}
    progress.reset()
    assert not Progress(tmp_path).solved
    for damage in ("", "{", "[]", '{"solved": 1, "left_at": 2}', '{"solved": [], "left_at": {"1": "x"}}'):
        progress.place.write_text(damage)
        assert not Progress(tmp_path).solved


class Tags(HTMLParser):
    """Opens and closes in pairs, and asks for nothing outside the file."""

    def __init__(self):
        super().__init__()
        self.open, self.outside = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "img", "hr", "link", "input"):
            self.open.append(tag)
        self.outside += [v for k, v in attrs if k in ("src", "href") and v and not v.startswith("#") and tag != "a"]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("number", range(1, 21))
def test_a_page_is_whole_and_needs_no_network(number, ran):
    page = page_of_run(ran(number))
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert not tags.outside
    assert "<script" not in page
    assert "<math" in page
    assert 'class="picture"' in page


def test_a_page_has_the_same_bytes_again(ran):
    assert page_of_run(ran(8)) == page_of(chapters()[7])


def test_a_notebook_has_the_cells_and_asks_the_exercises(tmp_path):
    pytest.importorskip("jupytext", reason="pip install jupytext")
    place = tmp_path / "eight.ipynb"
    write_notebook(chapters()[7], place)
    cells = json.loads(place.read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    assert any('cr.exercise("8.2")' in source for source in sources)
    assert any("$$" in source for source in sources)
    assert not any("{{" in source for source in sources)
    assert sum(cell["cell_type"] == "code" for cell in cells) > 8


def test_a_notebook_goes_on_behind_a_cell_for_pytorch_where_that_is_missing(ran, tmp_path, monkeypatch):
    asks = 'tags=["raises-exception"]\ncr.compare('
    assert [asks in markdown_of_run(ran(number)) for number in (1, 8)] == [False, True]
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra) as missing:
        cr.compare(cr.Value(2.0) * 3.0)
    assert missing.value._render_traceback_() == ["PyTorch is not installed: pip install '.[torch]'"]


def test_a_notebook_s_cells_run(tmp_path):
    space: dict[str, Any] = {}
    for piece in markdown_of(chapters()[7]).split("```python\n")[1:]:
        exec(piece.partition("```")[0], space)
    assert space["L"].data == 162.0


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "progress_folder", lambda: tmp_path)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_the_command_lists_tells_and_writes(run, tmp_path):
    listed = run("lesson").output
    assert all(chapter.title in listed for chapter in chapters())
    assert "The slope of a curve" in run("lesson", "1").output
    assert run("lesson", "1", "--html", str(tmp_path / "one.html")).exit_code == 0
    assert (tmp_path / "one.html").read_text().startswith("<!DOCTYPE html>")


def test_the_command_marks_an_exercise(run, tmp_path):
    assert run("exercise", "1.1", "61").exit_code == 1
    assert run("exercise", "1.1", "47").exit_code == 0
    assert json.loads(run("exercise", "1.1", "47", "--json").output)["right"]
    assert Progress(tmp_path).solved == {"1.1"}
    assert "1 of 4" in run("lesson").output
    assert "as new" in run("lesson", "--reset").output
    assert "0 of 4" in run("lesson").output


def test_the_command_gives_a_hint_more_with_every_other_wrong_answer_and_none_for_what_it_cannot_read(run, tmp_path):
    lines = [len(run("exercise", "1.1", answer).output.splitlines()) for answer in ("61", "61", "((", "75", "1")]
    assert lines[0] == lines[1] < lines[3] <= lines[4]
    unread = run("exercise", "1.1", "((")
    assert unread.exit_code == 2
    assert "Answer with a number" in unread.output
    assert Progress(tmp_path).tried == {"1.1": ["61", "75", "1"]}
    assert not json.loads(run("exercise", "1.1", "((", "--json").output)["read"]
    run("exercise", "1.1", "47")
    assert not Progress(tmp_path).tried


def test_an_answer_may_begin_with_a_minus(run):
    assert run("exercise", "8.3", "-48").exit_code == 0
    assert run("exercise", "8.1", "-(y - yhat)*w3*h").exit_code == 0
    assert "no option --sed" in run("exercise", "8.3", "--sed=4").output


def test_the_command_draws_an_exercise_with_other_numbers(run):
    drawn = json.loads(run("exercise", "new", "8.3", "--seed", "7", "--json").output)
    again = json.loads(run("exercise", "8.3", "--seed", "7", "--json").output)
    assert drawn == again
    assert drawn["ask"] != cr.exercise("8.3").ask
    assert run("exercise", "8.3", cr.exercise("8.3", seed=7).answer, "--seed", "7").exit_code == 0
    assert "--seed" in run("exercise", "new").output
    assert "has no numbers" in str(run("exercise", "new", "16.1").exception)


def test_the_command_writes_a_set_and_marks_it(run, tmp_path):
    folder, forms = tmp_path / "class", tmp_path / "forms"
    assert run("exercise", "set", str(folder), "9.1", "8.5", "--sheets", "2").exit_code == 0
    assert run("exercise", "set", str(folder), "9.1", "--sheets", "2").exception is not None  # another set
    forms.mkdir()
    right = read_set(folder).sheet(2)
    (forms / "ada.txt").write_text(f"sheet: 2\n9.1: {right[0].answer}\n8.5 = b\n")
    output = run("exercise", "mark", str(folder), str(forms)).output
    assert output.splitlines()[1].split() == ["ada", "2", "2", "1", "1"]
    assert json.loads(run("exercise", "mark", str(folder), str(forms), "--json").output)["submissions"][0]["sheet"] == 2

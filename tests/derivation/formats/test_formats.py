"""Every format shows every block, takes no text for its own language, and writes files whole or not at all.

The files in tests/derivation/golden are renewed by ``RENEW=1 .venv/bin/pytest -n0 tests/derivation/formats``.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from chainrule.derivation.formats import FORMATS, save, write
from chainrule.derivation.record import Equation, Heading, Note, Paragraph, Steps, Table, trees_in
from chainrule.derivation.words import pieces, said, text_of
from chainrule.errors import FormatError
from chainrule.maths import Derivative, Symbol, latex, mathml, numeral
from chainrule.maths.looks import text as as_words
from chainrule.maths.names import symbol_named
from chainrule.maths.tree import applied

GOLDEN = Path(__file__).parent.parent / "golden"
FILES = {
    "terminal": "terminal.txt",
    "plain": "plain.txt",
    "markdown": "story.md",
    "latex": "story.tex",
    "html": "story.html",
    "json": "story.json",
}


@pytest.mark.parametrize("name", FORMATS)
def test_golden(derivation, name):
    if name == "json":
        derivation = replace(derivation, story=derivation.story[-1:], nodes=(), log=(), symbols=(), conventions=())
    text = write(derivation, name, **({"latex": {"fragment": True}, "html": {"picture": False}}.get(name, {})))
    file = GOLDEN / FILES[name]
    if os.environ.get("RENEW"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= (160 if name == "json" else 60)


class Balanced(HTMLParser):
    """Reads HTML strictly: every element is closed by its own tag, in order."""

    EMPTY = ("meta", "br")

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def parsed(page):
    reader = Balanced()
    reader.feed(page)
    reader.close()
    assert not reader.open
    for formula in re.findall(r"<math.*?</math>", page, re.DOTALL):
        ElementTree.fromstring(formula)
    return reader


def test_html_stands_alone_and_is_accessible(derivation):
    page = derivation.html(detail="full")
    reader = parsed(page)
    tags = [tag for tag, _ in reader.seen]
    assert page.startswith("<!DOCTYPE html>")
    assert ("html", {"lang": "en"}) in reader.seen
    assert tags.count("h1") == tags.count("main") == 1
    assert tags.count("title") == 1 + tags.count("svg")  # a picture has one of its own
    assert tags.count("svg") == 1
    assert all(attrs.get("scope") == "col" for tag, attrs in reader.seen if tag == "th")
    assert not {"script", "link", "img", "iframe"} & set(tags)
    spaces = ('xmlns="http://www.w3.org/1998/Math/MathML"', 'xmlns="http://www.w3.org/2000/svg"')
    assert "http" not in page.replace(spaces[0], "").replace(spaces[1], "")
    assert page.count("{") == page.count("}") == len(re.findall(r"\{", derivation.html(fragment=True, detail="full")))
    parsed(derivation.html(fragment=True, detail="full"))


def test_words_within_a_formula_are_no_html():
    assert "<b>" not in mathml(as_words("<b> & so"))
    assert "&lt;b&gt; &amp; so" in mathml(as_words("<b> & so"))


def test_every_formula_is_mathml(derivation):
    found = list(trees_in(derivation.story))
    assert len(found) >= 10
    for tree in found:
        ElementTree.fromstring(mathml(tree))


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_document_compiles(derivation, tmp_path):
    odd = replace(derivation, story=(*derivation.story, *about("<é😀_^~$%\\#&{", ["σ → 3 … “x”"])))
    save(odd, tmp_path / "story.tex")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "story.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:]


def about(label, words=()):
    """Blocks in which a user's label is everywhere."""
    symbol = symbol_named(label)
    text = said(f"{label} moves with ", symbol)
    one = numeral(1)
    return (
        Heading(text),
        Paragraph(text),
        Note(text),
        Equation((symbol, Derivative(Symbol("L"), symbol) / 2, -symbol * applied("abs", symbol)), note=text),
        Table((text, "x"), ((text, Equation((symbol, one))), ("y", said(symbol)))),
        Steps((text, Equation((symbol, one)), *words)),
    )


@given(label=st.text(max_size=12) | st.text("\\${}^_|<>&#%~`*[]()'\" \nabwe12", max_size=12))
@example("<script>alert(1)</script>")
@example(r"\input{/etc/passwd}")
@example("a|b$c\\d_e\nf😀")
@example("]]>&amp;<!--")
@example("$")
@example("^^41")
@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
def test_a_label_means_nothing_to_any_format(make, label):
    symbol = symbol_named(label)
    written = re.sub(r"\\.", "", latex(symbol))
    assert len(written.split("{")) == len(written.split("}"))
    told = replace(make(), title=said(f"{label} and ", symbol), story=about(label))

    page = parsed(told.html(detail="full"))
    assert not {tag for tag, _ in page.seen} & {"script", "img", "a"}

    markdown = told.markdown(detail="full")
    assert not re.search(r"(?<!\\)<", markdown)
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table[:4]}) == 1

    document = told.latex(detail="full")
    bare = re.sub(r"\\\\|\\[%$#&_{}]", "", document)
    assert "%" not in bare
    assert "#" not in bare
    assert bare.count("$") % 2 == 0
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"\\(input|include|write|csname|def)\b", document)
    assert all(sign.isascii() or sign.isalpha() for sign in document)

    for text in (told.text(width=60, detail="full"), told.plain(detail="full")):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u202e]", text)


def test_a_label_is_shown_as_it_is(derivation):
    label = r"cost[$]_a\b {1} <é> #&%~^|"
    told = replace(derivation, story=about(label))
    shown = told.text(width=1000, detail="full")
    assert shown.count(label.replace("é", "e")) + shown.count(label) >= 10
    # In plain text a formula is a program, in which a name has letters, digits and _ alone.
    assert told.plain(width=1000).count(label) >= 7
    words = "".join(parsed(told.html(detail="full")).words).replace("\xa0", " ")
    assert words.count(label) >= 6


def test_words_are_texts_and_trees():
    x = Symbol("x")
    assert pieces("a $x$") == ("a $x$",)
    assert said("a ", x, said(" b", x)) == ("a ", x, " b", x)
    assert text_of(said("costs $5 \\ ", x)) == r"costs \$5 \\ $x$"


def test_a_terminal_gets_colours_and_others_none(derivation):
    assert "\x1b[" in derivation.text(color=True)
    assert "\x1b" not in derivation.text(detail="full")
    console = Console(width=70, color_system=None, record=True, file=io.StringIO())
    console.print(derivation)
    shown = [line.rstrip() for line in console.export_text().splitlines()]
    assert shown == derivation.text(width=70, detail="full").splitlines()


@pytest.mark.parametrize("width", [30, 45, 60, 100])
def test_lines_of_a_terminal_fit(derivation, width):
    assert max(map(len, derivation.text(width=width, detail="full").splitlines())) <= width


def test_a_narrow_terminal_gets_one_side_under_the_other(derivation):
    shown = derivation.text(width=44, detail="full")
    assert "  ∂L/∂w₁ = ∂L/∂ŷ · ∂ŷ/∂h · ∂h/∂w₁\n         = (ŷ − y) · w₂ · x\n" in shown
    assert "       = ⎡     −3⎤\n         ⎣4.00006⎦\n" in shown
    narrowest = derivation.text(width=22, detail="full")
    assert "    = [0.5 −1; 2\n    0.000015] [2; 4]\n" in narrowest
    assert "⎣  2  0.000015⎦" not in narrowest


def test_a_notebook_shows_it(derivation):
    assert derivation._repr_html_() == derivation.html(fragment=True, detail="full")
    assert derivation._repr_markdown_() == derivation.markdown(detail="full")
    assert str(derivation) == repr(derivation) == derivation.plain(detail="full")


@pytest.mark.parametrize("suffix", [suffix for suffixes in FORMATS.values() for suffix in suffixes])
def test_save_writes_the_format_of_the_suffix(derivation, tmp_path, suffix):
    path = tmp_path / f"story{suffix}"
    path.write_text("old")
    derivation.save(str(path))
    name = next(name for name, suffixes in FORMATS.items() if suffix in suffixes)
    assert path.read_text(encoding="utf-8") == write(derivation, name)
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_whole_when_writing_fails(derivation, tmp_path, monkeypatch):
    path = tmp_path / "story.md"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FormatError, match="No space left"):
        derivation.save(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_and_formats_that_cannot_be(derivation, tmp_path):
    with pytest.raises(FormatError, match=r"'story.pdf' has the suffix .pdf.*\.html"):
        derivation.save(tmp_path / "story.pdf")
    with pytest.raises(FormatError, match="no suffix"):
        derivation.save(tmp_path / "story")
    with pytest.raises(FormatError, match=r"there is no folder .*nowhere; make it first"):
        derivation.save(tmp_path / "nowhere" / "story.md")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(FormatError, match=r"folder\.md is a folder or a device"):
        derivation.save(tmp_path / "folder.md")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.md"]
    with pytest.raises(FormatError, match="did you mean html"):
        write(derivation, "htm")

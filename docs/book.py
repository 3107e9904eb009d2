"""Builds the book: chapters, tutorials, pages for newcomers, and the reference, as a site that needs no network.

``make docs`` runs it. Every chapter is executed, every formula and every rule checked; a warning of the site's builder
is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import chainrule as cr
from chainrule.lessons import chapters, run_chapter
from chainrule.lessons.chapter import Cell, Chapter, Prose
from chainrule.lessons.page import html_of, html_of_output
from chainrule.lessons.run import Shown

sys.path.insert(0, str(Path(__file__).parent))
from book_reference import page_of_module
from book_rules import pages_of_rules
from write_rules import KINDS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
OUT = ROOT / "build" / "book"
GROUPS = {
    "Arrays and operations": cr,
    "Layers and losses": cr.nn,
    "Optimizers": cr.optim,
    "Training": cr.training,
    "Plots": cr.plot,
    "Data": cr.data,
}
"""The chapters of the reference, and the module whose public names each lists."""
HIDDEN = {"rules.md"}
"""Written anew for the book, with formulas that a browser sets."""
PICTURES = (".png", ".svg")
LESSONS = "../src/chainrule/lessons/chapters/"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)")
FENCE = re.compile(r"^( *```\w+) .*$", re.MULTILINE)
"""Where a block begins: the library that a test needs for it stands beside the language, and no builder knows that."""
CSS = """
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", "TeX Gyre Termes Math", math, serif }
.formula { overflow-x: auto; padding: .4rem 0; text-align: center; font-size: 1.15em }
pre.output { font-size: .85em; border-left: 3px solid var(--md-default-fg-color--lightest, #ddd); padding-left: 1em;
  overflow-x: auto }
.picture { overflow-x: auto } .picture svg { max-width: 100%; height: auto }
.md-typeset .chainrule { font: inherit; max-width: none }
.picture :is(h1, h2) { font-size: 1.1em; margin: .8em 0 }
.live { width: 100%; height: 46rem; border: 1px solid var(--md-default-fg-color--lightest, #ddd); border-radius: .4em }
aside, .exercise { border: 1px solid var(--md-default-fg-color--lightest, #ddd); border-radius: .4em; padding: 0 1em;
  margin: 1.2em 0 }
img.of-rule { max-width: 100%; background: #fff; border-radius: .4em }
.md-typeset table:not([class]) { display: block; overflow-x: auto }
.md-typeset td code { word-break: normal }
"""


def main() -> None:
    """Write the sources of the site, and build it."""
    write_sources(OUT)
    build(OUT)
    print(f"the book: {OUT / 'site' / 'index.html'}")


def write_sources(out: Path, numbers: Collection[int] = range(1, 21), kinds: Collection[str] | None = None) -> None:
    """What the site is built of, in a folder; `numbers` are the chapters, `kinds` of rules those that are told."""
    shutil.rmtree(out, ignore_errors=True)
    pages = out / "docs"
    pages.mkdir(parents=True)
    (pages / "book.css").write_text(CSS, "utf-8")
    told = [chapter for chapter in chapters() if chapter.number in numbers]
    files = sorted(page for page in DOCS.rglob("*.md") if page.name not in HIDDEN)
    for page in files:
        write(pages / page.relative_to(DOCS), with_links(page, told))
    for picture in sorted(DOCS.rglob("*")):
        if picture.suffix in PICTURES:
            place = pages / picture.relative_to(DOCS)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, place)
    for chapter in told:
        print(f"chapter {chapter.number}: {chapter.title}", flush=True)
        write(pages / "lessons" / f"{chapter.name}.md", page_of_chapter(chapter))
    write(pages / "lessons" / "index.md", contents(told))
    print("the rules", flush=True)
    wanted = [kind for kind in KINDS if kinds is None or kind[1] in kinds]
    rules = list(pages_of_rules(wanted, pages / "rules" / "pictures"))
    for file, _, text in rules:
        write(pages / file, text)
    write(pages / "rules.md", index_of_rules([(file, title) for file, title, _ in rules]))
    for title, module in GROUPS.items():
        write(pages / "reference" / f"{file_name(title)}.md", page_of_module(title, module))
    write(out / "zensical.toml", settings(told, [(file, title) for file, title, _ in rules]))


def build(out: Path) -> None:
    """Build the site in a folder; a warning is an error, and what was warned of is printed."""
    environment = {**os.environ, "NO_COLOR": "1"}
    subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=out, check=True, env=environment
    )


def write(place: Path, text: str) -> None:
    """A file with the folders above it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, "utf-8")


def with_links(page: Path, told: Collection[Chapter]) -> str:
    """A written page whose links stay inside the book: one to a file of the source is the name of that file."""
    names = {chapter.name for chapter in told}

    def link(found: re.Match[str]) -> str:
        words, place, anchor = found.group(1), found.group(2), found.group(3) or ""
        target = (page.parent / place).resolve()
        if target.parent.name == "chapters" and target.stem in names:
            inside = os.path.relpath(DOCS / "lessons" / target.name, page.parent)
            return f"[{words}]({inside}{anchor})"
        if target.is_relative_to(DOCS) and target.suffix in (".md", *PICTURES):
            return found.group(0)
        file = f"`{target.relative_to(ROOT)}`"
        return words if words.strip("`") == file.strip("`") else f"{words} ({file})"

    return FENCE.sub(r"\1", LINK.sub(link, page.read_text("utf-8")))


def page_of_chapter(chapter: Chapter) -> str:
    """A chapter with what its cells gave; its prose stays Markdown, so that headings are found."""
    return "\n\n".join([f"# {chapter.number}. {chapter.title}", *map(part_of_chapter, run_chapter(chapter).shown)])


def part_of_chapter(shown: Shown) -> str:
    """One block."""
    match shown.block:
        case Prose(text):
            return text
        case Cell(source):
            return f"```python\n{source}\n```\n\n{html_of_output(shown)}"
        case _:
            return html_of(shown)


def contents(told: Collection[Chapter]) -> str:
    """The list of chapters."""
    lines = [f"{chapter.number}. [{chapter.title}]({chapter.name}.md)" for chapter in told]
    words = (
        "Twenty chapters, from the slope of a curve to a small GPT. Derivations by hand come first, then the same in "
        "code. Every number on these pages was computed when they were built, and every formula checked. "
        "`chainrule lesson 1` tells a chapter in the terminal, and marks the exercises; `chainrule exercise new` draws "
        "one with other numbers."
    )
    return "\n".join(["# The course", "", words, "", *lines, ""])


def index_of_rules(rules: Collection[tuple[str, str]]) -> str:
    """Where the rules of each kind are told."""
    meanings = {title: meaning for _, title, meaning in KINDS}
    words = (
        "Every operation is declared once, in `cr.book`; all that is said here of a derivative comes from it. Each "
        "rule has its formula, how its derivative comes about, a check by differences that was made when this page was "
        "built, and a picture: the curve with its slope, or for arrays the Jacobian."
    )
    lines = [f"- [{title}]({file}): {meanings[title][0].lower()}{meanings[title][1:]}" for file, title in rules]
    return "\n".join(["# The rules", "", words, "", *lines, ""])


def file_name(title: str) -> str:
    """A title as the name of a file."""
    return title.lower().replace(" ", "-")


def pages_in(folder: str) -> list[str]:
    """The written pages of a folder, each under its own heading."""
    found = sorted((DOCS / folder).glob("*.md"))
    return [f'"{page.relative_to(DOCS)}"' for page in found if page.name not in {"index.md", *HIDDEN}]


def settings(told: Collection[Chapter], rules: Collection[tuple[str, str]]) -> str:
    """What the builder of the site reads."""
    lessons = [f'{{"{c.number}. {c.title}" = "lessons/{c.name}.md"}}' for c in told]
    reference = [f'{{"{title}" = "reference/{file_name(title)}.md"}}' for title in GROUPS]
    groups = {
        "The course": ['{"Contents" = "lessons/index.md"}', *lessons],
        "Tutorials": pages_in("tutorials"),
        "How to": pages_in("howto"),
        "Coming from": pages_in("coming_from"),
        "Pages": pages_in("."),
        "The rules": ['{"All kinds" = "rules.md"}', *[f'{{"{title}" = "{file}"}}' for file, title in rules]],
        "Reference": reference,
    }
    nav = ",\n".join([f'  {{"{title}" = [{", ".join(inside)}]}}' for title, inside in groups.items() if inside])
    return (
        '[project]\nsite_name = "chainrule"\nsite_description = "Automatic differentiation in a glass box"\n'
        f'extra_css = ["book.css"]\nnav = [\n  {{"Welcome" = "index.md"}},\n{nav}\n]\n'
        "[project.theme]\nfont = false\n"
        'features = ["navigation.sections", "navigation.footer", "content.code.copy", "search.highlight"]\n'
    )


if __name__ == "__main__":
    main()

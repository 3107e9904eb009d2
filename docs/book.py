"""Builds the book: chapters, tutorials, pages for newcomers, and the reference, as a site that needs no network.

``make docs`` runs it. Every chapter is executed, every formula checked; a warning of the site's builder is an error.
"""

from __future__ import annotations

import contextlib
import html
import inspect
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import chainrule as cr
from chainrule.core.operation import Operation, Pointwise, book
from chainrule.errors import ChainruleError
from chainrule.lessons import chapters, run_chapter
from chainrule.lessons.chapter import Cell, Chapter, Prose
from chainrule.lessons.page import html_of, html_of_output
from chainrule.lessons.run import Shown
from chainrule.maths import mathml
from chainrule.maths.names import symbol_named
from chainrule.maths.notation import lay
from chainrule.maths.template import filled, read_template, written_out

sys.path.insert(0, str(Path(__file__).parent))
from write_rules import KINDS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
OUT = ROOT / "build" / "book"
GROUPS = {
    "Arrays and operations": cr,
    "Layers and losses": cr.nn,
    "Optimizers": cr.optim,
    "Training": cr.training,
    "Data": cr.data,
}
"""The chapters of the reference, and the module whose public names each lists."""
HIDDEN = {"rules.md"}
"""Written anew for the book, with formulas that a browser sets."""
CSS = """
.formula { overflow-x: auto; padding: .4rem 0; text-align: center; font-size: 1.15em }
pre.output { border-left: 3px solid var(--md-default-fg-color--lightest, #ddd); padding-left: 1em; overflow-x: auto }
.picture { overflow-x: auto } .picture svg { max-width: 100%; height: auto }
.picture :is(h1, h2) { font-size: 1.1em; margin: .8em 0 }
aside, .exercise { border: 1px solid var(--md-default-fg-color--lightest, #ddd); border-radius: .4em; padding: 0 1em;
  margin: 1.2em 0 }
.rule { border-top: 1px solid var(--md-default-fg-color--lightest, #ddd) } .rule .formula { font-size: 1em }
"""


def main() -> None:
    """Write the sources of the site, and build it."""
    shutil.rmtree(OUT, ignore_errors=True)
    pages = OUT / "docs"
    pages.mkdir(parents=True)
    (pages / "book.css").write_text(CSS, "utf-8")
    for page in sorted(DOCS.rglob("*.md")):
        if page.name not in HIDDEN:
            text = page.read_text("utf-8").replace("../src/chainrule/lessons/chapters/", "lessons/")
            write(pages / page.relative_to(DOCS), text)
    for picture in DOCS.rglob("*.svg"):
        write(pages / picture.relative_to(DOCS), picture.read_text("utf-8"))
    for chapter in chapters():
        print(f"chapter {chapter.number}: {chapter.title}", flush=True)
        write(pages / "lessons" / f"{chapter.name}.md", page_of_chapter(chapter))
    write(pages / "lessons" / "index.md", contents())
    write(pages / "rules.md", page_of_rules())
    for title, module in GROUPS.items():
        write(pages / "reference" / f"{file_name(title)}.md", page_of_module(title, module))
    write(OUT / "zensical.toml", settings())
    subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=OUT, check=True)
    print(f"the book: {OUT / 'site' / 'index.html'}")


def write(place: Path, text: str) -> None:
    """A file with the folders above it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, "utf-8")


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


def contents() -> str:
    """The list of chapters."""
    lines = [f"{chapter.number}. [{chapter.title}]({chapter.name}.md)" for chapter in chapters()]
    words = (
        "Twenty chapters, from the slope of a curve to a small GPT. Derivations by hand come first, then the same in "
        "code. Every number on these pages was computed when they were built, and every formula checked. "
        "`chainrule lesson 1` tells a chapter in the terminal, and marks the exercises."
    )
    return "\n".join(["# The course", "", words, "", *lines, ""])


def page_of_rules() -> str:
    """Every rule of the book with its formula and, where it has one input, its derivative, set for a browser."""
    words = (
        "Every operation is declared once, in `cr.book`; all that this package says of a derivative comes from here."
    )
    parts = ["# The rules", words]
    for kind, title, meaning in KINDS:
        rules = [(name, rule) for name, rule in book.items() if isinstance(rule, kind)]
        rows = [row_of(name, rule) for name, rule in rules]
        parts += [f"## {title}", meaning, "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def row_of(name: str, rule: Operation) -> str:
    """A rule in words and as a formula."""
    words = f"<p><code>{name}</code> {html.escape(rule.intuition)}</p>"
    derivative = derivative_of(name, rule)
    slope = f"&emsp;with the slope&emsp;{derivative}" if derivative else ""
    return f'<div class="rule">{words}<div class="formula">{formula_of(rule)}{slope}</div></div>'


def formula_of(rule: Operation) -> str:
    """A rule's own template, with its letters and its settings in place."""
    inputs = rule.inputs if not rule.variadic else tuple([f"{rule.inputs[-1]}_{i}" for i in range(2)])
    text = rule.formula if not rule.variadic else written_out(rule.formula, rule.inputs[-1], 2)
    named = {x: lay(symbol_named(x)) for x in (*inputs, *rule.defaults)}
    return mathml(filled(read_template(text, frozenset(named)), named)) if text else ""


def derivative_of(name: str, rule: Operation) -> str:
    """The derivative of a rule with one input that may be typed; simplified, as `cr.derivative` gives it."""
    if not isinstance(rule, Pointwise) or len(rule.inputs) != 1:
        return ""
    try:
        return mathml(cr.derivative(f"{name}({rule.inputs[0]})", rule.inputs[0]).tree)
    except ChainruleError:
        return ""


def page_of_module(title: str, module: ModuleType) -> str:
    """The public names of a module with what their docstrings say."""
    names = [name for name in getattr(module, "__all__", dir(module)) if not name.startswith("_")]
    parts = [part for name in sorted(names, key=str.lower) for part in entry_of(name, getattr(module, name))]
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def entry_of(name: str, thing: Any) -> Iterator[str]:
    """A heading, the signature and the docstring."""
    text = inspect.getdoc(thing)
    if not text or isinstance(thing, ModuleType):
        return
    yield f"## {name}"
    with contextlib.suppress(TypeError, ValueError):
        yield f"```python\n{name}{without_annotations(inspect.signature(thing))}\n```"
    yield as_markdown(text)


def without_annotations(signature: inspect.Signature) -> inspect.Signature:
    """The names and defaults alone: shapes and types are in the words."""
    bare = [x.replace(annotation=inspect.Parameter.empty) for x in signature.parameters.values()]
    return signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)


def as_markdown(docstring: str) -> str:
    """A docstring as Markdown: examples fenced, double backquotes single."""
    pieces: list[str] = []
    for paragraph in docstring.replace("``", "`").split("\n\n"):
        is_example = paragraph.lstrip().startswith(">>>")
        pieces.append(f"```pycon\n{textwrap.dedent(paragraph)}\n```" if is_example else paragraph.replace("<", "&lt;"))
    return "\n\n".join(pieces)


def file_name(title: str) -> str:
    """A title as the name of a file."""
    return title.lower().replace(" ", "-")


def pages_in(folder: str) -> list[str]:
    """The written pages of a folder, each under its own heading."""
    found = sorted((DOCS / folder).glob("*.md"))
    return [f'"{page.relative_to(DOCS)}"' for page in found if page.name not in {"index.md", *HIDDEN}]


def settings() -> str:
    """What the builder of the site reads."""
    lessons = [f'{{"{c.number}. {c.title}" = "lessons/{c.name}.md"}}' for c in chapters()]
    reference = [f'{{"{title}" = "reference/{file_name(title)}.md"}}' for title in GROUPS]
    groups = {
        "The course": ['"lessons/index.md"', *lessons],
        "Tutorials": pages_in("tutorials"),
        "Coming from": pages_in("coming_from"),
        "Pages": pages_in("."),
        "Reference": ['{"The rules" = "rules.md"}', *reference],
    }
    nav = ",\n".join([f'  {{"{title}" = [{", ".join(inside)}]}}' for title, inside in groups.items() if inside])
    return (
        '[project]\nsite_name = "chainrule"\nsite_description = "Automatic differentiation in a glass box"\n'
        f'extra_css = ["book.css"]\nnav = [\n  {{"Welcome" = "index.md"}},\n{nav}\n]\n'
        "[project.theme]\nfont = false\n"
        'features = ["navigation.sections", "navigation.footer", "content.code.copy"]\n'
    )


if __name__ == "__main__":
    main()

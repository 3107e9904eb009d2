"""A chapter as one HTML file: its pictures and formulas inside it, its live page in a frame, and no network."""

from __future__ import annotations

import io
import warnings
from html import escape
from typing import Any

from chainrule.lessons.chapter import Cell, Chapter, Display, Prose, Question
from chainrule.lessons.exercise import Exercise
from chainrule.lessons.run import Run, Shown, run_chapter
from chainrule.maths import mathml
from chainrule.pictures.picture import Picture
from chainrule.webpage import webpage

READABLE = 0.5
"""So much smaller than it was made a plot may become: on a narrow screen it is scrolled before it cannot be read."""
READABLE_GRAPH = 0.6
"""The same of a graph, whose letters are smaller."""
STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --paper: #fdfdfb; --quiet: #6b6b70; --line: #dcdcd8; --box: #f3f3ee }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6e3; --paper: #17181a; --quiet: #9a9a9f; --line: #34363a; --box: #212327 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.2rem 6rem; max-width: 44rem; background: var(--paper); color: var(--ink);
  font: 1.06rem/1.65 Charter, "Bitstream Charter", Georgia, serif }
h1, h2, h3 { line-height: 1.25; margin: 2.4rem 0 .8rem }
code, pre { font: .9rem/1.5 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace }
pre { overflow-x: auto; padding: .8rem 1rem; background: var(--box); border-radius: .4rem; margin: 1rem 0 0 }
pre.output { background: none; border-left: 3px solid var(--line); border-radius: 0; margin: .4rem 0 1.2rem }
.formula { overflow-x: auto; padding: .5rem 0; text-align: center; font-size: 1.15rem }
.picture { overflow-x: auto; margin: 1rem 0 } .picture :is(h1, h2) { font-size: 1.1rem; margin: .8rem 0 }
 .picture svg { max-width: 100%; height: auto }
aside, details, .exercise { border: 1px solid var(--line); border-radius: .4rem; padding: .2rem 1rem; margin: 1.2rem 0 }
aside details { border: 0; padding: 0; margin: .5rem 0 } summary { color: var(--quiet); cursor: pointer }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .2rem .8rem; border-bottom: 1px solid var(--line) }
blockquote { margin: 1rem 0; padding-left: 1rem; border-left: 3px solid var(--line); color: var(--quiet) }
"""


def page_of(chapter: Chapter) -> str:
    return page_of_run(run_chapter(chapter))


def page_of_run(run: Run) -> str:
    title = f"{run.chapter.number}. {run.chapter.title}"
    return webpage(title, STYLE, "\n".join([f"<h1>{escape(title)}</h1>", *map(html_of, run.shown)]))


def html_of(shown: Shown) -> str:
    match shown.block:
        case Prose(text):
            return html_of_markdown(text)
        case Cell(source):
            return f"<pre><code>{escape(source)}</code></pre>\n{html_of_output(shown)}"
        case Display():
            return "\n".join(
                [f'<div class="formula">{mathml(formula, block=True)}</div>' for formula in shown.formulas]
            )
        case Question(ask, answer):
            folded = f"<details><summary>Answer</summary>{html_of_markdown(answer)}</details>"
            return f"<aside>{html_of_markdown(f'**Pause.** {ask}')}{folded}</aside>"
        case Exercise() as exercise:
            return f'<div class="exercise">{html_of_markdown(exercise._repr_markdown_())}</div>'
        case _:
            raise TypeError(f"a chapter has no {type(shown.block).__name__}")


def html_of_markdown(text: str) -> str:
    """Markdown as HTML, by the library that Rich reads it with."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").render(text)


def html_of_output(shown: Shown) -> str:
    """What a cell gave: printed lines, then its value as a picture, as HTML, or as text."""
    parts = [f'<pre class="output">{escape(shown.printed.rstrip())}</pre>'] if shown.printed else []
    x = shown.value
    if hasattr(x, "savefig"):
        parts.append(f'<div class="picture">{svg_of_figure(x)}</div>')
    elif isinstance(x, Picture):
        parts.append(f'<div class="picture">{no_narrower(x.svg(), READABLE_GRAPH * x.drawing.width)}</div>')
    elif x is not None and getattr(x, "_repr_html_", lambda: None)():
        parts.append(f'<div class="picture">{x._repr_html_()}</div>')
    elif x is not None:
        parts.append(f'<pre class="output">{escape(str(x))}</pre>')
    return "\n".join(parts)


def svg_of_figure(figure: Any) -> str:
    """A plot as SVG, the same bytes for the same data."""
    import matplotlib as mpl

    drawn = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "chainrule"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Matplotlib, on how long it takes
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes in figure.axes:  # the last bits of where a layout puts them differ from run to run
            axes.set_position([round(x, 6) for x in axes.get_position().bounds])
        figure.savefig(drawn, format="svg", metadata={"Date": None}, bbox_inches="tight")
    text = drawn.getvalue()
    return no_narrower(text[text.index("<svg") :], READABLE * figure.get_size_inches()[0] * figure.dpi)


def no_narrower(svg: str, pixels: float) -> str:
    """A picture that is never shown narrower than so many pixels."""
    return svg.replace("<svg", f'<svg style="min-width:{pixels:.0f}px"', 1)

"""`page`: one file of HTML in which every number of a computation is live."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from chainrule.errors import DtypeError, FormatError, FormulaError
from chainrule.files import suffix_among, write_whole
from chainrule.kinds import is_real
from chainrule.livepage.gallery import GALLERY
from chainrule.livepage.network import network_subject
from chainrule.livepage.payload import payload_of, zipped
from chainrule.livepage.subject import Subject, subject_of
from chainrule.nn.module import Module
from chainrule.pictures.ink import DARK, LIGHT
from chainrule.webpage import framed, webpage

MODULES = (
    "numbers", "dom", "order", "model", "history", "app", "graph", "derivation", "log", "surface", "plane", "learn",
    "check", "tryit", "main",
)  # fmt: skip
"""The modules of a page, each a file of `assets`."""

PLAIN = " !\"$&'()*+,-./:;<=>?@[]^_`{|}~"
"""What may stand in the address of a module as it is; lines and % may not."""

OWN_INKS = {
    "light": {
        "ground": "#f4f6f8", "edge": "#dfe4ea", "control": "#8a949f", "chosen": "#e3edf7", "bar": "#fffffff2",
        "right": "#0b6b3a", "trail": "#b0002a", "class-0": "#0a5a96", "class-1": "#c04a00",
        "class-2": "#2e7d32", "class-3": "#8e3ba8", "class-4": "#8a6d00", "class-5": "#5b5f66",
    },
    "dark": {
        "ground": "#090c10", "edge": "#242c36", "control": "#66717d", "chosen": "#22364a", "bar": "#0d1117f2",
        "right": "#6ad39a", "trail": "#ff6b81", "class-0": "#58a6f0", "class-1": "#ff9440",
        "class-2": "#7ccf86", "class-3": "#d49bea", "class-4": "#e3c64a", "class-5": "#b4bac2",
    },
}  # fmt: skip
"""What the page needs beside the inks of pictures."""


@dataclass(frozen=True, repr=False)
class Page:
    """A live page of one subject, or of several with a menu; it shows itself in a notebook, and `save` writes it."""

    subjects: tuple[Subject, ...]

    @cached_property
    def html(self) -> str:
        """The whole page, which needs no network."""
        data = [payload_of(subject) for subject in self.subjects]
        told = json.dumps([{"title": one["title"], "zipped": zipped(one)} for one in data], ensure_ascii=False)
        modules = {
            f"chainrule/{name}": f"data:text/javascript;charset=utf-8,{quote(asset(f'{name}.js'), safe=PLAIN)}"
            for name in MODULES
        }
        body = "\n".join(
            [
                asset("body.html"),
                f'<script type="importmap">{in_script(json.dumps({"imports": modules}))}</script>',
                f'<script type="application/json" id="subjects">{in_script(told)}</script>',
                '<script type="module">import "chainrule/main";</script>',
            ]
        )
        return webpage(data[0]["title"], f"{inks()}\n{asset('style.css')}", body)

    def save(self, path: str | Path) -> None:
        """Write it to a file that ends with .html."""
        path = Path(path)
        check_suffix(path)
        write_whole(path, self.html, error=FormatError)

    def _repr_html_(self) -> str:
        """What a notebook shows: the page in a frame."""
        return framed(self.html, "46rem", "allow-scripts allow-downloads allow-forms")

    def __repr__(self) -> str:
        steps = sum([subject.computed for subject in self.subjects])
        return f"<live page of {steps} steps: .save('page.html') writes it>"


def page(
    problem: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    values: Mapping[str, Any] | None = None,
    loss: Any = None,
    data: Sequence[str] = (),
    rate: float = 0.01,
    title: str = "",
    note: str = "",
) -> Page:
    """One page of HTML in which every number of a computation can be moved, and all else follows.

    `problem` is a text of assignments with `values` for its names, a recorded Value or Tensor that is one number, or a
    network with rows of features `x` and targets `y`; its `loss` is then averaged over the rows. Without a problem the
    page has a gallery of examples. `data` are names that training leaves alone (without any, those like x, x1 and y),
    and `rate` is that of the first step; `title` and `note` stand above it all.

    What the page computes is the JavaScript that `compile` prints from the program. Raises DtypeError for what is no
    problem, GraphError for a result that is no single number, and FormulaError for a text or a rate that cannot be
    read. O(steps) and what `explain` takes for the derivations; needs fast-sugiyama, an extra.

    >>> import chainrule as cr
    >>> page = cr.page("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", values={"w1": 2, "x": 2, "w2": 0.5, "y": 20})
    >>> page.html.startswith("<!DOCTYPE html>")
    True
    """
    if problem is None:
        return Page(tuple([make() for make in GALLERY]))
    if not is_real(rate) or not 0 < rate < np.inf:
        raise FormulaError(f"the rate is a finite number above 0, not {rate!r}")
    told = {"data": tuple(data), "rate": float(rate), "title": title, "note": note}
    if isinstance(problem, Module) and (x is None or y is None):
        raise DtypeError("a network is shown as it learns: give rows of features and their targets, cr.page(net, x, y)")
    if x is not None:
        return Page((network_subject(problem, x, y, loss=loss, **told),))
    return Page((subject_of(problem, values, **told),))


def check_suffix(path: Path) -> str:
    """The suffix of a page's file; refused where no page is written so."""
    return suffix_among(path, (".html",), "a page")


def asset(name: str) -> str:
    return files("chainrule.livepage").joinpath("assets", name).read_text(encoding="utf-8")


def in_script(text: str) -> str:
    """A text that cannot end the script around it."""
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")


def inks() -> str:
    """The colours of both themes as properties: of the reader's screen or what the reader chose; paper is light."""
    light, dark = [declared({**inks, **OWN_INKS[theme]}) for theme, inks in (("light", LIGHT), ("dark", DARK))]
    return "\n".join(
        [
            f":root {{ {light} }}",
            f"@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme]) {{ {dark} }} }}",
            f"@media screen {{ :root[data-theme=dark] {{ color-scheme: dark; {dark} }} }}",
            f":root[data-theme=light] {{ color-scheme: light; {light} }}",
        ]
    )


def declared(inks: Mapping[str, str]) -> str:
    """Colours as properties of CSS."""
    return " ".join([f"--{name}: {ink};" for name, ink in inks.items()])

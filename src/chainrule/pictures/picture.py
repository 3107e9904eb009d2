"""A picture: what `draw` gives, which shows itself in a notebook and in a terminal, and is written to files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from chainrule.errors import FormatError
from chainrule.files import suffix_among, write_whole
from chainrule.pictures.ink import Drawing, drawn, stacked
from chainrule.pictures.layout import AUTO as LEADS
from chainrule.pictures.sketch import Sketch
from chainrule.pictures.svg import AUTO
from chainrule.webpage import webpage

SUFFIXES = (".svg", ".png", ".txt", ".html")
CHOICES = (AUTO, "light", "dark")


@dataclass(frozen=True, repr=False)
class Picture:
    """One graph, or several under each other; `sketches` say in words and numbers what is drawn."""

    sketches: tuple[Sketch, ...]
    direction: str = LEADS

    @property
    def sketch(self) -> Sketch:
        return self.sketches[0]

    @cached_property
    def drawing(self) -> Drawing:
        """The shapes and their places."""
        return stacked([drawn(sketch, self.direction) for sketch in self.sketches])

    def svg(self, *, theme: str = AUTO) -> str:
        """As one SVG element; the theme is ``light``, ``dark``, or ``auto`` for that of the reader's screen."""
        from chainrule.pictures.svg import svg

        return svg(self.drawing, one_theme(theme))

    def png(self, *, theme: str = "light", scale: float = 2.0) -> bytes:
        """As the bytes of a PNG file, `scale` pixels for each pixel of the SVG; needs Matplotlib."""
        from chainrule.pictures.png import png

        return png(self.drawing, one_theme(theme), scale)

    def text(self, *, width: int = 80, ascii: bool = False) -> str:  # noqa: A002 - what the signs are called
        """As boxes and lines for a terminal, up to 15 nodes; of a larger graph how to see it."""
        from chainrule.pictures.terminal import beside, text

        return beside([text(sketch, width, ascii) for sketch in self.sketches], width)

    def save(self, path: str | Path, *, theme: str = "", scale: float = 2.0) -> None:
        """Write it to a file: .svg, .png, .html (a page around the SVG) or .txt, by its suffix."""
        path = Path(path)
        suffix = check_suffix(path)
        if suffix == ".png":
            write_whole(path, self.png(theme=theme or "light", scale=scale), error=FormatError)
        elif suffix == ".txt":
            write_whole(path, self.text() + "\n", error=FormatError)
        elif suffix == ".html":
            write_whole(path, webpage(self.sketch.title, "", self._repr_html_(theme or AUTO)), error=FormatError)
        else:
            write_whole(path, self.svg(theme=theme or AUTO), error=FormatError)

    def _repr_html_(self, theme: str = AUTO) -> str:
        """What a notebook shows: the picture in its own size, which scrolls where there is less room."""
        return f'<div style="overflow-x:auto">{self.svg(theme=theme)}</div>'

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        boxes = sum([len(sketch.boxes) for sketch in self.sketches])
        return f"<picture of {boxes} boxes: {self.sketch.title}>"


def check_suffix(path: Path) -> str:
    """The suffix of a picture's file; refused where no picture is written so."""
    return suffix_among(path, SUFFIXES, "a picture")


def one_theme(theme: str) -> str:
    """Refuse a theme that is none."""
    if theme not in CHOICES:
        raise FormatError(f"there is no theme {theme!r}: choose one of {', '.join(CHOICES)}")
    return theme

"""What every derivation can do: show itself in a terminal and in a notebook, and be written in every format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.derivation.record import Derivation


class Shown:
    """The methods of a `Derivation`; the formats load when they are used.

    What is shown is the answer in a dozen lines; ``detail="full"`` tells the whole story. JSON always has all.
    """

    __slots__ = ()

    def text(self, *, width: int = 100, color: bool = False, detail: str = "short") -> str:
        """As a terminal shows it, in the signs of mathematics, wrapped at `width`."""
        return written(self, "terminal", width=width, color=color, detail=detail)

    def plain(self, *, width: int = 100, detail: str = "short") -> str:
        """As plain text, with formulas that a program can read."""
        return written(self, "plain", width=width, detail=detail)

    def markdown(self, *, detail: str = "short") -> str:
        """As Markdown with LaTeX between dollar signs, for notebooks and GitHub."""
        return written(self, "markdown", detail=detail)

    def latex(self, *, fragment: bool = False, detail: str = "short") -> str:
        """As a LaTeX document; as a `fragment`, only what stands between its begin and its end."""
        return written(self, "latex", fragment=fragment, detail=detail)

    def html(self, *, fragment: bool = False, detail: str = "short") -> str:
        """As a page of HTML with MathML that needs no network; as a `fragment`, one element to put into a page."""
        return written(self, "html", fragment=fragment, detail=detail)

    def json(self) -> str:
        """As JSON, which the published schema describes."""
        return written(self, "json")

    def save(self, path: str | Path, *, detail: str = "full") -> None:
        """Write it to a file, whose suffix says in which format: .txt, .md, .tex, .html or .json."""
        from chainrule.derivation.formats import save

        save(derivation(self), path, detail=detail)

    def __str__(self) -> str:
        return self.plain()

    def __repr__(self) -> str:
        return self.plain()

    def __rich__(self) -> Any:
        from chainrule.derivation.formats import terminal

        return terminal.renderable(derivation(self), "short")

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.html(fragment=True)

    def _repr_markdown_(self) -> str:
        return self.markdown()


def derivation(shown: Shown) -> Derivation:
    """The derivation that these are the methods of."""
    from chainrule.derivation.record import Derivation

    assert isinstance(shown, Derivation)
    return shown


def written(shown: Shown, name: str, **options: Any) -> str:
    """A derivation in the format of that name."""
    from chainrule.derivation.formats import write

    return write(derivation(shown), name, **options)

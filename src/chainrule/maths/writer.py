"""What every printer of looks does alike: one method for each form, and parentheses where the table asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from chainrule.maths.looks import Binds, Looks, all_in, binds, needed
from chainrule.maths.notation import lay
from chainrule.maths.tree import Applied, Tree

Ink = TypeVar("Ink")


class Writer(Generic[Ink]):
    """Prints a form by the method of its name."""

    line = False
    """Whether everything stands in one line, where fractions and roots need parentheses."""

    def __init__(self) -> None:
        self.written: dict[int, Ink] | None = None
        """The parts of the form that is being printed, by their identity, while one is."""

    @classmethod
    def once(cls, x: Tree | Looks) -> Ink:
        """A tree or its looks, printed; of a tree it is kept, since pages are measured before they are printed."""
        if isinstance(x, Looks):
            return cls().of(x)
        if not hasattr(x, "printed"):
            object.__setattr__(x, "printed", {})
        if cls not in x.printed:
            x.printed[cls] = cls().of(x)
        return x.printed[cls]

    def of(self, x: Tree | Looks) -> Ink:
        """A tree or its looks, printed; a comparison that is a number in brackets, also where it stands alone."""
        form = x if isinstance(x, Looks) else lay(x)
        return self.enclosed(form) if isinstance(x, Applied) and form.kind == "rel" else self.write(form)

    def write(self, x: Looks) -> Ink:
        """A form without parentheses around it; O(parts), the innermost first, so that none is too deep."""
        if not x.parts or self.written is not None:
            found = (self.written or {}).get(id(x))
            return self.ink(x) if found is None else found
        self.written = {}
        forms = all_in(x, self.inside)[::-1]
        self.begin(forms)
        try:
            for form in forms:
                if id(form) not in self.written:
                    self.written[id(form)] = self.ink(form)
            return self.written[id(x)]
        finally:
            self.written = None

    def begin(self, forms: Sequence[Looks]) -> None:
        """Look at all forms that will be printed, each after its parts."""

    def inside(self, x: Looks) -> tuple[Looks, ...]:
        """The parts of a form that this writer writes; rows of a matrix are none, and their entries are."""
        return tuple([entry for row in x.parts for entry in row.parts]) if x.kind == "matrix" else x.parts

    def ink(self, x: Looks) -> Ink:
        """A form by the method of its name, when its parts are written."""
        found: Any = getattr(self, f"{x.kind}_")(x)
        return found

    def ratio_(self, x: Looks) -> Ink:
        """A derivative, which looks like a fraction and holds together more tightly."""
        return self.ink(Looks("frac", x.parts))

    def part(self, x: Looks, i: int) -> Ink:
        """A part of a form, in parentheses where it holds together too loosely."""
        inner: Looks = x.parts[i]
        return self.enclosed(inner) if binds(inner, line=self.line) < self.needs(x, i) else self.write(inner)

    def needs(self, x: Looks, i: int) -> Binds:
        """How tightly a part must hold together here."""
        return needed(x, i)

    def parts(self, x: Looks) -> list[Ink]:
        return [self.part(x, i) for i in range(len(x.parts))]

    def base(self, x: Looks) -> Ink:
        """What an index in brackets or a ∂ stands at."""
        tight = binds(x, line=self.line) >= Binds.POWER
        return self.write(x) if tight else self.enclosed(x)

    def sign_and_order(self, x: Looks) -> tuple[str, str]:
        """Whether a derivative is written with d or with ∂, and its order from the second on."""
        return ("d", x.word[1:]) if x.word.startswith("d") else ("∂", x.word)

    def enclosed(self, x: Looks) -> Ink:
        """In parentheses; a comparison in square brackets, which stand for 1 where it holds and 0 elsewhere."""
        return self.between("[" if x.kind == "rel" else "(", self.write(x), "]" if x.kind == "rel" else ")", x)

    def is_bracketed(self, x: Looks) -> bool:
        """Whether what a function is of stands between delimiters of its own, as in ln‖x‖."""
        return len(x.parts) == 2 and x.parts[1].kind == "fence" and x.parts[1].word not in "(["

    def between(self, opening: str, inner: Ink, closing: str, *of: Looks) -> Ink:
        """What was printed of some forms, between delimiters."""
        raise NotImplementedError


class LineWriter(Writer[str]):
    """What LaTeX and a terminal write alike, each with its own minus and signs of comparison."""

    minus = "-"
    relations: Mapping[str, str] = {}

    def const_(self, x: Looks) -> str:
        return str(x.word)

    def none_(self, x: Looks) -> str:
        return ""

    def sum_(self, x: Looks) -> str:
        first, *rest = self.parts(x)
        more = [f" {'+' if sign > 0 else self.minus} {part}" for sign, part in zip(x.word[1:], rest, strict=True)]
        return (self.minus if x.word[0] < 0 else "") + first + "".join(more)

    def neg_(self, x: Looks) -> str:
        return f"{self.minus}{self.part(x, 0)}"

    def applied_(self, x: Looks) -> str:
        return self.write(x.parts[0]) + self.between("(", ", ".join(map(self.write, x.parts[1:])), ")")

    def entry_(self, x: Looks) -> str:
        return f"{self.base(x.parts[0])}[{', '.join(map(self.write, x.parts[1:]))}]"

    def list_(self, x: Looks) -> str:
        return ", ".join(map(self.write, x.parts))

    def rel_(self, x: Looks) -> str:
        first, *rest = self.parts(x)
        signs = [self.relations.get(sign, sign) for sign in x.word]
        return first + "".join([f" {sign} {part}" for sign, part in zip(signs, rest, strict=True)])

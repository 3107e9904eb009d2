r"""A rule's LaTeX template, read once into looks with slots for its inputs and settings.

The subset is what templates need: sums, products by ``\cdot``, ``\odot``, ``\oslash`` or side by side, fractions,
roots, scripts, delimiters, named functions. ``{name}`` is a slot where the name is an input or a setting; dots stand
for the terms between where a rule has any number of inputs, as in ``{terms} + \cdots + {terms}``. Parentheses are the
printers' affair: those around a single operand say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from chainrule.errors import ChainruleError
from chainrule.maths.looks import NOTHING, TOP, Looks, add, beside, digits, fenced, listed, name, prod, text

TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
RELATIONS = {"=": "=", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", r"\ne": "!="}
PRODUCTS = {r"\cdot": "·", r"\odot": "⊙", r"\oslash": "⊘", r"\otimes": "⊗", r"\times": "×", r"\,": ""}
CLOSING = {
    "(": ")",
    "[": "]",
    "|": "|",
    r"\lVert": r"\rVert",
    r"\lvert": r"\rvert",
    r"\lfloor": r"\rfloor",
    r"\lceil": r"\rceil",
}
FENCES = {r"\lvert": "|", r"\lVert": "‖", r"\lfloor": "⌊", r"\lceil": "⌈"}
LOGARITHMS = ("ln", "log", "exp")
CIRCULAR = ("sin", "cos", "tan", "sec", "csc", "cot", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")
FUNCTIONS = frozenset((*LOGARITHMS, *CIRCULAR, "max", "min", "det", "arg"))
"""What LaTeX has a command for."""

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω",
}  # fmt: skip
"""Greek letters by LaTeX's names for them."""

WORDS = (r"\operatorname", r"\mathrm", r"\text", r"\mathit")


class Reader:
    """Recursive descent over the pieces of one template."""

    def __init__(self, template: str, slots: frozenset[str]) -> None:
        self.template = template
        self.slots = slots
        self.pieces = [piece for piece in TOKEN.findall(template) if not piece.isspace()] + [""]
        self.k = 0

    def now(self) -> str:
        return self.pieces[self.k]

    def take(self) -> str:
        self.k += 1
        return self.pieces[self.k - 1]

    def expect(self, piece: str) -> None:
        if self.take() != piece:
            raise self.misread(f"{piece!r} is missing before {self.pieces[self.k - 1]!r}")

    def misread(self, problem: str) -> ChainruleError:
        return ChainruleError(f"the template {self.template} cannot be read: {problem}")

    def relation(self) -> Looks:
        sides = [self.sum()]
        signs: list[str] = []
        while self.now() in RELATIONS:
            signs.append(RELATIONS[self.take()])
            sides.append(self.sum())
        return Looks("rel", tuple(sides), tuple(signs)) if signs else sides[0]

    def sum(self) -> Looks:
        terms: list[tuple[int, Looks]] = []
        sign = 1
        if self.now() == "-":
            self.take()
            sign = -1
        terms.append((sign, self.product()))
        while self.now() in ("+", "-"):
            sign = 1 if self.take() == "+" else -1
            terms.append((sign, self.product()))
        if len(terms) > 1:
            return add(*terms)
        first = terms[0][1]
        if terms[0][0] > 0:
            return first
        return digits(f"-{first.word}") if first.kind == "num" else Looks("neg", (first,))

    def product(self) -> Looks:
        """Factors, all with the same sign between them, or all side by side."""
        factors = [self.factor()]
        sign: str | None = None
        while self.now() in PRODUCTS or not self.ends_product():
            here = PRODUCTS[self.take()] if self.now() in PRODUCTS else ""
            if sign is not None and sign != here:
                raise self.misread("two kinds of product in one row")
            sign = here
            factors.append(self.factor())
        if sign is None:
            return factors[0]
        return prod(sign, *factors) if sign else beside(*factors)

    def ends_product(self) -> bool:
        """Whether no further factor follows."""
        return self.now() in ("", "}", ",", ";", "+", "-", r"\right", *CLOSING.values(), *RELATIONS)

    def slot(self) -> Looks | None:
        """``{name}``, where it is an input or a setting, also where LaTeX needs the braces anyway."""
        if self.now() != "{":
            return None
        end, word = self.k + 1, ""
        while self.pieces[end] and (self.pieces[end].isalnum() or self.pieces[end] == "_"):
            word += self.pieces[end]
            end += 1
        if self.pieces[end] != "}" or word not in self.slots:
            return None
        self.k = end + 1
        return Looks("slot", (), word)

    def argument(self) -> Looks:
        """What a command or a script takes: a slot, a group in braces, or one piece."""
        found = self.slot()
        if found is not None or self.now() != "{":
            return found or self.factor()
        self.take()
        parts = [self.relation()]
        while self.now() == ",":
            self.take()
            parts.append(self.relation())
        self.expect("}")
        return parts[0] if len(parts) == 1 else listed(*parts)

    def word(self) -> str:
        self.expect("{")
        found = ""
        while self.now() not in ("}", ""):
            found += {r"\,": " ", r"\ ": " ", r"\_": "_"}.get(self.now(), self.now())
            self.take()
        self.expect("}")
        return found

    def factor(self) -> Looks:
        """An atom with its scripts; a name with parentheses behind it is a function of what stands in them."""
        x = self.atom()
        below = NOTHING
        while self.now() in ("_", "^"):
            if self.take() == "_":
                below = self.argument()
                x = x if x.kind == "name" else Looks("sub", (x, below))
            elif self.now() == "{" and self.pieces[self.k + 1 : self.k + 3] == [r"\top", "}"]:
                self.k += 3
                x = Looks("raised", (x, TOP))
            else:
                x = Looks("pow", (x, self.argument()))
        if x.kind != "name":
            return x
        if self.now() in ("(", r"\left"):
            inside = self.fence()
            called = Looks("call", (below, *(inside.parts if inside.word == "(" else (inside,))), x.word)
            return self.raised(called)
        letter = name(x.word)
        return letter if below == NOTHING else Looks("sub", (letter, below))

    def raised(self, x: Looks) -> Looks:
        """What was read, to the power behind it if there is one."""
        if self.now() != "^":
            return x
        self.take()
        return Looks("pow", (x, self.argument()))

    def fence(self) -> Looks:
        sized = self.now() == r"\left"
        if sized:
            self.take()
        opening = self.take()
        if opening not in CLOSING:
            raise self.misread(f"{opening!r} opens nothing")
        parts: list[Looks] = []
        if self.now() not in (r"\right", CLOSING[opening]):
            parts.append(self.relation())
        while self.now() in (",", ";"):
            self.take()
            parts.append(self.relation())
        if sized:
            self.expect(r"\right")
        self.expect(CLOSING[opening])
        return fenced(FENCES.get(opening, opening), *parts)

    def atom(self) -> Looks:
        """The smallest thing that stands by itself."""
        if self.now() == "{":
            return self.argument()
        if self.now() == r"\left" or self.now() in CLOSING:
            found = self.fence()
            return found.parts[0] if found.word == "(" and len(found.parts) == 1 else found
        piece = self.take()
        if piece[:1].isdigit():
            return digits(piece)
        match piece:
            case r"\frac":
                return Looks("frac", (self.argument(), self.argument()))
            case r"\sqrt":
                return Looks("root", (self.argument(),))
            case r"\sum" | r"\prod":
                below = NOTHING
                if self.now() == "_":
                    self.take()
                    below = self.argument()
                return Looks("big", (below, self.product()), "∑" if piece == r"\sum" else "∏")
            case r"\cdots" | r"\ldots" | r"\dots":
                return Looks("dots")
            case r"\mathbf":
                return name(self.word().replace("1", "𝟏"))
            case r"\hat" | r"\bar" | r"\tilde":
                return Looks("mark", (self.argument(),), piece[1:])
            case "e":
                return Looks("const", (), "e")
            case "*":
                return text("*")
            case _:
                return self.named(piece)

    def named(self, piece: str) -> Looks:
        """A name, a Greek letter, or a letter."""
        if piece in WORDS:
            return Looks("name", (), self.word())
        if piece[1:] in FUNCTIONS:
            return Looks("name", (), piece[1:])
        if piece[1:] in GREEK:
            return Looks("name", (), GREEK[piece[1:]])
        if piece == r"\infty":
            return digits("inf")
        if piece.isalpha() and not piece.startswith("\\"):
            return name(piece)
        raise self.misread(f"{piece!r} is not known here")


@lru_cache(maxsize=1024)
def read_template(template: str, slots: frozenset[str]) -> Looks:
    r"""A template as looks; the names of inputs and settings that it mentions are slots.

    >>> from chainrule.maths.template import read_template
    >>> read_template(r"\frac{x}{y}", frozenset({"x", "y"})).kind
    'frac'
    """
    reader = Reader(template, slots)
    looks = reader.relation()
    if reader.now():
        raise reader.misread(f"{reader.now()!r} is left over")
    lost = {slot for slot in slots if f"{{{slot}}}" in template} - set(slots_in(looks))
    if lost:
        raise reader.misread(f"{', '.join(sorted(lost))} would be read as letters")
    return looks


def slots_in(x: Looks) -> Iterator[str]:
    """The slots of a template, as often as they stand there."""
    if x.kind == "slot":
        yield x.word
    for part in x.parts:
        yield from slots_in(part)


def filled(x: Looks, given: Mapping[str, Looks]) -> Looks:
    """A template with its slots filled; rows are made anew, so that a sum in a sum is one row."""
    if x.kind == "slot":
        return given[x.word]
    parts = tuple([filled(part, given) for part in x.parts])
    if x.kind == "sum":
        return add(*zip(x.word, parts, strict=True))
    if x.kind == "prod":
        return prod(x.word, *parts)
    if x.kind == "beside":
        return beside(*parts)
    return Looks(x.kind, parts, x.word)


def written_out(template: str, slot: str, count: int) -> str:
    r"""A template with its dots written out for `count` inputs, called ``{slot_0}``, ``{slot_1}`` and so on.

    >>> from chainrule.maths.template import written_out
    >>> written_out(r"{terms} + \cdots + {terms}", "terms", 3)
    '{terms_0} + {terms_1} + {terms_2}'
    """
    token = f"{{{slot}}}"
    if r"\cdots" not in template:
        return template.replace(token, ", ".join([f"{{{slot}_{i}}}" for i in range(count)]))
    shown = template[: template.index(r"\cdots")]
    end = shown.rindex("}") + 1
    term, sign = shown[:end], shown[end:]
    mentions = term.count(token)
    each = count // mentions
    terms: list[str] = []
    for i in range(each):
        one = term
        for k in range(mentions):
            one = one.replace(token, f"{{{slot}_{i + k * each}}}", 1)
        terms.append(one)
    return sign.join(terms)

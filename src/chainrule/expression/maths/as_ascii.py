r"""Formulas as plain text that a program can read: ``dL/dw1 = (yhat - y) * w2 * x = (-18) * 0.5 * 2 = -18``.

Functions have the names of the rule book, matrices are lists of rows, ``@`` multiplies them, ``.T`` transposes them.
"""

from __future__ import annotations

import re
import unicodedata

from chainrule.expression.maths.calls import written_as
from chainrule.expression.maths.reader import read
from chainrule.expression.maths.signs import ACCENTS, PRODUCTS, RELATIONS, SIGNS, SYMBOLS, WORDS, word_of
from chainrule.expression.maths.trees import (
    Call,
    Fence,
    Fraction,
    Index,
    Matrix,
    Name,
    Number,
    Prefix,
    Relation,
    Root,
    Script,
    Series,
    Sign,
    Tree,
    is_array,
    is_number,
    is_product,
    is_sum,
)

COMPARED = {"=": "==", r"\approx": "=="}
"""How a relation inside a formula is written, where it is a question and not a statement."""

SPELLED = {r"\text{none}": "None", r"\mathbf{1}": "ones"}
"""Names that a program has for what mathematics writes otherwise."""

ACCENT_WORDS = {r"\hat": "hat", r"\bar": "bar", r"\tilde": "tilde", r"\dot": "dot", r"\ddot": "ddot"}


def ascii_of(latex: str) -> str:
    r"""A formula as plain text.

    >>> from chainrule.expression.maths.as_ascii import ascii_of
    >>> ascii_of(r"\frac{\partial L}{\partial w_{1}} = \left(\hat{y} - y\right) \cdot w_{2}^{2} = 1.5 \cdot 10^{-5}")
    'dL/dw1 = (yhat - y) * w2**2 = 1.5e-05'
    """
    return top(read(latex))


def top(tree: Tree) -> str:
    """A whole formula, in which signs of relation state."""
    match tree:
        case Relation(sides, signs):
            parts = [plain(sides[0])]
            for sign, side in zip(signs, sides[1:], strict=True):
                parts.append(f" {RELATIONS[sign].plain} {plain(side)}")
            return "".join(parts)
        case Fence("", parts, _):
            return ", ".join([top(part) for part in parts])
        case _:
            return plain(tree)


def plain(tree: Tree) -> str:
    """A part of a formula."""
    match tree:
        case Number(text):
            mantissa, _, exponent = text.partition("e")
            return f"{mantissa}e{int(exponent):+03d}" if exponent else text
        case Name(latex):
            return name(latex)
        case Script(base, below, above):
            return scripted(base, below, above)
        case Index(base, places):
            return f"{plain(base)}[{', '.join([plain(place) for place in places])}]"
        case Sign(sign, inner):
            return sign + within(inner, is_sum(inner) or isinstance(inner, Sign))
        case Series(operands, operators):
            return series(operands, operators)
        case Prefix(sign, inner):
            return prefixed(sign, inner)
        case Relation():
            return f"({compared(tree)})"
        case Fraction(above, below):
            return f"{numerator(above)}/{denominator(below)}"
        case Root(inner):
            return f"sqrt({plain(inner)})"
        case Fence(opening, parts, _):
            return fenced(opening, parts)
        case Call():
            return called(tree)
        case Matrix(rows):
            return f"[{', '.join(['[' + ', '.join([plain(entry) for entry in row]) + ']' for row in rows])}]"


def within(tree: Tree, needed: bool) -> str:
    """A part, in parentheses where they are needed."""
    return f"({plain(tree)})" if needed else plain(tree)


def is_loose(tree: Tree) -> bool:
    """Whether something binds more loosely than a product."""
    return is_sum(tree) or isinstance(tree, Sign)


def is_sigma(tree: Tree) -> bool:
    """Whether it is a sum or a product over an index, which is written as a call."""
    return isinstance(tree, Prefix) and bare(tree.sign) in (r"\sum", r"\prod")


def bare(tree: Tree) -> str:
    """The name without its scripts."""
    while isinstance(tree, Script):
        tree = tree.base
    return tree.latex if isinstance(tree, Name) else ""


def series(operands: tuple[Tree, ...], operators: tuple[str, ...]) -> str:
    """Terms or factors in a row."""
    if operators[0] in ("+", "-"):
        parts = [plain(operands[0])]
        for sign, operand in zip(operators, operands[1:], strict=True):
            parts.append(f" {sign} {within(operand, is_loose(operand))}")
        return "".join(parts)
    parts = [within(operands[0], is_sum(operands[0]))]
    scalar = is_number(operands[0])
    for i, (sign, operand) in enumerate(zip(operators, operands[1:], strict=True)):
        written = "*" if sign in PRODUCTS else times(operands[i], operand, sign)
        if sign in (r"\oslash", "/"):
            written = "/"
        if sign == r"\otimes" and is_array(operand):
            parts = [f"outer({''.join(parts)}, {plain(operand)})"]
            continue
        # Plain text reads from the left: what holds together more tightly needs parentheses, unless numbers precede.
        together = is_product(operand) and not (scalar and written in ("*", ""))
        divided = written == "/" and isinstance(operand, Fraction)
        written = f"{written} " if written else ""
        parts.append(f" {written}{within(operand, is_loose(operand) or together or divided)}")
        scalar = scalar and is_number(operand)
    return "".join(parts)


def times(x: Tree, y: Tree, sign: str) -> str:
    """What stands for a product without a sign: that of matrices, or that of numbers."""
    if any([is_text(z) for z in (x, y)]):
        return ""
    if any([(is_number(z) and not is_array(z)) or isinstance(z, Prefix) for z in (x, y)]):
        return "*"
    return "@" if sign or is_array(x) or is_array(y) else "*"


def is_text(tree: Tree) -> bool:
    """Whether it is words between formulas."""
    return isinstance(tree, Name) and tree.latex.startswith(r"\text{")


def scripted(base: Tree, below: Tree | None, above: Tree | None) -> str:
    """A base with an index, and a power, a transpose, a layer or primes."""
    if isinstance(base, Fence) and base.opening == "(" and isinstance(base.parts[0], Name | Script | Index | Matrix):
        base = base.parts[0]
        if isinstance(base, Script) and not is_layer(base.above):
            base = Fence("(", (base,), ")")
    text = within(base, is_loose(base) or isinstance(base, Series | Fraction | Prefix | Relation))
    if isinstance(above, Series) and above.operators[0] in ("", r"\,") and above.operands[1] == Name(r"\top"):
        text, above = f"{text}[{plain(above.operands[0])}]", above.operands[1]
    if isinstance(above, Fence) and is_layer(above):
        text, above = f"{text}[{plain(above.parts[0])}]", None
    length = isinstance(base, Fence) and base.opening == r"\lVert"
    if below is not None and not length:
        text += lowered(below, text)
    match above:
        case None:
            return text
        case Name(latex) if latex.startswith("'"):
            return text + "_prime" * len(latex)
        case Name(r"\top"):
            return f"{text}.T"
        case _ if base == Name("e") and below is None:
            return f"exp({plain(above)})"
        case Sign("-", Number("1")) if is_array(base):
            return f"inv({argument(base)})"
        case Sign("-", Name(r"\top")):
            return f"inv({argument(base)}).T"
        case Prefix(Name(r"\odot"), exponent):
            above = exponent
        case _:
            pass
    raised = within(above, isinstance(above, Series | Fraction | Sign) and not is_signed_number(above))
    return f"{text}**{raised}"


def argument(tree: Tree) -> str:
    """What stands in the parentheses of a call, without its own."""
    return plain(tree.parts[0]) if isinstance(tree, Fence) and tree.opening == "(" else plain(tree)


def is_signed_number(tree: Tree) -> bool:
    """Whether it is digits with a sign, which stand as an exponent as they are."""
    return isinstance(tree, Sign) and isinstance(tree.inner, Number)


def is_layer(above: Tree | None) -> bool:
    """Whether a superscript counts layers, or there is none."""
    return above is None or (isinstance(above, Fence) and above.opening in ("{", "("))


def lowered(below: Tree, base: str) -> str:
    """An index: digits stand directly behind a letter, all else after an underscore."""
    if isinstance(below, Number) and base[-1:].isalpha():
        return below.text
    if isinstance(below, Series) and set(below.operators) == {""}:
        letters = [plain(part) for part in below.operands]
        return f"[{', '.join(letters)}]" if base[-1:] == "]" else f"_{''.join(letters)}"
    parts = below.parts if isinstance(below, Fence) and below.opening == "" else (below,)
    written = [compared(part) if isinstance(part, Relation) else plain(part) for part in parts]
    simple = all([re.fullmatch(r"\w+", part) for part in written])
    if simple and len(written) == 1 and base[-1:] != "]":
        return f"_{written[0]}"
    return f"[{', '.join(written)}]"


def prefixed(sign: Tree, inner: Tree) -> str:
    """A sum over an index, or what acts on one name."""
    if is_sigma(Prefix(sign, inner)):
        over = ""
        if isinstance(sign, Script):
            low = "" if sign.below is None else plain_index(sign.below)
            high = "" if sign.above is None else f"..{plain(sign.above)}"
            over = f", {low}{high}"
        return f"{name(bare(sign))}({plain(inner)}{over})"
    if sign == Name(r"\partial"):
        return f"d{within(inner, isinstance(inner, Fence))}"
    if bare(sign) == r"\partial" and isinstance(sign, Script) and sign.above is not None:
        return f"d{plain(sign.above)}{plain(inner)}"
    if bare(sign) == r"\nabla":
        by = f", {plain(sign.below)}" if isinstance(sign, Script) and sign.below is not None else ""
        return f"grad({plain(inner)}{by})"
    return f"{plain(sign)}_{plain(inner)}"


def plain_index(tree: Tree) -> str:
    """The index of a sum, where an equality gives its start."""
    return top(tree).replace(" ", "")


def fenced(opening: str, parts: tuple[Tree, ...]) -> str:
    """What stands between delimiters."""
    inside = ", ".join([plain(part) for part in parts])
    if opening in ("|", r"\lvert"):
        return f"abs({inside})"
    if opening == r"\lVert":
        return f"norm({inside})"
    if len(parts) == 1 and (isinstance(parts[0], Relation) or is_sigma(parts[0])):
        return inside
    if opening == "[":
        return f"[{inside}]"
    return inside if opening in ("", "{") else f"({inside})"


def compared(relation: Relation) -> str:
    """A relation as a question."""
    parts = [plain(relation.sides[0])]
    for sign, side in zip(relation.signs, relation.sides[1:], strict=True):
        if sign == ":":
            parts.append(f":{plain(side)}")
        else:
            parts.append(f" {COMPARED.get(sign, RELATIONS[sign].plain)} {plain(side)}")
    return "".join(parts)


def called(call: Call) -> str:
    """A function by its name in the rule book."""
    arguments = [compared(x) if isinstance(x, Relation) else plain(x) for x in call.arguments]
    below = None if call.below is None else call.below.latex if isinstance(call.below, Name) else "*"
    written = written_as(call.function, below)
    if written is None:
        function = name(call.function)
        if call.below is not None:
            function += lowered(call.below, function)
    else:
        function = written.rule.name
        if written.setting and call.below is not None:
            arguments.append(f"{written.setting}={plain(call.below)}")
    return f"{function}{'_prime' * call.primes}({', '.join(arguments)})"


def numerator(tree: Tree) -> str:
    """What stands before the stroke of a fraction."""
    return within(tree, is_sum(tree) or (isinstance(tree, Series) and "" in tree.operators))


def denominator(tree: Tree) -> str:
    """What stands after the stroke of a fraction."""
    return within(tree, isinstance(tree, Series | Sign | Fraction))


def name(latex: str) -> str:
    """A name in letters that every keyboard has."""
    if not latex:
        return ""
    if latex in SPELLED:
        return SPELLED[latex]
    if latex.startswith(WORDS):
        return in_ascii(word_of(latex)).strip()
    for accent in ACCENTS:
        if latex.startswith(accent + "{"):
            return name(latex[len(accent) + 1 : -1]) + ACCENT_WORDS[accent]
    if latex.startswith("'"):
        return "_prime" * len(latex)
    return SIGNS[latex].plain if latex in SIGNS else in_ascii(latex)


def in_ascii(text: str) -> str:
    """Letters without their accents, Greek ones spelled out; what has no such form gets its number in Unicode."""
    found: list[str] = []
    for character in unicodedata.normalize("NFKD", text):
        if character.isascii():
            found.append(character)
        elif not unicodedata.combining(character):
            greek = [word.plain for word in SYMBOLS.values() if word.sign == character]
            found.append(greek[0] if greek else f"U+{ord(character):04X}")
    return "".join(found)

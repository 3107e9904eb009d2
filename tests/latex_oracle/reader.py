r"""Reading formulas back: the LaTeX that this package prints, as a tree that can be computed.

The subset is what the rule book's templates and the explanations use: numbers, names with sub- and superscripts, sums,
products, fractions, powers, functions, fences, matrices, and chains of relations. Factors that stand side by side hold
each other more tightly than a sign of multiplication does: ``a \odot W \, x`` is ``a \odot \left(W \, x\right)``.
"""

from __future__ import annotations

import re

from chainrule.errors import ChainruleError
from latex_oracle.calls import is_function
from latex_oracle.signs import ACCENTS, PRODUCTS, RELATIONS, SPACES, SYMBOLS, WORDS
from latex_oracle.trees import (
    ADDITIVE,
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
)

WORD = rf"(?:{'|'.join(re.escape(word) for word in WORDS)})\{{(?:[^{{}}\\]|\\[A-Za-z]+ ?|\\.)*\}}"
TOKEN = re.compile(rf"{WORD}|\\(?:[A-Za-z]+|.)|\d+(?:\.\d+)?|\.\d+|\s+|.", re.DOTALL)
CLOSING = {"(": ")", "[": "]", "|": "|", r"\{": r"\}", r"\lVert": r"\rVert", r"\lvert": r"\rvert"}
OPERATORS = {*RELATIONS, *PRODUCTS, *ADDITIVE}
ENDS = {*CLOSING.values(), "}", ",", ";", "&", r"\\", r"\right", r"\end", "", *OPERATORS}
BIG = (r"\sum", r"\prod")
BEFORE_A_NAME = (r"\partial", r"\nabla", r"\Delta")
DEPTH = 60
"""How many brackets, fractions and scripts may lie inside each other."""


class Reader:
    """One pass over the tokens of a formula."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = [token for token in TOKEN.findall(latex) if not token.isspace() and token not in SPACES[1:]]
        self.tokens.append("")
        self.place = 0
        self.depth = 0

    @property
    def token(self) -> str:
        """The token to be read next; nothing at the end."""
        return self.tokens[self.place]

    def take(self) -> str:
        """Read one token."""
        self.place += 1
        return self.tokens[self.place - 1]

    def expect(self, token: str) -> None:
        """Read one token that must be there."""
        if self.token != token:
            raise self.misread(f"expected {token}")
        self.place += 1

    def misread(self, why: str) -> ChainruleError:
        """The error for a formula outside the subset: a fault of this package, since it wrote the formula."""
        return ChainruleError(
            f"internal error, please report it: the formula {self.latex!r} cannot be read at {self.token!r} ({why})"
        )

    def whole(self) -> Tree:
        """The whole formula, or several with commas between them."""
        if not self.token:
            raise self.misread("expected a formula")
        if len(self.tokens) == 2 and self.token in OPERATORS:
            return Name(self.take())
        tree = self.group("")
        if self.token:
            raise self.misread("expected the end")
        return tree

    def group(self, closing: str) -> Tree:
        """What lies between braces."""
        parts = self.parts(closing)
        return parts[0] if len(parts) == 1 else Fence("", parts, "")

    def parts(self, closing: str) -> tuple[Tree, ...]:
        """Things separated by commas."""
        if self.token in (closing, r"\right"):
            return ()
        parts = [self.relation()]
        while self.token in (",", ";"):
            self.take()
            parts.append(self.relation())
        return tuple(parts)

    def relation(self) -> Tree:
        """Sums of products, with signs of relation between them."""
        self.depth += 1
        if self.depth > DEPTH:
            raise ChainruleError(
                f"a formula in which more than {DEPTH} brackets lie inside each other cannot be shown: "
                "give its parts names"
            )
        sides, signs = [self.side()], list[str]()
        while self.token in RELATIONS:
            signs.append(self.take())
            sides.append(self.side())
        self.depth -= 1
        return Relation(tuple(sides), tuple(signs)) if signs else sides[0]

    def side(self) -> Tree:
        """Products, with plus and minus between them; nothing where a slice has an open end."""
        if self.token == ":" or (self.token in ENDS and self.tokens[self.place - 1] == ":"):
            return Name("")
        terms, signs = [self.product()], list[str]()
        while self.token in ADDITIVE:
            signs.append(self.take())
            terms.append(self.product())
        return Series(tuple(terms), tuple(signs)) if signs else terms[0]

    def product(self) -> Tree:
        """Factors with a sign between them, each of one or more that stand side by side."""
        factors: list[Tree] = []
        signs: list[str] = []
        big: list[tuple[int, Tree, list[str]]] = []
        while True:
            minus = list[str]()
            while self.token in ADDITIVE:
                minus.append(self.take())
            while self.token in BIG:
                big.append((len(factors), self.scripted(), minus))
                minus = []
            factor = self.beside()
            for sign in reversed(minus):
                factor = Sign(sign, factor)
            factors.append(factor)
            if self.token not in PRODUCTS and self.token not in BIG:
                break
            signs.append(self.take() if self.token in PRODUCTS else "")
        for start, sign, minus in reversed(big):
            tree: Tree = Prefix(sign, in_a_row(factors[start:], signs[start:]))
            for mark in reversed(minus):
                tree = Sign(mark, tree)
            factors[start:], signs[start:] = [tree], []
        return in_a_row(factors, signs)

    def beside(self) -> Tree:
        """Factors that stand side by side."""
        pieces, signs = [self.scripted()], list[str]()
        while self.token not in ENDS and self.token not in BIG:
            signs.append(self.take() if self.token == r"\," else "")
            if self.token in ENDS:
                signs.pop()
                break
            pieces.append(self.scripted())
        return in_a_row(pieces, signs)

    def scripted(self) -> Tree:
        """A factor with its sub- and superscripts, and what it is applied to."""
        start = self.token
        base = self.factor()
        if isinstance(base, Number):
            return self.power_of_ten(base) or self.with_scripts(base)
        tree = self.with_scripts(base)
        if start in BEFORE_A_NAME and self.token not in ENDS and self.token != r"\,":
            return Prefix(tree, self.scripted())
        if self.is_application(tree):
            return self.with_scripts(self.call(tree))
        if self.token != "[" or not isinstance(tree, Name | Script | Matrix):
            return tree
        while self.token == "[":
            tree = Index(tree, self.fence().parts)
        return self.with_scripts(tree)

    def with_scripts(self, base: Tree) -> Tree:
        """Sub- and superscripts and primes, at most one of each."""
        below: Tree | None = None
        above: Tree | None = None
        raised_first = False
        while self.token in ("^", "_", "'"):
            mark = self.token
            if (below if mark == "_" else above) is not None:
                raise self.misread("two scripts at one place")
            if mark == "'":
                above = Name(self.primes())
            elif mark == "^":
                self.take()
                above, raised_first = self.superscript(), below is None
            else:
                self.take()
                below = self.argument()
        return base if below is None and above is None else Script(base, below, above, raised_first)

    def primes(self) -> str:
        """One or more primes."""
        count = 0
        while self.token == "'":
            self.take()
            count += 1
        return "'" * count

    def superscript(self) -> Tree:
        r"""An exponent, after ``\odot`` that of every entry; in double braces the number of a layer, which is none."""
        start = self.place
        if self.tokens[start : start + 2] == ["{", r"\odot"]:
            self.place += 2
            exponent = self.group("}")
            self.expect("}")
            return Prefix(Name(r"\odot"), exponent)
        if self.tokens[start : start + 2] == ["{", "{"]:
            self.take()
            inner = self.argument()
            if self.token == "}":
                self.take()
                return Fence("{", (inner,), "}")
            self.place = start
        return self.argument()

    def power_of_ten(self, number: Number) -> Number | None:
        r"""The rest of a number such as ``2.5 \cdot 10^{-9}``, if that is what stands here."""
        place = self.place
        wanted = [r"\cdot", "10", "^", "{"]
        if not re.fullmatch(r"[1-9](\.\d+)?", number.text) or self.tokens[place : place + 4] != wanted:
            return None
        place += 4
        minus = "-" if self.tokens[place] == "-" else ""
        place += len(minus)
        exponent, end = (*self.tokens[place : place + 2], "", "")[:2]
        if not exponent.isdigit() or end != "}" or self.tokens[place + 2] in ("^", "_"):
            return None
        self.place = place + 2
        return Number(f"{number.text}e{minus}{exponent}")

    def argument(self) -> Tree:
        """A group in braces, or one token."""
        if self.token != "{":
            return self.factor()
        self.take()
        tree = self.group("}")
        self.expect("}")
        return tree

    def is_application(self, tree: Tree) -> bool:
        """Whether a function's name was read and its arguments follow."""
        name = tree.base if isinstance(tree, Script) else tree
        if not isinstance(name, Name) or not is_function(name.latex):
            return False
        if isinstance(tree, Script) and tree.above is not None and not is_primes(tree.above):
            return False
        following = self.tokens[self.place + 1] if self.token == r"\left" else self.token
        return following == "(" or (following == "|" and name.latex != r"\sigma")

    def call(self, tree: Tree) -> Call:
        """A function and its arguments."""
        fence = self.fence()
        arguments = fence.parts if fence.opening == "(" else (fence,)
        if isinstance(tree, Name):
            return Call(tree.latex, arguments)
        assert isinstance(tree, Script)
        assert isinstance(tree.base, Name)
        primes = len(tree.above.latex) if isinstance(tree.above, Name) else 0
        return Call(tree.base.latex, arguments, tree.below, primes)

    def factor(self) -> Tree:
        """A number, a name, a fraction, a root, a fence, a matrix."""
        token = self.token
        if token in (r"\left", "(", "[", r"\{", r"\lVert", r"\lvert", "|"):
            return self.fence()
        if token in ENDS or token == r"\,":
            raise self.misread("expected a number or a name")
        if token == "{":
            return self.argument()
        if token == r"\begin":
            return self.matrix()
        self.take()
        if token[0].isdigit() or token[0] == ".":
            return Number(token)
        if token == r"\frac":
            return Fraction(self.argument(), self.argument())
        if token == r"\sqrt":
            return Root(self.argument())
        if token in ACCENTS:
            return self.accented(token)
        if token in SYMBOLS or (token.startswith(WORDS) and token[-1] == "}") or token.isalpha() or token in ("…", "?"):
            return Name(token)
        self.place -= 1
        raise self.misread("no such sign in a formula")

    def accented(self, accent: str) -> Name:
        """A name under an accent."""
        inner = self.argument()
        if not isinstance(inner, Name):
            raise self.misread("an accent stands on a name")
        return Name(f"{accent}{{{inner.latex}}}")

    def fence(self) -> Fence:
        """Something between delimiters."""
        sized = self.token == r"\left"
        if sized:
            self.take()
        opening = self.take()
        closing = CLOSING.get(opening)
        if closing is None:
            raise self.misread(f"no delimiter {opening}")
        parts = self.parts(closing)
        if sized:
            self.expect(r"\right")
        self.expect(closing)
        return Fence(opening, parts, closing)

    def matrix(self) -> Tree:
        r"""``\begin{pmatrix} a & b \\ c & d \end{pmatrix}``; cases, with their conditions, are read as one too."""
        kind = "cases" if self.tokens[self.place + 2] == "c" else "pmatrix"
        self.environment(kind)
        rows: list[tuple[Tree, ...]] = [()]
        while self.token != r"\end":
            if self.token == r"\text{if }":
                self.take()
            # A row of a matrix without columns is empty.
            rows[-1] += () if self.token == r"\\" else (self.relation(),)
            if self.token == "&":
                self.take()
            elif self.token == r"\\":
                self.take()
                rows.append(())
            elif self.token != r"\end":
                raise self.misread("expected the next entry of a matrix")
        self.environment(kind)
        if kind == "cases":
            ((value, condition), (otherwise, _)) = rows
            return Call(r"\operatorname{where}", (condition, value, otherwise))
        if len({len(row) for row in rows}) != 1:
            raise self.misread("the rows of a matrix have different lengths")
        return Matrix(tuple(rows))

    def environment(self, kind: str) -> None:
        """The begin or the end of a matrix, or of cases."""
        self.take()
        for token in ("{", *kind, "}"):
            self.expect(token)


def in_a_row(factors: list[Tree], signs: list[str]) -> Tree:
    """Factors and what stands between them; one alone is itself."""
    return Series(tuple(factors), tuple(signs)) if signs else factors[0]


def is_primes(tree: Tree) -> bool:
    """Whether a superscript is one or more primes."""
    return isinstance(tree, Name) and tree.latex.startswith("'")


def read(latex: str) -> Tree:
    r"""A formula as a tree.

    >>> from latex_oracle.reader import read
    >>> read(r"2 \cdot x")
    Series(operands=(Number(text='2'), Name(latex='x')), operators=('\\cdot',))
    """
    return Reader(latex).whole()

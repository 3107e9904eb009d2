"""A learner's formula as a working: in the problem's names, with derivatives as letters and NumPy's ways to write."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise, book, compositions
from chainrule.errors import FormulaError, closest
from chainrule.expression.typed.assignments import equals_sign, split
from chainrule.expression.typed.caret import error_at
from chainrule.expression.typed.functions import look_up
from chainrule.expression.typed.parse import Call, Reader
from chainrule.expression.typed.parsed import CONSTANTS
from chainrule.expression.typed.parsed import Step as Parsing
from chainrule.expression.typed.tokens import LONGEST, Token, check_brackets, pieces_at, pieces_from
from chainrule.program import Step
from chainrule.verify.marking.problem import SIZES, Problem
from chainrule.verify.marking.updates import A_RATE, RATE_NAMES
from chainrule.verify.marking.walk import Walk
from chainrule.verify.marking.working import Part, Working
from chainrule.verify.spelling import HAT, side_by_side, typed, with_branches, with_hat

LIBRARIES = {"np", "numpy", "cr", "torch", "jnp", "math", "cp", "F"}
"""What stands before a function's name in code; the function is the same."""

OTHER_FUNCTIONS = {"sigma": "sigmoid", "logistic": "sigmoid", "ReLU": "relu", "multiply": "mul", "sig": "sigmoid"}
"""What learners call functions of the book, where the problem has no such name."""

ERRORS = ("error", "err", "diff", "residual")
"""Names for what the prediction and the target differ by, either way round."""

HATTED = re.compile(r"(\w)_?hat")
LOWERED = re.compile(r"([^\W\d_])_?(\w{1,3})|([^\W\d_]+)_?(\d+)")
"""A name whose end a book would set lower: ``w2``, ``w_f``, ``net_1``."""
LINK = re.compile(r"[d∂](\w+?)(?:_|/)[d∂](\w+)")
MOST_LETTERS = 12
"""A longer word is no product of names without signs."""

DERIVATIVE = re.compile(r"(?:∂|d)\s*({name})\s*/\s*(?:∂|d)\s*({name})")
PRIME = re.compile(r"(\w+)\s*['′’](?=\s*[(\[{])")
LAGRANGE = r"([^\W\d]\w*)\s*(?:['′’](?!\s*\()|['′’]?\s*\(\s*{wrt}\s*\))"
"""A name with a prime, with or without what it is a function of in parentheses: ``u′``, ``u'(x)``, ``u(x)``."""
INDICATOR = re.compile(r"\b1\s*[\[{]([^\]}]*[<>][^\]}]*)[\]}]")
DOTTED = re.compile(r"(?<![\d.])\.([*/^])")
"""MATLAB's signs for what is done entry by entry; beside these, and beside ``X'``, its ``*`` is the matrix product."""
IN_AN_INDEX = ("None", "newaxis", "np", "numpy", "True", "False")
PRIMED = "slope_of_"
SLOPES = re.compile(r"(\w+?)(?:_prime|_derivative|_deriv|_grad|_gradient)$|(?:d_?|grad_)(\w+)$")


class AnswerReader(Reader):
    """Reads a formula as `parse` does, and what answers have beside: methods, libraries, products without a sign.

    `names` says what is a name, and `spelled` which of these may stand side by side.
    """

    def __init__(self, text: str, names: Callable[[str], bool], spelled: Callable[[str], bool]) -> None:
        self.is_name = names
        super().__init__(text, answer_tokens(text, names, spelled))

    def call_of(self, node: ast.expr) -> Call:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self.method(node, node.func)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
            if self.token_of(node.value.attr).text == "shape":
                return Call(length_along, (node.value.value,), self.extent(node), {"axis": self.whole(node.slice)})
        if isinstance(node, ast.Attribute) and self.token_of(node.attr).text == "size":
            return Call(np.size, (node.value,), self.extent(node))
        return super().call_of(node)

    def whole(self, node: ast.expr) -> Any:
        """A whole number of an index, or a new axis."""
        if isinstance(node, ast.Name) and self.token_of(node.id).text == "None":
            return None
        if isinstance(node, ast.Attribute) and self.token_of(node.attr).text == "newaxis":
            return None
        return super().whole(node)

    def comparison(self, node: ast.Compare) -> Call:
        self.conditions.add(id(node))
        return super().comparison(node)

    def method(self, node: ast.Call, func: ast.Attribute) -> Call:
        """``np.dot(a, b)`` or ``x.sum(axis=0)``: the function of that name."""
        owner = func.value
        token = self.token_of(func.attr)
        within = owner.value if isinstance(owner, ast.Attribute) else owner
        if isinstance(within, ast.Name) and self.token_of(within.id).text in LIBRARIES:
            return self.named_call(ast.copy_location(ast.Call(plain_name(func), node.args, node.keywords), node))
        if token.text in ("astype", "copy", "float", "item"):
            return Call(book["identity"], (owner,), (token.start, token.stop))
        name = {"t": "transpose", "T": "transpose"}.get(token.text, token.text)
        if look_up(name) is None:
            raise self.at_token(token, f"a formula has no .{token.text}")
        if name == "reshape" and len(node.args) > 1:
            shape = ast.copy_location(ast.Tuple(node.args, ast.Load()), node)
            node = ast.copy_location(ast.Call(node.func, [shape], []), node)
        return self.named_call(ast.copy_location(ast.Call(plain_name(func), [owner, *node.args], node.keywords), node))

    def named_call(self, node: ast.Call) -> Call:
        if isinstance(node.func, ast.Name):
            token = self.token_of(node.func.id)
            where = (token.start, token.stop)
            if token.text == "len" and len(node.args) == 1:
                return Call(length_along, tuple(node.args), where, {"axis": 0})
            slope = slope_function(token.text) or HYPERBOLIC.get(token.text)
            if slope is not None:
                return Call(slope, tuple(node.args[:1]), where)
            if token.text in ("ones", "zeros", "eye") and len(node.args) == 1:
                size = self.setting(node.args[0])
                return Call(MAKERS[token.text], (), where, {"shape": size})
        return super().named_call(node)

    def atom(self, token: Token) -> Any:
        if token.kind != "name" or not self.is_name(token.text):
            return super().atom(token)
        place = (token.start, token.stop)
        self.names[token.text] = None
        return Parsing(*place, place, name=token.text)


def length_along(x: Any, axis: int) -> int:
    return np.shape(x)[axis]


MAKERS: dict[str, Callable[..., Any]] = {"ones": np.ones, "zeros": np.zeros, "eye": np.eye}

HYPERBOLIC: dict[str, Callable[[Any], Any]] = {
    "sech": lambda x: 1 / np.cosh(x),
    "csch": lambda x: 1 / np.sinh(x),
    "coth": lambda x: 1 / np.tanh(x),
    **dict.fromkeys(("step", "heaviside"), lambda x: np.greater(x, 0) * 1.0),
}
"""Functions of books on calculus that no net has."""


def plain_name(func: ast.Attribute) -> ast.Name:
    """The last part of a dotted name as a name, standing where it stood."""
    return ast.Name(
        func.attr, ctx=func.ctx, lineno=func.lineno, col_offset=func.col_offset, end_col_offset=func.end_col_offset
    )


def slope_function(name: str) -> Callable[[Any], Any] | None:
    """The derivative of a function of one number, where a name says that: ``slope_of_tanh``, ``sigmoid_prime``."""
    if name.startswith(PRIMED):
        inner = name[len(PRIMED) :]
    elif match := SLOPES.match(name):
        inner = match[1] or match[2]
    else:
        return None
    known = look_up(OTHER_FUNCTIONS.get(inner, inner))
    op = None if known is None else book.get(known.name)
    if not isinstance(op, Pointwise) or len(op.inputs) != 1:
        return None

    def slope(x: Any) -> Any:
        return op.partial(0, op(x), [x], op.defaults) + 0.0 * np.asarray(x)

    return slope


def power_or_pieces(text: str, at: int) -> list[Token]:
    """The pieces at a place of an answer, where ``^`` raises to a power and braces are brackets."""
    sign = {"^": "**", "{": "[", "}": "]"}.get(text[at])
    return pieces_at(text, at) if sign is None else [Token("sign", sign, at, at + 1)]


def answer_tokens(text: str, is_name: Callable[[str], bool], spelled: Callable[[str], bool]) -> list[Token]:
    """The pieces of an answer; ``2x``, ``xw``, ``(a - b)c`` and ``^`` are read; functions get the book's names."""
    pieces: list[Token] = []
    for found in pieces_from(text, read=power_or_pieces):
        pieces += found if len(found) > 1 else parted(found[0], is_name, spelled)
    if not pieces:
        raise error_at(text, 0, len(text), "there is no formula here")
    pieces = with_powers_behind(with_round_brackets(pieces), is_name)
    tokens = [pieces[0]]
    for before, token in pairwise(pieces):
        if before.ends_operand and (token.kind != "sign" or token.text == "("):
            called = before.kind == "name" and token.text == "(" and not is_name(before.text)
            turned = before.text == "T" and len(tokens) > 1 and tokens[-2].text == "."
            if turned or not called:
                tokens.append(Token("sign", "*", token.start, token.start))
        tokens.append(token)
    tokens = [renamed(token, is_name) for token in tokens]
    check_brackets(text, tokens)
    return tokens


def with_round_brackets(pieces: Sequence[Token]) -> list[Token]:
    """The pieces with parentheses for ``[…]`` that hold terms together, as on paper; a list and an index stay."""
    found = list(pieces)
    opened: list[int] = []
    for k, token in enumerate(pieces):
        if token.kind == "sign" and token.text in ("(", "["):
            opened.append(k)
        elif token.kind == "sign" and token.text in (")", "]") and opened:
            start = opened.pop()
            pair = pieces[start].text + token.text
            if pair == "[]" and holds_together(found[start + 1 : k], start > 0 and pieces[start - 1].ends_operand):
                found[start], found[k] = replace(found[start], text="("), replace(token, text=")")
    return found


def holds_together(inside: Sequence[Token], behind_operand: bool) -> bool:
    """Whether square brackets around these pieces are parentheses: no list, and no index of what stands before."""
    depth = 0
    for token in inside:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text in (",", ":") and depth == 0:
            return False
    if not inside or inside[0].text == "[":
        return False
    return not behind_operand or any(token.kind == "name" and token.text not in IN_AN_INDEX for token in inside)


def with_powers_behind(pieces: Sequence[Token], is_name: Callable[[str], bool]) -> list[Token]:
    """The pieces with the power of a function behind what it is of: ``tanh²(z)`` is ``tanh(z)²``."""
    found = list(pieces)
    for k in range(len(pieces) - 3, 0, -1):
        before, sign, power, opened = found[k - 1 : k + 3]
        if sign.text == "**" and power.kind == "number" and opened.text == "(" and is_function(before, is_name):
            depth = 0
            for end in range(k + 2, len(found)):
                depth += (found[end].text == "(") - (found[end].text == ")")
                if depth == 0:
                    found[k : end + 1] = [*found[k + 2 : end + 1], sign, power]
                    break
    return found


def is_function(token: Token, is_name: Callable[[str], bool]) -> bool:
    """Whether a piece is a function of the book and no name of the problem."""
    word = token.text
    if token.kind != "name" or is_name(word):
        return False
    return word in HYPERBOLIC or look_up(OTHER_FUNCTIONS.get(word, word)) is not None


def parted(token: Token, is_name: Callable[[str], bool], spelled: Callable[[str], bool]) -> list[Token]:
    """A word that is no name and no function as the names that it is made of, if there is one way to read it so."""
    word = token.text
    if (
        token.kind != "name"
        or is_name(word)
        or is_function(token, is_name)
        or token.stop - token.start != len(word)
        or len(word) > MOST_LETTERS
    ):
        return [token]
    found: list[Token] = []
    at = token.start
    for name in side_by_side(word, spelled):
        found.append(Token("name", name, at, at + len(name)))
        at += len(name)
    return found or [token]


def renamed(token: Token, is_name: Callable[[str], bool]) -> Token:
    """A function's name as the book has it."""
    if token.kind == "name" and token.text in OTHER_FUNCTIONS and not is_name(token.text):
        return Token("name", OTHER_FUNCTIONS[token.text], token.start, token.stop)
    return token


Letter = Callable[[Walk], Any]


def read_formula(
    problem: Problem, text: str, wrt: str, sizes: Mapping[str, int] | None = None, error: float = 1.0
) -> Working:
    """A learner's formula, or several lines that end in it, in the problem's names.

    Derivatives may stand as letters: ``dL/dh``, ``∂ŷ/∂h``, ``dz2``, ``delta2``, ``u′``; ``error`` is the problem's
    difference of prediction and target, times `error`. Raises FormulaError for what cannot be read and for names that
    mean nothing here.
    """
    if len(text) > LONGEST:
        raise FormulaError(f"an answer has at most {LONGEST:,} characters, and this one has {len(text):,}")
    columns = wrt in problem.named and problem.named[wrt].ndim == 2
    letters = Letters(problem, sizes or {}, wrt, columns=columns, error=error)
    text = text.replace("“", "").replace("”", "")
    if "\\" in text:
        from chainrule.verify.latex import from_latex  # few answers need its reader

        text = from_latex(text)
    text = typed(text, letters.spellings.__contains__)
    parts: list[Part] = []
    own: dict[str, int] = {}
    asked: int | None = None
    last = -1
    for piece in pieces_of(text):
        name, formula = left_and_right(piece)
        formula = letters.replaced(with_branches(formula))
        last = add_parts(parts, formula, own, letters, name, piece)
        if name and name != wrt:
            own[name] = last
        if is_gradient_name(name, wrt, problem):
            asked = last
    if last < 0:
        raise FormulaError("there is no formula in the answer")
    return Working(tuple(parts), {wrt: last if asked is None else asked})


def pieces_of(text: str) -> Iterator[str]:
    """The lines of an answer; comments are left out."""
    for piece in split("\n".join(line.split("#")[0] for line in text.splitlines())):
        if piece.strip():
            yield piece.strip()


def left_and_right(piece: str) -> tuple[str, str]:
    """What stands before the sign of an assignment, as a name, and the formula behind the last one."""
    at = equals_sign(piece)
    if at < 0:
        return "", piece
    left, right = piece[:at].strip(), piece[at + 1 :].strip()
    more = equals_sign(right)
    if more >= 0:
        right = right[more + 1 :].strip()
    name = re.sub(r"[^\w]", "", left.replace("/", "_"))
    return name, right


def is_gradient_name(name: str, wrt: str, problem: Problem) -> bool:
    """Whether a line's name says that it is the gradient asked for: ``dW1``, ``grad_W1``, ``dL_dW1``."""
    if not name:
        return False
    output = problem.names.get(problem.output, "L")
    return name in {f"d{wrt}", f"d_{wrt}", f"grad_{wrt}", f"g{wrt}", f"d{output}_d{wrt}", f"d{output}d{wrt}"}


@dataclass(eq=False)
class Letters:
    """What the names in an answer mean at a probe; with `columns` a vector is one, and its transpose a row."""

    problem: Problem
    sizes: Mapping[str, int]
    wrt: str = ""
    columns: bool = False
    error: float = 1.0
    standing: dict[str, Letter] = field(default_factory=dict[str, "Letter"])
    in_matlab: bool = False
    """Whether a formula was seen to be in MATLAB's signs, or Octave's."""
    has_primes: bool = False
    """Whether one was seen to have a prime for a transpose alone."""

    def replaced(self, formula: str) -> str:
        """The formula with names in place of derivatives and primes, and with one spelling of each sign."""
        if DOTTED.search(formula):
            self.in_matlab = True
            formula = DOTTED.sub(lambda match: {"*": "⊙"}.get(match[1], match[1]), formula)
        if ")'" in formula and not self.problem.is_scalar:
            self.has_primes = True
            formula = formula.replace(")'", ").T")
        names = "|".join(sorted(map(re.escape, self.spellings), key=len, reverse=True))
        pattern = re.compile(DERIVATIVE.pattern.replace("{name}", names) + r"(?!\w)")
        formula = pattern.sub(lambda match: self.standing_for(match[1], match[2]), formula)
        if self.wrt:
            formula = re.sub(LAGRANGE.replace("{wrt}", re.escape(self.wrt)), self.primed_letter, formula)
        formula = INDICATOR.sub(r"(\1)", formula)
        return PRIME.sub(self.primed_function, formula)

    @cached_property
    def spellings(self) -> dict[str, str]:
        """Every way to write a name of the problem."""
        found = {name: name for name in self.problem.named}
        for name in self.problem.named:
            for other in other_spellings(name):
                found.setdefault(other, name)
        return found

    def primed_letter(self, match: re.Match[str]) -> str:
        """A name for ``u′``, and the value's own for ``u(x)``; of names side by side the last one has the prime.

        An array with a prime is its transpose.
        """
        names = [match[1]] if match[1] in self.spellings else side_by_side(match[1], self.spellings.__contains__)
        if not names:
            return match[0]
        before, last = " ".join(names[:-1]), names[-1]
        if set(match[0]) & set("'′’"):
            if self.problem.named[self.spellings[last]].size > 1:
                self.has_primes = True
                return f"{before} {last}.T "
            return f"{before} {self.standing_for(last, self.wrt)} "
        return match[0] if self.problem.named[self.spellings[last]].op is None else f"{before} {last} "

    def primed_function(self, match: re.Match[str]) -> str:
        """A name for the derivative of what has a prime before parentheses; of an array it is the transpose."""
        name = match[1]
        if name in self.spellings and self.problem.named[self.spellings[name]].size > 1:
            self.has_primes = True
            return f"{name}.T "
        return f"{PRIMED}{name}".replace("σ", "sigmoid")

    def standing_for(self, top: str, bottom: str) -> str:
        """A name for the derivative of one name of the problem in another."""
        steps = [self.problem.named[self.spellings[name]] for name in (top, bottom)]
        name = f"D{len(self.standing)}quotient"
        self.standing[name] = lambda walk: derivative_of(walk, *steps)
        return name

    def meaning(self, name: str) -> Letter | None:
        """How a name is looked up at a probe."""
        if name in self.standing:
            return self.standing[name]
        spelled = self.spellings
        if name in spelled:
            step = self.problem.named[spelled[name]]
            return lambda walk: walk.numbers[step]
        if name in CONSTANTS:
            return lambda walk: CONSTANTS[name]
        if name in self.sizes:
            return lambda walk: self.sizes[name]
        step = self.gradient_name(name)
        if step is not None:
            return lambda walk: walk.right.get(step, np.zeros(step.shape))
        link = self.link(name)
        if link is not None:
            return lambda walk: derivative_of(walk, *link)
        if name in ERRORS:
            difference = self.difference()
            return None if difference is None else lambda walk: self.error * walk.numbers[difference]
        if name in SIZES:
            return lambda walk: 1.0
        return (lambda walk: A_RATE) if name in RATE_NAMES else None

    def link(self, name: str) -> tuple[Step, Step] | None:
        """The two steps of a local derivative such as ``dh1_dz1`` or ``∂ŷ/∂z2``."""
        match = LINK.fullmatch(name)
        if match is None or match[1] not in self.spellings or match[2] not in self.spellings:
            return None
        return self.problem.named[self.spellings[match[1]]], self.problem.named[self.spellings[match[2]]]

    def gradient_name(self, name: str) -> Step | None:
        """The step whose gradient a name such as ``dz2``, ``grad_h`` or ``delta2`` stands for."""
        spelled = self.spellings
        output = self.problem.names.get(self.problem.output, "L")
        for before in (f"d{output}_d", f"d{output}d", "grad_", "d_", "d", "g"):
            if name.startswith(before) and name[len(before) :] in spelled:
                return self.problem.named[spelled[name[len(before) :]]]
        match = re.fullmatch(r"(?:delta|δ|d)_?(\d*)", name)
        return None if match is None else self.delta(match[1])

    def difference(self) -> Step | None:
        """The one difference of a prediction and a leaf of the problem that the result is made of."""
        found = [
            step
            for step in self.problem.program.steps
            if step.operation == "sub"
            and any(isinstance(x, Step) and x.op is None for x in step.inputs)
            and any(isinstance(x, Step) and x.op is not None for x in step.inputs)
        ]
        return found[0] if len(found) == 1 else None

    def delta(self, layer: str) -> Step | None:
        """The weighted input of a layer, whose gradient textbooks call δ: by its number, or the last one."""
        for letter in ("z", "Z", "a", "n"):
            if layer and letter + layer in self.problem.named:
                return self.problem.named[letter + layer]
        named = [s for n, s in self.problem.named.items() if s.op is not None and n[0] in "zZ"]
        return named[-1] if named and not layer else None


def other_spellings(name: str) -> Iterator[str]:
    """How a name may also be written: with a hat or the word for it, with or without an underscore before its end."""
    if hatted := HATTED.fullmatch(name):
        yield with_hat(hatted[1])
    base = unicodedata.normalize("NFD", name)
    letter = base[0] if base[1:] == HAT else hatted[1] if hatted else ""
    if letter:
        yield f"{letter}hat"
        yield f"{letter}_hat"
    if lowered := LOWERED.fullmatch(name):
        letters, end = lowered[1] or lowered[3], lowered[2] or lowered[4]
        yield f"{letters}_{end}"
        yield f"{letters}{end}"


def derivative_of(walk: Walk, top: Step, bottom: Step) -> Any:
    """The derivative of one step in another; of an array the result alone has one that is a letter."""
    if top is walk.problem.output:
        return walk.right.get(bottom, np.zeros(bottom.shape))
    if top.size > 1:
        raise FormulaError("the derivative of one array in another is no single letter here: write it out")
    return walk.handed_down(top, np.ones(top.shape), bottom)


def matmul(x: Any, y: Any) -> Any:
    """A product whose second factor is transposed, as a book means it: of two vectors every entry times every other.

    NumPy would add them up. For matrices it is the product of that name, as which a mistake in it is looked for.
    """
    if np.ndim(x) == np.ndim(y) == 1:
        return np.outer(x, y)
    return compositions["matmul"](x, y) if np.ndim(x) and np.ndim(y) else book["mul"](x, y)


def mul(x: Any, y: Any) -> Any:
    """A product without a sign: of matrices that fit no other way it is the matrix product, as a book means it."""
    if np.ndim(x) and np.ndim(y) and np.shape(x) != np.shape(y) and np.shape(x)[-1] == np.shape(y)[0]:
        return compositions["matmul"](x, y)
    return book["mul"](x, y)


def by_columns(function: Callable[..., Any]) -> Callable[..., Any]:
    """A sum or mean as MATLAB takes it: of a matrix down its columns, and with axes counted from 1."""

    def run(x: Any, axis: int | None = None, **settings: Any) -> Any:
        if axis is None and np.ndim(x) == 2 and min(np.shape(x)) > 1:
            axis = 1
        return function(x, axis=None if axis is None else axis - 1, keepdims=axis is not None and np.ndim(x) == 2)

    run.__name__ = function.__name__
    return run


MATLAB: dict[str, Callable[..., Any]] = {
    "*": matmul,
    "sum": by_columns(compositions["sum"]),
    "mean": by_columns(compositions["mean"]),
}
"""What MATLAB's signs and functions mean, where NumPy's mean something else."""


def add_parts(parts: list[Part], formula: str, own: Mapping[str, int], letters: Letters, name: str, line: str) -> int:
    """Read one formula and add its parts; gives the place of the last."""

    def is_name(word: str) -> bool:
        return word in own or (word not in ("e", "pi") and letters.meaning(word) is not None)

    def is_spelled(word: str) -> bool:
        return word in own or word in letters.spellings

    parsed = AnswerReader(formula, is_name, is_spelled).read()
    places: list[int] = []
    for k, step in enumerate(parsed.steps):
        text = parsed.source(step)
        called = name if k == len(parsed.steps) - 1 else ""
        if step.function is not None:
            inputs = tuple([places[i] for i in step.inputs])
            function = step.function
            # Beside a prime for a transpose a * is what a product without a sign is.
            is_unsigned = function is book["mul"] and (step.place[0] == step.place[1] or letters.has_primes)
            turned = [parts[i].function is book["transpose"] for i in inputs]
            if letters.in_matlab:
                sign = formula[slice(*step.place)]
                function = MATLAB.get(sign or "*", MATLAB.get(getattr(function, "__name__", ""), function))
            elif is_unsigned:
                function = mul
            if (letters.columns and turned[-1] and function is compositions["matmul"]) or (is_unsigned and any(turned)):
                function = matmul
            parts.append(Part(function, inputs, step.settings, name=called, text=text, line=line))
        elif step.number is not None:
            parts.append(Part(number=step.number, text=text, name=called, line=line))
        elif step.name in own:
            places.append(own[step.name])
            continue
        else:
            look = letters.meaning(step.name)
            if look is None:
                near = closest(step.name, letters.spellings)
                what = f"did you mean {near}?" if near else f"its names are {', '.join(letters.problem.named)}"
                raise parsed.error(step, f"{step.name} is no name of the problem: {what}")
            parts.append(Part(look_up=look, text=step.name, name=called, line=line))
        places.append(len(parts) - 1)
    return places[-1]

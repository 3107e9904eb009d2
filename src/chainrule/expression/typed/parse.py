"""What users type, read with a white list: never evaluated as Python, and refused with a caret under the place.

Python's own grammar says how tightly signs bind, and nothing else: it sees a placeholder for every name and number, so
no word of a user ever reaches it. What comes out is a list of steps, each an operation of the book on earlier steps. It
runs on anything that operations run on: numbers compute, Values and Tensors record, terms become formulas.
"""

from __future__ import annotations

import ast
import builtins
import math
from bisect import bisect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from chainrule.core.operation import book, compositions
from chainrule.errors import FormulaError, closest, meant
from chainrule.expression.typed.caret import error_at
from chainrule.expression.typed.functions import Function, function_names, in_a_list, look_up, of_parts
from chainrule.expression.typed.parsed import CONSTANTS, Parsed, Step
from chainrule.expression.typed.tokens import EXACT_DIGITS, Token, tokens_of
from chainrule.printable import several

IN_SETTINGS = {"True": True, "False": False, "None": None, "inf": math.inf}
"""Words that a setting may have, such as ``axis=None``."""

LARGEST_EXPONENT = 1024
"""A number of 2 or more to a higher power is infinite in double precision."""
A_SETTING = (
    "a setting is typed out, for it has no derivative: a number, True, False, None, inf, or several in parentheses"
)
PLACES = "whole numbers are typed out here, as 1 or [0, 2]: they have no derivative"
LARGEST_SETTING = 10_000_000
"""Settings are axes, shapes and widths: a product beyond this would fill the memory."""

SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
    ast.USub: "neg",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
"""The operation of each sign."""


def parse(text: str, *, folds: bool = True) -> Parsed:
    """Read a formula such as ``sum((W @ x + b - y)**2)``; O(length), whatever it says.

    It may have numbers, names, ``+ - * / ** @``, parentheses, lists such as ``[x**2*y, sin(x)]`` for vectors and lists
    of these for matrices, ``.T`` for a transpose, indices such as ``x[0]`` and ``W[:, 1:]``, the functions of
    `usages` with settings such as ``axis=0``, and comparisons as the condition
    of ``where``. Anything else raises FormulaError, which shows the place and says what to write. Arithmetic on numbers
    alone is done at once; with ``folds=False`` it stays as it was typed, for pages that show it.

    >>> from chainrule.expression import parse
    >>> parse("log(1 + exp(-y * (w.T @ x)))").names
    ('y', 'w', 'x')
    >>> parse("2x + 1")
    Traceback (most recent call last):
    chainrule.errors.FormulaError: a sign is missing: a product is written 2*x
      2x + 1
      ^^
    """
    return read(text, 0, folds=folds)


def read(text: str, start: int, *, folds: bool = True, own: Collection[str] = ()) -> Parsed:
    """The formula that begins at `start`; names in `own` are variables even where functions are called so."""
    return Reader(text, tokens_of(text, start), folds, own).read()


@dataclass(frozen=True, slots=True)
class Call:
    """A function that waits for its inputs."""

    function: Callable[..., Any]
    inputs: tuple[ast.expr, ...]
    place: tuple[int, int]
    settings: dict[str, Any] = field(default_factory=dict)


class Reader:
    """Goes from tokens over Python's tree to steps."""

    def __init__(self, text: str, tokens: list[Token], folds: bool = True, own: Collection[str] = ()) -> None:
        self.text = text
        self.own = own
        self.tokens = tokens
        self.folds = folds
        pieces = [token.text if token.kind == "sign" else f"n{k}" for k, token in enumerate(tokens)]
        self.python = " ".join(pieces)
        self.columns = [0]
        for piece in pieces[:-1]:
            self.columns.append(self.columns[-1] + len(piece) + 1)
        self.steps: list[Step] = []
        self.conditions: set[int] = set()
        self.constants: dict[str, None] = {}
        self.names: dict[str, None] = {}

    def read(self) -> Parsed:
        """The steps in the order in which they run, found without recursion: a long sum is a deep tree."""
        waiting: list[tuple[ast.expr, Call | None]] = [(self.tree(), None)]
        done: list[int] = []
        while waiting:
            node, call = waiting.pop()
            if call is not None:
                count = len(call.inputs)
                inputs = tuple(done[len(done) - count :])
                del done[len(done) - count :]
                self.add_call(node, call, inputs)
                done.append(len(self.steps) - 1)
            elif isinstance(node, ast.Name):
                self.steps.append(self.atom(self.token_of(node.id)))
                done.append(len(self.steps) - 1)
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
                waiting.append((node.operand, None))
            else:
                call = self.call_of(node)
                waiting.append((node, call))
                waiting.extend((part, None) for part in reversed(call.inputs))
        return Parsed(self.text, tuple(self.names), tuple(self.constants), tuple(self.steps))

    def tree(self) -> ast.expr:
        """What Python's grammar makes of the signs."""
        try:
            return ast.parse(self.python, mode="eval").body
        except SyntaxError as error:
            k = self.index_at((error.offset or 1) - 1)
            raise self.at_token(self.tokens[k], "this cannot be read here: a sign or an operand is missing") from None
        except (RecursionError, MemoryError):
            problem = "the formula is too long or too deep: give its parts names, and their values beside it"
            raise error_at(self.text, self.tokens[0].start, self.tokens[-1].stop, problem) from None

    def call_of(self, node: ast.expr) -> Call:
        """The function that a node of the tree calls, and on which parts."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            # As a factor a comparison is the number 1 where it holds and 0 elsewhere.
            self.conditions.update([id(part) for part in (node.left, node.right) if isinstance(part, ast.Compare)])
            if isinstance(node.right, ast.Compare) and self.is_one(node.left):
                return self.comparison(node.right)
        if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
            return Call(by_name(SIGNS[type(node.op)]), (node.left, node.right), self.sign_after(node.left))
        if isinstance(node, ast.UnaryOp) and type(node.op) in SIGNS:
            token = self.tokens[self.index_at(node.col_offset)]
            return Call(by_name(SIGNS[type(node.op)]), (node.operand,), (token.start, token.stop))
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        if isinstance(node, ast.Attribute):
            return self.transpose(node)
        if isinstance(node, ast.Subscript):
            place = self.sign_after(node.value)
            return Call(pick, (node.value,), (place[0], self.extent(node)[1]), {"key": self.key(node.slice)})
        if isinstance(node, ast.Call):
            return self.named_call(node)
        if isinstance(node, ast.List) and node.elts:
            return Call(in_a_list, tuple(node.elts), self.extent(node))
        what = REFUSED.get(type(node), "this is no part of a formula: it has numbers, names, signs and functions")
        raise error_at(self.text, *self.extent(node), what)

    def is_one(self, node: ast.expr) -> bool:
        """Whether it is the number 1, which makes a number of a comparison: ``1.0*(x > 0)``."""
        token = self.token_of(node.id) if isinstance(node, ast.Name) else None
        return token is not None and token.kind == "number" and self.number(token) == 1

    def comparison(self, node: ast.Compare) -> Call:
        """A comparison, which is a condition and nothing to differentiate."""
        place = self.sign_after(node.left)
        if len(node.ops) > 1:
            raise error_at(self.text, *self.extent(node), "compare two things: a product of two where(…) joins two")
        if id(node) not in self.conditions:
            raise error_at(
                self.text,
                *place,
                "a comparison is the condition of where, as in where(x > 0, x, 0), or a factor, as in x*(x > 0)",
            )
        return Call(by_name(SIGNS[type(node.ops[0])]), (node.left, node.comparators[0]), place)

    def transpose(self, node: ast.Attribute) -> Call:
        """``.T``; any other attribute is refused, and a method's function named."""
        token = self.token_of(node.attr)
        if token.text == "T":
            return Call(by_name("transpose"), (node.value,), (token.start, token.stop))
        function = look_up(token.text)
        if function is not None:
            what = f"write {function.name}({', '.join(function.inputs)})"
        elif token.text == "t":
            what = "a transpose is written .T"
        else:
            what = "only .T, the transpose, may follow a dot"
        raise self.at_token(token, f"a formula has no .{token.text}: {what}")

    def named_call(self, node: ast.Call) -> Call:
        """A function of the book, or composed of it, with its inputs and its settings."""
        if not isinstance(node.func, ast.Name):
            if isinstance(node.func, ast.Attribute):
                self.transpose(node.func)
            raise error_at(self.text, *self.extent(node.func), "this is no function: a product is written with *")
        token = self.token_of(node.func.id)
        function = look_up(token.text)
        if function is None or token.kind == "number":
            raise self.at_token(token, f"{token.text} is no function of a formula: {instead_of_calling(token)}")
        settings = self.settings(node, function, token)
        count = len(function.inputs)
        if len(node.args) < count:
            raise self.at_token(token, f"{function.usage} takes {several(count, 'input')}, not {len(node.args)}")
        for name in function.required:
            if name not in settings:
                raise self.at_token(token, f"{function.usage} needs the setting {name}")
        if function.name == "where":
            self.conditions.add(id(node.args[0]))
        place = (token.start, token.stop)
        if not function.listed:
            return Call(function.call, tuple(node.args[:count]), place, settings)
        if not isinstance(node.args[0], ast.List) or not node.args[0].elts:
            raise self.at_token(token, f"{function.name} takes a list, as in {function.name}([x, y])")
        return Call(of_parts(function.call), tuple(node.args[0].elts), place, settings)

    def settings(self, node: ast.Call, function: Function, token: Token) -> dict[str, Any]:
        """The settings of a call: by name, or by position after the inputs."""
        beyond = node.args[len(function.inputs) :]
        if len(beyond) > len(function.settings):
            raise self.at_token(token, f"{function.usage} was given {len(node.args)} inputs and settings")
        if beyond and look_up(of_two := f"{function.name}imum") is not None:
            # Python's max takes the larger of two, and NumPy's the largest along an axis.
            raise self.at_token(
                token,
                f"{function.name} takes one array: {of_two}(x, y) is of two, and an axis has its name: "
                f"{function.name}(x, axis=0)",
            )
        given = zip(function.settings, beyond, strict=False)
        found = {name: self.place_or_setting(part, function, name) for name, part in given}
        for keyword in node.keywords:
            place = self.token_of(str(keyword.arg))
            if place.text not in function.settings:
                hint = meant(place.text, function.settings)
                raise self.at_token(place, f"{function.usage} has no setting {place.text}{hint}")
            if place.text in found:
                raise self.at_token(place, f"the setting {place.text} is given twice")
            found[place.text] = self.place_or_setting(keyword.value, function, place.text)
        return found

    def place_or_setting(self, node: ast.expr, function: Function, name: str) -> Any:
        return self.places(node) if name in function.places else self.setting(node)

    def setting(self, node: ast.expr) -> Any:
        """A setting: a word, or several in parentheses, such as a shape; two deep for the widths of a pad."""
        found = self.words(node, 2)
        if product_of(found) > LARGEST_SETTING:
            raise error_at(self.text, *self.extent(node), f"a setting of more than {LARGEST_SETTING:,} is refused")
        return found

    def places(self, node: ast.expr) -> Any:
        """Whole numbers that count classes or entries: one, or a list."""
        if isinstance(node, ast.List) and node.elts:
            return tuple([self.whole_number(part, PLACES) for part in node.elts])
        return self.whole_number(node, PLACES)

    def words(self, node: ast.expr, depth: int) -> Any:
        """A word, or several in parentheses inside each other up to that depth."""
        if depth and isinstance(node, ast.Tuple):
            return tuple([self.words(part, depth - 1) for part in node.elts])
        return self.word(node)

    def word(self, node: ast.expr, what: str = A_SETTING) -> Any:
        """One word or number of a setting or an index, with at most one sign."""
        minus = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        inside = node.operand if isinstance(node, ast.UnaryOp) else node
        if isinstance(inside, ast.Name):
            token = self.token_of(inside.id)
            if token.kind == "number":
                return -self.number(token) if minus else self.number(token)
            if token.text in IN_SETTINGS and not (minus and token.text != "inf"):
                return -math.inf if minus else IN_SETTINGS[token.text]
        raise error_at(self.text, *self.extent(node), what)

    def key(self, node: ast.expr) -> Any:
        """An index: whole numbers, slices, and None for a new axis, typed out."""
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        found = tuple([self.place(part) for part in parts])
        return found if isinstance(node, ast.Tuple) else found[0]

    def place(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Slice):
            return self.slice_of(node)
        is_new_axis = isinstance(node, ast.Name) and self.token_of(node.id).text == "None"
        return None if is_new_axis else self.whole(node)

    def slice_of(self, node: ast.Slice) -> slice:
        ends = [None if end is None else self.whole(end) for end in (node.lower, node.upper, node.step)]
        if ends[2] == 0:
            raise error_at(self.text, *self.extent(node), "the step of a slice is not 0")
        return slice(*ends)

    def whole(self, node: ast.expr) -> int:
        return self.whole_number(node, "an index has whole numbers and slices, typed out, as in x[0] and W[:, 1:]")

    def whole_number(self, node: ast.expr, what: str) -> int:
        number = self.word(node, what)
        if type(number) is not int:
            raise error_at(self.text, *self.extent(node), what)
        return number

    def atom(self, token: Token) -> Step:
        place = (token.start, token.stop)
        if token.kind == "number":
            return Step(*place, place, number=self.number(token))
        name = token.text
        if name in IN_SETTINGS or name == "nan":
            raise self.at_token(token, f"{name} is nothing to calculate with: it may stand in a setting or a value")
        function = look_up(name)
        if function is not None and function.name == name and name not in self.own:
            raise self.at_token(token, f"{name} is a function: write {function.usage}, or call the variable otherwise")
        if hasattr(builtins, name) and name not in self.own:
            raise self.at_token(token, f"{name} is a word of Python: call the variable otherwise")
        (self.constants if name in CONSTANTS else self.names)[name] = None
        return Step(*place, place, name=name)

    def number(self, token: Token) -> float:
        """A number; whole ones stay whole."""
        if token.text.isdecimal():
            digits = token.text.lstrip("0") or "0"
            if len(digits) > EXACT_DIGITS:
                problem = f"a whole number of more than {EXACT_DIGITS} digits: write it as 1.5e20"
                raise self.at_token(token, problem)
            return int(digits)
        if not math.isfinite(float(token.text)):
            raise self.at_token(token, "this number is too large for double precision, which ends at 1.8e308")
        return float(token.text)

    def add_call(self, node: ast.expr, call: Call, inputs: tuple[int, ...]) -> None:
        """A step for a call; arithmetic on numbers alone is done at once."""
        exponent = self.steps[inputs[-1]].number if call.function is book["pow"] else None
        if exponent is not None and abs(exponent) > LARGEST_EXPONENT:
            problem = f"an exponent of more than {LARGEST_EXPONENT}: its powers leave double precision"
            raise error_at(self.text, *call.place, problem)
        numbers = [x for i in inputs if (x := self.steps[i].number) is not None]
        if (
            (self.folds or isinstance(node, ast.UnaryOp))
            and isinstance(node, ast.BinOp | ast.UnaryOp)
            and len(numbers) == len(inputs)
            and not isinstance(node.op, ast.MatMult)
        ):
            del self.steps[len(self.steps) - len(inputs) :]
            self.steps.append(Step(*self.extent(node), call.place, number=self.folded(call, numbers)))
        else:
            self.steps.append(Step(*self.extent(node), call.place, None, "", call.function, inputs, call.settings))

    def folded(self, call: Call, numbers: list[float]) -> float:
        """Arithmetic on numbers, by the book; whole numbers stay whole where that is exact."""
        number = float(call.function(*numbers))
        if not math.isfinite(number):
            raise error_at(self.text, *call.place, f"this gives {number}: it has no finite value in double precision")
        whole = all(type(x) is int for x in numbers) and call.function is not book["div"]
        return int(number) if whole and number.is_integer() and abs(number) < 10**EXACT_DIGITS else number

    def token_of(self, placeholder: str) -> Token:
        return self.tokens[int(placeholder[1:])]

    def index_at(self, column: int) -> int:
        return max(0, bisect(self.columns, column) - 1)

    def extent(self, node: ast.expr) -> tuple[int, int]:
        last = self.index_at((node.end_col_offset or node.col_offset + 1) - 1)
        return self.tokens[self.index_at(node.col_offset)].start, self.tokens[last].stop

    def sign_after(self, node: ast.expr) -> tuple[int, int]:
        """Where the sign stands that follows a node, behind the parentheses around it."""
        k = self.index_at((node.end_col_offset or 1) - 1) + 1
        while self.tokens[k].text == ")":
            k += 1
        return self.tokens[k].start, self.tokens[k].stop

    def at_token(self, token: Token, problem: str) -> FormulaError:
        return error_at(self.text, token.start, token.stop, problem)


REFUSED: dict[type[ast.AST], str] = {
    ast.Tuple: "write one formula, or several in a list, as [x**2*y, sin(x)]; decimals have a point, as 1.5",
    ast.List: "this list is empty: write what is in it, as [x**2*y, sin(x)]",
}
"""What to do instead of some parts of Python's grammar."""


def by_name(name: str) -> Callable[..., Any]:
    """A function that is composed of operations, or else an operation."""
    return compositions.get(name) or book[name]


def pick(x: Any, key: Any) -> Any:
    """An entry or a slice, or all in another shape; one of the results, where a function has several."""
    if isinstance(x, tuple | list):
        return x[key]
    parts = key if isinstance(key, tuple) else (key,)
    left = list(getattr(x, "shape", ()))
    is_picked = any([part not in (None, slice(None)) for part in parts]) or len(parts) - parts.count(None) > len(left)
    if is_picked or None not in parts:
        return book["index"](x, key=key)
    return book["reshape"](x, shape=tuple([1 if part is None else left.pop(0) for part in parts] + left))


def product_of(setting: Any) -> int:
    """The product of all whole numbers in a setting, by size."""
    if isinstance(setting, tuple):
        return math.prod(map(product_of, setting))
    return max(1, abs(setting)) if type(setting) is int else 1


def instead_of_calling(token: Token) -> str:
    """What to write in place of a call that is not possible."""
    if token.text in book or token.text in compositions:
        return "it takes lists or settings that cannot be typed here; call it from Python"
    near = closest(token.text, function_names())
    return f"did you mean {near}?" if near else f"a product is written {token.text}*(…)"

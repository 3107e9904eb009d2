"""What an expression of somebody's program stands for, found by following it and never by running it."""

# What a program holds is known only when it is read.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import ast
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from chainrule.verify.answers.traced import Tape, Traced
from chainrule.verify.auditing.library import BUILTINS, NUMERIC, Library
from chainrule.verify.auditing.source import Cell
from chainrule.verify.auditing.values import Builtin, Function, Scope, Thing, Unknown, is_number, unknown_among

MOST_ROUNDS = 400
"""Rounds of a loop that trains nothing."""

SIGNS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def text_with(text: str, numbers: Any) -> str:
    """A text with numbers in it, or as it stands where they do not fit."""
    try:
        return text % numbers
    except (TypeError, ValueError):
        return text


class Expressions(ABC):
    """Finds the values of expressions; what calls and attributes are is known to who follows statements too."""

    tape: Tape
    library: Library
    met: dict[str, None]
    cell: Cell | None
    branches: list[tuple[int, bool]]
    """Conditions on numbers that the program went on from: their places on the tape, and whether they held."""

    @abstractmethod
    def of_attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        """What an attribute stands for."""

    @abstractmethod
    def of_call(self, node: ast.Call, scope: Scope) -> Any:
        """What a call gives."""

    def holds(self, test: Any) -> bool:
        """Whether a condition is true; of an array whether all of it is."""
        if not isinstance(test, Traced):
            return bool(test)
        self.branches.append((test.place, bool(np.all(test.value))))
        return self.branches[-1][1]

    def meet(self, parts: Sequence[Any]) -> None:
        """Numbers are computed from these: those that are not known are to be."""
        self.met.update({x.name: None for x in parts if isinstance(x, Unknown) and x.name})

    def items(self, x: Any) -> list[Any]:
        """What a loop runs over; nothing where that is not known."""
        if isinstance(x, Traced):
            return [x[i] for i in range(min(len(x), MOST_ROUNDS))] if x.value.ndim else []
        if isinstance(x, Unknown | Thing) or x is None:
            return []
        return list(islice(x, MOST_ROUNDS))

    def function(self, node: ast.FunctionDef | ast.Lambda, scope: Scope) -> Function:
        defaults = [self.value(x, scope) for x in node.args.defaults]
        more = [None if x is None else self.value(x, scope) for x in node.args.kw_defaults]
        return Function(node, scope, self.cell, None, defaults, more)

    def value(self, node: ast.expr | None, scope: Scope) -> Any:
        if node is None:
            return None
        find = getattr(self, f"of_{type(node).__name__.lower()}", None)
        return Unknown(f"{type(node).__name__} is not read") if find is None else find(node, scope)

    def of_constant(self, node: ast.Constant, scope: Scope) -> Any:
        return node.value

    def of_name(self, node: ast.Name, scope: Scope) -> Any:
        found = scope.find(node.id)
        if isinstance(found, Unknown) and found.why.endswith("is not known"):
            return Builtin(node.id) if node.id in (*BUILTINS, *NUMERIC, "range", "print", "super", "open") else found
        return found

    def of_joinedstr(self, node: ast.JoinedStr, scope: Scope) -> Any:
        parts = [
            str(x.value) if isinstance(x, ast.Constant) else str(self.library.plain(self.value(x.value, scope)))  # type: ignore[attr-defined]  # the other kind is a formatted value
            for x in node.values
        ]
        return "".join(parts)

    def of_tuple(self, node: ast.Tuple, scope: Scope) -> Any:
        return tuple(self.elements(node.elts, scope))

    def of_list(self, node: ast.List, scope: Scope) -> Any:
        return self.elements(node.elts, scope)

    def elements(self, nodes: Sequence[ast.expr], scope: Scope) -> list[Any]:
        """The values of several expressions; ``*`` spreads one."""
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found += self.items(self.value(node.value, scope))
            else:
                found.append(self.value(node, scope))
        return found

    def of_dict(self, node: ast.Dict, scope: Scope) -> Any:
        return {
            self.library.plain(self.value(k, scope)): self.value(v, scope)
            for k, v in zip(node.keys, node.values, strict=True)
            if k is not None
        }

    def of_lambda(self, node: ast.Lambda, scope: Scope) -> Any:
        return self.function(node, scope)

    def of_ifexp(self, node: ast.IfExp, scope: Scope) -> Any:
        test = self.value(node.test, scope)
        if isinstance(test, Unknown):
            return test
        if isinstance(test, Traced) and not test.value.ndim:
            both = [self.value(part, scope) for part in (node.body, node.orelse)]
            if all(is_number(x) or isinstance(x, Traced) for x in both):
                return self.library.call("numpy.where", [test, *both], {})
        return self.value(node.body if self.holds(test) else node.orelse, scope)

    def of_boolop(self, node: ast.BoolOp, scope: Scope) -> Any:
        found: Any = None
        for part in node.values:
            found = self.value(part, scope)
            if isinstance(found, Unknown) or self.holds(found) == isinstance(node.op, ast.Or):
                return found
        return found

    def of_unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        x = self.value(node.operand, scope)
        self.tape.spot = node
        if isinstance(x, Unknown):
            return x
        if isinstance(node.op, ast.Not):
            return not self.holds(x)
        if isinstance(node.op, ast.Invert):
            return ~x
        return -x if isinstance(node.op, ast.USub) else x

    def of_binop(self, node: ast.BinOp, scope: Scope) -> Any:
        both = self.value(node.left, scope), self.value(node.right, scope)
        self.tape.spot = node
        return self.binary(type(node.op), *both)

    def binary(self, sign: type[ast.operator], x: Any, y: Any) -> Any:
        for side, other in ((x, y), (y, x)):
            if isinstance(side, Unknown):
                if side.name and not isinstance(other, str):
                    self.met[side.name] = None
                return side
        if sign is ast.Mod and isinstance(x, str):
            return text_with(x, self.library.plain(y))
        return SIGNS[sign](x, y) if sign in SIGNS else Unknown("this sign is not read")

    def of_compare(self, node: ast.Compare, scope: Scope) -> Any:
        x = self.value(node.left, scope)
        y = self.value(node.comparators[0], scope)
        kind = type(node.ops[0])
        if isinstance(x, Unknown) or isinstance(y, Unknown) or len(node.ops) > 1:
            return Unknown("a comparison with what is not known")
        if kind in (ast.Is, ast.IsNot):
            return (x is y) == (kind is ast.Is)
        if kind in (ast.In, ast.NotIn):
            return (self.library.plain(x) in self.library.plain(y)) == (kind is ast.In)
        return self.binary(kind, x, y)  # type: ignore[arg-type]  # signs of comparison stand in the same table

    def of_subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        owner = self.value(node.value, scope)
        if isinstance(owner, Builtin):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return self.library.joined(owner.name, self.elements(parts, scope))
        key = self.key(node.slice, scope)
        unknown = unknown_among((owner, *(key if isinstance(key, tuple) else (key,))))
        if unknown is not None:
            self.meet([unknown] if isinstance(owner, Traced) else ())
            return unknown
        self.tape.spot = node
        if isinstance(owner, Traced):
            return owner[key]
        return owner[self.library.plain(key)]

    def key(self, node: ast.expr, scope: Scope) -> Any:
        """An index; whole numbers in it are counts."""
        if isinstance(node, ast.Slice):
            return slice(*[self.library.plain(self.value(x, scope)) for x in (node.lower, node.upper, node.step)])
        if isinstance(node, ast.Tuple):
            return tuple([self.key(part, scope) for part in node.elts])
        found = self.value(node, scope)
        if isinstance(found, Traced) and found.value.dtype.kind == "b":
            return found
        return self.library.plain(found)

    def of_listcomp(self, node: ast.ListComp, scope: Scope) -> Any:
        found: list[Any] = []
        unknown = self.comprehend(node.generators, scope, lambda inner: found.append(self.value(node.elt, inner)))
        return found if unknown is None else unknown

    of_generatorexp = of_listcomp
    of_setcomp = of_listcomp

    def of_yield(self, node: ast.Yield, scope: Scope) -> None:
        """What a generator gives is kept, and is all there when it is called."""
        scope.given.append(self.value(node.value, scope))

    def of_dictcomp(self, node: ast.DictComp, scope: Scope) -> Any:
        found: dict[Any, Any] = {}

        def add(inner: Scope) -> None:
            found[self.library.plain(self.value(node.key, inner))] = self.value(node.value, inner)

        unknown = self.comprehend(node.generators, scope, add)
        return found if unknown is None else unknown

    def comprehend(
        self, generators: Sequence[ast.comprehension], scope: Scope, add: Callable[[Scope], None]
    ) -> Unknown | None:
        """Run something for each round of the loops of a comprehension; gives what is not known of them."""
        if not generators:
            add(scope)
            return None
        first, *rest = generators
        over = self.value(first.iter, scope)
        if isinstance(over, Unknown):
            return over
        for item in self.items(over):
            inner = Scope({}, scope)
            self.bind(first.target, item, inner)
            if all(self.holds(test) for x in first.ifs if not isinstance(test := self.value(x, inner), Unknown)):
                unknown = self.comprehend(rest, inner, add)
                if unknown is not None:
                    return unknown
        return None

    def bind(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Give a loop's names their values, without a note."""
        if isinstance(target, ast.Tuple | ast.List):
            for inner, part in zip(target.elts, self.items(value), strict=False):
                self.bind(inner, part, scope)
        elif isinstance(target, ast.Name):
            scope.names[target.id] = value

"""Goes through somebody's program statement by statement, without running it: what it does with numbers goes on a tape.

A white list of Python and NumPy is followed, one iteration of each training loop; whatever else there is (files, plots,
other libraries) becomes a value that is not known, and is passed over.
"""

# What a program holds is known only when it is read.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.errors import UNFIT
from chainrule.verify.answers.traced import Misfit, Tape, Traced
from chainrule.verify.auditing.clock import Clock
from chainrule.verify.auditing.expressions import MOST_ROUNDS, Expressions
from chainrule.verify.auditing.library import (
    BUILTINS,
    DICTS,
    LISTS,
    METHODS,
    MODULES,
    NUMERIC,
    TEXTS,
    Library,
    attribute_of,
)
from chainrule.verify.auditing.source import Cell, Line, Source
from chainrule.verify.auditing.values import (
    Builtin,
    Class,
    Function,
    Leaves,
    Module,
    Returns,
    Scope,
    Stop,
    Thing,
    TooLong,
    Unknown,
    is_number,
    on_tape,
    parts_of,
    unknown_among,
)

TENSORS = frozenset({
    "torch", "torchvision", "tensorflow", "keras", "jax", "flax", "optax", "autograd", "mxnet", "paddle", "theano",
    "cupy", "sklearn", "xgboost", "lightgbm", "statsmodels", "mlx", "tinygrad", "micrograd", "chainrule",
})  # fmt: skip
"""Libraries that compute, or train, by themselves."""

MOST_STATEMENTS = 60_000
"""Statements that are followed, all calls together."""

DEEPEST = 40
"""Calls inside calls."""

ERRORS = (*UNFIT, RecursionError, MemoryError)
"""What goes wrong where a statement cannot be followed."""


@dataclass(frozen=True)
class Assigned:
    """A name that got a number: its place on the tape, that of what it held before, and the line."""

    name: str
    place: int
    before: int | None
    line: Line
    inside: str = ""
    """What the dict is called that it was put in."""


class Reader(Expressions):
    """The state of reading: the tape, the scopes, and what was assigned where."""

    def __init__(
        self,
        source: Source,
        assumed: Mapping[str, Any] | None = None,
        really: Callable[..., Any] | None = None,
        entry: Sequence[str] = (),
    ) -> None:
        self.source = source
        self.entry = entry
        """A function that nothing calls and that is to be followed, or one that goes forward and its backward one."""
        self.assumed = dict(assumed or {})
        """Numbers for variables whose own are read from elsewhere."""
        self.met: dict[str, None] = {}
        """Variables that are not known and that numbers are computed from."""
        self.made_of: dict[str, set[str]] = {}
        """Of variables that are not known, the names in the statement that set them."""
        self.tape = Tape()
        self.library = Library(self.tape)
        self.scope = Scope({"__name__": "__main__"})
        self.assigned: list[Assigned] = []
        self.returned: list[tuple[str, int]] = []
        """Functions of theirs that gave a number, by name, and its place."""
        self.lines: dict[int, Line] = {}
        """The line in which each note of the tape was made."""
        self.called: set[str] = set()
        self.branches: list[tuple[int, bool]] = []
        self.foreign: dict[str, Line] = {}
        """Libraries that are not read, and where they are imported."""
        self.unread: list[str] = list(source.unread)
        self.misfits = 0
        """Statements in which shapes do not fit."""
        self.really = really
        self.clock: Clock | None = None
        self.statements = 0
        self.depth = 0
        self.cell: Cell | None = None

    def read(self) -> None:
        with Quiet():
            for cell in self.source.cells:
                self.cell = cell
                try:
                    self.block(cell.body, self.scope)
                except TooLong:
                    self.unread.append("the program takes more steps than are followed: the rest was not read")
                    return
                except Stop:
                    continue

    def uncalled(self) -> list[Function]:
        return [x for x in self.scope.names.values() if isinstance(x, Function) and x.name not in self.called]

    def roots(self) -> list[str]:
        """Variables that are not known and are computed from none of the others."""
        return [name for name in self.met if not (self.made_of.get(name, set[str]()) & self.met.keys()) - {name}]

    def unknown(self, value: Unknown, name: str) -> Any:
        """What is assumed for a variable that is not known, or the same with its name."""
        if name in self.assumed:
            return on_tape(self.tape, np.array(self.assumed[name]), name)
        return Unknown(value.why, name)

    def block(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        """Statements one after the other; one that cannot be followed is passed over."""
        for statement in body:
            self.statements += 1
            if self.statements > MOST_STATEMENTS or (self.clock is not None and self.clock.is_late()):
                raise TooLong
            first = len(self.tape.notes)
            line = self.line_of(statement)
            try:
                self.statement(statement, scope)
            except Misfit as error:
                self.misfits += 1
                self.lost(statement, scope, f"these shapes do not fit: {error}")
            except ERRORS as error:
                self.lost(statement, scope, f"{type(error).__name__}: {error}")
            finally:
                for place in range(first, len(self.tape.notes)):
                    self.lines.setdefault(place, line)

    def line_of(self, node: Any) -> Line:
        assert self.cell is not None
        return self.source.line(self.cell, getattr(node, "lineno", 0))

    def lost(self, statement: ast.stmt, scope: Scope, why: str) -> None:
        """What a statement was to set is not known."""
        for target in targets_of(statement):
            if isinstance(target, ast.Name):
                scope.names[target.id] = Unknown(why)
        self.unread.append(f"{self.line_of(statement)} ({why})")

    def statement(self, node: ast.stmt, scope: Scope) -> None:
        if self.really is not None and scope.outer is None and isinstance(node, RUN):
            self.really(node, self)
        follow = getattr(self, f"do_{type(node).__name__.lower()}", None)
        if follow is not None:
            follow(node, scope)

    def do_expr(self, node: ast.Expr, scope: Scope) -> None:
        self.value(node.value, scope)

    def do_import(self, node: ast.Import, scope: Scope) -> None:
        for name in node.names:
            found, first = self.imported(name.name, node), name.name.partition(".")[0]
            is_whole = isinstance(found, Module) and not name.asname
            scope.names[name.asname or first] = Module(first) if is_whole else found

    def do_importfrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        for name in node.names:
            found = self.imported(str(node.module), node)
            known = attribute_of(found, name.name) if isinstance(found, Module) else found
            scope.names[name.asname or name.name] = known

    def imported(self, name: str, node: ast.stmt) -> Module | Unknown:
        """A library that is read, or one that is not; those that compute by themselves are written down."""
        first = name.partition(".")[0]
        if first in TENSORS:
            self.foreign.setdefault(first, self.line_of(node))
        return Module(MODULES[name]) if name in MODULES else Unknown(f"{name} is not read")

    def do_functiondef(self, node: ast.FunctionDef, scope: Scope) -> None:
        scope.names[node.name] = self.function(node, scope)

    def do_classdef(self, node: ast.ClassDef, scope: Scope) -> None:
        inner = Scope({}, scope)
        self.block(node.body, inner)
        bases = [b for x in node.bases if isinstance(b := self.value(x, scope), Class)]
        scope.names[node.name] = Class(node.name, inner.names, bases)

    def do_return(self, node: ast.Return, scope: Scope) -> None:
        raise Returns(None if node.value is None else self.value(node.value, scope))

    def do_break(self, node: ast.Break, scope: Scope) -> None:
        raise Leaves(False)

    def do_continue(self, node: ast.Continue, scope: Scope) -> None:
        raise Leaves(True)

    def do_raise(self, node: ast.Raise, scope: Scope) -> None:
        raise Returns(Unknown("an error is raised"))

    def do_global(self, node: ast.Global, scope: Scope) -> None:
        for name in node.names:
            scope.names[f"global {name}"] = True

    def do_with(self, node: ast.With, scope: Scope) -> None:
        for item in node.items:
            held = self.value(item.context_expr, scope)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, held, scope, node)
        self.block(node.body, scope)

    def do_try(self, node: ast.Try, scope: Scope) -> None:
        self.block([*node.body, *node.finalbody], scope)

    def do_if(self, node: ast.If, scope: Scope) -> None:
        test = self.value(node.test, scope)
        if isinstance(test, Unknown):
            self.unread.append(f"{self.line_of(node)} (whether this holds is not known)")
        else:
            self.block(node.body if self.holds(test) else node.orelse, scope)

    def do_while(self, node: ast.While, scope: Scope) -> None:
        for _ in range(MOST_ROUNDS):
            test = self.value(node.test, scope)
            if isinstance(test, Unknown) or not self.holds(test) or not self.round(node.body, scope):
                return

    def do_for(self, node: ast.For, scope: Scope) -> None:
        over = self.value(node.iter, scope)
        if isinstance(over, Unknown):
            self.unread.append(f"{self.line_of(node)} (what it goes over is not known: {over.why or over.name})")
        for item in self.items(over):
            self.assign(node.target, item, scope, node)
            if not self.round(node.body, scope):
                return

    def round(self, body: Sequence[ast.stmt], scope: Scope) -> bool:
        """One round of a loop; whether there is to be another: one that has trained shows all that the next would."""
        start, first = len(self.tape.notes), len(self.assigned)
        try:
            self.block(body, scope)
        except Leaves as left:
            return left.goes_on
        return not any(self.trains(event, start) for event in self.assigned[first:])

    def trains(self, event: Assigned, start: int) -> bool:
        """Whether a value moved by something that was computed from it since a place on the tape."""
        moved = self.moved_by(event)
        if moved is None or event.before is None:
            return False
        above = self.tape.above(moved) | {moved}
        return any(event.before in self.tape.notes[x].inputs for x in above if x >= start)

    def moved_by(self, event: Assigned) -> int | None:
        """The place of what was added to or taken from a value; None where it was replaced otherwise."""
        note = self.tape.notes[event.place]
        if event.before is None or note.operation not in ("add", "sub") or len(note.inputs) != 2:
            return None
        kept = [place for place in note.inputs if place == event.before or self.shrunk(place, event.before) is not None]
        if not kept or (note.operation == "sub" and note.inputs[0] not in kept and event.before not in kept):
            return None
        return note.inputs[1] if note.inputs[0] == kept[0] else note.inputs[0]

    def shrunk(self, place: int, before: int) -> int | None:
        """The place of the number by which a value was multiplied first, as weight decay does; None where none was."""
        note = self.tape.notes[place]
        if note.operation != "mul" or before not in note.inputs or len(note.inputs) != 2:
            return None
        number = note.inputs[1 - note.inputs.index(before)]
        is_number = np.size(self.tape.notes[number].value) == 1 and before not in self.tape.above(number)
        return number if is_number and number != before else None

    def do_annassign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            self.assign(node.target, self.value(node.value, scope), scope, node, is_literal(node.value))

    def do_assign(self, node: ast.Assign, scope: Scope) -> None:
        value = self.value(node.value, scope)
        if isinstance(value, Unknown):
            used = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
            self.made_of.update({target.id: used for target in node.targets if isinstance(target, ast.Name)})
        if isinstance(value, Unknown) and self.really is not None and scope.outer is None:
            self.really(node, self)
            return
        for target in node.targets:
            self.assign(target, value, scope, node, is_literal(node.value))

    def do_augassign(self, node: ast.AugAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Subscript) and isinstance(node.op, ast.Add | ast.Sub):
            owner = self.value(node.target.value, scope)
            if isinstance(owner, Traced):
                self.move_entries(node.target, owner, node, scope)
                return
        old = self.value(node.target, scope)
        before = old.place if isinstance(old, Traced) else None
        by = self.value(node.value, scope)
        self.tape.spot = node
        value = self.binary(type(node.op), old, by)
        if isinstance(old, Traced) and old.value.ndim and isinstance(value, Traced):
            if value.value.shape == old.value.shape:
                old.place, old.value = value.place, value.value  # NumPy changes the array itself
                value = old
        self.assign(node.target, value, scope, node, before=before)

    def move_entries(self, target: ast.Subscript, owner: Traced, node: ast.AugAssign, scope: Scope) -> None:
        """Add to some entries of an array, or take off: the array moves by what is 0 elsewhere."""
        key, by = self.key(target.slice, scope), self.value(node.value, scope)
        unknown = unknown_among((key, by))
        if unknown is not None:
            raise ValueError(f"an entry moves by what is not known: {unknown.why}")
        before = owner.place
        self.tape.spot = node
        moved = self.binary(type(node.op), owner, self.library.placed(by, key, owner.value.shape))
        owner.place, owner.value = moved.place, moved.value
        self.note(target.value.id if isinstance(target.value, ast.Name) else "", owner, None, node, before)

    def assign(
        self,
        target: ast.expr,
        value: Any,
        scope: Scope,
        node: ast.AST,
        literal: bool = False,
        before: int | None = None,
    ) -> None:
        """Set a name, an attribute or an entry."""
        if isinstance(target, ast.Tuple | ast.List):
            parts = [Unknown("a part of what is not known")] * len(target.elts)
            if not isinstance(value, Unknown):
                parts = self.items(value)
            for inner, part in zip(target.elts, parts, strict=False):
                self.assign(inner, part, scope, node, literal)
            return
        if literal:
            value = on_tape(self.tape, value)
        if isinstance(value, Unknown) and isinstance(target, ast.Name):
            value = self.unknown(value, target.id)
        if isinstance(target, ast.Name):
            where = scope.globals if f"global {target.id}" in scope.names else scope
            old = where.names.get(target.id)
            where.names[target.id] = value
            self.note(target.id, value, old, node, before)
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value, scope)
            if isinstance(owner, Thing | Class):
                old = owner.attributes.get(target.attr)
                owner.attributes[target.attr] = value
                self.note(target.attr, value, old, node, before)
        elif isinstance(target, ast.Subscript):
            self.set_entry(target, value, scope, node, before)

    def set_entry(self, target: ast.Subscript, value: Any, scope: Scope, node: ast.AST, before: int | None) -> None:
        """Set an entry of an array, a list or a dict."""
        owner, key = self.value(target.value, scope), self.key(target.slice, scope)
        if isinstance(owner, Traced):
            if isinstance(value, Unknown) or isinstance(key, Unknown):
                raise ValueError("an entry is set to what is not known")
            self.tape.spot = node
            before = owner.place
            owner[key] = value
            name = target.value.id if isinstance(target.value, ast.Name) else ""
            self.note(name, owner, None, node, before)
        elif isinstance(owner, list | dict):
            key = self.library.plain(key)
            old = owner.get(key) if isinstance(owner, dict) else owner[key]
            owner[key] = value
            name = key if isinstance(key, str) else ast.unparse(target)
            self.note(name, value, old, node, before, ast.unparse(target.value).rpartition(".")[2])

    def note(self, name: str, value: Any, old: Any, node: ast.AST, before: int | None, inside: str = "") -> None:
        """Write down what a name holds now, and held before."""
        line = self.line_of(node)
        earlier = [x.place for _, x in parts_of(old)]
        now = list(parts_of(value, name))
        if before is not None:
            earlier = [before]
        for i, (called, x) in enumerate(now):
            was = earlier[i] if len(earlier) == len(now) else None
            noted = self.tape.notes[x.place]
            noted.name = noted.name or called
            self.lines.setdefault(x.place, line)
            self.assigned.append(Assigned(called, x.place, was if was != x.place else None, line, inside))

    def of_attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        owner = self.value(node.value, scope)
        return self.attribute(owner, node.attr)

    def attribute(self, owner: Any, name: str) -> Any:
        if isinstance(owner, Module):
            return attribute_of(owner, name)
        if isinstance(owner, Thing):
            if name in owner.attributes:
                return owner.attributes[name]
            return bound(owner.kind.find(name), owner, name)
        if isinstance(owner, Class):
            found = owner.find(name)
            return Unknown(f"{owner.name} has no {name}") if found is None else found
        if isinstance(owner, Builtin) and owner.name == "super":
            kinds = owner.owner.kind.bases if owner.owner is not None else []
            found = next((f for kind in kinds if (f := kind.find(name)) is not None), None)
            return Builtin("nothing") if found is None or owner.owner is None else bound(found, owner.owner, name)
        if isinstance(owner, Builtin) and owner.name == "file":
            return Builtin("file.read" if name == "read" else "nothing")
        if isinstance(owner, Builtin) and owner.name == "generator":
            return Builtin(f"random.{name}")
        if isinstance(owner, Traced):
            if name == "astype":
                return partial(self.library.of_type, owner)
            return getattr(owner, name) if name in METHODS else Unknown(f"an array's {name} is not read")
        for kind, names in ((list, LISTS), (dict, DICTS), (str, TEXTS)):
            if isinstance(owner, kind) and name in names:
                return getattr(owner, name)
        if isinstance(owner, Unknown) and owner.name and name in (METHODS if self.entry else ("dot", "T")):
            self.met[owner.name] = None
        return owner if isinstance(owner, Unknown) else Unknown(f"{name} is not read")

    def of_call(self, node: ast.Call, scope: Scope) -> Any:
        called = self.value(node.func, scope)
        args = self.elements(node.args, scope)
        settings = {k.arg: self.value(k.value, scope) for k in node.keywords if k.arg is not None}
        if isinstance(called, Builtin) and called.name == "super":
            return Builtin("super", scope.find("self"))
        self.tape.spot = node
        return self.call(called, args, settings)

    def call(self, called: Any, args: list[Any], settings: dict[str, Any]) -> Any:
        if isinstance(called, Function):
            return self.call_function(called, args, settings)
        if isinstance(called, Class):
            thing = Thing(called)
            start = called.find("__init__")
            if isinstance(start, Function):
                self.call_function(bound(start, thing, "__init__"), args, settings)
            return thing
        if isinstance(called, Thing):
            return self.call(self.attribute(called, "__call__"), args, settings)
        if isinstance(called, Builtin):
            self.meet(args if "." in called.name else ())
            return self.call_known(called.name, args, settings)
        if callable(called):
            if unknown_among(args) is not None and getattr(called, "__name__", "") not in LISTS | DICTS:
                self.meet(args)
                return Unknown("a part is not known")
            return called(*args, **{key: self.library.plain(x) for key, x in settings.items() if key != "dtype"})
        return called if isinstance(called, Unknown) else Unknown("this is no function")

    def call_known(self, name: str, args: list[Any], settings: dict[str, Any]) -> Any:
        """A function that the reader runs itself."""
        if name in ("print", "nothing"):
            return None
        if name in ("generator", "open"):
            return Builtin({"open": "file"}.get(name, name))
        if name == "file.read":
            self.library.is_text_assumed = True
            return TEXT
        if name == "range":
            return unknown_among(args) or range(*[int(self.library.plain(x)) for x in args])
        if "." in name:
            return self.library.call(name, args, settings)
        unknown = unknown_among(args)
        if unknown is not None:
            return unknown
        if name in NUMERIC:
            return self.numeric(name, args)
        return BUILTINS[name](*args, **settings)

    def numeric(self, name: str, args: list[Any]) -> Any:
        """Python's functions on numbers, on what is traced as NumPy's."""
        if name in ("float", "int", "round"):
            return args[0] if isinstance(args[0], Traced) else NUMERIC[name](*args)
        if name == "sum":
            total: Any = args[1] if len(args) > 1 else 0
            for x in self.items(args[0]):
                total = self.binary(ast.Add, total, x)
            return total
        given = self.items(args[0]) if len(args) == 1 and name in ("max", "min") else args
        if not any(isinstance(x, Traced) for x in given):
            return NUMERIC[name](*args)
        if name in ("abs", "pow"):
            return self.library.of_math(name, given)
        found = given[0]
        for x in given[1:]:
            found = self.library.call("numpy.maximum" if name == "max" else "numpy.minimum", [found, x], {})
        return found

    def call_function(self, f: Function, args: list[Any], settings: dict[str, Any]) -> Any:
        if self.depth >= DEEPEST:
            raise TooLong
        self.called.add(f.name)
        scope = Scope(self.arguments(f, args, settings), f.scope)
        gives = any(isinstance(part, ast.Yield) for part in ast.walk(f.node))
        cell, self.cell = self.cell, f.cell
        self.depth += 1
        try:
            if isinstance(f.node, ast.Lambda):
                return self.value(f.node.body, scope)
            self.block(f.node.body, scope)
        except Returns as returned:
            for _, x in parts_of(returned.value, depth=1):
                self.returned.append((f.name, x.place))
            return scope.given if gives else returned.value
        finally:
            self.cell = cell
            self.depth -= 1
        return scope.given if gives else None

    def arguments(self, f: Function, args: list[Any], settings: dict[str, Any]) -> dict[str, Any]:
        names = [x.arg for x in (*f.node.args.posonlyargs, *f.node.args.args)]
        given = [f.owner, *args] if f.owner is not None else args
        found: dict[str, Any] = dict(zip(names, given, strict=False))
        for name, default in zip(names[::-1], f.defaults[::-1], strict=False):
            found.setdefault(name, default)
        for x, default in zip(f.node.args.kwonlyargs, f.keyword_defaults, strict=True):
            found[x.arg] = default
        if f.node.args.vararg is not None:
            found[f.node.args.vararg.arg] = tuple(given[len(names) :])
        found.update(settings)
        for name in names:
            found.setdefault(name, Unknown(f"nothing is given for {name}"))
        return found


TEXT = "the quick brown fox jumps over the lazy dog, " * 3
"""What is taken to stand in a file that is read as text."""

RUN = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
"""Statements that later ones need, where they are run."""


def bound(found: Any, owner: Thing, name: str) -> Any:
    """A class's attribute as an object has it: a function becomes a method."""
    if found is None:
        return Unknown(f"{owner.kind.name} has no {name}")
    decorators = getattr(found.node, "decorator_list", ()) if isinstance(found, Function) else ()
    is_static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in decorators)
    return replace(found, owner=owner) if isinstance(found, Function) and not is_static else found


def targets_of(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return [part for target in statement.targets for part in getattr(target, "elts", [target])]
    return [statement.target] if isinstance(statement, ast.AugAssign | ast.AnnAssign) else []


def is_literal(node: ast.expr) -> bool:
    """Whether an expression is a number, or several, written out."""
    if isinstance(node, ast.UnaryOp):
        return is_literal(node.operand)
    if isinstance(node, ast.Tuple | ast.List):
        return bool(node.elts) and all(map(is_literal, node.elts))
    return isinstance(node, ast.Constant) and is_number(node.value)

"""What holds the structure: no circle of imports, no regular expression on mathematics, LaTeX from one printer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "chainrule"

OF_MATHEMATICS = (
    "core",
    "rules",
    "program",
    "maths",
    "rewrite",
    "derivation",
    "codegen",
    "expression",
    "pictures",
    "page",
    "transforms.py",
    "custom.py",
    "mapping.py",
)
"""Rooms and files that hold formulas; a regular expression there reads something else, or stands below."""

EXPRESSIONS = {
    "codegen/as_c.py": "whether a line of C names an argument",
    "codegen/as_jax.py": "np in a line of Python",
    "codegen/recorded.py": "words of names",
    "codegen/languages.py": "whether lines of JavaScript call a function",
    "codegen/identifiers.py": "words of names",
    "codegen/statements.py": "words of names",
    "derivation/formats/json.py": "where in words a formula begins and ends",
    "derivation/formats/markdown.py": "signs that mean something to Markdown",
    "derivation/tape/resolve.py": "a name with an index behind it",
    "derivation/typed/formula.py": "names to differentiate in, with an index behind them",
    "expression/typed/given.py": "the words of VALUES",
    "expression/typed/number_files.py": "the columns of a file",
    "expression/typed/tokens.py": "typed text, into the tokens that the parser takes",
    "maths/names.py": "a user's name, into its letter and what stands below",
    "maths/template.py": "a rule's template, into its tokens, when it is declared",
    "pictures/modules.py": "the path of a module",
}
"""What each regular expression in these rooms reads."""

WRITERS_OF_LATEX = {
    "maths/as_latex.py": "the printer",
    "maths/template.py": "the reader of templates",
    "maths/notation.py": "letters that users spell in LaTeX",
    "derivation/formats/latex.py": "the document around the formulas",
    "derivation/formats/markdown.py": "signs that mean something to Markdown",
    "custom.py": "the template of a user's own function",
}

DEFERRED = (
    {
        "derivation.formats",
        "derivation.formats.displayed",
        "derivation.formats.figure",
        "derivation.formats.html",
        "derivation.formats.json",
        "derivation.formats.latex",
        "derivation.formats.markdown",
        "derivation.formats.page",
        "derivation.formats.plain",
        "derivation.formats.terminal",
        "derivation.record",
    },
    {"lessons.chapter", "lessons.exercise"},
    {"nn.module", "nn.summary"},
    {"data.columns", "data.encode"},
    {"core.compiled", "core.numpy_calls", "core.operation", "core.recording"},
    {"torch", "torch.library", "torch.modules", "torch.watching"},
)
"""Files of which one loads, in a function, another that imports it: a record shows itself, a room gives its parts."""


@cache
def parsed(path: Path) -> ast.Module:
    """A file as a syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def files(root: Path) -> dict[str, Path]:
    """Every module by its name within the package."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(root.rglob("*.py"))
    }


def imported(root: Path, name: str, path: Path, modules: dict[str, Path], *, deferred: bool) -> set[str]:
    """The modules of the package that one imports, those within functions too where `deferred`."""
    found: set[str] = set()
    home = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not deferred:
                continue
            if isinstance(child, ast.Import):
                found.update([alias.name.removeprefix(f"{root.name}.") for alias in child.names])
            elif isinstance(child, ast.ImportFrom):
                above = ".".join(home[: len(home) - child.level + 1]) if child.level else ""
                within = (child.module or "").removeprefix(root.name).removeprefix(".")
                base = ".".join([part for part in (above, within) if part])
                for alias in child.names:
                    whole = f"{base}.{alias.name}".strip(".")
                    found.add(whole if whole in modules else base)
            visit(child)

    visit(parsed(path))
    return {x for x in found if x in modules and x != name}


def reachable(name: str, below: dict[str, set[str]]) -> set[str]:
    """What a module imports, directly or through others."""
    found: set[str] = set()
    waiting = list(below[name])
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(below[module])
    return found


def circles(root: Path, *, deferred: bool) -> list[set[str]]:
    """The groups of modules that import one another, directly or through others."""
    modules = files(root)
    below = {name: imported(root, name, path, modules, deferred=deferred) for name, path in modules.items()}
    reached = {name: reachable(name, below) for name in modules}
    groups = [{x for x in reached[name] if name in reached[x]} for name in modules if name in reached[name]]
    return [group for i, group in enumerate(groups) if group not in groups[:i]]


def strings(path: Path) -> Iterator[str]:
    """The texts of a file that are no docstrings."""
    tree = parsed(path)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def speaks_latex(text: str) -> bool:
    """Whether a text has a command of LaTeX with braces behind it or of mathematics, or a script in braces."""
    commands = (
        "frac{",
        "partial",
        "cdot",
        "left",
        "right",
        "mathbf",
        "mathrm",
        "operatorname",
        "sum_",
        "begin{",
        "sqrt",
    )
    return any([f"\\{command}" in text for command in commands]) or "^{" in text or "_{" in text


def in_rooms(root: Path) -> Iterator[tuple[str, Path]]:
    """The files that hold formulas."""
    for path in files(root).values():
        place = path.relative_to(root).as_posix()
        if place.split("/")[0] in OF_MATHEMATICS:
            yield place, path


def with_expressions(root: Path) -> set[str]:
    """The files of these rooms that import the module of regular expressions."""
    found: set[str] = set()
    for place, path in in_rooms(root):
        for node in ast.walk(parsed(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if "re" in names or "regex" in names or (isinstance(node, ast.ImportFrom) and node.module == "re"):
                found.add(place)
    return found


def with_latex(root: Path) -> set[str]:
    """The files of these rooms, but for the templates of the rules, that write LaTeX."""
    return {
        place
        for place, path in in_rooms(root)
        if not place.startswith("rules/") and any(map(speaks_latex, strings(path)))
    }


def test_no_two_files_import_each_other():
    assert circles(SOURCE, deferred=False) == []


def test_imports_within_functions_hide_no_circle_but_those_that_are_known():
    hidden = [group for group in circles(SOURCE, deferred=True) if not any([group <= known for known in DEFERRED])]
    assert hidden == []


def test_no_regular_expression_reads_mathematics():
    assert with_expressions(SOURCE) == set(EXPRESSIONS)


def test_latex_comes_from_templates_and_one_printer():
    assert with_latex(SOURCE) == set(WRITERS_OF_LATEX)


WORDS = {
    *("told", "way", "share", "shares", "opened", "entries", "spine", "lesson"),
    *("judge", "verdict", "closed", "question", "moves", "asked"),
}
"""Words that say nothing of what a room or a class is; the field has others."""


def vague_names(root: Path) -> list[str]:
    """Rooms and classes of these rooms that are called by such a word."""
    found: list[str] = []
    for place, path in in_rooms(root):
        classes = [node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)]
        rooms = place.removesuffix(".py").split("/")
        found += [name for name in (*classes, *rooms) if name.lower() in WORDS]
    return found


def test_rooms_and_classes_have_the_words_of_the_field():
    assert vague_names(SOURCE) == []


PLANTED = {
    "a vague class": ({"maths/x.py": "class Way: ..."}, vague_names),
    "a vague room": ({"derivation/spine/x.py": "y = 1"}, vague_names),
    "two files that import each other": ({"a.py": "import pack.b", "b.py": "from pack import a"}, circles),
    "a circle through a room": (
        {
            "room/__init__.py": "from pack.room.x import f",
            "room/x.py": "from pack.c import g",
            "c.py": "from .room import y",
        },
        circles,
    ),
    "a pattern": ({"maths/x.py": "import re"}, with_expressions),
    "a pattern within a function": ({"derivation/x.py": "def f():\n    from re import sub"}, with_expressions),
    "a fraction": ({"derivation/x.py": "y = r'\\frac{1}{2}'"}, with_latex),
    "a fraction of parts": ({"program/x.py": "y = rf'\\partial {2}'"}, with_latex),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_found(name, tmp_path):
    planted, find = PLANTED[name]
    root = tmp_path / "pack"
    for place, text in planted.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text, encoding="utf-8")
    assert find(root, deferred=False) if find is circles else find(root)

"""The project itself: snippets and examples run, documents say what is true, the package holds what it needs."""

from __future__ import annotations

import ast
import doctest
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

import chainrule as cr
from chainrule.core import COMPILED
from chainrule.core.operation import Fused, Operation, book, compositions, kernels

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "chainrule"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SNIPPET = re.compile(r"^```(\w*)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Code of another library names it beside its fence, and runs where that is installed."""
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def same_book() -> Iterator[None]:
    """Operations that an example declares are gone after it, and so are the figures that it draws."""
    before = [(registry, dict(registry)) for registry in (book, compositions, kernels)]
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def run_examples(text: str, name: str, names: dict[str, object]) -> int:
    """Run every ``>>>`` example of a text; the number of them."""
    test = doctest.DocTestParser().get_doctest(text, names, name, name, 0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append, clear_globs=False)
    assert not report, "".join(report)
    names.update(test.globs)
    return len(test.examples)


def is_installed(library: str) -> bool:
    """Whether a library is there, and not only a folder of its name, as of these tests."""
    spec = importlib.util.find_spec(library)
    return spec is not None and spec.origin is not None


def documented() -> Iterator[tuple[str, str]]:
    """Every docstring of the package with an example in it, by its place."""
    for path in sorted(SOURCE.rglob("*.py")):
        todo: list[tuple[str, ast.AST]] = [(path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text("utf-8")))]
        while todo:
            place, node = todo.pop()
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                if ">>>" in text:
                    yield place, text
                todo += [(f"{place}:{getattr(part, 'name', '')}", part) for part in node.body]


DOCSTRINGS = dict(documented())


@pytest.mark.parametrize("place", DOCSTRINGS)
def test_docstring_examples_run(place: str, same_book: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place.startswith("torch/") and not is_installed("torch"):
        pytest.skip("PyTorch is not installed")
    monkeypatch.chdir(tmp_path)
    assert run_examples(DOCSTRINGS[place], place, {"__name__": "__main__"})


@pytest.mark.parametrize(
    "module",
    [cr, cr.nn, cr.optim, cr.data, cr.plot, cr.training, cr.sklearn, cr.micrograd],
    ids=lambda module: module.__name__,
)
def test_every_public_name_is_explained_with_an_example(module: Any) -> None:
    for name in module.__all__:
        thing = getattr(module, name)
        text = getattr(thing, "__doc__", "") or ""
        assert text.strip(), name
        # A rule's docstring is its intuition alone, and a base class shows nothing by itself.
        if not isinstance(thing, Operation | ModuleType | dict) and name != "Optimizer":
            assert ">>>" in text, f"{name} has no example"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_of_the_documents_run(
    page: Path, same_book: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    names: dict[str, object] = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    for snippet in SNIPPET.finditer(text):
        kind, library, code = snippet.groups()
        place = f"{page.name}:{text.count(chr(10), 0, snippet.start()) + 1}"
        assert kind in ("python", "pycon", "sh", "text"), f"{place}: nothing runs a snippet of {kind or 'no language'}"
        if kind == "python" and (not library or is_installed(library)):
            exec(compile(code, place, "exec"), names)
        elif kind == "pycon":
            assert run_examples(code, place, names), place


def test_the_readme_is_one_screen_with_code_in_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert text.count("```pycon") >= 1


def test_contributing_is_short_and_its_example_too() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    (example,) = [code for kind, _, code in SNIPPET.findall(text) if kind == "python"]
    assert len([line for line in example.splitlines() if line.strip()]) < 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_commands_of_the_documents_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)|`make (\w+)`", text, re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_picture_shows_the_numbers_of_the_engine() -> None:
    a, b = cr.Value(-2.0), cr.Value(3.0)
    d, e = a * b, a + b
    f = d * e
    f.backward()
    nodes = {"a": a, "b": b, "d": d, "e": e, "f": f}
    picture = ElementTree.parse(ROOT / "docs" / "graph.svg")
    shown = {
        group.get("id"): [number(part.text) for part in group if re.match("data|grad", part.text or "")]
        for group in picture.iter("{http://www.w3.org/2000/svg}g")
        if group.get("id")
    }
    assert shown == {name: [node.data, node.grad] for name, node in nodes.items()}
    arrows = {
        (arrow.get("data-from"), arrow.get("data-to")): number(arrow.text)
        for arrow in picture.iter("{http://www.w3.org/2000/svg}text")
        if arrow.get("data-from")
    }
    names = {node: name for name, node in nodes.items()}
    assert arrows == {
        (names[x], names[node]): derivative
        for node in (d, e, f)
        for (_, x), derivative in zip(node.edges, node.local_derivatives, strict=True)
    }


def number(text: str | None) -> float:
    """The number at the end of a label, with a typographic minus."""
    return float(re.sub(r"^[^−\d]*", "", text or "").replace("−", "-"))


def conventions(title: str) -> str:
    """One section of the page of conventions."""
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    return page.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_kink_of_the_book_has_its_convention() -> None:
    named = set(re.findall(r"`(\w+)`", conventions("Kinks")))
    assert {rule.name for rule in book.values() if rule.at_kink} <= named


def test_fused_exceptions_are_listed_with_their_reasons() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", conventions("Exceptions to the one book"), re.MULTILINE))
    assert listed == {rule.name: rule.reason for rule in book.values() if isinstance(rule, Fused)}


def test_the_page_of_rules_is_what_the_book_says() -> None:
    spec = importlib.util.spec_from_file_location("write_rules", ROOT / "docs" / "write_rules.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert writer.PAGE.read_text(encoding="utf-8") == writer.page(), "run .venv/bin/python docs/write_rules.py"


def test_one_version_everywhere() -> None:
    assert SETTINGS["project"]["version"] == cr.__version__
    assert f"## [{cr.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_engine_is_the_one_that_was_asked_for() -> None:
    built = importlib.util.find_spec("chainrule.core._value") is not None
    assert (built and not os.environ.get("CHAINRULE_PLAIN")) == COMPILED


def test_import_is_light() -> None:
    optional = "matplotlib fast_sugiyama numba torch sklearn scipy jax rich typer safetensors click hypothesis cython"
    loaded = f"import sys, chainrule; print([name for name in {optional.split()} if name in sys.modules])"
    # Python's own import of the cython shadow is allowed in the plain engine alone, where it is installed.
    run = subprocess.run([sys.executable, "-W", "error", "-c", loaded], capture_output=True, text=True, check=True)
    assert run.stdout.strip() in ("[]", "['cython']" if not COMPILED else "[]")
    assert not run.stderr


def test_without_the_extras_everything_else_is_there() -> None:
    program = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        extras = ("sklearn", "scipy", "polars", "latex2mathml", "fast_sugiyama", "matplotlib", "torch", "jax")
        if name.split(".")[0] in extras:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Nothing())
from chainrule import *
import chainrule as cr
x = cr.Value(2.0, label="x")
told = cr.explain(x * x, x)
print(told.gradient, len(told._repr_markdown_()) > 0)
table = lambda: cr.data.read_table(sys.argv[1], target="species")
for use in (lambda: cr.sklearn.MLPClassifier, table, (x * x + x).draw().svg):
    try:
        use()
    except cr.errors.MissingExtra as error:
        print(error)
"""
    table = str(ROOT / "examples" / "flowers.csv")
    run = subprocess.run([sys.executable, "-c", program, table], capture_output=True, text=True, check=True)
    first, *missing = run.stdout.splitlines()
    assert first == "4.0 True"
    assert [line.split(": ")[1] for line in missing] == [
        f"pip install '.[{extra}]'" for extra in ("sklearn", "data", "draw")
    ]


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    homes = re.compile(r"(?<![\w.*/])/(?:home|root|Users|work|opt|mnt)/\w|[A-Z]:\\Users")
    kinds = {".cfg", ".in", ".json", ".md", ".pxd", ".py", ".sh", ".svg", ".toml", ".txt", ".yml", ""}
    listed = [path for path in our_files() if path.suffix in kinds]
    assert {SOURCE / "__init__.py", ROOT / "Makefile", ROOT / ".ci" / "run"} <= set(listed)
    for path in listed:
        text = path.read_text(encoding="utf-8")
        found = homes.search(text)
        assert found is None, f"{path.relative_to(ROOT)} contains {found.group() if found else ''}"
        assert str(ROOT) not in text


def our_files() -> Iterator[Path]:
    """Every file of the project that no tool has made."""
    made = {"build", "dist", "__pycache__"}
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [
            name for name in inner if name == ".ci" or not (name in made or name[0] == "." or "egg-info" in name)
        ]
        yield from (Path(folder, name) for name in names if not name.startswith(".") or name == ".gitignore")


@pytest.mark.skipif(os.name != "posix", reason="a compiler is switched off in another way there")
def test_without_a_compiler_the_package_builds_whole_and_runs_plain(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SOURCE, copy / "src" / "chainrule", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, copy)
    environment = {name: text for name, text in os.environ.items() if name not in ("CHAINRULE_PLAIN", "PYTHONPATH")}
    build = [sys.executable, "setup.py", "--quiet", "build", "--build-base", str(tmp_path / "made")]
    built = subprocess.run(
        build, cwd=copy, env={**environment, "CC": "false"}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (package,) = (tmp_path / "made").glob("lib*/chainrule")
    assert not list(package.rglob("*.so"))
    kept = {
        path.relative_to(SOURCE)
        for path in SOURCE.rglob("*")
        if path.suffix in (".json", ".npz", ".pxd", ".txt", ".typed")
    }
    assert Path("py.typed") in kept
    assert kept <= {path.relative_to(package) for path in package.rglob("*")}
    program = "import chainrule as cr; from chainrule.core import COMPILED; print(COMPILED, cr.grad(cr.square)(3.0))"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["False", "6.0"]


def test_a_source_distribution_has_all_that_is_compiled(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SOURCE, copy / "src" / "chainrule", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, copy)
    pack = [sys.executable, "setup.py", "--quiet", "sdist", "--formats=tar", "--dist-dir", str(tmp_path)]
    done = subprocess.run(pack, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tar")
    with tarfile.open(archive) as packed:
        names = {Path(*Path(name).parts[1:]) for name in packed.getnames()}
    written = {path.relative_to(ROOT) for path in SOURCE.rglob("*") if path.suffix in (".py", ".pxd", ".h", ".c")}
    assert {Path("src/chainrule/core/slabs.h"), Path("src/chainrule/core/machine/machine.c")} <= written
    assert written <= names

"""A user's program in a process of its own: what it gives comes back, and what it does wrong is one line."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule.errors import CodeError
from chainrule.verify import running
from chainrule.verify.running import Limits, load, run_apart


def call(path: str, name: str, *arguments: Any) -> Any:
    """The task of these tests, found by its name in the other process."""
    return load(path, name)(*arguments)


TASK = "tests.verify.test_running:call"
QUICK = Limits(seconds=30, memory=2**30)


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))

    def run(source: str, *arguments: Any, limits: Limits = QUICK) -> Any:
        path = tmp_path / "mine.py"
        path.write_text(source, encoding="utf-8")
        return run_apart(TASK, [str(path), "f", *arguments], limits)

    return run


def test_a_result_comes_back_with_what_was_printed(ran: Any) -> None:
    got = ran("def f(x):\n    print('seen', x)\n    return [x + 1, float('inf'), {'a': None}]\n", 2)
    assert got.result == [3, math.inf, {"a": None}]
    assert "seen 2" in got.printed


def test_files_beside_it_are_in_reach_and_sets_have_one_order(ran: Any, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("number = 7\n", encoding="utf-8")
    source = "import beside, numpy as np\ndef f():\n    return [beside.number, list({*'bac'}), np.random.rand()]\n"
    first, again = ran(source).result, ran(source).result
    assert first[0] == 7
    assert first == again


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f():\n    while True: pass\n", "had not ended after 2 seconds"),
        ("import os\ndef f():\n    print('so far')\n    os._exit(3)\n", "exit code 3.*so far"),
        ("import os, signal\ndef f():\n    os.kill(os.getpid(), signal.SIGSEGV)\n", "SIGSEGV"),
        ("def f():\n    return bytearray(3 * 2**30)[0]\n", "more than 1 GiB"),
        ("def f():\n    y = 0\n    return 1 / y\n", r"ZeroDivisionError.*line 3 of mine.py: return 1 / y"),
        ("def f():\n    return input('number: ')\n", "EOFError"),
        ("from threading import *\nTimer(60, id, [1]).start()\ndef f():\n    return 1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_there_is_one_line_here(ran: Any, source: str, words: str) -> None:
    with pytest.raises(CodeError, match=words) as caught:
        ran(source, limits=Limits(seconds=2 if "while" in source else 30, memory=2**30))
    assert "\n" not in str(caught.value)


def test_nothing_is_written_where_the_user_is(ran: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran("def f():\n    open('left.txt', 'w').write('x')\n    return 0\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.py"]


def test_a_file_without_end_is_cut(ran: Any) -> None:
    source = "def f():\n    with open('big', 'wb') as out:\n        while True: out.write(bytes(2**20))\n"
    with pytest.raises(CodeError, match=r"OSError|File too large"):
        ran(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def g():\n    return 1\n", r"mine\.py has no f"),
        ("def fa():\n    return 1\n", r"did you mean fa\?"),
        ("def f(:\n", "is no Python.*line 1"),
        ("x = [1][3]\n", r"could not be loaded: IndexError.*line 1: x = \[1\]\[3\]"),
        ("import nowhere_to_be_found\n", "nowhere_to_be_found"),
        ("raise SystemExit\n", "could not be loaded: SystemExit"),
    ],
)
def test_what_cannot_be_loaded(source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    with pytest.raises(CodeError, match=words):
        load(str(tmp_path / "mine.py"), "f")


def test_a_module_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(CodeError, match="no file or module nowhere"):
        load("nowhere", "f")
    with pytest.raises(CodeError, match=r"no file nowhere\.py"):
        load("nowhere.py", "f")
    assert running.load("math", "sin") is math.sin

"""`chainrule grade` and `chainrule numbers`: what they print, with which exit code, and that no code runs unasked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chainrule.cli.app import app

NET = "h = w1*x; ŷ = w2*h; L = 0.5*(ŷ - y)**2"
CODE = "def backward(w1, x, w2, y):\n    return (w2*w1*x - y) * w2 * x, (w2*w1*x - y) * w1 * x\n"


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_right_and_wrong_have_their_exit_codes() -> None:
    assert run("grade", NET, "--wrt", "w2", "--answer", "h (ŷ - y)").exit_code == 0
    told = run("grade", NET, "--wrt", "w2", "--answer", "h*(y - ŷ)")
    assert told.exit_code == 1
    assert told.output.startswith("wrong\nsign:")
    assert len(told.output.splitlines()) <= 12


def test_hints_do_not_give_the_mistake_away() -> None:
    told = run("grade", NET, "--wrt", "w2", "--answer", "h*(y - ŷ)", "--hints", "2").output
    assert len(told.splitlines()) == 2
    assert "sign:" not in told


def test_json_has_the_fixed_names(tmp_path: Path) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_text("dL/dw1 = (ŷ - y)·x", encoding="utf-8")
    told = json.loads(run("grade", NET, "--wrt", "w1", "--answer", f"@{answer}", "--json").output)
    assert told["right"] is False
    assert told["mistakes"][0]["name"] == "missing-factor"
    assert set(told["mistakes"][0]) == {"name", "place", "says", "shows"}


def test_a_number_and_a_table(tmp_path: Path) -> None:
    values = ("x=2", "w1=2", "w2=0.5", "y=20")
    assert run("grade", NET, *values, "--wrt", "w2", "--answer", "-72").exit_code == 0
    table = tmp_path / "by_hand.csv"
    table.write_text("name,value\nh,4\nŷ,2\ndw1,-18\ndw2,72\n", encoding="utf-8")
    told = run("grade", NET, *values, "--wrt", "w1", "--table", str(table))
    assert told.exit_code == 1
    assert "sign" in told.output
    assert "dw2" in told.output


def test_code_runs_only_when_it_may(tmp_path: Path) -> None:
    file = tmp_path / "learner.py"
    file.write_text(f"open(r'{tmp_path / 'ran'}', 'w')\n{CODE}", encoding="utf-8")
    refused = run("grade", NET, "--wrt", "w1,w2", "--code", f"{file}:backward")
    assert isinstance(refused.exception, Exception)
    assert "--run-code" in str(refused.exception)
    assert not (tmp_path / "ran").exists()
    assert run("grade", NET, "--wrt", "w1,w2", "--code", f"{file}:backward", "--run-code").exit_code == 0
    assert (tmp_path / "ran").exists()


def test_a_folder_of_answers(tmp_path: Path) -> None:
    for name, text in {"anna": "(ŷ - y)*w2*x", "ben": "(ŷ - y)*x", "cem": "(ŷ - q)*x"}.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    told = run("grade", NET, "--wrt", "w1", "--folder", str(tmp_path))
    assert told.exit_code == 1
    lines = told.output.splitlines()
    assert [line.split()[1] for line in lines[:2]] == ["right", "wrong"]
    assert "missing-factor" in lines[1]
    assert "not read" in lines[2]
    assert lines[-1] == "1 of 3 right"


def test_a_folder_of_exercises(tmp_path: Path) -> None:
    sheets = {
        "hides": f"{NET}; x = 2; w1 = 2; w2 = 0.5; y = 20",
        "tells": NET.replace("; ", "\n") + "\nx = 3\nw1 = 2\nw2 = 5\ny = 7\n",
        "unread": "h = ",
    }
    for name, text in sheets.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    told = run("numbers", str(tmp_path), "--wrt", "w1")
    assert told.exit_code == 1
    lines = told.output.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["hides", "clear", "not"]
    assert "∂ŷ/∂w1 = 1" in lines[0]
    assert lines[-1] == "1 of 3 clear"
    assert json.loads(run("numbers", str(tmp_path), "--wrt", "w1", "--json").output)["tells.txt"]["passed"] is True


def test_numbers_that_hide_a_link() -> None:
    told = run("numbers", NET, "x=2", "w1=2", "w2=0.5", "y=20", "--wrt", "w1")
    assert told.exit_code == 1
    assert "∂ŷ/∂w1 = 1" in told.output
    assert "try " in told.output
    assert run("numbers", NET, "x=3", "w1=2", "w2=0.7", "y=11", "--wrt", "w1").exit_code == 0


@pytest.mark.parametrize("words", [("--answer", "1", "--folder", "."), ()])
def test_one_answer_at_a_time(words: tuple[str, ...]) -> None:
    assert run("grade", NET, "--wrt", "w1", *words).exit_code == 2

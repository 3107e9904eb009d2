"""`chainrule check`: a user's code runs only where that was allowed, and what is wrong is told in a few lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "backward.py")
SHAPES = ("x:6x4", "w:4x3", "b:3")


def test_code_runs_only_where_that_was_allowed(typed, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\ndef f(x):\n    return x * x\n")
    done = typed("check", f"{path}:f", "x=2")
    assert done.code == 1
    assert "add --run-code" in done.err
    assert not (tmp_path / "ran").exists()
    done = typed("check", f"{path}:f", "x=2", "--run-code")
    assert done.code == 0
    assert "every gradient is right" in done.out
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("cheap", [[], ["--cheap"]])
def test_a_pair_is_checked_by_its_names(typed, cheap):
    right = typed("check", f"{EXAMPLE}:forward,backward", *SHAPES, "--run-code", *cheap)
    assert right.code == 0, right.err
    wrong = typed("check", f"{EXAMPLE}:forward,forgetful", *SHAPES, "--run-code", *cheap)
    assert wrong.code == 1
    assert "bug" in wrong.out
    assert len(wrong.out.splitlines()) <= 12


def test_json_is_one_object(typed):
    done = typed("check", f"{EXAMPLE}:forward,backward", *SHAPES, "--run-code", "--json")
    found = json.loads(done.out)
    assert found["passed"] is True
    assert {checked["name"] for checked in found["inputs"]} == {"x", "w", "b"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((f"{EXAMPLE}:forward,backward", "x:6x4", "--run-code"), 1, "give w a value"),
        ((f"{EXAMPLE}:forward,backward", "q=1", "--run-code"), 1, "and no q"),
        ((f"{EXAMPLE}:backwards", "--run-code"), 1, "did you mean backward?"),
        ((f"{EXAMPLE}:", "--run-code"), 2, "FILE.py:FUNCTION"),
        (("nowhere.py:f", "--run-code"), 1, "there is no file nowhere.py"),
        (("nowhere",), 2, "chainrule check MODEL DATA"),
    ],
)
def test_what_is_wrong_with_the_words_is_said(typed, words, code, said):
    done = typed("check", *words)
    assert done.code == code
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_a_program_without_end_is_stopped(typed, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def f(x):\n    while True:\n        pass\n")
    done = typed("check", f"{path}:f", "x=2", "--run-code", "--seconds", "2")
    assert done.code == 1
    assert "had not ended after 2 seconds" in done.err


def test_a_trained_network_is_checked_on_a_table(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = str(Path(EXAMPLE).parent / "flowers.csv")
    assert typed("train", table, "--target", "species", "--epochs", "2").code == 0
    done = typed("check", "flowers.safetensors", table, "--cheap")
    assert done.code == 0, done.err
    assert "on 64 of 150 rows" in done.out
    assert "0.weight" in done.out
    pytest.importorskip("torch")
    beside = typed("compare", "flowers.safetensors", table)
    assert beside.code == 0, beside.err
    assert "they agree" in beside.out


def test_functions_of_pytorch_are_known_by_their_file(typed, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "mine.py"
    path.write_text("import torch\ndef loss(x):\n    return torch.tanh(x).sum() + 0 * x.detach().sum()\n")
    done = typed("check", f"{path}:loss", "x:4x2", "--run-code")
    assert done.code == 0, done.err + done.out


def test_an_engine_is_checked_by_its_name(typed, tmp_path):
    path = Path(EXAMPLE).parent / "engine.py"
    assert "add --run-code" in typed("check-engine", f"{path}:Value").err
    right = typed("check-engine", f"{path}:Value", "--run-code")
    assert right.code == 0, right.err
    assert "no mistake" in right.out
    wrong = tmp_path / "mine.py"
    source = path.read_text(encoding="utf-8")
    wrong.write_text(source.replace("self.grad += other.data * out.grad", "self.grad = other.data * out.grad"))
    found = typed("check-engine", f"{wrong}:Value", "--run-code", "--json")
    assert found.code == 1
    mistake = json.loads(found.out)["mistakes"][0]
    assert (mistake["method"], mistake["name"]) == ("__mul__", "overwritten")

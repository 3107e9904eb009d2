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
        (["examples/backward.py", "x:6x4", "--run-code"], 2, "is no FILE.py:FUNCTION"),
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
    of_folder = typed("compare", str(tmp_path), table)
    assert of_folder.code == 0, of_folder.err
    assert of_folder.out.splitlines()[-1] == "1 of 1 right"


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


SLIP = (
    "w, b, x, y = 0.5, 0.1, 2.0, 1.0\nfor i in range(9):\n    e = w*x + b - y\n    loss = e**2\n    w -= 0.1*2*e*x\n"
    "    b -= 0.1*2*e{}\n"
)


def test_audit_of_one_file_and_of_a_folder(typed, tmp_path):
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(SLIP.format(""))
    wrong.write_text(SLIP.format("*x"))
    assert typed("audit", right).code == 0
    done = typed("audit", wrong)
    assert done.code == 1
    assert "wrong-update" in done.out
    found = json.loads(typed("audit", wrong, "--json").out)
    assert [one["verdict"] for one in found["checked"]] == ["right", "wrong"]
    table = typed("audit", tmp_path)
    assert table.code == 1
    assert "1 of 2 right" in table.out
    assert table.out.splitlines()[1].startswith("wrong.py  wrong     wrong-update: ")
    assert set(json.loads(typed("audit", tmp_path, "--json").out)) == {"right.py", "wrong.py"}


def test_a_folder_of_programs_is_checked(typed, tmp_path):
    (tmp_path / "a.py").write_text("import numpy as np\nforward = lambda x: np.sum(x**2)\nbackward = lambda x: 2*x\n")
    (tmp_path / "b.py").write_text("import numpy as np\nforward = lambda x: np.sum(x**2)\nbackward = lambda x: x\n")
    assert "--run-code" in typed("check", f"{tmp_path}:forward,backward", "x:3").out
    done = typed("check", f"{tmp_path}:forward,backward", "x:3", "--run-code")
    assert done.code == 1
    assert [line.split()[1] for line in done.out.splitlines()[:2]] == ["right", "wrong"]

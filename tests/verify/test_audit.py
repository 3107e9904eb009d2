"""Notebooks and scripts as people write them: mistakes in backward passes are found by reading, and none invented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from chainrule.errors import FileError
from chainrule.verify.audit import audit
from chainrule.verify.auditing.report import Audit
from chainrule.verify.running import run_apart

FOLDER = Path(__file__).parent / "notebooks"
"""Cells of code as text, parted by ``# %%``."""


class Expected(NamedTuple):
    """How many gradients are checked, the mistake and a piece of its line, and what stands there when it is right."""

    checked: int
    name: str = ""
    place: str = ""
    wrong: str = ""
    right: str = ""
    told: bool = True
    """Whether its gradients are known to be right; of no gradient descent that cannot be told."""


WEIGHTS_FIRST = """        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * output_gradient
        return np.dot(self.weights.T, output_gradient)"""
WEIGHTS_LAST = """        back = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * output_gradient
        return back"""

NOTEBOOKS = {
    "two_layers": Expected(2, "activation-derivative-at-input", "z1", "derivative(z1)", "derivative(a1)"),
    "scalar": Expected(3, "wrong-update", "w3", "w3 -= lr * dL_dw2", "w3 -= lr * dL_dw3"),
    "class": Expected(
        2, "activation-derivative-missing", "weights1", "(self.y - self.output), self",
        "(self.y - self.output)*self.output*(1 - self.output), self",
    ),
    "softmax": Expected(2, "summed-over-wrong-axis", "db", "np.sum(dscores)", "np.sum(dscores, axis=0, keepdims=True)"),
    "lists": Expected(4, "activation-derivative-at-output", "sp = ", "z = activations[-l]", "z = zs[-l]"),
    "layers": Expected(4, "new-weights", "weights", WEIGHTS_FIRST, WEIGHTS_LAST),
    "dicts": Expected(4, "summed-over-wrong-axis", "db1", "np.sum(dZ1)", "np.sum(dZ1, axis=1, keepdims=True)"),
    "gradients_only": Expected(1, "relu-mask-wrong", "dw", "dz = da.copy()", "dz = da * (z > 0)"),
    "recurrent": Expected(5, "missing-path", "dh", "np.dot(Why.T, dy) + dhnext", ""),
    "pandas": Expected(2, "sign", "w", "X.T.dot(yhat - y)", ""),
    "torch": Expected(0),
    "nothing": Expected(0),
    "markdown": Expected(0),
    "broken": Expected(1),
    "perceptron": Expected(0),
    "momentum": Expected(1),
    "adam": Expected(1),
    "another_loss": Expected(2),
    "weight_decay": Expected(2),
    "minibatch": Expected(4),
    "dropout": Expected(2),
    "clipped": Expected(2),
    "hinge": Expected(2),
    "autoenc": Expected(1),
    "kmeans": Expected(1, told=False),
    "qlearning": Expected(0),
    "straight": Expected(1, told=False),
    "hebb": Expected(1, told=False),
    "moons": Expected(4),
    "columns": Expected(4),
    "regularised": Expected(2),
    "lists_of_dicts": Expected(12),
    "leaky": Expected(4),
    "generator": Expected(6),
    "branches": Expected(5),
    "words": Expected(2),
    "line": Expected(2),
    "filter": Expected(3),
    "sequence": Expected(5),
    "margin": Expected(2),
    "attention": Expected(3),
    "encoder": Expected(4),
    "root_mean_square": Expected(6),
    "clipped_norm": Expected(2),
    "language": Expected(2),
}  # fmt: skip


SLIPS = [
    ("moons", "(1 - a1**2)", "(1 - z1**2)", "activation-derivative-at-input", "dz1 = "),
    ("moons", "db1 = dz1.sum(axis=0, keepdims=True)", "db1 = dz1.sum()", "summed-over-wrong-axis", "db1 = "),
    ("moons", "W1 -= lr*dW1", "W1 += lr*dW1", "sign", "W1 += lr*dW1"),
    ("columns", "W2.T.dot(dZ2)*relu_deriv", "W2.dot(dZ2)*relu_deriv", "transposed", "dZ1 = "),
    ("columns", "relu_deriv(Z1)", "relu(Z1)", "activation-for-derivative", "dZ1 = "),
    ("regularised", "dW += reg*W", "dW += 2*reg*W", "factor", "dW += 2*reg*W"),
    ("regularised", "dW += reg*W", "dW -= reg*W", "sign", "dW -= reg*W"),
    ("regularised", "    dW += reg*W\n", "", "missing-path", "reg_loss"),
    ("regularised", "    dscores /= N\n", "", "wrong-average", "dW"),
    ("lists_of_dicts", "error += (", "error = (", "missing-path", "error = ("),
    ("leaky", 'grads["b1"] = dZ1.sum(0)', 'grads["b1"] = dZ1.sum()', "summed-over-wrong-axis", 'grads["b1"]'),
    ("leaky", "2*(out - Y)", "2*(Y - out)", "wrong-update", "params[k] -="),
    ("generator", "d = d*(z > 0)", "d = d*1", "activation-derivative-missing", "grads.append"),
    ("branches", "dC_dw2 = dC_dz2*a1", "dC_dw2 = dC_dz2*w2", "swapped-operands", "w2"),
    ("branches", "dC_dz1 = dC_da1*(1 - a1**2)", "dC_dz1 = (1 - a1**2)", "no-incoming-gradient", "dC_dz1 = "),
    ("line", "c = c - L * D_c", "c = c - L * D_m", "wrong-update", "c = c - L * D_m"),
    ("line", "(-2/n) * sum(X *", "(2/n) * sum(X *", "sign", "m = m - L * D_m"),
    ("sequence", "dWh += h[t].T @ dz", "dWh = h[t].T @ dz", "overwritten", "dWh = "),
    ("sequence", "dh = dz @ Wh.T", "dh = dz @ Wh", "transposed", "dh = dz @ Wh"),
    ("margin", "dw = w - C*", "dw = 2*w - C*", "factor", "dw = 2*w"),
    ("attention", "A*(dA - (dA*A).sum(axis=1, keepdims=True))", "A*(1 - A)*dA", "softmax-diagonal", "dS = "),
    ("encoder", "g_W_enc = batch.T @ g_code", "g_W_enc = batch.T @ g_out[:, :3]", "unclassified", "g_W_enc = "),
    ("root_mean_square", "delta[self.a[l-1] <= 0]", "delta[self.a[l-1] > 0]", "relu-mask-wrong", "delta[self.a"),
    ("clipped_norm", "gb = 2*np.mean", "gb = np.mean", "factor", "gb = np.mean"),
    ("filter", "dk += dz", "dk = dz", "overwritten", "dk"),
]
"""A program that is right, a slip in it, and the name and place of that."""


def cells_of(name: str) -> list[str]:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return [cell.lstrip("\n") for cell in text.split("# %%")[1:]]


def written(folder: Path, cells: list[str]) -> Path:
    kinds = ["markdown" if cell.startswith("[markdown]") else "code" for cell in cells]
    found = [
        {"cell_type": kind, "source": cell.lstrip().splitlines(keepends=True)}
        for kind, cell in zip(kinds, cells, strict=True)
    ]
    path = folder / "notebook.ipynb"
    path.write_text(json.dumps({"cells": found, "nbformat": 4}), encoding="utf-8")
    return path


def names(found: Audit) -> list[str]:
    return [mistake.name for mistake in found.mistakes]


@pytest.mark.parametrize("name", [name for name, expected in NOTEBOOKS.items() if expected.right])
def test_a_mistake_is_found_where_it_is(name: str, tmp_path: Path) -> None:
    expected = NOTEBOOKS[name]
    found = audit(written(tmp_path, cells_of(name)))
    assert any(m.name == expected.name and expected.place in m.place for m in found.mistakes), found
    assert len(found.checked) == expected.checked


@pytest.mark.parametrize(("name", "right", "wrong", "mistake", "place"), SLIPS)
def test_a_slip_is_found_where_it_was_made(
    name: str, right: str, wrong: str, mistake: str, place: str, tmp_path: Path
) -> None:
    cells = cells_of(name)
    assert sum(cell.count(right) for cell in cells) == 1
    found = audit(written(tmp_path, [cell.replace(right, wrong) for cell in cells]))
    assert any(m.name == mistake and place in m.place for m in found.mistakes), found


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_nobody_is_accused_falsely(name: str, tmp_path: Path) -> None:
    expected = NOTEBOOKS[name]
    cells = [cell.replace(expected.wrong, expected.right) if expected.right else cell for cell in cells_of(name)]
    found = audit(written(tmp_path, cells))
    assert found, found
    assert len(found.checked) == expected.checked
    assert {checked.verdict for checked in found.checked} <= {"right" if expected.told else "unclear"}


@pytest.mark.parametrize("name", [name for name, expected in NOTEBOOKS.items() if expected.checked])
def test_it_makes_no_difference_in_what_file_it_is(name: str, tmp_path: Path) -> None:
    cells = [c.lstrip() for c in cells_of(name) if not c.startswith("[markdown]") and "def oops(" not in c]
    as_script = tmp_path / "script.py"
    as_script.write_text("\n".join(line for c in cells for line in c.splitlines() if line[:1] not in "%!"))
    assert names(audit(as_script)) == names(audit(written(tmp_path, cells_of(name))))


@pytest.mark.parametrize(
    ("wrong", "right", "name"),
    [
        ("(yhat - y)*x", "2*(yhat - y)*x", ""),
        ("2*w*(yhat - y)", "2*(yhat - y)*x", "swapped-operands"),
        ("(y - yhat)*x", "2*(yhat - y)*x", "wrong-update"),
    ],
)
def test_a_factor_is_left_to_the_rate_and_a_direction_is_not(wrong: str, right: str, name: str, tmp_path: Path) -> None:
    """A loop that goes uphill is wrong whatever the loss is called; one that goes half as far is not."""
    text = "w, x, y = 0.5, 1.5, 2.0\nfor i in range(5):\n    yhat = w*x\n    loss = (yhat - y)**2\n    w -= 0.1*RIGHT\n"
    path = tmp_path / "line.py"
    path.write_text(text.replace("RIGHT", right))
    assert not names(audit(path))
    path.write_text(text.replace("RIGHT", wrong))
    found = names(audit(path))
    assert (name in found) if name else not found


def test_nothing_is_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "evil.py", tmp_path / "trace"
    path.write_text(
        f"import os, pathlib\nimport numpy as np\nopen({str(trace)!r}, 'w').write('x')\nos.system('touch {trace}')\n"
        f"pathlib.Path({str(trace)!r}).touch()\n__import__('os').mkdir({str(trace)!r})\nnp.save({str(trace)!r}, 1)\n"
        f"eval('open({str(trace)!r}, 1)')\nw = np.zeros(2).__class__.__mro__[1].__subclasses__()\n"
        f"np.zeros(3).tofile({str(trace)!r})\n'{{0.__class__}}'.format(1)\n"
    )
    assert audit(path)
    assert not list(tmp_path.glob("trace*"))


def test_a_program_without_end_ends(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text("def f(x):\n    return f(x)\nf(1)\nwhile True:\n    x = 1\nfor i in range(10**9):\n    y = i\n")
    assert audit(path)


def test_with_leave_what_is_not_read_is_run(tmp_path: Path) -> None:
    table = tmp_path / "houses.csv"
    table.write_text("rooms,price\n1,2\n2,3.5\n3,5\n")
    path = tmp_path / "script.py"
    path.write_text(
        f"import csv\nimport numpy as np\nrows = list(csv.DictReader(open({str(table)!r})))\n"
        "x = np.array([float(r['rooms']) for r in rows])\ny = np.array([float(r['price']) for r in rows])\nw = 0.0\n"
        "for i in range(3):\n    p = w*x\n    loss = np.mean((p - y)**2)\n    w -= 0.1*np.mean(2*(p - y))\n"
    )
    ran = run_apart("chainrule.verify.auditing.apart:audit_code", [str(path)], folder=tmp_path).result
    assert [one["of"] for one in ran["checked"]] == ["w"]
    assert "missing-factor" in [m["name"] for one in ran["checked"] for m in one["mistakes"]]


@pytest.mark.parametrize(("name", "text"), [("a.txt", "x"), ("a.ipynb", "{}"), ("a.ipynb", "no")])
def test_other_files_are_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FileError):
        audit(tmp_path / name)


def test_it_is_plain_data(tmp_path: Path) -> None:
    found = audit(written(tmp_path, cells_of("scalar"))).as_dict()
    assert json.loads(json.dumps(found)) == found
    assert not found["passed"]
    assert all(one["line"] > 0 for one in found["checked"])


def test_a_type_among_the_numbers_stops_nothing(tmp_path):
    place = tmp_path / "logistic.py"
    place.write_text(
        "import numpy as np\n"
        "X = np.random.randn(30, 3); t = (np.random.rand(30) > .5).astype(float); w = np.zeros(3)\n"
        "for step in range(3):\n"
        "    p = 1/(1+np.exp(-(X @ w)))\n"
        "    cost = -np.mean(t*np.log(p) + (1-t)*np.log(1-p))\n"
        "    dw = X.T @ ((p - t)*p*(1-p))/30\n"
        "    w -= .1*dw\n"
    )
    found = audit(place)
    assert [one.verdict for one in found.checked] == ["right"]
    assert "those of half the squared error" in str(found)


def test_a_class_that_nothing_makes_is_said_not_to_be_read(tmp_path):
    text = (
        "import numpy as np\n"
        "class Net:\n"
        "    def __init__(self, n):\n        self.W = np.random.randn(n, 1)\n"
        "    def forward(self, X):\n        return X @ self.W\n"
        "    def backward(self, X, y):\n        return X.T @ (self.forward(X) - y)\n"
    )
    place = tmp_path / "net.py"
    place.write_text(text)
    found = audit(place)
    assert found
    assert found.unread == ("no Net is ever made: add lines that make one and train it on a few numbers",)
    place.write_text(
        text + "net = Net(2)\nX, y = np.ones((3, 2)), np.ones((3, 1))\nnet.W -= 0.1 * net.backward(X, y)\n"
    )
    assert "ever made" not in str(audit(place))


def test_a_loop_of_a_million_million_rounds_is_followed_as_any(tmp_path):
    place = tmp_path / "long.py"
    place.write_text("w, x, y = 0.5, 1.5, 2.0\nfor i in range(10**12):\n    p = w*x\n    w -= 0.1*(p - y)*x\n")
    assert [one.verdict for one in audit(place).checked] == ["right"]


@pytest.mark.parametrize("library", ["torch", "tensorflow", "jax", "sklearn.neural_network"])
def test_it_is_said_which_library_computes_by_itself(library: str, tmp_path: Path) -> None:
    place = tmp_path / "other.py"
    place.write_text(
        f"import {library} as other\nx = other.randn(4, 3)\nw = other.randn(3)\nw -= 0.1 * (x @ w).mean()\n"
    )
    found = audit(place)
    assert not found.checked
    assert library.partition(".")[0] in found.unread[0]
    assert "line 1" in found.unread[0]


def test_a_function_that_nothing_calls_is_said_not_to_be_read(tmp_path: Path) -> None:
    place = tmp_path / "functions.py"
    place.write_text(
        "import numpy as np\ndef sigmoid(x):\n    return 1/(1 + np.exp(-x))\n"
        "def cost(theta, X, y):\n    h = sigmoid(X @ theta)\n    return X.T @ (h - y)/len(y)\n"
    )
    assert "cost is never called" in str(audit(place))


def test_what_takes_too_long_is_ended_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.verify.audit.SECONDS", 0.0)
    found = audit(written(tmp_path, cells_of("moons")))
    assert not found.checked
    assert "more steps than are followed" in str(found)


def test_an_audit_ends_in_words_whenever_the_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "net.py"
    place.write_text(
        "w1, w2, x, y = 0.5, 0.3, 2.0, 1.0\nfor i in range(9):\n    h = w1*x\n    e = w2*h - y\n    loss = e**2\n"
        "    w2 -= 0.1*2*e*h\n    w1 -= 0.1*2*e*w2*x\n"
    )
    told: set[str] = set()
    for looks in range(10, 500, 10):
        left = iter(range(looks))
        monkeypatch.setattr(
            "chainrule.verify.auditing.clock.Clock.is_late", lambda self, left=left: next(left, None) is None
        )
        found = audit(place)
        told |= {line.partition(":")[0] for line in (*found.remarks, *found.unread) if "seconds" in line}
        assert not any(one.verdict == "wrong" and not one.mistakes for one in found.checked)
    assert told


def test_a_loop_over_what_is_not_known_is_named(tmp_path: Path) -> None:
    place = tmp_path / "loader.py"
    place.write_text("from batches import loader\nw = 0.5\nfor x, y in loader:\n    w -= 0.1*(w*x - y)*x\n")
    assert "line 3: for x, y in loader: (what it goes over is not known" in str(audit(place))


def test_evenly_spaced_numbers_are_data(tmp_path: Path) -> None:
    """The mean of products is not the product of means, though with these numbers one would be a multiple."""
    place = tmp_path / "line.py"
    place.write_text(
        "import numpy as np\nX = np.linspace(0, 1, 50)\ny = 3*X + 2\nw, b = 0.0, 0.0\n"
        "for i in range(9):\n    e = w*X + b - y\n    loss = np.mean(e**2)\n"
        "    w -= 0.1*2*np.mean(e)*np.mean(X)\n    b -= 0.1*2*np.mean(e)\n"
    )
    assert names(audit(place)) == ["unclassified"]


def test_a_wrong_term_is_shown_where_it_is_added(tmp_path: Path) -> None:
    place = tmp_path / "terms.py"
    lines = [
        "import numpy as np",
        "X, y = np.random.randn(9, 3), np.random.randn(9, 1)",
        "w, v = np.random.randn(3, 2), np.random.randn(2, 1)",
        "for i in range(9):",
        "    h = X @ w",
        "    e = h @ v - y",
        "    loss = np.sum(e**2) + 0.5*0.1*np.sum(w**2)",
        "    grads = {'v': h.T @ (2*e)}",
        "    dw = X.T @ (2*e @ v.T)",
        "    grads['w'] = dw",
        "    grads['w'] += 2*0.1*w",
        "    w -= 0.01*grads['w']",
        "    v -= 0.01*grads['v']",
    ]
    place.write_text("\n".join(lines))
    found = audit(place)
    assert "factor" in names(found), found
    assert all("line 11: grads['w'] += 2*0.1*w" in m.place for m in found.mistakes), found

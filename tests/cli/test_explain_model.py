"""`chainrule explain` on a saved network: its numbers beside differences, its formats, and what it refuses."""

import csv
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

import chainrule as cr
from chainrule.derivation.explain import NEAREST
from chainrule.derivation.formats.json import from_json

FLOWER = ("explain", "flowers.safetensors", "--example", "flowers.csv:5")


def loss_at(weights, x, right):
    """The loss in plain NumPy: cross-entropy at a class, or the squared error of a number."""
    out = np.asarray(x, float)
    last = max(int(name.split(".")[1]) for name in weights)
    for layer in range(0, last + 1, 2):
        out = weights[f"model.{layer}.weight"] @ out + weights[f"model.{layer}.bias"]
        if layer < last:
            out = np.maximum(out, 0)
    if isinstance(right, float):
        return float((out[0] - right) ** 2)
    return float(np.log(np.exp(out - out.max()).sum()) + out.max() - out[right])


def slope(weights, name, place, x, right, step=1e-5):
    """A central difference; its error is near step² and 1e-16 / step, 1e-10 and 1e-11."""
    found = []
    for sign in (1, -1):
        moved = {held: array.copy() for held, array in weights.items()}
        moved[f"model.{name}"][place] += sign * step
        found.append(loss_at(moved, x, right))
    return (found[0] - found[1]) / (2 * step)


def weights_of(path):
    return {name: array.astype(float) for name, array in load_file(path).items()}


def row_of(path, number):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))[number - 1]


def flower(folder, number):
    """Features and class of a row, by hand."""
    columns = cr.training.load_checkpoint(folder / "flowers.safetensors").extra["columns"]
    row = row_of(folder / "flowers.csv", number)
    *numbers, colour = columns["features"]
    x = [(float(row[held["name"]]) - held["mean"]) / held["scale"] for held in numbers]
    x += [float(row["colour"] == kind) for kind in colour["categories"]]
    return x, columns["target"]["categories"].index(row["species"])


@pytest.mark.parametrize(("name", "place"), [("0.weight", (3, 1)), ("0.bias", (2,)), ("2.weight", (1, 4))])
def test_a_weight_of_a_classifier(typed, folder, name, place):
    weights = weights_of("flowers.safetensors")
    x, right = flower(folder, 5)
    done = typed(*FLOWER, "--weight", f"{name}[{','.join(map(str, place))}]", "--json")
    assert (done.code, done.err) == (0, "")
    found = from_json(done.out)
    assert found.value == pytest.approx(loss_at(weights, x, right), rel=1e-12)
    assert found.gradient == pytest.approx(slope(weights, name, place, x, right), rel=1e-6, abs=1e-9)
    assert found.entry == place
    layer, kind = name.split(".")
    assert f"net[{layer}].{kind}" in found.text().splitlines()[0]


def test_a_weight_of_a_regression(typed, folder):
    columns = cr.training.load_checkpoint("houses.safetensors").extra["columns"]
    row = row_of(folder / "houses.csv", 7)
    x = [(float(row[held["name"]]) - held["mean"]) / held["scale"] for held in columns["features"]]
    target = columns["target"]
    right = (float(row["price"]) - target["mean"]) / target["scale"]
    words = ("explain", "houses.safetensors", "--example", "houses.csv:7", "--weight", "4.bias")
    found = json.loads(typed(*words, "--format", "json", "--dialect", "delta").out)
    weights = weights_of("houses.safetensors")
    assert found["value"] == pytest.approx(loss_at(weights, x, right), rel=1e-10)
    assert found["gradient"][0] == pytest.approx(slope(weights, "4.bias", (0,), x, right), rel=1e-6, abs=1e-9)


def test_a_digit(typed, folder):
    x, y = cr.data.load_digits()
    weights = weights_of("digits.safetensors")
    words = ("explain", "digits.safetensors", "--example", "digits:12", "--weight", "2.weight[1,4]")
    found = from_json(typed(*words, "--json").out)
    assert found.value == pytest.approx(loss_at(weights, x[11], int(y[11])), rel=1e-10)
    assert found.gradient == pytest.approx(slope(weights, "2.weight", (1, 4), x[11], int(y[11])), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("dialect", NEAREST)
def test_every_dialect(typed, folder, dialect):
    found = from_json(typed(*FLOWER, "--weight", "0.weight[3,1]", "--dialect", dialect, "--json").out)
    assert found.dialect == dialect
    assert found.gradient == from_json(typed(*FLOWER, "--weight", "0.weight[3,1]", "--json").out).gradient


def test_formats_letters_and_files(typed, folder, tmp_path):
    words = (*FLOWER, "--weight", "0.weight[3,1]")
    assert typed(*words, "--format", "plain").out.startswith("dL_dnet_0_weight_3_1 = ")
    assert r"\frac{\partial L}" in typed(*words, "--format", "latex").out
    assert typed(*words, "--format", "markdown").out.startswith("#")
    assert typed(*words, "--out", tmp_path / "told.html").out == f"wrote {tmp_path / 'told.html'}\n"
    assert "<math" in (tmp_path / "told.html").read_text(encoding="utf-8")
    goodfellow = typed(*words, "--notation", "goodfellow", "--format", "plain").out
    assert goodfellow != typed(*words, "--format", "plain").out
    every = typed(*FLOWER, "--format", "plain")
    assert every.code == 0
    for name in ("net[0].weight", "net[0].bias", "net[2].weight", "net[2].bias"):
        assert name in every.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--weight", "1.weight"), 2, "no weight 1.weight: did you mean"),
        (("--weight", "1.weight"), 2, "the network has 0.weight [8, 4], 0.bias [8], 2.weight [3, 8], 2.bias [3]"),
        (("--weight", "weight"), 2, "the network has 0.weight [8, 4]"),
        (("--weight", "0.weight[8,0]"), 2, "0.weight has shape [8, 4], counted from 0, and no such entry"),
        (("--weight", "0.weight[1]"), 2, "0.weight has shape [8, 4], counted from 0, and no such entry"),
        (("--weight", "0.weight[a,b]"), 2, "[a,b] is no place; 0.weight has shape [8, 4]"),
        (("--weight", "0.weight[__import__('os')]"), 2, "is no place"),
        (("--weight", "0.weight+1"), 2, "is written as 0.weight[3,1] or 0.bias"),
        (("--dialect", "dela"), 2, "did you mean delta?"),
        (("--format", "json", "--out", "a.html"), 2, "a.html is a file for html, not json"),
        (("--example", "flowers.csv:91"), 1, "has no row 91: rows are counted from 1, and it has 1 to 90"),
        (("--example", "flowers.csv:0"), 1, "has no row 0"),
        (("--example", "flowers.csv"), 2, "--example takes DATA:ROW, as flowers.csv:3 or digits:1"),
        (("--example", "flowers.csv:x"), 2, "--example takes DATA:ROW"),
        (("--example", "nowhere.csv:1"), 1, "there is no file nowhere.csv"),
        (("--example", "digits:1"), 1, "digits has 64 pixels"),
    ],
)
def test_what_is_refused(typed, folder, words, code, said):
    done = typed(*FLOWER, *words)
    assert (done.code, done.out) == (code, "")
    assert said in " ".join(done.err.split())


def test_a_row_without_a_target_has_no_loss(typed, folder, tmp_path):
    (tmp_path / "new.csv").write_text(
        "petal length,petal width,colour,species\n1.5,0.3,blue,iris\n4,1.2,red,\n5,2,red,rose\n", encoding="utf-8"
    )
    done = typed("explain", "flowers.safetensors", "--example", f"{tmp_path / 'new.csv'}:2")
    assert done.code == 1
    assert "has no row 2 with a target" in done.err
    assert typed("explain", "flowers.safetensors", "--example", f"{tmp_path / 'new.csv'}:3", "--json").code == 0

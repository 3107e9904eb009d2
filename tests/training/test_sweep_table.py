"""Settings for a table's network as they are typed and tried: what is read, what is refused, and who judges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import chainrule as cr
from chainrule.cli.app import app
from chainrule.errors import ChainruleError
from chainrule.training.sweep_table import grid_of

RNG = np.random.default_rng(0)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Rows whose target a network learns, and a linear model cannot."""
    monkeypatch.chdir(tmp_path)
    a, b = RNG.normal(size=(2, 120))
    kinds = RNG.choice(["x", "y", "z"], 120)
    rows = [f"{p:.4f},{q:.4f},{kind},{'yes' if p * q > 0 else 'no'}" for p, q, kind in zip(a, b, kinds, strict=True)]
    (tmp_path / "signs.csv").write_text("a,b,kind,label\n" + "\n".join(rows) + "\n")
    return "signs.csv"


@pytest.mark.parametrize(
    ("text", "grid"),
    [
        ("lr=0.001..0.1", {"lr": [0.001, 0.00316228, 0.01, 0.0316228, 0.1]}),
        ("lr=1e-3..1e-1/3 batch=16|64", {"lr": [0.001, 0.01, 0.1], "batch": [16, 64]}),
        ("dropout=0..0.4/3", {"dropout": [0.0, 0.2, 0.4]}),
        ("layers=16|32,16|none", {"layers": [(16,), (32, 16), ()]}),
        ("weight_decay=0|0.01", {"weight-decay": [0.0, 0.01]}),
        ("epochs=5..10/2 lr=0.1|0.1", {"epochs": [5, 10], "lr": [0.1]}),
        ("lr=0.01|0.1..0.2/2", {"lr": [0.01, 0.1, 0.2]}),
    ],
)
def test_settings_are_read_as_typed(text, grid):
    assert grid_of(text) == grid


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to try"),
        ("lr", "is no setting to try"),
        ("rate=1", "lr, layers, epochs"),
        ("lr=", "a number"),
        ("lr=fast", "lr is a number"),
        ("lr=0", "cannot be that"),
        ("lr=nan|1", "cannot be that"),
        ("lr=0.1..0.01", "goes up"),
        ("lr=0.1..0.2/1", "goes up"),
        ("lr=1..2/99999999", "goes up"),
        ("epochs=0|1", "cannot be that"),
        ("epochs=1.5", "a whole number"),
        ("dropout=1", "cannot be that"),
        ("layers=0", "widths are whole numbers"),
        ("layers=8,x", "widths are whole numbers"),
        ("lr=0.1 lr=0.2", "stands twice"),
        ("lr=1e-5..1/200 weight-decay=1e-5..1/200", "settings, and"),
        ("__import__('os')=1", "is no setting to try"),
    ],
)
def test_what_cannot_be_read_is_said(text, words):
    with pytest.raises(ChainruleError, match=words):
        grid_of(text)


def test_rows_that_judge_choose_nothing(table):
    """The rows held back may be anything: the settings found are the same."""
    examples = cr.data.read_table(table, target="label")
    grid = {"lr": [1e-5, 0.03], "layers": [(4,), (16,)]}
    recipe = cr.training.Recipe(epochs=15)
    found = cr.training.sweep_table(examples, grid, recipe, folds=3)
    _, back = examples.split("").hold_out(share=recipe.share, seed=recipe.seed)
    lines = Path(table).read_text().splitlines()
    for i in back:
        lines[i + 1] = ",".join(["9.5", "-9.5", *lines[i + 1].split(",")[2:]])
    Path(table).write_text("\n".join(lines) + "\n")
    other = cr.training.sweep_table(cr.data.read_table(table, target="label"), grid, recipe, folds=3)
    assert found.sweep.plain() == other.sweep.plain()
    assert found.recipe.rate == 0.03
    assert len(found.sweep.runs) == 12
    assert {run.fold for run in found.sweep.runs} == {0, 1, 2}


def test_every_setting_of_a_recipe_may_be_tried(table):
    examples = cr.data.read_table(table, target="label")
    grid = {"dropout": [0.0, 0.5], "weight-decay": [0.0, 0.1], "batch": [16, 32], "epochs": [1, 2]}
    found = cr.training.sweep_table(examples, grid, cr.training.Recipe(balanced=True), folds=2)
    assert len(found.sweep.runs) == 32
    assert sum(found.sweep.alone.values()) == 16  # dropout draws at random; classes that are weighed run as lanes
    recipe = found.recipe
    assert {recipe.dropout, recipe.weight_decay, recipe.batch, recipe.epochs} == {*found.sweep.best.values()}
    with pytest.raises(ChainruleError, match="not rate"):
        cr.training.sweep_table(examples, {"rate": [0.1]})


def test_the_command_takes_the_best(table):
    typed = ["train", table, "--target", "label", "--sweep", "lr=0.00001|0.03 layers=8,4", "--folds", "3"]
    result = CliRunner().invoke(app, [*typed, "--epochs", "12"])
    assert result.exit_code == 0, result.output
    assert "2 settings tried, 6 networks: best is lr 0.03, layers 8,4, val_loss" in result.output
    assert "network 5-8-4-2" in result.output
    whole = CliRunner().invoke(app, [*typed, "--epochs", "12", "--json"])
    report = json.loads(whole.stdout)
    assert len(report["sweep"]) == 6
    assert {row["lr"] for row in report["sweep"]} == {0.00001, 0.03}


def test_the_command_says_what_it_cannot_read(table):
    result = CliRunner().invoke(app, ["train", table, "--target", "label", "--sweep", "speed=1"])
    assert result.exit_code == 1
    assert "speed=1" in str(result.output) + str(result.exception)

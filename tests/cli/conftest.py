"""Commands as they are typed, and a folder with small tables and networks that were trained on them."""

import contextlib
import io
import sys
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import typer.main

from chainrule.cli.app import main

COMMANDS = cache(typer.main.get_command)
"""Made once, where each process of a shell makes them: it takes a tenth of what most commands take."""


class Done(NamedTuple):
    code: int
    out: str
    err: str


def type_command(*words):
    """The whole command, from its words to its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", COMMANDS)
        patch.setattr(sys, "argv", ["chainrule", *map(str, words)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    return Done(ended.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture
def typed():
    return type_command


def write_flowers(path, rows=90):
    """Three species whose petals differ, with a column of categories."""
    rng = np.random.default_rng(0)
    kinds = (("iris", 1.5, 0.3, "blue"), ("rose", 4.0, 1.2, "red"), ("tulip", 5.5, 2.2, "red"))
    lines = ["petal length,petal width,colour,species"]
    for i in range(rows):
        name, length, width, colour = kinds[i % 3]
        lines.append(f"{length + rng.normal(0, 0.3):.2f},{width + rng.normal(0, 0.2):.2f},{colour},{name}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_houses(path, rows=80):
    """Prices that grow with size, and with rooms more than in proportion."""
    rng = np.random.default_rng(1)
    lines = ["rooms,area,price"]
    for _ in range(rows):
        rooms, area = rng.integers(1, 7), rng.uniform(20, 200)
        lines.append(f"{rooms},{area:.1f},{900 * area + 2000 * rooms**2 + rng.normal(0, 3000):.2f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with flowers, houses and digits, and a network for each; tests write to folders of their own."""
    folder = tmp_path_factory.mktemp("trained")
    write_flowers(folder / "flowers.csv")
    write_houses(folder / "houses.csv")
    with contextlib.chdir(folder):
        for words in (
            ("flowers.csv", "--target", "species", "--layers", "8", "--lr", "0.02", "--epochs", "60"),
            ("houses.csv", "--target", "price", "--layers", "8,4", "--lr", "0.02", "--epochs", "100"),
            ("digits", "--epochs", "6"),
        ):
            done = type_command("train", *words)
            assert done.code == 0, done.err
    return folder


@pytest.fixture
def folder(trained, monkeypatch):
    """The trained networks, in the folder that commands run in."""
    monkeypatch.chdir(trained)
    return trained

"""`chainrule draw`: a formula or a saved network, in the terminal or in a file; what is wrong is said in a line."""

import os

import pytest

pytest.importorskip("fast_sugiyama", reason="pictures are laid out by fast-sugiyama: pip install '.[draw]'")

REUSE = ("(a*b) * (a+b)", "a=-2", "b=3")


def test_a_formula_in_the_terminal(typed):
    done = typed("draw", *REUSE)
    assert done.code == 0, done.err
    assert "grad −8" in done.out
    assert "f = v₁ · v₂" in done.out
    assert "grad –" in typed("draw", *REUSE, "--forward").out
    assert "right is −8" in typed("draw", *REUSE, "--mistake", "overwrite").out


def test_named_lines_arrays_and_files(typed, tmp_path):
    out = tmp_path / "graph.svg"
    done = typed("draw", "h = W@x; sum((h - y)**2)", "W=[[1,2],[3,4]]", "x=[1,2]", "y=[1,1]", "--out", out)
    assert (done.code, done.out) == (0, f"wrote {out}\n"), done.err
    assert "h" in out.read_text("utf-8")
    dark = tmp_path / "dark.svg"
    assert typed("draw", *REUSE, "-o", dark, "--theme", "dark", "--wrt", "a", "--direction", "down").code == 0
    assert "#0d1117" in dark.read_text("utf-8")


def test_a_saved_network(typed, folder, tmp_path):
    os.link(folder / "flowers.csv", tmp_path / "flowers.csv")
    out = tmp_path / "net.svg"
    model = folder / "flowers.safetensors"
    assert typed("draw", model, "--out", out).code == 0
    assert "Linear(" in out.read_text("utf-8")
    done = typed("draw", model, "--example", "flowers.csv:3", "--out", out)
    assert done.code == 0, done.err
    assert "net[0]" in out.read_text("utf-8")
    assert "grad –" not in out.read_text("utf-8")
    assert typed("draw", model, "flowers.csv", "--out", out).code == 0
    assert "90×4" in out.read_text("utf-8")
    assert typed("draw", model, "--out", model).code != 0
    assert typed("draw", model, "a=2").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x**2",), "x has none: add x=…"),
        (("x + 1", "x=[1,2]"), "sum(…)"),
        (("x**2", "x=1", "--out", "graph.gif"), "no name of a picture"),
        (("x**2", "x=1", "--theme", "drak"), "did you mean dark?"),
        (("x**2", "x=1", "--direction", "up"), "there is no up"),
        (("x**2", "x=1", "--wrt", "z"), "nothing named 'z'"),
        (("x**2", "x=1", "--example", "t.csv:1"), "belongs to a network"),
        (("nothing.safetensors",), "nothing.safetensors"),
        (("x**2", "x=1", "--fast"), "there is no option --fast"),
        (("__import__('os')", "x=1"), "_"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(typed, words, said):
    done = typed("draw", *words)
    assert done.code in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err

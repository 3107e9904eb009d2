"""`chainrule plot`: every kind writes its file, and what is wrong is said in a line."""

import pytest

pytest.importorskip("matplotlib", reason="plots are drawn by Matplotlib: pip install '.[plot]'")

PLOTS = (
    ("tangent", "x**3 - 3*x", "x=2"),
    ("quotients", "exp(x)", "x=1"),
    ("gradient", "x**2 + 3*x*y", "x=1", "y=2"),
    ("loss", "0.5*(yhat - y)**2", "y=1", "yhat=2"),
    ("surface", "x**2 + 10*y**2", "x=2", "y=1"),
    ("rates", "x**2 + 5*y**2", "x=1", "y=1"),
    ("activation", "relu", "tanh"),
    ("activation",),
)


@pytest.mark.parametrize("words", PLOTS, ids=lambda words: words[0])
def test_formulas_and_activations(typed, tmp_path, words):
    out = tmp_path / "plot.svg"
    done = typed("plot", *words, "--out", out)
    assert (done.code, done.out) == (0, f"wrote {out}\n"), done.err
    assert out.read_bytes().startswith(b"<?xml")


def test_networks(typed, folder, tmp_path):
    for words in (
        ("flow", "flowers.safetensors", "flowers.csv"),
        ("flow", "houses.safetensors", "houses.csv"),
        ("weights", "digits.safetensors"),
        ("weights", "flowers.safetensors"),
        ("mistakes", "digits.safetensors", "digits"),
    ):
        out = tmp_path / f"{words[0]}.png"
        done = typed("plot", *words, "-o", out, "--theme", "dark")
        assert done.code == 0, done.err
        assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tangnt", "x", "x=1"), "did you mean tangent?"),
        (("tangent",), "needs a formula"),
        (("tangent", "x**2"), "needs 1 number, as x=1"),
        (("tangent", "x**2", "x=1", "--out", "plot.gif"), "no name of a plot"),
        (("loss", "yhat - y", "yhat=1"), "the target, as y=1"),
        (("gradient", "x**2", "x=1"), "needs 2 numbers"),
        (("rates", "x**2"), "descent starts somewhere"),
        (("tangent", "x**2", "x=[1,2]"), "takes numbers"),
        (("activation", "swishh"), "no function 'swishh'"),
        (("flow", "flowers.safetensors"), "MODEL DATA"),
        (("mistakes", "houses.safetensors", "houses.csv"), "predicts a number"),
        (("boundary", "flowers.safetensors", "flowers.csv"), "two inputs"),
        (("tangent", "x**2", "x=1", "--theme", "drak"), "did you mean dark?"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(typed, folder, words, said):
    done = typed("plot", *words)
    assert done.code in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err

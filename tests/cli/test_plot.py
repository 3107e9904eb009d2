"""`chainrule plot`: every kind writes its file, and what is wrong is said in a line."""

from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.plot import plotted

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


def test_the_surface_over_two_weights_of_a_network(folder):
    words = ("houses.safetensors", "houses.csv", "0.weight[1,-1]", "2.bias[3]=0.5")
    _, contours = plotted("surface", words, "light")
    model = cr.load_model("houses.safetensors")
    net, table = model.exact(), model.read("houses.csv", dtype=np.float64)
    assert (contours.get_xlabel(), contours.get_ylabel()) == ("net[0].weight[1, 1]", "net[2].bias[3]")
    path = next(line for line in contours.lines if line.get_label().startswith("Adam"))
    (first, *_, last), start = path.get_xydata(), (net[0].weight.data[1, 1], 0.5)
    np.testing.assert_array_equal(first, start)
    net[0].weight.data[1, 1], net[2].bias.data[3] = last
    loss = np.mean((net(table.x).data - table.y) ** 2)
    assert path.get_label() == f"Adam: {loss:.3g} after 40 steps"


def test_layers_and_the_boundary_of_a_network_on_a_plane(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("plane.csv").write_text(
        "a,b,c\n" + "".join(f"{i % 7},{i % 5},{'no' if i % 7 < 4 else 'yes'}\n" for i in range(60))
    )
    fitted = cr.training.fit_table(
        cr.data.read_table("plane.csv", target="c"), cr.training.Recipe(layers=(2,), epochs=2)
    )
    cr.training.save_model("plane.safetensors", fitted)
    done = typed("plot", "layers", "plane.safetensors", "-o", "layers.svg")
    assert (done.code, done.out) == (0, "wrote layers.svg\n"), done.err
    axes = plotted("boundary", ("plane.safetensors", "plane.csv"), "light")
    assert (axes.get_xlabel(), axes.get_legend().get_title().get_text()) == ("a, as the network takes it", "c")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["no", "yes"]


def test_numbers_are_those_of_their_names_in_any_order():
    for kind in ("gradient", "surface", "rates"):
        axes = [plotted(kind, ("x**2 + 3*y**2", *words), "light")[0] for words in (("x=1", "y=4"), ("y=4", "x=1"))]
        lines = [[np.array(line.get_data()) for line in (*panel.lines,)] for panel in axes]
        for first, second in zip(*lines, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tangnt", "x", "x=1"), "did you mean tangent?"),
        (("tangent",), "needs a formula"),
        (("tangent", "x**2"), "needs 1 number, as x=1"),
        (("tangent", "x**2", "x=1", "--out", "plot.gif"), "no name of a plot"),
        (("loss", "yhat - y", "yhat=1"), "the target, as y=1"),
        (("gradient", "x**2", "x=1"), "needs 2 numbers"),
        (("tangent", "x**2", "y=2"), "needs 1 number, as x=1, and got y=2"),
        (("rates", "a**2 + b**2", "a=1", "c=2"), "as a=1 b=2, and got a=1 c=2"),
        (("rates", "x**2"), "descent starts somewhere"),
        (("tangent", "x**2", "x=[1,2]"), "takes numbers"),
        (("activation", "swishh"), "no function 'swishh'"),
        (("flow", "flowers.safetensors"), "MODEL DATA"),
        (("mistakes", "houses.safetensors", "houses.csv"), "predicts a number"),
        (("surface", "flowers.safetensors"), "plot surface flowers.safetensors DATA 0.weight[0,0] 0.weight[0,1]"),
        (("surface", "flowers.safetensors", "flowers.csv", "0.weight", "0.bias[1]"), "name one of its entries"),
        (("surface", "flowers.safetensors", "flowers.csv", "0.weight[99,0]", "0.bias[1]"), "no such entry"),
        (("surface", "flowers.safetensors", "flowers.csv", "0.bias[1]=nan", "0.bias[2]"), "a finite number, not nan"),
        (("layers", "flowers.safetensors"), "does not take 2 numbers"),
        (("boundary", "flowers.safetensors", "flowers.csv"), "two inputs"),
        (("tangent", "x**2", "x=1", "--theme", "drak"), "did you mean dark?"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(typed, folder, words, said):
    done = typed("plot", *words)
    assert done.code in (1, 2)
    assert said in done.err
    assert "Traceback" not in done.err

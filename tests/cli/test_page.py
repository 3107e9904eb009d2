"""`chainrule page`: a formula, a network on data or an example, the gallery; what is wrong is said in a line."""

import os

import pytest

import chainrule as cr
from chainrule.livepage import page, payload
from chainrule.livepage.page import Page

pytest.importorskip("fast_sugiyama", reason="pictures are laid out by fast-sugiyama: pip install '.[draw]'")

NET = ("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", "x=2", "w1=2", "w2=0.5", "y=20")


def test_a_formula(typed, tmp_path):
    out = tmp_path / "net.html"
    done = typed("page", *NET, "--out", out, "--rate", "0.02")
    assert (done.code, done.out) == (0, f"wrote {out}: open it in a browser\n"), done.err
    text = out.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert '<script type="module">import "chainrule/main";</script>' in text  # what it computes: tests/livepage
    arrays = typed("page", "sum((W @ x - y)**2)", "W=[[1,2],[3,4]]", "x=[1,2]", "y=[1,1]", "-o", out, "--data", "x,y")
    assert arrays.code == 0, arrays.err


def test_a_saved_network(typed, folder, tmp_path, monkeypatch):
    # What the page tells is tested in tests/livepage; it takes most of the time.
    monkeypatch.setattr(payload, "stories", lambda subject: ())
    os.link(folder / "flowers.csv", tmp_path / "flowers.csv")
    out, model = tmp_path / "net.html", folder / "flowers.safetensors"
    done = typed("page", model, "--example", "flowers.csv:3", "--out", out)
    assert done.code == 0, done.err
    assert "flowers, on flowers.csv:3" in out.read_text("utf-8")
    made: list[Page] = []
    monkeypatch.setattr(page.Page, "save", lambda self, path: made.append(self))
    done = typed("page", model, "flowers.csv", "--out", out)
    assert done.code == 0, done.err
    (subject,) = made[0].subjects
    assert (subject.title, subject.rows) == ("flowers, on flowers.csv", 90)
    assert "Of species, 0 is iris, 1 is rose, 2 is tulip." in subject.note
    trained = cr.load_model(model)
    table = trained.read("flowers.csv", dtype=float)
    assert subject.output.item() == pytest.approx(trained.recorded(table, None)[0].item(), rel=1e-12)
    losses = [trained.recorded(table, place)[0].item() for place in range(90)]
    assert subject.output.item() == pytest.approx(sum(losses) / 90, rel=1e-12)
    assert "--example DATA:ROW" in typed("page", model, "--out", out).err
    assert "choose one" in typed("page", model, "flowers.csv", "--example", "flowers.csv:3", "--out", out).err
    assert "--data names numbers" in typed("page", model, "flowers.csv", "--data", "x", "--out", out).err
    assert typed("page", model, "w=2", "--out", out).code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x**2",), "x has none: add x=…"),
        (("x**2", "x=1", "--out", "page.pdf"), "no name of a page"),
        (("x**2", "x=1", "--rate", "0"), "--rate is above 0"),
        (("x**2", "x=1", "--data", "z"), "--data z"),
        (("x**2", "x=1", "--example", "t.csv:1"), "belongs to a network"),
        (("x**2", "x=[1,2]"), "sum it first"),
        (("nothing.safetensors",), "nothing.safetensors"),
        (("x**2", "x=1", "--fast"), "there is no option --fast"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(typed, words, said):
    done = typed("page", *words)
    assert done.code != 0
    assert said in done.err
    assert "Traceback" not in done.err

"""What a picture says: names, numbers, gradients as they are, local derivatives; and that it changes nothing."""

import random
import re
import time
from xml.etree import ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, DtypeError, FormatError, GraphError, MissingExtra
from chainrule.pictures.sketch import Look
from chainrule.pictures.summary import MOST

from .nets import NETS, batch, chain, digits, named, reuse, scalar_net

pytest.importorskip("fast_sugiyama", reason="pictures are laid out by fast-sugiyama: pip install '.[draw]'")


def box(picture, start):
    """The one box whose title begins so."""
    (found,) = [x for x in picture.sketch.boxes if x.title == start or x.title.startswith(f"{start} =")]
    return found


def titles(picture):
    return [x.title for x in picture.sketch.boxes]


def factors(sketch):
    """The local derivatives by the names of both ends."""
    name = [x.title.partition(" = ")[0] for x in sketch.boxes]
    return {(name[x.source], name[x.target]): x.factor for x in sketch.arrows}


def test_names_numbers_gradients_and_local_derivatives():
    f = reuse()
    f.backward()
    picture = cr.draw(f)
    assert [(x.title, x.data, x.grad) for x in picture.sketch.boxes] == [
        ("a", "−2", "−3"),
        ("b", "3", "−8"),
        ("d = a · b", "−6", "1"),
        ("e = a + b", "1", "−6"),
        ("f = d · e", "−6", "1"),
    ]
    assert factors(picture.sketch) == {
        ("a", "d"): "3", ("b", "d"): "−2", ("a", "e"): "1", ("b", "e"): "1", ("d", "f"): "1", ("e", "f"): "−6",
    }  # fmt: skip
    carried = {(x.source, x.target): x.carries for x in picture.sketch.arrows}
    assert carried == {(0, 2): 3.0, (1, 2): 2.0, (0, 3): 6.0, (1, 3): 6.0, (2, 4): 1.0, (3, 4): 6.0}
    assert box(picture, "f").look is Look.OUTPUT
    assert box(picture, "a").look is Look.PARAMETER


def test_a_dash_before_a_backward_pass_and_a_zero_after_it():
    f = reuse()
    assert {x.grad for x in cr.draw(f).sketch.boxes} == {"–"}
    assert {x.carries for x in cr.draw(f).sketch.arrows} == {None}
    x = cr.Value(-1.0, label="x")
    y = x.relu() * 2.0
    y.backward()
    assert box(cr.draw(y), "x").grad == "0"
    later = y + 1.0  # the pass has not been here
    assert cr.draw(later).sketch.boxes[-1].grad == "–"


def test_gradients_between_leaves_of_tensors_are_those_of_the_pass():
    loss = batch()
    assert all(x.grad in ("–", "") for x in cr.draw(loss).sketch.boxes)
    loss.backward()
    assert all(x.grad != "–" for x in cr.draw(loss, open=True).sketch.boxes)
    loss.backward()
    twice = cr.draw(loss, open=True)
    assert {x.grad for x in twice.sketch.boxes if x.look in (Look.RESULT, Look.OUTPUT)} == {"–"}
    assert any("more than one pass" in note for note in twice.sketch.notes)


@pytest.mark.parametrize("make", NETS, ids=lambda make: make.__name__)
def test_nothing_is_changed_on_the_graph(make):
    output = make()
    output.backward()
    from chainrule.program import lift

    nodes = lift(output).nodes
    before = [(np.copy(x.data), None if x.grad is None else np.copy(getattr(x.grad, "data", x.grad))) for x in nodes]
    cr.draw(output).svg()
    cr.draw(output, mistake="overwrite").svg()
    for node, (data, grad) in zip(nodes, before, strict=True):
        np.testing.assert_array_equal(node.data, data)
        assert (grad is None) == (node.grad is None)
        if grad is not None:
            np.testing.assert_array_equal(getattr(node.grad, "data", node.grad), grad)


@pytest.mark.parametrize("make", NETS, ids=lambda make: make.__name__)
def test_svg_is_well_formed_and_has_every_text(make):
    picture = cr.draw(make())
    for theme in ("auto", "light", "dark"):
        text = picture.svg(theme=theme)
        tree = ElementTree.fromstring(text)
        assert "<script" not in text.lower()
        written = {node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")}
        for one in picture.sketch.boxes:
            assert {line for _, line in one.lines()} <= written
        assert {x.factor for x in picture.sketch.arrows} - {""} <= written
        for sign in re.findall(r"[^\n -~]", text):
            assert sign.isprintable()


def test_the_sign_of_an_infinity_is_told():
    x = cr.Tensor([0.0, -0.0], requires_grad=True)
    for y, told in ((1 / x, "±∞"), (1 / (x * x), "∞"), (cr.log(x), "−∞"), (0 * (1 / (x * x)), "∞")):
        assert f"{told} begins here" in [one.wrong for one in cr.draw(y).sketch.boxes]


def test_two_same_labels_stay_two_names():
    a, b = cr.Value(1.0, label="x"), cr.Value(2.0, label="x")
    titles = [x.title for x in cr.draw(a * b).sketch.boxes]
    assert len(set(titles)) == 3


def test_where_numbers_stop_being_finite():
    a = cr.Value(0.0, label="a")
    b = a.log()
    b.label = "b"
    c = b * 2.0
    c.backward()
    picture = cr.draw(c)
    assert box(picture, "b").wrong == "−∞ begins here"
    assert not box(picture, "a").wrong
    assert [x.wrong for x in picture.sketch.boxes].count("") == 2
    (broken,) = [x for x in picture.sketch.arrows if x.wrong]
    assert (broken.source, broken.target) == (0, 1)
    given = cr.draw(cr.Value(float("nan"), label="n") + 1.0)
    assert box(given, "n").wrong == "nan given"
    assert "nan" in given.svg()
    x = cr.Tensor([1.0, -1.0], requires_grad=True, label="x")
    assert box(cr.draw(cr.log(x).sum()), "v₁").wrong == "nan begins here"


def test_a_mask_is_called_so_and_what_it_keeps_out_is_no_fault():
    attend = cr.nn.MultiheadAttention(4, 2, dtype=float, rng=0)
    x = np.random.default_rng(0).normal(size=(1, 3, 4))
    picture = cr.draw(attend(x).sum())
    assert (box(picture, "mask").data, box(picture, "mask").wrong) == ("3×3, all 0; 3 −∞", "")
    assert "self_attention(v₂, mask, …)" in picture.svg()
    titles = [x.title for x in cr.draw((attend(x) + attend(x)).sum()).sketch.boxes]
    assert {"mask₁", "mask₂"} <= {*titles}
    assert "mask" in str(cr.explain(attend(x).sum(), attend.in_proj_bias, "graph"))


def test_nothing_one_node_and_a_tensor_without_history():
    assert "nothing to draw" in cr.draw([]).svg()
    assert [x.title for x in cr.draw(cr.Value(3.0, label="a")).sketch.boxes] == ["a"]
    assert cr.draw(cr.Tensor([1.0, 2.0], label="x")).sketch.boxes[0].look is Look.DATA
    assert "no entries" in cr.draw(cr.Tensor(np.zeros((0, 3)), label="x")).sketch.boxes[0].data


def test_the_paths_from_one_weight_are_lit():
    loss = chain()
    picture = cr.draw(loss, wrt="w1")
    lit = {x.title.partition(" = ")[0] for x in picture.sketch.boxes if x.lit}
    assert lit == {"w₁", "h", "ŷ", "v₁", "v₂", "L"}
    assert {x.title for x in picture.sketch.boxes if x.faint} == {"w₂", "x", "y"}
    assert sum(x.lit for x in picture.sketch.arrows) == 5
    with pytest.raises(GraphError, match="nothing named 'w3'; it has w2, w1"):
        cr.draw(loss, wrt="w3")
    with pytest.raises(GraphError, match="not computed from"):
        cr.draw(loss, wrt=cr.Value(1.0))


def test_modules_open_and_shut():
    loss = scalar_net()
    shut, wide, some = cr.draw(loss, open=False), cr.draw(loss, open=True), cr.draw(loss, open=["mlp", "mlp.layers[0]"])
    assert not shut.sketch.frames
    assert "9 parameters" in box(shut, "mlp").more
    assert len(shut.sketch.boxes) < len(some.sketch.boxes) < len(wide.sketch.boxes)
    (frame,) = wide.sketch.frames
    assert [x.title for x in frame.inner] == ["layers[0]", "layers[1]"]
    assert [x.title for x in frame.inner[0].inner] == ["neurons[0]", "neurons[1]"]
    assert len(wide.sketch.boxes) == len({*frame.members()}) + 4
    assert {x.title for x in some.sketch.boxes} >= {"mlp.layers[0].neurons[0]", "mlp.layers[1]"}


def test_a_network_is_run_and_tells_which_module_made_what():
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh(), nn.Linear(3, 1, rng=1))
    picture = cr.draw(net, [[1.0, 2.0]], open=False)
    assert [x.more[0] for x in picture.sketch.boxes if x.more] == ["Linear(2, 3)", "net[1]: Tanh()", "Linear(3, 1)"]
    assert net.watchers is None or not net.watchers.after
    assert not net[0].watchers.after
    with pytest.raises(DtypeError, match="given to a network"):
        cr.draw(cr.Value(1.0), 2.0)


def test_a_module_that_is_left_and_entered_again_has_no_frame():
    net = named(nn.Sequential(nn.Linear(2, 2, rng=0)))
    x = cr.Tensor([[1.0, 2.0]], label="x")
    loss = cr.sum(net(net(x) + 1.0))
    assert not cr.draw(loss).sketch.frames


@pytest.mark.parametrize("count", [100, 10_000])
def test_large_graphs_are_summed_up(count):
    x = cr.Value(1.0, label="x")
    losses = [(x * float(k) - 1.0).tanh() ** 2 for k in range(count // 4)]
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    total.backward()
    began = time.perf_counter()
    picture = cr.draw(total)
    picture.svg()
    assert time.perf_counter() - began < 30  # a promise of 3 seconds, on a machine that does ten things beside
    assert len(picture.sketch.boxes) <= 12
    assert f"tanh × {count // 4:,}" in [x.title for x in picture.sketch.boxes]
    assert any(f"{len(picture.sketch.boxes)} boxes" in note for note in picture.sketch.notes)


def test_a_long_chain_without_two_steps_alike_is_cut_into_stretches():
    z = cr.Value(1.0, label="z")
    for _ in range(20_000):
        z = (z * 1.0001).tanh()
    picture = cr.draw(z)
    assert len(picture.sketch.boxes) <= MOST
    counted = [int(x.title.split()[0].replace(",", "")) for x in picture.sketch.boxes if "steps" in x.title]
    assert sum(counted) + len(picture.sketch.boxes) - len(counted) == 40_001


def test_a_mistake_stands_beside_the_right_gradients():
    f = reuse()
    right, wrong = cr.draw(f, mistake="overwrite").sketches
    assert [x.grad for x in right.boxes[:2]] == ["−3", "−8"]
    told = {x.title: (x.grad, x.wrong) for x in wrong.boxes[:2]}
    alone = {"a": {"3", "−6"}, "b": {"−2", "−6"}}
    for name, (grad, words) in told.items():
        assert grad in alone[name]
        assert words == f"right is {'−3' if name == 'a' else '−8'}"
    x = cr.Value(3.0, label="x")
    inner = x * x
    late = inner * (inner + 1.0).tanh()
    for mistake in ("order", "zero_grad", "forgotten"):
        assert any(x.wrong for x in cr.draw(late, mistake=mistake).sketches[1].boxes), mistake
    assert "no number changes" in cr.draw(f, mistake="order").sketches[1].title
    with pytest.raises(GraphError, match="no mistake 'none'"):
        cr.draw(f, mistake="none")


def test_methods_files_and_notebooks(tmp_path):
    f = reuse()
    assert f.draw(digits=3).sketch.boxes == cr.draw(f, digits=3).sketch.boxes
    assert batch().draw().sketch.boxes
    picture = cr.draw(f)
    assert "<svg" in picture._repr_html_()
    for suffix in ("svg", "html", "txt"):
        picture.save(tmp_path / f"graph.{suffix}")
        assert "a · b" in (tmp_path / f"graph.{suffix}").read_text("utf-8")
    pytest.importorskip("matplotlib", reason="PNG files are written by Matplotlib: pip install '.[plot]'")
    picture.save(tmp_path / "graph.png", theme="dark")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FormatError, match=r"graph.gif.*\.svg"):
        picture.save(tmp_path / "graph.gif")
    with pytest.raises(FormatError, match="no theme 'blue'"):
        picture.svg(theme="blue")
    with pytest.raises(GraphError, match="no direction 'up'"):
        cr.draw(f, direction="up")
    with pytest.raises(DtypeError, match="this is a str"):
        cr.draw("f")


def test_png_has_no_sign_without_a_picture(recwarn):
    pytest.importorskip("matplotlib", reason="PNG files are written by Matplotlib: pip install '.[plot]'")
    loss = digits()
    loss.backward()
    cr.draw(loss, open=True).png()
    assert not [str(w.message) for w in recwarn if "Glyph" in str(w.message)]


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "fast_sugiyama", None)
    with pytest.raises(MissingExtra, match=r"pip install '\.\[draw\]'"):
        cr.draw(reuse()).svg()


def test_a_large_graph_in_which_nothing_is_alike_is_a_few_boxes_and_fewer_arrows_than_twice_as_many():
    draws = random.Random(0)
    nodes = [cr.Value(draws.random(), label=f"p{i}") for i in range(50)]
    for _ in range(4_000):
        x, y = draws.choice(nodes[-200:]), draws.choice(nodes)
        nodes.append(draws.choice([x * y, x + y, x.tanh()]))
    (sketch,) = cr.draw(sum(nodes[-50:])).sketches
    assert len(sketch.boxes) <= 60
    assert len(sketch.arrows) <= 2 * len(sketch.boxes)
    # Arrows lead on, never back, so that a box stands in each layer.
    assert all([arrow.source < arrow.target for arrow in sketch.arrows])
    into = {arrow.target for arrow in sketch.arrows}
    assert into >= set(range(1, len(sketch.boxes)))
    told = [line for box in sketch.boxes for line in box.more if "from others" in line]
    assert told
    assert any(["most edges" in note for note in sketch.notes])


def test_a_block_with_a_shortcut_shows_its_layers_by_their_names():
    """What is added at the end goes around all layers: the block has no frame, and its layers have theirs."""
    block = cr.nn.TransformerBlock(8, 2, rng=0)
    y = block(np.ones((1, 3, 8), np.float32))
    found = cr.draw((y * y).sum()).sketch
    assert {frame.title for frame in found.frames} >= {
        f"block.{layer}" for layer in ("norm1", "norm2", "linear1", "linear2")
    }
    titles = [box.title.partition(" = ")[2] for box in found.boxes]
    assert any([title.startswith("reshape(") for title in titles])
    assert not any(["shape =" in title for title in titles])


def test_a_network_without_a_variable_has_names_and_gives_more_than_one_result():
    attention = cr.draw(nn.MultiheadAttention(4, 2, rng=0), np.ones((1, 3, 4)))
    assert attention.sketch.title == "The graph of net"
    titles = [x.title for x in attention.sketch.boxes]
    assert {"net.in_proj_weight", "weight", "bias"} <= set(titles)
    assert any([title.startswith("v₃ = self_attention(v₂, ") for title in titles])  # too long to be written out
    assert len(cr.draw(nn.LSTM(1, 1, rng=0), np.ones((1, 2, 1))).sketch.boxes) > 10


def test_formulas_have_the_digits_of_the_picture_and_a_new_shape_says_so():
    x = cr.Tensor([1.0, 2.0], requires_grad=True, label="x")
    y = cr.Tensor([[1.0, 2.0], [3.0, 4.0]], label="W") @ (x / 1.73205)
    titles = [one.title for one in cr.draw(y).sketch.boxes]
    assert "v₁ = x/1.732" in titles
    assert "v₂ = reshape(v₁)" in titles


def test_names_in_a_formula_read_as_names():
    """A label with a sign in it stands in brackets, a long one is cut, and what a network is given has a name."""
    for ours, theirs, product in (
        ("x+y", "b", "v₁ = (x+y) · b"),
        ("2x", "a b", "v₁ = (2x) · (a b)"),
        ("the_first_of_all_weights", "<script>", "v₁ = the_first… · (<script>)"),
        ("w_1", "b'", "v₁ = w₁ · b'"),
    ):
        assert titles(cr.draw(cr.Value(2.0, label=ours) * cr.Value(3.0, label=theirs)))[-1] == product
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh())
    assert titles(cr.draw(net, np.ones((4, 2))))[0] == "x"
    assert "= x …weightᵀ + 𝟏 …biasᵀ" in cr.draw(net, np.ones((4, 2))).text(width=60)
    score = nn.Linear(2, 3, rng=0)(np.ones((1, 2)))
    assert titles(cr.draw(nn.CrossEntropyLoss()(score, np.array([0]))))[-1].endswith("cross_entropy(score, …)")


def test_the_note_says_what_the_picture_has():
    """Thickness only where arrows carry gradients, a dash only where one is, and what has no room."""
    f = reuse()
    thick, dash, short = "thicker", "A dash: no backward pass", "where it is short"
    for picture, there in ((cr.draw(f), (dash,)), (cr.draw(digits(), open=True), (dash, short))):
        assert [x for x in (thick, dash, short) if x in " ".join(picture.sketch.notes)] == list(there)
    f.backward()
    assert cr.draw(f).sketch.notes == (
        "On an arrow stands the local derivative; the thicker an arrow, the more gradient it carries.",
    )
    net = nn.Sequential(nn.Conv2d(1, 1, 2, rng=0), nn.Flatten(), nn.Linear(4, 1, rng=1))
    nn.MSELoss()(net(np.ones((1, 1, 3, 3))), [[0.0]]).backward()
    (said, dashes) = cr.draw(net, np.ones((1, 1, 3, 3))).sketch.notes  # the weights' gradients are of another run
    assert thick not in said
    assert dash in dashes


def test_several_steps_have_the_name_of_one_of_them_only_where_all_have_it():
    total = cr.Value(0.0)
    for k in range(80):
        total = total + (cr.Value(float(k)) * 2.0).tanh()
    assert any([x.title.startswith("add × ") for x in cr.draw(total).sketch.boxes])


def test_two_graphs_in_a_terminal_stand_side_by_side_where_they_fit():
    f = reuse()
    picture = cr.draw(f, mistake="overwrite")
    assert any([line.startswith("Right") and "Wrong" in line for line in picture.text(width=80).split("\n")])
    narrow = picture.text(width=60).split("\n")
    assert "Right" in narrow
    assert all([len(line) <= 60 for line in narrow])


def test_what_cannot_be_drawn_or_opened_is_said():
    net, a = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh()), cr.Value(2.0, label="a")
    for draw, told in (
        (lambda: cr.draw(net), r"does not run \(missing a required argument: 'x'\): give its inputs"),
        (
            lambda: cr.draw(net, [[1.0, 2.0]], open=["net[7]"]),
            r"no module 'net\[7\]' to open; it has net\[0\], net\[1\]",
        ),
        (lambda: cr.draw(net, [[1.0, 2.0]], open=3), "no module 3"),
        (lambda: cr.draw(a * a, open="net"), "it has none"),
    ):
        with pytest.raises(ChainruleError, match=told):
            draw()


def test_a_note_counts_boxes_and_speaks_of_numbers_on_arrows_where_there_are_any():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh())
    assert "5 nodes in 3 boxes." in cr.draw(net, [[1.0, 2.0]], open=False).sketch.notes
    s = v = cr.Value(1.0, label="v")
    for _ in range(200):
        s = s * 0.999 + v
    notes = cr.draw(s).sketch.notes
    assert any([note.endswith("an arrow between several has the number of its edges.") for note in notes])

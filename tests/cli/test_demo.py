"""The demo: every number that it shows is worked out again here, without reading its screen."""

import io
import math
import runpy
import shlex

import numpy as np
import pytest
from rich.console import Console

import chainrule as cr
from chainrule import nn
from chainrule.cli import demo as work
from chainrule.cli import screen
from chainrule.data import hold_out, load_digits
from chainrule.errors import ChainruleError
from chainrule.livepage import payload

EPOCHS = 8


@pytest.fixture(scope="module")
def demo():
    return work.run(3, epochs=EPOCHS)


@pytest.fixture(scope="module")
def net():
    x, y, *_ = hold_out(*load_digits())
    return work.train(x, y, seed=3, epochs=EPOCHS)


def by_hand(net, image):
    """The forward pass in NumPy, in float64."""
    w1, b1, w2, b2 = (p.data.astype(float) for p in net.parameters())
    z = image @ w1.T + b1
    s = np.maximum(z, 0) @ w2.T + b2
    shares = np.exp(s - s.max())
    return z, shares / shares.sum()


def test_accuracy_and_sizes(demo, net):
    *_, x, y = hold_out(*load_digits())
    answers = [np.argmax(by_hand(net, image)[1]) for image in x]
    assert demo.accuracy == pytest.approx(np.mean(answers == y), abs=1e-12)
    assert demo.accuracy > 0.9
    assert 0 < demo.seconds < 60
    assert (demo.parameters, demo.held_out, demo.trained_on) == (64 * 32 + 32 + 32 * 10 + 10, 359, 1438)


def test_the_whole_demo_reads_digits_well():
    assert work.run(0).accuracy >= 0.96


def test_the_same_seed_gives_the_same_demo(demo):
    from dataclasses import replace

    again = work.run(3, epochs=EPOCHS)
    written = replace(again.written, seconds=demo.written.seconds)
    assert replace(again, seconds=demo.seconds, written=written) == demo


def test_the_digit_is_a_held_out_one_and_its_shares_are_the_networks(demo, net):
    image = np.array(demo.digit.pixels).reshape(64)
    *_, x, y = hold_out(*load_digits())
    place = np.flatnonzero((x == image).all(axis=1))
    assert y[place].tolist() == [demo.digit.truth]
    _, shares = by_hand(net, image)
    np.testing.assert_allclose(demo.digit.shares, shares, rtol=1e-9)
    assert demo.digit.answer == np.argmax(shares) == demo.digit.truth
    assert demo.digit.loss == pytest.approx(-math.log(shares[demo.digit.truth]), rel=1e-9)


def weight_of(demo):
    return tuple(int(i) for i in demo.product.weight.removeprefix("w1[").removesuffix("]").split(", "))


def test_the_product_by_hand(demo, net):
    neuron, pixel = weight_of(demo)
    image = np.array(demo.digit.pixels).reshape(64)
    z, shares = by_hand(net, image)
    w2 = net[2].weight.data.astype(float)
    asked = shares - np.eye(10)[demo.digit.truth]
    arriving, slope, ink = demo.product.factors
    assert (arriving.name, slope.name, ink.name) == (
        f"∂L/∂h[0, {neuron}]",
        f"∂h[0, {neuron}]/∂z[0, {neuron}]",
        f"∂z[0, {neuron}]/∂w1[{neuron}, {pixel}]",
    )
    assert arriving.value == pytest.approx(asked @ w2[:, neuron], rel=1e-9)
    assert slope.value == (z[neuron] > 0)
    assert ink.value == image[pixel]
    assert 0 < ink.value < 1
    assert demo.product.gradient == pytest.approx((asked @ w2[:, neuron]) * image[pixel], rel=1e-9)
    assert len(demo.product.paths) == 10
    largest = demo.product.paths[0]
    assert abs(largest.share) == pytest.approx(np.abs(asked * w2[:, neuron]).max(), rel=1e-9)
    assert math.fsum(path.share for path in demo.product.paths) == pytest.approx(arriving.value, rel=1e-12)


def test_the_nudge_by_hand(demo, net):
    neuron, pixel = weight_of(demo)
    image = np.array(demo.digit.pixels).reshape(64)
    exact = work.in_float64(net)
    exact[0].weight.data[neuron, pixel] += demo.nudge.step
    _, shares = by_hand(exact, image)
    assert demo.nudge.measured == pytest.approx(-math.log(shares[demo.digit.truth]) - demo.digit.loss, rel=1e-6)
    assert demo.nudge.predicted == pytest.approx(demo.product.gradient * demo.nudge.step, rel=1e-12)
    assert demo.nudge.predicted == pytest.approx(demo.nudge.measured, rel=0.02)


def test_all_gradients_were_checked(demo):
    assert demo.check.count == demo.parameters == 2410
    assert 0 < demo.check.worst < 1e-8
    assert demo.check.largest > 0.1


def test_the_check_finds_a_wrong_gradient(net):
    exact = work.in_float64(net)
    *_, x, y = hold_out(*load_digits())
    image, target = x[:1].astype(float), y[:1]
    work.recorded_loss(exact, image, target).backward()
    before = [p.data.copy() for p in exact.parameters()]
    exact[2].bias.grad.data[4] += 1e-3
    assert work.check_gradients(exact, image, target).worst == pytest.approx(1e-3, rel=1e-3)
    for p, held in zip(exact.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.data, held)


def test_a_network_that_reads_nothing_says_so():
    blank = nn.Sequential(nn.Linear(64, 32, dtype=float, rng=0), nn.ReLU(), nn.Linear(32, 10, dtype=float, rng=0))
    with pytest.raises(ChainruleError, match="train it for more epochs"):
        work.telling_example(blank, np.zeros((0, 64)), np.zeros(0, int))


def test_a_digit_at_relus_kink_is_passed_over():
    still = nn.Sequential(nn.Linear(64, 32, dtype=float, rng=0), nn.ReLU(), nn.Linear(32, 10, dtype=float, rng=0))
    still[0].bias.data[...] = 0.0
    still[2].bias.data[...] = np.eye(10)[4]
    still[2].weight.data[...] *= 0.01
    # The blank image leaves every neuron at 0 exactly, and is the least sure of the two.
    images = np.stack([np.zeros(64), np.linspace(0, 1, 64)])
    assert work.telling_example(still, images, np.array([4, 4])) == 1


def test_every_path_is_a_product_of_what_arrives_and_what_leaves(demo, net):
    neuron, _ = weight_of(demo)
    image = np.array(demo.digit.pixels).reshape(64)
    _, shares = by_hand(net, image)
    asked = shares - np.eye(10)[demo.digit.truth]
    w2 = net[2].weight.data.astype(float)
    seen = set()
    for path in demo.product.paths:
        k = int(path.through.removeprefix("s[0, ").removesuffix("]"))
        seen.add(k)
        assert (path.arriving.name, path.link.name) == (f"∂L/∂s[0, {k}]", f"∂s[0, {k}]/∂h[0, {neuron}]")
        assert path.arriving.value == pytest.approx(asked[k], rel=1e-9)
        assert path.link.value == w2[k, neuron]
        assert path.link.operation == "affine"
    assert seen == set(range(10))
    shown = [abs(path.share) for path in demo.product.paths]
    assert shown == sorted(shown, reverse=True)


def test_the_links_are_those_of_the_explanation(demo, net):
    from chainrule.derivation.explain import explain

    image = np.array(demo.digit.pixels).reshape(1, 64)
    exact = work.in_float64(net)
    loss = work.recorded_loss(exact, image, np.array([demo.digit.truth]))
    told = explain(loss, exact[0].weight[weight_of(demo)], "chain")
    assert told.gradient == pytest.approx(demo.product.gradient, rel=1e-12)
    assert told.counts["links"] == len(demo.product.factors) == 3


# The screen


def printed(demo, width=80, **settings):
    out = io.StringIO()
    screen.show(demo, Console(file=out, width=width, **settings))
    return out.getvalue()


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("width", [80, 100])
def test_it_is_one_screen(seed, width):
    text = printed(work.run(seed, epochs=EPOCHS), width).splitlines()
    assert 20 <= len(text) <= 30
    assert max(map(len, text)) <= 80


def test_the_accuracy_has_its_line(demo):
    assert f"held-out accuracy: {demo.accuracy:.3f}" in printed(demo).splitlines()


def test_what_is_printed_multiplies_to_the_printed_gradient(demo):
    line = next(line for line in printed(demo).splitlines() if line.startswith("     = "))
    factors, gradient = line.removeprefix("     = ").rsplit(" = ", 1)
    product = math.prod(float(factor.strip("()")) for factor in factors.split(" · "))
    assert product == pytest.approx(float(gradient), rel=1e-3)
    assert float(gradient) == pytest.approx(demo.product.gradient, rel=1e-3)


def test_the_numbers_on_the_screen_are_the_demos(demo):
    text = printed(demo)
    for part in (
        f"it is a {demo.digit.truth}.",
        f"says {demo.digit.answer}:",
        f"{100 * demo.digit.shares[demo.digit.answer]:.1f} %",
        "2,410 parameters",
        f"{demo.nudge.predicted:+.4e}",
        f"{demo.nudge.measured:+.4e}",
        f"{demo.check.worst:.1e}",
        f"{demo.planted.line}: {demo.planted.name}, {demo.planted.link}",
    ):
        assert part in text


def test_a_product_that_is_not_the_gradient_is_never_printed():
    factor = work.Factor("L", "w", 2.0, "mul")
    assert screen.multiplied([factor, factor], 4.0) == "2 · 2 = 4"
    assert screen.multiplied([factor, work.Factor("h", "w", -0.33333, "mul")], -0.66666) == "2 · (-0.3333) = -0.6667"
    with pytest.raises(ChainruleError, match="internal error"):
        screen.multiplied([factor, factor], 4.0 + 1e-7)


def test_half_blocks():
    out = io.StringIO()
    Console(file=out, width=20).print(screen.HalfBlocks([[1, 0, 1, 0], [1, 1, 0, 0]]))
    assert out.getvalue() == "█▄▀ \n"
    out = io.StringIO()
    Console(file=out, width=20, force_terminal=True, color_system="truecolor", no_color=False).print(
        screen.HalfBlocks([[1.0], [0.2]])
    )
    assert "\x1b[38;2;255;255;255;48;2;51;51;51m▀" in out.getvalue()


def test_enlarging_keeps_corners_and_lies_between_pixels():
    picture = screen.enlarged([[0.0, 1.0], [0.5, 0.5]], 2)
    assert [len(row) for row in picture] == [4] * 4
    assert picture[0] == pytest.approx([0.0, 0.25, 0.75, 1.0])
    assert picture[3] == pytest.approx([0.5] * 4)
    assert picture[1] == pytest.approx([0.125, 0.3125, 0.6875, 0.875])


def test_blocks_can_be_added(demo):
    out = io.StringIO()
    screen.show(demo, Console(file=out, width=80), [screen.check, lambda demo: f"seed {demo.seed}"])
    assert out.getvalue().splitlines()[-1] == "seed 3"


def test_the_commands_to_try_exist_and_the_demo_leaves_its_page_and_its_pass(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from chainrule.cli.app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(payload, "stories", lambda subject: ())  # which take most of the time; test_app has the whole
    shown = {}
    for arguments, _ in screen.NEXT:
        result = CliRunner().invoke(app, [*shlex.split(arguments), *PAGE.get(arguments, ())])
        assert result.exit_code == 0, arguments
        shown[arguments] = result.output
    (demo,) = PAGE
    assert (tmp_path / "seen.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "seen.py").read_text().startswith("import numpy as np")
    assert str(tmp_path / "seen.py") in shown[demo]
    assert "\x1b" not in shown[demo]


PAGE = {"demo --seed 1": ("--page", "seen.html")}
"""The command that leaves a page, and where it is to go."""


def test_the_planted_mistake_is_found_and_the_copy_is_right_without_it(demo):
    assert demo.planted.name == "relu-mask-wrong"
    assert demo.planted.link == "∂h/∂z"

    def mended(x, W1, b1, W2, b2, Y):
        h = np.maximum(x @ W1 + b1, 0)
        return x.T @ ((softmax(h @ W2 + b2) - Y) @ W2.T * (h > 0)), h.T @ (softmax(h @ W2 + b2) - Y)

    def softmax(s):
        return np.exp(s) / np.exp(s).sum()

    shapes = {"x": (1, 64), "W1": (64, 32), "b1": (32,), "W2": (32, 10), "b2": (10,), "Y": (1, 10)}
    assert cr.grade(work.FORWARD, mended, wrt=["W1", "W2"], shapes=shapes).right


def test_the_pass_that_is_written_is_the_one_that_trains(demo, tmp_path):
    """The file runs where this package is not, and gives the loss and gradients of the engine."""
    place = tmp_path / "written.py"
    place.write_text(demo.written.source)
    module = runpy.run_path(str(place))
    rng = np.random.default_rng(0)
    net = cr.nn.Sequential(cr.nn.Linear(64, 32, rng=rng), cr.nn.ReLU(), cr.nn.Linear(32, 10, rng=rng))
    x, y = rng.uniform(size=(demo.written.examples, 64)).astype(np.float32), rng.integers(0, 10, 32)
    value, *gradients = module["loss"](*[parameter.data for parameter in net.parameters()], x, y)
    loss = cr.nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    assert float(value) == pytest.approx(loss.item(), rel=1e-6)
    for found, parameter in zip(gradients, net.parameters(), strict=True):
        np.testing.assert_allclose(found, parameter.grad.data, rtol=1e-4, atol=1e-7)
    assert "chainrule" not in demo.written.source
    assert 10 <= demo.written.lines <= 15
    assert f"{demo.written.lines} lines of NumPy; 32 digits" in printed(demo)
    assert 0 < demo.written.seconds < 1

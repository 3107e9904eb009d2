"""Plots by their data: what each line, point and arrow says is what the engine or NumPy gives; no pixel is compared."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, DtypeError, FormatError, FormulaError, ShapeError

matplotlib = pytest.importorskip("matplotlib", reason="plots are drawn by Matplotlib: pip install '.[plot]'")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    """No figure stays open."""
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    yield
    pyplot.close("all")
    assert dict(matplotlib.rcParams) == before, "a theme holds for one plot alone"


def lines(ax):
    """The lines of some axes with their data, by label."""
    return {line.get_label(): np.array(line.get_data(), dtype=float) for line in ax.lines}


def test_a_tangent_and_its_secants():
    ax = cr.plot.tangent("x**3 - 3*x", 2.0, steps=(1.0, 0.5))
    curve, tangent, first, second = [np.array(line.get_data(), dtype=float) for line in ax.lines[:4]]
    x = curve[0]
    np.testing.assert_allclose(curve[1], x**3 - 3 * x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(tangent[1], 2 + 9 * (x - 2), rtol=1e-12, atol=1e-12)
    for h, secant in ((1.0, first), (0.5, second)):
        quotient = (((2 + h) ** 3 - 3 * (2 + h)) - 2) / h
        np.testing.assert_allclose(secant[1], 2 + quotient * (x - 2), rtol=1e-12)
        assert f"h = {h:g}: {quotient:g}" in lines(ax)
    assert "the slope at 2 is 9" in ax.get_title()


@pytest.mark.parametrize(
    "f", [cr.sin, lambda x: cr.sin(x), "sin(x)", np.sin], ids=["rule", "function", "text", "numpy"]
)
def test_any_function_of_one_number(f):
    ax = cr.plot.tangent(f, 1.0)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.sin(ax.lines[0].get_xdata()), rtol=1e-14)
    assert "0.5403" in ax.lines[1].get_label()


NAMED = (
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "mish",
    "hardtanh",
    "relu6",
)


@pytest.mark.parametrize("name", NAMED)
def test_activations_are_what_pytorch_draws(name):
    torch = pytest.importorskip("torch", reason="activations are compared with PyTorch's")
    ax = cr.plot.activation(name)
    values, slopes = [np.array(line.get_data()) for line in ax.lines[:2]]
    x = torch.tensor(values[0], requires_grad=True)
    found = getattr(torch.nn.functional, name, None) or getattr(torch, name)
    out = found(x)
    out.sum().backward()
    np.testing.assert_allclose(values[1], out.detach().numpy(), rtol=1e-12, atol=1e-12)
    # At a kink PyTorch may choose the other side: the points beside it are what the curve shows.
    apart = np.ones(len(values[0]), bool)
    apart[[np.argmin(np.abs(values[0] - kink)) for kink in (-1.0, 0.0, 1.0)]] = False
    np.testing.assert_allclose(slopes[1][apart], x.grad.numpy()[apart], rtol=1e-11, atol=1e-11)


def test_several_activations_and_their_formulas():
    panels = cr.plot.activation("tanh", "sigmoid")
    assert [line.get_label() for panel in panels for line in panel.lines[:2]] == [
        "tanh(x)", "slope: 1 − tanh(x)²", "σ(x)", "slope: σ(x) · (1 − σ(x))",
    ]  # fmt: skip
    assert len(cr.plot.activation()) == 6
    with pytest.raises(FormulaError, match="no function 'swishh'"):
        cr.plot.activation("swishh")


def test_a_loss_and_its_slope():
    ax = cr.plot.loss("0.5*(yhat - y)**2", 1.0, at=2.0)
    values, slopes, tangent = [np.array(line.get_data(), dtype=float) for line in ax.lines[:3]]
    np.testing.assert_allclose(values[1], 0.5 * (values[0] - 1) ** 2, atol=1e-15)
    np.testing.assert_allclose(slopes[1], values[0] - 1, atol=1e-15)
    np.testing.assert_allclose(tangent[1], 0.5 + (values[0] - 2), atol=1e-15)
    ax = cr.plot.loss("-(y*log(yhat) + (1-y)*log(1-yhat))", 1.0, span=1.5)
    values, slopes = [np.array(line.get_data(), dtype=float) for line in ax.lines[:2]]
    assert np.isnan(slopes[1][values[0] < 0]).all()
    assert np.isfinite(slopes[1][(values[0] > 0) & (values[0] < 1)]).all()


def test_a_loss_is_seen_where_its_point_is_and_a_long_formula_only_begun():
    ax = cr.plot.loss("0.5*(yhat - y)**2", 20.0, at=2.0)
    x, values = ax.lines[0].get_data()
    assert x[0] == 0.0
    assert x[-1] == 22.0
    low, high = ax.get_ylim()
    assert low < values.min()
    assert high > 0.5 * 18**2
    long = "+".join([f"sin({n}*x)/{n}" for n in range(1, 100)])
    for ax in (cr.plot.tangent(long, 1.0), cr.plot.quotients(long, 1.0), cr.plot.gradient(long + "+y", (1.0, 1.0))[0]):
        told = [ax.get_title(), ax.figure.get_suptitle(), *[line.get_label() for line in ax.lines]]
        assert "sin(x)/1 + sin(2x)/2" in " ".join(told)
        assert max(map(len, told)) < 120


def test_errors_that_are_0_are_told_where_they_have_no_place():
    forward, central = [line.get_label() for line in cr.plot.quotients("abs(x)", 0.0).lines[:2]]
    assert "0 at" not in forward
    assert central.endswith("; 0 at 76 of 76 steps")


@pytest.mark.parametrize("make", [nn.MSELoss, nn.L1Loss, nn.HuberLoss])
def test_losses_of_nn(make):
    ax = cr.plot.loss(make(), 1.0, at=2.5)
    x, values = ax.lines[0].get_data()
    module = make()
    assert values[7] == pytest.approx(float(module(np.array([x[7]]), np.array([1.0]))))
    slopes = ax.lines[1].get_ydata()
    measured = (values[2:] - values[:-2]) / (x[2:] - x[:-2])
    middle = np.abs(np.diff(slopes, 2)) < 1e-9
    np.testing.assert_allclose(slopes[1:-1][middle], measured[middle], atol=1e-6)


def test_errors_of_difference_quotients():
    ax = cr.plot.quotients("exp(x)", 1.0)
    (h, forward), (_, central) = [np.array(line.get_data(), dtype=float) for line in ax.lines[:2]]
    at = np.argmin(np.abs(h - 1e-4))
    assert forward[at] == pytest.approx(np.e / 2 * h[at], rel=0.01)
    at = np.argmin(np.abs(h - 1e-2))
    assert central[at] == pytest.approx(np.e / 6 * h[at] ** 2, rel=0.01)
    assert forward.argmin() < central.argmin()
    assert 1e-10 < h[forward.argmin()] < 1e-6


def test_the_gradient_on_contours_slices_and_the_tangent_plane():
    contours, slices, space = cr.plot.gradient("x**2 + 3*x*y", (1.0, 2.0))
    (arrow,) = [item for item in contours.collections if hasattr(item, "U")]
    assert arrow.V[0] / arrow.U[0] == pytest.approx(3 / 8)
    offsets, along_x = slices.lines[0].get_data()
    np.testing.assert_allclose(along_x, (1 + offsets) ** 2 + 6 * (1 + offsets), atol=1e-12)
    np.testing.assert_allclose(slices.lines[1].get_ydata(), 7 + 8 * offsets, atol=1e-12)
    np.testing.assert_allclose(slices.lines[3].get_ydata(), 7 + 3 * offsets, atol=1e-12)
    x, y, z = corners(space.collections[1])
    np.testing.assert_allclose(z, 7 + 8 * (x - 1) + 3 * (y - 2), atol=1e-9)


def corners(surface):
    """The corners of a surface in space."""
    return np.moveaxis(np.asarray(surface._faces, dtype=float), -1, 0)


def test_a_surface_with_the_paths_of_optimizers():
    plain = {"plain": lambda knobs: cr.optim.SGD(knobs, lr=0.05)}
    space, contours = cr.plot.surface("x**2 + 10*y**2", start=(2.0, 1.0), optimizers=plain, steps=3)
    (path,) = [line for line in contours.lines if line.get_label().startswith("plain")]
    expected = [(2 * 0.9**k, 0.0 if k else 1.0) for k in range(4)]
    np.testing.assert_allclose(np.transpose(path.get_data()), expected, atol=1e-12)
    x, y, z = space.lines[0].get_data_3d()
    np.testing.assert_allclose(z, x**2 + 10 * y**2, rtol=1e-12)
    x, y, z = corners(space.collections[0])
    np.testing.assert_allclose(z, x**2 + 10 * y**2, atol=1e-9)
    names = [line.get_label().partition(":")[0] for line in cr.plot.surface("x**2 + y**2", steps=4)[1].lines[:4]]
    assert names == ["SGD", "momentum", "RMSprop", "Adam"]


def path_of(contours):
    """The path of the optimizer that is called plain."""
    return next(line for line in contours.lines if line.get_label().startswith("plain"))


def test_a_surface_over_two_weights_of_a_network_puts_them_back():
    net = nn.Sequential(nn.Linear(2, 3, dtype=float, rng=0), nn.Tanh(), nn.Linear(3, 1, dtype=float, rng=1))
    x, y = np.array([[0.5, -1.0], [1.0, 2.0]]), np.array([[0.0], [1.0]])
    before = {name: p.data.copy() for name, p in net.named_parameters()}

    def loss():
        return nn.MSELoss()(net(x), y)

    value = loss()
    value.backward()
    slope = net[0].weight.grad.data[0, 1], net[2].weight.grad.data[0, 2]
    net.zero_grad()
    net[0].weight.label = "w1"
    pair = ((net[0].weight, (0, 1)), (net[2].weight, (0, 2)))
    plain = {"plain": lambda knobs: cr.optim.SGD(knobs, lr=0.1)}
    _, contours = cr.plot.surface(loss, pair, optimizers=plain, steps=1)
    start, end = np.transpose(path_of(contours).get_data())
    np.testing.assert_allclose(end - start, -0.1 * np.array(slope), rtol=1e-10)
    assert contours.get_xlabel() == "w1[0, 1]"
    for name, parameter in net.named_parameters():
        np.testing.assert_array_equal(parameter.data, before[name])
    with pytest.raises(ShapeError, match="a pair of a parameter and a place"):
        cr.plot.surface(loss, ((net[0].weight, 0), (net[2].weight, 0)))
    with pytest.raises(ShapeError, match=r"no entry \[3, 0\]"):
        cr.plot.surface(loss, ((net[0].weight, (3, 0)), (net[2].weight, (0, 0))))
    with pytest.raises(DtypeError, match="one and the same"):
        cr.plot.surface(loss, ((net[0].weight, (2, 1)), (net[0].weight, (-1, -1))))
    with pytest.raises(FormulaError, match="a finite number, not nan"):
        cr.plot.surface(loss, pair, start=(np.nan, 0.0))


def test_rates_and_their_limit():
    curves, limit = cr.plot.rates("x**2 + 5*y**2", (1.0, 1.0), [0.05, 0.21], steps=12)
    slow, fast = [line.get_ydata() for line in curves.lines]
    k = np.arange(13)
    np.testing.assert_allclose(slow, 0.9 ** (2 * k) + 5 * 0.5 ** (2 * k), rtol=1e-10)
    np.testing.assert_allclose(fast, (1 - 0.42) ** (2 * k) + 5 * (1 - 2.1) ** (2 * k), rtol=1e-10)
    assert lines(limit)["2/λ"][0] == pytest.approx([0.2, 0.2])
    assert "> 2/λ" in curves.lines[1].get_label()
    _, limit = cr.plot.rates(lambda p: cr.sum((p - 1.0) ** 4) + cr.sum(p**2), [2.0, 0.0, 1.0], steps=5)
    assert 0 < lines(limit)["2/λ"][0][0] < 1


def test_rates_where_nothing_bends_or_a_loss_falls_below_0():
    curves, limit = cr.plot.rates("abs(x)", (3.0,))
    assert len(curves.lines) == len(limit.lines[0].get_xdata()) == 5
    assert limit.get_title() == "no curvature, and so no limit"
    assert curves.get_yscale() == "linear"
    curves, _ = cr.plot.rates("x**2 - 5", (3.0,), [0.1, 0.5])
    assert min(curves.lines[1].get_ydata()) == -5
    assert curves.get_yscale() == "linear"
    assert cr.plot.rates("x**2 - 5", (3.0,), [0.1, 1.2])[0].get_yscale() == "symlog"


def test_where_a_network_changes_its_mind():
    x = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    ax = cr.plot.boundary(lambda rows: rows[:, 0] - rows[:, 1] + 0.25, x, ["a", "b", "a"])
    line = next(item for item in ax.collections if hasattr(item, "levels")).get_paths()[0].vertices
    np.testing.assert_allclose(line[:, 1] - line[:, 0], 0.25, atol=1e-9)
    points = {item.get_label(): item.get_offsets() for item in ax.collections if item.get_label() in "ab"}
    np.testing.assert_array_equal(points["a"], x[[0, 2]])
    assert cr.plot.boundary(nn.Linear(2, 3, rng=0), x, [0, 1, 2], theme="dark")
    with pytest.raises(ShapeError, match="two inputs"):
        cr.plot.boundary(nn.Linear(3, 1), np.zeros((2, 3)), [0, 1])


def test_what_layers_do_to_a_grid_and_that_linear_ones_collapse():
    net = nn.Sequential(nn.Linear(2, 2, dtype=float, rng=0), nn.Linear(2, 2, dtype=float, rng=1), nn.Tanh())
    panels = cr.plot.layers(net, lines=5)
    assert len(panels) == 4
    start, first, second, last = [np.array([line.get_data() for line in panel.lines[:10]]) for panel in panels]
    points = np.moveaxis(start, 1, 2)
    np.testing.assert_allclose(
        np.moveaxis(first, 1, 2), net[0](points.reshape(-1, 2)).data.reshape(points.shape), atol=1e-12
    )
    np.testing.assert_allclose(last, np.tanh(second), atol=1e-12)
    joined = np.array([line.get_data() for line in panels[2].lines[10:]])
    np.testing.assert_allclose(joined, second[::1][: len(joined)], atol=1e-12)
    assert "one map" in panels[2].get_title()
    with pytest.raises(ShapeError, match=r"layer 0.*gives 3"):
        cr.plot.layers(nn.Sequential(nn.Linear(2, 3)))


def test_the_flow_of_gradients():
    net = nn.Sequential(nn.Linear(2, 4, rng=0), nn.ReLU(), nn.Linear(4, 1, rng=1))
    x = np.random.default_rng(0).normal(size=(8, 2))
    table = cr.training.gradient_flow(net, x, x[:, :1], loss=nn.MSELoss())
    sizes, idle = cr.plot.flow(table)
    delta, gradient = [[bar.get_height() for bar in bars] for bars in sizes.containers]
    assert delta == pytest.approx(table["delta"])
    assert gradient == pytest.approx(table["gradient"])
    dead = [bar.get_height() for bar in idle.containers[0]]
    assert dead[0] == pytest.approx(100 * table["dead"][0] / 4)


def test_weights_and_mistakes_as_images():
    weight = np.arange(32.0).reshape(2, 16)
    panels = cr.plot.weights(weight)
    np.testing.assert_array_equal(panels[1].images[0].get_array(), weight[1].reshape(4, 4))
    with pytest.raises(ShapeError, match="no image"):
        cr.plot.weights(np.ones((2, 15)))
    x = np.arange(12.0).reshape(3, 4)
    scores = np.array([[1.0, 0.0], [5.0, 0.0], [2.0, 0.0]])
    panels = cr.plot.mistakes(lambda rows: scores, x, [0, 1, 1])
    assert [panel.get_title() for panel in panels] == ["says 0, is 1"] * 2
    np.testing.assert_array_equal(panels[0].images[0].get_array(), x[1].reshape(2, 2))
    assert cr.plot.mistakes(lambda rows: scores, x, [0, 0, 0]) == []


def test_axes_of_the_users_own_and_themes():
    from matplotlib import pyplot

    _, ax = pyplot.subplots()
    for draw in (
        lambda: cr.plot.tangent("x", 1.0, ax=ax),
        lambda: cr.plot.activation("relu", ax=ax),
        lambda: cr.plot.loss("yhat - y", 1.0, ax=ax),
        lambda: cr.plot.quotients("x**2", 1.0, ax=ax),
    ):
        assert draw() is ax
    dark = cr.plot.tangent("x", 1.0, theme="dark")
    assert dark.get_facecolor()[:3] == pytest.approx(matplotlib.colors.to_rgb("#0d1117"))
    with pytest.raises(FormatError, match="no theme 'blue'"):
        cr.plot.tangent("x", 1.0, theme="blue")
    with pytest.raises(FormulaError, match="write it in x"):
        cr.plot.tangent("a*b", 1.0)


@pytest.mark.parametrize("formula", ["log(x)", "1/x", "sqrt(x)", "log(x)*exp(1/x)", "x**0.5 - 1/x**2"])
@pytest.mark.parametrize("kind", ["tangent", "quotients", "gradient", "surface", "rates", "loss"])
def test_where_a_function_is_not_finite(kind, formula):
    """What can be drawn is drawn, within finite limits; else it is said what is missing."""
    two = f"{formula} + 0*y"
    draw = {
        "tangent": lambda: [cr.plot.tangent(formula, 0.0)],
        "quotients": lambda: [cr.plot.quotients(formula, 0.0)],
        "gradient": lambda: cr.plot.gradient(two, (0.0, 1.0)),
        "surface": lambda: cr.plot.surface(two, start=(0.5, 0.5), steps=3),
        "rates": lambda: cr.plot.rates(two, (0.0, 1.0), [0.1]),
        "loss": lambda: [cr.plot.loss(two.replace("x", "yhat").replace("eyhatp", "exp"), 1.0, at=0.0)],
    }[kind]
    if kind in ("quotients", "rates"):
        with pytest.raises(FormulaError, match=r"choose another|not finite"):
            draw()
        return
    panels = draw()
    for panel in panels:
        assert np.isfinite([*panel.get_xlim(), *panel.get_ylim()]).all()
        panel.figure.canvas.draw()
        told = [line for line in panel.lines if not line.get_label().startswith("_")]
        assert all([np.isfinite(line.get_ydata()).any() for line in told])
    if kind == "tangent" and "sqrt" not in formula:
        assert "no tangent at 0" in panels[0].get_title()


def test_a_function_without_a_finite_value():
    with pytest.raises(FormulaError, match="no finite value"):
        cr.plot.tangent("log(-1 - x*x)", 0.0)


@pytest.mark.parametrize(
    ("formula", "at", "told"),
    [
        ("relu(x)", 0.0, "a kink at 0, slope 0 before and 1 after"),
        ("abs(x - 1)", 1.0, "a kink at 1, slope −1 before and 1 after"),
        ("maximum(x, x**2)", 1.0, "a kink at 1"),
        ("tanh(50*x)", 0.0, "the slope at 0 is 50"),
        ("x**2", 0.0, "the slope at 0 is 0"),
        ("elu(x)", 0.0, "the slope at 0 is 1"),
    ],
)
def test_a_tangent_on_a_kink_says_so(formula, at, told):
    assert told in cr.plot.tangent(formula, at).get_title()
    title = cr.plot.quotients(formula, at).get_title()
    assert told in title if "kink" in told else "the derivative is" in title


def test_a_curve_that_runs_away_is_cut_so_that_its_tangent_is_seen():
    low, high = cr.plot.tangent("exp(3*x)", 1.0, steps=(1.0,)).get_ylim()
    assert high - low < 2000  # the curve goes on to 8,000
    assert cr.plot.tangent("x**2", 0.0).get_ylim()[1] > 4.0


def test_what_is_said_on_a_kink_is_no_tangent_and_no_derivative():
    labels = [line.get_label() for line in cr.plot.tangent("abs(x)", 0.0).lines]
    assert "slope 0, taken" in labels
    assert not any("tangent" in label for label in labels)
    axes = cr.plot.quotients("relu(x)", 0.0)
    assert axes.get_ylabel() == "|difference quotient − the slope taken|"
    low, high = axes.get_ylim()
    assert high / low > 10  # there is a power of ten between them


def test_a_loss_is_drawn_where_it_is_defined():
    axes = cr.plot.loss("-log(yhat) + 0*y", 1.0, at=0.5)
    assert axes.get_xlim()[0] > -0.5


def test_a_gradient_of_nothing_has_no_arrow_and_no_length():
    assert cr.plot.gradient("x**2 - y**2", (0.0, 0.0))[0].get_title() == "∇f = (0, 0)"


def test_legends_stand_below_where_the_drawing_fills_the_axes():
    x = np.array([[0.0, 0.0], [1.0, 1.0]])
    boundary = cr.plot.boundary(lambda rows: rows.sum(1) - 1.0, x, [0.0, 1.0])
    assert [text.get_text() for text in boundary.get_legend().get_texts()] == ["0", "1"]
    for axes in (boundary, cr.plot.surface("x**2 + y**2", steps=2)[1]):
        axes.figure.canvas.draw()
        below = axes.get_legend().get_window_extent()
        assert below.y1 < axes.xaxis.label.get_window_extent().y0


def test_the_boundary_of_classes_is_a_line_and_no_staircase():
    x = np.array([[0.0, 0.0], [1.0, 1.0]])
    axes = cr.plot.boundary(lambda rows: rows @ np.array([[1.0, -0.5], [-0.3, 0.4]]), x, [0, 1])
    lines = [item for item in axes.collections if hasattr(item, "levels") and not item.filled]
    points = np.concatenate([path.vertices for line in lines for path in line.get_paths()])
    np.testing.assert_allclose(points @ [1.5, -0.7], 0.0, atol=1e-9)


def test_rates_that_reach_0_have_an_axis_from_0_with_few_numbers():
    curves, limit = cr.plot.rates("(x - 20)**2/2", (2.0,))
    for axes in (curves, limit):
        assert axes.get_yscale() == "symlog"
        assert axes.get_ylim()[0] == 0
        assert len(axes.get_yticks()) < 12


def test_the_names_of_many_layers_have_room():
    layers = [layer for k in range(10) for layer in (nn.Linear(3, 3, rng=k), nn.ReLU())]
    x = np.ones((2, 3))
    sizes, _ = cr.plot.flow(cr.training.gradient_flow(nn.Sequential(*layers), x, x, loss=nn.MSELoss()))
    assert sizes.get_xlabel() == "Linear layer, from the inputs"
    assert [text.get_text() for text in sizes.get_xticklabels()][:2] == ["0", "2"]
    assert "e-" not in sizes.figure.get_suptitle()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_stand_out_on_the_paper(theme):
    """A contour's lowest and highest colour, the dots of two signs: contrast with the paper at least 2 to 1."""
    from matplotlib import pyplot
    from matplotlib.colors import to_rgb

    from chainrule.pictures.ink import THEMES
    from chainrule.plot.style import for_lines, for_signs

    def light(colour):
        parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))

    paper = light(THEMES[theme]["paper"])
    for colours in (for_lines(pyplot, theme), for_signs(pyplot, theme)):
        for end in (0.0, 1.0):
            brighter, darker = sorted([light(colours(end)[:3]), paper], reverse=True)
            assert (brighter + 0.05) / (darker + 0.05) > 2


X = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def pair(*places):
    """Two entries of a new layer's weights."""
    weight = nn.Linear(2, 2, dtype=float, rng=0).weight
    return [(weight, place) for place in places]


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda: cr.plot.tangent("x**2", np.nan), "the point of a tangent is a finite number, not nan"),
        (lambda: cr.plot.tangent("x**2", 1.0, steps=(0.0,)), "its step h is not 0"),
        (lambda: cr.plot.tangent("x**2", 1.0, span=-1.0), "span is above 0, not -1"),
        (lambda: cr.plot.tangent("x**2", "a"), "a number, as 2.0, not 'a'"),
        (lambda: cr.plot.tangent(lambda x: cr.stack([x, x]), 1.0), r"f\(x\) gives \(2,\) for one number"),
        (lambda: cr.plot.activation("Relu"), "did you mean relu"),
        (lambda: cr.plot.activation("matmul"), "no function of one number"),
        (lambda: cr.plot.activation("relu", "tanh", ax=object()), "one activation is drawn into one ax"),
        (lambda: cr.plot.quotients("0*x", 1.0), "there is no error to draw"),
        (lambda: cr.plot.gradient("x*y", (1.0,)), r"the point takes 2 numbers, as \[2.0, 2.0\], not \(1.0,\)"),
        (lambda: cr.plot.surface("x*y", steps=-1), "steps is a whole number from 0 on, not -1"),
        (lambda: cr.plot.surface(lambda: 1.0, pair((0, 0), (0, 1))), "this function gives a float"),
        (lambda: cr.plot.surface(lambda: None, [1, 2]), "a pair of a parameter and a place"),
        (lambda: cr.plot.surface(lambda: None, pair((0, 0.5), (0, 1))), "a pair of a parameter and a place"),
        (lambda: cr.plot.rates("x**2", 1.0, []), "give at least one"),
        (lambda: cr.plot.rates("x**2", 1.0, [-0.1]), "rates above 0"),
        (lambda: cr.plot.boundary(len, X[:0], []), "give at least one"),
        (lambda: cr.plot.boundary(len, np.where(X[:, :1] == 1, np.nan, X), [0, 1, 0]), "row 1 of x is not finite"),
        (lambda: cr.plot.layers(nn.Linear(2, 2), lines=0), "lines is a whole number"),
        (lambda: cr.plot.flow([1, 2]), "gradient_flow"),
        (lambda: cr.plot.weights(3.0), "images are made of rows"),
        (lambda: cr.plot.mistakes(lambda rows: np.eye(2), np.zeros((2, 5)), [1, 0]), "no image of 2 × 2"),
        (lambda: cr.plot.mistakes(lambda rows: np.eye(2), np.zeros((2, 4)), [5, 0]), "a whole number from 0 to 1"),
        (lambda: cr.plot.mistakes(lambda rows: np.eye(2), np.zeros((2, 4)), ["a", "b"]), "a whole number from 0 to 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(draw, told):
    with pytest.raises(ChainruleError, match=told):
        draw()


def test_a_function_that_does_not_work_entry_by_entry_is_asked_for_each_number():
    """One with an `if`, one that averages: on an array they fail, or give the same number everywhere."""
    x, y = cr.plot.tangent(lambda x: x * x if x > 0 else -x, 1.0, steps=()).lines[0].get_data()
    np.testing.assert_allclose(y, np.where(x > 0, x * x, -x), rtol=1e-12)
    x, y = cr.plot.tangent("mean(x)**2", 1.0, steps=()).lines[0].get_data()
    np.testing.assert_allclose(y, x**2, rtol=1e-12)


def test_descent_from_a_saddle_or_a_top_has_no_limit():
    for formula in ("x**2 - y**2", "-x**2 - y**2"):
        assert cr.plot.rates(formula, (1.0, 1.0), steps=3)[1].get_title() == "no minimum, and so no limit"


def test_what_is_no_number_stays_blank_and_is_said():
    axes = cr.plot.boundary(lambda rows: np.where(rows[:, 0] > 0.5, np.nan, rows[:, 0] - 0.2), X, [0, 1, 0])
    assert "blank where that is no finite number" in axes.get_title().replace("\n", " ")
    assert any([len(item.get_paths()) for item in axes.collections if hasattr(item, "levels")])
    assert cr.plot.weights([1.0, np.inf, 2.0, 3.0])[0].get_title() == "unit 0, not finite"
    panels = cr.plot.mistakes(lambda rows: np.array([[np.nan, 0.0], [0.0, 1.0]]), np.zeros((2, 4)), [0, 1])
    assert [panel.get_title() for panel in panels] == ["says nan, is 0"]


def test_small_axes_of_the_users_own_have_the_theme_and_whole_titles():
    from matplotlib import pyplot
    from matplotlib.colors import to_rgb

    figure, ax = pyplot.subplots(figsize=(4, 3), layout="constrained")
    cr.plot.tangent("sin(x)*exp(-x/3)", 10.0, ax=ax, theme="dark")
    figure.canvas.draw()
    title = ax.title.get_window_extent()
    assert 0 <= title.x0 < title.x1 <= figure.bbox.width
    for colour in (ax.get_facecolor(), figure.get_facecolor()):
        assert colour[:3] == pytest.approx(to_rgb("#0d1117"))
    assert to_rgb(ax.lines[0].get_color()) == pytest.approx(to_rgb("#5ab4f0"))
    figure, ax = pyplot.subplots(figsize=(4, 3))
    cr.plot.boundary(lambda rows: rows @ np.eye(2, 9), np.random.default_rng(0).normal(size=(9, 2)), range(9), ax=ax)
    figure.canvas.draw()
    key = ax.get_legend().get_window_extent()
    assert 0 <= key.x0 < key.x1 <= figure.bbox.width
    looks = {
        (str(to_rgb(points.get_facecolor()[0])), points.get_paths()[0].vertices.tobytes())
        for points in ax.collections[-9:]
    }
    assert len(looks) == 9


@pytest.mark.parametrize(("formula", "poles"), [("1/x", 1), ("tan(3*x)", 4), ("sin(9*x)", 0), ("relu(x) - abs(x)", 0)])
def test_a_curve_is_not_joined_across_a_pole(formula, poles):
    _, y = cr.plot.tangent(formula, 0.11, steps=()).lines[0].get_data()
    assert np.isnan(y).sum() == poles

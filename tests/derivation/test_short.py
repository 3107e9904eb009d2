"""The short answer: at most a dozen lines in every dialect: formula, slopes, result, and what it means."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.explain import NEAREST
from chainrule.derivation.record import Equation, Note
from chainrule.errors import GraphError, ShapeError
from chainrule.maths import Derivative, Symbol, unicode

from .pages import PAGES, derivations
from .run_as_numpy import check
from .spelled import spelled

TOLD = [pytest.param(name, told, id=f"{name}-{dialect}") for name, dialect, told in derivations()]


def lstm():
    cell = cr.nn.LSTM(2, 2, rng=0)
    out, _ = cell(np.ones((1, 3, 2), dtype="f"))
    return cr.sum(out**2), next(iter(cell.parameters()))


def digits_net():
    rng = np.random.default_rng(0)
    net = cr.nn.Sequential(cr.nn.Linear(784, 30, rng=0), cr.nn.Sigmoid(), cr.nn.Linear(30, 10, rng=1), cr.nn.Sigmoid())
    return cr.nn.MSELoss("half_sum")(net(rng.normal(size=(10, 784))), rng.uniform(size=(10, 10))), net[0].weight


def norm_at(numbers):
    x = cr.Tensor(numbers, requires_grad=True, label="x")
    return cr.norm(x), x


def where():
    x = cr.Tensor([-1.0, 2.0], requires_grad=True, label="x")
    return cr.sum(cr.where(x > 0, x**2, 0.0)), x


MORE = {"lstm": lstm, "784-30-10": digits_net, "norm": lambda: norm_at([3.0, 4.0]), "where": where}


@pytest.mark.parametrize(("name", "told"), TOLD)
def test_twelve_lines_are_enough(name, told):
    for text in (told.text(width=80), told.text(width=120)):
        lines = text.rstrip().splitlines()
        assert len(lines) <= 12
        assert max(map(len, lines)) <= 120
    assert any(isinstance(block, Equation) for block in told.short)


@pytest.mark.parametrize("name", MORE)
@pytest.mark.parametrize("dialect", NEAREST)
def test_twelve_lines_are_enough_of_larger_things(name, dialect):
    output, wrt = MORE[name]()
    for what in (wrt, wrt[(0,) * wrt.ndim], None):
        told = if_it_applies(output, what, dialect)
        assert told is None or len(told.text(width=80).rstrip().splitlines()) <= 12


def if_it_applies(output, wrt, dialect):
    try:
        return cr.explain(output, wrt, dialect)
    except GraphError as error:
        if "does not apply" in str(error):
            return None
        raise


@pytest.mark.parametrize(("name", "told"), TOLD)
def test_a_book_s_letter_is_explained_or_computed(name, told):
    """What is neither the user's name nor computed on the page stands in the line that says what letters are."""
    text = told.text()
    for letter, stands in (("z⁽", "z⁽ˡ⁾"), ("v₁", "v₁ = "), ("δ⁽", "δ⁽")):
        if letter in text:
            computed = any(str(line).lstrip().startswith(letter) for line in text.splitlines())
            assert stands in text or computed, text


def test_the_gradients_on_the_way_are_in_the_names_of_the_reader():
    output, wrt = PAGES["least_squares"]()
    lines = cr.explain(output, wrt, "graph").text().splitlines()
    assert any("∂L/∂r = 2r" in line for line in lines)
    assert any("∂L/∂v = Aᵀ ∂L/∂r" in line for line in lines)


def test_one_derivative_of_each_kind_of_array_is_right_in_symbols():
    """The checks of every side hold what is printed; here that something is printed at all."""
    x = cr.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, label="X")
    a = cr.Tensor([0.5, -1.0], label="a")
    for output, formula in (
        (cr.sum(x @ a), "𝟏 aᵀ"),
        (cr.sum(cr.exp(x)), "exp(X)"),
        (cr.trace(x @ x), "2Xᵀ"),
        (cr.sum(x * x), "2X"),
    ):
        output.label = "L"
        assert f"∂L/∂X = {formula}" in cr.explain(output, x, "graph").text(), formula


def test_a_gradient_is_an_arrow():
    output, x = norm_at([3.0, 4.0])
    output.label = "L"
    assert "L rises fastest along (0.6, 0.8), by 1 for each unit of length." in cr.explain(output, x).text()
    a, b = cr.Value(3.0, label="a"), cr.Value(4.0, label="b")
    product = a * b
    product.label = "p"
    assert "p rises fastest along (0.8, 0.6), by 5 for each unit" in cr.explain(product, [a, b]).text()


def test_the_slope_along_a_direction():
    x = cr.Tensor([1.0, 2.0], requires_grad=True, label="x")
    output = cr.sum(x**2)
    output.label = "L"
    told = cr.explain(output, x, direction=[3.0, 4.0])
    (equation,) = [block for block in told.short if isinstance(block, Equation) and "∂v" in spelled(block.sides[0])]
    assert spelled(equation) == "∂L/∂v = (∂L/∂x)ᵀ [3; 4] = [2, 4] [3; 4] = 22"
    assert "for each unit of it L moves by 4.4" in told.text()
    with pytest.raises(ShapeError, match="shape of what it moves"):
        cr.explain(output, x, direction=[1.0])
    with pytest.raises(GraphError, match="one array for each"):
        cr.explain(output, direction=[1.0])


def test_a_jacobian_of_a_vector_is_told_row_by_row():
    x = cr.Tensor([1.0, 2.0], requires_grad=True, label="x")
    f = cr.sin(cr.Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], label="A") @ x)
    f.label = "f"
    told = cr.explain(f, x)
    (matrix,) = [block for block in told.short if isinstance(block, Equation) and block.sides[0] == Symbol("J")]
    expected = cr.jacobian(lambda x: cr.sin(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]) @ x))(np.array([1.0, 2.0]))
    assert np.allclose(told.gradient, expected, rtol=1e-12)
    assert len(matrix.sides[-1].rows) == 3
    a, b = cr.Value(2.0, label="a"), cr.Value(3.0, label="b")
    assert cr.explain([a * b, a + b], a).gradient == (3.0, 1.0)
    with pytest.raises(GraphError, match="up to 6 outputs, and here are 7"):
        cr.explain([a * k for k in range(7)], a)


@pytest.mark.parametrize("at", [20.0, 1000.0])
def test_what_is_flat_here_alone_is_no_invariance(at):
    x = cr.Value(at, label="x")
    for output in (cr.relu(-x), cr.sigmoid(30 * x), cr.tanh(x) * 2):
        assert "invariance" not in cr.explain(output, x).text()
    v = cr.Tensor([-at, 1.0], requires_grad=True, label="v")
    assert "invariance" not in cr.explain(cr.sum(cr.where(v > 0, v, 0.0)), v[0]).text()


INVARIANT = {
    "a shift before a softmax": lambda b, z: -cr.log_softmax(z + b)[1],
    "a bias before a normalisation": lambda b, z: cr.sum(((z + b - cr.mean(z + b)) / cr.std(z + b))[:2]),
    "a shift before a standard deviation": lambda b, z: cr.std(z + b),
    "a scale before a norm": lambda b, z: cr.sum((b * z / cr.norm(b * z))[:2]),
    "a factor that drops out": lambda b, z: cr.sum(b * z) / b,
}


@pytest.mark.parametrize("name", INVARIANT)
def test_a_zero_by_invariance_is_named_of_tensors(name):
    b = cr.Tensor(0.5, requires_grad=True, label="b")
    output = INVARIANT[name](b, cr.Tensor([1.0, 2.0, 4.0], label="z"))
    output.label = "L"
    text = cr.explain(output, b).text()
    assert "0 by invariance" in text
    assert text.startswith("dL/db = 0,")
    assert "lowers" not in text
    assert "raises" not in text


@pytest.mark.parametrize("at", [0.0, 1.0, -3.0])
def test_a_function_that_comes_back_is_no_invariance(at):
    """A period that all tried places have in common would look like one."""
    for period in (1.0, 0.5, 2.0, 1 / 3):
        x = cr.Value(at, label="x")
        assert "invariance" not in cr.explain(cr.cos(2 * np.pi * x / period), x).text()


WITHOUT_VALUE = {
    "ln(x) is not defined at x = −1": lambda x: cr.log(x) + x,
    "acosh(x) is not defined at x = −1": lambda x: 3.0 * cr.acosh(x),
    "√x is not defined at x = −1": lambda x: cr.sin(cr.sqrt(x)) * x,
}


@pytest.mark.parametrize("reason", WITHOUT_VALUE)
def test_what_has_no_value_names_the_step_that_has_none(reason):
    x = cr.Value(-1.0, label="x")
    assert reason in " ".join(cr.explain(WITHOUT_VALUE[reason](x), x).text().split())


def test_a_slope_that_is_infinite_is_named():
    x = cr.Value(0.0, label="x")
    text = " ".join(cr.explain(x * cr.sqrt(x), x).text().split())
    assert "1/(2√x) divides by 0 here" in text
    assert "x**1.5 for x*sqrt(x)" in text
    assert "branch" not in text


TRAPS = {
    "sqrt(where(c, x, 1))": lambda x: cr.sum(cr.where(x > 0, cr.sqrt(x), 0.0)),
    "log(where(c, x, 1))": lambda x: cr.sum(cr.where(x > 0, cr.log(x), 0.0)),
    "norm(x), whose gradient at 0 is 0": lambda x: cr.sqrt(cr.sum(x**2)),
}


@pytest.mark.parametrize("safe", TRAPS)
def test_a_trap_is_named_with_its_own_way_out(safe):
    x = cr.Tensor([0.0, 0.0], requires_grad=True, label="x")
    for told in (cr.explain(TRAPS[safe](x), x), cr.explain(TRAPS[safe](x), x[0])):
        (note,) = [block for block in told.short if isinstance(block, Note)]
        assert "no number" in spelled(note.text)
        assert safe in spelled(note.text)
        assert "no finite slope" in told.text()


@pytest.mark.parametrize("rule", [cr.relu, cr.abs, lambda x: cr.maximum(x, 0.0)])
def test_a_kink_is_named_and_promises_nothing(rule):
    x = cr.Value(0.0, label="x")
    text = cr.explain(3.0 * rule(x), x).text()
    assert "has a kink here, and its slope is taken as" in text
    assert "raises" not in text


@pytest.mark.parametrize("write", [lambda x: cr.cos(x), lambda x: x, lambda x: 3.0 * x, lambda x: cr.exp(x) * x])
def test_what_is_lost_beside_a_large_number_is_no_invariance(write):
    """The output does not move by a digit, and its slope is no 0 all the same."""
    x = cr.Value(1.0, label="x")
    for dialect in ("chain", "graph", "paths", "jacobian"):
        told = cr.explain(write(x) + 1e200, x, dialect)
        assert "invariance" not in told.text()
        assert told.gradient != 0


@pytest.mark.parametrize("width", [80, 120])
def test_beside_a_direction_a_short_answer_is_short(width):
    x = cr.Tensor([1.0, 2.0, 3.0], requires_grad=True, label="x")
    steps = [x]
    for k in range(5):
        steps.append(cr.sin(steps[-1] * x))
        steps[-1].label = f"h{k}"
    found = cr.explain(cr.sum(steps[-1]), x, direction=[0.7, 1.1, 0.1])
    assert "Along the direction" in found.text(width=width)
    assert len(found.text(width=width).rstrip().splitlines()) <= 12


@pytest.mark.parametrize(
    ("text", "given", "lines"),
    [
        ("prod(x)", {"x": [2, 0, 4]}, ["f = ∏ᵢ xᵢ = 0", "∂f/∂x = (∏_(i ≠ j) xᵢ)ⱼ = ⎢8⎥"]),
        ("prod(x)", {"x": [0, 0, 4]}, ["f does not move to first order."]),
        ("det(x)", {"x": [[0, 0], [0, 0]]}, ["f does not move to first order."]),
        (
            "sum(prod(x, axis=1))",
            {"x": [[2, 3], [4, 5]]},
            ["f = ∑ (∏ᵢ xⱼ,ᵢ)ⱼ = 26", "∂f/∂x = (∏_(i ≠ k) xⱼ,ᵢ)ⱼ,ₖ ="],
        ),
        ("prod(i*x)", {"x": [2, 3], "i": 2}, ["f = ∏ⱼ (i x)ⱼ = 24"]),
        ("cumprod(x)[2]", {"x": [2, 3, 4]}, ["f = (∏_(i ≤ j) xᵢ)ⱼ[2] = 24", "∂f/∂x = ⎢ 8⎥"]),
        ("softmax(z)[1]", {"z": [1, 1, 1]}, ["∂f/∂z = softmax(z)[1] (𝐞₂ − softmax(z)) = ⎢0.222222⎥"]),
        ("1*x*0.5*2", {"x": 3}, ["f = x · 0.5 · 2 = 3"]),
        ("0.5*2*x", {"x": 3}, ["f = x = 3"]),
        ("clip(x, max=2)", {"x": [1, 3]}, ["∂f/∂x = diag([x ≤ 2]) = ⎡1  0⎤"]),
        ("sum(clip(x, 0, 2))", {"x": [1, 3]}, ["∂f/∂x = [0 ≤ x ≤ 2] = ⎡1⎤"]),
        ("sum(p*log(p/q))", {"p": [1, 1], "q": [2, 4]}, ["∂f/∂q = −p ⊘ q"]),
        ("-(x-m)@inv(S)@(x-m)/2", {"x": [1], "m": [0], "S": [[2]]}, ["f = −(x − m)ᵀ S⁻¹ (x − m)/2"]),
        ("mean((x-y)**2)", {"x": [1, 2], "y": [0, 0]}, ["f = mean((x − y)⊙²) = 2.5"]),
        ("cross(x, y)", {"x": [1, 0, 0], "y": [0, 1, 0]}, ["∂f/∂x = diag(y[[2, 0, 1]]) ⎢0  0  1⎥ −"]),
        ("where(x>0, x**2, -x)", {"x": -1}, ["df/dx = ⎧ 2x  if x > 0   = −1", "        ⎩ −1  else"]),
        ("erf(x/sqrt(2))/2", {"x": 1}, ["df/dx = 1/√(2π) · e^(−x²/2) = 0.241971", "= 0.5(2/√π · e^(−x²/2)) · (√2/2)"]),
        ("std(x)", {"x": [1, 2, 4]}, ["f = std(x) = 1.24722", "∂f/∂x = (x − mean(x) 𝟏)/(3std(x)) ="]),
        ("var(x)", {"x": [1, 2, 3, 6]}, ["f = mean((x − mean(x) 𝟏)⊙²) = 3.5", "∂f/∂x = (x − mean(x) 𝟏)/2 ="]),
        ("sqrt(mean((x-mean(x))**2)*3/2)", {"x": [1, 2, 4]}, ["f = √(mean((x − mean(x) 𝟏)⊙²) · 3/2) = 1.52753"]),
        ("maximum(0, 1 - y*s)", {"y": -1, "s": 0.3}, ["∂f/∂s = −y · [1 − y · s > 0] = 1"]),
        ("maximum(0, 1 - y*s)", {"y": 2, "s": 0.5}, ["∂f/∂s = −y · ([0 = 1 − y · s]/2 + [1 − y · s > 0]) = −1"]),
        ("maximum(x, 1)*equal(x, 2)", {"x": 1.5}, ["df/dx = [x > 1] · [x = 2] = 0"]),
        ("x/norm(x)", {"x": [3, 4]}, ["∂f/∂x = (‖x‖² 𝐈 − x xᵀ)/‖x‖³ ="]),
        ("max(x) - min(x)", {"x": [3, 1, 2]}, ["∂f/∂x = [x = max(x)] − [x = min(x)] = ⎢−1⎥"]),
        ("max(x)", {"x": [3, 1, 3]}, ["∂f/∂x = [x = max(x)]/(∑ [x = max(x)]) = ⎢  0⎥"]),
        ("sum(solve(A, b))", {"A": [[2, 0], [0, 4]], "b": [1, 2]}, ["∂f/∂A = −A⁻ᵀ 𝟏 (A⁻¹ b)ᵀ ="]),
        (
            "K = P/(P + R); V = (1 - K)*P",
            {"P": 2, "R": 1},
            ["∂V/∂P = ∂V/∂K · R/(P + R)² − K + 1 = 1 − K − P · R/(P + R)²"],
        ),
        ("4*(s**12 - s**6) + e", {"s": 2 ** (-1 / 6), "e": 1}, ["Together: f rises fastest along (0, 1)"]),
        ("a = c*exp(-k*x); E = a**2", {"c": 2, "k": 0.5, "x": 1}, ["∂E/∂k = −∂E/∂a · x · a = −2x · a² ="]),
        ("a = c*exp(-k*x); E = a**2", {"c": 0, "k": 0.5, "x": 1}, ["∂E/∂c = ∂E/∂a · e^(−k · x)"]),
        ("z*y*x", {"x": 2, "y": 3, "z": 4}, ["∂f/∂z = y · x = 6", "∂f/∂x = z · y = 12"]),
        ("x*exp(-k*x)", {"x": 2, "k": 0}, ["∂f/∂k = −x² · e^(−k · x) = −4"]),
        ("elu(x)", {"x": -0.5}, ["df/dx = ⎧ 1   if x > 0   = 0.606531", "        ⎩ eˣ  else"]),
        ("2*where(x > 0, x**3, 3*x)", {"x": 2}, ["f = 2 ⎛⎧ x³  if x > 0  ⎞ = 16"]),
        ("median(v)", {"v": [3, 1, 2]}, ["f = median(v) = 2", "∂f/∂v = [v = median(v)] = ⎢0⎥"]),
        ("median(v)", {"v": [3, 1, 2, 5]}, ["∂f/∂v = ([v = sort(v)[1]] + [v = sort(v)[2]])/2 = ⎢  0⎥"]),
        ("quantile(v, 0.25)", {"v": [3, 1, 2]}, ["f = sort(v)[0] + 0.5(sort(v)[1] − sort(v)[0]) = 1.5"]),
        ("(x*w + b - y)**2", {"x": 2, "w": 1, "b": 0, "y": 1}, ["∂f/∂b = 2(x · w + b − y) = 2"]),
    ],
)
def test_a_short_answer_reads_as_one_would_write_it(text, given, lines):
    told = cr.explain(text, values=given).text(width=120).splitlines()
    for line in lines:
        assert any(line in x for x in told), "\n".join(told)


@pytest.mark.parametrize(
    ("text", "given", "said", "not_said"),
    [
        ("norm([x, 3*x])", {"x": 1e200}, "in steps that stay finite, since", "convention"),
        ("std([x, 2*x])", {"x": 0}, "by convention, since", "finite"),
        ("sum(relu(x)*m)", {"x": [0, 1], "m": [0, 2]}, "rises fastest", "kink"),
        ("sum(floor(x)*m)", {"x": [0, 1.5], "m": [0, 2]}, "jumps here", "rises"),
        ("x/abs(x)", {"x": 0}, "f has no finite value here, and so no slope: x/|x| is 0/0 here", "kink"),
    ],
)
def test_a_convention_is_named_where_one_was_made(text, given, said, not_said):
    told = cr.explain(text, "x", values=given).text(width=120)
    assert said in told
    assert not_said not in told


@pytest.mark.parametrize(
    ("letters", "shapes", "line"),
    [
        ("ij,j->i", ((2, 3), (3,)), "y = a b"),
        ("j,ij->i", ((3,), (2, 3)), "y = b a"),
        ("i,ij->j", ((2,), (2, 3)), "y = bᵀ a"),
        ("i,i->", ((3,), (3,)), "y = aᵀ b"),
        ("ij,jk->ik", ((2, 3), (3, 2)), "y = a b"),
        ("ji,kj->ik", ((3, 2), (4, 3)), "y = aᵀ bᵀ"),
        ("ji,kj->ki", ((3, 2), (4, 3)), "y = b a"),
        ("i,j->ij", ((2,), (3,)), "y = a bᵀ"),
        ("i,i->i", ((2,), (2,)), "y = a ⊙ b"),
        ("ij->ji", ((2, 3),), "y = aᵀ"),
        ("ij->", ((2, 3),), "y = ∑ a"),
        ("ii->", ((3, 3),), "y = ∑ diag(a)"),
        ("i,ij->ij", ((2,), (2, 3)), "y = (aᵢ · bᵢ,ⱼ)ᵢ,ⱼ"),
        ("mij,mjk->mik", ((2, 2, 3), (2, 3, 2)), "y = (∑ⱼ aₘ,ᵢ,ⱼ · bₘ,ⱼ,ₖ)ₘ,ᵢ,ₖ"),
        ("ij,aj->ia", ((2, 3), (2, 3)), "y = a bᵀ"),
        ("jka,a->jk", ((2, 2, 3), (3,)), "y = (∑ᵢ aⱼ,ₖ,ᵢ · bᵢ)ⱼ,ₖ"),
    ],
)
def test_einsum_reads_as_the_product_or_the_sums_that_it_is(letters, shapes, line):
    arrays = [cr.Tensor(np.ones(shape), requires_grad=True, label=x) for x, shape in zip("ab", shapes, strict=False)]
    y = cr.einsum(letters, *arrays)
    told = cr.explain(cr.sum(y**2) if y.ndim else y, arrays[0], "graph")
    assert [x for x in told.text(width=120).splitlines() if x.strip().startswith(line)], told.text()
    for x in (*told.short, *told.story):
        assert not isinstance(x, Equation) or "einsum" not in unicode(x.tree)


def test_a_unit_vector_is_explained_once():
    told = cr.explain("-log(softmax(W@x+b)[2])", shapes={"W": (3, 2), "x": (2,), "b": (3,)}).text()
    assert told.count("𝐞₃ is 1 at [2] and 0 elsewhere") == 1


def test_the_same_in_another_shape_and_a_sum_with_data_are_no_links_of_a_chain():
    """A vector of weights is made a column before it is multiplied; one entry with many paths has a formula too."""
    rng = np.random.default_rng(0)
    w, b = (cr.Tensor(x, requires_grad=True, label=name) for name, x in (("w", rng.normal(size=3)), ("b", 0.1)))
    xs, y = rng.normal(size=(5, 3)), rng.normal(size=5)
    mean, neuron, double = cr.mean((xs @ w + b - y) ** 2), cr.tanh(xs[0] @ w + b), cr.sum(cr.tanh(xs @ w)) * 2
    for loss in (mean, neuron, double):
        loss.label = "L"
    assert "dL_dw = 0.4*(xs.T @ (xs @ w + b - y)) =" in cr.explain(mean, w[1], dialect="chain").plain()
    assert "dL_dw_1 = dL_dv2_0_0*dv2_0_0_dw_1 =" in cr.explain(neuron, w[1], dialect="chain").plain()
    assert "Here v5 = sum(tanh(xs @ w))." in cr.explain(double, w[1], dialect="chain").plain()


@pytest.mark.parametrize("dialect", ["graph", "jacobian", "chain", "paths"])
def test_an_entry_that_nothing_depends_on_is_0_alone(dialect):
    v = cr.Tensor([1.0, 2.0, 3.0], requires_grad=True, label="v")
    loss = cr.sum(v[np.array([0, 2])] * np.array([1.0, 1.1]))
    told = cr.explain(loss, v[1], dialect=dialect).plain()
    assert "[1.0, 0.0, 1.1]" in told
    assert "0 by invariance" in told


LAYERS = {
    "dropout": lambda: [cr.nn.Linear(3, 4, rng=0), cr.nn.Dropout(0.5, rng=0), cr.nn.ReLU(), cr.nn.Linear(4, 2, rng=1)],
    "layer norm": lambda: [cr.nn.Linear(3, 4, rng=0), cr.nn.LayerNorm(4), cr.nn.ReLU(), cr.nn.Linear(4, 2, rng=1)],
    "batch norm": lambda: [cr.nn.Linear(3, 4, rng=0), cr.nn.BatchNorm1d(4), cr.nn.ReLU(), cr.nn.Linear(4, 2, rng=1)],
    "tanh": lambda: [cr.nn.Linear(3, 4, rng=0), cr.nn.Tanh(), cr.nn.Linear(4, 2, rng=1)],
}


@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradient_in_a_weight_of_any_net_has_a_formula(layer):
    """What lies between has the page's own letters where the user's names are too far apart."""
    net, data = cr.nn.Sequential(*LAYERS[layer]()), np.random.default_rng(0).normal(size=(2, 3))
    loss = cr.sum(net(data) ** 2)
    weight = net[0].weight
    for asked in (weight, weight[1, 2]):
        told = cr.explain(loss, asked)
        text = told.plain(width=80)
        back = [x for x in told.short if isinstance(x, Equation) and isinstance(x.sides[0], Derivative)]
        assert any(line.startswith("  dloss_dweight = dloss_d") and ".T @ data" in line for line in text.split("\n"))
        assert len(back) > 1
        assert len(text.splitlines()) <= 13


ROWS, COLUMNS = "axis = −1) 𝟏ᵀ", "axis = 0)"
NORMALISATIONS = {
    "layer norm": (cr.nn.LayerNorm(3), f"(∂L/∂x̂ − mean(∂L/∂x̂, {ROWS} − x̂ ⊙ mean(∂L/∂x̂ ⊙ x̂, {ROWS}) ⊘ s 𝟏ᵀ", "axis 1"),
    "bare": (
        cr.nn.LayerNorm(3, elementwise_affine=False),
        f"(∂L/∂x̂ − mean(∂L/∂x̂, {ROWS} − x̂ ⊙ mean(∂L/∂x̂ ⊙ x̂, {ROWS}) ⊘ s 𝟏ᵀ",
        "s = (mean((X",
    ),
    "batch norm": (
        cr.nn.BatchNorm1d(3),
        f"(∂L/∂x̂ − 𝟏 mean(∂L/∂x̂, {COLUMNS} − x̂ ⊙ 𝟏 mean(∂L/∂x̂ ⊙ x̂, {COLUMNS}) ⊘ 𝟏 s",
        "over s; s is the root of the variance",
    ),
    "by its deviation": (
        lambda x: (x - cr.mean(x)) / cr.std(x),
        "(∂L/∂x̂ − mean(∂L/∂x̂) 𝟏 𝟏ᵀ − mean(∂L/∂x̂ ⊙ x̂) x̂)/s",
        "s = std(X)",
    ),
    "by powers": (
        lambda x: (x - cr.mean(x)) / cr.sqrt(cr.mean((x - cr.mean(x)) ** 2)),
        "(∂L/∂x̂ − mean(∂L/∂x̂) 𝟏 𝟏ᵀ − mean(∂L/∂x̂ ⊙ x̂) x̂)/s",
        "s = std(X)",
    ),
    "by hand": (
        lambda x: (x - cr.mean(x)) / cr.sqrt(cr.var(x)),
        "(∂L/∂x̂ − mean(∂L/∂x̂) 𝟏 𝟏ᵀ − mean(∂L/∂x̂ ⊙ x̂) x̂)/s",
        "s = std(X)",
    ),
}


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_a_normalisation_has_the_gradient_that_books_give(kind):
    """Ioffe and Szegedy (2015) give it step by step; what is left of it is this, whoever wrote the normalisation."""
    layer, formula, spread = NORMALISATIONS[kind]
    X = cr.Tensor([[1.0, 2, 4], [0, 1, -1]], requires_grad=True)
    L = cr.sum(layer(X) ** 3)
    told = cr.explain(L, X)
    check(told)
    assert f"∂L/∂X = {formula}" in told.text(width=120)
    assert spread in told.text(width=120)
    assert len(told.text(width=80).splitlines()) <= 12


def test_the_surprise_at_probabilities_has_the_error_for_gradient():
    """The logarithms are bounded, as nobody writes where they are not near it; the classes that are not are 1 - y."""
    layer, data, y = cr.nn.Linear(2, 1, rng=0), np.ones((3, 2)), np.array([[1.0], [0], [1]])
    z = layer(data)
    told = cr.explain(cr.nn.BCELoss()(cr.sigmoid(z), y), z).text(width=120)
    assert "mean(−(y ⊙ ln(σ(z)) + (𝟏 − y) ⊙ ln(𝟏 − σ(z))))" in told
    assert "= (σ(z) − y)/3 =" in told
    assert cr.nn.BCELoss()(cr.Tensor([0.0]), [1.0]).item() == 100.0
    x = cr.Tensor([[1.0, 2, 4]], requires_grad=True)
    assert "1 - v" not in cr.explain(cr.sum(cr.nn.LayerNorm(3)(x) ** 3), x).plain()


def test_arrays_stand_in_the_line_where_there_is_no_room_for_columns():
    lines = "z = W @ x + b; p = softmax(z); L = -log(p[1])"
    values = {"W": [[1.0, 2], [3, 4], [0, 1]], "x": [1.0, -1], "b": [0.0, 0, 0]}
    text = cr.explain(lines, values=values).text()
    assert "∂L/∂W = ∂L/∂z xᵀ = [⅓ −⅓; −⅔ ⅔; ⅓ −⅓]" in text
    assert len(text.splitlines()) <= 12
    assert "⎣ 0.665241⎦" in cr.explain("softmax(z)", values={"z": [1.0, 2, 3]}).text()


def test_print_names_gradients_that_have_no_room():
    x = cr.Tensor(np.random.default_rng(0).normal(size=(5, 4)), requires_grad=True, label="x")
    shown = repr(cr.explain(cr.mean(cr.square(cr.nn.LayerNorm(4)(x) - 1.0)), x))
    last = shown.splitlines()[-1]
    assert last.startswith("Every step, as d")
    assert last.endswith(': .plain(detail="full")')
    w = cr.Value(2.0, label="w")
    assert "Every step" not in repr(cr.explain(w * w, w))


def huber():
    x, y = cr.Tensor([1.0, 2.0, -3.0], requires_grad=True, label="x"), np.array([0.5, -1.0, -2.8])
    L = cr.nn.HuberLoss(reduction="sum")(x, y)
    return cr.explain(L, x)


def right_classes(smoothing=0.0):
    z = cr.Tensor(np.linspace(-1, 1, 32 * 27).reshape(32, 27), requires_grad=True, label="z")
    L = cr.nn.CrossEntropyLoss(label_smoothing=smoothing)(z, np.arange(32) % 27)
    return cr.explain(L, z)


def smoothed():
    return right_classes(0.1)


def bigram():
    """The first net of Karpathy's makemore, in its lines."""
    xs, ys = np.array([0, 1, 2]), np.array([1, 3, 4])
    W = cr.Tensor(np.linspace(-1, 1, 25).reshape(5, 5) ** 2, requires_grad=True, label="W")
    xenc = np.eye(5)[xs]
    logits = xenc @ W
    counts = cr.exp(logits)
    probs = counts / counts.sum(1, keepdims=True)
    loss = -cr.log(probs[np.arange(3), ys]).mean()
    return cr.explain(loss, W)


def group_norm():
    x, norm = cr.Tensor(np.linspace(-1, 2, 24).reshape(2, 4, 3) ** 2, requires_grad=True, label="x"), GROUPS
    L = cr.sum(norm(x) ** 3)
    return cr.explain(L, x)


def smooth_l1():
    x, y = cr.Tensor([1.0, 2.0, -3.0], requires_grad=True, label="x"), np.array([0.5, -1.0, -2.8])
    e = x - y
    L = cr.where(abs(e) < 1, 0.5 * e**2, abs(e) - 0.5).mean()
    return cr.explain(L, x)


def likelihoods():
    z, y = cr.Tensor(np.linspace(-1, 1, 40).reshape(8, 5), requires_grad=True, label="z"), np.arange(8) % 5
    logp = cr.log_softmax(z)
    L = -logp[np.arange(8), y].mean()
    return cr.explain(L, z)


def one_step(layer):
    x = cr.Tensor([[[0.5, -1.0]]], requires_grad=True, label="x")
    L = cr.sum(layer(x)[0][-1] ** 2)
    return cr.explain(L, layer.weight_ih_l0)


def lstm_gates():
    return one_step(cr.nn.LSTM(2, 3, rng=0))


def gru_gates():
    return one_step(cr.nn.GRU(2, 3, rng=0))


GROUPS = cr.nn.GroupNorm(2, 4)


@pytest.mark.parametrize(
    ("explained", "lines"),
    [
        (huber, ["∂L/∂x = clip(x − y, −1, 1) ="]),
        (smooth_l1, ["⎧ e/3        if abs(e) < 1", "⎩ sign(e)/3  else"]),
        (likelihoods, ["∂L/∂logp = −0.125Y", "= (exp(logp) − Y)/8"]),
        (right_classes, ["∂L/∂z = (softmax(z) − Y)/32", "Y is 1 in one place of each row"]),
        (smoothed, ["(softmax(z) − (0.9Y + (1/270) 𝟏 𝟏ᵀ))/32"]),
        (
            bigram,
            [
                "∂loss/∂probs = −Y ⊘ 3probs",
                "∂loss/∂logits = ∂loss/∂counts ⊙ counts = (probs − Y)/3",
                "Y is 1 in each row at the column that ys has for it",
            ],
        ),
        (
            lstm_gates,
            [
                "∂L/∂a = [∂L/∂i ⊙ i ⊙ (𝟏ᵀ − i), ∂L/∂f ⊙ f ⊙ (𝟏ᵀ − f), ∂L/∂g ⊙ (𝟏ᵀ − g⊙²), ∂L/∂o ⊙ o ⊙ (𝟏ᵀ − o)]",
                "f is the forget gate",
            ],
        ),
        (
            gru_gates,
            [
                "[∂L/∂r ⊙ r ⊙ (𝟏ᵀ − r), ∂L/∂z ⊙ z ⊙ (𝟏ᵀ − z), ∂L/∂n ⊙ (𝟏ᵀ − n⊙²)]",
                "z is the update gate",
            ],
        ),
        (group_norm, ["(∂L/∂x̂ − mean(∂L/∂x̂, axis = −1) − x̂ ⊙ mean(∂L/∂x̂ ⊙ x̂, axis = −1)) ⊘ s"]),
    ],
)
def test_layers_and_losses_have_the_gradient_that_a_book_gives(explained, lines):
    told = explained()
    for line in lines:
        assert line in told.text(width=120), told.text(width=120)
    check(told)

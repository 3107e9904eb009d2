"""The jacobian dialect: the published rules of matrix calculus, PyTorch's Jacobians, products that give gradients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.term import Term
from chainrule.derivation.dialects import jacobian
from chainrule.derivation.dialects.jacobian import Story
from chainrule.derivation.matrix.jacobians import structure_of
from chainrule.derivation.record import Equation, Note, Paragraph, Table
from chainrule.derivation.request import Request
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import GraphError
from latex_oracle.value import value_of

from .spelled import spelled

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text())


def learned(array, label=""):
    return cr.Tensor(np.array(array, dtype=float), requires_grad=True, label=label)


def opened_story(output, wrt, **asked):
    tape = Tape(output, [wrt])
    request = Request(wrt=wrt, **asked)
    assert jacobian.applies(tape, request) == ""
    return Story(tape, request)


def product_of(output, wrt, **asked):
    """The last numbers of the equation for the whole product."""
    told = jacobian.tell(Tape(output, [wrt]), Request(wrt=wrt, **asked))
    equations = [block for block in told.story if isinstance(block, Equation) and block.numbers > 1]
    return value_of(equations[-1].parts[-1])


W, X, Z = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], 7.0
I3 = np.eye(3)
QUOTIENT = FACTS["parr_howard"]["quotient"]


@pytest.mark.parametrize(
    ("rule", "wrt", "numbers", "structure", "letters"),
    [
        (lambda w, x, z: w + x, "w", I3, "identity", "𝐈"),
        (lambda w, x, z: w - x, "x", -I3, "minus the identity", "−𝐈"),
        (lambda w, x, z: w * x, "w", np.diag(X), "diagonal", "diag(x)"),
        (lambda w, x, z: w * x, "x", np.diag(W), "diagonal", "diag(w)"),
        (lambda w, x, z: w / x, "w", np.diag(QUOTIENT["by_w"]), "diagonal", None),
        (lambda w, x, z: w / x, "x", np.diag(QUOTIENT["by_x"]), "diagonal", None),
        (lambda w, x, z: x * 7.0, "x", 7 * I3, "scaled identity", "7𝐈"),
        (lambda w, x, z: x * z, "x", 7 * I3, "scaled identity", None),
    ],
)
def test_elementwise_rules_of_parr_and_howard(rule, wrt, numbers, structure, letters):
    given = {"w": learned(W, "w"), "x": learned(X, "x"), "z": learned(Z, "z")}
    story = opened_story(cr.sum(rule(**given)), given[wrt])
    top, factor = story.stretches
    assert top.structure == "row of ones"
    assert (factor.structure, spelled(top.factor.letters)) == (structure, "𝟏ᵀ")
    np.testing.assert_allclose(factor.matrix, numbers, rtol=1e-15)
    if letters is not None:
        assert spelled(factor.factor.letters) == letters


def test_scalar_expansion():
    """A number that is added to a vector moves all of it: a column of ones; one that multiplies it, the vector."""
    x, z = learned(X, "x"), learned(Z, "z")
    _, added, expanded = opened_story(cr.sum(x + z), z).stretches
    assert (added.structure, expanded.structure) == ("identity", "column of ones")
    _, times, expanded = opened_story(cr.sum(x * z), z).stretches
    np.testing.assert_array_equal(times.matrix @ expanded.matrix, np.reshape(X, (3, 1)))
    assert product_of(cr.sum(x * z), z) == 15.0


def test_dot_product_and_sum():
    w, x = learned(W, "w"), learned(X, "x")
    np.testing.assert_array_equal(opened_story(cr.sum(x), x).stretches[0].matrix, [[1, 1, 1]])
    *_, row = opened_story(w @ x, w).stretches
    assert row.structure == "row"
    np.testing.assert_array_equal(row.matrix, [X])


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize(
    ("loss", "letters"),
    [
        (cr.nn.MSELoss(), "2/3*(x - t)"),
        (cr.nn.MSELoss(convention="half_sum"), "x - t"),
        (cr.nn.BCEWithLogitsLoss(), "(sigmoid(x) - t)/3"),
    ],
)
def test_a_cost_of_a_vector_is_a_row_in_letters(loss, letters, layout):
    """The rules of these costs are fused: what they stand for is differentiated, whole."""
    x, t = learned([0.3, -2.0, 1.5], "x"), cr.Tensor(np.array([0.0, 1.0, 1.0]), label="t")
    told = cr.explain(loss(x, t), x, "jacobian", layout=layout)
    np.testing.assert_allclose(np.ravel(told.gradient), np.ravel(grad_of(loss, x, t)), rtol=1e-12)
    shape = (1, 3) if layout == "numerator" else (3, 1)
    assert f"reshape({letters}, shape={shape})" in told.plain()


def grad_of(loss, x, t):
    return cr.grad(lambda x: loss(x, t))(x.data)


def test_a_batch_of_relu_neurons():
    facts = FACTS["parr_howard"]["batch"]
    w, b = learned(facts["w"], "w"), learned(facts["b"], "b")
    inputs, y = np.array(facts["X"]), np.array(facts["y"])

    def cost():
        return cr.mean(cr.square(y - cr.relu(inputs @ w + b)))

    np.testing.assert_allclose(np.ravel(product_of(cost(), w)), facts["grad_w"], rtol=1e-5)
    np.testing.assert_allclose(np.ravel(product_of(cost(), b)), facts["grad_b"], rtol=1e-5)
    structures = {s.factor.operation: s.structure for s in opened_story(cost(), w).stretches}
    assert structures["relu"] == "diagonal"
    assert structures["sub"] == "minus the identity"
    assert structures["mean"] == "row"


@pytest.mark.parametrize(
    ("write", "at", "name"),
    [
        (lambda x: x + x**2, 3.0, "x+x^2 at 3"),
        (lambda x: cr.sin(x + x**2), 1.0, "sin(x+x^2) at 1"),
        (lambda x: x * x**2, 2.0, "x*x^2 at 2"),
        (lambda x: cr.log(cr.sin(x**3) ** 2), 1.0, "ln(sin(x^3)^2) at 1"),
    ],
)
@pytest.mark.parametrize("kind", [cr.Value, learned])
def test_total_derivatives_of_parr_and_howard(write, at, name, kind):
    x = kind(at)
    found = product_of(write(x), x, digits=17)
    assert np.reshape(found, ()) == pytest.approx(FACTS["parr_howard"]["total"][name], rel=1e-13)


def test_the_chain_rule_of_numbers_is_the_case_of_one_by_one():
    x, w = cr.Value(2.0, label="x"), cr.Value(-3.0, label="w")
    told = jacobian.tell(Tape(cr.tanh(w * x), [w]), Request(wrt=w))
    assert any("1 × 1" in spelled(block.text) for block in told.story if isinstance(block, Paragraph))
    product = [block for block in told.story if isinstance(block, Equation) and block.numbers > 1][-1]
    assert r"\cdot" in product.parts[1]
    assert "matrix" not in product.latex


def net_2_3_2(x):
    w1, b1 = learned([[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]], "W1"), learned([0.01, -0.02, 0.03])
    w2, b2 = learned([[0.7, -0.8, 0.9], [-1.0, 1.1, -1.2]], "W2"), learned([0.05, -0.06])
    a2 = cr.sigmoid(w2 @ cr.sigmoid(w1 @ x + b1) + b2)
    return 0.5 * cr.sum((a2 - np.array([1.0, 0.0])) ** 2), w1


def test_net_2_3_2():
    x = learned([0.5, -1.0], "x")
    cost, w1 = net_2_3_2(x)
    # The reference's dC/dx, to the six digits that are printed.
    np.testing.assert_allclose(product_of(cost, x), [[-0.02420012906005875, 0.021785244802749213]], rtol=1e-5)
    letters = [spelled(stretch.factor.letters) for stretch in opened_story(cost, x).stretches]
    assert ("W₂" in letters, letters[-1]) == (True, "W₁")
    last = opened_story(cost, w1).stretches[-1]
    assert last.structure == "block diagonal: 3 equal blocks 1 × 2"
    assert spelled(last.factor.letters) == "𝐈₃ ⊗ xᵀ"
    np.testing.assert_array_equal(last.matrix, np.kron(I3, [[0.5, -1.0]]))


def test_the_other_layout_is_the_transpose_in_reverse():
    x = learned([0.5, -1.0], "x")
    cost, w1 = net_2_3_2(x)
    row, column = product_of(cost, x), product_of(cost, x, layout="denominator")
    assert row.shape == (1, 2)
    np.testing.assert_array_equal(row.T, column)
    told = jacobian.tell(Tape(cost, [w1]), Request(wrt=w1, layout="denominator"))
    table = next(block for block in told.story if isinstance(block, Table))
    assert [row[2] for row in table.rows][-1] == "6 × 3"
    assert spelled(table.rows[-1][4]) == "𝐈₃ ⊗ x"
    assert table.rows[1][3] == "column of ones"
    chain = next(b for b in told.story if isinstance(b, Equation))
    assert spelled(chain.sides[1]).split(" ")[0].endswith("/∂W₁")


def test_an_entry_is_found_in_the_row():
    x = learned([0.5, -1.0], "x")
    cost, w1 = net_2_3_2(x)
    told = jacobian.tell(Tape(cost, [w1]), Request(wrt=w1, entry=(2, 1)))
    assert any("number 6 of 6" in spelled(block.text) for block in told.story if isinstance(block, Paragraph))
    one = [block for block in told.story if isinstance(block, Equation) and "[2, 1]" in block.parts[0]]
    assert value_of(one[0].parts[-1]) == pytest.approx(0.026939366306087228, rel=1e-5)


def test_where_ways_fork_their_products_are_added():
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    told = jacobian.tell(Tape((a * b) * (a + b), [a]), Request(wrt=a))
    fork = next(block for block in told.story if isinstance(block, Equation) and " + " in spelled(block))
    assert value_of(fork.parts[-2]) == value_of(fork.parts[-1]) == FACTS["engine"]["accumulate"]["a"]
    w = learned(W, "w")
    story = opened_story(cr.sum(w * w + w), w)
    assert story.stretches[-1].number_of_paths == 3
    np.testing.assert_array_equal(story.stretches[-1].matrix, np.diag(2 * np.array(W) + 1))


def test_many_ways_are_counted_and_not_listed():
    x = cr.Value(0.5, label="x")
    y = x
    for _ in range(60):
        y = y + y * y * 0.01
    told = jacobian.tell(Tape(y, [x]), Request(wrt=x))
    assert told.counts["factors"] == 13
    z = cr.Value(0.5, label="z")
    parts = [z * float(i) for i in range(1, 9)]
    told = jacobian.tell(Tape(cr.sum(parts), [z]), Request(wrt=z))
    assert any("8 paths" in spelled(block.text) for block in told.story if isinstance(block, Paragraph))


@pytest.mark.parametrize(
    ("write", "shape"),
    [
        (lambda c, x: c.tanh(x), (3,)),
        (lambda c, x: x @ x.T, (2, 3)),
        (lambda c, x: c.exp(x) * x, (2, 2)),
        (lambda c, x: x.reshape(6)[1:4], (2, 3)),
        (lambda c, x: (x / c.sum(x)) @ x, (3,)),
    ],
)
def test_jacobians_between_fork_and_meeting_agree_with_pytorch(write, shape):
    torch = pytest.importorskip("torch")
    numbers = np.random.default_rng(3).uniform(0.5, 1.5, size=shape)
    x = learned(numbers, "x")
    story = opened_story(cr.sum(write(cr, x) * 1.0), x)
    ours = np.linalg.multi_dot([np.eye(1), *[stretch.matrix for stretch in story.stretches]])
    theirs = torch.autograd.functional.jacobian(lambda x: write(torch, x).sum(), torch.tensor(numbers))
    np.testing.assert_allclose(np.ravel(ours), np.ravel(theirs), rtol=1e-12)


def test_large_jacobians_are_described_and_not_built():
    net = cr.nn.Sequential(cr.nn.Linear(784, 30, rng=0), cr.nn.Sigmoid(), cr.nn.Linear(30, 10, rng=1))
    loss = cr.nn.CrossEntropyLoss()(net(np.ones((10, 784), dtype="f")), list(range(10)))
    story = opened_story(loss, net[0].weight, entry=(3, 1))
    assert [stretch.matrix is None for stretch in story.stretches] == [False, True, True, True]
    assert story.stretches[2].structure == "diagonal"
    assert story.stretches[3].structure == "sparse: 784 of 23,520 entries in a row are not zero"
    told = jacobian.tell(Tape(loss, [net[0].weight]), Request(wrt=net[0].weight, entry=(3, 1)))
    assert told.counts["entries of the largest Jacobian"] == 300 * 23520
    assert any("factors are larger" in spelled(block.text) for block in told.story if isinstance(block, Note))


@pytest.mark.parametrize(
    ("matrix", "structure"),
    [
        (np.zeros((2, 2)), "zero"),
        (-np.eye(2), "minus the identity"),
        (np.ones((3, 1)), "column of ones"),
        (np.eye(3)[[2, 0, 1]], "permutation"),
        (np.eye(3)[[2, 0]], "picks entries"),
        (np.eye(2)[[0, 0, 1]], "copies entries"),
        (np.kron(np.eye(2), [[1.0, 2.0], [3.0, 4.0]]), "block diagonal: 2 equal blocks 2 × 2"),
        (np.kron([[1.0, 2.0], [3.0, 4.0]], np.eye(2)), "a grid of scaled identities 2 × 2"),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), "dense"),
        (np.array([[3.0]]), "a number"),
    ],
)
def test_structures_are_named(matrix, structure):
    assert structure_of(matrix) == structure


@pytest.mark.filterwarnings("error")
def test_infinite_slopes_are_not_multiplied_with_zeros():
    """0 times infinity would be nan in a product of matrices; entry by entry it never happens."""
    w = learned([0.0, 4.0], "w")
    told = jacobian.tell(Tape(cr.sum(cr.sqrt(w)), [w]), Request(wrt=w))
    assert any("not finite" in spelled(block.text) for block in told.story if isinstance(block, Note))
    by_w = next(value for symbol, value in told.environment.items() if spelled(symbol).endswith("/∂w"))
    assert not np.any(np.isfinite(by_w)), "what is not finite is no factor of a product"


def test_an_empty_array_is_refused():
    w = learned(np.zeros((0, 3)))
    assert "no entries" in jacobian.applies(Tape(cr.sum(w), [w]), Request(wrt=w))


def test_it_needs_one_node_to_lead_to():
    a = cr.Value(2.0)
    assert "say which" in jacobian.applies(Tape(a * 3.0), Request())


@pytest.mark.parametrize("make", [cr.Value, lambda data: cr.Tensor(data, requires_grad=True)])
def test_a_rule_of_the_users_own_has_a_jacobian_on_either_kind_of_node(make):
    @cr.custom_vjp
    def careful(x):
        return 1.0 * x

    careful.defvjp(lambda x: (1.0 * x, None), lambda kept, g: (3.0 * g,))
    x = make(2.0)
    told = cr.explain(5.0 * careful(x), x, "jacobian")
    assert told.gradient == 15.0
    assert "15" in told.plain(detail="full")


@pytest.mark.parametrize("shape", [(1,), (2,)])
def test_what_goes_by_the_name_of_the_same_entries_is_told_in_its_own_shape(shape):
    x, m = learned(np.arange(1.0, shape[0] + 1), "x"), learned([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "m")
    weights = np.arange(6.0 * shape[0]).reshape(3, -1)
    for wrt in (x, m):
        told = cr.explain(cr.sum(weights * cr.kron(x, m)), wrt, "jacobian")
        right = cr.grad(lambda x, m: cr.sum(weights * cr.kron(x, m)), (0, 1))(x.data, m.data)[wrt is m]
        np.testing.assert_allclose(told.gradient, right, rtol=1e-12)
        assert told.story


@pytest.mark.parametrize("dialect", ["graph", "chain", "paths", "jacobian"])
def test_a_backward_pass_of_the_users_own_is_never_run_on_symbols(dialect):
    met = []

    @cr.custom_vjp
    def doubled(x):
        return 2.0 * x

    doubled.defvjp(lambda x: (2.0 * x, x), lambda kept, g: met.extend([kept, g]) or (2.0 * g,))
    x = cr.Tensor([1.0, 2.0], requires_grad=True, label="x")
    cr.explain(cr.sum(cr.square(doubled(x))), x, dialect).text(detail="full")
    assert met
    assert not any(isinstance(part, Term) for part in met)


def test_a_jacobian_that_no_memory_holds_is_not_told():
    x = learned(np.zeros(20_000), "x")
    with pytest.raises(GraphError, match="20,000×20,000, which is too large"):
        cr.explain(cr.tanh(x).sum(), x, dialect="jacobian")


def test_a_gradient_that_vanishes_is_not_said_to_cancel_out():
    x = cr.Tensor([-18.0, -19.0], requires_grad=True, label="x")
    told = cr.explain(cr.sum(cr.sigmoid(np.array([[1.0, 2.0], [2.0, 3.0]]) @ x)), x, "jacobian")
    assert 0 < np.max(told.gradient) < 1e-20
    assert "cancel" not in told.text(detail="full")

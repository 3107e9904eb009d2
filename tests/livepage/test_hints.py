"""Wrong gradients of nets with data are named: what each mistake gives is worked out here with NumPy, link by link."""

from __future__ import annotations

import re

import numpy as np
import pytest

from chainrule import nn
from chainrule.livepage import payload
from chainrule.livepage.gallery import chain, digit, moons
from chainrule.livepage.hints import print_hints
from chainrule.livepage.network import network_subject
from chainrule.livepage.page import Page
from chainrule.livepage.subject import typed_subject

X = np.array([[0.5, -1.0], [1.5, 0.7], [-0.4, 2.0]])
Y = np.array([[0.3, 1.0], [0.9, -0.2], [0.1, 0.8]])
CLASSES = np.array([1, 0, 1])
LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def square():
    """A net whose first weight is a square, so that its transpose is one more of its shape."""
    return nn.Sequential(nn.Linear(2, 2, rng=0, dtype=float), nn.Tanh(), nn.Linear(2, 2, rng=1, dtype=float))


def mistakes_of(cross_entropy: bool):
    """Wrong gradients in the first weight by the name of the mistake."""
    net = square()
    first, last = net[0], net[2]
    h = np.tanh(X @ first.weight.data.T + first.bias.data)
    score = h @ last.weight.data.T + last.bias.data
    if cross_entropy:
        share = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
        error = (share - np.eye(2)[CLASSES]) / len(X)
        # Of the softmax's Jacobian the diagonal alone.
        right = np.eye(2)[CLASSES]
        diagonal = -right / share * share * (1 - share) / len(X)
    else:
        error, diagonal = 2 * (score - Y) / score.size, None

    def first_weight(error, slope=1 - h**2, x=X, w=last.weight.data):
        return ((error @ w) * slope).T @ x

    found = {
        "sign": -first_weight(error),
        "transposed": first_weight(error).T,
        "activation-derivative-missing": first_weight(error, np.ones_like(h)),
        "activation-for-derivative": first_weight(error, h),
        "activation-derivative-at-output": first_weight(error, 1 - np.tanh(h) ** 2),
        "missing-factor": np.repeat(((error @ last.weight.data) * (1 - h**2)).sum(axis=0)[:, None], 2, axis=1),
        "batch-sum-missing": first_weight(error[1:2], (1 - h**2)[1:2], X[1:2]),
        "wrong-average": first_weight(error) * (len(X) if cross_entropy else score.size),
    }
    return {**found, "softmax-diagonal": first_weight(diagonal)} if cross_entropy else found


def asked(tab):
    """The array and the entry that are asked."""
    name = tab.locator("#question").inner_text().partition("/∂")[2].translate(LOWERED)
    array, at = re.match(r"(.*?)\[([\d, ]+)\](?:,|\?)", name).groups()
    return array, tuple([int(i) for i in at.split(",")])


def until(tab, wanted):
    """Show answers until that array is asked, and give the entry."""
    tab.locator("#begin").click()
    while "What is" in tab.locator("#question").inner_text():
        array, at = asked(tab)
        if array == wanted:
            return at
        tab.locator("#show").click()
    raise AssertionError(f"{wanted} is not asked")


def hinting(*subjects):
    """A page that has all hints, and no stories, which take most of the time."""
    page = Page(subjects)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "stories", lambda subject: ())
        assert page.html
    return page


@pytest.fixture(scope="module")
def two():
    losses = ((nn.MSELoss(), Y), (nn.CrossEntropyLoss(), CLASSES))
    return hinting(*[network_subject(square(), X, y, loss=loss) for loss, y in losses])


@pytest.mark.parametrize("cross_entropy", [False, True])
def test_mistakes_in_a_weight_of_a_net_are_named(opened, two, cross_entropy):
    with opened(two) as tab:
        tab.evaluate("(n) => chainrule.open(n)", int(cross_entropy))
        at = until(tab, "net[0].weight")
        for name, gives in mistakes_of(cross_entropy).items():
            told = tab.evaluate("(x) => chainrule.attempt.answer(x)", float(gives[at]))
            if name == "transposed" and at[0] == at[1]:
                assert told["right"]
                at = until(tab, "net[0].weight")
                continue
            assert told["name"] == name, (name, told)
        told = tab.evaluate("chainrule.attempt.answer(123.456)")
        assert told["name"] == ""


def test_two_mistakes_are_named_together_where_digits_tell_them(opened, two):
    with opened(two) as tab:
        at = until(tab, "net[0].weight")
        for name in ("activation-derivative-missing", "activation-derivative-at-output"):
            wrong = mistakes_of(False)[name][at]
            for times, other in ((-1.0, "sign"), (2.0, "factor"), (len(X), "wrong-average")):
                told = tab.evaluate("(x) => chainrule.attempt.answer(x)", float(times * wrong))
                assert told["name"] == f"{name} and {other}", (name, other, told)
                told = tab.evaluate("(x) => chainrule.attempt.answer(x)", f"{times * wrong:.2f}")
                assert " and " not in told["name"], told


def test_large_nets_name_more_than_a_sign(opened):
    """Two moons with 200 rows, and 784-30-10: the derivative of the activation is left out of the first layer."""
    subjects = [moons(), digit()]
    with opened(hinting(*subjects)) as tab:
        for n, subject in enumerate(subjects):
            tab.evaluate("(n) => chainrule.open(n)", n)
            values, gradients = tab.evaluate("[chainrule.values(), chainrule.gradients()]")
            steps = {subject.names[step]: step for step in subject.program.steps}
            activation = next(step for step in subject.program.steps if step.op and step.op.name in ("tanh", "sigmoid"))
            arrives = np.array(gradients[subject.names[activation]])
            wrong = arrives.T @ np.array(values["x"])
            assert steps["net[0].weight"].shape == wrong.shape
            at = until(tab, "net[0].weight")
            found = tab.evaluate("(x) => chainrule.attempt.answer(x)", float(wrong[at]))
            assert found["name"] == "activation-derivative-missing", (subject.title, found)


def test_a_local_derivative_of_0_by_which_nobody_can_divide_is_no_mistake_to_know():
    subject = typed_subject("h = relu(w*x + b); v = h*3; L = h*v", {"w": 1.5, "x": 2.0, "b": -4.0})
    found = print_hints(subject, range(len(subject.program.steps)))  # a warning of NumPy's is an error in the tests
    assert found is not None
    assert found[1]


def test_what_a_hint_says_has_the_names_of_the_page():
    found = print_hints(chain(), range(9))
    assert found is not None
    said = " ".join([says for _, _, says, _ in found[1]])
    assert not re.search(r"\b[a-z]+\d|\*", said), said
    assert "this is the gradient of w₁" in said
    assert "the derivative of v₁² is left out" in said

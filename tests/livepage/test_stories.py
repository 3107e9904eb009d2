"""Derivations on the page: what each number is of, on either side of every kink, and what is said when none fits."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from tests.livepage.conftest import NET

from chainrule import nn
from chainrule.derivation import arrays
from chainrule.derivation.scalars import links
from chainrule.errors import ChainruleError
from chainrule.livepage import payload, story, ties
from chainrule.livepage.network import network_subject
from chainrule.livepage.page import Page
from chainrule.livepage.subject import subject_of, typed_subject

EQUATIONS = """() => {
    const told = {}, story = document.getElementById('story');
    const written = (list) => list.map((x) => x.textContent.replace(/\\s/g, '')).filter((x) => x.includes('=')).sort();
    for (const button of document.querySelectorAll('#dialects button')) {
        button.click();
        chainrule.draw();
        const all = [...story.querySelectorAll('math, .side')].filter((x) => !x.parentElement.closest('.side'));
        told[button.textContent] = {
            all: written(all),
            live: written(all.filter((x) => !x.querySelector('.still'))),
            past: story.classList.contains('past'),
            note: document.getElementById('story-note').textContent,
        };
    }
    return told;
}"""
"""By dialect: all equations, and those without dotted numbers, which are of the start and say so."""

LAYER = "h = relu(W@x + b); L = sum((h - y)**2)"
AT = {"W": [[1.0, -0.5], [0.5, 2.0]], "x": [1.5, 0.25], "b": [0.5, -0.25], "y": [0.3, 2.0]}
BENT = {
    "relu": ("h = relu(w*x); L = (h - y)**2", {"w": 2.0, "x": 1.5, "y": 7.0}, {"w": -1.0}),
    "relu, off at first": ("h = relu(w*x); L = (h - y)**2", {"w": -2.0, "x": 1.5, "y": 7.0}, {"w": 3.0}),
    "relu, on its kink": ("h = relu(w*x); L = (h - y)**2", {"w": 0.0, "x": 1.5, "y": 7.0}, {"w": 3.0}),
    "relu of a sum": ("h = relu(w*x + b); v = h*3; L = h*v", {"w": 1.5, "x": 2.0, "b": 0.5}, {"b": -4.0}),
    "abs": ("h = abs(w*x); L = h*h*y", {"w": 2.0, "x": 3.0, "y": 0.5}, {"w": -1.5}),
    "maximum": ("h = maximum(w*x, v); L = h*h + v", {"w": 2.0, "x": 3.0, "v": 4.0}, {"v": 9.0}),
    "minimum": ("h = minimum(w*x, v); L = h*h + v", {"w": 2.0, "x": 3.0, "v": 4.0}, {"v": 9.0}),
    "leaky": ("h = leaky_relu(w*x); L = (h - y)**2", {"w": 2.0, "x": 3.0, "y": 1.0}, {"w": -1.0}),
    "elu": ("h = elu(w*x); L = (h - y)**2", {"w": 2.0, "x": 3.0, "y": 1.0}, {"w": -0.5}),
    "a layer, with no kink crossed": (LAYER, AT, {"b": [0.75, -0.2]}),
    "a layer, with one crossed": (LAYER, AT, {"b": [-3.0, -0.25]}),
    "a layer, with a 0 that is none any more": (LAYER, {**AT, "x": [1.5, 0.0]}, {"x": [1.5, 0.5]}),
    "two": ("h = relu(w*x); k = abs(h - v); L = k*k", {"w": 2.0, "x": 3.0, "v": 4.0}, {"v": 9.0}),
}
"""A formula, numbers at the start, and what is moved so that a kink is crossed."""


FEW = [
    name
    for name in BENT
    if name in ("relu", "relu, on its kink", "abs", "maximum", "two") or name.startswith("a layer")
]
NOW = "where the other is moved to"


def page_of(names, of=BENT):
    """Each formula twice: at its start, and as a page that begins where the other is moved to; one leaf is told of."""
    found = []
    for name in names:
        text, values, moved = of[name]
        starts = {name: values, NOW: {**values, **moved}}
        found += [typed_subject(text, at, title=title, data=("y",)) for title, at in starts.items()]
    page, told = Page(tuple(found)), payload.stories
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ties, "MOST_ASKED", 1)

        def stories(subject):
            # What begins there is compared where it begins: nothing need be told of other sides.
            patch.setattr(ties, "MOST_BRANCHES", 0 if subject.title == NOW else 3)
            return told(subject)

        patch.setattr(payload, "stories", stories)
        # What a story of arrays opens is the same entry on both pages, wherever the largest lies, and in one order.
        patch.setattr(arrays, "chosen", lambda place, fits: (0,) * len(place))
        patch.setattr(links, "chosen", lambda order, fits: sorted(order))
        assert page.html
    return page


@pytest.fixture(scope="module")
def bent():
    return page_of(FEW)


def check_beyond(opened, page, names):
    """Move each across its kink, and compare what is told there with what a page tells that begins there."""
    live = []
    with opened(page) as tab:
        for n, name in enumerate(names):
            tab.evaluate("(n) => chainrule.open(n)", 2 * n)
            tab.evaluate("(to) => { for (const [k, x] of Object.entries(to)) chainrule.set(k, x); }", BENT[name][2])
            there = tab.evaluate(EQUATIONS)
            tab.evaluate("(n) => chainrule.open(n)", 2 * n + 1)
            wanted = tab.evaluate(EQUATIONS)
            assert there.keys() == wanted.keys(), name
            live += [(name, dialect) for dialect, one in there.items() if not one["past"]]
            for dialect, one in there.items():
                if one["past"]:
                    assert "numbers of the start" in one["note"]
                elif one["live"] == one["all"]:
                    assert one["all"] == wanted[dialect]["all"], (name, dialect)
                else:
                    assert not Counter(one["live"]) - Counter(wanted[dialect]["all"]), (name, dialect)
    # Of single numbers the other sides are told, and of arrays what holds on all of them, wherever zeros are.
    layers = {name for name in names if name.startswith("a layer")}
    assert len([name for name, _ in live if name not in layers]) > 0.75 * 5 * (len(names) - len(layers))
    assert {name for name, _ in live if name in layers} == layers
    assert {"node by node"} <= {dialect for name, dialect in live if name.endswith("crossed")}


def test_beyond_a_kink_the_story_is_that_of_the_numbers_of_now(opened, bent):
    check_beyond(opened, bent, FEW)


@pytest.mark.soak
def test_the_same_of_every_kind_of_kink(opened):
    check_beyond(opened, page_of(BENT), list(BENT))


def test_a_net_on_the_plane_is_told_of_the_numbers_of_now_when_units_switch(opened):
    x, y = np.array([[0.5, -1.0], [1.0, 0.25], [-0.75, 0.5]]), np.array([1.0, 0.0, 1.0])
    net = nn.Sequential(nn.Linear(2, 3, rng=0, dtype=float), nn.ReLU(), nn.Linear(3, 1, rng=1, dtype=float))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ties, "MOST_ASKED", 2)
        patch.setattr(arrays, "chosen", lambda place, fits: (0,) * len(place))
        patch.setattr(links, "chosen", lambda order, fits: sorted(order))
        subjects = [network_subject(net, x, y)]
        net[0].bias.data[...] = bias = [-1.0, 0.6, -0.2]
        net[0].weight.data[0] = row = [0.4, -0.9]
        subjects.append(network_subject(net, x, y))
        switched = [ties.Record(subject.bare).branch_code(subject.bare.leaves) for subject in subjects]
        assert switched[0] != switched[1]
        page = Page(tuple(subjects))
        assert page.html
    with opened(page) as tab:
        weight = [row, *np.array(net[0].weight.data)[1:].tolist()]
        tab.evaluate(
            "([w, b]) => { chainrule.set('net[0].weight', w); chainrule.set('net[0].bias', b); }", [weight, bias]
        )
        there = tab.evaluate(EQUATIONS)
        tab.evaluate("chainrule.open(1)")
        wanted = tab.evaluate(EQUATIONS)
    assert not there["node by node"]["past"]
    assert there["node by node"]["all"] == wanted["node by node"]["all"]
    live = there["errors δ"]["live"]
    assert not there["errors δ"]["past"]
    assert len(live) > 20
    assert not Counter(live) - Counter(wanted["errors δ"]["all"])


ODD = {
    "a logarithm below 0": ("z = log(w*x); L = (z - y)**2", {"w": -2.0, "x": 1.5, "y": 7.0}, {"w": 3.0}),
    "too large": ("z = exp(w*x); L = z*z", {"w": 900.0, "x": 3.0}, {"w": 0.5}),
    "nan that was given": ("z = w*x; L = z*z + w", {"w": np.nan, "x": 3.0}, {"w": 0.5}),
    "a slope without end": ("z = sqrt(w); L = z*x", {"w": 0.0, "x": 3.0}, {"w": 0.25}),
    "entries": ("z = log(w); L = sum(z*z)", {"w": [1.5, -2.0]}, {"w": [1.5, 3.0]}),
    "a slope that is 0": ("z = w*x; L = z*z", {"w": 0.0, "x": 3.0}, {"w": 0.5}),
}
"""A formula, numbers at the start of which something is not finite, or flat, and what is moved so that it is."""
BEGINS = {
    "a logarithm below 0": "L is nan. It begins where z = ln(v₁) is nan at v₁ = −3.",
    "too large": "L is ∞. It begins where z = e^v₁ is ∞ at v₁ = 2700.",
    "nan that was given": "L is nan. It begins where w is nan as it was given.",
    "entries": "L is nan. It begins where z = ln(w) has 1 of 2 nan.",
}


def test_what_begins_where_nothing_is_finite_says_so_and_is_told_once_it_is(opened):
    with opened(page_of(ODD, ODD)) as tab:
        for n, (name, (*_, moved)) in enumerate(ODD.items()):
            tab.evaluate("(n) => chainrule.open(n)", 2 * n)
            assert BEGINS.get(name, "") in tab.locator("#story").text_content(), name
            tab.evaluate("(to) => { for (const [k, x] of Object.entries(to)) chainrule.set(k, x); }", moved)
            there = tab.evaluate(EQUATIONS)
            tab.evaluate("(n) => chainrule.open(n)", 2 * n + 1)
            wanted = tab.evaluate(EQUATIONS)
            assert len(there) >= 4, name
            for dialect, one in there.items():
                assert (one["past"], one["all"], one["live"]) == (False, wanted[dialect]["all"], one["all"]), (
                    name,
                    dialect,
                )


def test_a_fault_in_a_story_is_no_dialect_that_does_not_apply(monkeypatch):
    def faulty(*_):
        raise ChainruleError("internal error, please report it")

    monkeypatch.setattr(story, "blocks_of", faulty)
    with pytest.raises(ChainruleError, match="internal error"):
        story.stories(typed_subject(*NET))


def test_what_is_told_for_one_side_of_its_kinks_says_so(opened, bent, monkeypatch):
    notes = "async () => { await chainrule.open(%d); return (%s)()['node by node'].note; }"
    with opened(bent) as tab:
        assert tab.evaluate(notes % (2 * FEW.index("a layer, with one crossed"), EQUATIONS)) == ""
    monkeypatch.setattr(ties, "MOST_BENT", 1)
    monkeypatch.setattr(ties, "MOST_ASKED", 1)
    with opened(Page((typed_subject(LAYER, AT, data=("y",)),))) as tab:
        assert tab.evaluate(notes % (0, EQUATIONS)) == "It is told for this side of the kinks alone."


NUMBERS = """() => {
    const told = {}, story = document.getElementById('story');
    for (const button of document.querySelectorAll('#dialects button')) {
        button.click();
        chainrule.draw();
        told[button.textContent] = [...story.querySelectorAll('mn')].map((x) => x.textContent.replace('\u2212', '-'));
    }
    return told;
}"""
"""By dialect: all numbers of a story."""


def softmax_net(of):
    """A typed softmax, which has a Jacobian of its own, with zeros among the data, or a net with a cost of its own."""
    if of == "softmax":
        text = "p = softmax(W@x + b); L = -sum(t*log(p))"
        start = {"W": [[1.0, -0.5], [0.5, 2.0]], "x": [1.5, 0.25], "b": [0.5, -0.25], "t": [1.0, 0.0]}
        return lambda first: typed_subject(text, {**start, "W": [first[:2], start["W"][1]]}), "W"
    random = np.random.default_rng(3)
    if of == "attention":
        sequence, wanted = random.normal(size=(2, 1, 2, 2))

        def attention(first):
            net = nn.MultiheadAttention(2, 1, rng=0, dtype=float)
            net.in_proj_weight.data[:2], net.in_proj_weight.label = np.reshape(first, (2, 2)), "W"
            return subject_of(((net(sequence) - wanted) ** 2).sum())

        return attention, "W"
    x, targets = random.normal(size=(2, 8 if of == "wide" else 4)), random.normal(size=(2, 2))
    if of == "zeros":
        x[0, 1], x[1, 2], targets[1, 0] = 0.0, 0.0, 0.0

    def subject(first):
        net = nn.Sequential(
            nn.Linear(x.shape[1], 3, rng=0, dtype=float), nn.Tanh(), nn.Linear(3, 2, rng=0, dtype=float)
        )
        net[0].weight.data[0, :4] = first
        # A bias that is as large as a weighted input where all that comes in is 0.
        net[0].bias.data[0] = 0.3
        if of == "classes":
            return network_subject(net, x, np.array([0, 1]), loss=nn.CrossEntropyLoss())
        return network_subject(net, x, targets)

    return subject, "net[0].weight"


@pytest.mark.parametrize("of", ["squares", "classes", "zeros", "wide", "softmax", "attention"])
def test_every_number_of_a_story_is_of_now(opened, of):
    """In every dialect, and as a page tells it that begins there; terms stand as they were the largest at the start."""
    subject, moved = softmax_net(of)
    start, there = [0.5, -0.25, 0.75, 0.125], [0.4, -0.9, 0.1, 0.3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ties, "MOST_ASKED", 1)
        patch.setattr(arrays, "chosen", lambda place, fits: (0,) * len(place))
        patch.setattr(links, "chosen", lambda order, fits: sorted(order))
        # Nothing is trained or got wrong here.
        passes = payload.passes_of
        patch.setattr(payload, "passes_of", lambda subject: passes(subject)[:1])
        patch.setattr(payload, "OPTIMIZERS", {})
        patch.setattr(payload, "exports_of", lambda subject: {})
        page = Page((subject(start), subject(there)))
        assert page.html
        whole = page.subjects[1].leaves[[*page.subjects[1].names.values()].index(moved)]
    with opened(page) as tab:
        before = tab.evaluate(NUMBERS)
        tab.evaluate("([name, w]) => chainrule.set(name, w)", [moved, np.array(whole).tolist()])
        now = tab.evaluate(NUMBERS)
        assert tab.locator("#story .still").count() == 0
        tab.evaluate("chainrule.open(1)")
        wanted = tab.evaluate(NUMBERS)
    assert len(now) == 5 - (of == "attention")
    for dialect, numbers in now.items():
        assert Counter(numbers) == Counter(wanted[dialect]), dialect
        assert Counter(numbers) != Counter(before[dialect]) or dialect == "Jacobians", dialect


def test_nudges_are_as_long_as_they_round_to_and_move_every_link_now(opened):
    text, start, now = NET[0], NET[1], {**NET[1], "w1": 2.7, "y": 11.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ties, "MOST_ASKED", 1)
        page = Page(tuple([typed_subject(text, at) for at in (start, now)]))
        assert page.html
    with opened(page) as tab:
        tab.evaluate("chainrule.set('w1', 2.7); chainrule.set('y', 11)")
        there = tab.evaluate(EQUATIONS)["paths"]
        tab.evaluate("chainrule.open(1)")
        wanted = tab.evaluate(EQUATIONS)["paths"]
    assert there["live"] == there["all"] == wanted["all"]
    assert len(there["all"]) > 15


def test_on_a_kink_it_is_said_and_what_was_told_there_is_not_taken_for_now(opened, bent):
    with opened(bent) as tab:
        tab.evaluate("(n) => chainrule.open(n)", 2 * FEW.index("relu, on its kink"))
        tab.evaluate("chainrule.draw()")
        assert "h stands on the kink of relu" in tab.locator("#kinks").inner_text()
        assert tab.locator("#graph .kink").count() == 1
        tab.evaluate("chainrule.set('x', 4); chainrule.draw()")
        assert "numbers of the start, which have moved" in tab.locator("#story-note").inner_text()
        tab.evaluate("chainrule.set('w', 1); chainrule.draw()")
        assert tab.locator("#kinks").inner_text() == ""
        assert tab.locator("#graph .kink").count() == 0
        assert "numbers are those of now" in tab.locator("#story-note").inner_text()


def test_a_story_whose_numbers_do_not_follow_says_that_and_speaks_of_no_kink(opened, gallery):
    with opened(gallery) as tab:
        tab.evaluate("(n) => chainrule.open(n)", [one.title for one in gallery.subjects].index("Two moons, 2-16-8-1"))
        tab.get_by_role("button", name="Jacobians").click()
        tab.evaluate("chainrule.train(1); chainrule.draw()")
        note = tab.locator("#story-note").inner_text()
        assert "numbers do not follow" in note
        assert "kink" not in note


def test_words_follow_the_sign_of_the_gradient(opened, bent):
    with opened(bent) as tab:
        tab.evaluate("(n) => chainrule.open(n)", 2 * FEW.index("relu"))
        tab.get_by_role("button", name="node by node").click()
        for y, words in ((7, "lowers"), (1, "raises"), (3, "no difference")):
            tab.evaluate("(y) => { chainrule.set('y', y); chainrule.draw(); }", y)
            told = tab.locator("#story [data-words]").all_inner_texts()
            if words == "no difference":
                # A slope of 0 is a branch of its own, and nothing was told of it.
                assert "numbers of the start" in tab.locator("#story-note").inner_text()
            else:
                assert [words in text for text in told] == [True]

"""How the page looks and is used: widths, themes, keys, screen readers, addresses, what is hostile or not finite."""

from __future__ import annotations

import json
import subprocess
import sys
from html import unescape

import numpy as np
import pytest
from tests.livepage.conftest import NET, settled

import chainrule as cr
from chainrule import nn
from chainrule.errors import DtypeError, FormatError, FormulaError, GraphError
from chainrule.livepage.gallery import two_sigmoids
from chainrule.livepage.network import network_subject
from chainrule.livepage.page import OWN_INKS, Page
from chainrule.livepage.subject import subject_of, typed_subject

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe judges the page: pip install '.[test]'")

OVERLAPS = """() => {
    const boxes = [...document.querySelectorAll('#graph [data-box]')].map((box) => ({
        name: box.getAttribute('aria-label') ?? '', rect: box.querySelector('rect').getBoundingClientRect(),
        texts: [...box.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()]),
    }));
    const wrong = [];
    boxes.forEach((one, i) => {
        const a = one.rect;
        for (const [text, r] of one.texts) {
            if (r.width && (r.left < a.left - 1 || r.right > a.right + 1)) wrong.push(`${text} sticks out`);
        }
        for (const { name, rect: b } of boxes.slice(i + 1)) {
            const meet = a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
            if (meet) wrong.push(`${one.name} on ${name}`);
        }
    });
    for (const button of [...document.querySelectorAll('#dialects button')].map((x) => x.textContent)) {
        [...document.querySelectorAll('#dialects button')].find((x) => x.textContent === button).click();
        chainrule.draw();
        const story = document.getElementById('story');
        if (story.scrollWidth > story.clientWidth + 1) wrong.push(`${button} is as wide as ${story.scrollWidth}`);
    }
    const wide = document.documentElement.scrollWidth;
    if (wide > window.innerWidth) wrong.push(`as wide as ${wide}`);
    for (const panel of document.querySelectorAll('section.panel:not([hidden])')) {
        const outer = panel.getBoundingClientRect();
        for (const element of panel.querySelectorAll('h2, button, select, .row')) {
            const inner = element.getBoundingClientRect();
            if (inner.width && inner.right > outer.right + 1) wrong.push(`${element.textContent} sticks out`);
        }
    }
    return wrong;
}"""


STILL = """() => {
    const found = { still: [], told: true }, asked = document.getElementById('asked');
    for (const { value } of asked.options) {
        asked.value = value;
        asked.dispatchEvent(new Event('change'));
        for (const { textContent } of document.querySelectorAll('#dialects button')) {
            [...document.querySelectorAll('#dialects button')].find((x) => x.textContent === textContent).click();
            chainrule.draw();
            const story = document.getElementById('story');
            found.told &&= !document.getElementById('story-note').textContent.includes('Dotted');
            found.told &&= story.textContent.length > 100;
            if (story.querySelector('.still, .past')) found.still.push(`${value}, ${textContent}`);
        }
    }
    return found;
}"""
"""The derivations with numbers that do not follow, of all that are told."""

PLACE = "document.activeElement.closest('section')?.getAttribute('aria-labelledby') ?? 'bar'"
"""The panel that has the focus."""


def test_the_gallery_at_every_width(opened, gallery):
    assert len(gallery.html) - len("".join(data_of(gallery))) < 1_000_000
    with opened(gallery) as tab:
        for n, subject in enumerate(gallery.subjects):
            tab.evaluate("(n) => chainrule.open(n)", n)
            for width in (390, 1280, 2560):
                tab.set_viewport_size({"width": width, "height": 900})
                settled(tab)
                assert tab.evaluate(OVERLAPS) == [], (subject.title, width)
            assert tab.evaluate(STILL) == {"still": [], "told": True}, subject.title


def data_of(page):
    """The weights and images of a page, as they are packed."""
    from chainrule.livepage.payload import packed

    for subject in page.subjects:
        for leaf in subject.leaves:
            found = packed(leaf)
            yield found["base64"] if isinstance(found, dict) else ""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_fault_for_screen_readers(opened, gallery, theme):
    with opened(gallery, color_scheme=theme) as tab:
        for n, mistake in ((1, "zero_grad"), (6, "forgotten")):
            tab.evaluate("(n) => chainrule.open(n)", n)
            tab.evaluate("(mistake) => { chainrule.train(3); chainrule.mistake(mistake); }", mistake)
            settled(tab)
            found = axe.Axe().run(tab).response["violations"]
            serious = [
                (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert serious == []


def test_a_walk_with_the_keyboard_alone(opened, simple):
    with opened(simple) as tab:
        press = tab.keyboard.press
        tab.locator('#graph [role="slider"]').first.focus()
        name, before = tab.evaluate("[document.activeElement.getAttribute('aria-label'), chainrule.values()]")
        press("ArrowRight")
        after = tab.evaluate("chainrule.values()")
        moved = [leaf for leaf in before if after[leaf] != before[leaf]]
        assert name.partition(",")[0] in moved
        press("Enter")
        assert tab.evaluate("document.activeElement.classList.contains('dial')")
        tab.keyboard.type("7")
        press("Enter")
        assert 7 in tab.evaluate("chainrule.values()").values()
        tab.locator("#play").focus()
        press("Home")
        assert tab.evaluate("chainrule.step().k") == 0
        press("ArrowRight")
        assert tab.evaluate("chainrule.step().k") == 1
        press("End")
        assert tab.evaluate("chainrule.step().k") == tab.evaluate("chainrule.step().last")
        press("u")
        press("u")
        assert tab.evaluate("chainrule.values()") == before
        for choices in ("dialects", "mistakes"):
            for text in tab.locator(f"#{choices} button").all_inner_texts():
                tab.locator(f"#{choices} button", has_text=text).focus()
                press("Enter")
                settled(tab)
                kept = tab.evaluate("[document.activeElement.textContent, document.activeElement.ariaPressed]")
                assert kept == [text, "true"], "the keyboard lost its place"
        seen = set()
        for _ in range(120):
            press("Tab")
            seen.add(tab.evaluate(PLACE))
        assert seen >= {f"{panel}-title" for panel in ("graph", "story", "log", "surface", "learn", "check", "try")} | {
            "bar"
        }


def test_an_address_holds_the_state(opened, simple):
    with opened(simple) as tab:
        tab.evaluate(
            """chainrule.set('w1', 3.25); chainrule.train(4); chainrule.set('x', 1.5);
            chainrule.mistake('forgotten', 3); chainrule.step(7)"""
        )
        state, values, gradients = tab.evaluate("[chainrule.state(), chainrule.values(), chainrule.gradients()]")
    with opened(simple, hash=f"#{state}") as again:
        assert again.evaluate("[chainrule.values(), chainrule.gradients(), chainrule.step().k]") == [
            values,
            gradients,
            7,
        ]
        settled(again)
        for _ in range(3):
            again.evaluate("chainrule.undo()")
        assert again.evaluate("chainrule.step(99), chainrule.values()") == {
            "w1": 2, "x": 2, "w2": 0.5, "y": 20, "h": 4, "yhat": 2, "v1": -18, "v2": 324, "L": 162,
        }  # fmt: skip
    with opened(simple, hash="#n=99&do=s!nobody!3~t!x!y!z~q&k=-4&m=77&w=abc") as odd:
        assert odd.evaluate("chainrule.values().w1") == 2


def test_what_an_address_tells_is_undone_one_by_one(opened, simple):
    with opened(simple, hash="#do=s!w1!3~s!w1!4") as tab:
        assert tab.evaluate("chainrule.values().w1") == 4
        tab.evaluate("chainrule.undo()")
        assert tab.evaluate("chainrule.values().w1") == 3


def test_a_tall_graph_stands_beside_the_other_panels_where_there_is_room(opened, simple):
    lines = [f"h{n} = tanh(w*h{n - 1})" for n in range(1, 16)]
    tall = Page((typed_subject("; ".join([*lines, "L = h15*h15"]), {"w": 1.5, "h0": 0.5}, told=False),))
    spots = "['#graph', '#log'].map((at) => document.querySelector(at).closest('section').getBoundingClientRect().top)"
    for page, beside in ((tall, True), (simple, False)):
        with opened(page, viewport={"width": 2560, "height": 900}) as tab:
            settled(tab)
            graph, log = tab.evaluate(spots)
            assert (graph == log) is beside
            tab.set_viewport_size({"width": 1280, "height": 900})
            settled(tab)
            graph, log = tab.evaluate(spots)
            assert graph < log


def test_menus_name_numbers_as_the_drawing_does(opened, simple):
    with opened(simple) as tab:
        for menu in ("#asked", "#checked", "#weight-a", "#weight-b"):
            assert {"w₁", "w₂"} <= {*tab.locator(f"{menu} option").all_text_contents()}


def test_a_number_is_dragged(opened, simple):
    with opened(simple) as tab:
        box = tab.locator('#graph [role="slider"]').first.bounding_box()
        before = tab.evaluate("chainrule.values()")
        tab.mouse.move(box["x"] + 20, box["y"] + 20)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 100, box["y"] + 20, steps=8)
        tab.mouse.up()
        after = tab.evaluate("chainrule.values()")
        assert after["L"] != before["L"]
        assert tab.evaluate("chainrule.undo()")
        assert tab.evaluate("chainrule.values()") == before


def test_the_derivation_follows_and_its_factors_light_the_graph(opened, simple):
    with opened(simple) as tab:
        tab.evaluate("chainrule.set('w2', -3)")
        settled(tab)
        story = tab.locator("#story .equation").first.inner_text().replace("\n", "")
        gradient = tab.evaluate("chainrule.gradients()")
        assert story.endswith(f"={gradient['w1']}".replace("-", "−"))
        assert "(−3)" in story
        factor = tab.locator("#story [data-edge]").first
        factor.hover()
        edge = factor.get_attribute("data-edge")
        assert "lit" in tab.locator(f'#graph [data-edge="{edge}"]').get_attribute("class")
        tab.locator(f'#graph [data-edge="{edge}"] path').dispatch_event("pointerover", {"bubbles": True})
        assert "lit" in factor.get_attribute("class")
        for name in tab.locator("#dialects button").all_inner_texts():
            tab.locator("#dialects button", has_text=name).click()
            settled(tab)
            assert "…" not in tab.locator("#story mn").all_inner_texts(), name


def test_wrong_answers_are_named(opened, simple):
    with opened(simple) as tab:
        tab.evaluate("chainrule.open(1)")
        settled(tab)
        tab.locator("#begin").click()
        right = {"f": 1, "d": 1, "e": -6, "a": -3, "b": -8}
        while "What is" in (question := tab.locator("#question").inner_text()):
            name = question.partition("/∂")[2][0]
            if name == "a":
                assert "a" not in tab.evaluate("chainrule.gradients()")
                assert tab.evaluate("chainrule.attempt.answer(3)")["name"] == "overwritten"
                assert tab.evaluate("chainrule.attempt.answer(-18)")["name"] == "multiplied-for-added"
            assert tab.evaluate("(x) => chainrule.attempt.answer(x)", right[name])["right"]
        assert tab.evaluate("chainrule.gradients()") == right


def test_what_is_taken_along_gives_the_numbers_of_now(opened, simple, tmp_path):
    with opened(simple) as tab:
        tab.evaluate("chainrule.set('w1', 3.5)")
        texts = {
            kind: tab.evaluate("(kind) => chainrule.exported(kind)", kind)
            for kind in ("Python", "NumPy", "LaTeX", "JSON", "SVG")
        }
        gradients = tab.evaluate("chainrule.gradients()")
    assert json.loads(texts["JSON"])["gradients"] == gradients
    assert "3.5" in texts["LaTeX"]
    assert "data 3.5" in texts["SVG"]
    for kind in ("Python", "NumPy"):
        (tmp_path / "script.py").write_text(texts[kind], "utf-8")
        done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True)
        assert repr(float(gradients["w2"])) in done.stdout, kind


HOSTILE = "</script><script>alert(1)</script>"


def test_labels_are_never_code(opened):
    a, b = cr.Value(2.0, label=HOSTILE), cr.Value(3.0, label='"\n);alert(2);//\u2028 <b>bold</b>')
    long = cr.Value(1.5, label="a very long label " * 20)
    with opened(cr.page((a * b + long).tanh())) as tab:
        tab.on("dialog", lambda dialog: pytest.fail(dialog.message))
        settled(tab)
        assert HOSTILE in tab.evaluate("Object.keys(chainrule.values())")
        tab.evaluate("(name) => chainrule.set(name, 0.5)", HOSTILE)
        assert tab.locator("b").count() == 0
        assert tab.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("x", [-1.0, 0.0])
def test_nan_and_inf_name_their_origin(opened, x):
    with opened(cr.page("z = log(x); f = z*w", values={"x": x, "w": 2.0})) as tab:
        settled(tab)
        value = tab.evaluate("String(chainrule.values().z)")
        assert value == ("NaN" if x < 0 else "-Infinity")
        assert tab.locator("#graph .origin").count() == 1
        assert "z" in tab.locator("#graph .origin").get_attribute("aria-label")
        tab.evaluate("chainrule.set('x', 1)")
        settled(tab)
        assert tab.locator("#graph .origin").count() == 0


def test_one_node_and_ten_thousand(opened):
    with opened(cr.page(cr.Value(2.0, label="x") * 1.0)) as tab:
        assert tab.evaluate("chainrule.gradients()")["x"] == 1
    x = cr.Value(0.5, label="x")
    y = x
    for _ in range(12_000):
        y = y * 1.0001
    with opened(cr.page(y)) as tab:
        settled(tab)
        assert tab.locator("#graph [data-box]").count() < 100
        assert tab.evaluate("chainrule.gradients().x") == pytest.approx(1.0001**12_000, rel=1e-9)
        assert "recorded" in tab.locator("#subject-note").inner_text()


def test_what_no_page_is_made_of(tmp_path):
    for problem, error in (
        ([], DtypeError),
        (3.0, DtypeError),
        (cr.Tensor([1.0, 2.0], requires_grad=True) * 2, GraphError),
    ):
        with pytest.raises(error):
            cr.page(problem)
    with pytest.raises(FormulaError, match="w has none"):
        cr.page("w*x", values={"x": 1.0})
    with pytest.raises(FormulaError, match="w and x have none"):
        cr.page("w*x")
    with pytest.raises(FormulaError, match="no such name"):
        cr.page("w*x", values={"x": 1.0, "w": 1.0, "z": 1.0})
    for rate in (-1, float("nan"), "fast", True):
        with pytest.raises(FormulaError, match="the rate is a finite number above 0"):
            cr.page("w*x", values={"x": 1.0, "w": 1.0}, rate=rate)
    for rows in ((), ([[1.0, 2.0]],)):
        with pytest.raises(DtypeError, match="give rows of features and their targets"):
            cr.page(nn.Linear(2, 1), *rows)
    with pytest.raises(FormatError, match=r"\.html"):
        cr.page(*NET[:1], values=NET[1]).save(tmp_path / "page.pdf")


def test_a_notebook_shows_it_in_a_frame(browser):
    shown = cr.page(*NET[:1], values=NET[1])._repr_html_()
    assert shown.startswith("<iframe sandbox=")
    context = browser.new_context()
    tab, wrong = context.new_page(), []
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.set_content(f"<main>{shown}</main>")
    frame = tab.frames[1]
    frame.wait_for_selector("#graph [data-box]")
    frame.evaluate("chainrule.train(1)")
    frame.wait_for_timeout(300)
    assert frame.evaluate("chainrule.values().w1") == pytest.approx(2.18)
    frame.click("#begin")
    frame.fill("#answer", "0.5")
    frame.click("#try-form [type=submit]")
    assert frame.inner_text("#judged").startswith("right")
    frame.click("#take")
    frame.click("#export form button")
    assert not frame.evaluate("document.getElementById('export').open")
    assert wrong == []
    context.close()
    assert "&lt;" in shown
    assert unescape(shown).count("<!DOCTYPE html>") == 1


def test_the_same_page_twice():
    pages = [Page((subject_of(NET[0], NET[1]),)).html for _ in range(2)]
    assert pages[0] == pages[1]
    # The one address is the name of SVG, which nothing is fetched from.
    assert pages[0].count("http") == pages[0].count("http://www.w3.org/2000/svg") == 1


def test_what_is_asked_is_not_told_elsewhere(opened, simple):
    with opened(simple) as tab:
        assert tab.locator("#story").is_visible()
        tab.locator("#begin").click()
        settled(tab)
        for place in ("#story", "#check-told", "#layers"):
            assert not tab.locator(place).is_visible(), place
        while "What is" in tab.locator("#question").inner_text():
            tab.locator("#show").click()
        settled(tab)
        assert tab.locator("#story").is_visible()


def test_a_summed_up_graph_follows_too_and_says_why_nothing_is_told(opened):
    text = "+".join([f"sin({n}*x)/{n}" for n in range(1, 110)])
    with opened(Page((typed_subject(text, {"x": 1.0}),))) as tab:
        assert tab.locator("#story").inner_text() == "This graph is too large to be told."
        tab.evaluate("chainrule.set('x', 0); chainrule.draw()")
        told = tab.locator("#graph [data-box]").all_text_contents()
        assert any(["mul × 109" in box and "data all 0" in box and "grad 0.00917 … 1" in box for box in told])
        assert not any(["grad –" in box for box in told])
        tab.evaluate("chainrule.step(0); chainrule.draw()")
        assert any(["grad ·" in text for text in tab.locator("#graph [data-box]").all_text_contents()])
        assert tab.locator("#layers").evaluate("(list) => list.parentElement.clientHeight") < 400


def test_what_is_no_number_has_no_derivative_to_check(opened):
    with opened(Page((typed_subject("log(x)*y", {"x": -1.0, "y": 2.0}),))) as tab:
        assert tab.locator("#check-told").inner_text() == "there is no derivative: f is nan"
        tab.evaluate("chainrule.set('x', 2); chainrule.draw()")
        assert tab.locator("#check-told").inner_text() == "the derivative is 1"


@pytest.mark.parametrize(
    ("text", "values", "says"),
    [
        ("relu(x) + y*y", {"x": 0.0, "y": 2.0}, {"x": "on a kink: 0 is taken by convention", "y": "derivative is 4"}),
        ("x*relu(x)", {"x": 0.0}, {"x": "the derivative is 0"}),
        ("maximum(x, y)", {"x": 1.0, "y": 1.0}, {"x": "on a kink: 0.5 is taken by convention"}),
    ],
)
def test_on_a_kink_a_convention_is_no_derivative(opened, text, values, says):
    with opened(cr.page(text, values=values)) as tab:
        for name, told in says.items():
            tab.locator("#checked").select_option(label=name)
            settled(tab)
            assert told in tab.locator("#check-told").inner_text()


def test_quotients_that_are_no_numbers_have_no_line(opened):
    with opened(cr.page("log(x)", values={"x": -1.0})) as tab:
        paths = "[...document.querySelectorAll('#errors path')].map((path) => path.getAttribute('d'))"
        assert tab.evaluate(paths) == ["", ""]
        tab.evaluate("chainrule.set('x', 2); chainrule.draw()")
        assert all(tab.evaluate(paths))


def test_a_unit_of_an_image_is_a_channel_and_errors_are_as_small_as_they_are(opened):
    net = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2, rng=1))
    net[0].weight.data[1] = 0.0
    net[0].bias.data[...] = [1.0, -1.0, 1.0, 1.0]
    images = np.random.default_rng(0).normal(size=(2, 1, 5, 5))
    with opened(Page((network_subject(net, images, np.array([0, 1]), told=False),))) as tab:
        assert "1 of 4 dead" in tab.locator("#layers").inner_text()
    with opened(cr.page("exp(x)*y", values={"x": 700.0, "y": 1e-300})) as tab:
        assert tab.locator("#layers .number").all_inner_texts() == ["1·10⁻³⁰⁰", "1"]


def test_a_long_name_widens_no_page(opened):
    name = "another_very_long_name_of_a_parameter"
    page = cr.page(f"rate_of_change_of_the_long_name = {name}**2 + b", values={name: 2.0, "b": 1.0})
    with opened(page, viewport={"width": 390, "height": 900}) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") == 0


def test_on_paper_everything_is_there_and_light(opened, simple):
    with opened(simple, color_scheme="dark", viewport={"width": 700, "height": 500}) as tab:
        ground = "getComputedStyle(document.documentElement).getPropertyValue('--ground').trim()"
        assert tab.evaluate(ground) == OWN_INKS["dark"]["ground"]
        tab.emulate_media(media="print")
        assert tab.evaluate(ground) == OWN_INKS["light"]["ground"]
        for held in (".graph", ".story", ".scroll"):
            boxes = tab.locator(held).evaluate_all("(all) => all.map((x) => [x.scrollHeight, x.clientHeight])")
            assert all([inside <= shown + 1 for inside, shown in boxes]), held
        width = tab.locator("#graph svg").evaluate("(svg) => svg.clientWidth - svg.parentElement.clientWidth")
        assert width <= 0


PAST_ITS_CELL = """() => [...document.querySelectorAll('#story td')].filter((cell) => {
    const next = cell.nextElementSibling;
    if (!next || getComputedStyle(cell).display === 'block') return false;
    const edge = next.getBoundingClientRect().left + 1;
    return [...cell.querySelectorAll('*')].some((x) => x.getBoundingClientRect().right > edge);
}).map((cell) => cell.textContent)"""


def test_a_formula_stays_in_its_column(opened):
    page = Page((two_sigmoids(),))
    for width in (390, 1280):
        with opened(page, viewport={"width": width, "height": 900}) as tab:
            for button in tab.locator("#dialects button").all():
                button.click()
                settled(tab)
                assert tab.evaluate(PAST_ITS_CELL) == [], width

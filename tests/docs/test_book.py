"""The book: its sources, its links, and the built site in a browser, at the width of a telephone and of a desk."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import re
import shutil
import sys
import threading
from pathlib import Path

import pytest

from chainrule.core.operation import Pointwise, book
from chainrule.lessons import chapters

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (390, 1280)

pytest.importorskip("matplotlib", reason="pip install '.[plot]'")
pytest.importorskip("fast_sugiyama", reason="pip install '.[draw]'")


@pytest.fixture(scope="session")
def builder():
    """The program that builds the book."""
    sys.path.insert(0, str(ROOT / "docs"))
    import book

    yield book
    sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="session")
def few(builder, tmp_path_factory):
    """The sources of a book with two chapters and two kinds of rules, and everything else."""
    folder = tmp_path_factory.mktemp("book")
    builder.write_sources(folder, numbers=(6, 16), kinds=("Fused", "Flat"))
    return folder


def test_every_page_that_is_written_is_in_the_book(few):
    pages = {page.relative_to(few / "docs").as_posix() for page in (few / "docs").rglob("*.md")}
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in pages
    nav = (few / "zensical.toml").read_text()
    assert all(f'"{page}"' in nav for page in pages)


def test_links_and_pictures_of_the_book_exist(few):
    # What stands in code, and in the programs of live pages, is no link.
    for page in (few / "docs").rglob("*.md"):
        text = re.sub(r'```.*?```|srcdoc="[^"]*"', "", page.read_text("utf-8"), flags=re.DOTALL)
        for place in re.findall(r"\]\((?!https:)([^)#\s]+)[^)]*\)", text):
            if not place.startswith("lessons/") or Path(place).stem in ("06-accumulate", "16-four-equations"):
                assert (page.parent / place).exists(), f"{page.name} links to {place}"


def test_every_block_of_the_book_begins_as_its_builder_reads_it(few):
    # A builder takes a fence with a second word beside it for text.
    for page in (few / "docs").rglob("*.md"):
        found = re.findall(r"^ *```.*", page.read_text("utf-8"), re.MULTILINE)
        assert len(found) % 2 == 0, page.name
        assert {fence.strip(" `") for fence in found} <= {"", "python", "pycon", "sh", "text"}, page.name


def test_a_rule_has_its_formula_derivation_check_and_picture(builder, tmp_path):
    from book_rules import section_of

    for name in ("tanh", "mul", "matmul", "where", "inv", "sum", "affine"):
        text = section_of(book[name], tmp_path / "pictures")
        assert text.startswith(f"## {name}")
        assert "<math" in text
        assert "differences confirm it" in text
        assert (tmp_path / "pictures" / f"{name}.svg").exists()
    for name, rule in book.items():
        if isinstance(rule, Pointwise) and "y" in rule.inputs:
            from book_rules import output_of

            assert output_of(rule) not in rule.inputs, name


def test_a_rule_that_differences_do_not_confirm_stops_the_book(builder, monkeypatch):
    import book_rules

    rule = book["tanh"]
    settings, inputs = book_rules.example_of(rule)
    assert "confirm" in book_rules.checked(rule, [0], inputs, settings)
    monkeypatch.setattr(book_rules.cr, "jvp", lambda f, x, t: (f(*x), 1.01 * t[0]))
    with pytest.raises(ValueError, match="tanh: the rule and differences differ"):
        book_rules.checked(rule, [0], inputs, settings)


def test_what_points_out_of_the_book_is_a_name_and_no_link(builder):
    page = ROOT / "docs" / "howto" / "operation.md"
    text = builder.with_links(page, chapters())
    assert "Contributing (`CONTRIBUTING.md`)" in text
    assert "](../../" not in text
    index = builder.with_links(ROOT / "docs" / "index.md", chapters())
    assert "](lessons/01-slope.md)" in index


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def visit():
    """Opens pages of a site at both widths; whatever goes wrong on one, or leaves the machine, is listed."""
    if not CHROMIUM:
        pytest.skip("the site is tried in Debian's chromium: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

    def go(site: Path, pages: list[str]) -> list[str]:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}/"
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            wrong = [line for width in WIDTHS for line in faults(browser, width, base, pages)]
            browser.close()
        server.shutdown()
        server.server_close()
        return wrong

    return go


def faults(browser, width: int, base: str, pages: list[str]) -> list[str]:
    """What goes wrong on some pages at one width."""
    tab, wrong = browser.new_page(viewport={"width": width, "height": 900}), []
    inside = (base, "data:", "blob:", "about:")
    tab.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    tab.on("request", lambda r: None if r.url.startswith(inside) else wrong.append(r.url))
    for page in pages:
        tab.goto(base + page)
        if tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append(f"{page} is wider than {width}")
        assert tab.locator("h1").first.inner_text()
    if width == WIDTHS[-1] and "saturated" not in search(tab, base):
        wrong.append("the search does not find what only chapter 16 says")
    return wrong


def search(tab, base: str) -> str:
    """What the search of the site finds for a word; it shows its results in a tree of its own."""
    tab.goto(base)
    tab.wait_for_timeout(500)
    tab.keyboard.press("Control+k")
    tab.wait_for_timeout(300)
    tab.keyboard.type("saturated")
    results = "[...document.querySelectorAll('*')].map((e) => e.shadowRoot?.textContent ?? '').join('')"
    tab.wait_for_function(f"{results}.includes('saturated')", timeout=30_000)
    return tab.evaluate(results)


def pages_of(site: Path) -> list[str]:
    return [page.parent.relative_to(site).as_posix() + "/" for page in sorted(site.rglob("index.html"))]


@pytest.mark.skipif(not importlib.util.find_spec("zensical"), reason="pip install '.[docs]'")
def test_a_small_site_opens_in_a_browser_without_errors_and_without_a_network(few, builder, visit):
    # The whole course is not in it, so what points to other chapters is no error here.
    index = few / "docs" / "index.md"
    index.write_text(
        index.read_text().replace("](../src/chainrule/lessons/chapters/01-slope.md)", "](lessons/index.md)")
    )
    builder.build(few)
    assert not [page for page in (few / "site").rglob("*.html") if "```" in page.read_text("utf-8")]
    assert visit(few / "site", ["./", "lessons/06-accumulate/", "lessons/16-four-equations/", "rules/fused/"]) == []


@pytest.mark.soak
@pytest.mark.skipif(not importlib.util.find_spec("zensical"), reason="pip install '.[docs]'")
def test_the_whole_site_opens_in_a_browser_without_errors_and_without_a_network(builder, visit, tmp_path):
    builder.write_sources(tmp_path)
    builder.build(tmp_path)
    site = tmp_path / "site"
    text = "".join([page.read_text("utf-8") for page in (tmp_path / "docs" / "rules").glob("*.md")])
    assert all(f"## {name}\n" in text for name in book)
    assert visit(site, pages_of(site)) == []

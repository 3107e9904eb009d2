"""A real browser, one for all tests of a process, that no page can leave: whatever asks a network fails the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import chainrule as cr
from chainrule.livepage.page import Page
from chainrule.livepage.subject import typed_subject

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is tried in a browser: pip install '.[test]'")
pytest.importorskip("fast_sugiyama", reason="pictures are laid out by fast-sugiyama: pip install '.[draw]'")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)

NET = ("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", {"w1": 2.0, "x": 2.0, "w2": 0.5, "y": 20.0})
REUSE = ("d = a*b; e = a + b; f = d*e", {"a": -2.0, "b": 3.0})
ORDER = ("u = x*x; v = u + x; L = u*v", {"x": 3.0})


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("the page is tried in Debian's chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def opened(browser, tmp_path_factory):
    """Opens a page from disk: ``with opened(page) as tab``; anything on the console or to a network is an error."""
    folder = tmp_path_factory.mktemp("pages")
    written: dict[int, str] = {}
    kept: list[Page] = []

    @contextmanager
    def open_page(page: Page, *, hash: str = "", **settings) -> Iterator:
        if id(page) not in written:
            path = folder / f"{len(written)}.html"
            page.save(path)
            written[id(page)] = path.as_uri()
            kept.append(page)
        settings.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(reduced_motion="reduce", **settings)
        wrong: list[str] = []
        context.on("request", lambda request: wrong.append(request.url) if is_outside(request.url) else None)
        tab = context.new_page()
        tab.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        try:
            tab.goto(written[id(page)] + hash)
            tab.evaluate("chainrule.ready")
            yield tab
            settled(tab)
            assert wrong == []
        finally:
            context.close()

    return open_page


def is_outside(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))


def settled(tab) -> None:
    """Wait until what was asked for is drawn, in the panels too that are not seen."""
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))).then(chainrule.draw)")


@pytest.fixture(scope="session")
def simple() -> Page:
    """The net of two weights, the graph that uses values twice, and one that is passed in a wrong order."""
    subjects = [typed_subject(text, values, title=text) for text, values in (NET, REUSE, ORDER)]
    return Page(tuple(subjects))


@pytest.fixture(scope="session")
def gallery() -> Page:
    return cr.page()

"""Draw the picture of the live page at the top of README: run this after the page has changed.

.venv/bin/python docs/write_page_picture.py

It takes Playwright and chromium, as the tests of the page do.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import chainrule as cr

OUT = Path(__file__).with_name("live_page.png")
WIDTH, HEIGHT = 1280, 1000


def picture(path: Path) -> None:
    """The page of a value that is used twice, where the backward pass overwrites."""
    page = cr.page("d = a*b; e = a + b; f = d*e", values={"a": -2, "b": 3}, title="A value used twice", rate=0.05)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page.save(Path(folder) / "page.html")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce"
        )
        tab.goto((Path(folder) / "page.html").as_uri())
        tab.evaluate("chainrule.ready.then(() => chainrule.mistake('overwrite'))")
        tab.wait_for_timeout(1500)
        tab.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    picture(OUT)

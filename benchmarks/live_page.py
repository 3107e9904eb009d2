"""The live page while a number is dragged: what a frame takes, in chromium, with 193 weights and 200 points."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.harness import Report, Row

TARGET = 16.7
"""Milliseconds of a frame at 60 a second."""
MOVES = 120


def frames() -> Report:
    """The time in which all panels are computed and drawn again after a move; the script's own part of a frame."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if sync_playwright is None or chromium is None:
        raise SystemExit("the page is measured in a browser: pip install playwright, and apt-get install chromium")
    from chainrule.livepage.gallery import moons
    from chainrule.livepage.page import Page

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "page.html"
        Page((moons(),)).save(path)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(path.as_uri())
        tab.evaluate("chainrule.ready")
        taken = tab.evaluate(
            """async (moves) => {
                for (let n = 0; n < moves; n++) {
                    chainrule.set('net[0].weight[0, 0]', Math.sin(n / 9));
                    await new Promise((done) => requestAnimationFrame(done));
                }
                return chainrule.frames().slice(-moves + 10);
            }""",
            MOVES,
        )
        browser.close()
    return Report([Row("a move on the live page, all panels", [ms / 1000 for ms in taken], target=TARGET)])

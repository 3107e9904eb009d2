"""A worksheet as a page of HTML that needs no network: blanks are checked where they are typed."""

from __future__ import annotations

import json
from html import escape

from chainrule.sheets.plan import EARLY, ENOUGH, NEAR, NONE, ROUNDED, SHARE, Plan, Row
from chainrule.webpage import webpage

STYLE = """\
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 56rem; margin: 1rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.25rem 0.6rem; border-bottom: 1px solid #8886; }
td:first-child { white-space: nowrap; }
td { font-variant-numeric: tabular-nums; }
th[colspan] { padding-top: 1.2rem; font-size: 1.1rem; }
input { font: inherit; width: 9rem; padding: 0.15rem 0.4rem; border: 2px solid #b8860b; border-radius: 0.25rem; }
input.right { border-color: #1a7f37; outline: 2px solid #1a7f37; }
input.wrong { border-color: #c33; border-style: dashed; }
output { opacity: 0.85; padding-left: 0.4rem; display: inline-block; }
@media (max-width: 40rem) {
  th, td { padding: 0.25rem 0.35rem; }
  input { width: 7rem; }
  td:nth-child(2) { min-width: 4rem; }
}
@media print { input { border: 0; border-bottom: 1px solid; } }"""

ASKED = f"<p>Fill in the blanks: they turn green, with a check mark, when right. {ENOUGH}</p>\n"

TABLE = """\
<table>
<thead><tr><th scope="col">what</th><th scope="col">how</th><th scope="col">number</th><td></td></tr></thead>
<tbody>"""

SCRIPT = """\
function near(x, y) {
  const size = Math.abs(y);
  return Math.abs(x - y) <= Math.max(NONE, Math.min(NEAR * Math.max(1, size), SHARE * size));
}
/** A number, or a quotient of two; a comma is taken for a point. */
function number(text) {
  const parts = text.replaceAll(",", ".").replaceAll("\\u2212", "-").split("/");
  const [x, y = 1] = parts.map((part) => (part.trim() ? Number(part) : NaN));
  return parts.length > 2 ? NaN : x / y;
}
for (const input of document.querySelectorAll("input")) {
  const answer = Number(input.dataset.answer), known = JSON.parse(input.dataset.known);
  const said = input.closest("tr").querySelector("output");
  input.addEventListener("input", () => {
    const text = input.value.trim(), typed = number(text);
    const right = text !== "" && near(typed, answer);
    const found = known.find(([given]) => near(typed, given));
    const early = typed !== 0 && ROUNDED.some((n) => Math.round(answer * 10 ** n) / 10 ** n === typed);
    input.className = text === "" ? "" : right ? "right" : "wrong";
    const wrong = Number.isNaN(typed) ? "that is no number" : found ? found[1] : early ? EARLY : "not yet";
    said.textContent = text === "" ? "" : right ? "\\u2713 right" : wrong;
  });
}"""


def page(plan: Plan, teacher: bool) -> str:
    title = plan.titled(teacher)
    asked = any([row.blank for row in plan.rows]) and not teacher
    head = f"<h1>{escape(title)}</h1>\n{ASKED if asked else ''}{TABLE}"
    rows = [line(row, teacher) for row in plan.rows]
    return webpage(title, STYLE, "\n".join([head, *rows, "</tbody>\n</table>", *[script()] * asked]))


def script() -> str:
    """What checks the blanks where they are typed."""
    given = {"ROUNDED": ROUNDED, "EARLY": EARLY, "NEAR": NEAR, "SHARE": SHARE, "NONE": NONE}
    told = ", ".join([f"{name} = {json.dumps(x)}" for name, x in given.items()])
    return f'<script>\n"use strict";\nconst {told};\n{SCRIPT}\n</script>'


def line(row: Row, teacher: bool) -> str:
    if row.kind == "head":
        return f'<tr><th colspan="4" scope="rowgroup">{escape(row.name)}</th></tr>'
    name = escape(row.name)
    if row.blank and not teacher:
        known = escape(json.dumps([list(pair) for pair in row.mistakes], ensure_ascii=False))
        box = f'<input autocomplete="off" aria-label="{name}" data-answer="{row.value!r}" data-known="{known}">'
        return f'<tr><td>{name}</td><td>{escape(row.told)}</td><td colspan="2">{box} <output></output></td></tr>'
    return f"<tr><td>{name}</td><td>{escape(row.how)}</td><td>{row.shown}</td><td></td></tr>"

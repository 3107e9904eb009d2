"""Worksheets: every cell is what the engine says, in LibreOffice too; blanks know right and wrong numbers by name."""

import json
import re
import shutil
import subprocess
from html import unescape
from xml.etree import ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ChainruleError, DtypeError, FormatError, GraphError
from chainrule.sheets import paper
from chainrule.sheets.cells import WORDS
from chainrule.sheets.page import page as sheets_page
from chainrule.sheets.paper import LINES, figures
from chainrule.sheets.plan import Row
from chainrule.verify.mistakes import KINDS

NET = "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2"
NUMBERS = {"w1": 2.0, "x": 2.0, "w2": 0.5, "y": 20.0}
XLSX = "worksheets are written by XlsxWriter: pip install '.[worksheet]'"


def random_net(seed):
    """A small net of numbers with an activation, a shared value and a loss, as lines and numbers."""
    rng = np.random.default_rng(seed)
    bend = rng.choice(["sigmoid", "tanh", "relu", "softplus", "exp", "silu"])
    loss = rng.choice(
        ["0.5*(p - y)**2", "(p - y)**2", "abs(p - y)", "-(y*log(sigmoid(p)) + (1 - y)*log(1 - sigmoid(p)))"]
    )
    lines = f"h1 = {bend}(w1*x1 + w2*x2 + b1); h2 = {bend}(w3*x1 - w2*x2); p = v1*h1 + v2*h2*h1 - b2; L = {loss}"
    names = ("w1", "w2", "w3", "x1", "x2", "b1", "v1", "v2", "b2", "y")
    numbers = {name: round(float(x), 2) for name, x in zip(names, rng.normal(0, 1, len(names)), strict=True)}
    return lines, {**numbers, "y": 1.0}


def values_of(lines, numbers):
    """What the engine says: every name's number, and the gradient of L in it."""
    nodes = {name: cr.Value(x, label=name) for name, x in numbers.items()}
    from chainrule.expression import read_assignments

    found = dict(nodes)
    found.update(read_assignments(lines).results(nodes))
    found["L"].backward()
    return {name: (node.data, node.grad) for name, node in found.items()}


@pytest.mark.parametrize("seed", range(12))
def test_rows_are_what_the_engine_says(seed):
    lines, numbers = random_net(seed)
    engine = values_of(lines, numbers)
    sheet = cr.worksheet(lines, numbers)
    rows = {row.name: row for row in sheet.rows}
    for name, (value, grad) in engine.items():
        shown = re.sub(r"(\d)", lambda n: "₀₁₂₃₄₅₆₇₈₉"[int(n[0])], name)
        assert rows[shown].value == value
        assert rows[f"∂L/∂{shown}"].value == pytest.approx(grad, rel=1e-12, abs=1e-14)
    assert {row.kind for row in sheet.blanks} <= {"local", "gradient"}


def test_blanks_are_chosen():
    kinds = {
        "gradients": {"local", "gradient"},
        "forward": {"forward"},
        "all": {"forward", "local", "gradient"},
        "none": set(),
    }
    for blanks, kind in kinds.items():
        assert {row.kind for row in cr.worksheet(NET, NUMBERS, blanks=blanks).blanks} == kind
    assert [row.name for row in cr.worksheet(NET, NUMBERS, blanks=["h", "∂L/∂w₁"]).blanks] == ["h", "∂L/∂w₁"]
    with pytest.raises(GraphError, match="no row is called 'q'"):
        cr.worksheet(NET, NUMBERS, blanks=["q"])


def test_what_no_sheet_is_made_of():
    with pytest.raises(DtypeError, match="this is a Tensor"):
        cr.worksheet(cr.Tensor([1.0], requires_grad=True).sum())
    with pytest.raises(ChainruleError, match="erf cannot be written in a cell"):
        cr.worksheet("erf(x)", {"x": 1.0})
    with pytest.raises(GraphError, match="not finite"):
        cr.worksheet("log(x)", {"x": 0.0})
    with pytest.raises(FormatError, match=r"sheet.ods.*\.xlsx"):
        cr.worksheet(NET, NUMBERS).save("sheet.ods")


def test_the_page_knows_right_and_wrong_numbers(tmp_path):
    sheet = cr.worksheet(NET, NUMBERS)
    sheet.save(tmp_path / "sheet.html")
    text = (tmp_path / "sheet.html").read_text("utf-8")
    boxes = re.findall(r'aria-label="([^"]+)" data-answer="([^"]+)" data-known="([^"]*)"', text)
    assert [name for name, _, _ in boxes] == [row.name for row in sheet.blanks]
    by = {name: (float(answer), json.loads(unescape(known))) for name, answer, known in boxes}
    answer, known = by["∂L/∂w₂"]
    assert answer == -72.0
    assert dict(known)[72.0] == "the sign is turned"
    assert all(number != answer for number, _ in known)
    sheet.save(tmp_path / "teacher.html", teacher=True)
    assert "<input " not in (tmp_path / "teacher.html").read_text("utf-8")
    hostile = cr.worksheet(cr.Value(2.0, label="<script>alert(1)</script>") * 3.0)
    hostile.save(tmp_path / "hostile.html")
    assert "<script>alert" not in (tmp_path / "hostile.html").read_text("utf-8")
    assert "<iframe sandbox" in sheet._repr_html_()


def test_a_sheet_to_print(tmp_path):
    pytest.importorskip("matplotlib", reason="sheets are printed through Matplotlib: pip install '.[plot]'")
    sheet = cr.worksheet(NET, NUMBERS)
    sheet.save(tmp_path / "sheet.pdf")
    sheet.save(tmp_path / "again.pdf")
    sheet.save(tmp_path / "answers.pdf", teacher=True)
    first, again = [(tmp_path / f"{name}.pdf").read_bytes() for name in ("sheet", "again")]
    assert first == again
    assert first.startswith(b"%PDF")
    told = [{text.get_text() for page in figures(sheet.plan, key) for text in page.texts} for key in (False, True)]
    for row in sheet.rows:
        number = f"{row.value:.10g}".replace("-", "−")
        assert row.name in told[0] & told[1]
        assert row.kind == "head" or number in told[1], row
        assert row.kind == "head" or row.blank or number in told[0], row
    assert "−72" not in told[0]
    hostile = cr.worksheet(cr.Value(2.0, label="$\\frac{") * 3.0)
    hostile.save(tmp_path / "hostile.pdf")
    several = cr.worksheet(*random_net(3))
    assert len(list(figures(several.plan, False))) == -(-len(several.rows) // LINES)


def recalculated(folder, paths):
    """The cells of the sheets of some workbooks, as LibreOffice computes them anew."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not here: apt-get install libreoffice-calc recalculates the worksheets")
    profile = folder / "profile" / "user"
    profile.mkdir(parents=True)
    always = (
        '<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse">'
        "<value>0</value></prop></item>"
    )
    (profile / "registrymodifications.xcu").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"{always}</oor:items>",
        encoding="utf-8",
    )
    command = [office, f"-env:UserInstallation={profile.parent.as_uri()}", "--headless", "--convert-to", "fods"]
    # On a busy machine a sheet takes it seconds.
    wait = 240 + 30 * len(paths)
    subprocess.run([*command, "--outdir", str(folder), *map(str, paths)], check=True, capture_output=True, timeout=wait)
    return [cells_of(folder / f"{path.stem}.fods") for path in paths]


def cells_of(path):
    """Every number and text, by sheet and place, as C6."""
    space = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
    table, office = space % "table", space % "office"
    found = {}
    for sheet in ElementTree.parse(path).iter(f"{table}table"):
        cells, line = {}, 0
        for row in sheet.iter(f"{table}table-row"):
            column = 0
            for cell in row:
                wide = int(cell.get(f"{table}number-columns-repeated", 1))
                value = cell.get(f"{office}value")
                text = "".join(cell.itertext()).strip()
                if column < 26 and (value or text):
                    cells[f"{chr(65 + column)}{line + 1}"] = float(value) if value else text
                column += wide
            line += int(row.get(f"{table}number-rows-repeated", 1))
        found[sheet.get(f"{table}name")] = cells
    return found


def written(folder, count, **how):
    """Some workbooks whose stored results are all 0, so that only a recalculation can be right; with their plans."""
    pytest.importorskip("xlsxwriter", reason=XLSX)
    from dataclasses import replace

    made = []
    for seed in range(count):
        sheet = cr.worksheet(*random_net(seed))
        rows = list(sheet.rows)
        zeroed = [replace(row, value=0.0) if row.formula else row for row in rows]
        sheet.plan.rows[:] = zeroed
        path = folder / f"sheet{seed}.xlsx"
        sheet.save(path, **how)
        made.append((path, rows))
    return made


@pytest.mark.parametrize("count", [4, pytest.param(50, marks=pytest.mark.soak)])
def test_libreoffice_computes_what_the_engine_says(tmp_path, count):
    made = written(tmp_path, count, teacher=True)
    for (_, rows), sheets in zip(made, recalculated(tmp_path, [path for path, _ in made]), strict=True):
        for name in ("work", "answers"):
            for row in rows:
                if row.kind != "head":
                    assert sheets[name][row.cell] == pytest.approx(row.value, rel=1e-12, abs=1e-13), row


@pytest.mark.parametrize("name", ["L", "cost", "cost_of_it_all"])
def test_long_names_and_sums_keep_to_their_columns_on_paper(name):
    pytest.importorskip("matplotlib", reason="a PDF is written by Matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    sheet = cr.worksheet(f"a = x*w; b = tanh(a) + a*a; {name} = b*a + w*w + x", {"x": 1.2, "w": 0.7})
    for page in figures(sheet.plan, True):
        FigureCanvasAgg(page)
        renderer = page.canvas.get_renderer()
        boxes = [text.get_window_extent(renderer) for text in page.texts if text.get_text()]
        assert not [(one, other) for n, one in enumerate(boxes) for other in boxes[:n] if one.overlaps(other)]
        assert len(name) > 10 or not [text.get_text() for text in page.texts if "…" in text.get_text()]


def test_a_copy_with_all_answers_asks_for_nothing():
    sheet = cr.worksheet(NET, NUMBERS)
    asked, answered = [sheets_page(sheet.plan, teacher) for teacher in (False, True)]
    assert "Fill in the blanks" in asked
    assert not any([word in answered for word in ("Fill in", "<input", "<script")])
    assert "answers" in answered


def test_planted_numbers_are_judged_in_libreoffice(tmp_path):
    pytest.importorskip("xlsxwriter", reason=XLSX)
    sheet = cr.worksheet(NET, NUMBERS)
    sheet.save(tmp_path / "filled.xlsx", filled={"∂L/∂w₂": 72.0, "∂L/∂w₁": -18.0, "∂L/∂x": 5.0})
    early = cr.worksheet(NET, {**NUMBERS, "w2": 0.512346})
    right = next(row.value for row in early.rows if row.name == "∂L/∂w₁")
    early.save(tmp_path / "early.xlsx", filled={"∂L/∂w₁": round(right, 2), "∂L/∂x": round(right, 2) + 0.01})
    tiny = cr.worksheet("L = w*x*z", {"w": 2.0, "x": 4e-7, "z": 3e-5})
    right = {row.name: row.value for row in tiny.rows}
    tiny.save(tmp_path / "tiny.xlsx", filled={"∂L/∂x": 6e-5, "∂L/∂w": -right["∂L/∂w"], "∂L/∂z": 8.2e-7})
    paths = [tmp_path / f"{name}.xlsx" for name in ("filled", "early", "tiny")]
    sheets, rounded, small = recalculated(tmp_path, paths)
    line = {row.name: row.cell[1:] for row in tiny.rows}
    words = [small["work"][f"D{line[name]}"] for name in ("∂L/∂x", "∂L/∂w", "∂L/∂z")]
    assert words == ["right", "the sign is turned", "not yet"], "six decimals are 0 here"
    line = {row.name: row.cell[1:] for row in sheet.rows}
    words = [rounded["work"][f"D{line[name]}"] for name in ("∂L/∂w₁", "∂L/∂x")]
    assert words == ["right so far: more decimals", "not yet"]
    said = {name: sheets["work"].get(f"D{line[name]}") for name in ("∂L/∂w₂", "∂L/∂w₁", "∂L/∂x", "∂L/∂y")}
    assert said == {"∂L/∂w₂": "the sign is turned", "∂L/∂w₁": "right", "∂L/∂x": "not yet", "∂L/∂y": None}


def test_every_word_is_an_operation_of_the_book_and_gives_its_numbers(tmp_path):
    pytest.importorskip("xlsxwriter", reason=XLSX)
    from chainrule.core.operation import book

    results = []
    for name in sorted(WORDS):
        operation = book[name]
        low, high = operation.domain
        at = [float(np.clip(x, low, high)) for x in (0.7, 0.4, 1.3)][: len(operation.inputs)]
        nodes = [cr.Value(x, label=f"x{i}") for i, x in enumerate(at)]
        results.append((name, operation(*nodes, **operation.examples[0])))
    paths, expected = [], []
    for name, result in results:
        if isinstance(result, cr.Value) and result.op is not None:
            sheet = cr.worksheet(result + 0.0, blanks="none")
            paths.append(tmp_path / f"{name}.xlsx")
            sheet.save(paths[-1])
            expected.append((name, sheet.rows))
    assert len(paths) > 25
    for (name, rows), sheets in zip(expected, recalculated(tmp_path, paths), strict=True):
        for row in rows:
            if row.kind != "head":
                assert sheets["work"][row.cell] == pytest.approx(row.value, rel=1e-12, abs=1e-13), (name, row)


def test_command(tmp_path, monkeypatch):
    import contextlib
    import io
    import sys

    from chainrule.cli.app import main

    out = tmp_path / "sheet.html"
    for words, code, told in (
        ((NET, "x=2", "w1=2", "w2=0.5", "y=20", "-o", out), 0, "with 15 blanks"),
        ((NET, "x=2", "w1=2", "w2=0.5", "y=20", "-o", out, "--teacher"), 0, "with 0 blanks"),
        ((NET, "x=2", "w1=2", "w2=0.5", "y=20", "-o", out, "--blanks", "h,∂L/∂w₁"), 0, "with 2 blanks"),
        ((NET, "x=2", "-o", out), 2, "w1, w2 and y have none: add w1=… w2=… y=…"),
        (("sum(x)", "x=[1,2]", "-o", out), 2, "single numbers"),
        (("x**2", "x=2", "-o", tmp_path / "sheet.ods"), 1, "no name of a worksheet"),
    ):
        printed, wrong = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["chainrule", "worksheet", *map(str, words)])
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(wrong), pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == code, wrong.getvalue()
        assert told in printed.getvalue() + wrong.getvalue()


@pytest.mark.parametrize(
    ("text", "values", "of", "wrong"),
    [
        ("a = x*x; f = a + a*x", {"x": 3.0}, "∂f/∂x", {9.0: "overwritten", 15.0: "wrong-order", -33.0: "sign"}),
        ("u = x*x; v = u + x; L = u*v", {"x": 3.0}, "∂L/∂x", {81.0: "wrong-order", 207.0: "wrong-order"}),
        ("d = a*b; e = a + b; f = d*e", {"a": -2.0, "b": 3.0}, "∂f/∂a", {3.0: "overwritten", -9.0: "not-zeroed"}),
        ("d = a*b; e = a + b; f = d*e", {"a": -2.0, "b": 3.0}, "∂f/∂b", {-2.0: "overwritten", -6.0: "overwritten"}),
    ],
)
def test_what_a_wrong_pass_gives_is_named_so(text, values, of, wrong):
    (row,) = [row for row in cr.worksheet(text, values).rows if row.name == of]
    assert {x: words for x, words in row.mistakes if x in wrong} == {x: KINDS[name].what for x, name in wrong.items()}


def test_given_numbers_stand_in_the_order_of_their_names():
    sheet = cr.worksheet("L = w10*x + w2*y + w1", {"w10": 1.0, "w2": 2.0, "w1": 3.0, "x": 4.0, "y": 5.0})
    assert [row.value for row in sheet.rows if row.kind == "given"] == [3.0, 2.0, 1.0, 4.0, 5.0]


def test_a_wrong_local_derivative_is_named():
    sheet = cr.worksheet(NET, NUMBERS)
    (row,) = [row for row in sheet.rows if row.name == "local ∂v₁/∂y"]
    assert (row.value, dict(row.mistakes)[1.0]) == (-1.0, KINDS["sign"].what)


@pytest.mark.parametrize("length", range(30, 110, 3))
def test_no_heading_stands_at_the_foot_of_a_page(length):
    rows = [Row("head" if n % 7 == 0 else "given", str(n)) for n in range(length)]
    pages = list(paper.cut(rows))
    assert [row for page in pages for row in page] == rows
    assert all([0 < len(page) <= paper.LINES for page in pages])
    for page in pages[:-1]:
        assert not any([row.kind == "head" for row in page[-paper.FEW :]])


def test_a_blank_of_the_forward_says_what_is_worked_out_and_one_of_the_backward_does_not():
    sheet = cr.worksheet(NET, NUMBERS, blanks="all")
    told = {row.name: row.told for row in sheet.blanks}
    assert told["h"] == "w₁ · x"
    assert {row.told for row in sheet.blanks if row.kind != "forward"} == {""}
    assert "w₁ · x</td><td" in sheets_page(sheet.plan, False)
    (page,) = figures(cr.worksheet(NET, NUMBERS, blanks="forward").plan, False)
    assert "w₁ · x" in [text.get_text() for text in page.texts]


def test_the_teachers_workbook_speaks_of_no_blanks_and_prints_the_answers_alone(tmp_path):
    import zipfile

    pytest.importorskip("xlsxwriter", reason="workbooks are written by xlsxwriter: pip install '.[worksheet]'")
    cr.worksheet(NET, NUMBERS).save(tmp_path / "key.xlsx", teacher=True)
    with zipfile.ZipFile(tmp_path / "key.xlsx") as file:
        words, book = (file.read(f"xl/{name}.xml").decode() for name in ("sharedStrings", "workbook"))
    assert "Yellow" not in words
    assert re.findall(r"(\w+)!\$A\$1:\$D\$\d+<", book) == ["answers", "work"]


def test_what_cannot_be_filled_in_is_refused(tmp_path):
    with pytest.raises(GraphError, match="no row is called '3'"):
        cr.worksheet(NET, NUMBERS, blanks=3)
    for filled, error, told in (
        ({"nobody": 1.0}, GraphError, "no blank is called 'nobody': there are local"),
        ({"∂L/∂w₁": "x"}, DtypeError, "a number is put into '∂L/∂w₁', not 'x'"),
    ):
        with pytest.raises(error, match=told):
            cr.worksheet(NET, NUMBERS).save(tmp_path / "sheet.xlsx", filled=filled)
    assert not list(tmp_path.iterdir())


def test_numbers_are_written_as_everywhere_and_long_sums_have_room(tmp_path):
    import zipfile

    pytest.importorskip("xlsxwriter", reason=XLSX)
    sheet = cr.worksheet("u = x*y; v = x/y; L = u*v + exp(-x) + sin(x)*y", {"x": 2.0, "y": 3e6})
    shown = {row.name: row.shown for row in sheet.rows}
    assert not any(["e" in text.removeprefix("-") for text in shown.values()])
    sheet.save(tmp_path / "key.xlsx", teacher=True)
    with zipfile.ZipFile(tmp_path / "key.xlsx") as file:
        rows = file.read("xl/worksheets/sheet1.xml").decode()
    high = {int(n): float(height) for n, height in re.findall(r'<row r="(\d+)"[^>]* ht="([\d.]+)"', rows)}
    long = [int(row.cell[1:]) for row in sheet.rows if row.kind == "gradient" and len(row.how) > 38]
    assert long
    assert all([high[n] >= 30 for n in long])

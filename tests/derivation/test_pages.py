"""The worked nets in every dialect and format are as they are on record; formulas on them come to what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import cycle
from xml.etree import ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.state import Quiet
from chainrule.derivation.checked import is_general, is_running, letters_in
from chainrule.derivation.explain import NEAREST
from chainrule.derivation.formats import write
from chainrule.derivation.formats.latex import PREAMBLE
from chainrule.derivation.notation import NOTATIONS
from chainrule.derivation.record import trees_in
from chainrule.errors import ChainruleError, GraphError
from chainrule.maths import Derivative, Relation, Unknown, latex, mathml, plain, unicode
from chainrule.maths.values import value
from latex_oracle.value import value_of

from .pages import FOLDER, PAGES, derivations, pages

TOLD = [pytest.param(told, id=f"{name}-{dialect}") for name, dialect, told in derivations()]


def test_the_pages_are_as_on_record():
    """Renew them with ``.venv/bin/python tests/derivation/pages.py``, and look at what changed."""
    found = dict(pages())
    assert set(found) == {file.name for file in FOLDER.iterdir()}
    for name, text in found.items():
        assert text == (FOLDER / name).read_text(encoding="utf-8"), name


def test_the_number_of_every_derivative_on_a_page_is_known():
    for name, dialect, told in derivations():
        known = {entry.symbol for entry in told.known}
        for tree in trees_in((*told.story, *told.short)):
            for letter, running in letters_in(tree):
                if isinstance(letter, Derivative | Unknown) and not (is_general(letter, running) or is_running(letter)):
                    assert letter in known, (name, dialect, plain(letter))


@pytest.mark.parametrize("told", TOLD)
def test_no_two_things_print_alike(told):
    known = {entry.symbol: entry.value for entry in told.known}
    for writer in (latex, unicode, plain):
        printed = {}
        for symbol, numbers in known.items():
            text = writer(symbol)
            other = printed.setdefault(text, symbol)
            assert other == symbol or np.array_equal(known[other], numbers), text


@pytest.mark.parametrize("told", TOLD)
def test_numbers_in_latex_come_to_what_they_say(told):
    """An independent reader of LaTeX works out every side that is numbers alone."""
    count = 0
    for tree in trees_in((*told.story, *told.short)):
        sides = tree.sides if isinstance(tree, Relation) else (tree,)
        for side in sides:
            # 𝟏 and 𝐈 take their sizes from what stands beside them.
            if not any(letters_in(side)) and r"\mathbf" not in latex(side):
                with Quiet():
                    ours = np.squeeze(value_of(latex(side)))
                    np.testing.assert_allclose(ours, np.squeeze(value(side, {})), rtol=1e-12)
                count += 1
    assert count > 0


@pytest.mark.parametrize("told", TOLD)
def test_every_formula_is_mathml(told):
    for tree in trees_in((*told.story, *told.short)):
        ElementTree.fromstring(mathml(tree))


OVERFULL = re.compile(r"Overfull \\hbox \(([\d.]+)pt too wide")
"""What LaTeX says of a line that runs into the margin."""


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_latex_of_every_page_compiles_and_fits_the_paper(tmp_path, layout):
    """All pages in one document: every net, dialect, notation and length of the answer."""
    notations, bodies = cycle(NOTATIONS), list[str]()
    for make in PAGES.values():
        output, wrt = make()
        for dialect in NEAREST if layout == "numerator" else ("jacobian",):
            try:
                told = cr.explain(output, wrt, dialect, layout=layout, notation=next(notations))
            except GraphError:
                continue
            bodies += [write(told, "latex", fragment=True, detail=detail) for detail in ("short", "full")]
    text = f"{PREAMBLE}\n" + "\n\\newpage\n".join(bodies) + "\n\\end{document}\n"
    (tmp_path / "all.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert run.returncode == 0, run.stdout[-1500:]
    assert "Missing character" not in run.stdout
    assert not [x for x in map(float, OVERFULL.findall(run.stdout)) if x > 20.0]
    assert len(bodies) > 10


def test_what_is_false_is_never_seen():
    """A page with a false equation is an internal error."""
    from chainrule.derivation.checked import Checking
    from chainrule.derivation.record import Equation, Paragraph, Steps, Table
    from chainrule.derivation.words import said
    from chainrule.maths import Symbol
    from chainrule.maths.tree import equation

    x = Symbol("x")
    false = equation(x * x, 8)
    hidden = (
        Equation(false.sides),
        Paragraph(said("since ", false)),
        Table(("a",), ((Equation(false.sides),),)),
        Steps((Equation(false.sides),)),
    )
    for block in hidden:
        with pytest.raises(ChainruleError, match="internal error"):
            Checking({x: 3.0}).of([block])
        assert Checking({x: np.sqrt(8.0)}).of([block]) == (block,)

"""The worked nets in every dialect and format are as they are on record; formulas on them come to what they say."""

from __future__ import annotations

import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.core.state import Quiet
from chainrule.derivation.checked import letters_in
from chainrule.derivation.record import trees_in
from chainrule.errors import ChainruleError
from chainrule.maths import Relation, latex, mathml, plain, unicode
from chainrule.maths.tree import value
from latex_oracle.value import value_of

from .pages import FOLDER, derivations, pages

TOLD = [pytest.param(told, id=f"{name}-{dialect}") for name, dialect, told in derivations()]


def test_the_pages_are_as_on_record():
    """Renew them with ``.venv/bin/python tests/derivation/pages.py``, and look at what changed."""
    found = dict(pages())
    assert set(found) == {file.name for file in FOLDER.iterdir()}
    for name, text in found.items():
        assert text == (FOLDER / name).read_text(encoding="utf-8"), name


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
            if not any(letters_in(side, frozenset())) and r"\mathbf" not in latex(side):
                with Quiet():
                    ours = np.squeeze(value_of(latex(side)))
                    np.testing.assert_allclose(ours, np.squeeze(value(side, {})), rtol=1e-12)
                count += 1
    assert count > 0


@pytest.mark.parametrize("told", TOLD)
def test_every_formula_is_mathml(told):
    for tree in trees_in((*told.story, *told.short)):
        ElementTree.fromstring(mathml(tree))


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(tmp_path):
    for name, text in pages():
        if name.endswith(".tex"):
            (tmp_path / name).write_text(text, encoding="utf-8")
            command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
            run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert run.returncode == 0, (name, run.stdout[-1500:])


def test_what_is_false_is_never_seen():
    """A page with a false equation is an internal error."""
    from chainrule.derivation.checked import checked
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
            checked([block], {x: 3.0})
        assert checked([block], {x: np.sqrt(8.0)}) == (block,)

"""Headers, categories, labels and file names of others reach a terminal as texts, and never as commands to it."""

import contextlib
import io
import json
import os
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.app import main
from chainrule.printable import disturbs
from chainrule.table import Table, json_of

ESCAPES = ["\x1b[2J\x1b]0owned\x07", "\x9b31m", "\x08\x08\x7f", "\u202eexe", "\u2066a\u2069", "\x85.", "\u200b"]
MARKUP = "[bold]x[/bold]"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def in_terminal(*words):
    """A command in a terminal without colours: what it prints on both streams, and its exit code."""
    out, err = Terminal(), Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["chainrule", *map(str, words)])
        patch.setenv("TERM", "dumb")
        patch.setenv("NO_COLOR", "1")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code or 0, out.getvalue() + err.getvalue()


def assert_harmless(text):
    found = {sign for sign in text if disturbs(sign) and sign not in "\n\t"}
    assert not found, ascii(text)


def written(path, sign):
    """A table whose every header and category holds the sign, and enough rows to learn from."""
    kinds = [f"p{sign}", f"q{sign}", MARKUP]
    lines = [f"{kinds[i % 3]},{i % 7}.5,{['cat', 'dog'][i % 2]}{sign}" for i in range(40)]
    path.write_text(f"kind{sign},size{sign},pet{sign}\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("sign", ESCAPES, ids=ascii)
def test_hostile_headers_and_categories_come_out_as_codes(tmp_path, monkeypatch, typed, sign):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "t.csv", sign)
    seen = []
    commands = [
        ("train", "t.csv", "--target", f"pet{sign}", "--epochs", "3"),
        ("train", "t.csv", "--target", f"pet{sign}", "--epochs", "3", "--json"),
        ("predict", "t.safetensors", "t.csv"),
        ("predict", "t.safetensors", "t.csv", "--json"),
        ("evaluate", "t.safetensors", "t.csv"),
        ("explain", "t.safetensors", "--example", "t.csv:1", "--weight", "0.weight[0,0]"),
        ("explain", "t.safetensors", "--example", "t.csv:1", "--weight", "0.bias", "--format", "markdown"),
    ]
    for words in commands:
        code, text = in_terminal(*words)
        assert code == 0, text
        assert_harmless(text)
        seen.append(text)
    assert "[bold]x[/bold]" in seen[0] or "cat" in seen[0]
    code = sign[0].encode("unicode_escape").decode()
    assert f"cat{code}" in seen[0]
    assert f"cat{code}" in seen[2]
    # To a pipe the categories go as they are: a program reads them.
    assert f"cat{sign}" in typed("predict", "t.safetensors", "t.csv").out


@pytest.mark.parametrize("sign", ESCAPES, ids=ascii)
def test_errors_quote_hostile_texts_as_codes(tmp_path, monkeypatch, sign):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "t.csv", sign)
    in_terminal("train", "t.csv", "--target", f"pet{sign}", "--epochs", "1")
    (tmp_path / "new.csv").write_text(f"kind{sign},other{sign}\nz{sign},1\n", encoding="utf-8")
    (tmp_path / "twice.csv").write_text(f"a{sign},a{sign}\n1,2\n", encoding="utf-8")
    (tmp_path / "few.csv").write_text(f"a{sign},b\n1{sign},x\n", encoding="utf-8")
    commands = [
        ("train", "t.csv"),
        ("train", "t.csv", "--target", f"nothing{sign}"),
        ("train", "twice.csv", "--target", "b"),
        ("train", "few.csv", "--target", "b"),
        ("train", f"missing{sign}.csv", "--target", "b"),
        ("train", "t.csv", f"--{sign}"),
        ("train", "t.csv", "--task", f"x{sign}", "--target", "y"),
        ("predict", "t.safetensors", "new.csv"),
        ("predict", "t.csv", "new.csv"),
        ("predict", f"m{sign}", "new.csv"),
        ("predict", "t.safetensors", "t.csv", f"extra{sign}"),
        ("explain", "t.safetensors", "--example", f"t{sign}"),
        ("explain", "t.safetensors", "--example", "t.csv:1", "--weight", f"w{sign}"),
        ("grad", f"x{sign}", "x=2"),
        ("grad", "x", f"x=@no{sign}.csv"),
    ]
    for words in commands:
        code, text = in_terminal(*words)
        assert code in (1, 2), (words, text)
        assert text.strip()
        assert_harmless(text)


@pytest.mark.skipif(os.name != "posix", reason="names of files are others there")
def test_names_of_files_with_line_breaks_and_codes_make_no_lines_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "a\nchainrule: all is well\x1b[1A.csv"
    (tmp_path / name).write_text("a,a\n1,2\n")
    code, text = in_terminal("train", name, "--target", "a")
    assert code == 1
    assert_harmless(text)
    assert text.count("\n") == 1


def test_warnings_and_tables_of_python_are_harmless_too(tmp_path):
    written(tmp_path / "t.csv", "\x1b[2J")
    (tmp_path / "new.csv").write_text("kind\x1b[2J,size\x1b[2J,more\x1b[2J\nz\x1b[2J,,1\n", encoding="utf-8")
    columns = cr.data.read_table(tmp_path / "t.csv", target="pet\x1b[2J").columns
    with pytest.warns(cr.errors.DataWarning) as told:
        cr.data.read_table(tmp_path / "new.csv", columns=columns)
    assert len(told) >= 3
    for note in told:
        assert_harmless(str(note.message))
    table = Table(("a\x1b[2J", "b"), (("x\x9b", 1.0), (MARKUP, np.inf)))
    assert_harmless(repr(table))
    assert MARKUP in repr(table)


@pytest.mark.parametrize("text", [*ESCAPES, MARKUP, "∂ü", "𝛿", '"\\'])
def test_json_has_codes_that_mean_the_same(text):
    assert_harmless(json_of({text: [text]}))
    assert json.loads(json_of({text: [text]})) == {text: [text]}
    assert json_of("∂𝛿") == '"∂𝛿"'

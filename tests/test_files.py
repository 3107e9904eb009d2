"""Files appear whole or not at all, whatever stands in their way, and only one module writes them."""

import ast
import errno
import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import chainrule
import chainrule as cr
from chainrule import files
from chainrule.errors import CheckpointError, FileError
from chainrule.expression.typed.number_files import array_in
from chainrule.files import append, is_same_file, refuse_overwriting, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="links and locks are others there")
SOURCE = Path(chainrule.__file__).parent


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 9, "ü∂\n", "lone \ud800"])
def test_what_is_written_is_there(tmp_path, content):
    write_whole(tmp_path / "a", "before, and longer than what follows")
    write_whole(tmp_path / "a", content)
    expected = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    assert (tmp_path / "a").read_bytes() == expected
    assert names(tmp_path) == ["a"]


@posix
def test_links_planted_under_the_names_of_temporary_files_are_not_followed(tmp_path, monkeypatch):
    """Even where the name was guessed."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    guessed = f".a.{'0' * 16}.new"
    (tmp_path / guessed).symlink_to(victim)
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "0" * 16)
    with pytest.raises(FileError, match="a could not be written: File exists"):
        write_whole(tmp_path / "a", "new")
    assert victim.read_text() == "precious"
    assert names(tmp_path) == [guessed, "victim"]


def test_names_of_temporary_files_cannot_be_guessed(tmp_path, monkeypatch):
    seen = []
    usual = os.open

    def watched(path, *rest):
        seen.append(str(path))
        return usual(path, *rest)

    monkeypatch.setattr(os, "open", watched)
    for _ in range(20):
        write_whole(tmp_path / "a", "x")
    fresh = {path for path in seen if path.endswith(".new")}
    assert len(fresh) == 20
    assert {Path(path).parent for path in fresh} == {tmp_path}


@posix
def test_the_rights_of_the_file_that_is_replaced_are_kept(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0o640)
    write_whole(tmp_path / "a", "y")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["n" * 200, "ü" * 100, "a*b[c]", ".hidden", "-", "a b"])
def test_every_name_that_a_system_takes_is_taken(tmp_path, name):
    write_whole(tmp_path / name, "x")
    write_whole(tmp_path / name, "y")
    assert (tmp_path / name).read_text() == "y"
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, failing):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_whole(tmp_path / "a", "old")
    monkeypatch.setattr(os, failing, full)
    with pytest.raises(CheckpointError, match="No space left on device; the file that was there is as it was"):
        write_whole(tmp_path / "a", "new", error=CheckpointError)
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


WRITER = """
import sys, time
from pathlib import Path
from chainrule.files import write_whole

until = time.monotonic() + 1
while time.monotonic() < until:
    write_whole(Path(sys.argv[1]), sys.argv[2] * 100_000)
"""


@posix
def test_two_writers_never_tear_a_file(tmp_path):
    path = tmp_path / "a"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), sign]) for sign in "xy"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            text = path.read_text()
            assert (len(text), len(set(text))) == (100_000, 1)
            seen.add(text[0])
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == {"x", "y"}
    assert names(tmp_path) == ["a"]


@posix
def test_what_a_killed_writer_left_is_swept_up_and_what_a_living_one_holds_is_not(tmp_path):
    dead, foreign = tmp_path / f".a.{'0' * 16}.new", tmp_path / ".a.notes.new"
    dead.write_text("half")
    foreign.write_text("mine")
    held, living = files._fresh(tmp_path / "a")
    write_whole(tmp_path / "a", "whole")
    assert names(tmp_path) == sorted([living.name, foreign.name, "a"])
    os.close(held)
    write_whole(tmp_path / "a", "again")
    assert names(tmp_path) == [foreign.name, "a"]


@posix
def test_a_fresh_file_that_another_took_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    usual, locked = files._locked, []

    def late(descriptor):
        if not locked:
            for stray in tmp_path.glob(".a.*.new"):
                stray.unlink()
        locked.append(descriptor)
        return usual(descriptor)

    monkeypatch.setattr(files, "_locked", late)
    write_whole(tmp_path / "a", "x")
    assert len(locked) == 2
    assert names(tmp_path) == ["a"]


def test_without_locks_files_are_written_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    write_whole(tmp_path / "a", "x")
    write_whole(tmp_path / "a", "y")
    assert (tmp_path / "a").read_text() == "y"
    assert names(tmp_path) == ["a"]


def test_an_output_that_is_an_input_is_refused_by_every_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    data = Path("folder/data.csv")
    data.write_text("x")
    spellings = [data, tmp_path / data, "folder/../folder/data.csv", "./folder//data.csv"]
    if os.name == "posix":
        Path("soft").symlink_to(data)
        Path("far").symlink_to("soft")
        Path("hard").hardlink_to(data)
        Path("door").symlink_to("folder")
        spellings += ["soft", "far", "hard", "door/data.csv"]
    for out in spellings:
        for inputs in ([data], ["nowhere", tmp_path / data], ["folder"]):
            with pytest.raises(FileError, match=r"is read too, as .*, and would be lost: write to another file"):
                refuse_overwriting(out, inputs)
    Path("folder/other.csv").write_text("x")
    for out in (None, "folder/new.csv", "new.csv"):
        refuse_overwriting(out, [data, "folder"])
    refuse_overwriting("folder/other.csv", [data])
    assert not is_same_file("nowhere", "nowhere")


def test_lines_are_added_to_the_end(tmp_path):
    append(tmp_path / "log", "one\n")
    append(tmp_path / "log", "two\n")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    with pytest.raises(FileError, match="could not be written"):
        append(tmp_path, "one\n")


WRITING = re.compile(
    "savez|savez_compressed|savetxt|tofile|to_csv|write_csv|write_text|write_bytes|save_file|mkstemp|rename|touch"
    "|NamedTemporaryFile|hardlink_to|symlink_to|copyfile|copy2|ZipFile"
)


def writes_itself(call):
    """Whether a call writes a file in another way than through `chainrule.files`."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    on = getattr(getattr(call.func, "value", None), "id", "")
    if name in ("open", "ZipFile"):
        given = [*call.args, *[keyword.value for keyword in call.keywords if keyword.arg == "mode"]]
        modes = [held.value for held in given if isinstance(held, ast.Constant) and isinstance(held.value, str)]
        return any(re.fullmatch(r"[rwaxbt+]*[wax+][rwaxbt+]*", mode) for mode in modes)
    # The formatter of a command's help writes on the screen.
    wrote = WRITING.fullmatch(name) and on != "formatter"
    return bool(wrote) or f"{on}.{name}" in ("np.save", "os.replace", "json.dump", "pickle.dump")


def test_only_one_module_writes_files():
    found = {
        (path.relative_to(SOURCE).as_posix(), ast.unparse(node))
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and writes_itself(node)
    }
    assert {place for place, _ in found} == {"files.py"}, found


@pytest.mark.parametrize(
    "line",
    [
        "open(p, 'w')",
        "p.open('ab')",
        "open(p, mode='x')",
        "zipfile.ZipFile(p, mode='w')",
        "p.write_text('x')",
        "np.savez(p, x)",
        "os.replace(a, b)",
        "json.dump(x, f)",
        "frame.write_csv(p)",
    ],
)
def test_other_ways_to_write_would_be_seen(line):
    assert writes_itself(ast.parse(line).body[0].value)


@pytest.mark.parametrize(
    "line", ["open(p)", "zipfile.ZipFile(p)", "p.open('rb')", "text.replace('a', 'b')", "json.dumps(x)"]
)
def test_reading_is_not_writing(line):
    assert not writes_itself(ast.parse(line).body[0].value)


def test_a_header_as_python_2_wrote_it_is_read_without_a_word(tmp_path):
    np.save(tmp_path / "old.npy", np.arange(3.0))
    content = (tmp_path / "old.npy").read_bytes()
    old = content.replace(b"(3,)", b"(3L,)").replace(b"   \n", b"  \n", 1)
    assert len(old) == len(content)
    (tmp_path / "old.npy").write_bytes(old)
    assert array_in(tmp_path / "old.npy").tolist() == [0, 1, 2]
    with zipfile.ZipFile(tmp_path / "old.npz", "w") as archive:
        archive.writestr("x.npy", old)
    assert cr.data.load_npz(tmp_path / "old.npz")["x"].tolist() == [0, 1, 2]

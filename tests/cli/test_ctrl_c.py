"""Ctrl-C at any moment of a command is one line and exit code 130, and what was written is whole."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import chainrule_command
from chainrule.cli.app import Stopped, came_of_ctrl_c, ctrl_c_as_stopped
from chainrule.training import load_model

READY = """
import signal, sys, chainrule_command
signal.signal(signal.SIGINT, chainrule_command._stop)
print("ready", flush=True)
chainrule_command.main()
"""
"""Before this, Python itself is on its way, and nobody else can answer."""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("ctrl-c") / "t.csv"
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'xyz'[i % 3]},{'uv'[int(a > b)]}" for i, (a, b) in enumerate(rng.normal(size=(2000, 2)))]
    path.write_text("a,b,c,y\n" + "\n".join(rows) + "\n")
    return path


def command(table, folder, *more):
    folder.mkdir()
    words = ["train", str(table), "--target", "y", "--epochs", "4", *more]
    process = subprocess.Popen(
        [sys.executable, "-c", READY, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


ENDINGS = (("--out", "m.safetensors"), ("--seeds", "2"))


def press_at(moments, table, folder, more):
    """Training broken off at each of these parts of the time that it takes; their exit codes."""
    begin = time.perf_counter()
    with command(table, folder / "whole", *more) as process:
        process.communicate()
    assert process.returncode == 0
    whole = time.perf_counter() - begin
    codes = set()
    for i, moment in enumerate(moments):
        place = folder / str(i)
        process = command(table, place, *more)
        time.sleep(whole * moment)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        codes.add(process.returncode)
        assert process.returncode in (0, 130), err
        said = [line for line in err.splitlines() if line and not line.startswith("epoch ")]
        assert len(said) == (process.returncode == 130), err
        assert all(line.startswith("chainrule: stopped by Ctrl-C") for line in said)
        saved = sorted(file.name for file in place.iterdir())
        assert saved in ([], ["m.safetensors"], ["t.safetensors"])
        assert "wrote" not in out + err or saved
        for name in saved:
            load_model(place / name)
    assert 130 in codes


@pytest.mark.parametrize("more", ENDINGS, ids=lambda more: more[0])
def test_at_any_moment_it_is_one_line(table, tmp_path, more):
    """The two are alike until they have loaded all, so each is broken off at every other of twelve moments."""
    press_at(np.arange(ENDINGS.index(more), 12, 2) / 12, table, tmp_path, more)


@pytest.mark.soak
@pytest.mark.parametrize("more", ENDINGS, ids=lambda more: more[0])
def test_at_any_of_very_many_moments_it_is_one_line(table, tmp_path, more):
    press_at(np.arange(100) / 100, table, tmp_path, more)


def test_what_comes_of_it_in_an_import_is_no_other_error():
    for cause in (None, KeyboardInterrupt()):
        with pytest.raises(ImportError if cause is None else Stopped), ctrl_c_as_stopped():
            raise ImportError("half of it") from cause
    hidden = SystemError("returned a result with an exception set")
    hidden.__context__ = KeyboardInterrupt()
    with pytest.raises(Stopped), ctrl_c_as_stopped():
        raise hidden
    assert not came_of_ctrl_c(ValueError())


@pytest.mark.parametrize("where", ["loading", "callback", "end"])
def test_where_nothing_can_be_raised_it_ends_the_program_too(tmp_path, where):
    """While it loads, in a callback whose exceptions are lost, and when all has been said."""
    (tmp_path / "chainrule").mkdir()
    (tmp_path / "chainrule" / "__init__.py").write_text("")
    (tmp_path / "chainrule" / "cli").mkdir()
    (tmp_path / "chainrule" / "cli" / "__init__.py").write_text("")
    press = "signal.raise_signal(signal.SIGINT)"
    text = {
        "loading": f"import signal\ntry:\n    {press}\nexcept BaseException:\n    pass\ndef main(): print('it ran')\n",
        "callback": f"import signal\nclass Held:\n    def __del__(self): {press}\n"
        "def main():\n    held = Held()\n    del held\n    print('it ran')\n",
        "end": f"import atexit, signal\natexit.register(lambda: {press})\ndef main(): print('it ran')\n",
    }[where]
    (tmp_path / "chainrule" / "cli" / "app.py").write_text(text)
    shutil.copy(chainrule_command.__file__, tmp_path)
    done = subprocess.run(
        [sys.executable, "chainrule_command.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    stopped = (130, "", "chainrule: stopped by Ctrl-C\n")
    assert (done.returncode, done.stdout, done.stderr) == ((0, "it ran\n", "") if where == "end" else stopped)

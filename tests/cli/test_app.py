"""The command line: its exit codes, its JSON, its help, and that it says what is installed."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import chainrule
from chainrule.cli import doctor
from chainrule.cli.app import app
from chainrule.codegen.native import machine
from chainrule.core import COMPILED
from chainrule.core.parts import threads

RUN = [sys.executable, "-c", "import sys; sys.argv[0] = 'chainrule'; from chainrule.cli.app import main; main()"]

UNTOLD = [*RUN[:2], f"from chainrule.livepage import payload; payload.stories = lambda subject: (); {RUN[2]}"]
"""The same with pages that tell nothing, which takes most of the time."""


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_version():
    done = run("--version")
    assert (done.exit_code, done.output) == (0, f"chainrule {chainrule.__version__}\n")


def test_help_teaches_by_example():
    for arguments, example in (
        (["--help"], "chainrule demo"),
        (["--help"], 'chainrule grad "x**3 - 3*x" x=2'),
        (["demo", "--help"], "chainrule demo --seed 1"),
    ):
        done = run(*arguments)
        assert done.exit_code == 0
        assert example in done.output
    assert run().output == run("--help").output
    assert run().exit_code == 0


@pytest.mark.parametrize("arguments", [["dance"], ["demo", "--seed", "x"], ["demo", "--seed", "-1"], ["--loud"]])
def test_wrong_use_is_exit_code_2(arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert "Usage" in done.stderr


def test_an_empty_formula_is_no_page_of_the_gallery(tmp_path):
    done = run("page", "", "--out", str(tmp_path / "page.html"))
    assert "there is nothing here" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_demo_prints_plain_lines_where_there_is_no_terminal_and_no_unicode(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*UNTOLD, "demo"], capture_output=True, encoding="ascii", env=environment, cwd=tmp_path, check=True
    )
    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout + done.stderr
    accuracy = next(line for line in lines if line.startswith("held-out accuracy: "))
    assert 0.96 <= float(accuracy.removeprefix("held-out accuracy: ")) <= 1
    assert done.stderr.splitlines()[-1].startswith("epoch 60/60  loss 0.")


def test_demo_as_json():
    done = run("demo", "--seed", "1", "--json")
    found = json.loads(done.stdout)
    assert found["seed"] == 1
    assert found["parameters"] == 2410
    assert found["accuracy"] >= 0.96
    assert np.prod([factor["value"] for factor in found["product"]["factors"]]) == pytest.approx(
        found["product"]["gradient"], rel=1e-12
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole groups of processes")
def test_ctrl_c_ends_without_a_traceback():
    with subprocess.Popen(
        [sys.executable, "-u", *RUN[1:], "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("epoch")
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in errors


def test_an_error_of_chainrule_is_one_line(monkeypatch, capsys):
    from chainrule.cli import app as module
    from chainrule.errors import ShapeError

    def fail():
        raise ShapeError("these shapes do not fit")

    monkeypatch.setattr(module, "app", fail)
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "chainrule: these shapes do not fit\n"


def test_a_formula_that_cannot_be_read_is_wrong_use(monkeypatch, capsys):
    from chainrule.cli import app as module
    from chainrule.expression import parse

    monkeypatch.setattr(module, "app", lambda: parse("2x"))
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "chainrule: a sign is missing: a product is written 2*x\n  2x\n  ^^\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the device that is always full is Linux's")
@pytest.mark.parametrize("words", [["doctor"], ["grad", "x**2", "x=3"], ["--help"], ["--version"]])
def test_an_output_that_is_full_is_one_line(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*RUN, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    said = "chainrule: the output could not be read or written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.skipif(os.name != "posix", reason="a shell closes outputs in another way there")
@pytest.mark.parametrize(("ending", "code"), [(">&-", 0), ("| true; exit 7", 7)])
def test_an_output_that_is_closed_gives_no_traceback(ending, code):
    command = shlex.join([*RUN, "doctor"])
    done = subprocess.run(["sh", "-c", f"{command} {ending}"], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_file_that_the_system_refuses_is_one_line(monkeypatch, capsys):
    from chainrule.cli import app as module

    def fail():
        raise PermissionError(errno.EACCES, "Permission denied", "closed/x.csv")

    monkeypatch.setattr(module, "app", fail)
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "chainrule: closed/x.csv could not be read or written: Permission denied\n"


def test_help_loads_no_more_than_it_shows():
    code = (
        "import sys; sys.argv = ['chainrule', '--help']\n"
        "from chainrule.cli.app import main\n"
        "try:\n    main()\nfinally:\n"
        "    print([m for m in sys.modules if m.startswith(('chainrule.derivation', 'chainrule.rewrite'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_doctor():
    found = json.loads(run("doctor", "--json").stdout)
    assert found["chainrule"] == chainrule.__version__
    assert found["numpy"] == np.__version__
    assert found["scalar_engine"] == found["tensor_engine"] == ("compiled" if COMPILED else "plain Python")
    assert set(found["blas"]) == {"library", "version", "core", "threads"}
    assert found["kernels"] == (machine and {"instructions": machine.kernels(), "threads": threads()})
    text = run("doctor").stdout
    for part in (
        found["python"],
        found["numpy"],
        found["blas"]["library"],
        "scalar engine",
        "tensor engine",
        "kernels",
    ):
        assert part in text


def test_doctor_counts_threads_as_the_environment_says(monkeypatch):
    for variable in doctor.THREADS:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 7)
    assert doctor.blas_threads() == 7
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert doctor.blas_threads() == 3
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert doctor.blas_threads() == 2
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "many")
    assert doctor.blas_threads() == 3


def test_doctor_lists_extras(monkeypatch):
    wanted = ["numpy>=2", 'pytest>=8; extra == "test"', 'no-such-library==1.0; extra == "bench"', "x; extra == 'bench'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: wanted)
    found = doctor.extras()
    assert found == {"test": {"pytest": pytest.__version__}, "bench": {"no-such-library": None, "x": None}}
    text = doctor.report({**doctor.examine(), "scalar_engine": "plain Python"})
    assert "extra test     installed" in text
    assert "extra bench    missing no-such-library, x: pip install '.[bench]'" in text
    assert any("install a C compiler" in line for line in text)


def test_doctor_of_a_source_folder(monkeypatch):
    def absent(name):
        raise doctor.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "requires", absent)
    assert doctor.extras() == {}
    assert any("runs from its source folder" in line for line in doctor.report(doctor.examine()))


def test_importing_chainrule_leaves_the_command_line_out():
    code = "import sys, chainrule; print([m for m in ('typer', 'rich', 'chainrule.cli', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

"""In a fresh clone, after `make demo`, every command that is shown runs as it is printed: README, help, demo."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from chainrule.cli.help import EXAMPLES

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ".venv/bin/chainrule"
SHOWN = re.compile(rf"^ *({re.escape(PROGRAM)} .*?)(?: {{3}}.*)?$", re.MULTILINE)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="commands are shown as a POSIX shell takes them")


def tracked():
    """The files that a clone would have, as they stand in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("what belongs to the project is asked of git, and this is no checkout")
    return [Path(os.fsdecode(name)) for name in listed.stdout.split(b"\0") if name]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The project in a folder of its own, with the environment that `make demo` makes, borrowed from this one."""
    folder = tmp_path_factory.mktemp("clone")
    for name in tracked():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # What is compiled to bytecode here is the same there: it has the time at which its source was changed.
    for kept in (ROOT / "src").rglob("__pycache__"):
        shutil.copytree(kept, folder / kept.relative_to(ROOT), dirs_exist_ok=True)
    for built in (ROOT / "src").rglob("*.so"):
        shutil.copy(built, folder / built.relative_to(ROOT))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=folder, check=True)
    paths = [str(folder / "src"), *[path for path in sys.path if "packages" in path]]
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / ".venv")}))
    (packages / "borrowed.pth").write_text("\n".join(paths) + "\n")
    script = f"#!{folder / '.venv/bin/python'}\nfrom chainrule_command import main\nmain()\n"
    (folder / PROGRAM).write_text(script)
    (folder / PROGRAM).chmod(0o755)
    return folder


def surroundings(clone):
    """The environment of a shell that knows no chainrule but the one in the clone."""
    kept = {name: held for name, held in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "PATH": "/usr/bin:/bin", "COLUMNS": "100", "XDG_CONFIG_HOME": str(clone)}


def typed(clone, command):
    """A line as someone types it."""
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=clone, env=surroundings(clone), capture_output=True, text=True, check=False
    )


FORKING = """
import json, os, sys, tempfile, traceback
import chainrule, chainrule.nn, chainrule.training, rich.console, rich.table
from chainrule.cli.app import main

def run(words):
    sys.argv = words
    try:
        main()
        return 0
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1

# What commands import when they run, and not before, is imported by one of them.
kept = os.dup(1)
with open(os.devnull, "w") as nowhere:
    os.dup2(nowhere.fileno(), 1)
    run(["chainrule", "grad", "x**2", "x=2", "--detail", "full"])
    sys.stdout.flush()
    os.dup2(kept, 1)

for line in sys.stdin:
    words, told = json.loads(line)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            if not told:
                from chainrule.livepage import payload

                payload.stories = lambda subject: ()
            code = run(words)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = [stream.seek(0) or stream.read() for stream in (out, err)]
    print(json.dumps([code, *said]), flush=True)
"""
"""Runs command after command, each in a process of its own, in which what most of them import is there already."""


UNTOLD = (
    f"{PROGRAM} demo --seed 1",
    f"{PROGRAM} page --out gallery.html",
    f"{PROGRAM} page flowers.safetensors examples/flowers.csv --out net.html",
)
"""Commands whose pages are made without what they tell, most of the time: pages with all of it are made elsewhere."""


@pytest.fixture(scope="module")
def typist(clone):
    """Types a line as `typed` does, in half of its time: the shell reads the words, and a fork runs them."""
    server = subprocess.Popen(
        [clone / ".venv/bin/python", "-c", FORKING],
        cwd=clone,
        env=surroundings(clone),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin
    assert server.stdout

    def type_line(command):
        words = typed(clone, f"printf '%s\\0' {command}").stdout.split("\0")[:-1]
        assert words[0] == PROGRAM
        print(json.dumps([words, command not in UNTOLD]), file=server.stdin, flush=True)
        return subprocess.CompletedProcess(words, *json.loads(server.stdout.readline()))

    yield type_line
    server.stdin.close()
    server.wait()
    server.stdout.close()


def test_every_command_that_is_shown_runs_as_it_is_printed(clone, typist):
    pages = "\n".join((clone / name).read_text(encoding="utf-8") for name in ("README.md", "docs/explain.md"))
    of_pages = SHOWN.findall(pages)
    assert len(of_pages) >= 3, "README shows commands that run"
    shown = list(of_pages)
    for words in ("--help", *[f"{command} --help" for command in EXAMPLES if command]):
        helped = typist(f"{PROGRAM} {words}")
        assert helped.returncode == 0, helped.stderr
        lines = SHOWN.findall(helped.stdout)
        assert lines, f"{words} shows no example"
        shown += lines
    demo = typed(clone, f"{PROGRAM} demo")
    shown += (last := SHOWN.findall(demo.stdout))
    assert len(last) >= 3, demo.stdout + demo.stderr
    assert demo.returncode == 0, demo.stderr
    assert "Traceback" not in demo.stderr
    assert {*UNTOLD} < {*shown}
    for command in dict.fromkeys(shown):
        if command == f"{PROGRAM} demo":
            continue  # it was typed above
        # What the pages show is what a newcomer types first: each in a process that has imported nothing.
        alone = command in of_pages or not {*"|<>&;"}.isdisjoint(re.sub(r"'[^']*'|\"[^\"]*\"", "", command))
        done = typed(clone, command) if alone else typist(command)
        marks = shlex.split(command)[1] in ("audit", "grade", "exercise", "numbers")  # 1 says that something is wrong
        assert done.returncode in (0, marks), f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, command
        if "--out" in command:
            written = clone / shlex.split(command)[shlex.split(command).index("--out") + 1]
            assert written.stat().st_size > 0, command


def test_nothing_that_is_shown_needs_an_environment_that_nobody_activated():
    """A bare `chainrule` at the start of a line of the pages would not be found."""
    words = "|".join(filter(None, EXAMPLES))
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        bare = re.findall(
            rf"^chainrule (?:{words}) .*|`chainrule (?:{words}) [^`]*`", page.read_text("utf-8"), re.MULTILINE
        )
        assert not bare, f"{page.name} shows {bare}"


def test_make_demo_says_what_it_does_and_installs_what_the_pages_use():
    recipe = subprocess.run(
        ["make", "--dry-run", "--always-make", ".venv/demo"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert recipe.index("setting up .venv") < recipe.index("fetching NumPy") < recipe.index("pip install")
    assert "--quiet" not in recipe
    assert "[data,draw,plot]" in recipe

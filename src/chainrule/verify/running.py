"""A user's program, run in a process of its own with limits: against accidents (loops, memory, files), not attackers.

What runs there is a function of chainrule's, which loads the user's file and gives back plain data. So nothing of the
user's is ever in this process, and a program that hangs, ends Python or eats the memory costs one line of explanation.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, CodeError, meant
from chainrule.files import write_whole

OUTPUT = 2_000
"""Of what a program printed, so many last characters are kept."""
LARGEST_FILE = 64 * 2**20
"""Bytes of a file that a program may write."""


@dataclass(frozen=True)
class Limits:
    """What a program may use: seconds on the clock, and bytes of memory where the system can count them."""

    seconds: float = 60.0
    memory: int = 4 * 2**30


@dataclass(frozen=True)
class Ran:
    """What a task gave back, and the end of what the user's program printed meanwhile."""

    result: Any
    printed: str


def run_apart(task: str, arguments: Sequence[Any], limits: Limits | None = None, folder: Path | None = None) -> Ran:
    """Run ``task``, as ``package.module:function`` of chainrule's, in a process of its own.

    Arguments and result are plain data (what JSON holds, nan and infinity too). The process works in `folder`, or in an
    empty one that is gone afterwards; it has no input, and starts with the same seed each time. What goes wrong there
    is a `CodeError`, in the user's words. Costs the start of a Python.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="chainrule-") as work:
        out, empty = Path(work, "result.json"), Path(work, "empty")
        empty.mkdir()
        request = json.dumps({"task": task, "arguments": list(arguments), "memory": limits.memory, "out": str(out)})
        with tempfile.TemporaryFile() as printed:
            child = subprocess.Popen(
                [sys.executable, "-m", "chainrule.verify.running"],
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=printed,
                cwd=folder or empty,
                env=environment(),
                start_new_session=True,
            )
            late = False
            try:
                child.communicate(request.encode(), timeout=limits.seconds)
            except subprocess.TimeoutExpired:
                late = True
            finally:
                end(child)
            printed.seek(max(0, printed.seek(0, os.SEEK_END) - OUTPUT))
            words = printed.read().decode("utf-8", "replace")
        if late:
            raise CodeError(f"the program had not ended after {limits.seconds:g} seconds, and was stopped{said(words)}")
        if not out.exists():
            raise CodeError(f"the program ended Python itself ({ending(child.returncode)}){said(words)}")
        answer = json.loads(out.read_text(encoding="utf-8"))
        if "error" in answer:
            raise CodeError(answer["error"])
        return Ran(answer["result"], words)


def environment() -> dict[str, str]:
    """The surroundings of a program: pictures open no window, nothing is left beside the file, sets have one order.

    This package is found there as it was found here, however that was.
    """
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        **os.environ,
        "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


def end(child: subprocess.Popen[bytes]) -> None:
    """Stop the process and all that it started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()


def ending(code: int) -> str:
    return f"by the signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def said(words: str) -> str:
    """The last line that a program printed, as the end of a sentence."""
    lines = words.strip().splitlines()
    return f"; its last line was: {lines[-1][:200]}" if lines else ""


def load(path: str, name: str) -> Any:
    """What is called `name` in a Python file, or in a module by its dotted name; the file is run."""
    module = module_of(path)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            hint = meant(part, [known for known in dir(found) if not known.startswith("_")])
            raise CodeError(f"{path} has no {name}{hint}")
        found = getattr(found, part)
    return found


def module_of(path: str) -> ModuleType:
    """A Python file or module, run as an import would run it, with the files beside it in reach."""
    file = Path(path)
    as_file = file.suffix == ".py" or file.exists()
    if as_file and not file.is_file():
        raise CodeError(f"there is no file {path}")
    sys.path.insert(0, str(file.resolve().parent) if as_file else str(Path.cwd()))
    try:
        if not as_file:
            return importlib.import_module(path)
        spec = importlib.util.spec_from_file_location(file.stem, file)
        if spec is None or spec.loader is None:
            raise CodeError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise CodeError(f"{path} is no Python: {error.msg} (line {error.lineno})") from error
    except CodeError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == path.partition(".")[0]:
            raise CodeError(f"there is no file or module {path}") from error
        raise CodeError(f"{path} could not be loaded: {failure(error, path)}") from error
    return module


def failure(error: BaseException, path: str = "") -> str:
    """An exception of the user's program in one line, with the last line of that program on its way."""
    what = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and "site-packages" not in frame.filename and not ours(frame.filename)
    ]
    if not own:
        return what
    last = own[-1]
    file = "" if path and Path(path).name == Path(last.filename).name else f" of {Path(last.filename).name}"
    return f"{what} (line {last.lineno}{file}: {last.line})"


def ours(filename: str) -> bool:
    """Whether a file is chainrule's or Python's own."""
    here, python = Path(__file__).resolve().parents[1], Path(os.__file__).resolve().parent
    file = Path(filename).resolve()
    return file.is_relative_to(here) or file.is_relative_to(python)


def limit(memory: int) -> None:
    """Bound the memory and the files of this process, where the system knows how."""
    try:
        import resource
    except ImportError:
        return
    # Data counts what is really asked for; the address space would count what libraries merely reserve.
    for kind, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (most if hard < 0 else min(most, hard), hard))


def serve() -> None:
    """The other side of `run_apart`: do what was asked, and write down what came of it."""
    request = json.loads(sys.stdin.read())
    with open(os.devnull) as nothing:  # so that input() fails at once
        os.dup2(nothing.fileno(), 0)
    limit(request["memory"])
    np.random.seed(0)
    module, _, function = request["task"].partition(":")
    try:
        answer = {"result": getattr(importlib.import_module(module), function)(*request["arguments"])}
    except ChainruleError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": f"the program needs more than {request['memory'] / 2**30:.3g} GiB of memory"}
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  (it is the user's program)
        answer = {"error": failure(error)}
    write_whole(request["out"], json.dumps(answer))
    # Threads that the program left running would keep Python from ending.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    serve()

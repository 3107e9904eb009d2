"""What `chainrule doctor` reports: versions, the engine in use, the linear algebra behind NumPy, and the extras."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from chainrule.codegen.native import machine
from chainrule.core import TENSORS_COMPILED, VALUES_COMPILED
from chainrule.core.parts import threads, threads_set
from chainrule.printable import several

THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
COMPILE = "; install a C compiler (GCC or Clang), then run pip install . again"
MISSING = (
    "not built: compiled functions run through NumPy (small networks some 10 times slower, frozen graphs in which "
    f"nothing repeats some 50 times{COMPILE})"
)
REQUIREMENT = re.compile(r"""(?P<library>[\w.-]+)[^;]*;.*extra\s*==\s*["'](?P<extra>[\w.-]+)["']""")


def examine() -> dict[str, Any]:
    """Everything the report says, ready for JSON."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return {
        "chainrule": chainrule.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "scalar_engine": "compiled" if VALUES_COMPILED else "plain Python",
        "tensor_engine": "compiled" if TENSORS_COMPILED else "plain Python",
        "kernels": None if machine is None else {"instructions": machine.kernels(), "threads": threads()},
        "blas": {
            "library": blas.get("name", "unknown"),
            "version": blas.get("version", "unknown"),
            "core": blas_core(),
            "threads": blas_threads(),
        },
        "extras": extras(),
    }


def blas_core() -> str:
    """The processor that NumPy's own OpenBLAS takes this one for; "unknown" where NumPy came with another library."""
    for path in (Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*"):
        try:
            name = ctypes.CDLL(str(path)).scipy_openblas_get_corename64_
        except (OSError, AttributeError):
            continue
        name.restype = ctypes.c_char_p
        return name().decode()
    return "unknown"


def blas_threads() -> int:
    """How many threads NumPy's matrix products may use: as the environment says, else one for each processor."""
    return threads_set(THREADS) or os.cpu_count() or 1


def extras() -> dict[str, dict[str, str | None]]:
    """Each extra with its libraries and their versions, None where one is not installed."""
    try:
        requirements = metadata.requires("chainrule") or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, dict[str, str | None]] = {}
    for requirement in requirements:
        if match := REQUIREMENT.match(requirement):
            found.setdefault(match["extra"], {})[match["library"]] = version_of(match["library"])
    return found


def version_of(library: str) -> str | None:
    """The installed version, without importing the library."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def report(found: dict[str, Any]) -> list[str]:
    """The report as lines of text, with what to do where something is missing."""
    engines = {
        name: found[name] + ("" if found[name] == "compiled" else f" ({slower} slower{COMPILE})")
        for name, slower in (("scalar_engine", "some 20 times"), ("tensor_engine", "small networks up to 4 times"))
    }
    kernels = found["kernels"]
    shown = MISSING if kernels is None else f"{kernels['instructions']}, {several(kernels['threads'], 'thread')}"
    blas = found["blas"]
    in_words = several(blas["threads"], "thread")
    text = [
        f"chainrule      {found['chainrule']}",
        f"Python         {found['python']} on {found['machine']}",
        f"NumPy          {found['numpy']}, BLAS: {blas['library']} {blas['version']} for {blas['core']}, {in_words}",
        f"scalar engine  {engines['scalar_engine']}",
        f"tensor engine  {engines['tensor_engine']}",
        f"kernels        {shown}",
    ]
    for extra, libraries in found["extras"].items():
        missing = [library for library, version in libraries.items() if version is None]
        state = f"missing {', '.join(missing)}: pip install '.[{extra}]'" if missing else "installed"
        text.append(f"extra {extra:<8} {state}")
    if not found["extras"]:
        text.append("extras         unknown: chainrule runs from its source folder; pip install . installs it")
    return text

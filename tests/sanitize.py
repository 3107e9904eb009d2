"""The tests of the kernels, with these compiled under the address and undefined-behaviour sanitizers: make sanitize."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
SOURCES = HERE.parent / "src" / "chainrule" / "core" / "machine"
NAME = "chainrule.core._machine"
TESTS = (
    "codegen/test_in_turns.py",
    "codegen/test_kernels.py",
    "codegen/test_native.py",
    "codegen/test_tapes.py",
    "codegen/test_threads.py",
    "core/test_kernels_on_arrays.py",
    "core/test_kernel_memory.py",
    "rules/test_image_plans.py",
)
FLAGS = "-O1 -g -shared -fPIC -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-math-errno -Wno-psabi"


def build(path: Path) -> None:
    """Compile the machine with the sanitizers."""
    headers = [f"-I{np.get_include()}", f"-I{sysconfig.get_path('include')}"]
    command = ["cc", *FLAGS.split(), *headers, *map(str, sorted(SOURCES.glob("*.c"))), "-o", str(path), "-lm"]
    subprocess.run(command, check=True)


def main() -> int:
    """Build, and run the tests in a process that loads the sanitizer first."""
    if "CHAINRULE_SANITIZED" not in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"_machine{sysconfig.get_config_var('EXT_SUFFIX')}"
            build(path)
            found = subprocess.run(["cc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
            settings = {
                "CHAINRULE_SANITIZED": str(path),
                "LD_PRELOAD": found.stdout.strip(),
                "ASAN_OPTIONS": "detect_leaks=0",
                "OMP_NUM_THREADS": "1",
            }
            return subprocess.run([sys.executable, __file__, *sys.argv[1:]], env={**os.environ, **settings}).returncode
    spec = importlib.util.spec_from_file_location(NAME, os.environ["CHAINRULE_SANITIZED"])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)  # before anything of the package takes the other
    spec.loader.exec_module(sys.modules[NAME])
    chosen = sys.argv[1:] or [str(HERE / name) for name in TESTS]
    return int(pytest.main(["-q", "-p", "no:cacheprovider", *chosen]))


if __name__ == "__main__":
    sys.exit(main())

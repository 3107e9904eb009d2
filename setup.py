"""The compiled parts: both engines and the kernel machine. Without a C compiler the same files run as plain Python."""

import platform
import sys
from glob import glob

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

# Without what a debugger would read, which Python asks for: it is three quarters of the files.
optimized = [] if sys.platform == "win32" else ["-O3", "-g0"]
# The kernels are written as vectors, whose sums stay in the order in which they stand; nobody asks for errno or traps.
kernels = ["-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
# A compiler for ARM would fuse products where the code does not say so, and others in another loop of the same entries.
if platform.machine().lower() not in ("x86_64", "amd64"):
    kernels.append("-ffp-contract=off")
engines = [
    Extension(
        f"chainrule.core._{name}",
        [f"src/chainrule/core/{name}.py"],
        depends=[f"src/chainrule/core/{part}" for part in (f"_{name}.pxd", "slabs.h", "keyed.h", "large.h")],
        include_dirs=["src/chainrule/core", np.get_include()],
        extra_compile_args=optimized,
    )
    for name in ("operation", "graph", "value")
]
machine = Extension(
    "chainrule.core._machine",
    [f"src/chainrule/core/machine/{name}.c" for name in ("machine", "baseline", "avx2", "avx512")],
    depends=glob("src/chainrule/core/machine/*.h"),
    include_dirs=[np.get_include()],
    extra_compile_args=[*optimized, *kernels] if optimized else [],
)
extensions = cythonize(engines, compiler_directives={"cdivision": True}, build_dir="build", force=True)
extensions.append(machine)
for extension in extensions:
    extension.optional = True  # set here because cythonize forgets it
setup(ext_modules=extensions)

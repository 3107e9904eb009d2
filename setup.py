"""The compiled parts: both engines and the quickest loops. Without a C compiler the same files run as plain Python."""

import sys
from glob import glob

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

# Without what a debugger would read, which Python asks for: it is three quarters of the files.
optimized = [] if sys.platform == "win32" else ["-O3", "-g0"]
# Sums may be added up in lanes, and nobody asks for errno or traps; nan and infinity keep their meaning.
in_lanes = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"] if optimized else []
# The kernels are written as vectors, whose sums stay in the order in which they stand.
kernels = ["-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
engines = [
    Extension(
        f"chainrule.core._{name}",
        [f"src/chainrule/core/{name}.py"],
        depends=[f"src/chainrule/core/{part}" for part in (f"_{name}.pxd", "slabs.h", "keyed.h")],
        include_dirs=["src/chainrule/core"],
        extra_compile_args=optimized,
    )
    for name in ("operation", "graph", "value")
]
loops = Extension(
    "chainrule.core._loops",
    ["src/chainrule/core/loops.pyx"],
    depends=[f"src/chainrule/core/{name}" for name in ("loops.h", "smooth.h", "error_function.h")],
    include_dirs=[np.get_include(), "src/chainrule/core"],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    extra_compile_args=[*optimized, *in_lanes],
)
machine = Extension(
    "chainrule.core._machine",
    [f"src/chainrule/core/machine/{name}.c" for name in ("machine", "baseline", "avx2", "avx512")],
    depends=[*glob("src/chainrule/core/machine/*.h"), "src/chainrule/core/error_function.h"],
    include_dirs=[np.get_include()],
    extra_compile_args=[*optimized, *kernels] if optimized else [],
)
extensions = cythonize([*engines, loops], compiler_directives={"cdivision": True}, build_dir="build", force=True)
extensions.append(machine)
for extension in extensions:
    extension.optional = True  # set here because cythonize forgets it
setup(ext_modules=extensions)

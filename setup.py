"""The compiled parts: both engines and the quickest loops. Without a C compiler the same files run as plain Python."""

import sys

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

optimized = [] if sys.platform == "win32" else ["-O3"]
# Sums may be added up in lanes, and nobody asks for errno or traps; nan and infinity keep their meaning.
in_lanes = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"] if optimized else []
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
    depends=[f"src/chainrule/core/{name}" for name in ("windows.pxi", "loops.h", "smooth.h", "windows.h")],
    include_dirs=[np.get_include(), "src/chainrule/core"],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    extra_compile_args=[*optimized, *in_lanes],
)
extensions = cythonize([*engines, loops], compiler_directives={"cdivision": True}, build_dir="build", force=True)
for extension in extensions:
    extension.optional = True  # set here because cythonize forgets it
setup(ext_modules=extensions)

"""The one compiled part: the scalar engine. Where there is no C compiler the same file runs as plain Python."""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

engine = Extension(
    "chainrule.core._value",
    ["src/chainrule/core/value.py"],
    extra_compile_args=[] if sys.platform == "win32" else ["-O3"],
)
extensions = cythonize([engine], compiler_directives={"cdivision": True}, build_dir="build")
for extension in extensions:
    extension.optional = True  # set here because cythonize forgets it
setup(ext_modules=extensions)

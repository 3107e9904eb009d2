"""Help that runs as it is printed: examples of every command, in the words that a shell here would find."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "demo",
        'grad "x**3 - 3*x" x=2',
        "train examples/flowers.csv --target species",
    ),
    "demo": ("demo --seed 1",),
    "grad": (
        'grad "x**3 - 3*x**2 + 2*x + 1" x=2',
        'grad "0.5*(w2*w1*x - y)**2" x=2 w1=2 w2=0.5 y=20 --wrt w1 --dialect paths',
        'grad "sum((W @ x + b - y)**2)" W:3x2 x:2 b:3 y:3 --wrt W',
    ),
    "train": (
        "train examples/flowers.csv --target species",
        "train examples/flowers.csv --target species --folds 5 --columns",
        "train digits --layers 32 --seed 1",
    ),
    "predict": (
        "train examples/flowers.csv --target species",
        "predict flowers.safetensors examples/flowers.csv --out predicted.csv",
        "predict flowers.safetensors examples/flowers.csv --id species",
    ),
    "evaluate": (
        "train examples/flowers.csv --target species",
        "evaluate flowers.safetensors examples/flowers.csv --min-accuracy 0.9",
        "evaluate flowers.safetensors examples/flowers.csv --importance",
    ),
    "explain": (
        "train digits",
        'explain digits.safetensors --example digits:10 --weight "0.weight[29,10]" --dialect chain',
        "train examples/flowers.csv --target species",
        "explain flowers.safetensors --example examples/flowers.csv:3 --inputs",
    ),
    "check": (
        "check examples/backward.py:forward,backward x:6x4 w:4x3 b:3 --run-code",
        "train examples/flowers.csv --target species",
        "check flowers.safetensors examples/flowers.csv --cheap",
    ),
    "compile": (
        'compile "0.5*(w2*tanh(w1*x) - y)**2" --wrt w1,w2',
        'compile "sum((W @ x - y)**2)" W:2x3 x:3 y:2 --out loss.c',
        "train examples/flowers.csv --target species",
        "compile flowers.safetensors --out flowers.py",
    ),
    "lesson": ("lesson", "lesson 8", "lesson 8 --html eight.html"),
    "exercise": (
        "exercise 8.1",
        'exercise 8.1 "(yhat - y)*h"',
        "exercise new 8 --seed 4",
        "exercise set class 8 9.1 --sheets 3",
        "exercise mark class class",
    ),
    "draw": (
        'draw "f = (a*b) * (a+b)" a=-2 b=3',
        'draw "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2" x=2 w1=2 w2=0.5 y=20 --out graph.svg',
        'draw "f = (a*b) * (a+b)" a=-2 b=3 --mistake overwrite --out mistake.svg',
        "train examples/flowers.csv --target species",
        "draw flowers.safetensors --example examples/flowers.csv:3 --out net.svg",
    ),
    "compare": (
        "train examples/flowers.csv --target species",
        "compare flowers.safetensors examples/flowers.csv --help",
    ),
    "audit": ("audit examples/slip.ipynb", "audit examples --json"),
    "check-engine": ("check-engine examples/engine.py:Value --run-code",),
    "page": (
        'page "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2" x=2 w1=2 w2=0.5 y=20 --out page.html',
        "page --out gallery.html",
        "train examples/flowers.csv --target species",
        "page flowers.safetensors examples/flowers.csv --out net.html",
    ),
    "plot": (
        'plot tangent "x**3 - 3*x" x=2',
        "plot activation tanh relu gelu --out activations.svg",
        'plot surface "x**2 + 10*y**2" x=2 y=1 --theme dark --out paths.png',
        "train examples/flowers.csv --target species",
        "plot flow flowers.safetensors examples/flowers.csv --out flow.png",
    ),
    "grade": (
        "grade 'h = w1*x; ŷ = w2*h; L = 0.5*(ŷ - y)**2' --wrt w1 --answer '(ŷ - y)*x'",
        "grade 'h = w1*x; L = (h - y)**2' x=2 w1=3 y=5 --wrt w1 --answer 2 --hints 2",
        "grade 'L = sum((x @ w - y)**2)' x:4x3 w:3 y:4 --wrt w --code examples/least_squares.py:backward --run-code",
    ),
    "numbers": ("numbers 'h = w1*x; ŷ = w2*h; L = 0.5*(ŷ - y)**2' x=2 w1=2 w2=0.5 y=20 --wrt w1",),
    "worksheet": ('worksheet "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2" x=2 w1=2 w2=0.5 y=20 --out sheet.html',),
    "doctor": ("doctor", "doctor --json"),
}
"""What to type after the name of the program, by command; each line runs after those above it."""


class WithExamples:
    """Help that ends with examples, each on a line of its own, however long."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        super().format_epilog(ctx, formatter)  # type: ignore[misc]  # a command's or a group's
        examples = EXAMPLES.get(ctx.info_name if ctx.parent else "")
        if examples:
            with formatter.section("For example"):
                formatter.write("".join([f"  {this_program()} {words}\n" for words in examples]))


class Command(WithExamples, TyperCommand):
    """A command whose help ends with examples."""


class Group(WithExamples, TyperGroup):
    """Commands under one name, whose help ends with examples."""


def this_program() -> str:
    """What to type to run chainrule again: its name, or its path where the shell would not find it."""
    here = Path(sys.executable).parent / "chainrule"
    found = shutil.which("chainrule")
    if not here.exists() or (found is not None and Path(found) == here):
        return "chainrule"
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else str(here)

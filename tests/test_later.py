"""Packages load their files when a name in them is used, and no file hides what bears its name."""

import ast
import importlib
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import chainrule as cr
from chainrule import codegen, program

KEPT = (cr, codegen, cr.data, cr.nn, cr.optim, program, cr.training)
PACKAGES = {package.__name__.removeprefix("chainrule"): package for package in KEPT}


def alone(program):
    """What a program prints in a process of its own."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there_and_in_the_file_that_is_said(package):
    module = PACKAGES[package]
    assert set(vars(module)["rooms"]) <= set(dir(module))
    for name, (room, own_name) in vars(module)["rooms"].items():
        if name == "sklearn" and not find_spec("sklearn"):
            continue
        held = importlib.import_module(room)
        assert getattr(module, name) is (getattr(held, own_name) if own_name else held)
    with pytest.raises(AttributeError, match=f"chainrule{package} has no 'nothing'"):
        _ = module.nothing
    assert not hasattr(module, "nothing")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_type_checker_knows_the_names_that_are_there(package):
    """What a checker reads stands beside what is loaded: the same names, from the same files."""
    module = PACKAGES[package]
    stub = Path(module.__file__).with_suffix(".pyi").read_text()
    imports = [x for x in ast.parse(stub).body if isinstance(x, ast.ImportFrom)]
    assert all([name.name == name.asname for x in imports for name in x.names])
    known = {name.name: x.module for x in imports for name in x.names}
    assert set(known) - {"sklearn"} == set(module.__all__), "run .venv/bin/python docs/write_stubs.py"
    for name in module.__all__:
        room, own_name = vars(module)["rooms"][name]
        assert known[name] == (room if own_name else room.rpartition(".")[0])


@pytest.mark.parametrize(
    ("file", "name"), [("fit", "fit"), ("fit_table", "fit_table"), ("judge", "judge"), ("sweep_table", "sweep_table")]
)
def test_a_file_does_not_hide_the_function_of_its_name(file, name):
    first = f"import chainrule.training.{file}; import chainrule as cr; print(type(cr.training.{name}).__name__)"
    assert alone(first) == ["function"]
    assert alone(f"from chainrule.training import {name}; print({name}.__module__)") == [f"chainrule.training.{file}"]


def test_who_trains_a_network_loads_no_table_and_no_mathematics():
    script = (
        "import sys, chainrule as cr; net = cr.nn.Linear(1, 1); optimizer = cr.optim.SGD(net.parameters());"
        "cr.compile(net, loss=cr.nn.MSELoss(), optimizer=optimizer)([[1.0]], [[2.0]]);"
        "print(*[name for name in sys.modules if name.startswith('chainrule.') or name == 'threading'])"
    )
    loaded = set(alone(script))
    assert "chainrule.training.step" in loaded
    assert "threading" not in loaded
    unused = (
        "data.table",
        "training.fit_table",
        "training.checkpoint",
        "codegen.as_numpy",
        "codegen.scanned",
        "codegen.statements",
        "core.forward",
        "maths",
        "nn.attention",
        "nn.hooks",
        "nn.recurrent",
    )
    assert not {f"chainrule.{name}" for name in unused} & loaded


def test_a_named_tuple_is_as_that_of_typing():
    declared = (
        "class Pair(NamedTuple):\n  'Two.'\n  a: int\n  b: list[int] = []\n  def both(self): return (self.a, *self.b)"
    )
    made = []
    for module in ("typing", "chainrule.named"):
        space = {"__name__": __name__}
        exec(f"from __future__ import annotations\nfrom {module} import NamedTuple\n{declared}", space)
        made.append(space["Pair"])
    theirs, ours = made
    for kind in made:
        assert repr(kind(1, b=[2])) == "Pair(a=1, b=[2])"
        assert kind(1)._replace(b=[3]).both() == (1, 3)
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
            kind()
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__bases__", "_fields", "_field_defaults"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert dir(ours) == [name for name in dir(theirs) if name != "__orig_bases__"]


def test_a_package_goes_to_another_process_as_modules_do():
    """A function of a notebook is sent with the packages that it uses, as `cr.sweep(…, n_jobs=2)` does."""
    cloudpickle = pytest.importorskip("cloudpickle")
    build = eval("lambda: nn.Linear(2, 1)", {"nn": cr.nn, "__name__": "__main__"})  # noqa: S307
    again = pickle.loads(cloudpickle.dumps(build))  # noqa: S301
    assert again.__globals__["nn"] is cr.nn
    assert isinstance(again(), cr.nn.Linear)

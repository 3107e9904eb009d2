"""Packages load their files when a name in them is used, and no file hides what bears its name."""

import importlib
import pickle
import subprocess
import sys

import pytest

import chainrule as cr

PACKAGES = {"data": cr.data, "nn": cr.nn, "training": cr.training}


def alone(program):
    """What a program prints in a process of its own."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there_and_in_the_file_that_is_said(package):
    module = PACKAGES[package]
    assert set(vars(module)["rooms"]) <= set(dir(module))
    for name, room in vars(module)["rooms"].items():
        assert getattr(module, name) is vars(importlib.import_module(room))[name]
    assert set(module.__all__) - {"init"} == set(vars(module)["rooms"])
    with pytest.raises(AttributeError, match=f"chainrule.{package} has no 'nothing'"):
        _ = module.nothing
    assert not hasattr(module, "nothing")


@pytest.mark.parametrize(
    ("file", "name"), [("fit", "fit"), ("fit_table", "fit_table"), ("judge", "judge"), ("sweep_table", "sweep_table")]
)
def test_a_file_does_not_hide_the_function_of_its_name(file, name):
    first = f"import chainrule.training.{file}; import chainrule as cr; print(type(cr.training.{name}).__name__)"
    assert alone(first) == ["function"]
    assert alone(f"from chainrule.training import {name}; print({name}.__module__)") == [f"chainrule.training.{file}"]


def test_who_trains_a_network_loads_no_table():
    program = (
        "import sys, chainrule as cr; net = cr.nn.Linear(1, 1); optimizer = cr.optim.SGD(net.parameters());"
        "cr.compile(net, loss=cr.nn.MSELoss(), optimizer=optimizer)([[1.0]], [[2.0]]);"
        "print(*[name for name in sys.modules if name.startswith('chainrule.')])"
    )
    loaded = set(alone(program))
    assert "chainrule.training.step" in loaded
    unused = (
        "data.table",
        "training.fit_table",
        "training.checkpoint",
        "codegen.as_numpy",
        "nn.attention",
        "nn.recurrent",
    )
    assert not {f"chainrule.{name}" for name in unused} & loaded


def test_a_package_goes_to_another_process_as_modules_do():
    """A function of a notebook is sent with the packages that it uses, as `cr.sweep(…, n_jobs=2)` does."""
    cloudpickle = pytest.importorskip("cloudpickle")
    build = eval("lambda: nn.Linear(2, 1)", {"nn": cr.nn, "__name__": "__main__"})  # noqa: S307
    again = pickle.loads(cloudpickle.dumps(build))  # noqa: S301
    assert again.__globals__["nn"] is cr.nn
    assert isinstance(again(), cr.nn.Linear)

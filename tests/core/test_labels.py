"""Names of nodes: found in the user's own variables, and nowhere else."""

from __future__ import annotations

import os
import sysconfig

import chainrule as cr
from chainrule.core.labels import find_labels


def test_the_nearest_name_is_found_and_containers_give_a_path():
    inner = cr.Value(1.0)
    held = {"weights": [cr.Value(2.0), inner]}
    names = find_labels([inner, held["weights"][0]])
    assert names == {id(inner): "inner", id(held["weights"][0]): "held['weights'][0]"}


def test_variables_of_libraries_are_not_the_users():
    # A test runner or a notebook calls the user's program, and its own variables are many: that must cost nothing.
    library = "def call(function, secret):\n    return function(secret)\n"
    elsewhere = os.path.join(os.sep, "another", "environment", "dist-packages")
    for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), elsewhere):
        scope: dict[str, object] = {}
        exec(compile(library, os.path.join(folder, "runner.py"), "exec"), scope)
        node = cr.Value(1.0)
        found = scope["call"](lambda given: find_labels([given]), node)
        assert found == {id(node): "given"}
        del node
        found = scope["call"](lambda *given: find_labels(given), cr.Value(2.0))
        assert list(found.values()) == ["given[0]"]
        assert not scope["call"](lambda *_given: find_labels(_given), cr.Value(3.0))

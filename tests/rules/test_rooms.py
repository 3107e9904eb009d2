"""Rooms of the rule book that are closed at first: every name in them is found, by whatever way it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import chainrule as cr
from chainrule import rules
from chainrule.core.operation import book, compositions, kernels
from chainrule.core.registry import open_all, rooms

FIRST_LOOKS = """
import os, sys
from inspect import getattr_static
import numpy as np
import chainrule as cr
from chainrule.core.operation import book, compositions
from chainrule.core.registry import rooms

loaded = {name for name in sys.modules if name.startswith("chainrule.rules.")}
assert not loaded & set(rooms.values()), loaded & set(rooms.values())

LOOKS = {
    "the package": lambda name: name not in cr.__all__ or callable(getattr(cr, name)),
    "a registry": lambda name: callable(compositions.get(name) or book[name]),
    "whether it is in one": lambda name: (name in book) or (name in compositions),
    "a method of a class": lambda name: callable(getattr(cr.Tensor, name)) and getattr_static(cr.Tensor, name).__doc__,
    "a method": lambda name: callable(getattr(cr.Tensor([1.0]), name)),
    "a method of a Value": lambda name: callable(getattr(cr.Value(1.0), name)),
}
for name in rooms:
    for look, found in LOOKS.items():
        child = os.fork()
        if not child:
            try:
                assert found(name)
            except BaseException as error:
                print(f"{look} does not find {name}: {error!r}")
                sys.stdout.flush()
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def run(program: str) -> None:
    """Run a program in a process of its own, where nothing is loaded yet."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_index_says_of_every_function_where_it_is_declared() -> None:
    """What stands in a room and not in the index would never be found; what stands there alone leads nowhere."""
    open_all()
    closed = set(rooms.values())
    declared = {
        name: (compositions.get(name) or book[name]).__module__
        for name in {*book, *compositions}
        if (compositions.get(name) or book[name]).__module__ in closed
    }
    assert rooms == declared
    assert list(rules.CLOSED) == sorted(rules.CLOSED)
    assert all(names.split() == sorted(names.split()) for names in rules.CLOSED.values())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a fresh process for every name takes minutes without fork")
def test_each_name_is_found_whichever_is_the_first_to_be_asked_for() -> None:
    run(FIRST_LOOKS)


@pytest.mark.parametrize(
    "walk",
    [
        "{name: book[name] for name in book}",
        "dict(book)",
        "{**book}",
        "dict(book.items())",
        "dict(zip(book.keys(), book.values()))",
        "book.copy()",
        "book | {}",
        "{} | book",
    ],
)
def test_whoever_walks_the_book_meets_every_rule(walk: str) -> None:
    run(f"""
from chainrule.core.operation import book
walked = {walk}
assert {{"add", "sinc", "qr", "conv2d", "svdvals"}} - set(walked) == {{"qr"}}
assert walked == book and len(walked) == len(book) and repr(walked) == repr(book)
assert set(walked) == {{*book}} and "qr" not in book
""")


def test_a_kernel_is_found_by_name_in_a_room_that_is_closed() -> None:
    run("""
from chainrule.core.operation import kernels
assert kernels["singular_values"].__name__ == "singular_values" and "padded" in kernels and "no such" not in kernels
""")


def test_a_name_that_a_closed_room_declares_is_taken() -> None:
    run("""
import chainrule as cr
try:
    @cr.pointwise("x", partials=(lambda out, x: 1,))
    def sinc(x):
        "Another one."
        return x
except cr.errors.ChainruleError as error:
    assert "already registered" in str(error)
else:
    raise AssertionError("the name was given away")
assert cr.sinc(0.0) == 1.0
""")


def test_what_is_not_there_is_missed() -> None:
    for registry in (book, compositions, kernels):
        assert registry.get("no such name", 3) == 3
        with pytest.raises(KeyError, match="no such name"):
            registry["no such name"]
    with pytest.raises(AttributeError, match="no_such_name"):
        cr.no_such_name  # noqa: B018
    assert not hasattr(cr, "self_attention")  # declared in the book and not offered to users

"""Nodes lie where they were put, whatever is made and freed around them, and their memory is used again."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

import chainrule as cr
from chainrule.core import COMPILED

HELD = """
import sys
from pathlib import Path
import chainrule as cr

def resident():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024

def step():
    x = cr.Value(1.0)
    for _ in range(20_000):
        x = x * 0.5 + 1.0
    return x.detach()

kept = [step() for _ in range(5)]
before = resident()
kept += [step() for _ in range(100)]
print((resident() - before) / 100)
"""


def test_nodes_keep_their_numbers_while_others_come_and_go():
    """Twenty rounds of making and dropping in random order, over many slabs."""
    draw = random.Random(0)
    alive: dict[int, cr.Value] = {}
    for turn in range(20):
        for i in range(10_000):
            number = turn * 10_000 + i
            alive[number] = cr.Value(float(number))
        for number in draw.sample(sorted(alive), len(alive) * draw.choice((1, 5, 9)) // 10):
            del alive[number]
        assert all(value.data == number and value.grad == 0.0 for number, value in alive.items())
        assert len({id(value) for value in alive.values()}) == len(alive)


def test_a_graph_made_among_what_others_left_has_the_right_gradient():
    kept = [cr.Value(float(i)) for i in range(50_000)]
    del kept[::3], kept[::2]
    x = cr.Value(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.0 + x
    y.backward()
    assert (y.data, x.grad) == (100_001.0, 100_001.0)
    assert sorted(value.data for value in kept) == [value.data for value in kept]


@pytest.mark.skipif(not sys.platform.startswith("linux") or not COMPILED, reason="it reads Linux's figure of memory")
def test_one_node_kept_of_each_graph_does_not_keep_the_memory_of_the_graph():
    """A graph here takes 3 MB; the node that is kept of it takes 80 bytes."""
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10_000

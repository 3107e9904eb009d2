"""What a thread switches on and off around Values, and what a node costs: no_grad, detect_anomaly, memory."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import chainrule as cr
from chainrule import Value
from chainrule.core import COMPILED
from chainrule.errors import AnomalyError, GraphError


def test_no_grad_records_nothing():
    a = Value(2.0)
    with cr.no_grad():
        outs = [a * 3.0, a + a, a.exp(), cr.sqrt(a), cr.sum([a, a]), cr.dot([a], [a])]
    after = a * 3.0
    assert [out._prev for out in outs] == [()] * 6
    assert [out.data for out in outs] == [6.0, 4.0, math.exp(2.0), math.sqrt(2.0), 4.0, 4.0]
    assert after._prev[0] is a


def test_no_grad_as_decorator_and_enable_grad_inside():
    a = Value(2.0)

    @cr.no_grad()
    def plain():
        with cr.enable_grad():
            inner = a * 2.0
        return inner, a * 3.0

    inner, outer = plain()
    assert inner._prev != ()
    assert outer._prev == ()


def test_no_grad_ends_after_an_error():
    a = Value(1.0)
    with pytest.raises(RuntimeError), cr.no_grad():
        raise RuntimeError
    assert (a * 2.0)._prev != ()


def test_anomaly_in_the_forward_names_operation_inputs_and_line():
    with cr.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        Value(0.0).log()  # the guilty line
    assert "log" in str(caught.value)
    assert "-inf" in str(caught.value)
    assert "0.0" in str(caught.value)
    assert "test_value_switches.py" in str(caught.value)
    assert "the guilty line" in str(caught.value)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: Value(1.0) / Value(0.0),
        lambda: Value(1.0) / 0.0,
        lambda: 1.0 / Value(0.0),
        lambda: Value(-1.0) ** 0.5,
        lambda: Value(1e308) + 1e308,
        lambda: Value(1e308) * Value(1e308),
        lambda: Value(1000.0).exp(),
        lambda: Value(-1.0).sqrt(),
        lambda: cr.sum([Value(1e308), 1e308]),
        lambda: cr.dot([Value(1e308)], [1e308]),
    ],
)
def test_anomaly_catches_every_way_to_make_a_node(compute):
    with cr.detect_anomaly(), pytest.raises(AnomalyError):
        compute()
    compute()


def test_anomaly_blames_the_first():
    with cr.detect_anomaly():
        passed_on = Value(math.inf) * 2.0
        with pytest.raises(AnomalyError, match="exp"):
            Value(1.0) + Value(1000.0).exp()
    assert passed_on.data == math.inf


def test_anomaly_in_the_backward_names_operation_and_inputs():
    a = Value(0.0)
    with cr.detect_anomaly():
        out = a.sqrt()
        with pytest.raises(AnomalyError) as caught:
            out.backward()
    assert "sqrt" in str(caught.value)
    assert "inf" in str(caught.value)
    assert "0.0" in str(caught.value)
    assert "test_value_switches.py" in str(caught.value)
    out.backward()
    assert a.grad == math.inf


def test_switches_hold_for_one_thread():
    inside, done, recorded = threading.Event(), threading.Event(), []

    def other():
        inside.wait(10)
        a = Value(2.0)
        recorded.append((a * 3.0)._prev)
        recorded.append((Value(0.0).log()).data)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with cr.no_grad(), cr.detect_anomaly():
        inside.set()
        assert done.wait(10)
        assert (Value(1.0) * 2.0)._prev == ()
    thread.join()
    assert len(recorded[0]) == 2
    assert recorded[1] == -math.inf


def test_threads_differentiate_at_once():
    wrong = []

    def work(seed):
        for i in range(200):
            x = Value(seed + i)
            (x * x + 3 * x).backward()
            if x.grad != 2 * (seed + i) + 3:
                wrong.append((seed, i))

    threads = [threading.Thread(target=work, args=(k * 1000,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not COMPILED, reason="the plain engine is a Python class, which the collector tracks")
def test_the_collector_does_not_track_nodes():
    a = Value(1.0)
    for node in (a, a * 2.0, a + a, cr.sum([a, a]), a.sin()):
        assert not gc.is_tracked(node)


MEMORY = """
import os
from chainrule import Value
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
x = out = Value(1.0)
before = resident()
for _ in range(1_000_000): out = out * 0.999
out.backward()
print((resident() - before) / 1_000_000)
"""


@pytest.mark.skipif(not COMPILED, reason="a node of the plain engine is a Python object with twelve slots")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell a process its memory")
def test_a_node_takes_under_200_bytes():
    ran = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert 50 < float(ran.stdout) < 200
    assert sys.getsizeof(Value(1.0)) < 200


def test_a_backward_pass_that_broke_off_leaves_nothing_behind():
    a, b, x = cr.Value(2.0), cr.Value(3.0), cr.Value(0.0)
    product, root = a * b, x + a
    by_hand = cr.Value(5.0, (a, b), "+")
    with pytest.raises(GraphError):
        (by_hand * a + product).backward()
    with cr.detect_anomaly(), pytest.raises(AnomalyError):
        (root + x**0.5).backward()
    a.grad = b.grad = x.grad = 0.0
    (product + root * b).backward()
    assert (a.grad, b.grad, x.grad) == (6.0, 4.0, 3.0)

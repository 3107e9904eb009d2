"""The same training writes the same bytes, whatever the process hashes, counts as threads, or was interrupted by."""

import os
import subprocess
import sys

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.training import Callback, fit, save_checkpoint

OTHERS = ({"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}, {"PYTHONHASHSEED": "4242", "OMP_NUM_THREADS": "2"})


def write_mixed(path, rows=400):
    """Quantities, categories, flags of missing values, dates, codes and texts of very many kinds."""
    rng = np.random.default_rng(0)
    lines = ["weight,colour,bought,zip,street,kind"]
    for i in range(rows):
        weight = "" if i % 9 == 0 else f"{rng.normal(5):.3f}"
        day = f"2024-{rng.integers(1, 13):02}-{rng.integers(1, 28):02}"
        street = f"street {rng.integers(90)}"
        kind = "abc"[int(rng.integers(3))]
        lines.append(f"{weight},{rng.choice(['red', 'blue', 'green'])},{day},0{rng.integers(100, 120)},{street},{kind}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


EXTRA = (["--hash", "--class-weight", "balanced", "--seeds", "2"], ["--refit", "--json"])

TRAIN = f"""
import sys
from chainrule.cli.app import main
for i, extra in enumerate({EXTRA}):
    sys.argv[1:] = ["train", "t.csv", "--target", "kind", "--dates", "--epochs", "4", *extra]
    sys.argv += ["--out", f"{{i}}.safetensors"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (extra, end.code)
"""


def test_other_hashes_and_threads_write_the_same_files(tmp_path):
    found = []
    for i, other in enumerate(OTHERS):
        folder = tmp_path / str(i)
        folder.mkdir()
        write_mixed(folder / "t.csv")
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), other["OMP_NUM_THREADS"])
        environment = {**os.environ, **other, **threads}
        done = subprocess.run(
            [sys.executable, "-c", TRAIN], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        found.append((done.stdout, [(folder / f"{k}.safetensors").read_bytes() for k in range(len(EXTRA))]))
    assert found[0] == found[1]


class Halt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, run):
        if (run.epoch, run.batch) == (self.epoch, 2):
            raise KeyboardInterrupt


def trained(folder, name, *, halt=None):
    """A network after six epochs, in one go or broken off once, in the file that holds it."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 4)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]).astype(int)

    def go(*callbacks):
        net = nn.Sequential(nn.Linear(4, 6, rng=0), nn.Dropout(0.2, rng=1), nn.ReLU(), nn.Linear(6, 2, rng=2))
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        fit(
            net,
            x,
            y,
            loss=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            epochs=6,
            batch_size=8,
            callbacks=callbacks,
            checkpoint=folder / f"{name}.run",
            checkpoint_every=1,
            resume=True,
            progress=False,
        )
        return net, optimizer

    if halt is not None:
        with pytest.raises(KeyboardInterrupt):
            go(Halt(halt))
    net, optimizer = go(Halt(None))
    save_checkpoint(folder / f"{name}.safetensors", model=net, optimizer=optimizer, extra={"b": 1, "a": [2.5]})
    return (folder / f"{name}.safetensors").read_bytes()


def test_a_resumed_run_writes_the_bytes_of_one_that_was_never_stopped(tmp_path):
    whole = trained(tmp_path, "whole")
    assert trained(tmp_path, "again") == whole
    for epoch in (1, 4):
        assert trained(tmp_path, f"halted {epoch}", halt=epoch) == whole


def test_the_header_has_one_order(tmp_path):
    """The library writes its texts in an order that differs from one call to the next."""
    net = nn.Linear(3, 2, rng=0)
    contents = set()
    for i in range(20):
        save_checkpoint(tmp_path / f"{i}", model=net, extra={"é": "ü"})
        contents.add((tmp_path / f"{i}").read_bytes())
    assert len(contents) == 1
    content = contents.pop()
    size = int.from_bytes(content[:8], "little")
    assert (size % 8, content[8:9], content[8 + size - 1 : 8 + size] in b" }") == (0, b"{", True)

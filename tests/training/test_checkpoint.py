"""Checkpoints come back whole or are refused with words; an old one survives whatever happens to a new one."""

import errno
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from chainrule import nn, optim
from chainrule.errors import CheckpointError
from chainrule.training import checkpoint as module
from chainrule.training import load_checkpoint, save_checkpoint


def made(seed=0, kind=optim.Adam):
    """A model with buffers and a generator, an optimizer with arrays of its own, a schedule, a generator."""
    net = nn.Sequential(
        nn.Linear(3, 4, rng=seed), nn.BatchNorm1d(4), nn.Dropout(0.5, rng=seed), nn.Linear(4, 1, dtype=float, rng=seed)
    )
    optimizer = kind(net.parameters(), lr=0.1)
    return {
        "model": net,
        "optimizer": optimizer,
        "scheduler": optim.StepLR(optimizer, 2),
        "rng": np.random.default_rng(seed),
    }


def step(parts):
    net, optimizer = parts["model"], parts["optimizer"]
    optimizer.zero_grad()
    nn.MSELoss()(net(parts["rng"].normal(size=(5, 3))), np.ones((5, 1))).backward()
    optimizer.step()
    parts["scheduler"].step()


def numbers(parts):
    return {name: held.data.tobytes() for name, held in parts["model"].state_dict().items()}


@pytest.fixture
def saved(tmp_path):
    """A checkpoint after three steps, and what was saved."""
    parts = made()
    for _ in range(3):
        step(parts)
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, **parts, position={"epoch": 2, "batch": 1}, extra={"note": ["é", None, 0.1, {"a": 2**70}]})
    return path, parts


def test_everything_comes_back_and_goes_on_alike(saved):
    path, parts = saved
    others = made(seed=5)
    found = load_checkpoint(path, **others)
    assert numbers(others) == numbers(parts)
    assert found.position == {"epoch": 2, "batch": 1}
    assert found.extra == {"note": ["é", None, 0.1, {"a": 2**70}]}
    assert found.holds == ("model", "optimizer", "scheduler", "rng")
    for _ in range(3):
        step(parts)
        step(others)
    assert numbers(others) == numbers(parts)
    assert others["optimizer"].lr == parts["optimizer"].lr == 0.1 * 0.1**3


def test_any_reader_of_safetensors_finds_the_weights(saved):
    path, parts = saved
    with safe_open(path, framework="np") as file:
        found = file.get_tensor("model.0.weight")
        about = file.metadata()
    assert (found == parts["model"][0].weight.data).all()
    assert json.loads(about["state"])["position"] == {"epoch": 2, "batch": 1}


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_every_random_generator_of_numpy_goes_on(bits, tmp_path):
    rng, other = np.random.Generator(bits(1)), np.random.Generator(bits(2))
    rng.normal(size=3)
    save_checkpoint(tmp_path / "r", rng=rng)
    load_checkpoint(tmp_path / "r", rng=other)
    assert (rng.normal(size=9) == other.normal(size=9)).all()


arrays = st.sampled_from(["?", "i1", "<i8", ">f8", "f4", "f2", "u4"]).flatmap(
    lambda kind: st.lists(st.integers(0, 1), max_size=4).map(lambda held: np.array(held, kind))
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def alike(one, other):
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype.newbyteorder(one.dtype.byteorder) and (
            one.shape == other.shape and (one == other).all()
        )  # fmt: skip
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(alike(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and one == other


@settings(max_examples=50, deadline=None)
@given(extra=plain)
def test_any_plain_data_comes_back(extra, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    save_checkpoint(path, extra=extra)
    assert alike(extra, load_checkpoint(path).extra)


def test_what_would_not_come_back_is_refused(tmp_path):
    for extra, message in [
        ({"f": {"g": [len]}}, r"extra\.f\.g\[0\] is builtin_function_or_method, which a checkpoint cannot hold"),
        ({"f": {1: 2}}, r"extra\.f has the key 1"),
        ({"$array": "model.weight"}, r"extra has the key '\$array'"),
        (np.array([{}]), "extra is an array of object"),
        (np.array([1j]), "extra is an array of complex128"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            save_checkpoint(tmp_path / "no", extra=extra)
    cycle = []
    cycle.append(cycle)
    with pytest.raises(CheckpointError, match="nested more than"):
        save_checkpoint(tmp_path / "no", extra=cycle)
    assert not list(tmp_path.iterdir())


def refused(path, message, **parts):
    """Loading says this, and leaves everything as it was."""
    parts = parts or made(seed=3)
    states = {name: module.states_of(**{"model": None, name: held}) for name, held in parts.items()}
    before = pickle.dumps(states)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path, **parts)
    assert str(path) in str(caught.value)
    after = {name: module.states_of(**{"model": None, name: held}) for name, held in parts.items()}
    assert pickle.dumps(after) == before


def test_what_does_not_fit_is_named_and_nothing_changes(saved):
    path, parts = saved
    others = made(seed=3)
    narrow = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    refused(path, r"0.weight has shape \(4, 3\), and the module's has \(4, 2\)", **{**others, "model": narrow})
    sgd = optim.SGD(others["model"].parameters())
    refused(path, "the optimizer was Adam, and this one is SGD", model=others["model"], optimizer=sgd)
    cosine = optim.CosineAnnealingLR(others["optimizer"], 5)
    refused(path, "the scheduler was StepLR, and this one is CosineAnnealingLR", **{**others, "scheduler": cosine})
    other_step = optim.StepLR(others["optimizer"], 3)
    refused(path, "its step_size is 2, and this one's 3", **{**others, "scheduler": other_step})
    refused(
        path, "the random generator was PCG64, and this one is MT19937", rng=np.random.Generator(np.random.MT19937(0))
    )
    undropped = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))
    refused(path, r"the random generators were 2.rng, and those of this Sequential are none", model=undropped)
    save_checkpoint(path, model=parts["model"])
    refused(path, "holds no optimizer")


def test_every_damage_is_found(saved):
    path, _ = saved
    whole = path.read_bytes()
    for length in [0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path, "is no safetensors file, or is damaged or cut short")
    for place in range(0, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        refused(path, "damaged|cut short|no checkpoint|has the format")
    path.write_bytes(whole)
    load_checkpoint(path, **made())


def test_foreign_files_are_named(saved, tmp_path):
    path, _ = saved
    refused(tmp_path / "nowhere", "could not be read: No such file")
    refused(tmp_path, "could not be read: Is a directory")
    path.write_bytes(pickle.dumps({"model": 1}))
    refused(path, "is no safetensors file")
    save_file({"weight": np.ones(3)}, path)
    refused(path, "is a safetensors file, but no checkpoint of chainrule")
    state = json.dumps({"position": {}, "extra": None, "model": ["model.0.weight"]})
    about = {"format": module.FORMAT, "version": "1", "state": state, "check": module.check_of({}, state)}
    save_file({}, path, {**about, "version": "2"})
    refused(path, "has the format 2, and this chainrule reads formats up to 1: install a newer chainrule")
    save_file({}, path, {**about, "version": "one"})
    refused(path, "has the format one")
    save_file({}, path, about)
    refused(path, r"is damaged or made by hand: its states cannot be put back \(model.0.weight is missing\)")


def test_loading_runs_no_code(saved, monkeypatch):
    path, _ = saved

    def never(*_, **__):
        raise AssertionError("something was unpickled or evaluated")

    for name in ("loads", "load", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    monkeypatch.setattr("builtins.eval", never)
    load_checkpoint(path, **made())


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_checkpoint(saved, monkeypatch, failing):
    path, _ = saved
    whole = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, full)
        with pytest.raises(CheckpointError, match="No space left on device; the file that was there is as it was"):
            save_checkpoint(path, **made(seed=9))
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="file size limits are a matter of POSIX")
def test_a_disk_that_really_is_full_leaves_the_old_checkpoint(saved):
    path, _ = saved
    whole = path.read_bytes()
    program = (
        "import resource, sys; from chainrule import nn, training\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: training.save_checkpoint(sys.argv[1], model=nn.Linear(100, 100))\n"
        "except training.checkpoint.CheckpointError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert "could not be written: File too large; the file that was there is as it was" in run.stdout
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_cannot_be_written_leaves_the_old_checkpoint(saved, monkeypatch):
    path, _ = saved
    whole = path.read_bytes()
    opened = os.open

    # The superuser may write to a read-only folder, so the refusal itself is acted.
    def read_only(name, flags, *rest):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return opened(name, flags, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", read_only)
        with pytest.raises(CheckpointError, match="Permission denied; the file that was there is as it was"):
            save_checkpoint(path, **made(seed=9))
    assert path.read_bytes() == whole


def test_nothing_but_a_file_is_replaced(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder or a device"):
        save_checkpoint(tmp_path, extra=1)
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(CheckpointError, match="is a folder or a device"):
            save_checkpoint(tmp_path / "pipe", extra=1)


def test_a_link_stays_a_link(saved, tmp_path):
    path, parts = saved
    link = tmp_path / "latest"
    link.symlink_to(path)
    save_checkpoint(link, **parts, position={"epoch": 8})
    assert link.is_symlink()
    assert load_checkpoint(path).position == {"epoch": 8}

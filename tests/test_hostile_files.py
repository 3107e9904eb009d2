"""Files that were damaged or made to do harm: every reader takes them or refuses them in words of its own."""

import contextlib
import gzip
import io
import json
import random
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load

import chainrule as cr
from chainrule.data import load_idx, load_npz, read_table
from chainrule.errors import ChainruleError, CheckpointError, DataError, DataWarning, DivergenceWarning, TrainingWarning
from chainrule.expression.typed.number_files import array_in
from chainrule.training import Recipe, fit, fit_table, load_checkpoint, load_model, save_checkpoint, save_model
from chainrule.training.checkpoint import check_of

WRONG = [None, True, -1, 0, 2**70, 1e308, "", "x", "\x1b[2J", [], {}, [[]], {"a": 1}, [None], ["x"], [2**40, 3]]
SIGNS = [
    b'"',
    b",",
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"nan",
    b"1e999",
    b"0" * 40,
    b"\xe2\x80\xae",
    b"'",
]


def bytes_changed(whole, draw):
    """Flipped bits, cut ends, foreign parts and other sizes."""
    content = bytearray(whole)
    match draw.randrange(6):
        case 0:
            for _ in range(draw.randrange(1, 5)):
                content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        case 1:
            del content[draw.randrange(len(content)) :]
        case 2:
            content[:8] = struct.pack(
                "<Q", draw.choice([0, 1, len(whole), 2**31, 2**62, 2**64 - 1, draw.randrange(9999)])
            )
        case 3:
            start = draw.randrange(len(content))
            content[start : start + draw.randrange(64)] = draw.randbytes(draw.randrange(64))
        case 4:
            start = draw.randrange(len(content))
            content[start : start + draw.randrange(3)] = draw.choice(SIGNS) * draw.choice([1, 1, 2, 500])
        case _:
            content += draw.randbytes(draw.randrange(1, 64))
    return bytes(content)


def places_in(held, path=()):
    yield path
    pairs = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    for name, part in pairs:
        yield from places_in(part, (*path, name))


def header_changed(whole, draw):
    """A header in which one thing is of another kind or gone, with the checksum that belongs to it."""
    size = struct.unpack("<Q", whole[:8])[0]
    header, body = json.loads(whole[8 : 8 + size]), whole[8 + size :]
    about = header["__metadata__"]
    within = draw.random() < 0.8
    held = json.loads(about["state"]) if within else header
    *way, last = draw.choice([path for path in places_in(held) if path])
    inner = held
    for name in way:
        inner = inner[name]
    if draw.random() < 0.3:
        del inner[last]
    else:
        inner[last] = draw.choice(WRONG)
    if within:
        about["state"] = json.dumps(held)
        about["check"] = check_of(load(whole), about["state"])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def archive_of(parts, packing=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def array_file(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def part_changed(whole, draw):
    """An archive whose own structure is whole, with a damaged array in it."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(list(parts))
    parts[name] = bytes_changed(parts[name], draw)
    return archive_of(parts)


def small_net():
    return cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0), cr.nn.Dropout(0.1, rng=1), cr.nn.Linear(3, 1, rng=2))


X, Y = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32), np.ones((12, 1), np.float32)


def resumed(path, epochs=1):
    net = small_net()
    optimizer = cr.optim.Adam(net.parameters())
    fit(
        net,
        X,
        Y,
        loss=cr.nn.MSELoss(),
        optimizer=optimizer,
        scheduler=cr.optim.StepLR(optimizer, 2),
        epochs=epochs,
        batch_size=5,
        checkpoint=path,
        resume=True,
        progress=False,
    )


def put_back(path):
    net = small_net()
    optimizer = cr.optim.Adam(net.parameters())
    load_checkpoint(path, model=net, optimizer=optimizer, rng=np.random.default_rng(0))


def table_text(separator=",", decimal="."):
    lines = [separator.join(["size", "kind", "day", "code", "y"])]
    for i in range(30):
        number = f"{i * 0.37:.2f}".replace(".", decimal)
        lines.append(separator.join([number, f'"k {i % 3}"', f"2024-01-{1 + i % 28:02}", f"0{i % 4}", str(i % 2)]))
    return "\n".join(lines) + "\n"


def table_from(**settings):
    return lambda path: read_table(path, target="y", dates=True, **settings)


def write_models(folder):
    (folder / "t.csv").write_text(table_text(), encoding="utf-8")
    fitted = fit_table(read_table(folder / "t.csv", target="y", dates=True), Recipe(epochs=1, threshold=0.4))
    save_model(folder / "model", fitted)
    net = small_net()
    save_checkpoint(
        folder / "checkpoint",
        model=net,
        optimizer=cr.optim.Adam(net.parameters()),
        rng=np.random.default_rng(1),
        extra={"a": [1, {"b": np.ones(3)}]},
    )
    resumed(folder / "run")


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """A good file for every reader: its name, its bytes, who reads it, and the changes that suit it."""
    folder = tmp_path_factory.mktemp("whole")
    write_models(folder)
    idx = struct.pack(">BBBBIII", 0, 0, 8, 3, 4, 5, 6) + bytes(range(120))
    arrays = {"x.npy": array_file(np.ones((4, 5))), "y.npy": array_file(np.arange(4))}
    mnist = {
        **{f"x_{part}.npy": array_file(np.ones((3, 2, 2), np.uint8)) for part in ("train", "test")},
        **{f"y_{part}.npy": array_file(np.arange(3, dtype=np.uint8)) for part in ("train", "test")},
    }
    files = {
        "t.csv": (table_text().encode(), table_from()),
        "semicolons.csv": (table_text(";", ",").encode(), table_from(decimal=",")),
        "utf16.csv": (table_text().encode("utf-16"), table_from()),
        "latin.csv": (table_text().replace("k", "é").encode("latin-1"), table_from(encoding="latin-1", comment="#")),
        "a.npz": (archive_of(arrays), load_npz),
        "stored.npz": (archive_of(arrays, zipfile.ZIP_STORED), load_npz),
        "lzma.npz": (archive_of(arrays, zipfile.ZIP_LZMA), load_npz),
        "mnist.npz": (archive_of(mnist), cr.data.load_mnist),
        "plain-idx": (idx, load_idx),
        "packed-idx.gz": (gzip.compress(idx), load_idx),
        "n.npy": (array_file(np.ones((3, 4))), array_in),
        "n.csv": (b"1,2,3\n4,5.5,-6e3\n", array_in),
        "m.safetensors": ((folder / "model").read_bytes(), load_model),
        "c.safetensors": ((folder / "checkpoint").read_bytes(), put_back),
        "r.safetensors": ((folder / "run").read_bytes(), resumed),
    }
    for name, (content, reader) in files.items():
        (folder / name).write_bytes(content)
        with quiet():
            reader(folder / name)
    return files


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings():
        for kind in (DataWarning, TrainingWarning, DivergenceWarning):
            warnings.simplefilter("ignore", kind)
        yield


NAMES = [
    *["t.csv", "semicolons.csv", "utf16.csv", "latin.csv", "a.npz", "stored.npz", "lzma.npz", "mnist.npz"],
    *["plain-idx", "packed-idx.gz", "n.npy", "n.csv", "m.safetensors", "c.safetensors", "r.safetensors"],
]


def assert_taken_or_refused(name, whole, reader, folder, count, seed):
    draw = random.Random(seed)
    changes = [bytes_changed]
    changes += [header_changed] if name.endswith("safetensors") else [part_changed] if name.endswith("npz") else []
    path = folder / name
    told, changed = [], 0
    for i in range(count):
        content = draw.choice(changes)(whole, draw)
        path.write_bytes(content)
        try:
            with quiet():
                reader(path)
        except ChainruleError as error:
            told.append(str(error))
            # A run that cannot be resumed leaves the file as it was.
            changed += path.read_bytes() != content
        except Exception as error:  # noqa: BLE001 - that there is no other is what is shown
            pytest.fail(f"{name}, seed {seed}, change {i}: {type(error).__name__}: {error}")
    assert [entry.name for entry in folder.iterdir()] == [name]
    assert [words for words in told if "\n" in words] == []
    assert changed == 0
    assert len(told) > count / 20


@pytest.mark.parametrize("name", NAMES)
def test_changed_files_are_taken_or_refused_in_words(whole_files, tmp_path, name):
    assert_taken_or_refused(name, *whole_files[name], tmp_path, 600 if name == "m.safetensors" else 120, seed=0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize("name", NAMES)
def test_many_changed_files_are_taken_or_refused_in_words(whole_files, tmp_path, name, seed):
    assert_taken_or_refused(name, *whole_files[name], tmp_path, 2_000, seed=seed)


@pytest.fixture
def little_memory():
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000_000


def bomb(size):
    """An array of zeros that packs to a thousandth, as its bytes in an archive."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
    return header.getvalue() + bytes(size)


@pytest.mark.usefixtures("little_memory")
def test_an_archive_that_unpacks_to_very_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule.data.npz.MOST_UNPACKED", 10_000_000)
    part = bomb(4_000_000)
    (tmp_path / "b.npz").write_bytes(archive_of({f"{name}.npy": part for name in "abcd"}))
    with pytest.raises(DataError, match=r"unpacks to 16,000,\d+ bytes, and at most 10,000,000 are read: name fewer"):
        load_npz(tmp_path / "b.npz")
    assert list(load_npz(tmp_path / "b.npz", "a", "b")) == ["a", "b"]


@pytest.mark.usefixtures("little_memory")
def test_an_archive_of_very_many_parts_is_refused(tmp_path):
    (tmp_path / "b.npz").write_bytes(archive_of({f"{i}.npy": b"" for i in range(10_001)}, zipfile.ZIP_STORED))
    with pytest.raises(DataError, match="holds 10,001 parts, and at most 10,000 are read"):
        load_npz(tmp_path / "b.npz")


@pytest.mark.usefixtures("little_memory")
def test_parts_that_share_their_bytes_are_refused(tmp_path):
    """One packed part, to which a hundred entries of the directory point."""
    whole = archive_of({"a.npy": bomb(10_000)})
    start, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    entry, tail = whole[start:end], bytearray(whole[end:])
    entries = b"".join(entry.replace(b"a.npy", bytes([65 + i % 26, 65 + i // 26]) + b"npy") for i in range(100))
    tail[8:12] = struct.pack("<HH", 100, 100)
    tail[12:20] = struct.pack("<II", len(entries), start)
    (tmp_path / "b.npz").write_bytes(whole[:start] + entries + bytes(tail))
    with pytest.raises(DataError, match="its parts overlap"):
        load_npz(tmp_path / "b.npz")


@pytest.mark.usefixtures("little_memory")
def test_a_packed_idx_file_that_would_take_very_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule.data.idx.MOST_UNPACKED", 10_000_000)
    header = struct.pack(">BBBBI", 0, 0, 8, 1, 12_000_000)
    (tmp_path / "x").write_bytes(gzip.compress(header + bytes(12_000_000)))
    with pytest.raises(DataError, match="says that it holds 12,000,000 bytes of numbers, and at most 10,000,000"):
        load_idx(tmp_path / "x")
    # Less than that cannot be in so small a file, and is not taken on trust either.
    (tmp_path / "x").write_bytes(gzip.compress(header + bytes(1000)))
    with pytest.raises(DataError, match="and it has only 1,000"):
        load_idx(tmp_path / "x")


@pytest.mark.usefixtures("little_memory")
def test_a_network_larger_than_any_is_refused(tmp_path):
    """The file has a hole in place of its bytes, so that it takes nothing on the disk."""
    with (tmp_path / "m").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(CheckpointError, match=r"has 1,099,511,627,776 bytes, and a network for a table at most"):
        load_model(tmp_path / "m")


@pytest.mark.usefixtures("little_memory")
def test_features_that_would_not_fit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule.data.encode.MOST_BYTES", 10_000)
    lines = "\n".join(f"k{i % 40},{i % 2}" for i in range(100))
    (tmp_path / "t.csv").write_text(f"kind,y\n{lines}\n", encoding="utf-8")
    with pytest.raises(DataError, match="100 rows of 40 features would take"):
        read_table(tmp_path / "t.csv", target="y")

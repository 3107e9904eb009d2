"""IDX, npz and MNIST files: what is written comes back, and what is damaged is named."""

import errno
import gzip
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule.data import load_idx, load_mnist, load_npz
from chainrule.errors import DataError

KINDS = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array):
    """The format's definition, written out: two zeros, type, count of axes, their sizes, numbers, big end first."""
    array = np.asarray(array)
    sizes = b"".join(struct.pack(">I", size) for size in array.shape)
    return (
        bytes([0, 0, KINDS[array.dtype.str[1:]], array.ndim])
        + sizes
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    arrays.arrays(
        st.sampled_from(sorted(KINDS)).map(np.dtype),
        arrays.array_shapes(min_dims=0, max_dims=4, max_side=4, min_side=0),
    ),
    st.booleans(),
)
def test_idx_files_come_back(tmp_path, array, packed):
    path = tmp_path / "numbers"
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    read = load_idx(path)
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, array)
    assert read.flags.writeable


WHOLE = idx(np.arange(12, dtype=np.uint8).reshape(3, 4))
PACKED = gzip.compress(WHOLE, mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WHOLE[:-1], r"shape \(3, 4\) needs 12 bytes of numbers, and it has only 11"),
        (WHOLE + b"0", "needs 12 bytes of numbers, and it has more"),
        (WHOLE[:9], "breaks off inside its shape of 2 axes"),
        (b"\0\0", "not an IDX file: it begins with the bytes 00 00,"),
        (b"\x89PNG" + WHOLE, "not an IDX file: it begins with the bytes 89 50 4e 47"),
        (b"\0\0\x07\x01" + WHOLE, "not an IDX file"),
        (b"", "is empty"),
        (PACKED[:-9], "gzip packing breaks off"),
        (PACKED[:-8] + b"\1" * 8, "gzip packing breaks off or does not check"),
        (PACKED[:10] + b"\xff" * 40, "gzip packing"),
        # A header that claims 2**64 numbers must not make room for them.
        (b"\0\0\x0e\x02" + b"\xff" * 8, "it has only 0"),
        (gzip.compress(b"\0\0\x0e\x02" + b"\xff" * 8, mtime=0), "it has only 0"),
    ],
)
def test_damaged_idx_files_are_named(tmp_path, content, message):
    path = tmp_path / "train-images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"train-images.*{message}"):
        load_idx(path)


def test_a_missing_file_is_named_with_what_was_probably_meant(tmp_path):
    (tmp_path / "train-images.gz").write_bytes(WHOLE)
    with pytest.raises(DataError, match=r"there is no file .*train_images.gz: did you mean train-images.gz\?"):
        load_idx(tmp_path / "train_images.gz")
    with pytest.raises(DataError, match=r"there is no file .*nowhere/at all$"):
        load_npz(tmp_path / "nowhere/at all")
    with pytest.raises(DataError, match="is a folder"):
        load_npz(tmp_path)


def test_npz_archives_come_back(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.eye(3), y=np.arange(3))
    held = load_npz(tmp_path / "a.npz")
    assert list(held) == ["x", "y"]
    np.testing.assert_array_equal(held["x"], np.eye(3))
    assert list(load_npz(tmp_path / "a.npz", "y")) == ["y"]
    with pytest.raises(DataError, match=r"no array 'Y': did you mean y\? \(it holds x, y\)"):
        load_npz(tmp_path / "a.npz", "Y")


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("code from the file was run",))


def test_nothing_in_an_npz_is_run(tmp_path):
    np.savez(tmp_path / "objects.npz", x=np.array([Harmful()], dtype=object))
    with pytest.raises(DataError, match=r"the array 'x' of .*objects.npz cannot be read"):
        load_npz(tmp_path / "objects.npz")
    (tmp_path / "pickled.npz").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(DataError, match=r"pickled.npz is not an .npz archive"):
        load_npz(tmp_path / "pickled.npz")


def test_damaged_npz_archives_are_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=1000))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="its end is missing"):
        load_npz(path)
    path.write_bytes(content[:2000] + bytes(100) + content[2100:])
    with pytest.raises(DataError, match="the array 'x'"):
        load_npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no array")
    with pytest.raises(DataError, match=r"notes\.txt"):
        load_npz(path)


@pytest.mark.parametrize("load", [load_idx, load_npz, load_mnist])
def test_files_and_folders_that_may_not_be_read_are_named(tmp_path, monkeypatch, load):
    def refused(path, *settings, **more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    path = tmp_path / "mnist.npz"
    np.savez(path, x=np.eye(3))
    for method in ("open", "iterdir", "is_dir"):
        monkeypatch.setattr(Path, method, refused)
        with pytest.raises(DataError, match=r"cannot be read: Permission denied$"):
            load((tmp_path if load is load_mnist else tmp_path / "none") if method == "iterdir" else path)
        monkeypatch.undo()


def images(count, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28), np.uint8), rng.integers(0, 10, count).astype(np.uint8)


@pytest.fixture
def mnist():
    (x_train, y_train), (x_test, y_test) = images(6, 0), images(4, 1)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


FILES = ("train-images", "train-labels", "t10k-images", "t10k-labels")


@pytest.mark.parametrize("form", ["npz", "-idx{}-ubyte", ".idx{}-ubyte", "-idx{}-ubyte.gz"])
def test_mnist_is_read_in_each_of_its_forms(tmp_path, mnist, form):
    if form == "npz":
        np.savez(tmp_path / "mnist.npz", **mnist)
    for name, array in zip(FILES, mnist.values(), strict=True) if form != "npz" else ():
        content = idx(array)
        path = tmp_path / (name + form.format(array.ndim))
        path.write_bytes(gzip.compress(content) if form.endswith("gz") else content)
    x_train, y_train, x_test, y_test = load_mnist(tmp_path / "mnist.npz" if form == "npz" else tmp_path)
    assert (x_train.shape, x_train.dtype, y_train.dtype) == ((6, 784), np.float32, np.int64)
    np.testing.assert_array_equal(x_train.reshape(6, 28, 28), mnist["x_train"] / np.float32(255))
    np.testing.assert_array_equal(y_train, mnist["y_train"])
    np.testing.assert_array_equal(y_test, mnist["y_test"])
    np.testing.assert_array_equal(x_test.reshape(4, 28, 28), mnist["x_test"] / np.float32(255))


def test_a_folder_that_lacks_a_part_of_mnist_names_it(tmp_path, mnist):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(mnist["x_train"]))
    with pytest.raises(DataError, match=r"has no file train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz"):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"y_train": np.zeros(5, np.uint8)},
        {"x_train": np.zeros((6, 784), np.uint8)},
        {"y_train": np.zeros(6)},
        {"x_train": np.zeros((6, 28, 28))},
    ],
)
def test_parts_of_mnist_that_do_not_fit_are_told(tmp_path, mnist, change):
    np.savez(tmp_path / "mnist.npz", **{**mnist, **change})
    with pytest.raises(DataError, match=r"mnist.npz: x_train and y_train have shapes"):
        load_mnist(tmp_path / "mnist.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x_train": np.zeros((0, 28, 28), np.uint8), "y_train": np.zeros(0, np.uint8)},
            r"x_train .*\(0, 28, 28\).* no pi",
        ),
        ({"x_test": np.zeros((4, 0, 28), np.uint8)}, "x_test .* holds no pictures"),
        ({"x_test": np.zeros((4, 14, 14), np.uint8)}, "train on have 28 × 28 pixels, and those to test with 14 × 14"),
        ({"y_test": np.array([0, 1, -1, 2], np.int8)}, r"y_test, row 3: the label -1 is no class, which count from 0"),
        ({"y_test": np.array([0, 1, 2, 2**63], np.uint64)}, "y_test, row 4: the label 9223372036854775808 is no class"),
    ],
)
def test_pictures_that_cannot_be_learned_from_are_refused(tmp_path, mnist, change, message):
    np.savez(tmp_path / "mnist.npz", **{**mnist, **change})
    with pytest.raises(DataError, match=f"mnist.npz.*{message}"):
        load_mnist(tmp_path / "mnist.npz")


def test_a_label_that_is_no_class_is_told_with_its_file(tmp_path, mnist):
    mnist["y_train"] = np.array([0, 1, 2, 3, -7, 5], np.int8)
    for name, array in zip(FILES, mnist.values(), strict=True):
        (tmp_path / name).write_bytes(idx(array))
    with pytest.raises(DataError, match=r"/train-labels, row 5: the label -7 is no class"):
        load_mnist(tmp_path)

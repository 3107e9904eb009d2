"""NumPy's archives, and MNIST from one of them or from its four original files."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.files import MOST_PACKED, MOST_UNPACKED, PathLike, existing, is_folder, reading
from chainrule.data.idx import load_idx
from chainrule.errors import DataError, meant
from chainrule.files import any_header

MNIST = {
    "x_train": "train-images",
    "y_train": "train-labels",
    "x_test": "t10k-images",
    "y_test": "t10k-labels",
}
"""The names of MNIST's parts in the usual archive, and how the names of its four files begin."""

INK = 255
"""Full ink, as MNIST's bytes count it."""


UNREADABLE = (
    *(ValueError, ArithmeticError, LookupError, OSError, EOFError, RuntimeError, SyntaxError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, TypeError, AttributeError, TokenError),
)
"""What NumPy and Python's reader of archives raise for what they cannot read."""

MOST_MEMBERS = 10_000
"""Arrays of one archive."""


def load_npz(path: PathLike, *names: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of an ``.npz`` archive by name, all of them or those in `names`.

    Nothing in the file is run: arrays of Python objects are refused. A missing, foreign or damaged file, a name that is
    not in it, and an archive that would unpack to more than 4 GiB or has more than 10,000 parts, raise `DataError`,
    before that memory is taken. O(arrays read).

    >>> import chainrule as cr, numpy as np
    >>> np.savez("points.npz", x=np.zeros((5, 2)), y=np.arange(5))
    >>> cr.data.load_npz("points.npz", "y")
    {'y': array([0, 1, 2, 3, 4])}
    """
    found = existing(path)
    if not zipfile.is_zipfile(found):
        raise DataError(f"{found} is not an .npz archive, or its end is missing")
    name = ""
    try:
        _refuse_bombs(found, names)
        with any_header(), np.load(found, allow_pickle=False) as stored:
            for name in names:
                if name not in stored.files:
                    known = ", ".join(stored.files) or "nothing"
                    raise DataError(f"{found} has no array {name!r}{meant(name, stored.files)} (it holds {known})")
            # An archive may hold other files too; NumPy gives their bytes.
            arrays: dict[str, Any] = {}
            for name in names or stored.files:
                _refuse_more_than_there_is(found, name)
                arrays[name] = stored[name]
    except DataError:
        raise
    except UNREADABLE as error:
        where = f"the array {name!r} of {found}" if name else found
        raise DataError(f"{where} cannot be read: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise DataError(f"{found} holds a file {name!r} that is not an array of NumPy's")
    return arrays


def _refuse_bombs(path: Path, names: tuple[str, ...]) -> None:
    """An archive must not unpack to more than fits, have parts without end, or count the same bytes as several."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    if len(parts) > MOST_MEMBERS:
        raise DataError(f"{path} holds {len(parts):,} parts, and at most {MOST_MEMBERS:,} are read")
    if sum(part.compress_size for part in parts) > path.stat().st_size:
        raise DataError(f"{path} is damaged: its parts overlap, and would take more bytes than the file has")
    wanted = {f"{name}.npy" for name in names}
    size = sum(part.file_size for part in parts if not names or part.filename in wanted)
    if size > MOST_UNPACKED:
        raise DataError(
            f"{path} unpacks to {size:,} bytes, and at most {MOST_UNPACKED:,} are read: name fewer of its arrays, or "
            "save it in parts"
        )


def _refuse_more_than_there_is(path: Path, name: str) -> None:
    """A header must not ask for more memory than its array has bytes, nor those be more than packing can hide."""
    with zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            return
        entry = archive.getinfo(f"{name}.npy")
        with archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
    needed = math.prod(shape) * dtype.itemsize
    if needed > entry.file_size or entry.file_size > MOST_PACKED * entry.compress_size + 1024:
        raise DataError(
            f"the array {name!r} of {path} is damaged: its shape {shape} needs {needed:,} bytes, and it has fewer"
        )


def load_mnist(path: PathLike) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """MNIST from its folder or archive: ``x_train, y_train, x_test, y_test``.

    `path` is a folder with the four IDX files (gzipped or not), or an ``.npz`` with arrays of those names. Images have
    shape (60000, 784) and (10000, 784), float32, row by row from 0 (paper) to 1 (ink); labels have shape (60000,) and
    (10000,), int64. Other sets in that form, as Fashion-MNIST, are read alike. What is missing or does not fit raises
    `DataError`. About 0.2 GB of memory.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, 1998.

    >>> import chainrule as cr, numpy as np
    >>> images, labels = np.full((3, 28, 28), 255, np.uint8), np.array([7, 2, 1], np.uint8)
    >>> np.savez("tiny.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    >>> x_train, y_train, x_test, y_test = cr.data.load_mnist("tiny.npz")
    >>> x_train.shape, float(x_train.max()), y_train.tolist()
    ((3, 784), 1.0, [7, 2, 1])
    """
    place = Path(path)
    if is_folder(place):
        files = {name: _file(place, name) for name in MNIST}
        parts = {name: load_idx(file) for name, file in files.items()}
        names = {name: str(file) for name, file in files.items()}
    else:
        parts = load_npz(place, *MNIST)
        names = {name: f"{place}, {name}" for name in MNIST}
    for part in ("train", "test"):
        _refuse_misfit(parts, part, place)
        _refuse_negative(parts[f"y_{part}"], names[f"y_{part}"])
    taught, asked = parts["x_train"].shape[1:], parts["x_test"].shape[1:]
    if taught != asked:
        raise DataError(
            f"{place}: the pictures to train on have {taught[0]} × {taught[1]} pixels, and those to test with "
            f"{asked[0]} × {asked[1]}: all need the same size"
        )
    return (*_pair(parts, "train"), *_pair(parts, "test"))


def _file(folder: Path, name: str) -> Path:
    """The one file of the folder that holds this part, whichever way its name is spelt."""
    with reading(folder):
        fitting = [file for file in sorted(folder.iterdir()) if file.name.startswith(MNIST[name]) and file.is_file()]
    if not fitting:
        axes = 3 if name.startswith("x") else 1
        raise DataError(f"{folder} has no file {MNIST[name]}-idx{axes}-ubyte or {MNIST[name]}-idx{axes}-ubyte.gz")
    return fitting[0]


def _refuse_misfit(parts: dict[str, NDArray[Any]], part: str, place: Path) -> None:
    images, labels = parts[f"x_{part}"], parts[f"y_{part}"]
    if (
        images.ndim != 3
        or labels.shape != images.shape[:1]
        or images.dtype != np.uint8
        or labels.dtype.kind not in "ui"
    ):
        raise DataError(
            f"{place}: x_{part} and y_{part} have shapes {images.shape} and {labels.shape} and types {images.dtype} "
            f"and {labels.dtype}: images are bytes, (count, rows, columns), with one whole number each as a label"
        )
    if not images.size:
        raise DataError(f"{place}: x_{part} has shape {images.shape}: it holds no pictures")


def _refuse_negative(labels: NDArray[Any], name: str) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels > np.iinfo(np.int64).max))
    if len(wrong):
        raise DataError(f"{name}, row {wrong[0] + 1}: the label {labels[wrong[0]]} is no class, which count from 0")


def _pair(parts: dict[str, NDArray[Any]], part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    images, labels = parts[f"x_{part}"], parts[f"y_{part}"]
    x = images.reshape(len(images), -1).astype(np.float32)
    x /= np.float32(INK)
    return x, labels.astype(np.int64)

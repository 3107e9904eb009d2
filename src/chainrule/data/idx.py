"""IDX files, the format of MNIST: a few bytes that tell the shape, then the numbers."""

from __future__ import annotations

import gzip
import math
import zlib
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.data.files import MOST_PACKED, MOST_UNPACKED, PathLike, existing
from chainrule.errors import DataError

GZIP = b"\x1f\x8b"
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""The kinds of number by the third byte of a file; the most significant byte comes first."""

PORTION = 1 << 24
"""Bytes asked for at a time, so that a damaged header cannot ask for more memory than the file has bytes."""


def load_idx(path: PathLike) -> NDArray[Any]:
    """Read one IDX file, gzipped or not, as an array of the shape and the kind of number that it declares.

    A missing, foreign, truncated or overlong file, and a packed one of more than 4 GiB, raises `DataError`, which names
    it and what was expected. O(file).

    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits, "The IDX file format".

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    >>> cr.data.load_idx("labels-idx1-ubyte")
    array([5, 0, 4], dtype=uint8)
    """
    found = existing(path)
    try:
        with found.open("rb") as plain:
            packed = plain.read(2) == GZIP
        with cast("IO[bytes]", gzip.open(found) if packed else found.open("rb")) as file:
            dtype, shape = _header(file, found)
            expected = math.prod(shape) * dtype.itemsize
            if packed and min(expected, found.stat().st_size * MOST_PACKED) > MOST_UNPACKED:
                raise DataError(
                    f"{found} says that it holds {expected:,} bytes of numbers, and at most {MOST_UNPACKED:,} are read"
                )
            content = _read(file, expected + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{found} is damaged: its gzip packing breaks off or does not check ({error})") from error
    except OSError as error:
        raise DataError(f"{found} cannot be read: {error.strerror}") from error
    if len(content) != expected:
        held = f"only {len(content):,}" if len(content) < expected else "more"
        raise DataError(f"{found} is damaged: its shape {shape} needs {expected:,} bytes of numbers, and it has {held}")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _header(file: IO[bytes], path: object) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise DataError(f"{path} is not an IDX file: it begins with the bytes {magic.hex(' ')}, not 00 00 and a type")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path} is damaged: it breaks off inside its shape of {magic[3]} axes")
    return np.dtype(DTYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())


def _read(file: IO[bytes], most: int) -> bytes:
    """At most so many bytes, in portions."""
    content = bytearray()
    while len(content) < most and (portion := file.read(min(PORTION, most - len(content)))):
        content += portion
    return bytes(content)

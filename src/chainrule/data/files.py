"""What every reader of files asks first: is there such a file, and which did you mean."""

from __future__ import annotations

import os
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from chainrule.errors import DataError, meant

PathLike = str | os.PathLike[str]
MOST_UNPACKED = 2**32
"""Bytes that a packed file may unpack to, all of it together."""

PORTION = 1 << 20
"""Bytes that are read in one go."""

MOST_PACKED = 1032
"""Bytes that one packed byte can stand for at most."""


def existing(path: PathLike) -> Path:
    """The path of a file that is there, holds something and may be read; anything else raises `DataError`."""
    found = Path(path)
    with reading(found):
        if found.is_dir():
            raise DataError(f"{found} is a folder: name a file in it")
        if not found.exists():
            beside = [file.name for file in found.parent.iterdir()] if found.parent.is_dir() else []
            raise DataError(f"there is no file {found}{meant(found.name, beside)}")
        if not found.is_file():
            raise DataError(f"{found} is a pipe or a device, and is read more than once: save it to a file first")
        if not found.stat().st_size:
            raise DataError(f"{found} is empty")
        found.open("rb").close()
    return found


@contextmanager
def reading(path: PathLike) -> Generator[None]:
    """Whatever the system has against reading a file or folder is said with its name."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def is_folder(path: PathLike) -> bool:
    """Whether there is such a folder; a place that may not be looked at raises `DataError`."""
    with reading(path):
        return Path(path).is_dir()


def checksum_of(path: Path) -> int:
    """A number that tells files apart."""
    check = 0
    with reading(path), path.open("rb") as file:
        while portion := file.read(PORTION):
            check = zlib.crc32(portion, check)
    return check

"""Files are written here and nowhere else: whole or not at all, through no planted link, never over what is read.

Arrays of NumPy are read by those who need them, under one roof for headers of any age.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import warnings
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from chainrule.errors import ChainruleError, FileError, FormatError

try:
    import fcntl
except ImportError:  # Windows, where an open file can be neither replaced nor removed
    fcntl = None

PathLike = str | os.PathLike[str]
FRESH = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""How a temporary file is opened: it was not there before, and is no link."""

KEPT = 40
"""Signs of a file's name in that of the temporary one beside it, which must not become too long for a system."""


def write_whole(path: PathLike, content: bytes | str, *, error: type[ChainruleError] = FileError) -> None:
    """Put a file in its place in one step, after all of it is on the disk; what was there stays if anything fails.

    The content goes to a fresh file with an unguessable name in the same folder, so that no link planted there is
    followed and two writers never share a file: the later one wins, whole. A `path` that is itself a link stays one.
    Texts are written in UTF-8. What the system refuses is raised as `error`.
    """
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        raise error(f"{path} is a folder or a device, and no file could take its place: give a file")
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        _replace(place, data)
    except OSError as failed:
        kept = "; the file that was there is as it was" if place.exists() else ""
        raise error(f"{path} could not be written: {failed.strerror or failed}{kept}") from failed
    _sync_folder(place.parent)


def append(path: PathLike, content: str, *, error: type[ChainruleError] = FileError) -> None:
    """Add to the end of a file in one piece, so that what two writers add does not mix."""
    try:
        with open(path, "ab", buffering=0) as file:
            file.write(content.encode())
    except OSError as failed:
        raise error(f"{path} could not be written: {failed.strerror or failed}") from failed


def refuse_overwriting(
    out: PathLike | None, inputs: Iterable[PathLike], *, error: type[ChainruleError] = FileError
) -> None:
    """Refuse an output that is one of the inputs, or in a folder of them, by whatever spelling, link or second name."""
    if out is None or not os.path.exists(out):
        return
    for path in inputs:
        held = [path, *Path(path).iterdir()] if os.path.isdir(path) else [path]
        if any(is_same_file(out, one) for one in held):
            raise error(f"{out} is read too, as {path}, and would be lost: write to another file")


def suffix_among(path: Path, suffixes: Collection[str], what: str) -> str:
    """The suffix of a file's name, in small letters; FormatError where no such thing is written so.

    >>> from pathlib import Path
    >>> from chainrule.files import suffix_among
    >>> suffix_among(Path("net.SVG"), (".svg", ".png"), "a picture")
    '.svg'
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise FormatError(f"{path.name!r} is no name of {what}: give it one of {', '.join(suffixes)}")
    return suffix


def is_same_file(one: PathLike | int, other: PathLike) -> bool:
    """Whether two paths, or an open file and a path, lead to one file that is there."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


@contextmanager
def any_header() -> Generator[None]:
    """While arrays of NumPy are read: a header as Python 2 wrote it is one too, and no news to whoever reads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading `.npy` or `.npz` file required additional header parsing")
        yield


def _replace(place: Path, data: bytes) -> None:
    """Write the data beside the place, and let it take the place."""
    _sweep(place)
    descriptor, beside = _fresh(place)
    try:
        with open(descriptor, "wb") as file:
            if place.exists() and hasattr(os, "fchmod"):
                os.fchmod(descriptor, stat.S_IMODE(place.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:
                # The lock is held until the file has its name, so that nobody takes it for a leftover.
                os.replace(beside, place)
        if fcntl is None:
            os.replace(beside, place)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _fresh(place: Path) -> tuple[int, Path]:
    """A new file beside the place, open and locked."""
    while True:
        beside = place.with_name(f".{place.name[:KEPT]}.{secrets.token_hex(8)}.new")
        descriptor = os.open(beside, FRESH, 0o666)
        _locked(descriptor)
        # Between opening and locking, another writer may have taken it for a leftover.
        if is_same_file(descriptor, beside):
            return descriptor, beside
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock an open file, unless another process has done so; where a system has no locks, none are needed."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(place: Path) -> None:
    """Remove what writers left beside the place that were killed: nobody holds the lock of such a file."""
    if fcntl is None or not place.parent.is_dir():
        return
    left = re.compile(rf"\.{re.escape(place.name[:KEPT])}\.[0-9a-f]{{16}}\.new")
    with os.scandir(place.parent) as found:
        strays = [entry.path for entry in found if left.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)]
    for stray in strays:
        with suppress(OSError):
            descriptor = os.open(stray, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if _locked(descriptor):
                    os.unlink(stray)
            finally:
                os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk too, where the system has a way."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

"""What every reader of files asks first: is there such a file, and which did you mean."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from chainrule.errors import DataError

PathLike = str | os.PathLike[str]


def existing(path: PathLike) -> Path:
    """The path of a file that is there and holds something; anything else raises `DataError`."""
    found = Path(path)
    try:
        if found.is_dir():
            raise DataError(f"{found} is a folder: name a file in it")
        if not found.exists():
            beside = [file.name for file in found.parent.iterdir()] if found.parent.is_dir() else []
            raise DataError(f"there is no file {found}{meant(found.name, beside)}")
        if not found.stat().st_size:
            raise DataError(f"{found} is empty")
    except OSError as error:
        raise DataError(f"{found} cannot be read: {error.strerror}") from error
    return found


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: what was probably meant, or nothing."""
    spelt = {other.casefold(): other for other in known}
    close = get_close_matches(name.casefold(), list(spelt), n=1)
    return f": did you mean {spelt[close[0]]}?" if close else ""

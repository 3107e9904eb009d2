"""Names in written source: each one that the language leaves free."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

RESERVED = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "jnp", "jax"})
"""What no name may be in any source."""


class Names:
    """Identifiers, each given once: never a keyword, a builtin, or what the text needs itself."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {*RESERVED, *taken}

    def leaves(self, paths: Sequence[str]) -> list[str]:
        """Names for arguments: of the way to each as few of the last words as no other one ends with."""
        ways = told_apart(paths)
        return [self.new(next((x for x in way if x.isidentifier() and x not in self.taken), way[-1])) for way in ways]

    def leaf(self, path: str) -> str:
        """A name for one more of them."""
        return self.leaves([path])[0]

    def new(self, name: str) -> str:
        """That name, or one like it that is free."""
        name = as_read(name)
        if not name.isidentifier():
            words = re.sub(r"\W+", "_", "".join([c if f"x{c}".isidentifier() else " " for c in name]))
            name = words.strip("_") or "x"
            name = f"x_{name}" if name[0].isdigit() else name
        return self.free(name, name, "_")

    def numbered(self, letter: str) -> str:
        """A name for what has none: t1, t2, … for results, and g1, g2, … for gradients."""
        return self.free(letter, f"{letter}1", "")

    def free(self, name: str, first: str, between: str) -> str:
        """The first try, or the name with the first number behind it that makes it free."""
        name, free, k = as_read(name), as_read(first), 1
        while free in self.taken:
            k += 1
            free = f"{name}{between}{k}"
        self.taken.add(free)
        return free


def as_read(name: str) -> str:
    """A name as Python reads it, to which some letters are the same as others."""
    return unicodedata.normalize("NFKC", name)


def function_name(name: str, taken: Iterable[str] = ()) -> str:
    """What a function is called in written source: as by the user, where the language leaves that name free."""
    return Names(taken).free(name, name, "_") if name.isidentifier() else "compiled"


def told_apart(paths: Sequence[str]) -> list[list[str]]:
    """Of the way to each what no other one ends with, the shortest first, and last the whole of it."""
    ways = [endings(re.findall(r"[^\W\d]\w*|\d+", path)) or ["x"] for path in paths]
    ends = Counter([end for way in ways for end in {*way}])
    return [[*[end for end in way if ends[end] == 1], way[-1]] for way in ways]


def endings(words: Sequence[str]) -> list[str]:
    """The last word of a way, its last two, and so on."""
    return ["_".join(words[k:]) for k in range(len(words) - 1, -1, -1)]

"""What the bytes of a table tell before they are parted into fields: padded numbers, uneven lines, stray quotes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.kinds import Array

PORTION = 1 << 18
"""Bytes that are looked at in one go: what is computed of them stays in a processor's cache."""

ZERO, NINE, QUOTE, FEED, RETURN = b'09"\n\r'


def portions(content: bytes) -> Iterator[Array]:
    """Whole lines of a content, as bytes, about so many at a time."""
    begin, seen = 0, np.frombuffer(content, np.uint8)
    while begin < len(content):
        # A longer line than a portion is one.
        end = content.rfind(b"\n", begin, begin + PORTION) + 1 or content.find(b"\n", begin + PORTION) + 1
        yield seen[begin : end or len(content)]
        begin = end or len(content)


def has_padded_numbers(content: bytes, separator: str) -> bool:
    """Whether a whole field, or all of it inside of quotation marks, has digits that begin with a zero, as 007."""
    ends = np.zeros(256, bool)
    ends[[ord(separator), QUOTE, FEED, RETURN]] = True
    begins, line_end = ends.copy(), np.array([FEED], np.uint8)
    begins[[ord(" "), ord("\t")]] = True
    for seen in portions(content):
        framed = np.concatenate((line_end, seen, line_end))
        # The few signs up to the quotation mark are looked at again, where a zero and another digit follow.
        padded = (framed[:-2] == ord(separator)) | (framed[:-2] <= QUOTE)
        padded &= framed[1:-1] == ZERO
        padded &= _are_digits(framed[2:])
        places = np.flatnonzero(padded)
        places = places[begins[framed[places]]] + 3
        while len(places):
            signs = framed[places]
            if ends[signs].any():
                return True
            places = places[_are_digits(signs)] + 1
    return False


def _are_digits(signs: Array) -> Array:
    # What is below a zero is far above nine then.
    return signs - np.uint8(ZERO) <= NINE - ZERO


def is_even(content: bytes, separator: str) -> bool:
    """Whether every line that has something in it has equally many separators; only where nothing is quoted."""
    counts: set[int] = set()
    for seen in portions(content):
        ends = np.flatnonzero(seen == FEED)
        if not len(ends) or ends[-1] != len(seen) - 1:
            ends = np.append(ends, len(seen))
        found = np.diff(np.searchsorted(np.flatnonzero(seen == ord(separator)), ends), prepend=0)
        begins = np.append(0, ends[:-1] + 1)
        lengths = ends - begins
        blank = (lengths == 0) | ((lengths == 1) & (seen[np.minimum(begins, len(seen) - 1)] == RETURN))
        counts |= set(np.unique(found[~blank]).tolist())
        if len(counts) > 1:
            return False
    return True


def are_quotes_regular(content: bytes, separator: str) -> bool:
    """Whether each quotation mark opens a field, ends one, or is one of two in the middle: then all readers agree."""
    seen = np.frombuffer(content, np.uint8)
    places = np.flatnonzero(seen == QUOTE)
    opening, closing = places[0::2], places[1::2]
    if len(opening) != len(closing):
        return False
    edge = np.zeros(256, bool)
    edge[[ord(separator), FEED, RETURN]] = True
    begins = (opening == 0) | edge[seen[opening - 1]]
    ends = (closing == len(seen) - 1) | edge[seen[np.minimum(closing + 1, len(seen) - 1)]]
    # Two in a row inside of a field: the first seems to close it, the second to open one.
    twice = closing[:-1] + 1 == opening[1:]
    return bool((begins[1:] | twice).all() and (ends[:-1] | twice).all() and begins[:1].all() and ends[-1:].all())

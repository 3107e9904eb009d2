"""How wide a text is, so that boxes are made to measure: the widths of DejaVu Sans, the widest font asked for."""

from __future__ import annotations

import unicodedata

from chainrule.printable import printable

FONTS = "DejaVu Sans, Verdana, Segoe UI, Helvetica, Arial, sans-serif"
"""Those after the first are as wide or narrower."""

BOLD = 1.27
"""How much wider the bold of a letter is, at most."""

CLASSES = {
    0.3: "IJijl'",
    0.35: " ,./:;\\|·",
    0.4: "()-[]ft",
    0.45: "!r",
    0.5: '"*_`',
    0.55: "?csz∂–",
    0.6: "FLkvxy",
    0.65: "$0123456789EPSTYabdeghnopqu{}√",
    0.7: "ABCKRVXZ",
    0.75: "NU",
    0.85: "&DGHOQ#+<=>^w~−×⊙∞≤≥≠",
    0.9: "M",
    1.0: "%@Wm…½⅓⅔¼¾",
}
WIDTHS = {sign: width for width, signs in CLASSES.items() for sign in signs}
"""In units of the font's size, rounded up."""

WIDEST = 1.45
"""Of any other sign; those of two columns, and small signs below and above the line, are told by their kind."""


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a text is at most, in the unit of the font's size.

    >>> from chainrule.pictures.widths import width_of
    >>> width_of("grad", 10.0), width_of("grad", 20.0)
    (24.0, 48.0)
    """
    whole = sum(map(width_of_sign, unicodedata.normalize("NFD", text)))
    return whole * size * (BOLD if bold else 1.0)


def width_of_sign(sign: str) -> float:
    """One sign, in units of the font's size."""
    known = WIDTHS.get(sign)
    if known is not None:
        return known
    kind = unicodedata.category(sign)
    if kind in ("Mn", "Me"):
        return 0.12  # a mark above takes no room, but one beside its letter, as in ľ, takes a little
    if "\N{SUPERSCRIPT ZERO}" <= sign <= "\N{LATIN SUBSCRIPT SMALL LETTER T}" or kind == "Lm":
        return 0.7
    return 0.95 if "α" <= sign <= "ω" else WIDEST


def fitted(text: str, longest: int) -> str:
    r"""A text as one line without signs that steer, cut where it is too long.

    >>> from chainrule.pictures.widths import fitted
    >>> fitted("a_name_that_goes_on", 8), fitted("two\nlines", 20)
    ('a_name_…', 'two\\nlines')
    """
    shown = printable(text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"

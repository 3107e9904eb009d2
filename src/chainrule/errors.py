"""Errors that say what happened, where, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class ChainruleError(Exception):
    """The base of every error that chainrule raises on purpose; its message is safe to print in a terminal."""

    lines = True
    """Whether a message may have several lines, so that a name with a line break in it could pass for one."""

    def __init__(self, *said: object) -> None:
        from chainrule.printable import printable  # its tables of characters are for when something went wrong

        super().__init__(*[printable(part, lines=self.lines) if isinstance(part, str) else part for part in said])


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit; the message names the operation, the operands and their shapes."""


class DtypeError(ChainruleError, TypeError):
    """A type of number that cannot be differentiated, or kinds of node that cannot be mixed."""


class FormulaError(ChainruleError, ValueError):
    """A formula, a value or a shape that was typed and cannot be taken; the message points at the place."""


class CodeError(ChainruleError, RuntimeError):
    """A program of the user's that cannot be loaded, fails, or runs past its limits; the message says where."""


class GraphError(ChainruleError, RuntimeError):
    """A graph that cannot be differentiated as asked."""


class AnomalyError(ChainruleError, FloatingPointError):
    """The first nan or infinity under ``detect_anomaly``, with the line it came from."""


UNFIT = (ChainruleError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a computation raises that cannot be done with what it was given."""


class MissingExtra(ChainruleError, ImportError):
    """An optional part whose library is not installed; the message is the install command."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed: pip install '.[{extra}]'")

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the one line."""
        return [str(self)]


class FormatError(ChainruleError, ValueError):
    """A format that does not exist, or a file that cannot be written; the message says what would do."""


class FileError(ChainruleError, ValueError):
    """A file that cannot be written, or must not be, being read at the same time; the message says which."""

    lines = False


class CheckpointError(FileError):
    """A checkpoint that cannot be written, is none, is damaged or does not fit; the message says which."""


class DivergenceWarning(UserWarning):
    """Training was stopped because the loss or a parameter became infinite or nan; the message says where, and why."""


class TrainingWarning(UserWarning):
    """Something about a training run that is surely not meant, or not as it was; the message says what happens."""


class DivergenceError(ChainruleError, ValueError):
    """An estimator whose loss became infinite or nan, so that it is of no use; the message says what may help."""


class DataError(ChainruleError, ValueError):
    """A file or table that cannot be learned from as it stands; the message names the file, the column and the row."""

    lines = False


class DataWarning(UserWarning):
    """Something in a file or table that was mended or left out, with its column and row.

    What holds of many columns is one warning, and `notes` has what is told of each.
    """

    def __init__(self, *said: object, notes: Sequence[str] = ()) -> None:
        super().__init__(*said)
        self.notes = tuple(notes) or tuple(map(str, said))


def closest(name: str, names: Iterable[str]) -> str:
    """The name that was probably meant by one that there is not, as it was typed or in other capitals; or nothing."""
    from difflib import get_close_matches  # for when something went wrong

    known = list(names)
    spelt = {other.casefold(): other for other in known}
    if name.casefold() in spelt:
        return spelt[name.casefold()]
    found = get_close_matches(name, known, n=1)
    return found[0] if found else "".join([spelt[x] for x in get_close_matches(name.casefold(), list(spelt), n=1)])


def meant(name: str, names: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: what was probably meant, or nothing."""
    near = closest(name, names)
    return f": did you mean {near}?" if near else ""

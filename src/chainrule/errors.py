"""Errors that say what happened, where, and what to do next."""

from __future__ import annotations


class ChainruleError(Exception):
    """The base of every error that chainrule raises on purpose."""


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit; the message names the operation, the operands and their shapes."""


class DtypeError(ChainruleError, TypeError):
    """A type of number that cannot be differentiated, or kinds of node that cannot be mixed."""


class FormulaError(ChainruleError, ValueError):
    """A formula, a value or a shape that was typed and cannot be taken; the message points at the place."""


class GraphError(ChainruleError, RuntimeError):
    """A graph that cannot be differentiated as asked."""


class AnomalyError(ChainruleError, FloatingPointError):
    """The first nan or infinity under ``detect_anomaly``, with the line it came from."""


class MissingExtra(ChainruleError, ImportError):
    """An optional part whose library is not installed; the message is the install command."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed: pip install '.[{extra}]'")


class FormatError(ChainruleError, ValueError):
    """A format that does not exist, or a file that cannot be written; the message says what would do."""


class CheckpointError(ChainruleError, ValueError):
    """A checkpoint that cannot be written, is none, is damaged or does not fit; the message says which."""


class DivergenceWarning(UserWarning):
    """Training was stopped because the loss or a parameter became infinite or nan; the message says where, and why."""


class DivergenceError(ChainruleError, ValueError):
    """An estimator whose loss became infinite or nan, so that it is of no use; the message says what may help."""


class DataError(ChainruleError, ValueError):
    """A file or table that cannot be learned from as it stands; the message names the file, the column and the row."""


class DataWarning(UserWarning):
    """Something in a file or table that was mended or left out, with its column and row."""

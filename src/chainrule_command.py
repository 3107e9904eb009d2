"""The command `chainrule` from its first moment on: a Ctrl-C ends it with one line, also while it is still loading.

It stands beside the package, as importing that loads NumPy and all operations, and takes long enough for one.
"""

import os
import signal
import sys

CODE = 130
"""What a shell expects of a program that Ctrl-C has ended."""


def main() -> None:
    """Run the command line."""
    # An exception could be lost inside of an import, or come out of it as another one.
    signal.signal(signal.SIGINT, _stop)
    sys.unraisablehook = _stop_where_nothing_can_be_raised
    from chainrule.cli.app import main as run

    try:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            run()
        finally:
            # All is done and said; Python only tidies up.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        _stop()


def _stop(*_: object) -> None:
    """Say so, and end."""
    os.write(2, b"chainrule: stopped by Ctrl-C\n")
    os._exit(CODE)


def _stop_where_nothing_can_be_raised(lost: object) -> None:
    """A Ctrl-C that fell into a callback, whose exceptions Python only prints, ends the program too."""
    if isinstance(getattr(lost, "exc_value", None), KeyboardInterrupt):
        _stop()
    sys.__unraisablehook__(lost)  # type: ignore[arg-type]  # its type has no name but in stubs


if __name__ == "__main__":
    main()

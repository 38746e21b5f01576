"""The command `sisf`, also as `python -m sisf`: how it begins and how it ends."""

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn

_INTERRUPTED = 128 + 2
"""As a shell reports a program that SIGINT ended."""


def main() -> NoReturn:
    """Run the command line. Who stops it by Ctrl-C, also while its modules are imported, sees no traceback."""
    try:
        from sisf.cli.main import main as command

        command()
        status: str | int | None = None
    except KeyboardInterrupt:  # A command that has work to end catches it itself.
        status = _INTERRUPTED
    except SystemExit as end:
        status = end.code
    _leave(status)


def _leave(status: str | int | None) -> NoReturn:
    """End now, after what is to be done at the end: temporary folders are removed.

    Python would first wait for all that its pools were given, as for what ships to be embedded, and a thread that
    computes in a library when the interpreter goes ends the process with an abort.
    """
    if threading.active_count() > 1 and not isinstance(status, str):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # closed, or nobody reads it any more
                stream.flush()
        os._exit(status or 0)
    sys.exit(status)


if __name__ == "__main__":
    main()

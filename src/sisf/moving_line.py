"""One line of the terminal that moves on: how far something is that is done once, and takes a while."""

import sys


def show(said: str, *, last: bool) -> None:
    """Show `said` in place of what the line showed before; `last` ends it. Silence where standard error is no terminal,
    and where somebody else draws there: a bar or a spinner takes the place of standard error, and would leave each
    state of the line behind as a line of its own."""
    stream = sys.__stderr__
    if stream is not None and stream is sys.stderr and stream.isatty():
        stream.write(f"\r{said}" + ("\n" if last else ""))
        stream.flush()

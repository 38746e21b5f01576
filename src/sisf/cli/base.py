"""What every command shares: one clear line for an error, settings, the store, output for people and for scripts."""

import errno
import getpass
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer
from typer.core import TyperGroup

from sisf.errors import DataError, SisfError, reason
from sisf.verdict import PERSON

if TYPE_CHECKING:
    from rich.console import Console

    from sisf.settings import Settings
    from sisf.store import Store

_PIPED_WIDTH = 160
_TABLE_WIDTH = 100
"""Columns of the terminal below which a table would be squeezed."""
_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""click's `UsageError`, or that of typer's own copy of click: typer exports this child of it alone."""
_WHOLE = 1_000
"""Characters: longer than any sentence of a help text."""
_READER_GONE = 128 + 13
"""As a shell reports a program that SIGPIPE ended."""
_PADDING = re.compile(" +(?=\n)")
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="SISF_CONFIG", help="The configuration file [default: ./sisf.yaml if there]."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print figures as JSON on standard output.")]
StoreOption = Annotated[str | None, typer.Option("--store", help="The store, e.g. sqlite:///sisf.db.")]


class SisfGroup(TyperGroup):
    """Commands whose expected errors are one line on standard error and exit code 2."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As it is, with mistakes before any command told in one line, too."""
        try:
            return super().parse_args(ctx, args)
        except _USAGE_ERROR as error:
            _complain_of_usage(error, ctx)
        raise typer.Exit(2)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Nobody wants a traceback for a typo, a full disk or a missing file."""
        try:
            return super().invoke(ctx)
        except SisfError as error:
            complain(str(error))
        except _USAGE_ERROR as error:
            _complain_of_usage(error, ctx)
        except RecursionError as error:
            complain(f"what was given cannot be read: {reason(error)}")
        except OverflowError:
            complain("a number that was given is too large")
        except UnicodeEncodeError:
            complain("what was given is not text in UTF-8")
        except BrokenPipeError:
            # Neither done nor failed: whoever reads has enough. Nothing more is written, also not at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_READER_GONE) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            if error.errno in _DISK_FULL:
                complain(f"{where}cannot be written: {error.strerror}; make room or choose another folder")
            elif where:
                complain(f"{where}cannot be used: {error.strerror}")
            else:
                raise
        raise typer.Exit(2)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands, each with its first sentence in full."""
        names = self.list_commands(ctx)
        commands = {name: command for name in names if (command := self.get_command(ctx, name)) and not command.hidden}
        if commands:
            with formatter.section("Commands"):
                formatter.write_dl([(name, command.get_short_help_str(_WHOLE)) for name, command in commands.items()])


def _complain_of_usage(error: Any, ctx: Any) -> None:
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help
        raise error
    said = error.format_message().replace("Input should be", "must be").partition(", unable to parse")[0]
    complain(f"{said.rstrip('.')}; see `{(error.ctx or ctx).command_path} -h`")


def group(help_text: str) -> typer.Typer:
    """A group of commands in the house style."""
    return typer.Typer(no_args_is_help=True, add_completion=False, help=help_text, cls=SisfGroup, rich_markup_mode=None)


def complain(message: str) -> None:
    """One line on standard error."""
    typer.echo(f"sisf: error: {' '.join(message.split())}", err=True)


def console(*, stderr: bool = False) -> "Console":
    """Rich output that renders no markup found in data, and no colour where nobody can see it."""
    from rich.console import Console

    class _Telling(Console):
        def on_broken_pipe(self) -> None:  # rich would end with 1
            raise BrokenPipeError

    made = _Telling(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPED_WIDTH
        made.file = cast("IO[str]", _Unpadded(made.file))
    return made


class _Unpadded:
    """A file or pipe on which no line ends with the spaces that fill up a table's column."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(_PADDING.sub("", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table; on a narrow terminal two lines a row, the last cell (the longest) below the others.

    So nothing is cut and no column is squeezed to a few letters. `empty` is said where there are no rows.
    """
    from rich.table import Table

    out, found = console(), list(rows)
    if not found:
        out.print(empty)
    elif out.width >= _TABLE_WIDTH:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, no_wrap=heading == headings[0], overflow="fold")
        for row in found:
            table.add_row(*row)
        out.print(table)
    else:
        for row in found:
            cells = zip(headings[1:-1], row[1:-1], strict=True)
            said = [f"{name} {cell}" if cell.rstrip("%").isdigit() else cell for name, cell in cells if cell]
            out.print(f"{row[0]}  {', '.join(said)}", style="bold")
            if row[-1]:
                out.print(f"  {row[-1]}")


def moment(time: datetime) -> str:
    """A time for a table whose heading says UTC: to the second, short enough for a narrow terminal."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def text_of(file: Path | None) -> str:
    """What a text file, or (None) standard input, holds: UTF-8, whatever the locale.

    Raises `DataError` when it cannot be read.
    """
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        if sys.stdin is None:
            raise DataError("standard input: cannot be read: it is closed")
        return sys.stdin.buffer.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file or 'standard input'}: cannot be read: {reason(error)}") from None


@contextmanager
def written(file: Path) -> Iterator[TextIO]:
    """A file that a command writes, whole or not at all: what it held before stays where that fails. Raises
    `DataError`."""
    from sisf.files import text_written_whole

    try:
        with text_written_whole(file) as new:
            yield new
    except OSError as error:
        raise DataError(f"{file}: cannot be written: {error.strerror}") from None


def say_what_can_be_said() -> None:
    """Let no character that the terminal's encoding lacks end a command: it is shown as `?`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def emit(data: Any) -> None:
    """Print JSON for a script: UTF-8, or ASCII with escapes where standard output has another encoding."""
    other = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
    typer.echo(json.dumps(data, indent=2, ensure_ascii=other, default=_for_scripts))


def _for_scripts(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def load_settings(config: Path | None, **overrides: Any) -> "Settings":
    """Settings from the file, the environment and the options that were given (`None`: not given).

    In keyword names `__` stands for the dot of the key.
    """
    from sisf.settings import load

    return load(_config(config), overrides=_given(overrides))


def origins_of(config: Path | None, **overrides: Any) -> "Mapping[str, str]":
    """Where each setting that `load_settings` would find comes from, by its dotted key."""
    from sisf.settings import origins

    return origins(_config(config), overrides=_given(overrides))


def _config(config: Path | None) -> Path | None:
    return Path("sisf.yaml") if config is None and Path("sisf.yaml").is_file() else config


def _given(overrides: "Mapping[str, Any]") -> dict[str, Any]:
    return {key.replace("__", "."): value for key, value in overrides.items() if value is not None}


def there(url: str) -> str:
    """The URL of a store, where a store is. An absent SQLite file is an error, not a new store: `StoreError`."""
    from sisf.errors import StoreError

    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).is_file():
        raise StoreError(f"{path}: there is no store; name it with --store sqlite:///PATH or start `sisf serve` first")
    return url


@contextmanager
def store_of(config: Path | None, url: str | None) -> "Iterator[Store]":
    """The store of the settings, open while the block runs. Raises `StoreError` where there is none."""
    from sisf.store import open_store, privacy_of

    settings = load_settings(config, store__url=url)
    store = open_store(there(settings.store.url), privacy_of(settings.privacy))
    try:
        yield store
    finally:
        store.close()


def person() -> str:
    """Who is at the keyboard, as the audit log records it."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid())
    return f"{PERSON}{name}"


def excerpt(text: str, length: int) -> str:
    """The start of a hostile text on one line of a terminal."""
    flat = shown(" ".join(text.split()))
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


def shown(text: str) -> str:
    """Hostile text made safe for a terminal: control and formatting characters become visible escapes."""
    from sisf.text.shown import escaped

    return escaped(text)

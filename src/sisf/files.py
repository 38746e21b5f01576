"""Files that are written whole or not at all; those of the user's cache stand beside the digest of what they hold: what
was damaged or changed since is not used."""

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO


def read_verified(path: Path) -> bytes | None:
    """What `write_verified` wrote there; None where it is missing, has no digest, or another one."""
    try:
        content, digest = path.read_bytes(), _digest_of(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None


def write_verified(path: Path, content: bytes) -> None:
    """Write a file and its digest, each whole or not at all: between the two the file is one to be made anew.

    Raises `OSError`.
    """
    write_whole(path, content)
    write_whole(_digest_of(path), f"{hashlib.sha256(content).hexdigest()}\n".encode())


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file, for its owner alone to read; whoever reads it, and whatever fails, finds it old or new. Raises
    `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _successor(path, permissions=0o600) as file:
        file.write(content)


@contextlib.contextmanager
def text_written_whole(path: Path) -> Iterator[TextIO]:
    """A text in UTF-8 that takes a file's place when all of it is written, with the permissions that the file had;
    otherwise the old one stays. What is no file (a pipe, a terminal) is written to as it comes. Raises `OSError`."""
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as there:
            yield there
        return
    if path.exists():
        path.open("a").close()  # Who may not write it may not replace it.
    target = path.resolve()
    permissions = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    with _successor(target, permissions) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        yield text
        text.detach()


@contextlib.contextmanager
def _successor(path: Path, permissions: int) -> Iterator[BinaryIO]:
    """What takes a file's place once it is written and on the disk; after an error nothing is left of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(permissions)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def make_writable(folder: Path) -> None:
    """Make a folder, and see that files can be written into it. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
        file.flush()


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


@contextlib.contextmanager
def only_one_process(path: Path) -> Iterator[None]:
    """An advisory lock, freed by the system when its holder dies. Where there is none (Windows) nothing is held."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def one_process_if_possible(path: Path) -> Iterator[None]:
    """As `only_one_process`, in a folder that is made; nothing is held where it cannot be written."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_one_process(path))
        yield

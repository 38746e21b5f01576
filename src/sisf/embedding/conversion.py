"""A converted model in the user's cache: made once, whole or not at all, by one process at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from sisf import moving_line
from sisf.embedding.runtime import open_session
from sisf.errors import ModelError
from sisf.files import only_one_process, read_verified, write_verified

Progress = Callable[[str, float], None]
"""Called with what is being done and the share that is done, 0 to 1."""

_log = structlog.get_logger(__name__)


def show_on_terminal(step: str, share: float) -> None:
    """Progress on one line of a terminal; silence elsewhere."""
    moving_line.show(f"Preparing the embedding model (first use only): {share:4.0%} {step:<28}", last=share >= 1.0)


def cached_session(path: Path, convert: Callable[[Progress], bytes], progress: Progress) -> Any:
    """A session of the converted model at `path`, converting first when it is missing, changed or does not load.

    Where the cache cannot be written (read-only, full), the model lives in memory, for this process only; a warning
    says so.
    """
    session = _open_cached(path)
    if session is not None:
        return session
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with only_one_process(path.with_suffix(".lock")):
            session = _open_cached(path)  # another process may have made it while we waited
            if session is None:
                model = _convert(convert, progress)
                _write_if_possible(path, model)
                session = open_session(model)
            return session
    except OSError as error:
        _warn_uncached(path, error)
        return open_session(_convert(convert, progress))


def _convert(convert: Callable[[Progress], bytes], progress: Progress) -> bytes:
    model = convert(progress)
    progress("done", 1.0)
    return model


def _open_cached(path: Path) -> Any | None:
    model = read_verified(path)
    if model is None:
        if path.is_file():
            _log.warning("embedding_model_changed", path=str(path), effect="it is made anew")
        return None
    try:
        return open_session(model)
    except ModelError as error:
        _log.warning("embedding_model_damaged", reason=str(error))
        return None


def _write_if_possible(path: Path, model: bytes) -> None:
    try:
        write_verified(path, model)
    except OSError as error:
        _warn_uncached(path, error)


def _warn_uncached(path: Path, error: OSError) -> None:
    _log.warning("embedding_model_not_cached", path=str(path), reason=str(error))

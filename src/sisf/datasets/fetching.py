"""Fetches known public sets: once, checked against their pin, kept as JSONL in the user's cache."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sisf.datasets.columns import records_of, rows_of
from sisf.datasets.sources import SOURCES, Source
from sisf.errors import DataError, quoted, reason
from sisf.files import write_whole

_TIMEOUT_SECONDS = 30.0
_LIMIT_BYTES = 256_000_000
PINS = "pins.json"
"""The user's own lock file, beside the sets in the cache: what was fetched first holds from then on."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def content_hash(records: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over prompts and recorded answers in order, white space normalised: the same for every file format."""
    digest = hashlib.sha256()
    for record in records:
        for text, end in ((record["text"], b"\x1f"), (record.get("response") or "", b"\x1e")):
            digest.update(" ".join(text.split()).encode() + end)
    return digest.hexdigest()


def fetch(name: str, target: Path, *, unpinned: bool = False, sources: Mapping[str, Source] = SOURCES) -> Path:
    """Download, convert, check and keep the set `name` as `target`. Raises `DataError`.

    A set that has no pin is fetched with `unpinned` only. What a set held whose content nobody had hashed before is
    noted beside it (`pins.json`), and holds from then on.
    """
    source = sources[name]
    if not source.url:
        raise DataError(
            f"data set {quoted(name)} cannot be fetched: {source.by_hand} ({source.repository}), then run "
            f"`sisf data convert FILE {target.name} --like {name}`"
        )
    if not source.pinned and not unpinned:
        raise DataError(
            f"data set {quoted(name)} is unpinned: nobody has hashed what {source.repository} "
            f"holds; take what it holds now "
            f"with `sisf data fetch {name} --unpinned`, and it is held to that from then on"
        )
    body = _download(name, source.url, target)
    if source.file and (carried := hashlib.sha256(body).hexdigest()) != source.file:
        raise DataError(_otherwise(name, source, source.file, carried))
    records = records_of(rows_of(body, source.url), source.columns, name)
    found, expected = content_hash(records), source.content or noted(target).get("content", "")
    if expected and found != expected:
        raise DataError(_otherwise(name, source, expected, found))
    write(target, records)
    if not source.content:
        _note(target, {"content": found, "url": source.url, "rows": len(records)})
    return target


def _otherwise(name: str, source: Source, expected: str, found: str) -> str:
    return (
        f"data set {quoted(name)}: {source.url} no longer holds the pinned content "
        f"(expected {expected[:16]}…, found {found[:16]}…); put a checked file {name}.jsonl under SISF_DATA_DIR"
    )


def noted(target: Path) -> Mapping[str, Any]:
    """What a set held when it was first fetched to `target`; empty when it never was, or its content is known."""
    known = _notes(target.parent / PINS).get(target.stem, {})
    return known if isinstance(known, dict) else {}


def write(target: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Keep records as JSONL, all or nothing: an interruption never leaves half a data set. Raises `DataError`."""
    _replace(target, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def _note(target: Path, what: Mapping[str, Any]) -> None:
    path = target.parent / PINS
    _replace(path, json.dumps({**_notes(path), target.stem: what}, indent=1) + "\n")


def _notes(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}); delete it to fetch unpinned sets anew") from None
    return data if isinstance(data, dict) else {}


def _download(name: str, url: str, target: Path) -> bytes:
    address = urlsplit(url)
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOOPBACK):
        raise DataError(f"data set {quoted(name)}: {url} is not https")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - checked above
            body: bytes = response.read(_LIMIT_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(error, urllib.error.HTTPError):
            reason = f"HTTP {error.code} {reason}"
            error.close()
        raise DataError(
            f"data set {quoted(name)} is not on this machine and {url} cannot be fetched ({reason}); "
            f"put {target.name} under SISF_DATA_DIR or in {target.parent}, or name a JSONL file by its path"
        ) from None
    if len(body) > _LIMIT_BYTES:
        raise DataError(f"data set {quoted(name)}: {url} sends more than {_LIMIT_BYTES // 1_000_000} MB")
    return body


def _replace(target: Path, text: str) -> None:
    try:
        write_whole(target, text.encode())
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror}; set SISF_CACHE_DIR elsewhere") from None

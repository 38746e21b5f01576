"""Public data sets that can be fetched: where they are, how to read them, and the hash that pins their content."""

import csv
import hashlib
import io
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sisf.errors import DataError

_TIMEOUT_SECONDS = 30.0
_LIMIT_BYTES = 64_000_000

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """One fetchable set. `content` is the hash of its texts (see `content_hash`), not of the file that carries them."""

    url: str
    rows: int
    content: str
    licence: str
    convert: Callable[[Row, int], dict[str, str]]
    """From one CSV row and its number to one record."""


def _advbench(row: Row, number: int) -> dict[str, str]:
    return {
        "id": f"advbench-{number:05d}",
        "text": row["prompt_text"],
        "label": "harmful",
        "source": "advbench",
        "attack": "none",
        "response": row["system_response"].strip(),
        "response_model": "mistralai/Mistral-7B-v0.1",
    }


def _jailbreakbench(name: str, label: str) -> Callable[[Row, int], dict[str, str]]:
    def convert(row: Row, number: int) -> dict[str, str]:
        identifier = f"{name}-{number:05d}"
        return {"id": identifier, "text": row["Goal"], "label": label, "category": row["Category"], "source": name}

    return convert


_JBB = "https://huggingface.co/datasets/JailbreakBench/JBB-Behaviors/resolve/main/data/"

SOURCES: Mapping[str, Source] = {
    # AdvBench's prompts with the answers that Mistral-7B-v0.1 gave in the paper's own recorded run without a defence.
    "advbench": Source(
        url="https://raw.githubusercontent.com/Tslater01/SISF/931a053fa9aa900c405848aecdfcb812685d0ba4/outputs/"
        "Baseline_No_Defense_Evaluation_adversarial_20251026_180602.csv",
        rows=520,
        content="e25e702ff6ed84982c3ce353ae97609d29a35c6a10450a591651afbdb7bf9d93",
        licence="MIT",
        convert=_advbench,
    ),
    "jbb_harmful": Source(
        url=_JBB + "harmful-behaviors.csv",
        rows=100,
        content="8ae02c4f28a0778a26b9f461dcb2768b8516abb640f9f22d55eba74f14b42d2f",
        licence="MIT",
        convert=_jailbreakbench("jbb_harmful", "harmful"),
    ),
    "jbb_benign": Source(
        url=_JBB + "benign-behaviors.csv",
        rows=100,
        content="7b6abbbfddd0018dd7e5e21e848507a1bae790b0b39b593aca7c72c61607ec24",
        licence="MIT",
        convert=_jailbreakbench("jbb_benign", "benign"),
    ),
}


def content_hash(records: Iterable[Mapping[str, str]]) -> str:
    """SHA-256 over prompts and recorded answers in order, white space normalised: the same for every file format."""
    digest = hashlib.sha256()
    for record in records:
        for text, end in ((record["text"], b"\x1f"), (record.get("response") or "", b"\x1e")):
            digest.update(" ".join(text.split()).encode() + end)
    return digest.hexdigest()


def fetch(name: str, target: Path, *, sources: Mapping[str, Source] = SOURCES) -> Path:
    """Download, convert, check and keep the set `name` as `target`. Raises `DataError`."""
    source = sources[name]
    records = _converted(_download(name, source.url, target), source, name)
    found = content_hash(records)
    if found != source.content:
        raise DataError(
            f"data set `{name}`: {source.url} no longer holds the pinned content "
            f"(expected {source.content[:16]}…, found {found[:16]}…); "
            f"put a checked file {name}.jsonl under SISF_DATA_DIR"
        )
    _write(target, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return target


def _download(name: str, url: str, target: Path) -> bytes:
    if not url.startswith("https://"):
        raise DataError(f"data set `{name}`: {url} is not https")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - https, checked above
            body: bytes = response.read(_LIMIT_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"data set `{name}` is not on this machine and {url} cannot be fetched ({reason}); "
            f"put {target.name} under SISF_DATA_DIR or in {target.parent}, or name a JSONL file by its path"
        ) from None
    if len(body) > _LIMIT_BYTES:
        raise DataError(f"data set `{name}`: {url} sends more than {_LIMIT_BYTES // 1_000_000} MB")
    return body


def _converted(body: bytes, source: Source, name: str) -> list[dict[str, str]]:
    try:
        rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))
        return [source.convert(row, number) for number, row in enumerate(rows)]
    except (UnicodeDecodeError, KeyError, csv.Error, AttributeError) as error:
        raise DataError(f"data set `{name}`: {source.url} is not the CSV file that was expected ({error!r})") from None


def _write(target: Path, text: str) -> None:
    """All or nothing: an interrupted download never leaves half a data set behind."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror}; set SISF_CACHE_DIR elsewhere") from None

"""Data sets by name or path: found on this machine, shipped, or fetched once; strictly read; hashed."""

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sisf import corpus
from sisf.datasets.fetching import fetch
from sisf.datasets.records import Record, parse_line
from sisf.datasets.sources import SOURCES
from sisf.errors import DataError, quoted
from sisf.exchange import Message, Role
from sisf.settings import cache_dir

_SUFFIX = ".jsonl"

SHIPPED: Mapping[str, Callable[[], Sequence[corpus.Sample]]] = {
    "sample_attacks": corpus.sample_attacks,
    "sample_benign": corpus.sample_benign,
    "benign_reference": corpus.benign_reference,
    "scripts_benign": corpus.scripts_benign,
    "dangerous_words": corpus.dangerous_words,
    "unseen_pairs": corpus.unseen_pairs,
}
"""The sets inside the package, by name."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set as it was read, with what is needed to know it again."""

    name: str
    records: tuple[Record, ...]
    sha256: str
    path: Path | None = None
    """None for a set that the package ships."""

    def __len__(self) -> int:
        return len(self.records)

    def harmful(self) -> tuple[Record, ...]:
        """The attacks. Raises `DataError` when there is none."""
        return self._labelled("harmful")

    def benign(self) -> tuple[Record, ...]:
        """The honest prompts. Raises `DataError` when there is none."""
        return self._labelled("benign")

    def _labelled(self, label: str) -> tuple[Record, ...]:
        chosen = tuple(r for r in self.records if r.label == label)
        if not chosen:
            raise DataError(
                f"data set {quoted(self.name)} has no row with label {quoted(label)}; it cannot be used here"
            )
        return chosen


def load(name: str) -> Dataset:
    """The data set of that name, or the JSONL file at that path.

    Raises `DataError` that names the file and line, says what is wrong and what to do.
    """
    path = _as_path(name)
    if path is None:
        path = where(name)
        if path is None and name in SHIPPED:
            return _shipped(name)
        if path is None and name in SOURCES:
            path = fetch(name, cached(name))
        if path is None:
            raise DataError(_unknown(name))
    return read(path)


def load_all(names: Iterable[str]) -> list[Dataset]:
    """Several sets, each once, in order. Raises `DataError` when two of them share a name."""
    sets: dict[str, Dataset] = {}
    for name in names:
        loaded = load(name)
        known = sets.setdefault(loaded.name, loaded)
        if known.sha256 != loaded.sha256:
            raise DataError(f"two different data sets are called {quoted(loaded.name)}; rename one of the files")
    return list(sets.values())


def where(name: str) -> Path | None:
    """The file of a named set on this machine: under `SISF_DATA_DIR`, else in the cache."""
    return next((p for p in (folder / (name + _SUFFIX) for folder in _folders()) if p.is_file()), None)


def cached(name: str) -> Path:
    """Where a set is kept that is fetched."""
    return cache_dir() / "datasets" / (name + _SUFFIX)


def _folders() -> list[Path]:
    directory = os.environ.get("SISF_DATA_DIR")
    return [*([Path(directory)] if directory else []), cache_dir() / "datasets"]


def is_here(name: str) -> bool:
    """Whether the set can be used without fetching anything."""
    return name in SHIPPED or name in local_names()


def local_names() -> tuple[str, ...]:
    """Names of the sets under `SISF_DATA_DIR` and in the cache, sorted."""
    return tuple(sorted({p.stem for folder in _folders() if folder.is_dir() for p in folder.glob("*" + _SUFFIX)}))


def read(path: Path) -> Dataset:
    """Read one JSONL file. Blank lines are allowed, everything else is strict. Raises `DataError`."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    records: list[Record] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        record = parse_line(line, f"{path}:{number}")
        first = lines.setdefault(record.id, number)
        if first != number:
            raise DataError(
                f"{path}:{number}: `id` {quoted(record.id)} was already used on line {first}; ids must be unique"
            )
        records.append(record)
    if not records:
        raise DataError(f"{path}: holds no records; expected one JSON object a line")
    return Dataset(path.stem, tuple(records), hashlib.sha256(body).hexdigest(), path)


def _as_path(name: str) -> Path | None:
    """A name with a folder or a suffix in it is a path."""
    if os.sep in name or name.endswith((_SUFFIX, ".json", ".csv", ".txt")):
        return Path(name).expanduser()
    return None


def _shipped(name: str) -> Dataset:
    samples = SHIPPED[name]()
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.id}\x1f{sample.text}\x1f{sample.label}\x1e".encode())
    records = tuple(
        Record(
            id=s.id,
            messages=(Message(Role.USER, s.text),),
            label=s.label,
            category=s.category.value if s.category else "",
            source=name,
        )
        for s in samples
    )
    return Dataset(name, records, digest.hexdigest())


def _unknown(name: str) -> str:
    known = sorted({*SHIPPED, *SOURCES, *local_names()})
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {quoted(close[0])}? " if close else ""
    folder = os.environ.get("SISF_DATA_DIR") or "SISF_DATA_DIR, which is not set"
    return f"there is no data set {quoted(name)}: not a file, not under {folder}; {hint}known: {', '.join(known)}"

"""What a run leaves on disk while it goes on, so that it can be stopped at any time.

`unfinished/` holds one pair of files for each unit (a trial): its lines, which grow, and what closes it, which is there
when the unit is done. A unit that was stopped is played again from its beginning: the same seed gives the same lines.
Where what is measured cannot be set back (a gateway that is running), it goes on behind its last line.
`outcomes.jsonl` is at all times the beginning of what it will be.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sisf.errors import ConfigurationError, DataError, quoted
from sisf.evaluation.experiment import SYSTEM, Closing, Row, Unit
from sisf.files import write_whole

_UNFINISHED = "unfinished"
_ORDER = "order.json"


def outcomes_file(design: str, *, together: bool = False) -> str:
    """The file that lists what became of a design's samples; with `together` of those of all designs."""
    return "outcomes.jsonl" if together or design == SYSTEM else f"outcomes-{_plain(design)}.jsonl"


def outcome_row(unit: Unit, row: Row) -> dict[str, Any]:
    """One line of such a file."""
    return {"design": unit.design, **row}


class Folder:
    """The state of one run under `out`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / _UNFINISHED

    def enter(self, order: Mapping[str, Any]) -> bool:
        """Begin, or go on with what lies here; returns whether it goes on.

        Raises `ConfigurationError` where an unfinished run of other options lies here.
        """
        kept = self.path / _ORDER
        if kept.is_file():
            different = _different(json.loads(kept.read_bytes()), json.loads(json.dumps(order)))
            if different:
                raise ConfigurationError(
                    f"{self.out} holds an unfinished run with another {quoted(different)}; repeat "
                    f"its command to go on with "
                    "it, choose another folder with --out, or start over with --fresh"
                )
            return True
        self.path.mkdir(parents=True, exist_ok=True)
        _replace(kept, json.dumps(order, indent=2))
        return False

    @property
    def calls(self) -> Path:
        """Where the calls of models and judges elsewhere are kept."""
        return self.path / "calls.db"

    def leave(self) -> None:
        """What was kept for going on is not needed any more."""
        shutil.rmtree(self.path, ignore_errors=True)

    def is_done(self, unit: Unit) -> bool:
        """Whether this unit was played to its end."""
        return self._closing(unit).is_file()

    def part(self, unit: Unit) -> Path:
        """The lines of a unit."""
        return self.path / f"{_plain(unit.design)}-{unit.number}.jsonl"

    @contextmanager
    def writing(self, unit: Unit, *, on: bool = False) -> Iterator["PartWriter"]:
        """Write a unit from its beginning, or with `on` behind its last whole line."""
        part = self.part(unit)
        if on and part.is_file():
            whole = part.read_bytes()
            os.truncate(part, whole.rfind(b"\n") + 1)
        with part.open("ab" if on else "wb") as file:
            yield PartWriter(file, unit)

    def close(self, unit: Unit, closing: Closing) -> None:
        """The unit is done."""
        _replace(self._closing(unit), json.dumps(closing))

    def rows(self, unit: Unit) -> list[Row]:
        """The whole lines of a unit so far."""
        part = self.part(unit)
        lines = part.read_bytes().splitlines(keepends=True) if part.is_file() else []
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def closing(self, unit: Unit) -> Closing:
        """What closed a unit that is done."""
        closing: Closing = json.loads(self._closing(unit).read_bytes())
        return closing

    def _closing(self, unit: Unit) -> Path:
        return self.part(unit).with_suffix(".json")


class PartWriter:
    """Appends lines; each is with the operating system when `__call__` returns."""

    def __init__(self, file: Any, unit: Unit) -> None:
        self._file = file
        self._unit = unit

    def __call__(self, row: Row) -> None:
        """One more line."""
        self._file.write(json.dumps(outcome_row(self._unit, row), ensure_ascii=False).encode() + b"\n")
        self._file.flush()


class Outcomes:
    """Moves what the trials have written into the files of the designs, in order, as far as it goes."""

    def __init__(self, folder: Folder, units: Sequence[Unit], *, together: bool = False) -> None:
        self._folder = folder
        self._waiting: dict[str, list[Unit]] = {}
        for unit in units:
            self._waiting.setdefault(outcomes_file(unit.design, together=together), []).append(unit)
        self._read = dict.fromkeys(self._waiting, 0)
        self._files = {name: (folder.out / name).open("wb") for name in self._waiting}

    def move(self) -> None:
        """Take what is there."""
        for name, units in self._waiting.items():
            while units:
                done = self._folder.is_done(units[0])  # asked first: what is written after the question counts later
                self._append(name, units[0])
                if not done:
                    break
                units.pop(0)
                self._read[name] = 0

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _append(self, name: str, unit: Unit) -> None:
        try:
            with self._folder.part(unit).open("rb") as part:
                part.seek(self._read[name])
                body = part.read()
        except FileNotFoundError:
            return
        whole = body[: body.rfind(b"\n") + 1]
        self._read[name] += len(whole)
        self._files[name].write(whole)
        self._files[name].flush()


def _plain(design: str) -> str:
    """A design's name as part of a file's name."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", design).strip("-.")
    return plain if plain == design else f"{plain[:60]}-{hashlib.sha256(design.encode()).hexdigest()[:6]}"


def _different(kept: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> str:
    """The first key in which two orders differ; empty where they agree."""
    for key in sorted({*kept, *given}):
        old, new = kept.get(key), given.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if deeper := _different(old, new, f"{prefix}{key}."):
                return deeper
        elif old != new:
            return f"{prefix}{key}"
    return ""


def _replace(path: Path, body: str) -> None:
    try:
        write_whole(path, body.encode())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}; choose another folder with --out") from None

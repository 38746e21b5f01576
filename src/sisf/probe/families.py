"""Attack families, read from data files: frames around a goal, by technique."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sisf.errors import ConfigurationError, quoted, reason
from sisf.exchange import Message, Role
from sisf.taxonomy import Technique
from sisf.text.tricks import TRICKS

SLOTS = ("{goal}", "{spelled}", "{first}", "{second}")
"""The goal; the goal in one of the family's spellings; the goal's two halves."""

Frame = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One way to attack: every frame holds at least one slot."""

    name: str
    technique: Technique
    about: str
    frames: tuple[Frame, ...]
    spellings: tuple[str, ...] = ()
    """Names in `sisf.text.tricks`; one is drawn for `{spelled}`."""


def shipped() -> tuple[Family, ...]:
    """The families of this package, by name. Raises `ConfigurationError` for a file that is not one."""
    folder = resources.files("sisf.probe").joinpath("families")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(_family(f.name.removesuffix(".toml"), f.read_text(encoding="utf-8")) for f in files)


def load(paths: Iterable[str] = ()) -> tuple[Family, ...]:
    """What ships, and further files; one of the same name takes the place of the other.

    Raises `ConfigurationError` for a file that cannot be read or is no family.
    """
    found = {family.name: family for family in shipped()}
    for path in map(Path, paths):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"probe.families: {path} cannot be read: {reason(error)}") from None
        found[path.stem] = _family(path.stem, text)
    return tuple(found.values())


def _family(name: str, text: str) -> Family:
    try:
        data = tomllib.loads(text)
        frames = tuple(map(_frame, data["frame"]))
        spellings = tuple(data.get("spellings", ()))
        family = Family(name, Technique(data["technique"]), str(data.get("about", "")), frames, spellings)
        _check(family)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"attack family {name}: {error}; a family has `technique` and `[[frame]]`") from None
    return family


def _frame(data: Mapping[str, Any]) -> Frame:
    if isinstance(data.get("text"), str):
        return (Message(Role.USER, data["text"]),)
    turns: Sequence[Mapping[str, str]] = data["turns"]
    return tuple(Message(Role(turn["role"]), turn["text"]) for turn in turns)


def _check(family: Family) -> None:
    for frame in family.frames:
        text = " ".join(message.content for message in frame)
        if not any(slot in text for slot in SLOTS):
            raise ValueError(f"a frame has none of the slots {', '.join(SLOTS)}: {quoted(text, 60)}")
        if "{spelled}" in text and not family.spellings:
            raise ValueError("a frame has {spelled} and the family has no `spellings`")
    unknown = set(family.spellings) - set(TRICKS)
    if unknown:
        raise ValueError(f"unknown spelling {', '.join(sorted(unknown))}; known are {', '.join(TRICKS)}")
    if not family.frames or any(not frame for frame in family.frames):
        raise ValueError("there is no frame, or an empty one")

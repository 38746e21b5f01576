"""The prompts of the `llm` judge: one file per policy and version; a version, once released, is never edited."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Literal

Strictness = Literal["strict", "standard"]

VERSION = 1
"""The version in use. Verdicts are cached, and calibration is kept, per version."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Instructions for the system role. They never contain text of an exchange."""

    name: str
    text: str
    digest: str
    """First 12 hex digits of the SHA-256 of `text`."""


def load_prompt(strictness: Strictness) -> Prompt:
    """The policy and the form of the reply, as one text."""
    folder = resources.files(__name__)
    parts = [folder.joinpath(f"{part}-{VERSION}.md").read_text(encoding="utf-8") for part in (strictness, "reply")]
    text = "\n".join(parts)
    return Prompt(f"{strictness}-{VERSION}", text, hashlib.sha256(text.encode()).hexdigest()[:12])

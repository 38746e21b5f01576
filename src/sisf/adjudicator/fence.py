"""Showing hostile text to a model as evidence, so that the text cannot pass for anything else."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SPECIAL = re.compile(
    r"<\||\|>|<｜|｜>|\[/?(?=(?:INST|AVAILABLE_TOOLS|TOOL_))|<</?(?=SYS)"
    r"|<(?=/?(?:s|bos|eos|pad|unk|mask|think|start_of_turn|end_of_turn|start_of_role|end_of_role|end_of_text)>)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an exchange: who spoke (`ANSWER` for the model's answer that is judged) and what."""

    speaker: str
    text: str


def new_marker() -> str:
    """64 random bits in hex: no text written before the call can contain it."""
    return secrets.token_hex(8)


def defuse(text: str) -> str:
    """The text with control characters made harmless and chat-template tokens broken up by a space.

    Servers that tokenise a rendered template would take such tokens for real ones: the text would change roles.
    """
    text = _CONTROL.sub("�", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _SPECIAL.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", text)


def fence(pieces: Sequence[Piece], marker: str) -> str:
    """The pieces, each between markers that name its speaker."""
    blocks = [
        f"<<<{marker} {piece.speaker} begins>>>\n{defuse(piece.text)}\n<<<{marker} {piece.speaker} ends>>>"
        for piece in pieces
    ]
    return "\n".join(blocks)

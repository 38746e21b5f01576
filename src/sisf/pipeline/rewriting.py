"""Putting rewritten texts back where they stood in a document."""

import re
from collections.abc import Sequence
from typing import Any

from sisf.exchange import Message

_STEP = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]")


def put_back(tree: dict[str, Any], messages: Sequence[Message], texts: Sequence[str]) -> bool:
    """Write each text that differs from its message into `tree`; False when one of them has no such place."""
    changed = [(message, text) for message, text in zip(messages, texts, strict=True) if text != message.content]
    return all(_replace(tree, message.origin, text) for message, text in changed)


def _replace(tree: dict[str, Any], origin: str, text: str) -> bool:
    """Put `text` where `origin` points; False when there is no single string at that place."""
    steps = [int(m[2]) if m[2] else m[1] for m in _STEP.finditer(origin)]
    if not steps or _STEP.sub("", origin):
        return False
    here: Any = tree
    try:
        for step in steps[:-1]:
            here = here[step]
        if not isinstance(here[steps[-1]], str):
            return False
        here[steps[-1]] = text
    except (KeyError, IndexError, TypeError):
        return False
    return True

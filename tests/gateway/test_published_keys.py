"""Every key of the published schemas, and of what servers take beyond them: inspected, or refused by its kind.

`docs/keys.md` says what was found: `python -m tests.gateway.test_published_keys` writes it anew.
"""

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sisf.errors import HttpFailure
from sisf.gateway.dialects.answers import Asked
from sisf.gateway.wire import Malformed, Uninspectable
from sisf.settings import Limits
from tests.gateway.beyond import BEYOND
from tests.gateway.published import ROOTS, Key, Root, keys_of, root_named

PAGE = Path(__file__).parents[2] / "docs/keys.md"
MARKER = "zanzibarpayload"
SAID = "hello there friend"
MACHINES = {
    "an id": "call_9pw1qnYScqvGrCH58HWCvFH6",
    "a seal": "".join(random.Random(1).choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789+/", k=128)),
}
"""What machines make, which is not read at the places of such."""
KINDS = {
    "holds an image": "image",
    "holds audio": "audio",
    "holds video": "video",
    "holds or names a file": "file",
    "token numbers": "tokens",
    "stored or hosted elsewhere": "reference",
    "holds a template": "template",
    "does not know": "unknown",
    "background": "reference",
}
UNKNOWN = {"logits_processors"}
"""Keys that no table names: what they hold is code."""
PREFACE = """# What becomes of every key

Every key of the published schemas of OpenAI and Anthropic, as their Python packages hold them (beta included), and of
what vLLM, Ollama and llama.cpp take beyond. A test walks all of them, in requests, answers and streams: what is written
into any place is inspected, or the document is refused. Made by `python -m tests.gateway.test_published_keys`; see
[what is read, and what is refused](gateway.md#what-is-read-and-what-is-refused) for the kinds.

- **read**: inspected, with its keys where it is an object.
- **read, but for an id** (or **a seal**): inspected unless there is nothing to read in it.
- **no text**: a number, or a word of the protocol's own; anything else in its place is inspected or refused.
- **its keys**: an object whose keys have rows of their own.
- **refused**: cannot be inspected, by kind; a setting may let the kind pass. In answers and streams: withheld.

A key that stands at several places is told by all that becomes of it.
"""


class Refused(Exception):
    """Nobody reads on: by its kind."""


def texts(root: Root, tree: dict[str, Any]) -> str:
    """What is inspected of a document. Raises `Refused`."""
    dialect = root.dialect
    try:
        if root.kind == "request":
            read = dialect.request(tree, Limits())
            return "\n".join(message.content for message in (*read.messages, *read.aside))
        if root.kind == "answer":
            return "\n".join(m.content for choice in dialect.answers(tree, Asked()) for m in choice.messages)
        return "\n".join(delta.text for delta in dialect.event(tree, Asked()).deltas)
    except (HttpFailure, Uninspectable, Malformed) as error:
        raise Refused(next((kind for words, kind in KINDS.items() if words in str(error)), "malformed")) from None


def lost(root: Root, tree: dict[str, Any]) -> bool:
    """Whether a document with the marker passes, and the marker is not inspected."""
    try:
        return MARKER not in texts(root, tree)
    except Refused:
        return False


def outcomes(root: Root, key: Key) -> Iterator[str]:
    """What becomes of honest values of a key, one of each kind that it holds."""
    for kind, wrap in key.holds:
        values = kind if isinstance(kind, tuple) else ({"a": SAID} if kind is object else SAID if kind is str else 1,)
        for value in values:
            made = key.make(wrap(value))
            yield _read(root, key, wrap, made) if kind is str else _became(root, made, value)


def _became(root: Root, tree: dict[str, Any], value: Any) -> str:
    try:
        found = texts(root, tree)
    except Refused as refused:
        return f"refused: {refused}"
    said = SAID if isinstance(value, dict) else value if isinstance(value, str) else "\0"
    return "read" if re.search(rf"^{re.escape(said)}$", found, re.MULTILINE) else "no text"


def _read(root: Root, key: Key, wrap: Any, tree: dict[str, Any]) -> str:
    became = _became(root, tree, SAID)
    if became != "read":
        return became
    unread = [name for name, made in MACHINES.items() if made not in texts(root, key.make(wrap(made)))]
    return f"read, but for {unread[0]}" if unread else "read"


def beyond(server: str) -> Iterator[tuple[str, str]]:
    """What becomes of the honest value of each key that a server takes, in chat and completions."""
    for name, value in BEYOND[server].items():
        for base in ("chat request", "completions request"):
            root = root_named(base)
            marked = {"a": SAID} if isinstance(value, dict) else [SAID] if isinstance(value, list) else value
            became = _became(root, {**root.base, name: marked}, SAID)
            yield name, became if became != "no text" else _became(root, {**root.base, name: value}, value)


def table() -> Mapping[str, Mapping[str, str]]:
    """For each kind of document: key → what becomes of it at its places."""
    found: dict[str, dict[str, set[str]]] = {}
    for root in ROOTS:
        rows = found.setdefault(root.name, {})
        for key in keys_of(root.name):
            rows.setdefault(key.name, set()).update(outcomes(root, key))
    for server in BEYOND:
        rows = found.setdefault(f"{server}: beyond chat and completions", {})
        for name, became in beyond(server):
            rows.setdefault(name, set()).add(became)
    return {
        title: {key: "; ".join(sorted(became)) or "its keys" for key, became in sorted(rows.items())}
        for title, rows in found.items()
    }


def page() -> str:
    """The page of the table."""
    parts = [PREFACE]
    for title, rows in table().items():
        lines = "\n".join(f"| `{key}` | {became} |" for key, became in rows.items())
        parts.append(f"## {title[0].upper()}{title[1:]}\n\n| key | |\n|---|---|\n{lines}\n")
    return "\n".join(parts)


@pytest.mark.parametrize("name", [root.name for root in ROOTS])
def test_whatever_stands_under_a_published_key_is_inspected_or_refused(name: str) -> None:
    root = root_named(name)
    missed = [
        (key.owner, key.name, place)
        for key in keys_of(name)
        for place, marked in enumerate(
            [
                *(key.make(wrap(MARKER)) for _, wrap in key.holds),
                *(key.make(wrap({MARKER: [MARKER]})) for _, wrap in key.holds),
                *([] if key.holds else [key.make(MARKER), key.make([MARKER])]),
                key.beside({"no_such_key": MARKER}),
                key.beside({"text": {"a": MARKER}}),
            ]
        )
        if lost(root, marked)
    ]
    assert missed == []


@pytest.mark.parametrize("server", BEYOND)
@pytest.mark.parametrize("base", ["chat request", "completions request"])
def test_whatever_stands_under_a_key_of_a_server_is_inspected_or_refused(server: str, base: str) -> None:
    root = root_named(base)
    for name in BEYOND[server]:
        for value in (MARKER, [MARKER], {MARKER: 1}, {"a": {"b": [MARKER]}}):
            assert not lost(root, {**root.base, name: value}), (name, value)


def test_the_page_holds_every_key_and_knows_it() -> None:
    said = table()
    assert PAGE.read_text() == page(), "python -m tests.gateway.test_published_keys"
    unknown = [(t, key) for t, rows in said.items() for key, became in rows.items() if "unknown" in became]
    assert {key for _, key in unknown} == UNKNOWN


if __name__ == "__main__":
    PAGE.write_text(page())

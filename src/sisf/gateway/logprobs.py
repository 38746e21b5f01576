"""Log probabilities spell an answer a second time, token by token: is it the same answer?"""

from collections.abc import Iterator, Mapping
from typing import Any

from sisf.exchange import Message, Role
from sisf.gateway.texts import joined

_LETTERS = 12
"""Alternatives to a token are inspected from this length on: no shorter one says anything by itself."""


def logprob_texts(given: Any, text: str, origin: str) -> list[Message]:
    """What log probabilities say that the text does not: tokens that are not its own, and long alternatives."""
    if not given:
        return []
    chosen: list[str] = []
    spelled = bytearray()
    others: list[Any] = []
    for entry in _entries(given):
        if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
            others.append(entry)
            continue
        chosen.append(entry["token"])
        spelled += _bytes(entry)
        others += _more(entry)
        others += _alternatives(entry.get("top_logprobs"), text)
    said = "".join(chosen)
    if said and (said not in text or spelled not in text.encode()) and not _escaped(chosen, spelled, text):
        others += [said, spelled.decode(errors="replace")]
    return joined(Role.ASSISTANT, others, origin)


_ENTRY = frozenset(("token", "logprob", "bytes", "top_logprobs", "id"))


def _entries(given: Any) -> Iterator[Any]:
    """The entries of all forms: a list, OpenAI's `content` and `refusal`, or the older `tokens`."""
    if isinstance(given, list):
        yield from given
    elif isinstance(given, dict):
        tokens = given.get("tokens")
        if isinstance(tokens, list):
            tops = given.get("top_logprobs")
            tops = tops if isinstance(tops, list) else []
            for place, token in enumerate(tokens):
                yield {"token": token, "top_logprobs": tops[place] if place < len(tops) else None}
            yield from tops[len(tokens) :]
        for key, value in given.items():
            if isinstance(value, list) and key in ("content", "refusal"):
                yield from value
            elif isinstance(value, list) and key in ("token_logprobs", "text_offset"):
                yield [item for item in value if not isinstance(item, int | float)]
            elif key not in ("tokens", "top_logprobs") or not isinstance(value, list) or "tokens" not in given:
                yield {key: value}
    else:
        yield given


def _more(entry: Mapping[str, Any]) -> list[Any]:
    """What an entry holds beyond its token and numbers."""
    more = [value for key, value in entry.items() if key not in _ENTRY]
    return [
        *more,
        [key for key in entry if key not in _ENTRY and key != "value"],
        entry.get("bytes"),
        entry.get("logprob"),
        entry.get("id"),
    ]


def _bytes(entry: Mapping[str, Any]) -> bytes:
    given = entry.get("bytes")
    if isinstance(given, list) and all(type(b) is int and 0 <= b < 256 for b in given):
        return bytes(given)
    return str(entry["token"]).encode()


def _alternatives(given: Any, text: str) -> list[Any]:
    """Alternatives long enough to say something by themselves, and what is no alternative at all."""
    if isinstance(given, dict):
        given = [{"token": token, "value": value} for token, value in given.items()]
    found: list[Any] = []
    for entry in given if isinstance(given, list) else [given] if given else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
            found.append(entry)
            continue
        said = (entry["token"], _bytes(entry).decode(errors="replace"))
        found += [token for token in dict.fromkeys(said) if len(token) >= _LETTERS and token not in text]
        found += _more(entry)
    return found


def _escaped(chosen: list[str], spelled: bytearray, text: str) -> bool:
    """Whether tokens that are parts of a character are written as their bytes (`\\xf0\\x9f`): then those count."""
    return spelled in text.encode() and all(t in text for t in chosen if not t.startswith(("\\x", "bytes:\\x")))

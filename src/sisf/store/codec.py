"""Exchanges, decisions and verdicts as JSON and back. Lone surrogates and NULs stand escaped, for any database."""

import json
from datetime import datetime
from typing import Any

import msgspec

from sisf.exchange import Exchange, Message, Role, Sender
from sisf.policy import Decision
from sisf.verdict import Verdict

_encoder = msgspec.json.Encoder()


def dumps(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def exchange_to_bytes(exchange: Exchange) -> bytes:
    """What was said and what was answered, with all that identifies it."""
    data = {
        "messages": [(m.role.value, m.content, m.origin) for m in exchange.messages],
        "response": exchange.response,
        "id": exchange.id,
        "model": exchange.model,
        "tenant": exchange.sender.tenant,
        "principal": exchange.sender.principal,
        "time": exchange.time.isoformat(),
    }
    return _encoded(data)


def _encoded(value: object) -> bytes:
    """Compact JSON, for the tenth of the price wherever the texts are proper Unicode."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:  # a lone surrogate
        return dumps(msgspec.to_builtins(value)).encode("ascii")


def exchange_from_bytes(body: bytes) -> Exchange:
    """The inverse of `exchange_to_bytes`."""
    data: dict[str, Any] = json.loads(body)
    messages = tuple(Message(Role(role), content, origin) for role, content, origin in data.pop("messages"))
    sender = Sender(data.pop("tenant"), data.pop("principal"))
    return Exchange(messages, sender=sender, **{**data, "time": datetime.fromisoformat(data["time"])})


def decisions_to_json(decisions: tuple[Decision, ...]) -> str:
    """Decisions with their matches."""
    return _encoded(decisions).decode() if decisions else "[]"


def decisions_from_json(text: str) -> tuple[Decision, ...]:
    """The inverse of `decisions_to_json`."""
    return msgspec.convert(json.loads(text), tuple[Decision, ...]) if text != "[]" else ()


def verdict_to_json(verdict: Verdict) -> str:
    """One verdict."""
    return dumps(msgspec.to_builtins(verdict))


def verdict_from_json(text: str) -> Verdict:
    """The inverse of `verdict_to_json`."""
    return msgspec.convert(json.loads(text), Verdict)


def plain(text: str) -> str:
    """A text that every database takes in an indexed column: no NUL, no lone surrogate."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")

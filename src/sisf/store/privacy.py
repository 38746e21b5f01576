"""How much of an exchange is kept, and sealing what is kept."""

import base64
import binascii
import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sisf.errors import ConfigurationError, StoreError
from sisf.exchange import Exchange
from sisf.policy import Policy, Probe, Prototypes
from sisf.settings import PrivacySettings
from sisf.store.redaction import redact
from sisf.verdict import Verdict

_JSON = ("{", "[", '"')
"""How readable JSON starts; base64 of something sealed starts otherwise."""


class Keep(StrEnum):
    """What is kept of the texts of an exchange."""

    NONE = "none"
    HASHED = "hashed"
    """Only a SHA-256 of each text: equal texts can still be counted."""
    REDACTED = "redacted"
    FULL = "full"

    def reduce(self, exchange: Exchange) -> Exchange:
        """The exchange as it is kept."""
        if self is Keep.FULL:
            return exchange
        change = _REDUCTIONS[self]
        messages = tuple(dataclasses.replace(message, content=change(message.content)) for message in exchange.messages)
        response = None if exchange.response is None else change(exchange.response)
        return dataclasses.replace(exchange, messages=messages, response=response)

    def quote(self, text: str) -> str:
        """A text that may quote the exchange (a judge's reasons, an example of a policy) as it is kept, or nothing."""
        if self is Keep.FULL:
            return text
        return redact(text) if self is Keep.REDACTED else ""


_HASH = "sha256:"


def hashed(text: str) -> str:
    """What is kept in place of a text where only a hash may be."""
    return _HASH + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_hash(kept: str) -> bool:
    """Whether what was kept of a text is its hash alone."""
    return kept.startswith(_HASH)


_REDUCTIONS: dict[Keep, Callable[[str], str]] = {
    Keep.NONE: lambda _text: "",
    Keep.HASHED: hashed,
    Keep.REDACTED: redact,
}


@dataclass(frozen=True, slots=True)
class Privacy:
    """What a store keeps. Work in progress keeps its texts whole until it is done: nothing could be judged else."""

    exchanges: Keep = Keep.FULL
    breaches: Keep = Keep.FULL
    """Of breaches: the loop learns from them again each time, from no more than what is kept here."""
    keys: tuple[str, ...] = ()
    """Base64 of 32 bytes each; the first one seals, all of them open."""

    def lesson(self, exchange: Exchange) -> Exchange:
        """The exchange as policies may be written from it. What is learned outlives the text, so personal data must not
        come into it unless breaches are kept whole."""
        return exchange if self.breaches is Keep.FULL else Keep.REDACTED.reduce(exchange)

    def reduce_verdict(self, verdict: Verdict) -> Verdict:
        """The verdict as it is kept: a judge may quote what it judged."""
        keep = self.breaches if verdict.is_breach else self.exchanges
        return dataclasses.replace(verdict, rationale=keep.quote(verdict.rationale))

    def reduce_policy(self, policy: Policy) -> Policy:
        """The policy with the examples that may be kept."""
        condition = policy.condition
        if self.breaches is Keep.FULL or not isinstance(condition, Prototypes | Probe) or not condition.examples:
            return policy
        examples = tuple(filter(None, map(self.breaches.quote, condition.examples)))
        return dataclasses.replace(policy, condition=dataclasses.replace(condition, examples=examples))

    @property
    def vault(self) -> "Vault":
        """Seals and opens bodies."""
        return Vault(self.keys)


def privacy_of(settings: PrivacySettings) -> Privacy:
    """What the configuration asks for."""
    keys = tuple(key.strip() for key in settings.key.get_secret_value().split(",") if key.strip())
    return Privacy(Keep(settings.exchanges), Keep(settings.breaches), keys)


class Vault:
    """AES-256-GCM over stored bodies, bound to the row they belong to; without keys, bodies stay readable."""

    _SEALED = b"\x01"
    """First byte of a sealed body; a readable one starts otherwise (JSON and UTF-8 text never start so)."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        raw = [_key(key) for key in keys]
        self._ciphers = {hashlib.sha256(key).digest()[:4]: AESGCM(key) for key in raw}
        self._first = next(iter(self._ciphers), None)

    @property
    def sealing(self) -> bool:
        """Whether what is written is sealed."""
        return self._first is not None

    def seal(self, body: bytes, row: str) -> bytes:
        """Seal the body of a row."""
        if self._first is None:
            return body
        nonce = os.urandom(12)
        return self._SEALED + self._first + nonce + self._ciphers[self._first].encrypt(nonce, body, row.encode())

    def seal_text(self, text: str, row: str) -> str:
        """As `seal`, for a column of text."""
        return base64.b64encode(self.seal(text.encode(), row)).decode() if self._first is not None else text

    def open_text(self, text: str, row: str) -> str:
        """The inverse of `seal_text`, for JSON. Raises `StoreError` as `open` does."""
        if text.startswith(_JSON):
            return text
        return self.open(base64.b64decode(text), row).decode()

    def open(self, body: bytes, row: str) -> bytes:
        """The inverse of `seal`. Raises `StoreError` when no key fits, or the body is not the one of this row."""
        if not body.startswith(self._SEALED):
            return body
        name, nonce, sealed = body[1:5], body[5:17], body[17:]
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise StoreError(f"row {row} is sealed with key {name.hex()}, which is not among `privacy.key`")
        try:
            return cipher.decrypt(nonce, sealed, row.encode())
        except InvalidTag:
            raise StoreError(f"row {row} was altered: its seal is broken") from None


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ConfigurationError(
            "privacy.key: each must be 32 bytes in base64, such as `openssl rand -base64 32` gives"
        )
    return key

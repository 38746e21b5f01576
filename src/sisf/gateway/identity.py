"""Who is calling: keys (kept as hashes in one file), the tenant and principal behind each, and what each may do."""

import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sisf.errors import ConfigurationError, HttpFailure
from sisf.exchange import Sender
from sisf.pipeline.caller import ANONYMOUS, Caller, Role

_CALLERS = ("client", "admin")
_PREFIX = "sk-sisf-"
_RELOAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Key:
    """One API key, without the key itself."""

    id: str
    hash: str
    """SHA-256 of the key, hex. The key is 256 random bits, so a plain hash cannot be guessed back."""
    tenant: str = "default"
    principal: str = "anonymous"
    role: Role = "client"
    created: str = ""
    revoked: str = ""
    requests_per_minute: int = 0
    """0: as `limits.requests_per_minute` says."""
    body_bytes: int = 0
    """0: as `limits.body_bytes` says."""


class KeyFile:
    """The keys on disk. Changes are written whole and renamed into place; readers notice within a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._next = 0.0
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()

    def keys(self) -> Sequence[Key]:
        """All keys, revoked ones too, oldest first. Raises `ConfigurationError` for a file that cannot be used."""
        self._load(fresh=True)
        return list(self._keys.values())

    def create(
        self,
        *,
        tenant: str = "default",
        principal: str = "",
        role: Role = "client",
        requests_per_minute: int = 0,
        body_bytes: int = 0,
    ) -> tuple[str, Key]:
        """Make a key. The first value is the key itself: it is shown now and never again."""
        secret = _PREFIX + secrets.token_urlsafe(32)
        key = Key(
            id=secrets.token_hex(4),
            hash=_hash(secret),
            tenant=tenant,
            principal=principal or tenant,
            role=role,
            created=_now(),
            requests_per_minute=requests_per_minute,
            body_bytes=body_bytes,
        )
        with self._lock:
            self._load(fresh=True)
            self._save([*self._keys.values(), key])
        return secret, key

    def revoke(self, key_id: str) -> Key:
        """End a key for good. Raises `ConfigurationError` when there is none of that id."""
        with self._lock:
            self._load(fresh=True)
            found = next((key for key in self._keys.values() if key.id == key_id), None)
            if found is None:
                raise ConfigurationError(f"{self._path}: there is no key {key_id!r}; `sisf key list` shows them")
            ended = found if found.revoked else replace(found, revoked=_now())
            self._save([ended if key.id == key_id else key for key in self._keys.values()])
        return ended

    def find(self, secret: str) -> Key | None:
        """The valid key for what a client sent, if there is one."""
        self._load(fresh=False)
        key = self._keys.get(_hash(secret))
        return key if key is not None and not key.revoked else None

    def valid(self, key_id: str) -> bool:
        """Whether there is a key of that id that is not revoked."""
        self._load(fresh=False)
        return any(key.id == key_id and not key.revoked for key in self._keys.values())

    def _load(self, *, fresh: bool) -> None:
        if not fresh and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _RELOAD_SECONDS
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._keys, self._stamp = {}, None
            return
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return
        try:
            listed = [Key(**entry) for entry in json.loads(self._path.read_text(encoding="utf-8"))["keys"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{self._path}: is not a file of keys: {error}") from None
        self._keys, self._stamp = {key.hash: key for key in listed}, stamp

    def _save(self, keys: Sequence[Key]) -> None:
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"keys": [asdict(key) for key in keys]}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be written: {error.strerror}") from None
        self._load(fresh=True)


class Doorkeeper:
    """Knows callers by the headers of their requests."""

    def __init__(self, keys: KeyFile | None) -> None:
        self._keys = keys

    def identify(self, headers: Mapping[bytes, bytes], client: str) -> Caller:
        """The caller. Without a key file everyone is anonymous, told apart by address.

        Raises `HttpFailure` (401) for a missing, unknown or revoked key, and for one that only opens the console.
        """
        if self._keys is None:
            return Caller(Sender(principal=f"{ANONYMOUS}@{client}" if client else ANONYMOUS))
        secret = _credential(headers)
        key = self._keys.find(secret) if secret else None
        if key is None or key.role not in _CALLERS:
            what = "The API key is not valid here." if secret else "An API key is needed: Authorization: Bearer KEY."
            raise HttpFailure(401, "invalid_api_key", what)
        sender = Sender(key.tenant, key.principal)
        return Caller(sender, key.role, key.id, key.requests_per_minute, key.body_bytes)


def _credential(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and token:
        return token.strip().decode("latin-1")
    return (headers.get(b"x-api-key") or headers.get(b"api-key") or b"").decode("latin-1")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

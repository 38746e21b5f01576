"""Who is calling: keys (kept as hashes in one file), the tenant and principal behind each, and what each may do."""

import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from sisf.errors import ConfigurationError, HttpFailure, quoted, reason
from sisf.exchange import Sender
from sisf.files import only_one_process, write_whole
from sisf.gateway.addresses import Proxies, counted_as, told_apart
from sisf.gateway.browsers import refuse_foreign
from sisf.pipeline.caller import ANONYMOUS, Caller, Role
from sisf.settings import Settings
from sisf.text.remembered import remembered
from sisf.verdict import PERSON

_log = structlog.get_logger("sisf.gateway")
_CALLERS = ("client", "admin", "probe")
_PREFIX = "sk-sisf-"
_RELOAD_SECONDS = 1.0
_LONGEST_NAME = 256
_INVALID = "The API key is not valid here."


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

    @property
    def limited_to(self) -> str:
        """The tenant to whose things it opens the console; empty, for all, where it was made without a tenant."""
        return limited_to(self.tenant)


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
        with self._changing():
            self._save([*self._keys.values(), key])
        return secret, key

    def revoke(self, key_id: str) -> Key:
        """End a key for good. Raises `ConfigurationError` when there is none of that id."""
        with self._changing():
            found = next((key for key in self._keys.values() if key.id == key_id), None)
            if found is None:
                raise ConfigurationError(f"{self._path}: there is no key {quoted(key_id)}; `sisf key list` shows them")
            ended = found if found.revoked else replace(found, revoked=_now())
            self._save([ended if key.id == key_id else key for key in self._keys.values()])
        return ended

    def find(self, secret: str) -> Key | None:
        """The valid key for what a client sent, if there is one."""
        self._look()
        key = self._keys.get(_hash(secret))
        return key if key is not None and not key.revoked else None

    def opens(self, key_id: str, role: str, tenant: str) -> bool:
        """Whether a key of that id is not revoked, and still has the role and is limited to the tenant."""
        self._look()
        wanted = (key_id, role, tenant)
        return any((key.id, key.role, key.limited_to) == wanted for key in self._keys.values() if not key.revoked)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else changes the file meanwhile, in this process or another: a change that they made is not lost."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, only_one_process(self._path.with_name(self._path.name + ".lock")):
                self._load(fresh=True)
                yield
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be written: {error.strerror}") from None

    def _look(self) -> None:
        """Read what changed. While the file cannot be read, the keys that were read before stay."""
        try:
            self._load(fresh=False)
        except ConfigurationError as error:
            if self._stamp is None:
                raise
            _log.error("keys_not_read", reason=str(error))

    def _load(self, *, fresh: bool) -> None:
        if not fresh and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _RELOAD_SECONDS
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            if self._stamp is None:
                return
            raise ConfigurationError(f"{self._path}: is gone; put it back, or start again without it") from None
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be read: {error.strerror}") from None
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return
        try:
            listed = [Key(**entry) for entry in json.loads(self._path.read_text(encoding="utf-8"))["keys"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigurationError(f"{self._path}: is not a file of keys: {reason(error)}") from None
        self._keys, self._stamp = {key.hash: key for key in listed}, stamp

    def _save(self, keys: Sequence[Key]) -> None:
        write_whole(self._path, json.dumps({"keys": [asdict(key) for key in keys]}, indent=1).encode())
        self._load(fresh=True)


class Doorkeeper:
    """Knows callers by the headers of their requests, and by their addresses."""

    def __init__(self, settings: Settings) -> None:
        """Raises `ConfigurationError` for a file of keys that cannot be used: it would refuse everybody."""
        self._keys = KeyFile(Path(settings.keys.file)) if settings.keys.file else None
        if self._keys is not None and not self._keys.keys():
            _log.warning("no_keys", file=settings.keys.file, advice="make keys with `sisf key create`")
        self._proxies = Proxies(settings.callers)
        self._hosts = settings.listen.hosts
        self._everyone = settings.reveal == "everyone"
        probe = settings.probe.key.get_secret_value()
        self._probe = _hash(probe) if probe else ""
        """By which the probing agent is known where it has no key in the file."""

    def identify(self, headers: Mapping[bytes, bytes], peer: str) -> Caller:
        """The caller. Without a key file everyone is anonymous, told apart by address.

        Raises `HttpFailure`: 401 for a missing, unknown or revoked key, and for one that only opens the console; 403
        where no key is asked for and the request comes from a page of elsewhere.
        """
        if self._probe and secrets.compare_digest(_hash(_credential(headers)), self._probe):
            return Caller(Sender(principal="agent"), "probe", informed=True)
        if self._keys is None:
            refuse_foreign(headers, peer, self._hosts)
            return self._anonymous(headers, peer)
        key = self._key(headers)
        if key.role not in _CALLERS:
            raise HttpFailure(401, "invalid_api_key", _INVALID)
        named = self._proxies.principal(peer, headers)
        sender = Sender(key.tenant, f"{key.principal}/{named}" if named else key.principal)
        informed = self._everyone or key.role in ("admin", "probe")
        return Caller(sender, key.role, key.id, key.requests_per_minute, key.body_bytes, informed=informed)

    def may_watch(self, headers: Mapping[bytes, bytes], peer: str) -> None:
        """Raises as `identify` does, but lets every valid key in: also those of the console see figures."""
        if self._keys is None:
            refuse_foreign(headers, peer, self._hosts)
        else:
            self._key(headers)

    def _key(self, headers: Mapping[bytes, bytes]) -> Key:
        secret = _credential(headers)
        key = self._keys.find(secret) if secret and self._keys else None
        if key is None:
            what = _INVALID if secret else "An API key is needed: Authorization: Bearer KEY."
            raise HttpFailure(401, "invalid_api_key", what)
        return key

    def _anonymous(self, headers: Mapping[bytes, bytes], peer: str) -> Caller:
        named = self._proxies.principal(peer, headers)
        if named:
            return Caller(Sender(principal=f"user:{named}"), informed=self._everyone)
        client = self._proxies.client(peer, headers)
        if not client:
            return Caller(informed=self._everyone)
        sender, counted = _anonymous_at(client)
        return Caller(sender, counted_as=counted, informed=self._everyone)


def limited_to(tenant: str) -> str:
    """The tenant to whose things a key of this tenant is limited; empty, for all, where it was made without one."""
    return "" if tenant == Sender().tenant else tenant


def person(name: str, tenant: str = "") -> str:
    """A person as the audit log records them, with the tenant to whose things they are limited."""
    return f"{PERSON}{tenant}/{name}" if tenant else f"{PERSON}{name}"


@remembered
def _anonymous_at(client: str) -> tuple[Sender, Sender]:
    """Who somebody without a key is, by address, and as whom they are counted."""
    apart, counted = told_apart(client), counted_as(client)
    return Sender(principal=f"{ANONYMOUS}@{apart}"), Sender(principal=f"{ANONYMOUS}@{counted}")


def named_by_body(caller: Caller, tree: Mapping[str, Any]) -> Caller:
    """The caller whose user the body names, for `callers.principal_from_user`."""
    metadata = tree.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    found = next((v for v in (tree.get("safety_identifier"), tree.get("user"), user) if isinstance(v, str) and v), "")
    if not 0 < len(found) <= _LONGEST_NAME:
        return caller
    principal = f"{caller.sender.principal}/{found}" if caller.key_id else f"user:{found}"
    return replace(caller, sender=Sender(caller.tenant, principal), counted_as=None)


def _credential(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and token:
        return token.strip().decode("latin-1")
    return (headers.get(b"x-api-key") or headers.get(b"api-key") or b"").decode("latin-1")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

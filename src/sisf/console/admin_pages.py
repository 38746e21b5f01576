"""Who may come in, what is set, and where enforcement is suspended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from sisf.console.access import check_csrf
from sisf.console.forms import read_form, whole
from sisf.console.parts import Parts
from sisf.console.render import Renderer
from sisf.console.roles import Role
from sisf.console.sessions import LINK_SECONDS, Sessions
from sisf.errors import ConfigurationError
from sisf.gateway.identity import Key, KeyFile
from sisf.pipeline.caller import Role as KeyRole
from sisf.settings import Settings
from sisf.settings.secrets import masked as without_secrets

MASK = "•••••• (set)"
MINUTES = {"15": "15 minutes", "60": "1 hour", "240": "4 hours", "1440": "1 day", "10080": "7 days"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it may be shown."""

    key: str
    value: str
    origin: str
    """`default`, or where it was set."""


class AdminPages:
    """For those who run it."""

    def __init__(self, parts: Parts, renderer: Renderer, sessions: Sessions, url: str) -> None:
        self._parts = parts
        self._renderer = renderer
        self._sessions = sessions
        self._url = url

    async def enforcement(self, request: Request) -> Response:
        """Where enforcement is suspended, until when, and the way to stop or resume it."""
        chosen = {name: request.query_params.get(name, "") for name in ("tenant", "policy")}
        mode = self._parts.configuration.mode if self._parts.configuration is not None else ""
        return await self._renderer.render(
            request, "enforcement.html", lambda: {"minutes": MINUTES, "mode": mode, **chosen}
        )

    async def settings(self, request: Request) -> Response:
        """Every setting, where it comes from; what is secret is masked."""

        def collect() -> Mapping[str, Any]:
            known = self._parts.configuration
            return {
                "settings": shown_settings(known, self._parts.origins) if known is not None else [],
                "outbox": self._parts.store.outbox.counts(),
                "receivers": len(known.webhooks) if known is not None else 0,
            }

        return await self._renderer.render(request, "settings.html", collect)

    async def keys(self, request: Request) -> Response:
        """API keys: list, create, revoke."""
        return await self._keys_page(request, "")

    async def create_key(self, request: Request) -> Response:
        """Make a key; it is shown on this one page."""
        who, form = request.state.who, await read_form(request)
        check_csrf(who, form.get("csrf", ""))
        secret, _key = make_key(self._parts, form, who.actor)
        return await self._keys_page(request, secret)

    async def _keys_page(self, request: Request, secret: str) -> Response:
        file = self._parts.keys
        return await self._renderer.render(
            request,
            "keys.html",
            lambda: {"keys": file.keys() if file else None, "secret": secret, "roles": get_args(KeyRole)},
        )

    async def sessions(self, request: Request) -> Response:
        """Who is signed in, and links for others."""
        return await self._sessions_page(request, "")

    async def create_link(self, request: Request) -> Response:
        """Make a link that signs somebody in once; it is shown on this one page."""
        who, form = request.state.who, await read_form(request)
        check_csrf(who, form.get("csrf", ""))
        link = make_link(self._parts, self._sessions, form, who.actor)
        return await self._sessions_page(request, f"{self._url or str(request.base_url).rstrip('/')}/login?link={link}")

    async def _sessions_page(self, request: Request, link: str) -> Response:
        return await self._renderer.render(
            request,
            "sessions.html",
            lambda: {"sessions": self._sessions.list(), "link": link, "minutes": round(LINK_SECONDS / 60)},
        )


def make_key(parts: Parts, form: Mapping[str, Any], actor: str) -> tuple[str, Key]:
    """Create a key as a form or a program asks for it; audited. Raises `ConfigurationError` for what cannot be."""
    role = form.get("role", "client")
    if role not in get_args(KeyRole):
        raise ConfigurationError(f"role must be one of {', '.join(get_args(KeyRole))}")
    tenant, principal = str(form.get("tenant") or "default").strip(), str(form.get("principal") or "").strip()
    secret, key = _file(parts).create(
        tenant=tenant,
        principal=principal,
        role=role,
        requests_per_minute=whole(form.get("requests_per_minute") or 0, "requests_per_minute"),
        body_bytes=whole(form.get("body_bytes") or 0, "body_bytes"),
    )
    detail = {"tenant": key.tenant, "principal": key.principal, "role": key.role}
    parts.store.audit.append(actor=actor, action="key.create", subject=key.id, revision=0, detail=detail)
    return secret, key


def revoke_key(parts: Parts, key_id: str, actor: str) -> Key:
    """End a key for good, and the sessions that it began; audited."""
    key = _file(parts).revoke(key_id)
    parts.store.audit.append(actor=actor, action="key.revoke", subject=key.id, revision=0, detail={})
    return key


def make_link(parts: Parts, sessions: Sessions, form: Mapping[str, Any], actor: str) -> str:
    """The code of a sign-in link; audited. Raises `ConfigurationError` for an unknown role."""
    role, name = form.get("role", "viewer"), str(form.get("name") or "").strip()
    if role not in set(Role):
        raise ConfigurationError(f"role must be one of {', '.join(Role)}")
    if not name or len(name) > 64 or not name.isprintable():
        raise ConfigurationError("name must say who is let in, in 1 to 64 characters")
    detail = {"name": name, "role": role}
    parts.store.audit.append(actor=actor, action="console.link", subject="console", revision=0, detail=detail)
    return sessions.link(name, Role(role))


def _file(parts: Parts) -> KeyFile:
    if parts.keys is None:
        raise ConfigurationError("keys.file is not set, so no keys are asked for: set it in sisf.yaml first")
    return parts.keys


def shown_settings(settings: Settings, origins: Mapping[str, str]) -> Sequence[Setting]:
    """Every setting; secrets, and what may hold one (addresses with a password), are masked."""
    return [
        Setting(
            key,
            without_secrets(masked(key, value), settings),
            origins.get(key, "default" if value == default else "set"),
        )
        for (key, value), (_, default) in zip(_flat(settings), _flat(_defaults(settings)), strict=False)
    ]


def masked(key: str, value: object) -> str:
    """A value as it may be shown."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else "(not set)"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {masked(key, each)}" for name, each in value.items()) or "(none)"
    if isinstance(value, BaseModel):
        return (
            "{" + ", ".join(f"{name}: {masked(name, getattr(value, name))}" for name in type(value).model_fields) + "}"
        )
    if isinstance(value, tuple | list):
        return ", ".join(masked(key, each) for each in value) or "(none)"
    if isinstance(value, bool):
        return str(value).lower()  # as it is written in the file
    return str(value) or "(empty)"


def _flat(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _defaults(settings: Settings) -> Settings:
    return type(settings)()

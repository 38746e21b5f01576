"""Signing in at an OpenID Connect provider: authorization code flow with PKCE; nothing of it is taken on trust.

Sources: OpenID Connect Core 1.0 (section 3.1.3.7), RFC 7636 (PKCE), RFC 9207 (issuer identification).
"""

import base64
import hashlib
import hmac
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sisf.console.roles import Role
from sisf.errors import ConfigurationError, SisfError, quoted, reason
from sisf.latest import Latest
from sisf.settings import Oidc as OidcSettings
from sisf.settings.secrets import shown

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY = 60
_SECONDS = 10.0
_ANSWER_BYTES = 1_000_000
_KEPT_SECONDS = 3600.0
_REFRESH_SECONDS = 30.0
_PENDING_SECONDS = 600.0
_PENDING = 1_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SignInFailed(SisfError):
    """Somebody could not be signed in; says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who the provider says it is. No role: nothing that the configuration maps to one."""

    name: str
    role: Role | None


@dataclass(frozen=True, slots=True)
class _Pending:
    """A sign-in under way."""

    nonce: str
    verifier: str
    browser: str
    following: str
    end: float


@dataclass(frozen=True, slots=True)
class _Provider:
    """What the provider publishes about itself."""

    authorize: str
    token: str
    keys_url: str
    userinfo: str
    basic: bool
    keys: KeySet
    fetched: float


class Oidc:
    """One provider. Used on the event loop only."""

    def __init__(self, settings: OidcSettings, url: str) -> None:
        if not settings.client_id or not url:
            raise ConfigurationError(
                "admin.oidc: needs admin.oidc.client_id, and admin.url (the console's own address)"
            )
        _checked(settings.issuer, "admin.oidc.issuer")
        self._settings = settings
        self._redirect = url.rstrip("/") + "/oidc/callback"
        self._secret = _secret(settings)
        self._tls = ssl.create_default_context(cafile=settings.ca_file or None)
        self._pending: Latest[str, _Pending] = Latest(_PENDING)
        self._provider: _Provider | None = None

    async def start(self, following: str) -> tuple[str, str]:
        """The provider's address to send the browser to, and a value for a cookie that ties the sign-in to it.

        Raises `SignInFailed` when the provider cannot be used.
        """
        provider = await self._discover()
        state, nonce, verifier, browser = (secrets.token_urlsafe(32) for _ in range(4))
        self._pending[state] = _Pending(nonce, verifier, browser, following, time.monotonic() + _PENDING_SECONDS)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{provider.authorize}{'&' if '?' in provider.authorize else '?'}{urlencode(query)}", browser

    async def finish(self, query: Mapping[str, str], browser: str) -> tuple[Person, str]:
        """The person behind a callback, and where they wanted to go. Raises `SignInFailed`."""
        pending = self._pending.pop(query.get("state", ""), None)
        if pending is None or time.monotonic() > pending.end:
            raise SignInFailed("This sign-in is not known or took too long; start again.")
        if not hmac.compare_digest(pending.browser.encode(), browser.encode()):
            raise SignInFailed("This sign-in was started in another browser; start again.")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise SignInFailed("The answer comes from another provider.")
        if "code" not in query:
            raise SignInFailed(f"The provider refused: {query.get('error', 'no code')[:100]}.")
        provider = await self._discover()
        tokens = await self._redeem(provider, query["code"], pending.verifier)
        claims = await self._verified(str(tokens.get("id_token", "")), pending.nonce)
        if self._settings.role_claim.partition(".")[0] not in claims and provider.userinfo:
            claims = await self._with_userinfo(provider, str(tokens.get("access_token", "")), claims)
        return self._person(claims), pending.following

    async def _discover(self, *, fresh: bool = False) -> _Provider:
        known = self._provider
        age = time.monotonic() - known.fetched if known else _KEPT_SECONDS
        if known is not None and age < (_REFRESH_SECONDS if fresh else _KEPT_SECONDS):
            return known
        issuer = self._settings.issuer
        found = await self._fetch("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise SignInFailed("The provider calls itself by another name than admin.oidc.issuer.")
        named = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        authorize, token, keys_url = (_checked(str(found.get(name, "")), name) for name in named)
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        keys = _key_set(await self._fetch("GET", keys_url))
        userinfo = str(found.get("userinfo_endpoint", ""))
        basic = "client_secret_basic" in methods
        self._provider = _Provider(authorize, token, keys_url, userinfo, basic, keys, time.monotonic())
        return self._provider

    async def _redeem(self, provider: _Provider, code: str, verifier: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "client_id": self._settings.client_id,
            "code_verifier": verifier,
        }
        headers = {}
        if self._secret and provider.basic:
            pair = f"{quote_plus(self._settings.client_id)}:{quote_plus(self._secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif self._secret:
            form["client_secret"] = self._secret
        return await self._fetch("POST", provider.token, data=form, headers=headers)

    async def _verified(self, token: str, nonce: str) -> Mapping[str, Any]:
        """The claims of an identity token: signature, issuer, audience, times and nonce. Raises `SignInFailed`."""
        for fresh in (False, True):  # keys are rotated: once more with those of now
            provider = await self._discover(fresh=fresh)
            try:
                claims = jwt.decode(token, provider.keys, algorithms=_ALGORITHMS).claims
                break
            except (JoseError, ValueError) as error:
                if fresh:
                    raise SignInFailed(f"The identity token is not valid: {type(error).__name__}.") from None
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise SignInFailed(f"The identity token is not for us: {error}.") from None
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise SignInFailed("The identity token was issued to another client.")
        return claims

    async def _with_userinfo(self, provider: _Provider, access: str, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        url = _checked(provider.userinfo, "userinfo_endpoint")
        told = await self._fetch("GET", url, headers={"authorization": f"Bearer {access}"})
        if told.get("sub") != claims["sub"]:
            raise SignInFailed("The provider told of somebody else.")
        return {**told, **claims}

    def _person(self, claims: Mapping[str, Any]) -> Person:
        name = next((str(claims[c]) for c in (self._settings.name_claim, "email", "sub") if claims.get(c)), "")
        found: Any = claims
        for part in self._settings.role_claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        values = found if isinstance(found, list) else [found]
        roles = [Role(self._settings.roles[v]) for v in values if isinstance(v, str) and v in self._settings.roles]
        if self._settings.default_role != "none":
            roles.append(Role(self._settings.default_role))
        return Person(name[:200], next((role for role in reversed(Role) if role in roles), None))

    async def _fetch(self, method: str, url: str, **more: Any) -> Mapping[str, Any]:
        """A JSON object from the provider. Raises `SignInFailed`."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.request(method, url, allow_redirects=False, ssl=self._tls, **more) as response,
            ):
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > _ANSWER_BYTES:
                        raise SignInFailed(f"The provider's answer at {urlsplit(url).path} is too long.")
                if response.status != 200:
                    raise SignInFailed(f"The provider answered {response.status} at {urlsplit(url).path}.")
        except (aiohttp.ClientError, OSError, TimeoutError):
            raise SignInFailed("The provider cannot be reached; try again later.") from None
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise SignInFailed(f"The provider's answer at {urlsplit(url).path} is no JSON object.")
        return told


def _key_set(told: Mapping[str, Any]) -> KeySet:
    """The provider's keys; those of a kind that we do not know cannot sign anything for us. Raises `SignInFailed`."""
    known = [key for key in told.get("keys", []) if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP")]
    try:
        return KeySet.import_key_set({"keys": known})
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise SignInFailed(f"The provider's keys cannot be read: {type(error).__name__}.") from None


def _checked(url: str, what: str) -> str:
    """An address of the provider: https, or this very machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return url
    raise ConfigurationError(f"{what}: {quoted(shown(url))} must start with https:// (http:// only on this machine)")


def _secret(settings: OidcSettings) -> str:
    if not settings.client_secret_file:
        return settings.client_secret.get_secret_value()
    try:
        return Path(settings.client_secret_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"admin.oidc.client_secret_file: {settings.client_secret_file}: cannot be read: {reason(error)}"
        ) from None

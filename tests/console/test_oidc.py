"""Signing in at a provider: at a real one, and at one that lies."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from sisf.console.app import create_console
from sisf.errors import ConfigurationError
from sisf.serving import Background
from sisf.settings import Admin
from sisf.store.memory import MemoryStore

ROLES = {"sisf-admins": "admin", "soc": "operator", "staff": "viewer"}
URL = "http://console"


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    made = MemoryStore()
    yield made
    made.close()


def console(store: MemoryStore, issuer: str, **oidc: Any) -> TestClient:
    data = {"issuer": issuer, "client_id": "sisf", "client_secret": "s3cret", "roles": ROLES, **oidc}
    settings = Admin.model_validate({"url": URL, "oidc": data})
    made = create_console(store, settings=settings)
    return TestClient(made, base_url=URL, follow_redirects=False, raise_server_exceptions=False)


def actions(store: MemoryStore) -> list[tuple[str, str]]:
    return [(row.action, row.actor) for row in store.audit.rows()]


# A process of its own: its libraries warn of themselves, and warnings are errors here.
PROVIDER = """
import oidc_provider_mock as mock
people = [
    mock.User(sub="1", claims={"preferred_username": "ada", "groups": ["staff", "sisf-admins"]}),
    mock.User(sub="2", claims={"preferred_username": "bob", "groups": ["staff"]}),
    mock.User(sub="3", claims={"email": "eve@example.com", "groups": ["others"]}),
    mock.User(sub="4", claims={"email": "dan@example.com", "realm_access": {"roles": ["soc"]}}),
]
with mock.run_server_in_thread(user_claims=people) as server:
    print(server.server_port, flush=True)
    input()
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    command = [sys.executable, "-W", "ignore", "-c", PROVIDER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.communicate("\n")


def sign_in_as(client: TestClient, sub: str, path: str = "/audit") -> Response:
    """Walk to the provider and back, as a browser does."""
    left = client.get(f"/oidc/start?next={path}")
    assert left.status_code == 303
    asked = parse_qs(urlsplit(left.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    form = Request(left.headers["location"], data=f"sub={sub}".encode(), method="POST")
    try:
        with _opener(form) as answer:
            raise AssertionError(answer.status)
    except _Redirected as error:
        back = urlsplit(error.location)
    assert f"{back.scheme}://{back.netloc}" == URL
    return client.get(f"{back.path}?{back.query}")  # type: ignore[return-value]


class _Redirected(Exception):
    def __init__(self, location: str) -> None:
        self.location = location


def _opener(form: Request) -> Any:
    import urllib.request

    class Stop(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any) -> None:
            raise _Redirected(args[-1])

    return urllib.request.build_opener(Stop).open(form, timeout=10)


def test_a_real_provider_signs_people_in_with_their_roles(store: MemoryStore, provider: str) -> None:
    client = console(store, provider)
    asked = client.get("/policies")
    assert (asked.status_code, "/oidc/start?next=/policies" in asked.text) == (401, True)
    done = sign_in_as(client, "1", "/policies")
    assert (done.status_code, done.headers["location"]) == (303, "/policies")
    page = client.get("/policies").text
    assert "ada · admin" in page
    assert ("console.sign_in", "person:ada") in actions(store)
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf
    assert client.post("/logout", data={"csrf": csrf.group(1)}, headers={"origin": URL}).status_code == 303
    assert client.get("/policies").status_code == 401
    assert sign_in_as(client, "2").status_code == 303
    assert "bob · viewer" in client.get("/").text
    assert client.post("/rollback", data={"revision": "0"}, headers={"origin": URL}).status_code == 403


def test_whoever_has_no_role_stays_outside(store: MemoryStore, provider: str) -> None:
    client = console(store, provider)
    refused = sign_in_as(client, "3")
    assert refused.status_code == 403
    assert "eve@example.com has no role" in refused.text  # type: ignore[attr-defined]
    assert client.get("/").status_code == 401
    assert ("console.denied", "person:eve@example.com") in actions(store)
    assert sign_in_as(console(store, provider, default_role="viewer"), "3").status_code == 303


def test_a_role_may_stand_deep_in_a_claim(store: MemoryStore, provider: str) -> None:
    client = console(store, provider, role_claim="realm_access.roles")
    assert sign_in_as(client, "4").status_code == 303
    assert "dan@example.com · operator" in client.get("/").text


class Crooked:
    """A provider that answers whatever a test wants."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "a", "alg": "RS256", "use": "sig"})
        self.shown: Any = [self.key.as_dict(private=False)]
        self.issuer = ""
        self.claims: dict[str, Any] = {}
        self.token: Callable[[dict[str, Any]], str] = lambda c: jwt.encode({"alg": "RS256", "kid": "a"}, c, self.key)
        self.form: dict[str, list[str]] = {}
        self.named: dict[str, Any] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/keys", lambda _: JSONResponse({"keys": self.shown})),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _configuration(self, _: Asked) -> Response:
        at = self.issuer
        named = {"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token"}
        return JSONResponse({**named, "jwks_uri": at + "/keys", **self.named})

    async def _token(self, request: Asked) -> Response:
        self.form = parse_qs((await request.body()).decode())
        self.form["authorization"] = [request.headers.get("authorization", "")]
        return JSONResponse({"id_token": self.token(self.claims), "token_type": "Bearer"})


@pytest.fixture
def crooked() -> Iterator[Crooked]:
    made = Crooked()
    with Background(made.app) as background:
        made.issuer = background.url
        yield made


def attempt(client: TestClient, crooked: Crooked, **claims: Any) -> tuple[int, str]:
    """One sign-in whose identity token says `claims` besides what is right (None: leave it out)."""
    left = client.get("/oidc/start")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(left.headers["location"]).query).items()}
    now = int(time.time())
    right = {"iss": crooked.issuer, "aud": "sisf", "sub": "1", "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
    found = {**right, "groups": ["staff"], **claims}
    crooked.claims = {name: value for name, value in found.items() if value is not None}
    answer = client.get(f"/oidc/callback?code=c&state={asked['state']}")
    if crooked.form:
        verifier = crooked.form["code_verifier"][0].encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        assert challenge == asked["code_challenge"]
    return answer.status_code, answer.text


def test_what_is_right_is_let_in(store: MemoryStore, crooked: Crooked) -> None:
    assert attempt(console(store, crooked.issuer), crooked)[0] == 303
    assert crooked.form["authorization"] == ["Basic " + base64.b64encode(b"sisf:s3cret").decode()]
    crooked.named = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert attempt(console(store, crooked.issuer), crooked)[0] == 303
    assert crooked.form["client_secret"] == ["s3cret"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://other"},
        {"aud": "somebody"},
        {"aud": None},
        {"aud": ["sisf", "other"], "azp": "other"},
        {"exp": 1},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"nonce": "other"},
        {"nonce": None},
        {"sub": None},
    ],
)
def test_a_token_that_is_not_for_us_is_refused(store: MemoryStore, crooked: Crooked, claims: dict[str, Any]) -> None:
    client = console(store, crooked.issuer)
    status, text = attempt(client, crooked, **claims)
    assert status == 403
    assert "identity token" in text
    assert client.get("/").status_code == 401
    assert ("console.sign_in_failed", "person:unknown") in actions(store)


def _parts(*parts: bytes) -> str:
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _unsigned(claims: dict[str, Any]) -> str:
    return _parts(b'{"alg": "none"}', json.dumps(claims).encode(), b"")


def _signed_with(public: bytes, claims: dict[str, Any]) -> str:
    """The public key taken as a shared secret."""
    said = _parts(b'{"alg": "HS256"}', json.dumps(claims).encode())
    return f"{said}.{_parts(hmac.digest(public, said.encode(), 'sha256'))}"


def test_a_signature_that_is_not_the_providers_is_refused(store: MemoryStore, crooked: Crooked) -> None:
    other = RSAKey.generate_key(2048, {"kid": "a"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of what this test does on purpose
        forged = [
            lambda c: jwt.encode({"alg": "RS256", "kid": "a"}, c, other),
            lambda c: _signed_with(crooked.key.as_pem(private=False), c),
            _unsigned,
            lambda _: "garbage",
            lambda _: "",
        ]
        for crooked.token in forged:
            assert attempt(console(store, crooked.issuer), crooked)[0] == 403


def test_rotated_keys_are_fetched_again(store: MemoryStore, crooked: Crooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.console.oidc._REFRESH_SECONDS", 0.0)
    client = console(store, crooked.issuer)
    assert attempt(client, crooked)[0] == 303
    crooked.key = RSAKey.generate_key(2048, {"kid": "b"})
    crooked.token = lambda c: jwt.encode({"alg": "RS256", "kid": "b"}, c, crooked.key)
    assert attempt(client, crooked)[0] == 403
    crooked.shown = KeySet([crooked.key]).as_dict(private=False)["keys"]
    assert attempt(client, crooked)[0] == 303


def test_a_sign_in_belongs_to_one_browser_and_one_time(store: MemoryStore, crooked: Crooked) -> None:
    client = console(store, crooked.issuer)
    left = client.get("/oidc/start")
    state = parse_qs(urlsplit(left.headers["location"]).query)["state"][0]
    client.cookies.clear()
    assert "another browser" in client.get(f"/oidc/callback?code=c&state={state}").text
    for query in ("", "code=c", "code=c&state=x", f"code=c&state={state}"):
        answer = client.get(f"/oidc/callback?{query}")
        assert (answer.status_code, "start again" in answer.text) == (403, True)
    assert crooked.form == {}


@pytest.mark.parametrize(
    ("query", "said"), [("error=access_denied", "access_denied"), ("code=c&iss=http://other", "another provider")]
)
def test_a_refusal_or_a_mix_up_is_one_clear_page(store: MemoryStore, crooked: Crooked, query: str, said: str) -> None:
    client = console(store, crooked.issuer)
    left = client.get("/oidc/start")
    state = parse_qs(urlsplit(left.headers["location"]).query)["state"][0]
    answer = client.get(f"/oidc/callback?state={state}&{query}")
    assert (answer.status_code, said in answer.text) == (403, True)


def test_a_provider_of_another_name_or_far_away_is_refused(store: MemoryStore, crooked: Crooked) -> None:
    crooked.named = {"issuer": "http://127.0.0.1:1"}
    assert "another name" in console(store, crooked.issuer).get("/oidc/start").text
    crooked.named = {"token_endpoint": "http://example.com/token"}
    assert "must start with https" in console(store, crooked.issuer).get("/oidc/start").text
    gone = console(store, "http://127.0.0.1:1").get("/oidc/start")
    assert (gone.status_code, "cannot be reached" in gone.text) == (403, True)
    assert urlopen(crooked.issuer + "/keys").status == 200


@pytest.mark.parametrize("oidc", [{"client_id": ""}, {"issuer": "http://example.com"}, {"client_secret_file": "/none"}])
def test_wrong_settings_are_one_clear_error(store: MemoryStore, oidc: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"admin\.oidc"):
        console(store, **{"issuer": "https://login.example", **oidc})

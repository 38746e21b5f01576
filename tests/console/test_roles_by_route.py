"""Every route of the console, asked by everybody: who may not is refused, whatever the route."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from sisf.console.app import create_console
from sisf.gateway.identity import KeyFile
from sisf.pipeline.caller import Role as KeyRole
from sisf.settings import load
from sisf.store.memory import MemoryStore
from tests.console.test_console import OWN, TOKEN, lifecycle_of, signed_in

OPEN = ("/login", "/logout", "/static", "/oidc")
OF_ADMINS = ("/keys", "/sessions", "/settings", "/rollback", "/forget", "/webhooks")
OF_VIEWERS = (("POST", "/try"), ("POST", "/policies/p1"))
"""What is posted and changes nothing."""
RANK = {"viewer": 0, "operator": 1, "admin": 2}


def needed(method: str, path: str) -> str:
    """The least role, as the page on the console says it: to look, to decide, to let people in and to undo much."""
    path = path.removeprefix("/api")
    if path.startswith(OF_ADMINS):
        return "admin"
    return "viewer" if method == "GET" or (method, path) in OF_VIEWERS else "operator"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[tuple[Starlette, KeyFile, TestClient]]:
    store, keys = MemoryStore(), KeyFile(tmp_path / "keys.json")
    made = create_console(
        store, token=TOKEN, keys=keys, lifecycle=lifecycle_of(store), configuration=load(environment={})
    )
    with TestClient(made, "http://console", raise_server_exceptions=False, follow_redirects=False) as client:
        yield made, keys, client
    store.close()


def asked(console: Starlette) -> list[tuple[str, str]]:
    """Method and path of all that needs somebody to be known, with names and numbers that nothing has."""
    fill = {"policy_id": "p1", "exchange_id": "e1", "step": "retire", "number:int": "1", "number": "1"}
    found = []
    for route in console.routes:
        if isinstance(route, Route) and not route.path.startswith(OPEN):
            path = route.path
            for name in ("key_id", "session_id"):
                path = path.replace(f"{{{name}}}", "x")
            for name, value in fill.items():
                path = path.replace(f"{{{name}}}", value)
            found += [(method, path) for method in route.methods or () if method not in ("HEAD", "OPTIONS")]
    return sorted(found)


def test_each_role_may_do_what_is_its_own_and_no_more(console: tuple[Starlette, KeyFile, TestClient]) -> None:
    app, keys, client = console
    routes = asked(app)
    assert len(routes) > 70
    secrets = {role: keys.create(principal=role, role=role)[0] for role in get_args(KeyRole)}
    assert secrets.keys() > RANK.keys()
    for role, secret in {"": "sk-unknown", **secrets}.items():
        for method, path in routes:
            status = client.request(method, path, headers={"authorization": f"Bearer {secret}"}).status_code
            least = needed(method, path)
            if role not in RANK:
                assert status in (401, 429), (role, method, path)
            elif RANK[role] < RANK[least]:
                assert status == 403, (role, method, path)
            else:
                assert status not in (401, 403, 500), (role, method, path, status)


def test_no_other_site_uses_a_session_on_any_route(console: tuple[Starlette, KeyFile, TestClient]) -> None:
    app, _, client = console
    csrf = signed_in(client)
    for method, path in asked(app):
        if method != "GET":
            for headers, form in (({"origin": "http://evil"}, {"csrf": csrf}), ({}, {"csrf": csrf}), (OWN, {})):
                assert client.request(method, path, headers=headers, data=form).status_code == 403, (method, path)
            told = client.request(method, path, headers={**OWN, "content-type": "text/plain"}, content='{"csrf": 1}')
            assert told.status_code == 403, (method, path)

"""What clients are used to: pages that call across origins, paths with and without `/v1`, queries with escapes."""

import pytest

from sisf.gateway.paths import canonical
from tests.gateway.conftest import Rig, chat, rig

CHAT = "/v1/chat/completions"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


@pytest.mark.parametrize(
    "path", [CHAT, f"{CHAT}/", "/chat/completions", f"/{CHAT}", f"/v1{CHAT}", "/chat//completions/"]
)
def test_paths_mean_their_endpoint(gateway: Rig, path: str) -> None:
    assert gateway.post(chat("hi"), path=path).status == 200
    assert gateway.upstream.requests[-1].path == CHAT
    assert gateway.post(chat("FORBIDDEN"), path=path).status == 400


@pytest.mark.parametrize(
    "path", ["/v1", "/", "/v1/", "/chat", "/v1/chat/completions/x", "/v1/../v1/models", "/V1/models"]
)
def test_other_paths_stay_what_they_are(path: str) -> None:
    assert canonical(path, {CHAT, "/v1/models"}) == path


def test_an_inspected_endpoint_answers_other_methods_with_405(gateway: Rig) -> None:
    answer = gateway.get(CHAT)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert gateway.request("HEAD", "/").status == gateway.get("/").status == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [("?api-version=2024-10-21", 200), ("?user=a%40b.example&x=1", 200), ("?q=say%20this", 400), ("?q=%73%61%79", 400)],
)
def test_queries_may_escape_signs_and_nothing_that_speaks(gateway: Rig, query: str, status: int) -> None:
    assert gateway.post(chat("hi"), path=CHAT + query).status == status
    if status == 200:
        assert gateway.upstream.requests[-1].path == CHAT + query


def test_pages_of_this_machine_may_call_and_read(gateway: Rig) -> None:
    page = {"origin": "http://localhost:5173"}
    asked = gateway.request("OPTIONS", CHAT, headers={**page, **PREFLIGHT})
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == page["origin"]
    assert asked.headers["access-control-allow-headers"] == "authorization,content-type"
    for body in (chat("hi"), chat("FORBIDDEN"), b"{"):
        assert gateway.post(body, headers=page).headers["access-control-allow-origin"] == page["origin"]
    assert gateway.request("OPTIONS", "/v1/elsewhere", headers={**page, **PREFLIGHT}).status == 404


def test_other_pages_may_where_the_setting_says_so() -> None:
    page = {"origin": "https://chat.example.com"}
    with rig() as gateway:
        assert "access-control-allow-origin" not in gateway.request("OPTIONS", CHAT, headers=page).headers
        assert "access-control-allow-origin" not in gateway.post(chat("hi"), headers=page).headers
    for named in ("https://chat.example.com", "*"):
        with rig(listen__cors_origins=[named]) as gateway:
            asked = gateway.request("OPTIONS", CHAT, headers=page)
            assert asked.headers["access-control-allow-origin"] == page["origin"]


@pytest.mark.parametrize(
    ("host", "status"), [("gateway", 200), ("gateway:8400", 200), ("evil.example", 403), ("", 403)]
)
def test_names_of_a_local_network_reach_a_gateway_without_keys(gateway: Rig, host: str, status: int) -> None:
    assert gateway.post(chat("hi"), headers={"host": host}).status == status

"""The lists of models: whoever asks is limited, and what is told and answered is inspected."""

import json

import pytest

from sisf.policy import Action
from sisf.testing import ScriptedServer
from tests.gateway.conftest import rig

LIST = {"object": "list", "data": [{"id": "m-1", "object": "model", "created": 1, "owned_by": "us", "root": "m-1"}]}
SAYS = {"object": "list", "data": [{"id": "m-1", "object": "model", "owned_by": "us", "description": "forbidden"}]}
SHORT = {"object": "list", "data": [{"id": "m-1", "object": "model", "owned_by": "us"}]}


def test_lists_of_models_count_against_the_limit_of_requests() -> None:
    with rig(limits__requests_per_minute=2) as gateway:
        answers = [gateway.get(path) for path in ("/v1/models", "/v1/models/m", "/v1/models", "/v1/models/m")]
        assert [answer.status for answer in answers] == [200, 200, 429, 429]
        assert "retry-after" in answers[-1].headers
        assert len(gateway.upstream.requests) == 2


def test_a_list_passes_byte_for_byte() -> None:
    with rig() as gateway:
        gateway.upstream.models = json.dumps(LIST, indent=1).encode()
        assert gateway.get("/v1/models").body == gateway.upstream.models


@pytest.mark.parametrize("path", ["/v1/models/forbidden", "/v1/models/some/forbidden%20thing"])
def test_what_a_name_says_is_inspected(path: str) -> None:
    with rig() as gateway:
        gateway.warden.words = {"forbidden": Action.BLOCK}
        answer = gateway.get(path)
        assert (answer.status, answer.json()["error"]["code"]) == (400, "content_filter")
        assert not gateway.upstream.requests


@pytest.mark.parametrize("status", [200, 404])
def test_what_a_list_says_is_inspected(status: int) -> None:
    with rig() as gateway:
        gateway.warden.words = {"forbidden": Action.BLOCK}
        gateway.upstream.status = status
        for said, passes in ((SAYS, SHORT), (LIST, LIST), (SAYS["data"][0], SHORT["data"][0])):
            gateway.upstream.models = json.dumps(said).encode()
            answer = gateway.get("/v1/models")
            assert (answer.status, answer.json()) == (status, passes)
        gateway.upstream.models = json.dumps({"data": [{"id": "forbidden"}]}).encode()
        assert gateway.get("/v1/models").status == 502
        gateway.upstream.models = b"forbidden words"
        assert b"forbidden" not in gateway.get("/v1/models").body


def test_what_a_list_says_in_headers_is_inspected() -> None:
    with rig() as gateway:
        gateway.warden.words = {"forbidden": Action.BLOCK}
        gateway.upstream.headers = {"x-said": "forbidden words"}
        answer = gateway.get("/v1/models")
        assert answer.status == 200
        assert "x-said" not in answer.headers


def test_lists_of_several_upstreams_are_inspected() -> None:
    with ScriptedServer() as other, rig(upstreams={"a": {"url": other.url}}) as gateway:
        gateway.warden.words = {"forbidden": Action.BLOCK}
        for server in (other, gateway.upstream):
            server.models = json.dumps(SAYS).encode()
        assert "forbidden" not in gateway.get("/v1/models").body.decode()

"""The published document and the gateway agree."""

from typing import Any

import jsonschema_rs
import pytest

from sisf.gateway.openapi import document
from tests.gateway.conftest import Rig, rig


def test_every_path_answers_as_documented(gateway: Rig) -> None:
    published = gateway.get("/openapi.json").json()
    assert published == document()
    paths: dict[str, Any] = published["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            for body in (None, b"{}", b"[", b'{"text": 1}') if method == "post" else (None,):
                answer = gateway.request(method.upper(), path, body)
                documented = operation["responses"].get(str(answer.status))
                assert documented, (path, answer.status)
                assert answer.headers["content-type"].partition(";")[0] in documented["content"]


@pytest.mark.parametrize("path", sorted(document()["paths"]))
def test_a_wrong_method_is_a_405_that_names_the_right_one(gateway: Rig, path: str) -> None:
    answer = gateway.request("DELETE", path)
    assert answer.status in (404, 405)
    if answer.status == 405:
        assert answer.headers["allow"]


OWN = "/beta/litellm_basic_guardrail_api"
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("/v1/check", {"text": "hello"}),
    ("/v1/check", {"text": "FORBIDDEN", "response": ""}),
    ("/v1/adjudicate", {"text": "hello", "response": ""}),
    ("/v1/adjudicate", {"text": "hello", "response": "a BREACH"}),
    ("/v1/moderations", {"input": ["hello", "FORBIDDEN"]}),
    (OWN, {"input_type": "request", "texts": []}),
    (OWN, {"input_type": "request", "texts": ["FORBIDDEN"]}),
    (OWN, {"input_type": "response", "texts": ["secret"]}),
]


@pytest.mark.parametrize("reveal", ["operators", "everyone"])
def test_our_own_answers_have_the_published_form_whoever_asks(reveal: str) -> None:
    with rig(reveal=reveal) as gateway:
        gateway.warden.rewrite = ("secret", "[removed]")
        for path, body in ASKED:
            answer = gateway.post(body, path)
            assert answer.status == 200
            published = document()["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            jsonschema_rs.validate(published, answer.json())

"""The published document and the gateway agree."""

from typing import Any

import pytest

from sisf.gateway.openapi import document
from tests.gateway.conftest import Rig


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

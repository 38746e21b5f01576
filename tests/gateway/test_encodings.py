"""Compressed request bodies."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import HttpFailure, LimitExceeded
from sisf.gateway.encodings import decoded
from tests.gateway.conftest import Rig, chat

CLEAR = json.dumps(chat("hi")).encode()
BAD = json.dumps(chat("FORBIDDEN")).encode()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("name", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate), ("GZip", gzip.compress)],
)
def test_what_is_inflated_is_inspected_and_forwarded(gateway: Rig, name: str, pack) -> None:  # type: ignore[no-untyped-def]
    assert gateway.post(pack(CLEAR), headers={"content-encoding": name}).status == 200
    assert gateway.upstream.requests[-1].body == CLEAR
    assert gateway.post(pack(BAD), headers={"content-encoding": name}).json()["error"]["code"] == "content_filter"
    assert len(gateway.upstream.requests) == 1


@pytest.mark.parametrize("name", ["br", "zstd", "compress", "gzip, gzip", "gzip, br"])
def test_other_encodings_are_named_in_the_refusal(gateway: Rig, name: str) -> None:
    answer = gateway.post(CLEAR, headers={"content-encoding": name})
    assert (answer.status, answer.json()["error"]["code"]) == (415, "unsupported_encoding")
    assert name in answer.json()["error"]["message"]


def test_what_is_not_what_its_header_says_is_refused(gateway: Rig) -> None:
    for body in (CLEAR, gzip.compress(CLEAR)[:-4], gzip.compress(CLEAR) + b"x", gzip.compress(CLEAR) * 2):
        assert gateway.post(body, headers={"content-encoding": "gzip"}).status == 400
    assert gateway.upstream.requests == []


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_nothing_inflates_beyond_the_limit(body: bytes, limit: int) -> None:
    for name, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        if len(body) > limit:
            with pytest.raises(LimitExceeded):
                decoded(packed, name, limit)
        else:
            assert decoded(packed, name, limit) == body


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    with pytest.raises(LimitExceeded):
        decoded(gzip.compress(b"\0" * 20_000_000), "gzip", 1000)
    with pytest.raises(HttpFailure):
        decoded(b"", "gzip", 1000)

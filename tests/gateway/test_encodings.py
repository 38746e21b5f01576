"""Compressed bodies, of requests and of answers."""

import gzip
import json
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import HttpFailure, LimitExceeded
from sisf.gateway.encodings import PIECE, decoded, inflater, zstd
from sisf.testing import chat_completion, chat_events
from tests.gateway.conftest import Rig, chat

Pack = Callable[[bytes], bytes]

CLEAR = json.dumps(chat("hi")).encode()
BAD = json.dumps(chat("FORBIDDEN")).encode()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def in_members(body: bytes) -> bytes:
    return gzip.compress(body[:5]) + gzip.compress(b"") + gzip.compress(body[5:])


PACKED: list[tuple[str, Pack]] = [
    ("gzip", gzip.compress),
    ("x-gzip", in_members),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", brotli.compress),
    ("zstd", zstd().compress),
    ("GZip", gzip.compress),
]


@pytest.mark.parametrize(("name", "pack"), PACKED)
def test_what_is_inflated_is_inspected_and_forwarded(gateway: Rig, name: str, pack: Pack) -> None:
    assert gateway.post(pack(CLEAR), headers={"content-encoding": name}).status == 200
    assert gateway.upstream.requests[-1].body == CLEAR
    assert gateway.post(pack(BAD), headers={"content-encoding": name}).json()["error"]["code"] == "content_filter"
    assert len(gateway.upstream.requests) == 1


@pytest.mark.parametrize("name", ["compress", "gzip, gzip", "gzip, br"])
def test_other_encodings_are_named_in_the_refusal(gateway: Rig, name: str) -> None:
    answer = gateway.post(CLEAR, headers={"content-encoding": name})
    assert (answer.status, answer.json()["error"]["code"]) == (415, "unsupported_encoding")
    assert name in answer.json()["error"]["message"]


@pytest.mark.parametrize(("name", "pack"), PACKED)
def test_what_is_not_what_its_header_says_is_refused(name: str, pack: Pack) -> None:
    for body in (CLEAR, pack(CLEAR)[:-4], pack(CLEAR) + b"x", b""):
        with pytest.raises(HttpFailure) as refused:
            decoded(body, name, 10_000)
        assert (refused.value.status, refused.value.code) == (400, "invalid_encoding")


@pytest.mark.parametrize(("name", "pack"), PACKED)
def test_an_upstream_that_compresses_all_the_same_is_read(gateway: Rig, name: str, pack: Pack) -> None:
    """It is told not to; some do it whatever they are told."""
    said = chat_completion("A plain answer.")
    gateway.upstream.headers, gateway.upstream.body = {"content-encoding": name}, pack(said)
    answer = gateway.post(chat("hi"))
    assert (answer.status, answer.body) == (200, said)
    assert "content-encoding" not in answer.headers
    gateway.upstream.body = pack(chat_completion("It is FORBIDDEN."))
    assert b"FORBIDDEN" not in gateway.post(chat("hi")).body
    assert gateway.upstream.requests[-1].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(("name", "pack"), PACKED)
def test_a_compressed_stream_is_inspected_as_it_comes(gateway: Rig, name: str, pack: Pack) -> None:
    events = chat_events(["One ", "two ", "three."])
    packed = pack(b"".join(events))
    gateway.upstream.headers = {"content-type": "text/event-stream", "content-encoding": name}
    gateway.upstream.events = [packed[i : i + 7] for i in range(0, len(packed), 7)]
    assert gateway.post(chat("hi", stream=True)).body == b"".join(events)
    gateway.upstream.events = [packed[:-6]]
    assert b'"error"' in gateway.post(chat("hi", stream=True)).body


def test_answers_that_cannot_be_read_are_refused_with_the_reason(gateway: Rig) -> None:
    for name, body, code in (
        ("gzip", b"{}", "upstream_encoded"),
        ("compress", b"{}", "upstream_encoded"),
        ("gzip", gzip.compress(chat_completion("cut"))[:-3], "upstream_disconnected"),
        ("br", brotli.compress(b"\0" * 50_000_000), "upstream_too_large"),
    ):
        gateway.upstream.headers, gateway.upstream.body = {"content-encoding": name}, body
        answer = gateway.post(chat("hi"))
        assert (answer.status, answer.json()["error"]["code"]) == (502, code)


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_nothing_inflates_beyond_the_limit(body: bytes, limit: int) -> None:
    for name, pack in PACKED:
        packed = pack(body)
        if len(body) > limit:
            with pytest.raises(LimitExceeded):
                decoded(packed, name, limit)
        else:
            assert decoded(packed, name, limit) == body


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    for name, pack in PACKED:
        with pytest.raises(LimitExceeded):
            decoded(pack(b"\0" * 20_000_000), name, 1000)


@given(st.binary(max_size=3000), st.integers(1, 400))
def test_bodies_inflate_the_same_however_they_are_cut(body: bytes, size: int) -> None:
    for name, pack in PACKED:
        packed, reader = pack(body), inflater(name)
        made: list[bytes] = []
        assert reader is not None
        for i in range(0, len(packed), size):
            made += reader.feed(packed[i : i + size])
        assert (b"".join(made), reader.complete) == (body, True)
        assert all(len(piece) <= PIECE for piece in made)


def test_what_is_inflated_counts_against_the_room_for_bodies(gateway: Rig) -> None:
    held: list[int] = []

    def answer(_: object) -> str:
        held.append(gateway.app.core.bodies.total)
        return "ok"

    gateway.upstream.reply = answer
    body = json.dumps(chat("x" * 900_000)).encode()
    assert gateway.post(gzip.compress(body), headers={"content-encoding": "gzip"}).status == 200
    assert held == [len(body)]

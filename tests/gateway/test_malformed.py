"""Requests that two readers could read differently, or that are too large: a clear error each, never a crash."""

import json
import random
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.exchange import Role
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.sse import EventSplitter
from sisf.gateway.texts import joined
from sisf.gateway.wire import Malformed, _quickly, _slowly, depth_of, parse, without_halves
from sisf.settings import Limits
from sisf.testing import chat_completion
from tests.gateway.conftest import Rig, chat, rig

GOOD = json.dumps(chat("hi")).encode()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    with rig(limits__body_bytes=50_000, limits__text_chars=20_000, limits__messages=50) as made:
        yield made


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b"null", 400, "invalid_json"),
        (GOOD + b"{}", 400, "invalid_json"),
        (b"\xef\xbb\xbf" + GOOD, 400, "invalid_json"),
        (GOOD.decode().encode("utf-16"), 400, "invalid_json"),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', 400, "invalid_json"),
        (b'{"messages": [{"role": "user", "content": "a"}], "t": NaN}', 400, "invalid_json"),
        (b'{"messages": [{"role": "user", "content": "a"}], "t": ' + b"9" * 5000 + b"}", 400, "invalid_json"),
        (b'{"messages": [{"role": "user", "content": "good", "content": "bad"}]}', 400, "invalid_json"),
        (b'{"messages": [], "messages": [{"role": "user", "content": "bad"}]}', 400, "invalid_json"),
        (b'{"messages": [{"role": "user", "content": "a", "\\u0063ontent": "b"}]}', 400, "invalid_json"),
        (b'{"messages": []}', 400, "invalid_request"),
        (b'{"messages": {}}', 400, "invalid_request"),
        (b'{"messages": ["a"]}', 400, "invalid_request"),
        (b'{"messages": [{"role": "user", "content": "a"}], "stream": "yes"}', 400, "invalid_request"),
        (b'{"messages": [{"role": "user", "content": "a"}], "model": 3}', 400, "invalid_request"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", 400, "too_deep"),
        (b'{"a":' + b"[" * 20000 + b"]" * 20000 + b"}", 400, "invalid_json"),
        (json.dumps({"messages": [{"role": "user", "content": "a"}] * 51}).encode(), 400, "too_many_messages"),
        (json.dumps(chat("a" * 30_000)).encode(), 413, "too_large"),
        (json.dumps(chat("a" * 60_000)).encode(), 413, "too_large"),
    ],
)
def test_each_mistake_has_its_error(gateway: Rig, body: bytes, status: int, code: str) -> None:
    before = len(gateway.upstream.requests)
    answer = gateway.post(body)
    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (status, code)
    assert error["message"]
    assert len(gateway.upstream.requests) == before


def test_a_chunked_body_over_the_limit_is_cut_off(gateway: Rig) -> None:
    with socket.create_connection(gateway.url.removeprefix("http://").split(":"), timeout=60) as connection:  # type: ignore[arg-type]
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert b" 413 " in connection.recv(100)


@pytest.mark.parametrize("query", ["x=%20", "a=b;c", "q=" + "a" * 255])
def test_a_query_cannot_carry_text_past(gateway: Rig, query: str) -> None:
    assert gateway.post(GOOD, path=f"/v1/chat/completions?{query}").status == 400


SMUGGLING = [
    b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n",
    b"POST /v1/chat/completions HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GARBAGE\r\n\r\n",
    b"GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nhost: 169.254.169.254\r\n\r\n",
]


def _refused(answer: bytes) -> bool:
    """As the client's fault, or because a coding is not known here."""
    status = int(answer.split(b" ")[1])
    return 400 <= status < 500 or status == 501


@pytest.mark.parametrize("raw", SMUGGLING)
def test_broken_and_smuggled_requests_reach_no_model(gateway: Rig, raw: bytes) -> None:
    before = len(gateway.upstream.requests)
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer == b"" or _refused(answer), answer[:200]
    assert len(gateway.upstream.requests) == before
    assert gateway.post(GOOD).status == 200


def mutated(rng: random.Random) -> bytes:
    body = bytearray(GOOD)
    for _ in range(rng.randint(1, 6)):
        match rng.randrange(4):
            case 0:
                body[rng.randrange(len(body))] = rng.randrange(256)
            case 1:
                del body[rng.randrange(len(body)) :][:1]
            case 2:
                body.insert(rng.randrange(len(body)), rng.choice(b'{}[]",:\\0n'))
            case _:
                cut = rng.randrange(len(body))
                body = body[:cut] + body[rng.randrange(len(body)) :] or bytearray(b" ")
    return bytes(body)


def campaign(gateway: Rig, count: int, seed: int) -> None:
    """Mutated bodies over one connection: an answer each, never a server error."""
    import http.client

    rng = random.Random(seed)
    connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=10)
    for _ in range(count):
        connection.request("POST", "/v1/chat/completions", mutated(rng), {"content-type": "application/json"})
        response = connection.getresponse()
        body = json.loads(response.read())
        assert response.status in (200, 400, 413), body
        assert response.status == 200 or body["error"]["message"]
    connection.close()


def test_mutated_bodies_never_crash(gateway: Rig) -> None:
    campaign(gateway, 500, seed=0)


@pytest.mark.soak
def test_ten_thousand_mutated_bodies_never_crash(gateway: Rig) -> None:
    campaign(gateway, 10_000, seed=1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
@settings(max_examples=200, deadline=None)
def test_what_is_parsed_is_what_was_written(tree: dict[str, object]) -> None:
    try:
        text = json.dumps(tree).encode()
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert parse(text) == json.loads(text)


def read_slowly(raw: bytes) -> object:
    try:
        return _slowly(raw)
    except Malformed:
        return None


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_the_quick_reader_takes_only_what_the_strict_one_reads_alike(seed: int) -> None:
    raw = mutated(random.Random(seed))
    quick = _quickly(raw)
    assert quick is None or quick == read_slowly(raw)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    '"a"',
                    '"b"',
                    '":"',
                    '"a:"',
                    r'"\""',
                    r'"\\"',
                    r'"\\\":"',
                    r'"\u0061"',
                    r'"\u003a"',
                    '"é"',
                    r'"\u00E9"',
                ]
            ),
            json_values,
        ),
        max_size=5,
    ),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_the_quick_reader_sees_every_key_that_stands_twice(
    pairs: list[tuple[str, object]], spaced: bool, escaped: bool
) -> None:
    space = " " if spaced else ""
    members = [f"{k}{space}:{space}{json.dumps(v, ensure_ascii=escaped)}" for k, v in pairs]
    try:
        raw = ('{"x": {' + ",".join(members) + "}}").encode()
    except UnicodeEncodeError:
        return
    keys = [json.loads(key) for key, _ in pairs]
    assert (_quickly(raw) is None) >= (len(set(keys)) < len(keys))
    assert (read_slowly(raw) is None) == (len(set(keys)) < len(keys))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1, "a": ":"}',
        b'{"a": ":", "a": 1}',
        b'{"a": {"b": ":", "b": 1}, "c": ":"}',
        b'{"a" : 1, "a"\n:2}',
        b'{"a": "\\u003a", "b": 1, "b": 2}',
        b'{"\\u003aa": 1, "b": 1, "b": 2}',
    ],
)
def test_a_key_that_stands_twice_is_never_read_quickly(raw: bytes) -> None:
    assert _quickly(raw) is None
    with pytest.raises(Malformed, match="stands twice"):
        parse(raw)


def test_plain_documents_are_read_quickly() -> None:
    assert _quickly(GOOD) == json.loads(GOOD)
    assert _quickly(rb'{"a": "\u00e9 \ud83d\ude00"}') == {"a": "\u00e9 \U0001f600"}
    assert _quickly(b'{"a": "b: c", "d:": ["e:f", {"g": 1.5}]}') == {"a": "b: c", "d:": ["e:f", {"g": 1.5}]}


@given(json_values)
@settings(max_examples=200, deadline=None)
def test_no_string_hides(value: object) -> None:
    marker = "MARKER marker"
    text = "\n".join(m.content for m in joined(Role.USER, [value, {"k": [{marker: [value]}]}], "x"))
    assert marker in text
    asked = {"messages": [{"role": "user", "content": [{"type": "text", "text": marker}]}], "metadata": value}
    found = "\n".join(m.content for m in Chat().request(asked, Limits()).messages)
    assert marker in found


@given(st.lists(st.sampled_from([b"a", b"data: x", b":", b"\n", b"\r", b"\r\n", b"data:{}", b" "]), max_size=30))
@settings(max_examples=300, deadline=None)
def test_splitting_events_loses_no_byte_however_they_arrive(pieces: list[bytes]) -> None:
    def split(chunks: list[bytes]) -> tuple[bytes, list[bytes]]:
        splitter = EventSplitter(10_000)
        events = [event for chunk in chunks for event in splitter.feed(chunk)] + splitter.rest()
        return b"".join(e.raw for e in events), [e.data for e in events if e.data]

    whole = b"".join(pieces)
    try:
        expected = split([whole])
    except Malformed:
        return
    assert expected[0] == whole
    assert split([whole[i : i + 1] for i in range(len(whole))])[0] == whole


def test_depth() -> None:
    assert depth_of({"a": [1, {"b": 2}]}) == 3
    assert depth_of({}) == 1


def test_a_key_that_stands_twice_in_an_answer_reaches_the_client_once() -> None:
    with rig() as gateway:
        twice = chat_completion("a").replace(b'"content": "a"', b'"content": "b", "content": "a"')
        gateway.upstream.body = twice
        answer = gateway.post(GOOD)
        assert answer.body.count(b'"content"') == 1
        assert answer.json()["choices"][0]["message"]["content"] == "a"
        assert gateway.metric("sisf_upstream_noise_total", kind="duplicate_key") == 1


@given(
    st.lists(
        st.sampled_from(["\\ud83d", "\\uDE00", "\\ude00", "\\uD83D", "\\\\", '\\"', "\\n", "\\u00e9", "u", "d83d", "é"])
    )
)
def test_halves_of_surrogate_pairs_become_replacement_characters(pieces: list[str]) -> None:
    raw = ('{"a": "' + "".join(pieces) + '"}').encode()
    expected = json.loads(raw)["a"].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    mended = without_halves(raw)
    assert (json.loads(mended)["a"], len(mended)) == (expected, len(raw))
    if expected == json.loads(raw)["a"]:
        assert mended == raw


@pytest.mark.parametrize(
    "raw", [rb"\ud", rb"\ud8", rb"\ud83", rb"\ud83g", rb"\udc0", rb"\\ud83d", b"\0\\ud83d", rb"\ud8\ude0"]
)
def test_what_is_no_half_of_a_surrogate_pair_stays(raw: bytes) -> None:
    assert without_halves(raw) == raw


def test_a_text_that_was_cut_within_an_emoji_goes_on(gateway: Rig) -> None:
    body = json.dumps(chat("deploy ok \ud83d… cut")).encode()
    assert gateway.post(body).status == 200
    assert gateway.upstream.requests[-1].json() == chat("deploy ok \ufffd… cut")
    assert gateway.post(json.dumps(chat("FORBIDDEN \ud83d")).encode()).status == 400


_LINE = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
_FORBIDDEN = json.dumps(chat("FORBIDDEN")).encode()


def _dressed(*headers: bytes, line: bytes = _LINE, body: bytes = _FORBIDDEN) -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return line + b"".join(header + b"\r\n" for header in headers) + length + b"connection: close\r\n\r\n" + body


def _chunked(*headers: bytes, body: bytes = _FORBIDDEN) -> bytes:
    head = _LINE + b"".join(header + b"\r\n" for header in headers) + b"connection: close\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def _at(path: bytes, method: bytes = b"POST") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\nhost: localhost\r\n"


DRESSES = {
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade to HTTP/2": _dressed(b"connection: upgrade", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQAAP__"),
    "an upgrade to a websocket": _dressed(b"upgrade: websocket", b"sec-websocket-version: 13"),
    "another method by a header": _dressed(b"x-http-method-override: POST", line=_at(b"/v1/chat/completions", b"PUT")),
    "another path by a header": _dressed(b"x-original-url: /v1/files", b"x-rewrite-url: /healthz"),
    "another host by a header": _dressed(b"x-forwarded-host: evil.example", b"forwarded: host=evil.example"),
    "a whole address": _dressed(line=_at(b"https://evil.example/v1/chat/completions")),
    "slashes in percent": _dressed(line=_at(b"/v1%2fchat%2fcompletions")),
    "dots in percent": _dressed(line=_at(b"/v1/models/%2e%2e/chat/completions")),
    "dots and a semicolon": _dressed(line=_at(b"/v1/models/..;/chat/completions")),
    "a zero in the path": _dressed(line=_at(b"/v1/chat%00/completions")),
    "backslashes": _dressed(line=_at(b"/v1\\chat\\completions")),
    "the version twice": _dressed(line=_at(b"/v1/v1/chat/completions")),
    "a fragment": _dressed(line=_at(b"/v1/chat/completions#x")),
    "a long path": _dressed(line=_at(b"/v1/" + b"a" * 60_000)),
    "two content lengths": _dressed(b"content-length: 0"),
    "two codings, one unknown": _chunked(b"transfer-encoding: gzip, chunked"),
    "chunked, and not": _chunked(b"transfer-encoding: chunked", b"transfer-encoding: identity"),
    "chunked in other letters": _chunked(b"transfer-encoding: ChUnKeD"),
    "chunks without end": _LINE + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + _FORBIDDEN,
    "two types": _dressed(b"content-type: application/json", b"content-type: text/plain"),
    "another character set": _dressed(b"content-type: application/json; charset=utf-16"),
    "a form": _dressed(b"content-type: application/x-www-form-urlencoded", body=b"messages=FORBIDDEN"),
    "parts of a form": _dressed(
        b"content-type: multipart/form-data; boundary=b", body=b"--b\r\n\r\nFORBIDDEN\r\n--b--"
    ),
    "lines of JSON": _dressed(body=GOOD + b"\n" + _FORBIDDEN),
    "UTF-16": _dressed(body=b"\xff\xfe" + _FORBIDDEN.decode().encode("utf-16-le")),
    "a key of prototypes": _dressed(body=GOOD[:-1] + b', "__proto__": {"messages": "FORBIDDEN"}}'),
    "a key in capitals": _dressed(body=GOOD[:-1] + b', "Messages": [{"role": "user", "content": "FORBIDDEN"}]}'),
    "a key with a space": _dressed(body=GOOD[:-1] + b', "messages ": [{"role": "user", "content": "FORBIDDEN"}]}'),
    "a model's name": _dressed(body=json.dumps({**chat("hi"), "model": "a/../b\r\nFORBIDDEN"}).encode()),
    "keys of a bias": _dressed(body=json.dumps({**chat("hi"), "logit_bias": {"FORBIDDEN": 1}}).encode()),
    "a role": _dressed(body=json.dumps({"model": "m", "messages": [{"role": "FORBIDDEN", "content": "hi"}]}).encode()),
    "a second request behind the first": _dressed(body=GOOD + _dressed()),
}


@pytest.mark.parametrize("name", DRESSES)
def test_no_dress_of_a_request_carries_text_past(gateway: Rig, name: str) -> None:
    before = len(gateway.upstream.requests)
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(DRESSES[name])
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    assert _refused(answer), answer[:200]
    assert len(gateway.upstream.requests) == before


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "cp037"])
def test_the_upstream_reads_the_body_as_it_was_read_here(gateway: Rig, charset: str) -> None:
    answer = gateway.post(GOOD, headers={"content-type": f"application/json; charset={charset}"})
    assert (answer.status, gateway.upstream.requests[-1].headers["content-type"]) == (200, "application/json")

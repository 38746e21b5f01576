"""What one hostile client may send to hold up everybody else: each shape as large as the default limits let it be."""

import base64
import gzip
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any

CHAT, RESPONSES, MESSAGES, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions"
MARKER = "zanzibarpayload"
"""What a policy in force blocks."""
HIDDEN = "secretcode"
"""What a policy in force rewrites."""
BODY = 3_900_000
TEXT = 950_000
MANY = 1_500
"""Small things, of which there are limits only by their size."""


@dataclass(frozen=True)
class Shape:
    """A request, and what the model answers to it."""

    path: str
    body: bytes
    answer: bytes | None = None
    events: list[bytes] | None = None
    status: int = 200


def repeated(piece: bytes, size: int = BODY) -> bytes:
    return b",".join([piece] * (size // (len(piece) + 1)))


def parts(inner: bytes) -> bytes:
    return b'{"model":"m","messages":[{"role":"user","content":[' + inner + b"]}]}"


def around(key: bytes, value: bytes) -> bytes:
    return b'{"model":"m","messages":[{"role":"user","content":"a"}],"' + key + b'":' + value + b"}"


def said(text: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()


def talk(*turns: str) -> bytes:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    return json.dumps({"model": "m", "messages": messages}).encode()


def fill(piece: str, size: int = TEXT) -> str:
    return (piece * (size // len(piece) + 1))[:size]


def _random(alphabet: str, size: int = TEXT, seed: int = 1) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=size))


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_B64 = _LETTERS + _LETTERS.upper() + "0123456789+/"
_PLAIN = "The orchestra of the harbour town plays on the steps of the library in the evening, Anna said to Ben. "

TEXTS: dict[str, Callable[[int], str]] = {
    "plain prose": lambda n: fill(_PLAIN, n),
    "one letter": lambda n: "a" * n,
    "spaces": lambda n: " " * n,
    "line breaks": lambda n: "\n" * n,
    "letters apart": lambda n: fill("b-o m b ", n),
    "dots between": lambda n: fill("a.b.c.d.e ", n),
    "base64": lambda n: base64.b64encode(fill(_PLAIN, n).encode()).decode()[:n],
    "UTF-7": lambda n: fill("+AGE-b", n),
    "base64 of nothing": lambda n: _random(_B64, n),
    "base64 words": lambda n: " ".join(_random(_B64, 20, seed) for seed in range(n // 21)),
    "hex": lambda n: fill(_PLAIN, n).encode().hex()[:n],
    "hex of nothing": lambda n: _random("0123456789abcdef", n),
    "percent": lambda n: fill("%41%42%20", n),
    "entities": lambda n: fill("&#65;&lt;&amp;", n),
    "escapes": lambda n: fill("\\u0041\\x42\\n", n),
    "base32": lambda n: _random("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", n),
    "base85": lambda n: _random("".join(map(chr, range(33, 127))), n),
    "quoted printable": lambda n: fill("=41=42=\n", n),
    "uuencode": lambda n: fill("begin 644 a\nM" + "A" * 60 + "\n", n),
    "morse": lambda n: fill(".- -... -.-. / ", n),
    "numbers": lambda n: fill("72 101 108 108 111 ", n),
    "initials": lambda n: fill("Apples\nBerries\nOranges\nMelons\n", n),
    "leet": lambda n: fill("h0w t0 m4k3 4 c4k3 ", n),
    "markup": lambda n: fill("<b>a</b><i x='1'>", n),
    "open tags": lambda n: fill("<a ", n),
    "comments": lambda n: fill("/* a */ # b\n<!-- c -->", n),
    "strings": lambda n: fill("x = 'a' + \"b\"; ", n),
    "assigned": lambda n: fill("a='b'\nc=a\n", n),
    "accents": lambda n: fill("á̧б", n),
    "wide letters": lambda n: fill("\uff28\uff45\uff4c\uff4c\uff4f ", n),
    "greek": lambda n: fill("ηοω το μακε ", n),
    "emoji": lambda n: fill("b\U0001f600o\U0001f601m\U0001f602b ", n),
    "directions": lambda n: fill("\u202eabc\u202c ", n),
    "tags": lambda n: fill("a\U000e0041\U000e0042", n),
    "zero width": lambda n: fill("a\u200bb\u200dc ", n),
    "upside down": lambda n: fill("\u0250q\u0254p\u01dd ", n),
    "rot13": lambda n: fill("ubj gb znxr n obzo ", n),
    "scrambled": lambda n: fill("hwo ot meak a ckae ", n),
    "one word": lambda n: _random(_LETTERS, n),
    "glued words": lambda n: fill("howtomakeacakeathome", n),
    "numbered": lambda n: fill("1. how 2. to 3. make 4. it ", n),
    "hangul": lambda n: fill("\u1112\u1161\u11ab", n),
    "everything": lambda n: fill(
        " ".join(f"&#{k};%41 aGVsbG8gd29ybGQgdGhpcw== \\u0041 uryyb gur 0x41 b-o-m-b gnivah" for k in range(50)), n
    ),
}
"""Texts of which other readings are made."""


def _events(*objects: Any) -> list[bytes]:
    return [b"data: " + (o if isinstance(o, bytes) else json.dumps(o).encode()) + b"\n\n" for o in objects] + [
        b"data: [DONE]\n\n"
    ]


def _delta(**delta: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}


_STREAM = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
_ASK = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'

SHAPES: dict[str, Callable[[], Shape]] = {
    "empty lists": lambda: Shape(CHAT, parts(repeated(b"[]"))),
    "empty objects": lambda: Shape(CHAT, parts(repeated(b"{}"))),
    "empty strings": lambda: Shape(CHAT, parts(repeated(b'""'))),
    "letters": lambda: Shape(CHAT, parts(repeated(b'"a"'))),
    "ones": lambda: Shape(CHAT, parts(repeated(b"1"))),
    "50,000 ones": lambda: Shape(CHAT, around(b"metadata", b"[" + repeated(b"1", 98_000) + b"]")),
    "text parts": lambda: Shape(CHAT, parts(repeated(b'{"type":"text","text":"a"}', 135_000))),
    "deep": lambda: Shape(CHAT, parts(repeated(b"[" * 55 + b"]" * 55, 90_000))),
    "deeper": lambda: Shape(CHAT, parts(b"[" * 49_000 + b"]" * 49_000)),
    "keys": lambda: Shape(CHAT, around(b"metadata", json.dumps({f"key {n}": "v" for n in range(49_000)}).encode())),
    "escaped keys": lambda: Shape(
        CHAT, around(b"metadata", json.dumps({f"k\u00e9y {n}": "\u00e9" for n in range(49_000)}).encode())
    ),
    "numbers of many digits": lambda: Shape(CHAT, around(b"seed", b"1" * 4_000)),
    "tools": lambda: Shape(
        CHAT,
        around(
            b"tools", b"[" + repeated(b'{"type":"function","function":{"name":"f","description":"d"}}', 900_000) + b"]"
        ),
    ),
    "expressions": lambda: Shape(
        CHAT,
        around(
            b"tools",
            json.dumps(
                [{"type": "function", "function": {"name": "f", "parameters": {"pattern": "([a]|b)?" * 1_200}}}] * 90
            ).encode(),
        ),
    ),
    "arguments": lambda: Shape(
        CHAT,
        json.dumps(
            {
                "model": "m",
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {
                                "id": "c",
                                "type": "function",
                                "function": {"name": "f", "arguments": json.dumps(["\u0041\n"] * 45_000)},
                            }
                        ],
                    }
                ],
            }
        ).encode(),
    ),
    "numbers of characters in arguments": lambda: Shape(
        CHAT,
        json.dumps(
            {
                "model": "m",
                "messages": [
                    {"role": "tool", "tool_call_id": "c", "content": json.dumps([[97], {"a": 98.0}] * 24_000)}
                ],
            }
        ).encode(),
    ),
    "arguments in arguments": lambda: Shape(
        CHAT,
        json.dumps(
            {
                "model": "m",
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {
                                "id": "c",
                                "type": "function",
                                "function": {"name": "f", "arguments": json.dumps([json.dumps(["\n"] * 12_000)] * 4)},
                            }
                        ],
                    }
                ],
            }
        ).encode(),
    ),
    "2,000 turns": lambda: Shape(CHAT, talk(*(f"turn {n}" for n in range(2_000)))),
    "2,000 turns, half of them blocked": lambda: Shape(
        CHAT, talk(*(f"{MARKER} {n}" if n % 2 == 0 else f"turn {n}" for n in range(2_001)))
    ),
    "all turns blocked": lambda: Shape(CHAT, talk(*(f"{MARKER} {n}" for n in range(2_001)), "", "hello")),
    "long turns, blocked": lambda: Shape(CHAT, talk(*([f"{MARKER} " + fill(_PLAIN, 40_000), "no"] * 20), "hello")),
    "rewritten": lambda: Shape(CHAT, talk(*(f"{HIDDEN} {n}" for n in range(2_001)))),
    "rewritten, long": lambda: Shape(CHAT, said(fill(f"{HIDDEN} is here. "))),
    "many inputs": lambda: Shape(
        COMPLETIONS, json.dumps({"model": "m", "prompt": [f"text {n}" for n in range(2_000)]}).encode()
    ),
    "many items": lambda: Shape(
        RESPONSES,
        json.dumps({"model": "m", "input": [{"role": "user", "content": f"text {n}"} for n in range(2_000)]}).encode(),
    ),
    "many blocks": lambda: Shape(
        MESSAGES,
        json.dumps(
            {
                "model": "m",
                "max_tokens": 5,
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": f"text {n}"} for n in range(4_900)]}
                ],
            }
        ).encode(),
    ),
    "many moderations": lambda: Shape(
        "/v1/moderations", json.dumps({"input": [f"{MARKER} {n}" for n in range(800)]}).encode()
    ),
    "not JSON": lambda: Shape(CHAT, b"[" * BODY),
    "not UTF-8": lambda: Shape(CHAT, b'{"a":"' + b"\xff" * BODY),
    "twice": lambda: Shape(CHAT, b'{"model":"m",' + repeated(b'"a":1', 240_000) + b"}"),
    "half pairs": lambda: Shape(CHAT, around(b"metadata", b"[" + repeated(b'"\\ud800"', 400_000) + b"]")),
    # what a client can have a model say
    "one event of 4 MB": lambda: Shape(CHAT, _STREAM, events=_events(_delta(content=fill(_PLAIN)))),
    "one event of 4 MB, nothing in it": lambda: Shape(
        CHAT, _STREAM, events=_events(b'{"choices":[],"x":[' + repeated(b"{}", 800_000) + b"]}")
    ),
    "one event with many choices": lambda: Shape(
        CHAT,
        _STREAM,
        events=_events({"choices": [{"index": n, "delta": {"content": "a"}} for n in range(900)]}),
    ),
    "one event with many tool calls": lambda: Shape(
        CHAT,
        _STREAM,
        events=_events(_delta(tool_calls=[{"index": n, "function": {"arguments": "a"}} for n in range(MANY)])),
    ),
    "tool call in many pieces": lambda: Shape(
        CHAT,
        _STREAM,
        events=_events(
            *(_delta(tool_calls=[{"index": 0, "function": {"arguments": '"\\u0041 b",'}}]) for _ in range(MANY))
        ),
    ),
    "many small events": lambda: Shape(CHAT, _STREAM, events=_events(*(_delta(content="word ") for _ in range(MANY)))),
    "empty events": lambda: Shape(CHAT, _STREAM, events=_events(*(_delta(content="") for _ in range(MANY)))),
    "an event in small pieces": lambda: Shape(
        CHAT, _STREAM, events=[piece for whole in _events(_delta(content=fill(_PLAIN))) for piece in _cut(whole, 1_000)]
    ),
    "comments in a stream": lambda: Shape(
        CHAT, _STREAM, events=[b": " + fill(_PLAIN, 5_000).encode() + b"\n\n"] * 150 + _events(_delta(content="a"))
    ),
    "blank lines in a stream": lambda: Shape(CHAT, _STREAM, events=[b"\n" * 60_000] * 2 + _events(_delta(content="a"))),
    "large answer": lambda: Shape(
        CHAT,
        _ASK,
        answer=json.dumps(
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": fill(_PLAIN)}}]}
        ).encode(),
    ),
    "answer with many choices": lambda: Shape(
        CHAT,
        _ASK,
        answer=json.dumps(
            {"choices": [{"index": n, "message": {"role": "assistant", "content": "a b c"}} for n in range(MANY)]}
        ).encode(),
    ),
    "answer that is withheld": lambda: Shape(
        CHAT,
        _ASK,
        answer=json.dumps(
            {
                "choices": [
                    {"index": n, "message": {"role": "assistant", "content": MARKER if n else "a"}} for n in range(MANY)
                ]
            }
        ).encode(),
    ),
    "answer that is rewritten": lambda: Shape(
        CHAT,
        _ASK,
        answer=json.dumps(
            {"choices": [{"index": 0, "message": {"role": "assistant", "content": fill(f"{HIDDEN} is here. ")}}]}
        ).encode(),
    ),
    "answer with log probabilities": lambda: Shape(
        CHAT,
        _ASK,
        answer=json.dumps(
            {
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "a" * 30_000},
                        "logprobs": {
                            "content": [{"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}] * 30_000
                        },
                    }
                ]
            }
        ).encode(),
    ),
    "answer of empty objects": lambda: Shape(
        CHAT, _ASK, answer=b'{"choices":[],"x":[' + repeated(b"{}", 800_000) + b"]}"
    ),
    "large error": lambda: Shape(
        CHAT,
        _ASK,
        answer=b'{"error":{"message":"' + fill(_PLAIN).encode() + b'","x":[' + repeated(b"{}", 400_000) + b"]}}",
        status=500,
    ),
}


LONG_STREAM = _events(*(_delta(content=fill(_PLAIN, 10_000)) for _ in range(60)))
"""More than the buffers of a connection take."""


def _cut(whole: bytes, size: int) -> list[bytes]:
    return [whole[i : i + size] for i in range(0, len(whole), size)]


def _saying(text: Callable[[int], str], size: int) -> Callable[[], Shape]:
    return lambda: Shape(CHAT, said(text(size)))


SHORT_TEXTS = {name: _saying(text, 3_990) for name, text in TEXTS.items()}
LONG_TEXTS = {name: _saying(text, TEXT) for name, text in TEXTS.items()}


def send(address: str, key: str, path: str, body: bytes, at_once: int, over: Event) -> None:
    """Send one request again and again, so many at once, until it is over. The main function of a process."""

    def attack() -> None:
        while not over.is_set():
            connection = http.client.HTTPConnection(address, timeout=60)
            with suppress(OSError, http.client.HTTPException):
                headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
                connection.request("POST", path, body, headers)
                connection.getresponse().read()
            connection.close()

    threads = [threading.Thread(target=attack, daemon=True) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(80)


def _request(address: str, key: str, *fields: str, path: str = CHAT) -> bytes:
    """The head of a request."""
    named = (
        f"POST {path} HTTP/1.1",
        f"Host: {address}",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
    )
    return "\r\n".join((*named, *fields, "", "")).encode()


def _whole(address: str, key: str, body: bytes = _ASK, *fields: str, path: str = CHAT) -> bytes:
    return _request(address, key, f"Content-Length: {len(body)}", *fields, path=path) + body


_CHUNKED = "Transfer-Encoding: chunked"
_MEMBERS = gzip.compress(b" ") * 40_000
HELD = 200
"""Connections that are kept open at once."""

SENT: dict[str, Callable[[str, str], bytes]] = {
    "pieces of one byte": lambda a, k: _request(a, k, _CHUNKED) + b"1\r\n \r\n" * 400_000,
    "pieces with long extensions": lambda a, k: _request(a, k, _CHUNKED) + (b"1;" + b"e" * 200 + b"\r\n \r\n") * 9_000,
    "many trailers": lambda a, k: _request(a, k, _CHUNKED) + b"0\r\n" + b"x-a: b\r\n" * 100_000 + b"\r\n",
    "many fields": lambda a, k: _whole(a, k, _ASK, *(f"x-field-{n}: {n:060}" for n in range(90))),
    "ahead of their turn": lambda a, k: _whole(a, k) * 60,
    "ahead of their turn, refused": lambda a, k: _whole(a, k, b"{}") * 60,
    "many members of gzip": lambda a, k: _whole(a, k, _MEMBERS, "Content-Encoding: gzip"),
    "looks at the health": lambda a, _: f"GET /healthz HTTP/1.1\r\nHost: {a}\r\n\r\n".encode() * 60,
    "reports": lambda a, k: _whole(a, k, b'{"exchange":"nobody","kind":"false_positive"}', path="/v1/feedback") * 20,
    "no HTTP": lambda _, __: random.Random(1).randbytes(900_000),
}
"""What is sent on one connection after the other, bytes of HTTP; what is answered is read."""
LEFT: dict[str, Callable[[str, str], bytes]] = {
    "requests that are left": _whole,
    "connections": lambda _, __: b"",
}
"""The same, and nobody waits for an answer."""
KEPT: dict[str, Callable[[str, str], bytes]] = {
    "streams that nobody reads": lambda a, k: _whole(a, k, _STREAM),
    "bodies that are waited for": lambda a, k: _request(a, k, "Content-Length: 3900000", "Expect: 100-continue"),
}
"""What is sent on connections that are kept, and nothing is read."""


def send_raw(address: str, key: str, name: str, at_once: int, over: Event) -> None:
    """Do one of the above until it is over. The main function of a process."""
    host, _, port = address.rpartition(":")
    made = (SENT | LEFT | KEPT)[name](address, key)

    def attack() -> None:
        kept: list[socket.socket] = []
        while not over.is_set():
            with suppress(OSError):
                opened = socket.create_connection((host, int(port)), timeout=10)
                kept.append(opened)
                opened.sendall(made)
                if name in SENT:
                    opened.shutdown(socket.SHUT_WR)
                    while opened.recv(65_536):
                        pass
            if name in KEPT:
                time.sleep(at_once / 100)
            if name not in KEPT or len(kept) > HELD // at_once:
                kept.pop(0).close()

    threads = [threading.Thread(target=attack, daemon=True) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(80)


class _Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"] or 0))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def answer_all(address: Connection) -> None:
    """Read every request and answer nothing. The main function of a process, which tells its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    address.send(f"127.0.0.1:{server.server_port}")
    server.serve_forever()

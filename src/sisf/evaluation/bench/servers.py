"""The servers that `sisf bench gateway` compares, each run in a process of its own."""

import asyncio
import itertools
import json
import random
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

SSE_CHUNKS = 400
UNINSPECTED = "/v1/uninspected"
"""An endpoint that the gateway passes through: what it costs to be a proxy at all."""
DIFFERENT = 6_000
"""Different texts: more than the Warden remembers, so that each one is inspected."""
_CALM = ["garden", "recipe", "planet", "letter", "holiday", "teacher", "music", "budget", "river", "engine"]
_WORDS = [
    "poison",
    "explosive",
    "counterfeit",
    "malware",
    "ransom",
    "forged",
    "stolen",
    "weapon",
    "phishing",
    "exploit",
]


def serve_upstream(listener: socket.socket) -> None:
    """The fastest upstream that Python can write: fixed bytes, no parsing beyond the length."""
    rng = random.Random(1)
    plain = itertools.cycle([_plain_answer(sentence(rng, 120)) for _ in range(DIFFERENT)])
    first, rest = _streamed_answer()

    class Protocol(asyncio.Protocol):
        def __init__(self) -> None:
            self.buffer = b""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport

        def data_received(self, data: bytes) -> None:
            self.buffer += data
            while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
                head = self.buffer[:end].lower()
                length = next((x for x in head.split(b"\r\n") if x.startswith(b"content-length:")), b":0")
                size = end + 4 + int(length.split(b":")[1])
                if len(self.buffer) < size:
                    return
                body, self.buffer = self.buffer[end + 4 : size], self.buffer[size:]
                if b'"stream":true' in body.replace(b" ", b""):
                    self.transport.write(first)
                    asyncio.get_running_loop().call_later(0.02, self.transport.write, rest)
                else:
                    self.transport.write(next(plain))

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Protocol, sock=listener)
        await server.serve_forever()

    asyncio.run(serve())


def serve_pass_through(listener: socket.socket, upstream: str) -> None:
    """The reference: the gateway's own server and the usual client, aiohttp, with nothing in between.

    It stays what it was when the gateway got a client of its own, so that ratios can be held against earlier ones.
    """
    import aiohttp

    sessions: list[aiohttp.ClientSession] = []
    url = f"{upstream}/v1/chat/completions"

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        if not sessions:
            connector = aiohttp.TCPConnector(limit=0)
            sessions.append(aiohttp.ClientSession(connector=connector, auto_decompress=False))
        body = (await receive())["body"]
        async with sessions[0].post(url, data=body, headers={"content-type": "application/json"}) as response:
            answer = await response.read()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    _serve(app, listener, lifespan="off")


def serve_gateway(listener: socket.socket, upstream: str, folder: str, seed: int, semantic: int | str = 0) -> None:
    """The gateway over a real store, with 240 heuristic policies of which none matches anything, and semantic ones: so
    many generated ones on prompts that match nothing either, or those in the file of that name."""
    from sisf.bootstrap import build
    from sisf.embedding.factory import create_embedder
    from sisf.evaluation.bench.load import Load
    from sisf.gateway.app import create_app
    from sisf.gateway.server import configure_logs
    from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Status, codec
    from sisf.settings import load
    from sisf.store import open_store

    url = f"sqlite:///{folder}/bench.db"
    rng = random.Random(seed)
    report = GateReport(passed=True)
    policies = [
        Policy(
            Pattern(rf"\b{rng.choice(_WORDS)}\W+(?:\w+\W+){{0,3}}{rng.choice(_WORDS)}{number}\b"),
            Action.BLOCK,
            Direction.BOTH,
            "made for the bench",
            status=Status.ACTIVE,
            gate_report=report,
        )
        for number in range(240)
    ]
    if isinstance(semantic, str):
        policies += [codec.from_json(text) for text in json.loads(Path(semantic).read_text())]
    elif semantic:
        generated = Load(create_embedder(), seed)
        made = [*generated.prototypes(semantic // 2), *generated.probes(semantic - semantic // 2)]
        policies += [replace(policy, gate_report=report) for policy in made]
    store = open_store(url)
    store.policies.commit(Change(tuple(policies), "person:bench", "bench"), expected=0)
    configure_logs("warning")
    given = {
        "upstream.url": f"{upstream}/v1",
        "store.url": url,
        "loop.workers": 0,
        "on_failure.warden_timeout": 60.0,  # a busy machine must not end the bench
        "pass_through": [f"POST {UNINSPECTED}"],
    }
    settings = load(environment={}, overrides=given)
    system = build(settings, store=store)
    app = create_app(
        warden=system.warden,
        loop=system.loop,
        adjudicator=system.adjudicator,
        store=system.store,
        settings=settings,
    )
    _serve(app, listener)


def _serve(app: Any, listener: socket.socket, lifespan: str = "auto") -> None:
    from sisf.serving import settle, uvicorn_server

    settle()
    server = uvicorn_server(app, lifespan=lifespan, drain_seconds=1)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))


def sentence(rng: random.Random, words: int) -> str:
    """Words of which no policy says anything."""
    return " ".join(rng.choice(_CALM) for _ in range(words))


def _plain_answer(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "choices": [choice]}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def _streamed_answer() -> tuple[bytes, bytes]:
    """The head with the first event, and all that follows a little later."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": f" calm{index % 7}"} for index in range(SSE_CHUNKS - 2)]
    events = []
    for delta in [*deltas, {}]:
        choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        events.append(b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n")
    framed = [b"%x\r\n%b\r\n" % (len(event), event) for event in [*events, b"data: [DONE]\n\n"]]
    return head + framed[0], b"".join(framed[1:]) + b"0\r\n\r\n"

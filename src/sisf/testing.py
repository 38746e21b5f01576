"""Fakes that ship: what SISF's own tests run against, for users' tests too."""

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any

from sisf.exchange import Exchange
from sisf.policy import Action, Direction, GateReport, Pattern, Policy, Provenance
from sisf.store.memory import MemoryStore as MemoryStore  # noqa: PLC0414 - exported on purpose
from sisf.synthesis.base import Knowledge
from sisf.verdict import Breach, Outcome, Verdict


class Failure(StrEnum):
    """How a scripted server fails."""

    NONE = "none"
    REFUSE = "refuse"
    """Nothing listens: connections are refused."""
    HANG = "hang"
    """The request is read and never answered."""
    SLOW = "slow"
    """Every piece of the answer comes `delay` seconds late."""
    TRICKLE = "trickle"
    """A plain answer comes byte by byte, each `delay` seconds late."""
    RATE_LIMIT = "429"
    SERVER_ERROR = "500"
    MALFORMED = "malformed"
    """Status 200 and a body (or an event) that is no JSON."""
    TRUNCATED = "truncated"
    """The connection closes in the middle of the answer."""
    STALL = "stall"
    """Half of the answer comes, then nothing, and the connection stays open."""
    RESET = "reset"
    """The connection is reset in place of an answer."""
    GARBAGE = "garbage"
    """Bytes that are no HTTP."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


def chat_completion(text: str, *, model: str = "scripted", **more: Any) -> bytes:
    """The bytes of a plain chat completion with one choice."""
    message = {"role": "assistant", "content": text}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        **more,
    }
    return json.dumps(body).encode()


def chat_events(pieces: Iterable[str], *, model: str = "scripted") -> list[bytes]:
    """The server-sent events of a streamed chat completion with one choice, `[DONE]` included."""

    def event(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
        return b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"

    events = [event({"role": "assistant", "content": ""})]
    events += [event({"content": piece}) for piece in pieces]
    return [*events, event({}, "stop"), b"data: [DONE]\n\n"]


@dataclass
class ScriptedServer:
    """An OpenAI-compatible server on a free loopback port, in threads, that answers as told and fails as told.

    Fields may be changed while it runs (all but `failure=REFUSE`, which must be chosen at the start). `body` and
    `events` answer plain and streamed requests to any path, byte for byte; `requests` collects what arrived.
    """

    answer: str = "A scripted answer."
    failure: Failure = Failure.NONE
    delay: float = 0.5
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    models: bytes = b'{"object":"list","data":[{"id":"scripted","object":"model"}]}'
    reply: Callable[[Received], str] | None = None
    """What a plain completion says, made from the request; wins over `answer` and `body` while nothing fails."""
    events: Sequence[bytes] | None = None
    requests: list[Received] = field(default_factory=list)
    aborted: threading.Event = field(default_factory=threading.Event)
    """Set when a client closed its connection before the answer was complete."""

    def __enter__(self) -> "ScriptedServer":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._stopped = threading.Event()
        self._open: set[socket.socket] = set()
        if self.failure is Failure.REFUSE:
            self._listener.close()
        else:
            threading.Thread(target=self._accept, name=f"scripted :{self.port}", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError), connection.makefile("rb") as reader:
            while not self._stopped.is_set():
                received = _read_request(reader)
                if received is None:
                    break
                self.requests.append(received)
                if not self._respond(connection, received):
                    break
        self._open.discard(connection)

    def _respond(self, connection: socket.socket, received: Received) -> bool:
        """Answer, or fail; whether the connection can be used again."""
        failure = self.failure
        if failure in (Failure.HANG, Failure.RESET, Failure.GARBAGE):
            self._break(connection, failure)
            return False
        if failure in (Failure.RATE_LIMIT, Failure.SERVER_ERROR):
            status = int(failure.value)
            error = {"message": f"scripted {status}", "type": "scripted", "param": None, "code": None}
            extra = {"retry-after": "7"} if status == 429 else {}
            _send(connection, status, json.dumps({"error": error}).encode(), extra)
            return True
        if received.method == "GET":
            _send(connection, self.status, self.models, self.headers)
            return True
        streamed = b'"stream":true' in received.body.replace(b" ", b"")
        if streamed:
            return self._stream(connection, failure)
        if self.reply is None or failure is not Failure.NONE:
            return self._plain(connection, failure)
        _send(connection, self.status, chat_completion(self.reply(received)), self.headers)
        return True

    def _break(self, connection: socket.socket, failure: Failure) -> None:
        """Give no answer at all."""
        if failure is Failure.HANG:
            self._linger(connection)
        elif failure is Failure.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.sendall(b"\x00\xff\x13garbage\r\n\r\n" * 8)

    def _plain(self, connection: socket.socket, failure: Failure) -> bool:
        body = b'{"choices": [' if failure is Failure.MALFORMED else self.body or chat_completion(self.answer)
        if failure is Failure.SLOW:
            self._stopped.wait(self.delay)
        head = _head(
            self.status, {"content-type": "application/json", "content-length": str(len(body)), **self.headers}
        )
        if failure is Failure.TRICKLE:
            for start in range(len(head + body)):
                connection.sendall((head + body)[start : start + 1])
                if start >= len(head):
                    self._stopped.wait(self.delay)
            return True
        if failure in (Failure.TRUNCATED, Failure.STALL):
            connection.sendall(head + body[: len(body) // 2])
            if failure is Failure.STALL:
                self._linger(connection)
            return False
        _send(connection, self.status, body, self.headers)
        return True

    def _stream(self, connection: socket.socket, failure: Failure) -> bool:
        events = self.events if self.events is not None else chat_events(re.findall(r"\s*\S+|\s+", self.answer))
        given = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **self.headers}
        connection.sendall(_head(self.status, given))
        try:
            for index, event in enumerate(events):
                if failure is Failure.SLOW:
                    self._stopped.wait(self.delay)
                if index == len(events) // 2 and failure in (Failure.TRUNCATED, Failure.STALL, Failure.MALFORMED):
                    if failure is Failure.MALFORMED:
                        event = b'data: {"choices": [\n\n'  # noqa: PLW2901
                    elif failure is Failure.STALL:
                        self._linger(connection)
                        return False
                    else:
                        return False
                connection.sendall(b"%x\r\n%b\r\n" % (len(event), event))
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            self.aborted.set()
            raise
        return True

    def _linger(self, connection: socket.socket) -> None:
        """Say nothing until the client goes away or the server stops."""
        connection.settimeout(0.05)
        while not self._stopped.is_set():
            try:
                if not connection.recv(1):
                    self.aborted.set()
                    return
            except TimeoutError:
                continue
            except OSError:
                self.aborted.set()
                return


def _read_request(reader: Any) -> Received | None:
    first = reader.readline()
    if not first.strip():
        return None
    method, path, _ = first.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Received(method, path, headers, reader.read(int(headers.get("content-length", "0"))))


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _send(connection: socket.socket, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    given = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    connection.sendall(_head(status, given) + body)


def wait_until(condition: Any, *, seconds: float = 60.0) -> bool:
    """Poll `condition` until it is true; False when `seconds` passed first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


class ScriptedAdjudicator:
    """A judge that says what it is told: `rule` maps an exchange to an outcome."""

    name = "scripted"

    def __init__(self, rule: Callable[[Exchange], Outcome] = lambda _exchange: Outcome.SAFE) -> None:
        self._rule = rule

    def adjudicate(self, exchange: Exchange) -> Verdict:
        """Apply the rule."""
        return Verdict(self._rule(exchange), self.name, severity=0.5, confidence=1.0, rationale="as scripted")


class ScriptedSynthesiser:
    """Writes one heuristic policy for each breach: its prompt, literally. Or whatever `write` returns."""

    name = "scripted"

    def __init__(self, write: Callable[[Breach, Knowledge], Sequence[Policy]] | None = None) -> None:
        self._write = write or _literal_policy

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """Write policies."""
        return self._write(breach, knowledge)


class OpenGate:
    """Lets every policy pass, unless `refuse` says why not. It proves nothing: for tests only."""

    def __init__(self, refuse: Callable[[Policy], str | None] = lambda _policy: None) -> None:
        self._refuse = refuse

    def examine(self, policy: Policy, breach: Breach | None, knowledge: Knowledge) -> GateReport:  # noqa: ARG002
        """Report without examining."""
        reason = self._refuse(policy)
        return GateReport(reason is None, (reason,) if reason else (), catches_breach=breach is not None)

    def redundant(
        self,
        candidates: Sequence[Policy],  # noqa: ARG002
        active: Sequence[Policy],  # noqa: ARG002
        knowledge: Knowledge,  # noqa: ARG002
        stopped: Mapping[str, Sequence[Exchange]],  # noqa: ARG002
    ) -> Mapping[str, tuple[str, ...]]:
        """Nothing is."""
        return {}


def _literal_policy(breach: Breach, _knowledge: Knowledge) -> Sequence[Policy]:
    pattern = "(?i)" + re.escape(breach.exchange.prompt).replace("\\ ", " ")
    description = "Blocks one prompt, literally"
    provenance = Provenance((breach.id,), "scripted")
    return [Policy(Pattern(pattern), Action.BLOCK, Direction.PROMPT, description, provenance=provenance)]

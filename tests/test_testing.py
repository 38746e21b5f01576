"""The scripted server does what each of its failure modes says."""

import http.client
import time

import pytest

from sisf.testing import Failure, ScriptedServer, chat_completion, wait_until


def post(server: ScriptedServer, body: bytes = b"{}", timeout: float = 5.0) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.smoke
def test_answers_exact_bytes_and_keeps_what_arrived() -> None:
    with ScriptedServer(answer="hello") as server:
        assert post(server, b'{"a": 1}') == (200, chat_completion("hello"))
        server.body = b'{ "odd":   "spacing" }'
        assert post(server)[1] == server.body
        assert server.requests[0].json() == {"a": 1}
        assert server.requests[0].path == "/v1/chat/completions"


def test_streams_exact_events() -> None:
    with ScriptedServer(events=[b"data: 1\n\n", b"data: [DONE]\n\n"]) as server:
        assert post(server, b'{"stream": true}') == (200, b"data: 1\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (Failure.REFUSE, ConnectionRefusedError),
        (Failure.HANG, TimeoutError),
        (Failure.STALL, TimeoutError),
        (Failure.RESET, (ConnectionResetError, http.client.RemoteDisconnected)),
        (Failure.GARBAGE, http.client.BadStatusLine),
        (Failure.TRUNCATED, http.client.IncompleteRead),
    ],
)
def test_each_broken_connection(failure: Failure, error: type[Exception]) -> None:
    with ScriptedServer(failure=failure) as server, pytest.raises(error):
        post(server, timeout=0.3)


def test_statuses_slowness_and_malformed_answers() -> None:
    with ScriptedServer() as server:
        server.failure = Failure.RATE_LIMIT
        assert post(server)[0] == 429
        server.failure = Failure.SERVER_ERROR
        assert post(server)[0] == 500
        server.failure = Failure.MALFORMED
        assert post(server) == (200, b'{"choices": [')
        server.failure, server.delay = Failure.SLOW, 0.2
        start = time.monotonic()
        post(server)
        assert time.monotonic() - start >= 0.2


def test_a_client_that_leaves_is_noticed() -> None:
    with ScriptedServer(failure=Failure.HANG) as server:
        with pytest.raises(TimeoutError):
            post(server, timeout=0.2)
        assert wait_until(server.aborted.is_set)

"""The embeddings endpoint, against a real HTTP server on the loopback."""

import itertools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from sisf.embedding import Embedder, HashEmbedder, create_embedder
from sisf.embedding.endpoint import EndpointEmbedder
from sisf.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # the client closes its pool when collected


class Handler(BaseHTTPRequestHandler):
    """Embeds by hashing, scaled by three, in reverse order, or answers with the server's `script`."""

    def do_POST(self) -> None:
        server: Any = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.requests.append({**request, "key": self.headers["Authorization"], "path": self.path})
        status, answer = server.script or (200, self.embed(request["input"]))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def embed(self, texts: list[str]) -> dict[str, Any]:
        rows = HashEmbedder(32).embed(texts) * 3.0
        data = [{"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(rows)]
        return {"object": "list", "model": "m", "data": data[::-1], "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    def log_message(self, *arguments: object) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.requests, made.script, made.daemon_threads = [], None, True
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def _embedder(server: Any) -> Embedder:
    return EndpointEmbedder("m", f"http://127.0.0.1:{server.server_port}/v1", api_key="secret", retries=0, timeout=5)


def test_vectors_come_in_order_and_with_length_one(server: Any) -> None:
    embedder = create_embedder(f"openai:m@http://127.0.0.1:{server.server_port}/v1", api_key="secret")
    texts = [f"text number {i}" for i in range(150)]
    vectors = embedder.embed(texts)
    np.testing.assert_allclose(vectors, HashEmbedder(32).embed(texts), atol=1e-6)
    assert embedder.dimensions == 32
    assert [len(r["input"]) for r in server.requests] == [1, 64, 64, 22]
    assert {(r["model"], r["key"], r["path"]) for r in server.requests} == {("m", "Bearer secret", "/v1/embeddings")}


def test_naming_it_does_not_connect(server: Any) -> None:
    embedder = _embedder(server)
    assert embedder.id == f"openai-m@http://127.0.0.1:{server.server_port}/v1"
    assert embedder.max_tokens == 512
    assert server.requests == []


def test_hostile_text_is_sent_as_valid_utf8(server: Any) -> None:
    embedder = _embedder(server)
    assert embedder.embed(["", "half \ud800 pair"]).shape == (2, 32)
    assert server.requests[-1]["input"] == [" ", "half ? pair"]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, {"error": {"message": "broken"}}),
        (401, {"error": {"message": "no such key"}}),
        (200, {"data": []}),
        (200, {"data": [{"index": 0, "embedding": ["a"]}]}),
        (200, {"data": [{"index": 0, "embedding": [1.0, None]}]}),
        (200, {"data": "?"}),
        (200, {"unexpected": True}),
    ],
)
def test_every_bad_answer_is_a_model_error(server: Any, status: int, answer: dict[str, Any]) -> None:
    server.script = (status, answer)
    with pytest.raises(ModelError, match=r"embeddings endpoint http://127\.0\.0\.1:\d+/v1, model m"):
        _embedder(server).embed(["text"])


def test_a_change_of_dimensions_is_noticed(server: Any) -> None:
    embedder = _embedder(server)
    assert embedder.dimensions == 32
    server.script = (200, {"data": [{"index": 0, "embedding": [1.0, 0.0]}]})
    with pytest.raises(ModelError, match=r"\(1, 2\) instead of \(1, 32\)"):
        embedder.embed(["text"])


def test_nobody_listens(server: Any) -> None:
    server.server_close()
    with pytest.raises(ModelError, match="embeddings endpoint"):
        _embedder(server).embed(["text"])


def test_windows_are_small_enough_for_any_model(server: Any) -> None:
    embedder = _embedder(server)
    for text in ("plain " * 500, "日本語の文章です。" * 200):
        windows = embedder.windows(text, overlap=64)
        assert windows[0].start == 0
        assert windows[-1].end == len(text)
        assert all(embedder.count_tokens(window.text) <= embedder.max_tokens for window in windows)
        assert all(b.start < a.end for a, b in itertools.pairwise(windows))

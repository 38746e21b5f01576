"""Known sets are fetched over HTTP once, held to their pins, and never taken unhashed by accident."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sisf import datasets
from sisf.datasets.columns import Columns
from sisf.datasets.fetching import content_hash, fetch, noted
from sisf.datasets.sources import SOURCES, Source
from sisf.errors import DataError

pytestmark = pytest.mark.smoke

BODY = b"id,text\r\n1,one\r\n2, two\r\n"
TEXTS = [{"text": "one"}, {"text": "two"}]


class Shelf:
    """A real server of files, by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/set.csv": BODY}
        self.asked: list[str] = []
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shelf.asked.append(self.path)
                body = shelf.files.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("content-length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def source(self, *, content: str = "", file: str = "", path: str = "/set.csv", scheme: str = "http") -> Source:
        host, port = self.server.server_address[:2]
        columns = Columns(id="id", label="benign")
        return Source(
            "a set", "example.org/set", "MIT", columns, url=f"{scheme}://{host!s}:{port}{path}", content=content,
            file=file,
        )  # fmt: skip


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    made = Shelf()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_fetched_set_is_checked_against_its_pin(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "set.jsonl"
    kept = fetch("set", target, sources={"set": shelf.source(content=content_hash(TEXTS))})
    assert [(r.id, r.prompt, r.label) for r in datasets.read(kept).records] == [
        ("1", "one", "benign"),
        ("2", "two", "benign"),
    ]
    other = tmp_path / "other.jsonl"
    with pytest.raises(DataError, match="no longer holds the pinned content"):
        fetch("set", other, sources={"set": shelf.source(content="0" * 64)})
    assert not other.exists()


def test_an_unpinned_set_is_taken_when_asked_for_and_held_to_what_it_was(shelf: Shelf, tmp_path: Path) -> None:
    sources, target = {"set": shelf.source()}, tmp_path / "set.jsonl"
    with pytest.raises(DataError, match="sisf data fetch set --unpinned"):
        fetch("set", target, sources=sources)
    assert shelf.asked == []
    fetch("set", target, sources=sources, unpinned=True)
    assert noted(target)["content"] == content_hash(TEXTS)
    shelf.files["/set.csv"] = BODY + b"3,three\r\n"
    with pytest.raises(DataError, match="no longer holds"):
        fetch("set", target, sources=sources, unpinned=True)
    assert len(datasets.read(target)) == 2


def test_a_set_may_be_pinned_by_the_file_that_carries_it(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "set.jsonl"
    source = shelf.source(file=hashlib.sha256(BODY).hexdigest())
    assert source.pinned
    fetch("set", target, sources={"set": source})
    # From here on the set in the cache is held to what it held, as one whose content is known.
    assert noted(target)["content"] == content_hash(TEXTS)
    with pytest.raises(DataError, match="no longer holds the pinned content"):
        fetch("set", tmp_path / "other.jsonl", sources={"set": shelf.source(file="0" * 64)})
    assert not (tmp_path / "other.jsonl").exists()


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"path": "/nowhere.csv"}, "cannot be fetched"),
        ({"path": "/set.txt"}, "must end in"),
        ({"scheme": "ftp"}, "is not https"),
    ],
)
def test_what_cannot_be_fetched_is_one_clear_error(
    shelf: Shelf, tmp_path: Path, source: dict[str, str], problem: str
) -> None:
    shelf.files["/set.txt"] = BODY
    with pytest.raises(DataError, match=problem) as caught:
        fetch("set", tmp_path / "set.jsonl", sources={"set": shelf.source(**source)}, unpinned=True)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_people_are_told_what_to_do(tmp_path: Path) -> None:
    source = Source("x", "r", "MIT", Columns(), url="https://127.0.0.1:1/x.csv", content="0" * 64)
    with pytest.raises(
        DataError, match=r"not on this machine and https://127\.0\.0\.1:1/x\.csv cannot be fetched"
    ) as e:
        fetch("set", tmp_path / "set.jsonl", sources={"set": source})
    assert "SISF_DATA_DIR" in str(e.value)


def test_a_set_behind_terms_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sisf data convert FILE wildguardtest.jsonl --like wildguardtest"):
        fetch("wildguardtest", tmp_path / "wildguardtest.jsonl", unpinned=True)


@pytest.mark.parametrize("name", SOURCES)
def test_a_known_set_says_what_is_known_of_it(name: str) -> None:
    source = SOURCES[name]
    assert source.what
    assert source.licence
    assert "/" in source.repository
    assert bool(source.url) != bool(source.by_hand)
    assert source.url.startswith("https://") or source.by_hand
    assert len(source.content) in (0, 64)
    assert len(source.file) in (0, 64)
    assert source.revision or not source.file, "a file's hash holds at a fixed revision"
    assert source.rows is None or source.pinned, "figures stand only where the content was at hand"
    assert not source.revision or source.revision in source.url


def test_the_hash_is_that_of_the_texts(tmp_path: Path) -> None:
    plain = [{"text": "a  b", "response": "c"}]
    assert content_hash(plain) == content_hash([{"text": "a b", "response": " c\n"}])
    assert content_hash(plain) != content_hash([{"text": "a b", "response": "d"}])
    assert json.dumps(plain)

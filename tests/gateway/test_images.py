"""Images in prompts are looked at by a moderation endpoint, so that a chat with a screenshot can go on."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sisf.exchange import Fate
from sisf.testing import Failure, Received, ScriptedServer
from tests.gateway.conftest import Rig, rig

GOOD, BAD = (base64.b64encode(b"\x89PNG" + tail).decode() for tail in (b"a screenshot", b"something violent"))


class Moderation(ScriptedServer):
    """Finds violence in one image."""

    def _respond(self, connection: Any, received: Received) -> bool:
        url = received.json()["input"][0]["image_url"]["url"]
        scores = {"violence": 0.97 if url.endswith(BAD) else 0.01, "hate": 0.02}
        self.body = json.dumps(
            {"id": "m", "model": "v", "results": [{"flagged": True, "category_scores": scores}]}
        ).encode()
        return super()._respond(connection, received)


@contextmanager
def looking(**settings: Any) -> Iterator[tuple[Rig, Moderation]]:
    moderation = Moderation()
    with moderation:
        more = {"enabled": True, "base_url": moderation.url, "retries": 0, "timeout": 5.0}
        given = {f"image_moderation__{key}": value for key, value in more.items()}
        with rig(**{**given, **settings}) as gateway:
            yield gateway, moderation


def data_url(image: str) -> str:
    return f"data:image/png;base64,{image}"


def content(path: str, image: str) -> list[dict[str, Any]]:
    if path == "/v1/messages":
        source = {"type": "base64", "media_type": "image/png", "data": image}
        return [{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}]
    if path == "/v1/responses":
        return [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": data_url(image), "detail": "low"},
        ]
    return [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": data_url(image), "detail": "low"}},
    ]


def body(path: str, *turns: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    said = [{"role": roles[place % 2], "content": turn} for place, turn in enumerate(turns)]
    return {"model": "m", "max_tokens": 9, "input" if path == "/v1/responses" else "messages": said}


ANSWERS = {
    "/v1/chat/completions": None,
    "/v1/messages": b'{"type":"message","role":"assistant","content":[{"type":"text","text":"A picture."}]}',
    "/v1/responses": b'{"id":"r","object":"response","output":[]}',
}


@pytest.fixture(scope="module")
def looked() -> Iterator[tuple[Rig, Moderation]]:
    with looking() as made:
        yield made


@pytest.mark.parametrize("path", ANSWERS)
def test_a_chat_with_a_screenshot_goes_on_and_a_bad_image_does_not(looked: tuple[Rig, Moderation], path: str) -> None:
    gateway, moderation = looked
    gateway.upstream.body = ANSWERS[path]
    sent = body(path, content(path, GOOD))
    assert gateway.post(sent, path=path).status == 200
    assert json.loads(gateway.upstream.requests[-1].body) == sent
    stopped = gateway.post(body(path, content(path, BAD)), path=path)
    assert (stopped.status, stopped.headers["x-sisf-decision"]) == (400, "block")
    assert b"violence" not in stopped.body
    assert b"content[1]" in stopped.body
    assert gateway.loop.records[-1].fate is Fate.INTERCEPTED_PROMPT
    before = len(gateway.upstream.requests)
    later = body(path, content(path, BAD), "I see.", "And what is tea?")
    passed = gateway.post(later, path=path)
    assert (passed.status, passed.headers["x-sisf-decision"]) == (200, "redact")
    assert BAD.encode() not in gateway.upstream.requests[before].body
    asked = len(moderation.requests)
    assert gateway.post(sent, path=path).status == 200
    assert len(moderation.requests) == asked, "what was found is remembered"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": data_url(GOOD), "note": "read me"}},
        {"type": "image_url", "image_url": {"url": f"{data_url(GOOD)} and more"}},
        {"type": "input_audio", "input_audio": {"data": GOOD, "format": "wav"}},
    ],
)
def test_what_is_only_named_and_what_is_no_image_stays_closed(looked: tuple[Rig, Moderation], part: Any) -> None:
    answer = looked[0].post(body("/v1/chat/completions", [part]))
    assert (answer.status, answer.json()["error"]["code"]) == (400, "uninspectable_content")


@pytest.mark.parametrize(("state", "status"), [("closed", 503), ({"image": "open"}, 200)])
def test_an_endpoint_that_fails_is_as_the_settings_say(state: Any, status: int) -> None:
    with looking(on_failure__uninspectable=state) as (gateway, moderation):
        moderation.failure = Failure.SERVER_ERROR
        path = "/v1/chat/completions"
        assert gateway.post(body(path, content(path, GOOD))).status == status
        assert gateway.metric("sisf_fail_opens_total", part="images") == (status == 200)


def test_images_may_pass_where_audio_may_not() -> None:
    with rig(on_failure__uninspectable={"image": "open"}) as gateway:
        path = "/v1/chat/completions"
        audio = [{"type": "input_audio", "input_audio": {"data": GOOD, "format": "wav"}}]
        assert [gateway.post(body(path, said)).status for said in (content(path, GOOD), audio)] == [200, 400]


def test_more_images_than_allowed_are_refused() -> None:
    with looking(image_moderation__images=1) as (gateway, _):
        path = "/v1/chat/completions"
        answer = gateway.post(body(path, content(path, GOOD), "x", content(path, GOOD)))
        assert (answer.status, answer.json()["error"]["code"]) == (400, "too_many_images")

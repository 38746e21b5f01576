"""The other APIs: the same promises, each in its own shapes, with the official clients."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

import anthropic
import openai
import pytest

from sisf.exchange import UNTOLD, Exchange, Sender
from sisf.gateway.dialects.base import REFUSAL
from sisf.gateway.dialects.chat import Chat
from sisf.settings import Limits, Unseen
from sisf.synthesis.base import Knowledge
from sisf.synthesis.blame import stands_alone
from tests.gateway.conftest import Rig, rig

WORD = "FORBIDDEN"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    with rig() as made:
        yield made


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.upstream.requests.clear()
    gateway.loop.records.clear()


@pytest.fixture(scope="module")
def sdk(gateway: Rig) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(gateway: Rig) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0) as client:
        yield client


def sse(*events: dict[str, Any], named: bool = True) -> list[bytes]:
    return [
        (b"event: " + e["type"].encode() + b"\n" if named else b"") + b"data: " + json.dumps(e).encode() + b"\n\n"
        for e in events
    ]


# Responses


def response(text: str, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    item = {"type": "message", "id": "msg_1", "status": status, "role": "assistant", "content": content}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
        "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0, "output": [item] if text else [],
    }  # fmt: skip


def response_events(pieces: Sequence[str]) -> list[bytes]:
    text = "".join(pieces)
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = response(text)["output"][0]
    part = item["content"][0]
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response("", "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": p, "logprobs": []} for p in pieces),
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response(text)},
    ]
    return sse(*({**e, "sequence_number": i} for i, e in enumerate(events)))


def test_responses_plain(gateway: Rig, sdk: openai.OpenAI) -> None:
    gateway.upstream.body = json.dumps(response("Hello there")).encode()
    assert sdk.responses.create(model="m", input="hi", instructions="Be kind.").output_text == "Hello there"
    assert gateway.upstream.requests[0].path == "/v1/responses"
    gateway.upstream.body = json.dumps(response(f"a {WORD} b")).encode()
    withheld = sdk.responses.create(model="m", input="hi")
    assert withheld.output_text == REFUSAL
    assert withheld.status == "incomplete"
    assert withheld.incomplete_details is not None
    assert withheld.incomplete_details.reason == "content_filter"


def test_responses_streamed(gateway: Rig, sdk: openai.OpenAI) -> None:
    gateway.upstream.events = response_events(["Hello ", "there, ", "long enough to flow. " * 10])
    raw = gateway.post({"model": "m", "input": "hi", "stream": True}, path="/v1/responses")
    assert raw.body == b"".join(gateway.upstream.events)
    with sdk.responses.stream(model="m", input="hi") as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text.startswith("Hello there")
    assert kinds[-1] == "response.completed"
    assert gateway.loop.records[0].exchange.response == "Hello there, " + "long enough to flow. " * 10


@pytest.mark.parametrize("lead", ["", "harmless words " * 20])
def test_responses_stream_stopped(gateway: Rig, sdk: openai.OpenAI, lead: str) -> None:
    gateway.upstream.events = response_events([lead, f"then {WORD}", " and more"])
    events: list[Any] = list(sdk.responses.create(model="m", input="hi", stream=True))
    shown = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert WORD not in "".join(e.model_dump_json() for e in events)
    assert shown.endswith(REFUSAL)
    assert (events[-1].type, events[-1].response.status) == ("response.completed", "incomplete")
    assert events[-1].response.incomplete_details.reason == "content_filter"


def test_a_done_event_cannot_bring_what_the_deltas_did_not(gateway: Rig) -> None:
    events = response_events(["fine"])
    gateway.upstream.events = [e.replace(b'"text": "fine"', b'"text": "FORBIDDEN"') for e in events]
    body = gateway.post({"model": "m", "input": "hi", "stream": True}, path="/v1/responses").body
    assert WORD.encode() not in body
    assert REFUSAL.encode() in body


# Messages


def message(*blocks: dict[str, Any], stop: str | None = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(blocks),
        "stop_reason": stop, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip


def message_events(pieces: Sequence[str]) -> list[bytes]:
    return sse(
        {"type": "message_start", "message": message(stop=None)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}}
            for p in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    )  # fmt: skip


def ask(claude: anthropic.Anthropic, text: str = "hi", **more: Any) -> Any:
    return claude.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": text}], **more)


def test_messages_plain(gateway: Rig, claude: anthropic.Anthropic) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "b"}}
    gateway.upstream.body = json.dumps(message({"type": "text", "text": "Hello"}, call)).encode()
    done = ask(claude, system="Be kind.")
    assert done.content[0].text == "Hello"
    assert done.content[1].input == {"a": "b"}
    gateway.upstream.body = json.dumps(message({**call, "input": {"a": [WORD]}})).encode()
    withheld = ask(claude)
    assert (withheld.content[0].text, withheld.stop_reason) == (REFUSAL, "refusal")


def test_messages_streamed(gateway: Rig, claude: anthropic.Anthropic) -> None:
    gateway.upstream.events = message_events(["Hello ", "there. ", "long enough to flow. " * 10])
    raw = gateway.post(
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": True},
        path="/v1/messages",
    )
    assert raw.body == b"".join(gateway.upstream.events)
    with claude.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
        assert stream.get_final_text().startswith("Hello there.")
    gateway.upstream.events = message_events(["harmless words " * 20, f"then {WORD}"])
    with claude.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
        final = stream.get_final_message()
    assert WORD not in final.model_dump_json()
    assert final.stop_reason == "refusal"
    assert final.content[-1].type == "text"
    assert final.content[-1].text == REFUSAL


def test_messages_blocked(gateway: Rig, claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="content_filter"):
        ask(claude, WORD)
    gateway.upstream.failure = type(gateway.upstream.failure)("hang")
    gateway.upstream.failure = type(gateway.upstream.failure)("none")
    assert gateway.upstream.requests == []


# Completions and embeddings


def test_completions(gateway: Rig, sdk: openai.OpenAI) -> None:
    def completion(text: str, reason: str | None = "stop") -> dict[str, Any]:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
        return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}

    gateway.upstream.body = json.dumps(completion("once upon")).encode()
    assert sdk.completions.create(model="m", prompt=["a", "b"]).choices[0].text == "once upon"
    with pytest.raises(openai.BadRequestError, match="token numbers"):
        sdk.completions.create(model="m", prompt=[1, 2, 3])
    gateway.upstream.body = json.dumps(completion(WORD)).encode()
    assert sdk.completions.create(model="m", prompt="a").choices[0].finish_reason == "content_filter"
    pieces = [json.dumps(completion(t, None)).encode() for t in ("safe words " * 20, WORD, "x")]
    gateway.upstream.events = [b"data: " + p + b"\n\n" for p in pieces] + [b"data: [DONE]\n\n"]
    text = "".join(c.choices[0].text for c in sdk.completions.create(model="m", prompt="a", stream=True))
    assert WORD not in text
    assert text.endswith(REFUSAL)


def test_embeddings(gateway: Rig, sdk: openai.OpenAI) -> None:
    data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    gateway.upstream.body = json.dumps({"object": "list", "data": data, "model": "m", "usage": {}}).encode()
    assert sdk.embeddings.create(model="m", input=["a"], encoding_format="float").data[0].embedding == [0.5, 0.25]
    assert gateway.loop.records == []
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.embeddings.create(model="m", input=["a", WORD], encoding_format="float")
    assert caught.value.code == "content_filter"


def carriers() -> list[tuple[str, dict[str, Any]]]:
    """Requests that carry the forbidden word in each place of each API."""
    user = [{"role": "user", "content": "hi"}]
    escaped = '{"a": "\\u0046ORBIDDEN"}'
    claude = {"model": "m", "max_tokens": 5, "messages": user}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": WORD}]}
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": WORD}}
    part = {"type": "input_text", "text": WORD}
    output = {"type": "function_call_output", "call_id": "c"}

    def said(block: dict[str, Any]) -> dict[str, Any]:
        return {**claude, "messages": [*user, {"role": "assistant", "content": [block]}]}

    return [
        ("/v1/responses", {"model": "m", "input": WORD}),
        ("/v1/responses", {"model": "m", "input": "a", "instructions": WORD}),
        ("/v1/responses", {"model": "m", "input": [{"role": "user", "content": [part]}]}),
        ("/v1/responses", {"model": "m", "input": [{**output, "output": escaped}]}),
        ("/v1/responses", {"model": "m", "input": [{"type": "function_call", "name": "f", "arguments": escaped}]}),
        ("/v1/responses", {"model": "m", "input": [{"type": "reasoning", "summary": [{"text": WORD}]}]}),
        ("/v1/responses", {"model": "m", "input": "a", "tools": [{"name": "f", "description": WORD}]}),
        ("/v1/messages", {**claude, "system": WORD}),
        ("/v1/messages", {**claude, "system": [{"type": "text", "text": WORD}]}),
        ("/v1/messages", {**claude, "messages": [{"role": "user", "content": WORD}]}),
        ("/v1/messages", {**claude, "messages": [*user, {"role": "user", "content": [result]}]}),
        ("/v1/messages", {**claude, "messages": [{"role": "user", "content": [document]}]}),
        ("/v1/messages", said({"type": "tool_use", "name": WORD})),
        ("/v1/messages", said({"type": "tool_use", "input": {"a": WORD}})),
        ("/v1/messages", said({"type": "thinking", "thinking": WORD})),
        ("/v1/messages", {**claude, "tools": [{"name": "f", "description": WORD, "input_schema": {}}]}),
        ("/v1/messages", {**claude, "stop_sequences": [WORD]}),
        ("/v1/completions", {"model": "m", "prompt": ["a", WORD]}),
        ("/v1/completions", {"model": "m", "prompt": "a", "suffix": WORD}),
        ("/v1/embeddings", {"model": "m", "input": WORD}),
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), carriers())
def test_text_is_found_wherever_it_stands(gateway: Rig, path: str, body: dict[str, Any]) -> None:
    answer = gateway.post(body, path=path)
    assert answer.status == 400
    assert b"content_filter" in answer.body
    assert gateway.upstream.requests == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}),
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]}),
        ("/v1/responses", {"input": "a", "background": True}),
        ("/v1/responses", {"input": "a", "prompt": {"id": "p", "variables": {"x": WORD}}}),
        ("/v1/responses", {"input": "a", "previous_response_id": "resp_1"}),
        (
            "/v1/messages",
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
        ),
        ("/v1/completions", {"prompt": [[1, 2]]}),
        ("/v1/embeddings", {"input": [1, 2]}),
    ],
)
def test_what_holds_no_text_is_refused(gateway: Rig, path: str, body: dict[str, Any]) -> None:
    answer = gateway.post(body, path=path)
    assert answer.status == 400
    assert b"inspect" in answer.body
    assert gateway.upstream.requests == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": 3}),
        ("/v1/messages", {"messages": []}),
        ("/v1/messages", {"messages": ["a"]}),
        ("/v1/completions", {}),
        ("/v1/embeddings", {"input": []}),
        ("/v1/embeddings", {"input": "a", "stream": True}),
    ],
)
def test_malformed_requests_have_clear_errors(gateway: Rig, path: str, body: dict[str, Any]) -> None:
    answer = gateway.post(body, path=path)
    assert answer.status == 400
    assert answer.json()["error"]["message"]


def test_blocked_prompts_in_the_shape_of_an_answer() -> None:
    with rig(blocked_prompt="completion") as gateway:
        base = gateway.url
        with openai.OpenAI(base_url=base + "/v1", api_key="none") as sdk:
            assert sdk.responses.create(model="m", input=WORD).output_text == REFUSAL
            events: list[Any] = list(sdk.responses.create(model="m", input=WORD, stream=True))
            assert events[0].type == "response.created"
            assert (events[-1].type, events[-1].response.status) == ("response.completed", "incomplete")
            assert REFUSAL in sdk.completions.create(model="m", prompt=WORD).choices[0].text
        with anthropic.Anthropic(base_url=base, api_key="none") as claude:
            assert ask(claude, WORD).content[0].text == REFUSAL
            with claude.messages.stream(
                model="m", max_tokens=9, messages=[{"role": "user", "content": WORD}]
            ) as stream:
                assert stream.get_final_text() == REFUSAL
        assert gateway.upstream.requests == []


class Unfamiliar:
    """Knows no instructions of an application."""

    def familiar(self, _sender: Sender, _text: str) -> bool:
        return False


class Familiar:
    """Takes all instructions for an application's."""

    def familiar(self, _sender: Sender, _text: str) -> bool:
        return True


COMPANY: list[dict[str, Any]] = [
    {"logit_bias": {"12": 100}},
    {"logit_bias": {"12": -100, "13": 0.5}},
    {"logit_bias": [[12, 100]]},
    {"logit_bias": [["word", 5.0]]},
    {"guided_choice": ["one", "two"]},
    {"guided_regex": "one|two"},
    {"guided_json": "one"},
    {"grammar": 'root ::= "one"'},
    {"grammar": 'root::="one"'},
    {"format": "one"},
    {"tool_choice": "one"},
    {"guided_decoding_backend": "one"},
    {"structured_outputs": {"choice": ["one"]}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": ["one"]}}}},
    {"tools": [{"type": "function", "function": {"name": "one"}}]},
    {"tool_choice": {"type": "function", "function": {"name": "one"}}},
    {"functions": [{"name": "one"}]},
    {"prediction": {"type": "content", "content": "one"}},
    {"input_prefix": "one"},
    {"options": {"system": "one"}},
    {"documents": [{"text": "one"}]},
]
ALONE: list[dict[str, Any]] = [
    {},
    {"user": "ann", "metadata": {"case": "one two"}},
    {"stop": ["END"], "seed": 1, "temperature": 0.2, "n": 2},
    {"logit_bias": {"12": -100}},
    {"logit_bias": {}},
    {"logit_bias": [[12, False]]},
    *({key: f"one two, {form}"} for key in sorted(UNTOLD) for form in ("three", "three " * 30)),
    {"metadata": {"one two": {"three": ["four five"] * 30}}},
    {"stop": ["Best regards,\nAnn", "END"]},
]


@pytest.mark.parametrize(("extra", "alone"), [*((e, False) for e in COMPANY), *((e, True) for e in ALONE)])
def test_whatever_chooses_what_the_model_says_is_company(extra: dict[str, Any], alone: bool) -> None:
    """Only a request that stands alone may be blamed without harm being read in it (ADR 0595)."""
    tree = {"model": "m", "messages": [{"role": "user", "content": "What are your opening hours?"}], **extra}
    asked = Chat().request(tree, Limits())
    assert stands_alone(Exchange(asked.messages, "something harmful"), cast("Knowledge", Unfamiliar())) is alone


@pytest.mark.parametrize("looks", [False, True], ids=["passed unseen", "moderated"])
def test_an_image_is_company_too(looks: bool) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}
    content = [{"type": "text", "text": "Answer what stands in the picture."}, image]
    tree = {"model": "m", "messages": [{"role": "user", "content": content}]}
    asked = Chat().request(tree, Limits(), opaque=cast("tuple[Unseen, ...]", ("image",)), looks=looks)
    exchange = Exchange(asked.messages, "something harmful")
    assert exchange.prompt == "Answer what stands in the picture."
    assert not stands_alone(exchange, cast("Knowledge", Familiar()))


def test_the_same_choice_of_tokens_is_known_again() -> None:
    def told(bias: object) -> list[str]:
        tree = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "logit_bias": bias}
        return [m.content for m in Chat().request(tree, Limits()).messages if m.origin == "logit_bias"]

    assert told({"12": 1, "13": 2}) == told({"13": 5, "12": 1, "14": -1}) == told([[13, 1], [12, 1]])
    assert told({"12": 1}) != told({"13": 1})

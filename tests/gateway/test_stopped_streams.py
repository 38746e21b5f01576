"""Streams that are stopped: the official SDKs read them to the end, whatever was open."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import anthropic
import openai
import pydantic
import pytest

from sisf.exchange import Fate
from sisf.gateway.dialects.base import REFUSAL
from sisf.verdict import Outcome
from tests.gateway.conftest import Rig, chat, rig

WORD = "FORBIDDEN"
LONG = "harmless words " * 20
Items = Sequence[tuple[str, Sequence[str]]]
CASES: Mapping[str, Items] = {
    "at once": [("message", [WORD, " more"])],
    "midway": [("message", [LONG, f"then {WORD}", " more"])],
    "in the second item": [("message", [LONG]), ("message", [LONG, WORD])],
    "in the reasoning": [("reasoning", [LONG, WORD]), ("message", ["Fine."])],
    "after the reasoning": [("reasoning", [LONG]), ("message", [LONG, WORD])],
    "in a call": [("message", [LONG]), ("call", ['{"a": "', LONG, WORD + '"}'])],
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    with rig() as made:
        yield made


@pytest.fixture(scope="module")
def inline() -> Iterator[Rig]:
    """Every answer is withheld by the judge."""
    with rig(adjudication__mode="inline") as made:
        made.judge.outcome = Outcome.UNDECIDED
        yield made


def sdk(made: Rig) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{made.url}/v1", api_key="none", max_retries=0)


def sse(*trees: Mapping[str, Any]) -> list[bytes]:
    return [f"event: {tree['type']}\ndata: {json.dumps(tree)}\n\n".encode() for tree in trees]


def data(*trees: Mapping[str, Any]) -> list[bytes]:
    return [*(f"data: {json.dumps(tree)}\n\n".encode() for tree in trees), b"data: [DONE]\n\n"]


# Responses

RESPONSE: Mapping[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": [],
    "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
    "temperature": 1, "tool_choice": "auto", "tools": [], "top_p": 1, "usage": None,
}  # fmt: skip


def item_events(index: int, kind: str, pieces: Sequence[str]) -> Iterator[dict[str, Any]]:
    text = "".join(pieces)
    at = {"item_id": f"it_{index}", "output_index": index}
    if kind == "call":
        call = {"type": "function_call", "id": f"it_{index}", "call_id": f"call_{index}", "name": "f"}
        yield {"type": "response.output_item.added", **at, "item": {**call, "arguments": "", "status": "in_progress"}}
        for piece in pieces:
            yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **at, "arguments": text}
        yield {"type": "response.output_item.done", **at, "item": {**call, "arguments": text, "status": "completed"}}
        return
    array, number, name = ("content", "content_index", "output_text")
    if kind == "reasoning":
        array, number, name = ("summary", "summary_index", "reasoning_summary_text")
    part_name = "content_part" if kind == "message" else "reasoning_summary_part"
    part: dict[str, Any] = {"type": "output_text" if kind == "message" else "summary_text", "text": text}
    more = {"role": "assistant", "status": "completed"} if kind == "message" else {}
    item = {"type": kind, "id": f"it_{index}", array: [part], **more}
    if kind == "message":
        part["annotations"] = []
    at_part = {**at, number: 0}
    yield {"type": "response.output_item.added", **at, "item": {**item, array: []}}
    yield {"type": f"response.{part_name}.added", **at_part, "part": {**part, "text": ""}}
    for piece in pieces:
        yield {"type": f"response.{name}.delta", **at_part, "delta": piece, "logprobs": []}
    yield {"type": f"response.{name}.done", **at_part, "text": text, "logprobs": []}
    yield {"type": f"response.{part_name}.done", **at_part, "part": part}
    yield {"type": "response.output_item.done", **at, "item": item}


def response_events(items: Items) -> list[bytes]:
    events = [event for index, (kind, pieces) in enumerate(items) for event in item_events(index, kind, pieces)]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    ending = {**RESPONSE, "status": "completed", "output": done}
    whole = [
        {"type": "response.created", "response": RESPONSE},
        *events,
        {"type": "response.completed", "response": ending},
    ]
    return sse(*({**event, "sequence_number": number} for number, event in enumerate(whole)))


def check_response(made: Rig, items: Items) -> None:
    made.upstream.events = response_events(items)
    with sdk(made) as client, client.responses.stream(model="m", input="hi") as stream:
        events: list[Any] = list(stream)
        final = stream.get_final_response()
    assert (final.status, final.incomplete_details and final.incomplete_details.reason) == (
        "incomplete",
        "content_filter",
    )
    assert final.output_text.endswith(REFUSAL)
    assert WORD not in "".join(repr(event) for event in events)
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(len(numbers)))
    for begins, ends in (("output_item.added", "output_item.done"), ("part.added", "part.done")):
        places = [
            [
                (event.output_index, getattr(event, "content_index", None), getattr(event, "summary_index", None))
                for event in events
                if event.type.endswith(kind)
            ]
            for kind in (begins, ends)
        ]
        assert sorted(places[0], key=str) == sorted(places[1], key=str)
    shown = {e.output_index: "" for e in events if e.type == "response.output_text.delta"}
    for event in events:
        if event.type == "response.output_text.delta":
            shown[event.output_index] += event.delta
    said = {i.content[0].text for i in final.output if i.type == "message" and i.content}  # type: ignore[union-attr]
    assert said - {""} == set(shown.values())


@pytest.mark.parametrize("case", CASES)
def test_responses(gateway: Rig, case: str) -> None:
    check_response(gateway, CASES[case])


def test_responses_withheld_by_the_judge(inline: Rig) -> None:
    check_response(inline, [("reasoning", [LONG]), ("message", [LONG]), ("call", ["{}"])])


class Recipe(pydantic.BaseModel):
    title: str


@pytest.mark.parametrize("lead", ["", LONG])
def test_a_form_that_is_stopped_is_a_refusal_that_parse_understands(gateway: Rig, lead: str) -> None:
    gateway.upstream.events = response_events([("message", ['{"title": "', lead, WORD + '"}'])])
    with sdk(gateway) as client:
        with client.responses.stream(model="m", input="hi", text_format=Recipe) as stream:
            final = stream.get_final_response()
        gateway.upstream.body = json.dumps(
            {**RESPONSE, "status": "completed", "output": [answered(f'{{"title": "{WORD}"}}')]}
        ).encode()
        plain = client.responses.parse(model="m", input="hi", text_format=Recipe)
    for said in (final, plain):
        assert (said.status, said.output_parsed) == ("completed", None)
        item: Any = said.output[-1]
        part = item.content[0]
        assert (part.type, part.refusal) == ("refusal", REFUSAL)


def answered(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "it_0", "role": "assistant", "status": "completed", "content": [part]}


# Messages


def message_events(items: Items) -> list[bytes]:
    start: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
    }
    events: list[Mapping[str, Any]] = [
        {"type": "message_start", "message": {**start, "usage": {"input_tokens": 1, "output_tokens": 1}}}
    ]
    kinds: Mapping[str, tuple[dict[str, Any], str, str]] = {
        "message": ({"type": "text", "text": ""}, "text_delta", "text"),
        "reasoning": ({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking"),
        "call": ({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, "input_json_delta", "partial_json"),
    }
    for index, (kind, pieces) in enumerate(items):
        block, delta, key = kinds[kind]
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        for piece in pieces:
            events.append({"type": "content_block_delta", "index": index, "delta": {"type": delta, key: piece}})
        events.append({"type": "content_block_stop", "index": index})
    ending = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
    return sse(*events, ending, {"type": "message_stop"})


def check_message(made: Rig, items: Items) -> None:
    made.upstream.events = message_events(items)
    with (
        anthropic.Anthropic(base_url=made.url, api_key="none", max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        events: list[Any] = list(stream)
        final = stream.get_final_message()
    assert final.stop_reason == "refusal"
    last = final.content[-1]
    assert last.type == "text"
    assert last.text == REFUSAL
    assert WORD not in "".join(repr(event) for event in events)
    ends = ("content_block_start", "content_block_stop")
    begun, ended = ([event.index for event in events if event.type == kind] for kind in ends)
    assert sorted(begun) == sorted(ended) == list(range(len(final.content)))
    assert events[-1].type == "message_stop"


@pytest.mark.parametrize("case", CASES)
def test_messages(gateway: Rig, case: str) -> None:
    check_message(gateway, CASES[case])


def test_messages_withheld_by_the_judge(inline: Rig) -> None:
    check_message(inline, [("reasoning", [LONG]), ("message", [LONG]), ("call", ["{}"])])


# Chat and completions


def chunk(*choices: tuple[int, dict[str, Any], str | None]) -> dict[str, Any]:
    listed = [{"index": index, "delta": delta, "finish_reason": ends} for index, delta, ends in choices]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": listed}


def chat_events(items: Items) -> list[bytes]:
    trees = [chunk((0, {"role": "assistant", "content": ""}, None))]
    for kind, pieces in items:
        for piece in pieces:
            call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": piece}}
            delta = {"message": {"content": piece}, "reasoning": {"reasoning_content": piece}}
            trees.append(chunk((0, delta.get(kind, {"tool_calls": [call]}), None)))
    return data(*trees, chunk((0, {}, "stop")))


@pytest.mark.parametrize("case", CASES)
def test_chat(gateway: Rig, case: str) -> None:
    gateway.upstream.events = chat_events(CASES[case])
    messages: Any = [{"role": "user", "content": "hi"}]
    with sdk(gateway) as client, client.chat.completions.stream(model="m", messages=messages) as stream:
        events: list[Any] = list(stream)
        with pytest.raises(openai.ContentFilterFinishReasonError):  # how this helper tells of it
            stream.get_final_completion()
        final = stream.current_completion_snapshot
    assert WORD not in "".join(repr(event) for event in events)
    assert final.choices[0].finish_reason == "content_filter"
    assert (final.choices[0].message.content or "").endswith(REFUSAL)


def several(order: str) -> list[dict[str, Any]]:
    """Two answers, the second of which is stopped: in turns, one first, or in the same events."""
    says = {0: ["one ", LONG, "two ", LONG, "three"], 1: [LONG, f"then {WORD}", " more", LONG, "end"]}
    if order == "together":
        return [chunk(*((i, {"content": says[i][step]}, None) for i in (0, 1))) for step in range(5)]
    steps = [(step, i) for step in range(5) for i in (0, 1)]
    if order == "one first":
        steps.sort(key=lambda step: -step[1])
    return [chunk((i, {"content": says[i][step]}, None)) for step, i in steps]


def collected(body: bytes) -> tuple[dict[int, str], dict[int, str]]:
    texts, ends = {0: "", 1: ""}, {}
    for line in body.decode().splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                texts[choice["index"]] += choice["delta"].get("content") or ""
                if choice["finish_reason"]:
                    assert choice["index"] not in ends
                    ends[choice["index"]] = choice["finish_reason"]
    return texts, ends


@pytest.mark.parametrize("order", ["in turns", "one first", "together"])
def test_of_several_answers_one_is_stopped_and_the_others_go_on(gateway: Rig, order: str) -> None:
    last = chunk((0, {}, "stop"), (1, {}, "stop"))
    gateway.upstream.events = data(*several(order), last, {**chunk(), "usage": {"total_tokens": 7}})
    gateway.loop.records.clear()
    body = gateway.post(chat("hi", stream=True, n=2)).body
    texts, ends = collected(body)
    assert ends == {0: "stop", 1: "content_filter"}
    assert texts[0] == f"one {LONG}two {LONG}three"
    assert texts[1].endswith(REFUSAL)
    assert WORD.encode() not in body
    assert b'"usage": {"total_tokens": 7}' in body
    assert body.endswith(b"data: [DONE]\n\n")
    record = gateway.loop.records[-1]
    assert (len(gateway.loop.records), record.fate) == (1, Fate.INTERCEPTED_RESPONSE)


def test_when_the_last_answer_is_stopped_the_stream_ends(gateway: Rig) -> None:
    stopped = [chunk((i, {"content": f"{LONG}{WORD}"}, None)) for i in (0, 1)]
    gateway.upstream.events = data(*stopped, chunk((0, {}, "stop")))
    body = gateway.post(chat("hi", stream=True, n=2)).body
    assert collected(body)[1] == {0: "content_filter", 1: "content_filter"}
    assert WORD.encode() not in body
    assert body.endswith(b"data: [DONE]\n\n")


def test_of_several_forms_one_is_refused_and_the_others_are_parsed(gateway: Rig) -> None:
    says = {0: ['{"title": "', LONG, 'a"}'], 1: ['{"title": "', LONG, WORD + '"}']}
    steps = [chunk((i, {"content": says[i][step]}, None)) for step in range(3) for i in (0, 1)]
    gateway.upstream.events = data(*steps, chunk((0, {}, "stop"), (1, {}, "stop")))
    messages: Any = [{"role": "user", "content": "hi"}]
    with (
        sdk(gateway) as client,
        client.chat.completions.stream(model="m", messages=messages, n=2, response_format=Recipe) as stream,
    ):
        final = stream.get_final_completion()
    assert [c.message.refusal for c in final.choices] == [None, REFUSAL]
    assert final.choices[0].message.parsed == Recipe(title=f"{LONG}a")


def test_completions_of_several_prompts_are_stopped_each_alone(gateway: Rig) -> None:
    def piece(index: int, text: str, ends: str | None = None) -> dict[str, Any]:
        choice = {"index": index, "text": text, "logprobs": None, "finish_reason": ends}
        return {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}

    gateway.upstream.events = data(piece(0, "one "), piece(1, WORD), piece(0, "two", "stop"), piece(1, "x", "stop"))
    with sdk(gateway) as client:
        chunks: Any = list(client.completions.create(model="m", prompt=["a", "b"], stream=True))
    said = {i: "".join(c.choices[0].text for c in chunks if c.choices[0].index == i) for i in (0, 1)}
    assert (said[0], said[1].strip()) == ("one two", REFUSAL)


@pytest.mark.parametrize("stream", [False, True])
def test_the_judge_reads_what_policies_leave_of_several_answers(stream: bool) -> None:
    with rig(adjudication__mode="inline") as made:
        choices: list[dict[str, Any]] = [
            {"index": i, "message": {"content": text}} for i, text in enumerate((WORD, "BREACH", "fine"))
        ]
        made.upstream.body = json.dumps({"object": "chat.completion", "choices": choices}).encode()
        trees = [chunk((i, choice["message"], "stop")) for i, choice in enumerate(choices)]
        made.upstream.events = data(*trees)
        body = made.post(chat("hi", stream=stream, n=3)).body
        assert b"BREACH" not in body
        assert b"fine" not in body
        assert body.count(REFUSAL.encode()) == 3
        assert made.judge.seen[0].response == "BREACH\nfine"
        assert made.loop.records[-1].fate is Fate.WITHHELD

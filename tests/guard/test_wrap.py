"""The official OpenAI clients, wrapped, against real servers on loopback."""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pydantic
import pytest

from sisf import Guard
from sisf.errors import Blocked, ConfigurationError, InspectionFailed
from sisf.gateway.dialects.base import REFUSAL
from sisf.llm.recorded import RecordedModel
from sisf.llm.server import running
from sisf.llm.unaligned import UnalignedModel
from sisf.testing import Failure, ScriptedServer, chat_completion, wait_until
from tests.guard.conftest import records, system_with

LONG = "word " * 400
ANSWERS = {
    "tea": "A drink made of leaves.",
    "leak": "Here it is: BADANSWER",
    "late": LONG + "BADANSWER " + LONG,
    "long": LONG,
    "tell": "the SECRET is out",
    "breach": "a BREACH",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running([RecordedModel(ANSWERS), UnalignedModel()]) as background:
        yield background.url + "/v1"


@pytest.fixture
def plain(server: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def sdk(guard: Guard, plain: openai.OpenAI) -> openai.OpenAI:
    return guard.wrap(plain, principal="alice")


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def ask(client: openai.OpenAI, text: str, **more: Any) -> Any:
    return client.chat.completions.create(model="recorded", messages=user(text), **more)


def said(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


@pytest.mark.smoke
def test_what_is_fine_passes_unchanged(sdk: openai.OpenAI, plain: openai.OpenAI, guard: Guard) -> None:
    assert isinstance(sdk, openai.OpenAI)
    ours, theirs = ask(sdk, "tea").to_dict(), ask(plain, "tea").to_dict()
    for volatile in ("id", "created"):
        del ours[volatile], theirs[volatile]
    assert ours == theirs
    assert [c.message.content for c in ask(sdk, "tea", n=2).choices] == [ANSWERS["tea"]] * 2
    record = records(guard)[0]
    assert (record.fate, record.exchange.sender.principal) == ("released", "alice")
    assert (record.exchange.prompt, record.exchange.response) == (
        "tea",
        "A drink made of leaves.\nA drink made of leaves.",
    )


def test_streams_pass_unchanged(sdk: openai.OpenAI) -> None:
    assert said(ask(sdk, "long", stream=True)) == LONG
    with sdk.chat.completions.stream(model="recorded", messages=user("tea")) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == ANSWERS["tea"]


def test_structured_output_and_raw_responses(sdk: openai.OpenAI) -> None:
    class Form(pydantic.BaseModel):
        name: str
        size: int

    parsed = sdk.chat.completions.parse(model="unaligned", messages=user("fill it in"), response_format=Form)
    assert parsed.choices[0].message.parsed == Form(name="filler", size=1)
    raw = sdk.chat.completions.with_raw_response.create(model="recorded", messages=user("tea"))
    assert raw.headers["x-sisf-decision"] == "allow"
    assert raw.parse().choices[0].message.content == ANSWERS["tea"]
    assert {model.id for model in sdk.models.list()} == {"recorded", "unaligned"}


@pytest.mark.smoke
@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_prompt_raises_and_is_never_sent(guard: Guard, stream: bool) -> None:
    with ScriptedServer() as upstream, openai.OpenAI(base_url=upstream.url, api_key="none") as client:
        with pytest.raises(Blocked) as caught:
            ask(guard.wrap(client), "BADPROMPT", stream=stream)
        assert upstream.requests == []
    assert caught.value.fate == "intercepted_prompt"
    assert caught.value.decision.policy_id in str(caught.value)
    assert "BADPROMPT" not in repr(caught.value)
    assert [record.fate for record in records(guard)] == ["intercepted_prompt"]  # the SDK did not try again


def test_a_blocked_answer_raises(sdk: openai.OpenAI, guard: Guard) -> None:
    with pytest.raises(Blocked) as caught:
        ask(sdk, "leak")
    assert caught.value.fate == "intercepted_response"
    assert caught.value.exchange_id == records(guard)[0].exchange.id
    with pytest.raises(Blocked):
        said(ask(sdk, "leak", stream=True))


def test_a_stream_is_cut_before_what_a_policy_stops(sdk: openai.OpenAI) -> None:
    seen: list[str] = []
    with pytest.raises(Blocked):
        seen.extend(chunk.choices[0].delta.content or "" for chunk in ask(sdk, "late", stream=True))
    assert len(seen) > 10
    assert LONG.startswith("".join(seen))


def test_refusals_by_option(guard: Guard, plain: openai.OpenAI) -> None:
    sdk = guard.wrap(plain, on_blocked="refuse")
    for text in ("BADPROMPT", "leak"):
        choice = ask(sdk, text).choices[0]
        assert (choice.message.content, choice.finish_reason) == (REFUSAL, "content_filter")
        assert said(ask(sdk, text, stream=True)).strip() == REFUSAL
    assert said(ask(sdk, "late", stream=True)).endswith(REFUSAL)


def test_rewrite_policies_apply(sdk: openai.OpenAI, guard: Guard) -> None:
    assert ask(sdk, "tell").choices[0].message.content == "the [gone] is out"
    with ScriptedServer() as upstream, openai.OpenAI(base_url=upstream.url, api_key="none") as client:
        ask(guard.wrap(client), "my SECRET")
        (request,) = upstream.requests
    assert request.json()["messages"] == user("my [gone]")


def test_inline_adjudication() -> None:
    system = system_with(adjudication__mode="inline")
    with (
        Guard(system=system) as guard,
        running([RecordedModel(ANSWERS)]) as server,
        openai.OpenAI(base_url=server.url + "/v1", api_key="none") as client,
    ):
        sdk = guard.wrap(client)
        assert said(ask(sdk, "long", stream=True)) == LONG
        for stream in (False, True):
            with pytest.raises(Blocked) as caught:
                said(ask(sdk, "breach", stream=stream))
            assert caught.value.fate == "withheld"
            assert caught.value.verdict.is_breach
    system.close()


def test_the_request_is_sent_byte_for_byte_by_the_clients_own_means(guard: Guard) -> None:
    with ScriptedServer() as upstream:
        made = openai.OpenAI(base_url=upstream.url, api_key="sk-mine", default_headers={"x-team": "blue"})
        with made as client:
            for one in (client, guard.wrap(client)):
                ask(one, "häßlich \u2028 ok", temperature=0.5, extra_body={"documents": [1, {"a": None}]})
        first, second = upstream.requests
    assert first.body == second.body
    for name in ("authorization", "x-team", "user-agent"):
        assert first.headers[name] == second.headers[name]


def test_compressed_answers_are_inspected_too(guard: Guard) -> None:
    body = gzip.compress(chat_completion("a BADANSWER"))
    headers = {"content-encoding": "gzip"}
    with (
        ScriptedServer(body=body, headers=headers) as upstream,
        openai.OpenAI(base_url=upstream.url, api_key="none") as client,
        pytest.raises(Blocked),
    ):
        ask(guard.wrap(client), "hello")


def test_errors_of_the_model_stay_what_they_are(guard: Guard) -> None:
    expected = {
        Failure.REFUSE: openai.APIConnectionError,
        Failure.RESET: openai.APIConnectionError,
        Failure.RATE_LIMIT: openai.RateLimitError,
        Failure.SERVER_ERROR: openai.InternalServerError,
        Failure.HANG: openai.APITimeoutError,
        Failure.MALFORMED: InspectionFailed,
    }
    for failure, error in expected.items():
        with (
            ScriptedServer(failure=failure) as upstream,
            openai.OpenAI(base_url=upstream.url, api_key="none", max_retries=0, timeout=0.5) as client,
            pytest.raises(error),
        ):
            ask(guard.wrap(client), "hello")


def test_a_stream_that_breaks_off_is_an_error(guard: Guard) -> None:
    for failure in (Failure.TRUNCATED, Failure.STALL, Failure.MALFORMED):
        with (
            ScriptedServer(LONG, failure=failure) as upstream,
            openai.OpenAI(base_url=upstream.url, api_key="none", max_retries=0, timeout=0.5) as client,
            pytest.raises(openai.APIError),
        ):
            said(ask(guard.wrap(client), "hello", stream=True))


def test_an_inspection_that_fails_closes(guard: Guard, sdk: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise OSError("the embedder is gone")

    monkeypatch.setattr(guard.system.warden, "at_once", lambda *_: None)
    monkeypatch.setattr(guard.system.warden, "check", broken)
    for stream in (False, True):
        with pytest.raises(InspectionFailed, match="could not be inspected"):
            ask(sdk, "tea", stream=stream)


def test_what_is_not_inspected_is_refused(guard: Guard) -> None:
    with ScriptedServer() as upstream, openai.OpenAI(base_url=upstream.url, api_key="none") as client:
        sdk = guard.wrap(client)
        attempts: list[Callable[[], Any]] = [
            lambda: sdk.images.generate(prompt="a cat"),
            lambda: sdk.chat.completions.retrieve("chatcmpl-1"),
            lambda: sdk.files.create(file=b"x", purpose="batch"),
            lambda: sdk.moderations.create(input="x"),
            lambda: getattr(sdk, "realtime", sdk.beta.realtime).connect(model="x").enter(),
            lambda: sdk.with_options(timeout=3).images.generate(prompt="a cat"),
        ]
        for attempt in attempts:
            with pytest.raises((InspectionFailed, openai.OpenAIError)) as caught:
                attempt()
            assert isinstance(caught.value, InspectionFailed) or "realtime" in str(caught.value)
        assert upstream.requests == []
        with pytest.raises(Blocked):
            sdk.embeddings.create(model="m", input="BADPROMPT")
        with pytest.raises(Blocked):
            sdk.with_options(timeout=3).responses.create(model="m", input="BADPROMPT")
        with pytest.raises(Blocked):
            sdk.completions.create(model="m", prompt="BADPROMPT")
        assert upstream.requests == []


def test_only_openai_clients_are_wrapped(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match=r"openai\.OpenAI"):
        guard.wrap(json)


def test_azure(guard: Guard) -> None:
    with ScriptedServer() as upstream:
        client = openai.AzureOpenAI(
            azure_endpoint=upstream.url.removesuffix("/v1"), api_key="none", api_version="2024-10-21"
        )
        with client:
            sdk = guard.wrap(client)
            assert ask(sdk, "tea").choices[0].message.content == upstream.answer
            with pytest.raises(Blocked):
                ask(sdk, "BADPROMPT")
        (request,) = upstream.requests
    assert request.path == "/openai/deployments/recorded/chat/completions?api-version=2024-10-21"


def test_leaving_a_stream_early_lets_go_of_the_model(guard: Guard) -> None:
    with (
        ScriptedServer("word " * 3000, failure=Failure.SLOW, delay=0.002) as upstream,
        openai.OpenAI(base_url=upstream.url, api_key="none") as client,
    ):
        with ask(guard.wrap(client), "hello", stream=True) as stream:
            next(chunk for chunk in stream if chunk.choices[0].delta.content)
        assert upstream.aborted.wait(5)
    assert wait_until(lambda: [record.fate for record in records(guard)] == ["released"])
    assert "word" in (records(guard)[0].exchange.response or "")


def test_many_threads(guard: Guard, sdk: openai.OpenAI) -> None:
    done: list[str] = []

    def work(number: int) -> None:
        text = ("tea", "BADPROMPT", "leak", "long")[number % 4]
        try:
            done.append("passed" if ask(sdk, text, stream=number % 2 == 0) else "")
        except Blocked as error:
            done.append(error.fate)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 24
    assert done.count("intercepted_prompt") == 6


def test_the_asynchronous_client(server: str) -> None:
    system = system_with()

    async def streamed(sdk: openai.AsyncOpenAI, text: str) -> str:
        stream = await sdk.chat.completions.create(model="recorded", messages=user(text), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def work() -> None:
        async with Guard(system=system) as guard, openai.AsyncOpenAI(base_url=server, api_key="none") as client:
            sdk = guard.wrap(client)
            done = await sdk.chat.completions.create(model="recorded", messages=user("tea"))
            assert done.choices[0].message.content == ANSWERS["tea"]
            assert await streamed(sdk, "long") == LONG
            assert [model.id async for model in sdk.models.list()] == ["recorded", "unaligned"]
            for text in ("BADPROMPT", "leak", "late"):
                with pytest.raises(Blocked):
                    await streamed(sdk, text)
                with pytest.raises(Blocked):
                    await sdk.chat.completions.create(model="recorded", messages=user(text))
            with pytest.raises(InspectionFailed):
                await sdk.images.generate(prompt="a cat")
            refusing = guard.wrap(client, on_blocked="refuse")
            assert (await streamed(refusing, "leak")).strip() == REFUSAL
            results = await asyncio.gather(*(streamed(sdk, "long") for _ in range(20)))
            assert results == [LONG] * 20

    asyncio.run(work())
    system.close()


def test_an_asynchronous_task_can_be_cancelled() -> None:
    system = system_with()

    async def work() -> None:
        with ScriptedServer(failure=Failure.HANG) as upstream:
            async with Guard(system=system) as guard, openai.AsyncOpenAI(base_url=upstream.url, api_key="no") as client:
                sdk = guard.wrap(client)
                call = sdk.chat.completions.create(model="m", messages=user("tea"))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(call, 0.3)
                assert await asyncio.to_thread(upstream.aborted.wait, 5)
                assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(work())
    system.close()

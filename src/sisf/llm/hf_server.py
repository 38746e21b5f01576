"""A model of `sisf.llm.hf` behind an OpenAI-compatible API: chat completions and completions, plain and streamed."""

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sisf.errors import ModelError, quoted
from sisf.llm.application import application
from sisf.llm.base import Completion
from sisf.llm.hf import HfModel, Sampling
from sisf.llm.shapes import MOST_CHOICES, WrittenChat, WrittenText
from sisf.llm.wire import BadRequest, error_response, messages_of, parsed


def create_app(model: HfModel) -> Starlette:
    """The application. Every model name is answered by this one model."""
    served = _Served(model)
    endpoints = [
        Route("/v1/chat/completions", served.chat, methods=["POST"]),
        Route("/v1/completions", served.completions, methods=["POST"]),
    ]
    return application(endpoints, [model.id])


class _Served:
    def __init__(self, model: HfModel) -> None:
        self._model = model

    async def chat(self, request: Request) -> Response:
        try:
            body = parsed(await request.body(), WrittenChat)
            _refuse(body, "tools", "functions", "response_format", "logprobs")
            messages = messages_of(body["messages"])
            prompt = await run_in_threadpool(self._model.render, messages)
            return await self._answer(_Chat(self._model.id), [prompt], body)
        except (BadRequest, ModelError) as error:
            return error_response(400, "invalid_request_error", str(error))

    async def completions(self, request: Request) -> Response:
        try:
            body = parsed(await request.body(), WrittenText)
            _refuse(body, "logprobs", "echo", "suffix")
            given = body["prompt"]
            prompts = [given] if isinstance(given, str) else given
            return await self._answer(_Text(self._model.id), prompts, body)
        except (BadRequest, ModelError) as error:
            return error_response(400, "invalid_request_error", str(error))

    async def _answer(self, shape: "_Shape", prompts: Sequence[str], body: Mapping[str, Any]) -> Response:
        sampling = sampling_of(body)
        count = body.get("n") or 1
        if count * len(prompts) > MOST_CHOICES:
            raise BadRequest(
                f"at most {MOST_CHOICES} choices are written for one request: lower `n` or send fewer prompts"
            )
        wanted = [prompt for prompt in prompts for _ in range(count)]
        if body.get("stream"):
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            return StreamingResponse(self._events(shape, wanted, sampling, usage), media_type="text/event-stream")
        done = [await run_in_threadpool(self._model.write, prompt, sampling) for prompt in wanted]
        choices = [shape.choice(index, answer) for index, answer in enumerate(done)]
        return JSONResponse({**shape.head(shape.kind), "choices": choices, "usage": _usage(done, count)})

    async def _events(
        self, shape: "_Shape", prompts: Sequence[str], sampling: Sampling, usage: bool
    ) -> AsyncIterator[bytes]:
        done: list[Completion] = []
        try:
            for index, prompt in enumerate(prompts):
                for choice in shape.opening(index):
                    yield _event({**shape.head(shape.chunk), "choices": [choice]})
                async for piece in iterate_in_threadpool(self._model.stream(prompt, sampling)):
                    if isinstance(piece, Completion):
                        done.append(piece)
                        choice = shape.delta(index, "", piece.finish_reason)
                    else:
                        choice = shape.delta(index, piece, None)
                    yield _event({**shape.head(shape.chunk), "choices": [choice]})
        except ModelError as error:
            yield _event({"error": {"message": str(error), "type": "model_error", "param": None, "code": None}})
            return
        if usage:
            yield _event({**shape.head(shape.chunk), "choices": [], "usage": _usage(done, 1)})
        yield b"data: [DONE]\n\n"


class _Shape:
    """How answers look in one of the two APIs."""

    kind = ""
    chunk = ""
    prefix = ""

    def __init__(self, model: str) -> None:
        self._fixed = {"id": f"{self.prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def head(self, kind: str) -> dict[str, Any]:
        return {**self._fixed, "object": kind}

    def opening(self, _index: int) -> list[dict[str, Any]]:
        return []

    def choice(self, index: int, answer: Completion) -> dict[str, Any]:
        raise NotImplementedError

    def delta(self, index: int, text: str, reason: str | None) -> dict[str, Any]:
        raise NotImplementedError


class _Chat(_Shape):
    kind, chunk, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def opening(self, index: int) -> list[dict[str, Any]]:
        return [_choice(index, None, delta={"role": "assistant", "content": ""})]

    def choice(self, index: int, answer: Completion) -> dict[str, Any]:
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        return _choice(index, answer.finish_reason, message=message)

    def delta(self, index: int, text: str, reason: str | None) -> dict[str, Any]:
        return _choice(index, reason, delta={"content": text} if reason is None else {})


class _Text(_Shape):
    kind, chunk, prefix = "text_completion", "text_completion", "cmpl"

    def choice(self, index: int, answer: Completion) -> dict[str, Any]:
        return _choice(index, answer.finish_reason, text=answer.text)

    def delta(self, index: int, text: str, reason: str | None) -> dict[str, Any]:
        return _choice(index, reason, text=text)


def _choice(index: int, reason: str | None, **content: Any) -> dict[str, Any]:
    return {"index": index, **content, "logprobs": None, "finish_reason": reason}


def sampling_of(body: Mapping[str, Any]) -> Sampling:
    """What a request asks for; the paper's sampling where it says nothing."""
    usual = Sampling()
    temperature, top_p, stop = body.get("temperature"), body.get("top_p"), body.get("stop") or ()
    return Sampling(
        body.get("max_completion_tokens") or body.get("max_tokens") or usual.max_tokens,
        usual.temperature if temperature is None else float(temperature),
        usual.top_p if top_p is None else float(top_p),
        (stop,) if isinstance(stop, str) else tuple(stop),
        body.get("seed"),
    )


def _refuse(body: Mapping[str, Any], *keys: str) -> None:
    found = next((key for key in keys if body.get(key)), None)
    if found:
        raise BadRequest(f"{quoted(found)} is not supported by this model")


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def _usage(done: Sequence[Completion], each: int) -> dict[str, int]:
    prompt = sum(answer.prompt_tokens for answer in done[::each])
    answer = sum(answer.completion_tokens for answer in done)
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}

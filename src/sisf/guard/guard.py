"""`Guard`: check, enforce, record and learn inside a Python program. Every method has an `a…` twin for event loops."""

import asyncio
import copy
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from sisf.bootstrap import System, build
from sisf.errors import HttpFailure, InspectionFailed, SisfError, StoreError
from sisf.exchange import Exchange, Fate, Message, Role, Sender
from sisf.gateway.dialects.answers import Asked
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.redaction import TURNS, turns_of
from sisf.guard.portal import Portal
from sisf.pipeline import Caller, Choice, Inspected, Turn, create_pipeline
from sisf.pipeline.caller import ANONYMOUS
from sisf.policy import Decision, Direction
from sisf.settings import Settings, load
from sisf.store.records import ExchangeRecord

Messages = Sequence[Mapping[str, Any]]
Prompt = str | Messages
"""A user's text, or messages as the OpenAI API takes them."""
Api = Literal["chat", "responses"]
"""Which of OpenAI's APIs messages are written for: `messages` of a chat, or items of `input` of a response."""
PromptT = TypeVar("PromptT", str, Messages)
AnswerT = TypeVar("AnswerT", str, Mapping[str, Any])
ClientT = TypeVar("ClientT")

_LOCAL = {"SISF_ADJUDICATION__JUDGE": "local", "SISF_SYNTHESIS__SYNTHESISER": "local"}
_CHAT = Chat()
_DIALECTS: dict[Api, Dialect] = {"chat": _CHAT, "responses": Responses()}


@dataclass(frozen=True, slots=True)
class Admitted:
    """A prompt that may go to the model, on its way to become an exchange."""

    prompt: Any
    """What to send: the prompt as it was given, or as a rewrite policy changed it."""
    decision: Decision
    turn: Turn = field(repr=False)
    since: float = field(default_factory=time.perf_counter, repr=False)
    """When it was admitted, as `time.perf_counter` has it: from then on the model is waited for."""


class Guard:
    """The whole of SISF in this process: packaged embedder, store, judge, synthesiser, and the loop in threads.

    `Guard()` needs no key, no network and no configuration: judge and synthesiser are local, policies live in
    `sisf.db` in the working folder, and `SISF_…` variables change any of it. `store="memory:"` keeps nothing.
    Close it, or use it as a context manager (`with` or `async with`).

    Raises `ConfigurationError`, `StoreError` or `ModelError` when it cannot be built.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        store: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        system: System | None = None,
    ) -> None:
        """`overrides` maps dotted keys to values (`{"adjudication.mode": "inline"}`); `system` is a running one that
        the caller keeps and closes."""
        given = {**(overrides or {}), **({"store.url": store} if store else {})}
        if system is None and settings is None:
            settings = load(overrides=given, environment={**_LOCAL, **os.environ})
        _log_through_the_program()
        self._owned = system is None
        self.system = system if system is not None else build(settings or load(overrides=given))
        parts = self.system
        self._pipeline = create_pipeline(
            parts.settings, parts.warden, parts.loop, parts.adjudicator, memory=parts.store.passed
        )
        self._portal = Portal()

    @classmethod
    def from_config(cls, path: str | Path, *, overrides: Mapping[str, Any] | None = None) -> "Guard":
        """A guard as `sisf.yaml` says. Raises `ConfigurationError` that names every wrong key."""
        return cls(load(Path(path), overrides=overrides))

    @property
    def revision(self) -> int:
        """The revision of the policy set in force."""
        return self.system.warden.revision

    def metrics(self) -> bytes:
        """What was counted, fail-opens included, in Prometheus' text format."""
        return self._pipeline.metrics.render()

    # Checks: what the policies say. A blocked text is recorded; acting on the decision is the caller's part.

    async def acheck_prompt(self, prompt: Prompt, *, principal: str = ANONYMOUS, tenant: str = "default") -> Decision:
        """What the policies in force say of a prompt.

        Raises `LimitExceeded` for one larger than the limits, `InspectionFailed` where it could not be inspected.
        """
        turn = self._begin(prompt, principal, tenant)
        return await self._check(turn, turn.request.messages, Direction.PROMPT, Fate.INTERCEPTED_PROMPT)

    async def acheck_response(
        self, response: str, *, prompt: Prompt = "", principal: str = ANONYMOUS, tenant: str = "default"
    ) -> Decision:
        """What the policies in force say of an answer; `prompt` is what it answers, for the record. Raises as
        `acheck_prompt` does."""
        turn = self._begin(prompt, principal, tenant)
        turn.response = response
        messages = _answer({"content": response})
        return await self._check(turn, messages, Direction.RESPONSE, Fate.INTERCEPTED_RESPONSE)

    async def arecord(self, exchange: Exchange, *, decisions: Sequence[Decision] = ()) -> None:
        """Hand an exchange that was released to the loop, which judges it and learns from it if it is a breach.

        Returns at once while the store is well (or after the commit, with `store.durability: strict`). Raises
        `StoreError` when it could not be written.
        """
        if not await self._pipeline.recorder.record(ExchangeRecord(exchange, tuple(decisions))):
            raise StoreError("the exchange could not be written; see the log for the store's error")

    # Enforcement: the same, acted upon as the settings say (mode, inline adjudication, what happens on failure).

    async def aadmit(
        self,
        prompt: PromptT,
        *,
        principal: str = ANONYMOUS,
        tenant: str = "default",
        model: str = "",
        api: Api = "chat",
    ) -> Admitted:
        """Let a prompt pass, or raise `Blocked`. Send `admitted.prompt` to the model, then `arelease` its answer."""
        turn = self._begin(prompt, principal, tenant, model, api)
        key = TURNS[api]
        try:
            tree = await self._pipeline.prompt(turn, turns_of(api, turn.request, partial(self._read, api)))
        except SisfError:
            self._pipeline.end(turn)
            raise
        sent: Any = prompt
        if tree is not None:
            sent = tree[key][0]["content"] if isinstance(prompt, str) else tree[key]
        return Admitted(sent, turn.decisions[-1], turn)

    async def arelease(self, admitted: Admitted, response: AnswerT) -> AnswerT:
        """Inspect an answer (a text, or an assistant's message as the OpenAI API has it), judge it where adjudication
        is inline, record the exchange for the loop, and return what may be released.

        Raises `Blocked`; `StoreError` when the exchange could not be written; `InspectionFailed`, `LimitExceeded`.
        """
        turn = admitted.turn
        turn.waited += time.perf_counter() - admitted.since
        tree = copy.deepcopy(dict(response)) if isinstance(response, Mapping) else {"content": response}
        try:
            release = await self._pipeline.release(turn, tree, [Choice(0, _answer(tree))])
        finally:
            self._pipeline.end(turn)
        if release.withheld:
            raise turn.stopped()
        if not release.changed:
            return response
        return tree if isinstance(response, Mapping) else tree["content"]  # type: ignore[return-value]

    def wrap(
        self,
        client: ClientT,
        *,
        principal: str = ANONYMOUS,
        tenant: str = "default",
        on_blocked: Literal["raise", "refuse"] = "raise",
    ) -> ClientT:
        """A copy of an `openai.OpenAI` or `AsyncOpenAI` client (or one for Azure) whose every request is inspected.

        Chat completions, completions, responses and embeddings, plain, streamed and through helpers such as `parse`
        and `stream`, are inspected as the gateway inspects them. Models can be listed. Everything else raises
        `InspectionFailed`: use the client itself for it. What is stopped raises `Blocked`, also from the iteration of
        a stream; or, with `on_blocked="refuse"`, becomes an answer that refuses. Connections, credentials and
        time-outs stay the client's.
        """
        from sisf.guard.client import guarded

        caller = Caller(Sender(tenant, principal), informed=True)
        made: ClientT = guarded(client, self._pipeline, self._portal, caller, refuse=on_blocked == "refuse")
        return made

    async def adrain(self, timeout: float = 300.0) -> bool:  # noqa: ASYNC109 - the loop keeps the time, in a thread
        """Wait until the loop has worked through all that was recorded; False when `timeout` seconds were too few."""
        return await asyncio.to_thread(self.system.loop.drain, timeout)

    async def aclose(self) -> None:
        """`close`, without holding up the event loop."""
        await asyncio.to_thread(self.close)

    # The same for callers without an event loop. Inside of one these would block it: use the twins above.

    def check_prompt(self, prompt: Prompt, *, principal: str = ANONYMOUS, tenant: str = "default") -> Decision:
        """`acheck_prompt`, waited for."""
        return self._portal.run(self.acheck_prompt(prompt, principal=principal, tenant=tenant))

    def check_response(
        self, response: str, *, prompt: Prompt = "", principal: str = ANONYMOUS, tenant: str = "default"
    ) -> Decision:
        """`acheck_response`, waited for."""
        return self._portal.run(self.acheck_response(response, prompt=prompt, principal=principal, tenant=tenant))

    def record(self, exchange: Exchange, *, decisions: Sequence[Decision] = ()) -> None:
        """`arecord`, waited for."""
        self._portal.run(self.arecord(exchange, decisions=decisions))

    def admit(
        self,
        prompt: PromptT,
        *,
        principal: str = ANONYMOUS,
        tenant: str = "default",
        model: str = "",
        api: Api = "chat",
    ) -> Admitted:
        """`aadmit`, waited for."""
        return self._portal.run(self.aadmit(prompt, principal=principal, tenant=tenant, model=model, api=api))

    def release(self, admitted: Admitted, response: AnswerT) -> AnswerT:
        """`arelease`, waited for."""
        return self._portal.run(self.arelease(admitted, response))

    def drain(self, timeout: float = 300.0) -> bool:
        """`adrain`, waited for."""
        return self.system.loop.drain(timeout)

    def close(self) -> None:
        """Stop the loop after the work at hand and close the store; what is left to do stays in it. Idempotent."""
        self._portal.close()
        self._pipeline.close()
        if self._owned:
            self._owned = False
            self.system.close()

    def __enter__(self) -> "Guard":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> "Guard":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def _begin(self, prompt: Prompt, principal: str, tenant: str, model: str = "", api: Api = "chat") -> Turn:
        caller = Caller(Sender(tenant, principal), informed=True)
        self._pipeline.admit(caller)
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        try:
            request = self._read(api, {TURNS[api]: messages, "model": model})
        except HttpFailure as error:
            raise InspectionFailed(error.message) from None
        return self._pipeline.begin("in-process", request, caller)

    def _read(self, api: Api, tree: dict[str, Any]) -> Inspected:
        settings = self._pipeline.settings
        return _DIALECTS[api].request(tree, settings.limits, opaque=settings.on_failure.open_kinds)

    async def _check(self, turn: Turn, messages: Sequence[Message], direction: Direction, fate: Fate) -> Decision:
        """A decision that the caller acts on; what it would stop is recorded with `fate`."""
        try:
            decision = await self._pipeline.checks.check(turn, messages, direction)
            if decision.blocked and turn.enforce:
                turn.fate = fate
                await self._pipeline.record(turn)
        finally:
            self._pipeline.end(turn)
        return decision


def _log_through_the_program() -> None:
    """In a program that has not configured structlog, SISF's logs go to `logging` (as `sisf.…`), not to its output."""
    import structlog

    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.stdlib.add_log_level,
                structlog.processors.KeyValueRenderer(key_order=["event"]),
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )


def _answer(message: Mapping[str, Any]) -> tuple[Message, ...]:
    """All texts of an assistant's message."""
    if isinstance(message.get("content"), str) and len(message) == 1:
        return (Message(Role.ASSISTANT, message["content"], "content"),)
    try:
        answers = _CHAT.answers({"choices": [{"message": dict(message)}]}, Asked())
    except (HttpFailure, ValueError) as error:
        raise InspectionFailed(f"the answer has not the form of an assistant's message: {error}") from None
    prefix = "choices[0].message."
    return tuple(
        Message(m.role, m.content, m.origin.removeprefix(prefix)) for answer in answers for m in answer.messages
    )

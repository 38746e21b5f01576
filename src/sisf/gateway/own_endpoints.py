"""Endpoints that SISF answers itself: check, adjudicate, moderations, and LiteLLM's guardrail hook."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sisf.adjudicator.base import Adjudicator
from sisf.errors import HttpFailure, LimitExceeded, SisfError, quoted
from sisf.exchange import Exchange, Message, Role
from sisf.gateway import nodes
from sisf.gateway.asgi import ClientGone, DisconnectWatch
from sisf.gateway.core import Core
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.requests import read_prompts
from sisf.gateway.error_responses import as_response
from sisf.gateway.failures import STOPPING, noticed
from sisf.gateway.feedback import PATH as FEEDBACK
from sisf.gateway.feedback import Feedback
from sisf.gateway.headers import fields
from sisf.gateway.shapes import Reader
from sisf.gateway.texts import joined
from sisf.gateway.wire import parse_request
from sisf.loop.lifecycle import Lifecycle
from sisf.pipeline.caller import Caller
from sisf.pipeline.judging import InlineJudge
from sisf.pipeline.turn import Inspected
from sisf.policy import Decision, Direction
from sisf.store import Store
from sisf.taxonomy import OPENAI_MODERATION, Hazard

OWN_PATHS = ("/v1/check", "/v1/adjudicate", "/v1/moderations", "/beta/litellm_basic_guardrail_api")
"""Paths of what SISF answers itself."""
T = TypeVar("T")
Read = Callable[[dict[str, Any]], T]
"""Takes from a request what is needed to answer it; off the event loop where the request is large."""
Handler = Callable[[T, Caller], Awaitable[Mapping[str, Any]]]

_CATEGORY = {
    Hazard.HATE: "hate",
    Hazard.DEFAMATION: "harassment",
    Hazard.VIOLENT_CRIMES: "violence",
    Hazard.INDISCRIMINATE_WEAPONS: "illicit/violent",
    Hazard.SUICIDE_SELF_HARM: "self-harm",
    Hazard.SEXUAL_CONTENT: "sexual",
    Hazard.SEX_RELATED_CRIMES: "sexual",
    Hazard.CHILD_SEXUAL_EXPLOITATION: "sexual/minors",
}
"""The one of OpenAI's categories that a hazard is reported as; all others are `illicit`."""


class OwnEndpoints:
    """What integrations call. Nothing here is forwarded to a model."""

    def __init__(self, core: Core, adjudicator: Adjudicator, store: Store, lifecycle: Lifecycle | None = None) -> None:
        self._core = core
        self._store = store
        self._feedback = Feedback(store, lifecycle) if lifecycle is not None else None
        judge = core.pipeline.judge  # where answers wait for it, callers share it
        self._judge = judge or InlineJudge(adjudicator, core.settings.adjudication, core.metrics)

    def routes(self) -> list[Route]:
        """The routes."""
        check, adjudicate, moderations, litellm = OWN_PATHS
        routes = [
            self._route(check, self._read_exchange, self._check),
            self._route(adjudicate, self._read_exchange, self._adjudicate),
            self._route(moderations, self._read_inputs, self._moderations),
            self._route(litellm, self._read_texts, self._litellm),
        ]
        if self._feedback is not None:
            routes.append(self._route(FEEDBACK, dict, self._feedback.answer))
        return routes

    def close(self) -> None:
        """Let go of the judge's threads."""
        self._judge.close()

    def _route(self, path: str, read: Read[T], answer: Handler[T]) -> Route:
        async def endpoint(request: Request) -> Response:
            watch = DisconnectWatch(request.receive)
            try:
                asked = await self._admitted(request, watch, read)
                body = msgspec.json.encode(await answer(*asked))
                response = Response(body, media_type="application/json")
            except ClientGone:
                response = Response(status_code=499)
            except asyncio.CancelledError:
                response = Response(status_code=499) if watch.gone else as_response(STOPPING)
            except SisfError as error:
                response = as_response(noticed(error, self._core.metrics, endpoint=path))
            finally:
                watch.stop()
            self._core.metrics.requests.inc(path.rpartition("/")[2], str(response.status_code))
            return response

        return Route(path, endpoint, methods=["POST"])

    async def _admitted(self, request: Request, watch: DisconnectWatch, read: Read[T]) -> tuple[T, Caller]:
        caller = self._core.admit(request.scope, fields(request.scope["headers"]))
        raw = await self._core.document(request.scope, watch, caller)
        limits = self._core.settings.limits
        if nodes.small(raw):
            return read(parse_request(raw, limits)), caller
        return await self._core.pipeline.aside(caller, lambda: read(parse_request(raw, limits))), caller

    async def _decide(self, messages: list[Message], direction: Direction, caller: Caller, path: str = "") -> Decision:
        """A decision; who asks for what is blocked counts as having been blocked: it is the same oracle."""
        decision = await self._looked_at(messages, direction, caller, path)
        if decision.blocked:
            await self._core.pipeline.throttle.blocked(caller)
        return decision

    async def _looked_at(
        self, messages: list[Message], direction: Direction, caller: Caller, path: str = ""
    ) -> Decision:
        inspected = Inspected(tuple(messages), "", stream=False, tree={})
        turn = self._core.pipeline.begin("service", inspected, caller, path=path)
        return await self._core.pipeline.checks.check(turn, messages, direction)

    def _read_exchange(self, tree: dict[str, Any]) -> tuple[Inspected, str | None]:
        """`{"text"}` or `{"messages"}`, and `{"response"}`."""
        _only(tree, "text", "messages", "response")
        return self._prompt(tree), _optional_text(tree, "response")

    async def _check(self, asked: tuple[Inspected, str | None], caller: Caller) -> Mapping[str, Any]:
        """A decision on the prompt, the response, or both."""
        read, response = asked
        prompt = _all_texts(read)
        if not prompt and response is None:
            raise HttpFailure(400, "invalid_request", "Give `text` or `messages`, or a `response`.")
        decisions: list[Decision] = []
        if prompt:
            decisions.append(await self._decide(prompt, Direction.PROMPT, caller))
        if response is not None:
            answer = [Message(Role.ASSISTANT, response, "response")]
            decisions.append(await self._decide(answer, Direction.RESPONSE, caller))
        strongest = max(decisions, key=lambda d: d.action.precedence)
        return {
            "action": strongest.action.value,
            "blocked": strongest.blocked,
            "revision": strongest.revision,
            **({"policy_id": strongest.policy_id} if caller.informed else {}),
            "decisions": [_told(d, prompt, informed=caller.informed) for d in decisions],
        }

    async def _adjudicate(self, asked: tuple[Inspected, str | None], caller: Caller) -> Mapping[str, Any]:
        """The judge's verdict on the exchange."""
        prompt, response = asked[0].messages, asked[1]
        if not prompt or response is None:
            raise HttpFailure(400, "invalid_request", "Give `text` or `messages`, and the `response`.")
        throttle = self._core.pipeline.throttle
        throttle.spare(caller)
        verdict = await self._judge.verdict(Exchange(tuple(prompt), response, sender=caller.sender))
        if verdict.is_breach:
            await throttle.blocked(caller)
        if not caller.informed:
            return {"outcome": verdict.outcome.value, "hazard": verdict.hazard.value}
        return {
            "outcome": verdict.outcome.value,
            "hazard": verdict.hazard.value,
            "technique": verdict.technique.value,
            "severity": verdict.severity,
            "confidence": verdict.confidence,
            "rationale": verdict.rationale,
            "judge": verdict.judge,
        }

    def _prompt(self, tree: dict[str, Any]) -> Inspected:
        text = _optional_text(tree, "text")
        if text is None and "messages" in tree:
            return Chat().request({"messages": tree["messages"]}, self._core.settings.limits)
        said = () if text is None else (Message(Role.USER, text, "text"),)
        return Inspected(said, "", stream=False, tree={})

    def _read_inputs(self, tree: dict[str, Any]) -> list[list[Message]]:
        """The texts of each input."""
        given = tree.get("input")
        limits = self._core.settings.limits
        if isinstance(given, list) and given and all(isinstance(part, dict) for part in given):
            asked = {"messages": [{"role": "user", "content": given}]}
            return [_all_texts(Chat().request(asked, limits))]
        reader = Reader()
        read_prompts(reader, given, "input", limits)
        if sum(len(message.content) for message in reader.messages) > limits.text_chars:  # each is inspected by itself
            raise LimitExceeded(f"More than {limits.text_chars} characters of text (limits.text_chars).")
        return [[message] for message in reader.messages]

    async def _moderations(self, texts: list[list[Message]], caller: Caller) -> Mapping[str, Any]:
        """OpenAI's shape: one result for each input."""
        decisions: list[Decision] = []
        for text in texts:
            if decisions:
                await self._core.pipeline.breath.draw(caller.sender)
            decisions.append(await self._looked_at(text, Direction.PROMPT, caller))
        blocked = sum(decision.blocked for decision in decisions)
        if blocked:
            await self._core.pipeline.throttle.blocked(caller, blocked)
        results = await asyncio.to_thread(self._results, decisions)
        return {"id": f"modr-{uuid.uuid4().hex}", "model": "sisf", "results": results}

    def _results(self, decisions: Sequence[Decision]) -> list[dict[str, Any]]:
        hazards = self._hazards(decisions)
        return [_moderated(decision, hazards) for decision in decisions]

    def _hazards(self, decisions: Sequence[Decision]) -> dict[str, Hazard]:
        """What the policies that matched stand against, by their ids; those of which the store cannot say are left out.

        Each is looked up once, however many texts it matched.
        """
        found: dict[str, Hazard] = {}
        for policy_id in {match.policy_id for d in decisions if d.blocked for match in d.matches if not match.shadow}:
            with contextlib.suppress(SisfError):
                found[policy_id] = self._store.policies.get(policy_id).hazard
        return found

    def _read_texts(self, tree: dict[str, Any]) -> tuple[list[Message], Direction, int] | None:
        """What LiteLLM asks about, the direction, and how many of the texts can be rewritten; None for images."""
        kind = tree.get("input_type")
        if kind not in ("request", "response"):
            raise HttpFailure(400, "invalid_request", "`input_type` must be `request` or `response`.", "input_type")
        if tree.get("images") and "image" not in self._core.settings.on_failure.open_kinds:
            return None
        texts = tree.get("texts") or []
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise HttpFailure(400, "invalid_request", "`texts` must be an array of strings.", "texts")
        role, direction = (Role.USER, Direction.PROMPT) if kind == "request" else (Role.ASSISTANT, Direction.RESPONSE)
        messages = [Message(role, text, f"texts[{index}]") for index, text in enumerate(texts)]
        known = set(texts)
        for key in ("structured_messages", "tools", "tool_calls"):
            for message in joined(role, _without(tree.get(key), known), key):
                messages.append(message)
        return messages, direction, len(texts)

    async def _litellm(self, asked: tuple[list[Message], Direction, int] | None, caller: Caller) -> Mapping[str, Any]:
        """LiteLLM's generic guardrail: `BLOCKED`, `GUARDRAIL_INTERVENED` with new texts, or `NONE`."""
        if asked is None:
            return {"action": "BLOCKED", "blocked_reason": "Images cannot be inspected."}
        messages, direction, rewritable = asked
        if not messages:
            return {"action": "NONE"}
        decision = await self._decide(messages, direction, caller, OWN_PATHS[-1])
        enforce = self._core.pipeline.enforces(OWN_PATHS[-1], caller.tenant)
        if decision.blocked and enforce:
            which = f" ({decision.policy_id})" if caller.informed else ""
            return {"action": "BLOCKED", "blocked_reason": f"Blocked by a safety policy{which}."}
        if decision.rewritten is not None and enforce:
            return {"action": "GUARDRAIL_INTERVENED", "texts": list(decision.rewritten[:rewritable])}
        return {"action": "NONE"}


def _all_texts(read: Inspected) -> list[Message]:
    """What was said, and what stands beside it in what is sent on."""
    return [*read.messages, *read.aside]


def _moderated(decision: Decision, hazards: Mapping[str, Hazard]) -> dict[str, Any]:
    """One result in OpenAI's shape."""
    hit: set[str] = set()
    if decision.blocked:
        matched = [hazards.get(match.policy_id, Hazard.OTHER) for match in decision.matches if not match.shadow]
        hit = {_CATEGORY.get(hazard, "illicit") for hazard in matched or [Hazard.OTHER]}
    return {
        "flagged": decision.blocked,
        "categories": {name: name in hit for name in OPENAI_MODERATION},
        "category_scores": {name: float(name in hit) for name in OPENAI_MODERATION},
        "category_applied_input_types": {name: ["text"] if name in hit else [] for name in OPENAI_MODERATION},
    }


def _told(decision: Decision, prompt: list[Message], *, informed: bool) -> dict[str, Any]:
    """A decision without scores: those would lead an attacker uphill. Which policies, only to those who may know."""
    if not informed:
        return {
            "direction": decision.direction.value,
            "action": decision.action.value,
            "revision": decision.revision,
        }
    answer = [Message(Role.ASSISTANT, "", "response")]
    places = prompt if decision.direction is Direction.PROMPT else answer
    return {
        "direction": decision.direction.value,
        "action": decision.action.value,
        "revision": decision.revision,
        "elapsed_us": decision.elapsed_us,
        "matches": [
            {
                "policy_id": match.policy_id,
                "action": match.action.value,
                "origin": places[match.segment].origin if match.segment < len(places) else "",
            }
            for match in decision.matches
            if not match.shadow
        ],
    }


def _without(value: Any, known: set[str]) -> Any:
    """`value` without the texts that are inspected already."""
    if isinstance(value, str):
        return None if value in known else value
    if isinstance(value, dict):
        return {key: _without(child, known) for key, child in value.items()}
    return [_without(child, known) for child in value] if isinstance(value, list) else value


def _optional_text(tree: dict[str, Any], key: str) -> str | None:
    value = tree.get(key)
    if value is not None and not isinstance(value, str):
        raise HttpFailure(400, "invalid_request", f"{quoted(key)} must be a string.", key)
    return value


def _only(tree: dict[str, Any], *known: str) -> None:
    unknown = next((key for key in tree if key not in known), None)
    if unknown is not None:
        raise HttpFailure(
            400, "invalid_request", f"{quoted(unknown, 40)} is not a field of this endpoint.", unknown[:40]
        )

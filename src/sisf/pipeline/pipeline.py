"""The way of one exchange: what is asked, what is decided, what is recorded, and what may be released."""

import copy
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import structlog

from sisf.errors import InspectionFailed, LimitExceeded, StoreError
from sisf.exchange import Fate, Message
from sisf.fair_pool import FairPool, OutOfTime
from sisf.pipeline.breath import Breath
from sisf.pipeline.caller import Caller
from sisf.pipeline.checking import Checks, stops
from sisf.pipeline.conversation import Seen, Turns, blamed, older_turns, place_of, resume
from sisf.pipeline.images import ImageInspector
from sisf.pipeline.judging import InlineJudge
from sisf.pipeline.metrics import Metrics
from sisf.pipeline.recording import Recorder
from sisf.pipeline.rewriting import put_back
from sisf.pipeline.throttle import Throttle
from sisf.pipeline.turn import Choice, Inspected, Turn
from sisf.policy import Decision, Direction
from sisf.settings import Settings

T = TypeVar("T")
_log = structlog.get_logger("sisf.pipeline")


@dataclass(frozen=True, slots=True)
class Release:
    """What may be released of a plain answer."""

    withheld: frozenset[int]
    """Choices that must not go out."""
    changed: bool = False
    """Whether a policy rewrote the answer, in the document that was given."""


_AS_IT_CAME = Release(frozenset())


def _rewritten(request: Inspected, decision: Decision) -> dict[str, Any] | None:
    """The document of a request with the texts that a decision puts there; None where a text has no such place."""
    tree = copy.deepcopy(dict(request.tree))
    return tree if put_back(tree, request.messages, decision.rewritten or ()) else None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps, in the order in which an exchange takes them: `admit`, `begin`, `prompt`, the model, `release` (or an
    `AnswerStream`), `end`. An exchange whose client goes away is given to `abandon`."""

    settings: Settings
    recorder: Recorder
    judge: InlineJudge | None
    """Who is asked before an answer is released; None where nobody is."""
    metrics: Metrics
    throttle: Throttle
    checks: Checks
    readers: FairPool = field(default_factory=lambda: FairPool(1, name="reader"))
    """Reads and writes documents that are too large for the event loop."""
    breath: Breath = field(default_factory=Breath)
    seen: Seen = field(default_factory=Seen)
    """Texts that passed, for conversations whose older turns are not judged anew."""
    images: ImageInspector | None = None
    """None unless images are moderated."""

    def admit(self, caller: Caller) -> None:
        """Count one request of this caller. Raises `RateLimited`."""
        self.throttle.admit(caller)

    async def aside(self, caller: Caller, work: Callable[[], T]) -> T:
        """What `work` makes of a large document, without holding up the event loop; callers share the time for it.

        Raises what `work` raises; `InspectionFailed` where the time was too short.
        """
        try:
            return await self.readers.run(
                caller.sender, lambda _: work(), self.settings.on_failure.warden_timeout, long=True
            )
        except OutOfTime:
            raise InspectionFailed("The document could not be read in time; try again later.") from None

    async def apart(self, turn: Turn, work: Callable[[], T]) -> T:
        """What `work` makes of the documents of a turn: at once where these are small, else as `aside` does it."""
        return await self.aside(turn.caller, work) if turn.large else work()

    def begin(self, endpoint: str, request: Inspected, caller: Caller, *, path: str = "", started: float = 0.0) -> Turn:
        """An exchange sets out. `path` is what `observe.endpoints` may name; `started` as `perf_counter` has it.

        Raises `LimitExceeded` for more texts, or more text, than is allowed.
        """
        limits = self.settings.limits
        if len(request.messages) + len(request.aside) > limits.texts:
            raise LimitExceeded(f"More than {limits.texts:,} separate texts (limits.texts).", code="too_many_texts")
        if sum(len(message.content) for message in (*request.messages, *request.aside)) > limits.text_chars:
            raise LimitExceeded(f"More than {limits.text_chars} characters of text (limits.text_chars).")
        if request.opaque:
            self.metrics.fail_opens.labels("uninspectable").inc()
            _log.warning("fail_open", part="uninspectable", places=len(request.opaque))
        enforce = self.enforces(path, caller.tenant)
        conversation = self.settings.conversation
        blocked = conversation.routes.get(path, conversation.blocked)
        began = started or time.perf_counter()
        return Turn(endpoint, request, caller, started=began, enforce=enforce, after_blocked=blocked)

    def enforces(self, path: str, tenant: str) -> bool:
        """Whether decisions are enforced for this endpoint and tenant."""
        observe = self.settings.observe
        settled = self.settings.mode == "enforce" and path not in observe.endpoints and tenant not in observe.tenants
        return settled and self.checks.warden.enforces(tenant)

    async def prompt(self, turn: Turn, turns: Turns | None = None) -> dict[str, Any] | None:
        """Inspect what was asked. None when it goes to the model as it came, else the document that goes instead.

        `turns`: how the request is cut into turns; without it one blocked turn stops the whole. Raises `Blocked` for a
        prompt that was stopped, and is recorded; `StoreError` when it could not be; `RateLimited` when its caller is
        stopped again and again; `InspectionFailed`, `LimitExceeded`.
        """
        decision = await self.checks.decide(turn, turn.request.messages, Direction.PROMPT)
        if decision.blocked and turn.enforce and turns is not None and turn.after_blocked != "whole":
            decision = await self._resumed(turn, turns, decision)
        beside_stops = False
        if turn.request.images and not decision.blocked:
            decision = await self._look(turn, turns, decision)
        self.checks.note(turn, decision)
        request = turn.request
        if request.aside and not decision.blocked:
            beside_stops = stops(await self.checks.beside(turn, request.aside, Direction.PROMPT))
        if not turn.enforce:
            return None
        if beside_stops or turn.found:
            await self.stop(turn, Fate.INTERCEPTED_PROMPT)
            raise turn.stopped()
        if not decision.blocked:
            if turn.after_blocked == "new":
                self.seen.passed(turn.caller.sender, (message.content for message in request.messages))
            if decision.rewritten is None:
                return dict(request.tree) if turn.redacted else None
            tree = await self.apart(turn, lambda: _rewritten(request, decision))
            if tree is not None:
                return tree
        turn.blamed = blamed(request.messages, decision)
        await self.stop(turn, Fate.INTERCEPTED_PROMPT)
        raise turn.stopped()

    async def _look(self, turn: Turn, turns: Turns | None, decision: Decision) -> Decision:
        """Have the images of a prompt looked at; the decision on its texts, once more where some went.

        Older images that must not pass go with their turns, as blocked texts do, where the conversation may go on
        without them. Raises `InspectionFailed` and `LimitExceeded`.
        """
        images = turn.request.images
        try:
            found = await self.images.findings(images) if self.images else []
        except InspectionFailed:
            self.metrics.failures.labels("images", "error").inc()
            if "image" not in self.settings.on_failure.open_kinds:
                raise
            self.metrics.fail_opens.labels("images").inc()
            _log.warning("fail_open", part="images")
            return decision
        shown = {image.place: what for image, what in zip(images, found, strict=False) if what}
        if not shown:
            return decision
        if not turn.enforce:
            self.metrics.would_block.labels(Direction.PROMPT.value).inc()
        older = older_turns(turns, turn.request.messages, shown) if turns and turn.after_blocked != "whole" else None
        if turns is None or not older or not turn.enforce:
            place, turn.found = next(iter(shown.items()))
            turn.blamed = place_of(place)
            return decision
        self.metrics.redacted.inc(len(older))
        places = sorted({*older, *map(turns.at, turn.redacted)})
        turn.request = turns.without(places)
        turn.redacted = tuple(f"{turns.key}[{place}]" for place in places)
        return await self.checks.decide(turn, turn.request.messages, Direction.PROMPT)

    async def _resumed(self, turn: Turn, turns: Turns, decision: Decision) -> Decision:
        """The decision on the conversation without the older turns that are blocked, if it may go on so."""

        async def decide(messages: Sequence[Message]) -> Decision:
            await self.breath.draw(turn.caller.sender)
            return await self.checks.decide(turn, messages, Direction.PROMPT)

        async def known(texts: Collection[str]) -> Collection[str]:
            return await self.seen.known(turn.caller.sender, texts) if turn.after_blocked == "new" else ()

        async def without(places: Collection[int]) -> Inspected:
            return await self.apart(turn, lambda: turns.without(places))

        resumed = await resume(turn.request, turns, decision, decide, known=known, without=without)
        if resumed is None:
            return decision
        forwarded = {message.content for message in resumed.request.messages}
        gone = {message.content for message in turn.request.messages} - forwarded
        await self.throttle.left_out(turn.caller, gone, len(resumed.redacted))
        turn.request = resumed.request
        turn.redacted = tuple(f"{turns.key}[{place}]" for place in resumed.redacted)
        self.metrics.redacted.inc(len(resumed.redacted))
        return resumed.decision

    async def release(self, turn: Turn, tree: dict[str, Any], choices: Sequence[Choice]) -> Release:
        """Inspect a plain answer, judge it where adjudication is inline, and record the exchange.

        `tree` is the document in which the texts stand: what a policy rewrites is changed there. Raises `StoreError`
        when the exchange could not be recorded and may not go without; `RateLimited`, `InspectionFailed`.
        """
        spoken = [choice for choice in choices if choice.spoken]
        turn.response = "\n".join(choice.text for choice in spoken)
        withheld, changed = await self._inspect(turn, tree, choices)
        rest = [] if -1 in withheld else [choice.text for choice in spoken if choice.index not in withheld]
        if await self.withholds(turn, "\n".join(rest)):
            turn.fate = Fate.WITHHELD
            withheld = {choice.index for choice in choices}
        else:
            turn.fate = Fate.INTERCEPTED_RESPONSE if withheld else Fate.RELEASED
        if withheld:
            await self.stop(turn, turn.fate)
            return Release(frozenset(withheld), changed)
        if turn.request.answered and not await self.record(turn):
            raise StoreError("The exchange could not be recorded, so its answer is not released; try again later.")
        return Release(frozenset(), changed=True) if changed else _AS_IT_CAME

    async def _inspect(self, turn: Turn, tree: dict[str, Any], choices: Sequence[Choice]) -> tuple[set[int], bool]:
        """Which choices must be withheld, and whether `tree` was rewritten."""
        withheld: set[int] = set()
        changed = False
        for number, choice in enumerate(choices):
            if not choice.messages:
                continue
            if number:
                await self.breath.draw(turn.caller.sender)
            check = self.checks.check if choice.spoken else self.checks.beside
            decision = await check(turn, choice.messages, Direction.RESPONSE)
            if not turn.enforce:
                continue
            if decision.blocked:
                withheld.add(choice.index)
            elif decision.rewritten is not None:
                changed = True
                put = partial(put_back, tree, choice.messages, decision.rewritten)
                if not await self.apart(turn, put):
                    withheld.add(choice.index)
        if not withheld and await self._stopped_together(turn, [choice for choice in choices if choice.spoken]):
            withheld = {choice.index for choice in choices}
        return withheld, changed

    async def _stopped_together(self, turn: Turn, choices: Sequence[Choice]) -> bool:
        """Whether several short answers say what one must not: each a letter or a word of it."""
        short = [choice for choice in choices if len(choice.text) <= self.settings.streaming.window_chars]
        if len(short) < 2:
            return False
        texts = [message for choice in short for message in choice.messages]
        decision = await self.checks.beside(turn, texts, Direction.RESPONSE)
        return decision.blocked and turn.enforce  # what is to be rewritten was, in each

    def judged_first(self, turn: Turn) -> bool:
        """Whether the answer waits for a verdict: always where adjudication is inline, in doubt where it is
        `doubtful`."""
        return self.judge is not None and (turn.doubt is not None or self.settings.adjudication.mode != "doubtful")

    async def withholds(self, turn: Turn, text: str) -> bool:
        """Whether the judge stops what would be released of an answer; False where it is not asked before."""
        if self.judge is None or not text or not self.judged_first(turn):
            return False
        turn.verdict = await self.judge.verdict(replace(turn.exchange(), response=text))
        return turn.enforce and not self.judge.releases(turn.verdict)

    async def stop(self, turn: Turn, fate: Fate) -> None:
        """Record an exchange that a policy or the judge stopped, and count it as probing.

        Raises `StoreError` when it could not be recorded and nobody may be answered without; `RateLimited` for a
        caller who is stopped again and again.
        """
        turn.fate = fate
        if not await self.record(turn):
            raise StoreError("What was stopped could not be recorded; try again later.")
        await self.throttle.blocked(turn.caller)

    async def record(self, turn: Turn, *, released: bool = False) -> bool:
        """Hand the exchange to the loop; False when it could not be written and its answer must not go without.

        `released`: the client already has a part of the answer, so a failure counts as a fail-open.
        """
        turn.recorded = True
        return await self.recorder.record(turn.record(), released=released)

    def abandon(self, turn: Turn, *, delivered: bool = False, complete: bool = False) -> None:
        """The client went away: what is known of the exchange is recorded and learned from, but nobody waits.

        `delivered`: it has a part of the answer; `complete`: all of it. Does nothing for an exchange that is recorded
        already.
        """
        if turn.recorded or not turn.request.answered:
            return
        turn.recorded = True
        turn.fate = Fate.RELEASED if delivered else Fate.ABANDONED
        self.recorder.note(turn.record(), released=delivered)
        if not complete:
            _log.info("client_gone", id=turn.id, endpoint=turn.endpoint)

    def end(self, turn: Turn, **more: Any) -> None:
        """The exchange is over, whatever became of it: its time is counted, and one line is logged, with `more`."""
        added = turn.added
        self.metrics.added.observe(added)
        if not _log.is_enabled_for(logging.INFO):
            return
        decision = turn.strongest
        _log.info(
            "exchange",
            id=turn.id,
            endpoint=turn.endpoint,
            decision=turn.label,
            fate=turn.fate.value,
            revision=decision.revision if decision else None,
            policy=turn.policy_id,
            doubt=turn.doubt.policy_id if turn.doubt else None,
            tenant=turn.caller.tenant,
            principal=turn.caller.sender.principal,
            added_ms=round(added * 1000, 3),
            total_ms=round((time.perf_counter() - turn.started) * 1000, 3),
            **more,
        )

    def close(self) -> None:
        """Let go of threads. Idempotent."""
        self.readers.close()
        if self.judge is not None:
            self.judge.close()
        if self.images is not None:
            self.images.close()

"""What one blocked turn does to a conversation: which turn is to blame, and whether the others may go on without it."""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import structlog

from sisf.errors import StoreError
from sisf.exchange import Message, Role, Sender
from sisf.latest import Latest
from sisf.pipeline.ports import Memory
from sisf.pipeline.turn import Inspected
from sisf.policy import Action, Decision, Match
from sisf.store.passed import PASSED_TEXTS
from sisf.warden.readings import is_joined, places_in_view

_log = structlog.get_logger("sisf.pipeline")
Decide = Callable[[Sequence[Message]], Awaitable[Decision]]
_PLACE = re.compile(r"[a-z_]{1,40}(?:\[\d{1,6}\])?(?:\.[A-Za-z_]{1,40}(?:\[\d{1,6}\])?){0,8}")
_AGAIN_SECONDS = 3600.0
"""After so long what comes again is written again, so that it is remembered for longer."""
_ROUNDS = 8
"""Each one finds turns to leave out; whoever sends more than that is refused."""


@dataclass(frozen=True, slots=True)
class Turns:
    """How a request is cut into turns."""

    key: str
    """The array in which they stand, as `messages`."""
    without: Callable[[Collection[int]], Inspected]
    """The request with those turns replaced by a neutral note."""

    def of(self, message: Message) -> int:
        """The turn that a text belongs to; -1 for one outside of all turns."""
        return self.at(message.origin)

    def at(self, place: str) -> int:
        """The turn of a place; -1 for one outside of all turns."""
        found = re.match(rf"{self.key}\[(\d+)\]", place)
        return int(found[1]) if found else -1


@dataclass(frozen=True, slots=True)
class Resumed:
    """A conversation that may go on."""

    request: Inspected
    """What goes to the model."""
    decision: Decision
    redacted: tuple[int, ...]
    """The turns that were replaced."""


class Seen:
    """Texts that passed, by sender: digests only, the latest ones here and more in a memory that processes share. Used
    on one event loop or under the caller's lock."""

    def __init__(
        self,
        capacity: int = PASSED_TEXTS,
        memory: Memory | None = None,
        *,
        seconds: float = 2.0,
        failed: Callable[[], object] = lambda: None,
    ) -> None:
        """`seconds` are waited for what the memory knows; `failed` is called when it fails."""
        self._memory = memory
        self._seconds = seconds
        self._failed = failed
        self._passed: Latest[bytes, float] = Latest(capacity)
        """When each was last written into the memory, by the monotonic clock."""

    def passed(self, sender: Sender, texts: Iterable[str]) -> None:
        """Remember texts that no policy blocked."""
        now = time.monotonic()
        fresh = []
        for text in texts:
            key = _digest(sender, text)
            written = self._passed.recall(key)
            if written is None or now - written >= _AGAIN_SECONDS:
                self._passed[key] = now
                fresh.append(key)
        if fresh and self._memory is not None:
            try:
                self._memory.add(sender, fresh)
            except StoreError as error:  # other processes will judge these texts again
                self._note(error)

    async def known(self, sender: Sender, texts: Collection[str]) -> frozenset[str]:
        """Which of these texts passed before. What the memory cannot say in time did not."""
        digests = {text: _digest(sender, text) for text in texts}
        found = await self._elsewhere([key for key in digests.values() if key not in self._passed])
        return frozenset(text for text, key in digests.items() if key in self._passed or key in found)

    async def _elsewhere(self, digests: Sequence[bytes]) -> frozenset[bytes]:
        if not digests or self._memory is None:
            return frozenset()
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.to_thread(self._memory.known, digests)
        except (StoreError, TimeoutError) as error:
            self._note(error)
            return frozenset()

    def _note(self, error: Exception) -> None:
        self._failed()
        _log.error("store_failed", kind="remembered", reason=str(error)[:300])


async def resume(
    request: Inspected,
    turns: Turns,
    decision: Decision,
    decide: Decide,
    *,
    known: Callable[[Collection[str]], Awaitable[Collection[str]]],
    without: Callable[[Collection[int]], Awaitable[Inspected]],
) -> Resumed | None:
    """The conversation without the older turns that are to blame for `decision`; None where the newest one is.

    `known`: which texts passed before and are not judged anew. They stay in what is forwarded, and are left out only
    where what remains is inspected. `without`: `turns.without`, however long it takes.
    """
    left_out: set[int] = set()
    together: set[int] = set()
    inspected = request
    for _ in range(_ROUNDS):
        blame = await _older_to_blame(inspected.messages, turns, decision, decide)
        if blame is None or blame.turns <= left_out:
            return None
        left_out |= blame.turns
        together |= blame.together
        inspected = await without(sorted(left_out))
        decision = await decide(inspected.messages)
        if not decision.blocked:
            said = _by_turn(request.messages, turns)
            alone = left_out - together  # that a text passed says nothing of it and others together
            passed = await known({text for turn in alone for text in said.get(turn, ())})
            kept = {turn for turn in alone if all(text in passed for text in said.get(turn, ()))}
            redacted = sorted(left_out - kept)
            forwarded = inspected if not kept else await without(redacted) if redacted else request
            return Resumed(forwarded, decision, tuple(redacted))
    return None


@dataclass(frozen=True, slots=True)
class _Blame:
    turns: set[int]
    together: set[int]
    """Those of them that are blocked only together with what was said before."""


async def _older_to_blame(
    messages: Sequence[Message], turns: Turns, decision: Decision, decide: Decide
) -> _Blame | None:
    """The older turns that a blocked request is blocked for; None where anything else is to blame, too."""
    place = [turns.of(message) for message in messages]
    newest = _newest(messages, place)
    blame: set[int] = set()
    together: set[int] = set()
    for match in blocking(decision):
        if not is_joined(match.view):
            blame.add(place[match.segment])
            continue
        run = places_in_view(messages, match.segment, match.view)
        older = [i for i in run if place[i] < newest]
        if len(older) < len(run) and not (older and (await decide([messages[i] for i in older])).blocked):
            return None  # what was split is completed by the newest turn
        together.add(await _completing([(place[i], messages[i]) for i in older], decide))
    blame |= together
    fixed = {place[i] for i, message in enumerate(messages) if message.role is Role.SYSTEM}
    fit = all(0 <= turn < newest and turn not in fixed for turn in blame)
    return _Blame(blame, together) if blame and fit else None


async def _completing(said: Sequence[tuple[int, Message]], decide: Decide) -> int:
    """Of turns that are blocked together the one that completes what is blocked; what was said before may be honest."""
    turns = sorted({turn for turn, _ in said})
    few, enough = 0, len(turns)
    while enough - few > 1:
        half = (few + enough) // 2
        blocked = (await decide([message for turn, message in said if turn < turns[half]])).blocked
        few, enough = (few, half) if blocked else (half, enough)
    return turns[enough - 1]


def blocking(decision: Decision) -> list[Match]:
    """The matches for which a text is blocked."""
    return [match for match in decision.matches if match.action is Action.BLOCK and not match.shadow]


def blamed(messages: Sequence[Message], decision: Decision) -> str:
    """Where the text stands that a decision is about, as `messages[3].content`; empty where nothing can be named.

    Only the form of a place, never what a client wrote into its keys.
    """
    found = next(iter(blocking(decision)), None) or next(iter(decision.matches), None)
    if found is None or found.segment >= len(messages):
        return ""
    return place_of(messages[found.segment].origin)


def place_of(origin: str) -> str:
    """The form of a place, as far as it has one."""
    place = _PLACE.match(origin)
    return place[0] if place else ""


def older_turns(turns: Turns, messages: Sequence[Message], places: Iterable[str]) -> list[int] | None:
    """The turns in which these places stand; None where one is the newest, or outside of all turns."""
    newest = _newest(messages, [turns.of(message) for message in messages])
    found = sorted({turns.at(place) for place in places})
    return None if any(turn < 0 or turn >= newest for turn in found) else found


def _newest(messages: Sequence[Message], place: Sequence[int]) -> int:
    """Where the newest turn begins: the last that is neither the model's nor the system's, which applications put
    behind what the user says, too; of several results of tools the first one."""
    said = [(turn, message.role) for turn, message in zip(place, messages, strict=True) if turn >= 0]
    spoken = [(turn, role) for turn, role in said if role not in (Role.ASSISTANT, Role.SYSTEM)]
    if not spoken:
        return max((turn for turn, _ in said), default=0)
    newest = max(turn for turn, _ in spoken)
    roles: dict[int, set[Role]] = {}
    for turn, role in said:
        roles.setdefault(turn, set()).add(role)
    while roles[newest] == {Role.TOOL} == roles.get(newest - 1):
        newest -= 1
    return newest


def _by_turn(messages: Sequence[Message], turns: Turns) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for message in messages:
        found.setdefault(turns.of(message), []).append(message.content)
    return found


def _digest(sender: Sender, text: str) -> bytes:
    named = f"{sender.tenant}\0{sender.principal}\0{text}"
    return hashlib.blake2b(named.encode(errors="surrogatepass"), digest_size=16).digest()

"""What one blocked turn does to a conversation: which turn is to blame, and whether the others may go on without it."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from sisf.exchange import Message, Role, Sender
from sisf.pipeline.turn import Inspected
from sisf.policy import Action, Decision, Match
from sisf.warden.readings import TURN, run_of

Decide = Callable[[Sequence[Message]], Awaitable[Decision]]
_PLACE = re.compile(r"[a-z_]{1,40}(?:\[\d{1,6}\])?(?:\.[A-Za-z_]{1,40}(?:\[\d{1,6}\])?){0,8}")
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
    """Texts that passed, by sender: hashes only, the latest ones. Used on one event loop or under the caller's lock."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._passed: OrderedDict[bytes, None] = OrderedDict()

    def passed(self, sender: Sender, texts: Iterable[str]) -> None:
        """Remember texts that no policy blocked."""
        for text in texts:
            key = _hash(sender, text)
            self._passed[key] = None
            self._passed.move_to_end(key)
        while len(self._passed) > self._capacity:
            self._passed.popitem(last=False)

    def knows(self, sender: Sender, texts: Iterable[str]) -> bool:
        """Whether all these texts passed before."""
        return all(_hash(sender, text) in self._passed for text in texts)


async def resume(
    request: Inspected,
    turns: Turns,
    decision: Decision,
    decide: Decide,
    *,
    known: Callable[[Iterable[str]], bool],
    without: Callable[[Collection[int]], Awaitable[Inspected]],
) -> Resumed | None:
    """The conversation without the older turns that are to blame for `decision`; None where the newest one is.

    `known`: whether texts passed before and are not judged anew. They stay in what is forwarded, and are left out only
    where what remains is inspected. `without`: `turns.without`, however long it takes.
    """
    left_out: set[int] = set()
    inspected = request
    for _ in range(_ROUNDS):
        blame = await _older_to_blame(inspected.messages, turns, decision, decide)
        if not blame or blame <= left_out:
            return None
        left_out |= blame
        inspected = await without(sorted(left_out))
        decision = await decide(inspected.messages)
        if not decision.blocked:
            said = _by_turn(request.messages, turns)
            kept = {turn for turn in left_out if known(said.get(turn, ()))}
            redacted = sorted(left_out - kept)
            forwarded = inspected if not kept else await without(redacted) if redacted else request
            return Resumed(forwarded, decision, tuple(redacted))
    return None


async def _older_to_blame(
    messages: Sequence[Message], turns: Turns, decision: Decision, decide: Decide
) -> set[int] | None:
    """The older turns that a blocked request is blocked for; None where anything else is to blame, too."""
    place = [turns.of(message) for message in messages]
    newest = _newest(messages, place)
    blame: set[int] = set()
    for match in blocking(decision):
        if not _together(match):
            blame.add(place[match.segment])
            continue
        run = run_of(messages, match.segment)
        older = [i for i in run if place[i] < newest]
        if len(older) < len(run) and not (older and (await decide([messages[i] for i in older])).blocked):
            return None  # what was split is completed by the newest turn
        blame |= {place[i] for i in older}
    fixed = {place[i] for i, message in enumerate(messages) if message.role is Role.SYSTEM}
    return None if any(turn < 0 or turn >= newest or turn in fixed for turn in blame) else blame


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
    """Where the newest turn begins: the last that is not the model's; of several results of tools the first one."""
    said = [(turn, message.role) for turn, message in zip(place, messages, strict=True) if turn >= 0]
    spoken = [(turn, role) for turn, role in said if role is not Role.ASSISTANT]
    if not spoken:
        return max((turn for turn, _ in said), default=0)
    newest = max(turn for turn, _ in spoken)
    roles: dict[int, set[Role]] = {}
    for turn, role in said:
        roles.setdefault(turn, set()).add(role)
    while roles[newest] == {Role.TOOL} == roles.get(newest - 1):
        newest -= 1
    return newest


def _together(match: Match) -> bool:
    return match.view.startswith(TURN)


def _by_turn(messages: Sequence[Message], turns: Turns) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for message in messages:
        found.setdefault(turns.of(message), []).append(message.content)
    return found


def _hash(sender: Sender, text: str) -> bytes:
    named = f"{sender.tenant}\0{sender.principal}\0{text}"
    return hashlib.blake2b(named.encode(errors="surrogatepass"), digest_size=16).digest()

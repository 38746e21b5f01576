"""Whether honest users are stopped: what was stopped of those who behave well is judged, and only then counts.

Nobody labels the traffic, but who was answered harmlessly again and again and never breached is honest most of the
time. That such a sender was stopped is a doubt about the policy and no evidence: anybody can send what is stopped. The
judge's verdict on it is evidence, once for each sender and policy.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.requests import judge_request
from sisf.exchange import Sender
from sisf.loop import mistakes
from sisf.policy import Action
from sisf.store import ExchangeRecord, Feedback, FeedbackKind, Store
from sisf.store.evidence import PER_TENANT
from sisf.store.records import Conduct
from sisf.verdict import Outcome

_WELL_BEHAVED = 5
"""Harmless exchanges, and no breach, that make a sender well-behaved."""
_AT_ONCE = 20
"""Stopped prompts judged in one review: a judge may cost money."""
_OF_ONE = 3
_LOOKED_AT = 500


class Drift:
    """Judges what is stopped of honest traffic. Used by one thread at a time."""

    def __init__(self, store: Store, judge: Adjudicator | None, window: timedelta) -> None:
        """Without a judge nothing is judged, so nothing counts."""
        self._store = store
        self._judge = judge
        self._window = window
        self._began = datetime.min.replace(tzinfo=UTC)
        self._judged: set[tuple[str, Sender]] = set()
        """Policy and sender, within the window that began then."""
        self._asked: dict[tuple[str, str], int] = {}
        """How often the judge was asked, by policy and tenant."""

    def examine(self, now: datetime) -> int:
        """Judge what was stopped lately of the well-behaved and keep it as evidence. Returns how many were judged."""
        if self._judge is None:
            return 0
        if now - self._began > self._window:
            self._began, self._judged, self._asked = now, set(), {}
        since = now - self._window
        trusted = well_behaved(self._store.exchanges.conduct(since))
        asked = 0
        for record in self._store.exchanges.stopped(since, of_one=_OF_ONE, limit=_LOOKED_AT) if trusted else ():
            if asked == _AT_ONCE:
                break
            if record.exchange.sender in trusted and self._judge_stop(self._judge, record):
                asked += 1
        return asked

    def _judge_stop(self, judge: Adjudicator, record: ExchangeRecord) -> bool:
        """Judge one stopped prompt for the policies that its sender has not spoken on yet. False: there are none."""
        sender = record.exchange.sender
        stopping = {match.policy_id for match, _ in mistakes.stopping(record)}
        fresh = {p for p in stopping if (p, sender) not in self._judged and self._may_ask(p, sender)}
        if not fresh or not mistakes.readable(record.exchange.prompt):
            return False
        outcome = judge_request(judge, record.exchange).outcome
        for policy_id in sorted(fresh):
            self._judged.add((policy_id, sender))
            key = (policy_id, sender.tenant)
            self._asked[key] = self._asked.get(key, 0) + 1
            if outcome is not Outcome.UNDECIDED:
                breach = outcome is Outcome.BREACH
                kind = FeedbackKind.CONFIRMATION if breach else FeedbackKind.FALSE_POSITIVE
                self._store.feedback.add(Feedback(policy_id, kind, sender, record.exchange.id, "adjudicator"))
        return True

    def _may_ask(self, policy_id: str, sender: Sender) -> bool:
        """More words of one tenant would weigh nothing."""
        return self._asked.get((policy_id, sender.tenant), 0) < PER_TENANT


def well_behaved(conduct: Mapping[Sender, Conduct], *, least: int = _WELL_BEHAVED) -> set[Sender]:
    """The senders that were answered harmlessly `least` times, and never breached."""
    return {sender for sender, seen in conduct.items() if seen.safe >= least and not seen.breaches}


def stopped_by(record: ExchangeRecord) -> set[str]:
    """The policies that stopped an exchange, or would have in enforcing mode."""
    return {m.policy_id for d in record.decisions for m in d.matches if m.action is Action.BLOCK and not m.shadow}

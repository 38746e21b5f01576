"""Why an exchange was decided as it was: the same explanation as that of `sisf check`, on what was kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sisf.console.parts import Parts
from sisf.embedding.base import Embedder
from sisf.errors import SisfError
from sisf.exchange import Message, Role
from sisf.policy import Decision, Direction, Match, Policy, Probe, Prototypes, Snapshot, Status
from sisf.store import Store
from sisf.store.records import ExchangeRecord
from sisf.text.views import View, views
from sisf.warden import PolicySet
from sisf.warden.explain import Explanation, doubt_in_words, explain, view_in_words
from sisf.warden.semantic import caution_of

_NEAR = 5
_SEMANTIC = 200
"""More semantic policies than these are not all scored for one page."""
_UNREACHABLE = -1e9


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision on an exchange, with its reasons where they can still be given."""

    decision: Decision
    explanation: Explanation | None
    """None without an embedder, or when a policy is gone."""
    again: bool = True
    """Whether every match is found again in what was kept: else the place cannot be shown."""


@dataclass(frozen=True, slots=True)
class Near:
    """A policy that did not match, and how far it was from it."""

    policy: Policy
    score: float
    threshold: float
    steps: float
    """How far that is, in steps of caution: by these cosines and log-odds are held against each other."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What the policies say of a text that somebody tries."""

    explanation: Explanation
    near: Sequence[Near]
    views: Sequence[tuple[str, View]]
    """The readings of the text, each with its name in plain words."""


def explained(store: Store, embedder: Embedder | None, record: ExchangeRecord) -> list[Explained]:
    """Every decision on an exchange, explained by the policies as they were at its revision."""
    return [_explained(store, embedder, record, decision) for decision in record.decisions]


def explained_to(parts: Parts, record: ExchangeRecord) -> list[Explained]:
    """The same, without what people of one tenant may not see."""
    found = explained(parts.whole, parts.embedder, record)
    return [replace(each, explanation=parts.told(each.explanation)) if each.explanation else each for each in found]


def doubts(record: ExchangeRecord) -> list[str]:
    """Why its answer waited for a verdict, where it did: one sentence for each decision that came near to a policy."""
    return [doubt_in_words(each.doubt, each.direction) for each in record.decisions if each.doubt is not None]


def _explained(store: Store, embedder: Embedder | None, record: ExchangeRecord, decision: Decision) -> Explained:
    if embedder is None or not decision.matches:
        return Explained(decision, None)
    messages = _inspected(record, decision.direction)
    try:
        policies = [_as_of(store, match, decision.revision) for match in decision.matches]
        policy_set = PolicySet.compile(Snapshot(decision.revision, tuple(policies)), embedder)
        found = policy_set.inspect(messages, decision.direction, record.exchange.tenant).matches
        again: Mapping[str, Match] = {match.policy_id: match for match in found}
        matches = tuple(_placed(match, again.get(match.policy_id), len(messages)) for match in decision.matches)
        explanation = explain(replace(decision, matches=matches), policy_set, messages)
    except SisfError:
        return Explained(decision, None)
    return Explained(decision, explanation, all(match.policy_id in again for match in decision.matches))


def _inspected(record: ExchangeRecord, direction: Direction) -> Sequence[Message]:
    exchange = record.exchange
    answer = (Message(Role.ASSISTANT, exchange.response or "", "response"),)
    return answer if direction is Direction.RESPONSE else exchange.messages or (Message(Role.USER, ""),)


def _placed(recorded: Match, again: Match | None, messages: int) -> Match:
    """A recorded match at the place where it is found in what was kept; without a place where it is not."""
    if again is None:
        return replace(recorded, span=None, segment=min(recorded.segment, messages - 1))
    return replace(recorded, span=again.span, view=again.view, segment=again.segment)


def _as_of(store: Store, match: Match, revision: int) -> Policy:
    """A policy as it was at a revision, in force as the match says."""
    versions = [policy for number, policy in store.policies.versions(match.policy_id) if number <= revision]
    policy = versions[-1] if versions else store.policies.get(match.policy_id)
    return replace(policy, status=Status.SHADOW if match.shadow else Status.ACTIVE)


def spans(explained_by: Sequence[Explained], direction: Direction, segment: int, text: str) -> list[tuple[int, int]]:
    """What is to be marked in one text as it stands: matches in readings of the same length."""
    return [
        reason.match.span
        for each in explained_by
        if each.explanation is not None and each.decision.direction is direction
        for reason in each.explanation.reasons
        if reason.match.span and reason.match.segment == segment and _stands(reason.match.view, text)
    ]


def _stands(view: str, text: str) -> bool:
    if view == "raw":
        return True
    return view == "folded" and any(each.name == "folded" and len(each.text) == len(text) for each in views(text))


def tried(parts: Parts, policy_set: PolicySet, text: str, direction: Direction, tenant: str = "") -> Trial:
    """What a policy set says of a text, and which of its policies were nearest. Raises `LimitExceeded`."""
    tenant = parts.tenant or tenant
    messages = (Message(Role.ASSISTANT if direction is Direction.RESPONSE else Role.USER, text),)
    decision = policy_set.inspect(messages, direction, tenant)
    named = [(view_in_words(view.name), view) for view in views(text)]
    near = near_misses(parts, policy_set, decision, messages, tenant)
    return Trial(parts.told(explain(decision, policy_set, messages)), near, named)


def near_misses(
    parts: Parts, policy_set: PolicySet, decision: Decision, messages: Sequence[Message], tenant: str
) -> Sequence[Near]:
    """The policies that came nearest without matching, nearest first. Patterns match or do not."""
    matched = {match.policy_id for match in decision.matches}
    semantic = {
        policy.id: policy
        for policy in policy_set.snapshot.policies
        if isinstance(policy.condition, Prototypes | Probe) and policy.id not in matched
    }
    if not semantic or len(semantic) > _SEMANTIC:
        return ()
    lowered = [_lowered(policy) for policy in semantic.values()]
    open_set = PolicySet.compile(Snapshot(decision.revision, tuple(lowered)), policy_set.embedder)
    scores = {m.policy_id: m.score for m in open_set.inspect(messages, decision.direction, tenant).matches}
    near = [
        Near(
            policy,
            scores[policy.id],
            condition.threshold,
            (condition.threshold - scores[policy.id]) / caution_of(condition),
        )
        for policy in semantic.values()
        if policy.id in scores and isinstance(condition := policy.condition, Prototypes | Probe)
    ]
    seen = [replace(each, policy=policy) for each in near if (policy := parts.seen(each.policy)) is not None]
    return sorted(seen, key=lambda each: each.steps)[:_NEAR]


def _lowered(policy: Policy) -> Policy:
    condition = policy.condition
    if isinstance(condition, Prototypes | Probe):
        condition = replace(condition, threshold=_UNREACHABLE)
    return replace(policy, condition=condition, status=Status.SHADOW)

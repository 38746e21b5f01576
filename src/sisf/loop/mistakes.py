"""A text that was stopped by mistake: which policies stopped it, and how each of them learns to let it pass."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import re2

from sisf.embedding.base import Embedder
from sisf.errors import PolicyError
from sisf.policy import Action, Decision, Direction, Match, Policy, Probe, Prototypes, Substitution
from sisf.store import ExchangeRecord, Store
from sisf.store.privacy import is_hash
from sisf.store.redaction import LABELS
from sisf.text.views import views
from sisf.warden.matcher import PLAIN_VIEWS
from sisf.warden.patterns import MAX_CHARS, validate
from sisf.warden.readings import text_in_view
from sisf.warden.rehearsal import rehearsed, side

MOST_EXCEPTIONS = 16
"""A pattern that needs more is wrong, not unlucky."""
_MARGIN = 1e-4
_PLACEHOLDER = re2.compile(r"\\\[(" + "|".join(LABELS) + r")\\\]")
_NUMBERS = {"card", "iban", "ip", "phone", "ssn"}
_PIECES = (480, 120, 60, 30)


def stopping(record: ExchangeRecord) -> list[tuple[Match, Decision]]:
    """The matches that stopped an exchange: the strongest of each policy, with the decision it stands in."""
    blocked = [decision for decision in record.decisions if decision.blocked]
    return strongest(blocked, lambda match: match.action is Action.BLOCK and not match.shadow)


def only_of(store: Store, record: ExchangeRecord, tenant: str) -> bool:
    """Whether an exchange and all that stopped it belong to a tenant, so that its people may decide about it."""
    policies = [store.policies.get(match.policy_id) for match, _ in stopping(record)]
    return record.exchange.tenant == tenant and all(policy.tenant == tenant for policy in policies)


def strongest(decisions: Iterable[Decision], wanted: Callable[[Match], bool]) -> list[tuple[Match, Decision]]:
    """The strongest wanted match of each policy, with the decision it stands in."""
    found: dict[str, tuple[Match, Decision]] = {}
    for decision in decisions:
        for match in decision.matches:
            known = found.get(match.policy_id)
            if wanted(match) and (known is None or match.score > known[0].score):
                found[match.policy_id] = (match, decision)
    return list(found.values())


def text_of(record: ExchangeRecord, match: Match, direction: Direction) -> str:
    """The inspected text that a match stands in, as it was kept."""
    if direction is Direction.RESPONSE:
        return record.exchange.response or ""
    messages = record.exchange.messages
    if match.segment >= len(messages):
        return record.exchange.prompt
    return text_in_view(messages, match.segment, match.view)


def readable(text: str) -> bool:
    """Whether a text was kept as more than a hash."""
    return bool(text.strip()) and not is_hash(text)


def narrowings(policy: Policy, text: str, match: Match) -> Iterator[Policy]:
    """Policies that let `text` pass, the one that generalises best first: a learned threshold above the score, then
    an exception for the text alone. None when the text was not kept, or the policy has too many exceptions."""
    condition = policy.condition
    if isinstance(condition, Prototypes | Probe):
        threshold = max(condition.threshold, match.score + _MARGIN)
        yield dataclasses.replace(policy, condition=dataclasses.replace(condition, threshold=threshold))
    if (narrowed := excepted(policy, text, match)) is not None:
        yield narrowed


def excepted(policy: Policy, text: str, match: Match) -> Policy | None:
    """The policy with an exception for `text` alone. None when the text was not kept, or the policy can have no more
    exceptions."""
    condition = policy.condition
    if isinstance(condition, Substitution):
        return None
    exception = exception_for(text, match.span if match.view in PLAIN_VIEWS else None)
    if exception is None or (len(condition.exceptions) >= MOST_EXCEPTIONS and exception not in condition.exceptions):
        return None
    exceptions = tuple(dict.fromkeys((*condition.exceptions, exception)))
    return dataclasses.replace(policy, condition=dataclasses.replace(condition, exceptions=exceptions))


def exception_for(text: str, span: tuple[int, int] | None = None) -> str | None:
    """An RE2 pattern of this whole text: what was redacted may be anything of its kind, and of a long text its
    beginning, its end and the surroundings of `span` count. None for a text that was not kept."""
    if not readable(text):
        return None
    text = views(text)[0].text  # what the Warden searches, without lone surrogates
    for size in _PIECES:
        exception = f"(?is)^{'.*'.join(_literal(piece) for piece in _pieces(text, span, size))}$"
        if len(exception) > MAX_CHARS:
            continue
        try:
            validate(exception)
        except PolicyError:
            continue
        return exception
    return None


def _pieces(text: str, span: tuple[int, int] | None, size: int) -> list[str]:
    if len(text) <= 2 * size:
        return [text]
    if span is None:
        return [text[:size], text[-size:]]
    start, end = max(size, span[0] - size // 2), min(len(text) - size, max(span[0] + size, span[1]) + size // 2)
    return [text[:size], text[start:end], text[-size:]] if start < end else [text[:size], text[-size:]]


def _literal(piece: str) -> str:
    def kind(found: "re2._Match[str]") -> str:
        return "[0-9A-F .:()+-]+" if found.group(1) in _NUMBERS else r"\S+"

    return str(_PLACEHOLDER.sub(kind, re2.escape(piece)))


class Rehearsal:
    """What the Warden would decide if other policies were in force."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def stopped(self, policies: Sequence[Policy], record: ExchangeRecord, direction: Direction) -> Mapping[str, Match]:
        """The matches that would stop this side of the exchange, by policy."""
        exchange = record.exchange
        decision = rehearsed(policies, self._embedder, side(exchange, direction), direction, exchange.tenant)
        found = stopping(dataclasses.replace(record, decisions=(decision,)))
        return {match.policy_id: match for match, _ in found}

"""What a command names by its id, or by the start of one that no other has; and an exchange as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sisf.errors import StoreError, StoreUnavailable, quoted

if TYPE_CHECKING:
    from sisf.policy import Policy
    from sisf.store import ExchangeRecord, Store

EXCHANGE = "The id of the exchange, or its unambiguous start."
"""Help of an argument that names an exchange."""
_LATEST = 10_000
"""Exchanges among which the start of an id is looked for."""
_Named = TypeVar("_Named")


def exchange_named(store: "Store", exchange_id: str) -> "ExchangeRecord":
    """The exchange of that id. Raises `StoreError` when there is none, or more than one."""
    return _only(_exchanges(store, exchange_id), "exchange", exchange_id, "`sisf exchange search` shows them")


def policy_named(store: "Store", policy_id: str) -> "Policy":
    """The policy of that id. Raises `StoreError` when there is none, or more than one."""
    return _only(_policies(store, policy_id), "policy", policy_id, "`sisf policy list --status all` shows them")


def subject_named(store: "Store", subject: str) -> str:
    """The whole id of an exchange or a policy. Raises `StoreError` when there is none, or more than one."""
    found = [r.exchange.id for r in _exchanges(store, subject)] + [p.id for p in _policies(store, subject)]
    shown = "`sisf exchange search` and `sisf policy list --status all` show them"
    return _only(found, "exchange or policy", subject, shown)


def _exchanges(store: "Store", exchange_id: str) -> "list[ExchangeRecord]":
    try:
        return [store.exchanges.get(exchange_id)]
    except StoreUnavailable:
        raise
    except StoreError:
        return [r for r in store.exchanges.recent(_LATEST) if r.exchange.id.startswith(exchange_id)]


def _policies(store: "Store", policy_id: str) -> "list[Policy]":
    found = [policy for policy in store.policies.list() if policy.id.startswith(policy_id)]
    return [policy for policy in found if policy.id == policy_id] or found


def _only(found: Sequence[_Named], what: str, name: str, hint: str) -> _Named:
    if len(found) != 1:
        wrong = f"{len(found):,} ids start with" if found else f"there is no {what}"
        raise StoreError(f"{wrong} {quoted(name)}; {hint}")
    return found[0]


def exchange_json(record: "ExchangeRecord") -> dict[str, Any]:
    """What was said and judged, without the decisions (`sisf exchange why` explains those)."""
    verdict = record.verdict
    return {
        "id": record.exchange.id,
        "time": record.exchange.time.isoformat(),
        "tenant": record.exchange.sender.tenant,
        "principal": record.exchange.sender.principal,
        "outcome": record.fate.value,
        "prompt": record.exchange.prompt,
        "response": record.exchange.response,
        "verdict": None
        if verdict is None
        else {
            "outcome": verdict.outcome.value,
            "judge": verdict.judge,
            "hazard": verdict.hazard.value,
            "technique": verdict.technique.value,
            "severity": verdict.severity,
            "confidence": verdict.confidence,
            "rationale": verdict.rationale,
        },
    }
